/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_MANIFEST_PRIV_H
#define VV_ENGINE_MANIFEST_PRIV_H

/*
 * What the files of the manifest share.
 *
 *   manifest.c         the file that is written: append, rotate
 *   manifest_load.c    which file counts, and reading it
 *   manifest_edit.c    edits to bytes and back
 *   manifest_state.c   the state, and applying edits to it
 *
 *   manifest_retention.c   the same two for retention
 *   manifest_tiers.c       the same two for tiers of segments
 */

#include "base/buf.h"
#include "base/reader.h"
#include "engine/manifest.h"
#include "wal/frame.h"

enum {
    VV_MANIFEST_SNAPSHOT = 1, /* record types */
    VV_MANIFEST_EDIT = 2,
    VV_MANIFEST_NAME_BYTES = 32,     /* "<20 digits>.vmf.part" and its NUL */
    VV_MANIFEST_FILES_MAX = 1 << 16, /* arbitrary: there are two, and leftovers of crashes */
};

/* manifest_state.c; lists of edits are ascending and distinct, as vv_manifest_decode gives them */

/* Whether the edit can be applied: E_INVALID naming what contradicts the state. */
VV_MUST_CHECK varve_status vv_manifest_check(const vv_manifest_state *state,
                                             const vv_manifest_edit *edit, varve_error *out_err);
/* Memory for an edit, so that vv_manifest_fold cannot fail. E_NOMEM, E_LIMIT. */
VV_MUST_CHECK varve_status vv_manifest_reserve(vv_manifest_state *state,
                                               const vv_manifest_edit *edit, varve_error *out_err);
/* Apply a checked edit for which memory is reserved; edit_seq becomes the number given. Names of
 * policies stay where the edit has them (those of retention are copied by the reservation). */
void vv_manifest_fold(vv_manifest_state *state, const vv_manifest_edit *edit, uint64_t edit_seq);
/* The edit that makes this state out of nothing; it borrows from the state. */
vv_manifest_edit vv_manifest_as_edit(const vv_manifest_state *state);

/* manifest_edit.c */

/* Append the sections of an edit, its lists sorted. E_NOMEM, E_LIMIT. */
VV_MUST_CHECK varve_status vv_manifest_encode(const vv_manifest_edit *edit, vv_buf *out,
                                              varve_error *out_err);
/* Arrays lie in `arena`, names of policies are copied into `texts`. E_CORRUPT, E_UNSUPPORTED,
 * E_NOMEM. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_manifest_decode(vv_bytes bytes, vv_arena *arena,
                                                           vv_arena *texts,
                                                           vv_manifest_edit *out_edit,
                                                           varve_error *out_err);

/* manifest_retention.c */

/* The content of the section. */
void vv_manifest_write_retention(vv_buf *out, const vv_manifest_edit *edit);
/* Names are borrowed from the bytes; what makes no sense spoils the reader. E_NOMEM. */
VV_MUST_CHECK varve_status vv_manifest_read_retention(vv_reader *reader, vv_arena *arena,
                                                      vv_manifest_edit *out_edit,
                                                      varve_error *out_err);
/* E_INVALID: a recorded cut falls. */
VV_MUST_CHECK varve_status vv_manifest_check_retention(const vv_manifest_state *state,
                                                       const vv_manifest_edit *edit,
                                                       varve_error *out_err);
/* Every scope of the edit is in the state, if need be as one that says nothing. E_NOMEM, E_LIMIT.
 */
VV_MUST_CHECK varve_status vv_manifest_reserve_retention(vv_manifest_state *state,
                                                         const vv_manifest_edit *edit,
                                                         varve_error *out_err);
void vv_manifest_fold_retention(vv_manifest_state *state, const vv_manifest_edit *edit);

/* manifest_tiers.c */

bool vv_manifest_has_tiers(const vv_manifest_edit *edit);
/* The content of the section. */
void vv_manifest_write_tiers(vv_buf *out, const vv_manifest_edit *edit);
/* The added segments of the edit, which are read already, get their tiers. E_NOMEM. */
VV_MUST_CHECK varve_status vv_manifest_read_tiers(vv_reader *reader, vv_arena *arena,
                                                  vv_manifest_edit *edit, varve_error *out_err);
/* Keep the name of a new warm directory. E_NOMEM, E_LIMIT. */
VV_MUST_CHECK varve_status vv_manifest_reserve_tiers(vv_manifest_state *state,
                                                     const vv_manifest_edit *edit,
                                                     varve_error *out_err);

/* manifest_load.c */

/* Numbers of the files in the directory, ascending, into a vector of uint64_t. */
VV_MUST_CHECK varve_status vv_manifest_list(const vv_env *env, const char *directory,
                                            vv_vec *out_files, varve_error *out_err);
VV_MUST_CHECK varve_status vv_manifest_path(const char *directory, uint64_t seq, const char *suffix,
                                            char out_path[VV_PATH_BYTES_MAX], varve_error *out_err);

#endif
