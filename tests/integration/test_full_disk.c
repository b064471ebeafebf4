/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real file system of 64 MiB, filled to the brim again and again through the public interface,
 * with background threads and default bounds: rows are refused with the reason, reads go on, a
 * delete frees space, writing resumes by itself, nothing is lost. VARVE_DISK_CYCLES: how often
 * (20).
 *
 * It is a tmpfs in a mount namespace of its own. Where the system allows none the test is skipped
 * and says so; test-engine-space does the same on a simulated disk, everywhere.
 */
#include "support/check.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/random.h"
#include "support/temp_dir.h"

enum { ROW_BYTES = 4096, BATCH_ROWS = 64, SERIES = 4, ROWS_MAX = 1 << 20, TRIES_MAX = 3000 };

typedef struct full_disk {
    char path[600];
    varve_db *db;
    int64_t first, next; /* rows [first, next) were answered and not deleted */
} full_disk;

/* ---- a file system ---- */

static bool write_text(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    bool is_written = file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text);
    if (file >= 0) {
        close(file);
    }
    return is_written;
}

/* A mount namespace, and without the right to one, a user namespace that has it. */
static bool enter_namespace(void)
{
    char map[64];
    if (unshare(CLONE_NEWNS) == 0) {
        return true;
    }
    snprintf(map, sizeof map, "0 %u 1", (unsigned)getuid());
    return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && write_text("/proc/self/uid_map", map);
}

static bool mount_small(const char *directory)
{
    return enter_namespace() && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("varve-test", directory, "tmpfs", 0, "size=64m,mode=0700") == 0;
}

static uint64_t free_bytes(const full_disk *disk)
{
    struct statvfs info;
    assert_int_equal(statvfs(disk->path, &info), 0);
    return (uint64_t)info.f_bavail * info.f_frsize;
}

/* ---- rows whose bytes nothing makes smaller ---- */

static void row_bytes(int64_t row, char out_bytes[ROW_BYTES])
{
    vv_random random;
    vv_random_init(&random, (uint64_t)row + 1);
    vv_random_fill(&random, out_bytes, ROW_BYTES);
}

static varve_series row_series(full_disk *disk, int64_t row)
{
    varve_error err;
    varve_series series;
    char name[] = "s0";
    name[1] = (char)('0' + row % SERIES);
    varve_label label = {VARVE_STR("of"), {name, 2}};
    check_ok(varve_series_resolve(disk->db, VARVE_STR("m"), &label, 1, 0, &series, &err), &err);
    return series;
}

static varve_status write_batch(full_disk *disk, varve_error *err)
{
    static char bytes[BATCH_ROWS][ROW_BYTES];
    varve_batch *batch;
    varve_field field;
    varve_written written;
    varve_written_init(&written);
    check_ok(varve_field_resolve(disk->db, VARVE_STR("v"), &field, err), err);
    check_ok(varve_batch_create(disk->db, &batch, err), err);
    for (int64_t i = 0; i < BATCH_ROWS; i++) {
        int64_t number = disk->next + i;
        row_bytes(number, bytes[i]);
        varve_value value = {.type = VARVE_TYPE_BYTES, .as.bytes = {bytes[i], ROW_BYTES}};
        varve_row row = {
            .series = row_series(disk, number),
            .timestamp = number,
            .fields = &field,
            .values = &value,
            .count = 1,
        };
        check_ok(varve_batch_row(batch, &row, err), err);
    }
    varve_status status = varve_batch_commit(batch, NULL, &written, err);
    varve_batch_free(batch);
    if (status == VARVE_OK) {
        assert_int_equal(written.ack, VARVE_ACK_DURABLE);
        disk->next += BATCH_ROWS;
    }
    return status;
}

