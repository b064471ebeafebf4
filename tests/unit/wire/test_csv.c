/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/slice.h"
#include "base/status.h"
#include "support/check.h"
#include "support/failing_alloc.h"
#include "wire/csv.h"
#include "wire/decode.h"
#include "wire/json_lines.h"

/* A decoder of CSV whose sink writes down what it is called with. */
typedef struct world {
    vv_alloc alloc;
    vv_arena arena;    /* of a call of the sink */
    vv_arena mappings; /* of the options */
    vv_buf log;
    vv_csv_mapping mapping;
    vv_csv_options csv;
    vv_decoder_options options;
    uint64_t fails_at; /* rows call that fails; 0: none */
    uint64_t calls;
} world;

static void begin(world *w, const varve_allocator *source)
{
    memset(w, 0, sizeof *w);
    vv_alloc_init(&w->alloc, source);
    vv_arena_init(&w->arena, &w->alloc, SIZE_MAX);
    vv_arena_init(&w->mappings, &w->alloc, SIZE_MAX);
    vv_buf_init(&w->log, &w->alloc, SIZE_MAX);
    w->options = (vv_decoder_options){.precision = VARVE_PRECISION_MS, .now = 77};
    w->options.format_options = &w->csv;
}

static void end(world *w)
{
    vv_arena_deinit(&w->arena);
    vv_arena_deinit(&w->mappings);
    vv_buf_deinit(&w->log);
    assert_int_equal(vv_alloc_bytes(&w->alloc), 0);
}

static void map(world *w, const char *format, const char *metric)
{
    varve_error err = {.message = ""};
    check_ok(vv_csv_mapping_parse(vv_text_from_string(format), vv_text_from_string(metric),
                                  &w->mappings, &w->mapping, &err),
             &err);
    w->csv.mapping = &w->mapping;
}

static void note_value(vv_buf *log, const varve_value *value)
{
    static const char *const letters = "-fiubxsh";
    vv_buf_append_char(log, letters[value->type]);
    switch (value->type) {
    case VARVE_TYPE_F64:
        vv_buf_append_format(log, "%lld/100", (long long)(value->as.f64 * 100));
        break;
    case VARVE_TYPE_I64:
        vv_buf_append_format(log, "%lld", (long long)value->as.i64);
        break;
    case VARVE_TYPE_U64:
        vv_buf_append_format(log, "%llu", (unsigned long long)value->as.u64);
        break;
    case VARVE_TYPE_BOOL:
        vv_buf_append_char(log, value->as.boolean ? '1' : '0');
        break;
    case VARVE_TYPE_STRING:
    case VARVE_TYPE_BYTES:
        vv_buf_append_text(log, value->as.bytes);
        break;
    default:
        break;
    }
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
    assert_true(rows->key.size > 0 && rows->row_count == 1);
    VV_TRY(vv_decoder_series(decoder, rows, &w->arena, &metric, &labels, &count, out_err));
    vv_buf_append_format(&w->log, "%llu %.*s{", (unsigned long long)rows->line,
                         VV_TEXT_ARGS(metric));
    for (size_t i = 0; i < count; i++) {
        vv_buf_append_format(&w->log, "%s%.*s=%.*s", i == 0 ? "" : ",",
                             VV_TEXT_ARGS(labels[i].name), VV_TEXT_ARGS(labels[i].value));
    }
    vv_buf_append_format(&w->log, "} @%lld", (long long)rows->timestamps[0]);
    for (size_t i = 0; i < rows->field_count; i++) {
        vv_buf_append_format(&w->log, " %.*s:", VV_TEXT_ARGS(rows->names[i]));
        note_value(&w->log, &rows->values[i]);
    }
    vv_buf_append_char(&w->log, '\n');
    return vv_buf_check(&w->log, out_err);
}

static void note_reject(void *context, const vv_wire_bad *bad)
{
    world *w = context;
    assert_int_equal(bad->count, 1);
    vv_buf_append_format(&w->log, "%llu bad: %s\n", (unsigned long long)bad->line,
                         bad->why->message);
}

