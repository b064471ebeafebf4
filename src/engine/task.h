/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_TASK_H
#define VV_ENGINE_TASK_H

/*
 * Long work that can be watched and stopped: the body of varve_task. Work polls it at least once
 * per vector decoded or block read, which is far more often than every 10 ms.
 */

#include <stdatomic.h>

#include "base/compiler.h"
#include "varve.h"

struct varve_task {
    atomic_bool is_cancelled;
    atomic_uint_fast64_t done, total;
    varve_task_check check; /* called in the working thread; NULL: none */
    void *context;
};

/** E_CANCELLED when somebody asked for that; task may be NULL. */
VV_MUST_CHECK varve_status vv_task_poll(varve_task *task, varve_error *out_err);
/** Start counting towards total (0: unknown); task may be NULL. */
void vv_task_begin(varve_task *task, uint64_t total);
void vv_task_add(varve_task *task, uint64_t done);

#endif
