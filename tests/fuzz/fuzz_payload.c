/* SPDX-License-Identifier: Apache-2.0 */
/* Payloads of log records: the first byte says which kind, the rest are the bytes. What a reader
 * gives can be written again, and reads back the same. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "wal/payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Rows read from one input: a few bytes can stand for a million of them. */
#define ROWS_MAX 3000000

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void require_answer(varve_status status)
{
    require(status == VARVE_OK || status == VARVE_E_CORRUPT || status == VARVE_E_LIMIT ||
            status == VARVE_E_UNSUPPORTED || status == VARVE_E_NOMEM);
}

/* A run that was read is what a writer may give; the bytes that come out read back as well. */
static void write_again(vv_alloc *alloc, const vv_run *run)
{
    vv_buf payload;
    vv_arena arena;
    vv_run again;
    bool has_more;
    vv_buf_init(&payload, alloc, SIZE_MAX);
    vv_arena_init(&arena, alloc, SIZE_MAX);
    require(vv_payload_add_run(&payload, run, NULL) == VARVE_OK);
    vv_payload_reader reader;
    vv_payload_reader_init(&reader, vv_buf_bytes(&payload));
    require(vv_payload_next_run(&reader, &arena, &again, &has_more, NULL) == VARVE_OK);
    require(has_more && reader.left.size == 0);
    require(again.count == run->count && again.column_count == run->column_count &&
            again.vector_size == run->vector_size);
    require((again.row_ids == NULL) == (run->row_ids == NULL));
    for (size_t i = 0; run->row_ids != NULL && i < run->count; ++i) {
        require(run->row_ids[i] != 0 && run->row_ids[i] == again.row_ids[i]);
    }
    for (size_t i = 0; i < run->column_count; ++i) {
        const varve_column *a = &run->columns[i];
        const varve_column *b = &again.columns[i];
        require(run->fields[i] == again.fields[i] && a->type == b->type);
        if (!vv_type_is_blob(a->type)) {
            require(memcmp(a->values, b->values, run->count * vv_type_width(a->type)) == 0);
        }
        for (size_t k = 0; vv_type_is_blob(a->type) && k < run->count; ++k) {
            require(vv_text_equal(((const varve_text *)a->values)[k],
                                  ((const varve_text *)b->values)[k]));
        }
    }
    vv_arena_deinit(&arena);
    vv_buf_deinit(&payload);
}

static void fuzz_runs(vv_alloc *alloc, vv_bytes bytes)
{
    vv_arena arena;
    vv_payload_reader reader;
    vv_run run;
    bool has_more = true;
    uint64_t rows = 0;
    vv_arena_init(&arena, alloc, 64 * 1024 * 1024);
    vv_payload_reader_init(&reader, bytes);
    while (has_more && rows < ROWS_MAX) {
        size_t left = reader.left.size;
        varve_status status = vv_payload_next_run(&reader, &arena, &run, &has_more, NULL);
        require_answer(status);
        if (status != VARVE_OK || !has_more) {
            break;
        }
        require(reader.left.size < left); /* always goes on */
        rows += run.count;
        if (run.count * (run.column_count + 1) < 100000) {
            write_again(alloc, &run);
        }
        vv_arena_reset(&arena);
    }
    vv_arena_deinit(&arena);
}

static void fuzz_definitions(vv_alloc *alloc, vv_bytes bytes)
{
    vv_arena arena;
    vv_payload_reader reader;
    vv_wal_definition definition;
    bool has_more = true;
    varve_status status = VARVE_OK;
    vv_arena_init(&arena, alloc, 64 * 1024 * 1024);
    vv_payload_reader_init(&reader, bytes);
    while (status == VARVE_OK && has_more) {
        status = vv_payload_next_definition(&reader, &arena, &definition, &has_more, NULL);
        require_answer(status);
        if (status == VARVE_OK && has_more) {
            vv_buf payload;
            vv_buf_init(&payload, alloc, SIZE_MAX);
            require(definition.metric.size > 0);
            require(vv_payload_add_definition(&payload, &definition, NULL) == VARVE_OK);
            vv_buf_deinit(&payload);
        }
    }
    vv_arena_deinit(&arena);
}

