/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "support/check.h"
#include "support/failing_alloc.h"
#include "wire/influx.h"

typedef struct world {
    vv_alloc alloc;
    vv_buf log; /* what the parser said, one event a line */
} world;

static void begin(world *w)
{
    vv_alloc_init(&w->alloc, NULL);
    vv_buf_init(&w->log, &w->alloc, SIZE_MAX);
}

static void end(world *w)
{
    vv_buf_deinit(&w->log);
    assert_int_equal(vv_alloc_bytes(&w->alloc), 0);
}

static void log_value(vv_buf *log, const varve_value *value)
{
    char text[40];
    switch (value->type) {
    case VARVE_TYPE_F64:
        vv_buf_append(log, text, vv_text_print_f64(text, value->as.f64));
        break;
    case VARVE_TYPE_I64:
        vv_buf_append_format(log, "%lldi", (long long)value->as.i64);
        break;
    case VARVE_TYPE_U64:
        vv_buf_append_format(log, "%lluu", (unsigned long long)value->as.u64);
        break;
    case VARVE_TYPE_BOOL:
        vv_buf_append_text(log, value->as.boolean ? VV_TEXT("T") : VV_TEXT("F"));
        break;
    default:
        vv_buf_append_format(log, "'%.*s'", VV_TEXT_ARGS(value->as.bytes));
        break;
    }
}

/** Log events until the chunk is used up; false when the parser has stopped. */
static bool log_events(vv_influx *parser, vv_buf *log)
{
    for (;;) {
        vv_influx_row row;
        varve_error err;
        vv_influx_event event = vv_influx_next(parser, &row, &err);
        if (event == VV_INFLUX_MORE) {
            return true;
        }
        if (event != VV_INFLUX_ROW) {
            vv_buf_append_format(log, "%llu!%s\n", (unsigned long long)row.line, err.message);
            if (event == VV_INFLUX_STOP) {
                return false;
            }
            continue;
        }
        vv_buf_append_format(log, "%llu:%.*s", (unsigned long long)row.line, VV_TEXT_ARGS(row.key));
        for (size_t index = 0; index < row.count; index++) {
            vv_buf_append_format(log, " %.*s=", VV_TEXT_ARGS(row.names[index]));
            log_value(log, &row.values[index]);
        }
        vv_buf_append_format(log, " @%lld%s%s\n", (long long)row.timestamp, row.has_time ? "" : "?",
                             row.has_lost_time ? "~" : "");
    }
}

static const vv_influx_options plain = {.precision = VARVE_PRECISION_NS, .now = 7};

/** Parse text in pieces of a size into the log. */
static void parse_pieces(world *w, varve_text text, size_t piece, const vv_influx_options *options)
{
    vv_influx parser;
    vv_influx_init(&parser, &w->alloc, options);
    vv_buf_reset(&w->log);
    bool goes_on = true;
    for (size_t at = 0; goes_on && at < text.size; at += piece) {
        /* A copy of its own, so that a read beyond the chunk is seen. */
        varve_text part = vv_text_sub(text, at, piece);
        char *copy = malloc(part.size);
        assert_non_null(copy);
        memcpy(copy, part.data, part.size);
        vv_influx_feed(&parser, vv_text_make(copy, part.size), false);
        goes_on = log_events(&parser, &w->log);
        free(copy);
    }
    if (goes_on) {
        vv_influx_feed(&parser, vv_text_make("", 0), true);
        log_events(&parser, &w->log);
    }
    vv_influx_deinit(&parser);
    vv_buf_append_char(&w->log, '\0');
}

static void expect(world *w, const char *text, const char *events)
{
    parse_pieces(w, vv_text_from_string(text), SIZE_MAX / 2, &plain);
    assert_string_equal((const char *)w->log.data, events);
}

static void influx_reads_every_type(void **state)
{
    (void)state;
    world w;
    begin(&w);
    expect(&w, "m,a=b f=1.5,i=-3i,u=18446744073709551615u,t=TRUE,n=f,s=\"x, y=z\" -12\n",
           "1:m,a=b f=1.5 i=-3i u=18446744073709551615u t=T n=F s='x, y=z' @-12\n");
    expect(&w, "m f=1e3,g=-.5,h=5.,k=+2", "1:m f=1000.0 g=-0.5 h=5.0 k=2.0 @7?\n");
    static const char *const yes[] = {"t", "T", "true", "True", "TRUE"};
    static const char *const no[] = {"f", "F", "false", "False", "FALSE"};
    for (size_t index = 0; index < 5; index++) {
        char text[64];
        snprintf(text, sizeof text, "m a=%s,b=%s 1", yes[index], no[index]);
        expect(&w, text, "1:m a=T b=F @1\n");
    }
    end(&w);
}

