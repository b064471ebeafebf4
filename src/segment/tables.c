/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of an open segment: fields, schemas, metrics, labels, series.
 *
 *     series i -> metric: by its first series       -> metrics[]
 *              -> entry in the payload: schema      -> schema_entries[] -> fields[]
 *                                       labels      -> label_names[] -> names[], label_text
 *
 * Names were stored against each other and are expanded here; series entries stay as they are
 * stored and are decoded when asked: about 20 bytes each instead of 400.
 *
 *   T1  Names of each table, and label numbers by (name, value), ascend strictly.
 *   T2  Series ascend strictly by (metric, labels); by T1 label numbers tell it without texts.
 *   T3  All numbers that an entry holds were compared with the table that they lead into.
 *   Checked once, when the segment is opened.
 */
#include "segment/tables_priv.h"

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "base/utf8.h"
#include "model/rows.h"

varve_status vv_section_fail(const vv_section *section, size_t position, const char *what,
                             varve_error *out_err)
{
    return vv_fail(out_err, VARVE_E_CORRUPT, "%s: section %s at offset %llu, byte %zu: %s",
                   section->path, vv_section_name(section->kind),
                   (unsigned long long)section->offset, position, what);
}

static varve_status tables_fail(const vv_section *section, const vv_reader *reader,
                                const char *what, varve_error *out_err)
{
    return vv_section_fail(section, vv_reader_position(reader), what, out_err);
}

static vv_reader tables_reader(const vv_section *section)
{
    return vv_reader_of(section->payload.data, section->payload.size);
}

static varve_status tables_done(const vv_section *section, const vv_reader *reader,
                                varve_error *out_err)
{
    return vv_reader_is_done(reader)
               ? VARVE_OK
               : tables_fail(section, reader, "bytes are missing or left over", out_err);
}

/* An array in the arena, with its sentence. */
static varve_status tables_array(vv_arena *arena, size_t count, size_t item_size, void *out_items,
                                 varve_error *out_err)
{
    void *items = vv_arena_array(arena, count, item_size);
    if (items == NULL) {
        return vv_arena_fail(arena, count * item_size, out_err);
    }
    memcpy(out_items, &items, sizeof items);
    return VARVE_OK;
}

/* --- names --- */

/* What a stored name says: it shares `shared` bytes with the one before, `rest` follow. */
typedef struct tables_stored_text {
    size_t shared;
    varve_text rest;
} tables_stored_text;

/* Bad when it shares more than the one before has, or is longer than max; *size becomes its size.
 */
static tables_stored_text tables_read_text(vv_reader *reader, size_t max, size_t *size)
{
    tables_stored_text text = {.shared = (size_t)vv_reader_varint_max(reader, *size)};
    size_t rest =
        (size_t)vv_reader_varint_max(reader, max - (text.shared < max ? text.shared : max));
    if (text.shared > max) {
        vv_reader_spoil(reader);
    }
    text.rest = vv_reader_text(reader, rest);
    *size = text.shared + text.rest.size;
    return text;
}

/* Build a name at target from the one before it; the target has room. */
static varve_text tables_expand(char *target, varve_text before, const tables_stored_text *text)
{
    if (text->shared > 0) {
        memcpy(target, before.data, text->shared);
    }
    if (text->rest.size > 0) {
        memcpy(target + text->shared, text->rest.data, text->rest.size);
    }
    return vv_text_make(target, text->shared + text->rest.size);
}

/* T1, and that it is text. */
static bool tables_is_next(varve_text before, varve_text text, bool is_first)
{
    return vv_utf8_is_valid(text) && (is_first || vv_text_compare(before, text) < 0);
}

static varve_status tables_read_fields(const vv_section *section, vv_arena *arena,
                                       vv_segment_tables *tables, varve_error *out_err)
{
    vv_reader reader = tables_reader(section);
    size_t count = vv_reader_count(&reader, 3, UINT32_MAX - 1);
    VV_TRY(tables_array(arena, count, sizeof(uint32_t), &tables->field_ids, out_err));
    VV_TRY(tables_array(arena, count, sizeof(varve_text), &tables->field_names, out_err));
    uint32_t id = 0;
    for (size_t index = 0; index < count; ++index) {
        uint32_t step = (uint32_t)vv_reader_varint_max(&reader, UINT32_MAX - id);
        size_t size = (size_t)vv_reader_varint_max(&reader, VV_FIELD_NAME_BYTES_MAX);
        varve_text name = vv_reader_text(&reader, size);
        if (step == 0 || size == 0 || name.size != size || !vv_utf8_is_valid(name)) {
            return tables_fail(section, &reader, "a field", out_err);
        }
        id += step;
        tables->field_ids[index] = id;
        tables->field_names[index] = name; /* the payload lives as long as the segment */
    }
    tables->field_count = (uint32_t)count;
    return tables_done(section, &reader, out_err);
}

