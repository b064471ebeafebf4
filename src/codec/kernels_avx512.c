/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels for x86-64 with AVX-512. A group of 8 packed values lies in at most 64 bytes, so that one
 * permutation of bytes (VBMI) brings each value's 8 bytes to its lane.
 */
#include "codec/kernels_priv.h"

#if VV_ARCH_X86_64

#include <immintrin.h>
#include <string.h>

#define KERNEL(name)  kernels_avx512_##name
#define KERNEL_TARGET VV_TARGET("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,bmi,bmi2")
#define KERNEL_BYTES  64
#define KERNEL_ISA    VV_CODEC_ISA_AVX512
#define KERNEL_TABLE  vv_kernels_avx512

static KERNEL_TARGET void kernels_avx512_unpack(const uint8_t *source, size_t group_count,
                                                uint32_t width, uint64_t *target)
{
    if (width > 57) {
        vv_kernels_scalar.unpack(source, group_count, width, target);
        return;
    }
    uint8_t order[64];
    uint64_t shifts[8];
    for (uint32_t i = 0; i < 8; ++i) {
        shifts[i] = i * width % 8;
        for (uint32_t byte = 0; byte < 8; ++byte) {
            order[i * 8 + byte] = (uint8_t)(i * width / 8 + byte);
        }
    }
    __m512i permute = _mm512_loadu_si512(order);
    __m512i shift = _mm512_loadu_si512(shifts);
    __m512i mask = _mm512_set1_epi64((int64_t)(UINT64_MAX >> (64 - width)));
    for (size_t group = 0; group < group_count; ++group) {
        __m512i words = _mm512_permutexvar_epi8(permute, _mm512_loadu_si512(source));
        words = _mm512_and_si512(_mm512_srlv_epi64(words, shift), mask);
        _mm512_storeu_si512(target, words);
        source += width;
        target += 8;
    }
}

#include "codec/kernels_body.inc"

#endif
