/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Units of a scan: bounds, opening, filtering (S1). A unit is decoded once; rows that the view must
 * not see are squeezed out in place, so that the merge above only meets live rows.
 */

#include "codec/vector.h"
#include "engine/live_segment_priv.h"
#include "engine/scan_priv.h"
#include "model/time_range.h"
#include "segment/segment.h"

#include <string.h>

#include "base/bitmap.h"
#include "base/status.h"

enum { SCAN_UNIT_COLUMN_BYTES = 512 }; /* a first buffer: 64 numbers; arbitrary */

static size_t scan_unit_next(const vv_scan *scan, const vv_scan_source *source)
{
    return scan->options.is_descending ? source->end - 1 : source->next;
}

static void scan_unit_bounds(const vv_scan_source *source, size_t unit, int64_t *out_first,
                             int64_t *out_last, uint32_t *out_rows)
{
    if (source->segment != NULL) {
        *out_first = source->refs[unit].first_time;
        *out_last = source->refs[unit].last_time;
        *out_rows = source->refs[unit].rows;
    } else {
        *out_first = source->pieces[unit].first_time;
        *out_last = source->pieces[unit].last_time;
        *out_rows = source->pieces[unit].rows;
    }
}

bool vv_scan_unit_peek(const vv_scan *scan, const vv_scan_source *source, int64_t *out_first,
                       int64_t *out_last, uint32_t *out_rows)
{
    if (source->next >= source->end) {
        return false;
    }
    scan_unit_bounds(source, scan_unit_next(scan, source), out_first, out_last, out_rows);
    return true;
}

static void scan_unit_advance(const vv_scan *scan, vv_scan_source *source)
{
    if (scan->options.is_descending) {
        source->end--;
    } else {
        source->next++;
    }
}

static varve_status scan_unit_poll(const vv_scan *scan, varve_error *out_err)
{
    return scan->options.poll == NULL ? VARVE_OK
                                      : scan->options.poll(scan->options.poll_context, out_err);
}

/** First sequence of what the next unit holds: a tombstone above it hides some of it at least. */
static uint64_t scan_unit_sequence(const vv_scan_source *source, size_t unit)
{
    return source->segment != NULL ? source->last_sequence : source->pieces[unit].first_sequence;
}

static bool scan_unit_has_tombstone(const vv_scan *scan, const vv_scan_source *source, size_t unit,
                                    int64_t first, int64_t last)
{
    uint64_t sequence = scan_unit_sequence(source, unit);
    for (size_t i = 0; i < scan->tombstone_count; i++) {
        if (sequence < scan->tombstones[i]->sequence &&
            vv_range_overlaps(scan->tombstones[i]->range, first, last)) {
            return true;
        }
    }
    return vv_scan_hides_meet(scan, first, last, sequence);
}

/** Whether a tombstone or after_row_id hides all of a unit: its bounds say so, nothing has to be
 * read. */
static bool scan_unit_is_dead(const vv_scan *scan, const vv_scan_source *source, size_t unit,
                              int64_t first, int64_t last)
{
    uint64_t sequence =
        source->segment != NULL ? source->last_sequence : source->pieces[unit].last_sequence;
    if (vv_scan_is_before(scan, sequence)) {
        return true;
    }
    for (size_t i = 0; i < scan->tombstone_count; i++) {
        if (sequence < scan->tombstones[i]->sequence &&
            vv_range_covers(scan->tombstones[i]->range, first, last)) {
            return true;
        }
    }
    return false;
}

bool vv_scan_source_is_sure(const vv_scan *scan, const vv_scan_source *source)
{
    for (size_t unit = source->next; unit < source->end; unit++) {
        int64_t first;
        int64_t last;
        uint32_t rows;
        scan_unit_bounds(source, unit, &first, &last, &rows);
        bool needs_filter = source->segment == NULL && source->pieces[unit].needs_filter;
        /* There is a row at each of the bounds. */
        bool is_in_range =
            vv_range_contains(scan->range, first) || vv_range_contains(scan->range, last);
        if (rows > 0 && is_in_range && !needs_filter &&
            !scan_unit_has_tombstone(scan, source, unit, first, last)) {
            return true;
        }
    }
    return false;
}

