/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The merge of a series' sources by time and order of arrival (see scan.h, scan_priv.h).
 *
 *   next:  the source whose next row comes first leads. If its next unit is whole and ends before
 *          any other source begins, the unit goes out as a VECTOR part, unread but for its head.
 *          Otherwise rows are put together: slices of the leading source up to where another source
 *          comes in; under `last` rows of equal time unite, the newer source winning field by
 *          field.
 *
 * A descending scan is the mirror image: it takes units and rows from their ends and turns each
 * part around when it is full, so that a caller that wants the newest row decodes one vector per
 * source.
 *
 *   M1  Sources are compared by (time, index of source); equal times of one source keep their
 *       order. In a series with row ids rows of equal time are put in order of row id.
 *
 *   M2  The bounds of an unopened unit stand in for its rows: they are never later (descending:
 *       earlier) than what it gives, so the leader is opened before a row that could come after
 *       its own.
 *   M3  A unit that cannot be read has been taken all the same, so that a scan that skips damage
 *       goes on behind it.
 */

#include "engine/scan.h"

#include "base/status.h"
#include "engine/scan_priv.h"

/* Blobs that are put together at once: four vectors of them. Wide rows would else take a thousand
 * times their size, and a flush that is to give memory back needs as much first. */
enum { SCAN_MERGE_BLOB_BYTES = 256 * 1024 };

/** Where the next row of a source lies at the earliest (descending: at the latest); false: no more.
 */
static bool scan_merge_peek(const vv_scan *scan, const vv_scan_source *source, int64_t *out_time)
{
    if (source->is_open) {
        *out_time = scan->options.is_descending ? source->times[source->row_end - 1]
                                                : source->times[source->begin];
        return true;
    }
    int64_t first;
    int64_t last;
    uint32_t rows;
    if (!vv_scan_unit_peek(scan, source, &first, &last, &rows)) {
        return false;
    }
    *out_time = scan->options.is_descending ? last : first;
    return true;
}

/** The source whose row comes next, and the (time, index) of the runner-up. */
typedef struct scan_merge_lead {
    vv_scan_source *source; /* NULL: every source is at its end */
    int64_t time;
    bool has_other;
    int64_t other_time;
    bool is_before_other; /* M1: at equal times the leader's rows come first */
} scan_merge_lead;

static bool scan_merge_precedes(const vv_scan *scan, int64_t a, size_t a_index, int64_t b,
                                size_t b_index)
{
    if (scan->options.is_descending) {
        return a > b || (a == b && a_index > b_index);
    }
    return a < b || (a == b && a_index < b_index);
}

static scan_merge_lead scan_merge_find(vv_scan *scan)
{
    scan_merge_lead lead = {0};
    size_t lead_index = 0;
    size_t other_index = 0;
    for (size_t i = 0; i < scan->source_count; i++) {
        int64_t time;
        if (!scan_merge_peek(scan, &scan->sources[i], &time)) {
            continue;
        }
        if (lead.source == NULL || scan_merge_precedes(scan, time, i, lead.time, lead_index)) {
            if (lead.source != NULL) {
                lead.has_other = true;
                lead.other_time = lead.time;
                other_index = lead_index;
            }
            lead.source = &scan->sources[i];
            lead.time = time;
            lead_index = i;
        } else if (!lead.has_other ||
                   scan_merge_precedes(scan, time, i, lead.other_time, other_index)) {
            lead.has_other = true;
            lead.other_time = time;
            other_index = i;
        }
    }
    lead.is_before_other =
        scan->options.is_descending ? lead_index > other_index : lead_index < other_index;
    return lead;
}

/** Whether the leader's next unit can go out as a VECTOR part. */
static bool scan_merge_can_pass(const vv_scan *scan, const scan_merge_lead *lead)
{
    if (lead->source->is_open || scan->options.no_vectors) {
        return false;
    }
    int64_t first;
    int64_t last;
    uint32_t rows;
    if (!vv_scan_unit_peek(scan, lead->source, &first, &last, &rows)) {
        return false;
    }
    if (lead->has_other &&
        (scan->options.is_descending ? first <= lead->other_time : last >= lead->other_time)) {
        return false;
    }
    return vv_scan_unit_is_whole(scan, lead->source);
}

/** How many rows the leader may give before another source comes in, at most `room`. */
static size_t scan_merge_slice(const vv_scan *scan, const scan_merge_lead *lead, size_t room)
{
    const vv_scan_source *source = lead->source;
    size_t available = source->row_end - source->begin;
    size_t count = available < room ? available : room;
    if (!lead->has_other) {
        return count;
    }
    /* Under `last` a row that meets another of its time is united, and with row ids they are put in
     * order, so equal times end the slice. */
    bool takes_equal = lead->is_before_other && !scan->is_last && !scan->has_row_ids;
    size_t taken = 0;
    while (taken < count) {
        int64_t time = scan->options.is_descending ? source->times[source->row_end - 1 - taken]
                                                   : source->times[source->begin + taken];
        bool is_before =
            scan->options.is_descending ? time > lead->other_time : time < lead->other_time;
        if (!is_before && !(takes_equal && time == lead->other_time)) {
            break;
        }
        taken++;
    }
    return taken;
}

