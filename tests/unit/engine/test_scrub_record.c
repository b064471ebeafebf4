/* SPDX-License-Identifier: Apache-2.0 */
/* The stored form of what a scrub found: docs/formats/manifest.md, section 13. */
#include "support/check.h"

#include <string.h>

#include "base/alloc.h"
#include "engine/scrub_record.h"

static vv_alloc alloc;

static void write_record(const vv_scrub_record *record, vv_buf *out)
{
    varve_error err;
    vv_alloc_init(&alloc, NULL);
    vv_buf_init(out, &alloc, SIZE_MAX);
    check_ok(vv_scrub_record_write(record, out, &err), &err);
}

static void make_record(vv_scrub_record *record, size_t bad)
{
    memset(record, 0, sizeof *record);
    record->exists = true;
    record->completed_ns = INT64_MIN;
    record->files = UINT64_MAX;
    record->blocks = 2;
    record->bytes = 3;
    record->damaged_files = 4;
    record->damaged_places = bad + 1;
    record->bad_count = bad;
    for (size_t i = 0; i < bad; i++) {
        record->bad[i] = (vv_scrub_bad){.file_id = UINT64_MAX - i,
                                        .block = i % 2 == 0 ? UINT64_MAX : i,
                                        .offset = i,
                                        .bytes = UINT64_MAX};
    }
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, VV_SCRUB_BAD_MAX};
    for (size_t i = 0; i < VV_ARRAY_COUNT(counts); i++) {
        static vv_scrub_record record;
        static vv_scrub_record read;
        vv_buf stored;
        varve_error err;
        make_record(&record, counts[i]);
        write_record(&record, &stored);
        check_ok(vv_scrub_record_read(vv_buf_bytes(&stored), &read, &err), &err);
        assert_memory_equal(&record, &read, sizeof record);
        vv_buf_deinit(&stored);
    }
}

static void no_bytes_are_no_record(void **state)
{
    (void)state;
    static vv_scrub_record read;
    varve_error err;
    make_record(&read, 3);
    check_ok(vv_scrub_record_read((vv_bytes){0}, &read, &err), &err);
    assert_false(read.exists);
    assert_int_equal(read.bad_count, 0);
}

static void every_other_length_is_refused(void **state)
{
    (void)state;
    static vv_scrub_record record;
    static vv_scrub_record read;
    vv_buf stored;
    varve_error err;
    make_record(&record, 5);
    write_record(&record, &stored);
    for (size_t size = 1; size < stored.size; size++) {
        check_status(VARVE_E_CORRUPT,
                     vv_scrub_record_read(vv_bytes_make(stored.data, size), &read, &err));
        assert_false(read.exists);
    }
    check_ok(vv_buf_append_u8(&stored, 0) == VARVE_OK ? VARVE_OK : VARVE_E_NOMEM, NULL);
    check_status(VARVE_E_CORRUPT, vv_scrub_record_read(vv_buf_bytes(&stored), &read, &err));
    vv_buf_deinit(&stored);
}

/* The limit, from its other side. */
static void a_longer_list_is_refused(void **state)
{
    (void)state;
    static vv_scrub_record read;
    vv_buf stored;
    varve_error err;
    vv_alloc_init(&alloc, NULL);
    vv_buf_init(&stored, &alloc, SIZE_MAX);
    for (int i = 0; i < 6; i++) {
        (void)vv_buf_append_varint(&stored, 0);
    }
    (void)vv_buf_append_varint(&stored, VV_SCRUB_BAD_MAX + 1);
    for (int i = 0; i < 4 * (VV_SCRUB_BAD_MAX + 1); i++) {
        (void)vv_buf_append_varint(&stored, 1);
    }
    check_ok(vv_buf_check(&stored, &err), &err);
    check_status(VARVE_E_CORRUPT, vv_scrub_record_read(vv_buf_bytes(&stored), &read, &err));
    vv_buf_deinit(&stored);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(no_bytes_are_no_record),
        cmocka_unit_test(every_other_length_is_refused),
        cmocka_unit_test(a_longer_list_is_refused),
    };
    return cmocka_run_group_tests_name("scrub_record", tests, NULL, NULL);
}
