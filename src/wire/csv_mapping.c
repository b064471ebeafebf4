/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the columns of a CSV text are, from a parameter or from a typed header.
 *
 *     1:time:unix_s,2:name,3:label:host,4:f64:usage,5:metric:load     format
 *     time:unix_s,metric:name,host:label,usage:f64                    typed header
 *
 * In a format a comma, colon or backslash of a name is \, \: \\ (a colon needs it nowhere: the
 * context is all that follows the second one). In a header the type is what follows the last colon,
 * so names need no escapes there.
 */

#include <string.h>

#include "base/limit.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "wire/csv.h"

static const struct {
    varve_text word;
    vv_csv_role role;
} csv_roles[] = {
    {VV_TEXT_INIT("time"), VV_CSV_TIME},   {VV_TEXT_INIT("name"), VV_CSV_NAME},
    {VV_TEXT_INIT("label"), VV_CSV_LABEL}, {VV_TEXT_INIT("metric"), VV_CSV_METRIC},
    {VV_TEXT_INIT("skip"), VV_CSV_SKIP},
};

/** Role and type of a word; false for another. */
static bool csv_role_parse(varve_text word, vv_csv_column *column)
{
    for (size_t i = 0; i < VV_ARRAY_COUNT(csv_roles); i++) {
        if (vv_text_equal(word, csv_roles[i].word)) {
            column->role = csv_roles[i].role;
            column->type = VARVE_TYPE_F64; /* of a metric */
            return true;
        }
    }
    column->role = VV_CSV_FIELD;
    return vv_csv_type_parse(word, &column->type);
}

static varve_text csv_role_word(const vv_csv_column *column)
{
    for (size_t i = 0; i < VV_ARRAY_COUNT(csv_roles); i++) {
        if (csv_roles[i].role == column->role) {
            return csv_roles[i].word;
        }
    }
    return vv_text_from_string(vv_csv_type_name(column->type));
}

/* ---- a format ------------------------------------------------------------------------------- */

/** Index of the first separator outside of escapes, or the size. */
static size_t csv_find_separator(varve_text text, char separator)
{
    size_t at = 0;
    while (at < text.size && text.data[at] != separator) {
        at += text.data[at] == '\\' && at + 1 < text.size ? 2 : 1;
    }
    return at;
}

/** The text without its escapes, in the arena. */
static varve_status csv_unescape(varve_text text, vv_arena *arena, varve_text *out_text,
                                 varve_error *out_err)
{
    char *target = vv_arena_new(arena, text.size + 1);
    if (target == NULL) {
        return vv_arena_fail(arena, text.size + 1, out_err);
    }
    size_t size = 0;
    for (size_t at = 0; at < text.size; at++) {
        at += text.data[at] == '\\' && at + 1 < text.size ? 1 : 0;
        target[size] = text.data[at];
        size += 1;
    }
    *out_text = vv_text_make(target, size);
    return VARVE_OK;
}

static size_t csv_entry_count(varve_text format)
{
    size_t count = 1;
    size_t at = csv_find_separator(format, ',');
    while (at < format.size) {
        count += 1;
        at += 1 + csv_find_separator(vv_text_sub(format, at + 1, format.size), ',');
    }
    return count;
}

/** The next of the entries; *rest goes on behind its comma. */
static varve_text csv_entry_take(varve_text *rest)
{
    size_t size = csv_find_separator(*rest, ',');
    varve_text entry = vv_text_sub(*rest, 0, size);
    *rest = vv_text_sub(*rest, size + 1, rest->size);
    return entry;
}

