/* SPDX-License-Identifier: Apache-2.0 */
#include "support/manual_clock.h"

void manual_clock_init(manual_clock *clock, int64_t wall_ns)
{
    atomic_init(&clock->mono_ns, VV_NS_PER_S); /* not 0, which could hide an unset time */
    atomic_init(&clock->wall_ns, wall_ns);
}

void manual_clock_advance(manual_clock *clock, int64_t ns)
{
    atomic_fetch_add(&clock->mono_ns, ns);
    atomic_fetch_add(&clock->wall_ns, ns);
}

void manual_clock_set_wall(manual_clock *clock, int64_t wall_ns)
{
    atomic_store(&clock->wall_ns, wall_ns);
}

static int64_t manual_clock_mono(void *context)
{
    return atomic_load(&((manual_clock *)context)->mono_ns);
}

static int64_t manual_clock_wall(void *context)
{
    return atomic_load(&((manual_clock *)context)->wall_ns);
}

vv_clock manual_clock_of(manual_clock *clock)
{
    return (vv_clock){.context = clock, .mono_ns = manual_clock_mono, .wall_ns = manual_clock_wall};
}

static varve_status manual_clock_fill(void *context, void *buf, size_t size, varve_error *out_err)
{
    (void)out_err;
    vv_random_fill(context, buf, size);
    return VARVE_OK;
}

vv_entropy manual_entropy_of(vv_random *random)
{
    return (vv_entropy){.context = random, .fill = manual_clock_fill};
}
