/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_BATCH_PRIV_H
#define VV_ENGINE_BATCH_PRIV_H

/*
 * Inside of a batch: its operations in order. Rows that come one by one are turned into columns at
 * once, so that a batch is a list of runs and deletes whatever calls it was built with.
 *
 *   K1  A run obeys R1 to R6 of model/rows.h; every row of it has at least one value.
 *   K2  A call that fails adds nothing.
 *   K3  Nothing of a commit changes operations: after a failure that had no effect the batch is as
 *       before.
 */

#include "base/arena.h"
#include "base/vec.h"
#include "codec/vector.h"
#include "engine/write.h"

/** One operation: a run, or a delete where selection is not NULL. With targets it changes rows that
 *  are there: row i of the run replaces target i; without a run the targets are deleted. */
typedef struct vv_batch_op {
    vv_run run;
    const vv_row_address *targets;
    size_t target_count;
    uint64_t first_row;      /* index in the batch of the run's first row */
    vv_selection *selection; /* owned by the batch; LIST items are EXACT ones already */
    varve_range range;
} vv_batch_op;

/** The run that rows are being added to; its arrays grow in the arena. */
typedef struct vv_batch_open {
    size_t count, capacity; /* rows; capacity 0: no run is open */
    size_t column_count;
    const varve_field *given; /* fields in the order of the row that opened it ... */
    const uint32_t *given_types;
    const uint16_t *places; /* ... and the column of each */
    uint32_t *series;
    int64_t *times;
    uint32_t *fields;
    varve_column *columns;
    void **values; /* of the columns, to write to */
    bool is_replacing;
    vv_row_address *targets; /* is_replacing: what the rows replace */
} vv_batch_open;

/** Rows being deleted one by one; not open while a run is. */
typedef struct vv_batch_deletes {
    vv_row_address *targets;
    size_t count, capacity;
} vv_batch_deletes;

/** A row that could not be added, kept for VARVE_WRITE_SKIP_REJECTED. */
typedef struct vv_batch_refusal {
    uint64_t row;
    varve_error error;
} vv_batch_refusal;

/** Memory of a commit at work, kept for the next one; write_priv.h says what is in it. */
typedef struct vv_batch_memory {
    vv_arena call;    /* of the whole call */
    vv_arena attempt; /* of one attempt to write one part */
    vv_buf vectors, payload, definitions;
    vv_vec items, rejected;                 /* of the call */
    vv_vec runs, deletes, records, retypes; /* of the part */
    vv_vec targets, found, hides;           /* of the part: rows changed one by one */
    vv_codec_scratch *scratch;              /* NULL until a bulk run or a scan needs it */
} vv_batch_memory;

struct varve_batch {
    varve_db *db;
    vv_db_user user;
    vv_arena arena; /* arrays of the operations */
    vv_vec ops;     /* vv_batch_op */
    vv_batch_open open;
    vv_batch_deletes open_deletes;
    uint64_t row_count; /* in all runs, the open one included */
    vv_vec refusals;    /* vv_batch_refusal, ascending by row */
    vv_batch_memory memory;
};

/** End the open run and the open deletes, so that everything is in an operation. */
VV_MUST_CHECK varve_status vv_batch_close_run(varve_batch *batch, varve_error *out_err);

/** A caller's column of `rows` rows as one that obeys R1 to R5, borrowed where it does already.
 *  `field` is for the message. */
VV_MUST_CHECK varve_status vv_batch_convert(varve_batch *batch, const varve_column *given,
                                            size_t rows, uint32_t field, varve_column *out_column,
                                            varve_error *out_err);

/** "row N, field "name"" before a message. */
void vv_batch_prefix(const varve_batch *batch, uint64_t row, uint32_t field, varve_error *out_err);

#endif
