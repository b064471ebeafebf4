/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_INDEX_SYMBOLS_H
#define VV_INDEX_SYMBOLS_H

/*
 * Interned texts: each (scope, text) is stored once and has an id, dense from 1. The scope tells
 * equal texts apart that are different things: the values of one label name from those of another.
 *
 * Texts and ids live as long as the table. Finding and reading take no lock; one thread at a time
 * interns.
 */

#include <stdatomic.h>

#include "base/arena.h"
#include "index/lookup.h"
#include "index/table.h"
#include "varve.h"

typedef struct vv_symbol {
    const char *data;
    uint32_t size;
    uint32_t scope;
} vv_symbol;

typedef struct vv_symbols {
    vv_table entries; /* vv_symbol by id - 1 */
    vv_lookup lookup;
    vv_arena texts;
    uint64_t seed;
    _Atomic uint32_t count;
} vv_symbols;

void vv_symbols_init(vv_symbols *symbols, vv_alloc *alloc, uint64_t seed);
void vv_symbols_deinit(vv_symbols *symbols);

/** The id of a text, or 0. Any thread. */
uint32_t vv_symbols_find(const vv_symbols *symbols, uint32_t scope, varve_text text);

/** Writer: the id of a text, given now if it has none: the next in order. E_NOMEM: nothing
 * changed; E_LIMIT: all ids are given. */
VV_MUST_CHECK varve_status vv_symbols_intern(vv_symbols *symbols, uint32_t scope, varve_text text,
                                             uint32_t *out_id, varve_error *out_err);

/** Ids given so far: 1..count. */
static inline uint32_t vv_symbols_count(const vv_symbols *symbols)
{
    return atomic_load(&symbols->count);
}

static inline const vv_symbol *vv_symbols_at(const vv_symbols *symbols, uint32_t id)
{
    return VV_TABLE_AT(&symbols->entries, vv_symbol, id - 1);
}

static inline varve_text vv_symbols_text(const vv_symbols *symbols, uint32_t id)
{
    const vv_symbol *symbol = vv_symbols_at(symbols, id);
    return (varve_text){.data = symbol->data, .size = symbol->size};
}

/** Sort ids by their texts, bytewise. E_NOMEM: the order is as before. */
VV_MUST_CHECK varve_status vv_symbols_sort(const vv_symbols *symbols, uint32_t *ids, size_t count,
                                           vv_alloc *alloc);

#endif
