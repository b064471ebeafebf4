/* SPDX-License-Identifier: Apache-2.0 */
/* Bounds of the server, on both sides; clients that are slow, greedy or hostile; its end. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "support/server_case.h"

static bool send_text(int fd, const char *text)
{
    return http_send_bytes(fd, text, strlen(text));
}

static uint64_t count_rows(server_fixture *f)
{
    varve_error err;
    varve_query_options query;
    varve_query_options_init(&query);
    varve_cursor *cursor;
    uint64_t rows = 0;
    check_ok(varve_query(f->db, &query, &cursor, &err), &err);
    for (;;) {
        const varve_block *block;
        check_ok(varve_cursor_next(cursor, &block, &err), &err);
        if (block == NULL) {
            break;
        }
        rows += block->rows;
    }
    varve_cursor_close(cursor);
    return rows;
}

/* ---- encodings ---- */

static size_t gzip_text(const char *text, size_t size, int window_bits, unsigned char *target,
                        size_t capacity)
{
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 9, Z_DEFAULT_STRATEGY),
                     Z_OK);
    union {
        const char *from;
        unsigned char *to;
    } in = {.from = text};
    stream.next_in = in.to;
    stream.avail_in = (unsigned)size;
    stream.next_out = target;
    stream.avail_out = (unsigned)capacity;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t used = capacity - stream.avail_out;
    deflateEnd(&stream);
    return used;
}

static void compressed_bodies_are_taken(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    unsigned char packed[1024];
    size_t first = gzip_text("a v=1 1\na v=2", 13, 15 + 16, packed, sizeof packed);
    size_t second = gzip_text("3 2\n", 4, 15 + 16, packed + first, sizeof packed - first);
    expect(
        http_call(f->port, "POST", "/write", "Content-Encoding: gzip\r\n", packed, first + second),
        204, NULL);
    expect(http_get(f->port, "/api/v1/export?match[]=a&precision=ns"), 200, "[1.0,23.0]");
    size_t size = gzip_text("b v=1 1\n", 8, 15, packed, sizeof packed);
    expect(http_call(f->port, "POST", "/write", "Content-Encoding: deflate\r\n", packed, size), 204,
           NULL);
    size = gzip_text("b v=1 2\n", 8, -15, packed, sizeof packed);
    expect(http_call(f->port, "POST", "/write", "Content-Encoding: deflate\r\n", packed, size), 204,
           NULL);
    size = ZSTD_compress(packed, sizeof packed, "b v=1 3\n", 8, 1);
    expect(http_call(f->port, "POST", "/write", "Content-Encoding: zstd\r\n", packed, size), 204,
           NULL);
    assert_int_equal(count_rows(f), 5);
}

static void bad_encodings_are_refused(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    unsigned char packed[1024];
    size_t size = gzip_text("a v=1 1\nb v=2 2\n", 16, 15 + 16, packed, sizeof packed);
    expect(http_call(f->port, "POST", "/write", "Content-Encoding: gzip\r\n", packed, size - 4),
           400, "ends inside its gzip; 2 rows are stored, of lines 1 to 2\"");
    packed[size - 8] ^= 1;
    expect(http_call(f->port, "POST", "/write", "Content-Encoding: gzip\r\n", packed, size), 400,
           "the bytes of the gzip are damaged: the checksum of member 1, before byte ");
    expect(http_call(f->port, "POST", "/write", "Content-Encoding: gzip\r\n", "plain v=1", 9), 400,
           "no gzip");
    expect(http_call(f->port, "POST", "/write", "Content-Encoding: br\r\n", "x", 1), 415,
           "Content-Encoding");
    expect(http_call(f->port, "POST", "/write", "Content-Encoding: gzip, gzip\r\n", "x", 1), 415,
           NULL);
    expect(http_call(f->port, "POST", "/write",
                     "Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n", "x", 1),
           415, NULL);
}

/** Much of it is still to come when its first line is found bad: the client is told all the same.
 */
static void a_long_body_that_begins_badly_is_answered(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    size_t size = 20u * 1024u * 1024u;
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, '\n', size);
    memcpy(text, "bad bad\n", 8);
    expect(
        http_call(f->port, "POST", "/api/v1/import/prometheus?format=openmetrics", "", text, size),
        400, "line 1: ");
    expect(http_call(f->port, "POST", "/write", "Content-Encoding: gzip\r\n", text, size), 400,
           "no gzip");
    free(text);
}

