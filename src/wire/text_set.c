/* SPDX-License-Identifier: Apache-2.0 */

#include "wire/text_set.h"

#include "base/slice.h"
#include "base/status.h"

/* Slots that are kept for the next texts: clearing them costs nothing beside adding one. */
#define TEXT_SET_KEPT_BYTES 16384u

static bool text_set_equal(const void *context, const void *key, uint64_t value)
{
    const vv_text_set *set = context;
    const varve_text *text = key;
    return vv_text_equal(*VV_VEC_AT(&set->texts, varve_text, (size_t)value), *text);
}

void vv_text_set_init(vv_text_set *set, vv_alloc *alloc, uint64_t seed, size_t count_max)
{
    set->seed = seed;
    vv_map_init(&set->map, alloc, seed, text_set_equal, set);
    vv_vec_init(&set->texts, alloc, sizeof(varve_text), count_max);
    vv_arena_init(&set->arena, alloc, SIZE_MAX);
}

void vv_text_set_deinit(vv_text_set *set)
{
    vv_map_deinit(&set->map);
    vv_vec_deinit(&set->texts);
    vv_arena_deinit(&set->arena);
}

void vv_text_set_clear(vv_text_set *set)
{
    if (vv_map_bytes(&set->map) > TEXT_SET_KEPT_BYTES) {
        vv_alloc *alloc = set->arena.alloc;
        vv_map_deinit(&set->map);
        vv_map_init(&set->map, alloc, set->seed, text_set_equal, set);
    } else {
        vv_map_clear(&set->map);
    }
    vv_vec_clear(&set->texts);
    vv_arena_reset(&set->arena);
}

varve_status vv_text_set_add(vv_text_set *set, varve_text text, bool *out_is_new,
                             varve_error *out_err)
{
    uint64_t known;
    varve_text copy;
    uint64_t hash = vv_map_hash(&set->map, text.data, text.size);
    *out_is_new = !vv_map_find(&set->map, hash, &text, &known);
    if (!*out_is_new) {
        return VARVE_OK;
    }
    if (set->texts.count == set->texts.count_max) {
        return vv_fail(out_err, VARVE_E_LIMIT, "more than %zu texts", set->texts.count_max);
    }
    if (vv_arena_copy(&set->arena, text, &copy) != VARVE_OK ||
        vv_vec_push(&set->texts, &copy) != VARVE_OK ||
        vv_map_insert(&set->map, hash, set->texts.count - 1) != VARVE_OK) {
        return vv_fail_nomem(out_err, "the names of a text", text.size);
    }
    return VARVE_OK;
}