static void influx_undoes_escapes(void **state)
{
    (void)state;
    world w;
    begin(&w);
    expect(&w, "a\\ b\\,c,t\\ x=y\\=z f\\ g\\,h\\=i=1 1\n",
           "1:a\\ b\\,c,t\\ x=y\\=z f g,h=i=1.0 @1\n");
    expect(&w, "m s=\"q\\\"q\\\\b\\n\" 1\n", "1:m s='q\"q\\b\\n' @1\n");
    expect(&w, "m s=\"two\nlines # no comment\" 1\nm v=1 2\n",
           "1:m s='two\nlines # no comment' @1\n3:m v=1.0 @2\n");
    end(&w);
}

static void influx_skips_blanks_and_comments(void **state)
{
    (void)state;
    world w;
    begin(&w);
    expect(&w, "\n  \n# m v=1 1\r\n\r\n \tm v=1 1\r\nm  v=2   2  \r\n#end",
           "5:m v=1.0 @1\n6:m v=2.0 @2\n");
    expect(&w, "m v=1\r\nm v=1 \nm v=t\r\n", "1:m v=1.0 @7?\n2:m v=1.0 @7?\n3:m v=T @7?\n");
    expect(&w, "", "");
    end(&w);
}

static void influx_says_what_is_wrong_and_goes_on(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *reason;
    } bad[] = {
        {",a=b v=1", "missing measurement"},
        {"m", "missing fields"},
        {"m,a=b", "missing fields"},
        {"m ", "missing field"},
        {"m v", "field without a value"},
        {"m =1", "missing field name"},
        {"m v=", "missing field value"},
        {"m v=1,", "missing field"},
        {"m v=1,,w=2", "missing field"},
        {"m v=abc", "invalid field value"},
        {"m v=nan", "invalid field value"},
        {"m v=inf", "invalid field value"},
        {"m v=0x10", "invalid field value"},
        {"m v=1e999", "invalid field value"},
        {"m v=1.5i", "invalid integer"},
        {"m v=9223372036854775808i", "invalid integer"},
        {"m v=i", "invalid integer"},
        {"m v=-1u", "invalid unsigned integer"},
        {"m v=18446744073709551616u", "invalid unsigned integer"},
        {"m v=\"a\"b 1", "unexpected text behind a field"},
        {"m v=1 x", "invalid timestamp"},
        {"m v=1 1.5", "invalid timestamp"},
        {"m v=1 9223372036854775808", "invalid timestamp"},
        {"m v=1 ,w=2", "invalid timestamp"},
        {"m v=1 1 2", "unexpected text behind the timestamp"},
    };
    world w;
    begin(&w);
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        char text[128];
        char events[160];
        snprintf(text, sizeof text, "a v=1 1\n%s\nb v=2 2\n", bad[index].line);
        snprintf(events, sizeof events, "1:a v=1.0 @1\n2!%s\n3:b v=2.0 @2\n", bad[index].reason);
        expect(&w, text, events);
    }
    end(&w);
}

static void influx_an_open_string_costs_one_line(void **state)
{
    (void)state;
    world w;
    begin(&w);
    expect(&w, "a v=1 1\nm s=\"open\nb v=2 2\nc v=3 3\n",
           "1:a v=1.0 @1\n2!string without an end\n3:b v=2.0 @2\n4:c v=3.0 @3\n");
    expect(&w, "m s=\"open", "1!string without an end\n");
    end(&w);
}

static void influx_cuts_between_any_bytes_change_nothing(void **state)
{
    (void)state;
    static const char text[] =
        "\n# comment\n\r v=\"\n\" 1\nm,a=b\\ c f=1.5,s=\"x\\\"\ny\\\\\",t=t 12\r\n  \nbad line\nm "
        "v= 1\n"
        "m\\,x,q=\\= w\\ w=2i\n#\nm s=\"a\",b=\"\" -5\r\nlast\\ one v=9u 3\nm s=\"open\nz v=1 1";
    varve_text whole = {.data = text, .size = sizeof text - 1};
    world w;
    begin(&w);
    parse_pieces(&w, whole, SIZE_MAX / 2, &plain);
    char *once = strdup((const char *)w.log.data);
    assert_non_null(once);
    for (size_t piece = 1; piece < whole.size; piece++) {
        parse_pieces(&w, whole, piece, &plain);
        assert_string_equal((const char *)w.log.data, once);
    }
    free(once);
    end(&w);
}

