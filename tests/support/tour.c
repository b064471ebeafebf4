/* SPDX-License-Identifier: Apache-2.0 */
#include "support/tour.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "support/check.h"

void tour_init(tour *t, const char *path, const varve_options *options)
{
    memset(t, 0, sizeof *t);
    t->path = path;
    t->options = *options;
}

__attribute__((format(printf, 2, 3))) static void tour_note(tour *t, const char *format, ...)
{
    if (t->wrong[0] == '\0') {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(t->wrong, sizeof t->wrong, format, arguments);
        va_end(arguments);
    }
}

static bool tour_ok(tour *t, varve_status status)
{
    t->failed_calls += status != VARVE_OK;
    return status == VARVE_OK;
}

/* The same for what a driver looks at. */
static bool tour_good(tour *t, varve_status status, const varve_error *err)
{
    if (status != VARVE_OK && t->failure.status == VARVE_OK) {
        t->failure = *err;
        t->failure.status = status;
    }
    return tour_ok(t, status);
}

/* ---- values ---- */

static double tour_f64(size_t batch, size_t row)
{
    uint64_t bits = UINT64_C(0x7ff8000000000000) | (batch << 8) | row;
    double value = (double)(batch * 100 + row) / 8.0;
    if (row % 5 == 1) {
        memcpy(&value, &bits, sizeof value); /* a NaN with a payload */
    } else if (row % 5 == 2) {
        value = -0.0;
    }
    return value;
}

typedef struct tour_row_values {
    varve_value values[TOUR_FIELDS];
    char bytes[40];
    varve_histogram histogram;
    varve_span spans[1];
    int64_t deltas[2];
} tour_row_values;

static void tour_fill(tour_row_values *row, size_t batch, size_t i)
{
    memset(row, 0, sizeof *row);
    memset(row->bytes, (int)('a' + i % 26), sizeof row->bytes);
    row->spans[0] = (varve_span){.offset = (int32_t)i, .length = 2};
    row->deltas[0] = (int64_t)batch;
    row->deltas[1] = -1;
    row->histogram = (varve_histogram){
        .schema = 3,
        .sum = (double)i,
        .count.u64 = batch,
        .positive_spans = row->spans,
        .positive_span_count = 1,
        .positive_deltas = row->deltas,
        .positive_bucket_count = 2,
    };
    varve_value *v = row->values;
    v[0] = (varve_value){.type = VARVE_TYPE_F64, .as.f64 = tour_f64(batch, i)};
    v[1] = (varve_value){.type = VARVE_TYPE_I64, .as.i64 = (int64_t)i - 2};
    v[2] = (varve_value){.type = VARVE_TYPE_U64, .as.u64 = UINT64_MAX - batch - i};
    v[3] = (varve_value){.type = VARVE_TYPE_BOOL, .as.boolean = i % 2 == 0};
    v[4] = (varve_value){.type = VARVE_TYPE_BYTES,
                         .as.bytes = {row->bytes, (batch + i) % sizeof row->bytes}};
    v[5] = (varve_value){.type = VARVE_TYPE_STRING, .as.bytes = {row->bytes, 1 + i % 3}};
    v[6] = (varve_value){.type = VARVE_TYPE_HISTOGRAM, .as.histogram = &row->histogram};
}

static const char *const tour_field_names[TOUR_FIELDS] = {"f", "i", "u", "b", "y", "s", "h"};

static varve_text tour_text(const char *string)
{
    return (varve_text){string, strlen(string)};
}

/* ---- opening, writing ---- */

static bool tour_resolve(tour *t)
{
    static const char *const numbers[TOUR_SERIES] = {"0", "1", "2", "3"};
    varve_error err;
    bool is_ok = true;
    for (size_t i = 0; i < TOUR_SERIES && is_ok; i++) {
        varve_label label = {tour_text("n"), tour_text(numbers[i])};
        is_ok = tour_ok(
            t, varve_series_resolve(t->db, tour_text("tour"), &label, 1, 0, &t->series[i], &err));
    }
    for (size_t i = 0; i < TOUR_FIELDS && is_ok; i++) {
        is_ok = tour_ok(
            t, varve_field_resolve(t->db, tour_text(tour_field_names[i]), &t->fields[i], &err));
    }
    return is_ok;
}

