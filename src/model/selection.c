/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Selections: compiled from what a caller gives, asked about one series, stored and read back.
 *
 * S1  A compiled selection borrows nothing: all its texts lie in its arena.
 * S2  What is stored is what a caller could have given: reading decodes into varve_selection and
 *     compiles that, so stored bytes pass the same checks.
 * S3  Whether a matcher holds for a value is decided in one place, vv_match_value; the index asks
 *     it of distinct values, a delete of single series.
 *
 * Stored form, numbers as varints, texts as size and bytes:
 *
 *     u8 version (1) | u8 flags (bit 0: with internal metrics) | number of items | items
 *     ALL    u8 0
 *     MATCH  u8 2 | u8 has metric | [metric] | number of matchers | { u8 kind | name | value }
 *     EXACT  u8 3 | metric | number of labels | { name | value }
 *
 * Selector text is stored as the MATCH it compiles to. Items and matchers keep their order.
 */
#include "model/selection.h"

#include "base/assert.h"
#include "base/limit.h"
#include "base/reader.h"
#include "base/status.h"
#include "base/utf8.h"
#include "model/labels.h"
#include "model/selector.h"

#define SELECTION_VERSION       1u
#define SELECTION_WITH_INTERNAL 1u

/* A selection under construction. */
typedef struct selection_builder {
    vv_selection *selection;
    vv_alloc *alloc;
    size_t patterns; /* regular expressions so far */
    varve_error *out_err;
} selection_builder;

/* ---- compile ---- */

/* Zeroed items in the arena; NULL is E_NOMEM, since the arena has no limit of its own. */
static void *selection_array(selection_builder *builder, size_t count, size_t item_size)
{
    void *array = vv_arena_zeroed(&builder->selection->arena, count * item_size);
    if (array == NULL) {
        VV_IGNORE(vv_arena_fail(&builder->selection->arena, count * item_size, builder->out_err));
    }
    return array;
}

static varve_status selection_copy(selection_builder *builder, varve_text text,
                                   varve_text *out_copy)
{
    varve_status status = vv_arena_copy(&builder->selection->arena, text, out_copy);
    if (status != VARVE_OK) {
        return vv_arena_fail(&builder->selection->arena, text.size, builder->out_err);
    }
    return VARVE_OK;
}

varve_status vv_matcher_check(const varve_matcher *matcher, varve_error *out_err)
{
    if (matcher->kind > VARVE_MATCH_NOT_REGEX || matcher->flags != 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "matcher has the unknown kind %u or flags 0x%x",
                       matcher->kind, matcher->flags);
    }
    VV_TRY(vv_label_name_check(matcher->name, out_err));
    if (matcher->value.size > VV_METRIC_BYTES_MAX) {
        return vv_fail(out_err, VARVE_E_LIMIT, "matcher value of %zu bytes, max %d",
                       matcher->value.size, VV_METRIC_BYTES_MAX);
    }
    if (!vv_utf8_is_valid(matcher->value)) {
        return vv_fail(out_err, VARVE_E_INVALID, "matcher value is not UTF-8 at byte %zu",
                       vv_utf8_valid_prefix(matcher->value) + 1);
    }
    return VARVE_OK;
}

static varve_status selection_compile_pattern(selection_builder *builder, vv_match *match)
{
    if (builder->patterns == VV_SELECTION_PATTERNS_MAX) {
        return vv_fail_limit(builder->out_err, VARVE_E_LIMIT, VV_LIMIT_REGEX,
                             "more than %u regular expressions", VV_SELECTION_PATTERNS_MAX);
    }
    builder->patterns++;
    return vv_regex_create(match->value, builder->alloc, &match->regex, builder->out_err);
}

static varve_status selection_compile_match(selection_builder *builder,
                                            const varve_matcher *matcher, vv_match *match)
{
    VV_TRY(vv_matcher_check(matcher, builder->out_err));
    VV_TRY(selection_copy(builder, matcher->name, &match->name));
    VV_TRY(selection_copy(builder, matcher->value, &match->value));
    match->kind = matcher->kind;
    match->is_metric = vv_text_equal(matcher->name, VV_TEXT(VV_METRIC_LABEL));
    if (matcher->kind == VARVE_MATCH_REGEX || matcher->kind == VARVE_MATCH_NOT_REGEX) {
        VV_TRY(selection_compile_pattern(builder, match));
    }
    return vv_match_value(match, VV_TEXT(""), &match->matches_empty, builder->out_err);
}

