/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/regex_priv.h"
#include "support/check.h"

static vv_alloc alloc;
static vv_arena arena;

static int setup(void **state)
{
    (void)state;
    vv_alloc_init(&alloc, NULL);
    vv_arena_init(&arena, &alloc, SIZE_MAX);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vv_arena_deinit(&arena);
    return vv_alloc_bytes(&alloc) == 0 ? 0 : -1;
}

static vv_regex_simple simplify(const char *pattern)
{
    vv_buf buf;
    vv_regex_syntax syntax;
    vv_regex_simple simple;
    varve_text text;
    vv_buf_init(&buf, &alloc, SIZE_MAX);
    check_ok(vv_regex_scan(vv_text_from_string(pattern), &buf, &syntax, NULL), NULL);
    vv_buf_deinit(&buf);
    check_ok(vv_arena_copy(&arena, vv_text_from_string(pattern), &text), NULL);
    check_ok(vv_regex_simplify(text, &syntax, &arena, &simple), NULL);
    return simple;
}

static void finite_sets_are_multiplied_out(void **state)
{
    (void)state;
    const char *rows[][2] = {
        {"", "<>"},
        {"abc", "<abc>"},
        {"^abc$", "<abc>"},
        {"a|b", "<a><b>"},
        {"b|a|b|", "<><a><b>"},
        {"api-(a|b)[0-2]", "<api-a0><api-a1><api-a2><api-b0><api-b1><api-b2>"},
        {"foo(bar)?", "<foo><foobar>"},
        {"colou??r", "<color><colour>"},
        {"(?:a|(?P<n>b|c))d", "<ad><bd><cd>"},
        {"a\\.b\\x41\\t", "<a.bA\t>"},
        {"foo\\$", "<foo$>"},
        {"foo\\\\$", "<foo\\>"},
        {"\\$", "<$>"},
        {"[\xC3\xA4-\xC3\xA6]", "<\xC3\xA4><\xC3\xA5><\xC3\xA6>"},
        {"[a-]", "<-><a>"},
        {"()", "<>"},
        {"10\\.0\\.0\\.[12]:9100", "<10.0.0.1:9100><10.0.0.2:9100>"},
    };
    for (size_t row = 0; row < VV_ARRAY_COUNT(rows); row++) {
        vv_regex_simple simple = simplify(rows[row][0]);
        char all[300];
        size_t size = 0;
        assert_int_equal(simple.kind, VV_REGEX_LITERALS);
        for (size_t index = 0; index < simple.literal_count; index++) {
            size += (size_t)snprintf(all + size, sizeof all - size, "<%.*s>",
                                     VV_TEXT_ARGS(simple.literals[index]));
            assert_true(vv_text_starts_with(simple.literals[index], simple.prefix));
            assert_true(vv_regex_simple_match(&simple, simple.literals[index]));
        }
        assert_string_equal(all, rows[row][1]);
        assert_false(vv_regex_simple_match(&simple, VV_TEXT("none of them")));
    }
}

static void texts_with_anything_around_are_recognised(void **state)
{
    (void)state;
    const struct {
        const char *pattern;
        vv_regex_kind kind;
        const char *part;
        const char *prefix;
        const char *yes[4];
        const char *no[4];
    } rows[] = {
        {".*", VV_REGEX_ANY, "", "", {"", "a", "\n"}, {NULL}},
        {"^.*$", VV_REGEX_ANY, "", "", {"", "a"}, {NULL}},
        {".*?", VV_REGEX_ANY, "", "", {"", "a"}, {NULL}},
        {".+", VV_REGEX_NONEMPTY, "", "", {"a", "\n"}, {""}},
        {"ab.*", VV_REGEX_PREFIX, "ab", "ab", {"ab", "abc", "ab\n"}, {"a", "xab", ""}},
        {"ab.+", VV_REGEX_PREFIX, "ab", "ab", {"abc"}, {"ab", "a"}},
        {"^ab\\..*$", VV_REGEX_PREFIX, "ab.", "ab.", {"ab.c"}, {"abc"}},
        {".*ab", VV_REGEX_SUFFIX, "ab", "", {"ab", "cab"}, {"abc", "b"}},
        {".+ab", VV_REGEX_SUFFIX, "ab", "", {"cab"}, {"ab"}},
        {".*ab.*", VV_REGEX_CONTAINS, "ab", "", {"ab", "xab", "abx", "xabx"}, {"a", "ba"}},
        {".+ab.*", VV_REGEX_CONTAINS, "ab", "", {"xab", "abab"}, {"ab", "abx"}},
        {".*ab.+", VV_REGEX_CONTAINS, "ab", "", {"abx", "abab"}, {"ab", "xab"}},
        {".+ab.+", VV_REGEX_CONTAINS, "ab", "", {"xabx", "ababx"}, {"ab", "xab", "abx", "abab"}},
    };
    for (size_t row = 0; row < VV_ARRAY_COUNT(rows); row++) {
        vv_regex_simple simple = simplify(rows[row].pattern);
        assert_int_equal(simple.kind, rows[row].kind);
        assert_true(vv_text_equal(simple.part, vv_text_from_string(rows[row].part)));
        assert_true(vv_text_equal(simple.prefix, vv_text_from_string(rows[row].prefix)));
        for (size_t index = 0; index < 4; index++) {
            const char *yes = rows[row].yes[index];
            const char *no = rows[row].no[index];
            if (yes != NULL && !vv_regex_simple_match(&simple, vv_text_from_string(yes))) {
                fail_msg("%s does not match %s", rows[row].pattern, yes);
            }
            if (no != NULL && vv_regex_simple_match(&simple, vv_text_from_string(no))) {
                fail_msg("%s matches %s", rows[row].pattern, no);
            }
        }
    }
}

