/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue: names to ids and back.
 *
 *     metric, labels --hash--> by_identity --> series id
 *                                                 |
 *     series   { metric id, [term id ...], schema, labels }
 *                    |           |
 *     symbols   metrics       terms { value, name id } ---> names      fields
 *                    |           |                            |
 *     postings  series...     series...                    series..., values
 *
 * C1  Finding a series or a name, and reading an entry, takes no lock: entries never move, are
 *     complete before their id is published, and all publications are sequentially consistent.
 * C2  The writer lock is held for what is new only. Who did not find something looks again under
 *     the lock before creating it.
 * C3  A failed creation leaves no series, no id in any set, and no gap in ids. Names that were
 *     interned on the way stay: they are what the next try needs, and no listing shows a name
 *     without series.
 * C4  Readers of sets (select, visits) hold the lock as readers, while they combine sets, not while
 *     they match patterns: the values of a name can be walked without it.
 *
 * Memory of an idle series with ten labels, one of them its own: entry 32 B, terms 40 B, lookup 11
 * to 21 B and as much again for the tables it outgrew; its own term 16 + 24 B, text, lookup; a
 * little above one byte in each of the other sets. The array that vv_catalogue_labels makes is 32 B
 * a label more.
 */
#include "index/catalogue.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/slice.h"
#include "base/status.h"
#include "index/catalogue_priv.h"
#include "model/labels.h"
#include "sys/fork_guard.h"

/* ---- memory: a counting layer over the caller's ---- */

static void *catalogue_allocate(void *context, size_t size)
{
    return vv_alloc_new(context, size);
}

static void *catalogue_reallocate(void *context, void *memory, size_t old_size, size_t new_size)
{
    return vv_alloc_resize(context, memory, old_size, new_size);
}

static void catalogue_release(void *context, void *memory, size_t size)
{
    vv_alloc_free(context, memory, size);
}

static void catalogue_init_memory(vv_catalogue *catalogue, vv_alloc *alloc)
{
    varve_allocator source = {
        .context = alloc,
        .allocate = catalogue_allocate,
        .reallocate = catalogue_reallocate,
        .release = catalogue_release,
    };
    catalogue->outer = alloc;
    vv_alloc_init(&catalogue->alloc, &source);
}

size_t vv_catalogue_bytes(const vv_catalogue *catalogue)
{
    return sizeof *catalogue + vv_alloc_bytes(&catalogue->alloc);
}

/* ---- create and free ---- */

static varve_status catalogue_init_locks(vv_catalogue *catalogue, varve_error *out_err)
{
    VV_TRY(vv_rwlock_init(&catalogue->lock, VV_RANK_CATALOGUE, out_err));
    varve_status status = vv_schemas_init(&catalogue->schemas, &catalogue->alloc,
                                          vv_hash_mix2(catalogue->seed, 1), out_err);
    if (status != VARVE_OK) {
        vv_rwlock_deinit(&catalogue->lock);
    }
    return status;
}

varve_status vv_catalogue_create(vv_alloc *alloc, uint64_t hash_seed, uint64_t series_max,
                                 vv_catalogue **out_catalogue, varve_error *out_err)
{
    *out_catalogue = NULL;
    vv_catalogue *catalogue = vv_alloc_zeroed(alloc, sizeof *catalogue);
    if (catalogue == NULL) {
        return vv_fail_nomem(out_err, "catalogue", sizeof *catalogue);
    }
    catalogue_init_memory(catalogue, alloc);
    catalogue->seed = hash_seed;
    catalogue->series_max = series_max;
    catalogue->generation = vv_process_generation();
    varve_status status = catalogue_init_locks(catalogue, out_err);
    if (status != VARVE_OK) {
        vv_alloc_free(alloc, catalogue, sizeof *catalogue);
        return status;
    }
    vv_symbols_init(&catalogue->metrics, &catalogue->alloc, vv_hash_mix2(hash_seed, 2));
    vv_symbols_init(&catalogue->names, &catalogue->alloc, vv_hash_mix2(hash_seed, 3));
    vv_symbols_init(&catalogue->terms, &catalogue->alloc, vv_hash_mix2(hash_seed, 4));
    vv_symbols_init(&catalogue->fields, &catalogue->alloc, vv_hash_mix2(hash_seed, 5));
    vv_table_init(&catalogue->series, &catalogue->alloc, sizeof(vv_series_entry));
    vv_lookup_init(&catalogue->by_identity, &catalogue->alloc);
    vv_arena_init(&catalogue->term_lists, &catalogue->alloc, SIZE_MAX);
    vv_postings_init(&catalogue->postings, &catalogue->alloc);
    atomic_init(&catalogue->series_count, 0);
    vv_catalogue_set_default_policy(catalogue,
                                    (vv_metric_policy){.duplicates = VARVE_DUPLICATES_LAST});
    *out_catalogue = catalogue;
    return VARVE_OK;
}

