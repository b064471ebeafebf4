/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/alloc.h"
#include "base/slice.h"
#include "base/text.h"
#include "cli/shell_words.h"
#include "support/check.h"

typedef struct split_case {
    const char *line;
    const char *words[8];
} split_case;

static void shell_words_are_those_of_a_shell(void **state)
{
    (void)state;
    static const split_case cases[] = {
        {"", {NULL}},
        {" \t ", {NULL}},
        {"metrics", {"metrics"}},
        {"  query  cpu\t--last 1h\r\n", {"query", "cpu", "--last", "1h"}},
        {"query 'cpu{host=\"a b\"}' x", {"query", "cpu{host=\"a b\"}", "x"}},
        {"a\\ b c", {"a b", "c"}},
        {"\"say \\\"hi\\\" \\n \\\\\"", {"say \"hi\" \\n \\"}},
        {"--by '' x\"\"", {"--by", "", "x"}},
        {"'a'\"b\"c", {"abc"}},
        {"# all of it", {NULL}},
        {"metrics # the rest", {"metrics"}},
        {"a#b #c", {"a#b"}},
        {"write 'w,city=Oslo t=1' \"x y=2\"", {"write", "w,city=Oslo t=1", "x y=2"}},
    };
    for (size_t i = 0; i < VV_ARRAY_COUNT(cases); i++) {
        vv_alloc alloc;
        vv_arena arena;
        vv_shell_words words;
        varve_error err;
        vv_alloc_init(&alloc, NULL);
        vv_arena_init(&arena, &alloc, SIZE_MAX);
        check_ok(vv_shell_split(vv_text_from_string(cases[i].line), &arena, &words, &err), &err);
        size_t count = 0;
        for (; cases[i].words[count] != NULL; count++) {
            assert_true(count < words.count);
            assert_string_equal(cases[i].words[count], words.words[count].text.data);
            assert_int_equal(strlen(cases[i].words[count]), words.words[count].text.size);
        }
        assert_int_equal(count, words.count);
        vv_arena_deinit(&arena);
    }
}

static void shell_words_braces_hold_a_selector_together(void **state)
{
    (void)state;
    static const split_case cases[] = {
        {"cpu{host=\"a b\", dc!='x}'} --last 1h", {"cpu{host=\"a b\", dc!='x}'}", "--last", "1h"}},
        {"{__name__=~`a\\`} x", {"{__name__=~`a\\`}", "x"}},
        {"query cpu{a=\"\\\"}\"}z y", {"query", "cpu{a=\"\\\"}\"}z", "y"}},
        {"'cpu{' x", {"cpu{", "x"}},
        {"cpu\\{ x", {"cpu{", "x"}},
        {"{} # all", {"{}"}},
        {"{a=\"#\"}", {"{a=\"#\"}"}},
    };
    for (size_t i = 0; i < VV_ARRAY_COUNT(cases); i++) {
        vv_alloc alloc;
        vv_arena arena;
        vv_shell_words words;
        varve_error err;
        vv_alloc_init(&alloc, NULL);
        vv_arena_init(&arena, &alloc, SIZE_MAX);
        check_ok(vv_shell_split(vv_text_from_string(cases[i].line), &arena, &words, &err), &err);
        for (size_t k = 0; cases[i].words[k] != NULL; k++) {
            assert_true(k < words.count);
            assert_string_equal(cases[i].words[k], words.words[k].text.data);
        }
        vv_arena_deinit(&arena);
    }
}

static void expect_failure(const char *line, size_t size, varve_status status, const char *sentence)
{
    vv_alloc alloc;
    vv_arena arena;
    vv_shell_words words;
    varve_error err;
    vv_alloc_init(&alloc, NULL);
    vv_arena_init(&arena, &alloc, SIZE_MAX);
    check_status(status, vv_shell_split(vv_text_make(line, size), &arena, &words, &err));
    assert_string_equal(sentence, err.message);
    vv_arena_deinit(&arena);
}

static void shell_words_errors_point_at_the_place(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *sentence;
    } cases[] = {
        {"query 'cpu", "at 7: no ' ends what begins here"},
        {"query \"cpu\\\"", "at 7: no \" ends what begins here"},
        {"čpu 'x", "at 5: no ' ends what begins here"},
        {"cpu{host=\"a\" --last 1h", "at 4: no } ends what begins here"},
        {"cpu{host=\"a} x", "at 4: no } ends what begins here"},
        {"x \\", "at 3: nothing follows the backslash"},
    };
    for (size_t i = 0; i < VV_ARRAY_COUNT(cases); i++) {
        expect_failure(cases[i].line, strlen(cases[i].line), VARVE_E_INVALID, cases[i].sentence);
    }
    expect_failure("a\0b", 3, VARVE_E_INVALID, "at 2: the line holds a NUL");
}

static void shell_words_are_limited(void **state)
{
    (void)state;
    static char line[VV_SHELL_LINE_BYTES_MAX + 1];
    vv_alloc alloc;
    vv_arena arena;
    vv_shell_words words;
    varve_error err;
    vv_alloc_init(&alloc, NULL);
    vv_arena_init(&arena, &alloc, SIZE_MAX);
    memset(line, 'x', sizeof line);
    check_ok(vv_shell_split(vv_text_make(line, sizeof line - 1), &arena, &words, &err), &err);
    expect_failure(line, sizeof line, VARVE_E_LIMIT, "the line has more than 1048576 bytes");
    for (size_t i = 0; i < VV_SHELL_WORDS_MAX; i++) {
        memcpy(line + 2 * i, "w ", 2);
    }
    check_ok(
        vv_shell_split(vv_text_make(line, (size_t)2 * VV_SHELL_WORDS_MAX), &arena, &words, &err),
        &err);
    assert_int_equal(VV_SHELL_WORDS_MAX, words.count);
    expect_failure(line, 2 * VV_SHELL_WORDS_MAX + 1, VARVE_E_LIMIT,
                   "the line has more than 1024 words");
    vv_arena_deinit(&arena);
}

static void shell_words_scan_says_what_is_open(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_arena arena;
    vv_shell_words words;
    varve_error err;
    vv_alloc_init(&alloc, NULL);
    vv_arena_init(&arena, &alloc, SIZE_MAX);
    check_ok(vv_shell_scan(VV_TEXT("query 'cpu{ho"), &arena, &words, &err), &err);
    assert_int_equal('\'', words.open);
    assert_int_equal(6, words.open_at);
    assert_int_equal(2, words.count);
    assert_string_equal("cpu{ho", words.words[1].text.data);
    assert_int_equal(6, words.words[1].begin);
    assert_int_equal(13, words.words[1].end);
    assert_false(words.words[1].is_plain);
    assert_true(words.words[0].is_plain);
    check_ok(vv_shell_scan(VV_TEXT("cpu{host=\"a"), &arena, &words, &err), &err);
    assert_int_equal('{', words.open);
    check_ok(vv_shell_scan(VV_TEXT("x # y"), &arena, &words, &err), &err);
    assert_true(words.is_comment);
    vv_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shell_words_are_those_of_a_shell),
        cmocka_unit_test(shell_words_braces_hold_a_selector_together),
        cmocka_unit_test(shell_words_errors_point_at_the_place),
        cmocka_unit_test(shell_words_are_limited),
        cmocka_unit_test(shell_words_scan_says_what_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