static void bombs_are_stopped(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    size_t size = 64u * 1024u * 1024u;
    char *zeros = calloc(1, size);
    assert_non_null(zeros);
    memset(zeros, '\n', size);
    unsigned char *packed = malloc(1024 * 1024);
    assert_non_null(packed);
    size_t used = ZSTD_compress(packed, 1024 * 1024, zeros, size, 3);
    assert_false(ZSTD_isError(used));
    expect(http_call(f->port, "POST", "/write", "Content-Encoding: zstd\r\n", packed, used), 413,
           "inflates more than 1032 times");
    memset(zeros, 'x', 2 * 1024 * 1024);
    used = gzip_text(zeros, 2 * 1024 * 1024, 15 + 16, packed, 1024 * 1024);
    expect(http_call(f->port, "POST", "/write", "Content-Encoding: gzip\r\n", packed, used), 413,
           "line 1: line is longer than 1048576 bytes");
    expect(http_call(f->port, "POST", "/api/v1/import", "Content-Encoding: gzip\r\n", packed, used),
           413, "line 1: longer than 1048576 bytes");
    expect(http_call(f->port, "POST", "/api/v1/rows", "Content-Encoding: gzip\r\n", packed, used),
           413, "larger than 1048576 bytes");
    free(packed);
    free(zeros);
}

/* ---- sizes ---- */

static void a_line_may_have_a_mebibyte(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    size_t limit = 1024 * 1024;
    char *text = malloc(limit + 64);
    assert_non_null(text);
    memset(text, 'x', limit + 2);
    text[0] = '#';
    memcpy(text + limit, "\na v=1 1\n", 10);
    expect(http_call(f->port, "POST", "/write", "", text, limit + 9), 204, NULL);
    assert_int_equal(count_rows(f), 1);
    memset(text, 'x', limit + 2);
    text[0] = '#';
    memcpy(text + limit + 1, "\na v=1 2\n", 10);
    expect(http_call(f->port, "POST", "/write", "", text, limit + 10), 413, "longer than");
    assert_int_equal(count_rows(f), 1);
    free(text);
}

static void a_document_may_have_a_mebibyte(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    size_t limit = 1024 * 1024;
    char *text = malloc(limit + 1);
    assert_non_null(text);
    memset(text, ' ', limit + 1);
    memcpy(text, "{\"select\":\"a\"}", 14);
    expect(http_call(f->port, "POST", "/api/v1/rows", "", text, limit), 200, "\"data\":[]");
    expect(http_call(f->port, "POST", "/api/v1/rows", "", text, limit + 1), 413,
           "larger than 1048576 bytes");
    expect(http_get(f->port, "/metrics"), 200, "varve_limit_rejects_total{limit=\"document\"} 1\n");
    free(text);
}

static void heads_are_bounded(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    int fd = http_connect(f->port);
    char line[64];
    assert_true(send_text(fd, "GET /healthz HTTP/1.1\r\nHost: 1\r\nConnection: close\r\n"));
    for (int index = 0; index < 98; index++) {
        int size = snprintf(line, sizeof line, "X-%d: y\r\n", index);
        assert_true(http_send_bytes(fd, line, (size_t)size));
    }
    assert_true(send_text(fd, "\r\n"));
    expect(http_receive(fd), 200, NULL);
    fd = http_connect(f->port);
    assert_true(send_text(fd, "GET /healthz HTTP/1.1\r\nHost: 1\r\nConnection: close\r\n"));
    for (int index = 0; index < 99; index++) {
        int size = snprintf(line, sizeof line, "X-%d: y\r\n", index);
        assert_true(http_send_bytes(fd, line, (size_t)size));
    }
    assert_true(send_text(fd, "\r\n"));
    expect(http_receive(fd), 431, NULL);
    char *target = malloc(16384);
    assert_non_null(target);
    memset(target, 'a', 16384);
    fd = http_connect(f->port);
    assert_true(send_text(fd, "GET /") && http_send_bytes(fd, target, 8192) &&
                send_text(fd, " HTTP/1.1\r\nHost: 1\r\n\r\n"));
    expect(http_receive(fd), 414, NULL);
    fd = http_connect(f->port);
    assert_true(send_text(fd, "GET / HTTP/1.1\r\nHost: 1\r\nX: ") &&
                http_send_bytes(fd, target, 9000) && send_text(fd, "\r\n\r\n"));
    expect(http_receive(fd), 431, NULL);
    free(target);
}

