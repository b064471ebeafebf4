/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_QUERY_AGGREGATE_PRIV_H
#define VV_QUERY_AGGREGATE_PRIV_H

/*
 * Queries of aggregates, in five parts:
 *
 *   aggregate_group.c   series into groups, fields and their types
 *   aggregate_part.c    the parts of a series' scan into slots
 *   aggregate_rollup.c  what rollups keep of a series into slots
 *   aggregate_slot.c    buckets, and the slots of a group
 *   aggregate.c         the cursor: groups worked through one after another, slots given out
 *
 *   A1  Series of a group come in order of names, so that first and last over equal times do not
 *       depend on anything else.
 *   A2  A slot exists when a row with a value of some output's field fell into it.
 */

#include "base/map.h"
#include "engine/scan.h"
#include "model/calendar.h"
#include "model/time_range.h"
#include "query/accumulator_priv.h"
#include "query/cursor_priv.h"

/** A field that outputs ask about. */
typedef struct vv_aggregate_field {
    uint32_t field; /* catalogue id; 0: no series has it */
    uint32_t needs;
    uint32_t type; /* as accumulated; NONE: no values here */
} vv_aggregate_field;

/** One bucket of one group. */
typedef struct vv_aggregate_slot {
    int64_t start;
    size_t group;
    uint64_t added;
    vv_accumulator accumulators[]; /* one for each vv_aggregate_field */
} vv_aggregate_slot;

typedef struct vv_aggregate_group {
    size_t *places; /* of its series in plan->series */
    size_t place_count;
    varve_text metric; /* common to all, or empty */
    const varve_label *labels;
    size_t label_count;
} vv_aggregate_group;

typedef struct vv_aggregate {
    vv_plan *plan;
    vv_aggregate_field *fields;
    size_t field_count;
    vv_aggregate_group *groups;
    size_t group_count, group_at; /* next group to work through */
    vv_scan *scan;
    varve_range scan_range;               /* of the scan */
    struct vv_aggregate_rollups *rollups; /* NULL: none may answer */
    vv_gather *gather;
    vv_arena slots_arena; /* slots and what they hold: of one group, or of all (order TIME) */
    vv_aggregate_slot **slots;
    size_t slot_count, slot_capacity;
    size_t slots_max;          /* of vv_aggregate_collect; 0: no bound */
    bool is_cut;               /* it was reached: the last slot is not complete */
    size_t slot_begin;         /* first slot of the group in work */
    size_t slot_at;            /* the slot of the bucket in hand, when there is one */
    vv_map slot_map;           /* start -> slot, of a group of several series */
    bool is_mapped, is_sorted; /* of the group in work */
    size_t given_at;           /* next slot to give */
    uint64_t skipped, given;
    uint64_t scanned;
    vv_buckets buckets;
    vv_calendar calendar;
    struct vv_zone *zone;
    int64_t bucket_start, bucket_first, bucket_last; /* in hand: closed, last may be the end */
} vv_aggregate;

/* ---- aggregate_slot.c ---- */

VV_MUST_CHECK varve_status vv_aggregate_start_buckets(varve_cursor *cursor, vv_aggregate *state,
                                                      varve_error *out_err);
/** Take the bucket that holds a time in hand. */
void vv_aggregate_set_bucket(vv_aggregate *state, int64_t time);
static inline bool vv_aggregate_in_bucket(const vv_aggregate *state, int64_t time)
{
    return time >= state->bucket_first && time <= state->bucket_last;
}
void vv_aggregate_init_slots(varve_cursor *cursor, vv_aggregate *state);
/** Begin the slots of a group; with several series a slot may be met again. */
void vv_aggregate_begin_slots(vv_aggregate *state, bool has_several);
/** The slot of the bucket in hand. */
VV_MUST_CHECK varve_status vv_aggregate_slot_of(varve_cursor *cursor, vv_aggregate *state,
                                                vv_aggregate_slot **out_slot, varve_error *out_err);
/** The slots of the group in work are complete: in order of time, empty ones left out (A2), at most
 * limit_per_series of them. */
VV_MUST_CHECK varve_status vv_aggregate_end_slots(varve_cursor *cursor, vv_aggregate *state,
                                                  varve_error *out_err);
/** All slots in order of time, then group. */
VV_MUST_CHECK varve_status vv_aggregate_sort_slots(varve_cursor *cursor, vv_aggregate *state,
                                                   varve_error *out_err);
void vv_aggregate_deinit_slots(varve_cursor *cursor, vv_aggregate *state);

/* ---- aggregate_part.c ---- */

/** Work through the rows of one series in a part of the plan's range. */
VV_MUST_CHECK varve_status vv_aggregate_rows(varve_cursor *cursor, vv_aggregate *state,
                                             uint32_t series, varve_range range,
                                             varve_error *out_err);

/* ---- aggregate_rollup.c ---- */

/** Find the rollups that may answer; none: state->rollups stays NULL. */
VV_MUST_CHECK varve_status vv_aggregate_find_rollups(varve_cursor *cursor, vv_aggregate *state,
                                                     varve_error *out_err);
/** Work through one series, by a rollup where one is right and by rows for the rest. */
VV_MUST_CHECK varve_status vv_aggregate_series(varve_cursor *cursor, vv_aggregate *state,
                                               uint32_t series, varve_error *out_err);
void vv_aggregate_free_rollups(varve_cursor *cursor, vv_aggregate *state);

/* ---- aggregate_group.c ---- */

/** The fields that outputs ask about, each once. */
VV_MUST_CHECK varve_status vv_aggregate_fields(varve_cursor *cursor, vv_aggregate *state,
                                               varve_error *out_err);
/** Types over some series, of fields and of outputs. */
VV_MUST_CHECK varve_status vv_aggregate_types(varve_cursor *cursor, vv_aggregate *state,
                                              const uint32_t *series, size_t count,
                                              varve_error *out_err);
VV_MUST_CHECK varve_status vv_aggregate_make_groups(varve_cursor *cursor, vv_aggregate *state,
                                                    varve_error *out_err);

/* ---- aggregate.c ---- */

/**
 * For who makes rollups: the slots of one series over a range, from its rows, in state->slots until
 * the next call. The plan has one series, which is replaced. About state->slots_max slots at once:
 * *out_is_cut says that the buckets from *out_next on are still to come.
 */
VV_MUST_CHECK varve_status vv_aggregate_collect(varve_cursor *cursor, vv_aggregate *state,
                                                uint32_t series, varve_range range,
                                                bool *out_is_cut, int64_t *out_next,
                                                varve_error *out_err);

#endif
