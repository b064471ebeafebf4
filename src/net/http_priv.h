/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_NET_HTTP_PRIV_H
#define VV_NET_HTTP_PRIV_H

/* What the files of the HTTP server share; see net/http.c. */

#include <microhttpd.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "net/http.h"
#include "sys/socket_file.h"
#include "sys/thread.h"

struct sockaddr;

#define HTTP_UNIX_PREFIX "unix:"
/* Longest "unix:PATH" with its zero byte, rounded up. */
#define HTTP_ADDRESS_BYTES_MAX 128u
/* Longest address, or "unix:" and a user's number, with its zero byte. */
#define HTTP_PEER_BYTES_MAX     46u
#define HTTP_ANSWER_HEADERS_MAX 16u

/** One address that is listened on; fixed after start. */
typedef struct http_listener {
    vv_http *http;
    struct MHD_Daemon *daemon;
    int fd;
    bool is_unix;
    bool has_file; /* the path of a unix socket is ours */
    int lock_fd;   /* the lock of that path; -1: none */
    uint32_t port; /* 0: none */
    vv_socket_file file;
    char address[HTTP_ADDRESS_BYTES_MAX];
} http_listener;

/** One connection, from accept to close. */
typedef struct http_connection {
    vv_http *http;
    /* Fixed. */
    int fd;          /* of libmicrohttpd */
    bool is_unix;    /* came over unix:PATH */
    bool is_refused; /* beyond the limits: told so, and not served */
    char peer[HTTP_PEER_BYTES_MAX];
    bool has_served;                  /* of the connection's thread: a request has ended on it */
    _Atomic int64_t deadline_mono_ns; /* the watch ends it then; VV_NO_DEADLINE: no claim */
    struct http_connection *next;     /* guarded by http->lock */
    struct http_connection *previous;
    vv_http_request *request; /* of the connection's thread; NULL between requests */
} http_connection;

struct vv_http {
    /* Fixed after start. */
    vv_http_options options;
    http_listener listeners[VV_HTTP_LISTENERS_MAX];
    size_t listener_count;
    vv_thread watch;
    /* Guarded by lock. */
    vv_mutex lock;
    vv_cond changed; /* a request ended, or is_watch_over was set */
    http_connection *connections;
    uint32_t active; /* requests under way */
    bool is_watch_over;
    /* Atomic. */
    _Atomic uint32_t connection_count; /* changed under lock */
    _Atomic uint64_t request_count;    /* ids made */
    _Atomic uint64_t pending_bytes;    /* of documents */
    _Atomic bool is_stopping;          /* no new request */
    _Atomic bool is_ending;            /* none at all */
};

typedef struct http_cleanup {
    void (*run)(void *state);
    void *state;
    struct http_cleanup *next;
} http_cleanup;

struct vv_http_request {
    vv_http_view view;
    vv_http *http;
    http_connection *connection;
    struct MHD_Connection *mhd;
    vv_arena arena;
    varve_text target; /* as it came */
    http_cleanup *cleanups;
    bool is_begun;
    bool has_body;
    bool has_continue; /* the client waits before it sends */
    bool is_unframed;  /* refused, and nobody knows where its body ends: there is no draining it */
    bool is_closing;
    bool is_early;   /* answered before its body was there */
    bool is_lost;    /* nothing more can be done for it */
    uint64_t length; /* Content-Length; 0 also when there is none */
    /* the body */
    bool wants_body;
    bool takes_form;
    vv_inflate *inflate;
    vv_http_piece piece;
    vv_http_done done;
    vv_http_document document;
    void *state;
    varve_status body_status;
    varve_error body_err;
    vv_buf body;      /* of a document */
    uint64_t pending; /* counted in pending_bytes of the server */
    uint64_t drained;
    int64_t body_begin_ns;
    /* the answer */
    struct MHD_Response *answer;
    const char *header_names[HTTP_ANSWER_HEADERS_MAX];
    const char *header_values[HTTP_ANSWER_HEADERS_MAX];
    size_t header_count;
    bool varies_by_origin;
    vv_http_pull pull;
    void *pull_state;
    vv_buf raw;    /* pulled, not yet compressed */
    vv_buf packed; /* compressed */
    size_t given;  /* of raw or packed */
    vv_deflate *deflate;
    bool is_at_end; /* pull has said so */
};

/* ---- http_listen.c ---- */

/** Listen; http is set. What is held is released by close, also after a failure. */
VV_MUST_CHECK varve_status vv_http_listener_open(http_listener *listener, varve_text listen,
                                                 varve_error *out_err);
void vv_http_listener_close(http_listener *listener);
/** The peer of a connection as text, into HTTP_PEER_BYTES_MAX bytes; empty when unknown. */
void vv_http_name_peer(const struct sockaddr *address, int fd, char *out_peer);

/* ---- http_watch.c ---- */

void vv_http_watch_main(void *http);
void vv_http_notify_connection(void *listener, struct MHD_Connection *mhd, void **socket_context,
                               enum MHD_ConnectionNotificationCode code);
/** The connection is to do something within delay_ms; UINT64_MAX: it need not. */
void vv_http_expect(http_connection *connection, uint64_t delay_ms);
/** Shut down every connection. */
void vv_http_cut_all(vv_http *http);

/* ---- http_request.c ---- */

void *vv_http_on_target(void *http, const char *target, struct MHD_Connection *mhd);
enum MHD_Result vv_http_on_request(void *http, struct MHD_Connection *mhd, const char *url,
                                   const char *method, const char *version, const char *upload_data,
                                   size_t *upload_data_size, void **context);
void vv_http_on_completed(void *http, struct MHD_Connection *mhd, void **context,
                          enum MHD_RequestTerminationCode code);
/**
 * The request is over, answered or not. libmicrohttpd does not say so of a head that it gives up in
 * the middle of: the next request ends it, or the end of the connection.
 */
void vv_http_request_end(vv_http_request *request);

/* ---- http_answer.c ---- */

/** Answer with the JSON form of an error, and close. */
void vv_http_refuse(vv_http_request *request, uint32_t code, const char *error_type,
                    const char *text);
/** Release what the answer holds. */
void vv_http_answer_deinit(vv_http_request *request);

#endif
