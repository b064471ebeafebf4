/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sketches of doors that read: pages by row id, pages by limit and offset, a listing, the newest
 * row. C99 and C++11.
 */
#ifndef VV_TESTS_SKETCHES_READING_H
#define VV_TESTS_SKETCHES_READING_H

#include "varve.h"

/* What a page ends with: goes on from `last`; at most `limit` rows, in order of arrival. */
static varve_status reading_page(varve_db *db, uint64_t *last, uint64_t limit, uint64_t *out_rows,
                                 varve_error *err)
{
    varve_query_options options;
    varve_query_options_init(&options);
    options.layout = VARVE_LAYOUT_ROWS;
    options.order = VARVE_ORDER_ARRIVAL;
    options.flags = VARVE_QUERY_ROW_IDS;
    options.after_row_id = *last;
    options.limit = limit;
    varve_cursor *cursor;
    const varve_block *block = NULL;
    *out_rows = 0;
    varve_status status = varve_query(db, &options, &cursor, err);
    while (status == VARVE_OK) {
        status = varve_cursor_next(cursor, &block, err);
        if (status != VARVE_OK || block == NULL) {
            break;
        }
        for (size_t i = 0; i < block->rows; i++) {
            *last = block->row[i].row_id;
        }
        *out_rows += block->rows;
    }
    varve_cursor_close(cursor);
    return status;
}

/* Rows of a page by offset, as a user interface scrolls. */
static varve_status reading_scroll(varve_db *db, uint64_t offset, uint64_t limit,
                                   uint64_t *out_rows, varve_error *err)
{
    varve_query_options options;
    varve_query_options_init(&options);
    options.layout = VARVE_LAYOUT_TABLE;
    options.order = VARVE_ORDER_TIME;
    options.flags = VARVE_QUERY_DESCENDING;
    options.offset = offset;
    options.limit = limit;
    varve_cursor *cursor;
    const varve_block *block = NULL;
    *out_rows = 0;
    varve_status status = varve_query(db, &options, &cursor, err);
    while (status == VARVE_OK) {
        status = varve_cursor_next(cursor, &block, err);
        if (status != VARVE_OK || block == NULL) {
            break;
        }
        *out_rows += block->rows;
    }
    varve_cursor_close(cursor);
    return status;
}

/* How many series have a newest row. */
static varve_status reading_newest(varve_db *db, uint64_t *out_series, varve_error *err)
{
    varve_cursor *cursor;
    const varve_block *block = NULL;
    *out_series = 0;
    varve_status status = varve_last(db, NULL, 0, &cursor, err);
    while (status == VARVE_OK) {
        status = varve_cursor_next(cursor, &block, err);
        if (status != VARVE_OK || block == NULL) {
            break;
        }
        *out_series += block->rows;
    }
    varve_cursor_close(cursor);
    return status;
}

#endif
