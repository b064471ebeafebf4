/* SPDX-License-Identifier: Apache-2.0 */

/*
 * See the header. Strings of a row point into the piece of text that holds them, which is gone
 * before the batch is committed: they are copied into an arena that is emptied with the batch.
 */

#include "server/ingest.h"

#include <string.h>

#include "base/limit.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "base/utf8.h"
#include "model/value.h"
#include "wire/decode.h"

_Static_assert((int)VV_LIMIT_COUNT <= 32, "bounds are bits");

/* A key and the labels parsed from it, in the arena of one resolve. */
#define INGEST_NAMES_BYTES_MAX (4u * 1024u * 1024u)

/* What a row takes besides its values, and a value, in a batch; for its bound. */
#define INGEST_ROW_BYTES   16u
#define INGEST_VALUE_BYTES 16u

/* Of UTF-8. */
#define INGEST_CHARACTER_BYTES_MAX 4u

varve_status vv_ingest_init(vv_ingest *ingest, const vv_ingest_options *options,
                            varve_error *out_err)
{
    *ingest = (vv_ingest){.options = *options, .latest = INT64_MAX};
    vv_alloc *alloc = options->alloc;
    /* Copies of strings are part of what batch_bytes counts, so the arena needs little more. */
    vv_arena_init(&ingest->arena, alloc, SIZE_MAX);
    vv_arena_init(&ingest->names, alloc, INGEST_NAMES_BYTES_MAX);
    vv_buf_init(&ingest->key, alloc, SIZE_MAX);
    vv_buf_init(&ingest->memo_names, alloc, SIZE_MAX);
    vv_vec_init(&ingest->row_lines, alloc, sizeof(uint64_t), SIZE_MAX);
    vv_vec_init(&ingest->row_texts, alloc, sizeof(varve_text), SIZE_MAX);
    vv_vec_init(&ingest->bad_lines, alloc, sizeof(vv_ingest_bad), VV_INGEST_BAD_LINES_MAX);
    vv_vec_init(&ingest->fields, alloc, sizeof(varve_field), SIZE_MAX);
    vv_vec_init(&ingest->row_fields, alloc, sizeof(varve_field), SIZE_MAX);
    vv_vec_init(&ingest->row_values, alloc, sizeof(varve_value), SIZE_MAX);
    return varve_batch_create(options->db, &ingest->batch, out_err);
}

void vv_ingest_deinit(vv_ingest *ingest)
{
    varve_batch_free(ingest->batch);
    ingest->batch = NULL;
    vv_arena_deinit(&ingest->arena);
    vv_arena_deinit(&ingest->names);
    vv_buf_deinit(&ingest->key);
    vv_buf_deinit(&ingest->memo_names);
    vv_vec_deinit(&ingest->row_lines);
    vv_vec_deinit(&ingest->row_texts);
    vv_vec_deinit(&ingest->bad_lines);
    vv_vec_deinit(&ingest->fields);
    vv_vec_deinit(&ingest->row_fields);
    vv_vec_deinit(&ingest->row_values);
}

varve_status vv_ingest_set_origin(vv_ingest *ingest, uint32_t format,
                                  const vv_decoder_options *options, varve_error *out_err)
{
    vv_buf *key = &ingest->key;
    if (format == VV_FORMAT_LP && options->extra_count == 0) {
        return VARVE_OK;
    }
    /* A key of line protocol begins with no comma; and sizes say where each part ends, since names
     * may hold any character. */
    vv_buf_append_char(key, ',');
    vv_buf_append_u8(key, (uint8_t)format);
    vv_buf_append_varint(key, options->extra_wins);
    vv_buf_append_varint(key, options->extra_count);
    for (size_t i = 0; i < options->extra_count; i++) {
        vv_buf_append_varint(key, options->extra[i].name.size);
        vv_buf_append_text(key, options->extra[i].name);
        vv_buf_append_varint(key, options->extra[i].value.size);
        vv_buf_append_text(key, options->extra[i].value);
    }
    ingest->key_prefix = key->size;
    return vv_buf_check(key, out_err);
}