bool tour_open(tour *t)
{
    varve_error err;
    varve_status status = varve_open(t->path, &t->options, &t->db, &err);
    t->was_write_failed = false;
    if (!tour_good(t, status, &err)) {
        if (t->db != NULL) {
            tour_note(t, "a failed open left a handle");
        }
        return false;
    }
    if (!tour_resolve(t) && !tour_resolve(t)) {
        tour_close(t);
        return false;
    }
    return true;
}

/* What a commit's status says about its effect. */
static void tour_settle(tour *t, tour_state *state, tour_state wanted, varve_status status,
                        const varve_error *err)
{
    tour_ok(t, status);
    if (status == VARVE_OK) {
        *state = wanted;
        if (t->was_write_failed) {
            tour_note(t, "a write succeeded in the state WRITE_FAILED");
        }
        if (t->was_in_doubt) {
            tour_note(t, "a write succeeded after another one's outcome was unknown");
        }
    } else if (status == VARVE_E_IO) {
        *state = *state == wanted ? wanted : TOUR_UNKNOWN;
        t->was_in_doubt = true;
    }
    t->was_write_failed = varve_health(t->db, NULL) == VARVE_HEALTH_WRITE_FAILED;
    if (status != VARVE_OK && err->status != status) {
        tour_note(t, "status %d, but the error says %d", (int)status, (int)err->status);
    }
}

static varve_status tour_commit(tour *t, varve_batch *batch, varve_error *err)
{
    varve_written written;
    varve_written_init(&written);
    if (t->count % 3 != 2) {
        return varve_batch_commit(batch, NULL, &written, err);
    }
    varve_status status = varve_batch_submit(batch, NULL, &written, err);
    if (status == VARVE_OK) {
        uint32_t ack = 0;
        status = varve_wait(t->db, written.ticket, UINT64_MAX, &ack, err);
        if (status == VARVE_OK && ack == VARVE_ACK_NONE) {
            tour_note(t, "a wait succeeded without an acknowledgement");
        }
        if (status == VARVE_E_FENCED) { /* submitted: the outcome is open all the same */
            tour_note(t, "the wait for a submitted batch answers E_FENCED");
        }
    }
    return status;
}

varve_status tour_write(tour *t, size_t rows, varve_error *err)
{
    size_t number = t->count++;
    t->batches[number] = (tour_batch){.rows = rows};
    varve_batch *batch;
    varve_status status = varve_batch_create(t->db, &batch, err);
    tour_row_values values[16];
    for (size_t i = 0; i < rows && status == VARVE_OK; i++) {
        tour_fill(&values[i], number, i);
        varve_row row = {
            .series = t->series[(number + i) % 3],
            .timestamp = (int64_t)(number * TOUR_STEP + i),
            .fields = t->fields,
            .values = values[i].values,
            .count = TOUR_FIELDS,
        };
        status = varve_batch_row(batch, &row, err);
        if (status != VARVE_OK) { /* a failed call adds nothing: again */
            t->failed_calls++;
            status = varve_batch_row(batch, &row, err);
        }
    }
    if (status == VARVE_OK) {
        status = tour_commit(t, batch, err);
    }
    tour_settle(t, &t->batches[number].state, TOUR_PRESENT, status, err);
    varve_batch_free(batch);
    return status;
}

varve_status tour_write_bulk(tour *t, size_t rows, varve_error *err)
{
    static double numbers[TOUR_STEP];
    static int64_t times[TOUR_STEP];
    size_t number = t->count++;
    t->batches[number] = (tour_batch){.rows = rows, .is_bulk = true};
    for (size_t i = 0; i < rows; i++) {
        numbers[i] = tour_f64(number, i);
        times[i] = (int64_t)(number * TOUR_STEP + i);
    }
    varve_column column = {.type = VARVE_TYPE_F64, .values = numbers};
    varve_columns columns;
    varve_columns_init(&columns);
    columns.rows = rows;
    columns.series = &t->series[3];
    columns.series_count = 1;
    columns.timestamps = times;
    columns.timestamp_count = rows;
    columns.fields = t->fields;
    columns.columns = &column;
    columns.column_count = 1;
    varve_batch *batch;
    varve_status status = varve_batch_create(t->db, &batch, err);
    if (status == VARVE_OK) {
        status = varve_batch_columns(batch, &columns, err);
    }
    if (status == VARVE_OK) {
        status = varve_batch_commit(batch, NULL, NULL, err);
    }
    tour_settle(t, &t->batches[number].state, TOUR_PRESENT, status, err);
    varve_batch_free(batch);
    return status;
}

