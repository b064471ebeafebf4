/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/text_width.h"

#include <utf8proc.h>

#include "base/slice.h"
#include "base/utf8.h"

static size_t text_width_point(uint32_t point)
{
    int width = point < 0x7f ? point >= 0x20 : utf8proc_charwidth((utf8proc_int32_t)point);
    return width > 0 ? (size_t)width : 0;
}

size_t vv_text_width(varve_text text)
{
    size_t columns = 0;
    for (size_t position = 0; position < text.size;) {
        columns += text_width_point(vv_utf8_next(text, &position));
    }
    return columns;
}

varve_text vv_text_width_cut(varve_text text, size_t columns)
{
    size_t used = 0;
    size_t position = 0;
    while (position < text.size) {
        size_t next = position;
        used += text_width_point(vv_utf8_next(text, &next));
        if (used > columns) {
            break;
        }
        position = next;
    }
    return vv_text_sub(text, 0, position);
}
