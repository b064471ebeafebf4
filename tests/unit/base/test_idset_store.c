/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/bitmap.h"
#include "support/check.h"
#include "support/failing_alloc.h"
#include "support/random_ids.h"

static vv_alloc alloc;
static vv_buf buf;
static uint32_t list[RANDOM_IDS_MAX];

static int setup(void **state)
{
    (void)state;
    vv_alloc_init(&alloc, NULL);
    vv_buf_init(&buf, &alloc, SIZE_MAX);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vv_buf_deinit(&buf);
    return vv_alloc_bytes(&alloc) == 0 ? 0 : -1;
}

static varve_status read_set(const void *bytes, size_t size, vv_idset *out_set, size_t *out_used)
{
    vv_reader reader = vv_reader_of(bytes, size);
    varve_status status = vv_idset_read(&reader, UINT32_MAX, &alloc, out_set, NULL);
    *out_used = vv_reader_position(&reader);
    assert_int_equal(vv_reader_is_bad(&reader), status == VARVE_E_CORRUPT);
    return status;
}

static void sets_of_every_shape_round_trip(void **state)
{
    (void)state;
    print_message("seed 28\n");
    static random_ids twin;
    vv_random random;
    vv_random_init(&random, 28);
    for (int round = 0; round < 60; round++) {
        random_ids_fill(&twin, &random);
        size_t count = random_ids_list(&twin, list);
        vv_idset set;
        vv_idset back;
        size_t used;
        check_ok(vv_idset_from_sorted(list, count, &alloc, &set), NULL);
        vv_buf_reset(&buf);
        check_ok(vv_idset_write(&set, &buf), NULL);
        size_t size = buf.size;
        check_ok(vv_buf_append(&buf, "xyz", 3), NULL); /* what follows is left alone */
        check_ok(read_set(buf.data, buf.size, &back, &used), NULL);
        assert_int_equal(used, size);
        assert_true(vv_idset_equal(&set, &back));
        vv_idset_deinit(&set, &alloc);
        vv_idset_deinit(&back, &alloc);
    }
}

static void the_bytes_are_as_documented(void **state)
{
    (void)state;
    const uint32_t ids[] = {3, 4, 300};
    vv_idset set;
    check_ok(vv_idset_from_sorted(ids, 3, &alloc, &set), NULL);
    check_ok(vv_idset_write(&set, &buf), NULL);
    assert_int_equal(buf.size, 5);
    assert_memory_equal(buf.data, "\x03\x03\x00\xA7\x02", 5);
    vv_idset_deinit(&set, &alloc);
    vv_buf_reset(&buf);
    check_ok(vv_idset_from_range(0x1FFF0, 0x20050, &alloc, &set), NULL);
    check_ok(vv_idset_write(&set, &buf), NULL);
    assert_int_equal(buf.size, 2 + 4 + 32 + 4 + 160);
    assert_memory_equal(buf.data, "\x60\x02\x01\x00\x0F\x00\xF0\xFF\xF1\xFF", 10);
    assert_memory_equal(buf.data + 38, "\x02\x00\x4F\x00\x00\x00\x01\x00", 8);
    vv_idset_deinit(&set, &alloc);
    vv_buf_reset(&buf);
    vv_idset_init(&set);
    check_ok(vv_idset_write(&set, &buf), NULL);
    assert_int_equal(buf.size, 1);
    assert_int_equal(buf.data[0], 0);
}

static void containers_of_one_id_fill_the_bytes_exactly(void **state)
{
    (void)state;
    vv_idset set;
    vv_idset back;
    size_t used;
    for (uint32_t key = 0; key < 65; key++) {
        list[key] = key << 16 | key;
    }
    check_ok(vv_idset_from_sorted(list, 65, &alloc, &set), NULL);
    check_ok(vv_idset_write(&set, &buf), NULL);
    assert_int_equal(buf.size, 2 + 65 * 6); /* the least a container takes */
    check_ok(read_set(buf.data, buf.size, &back, &used), NULL);
    assert_true(vv_idset_equal(&set, &back));
    vv_idset_deinit(&set, &alloc);
    vv_idset_deinit(&back, &alloc);
}

