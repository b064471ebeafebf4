/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_SERVER_INGEST_H
#define VV_SERVER_INGEST_H

/*
 * Rows of one request on their way into the database: gathered in a batch that is committed
 * whenever it is large enough, so that a body of any length takes bounded memory. What cannot be
 * stored is left out, counted, and the first of it is kept with its line and reason.
 */

#include "base/arena.h"
#include "base/vec.h"
#include "server/server_priv.h"

/* Fields that a request remembers by place: rows of one client look alike. */
#define VV_INGEST_MEMO_FIELDS 32u

typedef struct vv_ingest {
    vv_server *server;
    varve_batch *batch;
    vv_arena arena; /* bytes that rows of the batch point to */
    vv_buf lines;   /* uint64_t of each row of the batch: its line */
    vv_vec fields;  /* varve_field of the row under way */
    vv_vec values;  /* varve_value, the same */
    vv_buf memo_names;
    struct {
        size_t offset, size; /* in memo_names */
        varve_field field;
    } memo[VV_INGEST_MEMO_FIELDS];
    size_t memo_count;
    uint64_t batch_rows;
    uint64_t batch_bytes;
    uint64_t rows;     /* stored so far */
    uint64_t rejected; /* left out so far */
    uint32_t ack;      /* weakest so far; VARVE_ACK_NONE before the first */
    uint64_t first_line;
    varve_error first_err; /* of the first that was left out */
} vv_ingest;

/* Bounds of the server on what names a series (security.md, section 4); the library takes more. */
#define VV_INGEST_METRIC_BYTES_MAX 512u
#define VV_INGEST_LABELS_MAX       64u
#define VV_INGEST_VALUE_BYTES_MAX  4096u
#define VV_INGEST_KEY_BYTES_MAX    16384u

/** Resolve a series within the bounds. Errors: E_LIMIT, which names the bound, and those of
 * varve_series_resolve. */
VV_MUST_CHECK varve_status vv_ingest_series(vv_server *server, varve_text metric,
                                            const varve_label *labels, size_t label_count,
                                            varve_series *out_series, varve_error *out_err);

VV_MUST_CHECK varve_status vv_ingest_init(vv_ingest *ingest, vv_server *server,
                                          varve_error *out_err);
void vv_ingest_deinit(vv_ingest *ingest);

/** Count something that is left out; count rows of it. */
void vv_ingest_reject(vv_ingest *ingest, uint64_t line, uint64_t count, const varve_error *err);

/**
 * Add a row; values of type NONE are left out. A row that cannot be stored is counted, not a
 * failure: only what ends the request is (E_NOMEM, E_BUSY, E_IO and kin).
 */
VV_MUST_CHECK varve_status vv_ingest_row(vv_ingest *ingest, varve_series series, int64_t timestamp,
                                         const varve_text *names, const varve_value *values,
                                         size_t count, size_t stride, uint64_t line,
                                         varve_error *out_err);

/** Commit what was added. */
VV_MUST_CHECK varve_status vv_ingest_flush(vv_ingest *ingest, varve_error *out_err);

/** "DURABLE" (also of no rows), "APPENDED", "VOLATILE". */
const char *vv_ingest_ack_text(const vv_ingest *ingest);

#endif
