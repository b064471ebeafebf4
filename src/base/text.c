/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Integers, hexadecimal, base64 and bounded printf. The only file below sys/ that sees <stdio.h>.
 * Floats are in float_parse.c and float_print.c, durations and instants in text_time.c.
 */
#include "base/text.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/text_priv.h"

const char vv_text_pairs[201] = "00010203040506070809"
                                "10111213141516171819"
                                "20212223242526272829"
                                "30313233343536373839"
                                "40414243444546474849"
                                "50515253545556575859"
                                "60616263646566676869"
                                "70717273747576777879"
                                "80818283848586878889"
                                "90919293949596979899";

/* ---- integers ---- */

/* Digits from position on; stops at the first other character. False when they do not fit. */
static bool text_scan_digits(varve_text text, size_t *position, uint64_t *out_value)
{
    uint64_t value = 0;
    size_t index = *position;
    size_t safe_end = text.size - index > 19 ? index + 19 : text.size;
    for (; index < safe_end && vv_text_is_digit(text.data[index]); index++) {
        value = value * 10 + (uint64_t)(text.data[index] - '0');
    }
    for (; index < text.size && vv_text_is_digit(text.data[index]); index++) {
        uint64_t digit = (uint64_t)(text.data[index] - '0');
        if (!vv_mul_u64(value, 10, &value) || !vv_add_u64(value, digit, &value)) {
            return false;
        }
    }
    *position = index;
    *out_value = value;
    return true;
}

size_t vv_text_scan_u64(varve_text text, uint64_t *out_value)
{
    size_t position = text.size > 0 && text.data[0] == '+' ? 1 : 0;
    size_t begin = position;
    uint64_t value = 0;
    if (!text_scan_digits(text, &position, &value) || position == begin) {
        return 0;
    }
    *out_value = value;
    return position;
}

size_t vv_text_scan_i64(varve_text text, int64_t *out_value)
{
    bool is_negative = text.size > 0 && text.data[0] == '-';
    size_t position = is_negative || (text.size > 0 && text.data[0] == '+') ? 1 : 0;
    size_t begin = position;
    uint64_t magnitude = 0;
    if (!text_scan_digits(text, &position, &magnitude) || position == begin ||
        magnitude > (uint64_t)INT64_MAX + (is_negative ? 1 : 0)) {
        return 0;
    }
    *out_value = (int64_t)(is_negative ? 0 - magnitude : magnitude);
    return position;
}

bool vv_text_parse_u64(varve_text text, uint64_t *out_value)
{
    uint64_t value;
    if (text.size == 0 || vv_text_scan_u64(text, &value) != text.size) {
        return false;
    }
    *out_value = value;
    return true;
}

bool vv_text_parse_i64(varve_text text, int64_t *out_value)
{
    int64_t value;
    if (text.size == 0 || vv_text_scan_i64(text, &value) != text.size) {
        return false;
    }
    *out_value = value;
    return true;
}

size_t vv_text_print_u64(char *target, uint64_t value)
{
    char digits[VV_TEXT_I64_BYTES_MAX];
    size_t begin = sizeof digits;
    while (value >= 100) {
        begin -= 2;
        memcpy(digits + begin, vv_text_pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10) {
        begin -= 2;
        memcpy(digits + begin, vv_text_pairs + value * 2, 2);
    } else {
        begin -= 1;
        digits[begin] = (char)('0' + value);
    }
    memcpy(target, digits + begin, sizeof digits - begin);
    return sizeof digits - begin;
}

size_t vv_text_print_i64(char *target, int64_t value)
{
    if (value >= 0) {
        return vv_text_print_u64(target, (uint64_t)value);
    }
    *target = '-';
    return 1 + vv_text_print_u64(target + 1, 0 - (uint64_t)value);
}

/* ---- hexadecimal ---- */

void vv_text_print_hex(char *target, const void *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *source = (const uint8_t *)bytes;
    for (size_t index = 0; index < size; index++) {
        target[2 * index] = digits[source[index] >> 4];
        target[2 * index + 1] = digits[source[index] & 15];
    }
}

/* 0 to 15, or 16 when c is no digit. */
static uint8_t text_hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return (uint8_t)(c - '0');
    }
    if (c >= 'a' && c <= 'f') {
        return (uint8_t)(c - 'a' + 10);
    }
    return c >= 'A' && c <= 'F' ? (uint8_t)(c - 'A' + 10) : 16;
}

