/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interned texts.
 *
 * Y1  An entry is complete before its id can be found or counted, and never changes after.
 * Y2  The hash is seeded by the caller, with randomness of the process: texts come from outside,
 *     and nobody may choose them so that they collide.
 */
#include "index/symbols.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/slice.h"
#include "base/status.h"

/* What a lookup compares with. */
typedef struct symbols_key {
    uint32_t scope;
    varve_text text;
} symbols_key;

void vv_symbols_init(vv_symbols *symbols, vv_alloc *alloc, uint64_t seed)
{
    vv_table_init(&symbols->entries, alloc, sizeof(vv_symbol));
    vv_lookup_init(&symbols->lookup, alloc);
    vv_arena_init(&symbols->texts, alloc, SIZE_MAX);
    symbols->seed = seed;
    atomic_init(&symbols->count, 0);
}

void vv_symbols_deinit(vv_symbols *symbols)
{
    vv_arena_deinit(&symbols->texts);
    vv_lookup_deinit(&symbols->lookup);
    vv_table_deinit(&symbols->entries);
    atomic_store(&symbols->count, 0);
}

static bool symbols_equal(const void *context, const void *key, uint32_t id)
{
    const vv_symbols *symbols = context;
    const symbols_key *wanted = key;
    const vv_symbol *symbol = vv_symbols_at(symbols, id);
    return symbol->scope == wanted->scope && symbol->size == wanted->text.size &&
           (symbol->size == 0 || memcmp(symbol->data, wanted->text.data, symbol->size) == 0);
}

static uint64_t symbols_hash(const vv_symbols *symbols, const symbols_key *key)
{
    return vv_hash64(key->text.data, key->text.size, symbols->seed ^ vv_hash_mix(key->scope));
}

uint32_t vv_symbols_find(const vv_symbols *symbols, uint32_t scope, varve_text text)
{
    symbols_key key = {.scope = scope, .text = text};
    return vv_lookup_find(&symbols->lookup, symbols_hash(symbols, &key), symbols_equal, symbols,
                          &key);
}

/* Add a text that is not there. */
static varve_status symbols_add(vv_symbols *symbols, const symbols_key *key, uint32_t *out_id)
{
    uint32_t count = vv_symbols_count(symbols);
    VV_TRY(vv_table_reserve(&symbols->entries, count));
    VV_TRY(vv_lookup_reserve(&symbols->lookup));
    char *data = vv_arena_aligned(&symbols->texts, key->text.size, 1);
    if (data == NULL) {
        return VARVE_E_NOMEM;
    }
    if (key->text.size > 0) {
        memcpy(data, key->text.data, key->text.size);
    }
    *VV_TABLE_AT(&symbols->entries, vv_symbol, count) = (vv_symbol){
        .data = data,
        .size = (uint32_t)key->text.size,
        .scope = key->scope,
    };
    vv_lookup_insert(&symbols->lookup, symbols_hash(symbols, key), count + 1); /* Y1 */
    atomic_store(&symbols->count, count + 1);
    *out_id = count + 1;
    return VARVE_OK;
}

varve_status vv_symbols_intern(vv_symbols *symbols, uint32_t scope, varve_text text,
                               uint32_t *out_id, varve_error *out_err)
{
    VV_ASSERT(text.size <= UINT32_MAX);
    uint32_t id = vv_symbols_find(symbols, scope, text);
    if (id != 0) {
        *out_id = id;
        return VARVE_OK;
    }
    if (vv_symbols_count(symbols) == UINT32_MAX - 1) {
        return vv_fail(out_err, VARVE_E_LIMIT, "no more names: %u are known", UINT32_MAX - 1);
    }
    symbols_key key = {.scope = scope, .text = text};
    varve_status status = symbols_add(symbols, &key, out_id);
    return status == VARVE_OK ? VARVE_OK : vv_fail_nomem(out_err, "name", text.size);
}

/* ---- sort: merging runs bottom up, by the first eight bytes and, where these are equal, the rest
 * ---- */

typedef struct symbols_item {
    uint64_t prefix; /* first bytes, the first one highest, padded with zeros */
    uint32_t id;
} symbols_item;

static uint64_t symbols_prefix(varve_text text)
{
    uint64_t prefix = 0;
    memcpy(&prefix, text.size > 0 ? text.data : "", text.size < 8 ? text.size : 8);
    return vv_bswap64(prefix);
}

static bool symbols_is_before(const vv_symbols *symbols, const symbols_item *a,
                              const symbols_item *b)
{
    if (a->prefix != b->prefix) {
        return a->prefix < b->prefix;
    }
    return vv_text_compare(vv_symbols_text(symbols, a->id), vv_symbols_text(symbols, b->id)) < 0;
}

static void symbols_merge(const vv_symbols *symbols, const symbols_item *source,
                          symbols_item *target, size_t middle, size_t end)
{
    size_t left = 0;
    size_t right = middle;
    for (size_t index = 0; index < end; index++) {
        bool takes_right =
            left == middle ||
            (right < end && symbols_is_before(symbols, &source[right], &source[left]));
        target[index] = takes_right ? source[right] : source[left];
        left += !takes_right;
        right += takes_right;
    }
}

varve_status vv_symbols_sort(const vv_symbols *symbols, uint32_t *ids, size_t count,
                             vv_alloc *alloc)
{
    symbols_item *items = vv_alloc_array(alloc, count, 2 * sizeof *items);
    if (items == NULL) {
        return VARVE_E_NOMEM;
    }
    symbols_item *source = items;
    symbols_item *target = items + count;
    for (size_t index = 0; index < count; index++) {
        source[index] = (symbols_item){
            .prefix = symbols_prefix(vv_symbols_text(symbols, ids[index])),
            .id = ids[index],
        };
    }
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t begin = 0; begin < count; begin += 2 * width) {
            size_t left = count - begin;
            size_t end = left < 2 * width ? left : 2 * width;
            size_t middle = left < width ? left : width;
            symbols_merge(symbols, source + begin, target + begin, middle, end);
        }
        symbols_item *merged = target;
        target = source;
        source = merged;
    }
    for (size_t index = 0; index < count; index++) {
        ids[index] = source[index].id;
    }
    vv_alloc_free(alloc, items, count * 2 * sizeof *items);
    return VARVE_OK;
}
