/* SPDX-License-Identifier: Apache-2.0 */
/* The live simulation: what syncs make durable, and the switches that tests turn. */
#include <errno.h>

#include "sim_support.h"
#include "sys/thread.h"

/* ---- what is durable ------------------------------------------------------------------------ */

static void a_write_without_sync_is_lost_or_kept(void **state)
{
    (void)state;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    sim_put_durable(sim, "/a", "old");
    vv_file *file = sim_open(sim, "/a");
    sim_write(file, 0, "new");
    assert_string_equal("old", sim_after(sim, VV_SIM_CUT_NONE, "/a"));
    assert_string_equal("new", sim_after(sim, VV_SIM_CUT_ALL, "/a"));
    sim_sync(file);
    assert_string_equal("new", sim_after(sim, VV_SIM_CUT_NONE, "/a"));
    check_ok(vv_file_close(file, NULL), NULL);
    vv_sim_free(sim);
}

static void sync_of_a_file_does_not_keep_its_name(void **state)
{
    (void)state;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    vv_file *file = sim_open(sim, "/a");
    sim_write(file, 0, "data");
    sim_sync(file);
    assert_string_equal("(none)", sim_after(sim, VV_SIM_CUT_NONE, "/a"));
    assert_string_equal("data", sim_after(sim, VV_SIM_CUT_ALL, "/a"));
    sim_sync_root(sim);
    assert_string_equal("data", sim_after(sim, VV_SIM_CUT_NONE, "/a"));
    check_ok(vv_file_close(file, NULL), NULL);
    vv_sim_free(sim);
}

static void sync_of_a_directory_does_not_keep_content(void **state)
{
    (void)state;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    vv_file *file = sim_open(sim, "/a");
    sim_write(file, 0, "data");
    sim_sync_root(sim);
    assert_string_equal("", sim_after(sim, VV_SIM_CUT_NONE, "/a"));
    check_ok(vv_file_close(file, NULL), NULL);
    vv_sim_free(sim);
}

static void rename_before_sync_can_yield_an_empty_file(void **state)
{
    (void)state;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    sim_put_durable(sim, "/final", "old");
    vv_file *file = sim_open(sim, "/part");
    sim_write(file, 0, "new");
    check_ok(vv_file_close(file, NULL), NULL);
    sim_rename(sim, "/part", "/final");
    assert_string_equal("", sim_after(sim, VV_SIM_CUT_DATA_LOST, "/final"));
    assert_string_equal("...", sim_after(sim, VV_SIM_CUT_SIZE_FIRST, "/final"));
    assert_string_equal("old", sim_after(sim, VV_SIM_CUT_NONE, "/final"));
    sim_sync_root(sim);
    assert_string_equal("", sim_after(sim, VV_SIM_CUT_NONE, "/final"));
    vv_sim_free(sim);
}

static void a_rename_is_kept_or_lost_as_one(void **state)
{
    (void)state;
    const vv_vfs *vfs = NULL;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    vfs = vv_sim_vfs(sim);
    check_ok(vv_vfs_mkdir(vfs, "/tmp", NULL), NULL);
    check_ok(vv_vfs_mkdir(vfs, "/seg", NULL), NULL);
    sim_sync_root(sim);
    vv_file *file = sim_open(sim, "/tmp/x");
    sim_write(file, 0, "seg");
    sim_sync(file);
    check_ok(vv_file_close(file, NULL), NULL);
    sim_rename(sim, "/tmp/x", "/seg/1");
    check_ok(vv_vfs_sync_dir(vfs, "/seg", VV_SITE_SEG_DIR, NULL), NULL);
    /* The creation of tmp/x went with the rename, or the old name would come back. */
    assert_string_equal("seg", sim_after(sim, VV_SIM_CUT_NONE, "/seg/1"));
    assert_string_equal("(none)", sim_after(sim, VV_SIM_CUT_NONE, "/tmp/x"));
    assert_string_equal("(none)", sim_after(sim, VV_SIM_CUT_ALL, "/tmp/x"));
    vv_sim_point *point = vv_sim_capture(sim);
    assert_int_equal(0, vv_sim_point_changes(point));
    vv_sim_point_free(point);
    vv_sim_free(sim);
}

static void an_unlink_comes_back_until_the_directory_is_synced(void **state)
{
    (void)state;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    sim_put_durable(sim, "/a", "data");
    check_ok(vv_vfs_unlink(vv_sim_vfs(sim), "/a", NULL), NULL);
    assert_string_equal("data", sim_after(sim, VV_SIM_CUT_NONE, "/a"));
    sim_sync_root(sim);
    assert_string_equal("(none)", sim_after(sim, VV_SIM_CUT_NONE, "/a"));
    vv_sim_free(sim);
}

