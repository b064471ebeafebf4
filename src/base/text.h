/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers, durations and times as text, and back: exact, the same in every locale, no allocation.
 *
 * scan_*   reads from the beginning of the text and returns the bytes used, 0 when there is no such
 *          number or it does not fit.
 * parse_*  the whole text must be the number; false otherwise. Outputs are untouched on failure.
 * print_*  writes at target, which has room for the maximum named, and returns the bytes written;
 *          no zero byte is added.
 */
#ifndef VV_BASE_TEXT_H
#define VV_BASE_TEXT_H

#include <stdarg.h>

#include "base/compiler.h"
#include "base/slice.h"
#include "varve.h"

#define VV_TEXT_I64_BYTES_MAX      20u
#define VV_TEXT_F64_BYTES_MAX      32u
#define VV_TEXT_DURATION_BYTES_MAX 48u
#define VV_TEXT_RFC3339_BYTES_MAX  40u

/* ---- integers: optional sign (i64: + or -, u64: +), decimal digits ---- */

VV_MUST_CHECK VV_UNTRUSTED size_t vv_text_scan_u64(varve_text text, uint64_t *out_value);
VV_MUST_CHECK VV_UNTRUSTED size_t vv_text_scan_i64(varve_text text, int64_t *out_value);
VV_MUST_CHECK VV_UNTRUSTED bool vv_text_parse_u64(varve_text text, uint64_t *out_value);
VV_MUST_CHECK VV_UNTRUSTED bool vv_text_parse_i64(varve_text text, int64_t *out_value);
size_t vv_text_print_u64(char *target, uint64_t value);
size_t vv_text_print_i64(char *target, int64_t value);

/* ---- floats ----
 * Read: [+-] digits [. digits] [e|E [+-] digits], a digit before or after the point; correctly
 * rounded, to even at a tie, whatever the length. What rounds to infinity is no number here; what
 * rounds to zero is one. NaN and infinities are the caller's words. Printed: the shortest digits
 * that read back as the same double, and of those the nearest; plain for 1e-6 <= |x| < 1e21, else
 * with an exponent. vv_text_print_f64 always shows a point or an exponent: 1.0  -0.0  0.1  1e-7
 * 1e+22  1.5e+300; vv_text_print_f64_plain leaves ".0" out. Finite values only. */

VV_MUST_CHECK VV_UNTRUSTED size_t vv_text_scan_f64(varve_text text, double *out_value);
VV_MUST_CHECK VV_UNTRUSTED bool vv_text_parse_f64(varve_text text, double *out_value);
size_t vv_text_print_f64(char *target, double value);
size_t vv_text_print_f64_plain(char *target, double value);

/** The shortest digits of a positive finite double: value = 0.d1d2d3... * 10^*out_point; returns
 * how many (at most 17), without trailing zeros. For formats of one's own. */
size_t vv_text_shortest_digits(double value, char digits[17], int32_t *out_point);

/* ---- durations ----
 * One or more of digits + unit, units y w d h m s ms us ns in descending order, each once: "1h30m".
 * y = 365 d, w = 7 d. A leading '-' negates; "0" alone is allowed. Printed in the same form, weeks
 * and years only where exact: "0s", "1h30m", "1500ms" is printed as "1s500ms". */

VV_MUST_CHECK VV_UNTRUSTED size_t vv_text_scan_duration(varve_text text, int64_t *out_ns);
VV_MUST_CHECK VV_UNTRUSTED bool vv_text_parse_duration(varve_text text, int64_t *out_ns);
size_t vv_text_print_duration(char *target, int64_t ns);

/* ---- instants ----
 * RFC 3339 with 'T', 't' or a space, any count of fraction digits (floored to ns), 'Z', 'z' or
 * +hh:mm. Years 0000 to 9999. A leap second (:60) is read as the first of the next minute. */

VV_MUST_CHECK VV_UNTRUSTED bool vv_text_parse_rfc3339(varve_text text, int64_t *out_ns);

/** As above in two parts, for instants outside the range of int64 nanoseconds. */
VV_MUST_CHECK VV_UNTRUSTED bool vv_text_parse_rfc3339_parts(varve_text text, int64_t *out_s,
                                                            uint32_t *out_ns);

/** "2026-01-02T03:04:05.678Z": UTC, as many fraction digits as needed, none when whole. */
size_t vv_text_print_rfc3339(char *target, int64_t ns);

/** With exactly fraction_digits (0 to 9) digits, cut not rounded; years outside 0000..9999 are
 * printed with sign and six digits. */
size_t vv_text_print_rfc3339_parts(char *target, int64_t s, uint32_t ns, uint32_t fraction_digits);

/* ---- bytes as text ---- */

/** 2 * size lower-case digits. */
void vv_text_print_hex(char *target, const void *bytes, size_t size);

/** text.size / 2 bytes; either case; false on an odd size or another character. */
VV_MUST_CHECK VV_UNTRUSTED bool vv_text_parse_hex(varve_text text, uint8_t *target);

/** Characters that vv_text_print_base64 writes, '=' included. */
static inline size_t vv_text_base64_size(size_t size)
{
    return (size / 3 + (size % 3 != 0)) * 4;
}

/** The standard alphabet with padding; returns vv_text_base64_size(size). */
size_t vv_text_print_base64(char *target, const void *bytes, size_t size);

/** Standard or URL alphabet, padding optional, bits behind the last byte zero, nothing else; target
 * has room for text.size / 4 * 3 + 2. */
VV_MUST_CHECK VV_UNTRUSTED bool vv_text_parse_base64(varve_text text, uint8_t *target,
                                                     size_t *out_size);

/* ---- printf into bounded memory: the C library's formats except floats and wide characters, which
 * follow the locale ---- */

/** Writes at most capacity - 1 bytes and a zero byte; returns the bytes before it. capacity is not
 * 0. */
size_t vv_text_format(char *target, size_t capacity, const char *format, ...) VV_PRINTF(3, 4);
size_t vv_text_format_v(char *target, size_t capacity, const char *format, va_list args)
    VV_PRINTF(3, 0);

/** The size the whole result would have, without the zero byte. */
size_t vv_text_format_size_v(const char *format, va_list args) VV_PRINTF(1, 0);

/** One line to standard error, for a failed assertion only. */
void vv_text_to_stderr(const char *line);

#endif
