/* SPDX-License-Identifier: Apache-2.0 */
/* What holds for every route, whatever it does: addresses, prefixes, other sites, ids, forms. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "support/server_case.h"
#include "support/temp_dir.h"

#define PAGE         "https://page.example"
#define ELSEWHERE    "https://elsewhere.example"
#define ID_BYTES_MAX 128
#define FORM         "Content-Type: application/x-www-form-urlencoded\r\n"

/** A GET with headers of one's own. */
static http_reply get_with(server_fixture *f, const char *target, const char *headers)
{
    return http_call(f->port, "GET", target, headers, NULL, 0);
}

/** Bytes as they are, and the answer to them. */
static http_reply send_raw(server_fixture *f, const char *raw)
{
    int fd = http_connect(f->port);
    assert_true(http_send_bytes(fd, raw, strlen(raw)));
    return http_receive(fd);
}

static void expect_header(const http_reply *reply, const char *name, const char *value)
{
    const char *found = http_reply_header(reply, name);
    if (strcmp(found, value) != 0) {
        print_error("%s is \"%s\" in\n%s\n", name, found, reply->head);
    }
    assert_string_equal(found, value);
}

static void expect_start(server_fixture *f, varve_status status, const char *text)
{
    varve_error err;
    vv_server *server;
    check_status(status, vv_server_start(f->db, &f->options, &server, &err));
    assert_null(server);
    if (strstr(err.message, text) == NULL) {
        print_error("%s\n", err.message);
    }
    assert_non_null(strstr(err.message, text));
}

/* ---- paths ---- */

static void all_paths_lie_below_the_prefix(void **state)
{
    server_fixture *f = *state;
    f->options.http_prefix = VARVE_STR("/a/b");
    server_fixture_start(f);
    expect(http_get(f->port, "/a/b/healthz"), 200, NULL);
    expect(http_get(f->port, "/a/b/prometheus/api/v1/labels"), 200, "\"success\"");
    expect(http_get(f->port, "/a/b"), 200, "href=\"/a/b/metrics\"");
    expect(http_get(f->port, "/a/b/"), 200, "/a/b/write");
    expect(http_get(f->port, "/healthz"), 404, NULL);
    expect(http_get(f->port, "/a/bhealthz"), 404, NULL);
    expect(http_get(f->port, "/prometheus/a/b/api/v1/labels"), 404, NULL);
}

static void a_prefix_is_a_path(void **state)
{
    server_fixture *f = *state;
    static const char *const bad[] = {"a", "/", "/a/", "/a b", "/a?b", "/a%2f", "/a\"b"};
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        f->options.http_prefix = (varve_text){.data = bad[index], .size = strlen(bad[index])};
        expect_start(f, VARVE_E_INVALID, "is no prefix of paths");
    }
    f->options.http_prefix = (varve_text){0};
    server_fixture_start(f);
}

static void an_escaped_slash_ends_no_segment(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    expect(http_post(f->port, "/write", "m,a/b=x,c%2Fd=y v=1 1\n"), 204, NULL);
    expect(http_get(f->port, "/api/v1/label/a%2Fb/values"), 200, "[\"x\"]");
    expect(http_get(f->port, "/api/v1/label/a%2fb/values"), 200, "[\"x\"]");
    expect(http_get(f->port, "/api/v1/label/c%252Fd/values"), 200, "[\"y\"]");
    expect(http_get(f->port, "/api/v1/label/a/b/values"), 404, NULL);
    expect(http_get(f->port, "/%61pi/v1/l%61bels"), 200, "\"a/b\"");
    expect(http_get(f->port, "/api%2Fv1/labels"), 404, NULL);
    expect(http_get(f->port, "/api/v1%2flabels"), 404, NULL);
    expect(http_get(f->port, "%2Fhealthz"), 404, NULL);
    expect(http_get(f->port, "/healthz%2F"), 404, NULL);
    expect(http_post(f->port, "/api/v1/import/prometheus/metrics/job/a%2Fb/path%40base64/JTJG",
                     "p 1\n"),
           204, NULL);
    expect(http_get(f->port, "/api/v1/series?match[]=p"), 200,
           "{\"__name__\":\"p\",\"job\":\"a/b\",\"path\":\"%2F\"}");
}

/* ---- pages of other sites ---- */

