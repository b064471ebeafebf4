/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/logfmt.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json_writer.h"
#include "base/slice.h"
#include "base/text.h"
#include "server/server.h"
#include "sys/clock.h"

/* Longest line; what does not fit is not written. */
#define LOGFMT_LINE_BYTES_MAX (64u * 1024u)

static void logfmt_begin(vv_buf *line, vv_alloc *alloc, const char *level)
{
    char time[VV_TEXT_RFC3339_BYTES_MAX];
    int64_t ns = vv_wall_now_ns();
    size_t size =
        vv_text_print_rfc3339_parts(time, ns / VV_NS_PER_S, (uint32_t)(ns % VV_NS_PER_S), 3);
    vv_alloc_init(alloc, NULL);
    vv_buf_init(line, alloc, LOGFMT_LINE_BYTES_MAX);
    vv_buf_append_format(line, "time=%.*s level=%s", (int)size, time, level);
}

/** " key=value", the value with the quotes and escapes of JSON. */
static void logfmt_add(vv_buf *line, const char *key, varve_text value)
{
    vv_buf_append_format(line, " %s=\"", key);
    vv_json_escape(line, value);
    vv_buf_append_char(line, '"');
}

static void logfmt_end(vv_buf *line)
{
    vv_buf_append_char(line, '\n');
    if (vv_buf_check(line, NULL) == VARVE_OK) {
        /* One call, so that lines of several threads do not mix; nobody to tell when it fails. */
        VV_IGNORE(fwrite(line->data, 1, line->size, stderr));
    }
    vv_buf_deinit(line);
}

void vv_logfmt_event(void *context, uint32_t level, const char *event, const char *message)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    vv_alloc alloc;
    vv_buf line;
    (void)context;
    logfmt_begin(&line, &alloc, level < VV_ARRAY_COUNT(names) ? names[level] : "error");
    vv_buf_append_format(&line, " event=%s", event);
    logfmt_add(&line, "msg", vv_text_from_string(message));
    logfmt_end(&line);
}

void vv_logfmt_access(void *context, const vv_server_access *access)
{
    vv_alloc alloc;
    vv_buf line;
    (void)context;
    logfmt_begin(&line, &alloc, "info");
    vv_buf_append_format(&line, " event=http.request method=%.*s", VV_TEXT_ARGS(access->method));
    logfmt_add(&line, "path", access->path);
    vv_buf_append_format(&line, " code=%u bytes=%llu us=%llu peer=%.*s", access->code,
                         (unsigned long long)access->received_bytes,
                         (unsigned long long)access->duration_us, VV_TEXT_ARGS(access->peer));
    logfmt_add(&line, "id", access->id);
    logfmt_end(&line);
}
