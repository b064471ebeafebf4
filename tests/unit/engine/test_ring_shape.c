/* SPDX-License-Identifier: Apache-2.0 */
/* Promises of engine/ring_shape.c. */
#include <string.h>

#include "base/random.h"
#include "engine/ring_shape.h"
#include "support/check.h"

static const uint8_t one_f64[] = {VARVE_TYPE_F64};

static vv_ring_shape make(int64_t step, uint64_t slots)
{
    varve_error err;
    vv_ring_shape shape;
    check_ok(vv_ring_shape_make(step, slots, one_f64, 1, &shape, &err), &err);
    return shape;
}

static void a_slot_of_one_number_takes_twelve_bytes(void **state)
{
    (void)state;
    vv_ring_shape shape = make(1000000000, 3600); /* seconds in ns */
    assert_int_equal(shape.slot_bytes, 12);
    assert_int_equal(shape.slots_per_page, 339);
    assert_int_equal(shape.pages, 11);
    assert_int_equal(make(1, 2).slot_bytes, 16); /* its laps need eight bytes */
    /* The border: laps of one more than four bytes hold, and of as many. */
    assert_int_equal(make((INT64_C(1) << 32) + 2, 1).lap_bytes, 8);
    assert_int_equal(make((INT64_C(1) << 32) + 4, 1).lap_bytes, 4);
}

static void every_time_is_found_again_at_the_start_of_its_window(void **state)
{
    (void)state;
    vv_random random;
    vv_random_init(&random, 7);
    static const int64_t edges[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX};
    for (int i = 0; i < 20000; i++) {
        int64_t step = 1 + (int64_t)(vv_random_u64(&random) >> (1 + i % 62));
        uint64_t slots = 1 + vv_random_below(&random, 5000);
        vv_ring_shape shape;
        if (vv_ring_shape_make(step, slots, one_f64, 1, &shape, NULL) != VARVE_OK) {
            continue;
        }
        int64_t time = i % 3 == 0 ? edges[i % 7] : (int64_t)vv_random_u64(&random);
        int64_t rest = time % step < 0 ? time % step + step : time % step;
        vv_ring_place place;
        bool fits = (uint64_t)time - (uint64_t)INT64_MIN >= (uint64_t)rest;
        assert_int_equal(vv_ring_place_of(&shape, time, &place), fits);
        if (fits) {
            assert_true(place.slot < slots);
            assert_true(place.lap >= 1 && place.lap <= shape.lap_count);
            assert_true(vv_ring_time_of(&shape, place) == time - rest);
        }
    }
}

static void slots_of_a_range_are_all_that_may_hold_it(void **state)
{
    (void)state;
    vv_random random;
    vv_random_init(&random, 8);
    for (int i = 0; i < 3000; i++) {
        vv_ring_shape shape =
            make(1 + (int64_t)vv_random_below(&random, 20), 2 + vv_random_below(&random, 40));
        int64_t start = (int64_t)vv_random_below(&random, 2000) - 1000;
        varve_range range = {start, start + 1 + (int64_t)vv_random_below(&random, 300)};
        uint32_t first;
        uint32_t count = vv_ring_slots_in(&shape, range, &first);
        assert_true(count <= shape.slots);
        for (int64_t time = range.start; time < range.end; time++) {
            vv_ring_place place;
            assert_true(vv_ring_place_of(&shape, time, &place));
            assert_true((place.slot + shape.slots - first) % shape.slots < count);
        }
    }
    vv_ring_shape shape = make(1, 2);
    uint32_t first;
    assert_int_equal(vv_ring_slots_in(&shape, (varve_range){INT64_MIN, INT64_MAX}, &first), 2);
    shape = make(10, 1000);
    assert_int_equal(vv_ring_slots_in(&shape, (varve_range){INT64_MIN, INT64_MAX}, &first), 1000);
    assert_true(vv_ring_slots_in(&shape, (varve_range){500, 520}, &first) < 6);
}

static void a_later_lap_replaces_and_the_same_unites(void **state)
{
    (void)state;
    static const uint8_t types[] = {VARVE_TYPE_I64, VARVE_TYPE_BOOL, VARVE_TYPE_U64};
    vv_ring_shape shape;
    uint8_t page[VV_RING_PAGE_BYTES] = {0};
    vv_ring_row row = {.present = 1, .values = {5}};
    vv_ring_row found;
    check_ok(vv_ring_shape_make(10, 100, types, 3, &shape, NULL), NULL);
    assert_true(vv_ring_slot_put(&shape, page, 7, 50, &row));
    row = (vv_ring_row){.present = 2, .values = {0, 1}};
    assert_true(vv_ring_slot_put(&shape, page, 7, 50, &row));
    vv_ring_slot_get(&shape, page, 7, &found);
    assert_int_equal(found.present, 3);
    assert_int_equal(found.values[0], 5);
    assert_int_equal(found.values[1], 1);
    assert_false(vv_ring_slot_put(&shape, page, 7, 49, &row));
    assert_true(vv_ring_slot_put(&shape, page, 7, 51, &row));
    vv_ring_slot_get(&shape, page, 7, &found);
    assert_int_equal(found.present, 2);
    assert_int_equal(found.values[0], 0); /* nothing of the lap before is left */
    assert_int_equal(vv_ring_slot_lap(&shape, page, 7), 51);
    vv_ring_slot_clear(&shape, page, 7);
    assert_int_equal(vv_ring_slot_lap(&shape, page, 7), 0);
    for (size_t i = 0; i < sizeof page; i++) {
        assert_int_equal(page[i], 0);
    }
}