/* --- schemas --- */

static bool tables_is_family(uint32_t type)
{
    return type == VARVE_TYPE_F64 || type == VARVE_TYPE_I64 || type == VARVE_TYPE_U64 ||
           type == VARVE_TYPE_BOOL || type == VARVE_TYPE_STRING || type == VARVE_TYPE_HISTOGRAM;
}

/* Entries of one schema at `entries`. */
static bool tables_read_schema(vv_reader *reader, const vv_segment_tables *tables, size_t count,
                               vv_schema_entry *entries)
{
    uint32_t field = 0;
    uint32_t type = 0;
    for (size_t index = 0; index < count; ++index) {
        uint64_t step = vv_reader_varint(reader);
        uint32_t next_type = vv_reader_u8(reader);
        if (step >= (uint64_t)tables->field_count - field || !tables_is_family(next_type) ||
            (index > 0 && step == 0 && next_type <= type)) {
            return false;
        }
        field += (uint32_t)step;
        type = next_type;
        entries[index] = (vv_schema_entry){.field = field, .type = type};
    }
    return !vv_reader_is_bad(reader);
}

static varve_status tables_read_schemas(const vv_section *section, vv_arena *arena,
                                        vv_segment_tables *tables, varve_error *out_err)
{
    vv_reader reader = tables_reader(section);
    size_t count = vv_reader_count(&reader, 1, UINT32_MAX - 1);
    size_t entries_max = vv_reader_left(&reader) / 2; /* an entry takes two bytes at least */
    VV_TRY(tables_array(arena, count + 1, sizeof(uint32_t), &tables->schema_begins, out_err));
    VV_TRY(tables_array(arena, entries_max, sizeof(vv_schema_entry), &tables->schema_entries,
                        out_err));
    size_t total = 0;
    for (size_t index = 0; index < count; ++index) {
        tables->schema_begins[index] = (uint32_t)total;
        size_t entry_count = vv_reader_count(&reader, 2, entries_max - total);
        if (!tables_read_schema(&reader, tables, entry_count, tables->schema_entries + total)) {
            return tables_fail(section, &reader, "a schema", out_err);
        }
        total += entry_count;
    }
    tables->schema_begins[count] = (uint32_t)total;
    tables->schema_count = (uint32_t)count;
    return tables_done(section, &reader, out_err);
}

/* --- metrics --- */

/* Bytes of all metrics when expanded. */
static size_t tables_measure_metrics(vv_reader reader, size_t count)
{
    size_t total = 0;
    size_t size = 0;
    for (size_t index = 0; index < count && !vv_reader_is_bad(&reader); ++index) {
        (void)tables_read_text(&reader, VV_METRIC_BYTES_MAX, &size);
        (void)vv_reader_varint(&reader);
        total += size;
    }
    return total;
}

static varve_status tables_read_metrics(const vv_section *section, uint64_t series_count,
                                        vv_arena *arena, vv_segment_tables *tables,
                                        varve_error *out_err)
{
    vv_reader reader = tables_reader(section);
    size_t count = vv_reader_count(&reader, 3, UINT32_MAX - 1);
    size_t bytes = tables_measure_metrics(reader, count);
    char *target;
    VV_TRY(tables_array(arena, bytes, 1, &target, out_err));
    VV_TRY(tables_array(arena, count, sizeof(varve_text), &tables->metrics, out_err));
    VV_TRY(tables_array(arena, count + 1, sizeof(uint32_t), &tables->metric_begins, out_err));
    varve_text before = {.data = NULL, .size = 0};
    uint64_t begin = 0;
    for (size_t index = 0; index < count; ++index) {
        size_t size = before.size;
        tables_stored_text stored = tables_read_text(&reader, VV_METRIC_BYTES_MAX, &size);
        uint64_t own = vv_reader_varint_max(&reader, series_count - begin);
        if (vv_reader_is_bad(&reader)) {
            break;
        }
        varve_text metric = tables_expand(target, before, &stored);
        if (own == 0 || size == 0 || !tables_is_next(before, metric, index == 0)) {
            return tables_fail(section, &reader, "a metric", out_err);
        }
        tables->metrics[index] = metric;
        tables->metric_begins[index] = (uint32_t)begin;
        begin += own;
        target += size;
        before = metric;
    }
    VV_TRY(tables_done(section, &reader, out_err));
    if (begin != series_count) {
        return tables_fail(section, &reader, "series are missing", out_err);
    }
    tables->metric_begins[count] = (uint32_t)begin;
    tables->metric_count = (uint32_t)count;
    return VARVE_OK;
}

