/* SPDX-License-Identifier: Apache-2.0 */
#include "support/noise_rows.h"

#include <string.h>

#include "base/random.h"
#include "support/check.h"

enum { NOISE_ROWS_MAX = 1 << 20 };

static void noise_rows_bytes(const noise_rows *rows, int64_t row, char *out_bytes)
{
    vv_random random;
    vv_random_init(&random, (uint64_t)row + 1);
    vv_random_fill(&random, out_bytes, rows->row_bytes);
}

static varve_series noise_rows_series(const noise_rows *rows, int64_t row)
{
    varve_error err;
    varve_series series;
    char name[] = "s0";
    name[1] = (char)('0' + row % NOISE_SERIES);
    varve_label label = {VARVE_STR("of"), {name, 2}};
    check_ok(varve_series_resolve(rows->db, VARVE_STR("m"), &label, 1, 0, &series, &err), &err);
    return series;
}

varve_status noise_rows_write(noise_rows *rows, varve_error *err)
{
    static char bytes[NOISE_BATCH_ROWS_MAX][NOISE_ROW_BYTES_MAX];
    varve_batch *batch;
    varve_field field;
    varve_written written;
    varve_written_init(&written);
    check_ok(varve_field_resolve(rows->db, VARVE_STR("v"), &field, err), err);
    check_ok(varve_batch_create(rows->db, &batch, err), err);
    for (size_t i = 0; i < rows->batch_rows; i++) {
        int64_t number = rows->next + (int64_t)i;
        noise_rows_bytes(rows, number, bytes[i]);
        varve_value value = {.type = VARVE_TYPE_BYTES, .as.bytes = {bytes[i], rows->row_bytes}};
        varve_row row = {
            .series = noise_rows_series(rows, number),
            .timestamp = number,
            .fields = &field,
            .values = &value,
            .count = 1,
        };
        check_ok(varve_batch_row(batch, &row, err), err);
    }
    varve_status status = varve_batch_commit(batch, NULL, &written, err);
    varve_batch_free(batch);
    if (status == VARVE_OK) {
        assert_int_equal(written.ack, VARVE_ACK_DURABLE);
        rows->next += (int64_t)rows->batch_rows;
    }
    return status;
}

void noise_rows_fill(noise_rows *rows)
{
    varve_error err;
    varve_status status = VARVE_OK;
    while (status == VARVE_OK) {
        status = noise_rows_write(rows, &err);
    }
    check_status(VARVE_E_NOSPACE, status);
    assert_true(strlen(err.message) > 0);
}

void noise_rows_delete_before(noise_rows *rows, int64_t row)
{
    varve_error err;
    varve_selection all = {.kind = VARVE_SELECT_ALL};
    check_ok(varve_delete(rows->db, &all, 1, (varve_range){INT64_MIN, row}, NULL, NULL, &err),
             &err);
    rows->first = row;
}

static void noise_rows_see(const noise_rows *rows, int64_t of, const varve_block *block, bool *seen)
{
    const varve_text *values = block->columns[0].values;
    assert_null(block->columns[0].offsets);
    for (size_t i = 0; i < block->rows; i++) {
        int64_t row = block->timestamps[i];
        char bytes[NOISE_ROW_BYTES_MAX];
        assert_true(row >= rows->first && row < rows->next && row % NOISE_SERIES == of);
        assert_false(seen[row]);
        noise_rows_bytes(rows, row, bytes);
        assert_int_equal(values[i].size, rows->row_bytes);
        assert_memory_equal(values[i].data, bytes, rows->row_bytes);
        seen[row] = true;
    }
}

void noise_rows_check(const noise_rows *rows)
{
    static bool seen[NOISE_ROWS_MAX];
    varve_error err;
    assert_true(rows->next <= NOISE_ROWS_MAX);
    memset(seen, 0, sizeof seen);
    for (int64_t of = 0; of < NOISE_SERIES; of++) {
        varve_series series = noise_rows_series(rows, of);
        varve_selection selection = {
            .kind = VARVE_SELECT_LIST, .series = &series, .series_count = 1};
        varve_query_options options;
        varve_cursor *cursor;
        const varve_block *block;
        varve_query_options_init(&options);
        options.selections = &selection;
        options.selection_count = 1;
        check_ok(varve_query(rows->db, &options, &cursor, &err), &err);
        check_ok(varve_cursor_next(cursor, &block, &err), &err);
        while (block != NULL) {
            noise_rows_see(rows, of, block, seen);
            check_ok(varve_cursor_next(cursor, &block, &err), &err);
        }
        varve_cursor_close(cursor);
    }
    for (int64_t row = rows->first; row < rows->next; row++) {
        assert_true(seen[row]);
    }
}
