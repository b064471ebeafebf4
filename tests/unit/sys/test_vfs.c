/* SPDX-License-Identifier: Apache-2.0 */
/* The loops of vv_file_*: short results, EINTR, zero writes; and the sentences of errors. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support/check.h"
#include "support/failing_alloc.h"
#include "sys/vfs.h"
#include "sys/vfs_fault.h"
#include "sys/vfs_sim.h"

typedef struct bench {
    vv_alloc alloc;
    vv_sim *sim;
    vv_fault *fault;
    const vv_vfs *vfs;
    vv_file *file;
} bench;

static int begin(void **state)
{
    static bench b;
    vv_alloc_init(&b.alloc, NULL);
    b.sim = vv_sim_create(&b.alloc, NULL);
    check_ok(vv_fault_create(&b.alloc, vv_sim_vfs(b.sim), &b.fault, NULL), NULL);
    b.vfs = vv_fault_vfs(b.fault);
    check_ok(vv_file_open(b.vfs, &b.alloc, "/wal/1", VV_OPEN_READ, &b.file, NULL) ==
                     VARVE_E_NOT_FOUND
                 ? VARVE_OK
                 : VARVE_E_INTERNAL,
             NULL);
    check_ok(vv_file_open(b.vfs, &b.alloc, "/file", VV_OPEN_READ | VV_OPEN_WRITE | VV_OPEN_CREATE,
                          &b.file, NULL),
             NULL);
    *state = &b;
    return 0;
}

static int end(void **state)
{
    bench *b = *state;
    vv_fault_clear(b->fault);
    check_ok(vv_file_close(b->file, NULL), NULL);
    assert_int_equal(0, vv_fault_open_files(b->fault));
    vv_fault_free(b->fault);
    vv_sim_free(b->sim);
    assert_int_equal(0, vv_alloc_bytes(&b->alloc));
    return 0;
}

static void add_rule(bench *b, vv_vfs_op op, uint64_t first, uint64_t count, int os_errno)
{
    vv_fault_rule rule = {.ops = VV_VFS_OP_BIT(op),
                          .first_call = first,
                          .call_count = count,
                          .kind = VV_FAULT_ERRNO,
                          .os_errno = os_errno};
    vv_fault_add(b->fault, &rule);
}

static void add_short(bench *b, vv_vfs_op op, size_t bytes)
{
    vv_fault_rule rule = {.ops = VV_VFS_OP_BIT(op),
                          .first_call = 1,
                          .call_count = VV_FAULT_FOREVER,
                          .kind = VV_FAULT_SHORT,
                          .short_bytes = bytes};
    vv_fault_add(b->fault, &rule);
}

static void short_writes_and_reads_are_continued(void **state)
{
    bench *b = *state;
    varve_error err;
    char buf[11];
    size_t size = 0;
    const vv_iov iov[] = {{"hel", 3}, {"", 0}, {"lo w", 4}, {"orld", 4}};
    for (size_t step = 1; step < 12; ++step) {
        vv_fault_clear(b->fault);
        add_short(b, VV_VFS_OP_WRITE, step);
        add_short(b, VV_VFS_OP_READ, step);
        check_ok(vv_file_truncate(b->file, 0, &err), &err);
        int64_t offset = 5;
        check_ok(vv_file_append_all(b->file, &offset, iov, 4, &err), &err);
        assert_int_equal(16, offset);
        assert_int_equal((11 + step - 1) / step, vv_fault_calls(b->fault, VV_VFS_OP_WRITE));
        check_ok(vv_file_read(b->file, 5, buf, 11, &size, &err), &err);
        assert_int_equal(11, size);
        assert_memory_equal("hello world", buf, 11);
    }
}

static void interrupted_calls_are_repeated(void **state)
{
    bench *b = *state;
    varve_error err;
    char buf[4];
    add_rule(b, VV_VFS_OP_WRITE, 1, 3, EINTR);
    add_rule(b, VV_VFS_OP_READ, 1, 3, EINTR);
    add_rule(b, VV_VFS_OP_TRUNCATE, 1, 3, EINTR);
    add_rule(b, VV_VFS_OP_ALLOCATE, 1, 3, EINTR);
    check_ok(vv_file_allocate(b->file, 0, 100, &err), &err);
    check_ok(vv_file_truncate(b->file, 10, &err), &err);
    check_ok(vv_file_write_all(b->file, 0, "data", 4, &err), &err);
    check_ok(vv_file_read_exact(b->file, 0, buf, 4, &err), &err);
    assert_memory_equal("data", buf, 4);
    assert_int_equal(4, vv_fault_calls(b->fault, VV_VFS_OP_WRITE));
}

static void calls_that_are_always_interrupted_end(void **state)
{
    bench *b = *state;
    varve_error err;
    char buf[4];
    add_rule(b, VV_VFS_OP_WRITE, 1, VV_FAULT_FOREVER, EINTR);
    add_rule(b, VV_VFS_OP_READ, 1, VV_FAULT_FOREVER, EINTR);
    check_status(VARVE_E_IO, vv_file_write_all(b->file, 0, "data", 4, &err));
    assert_int_equal(EINTR, err.os_errno);
    size_t size = 0;
    check_status(VARVE_E_IO, vv_file_read(b->file, 0, buf, 4, &size, NULL)); /* no error wanted */
}

