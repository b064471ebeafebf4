/* SPDX-License-Identifier: Apache-2.0 */
/* Charts as text: what is drawn, joined, cut and told. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/slice.h"
#include "base/text.h"
#include "cli/chart.h"
#include "cli/text_width.h"
#include "support/check.h"

/* 2026-01-02T03:04:00Z */
#define T0 INT64_C(1767323040)

typedef struct drawing {
    vv_alloc alloc;
    vv_chart chart;
    vv_buf out;
    char text[65536];
} drawing;

static int begin(void **state)
{
    static drawing d;
    vv_alloc_init(&d.alloc, NULL);
    vv_chart_init(&d.chart, &d.alloc);
    vv_buf_init(&d.out, &d.alloc, SIZE_MAX);
    *state = &d;
    return 0;
}

static int end(void **state)
{
    drawing *d = *state;
    vv_buf_deinit(&d->out);
    vv_chart_deinit(&d->chart);
    assert_int_equal(vv_alloc_bytes(&d->alloc), 0);
    return 0;
}

static void add(drawing *d, const char *name, int64_t seconds, double value)
{
    varve_error err;
    check_ok(vv_chart_series(&d->chart, vv_text_from_string(name), &err), &err);
    check_ok(vv_chart_point(&d->chart, T0 + seconds, value, &err), &err);
}

static const char *draw(drawing *d, vv_chart_style style)
{
    varve_error err;
    style.precision = VARVE_PRECISION_S;
    vv_buf_reset(&d->out);
    check_ok(vv_chart_draw(&d->chart, &style, &d->out, &err), &err);
    vv_text_format(d->text, sizeof d->text, "%.*s", VV_TEXT_ARGS(vv_buf_text(&d->out)));
    return d->text;
}

static const vv_chart_style plain = {.columns = 40, .lines = 5};
static const vv_chart_style dotted = {.columns = 40, .lines = 4, .is_utf8 = true};

static void chart_draws_a_line_in_ascii(void **state)
{
    drawing *d = *state;
    add(d, "a", 120, 4.0); /* times come in any order */
    add(d, "a", 0, 0.0);
    add(d, "a", 60, 2.0);
    assert_string_equal(draw(d, plain), "5 +\n"
                                        "  |                           **********\n"
                                        "  |              *************\n"
                                        "  |     *********\n"
                                        "0 +*****\n"
                                        "  ++-----------------+-----------------+\n"
                                        " 03:04             03:05           03:06\n"
                                        "2026-01-02T03:04:00Z\n"
                                        "to 2026-01-02T03:06:00Z\n"
                                        "* a  min 0  max 4  last 4\n");
}

static void chart_draws_dots_where_there_is_utf8(void **state)
{
    drawing *d = *state;
    add(d, "a", 0, 0.0);
    add(d, "a", 60, 3.0);
    const char *text = draw(d, dotted);
    assert_non_null(strstr(text, "⡠"));
    assert_non_null(strstr(text, " ┤"));
    assert_non_null(strstr(text, "└"));
    assert_non_null(strstr(text, "━ a  min 0  max 3  last 3\n"));
}

static void chart_tells_series_apart_by_marks_or_colours(void **state)
{
    drawing *d = *state;
    add(d, "a", 0, 0.0);
    add(d, "a", 60, 0.0);
    add(d, "b", 0, 9.0);
    add(d, "b", 60, 9.0);
    const char *text = draw(d, dotted); /* no colours: marks, though there is UTF-8 */
    assert_non_null(strstr(text, "*****"));
    assert_non_null(strstr(text, "+++++"));
    assert_non_null(strstr(text, "* a  "));
    assert_non_null(strstr(text, "+ b  "));
    assert_null(strstr(text, "\033"));
    vv_chart_style colored = dotted;
    colored.has_color = true;
    text = draw(d, colored);
    assert_non_null(strstr(text, "\033[36m━ \033[0ma  "));
    assert_non_null(strstr(text, "\033[33m━ \033[0mb  "));
    assert_null(strstr(text, "*"));
}

static void chart_leaves_gaps(void **state)
{
    drawing *d = *state;
    for (int64_t i = 0; i <= 30; i++) {
        if (i < 10 || i > 20) {
            add(d, "a", i * 60, 1.0);
        }
    }
    const char *gap = "*            "; /* and more: 11 of 30 minutes in 36 columns */
    assert_non_null(strstr(draw(d, plain), gap));
    add(d, "a", 15 * 60, (double)NAN);
    assert_non_null(strstr(draw(d, plain), gap));
    add(d, "a", 14 * 60, 1.0);
    add(d, "a", 16 * 60, (double)INFINITY);
    const char *text = draw(d, plain);
    assert_null(strstr(text, gap));
    assert_non_null(strstr(text, "    *    ")); /* a lone point between gaps */
    assert_non_null(strstr(text, "min 1  max 1  last 1"));
}

static void chart_draws_one_point_and_a_constant(void **state)
{
    drawing *d = *state;
    add(d, "a", 0, 5.0);
    const char *text = draw(d, plain);
    assert_non_null(strstr(text, "                 *\n"));
    assert_non_null(strstr(text, "2026-01-02T03:04:00Z\n"));
    assert_null(strstr(text, " to "));
    add(d, "a", 60, 5.0);
    text = draw(d, plain);
    assert_non_null(strstr(text, "**********************************"));
    assert_non_null(strstr(text, "5 +*"));
}

