/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WIRE_DECODE_H
#define VV_WIRE_DECODE_H

/*
 * Bytes of any import format to rows, as they come: what the command line and every door of the
 * server share.
 *
 *     vv_decoder_create(VV_FORMAT_..., alloc, &options, &sink, &decoder, &err);
 *     for each piece:  vv_decoder_feed(decoder, piece, &err);
 *     vv_decoder_end(decoder, &err);
 *     vv_decoder_free(decoder);
 *
 * A decoder finds rows and gives them to its sink, in the order of the text; what becomes of them
 * is the sink's business. It allocates for its longest line or block and nothing for the length of
 * the text.
 *
 *   D1  A piece may end anywhere: the same bytes give the same calls of the sink, however they are
 *       cut.
 *
 *   D2  A line that is bad is given to sink->reject, and the rest goes on, unless the format says
 *       that it is good as a whole or not at all (OpenMetrics, native).
 *
 *   D3  After a failure, of the sink or its own, a decoder is only good for vv_decoder_free.
 *
 *   D4  The mark of UTF-8 at the very beginning of a text is passed over (wire/text_mark.h).
 */

#include "base/alloc.h"
#include "base/arena.h"
#include "base/compiler.h"
#include "base/slice.h"
#include "varve.h"

typedef enum vv_format {
    VV_FORMAT_LP,          /* line protocol: wire/influx.h */
    VV_FORMAT_JSONL,       /* JSON lines: wire/json_lines.h */
    VV_FORMAT_PROMETHEUS,  /* Prometheus text 0.0.4 and 1.0.0: wire/prom_text.h */
    VV_FORMAT_OPENMETRICS, /* OpenMetrics 1.0: wire/prom_text.h */
    VV_FORMAT_CSV,         /* wire/csv.h */
    VV_FORMAT_NATIVE,      /* varve's own: wire/stream.h */
    VV_FORMAT_COUNT
} vv_format;

typedef struct vv_decoder vv_decoder;

/** Rows of one series. Everything is borrowed for the call. */
typedef struct vv_wire_rows {
    /* The series as the text writes it: equal keys of one decoder are the same series, so that a
     * reader may remember what a key stands for; vv_decoder_series tells. Never empty. */
    varve_text key;
    uint64_t line;   /* of the text, from 1, or number of the block; for messages */
    varve_text text; /* the line as it stands; empty: the format has none */
    size_t row_count;
    const int64_t *timestamps; /* in options.precision */
    size_t field_count;
    const varve_text *names;
    const varve_value *values; /* row r of field f is values[f * row_count + r]; NONE: absent */
} vv_wire_rows;

/** What is left out: a line, or rows of it. Everything is borrowed for the call. */
typedef struct vv_wire_bad {
    uint64_t line;
    uint64_t count;  /* rows, or 1 for the line */
    varve_text text; /* the line as it stands, of any length and bytes; empty: there is none */
    const varve_error *why;
} vv_wire_bad;

typedef struct vv_wire_sink {
    void *context;
    /** Take rows. A failure ends the decoding and is what feed or end returns. */
    varve_status (*rows)(void *context, vv_decoder *decoder, const vv_wire_rows *rows,
                         varve_error *out_err);
    /** Something of the text is left out. */
    void (*reject)(void *context, const vv_wire_bad *bad);
    /** The text up to and with this line has been given to `rows` and `reject`: told at least when
     * feed or end is done. NULL is fine. */
    void (*lines)(void *context, uint64_t line);
} vv_wire_sink;

typedef struct vv_decoder_options {
    uint32_t precision;       /* VARVE_PRECISION_... of the times given out: the database's */
    uint32_t unit;            /* of the times in the text, where it does not say; STORED: as the
                                 format has it (lp ns, Prometheus ms, OpenMetrics s) */
    int64_t now;              /* time of what has none, in `precision` */
    size_t line_bytes_max;    /* 0: the bound of the format */
    uint64_t seed;            /* of tables of names from the text: by chance, if it is foreign */
    const varve_label *extra; /* labels that every series gets */
    size_t extra_count;
    size_t extra_wins; /* so many of them, the first, win over a label of their name in the text;
                          of the others a series keeps its own */
    const void *format_options; /* what wire/FORMAT.h names; NULL: its defaults */
} vv_decoder_options;

/** Options, sink and what they point to are borrowed until vv_decoder_free. E_INVALID, E_NOMEM. */
VV_MUST_CHECK varve_status vv_decoder_create(vv_format format, vv_alloc *alloc,
                                             const vv_decoder_options *options,
                                             const vv_wire_sink *sink, vv_decoder **out_decoder,
                                             varve_error *out_err);

/**
 * The next bytes. Errors: E_NOMEM; E_LIMIT, E_INVALID where nothing further can be read (a line too
 * long, a format that is good as a whole); those of the sink.
 */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_decoder_feed(vv_decoder *decoder, vv_bytes piece,
                                                        varve_error *out_err);

/** The text has ended. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_decoder_end(vv_decoder *decoder, varve_error *out_err);

/**
 * Metric and labels of the key of rows the sink was just given, extra labels included; sorted by
 * name; borrowed from the key, the options or the arena. Errors: E_INVALID, E_LIMIT, E_NOMEM.
 */
VV_MUST_CHECK varve_status vv_decoder_series(vv_decoder *decoder, const vv_wire_rows *rows,
                                             vv_arena *arena, varve_text *out_metric,
                                             varve_label **out_labels, size_t *out_count,
                                             varve_error *out_err);

/** Digits of a time have been cut off, since `precision` cannot hold them. */
bool vv_decoder_has_lost_digits(const vv_decoder *decoder);

/** NULL is fine. */
void vv_decoder_free(vv_decoder *decoder);

/* ---- the formats, for wire/decode.c ---- */

/**
 * What a format implements. Members as the functions above; `create` returns the object that the
 * others get. feed gets no empty piece, and `series` answers without the extra labels, which
 * wire/decode.c adds. out_err is never NULL. A format is known when wire/decode.c has its row.
 */
typedef struct vv_decoder_class {
    varve_status (*create)(vv_decoder *base, vv_alloc *alloc, const vv_decoder_options *options,
                           void **out_state, varve_error *out_err);
    varve_status (*feed)(void *state, vv_bytes piece, varve_error *out_err);
    varve_status (*end)(void *state, varve_error *out_err);
    varve_status (*series)(void *state, const vv_wire_rows *rows, vv_arena *arena,
                           varve_text *out_metric, varve_label **out_labels, size_t *out_count,
                           varve_error *out_err);
    void (*free)(void *state);
} vv_decoder_class;

extern const vv_decoder_class vv_decoder_lp;
extern const vv_decoder_class vv_decoder_jsonl;
extern const vv_decoder_class vv_decoder_prometheus;
extern const vv_decoder_class vv_decoder_openmetrics;
extern const vv_decoder_class vv_decoder_csv;
extern const vv_decoder_class vv_decoder_native;

/* What a format calls; each keeps the sink's failure for its own return. */
VV_MUST_CHECK varve_status vv_decoder_rows(vv_decoder *base, const vv_wire_rows *rows,
                                           varve_error *out_err);
/** One line, or one row of it. */
void vv_decoder_reject(vv_decoder *base, uint64_t line, varve_text text, const varve_error *why);
void vv_decoder_lines(vv_decoder *base, uint64_t line);
void vv_decoder_note_lost_digits(vv_decoder *base);

#endif
