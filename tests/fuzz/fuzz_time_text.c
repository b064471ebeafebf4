/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times and durations of requests. A time that nanoseconds can hold is, in every coarser
 * precision, that time floored; and the words for precisions are what they print as.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/slice.h"
#include "model/time_range.h"
#include "wire/time_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_NOW_NS INT64_C(1700000000123456789)

static void fuzz_time(varve_text text)
{
    int64_t ns;
    bool has_ns = vv_time_text_parse(text, FUZZ_NOW_NS, VARVE_PRECISION_NS, &ns, NULL) == VARVE_OK;
    for (uint32_t precision = VARVE_PRECISION_US; precision <= VARVE_PRECISION_S; ++precision) {
        int64_t given;
        varve_error err;
        varve_status status = vv_time_text_parse(text, FUZZ_NOW_NS, precision, &given, &err);
        VV_ASSERT(status == VARVE_OK || status == VARVE_E_INVALID);
        VV_ASSERT(!has_ns || status == VARVE_OK);
        int64_t ns_per_unit = INT64_C(1000000000) / vv_precision_per_second(precision);
        VV_ASSERT(!has_ns || given == vv_floor_div_i64(ns, ns_per_unit));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    varve_text text = {.data = (const char *)data, .size = size};
    fuzz_time(text);
    int64_t ns;
    varve_status status = vv_duration_text_parse(text, &ns, NULL);
    VV_ASSERT(status == VARVE_OK || status == VARVE_E_INVALID);
    uint32_t precision;
    if (vv_precision_text_parse(text, VARVE_PRECISION_MS, &precision)) {
        VV_ASSERT(text.size == 0 ||
                  vv_text_equal(text, vv_text_from_string(vv_precision_name(precision))));
    }
    return 0;
}
