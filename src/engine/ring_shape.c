/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The arithmetic of rings (see ring_shape.h). Times are signed and may be anywhere on the axis;
 * laps are kept as unsigned numbers from the first lap on, so that no step of it overflows.
 */

#include "engine/ring_shape.h"

#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/crc.h"
#include "base/status.h"
#include "model/rows.h"

enum { RING_SHAPE_CRC = 0, RING_SHAPE_ZERO = 4, RING_SHAPE_LSN = 8, RING_SHAPE_SEQUENCE = 16 };

_Static_assert(VV_RING_PAGE_HEADER_BYTES + 8 + 8 + 8 * VV_RING_FIELDS_MAX < VV_RING_PAGE_BYTES,
               "the largest slot fits a page");
_Static_assert(VV_RING_FIELDS_MAX <= 64, "a bit of a word for each field");

/* ---- the shape ---- */

static varve_status ring_shape_check(int64_t step, uint64_t slots, size_t field_count,
                                     int64_t *out_span, varve_error *out_err)
{
    if (step < 1) {
        return vv_fail(out_err, VARVE_E_INVALID, "a ring's step is %lld; it must be 1 or more",
                       (long long)step);
    }
    if (slots < 1 || slots > VV_RING_SLOTS_MAX) {
        return vv_fail(out_err, VARVE_E_INVALID, "a ring of %llu slots; it must be 1..%u",
                       (unsigned long long)slots, (unsigned)VV_RING_SLOTS_MAX);
    }
    if (!vv_mul_i64(step, (int64_t)slots, out_span) || *out_span < 2) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "a ring of %llu slots of step %lld: slots * step must be 2..INT64_MAX",
                       (unsigned long long)slots, (long long)step);
    }
    if (field_count < 1 || field_count > VV_RING_FIELDS_MAX) {
        return vv_fail(out_err, VARVE_E_INVALID, "a ring of %zu fields; it must be 1..%u",
                       field_count, (unsigned)VV_RING_FIELDS_MAX);
    }
    return VARVE_OK;
}

varve_status vv_ring_shape_make(int64_t step, uint64_t slots, const uint8_t *types,
                                size_t field_count, vv_ring_shape *out_shape, varve_error *out_err)
{
    vv_ring_shape shape = {.step = step, .slots = slots, .field_count = (uint32_t)field_count};
    VV_TRY(ring_shape_check(step, slots, field_count, &shape.span, out_err));
    shape.first_lap = vv_floor_div_i64(INT64_MIN, shape.span);
    shape.lap_count =
        (uint64_t)vv_floor_div_i64(INT64_MAX, shape.span) - (uint64_t)shape.first_lap + 1;
    shape.lap_bytes = shape.lap_count <= UINT32_MAX ? 4 : 8;
    shape.present_bytes = field_count == 1 ? 0 : ((uint32_t)field_count + 7) / 8;
    uint32_t offset = shape.lap_bytes + shape.present_bytes;
    for (size_t i = 0; i < field_count; i++) {
        bool is_allowed = types[i] == VARVE_TYPE_F64 || types[i] == VARVE_TYPE_I64 ||
                          types[i] == VARVE_TYPE_U64 || types[i] == VARVE_TYPE_BOOL;
        if (!is_allowed) {
            return vv_fail(out_err, VARVE_E_INVALID,
                           "field %zu of a ring: its type must be f64, i64, u64 or bool", i);
        }
        shape.types[i] = types[i];
        shape.offsets[i] = (uint16_t)offset;
        offset += (uint32_t)vv_type_width(types[i]);
    }
    shape.slot_bytes = offset;
    shape.slots_per_page = (VV_RING_PAGE_BYTES - VV_RING_PAGE_HEADER_BYTES) / shape.slot_bytes;
    shape.pages = (uint32_t)((slots + shape.slots_per_page - 1) / shape.slots_per_page);
    *out_shape = shape;
    return VARVE_OK;
}

/* ---- times ---- */

