/* SPDX-License-Identifier: Apache-2.0 */
/* An array whose items never move; the picture stands in the header. */
#include "index/table.h"

#include "base/assert.h"

static size_t table_chunk_bytes(const vv_table *table, uint32_t chunk)
{
    return ((size_t)1 << (VV_TABLE_FIRST_BITS - 3 + chunk / 8)) * table->item_size;
}

void vv_table_init(vv_table *table, vv_alloc *alloc, size_t item_size)
{
    table->alloc = alloc;
    table->item_size = item_size;
    for (uint32_t chunk = 0; chunk < VV_TABLE_CHUNK_COUNT; chunk++) {
        atomic_init(&table->chunks[chunk], NULL);
    }
}

void vv_table_deinit(vv_table *table)
{
    for (uint32_t chunk = 0; chunk < VV_TABLE_CHUNK_COUNT; chunk++) {
        vv_alloc_free(table->alloc, atomic_load(&table->chunks[chunk]),
                      table_chunk_bytes(table, chunk));
        atomic_store(&table->chunks[chunk], NULL);
    }
}

varve_status vv_table_reserve(vv_table *table, uint32_t index)
{
    uint64_t offset;
    uint32_t chunk = vv_table_chunk(index, &offset);
    VV_ASSERT(chunk < VV_TABLE_CHUNK_COUNT);
    if (atomic_load(&table->chunks[chunk]) != NULL) {
        return VARVE_OK;
    }
    uint8_t *items = vv_alloc_zeroed(table->alloc, table_chunk_bytes(table, chunk));
    if (items == NULL) {
        return VARVE_E_NOMEM;
    }
    atomic_store(&table->chunks[chunk], items);
    return VARVE_OK;
}