static void allocation_is_a_change_of_size_to_zeros(void **state)
{
    (void)state;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    sim_put_durable(sim, "/a", "");
    vv_file *file = sim_open(sim, "/a");
    check_ok(vv_file_allocate(file, 0, 4, NULL), NULL);
    sim_write(file, 0, "ab");
    assert_string_equal("", sim_after(sim, VV_SIM_CUT_NONE, "/a"));
    assert_string_equal("....", sim_after(sim, VV_SIM_CUT_SIZE_FIRST, "/a"));
    assert_string_equal("ab..", sim_after(sim, VV_SIM_CUT_ALL, "/a"));
    check_ok(vv_file_close(file, NULL), NULL);
    vv_sim_free(sim);
}

/* ---- switches ------------------------------------------------------------------------------- */

static void an_ignored_site_reports_success_and_does_nothing(void **state)
{
    (void)state;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    sim_put_durable(sim, "/a", "old");
    vv_sim_ignore_site(sim, VV_SITE_WAL_GROUP, true);
    uint64_t before = vv_sim_site_calls(sim, VV_SITE_WAL_GROUP);
    vv_file *file = sim_open(sim, "/a");
    sim_write(file, 0, "new");
    sim_sync(file);
    assert_int_equal(before + 1, vv_sim_site_calls(sim, VV_SITE_WAL_GROUP));
    assert_string_equal("old", sim_after(sim, VV_SIM_CUT_NONE, "/a"));
    check_ok(vv_file_fsync(file, VV_SITE_WAL_SEAL, NULL), NULL); /* another site works */
    assert_string_equal("new", sim_after(sim, VV_SIM_CUT_NONE, "/a"));
    vv_sim_ignore_site(sim, VV_SITE_WAL_DIR, true);
    check_ok(vv_vfs_unlink(vv_sim_vfs(sim), "/a", NULL), NULL);
    sim_sync_root(sim);
    assert_string_equal("new", sim_after(sim, VV_SIM_CUT_NONE, "/a"));
    check_ok(vv_file_close(file, NULL), NULL);
    vv_sim_free(sim);
}

static void an_ignored_rename_comes_in_two_halves(void **state)
{
    (void)state;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    sim_put_durable(sim, "/a", "data");
    vv_sim_ignore_site(sim, VV_SITE_SEG_RENAME, true);
    sim_rename(sim, "/a", "/b");
    const bool first[] = {true, false};
    const bool second[] = {false, true};
    vv_sim_cut cut = {.model = VV_SIM_CUT_SUBSET, .kept = first};
    assert_string_equal("data", sim_cut_text(sim, &cut, "/a"));
    assert_string_equal("data", sim_cut_text(sim, &cut, "/b"));
    cut.kept = second;
    assert_string_equal("(none)", sim_cut_text(sim, &cut, "/a"));
    assert_string_equal("(none)", sim_cut_text(sim, &cut, "/b"));
    vv_sim_free(sim);
}

static void fails_sync(vv_sim *sim, vv_file *file)
{
    varve_error err;
    check_status(VARVE_E_IO, vv_file_fdatasync(file, VV_SITE_WAL_GROUP, &err));
    assert_int_equal(EIO, err.os_errno);
    assert_int_equal(1, vv_sim_sync_faults(sim));
}

static vv_file *prepare_fault(vv_sim *sim, vv_sim_fsync_fail_mode mode)
{
    sim_put_durable(sim, "/a", "old");
    vv_sim_sync_fault fault = {
        .site = VV_SITE_WAL_GROUP, .first_sync = 2, .os_errno = EIO, .mode = mode};
    vv_sim_set_sync_fault(sim, &fault);
    vv_file *file = sim_open(sim, "/a");
    sim_sync(file); /* the first passes */
    sim_write(file, 0, "new");
    check_ok(vv_vfs_sync_dir(vv_sim_vfs(sim), "/", VV_SITE_WAL_DIR, NULL), NULL);
    fails_sync(sim, file);
    return file;
}

