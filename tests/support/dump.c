/* SPDX-License-Identifier: Apache-2.0 */
#include "support/dump.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "support/check.h"

typedef struct dump_buffer {
    char text[DUMP_BYTES_MAX];
    size_t size;
} dump_buffer;

static dump_buffer *dump_begin(void)
{
    static dump_buffer *buffers[8];
    static size_t next;
    dump_buffer **buffer = &buffers[next++ % 8];
    if (*buffer == NULL) {
        *buffer = malloc(sizeof **buffer);
        assert_non_null(*buffer);
    }
    (*buffer)->size = 0;
    (*buffer)->text[0] = '\0';
    return *buffer;
}

__attribute__((format(printf, 2, 3))) static void dump_add(dump_buffer *to, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(to->text + to->size, sizeof to->text - to->size, format, arguments);
    va_end(arguments);
    assert_true(size >= 0 && (size_t)size < sizeof to->text - to->size);
    to->size += (size_t)size;
}

/* ---- values ---- */

static void dump_double(dump_buffer *to, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (value != value) {
        dump_add(to, "nan:%016" PRIx64, bits);
    } else {
        dump_add(to, "%.17g", value);
    }
}

static void dump_value(dump_buffer *to, const varve_value *value)
{
    switch (value->type) {
    case VARVE_TYPE_F64:
        dump_double(to, value->as.f64);
        break;
    case VARVE_TYPE_I64:
        dump_add(to, "%" PRId64, value->as.i64);
        break;
    case VARVE_TYPE_U64:
        dump_add(to, "%" PRIu64 "u", value->as.u64);
        break;
    case VARVE_TYPE_BOOL:
        dump_add(to, "%s", value->as.boolean ? "true" : "false");
        break;
    case VARVE_TYPE_BYTES:
        dump_add(to, "<");
        for (size_t i = 0; i < value->as.bytes.size && i < 40; i++) {
            dump_add(to, "%02x", (unsigned char)value->as.bytes.data[i]);
        }
        dump_add(to, ">");
        break;
    case VARVE_TYPE_STRING:
        dump_add(to, "\"%.*s\"", (int)value->as.bytes.size, value->as.bytes.data);
        break;
    case VARVE_TYPE_HISTOGRAM:
        dump_add(to, "H(%" PRIu64 ",", value->as.histogram->count.u64);
        dump_double(to, value->as.histogram->sum);
        dump_add(to, ")");
        break;
    default:
        dump_add(to, "?%u", value->type);
        break;
    }
}

static varve_value dump_bytes_of(const varve_column *column, size_t row)
{
    varve_value value = {.type = column->type};
    if (column->marks != NULL) {
        bool is_bytes = vv_bits_get(column->marks, row);
        value.type = is_bytes ? VARVE_TYPE_BYTES : VARVE_TYPE_STRING;
    }
    if (column->offsets != NULL) {
        value.as.bytes.data = (const char *)column->values + column->offsets[row];
        value.as.bytes.size = (size_t)(column->offsets[row + 1] - column->offsets[row]);
    } else {
        value.as.bytes = ((const varve_text *)column->values)[row];
    }
    return value;
}

varve_value dump_value_of(const varve_column *column, size_t row)
{
    varve_value value = {.type = column->type};
    if (column->codes != NULL) {
        assert_true(column->codes[row] < column->dictionary_count);
        return dump_value_of(column->dictionary, column->codes[row]);
    }
    switch (column->type) {
    case VARVE_TYPE_F64:
        value.as.f64 = ((const double *)column->values)[row];
        break;
    case VARVE_TYPE_I64:
        value.as.i64 = ((const int64_t *)column->values)[row];
        break;
    case VARVE_TYPE_U64:
        value.as.u64 = ((const uint64_t *)column->values)[row];
        break;
    case VARVE_TYPE_BOOL:
        value.as.boolean = ((const uint8_t *)column->values)[row] != 0;
        break;
    case VARVE_TYPE_BYTES:
    case VARVE_TYPE_STRING:
        value = dump_bytes_of(column, row);
        break;
    case VARVE_TYPE_HISTOGRAM:
        value.as.histogram = &((const varve_histogram *)column->values)[row];
        break;
    case VARVE_TYPE_MIXED:
        value = ((const varve_value *)column->values)[row];
        break;
    default:
        break;
    }
    return value;
}

