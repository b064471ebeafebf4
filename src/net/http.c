/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Life of the HTTP server: its address, its daemon, its end.
 *
 *   http.c          this file
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
 * H2  An answer is queued when the body has been read, or drained up to VV_HTTP_DRAIN_BYTES_MAX, so
 *     that a client which is refused gets to see why.
 * H3  What a head says about its body must be unambiguous, or the request is refused and the
 *     connection closed.
 */

#include "net/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/status.h"
#include "base/text.h"
#include "net/http_priv.h"
#include "sys/clock.h"
#include "sys/process.h"

/* Handlers keep their large things on the heap; 512 KiB is twice what the deepest JSON needs. */
#define HTTP_STACK_BYTES (512u * 1024u)
/* Of libmicrohttpd, for one connection: a head of 32 KiB, the head of an answer, and 64 bytes for
 * each of VV_PARAMS_MAX parameters, which it takes apart as well. */
#define HTTP_POOL_BYTES (128u * 1024u)
/* Connections beyond the limit that are still told so, with a 503. */
#define HTTP_CONNECTIONS_SPARE 32u
#define HTTP_BACKLOG           511

typedef struct http_target {
    struct sockaddr_storage address;
    socklen_t size;
    bool is_loopback;
} http_target;

static varve_status http_parse_port(varve_text text, varve_text listen, uint16_t *out_port,
                                    varve_error *out_err)
{
    uint64_t port;
    if (!vv_text_parse_u64(text, &port) || port > 65535) {
        return vv_fail(out_err, VARVE_E_INVALID, "\"%.*s\" has no port from 0 to 65535",
                       VV_TEXT_ARGS(listen));
    }
    *out_port = (uint16_t)port;
    return VARVE_OK;
}

/** host:port, [v6]:port, :port (loopback), localhost:port. No names are looked up. */
static varve_status http_parse_listen(varve_text listen, http_target *out_target,
                                      varve_error *out_err)
{
    size_t colon = vv_text_find_last_char(listen, ':');
    if (colon == listen.size) {
        return vv_fail(out_err, VARVE_E_INVALID, "\"%.*s\" is no address:port",
                       VV_TEXT_ARGS(listen));
    }
    uint16_t port;
    VV_TRY(http_parse_port(vv_text_sub(listen, colon + 1, listen.size), listen, &port, out_err));
    varve_text host = vv_text_make(listen.data, colon);
    if (host.size == 0 || vv_text_equal(host, VV_TEXT("localhost"))) {
        host = VV_TEXT("127.0.0.1");
    }
    bool is_v6 = host.size > 2 && host.data[0] == '[' && host.data[host.size - 1] == ']';
    if (is_v6) {
        host = vv_text_sub(host, 1, host.size - 2);
    }
    char text[INET6_ADDRSTRLEN];
    if (host.size >= sizeof text) {
        return vv_fail(out_err, VARVE_E_INVALID, "\"%.*s\" is no address:port",
                       VV_TEXT_ARGS(listen));
    }
    memcpy(text, host.data, host.size);
    text[host.size] = '\0';
    *out_target = (http_target){.size = 0};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (is_v6 && inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
        memcpy(&out_target->address, &v6, sizeof v6);
        out_target->size = sizeof v6;
        out_target->is_loopback = IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
    } else if (!is_v6 && inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        memcpy(&out_target->address, &v4, sizeof v4);
        out_target->size = sizeof v4;
        out_target->is_loopback = ntohl(v4.sin_addr.s_addr) >> 24 == 127;
    } else {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "\"%.*s\" is no numeric address:port, such as 127.0.0.1:9428",
                       VV_TEXT_ARGS(listen));
    }
    return VARVE_OK;
}

static varve_status http_listen(vv_http *http, varve_error *out_err)
{
    varve_text listen_text = http->options.listen;
    http_target target;
    VV_TRY(http_parse_listen(listen_text, &target, out_err));
    if (!target.is_loopback && !http->options.allows_public) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "%.*s can be reached from other machines, and nothing asks clients who they "
                       "are: allow it explicitly or listen on 127.0.0.1",
                       VV_TEXT_ARGS(listen_text));
    }
    int fd = socket(target.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return vv_fail_errno(out_err, VARVE_E_IO, errno, "cannot listen on %.*s",
                             VV_TEXT_ARGS(listen_text));
    }
    http->listen_fd = fd;
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (const struct sockaddr *)&target.address, target.size) != 0 ||
        listen(fd, HTTP_BACKLOG) != 0) {
        return vv_fail_errno(out_err, VARVE_E_IO, errno, "cannot listen on %.*s",
                             VV_TEXT_ARGS(listen_text));
    }
    return VARVE_OK;
}

