/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What requests carry besides rows: parameters, times, JSON documents. The JSON lines that parse
 * are checked for sizes that agree.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/slice.h"
#include "net/params.h"
#include "wire/json_lines.h"
#include "wire/rows_json.h"
#include "wire/time_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void fuzz_request_texts(varve_text text, vv_arena *arena)
{
    vv_params params = {0};
    varve_text decoded;
    if (vv_params_parse(&params, text, arena, NULL) == VARVE_OK) {
        require(params.count <= VV_PARAMS_MAX);
    }
    if (vv_percent_decode(text, VV_PERCENT_PATH, arena, &decoded, NULL) == VARVE_OK) {
        require(decoded.size <= text.size);
    }
    int64_t number;
    uint32_t precision;
    for (uint32_t of = VARVE_PRECISION_NS; of <= VARVE_PRECISION_S; of++) {
        VV_IGNORE(vv_time_text_parse(text, INT64_C(1700000000000000000), of, &number, NULL));
    }
    VV_IGNORE(vv_duration_text_parse(text, &number, NULL));
    VV_IGNORE(vv_precision_text_parse(text, VARVE_PRECISION_NS, &precision));
}

static void fuzz_request_json(varve_text text, vv_arena *arena)
{
    vv_json_line line;
    VV_IGNORE(vv_json_scan(text, VV_JSON_LINE_DEPTH_MAX, NULL));
    if (vv_json_lines_parse(text, arena, &line, NULL) == VARVE_OK) {
        for (size_t cell = 0; cell < line.field_count * line.row_count; cell++) {
            require(line.values[cell].type <= VARVE_TYPE_HISTOGRAM);
        }
        for (size_t index = 1; index < line.field_count; index++) {
            require(vv_text_compare(line.names[index - 1], line.names[index]) < 0);
        }
    }
    vv_rows_request request;
    VV_IGNORE(vv_rows_json_parse(text, VARVE_PRECISION_NS, 0, arena, &request, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_arena arena;
    vv_arena_init(&arena, &alloc, 64u * 1024u * 1024u);
    varve_text text = {.data = (const char *)data, .size = size};
    fuzz_request_texts(text, &arena);
    fuzz_request_json(text, &arena);
    vv_arena_deinit(&arena);
    require(vv_alloc_bytes(&alloc) == 0);
    return 0;
}
