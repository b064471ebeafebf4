/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text that names things: selectors, offsets of zones, stored identities. Whatever parses prints,
 * and what was printed parses to the same.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "model/calendar.h"
#include "model/labels.h"
#include "model/selector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void fuzz_selector_text(varve_text text, vv_arena *arena)
{
    vv_selector selector;
    varve_error err;
    varve_status status = vv_selector_parse(text, arena, &selector, &err);
    require(status == VARVE_OK || status == VARVE_E_INVALID || status == VARVE_E_LIMIT);
    if (status != VARVE_OK) {
        return;
    }
    require(selector.has_metric || selector.metric.size == 0);
    for (size_t index = 0; index < selector.matcher_count; index++) {
        require(selector.columns[index] >= 1 && selector.columns[index] <= text.size);
    }
}

static void fuzz_selector_identity(vv_bytes bytes, vv_arena *arena, vv_alloc *alloc)
{
    varve_text metric;
    const varve_label *labels;
    size_t count;
    if (vv_series_identity_read(bytes, arena, &metric, &labels, &count, NULL) != VARVE_OK) {
        return;
    }
    vv_buf buf;
    vv_buf_init(&buf, alloc, SIZE_MAX);
    require(vv_series_identity_write(&buf, metric, labels, count) == VARVE_OK);
    require(vv_bytes_equal(vv_buf_bytes(&buf), bytes));
    vv_buf_reset(&buf);
    require(vv_series_print(&buf, metric, labels, count) == VARVE_OK);
    vv_selector selector;
    require(vv_selector_parse(vv_buf_text(&buf), arena, &selector, NULL) == VARVE_OK);
    require(vv_text_equal(selector.metric, metric) && selector.matcher_count == count);
    vv_buf_deinit(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_arena arena;
    vv_arena_init(&arena, &alloc, SIZE_MAX);
    varve_text text = {.data = (const char *)data, .size = size};
    fuzz_selector_text(text, &arena);
    fuzz_selector_identity(vv_bytes_make(data, size), &arena, &alloc);
    int32_t offset_s = 0;
    if (vv_calendar_parse_offset(text, &offset_s)) {
        require(offset_s > -86400 && offset_s < 86400);
    }
    vv_arena_deinit(&arena);
    require(vv_alloc_bytes(&alloc) == 0);
    return 0;
}
