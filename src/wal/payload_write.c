/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing runs of rows into a ROWS payload. Bytes: docs/formats/log.md.
 *
 * This is on the path of every write, so it is a few passes over plain arrays and nothing per row
 * beyond them: series ids and times become offsets of one width from a common step (a scrape with
 * consecutive ids and one time takes no bytes for either), values are copied as one column or,
 * where a sample says that it pays, without the zero bytes that short decimals and small integers
 * have. What the sample does not see costs at most half a byte a value.
 *
 * Encoding a vector is not done here: long runs arrive as vectors and are copied.
 */
#include <limits.h>
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "base/varint.h"
#include "wal/payload.h"
#include "wal/payload_priv.h"

enum {
    /* Values looked at to choose a coding (arbitrary: one in a few hundred of a large scrape). */
    PAYLOAD_SAMPLE_COUNT = 64,
    /* Digits behind the point that are looked for: readings have few, and each costs a try. */
    PAYLOAD_DIGITS_TRIED = 6,
};

_Static_assert(sizeof(double) == 8 && sizeof(uint64_t) == 8, "values are copied as 8 bytes");

/* ---- integers as offsets from a step -------------------------------------------------------- */

/* Word i of an array of int64_t or uint32_t; the flag is a constant at every call. */
static VV_ALWAYS_INLINE uint64_t payload_word(const void *words, bool is_u32, size_t index)
{
    if (is_u32) {
        uint32_t word;
        memcpy(&word, (const uint8_t *)words + index * sizeof word, sizeof word);
        return word;
    }
    uint64_t word;
    memcpy(&word, (const uint8_t *)words + index * sizeof word, sizeof word);
    return word;
}

/* Bytes that hold value: 0, 1, 2, 4 or 8. */
static size_t payload_width(uint64_t value)
{
    if (value == 0) {
        return 0;
    }
    if (value <= UINT8_MAX) {
        return 1;
    }
    if (value <= UINT16_MAX) {
        return 2;
    }
    return value <= UINT32_MAX ? 4 : 8;
}

static VV_ALWAYS_INLINE void payload_pack_steps(uint8_t *target, const void *words, bool is_u32,
                                                size_t count, uint64_t base, size_t width)
{
    uint64_t before = payload_word(words, is_u32, 0);
    for (size_t i = 1; i < count; ++i) {
        uint64_t word = payload_word(words, is_u32, i);
        uint64_t offset = word - before - base;
        memcpy(target, &offset, width);
        target += width;
        before = word;
    }
}

static VV_ALWAYS_INLINE varve_status payload_append_deltas(vv_buf *payload, const void *words,
                                                           bool is_u32, size_t count)
{
    VV_TRY(vv_buf_reserve(payload, 2 * VV_VARINT_BYTES_MAX + 1 + count * 8));
    uint64_t first = payload_word(words, is_u32, 0);
    (void)vv_buf_append_zigzag(payload, (int64_t)first);
    if (count == 1) {
        return VARVE_OK;
    }
    int64_t smallest = INT64_MAX;
    int64_t largest = INT64_MIN;
    uint64_t before = first;
    for (size_t i = 1; i < count; ++i) {
        uint64_t word = payload_word(words, is_u32, i);
        int64_t step = (int64_t)(word - before);
        smallest = step < smallest ? step : smallest;
        largest = step > largest ? step : largest;
        before = word;
    }
    uint64_t base = (uint64_t)smallest;
    size_t width = payload_width((uint64_t)largest - base);
    (void)vv_buf_append_zigzag(payload, smallest);
    (void)vv_buf_append_u8(payload, (uint8_t)width);
    uint8_t *target = payload->data + payload->size;
    switch (width) { /* one loop for each width, so that each copies a constant size */
    case 1:
        payload_pack_steps(target, words, is_u32, count, base, 1);
        break;
    case 2:
        payload_pack_steps(target, words, is_u32, count, base, 2);
        break;
    case 4:
        payload_pack_steps(target, words, is_u32, count, base, 4);
        break;
    case 8:
        payload_pack_steps(target, words, is_u32, count, base, 8);
        break;
    default:
        break;
    }
    vv_buf_advance(payload, (count - 1) * width);
    return VARVE_OK;
}

