/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state that the edits of a manifest add up to. Applying an edit is three steps, so that the
 * bytes on disk and the state never differ: check it, reserve the memory, and, once it is durable,
 * fold it, which cannot fail.
 */
#include <string.h>

#include "base/assert.h"
#include "base/slice.h"
#include "base/status.h"
#include "engine/manifest_priv.h"

enum {
    /* Names of policies; old copies stay until the state is freed (arbitrary). */
    MANIFEST_TEXTS_BYTES_MAX = 256 * 1024 * 1024,
};

void vv_manifest_state_init(vv_manifest_state *state, vv_alloc *alloc)
{
    *state = (vv_manifest_state){0};
    vv_vec_init(&state->segments, alloc, sizeof(vv_manifest_segment), SIZE_MAX);
    vv_vec_init(&state->tombstones, alloc, sizeof(vv_manifest_tombstone), SIZE_MAX);
    vv_vec_init(&state->policies, alloc, sizeof(vv_manifest_policy), SIZE_MAX);
    vv_vec_init(&state->retention, alloc, sizeof(vv_retention_entry), SIZE_MAX);
    vv_vec_init(&state->rings, alloc, sizeof(uint64_t), SIZE_MAX);
    vv_arena_init(&state->texts, alloc, MANIFEST_TEXTS_BYTES_MAX);
}

void vv_manifest_state_deinit(vv_manifest_state *state)
{
    vv_vec_deinit(&state->segments);
    vv_vec_deinit(&state->tombstones);
    vv_vec_deinit(&state->policies);
    vv_vec_deinit(&state->retention);
    vv_vec_deinit(&state->rings);
    vv_arena_deinit(&state->texts);
}

/* ---- finding -------------------------------------------------------------------------------- */

/* Index of the first item whose id, its first member, is not below `id`. */
static size_t manifest_state_lower(const vv_vec *vec, uint64_t id)
{
    size_t begin = 0;
    size_t end = vec->count;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        uint64_t found;
        memcpy(&found, vv_vec_at(vec, middle), sizeof found);
        if (found < id) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

static bool manifest_state_has(const vv_vec *vec, uint64_t id)
{
    size_t index = manifest_state_lower(vec, id);
    if (index == vec->count) {
        return false;
    }
    uint64_t found;
    memcpy(&found, vv_vec_at(vec, index), sizeof found);
    return found == id;
}

_Static_assert(offsetof(vv_manifest_segment, id) == 0 && offsetof(vv_manifest_tombstone, id) == 0,
               "items are found by their first member");

const vv_manifest_segment *vv_manifest_find_segment(const vv_manifest_state *state, uint64_t id)
{
    size_t index = manifest_state_lower(&state->segments, id);
    if (index == state->segments.count) {
        return NULL;
    }
    const vv_manifest_segment *found = VV_VEC_AT(&state->segments, vv_manifest_segment, index);
    return found->id == id ? found : NULL;
}

static size_t manifest_state_find_policy(const vv_manifest_state *state, varve_text metric,
                                         bool *out_is_found)
{
    size_t begin = 0;
    size_t end = state->policies.count;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        int order = vv_text_compare(VV_VEC_AT(&state->policies, vv_manifest_policy, middle)->metric,
                                    metric);
        if (order == 0) {
            *out_is_found = true;
            return middle;
        }
        if (order < 0) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    *out_is_found = false;
    return begin;
}

/* ---- checking ------------------------------------------------------------------------------- */

/* Index of `id` in an ascending list, count when it is not there. */
static size_t manifest_state_index(const uint64_t *ids, size_t count, uint64_t id)
{
    size_t begin = 0;
    size_t end = count;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        if (ids[middle] < id) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin < count && ids[begin] == id ? begin : count;
}

static varve_status manifest_state_check_drops(const vv_vec *vec, const uint64_t *drop,
                                               size_t count, const char *what, varve_error *out_err)
{
    for (size_t i = 0; i < count; ++i) {
        if (!manifest_state_has(vec, drop[i])) {
            return vv_fail(out_err, VARVE_E_INVALID, "an edit drops %s %llu, which is not there",
                           what, (unsigned long long)drop[i]);
        }
    }
    return VARVE_OK;
}

static varve_status manifest_state_check_add(const vv_vec *vec, uint64_t id, const uint64_t *drop,
                                             size_t drop_count, const char *what,
                                             varve_error *out_err)
{
    if (manifest_state_has(vec, id) && manifest_state_index(drop, drop_count, id) == drop_count) {
        return vv_fail(out_err, VARVE_E_INVALID, "an edit adds %s %llu, which is there already",
                       what, (unsigned long long)id);
    }
    return VARVE_OK;
}

static varve_status manifest_state_check_files(const vv_manifest_state *state,
                                               const vv_manifest_edit *edit, varve_error *out_err)
{
    VV_TRY(manifest_state_check_drops(&state->segments, edit->drop, edit->drop_count, "segment",
                                      out_err));
    VV_TRY(manifest_state_check_drops(&state->tombstones, edit->drop_tombstones,
                                      edit->drop_tombstone_count, "tombstone file", out_err));
    for (size_t i = 0; i < edit->add_count; ++i) {
        VV_TRY(manifest_state_check_add(&state->segments, edit->add[i].id, edit->drop,
                                        edit->drop_count, "segment", out_err));
    }
    for (size_t i = 0; i < edit->add_tombstone_count; ++i) {
        VV_TRY(manifest_state_check_add(&state->tombstones, edit->add_tombstones[i].id,
                                        edit->drop_tombstones, edit->drop_tombstone_count,
                                        "tombstone file", out_err));
    }
    VV_TRY(manifest_state_check_drops(&state->rings, edit->drop_rings, edit->drop_ring_count,
                                      "ring", out_err));
    for (size_t i = 0; i < edit->add_ring_count; ++i) {
        VV_TRY(manifest_state_check_add(&state->rings, edit->add_rings[i], edit->drop_rings,
                                        edit->drop_ring_count, "ring", out_err));
    }
    return VARVE_OK;
}

static varve_status manifest_state_check_position(const char *what, uint64_t before, uint64_t after,
                                                  varve_error *out_err)
{
    if (after != 0 && after < before) {
        return vv_fail(out_err, VARVE_E_INVALID, "an edit lets %s fall from %llu to %llu", what,
                       (unsigned long long)before, (unsigned long long)after);
    }
    return VARVE_OK;
}

static uint64_t manifest_state_later(uint64_t before, uint64_t after)
{
    return after > before ? after : before;
}

varve_status vv_manifest_check(const vv_manifest_state *state, const vv_manifest_edit *edit,
                               varve_error *out_err)
{
    VV_TRY(manifest_state_check_files(state, edit, out_err));
    VV_TRY(manifest_state_check_position("flush_lsn", state->flush_lsn, edit->flush_lsn, out_err));
    VV_TRY(manifest_state_check_position("durable_lsn", state->durable_lsn, edit->durable_lsn,
                                         out_err));
    VV_TRY(manifest_state_check_position("log_start", state->log_start, edit->log_start, out_err));
    VV_TRY(manifest_state_check_position("the next file id", state->next_file_id,
                                         edit->next_file_id, out_err));
    VV_TRY(manifest_state_check_position("the next row sequence", state->next_sequence,
                                         edit->next_sequence, out_err));
    uint64_t flush_lsn = manifest_state_later(state->flush_lsn, edit->flush_lsn);
    uint64_t durable_lsn = manifest_state_later(state->durable_lsn, edit->durable_lsn);
    if (flush_lsn > durable_lsn) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "an edit lets flush_lsn %llu pass durable_lsn %llu",
                       (unsigned long long)flush_lsn, (unsigned long long)durable_lsn);
    }
    return vv_manifest_check_retention(state, edit, out_err);
}