static void a_page_that_is_allowed_reads_answers(void **state)
{
    server_fixture *f = *state;
    f->options.cors_origins = VARVE_STR("http://first.example ," PAGE);
    server_fixture_start(f);
    http_reply reply =
        http_call(f->port, "OPTIONS", "/api/v1/labels",
                  "Origin: " PAGE "\r\nAccess-Control-Request-Method: POST\r\n", NULL, 0);
    assert_int_equal(reply.code, 204);
    expect_header(&reply, "Access-Control-Allow-Origin", PAGE);
    expect_header(&reply, "Access-Control-Allow-Methods", "GET, POST, OPTIONS");
    expect_header(&reply, "Access-Control-Allow-Headers",
                  "Accept, Authorization, Content-Type, Origin");
    expect_header(&reply, "Access-Control-Expose-Headers", "Date");
    expect_header(&reply, "Access-Control-Allow-Credentials", "");
    expect_header(&reply, "Vary", "Origin");
    http_reply_free(&reply);
    reply = get_with(f, "/api/v1/labels", "Origin: " PAGE "\r\n");
    expect_header(&reply, "Access-Control-Allow-Origin", PAGE);
    http_reply_free(&reply);
    reply = http_call(f->port, "OPTIONS", "/write",
                      "Origin: " PAGE "\r\nAccess-Control-Request-Method: POST\r\n", NULL, 0);
    assert_int_equal(reply.code, 204);
    http_reply_free(&reply);
    expect(http_call(f->port, "POST", "/write", "Origin: " PAGE "\r\n", "a v=1 1\n", 8), 204, NULL);
}

static void a_page_that_is_not_allowed_reads_nothing(void **state)
{
    server_fixture *f = *state;
    f->options.cors_origins = VARVE_STR(PAGE);
    server_fixture_start(f);
    static const char *const origins[] = {ELSEWHERE, "http://page.example", PAGE ":443", PAGE "/",
                                          "null"};
    for (size_t index = 0; index < sizeof origins / sizeof origins[0]; index++) {
        char header[128];
        snprintf(header, sizeof header, "Origin: %s\r\nAccess-Control-Request-Method: POST\r\n",
                 origins[index]);
        http_reply reply = http_call(f->port, "OPTIONS", "/api/v1/labels", header, NULL, 0);
        expect_header(&reply, "Access-Control-Allow-Origin", "");
        expect_header(&reply, "Vary", "Origin");
        http_reply_free(&reply);
        expect(http_call(f->port, "OPTIONS", "/write", header, NULL, 0), 405, NULL);
        expect(http_call(f->port, "POST", "/write", header, "a v=1 1\n", 8), 403, "another site");
        reply = get_with(f, "/api/v1/labels", header);
        assert_int_equal(reply.code, 200);
        expect_header(&reply, "Access-Control-Allow-Origin", "");
        http_reply_free(&reply);
    }
    expect(http_get(f->port, "/api/v1/labels"), 200, "\"data\":[]");
}

static void nothing_is_said_to_other_sites_by_default(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    http_reply reply = get_with(f, "/api/v1/labels", "Origin: " PAGE "\r\n");
    assert_int_equal(reply.code, 200);
    expect_header(&reply, "Access-Control-Allow-Origin", "");
    expect_header(&reply, "Vary", "");
    expect_header(&reply, "Cross-Origin-Resource-Policy", "same-origin");
    http_reply_free(&reply);
}

static void an_origin_is_exact(void **state)
{
    server_fixture *f = *state;
    static const char *const bad[] = {"*",
                                      "page.example",
                                      PAGE "/path",
                                      PAGE ","
                                           "x",
                                      "https://*.example",
                                      "https://u@page.example",
                                      "https://"};
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        f->options.cors_origins = (varve_text){.data = bad[index], .size = strlen(bad[index])};
        expect_start(f, VARVE_E_INVALID, "is no origin");
    }
    f->options.cors_origins = (varve_text){0};
    server_fixture_start(f);
}

static void a_host_of_an_allowed_origin_is_a_name_of_the_server(void **state)
{
    server_fixture *f = *state;
    f->options.cors_origins = VARVE_STR(PAGE ":8443");
    server_fixture_start(f);
    static const struct {
        const char *host;
        int code;
    } cases[] = {{"page.example", 200},  {"page.example:80", 200}, {"elsewhere.example", 403},
                 {"127.0.0.1:80", 200},  {"localhost", 200},       {"[::1]:9428", 200},
                 {"[::1].example", 403}, {"1.2.3.4.example", 403}, {"page.example.example", 403}};
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        char raw[256];
        snprintf(raw, sizeof raw, "GET /healthz HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
                 cases[index].host);
        expect(send_raw(f, raw), cases[index].code, NULL);
    }
}

