/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/grid.h"

#include "base/json_writer.h"
#include "base/slice.h"
#include "base/status.h"
#include "cli/text_width.h"

typedef struct grid_cell {
    size_t end;    /* of its text in texts */
    size_t length; /* columns of a terminal */
    size_t column;
    bool is_number;
} grid_cell;

void vv_grid_init(vv_grid *grid, vv_alloc *alloc)
{
    *grid = (vv_grid){.columns = 0};
    vv_buf_init(&grid->texts, alloc, SIZE_MAX);
    vv_vec_init(&grid->cells, alloc, sizeof(grid_cell), SIZE_MAX);
    vv_vec_init(&grid->widths, alloc, sizeof(size_t), SIZE_MAX);
}

void vv_grid_deinit(vv_grid *grid)
{
    vv_vec_deinit(&grid->widths);
    vv_vec_deinit(&grid->cells);
    vv_buf_deinit(&grid->texts);
}

static bool grid_has_control(varve_text text)
{
    for (size_t i = 0; i < text.size; i++) {
        if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f) {
            return true;
        }
    }
    return false;
}

/** What Markdown takes for itself is escaped; control characters become blanks. */
static void grid_markdown_text(vv_buf *texts, varve_text text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        bool is_control = (unsigned char)c < 0x20 || c == 0x7f;
        if (c == '|' || c == '\\' || c == '`' || c == '*' || c == '<') {
            vv_buf_append_char(texts, '\\');
        }
        vv_buf_append_char(texts, is_control ? ' ' : c);
    }
}

void vv_grid_cell(vv_grid *grid, varve_text text, bool is_number)
{
    size_t begin = grid->texts.size;
    if (grid->is_markdown) {
        grid_markdown_text(&grid->texts, text);
    } else if (grid_has_control(text)) {
        VV_IGNORE(vv_json_escape(&grid->texts, text)); /* sticky */
    } else {
        VV_IGNORE(vv_buf_append_text(&grid->texts, text)); /* sticky */
    }
    varve_text shown = {(const char *)grid->texts.data + begin, grid->texts.size - begin};
    grid_cell cell = {.end = grid->texts.size,
                      .length = shown.size == 0 ? 0 : vv_text_width(shown),
                      .column = grid->columns,
                      .is_number = is_number};
    if (grid->widths.count == grid->columns) {
        size_t none = 0;
        VV_IGNORE(vv_vec_push(&grid->widths, &none)); /* missed below */
    }
    if (grid->widths.count <= grid->columns || vv_vec_push(&grid->cells, &cell) != VARVE_OK) {
        grid->texts.status = VARVE_E_NOMEM;
        return;
    }
    size_t *width = VV_VEC_AT(&grid->widths, size_t, grid->columns);
    if (!grid->has_widths && cell.length > *width) {
        *width = cell.length;
    }
    grid->columns += 1;
}

static void grid_print_cell(const vv_grid *grid, vv_buf *out, const grid_cell *cell,
                            varve_text text, bool is_last)
{
    size_t width = *VV_VEC_AT(&grid->widths, size_t, cell->column);
    size_t padding = width > cell->length ? width - cell->length : 0;
    if (grid->is_markdown) {
        vv_buf_append_text(out, cell->column > 0 ? VV_TEXT(" | ") : VV_TEXT("| "));
    } else if (cell->column > 0) {
        vv_buf_append_text(out, VV_TEXT("  "));
    }
    if (cell->is_number) {
        vv_buf_append_fill(out, ' ', padding);
    }
    vv_buf_append_text(out, text);
    if (!cell->is_number && (!is_last || grid->is_markdown)) {
        vv_buf_append_fill(out, ' ', padding);
    }
    if (is_last && grid->is_markdown) {
        vv_buf_append_text(out, VV_TEXT(" |\n"));
    } else if (is_last) { /* what is missing leaves no blanks at the end of a row */
        while (out->size > 0 && out->data[out->size - 1] == ' ') {
            vv_buf_truncate(out, out->size - 1);
        }
        vv_buf_append_char(out, '\n');
    }
}

/** Whether the rows that wait have numbers in a column. */
static bool grid_has_numbers(const vv_grid *grid, size_t column)
{
    const grid_cell *cells = VV_VEC_ITEMS(&grid->cells, grid_cell);
    for (size_t i = grid->widths.count; i < grid->cells.count; i++) {
        if (cells[i].column == column && cells[i].is_number && cells[i].length > 0) {
            return true;
        }
    }
    return false;
}

/** The line below the header: "|------|---:|". */
static void grid_print_rule(const vv_grid *grid, vv_buf *out)
{
    for (size_t column = 0; column < grid->widths.count; column++) {
        size_t width = *VV_VEC_AT(&grid->widths, size_t, column);
        vv_buf_append_char(out, '|');
        vv_buf_append_fill(out, '-', width + 1);
        vv_buf_append_char(out, grid_has_numbers(grid, column) ? ':' : '-');
    }
    vv_buf_append_text(out, VV_TEXT("|\n"));
}

varve_status vv_grid_end(vv_grid *grid, vv_buf *out, varve_error *out_err)
{
    VV_TRY(vv_buf_check(&grid->texts, out_err));
    const grid_cell *cells = VV_VEC_ITEMS(&grid->cells, grid_cell);
    size_t begin = 0;
    for (size_t i = 0; i < grid->cells.count; i++) {
        bool is_last = i + 1 == grid->cells.count || cells[i + 1].column == 0;
        varve_text text = {(const char *)grid->texts.data + begin, cells[i].end - begin};
        grid_print_cell(grid, out, &cells[i], text, is_last);
        begin = cells[i].end;
        if (is_last && grid->is_markdown && !grid->has_header) {
            grid_print_rule(grid, out);
            grid->has_header = true;
        }
    }
    vv_vec_clear(&grid->cells);
    vv_buf_reset(&grid->texts);
    grid->rows = 0;
    return vv_buf_check(out, out_err);
}

varve_status vv_grid_end_row(vv_grid *grid, vv_buf *out, varve_error *out_err)
{
    grid->columns = 0;
    grid->rows += 1;
    if (!grid->has_widths && grid->rows < VV_GRID_ROWS) {
        return vv_buf_check(&grid->texts, out_err);
    }
    grid->has_widths = true;
    return vv_grid_end(grid, out, out_err);
}
