/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Promises of engine/tombstone.c. tests/compat/tombstones_v1.vtb never changes; it was written by
 *
 *     VARVE_WRITE_GOLDEN=tests/compat/tombstones_v1.vtb build-debug/tests/test-engine-tombstone
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/row_list.h"
#include "engine/tombstone.h"
#include "index/catalogue.h"
#include "support/check.h"
#include "support/failing_alloc.h"
#include "sys/vfs_fault.h"
#include "sys/vfs_memory.h"

#define GOLDEN VARVE_TESTS_DIR "/compat/tombstones_v1.vtb"
#define PATH   "db/del/00000000000000000005.vtb"

enum { COUNT = 3, ALL = COUNT + 1 /* the last one is a list of rows */ };

/* As much of a database as tombstones need. */
typedef struct fixture {
    failing_alloc source;
    varve_db db;
    vv_vfs *vfs;
    vv_tombstone *tombstones[ALL];
} fixture;

static char db_path[] = "db";
static const struct {
    uint64_t sequence;
    varve_range range;
    const char *selector;
} deletes[COUNT] = {
    {10, {-5, 100}, "cpu{host=~\"a.*\"}"},
    {10, {INT64_MIN, INT64_MAX}, "{zone!=\"x\"}"},
    {UINT64_MAX, {7, 8}, "cpu{host=\"b\"}"},
};

static vv_selection *compile(fixture *f, const char *text)
{
    varve_error err;
    vv_selection *selection;
    varve_selection wanted = {.kind = VARVE_SELECT_TEXT, .text = vv_text_from_string(text)};
    check_ok(vv_selection_compile(&wanted, 1, false, &f->db.alloc, &selection, &err), &err);
    return selection;
}

static uint32_t resolve(fixture *f, const char *metric, const char *host)
{
    varve_error err;
    uint32_t series;
    varve_label label = {VARVE_STR("host"), vv_text_from_string(host)};
    check_ok(vv_catalogue_resolve(f->db.catalogue, vv_text_from_string(metric), &label, 1, false,
                                  &series, &err),
             &err);
    return series;
}

/* In no order, and one address twice. */
static vv_tombstone *list_rows(fixture *f)
{
    varve_error err;
    vv_tombstone *list;
    uint32_t a = resolve(f, "cpu", "a1");
    uint32_t b = resolve(f, "cpu", "b");
    const vv_row_hide rows[] = {
        {.row = {b, 7, 3}, .sequence = 90},   {.row = {a, INT64_MAX, 5}, .sequence = 100},
        {.row = {a, -4, 70}, .sequence = 91}, {.row = {b, 7, 3}, .sequence = 95},
        {.row = {a, -4, 8}, .sequence = 92},  {.row = {a, INT64_MIN, 1}, .sequence = 2},
    };
    check_ok(vv_row_list_create(&f->db, rows, VV_ARRAY_COUNT(rows), &list, &err), &err);
    return list;
}

