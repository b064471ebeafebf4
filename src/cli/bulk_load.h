/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_BULK_LOAD_H
#define VV_CLI_BULK_LOAD_H

/*
 * Text of any format into a database, as it comes.
 *
 *     vv_load_create(db, &options, &load, &err);
 *     for each piece:  vv_load_feed(load, piece, &err);
 *     vv_load_end(load, &err);
 *     ... vv_load_counts_of(load) ...
 *     vv_load_free(load);
 *
 * L1  Rows are committed in batches, in the order of the text. What is stored at any moment, also
 *     after a failure or without vv_load_end, is a whole prefix of the good lines: every line up to
 *     counts->lines, and of those after it none.
 * L2  A line or row that cannot be stored is left out and counted, and the rest goes on.
 */

#include "base/compiler.h"
#include "base/slice.h"
#include "cli/formats.h"
#include "varve.h"

/* A batch is committed when it holds this much (arbitrary: above it nothing gets faster). */
#define VV_LOAD_BATCH_ROWS  50000u
#define VV_LOAD_BATCH_BYTES (4u * 1024u * 1024u)

/** A parameter of the server's route, beside "precision" and "extra_label". */
typedef struct vv_load_param {
    const char *name;
    varve_text value;
} vv_load_param;

/** What is read and how; everything is borrowed. */
typedef struct vv_load_options {
    const vv_format_row *format;
    uint32_t precision;       /* VARVE_PRECISION_... of times in the text; STORED: not given */
    const varve_label *extra; /* labels that every series gets */
    size_t extra_count;
    const void *format_options;  /* as vv_decoder_options; for a database */
    const vv_load_param *params; /* the same for a server */
    size_t param_count;
} vv_load_options;

/** What has been stored so far. */
typedef struct vv_load_counts {
    bool is_unknown;         /* a server has stored rows and does not tell how many */
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

/** No more comes, since the text is damaged or the user stopped it: commit what is good so far. */
VV_MUST_CHECK varve_status vv_load_stop(vv_load *load, varve_error *out_err);

/** The text has ended: commit what is left. */
VV_MUST_CHECK varve_status vv_load_end(vv_load *load, varve_error *out_err);

/** What has been stored up to now. */
vv_load_counts vv_load_counts_of(const vv_load *load);

/** Rows that were not committed are dropped. NULL is fine. */
void vv_load_free(vv_load *load);

#endif
