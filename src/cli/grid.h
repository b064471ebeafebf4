/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_GRID_H
#define VV_CLI_GRID_H

/*
 * Rows of cells as columns in line, for a terminal. Widths are those of the first rows; wider cells
 * below push their row to the right, so that any number of rows needs little memory. The first row
 * is the header. Numbers stand to the right of their column. Control characters are shown as JSON
 * escapes them.
 *
 *     time                      host     value
 *     2026-01-02T03:04:05.000Z  a           1.5
 *
 * As a table of Markdown, whose columns stand in line as well:
 *
 *     | time                     | host | value |
 *     |--------------------------|------|------:|
 *     | 2026-01-02T03:04:05.000Z | a    |   1.5 |
 */

#include "base/buf.h"
#include "base/compiler.h"
#include "base/vec.h"
#include "varve.h"

/* Rows that are looked at before the first is printed. */
#define VV_GRID_ROWS 1000u

typedef struct vv_grid {
    vv_buf texts;   /* of the cells that wait */
    vv_vec cells;   /* grid_cell */
    vv_vec widths;  /* size_t, of each column */
    size_t columns; /* of the row under way */
    size_t rows;    /* that wait */
    bool has_widths;
    bool has_header;  /* it was printed */
    bool is_markdown; /* set before the first cell */
} vv_grid;

void vv_grid_init(vv_grid *grid, vv_alloc *alloc);
void vv_grid_deinit(vv_grid *grid);

/** The next cell of the row. A failure is told by vv_grid_end_row. */
void vv_grid_cell(vv_grid *grid, varve_text text, bool is_number);
/** End the row; what can be printed is appended to out. E_NOMEM. */
VV_MUST_CHECK varve_status vv_grid_end_row(vv_grid *grid, vv_buf *out, varve_error *out_err);
/** Append all rows that wait. */
VV_MUST_CHECK varve_status vv_grid_end(vv_grid *grid, vv_buf *out, varve_error *out_err);

#endif
