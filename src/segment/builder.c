/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collects the names of a segment while its vectors are written; builder_sections.c turns them into
 * sections.
 *
 * Series come in order, their labels do not come in the order of label numbers: (name, value) pairs
 * are interned as they come and numbered at the end, when all are known:
 *
 *     series:  [schema|2|pair 0|pair 1][schema|3|pair 0|pair 2|pair 3]...     pairs as met
 *     pairs:   {name 0, value, used by 2}, {name 1, ...}, ...                 + number, at the end
 *
 *   B1  Series ascend strictly by (metric, labels); label names of a series ascend strictly.
 *   B2  A series is in the tables when it has a vector.
 *   B3  Pairs are numbered in the order of (name, value), so the pairs of a series, which are in
 *       the order of names, have ascending numbers.
 *   B4  Only fields that some schema has are stored; each of them was defined.
 *   B5  The bytes depend on what was given, not on hashes or addresses.
 */
#include "segment/builder_priv.h"

#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/utf8.h"
#include "segment/layout_priv.h"

/* Key of the pair map. */
typedef struct builder_pair_key {
    uint32_t name;
    varve_text value;
} builder_pair_key;

static uint64_t builder_entry(uint32_t field, uint32_t type)
{
    return (uint64_t)field << 32 | type;
}

static bool builder_name_equal(const void *context, const void *key, uint64_t value)
{
    const vv_segment_builder *builder = context;
    const varve_text *name = key;
    return vv_text_equal(*VV_VEC_AT(&builder->names, varve_text, (size_t)value), *name);
}

static bool builder_pair_equal(const void *context, const void *key, uint64_t value)
{
    const vv_segment_builder *builder = context;
    const builder_pair_key *wanted = key;
    const vv_builder_pair *pair = VV_VEC_AT(&builder->pairs, vv_builder_pair, (size_t)value);
    return pair->name == wanted->name && vv_text_equal(pair->value, wanted->value);
}

static bool builder_schema_equal(const void *context, const void *key, uint64_t value)
{
    const vv_segment_builder *builder = context;
    const vv_vec *wanted = key;
    const vv_builder_schema *schema =
        VV_VEC_AT(&builder->schemas, vv_builder_schema, (size_t)value);
    return schema->count == wanted->count &&
           (schema->count == 0 ||
            memcmp(VV_VEC_AT(&builder->schema_entries, uint64_t, schema->begin), wanted->items,
                   schema->count * sizeof(uint64_t)) == 0);
}

void vv_segment_builder_init(vv_segment_builder *builder, vv_alloc *alloc)
{
    memset(builder, 0, sizeof *builder);
    builder->alloc = alloc;
    vv_arena_init(&builder->texts, alloc, SIZE_MAX);
    vv_vec_init(&builder->names, alloc, sizeof(varve_text), UINT32_MAX);
    vv_map_init(&builder->name_map, alloc, 0, builder_name_equal, builder);
    vv_vec_init(&builder->pairs, alloc, sizeof(vv_builder_pair), UINT32_MAX);
    vv_map_init(&builder->pair_map, alloc, 0, builder_pair_equal, builder);
    vv_vec_init(&builder->fields, alloc, sizeof(vv_builder_field), UINT32_MAX);
    vv_buf_init(&builder->metrics, alloc, VV_SEGMENT_SECTION_BYTES_MAX);
    vv_buf_init(&builder->last_metric, alloc, VV_METRIC_BYTES_MAX);
    vv_vec_init(&builder->series, alloc, sizeof(uint32_t), SIZE_MAX);
    vv_vec_init(&builder->schema, alloc, sizeof(uint64_t), UINT32_MAX);
    vv_vec_init(&builder->schema_entries, alloc, sizeof(uint64_t), SIZE_MAX);
    vv_vec_init(&builder->schemas, alloc, sizeof(vv_builder_schema), UINT32_MAX);
    vv_map_init(&builder->schema_map, alloc, 0, builder_schema_equal, builder);
    vv_buf_init(&builder->current_bytes, alloc, SIZE_MAX);
}

void vv_segment_builder_deinit(vv_segment_builder *builder)
{
    vv_buf_deinit(&builder->current_bytes);
    vv_map_deinit(&builder->schema_map);
    vv_vec_deinit(&builder->schemas);
    vv_vec_deinit(&builder->schema_entries);
    vv_vec_deinit(&builder->schema);
    vv_vec_deinit(&builder->series);
    vv_buf_deinit(&builder->last_metric);
    vv_buf_deinit(&builder->metrics);
    vv_vec_deinit(&builder->fields);
    vv_map_deinit(&builder->pair_map);
    vv_vec_deinit(&builder->pairs);
    vv_map_deinit(&builder->name_map);
    vv_vec_deinit(&builder->names);
    vv_arena_deinit(&builder->texts);
}

