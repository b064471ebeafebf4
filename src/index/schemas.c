/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interned sets of typed fields.
 *
 * M1  Fields stand ascending, so equal sets are equal bytes.
 * M2  A set is complete before it can be found, and never changes after.
 */
#include "index/schemas.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/slice.h"
#include "base/status.h"

_Static_assert(sizeof(vv_schema_field) == 8, "without padding: hashed and compared as bytes");

varve_status vv_schemas_init(vv_schemas *schemas, vv_alloc *alloc, uint64_t seed,
                             varve_error *out_err)
{
    schemas->empty = (vv_schema){.id = 0, .count = 0, .fields = NULL};
    schemas->seed = seed;
    schemas->alloc = alloc;
    schemas->count = 0;
    vv_table_init(&schemas->entries, alloc, sizeof(const vv_schema *));
    vv_lookup_init(&schemas->lookup, alloc);
    vv_arena_init(&schemas->storage, alloc, SIZE_MAX);
    return vv_mutex_init(&schemas->lock, VV_RANK_SCHEMA, 0, out_err);
}

void vv_schemas_deinit(vv_schemas *schemas, bool with_lock)
{
    if (with_lock) {
        vv_mutex_deinit(&schemas->lock);
    }
    vv_arena_deinit(&schemas->storage);
    vv_lookup_deinit(&schemas->lookup);
    vv_table_deinit(&schemas->entries);
}

static const vv_schema *schemas_at(const vv_schemas *schemas, uint32_t id)
{
    return *VV_TABLE_AT(&schemas->entries, const vv_schema *, id - 1);
}

static bool schemas_equal(const void *context, const void *key, uint32_t id)
{
    const vv_schema *wanted = key;
    const vv_schema *schema = schemas_at(context, id);
    return schema->count == wanted->count &&
           memcmp(schema->fields, wanted->fields, wanted->count * sizeof *wanted->fields) == 0;
}

/* Store a set that is not there. */
static varve_status schemas_add_locked(vv_schemas *schemas, const vv_schema *wanted, uint64_t hash,
                                       const vv_schema **out_schema)
{
    vv_mutex_assert_held(&schemas->lock);
    VV_TRY(vv_table_reserve(&schemas->entries, schemas->count));
    VV_TRY(vv_lookup_reserve(&schemas->lookup));
    vv_arena_mark mark = vv_arena_save(&schemas->storage);
    vv_schema *schema = vv_arena_new(&schemas->storage, sizeof *schema);
    const vv_schema_field *fields = vv_arena_copy_bytes(&schemas->storage, wanted->fields,
                                                        wanted->count * sizeof *wanted->fields);
    if (schema == NULL || fields == NULL) {
        vv_arena_restore(&schemas->storage, mark);
        return VARVE_E_NOMEM;
    }
    *schema = (vv_schema){
        .id = schemas->count + 1,
        .count = wanted->count,
        .fields = fields,
    };
    *VV_TABLE_AT(&schemas->entries, const vv_schema *, schemas->count) = schema;
    schemas->count += 1;
    vv_lookup_insert(&schemas->lookup, hash, schema->id); /* M2 */
    *out_schema = schema;
    return VARVE_OK;
}

static varve_status schemas_intern(vv_schemas *schemas, const vv_schema *wanted,
                                   const vv_schema **out_schema)
{
    uint64_t hash =
        vv_hash64(wanted->fields, wanted->count * sizeof *wanted->fields, schemas->seed);
    uint32_t id = vv_lookup_find(&schemas->lookup, hash, schemas_equal, schemas, wanted);
    varve_status status = VARVE_OK;
    if (id == 0) {
        vv_mutex_lock(&schemas->lock);
        id = vv_lookup_find(&schemas->lookup, hash, schemas_equal, schemas, wanted);
        if (id == 0) {
            status = schemas_add_locked(schemas, wanted, hash, out_schema);
        }
        vv_mutex_unlock(&schemas->lock);
    }
    if (id != 0) {
        *out_schema = schemas_at(schemas, id);
    }
    return status;
}

uint32_t vv_schema_place(const vv_schema *schema, uint32_t begin, uint32_t field)
{
    uint32_t end = begin;
    for (uint32_t step = 1; end < schema->count && schema->fields[end].field < field; step *= 2) {
        begin = end + 1;
        end = step < schema->count - end ? end + step : schema->count;
    }
    while (begin < end) {
        uint32_t middle = begin + (end - begin) / 2;
        if (schema->fields[middle].field < field) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

/* Whether a set holds all the changes already. */
static bool schemas_has_all(const vv_schema *schema, const vv_schema_field *changes, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        uint32_t place = vv_schema_place(schema, 0, changes[index].field);
        if (place == schema->count || schema->fields[place].field != changes[index].field ||
            schema->fields[place].type != changes[index].type) {
            return false;
        }
    }
    return true;
}

/* Put a change into a sorted array with room for one more; returns the new count. */
static size_t schemas_put(vv_schema_field *fields, size_t count, vv_schema_field change)
{
    const vv_schema set = {.count = (uint32_t)count, .fields = fields};
    size_t place = vv_schema_place(&set, 0, change.field);
    if (place < count && fields[place].field == change.field) {
        fields[place].type = change.type;
        return count;
    }
    memmove(fields + place + 1, fields + place, (count - place) * sizeof *fields);
    fields[place] = change;
    return count + 1;
}

varve_status vv_schemas_change(vv_schemas *schemas, const vv_schema *from,
                               const vv_schema_field *changes, size_t change_count,
                               const vv_schema **out_schema, varve_error *out_err)
{
    if (schemas_has_all(from, changes, change_count)) {
        *out_schema = from;
        return VARVE_OK;
    }
    size_t capacity = from->count + change_count;
    vv_schema_field *fields = vv_alloc_array(schemas->alloc, capacity, sizeof *fields);
    if (fields == NULL) {
        return vv_fail_nomem(out_err, "fields of a series", capacity * sizeof *fields);
    }
    size_t count = from->count;
    if (count > 0) {
        memcpy(fields, from->fields, count * sizeof *fields);
    }
    for (size_t index = 0; index < change_count; index++) {
        count = schemas_put(fields, count, changes[index]);
    }
    varve_status status = VARVE_OK;
    if (count > VV_SCHEMA_FIELDS_MAX) {
        status = vv_fail(out_err, VARVE_E_LIMIT, "a series has at most %u fields, not %zu",
                         VV_SCHEMA_FIELDS_MAX, count);
    } else {
        vv_schema wanted = {.count = (uint32_t)count, .fields = fields};
        status = schemas_intern(schemas, &wanted, out_schema);
        if (status != VARVE_OK) {
            status = vv_fail_nomem(out_err, "set of fields", count * sizeof *fields);
        }
    }
    vv_alloc_free(schemas->alloc, fields, capacity * sizeof *fields);
    return status;
}
