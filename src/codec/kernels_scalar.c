/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels for every processor: plain C and the vectors of the platform's baseline. The tests hold
 * the other levels equal to this one.
 */
#include "codec/kernels_priv.h"

#include <string.h>

#define KERNEL(name)  kernels_scalar_##name
#define KERNEL_TARGET /* the baseline */
#define KERNEL_BYTES  16
#define KERNEL_ISA    VV_CODEC_ISA_SCALAR
#define KERNEL_TABLE  vv_kernels_scalar

/* Any 64 bits from a bit position on; for widths above 57 they span nine bytes. */
static inline uint64_t kernels_scalar_bits(const uint8_t *source, size_t bit)
{
    uint64_t word;
    memcpy(&word, source + bit / 8, sizeof word);
    size_t shift = bit % 8;
    return shift == 0 ? word : (word >> shift) | ((uint64_t)source[bit / 8 + 8] << (64 - shift));
}

static void kernels_scalar_unpack_wide(const uint8_t *source, size_t group_count, uint32_t width,
                                       uint64_t *target)
{
    uint64_t mask = UINT64_MAX >> (64 - width);
    for (size_t group = 0; group < group_count; ++group) {
        for (size_t i = 0; i < 8; ++i) {
            target[i] = kernels_scalar_bits(source, i * width) & mask;
        }
        source += width;
        target += 8;
    }
}

static void kernels_scalar_unpack(const uint8_t *source, size_t group_count, uint32_t width,
                                  uint64_t *target)
{
    if (width > 57) {
        kernels_scalar_unpack_wide(source, group_count, width, target);
        return;
    }
    uint64_t mask = UINT64_MAX >> (64 - width);
    for (size_t group = 0; group < group_count; ++group) {
        for (size_t i = 0; i < 8; ++i) {
            uint64_t word;
            memcpy(&word, source + i * width / 8, sizeof word);
            target[i] = (word >> (i * width % 8)) & mask;
        }
        source += width;
        target += 8;
    }
}

#include "codec/kernels_body.inc"
