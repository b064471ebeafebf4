/* SPDX-License-Identifier: Apache-2.0 */

#include "wire/text_mark.h"

static const char text_mark_bytes[VV_TEXT_MARK_BYTES] = {'\xEF', '\xBB', '\xBF'};

varve_text vv_text_mark_pass(vv_text_mark *mark, varve_text *piece)
{
    while (mark->seen < VV_TEXT_MARK_BYTES && piece->size > 0) {
        if (piece->data[0] != text_mark_bytes[mark->seen]) {
            return vv_text_mark_end(mark);
        }
        mark->seen += 1;
        *piece = vv_text_sub(*piece, 1, piece->size);
    }
    return vv_text_make(text_mark_bytes, 0);
}

varve_text vv_text_mark_end(vv_text_mark *mark)
{
    size_t held = mark->seen < VV_TEXT_MARK_BYTES ? mark->seen : 0;
    mark->seen = VV_TEXT_MARK_BYTES;
    return vv_text_make(text_mark_bytes, held);
}

varve_text vv_text_without_mark(varve_text text)
{
    bool has_mark =
        vv_text_starts_with(text, vv_text_make(text_mark_bytes, sizeof text_mark_bytes));
    return has_mark ? vv_text_sub(text, sizeof text_mark_bytes, text.size) : text;
}
