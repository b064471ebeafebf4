/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_SERVER_SERVER_H
#define VV_SERVER_SERVER_H

/*
 * The HTTP server of `varve serve`: everything it serves comes from one open database, through
 * varve.h. The routes are in server/routes.def.
 *
 *     vv_server_options options;
 *     vv_server_options_init(&options);
 *     vv_server_start(db, &options, &server, &err);
 *     ... vv_server_address(server) ...
 *     vv_server_stop(server);
 *     varve_close(db, &err);
 *
 * Threads: start and stop by one thread; the server runs threads of its own.
 */

#include "base/compiler.h"
#include "varve.h"

typedef struct vv_server vv_server;

/** One finished request. The texts are borrowed for the call, and what the client sent. */
typedef struct vv_server_access {
    varve_text method;
    varve_text path;
    varve_text peer; /* address of the client, or "unix:USER" */
    varve_text id;   /* X-Request-Id, the client's or made */
    uint32_t code;
    uint64_t received_bytes; /* of the body, as it came */
    uint64_t duration_us;
} vv_server_access;

/** Called by threads of the server, several at once. */
typedef void (*vv_server_log)(void *context, const vv_server_access *access);

typedef struct vv_server_options {
    varve_text listen;        /* "127.0.0.1:9428"; "[::1]:0", ":9428"; port 0 takes a free one;
                                 "unix:PATH"; up to 8 with commas between them */
    uint32_t unix_mode;       /* 0660: permissions of the sockets of unix:PATH */
    varve_text http_prefix;   /* "/varve": all paths lie below it; empty: at the root */
    varve_text cors_origins;  /* exact origins that pages may call from, with commas; none */
    uint32_t connections_max; /* 1024 */
    uint32_t connections_per_address_max; /* 256 */
    uint32_t header_timeout_ms;           /* 10000: a request's head is to be there by then */
    uint32_t idle_timeout_ms;             /* 60000: without a request, or a byte of one */
    uint32_t stall_timeout_ms;            /* 30000: no byte of an answer taken */
    uint32_t drain_ms;                    /* 5000: what requests under way get when stopping */
    uint64_t text_line_bytes_max;         /* 1 MiB: one line of an import */
    uint64_t future_ms_max;          /* 1 day: how far ahead of the clock rows may be; 0: any */
    uint64_t document_bytes_max;     /* 1 MiB: a JSON document, inflated */
    uint64_t form_bytes_max;         /* 10 MiB: parameters in a body, inflated */
    uint64_t batch_bytes;            /* 4 MiB: import text applied as one batch */
    uint32_t batch_rows_max;         /* 100000 */
    uint64_t series_cache_bytes;     /* 64 MiB: known series keys */
    uint64_t memory_bytes_max;       /* 512 MiB: all requests together */
    uint32_t query_timeout_ms;       /* 30000 */
    uint32_t queries_max;            /* at once; 0: twice the processors, at most 32 */
    uint32_t query_wait_ms;          /* 10000: how long a query waits for its turn */
    uint64_t query_rows_max;         /* 50 M rows decoded */
    uint64_t query_memory_bytes_max; /* 256 MiB */
    uint64_t listing_rows_max;       /* 100000 */
    varve_text influx_db_label;      /* "db": the label for the database of a write */
    varve_text influx_separator;     /* "_": between measurement and field, if flat */
    bool influx_flat;                /* fields of a line become series of their own */
    bool influx_skip_single;         /* but for one that its line has alone */
    bool keeps_created;              /* OpenMetrics: samples NAME_created are rows too */
    bool allows_public;              /* listen beyond loopback although nothing is asked of
                                        clients; E_INVALID without */
    bool refuses_public_root;        /* the same: the process is root, and was not to be */
    struct vv_life *life;            /* server/life.h; NULL: no settings are shown or read */
    bool allows_lifecycle;           /* POST /-/reload and /-/quit */
    vv_server_log log;               /* NULL: none */
    void *log_context;
} vv_server_options;

void vv_server_options_init(vv_server_options *options);

/**
 * What can be told before there is a database: whether the options make sense and the addresses
 * can be listened on. Errors of vv_server_start.
 */
VV_MUST_CHECK varve_status vv_server_check(const vv_server_options *options, varve_error *out_err);
/**
 * Listen and serve. db and the texts of options are borrowed until vv_server_stop returns.
 * Errors: E_INVALID (an address, a prefix, an origin or a label that is none), E_IO (one sentence
 * that says why it cannot be listened on), E_NOMEM, E_LIMIT (threads).
 */
VV_MUST_CHECK varve_status vv_server_start(varve_db *db, const vv_server_options *options,
                                           vv_server **out_server, varve_error *out_err);

/** From now on with these limits: those members that VV_LIVE_MAP lists. From any thread. */
void vv_server_reconfigure(vv_server *server, const vv_server_options *options);

/** The first address, as vv_server_address_at. */
const char *vv_server_address(const vv_server *server);

/** "127.0.0.1:9428", with the real port, or "unix:PATH"; borrowed until vv_server_stop. */
const char *vv_server_address_at(const vv_server *server, size_t index);
size_t vv_server_address_count(const vv_server *server);

/** The port of the first address that has one. */
uint32_t vv_server_port(const vv_server *server);

/** Take no new request, let those under way finish for drain_ms, then end them. NULL is fine. */
void vv_server_stop(vv_server *server);

#endif
