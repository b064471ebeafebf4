/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TZif files (RFC 8536, "The Time Zone Information Format") and the questions asked of them.
 *
 *      header | data of version 1 | header | data of version 2+ | newline rule newline
 *      "TZif" version 15 unused, then six counts, big endian:
 *          isutcnt isstdcnt leapcnt timecnt typecnt charcnt
 *      data: times (4 or 8 bytes each), a type for each, types (offset i32, is daylight u8,
 *          name u8), names, leap seconds, two sets of flags; the last four are skipped
 *
 * In memory: the times ascend strictly; from times[i] to times[i + 1] the offset is offsets[i + 1],
 * before times[0] it is offsets[0], which is that of the file's first type. From the last time on
 * the rule holds, when there is one.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "base/reader.h"
#include "base/status.h"
#include "sys/zoneinfo.h"
#include "sys/zoneinfo_priv.h"

#define ZONE_HEADER_BYTES   44
#define ZONE_TYPE_BYTES     6
#define ZONE_TYPE_COUNT_MAX 256 /* types are named by a byte */

struct vv_zone {
    vv_alloc *alloc;
    size_t bytes; /* of this allocation */
    vv_zone_rule rule;
    bool has_rule;
    size_t time_count;
    int64_t *times;   /* time_count, behind the struct */
    int32_t *offsets; /* time_count + 1, behind the times */
};

/* The counts of a header. */
typedef struct zone_tzif_header {
    uint8_t version;
    uint32_t utc_flags;
    uint32_t standard_flags;
    uint32_t leap_seconds;
    uint32_t times;
    uint32_t types;
    uint32_t name_bytes;
} zone_tzif_header;

/* ---- parsing -------------------------------------------------------------------------------- */

static varve_status zone_tzif_damaged(varve_error *out_err, const char *what)
{
    return vv_fail(out_err, VARVE_E_CORRUPT, "damaged time zone file: %s", what);
}

static varve_status zone_tzif_read_header(vv_reader *reader, zone_tzif_header *out_header,
                                          varve_error *out_err)
{
    const uint8_t *magic = vv_reader_bytes(reader, 4);
    if (magic == NULL || memcmp(magic, "TZif", 4) != 0) {
        return zone_tzif_damaged(out_err, "it does not begin with TZif");
    }
    out_header->version = vv_reader_u8(reader);
    vv_reader_skip(reader, 15);
    out_header->utc_flags = vv_reader_u32_be(reader);
    out_header->standard_flags = vv_reader_u32_be(reader);
    out_header->leap_seconds = vv_reader_u32_be(reader);
    out_header->times = vv_reader_u32_be(reader);
    out_header->types = vv_reader_u32_be(reader);
    out_header->name_bytes = vv_reader_u32_be(reader);
    if (vv_reader_is_bad(reader)) {
        return zone_tzif_damaged(out_err, "its header is cut");
    }
    if (out_header->types == 0 || out_header->types > ZONE_TYPE_COUNT_MAX) {
        return zone_tzif_damaged(out_err, "it has no types or too many");
    }
    return VARVE_OK;
}

/* Bytes of the data behind a header; cannot overflow: six 32-bit counts times at most 12. */
static uint64_t zone_tzif_data_bytes(const zone_tzif_header *header, uint32_t time_bytes)
{
    return (uint64_t)header->times * (time_bytes + 1) + (uint64_t)header->types * ZONE_TYPE_BYTES +
           header->name_bytes + (uint64_t)header->leap_seconds * (time_bytes + 4) +
           header->standard_flags + header->utc_flags;
}

/* Where the parts of the data are. */
typedef struct zone_tzif_data {
    vv_reader times;
    vv_reader type_numbers;
    vv_reader types;
    uint32_t time_bytes; /* 4 or 8 */
} zone_tzif_data;