/** COL:TYPE[:CONTEXT] */
static varve_status csv_entry_parse(varve_text entry, vv_arena *arena, vv_csv_column *column,
                                    varve_error *out_err)
{
    size_t end = csv_find_separator(entry, ':');
    varve_text number = vv_text_sub(entry, 0, end);
    varve_text rest = vv_text_sub(entry, end + 1, entry.size);
    end = csv_find_separator(rest, ':');
    varve_text word = vv_text_sub(rest, 0, end);
    uint64_t index = 0;
    memset(column, 0, sizeof *column);
    VV_TRY(csv_unescape(vv_text_sub(rest, end + 1, rest.size), arena, &column->name, out_err));
    if (!vv_text_parse_u64(number, &index) || index == 0 || index > VV_CSV_COLUMNS_MAX) {
        return vv_fail(out_err, VARVE_E_INVALID, "\"%.*s\" is no number of a column, 1 to %u",
                       VV_TEXT_ARGS(vv_text_sub(number, 0, 64)), VV_CSV_COLUMNS_MAX);
    }
    column->index = (size_t)index - 1;
    if (!csv_role_parse(word, column)) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "\"%.*s\" is none of metric, label, time, name and the types of fields",
                       VV_TEXT_ARGS(vv_text_sub(word, 0, 64)));
    }
    if (column->role == VV_CSV_TIME) {
        varve_text context = column->name;
        column->name = (varve_text){0};
        return vv_csv_time_parse(context, &column->time, out_err);
    }
    bool has_name = column->role != VV_CSV_NAME && column->role != VV_CSV_SKIP;
    if (has_name && column->name.size == 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "a %.*s needs a name", VV_TEXT_ARGS(word));
    }
    return VARVE_OK;
}

/** In order of index; E_INVALID when a column is there twice. */
static varve_status csv_columns_sort(vv_csv_column *columns, size_t count, varve_error *out_err)
{
    /* Insertion: people write them in order. 1000 backwards are 500000 moves, half a millisecond.
     */
    for (size_t i = 1; i < count; i++) {
        vv_csv_column column = columns[i];
        size_t at = i;
        while (at > 0 && columns[at - 1].index > column.index) {
            columns[at] = columns[at - 1];
            at -= 1;
        }
        columns[at] = column;
        if (at > 0 && columns[at - 1].index == column.index) {
            return vv_fail(out_err, VARVE_E_INVALID, "column %zu is there twice", column.index + 1);
        }
    }
    return VARVE_OK;
}

varve_status vv_csv_mapping_parse(varve_text format, varve_text metric, vv_arena *arena,
                                  vv_csv_mapping *out_mapping, varve_error *out_err)
{
    size_t count = csv_entry_count(format);
    if (count > VV_CSV_COLUMNS_MAX) {
        return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_COLUMNS,
                             "a format of more than %u columns", VV_CSV_COLUMNS_MAX);
    }
    vv_csv_column *columns = vv_arena_array(arena, count, sizeof *columns);
    if (columns == NULL) {
        return vv_arena_fail(arena, count * sizeof *columns, out_err);
    }
    varve_text rest = format;
    for (size_t i = 0; i < count; i++) {
        varve_status status = csv_entry_parse(csv_entry_take(&rest), arena, &columns[i], out_err);
        if (status != VARVE_OK) {
            vv_error_prefix(out_err, "format, entry %zu", i + 1);
            return status;
        }
    }
    VV_TRY(csv_columns_sort(columns, count, out_err));
    *out_mapping = (vv_csv_mapping){.metric = metric, .columns = columns, .count = count};
    return vv_csv_mapping_check(out_mapping, out_err);
}

static void csv_print_escaped(vv_buf *buf, varve_text text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == ',' || text.data[i] == '\\') {
            vv_buf_append_char(buf, '\\');
        }
        vv_buf_append_char(buf, text.data[i]);
    }
}

void vv_csv_mapping_print(vv_buf *buf, const vv_csv_mapping *mapping)
{
    for (size_t i = 0; i < mapping->count; i++) {
        const vv_csv_column *column = &mapping->columns[i];
        vv_buf_append_format(buf, "%s%zu:", i > 0 ? "," : "", column->index + 1);
        vv_buf_append_text(buf, csv_role_word(column));
        if (column->role == VV_CSV_TIME) {
            vv_buf_append_char(buf, ':');
            if (column->time.kind == VV_CSV_CUSTOM) {
                vv_buf_append_text(buf, VV_TEXT("custom:"));
                csv_print_escaped(buf, column->time.layout);
            } else {
                vv_csv_time_print(buf, &column->time);
            }
        } else if (column->name.size > 0) {
            vv_buf_append_char(buf, ':');
            csv_print_escaped(buf, column->name);
        }
    }
}

