/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WIRE_CSV_RECORD_H
#define VV_WIRE_CSV_RECORD_H

/*
 * CSV text to records of cells, over pieces as they come (RFC 4180).
 *
 *     vv_csv_reader_init(&reader, alloc, ',', 0, 0);
 *     for each piece:
 *         vv_csv_reader_feed(&reader, piece, is_last);
 *         while ((event = vv_csv_reader_next(&reader, &record, &err)) != VV_CSV_MORE) { ... }
 *     vv_csv_reader_deinit(&reader);
 */

#include "base/buf.h"
#include "base/compiler.h"
#include "varve.h"

#define VV_CSV_LINE_BYTES_MAX (1024u * 1024u) /* of a record, without its line feed */
#define VV_CSV_COLUMNS_MAX    1000u

typedef struct vv_csv_cell {
    varve_text text; /* without quotes, doubled ones undone */
    bool is_quoted;  /* it stood in quotes: empty differs from absent */
} vv_csv_cell;

/** Borrowed until the next call on the reader. */
typedef struct vv_csv_record {
    uint64_t line;      /* its first, from 1 */
    uint64_t last_line; /* more than `line` when line feeds stand in quotes */
    varve_text text;    /* as it stands, without its end */
    const vv_csv_cell *cells;
    size_t count; /* at least 1 */
} vv_csv_record;

typedef enum vv_csv_event {
    VV_CSV_RECORD,
    VV_CSV_ERROR, /* this record is bad: out_err tells why, its lines are set; go on */
    VV_CSV_MORE,  /* the piece is used up */
    VV_CSV_STOP,  /* out of memory, a record too long, no UTF-8 text: nothing further can be read */
} vv_csv_event;

typedef struct vv_csv_reader {
    char separator;        /* fixed after init */
    size_t line_bytes_max; /* the same */
    uint64_t skip_lines;   /* left to skip */
    varve_text input;      /* what is left of the piece */
    bool is_last;          /* no piece follows */
    uint32_t state;        /* where in the record the scanned part ends */
    bool is_begun;         /* the first byte was looked at */
    uint64_t line;         /* of the record under way */
    uint64_t feeds;        /* line feeds inside of it so far */
    vv_buf carry;          /* beginning of a record that the piece cut */
    bool is_carry_used;    /* carry holds a record that the caller looks at */
    vv_buf scratch;        /* cells without their doubled quotes */
    vv_buf cells;          /* vv_csv_cell[] */
} vv_csv_reader;

/** line_bytes_max 0: VV_CSV_LINE_BYTES_MAX. Allocates nothing yet. */
void vv_csv_reader_init(vv_csv_reader *reader, vv_alloc *alloc, char separator, uint64_t skip_lines,
                        size_t line_bytes_max);
void vv_csv_reader_deinit(vv_csv_reader *reader);
/** Give the next piece, borrowed until vv_csv_reader_next answers MORE or STOP. */
void vv_csv_reader_feed(vv_csv_reader *reader, varve_text piece, bool is_last);
/** The next event; empty lines are passed over. */
VV_MUST_CHECK VV_UNTRUSTED vv_csv_event vv_csv_reader_next(vv_csv_reader *reader,
                                                           vv_csv_record *out_record,
                                                           varve_error *out_err);

/** "," ";" "|" a tab, or comma, semicolon, pipe, tab; false for another. */
VV_MUST_CHECK VV_UNTRUSTED bool vv_csv_separator_parse(varve_text text, char *out_separator);

#endif
