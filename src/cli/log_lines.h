/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_LOG_LINES_H
#define VV_CLI_LOG_LINES_H

/*
 * What the server says of itself and of its requests, a line each, written at once to standard
 * error, as logfmt or as JSON:
 *
 *     time=2026-01-02T03:04:05.678Z level=warn event=flush.failed msg="no space left on device"
 *     {"time":"2026-01-02T03:04:05.678Z","level":"warn","event":"flush.failed","msg":"no space
 * ..."}
 *
 * L1  A line is one line of valid UTF-8 without control characters, whatever a client sends; a
 * value of a client is cut at VV_LOG_VALUE_BYTES_MAX.
 */

#include "base/buf.h"
#include "varve.h"

struct vv_server_access;

#define VV_LOG_VALUE_BYTES_MAX 256u

typedef enum vv_log_form {
    VV_LOG_FORM_OFF, /* of requests: no line */
    VV_LOG_FORM_LOGFMT,
    VV_LOG_FORM_JSON,
} vv_log_form;

/** What the process writes; info, logfmt, no requests unless set. From any thread. */
void vv_log_lines_set(uint32_t level, vv_log_form events, vv_log_form requests);

/** A varve_log_function; context is not used. */
void vv_log_lines_event(void *context, uint32_t level, const char *event, const char *message);
/** A vv_server_log; context is not used. */
void vv_log_lines_request(void *context, const struct vv_server_access *access);

/** The lines themselves, appended. Sticky as vv_buf. */
void vv_log_lines_print_event(vv_buf *out, vv_log_form form, int64_t wall_ns, uint32_t level,
                              const char *event, varve_text message);
void vv_log_lines_print_request(vv_buf *out, vv_log_form form, int64_t wall_ns,
                                const struct vv_server_access *access);

#endif