static void a_head_names_one_host_and_one_origin(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    expect(send_raw(f, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: localhost\r\n\r\n"), 400,
           "more than one Host");
    expect(send_raw(f, "POST /write HTTP/1.1\r\nHost: localhost\r\nOrigin: "
                       "http://localhost"
                       "\r\nOrigin: null\r\nContent-Length: 8\r\n\r\na v=1 1\n"),
           400, "more than one Host or Origin");
    expect(send_raw(f, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nExpect: 200-ok\r\n\r\n"), 417,
           "100-continue");
}

static void what_a_head_refuses_waits_for_no_body(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f); /* whoever waits for the body waits for ten seconds, in vain */
    static const struct {
        const char *method;
        const char *target;
        const char *headers;
        int code;
        const char *says;
    } cases[] = {
        {"POST", "/nothing", "Content-Length: 1000\r\n", 404, "nothing at this path"},
        {"PUT", "/nothing", "Transfer-Encoding: chunked\r\n", 404, NULL},
        {"DELETE", "/nothing", "Content-Length: 1\r\n", 404, NULL},
        {"GET", "/nothing", "Content-Length: 1\r\n", 404, NULL},
        {"POST", "/healthz", "Content-Length: 1000\r\n", 405, "this method"},
        {"POST", "/write", "Content-Length: 1000\r\nContent-Encoding: br\r\n", 415,
         "identity, gzip"},
        {"POST", "/write", "Transfer-Encoding: chunked\r\nContent-Encoding: gzip, gzip\r\n", 415,
         NULL},
        {"POST", "/api/v1/series", "Content-Length: 1000\r\nContent-Type: text/plain\r\n", 415,
         "x-www-form-urlencoded"},
        {"POST", "/api/v1/rows", "Content-Length: 1048577\r\n", 413, "limit_document"},
        {"POST", "/api/v1/series", "Content-Length: 10485761\r\n" FORM, 413, "limit_form"},
        {"POST", "/write", "Content-Length: 1000\r\nExpect: soon\r\n", 417, "100-continue"},
        {"POST", "/write?precision=d", "Content-Length: 1000\r\n", 400, "precision"},
        {"POST", "/write", "Content-Length: 1000\r\nOrigin: " ELSEWHERE "\r\n", 403,
         "another site"},
        {"POST", "/nothing", "Content-Length: 1000\r\nExpect: 100-continue\r\n", 404, NULL},
    };
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        char raw[512];
        snprintf(raw, sizeof raw, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n",
                 cases[index].method, cases[index].target, cases[index].headers);
        http_reply reply = send_raw(f, raw); /* to the end of the connection */
        expect_header(&reply, "Connection", "close");
        expect(reply, cases[index].code, cases[index].says);
    }
}

/** The answer is out before the body is; still nobody who sends on loses it. */
static void a_client_that_sends_on_sees_why_it_is_refused(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    size_t size = 4u * 1024u * 1024u;
    char *body = calloc(size, 1);
    assert_non_null(body);
    for (int round = 0; round < 5; round++) {
        expect(http_call(f->port, "POST", "/nothing", "", body, size), 404, "nothing at this path");
        expect(http_call(f->port, "POST", "/write", "Content-Encoding: br\r\n", body, size), 415,
               NULL);
    }
    free(body);
}

/* ---- ids and the log ---- */

typedef struct seen_request {
    char id[160];
    char peer[64];
    int count;
} seen_request;

static void see_request(void *context, const vv_server_access *access)
{
    seen_request *seen = context;
    snprintf(seen->id, sizeof seen->id, "%.*s", (int)access->id.size, access->id.data);
    snprintf(seen->peer, sizeof seen->peer, "%.*s", (int)access->peer.size, access->peer.data);
    seen->count += 1;
}

static void every_request_has_an_id(void **state)
{
    server_fixture *f = *state;
    static seen_request seen;
    seen = (seen_request){.count = 0};
    f->options.log = see_request;
    f->options.log_context = &seen;
    server_fixture_start(f);
    char longest[ID_BYTES_MAX + 1];
    char header[ID_BYTES_MAX + 32];
    memset(longest, 'x', sizeof longest);
    longest[ID_BYTES_MAX] = '\0';
    snprintf(header, sizeof header, "X-Request-Id: %s\r\n", longest);
    http_reply reply = get_with(f, "/nothing", header);
    expect_header(&reply, "X-Request-Id", longest);
    http_reply_free(&reply);
    reply = get_with(f, "/healthz", "X-Request-Id: 0af7-65:1.a/B+_=@9\r\n");
    expect_header(&reply, "X-Request-Id", "0af7-65:1.a/B+_=@9");
    http_reply_free(&reply);
    /* What cannot stand in a log as it is gets another one, each its own. */
    static const char *const bad[] = {"a b", "\"a\"", "", "\xc3\xa4", "<a>", "a;b"};
    char last[64] = "";
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        snprintf(header, sizeof header, "X-Request-Id: %s\r\n", bad[index]);
        reply = get_with(f, "/healthz", header);
        assert_int_equal(reply.code, 200);
        const char *made = http_reply_header(&reply, "X-Request-Id");
        assert_int_equal(strlen(made), 16);
        assert_string_not_equal(made, last);
        snprintf(last, sizeof last, "%s", made);
        http_reply_free(&reply);
    }
    snprintf(header, sizeof header, "X-Request-Id: %sx\r\n", longest);
    reply = get_with(f, "/healthz", header);
    assert_int_equal(strlen(http_reply_header(&reply, "X-Request-Id")), 16);
    snprintf(last, sizeof last, "%s", http_reply_header(&reply, "X-Request-Id"));
    http_reply_free(&reply);
    vv_server_stop(f->server); /* the last request is logged by then */
    f->server = NULL;
    assert_string_equal(seen.id, last);
    assert_string_equal(seen.peer, "127.0.0.1");
}

