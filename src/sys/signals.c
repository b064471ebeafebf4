/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/signals.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "sys/clock.h"

static volatile sig_atomic_t signals_has_stop;
static sem_t signals_stop; /* the one way out of a handler that any thread may run */

static void signals_on_stop(int number)
{
    int saved = errno;
    (void)number;
    signals_has_stop = 1;
    (void)sem_post(&signals_stop); /* fails when nobody has listened for INT_MAX signals */
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
    int result = sem_init(&signals_stop, 0, 0);
    VV_ASSERT(result == 0); /* fails for a value that is too large */
    signals_set(SIGTERM, signals_on_stop, 0);
    signals_set(SIGINT, signals_on_stop, (int)SA_RESETHAND);
    signals_set(SIGPIPE, SIG_IGN, 0);
}

bool vv_signals_is_stop_asked(void)
{
    return signals_has_stop != 0;
}

void vv_signals_wait_stop(void)
{
    while (signals_has_stop == 0) {
        (void)sem_wait(&signals_stop); /* EINTR: asked again */
    }
}

bool vv_signals_wait_stop_until(int64_t deadline_mono_ns)
{
    struct timespec deadline = {.tv_sec = (time_t)(deadline_mono_ns / VV_NS_PER_S),
                                .tv_nsec = (long)(deadline_mono_ns % VV_NS_PER_S)};
    while (signals_has_stop == 0) {
        if (sem_clockwait(&signals_stop, CLOCK_MONOTONIC, &deadline) != 0 && errno == ETIMEDOUT) {
            break;
        }
    }
    return signals_has_stop != 0;
}

bool vv_is_terminal(int descriptor)
{
    return isatty(descriptor) == 1;
}
