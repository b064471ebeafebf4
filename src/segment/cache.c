/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The block cache: checked blocks in memory, within a budget.
 *
 *     key (owner, block) -> hash -> shard: [lock | map | ring of entries with a hand]
 *
 * Eviction is CLOCK ("A Paging Experiment with the Multics System", Corbato): the hand goes round
 * the ring; an entry that was found since it came by last is spared once, a pinned one always.
 * Being loaded does not count as use, so one pass over many blocks does not drive out what is in
 * use.
 *
 *   K1  A pinned entry is not freed and its bytes do not change.
 *   K2  bytes of a shard exceed its budget only by entries that are pinned.
 *   K3  Reading a file happens between find and add, without a lock. Two threads that miss the same
 *       block both read it; the second to come takes the first's.
 *   K4  An entry that is larger than half of a shard's budget is not kept: it would drive out the
 *       rest. It lives as long as its pin (private).
 *   K5  Entries of a segment that was closed are not searched for; the hand finds them.
 */
#include <stdatomic.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/status.h"
#include "segment/cache_priv.h"
#include "sys/fork_guard.h"
#include "sys/thread.h"

/* A shard has room for 16 blocks at least; 16 shards are four times the cores of a usual machine.
 */
enum { CACHE_SHARDS_MAX = 16, CACHE_SHARD_BYTES_MIN = 1024 * 1024 };

struct vv_block_entry {
    uint64_t owner;                  /* fixed */
    uint32_t block;                  /* fixed */
    uint32_t shard;                  /* fixed */
    size_t size;                     /* fixed: of the payload */
    uint32_t pins;                   /* guarded by the shard's lock, as all below */
    bool is_used;                    /* found since the hand came by last */
    bool is_private;                 /* K4: in no map and no ring */
    vv_block_entry *next, *previous; /* ring */
    uint8_t frame[];
};

typedef struct cache_shard {
    vv_mutex lock; /* rank CACHE */
    bool has_lock;
    vv_map map;           /* key -> entry; guarded by lock, as all below */
    vv_block_entry *hand; /* some entry of the ring; NULL: empty */
    size_t ring_count;
    uint64_t bytes; /* of all entries, private ones too */
    uint64_t hits, misses, evictions;
} cache_shard;

struct vv_block_cache {
    /* fixed after create */
    vv_alloc *alloc;
    uint32_t shard_count; /* a power of two */
    uint64_t shard_bytes_max;
    uint32_t generation; /* of the process that made it */
    cache_shard *shards;

    atomic_uint_fast64_t owner_next;
};

typedef struct cache_key {
    uint64_t owner;
    uint32_t block;
} cache_key;

/* Entries lie in maps as integers. */
static vv_block_entry *cache_entry_of(uint64_t value)
{
    return (vv_block_entry *)(uintptr_t)value;
}

static bool cache_key_equal(const void *context, const void *key, uint64_t value)
{
    (void)context;
    const cache_key *wanted = key;
    const vv_block_entry *entry = cache_entry_of(value);
    return entry->owner == wanted->owner && entry->block == wanted->block;
}

static uint64_t cache_hash(uint64_t owner, uint32_t block)
{
    return vv_hash_mix2(owner, block);
}

/* Bits that the map does not use: it takes low ones for the place and the top ones as a tag. */
static uint32_t cache_shard_of(const vv_block_cache *cache, uint64_t hash)
{
    return (uint32_t)(hash >> 40) & (cache->shard_count - 1);
}

static size_t cache_entry_bytes(size_t payload)
{
    return sizeof(vv_block_entry) + VV_SEGMENT_FRAME_BYTES + payload;
}

/* --- ring and eviction --- */

static void cache_ring_add_locked(cache_shard *shard, vv_block_entry *entry)
{
    vv_mutex_assert_held(&shard->lock);
    if (shard->hand == NULL) {
        entry->next = entry;
        entry->previous = entry;
        shard->hand = entry;
    } else { /* behind the hand: it is seen last */
        entry->next = shard->hand;
        entry->previous = shard->hand->previous;
        entry->previous->next = entry;
        entry->next->previous = entry;
    }
    shard->ring_count += 1;
}

static void cache_ring_remove_locked(cache_shard *shard, vv_block_entry *entry)
{
    vv_mutex_assert_held(&shard->lock);
    shard->ring_count -= 1;
    if (shard->ring_count == 0) {
        shard->hand = NULL;
        return;
    }
    entry->previous->next = entry->next;
    entry->next->previous = entry->previous;
    if (shard->hand == entry) {
        shard->hand = entry->next;
    }
}

static void cache_free_entry_locked(vv_block_cache *cache, cache_shard *shard,
                                    vv_block_entry *entry)
{
    vv_mutex_assert_held(&shard->lock);
    VV_ASSERT(entry->pins == 0); /* K1 */
    size_t bytes = cache_entry_bytes(entry->size);
    shard->bytes -= bytes;
    vv_alloc_free(cache->alloc, entry, bytes);
}