/** __name__, __value__[:FIELD], __timestamp__[:CONTEXT] or a label. */
static varve_status csv_export_entry(varve_text entry, vv_arena *arena, vv_csv_column *column,
                                     varve_error *out_err)
{
    size_t end = csv_find_separator(entry, ':');
    varve_text head = vv_text_sub(entry, 0, end);
    varve_text context;
    VV_TRY(csv_unescape(vv_text_sub(entry, end + 1, entry.size), arena, &context, out_err));
    memset(column, 0, sizeof *column);
    if (vv_text_equal(entry, VV_TEXT("__name__"))) {
        column->role = VV_CSV_NAME;
        return VARVE_OK;
    }
    if (vv_text_equal(head, VV_TEXT("__value__"))) {
        column->role = VV_CSV_FIELD;
        column->name = end < entry.size ? context : VV_TEXT("value");
        return VARVE_OK;
    }
    if (vv_text_equal(head, VV_TEXT("__timestamp__"))) {
        column->role = VV_CSV_TIME;
        return vv_csv_time_parse(end < entry.size ? context : VV_TEXT("unix_ms"), &column->time,
                                 out_err);
    }
    column->role = VV_CSV_LABEL;
    VV_TRY(csv_unescape(entry, arena, &column->name, out_err));
    return column->name.size > 0 ? VARVE_OK
                                 : vv_fail(out_err, VARVE_E_INVALID, "a label without a name");
}

varve_status vv_csv_export_parse(varve_text format, vv_arena *arena,
                                 const vv_csv_column **out_columns, size_t *out_count,
                                 varve_error *out_err)
{
    size_t count = csv_entry_count(format);
    if (count > VV_CSV_COLUMNS_MAX) {
        return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_COLUMNS,
                             "a format of more than %u columns", VV_CSV_COLUMNS_MAX);
    }
    vv_csv_column *columns = vv_arena_array(arena, count, sizeof *columns);
    if (columns == NULL) {
        return vv_arena_fail(arena, count * sizeof *columns, out_err);
    }
    varve_text rest = format;
    for (size_t i = 0; i < count; i++) {
        varve_status status = csv_export_entry(csv_entry_take(&rest), arena, &columns[i], out_err);
        if (status != VARVE_OK) {
            vv_error_prefix(out_err, "format, entry %zu", i + 1);
            return status;
        }
        columns[i].index = i;
    }
    *out_columns = columns;
    *out_count = count;
    return VARVE_OK;
}

/* ---- a typed header ------------------------------------------------------------------------- */

/** One cell of a header. The name is borrowed from it. Roles go first: a label may be called
 * time:custom:x. */
static bool csv_header_cell(varve_text text, vv_csv_column *column)
{
    memset(column, 0, sizeof *column);
    size_t colon = vv_text_find_last_char(text, ':');
    if (colon > 0 && colon < text.size &&
        csv_role_parse(vv_text_sub(text, colon + 1, text.size), column) &&
        column->role != VV_CSV_TIME) {
        column->name = vv_text_sub(text, 0, colon);
        return true;
    }
    column->role = VV_CSV_TIME;
    return vv_text_starts_with(text, VV_TEXT("time:")) &&
           vv_csv_time_parse(vv_text_sub(text, 5, text.size), &column->time, NULL) == VARVE_OK;
}

bool vv_csv_header_is_typed(const vv_csv_record *record)
{
    bool has_rows = false;
    for (size_t i = 0; i < record->count; i++) {
        vv_csv_column column;
        if (!csv_header_cell(record->cells[i].text, &column)) {
            return false;
        }
        has_rows = has_rows || column.role == VV_CSV_FIELD || column.role == VV_CSV_METRIC;
    }
    return has_rows;
}

