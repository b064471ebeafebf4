/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_QUERY_ROWS_PRIV_H
#define VV_QUERY_ROWS_PRIV_H

/*
 * Queries of rows, in four parts:
 *
 *   rows_stream.c   the rows of one series that satisfy the predicates, slice by slice
 *   rows_block.c    slices into blocks
 *   rows_merge.c    order TIME over few series: their streams merged by a heap
 *   rows_pass.c     order ARRIVAL, and TIME over many series: passes that keep the next rows
 *
 * and rows.c, which is the cursor: sequential orders, offset, limit.
 */

#include "engine/scan.h"
#include "model/rows.h"
#include "query/cursor_priv.h"

enum { VV_STREAM_WORDS = VV_VECTOR_ROWS_MAX / 64 };

/** The rows of one series. Stands on rows [begin, end) of a part, both of which are selected; done
 * when nothing is left. */
typedef struct vv_stream {
    vv_scan *scan;
    size_t place; /* index in plan->series */
    vv_rows rows; /* of the current part */
    uint64_t selected[VV_STREAM_WORDS];
    size_t begin, end; /* rows of the part not given yet */
    uint64_t given;    /* of this series, for limit_per_series */
    bool is_done;
} vv_stream;

struct vv_rows_pass;

typedef struct vv_rows_state {
    vv_plan *plan;
    size_t place; /* next series of the sequential orders */
    vv_stream single;
    varve_range range;     /* that streams are opened with */
    uint64_t after_row_id; /* the same */
    vv_stream *streams;    /* rows_merge.c; in the arena */
    size_t *heap;          /* indexes of streams that have a row */
    size_t heap_count;
    struct vv_rows_pass *pass; /* rows_pass.c; in the arena */
    bool is_merging;
    uint64_t skipped, given; /* against offset and limit */
    uint64_t counted_rows;   /* decoded, against scanned_rows_max */
} vv_rows_state;

/* ---- streams (rows_stream.c) ---- */

/** Begin a series; the scan is made at the first call and reused. */
VV_MUST_CHECK varve_status vv_stream_start(varve_cursor *cursor, vv_rows_state *state,
                                           vv_stream *stream, size_t place, varve_error *out_err);
/** Make sure that the stream stands on a row, or is done. */
VV_MUST_CHECK varve_status vv_stream_fill(varve_cursor *cursor, vv_rows_state *state,
                                          vv_stream *stream, varve_error *out_err);
/** The next rows that stand together, at most `room`; [*out_begin, *out_end) of stream->rows. */
void vv_stream_slice(const vv_rows_state *state, const vv_stream *stream, uint64_t room,
                     size_t *out_begin, size_t *out_end);
void vv_stream_consume(const vv_rows_state *state, vv_stream *stream, size_t count);

/* ---- blocks (rows_block.c) ---- */

/** Start a TABLE or ROWS block: its columns are the plan's outputs. */
VV_MUST_CHECK varve_status vv_rows_begin_table(varve_cursor *cursor, const vv_plan *plan,
                                               vv_block_builder *builder, varve_error *out_err);
/** A label or the metric of a series, for `count` rows from the next one on. */
VV_MUST_CHECK varve_status vv_rows_put_label(varve_cursor *cursor, vv_block_builder *builder,
                                             size_t index, const vv_plan_output *output,
                                             uint32_t series, size_t count, varve_error *out_err);
/** Rows [begin, end) of a stream's part into a table; backwards when descending. */
VV_MUST_CHECK varve_status vv_rows_put_table(varve_cursor *cursor, const vv_plan *plan,
                                             vv_block_builder *builder, const vv_stream *stream,
                                             size_t begin, size_t end, varve_error *out_err);
/** A block of one slice of one series. */
VV_MUST_CHECK varve_status vv_rows_make_series(varve_cursor *cursor, const vv_plan *plan,
                                               const vv_stream *stream, size_t begin, size_t end,
                                               varve_error *out_err);
/** How many rows of [begin, end) a block that has `used` bytes may take; at least one. */
size_t vv_rows_fit(const vv_plan *plan, const vv_rows *rows, size_t begin, size_t end,
                   uint64_t used, bool is_reversed);

/* ---- order TIME by streams (rows_merge.c) ---- */

/** Whether all streams together fit the memory of the query. */
bool vv_rows_merge_fits(const varve_cursor *cursor, const vv_plan *plan);
VV_MUST_CHECK varve_status vv_rows_merge_start(varve_cursor *cursor, vv_rows_state *state,
                                               varve_error *out_err);
/** After a row was taken from the stream on top. */
VV_MUST_CHECK varve_status vv_rows_merge_next(varve_cursor *cursor, vv_rows_state *state,
                                              varve_error *out_err);

/* ---- orders over all series by passes (rows_pass.c) ---- */

/** The next block, or the end. */
VV_MUST_CHECK varve_status vv_rows_pass_next(varve_cursor *cursor, varve_error *out_err);
void vv_rows_pass_deinit(varve_cursor *cursor, vv_rows_state *state);

/* ---- sequential orders (rows.c) ---- */

/** Stand on a row of the next series that has one; false at the end. */
VV_MUST_CHECK varve_status vv_rows_advance(varve_cursor *cursor, vv_rows_state *state,
                                           bool *out_has, varve_error *out_err);

#endif
