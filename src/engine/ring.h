/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_RING_H
#define VV_ENGINE_RING_H

/*
 * Rings in a running database: fixed slots on a fixed step, overwritten in place.
 *
 * A row of a ring travels like any other: log, head, visible sequence. What differs is what becomes
 * of it: a flush puts it into the pages of the ring instead of a segment, and a reader puts the
 * rows of the heads on top of the pages.
 *
 *   write --> log --> head --freeze--> frozen head --flush--> pages (memory) --> pages (file)
 *                      |                   |                     |
 *   read  --> view = rows of the heads up to S  +  the pages of its version, looked at in the order
 *             of arrival together with the deletes: what a slot holds at S
 *
 *   vv_ring        what the series is; shared by everything below while it keeps its shape
 *   vv_ring_state  its pages after one flush: immutable, counted; a flush copies what it changes
 *   vv_ring_set    the states of all rings after one flush; a version has one
 *
 *   R1  The pages of a set hold every row and delete up to its sequence, none above, but for pages
 *       that were read from a file that is ahead of the manifest (a flush was cut before its edit):
 *       each page tells its own sequence. A row or delete counts on top of a page when its sequence
 *       is above both.
 *
 *   R2  What a slot holds depends on the order of arrival alone, never on when a flush ran: rows
 *       and deletes are applied by ascending sequence (S2 of ring_shape.h).
 *
 *   R3  A view never sees a page change: an old cursor keeps the version and with it the pages of
 *       its time. They are counted, and go with the last view.
 *
 *   R4  A page is written in place only when the log holds, synced, every row up to the page's LSN
 *       and an image of the page as it is going to be (RINGPAGE). So a page that was torn is taken
 *       from the log. The manifest lets go of that log only after the file was synced.
 *
 *   R5  Pages are not written in place while an open recovers, since the log of that moment is not
 *       the log yet, nor after a failure to write or sync them, since nobody knows then what the
 *       file holds: such a file is written anew under another number, which the same edit of the
 *       manifest exchanges for the old one.
 *
 *   R6  A series becomes a ring, or ceases to be one, at a moment when no head holds a row of it
 *       (ring_change.c). So every row of a head, and every row of the log above flush_lsn, is of
 *       the ring that the current set names, or of no ring; the log need not say which.
 *
 * Files: ring_shape.c arithmetic, ring_file.c format, ring.c states and sets, ring_apply.c rows on
 * top of pages, ring_scan.c reading, ring_write.c writing, ring_flush.c flushing, ring_load.c
 * opening, ring_change.c making, reshaping, dropping, ring_check.c verifying and scrubbing.
 */

#include <stdatomic.h>

#include "engine/db.h"
#include "engine/ring_file.h"
#include "engine/ring_shape.h"

typedef struct vv_ring_page {
    atomic_uint refs;
    uint8_t bytes[VV_RING_PAGE_BYTES]; /* as in a file, but for the checksum */
} vv_ring_page;

typedef struct vv_ring {
    atomic_uint refs;
    /* fixed */
    uint32_t series;
    uint32_t header_bytes; /* of its files: pages begin there */
    vv_ring_shape shape;
    uint32_t fields[VV_RING_FIELDS_MAX]; /* of the catalogue, in the order of the shape */
    /* guarded by the lock of the series' shard: the stored lap that each slot holds after
     * everything that has its place in the order, for the pages that were written to since the
     * open; NULL for the others */
    uint64_t **laps; /* shape.pages */
    /* changed with flush_lock held */
    atomic_bool must_rewrite; /* R5 */
} vv_ring;

typedef struct vv_ring_state {
    atomic_uint refs;
    vv_ring *ring;        /* a reference */
    uint64_t file_id;     /* 0 in memory */
    vv_ring_page **pages; /* shape.pages; NULL: empty, and of no sequence */
} vv_ring_state;

typedef struct vv_ring_set {
    atomic_uint refs;
    uint64_t sequence; /* R1 */
    size_t count, capacity;
    vv_ring_state **states; /* references, ascending by series */
} vv_ring_set;

/** Shared by calls that read a row; engine/ring_apply.c. */
struct vv_view;
struct vv_tombstone;