static void catalogue_free_labels(vv_catalogue *catalogue)
{
    uint32_t count = vv_catalogue_series_count(catalogue);
    for (uint32_t series = 1; series <= count; series++) {
        vv_series_entry *entry = vv_catalogue_entry(catalogue, series);
        varve_label *labels = atomic_load(&entry->labels);
        vv_alloc_free(&catalogue->alloc, labels, entry->label_count * sizeof *labels);
    }
}

bool vv_catalogue_is_quiet(vv_catalogue *catalogue)
{
    vv_mutex *locks[] = {&catalogue->lock.mutex, &catalogue->schemas.lock};
    for (size_t i = 0; i < VV_ARRAY_COUNT(locks); i++) {
        if (!vv_mutex_try_lock(locks[i])) {
            return false;
        }
        vv_mutex_unlock(locks[i]);
    }
    return true;
}

void vv_catalogue_free(vv_catalogue *catalogue)
{
    if (catalogue == NULL) {
        return;
    }
    vv_postings_counts counts = {
        .metrics = vv_symbols_count(&catalogue->metrics),
        .names = vv_symbols_count(&catalogue->names),
        .terms = vv_symbols_count(&catalogue->terms),
    };
    catalogue_free_labels(catalogue);
    vv_postings_deinit(&catalogue->postings, counts);
    vv_arena_deinit(&catalogue->term_lists);
    vv_lookup_deinit(&catalogue->by_identity);
    vv_table_deinit(&catalogue->series);
    vv_symbols_deinit(&catalogue->fields);
    vv_symbols_deinit(&catalogue->terms);
    vv_symbols_deinit(&catalogue->names);
    vv_symbols_deinit(&catalogue->metrics);
    /* In a forked child a thread that is not there may hold a lock for ever: it stays as it is. */
    bool is_own_process = catalogue->generation == vv_process_generation();
    vv_schemas_deinit(&catalogue->schemas, is_own_process);
    if (is_own_process) {
        vv_rwlock_deinit(&catalogue->lock);
    }
    VV_ASSERT(vv_alloc_bytes(&catalogue->alloc) == 0);
    vv_alloc_free(catalogue->outer, catalogue, sizeof *catalogue);
}

/* ---- policies: packed, so that one atomic word holds one ---- */

#define CATALOGUE_POLICY_DUPLICATES 3u
#define CATALOGUE_POLICY_ROW_IDS    4u
#define CATALOGUE_POLICY_OWN        8u

static uint32_t catalogue_pack_policy(vv_metric_policy policy)
{
    VV_ASSERT(policy.duplicates <= CATALOGUE_POLICY_DUPLICATES);
    return policy.duplicates | (policy.has_row_ids ? CATALOGUE_POLICY_ROW_IDS : 0u) |
           (policy.is_own ? CATALOGUE_POLICY_OWN : 0u);
}

