/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON written as it comes, without a tree, for answers of any size. Commas, colons and escapes are
 * the writer's; whether calls make a valid document is asserted in debug builds.
 *
 * It appends to a vv_buf. With a sink the buffer is handed over and emptied whenever it holds
 * flush_bytes. Failure is sticky: of the buffer, or the status the sink returned; ask vv_json_end
 * once.
 */
#ifndef VV_BASE_JSON_WRITER_H
#define VV_BASE_JSON_WRITER_H

#include "base/buf.h"
#include "base/compiler.h"
#include "varve.h"

#define VV_JSON_DEPTH_MAX 64u

/** Takes bytes away; a status other than OK ends the writing. */
typedef varve_status (*vv_json_sink)(void *context, const uint8_t *bytes, size_t size,
                                     varve_error *out_err);

typedef struct vv_json {
    vv_buf *buf;         /* borrowed */
    vv_json_sink sink;   /* NULL: all stays in the buffer */
    void *sink_context;  /* passed to sink */
    size_t flush_bytes;  /* hand over from this size on */
    varve_status status; /* of the sink */
    varve_error err;     /* what the sink said */
    uint32_t depth;      /* open objects and arrays */
    uint64_t is_object;  /* bit d: level d + 1 is an object */
    bool needs_comma;    /* a value precedes on this level */
    bool has_key;        /* a key was written and waits for its value */
} vv_json;

/** Everything stays in buf, which is not reset. */
void vv_json_init(vv_json *json, vv_buf *buf);

/** As above, with a sink that takes the bytes from flush_bytes (at least 1) on. */
void vv_json_init_sink(vv_json *json, vv_buf *buf, size_t flush_bytes, vv_json_sink sink,
                       void *context);

/** Hand over the rest and return the first failure. All objects and arrays are closed. Text may be
 * written again afterwards, as a next document. */
VV_MUST_CHECK varve_status vv_json_end(vv_json *json, varve_error *out_err);

void vv_json_object_begin(vv_json *json);
void vv_json_object_end(vv_json *json);
void vv_json_array_begin(vv_json *json);
void vv_json_array_end(vv_json *json);

/** The key of the next value, inside an object. */
void vv_json_key(vv_json *json, varve_text key);

/** Bytes that are not UTF-8 become U+FFFD. */
void vv_json_text(vv_json *json, varve_text text);
void vv_json_bool(vv_json *json, bool value);
void vv_json_null(vv_json *json);
void vv_json_i64(vv_json *json, int64_t value);

/** Above INT64_MAX a string, since few readers keep such a number exact. */
void vv_json_u64(vv_json *json, uint64_t value);

/** Shortest round-trip number, always with a point or an exponent; "NaN", "+Inf", "-Inf" as
 * strings. */
void vv_json_f64(vv_json *json, double value);

/** A string with the number in it, without ".0", as the Prometheus query API wants it. */
void vv_json_f64_text(vv_json *json, double value);

/** One finished value, not checked: digits, or JSON made elsewhere. */
void vv_json_raw(vv_json *json, varve_text value);

/** Bytes between values at depth 0, such as a line feed between documents. */
void vv_json_between(vv_json *json, varve_text bytes);

/** Key and value in one call. */
void vv_json_key_text(vv_json *json, varve_text key, varve_text value);
void vv_json_key_i64(vv_json *json, varve_text key, int64_t value);
void vv_json_key_u64(vv_json *json, varve_text key, uint64_t value);
void vv_json_key_f64(vv_json *json, varve_text key, double value);
void vv_json_key_bool(vv_json *json, varve_text key, bool value);

/** The escaped form of text without the quotes, for other formats that use JSON's strings. Sticky
 * as vv_buf. */
varve_status vv_json_escape(vv_buf *buf, varve_text text);

#endif
