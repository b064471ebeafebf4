/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_NAMES_H
#define VV_CLI_NAMES_H

/*
 * What the database answered for a name, so that it is asked once: texts to handles. It forgets
 * everything when it has grown too large.
 */

#include "base/arena.h"
#include "base/compiler.h"
#include "base/map.h"
#include "base/vec.h"
#include "varve.h"

#define VV_NAMES_BYTES_MAX (64u * 1024u * 1024u)

typedef struct vv_names {
    vv_map map;     /* to an index of entries */
    vv_vec entries; /* names_entry */
    vv_arena arena; /* their texts */
} vv_names;

/** The object stays at its place until deinit. */
void vv_names_init(vv_names *names, vv_alloc *alloc);
void vv_names_deinit(vv_names *names);

/** False when the name is not known. */
bool vv_names_find(const vv_names *names, varve_text name, uint64_t *out_id);

/** Keep a name that is not known; it is copied. E_NOMEM. */
VV_MUST_CHECK varve_status vv_names_add(vv_names *names, varve_text name, uint64_t id,
                                        varve_error *out_err);

#endif
