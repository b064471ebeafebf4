/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Included by `tools/test --only analyse` before every source file.
 *
 * A function that reports a failure never returns VARVE_OK, which the analyser cannot see across
 * files: it would follow callers into code that a failure does not reach. Here they are what they
 * return.
 */
#include "base/arena.h"
#include "base/status.h"
#include "base/vec.h"
#include "sys/vfs.h"

/* Arguments count as used, and the error is filled. */
static inline void vv_analyser_use(varve_error *out_err, ...)
{
    if (out_err != 0) {
        out_err->status = VARVE_E_INTERNAL;
        out_err->os_errno = 0;
    }
}

#define vv_fail(out_err, status, ...)       (vv_analyser_use(out_err, __VA_ARGS__), (status))
#define vv_fail_errno(out_err, status, ...) (vv_analyser_use(out_err, __VA_ARGS__), (status))
#define vv_fail_nomem(out_err, ...)         (vv_analyser_use(out_err, __VA_ARGS__), VARVE_E_NOMEM)
#define vv_arena_fail(arena, size, out_err) (vv_analyser_use(out_err, arena, size), VARVE_E_NOMEM)
#define vv_vec_fail(vec, status, out_err)   (vv_analyser_use(out_err, vec), (status))
#define vv_os_fail(out_err, ...)            (vv_analyser_use(out_err, __VA_ARGS__), VARVE_E_IO)
