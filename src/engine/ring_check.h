/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_RING_CHECK_H
#define VV_ENGINE_RING_CHECK_H

/*
 * Looking at ring files of an open database: verify and scrub.
 */

#include "engine/ring.h"

/** Told of each damaged place. page: UINT64_MAX: the header or the file. bytes: as they were read;
 *  empty: none. */
typedef void (*vv_ring_damage_visitor)(void *context, uint64_t file_id, uint64_t page,
                                       uint64_t offset, vv_bytes bytes, const varve_error *error);

typedef struct vv_ring_check {
    /* Called before each file and each page with the bytes of the file so far; a failure ends the
     * walk. */
    varve_status (*poll)(void *context, uint64_t file_id, uint64_t bytes_done,
                         varve_error *out_err);
    vv_ring_damage_visitor damage;
    void *context;
    uint64_t files, pages, bytes; /* out */
} vv_ring_check;

/**
 * Read every page of every ring file that the manifest names now and compare its checksum. What is
 * bad is told; a writable handle takes such a file anew from memory with its next flush. A reader
 * beside a writer reads a bad page again, and leaves out what is gone or moves on.
 */
VV_MUST_CHECK varve_status vv_ring_check_files(varve_db *db, vv_ring_check *check,
                                               varve_error *out_err);

#endif