bool vv_scan_unit_is_whole(const vv_scan *scan, const vv_scan_source *source)
{
    int64_t first;
    int64_t last;
    uint32_t rows;
    if (!vv_scan_unit_peek(scan, source, &first, &last, &rows)) {
        return false;
    }
    size_t unit = scan_unit_next(scan, source);
    if (source->segment == NULL) {
        const vv_head_piece *piece = &source->pieces[unit];
        /* Head blocks keep row ids as sequences beside the vector: decoding joins them. */
        if (!piece->is_encoded || piece->needs_filter || scan->options.with_row_ids) {
            return false;
        }
    }
    return vv_range_contains(scan->range, first) && vv_range_contains(scan->range, last) &&
           !scan_unit_has_tombstone(scan, source, unit, first, last);
}

varve_status vv_scan_unit_take(vv_scan *scan, vv_scan_source *source, varve_error *out_err)
{
    VV_TRY(scan_unit_poll(scan, out_err));
    size_t unit = scan_unit_next(scan, source);
    scan_unit_advance(scan, source);
    vv_bytes bytes = {0};
    if (source->segment == NULL) {
        bytes = source->pieces[unit].vector;
        return vv_vector_parse(bytes, &source->vector, out_err);
    }
    const vv_vector_ref *ref = &source->refs[unit];
    VV_TRY(vv_segment_vector(source->segment->segment, ref, &source->pin, &bytes, out_err));
    VV_TRY(vv_vector_parse(bytes, &source->vector, out_err));
    if (source->vector.count != ref->rows || source->vector.first_time != ref->first_time ||
        source->vector.last_time != ref->last_time) {
        return vv_fail(out_err, VARVE_E_CORRUPT,
                       "segment %llu: a vector differs from its index entry",
                       (unsigned long long)source->segment->info.id);
    }
    return VARVE_OK;
}

/* ---- buffers ---- */

static varve_status scan_unit_grow(vv_scan *scan, vv_scan_source *source, size_t rows,
                                   varve_error *out_err)
{
    vv_alloc *alloc = scan->options.alloc;
    if (source->columns == NULL || source->column_capacity < scan->column_count) {
        size_t old = source->column_capacity;
        vv_scan_column_data *columns = vv_alloc_resize(
            alloc, source->columns, old * sizeof *columns, scan->column_capacity * sizeof *columns);
        if (columns == NULL) {
            return vv_fail(out_err, VARVE_E_NOMEM, "no memory for %zu columns of a scan",
                           scan->column_capacity);
        }
        memset(columns + old, 0, (scan->column_capacity - old) * sizeof *columns);
        source->columns = columns;
        source->column_capacity = scan->column_capacity;
    }
    if (rows <= source->row_capacity) {
        return VARVE_OK;
    }
    size_t capacity = rows < VV_VECTOR_ROWS_MAX ? VV_VECTOR_ROWS_MAX : rows;
    int64_t *times = vv_alloc_array(alloc, capacity, sizeof *times);
    uint64_t *row_ids = vv_alloc_array(alloc, capacity, sizeof *row_ids);
    if (times == NULL || row_ids == NULL) {
        vv_alloc_free(alloc, times, capacity * sizeof *times);
        vv_alloc_free(alloc, row_ids, capacity * sizeof *row_ids);
        return vv_fail(out_err, VARVE_E_NOMEM, "no memory for %zu rows of a scan", capacity);
    }
    vv_alloc_free(alloc, source->time_buffer, source->row_capacity * sizeof *times);
    vv_alloc_free(alloc, source->row_id_buffer, source->row_capacity * sizeof *row_ids);
    source->time_buffer = times;
    source->row_id_buffer = row_ids;
    source->row_capacity = capacity;
    return VARVE_OK;
}

/** A power of two, so that a column grows a few times at most. */
static size_t scan_unit_round(size_t least, size_t wanted)
{
    size_t size = least;
    while (size < wanted) {
        size *= 2;
    }
    return size;
}

/** Room for the values of one column of a unit, and their bits: a series of thousands of fields has
 *  few rows in a unit, or few of the fields. What fits stays as it is. */
static varve_status scan_unit_grow_column(vv_scan *scan, vv_scan_column_data *column, size_t rows,
                                          size_t width, varve_error *out_err)
{
    vv_alloc *alloc = scan->options.alloc;
    if (column->buffer_bytes < rows * width || column->buffer == NULL) {
        size_t bytes = scan_unit_round(SCAN_UNIT_COLUMN_BYTES, rows * width);
        vv_alloc_free(alloc, column->buffer, column->buffer_bytes);
        column->buffer = vv_alloc_new(alloc, bytes);
        column->buffer_bytes = column->buffer == NULL ? 0 : bytes;
    }
    if (column->words < vv_bits_words(rows) || column->bits == NULL) {
        size_t words = scan_unit_round(1, vv_bits_words(rows));
        vv_alloc_free(alloc, column->bits, 2 * column->words * 8);
        column->bits = vv_alloc_array(alloc, 2 * words, 8);
        column->words = column->bits == NULL ? 0 : words;
    }
    if (column->buffer == NULL || column->bits == NULL) {
        return vv_fail(out_err, VARVE_E_NOMEM, "no memory for a column of a scan");
    }
    return VARVE_OK;
}