varve_status tour_delete(tour *t, size_t batch, varve_error *err)
{
    varve_selection selection;
    memset(&selection, 0, sizeof selection);
    selection.kind = VARVE_SELECT_TEXT;
    selection.text = tour_text("tour{n=~\".+\"}");
    varve_range range = {(int64_t)batch * TOUR_STEP, (int64_t)(batch + 1) * TOUR_STEP};
    varve_status status = varve_delete(t->db, &selection, 1, range, NULL, NULL, err);
    tour_settle(t, &t->batches[batch].state, TOUR_ABSENT, status, err);
    return status;
}

void tour_flush(tour *t, bool compacts)
{
    varve_error err;
    varve_status status = compacts ? varve_compact(t->db, VARVE_COMPACT_ALL, NULL, &err)
                                   : varve_flush(t->db, NULL, &err);
    tour_ok(t, status);
    if (t->was_write_failed && status == VARVE_OK) {
        tour_note(t, "a flush succeeded in the state WRITE_FAILED");
    }
    t->was_write_failed = varve_health(t->db, NULL) == VARVE_HEALTH_WRITE_FAILED;
}

void tour_close(tour *t)
{
    varve_error err;
    for (int tries = 0; tries < 2 && t->db != NULL; tries++) {
        if (tour_ok(t, varve_close(t->db, &err))) {
            t->db = NULL;
        }
    }
    if (t->db != NULL && t->must_close) {
        tour_note(t, "does not close at the second try: %s", err.message);
    }
    varve_abandon(t->db);
    t->db = NULL;
}

/* ---- reading ---- */

static bool tour_same_histogram(const varve_histogram *a, const varve_histogram *b)
{
    return a->flags == b->flags && a->schema == b->schema && a->reset_hint == b->reset_hint &&
           memcmp(&a->sum, &b->sum, sizeof a->sum) == 0 && a->count.u64 == b->count.u64 &&
           a->positive_span_count == b->positive_span_count &&
           a->positive_bucket_count == b->positive_bucket_count && a->negative_span_count == 0 &&
           a->custom_value_count == 0 &&
           memcmp(a->positive_spans, b->positive_spans,
                  a->positive_span_count * sizeof(varve_span)) == 0 &&
           memcmp(a->positive_deltas, b->positive_deltas,
                  a->positive_bucket_count * sizeof(int64_t)) == 0;
}

static bool tour_same(const varve_value *a, const varve_value *b)
{
    if (a->type != b->type) {
        return false;
    }
    switch (a->type) {
    case VARVE_TYPE_F64:
        return memcmp(&a->as.f64, &b->as.f64, sizeof(double)) == 0;
    case VARVE_TYPE_I64:
        return a->as.i64 == b->as.i64;
    case VARVE_TYPE_U64:
        return a->as.u64 == b->as.u64;
    case VARVE_TYPE_BOOL:
        return a->as.boolean == b->as.boolean;
    case VARVE_TYPE_BYTES:
    case VARVE_TYPE_STRING:
        return a->as.bytes.size == b->as.bytes.size &&
               memcmp(a->as.bytes.data, b->as.bytes.data, a->as.bytes.size) == 0;
    case VARVE_TYPE_HISTOGRAM:
        return tour_same_histogram(a->as.histogram, b->as.histogram);
    default:
        return false;
    }
}

/* The place of a field handle in the tour's list. */
static size_t tour_field_of(const tour *t, varve_field field)
{
    size_t i = 0;
    while (i < TOUR_FIELDS && t->fields[i].id != field.id) {
        i++;
    }
    return i;
}