static vv_metric_policy catalogue_unpack_policy(uint32_t packed)
{
    return (vv_metric_policy){
        .duplicates = packed & CATALOGUE_POLICY_DUPLICATES,
        .has_row_ids = (packed & CATALOGUE_POLICY_ROW_IDS) != 0,
        .is_own = (packed & CATALOGUE_POLICY_OWN) != 0,
    };
}

static bool catalogue_is_of_rollups(varve_text metric)
{
    size_t size = sizeof VV_ROLLUP_PREFIX - 1;
    return metric.size > size && memcmp(metric.data, VV_ROLLUP_PREFIX, size) == 0;
}

/* ---- metrics, names, terms, fields: new ones, by the writer ---- */

static varve_status catalogue_add_metric_locked(vv_catalogue *catalogue, varve_text metric,
                                                uint32_t *out_id, varve_error *out_err)
{
    vv_rwlock_assert_written(&catalogue->lock);
    uint32_t count = vv_symbols_count(&catalogue->metrics);
    if (vv_table_reserve(&catalogue->postings.metrics, count) != VARVE_OK) {
        return vv_fail_nomem(out_err, "metric", sizeof(vv_metric_entry));
    }
    VV_TRY(vv_symbols_intern(&catalogue->metrics, 0, metric, out_id, out_err));
    if (*out_id > count && catalogue_is_of_rollups(metric)) {
        /* A bucket that is computed again takes the place of the one before. */
        vv_metric_policy last = {.duplicates = VARVE_DUPLICATES_LAST};
        atomic_store(&vv_postings_metric(&catalogue->postings, *out_id)->policy,
                     catalogue_pack_policy(last));
    }
    return VARVE_OK;
}

static varve_status catalogue_add_name_locked(vv_catalogue *catalogue, varve_text name,
                                              uint32_t *out_id, varve_error *out_err)
{
    uint32_t count = vv_symbols_count(&catalogue->names);
    if (vv_table_reserve(&catalogue->postings.names, count) != VARVE_OK) {
        return vv_fail_nomem(out_err, "label name", sizeof(vv_name_entry));
    }
    return vv_symbols_intern(&catalogue->names, 0, name, out_id, out_err);
}

static varve_status catalogue_add_term_locked(vv_catalogue *catalogue, uint32_t name,
                                              varve_text value, uint32_t *out_id,
                                              varve_error *out_err)
{
    uint32_t count = vv_symbols_count(&catalogue->terms);
    if (vv_table_reserve(&catalogue->postings.terms, count) != VARVE_OK) {
        return vv_fail_nomem(out_err, "label value", sizeof(vv_term_entry));
    }
    VV_TRY(vv_symbols_intern(&catalogue->terms, name, value, out_id, out_err));
    if (*out_id > count) {
        vv_postings_link(&catalogue->postings, name, *out_id);
    }
    return VARVE_OK;
}

/* ---- finding a series ---- */

typedef struct catalogue_key {
    varve_text metric;
    const varve_label *labels; /* sorted */
    size_t label_count;
} catalogue_key;

static bool catalogue_equal(const void *context, const void *key, uint32_t id)
{
    const vv_catalogue *catalogue = context;
    const catalogue_key *wanted = key;
    const vv_series_entry *entry = vv_catalogue_entry(catalogue, id);
    if (entry->label_count != wanted->label_count ||
        !vv_text_equal(vv_symbols_text(&catalogue->metrics, entry->metric), wanted->metric)) {
        return false;
    }
    for (size_t index = 0; index < wanted->label_count; index++) {
        const vv_symbol *term = vv_symbols_at(&catalogue->terms, entry->terms[index]);
        varve_text value = {.data = term->data, .size = term->size};
        if (!vv_text_equal(value, wanted->labels[index].value) ||
            !vv_text_equal(vv_symbols_text(&catalogue->names, term->scope),
                           wanted->labels[index].name)) {
            return false;
        }
    }
    return true;
}

static uint64_t catalogue_hash(const vv_catalogue *catalogue, const catalogue_key *key)
{
    return vv_series_identity_hash(key->metric, key->labels, key->label_count, catalogue->seed);
}