void vv_scan_source_deinit(vv_scan *scan, vv_scan_source *source)
{
    vv_alloc *alloc = scan->options.alloc;
    for (size_t i = 0; i < source->column_capacity; i++) {
        vv_alloc_free(alloc, source->columns[i].buffer, source->columns[i].buffer_bytes);
        vv_alloc_free(alloc, source->columns[i].bits, 2 * source->columns[i].words * 8);
    }
    vv_alloc_free(alloc, source->columns, source->column_capacity * sizeof *source->columns);
    vv_alloc_free(alloc, source->time_buffer, source->row_capacity * sizeof(int64_t));
    vv_alloc_free(alloc, source->row_id_buffer, source->row_capacity * sizeof(uint64_t));
    vv_arena_deinit(&source->blobs);
}

/* ---- filtering ---- */

static varve_status scan_unit_grow_keep(vv_scan *scan, size_t rows, varve_error *out_err)
{
    if (rows <= scan->keep_capacity) {
        return VARVE_OK;
    }
    vv_alloc *alloc = scan->options.alloc;
    size_t capacity = rows < VV_VECTOR_ROWS_MAX ? VV_VECTOR_ROWS_MAX : rows;
    uint64_t *keep = vv_alloc_array(alloc, vv_bits_words(capacity), 8);
    uint64_t *sequences = vv_alloc_array(alloc, capacity, 8);
    if (keep == NULL || sequences == NULL) {
        vv_alloc_free(alloc, keep, vv_bits_words(capacity) * 8);
        vv_alloc_free(alloc, sequences, capacity * 8);
        return vv_fail(out_err, VARVE_E_NOMEM, "no memory to filter %zu rows", rows);
    }
    vv_alloc_free(alloc, scan->keep, vv_bits_words(scan->keep_capacity) * 8);
    vv_alloc_free(alloc, scan->sequences, scan->keep_capacity * 8);
    scan->keep = keep;
    scan->sequences = sequences;
    scan->keep_capacity = capacity;
    return VARVE_OK;
}

/** Bits of the rows of the unit that stay; sequences NULL: every row has `sequence`. Returns how
 *  many. */
static size_t scan_unit_mark(const vv_scan *scan, const vv_scan_source *source,
                             const uint64_t *sequences, uint64_t sequence)
{
    const int64_t *times = source->times;
    size_t kept = 0;
    for (size_t row = source->begin; row < source->row_end; row++) {
        uint64_t at = sequences != NULL ? sequences[row] : sequence;
        bool stays = sequences == NULL || at <= scan->view->visible;
        for (size_t i = 0; stays && i < scan->tombstone_count; i++) {
            const vv_tombstone *tombstone = scan->tombstones[i];
            stays = at >= tombstone->sequence || !vv_range_contains(tombstone->range, times[row]);
        }
        stays = stays && (source->row_ids == NULL ||
                          !vv_scan_hides_row(scan, times[row], source->row_ids[row], at));
        vv_bits_put(scan->keep, row, stays);
        kept += stays;
    }
    return kept;
}

/** First row at or after `time`. */
static size_t scan_unit_lower(const int64_t *times, size_t count, int64_t time)
{
    size_t low = 0;
    while (low < count) {
        size_t middle = low + (count - low) / 2;
        if (times[middle] < time) {
            low = middle + 1;
        } else {
            count = middle;
        }
    }
    return low;
}

static void scan_unit_cut(vv_scan *scan, vv_scan_source *source, size_t count)
{
    varve_range range = scan->range;
    source->begin = scan_unit_lower(source->times, count, range.start);
    source->row_end =
        range.end == INT64_MAX ? count : scan_unit_lower(source->times, count, range.end);
    if (source->row_end < source->begin) {
        source->row_end = source->begin;
    }
}

/** Keep the marked rows of [begin, row_end) of one column, moved to the front of its own buffers.
 */
