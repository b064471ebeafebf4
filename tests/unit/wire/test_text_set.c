/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/slice.h"
#include "support/check.h"
#include "wire/text_set.h"

static bool is_added(vv_text_set *set, const char *text)
{
    char copy[32];
    bool is_new = false;
    varve_error err;
    snprintf(copy, sizeof copy, "%s", text);
    check_ok(vv_text_set_add(set, vv_text_from_string(copy), &is_new, &err), &err);
    memset(copy, 'x', sizeof copy); /* it keeps its own */
    return is_new;
}

static void text_set_keeps_each_text_once(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_text_set set;
    vv_alloc_init(&alloc, NULL);
    vv_text_set_init(&set, &alloc, 7, SIZE_MAX);
    assert_true(is_added(&set, "a"));
    assert_true(is_added(&set, ""));
    assert_true(is_added(&set, "ab"));
    assert_false(is_added(&set, "a"));
    assert_false(is_added(&set, ""));
    vv_text_set_clear(&set);
    assert_true(is_added(&set, "a"));
    vv_text_set_deinit(&set);
    assert_int_equal(vv_alloc_bytes(&alloc), 0);
}

static void text_set_is_bounded(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_text_set set;
    bool is_new;
    varve_error err;
    vv_alloc_init(&alloc, NULL);
    vv_text_set_init(&set, &alloc, 7, 2);
    assert_true(is_added(&set, "a"));
    assert_true(is_added(&set, "b"));
    check_status(VARVE_E_LIMIT, vv_text_set_add(&set, VV_TEXT("c"), &is_new, &err));
    assert_false(is_added(&set, "a"));
    vv_text_set_clear(&set);
    assert_true(is_added(&set, "c"));
    vv_text_set_deinit(&set);
    assert_int_equal(vv_alloc_bytes(&alloc), 0);
}

static void text_set_gives_back_what_a_large_one_took(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_text_set set;
    char text[32];
    vv_alloc_init(&alloc, NULL);
    vv_text_set_init(&set, &alloc, 7, SIZE_MAX);
    for (int i = 0; i < 10000; i++) {
        snprintf(text, sizeof text, "%d", i);
        assert_true(is_added(&set, text));
    }
    size_t bytes = vv_map_bytes(&set.map);
    vv_text_set_clear(&set);
    assert_true(is_added(&set, "0"));
    assert_true(vv_map_bytes(&set.map) * 100 < bytes);
    vv_text_set_deinit(&set);
    assert_int_equal(vv_alloc_bytes(&alloc), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_set_keeps_each_text_once),
        cmocka_unit_test(text_set_is_bounded),
        cmocka_unit_test(text_set_gives_back_what_a_large_one_took),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
