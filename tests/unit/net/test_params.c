/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "net/params.h"
#include "support/check.h"

typedef struct world {
    vv_alloc alloc;
    vv_arena arena;
} world;

static void begin(world *w)
{
    vv_alloc_init(&w->alloc, NULL);
    vv_arena_init(&w->arena, &w->alloc, SIZE_MAX);
}

static void end(world *w)
{
    vv_arena_deinit(&w->arena);
    assert_int_equal(vv_alloc_bytes(&w->alloc), 0);
}

static void params_are_decoded_in_order(void **state)
{
    (void)state;
    world w;
    begin(&w);
    vv_params params = {0};
    varve_error err;
    check_ok(vv_params_parse(&params, VV_TEXT("a=1&match%5B%5D=x%7By%7D&&b=a+b%2Bc&match=z&e&=v"),
                             &w.arena, &err),
             &err);
    check_ok(vv_params_parse(&params, VV_TEXT("match[]=w"), &w.arena, &err), &err);
    varve_text value;
    assert_true(vv_params_find(&params, VV_TEXT("b"), &value));
    assert_true(vv_text_equal(value, VV_TEXT("a b+c")));
    assert_true(vv_params_find(&params, VV_TEXT("e"), &value) && value.size == 0);
    assert_false(vv_params_find(&params, VV_TEXT("c"), &value));
    static const char *const wanted[] = {"x{y}", "z", "w"};
    size_t position = 0;
    for (size_t index = 0; index < 3; index++) {
        assert_true(vv_params_next(&params, VV_TEXT("match"), &position, &value));
        assert_true(vv_text_equal(value, vv_text_from_string(wanted[index])));
    }
    assert_false(vv_params_next(&params, VV_TEXT("match"), &position, &value));
    end(&w);
}

static void params_refuse_bad_escapes_and_bytes(void **state)
{
    (void)state;
    static const char *const bad[] = {"a=%",   "a=%4",   "a=%zz",   "%g0=1",
                                      "a=%ff", "a=\xc3", "%C0%80=1"};
    world w;
    begin(&w);
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        vv_params params = {0};
        check_status(VARVE_E_INVALID,
                     vv_params_parse(&params, vv_text_from_string(bad[index]), &w.arena, NULL));
    }
    varve_text path;
    check_ok(vv_percent_decode(VV_TEXT("/a+b%20c"), VV_PERCENT_SEGMENT, &w.arena, &path, NULL),
             NULL);
    assert_true(vv_text_equal(path, VV_TEXT("/a+b c")));
    end(&w);
}

static void params_leave_escaped_slashes_of_a_path_alone(void **state)
{
    (void)state;
    static const struct {
        const char *given;
        const char *path;
        const char *segment;
    } cases[] = {
        {"/a%2Fb/c", "/a%2Fb/c", "/a/b/c"},
        {"%2f%41%20", "%2fA ", "/A "},
        {"a%252Fb", "a%252Fb", "a%2Fb"},
        {"%25", "%25", "%"},
    };
    world w;
    begin(&w);
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        varve_text given = vv_text_from_string(cases[index].given);
        varve_text path;
        varve_text segment;
        check_ok(vv_percent_decode(given, VV_PERCENT_PATH, &w.arena, &path, NULL), NULL);
        assert_string_equal(path.data, cases[index].path);
        check_ok(vv_percent_decode(path, VV_PERCENT_SEGMENT, &w.arena, &segment, NULL), NULL);
        assert_string_equal(segment.data, cases[index].segment);
    }
    end(&w);
}

static void params_are_bounded(void **state)
{
    (void)state;
    world w;
    begin(&w);
    char text[2 * VV_PARAMS_MAX + 4];
    for (size_t count = VV_PARAMS_MAX; count <= VV_PARAMS_MAX + 1; count++) {
        for (size_t index = 0; index < count; index++) {
            memcpy(text + index * 2, "a&", 2);
        }
        vv_params params = {0};
        check_status(count > VV_PARAMS_MAX ? VARVE_E_LIMIT : VARVE_OK,
                     vv_params_parse(&params, vv_text_make(text, count * 2), &w.arena, NULL));
    }
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(params_are_decoded_in_order),
        cmocka_unit_test(params_refuse_bad_escapes_and_bytes),
        cmocka_unit_test(params_leave_escaped_slashes_of_a_path_alone),
        cmocka_unit_test(params_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
