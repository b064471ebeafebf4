/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Connections and their deadlines. One thread looks at all of them a few times a second and shuts
 * down the sockets of those that are late; the connection's own thread then meets the end of its
 * socket and cleans up. Deadlines are set by the thread of the connection:
 *
 *   accepted          header_timeout until the first head is complete
 *   turned away       a second
 *   head complete     the body: header_timeout, then 1 KiB for each second, and never longer
 *                     than idle_timeout without a byte
 *   handler works     none
 *   answer            stall_timeout from each piece that was taken
 *   between requests  idle_timeout and header_timeout together, until a request line is complete;
 *                     header_timeout from there
 */

#include <string.h>
#include <sys/socket.h>

#include "net/http_priv.h"
#include "sys/clock.h"

/* How often the watch looks, at most: a deadline is kept within this. */
#define WATCH_PERIOD_MS_MAX 250
#define WATCH_PERIOD_MS_MIN 10
/* How long a connection that is turned away may take to notice; arbitrary. */
#define WATCH_REFUSED_MS 1000u
#define WATCH_REFUSAL                                                                       \
    "{\"status\":\"error\",\"errorType\":\"unavailable\",\"error\":\"too many connections " \
    "(limit_connections)\",\"limit\":{\"code\":\"limit_connections\"}}"

void vv_http_expect(http_connection *connection, uint64_t delay_ms)
{
    int64_t deadline = VV_NO_DEADLINE;
    if (delay_ms < (uint64_t)(INT64_MAX / VV_NS_PER_MS)) {
        deadline = vv_deadline_after_ns((int64_t)delay_ms * VV_NS_PER_MS);
    }
    atomic_store(&connection->deadline_mono_ns, deadline);
}

/* ---- connections ---- */

/** Whether one more connection is beyond what all may have, or this peer. */
static bool watch_is_beyond_locked(vv_http *http, const http_connection *connection)
{
    vv_mutex_assert_held(&http->lock);
    if (atomic_load(&http->connection_count) >= http->options.connections_max) {
        return true;
    }
    uint32_t same = 0;
    for (const http_connection *at = http->connections; at != NULL; at = at->next) {
        same += !at->is_refused && strcmp(at->peer, connection->peer) == 0 ? 1 : 0;
    }
    return same >= http->options.connections_per_address_max;
}

/**
 * Tell a connection that it is one too many. Nobody waits for its request: the answer is sent now,
 * and what still comes is read for a moment, since an end with unread bytes would be a reset that
 * destroys the answer on its way.
 */
static void watch_refuse(http_connection *connection)
{
    static const char answer[] =
        "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n"
        "Content-Type: application/json\r\nContent-Length: 132\r\n\r\n" WATCH_REFUSAL;
    _Static_assert(sizeof WATCH_REFUSAL - 1 == 132, "what Content-Length says");
    if (connection->fd >= 0) {
        VV_IGNORE(send(connection->fd, answer, sizeof answer - 1, MSG_DONTWAIT | MSG_NOSIGNAL));
        VV_IGNORE(shutdown(connection->fd, SHUT_WR)); /* gone already: as good */
    }
    vv_http_expect(connection, WATCH_REFUSED_MS);
    vv_http *http = connection->http;
    http->options.refused(http->options.context);
}

static void watch_enter(http_connection *connection)
{
    vv_http *http = connection->http;
    vv_mutex_lock(&http->lock);
    connection->is_refused = watch_is_beyond_locked(http, connection);
    connection->next = http->connections;
    if (connection->next != NULL) {
        connection->next->previous = connection;
    }
    http->connections = connection;
    if (!connection->is_refused) {
        atomic_fetch_add(&http->connection_count, 1);
    }
    vv_mutex_unlock(&http->lock);
    if (connection->is_refused) {
        watch_refuse(connection);
    }
}

static void watch_leave(http_connection *connection)
{
    vv_http *http = connection->http;
    vv_mutex_lock(&http->lock);
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    if (connection->previous != NULL) {
        connection->previous->next = connection->next;
    } else {
        http->connections = connection->next;
    }
    if (!connection->is_refused) {
        atomic_fetch_sub(&http->connection_count, 1);
    }
    vv_mutex_unlock(&http->lock);
}

void vv_http_notify_connection(void *context, struct MHD_Connection *mhd, void **socket_context,
                               enum MHD_ConnectionNotificationCode code)
{
    http_listener *listener = context;
    vv_http *http = listener->http;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        http_connection *connection = vv_alloc_zeroed(http->options.alloc, sizeof *connection);
        *socket_context = connection; /* NULL: the first request on it is refused */
        if (connection == NULL) {
            return;
        }
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
        connection->http = http;
        connection->is_unix = listener->is_unix;
        connection->fd = info == NULL ? -1 : info->connect_fd;
        info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
        vv_http_name_peer(info == NULL ? NULL : info->client_addr, connection->fd,
                          connection->peer);
        vv_http_expect(connection, http->options.header_timeout_ms);
        watch_enter(connection);
        return;
    }
    http_connection *connection = *socket_context;
    if (connection == NULL) {
        return;
    }
    if (connection->request != NULL) {
        vv_http_request_end(connection->request);
    }
    watch_leave(connection);
    vv_alloc_free(http->options.alloc, connection, sizeof *connection);
    *socket_context = NULL;
}

/* ---- deadlines ---- */

/** The socket is open as long as the connection is in the list: it leaves the list first. */
static void watch_cut(const http_connection *connection)
{
    if (connection->fd >= 0) {
        VV_IGNORE(shutdown(connection->fd, SHUT_RDWR)); /* gone already: as good */
    }
}

void vv_http_cut_all(vv_http *http)
{
    vv_mutex_lock(&http->lock);
    for (http_connection *at = http->connections; at != NULL; at = at->next) {
        watch_cut(at);
    }
    vv_mutex_unlock(&http->lock);
}

static void watch_look_locked(vv_http *http)
{
    vv_mutex_assert_held(&http->lock);
    int64_t now = vv_mono_now_ns();
    for (http_connection *at = http->connections; at != NULL; at = at->next) {
        if (atomic_load(&at->deadline_mono_ns) <= now) {
            watch_cut(at);
        }
    }
}

/** A quarter of the shortest time anybody has, within reason. */
static int64_t watch_period_ms(const vv_http_options *options)
{
    uint32_t least = options->header_timeout_ms;
    least = options->idle_timeout_ms < least ? options->idle_timeout_ms : least;
    least = options->stall_timeout_ms < least ? options->stall_timeout_ms : least;
    int64_t period = (int64_t)least / 4;
    if (period < WATCH_PERIOD_MS_MIN) {
        return WATCH_PERIOD_MS_MIN;
    }
    return period < WATCH_PERIOD_MS_MAX ? period : WATCH_PERIOD_MS_MAX;
}

void vv_http_watch_main(void *context)
{
    vv_http *http = context;
    int64_t period_ns = watch_period_ms(&http->options) * VV_NS_PER_MS;
    vv_mutex_lock(&http->lock);
    int64_t next = vv_deadline_after_ns(period_ns);
    while (!http->is_watch_over) {
        if (!vv_cond_wait_until(&http->changed, &http->lock, next)) {
            watch_look_locked(http);
            next = vv_deadline_after_ns(period_ns);
        }
    }
    vv_mutex_unlock(&http->lock);
}
