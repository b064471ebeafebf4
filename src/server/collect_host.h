/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_SERVER_COLLECT_HOST_H
#define VV_SERVER_COLLECT_HOST_H

/*
 * Metrics of the host itself, written by a thread of their own every few seconds, so that an empty
 * database has something to show. One sample is one atomic batch; all series have the label host
 * and the field value:
 *
 *     cpu_percent                                   busy share of all processors since the sample
 *                                                   before
 *     load_avg_1m  load_avg_5m  load_avg_15m
 *     mem_used_percent                              what is not available to programs
 *     disk_used_percent{mountpoint}
 *     disk_read_bytes{device}  disk_write_bytes{device}            since the machine started
 *     net_bytes_sent{interface}  net_bytes_recv{interface}         the same
 *
 * What the system does not say is left out. A sample that cannot be written is lost; why is
 * reported once, and then that writing works again.
 */

#include "base/compiler.h"
#include "varve.h"

#define VV_COLLECT_HOST_SECONDS_DEFAULT 10u
#define VV_COLLECT_HOST_SECONDS_MAX     86400u

typedef struct vv_collect_host vv_collect_host;

/** Called by the collector's thread when writing begins to fail (why), and when it works again
 * (NULL). */
typedef void (*vv_collect_host_report)(void *context, const varve_error *why);

typedef struct vv_collect_host_options {
    uint32_t interval_s;           /* 1 to VV_COLLECT_HOST_SECONDS_MAX */
    const char *proc_path;         /* "/proc"; borrowed until stop */
    vv_collect_host_report report; /* NULL: nobody is told */
    void *report_context;
} vv_collect_host_options;

void vv_collect_host_options_init(vv_collect_host_options *options);

/**
 * Start the thread; it writes its first sample at once. db is borrowed until stop.
 * Errors: E_INVALID (the interval), E_NOMEM, E_LIMIT (threads).
 */
VV_MUST_CHECK varve_status vv_collect_host_start(varve_db *db,
                                                 const vv_collect_host_options *options,
                                                 vv_collect_host **out_collector,
                                                 varve_error *out_err);

/** End the thread, after the write it may be in. NULL is fine. */
void vv_collect_host_stop(vv_collect_host *collector);

#endif
