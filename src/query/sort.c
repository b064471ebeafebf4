/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A merge sort that can be watched: stable, n log n comparisons whatever the input, no recursion,
 * memory counted by the cursor, and the caller's wish to stop is asked for on the way (comparing a
 * million names takes seconds).
 */

#include <string.h>

#include "base/status.h"
#include "query/cursor_priv.h"

enum { SORT_POLL_ITEMS = 4096 }; /* well below a millisecond of comparing names */

typedef struct sort_run {
    const uint8_t *items;
    uint8_t *spare;
    size_t size; /* of an item */
    vv_sort_compare compare;
    const void *context;
} sort_run;

/** Runs [begin, middle) and [middle, end) of items, merged into spare. */
static void sort_merge(const sort_run *run, size_t begin, size_t middle, size_t end)
{
    size_t left = begin;
    size_t right = middle;
    for (size_t to = begin; to < end; to++) {
        const uint8_t *a = run->items + left * run->size;
        const uint8_t *b = run->items + right * run->size;
        bool takes_left = left < middle && (right >= end || run->compare(run->context, a, b) <= 0);
        memcpy(run->spare + to * run->size, takes_left ? a : b, run->size);
        left += takes_left;
        right += !takes_left;
    }
}

static varve_status sort_passes(varve_cursor *cursor, sort_run *run, uint8_t *own, size_t count,
                                varve_error *out_err)
{
    uint8_t *source = own;
    uint8_t *target = run->spare;
    size_t polled = 0;
    for (size_t width = 1; width < count; width *= 2) {
        run->items = source;
        run->spare = target;
        for (size_t begin = 0; begin < count; begin += 2 * width) {
            size_t middle = count - begin < width ? count : begin + width;
            size_t end = count - middle < width ? count : middle + width;
            sort_merge(run, begin, middle, end);
            polled += end - begin;
            if (polled >= SORT_POLL_ITEMS) {
                VV_TRY(vv_cursor_poll(cursor, out_err));
                polled = 0;
            }
        }
        uint8_t *swap = source;
        source = target;
        target = swap;
    }
    if (source != own) {
        memcpy(own, source, count * run->size);
    }
    return VARVE_OK;
}

varve_status vv_cursor_sort(varve_cursor *cursor, void *items, size_t count, size_t size,
                            vv_sort_compare compare, const void *context, varve_error *out_err)
{
    if (count < 2) {
        return VARVE_OK;
    }
    uint8_t *spare = vv_alloc_array(&cursor->alloc, count, size);
    if (spare == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    sort_run run = {.spare = spare, .size = size, .compare = compare, .context = context};
    varve_status status = sort_passes(cursor, &run, items, count, out_err);
    vv_alloc_free(&cursor->alloc, spare, count * size);
    return status;
}
