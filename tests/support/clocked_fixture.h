/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine fixture under a clock that stands until it is moved. It is not open yet when it is
 * created: the test sets options and calls engine_fixture_open(&w->f).
 */
#ifndef VV_TESTS_SUPPORT_CLOCKED_FIXTURE_H
#define VV_TESTS_SUPPORT_CLOCKED_FIXTURE_H

#include "support/engine_fixture.h"
#include "support/manual_clock.h"

typedef struct clocked_fixture {
    engine_fixture f;
    manual_clock clock;
} clocked_fixture;

static inline void clocked_fixture_create(clocked_fixture *w, int64_t wall_ns)
{
    engine_fixture_prepare(&w->f);
    manual_clock_init(&w->clock, wall_ns);
    w->f.env.clock = manual_clock_of(&w->clock);
}

#endif
