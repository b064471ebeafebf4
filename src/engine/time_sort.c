/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A merge sort from the bottom up on (time, index) pairs: stable, no recursion, no bad case, and
 * nearly free where the rows are nearly sorted, because halves that are in order are not merged.
 * The pairs begin as sorted groups of TIME_GROUP, made by insertion.
 */

#include "engine/time_sort.h"

#include <string.h>

#include "base/assert.h"
#include "base/status.h"

enum { TIME_GROUP = 16 }; /* arbitrary: a few cache lines */

typedef struct time_pair {
    int64_t time;
    uint32_t index;
} time_pair;

bool vv_time_is_sorted(const int64_t *times, size_t count, bool is_strict)
{
    /* No exit inside a group of rows: the comparisons of a group run side by side. */
    for (size_t begin = 1; begin < count; begin += 256) {
        size_t end = count - begin < 256 ? count : begin + 256;
        unsigned bad = 0;
        if (is_strict) {
            for (size_t i = begin; i < end; i++) {
                bad |= (unsigned)(times[i - 1] >= times[i]);
            }
        } else {
            for (size_t i = begin; i < end; i++) {
                bad |= (unsigned)(times[i - 1] > times[i]);
            }
        }
        if (bad != 0) {
            return false;
        }
    }
    return true;
}

static void time_sort_group(time_pair *pairs, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        time_pair pair = pairs[i];
        size_t at = i;
        while (at > 0 && pairs[at - 1].time > pair.time) {
            pairs[at] = pairs[at - 1];
            at--;
        }
        pairs[at] = pair;
    }
}

/** Merge [0, middle) and [middle, count) of source into target. */
static void time_sort_merge(const time_pair *source, size_t middle, size_t count, time_pair *target)
{
    if (middle >= count || source[middle - 1].time <= source[middle].time) {
        memcpy(target, source, count * sizeof *source);
        return;
    }
    size_t a = 0;
    size_t b = middle;
    for (size_t i = 0; i < count; i++) {
        bool takes_b = a == middle || (b < count && source[b].time < source[a].time);
        target[i] = source[takes_b ? b : a];
        a += takes_b ? 0 : 1;
        b += takes_b ? 1 : 0;
    }
}

varve_status vv_time_sort(const int64_t *times, size_t count, vv_arena *arena, uint32_t **out_order,
                          varve_error *out_err)
{
    *out_order = NULL;
    if (vv_time_is_sorted(times, count, /* strict */ false)) {
        return VARVE_OK;
    }
    VV_ASSERT(count <= UINT32_MAX);
    uint32_t *order = vv_arena_array(arena, count, sizeof *order);
    vv_arena_mark mark = vv_arena_save(arena); /* the pairs go again */
    time_pair *pairs = vv_arena_array(arena, count, 2 * sizeof *pairs);
    if (order == NULL || pairs == NULL) {
        return vv_arena_fail(arena, count * 2 * sizeof *pairs, out_err);
    }
    time_pair *other = pairs + count;
    for (size_t i = 0; i < count; i++) {
        pairs[i] = (time_pair){.time = times[i], .index = (uint32_t)i};
    }
    for (size_t i = 0; i < count; i += TIME_GROUP) {
        time_sort_group(pairs + i, count - i < TIME_GROUP ? count - i : TIME_GROUP);
    }
    for (size_t width = TIME_GROUP; width < count; width *= 2) {
        for (size_t i = 0; i < count; i += 2 * width) {
            size_t left = count - i;
            time_sort_merge(pairs + i, width, left < 2 * width ? left : 2 * width, other + i);
        }
        time_pair *swap = pairs;
        pairs = other;
        other = swap;
    }
    for (size_t i = 0; i < count; i++) {
        order[i] = pairs[i].index;
    }
    vv_arena_restore(arena, mark);
    *out_order = order;
    return VARVE_OK;
}
