/* SPDX-License-Identifier: Apache-2.0 */

/*
 * vv_decoder_csv: records to rows by a mapping.
 *
 * A record gives one row of the fields, and one of `value` for each METRIC column; all of them have
 * its time and its labels. It is read whole before anything of it is given away, so a bad cell
 * leaves out the record and nothing else.
 *
 * The key of a series says all of it, names of labels too, since a server remembers keys of many
 * texts, each with columns of its own:
 *
 *     varint size, metric | varint size, name | varint size, value | ...   labels by name
 *
 * M1  Equal metric and labels give equal keys, and the other way round, whatever the columns.
 * M2  Every record has as many cells as the header; without one, as many as the mapping asks for,
 *     or more.
 */

#include "wire/csv.h"

#include <string.h>

#include "base/reader.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "wire/decode.h"
#include "wire/json_lines.h"

/* Memory of a record beside its text: bytes are shorter than their text, a histogram of short
 * numbers is what takes most ("0," becomes 8 bytes). */
#define CSV_ARENA_FACTOR 16u
/* Names of columns and what is known of them. */
#define CSV_MAPPING_BYTES_MAX ((size_t)8 * 1024 * 1024)

typedef struct csv_decoder {
    vv_decoder *base;
    vv_alloc *alloc;
    const vv_decoder_options *options; /* borrowed */
    vv_csv_options csv;
    vv_csv_reader reader;
    vv_arena arena;         /* of a record */
    vv_arena mapping_arena; /* of all that follows */
    vv_csv_mapping mapping;
    bool has_mapping;    /* it and the arrays below are set */
    bool has_begun;      /* the header, if any, is behind */
    size_t cells_wanted; /* M2 */
    size_t *labels;      /* columns of the mapping, by name of the label */
    size_t label_count;
    size_t *metrics; /* columns of the mapping */
    size_t metric_count;
    varve_text *fields; /* distinct names */
    size_t field_count;
    size_t *slots; /* of each column: its field, or its metric */
    bool has_name; /* a column names the metric */
    /* The record under way. */
    int64_t timestamp;
    varve_text name;           /* the metric, where a column names it */
    const vv_csv_cell **cells; /* of the labels */
    varve_value *values;       /* of fields, then of metrics */
    vv_buf key;
} csv_decoder;

/* ---- the mapping as arrays ------------------------------------------------------------------ */

static bool csv_compile_memory(csv_decoder *decoder)
{
    size_t count = decoder->mapping.count;
    vv_arena *arena = &decoder->mapping_arena;
    decoder->labels = vv_arena_array(arena, count, sizeof *decoder->labels);
    decoder->metrics = vv_arena_array(arena, count, sizeof *decoder->metrics);
    decoder->fields = vv_arena_array(arena, count, sizeof *decoder->fields);
    decoder->slots = vv_arena_array(arena, count, sizeof *decoder->slots);
    decoder->cells = vv_arena_zeroed(arena, count * sizeof *decoder->cells);
    decoder->values = vv_arena_array(arena, count, sizeof *decoder->values);
    return decoder->labels != NULL && decoder->metrics != NULL && decoder->fields != NULL &&
           decoder->slots != NULL && decoder->cells != NULL && decoder->values != NULL;
}

/** The place of a label's column among those before it, by name. */
static void csv_compile_label(csv_decoder *decoder, size_t column)
{
    const vv_csv_column *columns = decoder->mapping.columns;
    size_t at = decoder->label_count;
    while (at > 0 &&
           vv_text_compare(columns[decoder->labels[at - 1]].name, columns[column].name) > 0) {
        decoder->labels[at] = decoder->labels[at - 1];
        at -= 1;
    }
    decoder->labels[at] = column;
    decoder->label_count += 1;
}

/** The number of a field's name. Several columns may hold one field, in several types. */
static size_t csv_compile_field(csv_decoder *decoder, varve_text name)
{
    size_t field = 0;
    while (field < decoder->field_count && !vv_text_equal(decoder->fields[field], name)) {
        field += 1;
    }
    if (field == decoder->field_count) {
        decoder->fields[field] = name;
        decoder->field_count += 1;
    }
    return field;
}

