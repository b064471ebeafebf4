/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pattern and a value: the input up to the first line feed, and what follows. Where the pattern
 * is simple, the engine (forced by a flag that changes nothing) must give the same answer; and no
 * memory may be left.
 */
#include "base/assert.h"
#include "base/buf.h"
#include "base/regex.h"
#include "base/regex_priv.h"

/* The answer of a pattern: 0 or 1; 2 when it has none. */
static int fuzz_answer(vv_alloc *alloc, varve_text pattern, varve_text value,
                       vv_regex_kind *out_kind)
{
    vv_regex *regex;
    bool is_match = false;
    varve_error err;
    varve_status status = vv_regex_create(pattern, alloc, &regex, &err);
    if (status != VARVE_OK) {
        VV_ASSERT(regex == NULL);
        VV_ASSERT(status == VARVE_E_INVALID || status == VARVE_E_LIMIT);
        return 2;
    }
    *out_kind = vv_regex_kind_of(regex);
    status = vv_regex_match(regex, value, &is_match, &err);
    VV_ASSERT(status == VARVE_OK || status == VARVE_E_LIMIT);
    VV_ASSERT(!is_match || vv_text_starts_with(value, vv_regex_prefix(regex)));
    const varve_text *literals;
    size_t count;
    if (vv_regex_set_of_literals(regex, &literals, &count)) {
        for (size_t index = 1; index < count; index++) {
            VV_ASSERT(vv_text_compare(literals[index - 1], literals[index]) < 0);
        }
    }
    vv_regex_free(regex);
    return status == VARVE_OK ? (int)is_match : 2;
}

/* The scan alone, and every place of the pattern taken for an escape. */
static void fuzz_scan(vv_alloc *alloc, varve_text pattern)
{
    vv_buf pcre;
    vv_regex_syntax syntax;
    vv_buf_init(&pcre, alloc, 1u << 20);
    varve_status status = vv_regex_scan(pattern, &pcre, &syntax, NULL);
    VV_ASSERT(status == VARVE_OK || status == VARVE_E_INVALID || status == VARVE_E_LIMIT);
    for (size_t begin = 0; begin < pattern.size; begin++) {
        size_t position = begin;
        uint32_t code_point = 0;
        bool is_char = vv_regex_escaped_char(pattern, &position, &code_point);
        VV_ASSERT(is_char ? position > begin && position <= pattern.size : position == begin);
        VV_ASSERT(code_point <= 0x10FFFF);
    }
    vv_buf_deinit(&pcre);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    varve_text input = vv_text_make((const char *)data, size);
    size_t end = vv_text_find_char(input, '\n');
    varve_text pattern = vv_text_sub(input, 0, end);
    varve_text value = vv_text_sub(input, end < size ? end + 1 : size, 300);
    fuzz_scan(&alloc, pattern);
    vv_regex_kind kind = VV_REGEX_ENGINE;
    int answer = fuzz_answer(&alloc, pattern, value, &kind);
    if (answer != 2 && kind != VV_REGEX_ENGINE && pattern.size < VV_REGEX_PATTERN_BYTES_MAX - 8) {
        vv_buf forced;
        vv_buf_init(&forced, &alloc, 1u << 20);
        (void)vv_buf_append_text(&forced, VV_TEXT("(?s:"));
        (void)vv_buf_append_text(&forced, pattern);
        (void)vv_buf_append_text(&forced, VV_TEXT(")"));
        int by_engine = fuzz_answer(&alloc, vv_buf_text(&forced), value, &kind);
        VV_ASSERT(by_engine == 2 || kind == VV_REGEX_ENGINE);
        /* Values that are no UTF-8 match by bytes where simple and never else. */
        VV_ASSERT(by_engine == 2 || by_engine == answer || by_engine == 0);
        vv_buf_deinit(&forced);
    }
    VV_ASSERT(vv_alloc_bytes(&alloc) == 0);
    return 0;
}