/* --- labels --- */

/* Sizes of the label tables, found by a first pass. */
typedef struct tables_label_sizes {
    size_t names, values, name_bytes, value_bytes;
} tables_label_sizes;

static bool tables_measure_labels(vv_reader reader, tables_label_sizes *out_sizes)
{
    tables_label_sizes sizes = {.names = vv_reader_count(&reader, 5, UINT32_MAX - 1)};
    size_t name_size = 0;
    for (size_t name = 0; name < sizes.names && !vv_reader_is_bad(&reader); ++name) {
        (void)tables_read_text(&reader, VV_LABEL_NAME_BYTES_MAX, &name_size);
        sizes.name_bytes += name_size;
        size_t count = vv_reader_count(&reader, 2, UINT32_MAX - 1);
        size_t size = 0;
        for (size_t value = 0; value < count && !vv_reader_is_bad(&reader); ++value) {
            (void)tables_read_text(&reader, VV_LABEL_VALUE_BYTES_MAX, &size);
            sizes.value_bytes += size;
        }
        sizes.values += count;
        if (count == 0 || sizes.values > UINT32_MAX - 1 || sizes.value_bytes > UINT32_MAX) {
            return false;
        }
    }
    *out_sizes = sizes;
    return vv_reader_is_done(&reader);
}

/* The values of one name; *text is where they go and moves behind them. */
static bool tables_read_values(vv_reader *reader, uint32_t name, char **text,
                               vv_segment_tables *tables)
{
    size_t count = vv_reader_count(reader, 2, UINT32_MAX - 1);
    varve_text before = {.data = NULL, .size = 0};
    for (size_t index = 0; index < count; ++index) {
        size_t size = before.size;
        tables_stored_text stored = tables_read_text(reader, VV_LABEL_VALUE_BYTES_MAX, &size);
        varve_text value = tables_expand(*text, before, &stored);
        if (!tables_is_next(before, value, index == 0)) {
            return false;
        }
        tables->label_names[tables->label_count] = name;
        tables->label_begins[tables->label_count] = (uint32_t)(*text - tables->label_text);
        tables->label_count += 1;
        *text += size;
        before = value;
    }
    return true;
}

static varve_status tables_read_labels(const vv_section *section, vv_arena *arena,
                                       vv_segment_tables *tables, varve_error *out_err)
{
    vv_reader reader = tables_reader(section);
    tables_label_sizes sizes;
    if (!tables_measure_labels(reader, &sizes)) {
        return tables_fail(section, &reader, "label names or values do not fit", out_err);
    }
    char *name_text;
    char *value_text;
    VV_TRY(tables_array(arena, sizes.name_bytes, 1, &name_text, out_err));
    VV_TRY(tables_array(arena, sizes.value_bytes, 1, &value_text, out_err));
    VV_TRY(tables_array(arena, sizes.names, sizeof(varve_text), &tables->names, out_err));
    VV_TRY(tables_array(arena, sizes.values, sizeof(uint32_t), &tables->label_names, out_err));
    VV_TRY(tables_array(arena, sizes.values + 1, sizeof(uint32_t), &tables->label_begins, out_err));
    tables->label_text = value_text;
    (void)vv_reader_varint(&reader); /* count of names, measured */
    varve_text before = {.data = NULL, .size = 0};
    for (uint32_t index = 0; index < sizes.names; ++index) {
        size_t size = before.size;
        tables_stored_text stored = tables_read_text(&reader, VV_LABEL_NAME_BYTES_MAX, &size);
        varve_text name = tables_expand(name_text, before, &stored);
        if (size == 0 || !tables_is_next(before, name, index == 0) ||
            !tables_read_values(&reader, index, &value_text, tables)) {
            return tables_fail(section, &reader, "a label", out_err);
        }
        tables->names[index] = name;
        name_text += size;
        before = name;
    }
    VV_ASSERT(tables->label_count == sizes.values);
    tables->label_begins[tables->label_count] = (uint32_t)sizes.value_bytes;
    tables->name_count = (uint32_t)sizes.names;
    return tables_done(section, &reader, out_err);
}

/* --- series --- */

/* An entry; bad when a number leads nowhere. T3. */
static void tables_read_entry(vv_reader *reader, const vv_segment_tables *tables,
                              vv_series_entry *out_entry)
{
    out_entry->schema = (uint32_t)vv_reader_varint(reader);
    out_entry->label_count = (uint32_t)vv_reader_count(reader, 1, VV_LABELS_MAX);
    uint64_t number = 0;
    for (uint32_t index = 0; index < out_entry->label_count; ++index) {
        number += vv_reader_varint_max(reader, UINT32_MAX); /* at most 256 * 2^32 */
        if (number >= tables->label_count) {
            vv_reader_spoil(reader);
            number = 0;
        }
        out_entry->labels[index] = (uint32_t)number;
    }
}

