/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Sets of rollups: checked, written, read. A set is always made of its stored bytes, so that what a
 * caller gives and what a later open reads are the same.
 *
 *   set         varint next generation, varint count, rollups
 *   rollup      varint generation, varint bytes, definition
 *   definition  id, metric, matchers (varint count; u8 kind, name, value), fields (varint count,
 *               names), zigzag interval, zigzag origin, u8 aggregation, u8 flags
 *   text        varint bytes, bytes
 */

#include "engine/rollup_set.h"

#include <string.h>

#include "base/assert.h"
#include "base/reader.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "model/labels.h"
#include "model/rows.h"
#include "model/selection.h"

/* ---- what a caller gives ---- */

static bool rollup_set_can_keep(uint32_t aggregation)
{
    switch (aggregation) {
    case VARVE_AGG_SUM:
    case VARVE_AGG_MIN:
    case VARVE_AGG_MAX:
    case VARVE_AGG_AVG:
    case VARVE_AGG_FIRST:
    case VARVE_AGG_LAST:
    case VARVE_AGG_COUNT:
    case VARVE_AGG_MEDIAN:
    case VARVE_AGG_RANGE:
    case VARVE_AGG_VARIANCE:
    case VARVE_AGG_STDDEV:
        return true;
    default: /* NONE is no aggregation, quantiles have a parameter, times are not kept */
        return false;
    }
}

static bool rollup_set_is_blank(varve_text text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (strchr(" \t\r\n\v\f", text.data[i]) == NULL || text.data[i] == '\0') {
            return false;
        }
    }
    return true;
}

static varve_status rollup_set_check_id(varve_text id, varve_error *out_err)
{
    if (rollup_set_is_blank(id)) {
        return vv_fail(out_err, VARVE_E_INVALID, "a rollup has a blank id");
    }
    if (id.size > VV_ROLLUP_ID_BYTES_MAX) {
        return vv_fail(out_err, VARVE_E_INVALID, "the id of a rollup has %zu bytes, max %d",
                       id.size, VV_ROLLUP_ID_BYTES_MAX);
    }
    return vv_field_name_check(id, out_err); /* 1 to 256 bytes of UTF-8 are what ids are too */
}

/** The metric and its matchers, as the selection that they are. */
static varve_status rollup_set_check_selection(vv_alloc *alloc, const varve_rollup *rollup,
                                               varve_error *out_err)
{
    VV_TRY(vv_metric_check(rollup->metric, out_err));
    if (vv_metric_is_internal(rollup->metric)) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "the metric begins with \"" VV_INTERNAL_PREFIX "\", which is varve's own");
    }
    if (rollup->matcher_count > VV_ROLLUP_MATCHERS_MAX ||
        (rollup->matchers == NULL && rollup->matcher_count > 0)) {
        return vv_fail(out_err, VARVE_E_INVALID, "%zu matchers, max %d, or none are given",
                       rollup->matcher_count, VV_ROLLUP_MATCHERS_MAX);
    }
    for (size_t i = 0; i < rollup->matcher_count; i++) {
        for (size_t at = 0; at < i; at++) {
            if (rollup->matchers[i].kind == VARVE_MATCH_EQUAL &&
                rollup->matchers[at].kind == VARVE_MATCH_EQUAL &&
                vv_text_equal(rollup->matchers[i].name, rollup->matchers[at].name)) {
                return vv_fail(out_err, VARVE_E_INVALID, "label \"%.*s\" is given twice",
                               VV_TEXT_ARGS(rollup->matchers[i].name));
            }
        }
    }
    varve_selection selection = {.kind = VARVE_SELECT_MATCH,
                                 .text = rollup->metric,
                                 .matchers = rollup->matchers,
                                 .matcher_count = rollup->matcher_count};
    vv_selection *compiled;
    VV_TRY(
        vv_selection_compile(&selection, 1, /* with_internal */ false, alloc, &compiled, out_err));
    vv_selection_free(compiled);
    return VARVE_OK;
}

