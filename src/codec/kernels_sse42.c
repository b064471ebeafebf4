/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels for x86-64 with SSE4.2, which has comparisons of 64-bit integers and byte shuffles: two
 * values at a time.
 */
#include "codec/kernels_priv.h"

#if VV_ARCH_X86_64

#include <immintrin.h>

#define KERNEL(name)  kernels_sse42_##name
#define KERNEL_TARGET VV_TARGET("sse4.2")
#define KERNEL_BYTES  16
#define KERNEL_ISA    VV_CODEC_ISA_SSE42
#define KERNEL_TABLE  vv_kernels_sse42

#include "codec/kernels_types.inc"

/* How two consecutive values come out of a load of 16 bytes. */
typedef struct kernel_plan {
    uint32_t offsets[KERNEL_PARTS]; /* of the loads, from the beginning of the group */
    __m128i shuffles[KERNEL_PARTS]; /* the 8 bytes of each value to its lane */
    __m128i lefts[KERNEL_PARTS];    /* shifts of the first and of the second value */
    __m128i rights[KERNEL_PARTS];
    __m128i mask;
} kernel_plan;

static KERNEL_TARGET VV_ALWAYS_INLINE void kernels_sse42_plan(uint32_t width, kernel_plan *out_plan)
{
    const int64_t ascending = INT64_C(0x0706050403020100);
    const int64_t ones = INT64_C(0x0101010101010101);
    for (uint32_t part = 0; part < KERNEL_PARTS; ++part) {
        uint32_t bit = 2 * part * width;
        uint32_t next = bit % 8 + width;
        out_plan->offsets[part] = bit / 8;
        out_plan->shuffles[part] =
            _mm_set_epi64x(ascending + (int64_t)(next / 8) * ones, ascending);
        out_plan->lefts[part] = _mm_cvtsi64_si128((int64_t)(bit % 8));
        out_plan->rights[part] = _mm_cvtsi64_si128((int64_t)(next % 8));
    }
    out_plan->mask = _mm_set1_epi64x((int64_t)(UINT64_MAX >> (64 - width)));
}

static KERNEL_TARGET VV_ALWAYS_INLINE void kernels_sse42_words(const uint8_t *source,
                                                               const kernel_plan *plan, size_t part,
                                                               kernel_u64v *out_words)
{
    __m128i bytes;
    memcpy(&bytes, source + plan->offsets[part], sizeof bytes);
    bytes = _mm_shuffle_epi8(bytes, plan->shuffles[part]);
    __m128i left = _mm_srl_epi64(bytes, plan->lefts[part]);
    __m128i right = _mm_srl_epi64(bytes, plan->rights[part]);
    *out_words = (kernel_u64v)_mm_and_si128(_mm_blend_epi16(left, right, 0xF0), plan->mask);
}

static KERNEL_TARGET VV_ALWAYS_INLINE void kernels_sse42_running(kernel_u64v *words,
                                                                 kernel_u64v *out_last)
{
    __m128i sums = (__m128i)*words;
    sums = _mm_add_epi64(sums, _mm_slli_si128(sums, 8));
    *words = (kernel_u64v)sums;
    *out_last = (kernel_u64v)_mm_unpackhi_epi64(sums, sums);
}

#include "codec/kernels_body.inc"

#endif
