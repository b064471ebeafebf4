/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two threads that write one segment: the caller and one helper. The work comes in groups, numbered
 * in the order of the file. Whoever is free claims the next group and works on it in memory; what
 * came of it goes into the file when its turn has come, which is when all groups before it are in
 * it. So the file is the one that a single thread would write.
 */
#ifndef VV_ENGINE_MERGE_CREW_H
#define VV_ENGINE_MERGE_CREW_H

#include "engine/db.h"

typedef struct vv_merge_crew vv_merge_crew;

/** What the helper does: claims groups until there are none. */
typedef void (*vv_merge_crew_work)(vv_merge_crew *crew, void *context);

/** Fewer rows are not worth a thread. Arbitrary: it takes less to write them than to start one. */
enum { VV_MERGE_CREW_ROWS_MIN = 8192 };

/** Starts the helper. Errors: E_NOMEM, E_LIMIT (threads). */
VV_MUST_CHECK varve_status vv_merge_crew_create(varve_db *db, size_t group_count,
                                                vv_merge_crew_work work, void *context,
                                                vv_merge_crew **out_crew, varve_error *out_err);
/** False: none is left, or one of the two has failed. */
VV_MUST_CHECK bool vv_merge_crew_claim(vv_merge_crew *crew, size_t *out_group);
/** Wait until it is the turn of a claimed group. Errors: that of the other thread. */
VV_MUST_CHECK varve_status vv_merge_crew_take_turn(vv_merge_crew *crew, size_t group,
                                                   varve_error *out_err);
/** The group whose turn it is, is in the file. */
void vv_merge_crew_pass_turn(vv_merge_crew *crew);
/** Both stop; the first failure is kept. */
void vv_merge_crew_fail(vv_merge_crew *crew, varve_status status, const varve_error *error);
/** Wait for the helper, and free the crew. Errors: the first failure. */
varve_status vv_merge_crew_end(vv_merge_crew *crew, varve_error *out_err);

#endif
