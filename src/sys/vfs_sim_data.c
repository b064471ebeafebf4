/* SPDX-License-Identifier: Apache-2.0 */
/* Sectors, chunks and contents of simulated files: shared, copied when changed. */
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "sys/vfs_sim_priv.h"

static const uint8_t vv_sim_zeros[VV_SIM_SECTOR_BYTES];

void *vv_sim_new(vv_alloc *alloc, size_t size)
{
    void *memory = vv_alloc_zeroed(alloc, size);
    VV_ASSERT(memory != NULL); /* the memory of a simulation does not fail */
    return memory;
}

/* ---- sectors -------------------------------------------------------------------------------- */

vv_sim_sector *vv_sim_sector_create(vv_alloc *alloc, const uint8_t bytes[VV_SIM_SECTOR_BYTES])
{
    if (memcmp(bytes, vv_sim_zeros, VV_SIM_SECTOR_BYTES) == 0) {
        return NULL;
    }
    vv_sim_sector *sector = vv_alloc_new(alloc, sizeof *sector);
    VV_ASSERT(sector != NULL);
    atomic_init(&sector->refs, 1);
    sector->hash = vv_hash64(bytes, VV_SIM_SECTOR_BYTES, 0);
    memcpy(sector->bytes, bytes, VV_SIM_SECTOR_BYTES);
    return sector;
}

vv_sim_sector *vv_sim_sector_ref(vv_sim_sector *sector)
{
    if (sector != NULL) {
        atomic_fetch_add(&sector->refs, 1);
    }
    return sector;
}

void vv_sim_sector_unref(vv_alloc *alloc, vv_sim_sector *sector)
{
    if (sector != NULL && atomic_fetch_sub(&sector->refs, 1) == 1) {
        vv_alloc_free(alloc, sector, sizeof *sector);
    }
}

const uint8_t *vv_sim_sector_bytes(const vv_sim_sector *sector)
{
    return sector == NULL ? vv_sim_zeros : sector->bytes;
}

/* ---- chunks --------------------------------------------------------------------------------- */

static vv_sim_chunk *vfs_sim_data_chunk_ref(vv_sim_chunk *chunk)
{
    if (chunk != NULL) {
        atomic_fetch_add(&chunk->refs, 1);
    }
    return chunk;
}

static void vfs_sim_data_chunk_unref(vv_alloc *alloc, vv_sim_chunk *chunk)
{
    if (chunk != NULL && atomic_fetch_sub(&chunk->refs, 1) == 1) {
        for (size_t index = 0; index < VV_SIM_CHUNK_SECTORS; ++index) {
            vv_sim_sector_unref(alloc, chunk->sectors[index]);
        }
        vv_alloc_free(alloc, chunk, sizeof *chunk);
    }
}

/* *chunk becomes one that nobody else sees. */
static void vfs_sim_data_chunk_own(vv_alloc *alloc, vv_sim_chunk **chunk)
{
    vv_sim_chunk *old = *chunk;
    if (old != NULL && atomic_load(&old->refs) == 1) {
        return;
    }
    vv_sim_chunk *copy = vv_sim_new(alloc, sizeof *copy);
    atomic_init(&copy->refs, 1);
    for (size_t index = 0; old != NULL && index < VV_SIM_CHUNK_SECTORS; ++index) {
        copy->sectors[index] = vv_sim_sector_ref(old->sectors[index]);
    }
    vfs_sim_data_chunk_unref(alloc, old);
    *chunk = copy;
}

/* ---- contents ------------------------------------------------------------------------------- */

vv_sim_content *vv_sim_content_create(vv_alloc *alloc)
{
    vv_sim_content *content = vv_sim_new(alloc, sizeof *content);
    atomic_init(&content->refs, 1);
    return content;
}

vv_sim_content *vv_sim_content_ref(vv_sim_content *content)
{
    atomic_fetch_add(&content->refs, 1);
    return content;
}

void vv_sim_content_unref(vv_alloc *alloc, vv_sim_content *content)
{
    if (content != NULL && atomic_fetch_sub(&content->refs, 1) == 1) {
        for (size_t index = 0; index < content->chunk_count; ++index) {
            vfs_sim_data_chunk_unref(alloc, content->chunks[index]);
        }
        vv_alloc_free(alloc, content->chunks, content->chunk_count * sizeof(vv_sim_chunk *));
        vv_alloc_free(alloc, content, sizeof *content);
    }
}

static void vfs_sim_data_content_own(vv_alloc *alloc, vv_sim_content **content)
{
    vv_sim_content *old = *content;
    if (atomic_load(&old->refs) == 1) {
        return;
    }
    vv_sim_content *copy = vv_sim_content_create(alloc);
    copy->size = old->size;
    copy->chunk_count = old->chunk_count;
    copy->chunks = vv_sim_new(alloc, old->chunk_count * sizeof(vv_sim_chunk *));
    for (size_t index = 0; index < old->chunk_count; ++index) {
        copy->chunks[index] = vfs_sim_data_chunk_ref(old->chunks[index]);
    }
    vv_sim_content_unref(alloc, old);
    *content = copy;
}