static void influx_converts_times(void **state)
{
    (void)state;
    static const struct {
        const char *unit;
        const char *ns;
        const char *s;
    } cases[] = {
        {"ns", "1:m v=1.0 @5000000007\n", "1:m v=1.0 @5~\n"},
        {"u", "1:m v=1.0 @5000000007000\n", "1:m v=1.0 @5000~\n"},
        {"ms", "1:m v=1.0 @5000000007000000\n", "1:m v=1.0 @5000000~\n"},
        {"s", "1:m v=1.0 @5000000007000000000\n", "1:m v=1.0 @5000000007\n"},
        {"m", "1!timestamp is out of range\n", "1:m v=1.0 @300000000420\n"},
        {"h", "1!timestamp is out of range\n", "1:m v=1.0 @18000000025200\n"},
    };
    world w;
    begin(&w);
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        vv_influx_options options = plain;
        assert_true(vv_influx_unit_parse(vv_text_from_string(cases[index].unit), &options.unit));
        parse_pieces(&w, VV_TEXT("m v=1 5000000007"), 100, &options);
        assert_string_equal((const char *)w.log.data, cases[index].ns);
        options.precision = VARVE_PRECISION_S;
        parse_pieces(&w, VV_TEXT("m v=1 5000000007"), 100, &options);
        assert_string_equal((const char *)w.log.data, cases[index].s);
    }
    vv_influx_unit unit;
    assert_false(vv_influx_unit_parse(VV_TEXT("d"), &unit));
    assert_true(vv_influx_unit_parse(VV_TEXT("\xc2\xb5"), &unit));
    assert_int_equal(unit, VV_INFLUX_US);
    end(&w);
}

static void influx_lines_are_bounded(void **state)
{
    (void)state;
    vv_influx_options options = plain;
    options.line_bytes_max = 16;
    world w;
    begin(&w);
    for (size_t piece = 1; piece <= 40; piece += 13) {
        parse_pieces(&w, VV_TEXT("m v=1 1234567890\nm v=2 2\n"), piece, &options);
        assert_string_equal((const char *)w.log.data, "1:m v=1.0 @1234567890\n2:m v=2.0 @2\n");
        parse_pieces(&w, VV_TEXT("m v=1 12345678901\nm v=2 2\n"), piece, &options);
        assert_string_equal((const char *)w.log.data, "1!line is longer than 16 bytes\n");
    }
    /* One that says nothing is a line like any other. */
    for (size_t piece = 1; piece <= 40; piece += 13) {
        parse_pieces(&w, VV_TEXT("#234567890123456\n                \nm v=2 2\n"), piece, &options);
        assert_string_equal((const char *)w.log.data, "3:m v=2.0 @2\n");
        parse_pieces(&w, VV_TEXT("\n#2345678901234567\nm v=2 2\n"), piece, &options);
        assert_string_equal((const char *)w.log.data, "2!line is longer than 16 bytes\n");
        parse_pieces(&w, VV_TEXT("\n                 \nm v=2 2\n"), piece, &options);
        assert_string_equal((const char *)w.log.data, "2!line is longer than 16 bytes\n");
    }
    end(&w);
}

static void influx_fields_are_bounded(void **state)
{
    (void)state;
    world w;
    begin(&w);
    for (size_t count = VV_INFLUX_FIELDS_MAX; count <= VV_INFLUX_FIELDS_MAX + 1; count++) {
        char *text = malloc(count * 12 + 8);
        assert_non_null(text);
        size_t size = 1;
        text[0] = 'm';
        for (size_t index = 0; index < count; index++) {
            size += (size_t)sprintf(text + size, "%cf%zu=1i", index == 0 ? ' ' : ',', index);
        }
        parse_pieces(&w, vv_text_make(text, size), size, &plain);
        bool is_refused = strcmp((const char *)w.log.data, "1!more than 1000 fields\n") == 0;
        assert_int_equal(is_refused, count > VV_INFLUX_FIELDS_MAX);
        free(text);
    }
    end(&w);
}

