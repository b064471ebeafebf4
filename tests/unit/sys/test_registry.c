/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/check.h"
#include "support/child.h"
#include "sys/fork_guard.h"
#include "sys/registry.h"
#include "sys/thread.h"

static void the_same_directory_is_refused_until_it_is_removed(void **state)
{
    (void)state;
    vv_registry_entry first = {0};
    vv_registry_entry second = {0};
    vv_registry_entry other = {0};
    varve_error err;
    check_ok(vv_registry_add(&first, 1, 10, "/data", &err), &err);
    check_status(VARVE_E_LOCKED, vv_registry_add(&second, 1, 10, "/data", &err));
    assert_string_equal("/data is already open for writing in this process", err.message);
    check_ok(vv_registry_add(&other, 2, 10, "/other", &err), &err);
    vv_registry_remove(&first);
    check_ok(vv_registry_add(&second, 1, 10, "/data", &err), &err);
    vv_registry_remove(&second);
    vv_registry_remove(&second); /* does nothing */
    vv_registry_remove(&other);
}

/* R2, as exit codes of the child. */
static int child_of(vv_registry_entry *parents)
{
    vv_registry_entry own = {0};
    vv_registry_entry again = {0};
    if (vv_registry_add(&own, 7, 70, "/data", NULL) != VARVE_OK) {
        return 1; /* the parent's entry was not forgotten */
    }
    vv_registry_remove(parents); /* must not touch the child's */
    if (vv_registry_add(&again, 7, 70, "/data", NULL) != VARVE_E_LOCKED) {
        return 2;
    }
    vv_registry_remove(&own);
    return 0;
}

static void a_forked_child_starts_anew(void **state)
{
    (void)state;
    vv_registry_entry entry = {0};
    vv_registry_entry second = {0};
    check_ok(vv_registry_add(&entry, 7, 70, "/data", NULL), NULL);
    pid_t child = fork();
    if (child == 0) {
        child_exit(child_of(&entry));
    }
    int status = 0;
    assert_int_equal(child, waitpid(child, &status, 0));
    assert_true(WIFEXITED(status));
    assert_int_equal(0, WEXITSTATUS(status));
    check_status(VARVE_E_LOCKED, vv_registry_add(&second, 7, 70, "/data", NULL));
    vv_registry_remove(&entry);
}

/* A fork while another thread is in the registry must leave the child able to use it. */
static void add_and_remove(void *context)
{
    vv_registry_entry entry = {0};
    const uint64_t inode = *(const uint64_t *)context;
    for (int round = 0; round < 2000; ++round) {
        check_ok(vv_registry_add(&entry, 3, inode, "/busy", NULL), NULL);
        vv_registry_remove(&entry);
    }
}

static void a_fork_in_the_middle_of_a_change_is_safe(void **state)
{
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* it reports the parent's thread as leaked by the child */
#endif
    vv_thread thread;
    uint64_t inode = 30;
    check_ok(vv_thread_start(&thread, "busy", add_and_remove, &inode, NULL), NULL);
    for (int round = 0; round < 20; ++round) {
        pid_t child = fork();
        if (child == 0) {
            alarm(20); /* a deadlock ends by this */
            vv_registry_entry entry = {0};
            child_exit(vv_registry_add(&entry, 3, 30, "/busy", NULL) == VARVE_OK ? 0 : 1);
        }
        int status = 0;
        assert_int_equal(child, waitpid(child, &status, 0));
        assert_true(WIFEXITED(status));
        assert_int_equal(0, WEXITSTATUS(status));
    }
    vv_thread_join(&thread);
}

static void each_fork_is_a_new_generation(void **state)
{
    (void)state;
    uint32_t mine = vv_process_generation();
    pid_t child = fork();
    if (child == 0) {
        uint32_t its = vv_process_generation();
        pid_t grandchild = fork();
        if (grandchild == 0) {
            child_exit(vv_process_generation() == mine + 2 ? 0 : 1);
        }
        int status = 0;
        waitpid(grandchild, &status, 0);
        child_exit(its == mine + 1 && WIFEXITED(status) ? WEXITSTATUS(status) : 1);
    }
    int status = 0;
    assert_int_equal(child, waitpid(child, &status, 0));
    assert_int_equal(0, WEXITSTATUS(status));
    assert_int_equal(mine, vv_process_generation());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_directory_is_refused_until_it_is_removed),
        cmocka_unit_test(a_forked_child_starts_anew),
        cmocka_unit_test(a_fork_in_the_middle_of_a_change_is_safe),
        cmocka_unit_test(each_fork_is_a_new_generation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