/* ---- what is left out ----------------------------------------------------------------------- */

/** The beginning of a line that is kept: whole characters, where it is made of such. */
static varve_text ingest_cut(varve_text text)
{
    varve_text cut = vv_text_sub(text, 0, VV_INGEST_BAD_TEXT_BYTES);
    size_t valid = vv_utf8_valid_prefix(cut);
    bool is_cut_character = cut.size < text.size && cut.size - valid < INGEST_CHARACTER_BYTES_MAX;
    return is_cut_character ? vv_text_sub(cut, 0, valid) : cut;
}

/** Keep a line (G4). One that cannot be for want of memory is counted all the same. */
static void ingest_keep_bad(vv_ingest *ingest, const vv_wire_bad *bad)
{
    vv_vec *lines = &ingest->bad_lines;
    size_t at = lines->count;
    while (at > 0 && VV_VEC_AT(lines, vv_ingest_bad, at - 1)->line > bad->line) {
        at -= 1;
    }
    bool is_known = at > 0 && VV_VEC_AT(lines, vv_ingest_bad, at - 1)->line == bad->line;
    if (is_known || at >= ingest->options.bad_lines_max) {
        return;
    }
    if (lines->count == ingest->options.bad_lines_max) {
        vv_vec_pop(lines);
    }
    varve_text text = ingest_cut(bad->text);
    vv_ingest_bad item = {.line = bad->line, .why = *bad->why, .size = (uint8_t)text.size};
    if (text.size > 0) {
        memcpy(item.text, text.data, text.size);
    }
    VV_IGNORE(vv_vec_insert(lines, at, &item)); /* as said */
}

static vv_ingest_reason ingest_reason(varve_status status)
{
    return status == VARVE_E_LIMIT      ? VV_INGEST_LIMIT
           : status == VARVE_E_CONFLICT ? VV_INGEST_CONFLICT
                                        : VV_INGEST_INVALID;
}

static void ingest_leave_out(vv_ingest *ingest, const vv_wire_bad *bad, vv_ingest_reason reason)
{
    const varve_error *why = bad->why;
    if (ingest->rejected == 0 || bad->line < ingest->first_line) {
        ingest->first_line = bad->line;
        ingest->first_err = *why;
    }
    ingest->rejected += bad->count;
    ingest->reasons[reason] += bad->count;
    vv_limit limit = vv_error_limit(why);
    limit = limit == VV_LIMIT_NONE && why->status == VARVE_E_LIMIT ? VV_LIMIT_OTHER : limit;
    ingest->limits |= limit == VV_LIMIT_NONE ? 0 : UINT32_C(1) << limit;
    ingest_keep_bad(ingest, bad);
}

static void ingest_reject(void *context, const vv_wire_bad *bad)
{
    ingest_leave_out(context, bad, ingest_reason(bad->why->status));
}

/** A failure of rows, and why: theirs alone, then they are left out, or one that ends the text. */
static varve_status ingest_blame(vv_ingest *ingest, const vv_wire_rows *rows, uint64_t count,
                                 varve_status status, varve_error *why, varve_error *out_err)
{
    bool is_theirs = status == VARVE_E_INVALID || status == VARVE_E_LIMIT ||
                     status == VARVE_E_CONFLICT || status == VARVE_E_UNSUPPORTED;
    why->status = status;
    if (is_theirs) {
        const vv_wire_bad bad = {
            .line = rows->line, .count = count, .text = rows->text, .why = why};
        ingest_reject(ingest, &bad);
        return VARVE_OK;
    }
    *out_err = *why;
    return status;
}

/* ---- series --------------------------------------------------------------------------------- */

