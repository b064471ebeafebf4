/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns what builder.c collected into the sections of the file: label numbers, tables, postings.
 * Invariants B3 to B5 of builder.c are kept here. Postings are made by counting: two passes over
 * the series fill one array that holds the lists of all labels, 4 bytes a label of a series.
 */
#include "segment/builder_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bitmap.h"
#include "base/status.h"
#include "segment/layout_priv.h"

/* --- numbering --- */

/* What is sorted: label pairs by (rank of name, value). Names use it with rank 0. */
typedef struct builder_sort_item {
    varve_text text;
    uint32_t rank;
    uint32_t index;
} builder_sort_item;

static int builder_compare_items(const void *a, const void *b)
{
    const builder_sort_item *left = a;
    const builder_sort_item *right = b;
    if (left->rank != right->rank) {
        return left->rank < right->rank ? -1 : 1;
    }
    return vv_text_compare(left->text, right->text);
}

/* Rank of each name by its text. */
static varve_status builder_rank_names(const vv_segment_builder *builder, uint32_t *out_ranks,
                                       varve_error *out_err)
{
    size_t count = builder->names.count;
    builder_sort_item *items = vv_alloc_array(builder->alloc, count, sizeof *items);
    if (items == NULL) {
        return vv_fail_nomem(out_err, "label names of a segment", count * sizeof *items);
    }
    for (size_t index = 0; index < count; ++index) {
        items[index] = (builder_sort_item){
            .text = *VV_VEC_AT(&builder->names, varve_text, index),
            .index = (uint32_t)index,
        };
    }
    qsort(items, count, sizeof *items, builder_compare_items);
    for (size_t rank = 0; rank < count; ++rank) {
        out_ranks[items[rank].index] = (uint32_t)rank;
    }
    vv_alloc_free(builder->alloc, items, count * sizeof *items);
    return VARVE_OK;
}

static varve_status builder_number_pairs(vv_segment_builder *builder, const uint32_t *ranks,
                                         varve_error *out_err)
{
    size_t count = builder->pairs.count;
    builder_sort_item *items = vv_alloc_array(builder->alloc, count, sizeof *items);
    if (items == NULL) {
        return vv_fail_nomem(out_err, "labels of a segment", count * sizeof *items);
    }
    vv_builder_pair *pairs = VV_VEC_ITEMS(&builder->pairs, vv_builder_pair);
    for (size_t index = 0; index < count; ++index) {
        items[index] = (builder_sort_item){
            .text = pairs[index].value,
            .rank = ranks[pairs[index].name],
            .index = (uint32_t)index,
        };
    }
    qsort(items, count, sizeof *items, builder_compare_items);
    for (size_t number = 0; number < count; ++number) {
        pairs[items[number].index].number = (uint32_t)number;
    }
    vv_alloc_free(builder->alloc, items, count * sizeof *items);
    return VARVE_OK;
}

/* B4: which fields are used, and that all are defined. */
static varve_status builder_number_fields(vv_segment_builder *builder, varve_error *out_err)
{
    for (size_t index = 0; index < builder->schema_entries.count; ++index) {
        uint32_t id = (uint32_t)(*VV_VEC_AT(&builder->schema_entries, uint64_t, index) >> 32);
        vv_builder_field *field = vv_builder_field_find(builder, id);
        if (field == NULL) {
            return vv_fail(out_err, VARVE_E_INVALID,
                           "a vector of a segment has field %u, which has no name", id);
        }
        field->is_used = true;
    }
    uint32_t next = 0;
    for (size_t index = 0; index < builder->fields.count; ++index) {
        vv_builder_field *field = VV_VEC_AT(&builder->fields, vv_builder_field, index);
        field->index = next;
        next += field->is_used ? 1 : 0;
    }
    return VARVE_OK;
}

varve_status vv_segment_builder_number(vv_segment_builder *builder, varve_error *out_err)
{
    VV_ASSERT(!builder->is_current_open);
    VV_TRY(builder_number_fields(builder, out_err));
    size_t bytes = builder->names.count * sizeof(uint32_t);
    uint32_t *ranks = vv_alloc_new(builder->alloc, bytes);
    if (ranks == NULL) {
        return vv_fail_nomem(out_err, "label names of a segment", bytes);
    }
    varve_status status = builder_rank_names(builder, ranks, out_err);
    if (status == VARVE_OK) {
        status = builder_number_pairs(builder, ranks, out_err);
    }
    vv_alloc_free(builder->alloc, ranks, bytes);
    return status;
}

/* --- sections --- */