/* `columns` (may be NULL): where each matcher stands in a selector text. */
static varve_status selection_compile_matches(selection_builder *builder,
                                              const varve_matcher *matchers, size_t count,
                                              const uint32_t *columns, vv_selection_item *item)
{
    if (count > VV_SELECTION_MATCHES_MAX) {
        return vv_fail(builder->out_err, VARVE_E_LIMIT, "%zu matchers, max %u", count,
                       VV_SELECTION_MATCHES_MAX);
    }
    item->matches = selection_array(builder, count, sizeof *item->matches);
    if (item->matches == NULL) {
        return VARVE_E_NOMEM;
    }
    item->match_count = count;
    for (size_t index = 0; index < count; index++) {
        varve_status status =
            selection_compile_match(builder, &matchers[index], &item->matches[index]);
        if (status != VARVE_OK) {
            if (columns != NULL) {
                vv_error_prefix(builder->out_err, "at %u", columns[index]);
            }
            return status;
        }
    }
    return VARVE_OK;
}

static varve_status selection_compile_metric(selection_builder *builder, varve_text metric,
                                             vv_selection_item *item)
{
    VV_TRY(vv_metric_check(metric, builder->out_err));
    item->has_metric = true;
    return selection_copy(builder, metric, &item->metric);
}

static varve_status selection_compile_given(selection_builder *builder,
                                            const varve_selection *given, vv_selection_item *item)
{
    item->kind = VARVE_SELECT_MATCH;
    if (given->text.data != NULL) {
        VV_TRY(selection_compile_metric(builder, given->text, item));
    }
    return selection_compile_matches(builder, given->matchers, given->matcher_count, NULL, item);
}

static varve_status selection_compile_text(selection_builder *builder, varve_text text,
                                           vv_selection_item *item)
{
    vv_selector selector;
    VV_TRY(vv_selector_parse(text, &builder->selection->arena, &selector, builder->out_err));
    item->kind = VARVE_SELECT_MATCH;
    if (selector.has_metric) {
        VV_TRY(selection_compile_metric(builder, selector.metric, item));
    }
    return selection_compile_matches(builder, selector.matchers, selector.matcher_count,
                                     selector.columns, item);
}

static varve_status selection_compile_exact(selection_builder *builder,
                                            const varve_selection *given, vv_selection_item *item)
{
    item->kind = VARVE_SELECT_EXACT;
    VV_TRY(selection_compile_metric(builder, given->text, item));
    if (given->label_count > VV_LABELS_MAX) {
        return vv_labels_check(given->labels, given->label_count, builder->out_err);
    }
    varve_label *labels = selection_array(builder, given->label_count, sizeof *labels);
    if (labels == NULL) {
        return VARVE_E_NOMEM;
    }
    if (given->label_count > 0) {
        memcpy(labels, given->labels, given->label_count * sizeof *labels);
    }
    vv_labels_sort(labels, given->label_count);
    VV_TRY(vv_labels_check(labels, given->label_count, builder->out_err));
    for (size_t index = 0; index < given->label_count; index++) {
        VV_TRY(selection_copy(builder, labels[index].name, &labels[index].name));
        VV_TRY(selection_copy(builder, labels[index].value, &labels[index].value));
    }
    item->labels = labels;
    item->label_count = given->label_count;
    return VARVE_OK;
}

static varve_status selection_compile_list(selection_builder *builder, const varve_selection *given,
                                           vv_selection_item *item)
{
    item->kind = VARVE_SELECT_LIST;
    if (given->series_count > UINT32_MAX) {
        return vv_fail(builder->out_err, VARVE_E_LIMIT, "%zu series in a list",
                       given->series_count);
    }
    uint32_t *series = selection_array(builder, given->series_count, sizeof *series);
    if (series == NULL) {
        return VARVE_E_NOMEM;
    }
    for (size_t index = 0; index < given->series_count; index++) {
        uint64_t id = given->series[index].id;
        if (id == 0 || id > UINT32_MAX) {
            return vv_fail(builder->out_err, VARVE_E_INVALID,
                           "series %zu of the list is no handle of this database", index);
        }
        series[index] = (uint32_t)id;
    }
    item->series = series;
    item->series_count = given->series_count;
    return VARVE_OK;
}