/** Decode in pieces of a size; a failure is the last line of the log. */
static varve_status decode(world *w, const char *text, size_t piece)
{
    vv_wire_sink sink = {.context = w, .rows = note_rows, .reject = note_reject};
    vv_decoder *decoder;
    varve_error err = {.message = ""};
    size_t size = strlen(text);
    vv_buf_reset(&w->log);
    w->calls = 0;
    varve_status status =
        vv_decoder_create(VV_FORMAT_CSV, &w->alloc, &w->options, &sink, &decoder, &err);
    for (size_t at = 0; status == VARVE_OK && at < size; at += piece) {
        size_t part = size - at < piece ? size - at : piece;
        status = vv_decoder_feed(decoder, vv_bytes_make(text + at, part), &err);
    }
    if (status == VARVE_OK) {
        status = vv_decoder_end(decoder, &err);
    }
    if (decoder != NULL && vv_decoder_has_lost_digits(decoder)) {
        vv_buf_append_text(&w->log, VV_TEXT("lost digits\n"));
    }
    if (status != VARVE_OK) {
        vv_buf_append_format(&w->log, "%s: %s\n", vv_status_name(status), err.message);
    }
    vv_decoder_free(decoder);
    vv_buf_append_char(&w->log, '\0');
    return status;
}

/** The same however the text is cut. */
static void expect(world *w, const char *text, const char *wanted)
{
    for (size_t piece = 1; piece <= strlen(text) + 1; piece++) {
        VV_IGNORE(decode(w, text, piece)); /* the log has it */
        if (strcmp((const char *)w->log.data, wanted) != 0) {
            print_error("in pieces of %zu:\n%s", piece, (const char *)w->log.data);
        }
        assert_string_equal((const char *)w->log.data, wanted);
    }
}

static void csv_metric_columns_are_series_of_their_own(void **state)
{
    (void)state;
    world w;
    begin(&w, NULL);
    map(&w, "2:metric:ask,3:metric:bid,1:label:ticker,4:time:unix_s", "");
    expect(&w,
           "GOOG,1.5,2,1700000000\n"
           "MSFT,,3.25,1700000000.5\r\n"
           "\"a,b\",1,2,1700000001,more\n"
           ",1,,1700000001\n",
           "1 ask{ticker=GOOG} @1700000000000 value:f150/100\n"
           "1 bid{ticker=GOOG} @1700000000000 value:f200/100\n"
           "2 bid{ticker=MSFT} @1700000000500 value:f325/100\n"
           "3 ask{ticker=a,b} @1700000001000 value:f100/100\n"
           "3 bid{ticker=a,b} @1700000001000 value:f200/100\n"
           "4 ask{} @1700000001000 value:f100/100\n");
    end(&w);
}

static void csv_fields_of_all_types_make_one_row(void **state)
{
    (void)state;
    world w;
    begin(&w, NULL);
    w.csv.separator = ';';
    w.csv.has_header = true;
    w.csv.skip_lines = 1;
    map(&w,
        "1:name,2:label:host,3:f64:f,4:i64:i,5:u64:u,6:bool:b,7:string:s,8:bytes:x,9:text:t,"
        "10:mixed:m,11:skip",
        "");
    expect(&w,
           "exported; by \"somebody\n"
           "metric;host;f;i;u;b;s;x;t;m;n\n"
           "cpu;a;1.5;-9223372036854775808;18446744073709551615;true;\"x\ny\";aGk=;hi;i64:7;?\n"
           "mem;;;;;;\"\";\"\";\\x6869;string:;\n"
           "mem;\"\"; 2 ; 3 ; 4 ; F ; s ;;\\\\x;f64:+Inf;\n"
           "mem;b;;;;;;;;;\n",
           "3 cpu{host=a} @77 f:f150/100 i:i-9223372036854775808 u:u18446744073709551615 b:b1 "
           "s:sx\ny x:xhi t:shi m:i7\n"
           "5 mem{} @77 f:- i:- u:- b:- s:s x:x t:xhi m:s\n"
           "6 mem{host=} @77 f:f200/100 i:i3 u:u4 b:b0 s:s s  x:- t:s\\x m:f-9223372036854775808"
           "/100\n");
    end(&w);
}