/** libmicrohttpd has no room for so many parameters and ends the connection within the head; that
 * nothing is left of the request is asserted when the server stops. */
static void a_head_that_is_given_up_leaves_nothing(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    for (int round = 0; round < 3; round++) {
        int fd = http_connect(f->port);
        assert_true(send_text(fd, "GET /api/v1/labels?"));
        for (int index = 0; index < 4000; index++) {
            assert_true(send_text(fd, "a&"));
        }
        assert_true(send_text(fd, " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"));
        http_reply reply = http_receive(fd);
        assert_int_not_equal(reply.code, 200);
        http_reply_free(&reply);
    }
    expect(http_get(f->port, "/healthz"), 200, NULL);
}

static void send_raw(server_fixture *f, const char *raw, int code)
{
    int fd = http_connect(f->port);
    assert_true(http_send_bytes(fd, raw, strlen(raw)));
    http_reply reply = http_receive(fd);
    if (reply.code != code) {
        print_error("%s -> %s\n", raw, reply.head);
    }
    assert_int_equal(reply.code, code);
    http_reply_free(&reply);
}

static void ambiguous_lengths_are_refused(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    send_raw(f,
             "POST /write HTTP/1.1\r\nHost: 1\r\nContent-Length: 8\r\nContent-Length: 9\r\n\r\n"
             "a v=1 1\n",
             400);
    send_raw(f,
             "POST /write HTTP/1.1\r\nHost: 1\r\nContent-Length: 8\r\nTransfer-Encoding: chunked"
             "\r\n\r\n0\r\n\r\n",
             400);
    send_raw(f, "POST /write HTTP/1.1\r\nHost: 1\r\nContent-Length: +8\r\n\r\na v=1 1\n", 400);
    send_raw(f, "GET /healthz HTTP/1.1\r\n\r\n", 400);
    assert_int_equal(count_rows(f), 0);
}

static void bodies_come_in_chunks_and_after_continue(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    send_raw(f,
             "POST /write HTTP/1.1\r\nHost: 1\r\nTransfer-Encoding: chunked\r\nConnection: close"
             "\r\n\r\n5\r\na v=1\r\n4\r\n 12\n\r\n8\r\nb v=2 3\n\r\n0\r\n\r\n",
             204);
    assert_int_equal(count_rows(f), 2);
    send_raw(f,
             "POST /write HTTP/1.1\r\nHost: 1\r\nContent-Length: 8\r\nExpect: 100-continue\r\n"
             "Connection: close\r\n\r\nc v=1 1\n",
             204);
    assert_int_equal(count_rows(f), 3);
}

static void one_connection_takes_many_requests(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    int fd = http_connect(f->port);
    static const char two[] =
        "POST /write HTTP/1.1\r\nHost: 1\r\nContent-Length: 8\r\n\r\na v=1 1\n"
        "GET /write HTTP/1.1\r\nHost: 1\r\n\r\n"
        "POST /write HTTP/1.1\r\nHost: 1\r\nContent-Length: 8\r\n"
        "Connection: close\r\n\r\na v=1 2\n";
    assert_true(http_send_bytes(fd, two, sizeof two - 1));
    http_reply reply = http_receive(fd);
    assert_int_equal(reply.code, 204);
    assert_non_null(strstr(reply.body, "405"));
    http_reply_free(&reply);
    assert_int_equal(count_rows(f), 2);
}

