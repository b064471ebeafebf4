/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check of lock ranks.
 *
 * In debug builds each thread keeps the list of the mutexes it holds. Taking one compares its rank
 * with all of them, so an order that could deadlock is found on its first use by one thread, not by
 * the meeting of two. Release builds keep no list.
 */
#include "sys/lock_ranks.h"

#include "base/assert.h"
#include "base/text.h"
#include "sys/lock_ranks_priv.h"

/* Most locks one thread holds: all shards of the largest database, and some (arbitrary). */
#define VV_LOCKS_HELD_MAX (VV_LOCKS_ARE_CHECKED ? 512 : 1)

static _Thread_local struct {
    const vv_mutex *held[VV_LOCKS_HELD_MAX];
    size_t count;
} lock_ranks_mine;

static struct {
    vv_lock_failure_hook hook;
    void *context;
} lock_ranks_failure; /* set by tests before they start threads */

const char *vv_lock_rank_name(vv_lock_rank rank)
{
    switch (rank) {
#define LOCK_RANK_NAME(id, number, text) \
    case VV_RANK_##id:                   \
        return #id;
        VV_LOCK_RANK_MAP(LOCK_RANK_NAME)
#undef LOCK_RANK_NAME
    }
    return "?";
}

void vv_lock_set_failure_hook(vv_lock_failure_hook hook, void *context)
{
    lock_ranks_failure.hook = hook;
    lock_ranks_failure.context = context;
}

static void lock_ranks_report(const char *text)
{
    if (lock_ranks_failure.hook != NULL) {
        lock_ranks_failure.hook(lock_ranks_failure.context, text);
        return;
    }
    vv_assert_failed(__FILE__, __LINE__, text);
}

/* May a thread that holds `held` wait for `wanted`? */
static bool lock_ranks_allow(const vv_mutex *held, const vv_mutex *wanted)
{
    if (held->rank != wanted->rank) {
        return held->rank < wanted->rank;
    }
    return held->order < wanted->order;
}

void vv_lock_check_order(const vv_mutex *wanted)
{
    for (size_t index = 0; index < lock_ranks_mine.count; ++index) {
        const vv_mutex *held = lock_ranks_mine.held[index];
        if (!lock_ranks_allow(held, wanted)) {
            char text[160];
            vv_text_format(text, sizeof text, "lock %s/%u is taken while %s/%u is held",
                           vv_lock_rank_name(wanted->rank), wanted->order,
                           vv_lock_rank_name(held->rank), held->order);
            lock_ranks_report(text);
            return;
        }
    }
}

/* Waiting gives up `mutex` and takes it again, so it must come after all others that are held. */
void vv_lock_check_wait(const vv_mutex *mutex)
{
    for (size_t index = 0; index < lock_ranks_mine.count; ++index) {
        const vv_mutex *held = lock_ranks_mine.held[index];
        if (held != mutex && !lock_ranks_allow(held, mutex)) {
            lock_ranks_report("a condition is waited for while a later lock is held");
            return;
        }
    }
}

void vv_lock_note_taken(const vv_mutex *mutex)
{
    if (VV_LOCKS_ARE_CHECKED) {
        VV_ASSERT(lock_ranks_mine.count < VV_LOCKS_HELD_MAX);
        lock_ranks_mine.held[lock_ranks_mine.count] = mutex;
        lock_ranks_mine.count += 1;
    }
}

/* Where the mutex is in the list; the count when it is not. The latest is looked at first. */
static size_t lock_ranks_find(const vv_mutex *mutex)
{
    for (size_t index = lock_ranks_mine.count; index > 0; --index) {
        if (lock_ranks_mine.held[index - 1] == mutex) {
            return index - 1;
        }
    }
    return lock_ranks_mine.count;
}

void vv_lock_note_given(const vv_mutex *mutex)
{
    size_t index = lock_ranks_find(mutex);
    if (index < lock_ranks_mine.count) {
        lock_ranks_mine.count -= 1;
        lock_ranks_mine.held[index] = lock_ranks_mine.held[lock_ranks_mine.count];
    } else if (VV_LOCKS_ARE_CHECKED) {
        lock_ranks_report("a lock is released that this thread does not hold");
    }
}

void vv_mutex_assert_held(const vv_mutex *mutex)
{
    if (VV_LOCKS_ARE_CHECKED && lock_ranks_find(mutex) == lock_ranks_mine.count) {
        char text[80];
        vv_text_format(text, sizeof text, "lock %s is not held", vv_lock_rank_name(mutex->rank));
        lock_ranks_report(text);
    }
}

void vv_mutex_assert_none_held(void)
{
    if (lock_ranks_mine.count > 0) {
        char text[80];
        vv_text_format(text, sizeof text, "lock %s is held",
                       vv_lock_rank_name(lock_ranks_mine.held[0]->rank));
        lock_ranks_report(text);
    }
}