static void csv_bad_lines_name_the_column_and_are_left_out(void **state)
{
    (void)state;
    world w;
    begin(&w, NULL);
    map(&w, "1:time:rfc3339,2:f64:temperature,3:i64:count,4:bool:ok,5:u64:u,6:histogram:h,7:name",
        "");
    expect(&w,
           "2026-01-01,1,2,true,3,,m\n"
           "soon,1,2,true,3,,m\n"
           "2026-01-01,warm,2,true,3,,m\n"
           "2026-01-01,1,2.5,true,3,,m\n"
           "2026-01-01,1,2,perhaps,3,,m\n"
           "2026-01-01,1,2,1,-3,,m\n"
           "2026-01-01,1,2,1,3,[],m\n"
           "2026-01-01,1,2,1,3,\n"
           "2026-01-01,1,2,1,3,,\n"
           ",1,2,1,3,,m\n"
           "2026-01-01,1e999,2,1,3,,m\n"
           "2026-01-01,\"1\" ,2,1,3,,m\n"
           "2026-01-01,1,2,1,3,,n",
           "1 m{} @1767225600000 temperature:f100/100 count:i2 ok:b1 u:u3 h:-\n"
           "2 bad: column 1: \"soon\" is no time as rfc3339\n"
           "3 bad: column 2 (temperature): \"warm\" is no number\n"
           "4 bad: column 3 (count): \"2.5\" is no 64-bit integer (i64)\n"
           "5 bad: column 4 (ok): \"perhaps\" is no bool: true or false\n"
           "6 bad: column 5 (u): \"-3\" is no unsigned 64-bit integer (u64)\n"
           "7 bad: column 6 (h): no JSON object\n"
           "8 bad: 6 cells, fewer than are asked for\n"
           "9 bad: column 7: no metric is named\n"
           "10 bad: column 1: \"\" is no time as rfc3339\n"
           "11 bad: column 2 (temperature): \"1e999\" is no number\n"
           "12 bad: column 2: text behind the closing quote (a quote inside is doubled)\n"
           "13 n{} @1767225600000 temperature:f100/100 count:i2 ok:b1 u:u3 h:-\n");
    end(&w);
}

static void csv_guessed_types_come_with_a_hint(void **state)
{
    (void)state;
    world w;
    begin(&w, NULL);
    vv_csv_column columns[] = {
        {.index = 0, .role = VV_CSV_TIME, .name = VARVE_STR("when"), .is_guessed = true},
        {.index = 1,
         .role = VV_CSV_FIELD,
         .name = VARVE_STR("n"),
         .type = VARVE_TYPE_I64,
         .is_guessed = true},
    };
    w.mapping = (vv_csv_mapping){.metric = VARVE_STR("m"), .columns = columns, .count = 2};
    w.csv.mapping = &w.mapping;
    expect(&w, "1,2\n1,2.5\n1,many\nx,2\n",
           "1 m{} @1000 n:i2\n"
           "2 bad: column 2 (n): \"2.5\" is no 64-bit integer (i64); that was guessed: give "
           "--fields n:f64\n"
           "3 bad: column 2 (n): \"many\" is no 64-bit integer (i64); that was guessed: give "
           "--fields n:string\n"
           "4 bad: column 1 (when): \"x\" is no time as unix_s; that was guessed: give --time "
           "when:LAYOUT\n");
    end(&w);
}

static void csv_typed_headers_tell_all(void **state)
{
    (void)state;
    world w;
    begin(&w, NULL);
    expect(&w,
           "time:unix_ms,metric:name,host:label,v:f64,v:i64,a:b:text\r\n"
           "5,m,a,1.5,,x\r\n"
           "6,m,,,2,\r\n"
           "7,m,,1,2,\r\n"
           "8,m,,,,x\r\n"
           "9,m,,,\r\n"
           "9,m,,,,,\r\n",
           "2 m{host=a} @5 v:f150/100 a:b:sx\n"
           "3 m{} @6 v:i2 a:b:-\n"
           "4 bad: column 5 (v): another column has a value of this field\n"
           "5 m{} @8 v:- a:b:sx\n"
           "6 bad: 5 cells, and the header has another number\n"
           "7 bad: 7 cells, and the header has another number\n");
    expect(&w, "time,host,usage\n",
           "E_INVALID: line 1, the header: column 1: \"time\" does not tell what it is, as "
           "host:label, usage:f64, metric:name, time:rfc3339 do\n");
    expect(&w, "a:f64\n1\n",
           "E_INVALID: line 1, the header: fields without a metric: name it, or the column that "
           "has it\n");
    expect(&w, "\"a:f64\n", "E_INVALID: line 1, the header: column 1: the quote is never closed\n");
    expect(&w,
           "\xFF\xFE"
           "a",
           "E_INVALID: the text is no UTF-8; it looks like UTF-16\n");
    w.csv.metric = VARVE_STR("m");
    expect(&w, "a:f64\n1\n", "2 m{} @77 a:f100/100\n");
    expect(&w, "", "");
    end(&w);
}

static void csv_headers_must_have_what_is_asked_for(void **state)
{
    (void)state;
    world w;
    begin(&w, NULL);
    w.csv.has_header = true;
    map(&w, "3:f64:a", "m");
    expect(&w, "x,y\n1,2\n",
           "E_INVALID: line 1: the header has 2 columns, but column 3 is asked for\n");
    expect(&w, "x,y,z,q\n1,2,3,4\n1,2,3\n",
           "2 m{} @77 a:f300/100\n3 bad: 3 cells, and the header has another number\n");
    end(&w);
}

