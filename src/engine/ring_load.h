/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_RING_LOAD_H
#define VV_ENGINE_RING_LOAD_H

/*
 * Rings of a database that is opened or refreshed: their files, then images of the log for pages
 * that were torn.
 */

#include "base/vec.h"
#include "engine/manifest.h"
#include "engine/ring.h"

typedef struct vv_ring_load {
    varve_db *db;
    vv_ring_set *set; /* what was loaded, a reference; NULL: no rings */
    bool is_reused;   /* it is the set of the present version */
    vv_vec bad;       /* ring_load_bad: pages that failed their check */
} vv_ring_load;

void vv_ring_load_init(vv_ring_load *load, varve_db *db);
void vv_ring_load_deinit(vv_ring_load *load);
/** Read the files that the manifest names; torn pages are noted. E_UNSUPPORTED: rings need the log.
 *  E_CORRUPT names the file. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_ring_load_files(vv_ring_load *load,
                                                           const vv_manifest_state *manifest,
                                                           varve_error *out_err);
/** A RINGPAGE record of the log. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_ring_load_image(vv_ring_load *load, vv_bytes payload,
                                                           varve_error *out_err);
/** The log is read: a page that is still bad is damage. A salvaging open keeps the bytes as
 * evidence and goes on with an empty page, as does one that serves what is intact; *out_lost counts
 * them. */
VV_MUST_CHECK varve_status vv_ring_load_finish(vv_ring_load *load, uint64_t *out_lost,
                                               varve_error *out_err);
/** The set is installed: the catalogue forgets rings that are there no more. Every shard locked. */
void vv_ring_load_installed(const vv_ring_load *load, const vv_ring_set *old_set);

#endif
