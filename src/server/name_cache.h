/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_SERVER_NAME_CACHE_H
#define VV_SERVER_NAME_CACHE_H

/*
 * Names as clients write them, and the handle of each; see server/name_cache.c. Shareable.
 */

#include "base/buf.h"
#include "base/compiler.h"
#include "base/map.h"
#include "sys/thread.h"

#define VV_NAME_SHARDS 16u

typedef struct vv_name_shard {
    vv_mutex lock;
    vv_map map;    /* hash of the bytes to index of entries */
    vv_buf bytes;  /* of all names */
    vv_buf places; /* name_cache_entry[] */
} vv_name_shard;

typedef struct vv_name_cache {
    vv_name_shard shards[VV_NAME_SHARDS];
    size_t shard_count; /* initialised */
    size_t shard_bytes_max;
    uint64_t seed;
} vv_name_cache;

/** The object stays at its place until deinit, which also ends one whose init failed. */
VV_MUST_CHECK varve_status vv_name_cache_init(vv_name_cache *cache, vv_alloc *alloc,
                                              uint64_t bytes_max, uint64_t seed,
                                              varve_error *out_err);
void vv_name_cache_deinit(vv_name_cache *cache);
/** False when it is not there. */
bool vv_name_cache_find(vv_name_cache *cache, varve_text name, uint64_t *out_id);
/** Remember; silently not when there is no memory. A full shard is emptied first. */
void vv_name_cache_put(vv_name_cache *cache, varve_text name, uint64_t id);

#endif
