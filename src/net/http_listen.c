/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Addresses and the sockets that listen on them.
 *
 *     127.0.0.1:9428  :9428  localhost:9428  [::1]:9428    TCP; no names are looked up
 *     unix:/run/varve/http.sock                            a socket of the local domain
 *
 * L1  An IPv6 address is that alone: [::] takes no IPv4 clients, so 0.0.0.0 can stand beside it.
 * L2  A socket file that nobody listens on any more is replaced; one that answers, or any other
 *     file, is left alone and refused. Who listens holds a lock beside the file, from before it
 *     looks until its end, so that of several that find the same dead file one replaces it.
 * L3  A socket file has its permissions before anybody can connect, and is removed by the server
 *     that made it, while it is still the same.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/status.h"
#include "base/text.h"
#include "net/http_priv.h"
#include "sys/process.h"

#define LISTEN_BACKLOG 511
/* Of an address that is far too long. */
#define LISTEN_SHOWN_BYTES 64u

typedef struct listen_target {
    struct sockaddr_storage address;
    socklen_t size;
    bool is_loopback;
} listen_target;

/* ---- addresses ---- */

static varve_status listen_parse_port(varve_text text, varve_text listen, uint16_t *out_port,
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

static varve_status listen_parse_unix(varve_text listen, http_listener *listener,
                                      listen_target *out_target, varve_error *out_err)
{
    varve_text path = vv_text_sub(listen, VV_TEXT(HTTP_UNIX_PREFIX).size, listen.size);
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    if (path.size == 0 || path.size >= sizeof local.sun_path ||
        vv_text_find_char(path, '\0') < path.size) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "\"%.*s\" is no path of a socket: 1 to %zu bytes behind \"unix:\"",
                       VV_TEXT_ARGS(vv_text_sub(listen, 0, LISTEN_SHOWN_BYTES)),
                       sizeof local.sun_path - 1);
    }
    memcpy(local.sun_path, path.data, path.size);
    memcpy(&out_target->address, &local, sizeof local);
    out_target->size = sizeof local;
    out_target->is_loopback = true;
    listener->is_unix = true;
    vv_text_format(listener->address, sizeof listener->address, HTTP_UNIX_PREFIX "%s",
                   local.sun_path);
    return VARVE_OK;
}

/** host:port, [v6]:port, :port (loopback), localhost:port. */
static varve_status listen_parse_tcp(varve_text listen, listen_target *out_target,
                                     varve_error *out_err)
{
    size_t colon = vv_text_find_last_char(listen, ':');
    if (colon == listen.size) {
        return vv_fail(out_err, VARVE_E_INVALID, "\"%.*s\" is no address:port",
                       VV_TEXT_ARGS(listen));
    }
    uint16_t port;
    VV_TRY(listen_parse_port(vv_text_sub(listen, colon + 1, listen.size), listen, &port, out_err));
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

static varve_status listen_parse(http_listener *listener, varve_text listen,
                                 listen_target *out_target, varve_error *out_err)
{
    *out_target = (listen_target){.size = 0};
    if (vv_text_starts_with(listen, VV_TEXT(HTTP_UNIX_PREFIX))) {
        return listen_parse_unix(listen, listener, out_target, out_err);
    }
    VV_TRY(listen_parse_tcp(listen, out_target, out_err));
    if (!out_target->is_loopback && !listener->http->options.allows_public) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "%.*s can be reached from other machines, and nothing asks clients who they "
                       "are: --insecure-no-auth allows it, 127.0.0.1 needs no leave",
                       VV_TEXT_ARGS(listen));
    }
    if (!out_target->is_loopback && listener->http->options.refuses_public_root) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "%.*s can be reached from other machines, and this process is root: run it "
                       "as another user, or --allow-root",
                       VV_TEXT_ARGS(listen));
    }
    return VARVE_OK;
}

/* ---- sockets ---- */

/** Whether a server answers behind a socket file. */
static bool listen_is_answered(const listen_target *target)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return true; /* unknown: then it is not ours to take */
    }
    bool is_answered = connect(fd, (const struct sockaddr *)&target->address, target->size) == 0 ||
                       errno != ECONNREFUSED;
    vv_process_close(fd);
    return is_answered;
}

/** The path behind "unix:". */
static const char *listen_path(const http_listener *listener)
{
    return listener->address + VV_TEXT(HTTP_UNIX_PREFIX).size;
}

/** Hold the path (L2). */
static varve_status listen_lock(http_listener *listener, varve_text listen, varve_error *out_err)
{
    varve_status status = vv_socket_file_lock(listen_path(listener), &listener->lock_fd, out_err);
    if (status == VARVE_E_LOCKED) {
        return vv_fail_errno(out_err, VARVE_E_IO, EADDRINUSE, "cannot listen on %.*s",
                             VV_TEXT_ARGS(listen));
    }
    if (status != VARVE_OK) {
        vv_error_prefix(out_err, "cannot listen on %.*s", VV_TEXT_ARGS(listen));
    }
    return status;
}

