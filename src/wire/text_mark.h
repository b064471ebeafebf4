/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WIRE_TEXT_MARK_H
#define VV_WIRE_TEXT_MARK_H

#include "base/slice.h"
#include "varve.h"

/*
 * The mark of UTF-8, EF BB BF, which editors on Windows write before a text. It is passed over at
 * the very beginning and nowhere else, and counts as no byte of the first line. wire/decode.c does
 * it for every format that is text, so that all doors take what one of them takes.
 *
 *     vv_text_mark mark = {0};
 *     for each piece:  held = vv_text_mark_pass(&mark, &piece); use held, then piece
 *     at the end:      held = vv_text_mark_end(&mark); use held
 */

/** How much of it was seen; all zero at the beginning of a text. */
typedef struct vv_text_mark {
    uint32_t seen; /* bytes; VV_TEXT_MARK_BYTES: decided, whether there was one or not */
} vv_text_mark;

#define VV_TEXT_MARK_BYTES 3u

/** Take the mark, or a part of it, off the next piece. What came in pieces before and is no mark
 * after all is given back: it belongs before the piece. Static memory. */
varve_text vv_text_mark_pass(vv_text_mark *mark, varve_text *piece);
/** The text is over: what is left of it. */
varve_text vv_text_mark_end(vv_text_mark *mark);
/** A beginning of a text that is in one piece, without its mark. */
varve_text vv_text_without_mark(varve_text text);

#endif