/* --- ring.c --- */

/** A ring of a header whose names are resolved against the catalogue; the caller's reference. */
VV_MUST_CHECK varve_status vv_ring_create(varve_db *db, const vv_ring_header *header,
                                          vv_ring **out_ring, varve_error *out_err);
void vv_ring_unref(varve_db *db, vv_ring *ring);
/** The header of a file of this ring; fields lie in out_fields. */
VV_MUST_CHECK varve_status vv_ring_header_of(varve_db *db, const vv_ring *ring,
                                             varve_ring_field out_fields[VV_RING_FIELDS_MAX],
                                             vv_ring_header *out_header, varve_error *out_err);
/** Position of a field in the shape; VV_RING_FIELDS_MAX: none. */
uint32_t vv_ring_field_of(const vv_ring *ring, uint32_t field);

/** A state without pages. */
VV_MUST_CHECK varve_status vv_ring_state_create(varve_db *db, vv_ring *ring, uint64_t file_id,
                                                vv_ring_state **out_state, varve_error *out_err);
/** A state with the pages of another one. */
VV_MUST_CHECK varve_status vv_ring_state_copy(varve_db *db, const vv_ring_state *base,
                                              vv_ring_state **out_state, varve_error *out_err);
void vv_ring_state_ref(vv_ring_state *state);
void vv_ring_state_unref(varve_db *db, vv_ring_state *state);
/** A new page of zeros, the caller's reference; NULL: no memory. */
vv_ring_page *vv_ring_page_create(vv_alloc *alloc);
void vv_ring_page_ref(vv_ring_page *page);
void vv_ring_page_unref(vv_alloc *alloc, vv_ring_page *page);

/** An empty set with room. */
VV_MUST_CHECK varve_status vv_ring_set_create(varve_db *db, size_t capacity, uint64_t sequence,
                                              vv_ring_set **out_set, varve_error *out_err);
/** Add a state, whose series is above all there; the set takes a reference. */
void vv_ring_set_push(vv_ring_set *set, vv_ring_state *state);
/** The set with `state` in the place of what it has for the series; NULL: without. */
VV_MUST_CHECK varve_status vv_ring_set_edit(varve_db *db, const vv_ring_set *base, uint32_t series,
                                            vv_ring_state *state, vv_ring_set **out_set,
                                            varve_error *out_err);
void vv_ring_set_ref(vv_ring_set *set);
void vv_ring_set_unref(varve_db *db, vv_ring_set *set);
/** The state of a series, NULL: no ring. set may be NULL. */
vv_ring_state *vv_ring_set_find(const vv_ring_set *set, uint32_t series);
/** The current set, referenced; NULL: there is none. */
vv_ring_set *vv_ring_set_current(varve_db *db);
/** Whether a delete may still hide rows in pages of the set. */
bool vv_ring_set_needs(const vv_ring_set *set, const struct vv_tombstone *tombstone);
/** Whether a file of the set is to be written anew (R5). flush_lock is held, or nobody else there.
 */
bool vv_ring_set_must_rewrite(const vv_ring_set *set);

/** `<db>/ring/<id>.vrg`. */
VV_MUST_CHECK varve_status vv_ring_path(const varve_db *db, uint64_t id,
                                        char out_path[VV_PATH_BYTES_MAX], varve_error *out_err);
/** A file that no manifest names any more; a failure is logged. */
void vv_ring_unlink(varve_db *db, uint64_t id);
/** Write the pages of a state as a file: header->id is its number. overlay: pages that take the
 *  place of those of the state where they are not NULL; may be NULL. */
VV_MUST_CHECK varve_status vv_ring_write_file(varve_db *db, const vv_ring_target *target,
                                              const vv_ring_state *state,
                                              vv_ring_page *const *overlay,
                                              const uint8_t store_id[16], uint64_t id,
                                              varve_error *out_err);
/** Write the pages of a state as a file of this database under a new number, which becomes
 *  state->file_id; nobody else has the state yet, and no manifest names the file. */
VV_MUST_CHECK varve_status vv_ring_write_new_file(varve_db *db, vv_ring_state *state,
                                                  varve_error *out_err);

#endif