static void dump_cell(dump_buffer *to, const varve_block *block, size_t at, size_t row)
{
    const varve_column *column = &block->columns[at];
    varve_text name = block->column_names[at];
    if (column->present != NULL && !vv_bits_get(column->present, row)) {
        return;
    }
    dump_add(to, " %.*s=", (int)name.size, name.data);
    bool is_number = column->type == VARVE_TYPE_I64 || column->type == VARVE_TYPE_U64;
    bool is_saturated = is_number && column->marks != NULL && vv_bits_get(column->marks, row);
    if (is_saturated) {
        dump_add(to, "~");
    }
    varve_value value = dump_value_of(column, row);
    dump_value(to, &value);
    if (is_saturated) {
        assert_non_null(column->approximate);
        dump_add(to, "(%.6g)", column->approximate[row]);
    }
}

/* ---- rows ---- */

static void dump_name(dump_buffer *to, varve_text metric, const varve_label *labels, size_t count)
{
    dump_add(to, "%.*s", (int)metric.size, metric.data);
    for (size_t i = 0; i < count; i++) {
        dump_add(to, "%s%.*s=%.*s%s", i == 0 ? "{" : ",", (int)labels[i].name.size,
                 labels[i].name.data, (int)labels[i].value.size, labels[i].value.data,
                 i + 1 == count ? "}" : "");
    }
}

static void dump_series_name(dump_buffer *to, varve_db *db, varve_series series)
{
    varve_error err;
    varve_text metric;
    const varve_label *labels;
    size_t count;
    check_ok(varve_series_name(db, series, &metric, &labels, &count, &err), &err);
    dump_name(to, metric, labels, count);
}

static void dump_struct(dump_buffer *to, varve_db *db, const varve_row *row)
{
    varve_error err;
    dump_series_name(to, db, row->series);
    dump_add(to, " %" PRId64, row->timestamp);
    if (row->row_id != 0) {
        dump_add(to, " #%" PRIu64, row->row_id);
    }
    for (size_t i = 0; i < row->count; i++) {
        varve_text name;
        check_ok(varve_field_name(db, row->fields[i], &name, &err), &err);
        dump_add(to, " %.*s=", (int)name.size, name.data);
        dump_value(to, &row->values[i]);
    }
    dump_add(to, "\n");
}

static void dump_block(dump_buffer *to, varve_db *db, const varve_block *block)
{
    for (size_t row = 0; row < block->rows; row++) {
        if (block->row != NULL) {
            dump_struct(to, db, &block->row[row]);
            continue;
        }
        if (block->row_series != NULL) {
            dump_series_name(to, db, block->row_series[row]);
        } else {
            dump_name(to, block->metric, block->labels, block->label_count);
        }
        if (block->timestamps != NULL) {
            dump_add(to, " %" PRId64, block->timestamps[row]);
        }
        if (block->row_ids != NULL) {
            dump_add(to, " #%" PRIu64, block->row_ids[row]);
        }
        for (size_t at = 0; at < block->column_count; at++) {
            dump_cell(to, block, at, row);
        }
        dump_add(to, "\n");
    }
}

const char *dump_cursor(varve_db *db, varve_cursor *cursor)
{
    dump_buffer *to = dump_begin();
    varve_error err;
    const varve_block *block = NULL;
    do {
        varve_status status = varve_cursor_next(cursor, &block, &err);
        if (status != VARVE_OK) {
            dump_add(to, "! %s\n", vv_status_name(status));
            break;
        }
        if (block != NULL) {
            dump_block(to, db, block);
        }
    } while (block != NULL);
    varve_cursor_close(cursor);
    return to->text;
}

