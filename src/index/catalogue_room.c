/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much the catalogue may hold: a number of series, and bytes of names and postings. What is
 * known stays known and writable; only what is new is refused, and before anything of it is stored.
 *
 * Nothing is ever taken out of the catalogue, so a batch of names is counted before its first one
 * is resolved: a batch that is refused leaves no series behind.
 */
#include <stdlib.h>

#include "base/limit.h"
#include "base/status.h"
#include "index/catalogue.h"
#include "index/catalogue_priv.h"
#include "model/labels.h"

void vv_catalogue_set_limits(vv_catalogue *catalogue, uint64_t series_max, uint64_t bytes_max)
{
    vv_rwlock_write_lock(&catalogue->lock);
    catalogue->series_max = series_max;
    catalogue->bytes_max = bytes_max;
    vv_rwlock_write_unlock(&catalogue->lock);
}

varve_status vv_catalogue_check_bytes(const vv_catalogue *catalogue, varve_error *out_err)
{
    size_t bytes = vv_alloc_bytes(&catalogue->alloc);
    if (catalogue->bytes_max != 0 && bytes >= catalogue->bytes_max) {
        return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_NAMES_MEMORY,
                             "no more series or fields: their names take %zu bytes, and of "
                             "memory_limit_bytes they may have %llu",
                             bytes, (unsigned long long)catalogue->bytes_max);
    }
    return VARVE_OK;
}

varve_status vv_catalogue_check_room(const vv_catalogue *catalogue, varve_error *out_err)
{
    uint32_t count = vv_catalogue_series_count(catalogue);
    uint64_t limit = catalogue->series_max;
    if (limit != 0 && count >= limit) {
        return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_SERIES,
                             "no more series: series_max is %llu", (unsigned long long)limit);
    }
    if (count == VV_IDSET_ID_MAX) {
        return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_SERIES,
                             "no more series: %u are known", count);
    }
    return vv_catalogue_check_bytes(catalogue, out_err);
}

/* ---- batches of names ---- */

/** A number for the series of a name, 0 where it is known or is no name at all. */
static uint64_t room_number(const vv_catalogue *catalogue, const varve_named_row *row)
{
    varve_label labels[VV_LABELS_MAX];
    if (row->label_count > VV_LABELS_MAX) {
        return 0; /* refused when it is added */
    }
    if (row->label_count > 0) {
        memcpy(labels, row->labels, row->label_count * sizeof *labels);
        vv_labels_sort(labels, row->label_count);
    }
    if (vv_catalogue_find(catalogue, row->metric, labels, row->label_count) != 0 ||
        vv_metric_check(row->metric, NULL) != VARVE_OK ||
        vv_labels_check(labels, row->label_count, NULL) != VARVE_OK) {
        return 0;
    }
    uint64_t hash = vv_series_identity_hash(row->metric, labels, row->label_count, catalogue->seed);
    return hash != 0 ? hash : 1;
}

static int room_compare(const void *a, const void *b)
{
    uint64_t left;
    uint64_t right;
    memcpy(&left, a, sizeof left);
    memcpy(&right, b, sizeof right);
    return left < right ? -1 : left > right;
}

/** How many distinct numbers above 0. Two names of one number (one in 2^64 pairs) count once; then
 *  the limit of the series itself speaks. */
static uint64_t room_distinct(uint64_t *numbers, size_t count)
{
    uint64_t distinct = 0;
    qsort(numbers, count, sizeof *numbers, room_compare);
    for (size_t i = 0; i < count; i++) {
        bool is_new = numbers[i] != 0 && (i == 0 || numbers[i] != numbers[i - 1]);
        distinct += is_new ? 1 : 0;
    }
    return distinct;
}

varve_status vv_catalogue_check_rows(const vv_catalogue *catalogue, const varve_named_row *rows,
                                     size_t count, varve_error *out_err)
{
    uint64_t known = vv_catalogue_series_count(catalogue);
    uint64_t limit = catalogue->series_max;
    if (limit == 0 || known + count <= limit) {
        return VARVE_OK;
    }
    uint64_t *numbers = vv_alloc_array(catalogue->outer, count, sizeof *numbers);
    if (numbers == NULL) {
        return vv_fail_nomem(out_err, "names of a batch", count * sizeof *numbers);
    }
    for (size_t i = 0; i < count; i++) {
        numbers[i] = room_number(catalogue, &rows[i]);
    }
    uint64_t wanted = room_distinct(numbers, count);
    vv_alloc_free(catalogue->outer, numbers, count * sizeof *numbers);
    if (wanted == 0 || known + wanted <= limit) {
        return VARVE_OK;
    }
    return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_SERIES,
                         "no more series: the batch has %llu new ones, %llu are known, and "
                         "series_max is %llu",
                         (unsigned long long)wanted, (unsigned long long)known,
                         (unsigned long long)limit);
}
