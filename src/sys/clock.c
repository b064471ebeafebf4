/* SPDX-License-Identifier: Apache-2.0 */
/* The clocks of the operating system. */
#include "sys/clock.h"

#include <time.h>

#include "base/assert.h"
#include "base/checked.h"

static int64_t clock_read(clockid_t id)
{
    struct timespec now;
    int result = clock_gettime(id, &now);
    VV_ASSERT(result == 0); /* these clocks exist on every Linux */
    return vv_sat_add_i64(vv_sat_mul_i64(now.tv_sec, VV_NS_PER_S), now.tv_nsec);
}

int64_t vv_mono_now_ns(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

int64_t vv_wall_now_ns(void)
{
    return clock_read(CLOCK_REALTIME);
}

int64_t vv_thread_cpu_ns(void)
{
    return clock_read(CLOCK_THREAD_CPUTIME_ID);
}

int64_t vv_deadline_after_ns(int64_t delay_ns)
{
    return vv_sat_add_i64(vv_mono_now_ns(), delay_ns < 0 ? 0 : delay_ns);
}

int64_t vv_deadline_after_ms(uint64_t delay_ms)
{
    return delay_ms > (uint64_t)(INT64_MAX / VV_NS_PER_MS)
               ? INT64_MAX
               : vv_deadline_after_ns((int64_t)delay_ms * VV_NS_PER_MS);
}

static int64_t clock_mono(void *context)
{
    (void)context;
    return vv_mono_now_ns();
}

static int64_t clock_wall(void *context)
{
    (void)context;
    return vv_wall_now_ns();
}

vv_clock vv_clock_system(void)
{
    return (vv_clock){.mono_ns = clock_mono, .wall_ns = clock_wall};
}
