/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Buckets, and the slots of the group in work. A single series ascends, so its slots are appended
 * one after another; of several series each looks its buckets up in a map. At the end of a group
 * the slots are put in order of time.
 */

#include <string.h>

#include "base/slice.h"
#include "base/status.h"
#include "query/aggregate_priv.h"
#include "sys/zoneinfo.h"

/* ---- buckets ---- */

static int32_t aggregate_bucket_offset_at(const void *context, int64_t unix_s)
{
    return vv_zone_offset_at(context, unix_s);
}

static int64_t aggregate_bucket_next_change(const void *context, int64_t unix_s)
{
    return vv_zone_next_change(context, unix_s);
}

static int64_t aggregate_bucket_local_to_utc(const void *context, int64_t local_s)
{
    return vv_zone_local_to_utc(context, local_s);
}

static varve_status aggregate_bucket_calendar(varve_cursor *cursor, vv_aggregate *state,
                                              varve_error *out_err)
{
    const varve_bucket *bucket = &state->plan->bucket;
    int32_t offset_s = 0;
    vv_calendar_zone zone = {.offset_at = aggregate_bucket_offset_at,
                             .next_change = aggregate_bucket_next_change,
                             .local_to_utc = aggregate_bucket_local_to_utc};
    bool is_named = !vv_calendar_parse_offset(bucket->zone, &offset_s);
    if (is_named) {
        char name[VV_ZONE_NAME_BYTES_MAX + 1];
        if (bucket->zone.size > VV_ZONE_NAME_BYTES_MAX) {
            return vv_fail(out_err, VARVE_E_INVALID, "the name of a time zone is too long");
        }
        memcpy(name, bucket->zone.data, bucket->zone.size);
        name[bucket->zone.size] = '\0';
        varve_status status = vv_zone_load(&cursor->db->env, name, &state->zone, out_err);
        if (status == VARVE_E_NOT_FOUND) {
            return vv_fail(out_err, VARVE_E_INVALID,
                           "time zone %s is not known here; UTC offsets such as +02:00 always are",
                           name);
        }
        VV_TRY(status);
        zone.context = state->zone;
    }
    return vv_calendar_init(&state->calendar, bucket->unit, bucket->width, cursor->db->precision,
                            offset_s, is_named ? &zone : NULL, out_err);
}

varve_status vv_aggregate_start_buckets(varve_cursor *cursor, vv_aggregate *state,
                                        varve_error *out_err)
{
    const varve_bucket *bucket = &state->plan->bucket;
    if (bucket->kind == VARVE_BUCKET_CALENDAR) {
        return aggregate_bucket_calendar(cursor, state, out_err);
    }
    if (bucket->kind == VARVE_BUCKET_FIXED) {
        bool is_from_start = (bucket->flags & VARVE_BUCKET_FROM_START) != 0;
        return vv_buckets_init(&state->buckets, bucket->width,
                               is_from_start ? state->plan->range.start : bucket->origin, out_err);
    }
    return VARVE_OK;
}

void vv_aggregate_set_bucket(vv_aggregate *state, int64_t time)
{
    varve_range range = state->plan->range;
    int64_t start = range.start;
    int64_t last = vv_range_last(range);
    if (state->plan->bucket.kind == VARVE_BUCKET_FIXED) {
        /* A bucket may end just below INT64_MAX, which no range can say. */
        uint64_t index = vv_buckets_index(&state->buckets, time);
        range = vv_buckets_range(&state->buckets, index);
        start = range.start;
        bool holds_max = index == vv_buckets_index(&state->buckets, INT64_MAX);
        last = holds_max ? INT64_MAX : range.end - 1;
    } else if (state->plan->bucket.kind == VARVE_BUCKET_CALENDAR) {
        range = vv_calendar_bucket(&state->calendar, time);
        start = range.start;
        last = vv_range_last(range);
    }
    state->bucket_start = start;
    state->bucket_first = start;
    state->bucket_last = last;
}

/* ---- slots ---- */

static bool aggregate_slot_equal(const void *context, const void *key, uint64_t value)
{
    const vv_aggregate *state = context;
    int64_t start;
    memcpy(&start, key, sizeof start);
    return state->slots[value]->start == start;
}

void vv_aggregate_begin_slots(vv_aggregate *state, bool has_several)
{
    vv_map_clear(&state->slot_map);
    state->slot_begin = state->slot_count;
    state->slot_at = SIZE_MAX;
    state->is_mapped = has_several;
    state->is_sorted = true;
}

