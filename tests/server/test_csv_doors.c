/* SPDX-License-Identifier: Apache-2.0 */
/* CSV in and out over the wire. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "support/server_case.h"

static int begin_any_time(void **state)
{
    VV_IGNORE(begin(state)); /* it does not fail */
    server_fixture *f = *state;
    f->options.future_ms_max = 0; /* times of every size */
    server_fixture_start(f);
    return 0;
}

/** The whole body, and that it is CSV. */
static void expect_csv(http_reply reply, const char *body)
{
    assert_int_equal(reply.code, 200);
    assert_string_equal(http_reply_header(&reply, "Content-Type"), "text/csv; charset=utf-8");
    assert_string_equal(reply.body, body);
    http_reply_free(&reply);
}

static const char every_type[] =
    "{\"metric\":{\"__name__\":\"all\",\"b\":\"2,\\\"\\n\",\"z\":\"\"},"
    "\"types\":{\"bin\":\"bytes\",\"h\":\"histogram\",\"i\":\"i64\",\"s\":\"string\","
    "\"u\":\"u64\"},"
    "\"fields\":{\"b\":[true,null,false],"
    "\"bin\":[{\"bytes\":\"AAEC/w==\"},{\"bytes\":\"\"},null],"
    "\"f\":[\"NaN:7ff0000000000002\",\"-Inf\",-0.0],"
    "\"h\":[{\"histogram\":{\"float\":false,\"schema\":3,\"reset_hint\":1,"
    "\"zero_threshold\":1e-10,\"sum\":2.5,\"count\":5,\"zero_count\":1,"
    "\"positive_spans\":[[0,2]],\"positive_buckets\":[1,1],\"negative_spans\":[[-3,1]],"
    "\"negative_buckets\":[1],\"custom_values\":[]}},null,null],"
    "\"i\":[-9223372036854775808,9223372036854775807,null],"
    "\"s\":[\"\\\\\\\"NaN\\r\\n\",\"a\\nb\\u0000\",\"\"],"
    "\"u\":[\"18446744073709551615\",0,null]},"
    "\"timestamps\":[-9223372036854775808,0,1700000000000000001]}\n"
    "{\"metric\":{\"__name__\":\"other\"},\"types\":{\"f\":\"i64\"},"
    "\"fields\":{\"f\":[5],\"s\":[{\"bytes\":\"aGk=\"}]},\"timestamps\":[9223372036854775807]}\n";

#define ALL "match[]=all&match[]=other"

static void what_is_exported_as_csv_imports_to_the_same(void **state)
{
    server_fixture *f = *state;
    server_fixture other;
    expect(http_post(f->port, "/api/v1/import?precision=ns", every_type), 204, NULL);
    http_reply csv = http_get(f->port, "/api/v1/export/csv?" ALL);
    assert_int_equal(csv.code, 200);
    static const char begins[] =
        "time:unix_ns,metric:name,b:label,z:label,b:bool,bin:text,f:mixed,h:histogram,i:i64,"
        "s:text,u:u64\r\n"
        "-9223372036854775808,all,\"2,\"\"\n\",\"\",true,\\x000102ff,"
        "f64:NaN:7ff0000000000002,";
    csv.body[sizeof begins - 1] = '\0';
    assert_string_equal(csv.body, begins);
    http_reply_free(&csv);
    csv = http_get(f->port, "/api/v1/export/csv?" ALL);
    server_fixture_init(&other);
    other.options.future_ms_max = 0; /* times of every size */
    server_fixture_start(&other);
    http_reply reply =
        http_call(other.port, "POST", "/api/v1/import/csv", "", csv.body, csv.body_size);
    if (reply.code != 204) {
        print_error("%s\n", reply.body);
    }
    assert_int_equal(reply.code, 204);
    http_reply_free(&reply);
    http_reply back = http_get(other.port, "/api/v1/export?" ALL "&precision=ns");
    http_reply first = http_get(f->port, "/api/v1/export?" ALL "&precision=ns");
    assert_string_equal(back.body, first.body);
    http_reply_free(&first);
    http_reply_free(&back);
    http_reply again = http_get(other.port, "/api/v1/export/csv?" ALL);
    assert_int_equal(again.body_size, csv.body_size);
    assert_memory_equal(again.body, csv.body, csv.body_size);
    http_reply_free(&again);
    http_reply_free(&csv);
    server_fixture_end(&other);
}

