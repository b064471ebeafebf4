/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The digest: for each series with visible rows, XXH3-128 over its name and its rows in order
 * (time, then each present field in order of names: name, type, value), added up over the series as
 * two 64-bit sums. Equal contents give equal digests whatever the ids, segments and vectors are.
 */

#include "engine/verify.h"

#include <string.h>

#include "base/bitmap.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/status.h"
#include "codec/vector.h"
#include "engine/live_segment_priv.h"
#include "engine/ring_check.h"
#include "engine/scan.h"
#include "engine/task.h"
#include "engine/view.h"
#include "index/catalogue.h"
#include "segment/segment.h"

/* Bytes of rows that are hashed at once: large enough for the hash to run at speed; arbitrary. */
enum { VERIFY_HASH_BYTES = 64 * 1024 };

typedef struct verify_state {
    varve_db *db;
    varve_task *task;
    vv_view *view;
    vv_codec_scratch *scratch;
    vv_scan *scan;
    vv_buf bytes;        /* of the rows of one series, hashed piecewise */
    vv_hash_stream hash; /* of one series */
    uint32_t *order;     /* of columns, by name */
    size_t order_capacity;
    bool has_ring_damage;
    varve_error ring_damage; /* the first */
    varve_verified found;
} verify_state;

typedef struct verify_progress {
    varve_task *task;
    varve_error *error;
    uint64_t reported;
} verify_progress;

static bool verify_check(void *context, uint64_t bytes_done)
{
    verify_progress *progress = context;
    vv_task_add(progress->task, bytes_done - progress->reported);
    progress->reported = bytes_done;
    return vv_task_poll(progress->task, progress->error) == VARVE_OK;
}

static varve_status verify_segments(verify_state *state, varve_error *out_err)
{
    const vv_version *version = state->view->version;
    uint64_t bytes = 0;
    for (size_t i = 0; i < version->segment_count; i++) {
        bytes += version->segments[i]->info.bytes;
    }
    vv_task_begin(state->task, bytes);
    for (size_t i = 0; i < version->segment_count; i++) {
        verify_progress progress = {.task = state->task, .error = out_err};
        VV_TRY(vv_segment_verify(version->segments[i]->segment, verify_check, &progress, out_err));
        state->found.files++;
        state->found.blocks += vv_segment_block_count(version->segments[i]->segment);
    }
    return VARVE_OK;
}

/* ---- rings ---- */

static varve_status verify_ring_poll(void *context, uint64_t file_id, uint64_t bytes_done,
                                     varve_error *out_err)
{
    verify_state *state = context;
    (void)file_id;
    (void)bytes_done;
    return vv_task_poll(state->task, out_err);
}

static void verify_ring_damage(void *context, uint64_t file_id, uint64_t page, uint64_t offset,
                               vv_bytes bytes, const varve_error *error)
{
    verify_state *state = context;
    (void)file_id;
    (void)page;
    (void)offset;
    (void)bytes;
    if (!state->has_ring_damage) {
        state->has_ring_damage = true;
        state->ring_damage = *error;
    }
}

static varve_status verify_rings(verify_state *state, varve_error *out_err)
{
    vv_ring_check check = {
        .poll = verify_ring_poll, .damage = verify_ring_damage, .context = state};
    VV_TRY(vv_ring_check_files(state->db, &check, out_err));
    if (state->has_ring_damage) {
        vv_error_copy(out_err, &state->ring_damage);
        return state->ring_damage.status;
    }
    state->found.files += check.files;
    state->found.blocks += check.pages;
    return VARVE_OK;
}

/** Hash what is in the buffer. */
static void verify_fold(verify_state *state)
{
    vv_hash_stream_add(&state->hash, state->bytes.data, state->bytes.size);
    vv_buf_reset(&state->bytes);
}

static void verify_add_text(verify_state *state, varve_text text)
{
    vv_buf_append_varint(&state->bytes, text.size);
    vv_buf_append_text(&state->bytes, text);
}

static void verify_add_value(verify_state *state, const varve_column *column, size_t row)
{
    if (vv_type_is_blob(column->type)) {
        const varve_text *texts = column->values;
        bool is_bytes = column->type == VARVE_TYPE_BYTES ||
                        (column->marks != NULL && vv_bits_get(column->marks, row));
        vv_buf_append_u8(&state->bytes,
                         is_bytes ? (uint8_t)VARVE_TYPE_BYTES : (uint8_t)column->type);
        verify_add_text(state, texts[row]);
    } else {
        vv_buf_append_u8(&state->bytes, (uint8_t)column->type);
        size_t width = vv_type_width(column->type);
        vv_buf_append(&state->bytes, (const uint8_t *)column->values + row * width, width);
    }
}

/** Columns in order of names: ids differ from one open to the next. */
static void verify_order(const verify_state *state, const vv_rows *rows, uint32_t *order)
{
    const vv_catalogue *catalogue = state->db->catalogue;
    for (size_t i = 0; i < rows->column_count; i++) {
        varve_text name = vv_catalogue_field_name(catalogue, rows->fields[i]);
        size_t at = i;
        while (at > 0 &&
               vv_text_compare(vv_catalogue_field_name(catalogue, rows->fields[order[at - 1]]),
                               name) > 0) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = (uint32_t)i;
    }
}

