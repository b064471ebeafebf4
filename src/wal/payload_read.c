/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading runs of rows out of a ROWS payload: the reverse of payload_write.c, over bytes that are
 * not trusted (Y2 of payload.c).
 *
 * Every size is taken from a vv_reader before the loop that uses it, so the loops run on plain
 * pointers and counts that are known to fit. A few bytes can stand for many rows (constant steps
 * and values take none); VV_PAYLOAD_RUN_ROWS_MAX and VV_RUN_VALUES_MAX bound what one run may ask
 * of the arena.
 */
#include <string.h>

#include "base/assert.h"
#include "base/reader.h"
#include "base/status.h"
#include "wal/payload.h"
#include "wal/payload_priv.h"

/* What a run is read from and into. */
typedef struct payload_source {
    vv_reader bytes;
    vv_arena *arena;
    varve_status status; /* of an allocation */
    size_t asked_bytes;  /* by the allocation that failed */
} payload_source;

/* Memory of the arena; NULL and sticky on failure. */
static void *payload_new(payload_source *source, size_t count, size_t item_size)
{
    void *memory = vv_arena_array(source->arena, count, item_size);
    if (memory == NULL) {
        source->status = VARVE_E_NOMEM;
        source->asked_bytes = count * item_size;
        vv_reader_spoil(&source->bytes);
    }
    return memory;
}

/* ---- integers as offsets from a step -------------------------------------------------------- */

static VV_ALWAYS_INLINE uint64_t payload_offset(const uint8_t *offsets, size_t width, size_t index)
{
    uint64_t offset = 0;
    memcpy(&offset, offsets + index * width, width);
    return offset;
}

/* Values into an array of int64_t or uint32_t; the result holds, for u32, the high bits of all. */
static VV_ALWAYS_INLINE uint64_t payload_unpack_steps(void *target, bool is_u32, size_t count,
                                                      uint64_t first, uint64_t base,
                                                      const uint8_t *offsets, size_t width)
{
    uint64_t value = first;
    uint64_t seen = 0;
    for (size_t i = 0; i < count; ++i) {
        if (i > 0) {
            value += base + payload_offset(offsets, width, i - 1);
        }
        if (is_u32) {
            uint32_t id = (uint32_t)value;
            memcpy((uint8_t *)target + i * sizeof id, &id, sizeof id);
            seen |= value;
        } else {
            memcpy((uint8_t *)target + i * sizeof value, &value, sizeof value);
        }
    }
    return seen >> 32;
}

static VV_ALWAYS_INLINE void payload_read_deltas(payload_source *source, void *target, bool is_u32,
                                                 size_t count)
{
    vv_reader *bytes = &source->bytes;
    uint64_t first = (uint64_t)vv_reader_zigzag(bytes);
    uint64_t base = count > 1 ? (uint64_t)vv_reader_zigzag(bytes) : 0;
    size_t width = count > 1 ? vv_reader_u8(bytes) : 0;
    uint64_t excess = 0;
    const uint8_t *offsets = NULL;
    if (width <= 8) {
        offsets = vv_reader_bytes(bytes, (count - 1) * width);
    }
    if (vv_reader_is_bad(bytes)) { /* or there was no memory */
        return;
    }
    VV_ASSERT(target != NULL);
    switch (width) { /* one loop for each width, as when they were written */
    case 0:
        excess = payload_unpack_steps(target, is_u32, count, first, base, offsets, 0);
        break;
    case 1:
        excess = payload_unpack_steps(target, is_u32, count, first, base, offsets, 1);
        break;
    case 2:
        excess = payload_unpack_steps(target, is_u32, count, first, base, offsets, 2);
        break;
    case 4:
        excess = payload_unpack_steps(target, is_u32, count, first, base, offsets, 4);
        break;
    case 8:
        excess = payload_unpack_steps(target, is_u32, count, first, base, offsets, 8);
        break;
    default:
        vv_reader_spoil(bytes);
        break;
    }
    if (excess != 0) {
        vv_reader_spoil(bytes);
    }
}

static const int64_t *payload_read_times(payload_source *source, size_t count)
{
    int64_t *times = payload_new(source, count, sizeof *times);
    payload_read_deltas(source, times, /* u32 */ false, count);
    return times;
}

static const uint32_t *payload_read_ids(payload_source *source, size_t count)
{
    uint32_t *ids = payload_new(source, count, sizeof *ids);
    payload_read_deltas(source, ids, /* u32 */ true, count);
    return ids;
}

