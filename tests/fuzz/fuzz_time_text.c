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
#include "wire/span_text.h"
#include "wire/time_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_NOW_NS INT64_C(1700000000123456789)

/* A zone that is an hour ahead, whatever its name. */
static int32_t fuzz_offset_at(const void *context, int64_t unix_s)
{
    (void)context;
    (void)unix_s;
    return 3600;
}

static int64_t fuzz_to_utc(const void *context, int64_t local_s)
{
    (void)context;
    return local_s - 3600;
}

static bool fuzz_find_zone(void *context, varve_text name, vv_calendar_zone *out_zone)
{
    (void)context;
    *out_zone = (vv_calendar_zone){.offset_at = fuzz_offset_at, .local_to_utc = fuzz_to_utc};
    return name.size > 2;
}

/* What is right without names of zones means the same with them. */
static void fuzz_time_in_zone(varve_text text, bool has_ns, int64_t ns)
{
    vv_time_world world = {.now_ns = FUZZ_NOW_NS, .find_zone = fuzz_find_zone};
    int64_t other;
    bool has_other =
        vv_time_text_parse_in(text, &world, VARVE_PRECISION_NS, &other, NULL) == VARVE_OK;
    VV_ASSERT(!has_ns || (has_other && other == ns));
}

static void fuzz_time(varve_text text)
{
    int64_t ns = 0;
    bool has_ns = vv_time_text_parse(text, FUZZ_NOW_NS, VARVE_PRECISION_NS, &ns, NULL) == VARVE_OK;
    fuzz_time_in_zone(text, has_ns, ns);
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
    VV_IGNORE(vv_duration_text_is_exact(text)); /* whatever it is */
    VV_ASSERT(status == VARVE_OK || status == VARVE_E_INVALID);
    vv_span_text span;
    if (vv_span_text_parse(text, &span, NULL) == VARVE_OK) {
        VV_ASSERT(span.ns >= 0 && span.months >= 0);
        VV_ASSERT(size == 1 || vv_span_text_scan(text, &span, NULL) == size);
    }
    uint32_t precision;
    if (vv_precision_text_parse(text, VARVE_PRECISION_MS, &precision)) {
        VV_ASSERT(text.size == 0 ||
                  vv_text_equal(text, vv_text_from_string(vv_precision_name(precision))));
    }
    return 0;
}
