/* SPDX-License-Identifier: Apache-2.0 */
/* Figures of a server, read from its /metrics. */
#include <math.h>

#include "base/alloc.h"
#include "base/slice.h"
#include "cli/stat_lines.h"
#include "support/check.h"

static void stat_lines_are_read_and_summed_over_labels(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_arena arena;
    vv_figures figures;
    varve_error err;
    vv_alloc_init(&alloc, NULL);
    vv_arena_init(&arena, &alloc, 65536);
    check_ok(vv_figures_parse(VARVE_STR("# TYPE a counter\n"
                                        "a{path=\"/x y\"} 1.5\n"
                                        "a{path=\"{\"} 2\n"
                                        "b NaN\n"
                                        "no_number\n"
                                        "bad number\n"
                                        "ab 7\n"
                                        "last 9"),
                              &arena, &figures, &err),
             &err);
    double value = 0.0;
    assert_int_equal(figures.count, 5);
    assert_true(vv_figures_get(&figures, "a") == 3.5);
    assert_true(vv_figures_find(&figures, "b", &value) && isnan(value));
    assert_true(vv_figures_get(&figures, "last") == 9.0);
    assert_false(vv_figures_find(&figures, "no_number", &value));
    assert_true(vv_figures_get(&figures, "none") == 0.0);
    vv_arena_deinit(&arena);
}

static void stat_lines_beyond_their_memory_are_refused(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_arena arena;
    vv_figures figures;
    varve_error err;
    vv_alloc_init(&alloc, NULL);
    vv_arena_init(&arena, &alloc, 16);
    assert_true(vv_figures_parse(VARVE_STR("a 1\nb 2\n"), &arena, &figures, &err) != VARVE_OK);
    vv_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stat_lines_are_read_and_summed_over_labels),
        cmocka_unit_test(stat_lines_beyond_their_memory_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
