/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_WRITE_PRIV_H
#define VV_ENGINE_WRITE_PRIV_H

/*
 * Inside of a write. A call takes a batch apart into items (at most as many rows as a run of the
 * log may have), and items into parts, each one atomic batch of the log; without SPLIT there is one
 * part. A part is tried until nothing has come between looking and locking:
 *
 *   resolve    which rows are there that are to be changed                         write_rows.c
 *   prepare    leave out rejected rows, encode bulk runs, build payloads           write_prepare.c
 *   reserve    memory, log                                                        write.c
 *   lock       shards
 *   check      types (conflict: write_types.c, again), definitions (missing: again), policies
 *   append     order, rows, tombstones                                            cannot fail
 *   unlock
 */

#include "base/bitmap.h"
#include "engine/batch_priv.h"
#include "engine/head.h"
#include "engine/version.h"
#include "wal/wal.h"

/** Rows of an operation, a delete (op->selection), or changes of rows (targets). */
typedef struct vv_write_item {
    const vv_batch_op *op;
    vv_run run;
    uint64_t first_row; /* in the batch */
    const vv_row_address *targets;
    size_t target_count;
    size_t first_target; /* among those of the part */
} vv_write_item;

#define VV_WRITE_NO_GROUP UINT32_MAX

/* Rows of a group: as a record they stay below 32 MiB. */
enum { VV_WRITE_GROUP_ROWS_MAX = 1024 * 1024 };

/** A row to be changed. */
typedef struct vv_write_target {
    vv_row_address row;
    bool is_stored; /* the view has it */
    uint32_t group; /* of changes that are one record; NO_GROUP: it is not there, or is rejected */
} vv_write_target;

/** What became of the targets. */
typedef struct vv_write_row_counts {
    uint64_t deleted, replaced, missing;
} vv_write_row_counts;

/** A run as it goes to log and head. */
typedef struct vv_write_run {
    vv_run run;
    uint64_t late_rows;   /* of the reservation */
    size_t vector_offset; /* vectors: in memory.vectors */
    bool is_vector;
    bool is_last;   /* vectors: the policy they were made for */
    bool has_rings; /* some of its series are rings */
} vv_write_run;

/** A delete by selection, or, with op NULL, a group of rows that are hidden one by one. */
typedef struct vv_write_delete {
    const vv_batch_op *op;
    size_t run_index;            /* runs before it */
    size_t hide_begin, hide_end; /* a group: in memory.hides */
    vv_tombstone *tombstone;     /* a reference; made before the locks */
    uint32_t resolved_series;    /* series ids that were looked at */
} vv_write_delete;

/** A record, its payload in memory.payload. */
typedef struct vv_write_record {
    vv_wal_type type;
    uint64_t sequences;
    size_t offset, size;
    uint32_t crc;
} vv_write_record;

typedef struct vv_write {
    varve_batch *batch;
    varve_db *db;
    vv_batch_memory *memory;
    const varve_write_options *options; /* NULL: defaults */
    uint32_t flags, sync;
    int64_t deadline_ns;
    bool is_logged; /* there are log files */
    bool counts_deleted;
    uint64_t *rejected_rows; /* bits by row of the batch, in memory.call; NULL: none */
    /* Of the part: */
    size_t item_begin, item_end;
    uint64_t rows; /* in its runs, before bulk runs are united */
    uint64_t points;
    vv_retention_times times;        /* of its rows, for the reference time */
    size_t payload_bytes;            /* of all records but the definitions, or an estimate */
    vv_idset new_series, new_fields; /* what memory.definitions defines */
    uint64_t retypes_visible;        /* as of when memory.retypes hold */
    struct vv_ring_set *rings;       /* rows were checked against these, a reference; NULL: none */
    uint64_t ring_changes;           /* as of when they hold */
    bool waits_for_ring;             /* one of them is being changed */
    uint64_t late_dropped;           /* rows of the part that its rings leave out */
    vv_version *base, *version;      /* with deletes: the current one, and that with tombstones */
    bool has_deletes;                /* by selection */
    bool is_chain;                   /* may be longer: chain_bytes_max */
    bool changes_rows;               /* there are targets ... */
    bool is_rows_resolved;           /* ... and what became of them is known ... */
    bool has_rows_changed;           /* ... anew: something came between */
    uint64_t rows_visible;           /* as of when it is known */
    uint32_t group;                  /* begun last, while preparing */
    vv_write_row_counts part_rows;
    /* Of the call: */
    varve_written written;
    vv_idset deleted_series;
} vv_write;

void vv_write_memory_init(vv_batch_memory *memory, vv_alloc *alloc);
void vv_write_memory_deinit(vv_batch_memory *memory);

/** The scratch of the batch, made when missing. */
VV_MUST_CHECK varve_status vv_write_scratch(vv_write *write, varve_error *out_err);

/* ---- write_plan.c ---- */

/** Items of the whole batch. */
VV_MUST_CHECK varve_status vv_write_plan(vv_write *write, varve_error *out_err);
/** Set item_end of the part that begins at item_begin. */
void vv_write_plan_part(vv_write *write);
/** Make the part smaller; false: it is one row already. E_NOMEM in *out_status. */
bool vv_write_plan_smaller(vv_write *write, varve_status *out_status, varve_error *out_err);
/** Bytes that a run takes in the log, about; never far below. */
uint64_t vv_write_estimate(const vv_run *run);
/** Rows [begin, begin + count) of a run without a vector. */
VV_MUST_CHECK varve_status vv_write_slice(const vv_run *run, size_t begin, size_t count,
                                          vv_arena *arena, vv_run *out_run, varve_error *out_err);

/* ---- write_prepare.c ---- */

