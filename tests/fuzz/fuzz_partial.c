/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A partial aggregate of any bytes, the first of which chooses the aggregation: vv_partial_read.
 * What is understood is merged twice, and answers.
 */
#include <stdlib.h>

#include "base/slice.h"
#include "query/partial.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void merge(const vv_partial *partial, uint32_t aggregation, vv_arena *arena)
{
    vv_accumulator accumulator;
    vv_answer answer;
    vv_plan_output output = {.aggregation = aggregation};
    varve_cursor cursor = {0};
    vv_accumulator_init(&accumulator, partial->type);
    require(vv_partial_merge(&accumulator, partial, arena, NULL) == VARVE_OK);
    require(aggregation == VARVE_AGG_MEDIAN ||
            vv_partial_merge(&accumulator, partial, arena, NULL) == VARVE_OK);
    require(vv_accumulator_result(&cursor, &accumulator, partial->type, &output, &answer, NULL) ==
            VARVE_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vv_alloc alloc;
    vv_arena arena;
    vv_partial partial;
    if (size == 0) {
        return 0;
    }
    uint32_t aggregation = 1 + data[0] % 12u;
    vv_alloc_init(&alloc, NULL);
    vv_arena_init(&arena, &alloc, SIZE_MAX);
    varve_status status =
        vv_partial_read(vv_bytes_make(data + 1, size - 1), aggregation, 1000, &partial, NULL);
    require(status == VARVE_OK || status == VARVE_E_CORRUPT);
    if (status == VARVE_OK && !partial.is_raw && partial.type != VARVE_TYPE_NONE) {
        merge(&partial, aggregation, &arena);
    }
    vv_arena_deinit(&arena);
    return 0;
}
