/* SPDX-License-Identifier: Apache-2.0 */
/* Detection of vector instructions. */
#include "sys/cpu.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "sys/thread.h"

static const char *const cpu_names[] = {
    [VV_ISA_SCALAR] = "scalar",
    [VV_ISA_SSE42] = "sse42",
    [VV_ISA_AVX2] = "avx2",
    [VV_ISA_AVX512] = "avx512",
};

static vv_once cpu_once = VV_ONCE_INIT;
static vv_isa cpu_isa; /* set by the once function */

static vv_isa cpu_detect(void)
{
    if (!(VV_CPU_HAS("sse4.2") && VV_CPU_HAS("popcnt"))) {
        return VV_ISA_SCALAR;
    }
    if (!(VV_CPU_HAS("avx2") && VV_CPU_HAS("bmi") && VV_CPU_HAS("bmi2") && VV_CPU_HAS("fma"))) {
        return VV_ISA_SSE42;
    }
    if (!(VV_CPU_HAS("avx512f") && VV_CPU_HAS("avx512bw") && VV_CPU_HAS("avx512dq") &&
          VV_CPU_HAS("avx512vl") && VV_CPU_HAS("avx512cd"))) {
        return VV_ISA_AVX2;
    }
    return VV_ISA_AVX512;
}

const char *vv_isa_name(vv_isa isa)
{
    return cpu_names[isa];
}

vv_isa vv_cpu_isa_limited(const char *wanted)
{
    vv_isa found = cpu_detect();
    for (size_t index = 0; wanted != NULL && index < VV_ARRAY_COUNT(cpu_names); ++index) {
        if (strcmp(cpu_names[index], wanted) == 0) {
            return found < (vv_isa)index ? found : (vv_isa)index;
        }
    }
    return found;
}

static void cpu_find(void)
{
    cpu_isa = vv_cpu_isa_limited(getenv("VARVE_ISA"));
}

vv_isa vv_cpu_isa(void)
{
    vv_once_run(&cpu_once, cpu_find);
    return cpu_isa;
}
