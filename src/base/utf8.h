/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. Zero bytes
 * are valid characters here; who cannot bear them asks for himself.
 */
#ifndef VV_BASE_UTF8_H
#define VV_BASE_UTF8_H

#include "base/compiler.h"
#include "base/slice.h"

VV_UNTRUSTED bool vv_utf8_is_valid(varve_text text);

/** Bytes at the beginning that are valid; text.size when all are. */
VV_UNTRUSTED size_t vv_utf8_valid_prefix(varve_text text);

/** Code points of a valid text. */
size_t vv_utf8_length(varve_text text);

/** The code point at *position, which is moved behind it; a bad byte is one step and gives U+FFFD.
 * *position is below text.size. */
VV_UNTRUSTED uint32_t vv_utf8_next(varve_text text, size_t *position);

/** Write a code point (not a surrogate, at most U+10FFFF) at target; returns its 1 to 4 bytes. */
size_t vv_utf8_write(char *target, uint32_t code_point);

/** The longest beginning of at most size_max bytes that splits no character of a valid text. */
varve_text vv_utf8_cut(varve_text text, size_t size_max);

#endif