static varve_status csv_compile(csv_decoder *decoder, varve_error *out_err)
{
    if (!csv_compile_memory(decoder)) {
        return vv_arena_fail(&decoder->mapping_arena, decoder->mapping.count, out_err);
    }
    for (size_t i = 0; i < decoder->mapping.count; i++) {
        const vv_csv_column *column = &decoder->mapping.columns[i];
        decoder->slots[i] = 0;
        if (column->index >= decoder->cells_wanted) {
            decoder->cells_wanted = column->index + 1;
        }
        if (column->role == VV_CSV_LABEL) {
            csv_compile_label(decoder, i);
        } else if (column->role == VV_CSV_FIELD) {
            decoder->slots[i] = csv_compile_field(decoder, column->name);
        } else if (column->role == VV_CSV_NAME) {
            decoder->has_name = true;
        } else if (column->role == VV_CSV_METRIC) {
            decoder->slots[i] = decoder->metric_count;
            decoder->metrics[decoder->metric_count] = i;
            decoder->metric_count += 1;
        }
    }
    decoder->has_mapping = true;
    return VARVE_OK;
}

/* ---- a record ------------------------------------------------------------------------------- */

/** The type that would have taken a cell: what to give instead of the guessed one. */
static const char *csv_better_type(varve_text text)
{
    double ignored;
    return vv_text_parse_f64(vv_text_trim(text), &ignored) ? "f64" : "string";
}

/** Say which column a cell that is bad belongs to, and what helps where the mapping was guessed. */
static varve_status csv_bad_cell(const vv_csv_column *column, varve_text text, varve_status status,
                                 varve_error *out_err)
{
    varve_error inner = *out_err;
    varve_text name = vv_text_sub(column->name, 0, 40);
    if (name.size == 0) {
        return vv_fail(out_err, status, "column %zu: %s", column->index + 1, inner.message);
    }
    if (!column->is_guessed || status != VARVE_E_INVALID) {
        return vv_fail(out_err, status, "column %zu (%.*s): %s", column->index + 1,
                       VV_TEXT_ARGS(name), inner.message);
    }
    bool is_time = column->role == VV_CSV_TIME;
    return vv_fail(out_err, status, "column %zu (%.*s): %s; that was guessed: give %s %.*s:%s",
                   column->index + 1, VV_TEXT_ARGS(name), inner.message,
                   is_time ? "--time" : "--fields", VV_TEXT_ARGS(name),
                   is_time ? "LAYOUT" : csv_better_type(text));
}

/** A value of a cell; what may become a large tree of JSON waits for its turn. */
static varve_status csv_read_typed(csv_decoder *decoder, const vv_csv_cell *cell, uint32_t type,
                                   varve_value *out_value, varve_error *out_err)
{
    const vv_json_lines_turns *turns = decoder->csv.turns;
    bool may_be_json = type == VARVE_TYPE_HISTOGRAM || type == VV_CSV_MIXED;
    if (turns == NULL || !may_be_json || cell->text.size <= turns->free_bytes) {
        return vv_csv_value_read(cell, type, &decoder->arena, out_value, out_err);
    }
    VV_TRY(turns->take(turns->context, out_err));
    varve_status status = vv_csv_value_read(cell, type, &decoder->arena, out_value, out_err);
    turns->give(turns->context);
    return status;
}

static varve_status csv_read_value(csv_decoder *decoder, size_t at, const vv_csv_cell *cell,
                                   varve_error *out_err)
{
    const vv_csv_column *column = &decoder->mapping.columns[at];
    size_t slot = decoder->slots[at] + (column->role == VV_CSV_METRIC ? decoder->field_count : 0);
    varve_value value;
    VV_TRY(csv_read_typed(decoder, cell, column->type, &value, out_err));
    if (value.type == VARVE_TYPE_NONE) {
        return VARVE_OK;
    }
    if (decoder->values[slot].type != VARVE_TYPE_NONE) {
        return vv_fail(out_err, VARVE_E_INVALID, "another column has a value of this field");
    }
    decoder->values[slot] = value;
    return VARVE_OK;
}

