/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of any bytes: a cut is no wider than asked for, and the next character would be. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/slice.h"
#include "base/utf8.h"
#include "cli/text_width.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    varve_text text = {.data = (const char *)data, .size = size};
    size_t width = vv_text_width(text);
    VV_ASSERT(width <= 2 * size);
    for (size_t columns = 0; columns <= width && columns < 64; columns++) {
        varve_text cut = vv_text_width_cut(text, columns);
        VV_ASSERT(vv_text_width(cut) <= columns);
        size_t next = cut.size;
        if (next < size) {
            VV_IGNORE(vv_utf8_next(text, &next)); /* for its length */
            VV_ASSERT(vv_text_width(vv_text_sub(text, 0, next)) > columns);
        }
    }
    VV_ASSERT(vv_text_width_cut(text, width).size == size);
    return 0;
}
