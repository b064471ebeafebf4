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
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "support/noise_rows.h"
#include "support/setting.h"
#include "support/temp_dir.h"

enum { TRIES_MAX = 3000 };

typedef struct full_disk {
    char path[600];
    noise_rows rows;
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

/* ---- the cycles ---- */

static void open_database(full_disk *disk)
{
    varve_error err;
    varve_options options;
    varve_options_init(&options);
    options.memory_limit_bytes = UINT64_C(128) << 20;
    check_ok(varve_open(disk->path, &options, &disk->rows.db, &err), &err);
}

/* The background frees what was deleted; nobody asks it to. */
static void resume(full_disk *disk)
{
    varve_error err;
    varve_status status = noise_rows_write(&disk->rows, &err);
    for (int tries = 0; status == VARVE_E_NOSPACE && tries < TRIES_MAX; tries++) {
        /* A condition with a deadline of 20 ms: no row comes meanwhile. */
        VV_IGNORE(varve_wait_visible(disk->rows.db, UINT64_MAX - 1, 20, NULL, NULL));
        status = noise_rows_write(&disk->rows, &err);
    }
    check_ok(status, &err);
}

static void a_full_file_system_heals_by_deletes(void **state)
{
    full_disk *disk = *state;
    noise_rows *rows = &disk->rows;
    varve_error err;
    uint64_t cycles = setting_number("VARVE_DISK_CYCLES", 20);
    open_database(disk);
    for (uint64_t cycle = 0; cycle < cycles; cycle++) {
        noise_rows_fill(rows);
        assert_true(rows->next > rows->first);
        if (cycle % 5 == 0) {
            noise_rows_check(rows); /* reads go on */
        }
        if (cycle % 4 == 3) { /* full, and opened again */
            varve_abandon(rows->db);
            open_database(disk);
        }
        noise_rows_delete_before(rows, rows->first + (rows->next - rows->first) / 2);
        resume(disk);
    }
    noise_rows_check(rows);
    check_ok(varve_close(rows->db, &err), &err);
    open_database(disk);
    noise_rows_check(rows);
    check_ok(varve_close(rows->db, &err), &err);
    print_message("%llu cycles, %lld rows, %llu bytes free at the end\n",
                  (unsigned long long)cycles, (long long)rows->next,
                  (unsigned long long)free_bytes(disk));
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
    disk.rows = (noise_rows){.row_bytes = 4096, .batch_rows = 64};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(a_full_file_system_heals_by_deletes, &disk),
    };
    int failed = cmocka_run_group_tests_name("full disk", tests, NULL, NULL);
    umount(directory.path);
    temp_dir_remove(&directory);
    return failed;
}
