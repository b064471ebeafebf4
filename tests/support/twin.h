/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The naive twin of a database: rows in a list, deletes that mark rows, everything answered by
 * walking the list. What random programs are compared with. Series and fields are small numbers
 * here; the test maps them to names.
 */
#ifndef VV_TESTS_SUPPORT_TWIN_H
#define VV_TESTS_SUPPORT_TWIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "varve.h"

enum { TWIN_FIELDS_MAX = 24, TWIN_SERIES_MAX = 64 };

/* A value with bytes of its own. */
typedef struct twin_value {
    uint32_t type;  /* VARVE_TYPE_..., NONE: absent */
    uint64_t bits;  /* numbers */
    uint8_t *bytes; /* bytes family; histograms in the form of twin_histogram_bytes */
    size_t size;
} twin_value;

typedef struct twin_row {
    uint32_t series;
    int64_t time;
    uint64_t order;  /* of arrival; a replacement keeps it */
    uint64_t row_id; /* 0: not known, or rows have none */
    bool is_hidden;
    twin_value values[TWIN_FIELDS_MAX];
} twin_row;

typedef struct twin_model {
    bool is_last; /* duplicates policy */
    twin_row **rows;
    size_t count, capacity;
    uint64_t next_order;
    /* Retention, set by who plays the program. */
    int64_t cuts[TWIN_SERIES_MAX]; /* rows of a series before it are hidden, and refused */
    int64_t skew_limit;            /* later times are not observed */
    int64_t newest;                /* time observed; INT64_MIN: none */
    uint64_t refused;              /* rows, since this was cleared */
} twin_model;

void twin_init(twin_model *twin, bool is_last);
void twin_deinit(twin_model *twin);
/* A copy of its own, for views of the past. */
void twin_copy(const twin_model *from, twin_model *out_copy);

twin_value twin_value_of(const varve_value *value);
/* Of a row of an answer; of type NONE where it is absent. */
twin_value twin_value_of_column(const varve_column *column, size_t row);
bool twin_value_equal(const twin_value *a, const twin_value *b);

/* Append a row, or refuse it; values[field] of type NONE are absent. Values are copied. */
void twin_add(twin_model *twin, uint32_t series, int64_t time,
              const varve_value values[TWIN_FIELDS_MAX]);
/* Hide what is there of the series whose bit is set, in the range. Returns series that had rows
 * there. */
uint64_t twin_delete(twin_model *twin, uint64_t series_bits, varve_range range);

/* Other content for a row that is there, which keeps its order and its id. */
void twin_replace(twin_model *twin, twin_row *row, uint32_t series, int64_t time,
                  const varve_value values[TWIN_FIELDS_MAX]);

/* Visible rows of a series in a range, ascending, duplicates resolved; fields: bits wanted, rows
 * without any are left out. Free with twin_rows_free. */
twin_row *twin_select(const twin_model *twin, uint32_t series, varve_range range, uint32_t fields,
                      size_t *out_count);
void twin_rows_free(twin_row *rows, size_t count);

#endif
