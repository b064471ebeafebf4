/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_IDENT_H
#define VV_ENGINE_IDENT_H

/*
 * IDENT: who a database is. Written once, before anything else but LOCK. Format:
 * docs/formats/ident.md.
 */

#include "base/slice.h"
#include "sys/env.h"
#include "varve.h"

enum { VV_IDENT_BYTES = 68 };

/* Bytes of the path of a database, of a snapshot being made and of a warm directory: a name found
 * in one of its directories (at most 255 bytes) fits behind it, as do our own, the longest of which
 * is quarantine/<time>/<number>.vwl. What joins such a path has been checked here and cannot fail.
 */
#define VV_IDENT_PATH_BYTES_MAX (VV_PATH_BYTES_MAX - 512)

typedef struct vv_ident {
    uint8_t store_id[16];
    uint8_t parent_id[16]; /* of the database this one is a copy of, or zero. A snapshot is its
                              database at one moment and has the same id; a restored one has not */
    int64_t created_ns;    /* Unix time */
} vv_ident;

void vv_ident_encode(const vv_ident *ident, uint8_t target[VV_IDENT_BYTES]);
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_ident_decode(vv_bytes bytes, vv_ident *out_ident,
                                                        varve_error *out_err);

/** Read <directory>/IDENT. E_NOT_FOUND, E_CORRUPT, E_UNSUPPORTED, E_IO. */
VV_MUST_CHECK varve_status vv_ident_read(const vv_env *env, const char *directory,
                                         vv_ident *out_ident, varve_error *out_err);
/** The same of a file of any name. */
VV_MUST_CHECK varve_status vv_ident_read_file(const vv_env *env, const char *path,
                                              vv_ident *out_ident, varve_error *out_err);
/**
 * Before anything is made in a directory: whether it is a database, or, where one may be made,
 * nothing that would be harmed. E_NOT_FOUND, and as vv_ident_create.
 */
VV_MUST_CHECK varve_status vv_ident_check_place(const vv_env *env, const char *directory,
                                                bool creates, varve_error *out_err);
/**
 * Write <directory>/IDENT (tmp_directory exists). A directory that holds anything but LOCK and
 * empty directories of varve is refused: E_CORRUPT when it looks like a database whose IDENT was
 * lost, E_CONFLICT when the files are foreign.
 */
VV_MUST_CHECK varve_status vv_ident_create(const vv_env *env, const char *directory,
                                           const char *tmp_directory, const vv_ident *ident,
                                           varve_error *out_err);
/** Whether this is a snapshot, which nothing is written to. */
bool vv_ident_is_snapshot(const vv_ident *ident);
/** A new identity: random store id, the time of now, no parent. */
VV_MUST_CHECK varve_status vv_ident_make(const vv_env *env, vv_ident *out_ident,
                                         varve_error *out_err);

#endif
