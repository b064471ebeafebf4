/* SPDX-License-Identifier: Apache-2.0 */
/* The table against plain long arithmetic: 5^k, or 2^1400 / 5^k, in words of 32 bits. */
#include <string.h>

#include "base/text_priv.h"
#include "support/check.h"

#define WORDS 44 /* 1408 bits */

typedef struct big {
    uint32_t words[WORDS]; /* lowest first */
} big;

static void big_times_5(big *number)
{
    uint64_t carry = 0;
    for (int index = 0; index < WORDS; index++) {
        carry += (uint64_t)number->words[index] * 5;
        number->words[index] = (uint32_t)carry;
        carry >>= 32;
    }
    assert_int_equal(carry, 0);
}

/* Cut downwards, so the quotient by 5^k is the floor of the exact one. */
static void big_divide_by_5(big *number)
{
    uint64_t rest = 0;
    for (int index = WORDS; index > 0; index--) {
        rest = rest << 32 | number->words[index - 1];
        number->words[index - 1] = (uint32_t)(rest / 5);
        rest %= 5;
    }
}

static uint64_t big_bit(const big *number, int bit)
{
    return bit < 0 ? 0 : number->words[bit / 32] >> (bit % 32) & 1;
}

/* The leading 128 bits, cut. */
static void big_leading(const big *number, uint64_t *out_high, uint64_t *out_low)
{
    int top = WORDS * 32 - 1;
    while (big_bit(number, top) == 0) {
        top -= 1;
    }
    *out_high = 0;
    *out_low = 0;
    for (int index = 0; index < 64; index++) {
        *out_high = *out_high << 1 | big_bit(number, top - index);
        *out_low = *out_low << 1 | big_bit(number, top - 64 - index);
    }
}

static void check_power(int32_t exponent, const big *number)
{
    uint64_t high;
    uint64_t low;
    uint64_t expected_high;
    uint64_t expected_low;
    vv_pow10_bits(exponent, &high, &low);
    big_leading(number, &expected_high, &expected_low);
    if (high != expected_high || low != expected_low) {
        fail_msg("10^%d", exponent);
    }
}

static void every_power_has_its_leading_128_bits(void **state)
{
    (void)state;
    big number;
    memset(&number, 0, sizeof number);
    number.words[0] = 1;
    for (int32_t exponent = 0; exponent <= VV_POW10_MAX; exponent++) {
        check_power(exponent, &number);
        big_times_5(&number);
    }
    memset(&number, 0, sizeof number);
    number.words[WORDS - 1] = 1u << 31;
    for (int32_t exponent = -1; exponent >= VV_POW10_MIN; exponent--) {
        big_divide_by_5(&number); /* 5^342 takes 795 of the 1408 bits, 600 are left */
        check_power(exponent, &number);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_power_has_its_leading_128_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