static varve_status ingest_check_series(varve_text metric, const varve_label *labels,
                                        size_t label_count, varve_error *out_err)
{
    if (metric.size > VV_INGEST_METRIC_BYTES_MAX) {
        return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_SERIES_NAME,
                             "a metric of %zu bytes; at most %u", metric.size,
                             VV_INGEST_METRIC_BYTES_MAX);
    }
    if (label_count > VV_INGEST_LABELS_MAX) {
        return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_SERIES_NAME, "%zu labels; at most %u",
                             label_count, VV_INGEST_LABELS_MAX);
    }
    size_t bytes = metric.size;
    for (size_t index = 0; index < label_count; index++) {
        if (labels[index].value.size > VV_INGEST_VALUE_BYTES_MAX) {
            return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_SERIES_NAME,
                                 "label \"%.*s\" has %zu bytes; at most %u",
                                 VV_TEXT_ARGS(vv_text_sub(labels[index].name, 0, 64)),
                                 labels[index].value.size, VV_INGEST_VALUE_BYTES_MAX);
        }
        bytes += labels[index].name.size + labels[index].value.size;
    }
    return bytes <= VV_INGEST_KEY_BYTES_MAX
               ? VARVE_OK
               : vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_SERIES_NAME,
                               "metric and labels have %zu bytes; at most %u", bytes,
                               VV_INGEST_KEY_BYTES_MAX);
}

/** Metric and labels of the rows, and their handle. */
static varve_status ingest_resolve(vv_ingest *ingest, vv_decoder *decoder, const vv_wire_rows *rows,
                                   varve_series *out_series, varve_error *out_err)
{
    varve_text metric;
    varve_label *labels;
    size_t count;
    vv_arena_reset(&ingest->names);
    VV_TRY(vv_decoder_series(decoder, rows, &ingest->names, &metric, &labels, &count, out_err));
    if (ingest->options.bounds_names) {
        VV_TRY(ingest_check_series(metric, labels, count, out_err));
    }
    return varve_series_resolve(ingest->options.db, metric, labels, count, 0, out_series, out_err);
}

static varve_status ingest_series(vv_ingest *ingest, vv_decoder *decoder, const vv_wire_rows *rows,
                                  varve_series *out_series, varve_error *out_err)
{
    varve_text key = rows->key;
    if (ingest->key_prefix > 0) {
        vv_buf_truncate(&ingest->key, ingest->key_prefix);
        if (vv_buf_append_text(&ingest->key, key) != VARVE_OK) {
            return vv_buf_check(&ingest->key, out_err);
        }
        key = vv_buf_text(&ingest->key);
    }
    if (vv_name_cache_find(ingest->options.series, key, &out_series->id)) {
        ingest->cache_hits += 1;
        return VARVE_OK;
    }
    ingest->cache_misses += 1;
    VV_TRY(ingest_resolve(ingest, decoder, rows, out_series, out_err));
    vv_name_cache_put(ingest->options.series, key, out_series->id);
    return VARVE_OK;
}

/* ---- fields --------------------------------------------------------------------------------- */

static void ingest_remember(vv_ingest *ingest, size_t place, varve_text name, varve_field field)
{
    if (place != ingest->memo_count || place == VV_INGEST_MEMO_FIELDS) {
        return;
    }
    size_t offset = ingest->memo_names.size;
    if (vv_buf_append_text(&ingest->memo_names, name) != VARVE_OK) {
        ingest->memo_names.status = VARVE_OK; /* works without */
        return;
    }
    ingest->memo[place].offset = offset;
    ingest->memo[place].size = name.size;
    ingest->memo[place].field = field;
    ingest->memo_count += 1;
}

static varve_status ingest_field(vv_ingest *ingest, size_t place, varve_text name,
                                 varve_field *out_field, varve_error *out_err)
{
    if (place < ingest->memo_count) {
        varve_text known =
            vv_text_make((const char *)ingest->memo_names.data + ingest->memo[place].offset,
                         ingest->memo[place].size);
        if (vv_text_equal(known, name)) {
            *out_field = ingest->memo[place].field;
            return VARVE_OK;
        }
    }
    if (!vv_name_cache_find(ingest->options.fields, name, &out_field->id)) {
        VV_TRY(varve_field_resolve(ingest->options.db, name, out_field, out_err));
        vv_name_cache_put(ingest->options.fields, name, out_field->id);
    }
    ingest_remember(ingest, place, name, *out_field);
    return VARVE_OK;
}