/* ---- parameters ---- */

static void a_form_joins_the_query(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    expect(http_post(f->port, "/write", "a,x=1 v=1 1\nb,x=2 v=1 1\nc,x=3 v=1 1\n"), 204, NULL);
    expect(http_call(f->port, "POST", "/api/v1/series?match[]=a", FORM, "match=b", 7), 200,
           "\"data\":[{\"__name__\":\"a\",\"x\":\"1\"},{\"__name__\":\"b\",\"x\":\"2\"}]}");
    expect(http_call(f->port, "POST", "/api/v1/labels",
                     "Content-Type: Application/X-WWW-Form-URLencoded; charset=utf-8\r\n",
                     "match%5B%5D=%7Bx%3D%222%22%7D&limit=1", 37),
           200, "[\"__name__\"],\"warnings\":[\"results truncated due to limit\"]");
    expect(http_call(f->port, "POST", "/api/v1/series", "Content-Type: application/json\r\n",
                     "{\"match\":\"a\"}", 13),
           415, "application/x-www-form-urlencoded");
    expect(http_call(f->port, "POST", "/api/v1/series", "", "match[]=a", 9), 415, NULL);
    expect(http_call(f->port, "POST", "/api/v1/series", FORM, "match[]=%zz", 11), 400,
           "bad escape");
    expect(http_call(f->port, "POST", "/api/v1/export?match[]=c", "", "", 0), 200, "\"c\"");
}

static void a_flag_is_true_or_false(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    static const struct {
        const char *method;
        const char *target;
        const char *name;
        const char *body;
        bool is_word; /* InfluxDB has true and false only */
    } flags[] = {
        {"POST", "/api/v1/import/prometheus?", "strict", "a 1\n", false},
        {"POST", "/api/v1/import/prometheus?", "atomic", "a 1\n", false},
        {"POST", "/api/v1/import/csv?format=1:metric:m&", "header", "1\n2\n", false},
        {"GET", "/api/v1/export/csv?match[]=a&format=__name__&", "header", "", false},
        {"GET", "/api/v1/export/csv?match[]=a&", "header", "", false},
        {"GET", "/api/v1/export?match[]=a&", "split_fields", "", false},
        {"POST", "/api/v3/write_lp?db=d&", "accept_partial", "a value=1 1\n", true},
        {"POST", "/api/v3/write_lp?db=d&", "no_sync", "a value=1 1\n", true},
    };
    static const char *const values[] = {"true", "false", "1",   "0",    "",
                                         "x",    "2",     "yes", "TRUE", "01"};
    for (size_t flag = 0; flag < sizeof flags / sizeof flags[0]; flag++) {
        for (size_t value = 0; value < sizeof values / sizeof values[0]; value++) {
            char target[128];
            char says[64];
            snprintf(target, sizeof target, "%s%s=%s", flags[flag].target, flags[flag].name,
                     values[value]);
            snprintf(says, sizeof says, "invalid parameter \\\"%s\\\"", flags[flag].name);
            bool is_good = value < (flags[flag].is_word ? 2 : 4);
            http_reply reply = http_call(f->port, flags[flag].method, target, "", flags[flag].body,
                                         strlen(flags[flag].body));
            if (is_good) {
                assert_true(reply.code == 200 || reply.code == 204);
                http_reply_free(&reply);
            } else {
                expect(reply, 400, says);
            }
        }
    }
}

