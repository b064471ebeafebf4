/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels for x86-64 with AVX2. Unpacking moves the 8 bytes in which a value begins to its lane by
 * a byte shuffle, then shifts and masks: a method of "Decoding billions of integers per second
 * through vectorization" (Lemire, Boytsov), on the plain layout.
 */
#include "codec/kernels_priv.h"

#if VV_ARCH_X86_64

#include <immintrin.h>
#include <string.h>

#define KERNEL(name)  kernels_avx2_##name
#define KERNEL_TARGET VV_TARGET("avx2,bmi,bmi2")
#define KERNEL_BYTES  32
#define KERNEL_ISA    VV_CODEC_ISA_AVX2
#define KERNEL_TABLE  vv_kernels_avx2

/* How four consecutive values come out of two loads of 16 bytes, of two values each. */
typedef struct kernels_avx2_plan {
    uint32_t offsets[2]; /* of the loads, from the beginning of the group */
    __m256i shuffle;     /* the 8 bytes of each value to its lane */
    __m256i shift;       /* then right by this */
} kernels_avx2_plan;

static KERNEL_TARGET void kernels_avx2_plan_four(uint32_t width, uint32_t first,
                                                 kernels_avx2_plan *out_plan)
{
    uint8_t shuffle[32];
    uint64_t shift[4];
    for (uint32_t i = 0; i < 4; ++i) {
        uint32_t load_bit = (first + (i & 2)) * width;
        uint32_t bit = (first + i) * width - load_bit / 8 * 8;
        out_plan->offsets[i / 2] = load_bit / 8;
        shift[i] = bit % 8;
        for (uint32_t byte = 0; byte < 8; ++byte) {
            shuffle[i * 8 + byte] = (uint8_t)(bit / 8 + byte);
        }
    }
    memcpy(&out_plan->shuffle, shuffle, sizeof shuffle);
    memcpy(&out_plan->shift, shift, sizeof shift);
}

static KERNEL_TARGET VV_ALWAYS_INLINE void kernels_avx2_unpack_four(const uint8_t *source,
                                                                    const kernels_avx2_plan *plan,
                                                                    uint64_t mask, uint64_t *target)
{
    __m128i low;
    __m128i high;
    memcpy(&low, source + plan->offsets[0], sizeof low);
    memcpy(&high, source + plan->offsets[1], sizeof high);
    __m256i bytes = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
    __m256i words = _mm256_shuffle_epi8(bytes, plan->shuffle);
    words = _mm256_srlv_epi64(words, plan->shift);
    words = _mm256_and_si256(words, _mm256_set1_epi64x((int64_t)mask));
    memcpy(target, &words, sizeof words);
}

static KERNEL_TARGET void kernels_avx2_unpack(const uint8_t *source, size_t group_count,
                                              uint32_t width, uint64_t *target)
{
    if (width > 57) {
        vv_kernels_scalar.unpack(source, group_count, width, target);
        return;
    }
    kernels_avx2_plan first;
    kernels_avx2_plan second;
    kernels_avx2_plan_four(width, 0, &first);
    kernels_avx2_plan_four(width, 4, &second);
    uint64_t mask = UINT64_MAX >> (64 - width);
    for (size_t group = 0; group < group_count; ++group) {
        kernels_avx2_unpack_four(source, &first, mask, target);
        kernels_avx2_unpack_four(source, &second, mask, target + 4);
        source += width;
        target += 8;
    }
}

#include "codec/kernels_body.inc"

#endif
