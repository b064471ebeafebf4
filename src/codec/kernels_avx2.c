/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels for x86-64 with AVX2. Unpacking moves the 8 bytes in which a value begins to its lane by
 * a byte shuffle, then shifts and masks: a method of "Decoding billions of integers per second
 * through vectorization" (Lemire, Boytsov), on the plain layout.
 */
#include "codec/kernels_priv.h"

#if VV_ARCH_X86_64

#include <immintrin.h>

#define KERNEL(name)  kernels_avx2_##name
#define KERNEL_TARGET VV_TARGET("avx2,bmi,bmi2")
#define KERNEL_BYTES  32
#define KERNEL_ISA    VV_CODEC_ISA_AVX2
#define KERNEL_TABLE  vv_kernels_avx2

#include "codec/kernels_types.inc"

/* How four consecutive values come out of two loads of 16 bytes, of two values each. */
typedef struct kernel_plan {
    uint32_t offsets[KERNEL_PARTS][2]; /* of the loads, from the beginning of the group */
    __m256i shuffles[KERNEL_PARTS];    /* the 8 bytes of each value to its lane */
    __m256i shifts[KERNEL_PARTS];      /* then right by this */
    __m256i mask;
} kernel_plan;

static KERNEL_TARGET VV_ALWAYS_INLINE void kernels_avx2_plan(uint32_t width, kernel_plan *out_plan)
{
    const int64_t ascending = INT64_C(0x0706050403020100);
    const int64_t ones = INT64_C(0x0101010101010101);
    for (uint32_t part = 0; part < KERNEL_PARTS; ++part) {
        VV_NOT_CLEARED int64_t order[4];
        VV_NOT_CLEARED int64_t shift[4];
        for (uint32_t i = 0; i < 4; ++i) {
            uint32_t load = (4 * part + (i & 2)) * width;
            uint32_t bit = (4 * part + i) * width - load / 8 * 8;
            out_plan->offsets[part][i / 2] = load / 8;
            order[i] = ascending + (int64_t)(bit / 8) * ones;
            shift[i] = (int64_t)(bit % 8);
        }
        out_plan->shuffles[part] = _mm256_set_epi64x(order[3], order[2], order[1], order[0]);
        out_plan->shifts[part] = _mm256_set_epi64x(shift[3], shift[2], shift[1], shift[0]);
    }
    out_plan->mask = _mm256_set1_epi64x((int64_t)(UINT64_MAX >> (64 - width)));
}

static KERNEL_TARGET VV_ALWAYS_INLINE void kernels_avx2_words(const uint8_t *source,
                                                              const kernel_plan *plan, size_t part,
                                                              kernel_u64v *out_words)
{
    __m128i low;
    __m128i high;
    memcpy(&low, source + plan->offsets[part][0], sizeof low);
    memcpy(&high, source + plan->offsets[part][1], sizeof high);
    __m256i bytes = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
    __m256i words = _mm256_shuffle_epi8(bytes, plan->shuffles[part]);
    words = _mm256_srlv_epi64(words, plan->shifts[part]);
    *out_words = (kernel_u64v)_mm256_and_si256(words, plan->mask);
}

static KERNEL_TARGET VV_ALWAYS_INLINE void kernels_avx2_running(kernel_u64v *words,
                                                                kernel_u64v *out_last)
{
    __m256i sums = (__m256i)*words;
    sums = _mm256_add_epi64(sums, _mm256_slli_si256(sums, 8));
    __m256i second = _mm256_permute4x64_epi64(sums, 0x55); /* of the lower half to the upper one */
    __m256i upper = _mm256_blend_epi32(_mm256_setzero_si256(), second, 0xF0);
    sums = _mm256_add_epi64(sums, upper);
    *words = (kernel_u64v)sums;
    *out_last = (kernel_u64v)_mm256_permute4x64_epi64(sums, 0xFF);
}

#include "codec/kernels_body.inc"

#endif