/* D4 */
static void equal_sets_give_equal_bytes_whatever_their_history(void **state)
{
    (void)state;
    failing_alloc source;
    failing_alloc_init(&source);
    varve_allocator functions = failing_alloc_source(&source);
    vv_alloc failing;
    vv_alloc_init(&failing, &functions);
    vv_buf grown_bytes;
    vv_buf_init(&grown_bytes, &alloc, SIZE_MAX);
    const uint32_t ends[] = {1, 2, 3, 30, 64, 65, 1000, 4096, 4097};
    for (size_t row = 0; row < VV_ARRAY_COUNT(ends); row++) {
        vv_idset grown;
        vv_idset built;
        failing_alloc_plan(&source, 0, false);
        check_ok(vv_idset_from_range(0, 5000, &failing, &grown), NULL);
        failing_alloc_plan(&source, 1, false); /* no smaller form can be had: D3 */
        for (uint32_t id = ends[row]; id < 5000; id++) {
            assert_true(vv_idset_remove(&grown, &failing, id));
        }
        check_ok(vv_idset_from_range(0, ends[row], &alloc, &built), NULL);
        vv_buf_reset(&buf);
        vv_buf_reset(&grown_bytes);
        check_ok(vv_idset_write(&built, &buf), NULL);
        check_ok(vv_idset_write(&grown, &grown_bytes), NULL);
        assert_true(vv_bytes_equal(vv_buf_bytes(&buf), vv_buf_bytes(&grown_bytes)));
        vv_idset_deinit(&built, &alloc);
        vv_idset_deinit(&grown, &failing);
    }
    vv_buf_deinit(&grown_bytes);
}

static void check_damaged(const char *bytes, size_t size)
{
    vv_idset set;
    size_t used;
    check_status(VARVE_E_CORRUPT, read_set(bytes, size, &set, &used));
    assert_int_equal(vv_idset_count(&set), 0);
    assert_int_equal(vv_idset_bytes(&set), 0);
}

