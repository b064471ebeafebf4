/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels for every processor: plain C and the vectors of the platform's baseline. The tests hold
 * the other levels equal to this one.
 */
#include "codec/kernels_priv.h"

#define KERNEL(name)  kernels_scalar_##name
#define KERNEL_TARGET /* the baseline */
#define KERNEL_BYTES  16
#define KERNEL_ISA    VV_CODEC_ISA_SCALAR
#define KERNEL_TABLE  vv_kernels_scalar

#include "codec/kernels_types.inc"

typedef struct kernel_plan {
    uint32_t width;
    uint64_t mask;
} kernel_plan;

static inline void kernels_scalar_plan(uint32_t width, kernel_plan *out_plan)
{
    *out_plan = (kernel_plan){.width = width, .mask = UINT64_MAX >> (64 - width)};
}

static VV_ALWAYS_INLINE uint64_t kernels_scalar_word(const uint8_t *source, const kernel_plan *plan,
                                                     size_t index)
{
    uint64_t word;
    memcpy(&word, source + index * plan->width / 8, sizeof word);
    return (word >> (index * plan->width % 8)) & plan->mask;
}

static VV_ALWAYS_INLINE void kernels_scalar_words(const uint8_t *source, const kernel_plan *plan,
                                                  size_t part, kernel_u64v *out_words)
{
    *out_words = (kernel_u64v){kernels_scalar_word(source, plan, 2 * part),
                               kernels_scalar_word(source, plan, 2 * part + 1)};
}

static VV_ALWAYS_INLINE void kernels_scalar_running(kernel_u64v *words, kernel_u64v *out_last)
{
    uint64_t first = (*words)[0];
    uint64_t both = first + (*words)[1];
    *words = (kernel_u64v){first, both};
    *out_last = (kernel_u64v){both, both};
}

#include "codec/kernels_body.inc"
