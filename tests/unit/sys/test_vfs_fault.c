/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "sim_support.h"
#include "sys/vfs_fault.h"

typedef struct bench {
    vv_sim *sim;
    vv_fault *fault;
    const vv_vfs *vfs;
} bench;

static int begin(void **state)
{
    static bench b;
    b.sim = vv_sim_create(sim_memory(), NULL);
    sim_put_durable(b.sim, "/wal.1", "0123456789");
    sim_put_durable(b.sim, "/seg.1", "abcdefghij");
    check_ok(vv_fault_create(sim_memory(), vv_sim_vfs(b.sim), &b.fault, NULL), NULL);
    b.vfs = vv_fault_vfs(b.fault);
    *state = &b;
    return 0;
}

static int end(void **state)
{
    bench *b = *state;
    assert_int_equal(0, vv_fault_open_files(b->fault));
    vv_fault_free(b->fault);
    vv_sim_free(b->sim);
    return sim_leaves_no_memory(state);
}

static vv_file *open_file(bench *b, const char *path)
{
    vv_file *file = NULL;
    check_ok(vv_file_open(b->vfs, sim_memory(), path, RW, &file, NULL), NULL);
    return file;
}

static void a_rule_hits_its_calls_only(void **state)
{
    bench *b = *state;
    vv_fault_rule rule = {.ops = VV_VFS_OP_BIT(VV_VFS_OP_READ),
                          .path_part = "wal.",
                          .first_call = 2,
                          .call_count = 2,
                          .kind = VV_FAULT_ERRNO,
                          .os_errno = EIO};
    size_t number = vv_fault_add(b->fault, &rule);
    vv_file *wal = open_file(b, "/wal.1");
    vv_file *seg = open_file(b, "/seg.1");
    char buf[10];
    const varve_status expected[] = {VARVE_OK, VARVE_E_IO, VARVE_E_IO, VARVE_OK};
    for (size_t i = 0; i < 4; ++i) {
        check_ok(vv_file_read_exact(seg, 0, buf, 10, NULL), NULL);
        check_status(expected[i], vv_file_read_exact(wal, 0, buf, 10, NULL));
    }
    assert_int_equal(4, vv_fault_matched(b->fault, number));
    assert_int_equal(2, vv_fault_fired(b->fault, number));
    assert_int_equal(8, vv_fault_calls(b->fault, VV_VFS_OP_READ));
    check_ok(vv_file_close(wal, NULL), NULL);
    check_ok(vv_file_close(seg, NULL), NULL);
}

static void a_rule_without_a_first_call_only_counts(void **state)
{
    bench *b = *state;
    vv_fault_rule rule = {.path_part = "seg"};
    size_t number = vv_fault_add(b->fault, &rule);
    vv_file *seg = open_file(b, "/seg.1");
    check_ok(vv_file_close(seg, NULL), NULL);
    check_ok(vv_vfs_rename(b->vfs, "/seg.1", "/other", VV_SITE_SEG_RENAME, NULL), NULL);
    assert_int_equal(3, vv_fault_matched(b->fault, number)); /* the source of a rename counts */
    assert_int_equal(0, vv_fault_fired(b->fault, number));
}

static void a_failing_call_is_not_made_unless_asked(void **state)
{
    bench *b = *state;
    varve_error err;
    vv_fault_rule rule = {.ops = VV_VFS_OP_BIT(VV_VFS_OP_RENAME),
                          .first_call = 1,
                          .call_count = 1,
                          .kind = VV_FAULT_ERRNO,
                          .os_errno = ENOSPC};
    vv_fault_add(b->fault, &rule);
    rule.is_done_first = true;
    vv_fault_add(b->fault, &rule);
    bool exists = true;
    check_status(VARVE_E_NOSPACE,
                 vv_vfs_rename(b->vfs, "/wal.1", "/wal.2", VV_SITE_WAL_FILE_RENAME, &err));
    assert_int_equal(ENOSPC, err.os_errno);
    check_ok(vv_vfs_exists(b->vfs, "/wal.2", &exists, NULL), NULL);
    assert_false(exists);
    check_status(VARVE_E_NOSPACE,
                 vv_vfs_rename(b->vfs, "/wal.1", "/wal.2", VV_SITE_WAL_FILE_RENAME, &err));
    check_ok(vv_vfs_exists(b->vfs, "/wal.2", &exists, NULL), NULL);
    assert_true(exists);
}

static void a_failed_close_closes(void **state)
{
    bench *b = *state;
    vv_fault_rule rule = {.ops = VV_VFS_OP_BIT(VV_VFS_OP_CLOSE),
                          .first_call = 1,
                          .call_count = 1,
                          .kind = VV_FAULT_ERRNO,
                          .os_errno = EIO};
    vv_fault_add(b->fault, &rule);
    vv_file *file = open_file(b, "/wal.1");
    check_status(VARVE_E_IO, vv_file_close(file, NULL));
    assert_int_equal(0, vv_sim_open_files(b->sim));
}

