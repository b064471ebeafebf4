/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/slice.h"
#include "base/status.h"
#include "support/check.h"
#include "support/failing_alloc.h"
#include "wire/decode.h"
#include "wire/influx.h"

/* A decoder whose sink writes down what it is called with. */
typedef struct world {
    vv_alloc alloc;
    vv_arena arena;
    vv_buf log;
    uint64_t fails_at; /* rows call that fails; 0: none */
    uint64_t calls;
} world;

static void begin(world *w)
{
    *w = (world){.calls = 0};
    vv_alloc_init(&w->alloc, NULL);
    vv_arena_init(&w->arena, &w->alloc, SIZE_MAX);
    vv_buf_init(&w->log, &w->alloc, SIZE_MAX);
}

static void end(world *w)
{
    vv_arena_deinit(&w->arena);
    vv_buf_deinit(&w->log);
    assert_int_equal(vv_alloc_bytes(&w->alloc), 0);
}

static varve_status note_rows(void *context, vv_decoder *decoder, const vv_wire_rows *rows,
                              varve_error *out_err)
{
    world *w = context;
    varve_text metric;
    varve_label *labels;
    size_t count;
    w->calls += 1;
    if (w->calls == w->fails_at) {
        return vv_fail(out_err, VARVE_E_BUSY, "no more");
    }
    vv_arena_reset(&w->arena);
    VV_TRY(vv_decoder_series(decoder, rows, &w->arena, &metric, &labels, &count, out_err));
    vv_buf_append_format(&w->log, "%llu %.*s{", (unsigned long long)rows->line,
                         VV_TEXT_ARGS(metric));
    for (size_t i = 0; i < count; i++) {
        vv_buf_append_format(&w->log, "%.*s=%.*s,", VV_TEXT_ARGS(labels[i].name),
                             VV_TEXT_ARGS(labels[i].value));
    }
    vv_buf_append_char(&w->log, '}');
    for (size_t r = 0; r < rows->row_count; r++) {
        vv_buf_append_format(&w->log, " @%lld", (long long)rows->timestamps[r]);
        for (size_t f = 0; f < rows->field_count; f++) {
            const varve_value *value = &rows->values[f * rows->row_count + r];
            vv_buf_append_format(&w->log, " %.*s:%u:%lld", VV_TEXT_ARGS(rows->names[f]),
                                 value->type,
                                 value->type == VARVE_TYPE_F64 ? (long long)value->as.f64 : 0LL);
        }
    }
    vv_buf_append_char(&w->log, '\n');
    return VARVE_OK;
}

static void note_reject(void *context, uint64_t line, uint64_t count, const varve_error *why)
{
    world *w = context;
    vv_buf_append_format(&w->log, "%llu bad %llu: %s\n", (unsigned long long)line,
                         (unsigned long long)count, why->message);
}

/** Decode in pieces of a size; what the sink saw is in w->log, terminated. */
static varve_status decode(world *w, vv_format format, const vv_decoder_options *options,
                           const char *text, size_t piece, varve_error *out_err)
{
    vv_wire_sink sink = {.context = w, .rows = note_rows, .reject = note_reject};
    vv_decoder *decoder;
    size_t size = strlen(text);
    vv_buf_reset(&w->log);
    varve_status status = vv_decoder_create(format, &w->alloc, options, &sink, &decoder, out_err);
    for (size_t at = 0; status == VARVE_OK && at < size; at += piece) {
        size_t part = size - at < piece ? size - at : piece;
        status = vv_decoder_feed(decoder, vv_bytes_make(text + at, part), out_err);
    }
    if (status == VARVE_OK) {
        status = vv_decoder_end(decoder, out_err);
    }
    if (status != VARVE_OK && decoder != NULL) {
        assert_int_equal(vv_decoder_end(decoder, NULL), status); /* D3 */
    }
    if (decoder != NULL && vv_decoder_has_lost_digits(decoder)) {
        vv_buf_append_text(&w->log, VV_TEXT("lost digits\n"));
    }
    vv_decoder_free(decoder);
    vv_buf_append_char(&w->log, '\0');
    return status;
}

/** The same however the text is cut (D1). */
static void expect(world *w, vv_format format, const vv_decoder_options *options, const char *text,
                   varve_status wanted, const char *log)
{
    for (size_t piece = 1; piece <= strlen(text) + 1; piece++) {
        varve_error err = {.message = ""};
        varve_status status = decode(w, format, options, text, piece, &err);
        if (status != wanted || strcmp((const char *)w->log.data, log) != 0) {
            print_error("in pieces of %zu: %s\n%s", piece, err.message, (const char *)w->log.data);
        }
        assert_int_equal(status, wanted);
        assert_string_equal((const char *)w->log.data, log);
    }
}

