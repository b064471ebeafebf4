/* SPDX-License-Identifier: Apache-2.0 */
#include "model/selector.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "base/status.h"
#include "base/utf8.h"
#include "model/labels.h"
#include "support/check.h"
#include "support/failing_alloc.h"

typedef struct fixture {
    vv_alloc alloc;
    vv_arena arena;
} fixture;

static void setup(fixture *f)
{
    vv_alloc_init(&f->alloc, NULL);
    vv_arena_init(&f->arena, &f->alloc, SIZE_MAX);
}

/* The parsed selector in a form of its own: metric, then |name op value for each matcher. */
static void describe(const vv_selector *selector, vv_buf *buf)
{
    static const char *const operators[] = {"=", "!=", "=~", "!~"};
    vv_buf_append_text(buf, selector->has_metric ? selector->metric : VV_TEXT("*"));
    for (size_t index = 0; index < selector->matcher_count; index++) {
        const varve_matcher *matcher = &selector->matchers[index];
        vv_buf_append_char(buf, '|');
        vv_buf_append_text(buf, matcher->name);
        vv_buf_append_text(buf, vv_text_from_string(operators[matcher->kind]));
        vv_buf_append_text(buf, matcher->value);
        vv_buf_append_format(buf, "@%u", selector->columns[index]);
    }
    vv_buf_append_char(buf, '\0');
}

static void selectors_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"cpu", "cpu"},
        {"  cpu\n", "cpu"},
        {"cpu{}", "cpu"},
        {"{}", "*"},
        {" { } ", "*"},
        {"cpu.load-1/x:y@z#1", "cpu.load-1/x:y@z#1"},
        {"température{stadt='Köln'}", "température|stadt=Köln@19"},
        {"cpu{host=~\"a.*\",dc!=\"x\"}", "cpu|host=~a.*@11|dc!=x@21"},
        {"cpu { host !~ 'a' , }", "cpu|host!~a@15"},
        {"{__name__=~\"cpu|disk\"}", "*|__name__=~cpu|disk@12"},
        {"{\"odd name\"}", "odd name"},
        {"{'odd name',host=\"a\"}", "odd name|host=a@18"},
        {"{host=\"a\",'odd name'}", "odd name|host=a@7"},
        {"{\"odd label\"=\"x\"}", "*|odd label=x@14"},
        {"\"a b\"{x=`y`}", "a b|x=y@9"},
        {"m{a=\"\\a\\b\\f\\n\\r\\t\\v\\\\\\\"\\'\"}", "m|a=\a\b\f\n\r\t\v\\\"'@5"},
        {"m{a='\"\\'',b=\"'\"}", "m|a=\"'@5|b='@13"},
        {"m{a=\"\\101\\x42\\u0043\\U00000044\\303\\244\"}", "m|a=ABCD\xC3\xA4@5"},
        {"m{a=`\\n`}", "m|a=\\n@5"},
        {"m{a=\"\"}", "m|a=@5"},
        {"{a=\"1\",a=\"1\"}", "*|a=1@4|a=1@10"},
        {"1m", "1m"},
        {"{a.b-c/d=\"1\"}", "*|a.b-c/d=1@10"},
    };
    fixture f;
    setup(&f);
    for (size_t index = 0; index < VV_ARRAY_COUNT(cases); index++) {
        vv_selector selector;
        varve_error err = {.status = VARVE_OK};
        if (vv_selector_parse(vv_text_from_string(cases[index].text), &f.arena, &selector, &err) !=
            VARVE_OK) {
            fail_msg("%s: %s", cases[index].text, err.message);
        }
        vv_buf buf;
        vv_buf_init(&buf, &f.alloc, SIZE_MAX);
        describe(&selector, &buf);
        assert_string_equal((const char *)buf.data, cases[index].expected);
        vv_buf_deinit(&buf);
    }
    vv_arena_deinit(&f.arena);
}