static varve_status verify_grow_order(verify_state *state, size_t columns, varve_error *out_err)
{
    if (columns <= state->order_capacity) {
        return VARVE_OK;
    }
    uint32_t *order =
        vv_alloc_resize(&state->db->alloc, state->order, state->order_capacity * sizeof *order,
                        columns * sizeof *order);
    if (order == NULL) {
        return vv_fail_nomem(out_err, "order of columns", columns * sizeof *order);
    }
    state->order = order;
    state->order_capacity = columns;
    return VARVE_OK;
}

static varve_status verify_rows(verify_state *state, const vv_rows *rows, varve_error *out_err)
{
    VV_TRY(verify_grow_order(state, rows->column_count, out_err));
    uint32_t *order = state->order;
    verify_order(state, rows, order);
    for (size_t row = 0; row < rows->count; row++) {
        vv_buf_append_i64(&state->bytes, rows->times[row]);
        for (size_t i = 0; i < rows->column_count; i++) {
            const varve_column *column = &rows->columns[order[i]];
            if (vv_column_has(column, row)) {
                verify_add_text(
                    state, vv_catalogue_field_name(state->db->catalogue, rows->fields[order[i]]));
                verify_add_value(state, column, row);
            }
        }
        if (state->bytes.size >= VERIFY_HASH_BYTES) {
            VV_TRY(vv_buf_check(&state->bytes, out_err));
            verify_fold(state);
        }
    }
    state->found.rows += rows->count;
    return vv_buf_check(&state->bytes, out_err);
}

static varve_status verify_series(verify_state *state, uint32_t series, varve_error *out_err)
{
    const varve_label *labels;
    size_t label_count;
    VV_TRY(vv_catalogue_labels(state->db->catalogue, series, &labels, &label_count, out_err));
    vv_buf_reset(&state->bytes);
    vv_hash_stream_init(&state->hash, 0);
    verify_add_text(state, vv_catalogue_metric(state->db->catalogue, series));
    for (size_t i = 0; i < label_count; i++) {
        verify_add_text(state, labels[i].name);
        verify_add_text(state, labels[i].value);
    }
    uint64_t before = state->found.rows;
    VV_TRY(vv_scan_restart(state->scan, series, out_err));
    for (;;) {
        const vv_part *part;
        vv_rows rows;
        VV_TRY(vv_task_poll(state->task, out_err));
        VV_TRY(vv_scan_next(state->scan, &part, out_err));
        if (part == NULL) {
            break;
        }
        VV_TRY(vv_scan_rows(state->scan, &rows, out_err));
        VV_TRY(verify_rows(state, &rows, out_err));
    }
    if (state->found.rows > before) {
        VV_TRY(vv_buf_check(&state->bytes, out_err));
        verify_fold(state);
        state->found.series++;
        vv_hash128 hash = vv_hash_stream_end128(&state->hash);
        state->found.digest[0] += hash.low;
        state->found.digest[1] += hash.high;
    }
    return VARVE_OK;
}

static varve_status verify_all_series(verify_state *state, varve_error *out_err)
{
    uint32_t count = vv_catalogue_series_count(state->db->catalogue);
    if (count == 0) {
        return VARVE_OK;
    }
    vv_scan_options options = {
        .range = {.start = INT64_MIN, .end = INT64_MAX},
        .alloc = &state->db->alloc,
        .scratch = state->scratch,
    };
    VV_TRY(vv_scan_open(state->view, 1, &options, &state->scan, out_err));
    vv_task_begin(state->task, count);
    for (uint32_t series = 1; series <= count; series++) {
        VV_TRY(verify_series(state, series, out_err));
        vv_task_add(state->task, 1);
    }
    return VARVE_OK;
}

varve_status vv_verify(varve_db *db, varve_task *task, varve_verified *out_verified,
                       varve_error *out_err)
{
    verify_state state = {.db = db, .task = task};
    vv_buf_init(&state.bytes, &db->alloc, SIZE_MAX);
    varve_status status = vv_view_open(db, &state.view, out_err);
    if (status == VARVE_OK) {
        status = vv_codec_scratch_create(&db->alloc, &state.scratch, out_err);
    }
    if (status == VARVE_OK) {
        status = verify_segments(&state, out_err);
    }
    if (status == VARVE_OK) {
        status = verify_rings(&state, out_err);
    }
    if (status == VARVE_OK) {
        status = verify_all_series(&state, out_err);
    }
    if (status == VARVE_OK) {
        state.found.struct_size = out_verified->struct_size;
        memcpy(out_verified, &state.found, state.found.struct_size);
    }
    vv_scan_close(state.scan);
    vv_codec_scratch_free(state.scratch);
    vv_view_unref(state.view);
    vv_alloc_free(&db->alloc, state.order, state.order_capacity * sizeof *state.order);
    vv_buf_deinit(&state.bytes);
    return status;
}
