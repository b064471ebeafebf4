/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_NET_HTTP_H
#define VV_NET_HTTP_H

/*
 * An HTTP/1.1 server over libmicrohttpd: requests in, answers out, both streaming, all of it
 * bounded. What a path means is the caller's business.
 *
 *     head(context, request)      the head of a request is there; the handler either
 *       answers                     vv_http_respond, vv_http_respond_stream, or
 *       asks for the body           vv_http_read_body (pieces) or vv_http_read_document (whole)
 *     done(state, request, ...)   the body has ended, well or not; the handler answers
 *     cleanup(state)              the request is over, whatever happened
 *
 * Threads:  all calls for one request come from one thread, which may block. Each connection has a
 * thread of its own.
 */

#include "base/alloc.h"
#include "base/arena.h"
#include "base/compiler.h"
#include "base/slice.h"
#include "net/encoding.h"
#include "net/params.h"
#include "varve.h"

/* Bounds of security.md: of a head, of one line of it, of the target. */
#define VV_HTTP_HEAD_BYTES_MAX 32768u
#define VV_HTTP_LINE_BYTES_MAX 8192u
#define VV_HTTP_HEADERS_MAX    100u
/* What is read and thrown away so that a client that is refused sees the answer: of a body that is
 * not wanted, and of one that turned out bad midway, where libmicrohttpd takes no answer. */
#define VV_HTTP_DRAIN_BYTES_MAX      (8u * 1024u * 1024u)
#define VV_HTTP_DRAIN_BODY_BYTES_MAX (64u * 1024u * 1024u)
/* Addresses of one server; arbitrary. */
#define VV_HTTP_LISTENERS_MAX 8u
/* Of a client's X-Request-Id; a longer one is replaced. */
#define VV_HTTP_REQUEST_ID_BYTES_MAX 128u

typedef struct vv_http vv_http;
typedef struct vv_http_request vv_http_request;

typedef struct vv_http_options {
    varve_text listen;  /* host:port or unix:PATH; several with commas between them */
    uint32_t unix_mode; /* permissions of the sockets of unix:PATH */
    uint32_t connections_max;
    uint32_t connections_per_address_max; /* of one user, over unix:PATH */
    uint32_t header_timeout_ms;
    uint32_t idle_timeout_ms;
    uint32_t stall_timeout_ms;
    uint32_t drain_ms;
    size_t request_bytes_max;   /* memory of one request: texts, parameters, a document */
    uint64_t pending_bytes_max; /* documents of all requests that are collected, inflated */
    uint64_t id_begin;          /* number of the first id that is made; clients see it */
    bool allows_public;
    bool refuses_public_root; /* the process is root, and nobody said that it may */
    vv_alloc *alloc;          /* borrowed */
    void *context;
    void (*head)(void *context, vv_http_request *request);
    void (*finished)(void *context,
                     vv_http_request *request); /* answered or lost; before cleanup */
    void (*refused)(void *context);             /* a connection beyond the limits was turned away */
} vv_http_options;

/**
 * Whether vv_http_start could listen now: each address is listened on for a moment, and no client
 * is answered. Its errors.
 */
VV_MUST_CHECK varve_status vv_http_check(const vv_http_options *options, varve_error *out_err);
/**
 * Listen. *out_http is set before the first request is answered, which may be before this returns.
 * Errors: E_INVALID (address text; an address beyond loopback without allows_public), E_IO
 * (it cannot be listened on), E_NOMEM, E_LIMIT.
 */
VV_MUST_CHECK varve_status vv_http_start(const vv_http_options *options, vv_http **out_http,
                                         varve_error *out_err);
/** How many addresses are listened on. */
size_t vv_http_address_count(const vv_http *http);
/** "127.0.0.1:9428" with the real port, or "unix:PATH". */
const char *vv_http_address(const vv_http *http, size_t index);
/** The port of the first address that has one. */
uint32_t vv_http_port(const vv_http *http);
/** Connections open now, without those that were turned away. */
uint32_t vv_http_connections(const vv_http *http);
/** Drain and stop; NULL is fine. */
void vv_http_stop(vv_http *http);
/** Stopping, and the time for requests under way is over. */
bool vv_http_is_ending(const vv_http *http);