static const uint64_t *payload_read_row_ids(payload_source *source, size_t count)
{
    uint64_t *row_ids = payload_new(source, count, sizeof *row_ids);
    payload_read_deltas(source, row_ids, /* u32 */ false, count);
    for (size_t i = 0; i < count && !vv_reader_is_bad(&source->bytes); ++i) {
        if (row_ids[i] == 0) {
            vv_reader_spoil(&source->bytes);
        }
    }
    return row_ids;
}

/* ---- columns of 8-byte values --------------------------------------------------------------- */

/* Sum of the 4-bit sizes; SIZE_MAX when one is above 8 or the unused half byte is not zero. */
static size_t payload_sum_sizes(const uint8_t *sizes, size_t count)
{
    size_t total = 0;
    size_t bad = 0;
    for (size_t i = 0; i < count / 2; ++i) {
        size_t low = sizes[i] & 15u;
        size_t high = sizes[i] >> 4;
        bad |= (size_t)(low > 8) | (size_t)(high > 8);
        total += low + high;
    }
    if (count % 2 != 0) {
        bad |= (size_t)(sizes[count / 2] > 8);
        total += sizes[count / 2];
    }
    return bad != 0 ? SIZE_MAX : total;
}

static VV_ALWAYS_INLINE void payload_unpack_short(uint8_t *values, const uint8_t *sizes,
                                                  const uint8_t *bytes, size_t size, size_t count,
                                                  bool is_high, bool is_signed)
{
    size_t position = 0;
    for (size_t i = 0; i < count; ++i) {
        size_t kept = (size_t)(sizes[i / 2] >> (i % 2 * 4)) & 15u;
        uint64_t word = 0;
        if (VV_LIKELY(size - position >= 8)) {
            memcpy(&word, bytes + position, 8);
            word = kept == 0 ? 0 : word << (64 - 8 * kept);
        } else if (kept > 0) {
            memcpy((uint8_t *)&word + (8 - kept), bytes + position, kept);
        }
        /* The kept bytes are now the highest ones. */
        if (!is_high) {
            word = kept == 0 ? 0 : word >> (64 - 8 * kept);
        }
        if (is_signed) {
            word = (uint64_t)vv_zigzag_decode(word);
        }
        memcpy(values + i * 8, &word, 8);
        position += kept;
    }
}

/* Integers in place become the decimals that they stand for. */
static void payload_scale(uint8_t *values, size_t count, unsigned digits)
{
    double power = vv_payload_power(digits);
    for (size_t i = 0; i < count; ++i) {
        int64_t integer;
        memcpy(&integer, values + i * 8, sizeof integer);
        double value = (double)integer / power;
        memcpy(values + i * 8, &value, sizeof value);
    }
}

/* `count` values, packed, into target. */
static void payload_read_numbers(vv_reader *bytes, uint8_t *target, size_t count, uint32_t type,
                                 uint32_t coding)
{
    if (coding == VV_CODING_RAW) {
        const uint8_t *values = vv_reader_bytes(bytes, count * 8);
        if (values != NULL && count > 0) {
            memcpy(target, values, count * 8);
        }
        return;
    }
    if (coding == VV_CODING_EQUAL) {
        uint64_t word = vv_reader_u64(bytes);
        for (size_t i = 0; i < count; ++i) {
            memcpy(target + i * 8, &word, 8);
        }
        return;
    }
    unsigned digits = coding == VV_CODING_DECIMAL ? vv_reader_u8(bytes) : 0;
    const uint8_t *sizes = vv_reader_bytes(bytes, (count + 1) / 2);
    size_t total = sizes == NULL ? SIZE_MAX : payload_sum_sizes(sizes, count);
    const uint8_t *kept = total == SIZE_MAX ? NULL : vv_reader_bytes(bytes, total);
    if (kept == NULL || digits > VV_CODING_DECIMAL_DIGITS_MAX) {
        vv_reader_spoil(bytes);
    } else if (coding == VV_CODING_HIGH) {
        payload_unpack_short(target, sizes, kept, total, count, true, false);
    } else if (coding == VV_CODING_DECIMAL) {
        payload_unpack_short(target, sizes, kept, total, count, false, true);
        payload_scale(target, count, digits);
    } else if (type == VARVE_TYPE_I64) {
        payload_unpack_short(target, sizes, kept, total, count, false, true);
    } else {
        payload_unpack_short(target, sizes, kept, total, count, false, false);
    }
}

/* ---- columns -------------------------------------------------------------------------------- */