/** Runs, deletes and records of the part. E_LIMIT above batch_bytes_max or chain_bytes_max. */
VV_MUST_CHECK varve_status vv_write_prepare(vv_write *write, varve_error *out_err);
/** Payload of the definitions of new_series and new_fields. */
VV_MUST_CHECK varve_status vv_write_define(vv_write *write, varve_error *out_err);
/** Add a run to those of the part. */
VV_MUST_CHECK varve_status vv_write_add_run(vv_write *write, const vv_run *run,
                                            varve_error *out_err);
/** Rows of a column by number; UINT32_MAX: no value. */
VV_MUST_CHECK varve_status vv_write_take_column(const varve_column *column, const uint32_t *rows,
                                                size_t count, vv_arena *arena,
                                                varve_column *out_column, varve_error *out_err);

/* ---- write_bulk.c ---- */

/** Turn a run of one series into vectors, added to memory.runs; *out_is_done false: leave it plain.
 */
VV_MUST_CHECK varve_status vv_write_bulk(vv_write *write, const vv_run *run, bool *out_is_done,
                                         varve_error *out_err);

/* ---- write_types.c ---- */

/** Look at every row of the part: which conflicts are real (rejected, or the end), which types may
 * change. */
VV_MUST_CHECK varve_status vv_write_resolve_types(vv_write *write, varve_error *out_err);
/** Whether the retypes still hold. Shards are locked. */
bool vv_write_retypes_hold_locked(const vv_write *write);
/** Whether a delete by selection among the items [begin, end) takes what is at a time of a series.
 */
VV_MUST_CHECK varve_status vv_write_is_deleted(const vv_write *write, uint32_t series, int64_t time,
                                               size_t begin, size_t end, bool *out_is_deleted,
                                               varve_error *out_err);
/** Tell the caller which row the write fails for; whoever calls it makes the message. */
void vv_write_blame(const vv_write *write, const varve_rejected *rejected);
/** Leave a row of the batch out. */
VV_MUST_CHECK varve_status vv_write_reject(vv_write *write, const varve_rejected *rejected,
                                           varve_error *out_err);

/* ---- write_rows.c ---- */

/** E_UNSUPPORTED unless the rows of a series have ids. */
VV_MUST_CHECK varve_status vv_write_check_row_ids(varve_db *db, uint32_t series,
                                                  varve_error *out_err);
/** Find out which targets of the part are there, unless that is known. */
VV_MUST_CHECK varve_status vv_write_resolve_rows(vv_write *write, varve_error *out_err);
/** Whether a row of an item is written: not rejected, and no replacement of what is not there. */
bool vv_write_counts_row(const vv_write *write, const vv_write_item *item, size_t row);
/** Hides and rows of an item that has targets. */
VV_MUST_CHECK varve_status vv_write_prepare_rows(vv_write *write, const vv_write_item *item,
                                                 varve_error *out_err);
/** Bring the hides of a group into the order of the log. */
void vv_write_sort_hides(vv_write *write, const vv_write_delete *delete);
/** Shards of the targets, a bit each. */
uint64_t vv_write_target_shards(const vv_write *write);
/** Whether what was found out still holds; else it is to be found out again. Shards are locked. */
bool vv_write_rows_hold_locked(vv_write *write);
/** Room for the hides in the head; series that the log does not define go into new_series. */
VV_MUST_CHECK varve_status vv_write_reserve_hides_locked(vv_write *write, bool *out_has_grown,
                                                         varve_error *out_err);
/** Hide the rows of a group. Shards are locked. */
void vv_write_hide_rows(vv_write *write, const vv_write_delete *delete, uint64_t sequence);
/* ---- ring_write.c ---- */

/** Compare rows of rings with what the rings take: rejected, or the end. Once for each change of
 *  the rings. */
VV_MUST_CHECK varve_status vv_write_check_rings(vv_write *write, varve_error *out_err);
bool vv_write_has_rings(const vv_write *write, const vv_run *run);
/** Whether the rings are still those that rows were checked against, and room for what
 *  vv_write_apply_ring_rows notes. E_CONFLICT: they are not, or one is being changed. */
VV_MUST_CHECK varve_status vv_write_reserve_rings_locked(vv_write *write, varve_error *out_err);
/** Rows of a run have their place in the order: what do the slots hold now? */
void vv_write_apply_ring_rows(vv_write *write, const vv_run *run);
/** The same of a delete. Every shard locked. */
void vv_write_apply_ring_delete(vv_write *write, const vv_tombstone *tombstone);
/** After such a conflict: until the change is done. E_BUSY. */
VV_MUST_CHECK varve_status vv_write_wait_ring(vv_write *write, varve_error *out_err);
void vv_write_end_rings(vv_write *write);

/* ---- write_delete.c ---- */

/** Compile selections of a delete; lists of handles become exact names. */
VV_MUST_CHECK varve_status vv_write_selection(varve_db *db, const varve_selection *selections,
                                              size_t count, vv_selection **out_selection,
                                              varve_error *out_err);
/** Make the tombstones of the part, resolved. */
VV_MUST_CHECK varve_status vv_write_make_tombstones(vv_write *write, varve_error *out_err);
/** Add the series that came since, and make the version with the tombstones. Every shard locked. */
VV_MUST_CHECK varve_status vv_write_add_tombstones_locked(vv_write *write, varve_error *out_err);
/** Install that version; the tombstones have their sequences. Every shard locked. */
void vv_write_install_tombstones_locked(vv_write *write);
/** Drop what was made. */
void vv_write_drop_tombstones(vv_write *write);
/** Add the series with rows that the deletes of the part hide to deleted_series. */
VV_MUST_CHECK varve_status vv_write_count_deleted(vv_write *write, varve_error *out_err);

#endif
