/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events of sys/thread.h where the system can wait for a word of memory: Linux. Others get
 * event_condition.c; cmake/VarveRooms.cmake chooses.
 */
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "sys/clock.h"
#include "sys/thread.h"

_Static_assert(sizeof(_Atomic uint32_t) == sizeof(uint32_t), "the system looks at the word itself");

static long event_futex_call(_Atomic uint32_t *word, int operation, uint32_t value,
                             const struct timespec *deadline)
{
    return syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, deadline, NULL,
                   FUTEX_BITSET_MATCH_ANY);
}

uint32_t vv_event_read(const vv_event *event)
{
    return atomic_load(&event->value);
}

bool vv_event_wait_until(vv_event *event, uint32_t seen, int64_t deadline_mono_ns)
{
    int64_t deadline_ns = deadline_mono_ns < 0 ? 0 : deadline_mono_ns;
    struct timespec deadline = {
        .tv_sec = (time_t)(deadline_ns / VV_NS_PER_S),
        .tv_nsec = (long)(deadline_ns % VV_NS_PER_S),
    };
    /* Counted before the system compares: a wake sees either the count or a thread that does not
     * sleep. */
    atomic_fetch_add(&event->waiters, 1);
    long result = event_futex_call(&event->value, FUTEX_WAIT_BITSET, seen,
                                   deadline_mono_ns == VV_NO_DEADLINE ? NULL : &deadline);
    int reason = result == 0 ? 0 : errno;
    atomic_fetch_sub(&event->waiters, 1);
    VV_ASSERT(reason == 0 || reason == EAGAIN || reason == EINTR || reason == ETIMEDOUT);
    return reason != ETIMEDOUT;
}

void vv_event_advance(vv_event *event)
{
    atomic_fetch_add(&event->value, 1);
}

void vv_event_wake(vv_event *event, uint32_t count)
{
    if (atomic_load(&event->waiters) > 0) {
        uint32_t most = count > INT32_MAX ? INT32_MAX : count;
        long result = event_futex_call(&event->value, FUTEX_WAKE_BITSET, most, NULL);
        VV_ASSERT(result >= 0);
    }
}