/** Whether it is looked at depends on others; whether it is good does not. */
static void a_unit_is_good_wherever_it_is_given(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    static const char *const targets[] = {
        "/api/v1/export?match[]=a&precision=", "/api/v1/export/csv?match[]=a&precision=",
        "/api/v1/export/csv?match[]=a&format=__name__&precision="};
    for (size_t index = 0; index < sizeof targets / sizeof targets[0]; index++) {
        char target[128];
        snprintf(target, sizeof target, "%sms", targets[index]);
        expect(http_get(f->port, target), 200, NULL);
        snprintf(target, sizeof target, "%sh", targets[index]);
        expect(http_get(f->port, target), 400, "invalid parameter \\\"precision\\\"");
        expect(http_get(f->port, targets[index]), 200, NULL); /* empty: not given */
    }
    expect(http_post(f->port, "/api/v1/import/prometheus?format=&timestamp=", "a 1\n"), 204, NULL);
    expect(http_post(f->port, "/api/v1/import/prometheus?format=xml", "a 1\n"), 400, "format");
}

static void a_form_may_have_ten_mebibytes(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    size_t limit = 10u * 1024u * 1024u;
    char *form = malloc(limit + 1);
    assert_non_null(form);
    memset(form, 'x', limit + 1);
    memcpy(form, "match[]=nothing&y=", 18);
    expect(http_call(f->port, "POST", "/api/v1/series", FORM, form, limit), 200, "\"data\":[]");
    expect(http_call(f->port, "POST", "/api/v1/series", FORM, form, limit + 1), 413,
           "larger than 10485760 bytes");
    free(form);
}

static void bodies_of_all_requests_have_a_bound(void **state)
{
    server_fixture *f = *state;
    f->options.memory_bytes_max = 4u * 1024u * 1024u; /* a quarter of it */
    server_fixture_start(f);
    size_t limit = 1024u * 1024u;
    char *form = malloc(limit + 1);
    assert_non_null(form);
    memset(form, '&', limit + 1);
    memcpy(form, "match=nothing", 13);
    expect(http_call(f->port, "POST", "/api/v1/series", FORM, form, limit), 200, "\"data\":[]");
    http_reply reply = http_call(f->port, "POST", "/api/v1/series", FORM, form, limit + 1);
    expect_header(&reply, "Retry-After", "1");
    expect(reply, 429, "\"unavailable\"");
    /* What was refused is given back. */
    expect(http_call(f->port, "POST", "/api/v1/series", FORM, form, limit), 200, "\"data\":[]");
    free(form);
}

/* ---- answers ---- */