/** The handles of all fields of the rows, into `fields`; and room for the values of one row. */
static varve_status ingest_fields(vv_ingest *ingest, const vv_wire_rows *rows, varve_error *out_err)
{
    size_t count = rows->field_count;
    vv_vec_clear(&ingest->fields);
    if (vv_vec_reserve(&ingest->fields, count) != VARVE_OK ||
        vv_vec_reserve(&ingest->row_fields, count) != VARVE_OK ||
        vv_vec_reserve(&ingest->row_values, count) != VARVE_OK) {
        return vv_fail_nomem(out_err, "the fields of a row", count * sizeof(varve_value));
    }
    for (size_t place = 0; place < count; place++) {
        varve_field *field = VV_VEC_ITEMS(&ingest->fields, varve_field) + place;
        VV_TRY(ingest_field(ingest, place, rows->names[place], field, out_err));
    }
    ingest->fields.count = count;
    return VARVE_OK;
}

/* ---- rows ----------------------------------------------------------------------------------- */

/** Whether a value is taken into a batch as it stands: it is there and points nowhere. */
static bool ingest_is_plain(const varve_value *value)
{
    return value->type != VARVE_TYPE_NONE && value->type != VARVE_TYPE_STRING &&
           value->type != VARVE_TYPE_BYTES;
}

static varve_status ingest_copy_bytes(vv_ingest *ingest, varve_value *value, varve_error *out_err)
{
    size_t most = ingest->options.string_bytes_max;
    if (ingest_is_plain(value)) {
        return VARVE_OK;
    }
    if (most > 0 && value->as.bytes.size > most) {
        return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_VALUE,
                             "a string of %zu bytes; at most %zu", value->as.bytes.size, most);
    }
    varve_text copy;
    if (vv_arena_copy(&ingest->arena, value->as.bytes, &copy) != VARVE_OK) {
        return vv_arena_fail(&ingest->arena, value->as.bytes.size, out_err);
    }
    value->as.bytes = copy;
    ingest->batch_bytes += copy.size;
    return VARVE_OK;
}

/** The values that row `index` has, with copies of its bytes, and their fields. */
static varve_status ingest_gather(vv_ingest *ingest, const vv_wire_rows *rows, size_t index,
                                  varve_row *row, varve_error *out_err)
{
    varve_field *fields = VV_VEC_ITEMS(&ingest->row_fields, varve_field);
    varve_value *values = VV_VEC_ITEMS(&ingest->row_values, varve_value);
    for (size_t place = 0; place < rows->field_count; place++) {
        varve_value value = rows->values[place * rows->row_count + index];
        if (value.type == VARVE_TYPE_NONE) {
            continue;
        }
        VV_TRY(ingest_copy_bytes(ingest, &value, out_err));
        fields[row->count] = row->fields[place];
        values[row->count] = value;
        row->count += 1;
    }
    row->fields = fields;
    row->values = values;
    return VARVE_OK;
}

/** Whether a value can be stored at all; else why not. */
static bool ingest_is_storable(varve_text name, const varve_value *value, varve_error *out_err)
{
    varve_error inner;
    varve_status status = vv_value_check(value, &inner);
    if (status != VARVE_OK) {
        VV_IGNORE(vv_fail(out_err, status, "field \"%.*s\": %s",
                          VV_TEXT_ARGS(vv_text_sub(name, 0, 64)), inner.message));
    }
    return status == VARVE_OK;
}

/**
 * Say why a batch does not take a row in words of the text, which has lines and fields by name: the
 * batch speaks of its own rows.
 */
static void ingest_explain(const vv_ingest *ingest, const varve_row *row, varve_error *why)
{
    for (size_t i = 0; i < row->count; i++) {
        varve_text name = {.data = ""};
        if (varve_field_name(ingest->options.db, row->fields[i], &name, NULL) != VARVE_OK) {
            continue;
        }
        if (!ingest_is_storable(name, &row->values[i], why)) {
            return;
        }
        for (size_t j = 0; j < i; j++) {
            if (row->fields[j].id == row->fields[i].id) {
                VV_IGNORE(vv_fail(why, VARVE_E_INVALID, "the field \"%.*s\" stands twice",
                                  VV_TEXT_ARGS(vv_text_sub(name, 0, 64))));
                return;
            }
        }
    }
}

