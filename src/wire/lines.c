/* SPDX-License-Identifier: Apache-2.0 */

#include "wire/lines.h"

#include "base/limit.h"
#include "base/slice.h"
#include "base/status.h"

void vv_lines_init(vv_lines *lines, vv_alloc *alloc, size_t bytes_max)
{
    *lines = (vv_lines){.line = 0};
    vv_buf_init(&lines->carry, alloc, bytes_max);
}

void vv_lines_deinit(vv_lines *lines)
{
    vv_buf_deinit(&lines->carry);
}

void vv_lines_feed(vv_lines *lines, varve_text piece)
{
    lines->piece = piece;
}

/** The beginning of a line, to go on with the next piece. */
static varve_status lines_keep(vv_lines *lines, varve_text part, varve_error *out_err)
{
    varve_status status = vv_buf_append_text(&lines->carry, part);
    if (status == VARVE_E_LIMIT) {
        return vv_fail_limit(out_err, status, VV_LIMIT_LINE, "line %llu: longer than %zu bytes",
                             (unsigned long long)lines->line + 1, lines->carry.limit_bytes);
    }
    return status == VARVE_OK ? VARVE_OK : vv_buf_check(&lines->carry, out_err);
}

varve_status vv_lines_next(vv_lines *lines, bool is_end, varve_text *out_line, bool *out_has_line,
                           varve_error *out_err)
{
    if (lines->is_carry_used) {
        vv_buf_reset(&lines->carry);
        lines->is_carry_used = false;
    }
    size_t size = vv_text_find_char(lines->piece, '\n');
    bool is_cut = size == lines->piece.size;
    *out_has_line = !is_cut || (is_end && lines->carry.size + size > 0);
    varve_text line = vv_text_make(lines->piece.data, size);
    if (!*out_has_line || lines->carry.size > 0 || size > lines->carry.limit_bytes) {
        VV_TRY(lines_keep(lines, line, out_err)); /* one that is too long ends here */
        line = vv_buf_text(&lines->carry);
        lines->is_carry_used = *out_has_line;
    }
    lines->piece = vv_text_sub(lines->piece, is_cut ? size : size + 1, lines->piece.size);
    lines->line += *out_has_line ? 1 : 0;
    *out_line = line;
    return VARVE_OK;
}
