/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queries as JSON documents, asked of a small database in memory that has every type of value, late
 * rows and gaps. The first byte chooses the precision. Whatever is answered is a JSON document with
 * as many rows as the answer counts; whatever is refused is the client's fault or a limit.
 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "wire/json_priv.h"
#include "wire/rows_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As the server bounds what it is asked, only lower. */
#define FUZZ_ARENA_BYTES_MAX  ((size_t)64 * 1024 * 1024)
#define FUZZ_MEMORY_BYTES_MAX (8u * 1024u * 1024u)
#define FUZZ_DEADLINE_MS      2000u
#define FUZZ_BLOCKS_MAX       64u

enum { FUZZ_ROWS = 40, FUZZ_SERIES = 3 };

/** The value of a field in a row: each field has a type of its own. */
static varve_value fuzz_value(size_t field, int64_t row)
{
    varve_value value = {.type = VARVE_TYPE_F64, .as.f64 = (double)row / 4};
    if (field == 1) {
        value = (varve_value){.type = VARVE_TYPE_I64, .as.i64 = row * 1000};
    } else if (field == 2) {
        value = (varve_value){.type = VARVE_TYPE_BOOL, .as.boolean = row % 2 == 0};
    } else if (field == 3) {
        value = (varve_value){.type = VARVE_TYPE_STRING,
                              .as.bytes = row % 3 == 0 ? VV_TEXT("a") : VV_TEXT("b\n")};
    } else if (field == 4) {
        value = (varve_value){.type = VARVE_TYPE_U64, .as.u64 = UINT64_MAX - (uint64_t)row};
    }
    return value;
}

static varve_db *fuzz_open(uint32_t precision)
{
    static const varve_text names[] = {VV_TEXT_INIT("value"), VV_TEXT_INIT("n"), VV_TEXT_INIT("b"),
                                       VV_TEXT_INIT("s"), VV_TEXT_INIT("u")};
    static const char *const hosts[FUZZ_SERIES] = {"a", "b", "c"};
    varve_db *db;
    varve_options options;
    varve_options_init(&options);
    options.precision = precision;
    VV_ASSERT(varve_open(NULL, &options, &db, NULL) == VARVE_OK);
    for (int64_t row = 0; row < FUZZ_ROWS * FUZZ_SERIES; ++row) {
        varve_label host = {.name = VV_TEXT("host"),
                            .value = vv_text_from_string(hosts[row % FUZZ_SERIES])};
        varve_value values[VV_ARRAY_COUNT(names)];
        for (size_t field = 0; field < VV_ARRAY_COUNT(names); ++field) {
            values[field] = fuzz_value(field, row);
        }
        varve_named_row named = {.metric = VV_TEXT("cpu"),
                                 .labels = &host,
                                 .label_count = 1,
                                 .timestamp = (row ^ 4) * 10,
                                 .fields = names,
                                 .values = values,
                                 .count = row % 5 == 0 ? 1 : VV_ARRAY_COUNT(names)};
        VV_ASSERT(varve_write(db, &named, 1, NULL, NULL, NULL) == VARVE_OK);
    }
    return db;
}

static varve_status fuzz_name(void *context, varve_series series, varve_text *out_metric,
                              const varve_label **out_labels, size_t *out_label_count)
{
    return varve_series_name(context, series, out_metric, out_labels, out_label_count, NULL);
}

static void fuzz_check_document(const vv_buf *buf, uint64_t rows)
{
    json_t *root;
    VV_ASSERT(vv_json_load(vv_buf_text(buf), &root, NULL) == VARVE_OK);
    const json_t *data = json_object_get(root, "data");
    uint64_t count = 0;
    for (size_t i = 0; i < json_array_size(data); ++i) {
        count += json_array_size(json_object_get(json_array_get(data, i), "rows"));
    }
    VV_ASSERT(count == rows);
    json_decref(root);
}

static void fuzz_answer(varve_db *db, varve_cursor *cursor, uint32_t from, uint32_t unit,
                        vv_alloc *alloc)
{
    vv_buf buf;
    vv_json json;
    vv_rows_answer answer;
    const varve_block *block = NULL;
    varve_error err;
    vv_buf_init(&buf, alloc, SIZE_MAX);
    vv_json_init(&json, &buf);
    vv_rows_answer_begin(&answer, &json, from, unit);
    for (size_t blocks = 0; blocks < FUZZ_BLOCKS_MAX; ++blocks) {
        varve_status status = varve_cursor_next(cursor, &block, &err);
        VV_ASSERT(status == VARVE_OK || status == VARVE_E_LIMIT || status == VARVE_E_TIMEOUT ||
                  status == VARVE_E_INVALID || status == VARVE_E_UNSUPPORTED);
        if (status != VARVE_OK || block == NULL) {
            break;
        }
        vv_rows_answer_block(&answer, block, fuzz_name, db);
    }
    vv_rows_answer_end(&answer);
    VV_ASSERT(vv_json_end(&json, NULL) == VARVE_OK);
    fuzz_check_document(&buf, answer.rows);
    vv_buf_deinit(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static varve_db *dbs[VARVE_PRECISION_S + 1];
    if (size == 0) {
        return 0;
    }
    uint32_t precision = VARVE_PRECISION_NS + data[0] % 4;
    if (dbs[precision] == NULL) {
        dbs[precision] = fuzz_open(precision);
    }
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_arena arena;
    vv_arena_init(&arena, &alloc, FUZZ_ARENA_BYTES_MAX);
    varve_text text = {.data = (const char *)data + 1, .size = size - 1};
    vv_rows_request request;
    varve_error err;
    varve_status status =
        vv_rows_json_parse(text, precision, INT64_C(1700000000000000000), &arena, &request, &err);
    VV_ASSERT(status == VARVE_OK || status == VARVE_E_INVALID || status == VARVE_E_LIMIT);
    if (status == VARVE_OK) {
        request.query.deadline_ms = FUZZ_DEADLINE_MS;
        request.query.memory_max = FUZZ_MEMORY_BYTES_MAX;
        varve_cursor *cursor;
        status = varve_query(dbs[precision], &request.query, &cursor, &err);
        VV_ASSERT(status == VARVE_OK || status == VARVE_E_INVALID || status == VARVE_E_LIMIT ||
                  status == VARVE_E_UNSUPPORTED || status == VARVE_E_NOT_FOUND);
        if (cursor != NULL) {
            fuzz_answer(dbs[precision], cursor, precision, request.unit, &alloc);
        }
        varve_cursor_close(cursor);
    }
    vv_arena_deinit(&arena);
    VV_ASSERT(vv_alloc_bytes(&alloc) == 0);
    return 0;
}
