/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_SCAN_PRIV_H
#define VV_ENGINE_SCAN_PRIV_H

/*
 * Inside of a scan. A source is a list of units that ascend in time without overlapping: the
 * vectors of one chunk, the in-order pieces of one head, or one late piece. Sources stand in order
 * of arrival, the older first, so that at equal times the source with the greater index is the
 * newer one.
 *
 *   unit (bounds known) --scan_unit_open--> open unit: live rows only, wanted columns decoded
 *
 * S1  An open unit holds no row that is outside of the range, not visible, or deleted. In a series
 *     with row ids it knows the ids of its rows, and rows of equal time ascend by them, also from
 *     one unit of a source to the next.
 *
 * S2  columns[] of the scan are the fields that the series has and the caller wants, ascending.
 * Types are taken from the rows themselves: an older type whose rows are all hidden does not show.
 */

#include "base/arena.h"
#include "base/vec.h"
#include "codec/vector.h"
#include "engine/scan.h"
#include "segment/segment.h"

/** One wanted column of an open unit. */
typedef struct vv_scan_column_data {
    uint32_t
        type; /* NONE: the unit has no such field; bytes family: STRING, with marks for BYTES */
    const void *values;
    const uint64_t *present; /* NULL: all */
    const uint64_t *marks;   /* NULL: none is BYTES */
    void *buffer;            /* owned: values */
    size_t buffer_bytes;
    uint64_t *bits; /* owned: words for present, then as many for marks */
    size_t words;
} vv_scan_column_data;

typedef struct vv_scan_source {
    vv_live_segment *segment;    /* NULL: a head */
    const vv_vector_ref *refs;   /* of a segment */
    const vv_head_piece *pieces; /* of a head */
    size_t next, end;            /* units not taken yet: [next, end) */
    uint64_t last_sequence;      /* of a chunk */
    vv_block_pin pin;
    vv_vector vector; /* of the unit taken last, when it is encoded */

    bool is_open;
    bool is_strict;        /* times of the open unit strictly ascend */
    size_t begin, row_end; /* rows of the open unit not given yet */
    const int64_t *times;
    const uint64_t *row_ids;
    vv_scan_column_data *columns; /* owned array, scan->column_capacity long */
    size_t column_capacity;
    int64_t *time_buffer; /* owned, row_capacity */
    uint64_t *row_id_buffer;
    size_t row_capacity;
    vv_arena blobs; /* bytes of decoded blobs */
} vv_scan_source;

/** The rows being put together. */
typedef struct vv_scan_out {
    size_t count;
    int64_t *times;
    uint64_t *row_ids;
    struct {
        uint32_t type; /* NONE until the first value */
        bool has_marks;
        void *values; /* VV_VECTOR_ROWS_MAX of them */
        size_t value_bytes;
        uint64_t *present, *marks;
    } * columns;
    size_t column_capacity;
    varve_column *result;
    uint32_t *result_fields;
    vv_arena blobs;
    size_t blob_bytes; /* copied into it for these rows */
} vv_scan_out;

struct vv_scan {
    vv_view *view;
    vv_scan_options options;
    vv_arena arena; /* of the current series: refs, pieces */
    uint32_t series;
    varve_range range; /* of the options, what retention hides of the series left out */
    bool is_last;      /* policy ... */
    bool has_row_ids;  /* ... and whether rows of equal time go by row id */
    uint32_t *columns; /* S2; owned */
    size_t column_count, column_capacity;
    const vv_tombstone **tombstones; /* that concern the series; in the arena */
    size_t tombstone_count;
    vv_vec hides;            /* vv_head_hide: rows of the series that are hidden one by one, by
                                (time, row id), each once */
    vv_scan_source *sources; /* owned */
    size_t source_count, source_capacity;
    uint64_t *keep; /* owned bitmap for filtering a unit */
    uint64_t *sequences;
    size_t keep_capacity;
    vv_scan_out out;
    vv_part part;
    vv_scan_source *vector_source; /* of the current VECTOR part */
    bool has_damage;               /* something was left out (skip_damage) */
};

