/* SPDX-License-Identifier: Apache-2.0 */

/* Progress and cancellation; relaxed atomics, since each figure stands for itself. */

#include "engine/task.h"

#include "base/status.h"

varve_status vv_task_poll(varve_task *task, varve_error *out_err)
{
    if (task == NULL) {
        return VARVE_OK;
    }
    if (atomic_load_explicit(&task->is_cancelled, memory_order_relaxed) ||
        (task->check != NULL && !task->check(task->context))) {
        atomic_store_explicit(&task->is_cancelled, true, memory_order_relaxed);
        return vv_fail(out_err, VARVE_E_CANCELLED, "cancelled by the caller");
    }
    return VARVE_OK;
}

void vv_task_begin(varve_task *task, uint64_t total)
{
    if (task != NULL) {
        atomic_store_explicit(&task->done, 0, memory_order_relaxed);
        atomic_store_explicit(&task->total, total, memory_order_relaxed);
    }
}

void vv_task_add(varve_task *task, uint64_t done)
{
    if (task != NULL) {
        atomic_fetch_add_explicit(&task->done, done, memory_order_relaxed);
    }
}