static void answers_above_a_kibibyte_are_compressed(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    char line[2200];
    char value[1100];
    memset(value, 'v', sizeof value);
    /* {"status":"success","data":["..."]} has 32 bytes without the value. */
    snprintf(line, sizeof line, "m,a=%.*s,b=%.*s v=1 1\n", 1024 - 32, value, 1025 - 32, value);
    expect(http_post(f->port, "/write", line), 204, NULL);
    http_reply reply;
    static const struct {
        const char *target;
        const char *accept;
        const char *encoding;
        const char *vary;
    } cases[] = {
        {"/api/v1/label/a/values", "gzip", "", ""},
        {"/api/v1/label/b/values", "gzip", "gzip", "Accept-Encoding"},
        {"/metrics", "gzip", "gzip", "Accept-Encoding"},
        {"/metrics", "gzip, zstd", "zstd", "Accept-Encoding"},
        {"/metrics", "gzip;q=0, zstd;q=0.0", "", "Accept-Encoding"},
        {"/metrics", "zstd;q=0.4, gzip;q=0.5", "gzip", "Accept-Encoding"},
        {"/metrics", "gzip;q=0.4, zstd;q=0.5", "zstd", "Accept-Encoding"},
        {"/metrics", "identity, gzip;q=0.5", "", "Accept-Encoding"},
        {"/metrics", "br, identity", "", "Accept-Encoding"},
        {"/metrics", "", "", "Accept-Encoding"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        char header[128];
        snprintf(header, sizeof header, "Accept-Encoding: %s\r\n", cases[index].accept);
        reply = get_with(f, cases[index].target, header);
        assert_int_equal(reply.code, 200);
        expect_header(&reply, "Content-Encoding", cases[index].encoding);
        expect_header(&reply, "Vary", cases[index].vary);
        http_reply_free(&reply);
    }
}

/** Inflate by either library; what comes is terminated. */
static size_t unpack(const char *encoding, const http_reply *reply, char *target, size_t capacity)
{
    if (strcmp(encoding, "zstd") == 0) {
        ZSTD_DStream *zstd = ZSTD_createDStream();
        assert_non_null(zstd);
        ZSTD_inBuffer in = {.src = reply->body, .size = reply->body_size};
        ZSTD_outBuffer out = {.dst = target, .size = capacity};
        assert_int_equal(ZSTD_decompressStream(zstd, &out, &in), 0);
        assert_int_equal(in.pos, in.size);
        ZSTD_freeDStream(zstd);
        return out.pos;
    }
    z_stream zlib = {0};
    assert_int_equal(inflateInit2(&zlib, 15 + 16), Z_OK);
    zlib.next_in = (unsigned char *)reply->body;
    zlib.avail_in = (unsigned)reply->body_size;
    zlib.next_out = (unsigned char *)target;
    zlib.avail_out = (unsigned)capacity;
    assert_int_equal(inflate(&zlib, Z_FINISH), Z_STREAM_END);
    assert_int_equal(zlib.avail_in, 0);
    inflateEnd(&zlib);
    return capacity - zlib.avail_out;
}

static void a_long_answer_is_compressed_as_it_comes(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    enum { ROWS = 50000 };
    char *text = malloc((size_t)ROWS * 32);
    assert_non_null(text);
    size_t size = 0;
    for (int row = 0; row < ROWS; row++) {
        size += (size_t)sprintf(text + size, "long value=%d.5 %d\n", row * 7919 % 10007, row);
    }
    expect(http_call(f->port, "POST", "/write?precision=s", "", text, size), 204, NULL);
    free(text);
    static const char target[] = "/api/v1/export?match[]=long";
    http_reply plain = http_get(f->port, target);
    assert_true(plain.is_complete && plain.body_size > 500000);
    char *unpacked = malloc(plain.body_size + 1);
    assert_non_null(unpacked);
    static const char *const encodings[] = {"gzip", "zstd"};
    for (size_t index = 0; index < 2; index++) {
        char header[64];
        snprintf(header, sizeof header, "Accept-Encoding: %s\r\n", encodings[index]);
        http_reply reply = get_with(f, target, header);
        expect_header(&reply, "Content-Encoding", encodings[index]);
        expect_header(&reply, "Transfer-Encoding", "chunked");
        expect_header(&reply, "Vary", "Accept-Encoding");
        assert_true(reply.is_complete);
        assert_true(reply.body_size < plain.body_size);
        assert_int_equal(unpack(encodings[index], &reply, unpacked, plain.body_size + 1),
                         plain.body_size);
        assert_memory_equal(unpacked, plain.body, plain.body_size);
        http_reply_free(&reply);
    }
    free(unpacked);
    http_reply_free(&plain);
}

/* ---- connections ---- */

static void one_connection_too_many_is_told_at_once(void **state)
{
    server_fixture *f = *state;
    f->options.connections_per_address_max = 1;
    server_fixture_start(f);
    int first = http_connect(f->port);
    static const char get[] = "GET /metrics HTTP/1.1\r\nHost: 1\r\nConnection: close\r\n\r\n";
    int second = http_connect(f->port);
    http_reply reply = http_receive(second); /* without a word from here */
    assert_int_equal(reply.code, 503);
    expect_header(&reply, "Retry-After", "1");
    expect_header(&reply, "Connection", "close");
    assert_true(reply.is_complete);
    http_reply_free(&reply);
    assert_true(http_send_bytes(first, get, sizeof get - 1));
    expect(http_receive(first), 200, "varve_limit_rejects_total{limit=\"connections\"} 1\n");
}

/** It may neither hold its place by doing nothing nor by sending on. */
static void one_connection_too_many_is_soon_gone(void **state)
{
    server_fixture *f = *state;
    f->options.connections_per_address_max = 1;
    server_fixture_start(f);
    int first = http_connect(f->port);
    int second = http_connect(f->port);
    struct pollfd watched = {.fd = second};
    bool is_gone = false;
    for (int attempt = 0; attempt < 4000 && !is_gone; attempt++) {
        is_gone = !http_send_bytes(second, "x", 1) ||
                  (poll(&watched, 1, 5) == 1 && (watched.revents & (POLLERR | POLLHUP)) != 0);
    }
    assert_true(is_gone);
    close(second);
    close(first);
}

static void a_second_head_has_a_deadline_too(void **state)
{
    server_fixture *f = *state;
    f->options.header_timeout_ms = 100;
    server_fixture_start(f); /* idle connections have their minute */
    static const char two[] = "GET /healthz HTTP/1.1\r\nHost: 1\r\n\r\n"
                              "GET /healthz HTTP/1.1\r\nHost: 1\r\n";
    int code = 0;
    /* A busy machine may be late with the first one already. */
    for (int attempt = 0; attempt < 100 && code == 0; attempt++) {
        int fd = http_connect(f->port);
        VV_IGNORE(http_send_bytes(fd, two, sizeof two - 1)); /* the answer tells */
        http_reply reply = http_receive(fd);
        code = reply.code;
        assert_null(strstr(reply.body, "HTTP/1.1 200"));
        http_reply_free(&reply);
    }
    assert_int_equal(code, 200);
}

/* ---- addresses ---- */

static int connect_unix(const char *path)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static http_reply call_unix(const char *path, const char *raw)
{
    int fd = connect_unix(path);
    assert_true(fd >= 0);
    assert_true(http_send_bytes(fd, raw, strlen(raw)));
    return http_receive(fd);
}

static void a_server_listens_on_several_addresses(void **state)
{
    server_fixture *f = *state;
    static seen_request seen;
    seen = (seen_request){.count = 0};
    temp_dir dir;
    temp_dir_create(&dir);
    const char *path = temp_dir_path(&dir, "s");
    char listen[640];
    snprintf(listen, sizeof listen, "unix:%s, 127.0.0.1:0,127.0.0.1:0", path);
    f->options.listen = (varve_text){.data = listen, .size = strlen(listen)};
    f->options.log = see_request;
    f->options.log_context = &seen;
    server_fixture_start(f);
    assert_int_equal(vv_server_address_count(f->server), 3);
    assert_memory_equal(vv_server_address(f->server), "unix:/", 6);
    expect(http_get(f->port, "/healthz"), 200, NULL);
    const char *third = vv_server_address_at(f->server, 2);
    uint32_t port = (uint32_t)strtoul(strrchr(third, ':') + 1, NULL, 10);
    assert_int_not_equal(port, f->port);
    expect(http_get(port, "/healthz"), 200, NULL);
    /* Whatever the name: no page reaches such a socket. */
    expect(call_unix(path, "GET /healthz HTTP/1.1\r\nHost: any.example\r\n"
                           "Connection: close\r\n\r\n"),
           200, NULL);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0660);
    vv_server_stop(f->server);
    f->server = NULL;
    char who[32];
    snprintf(who, sizeof who, "unix:%u", getuid());
    assert_string_equal(seen.peer, who);
    assert_int_equal(seen.count, 3);
    assert_int_not_equal(stat(path, &info), 0);
    temp_dir_remove(&dir);
}