static varve_status payload_append_times(vv_buf *payload, const int64_t *times, size_t count)
{
    return payload_append_deltas(payload, times, /* u32 */ false, count);
}

static varve_status payload_append_row_ids(vv_buf *payload, const uint64_t *row_ids, size_t count)
{
    return payload_append_deltas(payload, row_ids, /* u32 */ false, count);
}

static varve_status payload_append_ids(vv_buf *payload, const uint32_t *ids, size_t count)
{
    return payload_append_deltas(payload, ids, /* u32 */ true, count);
}

/* ---- columns of 8-byte values --------------------------------------------------------------- */

/* Bytes kept of a value: without its lowest (HIGH) or highest (LOW) zero bytes. */
static VV_ALWAYS_INLINE size_t payload_kept(uint64_t word, bool is_high)
{
    if (word == 0) {
        return 0;
    }
    return 8 - (is_high ? vv_ctz64(word) : vv_clz64(word)) / 8;
}

static VV_ALWAYS_INLINE uint64_t payload_value(const uint8_t *values, bool is_signed, size_t index)
{
    uint64_t word;
    memcpy(&word, values + index * sizeof word, sizeof word);
    return is_signed ? vv_zigzag_encode((int64_t)word) : word;
}

/* Every value the same bytes? Ends at the first that is not. */
static bool payload_is_equal(const uint8_t *values, size_t count)
{
    return count >= 2 && memcmp(values, values + 8, (count - 1) * 8) == 0;
}

/* Whether leaving out zero bytes saves an eighth, judged by a sample spread over the column. */
static bool payload_is_short(const uint8_t *values, size_t count, bool is_high, bool is_signed)
{
    size_t step = count / PAYLOAD_SAMPLE_COUNT + 1;
    size_t kept = 0;
    size_t seen = 0;
    for (size_t i = 0; i < count; i += step) {
        kept += payload_kept(payload_value(values, is_signed, i), is_high);
        seen += 1;
    }
    return kept + (seen + 1) / 2 <= 7 * seen;
}

/* Sizes, then bytes; the target has room for 8 bytes a value, its half and 8 more. Returns the
 * bytes written. */
static VV_ALWAYS_INLINE size_t payload_pack_short(uint8_t *target, const uint8_t *values,
                                                  size_t count, bool is_high, bool is_signed)
{
    uint8_t *sizes = target;
    uint8_t *bytes = target + (count + 1) / 2;
    for (size_t i = 0; i < count; ++i) {
        uint64_t word = payload_value(values, is_signed, i);
        size_t kept = payload_kept(word, is_high);
        if (i % 2 == 0) {
            sizes[i / 2] = (uint8_t)kept;
        } else {
            sizes[i / 2] = (uint8_t)(sizes[i / 2] | kept << 4);
        }
        /* Of a zero nothing is kept, whatever the shift. */
        uint64_t shifted = is_high ? word >> ((64 - 8 * kept) & 63) : word;
        memcpy(bytes, &shifted, sizeof shifted);
        bytes += kept;
    }
    return (size_t)(bytes - target);
}

/* ---- decimals ------------------------------------------------------------------------------- */

/* The integer that divided by `power` gives exactly the bits of value; false: there is none. */
static VV_ALWAYS_INLINE bool payload_as_decimal(uint64_t bits, double power, int64_t *out_integer)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    double scaled = value * power;
    /* Adding and taking away 1.5 * 2^52 rounds to whole numbers; NaN and large ones fail here. */
    if (!(scaled > -0x1p51 && scaled < 0x1p51)) {
        return false;
    }
    double whole = (scaled + 0x1.8p52) - 0x1.8p52;
    double back = whole / power;
    uint64_t back_bits;
    memcpy(&back_bits, &back, sizeof back_bits);
    *out_integer = (int64_t)whole;
    return back_bits == bits;
}