static bool tables_names_ascend(const vv_segment_tables *tables, const vv_series_entry *entry)
{
    for (uint32_t index = 1; index < entry->label_count; ++index) {
        if (tables->label_names[entry->labels[index - 1]] >=
            tables->label_names[entry->labels[index]]) {
            return false;
        }
    }
    return true;
}

/* T2, for two series of one metric. */
static bool tables_is_before(const vv_series_entry *a, const vv_series_entry *b)
{
    for (uint32_t index = 0; index < a->label_count && index < b->label_count; ++index) {
        if (a->labels[index] != b->labels[index]) {
            return a->labels[index] < b->labels[index];
        }
    }
    return a->label_count < b->label_count;
}

static varve_status tables_read_series(const vv_section *section, uint32_t count, vv_arena *arena,
                                       vv_segment_tables *tables, varve_error *out_err)
{
    if (count > section->payload.size) {
        return vv_section_fail(section, 0, "fewer series than the footer has", out_err);
    }
    VV_TRY(
        tables_array(arena, (size_t)count + 1, sizeof(uint32_t), &tables->series_begins, out_err));
    vv_reader reader = tables_reader(section);
    vv_series_entry entries[2];
    uint32_t metric = 0;
    for (uint32_t index = 0; index < count; ++index) {
        size_t begin = vv_reader_position(&reader);
        vv_series_entry *entry = &entries[index % 2];
        tables_read_entry(&reader, tables, entry);
        if (vv_reader_is_bad(&reader) || entry->schema >= tables->schema_count ||
            !tables_names_ascend(tables, entry)) {
            return vv_section_fail(section, begin, "a series", out_err);
        }
        while (index >= tables->metric_begins[metric + 1]) {
            metric += 1;
        }
        if (index > tables->metric_begins[metric] &&
            !tables_is_before(&entries[(index + 1) % 2], entry)) {
            return vv_section_fail(section, begin, "a series is out of order", out_err);
        }
        tables->series_begins[index] = (uint32_t)begin;
        tables->label_total += entry->label_count;
    }
    tables->series_begins[count] = (uint32_t)vv_reader_position(&reader);
    tables->series_count = count;
    tables->series = *section;
    return tables_done(section, &reader, out_err);
}

varve_status vv_segment_tables_read(const vv_section *sections, const vv_segment_info *info,
                                    vv_arena *arena, vv_segment_tables *out_tables,
                                    varve_error *out_err)
{
    vv_segment_tables *tables = out_tables;
    memset(tables, 0, sizeof *tables);
    VV_TRY(tables_read_fields(&sections[VV_SECTION_FIELDS], arena, tables, out_err));
    VV_TRY(tables_read_schemas(&sections[VV_SECTION_SCHEMAS], arena, tables, out_err));
    VV_TRY(
        tables_read_metrics(&sections[VV_SECTION_METRICS], info->series, arena, tables, out_err));
    VV_TRY(tables_read_labels(&sections[VV_SECTION_LABELS], arena, tables, out_err));
    return tables_read_series(&sections[VV_SECTION_SERIES], (uint32_t)info->series, arena, tables,
                              out_err);
}

/* --- answering --- */

void vv_segment_tables_series(const vv_segment_tables *tables, uint32_t index,
                              vv_series_entry *out_entry)
{
    VV_ASSERT(index < tables->series_count);
    vv_reader reader = tables_reader(&tables->series);
    vv_reader_skip(&reader, tables->series_begins[index]);
    tables_read_entry(&reader, tables, out_entry);
    VV_ASSERT(!vv_reader_is_bad(&reader));
}

varve_text vv_segment_tables_metric(const vv_segment_tables *tables, uint32_t index)
{
    VV_ASSERT(index < tables->series_count);
    uint32_t begin = 0; /* metric_begins[begin] <= index < metric_begins[end] */
    uint32_t end = tables->metric_count;
    while (end - begin > 1) {
        uint32_t middle = begin + (end - begin) / 2;
        if (tables->metric_begins[middle] <= index) {
            begin = middle;
        } else {
            end = middle;
        }
    }
    return tables->metrics[begin];
}

varve_text vv_segment_tables_value(const vv_segment_tables *tables, uint32_t label)
{
    VV_ASSERT(label < tables->label_count);
    uint32_t begin = tables->label_begins[label];
    return vv_text_make(tables->label_text + begin, tables->label_begins[label + 1] - begin);
}
