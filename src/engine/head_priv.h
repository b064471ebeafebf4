/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_HEAD_PRIV_H
#define VV_ENGINE_HEAD_PRIV_H

/*
 * Inside of a head generation (see head.h).
 *
 *   vv_head
 *     shards[]     slots -> vv_head_series: [block][block]... tail     late -> [block]... side
 *
 * Plain rows (tail, side, closed blocks) lie row by row, so that appending one touches one place in
 * memory: its record, behind the record before it.
 *
 *   record   [8-byte cells][time: 0, 4 or 8 bytes][sequence: 4 bytes][bool bytes][presence bits]
 *
 * A cell is a number, or the address of a blob (vv_head_blob). A time takes no bytes while all
 * times are base_time + i * step, 4 while they differ from that by 31 bits (a scrape that jitters
 * by a second in nanoseconds), else 8. All of this arithmetic is modulo 2^64, so it is exact for
 * every pair of times. Presence bits are there in sparse buffers only.
 *
 *   R1  Records [0, count) are rows, [count, count + pending) are reserved: their values and times
 *       are written, their sequences are not. Only the writer who holds the shard's lock has
 *       pending ones.
 *   R2  The sequences of the records of a buffer ascend.
 *   R3  A buffer's layout has every field that a row in it has, with the type it has there.
 *   R4  A series that is not defined in this generation has no rows.
 *   R5  A buffer that is wider than VV_HEAD_THIN_FIELDS was not thin when it moved last: it had at
 *       most VV_HEAD_THIN_CELLS cells for each value, and less than a vector's worth of rows when
 *       it became wider. So memory and moves follow what is written, not rows times fields, where
 *       each row brings another field.
 */

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "codec/vector.h"
#include "engine/head.h"
#include "engine/head_slab.h"

enum {
    VV_HEAD_CHUNK_SLOTS = 128,    /* series slots that come at once: 1 KiB a shard (arbitrary) */
    VV_HEAD_TAIL_ROWS = 128,      /* visible rows that are sealed (design: 4, 16, 64, 128) */
    VV_HEAD_ROWS_SOFT_MAX = 1024, /* rows a buffer holds before it seals what it can */
    VV_HEAD_RAW_BYTES_MAX = 64 * 1024, /* raw size of a vector */
    VV_HEAD_THIN_FIELDS = 64, /* R5; arbitrary: 128 rows of so many are a vector's raw bytes */
    VV_HEAD_THIN_CELLS = 8,   /* R5; arbitrary: a bool or a small number is no larger on the wire */
    VV_HEAD_FIELD_FLAG_BITS = 64 * 1024, /* field flags that come at once: 8 KiB */
    VV_HEAD_FIELD_FLAG_CHUNKS = 512      /* fields beyond are defined again with each batch */
};

/* A delta of more than this to the visible sequence seals (H6); the rest is for rows on their way.
 */
#define VV_HEAD_DELTA_MAX (UINT64_C(1) << 31)

/** A set of typed columns; interned in its shard, so that equal sets are equal pointers. */
typedef struct vv_head_layout {
    uint32_t count; /* fields, ascending */
    uint32_t cell_count;
    uint32_t bool_count;
    uint32_t blob_count;
    uint32_t seal_rows;      /* rows that make a vector: 128, fewer where they are wide ... */
    uint32_t late_rows;      /* ... and in a side buffer: 1024, fewer too */
    const uint32_t *fields;  /* catalogue ids */
    const uint8_t *types;    /* families */
    const uint16_t *offsets; /* of the value: cells from the record, bools from the bool bytes */
} vv_head_layout;

/** Bytes of a value that is not a number. */
typedef struct vv_head_blob {
    uint32_t size;
    uint32_t is_bytes; /* bytes family: 1 = BYTES, 0 = STRING */
} vv_head_blob;        /* the bytes follow */

/** Size of a blob in units of 64 bytes, so that a sum fits 32 bits. */
static inline uint32_t vv_head_blob_units(uint32_t size)
{
    return size / 64 + 1;
}

/** Plain rows. */
typedef struct vv_head_buffer {
    uint8_t *piece;               /* capacity records, of the slab; NULL: capacity 0 */
    const vv_head_layout *layout; /* NULL: none yet */
    uint32_t count, pending;      /* R1 */
    uint32_t capacity;
    uint16_t record_bytes;
    uint16_t sequence_offset; /* in a record */
    uint8_t time_bytes;       /* 0, 4, 8 */
    bool is_sparse;
    bool is_blobby; /* the layout has blobs */
    uint8_t reserved;
    uint32_t blob_units; /* bytes of the blobs of all records, see vv_head_blob_units */
    int64_t base_time;
    uint64_t step;
    uint64_t base_sequence; /* of the first row */
} vv_head_buffer;

