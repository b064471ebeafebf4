/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Life of the HTTP server: its daemons, one for each address, and its end.
 *
 *   http.c          this file
 *   http_listen.c   addresses and their sockets
 *   http_watch.c    connections and their deadlines
 *   http_request.c  heads and bodies
 *   http_answer.c   answers
 *
 * libmicrohttpd runs one thread for each connection, so a handler may wait for a disk or compute
 * for seconds without holding up others; what a connection costs is bounded by connections_max, the
 * stack below and the memory of one request.
 *
 * H1  Every connection has a deadline at any time, but while a handler works (http_watch.c): a
 *     client cannot hold a thread by being slow.
 * H2  What the head alone refuses is answered at once, and the connection ends: the body is not
 *     waited for, but what comes of it is read for a moment (http_linger). An answer to a body is
 *     queued when it has been read, or drained up to VV_HTTP_DRAIN_BODY_BYTES_MAX behind a bad
 *     piece of it. Either way a client that is refused gets to see why.
 * H3  What a head says about its body must be unambiguous, or the request is refused and the
 *     connection closed.
 * H4  Connections beyond the limits are told 503 as soon as they are accepted, not served, and gone
 *     within a second.
 */

#include "net/http.h"

#include <errno.h>

#include "base/status.h"
#include "net/http_priv.h"
#include "sys/clock.h"

/* Handlers keep their large things on the heap; 512 KiB is twice what the deepest JSON needs. */
#define HTTP_STACK_BYTES (512u * 1024u)
/* Of libmicrohttpd, for one connection: a head of 32 KiB, the head of an answer, and 64 bytes for
 * each of VV_PARAMS_MAX parameters, which it takes apart as well. */
#define HTTP_POOL_BYTES (128u * 1024u)
/* Connections beyond the limit that are still told so, with a 503; for a second each at most. */
#define HTTP_CONNECTIONS_SPARE 32u

/** libmicrohttpd wants to print; nobody asked for it. */
static void http_log_nothing(void *context, const char *format, va_list args)
{
    (void)context;
    (void)format;
    (void)args;
}

static varve_status http_start_daemon(http_listener *listener, varve_error *out_err)
{
    vv_http *http = listener->http;
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
                     MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG;
    listener->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, vv_http_on_request, http, MHD_OPTION_EXTERNAL_LOGGER,
        http_log_nothing, NULL, MHD_OPTION_LISTEN_SOCKET, listener->fd, MHD_OPTION_CONNECTION_LIMIT,
        http->options.connections_max + HTTP_CONNECTIONS_SPARE, MHD_OPTION_CONNECTION_TIMEOUT, 0u,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_POOL_BYTES, MHD_OPTION_STRICT_FOR_CLIENT,
        1, MHD_OPTION_THREAD_STACK_SIZE, (size_t)HTTP_STACK_BYTES, MHD_OPTION_URI_LOG_CALLBACK,
        vv_http_on_target, http, MHD_OPTION_NOTIFY_COMPLETED, vv_http_on_completed, http,
        MHD_OPTION_NOTIFY_CONNECTION, vv_http_notify_connection, listener, MHD_OPTION_END);
    if (listener->daemon == NULL) {
        return vv_fail_errno(out_err, VARVE_E_LIMIT, errno, "cannot start the HTTP server on %s",
                             listener->address);
    }
    return VARVE_OK;
}

/** All addresses are bound before the first client is served: none or all. */
static varve_status http_listen(vv_http *http, varve_error *out_err)
{
    varve_text rest = http->options.listen;
    varve_text one;
    while (vv_text_split(&rest, ',', &one)) {
        one = vv_text_trim(one);
        if (one.size == 0) {
            continue;
        }
        if (http->listener_count == VV_HTTP_LISTENERS_MAX) {
            return vv_fail(out_err, VARVE_E_INVALID, "more than %u addresses to listen on",
                           VV_HTTP_LISTENERS_MAX);
        }
        http_listener *listener = &http->listeners[http->listener_count];
        *listener = (http_listener){.http = http, .fd = -1, .lock_fd = -1};
        http->listener_count += 1;
        VV_TRY(vv_http_listener_open(listener, one, out_err));
    }
    return http->listener_count > 0 ? VARVE_OK
                                    : vv_fail(out_err, VARVE_E_INVALID, "no address to listen on");
}

static void http_close_listeners(vv_http *http)
{
    for (size_t index = 0; index < http->listener_count; index++) {
        vv_http_listener_close(&http->listeners[index]);
    }
}

