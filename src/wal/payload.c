/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small payloads: definitions, deletes, policies of metrics. Runs of rows are payload_write.c
 * and payload_read.c, retention is payload_retention.c. Bytes: docs/formats/log.md.
 *
 *   Y1  A failed append leaves the payload as it was and usable.
 *   Y2  What is read is checked against the limits of model/rows.h before it is believed; a payload
 *       that passed its CRC may still have been written by a broken or hostile program.
 */
#include "wal/payload.h"

#include "base/assert.h"
#include "base/reader.h"
#include "base/status.h"

enum {
    PAYLOAD_KIND_SERIES = 0,
    PAYLOAD_KIND_FIELD = 1,
};

static void payload_append_text(vv_buf *payload, varve_text text)
{
    (void)vv_buf_append_varint(payload, text.size);
    (void)vv_buf_append_text(payload, text);
}

/* Y1: the sticky failure of the buffer is turned into an answer, and taken back. */
static varve_status payload_end(vv_buf *payload, size_t size_before, varve_error *out_err)
{
    varve_status status = vv_buf_check(payload, out_err);
    if (status != VARVE_OK) {
        payload->status = VARVE_OK;
        vv_buf_truncate(payload, size_before);
    }
    return status;
}

varve_status vv_payload_add_definition(vv_buf *payload, const vv_wal_definition *definition,
                                       varve_error *out_err)
{
    VV_ASSERT(definition->kind <= PAYLOAD_KIND_FIELD);
    size_t size_before = payload->size;
    (void)vv_buf_append_u8(payload, (uint8_t)definition->kind);
    (void)vv_buf_append_varint(payload, definition->id);
    payload_append_text(payload, definition->metric);
    if (definition->kind == PAYLOAD_KIND_SERIES) {
        (void)vv_buf_append_varint(payload, definition->label_count);
        for (size_t i = 0; i < definition->label_count; ++i) {
            payload_append_text(payload, definition->labels[i].name);
            payload_append_text(payload, definition->labels[i].value);
        }
    }
    return payload_end(payload, size_before, out_err);
}

varve_status vv_payload_tombstone(vv_buf *payload, varve_range range, const vv_selection *selection,
                                  varve_error *out_err)
{
    size_t size_before = payload->size;
    (void)vv_buf_append_i64(payload, range.start);
    (void)vv_buf_append_i64(payload, range.end);
    varve_status status = payload_end(payload, size_before, out_err);
    if (status == VARVE_OK) {
        status = vv_selection_encode(selection, payload, out_err);
    }
    if (status != VARVE_OK) {
        payload->status = VARVE_OK;
        vv_buf_truncate(payload, size_before);
    }
    return status;
}

varve_status vv_payload_policy(vv_buf *payload, varve_text metric, uint32_t duplicates,
                               bool has_row_ids, varve_error *out_err)
{
    VV_ASSERT(duplicates <= VARVE_DUPLICATES_ALL);
    size_t size_before = payload->size;
    (void)vv_buf_append_u8(payload, VV_POLICY_METRIC);
    payload_append_text(payload, metric);
    (void)vv_buf_append_u8(payload, (uint8_t)duplicates);
    (void)vv_buf_append_u8(payload, has_row_ids ? 1 : 0);
    return payload_end(payload, size_before, out_err);
}

/* ---- reading -------------------------------------------------------------------------------- */

void vv_payload_reader_init(vv_payload_reader *reader, vv_bytes payload)
{
    reader->left = payload;
}

static varve_text payload_read_text(vv_reader *reader, size_t size_min, size_t size_max)
{
    uint64_t size = vv_reader_varint_max(reader, size_max);
    if (size < size_min) {
        vv_reader_spoil(reader);
    }
    return vv_reader_text(reader, (size_t)size);
}