/* Room for chunk number `index` of a content that is not shared. */
static void vfs_sim_data_content_reserve(vv_alloc *alloc, vv_sim_content *content, size_t index)
{
    if (index < content->chunk_count) {
        return;
    }
    size_t count = content->chunk_count * 2 > index + 1 ? content->chunk_count * 2 : index + 1;
    vv_sim_chunk **chunks = vv_sim_new(alloc, count * sizeof(vv_sim_chunk *));
    if (content->chunk_count > 0) {
        memcpy(chunks, content->chunks, content->chunk_count * sizeof(vv_sim_chunk *));
    }
    vv_alloc_free(alloc, content->chunks, content->chunk_count * sizeof(vv_sim_chunk *));
    content->chunks = chunks;
    content->chunk_count = count;
}

vv_sim_sector *vv_sim_content_get(const vv_sim_content *content, uint64_t index)
{
    uint64_t chunk = index / VV_SIM_CHUNK_SECTORS;
    if (chunk >= content->chunk_count || content->chunks[chunk] == NULL) {
        return NULL;
    }
    return content->chunks[chunk]->sectors[index % VV_SIM_CHUNK_SECTORS];
}

void vv_sim_content_set(vv_alloc *alloc, vv_sim_content **content, uint64_t index,
                        vv_sim_sector *sector)
{
    if (vv_sim_content_get(*content, index) == sector) {
        return;
    }
    size_t chunk = (size_t)(index / VV_SIM_CHUNK_SECTORS);
    vfs_sim_data_content_own(alloc, content);
    vfs_sim_data_content_reserve(alloc, *content, chunk);
    vfs_sim_data_chunk_own(alloc, &(*content)->chunks[chunk]);
    vv_sim_sector **slot = &(*content)->chunks[chunk]->sectors[index % VV_SIM_CHUNK_SECTORS];
    vv_sim_sector *old = *slot;
    *slot = vv_sim_sector_ref(sector);
    vv_sim_sector_unref(alloc, old);
}

/* The sector in which the content ends keeps only the bytes before the end. */
static void vfs_sim_data_content_trim_last(vv_alloc *alloc, vv_sim_content **content)
{
    size_t kept = (size_t)((*content)->size % VV_SIM_SECTOR_BYTES);
    uint64_t index = (uint64_t)(*content)->size / VV_SIM_SECTOR_BYTES;
    const vv_sim_sector *last = vv_sim_content_get(*content, index);
    if (kept == 0 || last == NULL) {
        return;
    }
    uint8_t bytes[VV_SIM_SECTOR_BYTES] = {0};
    memcpy(bytes, last->bytes, kept);
    if (memcmp(bytes, last->bytes, sizeof bytes) == 0) {
        return;
    }
    vv_sim_sector *cut = vv_sim_sector_create(alloc, bytes);
    vv_sim_content_set(alloc, content, index, cut);
    vv_sim_sector_unref(alloc, cut);
}

void vv_sim_content_trim(vv_alloc *alloc, vv_sim_content **content)
{
    uint64_t first = ((uint64_t)(*content)->size + VV_SIM_SECTOR_BYTES - 1) / VV_SIM_SECTOR_BYTES;
    uint64_t end = (uint64_t)(*content)->chunk_count * VV_SIM_CHUNK_SECTORS;
    for (uint64_t index = first; index < end; ++index) {
        if (vv_sim_content_get(*content, index) != NULL) {
            vv_sim_content_set(alloc, content, index, NULL);
        }
    }
    vfs_sim_data_content_trim_last(alloc, content);
}

void vv_sim_content_resize(vv_alloc *alloc, vv_sim_content **content, int64_t size)
{
    int64_t old_size = (*content)->size;
    if (size == old_size) {
        return;
    }
    vfs_sim_data_content_own(alloc, content);
    (*content)->size = size;
    if (size < old_size) {
        vv_sim_content_trim(alloc, content);
    }
}

uint64_t vv_sim_content_hash(const vv_sim_content *content)
{
    uint64_t hash = vv_hash_mix((uint64_t)content->size);
    for (size_t chunk = 0; chunk < content->chunk_count; ++chunk) {
        if (content->chunks[chunk] == NULL) {
            continue;
        }
        for (size_t index = 0; index < VV_SIM_CHUNK_SECTORS; ++index) {
            const vv_sim_sector *sector = content->chunks[chunk]->sectors[index];
            if (sector != NULL) { /* zeros add nothing, stored or not */
                hash += vv_hash_mix2(chunk * VV_SIM_CHUNK_SECTORS + index, sector->hash);
            }
        }
    }
    return hash;
}
