/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The leading 128 bits of the powers of ten that doubles need, from a table of every 27th one with
 * 192 bits and the powers of five below 5^27: 10^k has the significand of 5^k, and the product of
 * 192 bits, cut downwards, with at most 63 gives the leading 128 exactly for every k in range. That
 * is no theorem but a check of 667 numbers: a test computes each with plain long arithmetic.
 */
#include "base/text_priv.h"

#include "base/assert.h"

#define POW10_STEP  27
#define POW10_FIRST (-351)

_Static_assert(POW10_FIRST <= VV_POW10_MIN, "the table begins early enough");

/* Highest word first, cut downwards. */
static const uint64_t pow10_bases[][3] = {
    {0x8049A4AC0C5811AE, 0x205B896D777D6278, 0xAC261E9F5141430B}, /* 1e-351 */
    {0xCF42894A5DCE35EA, 0x52064CAC828675B9, 0x475F2B7D7DF1AD7A}, /* 1e-324 */
    {0xA76C582338ED2621, 0xAF2AF2B80AF6F24E, 0x657C8F4D43323A36}, /* 1e-297 */
    {0x873E4F75E2224E68, 0x5A7744A6E804A291, 0xCC35EDDFCF0996D7}, /* 1e-270 */
    {0xDA7F5BF590966848, 0xAF39A475506A899E, 0xA30294CC2934E662}, /* 1e-243 */
    {0xB080392CC4349DEC, 0xBD8D794D96AACFB3, 0xFE13A5C86AF64418}, /* 1e-216 */
    {0x8E938662882AF53E, 0x547EB47B7282EE9C, 0x41B0230E1421487D}, /* 1e-189 */
    {0xE65829B3046B0AFA, 0x0CB4A5A3112A5112, 0xA3B561B1CB208396}, /* 1e-162 */
    {0xBA121A4650E4DDEB, 0x92F34D62616CE413, 0x21A0183E10583CD3}, /* 1e-135 */
    {0x964E858C91BA2655, 0x3A6A07F8D510F86F, 0xE9082F25E9C5E9EC}, /* 1e-108 */
    {0xF2D56790AB41C2A2, 0xFAE27299423FB9C3, 0x3695DAD7E8858901}, /* 1e-81 */
    {0xC428D05AA4751E4C, 0xAA97E14C3C26B886, 0x96842DC95323F5A8}, /* 1e-54 */
    {0x9E74D1B791E07E48, 0x775EA264CF55347D, 0xCA49F1C05120C9C7}, /* 1e-27 */
    {0x8000000000000000, 0x0000000000000000, 0x0000000000000000}, /* 1e0 */
    {0xCECB8F27F4200F3A, 0x0000000000000000, 0x0000000000000000}, /* 1e27 */
    {0xA70C3C40A64E6C51, 0x999090B65F67D924, 0x0000000000000000}, /* 1e54 */
    {0x86F0AC99B4E8DAFD, 0x69A028BB3DED71A3, 0xDF9F915627C04E28}, /* 1e81 */
    {0xDA01EE641A708DE9, 0xE80E6F4820CC9495, 0xD74BAAD03BC1D8D3}, /* 1e108 */
    {0xB01AE745B101E9E4, 0x5EC05DCFF72E7F8F, 0xC04C79FFE324301F}, /* 1e135 */
    {0x8E41ADE9FBEBC27D, 0x14588F13BE847307, 0x23BD6A2059C002F5}, /* 1e162 */
    {0xE5D3EF282A242E81, 0x8F1668C8A86DA5FA, 0xF0B5CCF5176ECC7C}, /* 1e189 */
    {0xB9A74A0637CE2EE1, 0x6D953E2BD7173692, 0x88EFB0037AC08BDE}, /* 1e216 */
    {0x95F83D0A1FB69CD9, 0x4ABDAF101564F98E, 0x0D5A4AF7B3A98E47}, /* 1e243 */
    {0xF24A01A73CF2DCCF, 0xBC633B39673C8CEC, 0x3D9C44CD2F36917C}, /* 1e270 */
    {0xC3B8358109E84F07, 0x0A862F80EC4700C8, 0x02606EA01029DC37}, /* 1e297 */
    {0x9E19DB92B4E31BA9, 0x6C07A2C26A8346D1, 0x4944D9F52CD0DEC2}, /* 1e324 */
};

_Static_assert(POW10_FIRST + POW10_STEP * (int)VV_ARRAY_COUNT(pow10_bases) > VV_POW10_MAX,
               "and ends late enough");

static const uint64_t pow10_fives[POW10_STEP] = {
    UINT64_C(1),
    UINT64_C(5),
    UINT64_C(25),
    UINT64_C(125),
    UINT64_C(625),
    UINT64_C(3125),
    UINT64_C(15625),
    UINT64_C(78125),
    UINT64_C(390625),
    UINT64_C(1953125),
    UINT64_C(9765625),
    UINT64_C(48828125),
    UINT64_C(244140625),
    UINT64_C(1220703125),
    UINT64_C(6103515625),
    UINT64_C(30517578125),
    UINT64_C(152587890625),
    UINT64_C(762939453125),
    UINT64_C(3814697265625),
    UINT64_C(19073486328125),
    UINT64_C(95367431640625),
    UINT64_C(476837158203125),
    UINT64_C(2384185791015625),
    UINT64_C(11920928955078125),
    UINT64_C(59604644775390625),
    UINT64_C(298023223876953125),
    UINT64_C(1490116119384765625),
};

void vv_pow10_bits(int32_t exponent, uint64_t *out_high, uint64_t *out_low)
{
    VV_ASSERT(exponent >= VV_POW10_MIN && exponent <= VV_POW10_MAX);
    uint32_t distance = (uint32_t)(exponent - POW10_FIRST);
    const uint64_t *base = pow10_bases[distance / POW10_STEP];
    uint64_t five = pow10_fives[distance % POW10_STEP];
    /* base * five in four words, top:high:low and one below that only carries. */
    vv_u128 product = (vv_u128)base[2] * five;
    product = (vv_u128)base[1] * five + (uint64_t)(product >> 64);
    uint64_t low = (uint64_t)product;
    product = (vv_u128)base[0] * five + (uint64_t)(product >> 64);
    uint64_t high = (uint64_t)product;
    uint64_t top = (uint64_t)(product >> 64);
    if (top == 0) {
        *out_high = high;
        *out_low = low;
        return;
    }
    uint32_t shift = vv_clz64(top); /* at least 1, since five is below 2^63 */
    *out_high = top << shift | high >> (64 - shift);
    *out_low = high << shift | low >> (64 - shift);
}