static void errors_name_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "at 1: expected a metric name or '{', found the end"},
        {"   ", "at 4: expected a metric name or '{', found the end"},
        {"=x", "at 1: expected a metric name or '{', found '='"},
        {"cpu[5m]", "at 4: expected '{' or the end, found '['"},
        {"cpu disk", "at 5: expected '{' or the end, found 'd'"},
        {"cpu{", "at 5: expected a label name or '}', found the end"},
        {"cpu{,}", "at 5: expected a label name or '}', found ','"},
        {"cpu{host}", "at 9: expected one of = != =~ !~, found '}'"},
        {"cpu{host", "at 9: expected one of = != =~ !~, found the end"},
        {"cpu{host!\"a\"}", "at 9: expected one of = != =~ !~, found '!'"},
        {"cpu{host=}", "at 10: expected a string in quotes, found '}'"},
        {"cpu{host==\"a\"}", "at 10: expected a string in quotes, found '='"},
        {"cpu{host=a}", "at 10: expected a string in quotes, found 'a'"},
        {"cpu{host=\"a\"", "at 13: expected ',' or '}', found the end"},
        {"cpu{host=\"a\" dc=\"b\"}", "at 14: expected ',' or '}', found 'd'"},
        {"cpu{host=\"a\"}}", "at 14: expected the end, found '}'"},
        {"cpu{host=\"a}", "at 10: the string has no end"},
        {"cpu{host=\"a\\\"}", "at 10: the string has no end"},
        {"cpu{host=\"a\\", "at 10: the string has no end"},
        {"cpu{host=`a\\`}x", "at 15: expected the end, found 'x'"},
        {"cpu{\"disk\"}", "at 5: the metric is named twice"},
        {"{\"a\",\"b\"}", "at 6: the metric is named twice"},
        {"{\"a\"", "at 5: expected one of = != =~ !~, found the end"},
        {"m{a=\"\\q\"}", "at 6: unknown escape"},
        {"m{a=\"x\\xg0\"}", "at 7: unknown escape"},
        {"m{a=\"\\400\"}", "at 6: unknown escape"},
        {"m{a=\"\\ud800\"}", "at 6: unknown escape"},
        {"m{a=\"\\U00110000\"}", "at 6: unknown escape"},
        {"m{a=\"\\xff\"}", "at 6: the string is not UTF-8"},
        {"{ä=\"1\",ö}", "at 9: expected one of = != =~ !~, found '}'"},
        {"cpu{ä=ß}", "at 7: expected a string in quotes, found 'ß'"},
        {"m\xFF", "at 2: the selector is not UTF-8"},
        {"m\\", "at 2: expected '{' or the end, found '\\'"},
    };
    fixture f;
    setup(&f);
    for (size_t index = 0; index < VV_ARRAY_COUNT(cases); index++) {
        vv_selector selector;
        varve_error err = {.status = VARVE_OK};
        assert_int_equal(
            vv_selector_parse(vv_text_from_string(cases[index].text), &f.arena, &selector, &err),
            VARVE_E_INVALID);
        assert_string_equal(err.message, cases[index].message);
    }
    vv_arena_deinit(&f.arena);
}

static void selectors_keep_their_limits(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    for (size_t count = VV_SELECTOR_MATCHERS_MAX; count <= VV_SELECTOR_MATCHERS_MAX + 1; count++) {
        vv_buf buf;
        vv_buf_init(&buf, &f.alloc, SIZE_MAX);
        vv_buf_append_char(&buf, '{');
        for (size_t index = 0; index < count; index++) {
            vv_buf_append_text(&buf, VV_TEXT("a=\"\","));
        }
        vv_buf_append_char(&buf, '}');
        vv_selector selector;
        varve_error err;
        varve_status status = vv_selector_parse(vv_buf_text(&buf), &f.arena, &selector, &err);
        assert_int_equal(status, count <= VV_SELECTOR_MATCHERS_MAX ? VARVE_OK : VARVE_E_LIMIT);
        vv_buf_deinit(&buf);
    }
    char *text = test_malloc(VV_SELECTOR_BYTES_MAX + 1);
    memset(text, 'a', VV_SELECTOR_BYTES_MAX + 1);
    vv_selector selector;
    varve_error err;
    assert_int_equal(
        vv_selector_parse(vv_text_make(text, VV_SELECTOR_BYTES_MAX), &f.arena, &selector, &err),
        VARVE_OK);
    assert_int_equal(
        vv_selector_parse(vv_text_make(text, VV_SELECTOR_BYTES_MAX + 1), &f.arena, &selector, &err),
        VARVE_E_LIMIT);
    test_free(text);
    vv_arena_deinit(&f.arena);
}

