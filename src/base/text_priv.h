/* SPDX-License-Identifier: Apache-2.0 */
/* What the files behind base/text.h share; not for others. */
#ifndef VV_BASE_TEXT_PRIV_H
#define VV_BASE_TEXT_PRIV_H

#include "base/compiler.h"

/** "00" "01" ... "99": two digits at once halve the divisions. */
extern const char vv_text_pairs[201];

static inline bool vv_text_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/**
 * The 128 highest bits of 10^exponent, normalised: 10^exponent = (high:low + f) * 2^e with 0 <= f <
 * 1 and the top bit of high set. Exact (f = 0) for 0 <= exponent <= 55. exponent is from
 * VV_POW10_MIN to VV_POW10_MAX.
 */
#define VV_POW10_MIN (-342)
#define VV_POW10_MAX 324
void vv_pow10_bits(int32_t exponent, uint64_t *out_high, uint64_t *out_low);

#endif
