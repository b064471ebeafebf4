/* SPDX-License-Identifier: Apache-2.0 */
#include "support/http_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "support/check.h"

int http_connect(uint32_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct timeval limit = {.tv_sec = 20};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit), 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

bool http_send_bytes(int fd, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        at += sent;
        size -= (size_t)sent;
    }
    return true;
}

/** Take the chunks out of a body in place. */
static void http_client_unchunk(http_reply *reply)
{
    char *from = reply->body;
    char *end = reply->body + reply->body_size;
    char *to = reply->body;
    reply->is_complete = false;
    while (from < end) {
        char *line = NULL;
        unsigned long size = strtoul(from, &line, 16);
        line = strstr(line, "\r\n");
        if (line == NULL) {
            break;
        }
        from = line + 2;
        if (size == 0) {
            reply->is_complete = true;
            break;
        }
        size_t left = (size_t)(end - from);
        size_t part = size < left ? size : left;
        memmove(to, from, part);
        to += part;
        from += part + (part + 2 <= left ? 2 : 0);
        if (part < size) {
            break;
        }
    }
    *to = '\0';
    reply->body_size = (size_t)(to - reply->body);
}

http_reply http_receive(int fd)
{
    size_t capacity = 65536;
    size_t size = 0;
    char *bytes = malloc(capacity);
    assert_non_null(bytes);
    for (;;) {
        if (capacity - size < 32768) {
            capacity *= 2;
            bytes = realloc(bytes, capacity);
            assert_non_null(bytes);
        }
        ssize_t got = recv(fd, bytes + size, capacity - size - 1, 0);
        if (got <= 0) {
            assert_true(got == 0 || errno == ECONNRESET);
            break;
        }
        size += (size_t)got;
    }
    close(fd);
    bytes[size] = '\0';
    http_reply reply = {.head = bytes};
    char *blank = strstr(bytes, "\r\n\r\n");
    /* An interim answer comes before the real one. */
    while (blank != NULL && strncmp(reply.head, "HTTP/1.1 100", 12) == 0) {
        memmove(bytes, blank + 4, size - (size_t)(blank + 4 - bytes) + 1);
        size -= (size_t)(blank + 4 - bytes);
        blank = strstr(bytes, "\r\n\r\n");
    }
    if (blank == NULL) {
        reply.body = bytes + size;
        return reply;
    }
    blank[2] = '\0';
    reply.code = atoi(bytes + 9);
    reply.body = blank + 4;
    reply.body_size = size - (size_t)(reply.body - bytes);
    if (strcmp(http_reply_header(&reply, "Transfer-Encoding"), "chunked") == 0) {
        http_client_unchunk(&reply);
    } else {
        const char *length = http_reply_header(&reply, "Content-Length");
        reply.is_complete = length[0] == '\0' || strtoul(length, NULL, 10) == reply.body_size;
    }
    return reply;
}

http_reply http_call(uint32_t port, const char *method, const char *target, const char *headers,
                     const void *body, size_t body_size)
{
    int fd = http_connect(port);
    char head[2048];
    int size = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s", method,
                        target, headers);
    assert_true(size > 0 && (size_t)size < sizeof head - 100);
    if (body != NULL) {
        size +=
            snprintf(head + size, sizeof head - (size_t)size, "Content-Length: %zu\r\n", body_size);
    }
    size += snprintf(head + size, sizeof head - (size_t)size, "Connection: close\r\n\r\n");
    if (http_send_bytes(fd, head, (size_t)size) && body != NULL) {
        VV_IGNORE(http_send_bytes(fd, body, body_size)); /* the answer tells */
    }
    return http_receive(fd);
}

http_reply http_get(uint32_t port, const char *target)
{
    return http_call(port, "GET", target, "", NULL, 0);
}

http_reply http_post(uint32_t port, const char *target, const char *body)
{
    return http_call(port, "POST", target, "", body, strlen(body));
}

const char *http_reply_header(const http_reply *reply, const char *name)
{
    static _Thread_local char buffers[4][256];
    static _Thread_local unsigned turn;
    char *target = buffers[turn++ % 4];
    size_t length = strlen(name);
    target[0] = '\0';
    for (const char *line = strstr(reply->head, "\r\n"); line != NULL;
         line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, length) == 0 && line[2 + length] == ':') {
            const char *value = line + 3 + length;
            while (*value == ' ') {
                value++;
            }
            size_t size = strcspn(value, "\r\n");
            snprintf(target, sizeof buffers[0], "%.*s", (int)size, value);
            break;
        }
    }
    return target;
}

void http_reply_free(http_reply *reply)
{
    free(reply->head);
    *reply = (http_reply){0};
}
