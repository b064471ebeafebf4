/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WIRE_LINES_H
#define VV_WIRE_LINES_H

/*
 * Lines out of pieces of text that end anywhere.
 *
 *     vv_lines_feed(&lines, piece);
 *     for (;;) {
 *         VV_TRY(vv_lines_next(&lines, is_end, &line, &has_line, out_err));
 *         if (!has_line) { break; }
 *         ...
 *     }
 *
 * A line that lies wholly in a piece is a view of it; only one that the end of a piece cuts is
 * copied. What is longer than bytes_max is refused, however it is cut.
 */

#include "base/buf.h"
#include "base/compiler.h"
#include "varve.h"

/** Whether a line, given from its '#' on and without its line feed, says nothing. */
typedef bool (*vv_lines_comment)(varve_text line);

typedef struct vv_lines {
    bool passes_blank;           /* fixed after init: lines of blanks are not given */
    vv_lines_comment is_comment; /* the same: nor these; NULL: none */
    vv_buf carry;                /* beginning of a line that a piece cut */
    varve_text piece;            /* what is left of it */
    uint64_t line;               /* number of the line that was given or passed last, from 1 */
    bool is_carry_used;          /* the carry is the line that was given last */
} vv_lines;

/** bytes_max: of a line, without its line feed. All lines are given; the owner may say otherwise.
 */
void vv_lines_init(vv_lines *lines, vv_alloc *alloc, size_t bytes_max);
void vv_lines_deinit(vv_lines *lines);

/** The next piece, borrowed until vv_lines_next has no line any more. */
void vv_lines_feed(vv_lines *lines, varve_text piece);

/**
 * The next line, without its line feed and borrowed until the next call; *out_has_line is false
 * when the piece holds no whole one. is_end: what is left is a line, unless it is empty.
 * Errors: E_LIMIT, which names the line; E_NOMEM.
 */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_lines_next(vv_lines *lines, bool is_end,
                                                      varve_text *out_line, bool *out_has_line,
                                                      varve_error *out_err);

/*
 * A text may hold nothing but empty lines, for hundreds of megabytes that came as some kilobytes of
 * gzip. So they are passed over many at a time. Both take whole lines off the beginning of a text,
 * add their number to *lines, and return their bytes.
 */

/** Lines of nothing, or of a carriage return. */
VV_UNTRUSTED size_t vv_lines_skip_empty(varve_text text, uint64_t *lines);
/** Those, lines of spaces and tabs, and comments (NULL: there are none); none of them longer than
 * bytes_max. */
VV_UNTRUSTED size_t vv_lines_skip_blank(varve_text text, size_t bytes_max,
                                        vv_lines_comment is_comment, uint64_t *lines);

#endif
