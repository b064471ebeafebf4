/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/log_lines.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/slice.h"
#include "base/text.h"
#include "base/utf8.h"
#include "server/server.h"
#include "sys/clock.h"

/* Longest line; what does not fit is not written. */
#define LOG_LINES_BYTES_MAX (64u * 1024u)
/* Of a message, which is our own but may quote others. */
#define LOG_LINES_MESSAGE_BYTES_MAX 4096u

static _Atomic uint32_t log_lines_level = VARVE_LOG_INFO;
static _Atomic uint32_t log_lines_events = VV_LOG_FORM_LOGFMT;
static _Atomic uint32_t log_lines_requests = VV_LOG_FORM_OFF;

void vv_log_lines_set(uint32_t level, vv_log_form events, vv_log_form requests)
{
    atomic_store(&log_lines_level, level);
    atomic_store(&log_lines_events, (uint32_t)events);
    atomic_store(&log_lines_requests, (uint32_t)requests);
}

/* ---- values ---- */

/** Characters that end a line, move a cursor or turn the direction of writing. */
static bool log_lines_is_control(uint32_t code_point)
{
    return code_point < 0x20 || (code_point >= 0x7F && code_point < 0xA0) || code_point == 0x2028 ||
           code_point == 0x2029 || code_point == 0x200E || code_point == 0x200F ||
           (code_point >= 0x202A && code_point <= 0x202E) ||
           (code_point >= 0x2066 && code_point <= 0x2069);
}

static void log_lines_quoted(vv_buf *out, varve_text text)
{
    size_t position = 0;
    vv_buf_append_char(out, '"');
    while (position < text.size) {
        uint32_t code_point = vv_utf8_next(text, &position);
        char utf8[4];
        if (code_point == '"' || code_point == '\\') {
            vv_buf_append_format(out, "\\%c", (char)code_point);
        } else if (code_point == '\n') {
            vv_buf_append_text(out, VV_TEXT("\\n"));
        } else if (log_lines_is_control(code_point)) {
            vv_buf_append_format(out, "\\u%04x", code_point);
        } else {
            vv_buf_append(out, utf8, vv_utf8_write(utf8, code_point));
        }
    }
    vv_buf_append_char(out, '"');
}

/** Whether logfmt needs no quotes. */
static bool log_lines_is_word(varve_text text)
{
    for (size_t index = 0; index < text.size; index++) {
        char c = text.data[index];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-' || c == '.' || c == ':' || c == '/')) {
            return false;
        }
    }
    return text.size > 0;
}

static void log_lines_key(vv_buf *out, vv_log_form form, const char *key)
{
    vv_buf_append_format(out, form == VV_LOG_FORM_JSON ? ",\"%s\":" : " %s=", key);
}

/** A text of at most size_max bytes, cut between characters. */
static void log_lines_text(vv_buf *out, vv_log_form form, const char *key, varve_text text,
                           size_t size_max)
{
    if (text.size > size_max) {
        text.size = size_max;
        size_t valid = vv_utf8_valid_prefix(text);
        text.size = size_max - valid < 4 ? valid : size_max; /* a cut character is no bad byte */
    }
    log_lines_key(out, form, key);
    if (form == VV_LOG_FORM_LOGFMT && log_lines_is_word(text)) {
        vv_buf_append_text(out, text);
    } else {
        log_lines_quoted(out, text);
    }
}

static void log_lines_number(vv_buf *out, vv_log_form form, const char *key, uint64_t number)
{
    log_lines_key(out, form, key);
    vv_buf_append_format(out, "%llu", (unsigned long long)number);
}

/* ---- lines ---- */

static void log_lines_begin(vv_buf *out, vv_log_form form, int64_t wall_ns, uint32_t level,
                            const char *event)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    const char *name = level < VV_ARRAY_COUNT(names) ? names[level] : "error";
    char time[VV_TEXT_RFC3339_BYTES_MAX];
    size_t size = vv_text_print_rfc3339_parts(time, wall_ns / VV_NS_PER_S,
                                              (uint32_t)(wall_ns % VV_NS_PER_S), 3);
    vv_buf_append_format(out, form == VV_LOG_FORM_JSON ? "{\"time\":\"%.*s\"" : "time=%.*s",
                         (int)size, time);
    log_lines_text(out, form, "level", vv_text_from_string(name), VV_LOG_VALUE_BYTES_MAX);
    log_lines_text(out, form, "event", vv_text_from_string(event), VV_LOG_VALUE_BYTES_MAX);
}

static void log_lines_end(vv_buf *out, vv_log_form form)
{
    vv_buf_append_text(out, form == VV_LOG_FORM_JSON ? VV_TEXT("}\n") : VV_TEXT("\n"));
}

void vv_log_lines_print_event(vv_buf *out, vv_log_form form, int64_t wall_ns, uint32_t level,
                              const char *event, varve_text message)
{
    log_lines_begin(out, form, wall_ns, level, event);
    log_lines_text(out, form, "msg", message, LOG_LINES_MESSAGE_BYTES_MAX);
    log_lines_end(out, form);
}

void vv_log_lines_print_request(vv_buf *out, vv_log_form form, int64_t wall_ns,
                                const vv_server_access *access)
{
    log_lines_begin(out, form, wall_ns, VARVE_LOG_INFO, "http.request");
    log_lines_text(out, form, "method", access->method, VV_LOG_VALUE_BYTES_MAX);
    log_lines_text(out, form, "path", access->path, VV_LOG_VALUE_BYTES_MAX);
    log_lines_number(out, form, "code", access->code);
    log_lines_number(out, form, "bytes", access->received_bytes);
    log_lines_number(out, form, "us", access->duration_us);
    log_lines_text(out, form, "peer", access->peer, VV_LOG_VALUE_BYTES_MAX);
    log_lines_text(out, form, "id", access->id, VV_LOG_VALUE_BYTES_MAX);
    log_lines_end(out, form);
}

static void log_lines_write(vv_buf *line)
{
    if (vv_buf_check(line, NULL) == VARVE_OK) {
        /* One call, so that lines of several threads do not mix; nobody to tell when it fails. */
        VV_IGNORE(fwrite(line->data, 1, line->size, stderr));
    }
    vv_buf_deinit(line);
}

void vv_log_lines_event(void *context, uint32_t level, const char *event, const char *message)
{
    vv_alloc alloc;
    vv_buf line;
    (void)context;
    if (level > atomic_load(&log_lines_level)) {
        return;
    }
    vv_alloc_init(&alloc, NULL);
    vv_buf_init(&line, &alloc, LOG_LINES_BYTES_MAX);
    vv_log_lines_print_event(&line, (vv_log_form)atomic_load(&log_lines_events), vv_wall_now_ns(),
                             level, event, vv_text_from_string(message));
    log_lines_write(&line);
}

void vv_log_lines_request(void *context, const vv_server_access *access)
{
    vv_alloc alloc;
    vv_buf line;
    vv_log_form form = (vv_log_form)atomic_load(&log_lines_requests);
    (void)context;
    if (form == VV_LOG_FORM_OFF) {
        return;
    }
    vv_alloc_init(&alloc, NULL);
    vv_buf_init(&line, &alloc, LOG_LINES_BYTES_MAX);
    vv_log_lines_print_request(&line, form, vv_wall_now_ns(), access);
    log_lines_write(&line);
}
