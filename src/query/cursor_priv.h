/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_QUERY_CURSOR_PRIV_H
#define VV_QUERY_CURSOR_PRIV_H

/*
 * What every cursor has: a view, memory with a limit, a frame for the current block, and a function
 * that makes the next one. Queries of rows (rows.c), of aggregates (aggregate.c) and listings
 * (list.c) are three such functions.
 *
 *   K1  A block lies in a frame with memory of its own, from the caller's allocator and not counted
 *       by the database: a kept block outlives both.
 *   K2  After an error a cursor gives only that error; after its end only the end.
 *   K3  An answer that left out damage says so in a block: where none with rows follows, in an
 *       empty one.
 *   K4  Between two polls (vv_cursor_poll) lies the work of one vector, or of a few thousand items.
 */

#include "base/alloc.h"
#include "base/arena.h"
#include "codec/vector.h"
#include "engine/db.h"
#include "engine/view.h"
#include "model/predicate.h"
#include "query/query.h"

struct vv_block_builder;

typedef struct vv_frame {
    varve_block block; /* first: a block's address is its frame's */
    atomic_uint refs;  /* holders of the block; the cursor is one until it was kept */
    varve_allocator source;
    vv_alloc alloc;
    vv_arena arena;
} vv_frame;

typedef struct vv_cursor_ops {
    /** Make the next block in cursor->frame, or set is_end. */
    varve_status (*next)(varve_cursor *cursor, varve_error *out_err);
    /** Start a block of layout TABLE with the columns that every block has. */
    varve_status (*begin)(varve_cursor *cursor, struct vv_block_builder *builder,
                          varve_error *out_err);
    /** Divide what is left; NULL: cannot be divided. */
    varve_status (*split)(varve_cursor *cursor, varve_cursor **out_parts, size_t capacity,
                          size_t *out_count, varve_error *out_err);
    void (*deinit)(varve_cursor *cursor);
} vv_cursor_ops;

struct varve_cursor {
    const vv_cursor_ops *ops;
    varve_db *db;
    vv_db_user user;
    vv_alloc alloc; /* limited to memory_max; memory comes from the database's */
    uint64_t memory_max;
    vv_view *view;
    vv_arena arena; /* plan: lives as long as the cursor */
    vv_codec_scratch *scratch;
    vv_frame *frame; /* of the current block; NULL after it was kept */
    bool has_block, is_end, was_read;
    bool is_partial;   /* damaged parts were left out */
    bool told_partial; /* a block said so (K3) */
    bool is_part;      /* of a cursor that was split: the whole counts progress */
    bool is_internal;  /* of background work: not counted, and rollups do not answer it */
    varve_error error; /* sticky */
    varve_task *task;
    int64_t deadline_ns; /* monotonic; 0: none */
    uint32_t layout;
    void *state; /* of the kind of cursor; in the arena */
};

/** A cursor without a state; counted as open. */
VV_MUST_CHECK varve_status vv_cursor_create(varve_db *db, const vv_cursor_ops *ops,
                                            uint64_t memory_max, varve_cursor **out_cursor,
                                            varve_error *out_err);
/** The same for background work, which ends before a close. */
VV_MUST_CHECK varve_status vv_cursor_create_internal(varve_db *db, const vv_cursor_ops *ops,
                                                     uint64_t memory_max, varve_cursor **out_cursor,
                                                     varve_error *out_err);
/** A frame that is empty, for the next block. */
VV_MUST_CHECK varve_status vv_cursor_frame(varve_cursor *cursor, varve_error *out_err);
/** One more holder of a kept block, each ended with vv_block_release. */
void vv_block_share(const varve_block *block);
/** Cancelled, or past the deadline? Called once for each part of work. */
VV_MUST_CHECK varve_status vv_cursor_poll(varve_cursor *cursor, varve_error *out_err);
/** The same, for what takes a function (engine/scan.h). */
varve_status vv_cursor_poll_context(void *cursor, varve_error *out_err);
/** A block without rows, with the columns of the answer (TABLE) or none. */
VV_MUST_CHECK varve_status vv_cursor_make_empty(varve_cursor *cursor, varve_error *out_err);
/** Why memory of the cursor ran out: its limit, or the machine. */
varve_status vv_cursor_memory(varve_cursor *cursor, varve_error *out_err);