/** Collecting hidden rows: what the version and the caller name, what a head has, and the end. */
VV_MUST_CHECK varve_status vv_scan_hides_begin(vv_scan *scan, varve_error *out_err);
VV_MUST_CHECK varve_status vv_scan_hides_add(vv_scan *scan, const vv_head_hide *hides, size_t count,
                                             varve_error *out_err);
void vv_scan_hides_end(vv_scan *scan);
/** Whether a row between two times (both included) may be hidden that has this sequence. */
bool vv_scan_hides_meet(const vv_scan *scan, int64_t first, int64_t last, uint64_t sequence);
/** Whether the row at this address is hidden. */
bool vv_scan_hides_row(const vv_scan *scan, int64_t time, uint64_t row_id, uint64_t sequence);

/** Bounds of the unit that comes next; false: none left. */
bool vv_scan_unit_peek(const vv_scan *scan, const vv_scan_source *source, int64_t *out_first,
                       int64_t *out_last, uint32_t *out_rows);
/** Whether the next unit can be given as it is: encoded, all rows in range, visible, not deleted.
 */
bool vv_scan_unit_is_whole(const vv_scan *scan, const vv_scan_source *source);
/** Take the next unit as a parsed vector, unopened; after a failure it is taken all the same. */
VV_MUST_CHECK varve_status vv_scan_unit_take(vv_scan *scan, vv_scan_source *source,
                                             varve_error *out_err);
/** Take the next unit and open it; is_open stays false when no row of it is live. */
VV_MUST_CHECK varve_status vv_scan_unit_open(vv_scan *scan, vv_scan_source *source,
                                             varve_error *out_err);
/** Open the vector that was taken last, with all its rows. */
VV_MUST_CHECK varve_status vv_scan_unit_decode(vv_scan *scan, vv_scan_source *source,
                                               varve_error *out_err);
void vv_scan_source_deinit(vv_scan *scan, vv_scan_source *source);
/** Whether a source surely gives a row, by the bounds of its units alone. */
bool vv_scan_source_is_sure(const vv_scan *scan, const vv_scan_source *source);
/** Whether rows up to this sequence are all left out by after_row_id. Only where rows keep ids:
 * there nothing that is left out decides about other rows. */
bool vv_scan_is_before(const vv_scan *scan, uint64_t last_sequence);
/** End the series: nothing is left to give. */
void vv_scan_drop_sources(vv_scan *scan);

/** A source of plain or encoded pieces that lie in the scan's arena. */
VV_MUST_CHECK varve_status vv_scan_add_pieces(vv_scan *scan, const vv_head_piece *pieces,
                                              size_t count, varve_error *out_err);
/** The only source of a series that is a ring (engine/ring_scan.c). */
struct vv_ring_state;
VV_MUST_CHECK varve_status vv_scan_add_ring(vv_scan *scan, const struct vv_ring_state *state,
                                            varve_error *out_err);

/** Building rows: start, add, finish. */
VV_MUST_CHECK varve_status vv_scan_out_begin(vv_scan *scan, varve_error *out_err);
VV_MUST_CHECK varve_status vv_scan_out_slice(vv_scan *scan, const vv_scan_source *source,
                                             size_t begin, size_t end, varve_error *out_err);
/** Unite row `index` of the source, which is newer, into the last row. */
VV_MUST_CHECK varve_status vv_scan_out_unite(vv_scan *scan, const vv_scan_source *source,
                                             size_t index, varve_error *out_err);
/** Leave out rows without any wanted value, turn around when descending, fill *out_rows. */
void vv_scan_out_finish(vv_scan *scan, vv_rows *out_rows);
/** All rows of an open unit as they lie in its buffers, nothing copied. */
void vv_scan_out_view(vv_scan *scan, const vv_scan_source *source, vv_rows *out_rows);
void vv_scan_out_deinit(vv_scan *scan);

#endif