static void a_format_says_what_the_columns_are(void **state)
{
    server_fixture *f = *state;
    expect(http_post(f->port,
                     "/api/v1/import/csv?format=2:metric:ask,3:metric:bid,1:label:ticker,"
                     "4:time:unix_s",
                     "GOOG,1.5,2,1700000000\r\nMSFT,3,,1700000001"),
           204, NULL);
    expect_csv(http_get(f->port, "/api/v1/export/csv?match[]=ask&match[]=bid&format=__name__,"
                                 "ticker,none,__value__,__timestamp__:rfc3339,__timestamp__"),
               "ask,GOOG,,1.5,2023-11-14T22:13:20.000000000Z,1700000000000\r\n"
               "ask,MSFT,,3.0,2023-11-14T22:13:21.000000000Z,1700000001000\r\n"
               "bid,GOOG,,2.0,2023-11-14T22:13:20.000000000Z,1700000000000\r\n");
    expect(http_post(f->port,
                     "/api/v1/import/csv?format=1:time:custom:%25d.%25m.%25Y,2:label:a\\,b,"
                     "3:i64:n,4:string:s&metric=m&separator=tab&header=1&skip_lines=1"
                     "&extra_label=zone=z",
                     "a note\nday\tx\tn\ts\n2.1.2026\tl\t5\t\"\"\n"),
           204, NULL);
    expect_csv(http_get(f->port, "/api/v1/export/csv?match[]=m&header=1&format=a\\,b,zone,"
                                 "__value__:n,__value__:s,__timestamp__:custom:%25F"),
               "\"a,b\",zone,n,s,time\r\nl,z,5,\"\",2026-01-02\r\n");
    expect_csv(http_get(f->port, "/api/v1/export/csv?match[]=m&precision=s"),
               "time:unix_s,metric:name,\"a,b:label\",zone:label,n:i64,s:text\r\n"
               "1767312000,m,l,z,5,\"\"\r\n");
}

static void keys_of_other_columns_are_other_series(void **state)
{
    server_fixture *f = *state;
    expect(http_post(f->port, "/api/v1/import/csv?format=1:label:a,2:f64:v&metric=k", "x,1\n"), 204,
           NULL);
    expect(http_post(f->port, "/api/v1/import/csv?format=1:label:b,2:f64:v&metric=k", "x,2\n"), 204,
           NULL);
    expect(http_post(f->port, "/api/v1/import/csv?format=1:label:a,2:f64:v&metric=l", "x,3\n"), 204,
           NULL);
    expect_csv(http_get(f->port, "/api/v1/export/csv?match[]=k&match[]=l&format=__name__,a,b,"
                                 "__value__:v"),
               "k,x,,1.0\r\nk,,x,2.0\r\nl,x,,3.0\r\n");
}

static void good_records_around_bad_ones_are_imported(void **state)
{
    server_fixture *f = *state;
    expect(http_post(f->port,
                     "/api/v1/import/csv?format=1:time:unix_s,2:f64:temp,3:label:x&metric=p",
                     "1,1.5,a\n2,warm,a\n3,\"4\"x,a\n4,5\n5,6,\xff\n6,7,b\n"),
           400,
           "\"error\":\"line 2: column 2 (temp): \\\"warm\\\" is no number\",\"data\":{\"line\":2,"
           "\"written\":2,\"rejected\":4}");
    expect_csv(http_get(f->port, "/api/v1/export/csv?match[]=p&format=x,__value__:temp"),
               "a,1.5\r\nb,7.0\r\n");
}