static void csv_keys_differ_where_series_do(void **state)
{
    (void)state;
    world w;
    begin(&w, NULL);
    varve_label extra[] = {{VARVE_STR("a"), VARVE_STR("0")}, {VARVE_STR("z"), VARVE_STR("9")}};
    w.options.extra = extra;
    w.options.extra_count = 2;
    map(&w, "1:name,2:label:b,3:label:a,4:f64:v,5:metric:other", "");
    expect(&w, "m,1,2,3,4\nm,12,,3,4\nm,,12,3,\nmm,1,2,3,\n",
           "1 m{a=2,b=1,z=9} @77 v:f300/100\n"
           "1 other{a=2,b=1,z=9} @77 value:f400/100\n"
           "2 m{a=0,b=12,z=9} @77 v:f300/100\n"
           "2 other{a=0,b=12,z=9} @77 value:f400/100\n"
           "3 m{a=12,z=9} @77 v:f300/100\n"
           "4 mm{a=2,b=1,z=9} @77 v:f300/100\n");
    end(&w);
}

/** Remembers the keys it is given. */
static varve_status note_key(void *context, vv_decoder *decoder, const vv_wire_rows *rows,
                             varve_error *out_err)
{
    world *w = context;
    (void)decoder;
    vv_buf_append_text(&w->log, rows->key);
    return vv_buf_check(&w->log, out_err);
}

static void csv_keys_mean_the_same_whatever_the_columns(void **state)
{
    (void)state;
    static const struct {
        const char *format;
        const char *line;
        bool is_same;
    } cases[] = {
        {"1:label:a,2:label:b,3:f64:v", "x,y,1\n", true},
        {"3:label:a,1:label:b,2:f64:w", "y,1,x\n", true},
        {"1:label:a,2:label:b,3:metric:m", "x,y,1\n", true},
        {"4:name,1:label:a,2:label:b,3:f64:v,5:label:c", "x,y,1,m,\n", true},
        {"1:label:b,2:label:a,3:f64:v", "x,y,1\n", false},
        {"1:label:a,2:label:c,3:f64:v", "x,y,1\n", false},
        {"1:label:a,2:label:b,3:metric:n", "x,y,1\n", false},
        {"1:label:a,2:label:b,3:f64:v", "xy,,1\n", false},
        {"1:label:a,2:label:b,3:f64:v", "xy,\"\",1\n", false},
    };
    world w;
    begin(&w, NULL);
    char first[64];
    size_t first_size = 0;
    for (size_t i = 0; i < VV_ARRAY_COUNT(cases); i++) {
        vv_wire_sink sink = {.context = &w, .rows = note_key, .reject = note_reject};
        vv_decoder *decoder;
        map(&w, cases[i].format, "m");
        vv_buf_reset(&w.log);
        check_ok(vv_decoder_create(VV_FORMAT_CSV, &w.alloc, &w.options, &sink, &decoder, NULL),
                 NULL);
        check_ok(
            vv_decoder_feed(decoder, vv_bytes_of_text(vv_text_from_string(cases[i].line)), NULL),
            NULL);
        check_ok(vv_decoder_end(decoder, NULL), NULL);
        vv_decoder_free(decoder);
        if (i == 0) {
            first_size = w.log.size;
            memcpy(first, w.log.data, first_size);
        }
        bool is_same = vv_text_equal(vv_text_make(first, first_size), vv_buf_text(&w.log));
        assert_int_equal(is_same, cases[i].is_same);
    }
    end(&w);
}

static void csv_notes_lost_digits_and_bounds_lines(void **state)
{
    (void)state;
    world w;
    begin(&w, NULL);
    w.options.line_bytes_max = 8;
    map(&w, "1:time:unix_us,2:f64:v", "m");
    expect(&w, "1500,1\n2000,100\n2000,1000\n",
           "1 m{} @1 v:f100/100\n2 m{} @2 v:f10000/100\nlost digits\n"
           "E_LIMIT: line 3: longer than 8 bytes, if no quote in it is left open\n");
    end(&w);
}

