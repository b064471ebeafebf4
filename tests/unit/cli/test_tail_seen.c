/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/tail_seen.h"

#include <string.h>

#include "base/slice.h"
#include "support/check.h"

typedef struct world {
    vv_alloc alloc;
    vv_tail_seen seen;
} world;

static int begin(void **state)
{
    static world w;
    vv_alloc_init(&w.alloc, NULL);
    vv_tail_seen_init(&w.seen, &w.alloc);
    *state = &w;
    return 0;
}

static int end(void **state)
{
    world *w = *state;
    vv_tail_seen_deinit(&w->seen);
    assert_int_equal(vv_alloc_bytes(&w->alloc), 0);
    return 0;
}

/** Offers times, a digit each, of a series; those that are new. */
static void offer(world *w, const char *series, const char *times, const char *expected)
{
    varve_error err;
    char found[32] = "";
    check_ok(vv_tail_seen_series(&w->seen, vv_text_from_string(series), &err), &err);
    for (; *times != '\0'; times++) {
        bool is_new;
        check_ok(vv_tail_seen_offer(&w->seen, *times - '0', &is_new, &err), &err);
        if (is_new) {
            strncat(found, times, 1);
        }
    }
    assert_string_equal(found, expected);
}

static void look(world *w, const char *series, const char *times, const char *expected)
{
    vv_tail_seen_begin(&w->seen);
    offer(w, series, times, expected);
    vv_tail_seen_end(&w->seen);
}

static void rows_are_new_once_wherever_they_come(void **state)
{
    world *w = *state;
    look(w, "a", "135", "135");
    look(w, "a", "135", "");
    look(w, "a", "12357", "27");
    look(w, "a", "2357", ""); /* 1 has left the window */
    look(w, "a", "0123457", "014");
}

static void rows_of_one_time_are_counted(void **state)
{
    world *w = *state;
    look(w, "a", "11", "11");
    look(w, "a", "1112", "12");
    look(w, "a", "12", "");
    look(w, "a", "1122", "12");
}

static void series_are_told_apart(void **state)
{
    world *w = *state;
    vv_tail_seen_begin(&w->seen);
    offer(w, "a", "12", "12");
    offer(w, "b", "12", "12");
    offer(w, "a", "3", "3"); /* a block more */
    vv_tail_seen_end(&w->seen);
    look(w, "b", "123", "3");
    look(w, "a", "123", "123"); /* it was not there in between */
}

static void rows_met_elsewhere_are_no_news(void **state)
{
    world *w = *state;
    varve_error err;
    look(w, "a", "25", "25");
    check_ok(vv_tail_seen_series(&w->seen, VARVE_STR("a"), &err), &err);
    static const int64_t met[] = {9, 7, 7, 5, 3, 1};
    for (size_t i = 0; i < sizeof met / sizeof met[0]; i++) {
        check_ok(vv_tail_seen_add(&w->seen, met[i], &err), &err);
    }
    look(w, "a", "1234577789", "478");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_are_new_once_wherever_they_come, begin, end),
        cmocka_unit_test_setup_teardown(rows_of_one_time_are_counted, begin, end),
        cmocka_unit_test_setup_teardown(series_are_told_apart, begin, end),
        cmocka_unit_test_setup_teardown(rows_met_elsewhere_are_no_news, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
