/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CODEC_ISA_H
#define VV_CODEC_ISA_H

/*
 * Which kernels codec uses. All levels give the same bytes and the same results; the level is a
 * matter of speed only. The best one that the processor has is found at the first use.
 */

typedef enum vv_codec_isa {
    VV_CODEC_ISA_SCALAR, /* what every processor of the platform has */
    VV_CODEC_ISA_SSE42,
    VV_CODEC_ISA_AVX2,  /* with BMI1 and BMI2 */
    VV_CODEC_ISA_AVX512 /* F, BW, DQ, VL, VBMI */
} vv_codec_isa;

enum { VV_CODEC_ISA_COUNT = VV_CODEC_ISA_AVX512 + 1 };

/** As options of programs have it: "scalar", "avx2". */
const char *vv_codec_isa_name(vv_codec_isa isa);

/** Use `wanted`, or the best level below it that the processor has; returns the one in use. For the
 * whole process, at any time, from any thread. */
vv_codec_isa vv_codec_set_isa(vv_codec_isa wanted);

/** The level in use. */
vv_codec_isa vv_codec_get_isa(void);

#endif
