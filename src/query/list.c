/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Listings: metrics, series, label names, label values, fields. They name what has a visible row in
 * the range: candidates come from the catalogue, and a series is asked for a row only while a name
 * that it would prove is not sure to be listed. Whether a series has a row is asked once, whatever
 * asks; bounds answer it mostly (engine/scan.h), so no row is decoded.
 *
 *   label names   the postings of a name, in the order of ids, until one of its series has a row
 *   label values  the candidates, each only where its value is new; likewise metrics
 *   fields        for each candidate those of its fields that are new, or have another type
 *
 * The names are found when the cursor is opened and given out block by block.
 */

#include <string.h>

#include "base/bitmap.h"
#include "base/map.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/vec.h"
#include "engine/scan.h"
#include "engine/task.h"
#include "index/catalogue.h"
#include "model/rows.h"
#include "model/selection.h"
#include "model/time_range.h"
#include "query/cursor_priv.h"

/* Memory of a listing's cursor: names are kept by reference, 32 bytes each. */
#define LIST_MEMORY_MAX (UINT64_C(1) << 30)
enum { LIST_BLOCK_ROWS = 1024, LIST_POLL_SERIES = 1024 };

typedef struct list_item {
    varve_text text;  /* metric, name or value */
    varve_text field; /* FIELDS */
    uint32_t id;      /* SERIES: series; FIELDS: type */
} list_item;

typedef struct list_state {
    vv_list_kind kind;
    varve_text name;
    varve_range range;
    uint64_t limit;
    uint32_t *series; /* candidates, ascending ids; in the arena */
    size_t series_count;
    vv_scan *scan;
    vv_vec items;     /* list_item */
    vv_map seen;      /* texts of items, by index */
    uint64_t *known;  /* bits by series: it was asked for a row ... */
    uint64_t *proven; /* ... and has one */
    size_t given_at;
} list_state;

static bool list_equal(const void *context, const void *key, uint64_t value)
{
    const list_state *state = context;
    const list_item *items = (const void *)state->items.items;
    const list_item *wanted = key;
    return vv_text_equal(items[value].text, wanted->text) &&
           vv_text_equal(items[value].field, wanted->field);
}

/* ---- candidates ---- */

static varve_status list_select(varve_cursor *cursor, list_state *state,
                                const varve_list_options *options, varve_error *out_err)
{
    vv_selection *selection;
    VV_TRY(vv_selection_compile(options->selections, options->selection_count,
                                (options->flags & VARVE_QUERY_INTERNAL) != 0, &cursor->db->alloc,
                                &selection, out_err));
    vv_idset ids;
    vv_idset_init(&ids);
    varve_status status = vv_catalogue_select(cursor->db->catalogue, selection, &ids, out_err);
    vv_selection_free(selection);
    VV_TRY(status);
    size_t count = vv_idset_count(&ids);
    uint32_t last = 0;
    VV_IGNORE(vv_idset_last(&ids, &last)); /* false: there is none */
    size_t words = vv_bits_words((size_t)last + 1);
    state->series = vv_arena_array(&cursor->arena, count + 1, sizeof *state->series);
    state->known = vv_arena_zeroed(&cursor->arena, words * sizeof *state->known);
    state->proven = vv_arena_zeroed(&cursor->arena, words * sizeof *state->proven);
    if (state->series != NULL && state->known != NULL && state->proven != NULL) {
        vv_idset_cursor walk;
        vv_idset_cursor_init(&walk, &ids);
        state->series_count = vv_idset_cursor_read(&walk, state->series, count);
    } else {
        status = vv_cursor_memory(cursor, out_err);
    }
    vv_idset_deinit(&ids, &cursor->db->alloc);
    return status;
}

static varve_status list_ask(varve_cursor *cursor, list_state *state, uint32_t series,
                             bool *out_exists, varve_error *out_err)
{
    static const uint32_t nothing = 0;
    VV_TRY(vv_cursor_poll(cursor, out_err));
    if (state->scan == NULL) {
        vv_scan_options options = {
            .range = state->range,
            .fields = &nothing,
            .keep_all_rows = true,
            .poll = vv_cursor_poll_context,
            .poll_context = cursor,
            .alloc = &cursor->alloc,
            .scratch = cursor->scratch,
        };
        VV_TRY(vv_scan_open(cursor->view, series, &options, &state->scan, out_err));
    } else {
        VV_TRY(vv_scan_restart(state->scan, series, out_err));
    }
    return vv_scan_has_row(state->scan, out_exists, out_err);
}