uint32_t vv_catalogue_find(const vv_catalogue *catalogue, varve_text metric,
                           const varve_label *labels, size_t label_count)
{
    catalogue_key key = {.metric = metric, .labels = labels, .label_count = label_count};
    return vv_lookup_find(&catalogue->by_identity, catalogue_hash(catalogue, &key), catalogue_equal,
                          catalogue, &key);
}

uint32_t vv_catalogue_find_term(const vv_catalogue *catalogue, varve_text name, varve_text value)
{
    uint32_t name_id = vv_symbols_find(&catalogue->names, 0, name);
    return name_id == 0 ? 0 : vv_symbols_find(&catalogue->terms, name_id, value);
}

/* ---- creating a series ---- */

/* The last step of a creation: memory for the entry, membership in the sets, publication. */
static varve_status catalogue_publish_locked(vv_catalogue *catalogue, const catalogue_key *key,
                                             const vv_postings_place *place, uint32_t *out_series)
{
    uint32_t series = vv_catalogue_series_count(catalogue) + 1;
    size_t terms_bytes = place->label_count * sizeof *place->terms;
    VV_TRY(vv_table_reserve(&catalogue->series, series - 1));
    VV_TRY(vv_lookup_reserve(&catalogue->by_identity));
    vv_arena_mark mark = vv_arena_save(&catalogue->term_lists);
    uint32_t *terms = vv_arena_aligned(&catalogue->term_lists, terms_bytes, sizeof *terms);
    if (terms == NULL) {
        return VARVE_E_NOMEM;
    }
    varve_status status = vv_postings_add(&catalogue->postings, series, place);
    if (status != VARVE_OK) {
        vv_arena_restore(&catalogue->term_lists, mark);
        return status;
    }
    if (terms_bytes > 0) {
        memcpy(terms, place->terms, terms_bytes);
    }
    vv_series_entry *entry = vv_catalogue_entry(catalogue, series);
    entry->metric = place->metric;
    entry->label_count = (uint16_t)place->label_count;
    atomic_init(&entry->is_ring, false);
    entry->terms = terms;
    atomic_init(&entry->schema, &catalogue->schemas.empty);
    atomic_init(&entry->labels, NULL);
    atomic_store(&catalogue->series_count, series); /* C1 */
    vv_lookup_insert(&catalogue->by_identity, catalogue_hash(catalogue, key), series);
    *out_series = series;
    return VARVE_OK;
}

static varve_status catalogue_create_locked(vv_catalogue *catalogue, const catalogue_key *key,
                                            uint32_t *out_series, varve_error *out_err)
{
    vv_rwlock_assert_written(&catalogue->lock);
    VV_NOT_CLEARED uint32_t names[VV_LABELS_MAX];
    VV_NOT_CLEARED uint32_t terms[VV_LABELS_MAX];
    vv_postings_place place = {
        .is_internal = vv_metric_is_internal(key->metric),
        .names = names,
        .terms = terms,
        .label_count = key->label_count,
    };
    VV_TRY(vv_catalogue_check_room(catalogue, out_err));
    VV_TRY(catalogue_add_metric_locked(catalogue, key->metric, &place.metric, out_err));
    for (size_t index = 0; index < key->label_count; index++) {
        const varve_label *label = &key->labels[index];
        VV_TRY(catalogue_add_name_locked(catalogue, label->name, &names[index], out_err));
        VV_TRY(catalogue_add_term_locked(catalogue, names[index], label->value, &terms[index],
                                         out_err));
    }
    if (catalogue_publish_locked(catalogue, key, &place, out_series) != VARVE_OK) {
        return vv_fail_nomem(out_err, "series", sizeof(vv_series_entry));
    }
    return VARVE_OK;
}

