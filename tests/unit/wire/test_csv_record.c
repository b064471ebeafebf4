/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/slice.h"
#include "support/check.h"
#include "support/failing_alloc.h"
#include "wire/csv_record.h"

typedef struct world {
    vv_alloc alloc;
    vv_buf log;
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

static void note(vv_buf *log, vv_csv_event event, const vv_csv_record *record,
                 const varve_error *err)
{
    if (event == VV_CSV_STOP) {
        vv_buf_append_format(log, "stop: %s\n", err->message);
        return;
    }
    vv_buf_append_format(log, "%llu-%llu", (unsigned long long)record->line,
                         (unsigned long long)record->last_line);
    if (event == VV_CSV_ERROR) {
        vv_buf_append_format(log, " bad: %s\n", err->message);
        return;
    }
    for (size_t i = 0; i < record->count; i++) {
        vv_buf_append_text(log, record->cells[i].is_quoted ? VV_TEXT(" [") : VV_TEXT(" <"));
        vv_buf_append_text(log, record->cells[i].text);
        vv_buf_append_text(log, record->cells[i].is_quoted ? VV_TEXT("]") : VV_TEXT(">"));
    }
    vv_buf_append_char(log, '\n');
}

/** Read in pieces of a size; each piece lies in memory of its own size, so that a byte too far is
 * seen. The last event. */
static vv_csv_event read_pieces(vv_alloc *alloc, vv_buf *log, varve_text text, size_t piece,
                                char separator, uint64_t skip_lines, size_t line_bytes_max)
{
    vv_csv_reader reader;
    vv_csv_record record;
    vv_csv_event event = VV_CSV_MORE;
    varve_error err = {.message = ""};
    vv_csv_reader_init(&reader, alloc, separator, skip_lines, line_bytes_max);
    for (size_t at = 0; event == VV_CSV_MORE && at <= text.size; at += piece) {
        varve_text part = vv_text_sub(text, at, piece);
        bool is_last = at + piece > text.size;
        char *copy = malloc(part.size + 1);
        assert_non_null(copy);
        memcpy(copy + 1, part.data, part.size);
        vv_csv_reader_feed(&reader, vv_text_make(copy + 1, part.size), is_last);
        do {
            event = vv_csv_reader_next(&reader, &record, &err);
            if (event != VV_CSV_MORE) {
                note(log, event, &record, &err);
            }
        } while (event == VV_CSV_RECORD || event == VV_CSV_ERROR);
        free(copy);
    }
    vv_csv_reader_deinit(&reader);
    return event;
}

/** The same however it is cut. */
static void expect(world *w, varve_text text, char separator, uint64_t skip_lines,
                   const char *wanted)
{
    for (size_t piece = 1; piece <= text.size + 1; piece++) {
        vv_buf_reset(&w->log);
        read_pieces(&w->alloc, &w->log, text, piece, separator, skip_lines, 0);
        vv_buf_append_char(&w->log, '\0');
        if (strcmp((const char *)w->log.data, wanted) != 0) {
            print_error("in pieces of %zu of\n%.*s\n", piece, VV_TEXT_ARGS(text));
        }
        assert_string_equal((const char *)w->log.data, wanted);
    }
}

static void csv_records_are_those_of_rfc_4180_however_the_text_is_cut(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *wanted;
    } cases[] = {
        {"", ""},
        {"\n\r\n\n", ""},
        {"a", "1-1 <a>\n"},
        {"a\r", "1-1 <a>\n"},
        {"a,b\nc,d\n", "1-1 <a> <b>\n2-2 <c> <d>\n"},
        {"a,b\r\n\r\nc,d\r\n", "1-1 <a> <b>\n3-3 <c> <d>\n"},
        {",\n,,", "1-1 <> <>\n2-2 <> <> <>\n"},
        {"\"\"\n", "1-1 []\n"},
        {"\"a\",\"b,c\"\r\n\"d\"\"e\",\"\"\"\"\n", "1-1 [a] [b,c]\n2-2 [d\"e] [\"]\n"},
        {"\"x\ny\",1\nz,2", "1-2 [x\ny] <1>\n3-3 <z> <2>\n"},
        {"\"x\r\n\r\ny\"\r\nz", "1-3 [x\r\n\r\ny]\n4-4 <z>\n"},
        {"5\" disk,a\"b\"c\nz", "1-1 <5\" disk> <a\"b\"c>\n2-2 <z>\n"},
        {" \"a\n\",b\n", "1-1 < \"a>\n2-3 bad: column 1: the quote is never closed\n"},
        {"\"a\"b,c\nd,\"e\" \nf",
         "1-1 bad: column 1: text behind the closing quote (a quote inside "
         "is doubled)\n2-2 bad: column 2: text behind the closing quote (a "
         "quote inside is doubled)\n3-3 <f>\n"},
        {"a,\"b\nc", "1-2 bad: column 2: the quote is never closed\n"},
        {"\"a\"\"", "1-1 bad: column 1: the quote is never closed\n"},
        {"a\rb\n", "1-1 <a\rb>\n"},
        {"\xEF\xBB", "1-1 <\xEF\xBB>\n"},
        {"\xEF\"a,\"b\nc\"", "1-2 <\xEF\"a> [b\nc]\n"},
        {"\xEF\xBB,\"\n\",1", "1-2 <\xEF\xBB> [\n] <1>\n"},
        {"\xFF\xFE"
         "a",
         "stop: the text is no UTF-8; it looks like UTF-16\n"},
        {"a,\xEF\xBB\xBF"
         "b\n",
         "1-1 <a> <\xEF\xBB\xBF"
         "b>\n"},
    };
    world w;
    begin(&w);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect(&w, vv_text_from_string(cases[i].text), ',', 0, cases[i].wanted);
    }
    end(&w);
}