static void scan_unit_squeeze_column(const vv_scan *scan, const vv_scan_source *source,
                                     vv_scan_column_data *column, size_t width)
{
    uint64_t *present = column->bits;
    uint64_t *marks = column->bits + column->words;
    const uint8_t *values = column->values;
    uint8_t *target = column->buffer;
    size_t to = 0;
    for (size_t row = source->begin; row < source->row_end; row++) {
        if (!vv_bits_get(scan->keep, row)) {
            continue;
        }
        bool has = column->present == NULL || vv_bits_get(column->present, row);
        bool mark = column->marks != NULL && vv_bits_get(column->marks, row);
        memmove(target + to * width, values + row * width, width);
        vv_bits_put(present, to, has);
        vv_bits_put(marks, to, mark);
        to++;
    }
    column->values = column->buffer;
    column->present = present;
    column->marks = column->marks == NULL ? NULL : marks;
}

static varve_status scan_unit_squeeze(vv_scan *scan, vv_scan_source *source, varve_error *out_err)
{
    for (size_t i = 0; i < scan->column_count; i++) {
        vv_scan_column_data *column = &source->columns[i];
        if (column->type == VARVE_TYPE_NONE) {
            continue;
        }
        size_t width = vv_type_width(column->type);
        VV_TRY(scan_unit_grow_column(scan, column, source->row_end, width, out_err));
        scan_unit_squeeze_column(scan, source, column, width);
    }
    size_t to = 0;
    for (size_t row = source->begin; row < source->row_end; row++) {
        if (!vv_bits_get(scan->keep, row)) {
            continue;
        }
        source->time_buffer[to] = source->times[row];
        if (source->row_ids != NULL) {
            source->row_id_buffer[to] = source->row_ids[row];
        }
        to++;
    }
    source->times = source->time_buffer;
    source->row_ids = source->row_ids != NULL ? source->row_id_buffer : NULL;
    source->begin = 0;
    source->row_end = to;
    return VARVE_OK;
}

/* ---- opening ---- */

static varve_status scan_unit_decode_column(vv_scan *scan, vv_scan_source *source, size_t index,
                                            varve_error *out_err)
{
    vv_scan_column_data *column = &source->columns[index];
    uint32_t field = scan->columns[index];
    if (source->segment != NULL) {
        field = vv_live_segment_field_of(source->segment, field);
    }
    vv_vector_column encoded;
    column->type = VARVE_TYPE_NONE;
    if (field == 0 || !vv_vector_find(&source->vector, field, &encoded)) {
        return VARVE_OK;
    }
    VV_TRY(scan_unit_grow_column(scan, column, source->vector.count, vv_type_width(encoded.type),
                                 out_err));
    uint64_t *present = column->bits;
    uint64_t *marks = column->bits + column->words;
    memset(marks, 0, vv_bits_words(source->vector.count) * 8);
    VV_TRY(vv_vector_decode(&encoded, scan->options.scratch, &source->blobs, column->buffer,
                            present, marks, out_err));
    column->type = encoded.type;
    column->values = column->buffer;
    column->present = encoded.present_count == encoded.count ? NULL : present;
    column->marks = NULL;
    if (encoded.type == VARVE_TYPE_BYTES) {
        vv_bits_set_range(marks, 0, source->vector.count);
        column->type = VARVE_TYPE_STRING;
        column->marks = marks;
    } else if (encoded.type == VARVE_TYPE_STRING &&
               vv_bits_find_set(marks, 0, source->vector.count) < source->vector.count) {
        column->marks = marks;
    }
    return VARVE_OK;
}

varve_status vv_scan_unit_decode(vv_scan *scan, vv_scan_source *source, varve_error *out_err)
{
    const vv_vector *vector = &source->vector;
    VV_TRY(scan_unit_grow(scan, source, vector->count, out_err));
    vv_arena_reset(&source->blobs);
    VV_TRY(vv_vector_times(vector, scan->options.scratch, source->time_buffer, out_err));
    source->times = source->time_buffer;
    source->row_ids = NULL;
    if ((scan->options.with_row_ids || scan->has_row_ids) && vector->has_row_ids) {
        VV_TRY(vv_vector_row_ids(vector, scan->options.scratch, source->row_id_buffer, out_err));
        source->row_ids = source->row_id_buffer;
    }
    for (size_t i = 0; i < scan->column_count; i++) {
        VV_TRY(scan_unit_decode_column(scan, source, i, out_err));
    }
    source->is_strict = vector->is_strict;
    source->begin = 0;
    source->row_end = vector->count;
    source->is_open = true;
    return VARVE_OK;
}