static void other_sites_write_nothing(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    expect(http_call(f->port, "POST", "/write",
                     "Origin: http:"
                     "//localhost\r\n",
                     "a v=1 1\n", 8),
           204, NULL);
    expect(http_call(f->port, "POST", "/write",
                     "Origin: http:"
                     "//elsewhere.example\r\n",
                     "a v=1 2\n", 8),
           403, "another site");
    expect(http_call(f->port, "POST", "/write", "Origin: null\r\n", "a v=1 2\n", 8), 403, NULL);
    assert_int_equal(count_rows(f), 1);
    send_raw(f, "GET /healthz HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n", 403);
    send_raw(f, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:80\r\nConnection: close\r\n\r\n", 200);
    send_raw(f, "GET /healthz HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n", 200);
}

/** One line with a metric, a number of labels and a value of these sizes. */
static void write_series(server_fixture *f, size_t metric, size_t labels, size_t value, int code,
                         const char *reason)
{
    char *text = malloc(metric + labels * (value + 8) + 16);
    assert_non_null(text);
    memset(text, 'm', metric);
    size_t size = metric;
    for (size_t index = 0; index < labels; index++) {
        size += (size_t)sprintf(text + size, ",l%02zu=", index);
        memset(text + size, 'v', value);
        size += value;
    }
    memcpy(text + size, " v=1 1\n", 7);
    expect(http_call(f->port, "POST", "/write", "", text, size + 7), code, reason);
    free(text);
}

static void names_of_series_are_bounded(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    write_series(f, 512, 0, 0, 204, NULL);
    write_series(f, 513, 0, 0, 400, "a metric of 513 bytes; at most 512");
    write_series(f, 1, 64, 1, 204, NULL);
    write_series(f, 1, 65, 1, 400, "65 labels; at most 64");
    write_series(f, 1, 1, 4096, 204, NULL);
    write_series(f, 1, 1, 4097, 400, "has 4097 bytes; at most 4096");
    write_series(f, 4, 5, 3273, 204, NULL); /* 4 + 5 * (3 + 3273) = 16384 */
    write_series(f, 5, 5, 3273, 400, "16385 bytes; at most 16384");
}

/* ---- slow clients ---- */

static void slow_clients_are_cut(void **state)
{
    server_fixture *f = *state;
    f->options.header_timeout_ms = 100;
    f->options.idle_timeout_ms = 100;
    f->options.stall_timeout_ms = 100;
    server_fixture_start(f);
    int fd = http_connect(f->port);
    assert_true(send_text(fd, "GET /healthz HT"));
    http_reply reply = http_receive(fd);
    assert_int_equal(reply.code, 0);
    http_reply_free(&reply);
    fd = http_connect(f->port);
    assert_true(send_text(fd, "POST /write HTTP/1.1\r\nHost: 1\r\nContent-Length: 80\r\n\r\na"));
    reply = http_receive(fd);
    assert_int_equal(reply.code, 0);
    http_reply_free(&reply);
    int code = 0;
    /* One that is quick is answered, and cut for being idle then; a busy machine may be late. */
    for (int attempt = 0; attempt < 100 && code == 0; attempt++) {
        fd = http_connect(f->port);
        VV_IGNORE(send_text(fd, "GET /healthz HTTP/1.1\r\nHost: 1\r\n\r\n"));
        reply = http_receive(fd);
        code = reply.code;
        http_reply_free(&reply);
    }
    assert_int_equal(code, 200);
}

/** One that always sends a little, but less than it must. */
static void a_body_that_drips_is_cut(void **state)
{
    server_fixture *f = *state;
    f->options.header_timeout_ms = 100; /* the time before the rate counts; idle stays a minute */
    server_fixture_start(f);
    int fd = http_connect(f->port);
    struct timeval pace = {.tv_usec = 5000};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &pace, sizeof pace), 0);
    assert_true(send_text(fd, "POST /write HTTP/1.1\r\nHost: 1\r\nContent-Length: 100000\r\n\r\n"));
    size_t sent = 0;
    char byte;
    bool is_open = true;
    while (is_open && sent < 100000) {
        is_open = send_text(fd, "#");
        sent += 1;
        ssize_t got = recv(fd, &byte, 1, 0); /* a byte each time that nothing comes */
        is_open = is_open && got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    }
    assert_true(sent < 100000);
    close(fd);
    expect(http_get(f->port, "/healthz"), 200, NULL);
}

static void write_many(server_fixture *f, size_t rows)
{
    char *text = malloc(rows * 64);
    assert_non_null(text);
    size_t size = 0;
    for (size_t row = 0; row < rows; row++) {
        size += (size_t)sprintf(text + size, "big value=0.%zu1 %zu\n", row, row);
    }
    expect(http_call(f->port, "POST", "/write", "", text, size), 204, NULL);
    free(text);
}