static void scan_merge_consume(const vv_scan *scan, vv_scan_source *source, size_t count)
{
    if (scan->options.is_descending) {
        source->row_end -= count;
    } else {
        source->begin += count;
    }
    source->is_open = source->begin < source->row_end;
}

/** Copy `count` rows of the leader; descending ones are put last to first. */
static varve_status scan_merge_copy(vv_scan *scan, vv_scan_source *source, size_t count,
                                    varve_error *out_err)
{
    if (!scan->options.is_descending) {
        VV_TRY(vv_scan_out_slice(scan, source, source->begin, source->begin + count, out_err));
    } else {
        for (size_t i = 0; i < count; i++) {
            size_t row = source->row_end - 1 - i;
            VV_TRY(vv_scan_out_slice(scan, source, row, row + 1, out_err));
        }
    }
    scan_merge_consume(scan, source, count);
    return VARVE_OK;
}

/** Whether a failure to read the unit that was taken last is passed over (M3). */
static bool scan_merge_skips(vv_scan *scan, vv_scan_source *source, varve_status status)
{
    if (!scan->options.skip_damage || (status != VARVE_E_CORRUPT && status != VARVE_E_IO)) {
        return false;
    }
    scan->has_damage = true;
    source->is_open = false;
    return true;
}

static varve_status scan_merge_open(vv_scan *scan, vv_scan_source *source, varve_error *out_err)
{
    varve_status status = vv_scan_unit_open(scan, source, out_err);
    return scan_merge_skips(scan, source, status) ? VARVE_OK : status;
}

/** Open every source whose next unit may hold rows of this time (M2). */
static varve_status scan_merge_open_at(vv_scan *scan, int64_t time, varve_error *out_err)
{
    for (size_t i = 0; i < scan->source_count; i++) {
        vv_scan_source *source = &scan->sources[i];
        int64_t at;
        while (!source->is_open && scan_merge_peek(scan, source, &at) &&
               (scan->options.is_descending ? at >= time : at <= time)) {
            VV_TRY(scan_merge_open(scan, source, out_err));
        }
    }
    return VARVE_OK;
}

/** Policy `last`: one row of all rows at `time`, in order of arrival (sources, then rows). */
static varve_status scan_merge_unite(vv_scan *scan, int64_t time, varve_error *out_err)
{
    bool is_first = true;
    for (size_t i = 0; i < scan->source_count; i++) {
        vv_scan_source *source = &scan->sources[i];
        if (!source->is_open) {
            continue;
        }
        size_t begin = source->begin;
        size_t end = source->row_end;
        if (scan->options.is_descending) {
            begin = end;
            while (begin > source->begin && source->times[begin - 1] == time) {
                begin--;
            }
        } else {
            end = begin;
            while (end < source->row_end && source->times[end] == time) {
                end++;
            }
        }
        for (size_t row = begin; row < end; row++) {
            if (is_first) {
                VV_TRY(vv_scan_out_slice(scan, source, row, row + 1, out_err));
                is_first = false;
            } else {
                VV_TRY(vv_scan_out_unite(scan, source, row, out_err));
            }
        }
        scan_merge_consume(scan, source, end - begin);
    }
    return VARVE_OK;
}

/** The source, open at this time, whose row comes next by row id; NULL: none is there any more. */
static vv_scan_source *scan_merge_next_at(vv_scan *scan, int64_t time, size_t *out_row)
{
    vv_scan_source *next = NULL;
    uint64_t next_id = 0;
    for (size_t i = 0; i < scan->source_count; i++) {
        vv_scan_source *source = &scan->sources[i];
        if (!source->is_open) {
            continue;
        }
        size_t row = scan->options.is_descending ? source->row_end - 1 : source->begin;
        uint64_t row_id = source->row_ids == NULL ? 0 : source->row_ids[row];
        bool is_before = scan->options.is_descending ? row_id >= next_id : row_id < next_id;
        if (source->times[row] == time && (next == NULL || is_before)) {
            next = source;
            next_id = row_id;
            *out_row = row;
        }
    }
    return next;
}