/* --- fields --- */

/* Index of the first field with an id at or above `id`. */
static size_t builder_field_position(const vv_segment_builder *builder, uint32_t id)
{
    size_t begin = 0;
    size_t end = builder->fields.count;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        if (VV_VEC_AT(&builder->fields, vv_builder_field, middle)->id < id) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

vv_builder_field *vv_builder_field_find(const vv_segment_builder *builder, uint32_t id)
{
    size_t position = builder_field_position(builder, id);
    if (position == builder->fields.count) {
        return NULL;
    }
    vv_builder_field *field = VV_VEC_AT(&builder->fields, vv_builder_field, position);
    return field->id == id ? field : NULL;
}

varve_status vv_segment_builder_field(vv_segment_builder *builder, uint32_t field, varve_text name,
                                      varve_error *out_err)
{
    if (field == 0 || name.size == 0 || name.size > VV_FIELD_NAME_BYTES_MAX ||
        !vv_utf8_is_valid(name)) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "field %u of a segment: a name of %zu bytes, or no UTF-8", field, name.size);
    }
    const vv_builder_field *known = vv_builder_field_find(builder, field);
    if (known != NULL) {
        if (vv_text_equal(known->name, name)) {
            return VARVE_OK;
        }
        return vv_fail(out_err, VARVE_E_INVALID, "field %u of a segment has two names", field);
    }
    vv_builder_field added = {.id = field};
    if (vv_arena_copy(&builder->texts, name, &added.name) != VARVE_OK) {
        return vv_arena_fail(&builder->texts, name.size, out_err);
    }
    varve_status status =
        vv_vec_insert(&builder->fields, builder_field_position(builder, field), &added);
    return status == VARVE_OK ? VARVE_OK : vv_vec_fail(&builder->fields, status, out_err);
}

/* --- series --- */

static int builder_compare_labels(const varve_label *a, size_t a_count, const varve_label *b,
                                  size_t b_count)
{
    for (size_t index = 0; index < a_count && index < b_count; ++index) {
        int order = vv_text_compare(a[index].name, b[index].name);
        if (order == 0) {
            order = vv_text_compare(a[index].value, b[index].value);
        }
        if (order != 0) {
            return order;
        }
    }
    return a_count < b_count ? -1 : a_count > b_count;
}

static varve_status builder_check_series(const vv_segment_builder *builder, varve_text metric,
                                         const varve_label *labels, size_t label_count,
                                         varve_error *out_err)
{
    if (metric.size == 0 || metric.size > VV_METRIC_BYTES_MAX || label_count > VV_LABELS_MAX) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "series of a segment: metric of %zu bytes, %zu labels", metric.size,
                       label_count);
    }
    for (size_t index = 0; index < label_count; ++index) {
        if (labels[index].name.size == 0 || labels[index].name.size > VV_LABEL_NAME_BYTES_MAX ||
            labels[index].value.size > VV_LABEL_VALUE_BYTES_MAX ||
            (index > 0 && vv_text_compare(labels[index - 1].name, labels[index].name) >= 0)) {
            return vv_fail(
                out_err, VARVE_E_INVALID,
                "series of a segment: label %zu of metric \"%.*s\" is too long or not in "
                "order",
                index, VV_TEXT_ARGS(metric));
        }
    }
    if (builder->has_current) {
        int order = vv_text_compare(builder->current_metric, metric);
        if (order == 0) {
            order = builder_compare_labels(builder->current_labels, builder->current_count, labels,
                                           label_count);
        }
        if (order >= 0) {
            return vv_fail(out_err, VARVE_E_INVALID,
                           "series of a segment: one of metric \"%.*s\" comes out of order",
                           VV_TEXT_ARGS(metric));
        }
    }
    return VARVE_OK;
}

/* Where a text that was appended to a reserved buffer lies. */
static varve_text builder_keep(vv_buf *buf, varve_text text)
{
    varve_text kept = {.data = (const char *)buf->data + buf->size, .size = text.size};
    vv_buf_append_text(buf, text);
    return kept;
}

