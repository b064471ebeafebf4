/* SPDX-License-Identifier: Apache-2.0 */
/* Promises of model/retention_entry.h. */
#include <string.h>

#include "model/retention_entry.h"
#include "model/rows.h"
#include "support/check.h"

static vv_alloc retention_alloc;

static const vv_retention_entry samples[] = {
    {.metric = {"", 0}, .has_rule = true, .is_enforced = true, .window = 1, .recorded = INT64_MIN},
    {.metric = {"cpu", 3}, .has_rule = true, .window = INT64_MAX, .hot_window = 7, .recorded = -5},
    {.metric = {"disk", 4}, .recorded = INT64_MAX},
    {.metric = {"mem", 3}, .recorded = INT64_MIN},
    {.metric = {"net", 3},
     .has_rule = true,
     .is_enforced = true,
     .window = 0,
     .hot_window = INT64_MAX,
     .recorded = INT64_MIN + 1},
};

static void an_entry_comes_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        vv_buf buf;
        vv_retention_entry read;
        vv_buf_init(&buf, &retention_alloc, SIZE_MAX);
        vv_retention_entry_encode(&samples[i], &buf);
        check_ok(vv_buf_check(&buf, NULL), NULL);
        vv_reader reader = vv_reader_of(buf.data, buf.size);
        vv_retention_entry_decode(&reader, &read);
        assert_true(vv_reader_is_done(&reader));
        assert_int_equal(read.metric.size, samples[i].metric.size);
        assert_memory_equal(read.metric.data, samples[i].metric.data, read.metric.size);
        assert_int_equal(read.has_rule, samples[i].has_rule);
        assert_int_equal(read.is_enforced, samples[i].is_enforced);
        assert_true(read.window == samples[i].window && read.recorded == samples[i].recorded);
        assert_true(read.hot_window == samples[i].hot_window);
        for (size_t size = 0; size < buf.size; size++) {
            reader = vv_reader_of(buf.data, size);
            vv_retention_entry_decode(&reader, &read);
            assert_true(vv_reader_is_bad(&reader));
        }
        vv_buf_deinit(&buf);
    }
}

static bool is_bad(const char *bytes, size_t size)
{
    vv_retention_entry entry;
    vv_reader reader = vv_reader_of((const uint8_t *)bytes, size);
    vv_retention_entry_decode(&reader, &entry);
    return vv_reader_is_bad(&reader);
}

static void entries_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    assert_false(is_bad("\x01m\x00", 3));
    assert_true(is_bad("\x01m\x08", 3));      /* an unknown flag */
    assert_true(is_bad("\x01m\x02", 3));      /* enforced without a rule */
    assert_true(is_bad("\x06varve.\x00", 8)); /* an internal metric */
    assert_false(is_bad("\x05varve\x00", 7)); /* which this is not */
    assert_true(is_bad("\x01m\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", 14)); /* 2^64 - 1 */
    assert_true(is_bad("\x01m\x04\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 13)); /* no cut, said */
    static char name[VV_METRIC_BYTES_MAX + 8];
    memset(name, 'm', sizeof name);
    memcpy(name, "\xff\xff\x03", 3); /* 65,535: the longest */
    name[3 + VV_METRIC_BYTES_MAX] = 0;
    assert_false(is_bad(name, 3 + VV_METRIC_BYTES_MAX + 1));
    memcpy(name, "\x80\x80\x04", 3);
    name[4 + VV_METRIC_BYTES_MAX] = 0;
    assert_true(is_bad(name, 4 + VV_METRIC_BYTES_MAX + 1));
}

static void cuts_never_fall_and_leave_the_rule(void **state)
{
    (void)state;
    vv_retention_entry entry = {.has_rule = true, .window = 5, .recorded = 10};
    vv_retention_entry later = {.is_enforced = false, .recorded = 7};
    vv_retention_entry_apply(&entry, &later, false);
    assert_true(entry.has_rule && entry.window == 5 && entry.recorded == 10);
    later.recorded = 11;
    vv_retention_entry_apply(&entry, &later, false);
    assert_true(entry.has_rule && entry.recorded == 11);
    later = (vv_retention_entry){.has_rule = true, .is_enforced = true, .window = 9, .recorded = 3};
    vv_retention_entry_apply(&entry, &later, true);
    assert_true(entry.is_enforced && entry.window == 9 && entry.recorded == 11);
}

int main(void)
{
    vv_alloc_init(&retention_alloc, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_comes_back),
        cmocka_unit_test(entries_that_make_no_sense_are_refused),
        cmocka_unit_test(cuts_never_fall_and_leave_the_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
