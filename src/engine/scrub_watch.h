/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_SCRUB_WATCH_H
#define VV_ENGINE_SCRUB_WATCH_H

/*
 * Scrubs in the background, every options.scrub_interval_ms. A pass takes hours where there is much
 * to read, so it has a thread of its own, which lives as long as the pass.
 *
 *   Q1  A pass is due when the last complete one, or else the making of the database, is so long
 *       ago by the wall clock, and this process has had it open for SCRUB_WATCH_REST_NS: one that
 *       lives shorter scrubs nothing.
 *   Q2  After a failure the next attempt waits for SCRUB_WATCH_RETRY_NS.
 *
 * Used by the background thread, and by who stops it.
 */

#include <stdatomic.h>

#include "engine/db.h"
#include "sys/thread.h"

typedef struct vv_scrub_watch {
    vv_thread thread;
    varve_db *db;
    bool has_thread;
    atomic_bool is_done;     /* of the thread: it may be joined */
    atomic_bool is_stopping; /* asked between reads */
    int64_t not_before_ns;   /* monotonic */
} vv_scrub_watch;

void vv_scrub_watch_init(vv_scrub_watch *watch, varve_db *db);
/** Start a pass that is due, let one that has ended go. */
void vv_scrub_watch_tick(vv_scrub_watch *watch);
/** Stop a pass that is under way, within one read. */
void vv_scrub_watch_stop(vv_scrub_watch *watch);

#endif
