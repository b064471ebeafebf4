/* SPDX-License-Identifier: Apache-2.0 */
/* What only the real file system has: links, pipes, other processes, permissions. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/check.h"
#include "support/temp_dir.h"
#include "sys/vfs.h"

#define RW (VV_OPEN_READ | VV_OPEN_WRITE)

static temp_dir dir;
static vv_alloc alloc;

static int begin(void **state)
{
    (void)state;
    vv_alloc_init(&alloc, NULL);
    temp_dir_create(&dir);
    return 0;
}

static int end(void **state)
{
    (void)state;
    temp_dir_remove(&dir);
    assert_int_equal(0, vv_alloc_bytes(&alloc));
    return 0;
}

static varve_status open_at(const char *name, uint32_t flags, vv_file **out_file, varve_error *err)
{
    return vv_file_open(vv_vfs_system(), &alloc, temp_dir_path(&dir, name), flags, out_file, err);
}

static void symbolic_links_are_not_followed(void **state)
{
    (void)state;
    varve_error err;
    vv_file *file = NULL;
    check_ok(open_at("real", RW | VV_OPEN_CREATE, &file, &err), &err);
    check_ok(vv_file_close(file, &err), &err);
    assert_int_equal(0, symlink("real", temp_dir_path(&dir, "link")));
    check_status(VARVE_E_INVALID, open_at("link", RW, &file, &err));
    assert_int_equal(ELOOP, err.os_errno);
    assert_null(file);
    vv_file_info info;
    check_ok(vv_vfs_stat(vv_vfs_system(), temp_dir_path(&dir, "link"), &info, &err), &err);
    assert_int_equal(VV_KIND_OTHER, info.kind);
    vv_dir_list list;
    check_ok(vv_vfs_list(vv_vfs_system(), &alloc, dir.path, &list, &err), &err);
    assert_int_equal(2, list.count);
    assert_string_equal("link", list.entries[0].name);
    assert_int_equal(VV_KIND_OTHER, list.entries[0].kind);
    vv_dir_list_deinit(&list);
}

static void removing_a_tree_does_not_follow_links(void **state)
{
    (void)state;
    varve_error err;
    vv_file *file = NULL;
    check_ok(vv_vfs_mkdir(vv_vfs_system(), temp_dir_path(&dir, "kept"), &err), &err);
    check_ok(open_at("kept/file", RW | VV_OPEN_CREATE, &file, &err), &err);
    check_ok(vv_file_close(file, &err), &err);
    check_ok(vv_vfs_mkdir(vv_vfs_system(), temp_dir_path(&dir, "tree"), &err), &err);
    assert_int_equal(0, symlink("../kept", temp_dir_path(&dir, "tree/link")));
    check_ok(vv_vfs_remove_tree(vv_vfs_system(), &alloc, temp_dir_path(&dir, "tree"), &err), &err);
    bool exists = false;
    check_ok(vv_vfs_exists(vv_vfs_system(), temp_dir_path(&dir, "kept/file"), &exists, &err), &err);
    assert_true(exists);
}

/* A blocking open of a pipe without a writer would hang; the test has a time limit. */
static void pipes_and_devices_are_refused_without_blocking(void **state)
{
    (void)state;
    varve_error err;
    vv_file *file = NULL;
    assert_int_equal(0, mkfifo(temp_dir_path(&dir, "pipe"), 0600));
    check_status(VARVE_E_INVALID, open_at("pipe", VV_OPEN_READ, &file, &err));
    assert_non_null(strstr(err.message, "not a regular file"));
    check_status(VARVE_E_INVALID, open_at("pipe", RW, &file, &err));
    check_status(VARVE_E_INVALID,
                 vv_file_open(vv_vfs_system(), &alloc, "/dev/null", RW, &file, &err));
    assert_null(file);
}

static void what_is_created_belongs_to_one_user(void **state)
{
    (void)state;
    varve_error err;
    vv_file *file = NULL;
    struct stat info;
    mode_t old_mask = umask(0);
    check_ok(open_at("file", RW | VV_OPEN_CREATE, &file, &err), &err);
    check_ok(vv_vfs_mkdir(vv_vfs_system(), temp_dir_path(&dir, "sub"), &err), &err);
    umask(old_mask);
    assert_int_equal(0, stat(temp_dir_path(&dir, "file"), &info));
    assert_int_equal(0600, info.st_mode & 0777);
    assert_int_equal(0, stat(temp_dir_path(&dir, "sub"), &info));
    assert_int_equal(0700, info.st_mode & 0777);
    assert_int_equal(FD_CLOEXEC, fcntl((int)file->handle, F_GETFD) & FD_CLOEXEC);
    check_ok(vv_file_close(file, &err), &err);
}

/* Runs in a forked child: 0 when the lock is refused there. */
static int try_lock_in_child(const char *path)
{
    vv_file *file = NULL;
    if (vv_file_open(vv_vfs_system(), &alloc, path, RW, &file, NULL) != VARVE_OK) {
        return 2;
    }
    varve_status status = vv_file_lock(file, NULL);
    return status == VARVE_E_LOCKED ? 0 : status == VARVE_OK ? 1 : 3;
}