static void decode_gives_the_same_calls_however_the_text_is_cut(void **state)
{
    (void)state;
    world w;
    begin(&w);
    vv_decoder_options options = {.precision = VARVE_PRECISION_MS, .unit = VARVE_PRECISION_NS};
    expect(&w, VV_FORMAT_LP, &options,
           "cpu,host=a u=1,v=2 1000000\n"
           "# a comment\n"
           "nonsense\r\n"
           "mem a=\"x\ny\" 3000001\n"
           "mem a=5 7000000",
           VARVE_OK,
           "1 cpu{host=a,} @1 u:1:1 v:1:2\n"
           "3 bad 1: missing fields\n"
           "4 mem{} @3 a:6:0\n"
           "6 mem{} @7 a:1:5\n"
           "lost digits\n");
    expect(&w, VV_FORMAT_JSONL, &options,
           "{\"metric\":{\"__name__\":\"cpu\",\"host\":\"a\"},\"values\":[1,null],"
           "\"timestamps\":[1000000,2000000]}\n"
           "\r\n"
           "nonsense\n"
           "{\"metric\":{\"__name__\":\"mem\"},\"fields\":{\"b\":[3],\"a\":[true]},"
           "\"timestamps\":[5]}",
           VARVE_OK,
           "1 cpu{host=a,} @1 value:1:1 @2 value:0:0\n"
           "3 bad 1: no JSON: '[' or '{' expected near 'nonsense' at byte 8\n"
           "4 mem{} @0 a:4:0 b:1:3\n"
           "lost digits\n");
    end(&w);
}

static void decode_makes_series_of_the_fields_of_a_line(void **state)
{
    (void)state;
    world w;
    begin(&w);
    vv_influx_format format = {.is_flat = true, .separator = VARVE_STR("_")};
    vv_decoder_options options = {.precision = VARVE_PRECISION_NS, .format_options = &format};
    static const char text[] = "m\\,n,host=a u=1,value=2,w\\ x=3 5\nnonsense\nm only=4 6\n";
    expect(&w, VV_FORMAT_LP, &options, text, VARVE_OK,
           "1 m,n_u{host=a,} @5 value:1:1\n"
           "1 m,n{host=a,} @5 value:1:2\n"
           "1 m,n_w x{host=a,} @5 value:1:3\n"
           "2 bad 1: missing fields\n"
           "3 m_only{} @6 value:1:4\n");
    format = (vv_influx_format){.is_flat = true, .skips_single = true, .separator = VARVE_STR("")};
    expect(&w, VV_FORMAT_LP, &options, "m a=1,b=2 5\nm only=4 6\n", VARVE_OK,
           "1 ma{} @5 value:1:1\n1 mb{} @5 value:1:2\n2 m{} @6 value:1:4\n");
    format = (vv_influx_format){.is_strict = true, .unit = VV_INFLUX_AUTO};
    expect(&w, VV_FORMAT_LP, &options, "m a=1 5\nnonsense\nm a=2 6\n", VARVE_E_INVALID,
           "1 m{} @5000000000 a:1:1\n");
    end(&w);
}

static void decode_adds_labels_to_series_that_lack_them(void **state)
{
    (void)state;
    world w;
    begin(&w);
    varve_label extra[] = {{VARVE_STR("zone"), VARVE_STR("z")},
                           {VARVE_STR("host"), VARVE_STR("h")},
                           {VARVE_STR("a"), VARVE_STR("1")}};
    vv_decoder_options options = {
        .precision = VARVE_PRECISION_NS, .extra = extra, .extra_count = 3};
    expect(&w, VV_FORMAT_LP, &options, "m v=1 1\nm,host=x v=2 2\n", VARVE_OK,
           "1 m{a=1,host=h,zone=z,} @1 v:1:1\n2 m{a=1,host=x,zone=z,} @2 v:1:2\n");
    expect(&w, VV_FORMAT_JSONL, &options,
           "{\"metric\":{\"__name__\":\"m\",\"b\":\"2\"},\"values\":[1],\"timestamps\":[1]}\n",
           VARVE_OK, "1 m{a=1,b=2,host=h,zone=z,} @1 value:1:1\n");
    extra[1].name = VARVE_STR("__name__");
    assert_int_equal(decode(&w, VV_FORMAT_LP, &options, "m v=1 1\n", 99, NULL), VARVE_E_INVALID);
    extra[1].name = VARVE_STR("");
    assert_int_equal(decode(&w, VV_FORMAT_LP, &options, "m v=1 1\n", 99, NULL), VARVE_E_INVALID);
    end(&w);
}

