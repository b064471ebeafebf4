/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/regex_priv.h"
#include "support/check.h"
#include "support/failing_alloc.h"

static vv_alloc alloc;
static vv_buf buf;

static int setup(void **state)
{
    (void)state;
    vv_alloc_init(&alloc, NULL);
    vv_buf_init(&buf, &alloc, 100000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vv_buf_deinit(&buf);
    return vv_alloc_bytes(&alloc) == 0 ? 0 : -1;
}

static varve_status scan_text(varve_text pattern, vv_regex_syntax *syntax, varve_error *err)
{
    vv_buf_reset(&buf);
    return vv_regex_scan(pattern, &buf, syntax, err);
}

static varve_status scan(const char *pattern, varve_error *err)
{
    vv_regex_syntax syntax;
    return scan_text(vv_text_from_string(pattern), &syntax, err);
}

/* X1 */
static void patterns_are_written_for_pcre(void **state)
{
    (void)state;
    const char *rows[][2] = {
        {"", ""},
        {"abc", "abc"},
        {"a|b", "a|b"},
        {"(a)(?:b)(?P<n>c)(?<m_1>d)", "(?:a)(?:b)(?:c)(?:d)"},
        {"a*b+?c??d{2}e{2,}?f{2,5}", "a*b+?c??d{2}e{2,}?f{2,5}"},
        {"a{,5}", "a\\{\\,5\\}"},
        {"a{x}{01}", "a\\{x\\}\\{01\\}"},
        {"{}]", "\\{\\}\\]"},
        {".^$", ".^$"},
        {"(?i)a(?m-s:b)(?U:c)", "(?i)a(?m-s:b)(?U:c)"},
        {"\\d\\D\\w\\W", "\\d\\D\\w\\W"},
        {"\\s\\S", "[\\t\\n\\f\\r\\x{20}][^\\t\\n\\f\\r\\x{20}]"},
        {"[\\s\\S]", "[\\t\\n\\f\\r\\x{20}\\S\\x{b}]"},
        {"\\a\\f\\t\\n\\r\\v", "\\x{7}\\x{c}\\x{9}\\x{a}\\x{d}\\x{b}"},
        {"\\0\\07\\123\\1234\\x41\\x{1F600}", "\\x{0}\\x{7}SS4A\xF0\x9F\x98\x80"},
        {"\\.\\-\\/\\_\\\\", "\\.\\-\\/\\_\\\\"},
        {"a-b c", "a\\-b\\ c"},
        {"\\Aa\\b\\B\\z", "\\Aa\\b\\B\\z"},
        {"\\Qa.b\\E+c\\Q*", "a\\.b+c\\*"},
        {"\\pL\\PN\\p{Greek}\\p{^Lu}\\P{^Yi}\\p{Any}",
         "\\p{L}\\P{N}\\p{sc:Greek}\\P{Lu}\\p{sc:Yi}\\p{Any}"},
        {"[abc]", "[abc]"},
        {"[]a]", "[\\]a]"},
        {"[^]a]", "[^\\]a]"},
        {"[a-z-]", "[a-z\\-]"},
        {"[-a]", "[\\-a]"},
        {"[+--]", "[\\+-\\-]"},
        {"[[:alpha:][:^digit:]x]", "[[:alpha:][:^digit:]x]"},
        {"[[.a.]]", "[\\[\\.a\\.]\\]"},
        {"[[:x]", "[\\[\\:x]"},
        {"[\\d\\pL\\]\\\\]", "[\\d\\p{L}\\]\\\\]"},
        {"[\\x{41}-\\132]", "[A-Z]"},
        {"\xC3\xA4+", "\xC3\xA4+"},
    };
    for (size_t index = 0; index < VV_ARRAY_COUNT(rows); index++) {
        varve_error err;
        check_ok(scan(rows[index][0], &err), &err);
        check_ok(vv_buf_append_u8(&buf, 0), NULL);
        assert_string_equal((const char *)buf.data, rows[index][1]);
    }
}

static void what_re2_refuses_is_refused_by_name(void **state)
{
    (void)state;
    const char *rows[][2] = {
        {"(a)\\1", "back-references"},
        {"\\8", "back-references"},
        {"\\k<n>", "back-references"},
        {"\\g1", "back-references"},
        {"(?P=n)", "back-references"},
        {"(?=a)", "look-around"},
        {"(?!a)", "look-around"},
        {"(?<=a)", "look-around"},
        {"(?<!a)", "look-around"},
        {"(?>a)", "atomic"},
        {"a++", "possessive"},
        {"a*+", "possessive"},
        {"a?+", "possessive"},
        {"a{2}+", "possessive"},
        {"a**", "possessive and doubled"},
        {"a???", "possessive and doubled"},
        {"a*?*", "possessive and doubled"},
        {"a*{2}", "nothing to repeat"},
        {"(?R)", "recursion"},
        {"(?0)", "recursion"},
        {"(?1)", "recursion"},
        {"(?+1)", "recursion"},
        {"(?-1)", "recursion"},
        {"(?&n)", "recursion"},
        {"(?P>n)", "recursion"},
        {"(?(1)a|b)", "conditionals"},
        {"(?C)", "callouts"},
        {"(?C1)", "callouts"},
        {"(*UTF)", "control verbs"},
        {"(*SKIP)", "control verbs"},
        {"a(*ACCEPT)", "control verbs"},
        {"(*pla:a)", "control verbs"},
        {"\\C", "unknown escape"},
        {"\\K", "unknown escape"},
        {"\\R", "unknown escape"},
        {"\\X", "unknown escape"},
        {"\\G", "unknown escape"},
        {"\\Z", "unknown escape"},
        {"\\h", "unknown escape"},
        {"\\N", "unknown escape"},
        {"\\e", "unknown escape"},
        {"\\cA", "unknown escape"},
        {"\\o{101}", "unknown escape"},
        {"\\E", "unknown escape"},
        {"\\\xC3\xA4", "unknown escape"},
        {"\\x4", "unknown escape"},
        {"\\x{}", "unknown escape"},
        {"\\x{41", "unknown escape"},
        {"\\x{110000}", "unknown escape"},
        {"(?|a)", "unknown kind of group"},
        {"(?#c)", "unknown kind of group"},
        {"(?x)a", "unknown kind of group"},
        {"(?^i)a", "unknown kind of group"},
        {"(?i--s)a", "unknown kind of group"},
        {"(?i-)a", "unknown kind of group"},
        {"(?'n'a)", "unknown kind of group"},
        {"(?P<>a)", "unknown kind of group"},
        {"(?P<n", "unknown kind of group"},
        {"(?", "unknown kind of group"},
        {"\\p", "character property"},
        {"\\p{", "character property"},
        {"\\p{}", "character property"},
        {"\\p{L&}", "character property"},
        {"\\p{Xan}", "character property"},
        {"\\p{sc:Greek}", "character property"},
        {"[[:<:]]", "unknown character class"},
        {"[[:alphabet:]]", "unknown character class"},
        {"[[:al pha:]]", "unknown character class"},
        {"[[::]]", "unknown character class"},
        {"[\\b]", "escape in a class"},
        {"[\\Q]", "escape in a class"},
        {"[a-\\d]", "escape in a class"},
        {"[z-a]", "out of order"},
        {"[a", "missing ]"},
        {"[]", "missing ]"},
        {"[^", "missing ]"},
        {"[a-", "missing ]"},
        {"(a", "missing )"},
        {"a)", "unexpected )"},
        {"*a", "nothing to repeat"},
        {"a|*", "nothing to repeat"},
        {"(+)", "nothing to repeat"},
        {"^*", "nothing to repeat"},
        {"{2}", "nothing to repeat"},
        {"(?i)*", "nothing to repeat"},
        {"a{3,2}", "out of order"},
        {"a\\", "nothing follows"},
    };
    for (size_t index = 0; index < VV_ARRAY_COUNT(rows); index++) {
        varve_error err;
        varve_status status = scan(rows[index][0], &err);
        if (status != VARVE_E_INVALID || strstr(err.message, rows[index][1]) == NULL) {
            fail_msg("%s: %s, %s", rows[index][0], vv_status_name(status),
                     status == VARVE_OK ? "" : err.message);
        }
    }
}

static void bytes_that_are_no_utf8_are_refused(void **state)
{
    (void)state;
    varve_error err;
    check_status(VARVE_E_INVALID, scan("ab\xFF", &err));
    assert_non_null(strstr(err.message, "not UTF-8 at byte 2"));
}

/* A pattern of prefix repeated count times, middle, and suffix repeated count times. */
static varve_status scan_nested(const char *prefix, const char *middle, const char *suffix,
                                size_t count)
{
    static char pattern[8192];
    size_t size = 0;
    for (size_t index = 0; index < count; index++) {
        size += vv_text_from_string(strcpy(pattern + size, prefix)).size;
    }
    size += vv_text_from_string(strcpy(pattern + size, middle)).size;
    for (size_t index = 0; index < count; index++) {
        size += vv_text_from_string(strcpy(pattern + size, suffix)).size;
    }
    return scan(pattern, NULL);
}

static void limits_hold_on_both_sides(void **state)
{
    (void)state;
    check_ok(scan_nested("a", "", "", VV_REGEX_PATTERN_BYTES_MAX), NULL);
    check_status(VARVE_E_LIMIT, scan_nested("a", "", "", VV_REGEX_PATTERN_BYTES_MAX + 1));
    check_ok(scan_nested("(", "a", ")", VV_REGEX_NESTING_MAX), NULL);
    check_status(VARVE_E_LIMIT, scan_nested("(", "a", ")", VV_REGEX_NESTING_MAX + 1));
    check_status(VARVE_E_LIMIT, scan_nested("(?i:", "a", ")", VV_REGEX_NESTING_MAX + 1));
    check_ok(scan("a{1000}", NULL), NULL);
    check_status(VARVE_E_LIMIT, scan("a{1001}", NULL));
    check_status(VARVE_E_LIMIT, scan("a{0,1001}", NULL));
    check_status(VARVE_E_LIMIT, scan("a{1001,}", NULL));
    check_status(VARVE_E_LIMIT, scan("a{4294967297}", NULL));
    check_ok(scan("(a{100}){10}", NULL), NULL);
    check_status(VARVE_E_LIMIT, scan("(a{100}){11}", NULL));
    check_ok(scan("((a{10}b){10}|c{999}){1,1}", NULL), NULL);
    check_status(VARVE_E_LIMIT, scan("((a{10}b){10}){11}", NULL));
    check_status(VARVE_E_LIMIT, scan("(x|(a{32})y){32}", NULL));
    check_ok(scan("(a{100}){10}(b{100}){10}", NULL), NULL); /* beside, not inside */
    check_ok(scan("((a{1000})*)+", NULL), NULL);
}

static void flags_quotes_and_alternation_are_noted(void **state)
{
    (void)state;
    const struct {
        const char *pattern;
        bool has_flags;
        bool has_quote;
        bool has_top_alternation;
    } rows[] = {
        {"a(b|c)", false, false, false}, {"a|b", false, false, true},
        {"(?i)a", true, false, false},   {"(?:a|b)", false, false, false},
        {"(?)a", true, false, false},    {"\\Q|\\E", false, true, false},
        {"[|]\\|", false, false, false}, {"(?s:a)|b", true, false, true},
    };
    for (size_t index = 0; index < VV_ARRAY_COUNT(rows); index++) {
        vv_regex_syntax syntax;
        check_ok(scan_text(vv_text_from_string(rows[index].pattern), &syntax, NULL), NULL);
        assert_int_equal(syntax.has_flags, rows[index].has_flags);
        assert_int_equal(syntax.has_quote, rows[index].has_quote);
        assert_int_equal(syntax.has_top_alternation, rows[index].has_top_alternation);
    }
}

static void zero_bytes_are_characters(void **state)
{
    (void)state;
    vv_regex_syntax syntax;
    check_ok(scan_text(vv_text_make("a\0b[\0]", 6), &syntax, NULL), NULL);
    check_ok(vv_buf_append_u8(&buf, 0), NULL);
    assert_string_equal((const char *)buf.data, "a\\x{0}b[\\x{0}]");
}

static void a_buffer_that_cannot_grow_is_reported(void **state)
{
    (void)state;
    vv_buf small;
    vv_regex_syntax syntax;
    vv_buf_init(&small, &alloc, 3);
    check_status(VARVE_E_LIMIT, vv_regex_scan(VV_TEXT("abcd"), &small, &syntax, NULL));
    vv_buf_deinit(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_are_written_for_pcre),
        cmocka_unit_test(what_re2_refuses_is_refused_by_name),
        cmocka_unit_test(bytes_that_are_no_utf8_are_refused),
        cmocka_unit_test(limits_hold_on_both_sides),
        cmocka_unit_test(flags_quotes_and_alternation_are_noted),
        cmocka_unit_test(zero_bytes_are_characters),
        cmocka_unit_test(a_buffer_that_cannot_grow_is_reported),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