static void check_rows(full_disk *disk)
{
    static bool seen[ROWS_MAX];
    varve_error err;
    assert_true(disk->next <= ROWS_MAX);
    memset(seen, 0, sizeof seen);
    for (int64_t s = 0; s < SERIES; s++) {
        varve_series series = row_series(disk, s);
        varve_selection selection = {
            .kind = VARVE_SELECT_LIST, .series = &series, .series_count = 1};
        varve_query_options options;
        varve_cursor *cursor;
        const varve_block *block;
        varve_query_options_init(&options);
        options.selections = &selection;
        options.selection_count = 1;
        check_ok(varve_query(disk->db, &options, &cursor, &err), &err);
        check_ok(varve_cursor_next(cursor, &block, &err), &err);
        while (block != NULL) {
            const varve_text *values = block->columns[0].values;
            for (size_t i = 0; i < block->rows; i++) {
                int64_t row = block->timestamps[i];
                char bytes[ROW_BYTES];
                assert_true(row >= disk->first && row < disk->next && row % SERIES == s);
                row_bytes(row, bytes);
                assert_int_equal(values[i].size, ROW_BYTES);
                assert_memory_equal(values[i].data, bytes, ROW_BYTES);
                seen[row] = true;
            }
            check_ok(varve_cursor_next(cursor, &block, &err), &err);
        }
        varve_cursor_close(cursor);
    }
    for (int64_t row = disk->first; row < disk->next; row++) {
        assert_true(seen[row]);
    }
}

/* ---- the cycles ---- */

static void open_database(full_disk *disk)
{
    varve_error err;
    varve_options options;
    varve_options_init(&options);
    options.memory_limit_bytes = UINT64_C(128) << 20;
    check_ok(varve_open(disk->path, &options, &disk->db, &err), &err);
}

static void fill(full_disk *disk)
{
    varve_error err;
    int64_t begun = disk->next;
    varve_status status = VARVE_OK;
    while (status == VARVE_OK) {
        status = write_batch(disk, &err);
    }
    check_status(VARVE_E_NOSPACE, status);
    assert_true(disk->next > begun);
    assert_true(strlen(err.message) > 0);
}

static void free_half(full_disk *disk)
{
    varve_error err;
    varve_selection all = {.kind = VARVE_SELECT_ALL};
    int64_t row = disk->first + (disk->next - disk->first) / 2;
    check_ok(varve_delete(disk->db, &all, 1, (varve_range){INT64_MIN, row}, NULL, NULL, &err),
             &err);
    disk->first = row;
}

/* The background frees what was deleted; nobody asks it to. */
static void resume(full_disk *disk)
{
    varve_error err;
    varve_status status = write_batch(disk, &err);
    for (int tries = 0; status == VARVE_E_NOSPACE && tries < TRIES_MAX; tries++) {
        /* A condition with a deadline of 20 ms: no row comes meanwhile. */
        VV_IGNORE(varve_wait_visible(disk->db, UINT64_MAX - 1, 20, NULL, NULL));
        status = write_batch(disk, &err);
    }
    check_ok(status, &err);
}

static unsigned cycles_wanted(void)
{
    const char *text = getenv("VARVE_DISK_CYCLES");
    return text == NULL ? 20 : (unsigned)strtoul(text, NULL, 10);
}

static void a_full_file_system_heals_by_deletes(void **state)
{
    full_disk *disk = *state;
    varve_error err;
    unsigned cycles = cycles_wanted();
    open_database(disk);
    for (unsigned cycle = 0; cycle < cycles; cycle++) {
        fill(disk);
        if (cycle % 5 == 0) {
            check_rows(disk); /* reads go on */
        }
        if (cycle % 4 == 3) { /* full, and opened again */
            varve_abandon(disk->db);
            open_database(disk);
        }
        free_half(disk);
        resume(disk);
    }
    check_rows(disk);
    check_ok(varve_close(disk->db, &err), &err);
    open_database(disk);
    check_rows(disk);
    check_ok(varve_close(disk->db, &err), &err);
    print_message("%u cycles, %lld rows, %llu bytes free at the end\n", cycles,
                  (long long)disk->next, (unsigned long long)free_bytes(disk));
}

int main(void)
{
    static full_disk disk;
    temp_dir directory;
    temp_dir_create(&directory);
    if (!mount_small(directory.path)) {
        printf("SKIPPED: no file system of 64 MiB can be mounted here (%s); the simulated disk of "
               "test-engine-space stands in\n",
               strerror(errno));
        temp_dir_remove(&directory);
        return 0;
    }
    snprintf(disk.path, sizeof disk.path, "%s/db", directory.path);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(a_full_file_system_heals_by_deletes, &disk),
    };
    int failed = cmocka_run_group_tests_name("full disk", tests, NULL, NULL);
    umount(directory.path);
    temp_dir_remove(&directory);
    return failed;
}
