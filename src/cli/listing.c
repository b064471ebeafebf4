/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/listing.h"

#include "base/json_writer.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/vec.h"
#include "model/selector.h"
#include "wire/json_lines.h"

varve_text vv_listing_cell(const varve_block *block, size_t column, size_t row)
{
    varve_value value = vv_column_value(&block->columns[column], row);
    return value.type == VARVE_TYPE_STRING ? value.as.bytes : (varve_text){0};
}

size_t vv_text_sort_unique(varve_text *texts, size_t count)
{
    size_t kept = 0;
    vv_text_sort(texts, count);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !vv_text_equal(texts[kept - 1], texts[i])) {
            texts[kept] = texts[i];
            kept += 1;
        }
    }
    return kept;
}

static varve_status listing_add(vv_vec *texts, vv_arena *arena, varve_text text,
                                varve_error *out_err)
{
    varve_text copy;
    size_t count = texts->count;
    if (count > 0 && vv_text_equal(*VV_VEC_AT(texts, varve_text, count - 1), text)) {
        return VARVE_OK; /* listings are sorted by their first column: saves most copies */
    }
    if (vv_arena_copy(arena, text, &copy) != VARVE_OK || vv_vec_push(texts, &copy) != VARVE_OK) {
        return vv_fail_nomem(out_err, "a listing", text.size);
    }
    return VARVE_OK;
}

static varve_status listing_read(varve_cursor *cursor, size_t column, vv_listing_filter wants,
                                 vv_vec *texts, vv_arena *arena, varve_error *out_err)
{
    for (;;) {
        const varve_block *block;
        VV_TRY(varve_cursor_next(cursor, &block, out_err));
        if (block == NULL) {
            return VARVE_OK;
        }
        for (size_t row = 0; row < block->rows; row++) {
            if (wants == NULL || wants(block, row)) {
                VV_TRY(listing_add(texts, arena, vv_listing_cell(block, column, row), out_err));
            }
        }
    }
}

varve_status vv_listing_take(varve_cursor *cursor, size_t column, vv_listing_filter wants,
                             vv_arena *arena, varve_text **out_texts, size_t *out_count,
                             varve_error *out_err)
{
    vv_vec texts;
    vv_vec_init(&texts, arena->alloc, sizeof(varve_text), SIZE_MAX);
    varve_status status = listing_read(cursor, column, wants, &texts, arena, out_err);
    varve_cursor_close(cursor);
    size_t count = 0;
    varve_text *kept = NULL;
    if (status == VARVE_OK) {
        varve_text *all = VV_VEC_ITEMS(&texts, varve_text);
        count = vv_text_sort_unique(all, texts.count);
        kept = vv_arena_array(arena, count + 1, sizeof *kept);
        for (size_t i = 0; kept != NULL && i < count; i++) {
            kept[i] = all[i];
        }
        status = kept == NULL ? vv_fail_nomem(out_err, "a listing", texts.count) : VARVE_OK;
    }
    vv_vec_deinit(&texts);
    if (status == VARVE_OK) {
        *out_texts = kept;
        *out_count = count;
    }
    return status;
}

void vv_listing_print_line(vv_buf *buf, varve_text text)
{
    bool has_control = false;
    for (size_t i = 0; i < text.size && !has_control; i++) {
        has_control = (unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f;
    }
    VV_IGNORE(has_control ? vv_json_escape(buf, text) : vv_buf_append_text(buf, text)); /* sticky */
}

/** A name, in quotes where a selector needs them. */
static void listing_print_name(vv_buf *buf, varve_text name)
{
    bool is_bare = name.size > 0;
    for (size_t i = 0; i < name.size && is_bare; i++) {
        is_bare = vv_selector_is_bare((uint8_t)name.data[i]);
    }
    if (is_bare) {
        vv_buf_append_text(buf, name);
        return;
    }
    vv_buf_append_char(buf, '"');
    vv_json_escape(buf, name);
    vv_buf_append_char(buf, '"');
}

void vv_listing_print_labels(vv_buf *buf, const varve_label *labels, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        vv_buf_append_char(buf, i == 0 ? '{' : ',');
        listing_print_name(buf, labels[i].name);
        vv_buf_append_text(buf, VV_TEXT("=\""));
        vv_json_escape(buf, labels[i].value);
        vv_buf_append_char(buf, '"');
    }
    if (count > 0) {
        vv_buf_append_char(buf, '}');
    }
}

void vv_listing_print_series(vv_buf *buf, varve_text metric, const varve_label *labels,
                             size_t count)
{
    listing_print_name(buf, metric);
    vv_listing_print_labels(buf, labels, count);
}