/* Bits of `count` rows as words; bits behind them make the run bad. */
static const uint64_t *payload_read_bits(payload_source *source, size_t count, size_t *out_set)
{
    const uint8_t *bits = vv_reader_bytes(&source->bytes, (count + 7) / 8);
    size_t word_count = (count + 63) / 64;
    uint64_t *words = payload_new(source, word_count, sizeof *words);
    if (bits == NULL || words == NULL) {
        return NULL;
    }
    words[word_count - 1] = 0;
    memcpy(words, bits, (count + 7) / 8);
    if (count % 64 != 0 && words[word_count - 1] >> (count % 64) != 0) {
        vv_reader_spoil(&source->bytes);
    }
    size_t set = 0;
    for (size_t i = 0; i < word_count; ++i) {
        set += vv_popcount64(words[i]);
    }
    *out_set = set;
    return words;
}

static VV_ALWAYS_INLINE void payload_spread_items(uint8_t *items, size_t item_size,
                                                  const uint64_t *present, size_t count,
                                                  size_t packed)
{
    for (size_t row = count; row > 0; --row) {
        bool has = ((present[(row - 1) / 64] >> ((row - 1) % 64)) & 1) != 0;
        uint8_t *target = items + (row - 1) * item_size;
        if (has) {
            packed -= 1;
            memmove(target, items + packed * item_size, item_size);
        } else {
            memset(target, 0, item_size);
        }
    }
}

/* Spread packed items over the rows that have a value, from the end, in place. */
static void payload_spread(uint8_t *items, size_t item_size, const uint64_t *present, size_t count,
                           size_t packed)
{
    switch (item_size) { /* one loop for each size, so that each moves a constant one */
    case 1:
        payload_spread_items(items, 1, present, count, packed);
        break;
    case 8:
        payload_spread_items(items, 8, present, count, packed);
        break;
    default:
        payload_spread_items(items, sizeof(varve_text), present, count, packed);
        break;
    }
}

static void payload_read_bools(vv_reader *bytes, uint8_t *target, size_t count)
{
    const uint8_t *bits = vv_reader_bytes(bytes, (count + 7) / 8);
    if (bits == NULL) {
        return;
    }
    for (size_t i = 0; i < count; ++i) {
        target[i] = (uint8_t)(((uint32_t)bits[i / 8] >> (i % 8)) & 1u);
    }
    if (count % 8 != 0 && bits[count / 8] >> (count % 8) != 0) {
        vv_reader_spoil(bytes);
    }
}

static void payload_read_blobs(vv_reader *bytes, varve_text *target, size_t count)
{
    uint64_t smallest = vv_reader_varint_max(bytes, VV_VALUE_BYTES_MAX);
    size_t width = vv_reader_u8(bytes);
    if (width != 0 && width != 1 && width != 2 && width != 4) {
        vv_reader_spoil(bytes);
        return;
    }
    const uint8_t *excess = vv_reader_bytes(bytes, count * width);
    for (size_t i = 0; i < count && !vv_reader_is_bad(bytes); ++i) {
        uint64_t size = smallest + payload_offset(excess, width, i);
        if (size > VV_VALUE_BYTES_MAX) {
            vv_reader_spoil(bytes);
            return;
        }
        target[i] = vv_reader_text(bytes, (size_t)size);
    }
}

static bool payload_kind_is_valid(uint32_t type, uint32_t coding, bool has_marks)
{
    bool is_number = type == VARVE_TYPE_F64 || type == VARVE_TYPE_I64 || type == VARVE_TYPE_U64;
    uint32_t last_coding = type == VARVE_TYPE_F64 ? VV_CODING_DECIMAL
                           : is_number            ? VV_CODING_EQUAL
                                                  : VV_CODING_RAW;
    bool may_have_marks = type == VARVE_TYPE_BYTES || type == VARVE_TYPE_STRING;
    return type != VARVE_TYPE_NONE && coding <= last_coding && (may_have_marks || !has_marks);
}

static void payload_read_column(payload_source *source, size_t count, varve_column *out_column)
{
    vv_reader *bytes = &source->bytes;
    uint32_t kind = vv_reader_u8(bytes);
    uint32_t type = kind & VV_COLUMN_TYPE_MASK;
    uint32_t coding = kind >> VV_COLUMN_CODING_SHIFT;
    bool has_marks = (kind & VV_COLUMN_HAS_MARKS) != 0;
    if (!payload_kind_is_valid(type, coding, has_marks)) {
        vv_reader_spoil(bytes);
        return;
    }
    size_t present = count;
    size_t marked;
    varve_column column = {.type = type};
    if ((kind & VV_COLUMN_HAS_PRESENT) != 0) {
        column.present = payload_read_bits(source, count, &present);
    }
    if (has_marks) {
        column.marks = payload_read_bits(source, count, &marked);
    }
    uint8_t *values = payload_new(source, count, vv_type_width(type));
    if (vv_reader_is_bad(bytes)) {
        return;
    }
    if (vv_type_is_blob(type)) {
        payload_read_blobs(bytes, (varve_text *)(void *)values, present);
    } else if (type == VARVE_TYPE_BOOL) {
        payload_read_bools(bytes, values, present);
    } else {
        payload_read_numbers(bytes, values, present, type, coding);
    }
    if (column.present != NULL && !vv_reader_is_bad(bytes)) {
        payload_spread(values, vv_type_width(type), column.present, count, present);
    }
    column.values = values;
    *out_column = column;
}