static void a_write_of_nothing_is_an_error(void **state)
{
    bench *b = *state;
    varve_error err;
    add_short(b, VV_VFS_OP_WRITE, 0);
    check_status(VARVE_E_IO, vv_file_write_all(b->file, 0, "data", 4, &err));
    assert_int_equal(EIO, err.os_errno);
    check_ok(vv_file_write_all(b->file, 0, "", 0, &err), &err); /* nothing was asked for */
}

static void a_failed_append_knows_what_was_written(void **state)
{
    bench *b = *state;
    varve_error err;
    vv_fault_rule rule = {.ops = VV_VFS_OP_BIT(VV_VFS_OP_WRITE),
                          .first_call = 1,
                          .call_count = 2,
                          .kind = VV_FAULT_SHORT,
                          .short_bytes = 3};
    vv_fault_add(b->fault, &rule);
    add_rule(b, VV_VFS_OP_WRITE, 1, 1, ENOSPC); /* counts from the third on */
    const vv_iov iov[] = {{"01234", 5}, {"56789", 5}};
    int64_t offset = 100;
    check_status(VARVE_E_NOSPACE, vv_file_append_all(b->file, &offset, iov, 2, &err));
    assert_int_equal(106, offset);
    assert_string_equal("write /file: no space left on device", err.message);
}

static void syncs_are_never_repeated(void **state)
{
    bench *b = *state;
    add_rule(b, VV_VFS_OP_SYNC, 1, 1, EINTR);
    check_status(VARVE_E_IO, vv_file_fdatasync(b->file, VV_SITE_WAL_GROUP, NULL));
    assert_int_equal(1, vv_fault_calls(b->fault, VV_VFS_OP_SYNC));
}

static void a_file_without_memory_is_not_opened(void **state)
{
    bench *b = *state;
    failing_alloc failing;
    failing_alloc_init(&failing);
    failing_alloc_plan(&failing, 1, false);
    varve_allocator source = failing_alloc_source(&failing);
    vv_alloc alloc;
    vv_alloc_init(&alloc, &source);
    vv_file *file = NULL;
    varve_error err;
    check_status(VARVE_E_NOMEM, vv_file_open(b->vfs, &alloc, "/file", VV_OPEN_READ, &file, &err));
    assert_null(file);
    assert_int_equal(0, vv_fault_calls(b->fault, VV_VFS_OP_FILE_STAT));
}

static void closing_nothing_is_fine(void **state)
{
    (void)state;
    check_ok(vv_file_close(NULL, NULL), NULL);
}

