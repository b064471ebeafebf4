/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/caret.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/slice.h"
#include "base/text.h"
#include "base/utf8.h"
#include "cli/text_width.h"

/* Characters shown before and behind the place: both fit a terminal of 80 columns. */
#define CARET_BEFORE 50u
#define CARET_BEHIND 20u

#define CARET_BYTES_MAX 4096u

bool vv_caret_place(const char *message, size_t *out_place)
{
    varve_text rest = vv_text_from_string(message);
    while (rest.size > 0) {
        uint64_t place;
        varve_text number = vv_text_sub(rest, VV_TEXT("at ").size, rest.size);
        if (vv_text_starts_with(rest, VV_TEXT("at "))) {
            size_t digits = vv_text_scan_u64(number, &place);
            if (digits > 0 && place > 0 && place < SIZE_MAX &&
                vv_text_starts_with(vv_text_sub(number, digits, number.size), VV_TEXT(": "))) {
                *out_place = (size_t)place;
                return true;
            }
        }
        size_t next = vv_text_find(rest, VV_TEXT(": "));
        rest = next == SIZE_MAX ? (varve_text){0} : vv_text_sub(rest, next + 2, rest.size);
    }
    return false;
}

/** Byte offset of a character, counted from 0; the end when there are fewer. */
static size_t caret_offset(varve_text text, size_t character)
{
    size_t position = 0;
    while (character > 0 && position < text.size) {
        VV_IGNORE(vv_utf8_next(text, &position)); /* for its length */
        character -= 1;
    }
    return position;
}

static size_t caret_length(varve_text text)
{
    size_t count = 0;
    for (size_t position = 0; position < text.size; count++) {
        VV_IGNORE(vv_utf8_next(text, &position)); /* for its length */
    }
    return count;
}

/** The text with blanks for what a terminal would obey, and marks for what is no character. */
static void caret_append(vv_buf *buf, varve_text text)
{
    size_t valid = 0; /* up to here */
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (i >= valid) {
            valid = i + vv_utf8_valid_prefix(vv_text_sub(text, i, text.size));
        }
        char shown = c < 0x20 || c == 0x7f ? ' ' : text.data[i];
        vv_buf_append_char(buf, i < valid ? shown : '?');
    }
}

void vv_caret_lines(vv_buf *buf, varve_text text, size_t place)
{
    size_t behind = caret_length(text) + 1;
    place = place < behind ? place : behind;
    size_t first = place - 1 > CARET_BEFORE ? place - 1 - CARET_BEFORE : 0;
    size_t begin = caret_offset(text, first);
    size_t at = caret_offset(text, place - 1);
    size_t end = caret_offset(text, place - 1 + CARET_BEHIND);
    varve_text before = vv_text_sub(text, begin, at - begin);
    vv_buf_append_text(buf, begin > 0 ? VV_TEXT("  ...") : VV_TEXT("  "));
    size_t indent = begin > 0 ? 5 : 2;
    size_t line = buf->size;
    caret_append(buf, before);
    varve_text shown = {(const char *)buf->data + line, buf->size - line};
    indent += vv_text_width(shown);
    caret_append(buf, vv_text_sub(text, at, end - at));
    vv_buf_append_text(buf, end < text.size ? VV_TEXT("...\n") : VV_TEXT("\n"));
    vv_buf_append_fill(buf, ' ', indent);
    vv_buf_append_text(buf, VV_TEXT("^\n"));
}

void vv_caret_point(const char *message, const char *text)
{
    size_t place;
    vv_alloc alloc;
    vv_buf buf;
    if (text == NULL || !vv_caret_place(message, &place)) {
        return;
    }
    vv_alloc_init(&alloc, NULL);
    vv_buf_init(&buf, &alloc, CARET_BYTES_MAX);
    vv_caret_lines(&buf, vv_text_from_string(text), place);
    if (buf.status == VARVE_OK) {
        fwrite(buf.data, 1, buf.size, stderr);
    }
    vv_buf_deinit(&buf);
}