static varve_status selection_compile_item(selection_builder *builder, const varve_selection *given,
                                           vv_selection_item *item)
{
    if (given->flags != 0 || given->reserved[0] != 0 || given->reserved[1] != 0) {
        return vv_fail(builder->out_err, VARVE_E_INVALID, "selection has unknown flags");
    }
    switch (given->kind) {
    case VARVE_SELECT_ALL:
        item->kind = VARVE_SELECT_ALL;
        return VARVE_OK;
    case VARVE_SELECT_TEXT:
        return selection_compile_text(builder, given->text, item);
    case VARVE_SELECT_MATCH:
        return selection_compile_given(builder, given, item);
    case VARVE_SELECT_EXACT:
        return selection_compile_exact(builder, given, item);
    case VARVE_SELECT_LIST:
        return selection_compile_list(builder, given, item);
    default:
        return vv_fail(builder->out_err, VARVE_E_INVALID, "selection has the unknown kind %u",
                       given->kind);
    }
}

static varve_status selection_compile_items(selection_builder *builder,
                                            const varve_selection *selections, size_t count)
{
    vv_selection *selection = builder->selection;
    if (count > VV_SELECTION_ITEMS_MAX) {
        return vv_fail(builder->out_err, VARVE_E_LIMIT, "%zu selections, max %u", count,
                       VV_SELECTION_ITEMS_MAX);
    }
    selection->items = selection_array(builder, count, sizeof *selection->items);
    if (selection->items == NULL) {
        return VARVE_E_NOMEM;
    }
    selection->item_count = count;
    for (size_t index = 0; index < count; index++) {
        varve_status status =
            selection_compile_item(builder, &selections[index], &selection->items[index]);
        if (status != VARVE_OK) {
            if (count > 1) {
                vv_error_prefix(builder->out_err, "selection %zu", index);
            }
            return status;
        }
    }
    return VARVE_OK;
}

/* As vv_selection_compile, but count 0 gives no item. */
static varve_status selection_build(const varve_selection *selections, size_t count,
                                    bool with_internal, vv_alloc *alloc,
                                    vv_selection **out_selection, varve_error *out_err)
{
    *out_selection = NULL;
    vv_selection *selection = vv_alloc_zeroed(alloc, sizeof *selection);
    if (selection == NULL) {
        return vv_fail_nomem(out_err, "selection", sizeof *selection);
    }
    vv_arena_init(&selection->arena, alloc, SIZE_MAX);
    selection->with_internal = with_internal;
    selection_builder builder = {.selection = selection, .alloc = alloc, .out_err = out_err};
    varve_status status = selection_compile_items(&builder, selections, count);
    if (status != VARVE_OK) {
        vv_selection_free(selection);
        return status;
    }
    *out_selection = selection;
    return VARVE_OK;
}

varve_status vv_selection_compile(const varve_selection *selections, size_t count,
                                  bool with_internal, vv_alloc *alloc, vv_selection **out_selection,
                                  varve_error *out_err)
{
    static const varve_selection all = {.kind = VARVE_SELECT_ALL};
    if (count == 0) {
        return selection_build(&all, 1, with_internal, alloc, out_selection, out_err);
    }
    return selection_build(selections, count, with_internal, alloc, out_selection, out_err);
}

void vv_selection_free(vv_selection *selection)
{
    if (selection == NULL) {
        return;
    }
    for (size_t item = 0; item < selection->item_count; item++) {
        for (size_t index = 0; index < selection->items[item].match_count; index++) {
            vv_regex_free(selection->items[item].matches[index].regex);
        }
    }
    vv_alloc *alloc = selection->arena.alloc;
    vv_arena_deinit(&selection->arena);
    vv_alloc_free(alloc, selection, sizeof *selection);
}

/* ---- ask ---- */

varve_status vv_match_value(const vv_match *match, varve_text value, bool *out_matches,
                            varve_error *out_err)
{
    bool holds = false;
    if (match->regex != NULL) {
        VV_TRY(vv_regex_match(match->regex, value, &holds, out_err));
    } else {
        holds = vv_text_equal(match->value, value);
    }
    bool is_negated = match->kind == VARVE_MATCH_NOT_EQUAL || match->kind == VARVE_MATCH_NOT_REGEX;
    *out_matches = holds != is_negated;
    return VARVE_OK;
}

static varve_status selection_matches_all(const vv_selection_item *item, varve_text metric,
                                          const varve_label *labels, size_t label_count,
                                          bool *out_matches, varve_error *out_err)
{
    bool matches = !item->has_metric || vv_text_equal(item->metric, metric);
    for (size_t index = 0; matches && index < item->match_count; index++) {
        const vv_match *match = &item->matches[index];
        varve_text value = match->is_metric ? metric : VV_TEXT("");
        if (!match->is_metric) {
            VV_IGNORE(vv_labels_find(labels, label_count, match->name, &value)); /* absent: "" */
        }
        VV_TRY(vv_match_value(match, value, &matches, out_err));
    }
    *out_matches = matches;
    return VARVE_OK;
}