/* ---- folding -------------------------------------------------------------------------------- */

static bool manifest_state_is_removal(const vv_manifest_policy *policy)
{
    return policy->duplicates == VARVE_DUPLICATES_STORED && policy->row_ids == VARVE_ROW_IDS_STORED;
}

varve_status vv_manifest_reserve(vv_manifest_state *state, const vv_manifest_edit *edit,
                                 varve_error *out_err)
{
    varve_status status = vv_vec_reserve(&state->segments, edit->add_count);
    if (status == VARVE_OK) {
        status = vv_vec_reserve(&state->tombstones, edit->add_tombstone_count);
    }
    if (status == VARVE_OK) {
        status = vv_vec_reserve(&state->policies, edit->policy_count);
    }
    if (status == VARVE_OK) {
        status = vv_vec_reserve(&state->rings, edit->add_ring_count);
    }
    if (status != VARVE_OK) {
        return vv_fail(out_err, VARVE_E_NOMEM,
                       "out of memory: the state of the manifest with %zu segments more",
                       edit->add_count);
    }
    VV_TRY(vv_manifest_reserve_tiers(state, edit, out_err));
    return vv_manifest_reserve_retention(state, edit, out_err);
}

static void manifest_state_drop(vv_vec *vec, const uint64_t *drop, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < vec->count && count > 0; ++i) {
        uint64_t id;
        memcpy(&id, vv_vec_at(vec, i), sizeof id);
        if (manifest_state_index(drop, count, id) == count) {
            memmove(vec->items + kept * vec->item_size, vv_vec_at(vec, i), vec->item_size);
            kept += 1;
        }
    }
    vec->count = count > 0 ? kept : vec->count;
}