varve_status vv_http_check(const vv_http_options *options, varve_error *out_err)
{
    vv_http *http = vv_alloc_zeroed(options->alloc, sizeof *http);
    if (http == NULL) {
        return vv_fail_nomem(out_err, "the HTTP server", sizeof *http);
    }
    http->options = *options;
    varve_status status = http_listen(http, out_err);
    http_close_listeners(http);
    vv_alloc_free(options->alloc, http, sizeof *http);
    return status;
}

static varve_status http_open(vv_http *http, varve_error *out_err)
{
    VV_TRY(http_listen(http, out_err));
    VV_TRY(vv_thread_start(&http->watch, "vv-http-watch", vv_http_watch_main, http, out_err));
    for (size_t index = 0; index < http->listener_count; index++) {
        VV_TRY(http_start_daemon(&http->listeners[index], out_err));
    }
    return VARVE_OK;
}

varve_status vv_http_start(const vv_http_options *options, vv_http **out_http, varve_error *out_err)
{
    *out_http = NULL;
    vv_http *http = vv_alloc_zeroed(options->alloc, sizeof *http);
    if (http == NULL) {
        return vv_fail_nomem(out_err, "the HTTP server", sizeof *http);
    }
    http->options = *options;
    varve_status status = vv_mutex_init(&http->lock, VV_RANK_SESSION, 0, out_err);
    if (status != VARVE_OK) {
        vv_alloc_free(options->alloc, http, sizeof *http);
        return status;
    }
    status = vv_cond_init(&http->changed, out_err);
    if (status != VARVE_OK) {
        vv_mutex_deinit(&http->lock);
        vv_alloc_free(options->alloc, http, sizeof *http);
        return status;
    }
    *out_http = http; /* the first requests are answered before this returns */
    status = http_open(http, out_err);
    if (status != VARVE_OK) {
        vv_http_stop(http);
        *out_http = NULL;
    }
    return status;
}

size_t vv_http_address_count(const vv_http *http)
{
    return http->listener_count;
}

const char *vv_http_address(const vv_http *http, size_t index)
{
    return http->listeners[index].address;
}

uint32_t vv_http_port(const vv_http *http)
{
    for (size_t index = 0; index < http->listener_count; index++) {
        if (http->listeners[index].port != 0) {
            return http->listeners[index].port;
        }
    }
    return 0;
}

uint32_t vv_http_connections(const vv_http *http)
{
    return atomic_load(&http->connection_count);
}

bool vv_http_is_ending(const vv_http *http)
{
    return atomic_load(&http->is_ending);
}

/** Wait until no request is under way, at most for drain_ms. */
static void http_drain(vv_http *http)
{
    int64_t deadline = vv_deadline_after_ns((int64_t)http->options.drain_ms * VV_NS_PER_MS);
    vv_mutex_lock(&http->lock);
    bool has_time = true;
    while (http->active > 0 && has_time) {
        has_time = vv_cond_wait_until(&http->changed, &http->lock, deadline);
    }
    vv_mutex_unlock(&http->lock);
}

/** Take no new connection; whether there was anybody to take them. */
static bool http_quiesce(vv_http *http)
{
    bool was_serving = false;
    for (size_t index = 0; index < http->listener_count; index++) {
        if (http->listeners[index].daemon != NULL) {
            VV_IGNORE(MHD_quiesce_daemon(http->listeners[index].daemon)); /* the socket is ours */
            was_serving = true;
        }
    }
    return was_serving;
}

/*
 * The order of the end: no new connection; requests under way finish; those that do not are cut;
 * libmicrohttpd joins its threads; the watch ends last, since connections refer to it until then.
 */
void vv_http_stop(vv_http *http)
{
    if (http == NULL) {
        return;
    }
    atomic_store(&http->is_stopping, true);
    if (http_quiesce(http)) {
        http_drain(http);
        atomic_store(&http->is_ending, true);
        vv_http_cut_all(http);
    }
    for (size_t index = 0; index < http->listener_count; index++) {
        if (http->listeners[index].daemon != NULL) {
            MHD_stop_daemon(http->listeners[index].daemon);
        }
    }
    vv_mutex_lock(&http->lock);
    http->is_watch_over = true;
    vv_cond_broadcast(&http->changed);
    vv_mutex_unlock(&http->lock);
    vv_thread_join(&http->watch);
    http_close_listeners(http);
    vv_cond_deinit(&http->changed);
    vv_mutex_deinit(&http->lock);
    vv_alloc *alloc = http->options.alloc;
    vv_alloc_free(alloc, http, sizeof *http);
}
