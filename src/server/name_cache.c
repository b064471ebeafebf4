/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From the bytes with which a client names a series or field to its handle, so that a known name
 * costs one hash and one comparison: neither parsed, sorted nor looked up in the catalogue.
 *
 * N1  A hit compares all bytes; a hash alone never decides.
 * N2  Handles stay valid until the database closes, so nothing is ever invalidated.
 * N3  A shard that is full is emptied: clients that write the same series again fill it in one
 *     round, and clients that never do would find nothing whatever stayed. No order of use is kept.
 *
 * The hash is seeded by chance per process: who sends names cannot choose collisions.
 */

#include "server/name_cache.h"

#include <string.h>

#include "base/hash.h"
#include "base/slice.h"

typedef struct name_cache_entry {
    uint64_t id;
    size_t offset; /* in bytes */
    size_t size;
} name_cache_entry;

static name_cache_entry name_cache_entry_at(const vv_name_shard *shard, uint64_t index)
{
    name_cache_entry entry;
    memcpy(&entry, shard->places.data + index * sizeof entry, sizeof entry);
    return entry;
}

static bool name_cache_equal(const void *context, const void *key, uint64_t value)
{
    const vv_name_shard *shard = context;
    const varve_text *name = key;
    name_cache_entry entry = name_cache_entry_at(shard, value);
    return vv_text_equal(*name,
                         vv_text_make((const char *)shard->bytes.data + entry.offset, entry.size));
}

varve_status vv_name_cache_init(vv_name_cache *cache, vv_alloc *alloc, uint64_t bytes_max,
                                uint64_t seed, varve_error *out_err)
{
    cache->seed = seed;
    cache->shard_bytes_max = (size_t)(bytes_max / VV_NAME_SHARDS);
    for (cache->shard_count = 0; cache->shard_count < VV_NAME_SHARDS; cache->shard_count++) {
        vv_name_shard *shard = &cache->shards[cache->shard_count];
        VV_TRY(vv_mutex_init(&shard->lock, VV_RANK_SESSION, 0, out_err));
        vv_map_init(&shard->map, alloc, seed, name_cache_equal, shard);
        vv_buf_init(&shard->bytes, alloc, cache->shard_bytes_max);
        vv_buf_init(&shard->places, alloc, cache->shard_bytes_max);
    }
    return VARVE_OK;
}

void vv_name_cache_deinit(vv_name_cache *cache)
{
    for (size_t index = 0; index < cache->shard_count; index++) {
        vv_name_shard *shard = &cache->shards[index];
        vv_map_deinit(&shard->map);
        vv_buf_deinit(&shard->bytes);
        vv_buf_deinit(&shard->places);
        vv_mutex_deinit(&shard->lock);
    }
    cache->shard_count = 0;
}

/** The high bits choose the shard, the map uses the low ones. */
static vv_name_shard *name_cache_shard(vv_name_cache *cache, uint64_t hash)
{
    return &cache->shards[(hash >> 56) % VV_NAME_SHARDS];
}

bool vv_name_cache_find(vv_name_cache *cache, varve_text name, uint64_t *out_id)
{
    uint64_t hash = vv_hash64(name.data, name.size, cache->seed);
    vv_name_shard *shard = name_cache_shard(cache, hash);
    uint64_t index = 0;
    vv_mutex_lock(&shard->lock);
    bool is_found = vv_map_find(&shard->map, hash, &name, &index);
    if (is_found) {
        *out_id = name_cache_entry_at(shard, index).id;
    }
    vv_mutex_unlock(&shard->lock);
    return is_found;
}

/** Bytes of an entry, its share of the map included. */
static size_t name_cache_cost(const vv_name_shard *shard, size_t name_size)
{
    return shard->bytes.size + shard->places.size * 2 + name_size + 2 * sizeof(name_cache_entry);
}

static void name_cache_put_locked(vv_name_cache *cache, vv_name_shard *shard, varve_text name,
                                  uint64_t hash, uint64_t id)
{
    vv_mutex_assert_held(&shard->lock);
    uint64_t known;
    if (vv_map_find(&shard->map, hash, &name, &known)) {
        return;
    }
    if (name_cache_cost(shard, name.size) > cache->shard_bytes_max) {
        vv_map_clear(&shard->map);
        vv_buf_reset(&shard->bytes);
        vv_buf_reset(&shard->places);
    }
    name_cache_entry entry = {.id = id, .offset = shard->bytes.size, .size = name.size};
    if (vv_buf_reserve(&shard->places, sizeof entry) != VARVE_OK ||
        vv_buf_append_text(&shard->bytes, name) != VARVE_OK ||
        vv_map_insert(&shard->map, hash, shard->places.size / sizeof entry) != VARVE_OK) {
        /* Not remembered; the buffers may try again. */
        shard->places.status = VARVE_OK;
        shard->bytes.status = VARVE_OK;
        vv_buf_truncate(&shard->bytes, entry.offset);
        return;
    }
    VV_IGNORE(vv_buf_append(&shard->places, &entry, sizeof entry)); /* reserved above */
}

void vv_name_cache_put(vv_name_cache *cache, varve_text name, uint64_t id)
{
    /* A single name never takes more than a quarter of a shard. */
    if (name.size > cache->shard_bytes_max / 4) {
        return;
    }
    uint64_t hash = vv_hash64(name.data, name.size, cache->seed);
    vv_name_shard *shard = name_cache_shard(cache, hash);
    vv_mutex_lock(&shard->lock);
    name_cache_put_locked(cache, shard, name, hash, id);
    vv_mutex_unlock(&shard->lock);
}
