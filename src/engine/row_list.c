/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Lists of rows as tombstones, in memory and stored (docs/formats/tombstones.md):
 *
 *   [greatest sequence][series]  { [size][name of the series][rows] {time, row id, sequence}...
 * }...
 *
 * Times ascend and are stored as distances, sequences as distances to the greatest. A series is
 * stored as the log defines it: metric and labels, never an id.
 *
 *   L1  A list is checked before anything of it is believed: an address that is not above the one
 *       before it, or a sequence that is not above the row id, spoils the reader.
 */

#include "engine/row_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "index/catalogue.h"
#include "wal/payload.h"

enum {
    /* Bytes of a stored row at least, and of a series: size, kind, id, size of metric, metric, no
     * labels, rows. */
    ROW_LIST_ROW_BYTES_MIN = 3,
    ROW_LIST_SERIES_BYTES_MIN = 7 + ROW_LIST_ROW_BYTES_MIN
};

/* ---- in memory ---- */

/** By address; of one address the greatest sequence first. */
static int row_list_compare(const void *a, const void *b)
{
    const vv_row_hide *left = a;
    const vv_row_hide *right = b;
    int order = vv_row_address_compare(&left->row, &right->row);
    if (order != 0 || left->sequence == right->sequence) {
        return order;
    }
    return left->sequence > right->sequence ? -1 : 1;
}

/** Sort, and keep each address once. */
static size_t row_list_arrange(vv_row_hide *rows, size_t count)
{
    size_t kept = 0;
    if (count > 1) {
        qsort(rows, count, sizeof *rows, row_list_compare);
    }
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || vv_row_address_compare(&rows[kept - 1].row, &rows[i].row) != 0) {
            rows[kept] = rows[i];
            kept++;
        }
    }
    return kept;
}

/** Bounds over the rows; the range takes in its last time. */
static void row_list_set_bounds(vv_tombstone *tombstone)
{
    if (tombstone->row_count == 0) {
        return;
    }
    int64_t first = INT64_MAX;
    int64_t last = INT64_MIN;
    for (size_t i = 0; i < tombstone->row_count; i++) {
        const vv_row_hide *hide = &tombstone->rows[i];
        first = hide->row.time < first ? hide->row.time : first;
        last = hide->row.time > last ? hide->row.time : last;
        if (hide->sequence > tombstone->sequence) {
            tombstone->sequence = hide->sequence;
        }
    }
    tombstone->range.start = first;
    tombstone->range.end = last == INT64_MAX ? INT64_MAX : last + 1;
}

/** As vv_row_list_create; without rows it says only that its file is there. */
static varve_status row_list_make(varve_db *db, const vv_row_hide *rows, size_t count,
                                  vv_tombstone **out_tombstone, varve_error *out_err)
{
    *out_tombstone = NULL;
    vv_tombstone *tombstone = vv_alloc_zeroed(&db->alloc, sizeof *tombstone);
    vv_row_hide *sorted = vv_alloc_array(&db->alloc, count, sizeof *sorted);
    if (tombstone == NULL || sorted == NULL) {
        vv_alloc_free(&db->alloc, tombstone, sizeof *tombstone);
        vv_alloc_free(&db->alloc, sorted, count * sizeof *sorted);
        return vv_fail_nomem(out_err, "deletes of rows", count * sizeof *sorted);
    }
    if (count > 0) {
        memcpy(sorted, rows, count * sizeof *sorted);
    }
    atomic_init(&tombstone->refs, 1);
    vv_idset_init(&tombstone->series);
    tombstone->rows = sorted;
    tombstone->row_capacity = count;
    tombstone->row_count = row_list_arrange(sorted, count);
    row_list_set_bounds(tombstone);
    *out_tombstone = tombstone;
    return VARVE_OK;
}

varve_status vv_row_list_create(varve_db *db, const vv_row_hide *rows, size_t count,
                                vv_tombstone **out_tombstone, varve_error *out_err)
{
    VV_ASSERT(count > 0);
    return row_list_make(db, rows, count, out_tombstone, out_err);
}