typedef enum vv_head_block_kind { VV_HEAD_ENCODED, VV_HEAD_PLAIN } vv_head_block_kind;

/** A part of a series that rows are no longer appended to. */
typedef struct vv_head_block {
    struct vv_head_block *next; /* in order of time (late: of arrival) */
    uint32_t kind;
    bool is_staged;  /* ENCODED: reserved, not appended yet */
    bool is_of_slab; /* else of the arena */
    uint32_t rows;   /* ENCODED, as the rest */
    uint32_t vector_size;
    uint32_t sequences_size; /* see head_seal.c; 0: first_sequence + i * sequence_step */
    uint64_t sequence_step;
    uint64_t first_sequence, last_sequence; /* least and greatest */
    int64_t first_time, last_time;
    vv_head_buffer buffer; /* PLAIN */
} vv_head_block;           /* ENCODED: vector and sequences follow at VV_HEAD_BLOCK_HEAD_BYTES */

typedef struct vv_head_list {
    vv_head_block *first, *last;
    vv_head_block *staged; /* nothing before it is reserved; NULL: nothing at all */
} vv_head_list;

/** Late rows of a series; made with the first one. */
typedef struct vv_head_late {
    vv_head_buffer side;
    vv_head_list blocks;
    vv_head_row_id *row_ids; /* of replacements, ascending by sequence; of the slab */
    uint32_t row_id_count, row_id_pending, row_id_capacity;
    bool has_vector;      /* of a bulk call: it may reach beyond the newest in-order row */
    int64_t vector_limit; /* greatest time of such vectors */
} vv_head_late;

/** Rows of a series that were deleted or replaced; made with the first one. */
typedef struct vv_head_hides {
    vv_head_hide *items; /* ascending by sequence; of the slab */
    uint32_t count, capacity;
} vv_head_hides;

/** One series; the first line is all that appending to a tail with room looks at. */
typedef struct vv_head_series {
    vv_head_buffer tail;
    /* A row is in order when its time is greater: the newest in-order time, reserved rows included
     * (under `all` one less), and at least the last time of late vectors. INT64_MIN: see
     * has_newest. */
    int64_t newest_limit;
    vv_head_list blocks;
    vv_head_late *late;   /* NULL: no late row yet */
    vv_head_hides *hides; /* NULL: none */
    uint32_t id;
    bool is_last;    /* policy of the metric */
    bool has_newest; /* there is an in-order row or a late vector, reserved ones included */
    bool is_defined; /* in the log of this generation */
    bool has_staged; /* something may be reserved outside of the tail */
} vv_head_series;

typedef struct vv_head_shard {
    vv_head *head;
    vv_codec_scratch *scratch; /* of db->shards[] */
    vv_head_series ***chunks;  /* slots by id / VV_SHARD_COUNT */
    size_t chunk_count;
    vv_slab slab;   /* plain rows, blobs, bulk vectors */
    vv_arena arena; /* series, slots, layouts, blocks */
    vv_arena work;  /* while sealing; empty in between */
    vv_buf encoded; /* while sealing */
    vv_map layouts; /* of their shapes */
    size_t series_count;
    uint64_t moved_cells; /* work of moving buffers; tests bound it (R5) */
} vv_head_shard;

struct vv_head {
    /* fixed after create */
    varve_db *db;
    vv_alloc *alloc;
    /* atomic */
    atomic_uint refs;
    atomic_bool is_frozen; /* set with every shard locked */
    atomic_size_t bytes;
    atomic_uint_fast64_t rows, hides;
    atomic_int_fast64_t first_write_ns;
    atomic_uint_fast64_t first_sequence, last_sequence;
    _Atomic(atomic_uint_fast64_t *) field_flags[VV_HEAD_FIELD_FLAG_CHUNKS];
    /* guarded by all shard locks */
    uint64_t last_lsn;
    /* each guarded by its shard's lock */
    vv_head_shard shards[VV_SHARD_COUNT];
};

#define VV_HEAD_BLOCK_HEAD_BYTES offsetof(vv_head_block, buffer)

static inline const uint8_t *vv_head_block_bytes(const vv_head_block *block)
{
    return (const uint8_t *)block + VV_HEAD_BLOCK_HEAD_BYTES;
}

