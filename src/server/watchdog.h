/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_SERVER_WATCHDOG_H
#define VV_SERVER_WATCHDOG_H

/*
 * Signs of life for a service manager that restarts what does not give any: a thread asks the
 * server over its own address, as a client would, and reports only when that worked. A server that
 * hangs is thus found out even though its process and this thread are fine.
 */

#include "base/alloc.h"
#include "base/compiler.h"
#include "varve.h"

struct vv_notify;

typedef struct vv_watchdog vv_watchdog;

typedef struct vv_watchdog_options {
    vv_alloc *alloc;                /* borrowed until stop, as are all of these */
    const struct vv_notify *notify; /* who wants the signs */
    const char *address;            /* as vv_server_address */
    varve_text path;                /* a cheap one */
    uint64_t period_us;             /* without a sign for so long, the server counts as dead */
    varve_log_function log;         /* NULL: silent */
} vv_watchdog_options;

/**
 * The period that WATCHDOG_USEC and WATCHDOG_PID (texts, or NULL) ask of this process; 0: none. A
 * text that is no number counts as none.
 */
uint64_t vv_watchdog_period_us(const char *usec, const char *pid);

/** Errors: E_NOMEM, E_LIMIT. */
VV_MUST_CHECK varve_status vv_watchdog_start(const vv_watchdog_options *options,
                                             vv_watchdog **out_watchdog, varve_error *out_err);
/** NULL is fine. */
void vv_watchdog_stop(vv_watchdog *watchdog);

#endif
