/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Query strings and escapes. What decodes is UTF-8 and not longer than what it came from; it
 * encodes again, and that decodes to the same.
 */
#include <stdlib.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/utf8.h"
#include "net/params.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Every byte as %XX: the form that leaves nothing to the decoder's judgement. */
static void fuzz_escape(vv_buf *buf, varve_text text)
{
    static const char digits[] = "0123456789aBcDeF";
    for (size_t i = 0; i < text.size; ++i) {
        unsigned byte = (unsigned char)text.data[i];
        vv_buf_append_char(buf, '%');
        vv_buf_append_char(buf, digits[byte >> 4]);
        vv_buf_append_char(buf, digits[byte & 15]);
    }
}

static void fuzz_decode(varve_text text, vv_percent place, vv_arena *arena, vv_alloc *alloc)
{
    varve_text decoded;
    varve_text again;
    varve_status status = vv_percent_decode(text, place, arena, &decoded, NULL);
    VV_ASSERT(status == VARVE_OK || status == VARVE_E_INVALID);
    if (status != VARVE_OK) {
        return;
    }
    VV_ASSERT(decoded.size <= text.size && vv_utf8_is_valid(decoded));
    VV_ASSERT(decoded.data[decoded.size] == '\0');
    vv_buf buf;
    vv_buf_init(&buf, alloc, SIZE_MAX);
    fuzz_escape(&buf, decoded);
    VV_ASSERT(vv_percent_decode(vv_buf_text(&buf), place, arena, &again, NULL) == VARVE_OK);
    VV_ASSERT(vv_text_equal(decoded, again));
    vv_buf_deinit(&buf);
}

/** A path in two steps, which leaves slashes in segments as they are, and at once: the same. */
static void fuzz_path(varve_text text, vv_arena *arena)
{
    varve_text path;
    varve_text once;
    varve_text twice;
    varve_status status = vv_percent_decode(text, VV_PERCENT_PATH, arena, &path, NULL);
    VV_ASSERT(vv_percent_decode(text, VV_PERCENT_SEGMENT, arena, &once, NULL) == status);
    if (status == VARVE_OK) {
        VV_ASSERT(path.size <= text.size && vv_utf8_is_valid(path));
        VV_ASSERT(vv_percent_decode(path, VV_PERCENT_SEGMENT, arena, &twice, NULL) == VARVE_OK);
        VV_ASSERT(vv_text_equal(once, twice));
    }
}

static void fuzz_pairs(varve_text text, vv_arena *arena, vv_alloc *alloc)
{
    vv_params params = {0};
    vv_params again = {0};
    varve_status status = vv_params_parse(&params, text, arena, NULL);
    VV_ASSERT(status == VARVE_OK || status == VARVE_E_INVALID || status == VARVE_E_LIMIT);
    VV_ASSERT(params.count <= VV_PARAMS_MAX);
    if (status != VARVE_OK) {
        return;
    }
    vv_buf buf;
    vv_buf_init(&buf, alloc, SIZE_MAX);
    for (size_t i = 0; i < params.count; ++i) {
        varve_text value;
        size_t position = 0;
        VV_ASSERT(vv_params_find(&params, params.items[i].name, &value));
        if (!vv_text_ends_with(params.items[i].name, VV_TEXT("[]"))) {
            VV_ASSERT(vv_params_next(&params, params.items[i].name, &position, &value));
        }
        fuzz_escape(&buf, params.items[i].name);
        vv_buf_append_char(&buf, '=');
        fuzz_escape(&buf, params.items[i].value);
        vv_buf_append_char(&buf, '&');
    }
    VV_ASSERT(vv_params_parse(&again, vv_buf_text(&buf), arena, NULL) == VARVE_OK);
    VV_ASSERT(again.count == params.count);
    for (size_t i = 0; i < params.count; ++i) {
        VV_ASSERT(vv_text_equal(params.items[i].name, again.items[i].name));
        VV_ASSERT(vv_text_equal(params.items[i].value, again.items[i].value));
    }
    vv_buf_deinit(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_arena arena;
    vv_arena_init(&arena, &alloc, SIZE_MAX);
    varve_text text = {.data = (const char *)data, .size = size};
    fuzz_decode(text, VV_PERCENT_QUERY, &arena, &alloc);
    fuzz_decode(text, VV_PERCENT_SEGMENT, &arena, &alloc);
    fuzz_path(text, &arena);
    fuzz_pairs(text, &arena, &alloc);
    vv_arena_deinit(&arena);
    VV_ASSERT(vv_alloc_bytes(&alloc) == 0);
    return 0;
}