static varve_status rollup_set_check_fields(const varve_rollup *rollup, varve_error *out_err)
{
    bool wants_all = (rollup->flags & VARVE_ROLLUP_ALL_FIELDS) != 0;
    if (rollup->field_count > VV_ROLLUP_FIELDS_MAX ||
        (rollup->fields == NULL && rollup->field_count > 0)) {
        return vv_fail(out_err, VARVE_E_INVALID, "%zu fields, max %d, or none are given",
                       rollup->field_count, VV_ROLLUP_FIELDS_MAX);
    }
    if (wants_all && rollup->field_count > 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "fields are named, and all are asked for");
    }
    for (size_t i = 0; i < rollup->field_count; i++) {
        VV_TRY(vv_field_name_check(rollup->fields[i], out_err));
        bool is_taken = vv_text_equal(rollup->fields[i], VARVE_STR(VV_ROLLUP_SEQUENCE_FIELD));
        for (size_t at = 0; at < i; at++) {
            is_taken = is_taken || vv_text_equal(rollup->fields[i], rollup->fields[at]);
        }
        if (is_taken) {
            return vv_fail(out_err, VARVE_E_INVALID,
                           "field \"%.*s\" is given twice, or has a name that is varve's own",
                           VV_TEXT_ARGS(rollup->fields[i]));
        }
    }
    return VARVE_OK;
}

static varve_status rollup_set_check_one(vv_alloc *alloc, const varve_rollup *rollup,
                                         varve_error *out_err)
{
    if (rollup->interval <= 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "an interval of %lld; it must be above 0",
                       (long long)rollup->interval);
    }
    if (!rollup_set_can_keep(rollup->aggregation)) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "aggregation %u cannot be kept: SUM, MIN, MAX, AVG, FIRST, LAST, COUNT, "
                       "MEDIAN, RANGE, VARIANCE and STDDEV can",
                       rollup->aggregation);
    }
    uint64_t reserved = rollup->reserved[0] | rollup->reserved[1];
    if ((rollup->flags & ~(uint32_t)VARVE_ROLLUP_ALL_FIELDS) != 0 || reserved != 0) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "flags 0x%x are not known, or reserved members are not zero", rollup->flags);
    }
    VV_TRY(rollup_set_check_fields(rollup, out_err));
    return rollup_set_check_selection(alloc, rollup, out_err);
}