static varve_status csv_read_cell(csv_decoder *decoder, size_t at, const vv_csv_cell *cell,
                                  varve_error *out_err)
{
    const vv_csv_column *column = &decoder->mapping.columns[at];
    bool has_lost = false;
    switch (column->role) {
    case VV_CSV_SKIP:
    case VV_CSV_LABEL:
        return VARVE_OK;
    case VV_CSV_TIME:
        VV_TRY(vv_csv_time_read(&column->time, cell->text, decoder->options->precision,
                                &decoder->timestamp, &has_lost, out_err));
        if (has_lost) {
            vv_decoder_note_lost_digits(decoder->base);
        }
        return VARVE_OK;
    case VV_CSV_NAME:
        decoder->name = cell->text;
        return cell->text.size > 0 ? VARVE_OK
                                   : vv_fail(out_err, VARVE_E_INVALID, "no metric is named");
    case VV_CSV_FIELD:
    case VV_CSV_METRIC:
        return csv_read_value(decoder, at, cell, out_err);
    }
    return VARVE_OK;
}

static varve_status csv_read_record(csv_decoder *decoder, const vv_csv_record *record,
                                    varve_error *out_err)
{
    bool is_exact = decoder->csv.has_header;
    if (record->count < decoder->cells_wanted ||
        (is_exact && record->count > decoder->cells_wanted)) {
        return vv_fail(out_err, VARVE_E_INVALID, "%zu cells, %s", record->count,
                       is_exact ? "and the header has another number" : "fewer than are asked for");
    }
    vv_arena_reset(&decoder->arena);
    decoder->timestamp = decoder->options->now;
    for (size_t i = 0; i < decoder->field_count + decoder->metric_count; i++) {
        decoder->values[i].type = VARVE_TYPE_NONE;
    }
    for (size_t i = 0; i < decoder->mapping.count; i++) {
        const vv_csv_column *column = &decoder->mapping.columns[i];
        const vv_csv_cell *cell = &record->cells[column->index];
        varve_status status = csv_read_cell(decoder, i, cell, out_err);
        if (status != VARVE_OK) {
            return csv_bad_cell(column, cell->text, status, out_err);
        }
    }
    for (size_t i = 0; i < decoder->label_count; i++) {
        decoder->cells[i] = &record->cells[decoder->mapping.columns[decoder->labels[i]].index];
    }
    return VARVE_OK;
}

/* ---- rows ----------------------------------------------------------------------------------- */

static void csv_key_text(vv_buf *key, varve_text text)
{
    vv_buf_append_varint(key, text.size);
    vv_buf_append_text(key, text);
}

/** metric 0: of the row; else of that METRIC column, from 1. */
static varve_status csv_make_key(csv_decoder *decoder, size_t metric, varve_error *out_err)
{
    const vv_csv_column *columns = decoder->mapping.columns;
    vv_buf *key = &decoder->key;
    vv_buf_reset(key);
    csv_key_text(key, metric > 0          ? columns[decoder->metrics[metric - 1]].name
                      : decoder->has_name ? decoder->name
                                          : decoder->mapping.metric);
    for (size_t i = 0; i < decoder->label_count; i++) {
        const vv_csv_cell *cell = decoder->cells[i];
        if (cell->text.size > 0 || cell->is_quoted) {
            csv_key_text(key, columns[decoder->labels[i]].name);
            csv_key_text(key, cell->text);
        }
    }
    return vv_buf_check(key, out_err);
}

