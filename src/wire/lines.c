/* SPDX-License-Identifier: Apache-2.0 */

#include "wire/lines.h"

#include <string.h>

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

/* ---- lines that say nothing ----------------------------------------------------------------- */

/* Bytes that are compared at a time: two registers. */
#define LINES_STEP_BYTES 16u

/** How often the line of `size` bytes before `at` stands there again. What says nothing once says
 * nothing a million times, and texts that unpack to a thousand times their size repeat themselves.
 */
static size_t lines_repeats(varve_text text, size_t at, size_t size)
{
    size_t same = 0;
    while (text.size - at - same >= LINES_STEP_BYTES &&
           memcmp(text.data + at + same, text.data + at + same - size, LINES_STEP_BYTES) == 0) {
        same += LINES_STEP_BYTES;
    }
    return same / size;
}

/** Bytes of the line at the beginning of the text when it is empty; else 0. */
static size_t lines_empty_size(varve_text text)
{
    if (text.size > 0 && text.data[0] == '\n') {
        return 1;
    }
    return text.size > 1 && text.data[0] == '\r' && text.data[1] == '\n' ? 2 : 0;
}

/** The same of a line that is whole and says nothing, if it is at most bytes_max long. */
static size_t lines_blank_size(varve_text text, size_t bytes_max, vv_lines_comment is_comment)
{
    size_t at = 0;
    while (at < text.size && (text.data[at] == ' ' || text.data[at] == '\t')) {
        at += 1;
    }
    varve_text rest = vv_text_sub(text, at, text.size);
    size_t size = lines_empty_size(rest);
    if (rest.size > 0 && rest.data[0] == '#' && is_comment != NULL) {
        size_t end = vv_text_find_char(rest, '\n');
        size = end < rest.size && is_comment(vv_text_make(rest.data, end)) ? end + 1 : 0;
    }
    return size > 0 && at + size - 1 <= bytes_max ? at + size : 0;
}

/** Over the line before `at` wherever it is repeated. */
static size_t lines_pass_repeats(varve_text text, size_t at, size_t size, uint64_t *lines)
{
    size_t count = lines_repeats(text, at, size);
    *lines += 1 + count;
    return at + count * size;
}

size_t vv_lines_skip_empty(varve_text text, uint64_t *lines)
{
    size_t at = 0;
    for (;;) {
        size_t size = lines_empty_size(vv_text_sub(text, at, text.size));
        if (size == 0) {
            return at;
        }
        at = lines_pass_repeats(text, at + size, size, lines);
    }
}

size_t vv_lines_skip_blank(varve_text text, size_t bytes_max, vv_lines_comment is_comment,
                           uint64_t *lines)
{
    size_t at = 0;
    for (;;) {
        size_t size = lines_blank_size(vv_text_sub(text, at, text.size), bytes_max, is_comment);
        if (size == 0) {
            return at;
        }
        at = lines_pass_repeats(text, at + size, size, lines);
    }
}

/** Lines that are not given; only where none is under way. */
static void lines_skip(vv_lines *lines)
{
    /* Blanks, line ends and '#' are the lowest of the characters that texts hold. */
    bool may_skip = lines->passes_blank && lines->carry.size == 0 && lines->piece.size > 0 &&
                    (unsigned char)lines->piece.data[0] <= '#';
    if (may_skip) {
        size_t size = vv_lines_skip_blank(lines->piece, lines->carry.limit_bytes, lines->is_comment,
                                          &lines->line);
        lines->piece = vv_text_sub(lines->piece, size, lines->piece.size);
    }
}

/* ---- lines ---------------------------------------------------------------------------------- */

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
    lines_skip(lines);
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