static varve_status rollup_set_check(vv_alloc *alloc, const varve_rollup *rollups, size_t count,
                                     varve_error *out_err)
{
    if (count > VV_ROLLUPS_MAX || (rollups == NULL && count > 0)) {
        return vv_fail(out_err, VARVE_E_INVALID, "%zu rollups, max %d, or none are given", count,
                       VV_ROLLUPS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        VV_TRY(rollup_set_check_id(rollups[i].id, out_err));
        for (size_t at = 0; at < i; at++) {
            if (vv_text_equal(rollups[i].id, rollups[at].id)) {
                return vv_fail(out_err, VARVE_E_INVALID, "two rollups have the id \"%.*s\"",
                               VV_TEXT_ARGS(rollups[i].id));
            }
        }
        varve_status status = rollup_set_check_one(alloc, &rollups[i], out_err);
        if (status != VARVE_OK) {
            vv_error_prefix(out_err, "rollup \"%.*s\"", VV_TEXT_ARGS(rollups[i].id));
            return status;
        }
    }
    return VARVE_OK;
}

/* ---- writing ---- */

static void rollup_set_put_text(vv_buf *out, varve_text text)
{
    (void)vv_buf_append_varint(out, text.size);
    (void)vv_buf_append_text(out, text);
}

static void rollup_set_put_definition(vv_buf *out, const varve_rollup *rollup)
{
    rollup_set_put_text(out, rollup->id);
    rollup_set_put_text(out, rollup->metric);
    (void)vv_buf_append_varint(out, rollup->matcher_count);
    for (size_t i = 0; i < rollup->matcher_count; i++) {
        (void)vv_buf_append_u8(out, (uint8_t)rollup->matchers[i].kind);
        rollup_set_put_text(out, rollup->matchers[i].name);
        rollup_set_put_text(out, rollup->matchers[i].value);
    }
    (void)vv_buf_append_varint(out, rollup->field_count);
    for (size_t i = 0; i < rollup->field_count; i++) {
        rollup_set_put_text(out, rollup->fields[i]);
    }
    (void)vv_buf_append_zigzag(out, rollup->interval);
    (void)vv_buf_append_zigzag(out, rollup->origin);
    (void)vv_buf_append_u8(out, (uint8_t)rollup->aggregation);
    (void)vv_buf_append_u8(out, (uint8_t)rollup->flags);
}

static const vv_rollup *rollup_set_find_definition(const vv_rollup_set *set, vv_bytes definition)
{
    for (size_t i = 0; set != NULL && i < set->count; i++) {
        vv_bytes own = set->items[i].definition;
        if (own.size == definition.size &&
            memcmp(own.data, definition.data, definition.size) == 0) {
            return &set->items[i];
        }
    }
    return NULL;
}

/** The rollup of least id above *after; is_first: of all. */
static const varve_rollup *rollup_set_next(const varve_rollup *rollups, size_t count, bool is_first,
                                           varve_text after)
{
    const varve_rollup *best = NULL;
    for (size_t i = 0; i < count; i++) {
        bool is_left = is_first || vv_text_compare(rollups[i].id, after) > 0;
        if (is_left && (best == NULL || vv_text_compare(rollups[i].id, best->id) < 0)) {
            best = &rollups[i];
        }
    }
    return best;
}

/** S2: generations first, since the next one stands before them. */
static varve_status rollup_set_write(vv_alloc *alloc, const varve_rollup *rollups, size_t count,
                                     const vv_rollup_set *old, bool keeps, vv_buf *out,
                                     varve_error *out_err)
{
    vv_buf items;
    vv_buf definition;
    uint64_t next = old == NULL ? 1 : old->next_generation;
    vv_buf_init(&items, alloc, VV_ROLLUP_SET_BYTES_MAX);
    vv_buf_init(&definition, alloc, VV_ROLLUP_SET_BYTES_MAX);
    varve_text after = {.data = "", .size = 0};
    for (size_t i = 0; i < count; i++) {
        const varve_rollup *rollup = rollup_set_next(rollups, count, i == 0, after);
        VV_ASSERT(rollup != NULL); /* ids are distinct */
        after = rollup->id;
        vv_buf_truncate(&definition, 0);
        rollup_set_put_definition(&definition, rollup);
        const vv_rollup *kept =
            keeps ? rollup_set_find_definition(old, vv_buf_bytes(&definition)) : NULL;
        (void)vv_buf_append_varint(&items, kept != NULL ? kept->generation : next);
        next += kept == NULL ? 1 : 0;
        (void)vv_buf_append_varint(&items, definition.size);
        (void)vv_buf_append(&items, definition.data, definition.size);
    }
    (void)vv_buf_append_varint(out, next);
    (void)vv_buf_append_varint(out, count);
    (void)vv_buf_append(out, items.data, items.size);
    varve_status status = vv_buf_check(&definition, out_err);
    if (status == VARVE_OK) {
        status = vv_buf_check(&items, out_err);
    }
    if (status == VARVE_OK) {
        status = vv_buf_check(out, out_err);
    }
    vv_buf_deinit(&definition);
    vv_buf_deinit(&items);
    return status;
}

/* ---- reading ---- */

static varve_text rollup_set_get_text(vv_reader *reader, size_t size_min, size_t size_max)
{
    size_t size = (size_t)vv_reader_varint_max(reader, size_max);
    if (size < size_min) {
        vv_reader_spoil(reader);
    }
    return vv_reader_text(reader, size);
}

static varve_status rollup_set_get_lists(vv_reader *reader, vv_arena *arena, varve_rollup *out,
                                         varve_error *out_err)
{
    size_t count = vv_reader_count(reader, /* kind and two sizes */ 3, VV_ROLLUP_MATCHERS_MAX);
    varve_matcher *matchers = vv_arena_array(arena, count, sizeof *matchers);
    if (matchers == NULL) {
        return vv_arena_fail(arena, count * sizeof *matchers, out_err);
    }
    for (size_t i = 0; i < count; i++) {
        matchers[i] = (varve_matcher){.kind = vv_reader_u8(reader)};
        matchers[i].name = rollup_set_get_text(reader, 1, VV_LABEL_NAME_BYTES_MAX);
        matchers[i].value = rollup_set_get_text(reader, 0, VV_ROLLUP_SET_BYTES_MAX);
        if (matchers[i].kind > VARVE_MATCH_NOT_REGEX) {
            vv_reader_spoil(reader);
        }
    }
    out->matchers = matchers;
    out->matcher_count = count;
    count = vv_reader_count(reader, /* size and a byte */ 2, VV_ROLLUP_FIELDS_MAX);
    varve_text *fields = vv_arena_array(arena, count, sizeof *fields);
    if (fields == NULL) {
        return vv_arena_fail(arena, count * sizeof *fields, out_err);
    }
    for (size_t i = 0; i < count; i++) {
        fields[i] = rollup_set_get_text(reader, 1, VV_FIELD_NAME_BYTES_MAX);
    }
    out->fields = fields;
    out->field_count = count;
    return VARVE_OK;
}

static varve_status rollup_set_get_one(vv_reader *reader, vv_arena *arena, vv_rollup *out,
                                       varve_error *out_err)
{
    *out = (vv_rollup){.generation = vv_reader_varint(reader)};
    size_t size = (size_t)vv_reader_varint_max(reader, vv_reader_left(reader));
    vv_reader inner = vv_reader_sub(reader, size);
    out->definition = vv_bytes_make(inner.data, inner.size);
    varve_rollup *given = &out->given;
    given->id = rollup_set_get_text(&inner, 1, VV_ROLLUP_ID_BYTES_MAX);
    given->metric = rollup_set_get_text(&inner, 1, VV_METRIC_BYTES_MAX);
    VV_TRY(rollup_set_get_lists(&inner, arena, given, out_err));
    given->interval = vv_reader_zigzag(&inner);
    given->origin = vv_reader_zigzag(&inner);
    given->aggregation = vv_reader_u8(&inner);
    given->flags = vv_reader_u8(&inner);
    if (!vv_reader_is_done(&inner) || !rollup_set_can_keep(given->aggregation) ||
        (given->flags & ~(uint32_t)VARVE_ROLLUP_ALL_FIELDS) != 0 || out->generation == 0 ||
        vv_buckets_init(&out->buckets, given->interval, given->origin, NULL) != VARVE_OK) {
        vv_reader_spoil(reader);
    }
    return VARVE_OK;
}

/** S1, and generations that were given: below the next one, each once. */
static bool rollup_set_is_sound(const vv_rollup_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->items[i].generation >= set->next_generation ||
            (i > 0 && vv_text_compare(set->items[i - 1].given.id, set->items[i].given.id) >= 0)) {
            return false;
        }
        for (size_t at = 0; at < i; at++) {
            if (set->items[at].generation == set->items[i].generation) {
                return false;
            }
        }
    }
    return true;
}

