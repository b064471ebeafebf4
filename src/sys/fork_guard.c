/* SPDX-License-Identifier: Apache-2.0 */
/* Counts forks by a handler that runs in each child before fork returns there. */
#include "sys/fork_guard.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#include "sys/thread.h"

static vv_once fork_guard_once = VV_ONCE_INIT;
static bool fork_guard_works;                 /* set by the once function */
static atomic_uint fork_guard_generation = 1; /* written where only one thread runs */

static void fork_guard_in_child(void)
{
    atomic_fetch_add(&fork_guard_generation, 1);
}

static void fork_guard_install(void)
{
    fork_guard_works = pthread_atfork(NULL, NULL, fork_guard_in_child) == 0;
}

uint32_t vv_process_generation(void)
{
    vv_once_run(&fork_guard_once, fork_guard_install);
    /* Without memory for the handler the process id does the same, by a system call. */
    return fork_guard_works ? atomic_load(&fork_guard_generation) : (uint32_t)getpid();
}