/* A text of up to size_max characters of all kinds. */
static varve_text random_text(vv_random *random, size_t size_min, size_t size_max, char *memory)
{
    size_t size = 0;
    size_t count = size_min + (size_t)vv_random_below(random, size_max - size_min + 1);
    for (size_t index = 0; index < count; index++) {
        static const uint32_t odd[] = {'"', '\'', '\\', '`', '\n', 0,    0x7F,   ' ',     '{',
                                       '=', '!',  '~',  ',', '}',  0xE4, 0x20AC, 0x1F600, 0x85};
        uint32_t code_point = vv_random_below(random, 3) == 0
                                  ? odd[vv_random_below(random, VV_ARRAY_COUNT(odd))]
                                  : 'a' + (uint32_t)vv_random_below(random, 26);
        size += vv_utf8_write(memory + size, code_point);
    }
    return vv_text_make(memory, size);
}

static void printed_series_parse_back(void **state)
{
    (void)state;
    uint64_t seed = 28;
    print_message("seed %llu\n", (unsigned long long)seed);
    vv_random random;
    vv_random_init(&random, seed);
    fixture f;
    setup(&f);
    for (int round = 0; round < 2000; round++) {
        char memory[9][64];
        varve_label labels[4];
        varve_text metric = random_text(&random, 1, 12, memory[8]);
        size_t count = (size_t)vv_random_below(&random, 5);
        for (size_t index = 0; index < count; index++) {
            labels[index].name = random_text(&random, 1, 6, memory[2 * index]);
            labels[index].value = random_text(&random, 0, 12, memory[2 * index + 1]);
        }
        vv_buf buf;
        vv_buf_init(&buf, &f.alloc, SIZE_MAX);
        assert_int_equal(vv_series_print(&buf, metric, labels, count), VARVE_OK);
        vv_selector selector;
        varve_error err = {.status = VARVE_OK};
        if (vv_selector_parse(vv_buf_text(&buf), &f.arena, &selector, &err) != VARVE_OK) {
            fail_msg("%.*s: %s", (int)buf.size, (const char *)buf.data, err.message);
        }
        assert_true(selector.has_metric && vv_text_equal(selector.metric, metric));
        assert_int_equal(selector.matcher_count, count);
        for (size_t index = 0; index < count; index++) {
            assert_int_equal(selector.matchers[index].kind, VARVE_MATCH_EQUAL);
            assert_true(vv_text_equal(selector.matchers[index].name, labels[index].name));
            assert_true(vv_text_equal(selector.matchers[index].value, labels[index].value));
        }
        vv_buf_deinit(&buf);
        vv_arena_reset(&f.arena);
    }
    vv_arena_deinit(&f.arena);
}

static void parsing_survives_each_failing_allocation(void **state)
{
    (void)state;
    for (uint64_t at = 1;; at++) {
        failing_alloc failing;
        failing_alloc_init(&failing);
        failing_alloc_plan(&failing, at, true);
        vv_alloc alloc;
        varve_allocator source = failing_alloc_source(&failing);
        vv_alloc_init(&alloc, &source);
        vv_arena arena;
        vv_arena_init(&arena, &alloc, SIZE_MAX);
        vv_selector selector;
        varve_error err;
        varve_status status =
            vv_selector_parse(VV_TEXT("m{a=\"\\n\",b=\"x\"}"), &arena, &selector, &err);
        assert_int_equal(status, (failing.failures > 0) ? VARVE_E_NOMEM : VARVE_OK);
        vv_arena_deinit(&arena);
        assert_int_equal(failing.live, 0);
        if (failing.failures == 0) {
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selectors_parse),
        cmocka_unit_test(errors_name_their_place),
        cmocka_unit_test(selectors_keep_their_limits),
        cmocka_unit_test(printed_series_parse_back),
        cmocka_unit_test(parsing_survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
