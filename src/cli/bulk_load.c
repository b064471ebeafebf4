/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/bulk_load.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/status.h"
#include "base/vec.h"
#include "cli/memory.h"
#include "cli/names.h"
#include "model/time_range.h"
#include "sys/clock.h"
#include "wire/influx.h"
#include "wire/json_lines.h"

/* Longest line; security.md bounds both formats alike. */
#define LOAD_LINE_BYTES_MAX VV_JSON_LINE_BYTES_MAX

struct vv_load {
    /* fixed after create */
    vv_alloc alloc;
    varve_db *db;
    vv_load_options options;
    uint32_t precision; /* of the database */
    /* the batch under way */
    varve_batch *batch;
    vv_arena arena;   /* texts that its values point to */
    vv_vec row_lines; /* uint64_t: the line of each row */
    uint64_t bytes;   /* of text in it */
    /* the text */
    vv_influx influx;
    vv_buf carry; /* JSON: beginning of a line that a piece cut */
    uint64_t line;
    /* names seen, and the room for one row */
    vv_names series;
    vv_names fields;
    varve_field row_fields[VV_INFLUX_FIELDS_MAX];
    varve_value row_values[VV_INFLUX_FIELDS_MAX];
    vv_load_counts counts;
};

/* ---- bad lines and commits ------------------------------------------------------------------ */

/** Whether a failure is the fault of what a line says. */
static bool load_blames_line(varve_status status)
{
    return status == VARVE_E_INVALID || status == VARVE_E_LIMIT || status == VARVE_E_CONFLICT ||
           status == VARVE_E_UNSUPPORTED;
}

static void load_reject(vv_load *load, uint64_t line, uint64_t count, const varve_error *why)
{
    load->counts.rejected += count;
    if (load->counts.first_bad_line == 0 || line < load->counts.first_bad_line) {
        load->counts.first_bad_line = line;
        load->counts.first_bad = *why;
    }
}

/** Say why the database left out a row. */
static void load_refused_by_database(vv_load *load, const varve_rejected *rejected, uint64_t count)
{
    varve_error why;
    varve_text name = {0};
    if (rejected->field.id != 0) {
        VV_IGNORE(varve_field_name(load->db, rejected->field, &name, NULL)); /* "" then */
    }
    VV_IGNORE(vv_fail(&why, rejected->status, "%s%s%.*s%s", vv_status_text(rejected->status),
                      name.size > 0 ? ": field " : "", VV_TEXT_ARGS(name),
                      name.size > 0 ? " holds another type" : ""));
    uint64_t line = *VV_VEC_AT(&load->row_lines, uint64_t, (size_t)rejected->row);
    load_reject(load, line, count, &why);
}

static varve_status load_commit(vv_load *load, varve_error *out_err)
{
    varve_write_options options;
    varve_written written;
    varve_rejected rejected;
    varve_write_options_init(&options);
    varve_written_init(&written);
    options.flags = VARVE_WRITE_SKIP_REJECTED;
    options.rejected = &rejected;
    options.rejected_capacity = 1;
    if (load->row_lines.count > 0) {
        VV_TRY(varve_batch_commit(load->batch, &options, &written, out_err));
        load->counts.rows += written.rows;
        if (written.rows_rejected > 0) {
            load_refused_by_database(load, &rejected, written.rows_rejected);
        }
    }
    load->counts.lines = load->line;
    varve_batch_clear(load->batch);
    vv_arena_reset(&load->arena);
    vv_vec_clear(&load->row_lines);
    load->bytes = 0;
    return VARVE_OK;
}

static varve_status load_commit_when_full(vv_load *load, varve_error *out_err)
{
    bool is_full =
        load->row_lines.count >= VV_LOAD_BATCH_ROWS || load->bytes >= VV_LOAD_BATCH_BYTES;
    return is_full ? load_commit(load, out_err) : VARVE_OK;
}

static varve_status load_add_row(vv_load *load, varve_series series, int64_t timestamp,
                                 size_t count, varve_error *out_err)
{
    varve_row row = {.series = series,
                     .timestamp = timestamp,
                     .fields = load->row_fields,
                     .values = load->row_values,
                     .count = count};
    if (vv_vec_reserve(&load->row_lines, 1) != VARVE_OK) {
        return vv_fail_nomem(out_err, "a batch", sizeof(uint64_t));
    }
    VV_TRY(varve_batch_row(load->batch, &row, out_err));
    return vv_vec_push(&load->row_lines, &load->line); /* there is room */
}

/** The field of a name, asked of the database once. */
static varve_status load_field(vv_load *load, varve_text name, varve_field *out_field,
                               varve_error *out_err)
{
    if (vv_names_find(&load->fields, name, &out_field->id)) {
        return VARVE_OK;
    }
    VV_TRY(varve_field_resolve(load->db, name, out_field, out_err));
    return vv_names_add(&load->fields, name, out_field->id, out_err);
}