bool vv_ring_place_of(const vv_ring_shape *shape, int64_t time, vv_ring_place *out_place)
{
    int64_t start;
    if (!vv_mul_i64(vv_floor_div_i64(time, shape->step), shape->step, &start)) {
        return false;
    }
    int64_t lap = vv_floor_div_i64(start, shape->span);
    *out_place = (vv_ring_place){
        .lap = (uint64_t)lap - (uint64_t)shape->first_lap + 1,
        .slot = (uint32_t)(vv_floor_mod_i64(start, shape->span) / shape->step),
    };
    return true;
}

int64_t vv_ring_time_of(const vv_ring_shape *shape, vv_ring_place place)
{
    /* Modulo 2^64: the start of the first lap may lie before INT64_MIN, the sum does not. */
    uint64_t lap = place.lap - 1 + (uint64_t)shape->first_lap;
    return (int64_t)(lap * (uint64_t)shape->span + place.slot * (uint64_t)shape->step);
}

uint32_t vv_ring_slots_in(const vv_ring_shape *shape, varve_range range, uint32_t *out_first)
{
    *out_first = 0;
    uint64_t distance = vv_distance_i64(range.start, range.end);
    uint64_t whole = distance / (uint64_t)shape->step;
    vv_ring_place first;
    if (whole >= shape->slots || shape->slots - whole <= 2 ||
        !vv_ring_place_of(shape, range.start, &first)) {
        return (uint32_t)shape->slots;
    }
    *out_first = first.slot;
    return (uint32_t)whole + 2; /* those that the ends cut, too */
}

/* ---- pages ---- */

uint64_t vv_ring_page_lsn(const uint8_t *page)
{
    uint64_t lsn;
    memcpy(&lsn, page + RING_SHAPE_LSN, sizeof lsn);
    return lsn;
}

uint64_t vv_ring_page_sequence(const uint8_t *page)
{
    uint64_t sequence;
    memcpy(&sequence, page + RING_SHAPE_SEQUENCE, sizeof sequence);
    return sequence;
}

void vv_ring_page_stamp(uint8_t *page, uint64_t lsn, uint64_t sequence)
{
    memcpy(page + RING_SHAPE_LSN, &lsn, sizeof lsn);
    memcpy(page + RING_SHAPE_SEQUENCE, &sequence, sizeof sequence);
}

/** Over the place too: a whole page at a wrong place is noticed. */
static uint32_t ring_shape_crc(const uint8_t *page, uint64_t file_id, uint64_t number)
{
    uint64_t place[2] = {file_id, number};
    uint32_t crc = vv_crc32c(0, place, sizeof place);
    return vv_crc32c(crc, page + RING_SHAPE_ZERO, VV_RING_PAGE_BYTES - RING_SHAPE_ZERO);
}

void vv_ring_page_seal(uint8_t *page, uint64_t file_id, uint64_t number)
{
    memset(page + RING_SHAPE_ZERO, 0, RING_SHAPE_LSN - RING_SHAPE_ZERO);
    uint32_t crc = ring_shape_crc(page, file_id, number);
    memcpy(page + RING_SHAPE_CRC, &crc, sizeof crc);
}

static size_t ring_shape_slot_offset(const vv_ring_shape *shape, uint32_t slot)
{
    VV_DEBUG_ASSERT(slot < shape->slots_per_page);
    return VV_RING_PAGE_HEADER_BYTES + (size_t)slot * shape->slot_bytes;
}

uint64_t vv_ring_slot_lap(const vv_ring_shape *shape, const uint8_t *page, uint32_t slot)
{
    const uint8_t *bytes = page + ring_shape_slot_offset(shape, slot);
    uint64_t wide;
    uint32_t narrow;
    if (shape->lap_bytes == sizeof wide) {
        memcpy(&wide, bytes, sizeof wide);
        return wide;
    }
    memcpy(&narrow, bytes, sizeof narrow);
    return narrow;
}

static uint64_t ring_shape_present(const vv_ring_shape *shape, const uint8_t *slot)
{
    uint64_t present = 1;
    if (shape->present_bytes > 0) {
        present = 0;
        memcpy(&present, slot + shape->lap_bytes, shape->present_bytes);
    }
    return present;
}

