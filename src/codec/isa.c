/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chooses the table of kernels. The choice is a property of the processor, not of a database, hence
 * one pointer for the process; all tables give the same results (N1), so it does not matter when
 * other threads see a change.
 */
#include "codec/isa.h"

#include <stdatomic.h>

#include "codec/kernels_priv.h"

static const vv_kernels *_Atomic isa_table; /* NULL: not chosen yet */

static const vv_kernels *isa_best(vv_codec_isa wanted)
{
#if VV_ARCH_X86_64
    bool has_avx2 = VV_CPU_HAS("avx2") && VV_CPU_HAS("bmi") && VV_CPU_HAS("bmi2");
    bool has_avx512 = has_avx2 && VV_CPU_HAS("avx512f") && VV_CPU_HAS("avx512bw") &&
                      VV_CPU_HAS("avx512dq") && VV_CPU_HAS("avx512vl") && VV_CPU_HAS("avx512vbmi");
    if (wanted >= VV_CODEC_ISA_AVX512 && has_avx512) {
        return &vv_kernels_avx512;
    }
    if (wanted >= VV_CODEC_ISA_AVX2 && has_avx2) {
        return &vv_kernels_avx2;
    }
    if (wanted >= VV_CODEC_ISA_SSE42 && VV_CPU_HAS("sse4.2")) {
        return &vv_kernels_sse42;
    }
#endif
    (void)wanted;
    return &vv_kernels_scalar;
}

const char *vv_codec_isa_name(vv_codec_isa isa)
{
    static const char *const names[VV_CODEC_ISA_COUNT] = {
        [VV_CODEC_ISA_SCALAR] = "scalar",
        [VV_CODEC_ISA_SSE42] = "sse42",
        [VV_CODEC_ISA_AVX2] = "avx2",
        [VV_CODEC_ISA_AVX512] = "avx512",
    };
    return names[isa];
}

vv_codec_isa vv_codec_set_isa(vv_codec_isa wanted)
{
    const vv_kernels *table = isa_best(wanted);
    atomic_store_explicit(&isa_table, table, memory_order_relaxed);
    return table->isa;
}

vv_codec_isa vv_codec_get_isa(void)
{
    return vv_kernels_get()->isa;
}

const vv_kernels *vv_kernels_get(void)
{
    /* Relaxed: the tables are constants, nothing is published by the pointer. */
    const vv_kernels *table = atomic_load_explicit(&isa_table, memory_order_relaxed);
    if (VV_UNLIKELY(table == NULL)) {
        table = isa_best(VV_CODEC_ISA_AVX512);
        atomic_store_explicit(&isa_table, table, memory_order_relaxed);
    }
    return table;
}