static void cache_drop_locked(vv_block_cache *cache, cache_shard *shard, vv_block_entry *entry)
{
    cache_key key = {.owner = entry->owner, .block = entry->block};
    bool was_there = vv_map_remove(&shard->map, cache_hash(key.owner, key.block), &key, NULL);
    VV_ASSERT(was_there);
    cache_ring_remove_locked(shard, entry);
    cache_free_entry_locked(cache, shard, entry);
}

/* K2. Two rounds: the first takes the marks away, the second finds what is free. */
static void cache_evict_locked(vv_block_cache *cache, cache_shard *shard, uint64_t bytes_max)
{
    size_t steps_left = 2 * shard->ring_count;
    while (shard->bytes > bytes_max && steps_left > 0 && shard->hand != NULL) {
        vv_block_entry *entry = shard->hand;
        steps_left -= 1;
        shard->hand = entry->next;
        if (entry->pins > 0) {
            continue;
        }
        if (entry->is_used) {
            entry->is_used = false;
            continue;
        }
        cache_drop_locked(cache, shard, entry);
        shard->evictions += 1;
    }
}

static void cache_pin_locked(vv_block_entry *entry, vv_block_pin *out_pin)
{
    entry->pins += 1;
    *out_pin = (vv_block_pin){
        .bytes = {.data = entry->frame + VV_SEGMENT_FRAME_BYTES, .size = entry->size},
        .entry = entry,
    };
}

/* --- for the reader --- */

uint64_t vv_block_cache_owner(vv_block_cache *cache)
{
    return atomic_fetch_add(&cache->owner_next, 1);
}

bool vv_block_cache_find(vv_block_cache *cache, uint64_t owner, uint32_t block,
                         vv_block_pin *out_pin)
{
    cache_key key = {.owner = owner, .block = block};
    uint64_t hash = cache_hash(owner, block);
    cache_shard *shard = &cache->shards[cache_shard_of(cache, hash)];
    uint64_t found = 0;
    vv_mutex_lock(&shard->lock);
    bool is_there = vv_map_find(&shard->map, hash, &key, &found);
    if (is_there) {
        cache_pin_locked(cache_entry_of(found), out_pin);
        cache_entry_of(found)->is_used = true;
        shard->hits += 1;
    } else {
        shard->misses += 1;
    }
    vv_mutex_unlock(&shard->lock);
    return is_there;
}

varve_status vv_block_entry_create(vv_block_cache *cache, uint64_t owner, uint32_t block,
                                   size_t size, vv_block_entry **out_entry, varve_error *out_err)
{
    *out_entry = NULL;
    vv_block_entry *entry = vv_alloc_new(cache->alloc, cache_entry_bytes(size));
    if (entry == NULL) {
        return vv_fail_nomem(out_err, "block of a segment", cache_entry_bytes(size));
    }
    *entry = (vv_block_entry){
        .owner = owner,
        .block = block,
        .shard = cache_shard_of(cache, cache_hash(owner, block)),
        .size = size,
    };
    *out_entry = entry;
    return VARVE_OK;
}

uint8_t *vv_block_entry_frame(vv_block_entry *entry)
{
    return entry->frame;
}

void vv_block_entry_discard(vv_block_cache *cache, vv_block_entry *entry)
{
    VV_ASSERT(entry->pins == 0);
    vv_alloc_free(cache->alloc, entry, cache_entry_bytes(entry->size));
}

void vv_block_cache_add(vv_block_cache *cache, vv_block_entry *entry, vv_block_pin *out_pin)
{
    cache_key key = {.owner = entry->owner, .block = entry->block};
    uint64_t hash = cache_hash(key.owner, key.block);
    cache_shard *shard = &cache->shards[entry->shard];
    size_t bytes = cache_entry_bytes(entry->size);
    uint64_t found = 0;
    vv_mutex_lock(&shard->lock);
    if (vv_map_find(&shard->map, hash, &key, &found)) { /* K3 */
        cache_pin_locked(cache_entry_of(found), out_pin);
        vv_mutex_unlock(&shard->lock);
        vv_block_entry_discard(cache, entry);
        return;
    }
    shard->bytes += bytes;
    entry->is_private = bytes > cache->shard_bytes_max / 2 ||
                        vv_map_insert(&shard->map, hash, (uint64_t)(uintptr_t)entry) != VARVE_OK;
    if (!entry->is_private) {
        cache_ring_add_locked(shard, entry);
    }
    cache_pin_locked(entry, out_pin);
    cache_evict_locked(cache, shard, cache->shard_bytes_max);
    vv_mutex_unlock(&shard->lock);
}

bool vv_block_pin_holds(const vv_block_pin *pin, uint64_t owner, uint32_t block)
{
    const vv_block_entry *entry = pin->entry;
    return entry != NULL && entry->owner == owner && entry->block == block;
}