/* ---- a request ---- */

/** Fixed while a request lives, but for what is said. */
typedef struct vv_http_view {
    varve_text method;
    varve_text path;   /* decoded, but for %2F and %25: see VV_PERCENT_PATH */
    vv_params params;  /* of the query; those of a form join after vv_http_read_document */
    varve_text peer;   /* "127.0.0.1"; "unix:1000" is a user of this machine */
    varve_text id;     /* X-Request-Id: the client's, or made */
    bool is_unix;      /* came over unix:PATH */
    uint32_t code;     /* answered; 0: not yet */
    uint64_t received; /* bytes of the body as they came */
    int64_t begin_ns;  /* vv_mono_now_ns */
    void *user;        /* the caller's, for `finished` */
} vv_http_view;

vv_http_view *vv_http_request_view(vv_http_request *request);
/** Memory that lives as long as the request. */
vv_arena *vv_http_request_arena(vv_http_request *request);
/**
 * First value of a header, whatever the case of the name; false when there is none. Those that
 * begin with X-Varve- are never there: who somebody is is not for the client to say (T17).
 */
bool vv_http_request_header(vv_http_request *request, varve_text name, varve_text *out_value);
/** The client has closed its side, or the server ends: work for it may stop. */
bool vv_http_request_is_gone(vv_http_request *request);
/** Run at the end of the request, last set first; E_NOMEM when it cannot be kept (not run then). */
VV_MUST_CHECK varve_status vv_http_request_cleanup(vv_http_request *request,
                                                   void (*cleanup)(void *state), void *state);

/* ---- its body ---- */

typedef varve_status (*vv_http_piece)(void *state, vv_bytes piece, varve_error *out_err);
/**
 * @param status  OK: the body is complete. E_LIMIT: too large (413). E_UNSUPPORTED: an encoding
 * (415). Else bad bytes, or what the piece function returned.
 */
typedef void (*vv_http_done)(void *state, vv_http_request *request, varve_status status,
                             const varve_error *err);

/** Inflate the body and give it to `piece` as it comes; then `done`. */
void vv_http_read_body(vv_http_request *request, uint64_t decoded_bytes_max, vv_http_piece piece,
                       vv_http_done done, void *state);

/** Collect the body, then `done` with it. takes_form: a form joins the parameters. */
typedef void (*vv_http_document)(void *state, vv_http_request *request, varve_text body,
                                 varve_status status, const varve_error *err);
void vv_http_read_document(vv_http_request *request, uint64_t decoded_bytes_max, bool takes_form,
                           vv_http_document done, void *state);

/* ---- its answer ---- */

/** A header of the answer; before responding. Texts are terminated, without control bytes. */
void vv_http_add_header(vv_http_request *request, const char *name, const char *value);
/** The answer depends on the Origin of the request: caches are told. */
void vv_http_vary_origin(vv_http_request *request);
/** The connection closes after the answer. */
void vv_http_close_after(vv_http_request *request);
/** The whole answer; body is copied. content_type NULL: none. Compressed if wanted and it pays. */
void vv_http_respond(vv_http_request *request, uint32_t code, const char *content_type,
                     varve_text body);

/** Append the next piece (not much above 64 KiB); at the end set *out_is_end. */
typedef varve_status (*vv_http_pull)(void *state, vv_buf *out, bool *out_is_end,
                                     varve_error *out_err);
/**
 * An answer in pieces. The first piece is pulled at once: a failure is returned, and nothing was
 * answered yet. A later failure cuts the answer short, without its last chunk.
 */
VV_MUST_CHECK varve_status vv_http_respond_stream(vv_http_request *request, uint32_t code,
                                                  const char *content_type, vv_http_pull pull,
                                                  void *state, varve_error *out_err);

#endif