static varve_status listen_bind(http_listener *listener, const listen_target *target,
                                varve_text listen, varve_error *out_err)
{
    int result = bind(listener->fd, (const struct sockaddr *)&target->address, target->size);
    vv_socket_file stale;
    if (result != 0 && errno == EADDRINUSE && listener->is_unix) {
        if (!vv_socket_file_find(listen_path(listener), &stale)) {
            return vv_fail(out_err, VARVE_E_IO, "cannot listen on %.*s: it exists and is no socket",
                           VV_TEXT_ARGS(listen));
        }
        if (listen_is_answered(target) || !vv_socket_file_remove(listen_path(listener), stale)) {
            return vv_fail_errno(out_err, VARVE_E_IO, EADDRINUSE, "cannot listen on %.*s",
                                 VV_TEXT_ARGS(listen));
        }
        result = bind(listener->fd, (const struct sockaddr *)&target->address, target->size);
    }
    return result == 0 ? VARVE_OK
                       : vv_fail_errno(out_err, VARVE_E_IO, errno, "cannot listen on %.*s",
                                       VV_TEXT_ARGS(listen));
}

static varve_status listen_open(http_listener *listener, const listen_target *target,
                                varve_text listen_text, varve_error *out_err)
{
    int family = target->address.ss_family;
    listener->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    bool is_set = listener->fd >= 0;
    if (is_set && family == AF_INET6) {
        is_set = setsockopt(listener->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0;
    }
    if (is_set && !listener->is_unix) {
        is_set = setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0;
    }
    if (!is_set) {
        return vv_fail_errno(out_err, VARVE_E_IO, errno, "cannot listen on %.*s",
                             VV_TEXT_ARGS(listen_text));
    }
    if (listener->is_unix) {
        VV_TRY(listen_lock(listener, listen_text, out_err));
    }
    VV_TRY(listen_bind(listener, target, listen_text, out_err));
    if (listener->is_unix) {
        listener->has_file = vv_socket_file_find(listen_path(listener), &listener->file);
        VV_TRY(vv_socket_file_permit(listen_path(listener), listener->http->options.unix_mode,
                                     out_err));
    }
    if (listen(listener->fd, LISTEN_BACKLOG) != 0) {
        return vv_fail_errno(out_err, VARVE_E_IO, errno, "cannot listen on %.*s",
                             VV_TEXT_ARGS(listen_text));
    }
    return VARVE_OK;
}

/** The address in use, port included. */
static varve_status listen_name_address(http_listener *listener, varve_error *out_err)
{
    if (listener->is_unix) {
        return VARVE_OK;
    }
    struct sockaddr_storage real = {0};
    socklen_t size = sizeof real;
    if (getsockname(listener->fd, (struct sockaddr *)&real, &size) != 0) {
        return vv_fail_errno(out_err, VARVE_E_IO, errno, "cannot read the address in use");
    }
    char text[INET6_ADDRSTRLEN] = "";
    if (real.ss_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, &real, sizeof v6);
        listener->port = ntohs(v6.sin6_port);
        VV_IGNORE(inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text)); /* room is enough */
        vv_text_format(listener->address, sizeof listener->address, "[%s]:%u", text,
                       listener->port);
    } else {
        struct sockaddr_in v4;
        memcpy(&v4, &real, sizeof v4);
        listener->port = ntohs(v4.sin_port);
        VV_IGNORE(inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text)); /* room is enough */
        vv_text_format(listener->address, sizeof listener->address, "%s:%u", text, listener->port);
    }
    return VARVE_OK;
}

varve_status vv_http_listener_open(http_listener *listener, varve_text listen, varve_error *out_err)
{
    listen_target target;
    VV_TRY(listen_parse(listener, listen, &target, out_err));
    VV_TRY(listen_open(listener, &target, listen, out_err));
    return listen_name_address(listener, out_err);
}

void vv_http_listener_close(http_listener *listener)
{
    if (listener->has_file) {
        VV_IGNORE(
            vv_socket_file_remove(listen_path(listener), listener->file)); /* or it is stale */
    }
    if (listener->fd >= 0) {
        vv_process_close(listener->fd);
        listener->fd = -1;
    }
    if (listener->lock_fd >= 0) {
        vv_socket_file_unlock(listen_path(listener), listener->lock_fd);
        listener->lock_fd = -1;
    }
}

/* ---- the other side ---- */

void vv_http_name_peer(const struct sockaddr *address, int fd, char *out_peer)
{
    char text[INET6_ADDRSTRLEN] = "";
    if (address != NULL && address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        VV_IGNORE(inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text)); /* room is enough */
    } else if (address != NULL && address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        VV_IGNORE(inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text)); /* room is enough */
    } else {
        struct ucred who;
        socklen_t size = sizeof who;
        if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0) {
            vv_text_format(text, sizeof text, HTTP_UNIX_PREFIX "%u", who.uid);
        }
    }
    memcpy(out_peer, text, sizeof text);
}