static void bad_parameters_of_csv_are_told(void **state)
{
    server_fixture *f = *state;
    static const struct {
        const char *target;
        const char *reason;
    } bad[] = {
        {"/api/v1/import/csv", "the header: column 1: \\\"a\\\" does not tell what it is"},
        {"/api/v1/import/csv?format=1:f64", "\\\"format\\\": format, entry 1: a f64 needs a name"},
        {"/api/v1/import/csv?format=1:f64:v", "fields without a metric"},
        {"/api/v1/import/csv?separator=x", "\\\"separator\\\": comma, semicolon, tab or pipe"},
        {"/api/v1/import/csv?skip_lines=x", "skip_lines"},
        {"/api/v1/import/csv?format=5:f64:v&metric=m&header=1", "the header has 2 columns"},
        {"/api/v1/export/csv", "match[]"},
        {"/api/v1/export/csv?match[]=m&format=,", "a label without a name"},
        {"/api/v1/export/csv?match[]=m&format=__timestamp__:now", "\\\"now\\\" is no form"},
        {"/api/v1/export/csv?match[]=m&precision=h", "precision"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bool is_export = strstr(bad[i].target, "export") != NULL;
        http_reply reply = is_export ? http_get(f->port, bad[i].target)
                                     : http_post(f->port, bad[i].target, "a,b\n1,2\n");
        expect(reply, 400, bad[i].reason);
    }
}

static void csv_lines_are_bounded(void **state)
{
    server_fixture *f = *state;
    size_t bound = 1024u * 1024u;
    char *text = malloc(bound + 3);
    assert_non_null(text);
    static const char target[] = "/api/v1/import/csv?format=1:string:v&metric=wide";
    for (size_t size = bound; size <= bound + 1; size++) {
        memset(text, 'x', size);
        text[1] = ','; /* a string is bounded, too: the rest is not read */
        text[size] = '\n';
        expect(http_call(f->port, "POST", target, "", text, size + 1), size == bound ? 204 : 413,
               NULL);
    }
    free(text);
}

static void csv_bodies_may_be_compressed(void **state)
{
    server_fixture *f = *state;
    static const char text[] = "v:f64,metric:name\n7,packed\n";
    static const char target[] = "/api/v1/import/csv?format=1:f64:v,2:name&header=1";
    unsigned char packed[256];
    size_t size = ZSTD_compress(packed, sizeof packed, text, sizeof text - 1, 3);
    assert_false(ZSTD_isError(size));
    expect(http_call(f->port, "POST", target, "Content-Encoding: zstd\r\n", packed, size), 204,
           NULL);
    z_stream stream = {.next_in = (unsigned char *)(uintptr_t)text, .avail_in = sizeof text - 1};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_out = packed;
    stream.avail_out = sizeof packed;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size = sizeof packed - stream.avail_out;
    deflateEnd(&stream);
    expect(http_call(f->port, "POST", target, "Content-Encoding: gzip\r\n", packed, size), 204,
           NULL);
    expect(http_get(f->port, "/api/v1/export/csv?match[]=packed&format=__value__:v"), 200,
           "7.0\r\n7.0\r\n");
    expect(http_call(f->port, "POST", target, "Content-Encoding: br\r\n", packed, size), 415, NULL);
    expect(http_get(f->port, "/metrics"), 200, "varve_ingest_samples_total{protocol=\"csv\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_exported_as_csv_imports_to_the_same),
        cmocka_unit_test(a_format_says_what_the_columns_are),
        cmocka_unit_test(keys_of_other_columns_are_other_series),
        cmocka_unit_test(good_records_around_bad_ones_are_imported),
        cmocka_unit_test(bad_parameters_of_csv_are_told),
        cmocka_unit_test(csv_lines_are_bounded),
        cmocka_unit_test(csv_bodies_may_be_compressed),
    };
    return cmocka_run_group_tests(tests, begin_any_time, end);
}