static void errnos_have_statuses(void **state)
{
    (void)state;
    static const struct {
        int os_errno;
        varve_status status;
    } rows[] = {
        {ENOENT, VARVE_E_NOT_FOUND},
        {EEXIST, VARVE_E_EXISTS},
        {ENOSPC, VARVE_E_NOSPACE},
        {EDQUOT, VARVE_E_NOSPACE},
        {EROFS, VARVE_E_READONLY},
        {ENOMEM, VARVE_E_NOMEM},
        {EMFILE, VARVE_E_LIMIT},
        {ENFILE, VARVE_E_LIMIT},
        {ENAMETOOLONG, VARVE_E_LIMIT},
        {EINVAL, VARVE_E_INVALID},
        {ELOOP, VARVE_E_INVALID},
        {ENOTDIR, VARVE_E_INVALID},
        {EXDEV, VARVE_E_UNSUPPORTED},
        {EOPNOTSUPP, VARVE_E_UNSUPPORTED},
        {ENOTEMPTY, VARVE_E_CONFLICT},
        {EBUSY, VARVE_E_BUSY},
        {EIO, VARVE_E_IO},
        {EACCES, VARVE_E_IO},
        {EINTR, VARVE_E_IO},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
        check_status(rows[i].status, vv_os_status(rows[i].os_errno));
        varve_error err;
        check_status(rows[i].status, vv_os_fail(&err, rows[i].os_errno, "open", "/a/b"));
        assert_int_equal(rows[i].os_errno, err.os_errno);
        assert_ptr_equal(err.message, strstr(err.message, "open /a/b: "));
        assert_true(strlen(err.message) > strlen("open /a/b: "));
    }
}

static void long_paths_are_shown_by_their_end(void **state)
{
    (void)state;
    char path[1000];
    memset(path, 'd', sizeof path);
    memcpy(path + 900, "/00000000000000000042.vwl", 26);
    varve_error err;
    check_status(VARVE_E_IO, vv_os_fail(&err, EIO, "read", path));
    assert_non_null(strstr(err.message, "/00000000000000000042.vwl: "));
    assert_ptr_equal(err.message, strstr(err.message, "read ...ddd"));
}

static void each_failing_call_of_publishing_leaves_old_or_new(void **state)
{
    bench *b = *state;
    const vv_publish_sites sites = {VV_SITE_IDENT_FILE, VV_SITE_IDENT_RENAME, VV_SITE_IDENT_DIR};
    static const int errnos[] = {EIO, ENOSPC, EMFILE, EROFS};
    bool has_ended = false;
    for (uint64_t call = 1; !has_ended; ++call) {
        for (size_t i = 0; i < 4; ++i) {
            vv_fault_clear(b->fault);
            check_ok(vv_vfs_write_file_atomically(b->vfs, &b->alloc, "/tmp", "/final", "old", 3,
                                                  &sites, NULL),
                     NULL);
            vv_fault_rule rule = {
                .first_call = call, .call_count = 1, .kind = VV_FAULT_ERRNO, .os_errno = errnos[i]};
            size_t number = vv_fault_add(b->fault, &rule);
            varve_error err = {0};
            varve_status status = vv_vfs_write_file_atomically(b->vfs, &b->alloc, "/tmp", "/final",
                                                               "newer", 5, &sites, &err);
            has_ended = vv_fault_fired(b->fault, number) == 0;
            check_status(has_ended ? VARVE_OK : vv_os_status(errnos[i]), status);
            check_status(status, err.status);
            vv_fault_clear(b->fault);
            void *data = NULL;
            size_t size = 0;
            bool exists = true;
            check_ok(vv_vfs_read_file(b->vfs, &b->alloc, "/final", 10, &data, &size, NULL), NULL);
            assert_true((size == 3 && memcmp(data, "old", 3) == 0) ||
                        (size == 5 && memcmp(data, "newer", 5) == 0));
            vv_alloc_free(&b->alloc, data, size);
            check_ok(vv_vfs_exists(b->vfs, "/tmp", &exists, NULL), NULL);
            assert_false(exists);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(short_writes_and_reads_are_continued, begin, end),
        cmocka_unit_test_setup_teardown(interrupted_calls_are_repeated, begin, end),
        cmocka_unit_test_setup_teardown(calls_that_are_always_interrupted_end, begin, end),
        cmocka_unit_test_setup_teardown(a_write_of_nothing_is_an_error, begin, end),
        cmocka_unit_test_setup_teardown(a_failed_append_knows_what_was_written, begin, end),
        cmocka_unit_test_setup_teardown(syncs_are_never_repeated, begin, end),
        cmocka_unit_test_setup_teardown(a_file_without_memory_is_not_opened, begin, end),
        cmocka_unit_test(closing_nothing_is_fine),
        cmocka_unit_test(errnos_have_statuses),
        cmocka_unit_test(long_paths_are_shown_by_their_end),
        cmocka_unit_test_setup_teardown(each_failing_call_of_publishing_leaves_old_or_new, begin,
                                        end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