static void chart_without_numbers_says_so(void **state)
{
    drawing *d = *state;
    assert_string_equal(draw(d, plain), "no numbers to draw\n");
    add(d, "a", 0, (double)NAN);
    assert_string_equal(draw(d, plain), "no numbers to draw\n");
}

static void chart_lines_fit_their_width(void **state)
{
    drawing *d = *state;
    static const double values[] = {-1.7976931348623157e308, 1.7976931348623157e308, 0.0, 5e-324,
                                    123456.789};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        add(d, "東京、とても長い名前の系列、とても長い名前の系列", (int64_t)i * 86400 * 400,
            values[i]);
    }
    static const size_t widths[] = {VV_CHART_COLUMNS_MIN, 25, 30, 40, 41, 80, 1000};
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
        vv_chart_style style = {.columns = widths[w], .lines = 7, .is_utf8 = true};
        varve_text rest = vv_text_from_string(draw(d, style));
        varve_text line;
        while (vv_text_split(&rest, '\n', &line)) {
            if (vv_text_width(line) > widths[w]) {
                print_error("%zu: %.*s\n", widths[w], VV_TEXT_ARGS(line));
            }
            assert_true(vv_text_width(line) <= widths[w]);
        }
    }
}

/** The texts of the ticks, of points so many units apart. */
static void expect_ticks(drawing *d, uint32_t precision, int64_t step, const char *one,
                         const char *other, const char *range)
{
    varve_error err;
    check_ok(vv_chart_series(&d->chart, VARVE_STR("a"), &err), &err);
    for (int64_t i = 0; i < 10; i++) {
        check_ok(vv_chart_point(&d->chart, i * step, (double)i, &err), &err);
    }
    vv_chart_style style = {.columns = 80, .lines = 5, .precision = precision};
    vv_buf_reset(&d->out);
    check_ok(vv_chart_draw(&d->chart, &style, &d->out, &err), &err);
    vv_text_format(d->text, sizeof d->text, "%.*s", VV_TEXT_ARGS(vv_buf_text(&d->out)));
    const char *text = d->text;
    vv_chart_deinit(&d->chart);
    vv_chart_init(&d->chart, &d->alloc);
    const char *labels[] = {one, other, range};
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        if (strstr(text, labels[i]) == NULL) {
            print_error("%s is not in\n%s", labels[i], text);
        }
        assert_non_null(strstr(text, labels[i]));
    }
}

static void chart_ticks_below_a_millisecond_are_distinct(void **state)
{
    drawing *d = *state;
    expect_ticks(d, VARVE_PRECISION_NS, 1000000, " 00:00:00.002 ", " 00:00:00.004",
                 "00:00:00.000000Z to 1970-01-01T00:00:00.009000Z");
    expect_ticks(d, VARVE_PRECISION_NS, 100000, "00:00:00.000000 ", " 00:00:00.000500\n",
                 "00:00:00.000000Z to 1970-01-01T00:00:00.000900Z");
    expect_ticks(d, VARVE_PRECISION_NS, 10, "00:00:00.000000000 ", " 00:00:00.000000050\n",
                 "00:00:00.000000000Z to 1970-01-01T00:00:00.000000090Z");
    expect_ticks(d, VARVE_PRECISION_US, 10, "00:00:00.000000 ", " 00:00:00.000050\n",
                 "00:00:00.000000000Z to 1970-01-01T00:00:00.000090000Z");
}

static void chart_bounds_its_series_and_size(void **state)
{
    drawing *d = *state;
    for (unsigned i = 0; i < VV_CHART_SERIES_MAX + 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "s%u", i);
        add(d, name, 0, i);
        add(d, name, 60, i);
    }
    const char *text = draw(d, plain);
    assert_non_null(strstr(text, "h s15  min 15"));
    assert_non_null(strstr(text, "  and 3 series more, left out\n"));
    assert_null(strstr(text, "s16"));
    vv_chart_style tiny = {.columns = 1, .lines = 1};
    assert_non_null(strstr(draw(d, tiny), "+")); /* as the least allowed */
    vv_chart_style huge = {.columns = SIZE_MAX, .lines = SIZE_MAX};
    assert_true(strlen(draw(d, huge)) < sizeof d->text);
}

static void chart_numbers_are_round(void **state)
{
    drawing *d = *state;
    for (int i = 0; i <= 3; i++) {
        add(d, "a", i * 60, 0.1 * i);
    }
    const char *text = draw(d, (vv_chart_style){.columns = 60, .lines = 16});
    assert_non_null(strstr(text, "0.3 +"));
    assert_non_null(strstr(text, "max 0.3"));
    assert_non_null(strstr(text, "  0 +"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(chart_draws_a_line_in_ascii, begin, end),
        cmocka_unit_test_setup_teardown(chart_draws_dots_where_there_is_utf8, begin, end),
        cmocka_unit_test_setup_teardown(chart_tells_series_apart_by_marks_or_colours, begin, end),
        cmocka_unit_test_setup_teardown(chart_leaves_gaps, begin, end),
        cmocka_unit_test_setup_teardown(chart_draws_one_point_and_a_constant, begin, end),
        cmocka_unit_test_setup_teardown(chart_without_numbers_says_so, begin, end),
        cmocka_unit_test_setup_teardown(chart_lines_fit_their_width, begin, end),
        cmocka_unit_test_setup_teardown(chart_ticks_below_a_millisecond_are_distinct, begin, end),
        cmocka_unit_test_setup_teardown(chart_bounds_its_series_and_size, begin, end),
        cmocka_unit_test_setup_teardown(chart_numbers_are_round, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
