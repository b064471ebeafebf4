/* SPDX-License-Identifier: Apache-2.0 */
/* Varints of more than one byte; the common single byte is inline in the header. */
#include "base/varint.h"

size_t vv_varint_read_long(const uint8_t *source, size_t size, uint64_t *out_value)
{
    uint64_t value = 0;
    size_t end = size < VV_VARINT_BYTES_MAX ? size : VV_VARINT_BYTES_MAX;
    for (size_t index = 0; index < end; index++) {
        uint8_t byte = source[index];
        if (index == VV_VARINT_BYTES_MAX - 1 && byte > 1) {
            return 0; /* the tenth byte has room for one bit */
        }
        value |= (uint64_t)(byte & 0x7F) << (7 * index);
        if (byte < 0x80) {
            *out_value = value;
            return index + 1;
        }
    }
    return 0;
}
