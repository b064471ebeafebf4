/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32C, bits reflected, polynomial 0x1EDC6F41 (0x82F63B78 reversed), start and end inverted.
 *
 * In hardware the crc32 instruction takes 8 bytes a cycle but its result 3 cycles later, so three
 * neighbouring stretches of a buffer are done at once and joined:
 *
 *     crc(A B C) = crc(A) shifted by |B| + |C|  xor  crc(B) shifted by |C|  xor  crc(C)
 *
 * where shifting by n zero bytes is a multiplication by x^(8 n) modulo the polynomial: one
 * carry-less multiplication with a constant, reduced by one more crc32 instruction (which brings
 * the x^33 that the constants leave out). "Fast CRC Computation for iSCSI Polynomial Using CRC32
 * Instruction", Gopal et al.
 *
 * Elsewhere: slicing by 8, "High Octane CRC Generation with the Intel Slicing-by-8 Algorithm". A
 * CRC table is linear: entry n is the xor of the entries of n's single bits. So the 2048 entries
 * are constant expressions over 64 numbers, and the compiler writes the table.
 */
#include "base/crc.h"

#include <string.h>

#if VV_ARCH_X86_64
#include <nmmintrin.h>
#include <wmmintrin.h>
#endif

#define CRC_POLYNOMIAL UINT32_C(0x82F63B78)

#define CRC_BIT(n, bit, base) (((n) >> (bit)&1u) * UINT32_C(base))
#define CRC_ENTRY(n, b0, b1, b2, b3, b4, b5, b6, b7)                                 \
    (CRC_BIT(n, 0, b0) ^ CRC_BIT(n, 1, b1) ^ CRC_BIT(n, 2, b2) ^ CRC_BIT(n, 3, b3) ^ \
     CRC_BIT(n, 4, b4) ^ CRC_BIT(n, 5, b5) ^ CRC_BIT(n, 6, b6) ^ CRC_BIT(n, 7, b7))

/* Entry n of table k, the effect of byte n followed by k zero bytes. */
#define CRC_ROW_0(n)                                                                     \
    CRC_ENTRY(n, 0xF26B8303, 0xE13B70F7, 0xC79A971F, 0x8AD958CF, 0x105EC76F, 0x20BD8EDE, \
              0x417B1DBC, 0x82F63B78)
#define CRC_ROW_1(n)                                                                     \
    CRC_ENTRY(n, 0x13A29877, 0x274530EE, 0x4E8A61DC, 0x9D14C3B8, 0x3FC5F181, 0x7F8BE302, \
              0xFF17C604, 0xFBC3FAF9)
#define CRC_ROW_2(n)                                                                     \
    CRC_ENTRY(n, 0xA541927E, 0x4F6F520D, 0x9EDEA41A, 0x38513EC5, 0x70A27D8A, 0xE144FB14, \
              0xC76580D9, 0x8B277743)
#define CRC_ROW_3(n)                                                                     \
    CRC_ENTRY(n, 0xDD45AAB8, 0xBF672381, 0x7B2231F3, 0xF64463E6, 0xE964B13D, 0xD725148B, \
              0xABA65FE7, 0x52A0C93F)
#define CRC_ROW_4(n)                                                                     \
    CRC_ENTRY(n, 0x38116FAC, 0x7022DF58, 0xE045BEB0, 0xC5670B91, 0x8F2261D3, 0x1BA8B557, \
              0x37516AAE, 0x6EA2D55C)
#define CRC_ROW_5(n)                                                                     \
    CRC_ENTRY(n, 0xEF306B19, 0xDB8CA0C3, 0xB2F53777, 0x6006181F, 0xC00C303E, 0x85F4168D, \
              0x0E045BEB, 0x1C08B7D6)
#define CRC_ROW_6(n)                                                                     \
    CRC_ENTRY(n, 0x68032CC8, 0xD0065990, 0xA5E0C5D1, 0x4E2DFD53, 0x9C5BFAA6, 0x3D5B83BD, \
              0x7AB7077A, 0xF56E0EF4)
#define CRC_ROW_7(n)                                                                     \
    CRC_ENTRY(n, 0x493C7D27, 0x9278FA4E, 0x211D826D, 0x423B04DA, 0x847609B4, 0x0D006599, \
              0x1A00CB32, 0x34019664)

/* f(0), f(1) ... f(255) */
#define CRC_4(f, n)  f((n)), f((n) + 1u), f((n) + 2u), f((n) + 3u)
#define CRC_16(f, n) CRC_4(f, n), CRC_4(f, n + 4u), CRC_4(f, n + 8u), CRC_4(f, n + 12u)
#define CRC_64(f, n) CRC_16(f, n), CRC_16(f, n + 16u), CRC_16(f, n + 32u), CRC_16(f, n + 48u)
#define CRC_256(f)                                                      \
    {                                                                   \
        CRC_64(f, 0u), CRC_64(f, 64u), CRC_64(f, 128u), CRC_64(f, 192u) \
    }

static const uint32_t crc_table[8][256] = {
    CRC_256(CRC_ROW_0), CRC_256(CRC_ROW_1), CRC_256(CRC_ROW_2), CRC_256(CRC_ROW_3),
    CRC_256(CRC_ROW_4), CRC_256(CRC_ROW_5), CRC_256(CRC_ROW_6), CRC_256(CRC_ROW_7),
};