/* ---- line protocol -------------------------------------------------------------------------- */

static varve_status load_influx_series(vv_load *load, varve_text key, varve_series *out_series,
                                       varve_error *out_err)
{
    if (vv_names_find(&load->series, key, &out_series->id)) {
        return VARVE_OK;
    }
    varve_text metric;
    varve_label *labels;
    size_t label_count;
    VV_TRY(vv_influx_key_parse(key, &load->arena, &metric, &labels, &label_count, out_err));
    VV_TRY(varve_series_resolve(load->db, metric, labels, label_count, 0, out_series, out_err));
    return vv_names_add(&load->series, key, out_series->id, out_err);
}

static varve_status load_influx_row(vv_load *load, const vv_influx_row *row, varve_error *out_err)
{
    varve_series series;
    load->bytes += row->key.size + row->count * sizeof(varve_value);
    VV_TRY(load_influx_series(load, row->key, &series, out_err));
    if (row->count > VV_ARRAY_COUNT(load->row_fields)) {
        return vv_fail(out_err, VARVE_E_LIMIT, "more than %u fields", VV_INFLUX_FIELDS_MAX);
    }
    for (size_t i = 0; i < row->count; i++) {
        varve_value value = row->values[i];
        VV_TRY(load_field(load, row->names[i], &load->row_fields[i], out_err));
        if (value.type == VARVE_TYPE_STRING) { /* the parser's is gone with the next line */
            load->bytes += value.as.bytes.size;
            VV_TRY(vv_arena_copy(&load->arena, value.as.bytes, &value.as.bytes) == VARVE_OK
                       ? VARVE_OK
                       : vv_arena_fail(&load->arena, value.as.bytes.size, out_err));
        }
        load->row_values[i] = value;
    }
    return load_add_row(load, series, row->timestamp, row->count, out_err);
}

/** Everything the parser can give now. */
static varve_status load_influx_drain(vv_load *load, varve_error *out_err)
{
    for (;;) {
        vv_influx_row row;
        varve_error why;
        vv_influx_event event = vv_influx_next(&load->influx, &row, &why);
        if (event == VV_INFLUX_MORE) {
            return VARVE_OK;
        }
        if (event == VV_INFLUX_STOP) {
            load->line = row.line;
            load_reject(load, row.line, 1, &why);
            return vv_fail(out_err, why.status, "line %llu: %s", (unsigned long long)row.line,
                           why.message);
        }
        load->line = row.line;
        varve_status status =
            event == VV_INFLUX_ERROR ? VARVE_E_INVALID : load_influx_row(load, &row, &why);
        if (status != VARVE_OK && !load_blames_line(status)) {
            *out_err = why;
            return status;
        }
        if (status != VARVE_OK) {
            load_reject(load, row.line, 1, &why);
        }
        VV_TRY(load_commit_when_full(load, out_err));
    }
}

/* ---- JSON lines ----------------------------------------------------------------------------- */

static varve_status load_json_row(vv_load *load, const vv_json_line *line, varve_series series,
                                  size_t row, varve_error *out_err)
{
    int64_t timestamp;
    size_t count = 0;
    VV_TRY(vv_time_convert(line->timestamps[row], load->options.precision, load->precision,
                           &timestamp, NULL, out_err));
    for (size_t f = 0; f < line->field_count; f++) {
        const varve_value *value = &line->values[f * line->row_count + row];
        if (value->type == VARVE_TYPE_NONE) {
            continue;
        }
        if (count == VV_ARRAY_COUNT(load->row_fields)) {
            return vv_fail(out_err, VARVE_E_LIMIT, "more than %u fields", VV_INFLUX_FIELDS_MAX);
        }
        VV_TRY(load_field(load, line->names[f], &load->row_fields[count], out_err));
        load->row_values[count] = *value;
        count += 1;
    }
    return count == 0 ? VARVE_OK : load_add_row(load, series, timestamp, count, out_err);
}

/** One line; its rows are added up to the first bad one. */
static varve_status load_json_line(vv_load *load, varve_text text, varve_error *out_err)
{
    vv_json_line line;
    varve_series series;
    VV_TRY(vv_json_lines_parse(text, &load->arena, &line, out_err));
    VV_TRY(varve_series_resolve(load->db, line.metric, line.labels, line.label_count, 0, &series,
                                out_err));
    for (size_t row = 0; row < line.row_count; row++) {
        VV_TRY(load_json_row(load, &line, series, row, out_err));
    }
    return VARVE_OK;
}