/* What was read is written again and gives the same entries. */
static void fuzz_retention(vv_alloc *alloc, vv_bytes bytes)
{
    vv_arena arena;
    vv_buf again;
    vv_retention_entry *entries;
    vv_retention_entry *read_again;
    size_t count;
    size_t count_again;
    vv_retention_entry first;
    vv_reader reader = vv_reader_of(bytes.data, bytes.size);
    vv_retention_entry_decode(&reader, &first); /* at any place */
    require(vv_reader_is_bad(&reader) || first.metric.size <= VV_METRIC_BYTES_MAX);
    vv_arena_init(&arena, alloc, 64 * 1024 * 1024);
    vv_buf_init(&again, alloc, SIZE_MAX);
    varve_status status = vv_payload_read_retention(bytes, &arena, &entries, &count, NULL);
    require_answer(status);
    if (status == VARVE_OK) {
        vv_policy_kind kind = (vv_policy_kind)vv_payload_policy_kind(bytes);
        require(count > 0);
        require(vv_payload_retention(&again, kind, entries, count, NULL) == VARVE_OK);
        require(vv_payload_read_retention(vv_buf_bytes(&again), &arena, &read_again, &count_again,
                                          NULL) == VARVE_OK);
        require(count == count_again);
        for (size_t i = 0; i < count; i++) {
            require(vv_text_equal(entries[i].metric, read_again[i].metric));
            require(entries[i].recorded == read_again[i].recorded);
            require(entries[i].window == read_again[i].window);
            require(entries[i].is_enforced == read_again[i].is_enforced);
        }
    }
    vv_buf_deinit(&again);
    vv_arena_deinit(&arena);
}

static void fuzz_rows(vv_bytes bytes)
{
    vv_payload_row_walk walk = {.left = bytes};
    vv_row_address before = {0};
    vv_row_address row;
    bool has_more = true;
    varve_status status = VARVE_OK;
    while (status == VARVE_OK && has_more) {
        status = vv_payload_next_row(&walk, &row, &has_more, NULL);
        require_answer(status);
        if (status == VARVE_OK && has_more) {
            require(row.row_id > 0 && vv_row_address_compare(&before, &row) < 0);
            before = row;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_bytes bytes = vv_bytes_make(data + 1, size - 1);
    if (data[0] % 4 == 0) {
        fuzz_runs(&alloc, bytes);
    } else if (data[0] % 4 == 1) {
        fuzz_definitions(&alloc, bytes);
    } else if (data[0] % 4 == 2 && vv_payload_is_row_tombstone(bytes)) {
        fuzz_rows(bytes);
    } else if (data[0] % 4 == 2) {
        varve_range range;
        vv_selection *selection = NULL;
        varve_status status = vv_payload_read_tombstone(bytes, &alloc, &range, &selection, NULL);
        require_answer(status);
        require((status == VARVE_OK) == (selection != NULL));
        vv_selection_free(selection);
    } else if (vv_payload_policy_kind(bytes) == VV_POLICY_RETENTION ||
               vv_payload_policy_kind(bytes) == VV_POLICY_CUTS) {
        fuzz_retention(&alloc, bytes);
    } else {
        varve_text metric;
        uint32_t duplicates;
        bool has_row_ids;
        varve_status status =
            vv_payload_read_policy(bytes, &metric, &duplicates, &has_row_ids, NULL);
        require_answer(status);
        require(status != VARVE_OK || (metric.size > 0 && duplicates <= VARVE_DUPLICATES_ALL));
    }
    require(vv_alloc_bytes(&alloc) == 0);
    return 0;
}
