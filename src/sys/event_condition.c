/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events of sys/thread.h over POSIX conditions, for systems that cannot wait for a word of memory.
 * An event is two words, so what waits for it hangs on one of a few places, chosen by its address:
 *
 *      event A, event B --> place: mutex, condition
 *
 * A wake wakes all of a place, however few are asked for. Those whose event has advanced return,
 * the others sleep on.
 */
#include <errno.h>
#include <time.h>

#include "base/assert.h"
#include "sys/clock.h"
#include "sys/thread.h"

enum { EVENT_PLACES = 16, EVENT_PLACE_SHIFT = 6 /* a line of a cache */ };

typedef struct event_place {
    pthread_mutex_t mutex;
    pthread_cond_t woken;
} event_place;

static event_place event_condition_places[EVENT_PLACES];
static pthread_once_t event_condition_places_once = PTHREAD_ONCE_INIT;

/* Without locks of ours around it: a place is the innermost lock of all. */
static void event_condition_make_places(void)
{
    pthread_condattr_t attributes;
    int result = pthread_condattr_init(&attributes);
    VV_ASSERT(result == 0);
    result = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    VV_ASSERT(result == 0);
    for (size_t i = 0; i < EVENT_PLACES; i++) {
        result = pthread_mutex_init(&event_condition_places[i].mutex, NULL);
        VV_ASSERT(result == 0);
        result = pthread_cond_init(&event_condition_places[i].woken, &attributes);
        VV_ASSERT(result == 0);
    }
    (void)pthread_condattr_destroy(&attributes);
}

static event_place *event_condition_place_of(const vv_event *event)
{
    int result = pthread_once(&event_condition_places_once, event_condition_make_places);
    VV_ASSERT(result == 0);
    return &event_condition_places[((uintptr_t)event >> EVENT_PLACE_SHIFT) % EVENT_PLACES];
}

static bool event_condition_sleep(event_place *place, int64_t deadline_mono_ns)
{
    if (deadline_mono_ns == VV_NO_DEADLINE) {
        int result = pthread_cond_wait(&place->woken, &place->mutex);
        VV_ASSERT(result == 0);
        return true;
    }
    int64_t deadline_ns = deadline_mono_ns < 0 ? 0 : deadline_mono_ns;
    struct timespec deadline = {
        .tv_sec = (time_t)(deadline_ns / VV_NS_PER_S),
        .tv_nsec = (long)(deadline_ns % VV_NS_PER_S),
    };
    int result = pthread_cond_timedwait(&place->woken, &place->mutex, &deadline);
    VV_ASSERT(result == 0 || result == ETIMEDOUT);
    return result == 0;
}

uint32_t vv_event_read(const vv_event *event)
{
    return atomic_load(&event->value);
}

bool vv_event_wait_until(vv_event *event, uint32_t seen, int64_t deadline_mono_ns)
{
    event_place *place = event_condition_place_of(event);
    bool is_woken = true;
    int result = pthread_mutex_lock(&place->mutex);
    VV_ASSERT(result == 0);
    atomic_fetch_add(&event->waiters, 1);
    while (is_woken && atomic_load(&event->value) == seen) {
        is_woken = event_condition_sleep(place, deadline_mono_ns);
    }
    atomic_fetch_sub(&event->waiters, 1);
    result = pthread_mutex_unlock(&place->mutex);
    VV_ASSERT(result == 0);
    return is_woken;
}

void vv_event_advance(vv_event *event)
{
    atomic_fetch_add(&event->value, 1);
}

void vv_event_wake(vv_event *event, uint32_t count)
{
    if (count == 0 || atomic_load(&event->waiters) == 0) {
        return;
    }
    event_place *place = event_condition_place_of(event);
    int result = pthread_mutex_lock(&place->mutex);
    VV_ASSERT(result == 0);
    result = pthread_cond_broadcast(&place->woken);
    VV_ASSERT(result == 0);
    result = pthread_mutex_unlock(&place->mutex);
    VV_ASSERT(result == 0);
}
