/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WIRE_STREAM_H
#define VV_WIRE_STREAM_H

/*
 * varve's own stream of rows, for export and import: docs/formats/stream.md. Every type of value
 * comes back with the same bits, rows in the same order, and a stream that was cut or damaged is
 * noticed.
 *
 * Writing:
 *     vv_stream_writer_create(alloc, precision, &writer, &err);
 *     for each block of a cursor:  vv_stream_write_rows(writer, &rows, out, &err);
 *     vv_stream_write_end(writer, out, &err);
 *     vv_stream_writer_free(writer);
 *
 * Reading: vv_decoder_create(VV_FORMAT_NATIVE, ...) of wire/decode.h, whose `line` is the number of
 * a block, from 1. What is wrong is told as E_INVALID with block and offset, a later version as
 * E_UNSUPPORTED; the blocks before it have been given to the sink, of that one nothing.
 */

#include "base/alloc.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "varve.h"

#define VV_STREAM_MAGIC        "VARVESTM"
#define VV_STREAM_MAGIC_BYTES  8u
#define VV_STREAM_SUFFIX       ".vvs"
#define VV_STREAM_HEADER_BYTES 32u
#define VV_STREAM_HEAD_BYTES   24u /* before each payload */
#define VV_STREAM_CONTENT_TYPE "application/vnd.varve.stream"

/* ---- writing -------------------------------------------------------------------------------- */

typedef struct vv_stream_writer vv_stream_writer;

/** Rows of one series; columns as a cursor gives them. Everything is borrowed for the call. */
typedef struct vv_stream_rows {
    varve_text metric;
    const varve_label *labels; /* sorted by name */
    size_t label_count;
    size_t row_count;
    const int64_t *timestamps;
    const varve_text *names;     /* of columns, sorted, distinct */
    const varve_column *columns; /* row_count long */
    size_t column_count;
} vv_stream_rows;

/** precision: VARVE_PRECISION_... of the timestamps. E_NOMEM. */
VV_MUST_CHECK varve_status vv_stream_writer_create(vv_alloc *alloc, uint32_t precision,
                                                   vv_stream_writer **out_writer,
                                                   varve_error *out_err);

/**
 * Append what is ready of the stream to `out`: nothing, or whole blocks. Rows without any value are
 * left out. Errors: E_NOMEM, E_LIMIT (out; a row that exceeds a block). After one only free.
 */
VV_MUST_CHECK varve_status vv_stream_write_rows(vv_stream_writer *writer,
                                                const vv_stream_rows *rows, vv_buf *out,
                                                varve_error *out_err);

/** Append the block under way, so that every row written so far is in `out`: for a stream that
 * somebody follows, or that goes no further. */
VV_MUST_CHECK varve_status vv_stream_write_block(vv_stream_writer *writer, vv_buf *out,
                                                 varve_error *out_err);

/** Append the rest and the end. A stream without it is a cut one. */
VV_MUST_CHECK varve_status vv_stream_write_end(vv_stream_writer *writer, vv_buf *out,
                                               varve_error *out_err);

/** Rows written so far. */
uint64_t vv_stream_writer_rows(const vv_stream_writer *writer);

/** Those of them that are in blocks given out. */
uint64_t vv_stream_writer_closed_rows(const vv_stream_writer *writer);

/** NULL is fine. */
void vv_stream_writer_free(vv_stream_writer *writer);

/* ---- reading -------------------------------------------------------------------------------- */

/** A block that has passed every check. */
typedef struct vv_stream_block {
    uint64_t number; /* from 1; the end counts as one */
    uint64_t offset; /* of its head in the stream */
    uint32_t bytes;  /* of its payload as it lies there */
    uint32_t unpacked_bytes;
    uint64_t runs;
    uint64_t rows;
    bool is_end;
    bool is_skipped; /* of an optional kind that this version does not know */
} vv_stream_block;

/** vv_decoder_options.format_options of VV_FORMAT_NATIVE: for those who look at a stream. */
typedef struct vv_stream_watch {
    void *context;
    /** The header was read. NULL is fine. */
    void (*header)(void *context, uint32_t version, uint32_t precision);
    /** A block is good; its rows have been given to the sink. NULL is fine. */
    void (*block)(void *context, const vv_stream_block *block);
} vv_stream_watch;

#endif