/** Remember where a row of the batch comes from; there is room for it. */
static varve_status ingest_note_row(vv_ingest *ingest, const vv_wire_rows *rows,
                                    varve_error *out_err)
{
    if (ingest->options.bad_lines_max > 0) {
        varve_text text;
        if (vv_arena_copy(&ingest->arena, ingest_cut(rows->text), &text) != VARVE_OK) {
            return vv_arena_fail(&ingest->arena, VV_INGEST_BAD_TEXT_BYTES, out_err);
        }
        ingest->batch_bytes += text.size;
        VV_TRY(vv_vec_push(&ingest->row_texts, &text));
    }
    return vv_vec_push(&ingest->row_lines, &rows->line);
}

/** Add row `index`; nothing when it has no value. */
static varve_status ingest_row(vv_ingest *ingest, varve_series series, const vv_wire_rows *rows,
                               size_t index, varve_error *out_err)
{
    varve_row row = {.series = series,
                     .timestamp = rows->timestamps[index],
                     .fields = VV_VEC_ITEMS(&ingest->fields, const varve_field),
                     .values = rows->values};
    if (row.timestamp > ingest->latest) {
        return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_FUTURE,
                             "the time %lld is further ahead of the clock than "
                             "--ingest-max-future allows",
                             (long long)row.timestamp);
    }
    /* The rows of most texts come one by one and are all numbers: then the text's own array does.
     */
    size_t plain = rows->row_count == 1 ? 0 : SIZE_MAX;
    while (plain < rows->field_count && ingest_is_plain(&rows->values[plain])) {
        plain += 1;
    }
    if (plain == rows->field_count) {
        row.count = rows->field_count;
    } else {
        VV_TRY(ingest_gather(ingest, rows, index, &row, out_err));
    }
    if (row.count == 0) {
        return VARVE_OK;
    }
    if (vv_vec_reserve(&ingest->row_lines, 1) != VARVE_OK ||
        vv_vec_reserve(&ingest->row_texts, 1) != VARVE_OK) {
        return vv_fail_nomem(out_err, "a batch", sizeof(varve_text));
    }
    varve_status status = varve_batch_row(ingest->batch, &row, out_err);
    if (status == VARVE_E_INVALID || status == VARVE_E_LIMIT) {
        ingest_explain(ingest, &row, out_err);
        return out_err->status;
    }
    VV_TRY(status);
    ingest->batch_bytes += INGEST_ROW_BYTES + INGEST_VALUE_BYTES * row.count;
    return ingest_note_row(ingest, rows, out_err);
}

static bool ingest_is_full(const vv_ingest *ingest)
{
    if (ingest->options.unit != VV_INGEST_PARTS) {
        return ingest->batch_bytes >= VV_INGEST_WHOLE_BYTES_MAX;
    }
    return ingest->row_lines.count >= ingest->options.batch_rows_max ||
           ingest->batch_bytes >= ingest->options.batch_bytes;
}

/** Make room between two lines (G1). */
static varve_status ingest_make_room(vv_ingest *ingest, uint64_t line, varve_error *out_err)
{
    ingest->lines = line - 1 > ingest->lines ? line - 1 : ingest->lines;
    if (!ingest_is_full(ingest)) {
        return VARVE_OK;
    }
    if (ingest->options.unit == VV_INGEST_WHOLE) {
        return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_BATCH,
                             "line %llu: more than %u bytes of rows to be stored as a whole",
                             (unsigned long long)line, VV_INGEST_WHOLE_BYTES_MAX);
    }
    ingest->options.unit = VV_INGEST_PARTS;
    return vv_ingest_flush(ingest, out_err);
}