static varve_status payload_read_labels(vv_reader *reader, vv_arena *arena, vv_wal_definition *out,
                                        varve_error *out_err)
{
    size_t count = vv_reader_count(reader, /* two sizes and a name */ 3, VV_LABELS_MAX);
    varve_label *labels = vv_arena_array(arena, count, sizeof *labels);
    if (labels == NULL) {
        return vv_arena_fail(arena, count * sizeof *labels, out_err);
    }
    for (size_t i = 0; i < count; ++i) {
        labels[i].name = payload_read_text(reader, 1, VV_LABEL_NAME_BYTES_MAX);
        labels[i].value = payload_read_text(reader, 0, VV_LABEL_VALUE_BYTES_MAX);
    }
    out->labels = labels;
    out->label_count = count;
    return VARVE_OK;
}

varve_status vv_payload_next_definition(vv_payload_reader *reader, vv_arena *arena,
                                        vv_wal_definition *out, bool *out_more,
                                        varve_error *out_err)
{
    if (reader->left.size == 0) {
        *out_more = false;
        return VARVE_OK;
    }
    vv_reader bytes = vv_reader_of(reader->left.data, reader->left.size);
    vv_wal_definition definition = {.kind = vv_reader_u8(&bytes)};
    definition.id = (uint32_t)vv_reader_varint_max(&bytes, UINT32_MAX);
    if (definition.kind == PAYLOAD_KIND_SERIES) {
        definition.metric = payload_read_text(&bytes, 1, VV_METRIC_BYTES_MAX);
        VV_TRY(payload_read_labels(&bytes, arena, &definition, out_err));
    } else if (definition.kind == PAYLOAD_KIND_FIELD) {
        definition.metric = payload_read_text(&bytes, 1, VV_FIELD_NAME_BYTES_MAX);
    } else {
        vv_reader_spoil(&bytes);
    }
    if (vv_reader_is_bad(&bytes)) {
        return vv_fail(out_err, VARVE_E_CORRUPT,
                       "a definition of kind %u in the log makes no sense",
                       (unsigned)definition.kind);
    }
    size_t used = vv_reader_position(&bytes);
    reader->left = vv_bytes_make(reader->left.data + used, reader->left.size - used);
    *out = definition;
    *out_more = true;
    return VARVE_OK;
}

varve_status vv_payload_read_tombstone(vv_bytes payload, vv_alloc *alloc, varve_range *out_range,
                                       vv_selection **out_selection, varve_error *out_err)
{
    *out_selection = NULL;
    vv_reader reader = vv_reader_of(payload.data, payload.size);
    varve_range range = {.start = vv_reader_i64(&reader)};
    range.end = vv_reader_i64(&reader);
    size_t left = vv_reader_left(&reader);
    const uint8_t *selection = vv_reader_bytes(&reader, left);
    if (vv_reader_is_bad(&reader) || range.start >= range.end) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "a delete of %zu bytes in the log makes no sense",
                       payload.size);
    }
    VV_TRY(vv_selection_decode(vv_bytes_make(selection, left), alloc, out_selection, out_err));
    *out_range = range;
    return VARVE_OK;
}

varve_status vv_payload_read_policy(vv_bytes payload, varve_text *out_metric,
                                    uint32_t *out_duplicates, bool *out_has_row_ids,
                                    varve_error *out_err)
{
    vv_reader reader = vv_reader_of(payload.data, payload.size);
    uint8_t kind = vv_reader_u8(&reader);
    if (kind != VV_POLICY_METRIC && !vv_reader_is_bad(&reader)) {
        return vv_fail(out_err, VARVE_E_UNSUPPORTED,
                       "the log holds a policy of kind %u, which needs a newer varve",
                       (unsigned)kind);
    }
    varve_text metric = payload_read_text(&reader, 1, VV_METRIC_BYTES_MAX);
    uint8_t duplicates = vv_reader_u8(&reader);
    uint8_t row_ids = vv_reader_u8(&reader);
    if (!vv_reader_is_done(&reader) || duplicates > VARVE_DUPLICATES_ALL || row_ids > 1) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "a policy of %zu bytes in the log makes no sense",
                       payload.size);
    }
    *out_metric = metric;
    *out_duplicates = duplicates;
    *out_has_row_ids = row_ids == 1;
    return VARVE_OK;
}