static void decode_takes_lines_up_to_their_bound(void **state)
{
    (void)state;
    world w;
    begin(&w);
    vv_decoder_options options = {.precision = VARVE_PRECISION_NS, .line_bytes_max = 70};
    char line[256];
    for (int size = 70; size <= 71; size++) {
        int used = snprintf(line, sizeof line,
                            "{\"metric\":{\"__name__\":\"m\"},\"values\":[1],\"timestamps\":[1]}");
        snprintf(line + used, sizeof line - (size_t)used, "%*s\nmore\n", size - used, "");
        if (size == 70) {
            expect(&w, VV_FORMAT_JSONL, &options, line, VARVE_OK,
                   "1 m{} @1 value:1:1\n"
                   "2 bad 1: no JSON: '[' or '{' expected near 'more' at byte 4\n");
        } else {
            expect(&w, VV_FORMAT_JSONL, &options, line, VARVE_E_LIMIT, "");
        }
        snprintf(line, sizeof line, "m v=1 %0*d\nm v=1 2\n", size - 6, 1);
        expect(&w, VV_FORMAT_LP, &options, line, size == 70 ? VARVE_OK : VARVE_E_LIMIT,
               size == 70 ? "1 m{} @1 v:1:1\n2 m{} @2 v:1:1\n" : "");
    }
    varve_error err;
    assert_int_equal(decode(&w, VV_FORMAT_JSONL, &options, line + 0, 1, &err), VARVE_E_LIMIT);
    assert_string_equal(err.message, "line 1: longer than 70 bytes");
    end(&w);
}

static void decode_leaves_out_rows_whose_time_does_not_fit(void **state)
{
    (void)state;
    world w;
    begin(&w);
    vv_decoder_options options = {.precision = VARVE_PRECISION_NS, .unit = VARVE_PRECISION_S};
    expect(
        &w, VV_FORMAT_JSONL, &options,
        "{\"metric\":{\"__name__\":\"m\"},\"fields\":{\"a\":[1,2,3],\"b\":[4,5,6]},"
        "\"timestamps\":[1,9223372036854775807,3]}\n"
        "{\"metric\":{\"__name__\":\"m\"},\"values\":[1],\"timestamps\":[9223372036854775807]}\n",
        VARVE_OK,
        "1 bad 1: time 9223372036854775807 s does not fit 64 bits of ns\n"
        "1 m{} @1000000000 a:1:1 b:1:4 @3000000000 a:1:3 b:1:6\n"
        "2 bad 1: time 9223372036854775807 s does not fit 64 bits of ns\n");
    end(&w);
}

static void decode_ends_with_the_failure_of_its_sink(void **state)
{
    (void)state;
    world w;
    static const char *const texts[] = {
        [VV_FORMAT_LP] = "m v=1 1\nm v=1 2\nm v=1 3\n",
        [VV_FORMAT_JSONL] = "{\"metric\":{\"__name__\":\"m\"},\"values\":[1],\"timestamps\":[1]}\n"
                            "{\"metric\":{\"__name__\":\"m\"},\"values\":[1],\"timestamps\":[2]}\n"
                            "{\"metric\":{\"__name__\":\"m\"},\"values\":[1],\"timestamps\":[3]}\n",
    };
    vv_decoder_options options = {.precision = VARVE_PRECISION_NS};
    for (uint32_t format = 0; format < VV_ARRAY_COUNT(texts); format++) {
        begin(&w);
        w.fails_at = 2;
        varve_error err;
        assert_int_equal(decode(&w, (vv_format)format, &options, texts[format], 999, &err),
                         VARVE_E_BUSY);
        assert_string_equal(err.message, "no more");
        assert_int_equal(w.calls, 2);
        end(&w);
    }
    begin(&w);
    assert_int_equal(decode(&w, VV_FORMAT_COUNT, &options, "", 1, NULL), VARVE_E_UNSUPPORTED);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode_gives_the_same_calls_however_the_text_is_cut),
        cmocka_unit_test(decode_makes_series_of_the_fields_of_a_line),
        cmocka_unit_test(decode_adds_labels_to_series_that_lack_them),
        cmocka_unit_test(decode_takes_lines_up_to_their_bound),
        cmocka_unit_test(decode_leaves_out_rows_whose_time_does_not_fit),
        cmocka_unit_test(decode_ends_with_the_failure_of_its_sink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