/* Y1 */
static void what_is_not_understood_is_left_to_the_engine(void **state)
{
    (void)state;
    const char *rows[][2] = {
        {"a*", ""},
        {"ab*", "a"},
        {"abc{2}d", "ab"},
        {"a.c", "a"},
        {"(?i)abc", ""},
        {"(?)abc", ""},
        {"\\Qabc\\E", ""},
        {"[^a]", ""},
        {"\\d", ""},
        {"x\\d+", "x"},
        {"a|b.*", ""},
        {"(a|b)+", ""},
        {"abc(d|e)*", "abc"},
        {"^a|b$", ""},
        {"^^a", ""},
        {"a$b", "a"},
        {".*a.*b", ""},
        {".*.*", ""},
        {"a{", ""},
        {"[[:alpha:]]", ""},
        {"[\\d]", ""},
        {"[]a]", ""},
        {"[\\x{0}-\\x{FFFF}]", ""},
        {"host\\b.*", "host"},
        {"node-[0-9]+", "node-"},
        {"\\pL", ""},
    };
    for (size_t row = 0; row < VV_ARRAY_COUNT(rows); row++) {
        vv_regex_simple simple = simplify(rows[row][0]);
        if (simple.kind != VV_REGEX_ENGINE) {
            fail_msg("%s is of kind %d", rows[row][0], (int)simple.kind);
        }
        if (!vv_text_equal(simple.prefix, vv_text_from_string(rows[row][1]))) {
            fail_msg("%s has prefix %.*s", rows[row][0], VV_TEXT_ARGS(simple.prefix));
        }
    }
}

/* Y2 */
static void sets_have_at_most_1024_texts(void **state)
{
    (void)state;
    assert_int_equal(simplify("[\\x{4000}-\\x{43FF}]").literal_count, 1024);
    assert_int_equal(simplify("[\\x{4000}-\\x{4400}]").kind, VV_REGEX_ENGINE);
    assert_int_equal(simplify("[0-9][0-9][0-9]").literal_count, 1000);
    assert_int_equal(simplify("[0-9][0-9][0-9]|[a-x]").literal_count, 1024);
    assert_int_equal(simplify("[0-9][0-9][0-9]|[a-y]").kind, VV_REGEX_ENGINE);
    assert_int_equal(simplify("(a?){0}").kind, VV_REGEX_ENGINE);
    char many[4096];
    size_t size = 0;
    for (int index = 0; index < 800; index++) {
        size += (size_t)snprintf(many + size, sizeof many - size, "%s%d", index == 0 ? "" : "|",
                                 1000 + index);
    }
    assert_int_equal(simplify(many).literal_count, 800);
}

static void scratch_memory_is_bounded(void **state)
{
    (void)state;
    char pattern[4000];
    memset(pattern, 'a', 3000);
    (void)snprintf(pattern + 3000, 100, "[0-9][0-9][0-9]"); /* 1000 texts of 3 KB */
    assert_int_equal(simplify(pattern).kind, VV_REGEX_ENGINE);
    char nested[300];
    memset(nested, '(', 100);
    nested[100] = 'a';
    memset(nested + 101, ')', 100);
    nested[201] = '\0';
    assert_int_equal(simplify(nested).literal_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finite_sets_are_multiplied_out, setup, teardown),
        cmocka_unit_test_setup_teardown(texts_with_anything_around_are_recognised, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_understood_is_left_to_the_engine, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(sets_have_at_most_1024_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(scratch_memory_is_bounded, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