static int run_in_child(const char *path)
{
    pid_t child = fork();
    if (child == 0) {
        _exit(try_lock_in_child(path));
    }
    int status = 0;
    assert_int_equal(child, waitpid(child, &status, 0));
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_lock_is_seen_by_other_processes(void **state)
{
    (void)state;
    varve_error err;
    vv_file *file = NULL;
    vv_file *second = NULL;
    const char *path = temp_dir_path(&dir, "LOCK");
    check_ok(open_at("LOCK", RW | VV_OPEN_CREATE, &file, &err), &err);
    assert_int_equal(1, run_in_child(path));
    check_ok(vv_file_lock(file, &err), &err);
    assert_int_equal(0, run_in_child(path));
    /* Unlike with process locks, closing another descriptor of the file keeps the lock. */
    check_ok(open_at("LOCK", RW, &second, &err), &err);
    check_ok(vv_file_close(second, &err), &err);
    assert_int_equal(0, run_in_child(path));
    check_ok(vv_file_unlock(file, &err), &err);
    assert_int_equal(1, run_in_child(path));
    check_ok(vv_file_close(file, &err), &err);
}

static void errors_say_what_was_tried_on_which_path(void **state)
{
    (void)state;
    varve_error err;
    vv_file *file = NULL;
    char expected[600];
    check_status(VARVE_E_NOT_FOUND, open_at("missing", RW, &file, &err));
    snprintf(expected, sizeof expected, "open %s: no such file or directory",
             temp_dir_path(&dir, "missing"));
    assert_string_equal(expected, err.message);
    check_status(VARVE_E_NOT_FOUND, vv_vfs_sync_dir(vv_vfs_system(), temp_dir_path(&dir, "no"),
                                                    VV_SITE_WAL_DIR, &err));
    assert_ptr_equal(err.message, strstr(err.message, "open directory "));
    check_status(VARVE_E_INVALID,
                 vv_vfs_stat(vv_vfs_system(), "/dev/null/x", &(vv_file_info){0}, &err));
    assert_int_equal(ENOTDIR, err.os_errno);
}

static void failing_calls_have_their_errno(void **state)
{
    (void)state;
    varve_error err;
    vv_file *file = NULL;
    size_t size = 0;
    char byte = 0;
    const void *memory = NULL;
    check_ok(open_at("file", VV_OPEN_WRITE | VV_OPEN_CREATE, &file, &err), &err);
    check_status(VARVE_E_IO, vv_file_read(file, 0, &byte, 1, &size, &err));
    assert_int_equal(EBADF, err.os_errno);
    check_status(VARVE_E_IO, vv_file_map(file, 10, &memory, &err));
    check_ok(vv_file_close(file, &err), &err);
    check_ok(open_at("file", VV_OPEN_READ, &file, &err), &err);
    check_status(VARVE_E_INVALID, vv_file_truncate(file, 10, &err));
    check_status(VARVE_E_IO, vv_file_allocate(file, 0, 10, &err));
    check_ok(vv_file_close(file, &err), &err);
    check_status(VARVE_E_NOT_FOUND, vv_vfs_statvfs(vv_vfs_system(), temp_dir_path(&dir, "no"),
                                                   &(vv_fs_info){0}, &err));
}

static void this_file_system_is_local(void **state)
{
    (void)state;
    vv_fs_info info;
    varve_error err;
    check_ok(vv_vfs_statvfs(vv_vfs_system(), "/proc", &info, &err), &err);
    assert_false(info.is_network);
}

static void no_file_takes_the_number_of_a_standard_stream(void **state)
{
    (void)state;
    varve_error err;
    char byte;
    vv_file *file = NULL;
    int kept = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10);
    assert_true(kept >= 0);
    assert_int_equal(0, close(STDIN_FILENO));
    varve_status status = open_at("log", RW | VV_OPEN_CREATE, &file, &err);
    ssize_t got = read(STDIN_FILENO, &byte, 1);
    int number = errno;
    assert_int_equal(STDIN_FILENO, dup2(kept, STDIN_FILENO));
    assert_int_equal(0, close(kept));
    check_ok(status, &err);
    assert_int_equal(-1, got);
    assert_int_equal(EBADF, number);
    check_ok(vv_file_close(file, &err), &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(symbolic_links_are_not_followed, begin, end),
        cmocka_unit_test_setup_teardown(removing_a_tree_does_not_follow_links, begin, end),
        cmocka_unit_test_setup_teardown(pipes_and_devices_are_refused_without_blocking, begin, end),
        cmocka_unit_test_setup_teardown(what_is_created_belongs_to_one_user, begin, end),
        cmocka_unit_test_setup_teardown(a_lock_is_seen_by_other_processes, begin, end),
        cmocka_unit_test_setup_teardown(errors_say_what_was_tried_on_which_path, begin, end),
        cmocka_unit_test_setup_teardown(failing_calls_have_their_errno, begin, end),
        cmocka_unit_test(this_file_system_is_local),
        cmocka_unit_test_setup_teardown(no_file_takes_the_number_of_a_standard_stream, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
