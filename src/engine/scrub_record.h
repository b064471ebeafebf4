/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_SCRUB_RECORD_H
#define VV_ENGINE_SCRUB_RECORD_H

/*
 * What the last complete scrub found, kept in the manifest: so that damage is known at the next
 * open before a query meets it, and a process knows when the last pass was.
 *
 *   N1  A record replaces the one before; a pass without damage takes the list away.
 *   N2  A place counts while its file is of the database: a merge or flush that wrote the file anew
 *       has read it whole, or failed.
 */

#include "base/buf.h"
#include "base/compiler.h"
#include "base/slice.h"
#include "varve.h"

enum { VV_SCRUB_BAD_MAX = 256 }; /* arbitrary: more are counted and not listed */

/** A damaged place of a file with a number. */
typedef struct vv_scrub_bad {
    uint64_t file_id;
    uint64_t block; /* UINT64_MAX: not a block */
    uint64_t offset, bytes;
} vv_scrub_bad;

typedef struct vv_scrub_record {
    bool exists;
    int64_t completed_ns; /* wall clock */
    uint64_t files, blocks, bytes;
    uint64_t damaged_files, damaged_places;
    size_t bad_count;
    vv_scrub_bad bad[VV_SCRUB_BAD_MAX]; /* as they were met */
} vv_scrub_record;

/** Append the stored form. E_NOMEM. */
VV_MUST_CHECK varve_status vv_scrub_record_write(const vv_scrub_record *record, vv_buf *out,
                                                 varve_error *out_err);
/** All of the bytes; none: a record that does not exist. E_CORRUPT. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_scrub_record_read(vv_bytes bytes,
                                                             vv_scrub_record *out_record,
                                                             varve_error *out_err);

#endif
