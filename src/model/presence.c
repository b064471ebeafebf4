/* SPDX-License-Identifier: Apache-2.0 */
#include "model/presence.h"

#include "base/bitmap.h"
#include "base/compiler.h"

size_t vv_columns_find_empty(const varve_column *columns, size_t count, size_t rows)
{
    for (size_t i = 0; i < count; i++) {
        if (columns[i].present == NULL) {
            return rows;
        }
    }
    for (size_t word = 0; word < vv_bits_words(rows); word++) {
        uint64_t any = 0;
        for (size_t i = 0; i < count; i++) {
            any |= columns[i].present[word];
        }
        size_t left = rows - 64 * word;
        uint64_t missing = ~any & (left < 64 ? (UINT64_C(1) << left) - 1 : UINT64_MAX);
        if (missing != 0) {
            return 64 * word + vv_ctz64(missing);
        }
    }
    return rows;
}
