/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WIRE_CSV_WRITE_H
#define VV_WIRE_CSV_WRITE_H

/*
 * Blocks of an answer to CSV, and the columns that such a text has.
 */

#include "base/buf.h"
#include "wire/csv.h"

/** Fixed for its life; columns are borrowed. A FIELD of type PLAIN is for people; one of another
 * type is only written where the value has that type. */
typedef struct vv_csv_writer {
    const vv_csv_column *columns;
    size_t count;
    uint32_t from; /* VARVE_PRECISION_... of the blocks */
    bool has_lost; /* digits of a time were cut */
    uint64_t rows; /* written */
    vv_buf cell;   /* one value */
    vv_buf places; /* size_t: for each column of the text, that of the block */
} vv_csv_writer;

void vv_csv_writer_init(vv_csv_writer *writer, vv_alloc *alloc, const vv_csv_column *columns,
                        size_t count, uint32_t from);
void vv_csv_writer_deinit(vv_csv_writer *writer);
/** A header, typed or of names only. */
VV_MUST_CHECK varve_status vv_csv_writer_header(vv_csv_writer *writer, bool is_typed, vv_buf *out,
                                                varve_error *out_err);
/** Rows [begin, end) of a block in SERIES layout; rows that have none of the fields are left out.
 * E_INVALID: a value of a type that no column has. */
VV_MUST_CHECK varve_status vv_csv_writer_rows(vv_csv_writer *writer, const varve_block *block,
                                              size_t begin, size_t end, vv_buf *out,
                                              varve_error *out_err);

/** The columns of an answer as they are found: labels and fields in any order, any number of times.
 */
typedef struct vv_csv_layout {
    vv_arena *arena;
    vv_buf columns; /* vv_csv_column[] */
} vv_csv_layout;

void vv_csv_layout_init(vv_csv_layout *layout, vv_alloc *alloc, vv_arena *arena);
void vv_csv_layout_deinit(vv_csv_layout *layout);
/** A label, or a field with the name of its type as listings tell it. The name is copied. E_LIMIT:
 * more than VV_CSV_COLUMNS_MAX; E_NOMEM. */
VV_MUST_CHECK varve_status vv_csv_layout_label(vv_csv_layout *layout, varve_text name,
                                               varve_error *out_err);
VV_MUST_CHECK varve_status vv_csv_layout_field(vv_csv_layout *layout, varve_text name,
                                               varve_text type, varve_error *out_err);
/** time, metric, labels and fields by name; in the arena. */
VV_MUST_CHECK varve_status vv_csv_layout_end(vv_csv_layout *layout, uint32_t unit,
                                             const vv_csv_column **out_columns, size_t *out_count,
                                             varve_error *out_err);

#endif
