/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/tail_seen.h"

#include <string.h>

typedef struct tail_seen_series {
    vv_vec before; /* int64_t, ascending: times of the look before */
    vv_vec now;    /* of the one under way, */
    uint64_t look; /* which is this one, if it has rows of the series */
    size_t at;     /* of the first in `before` that may still be met */
} tail_seen_series;

void vv_tail_seen_init(vv_tail_seen *seen, vv_alloc *alloc)
{
    *seen = (vv_tail_seen){.alloc = alloc};
    vv_names_init(&seen->names, alloc);
    vv_vec_init(&seen->series, alloc, sizeof(tail_seen_series), SIZE_MAX);
}

void vv_tail_seen_deinit(vv_tail_seen *seen)
{
    for (size_t i = 0; i < seen->series.count; i++) {
        tail_seen_series *series = VV_VEC_AT(&seen->series, tail_seen_series, i);
        vv_vec_deinit(&series->before);
        vv_vec_deinit(&series->now);
    }
    vv_vec_deinit(&seen->series);
    vv_names_deinit(&seen->names);
}

void vv_tail_seen_begin(vv_tail_seen *seen)
{
    seen->look += 1;
}

static tail_seen_series *tail_seen_current(vv_tail_seen *seen)
{
    return VV_VEC_AT(&seen->series, tail_seen_series, seen->current);
}

varve_status vv_tail_seen_series(vv_tail_seen *seen, varve_text key, varve_error *out_err)
{
    uint64_t index;
    seen->run = 0;
    if (!vv_names_find(&seen->names, key, &index)) {
        tail_seen_series series = {.look = 0};
        vv_vec_init(&series.before, seen->alloc, sizeof(int64_t), SIZE_MAX);
        vv_vec_init(&series.now, seen->alloc, sizeof(int64_t), SIZE_MAX);
        index = seen->series.count;
        varve_status status = vv_vec_push(&seen->series, &series);
        if (status != VARVE_OK) {
            return vv_vec_fail(&seen->series, status, out_err);
        }
        VV_TRY(vv_names_add(&seen->names, key, index, out_err));
    }
    seen->current = (size_t)index;
    return VARVE_OK;
}

varve_status vv_tail_seen_offer(vv_tail_seen *seen, int64_t timestamp, bool *out_is_new,
                                varve_error *out_err)
{
    tail_seen_series *series = tail_seen_current(seen);
    if (series->look != seen->look) {
        series->look = seen->look;
        series->at = 0;
        vv_vec_clear(&series->now);
    }
    const int64_t *before = VV_VEC_ITEMS(&series->before, int64_t);
    while (series->at < series->before.count && before[series->at] < timestamp) {
        series->at += 1;
    }
    *out_is_new = series->at == series->before.count || before[series->at] != timestamp;
    series->at += *out_is_new ? 0 : 1;
    varve_status status = vv_vec_push(&series->now, &timestamp);
    return status == VARVE_OK ? VARVE_OK : vv_vec_fail(&series->now, status, out_err);
}

void vv_tail_seen_end(vv_tail_seen *seen)
{
    for (size_t i = 0; i < seen->series.count; i++) {
        tail_seen_series *series = VV_VEC_AT(&seen->series, tail_seen_series, i);
        vv_vec before = series->before;
        if (series->look == seen->look) {
            series->before = series->now;
            series->now = before;
        }
        vv_vec_clear(series->look == seen->look ? &series->now : &series->before);
    }
}

varve_status vv_tail_seen_add(vv_tail_seen *seen, int64_t timestamp, varve_error *out_err)
{
    vv_vec *before = &tail_seen_current(seen)->before;
    seen->run = seen->run > 0 && seen->last == timestamp ? seen->run + 1 : 1;
    seen->last = timestamp;
    size_t first = 0;
    size_t end = before->count;
    const int64_t *times = VV_VEC_ITEMS(before, int64_t);
    while (first < end) { /* the first that is not before it */
        size_t middle = first + (end - first) / 2;
        first = times[middle] < timestamp ? middle + 1 : first;
        end = times[middle] < timestamp ? end : middle;
    }
    size_t known = 0;
    while (first + known < before->count && times[first + known] == timestamp) {
        known += 1;
    }
    if (known >= seen->run) {
        return VARVE_OK;
    }
    varve_status status = vv_vec_push(before, &timestamp);
    if (status != VARVE_OK) {
        return vv_vec_fail(before, status, out_err);
    }
    int64_t *moved = VV_VEC_AT(before, int64_t, first);
    memmove(moved + 1, moved, (before->count - 1 - first) * sizeof *moved);
    *moved = timestamp;
    return VARVE_OK;
}
