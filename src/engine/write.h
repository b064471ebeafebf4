/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_WRITE_H
#define VV_ENGINE_WRITE_H

/*
 * A batch on its way: operations in order (runs of rows, deletes), then the steps of a write
 * (docs/internals/architecture.md). varve_batch is this struct's handle.
 */

#include "engine/db.h"
#include "model/rows.h"
#include "model/selection.h"

/** The database of a batch. */
varve_db *vv_batch_db(const varve_batch *batch);
/** varve_batch_* and varve_write are thin wrappers of these. */
VV_MUST_CHECK varve_status vv_batch_create(varve_db *db, varve_batch **out_batch,
                                           varve_error *out_err);
/** One of varve's own work in the background: closing does not call it busy, and it may delete what
 *  rollups keep. */
VV_MUST_CHECK varve_status vv_batch_create_internal(varve_db *db, varve_batch **out_batch,
                                                    varve_error *out_err);
void vv_batch_free(varve_batch *batch);
void vv_batch_clear(varve_batch *batch);
VV_MUST_CHECK varve_status vv_batch_row(varve_batch *batch, const varve_row *row,
                                        varve_error *out_err);
VV_MUST_CHECK varve_status vv_batch_columns(varve_batch *batch, const varve_columns *columns,
                                            varve_error *out_err);
VV_MUST_CHECK varve_status vv_batch_delete(varve_batch *batch, const varve_selection *selections,
                                           size_t count, varve_range range, varve_error *out_err);
/** A row is deleted, or gets other content: what is not there when the batch is committed is left
 *  out and counted. E_UNSUPPORTED for a metric without row ids. */
VV_MUST_CHECK varve_status vv_batch_delete_row(varve_batch *batch, const varve_row_id *id,
                                               varve_error *out_err);
VV_MUST_CHECK varve_status vv_batch_replace(varve_batch *batch, const varve_row_id *id,
                                            const varve_row *row, varve_error *out_err);
/** A row that cannot be added (a name that is not valid, series_max): it takes its place in the
 *  count of rows; a commit with VARVE_WRITE_SKIP_REJECTED reports it, another fails with `reason`.
 */
VV_MUST_CHECK varve_status vv_batch_refuse(varve_batch *batch, const varve_error *reason,
                                           varve_error *out_err);
VV_MUST_CHECK varve_status vv_batch_submit(varve_batch *batch, const varve_write_options *options,
                                           varve_written *out_written, varve_error *out_err);
VV_MUST_CHECK varve_status vv_batch_commit(varve_batch *batch, const varve_write_options *options,
                                           varve_written *out_written, varve_error *out_err);
VV_MUST_CHECK varve_status vv_write_policy(varve_db *db, varve_text metric,
                                           const varve_metric_policy *policy, varve_error *out_err);

struct vv_head;
/** Replay: put the runs of a log record into a head (ids translated already), with the sequences
 * they had; no log; takes the shard lock itself (a read-only handle replays into a head of its
 * own). Types that conflict with a type whose rows are all hidden replace it, as they did when they
 * were written. */
VV_MUST_CHECK varve_status vv_write_replay_run(varve_db *db, struct vv_head *head,
                                               const vv_run *run, uint64_t first_sequence,
                                               varve_error *out_err);
/** The same for the rows of some shards of a run without vector, a bit for each. Others may do the
 * rest at the same time. After a failure what the run reserved is to be given back, see
 * vv_head_unreserve. */
VV_MUST_CHECK varve_status vv_write_replay_part(varve_db *db, struct vv_head *head,
                                                const vv_run *run, uint64_t first_sequence,
                                                uint64_t shards, varve_error *out_err);
/** Give back what a run reserved. */
void vv_write_replay_undo(varve_db *db, struct vv_head *head, const vv_run *run);
/** Replay: a row was deleted or replaced with the delete of this sequence. */
VV_MUST_CHECK varve_status vv_write_replay_hide(varve_db *db, struct vv_head *head,
                                                const vv_row_address *row, uint64_t sequence,
                                                varve_error *out_err);
/** Replay: the policy of a metric has changed in the catalogue; rows that follow obey the new one.
 */
VV_MUST_CHECK varve_status vv_write_replay_policy(varve_db *db, struct vv_head *head,
                                                  uint32_t metric_id, varve_error *out_err);

#endif