/** Series with row ids: rows at `time` in order of row id, as many as there is room for. */
static varve_status scan_merge_arrange(vv_scan *scan, int64_t time, varve_error *out_err)
{
    size_t row = 0;
    while (scan->out.count < VV_VECTOR_ROWS_MAX) {
        vv_scan_source *source = scan_merge_next_at(scan, time, &row);
        if (source == NULL) {
            return VARVE_OK;
        }
        VV_TRY(vv_scan_out_slice(scan, source, row, row + 1, out_err));
        scan_merge_consume(scan, source, 1);
        /* The next unit of the source may go on at this time. */
        VV_TRY(scan_merge_open_at(scan, time, out_err));
    }
    return VARVE_OK;
}

/** Put rows together until the part is full, the end is reached, or a vector can pass. */
static varve_status scan_merge_gather(vv_scan *scan, varve_error *out_err)
{
    while (scan->out.count < VV_VECTOR_ROWS_MAX && scan->out.blob_bytes < SCAN_MERGE_BLOB_BYTES) {
        scan_merge_lead lead = scan_merge_find(scan);
        if (lead.source == NULL || (scan->out.count > 0 && scan_merge_can_pass(scan, &lead))) {
            break;
        }
        if (!lead.source->is_open) {
            VV_TRY(scan_merge_open(scan, lead.source, out_err));
            continue;
        }
        size_t room = VV_VECTOR_ROWS_MAX - scan->out.count;
        bool may_slice = !scan->is_last || lead.source->is_strict;
        size_t count = may_slice ? scan_merge_slice(scan, &lead, room) : 0;
        if (count > 0) {
            VV_TRY(scan_merge_copy(scan, lead.source, count, out_err));
        } else if (scan->is_last) {
            VV_TRY(scan_merge_open_at(scan, lead.time, out_err));
            VV_TRY(scan_merge_unite(scan, lead.time, out_err));
        } else {
            /* The runner-up has not been opened, and its bound is not later than this row; or with
             * row ids both have rows of this time. */
            VV_TRY(scan_merge_open_at(scan, lead.time, out_err));
            if (scan->has_row_ids) {
                VV_TRY(scan_merge_arrange(scan, lead.time, out_err));
            }
        }
    }
    return VARVE_OK;
}

/** Take the leader's next unit as a VECTOR part; *out_is_part false: it is open now, or was
 * damaged. */
static varve_status scan_merge_pass(vv_scan *scan, vv_scan_source *source, bool *out_is_part,
                                    varve_error *out_err)
{
    *out_is_part = false;
    varve_status status = vv_scan_unit_take(scan, source, out_err);
    /* Under `last` a vector with equal times (a late block) has rows to unite. */
    if (status == VARVE_OK && scan->is_last && !source->vector.is_strict) {
        status = vv_scan_unit_decode(scan, source, out_err);
    } else if (status == VARVE_OK) {
        *out_is_part = true;
    }
    if (status != VARVE_OK) {
        return scan_merge_skips(scan, source, status) ? VARVE_OK : status;
    }
    scan->vector_source = *out_is_part ? source : NULL;
    scan->part = (vv_part){
        .kind = VV_PART_VECTOR,
        .count = source->vector.count,
        .first_time = source->vector.first_time,
        .last_time = source->vector.last_time,
        .vector = &source->vector,
        .segment = source->segment,
    };
    return VARVE_OK;
}

/** Rows that do not fit together (a field with two types) end the series when damage is skipped. */
static varve_status scan_merge_rows(vv_scan *scan, varve_error *out_err)
{
    VV_TRY(vv_scan_out_begin(scan, out_err));
    varve_status status = scan_merge_gather(scan, out_err);
    if (status == VARVE_E_CORRUPT && scan->options.skip_damage) {
        scan->has_damage = true;
        vv_scan_drop_sources(scan);
        status = VARVE_OK;
    }
    return status;
}

varve_status vv_scan_next(vv_scan *scan, const vv_part **out_part, varve_error *out_err)
{
    *out_part = NULL;
    scan->vector_source = NULL;
    for (;;) {
        scan_merge_lead lead = scan_merge_find(scan);
        if (lead.source == NULL) {
            return VARVE_OK;
        }
        if (scan_merge_can_pass(scan, &lead)) {
            bool is_part;
            VV_TRY(scan_merge_pass(scan, lead.source, &is_part, out_err));
            if (is_part) {
                *out_part = &scan->part;
                return VARVE_OK;
            }
            continue;
        }
        VV_TRY(scan_merge_rows(scan, out_err));
        vv_scan_out_finish(scan, &scan->part.rows);
        if (scan->part.rows.count > 0) {
            scan->part.kind = VV_PART_ROWS;
            scan->part.count = scan->part.rows.count;
            scan->part.first_time = scan->part.rows.times[0];
            scan->part.last_time = scan->part.rows.times[scan->part.rows.count - 1];
            scan->part.segment = NULL;
            *out_part = &scan->part;
            return VARVE_OK;
        }
    }
}