static varve_status ingest_rows(void *context, vv_decoder *decoder, const vv_wire_rows *rows,
                                varve_error *out_err)
{
    vv_ingest *ingest = context;
    varve_series series = {0};
    varve_error why;
    VV_TRY(ingest_make_room(ingest, rows->line, out_err));
    varve_status status = ingest_series(ingest, decoder, rows, &series, &why);
    if (status == VARVE_OK) {
        status = ingest_fields(ingest, rows, &why);
    }
    if (status != VARVE_OK) {
        return ingest_blame(ingest, rows, rows->row_count, status, &why, out_err);
    }
    for (size_t index = 0; index < rows->row_count; index++) {
        status = ingest_row(ingest, series, rows, index, &why);
        if (status != VARVE_OK) {
            VV_TRY(ingest_blame(ingest, rows, 1, status, &why, out_err));
        }
    }
    return VARVE_OK;
}

static void ingest_lines(void *context, uint64_t line)
{
    vv_ingest *ingest = context;
    ingest->lines = line;
}

void vv_ingest_sink(vv_ingest *ingest, vv_wire_sink *out_sink)
{
    *out_sink = (vv_wire_sink){
        .context = ingest, .rows = ingest_rows, .reject = ingest_reject, .lines = ingest_lines};
}

/* ---- commit --------------------------------------------------------------------------------- */

/** Where row `index` of the batch comes from; the caller adds why it is left out. */
static vv_wire_bad ingest_origin(const vv_ingest *ingest, size_t index)
{
    vv_wire_bad bad = {.line = *VV_VEC_AT(&ingest->row_lines, uint64_t, index), .count = 1};
    if (index < ingest->row_texts.count) {
        bad.text = *VV_VEC_AT(&ingest->row_texts, varve_text, index);
    }
    return bad;
}

/** Why the database left out a row. */
static void ingest_say_why(const vv_ingest *ingest, const varve_rejected *rejected,
                           varve_error *out_why)
{
    char where[288] = "the row"; /* "field" and the longest name */
    varve_text name;
    if (rejected->field.id != 0 &&
        varve_field_name(ingest->options.db, rejected->field, &name, NULL) == VARVE_OK) {
        vv_text_format(where, sizeof where, "field \"%.*s\"", VV_TEXT_ARGS(name));
    }
    switch (rejected->reason) {
    case VARVE_REJECTED_TYPE:
        vv_fail(out_why, VARVE_E_CONFLICT, "%s: its type differs from what is stored", where);
        break;
    case VARVE_REJECTED_RETENTION:
        vv_fail(out_why, rejected->status,
                "the time %lld is before %lld, where the retention window begins",
                (long long)rejected->timestamp, (long long)rejected->limit);
        break;
    case VARVE_REJECTED_RING:
        vv_fail(out_why, rejected->field.id != 0 ? VARVE_E_CONFLICT : rejected->status,
                rejected->field.id != 0
                    ? "%s: the ring of its series has none of this name and type"
                    : "%s: no slot of the ring of its series holds its time",
                where);
        break;
    default:
        if (rejected->status == VARVE_E_LIMIT) {
            vv_fail(out_why, rejected->status, "%s: a series has at most %lld fields", where,
                    (long long)rejected->limit);
        } else {
            vv_fail(out_why, rejected->status, "%s cannot be stored: %s", where,
                    varve_status_text(rejected->status));
        }
        break;
    }
}

/** A row that the database refused, counted as what it is. */
static void ingest_leave_out_row(vv_ingest *ingest, const varve_rejected *rejected,
                                 const vv_wire_bad *bad)
{
    ingest_leave_out(ingest, bad,
                     rejected->reason == VARVE_REJECTED_RETENTION
                         ? VV_INGEST_RETENTION
                         : ingest_reason(bad->why->status));
}

static void ingest_note_rejected(vv_ingest *ingest, const varve_rejected *rejected, uint64_t count)
{
    varve_error why;
    vv_wire_bad bad = ingest_origin(ingest, (size_t)rejected->row);
    bad.count = count;
    bad.why = &why;
    ingest_say_why(ingest, rejected, &why);
    ingest_leave_out_row(ingest, rejected, &bad);
}

static void ingest_empty(vv_ingest *ingest)
{
    varve_batch_clear(ingest->batch);
    vv_arena_reset(&ingest->arena);
    vv_vec_clear(&ingest->row_lines);
    vv_vec_clear(&ingest->row_texts);
    ingest->batch_bytes = 0;
}

