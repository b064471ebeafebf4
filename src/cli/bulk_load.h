/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_BULK_LOAD_H
#define VV_CLI_BULK_LOAD_H

/*
 * Text into a database, as it comes: line protocol or JSON lines.
 *
 *     vv_load_create(db, &options, &load, &err);
 *     for each piece:  vv_load_feed(load, piece, &err);
 *     vv_load_end(load, &err);
 *     ... vv_load_counts(load) ...
 *     vv_load_free(load);
 *
 * L1  Rows are committed in batches, in the order of the text. What is stored at any moment, also
 *     after a failure or without vv_load_end, is a whole prefix of the good lines: every line up to
 *     counts->lines, and of those after it none.
 * L2  A line that cannot be stored is left out and counted, and the rest goes on. (Of a JSON line
 *     with many rows those before the first bad one are stored.)
 */

#include "base/compiler.h"
#include "base/slice.h"
#include "varve.h"

/* A batch is committed when it holds this much (arbitrary: above it nothing gets faster). */
#define VV_LOAD_BATCH_ROWS  50000u
#define VV_LOAD_BATCH_BYTES (4u * 1024u * 1024u)

typedef struct vv_load_options {
    bool is_json;       /* JSON lines; else line protocol */
    uint32_t precision; /* VARVE_PRECISION_... of times in the text; STORED: the database's */
} vv_load_options;

/** What has been stored so far. */
typedef struct vv_load_counts {
    uint64_t lines;          /* read, and their good rows committed */
    uint64_t rows;           /* stored */
    uint64_t rejected;       /* left out: lines, and rows the database refused */
    uint64_t first_bad_line; /* 0: none */
    varve_error first_bad;   /* why */
} vv_load_counts;

typedef struct vv_load vv_load;

VV_MUST_CHECK varve_status vv_load_create(varve_db *db, const vv_load_options *options,
                                          vv_load **out_load, varve_error *out_err);

/** The next bytes of the text. Errors: what no line can be blamed for, as of varve_batch_commit. */
VV_MUST_CHECK varve_status vv_load_feed(vv_load *load, vv_bytes piece, varve_error *out_err);

/** The text has ended: commit what is left. Counting goes on; another text may follow. */
VV_MUST_CHECK varve_status vv_load_end(vv_load *load, varve_error *out_err);

/** Borrowed until vv_load_free. */
const vv_load_counts *vv_load_counts_of(const vv_load *load);

/** Rows that were not committed are dropped. NULL is fine. */
void vv_load_free(vv_load *load);

#endif
