/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_QUERY_ROLLUP_PASS_H
#define VV_QUERY_ROLLUP_PASS_H

/*
 * A pass of the rollups: what they keep is brought up to date. See rollup_pass.c.
 */

#include "base/compiler.h"
#include "varve.h"

/**
 * One pass over all rollups. In the background it ends early, without failing, where a flush is
 * due, and goes on from there the next time; progress in pieces of work. A rollup that fails is
 * told of in its status and does not keep the others; the first failure is the answer. E_BUSY:
 * memory is full, and only a flush would help.
 */
VV_MUST_CHECK varve_status vv_rollup_pass(varve_db *db, varve_task *task, bool is_background,
                                          varve_error *out_err);

#endif