/** Below 0: a comes before b; 0: equal. */
typedef int (*vv_sort_compare)(const void *context, const void *a, const void *b);
/** Sort in place, stable; polls. */
VV_MUST_CHECK varve_status vv_cursor_sort(varve_cursor *cursor, void *items, size_t count,
                                          size_t size, vv_sort_compare compare, const void *context,
                                          varve_error *out_err);

/** Arrange values (no NaNs) so that values[rank] is what it were if they were sorted, nothing in
 * front of it is greater and nothing behind it less. */
VV_MUST_CHECK varve_status vv_select_rank(varve_cursor *cursor, double *values, size_t count,
                                          size_t rank, varve_error *out_err);
/** The least of values[begin..end), of which there is one at least. */
VV_MUST_CHECK varve_status vv_select_min(varve_cursor *cursor, const double *values, size_t begin,
                                         size_t end, double *out_min, varve_error *out_err);

/* ---- building blocks (block.c) ---- */

/** A column of the block under construction. */
typedef struct vv_block_column {
    varve_text name;
    uint32_t type; /* as varve_column; MIXED: varve_value */
    bool has_marks, has_absent, has_approximate;
    void *values;
    uint64_t *present, *marks;
    double *approximate;
    uint32_t *codes; /* dictionary-coded: labels and metrics */
    varve_text *dictionary;
    size_t dictionary_count, dictionary_capacity;
} vv_block_column;

typedef struct vv_block_builder {
    varve_cursor *cursor;
    size_t rows, capacity; /* rows put, and room */
    uint64_t bytes;        /* of blobs put so far */
    bool has_times, has_row_ids, has_row_series;
    int64_t *times;
    uint64_t *row_ids;
    varve_series *row_series;
    vv_block_column *columns;
    size_t column_count;
} vv_block_builder;

/** Start in the cursor's frame; names and types of columns are set by the caller before rows come.
 */
VV_MUST_CHECK varve_status vv_block_begin(vv_block_builder *builder, varve_cursor *cursor,
                                          size_t column_count, size_t capacity,
                                          varve_error *out_err);
VV_MUST_CHECK varve_status vv_block_column_set(vv_block_builder *builder, size_t index,
                                               varve_text name, uint32_t type,
                                               varve_error *out_err);
/** A dictionary-coded string column. */
VV_MUST_CHECK varve_status vv_block_column_set_labels(vv_block_builder *builder, size_t index,
                                                      varve_text name, varve_error *out_err);
/** Rows [to, to + count) of such a column have this value; NULL: none. */
VV_MUST_CHECK varve_status vv_block_put_label(vv_block_builder *builder, size_t index, size_t to,
                                              size_t count, const varve_text *value,
                                              varve_error *out_err);
/** Saturated integer sum: the mark and the f64 beside the value. */
VV_MUST_CHECK varve_status vv_block_put_approximate(vv_block_builder *builder, size_t index,
                                                    size_t to, double approximate,
                                                    varve_error *out_err);
/** Rows [begin, end) of a decoded column at rows `to` onward; backwards when is_reversed. */
VV_MUST_CHECK varve_status vv_block_put_slice(vv_block_builder *builder, size_t index, size_t to,
                                              const varve_column *column, size_t begin, size_t end,
                                              bool is_reversed, varve_error *out_err);
/** One value (histograms: canonical bytes in as.bytes); type NONE: absent. */
VV_MUST_CHECK varve_status vv_block_put(vv_block_builder *builder, size_t index, size_t to,
                                        const varve_value *value, varve_error *out_err);
/** Value of a decoded column's row; type NONE when it has none. Histograms as canonical bytes. */
varve_value vv_block_value_of(const varve_column *column, size_t row);
/** Metric and labels of the block, copied. */
VV_MUST_CHECK varve_status vv_block_name(vv_block_builder *builder, varve_text metric,
                                         const varve_label *labels, size_t label_count,
                                         varve_error *out_err);
/** Fill frame->block; the cursor has a block then. */
VV_MUST_CHECK varve_status vv_block_finish(vv_block_builder *builder, varve_error *out_err);

/* ---- the plan of a query (plan.c) ---- */