static void after_a_failed_sync_pages_may_stay_dirty(void **state)
{
    (void)state;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    vv_file *file = prepare_fault(sim, VV_SIM_PAGES_DIRTY);
    assert_string_equal("old", sim_after(sim, VV_SIM_CUT_NONE, "/a"));
    assert_string_equal("new", sim_after(sim, VV_SIM_CUT_ALL, "/a"));
    sim_sync(file); /* only the second fails */
    assert_string_equal("new", sim_after(sim, VV_SIM_CUT_NONE, "/a"));
    check_ok(vv_file_close(file, NULL), NULL);
    vv_sim_free(sim);
}

static void after_a_failed_sync_pages_may_be_clean_and_never_stored(void **state)
{
    (void)state;
    char buf[3];
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    vv_file *file = prepare_fault(sim, VV_SIM_PAGES_CLEAN);
    sim_sync(file); /* succeeds, and lies */
    check_ok(vv_file_read_exact(file, 0, buf, 3, NULL), NULL);
    assert_memory_equal("new", buf, 3);
    assert_string_equal("old", sim_after(sim, VV_SIM_CUT_ALL, "/a"));
    check_ok(vv_file_close(file, NULL), NULL);
    vv_sim_free(sim);
}

static void after_a_failed_sync_the_size_may_be_stored_without_content(void **state)
{
    (void)state;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    vv_sim_sync_fault fault = {
        .site = VV_SYNC_SITE_COUNT, .first_sync = 2, .os_errno = EIO, .mode = VV_SIM_PAGES_CLEAN};
    vv_sim_set_sync_fault(sim, &fault);
    vv_file *file = sim_open(sim, "/a");
    sim_sync_root(sim);
    sim_write(file, 0, "new");
    fails_sync(sim, file);
    sim_sync(file);
    assert_string_equal("...", sim_after(sim, VV_SIM_CUT_NONE, "/a"));
    check_ok(vv_file_close(file, NULL), NULL);
    vv_sim_free(sim);
}

static void after_a_failed_sync_pages_may_be_reverted(void **state)
{
    (void)state;
    char buf[3];
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    vv_file *file = prepare_fault(sim, VV_SIM_PAGES_REVERTED);
    check_ok(vv_file_read_exact(file, 0, buf, 3, NULL), NULL);
    assert_memory_equal("old", buf, 3);
    assert_string_equal("old", sim_after(sim, VV_SIM_CUT_ALL, "/a"));
    check_ok(vv_file_close(file, NULL), NULL);
    vv_sim_free(sim);
}

static void a_permanent_sync_fault_hits_files_and_directories(void **state)
{
    (void)state;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    vv_sim_sync_fault fault = {
        .site = VV_SYNC_SITE_COUNT, .first_sync = 1, .is_permanent = true, .os_errno = ENOSPC};
    vv_sim_set_sync_fault(sim, &fault);
    vv_file *file = sim_open(sim, "/a");
    check_status(VARVE_E_NOSPACE, vv_file_fsync(file, VV_SITE_SEG_FILE, NULL));
    check_status(VARVE_E_NOSPACE, vv_vfs_sync_dir(vv_sim_vfs(sim), "/", VV_SITE_SEG_DIR, NULL));
    check_status(VARVE_E_NOSPACE, vv_file_fsync(file, VV_SITE_SEG_FILE, NULL));
    assert_string_equal("(none)", sim_after(sim, VV_SIM_CUT_NONE, "/a"));
    assert_int_equal(3, vv_sim_syncs(sim));
    check_ok(vv_file_close(file, NULL), NULL);
    vv_sim_free(sim);
}

static void a_full_disk_writes_what_fits(void **state)
{
    (void)state;
    varve_error err;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    vv_sim_set_capacity(sim, 1024);
    vv_file *file = sim_open(sim, "/a");
    check_status(VARVE_E_NOSPACE, vv_file_write_all(file, 0, sim_times('x', 1025), 1025, &err));
    assert_int_equal(ENOSPC, err.os_errno);
    vv_file_info info;
    check_ok(vv_file_stat(file, &info, NULL), NULL);
    assert_int_equal(1024, info.size);
    assert_int_equal(1024, vv_sim_used_bytes(sim));
    sim_write(file, 100, "inside of what is there");
    vv_file *other = sim_open(sim, "/b");
    check_status(VARVE_E_NOSPACE, vv_file_allocate(other, 0, 1, &err));
    check_ok(vv_file_close(file, NULL), NULL);
    check_ok(vv_vfs_unlink(vv_sim_vfs(sim), "/a", NULL), NULL);
    check_ok(vv_file_allocate(other, 0, 600, &err), &err);
    vv_fs_info space;
    check_ok(vv_vfs_statvfs(vv_sim_vfs(sim), "/", &space, NULL), NULL);
    assert_int_equal(0, space.free_bytes);
    check_ok(vv_file_close(other, NULL), NULL);
    vv_sim_free(sim);
}