/* The fewest digits behind the point that all of a sample has, when that makes it short; else
 * UINT_MAX. */
static unsigned payload_find_digits(const uint8_t *values, size_t count)
{
    size_t step = count / PAYLOAD_SAMPLE_COUNT + 1;
    for (unsigned digits = 0; digits <= PAYLOAD_DIGITS_TRIED; ++digits) {
        double power = vv_payload_power(digits);
        size_t kept = 0;
        size_t seen = 0;
        int64_t integer = 0;
        size_t i = 0;
        while (i < count && payload_as_decimal(payload_value(values, false, i), power, &integer)) {
            kept += payload_kept(vv_zigzag_encode(integer), /* high */ false);
            seen += 1;
            i += step;
        }
        if (i >= count) {
            return kept + (seen + 1) / 2 + 1 <= 7 * seen ? digits : UINT_MAX;
        }
    }
    return UINT_MAX;
}

/* Digits, sizes, bytes; 0 when a value is no such decimal. The target has room as for
 * payload_pack_short and one byte more. */
static size_t payload_pack_decimals(uint8_t *target, const uint8_t *values, size_t count,
                                    unsigned digits)
{
    double power = vv_payload_power(digits);
    uint8_t *sizes = target + 1;
    uint8_t *bytes = sizes + (count + 1) / 2;
    target[0] = (uint8_t)digits;
    for (size_t i = 0; i < count; ++i) {
        int64_t integer;
        if (!payload_as_decimal(payload_value(values, false, i), power, &integer)) {
            return 0;
        }
        uint64_t word = vv_zigzag_encode(integer);
        size_t kept = payload_kept(word, /* high */ false);
        sizes[i / 2] = (uint8_t)(i % 2 == 0 ? kept : sizes[i / 2] | kept << 4);
        memcpy(bytes, &word, sizeof word);
        bytes += kept;
    }
    return (size_t)(bytes - target);
}

static size_t payload_pack_numbers(uint8_t *target, const uint8_t *values, size_t count,
                                   uint32_t type, uint32_t *out_coding)
{
    bool is_high = type == VARVE_TYPE_F64;
    bool is_signed = type == VARVE_TYPE_I64;
    if (payload_is_equal(values, count)) {
        *out_coding = VV_CODING_EQUAL;
        memcpy(target, values, 8);
        return 8;
    }
    unsigned digits = is_high && count > 0 ? payload_find_digits(values, count) : UINT_MAX;
    if (digits != UINT_MAX) {
        size_t size = payload_pack_decimals(target, values, count, digits);
        if (size > 0) {
            *out_coding = VV_CODING_DECIMAL;
            return size;
        }
    }
    if (count > 0 && payload_is_short(values, count, is_high, is_signed)) {
        *out_coding = is_high ? VV_CODING_HIGH : VV_CODING_LOW;
        if (is_high) {
            return payload_pack_short(target, values, count, true, false);
        }
        return is_signed ? payload_pack_short(target, values, count, false, true)
                         : payload_pack_short(target, values, count, false, false);
    }
    *out_coding = VV_CODING_RAW;
    if (count > 0) {
        memcpy(target, values, count * 8);
    }
    return count * 8;
}

/* ---- columns -------------------------------------------------------------------------------- */

static size_t payload_count_present(const varve_column *column, size_t count)
{
    if (column->present == NULL) {
        return count;
    }
    size_t present = 0;
    for (size_t word = 0; word < count / 64; ++word) {
        present += vv_popcount64(column->present[word]);
    }
    if (count % 64 != 0) {
        present += vv_popcount64(column->present[count / 64] << (64 - count % 64));
    }
    return present;
}