static void expect_key(const char *key, const char *wanted)
{
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_arena arena;
    vv_arena_init(&arena, &alloc, SIZE_MAX);
    varve_text metric;
    varve_label *labels;
    size_t count;
    varve_error err;
    char text[256];
    varve_status status =
        vv_influx_key_parse(vv_text_from_string(key), &arena, &metric, &labels, &count, &err);
    if (status != VARVE_OK) {
        snprintf(text, sizeof text, "!%s", err.message);
    } else {
        int size = snprintf(text, sizeof text, "%.*s", VV_TEXT_ARGS(metric));
        for (size_t index = 0; index < count; index++) {
            size += snprintf(text + size, sizeof text - (size_t)size, "|%.*s=%.*s",
                             VV_TEXT_ARGS(labels[index].name), VV_TEXT_ARGS(labels[index].value));
        }
    }
    assert_string_equal(text, wanted);
    vv_arena_deinit(&arena);
    assert_int_equal(vv_alloc_bytes(&alloc), 0);
}

static void influx_keys_become_sorted_labels(void **state)
{
    (void)state;
    expect_key("cpu", "cpu");
    expect_key("cpu,host=a", "cpu|host=a");
    expect_key("cpu,z=1,a=2,m=3", "cpu|a=2|m=3|z=1");
    expect_key("cpu,a=1,b=2,a=3", "cpu|a=3|b=2");
    expect_key("cpu,a=,b=2", "cpu|b=2");
    expect_key("c\\ p\\,u\\=,a\\,\\ \\==\\=\\ \\,", "c p,u\\=|a, === ,");
    expect_key("c\\x,a=b\\y", "c\\x|a=b\\y");
    expect_key("cpu,a", "!tag \"a\" has no value");
    expect_key("cpu,=a", "!tag without a name");
    expect_key("cpu,__name__=mem", "!the tag \"__name__\" is the measurement's");
    expect_key("cpu,\\__name__=mem", "cpu|\\__name__=mem");
    expect_key("cpu,", "!tag \"\" has no value");
    expect_key("cpu,a=b=c", "!tag \"a=b=c\" has two equal signs");
}

static void influx_survives_every_failed_allocation(void **state)
{
    (void)state;
    static const char text[] = "m,a=b f=1.5,s=\"x\\\"y\" 1\nm v=1 2\n";
    bool is_done = false;
    for (uint64_t fail_at = 1; !is_done; fail_at++) {
        failing_alloc source;
        failing_alloc_init(&source);
        failing_alloc_plan(&source, fail_at, true);
        vv_alloc alloc;
        varve_allocator allocator = failing_alloc_source(&source);
        vv_alloc_init(&alloc, &allocator);
        vv_influx parser;
        vv_influx_init(&parser, &alloc, &plain);
        size_t rows = 0;
        bool is_stopped = false;
        for (size_t at = 0; at < sizeof text - 1 && !is_stopped; at += 5) {
            size_t left = sizeof text - 1 - at;
            vv_influx_feed(&parser, vv_text_make(text + at, left < 5 ? left : 5), left <= 5);
            vv_influx_event event = VV_INFLUX_ROW;
            while (event != VV_INFLUX_MORE && event != VV_INFLUX_STOP) {
                vv_influx_row row;
                varve_error err;
                event = vv_influx_next(&parser, &row, &err);
                rows += event == VV_INFLUX_ROW;
            }
            is_stopped = event == VV_INFLUX_STOP;
        }
        is_done = rows == 2;
        assert_true(is_done || is_stopped);
        vv_influx_deinit(&parser);
        assert_int_equal(vv_alloc_bytes(&alloc), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(influx_reads_every_type),
        cmocka_unit_test(influx_undoes_escapes),
        cmocka_unit_test(influx_skips_blanks_and_comments),
        cmocka_unit_test(influx_says_what_is_wrong_and_goes_on),
        cmocka_unit_test(influx_an_open_string_costs_one_line),
        cmocka_unit_test(influx_cuts_between_any_bytes_change_nothing),
        cmocka_unit_test(influx_converts_times),
        cmocka_unit_test(influx_lines_are_bounded),
        cmocka_unit_test(influx_fields_are_bounded),
        cmocka_unit_test(influx_keys_become_sorted_labels),
        cmocka_unit_test(influx_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