/* ---- runs ----------------------------------------------------------------------------------- */

static void payload_read_columns(payload_source *source, vv_run *run)
{
    vv_reader *bytes = &source->bytes;
    size_t count = vv_reader_count(bytes, /* field and kind */ 2, VV_ROW_FIELDS_MAX);
    if (count == 0 || count > VV_RUN_VALUES_MAX / run->count) {
        vv_reader_spoil(bytes);
        return;
    }
    uint32_t *fields = payload_new(source, count, sizeof *fields);
    varve_column *columns = payload_new(source, count, sizeof *columns);
    uint64_t field = 0;
    for (size_t i = 0; i < count && !vv_reader_is_bad(bytes); ++i) {
        uint64_t step = vv_reader_varint_max(bytes, UINT32_MAX);
        field += step;
        if (field > UINT32_MAX || (i > 0 && step == 0)) {
            vv_reader_spoil(bytes);
            return;
        }
        fields[i] = (uint32_t)field;
        payload_read_column(source, run->count, &columns[i]);
    }
    run->fields = fields;
    run->columns = columns;
    run->column_count = count;
}

static void payload_read_vector(payload_source *source, vv_run *run)
{
    vv_reader *bytes = &source->bytes;
    size_t size = (size_t)vv_reader_varint_max(bytes, vv_reader_left(bytes));
    run->vector = vv_reader_bytes(bytes, size);
    run->vector_size = size;
    if (size == 0 || run->count > VV_VECTOR_ROWS_MAX) {
        vv_reader_spoil(bytes);
    }
}

static void payload_read_run(payload_source *source, vv_run *run)
{
    vv_reader *bytes = &source->bytes;
    unsigned head = vv_reader_u8(bytes);
    unsigned shape = head & VV_RUN_SHAPE_MASK;
    run->count = (size_t)vv_reader_varint_max(bytes, VV_PAYLOAD_RUN_ROWS_MAX);
    bool is_known = head <= VV_RUN_HEAD_MAX && shape <= VV_RUN_VECTOR &&
                    (shape != VV_RUN_VECTOR || head == VV_RUN_VECTOR) &&
                    (shape != VV_RUN_SCRAPE || run->count > 1);
    if (run->count == 0 || !is_known) {
        vv_reader_spoil(bytes);
        return;
    }
    run->series_count = shape == VV_RUN_SCRAPE ? run->count : 1;
    if (shape == VV_RUN_SCRAPE) {
        run->series = payload_read_ids(source, run->count);
    } else {
        uint32_t *series = payload_new(source, 1, sizeof *series);
        uint32_t id = (uint32_t)vv_reader_varint_max(bytes, UINT32_MAX);
        if (series != NULL) {
            *series = id;
        }
        run->series = series;
    }
    if (shape == VV_RUN_VECTOR) {
        payload_read_vector(source, run);
        return;
    }
    run->time_count = (head & VV_RUN_ONE_TIME) != 0 ? 1 : run->count;
    run->times = payload_read_times(source, run->time_count);
    if ((head & VV_RUN_ROW_IDS) != 0) {
        run->row_ids = payload_read_row_ids(source, run->count);
    }
    if (!vv_reader_is_bad(bytes)) {
        payload_read_columns(source, run);
    }
}

varve_status vv_payload_next_run(vv_payload_reader *reader, vv_arena *arena, vv_run *out_run,
                                 bool *out_more, varve_error *out_err)
{
    if (reader->left.size == 0) {
        *out_more = false;
        return VARVE_OK;
    }
    payload_source source = {.bytes = vv_reader_of(reader->left.data, reader->left.size),
                             .arena = arena};
    vv_run run = {0};
    payload_read_run(&source, &run);
    if (source.status != VARVE_OK) {
        return vv_arena_fail(arena, source.asked_bytes, out_err);
    }
    if (vv_reader_is_bad(&source.bytes)) {
        return vv_fail(out_err, VARVE_E_CORRUPT,
                       "a run of rows in the log makes no sense near byte %zu of the %zu left",
                       vv_reader_position(&source.bytes), reader->left.size);
    }
    size_t used = vv_reader_position(&source.bytes);
    reader->left = vv_bytes_make(reader->left.data + used, reader->left.size - used);
    *out_run = run;
    *out_more = true;
    return VARVE_OK;
}