varve_status vv_selection_item_matches(const vv_selection_item *item, varve_text metric,
                                       const varve_label *labels, size_t label_count,
                                       bool *out_matches, varve_error *out_err)
{
    VV_ASSERT(item->kind != VARVE_SELECT_LIST);
    if (item->kind == VARVE_SELECT_EXACT) {
        *out_matches = vv_text_equal(item->metric, metric) &&
                       vv_labels_compare(item->labels, item->label_count, labels, label_count) == 0;
        return VARVE_OK;
    }
    return selection_matches_all(item, metric, labels, label_count, out_matches, out_err);
}

bool vv_selection_item_is_of_all(const vv_selection_item *item)
{
    bool is_of_all = !item->has_metric;
    for (size_t i = 0; i < item->match_count; i++) {
        is_of_all = is_of_all && item->matches[i].matches_empty;
    }
    return is_of_all;
}

bool vv_selection_item_sees_internal(const vv_selection *selection, const vv_selection_item *item)
{
    bool sees = selection->with_internal || item->has_metric || item->kind == VARVE_SELECT_LIST;
    for (size_t index = 0; !sees && index < item->match_count; index++) {
        sees = item->matches[index].is_metric && item->matches[index].kind == VARVE_MATCH_EQUAL;
    }
    return sees;
}

varve_status vv_selection_matches(const vv_selection *selection, varve_text metric,
                                  const varve_label *labels, size_t label_count, bool *out_matches,
                                  varve_error *out_err)
{
    bool is_internal = vv_metric_is_internal(metric);
    bool matches = false;
    for (size_t index = 0; !matches && index < selection->item_count; index++) {
        const vv_selection_item *item = &selection->items[index];
        bool is_asked = item->kind != VARVE_SELECT_LIST &&
                        (!is_internal || vv_selection_item_sees_internal(selection, item));
        if (is_asked) {
            VV_TRY(vv_selection_item_matches(item, metric, labels, label_count, &matches, out_err));
        }
    }
    *out_matches = matches;
    return VARVE_OK;
}

/* ---- store ---- */

static void selection_write_text(vv_buf *out, varve_text text)
{
    vv_buf_append_varint(out, text.size);
    vv_buf_append_text(out, text);
}

static void selection_write_matches(vv_buf *out, const vv_selection_item *item)
{
    vv_buf_append_u8(out, item->has_metric ? 1 : 0);
    if (item->has_metric) {
        selection_write_text(out, item->metric);
    }
    vv_buf_append_varint(out, item->match_count);
    for (size_t index = 0; index < item->match_count; index++) {
        vv_buf_append_u8(out, (uint8_t)item->matches[index].kind);
        selection_write_text(out, item->matches[index].name);
        selection_write_text(out, item->matches[index].value);
    }
}

static void selection_write_exact(vv_buf *out, const vv_selection_item *item)
{
    selection_write_text(out, item->metric);
    vv_buf_append_varint(out, item->label_count);
    for (size_t index = 0; index < item->label_count; index++) {
        selection_write_text(out, item->labels[index].name);
        selection_write_text(out, item->labels[index].value);
    }
}

varve_status vv_selection_encode(const vv_selection *selection, vv_buf *out, varve_error *out_err)
{
    vv_buf_append_u8(out, SELECTION_VERSION);
    vv_buf_append_u8(out, selection->with_internal ? SELECTION_WITH_INTERNAL : 0);
    vv_buf_append_varint(out, selection->item_count);
    for (size_t index = 0; index < selection->item_count; index++) {
        const vv_selection_item *item = &selection->items[index];
        VV_ASSERT(item->kind != VARVE_SELECT_LIST);
        vv_buf_append_u8(out, (uint8_t)item->kind);
        if (item->kind == VARVE_SELECT_MATCH) {
            selection_write_matches(out, item);
        } else if (item->kind == VARVE_SELECT_EXACT) {
            selection_write_exact(out, item);
        }
    }
    return vv_buf_check(out, out_err);
}

/* ---- read ---- */

