/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers, durations, times, hex and base64 from any bytes. What is read must print and read again
 * to the same value, and floats must be what strtod makes of them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"

static void fuzz_integers(varve_text text)
{
    uint64_t word;
    int64_t number;
    char printed[VV_TEXT_I64_BYTES_MAX];
    VV_ASSERT(vv_text_scan_u64(text, &word) <= text.size);
    VV_ASSERT(vv_text_scan_i64(text, &number) <= text.size);
    if (vv_text_parse_u64(text, &word)) {
        uint64_t back;
        varve_text again = vv_text_make(printed, vv_text_print_u64(printed, word));
        VV_ASSERT(vv_text_parse_u64(again, &back) && back == word);
    }
    if (vv_text_parse_i64(text, &number)) {
        int64_t back;
        varve_text again = vv_text_make(printed, vv_text_print_i64(printed, number));
        VV_ASSERT(vv_text_parse_i64(again, &back) && back == number);
    }
}

static void fuzz_floats(varve_text text)
{
    double value;
    double back;
    char printed[VV_TEXT_F64_BYTES_MAX];
    VV_ASSERT(vv_text_scan_f64(text, &value) <= text.size);
    if (!vv_text_parse_f64(text, &value)) {
        return;
    }
    char *copy = malloc(text.size + 1);
    VV_ASSERT(copy != NULL);
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    char *end;
    double expected = strtod(copy, &end);
    VV_ASSERT(end == copy + text.size && memcmp(&expected, &value, sizeof value) == 0);
    free(copy);
    size_t size = vv_text_print_f64(printed, value);
    VV_ASSERT(vv_text_parse_f64(vv_text_make(printed, size), &back));
    VV_ASSERT(memcmp(&back, &value, sizeof value) == 0);
}

static void fuzz_times(varve_text text)
{
    int64_t ns;
    int64_t back;
    int64_t s;
    uint32_t fraction;
    char printed[VV_TEXT_DURATION_BYTES_MAX];
    VV_ASSERT(vv_text_scan_duration(text, &ns) <= text.size);
    if (vv_text_parse_duration(text, &ns)) {
        size_t size = vv_text_print_duration(printed, ns);
        VV_ASSERT(vv_text_parse_duration(vv_text_make(printed, size), &back) && back == ns);
    }
    if (vv_text_parse_rfc3339(text, &ns)) {
        size_t size = vv_text_print_rfc3339(printed, ns);
        VV_ASSERT(vv_text_parse_rfc3339(vv_text_make(printed, size), &back) && back == ns);
        VV_ASSERT(vv_text_parse_rfc3339_parts(text, &s, &fraction));
    }
}

static void fuzz_bytes(varve_text text)
{
    uint8_t *target = malloc(text.size + 2);
    char *printed = malloc(text.size * 2 + 4);
    VV_ASSERT(target != NULL && printed != NULL);
    size_t size;
    if (vv_text_parse_hex(text, target)) {
        vv_text_print_hex(printed, target, text.size / 2);
        VV_ASSERT(vv_text_equal_nocase(vv_text_make(printed, text.size), text));
    }
    if (vv_text_parse_base64(text, target, &size)) {
        VV_ASSERT(size <= text.size / 4 * 3 + 2);
        size_t printed_size = vv_text_print_base64(printed, target, size);
        VV_ASSERT(printed_size >= text.size);
    }
    free(printed);
    free(target);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    varve_text text = vv_text_make((const char *)data, size);
    fuzz_integers(text);
    fuzz_floats(text);
    fuzz_times(text);
    fuzz_bytes(text);
    return 0;
}