/** The address in use, port included. */
static varve_status http_name_address(vv_http *http, varve_error *out_err)
{
    struct sockaddr_storage real = {0};
    socklen_t size = sizeof real;
    if (getsockname(http->listen_fd, (struct sockaddr *)&real, &size) != 0) {
        return vv_fail_errno(out_err, VARVE_E_IO, errno, "cannot read the address in use");
    }
    char text[INET6_ADDRSTRLEN] = "";
    if (real.ss_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, &real, sizeof v6);
        http->port = ntohs(v6.sin6_port);
        VV_IGNORE(inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text)); /* room is enough */
        vv_text_format(http->address, sizeof http->address, "[%s]:%u", text, http->port);
    } else {
        struct sockaddr_in v4;
        memcpy(&v4, &real, sizeof v4);
        http->port = ntohs(v4.sin_port);
        VV_IGNORE(inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text)); /* room is enough */
        vv_text_format(http->address, sizeof http->address, "%s:%u", text, http->port);
    }
    return VARVE_OK;
}

/** libmicrohttpd wants to print; nobody asked for it. */
static void http_log_nothing(void *context, const char *format, va_list args)
{
    (void)context;
    (void)format;
    (void)args;
}

static varve_status http_start_daemon(vv_http *http, varve_error *out_err)
{
    const vv_http_options *options = &http->options;
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
                     MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG;
    http->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, vv_http_on_request, http, MHD_OPTION_EXTERNAL_LOGGER,
        http_log_nothing, NULL, MHD_OPTION_LISTEN_SOCKET, http->listen_fd,
        MHD_OPTION_CONNECTION_LIMIT, options->connections_max + HTTP_CONNECTIONS_SPARE,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, options->connections_per_address_max,
        MHD_OPTION_CONNECTION_TIMEOUT, 0u, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HTTP_POOL_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_THREAD_STACK_SIZE,
        (size_t)HTTP_STACK_BYTES, MHD_OPTION_URI_LOG_CALLBACK, vv_http_on_target, http,
        MHD_OPTION_NOTIFY_COMPLETED, vv_http_on_completed, http, MHD_OPTION_NOTIFY_CONNECTION,
        vv_http_notify_connection, http, MHD_OPTION_END);
    if (http->daemon == NULL) {
        return vv_fail_errno(out_err, VARVE_E_LIMIT, errno, "cannot start the HTTP server on %s",
                             http->address);
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
    http->listen_fd = -1;
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
    status = http_listen(http, out_err);
    if (status == VARVE_OK) {
        status = http_name_address(http, out_err);
    }
    if (status == VARVE_OK) {
        status = vv_thread_start(&http->watch, "vv-http-watch", vv_http_watch_main, http, out_err);
    }
    if (status == VARVE_OK) {
        status = http_start_daemon(http, out_err);
    }
    if (status != VARVE_OK) {
        vv_http_stop(http);
        return status;
    }
    *out_http = http;
    return VARVE_OK;
}

const char *vv_http_address(const vv_http *http)
{
    return http->address;
}

uint32_t vv_http_port(const vv_http *http)
{
    return http->port;
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
    if (http->daemon != NULL) {
        VV_IGNORE(MHD_quiesce_daemon(http->daemon)); /* listen_fd is ours already */
        http_drain(http);
        atomic_store(&http->is_ending, true);
        vv_http_cut_all(http);
        MHD_stop_daemon(http->daemon);
    }
    vv_mutex_lock(&http->lock);
    http->is_watch_over = true;
    vv_cond_broadcast(&http->changed);
    vv_mutex_unlock(&http->lock);
    vv_thread_join(&http->watch);
    if (http->listen_fd >= 0) {
        vv_process_close(http->listen_fd);
    }
    vv_cond_deinit(&http->changed);
    vv_mutex_deinit(&http->lock);
    vv_alloc *alloc = http->options.alloc;
    vv_alloc_free(alloc, http, sizeof *http);
}