static void damaged_small_sets_are_refused(void **state)
{
    (void)state;
    check_damaged("", 0);
    check_damaged("\x02\x01", 2);                     /* an id is missing */
    check_damaged("\x80\x00", 2);                     /* not the shortest form */
    check_damaged("\x01\x81\x00", 3);                 /* not the shortest form */
    check_damaged("\x01\xFF\xFF\xFF\xFF\x0F", 6);     /* UINT32_MAX is no id */
    check_damaged("\x02\xFE\xFF\xFF\xFF\x0F\x00", 7); /* the second is above the most */
    check_damaged("\x02\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 12);
    check_damaged("\x80\x80\x80\x80\x10", 5); /* a count of 2^32 */
    vv_idset set;
    size_t used;
    check_ok(read_set("\x01\xFE\xFF\xFF\xFF\x0F", 6, &set, &used), NULL);
    assert_true(vv_idset_contains(&set, VV_IDSET_ID_MAX));
    vv_idset_deinit(&set, &alloc);
}

/* Writes the set of [begin, end) to buf. */
static void write_range(uint32_t begin, uint32_t end)
{
    vv_idset set;
    check_ok(vv_idset_from_range(begin, end, &alloc, &set), NULL);
    vv_buf_reset(&buf);
    check_ok(vv_idset_write(&set, &buf), NULL);
    vv_idset_deinit(&set, &alloc);
}

static void check_change_refused(size_t offset, uint8_t byte)
{
    uint8_t before = buf.data[offset];
    buf.data[offset] = byte;
    vv_idset set;
    size_t used;
    if (read_set(buf.data, buf.size, &set, &used) != VARVE_E_CORRUPT) {
        fail_msg("byte %zu changed to %u", offset, byte);
    }
    buf.data[offset] = before;
}

static void damaged_large_sets_are_refused(void **state)
{
    (void)state;
    write_range(0x1FFF0, 0x20050);  /* two arrays of 16 and 80 items */
    check_change_refused(0, 0x5F);  /* count */
    check_change_refused(1, 0);     /* no containers */
    check_change_refused(1, 1);     /* too few */
    check_change_refused(1, 3);     /* too many */
    check_change_refused(2, 2);     /* key not below the next */
    check_change_refused(4, 0x10);  /* count of the first container */
    check_change_refused(8, 0xF0);  /* items not ascending */
    check_change_refused(41, 0xFF); /* a bitmap that is not there */
    for (size_t size = 0; size < buf.size; size++) {
        vv_idset set;
        size_t used;
        check_status(VARVE_E_CORRUPT, read_set(buf.data, size, &set, &used));
    }
    write_range(0, 65536); /* one bitmap */
    check_change_refused(buf.size - 1, 0x7F);
    check_change_refused(7, 0x7F);                 /* its count */
    write_range(VV_IDSET_ID_MAX - 99, UINT32_MAX); /* 100 ids, the last is the greatest */
    vv_idset set;
    size_t used;
    check_ok(read_set(buf.data, buf.size, &set, &used), NULL);
    vv_idset_deinit(&set, &alloc);
    check_change_refused(buf.size - 2, 0xFF); /* the last becomes UINT32_MAX */
}

static void a_huge_container_count_allocates_nothing(void **state)
{
    (void)state;
    vv_alloc small;
    vv_alloc_init_limited(&small, NULL, 100);
    const char bytes[] = "\xFF\xFF\xFF\x0F\x80\x80\x04\x00\x00\x00\x00";
    vv_reader reader = vv_reader_of(bytes, sizeof bytes - 1);
    vv_idset set;
    check_status(VARVE_E_CORRUPT, vv_idset_read(&reader, UINT32_MAX, &small, &set, NULL));
}

static void the_limit_of_ids_holds(void **state)
{
    (void)state;
    const uint32_t counts[] = {1, 64, 65, 5000};
    for (size_t row = 0; row < VV_ARRAY_COUNT(counts); row++) {
        write_range(0, counts[row]);
        vv_idset set;
        varve_error err;
        vv_reader reader = vv_reader_of(buf.data, buf.size);
        check_status(VARVE_E_LIMIT, vv_idset_read(&reader, counts[row] - 1, &alloc, &set, &err));
        assert_non_null(strstr(err.message, "limit"));
        reader = vv_reader_of(buf.data, buf.size);
        check_ok(vv_idset_read(&reader, counts[row], &alloc, &set, &err), &err);
        vv_idset_deinit(&set, &alloc);
    }
}

static void each_failing_allocation_leaves_nothing(void **state)
{
    (void)state;
    failing_alloc source;
    failing_alloc_init(&source);
    varve_allocator functions = failing_alloc_source(&source);
    vv_alloc failing;
    vv_alloc_init(&failing, &functions);
    const uint32_t ends[] = {10, 100, 200000};
    for (size_t row = 0; row < VV_ARRAY_COUNT(ends); row++) {
        write_range(0, ends[row]);
        varve_status status = VARVE_E_NOMEM;
        for (uint64_t number = 1; status != VARVE_OK; number++) {
            failing_alloc_plan(&source, number, false);
            vv_reader reader = vv_reader_of(buf.data, buf.size);
            vv_idset set;
            status = vv_idset_read(&reader, UINT32_MAX, &failing, &set, NULL);
            check_status(status == VARVE_OK ? VARVE_OK : VARVE_E_NOMEM, status);
            vv_idset_deinit(&set, &failing);
            assert_int_equal(vv_alloc_bytes(&failing), 0);
        }
    }
}

static void a_full_buffer_is_reported(void **state)
{
    (void)state;
    vv_buf small;
    vv_idset set;
    check_ok(vv_idset_from_range(0, 10000, &alloc, &set), NULL);
    vv_buf_init(&small, &alloc, 100);
    check_status(VARVE_E_LIMIT, vv_idset_write(&set, &small));
    vv_buf_deinit(&small);
    vv_idset_deinit(&set, &alloc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sets_of_every_shape_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(the_bytes_are_as_documented, setup, teardown),
        cmocka_unit_test_setup_teardown(containers_of_one_id_fill_the_bytes_exactly, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(equal_sets_give_equal_bytes_whatever_their_history, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(damaged_small_sets_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_large_sets_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_huge_container_count_allocates_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(the_limit_of_ids_holds, setup, teardown),
        cmocka_unit_test_setup_teardown(each_failing_allocation_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_buffer_is_reported, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
