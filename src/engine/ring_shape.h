/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_RING_SHAPE_H
#define VV_ENGINE_RING_SHAPE_H

/*
 * The arithmetic of a ring: which slot a time belongs to, how a slot lies in its page. Pure
 * functions; what is done with pages is in engine/ring.h. Format: docs/formats/ring.md.
 *
 *     time    floor(time / step) is the window, its start the time that is read back
 *     lap     floor(window / slots): how often the ring has gone round
 *     slot    window mod slots
 *
 *     page    | crc | 0 | lsn | sequence | slot | slot | ... | zeros |      4096 bytes
 *     slot    | lap | present | value | value | ... |
 *
 *   S1  A stored lap is the lap minus that of INT64_MIN, plus 1: 0 is an empty slot, and a page of
 *       zeros behind its head is an empty page. Laps compare as the times of one slot do.
 *
 *   S2  Of two rows of one slot the one with the greater lap stays; rows of one lap unite field by
 *       field, the later one winning. So the order of arrival matters only within a window.
 *
 *   S3  Every slot of a page that passed vv_ring_page_check is empty, or has a lap whose time an
 *       int64_t holds, and at least one field.
 */

#include "base/compiler.h"
#include "base/slice.h"
#include "varve.h"

enum {
    VV_RING_PAGE_BYTES = 4096,      /* what is written in place at once, and has a checksum */
    VV_RING_PAGE_HEADER_BYTES = 24, /* crc, zero, lsn, sequence */
    VV_RING_FIELDS_MAX = 64,        /* a bit each in one word; a slot then takes 528 bytes */
    VV_RING_SLOTS_MAX = 1 << 24     /* arbitrary: half a year of seconds, 200 MB of numbers */
};

typedef struct vv_ring_shape {
    int64_t step;
    uint64_t slots;
    int64_t span; /* step * slots: one lap */
    int64_t first_lap;
    uint64_t lap_count; /* stored laps are 1..lap_count */
    uint32_t field_count;
    uint8_t types[VV_RING_FIELDS_MAX];    /* F64, I64, U64 or BOOL */
    uint16_t offsets[VV_RING_FIELDS_MAX]; /* of values in a slot */
    uint32_t lap_bytes;                   /* 4, or 8 where laps need it */
    uint32_t present_bytes;               /* 0 with one field: an occupied slot has it */
    uint32_t slot_bytes;
    uint32_t slots_per_page;
    uint32_t pages;
} vv_ring_shape;

/** Where a time goes. */
typedef struct vv_ring_place {
    uint64_t lap; /* stored form */
    uint32_t slot;
} vv_ring_place;

/** One row in the form of a slot: bit i of `present` says that values[i] is there; 8 bytes each, a
 *  bool is 0 or 1. */
typedef struct vv_ring_row {
    uint64_t present;
    uint64_t values[VV_RING_FIELDS_MAX];
} vv_ring_row;

/** E_INVALID naming what cannot be: step, slots, their product, fields, types. */
VV_MUST_CHECK varve_status vv_ring_shape_make(int64_t step, uint64_t slots, const uint8_t *types,
                                              size_t field_count, vv_ring_shape *out_shape,
                                              varve_error *out_err);
/** False: the start of the time's window lies before INT64_MIN. */
VV_MUST_CHECK bool vv_ring_place_of(const vv_ring_shape *shape, int64_t time,
                                    vv_ring_place *out_place);
/** The time that a place is read back with; of places that vv_ring_place_of gave or S3 allows. */
int64_t vv_ring_time_of(const vv_ring_shape *shape, vv_ring_place place);
/** Slots [*out_first, *out_first + count), counted round the ring, whose window may start in the
 *  range; all of them where it is longer than a lap. Returns the count. */
uint32_t vv_ring_slots_in(const vv_ring_shape *shape, varve_range range, uint32_t *out_first);

/* Pages. Numbers of slots are those within the page. */

uint64_t vv_ring_page_lsn(const uint8_t *page);
uint64_t vv_ring_page_sequence(const uint8_t *page);
/** Stamp a page with the position that it holds everything up to. */
void vv_ring_page_stamp(uint8_t *page, uint64_t lsn, uint64_t sequence);
/** Put the checksum of a page as it goes to a file or to the log. */
void vv_ring_page_seal(uint8_t *page, uint64_t file_id, uint64_t number);
/** E_CORRUPT unless the page is page `number` of the file and S3 holds. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_ring_page_check(const vv_ring_shape *shape,
                                                           uint64_t file_id, uint64_t number,
                                                           const uint8_t *page,
                                                           varve_error *out_err);
/** Stored lap of a slot, 0: empty. */
uint64_t vv_ring_slot_lap(const vv_ring_shape *shape, const uint8_t *page, uint32_t slot);
/** The fields of an occupied slot. */
void vv_ring_slot_get(const vv_ring_shape *shape, const uint8_t *page, uint32_t slot,
                      vv_ring_row *out_row);
/** Value of one field of an occupied slot; false: it has none. */
bool vv_ring_slot_field(const vv_ring_shape *shape, const uint8_t *page, uint32_t slot,
                        uint32_t field, uint64_t *out_value);
/** S2; false: the slot holds a later lap, and nothing changed. */
bool vv_ring_slot_put(const vv_ring_shape *shape, uint8_t *page, uint32_t slot, uint64_t lap,
                      const vv_ring_row *row);
void vv_ring_slot_clear(const vv_ring_shape *shape, uint8_t *page, uint32_t slot);

#endif