static varve_status rollup_set_get(vv_rollup_set *set, vv_bytes bytes, varve_error *out_err)
{
    uint8_t *own = vv_arena_copy_bytes(&set->arena, bytes.data, bytes.size);
    if (own == NULL) {
        return vv_arena_fail(&set->arena, bytes.size, out_err);
    }
    set->stored = vv_bytes_make(own, bytes.size);
    vv_reader reader = vv_reader_of(own, bytes.size);
    set->next_generation = vv_reader_varint(&reader);
    set->count = vv_reader_count(&reader, /* no rollup is shorter */ 10, VV_ROLLUPS_MAX);
    set->items = vv_arena_array(&set->arena, set->count, sizeof *set->items);
    if (set->items == NULL) {
        return vv_arena_fail(&set->arena, set->count * sizeof *set->items, out_err);
    }
    for (size_t i = 0; i < set->count; i++) {
        VV_TRY(rollup_set_get_one(&reader, &set->arena, &set->items[i], out_err));
    }
    if (!vv_reader_is_done(&reader) || !rollup_set_is_sound(set)) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "a set of rollups of %zu bytes makes no sense",
                       bytes.size);
    }
    return VARVE_OK;
}

varve_status vv_rollup_set_read(vv_bytes bytes, vv_alloc *alloc, vv_rollup_set **out_set,
                                varve_error *out_err)
{
    *out_set = NULL;
    if (bytes.size > VV_ROLLUP_SET_BYTES_MAX) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "a set of rollups has %zu bytes, max %zu",
                       bytes.size, VV_ROLLUP_SET_BYTES_MAX);
    }
    vv_rollup_set *set = vv_alloc_zeroed(alloc, sizeof *set);
    if (set == NULL) {
        return vv_fail_nomem(out_err, "rollups", sizeof *set);
    }
    atomic_init(&set->refs, 1);
    set->alloc = alloc;
    vv_arena_init(&set->arena, alloc, SIZE_MAX);
    varve_status status = rollup_set_get(set, bytes, out_err);
    if (status != VARVE_OK) {
        vv_rollup_set_unref(set);
        return status;
    }
    *out_set = set;
    return VARVE_OK;
}

/* ---- sets ---- */