static varve_status catalogue_create_series(vv_catalogue *catalogue, const catalogue_key *key,
                                            uint32_t *out_series, varve_error *out_err)
{
    vv_rwlock_write_lock(&catalogue->lock);
    uint32_t series =
        vv_catalogue_find(catalogue, key->metric, key->labels, key->label_count); /* C2 */
    varve_status status = VARVE_OK;
    if (series != 0) {
        *out_series = series;
    } else {
        status = catalogue_create_locked(catalogue, key, out_series, out_err);
    }
    vv_rwlock_write_unlock(&catalogue->lock);
    return status;
}

static varve_status catalogue_resolve_sorted(vv_catalogue *catalogue, const catalogue_key *key,
                                             bool existing_only, uint32_t *out_series,
                                             varve_error *out_err)
{
    uint32_t series = vv_catalogue_find(catalogue, key->metric, key->labels, key->label_count);
    if (VV_LIKELY(series != 0)) {
        *out_series = series;
        return VARVE_OK;
    }
    VV_TRY(vv_metric_check(key->metric, out_err));
    VV_TRY(vv_labels_check(key->labels, key->label_count, out_err));
    if (existing_only) {
        return vv_fail(out_err, VARVE_E_NOT_FOUND, "no such series of '%.*s'",
                       VV_TEXT_ARGS(key->metric));
    }
    return catalogue_create_series(catalogue, key, out_series, out_err);
}

/* Apart, so that the usual call does not pay for the array. */
static VV_NOINLINE varve_status catalogue_resolve_unsorted(vv_catalogue *catalogue,
                                                           const catalogue_key *key,
                                                           bool existing_only, uint32_t *out_series,
                                                           varve_error *out_err)
{
    varve_label labels[VV_LABELS_MAX];
    memcpy(labels, key->labels, key->label_count * sizeof *labels);
    vv_labels_sort(labels, key->label_count);
    catalogue_key sorted = {
        .metric = key->metric,
        .labels = labels,
        .label_count = key->label_count,
    };
    return catalogue_resolve_sorted(catalogue, &sorted, existing_only, out_series, out_err);
}

varve_status vv_catalogue_resolve(vv_catalogue *catalogue, varve_text metric,
                                  const varve_label *labels, size_t label_count, bool existing_only,
                                  uint32_t *out_series, varve_error *out_err)
{
    catalogue_key key = {.metric = metric, .labels = labels, .label_count = label_count};
    if (label_count > VV_LABELS_MAX) {
        return vv_labels_check(labels, label_count, out_err);
    }
    if (VV_LIKELY(vv_labels_are_sorted(labels, label_count))) {
        return catalogue_resolve_sorted(catalogue, &key, existing_only, out_series, out_err);
    }
    return catalogue_resolve_unsorted(catalogue, &key, existing_only, out_series, out_err);
}

/* ---- fields and metrics by name ---- */

varve_status vv_catalogue_field(vv_catalogue *catalogue, varve_text name, bool existing_only,
                                uint32_t *out_field, varve_error *out_err)
{
    uint32_t field = vv_symbols_find(&catalogue->fields, 0, name);
    if (VV_LIKELY(field != 0)) {
        *out_field = field;
        return VARVE_OK;
    }
    VV_TRY(vv_field_name_check(name, out_err));
    if (existing_only) {
        return vv_fail(out_err, VARVE_E_NOT_FOUND, "no such field '%.*s'", VV_TEXT_ARGS(name));
    }
    vv_rwlock_write_lock(&catalogue->lock);
    varve_status status = vv_catalogue_check_bytes(catalogue, out_err);
    if (status == VARVE_OK) {
        status = vv_symbols_intern(&catalogue->fields, 0, name, out_field, out_err);
    }
    vv_rwlock_write_unlock(&catalogue->lock);
    return status;
}

