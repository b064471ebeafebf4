/* SPDX-License-Identifier: Apache-2.0 */
#include "base/slice.h"

#include "base/random.h"
#include "support/check.h"

static varve_text none(void)
{
    return vv_text_make(NULL, 0);
}

static void comparison_is_by_bytes_and_prefixes_come_first(void **state)
{
    (void)state;
    assert_true(vv_text_compare(VV_TEXT("a"), VV_TEXT("b")) < 0);
    assert_true(vv_text_compare(VV_TEXT("ab"), VV_TEXT("a")) > 0);
    assert_true(vv_text_compare(VV_TEXT("\xC3"), VV_TEXT("z")) > 0);
    assert_int_equal(vv_text_compare(VV_TEXT("ab"), VV_TEXT("ab")), 0);
    assert_int_equal(vv_text_compare(none(), VV_TEXT("")), 0);
    assert_true(vv_text_compare(none(), VV_TEXT("a")) < 0);
    assert_true(vv_bytes_compare(vv_bytes_make("a\0b", 3), vv_bytes_make("a\0c", 3)) < 0);
}

static void empty_and_absent_texts_are_equal(void **state)
{
    (void)state;
    assert_true(vv_text_equal(none(), VV_TEXT("")));
    assert_true(vv_bytes_equal(vv_bytes_make(NULL, 0), vv_bytes_make("x", 0)));
    assert_true(vv_text_is_empty(vv_text_from_string(NULL)));
    assert_false(vv_text_equal(VV_TEXT("a"), VV_TEXT("b")));
    assert_false(vv_text_equal(VV_TEXT("a"), VV_TEXT("aa")));
    assert_int_equal(VV_TEXT("a\0b").size, 3);
}

static void secrets_compare_by_all_bytes(void **state)
{
    (void)state;
    vv_bytes a = vv_bytes_make("secret", 6);
    assert_true(vv_bytes_equal_constant_time(a, vv_bytes_make("secret", 6)));
    assert_false(vv_bytes_equal_constant_time(a, vv_bytes_make("Secret", 6)));
    assert_false(vv_bytes_equal_constant_time(a, vv_bytes_make("secreT", 6)));
    assert_false(vv_bytes_equal_constant_time(a, vv_bytes_make("secre", 5)));
    assert_true(vv_bytes_equal_constant_time(vv_bytes_make(NULL, 0), vv_bytes_make(NULL, 0)));
}

static void beginnings_ends_and_parts_are_found(void **state)
{
    (void)state;
    varve_text text = VV_TEXT("abcabd");
    assert_true(vv_text_starts_with(text, VV_TEXT("abc")));
    assert_true(vv_text_starts_with(text, none()));
    assert_false(vv_text_starts_with(text, VV_TEXT("abd")));
    assert_true(vv_text_ends_with(text, VV_TEXT("abd")));
    assert_false(vv_text_ends_with(VV_TEXT("d"), VV_TEXT("bd")));
    assert_int_equal(vv_text_find(text, VV_TEXT("abd")), 3);
    assert_int_equal(vv_text_find(text, VV_TEXT("d")), 5);
    assert_int_equal(vv_text_find(text, VV_TEXT("")), 0);
    assert_true(vv_text_find(text, VV_TEXT("abx")) == SIZE_MAX);
    assert_true(vv_text_find(text, VV_TEXT("abcabda")) == SIZE_MAX);
    assert_true(vv_text_find(none(), VV_TEXT("a")) == SIZE_MAX);
    assert_int_equal(vv_text_find(VV_TEXT("aaab"), VV_TEXT("aab")), 1);
    assert_true(vv_text_contains(text, VV_TEXT("cab")));
    assert_int_equal(vv_text_find_char(text, 'b'), 1);
    assert_int_equal(vv_text_find_char(text, 'x'), 6);
    assert_int_equal(vv_text_find_char(none(), 'x'), 0);
    assert_int_equal(vv_text_find_last_char(text, 'b'), 4);
    assert_int_equal(vv_text_find_last_char(text, 'x'), 6);
}