static void an_answer_nobody_reads_is_cut(void **state)
{
    server_fixture *f = *state;
    f->options.stall_timeout_ms = 100;
    server_fixture_start(f);
    write_many(f, 300000);
    int fd = http_connect(f->port);
    static const char get[] = "GET /api/v1/export?match[]=big HTTP/1.1\r\nHost: 1\r\n\r\n";
    assert_true(http_send_bytes(fd, get, sizeof get - 1));
    /* Until the server has given up; other requests are served meanwhile. */
    bool is_cut = false;
    while (!is_cut) {
        http_reply reply = http_get(f->port, "/metrics");
        assert_int_equal(reply.code, 200);
        is_cut = strstr(reply.body, "varve_http_connections 1\n") != NULL;
        http_reply_free(&reply);
    }
    http_reply reply = http_receive(fd);
    assert_false(reply.is_complete);
    http_reply_free(&reply);
}

/* ---- connections, start and stop ---- */

static void connections_are_counted(void **state)
{
    server_fixture *f = *state;
    f->options.connections_max = 2;
    server_fixture_start(f);
    int first = http_connect(f->port);
    int second = http_connect(f->port);
    static const char get[] = "GET /healthz HTTP/1.1\r\nHost: 1\r\n\r\n";
    char answer[512];
    assert_true(http_send_bytes(first, get, sizeof get - 1));
    assert_true(recv(first, answer, sizeof answer, 0) > 0);
    assert_memory_equal(answer, "HTTP/1.1 200", 12);
    assert_true(http_send_bytes(second, get, sizeof get - 1));
    assert_true(recv(second, answer, sizeof answer, 0) > 0);
    assert_memory_equal(answer, "HTTP/1.1 200", 12);
    http_reply reply = http_get(f->port, "/healthz");
    assert_int_equal(reply.code, 503);
    assert_string_equal(http_reply_header(&reply, "Retry-After"), "1");
    http_reply_free(&reply);
    close(first);
    close(second);
}

static void an_address_may_have_so_many(void **state)
{
    server_fixture *f = *state;
    f->options.connections_per_address_max = 1;
    server_fixture_start(f);
    int first = http_connect(f->port);
    static const char get[] = "GET /healthz HTTP/1.1\r\nHost: 1\r\n\r\n";
    char answer[512];
    assert_true(http_send_bytes(first, get, sizeof get - 1));
    assert_true(recv(first, answer, sizeof answer, 0) > 0);
    int second = http_connect(f->port);
    VV_IGNORE(http_send_bytes(second, get, sizeof get - 1)); /* it is refused */
    http_reply reply = http_receive(second);
    assert_int_not_equal(reply.code, 200);
    http_reply_free(&reply);
    close(first);
}

static void an_unusable_address_is_said_in_a_sentence(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    varve_error err;
    vv_server *other;
    vv_server_options options = f->options;
    const char *address = vv_server_address(f->server);
    options.listen = (varve_text){.data = address, .size = strlen(address)};
    check_status(VARVE_E_IO, vv_server_start(f->db, &options, &other, &err));
    assert_null(other);
    assert_non_null(strstr(err.message, "cannot listen on 127.0.0.1:"));
    options.listen = VARVE_STR("0.0.0.0:0");
    check_status(VARVE_E_INVALID, vv_server_start(f->db, &options, &other, &err));
    options.listen = VARVE_STR("localhost");
    check_status(VARVE_E_INVALID, vv_server_start(f->db, &options, &other, &err));
    options.listen = VARVE_STR("127.0.0.1:65536");
    check_status(VARVE_E_INVALID, vv_server_start(f->db, &options, &other, &err));
    options.listen = VARVE_STR("[::1:9");
    check_status(VARVE_E_INVALID, vv_server_start(f->db, &options, &other, &err));
}

static void stopping_ends_idle_and_busy_connections(void **state)
{
    server_fixture *f = *state;
    f->options.drain_ms = 50;
    server_fixture_start(f);
    write_many(f, 300000);
    int idle = http_connect(f->port);
    static const char get[] = "GET /healthz HTTP/1.1\r\nHost: 1\r\n\r\n";
    char answer[512];
    assert_true(http_send_bytes(idle, get, sizeof get - 1));
    assert_true(recv(idle, answer, sizeof answer, 0) > 0);
    int busy = http_connect(f->port);
    static const char export[] = "GET /api/v1/export?match[]=big HTTP/1.1\r\nHost: 1\r\n\r\n";
    assert_true(http_send_bytes(busy, export, sizeof export - 1));
    assert_true(recv(busy, answer, sizeof answer, 0) > 0);
    vv_server_stop(f->server);
    f->server = NULL;
    assert_true(recv(idle, answer, sizeof answer, 0) <= 0);
    close(idle);
    http_reply reply = http_receive(busy);
    assert_false(reply.is_complete);
    http_reply_free(&reply);
}