static void builder_write_fields(const vv_segment_builder *builder, vv_buf *out)
{
    uint32_t used = 0;
    for (size_t index = 0; index < builder->fields.count; ++index) {
        used += VV_VEC_AT(&builder->fields, vv_builder_field, index)->is_used ? 1 : 0;
    }
    vv_buf_append_varint(out, used);
    uint32_t before = 0;
    for (size_t index = 0; index < builder->fields.count; ++index) {
        const vv_builder_field *field = VV_VEC_AT(&builder->fields, vv_builder_field, index);
        if (field->is_used) {
            vv_buf_append_varint(out, field->id - before);
            vv_buf_append_varint(out, field->name.size);
            vv_buf_append_text(out, field->name);
            before = field->id;
        }
    }
}

static void builder_write_schemas(const vv_segment_builder *builder, vv_buf *out)
{
    vv_buf_append_varint(out, builder->schemas.count);
    for (size_t index = 0; index < builder->schemas.count; ++index) {
        const vv_builder_schema *schema = VV_VEC_AT(&builder->schemas, vv_builder_schema, index);
        vv_buf_append_varint(out, schema->count);
        uint32_t before = 0;
        for (size_t entry = schema->begin; entry < schema->begin + schema->count; ++entry) {
            uint64_t key = *VV_VEC_AT(&builder->schema_entries, uint64_t, entry);
            const vv_builder_field *found = vv_builder_field_find(builder, (uint32_t)(key >> 32));
            VV_ASSERT(found != NULL); /* B4 */
            uint32_t field = found->index;
            vv_buf_append_varint(out, field - before);
            vv_buf_append_u8(out, (uint8_t)(key & 0xFF));
            before = field;
        }
    }
}

static void builder_write_metrics(const vv_segment_builder *builder, vv_buf *out)
{
    vv_buf_append_varint(out, builder->metric_count);
    vv_buf_append(out, builder->metrics.data, builder->metrics.size);
    vv_buf_append_varint(out, builder->metric_series);
}

/* Pairs by label number. */
static varve_status builder_order_pairs(const vv_segment_builder *builder, uint32_t **out_order,
                                        varve_error *out_err)
{
    size_t count = builder->pairs.count;
    uint32_t *order = vv_alloc_array(builder->alloc, count, sizeof *order);
    if (order == NULL) {
        return vv_fail_nomem(out_err, "labels of a segment", count * sizeof *order);
    }
    for (size_t index = 0; index < count; ++index) {
        order[VV_VEC_AT(&builder->pairs, vv_builder_pair, index)->number] = (uint32_t)index;
    }
    *out_order = order;
    return VARVE_OK;
}

/* One name with its values: the pairs order[begin] .. order[end - 1]. */
static void builder_write_label_name(const vv_segment_builder *builder, const uint32_t *order,
                                     size_t begin, size_t end, varve_text name_before, vv_buf *out)
{
    const vv_builder_pair *pairs = VV_VEC_ITEMS(&builder->pairs, vv_builder_pair);
    varve_text name = *VV_VEC_AT(&builder->names, varve_text, pairs[order[begin]].name);
    vv_builder_append_text(out, name_before, name);
    vv_buf_append_varint(out, end - begin);
    varve_text before = {.data = NULL, .size = 0};
    for (size_t index = begin; index < end; ++index) {
        vv_builder_append_text(out, before, pairs[order[index]].value);
        before = pairs[order[index]].value;
    }
}

static varve_status builder_write_labels(const vv_segment_builder *builder, vv_buf *out,
                                         varve_error *out_err)
{
    uint32_t *order;
    VV_TRY(builder_order_pairs(builder, &order, out_err));
    const vv_builder_pair *pairs = VV_VEC_ITEMS(&builder->pairs, vv_builder_pair);
    size_t count = builder->pairs.count;
    vv_buf_append_varint(out, builder->names.count); /* a name is interned with a value */
    varve_text before = {.data = NULL, .size = 0};
    for (size_t begin = 0; begin < count;) {
        uint32_t name = pairs[order[begin]].name;
        size_t end = begin + 1;
        while (end < count && pairs[order[end]].name == name) {
            end += 1;
        }
        builder_write_label_name(builder, order, begin, end, before, out);
        before = *VV_VEC_AT(&builder->names, varve_text, name);
        begin = end;
    }
    vv_alloc_free(builder->alloc, order, count * sizeof *order);
    return VARVE_OK;
}

