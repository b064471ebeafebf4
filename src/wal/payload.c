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
    PAYLOAD_DELETE_RANGE = 0, /* kinds of delete */
    PAYLOAD_DELETE_ROWS = 1,
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
    (void)vv_buf_append_u8(payload, PAYLOAD_DELETE_RANGE);
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

/** Rows of one series: the time as its distance to the one before, the row id likewise. */
static void payload_append_addresses(vv_buf *payload, const vv_row_address *rows, size_t count)
{
    int64_t time = 0;
    uint64_t row_id = 0;
    for (size_t i = 0; i < count; ++i) {
        VV_DEBUG_ASSERT(i == 0 || vv_row_address_compare(&rows[i - 1], &rows[i]) < 0);
        if (i == 0) {
            (void)vv_buf_append_zigzag(payload, rows[i].time);
        } else {
            (void)vv_buf_append_varint(payload, (uint64_t)rows[i].time - (uint64_t)time);
        }
        (void)vv_buf_append_zigzag(payload, (int64_t)(rows[i].row_id - row_id));
        time = rows[i].time;
        row_id = rows[i].row_id;
    }
}

varve_status vv_payload_row_tombstone(vv_buf *payload, const vv_row_address *rows, size_t count,
                                      varve_error *out_err)
{
    VV_ASSERT(count > 0);
    size_t size_before = payload->size;
    (void)vv_buf_append_u8(payload, PAYLOAD_DELETE_ROWS);
    uint32_t series = 0;
    for (size_t begin = 0; begin < count;) {
        size_t end = begin + 1;
        while (end < count && rows[end].series == rows[begin].series) {
            end++;
        }
        (void)vv_buf_append_varint(payload, rows[begin].series - series);
        (void)vv_buf_append_varint(payload, end - begin);
        payload_append_addresses(payload, rows + begin, end - begin);
        series = rows[begin].series;
        begin = end;
    }
    return payload_end(payload, size_before, out_err);
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

varve_status vv_payload_ring_page(vv_buf *payload, const vv_wal_ring_page *page,
                                  varve_error *out_err)
{
    size_t size_before = payload->size;
    (void)vv_buf_append_u64(payload, page->file_id);
    (void)vv_buf_append_u64(payload, page->number);
    (void)vv_buf_append(payload, page->image.data, page->image.size);
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
    uint8_t kind = vv_reader_u8(&reader);
    varve_range range = {.start = vv_reader_i64(&reader)};
    range.end = vv_reader_i64(&reader);
    size_t left = vv_reader_left(&reader);
    const uint8_t *selection = vv_reader_bytes(&reader, left);
    if (vv_reader_is_bad(&reader) || kind != PAYLOAD_DELETE_RANGE || range.start >= range.end) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "a delete of %zu bytes in the log makes no sense",
                       payload.size);
    }
    VV_TRY(vv_selection_decode(vv_bytes_make(selection, left), alloc, out_selection, out_err));
    *out_range = range;
    return VARVE_OK;
}

bool vv_payload_is_row_tombstone(vv_bytes payload)
{
    vv_reader reader = vv_reader_of(payload.data, payload.size);
    return vv_reader_u8(&reader) == PAYLOAD_DELETE_ROWS;
}

/** The head of the rows of the next series. */
static void payload_begin_series(vv_payload_row_walk *walk, vv_reader *reader)
{
    uint64_t series = walk->row.series + vv_reader_varint_max(reader, UINT32_MAX);
    walk->series_rows = vv_reader_varint(reader);
    if (series <= walk->row.series || series > UINT32_MAX || walk->series_rows == 0) {
        vv_reader_spoil(reader);
    }
    walk->row = (vv_row_address){.series = (uint32_t)series};
}

static void payload_read_address(vv_payload_row_walk *walk, vv_reader *reader, bool is_first)
{
    vv_row_address row = walk->row;
    row.time = is_first ? vv_reader_zigzag(reader)
                        : (int64_t)((uint64_t)row.time + vv_reader_varint(reader));
    row.row_id += (uint64_t)vv_reader_zigzag(reader);
    if (row.row_id == 0 || (!is_first && vv_row_address_compare(&walk->row, &row) >= 0)) {
        vv_reader_spoil(reader);
    }
    walk->row = row;
    walk->series_rows -= 1;
}

varve_status vv_payload_next_row(vv_payload_row_walk *walk, vv_row_address *out_row, bool *out_more,
                                 varve_error *out_err)
{
    if (walk->left.size == 0 && walk->has_begun && walk->series_rows == 0) {
        *out_more = false;
        return VARVE_OK;
    }
    vv_reader reader = vv_reader_of(walk->left.data, walk->left.size);
    if (!walk->has_begun && vv_reader_u8(&reader) != PAYLOAD_DELETE_ROWS) {
        vv_reader_spoil(&reader);
    }
    bool is_first = walk->series_rows == 0;
    if (is_first) {
        payload_begin_series(walk, &reader);
    }
    payload_read_address(walk, &reader, is_first);
    if (vv_reader_is_bad(&reader)) {
        return vv_fail(out_err, VARVE_E_CORRUPT,
                       "a delete of rows in the log makes no sense %zu bytes before its end",
                       walk->left.size);
    }
    size_t used = vv_reader_position(&reader);
    walk->left = vv_bytes_make(walk->left.data + used, walk->left.size - used);
    walk->has_begun = true;
    *out_row = walk->row;
    *out_more = true;
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

varve_status vv_payload_read_ring_page(vv_bytes payload, vv_wal_ring_page *out_page,
                                       varve_error *out_err)
{
    vv_reader reader = vv_reader_of(payload.data, payload.size);
    vv_wal_ring_page page = {.file_id = vv_reader_u64(&reader)};
    page.number = vv_reader_u64(&reader);
    size_t left = vv_reader_left(&reader);
    page.image = vv_bytes_make(vv_reader_bytes(&reader, left), left);
    if (vv_reader_is_bad(&reader) || left == 0) {
        return vv_fail(out_err, VARVE_E_CORRUPT,
                       "a ring page of %zu bytes in the log makes no sense", payload.size);
    }
    *out_page = page;
    return VARVE_OK;
}
