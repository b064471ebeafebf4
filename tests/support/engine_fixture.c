/* SPDX-License-Identifier: Apache-2.0 */
#include "support/engine_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/slice.h"
#include "support/check.h"
#include "sys/vfs_memory.h"

void engine_fixture_prepare(engine_fixture *f)
{
    varve_error err;
    memset(f, 0, sizeof *f);
    failing_alloc_init(&f->source);
    vv_alloc_init(&f->alloc, NULL);
    check_ok(vv_vfs_memory_create(&f->alloc, &f->files, &err), &err);
    check_ok(vv_fault_create(&f->alloc, f->files, &f->fault, &err), &err);
    vv_env_init_system(&f->env, &f->alloc);
    f->env.vfs = vv_fault_vfs(f->fault);
    varve_options_init(&f->options);
    static varve_allocator source;
    source = failing_alloc_source(&f->source);
    f->options.allocator = &source;
    f->options.environment = &f->env;
    f->options.flags = VARVE_OPEN_NO_BACKGROUND;
    f->options.memory_limit_bytes = 64 * 1024 * 1024;
    f->options.log_file_bytes = 64 * 1024;
    f->options.min_free_bytes = VARVE_SPACE_NONE; /* tests of full disks say their own */
    f->options.reserve_bytes = VARVE_SPACE_NONE;
}

void engine_fixture_create(engine_fixture *f)
{
    engine_fixture_prepare(f);
    engine_fixture_open(f);
}

void engine_fixture_open(engine_fixture *f)
{
    varve_error err;
    check_ok(varve_open("db", &f->options, &f->db, &err), &err);
}

void engine_fixture_close(engine_fixture *f)
{
    varve_error err;
    check_ok(varve_close(f->db, &err), &err);
    f->db = NULL;
    assert_int_equal(atomic_load(&f->source.live), 0);
    assert_int_equal(vv_fault_open_files(f->fault), 0);
}

void engine_fixture_abandon(engine_fixture *f)
{
    varve_abandon(f->db);
    f->db = NULL;
    assert_int_equal(atomic_load(&f->source.live), 0);
    assert_int_equal(vv_fault_open_files(f->fault), 0);
}

static uint64_t fixture_free_bytes;
static varve_status (*fixture_inner_statvfs)(void *context, const char *path, vv_fs_info *out_info,
                                             varve_error *out_err);

static varve_status fixture_statvfs(void *context, const char *path, vv_fs_info *out_info,
                                    varve_error *out_err)
{
    VV_TRY(fixture_inner_statvfs(context, path, out_info, out_err));
    out_info->free_bytes = fixture_free_bytes;
    return VARVE_OK;
}

void engine_fixture_set_free(engine_fixture *f, uint64_t free_bytes)
{
    fixture_free_bytes = free_bytes;
    if (f->env.vfs != &f->disk) {
        engine_fixture_close(f);
        f->disk_ops = *f->env.vfs->ops;
        fixture_inner_statvfs = f->disk_ops.statvfs;
        f->disk_ops.statvfs = fixture_statvfs;
        f->disk = (vv_vfs){.ops = &f->disk_ops, .context = f->env.vfs->context};
        f->env.vfs = &f->disk;
        engine_fixture_open(f);
    }
}

void engine_fixture_free(engine_fixture *f)
{
    if (f->db != NULL) {
        engine_fixture_abandon(f);
    }
    vv_fault_free(f->fault);
    vv_vfs_memory_free(f->files);
    assert_int_equal(vv_alloc_bytes(&f->alloc), 0);
}

int engine_fixture_setup(void **state)
{
    engine_fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    engine_fixture_create(f);
    *state = f;
    return 0;
}

int engine_fixture_teardown(void **state)
{
    engine_fixture_free(*state);
    free(*state);
    return 0;
}

void engine_fixture_flush(engine_fixture *f)
{
    varve_error err;
    check_ok(varve_flush(f->db, NULL, &err), &err);
}

void engine_fixture_compact(engine_fixture *f)
{
    varve_error err;
    check_ok(varve_compact(f->db, VARVE_COMPACT_ALL, NULL, &err), &err);
}

static varve_series fixture_series(engine_fixture *f, uint32_t series)
{
    varve_error err;
    varve_series id;
    char host[16];
    snprintf(host, sizeof host, "h%u", series % 1000);
    varve_label label = {VARVE_STR("host"), vv_text_from_string(host)};
    check_ok(varve_series_resolve(f->db, VARVE_STR("cpu"), &label, 1, 0, &id, &err), &err);
    return id;
}

static varve_status fixture_fill(varve_batch *batch, varve_series series, varve_field field,
                                 int64_t first, int64_t step, uint32_t count, double base,
                                 varve_error *err)
{
    varve_status status = VARVE_OK;
    for (uint32_t i = 0; i < count && status == VARVE_OK; i++) {
        varve_value value = {.type = VARVE_TYPE_F64, .as.f64 = base + i};
        varve_row row = {
            .series = series,
            .timestamp = first + i * step,
            .fields = &field,
            .values = &value,
            .count = 1,
        };
        status = varve_batch_row(batch, &row, err);
    }
    return status;
}

