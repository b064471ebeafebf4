/* SPDX-License-Identifier: Apache-2.0 */
#include "index/table.h"

#include "support/check.h"
#include "support/failing_alloc.h"

static void each_index_has_a_place_of_its_own(void **state)
{
    (void)state;
    uint32_t last_chunk = 0;
    uint64_t next_offset = 0;
    for (uint32_t index = 0; index < 200000; index++) {
        uint64_t offset;
        uint32_t chunk = vv_table_chunk(index, &offset);
        if (chunk != last_chunk) {
            assert_int_equal(chunk, last_chunk + 1);
            assert_int_equal(next_offset, (uint64_t)8 << (last_chunk / 8));
            last_chunk = chunk;
            next_offset = 0;
        }
        assert_int_equal(offset, next_offset);
        next_offset++;
    }
    uint64_t offset;
    assert_true(vv_table_chunk(UINT32_MAX, &offset) < VV_TABLE_CHUNK_COUNT);
}

static void items_stay_where_they_are(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_table table;
    vv_table_init(&table, &alloc, sizeof(uint64_t));
    uint64_t *places[3000];
    for (uint32_t index = 0; index < 3000; index++) {
        assert_int_equal(vv_table_reserve(&table, index), VARVE_OK);
        places[index] = VV_TABLE_AT(&table, uint64_t, index);
        assert_int_equal(*places[index], 0);
        *places[index] = index;
    }
    for (uint32_t index = 0; index < 3000; index++) {
        assert_ptr_equal(places[index], VV_TABLE_AT(&table, uint64_t, index));
        assert_int_equal(*places[index], index);
    }
    /* An eighth of the last doubling is the most that is unused. */
    assert_true(vv_alloc_bytes(&alloc) <= 3000 * sizeof(uint64_t) * 9 / 8);
    vv_table_deinit(&table);
    assert_int_equal(vv_alloc_bytes(&alloc), 0);
}

static void a_failed_reserve_changes_nothing(void **state)
{
    (void)state;
    failing_alloc failing;
    failing_alloc_init(&failing);
    failing_alloc_plan(&failing, 1, true);
    varve_allocator source = failing_alloc_source(&failing);
    vv_alloc alloc;
    vv_alloc_init(&alloc, &source);
    vv_table table;
    vv_table_init(&table, &alloc, 16);
    assert_int_equal(vv_table_reserve(&table, 0), VARVE_E_NOMEM);
    assert_int_equal(vv_table_reserve(&table, 0), VARVE_OK);
    vv_table_deinit(&table);
    assert_int_equal(failing.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_index_has_a_place_of_its_own),
        cmocka_unit_test(items_stay_where_they_are),
        cmocka_unit_test(a_failed_reserve_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
