/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/signals.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "sys/clock.h"

/* Set by handlers, which may run in a thread of a library that does not block signals. */
_Static_assert(ATOMIC_BOOL_LOCK_FREE == 2, "handlers take no lock");
static atomic_bool signals_has_stop;
static atomic_bool signals_has_end; /* it was a SIGTERM */
static atomic_bool signals_has_reload;
static bool signals_are_often;
static sem_t signals_came; /* the one way out of a handler that any thread may run */

static void signals_on_stop(int number)
{
    int saved = errno;
    atomic_store(&signals_has_stop, true);
    if (number == SIGTERM) {
        atomic_store(&signals_has_end, true);
    }
    (void)sem_post(&signals_came); /* fails when nobody has listened for INT_MAX signals */
    errno = saved;
}

static void signals_on_reload(int number)
{
    int saved = errno;
    (void)number;
    atomic_store(&signals_has_reload, true);
    (void)sem_post(&signals_came);
    errno = saved;
}

static void signals_set(int number, void (*handler)(int), int flags)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = flags;
    (void)sigemptyset(&action.sa_mask);
    int result = sigaction(number, &action, NULL);
    VV_ASSERT(result == 0); /* fails for numbers that are no signal */
}

void vv_signals_catch(void)
{
    int result = sem_init(&signals_came, 0, 0);
    VV_ASSERT(result == 0); /* fails for a value that is too large */
    signals_set(SIGTERM, signals_on_stop, 0);
    signals_set(SIGINT, signals_on_stop, signals_are_often ? 0 : (int)SA_RESETHAND);
    vv_signals_ignore_pipe();
}

void vv_signals_ignore_pipe(void)
{
    signals_set(SIGPIPE, SIG_IGN, 0);
}

void vv_signals_catch_often(void)
{
    signals_are_often = true;
    vv_signals_catch();
}

void vv_signals_forget_interrupt(void)
{
    atomic_store(&signals_has_stop, false);
}

bool vv_signals_is_stop_asked(void)
{
    return atomic_load(&signals_has_stop) || atomic_load(&signals_has_end);
}

bool vv_signals_is_end_asked(void)
{
    return atomic_load(&signals_has_end);
}

void vv_signals_catch_reload(void)
{
    signals_set(SIGHUP, signals_on_reload, 0);
}

vv_signal vv_signals_wait(void)
{
    for (;;) {
        if (vv_signals_is_stop_asked()) {
            return VV_SIGNAL_STOP;
        }
        if (atomic_exchange(&signals_has_reload, false)) {
            return VV_SIGNAL_RELOAD; /* one that comes from here on is a reload of its own */
        }
        (void)sem_wait(&signals_came); /* EINTR: asked again */
    }
}

bool vv_signals_wait_stop_until(int64_t deadline_mono_ns)
{
    struct timespec deadline = {.tv_sec = (time_t)(deadline_mono_ns / VV_NS_PER_S),
                                .tv_nsec = (long)(deadline_mono_ns % VV_NS_PER_S)};
    while (!vv_signals_is_stop_asked()) {
        if (sem_clockwait(&signals_came, CLOCK_MONOTONIC, &deadline) != 0 && errno == ETIMEDOUT) {
            break;
        }
    }
    return vv_signals_is_stop_asked();
}

void vv_signals_ask_stop(void)
{
    int result = kill(getpid(), SIGTERM);
    VV_ASSERT(result == 0); /* a process may always signal itself */
}

bool vv_is_terminal(int descriptor)
{
    return isatty(descriptor) == 1;
}
