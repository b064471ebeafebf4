/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WIRE_TEXT_SET_H
#define VV_WIRE_TEXT_SET_H

/* A set of texts from outside, of which it keeps copies. */

#include "base/arena.h"
#include "base/compiler.h"
#include "base/map.h"
#include "base/vec.h"
#include "varve.h"

typedef struct vv_text_set {
    uint64_t seed; /* fixed after init */
    vv_map map;    /* to an index of texts */
    vv_vec texts;  /* varve_text */
    vv_arena arena;
} vv_text_set;

/** seed: by chance, where the texts are foreign. It holds count_max texts. */
void vv_text_set_init(vv_text_set *set, vv_alloc *alloc, uint64_t seed, size_t count_max);
void vv_text_set_deinit(vv_text_set *set);
/** Forget all texts; in time and memory of what it held, however large it once was. */
void vv_text_set_clear(vv_text_set *set);

/** *out_is_new is false when it was there already. E_NOMEM, E_LIMIT. */
VV_MUST_CHECK varve_status vv_text_set_add(vv_text_set *set, varve_text text, bool *out_is_new,
                                           varve_error *out_err);

#endif