varve_status vv_segment_builder_series(vv_segment_builder *builder, varve_text metric,
                                       const varve_label *labels, size_t label_count,
                                       varve_error *out_err)
{
    VV_TRY(vv_segment_builder_end(builder, out_err));
    VV_TRY(builder_check_series(builder, metric, labels, label_count, out_err));
    size_t bytes = metric.size; /* at most 65535 + 256 * (256 + 16384): no overflow */
    for (size_t index = 0; index < label_count; ++index) {
        bytes += labels[index].name.size + labels[index].value.size;
    }
    builder->has_current = false; /* its texts are about to go */
    vv_buf_reset(&builder->current_bytes);
    vv_buf_reserve(&builder->current_bytes, bytes);
    VV_TRY(vv_buf_check(&builder->current_bytes, out_err));
    builder->current_metric = builder_keep(&builder->current_bytes, metric);
    for (size_t index = 0; index < label_count; ++index) {
        builder->current_labels[index] = (varve_label){
            .name = builder_keep(&builder->current_bytes, labels[index].name),
            .value = builder_keep(&builder->current_bytes, labels[index].value),
        };
    }
    VV_ASSERT(builder->current_bytes.size == bytes);
    builder->current_count = label_count;
    builder->has_current = true;
    return VARVE_OK;
}

static varve_status builder_intern_name(vv_segment_builder *builder, varve_text name,
                                        uint32_t *out_index, varve_error *out_err)
{
    uint64_t hash = vv_map_hash(&builder->name_map, name.data, name.size);
    uint64_t found = 0;
    if (vv_map_find(&builder->name_map, hash, &name, &found)) {
        *out_index = (uint32_t)found;
        return VARVE_OK;
    }
    varve_text copy;
    if (!vv_utf8_is_valid(name)) {
        return vv_fail(out_err, VARVE_E_INVALID, "label name of a segment is no UTF-8");
    }
    if (vv_arena_copy(&builder->texts, name, &copy) != VARVE_OK) {
        return vv_arena_fail(&builder->texts, name.size, out_err);
    }
    size_t index = builder->names.count;
    varve_status status = vv_vec_push(&builder->names, &copy);
    if (status != VARVE_OK) {
        return vv_vec_fail(&builder->names, status, out_err);
    }
    if (vv_map_insert(&builder->name_map, hash, index) != VARVE_OK) {
        return vv_fail_nomem(out_err, "label names of a segment", vv_map_bytes(&builder->name_map));
    }
    *out_index = (uint32_t)index;
    return VARVE_OK;
}

static varve_status builder_intern_pair(vv_segment_builder *builder, const varve_label *label,
                                        uint32_t *out_index, varve_error *out_err)
{
    builder_pair_key key = {.value = label->value};
    VV_TRY(builder_intern_name(builder, label->name, &key.name, out_err));
    uint64_t hash =
        vv_hash_mix2(vv_map_hash(&builder->pair_map, key.value.data, key.value.size), key.name);
    uint64_t found = 0;
    if (vv_map_find(&builder->pair_map, hash, &key, &found)) {
        *out_index = (uint32_t)found;
        return VARVE_OK;
    }
    vv_builder_pair pair = {.name = key.name};
    if (!vv_utf8_is_valid(key.value)) {
        return vv_fail(out_err, VARVE_E_INVALID, "value of label \"%.*s\" of a segment is no UTF-8",
                       VV_TEXT_ARGS(label->name));
    }
    if (vv_arena_copy(&builder->texts, key.value, &pair.value) != VARVE_OK) {
        return vv_arena_fail(&builder->texts, key.value.size, out_err);
    }
    size_t index = builder->pairs.count;
    varve_status status = vv_vec_push(&builder->pairs, &pair);
    if (status != VARVE_OK) {
        return vv_vec_fail(&builder->pairs, status, out_err);
    }
    if (vv_map_insert(&builder->pair_map, hash, index) != VARVE_OK) {
        return vv_fail_nomem(out_err, "labels of a segment", vv_map_bytes(&builder->pair_map));
    }
    *out_index = (uint32_t)index;
    return VARVE_OK;
}

void vv_builder_append_text(vv_buf *out, varve_text before, varve_text text)
{
    size_t shared = 0;
    while (shared < before.size && shared < text.size && before.data[shared] == text.data[shared]) {
        shared += 1;
    }
    vv_buf_append_varint(out, shared);
    vv_buf_append_varint(out, text.size - shared);
    if (text.size > shared) {
        vv_buf_append(out, text.data + shared, text.size - shared);
    }
}