/* ---- many at once ---- */

enum { WRITERS = 4, WRITER_REQUESTS = 20, WRITER_ROWS = 200 };

typedef struct writer {
    server_fixture *fixture;
    int number;
    int failed;
} writer;

static void *writer_main(void *context)
{
    writer *w = context;
    char *text = malloc((size_t)WRITER_ROWS * 64);
    for (int request = 0; request < WRITER_REQUESTS && text != NULL; request++) {
        size_t size = 0;
        for (int row = 0; row < WRITER_ROWS; row++) {
            size += (size_t)sprintf(text + size, "w%d,host=h%d value=%d,shared=1i %d\n",
                                    row % 2 == 0 ? w->number : 9, row % 10, row,
                                    (w->number * WRITER_REQUESTS + request) * WRITER_ROWS + row);
        }
        http_reply reply = http_call(w->fixture->port, "POST", "/write", "", text, size);
        w->failed += reply.code != 204;
        http_reply_free(&reply);
    }
    w->failed += text == NULL;
    free(text);
    return NULL;
}

static void writers_at_once_lose_nothing(void **state)
{
    server_fixture *f = *state;
    f->options.series_cache_bytes = 4096; /* it has to forget all the time */
    server_fixture_start(f);
    pthread_t threads[WRITERS];
    writer writers[WRITERS];
    for (int index = 0; index < WRITERS; index++) {
        writers[index] = (writer){.fixture = f, .number = index};
        assert_int_equal(pthread_create(&threads[index], NULL, writer_main, &writers[index]), 0);
    }
    for (int index = 0; index < WRITERS; index++) {
        assert_int_equal(pthread_join(threads[index], NULL), 0);
        assert_int_equal(writers[index].failed, 0);
    }
    assert_int_equal(count_rows(f), WRITERS * WRITER_REQUESTS * WRITER_ROWS);
    expect(http_get(f->port, "/metrics"), 200,
           "varve_ingest_samples_total{protocol=\"influx\"} 16000\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(compressed_bodies_are_taken, begin, end),
        cmocka_unit_test_setup_teardown(bad_encodings_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(a_long_body_that_begins_badly_is_answered, begin, end),
        cmocka_unit_test_setup_teardown(bombs_are_stopped, begin, end),
        cmocka_unit_test_setup_teardown(a_line_may_have_a_mebibyte, begin, end),
        cmocka_unit_test_setup_teardown(a_document_may_have_a_mebibyte, begin, end),
        cmocka_unit_test_setup_teardown(heads_are_bounded, begin, end),
        cmocka_unit_test_setup_teardown(a_head_that_is_given_up_leaves_nothing, begin, end),
        cmocka_unit_test_setup_teardown(ambiguous_lengths_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(bodies_come_in_chunks_and_after_continue, begin, end),
        cmocka_unit_test_setup_teardown(one_connection_takes_many_requests, begin, end),
        cmocka_unit_test_setup_teardown(other_sites_write_nothing, begin, end),
        cmocka_unit_test_setup_teardown(names_of_series_are_bounded, begin, end),
        cmocka_unit_test_setup_teardown(slow_clients_are_cut, begin, end),
        cmocka_unit_test_setup_teardown(a_body_that_drips_is_cut, begin, end),
        cmocka_unit_test_setup_teardown(an_answer_nobody_reads_is_cut, begin, end),
        cmocka_unit_test_setup_teardown(connections_are_counted, begin, end),
        cmocka_unit_test_setup_teardown(an_address_may_have_so_many, begin, end),
        cmocka_unit_test_setup_teardown(an_unusable_address_is_said_in_a_sentence, begin, end),
        cmocka_unit_test_setup_teardown(stopping_ends_idle_and_busy_connections, begin, end),
        cmocka_unit_test_setup_teardown(writers_at_once_lose_nothing, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