/* ---- head.c ---- */

static inline vv_head_shard *vv_head_shard_of(vv_head *head, uint32_t series)
{
    return &head->shards[series & (VV_SHARD_COUNT - 1)];
}

/** Where the series of an id hangs, or NULL when its chunk is not there. */
static inline vv_head_series **vv_head_slot(const vv_head_shard *shard, uint32_t series)
{
    size_t index = series / VV_SHARD_COUNT;
    size_t chunk = index / VV_HEAD_CHUNK_SLOTS;
    if (chunk >= shard->chunk_count || shard->chunks[chunk] == NULL) {
        return NULL;
    }
    return &shard->chunks[chunk][index % VV_HEAD_CHUNK_SLOTS];
}

static inline vv_head_series *vv_head_find(const vv_head_shard *shard, uint32_t series)
{
    vv_head_series **slot = vv_head_slot(shard, series);
    return slot == NULL ? NULL : *slot;
}

/** The series, made when missing. */
VV_MUST_CHECK varve_status vv_head_series_for(vv_head_shard *shard, uint32_t series,
                                              vv_head_series **out_series, varve_error *out_err);
/** Memory of a shard's arena; counted. NULL: none. */
VV_MUST_CHECK void *vv_head_arena_new(vv_head_shard *shard, size_t size);
VV_MUST_CHECK void *vv_head_arena_aligned(vv_head_shard *shard, size_t size, size_t align);
/** Whether a series has rows that were appended (reserved ones do not count). */
bool vv_head_series_has_rows(const vv_head_series *series);

/* ---- head_layout.c ---- */

void vv_head_layouts_init(vv_head_shard *shard, vv_alloc *alloc);

/** Fields and types of something to be stored; types are those of columns, ascending fields. */
typedef struct vv_head_shape {
    uint32_t count;
    const uint32_t *fields;
    const uint8_t *types; /* families */
} vv_head_shape;

/** The interned layout of a shape. */
VV_MUST_CHECK varve_status vv_head_layout_of(vv_head_shard *shard, vv_head_shape shape,
                                             const vv_head_layout **out_layout,
                                             varve_error *out_err);
/** How a shape fits a layout. */
typedef enum vv_head_fit {
    VV_HEAD_FIT_EQUAL,   /* the same fields and types */
    VV_HEAD_FIT_INSIDE,  /* the layout has more fields */
    VV_HEAD_FIT_WIDENS,  /* fields are missing in the layout */
    VV_HEAD_FIT_CONFLICT /* a field has another type, or there would be too many */
} vv_head_fit;
/** *out_missing: fields of the shape that the layout lacks, where it fits or widens. */
vv_head_fit vv_head_layout_fit(const vv_head_layout *layout, vv_head_shape shape,
                               uint32_t *out_missing);
/** The layout with the fields of both, which do not conflict. */
VV_MUST_CHECK varve_status vv_head_layout_unite(vv_head_shard *shard, const vv_head_layout *layout,
                                                vv_head_shape shape,
                                                const vv_head_layout **out_layout,
                                                varve_error *out_err);

/* ---- head_buffer.c ---- */

/** How a buffer keeps its rows. */
typedef struct vv_head_form {
    const vv_head_layout *layout;
    uint32_t capacity;
    uint8_t time_bytes;
    bool is_sparse;
} vv_head_form;

/** Move to another form, which has room for all records and every field and time in them. On
 * failure nothing has changed. */
VV_MUST_CHECK varve_status vv_head_buffer_reform(vv_head_shard *shard, vv_head_buffer *buffer,
                                                 vv_head_form form, varve_error *out_err);
/** How many values all its records have. */
size_t vv_head_buffer_values(const vv_head_buffer *buffer);
/** Drop the first `rows` records with their blobs; cannot fail. */
void vv_head_buffer_drop(vv_head_shard *shard, vv_head_buffer *buffer, uint32_t rows);
/** Drop what is reserved. */
void vv_head_buffer_unreserve(vv_head_shard *shard, vv_head_buffer *buffer);
/** Give memory back; the buffer is as new. */
void vv_head_buffer_clear(vv_head_shard *shard, vv_head_buffer *buffer);

/** Bytes of time that record `index` needs to hold `time`, and the start of the series of times
 * when it is the first or second. */
uint8_t vv_head_buffer_time_bytes(vv_head_buffer *buffer, uint32_t index, int64_t time);
int64_t vv_head_buffer_time(const vv_head_buffer *buffer, uint32_t index);

