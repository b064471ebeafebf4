/* SPDX-License-Identifier: Apache-2.0 */
/* The line that tells how far long work is. */
#include <string.h>

#include "cli/progress.h"
#include "support/check.h"
#include "sys/clock.h"

static void expect_line(vv_progress_state state, const char *wanted)
{
    char line[160];
    size_t size = vv_progress_line(line, sizeof line, &state);
    assert_string_equal(line, wanted);
    assert_int_equal(size, strlen(wanted));
}

static void progress_line_shows_share_count_rate_and_time_left(void **state)
{
    (void)state;
    expect_line((vv_progress_state){.what = "cpu.lp",
                                    .done = 25,
                                    .total = 100,
                                    .unit = "rows",
                                    .items = 1200000,
                                    .elapsed_ns = 4 * VV_NS_PER_S},
                "cpu.lp  25 %  1.2 M rows  300 k rows/s  12 s left");
    expect_line(
        (vv_progress_state){
            .what = "verify", .done = 1, .total = 101, .elapsed_ns = 2 * VV_NS_PER_S},
        "verify  0 %  3 min 20 s left");
    expect_line(
        (vv_progress_state){.what = "verify", .done = 1, .total = 7500, .elapsed_ns = VV_NS_PER_S},
        "verify  0 %  2 h 4 min left");
}

static void progress_line_leaves_out_what_is_unknown(void **state)
{
    (void)state;
    expect_line((vv_progress_state){.what = "-", .unit = "rows", .items = 7},
                "-  7 rows  0 rows/s");
    expect_line((vv_progress_state){.what = "compact", .done = 0, .total = 10}, "compact  0 %");
    expect_line((vv_progress_state){.what = "compact", .done = 11, .total = 10},
                "compact  100 %  0 s left");
}

static void progress_line_is_cut_to_its_room(void **state)
{
    (void)state;
    char line[10];
    vv_progress_state long_name = {
        .what = "a-very-long-name", .done = 1, .total = 2, .unit = "rows"};
    assert_int_equal(vv_progress_line(line, sizeof line, &long_name), 9);
    assert_string_equal(line, "a-very-lo");
}

static void progress_counts_have_three_digits(void **state)
{
    (void)state;
    static const struct {
        double count;
        const char *text;
    } cases[] = {{0, "0"},          {7, "7"},         {999, "999"},      {1000, "1.0 k"},
                 {9940, "9.9 k"},   {9960, "10 k"},   {345678, "346 k"}, {999499, "999 k"},
                 {999500, "1.0 M"}, {1.5e9, "1.5 G"}, {2e18, "2.0 E"},   {5e21, "5000 E"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[VV_PROGRESS_COUNT_BYTES];
        vv_progress_count(text, cases[i].count);
        assert_string_equal(text, cases[i].text);
    }
}

static void progress_writes_nothing_where_there_is_no_terminal(void **state)
{
    (void)state;
    vv_progress progress;
    vv_progress_init(&progress);
    progress.is_terminal = false;
    progress.shown_ns = INT64_MIN / 2; /* it is time */
    vv_progress_show(&progress, &(vv_progress_state){.what = "x"});
    assert_false(progress.is_shown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(progress_line_shows_share_count_rate_and_time_left),
        cmocka_unit_test(progress_line_leaves_out_what_is_unknown),
        cmocka_unit_test(progress_line_is_cut_to_its_room),
        cmocka_unit_test(progress_counts_have_three_digits),
        cmocka_unit_test(progress_writes_nothing_where_there_is_no_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
