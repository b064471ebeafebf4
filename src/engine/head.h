/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_HEAD_H
#define VV_ENGINE_HEAD_H

/*
 * A head generation: the rows since the last freeze, in memory, by series.
 *
 *   slots (two-level table by series id) -> vv_head_series
 *        in order:  [encoded block][encoded block]...[plain tail 4,16,64,128 .. 1024 rows]
 *        late:      [encoded late block]...           [plain side buffer]
 *
 *   H1  Rows of a series are appended in sequence order. An in-order row is not older than the
 *       newest in-order row before it; under `last` it is strictly newer. It is also
 *       newer than every late vector of a bulk call. Every other row is late, so that of rows of
 *       equal time the late ones are the newer.
 *   H2  Only rows at or below the visible sequence are sealed into a block, but for vectors of a
 *       bulk call, which are blocks of one batch from the start.
 *   H3  An encoded block never changes; its bytes live as long as the generation. Beside it lie the
 *       sequences of its rows, so that a view older than the block leaves out what it must not see.
 *   H4  A late block is sorted by (time, row id) and keeps rows of equal time: who reads resolves
 *       them. Late blocks follow each other in order of arrival, the side buffer last; at equal
 *       times a late row is newer than every in-order row.
 *   H5  Nothing is removed from a generation; deletes are tombstones in the version, and rows
 *       deleted or replaced one by one are entries of the generation of that moment (hides).
 *   H6  Plain rows carry a 32-bit sequence delta to a base of their buffer; a buffer whose delta
 *       would overflow is sealed first.
 *
 * Memory comes from slabs of size classes per shard (tails, side buffers, blobs) and from an arena
 * per shard (series, sealed blocks), freed as a whole with the generation. A row lies in one place:
 * a single-valued one in 12 bytes while its times keep a step, in 16 while they jitter around it,
 * else in 20. A field that appears later starts where it appears (rows before lack it).
 *
 * The row id of a row in a head is its sequence, but for replacements: these are always late rows,
 * and beside them lies which id each sequence has. So in-order rows ascend by row id as well.
 *
 * Threads: writing and reading a series needs its shard's lock. A frozen generation is written no
 * more; reading it needs no lock.
 */

#include "base/arena.h"
#include "base/slice.h"
#include "engine/db.h"
#include "model/rows.h"

struct vv_codec_scratch;
struct vv_vec;

typedef struct vv_head vv_head;

VV_MUST_CHECK varve_status vv_head_create(varve_db *db, vv_head **out_head, varve_error *out_err);
void vv_head_ref(vv_head *head);
void vv_head_unref(vv_head *head);
size_t vv_head_bytes(const vv_head *head);           /* memory held; relaxed */
uint64_t vv_head_rows(const vv_head *head);          /* relaxed */
int64_t vv_head_first_write_ns(const vv_head *head); /* monotonic; 0: empty */

/* --- freezing --- */

/** With every shard locked: from now on immutable. last_sequence and last_lsn are the freeze
 *  point. */
void vv_head_freeze(vv_head *head, uint64_t last_lsn, uint64_t last_sequence);
bool vv_head_is_frozen(const vv_head *head);
uint64_t vv_head_last_lsn(const vv_head *head);
uint64_t vv_head_first_sequence(const vv_head *head); /* of its rows; 0: empty */
uint64_t vv_head_last_sequence(const vv_head *head);
/** Ids of the series that have rows; ascending. The head must be frozen, or every shard locked.
 *  Released with vv_alloc_free(alloc, ids, count * sizeof *ids). */
VV_MUST_CHECK varve_status vv_head_series_ids(const vv_head *head, vv_alloc *alloc,
                                              uint32_t **out_ids, size_t *out_count,
                                              varve_error *out_err);
bool vv_head_has_series(const vv_head *head, uint32_t series); /* shard lock, or frozen */

/* --- writing; shard locks held from the first reserve to the append; see engine/write.c --- */

/** A field of a series that no visible row holds any more, so that its type may change. */
typedef struct vv_head_retype {
    uint32_t series;
    uint32_t field;
    bool is_used; /* set by the reserve that changed the type; once only */
} vv_head_retype;

typedef struct vv_head_reserve_options {
    uint64_t visible;        /* rows up to here may be sealed */
    vv_head_retype *retypes; /* may be NULL */
    size_t retype_count;
    bool retypes_all; /* replay: what was written was allowed */
    uint64_t shards;  /* only rows of these, a bit for each; 0: all rows */
} vv_head_reserve_options;

/** What a reservation found. */
typedef struct vv_head_reserved {
    uint64_t late_rows;      /* replacements included */
    uint64_t undefined_rows; /* rows of series that the log of this generation does not define */
    /* Of a conflict (E_CONFLICT): the row, the field, the family it holds, the type given. */
    size_t row;
    uint32_t series, field, held_type, given_type;
    bool is_crowded; /* E_LIMIT because a series would have too many fields */
} vv_head_reserved;

/**
 * Put the rows of a run into place, unseen, so that the append cannot fail, and claim the types of
 * their fields. Seals full visible tails. Runs of a batch are reserved one after another, then
 * appended in the same order. After a failure vv_head_unreserve is called for this run and for
 * those before it.
 * Errors: E_NOMEM, E_LIMIT (see is_crowded), E_CONFLICT (a field holds another type; no message,
 * see *out_reserved), E_CORRUPT (a vector of a replayed log).
 */
VV_MUST_CHECK varve_status vv_head_reserve(vv_head *head, const vv_run *run,
                                           const vv_head_reserve_options *options,
                                           vv_head_reserved *out_reserved, varve_error *out_err);