static int setup(void **state)
{
    varve_error err;
    fixture *f = calloc(1, sizeof *f);
    failing_alloc_init(&f->source);
    varve_allocator source = failing_alloc_source(&f->source);
    vv_alloc_init(&f->db.alloc, &source);
    vv_env_init_system(&f->db.env, &f->db.alloc);
    f->db.path = db_path;
    check_ok(vv_vfs_memory_create(&f->db.alloc, &f->vfs, &err), &err);
    f->db.env.vfs = f->vfs;
    check_ok(vv_vfs_mkdir(f->vfs, "db", &err), &err);
    check_ok(vv_vfs_mkdir(f->vfs, "db/tmp", &err), &err);
    check_ok(vv_vfs_mkdir(f->vfs, "db/del", &err), &err);
    check_ok(vv_catalogue_create(&f->db.alloc, 1, 0, &f->db.catalogue, &err), &err);
    (void)resolve(f, "cpu", "a1");
    (void)resolve(f, "cpu", "b");
    (void)resolve(f, "mem", "a1");
    for (size_t i = 0; i < COUNT; i++) {
        check_ok(vv_tombstone_create(&f->db, deletes[i].sequence, deletes[i].range,
                                     compile(f, deletes[i].selector), &f->tombstones[i], &err),
                 &err);
    }
    f->tombstones[COUNT] = list_rows(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    for (size_t i = 0; i < ALL; i++) {
        vv_tombstone_unref(&f->db, f->tombstones[i]);
    }
    vv_catalogue_free(f->db.catalogue);
    vv_vfs_memory_free(f->vfs);
    assert_int_equal(vv_alloc_bytes(&f->db.alloc), 0);
    free(f);
    return 0;
}

static void write_file(fixture *f)
{
    varve_error err;
    check_ok(vv_tombstone_file_write(&f->db, 5, f->tombstones, ALL, &err), &err);
}

static varve_status read_file(fixture *f, vv_vec *found, varve_error *err)
{
    vv_vec_init(found, &f->db.alloc, sizeof(vv_tombstone *), SIZE_MAX);
    return vv_tombstone_file_read(&f->db, 5, found, err);
}

static void forget(fixture *f, vv_vec *found)
{
    for (size_t i = 0; i < found->count; i++) {
        vv_tombstone_unref(&f->db, *VV_VEC_AT(found, vv_tombstone *, i));
    }
    vv_vec_deinit(found);
}

static void check_same(fixture *f, const vv_vec *found)
{
    assert_int_equal(found->count, ALL);
    const vv_tombstone *list = *VV_VEC_AT(found, vv_tombstone *, COUNT);
    const vv_tombstone *given = f->tombstones[COUNT];
    assert_true(vv_tombstone_is_of_rows(list) && list->file_id == 5);
    assert_int_equal(list->row_count, 5);
    assert_true(list->sequence == 100 && list->range.start == INT64_MIN &&
                list->range.end == INT64_MAX);
    for (size_t i = 0; i < list->row_count; i++) {
        assert_true(vv_row_address_compare(&list->rows[i].row, &given->rows[i].row) == 0);
        assert_true(list->rows[i].sequence == given->rows[i].sequence);
        assert_true(i == 0 ||
                    vv_row_address_compare(&list->rows[i - 1].row, &list->rows[i].row) < 0);
    }
    for (size_t i = 0; i < COUNT; i++) {
        const vv_tombstone *tombstone = *VV_VEC_AT(found, vv_tombstone *, i);
        assert_true(tombstone->sequence == deletes[i].sequence);
        assert_true(tombstone->range.start == deletes[i].range.start);
        assert_true(tombstone->range.end == deletes[i].range.end);
        assert_int_equal(tombstone->file_id, 5);
        assert_true(vv_idset_equal(&tombstone->series, &f->tombstones[i]->series));
    }
}

static void a_tombstone_knows_its_series(void **state)
{
    fixture *f = *state;
    assert_int_equal(vv_idset_count(&f->tombstones[0]->series), 1);
    assert_true(vv_idset_contains(&f->tombstones[0]->series, resolve(f, "cpu", "a1")));
    assert_int_equal(vv_idset_count(&f->tombstones[1]->series), 3);
    assert_true(vv_idset_contains(&f->tombstones[2]->series, resolve(f, "cpu", "b")));
    assert_int_equal(f->tombstones[0]->file_id, 0);
}

static void tombstones_come_back(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_vec found;
    write_file(f);
    check_ok(read_file(f, &found, &err), &err);
    check_same(f, &found);
    forget(f, &found);
}

static void series_that_came_later_are_found_when_read(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_vec found;
    write_file(f);
    uint32_t later = resolve(f, "cpu", "a2");
    check_ok(read_file(f, &found, &err), &err);
    assert_true(vv_idset_contains(&(*VV_VEC_AT(&found, vv_tombstone *, 0))->series, later));
    forget(f, &found);
}

static void of_an_address_the_greatest_sequence_counts(void **state)
{
    fixture *f = *state;
    const vv_tombstone *list = f->tombstones[COUNT];
    size_t begin;
    size_t end;
    vv_row_list_find(list, resolve(f, "cpu", "b"), &begin, &end);
    assert_int_equal(end - begin, 1);
    assert_true(list->rows[begin].sequence == 95);
    vv_row_list_find(list, resolve(f, "mem", "a1"), &begin, &end);
    assert_int_equal(begin, end);
    vv_row_list_find(list, UINT32_MAX, &begin, &end);
    assert_int_equal(begin, end);
}

static void rows_of_unknown_series_are_left_out(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_vec found;
    write_file(f);
    vv_catalogue_free(f->db.catalogue);
    check_ok(vv_catalogue_create(&f->db.alloc, 1, 0, &f->db.catalogue, &err), &err);
    check_ok(read_file(f, &found, &err), &err);
    assert_int_equal(found.count, ALL);
    const vv_tombstone *list = *VV_VEC_AT(&found, vv_tombstone *, COUNT);
    assert_int_equal(list->row_count, 0); /* there for its file to be dropped with it */
    assert_true(list->sequence == 100 && list->file_id == 5);
    /* A snapshot writes such a list again. */
    vv_tombstone *empty = *VV_VEC_AT(&found, vv_tombstone *, COUNT);
    vv_vec again;
    vv_vec_init(&again, &f->db.alloc, sizeof(vv_tombstone *), SIZE_MAX);
    check_ok(vv_tombstone_file_write(&f->db, 6, &empty, 1, &err), &err);
    check_ok(vv_tombstone_file_read(&f->db, 6, &again, &err), &err);
    assert_int_equal(again.count, 1);
    list = *VV_VEC_AT(&again, vv_tombstone *, 0);
    assert_true(list->row_count == 0 && list->sequence == 100 && list->file_id == 6);
    forget(f, &again);
    forget(f, &found);
    (void)resolve(f, "cpu", "b");
    check_ok(read_file(f, &found, &err), &err);
    list = *VV_VEC_AT(&found, vv_tombstone *, COUNT);
    assert_int_equal(list->row_count, 1);
    assert_int_equal(list->rows[0].row.row_id, 3);
    forget(f, &found);
}

static void a_row_id_lies_below_its_sequence(void **state)
{
    fixture *f = *state;
    for (uint64_t row_id = 98; row_id < 102; row_id++) {
        varve_error err;
        vv_vec found;
        vv_tombstone *list;
        vv_row_hide row = {.row = {resolve(f, "cpu", "b"), 7, row_id}, .sequence = 100};
        check_ok(vv_row_list_create(&f->db, &row, 1, &list, &err), &err);
        check_ok(vv_tombstone_file_write(&f->db, 5, &list, 1, &err), &err);
        check_status(row_id < 100 ? VARVE_OK : VARVE_E_CORRUPT, read_file(f, &found, &err));
        forget(f, &found);
        vv_tombstone_unref(&f->db, list);
    }
}

static void a_flip_of_any_byte_and_any_truncation_are_found(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_vec found;
    void *bytes;
    size_t size;
    vv_file *file;
    write_file(f);
    check_ok(vv_vfs_read_file(f->vfs, &f->db.alloc, PATH, 1 << 20, &bytes, &size, &err), &err);
    check_ok(vv_file_open(f->vfs, &f->db.alloc, PATH, VV_OPEN_WRITE, &file, &err), &err);
    for (size_t at = 0; at < size; at++) {
        uint8_t flipped = (uint8_t)(((const uint8_t *)bytes)[at] ^ (1u << (at % 8)));
        check_ok(vv_file_write_all(file, (int64_t)at, &flipped, 1, &err), &err);
        check_status(VARVE_E_CORRUPT, read_file(f, &found, &err));
        assert_non_null(strstr(err.message, PATH));
        assert_int_equal(found.count, 0);
        forget(f, &found);
        check_ok(vv_file_write_all(file, (int64_t)at, (const uint8_t *)bytes + at, 1, &err), &err);
    }
    for (size_t left = size; left-- > 0;) {
        check_ok(vv_file_truncate(file, (int64_t)left, &err), &err);
        check_status(VARVE_E_CORRUPT, read_file(f, &found, &err));
        forget(f, &found);
    }
    check_ok(vv_file_close(file, &err), &err);
    vv_alloc_free(&f->db.alloc, bytes, size);
}

static void a_missing_file_is_not_found(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_vec found;
    check_status(VARVE_E_NOT_FOUND, read_file(f, &found, &err));
    forget(f, &found);
}

static void each_failed_allocation_is_clean(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_vec found;
    write_file(f);
    size_t bytes = vv_alloc_bytes(&f->db.alloc);
    for (uint64_t n = 1;; n++) {
        failing_alloc_plan(&f->source, n, true);
        varve_status status = read_file(f, &found, &err);
        bool is_done = atomic_load(&f->source.failures) == 0;
        failing_alloc_plan(&f->source, 0, false);
        forget(f, &found);
        assert_int_equal(vv_alloc_bytes(&f->db.alloc), bytes);
        if (is_done) {
            check_ok(status, &err);
            assert_true(n > 3);
            break;
        }
        check_status(VARVE_E_NOMEM, status);
    }
}

static void each_failed_call_leaves_no_file(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_fault *fault;
    check_ok(vv_fault_create(&f->db.alloc, f->vfs, &fault, &err), &err);
    f->db.env.vfs = vv_fault_vfs(fault);
    for (uint64_t n = 1;; n++) {
        vv_fault_clear(fault);
        size_t rule = vv_fault_add(
            fault, &(vv_fault_rule){
                       .first_call = n, .call_count = 1, .kind = VV_FAULT_ERRNO, .os_errno = 5});
        varve_status status = vv_tombstone_file_write(&f->db, 5, f->tombstones, ALL, &err);
        bool is_done = vv_fault_fired(fault, rule) == 0;
        bool exists;
        vv_fault_clear(fault);
        check_ok(vv_vfs_exists(f->vfs, "db/tmp/00000000000000000005.part", &exists, &err), &err);
        assert_false(exists);
        if (is_done) {
            check_ok(status, &err);
            break;
        }
        check_status(VARVE_E_IO, status);
    }
    f->db.env.vfs = f->vfs;
    vv_fault_free(fault);
}

static void write_golden(fixture *f, const char *target)
{
    varve_error err;
    void *data;
    size_t size;
    write_file(f);
    check_ok(vv_vfs_read_file(f->vfs, &f->db.alloc, PATH, 8192, &data, &size, &err), &err);
    FILE *file = fopen(target, "wbx");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    vv_alloc_free(&f->db.alloc, data, size);
}

static void an_old_file_is_read_and_written_again(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_vec found;
    void *old;
    void *new;
    size_t old_size;
    size_t new_size;
    vv_file *file;
    const char *target = getenv("VARVE_WRITE_GOLDEN");
    if (target != NULL) {
        write_golden(f, target);
    }
    write_file(f);
    check_ok(vv_vfs_read_file(vv_vfs_system(), &f->db.alloc, GOLDEN, 8192, &old, &old_size, &err),
             &err);
    check_ok(vv_vfs_read_file(f->vfs, &f->db.alloc, PATH, 8192, &new, &new_size, &err), &err);
    assert_int_equal(old_size, new_size);
    assert_memory_equal(old, new, old_size);
    check_ok(vv_file_open(f->vfs, &f->db.alloc, PATH, VV_OPEN_WRITE, &file, &err), &err);
    check_ok(vv_file_write_all(file, 0, old, old_size, &err), &err);
    check_ok(vv_file_close(file, &err), &err);
    check_ok(read_file(f, &found, &err), &err);
    check_same(f, &found);
    forget(f, &found);
    vv_alloc_free(&f->db.alloc, old, old_size);
    vv_alloc_free(&f->db.alloc, new, new_size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_tombstone_knows_its_series, setup, teardown),
        cmocka_unit_test_setup_teardown(tombstones_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(series_that_came_later_are_found_when_read, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(of_an_address_the_greatest_sequence_counts, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(rows_of_unknown_series_are_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(a_row_id_lies_below_its_sequence, setup, teardown),
        cmocka_unit_test_setup_teardown(a_flip_of_any_byte_and_any_truncation_are_found, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_missing_file_is_not_found, setup, teardown),
        cmocka_unit_test_setup_teardown(each_failed_allocation_is_clean, setup, teardown),
        cmocka_unit_test_setup_teardown(each_failed_call_leaves_no_file, setup, teardown),
        cmocka_unit_test_setup_teardown(an_old_file_is_read_and_written_again, setup, teardown),
    };
    return cmocka_run_group_tests_name("tombstones", tests, NULL, NULL);
}