static uint64_t crc_load(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

uint32_t vv_crc32c_portable(uint32_t crc, const void *bytes, size_t size)
{
    const uint8_t *data = (const uint8_t *)bytes;
    crc = ~crc;
    for (; size >= 8; size -= 8, data += 8) {
        uint64_t word = crc_load(data) ^ crc;
        crc = crc_table[7][word & 0xFF] ^ crc_table[6][word >> 8 & 0xFF] ^
              crc_table[5][word >> 16 & 0xFF] ^ crc_table[4][word >> 24 & 0xFF] ^
              crc_table[3][word >> 32 & 0xFF] ^ crc_table[2][word >> 40 & 0xFF] ^
              crc_table[1][word >> 48 & 0xFF] ^ crc_table[0][word >> 56];
    }
    for (; size > 0; size -= 1, data += 1) {
        crc = crc >> 8 ^ crc_table[0][(crc ^ *data) & 0xFF];
    }
    return ~crc;
}

#if VV_ARCH_X86_64

/* Stretch lengths: long enough that the join (about 10 cycles) is small beside 128 cycles, short
 * enough for a WAL record of 400 bytes. */
#define CRC_LONG  1024u
#define CRC_SHORT 128u

/* x^(8 n - 33) modulo the polynomial, reflected. */
#define CRC_SHIFT_128  INT64_C(0x0D3B6092)
#define CRC_SHIFT_256  INT64_C(0xB9E02B86)
#define CRC_SHIFT_1024 INT64_C(0x170076FA)
#define CRC_SHIFT_2048 INT64_C(0xA51B6135)

VV_TARGET("sse4.2,pclmul")
static uint64_t crc_shift(uint64_t crc, int64_t constant)
{
    __m128i product =
        _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)crc), _mm_cvtsi64_si128(constant), 0);
    return (uint64_t)_mm_cvtsi128_si64(product);
}

/* Checksum 3 * stretch bytes; shift_two moves over two stretches, shift_one over one. */
VV_TARGET("sse4.2,pclmul")
static uint64_t crc_three(uint64_t crc, const uint8_t *data, size_t stretch, int64_t shift_two,
                          int64_t shift_one)
{
    uint64_t crc_b = 0;
    uint64_t crc_c = 0;
    for (size_t offset = 0; offset < stretch; offset += 8) {
        crc = _mm_crc32_u64(crc, crc_load(data + offset));
        crc_b = _mm_crc32_u64(crc_b, crc_load(data + stretch + offset));
        crc_c = _mm_crc32_u64(crc_c, crc_load(data + 2 * stretch + offset));
    }
    return crc_c ^ _mm_crc32_u64(0, crc_shift(crc, shift_two) ^ crc_shift(crc_b, shift_one));
}

VV_TARGET("sse4.2,pclmul")
static uint32_t crc_hardware(uint32_t crc, const uint8_t *data, size_t size)
{
    uint64_t state = (uint32_t)~crc;
    for (; size >= 3 * CRC_LONG; size -= 3 * CRC_LONG, data += 3 * CRC_LONG) {
        state = crc_three(state, data, CRC_LONG, CRC_SHIFT_2048, CRC_SHIFT_1024);
    }
    for (; size >= 3 * CRC_SHORT; size -= 3 * CRC_SHORT, data += 3 * CRC_SHORT) {
        state = crc_three(state, data, CRC_SHORT, CRC_SHIFT_256, CRC_SHIFT_128);
    }
    for (; size >= 8; size -= 8, data += 8) {
        state = _mm_crc32_u64(state, crc_load(data));
    }
    for (; size > 0; size -= 1, data += 1) {
        state = _mm_crc32_u8((uint32_t)state, *data);
    }
    return ~(uint32_t)state;
}

uint32_t vv_crc32c(uint32_t crc, const void *bytes, size_t size)
{
    if (VV_LIKELY(VV_CPU_HAS("sse4.2") && VV_CPU_HAS("pclmul"))) {
        return crc_hardware(crc, (const uint8_t *)bytes, size);
    }
    return vv_crc32c_portable(crc, bytes, size);
}

#else

uint32_t vv_crc32c(uint32_t crc, const void *bytes, size_t size)
{
    return vv_crc32c_portable(crc, bytes, size);
}

#endif

/* Product of two reflected polynomials modulo the CRC's; bit 31 is x^0. */
static uint32_t crc_multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;
    for (uint32_t bit = UINT32_C(1) << 31; bit != 0; bit >>= 1) {
        if ((a & bit) != 0) {
            product ^= b;
        }
        b = b >> 1 ^ ((b & 1) != 0 ? CRC_POLYNOMIAL : 0);
    }
    return product;
}

uint32_t vv_crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t size_b)
{
    uint32_t square = UINT32_C(1) << 23; /* x^8: one zero byte */
    for (; size_b != 0; size_b >>= 1) {
        if ((size_b & 1) != 0) {
            crc_a = crc_multiply(crc_a, square);
        }
        square = crc_multiply(square, square);
    }
    return crc_a ^ crc_b;
}