void vv_block_unpin(vv_block_cache *cache, vv_block_pin *pin)
{
    vv_block_entry *entry = pin->entry;
    *pin = (vv_block_pin){.entry = NULL};
    if (entry == NULL) {
        return;
    }
    cache_shard *shard = &cache->shards[entry->shard];
    vv_mutex_lock(&shard->lock);
    VV_ASSERT(entry->pins > 0);
    entry->pins -= 1;
    if (entry->is_private && entry->pins == 0) {
        cache_free_entry_locked(cache, shard, entry);
    } else if (shard->bytes > cache->shard_bytes_max) {
        cache_evict_locked(cache, shard, cache->shard_bytes_max);
    }
    vv_mutex_unlock(&shard->lock);
}

/* --- life --- */

static varve_status cache_init_shard(vv_block_cache *cache, uint32_t index, varve_error *out_err)
{
    cache_shard *shard = &cache->shards[index];
    vv_map_init(&shard->map, cache->alloc, 0, cache_key_equal, NULL);
    VV_TRY(vv_mutex_init(&shard->lock, VV_RANK_CACHE, index, out_err));
    shard->has_lock = true;
    return VARVE_OK;
}

varve_status vv_block_cache_create(vv_alloc *alloc, uint64_t bytes_max, vv_block_cache **out_cache,
                                   varve_error *out_err)
{
    *out_cache = NULL;
    uint32_t shard_count = CACHE_SHARDS_MAX;
    while (shard_count > 1 && bytes_max / shard_count < CACHE_SHARD_BYTES_MIN) {
        shard_count /= 2;
    }
    vv_block_cache *cache = vv_alloc_zeroed(alloc, sizeof *cache);
    if (cache == NULL) {
        return vv_fail_nomem(out_err, "block cache", sizeof *cache);
    }
    cache->alloc = alloc;
    cache->generation = vv_process_generation();
    cache->shard_count = shard_count;
    cache->shard_bytes_max = bytes_max / shard_count;
    atomic_init(&cache->owner_next, 1);
    cache->shards = vv_alloc_zeroed(alloc, shard_count * sizeof *cache->shards);
    varve_status status = VARVE_OK;
    if (cache->shards == NULL) {
        status = vv_fail_nomem(out_err, "block cache", shard_count * sizeof *cache->shards);
    }
    for (uint32_t index = 0; index < shard_count && status == VARVE_OK; ++index) {
        status = cache_init_shard(cache, index, out_err);
    }
    if (status != VARVE_OK) {
        vv_block_cache_free(cache);
        return status;
    }
    *out_cache = cache;
    return VARVE_OK;
}

bool vv_block_cache_is_quiet(vv_block_cache *cache)
{
    for (uint32_t index = 0; index < cache->shard_count; ++index) {
        if (!vv_mutex_try_lock(&cache->shards[index].lock)) {
            return false;
        }
        vv_mutex_unlock(&cache->shards[index].lock);
    }
    return true;
}

static void cache_deinit_shard(vv_block_cache *cache, cache_shard *shard)
{
    if (!shard->has_lock) {
        return;
    }
    /* Nothing is pinned, but by threads that a forked child does not have. */
    bool is_child = cache->generation != vv_process_generation();
    vv_mutex_lock(&shard->lock);
    while (shard->hand != NULL) {
        shard->hand->pins = is_child ? 0 : shard->hand->pins;
        cache_drop_locked(cache, shard, shard->hand);
    }
    VV_ASSERT(shard->bytes == 0 || is_child);
    vv_map_deinit(&shard->map);
    vv_mutex_unlock(&shard->lock);
    vv_mutex_deinit(&shard->lock);
}

void vv_block_cache_free(vv_block_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    for (uint32_t index = 0; cache->shards != NULL && index < cache->shard_count; ++index) {
        cache_deinit_shard(cache, &cache->shards[index]);
    }
    vv_alloc_free(cache->alloc, cache->shards, cache->shard_count * sizeof *cache->shards);
    vv_alloc_free(cache->alloc, cache, sizeof *cache);
}

void vv_block_cache_trim(vv_block_cache *cache)
{
    for (uint32_t index = 0; index < cache->shard_count; ++index) {
        cache_shard *shard = &cache->shards[index];
        vv_mutex_lock(&shard->lock);
        cache_evict_locked(cache, shard, 0);
        vv_mutex_unlock(&shard->lock);
    }
}

void vv_block_cache_get_stats(const vv_block_cache *cache, vv_block_cache_stats *out_stats)
{
    *out_stats = (vv_block_cache_stats){.hits = 0};
    for (uint32_t index = 0; index < cache->shard_count; ++index) {
        cache_shard *shard = &cache->shards[index];
        vv_mutex_lock(&shard->lock);
        out_stats->hits += shard->hits;
        out_stats->misses += shard->misses;
        out_stats->evictions += shard->evictions;
        out_stats->bytes += shard->bytes;
        vv_mutex_unlock(&shard->lock);
    }
}
