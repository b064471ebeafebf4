/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/names.h"

#include "base/slice.h"
#include "base/status.h"
#include "sys/entropy.h"

typedef struct names_entry {
    varve_text name;
    uint64_t id;
} names_entry;

static bool names_equal(const void *context, const void *key, uint64_t value)
{
    const vv_names *names = context;
    const varve_text *name = key;
    return vv_text_equal(VV_VEC_AT(&names->entries, names_entry, (size_t)value)->name, *name);
}

/** Keys come from outside; without entropy they could be chosen to collide, which costs time only.
 */
static uint64_t names_seed(void)
{
    uint64_t seed = 0;
    vv_entropy entropy = vv_entropy_system();
    return vv_entropy_fill(&entropy, &seed, sizeof seed, NULL) == VARVE_OK ? seed : 0;
}

void vv_names_init(vv_names *names, vv_alloc *alloc)
{
    vv_map_init(&names->map, alloc, names_seed(), names_equal, names);
    vv_vec_init(&names->entries, alloc, sizeof(names_entry), SIZE_MAX);
    vv_arena_init(&names->arena, alloc, SIZE_MAX);
}

void vv_names_deinit(vv_names *names)
{
    vv_map_deinit(&names->map);
    vv_vec_deinit(&names->entries);
    vv_arena_deinit(&names->arena);
}

bool vv_names_find(const vv_names *names, varve_text name, uint64_t *out_id)
{
    uint64_t index;
    if (!vv_map_find(&names->map, vv_map_hash(&names->map, name.data, name.size), &name, &index)) {
        return false;
    }
    *out_id = VV_VEC_AT(&names->entries, names_entry, (size_t)index)->id;
    return true;
}

varve_status vv_names_add(vv_names *names, varve_text name, uint64_t id, varve_error *out_err)
{
    if (names->arena.held_bytes > VV_NAMES_BYTES_MAX) {
        vv_map_clear(&names->map);
        vv_vec_clear(&names->entries);
        vv_arena_reset(&names->arena);
    }
    names_entry entry = {.id = id};
    uint64_t hash = vv_map_hash(&names->map, name.data, name.size);
    if (vv_vec_reserve(&names->entries, 1) != VARVE_OK ||
        vv_arena_copy(&names->arena, name, &entry.name) != VARVE_OK ||
        vv_map_insert(&names->map, hash, names->entries.count) != VARVE_OK) {
        return vv_fail_nomem(out_err, "a name", name.size);
    }
    return vv_vec_push(&names->entries, &entry); /* there is room */
}