static void a_dead_socket_is_replaced_and_a_live_one_is_not(void **state)
{
    server_fixture *f = *state;
    temp_dir dir;
    temp_dir_create(&dir);
    const char *path = temp_dir_path(&dir, "s");
    char listen[640];
    snprintf(listen, sizeof listen, "unix:%s", path);
    f->options.listen = (varve_text){.data = listen, .size = strlen(listen)};
    f->options.unix_mode = 0600;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    close(fd); /* its process is gone */
    server_fixture_start(f);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    server_fixture second = {.db = f->db, .options = f->options};
    expect_start(&second, VARVE_E_IO, "cannot listen on unix:");
    expect(call_unix(path, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), 200,
           NULL); /* the first is as it was */
    const char *file = temp_dir_path(&dir, "file");
    fclose(fopen(file, "w"));
    snprintf(listen, sizeof listen, "unix:%s", file);
    second.options.listen = (varve_text){.data = listen, .size = strlen(listen)};
    expect_start(&second, VARVE_E_IO, "it exists and is no socket");
    assert_int_equal(stat(file, &info), 0);
    second.options.listen = VARVE_STR("unix:");
    expect_start(&second, VARVE_E_INVALID, "is no path of a socket");
    second.options.listen = VARVE_STR("");
    expect_start(&second, VARVE_E_INVALID, "no address to listen on");
    second.options.listen = VARVE_STR(":0,:0,:0,:0,:0,:0,:0,:0,:0");
    expect_start(&second, VARVE_E_INVALID, "more than 8 addresses");
    vv_server_stop(f->server);
    f->server = NULL;
    temp_dir_remove(&dir);
}