/** A slot that is not empty, of bytes that nobody has looked at. */
static bool ring_shape_slot_is_sound(const vv_ring_shape *shape, const uint8_t *slot,
                                     vv_ring_place place)
{
    uint64_t present = ring_shape_present(shape, slot);
    uint64_t known =
        shape->field_count == 64 ? UINT64_MAX : (UINT64_C(1) << shape->field_count) - 1;
    if (place.lap > shape->lap_count || present == 0 || (present & ~known) != 0) {
        return false;
    }
    for (uint32_t i = 0; i < shape->field_count; i++) {
        if (shape->types[i] == VARVE_TYPE_BOOL && slot[shape->offsets[i]] > 1) {
            return false;
        }
    }
    vv_ring_place again;
    return vv_ring_place_of(shape, vv_ring_time_of(shape, place), &again) &&
           again.lap == place.lap && again.slot == place.slot;
}

varve_status vv_ring_page_check(const vv_ring_shape *shape, uint64_t file_id, uint64_t number,
                                const uint8_t *page, varve_error *out_err)
{
    uint32_t stored;
    uint32_t zero;
    memcpy(&stored, page + RING_SHAPE_CRC, sizeof stored);
    memcpy(&zero, page + RING_SHAPE_ZERO, sizeof zero);
    if (stored != ring_shape_crc(page, file_id, number) || zero != 0) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "page %llu: the checksum does not match",
                       (unsigned long long)number);
    }
    uint64_t first = number * shape->slots_per_page;
    for (uint32_t i = 0; i < shape->slots_per_page && first + i < shape->slots; i++) {
        uint64_t lap = vv_ring_slot_lap(shape, page, i);
        vv_ring_place place = {.lap = lap, .slot = (uint32_t)(first + i)};
        const uint8_t *slot = page + ring_shape_slot_offset(shape, i);
        if (lap != 0 && !ring_shape_slot_is_sound(shape, slot, place)) {
            return vv_fail(out_err, VARVE_E_CORRUPT, "page %llu: slot %u makes no sense",
                           (unsigned long long)number, i);
        }
    }
    return VARVE_OK;
}

/* ---- slots ---- */

bool vv_ring_slot_field(const vv_ring_shape *shape, const uint8_t *page, uint32_t slot,
                        uint32_t field, uint64_t *out_value)
{
    const uint8_t *bytes = page + ring_shape_slot_offset(shape, slot);
    *out_value = 0;
    memcpy(out_value, bytes + shape->offsets[field], vv_type_width(shape->types[field]));
    return ((ring_shape_present(shape, bytes) >> field) & 1) != 0;
}

void vv_ring_slot_get(const vv_ring_shape *shape, const uint8_t *page, uint32_t slot,
                      vv_ring_row *out_row)
{
    out_row->present = 0;
    for (uint32_t i = 0; i < shape->field_count; i++) {
        if (vv_ring_slot_field(shape, page, slot, i, &out_row->values[i])) {
            out_row->present |= UINT64_C(1) << i;
        }
    }
}

void vv_ring_slot_clear(const vv_ring_shape *shape, uint8_t *page, uint32_t slot)
{
    memset(page + ring_shape_slot_offset(shape, slot), 0, shape->slot_bytes);
}

bool vv_ring_slot_put(const vv_ring_shape *shape, uint8_t *page, uint32_t slot, uint64_t lap,
                      const vv_ring_row *row)
{
    VV_ASSERT(lap >= 1 && lap <= shape->lap_count && row->present != 0);
    uint64_t held = vv_ring_slot_lap(shape, page, slot);
    uint8_t *bytes = page + ring_shape_slot_offset(shape, slot);
    if (held > lap) {
        return false;
    }
    if (held < lap) {
        vv_ring_slot_clear(shape, page, slot);
        memcpy(bytes, &lap, shape->lap_bytes); /* little endian: the low half is the first */
    }
    if (shape->present_bytes > 0) {
        uint64_t present = ring_shape_present(shape, bytes) | row->present;
        memcpy(bytes + shape->lap_bytes, &present, shape->present_bytes);
    }
    for (uint32_t i = 0; i < shape->field_count; i++) {
        if (((row->present >> i) & 1) != 0) {
            memcpy(bytes + shape->offsets[i], &row->values[i], vv_type_width(shape->types[i]));
        }
    }
    return true;
}