static void an_open_whose_success_is_hidden_leaves_nothing_open(void **state)
{
    bench *b = *state;
    vv_file *file = NULL;
    vv_fault_rule rule = {.ops = VV_VFS_OP_BIT(VV_VFS_OP_OPEN),
                          .first_call = 1,
                          .call_count = 1,
                          .kind = VV_FAULT_ERRNO,
                          .os_errno = EMFILE,
                          .is_done_first = true};
    vv_fault_add(b->fault, &rule);
    check_status(VARVE_E_LIMIT,
                 vv_file_open(b->vfs, sim_memory(), "/new", RW | VV_OPEN_CREATE, &file, NULL));
    assert_null(file);
    assert_int_equal(0, vv_sim_open_files(b->sim));
    bool exists = false;
    check_ok(vv_vfs_exists(b->vfs, "/new", &exists, NULL), NULL);
    assert_true(exists);
}

static void one_bit_of_a_read_is_inverted(void **state)
{
    bench *b = *state;
    vv_fault_rule rule = {.ops = VV_VFS_OP_BIT(VV_VFS_OP_READ),
                          .first_call = 1,
                          .call_count = 1,
                          .kind = VV_FAULT_FLIP,
                          .flip_bit = 80 + 9}; /* modulo 80: bit 1 of byte 1 */
    vv_fault_add(b->fault, &rule);
    vv_file *file = open_file(b, "/wal.1");
    char buf[10];
    check_ok(vv_file_read_exact(file, 0, buf, 10, NULL), NULL);
    assert_memory_equal("0323456789", buf, 10);
    check_ok(vv_file_read_exact(file, 0, buf, 10, NULL), NULL);
    assert_memory_equal("0123456789", buf, 10);
    check_ok(vv_file_close(file, NULL), NULL);
}

static void count_hook(void *context, vv_vfs_op op, const char *path)
{
    assert_true(path[0] == '/');
    uint64_t *calls = context;
    calls[op] += 1;
}

/* One call of each operation. The statuses do not matter. */
static void make_every_call(bench *b)
{
    vv_file *file = NULL;
    size_t size = 0;
    char byte = 0;
    const void *memory = NULL;
    vv_dir_list list;
    varve_status ignored = vv_file_open(b->vfs, sim_memory(), "/wal.1", RW, &file, NULL);
    if (file != NULL) {
        ignored = vv_file_lock(file, NULL);
        ignored = vv_file_unlock(file, NULL);
        ignored = vv_file_write_all(file, 0, "x", 1, NULL);
        ignored = vv_file_read(file, 0, &byte, 1, &size, NULL);
        ignored = vv_file_fdatasync(file, VV_SITE_WAL_GROUP, NULL);
        ignored = vv_file_truncate(file, 10, NULL);
        ignored = vv_file_allocate(file, 0, 20, NULL);
        ignored = vv_file_stat(file, &(vv_file_info){0}, NULL);
        ignored = vv_file_advise(file, 0, 0, VV_ADVICE_DONTNEED, NULL);
        ignored = vv_file_map(file, 1, &memory, NULL);
        ignored = vv_file_close(file, NULL);
    }
    ignored = vv_vfs_link(b->vfs, "/wal.1", "/link", NULL);
    ignored = vv_vfs_rename(b->vfs, "/link", "/moved", VV_SITE_SEG_RENAME, NULL);
    ignored = vv_vfs_unlink(b->vfs, "/moved", NULL);
    ignored = vv_vfs_mkdir(b->vfs, "/dir", NULL);
    ignored = vv_vfs_rmdir(b->vfs, "/dir", NULL);
    ignored = vv_vfs_sync_dir(b->vfs, "/", VV_SITE_SEG_DIR, NULL);
    ignored = vv_vfs_stat(b->vfs, "/wal.1", &(vv_file_info){0}, NULL);
    ignored = vv_vfs_statvfs(b->vfs, "/", &(vv_fs_info){0}, NULL);
    ignored = vv_vfs_list(b->vfs, sim_memory(), "/", &list, NULL);
    vv_dir_list_deinit(&list);
    (void)ignored;
}

static void every_operation_passes_counts_and_fails(void **state)
{
    bench *b = *state;
    uint64_t seen[VV_VFS_OP_COUNT] = {0};
    vv_fault_set_hook(b->fault, count_hook, seen);
    make_every_call(b);
    vv_fault_set_hook(b->fault, NULL, NULL);
    for (vv_vfs_op op = 0; op < VV_VFS_OP_COUNT; ++op) {
        assert_int_equal(1, seen[op]);
        assert_int_equal(1, vv_fault_calls(b->fault, op));
    }
    for (vv_vfs_op op = 0; op < VV_VFS_OP_COUNT; ++op) {
        vv_fault_clear(b->fault);
        vv_fault_rule rule = {.ops = VV_VFS_OP_BIT(op),
                              .first_call = 1,
                              .call_count = VV_FAULT_FOREVER,
                              .kind = VV_FAULT_ERRNO,
                              .os_errno = EIO};
        size_t number = vv_fault_add(b->fault, &rule);
        make_every_call(b);
        assert_int_equal(1, vv_fault_fired(b->fault, number));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_rule_hits_its_calls_only, begin, end),
        cmocka_unit_test_setup_teardown(a_rule_without_a_first_call_only_counts, begin, end),
        cmocka_unit_test_setup_teardown(a_failing_call_is_not_made_unless_asked, begin, end),
        cmocka_unit_test_setup_teardown(a_failed_close_closes, begin, end),
        cmocka_unit_test_setup_teardown(an_open_whose_success_is_hidden_leaves_nothing_open, begin,
                                        end),
        cmocka_unit_test_setup_teardown(one_bit_of_a_read_is_inverted, begin, end),
        cmocka_unit_test_setup_teardown(every_operation_passes_counts_and_fails, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