/** Give a row away, unless it has no value; metric as csv_make_key. */
static varve_status csv_give(csv_decoder *decoder, const vv_csv_record *record, size_t metric,
                             const varve_text *names, const varve_value *values, size_t count,
                             varve_error *out_err)
{
    bool has_value = false;
    for (size_t i = 0; i < count && !has_value; i++) {
        has_value = values[i].type != VARVE_TYPE_NONE;
    }
    if (!has_value) {
        return VARVE_OK;
    }
    VV_TRY(csv_make_key(decoder, metric, out_err));
    vv_wire_rows rows = {.key = vv_buf_text(&decoder->key),
                         .line = record->line,
                         .text = record->text,
                         .row_count = 1,
                         .timestamps = &decoder->timestamp,
                         .field_count = count,
                         .names = names,
                         .values = values};
    return vv_decoder_rows(decoder->base, &rows, out_err);
}

static varve_status csv_give_all(csv_decoder *decoder, const vv_csv_record *record,
                                 varve_error *out_err)
{
    static const varve_text value = VV_TEXT_INIT("value");
    VV_TRY(csv_give(decoder, record, 0, decoder->fields, decoder->values, decoder->field_count,
                    out_err));
    for (size_t i = 0; i < decoder->metric_count; i++) {
        VV_TRY(csv_give(decoder, record, i + 1, &value, decoder->values + decoder->field_count + i,
                        1, out_err));
    }
    return VARVE_OK;
}

/** The first record, where it is a header. */
static varve_status csv_header(csv_decoder *decoder, const vv_csv_record *record,
                               varve_error *out_err)
{
    if (!decoder->has_mapping) {
        varve_status status = vv_csv_header_parse(
            record, decoder->csv.metric, &decoder->mapping_arena, &decoder->mapping, out_err);
        if (status != VARVE_OK) {
            vv_error_prefix(out_err, "line %llu, the header", (unsigned long long)record->line);
            return status;
        }
        decoder->csv.has_header = true;
        VV_TRY(csv_compile(decoder, out_err));
    }
    if (record->count < decoder->cells_wanted) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "line %llu: the header has %zu columns, but column %zu is asked for",
                       (unsigned long long)record->line, record->count, decoder->cells_wanted);
    }
    decoder->cells_wanted = record->count;
    return VARVE_OK;
}

static varve_status csv_take(csv_decoder *decoder, const vv_csv_record *record,
                             varve_error *out_err)
{
    bool is_header = !decoder->has_begun && (decoder->csv.has_header || !decoder->has_mapping);
    decoder->has_begun = true;
    if (is_header) {
        return csv_header(decoder, record, out_err);
    }
    varve_error err;
    varve_status status = csv_read_record(decoder, record, &err);
    if (status == VARVE_E_INVALID || status == VARVE_E_LIMIT) {
        vv_decoder_reject(decoder->base, record->line, record->text, &err);
        return VARVE_OK;
    }
    if (status != VARVE_OK) {
        *out_err = err;
        return status;
    }
    return csv_give_all(decoder, record, out_err);
}

static varve_status csv_decode(csv_decoder *decoder, vv_bytes piece, bool is_last,
                               varve_error *out_err)
{
    vv_csv_reader_feed(&decoder->reader, vv_text_of_bytes(piece), is_last);
    for (;;) {
        vv_csv_record record;
        varve_error err;
        vv_csv_event event = vv_csv_reader_next(&decoder->reader, &record, &err);
        switch (event) {
        case VV_CSV_MORE:
            return VARVE_OK;
        case VV_CSV_STOP:
            *out_err = err; /* with the bound, if it was one */
            return err.status;
        case VV_CSV_ERROR:
            if (!decoder->has_begun && (decoder->csv.has_header || !decoder->has_mapping)) {
                return vv_fail(out_err, VARVE_E_INVALID, "line %llu, the header: %s",
                               (unsigned long long)record.line, err.message);
            }
            decoder->has_begun = true;
            vv_decoder_reject(decoder->base, record.line, record.text, &err);
            break;
        case VV_CSV_RECORD:
            VV_TRY(csv_take(decoder, &record, out_err));
            break;
        }
        vv_decoder_lines(decoder->base, record.last_line);
    }
}