static void tour_check_row(tour *t, const varve_row *row, size_t *counts)
{
    size_t batch = (size_t)(row->timestamp / TOUR_STEP);
    size_t i = (size_t)(row->timestamp % TOUR_STEP);
    if (row->timestamp < 0 || batch >= t->count || i >= t->batches[batch].rows) {
        tour_note(t, "a row at %lld that nobody wrote", (long long)row->timestamp);
        return;
    }
    bool is_bulk = t->batches[batch].is_bulk;
    varve_series series = is_bulk ? t->series[3] : t->series[(batch + i) % 3];
    if (row->series.id != series.id || row->count != (is_bulk ? 1 : TOUR_FIELDS)) {
        tour_note(t, "batch %zu row %zu: series %llu, %zu fields", batch, i,
                  (unsigned long long)row->series.id, row->count);
        return;
    }
    tour_row_values expected;
    tour_fill(&expected, batch, i);
    for (size_t at = 0; at < row->count; at++) {
        size_t field = tour_field_of(t, row->fields[at]);
        if (field == TOUR_FIELDS || !tour_same(&expected.values[field], &row->values[at])) {
            tour_note(t, "batch %zu row %zu: field %zu differs", batch, i, field);
            return;
        }
    }
    counts[batch]++;
}

static void tour_check_counts(tour *t, const size_t *counts)
{
    for (size_t i = 0; i < t->count; i++) {
        const tour_batch *batch = &t->batches[i];
        bool is_all = counts[i] == batch->rows;
        bool is_good = batch->state == TOUR_PRESENT  ? is_all
                       : batch->state == TOUR_ABSENT ? counts[i] == 0
                                                     : is_all || counts[i] == 0;
        if (!is_good) {
            tour_note(t, "batch %zu (state %d) has %zu of %zu rows", i, (int)batch->state,
                      counts[i], batch->rows);
        }
    }
}

static varve_status tour_read_rows(tour *t, uint32_t order, varve_error *err)
{
    size_t counts[TOUR_BATCHES_MAX] = {0};
    varve_query_options options;
    varve_query_options_init(&options);
    options.layout = VARVE_LAYOUT_ROWS;
    options.order = order;
    options.block_rows_max = 700;
    varve_cursor *cursor;
    varve_status status = varve_query(t->db, &options, &cursor, err);
    const varve_block *block = NULL;
    while (status == VARVE_OK) {
        status = varve_cursor_next(cursor, &block, err);
        if (status != VARVE_OK || block == NULL) {
            break;
        }
        for (size_t i = 0; i < block->rows; i++) {
            tour_check_row(t, &block->row[i], counts);
        }
    }
    varve_cursor_close(cursor);
    if (status == VARVE_OK) {
        tour_check_counts(t, counts);
    }
    return status;
}

static bool tour_is_known(const tour *t)
{
    for (size_t i = 0; i < t->count; i++) {
        if (t->batches[i].state == TOUR_UNKNOWN) {
            return false;
        }
    }
    return true;
}

/* Counts in buckets of one batch each, over all series. */
static varve_status tour_read_aggregate(tour *t, varve_error *err)
{
    varve_output outputs[3];
    memset(outputs, 0, sizeof outputs);
    outputs[0] = (varve_output){
        .aggregation = VARVE_AGG_COUNT, .nan_rule = VARVE_NAN_PROPAGATE, .name = tour_text("f")};
    outputs[1] = (varve_output){.aggregation = VARVE_AGG_SUM, .name = tour_text("i")};
    outputs[2] = (varve_output){.aggregation = VARVE_AGG_MEDIAN, .name = tour_text("f")};
    varve_query_options options;
    varve_query_options_init(&options);
    options.outputs = outputs;
    options.output_count = 3;
    options.grouping = VARVE_GROUP_ALL;
    options.bucket = (varve_bucket){.kind = VARVE_BUCKET_FIXED, .width = TOUR_STEP};
    size_t counts[TOUR_BATCHES_MAX] = {0};
    varve_cursor *cursor;
    varve_status status = varve_query(t->db, &options, &cursor, err);
    const varve_block *block = NULL;
    while (status == VARVE_OK) {
        status = varve_cursor_next(cursor, &block, err);
        if (status != VARVE_OK || block == NULL) {
            break;
        }
        for (size_t i = 0; i < block->rows; i++) {
            size_t batch = (size_t)(block->timestamps[i] / TOUR_STEP);
            if (batch >= t->count) {
                tour_note(t, "a bucket of no batch");
            } else {
                counts[batch] = (size_t)((const uint64_t *)block->columns[0].values)[i];
            }
        }
    }
    varve_cursor_close(cursor);
    if (status == VARVE_OK) {
        tour_check_counts(t, counts);
    }
    return status;
}

