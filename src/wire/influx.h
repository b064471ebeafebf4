/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WIRE_INFLUX_H
#define VV_WIRE_INFLUX_H

/*
 * InfluxDB line protocol to rows, over chunks as they come from a socket or a file.
 *
 *     vv_influx_init(&parser, alloc, &options);
 *     for each chunk:
 *         vv_influx_feed(&parser, chunk, is_last);
 *         while ((event = vv_influx_next(&parser, &row, &err)) != VV_INFLUX_MORE) { ... }
 *     vv_influx_deinit(&parser);
 *
 * Names and values without escapes are views of the chunk. A line that the end of a chunk cuts is
 * carried over, at most line_bytes_max.
 */

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "varve.h"

#define VV_INFLUX_LINE_BYTES_MAX (1024u * 1024u)
#define VV_INFLUX_FIELDS_MAX     1000u
#define VV_INFLUX_TAGS_MAX       256u

/** Units of the times in the text. */
typedef enum vv_influx_unit {
    VV_INFLUX_NS,
    VV_INFLUX_US,
    VV_INFLUX_MS,
    VV_INFLUX_S,
    VV_INFLUX_M,
    VV_INFLUX_H,
    VV_INFLUX_AUTO, /* by the magnitude: below 5e9 s, below 5e12 ms, below 5e15 us, else ns */
} vv_influx_unit;

/** The format_options of wire/decode.h. */
typedef struct vv_influx_format {
    vv_influx_unit unit;
    bool is_strict; /* a bad line ends the text */
    /* Each field is the field `value` of a series of its own, measurement + separator + field; that
     * of a field `value` is the measurement, and so is any that its line has alone, if wanted. */
    bool is_flat;
    bool skips_single;
    varve_text separator;
} vv_influx_format;

typedef struct vv_influx_options {
    vv_influx_unit unit;
    uint32_t precision;    /* VARVE_PRECISION_... of the times given out */
    int64_t now;           /* time of lines without one, in that precision */
    size_t line_bytes_max; /* 0: VV_INFLUX_LINE_BYTES_MAX */
} vv_influx_options;

/** One line; everything is borrowed until the next call on the parser. */
typedef struct vv_influx_row {
    varve_text key; /* "measurement,tags" as it stands, escapes included; see vv_influx_key_parse */
    const varve_text *names;
    const varve_value *values;
    size_t count; /* of names and values, at least 1; in the order of the line */
    int64_t timestamp;
    uint64_t line;      /* from 1 */
    varve_text text;    /* the line as it stands, without its end; of ERROR too */
    bool has_time;      /* the line gave it */
    bool has_lost_time; /* digits were cut off it */
} vv_influx_row;

typedef enum vv_influx_event {
    VV_INFLUX_ROW,
    VV_INFLUX_ERROR, /* one line is bad: err tells why, row->line which; go on */
    VV_INFLUX_MORE,  /* the chunk is used up */
    VV_INFLUX_STOP,  /* out of memory, or a line too long: nothing further can be read */
} vv_influx_event;

typedef struct vv_influx {
    vv_influx_options options; /* fixed after init */
    vv_alloc *alloc;           /* borrowed */
    varve_text input;          /* what is left of the chunk */
    bool is_last;              /* no chunk follows */
    uint64_t line;             /* number of the line at the beginning of input or carry */
    vv_buf carry;              /* beginning of a line that the chunk cut */
    uint32_t scan_state;       /* where in the line the carry ends */
    bool is_carry_used;        /* carry holds a whole line that the caller looks at */
    vv_buf scratch;            /* unescaped texts of the line */
    varve_text *names;         /* owned, capacity */
    varve_value *values;
    size_t capacity;
} vv_influx;

void vv_influx_init(vv_influx *parser, vv_alloc *alloc, const vv_influx_options *options);
void vv_influx_deinit(vv_influx *parser);

/** Give the next chunk, borrowed until vv_influx_next answers MORE or STOP. */
void vv_influx_feed(vv_influx *parser, varve_text chunk, bool is_last);

/** The next event. out_row is filled for ROW, its line and text for ERROR, its line for STOP. */
VV_MUST_CHECK VV_UNTRUSTED vv_influx_event vv_influx_next(vv_influx *parser, vv_influx_row *out_row,
                                                          varve_error *out_err);

/**
 * Metric and labels of a key. Labels are sorted by name; of equal tags the last wins, empty values
 * are left out. Texts are borrowed from the key, or lie in the arena with the array.
 * Errors: E_INVALID, E_LIMIT, E_NOMEM.
 */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_influx_key_parse(varve_text key, vv_arena *arena,
                                                            varve_text *out_metric,
                                                            varve_label **out_labels,
                                                            size_t *out_count,
                                                            varve_error *out_err);

/** The unit of a precision parameter: n ns u us µ ms s m h auto, and the long names nanosecond...;
 * false for another. An empty text is ns. */
VV_MUST_CHECK VV_UNTRUSTED bool vv_influx_unit_parse(varve_text text, vv_influx_unit *out_unit);

#endif
