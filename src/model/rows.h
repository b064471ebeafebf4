/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_MODEL_ROWS_H
#define VV_MODEL_ROWS_H

/*
 * Rows between the rooms: decoded, columnar, in the forms that codec, log, head and query share.
 *
 *   vv_rows   rows of ONE series, ascending in time (what a vector encodes and a scan gives)
 *   vv_run    rows of one or many series in the order of arrival (what a batch and the log hold)
 *
 * In both a column is a varve_column with these restrictions:
 *
 *   R1  stride is 0 and offsets, codes, dictionary, approximate are NULL.
 *
 *   R2  F64, I64, U64 are packed 8-byte values, BOOL packed uint8_t of 0 or 1.
 *
 *   R3  BYTES and STRING are varve_text[]; marks tells the kind of each row (bit set: BYTES) and is
 *       NULL when every row has the column's type.
 *
 *   R4  HISTOGRAM is varve_text[] of the canonical bytes of model/histogram.h.
 *
 *   R5  Where present says a row has no value, the slot is zero (an empty text).
 *
 *   R6  fields are ids of the catalogue, ascending and distinct.
 */

#include "varve.h"

enum {
    VV_VECTOR_ROWS_MAX = 1024, /* rows of one encoded vector */
    VV_ROW_FIELDS_MAX = 1024,  /* fields of one row */
    VV_FIELD_NAME_BYTES_MAX = 256,
    VV_METRIC_BYTES_MAX = 65535,
    VV_LABEL_NAME_BYTES_MAX = 256,
    VV_LABEL_VALUE_BYTES_MAX = 16384,
    VV_LABELS_MAX = 256,
    VV_VALUE_BYTES_MAX = 32 * 1024 * 1024
};

typedef struct vv_rows {
    size_t count;
    const int64_t *times;    /* count, never descending */
    const uint64_t *row_ids; /* count, or NULL */
    const uint32_t *fields;  /* column_count */
    const varve_column *columns;
    size_t column_count;
} vv_rows;

typedef struct vv_run {
    size_t count;
    const uint32_t *series; /* series_count ids: 1 (all rows of one series) or count */
    size_t series_count;
    const int64_t *times; /* time_count: 1 (one time for all) or count */
    size_t time_count;
    const uint32_t *fields; /* column_count */
    const varve_column *columns;
    size_t column_count;
    const uint8_t
        *vector; /* not NULL: the same rows as an encoded vector of one series, ascending in
                    time and, under `last`, strictly; times and columns are then NULL */
    size_t vector_size;
    const uint64_t *row_ids; /* count; NULL: each row is new, its id is its sequence. A replacement
                                keeps the id of what it replaces; never with a vector */
} vv_run;

/** Where a row of a metric with row ids is. */
typedef struct vv_row_address {
    uint32_t series;
    int64_t time;
    uint64_t row_id;
} vv_row_address;

/** Order of addresses: series, time, row id. */
static inline int vv_row_address_compare(const vv_row_address *a, const vv_row_address *b)
{
    if (a->series != b->series) {
        return a->series < b->series ? -1 : 1;
    }
    if (a->time != b->time) {
        return a->time < b->time ? -1 : 1;
    }
    return a->row_id == b->row_id ? 0 : a->row_id < b->row_id ? -1 : 1;
}

/** Family of a type: F64, I64, U64, BOOL, HISTOGRAM themselves; BYTES and STRING are STRING. */
static inline uint32_t vv_type_family(uint32_t type)
{
    return type == VARVE_TYPE_BYTES ? (uint32_t)VARVE_TYPE_STRING : type;
}

/** Whether values of a type lie in a varve_text (R3, R4). */
static inline bool vv_type_is_blob(uint32_t type)
{
    return type == VARVE_TYPE_BYTES || type == VARVE_TYPE_STRING || type == VARVE_TYPE_HISTOGRAM;
}

/** Bytes of one packed value of a column of this type. */
static inline size_t vv_type_width(uint32_t type)
{
    return type == VARVE_TYPE_BOOL ? 1 : vv_type_is_blob(type) ? sizeof(varve_text) : 8;
}

/** Whether row `index` of a column has a value. */
static inline bool vv_column_has(const varve_column *column, size_t index)
{
    return column->present == NULL || ((column->present[index / 64] >> (index % 64)) & 1) != 0;
}

#endif