bool vv_text_parse_hex(varve_text text, uint8_t *target)
{
    if (text.size % 2 != 0) {
        return false;
    }
    for (size_t index = 0; index < text.size; index += 2) {
        uint8_t high = text_hex_value(text.data[index]);
        uint8_t low = text_hex_value(text.data[index + 1]);
        if (high > 15 || low > 15) {
            return false;
        }
        target[index / 2] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* ---- base64 ---- */

size_t vv_text_print_base64(char *target, const void *bytes, size_t size)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *source = (const uint8_t *)bytes;
    size_t written = 0;
    for (size_t index = 0; index < size; index += 3) {
        size_t part = size - index < 3 ? size - index : 3;
        uint32_t group = (uint32_t)source[index] << 16;
        group |= part > 1 ? (uint32_t)source[index + 1] << 8 : 0;
        group |= part > 2 ? (uint32_t)source[index + 2] : 0;
        target[written] = alphabet[group >> 18];
        target[written + 1] = alphabet[group >> 12 & 63];
        target[written + 2] = part > 1 ? alphabet[group >> 6 & 63] : '=';
        target[written + 3] = part > 2 ? alphabet[group & 63] : '=';
        written += 4;
    }
    return written;
}

/* 0 to 63, or 64 when c is not of either alphabet. */
static uint32_t text_base64_value(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return (uint32_t)(c - 'A');
    }
    if (c >= 'a' && c <= 'z') {
        return (uint32_t)(c - 'a') + 26;
    }
    if (c >= '0' && c <= '9') {
        return (uint32_t)(c - '0') + 52;
    }
    if (c == '+' || c == '-') {
        return 62;
    }
    return c == '/' || c == '_' ? 63 : 64;
}

/* Without the padding; false when there is padding that does not belong. */
static bool text_base64_unpad(varve_text *text)
{
    size_t padding = 0;
    while (padding < text->size && padding < 3 && text->data[text->size - 1 - padding] == '=') {
        padding += 1;
    }
    if (padding > 0 && (padding > 2 || text->size % 4 != 0)) {
        return false;
    }
    text->size -= padding;
    return text->size % 4 != 1;
}

bool vv_text_parse_base64(varve_text text, uint8_t *target, size_t *out_size)
{
    if (!text_base64_unpad(&text)) {
        return false;
    }
    size_t written = 0;
    uint32_t bits = 0;
    uint32_t bit_count = 0;
    for (size_t index = 0; index < text.size; index++) {
        uint32_t value = text_base64_value(text.data[index]);
        if (value > 63) {
            return false;
        }
        bits = (bits << 6 | value) & 0xFFFF;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            target[written] = (uint8_t)(bits >> bit_count);
            written += 1;
        }
    }
    if ((bits & ((1u << bit_count) - 1)) != 0) {
        return false;
    }
    *out_size = written;
    return true;
}

/* ---- printf ---- */

size_t vv_text_format(char *target, size_t capacity, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t size = vv_text_format_v(target, capacity, format, args);
    va_end(args);
    return size;
}

size_t vv_text_format_v(char *target, size_t capacity, const char *format, va_list args)
{
    VV_ASSERT(capacity > 0);
    capacity = capacity > INT_MAX ? INT_MAX : capacity;
    int size = vsnprintf(target, capacity, format, args);
    if (size < 0) {
        target[0] = '\0';
        return 0;
    }
    return (size_t)size < capacity ? (size_t)size : capacity - 1;
}

size_t vv_text_format_size_v(const char *format, va_list args)
{
    int size = vsnprintf(NULL, 0, format, args);
    return size < 0 ? 0 : (size_t)size;
}

void vv_text_to_stderr(const char *line)
{
    /* Nothing is left to do when this fails: the process is about to abort. */
    VV_IGNORE(fputs(line, stderr));
    VV_IGNORE(fputc('\n', stderr));
    VV_IGNORE(fflush(stderr));
}