static void builder_write_series(const vv_segment_builder *builder, vv_buf *out)
{
    const uint32_t *item = VV_VEC_ITEMS(&builder->series, uint32_t);
    const vv_builder_pair *pairs = VV_VEC_ITEMS(&builder->pairs, vv_builder_pair);
    for (uint32_t series = 0; series < builder->series_count; ++series) {
        uint32_t label_count = item[1];
        vv_buf_append_varint(out, item[0]);
        vv_buf_append_varint(out, label_count);
        uint32_t before = 0;
        for (uint32_t label = 0; label < label_count; ++label) {
            uint32_t number = pairs[item[2 + label]].number;
            VV_DEBUG_ASSERT(label == 0 || number > before); /* B3 */
            vv_buf_append_varint(out, number - before);
            before = number;
        }
        item += 2 + label_count;
    }
}

/* Series of each label number, by counting: ends[number] is where its list ends in `lists`. */
static void builder_fill_postings(const vv_segment_builder *builder, uint64_t *ends,
                                  uint32_t *lists)
{
    const vv_builder_pair *pairs = VV_VEC_ITEMS(&builder->pairs, vv_builder_pair);
    for (size_t index = 0; index < builder->pairs.count; ++index) {
        ends[pairs[index].number] = pairs[index].count;
    }
    uint64_t begin = 0;
    for (size_t number = 0; number < builder->pairs.count; ++number) {
        uint64_t count = ends[number];
        ends[number] = begin;
        begin += count;
    }
    const uint32_t *item = VV_VEC_ITEMS(&builder->series, uint32_t);
    for (uint32_t series = 0; series < builder->series_count; ++series) {
        for (uint32_t label = 0; label < item[1]; ++label) {
            uint64_t *end = &ends[pairs[item[2 + label]].number];
            lists[*end] = series;
            *end += 1;
        }
        item += 2 + item[1];
    }
    VV_ASSERT(begin == builder->label_total);
}

static varve_status builder_write_lists(const vv_segment_builder *builder, const uint64_t *ends,
                                        const uint32_t *lists, vv_buf *out, varve_error *out_err)
{
    uint64_t begin = 0;
    for (size_t number = 0; number < builder->pairs.count; ++number) {
        vv_idset set;
        if (vv_idset_from_sorted(lists + begin, (size_t)(ends[number] - begin), builder->alloc,
                                 &set) != VARVE_OK) {
            return vv_fail_nomem(out_err, "postings of a segment", (size_t)(ends[number] - begin));
        }
        vv_idset_write(&set, out);
        vv_idset_deinit(&set, builder->alloc);
        begin = ends[number];
    }
    return VARVE_OK;
}

static varve_status builder_write_postings(const vv_segment_builder *builder, vv_buf *out,
                                           varve_error *out_err)
{
    size_t ends_bytes = builder->pairs.count * sizeof(uint64_t);
    size_t lists_bytes = (size_t)builder->label_total * sizeof(uint32_t);
    uint64_t *ends = vv_alloc_new(builder->alloc, ends_bytes);
    uint32_t *lists = vv_alloc_new(builder->alloc, lists_bytes);
    varve_status status;
    if (ends == NULL || lists == NULL) {
        status = vv_fail_nomem(out_err, "postings of a segment", ends_bytes + lists_bytes);
    } else {
        builder_fill_postings(builder, ends, lists);
        status = builder_write_lists(builder, ends, lists, out, out_err);
    }
    vv_alloc_free(builder->alloc, lists, lists_bytes);
    vv_alloc_free(builder->alloc, ends, ends_bytes);
    return status;
}

varve_status vv_segment_builder_section(vv_segment_builder *builder, uint32_t kind, vv_buf *out,
                                        varve_error *out_err)
{
    VV_ASSERT(builder->series_count > 0);
    varve_status status = VARVE_OK;
    switch (kind) {
    case VV_SECTION_FIELDS:
        builder_write_fields(builder, out);
        break;
    case VV_SECTION_SCHEMAS:
        builder_write_schemas(builder, out);
        break;
    case VV_SECTION_METRICS:
        builder_write_metrics(builder, out);
        break;
    case VV_SECTION_LABELS:
        status = builder_write_labels(builder, out, out_err);
        break;
    case VV_SECTION_SERIES:
        builder_write_series(builder, out);
        break;
    case VV_SECTION_POSTINGS:
        status = builder_write_postings(builder, out, out_err);
        break;
    default:
        VV_ASSERT(false); /* not a section of the builder */
    }
    if (status == VARVE_OK) {
        status = vv_buf_check(out, out_err);
        if (status != VARVE_OK) {
            vv_error_prefix(out_err, "section %s of a segment", vv_section_name(kind));
        }
    }
    return status;
}