/** First row whose series is not below. */
static size_t row_list_lower(const vv_tombstone *tombstone, uint32_t series)
{
    size_t begin = 0;
    size_t end = tombstone->row_count;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        if (tombstone->rows[middle].row.series < series) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

void vv_row_list_find(const vv_tombstone *tombstone, uint32_t series, size_t *out_begin,
                      size_t *out_end)
{
    *out_begin = row_list_lower(tombstone, series);
    *out_end = series == UINT32_MAX ? tombstone->row_count : row_list_lower(tombstone, series + 1);
}

/* ---- writing ---- */

static varve_status row_list_put_name(varve_db *db, uint32_t series, vv_buf *out,
                                      varve_error *out_err)
{
    vv_buf name;
    vv_wal_definition definition = {.kind = 0,
                                    .metric = vv_catalogue_metric(db->catalogue, series)};
    VV_TRY(vv_catalogue_labels(db->catalogue, series, &definition.labels, &definition.label_count,
                               out_err));
    vv_buf_init(&name, &db->alloc, SIZE_MAX);
    varve_status status = vv_payload_add_definition(&name, &definition, out_err);
    if (status == VARVE_OK) {
        VV_IGNORE(vv_buf_append_varint(out, name.size)); /* sticky: the caller checks */
        VV_IGNORE(vv_buf_append(out, name.data, name.size));
    }
    vv_buf_deinit(&name);
    return status;
}

varve_status vv_row_list_put(varve_db *db, const vv_tombstone *tombstone, vv_buf *out,
                             varve_error *out_err)
{
    size_t series_count = 0;
    for (size_t i = 0; i < tombstone->row_count; i++) {
        series_count +=
            i == 0 || tombstone->rows[i].row.series != tombstone->rows[i - 1].row.series;
    }
    vv_buf_append_u64(out, tombstone->sequence);
    vv_buf_append_varint(out, series_count);
    for (size_t begin = 0; begin < tombstone->row_count;) {
        size_t end;
        vv_row_list_find(tombstone, tombstone->rows[begin].row.series, &begin, &end);
        VV_TRY(row_list_put_name(db, tombstone->rows[begin].row.series, out, out_err));
        vv_buf_append_varint(out, end - begin);
        for (size_t i = begin; i < end; i++) {
            const vv_row_hide *hide = &tombstone->rows[i];
            if (i == begin) {
                vv_buf_append_zigzag(out, hide->row.time);
            } else {
                vv_buf_append_varint(out, (uint64_t)hide->row.time -
                                              (uint64_t)tombstone->rows[i - 1].row.time);
            }
            vv_buf_append_varint(out, hide->row.row_id);
            vv_buf_append_varint(out, tombstone->sequence - hide->sequence);
        }
        begin = end;
    }
    return vv_buf_check(out, out_err);
}

/* ---- reading ---- */

typedef struct row_list_source {
    varve_db *db; /* NULL: only looked at */
    vv_reader *reader;
    vv_arena arena; /* of the name of one series */
    vv_vec rows;    /* vv_row_hide */
    vv_row_list_facts facts;
} row_list_source;

/** The id of the series that comes next, 0: the catalogue does not know it, or nobody asks. */
static varve_status row_list_read_name(row_list_source *source, uint32_t *out_series,
                                       varve_error *out_err)
{
    *out_series = 0;
    size_t size = (size_t)vv_reader_varint_max(source->reader, vv_reader_left(source->reader));
    const uint8_t *bytes = vv_reader_bytes(source->reader, size);
    if (bytes == NULL) {
        vv_reader_spoil(source->reader);
        return VARVE_OK;
    }
    vv_payload_reader payload;
    vv_wal_definition definition;
    bool has_one;
    vv_payload_reader_init(&payload, vv_bytes_make(bytes, size));
    vv_arena_reset(&source->arena);
    varve_status status =
        vv_payload_next_definition(&payload, &source->arena, &definition, &has_one, out_err);
    if (status == VARVE_E_CORRUPT ||
        (status == VARVE_OK && (!has_one || definition.kind != 0 || payload.left.size > 0))) {
        vv_reader_spoil(source->reader);
        return VARVE_OK;
    }
    if (status == VARVE_OK && source->db != NULL) {
        status = vv_catalogue_resolve(source->db->catalogue, definition.metric, definition.labels,
                                      definition.label_count, /* existing_only */ true, out_series,
                                      out_err);
    }
    if (status == VARVE_E_INVALID) { /* labels that no program writes */
        vv_reader_spoil(source->reader);
    }
    return status == VARVE_E_NOT_FOUND || status == VARVE_E_INVALID ? VARVE_OK : status;
}

/** L1: the rows of a series. */
static varve_status row_list_read_rows(row_list_source *source, uint32_t series,
                                       varve_error *out_err)
{
    vv_reader *reader = source->reader;
    size_t count = vv_reader_count(reader, ROW_LIST_ROW_BYTES_MIN, SIZE_MAX);
    vv_row_hide hide = {.row.series = series};
    if (count == 0) {
        vv_reader_spoil(reader);
    }
    for (size_t i = 0; i < count && !vv_reader_is_bad(reader); i++) {
        vv_row_address before = hide.row;
        hide.row.time = i == 0 ? vv_reader_zigzag(reader)
                               : (int64_t)((uint64_t)before.time + vv_reader_varint(reader));
        hide.row.row_id = vv_reader_varint(reader);
        uint64_t distance = vv_reader_varint(reader);
        hide.sequence = source->facts.sequence - distance;
        if (distance > source->facts.sequence || hide.row.row_id == 0 ||
            hide.row.row_id >= hide.sequence ||
            (i > 0 && vv_row_address_compare(&before, &hide.row) >= 0)) {
            vv_reader_spoil(reader);
        } else if (series != 0) {
            varve_status status = vv_vec_push(&source->rows, &hide);
            if (status != VARVE_OK) {
                return vv_vec_fail(&source->rows, status, out_err);
            }
        }
    }
    source->facts.rows += count;
    return VARVE_OK;
}

static varve_status row_list_read_all(row_list_source *source, varve_error *out_err)
{
    vv_reader *reader = source->reader;
    source->facts.sequence = vv_reader_u64(reader);
    size_t count = vv_reader_count(reader, ROW_LIST_SERIES_BYTES_MIN, SIZE_MAX);
    for (size_t i = 0; i < count && !vv_reader_is_bad(reader); i++) {
        uint32_t series;
        VV_TRY(row_list_read_name(source, &series, out_err));
        if (!vv_reader_is_bad(reader)) {
            VV_TRY(row_list_read_rows(source, series, out_err));
        }
    }
    source->facts.series = count;
    return vv_reader_is_bad(reader) ? VARVE_E_CORRUPT : VARVE_OK;
}

varve_status vv_row_list_read(varve_db *db, vv_alloc *alloc, vv_reader *reader,
                              vv_row_list_facts *out_facts, vv_tombstone **out_tombstone,
                              varve_error *out_err)
{
    *out_tombstone = NULL;
    row_list_source source = {.db = db, .reader = reader};
    vv_arena_init(&source.arena, alloc, SIZE_MAX);
    vv_vec_init(&source.rows, alloc, sizeof(vv_row_hide), SIZE_MAX);
    varve_status status = row_list_read_all(&source, out_err);
    if (status == VARVE_OK && db != NULL) {
        status = row_list_make(db, VV_VEC_ITEMS(&source.rows, vv_row_hide), source.rows.count,
                               out_tombstone, out_err);
    }
    if (*out_tombstone != NULL && source.rows.count == 0) {
        (*out_tombstone)->sequence = source.facts.sequence;
        (*out_tombstone)->range = (varve_range){VARVE_RANGE_ALL_START, VARVE_RANGE_ALL_END};
    }
    *out_facts = source.facts;
    vv_vec_deinit(&source.rows);
    vv_arena_deinit(&source.arena);
    return status;
}