/** Give back what is reserved for the series of a run, whole or in part. */
void vv_head_unreserve(vv_head *head, const vv_run *run);
/** Append reserved rows; row i has sequence first_sequence + i. late_rows: of the reservation. */
void vv_head_append(vv_head *head, const vv_run *run, uint64_t first_sequence, uint64_t late_rows);
/** The same for the rows of some shards, which were reserved alone. Not for vectors. */
void vv_head_append_part(vv_head *head, const vv_run *run, uint64_t first_sequence,
                         uint64_t late_rows, uint64_t shards);

/* --- rows deleted or replaced one by one: they hide rows wherever these are --- */

/** A row of one series is hidden below a sequence. */
typedef struct vv_head_hide {
    int64_t time;
    uint64_t row_id, sequence;
} vv_head_hide;

/** A late row that is a replacement: its row id is not its sequence. */
typedef struct vv_head_row_id {
    uint64_t sequence, row_id;
} vv_head_row_id;

/** Make room for `count` hides of a series; there is nothing to give back. *out_is_defined: the log
 *  of this generation defines the series. Shard lock. */
VV_MUST_CHECK varve_status vv_head_reserve_hides(vv_head *head, uint32_t series, size_t count,
                                                 bool *out_is_defined, varve_error *out_err);
/** Hide a row; room was made. Sequences of a series ascend. Shard lock. */
void vv_head_hide_row(vv_head *head, const vv_row_address *row, uint64_t sequence);
/** How many there are; relaxed. */
uint64_t vv_head_hide_count(const vv_head *head);
/** Whether a row of this id was hidden or put into place after a sequence. Shard lock, or frozen.
 */
bool vv_head_is_row_changed(const vv_head *head, uint32_t series, uint64_t row_id, uint64_t after);
/** Append the hides up to a sequence to a list of vv_row_hide (engine/version.h); takes the shard
 *  locks itself when the head is not frozen. */
VV_MUST_CHECK varve_status vv_head_list_hides(vv_head *head, uint64_t visible, struct vv_vec *out,
                                              varve_error *out_err);

/** The greatest sequence of a series in this head; 0: none. Shard lock, or frozen. */
uint64_t vv_head_series_sequence(const vv_head *head, uint32_t series);
/** The newest time of its rows that is not above `limit`, about: an encoded block that reaches
 * beyond counts with its first time. Takes the shard locks, one after another, unless it is frozen.
 */
bool vv_head_newest(vv_head *head, int64_t limit, int64_t *out_newest);
/** Encoded blocks of in-order rows of a series, and the rows in them. Shard lock, or frozen. */
void vv_head_series_blocks(const vv_head *head, uint32_t series, uint64_t *out_blocks,
                           uint64_t *out_rows);
/** The policy of a metric has changed; none of its rows is visible. Every shard locked. */
VV_MUST_CHECK varve_status vv_head_set_policy(vv_head *head, uint32_t metric_id, uint64_t visible,
                                              varve_error *out_err);

/** A series without rows has become a ring, or is none any more. Every shard locked. */
void vv_head_renew_series(vv_head *head, uint32_t series);

/* Definitions in the log: a series or field is defined once per generation (the log is
 * self-contained from log_start on). Series flags are guarded by the shard lock, field flags are
 * atomic. */
bool vv_head_is_series_defined(const vv_head *head, uint32_t series);
void vv_head_set_series_defined(vv_head *head, uint32_t series);
bool vv_head_is_field_defined(const vv_head *head, uint32_t field);
void vv_head_set_field_defined(vv_head *head, uint32_t field);

/* --- reading --- */

/** Rows of one series that a reader at `visible` may see, as pieces in order of time within each
 * list. */
typedef struct vv_head_piece {
    bool is_encoded;
    bool is_late;      /* may overlap any other piece */
    bool needs_filter; /* some rows have sequences above visible: use sequences[] */
    uint32_t rows;
    int64_t first_time, last_time;
    uint64_t first_sequence, last_sequence;
    vv_bytes vector; /* encoded: lives as long as the head */
    vv_rows plain;   /* plain: copied into the arena, visible rows only, by (time, sequence) */
    const uint64_t *sequences; /* of the rows; plain only: see vv_head_piece_sequences */
    vv_bytes encoded_sequences;
    uint64_t sequence_step;
    const vv_head_row_id *row_ids; /* late: of replacements, ascending by sequence */
    size_t row_id_count;
} vv_head_piece;

typedef struct vv_head_pieces {
    vv_head_piece *in_order; /* ascending, not overlapping (equal times at a border under `all`) */
    size_t in_order_count;
    vv_head_piece *late;
    size_t late_count;
    const vv_head_hide *hides; /* of the whole series, up to visible; ascending by sequence */
    size_t hide_count;
} vv_head_pieces;

/** Collect; takes the shard lock itself when the head is not frozen. Only pieces that touch range;
 * plain rows are those in range, copied into the arena with the columns of `fields` (ascending;
 * NULL: all) that have a value. Blobs of a frozen head are not copied: they live as long as it. */
VV_MUST_CHECK varve_status vv_head_read(vv_head *head, uint32_t series, uint64_t visible,
                                        varve_range range, const uint32_t *fields,
                                        size_t field_count, vv_arena *arena,
                                        vv_head_pieces *out_pieces, varve_error *out_err);
/** Sequences of an encoded piece into out[piece->rows]. */
VV_MUST_CHECK varve_status vv_head_piece_sequences(const vv_head_piece *piece,
                                                   struct vv_codec_scratch *scratch,
                                                   uint64_t *out_sequences, varve_error *out_err);
/** The row id of the row with a sequence, among replacements. */
uint64_t vv_head_row_id_of(const vv_head_row_id *row_ids, size_t count, uint64_t sequence);

#endif