varve_status engine_fixture_try_write(engine_fixture *f, uint32_t series, int64_t first,
                                      int64_t step, uint32_t count, double base, varve_error *err)
{
    varve_batch *batch;
    varve_field field;
    VV_TRY(varve_field_resolve(f->db, VARVE_STR("value"), &field, err));
    VV_TRY(varve_batch_create(f->db, &batch, err));
    varve_status status =
        fixture_fill(batch, fixture_series(f, series), field, first, step, count, base, err);
    if (status == VARVE_OK) {
        status = varve_batch_commit(batch, NULL, NULL, err);
    }
    varve_batch_free(batch);
    return status;
}

void engine_fixture_write(engine_fixture *f, uint32_t series, int64_t first, int64_t step,
                          uint32_t count, double base)
{
    varve_error err;
    check_ok(engine_fixture_try_write(f, series, first, step, count, base, &err), &err);
}

void engine_fixture_delete(engine_fixture *f, uint32_t series, int64_t start, int64_t end)
{
    varve_error err;
    varve_batch *batch;
    char host[16];
    snprintf(host, sizeof host, "h%u", series % 1000);
    varve_label label = {VARVE_STR("host"), vv_text_from_string(host)};
    varve_selection selection = {
        .kind = VARVE_SELECT_EXACT,
        .text = VARVE_STR("cpu"),
        .labels = &label,
        .label_count = 1,
    };
    varve_range range = {.start = start, .end = end};
    check_ok(varve_batch_create(f->db, &batch, &err), &err);
    check_ok(varve_batch_delete(batch, &selection, 1, range, &err), &err);
    check_ok(varve_batch_commit(batch, NULL, NULL, &err), &err);
    varve_batch_free(batch);
}

void engine_fixture_digest(engine_fixture *f, uint64_t out_digest[2], uint64_t *out_rows)
{
    varve_error err;
    varve_verified verified;
    varve_verified_init(&verified);
    check_ok(varve_verify(f->db, NULL, &verified, &err), &err);
    out_digest[0] = verified.digest[0];
    out_digest[1] = verified.digest[1];
    *out_rows = verified.rows;
}

bool engine_fixture_value(engine_fixture *f, uint32_t series, int64_t time, double *out_value)
{
    varve_error err;
    varve_cursor *cursor;
    const varve_block *block;
    varve_series id = fixture_series(f, series);
    varve_selection selection = {
        .kind = VARVE_SELECT_LIST,
        .series = &id,
        .series_count = 1,
    };
    varve_query_options options;
    varve_query_options_init(&options);
    options.selections = &selection;
    options.selection_count = 1;
    options.range = (varve_range){.start = time, .end = time + 1};
    check_ok(varve_query(f->db, &options, &cursor, &err), &err);
    check_ok(varve_cursor_next(cursor, &block, &err), &err);
    bool is_there = block != NULL && block->rows > 0;
    if (is_there) {
        assert_int_equal(block->rows, 1);
        assert_int_equal(block->columns[0].type, VARVE_TYPE_F64);
        memcpy(out_value, block->columns[0].values, sizeof *out_value);
    }
    varve_cursor_close(cursor);
    return is_there;
}

size_t engine_fixture_files(engine_fixture *f, const char *directory)
{
    varve_error err;
    vv_dir_list list;
    char path[64];
    snprintf(path, sizeof path, "db/%s", directory);
    check_ok(vv_vfs_list(f->files, &f->alloc, path, &list, &err), &err);
    size_t count = list.count;
    vv_dir_list_deinit(&list);
    return count;
}

void engine_fixture_last_file(engine_fixture *f, const char *directory,
                              char path[ENGINE_FIXTURE_PATH_BYTES])
{
    varve_error err;
    vv_dir_list list;
    check_ok(vv_vfs_list(f->files, &f->alloc, directory, &list, &err), &err);
    assert_true(list.count > 0);
    int size = snprintf(path, ENGINE_FIXTURE_PATH_BYTES, "%s/%s", directory,
                        list.entries[list.count - 1].name);
    assert_in_range(size, 1, ENGINE_FIXTURE_PATH_BYTES - 1);
    vv_dir_list_deinit(&list);
}

int64_t engine_fixture_size(engine_fixture *f, const char *path)
{
    varve_error err;
    vv_file_info info;
    check_ok(vv_vfs_stat(f->files, path, &info, &err), &err);
    return info.size;
}

void engine_fixture_flip(engine_fixture *f, const char *path, int64_t offset, uint8_t bits)
{
    varve_error err;
    vv_file *file;
    uint8_t byte;
    check_ok(vv_file_open(f->files, &f->alloc, path, VV_OPEN_READ | VV_OPEN_WRITE, &file, &err),
             &err);
    check_ok(vv_file_read_exact(file, offset, &byte, 1, &err), &err);
    byte ^= bits;
    check_ok(vv_file_write_all(file, offset, &byte, 1, &err), &err);
    check_ok(vv_file_close(file, &err), &err);
}
