/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The streaming JSON writer: one pass, no tree; what it must remember is one bit a level (object or
 * array), and on the present level whether a value precedes and whether a key waits.
 *
 *   J1: has_key only inside an object, and then a value is the next thing written.
 *   J2: what was handed to the sink is a beginning of the document; nothing handed over is changed.
 */
#include "base/json_writer.h"

#include <math.h>

#include "base/assert.h"
#include "base/status.h"
#include "base/text.h"
#include "base/utf8.h"

void vv_json_init(vv_json *json, vv_buf *buf)
{
    *json = (vv_json){.buf = buf};
}

void vv_json_init_sink(vv_json *json, vv_buf *buf, size_t flush_bytes, vv_json_sink sink,
                       void *context)
{
    VV_ASSERT(flush_bytes > 0);
    *json =
        (vv_json){.buf = buf, .flush_bytes = flush_bytes, .sink = sink, .sink_context = context};
}

/* ---- the sink ---- */

static void json_writer_flush(vv_json *json)
{
    if (json->sink == NULL || json->buf->status != VARVE_OK) {
        return;
    }
    if (json->status == VARVE_OK) {
        json->status = json->sink(json->sink_context, json->buf->data, json->buf->size, &json->err);
    }
    vv_buf_reset(json->buf); /* after a failure too: nobody takes it any more */
}

static void json_writer_flush_if_full(vv_json *json)
{
    if (json->sink != NULL && json->buf->size >= json->flush_bytes) {
        json_writer_flush(json);
    }
}

varve_status vv_json_end(vv_json *json, varve_error *out_err)
{
    VV_DEBUG_ASSERT(json->depth == 0 && !json->has_key);
    json->needs_comma = false;
    if (json->buf->size > 0) {
        json_writer_flush(json);
    }
    if (json->status != VARVE_OK) {
        if (out_err != NULL) {
            *out_err = json->err;
        }
        return json->status;
    }
    return vv_buf_check(json->buf, out_err);
}

/* ---- structure ---- */

static bool json_writer_in_object(const vv_json *json)
{
    return json->depth > 0 && (json->is_object >> (json->depth - 1) & 1) != 0;
}

/* J1; a comma where the value is not the first of an array. */
static void json_writer_before_value(vv_json *json)
{
    VV_DEBUG_ASSERT(json->has_key == json_writer_in_object(json));
    VV_DEBUG_ASSERT(json->depth > 0 || !json->needs_comma);
    if (!json->has_key && json->needs_comma) {
        (void)vv_buf_append_char(json->buf, ',');
    }
    json->has_key = false;
}

static void json_writer_after_value(vv_json *json)
{
    json->needs_comma = true;
    json_writer_flush_if_full(json);
}

static void json_writer_begin(vv_json *json, bool is_object)
{
    json_writer_before_value(json);
    VV_ASSERT(json->depth < VV_JSON_DEPTH_MAX);
    uint64_t bit = UINT64_C(1) << json->depth;
    json->is_object = (json->is_object & ~bit) | (is_object ? bit : 0);
    json->depth += 1;
    json->needs_comma = false;
    (void)vv_buf_append_char(json->buf, is_object ? '{' : '[');
}

static void json_writer_end(vv_json *json, bool is_object)
{
    VV_ASSERT(json->depth > 0);
    VV_DEBUG_ASSERT(json_writer_in_object(json) == is_object && !json->has_key);
    json->depth -= 1;
    (void)vv_buf_append_char(json->buf, is_object ? '}' : ']');
    json_writer_after_value(json);
}

void vv_json_object_begin(vv_json *json)
{
    json_writer_begin(json, /* is_object */ true);
}

void vv_json_object_end(vv_json *json)
{
    json_writer_end(json, /* is_object */ true);
}

void vv_json_array_begin(vv_json *json)
{
    json_writer_begin(json, /* is_object */ false);
}

void vv_json_array_end(vv_json *json)
{
    json_writer_end(json, /* is_object */ false);
}

/* ---- texts ---- */

/* The short escape of a byte, 'u' for the long one, 0 for none. */
static char json_writer_escape_of(uint8_t byte)
{
    switch (byte) {
    case '"':
        return '"';
    case '\\':
        return '\\';
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return byte < 0x20 ? 'u' : 0;
    }
}

static void json_writer_put_escape(vv_buf *buf, uint8_t byte)
{
    char escape = json_writer_escape_of(byte);
    (void)vv_buf_append_char(buf, '\\');
    (void)vv_buf_append_char(buf, escape);
    if (escape == 'u') {
        char digits[4] = {'0', '0', 0, 0};
        vv_text_print_hex(digits + 2, &byte, 1);
        (void)vv_buf_append(buf, digits, sizeof digits);
    }
}

