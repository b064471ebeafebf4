/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time. A database asks the clock of its environment; deadlines of conditions are always in
 * vv_mono_now_ns, whatever clock the environment has.
 */
#ifndef VV_SYS_CLOCK_H
#define VV_SYS_CLOCK_H

#include <stdint.h>

#define VV_NS_PER_US INT64_C(1000)
#define VV_NS_PER_MS INT64_C(1000000)
#define VV_NS_PER_S  INT64_C(1000000000)

typedef struct vv_clock {
    void *context;
    int64_t (*mono_ns)(void *context); /* never goes back, stands still while the machine sleeps */
    int64_t (*wall_ns)(void *context); /* since 1970-01-01 UTC, may jump */
} vv_clock;

/* The clocks of the operating system. */
vv_clock vv_clock_system(void);

int64_t vv_mono_now_ns(void);
int64_t vv_wall_now_ns(void);
/* CPU time of the calling thread. */
int64_t vv_thread_cpu_ns(void);

/* vv_mono_now_ns() + delay_ns without overflow; negative delays count as 0. */
int64_t vv_deadline_after_ns(int64_t delay_ns);
/* The same of milliseconds: INT64_MAX, which no clock reaches, where they do not fit. */
int64_t vv_deadline_after_ms(uint64_t delay_ms);

#endif
