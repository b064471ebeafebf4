/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/check.h"
#include "support/temp_dir.h"
#include "sys/socket_file.h"

static void socket_file_is_locked_by_one_at_a_time(void **state)
{
    (void)state;
    temp_dir dir;
    varve_error err;
    int first;
    int second;
    temp_dir_create(&dir);
    const char *path = temp_dir_path(&dir, "s");
    check_ok(vv_socket_file_lock(path, &first, &err), &err);
    check_status(VARVE_E_LOCKED, vv_socket_file_lock(path, &second, &err));
    assert_int_equal(second, -1);
    vv_socket_file_unlock(path, first);
    check_ok(vv_socket_file_lock(path, &second, &err), &err);
    vv_socket_file_unlock(path, second);
    temp_dir_remove(&dir);
}

static void socket_file_locks_leave_nothing_and_take_what_is_left(void **state)
{
    (void)state;
    temp_dir dir;
    varve_error err;
    struct stat info;
    int fd;
    temp_dir_create(&dir);
    const char *path = temp_dir_path(&dir, "s");
    const char *lock = temp_dir_path(&dir, "s.lock");
    fclose(fopen(lock, "w")); /* of a process that has died */
    check_ok(vv_socket_file_lock(path, &fd, &err), &err);
    vv_socket_file_unlock(path, fd);
    assert_int_not_equal(stat(lock, &info), 0);
    /* A link may name anything. */
    const char *other = temp_dir_path(&dir, "other");
    assert_int_equal(symlink(other, lock), 0);
    check_status(VARVE_E_IO, vv_socket_file_lock(path, &fd, &err));
    assert_int_not_equal(stat(other, &info), 0);
    check_status(VARVE_E_IO, vv_socket_file_lock(temp_dir_path(&dir, "no/s"), &fd, &err));
    temp_dir_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(socket_file_is_locked_by_one_at_a_time),
        cmocka_unit_test(socket_file_locks_leave_nothing_and_take_what_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