/* Bytes from begin on that need no escape and are UTF-8. */
static size_t json_writer_plain_run(varve_text text, size_t begin)
{
    size_t position = begin;
    while (position < text.size) {
        uint8_t byte = (uint8_t)text.data[position];
        if (byte < 0x80) {
            if (json_writer_escape_of(byte) != 0) {
                break;
            }
            position += 1;
            continue;
        }
        size_t next = position;
        (void)vv_utf8_next(text, &next);
        if (next == position + 1) {
            break; /* only bad bytes above 7F are one byte long */
        }
        position = next;
    }
    return position - begin;
}

varve_status vv_json_escape(vv_buf *buf, varve_text text)
{
    size_t position = 0;
    while (position < text.size && buf->status == VARVE_OK) {
        size_t run = json_writer_plain_run(text, position);
        (void)vv_buf_append(buf, text.data + position, run);
        position += run;
        if (position == text.size) {
            break;
        }
        uint8_t byte = (uint8_t)text.data[position];
        if (byte < 0x80) {
            json_writer_put_escape(buf, byte);
        } else {
            (void)vv_buf_append(buf, "\xEF\xBF\xBD", 3); /* U+FFFD */
        }
        position += 1;
    }
    return buf->status;
}

static void json_writer_quoted(vv_json *json, varve_text text)
{
    (void)vv_buf_append_char(json->buf, '"');
    (void)vv_json_escape(json->buf, text);
    (void)vv_buf_append_char(json->buf, '"');
}

void vv_json_key(vv_json *json, varve_text key)
{
    VV_DEBUG_ASSERT(json_writer_in_object(json) && !json->has_key);
    if (json->needs_comma) {
        (void)vv_buf_append_char(json->buf, ',');
    }
    json_writer_quoted(json, key);
    (void)vv_buf_append_char(json->buf, ':');
    json->has_key = true;
}

void vv_json_text(vv_json *json, varve_text text)
{
    json_writer_before_value(json);
    json_writer_quoted(json, text);
    json_writer_after_value(json);
}

/* ---- other values ---- */

void vv_json_raw(vv_json *json, varve_text value)
{
    json_writer_before_value(json);
    (void)vv_buf_append_text(json->buf, value);
    json_writer_after_value(json);
}

void vv_json_between(vv_json *json, varve_text bytes)
{
    VV_DEBUG_ASSERT(json->depth == 0);
    (void)vv_buf_append_text(json->buf, bytes);
    json->needs_comma = false;
    json_writer_flush_if_full(json);
}

void vv_json_bool(vv_json *json, bool value)
{
    vv_json_raw(json, value ? VV_TEXT("true") : VV_TEXT("false"));
}

void vv_json_null(vv_json *json)
{
    vv_json_raw(json, VV_TEXT("null"));
}

void vv_json_i64(vv_json *json, int64_t value)
{
    char text[VV_TEXT_I64_BYTES_MAX];
    vv_json_raw(json, vv_text_make(text, vv_text_print_i64(text, value)));
}

void vv_json_u64(vv_json *json, uint64_t value)
{
    char text[VV_TEXT_I64_BYTES_MAX + 2] = {'"'};
    size_t size = vv_text_print_u64(text + 1, value);
    text[size + 1] = '"';
    bool is_small = value <= INT64_MAX;
    vv_json_raw(json, is_small ? vv_text_make(text + 1, size) : vv_text_make(text, size + 2));
}

/* The words of the Prometheus API for what is no number; empty for what is one. */
static varve_text json_writer_special(double value)
{
    if (isnan(value)) {
        return VV_TEXT("\"NaN\"");
    }
    if (isinf(value)) {
        return value > 0 ? VV_TEXT("\"+Inf\"") : VV_TEXT("\"-Inf\"");
    }
    return VV_TEXT("");
}

void vv_json_f64(vv_json *json, double value)
{
    varve_text special = json_writer_special(value);
    char text[VV_TEXT_F64_BYTES_MAX];
    if (special.size == 0) {
        special = vv_text_make(text, vv_text_print_f64(text, value));
    }
    vv_json_raw(json, special);
}

void vv_json_f64_text(vv_json *json, double value)
{
    varve_text special = json_writer_special(value);
    char text[VV_TEXT_F64_BYTES_MAX + 2] = {'"'};
    if (special.size == 0) {
        size_t size = vv_text_print_f64_plain(text + 1, value);
        text[size + 1] = '"';
        special = vv_text_make(text, size + 2);
    }
    vv_json_raw(json, special);
}

/* ---- key and value ---- */

void vv_json_key_text(vv_json *json, varve_text key, varve_text value)
{
    vv_json_key(json, key);
    vv_json_text(json, value);
}

void vv_json_key_i64(vv_json *json, varve_text key, int64_t value)
{
    vv_json_key(json, key);
    vv_json_i64(json, value);
}

void vv_json_key_u64(vv_json *json, varve_text key, uint64_t value)
{
    vv_json_key(json, key);
    vv_json_u64(json, value);
}

void vv_json_key_f64(vv_json *json, varve_text key, double value)
{
    vv_json_key(json, key);
    vv_json_f64(json, value);
}

void vv_json_key_bool(vv_json *json, varve_text key, bool value)
{
    vv_json_key(json, key);
    vv_json_bool(json, value);
}
