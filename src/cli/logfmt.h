/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_LOGFMT_H
#define VV_CLI_LOGFMT_H

/*
 * Events of the server as lines of standard error, each written at once:
 *
 *     time=2026-01-02T03:04:05.678Z level=warn event=flush.failed msg="no space left on device"
 */

#include "varve.h"

struct vv_server_access;

/** A varve_log_function; context is not used. */
void vv_logfmt_event(void *context, uint32_t level, const char *event, const char *message);

/** A vv_server_log; context is not used. */
void vv_logfmt_access(void *context, const struct vv_server_access *access);

#endif
