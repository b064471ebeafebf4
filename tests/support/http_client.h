/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small HTTP client for tests: one request a connection, over loopback. Whatever fails but the
 * end of the connection fails the test.
 */
#ifndef VV_TESTS_SUPPORT_HTTP_CLIENT_H
#define VV_TESTS_SUPPORT_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct http_reply {
    int code;   /* 0: the connection was closed without an answer */
    char *head; /* status line and headers, terminated */
    char *body; /* without chunks, terminated */
    size_t body_size;
    bool is_complete; /* the last chunk, or all of Content-Length, was there */
} http_reply;

/** A connected socket; reads and writes give up after 20 s. */
int http_connect(uint32_t port);
/** Send all; false when the other side has closed. */
bool http_send_bytes(int fd, const void *bytes, size_t size);
/** Read until the end of the connection. Closes fd. */
http_reply http_receive(int fd);
/** headers: lines with \r\n, or "". body NULL: none. */
http_reply http_call(uint32_t port, const char *method, const char *target, const char *headers,
                     const void *body, size_t body_size);
http_reply http_get(uint32_t port, const char *target);
http_reply http_post(uint32_t port, const char *target, const char *body);
/** Value of a header, in one of four buffers of the thread, used in turn; "" when it is absent. */
const char *http_reply_header(const http_reply *reply, const char *name);
void http_reply_free(http_reply *reply);

#endif