/** Write and read back; what stays keeps the figures of its runs. */
static varve_status rollup_set_build(vv_alloc *alloc, const varve_rollup *rollups, size_t count,
                                     const vv_rollup_set *old, bool keeps, vv_rollup_set **out_set,
                                     varve_error *out_err)
{
    vv_buf stored;
    vv_buf_init(&stored, alloc, VV_ROLLUP_SET_BYTES_MAX);
    varve_status status = rollup_set_write(alloc, rollups, count, old, keeps, &stored, out_err);
    if (status == VARVE_OK) {
        status = vv_rollup_set_read(vv_buf_bytes(&stored), alloc, out_set, out_err);
    }
    vv_buf_deinit(&stored);
    return status;
}

varve_status vv_rollup_set_make(vv_alloc *alloc, const varve_rollup *rollups, size_t count,
                                const vv_rollup_set *old, vv_rollup_set **out_set,
                                varve_error *out_err)
{
    *out_set = NULL;
    VV_TRY(rollup_set_check(alloc, rollups, count, out_err));
    return rollup_set_build(alloc, rollups, count, old, /* keeps */ true, out_set, out_err);
}

varve_status vv_rollup_set_renew(const vv_rollup_set *old, vv_rollup_set **out_set,
                                 varve_error *out_err)
{
    *out_set = NULL;
    varve_rollup *rollups = vv_alloc_array(old->alloc, old->count, sizeof *rollups);
    if (rollups == NULL) {
        return vv_fail_nomem(out_err, "rollups", old->count * sizeof *rollups);
    }
    for (size_t i = 0; i < old->count; i++) {
        rollups[i] = old->items[i].given;
    }
    varve_status status =
        rollup_set_build(old->alloc, rollups, old->count, old, /* keeps */ false, out_set, out_err);
    vv_alloc_free(old->alloc, rollups, old->count * sizeof *rollups);
    return status;
}

void vv_rollup_set_ref(vv_rollup_set *set)
{
    atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
}

void vv_rollup_set_unref(vv_rollup_set *set)
{
    /* Release and acquire: the last owner sees everything the others did before they left. */
    if (set != NULL && atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) == 1) {
        vv_alloc *alloc = set->alloc;
        vv_arena_deinit(&set->arena);
        vv_alloc_free(alloc, set, sizeof *set);
    }
}

vv_rollup *vv_rollup_set_find(const vv_rollup_set *set, uint64_t generation)
{
    for (size_t i = 0; set != NULL && i < set->count; i++) {
        if (set->items[i].generation == generation) {
            return &set->items[i];
        }
    }
    return NULL;
}

/* ---- names of what is kept ---- */

bool vv_rollup_keeps_field(const varve_rollup *rollup, varve_text name)
{
    if ((rollup->flags & VARVE_ROLLUP_ALL_FIELDS) != 0) {
        return !vv_text_equal(name, VARVE_STR(VV_ROLLUP_SEQUENCE_FIELD));
    }
    if (rollup->field_count == 0) {
        return vv_text_equal(name, VARVE_STR("value"));
    }
    for (size_t i = 0; i < rollup->field_count; i++) {
        if (vv_text_equal(name, rollup->fields[i])) {
            return true;
        }
    }
    return false;
}

varve_text vv_rollup_metric(uint64_t generation, char buffer[VV_ROLLUP_NAME_BYTES])
{
    size_t size = vv_text_format(buffer, VV_ROLLUP_NAME_BYTES, VV_ROLLUP_PREFIX "%llu",
                                 (unsigned long long)generation);
    return (varve_text){.data = buffer, .size = size};
}

uint64_t vv_rollup_generation_of(varve_text metric)
{
    size_t prefix = sizeof VV_ROLLUP_PREFIX - 1;
    uint64_t generation;
    if (metric.size <= prefix || memcmp(metric.data, VV_ROLLUP_PREFIX, prefix) != 0) {
        return 0;
    }
    varve_text digits = {.data = metric.data + prefix, .size = metric.size - prefix};
    return vv_text_parse_u64(digits, &generation) ? generation : 0;
}

varve_status vv_rollup_refuse(varve_text metric, varve_error *out_err)
{
    return vv_fail(out_err, VARVE_E_INVALID,
                   "metric %.*s holds what a rollup keeps: only varve writes and deletes there",
                   VV_TEXT_ARGS(metric));
}