varve_status vv_catalogue_metric_id_of(vv_catalogue *catalogue, varve_text metric,
                                       bool existing_only, uint32_t *out_metric_id,
                                       varve_error *out_err)
{
    uint32_t id = vv_symbols_find(&catalogue->metrics, 0, metric);
    if (VV_LIKELY(id != 0)) {
        *out_metric_id = id;
        return VARVE_OK;
    }
    VV_TRY(vv_metric_check(metric, out_err));
    if (existing_only) {
        return vv_fail(out_err, VARVE_E_NOT_FOUND, "no such metric '%.*s'", VV_TEXT_ARGS(metric));
    }
    vv_rwlock_write_lock(&catalogue->lock);
    varve_status status = catalogue_add_metric_locked(catalogue, metric, out_metric_id, out_err);
    vv_rwlock_write_unlock(&catalogue->lock);
    return status;
}

/* ---- entries ---- */

uint32_t vv_catalogue_series_count(const vv_catalogue *catalogue)
{
    return atomic_load(&catalogue->series_count);
}

uint32_t vv_catalogue_field_count(const vv_catalogue *catalogue)
{
    return vv_symbols_count(&catalogue->fields);
}

uint32_t vv_catalogue_metric_count(const vv_catalogue *catalogue)
{
    return vv_symbols_count(&catalogue->metrics);
}

uint32_t vv_catalogue_metric_id(const vv_catalogue *catalogue, uint32_t series)
{
    return vv_catalogue_entry(catalogue, series)->metric;
}

varve_text vv_catalogue_metric_name(const vv_catalogue *catalogue, uint32_t metric_id)
{
    return vv_symbols_text(&catalogue->metrics, metric_id);
}

varve_text vv_catalogue_metric(const vv_catalogue *catalogue, uint32_t series)
{
    return vv_catalogue_metric_name(catalogue, vv_catalogue_metric_id(catalogue, series));
}

varve_text vv_catalogue_field_name(const vv_catalogue *catalogue, uint32_t field)
{
    return vv_symbols_text(&catalogue->fields, field);
}

static varve_label catalogue_label_of(const vv_catalogue *catalogue, uint32_t term)
{
    const vv_symbol *symbol = vv_symbols_at(&catalogue->terms, term);
    return (varve_label){
        .name = vv_symbols_text(&catalogue->names, symbol->scope),
        .value = {.data = symbol->data, .size = symbol->size},
    };
}

/* Make the array; whoever publishes first wins, and the other gives its own back. */
static varve_status catalogue_make_labels(vv_catalogue *catalogue, vv_series_entry *entry,
                                          const varve_label **out_labels, varve_error *out_err)
{
    size_t bytes = entry->label_count * sizeof(varve_label);
    varve_label *labels = vv_alloc_new(&catalogue->alloc, bytes);
    if (labels == NULL) {
        return vv_fail_nomem(out_err, "labels of a series", bytes);
    }
    for (uint32_t index = 0; index < entry->label_count; index++) {
        labels[index] = catalogue_label_of(catalogue, entry->terms[index]);
    }
    varve_label *expected = NULL;
    if (atomic_compare_exchange_strong(&entry->labels, &expected, labels)) {
        *out_labels = labels;
    } else {
        vv_alloc_free(&catalogue->alloc, labels, bytes);
        *out_labels = expected;
    }
    return VARVE_OK;
}

varve_status vv_catalogue_labels(vv_catalogue *catalogue, uint32_t series,
                                 const varve_label **out_labels, size_t *out_count,
                                 varve_error *out_err)
{
    vv_series_entry *entry = vv_catalogue_entry(catalogue, series);
    const varve_label *labels = atomic_load(&entry->labels);
    *out_labels = NULL;
    if (labels == NULL) {
        VV_TRY(catalogue_make_labels(catalogue, entry, &labels, out_err));
    }
    *out_labels = labels;
    *out_count = entry->label_count;
    return VARVE_OK;
}

bool vv_catalogue_label(const vv_catalogue *catalogue, uint32_t series, varve_text name,
                        varve_text *out_value)
{
    uint32_t name_id = vv_symbols_find(&catalogue->names, 0, name);
    const vv_series_entry *entry = vv_catalogue_entry(catalogue, series);
    for (uint32_t index = 0; name_id != 0 && index < entry->label_count; index++) {
        const vv_symbol *symbol = vv_symbols_at(&catalogue->terms, entry->terms[index]);
        if (symbol->scope == name_id) {
            *out_value = (varve_text){.data = symbol->data, .size = symbol->size};
            return true;
        }
    }
    return false;
}

