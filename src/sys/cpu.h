/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which vector instructions kernels may use. The environment variable VARVE_ISA (scalar, sse42,
 * avx2, avx512) lowers the answer for tests and comparisons; it never raises it. Levels include
 * those below.
 */
#ifndef VV_SYS_CPU_H
#define VV_SYS_CPU_H

typedef enum vv_isa {
    VV_ISA_SCALAR,
    VV_ISA_SSE42,  /* with POPCNT and CRC32 */
    VV_ISA_AVX2,   /* with BMI1, BMI2, FMA */
    VV_ISA_AVX512, /* with F, BW, DQ, VL, CD */
} vv_isa;

/* Found once, the same for the life of the process. */
vv_isa vv_cpu_isa(void);
/* "avx2" */
const char *vv_isa_name(vv_isa isa);
/* What this machine has, lowered to `wanted` (a name; NULL or an unknown one lowers nothing). */
vv_isa vv_cpu_isa_limited(const char *wanted);

#endif