/** Point at the rows of a plain piece, which lie in the scan's arena. */
static varve_status scan_unit_view_plain(vv_scan *scan, vv_scan_source *source,
                                         const vv_head_piece *piece, varve_error *out_err)
{
    const vv_rows *rows = &piece->plain;
    VV_TRY(scan_unit_grow(scan, source, rows->count, out_err));
    source->times = rows->times;
    source->row_ids = NULL; /* vv_scan_unit_open gives them */
    for (size_t i = 0; i < scan->column_count; i++) {
        source->columns[i].type = VARVE_TYPE_NONE;
    }
    size_t index = 0;
    for (size_t i = 0; i < rows->column_count; i++) {
        while (index < scan->column_count && scan->columns[index] < rows->fields[i]) {
            index++;
        }
        if (index < scan->column_count && scan->columns[index] == rows->fields[i]) {
            vv_scan_column_data *column = &source->columns[index];
            const varve_column *plain = &rows->columns[i];
            column->type = vv_type_family(plain->type);
            column->values = plain->values;
            column->present = plain->present;
            column->marks = plain->marks;
            if (plain->type == VARVE_TYPE_BYTES && plain->marks == NULL) {
                VV_TRY(
                    scan_unit_grow_column(scan, column, rows->count, sizeof(varve_text), out_err));
                uint64_t *marks = column->bits + column->words;
                vv_bits_set_range(marks, 0, rows->count);
                column->marks = marks;
            }
        }
    }
    source->is_strict = !piece->is_late && scan->is_last;
    source->begin = 0;
    source->row_end = rows->count;
    source->is_open = true;
    return VARVE_OK;
}

/** Sequences of the rows of a head piece. */
static varve_status scan_unit_sequences(vv_scan *scan, const vv_head_piece *piece,
                                        const uint64_t **out_sequences, varve_error *out_err)
{
    *out_sequences = piece->sequences;
    if (piece->is_encoded) {
        VV_TRY(vv_head_piece_sequences(piece, scan->options.scratch, scan->sequences, out_err));
        *out_sequences = scan->sequences;
    }
    return VARVE_OK;
}

/** Row ids of the rows of a head piece: their sequences, but for replacements. */
static void scan_unit_set_row_ids(vv_scan_source *source, const vv_head_piece *piece,
                                  const uint64_t *sequences)
{
    for (uint32_t i = 0; i < piece->rows; i++) {
        source->row_id_buffer[i] =
            piece->row_id_count == 0
                ? sequences[i]
                : vv_head_row_id_of(piece->row_ids, piece->row_id_count, sequences[i]);
    }
    source->row_ids = source->row_id_buffer;
}

varve_status vv_scan_unit_open(vv_scan *scan, vv_scan_source *source, varve_error *out_err)
{
    size_t unit = scan_unit_next(scan, source);
    int64_t first = 0;
    int64_t last = 0;
    uint32_t rows = 0;
    VV_IGNORE(vv_scan_unit_peek(scan, source, &first, &last, &rows)); /* the caller did */
    if (scan_unit_is_dead(scan, source, unit, first, last)) {
        scan_unit_advance(scan, source);
        return VARVE_OK;
    }
    bool has_tombstone = scan_unit_has_tombstone(scan, source, unit, first, last);
    const vv_head_piece *piece = source->segment == NULL ? &source->pieces[unit] : NULL;
    if (piece != NULL && !piece->is_encoded) {
        VV_TRY(scan_unit_view_plain(scan, source, piece, out_err));
        scan_unit_advance(scan, source);
    } else {
        VV_TRY(vv_scan_unit_take(scan, source, out_err));
        VV_TRY(vv_scan_unit_decode(scan, source, out_err));
    }
    scan_unit_cut(scan, source, rows);
    VV_TRY(scan_unit_grow_keep(scan, rows, out_err));
    const uint64_t *sequences = NULL;
    bool needs_filter = has_tombstone || (piece != NULL && piece->needs_filter);
    bool needs_row_ids = piece != NULL && (scan->options.with_row_ids || scan->has_row_ids);
    if (piece != NULL && (needs_filter || needs_row_ids)) {
        VV_TRY(scan_unit_sequences(scan, piece, &sequences, out_err));
    }
    if (needs_row_ids) {
        scan_unit_set_row_ids(source, piece, sequences);
    }
    if (needs_filter && source->begin < source->row_end) {
        size_t kept = scan_unit_mark(scan, source, sequences, source->last_sequence);
        if (kept < source->row_end - source->begin) {
            VV_TRY(scan_unit_squeeze(scan, source, out_err));
        }
    }
    source->is_open = source->begin < source->row_end;
    return VARVE_OK;
}