/** A wanted column. */
typedef struct vv_plan_output {
    uint32_t kind, aggregation, nan_rule, as_type;
    varve_text name;
    double parameter;
    uint32_t field;      /* FIELD: catalogue id, 0: no series has it */
    uint32_t slot;       /* aggregates: which accumulator */
    uint32_t type;       /* TABLE: of the column */
    uint32_t value_type; /* aggregates in a TABLE: as accumulated */
} vv_plan_output;

struct vv_part;
struct vv_scan;

typedef struct vv_plan {
    uint32_t flags, grouping, order, layout;
    varve_range range;
    uint64_t after_row_id, limit, offset, limit_per_series;
    uint64_t block_rows_max, block_bytes_max, scanned_rows_max;
    varve_bucket bucket;
    bool is_aggregate;
    bool wants_all_fields;   /* no outputs given */
    vv_plan_output *outputs; /* TABLE without outputs: every field of every series */
    size_t output_count;
    uint32_t *fields; /* ascending: what scans decode; NULL: all */
    size_t field_count;
    struct vv_predicate *predicates;
    uint32_t *predicate_fields;
    size_t predicate_count;
    varve_text *group_labels; /* sorted */
    size_t group_label_count;
    uint32_t *series; /* in order of output */
    size_t series_count;
    bool with_row_ids;
    bool is_typed; /* types of outputs are those of the cursor that was split */
} vv_plan;

static inline bool vv_plan_is_descending(const vv_plan *plan)
{
    return (plan->flags & VARVE_QUERY_DESCENDING) != 0;
}

VV_MUST_CHECK varve_status vv_plan_make(varve_cursor *cursor, const varve_query_options *options,
                                        vv_plan **out_plan, varve_error *out_err);
/** A plan of series [begin, end) of another, with memory of its own: for a part of a split cursor.
 */
VV_MUST_CHECK varve_status vv_plan_copy(varve_cursor *part, const vv_plan *plan, size_t begin,
                                        size_t end, vv_plan **out_plan, varve_error *out_err);
/** The type that a field has over some series while visible rows hold it: NONE, one type, MIXED
 * (several). is_numeric: numbers only. E_INVALID when numbers and others meet and it is to be
 * aggregated. */
VV_MUST_CHECK varve_status vv_plan_type(varve_cursor *cursor, const uint32_t *series, size_t count,
                                        uint32_t field, bool is_aggregate, uint32_t *out_type,
                                        bool *out_is_numeric, varve_error *out_err);

/** Whether a failure to read is passed over (VARVE_QUERY_PARTIAL); the answer says so then. */
bool vv_cursor_may_skip(varve_cursor *cursor, const vv_plan *plan, varve_status status);

/** Resolve the selections: plan->series, in order of output (plan_series.c). */
VV_MUST_CHECK varve_status vv_plan_select(varve_cursor *cursor, const varve_query_options *options,
                                          vv_plan *plan, varve_error *out_err);

/** How many rows of the VECTOR part in hand can satisfy all predicates, by its statistics. */
VV_MUST_CHECK varve_status vv_plan_prune(const vv_plan *plan, const struct vv_scan *scan,
                                         const struct vv_part *part, vv_verdict *out_verdict,
                                         varve_error *out_err);

/** Column of a field in decoded rows; NULL: none. */
const varve_column *vv_rows_find(const struct vv_rows *rows, uint32_t field);

/** Rows that satisfy all predicates, as bits; *out_count is how many. */
VV_MUST_CHECK varve_status vv_plan_filter(const vv_plan *plan, const struct vv_rows *rows,
                                          uint64_t *selected, size_t *out_count,
                                          varve_error *out_err);

/* ---- the kinds of query ---- */
/** Start the kind that the plan asks for. */
VV_MUST_CHECK varve_status vv_query_start(varve_cursor *cursor, vv_plan *plan,
                                          varve_error *out_err);
/** Divide a query that gives series after series, without limit and offset. */
VV_MUST_CHECK varve_status vv_query_split(varve_cursor *cursor, const vv_plan *plan,
                                          varve_cursor **out_parts, size_t capacity,
                                          size_t *out_count, varve_error *out_err);
VV_MUST_CHECK varve_status vv_rows_start(varve_cursor *cursor, vv_plan *plan, varve_error *out_err);
VV_MUST_CHECK varve_status vv_aggregate_start(varve_cursor *cursor, vv_plan *plan,
                                              varve_error *out_err);

#endif