static varve_status aggregate_slot_grow(varve_cursor *cursor, vv_aggregate *state,
                                        varve_error *out_err)
{
    size_t old = state->slot_capacity;
    size_t capacity = old == 0 ? 64 : old * 2;
    vv_aggregate_slot **slots = vv_alloc_resize(&cursor->alloc, state->slots, old * sizeof *slots,
                                                capacity * sizeof *slots);
    if (slots == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    state->slots = slots;
    state->slot_capacity = capacity;
    return VARVE_OK;
}

/** A new slot for the bucket in hand, behind the others. */
static varve_status aggregate_slot_add(varve_cursor *cursor, vv_aggregate *state, uint64_t hash,
                                       varve_error *out_err)
{
    if (state->slot_count == state->slot_capacity) {
        VV_TRY(aggregate_slot_grow(cursor, state, out_err));
    }
    size_t bytes = sizeof(vv_aggregate_slot) + state->field_count * sizeof(vv_accumulator);
    vv_aggregate_slot *slot = vv_arena_new(&state->slots_arena, bytes);
    if (slot == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    slot->start = state->bucket_start;
    slot->group = state->group_at;
    slot->added = 0;
    for (size_t i = 0; i < state->field_count; i++) {
        vv_accumulator_init(&slot->accumulators[i], state->fields[i].type);
    }
    size_t at = state->slot_count;
    state->is_sorted =
        state->is_sorted && (at == state->slot_begin || state->slots[at - 1]->start < slot->start);
    state->slots[at] = slot;
    if (state->is_mapped && vv_map_insert(&state->slot_map, hash, at) != VARVE_OK) {
        return vv_cursor_memory(cursor, out_err);
    }
    state->slot_count++;
    state->slot_at = at;
    return VARVE_OK;
}

varve_status vv_aggregate_slot_of(varve_cursor *cursor, vv_aggregate *state,
                                  vv_aggregate_slot **out_slot, varve_error *out_err)
{
    int64_t start = state->bucket_start;
    bool is_in_hand = state->slot_at != SIZE_MAX && state->slots[state->slot_at]->start == start;
    if (!is_in_hand) {
        uint64_t hash = 0;
        uint64_t found;
        bool is_known = false;
        if (state->is_mapped) {
            hash = vv_map_hash(&state->slot_map, &start, sizeof start);
            is_known = vv_map_find(&state->slot_map, hash, &start, &found);
        }
        if (is_known) {
            state->slot_at = (size_t)found;
        } else {
            /* Without the map there is one series, which ascends: a new start is a new slot. */
            VV_TRY(aggregate_slot_add(cursor, state, hash, out_err));
        }
    }
    *out_slot = state->slots[state->slot_at];
    return VARVE_OK;
}

static int aggregate_slot_compare(const void *context, const void *a, const void *b)
{
    (void)context;
    const vv_aggregate_slot *x;
    const vv_aggregate_slot *y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    if (x->start != y->start) {
        return x->start > y->start ? 1 : -1;
    }
    return (x->group > y->group) - (x->group < y->group);
}

varve_status vv_aggregate_sort_slots(varve_cursor *cursor, vv_aggregate *state,
                                     varve_error *out_err)
{
    return vv_cursor_sort(cursor, state->slots, state->slot_count, sizeof(vv_aggregate_slot *),
                          aggregate_slot_compare, NULL, out_err);
}

varve_status vv_aggregate_end_slots(varve_cursor *cursor, vv_aggregate *state, varve_error *out_err)
{
    size_t count = state->slot_count - state->slot_begin;
    if (count == 0) {
        return VARVE_OK; /* the array may not be there yet */
    }
    vv_aggregate_slot **slots = state->slots + state->slot_begin;
    if (!state->is_sorted) {
        VV_TRY(vv_cursor_sort(cursor, slots, count, sizeof(vv_aggregate_slot *),
                              aggregate_slot_compare, NULL, out_err));
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (slots[i]->added > 0) {
            slots[kept++] = slots[i];
        }
    }
    if (kept > state->plan->limit_per_series) {
        size_t most = (size_t)state->plan->limit_per_series;
        if (vv_plan_is_descending(state->plan)) {
            memmove(slots, slots + (kept - most), most * sizeof(vv_aggregate_slot *));
        }
        kept = most;
    }
    state->slot_count = state->slot_begin + kept;
    return VARVE_OK;
}

void vv_aggregate_init_slots(varve_cursor *cursor, vv_aggregate *state)
{
    vv_arena_init(&state->slots_arena, &cursor->alloc, SIZE_MAX);
    vv_map_init(&state->slot_map, &cursor->alloc, 0, aggregate_slot_equal, state);
}

void vv_aggregate_deinit_slots(varve_cursor *cursor, vv_aggregate *state)
{
    vv_map_deinit(&state->slot_map);
    vv_arena_deinit(&state->slots_arena);
    vv_alloc_free(&cursor->alloc, state->slots, state->slot_capacity * sizeof(vv_aggregate_slot *));
}
