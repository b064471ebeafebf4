/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two threads that replay large runs together: the caller and one helper, each the series of its
 * own half of the shards. The order of the rows of a series is that of the log, whoever appends
 * them, so the head that results is the same as with one thread.
 */
#ifndef VV_ENGINE_REPLAY_CREW_H
#define VV_ENGINE_REPLAY_CREW_H

#include "engine/db.h"
#include "model/rows.h"

struct vv_head;
typedef struct vv_replay_crew vv_replay_crew;

/** Runs of at least as many rows, of more than one series, are worth it: a switch between threads
 * costs as much as replaying a few hundred rows. */
enum { VV_REPLAY_CREW_ROWS_MIN = 4096 };

/** Starts the helper. Errors: E_NOMEM, E_LIMIT (threads). */
VV_MUST_CHECK varve_status vv_replay_crew_create(varve_db *db, struct vv_head *head,
                                                 vv_replay_crew **out_crew, varve_error *out_err);
/** Like vv_write_replay_run, for a run without vector. One caller at a time. */
VV_MUST_CHECK varve_status vv_replay_crew_run(vv_replay_crew *crew, const vv_run *run,
                                              uint64_t first_sequence, varve_error *out_err);
/** Ends the helper; NULL is allowed. */
void vv_replay_crew_free(vv_replay_crew *crew);

#endif
