/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as UTF-8: the three ways of looking at them must agree, and walking must end.
 */
#include <stdbool.h>

#include "base/assert.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    varve_text text = vv_text_make((const char *)data, size);
    size_t prefix = vv_utf8_valid_prefix(text);
    VV_ASSERT(prefix <= size);
    VV_ASSERT(vv_utf8_is_valid(text) == (prefix == size));
    size_t position = 0;
    size_t characters = 0;
    while (position < size) {
        size_t begin = position;
        uint32_t code_point = vv_utf8_next(text, &position);
        VV_ASSERT(position > begin && position <= size);
        char again[4];
        size_t written = vv_utf8_write(again, code_point);
        bool is_same = written == position - begin && memcmp(again, data + begin, written) == 0;
        VV_ASSERT(begin >= prefix || is_same);
        characters += begin < prefix ? 1 : 0;
    }
    VV_ASSERT(vv_utf8_length(vv_text_make(text.data, prefix)) == characters);
    for (size_t cut = 0; cut <= prefix && cut < 64; cut++) {
        varve_text part = vv_utf8_cut(vv_text_make(text.data, prefix), cut);
        VV_ASSERT(part.size <= cut && vv_utf8_is_valid(part));
    }
    return 0;
}