/* Merge ascending items in, from the end; the room is reserved. */
static void manifest_state_merge(vv_vec *vec, const void *items, size_t count)
{
    const uint8_t *added = items;
    size_t size = vec->item_size;
    size_t left = vec->count;
    VV_ASSERT(vec->capacity - vec->count >= count);
    for (size_t target = vec->count + count; count > 0; --target) {
        uint64_t old_id = 0;
        uint64_t new_id;
        memcpy(&new_id, added + (count - 1) * size, sizeof new_id);
        if (left > 0) {
            memcpy(&old_id, vec->items + (left - 1) * size, sizeof old_id);
        }
        if (left > 0 && old_id > new_id) {
            memmove(vec->items + (target - 1) * size, vec->items + (left - 1) * size, size);
            left -= 1;
        } else {
            memcpy(vec->items + (target - 1) * size, added + (count - 1) * size, size);
            count -= 1;
        }
    }
}

/* Texts of the edit outlive it: vv_manifest_append and load put them into the state's arena. */
static void manifest_state_set_policy(vv_manifest_state *state, const vv_manifest_policy *policy)
{
    bool is_found;
    size_t index = manifest_state_find_policy(state, policy->metric, &is_found);
    if (manifest_state_is_removal(policy)) {
        if (is_found) {
            vv_vec_remove(&state->policies, index);
        }
    } else if (is_found) {
        vv_manifest_policy *stored = VV_VEC_AT(&state->policies, vv_manifest_policy, index);
        stored->duplicates = policy->duplicates;
        stored->row_ids = policy->row_ids;
    } else {
        varve_status status = vv_vec_insert(&state->policies, index, policy);
        VV_ASSERT(status == VARVE_OK); /* reserved */
    }
}

void vv_manifest_fold(vv_manifest_state *state, const vv_manifest_edit *edit, uint64_t edit_seq)
{
    manifest_state_drop(&state->segments, edit->drop, edit->drop_count);
    manifest_state_drop(&state->tombstones, edit->drop_tombstones, edit->drop_tombstone_count);
    size_t segments = state->segments.count + edit->add_count;
    size_t tombstones = state->tombstones.count + edit->add_tombstone_count;
    manifest_state_merge(&state->segments, edit->add, edit->add_count);
    manifest_state_merge(&state->tombstones, edit->add_tombstones, edit->add_tombstone_count);
    state->segments.count = segments;
    state->tombstones.count = tombstones;
    manifest_state_drop(&state->rings, edit->drop_rings, edit->drop_ring_count);
    size_t rings = state->rings.count + edit->add_ring_count;
    manifest_state_merge(&state->rings, edit->add_rings, edit->add_ring_count);
    state->rings.count = rings;
    for (size_t i = 0; i < edit->policy_count; ++i) {
        manifest_state_set_policy(state, &edit->policies[i]);
    }
    vv_manifest_fold_retention(state, edit);
    state->warm_path = state->next_warm_path;
    if (edit->rollups.size > 0) {
        state->rollups = edit->rollups;
    }
    if (edit->scrubbed.size > 0) {
        state->scrubbed = edit->scrubbed;
    }
    if (edit->database != NULL) {
        state->database = *edit->database;
    }
    state->flush_lsn = manifest_state_later(state->flush_lsn, edit->flush_lsn);
    state->durable_lsn = manifest_state_later(state->durable_lsn, edit->durable_lsn);
    state->log_start = manifest_state_later(state->log_start, edit->log_start);
    state->next_file_id = manifest_state_later(state->next_file_id, edit->next_file_id);
    state->next_sequence = manifest_state_later(state->next_sequence, edit->next_sequence);
    state->flags = (state->flags | edit->set_flags) & ~edit->clear_flags;
    state->edit_seq = edit_seq;
}

vv_manifest_edit vv_manifest_as_edit(const vv_manifest_state *state)
{
    return (vv_manifest_edit){
        .add = VV_VEC_ITEMS(&state->segments, const vv_manifest_segment),
        .add_count = state->segments.count,
        .add_tombstones = VV_VEC_ITEMS(&state->tombstones, const vv_manifest_tombstone),
        .add_tombstone_count = state->tombstones.count,
        .policies = VV_VEC_ITEMS(&state->policies, const vv_manifest_policy),
        .policy_count = state->policies.count,
        .retention = VV_VEC_ITEMS(&state->retention, const vv_retention_entry),
        .retention_count = state->retention.count,
        .has_reference = state->has_reference,
        .reference = state->reference,
        .add_rings = VV_VEC_ITEMS(&state->rings, const uint64_t),
        .add_ring_count = state->rings.count,
        .warm_path = state->warm_path,
        .rollups = state->rollups,
        .scrubbed = state->scrubbed,
        .database = &state->database,
        .flush_lsn = state->flush_lsn,
        .durable_lsn = state->durable_lsn,
        .log_start = state->log_start,
        .next_file_id = state->next_file_id,
        .next_sequence = state->next_sequence,
        .set_flags = state->flags};
}
