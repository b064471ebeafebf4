/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A system that installs no fork handlers. Without one the registry could not be forgotten in a
 * child: nothing is opened for writing. Generations are told by the process id then.
 *
 * The function of the C library is met by name: the one below stands before it.
 */
#include "support/check.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "sys/fork_guard.h"
#include "sys/registry.h"

int pthread_atfork(void (*before)(void), void (*in_parent)(void), void (*in_child)(void))
{
    (void)before;
    (void)in_parent;
    (void)in_child;
    return ENOMEM;
}

static void without_fork_handlers_no_directory_is_registered(void **state)
{
    (void)state;
    varve_error err;
    vv_registry_entry entry = {0};
    for (int i = 0; i < 2; i++) {
        check_status(VARVE_E_NOMEM, vv_registry_add(&entry, 1, 10, "/data", &err));
        assert_string_equal("the fork handler could not be installed", err.message);
        assert_int_equal(0, entry.generation);
    }
}

static void without_fork_handlers_a_process_is_known_by_its_id(void **state)
{
    (void)state;
    assert_int_equal((uint32_t)getpid(), vv_process_generation());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_fork_handlers_no_directory_is_registered),
        cmocka_unit_test(without_fork_handlers_a_process_is_known_by_its_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