static void ascii_case_is_ignored_on_request(void **state)
{
    (void)state;
    assert_true(vv_text_equal_nocase(VV_TEXT("GZip"), VV_TEXT("gzIP")));
    assert_false(vv_text_equal_nocase(VV_TEXT("@"), VV_TEXT("`")));
    assert_false(vv_text_equal_nocase(VV_TEXT("["), VV_TEXT("{")));
    assert_false(vv_text_equal_nocase(VV_TEXT("a"), VV_TEXT("ab")));
}

static void parts_are_cut_to_what_is_there(void **state)
{
    (void)state;
    varve_text text = VV_TEXT("abcdef");
    assert_true(vv_text_equal(vv_text_sub(text, 2, 3), VV_TEXT("cde")));
    assert_true(vv_text_equal(vv_text_sub(text, 4, SIZE_MAX), VV_TEXT("ef")));
    assert_true(vv_text_is_empty(vv_text_sub(text, 6, 1)));
    assert_true(vv_text_is_empty(vv_text_sub(text, SIZE_MAX, 1)));
    assert_true(vv_text_is_empty(vv_text_sub(none(), 1, 1)));
    assert_true(vv_text_equal(vv_text_trim(VV_TEXT(" \t a b\r\n")), VV_TEXT("a b")));
    assert_true(vv_text_is_empty(vv_text_trim(VV_TEXT(" \n "))));
}

static void splitting_gives_every_field_once(void **state)
{
    (void)state;
    varve_text rest = VV_TEXT("a,,b,");
    varve_text head;
    const char *expected[] = {"a", "", "b", ""};
    for (size_t index = 0; index < 4; index++) {
        assert_true(vv_text_split(&rest, ',', &head));
        assert_true(vv_text_equal(head, vv_text_from_string(expected[index])));
    }
    assert_false(vv_text_split(&rest, ',', &head));
    rest = VV_TEXT("");
    assert_true(vv_text_split(&rest, ',', &head));
    assert_false(vv_text_split(&rest, ',', &head));
}

static void sorting_orders_any_array(void **state)
{
    (void)state;
    vv_random random;
    vv_random_init(&random, 1);
    char bytes[200];
    varve_text texts[200];
    for (size_t count = 0; count <= 200; count += count < 10 ? 1 : 19) {
        for (size_t index = 0; index < count; index++) {
            bytes[index] = (char)('a' + vv_random_below(&random, 20));
            texts[index] = vv_text_make(&bytes[index], vv_random_below(&random, 2));
        }
        vv_text_sort(texts, count);
        for (size_t index = 1; index < count; index++) {
            assert_true(vv_text_compare(texts[index - 1], texts[index]) <= 0);
        }
    }
}

static void printf_takes_at_most_what_an_int_counts(void **state)
{
    (void)state;
    assert_int_equal(vv_text_precision((varve_text){.size = 0}), 0);
    assert_int_equal(vv_text_precision((varve_text){.size = 7}), 7);
    assert_int_equal(vv_text_precision((varve_text){.size = 0x7ffffffe}), 0x7ffffffe);
    assert_int_equal(vv_text_precision((varve_text){.size = 0x80000000u}), 0x7fffffff);
    assert_int_equal(vv_text_precision((varve_text){.size = SIZE_MAX}), 0x7fffffff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparison_is_by_bytes_and_prefixes_come_first),
        cmocka_unit_test(empty_and_absent_texts_are_equal),
        cmocka_unit_test(secrets_compare_by_all_bytes),
        cmocka_unit_test(beginnings_ends_and_parts_are_found),
        cmocka_unit_test(ascii_case_is_ignored_on_request),
        cmocka_unit_test(parts_are_cut_to_what_is_there),
        cmocka_unit_test(splitting_gives_every_field_once),
        cmocka_unit_test(sorting_orders_any_array),
        cmocka_unit_test(printf_takes_at_most_what_an_int_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
