/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiers in the manifest: the section of an edit that says where the segments that it adds are, and
 * which directory the warm tier is.
 *
 *   varint bytes | warm directory (empty: as before) | varint count | (varint id, varint tier) ...
 *
 *   O1  Ids ascend and are among those that the same edit adds; a segment that is not listed is
 * hot. Moving one is dropping it and adding it again, in one edit.
 */
#include <string.h>

#include "base/slice.h"
#include "base/status.h"
#include "engine/manifest_priv.h"
#include "engine/tier.h"

static uint64_t manifest_tiers_count(const vv_manifest_edit *edit)
{
    uint64_t count = 0;
    for (size_t i = 0; i < edit->add_count; i++) {
        count += edit->add[i].tier != VV_TIER_HOT ? 1 : 0;
    }
    return count;
}

bool vv_manifest_has_tiers(const vv_manifest_edit *edit)
{
    return edit->warm_path.size > 0 || manifest_tiers_count(edit) > 0;
}

void vv_manifest_write_tiers(vv_buf *out, const vv_manifest_edit *edit)
{
    (void)vv_buf_append_varint(out, edit->warm_path.size);
    (void)vv_buf_append_text(out, edit->warm_path);
    (void)vv_buf_append_varint(out, manifest_tiers_count(edit));
    for (size_t i = 0; i < edit->add_count; i++) { /* added in order, or one at a time */
        if (edit->add[i].tier != VV_TIER_HOT) {
            (void)vv_buf_append_varint(out, edit->add[i].id);
            (void)vv_buf_append_varint(out, edit->add[i].tier);
        }
    }
}

/* The tiers of added segments, which ascend by id as the list does. */
static void manifest_tiers_read_list(vv_reader *reader, vv_manifest_segment *segments,
                                     size_t segment_count)
{
    size_t count = vv_reader_count(reader, 2, segment_count);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t id = vv_reader_varint(reader);
        uint64_t tier = vv_reader_varint_max(reader, VV_TIERS - 1);
        while (at < segment_count && segments[at].id < id) {
            at++;
        }
        if (at == segment_count || segments[at].id != id || tier == VV_TIER_HOT) {
            vv_reader_spoil(reader);
            return;
        }
        segments[at].tier = (uint32_t)tier;
        at++;
    }
}

varve_status vv_manifest_read_tiers(vv_reader *reader, vv_arena *arena, vv_manifest_edit *edit,
                                    varve_error *out_err)
{
    size_t size = (size_t)vv_reader_varint_max(reader, VV_PATH_BYTES_MAX - 1);
    edit->warm_path = vv_reader_text(reader, size);
    vv_manifest_segment *segments = vv_arena_array(arena, edit->add_count, sizeof *segments);
    if (segments == NULL) {
        return vv_arena_fail(arena, edit->add_count * sizeof *segments, out_err);
    }
    if (edit->add_count > 0) {
        memcpy(segments, edit->add, edit->add_count * sizeof *segments);
    }
    manifest_tiers_read_list(reader, segments, edit->add_count);
    edit->add = segments;
    return VARVE_OK;
}

varve_status vv_manifest_reserve_tiers(vv_manifest_state *state, const vv_manifest_edit *edit,
                                       varve_error *out_err)
{
    bool is_new = edit->warm_path.size > 0 && !vv_text_equal(edit->warm_path, state->warm_path);
    state->next_warm_path = state->warm_path;
    if (is_new &&
        vv_arena_copy(&state->texts, edit->warm_path, &state->next_warm_path) != VARVE_OK) {
        return vv_arena_fail(&state->texts, edit->warm_path.size, out_err);
    }
    return VARVE_OK;
}