static varve_status ingest_commit(vv_ingest *ingest, varve_error *out_err)
{
    varve_rejected rejected[VV_INGEST_BAD_LINES_MAX];
    size_t most = ingest->options.bad_lines_max;
    varve_write_options options;
    varve_write_options_init(&options);
    options.flags = VARVE_WRITE_SKIP_REJECTED | VARVE_WRITE_SPLIT;
    options.rejected = rejected;
    options.rejected_capacity = most == 0 ? 1 : most;
    varve_written written;
    varve_written_init(&written);
    VV_TRY(varve_batch_commit(ingest->batch, &options, &written, out_err));
    ingest->rows += written.rows;
    uint64_t left = written.rows_rejected;
    for (size_t i = 0; left > 0; i++) { /* the last that is told stands for the rest */
        uint64_t count = i + 1 == options.rejected_capacity ? left : 1;
        ingest_note_rejected(ingest, &rejected[i], count);
        left -= count;
    }
    if (ingest->ack == VARVE_ACK_NONE || written.ack < ingest->ack) {
        ingest->ack = written.ack;
    }
    return VARVE_OK;
}

/**
 * The database says "row 7: ...", from 0, of the row that it refused; people have lines. Keeps that
 * line as one that is left out.
 */
static void ingest_name_line(vv_ingest *ingest, const varve_rejected *rejected, varve_error *err)
{
    varve_text text = vv_text_from_string(err->message);
    size_t colon = vv_text_find_char(text, ':');
    varve_error why = *err;
    vv_wire_bad bad = ingest_origin(ingest, (size_t)rejected->row);
    bool is_retention = rejected->reason == VARVE_REJECTED_RETENTION;
    if (why.status == VARVE_E_INVALID && !is_retention) {
        why.status = VARVE_E_CONFLICT; /* all else that is wrong is found when a row is added */
    }
    if (text.size - colon > 2) {
        vv_text_format(why.message, sizeof why.message, "%s", err->message + colon + 2);
    }
    bad.why = &why;
    ingest_leave_out_row(ingest, rejected, &bad);
    VV_IGNORE(vv_fail_limit(err, err->status, vv_error_limit(err),
                            "line %llu: %s; nothing is stored", (unsigned long long)bad.line,
                            why.message));
}

/** All rows or none. */
static varve_status ingest_commit_whole(vv_ingest *ingest, varve_error *out_err)
{
    varve_written written;
    varve_written_init(&written);
    if (ingest->rejected > 0) {
        ingest_empty(ingest);
        return vv_fail(out_err, VARVE_E_INVALID, "line %llu: %s; nothing is stored",
                       (unsigned long long)ingest->first_line, ingest->first_err.message);
    }
    varve_rejected rejected = {.status = VARVE_OK};
    varve_write_options options;
    varve_write_options_init(&options);
    options.rejected = &rejected;
    options.rejected_capacity = 1;
    varve_status status = varve_batch_commit(ingest->batch, &options, &written, out_err);
    if (status != VARVE_OK && rejected.status != VARVE_OK) {
        ingest_name_line(ingest, &rejected, out_err);
    }
    VV_TRY(status);
    ingest->rows += written.rows;
    ingest->ack = written.ack;
    return VARVE_OK;
}

varve_status vv_ingest_flush(vv_ingest *ingest, varve_error *out_err)
{
    if (ingest->options.unit != VV_INGEST_PARTS) {
        VV_TRY(ingest_commit_whole(ingest, out_err));
    } else if (ingest->row_lines.count > 0) {
        VV_TRY(ingest_commit(ingest, out_err));
    }
    ingest->lines_stored = ingest->lines;
    ingest_empty(ingest);
    return VARVE_OK;
}

const char *vv_ingest_ack_text(const vv_ingest *ingest)
{
    switch (ingest->ack) {
    case VARVE_ACK_APPENDED:
        return "APPENDED";
    case VARVE_ACK_VOLATILE:
        return "VOLATILE";
    default: /* nothing that was stored can be lost */
        return "DURABLE";
    }
}