/** Another server that is about to listen has its name, and cannot be asked yet. */
static void a_socket_that_is_being_opened_is_left_alone(void **state)
{
    server_fixture *f = *state;
    temp_dir dir;
    struct stat info;
    temp_dir_create(&dir);
    const char *path = temp_dir_path(&dir, "s");
    char listen[640];
    char beside[640];
    snprintf(listen, sizeof listen, "unix:%s", path);
    snprintf(beside, sizeof beside, "%s.lock", path);
    f->options.listen = (varve_text){.data = listen, .size = strlen(listen)};
    int lock = open(beside, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    expect_start(f, VARVE_E_IO, "address already in use");
    assert_int_equal(stat(path, &info), 0);
    close(fd);
    close(lock);
    /* A lock file that a dead process has left is taken, and goes with the server. */
    assert_int_equal(stat(beside, &info), 0);
    server_fixture_start(f);
    expect(call_unix(path, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), 200,
           NULL);
    vv_server_stop(f->server);
    f->server = NULL;
    assert_int_not_equal(stat(beside, &info), 0);
    temp_dir_remove(&dir);
}

typedef struct racer {
    pthread_barrier_t *start;
    vv_server_options options;
    varve_db *db;
    vv_server *server;
    varve_status status;
} racer;

static void *race(void *context)
{
    racer *r = context;
    pthread_barrier_wait(r->start);
    r->status = vv_server_start(r->db, &r->options, &r->server, NULL);
    return NULL;
}

static void of_servers_that_race_for_a_dead_socket_one_wins(void **state)
{
    enum { RACERS = 4, ROUNDS = 25 };
    server_fixture *f = *state;
    temp_dir dir;
    temp_dir_create(&dir);
    const char *path = temp_dir_path(&dir, "s");
    char listen[640];
    snprintf(listen, sizeof listen, "unix:%s", path);
    f->options.listen = (varve_text){.data = listen, .size = strlen(listen)};
    for (int round = 0; round < ROUNDS; round++) {
        racer racers[RACERS];
        pthread_t threads[RACERS];
        pthread_barrier_t start;
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
        assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
        close(fd);
        assert_int_equal(pthread_barrier_init(&start, NULL, RACERS), 0);
        for (int i = 0; i < RACERS; i++) {
            racers[i] = (racer){.start = &start, .options = f->options, .db = f->db};
            assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
        }
        int winners = 0;
        for (int i = 0; i < RACERS; i++) {
            pthread_join(threads[i], NULL);
            winners += racers[i].status == VARVE_OK ? 1 : 0;
        }
        assert_int_equal(winners, 1);
        expect(call_unix(path, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
               200, NULL);
        for (int i = 0; i < RACERS; i++) {
            vv_server_stop(racers[i].server);
        }
        pthread_barrier_destroy(&start);
    }
    temp_dir_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_paths_lie_below_the_prefix, begin, end),
        cmocka_unit_test_setup_teardown(a_prefix_is_a_path, begin, end),
        cmocka_unit_test_setup_teardown(a_page_that_is_allowed_reads_answers, begin, end),
        cmocka_unit_test_setup_teardown(a_page_that_is_not_allowed_reads_nothing, begin, end),
        cmocka_unit_test_setup_teardown(nothing_is_said_to_other_sites_by_default, begin, end),
        cmocka_unit_test_setup_teardown(an_origin_is_exact, begin, end),
        cmocka_unit_test_setup_teardown(a_host_of_an_allowed_origin_is_a_name_of_the_server, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_head_names_one_host_and_one_origin, begin, end),
        cmocka_unit_test_setup_teardown(every_request_has_an_id, begin, end),
        cmocka_unit_test_setup_teardown(a_form_joins_the_query, begin, end),
        cmocka_unit_test_setup_teardown(a_form_may_have_ten_mebibytes, begin, end),
        cmocka_unit_test_setup_teardown(bodies_of_all_requests_have_a_bound, begin, end),
        cmocka_unit_test_setup_teardown(answers_above_a_kibibyte_are_compressed, begin, end),
        cmocka_unit_test_setup_teardown(a_long_answer_is_compressed_as_it_comes, begin, end),
        cmocka_unit_test_setup_teardown(one_connection_too_many_is_told_at_once, begin, end),
        cmocka_unit_test_setup_teardown(one_connection_too_many_is_soon_gone, begin, end),
        cmocka_unit_test_setup_teardown(a_second_head_has_a_deadline_too, begin, end),
        cmocka_unit_test_setup_teardown(a_server_listens_on_several_addresses, begin, end),
        cmocka_unit_test_setup_teardown(a_dead_socket_is_replaced_and_a_live_one_is_not, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_socket_that_is_being_opened_is_left_alone, begin, end),
        cmocka_unit_test_setup_teardown(of_servers_that_race_for_a_dead_socket_one_wins, begin,
                                        end),
        cmocka_unit_test_setup_teardown(an_escaped_slash_ends_no_segment, begin, end),
        cmocka_unit_test_setup_teardown(what_a_head_refuses_waits_for_no_body, begin, end),
        cmocka_unit_test_setup_teardown(a_client_that_sends_on_sees_why_it_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(a_flag_is_true_or_false, begin, end),
        cmocka_unit_test_setup_teardown(a_unit_is_good_wherever_it_is_given, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
