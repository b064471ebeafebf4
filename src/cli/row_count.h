/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_ROW_COUNT_H
#define VV_CLI_ROW_COUNT_H

/*
 * Rows in an answer that passes by as it is: how many there are so far, for the person who waits,
 * and where the last whole one ends, for a file that is to hold no half of one.
 *
 * The bytes are looked at once and kept nowhere. What is no text of the form is counted wrongly,
 * never refused: to judge an answer is the business of who reads it.
 */

#include <stdbool.h>

#include "base/compiler.h"
#include "base/slice.h"
#include "varve.h"

typedef enum vv_row_form {
    VV_ROW_FORM_JSON_LINES, /* of an export: elements of "timestamps"; a whole one is a line */
    VV_ROW_FORM_CSV,        /* records behind the first, the header */
    VV_ROW_FORM_DOCUMENT,   /* of /api/v1/rows: arrays in the arrays "rows"; none ends anything */
    VV_ROW_FORM_NATIVE,     /* docs/formats/stream.md: those of whole blocks */
} vv_row_form;

#define VV_ROW_COUNT_WORD_BYTES 12u

struct vv_row_count_stream;

typedef struct vv_row_count {
    vv_row_form form;
    uint64_t rows; /* so far */
    /* of text */
    uint64_t line_rows; /* of the line under way */
    uint32_t depth;     /* of brackets */
    bool is_quoted;
    bool is_escaped;
    bool is_counting; /* inside of timestamps */
    bool has_item;    /* since the last comma */
    bool has_header;
    char word[VV_ROW_COUNT_WORD_BYTES]; /* the beginning of the last text at depth 1 */
    size_t word_size;
    /* of a stream */
    struct vv_row_count_stream *stream; /* owned; NULL: another form */
} vv_row_count;

/** E_NOMEM. Whatever comes of it is to be ended with vv_row_count_deinit. */
VV_MUST_CHECK varve_status vv_row_count_init(vv_row_count *count, vv_row_form form,
                                             varve_error *out_err);
void vv_row_count_deinit(vv_row_count *count);

/** Look at the next bytes; how many of them lie before the last place where whole rows end. */
VV_UNTRUSTED size_t vv_row_count_feed(vv_row_count *count, vv_bytes piece);

#endif