/** Whether a series has a visible row in the range; asked once for each. */
static varve_status list_exists(varve_cursor *cursor, list_state *state, uint32_t series,
                                bool *out_exists, varve_error *out_err)
{
    if (!vv_bits_get(state->known, series)) {
        bool exists;
        VV_TRY(list_ask(cursor, state, series, &exists, out_err));
        vv_bits_set(state->known, series);
        vv_bits_put(state->proven, series, exists);
    }
    *out_exists = vv_bits_get(state->proven, series);
    return VARVE_OK;
}

/* ---- items ---- */

static varve_status list_push(varve_cursor *cursor, list_state *state, const list_item *item,
                              varve_error *out_err)
{
    return vv_vec_push(&state->items, item) == VARVE_OK ? VARVE_OK
                                                        : vv_cursor_memory(cursor, out_err);
}

static uint64_t list_hash(const list_state *state, varve_text text, varve_text field)
{
    uint64_t hash = vv_map_hash(&state->seen, text.data, text.size);
    if (field.size > 0) {
        hash ^= vv_map_hash(&state->seen, field.data, field.size) * UINT64_C(0x9e3779b97f4a7c15);
    }
    return hash;
}

/** The item with these texts, or NULL. */
static list_item *list_get(const list_state *state, varve_text text, varve_text field)
{
    uint64_t index;
    list_item key = {.text = text, .field = field};
    list_item *items = (list_item *)(void *)state->items.items;
    bool has = vv_map_find(&state->seen, list_hash(state, text, field), &key, &index);
    return has ? &items[index] : NULL;
}

/** Add an item that is not there yet; its texts live as long as the cursor or the catalogue. */
static varve_status list_add(varve_cursor *cursor, list_state *state, const list_item *item,
                             varve_error *out_err)
{
    VV_TRY(list_push(cursor, state, item, out_err));
    uint64_t hash = list_hash(state, item->text, item->field);
    if (vv_map_insert(&state->seen, hash, state->items.count - 1) != VARVE_OK) {
        return vv_cursor_memory(cursor, out_err);
    }
    return VARVE_OK;
}

/** Metrics, or values of a label: the first visible series with each. */
static varve_status list_values(varve_cursor *cursor, list_state *state, varve_error *out_err)
{
    const vv_catalogue *catalogue = cursor->db->catalogue;
    bool is_metric =
        state->kind == VV_LIST_METRICS || vv_text_equal(state->name, VARVE_STR("__name__"));
    for (size_t i = 0; i < state->series_count; i++) {
        varve_text value;
        bool exists;
        if (i % LIST_POLL_SERIES == 0) {
            VV_TRY(vv_cursor_poll(cursor, out_err));
        }
        if (is_metric) {
            value = vv_catalogue_metric(catalogue, state->series[i]);
        } else if (!vv_catalogue_label(catalogue, state->series[i], state->name, &value)) {
            continue;
        }
        if (list_get(state, value, (varve_text){0}) != NULL) {
            continue;
        }
        VV_TRY(list_exists(cursor, state, state->series[i], &exists, out_err));
        list_item item = {.text = value};
        if (exists && vv_arena_copy(&cursor->arena, value, &item.text) != VARVE_OK) {
            return vv_cursor_memory(cursor, out_err);
        }
        if (exists) {
            VV_TRY(list_add(cursor, state, &item, out_err));
        }
    }
    return VARVE_OK;
}

/** A label name, and the candidates that have the label. */
typedef struct list_name {
    varve_text text;
    vv_idset series;
} list_name;

typedef struct list_names_visit {
    varve_cursor *cursor;
    const vv_idset *candidates;
    vv_vec *names; /* list_name, owned */
    bool has_failed;
} list_names_visit;