static varve_status tour_drain(varve_cursor *cursor, size_t *out_rows, varve_error *err)
{
    const varve_block *block = NULL;
    varve_status status = VARVE_OK;
    *out_rows = 0;
    while (status == VARVE_OK) {
        status = varve_cursor_next(cursor, &block, err);
        if (status != VARVE_OK || block == NULL) {
            break;
        }
        *out_rows += block->rows;
    }
    varve_cursor_close(cursor);
    return status;
}

static void tour_list(tour *t)
{
    size_t series = 0;
    bool has[TOUR_SERIES] = {false};
    for (size_t i = 0; i < t->count; i++) {
        for (size_t at = 0; at < t->batches[i].rows && t->batches[i].state == TOUR_PRESENT; at++) {
            has[t->batches[i].is_bulk ? 3 : (i + at) % 3] = true;
        }
    }
    for (size_t i = 0; i < TOUR_SERIES; i++) {
        series += has[i];
    }
    varve_error err;
    varve_cursor *cursor;
    size_t rows;
    bool is_known = tour_is_known(t);
    if (tour_ok(t, varve_series_list(t->db, NULL, &cursor, &err)) &&
        tour_ok(t, tour_drain(cursor, &rows, &err)) && is_known && rows != series) {
        tour_note(t, "%zu series are listed, %zu have rows", rows, series);
    }
    if (tour_ok(t, varve_label_values(t->db, tour_text("n"), NULL, &cursor, &err)) &&
        tour_ok(t, tour_drain(cursor, &rows, &err)) && is_known && rows != series) {
        tour_note(t, "%zu label values are listed, %zu have rows", rows, series);
    }
    if (tour_ok(t, varve_field_names(t->db, NULL, &cursor, &err))) {
        tour_ok(t, tour_drain(cursor, &rows, &err));
    }
}

bool tour_check(tour *t, bool must_read)
{
    varve_error err;
    varve_status status = tour_read_rows(t, VARVE_ORDER_SERIES, &err);
    if (!tour_good(t, status, &err) && must_read) {
        tour_note(t, "reading everything: %s", err.message);
    }
    status = tour_read_rows(t, VARVE_ORDER_TIME, &err);
    if (!tour_good(t, status, &err) && must_read) {
        tour_note(t, "reading everything by time: %s", err.message);
    }
    status = tour_read_aggregate(t, &err);
    if (!tour_good(t, status, &err) && must_read) {
        tour_note(t, "aggregating everything: %s", err.message);
    }
    varve_verified verified;
    varve_verified_init(&verified);
    status = varve_verify(t->db, NULL, &verified, &err);
    if (!tour_good(t, status, &err) && must_read) {
        tour_note(t, "verify: %s", err.message);
    }
    return t->wrong[0] == '\0';
}

void tour_read(tour *t)
{
    tour_check(t, /* must_read */ false);
    tour_list(t);
    varve_error err;
    varve_stat stats[100];
    size_t count;
    tour_ok(t, varve_stats(t->db, stats, 100, &count, &err));
    varve_health(t->db, &err);
}

void tour_run(tour *t)
{
    varve_error err;
    if (!tour_open(t)) {
        return;
    }
    tour_write(t, 6, &err);
    tour_write(t, 1, &err);
    tour_write_bulk(t, 1100, &err);
    tour_delete(t, 1, &err);
    tour_read(t);
    tour_flush(t, false);
    tour_write(t, 5, &err);
    tour_write(t, 7, &err);
    tour_delete(t, 3, &err);
    tour_flush(t, false);
    tour_write(t, 4, &err);
    tour_delete(t, 0, &err);
    tour_read(t);
    tour_flush(t, true);
    tour_write(t, 3, &err);
    tour_read(t);
    tour_close(t);
}
