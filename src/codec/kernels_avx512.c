/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels for x86-64 with AVX-512. A group of 8 packed values lies in at most 64 bytes, so that one
 * permutation of bytes (VBMI) brings each value's 8 bytes to its lane.
 */
#include "codec/kernels_priv.h"

#if VV_ARCH_X86_64

#include <immintrin.h>

#define KERNEL(name)  kernels_avx512_##name
#define KERNEL_TARGET VV_TARGET("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,bmi,bmi2")
#define KERNEL_BYTES  64
#define KERNEL_ISA    VV_CODEC_ISA_AVX512
#define KERNEL_TABLE  vv_kernels_avx512
#define KERNEL_PICK(words, which) \
    ((kernel_u64v)_mm512_permutexvar_epi64((__m512i)(which), (__m512i)(words)))

#include "codec/kernels_types.inc"

typedef struct kernel_plan {
    __m512i order; /* the 8 bytes of each value to its lane */
    __m512i shift; /* then right by this */
    __m512i mask;
} kernel_plan;

static KERNEL_TARGET VV_ALWAYS_INLINE void kernels_avx512_plan(uint32_t width,
                                                               kernel_plan *out_plan)
{
    __m512i lanes = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    __m512i bits = _mm512_mullo_epi64(lanes, _mm512_set1_epi64((int64_t)width));
    /* The first byte of each value, to all bytes of its lane, and 0 to 7 added. */
    __m512i spread = _mm512_broadcast_i32x4(_mm_set_epi64x(INT64_C(0x0808080808080808), 0));
    __m512i first = _mm512_shuffle_epi8(_mm512_srli_epi64(bits, 3), spread);
    __m512i ascending = _mm512_set1_epi64(INT64_C(0x0706050403020100));
    out_plan->order = _mm512_add_epi8(first, ascending);
    out_plan->shift = _mm512_and_si512(bits, _mm512_set1_epi64(7));
    out_plan->mask = _mm512_set1_epi64((int64_t)(UINT64_MAX >> (64 - width)));
}

static KERNEL_TARGET VV_ALWAYS_INLINE void kernels_avx512_words(const uint8_t *source,
                                                                const kernel_plan *plan,
                                                                size_t part, kernel_u64v *out_words)
{
    (void)part; /* there is one */
    __m512i words = _mm512_permutexvar_epi8(plan->order, _mm512_loadu_si512(source));
    *out_words = (kernel_u64v)_mm512_and_si512(_mm512_srlv_epi64(words, plan->shift), plan->mask);
}

static KERNEL_TARGET VV_ALWAYS_INLINE void kernels_avx512_running(kernel_u64v *words,
                                                                  kernel_u64v *out_last)
{
    __m512i zero = _mm512_setzero_si512();
    __m512i sums = (__m512i)*words;
    sums = _mm512_add_epi64(sums, _mm512_alignr_epi64(sums, zero, 7));
    sums = _mm512_add_epi64(sums, _mm512_alignr_epi64(sums, zero, 6));
    sums = _mm512_add_epi64(sums, _mm512_alignr_epi64(sums, zero, 4));
    *words = (kernel_u64v)sums;
    *out_last = (kernel_u64v)_mm512_permutexvar_epi64(_mm512_set1_epi64(7), sums);
}

#include "codec/kernels_body.inc"

#endif