static void a_page_is_known_by_its_place_and_every_bit(void **state)
{
    (void)state;
    vv_ring_shape shape = make(10, 1000);
    uint8_t page[VV_RING_PAGE_BYTES] = {0};
    vv_ring_row row = {.present = 1, .values = {5}};
    vv_ring_place place;
    assert_true(vv_ring_place_of(&shape, 3500, &place));
    uint32_t slot = place.slot - shape.slots_per_page;
    assert_true(vv_ring_slot_put(&shape, page, slot, place.lap, &row));
    vv_ring_page_stamp(page, 11, 12);
    vv_ring_page_seal(page, 3, 1);
    check_ok(vv_ring_page_check(&shape, 3, 1, page, NULL), NULL);
    assert_int_equal(vv_ring_page_lsn(page), 11);
    assert_int_equal(vv_ring_page_sequence(page), 12);
    check_status(VARVE_E_CORRUPT, vv_ring_page_check(&shape, 3, 0, page, NULL));
    check_status(VARVE_E_CORRUPT, vv_ring_page_check(&shape, 2, 1, page, NULL));
    for (size_t i = 0; i < sizeof page; i++) {
        page[i] ^= (uint8_t)(1u << (i % 8));
        check_status(VARVE_E_CORRUPT, vv_ring_page_check(&shape, 3, 1, page, NULL));
        page[i] ^= (uint8_t)(1u << (i % 8));
    }
    memset(page, 0, sizeof page);
    check_status(VARVE_E_CORRUPT, vv_ring_page_check(&shape, 3, 1, page, NULL)); /* all zeros */
}

/* Bytes that are whole and make no sense. */
static void slots_that_no_write_makes_are_damage(void **state)
{
    (void)state;
    static const uint8_t types[] = {VARVE_TYPE_BOOL, VARVE_TYPE_BOOL};
    vv_ring_shape shape;
    uint8_t page[VV_RING_PAGE_BYTES] = {0};
    check_ok(vv_ring_shape_make(INT64_C(1) << 40, 100, types, 2, &shape, NULL), NULL);
    uint8_t *slot = page + VV_RING_PAGE_HEADER_BYTES;
    uint32_t lap = (uint32_t)(shape.lap_count / 2);
    memcpy(slot, &lap, sizeof lap);
    slot[4] = 1;
    slot[5] = 1;
    vv_ring_page_seal(page, 1, 0);
    check_ok(vv_ring_page_check(&shape, 1, 0, page, NULL), NULL);
    slot[5] = 2; /* no bool */
    vv_ring_page_seal(page, 1, 0);
    check_status(VARVE_E_CORRUPT, vv_ring_page_check(&shape, 1, 0, page, NULL));
    slot[5] = 0;
    slot[4] = 0; /* no field */
    vv_ring_page_seal(page, 1, 0);
    check_status(VARVE_E_CORRUPT, vv_ring_page_check(&shape, 1, 0, page, NULL));
    slot[4] = 4; /* a third field */
    vv_ring_page_seal(page, 1, 0);
    check_status(VARVE_E_CORRUPT, vv_ring_page_check(&shape, 1, 0, page, NULL));
    slot[4] = 1;
    lap = (uint32_t)shape.lap_count + 1;
    memcpy(slot, &lap, sizeof lap);
    vv_ring_page_seal(page, 1, 0);
    check_status(VARVE_E_CORRUPT, vv_ring_page_check(&shape, 1, 0, page, NULL));
    lap = 1; /* a time before any: the first lap begins in its middle */
    memcpy(slot, &lap, sizeof lap);
    vv_ring_page_seal(page, 1, 0);
    check_status(VARVE_E_CORRUPT, vv_ring_page_check(&shape, 1, 0, page, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slot_of_one_number_takes_twelve_bytes),
        cmocka_unit_test(every_time_is_found_again_at_the_start_of_its_window),
        cmocka_unit_test(slots_of_a_range_are_all_that_may_hold_it),
        cmocka_unit_test(a_later_lap_replaces_and_the_same_unites),
        cmocka_unit_test(a_page_is_known_by_its_place_and_every_bit),
        cmocka_unit_test(slots_that_no_write_makes_are_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