/* Stored bytes being turned into what a caller would give. */
typedef struct selection_source {
    vv_reader reader;
    vv_arena arena;        /* arrays of varve_selection, varve_matcher, varve_label */
    bool is_out_of_memory; /* the reader was spoilt for want of memory */
    size_t failed_bytes;   /* of the allocation that failed */
} selection_source;

static void *selection_source_array(selection_source *source, size_t count, size_t item_size)
{
    void *array = vv_arena_zeroed(&source->arena, count * item_size);
    if (array == NULL) {
        source->is_out_of_memory = true;
        source->failed_bytes = count * item_size;
        vv_reader_spoil(&source->reader);
    }
    return array;
}

static varve_text selection_read_text(selection_source *source)
{
    size_t size = vv_reader_count(&source->reader, 1, VV_METRIC_BYTES_MAX);
    return vv_reader_text(&source->reader, size);
}

static void selection_read_matches(selection_source *source, varve_selection *given)
{
    vv_reader *reader = &source->reader;
    uint8_t has_metric = vv_reader_u8(reader);
    if (has_metric > 1) {
        vv_reader_spoil(reader);
    } else if (has_metric == 1) {
        given->text = selection_read_text(source);
    }
    size_t count = vv_reader_count(reader, 3, VV_SELECTION_MATCHES_MAX);
    varve_matcher *matchers = selection_source_array(source, count, sizeof *matchers);
    for (size_t index = 0; matchers != NULL && index < count; index++) {
        matchers[index].kind = vv_reader_u8(reader);
        matchers[index].name = selection_read_text(source);
        matchers[index].value = selection_read_text(source);
    }
    given->matchers = matchers;
    given->matcher_count = count;
}

static void selection_read_exact(selection_source *source, varve_selection *given)
{
    given->text = selection_read_text(source);
    size_t count = vv_reader_count(&source->reader, 2, VV_LABELS_MAX);
    varve_label *labels = selection_source_array(source, count, sizeof *labels);
    for (size_t index = 0; labels != NULL && index < count; index++) {
        labels[index].name = selection_read_text(source);
        labels[index].value = selection_read_text(source);
    }
    given->labels = labels;
    given->label_count = count;
}

static varve_selection *selection_read_items(selection_source *source, size_t *out_count)
{
    vv_reader *reader = &source->reader;
    size_t count = vv_reader_count(reader, 1, VV_SELECTION_ITEMS_MAX);
    varve_selection *given = selection_source_array(source, count, sizeof *given);
    for (size_t index = 0; given != NULL && index < count; index++) {
        given[index].kind = vv_reader_u8(reader);
        if (given[index].kind == VARVE_SELECT_MATCH) {
            selection_read_matches(source, &given[index]);
        } else if (given[index].kind == VARVE_SELECT_EXACT) {
            selection_read_exact(source, &given[index]);
        } else if (given[index].kind != VARVE_SELECT_ALL) {
            vv_reader_spoil(reader);
        }
    }
    *out_count = count;
    return given;
}

static varve_status selection_decode(selection_source *source, vv_alloc *alloc,
                                     vv_selection **out_selection, varve_error *out_err)
{
    uint8_t version = vv_reader_u8(&source->reader);
    uint8_t flags = vv_reader_u8(&source->reader);
    if (version != SELECTION_VERSION || flags > SELECTION_WITH_INTERNAL) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "stored selection of version %u, flags 0x%x",
                       version, flags);
    }
    size_t count;
    varve_selection *given = selection_read_items(source, &count);
    if (source->is_out_of_memory) {
        return vv_arena_fail(&source->arena, source->failed_bytes, out_err);
    }
    if (!vv_reader_is_done(&source->reader)) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "stored selection of %zu bytes is none",
                       source->reader.size);
    }
    varve_error why;
    varve_status status =
        selection_build(given, count, flags == SELECTION_WITH_INTERNAL, alloc, out_selection, &why);
    if (status == VARVE_E_INVALID) {
        status = VARVE_E_CORRUPT;
    }
    return status == VARVE_OK ? VARVE_OK
                              : vv_fail(out_err, status, "stored selection: %s", why.message);
}

varve_status vv_selection_decode(vv_bytes bytes, vv_alloc *alloc, vv_selection **out_selection,
                                 varve_error *out_err)
{
    *out_selection = NULL;
    selection_source source = {.reader = vv_reader_of(bytes.data, bytes.size)};
    vv_arena_init(&source.arena, alloc, SIZE_MAX);
    varve_status status = selection_decode(&source, alloc, out_selection, out_err);
    vv_arena_deinit(&source.arena);
    return status;
}