/* The bits of `count` rows; bits of the last byte behind them are zero. */
static void payload_append_bits(vv_buf *payload, const uint64_t *words, size_t count)
{
    size_t size = (count + 7) / 8;
    if (vv_buf_append(payload, words, size) == VARVE_OK && count % 8 != 0) {
        uint8_t mask = (uint8_t)((1u << (count % 8)) - 1);
        payload->data[payload->size - 1] = payload->data[payload->size - 1] & mask;
    }
}

static varve_status payload_append_numbers(vv_buf *payload, const varve_column *column,
                                           size_t count, size_t present, size_t kind_at)
{
    size_t room = 1 + (present + 1) / 2 + present * 8 + 8;
    size_t gathered = column->present == NULL ? 0 : present * 8;
    VV_TRY(vv_buf_reserve(payload, room + gathered));
    uint8_t *target = payload->data + payload->size;
    const uint8_t *values = column->values;
    if (column->present != NULL) {
        /* Behind the room of the result, where it does no harm. */
        uint8_t *packed = target + room;
        for (size_t i = 0; i < count; ++i) {
            if (vv_column_has(column, i)) {
                memcpy(packed, values + i * 8, 8);
                packed += 8;
            }
        }
        values = target + room;
    }
    uint32_t coding;
    size_t size = payload_pack_numbers(target, values, present, column->type, &coding);
    payload->data[kind_at] = (uint8_t)(payload->data[kind_at] | coding << VV_COLUMN_CODING_SHIFT);
    vv_buf_advance(payload, size);
    return VARVE_OK;
}

static varve_status payload_append_bools(vv_buf *payload, const varve_column *column, size_t count,
                                         size_t present)
{
    uint8_t *target = vv_buf_extend(payload, (present + 7) / 8);
    if (target == NULL) {
        return payload->status;
    }
    memset(target, 0, (present + 7) / 8);
    const uint8_t *values = column->values;
    size_t at = 0;
    for (size_t i = 0; i < count; ++i) {
        if (vv_column_has(column, i)) {
            target[at / 8] = (uint8_t)(target[at / 8] | (unsigned)(values[i] != 0) << (at % 8));
            at += 1;
        }
    }
    return VARVE_OK;
}

static varve_status payload_append_blobs(vv_buf *payload, const varve_column *column, size_t count,
                                         size_t present)
{
    const varve_text *values = column->values;
    size_t smallest = SIZE_MAX;
    size_t largest = 0;
    size_t total = 0;
    for (size_t i = 0; i < count; ++i) {
        if (vv_column_has(column, i)) {
            smallest = values[i].size < smallest ? values[i].size : smallest;
            largest = values[i].size > largest ? values[i].size : largest;
            total += values[i].size;
        }
    }
    smallest = present == 0 ? 0 : smallest;
    VV_DEBUG_ASSERT(largest <= VV_VALUE_BYTES_MAX);
    size_t width = payload_width(largest - smallest);
    VV_TRY(vv_buf_reserve(payload, VV_VARINT_BYTES_MAX + 1 + present * width + total));
    (void)vv_buf_append_varint(payload, smallest);
    (void)vv_buf_append_u8(payload, (uint8_t)width);
    for (size_t i = 0; width > 0 && i < count; ++i) {
        if (vv_column_has(column, i)) {
            uint64_t excess = values[i].size - smallest;
            (void)vv_buf_append(payload, &excess, width);
        }
    }
    for (size_t i = 0; i < count; ++i) {
        if (vv_column_has(column, i) && values[i].size > 0) {
            (void)vv_buf_append_text(payload, values[i]);
        }
    }
    return payload->status;
}