static void what_it_lacks_is_unsupported(void **state)
{
    (void)state;
    vv_file *file = NULL;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    sim_put_durable(sim, "/a", "x");
    vv_sim_lacks lacks = {.allocate = true, .link = true, .is_network = true};
    vv_sim_set_lacks(sim, &lacks);
    file = sim_open(sim, "/a");
    check_status(VARVE_E_UNSUPPORTED, vv_file_allocate(file, 0, 10, NULL));
    check_status(VARVE_E_UNSUPPORTED, vv_vfs_link(vv_sim_vfs(sim), "/a", "/b", NULL));
    vv_fs_info space;
    check_ok(vv_vfs_statvfs(vv_sim_vfs(sim), "/", &space, NULL), NULL);
    assert_true(space.is_network);
    check_ok(vv_file_close(file, NULL), NULL);
    lacks = (vv_sim_lacks){.is_readonly = true};
    vv_sim_set_lacks(sim, &lacks);
    check_status(VARVE_E_READONLY, vv_vfs_mkdir(vv_sim_vfs(sim), "/d", NULL));
    check_status(VARVE_E_READONLY,
                 vv_file_open(vv_sim_vfs(sim), sim_memory(), "/a", RW, &file, NULL));
    check_ok(vv_file_open(vv_sim_vfs(sim), sim_memory(), "/a", VV_OPEN_READ, &file, NULL), NULL);
    check_ok(vv_file_close(file, NULL), NULL);
    vv_sim_free(sim);
}

/* ---- stopping ------------------------------------------------------------------------------- */

static void after_the_stop_nothing_changes(void **state)
{
    (void)state;
    varve_error err;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    sim_put_durable(sim, "/a", "old");
    vv_file *file = sim_open(sim, "/a");
    vv_sim_stop_at_changing_call(sim, vv_sim_changing_calls(sim) + 2);
    sim_write(file, 0, "new");
    assert_false(vv_sim_is_stopped(sim));
    check_status(VARVE_E_IO, vv_file_fdatasync(file, VV_SITE_WAL_GROUP, &err));
    assert_true(vv_sim_is_stopped(sim));
    check_status(VARVE_E_IO, vv_vfs_unlink(vv_sim_vfs(sim), "/a", &err));
    char buf[3];
    check_status(VARVE_E_IO, vv_file_read_exact(file, 0, buf, 3, &err));
    assert_string_equal("old", sim_after(sim, VV_SIM_CUT_NONE, "/a"));
    assert_string_equal("new", sim_after(sim, VV_SIM_CUT_ALL, "/a"));
    check_status(VARVE_E_IO, vv_file_close(file, NULL)); /* reports, but closes */
    assert_int_equal(0, vv_sim_open_files(sim));
    vv_sim_free(sim);
}

static void the_stop_can_be_at_any_call(void **state)
{
    (void)state;
    vv_file_info info;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    sim_put_durable(sim, "/a", "old");
    vv_sim_stop_at_call(sim, vv_sim_calls(sim) + 2);
    check_ok(vv_vfs_stat(vv_sim_vfs(sim), "/a", &info, NULL), NULL);
    check_status(VARVE_E_IO, vv_vfs_stat(vv_sim_vfs(sim), "/a", &info, NULL));
    vv_sim_free(sim);
}

typedef struct hook_log {
    vv_sim *sim;
    char text[1000];
    size_t changes;
} hook_log;

static void note_call(void *context, uint64_t changing_call, vv_vfs_op op, const char *path,
                      vv_sync_site site)
{
    hook_log *log = context;
    size_t used = strlen(log->text);
    snprintf(log->text + used, sizeof log->text - used, "%d %s %s %s\n", (int)changing_call,
             vv_vfs_op_name(op), path,
             site == VV_SYNC_SITE_COUNT ? "-" : vv_sync_site_get(site)->name);
    vv_sim_point *point = vv_sim_capture(log->sim); /* what the hook is for */
    log->changes += vv_sim_point_changes(point);
    vv_sim_point_free(point);
}