/** Copies, for no row may be asked for while the catalogue is being read. */
static bool list_visit_name(void *context, varve_text text, const vv_idset *series)
{
    list_names_visit *visit = context;
    vv_alloc *alloc = &visit->cursor->alloc;
    list_name name;
    vv_idset_init(&name.series);
    visit->has_failed = vv_arena_copy(&visit->cursor->arena, text, &name.text) != VARVE_OK ||
                        vv_idset_and(series, visit->candidates, alloc, &name.series) != VARVE_OK ||
                        vv_vec_push(visit->names, &name) != VARVE_OK;
    if (visit->has_failed) {
        vv_idset_deinit(&name.series, alloc);
    }
    return !visit->has_failed;
}

/** Whether some series of a set has a row. */
static varve_status list_any(varve_cursor *cursor, list_state *state, const vv_idset *series,
                             bool *out_exists, varve_error *out_err)
{
    vv_idset_cursor walk;
    vv_idset_cursor_init(&walk, series);
    uint32_t id;
    *out_exists = false;
    while (!*out_exists && vv_idset_cursor_next(&walk, &id)) {
        VV_TRY(list_exists(cursor, state, id, out_exists, out_err));
    }
    return VARVE_OK;
}

/** The candidates as a set. */
static varve_status list_candidates(varve_cursor *cursor, const list_state *state,
                                    vv_idset *out_set, varve_error *out_err)
{
    for (size_t i = 0; i < state->series_count; i++) {
        if (vv_idset_add(out_set, &cursor->alloc, state->series[i]) != VARVE_OK) {
            return vv_cursor_memory(cursor, out_err);
        }
    }
    return VARVE_OK;
}

/** Each name that the catalogue knows is listed when some visible candidate has the label. */
static varve_status list_names(varve_cursor *cursor, list_state *state, varve_error *out_err)
{
    vv_vec names;
    vv_idset candidates;
    vv_idset_init(&candidates);
    vv_vec_init(&names, &cursor->alloc, sizeof(list_name), SIZE_MAX);
    list_names_visit visit = {.cursor = cursor, .candidates = &candidates, .names = &names};
    varve_status status = list_candidates(cursor, state, &candidates, out_err);
    if (status == VARVE_OK) {
        status = vv_catalogue_visit_names(cursor->db->catalogue, list_visit_name, &visit, out_err);
    }
    if (status == VARVE_OK && visit.has_failed) {
        status = vv_cursor_memory(cursor, out_err);
    }
    list_name *found = (list_name *)(void *)names.items;
    for (size_t i = 0; i < names.count; i++) {
        bool exists = false;
        if (status == VARVE_OK) {
            status = list_any(cursor, state, &found[i].series, &exists, out_err);
        }
        if (exists && status == VARVE_OK) {
            list_item item = {.text = found[i].text};
            status = list_push(cursor, state, &item, out_err);
        }
        vv_idset_deinit(&found[i].series, &cursor->alloc);
    }
    vv_vec_deinit(&names);
    vv_idset_deinit(&candidates, &cursor->alloc);
    return status;
}

static varve_status list_series(varve_cursor *cursor, list_state *state, varve_error *out_err)
{
    for (size_t i = 0; i < state->series_count; i++) {
        bool exists;
        VV_TRY(list_exists(cursor, state, state->series[i], &exists, out_err));
        if (exists) {
            list_item item = {
                .text = vv_catalogue_metric(cursor->db->catalogue, state->series[i]),
                .id = state->series[i],
            };
            VV_TRY(list_push(cursor, state, &item, out_err));
        }
    }
    return VARVE_OK;
}

/** Whether some visible value of the field lies in the range. */
static varve_status list_field_exists(varve_cursor *cursor, const list_state *state,
                                      uint32_t series, uint32_t field, bool *out_exists,
                                      varve_error *out_err)
{
    vv_scan_options options = {
        .range = state->range,
        .fields = &field,
        .field_count = 1,
        .poll = vv_cursor_poll_context,
        .poll_context = cursor,
        .alloc = &cursor->alloc,
        .scratch = cursor->scratch,
    };
    vv_scan *scan;
    VV_TRY(vv_scan_open(cursor->view, series, &options, &scan, out_err));
    varve_status status = vv_scan_has_value(scan, field, out_exists, out_err);
    vv_scan_close(scan);
    return status;
}