static varve_status zone_tzif_split(vv_reader *reader, const zone_tzif_header *header,
                                    uint32_t time_bytes, zone_tzif_data *out_data,
                                    varve_error *out_err)
{
    if (zone_tzif_data_bytes(header, time_bytes) > vv_reader_left(reader)) {
        return zone_tzif_damaged(out_err, "it is shorter than its counts say");
    }
    if (header->leap_seconds > 0) {
        return vv_fail(out_err, VARVE_E_UNSUPPORTED,
                       "a time zone with leap seconds (\"right/\") is not supported");
    }
    out_data->time_bytes = time_bytes;
    out_data->times = vv_reader_sub(reader, (size_t)header->times * time_bytes);
    out_data->type_numbers = vv_reader_sub(reader, header->times);
    out_data->types = vv_reader_sub(reader, (size_t)header->types * ZONE_TYPE_BYTES);
    vv_reader_skip(reader, header->name_bytes);
    vv_reader_skip(reader, header->standard_flags);
    vv_reader_skip(reader, header->utc_flags);
    return VARVE_OK;
}

static varve_status zone_tzif_read_types(vv_reader *reader, uint32_t count,
                                         int32_t offsets[ZONE_TYPE_COUNT_MAX], varve_error *out_err)
{
    for (uint32_t index = 0; index < count; ++index) {
        int32_t offset_s = (int32_t)vv_reader_u32_be(reader);
        vv_reader_skip(reader, 2); /* is daylight, name */
        if (offset_s < VV_ZONE_OFFSET_S_MIN || offset_s > VV_ZONE_OFFSET_S_MAX) {
            return zone_tzif_damaged(out_err, "an offset is more than a day");
        }
        offsets[index] = offset_s;
    }
    return VARVE_OK;
}

static int64_t zone_tzif_read_time(zone_tzif_data *data)
{
    if (data->time_bytes == 4) {
        return (int32_t)vv_reader_u32_be(&data->times);
    }
    return (int64_t)vv_reader_u64_be(&data->times);
}

static varve_status zone_tzif_fill(vv_zone *zone, zone_tzif_data *data, uint32_t type_count,
                                   varve_error *out_err)
{
    int32_t offsets[ZONE_TYPE_COUNT_MAX] = {0};
    VV_TRY(zone_tzif_read_types(&data->types, type_count, offsets, out_err));
    zone->offsets[0] = offsets[0];
    for (size_t index = 0; index < zone->time_count; ++index) {
        zone->times[index] = zone_tzif_read_time(data);
        uint8_t type = vv_reader_u8(&data->type_numbers);
        if (type >= type_count) {
            return zone_tzif_damaged(out_err, "a transition has a type that is not there");
        }
        if (index > 0 && zone->times[index] <= zone->times[index - 1]) {
            return zone_tzif_damaged(out_err, "its transitions do not ascend");
        }
        zone->offsets[index + 1] = offsets[type];
    }
    return VARVE_OK;
}

/* The line behind the data: empty, or the rule. */
static varve_status zone_tzif_read_footer(vv_reader *reader, vv_zone *zone, varve_error *out_err)
{
    varve_text text = vv_reader_text(reader, vv_reader_left(reader));
    if (text.size < 2 || text.data[0] != '\n') {
        return zone_tzif_damaged(out_err, "its last line is missing");
    }
    text = vv_text_sub(text, 1, text.size - 1);
    size_t end = vv_text_find_char(text, '\n');
    if (end == text.size) {
        return zone_tzif_damaged(out_err, "its last line is cut");
    }
    text = vv_text_sub(text, 0, end);
    zone->has_rule = text.size > 0;
    if (zone->has_rule && !vv_zone_rule_parse(text, &zone->rule)) {
        return zone_tzif_damaged(out_err, "its rule makes no sense");
    }
    return VARVE_OK;
}

static vv_zone *zone_tzif_create(vv_alloc *alloc, size_t time_count)
{
    /* time_count is below VV_ZONE_FILE_BYTES_MAX, so this does not overflow. */
    size_t bytes =
        sizeof(vv_zone) + time_count * sizeof(int64_t) + (time_count + 1) * sizeof(int32_t);
    vv_zone *zone = vv_alloc_zeroed(alloc, bytes);
    if (zone != NULL) {
        zone->alloc = alloc;
        zone->bytes = bytes;
        zone->time_count = time_count;
        zone->times = (int64_t *)(void *)(zone + 1);
        zone->offsets = (int32_t *)(void *)(zone->times + time_count);
    }
    return zone;
}
_Static_assert(sizeof(vv_zone) % sizeof(int64_t) == 0, "the times behind a zone are aligned");