static inline uint8_t *vv_head_record(const vv_head_buffer *buffer, uint32_t index)
{
    return buffer->piece + (size_t)index * buffer->record_bytes;
}

static inline uint64_t vv_head_buffer_sequence(const vv_head_buffer *buffer, uint32_t index)
{
    uint32_t delta;
    memcpy(&delta, vv_head_record(buffer, index) + buffer->sequence_offset, sizeof delta);
    return buffer->base_sequence + delta;
}

/** How many of the first `rows` rows, at least one, have at most `bytes` raw bytes. */
uint32_t vv_head_buffer_fit(const vv_head_buffer *buffer, uint32_t rows, size_t bytes);
/** Rows at or below the visible sequence; they are the first ones (R2). */
uint32_t vv_head_buffer_visible(const vv_head_buffer *buffer, uint64_t visible);
/** Write the time of a record, for which the form has room. */
void vv_head_buffer_put_time(const vv_head_buffer *buffer, uint32_t index, int64_t time);

/** Rows as columns in an arena. */
typedef struct vv_head_gather {
    uint32_t first, count;  /* records */
    const uint32_t *order;  /* count record numbers instead, or NULL */
    const uint32_t *fields; /* ascending; NULL: all */
    size_t field_count;
    bool copies_blobs; /* else they are borrowed from the slab */
} vv_head_gather;
/** Columns without any value in these rows stay away. */
VV_MUST_CHECK varve_status vv_head_buffer_gather(const vv_head_buffer *buffer,
                                                 const vv_head_gather *what, vv_arena *arena,
                                                 vv_rows *out_rows, uint64_t **out_sequences,
                                                 varve_error *out_err);

/* ---- head_room.c ---- */

/** A row to be put into a series. */
typedef struct vv_head_row {
    vv_head_shape shape;
    int64_t time;
    uint64_t visible; /* rows up to here may be sealed */
    bool is_late;     /* into the side buffer, which is there */
} vv_head_row;

/** Bring the tail or side buffer of a series into a form that takes one more row. */
VV_MUST_CHECK varve_status vv_head_make_room(vv_head_shard *shard, vv_head_series *series,
                                             const vv_head_row *wanted, varve_error *out_err);

/* ---- head_seal.c ---- */

void vv_head_list_add(vv_head_list *list, vv_head_block *block);
/** Whether something of a block is reserved. */
static inline bool vv_head_block_is_reserved(const vv_head_block *block)
{
    return block->kind == VV_HEAD_PLAIN ? block->buffer.pending > 0 : block->is_staged;
}
/** Seal the first `rows` rows, all visible, of a tail into blocks of the list, of up to a vector
 * each; `late` not NULL: of its side buffer. What was sealed before a failure stays sealed. */
VV_MUST_CHECK varve_status vv_head_seal(vv_head_shard *shard, vv_head_buffer *buffer,
                                        vv_head_list *list, uint32_t rows, const vv_head_late *late,
                                        varve_error *out_err);
/** End a tail: visible rows are sealed, others become a closed plain block. Then it is empty. */
VV_MUST_CHECK varve_status vv_head_close(vv_head_shard *shard, vv_head_series *series,
                                         uint64_t visible, varve_error *out_err);
/** The same for a side buffer. */
VV_MUST_CHECK varve_status vv_head_close_late(vv_head_shard *shard, vv_head_late *late,
                                              uint64_t visible, varve_error *out_err);
/** Add a vector of a bulk call to a list, reserved. */
VV_MUST_CHECK varve_status vv_head_stage_vector(vv_head_shard *shard, vv_head_list *list,
                                                const vv_vector *vector, varve_error *out_err);
/** Take what is reserved out of a list. */
void vv_head_list_unreserve(vv_head_shard *shard, vv_head_list *list);

/* ---- head_rows.c ---- */

/** Room for the row id of one more reserved late row. */
VV_MUST_CHECK varve_status vv_head_reserve_row_id(vv_head_shard *shard, vv_head_late *late,
                                                  varve_error *out_err);
/** The replacement that was appended last. */
void vv_head_put_row_id(vv_head_late *late, uint64_t sequence, uint64_t row_id);
/** Numbers of records of a side buffer into the order of (time, row id); memory of the arena. */
VV_MUST_CHECK varve_status vv_head_order_rows(const vv_head_buffer *side, const vv_head_late *late,
                                              uint32_t *rows, size_t count, vv_arena *arena,
                                              varve_error *out_err);

#endif