/** One field of a series: new, or of another type than elsewhere in the metric, which makes it
 * mixed. */
static varve_status list_field(varve_cursor *cursor, list_state *state, uint32_t series,
                               const vv_schema_field *field, varve_error *out_err)
{
    list_item item = {
        .text = vv_catalogue_metric(cursor->db->catalogue, series),
        .field = vv_catalogue_field_name(cursor->db->catalogue, field->field),
        .id = field->type,
    };
    list_item *listed = list_get(state, item.text, item.field);
    if (listed != NULL && (listed->id == field->type || listed->id == VARVE_TYPE_MIXED)) {
        return VARVE_OK;
    }
    bool exists;
    VV_TRY(list_field_exists(cursor, state, series, field->field, &exists, out_err));
    if (exists && listed != NULL) {
        listed->id = VARVE_TYPE_MIXED;
    } else if (exists) {
        return list_add(cursor, state, &item, out_err);
    }
    return VARVE_OK;
}

static varve_status list_fields(varve_cursor *cursor, list_state *state, varve_error *out_err)
{
    const vv_catalogue *catalogue = cursor->db->catalogue;
    for (size_t i = 0; i < state->series_count; i++) {
        uint32_t series = state->series[i];
        const vv_schema *schema = vv_catalogue_schema(catalogue, series);
        VV_ASSERT(schema != NULL);
        if (i % LIST_POLL_SERIES == 0) {
            VV_TRY(vv_cursor_poll(cursor, out_err));
        }
        for (uint32_t at = 0; at < schema->count; at++) {
            VV_TRY(list_field(cursor, state, series, &schema->fields[at], out_err));
        }
    }
    return VARVE_OK;
}

/* ---- order ---- */

static int list_compare_items(const void *context, const void *a, const void *b)
{
    (void)context;
    const list_item *x = a;
    const list_item *y = b;
    int order = vv_text_compare(x->text, y->text);
    return order != 0 ? order : vv_text_compare(x->field, y->field);
}

static int list_compare_series(const void *context, const void *a, const void *b)
{
    const list_item *x = a;
    const list_item *y = b;
    return vv_catalogue_compare(context, x->id, y->id);
}

static varve_status list_find(varve_cursor *cursor, list_state *state, varve_error *out_err)
{
    switch (state->kind) {
    case VV_LIST_METRICS:
    case VV_LIST_LABEL_VALUES:
        VV_TRY(list_values(cursor, state, out_err));
        break;
    case VV_LIST_SERIES:
        VV_TRY(list_series(cursor, state, out_err));
        return vv_cursor_sort(cursor, state->items.items, state->items.count, sizeof(list_item),
                              list_compare_series, cursor->db->catalogue, out_err);
    case VV_LIST_LABEL_NAMES:
        VV_TRY(list_names(cursor, state, out_err));
        break;
    case VV_LIST_FIELD_NAMES:
        VV_TRY(list_fields(cursor, state, out_err));
        break;
    }
    return vv_cursor_sort(cursor, state->items.items, state->items.count, sizeof(list_item),
                          list_compare_items, NULL, out_err);
}

/* ---- blocks ---- */

static varve_status list_put(vv_block_builder *builder, size_t column, varve_text text,
                             varve_error *out_err)
{
    varve_value value = {.type = VARVE_TYPE_STRING, .as.bytes = text};
    return vv_block_put(builder, column, builder->rows, &value, out_err);
}

static varve_status list_put_type(vv_block_builder *builder, uint32_t type, varve_error *out_err)
{
    const char *name = varve_type_name(type);
    return list_put(builder, 2, (varve_text){.data = name, .size = strlen(name)}, out_err);
}