/* Skips the data of version 1 where there is a better one. */
static varve_status zone_tzif_find(vv_reader *reader, zone_tzif_header *out_header,
                                   zone_tzif_data *out_data, varve_error *out_err)
{
    VV_TRY(zone_tzif_read_header(reader, out_header, out_err));
    if (out_header->version < '2') {
        return zone_tzif_split(reader, out_header, 4, out_data, out_err);
    }
    uint64_t skipped = zone_tzif_data_bytes(out_header, 4);
    if (skipped > vv_reader_left(reader)) {
        return zone_tzif_damaged(out_err, "it is shorter than its counts say");
    }
    vv_reader_skip(reader, (size_t)skipped);
    VV_TRY(zone_tzif_read_header(reader, out_header, out_err));
    return zone_tzif_split(reader, out_header, 8, out_data, out_err);
}

varve_status vv_zone_parse(vv_alloc *alloc, const void *data, size_t size, vv_zone **out_zone,
                           varve_error *out_err)
{
    *out_zone = NULL;
    if (size > VV_ZONE_FILE_BYTES_MAX) {
        return vv_fail(out_err, VARVE_E_LIMIT, "a time zone file of %zu bytes is too long", size);
    }
    vv_reader reader = vv_reader_of(data, size);
    zone_tzif_header header = {0};
    zone_tzif_data parts = {0};
    VV_TRY(zone_tzif_find(&reader, &header, &parts, out_err));
    vv_zone *zone = zone_tzif_create(alloc, header.times);
    if (zone == NULL) {
        return vv_fail_nomem(out_err, "a time zone", (size_t)header.times * sizeof(int64_t));
    }
    varve_status status = zone_tzif_fill(zone, &parts, header.types, out_err);
    if (status == VARVE_OK && header.version >= '2') {
        status = zone_tzif_read_footer(&reader, zone, out_err);
    }
    if (status != VARVE_OK) {
        vv_zone_free(zone);
        return status;
    }
    *out_zone = zone;
    return VARVE_OK;
}

void vv_zone_free(vv_zone *zone)
{
    if (zone != NULL) {
        vv_alloc_free(zone->alloc, zone, zone->bytes);
    }
}

/* ---- questions ------------------------------------------------------------------------------ */

/* How many transitions are not later than the moment. */
static size_t zone_tzif_passed(const vv_zone *zone, int64_t unix_s)
{
    size_t low = 0;
    size_t high = zone->time_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zone->times[middle] <= unix_s) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

int32_t vv_zone_offset_at(const vv_zone *zone, int64_t unix_s)
{
    size_t passed = zone_tzif_passed(zone, unix_s);
    if (passed == zone->time_count && zone->has_rule) {
        return vv_zone_rule_offset_at(&zone->rule, unix_s);
    }
    return zone->offsets[passed];
}

int64_t vv_zone_next_change(const vv_zone *zone, int64_t unix_s)
{
    int32_t offset_s = vv_zone_offset_at(zone, unix_s);
    for (size_t index = zone_tzif_passed(zone, unix_s); index < zone->time_count; ++index) {
        int64_t time_s = zone->times[index];
        if (vv_zone_offset_at(zone, time_s) != offset_s) {
            return time_s;
        }
        unix_s = time_s;
    }
    return zone->has_rule ? vv_zone_rule_next_change(&zone->rule, unix_s) : INT64_MAX;
}

/*
 * Walks the stretches of constant offset, beginning more than the largest offset before local_s: in
 * the first stretch that has not ended when its clocks show local_s, they show it at local_s -
 * offset, or, when that is before the stretch, the clocks have jumped over it at its start.
 */
int64_t vv_zone_local_to_utc(const vv_zone *zone, int64_t local_s)
{
    int64_t start_s = vv_sat_sub_i64(local_s, VV_ZONE_OFFSET_S_MAX + 1);
    for (;;) {
        int64_t end_s = vv_zone_next_change(zone, start_s);
        int64_t unix_s = vv_sat_sub_i64(local_s, vv_zone_offset_at(zone, start_s));
        if (unix_s < end_s || end_s == INT64_MAX) {
            return unix_s > start_s ? unix_s : start_s;
        }
        start_s = end_s;
    }
}