const char *dump_query(varve_db *db, const varve_query_options *options)
{
    varve_error err;
    varve_cursor *cursor;
    varve_status status = varve_query(db, options, &cursor, &err);
    if (status != VARVE_OK) {
        dump_buffer *to = dump_begin();
        assert_null(cursor);
        dump_add(to, "! %s\n", vv_status_name(status));
        return to->text;
    }
    return dump_cursor(db, cursor);
}

const char *dump_all(varve_db *db)
{
    return dump_query(db, NULL);
}

const char *dump_range(varve_db *db, const char *selector, int64_t start, int64_t end)
{
    varve_selection selection;
    memset(&selection, 0, sizeof selection);
    selection.kind = VARVE_SELECT_TEXT;
    selection.text = dump_text(selector);
    varve_query_options options;
    varve_query_options_init(&options);
    options.selections = &selection;
    options.selection_count = 1;
    options.range = (varve_range){start, end};
    return dump_query(db, &options);
}

/* ---- writing ---- */

varve_text dump_text(const char *string)
{
    return (varve_text){string, strlen(string)};
}

varve_series dump_series(varve_db *db, const char *name)
{
    varve_error err;
    varve_series series;
    char copy[256];
    varve_label labels[8];
    size_t count = 0;
    snprintf(copy, sizeof copy, "%s", name);
    char *rest = NULL;
    char *metric = strtok_r(copy, "{", &rest);
    for (char *pair = strtok_r(NULL, ",}", &rest); pair != NULL;
         pair = strtok_r(NULL, ",}", &rest)) {
        char *value = strchr(pair, '=');
        assert_true(value != NULL && count < 8);
        *value++ = '\0';
        labels[count++] = (varve_label){dump_text(pair), dump_text(value)};
    }
    check_ok(varve_series_resolve(db, dump_text(metric), labels, count, 0, &series, &err), &err);
    return series;
}

varve_field dump_field(varve_db *db, const char *name)
{
    varve_error err;
    varve_field field;
    check_ok(varve_field_resolve(db, dump_text(name), &field, &err), &err);
    return field;
}

varve_status dump_put(varve_db *db, const char *series, int64_t time, const char *field,
                      varve_value value)
{
    varve_error err;
    varve_batch *batch;
    varve_field handle = dump_field(db, field);
    varve_row row = {.series = dump_series(db, series),
                     .timestamp = time,
                     .fields = &handle,
                     .values = &value,
                     .count = 1};
    check_ok(varve_batch_create(db, &batch, &err), &err);
    varve_status status = varve_batch_row(batch, &row, &err);
    if (status == VARVE_OK) {
        status = varve_batch_commit(batch, NULL, NULL, &err);
    }
    varve_batch_free(batch);
    return status;
}

void dump_must_put(varve_db *db, const char *series, int64_t time, const char *field,
                   varve_value value)
{
    check_status(VARVE_OK, dump_put(db, series, time, field, value));
}

varve_value dump_f64(double value)
{
    return (varve_value){.type = VARVE_TYPE_F64, .as.f64 = value};
}

varve_value dump_i64(int64_t value)
{
    return (varve_value){.type = VARVE_TYPE_I64, .as.i64 = value};
}

varve_value dump_u64(uint64_t value)
{
    return (varve_value){.type = VARVE_TYPE_U64, .as.u64 = value};
}

varve_value dump_bool(bool value)
{
    return (varve_value){.type = VARVE_TYPE_BOOL, .as.boolean = value};
}

varve_value dump_string(const char *value)
{
    return (varve_value){.type = VARVE_TYPE_STRING, .as.bytes = {value, strlen(value)}};
}