static void the_hook_sees_each_change_before_it_is_made(void **state)
{
    (void)state;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    hook_log log = {.sim = sim};
    vv_sim_set_hook(sim, note_call, &log);
    vv_file *file = sim_open(sim, "/a");
    sim_write(file, 0, "data");
    sim_sync(file);
    check_ok(vv_file_close(file, NULL), NULL);
    sim_rename(sim, "/a", "/b");
    assert_string_equal("1 open /a -\n"
                        "2 write /a -\n"
                        "3 sync /a wal.group\n"
                        "4 rename /b seg.rename\n",
                        log.text);
    assert_int_equal(0 + 1 + 3 + 1, log.changes); /* nothing; name; name, size, sector; name */
    vv_sim_free(sim);
}

/* ---- threads -------------------------------------------------------------------------------- */

typedef struct busy_writer {
    vv_sim *sim;
    char path[8];
} busy_writer;

static void write_and_rename(void *context)
{
    busy_writer *writer = context;
    char moved[16];
    snprintf(moved, sizeof moved, "%s.new", writer->path);
    for (int round = 0; round < 100; ++round) {
        vv_file *file = sim_open(writer->sim, writer->path);
        sim_write(file, 0, "some bytes that are written again and again");
        sim_sync(file);
        check_ok(vv_file_close(file, NULL), NULL);
        sim_rename(writer->sim, writer->path, moved);
        sim_sync_root(writer->sim);
    }
}

static void cut_again_and_again(void *context)
{
    vv_sim *sim = context;
    for (uint64_t round = 0; round < 100; ++round) {
        vv_sim_point *point = vv_sim_capture(sim);
        size_t index = (size_t)round % vv_sim_image_count(point);
        vv_sim_image *image = vv_sim_image_make(point, index, round);
        vv_sim_point_free(point);
        vv_sim *next = vv_sim_create(sim_memory(), image);
        vv_sim_image_free(image);
        sim_put_durable(next, "/mine", "of this life only");
        vv_sim_free(next);
    }
}

static void threads_write_while_others_cut(void **state)
{
    (void)state;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    busy_writer writers[] = {{sim, "/a"}, {sim, "/b"}};
    vv_thread threads[4];
    for (size_t i = 0; i < 2; ++i) {
        check_ok(vv_thread_start(&threads[i], "writer", write_and_rename, &writers[i], NULL), NULL);
        check_ok(vv_thread_start(&threads[2 + i], "cutter", cut_again_and_again, sim, NULL), NULL);
    }
    for (size_t i = 0; i < 4; ++i) {
        vv_thread_join(&threads[i]);
    }
    assert_string_equal("some bytes that are written again and again",
                        sim_after(sim, VV_SIM_CUT_NONE, "/a.new"));
    vv_sim_free(sim);
}

static void inode_numbers_of_removed_files_are_used_again(void **state)
{
    (void)state;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    vv_file_info info;
    for (int i = 0; i < 1000; ++i) {
        sim_put_durable(sim, "/a", "data");
        check_ok(vv_vfs_stat(vv_sim_vfs(sim), "/a", &info, NULL), NULL);
        assert_in_range(info.inode, 2, 200);
        check_ok(vv_vfs_unlink(vv_sim_vfs(sim), "/a", NULL), NULL);
    }
    sim_sync_root(sim);
    vv_sim_point *point = vv_sim_capture(sim);
    assert_int_equal(0, vv_sim_point_changes(point));
    vv_sim_point_free(point);
    vv_sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        sim_test(a_write_without_sync_is_lost_or_kept),
        sim_test(sync_of_a_file_does_not_keep_its_name),
        sim_test(sync_of_a_directory_does_not_keep_content),
        sim_test(rename_before_sync_can_yield_an_empty_file),
        sim_test(a_rename_is_kept_or_lost_as_one),
        sim_test(an_unlink_comes_back_until_the_directory_is_synced),
        sim_test(allocation_is_a_change_of_size_to_zeros),
        sim_test(an_ignored_site_reports_success_and_does_nothing),
        sim_test(an_ignored_rename_comes_in_two_halves),
        sim_test(after_a_failed_sync_pages_may_stay_dirty),
        sim_test(after_a_failed_sync_pages_may_be_clean_and_never_stored),
        sim_test(after_a_failed_sync_the_size_may_be_stored_without_content),
        sim_test(after_a_failed_sync_pages_may_be_reverted),
        sim_test(a_permanent_sync_fault_hits_files_and_directories),
        sim_test(a_full_disk_writes_what_fits),
        sim_test(what_it_lacks_is_unsupported),
        sim_test(after_the_stop_nothing_changes),
        sim_test(the_stop_can_be_at_any_call),
        sim_test(the_hook_sees_each_change_before_it_is_made),
        sim_test(threads_write_while_others_cut),
        sim_test(inode_numbers_of_removed_files_are_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
