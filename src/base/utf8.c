/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8. Names are mostly ASCII, so whole words without a high bit are skipped eight bytes at a
 * time; the rest goes through one decoder that knows the ranges of RFC 3629:
 *
 *     first byte   second    length
 *     00..7F                 1
 *     C2..DF       80..BF    2
 *     E0           A0..BF    3        (below: overlong)
 *     E1..EC EE EF 80..BF    3
 *     ED           80..9F    3        (above: surrogates)
 *     F0           90..BF    4        (below: overlong)
 *     F1..F3       80..BF    4
 *     F4           80..8F    4        (above: beyond U+10FFFF)
 */
#include "base/utf8.h"

#include "base/assert.h"

#define UTF8_HIGH_BITS UINT64_C(0x8080808080808080)

static bool utf8_is_continuation(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

/* Whether second may follow first, which begins a character of more than one byte. */
static bool utf8_second_fits(uint8_t first, uint8_t second)
{
    uint8_t least = 0x80;
    uint8_t most = 0xBF;
    if (first == 0xE0) {
        least = 0xA0;
    } else if (first == 0xED) {
        most = 0x9F;
    } else if (first == 0xF0) {
        least = 0x90;
    } else if (first == 0xF4) {
        most = 0x8F;
    }
    return second >= least && second <= most;
}

static size_t utf8_size_by_first(uint8_t first)
{
    if (first < 0x80) {
        return 1;
    }
    if (first < 0xC2) {
        return 0;
    }
    if (first < 0xE0) {
        return 2;
    }
    if (first < 0xF0) {
        return 3;
    }
    return first < 0xF5 ? 4 : 0;
}

/* Bytes of the character at bytes (size is not 0); 0 when it is not one. */
static size_t utf8_character(const uint8_t *bytes, size_t size)
{
    size_t length = utf8_size_by_first(bytes[0]);
    if (length <= 1) {
        return length;
    }
    if (length > size || !utf8_second_fits(bytes[0], bytes[1])) {
        return 0;
    }
    for (size_t index = 2; index < length; index++) {
        if (!utf8_is_continuation(bytes[index])) {
            return 0;
        }
    }
    return length;
}

size_t vv_utf8_valid_prefix(varve_text text)
{
    const uint8_t *bytes = (const uint8_t *)text.data;
    size_t position = 0;
    while (position < text.size) {
        uint64_t word;
        if (text.size - position >= sizeof word) {
            memcpy(&word, bytes + position, sizeof word);
            if ((word & UTF8_HIGH_BITS) == 0) {
                position += sizeof word;
                continue;
            }
        }
        size_t length = utf8_character(bytes + position, text.size - position);
        if (length == 0) {
            return position;
        }
        position += length;
    }
    return position;
}

bool vv_utf8_is_valid(varve_text text)
{
    return vv_utf8_valid_prefix(text) == text.size;
}

size_t vv_utf8_length(varve_text text)
{
    size_t length = 0;
    for (size_t index = 0; index < text.size; index++) {
        length += utf8_is_continuation((uint8_t)text.data[index]) ? 0 : 1;
    }
    return length;
}

uint32_t vv_utf8_next(varve_text text, size_t *position)
{
    VV_DEBUG_ASSERT(*position < text.size);
    const uint8_t *bytes = (const uint8_t *)text.data + *position;
    size_t length = utf8_character(bytes, text.size - *position);
    if (length == 0) {
        *position += 1;
        return 0xFFFD;
    }
    *position += length;
    if (length == 1) {
        return bytes[0];
    }
    uint32_t code_point = bytes[0] & (0x7Fu >> length);
    for (size_t index = 1; index < length; index++) {
        code_point = (code_point << 6) | (bytes[index] & 0x3Fu);
    }
    return code_point;
}

size_t vv_utf8_write(char *target, uint32_t code_point)
{
    VV_ASSERT(code_point <= 0x10FFFF && (code_point < 0xD800 || code_point > 0xDFFF));
    if (code_point < 0x80) {
        target[0] = (char)code_point;
        return 1;
    }
    size_t length = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    for (size_t index = length - 1; index > 0; index--) {
        target[index] = (char)(uint8_t)(0x80 | (code_point & 0x3F));
        code_point >>= 6;
    }
    target[0] = (char)(uint8_t)((0xF00u >> length & 0xF0u) | code_point);
    return length;
}

varve_text vv_utf8_cut(varve_text text, size_t size_max)
{
    if (text.size <= size_max) {
        return text;
    }
    size_t size = size_max;
    while (size > 0 && utf8_is_continuation((uint8_t)text.data[size])) {
        size -= 1;
    }
    return vv_text_make(text.data, size);
}
