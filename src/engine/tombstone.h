/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_TOMBSTONE_H
#define VV_ENGINE_TOMBSTONE_H

/*
 * del/<id>.vtb: tombstones at rest. Written by the flush that drops the log records which held
 * them, one file per flush that has any; immutable; named by the manifest. Format:
 * docs/formats/tombstones.md.
 */

#include "base/vec.h"
#include "engine/version.h"
#include "model/facts.h"

/* Sixteen times the largest batch: what one flush interval can hold is far below. */
#define VV_TOMBSTONE_FILE_BYTES_MAX ((size_t)256 * 1024 * 1024)

/** Where the file of an id lies. */
VV_MUST_CHECK varve_status vv_tombstone_file_path(const varve_db *db, uint64_t id,
                                                  char out_path[VV_PATH_BYTES_MAX],
                                                  varve_error *out_err);
/** Write, publish (tmp, fsync, rename, directory fsync). The manifest does not name it yet. */
VV_MUST_CHECK varve_status vv_tombstone_file_write(varve_db *db, uint64_t id,
                                                   vv_tombstone *const *tombstones, size_t count,
                                                   varve_error *out_err);
/** Where a tombstone file goes that is not of the database itself. */
typedef struct vv_tombstone_target {
    const vv_vfs *vfs;
    const char *tmp_directory; /* written here first */
    const char *directory;     /* as <id>.vtb */
    uint64_t id;
} vv_tombstone_target;

/** The same at another place. */
VV_MUST_CHECK varve_status vv_tombstone_file_write_to(varve_db *db,
                                                      const vv_tombstone_target *target,
                                                      vv_tombstone *const *tombstones, size_t count,
                                                      varve_error *out_err);
/** Append the tombstones of a file to out (of vv_tombstone *, the caller's references), resolved
 * against the catalogue, file_id set. E_CORRUPT, E_UNSUPPORTED, E_NOT_FOUND; out is then as before.
 */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_tombstone_file_read(varve_db *db, uint64_t id,
                                                               vv_vec *out, varve_error *out_err);
/** Tell what such a file holds, its damage included. E_NOMEM. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_tombstone_file_inspect(vv_alloc *alloc, vv_bytes bytes,
                                                                  vv_facts *facts,
                                                                  varve_error *out_err);

#endif