static varve_status load_json_take(vv_load *load, varve_text text, varve_error *out_err)
{
    load->line += 1;
    if (text.size > 0 && text.data[text.size - 1] == '\r') {
        text.size -= 1;
    }
    if (text.size == 0) {
        return VARVE_OK;
    }
    varve_error why;
    load->bytes += text.size;
    varve_status status = load_json_line(load, text, &why);
    if (status != VARVE_OK && !load_blames_line(status)) {
        *out_err = why;
        return status;
    }
    if (status != VARVE_OK) {
        load_reject(load, load->line, 1, &why);
    }
    return load_commit_when_full(load, out_err);
}

static varve_status load_json_carry(vv_load *load, varve_text text, varve_error *out_err)
{
    if (vv_buf_append_text(&load->carry, text) != VARVE_OK) {
        varve_status status = vv_buf_check(&load->carry, out_err);
        vv_error_prefix(out_err, "line %llu", (unsigned long long)(load->line + 1));
        return status;
    }
    return VARVE_OK;
}

static varve_status load_json_feed(vv_load *load, varve_text text, varve_error *out_err)
{
    while (text.size > 0) {
        const char *end = memchr(text.data, '\n', text.size);
        if (end == NULL) {
            return load_json_carry(load, text, out_err);
        }
        varve_text line = {text.data, (size_t)(end - text.data)};
        text = vv_text_sub(text, line.size + 1, text.size);
        if (load->carry.size > 0) {
            VV_TRY(load_json_carry(load, line, out_err));
            line = vv_buf_text(&load->carry);
        }
        VV_TRY(load_json_take(load, line, out_err));
        vv_buf_reset(&load->carry);
    }
    return VARVE_OK;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static void load_influx_begin(vv_load *load)
{
    static const vv_influx_unit units[] = {
        [VARVE_PRECISION_NS] = VV_INFLUX_NS,
        [VARVE_PRECISION_US] = VV_INFLUX_US,
        [VARVE_PRECISION_MS] = VV_INFLUX_MS,
        [VARVE_PRECISION_S] = VV_INFLUX_S,
    };
    vv_influx_options options = {
        .unit = units[load->options.precision],
        .precision = load->precision,
        .now = vv_time_convert_saturating(vv_wall_now_ns(), VARVE_PRECISION_NS, load->precision),
    };
    vv_influx_init(&load->influx, &load->alloc, &options);
}

varve_status vv_load_create(varve_db *db, const vv_load_options *options, vv_load **out_load,
                            varve_error *out_err)
{
    varve_info info;
    *out_load = NULL;
    varve_info_init(&info);
    VV_TRY(varve_db_info(db, &info, out_err));
    vv_load *load = vv_memory_new(sizeof *load);
    if (load == NULL) {
        return vv_fail_nomem(out_err, "an import", sizeof *load);
    }
    vv_alloc_init(&load->alloc, NULL);
    load->db = db;
    load->options = *options;
    load->precision = info.precision;
    if (load->options.precision == VARVE_PRECISION_STORED) {
        load->options.precision = info.precision;
    }
    vv_arena_init(&load->arena, &load->alloc, SIZE_MAX); /* batches bound it */
    vv_vec_init(&load->row_lines, &load->alloc, sizeof(uint64_t), SIZE_MAX);
    vv_buf_init(&load->carry, &load->alloc, LOAD_LINE_BYTES_MAX);
    vv_names_init(&load->series, &load->alloc);
    vv_names_init(&load->fields, &load->alloc);
    load_influx_begin(load);
    varve_status status = varve_batch_create(db, &load->batch, out_err);
    if (status != VARVE_OK) {
        vv_load_free(load);
        return status;
    }
    *out_load = load;
    return VARVE_OK;
}

varve_status vv_load_feed(vv_load *load, vv_bytes piece, varve_error *out_err)
{
    if (load->options.is_json) {
        return load_json_feed(load, vv_text_of_bytes(piece), out_err);
    }
    vv_influx_feed(&load->influx, vv_text_of_bytes(piece), false);
    return load_influx_drain(load, out_err);
}

varve_status vv_load_end(vv_load *load, varve_error *out_err)
{
    if (!load->options.is_json) {
        vv_influx_feed(&load->influx, (varve_text){.data = ""}, true);
        VV_TRY(load_influx_drain(load, out_err));
    } else if (load->carry.size > 0) {
        VV_TRY(load_json_take(load, vv_buf_text(&load->carry), out_err));
        vv_buf_reset(&load->carry);
    }
    return load_commit(load, out_err);
}

const vv_load_counts *vv_load_counts_of(const vv_load *load)
{
    return &load->counts;
}

void vv_load_free(vv_load *load)
{
    if (load == NULL) {
        return;
    }
    varve_batch_free(load->batch);
    vv_influx_deinit(&load->influx);
    vv_names_deinit(&load->fields);
    vv_names_deinit(&load->series);
    vv_buf_deinit(&load->carry);
    vv_vec_deinit(&load->row_lines);
    vv_arena_deinit(&load->arena);
    vv_memory_free(load, sizeof *load);
}