static varve_status list_begin_block(varve_cursor *cursor, vv_block_builder *builder, size_t rows,
                                     varve_error *out_err)
{
    static const char *const columns[] = {"metric", "metric", "name", "value", "metric"};
    const list_state *state = cursor->state;
    bool has_fields = state->kind == VV_LIST_FIELD_NAMES;
    VV_TRY(vv_block_begin(builder, cursor, has_fields ? 3 : 1, rows, out_err));
    varve_text name = {.data = columns[state->kind], .size = strlen(columns[state->kind])};
    VV_TRY(vv_block_column_set(builder, 0, name, VARVE_TYPE_STRING, out_err));
    if (has_fields) {
        VV_TRY(vv_block_column_set(builder, 1, VARVE_STR("field"), VARVE_TYPE_STRING, out_err));
        VV_TRY(vv_block_column_set(builder, 2, VARVE_STR("type"), VARVE_TYPE_STRING, out_err));
    }
    builder->has_row_series = state->kind == VV_LIST_SERIES;
    return VARVE_OK;
}

static varve_status list_begin(varve_cursor *cursor, vv_block_builder *builder,
                               varve_error *out_err)
{
    return list_begin_block(cursor, builder, 1, out_err);
}

static varve_status list_next(varve_cursor *cursor, varve_error *out_err)
{
    list_state *state = cursor->state;
    size_t count = state->items.count < state->limit ? state->items.count : (size_t)state->limit;
    bool has_fields = state->kind == VV_LIST_FIELD_NAMES;
    if (state->given_at >= count) {
        cursor->is_end = true;
        return VARVE_OK;
    }
    size_t left = count - state->given_at;
    size_t rows = left < LIST_BLOCK_ROWS ? left : (size_t)LIST_BLOCK_ROWS;
    vv_block_builder builder;
    VV_TRY(list_begin_block(cursor, &builder, rows, out_err));
    const list_item *items = (const void *)state->items.items;
    for (size_t i = 0; i < rows; i++) {
        const list_item *item = &items[state->given_at++];
        VV_TRY(list_put(&builder, 0, item->text, out_err));
        if (has_fields) {
            VV_TRY(list_put(&builder, 1, item->field, out_err));
            VV_TRY(list_put_type(&builder, item->id, out_err));
        }
        builder.row_series[builder.rows] = (varve_series){.id = item->id};
        builder.rows++;
    }
    return vv_block_finish(&builder, out_err);
}

static void list_deinit(varve_cursor *cursor)
{
    list_state *state = cursor->state;
    if (state != NULL) {
        vv_scan_close(state->scan);
        vv_map_deinit(&state->seen);
        vv_vec_deinit(&state->items);
    }
}

static const vv_cursor_ops list_ops = {
    .next = list_next, .begin = list_begin, .deinit = list_deinit};

static varve_status list_start(varve_cursor *cursor, vv_list_kind kind, varve_text name,
                               const varve_list_options *options, varve_error *out_err)
{
    list_state *state = vv_arena_zeroed(&cursor->arena, sizeof *state);
    if (state == NULL || vv_arena_copy(&cursor->arena, name, &state->name) != VARVE_OK) {
        return vv_cursor_memory(cursor, out_err);
    }
    state->kind = kind;
    state->range = options->range;
    state->limit = options->limit;
    vv_vec_init(&state->items, &cursor->alloc, sizeof(list_item), SIZE_MAX);
    vv_map_init(&state->seen, &cursor->alloc, (uint64_t)(uintptr_t)state, list_equal, state);
    cursor->state = state;
    cursor->task = options->task;
    cursor->layout = VARVE_LAYOUT_TABLE;
    VV_TRY(vv_range_check(options->range, out_err));
    VV_TRY(list_select(cursor, state, options, out_err));
    return list_find(cursor, state, out_err);
}

varve_status vv_list_open(varve_db *db, vv_list_kind kind, varve_text name,
                          const varve_list_options *options, varve_cursor **out_cursor,
                          varve_error *out_err)
{
    if ((options->flags & ~(uint32_t)VARVE_QUERY_INTERNAL) != 0 ||
        (options->selections == NULL && options->selection_count > 0)) {
        return vv_fail(out_err, VARVE_E_INVALID, "a listing: options are not valid");
    }
    varve_cursor *cursor;
    VV_TRY(vv_cursor_create(db, &list_ops, LIST_MEMORY_MAX, &cursor, out_err));
    varve_status status = list_start(cursor, kind, name, options, out_err);
    if (status != VARVE_OK) {
        vv_cursor_close(cursor);
        return status;
    }
    *out_cursor = cursor;
    return VARVE_OK;
}
