/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Rows of one series that are hidden one by one: those that the version's row lists name, those of
 * the view's heads, and those that the caller of the scan takes to be gone. They are few, so they
 * are put into one list; units look there before they answer from statistics, and row by row where
 * the list says that one of theirs may be hidden. A scan of a series without such rows looks at an
 * empty list.
 */

#include <stdlib.h>

#include "base/status.h"
#include "engine/row_list.h"
#include "engine/scan_priv.h"

/** By address; of one address the greatest sequence first. */
static int scan_hides_compare(const void *a, const void *b)
{
    const vv_head_hide *left = a;
    const vv_head_hide *right = b;
    if (left->time != right->time) {
        return left->time < right->time ? -1 : 1;
    }
    if (left->row_id != right->row_id) {
        return left->row_id < right->row_id ? -1 : 1;
    }
    return left->sequence == right->sequence ? 0 : left->sequence > right->sequence ? -1 : 1;
}

static bool scan_hides_in_range(const vv_scan *scan, int64_t time)
{
    varve_range range = scan->range;
    return time >= range.start && (time < range.end || range.end == INT64_MAX);
}

varve_status vv_scan_hides_add(vv_scan *scan, const vv_head_hide *hides, size_t count,
                               varve_error *out_err)
{
    for (size_t i = 0; i < count; i++) {
        if (!scan_hides_in_range(scan, hides[i].time)) {
            continue;
        }
        varve_status status = vv_vec_push(&scan->hides, &hides[i]);
        if (status != VARVE_OK) {
            return vv_vec_fail(&scan->hides, status, out_err);
        }
    }
    return VARVE_OK;
}

static varve_status scan_hides_add_list(vv_scan *scan, const vv_tombstone *list,
                                        varve_error *out_err)
{
    size_t begin;
    size_t end;
    vv_row_list_find(list, scan->series, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        const vv_row_hide *row = &list->rows[i];
        vv_head_hide hide = {
            .time = row->row.time, .row_id = row->row.row_id, .sequence = row->sequence};
        if (hide.sequence <= scan->view->visible) {
            VV_TRY(vv_scan_hides_add(scan, &hide, 1, out_err));
        }
    }
    return VARVE_OK;
}

/** First of the addresses whose series is not below. */
static size_t scan_hides_lower(const vv_scan_options *options, uint32_t series)
{
    size_t begin = 0;
    size_t end = options->hidden_count;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        if (options->hidden[middle].series < series) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

varve_status vv_scan_hides_begin(vv_scan *scan, varve_error *out_err)
{
    vv_vec_clear(&scan->hides);
    if (!scan->has_row_ids) {
        return VARVE_OK;
    }
    const vv_version *version = scan->view->version;
    for (size_t i = 0; i < version->tombstone_count; i++) {
        if (vv_tombstone_is_of_rows(version->tombstones[i])) {
            VV_TRY(scan_hides_add_list(scan, version->tombstones[i], out_err));
        }
    }
    const vv_scan_options *options = &scan->options;
    for (size_t i = scan_hides_lower(options, scan->series);
         i < options->hidden_count && options->hidden[i].series == scan->series; i++) {
        vv_head_hide hide = {.time = options->hidden[i].time,
                             .row_id = options->hidden[i].row_id,
                             .sequence = UINT64_MAX};
        VV_TRY(vv_scan_hides_add(scan, &hide, 1, out_err));
    }
    return VARVE_OK;
}

void vv_scan_hides_end(vv_scan *scan)
{
    vv_head_hide *hides = VV_VEC_ITEMS(&scan->hides, vv_head_hide);
    size_t kept = 0;
    if (scan->hides.count > 1) {
        qsort(hides, scan->hides.count, sizeof *hides, scan_hides_compare);
    }
    for (size_t i = 0; i < scan->hides.count; i++) {
        if (kept == 0 || hides[kept - 1].time != hides[i].time ||
            hides[kept - 1].row_id != hides[i].row_id) {
            hides[kept] = hides[i];
            kept++;
        }
    }
    scan->hides.count = kept;
}

/** First hidden row at or after (time, row id). */
static size_t scan_hides_find(const vv_scan *scan, int64_t time, uint64_t row_id)
{
    const vv_head_hide *hides = VV_VEC_ITEMS(&scan->hides, vv_head_hide);
    size_t begin = 0;
    size_t end = scan->hides.count;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        if (hides[middle].time < time ||
            (hides[middle].time == time && hides[middle].row_id < row_id)) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

bool vv_scan_hides_meet(const vv_scan *scan, int64_t first, int64_t last, uint64_t sequence)
{
    if (scan->hides.count == 0) {
        return false;
    }
    const vv_head_hide *hides = VV_VEC_ITEMS(&scan->hides, vv_head_hide);
    for (size_t i = scan_hides_find(scan, first, 0); i < scan->hides.count && hides[i].time <= last;
         i++) {
        if (hides[i].sequence > sequence) {
            return true;
        }
    }
    return false;
}

bool vv_scan_hides_row(const vv_scan *scan, int64_t time, uint64_t row_id, uint64_t sequence)
{
    if (scan->hides.count == 0) {
        return false;
    }
    size_t at = scan_hides_find(scan, time, row_id);
    const vv_head_hide *hides = VV_VEC_ITEMS(&scan->hides, vv_head_hide);
    return at < scan->hides.count && hides[at].time == time && hides[at].row_id == row_id &&
           hides[at].sequence > sequence;
}
