/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retention in the manifest: the section of an edit, and what it makes of the state.
 *
 *   u8 1 with a reference time | zigzag reference | varint count | entry ...
 * model/retention_entry.h
 *
 *   U1  Entries ascend strictly by metric, in the bytes and in the state; the database is first.
 *   U2  A scope that was named stays named: its recorded cut counts for as long as rows may come. A
 *       scope without rule and cut says nothing; it stands for one whose edit failed, too.
 *
 *   U3  A name is copied once, when its scope is new: edits repeat the same names for years.
 */
#include "base/assert.h"
#include "base/slice.h"
#include "base/status.h"
#include "engine/manifest_priv.h"

enum { MANIFEST_ENTRY_BYTES_MIN = 2 /* an empty name, flags */ };

/* Index of the first entry whose metric is not below the given one. */
static size_t manifest_retention_lower(const vv_vec *entries, varve_text metric)
{
    size_t begin = 0;
    size_t end = entries->count;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        varve_text found = VV_VEC_AT(entries, vv_retention_entry, middle)->metric;
        if (vv_text_compare(found, metric) < 0) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

static vv_retention_entry *manifest_retention_find(const vv_manifest_state *state,
                                                   varve_text metric, size_t *out_index)
{
    *out_index = manifest_retention_lower(&state->retention, metric);
    if (*out_index == state->retention.count) {
        return NULL;
    }
    vv_retention_entry *entry = VV_VEC_AT(&state->retention, vv_retention_entry, *out_index);
    return vv_text_equal(entry->metric, metric) ? entry : NULL;
}

const vv_retention_entry *vv_manifest_find_retention(const vv_manifest_state *state,
                                                     varve_text metric)
{
    size_t index;
    return manifest_retention_find(state, metric, &index);
}

/* ---- bytes ---------------------------------------------------------------------------------- */

void vv_manifest_write_retention(vv_buf *out, const vv_manifest_edit *edit)
{
    (void)vv_buf_append_u8(out, edit->has_reference ? 1 : 0);
    if (edit->has_reference) {
        (void)vv_buf_append_zigzag(out, edit->reference);
    }
    (void)vv_buf_append_varint(out, edit->retention_count);
    for (size_t i = 0; i < edit->retention_count; i++) {
        vv_retention_entry_encode(&edit->retention[i], out);
    }
}

varve_status vv_manifest_read_retention(vv_reader *reader, vv_arena *arena,
                                        vv_manifest_edit *out_edit, varve_error *out_err)
{
    unsigned has_reference = vv_reader_u8(reader);
    int64_t reference = has_reference == 1 ? vv_reader_zigzag(reader) : 0;
    size_t count = vv_reader_count(reader, MANIFEST_ENTRY_BYTES_MIN, VV_RETENTION_SCOPES_MAX);
    vv_retention_entry *entries = vv_arena_array(arena, count, sizeof *entries);
    if (entries == NULL) {
        return vv_arena_fail(arena, count * sizeof *entries, out_err);
    }
    for (size_t i = 0; i < count; i++) {
        vv_retention_entry_decode(reader, &entries[i]);
        if (i > 0 && vv_text_compare(entries[i - 1].metric, entries[i].metric) >= 0) {
            vv_reader_spoil(reader);
        }
    }
    if (has_reference > 1) {
        vv_reader_spoil(reader);
    }
    out_edit->retention = entries;
    out_edit->retention_count = count;
    out_edit->has_reference = has_reference == 1;
    out_edit->reference = reference;
    return VARVE_OK;
}

/* ---- the state ------------------------------------------------------------------------------ */

varve_status vv_manifest_check_retention(const vv_manifest_state *state,
                                         const vv_manifest_edit *edit, varve_error *out_err)
{
    for (size_t i = 0; i < edit->retention_count; i++) {
        const vv_retention_entry *after = &edit->retention[i];
        const vv_retention_entry *before = vv_manifest_find_retention(state, after->metric);
        if (before != NULL && after->recorded < before->recorded) {
            return vv_fail(out_err, VARVE_E_INVALID,
                           "an edit lets the recorded cut of \"%.*s\" fall from %lld to %lld",
                           VV_TEXT_ARGS(after->metric), (long long)before->recorded,
                           (long long)after->recorded);
        }
    }
    return VARVE_OK;
}

varve_status vv_manifest_reserve_retention(vv_manifest_state *state, const vv_manifest_edit *edit,
                                           varve_error *out_err)
{
    for (size_t i = 0; i < edit->retention_count; i++) {
        size_t index;
        if (manifest_retention_find(state, edit->retention[i].metric, &index) != NULL) {
            continue;
        }
        vv_retention_entry nothing = {.recorded = VV_RETENTION_NONE};
        varve_text metric = edit->retention[i].metric;
        if (vv_arena_copy(&state->texts, metric, &nothing.metric) != VARVE_OK) {
            return vv_arena_fail(&state->texts, metric.size, out_err);
        }
        varve_status status = vv_vec_insert(&state->retention, index, &nothing);
        if (status != VARVE_OK) {
            return vv_vec_fail(&state->retention, status, out_err);
        }
    }
    return VARVE_OK;
}

void vv_manifest_fold_retention(vv_manifest_state *state, const vv_manifest_edit *edit)
{
    for (size_t i = 0; i < edit->retention_count; i++) {
        size_t index;
        vv_retention_entry *stored =
            manifest_retention_find(state, edit->retention[i].metric, &index);
        VV_ASSERT(stored != NULL); /* reserved */
        vv_retention_entry_apply(stored, &edit->retention[i], /* sets_rule */ true);
    }
    if (edit->has_reference) {
        state->has_reference = true;
        state->reference = edit->reference;
    }
}