varve_status vv_csv_header_parse(const vv_csv_record *record, varve_text metric, vv_arena *arena,
                                 vv_csv_mapping *out_mapping, varve_error *out_err)
{
    vv_csv_column *columns = vv_arena_array(arena, record->count, sizeof *columns);
    if (columns == NULL) {
        return vv_arena_fail(arena, record->count * sizeof *columns, out_err);
    }
    for (size_t i = 0; i < record->count; i++) {
        varve_text text;
        if (vv_arena_copy(arena, record->cells[i].text, &text) != VARVE_OK) {
            return vv_arena_fail(arena, record->cells[i].text.size, out_err);
        }
        if (!csv_header_cell(text, &columns[i])) {
            return vv_fail(out_err, VARVE_E_INVALID,
                           "column %zu: \"%.*s\" does not tell what it is, as host:label, "
                           "usage:f64, metric:name, time:rfc3339 do",
                           i + 1, VV_TEXT_ARGS(vv_text_sub(text, 0, 64)));
        }
        columns[i].index = i;
        if (columns[i].role == VV_CSV_NAME) {
            columns[i].name = (varve_text){0};
        }
    }
    *out_mapping = (vv_csv_mapping){.metric = metric, .columns = columns, .count = record->count};
    return vv_csv_mapping_check(out_mapping, out_err);
}

/* ---- both ----------------------------------------------------------------------------------- */

static size_t csv_role_count(const vv_csv_mapping *mapping, vv_csv_role role)
{
    size_t count = 0;
    for (size_t i = 0; i < mapping->count; i++) {
        count += mapping->columns[i].role == role ? 1 : 0;
    }
    return count;
}

/** Whether no column before this one is the same label, or the same field in the same type. */
static varve_status csv_mapping_distinct(const vv_csv_mapping *mapping, size_t index,
                                         varve_error *out_err)
{
    const vv_csv_column *column = &mapping->columns[index];
    bool is_label = column->role == VV_CSV_LABEL;
    if (!is_label && column->role != VV_CSV_FIELD) {
        return VARVE_OK;
    }
    for (size_t k = 0; k < index; k++) {
        const vv_csv_column *other = &mapping->columns[k];
        bool is_alike = is_label || other->type == column->type; /* a field may have two types */
        if (other->role == column->role && is_alike && vv_text_equal(other->name, column->name)) {
            return vv_fail(out_err, VARVE_E_INVALID, "columns %zu and %zu are both %s %.*s",
                           other->index + 1, column->index + 1, is_label ? "label" : "field",
                           VV_TEXT_ARGS(vv_text_sub(column->name, 0, 64)));
        }
    }
    return VARVE_OK;
}

varve_status vv_csv_mapping_check(const vv_csv_mapping *mapping, varve_error *out_err)
{
    bool has_fields = csv_role_count(mapping, VV_CSV_FIELD) > 0;
    size_t names = csv_role_count(mapping, VV_CSV_NAME);
    if (!has_fields && csv_role_count(mapping, VV_CSV_METRIC) == 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "no column holds values");
    }
    if (csv_role_count(mapping, VV_CSV_TIME) > 1 || names > 1) {
        return vv_fail(out_err, VARVE_E_INVALID, "two columns tell the %s of a row",
                       names > 1 ? "metric" : "time");
    }
    if (has_fields && names == 0 && mapping->metric.size == 0) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "fields without a metric: name it, or the column that has it");
    }
    for (size_t i = 0; i < mapping->count; i++) {
        const vv_csv_column *column = &mapping->columns[i];
        if (column->role == VV_CSV_LABEL && vv_text_equal(column->name, VV_TEXT("__name__"))) {
            return vv_fail(out_err, VARVE_E_INVALID,
                           "column %zu: the metric is no label: its column is of the type name",
                           column->index + 1);
        }
        VV_TRY(csv_mapping_distinct(mapping, i, out_err));
    }
    return VARVE_OK;
}
