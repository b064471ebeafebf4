/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A database in memory to ask, rows written in one line, and answers as a table of numbers.
 */
#ifndef VV_TESTS_UNIT_QUERY_WORLD_H
#define VV_TESTS_UNIT_QUERY_WORLD_H

#include "support/check.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/failing_alloc.h"
#include "varve.h"

enum { WORLD_COLUMNS_MAX = 8, WORLD_ROWS_MAX = 50000 };

typedef struct world {
    failing_alloc source;
    varve_allocator allocator;
    varve_options options;
    varve_db *db;
} world;

typedef struct world_row {
    int64_t time;
    uint64_t row_id;
    uint64_t series;
    double values[WORLD_COLUMNS_MAX];
    bool has[WORLD_COLUMNS_MAX];
    char text[32]; /* of the first label or string column */
} world_row;

typedef struct world_answer {
    size_t count, blocks;
    uint32_t flags;
    uint32_t types[WORLD_COLUMNS_MAX];
    bool is_marked; /* some integer sum was saturated */
    varve_status status;
    varve_error error;
    world_row rows[WORLD_ROWS_MAX];
} world_answer;

static inline void world_open(world *w, uint32_t duplicates, uint32_t row_ids)
{
    varve_error err;
    memset(w, 0, sizeof *w);
    failing_alloc_init(&w->source);
    w->allocator = failing_alloc_source(&w->source);
    varve_options_init(&w->options);
    w->options.flags = VARVE_OPEN_NO_BACKGROUND;
    w->options.duplicates = duplicates;
    w->options.row_ids = row_ids;
    w->options.allocator = &w->allocator;
    check_ok(varve_open(NULL, &w->options, &w->db, &err), &err);
}

static inline void world_close(world *w)
{
    varve_error err;
    check_ok(varve_close(w->db, &err), &err);
    assert_int_equal(w->source.live, 0);
}

static inline varve_text text_of(const char *text)
{
    return (varve_text){.data = text, .size = strlen(text)};
}

static inline varve_value f64_of(double number)
{
    return (varve_value){.type = VARVE_TYPE_F64, .as.f64 = number};
}

static inline varve_value i64_of(int64_t number)
{
    return (varve_value){.type = VARVE_TYPE_I64, .as.i64 = number};
}

static inline varve_value string_of(const char *text)
{
    return (varve_value){.type = VARVE_TYPE_STRING, .as.bytes = text_of(text)};
}

/* metric{host="..."} field=value */
static inline void world_put(world *w, const char *metric, const char *host, int64_t time,
                             const char *field, varve_value value)
{
    varve_error err;
    varve_label label = {.name = text_of("host"), .value = text_of(host)};
    varve_text name = text_of(field);
    varve_named_row row = {.metric = text_of(metric),
                           .labels = &label,
                           .label_count = host[0] == '\0' ? 0 : 1,
                           .timestamp = time,
                           .fields = &name,
                           .values = &value,
                           .count = 1};
    varve_write_options options;
    varve_write_options_init(&options);
    check_ok(varve_write(w->db, &row, 1, &options, NULL, &err), &err);
}

static inline double world_number(const varve_column *column, size_t row)
{
    switch (column->type) {
    case VARVE_TYPE_F64:
        return ((const double *)column->values)[row];
    case VARVE_TYPE_I64:
        return (double)((const int64_t *)column->values)[row];
    case VARVE_TYPE_U64:
        return (double)((const uint64_t *)column->values)[row];
    case VARVE_TYPE_BOOL:
        return ((const uint8_t *)column->values)[row];
    case VARVE_TYPE_MIXED: {
        const varve_value *value = &((const varve_value *)column->values)[row];
        return value->type == VARVE_TYPE_F64   ? value->as.f64
               : value->type == VARVE_TYPE_I64 ? (double)value->as.i64
                                               : (double)NAN;
    }
    default:
        return (double)NAN;
    }
}

static inline void world_take_column(world_answer *answer, const varve_block *block, size_t index)
{
    const varve_column *column = &block->columns[index];
    answer->types[index] = column->type;
    answer->is_marked = answer->is_marked || column->approximate != NULL;
    for (size_t i = 0; i < block->rows; i++) {
        world_row *row = &answer->rows[answer->count + i];
        row->has[index] =
            column->present == NULL || ((column->present[i / 64] >> (i % 64)) & 1) != 0;
        if (!row->has[index]) {
            continue;
        }
        row->values[index] = world_number(column, i);
        if (column->type == VARVE_TYPE_STRING) {
            const varve_text *texts =
                column->codes != NULL ? column->dictionary->values : column->values;
            varve_text text = texts[column->codes != NULL ? column->codes[i] : i];
            snprintf(row->text, sizeof row->text, "%.*s", (int)text.size, text.data);
        }
    }
}

/* Everything that a cursor gives, which is closed. */
static inline world_answer *world_read(varve_cursor *cursor)
{
    world_answer *answer = calloc(1, sizeof *answer);
    assert_non_null(answer);
    for (;;) {
        const varve_block *block;
        answer->status = varve_cursor_next(cursor, &block, &answer->error);
        if (answer->status != VARVE_OK || block == NULL) {
            break;
        }
        assert_true(answer->count + block->rows <= WORLD_ROWS_MAX);
        answer->blocks++;
        answer->flags |= block->flags;
        for (size_t i = 0; i < block->rows; i++) {
            world_row *row = &answer->rows[answer->count + i];
            row->time = block->timestamps == NULL ? 0 : block->timestamps[i];
            row->row_id = block->row_ids == NULL ? 0 : block->row_ids[i];
            row->series = block->row_series != NULL ? block->row_series[i].id : block->series.id;
        }
        for (size_t i = 0; i < block->column_count && i < WORLD_COLUMNS_MAX; i++) {
            world_take_column(answer, block, i);
        }
        answer->count += block->rows;
    }
    varve_cursor_close(cursor);
    return answer;
}

static inline world_answer *world_ask(world *w, const varve_query_options *options)
{
    varve_cursor *cursor;
    varve_error err;
    check_ok(varve_query(w->db, options, &cursor, &err), &err);
    return world_read(cursor);
}

/* The status of a query, made or read. */
static inline varve_status world_try(world *w, const varve_query_options *options)
{
    varve_cursor *cursor;
    varve_error err;
    varve_status status = varve_query(w->db, options, &cursor, &err);
    if (status == VARVE_OK) {
        world_answer *answer = world_read(cursor);
        status = answer->status;
        free(answer);
    }
    return status;
}

static inline varve_output output_of(const char *field, uint32_t aggregation)
{
    varve_output output;
    memset(&output, 0, sizeof output);
    output.name = text_of(field);
    output.aggregation = aggregation;
    return output;
}

/* TABLE over everything. */
static inline varve_query_options options_of(const varve_output *outputs, size_t count)
{
    varve_query_options options;
    varve_query_options_init(&options);
    options.layout = VARVE_LAYOUT_TABLE;
    options.outputs = outputs;
    options.output_count = count;
    return options;
}

#endif