static varve_status builder_enter_metric(vv_segment_builder *builder, varve_error *out_err)
{
    varve_text metric = builder->current_metric;
    varve_text last = vv_buf_text(&builder->last_metric);
    if (builder->metric_count > 0 && vv_text_equal(last, metric)) {
        builder->metric_series += 1;
        return VARVE_OK;
    }
    if (!vv_utf8_is_valid(metric)) {
        return vv_fail(out_err, VARVE_E_INVALID, "metric name of a segment is no UTF-8");
    }
    if (builder->metric_count > 0) {
        vv_buf_append_varint(&builder->metrics, builder->metric_series);
    }
    vv_builder_append_text(&builder->metrics, last, metric);
    VV_TRY(vv_buf_check(&builder->metrics, out_err));
    builder->metric_count += 1;
    builder->metric_series = 1;
    vv_buf_reset(&builder->last_metric);
    vv_buf_append_text(&builder->last_metric, metric);
    return vv_buf_check(&builder->last_metric, out_err);
}

/* B2: the series begun last enters the tables. */
static varve_status builder_enter_series(vv_segment_builder *builder, varve_error *out_err)
{
    if (builder->series_count >= VV_SEGMENT_COUNT_MAX) {
        return vv_fail(out_err, VARVE_E_LIMIT, "a segment holds at most %u series",
                       VV_SEGMENT_COUNT_MAX);
    }
    VV_TRY(builder_enter_metric(builder, out_err));
    varve_status status = vv_vec_reserve(&builder->series, 2 + builder->current_count);
    if (status != VARVE_OK) {
        return vv_vec_fail(&builder->series, status, out_err);
    }
    builder->series_begin = builder->series.count;
    uint32_t head[2] = {0, (uint32_t)builder->current_count};
    VV_IGNORE(vv_vec_push_many(&builder->series, head, 2)); /* reserved */
    for (size_t index = 0; index < builder->current_count; ++index) {
        uint32_t pair;
        VV_TRY(builder_intern_pair(builder, &builder->current_labels[index], &pair, out_err));
        VV_VEC_AT(&builder->pairs, vv_builder_pair, pair)->count += 1;
        VV_IGNORE(vv_vec_push(&builder->series, &pair)); /* reserved */
    }
    builder->label_total += builder->current_count;
    builder->series_count += 1;
    builder->is_current_open = true;
    vv_vec_clear(&builder->schema);
    return VARVE_OK;
}

varve_status vv_segment_builder_vector(vv_segment_builder *builder, const vv_vector *vector,
                                       varve_error *out_err)
{
    VV_ASSERT(builder->has_current);
    if (!builder->is_current_open) {
        VV_TRY(builder_enter_series(builder, out_err));
    }
    size_t position = 0; /* columns and entries both ascend by field */
    for (uint32_t index = 0; index < vector->column_count; ++index) {
        vv_vector_column column;
        VV_TRY(vv_vector_column_at(vector, index, &column, out_err));
        uint64_t entry = builder_entry(column.field, vv_type_family(column.type));
        while (position < builder->schema.count &&
               *VV_VEC_AT(&builder->schema, uint64_t, position) < entry) {
            position += 1;
        }
        if (position == builder->schema.count ||
            *VV_VEC_AT(&builder->schema, uint64_t, position) != entry) {
            varve_status status = vv_vec_insert(&builder->schema, position, &entry);
            if (status != VARVE_OK) {
                return vv_vec_fail(&builder->schema, status, out_err);
            }
        }
    }
    return VARVE_OK;
}

static varve_status builder_intern_schema(vv_segment_builder *builder, uint32_t *out_index,
                                          varve_error *out_err)
{
    const vv_vec *entries = &builder->schema;
    uint64_t hash =
        vv_map_hash(&builder->schema_map, entries->items, entries->count * sizeof(uint64_t));
    uint64_t found = 0;
    if (vv_map_find(&builder->schema_map, hash, entries, &found)) {
        *out_index = (uint32_t)found;
        return VARVE_OK;
    }
    vv_builder_schema schema = {.begin = builder->schema_entries.count, .count = entries->count};
    varve_status status =
        vv_vec_push_many(&builder->schema_entries, entries->items, entries->count);
    if (status == VARVE_OK) {
        status = vv_vec_push(&builder->schemas, &schema);
    }
    if (status == VARVE_OK) {
        status = vv_map_insert(&builder->schema_map, hash, builder->schemas.count - 1);
    }
    if (status != VARVE_OK) {
        return vv_vec_fail(&builder->schemas, status, out_err);
    }
    *out_index = (uint32_t)(builder->schemas.count - 1);
    return VARVE_OK;
}

varve_status vv_segment_builder_end(vv_segment_builder *builder, varve_error *out_err)
{
    if (!builder->is_current_open) {
        return VARVE_OK;
    }
    uint32_t schema;
    VV_TRY(builder_intern_schema(builder, &schema, out_err));
    *VV_VEC_AT(&builder->series, uint32_t, builder->series_begin) = schema;
    builder->is_current_open = false;
    return VARVE_OK;
}
