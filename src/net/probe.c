/* SPDX-License-Identifier: Apache-2.0 */

#include "net/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/slice.h"
#include "base/text.h"
#include "sys/process.h"

#define PROBE_REQUEST_BYTES_MAX 1024u

typedef struct probe_target {
    struct sockaddr_storage address;
    socklen_t size;
} probe_target;

static bool probe_unix(varve_text path, probe_target *out_target)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    if (path.size == 0 || path.size >= sizeof local.sun_path) {
        return false;
    }
    memcpy(local.sun_path, path.data, path.size);
    memcpy(&out_target->address, &local, sizeof local);
    out_target->size = sizeof local;
    return true;
}

/** "127.0.0.1:9428" or "[::1]:9428"; an address that stands for all is one of this machine too. */
static bool probe_tcp(varve_text address, probe_target *out_target)
{
    uint64_t port;
    char host[INET6_ADDRSTRLEN];
    size_t colon = vv_text_find_last_char(address, ':');
    bool is_v6 = address.size > 2 && address.data[0] == '[';
    size_t skip = is_v6 ? 1 : 0;
    if (colon == address.size || colon < 2 * skip || colon - 2 * skip >= sizeof host ||
        !vv_text_parse_u64(vv_text_sub(address, colon + 1, address.size), &port) || port > 65535) {
        return false;
    }
    memcpy(host, address.data + skip, colon - 2 * skip);
    host[colon - 2 * skip] = '\0';
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    if (is_v6 && inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
        memcpy(&out_target->address, &v6, sizeof v6);
        out_target->size = sizeof v6;
        return true;
    }
    if (is_v6 || inet_pton(AF_INET, host, &v4.sin_addr) != 1) {
        return false;
    }
    memcpy(&out_target->address, &v4, sizeof v4);
    out_target->size = sizeof v4;
    return true;
}

/** Connected, the request sent, something or the end received. */
static bool probe_ask(int fd, const probe_target *target, varve_text request, int64_t deadline)
{
    char answer[16];
    if (connect(fd, (const struct sockaddr *)&target->address, target->size) != 0) {
        int error = 0;
        socklen_t size = sizeof error;
        if (errno != EINPROGRESS || !vv_process_wait_fd(fd, true, deadline) ||
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
            return false;
        }
    }
    if (send(fd, request.data, request.size, MSG_NOSIGNAL) < 0) {
        return errno == EPIPE || errno == ECONNRESET;
    }
    if (!vv_process_wait_fd(fd, false, deadline)) {
        return false;
    }
    ssize_t got = recv(fd, answer, sizeof answer, 0);
    return got >= 0 || errno == ECONNRESET;
}

bool vv_probe_answers(const char *address, varve_text path, int64_t deadline_mono_ns)
{
    static const varve_text prefix = VV_TEXT_INIT("unix:");
    varve_text text = vv_text_from_string(address);
    probe_target target = {.size = 0};
    char request[PROBE_REQUEST_BYTES_MAX];
    bool is_known = vv_text_starts_with(text, prefix)
                        ? probe_unix(vv_text_sub(text, prefix.size, text.size), &target)
                        : probe_tcp(text, &target);
    if (!is_known) {
        return false;
    }
    size_t size = vv_text_format(
        request, sizeof request,
        "GET %.*s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", VV_TEXT_ARGS(path));
    int fd = socket(target.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return false;
    }
    bool answers = probe_ask(fd, &target, vv_text_make(request, size), deadline_mono_ns);
    vv_process_close(fd);
    return answers;
}