/* ---- the class ------------------------------------------------------------------------------ */

static void csv_decoder_free(void *state)
{
    csv_decoder *decoder = state;
    vv_buf_deinit(&decoder->key);
    vv_arena_deinit(&decoder->mapping_arena);
    vv_arena_deinit(&decoder->arena);
    vv_csv_reader_deinit(&decoder->reader);
    vv_alloc_free(decoder->alloc, decoder, sizeof *decoder);
}

static varve_status csv_decoder_create(vv_decoder *base, vv_alloc *alloc,
                                       const vv_decoder_options *options, void **out_state,
                                       varve_error *out_err)
{
    *out_state = NULL;
    size_t line_bytes_max =
        options->line_bytes_max == 0 ? VV_CSV_LINE_BYTES_MAX : options->line_bytes_max;
    csv_decoder *decoder = vv_alloc_zeroed(alloc, sizeof *decoder);
    if (decoder == NULL) {
        return vv_fail_nomem(out_err, "a reader of CSV", sizeof *decoder);
    }
    decoder->base = base;
    decoder->alloc = alloc;
    decoder->options = options;
    if (options->format_options != NULL) {
        decoder->csv = *(const vv_csv_options *)options->format_options;
    }
    vv_csv_reader_init(&decoder->reader, alloc,
                       decoder->csv.separator == '\0' ? ',' : decoder->csv.separator,
                       decoder->csv.skip_lines, line_bytes_max);
    vv_arena_init(&decoder->arena, alloc, line_bytes_max * CSV_ARENA_FACTOR);
    vv_arena_init(&decoder->mapping_arena, alloc, CSV_MAPPING_BYTES_MAX);
    vv_buf_init(&decoder->key, alloc, SIZE_MAX); /* the record bounds it */
    if (decoder->csv.mapping != NULL) {
        decoder->mapping = *decoder->csv.mapping;
        varve_status status = vv_csv_mapping_check(&decoder->mapping, out_err);
        status = status == VARVE_OK ? csv_compile(decoder, out_err) : status;
        if (status != VARVE_OK) {
            csv_decoder_free(decoder);
            return status;
        }
    }
    *out_state = decoder;
    return VARVE_OK;
}

static varve_status csv_decoder_feed(void *state, vv_bytes piece, varve_error *out_err)
{
    return csv_decode(state, piece, false, out_err);
}

static varve_status csv_decoder_end(void *state, varve_error *out_err)
{
    return csv_decode(state, (vv_bytes){0}, true, out_err);
}

static varve_status csv_decoder_series(void *state, const vv_wire_rows *rows, vv_arena *arena,
                                       varve_text *out_metric, varve_label **out_labels,
                                       size_t *out_count, varve_error *out_err)
{
    const csv_decoder *decoder = state;
    vv_reader reader = vv_reader_of(rows->key.data, rows->key.size);
    varve_label *labels = vv_arena_array(arena, decoder->label_count + 1, sizeof *labels);
    if (labels == NULL) {
        return vv_arena_fail(arena, decoder->label_count * sizeof *labels, out_err);
    }
    *out_metric = vv_reader_text(&reader, (size_t)vv_reader_varint(&reader));
    size_t count = 0;
    while (vv_reader_left(&reader) > 0 && count < decoder->label_count) {
        labels[count].name = vv_reader_text(&reader, (size_t)vv_reader_varint(&reader));
        labels[count].value = vv_reader_text(&reader, (size_t)vv_reader_varint(&reader));
        count += 1;
    }
    if (!vv_reader_is_done(&reader)) {
        return vv_fail(out_err, VARVE_E_INVALID, "no key of a series of this text");
    }
    *out_labels = labels;
    *out_count = count;
    return VARVE_OK;
}

const vv_decoder_class vv_decoder_csv = {
    .create = csv_decoder_create,
    .feed = csv_decoder_feed,
    .end = csv_decoder_end,
    .series = csv_decoder_series,
    .free = csv_decoder_free,
};
