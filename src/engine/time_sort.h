/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_TIME_SORT_H
#define VV_ENGINE_TIME_SORT_H

/*
 * Rows in order of time, equal times in order of arrival: late rows of a head, bulk calls.
 */

#include "base/arena.h"
#include "base/compiler.h"
#include "varve.h"

/**
 * Indices of times[count] so that times[order[i]] never descends and equal times keep their order.
 * *out_order lies in the arena; it is NULL when the times are in order as they are. count is at
 * most UINT32_MAX.
 */
VV_MUST_CHECK varve_status vv_time_sort(const int64_t *times, size_t count, vv_arena *arena,
                                        uint32_t **out_order, varve_error *out_err);

/** Whether times never descend; with is_strict: whether they ascend. */
bool vv_time_is_sorted(const int64_t *times, size_t count, bool is_strict);

#endif