/* ---- order ---- */

static int catalogue_compare_terms(const vv_catalogue *catalogue, uint32_t a, uint32_t b)
{
    varve_label left = catalogue_label_of(catalogue, a);
    varve_label right = catalogue_label_of(catalogue, b);
    int order = vv_text_compare(left.name, right.name);
    return order != 0 ? order : vv_text_compare(left.value, right.value);
}

int vv_catalogue_compare(const vv_catalogue *catalogue, uint32_t a, uint32_t b)
{
    const vv_series_entry *left = vv_catalogue_entry(catalogue, a);
    const vv_series_entry *right = vv_catalogue_entry(catalogue, b);
    if (left->metric != right->metric) {
        return vv_text_compare(vv_catalogue_metric_name(catalogue, left->metric),
                               vv_catalogue_metric_name(catalogue, right->metric));
    }
    uint32_t common =
        left->label_count < right->label_count ? left->label_count : right->label_count;
    for (uint32_t index = 0; index < common; index++) {
        if (left->terms[index] != right->terms[index]) {
            return catalogue_compare_terms(catalogue, left->terms[index], right->terms[index]);
        }
    }
    return (left->label_count > right->label_count) - (left->label_count < right->label_count);
}

/* ---- schemas ---- */

void vv_catalogue_set_ring(vv_catalogue *catalogue, uint32_t series, bool is_ring)
{
    atomic_store(&vv_catalogue_entry(catalogue, series)->is_ring, is_ring);
}

bool vv_catalogue_is_ring(const vv_catalogue *catalogue, uint32_t series)
{
    return atomic_load(&vv_catalogue_entry(catalogue, series)->is_ring);
}

const vv_schema *vv_catalogue_schema(const vv_catalogue *catalogue, uint32_t series)
{
    return atomic_load(&vv_catalogue_entry(catalogue, series)->schema);
}

varve_status vv_catalogue_set_types(vv_catalogue *catalogue, uint32_t series,
                                    const vv_schema_field *fields, size_t count,
                                    varve_error *out_err)
{
    vv_series_entry *entry = vv_catalogue_entry(catalogue, series);
    const vv_schema *schema = NULL;
    VV_TRY(vv_schemas_change(&catalogue->schemas, atomic_load(&entry->schema), fields, count,
                             &schema, out_err));
    atomic_store(&entry->schema, schema);
    return VARVE_OK;
}

varve_status vv_catalogue_set_type(vv_catalogue *catalogue, uint32_t series, uint32_t field,
                                   uint32_t type, varve_error *out_err)
{
    vv_schema_field change = {.field = field, .type = type};
    return vv_catalogue_set_types(catalogue, series, &change, 1, out_err);
}

/* ---- policies ---- */

void vv_catalogue_set_default_policy(vv_catalogue *catalogue, vv_metric_policy policy)
{
    policy.is_own = false;
    atomic_store(&catalogue->default_policy, catalogue_pack_policy(policy));
}

void vv_catalogue_set_policy(vv_catalogue *catalogue, uint32_t metric_id, vv_metric_policy policy)
{
    /* One that is not its own is the default, also when that changes later. */
    uint32_t packed = policy.is_own ? catalogue_pack_policy(policy) : 0;
    atomic_store(&vv_postings_metric(&catalogue->postings, metric_id)->policy, packed);
}

vv_metric_policy vv_catalogue_policy(const vv_catalogue *catalogue, uint32_t metric_id)
{
    uint32_t packed = atomic_load(&vv_postings_metric(&catalogue->postings, metric_id)->policy);
    return catalogue_unpack_policy(packed != 0 ? packed : atomic_load(&catalogue->default_policy));
}