static void csv_ends_with_the_failure_of_its_sink(void **state)
{
    (void)state;
    world w;
    begin(&w, NULL);
    map(&w, "1:f64:v,2:metric:o", "m");
    for (uint64_t n = 1; n <= 4; n++) {
        w.fails_at = n;
        check_status(VARVE_E_BUSY, decode(&w, "1,2\n3,4\n", 3));
        assert_int_equal(w.calls, n);
    }
    w.fails_at = 5;
    check_status(VARVE_OK, decode(&w, "1,2\n3,4\n", 3));
    w.mapping.metric = (varve_text){0};
    check_status(VARVE_E_INVALID, decode(&w, "1,2\n", 3));
    end(&w);
}

static void csv_numbers_are_bounded(void **state)
{
    (void)state;
    world w;
    begin(&w, NULL);
    map(&w, "1:f64:v", "m");
    for (size_t digits = VV_CSV_NUMBER_BYTES_MAX; digits <= VV_CSV_NUMBER_BYTES_MAX + 1; digits++) {
        char text[VV_CSV_NUMBER_BYTES_MAX + 2] = "";
        memset(text, '0', digits);
        text[digits - 1] = '1';
        check_ok(decode(&w, text, 100), NULL);
        bool is_bad = strstr((const char *)w.log.data, "is no number") != NULL;
        assert_int_equal(is_bad, digits > VV_CSV_NUMBER_BYTES_MAX);
    }
    end(&w);
}

/* Turns as a server gives them. */
typedef struct turn_count {
    int taken, given;
    bool is_busy;
} turn_count;

static varve_status take_turn(void *context, varve_error *out_err)
{
    turn_count *turns = context;
    turns->taken += 1;
    return turns->is_busy ? vv_fail(out_err, VARVE_E_BUSY, "no turn") : VARVE_OK;
}

static void give_turn(void *context)
{
    turn_count *turns = context;
    turns->given += 1;
}

static void csv_cells_of_long_json_take_turns(void **state)
{
    (void)state;
    world w;
    begin(&w, NULL);
    turn_count count = {.taken = 0};
    vv_json_lines_turns turns = {
        .free_bytes = 8, .take = take_turn, .give = give_turn, .context = &count};
    w.csv.turns = &turns;
    map(&w, "1:mixed:v,2:string:s,3:histogram:h", "m");
    check_ok(decode(&w, "string:x,123456789,[123456]\nstring:xy,,\nstring:y,,[1234567]\n", 9),
             NULL);
    assert_int_equal(count.taken, 2); /* string:xy and [1234567]: the others have 8 bytes, or are
                                         strings in any case */
    assert_int_equal(count.given, count.taken);
    count.is_busy = true;
    check_status(VARVE_E_BUSY, decode(&w, "string:xyz,,\n", 9));
    assert_non_null(strstr((const char *)w.log.data, "no turn"));
    end(&w);
}

static void csv_survives_every_failing_allocation(void **state)
{
    (void)state;
    static const char text[] = "time:unix_ms,metric:name,host:label,v:f64,x:bytes,t:text\n"
                               "5,m,\"a\"\"b\",1.5,aGk=,\\x00\n"
                               "6,m,\"a\nb\",2,,\n";
    failing_alloc source;
    failing_alloc_init(&source);
    varve_allocator allocator = failing_alloc_source(&source);
    bool has_failed = true;
    for (uint64_t n = 1; has_failed; n++) {
        world w;
        failing_alloc_plan(&source, 0, false);
        begin(&w, &allocator);
        check_ok(vv_buf_reserve(&w.log, 4096), NULL);
        failing_alloc_plan(&source, n, true);
        varve_status status = decode(&w, text, 7);
        has_failed = atomic_load(&source.failures) > 0;
        check_status(has_failed ? VARVE_E_NOMEM : VARVE_OK, status);
        end(&w);
        assert_int_equal(atomic_load(&source.live), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_metric_columns_are_series_of_their_own),
        cmocka_unit_test(csv_fields_of_all_types_make_one_row),
        cmocka_unit_test(csv_bad_lines_name_the_column_and_are_left_out),
        cmocka_unit_test(csv_guessed_types_come_with_a_hint),
        cmocka_unit_test(csv_typed_headers_tell_all),
        cmocka_unit_test(csv_headers_must_have_what_is_asked_for),
        cmocka_unit_test(csv_keys_differ_where_series_do),
        cmocka_unit_test(csv_keys_mean_the_same_whatever_the_columns),
        cmocka_unit_test(csv_notes_lost_digits_and_bounds_lines),
        cmocka_unit_test(csv_ends_with_the_failure_of_its_sink),
        cmocka_unit_test(csv_numbers_are_bounded),
        cmocka_unit_test(csv_cells_of_long_json_take_turns),
        cmocka_unit_test(csv_survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