static varve_status payload_append_column(vv_buf *payload, const varve_column *column, size_t count)
{
    VV_DEBUG_ASSERT(column->stride == 0 && column->offsets == NULL && column->codes == NULL);
    VV_ASSERT(column->type >= VARVE_TYPE_F64 && column->type <= VARVE_TYPE_HISTOGRAM);
    size_t present = payload_count_present(column, count);
    bool has_present = column->present != NULL;
    bool has_marks = column->marks != NULL;
    size_t kind_at = payload->size;
    (void)vv_buf_append_u8(payload,
                           (uint8_t)(column->type | (has_present ? VV_COLUMN_HAS_PRESENT : 0u) |
                                     (has_marks ? VV_COLUMN_HAS_MARKS : 0u)));
    if (has_present) {
        payload_append_bits(payload, column->present, count);
    }
    if (has_marks) {
        payload_append_bits(payload, column->marks, count);
    }
    VV_TRY(payload->status);
    if (vv_type_is_blob(column->type)) {
        return payload_append_blobs(payload, column, count, present);
    }
    if (column->type == VARVE_TYPE_BOOL) {
        return payload_append_bools(payload, column, count, present);
    }
    return payload_append_numbers(payload, column, count, present, kind_at);
}

/* ---- runs ----------------------------------------------------------------------------------- */

static varve_status payload_append_columns(vv_buf *payload, const vv_run *run)
{
    VV_TRY(vv_buf_append_varint(payload, run->column_count));
    uint32_t before = 0;
    for (size_t i = 0; i < run->column_count; ++i) {
        VV_DEBUG_ASSERT(i == 0 || run->fields[i] > before);
        VV_TRY(vv_buf_append_varint(payload, run->fields[i] - before));
        before = run->fields[i];
        VV_TRY(payload_append_column(payload, &run->columns[i], run->count));
    }
    return VARVE_OK;
}

static varve_status payload_append_run(vv_buf *payload, const vv_run *run)
{
    bool is_scrape = run->series_count > 1;
    bool is_one_time = run->time_count == 1;
    unsigned head = run->vector != NULL ? VV_RUN_VECTOR : is_scrape ? VV_RUN_SCRAPE : VV_RUN_PLAIN;
    head |= run->vector == NULL && is_one_time ? VV_RUN_ONE_TIME : 0u;
    head |= run->row_ids != NULL ? VV_RUN_ROW_IDS : 0u;
    VV_TRY(vv_buf_append_u8(payload, (uint8_t)head));
    VV_TRY(vv_buf_append_varint(payload, run->count));
    if (is_scrape) {
        VV_TRY(payload_append_ids(payload, run->series, run->count));
    } else {
        VV_TRY(vv_buf_append_varint(payload, run->series[0]));
    }
    if (run->vector != NULL) {
        VV_TRY(vv_buf_append_varint(payload, run->vector_size));
        return vv_buf_append(payload, run->vector, run->vector_size);
    }
    if (is_one_time) {
        VV_TRY(vv_buf_append_zigzag(payload, run->times[0]));
    } else {
        VV_TRY(payload_append_times(payload, run->times, run->count));
    }
    if (run->row_ids != NULL) {
        VV_TRY(payload_append_row_ids(payload, run->row_ids, run->count));
    }
    return payload_append_columns(payload, run);
}

varve_status vv_payload_add_run(vv_buf *payload, const vv_run *run, varve_error *out_err)
{
    VV_ASSERT(run->count > 0 && (run->series_count == 1 || run->series_count == run->count));
    VV_ASSERT(run->vector == NULL ||
              (run->series_count == 1 && run->count <= VV_VECTOR_ROWS_MAX && run->row_ids == NULL));
    if (run->count > VV_PAYLOAD_RUN_ROWS_MAX ||
        (run->vector == NULL && run->column_count > VV_RUN_VALUES_MAX / run->count)) {
        return vv_fail(out_err, VARVE_E_LIMIT, "a run of %zu rows and %zu columns in the log",
                       run->count, run->column_count);
    }
    VV_ASSERT(run->vector != NULL ||
              (run->column_count > 0 && run->column_count <= VV_ROW_FIELDS_MAX &&
               (run->time_count == 1 || run->time_count == run->count)));
    size_t size_before = payload->size;
    varve_status status = payload_append_run(payload, run);
    if (status != VARVE_OK) {
        status = vv_buf_check(payload, out_err);
        payload->status = VARVE_OK;
        vv_buf_truncate(payload, size_before);
    }
    return status;
}