static void csv_records_have_other_separators(void **state)
{
    (void)state;
    world w;
    char separator;
    begin(&w);
    expect(&w, VV_TEXT("a;\"b;c\";d,e\n"), ';', 0, "1-1 <a> [b;c] <d,e>\n");
    expect(&w, VV_TEXT("a\t\"b\tc\"\n"), '\t', 0, "1-1 <a> [b\tc]\n");
    assert_true(vv_csv_separator_parse(VV_TEXT("tab"), &separator) && separator == '\t');
    assert_true(vv_csv_separator_parse(VV_TEXT("semicolon"), &separator) && separator == ';');
    assert_true(vv_csv_separator_parse(VV_TEXT("|"), &separator) && separator == '|');
    assert_false(vv_csv_separator_parse(VV_TEXT("\""), &separator));
    assert_false(vv_csv_separator_parse(VV_TEXT(""), &separator));
    end(&w);
}

static void csv_lines_before_the_header_are_passed_over(void **state)
{
    (void)state;
    world w;
    begin(&w);
    expect(&w, VV_TEXT("# it's \"so\n\na,b\n1,2"), ',', 2, "3-3 <a> <b>\n4-4 <1> <2>\n");
    expect(&w,
           VV_TEXT("\xEF\xBB\xBF"
                   "x\na"),
           ',', 1, "2-2 <a>\n");
    expect(&w, VV_TEXT("\xEFx\n\"a\nb\""), ',', 1, "2-3 [a\nb]\n");
    expect(&w, VV_TEXT("x\ny"), ',', 2, "");
    end(&w);
}

static void csv_records_are_bounded(void **state)
{
    (void)state;
    world w;
    begin(&w);
    /* 8 bytes without the line feed, whole and cut, quoted and not. */
    static const char *const lines[] = {"1234,678\nx", "\"34\n,67\"\nx", "1234,67\r\nx"};
    for (size_t i = 0; i < 3; i++) {
        for (size_t piece = 1; piece < 12; piece++) {
            for (size_t limit = 7; limit <= 8; limit++) {
                vv_buf_reset(&w.log);
                vv_csv_event event = read_pieces(&w.alloc, &w.log, vv_text_from_string(lines[i]),
                                                 piece, ',', 0, limit);
                assert_int_equal(event, limit == 8 ? VV_CSV_MORE : VV_CSV_STOP);
                vv_buf_append_char(&w.log, '\0');
                const char *found = strstr((const char *)w.log.data, "line 1: longer than 7 bytes");
                assert_int_equal(found != NULL, limit == 7);
            }
        }
    }
    end(&w);
}

static void csv_columns_are_bounded(void **state)
{
    (void)state;
    world w;
    begin(&w);
    for (size_t columns = VV_CSV_COLUMNS_MAX; columns <= VV_CSV_COLUMNS_MAX + 1; columns++) {
        char text[VV_CSV_COLUMNS_MAX + 8];
        memset(text, ',', columns - 1);
        memcpy(text + columns - 1, "\nx", 3);
        vv_buf_reset(&w.log);
        read_pieces(&w.alloc, &w.log, vv_text_from_string(text), 64, ',', 0, 0);
        vv_buf_append_char(&w.log, '\0');
        bool is_bad = strstr((const char *)w.log.data, "bad: more than 1000 columns") != NULL;
        assert_int_equal(is_bad, columns > VV_CSV_COLUMNS_MAX);
        assert_non_null(strstr((const char *)w.log.data, "2-2 <x>"));
    }
    end(&w);
}

static void csv_records_survive_every_failing_allocation(void **state)
{
    (void)state;
    failing_alloc source;
    failing_alloc_init(&source);
    varve_allocator allocator = failing_alloc_source(&source);
    bool has_failed = true;
    for (uint64_t n = 1; has_failed; n++) {
        world w;
        vv_alloc alloc;
        begin(&w);
        failing_alloc_plan(&source, n, true);
        vv_alloc_init(&alloc, &allocator);
        vv_csv_event event =
            read_pieces(&alloc, &w.log, VV_TEXT("a,\"b\"\"c\"\n\"d\ne\",f\n"), 3, ',', 0, 0);
        has_failed = atomic_load(&source.failures) > 0;
        assert_int_equal(event, has_failed ? VV_CSV_STOP : VV_CSV_MORE);
        assert_int_equal(atomic_load(&source.live), 0);
        end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_records_are_those_of_rfc_4180_however_the_text_is_cut),
        cmocka_unit_test(csv_records_have_other_separators),
        cmocka_unit_test(csv_lines_before_the_header_are_passed_over),
        cmocka_unit_test(csv_records_are_bounded),
        cmocka_unit_test(csv_columns_are_bounded),
        cmocka_unit_test(csv_records_survive_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
