/* SPDX-License-Identifier: Apache-2.0 */
#include "base/regex.h"

#include <string.h>

#include "support/check.h"
#include "support/failing_alloc.h"

static vv_alloc alloc;

static int setup(void **state)
{
    (void)state;
    vv_alloc_init(&alloc, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return vv_alloc_bytes(&alloc) == 0 ? 0 : -1;
}

static bool matches(const char *pattern, varve_text value)
{
    vv_regex *regex;
    varve_error err;
    bool result = false;
    check_ok(vv_regex_create(vv_text_from_string(pattern), &alloc, &regex, &err), &err);
    check_ok(vv_regex_match(regex, value, &result, &err), &err);
    vv_regex_free(regex);
    return result;
}

static void whole_values_match(void **state)
{
    (void)state;
    const struct {
        const char *pattern;
        const char *yes;
        const char *no;
    } rows[] = {
        {"a+b", "aab", "aabc"},
        {"a|ab", "ab", "abc"},
        {"x*", "", "y"},
        {"node-[0-9]+", "node-12", "node-"},
        {"(?i)api", "API", "apis"},
        {"a.c", "a\nc", "ac"}, /* '.' is any character */
        {"(?-s:a.c)", "abc", "a\nc"},
        {"a.c",
         "a\xC3\xA4"
         "c",
         "a\xC3\xA4\xC3\xA4"
         "c"},
        {"a$", "a", "a\n"}, /* the end is the end, not a line feed before it */
        {"(?m)a$\n^b", "a\nb", "ab"},
        {"[^x]+", "a\nb", "axb"},
        {"\\d+", "123", "\xD9\xA1"}, /* ASCII digits only */
        {"\\w+", "a_1", "\xC3\xA4"},
        {"\\s+", " \t\n\f\r", "\v"},
        {"[\\S]+", "a\v", " "},
        {"\\pL+", "a\xC3\xA4\xCE\xB1", "1"},
        {"\\p{Greek}+", "\xCE\xB1\xCE\xB2", "a"},
        {"\\x{1F600}?x", "\xF0\x9F\x98\x80x", "\xF0x"},
        {"\\babc\\b.?", "abc ", "abcd"},
        {"(a|b)*c{2,3}", "abacc", "abac"},
        {"(?U)a+", "aaa", "aab"},
        {"a{,2}b*", "a{,2}", "aa"},
        {"[[:upper:]]+[[:^upper:]]", "ABc", "ABC"},
        {"[\xC3\xA4-\xC3\xBC]+x", "\xC3\xB6x", "zx"},
        {"(?i)stra\xC3\x9F"
         "e|STRASSE",
         "strasse", "stras"},
    };
    for (size_t row = 0; row < VV_ARRAY_COUNT(rows); row++) {
        if (!matches(rows[row].pattern, vv_text_from_string(rows[row].yes))) {
            fail_msg("%s does not match \"%s\"", rows[row].pattern, rows[row].yes);
        }
        if (matches(rows[row].pattern, vv_text_from_string(rows[row].no))) {
            fail_msg("%s matches \"%s\"", rows[row].pattern, rows[row].no);
        }
    }
    assert_true(matches("a\\x{0}b+", vv_text_make("a\0b", 3)));
}

static void values_that_are_no_utf8_match_by_bytes_only_where_simple(void **state)
{
    (void)state;
    assert_true(matches(".*", VV_TEXT("a\xFF")));
    assert_true(matches("a.*", VV_TEXT("a\xFF")));
    assert_false(matches("a.?.?", VV_TEXT("a\xFF")));
    assert_false(matches("z?.", VV_TEXT("\x80"))); /* PCRE2 unchecked would take it for one */
    assert_true(matches("", vv_text_make(NULL, 0)));
    assert_true(matches("x*", vv_text_make(NULL, 0)));
}

/* The nested repeats of the classic example: exponential in the length of the value. */
static void a_hostile_pattern_ends_with_its_limit(void **state)
{
    (void)state;
    char value[5001];
    memset(value, 'a', sizeof value);
    value[5000] = '!';
    vv_regex *regex;
    varve_error err;
    check_ok(vv_regex_create(VV_TEXT("(a+)+[bc]"), &alloc, &regex, &err), &err);
    bool result = true;
    check_status(VARVE_E_LIMIT,
                 vv_regex_match(regex, vv_text_make(value, sizeof value), &result, &err));
    assert_non_null(strstr(err.message, "(a+)+[bc]"));
    assert_non_null(strstr(err.message, "limit"));
    assert_true(result); /* untouched */
    check_ok(vv_regex_match(regex, VV_TEXT("aaab"), &result, &err), &err);
    assert_true(result); /* and usable again */
    vv_regex_free(regex);
}

static void a_pattern_too_large_to_compile_is_a_limit(void **state)
{
    (void)state;
    vv_regex *regex;
    varve_error err;
    const char *pattern = "([a\xC3\xA4][^b\xC3\xB6][c\xC3\xBC][^d\xC3\x9F][e\xC3\xA9]x*y*z*){1000}";
    check_status(VARVE_E_LIMIT,
                 vv_regex_create(vv_text_from_string(pattern), &alloc, &regex, &err));
    assert_null(regex);
}

static void refused_patterns_leave_no_regex(void **state)
{
    (void)state;
    vv_regex *regex = (vv_regex *)&alloc;
    varve_error err;
    check_status(VARVE_E_INVALID, vv_regex_create(VV_TEXT("(?=a)"), &alloc, &regex, &err));
    assert_null(regex);
    check_status(VARVE_E_INVALID, vv_regex_create(VV_TEXT("\\p{Nonsense}"), &alloc, &regex, &err));
    assert_null(regex);
    check_status(VARVE_E_INVALID, vv_regex_create(VV_TEXT("\\x{D800}a*"), &alloc, &regex, &err));
    check_status(VARVE_E_LIMIT, vv_regex_create(VV_TEXT("a{2000}"), &alloc, &regex, &err));
    vv_regex_free(NULL);
}

static void literals_and_prefixes_are_told(void **state)
{
    (void)state;
    vv_regex *regex;
    varve_error err;
    const varve_text *literals;
    size_t count;
    bool result;
    check_ok(vv_regex_create(VV_TEXT("web|api|web"), &alloc, &regex, &err), &err);
    assert_int_equal(vv_regex_kind_of(regex), VV_REGEX_LITERALS);
    assert_true(vv_regex_set_of_literals(regex, &literals, &count));
    assert_int_equal(count, 2);
    assert_true(vv_text_equal(literals[0], VV_TEXT("api")));
    assert_true(vv_text_equal(literals[1], VV_TEXT("web")));
    check_ok(vv_regex_match_empty(regex, &result, &err), &err);
    assert_false(result);
    vv_regex_free(regex);
    check_ok(vv_regex_create(VV_TEXT("(foo|bar)*"), &alloc, &regex, &err), &err);
    assert_false(vv_regex_set_of_literals(regex, &literals, &count));
    assert_int_equal(vv_regex_prefix(regex).size, 0);
    check_ok(vv_regex_match_empty(regex, &result, &err), &err);
    assert_true(result);
    vv_regex_free(regex);
    check_ok(vv_regex_create(VV_TEXT("host-[0-9]+"), &alloc, &regex, &err), &err);
    assert_true(vv_text_equal(vv_regex_prefix(regex), VV_TEXT("host-")));
    vv_regex_free(regex);
}

/* The simple kinds and the engine give the same answers: a flag that changes nothing forces the
 * engine. */
static void simple_kinds_agree_with_the_engine(void **state)
{
    (void)state;
    const char *patterns[] = {"",     "abc",  "a|b|",   "a(b|c)?d?",  "ab.*",   ".*ab",
                              ".+ab", "ab.+", ".*ab.*", ".+ab.*",     ".*a.+",  ".+a.+",
                              ".*",   ".+",   "^a$",    "[ab-c][bd]", "a\\x62", "(a|(b|c)d)?"};
    const char *values[] = {"",    "a",   "b",    "ab",   "abc", "abd", "acd", "bd", "cd", "cab",
                            "xab", "abx", "xabx", "abab", "a\n", "\n",  "d",   "ad", "aa", "aab"};
    for (size_t row = 0; row < VV_ARRAY_COUNT(patterns); row++) {
        char forced[64] = "(?s:";
        vv_regex *simple;
        vv_regex *engine;
        varve_error err;
        VV_IGNORE(strcat(strcat(forced, patterns[row]), ")"));
        check_ok(vv_regex_create(vv_text_from_string(patterns[row]), &alloc, &simple, &err), &err);
        check_ok(vv_regex_create(vv_text_from_string(forced), &alloc, &engine, &err), &err);
        assert_int_not_equal(vv_regex_kind_of(simple), VV_REGEX_ENGINE);
        assert_int_equal(vv_regex_kind_of(engine), VV_REGEX_ENGINE);
        for (size_t index = 0; index < VV_ARRAY_COUNT(values); index++) {
            bool by_simple = false;
            bool by_engine = false;
            varve_text value = vv_text_from_string(values[index]);
            check_ok(vv_regex_match(simple, value, &by_simple, &err), &err);
            check_ok(vv_regex_match(engine, value, &by_engine, &err), &err);
            if (by_simple != by_engine) {
                fail_msg("%s on \"%s\": %d, engine %d", patterns[row], values[index], by_simple,
                         by_engine);
            }
        }
        vv_regex_free(simple);
        vv_regex_free(engine);
    }
}

static void each_failing_allocation_is_reported(void **state)
{
    (void)state;
    failing_alloc source;
    failing_alloc_init(&source);
    varve_allocator functions = failing_alloc_source(&source);
    vv_alloc failing;
    vv_alloc_init(&failing, &functions);
    const char *patterns[] = {"a|b|c[0-9]", "abc.*", "(a|b)*c[^d]", "(?i)straße"};
    for (size_t row = 0; row < VV_ARRAY_COUNT(patterns); row++) {
        varve_status status = VARVE_E_NOMEM;
        for (uint64_t number = 1; status != VARVE_OK; number++) {
            failing_alloc_plan(&source, number, false);
            vv_regex *regex;
            bool result;
            status = vv_regex_create(vv_text_from_string(patterns[row]), &failing, &regex, NULL);
            if (status == VARVE_OK) {
                status = vv_regex_match(regex, VV_TEXT("abac"), &result, NULL);
            }
            /* Without memory for JIT the regex works without it, so OK may come early. */
            check_status(status == VARVE_OK ? VARVE_OK : VARVE_E_NOMEM, status);
            vv_regex_free(regex);
            assert_int_equal(vv_alloc_bytes(&failing), 0);
            assert_int_equal(source.live, 0);
        }
        assert_true(source.requests > 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_values_match),
        cmocka_unit_test(values_that_are_no_utf8_match_by_bytes_only_where_simple),
        cmocka_unit_test(a_hostile_pattern_ends_with_its_limit),
        cmocka_unit_test(a_pattern_too_large_to_compile_is_a_limit),
        cmocka_unit_test(refused_patterns_leave_no_regex),
        cmocka_unit_test(literals_and_prefixes_are_told),
        cmocka_unit_test(simple_kinds_agree_with_the_engine),
        cmocka_unit_test(each_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
