/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One line, from its first blank to its line feed.
 *
 *     measurement,tag=a,tag=b field=1.5,count=2i,text="a b" 1700000000000000000
 *     |--------- key --------| |---------- fields ---------| |----- time ----|
 *
 * A backslash that stands before nothing that can be escaped is an ordinary character (I4).
 */

#include <string.h>

#include "base/checked.h"
#include "base/limit.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "model/time_range.h"
#include "wire/influx_priv.h"

/* Classes of bytes at which the inner loops stop. */
enum {
    INFLUX_STOP_KEY = 1,    /* space, backslash, line feed */
    INFLUX_STOP_NAME = 2,   /* those, '=', ',' */
    INFLUX_STOP_TOKEN = 4,  /* space, ',', line feed */
    INFLUX_STOP_STRING = 8, /* '"', backslash */
};

static const uint8_t influx_stops[256] = {
    [' '] = INFLUX_STOP_KEY | INFLUX_STOP_NAME | INFLUX_STOP_TOKEN,
    ['\n'] = INFLUX_STOP_KEY | INFLUX_STOP_NAME | INFLUX_STOP_TOKEN,
    ['\\'] = INFLUX_STOP_KEY | INFLUX_STOP_NAME | INFLUX_STOP_STRING,
    [','] = INFLUX_STOP_NAME | INFLUX_STOP_TOKEN,
    ['='] = INFLUX_STOP_NAME,
    ['"'] = INFLUX_STOP_STRING,
};

/** The first index from `at` whose byte is of the class; size when there is none. */
static inline size_t influx_until(const vv_influx_cursor *cursor, size_t at, uint8_t class)
{
    const char *data = cursor->data;
    size_t size = cursor->size;
    while (at < size && (influx_stops[(uint8_t)data[at]] & class) == 0) {
        at += 1;
    }
    return at;
}

/** The index behind a backslash and what it escapes. */
static inline size_t influx_behind_escape(const vv_influx_cursor *cursor, size_t at)
{
    return at + 1 < cursor->size && cursor->data[at + 1] != '\n' ? at + 2 : at + 1;
}

static vv_influx_result influx_bad(const vv_influx_cursor *cursor, const char *reason)
{
    vv_fail(cursor->err, VARVE_E_INVALID, "%s", reason);
    return INFLUX_IS_BAD;
}

/** Whether what the cursor stands at ends the line: its end, a line feed, or CR before one. */
static bool influx_is_line_end(const vv_influx_cursor *cursor)
{
    size_t at = cursor->at;
    if (at < cursor->size && cursor->data[at] == '\r') {
        at += 1;
    }
    return at == cursor->size || cursor->data[at] == '\n';
}

static void influx_skip_blanks(vv_influx_cursor *cursor)
{
    while (cursor->at < cursor->size && cursor->data[cursor->at] == ' ') {
        cursor->at += 1;
    }
}

/** The raw key up to the space behind it. */
static vv_influx_result influx_parse_key(vv_influx_cursor *cursor, varve_text *out_key)
{
    size_t begin = cursor->at;
    size_t at = begin;
    for (;;) {
        at = influx_until(cursor, at, INFLUX_STOP_KEY);
        if (at < cursor->size && cursor->data[at] == '\\') {
            at = influx_behind_escape(cursor, at);
            continue;
        }
        break;
    }
    if (at == cursor->size && !cursor->is_whole) {
        return INFLUX_IS_SHORT;
    }
    if (at == begin || cursor->data[begin] == ',') {
        return influx_bad(cursor, "missing measurement");
    }
    if (at == cursor->size || cursor->data[at] == '\n') {
        return influx_bad(cursor, "missing fields");
    }
    *out_key = vv_text_make(cursor->data + begin, at - begin);
    cursor->at = at;
    return INFLUX_IS_ROW;
}

/** Make room for the unescaped texts of this line; they never take more than the line. */
static bool influx_reserve_scratch(vv_influx *parser, const vv_influx_cursor *cursor)
{
    if (parser->scratch.size > 0 || parser->scratch.capacity >= cursor->size) {
        return true;
    }
    size_t most = parser->options.line_bytes_max;
    return vv_buf_reserve(&parser->scratch, cursor->size < most ? cursor->size : most) == VARVE_OK;
}

/** Undo escapes of the characters named into scratch. */
static vv_influx_result influx_unescape(vv_influx *parser, const vv_influx_cursor *cursor,
                                        varve_text raw, const char *escapable, varve_text *out_text)
{
    if (!influx_reserve_scratch(parser, cursor) ||
        parser->scratch.capacity - parser->scratch.size < raw.size) {
        vv_fail_limit(cursor->err, VARVE_E_LIMIT, VV_LIMIT_LINE,
                      "the line is too long, or memory is out");
        return INFLUX_IS_FATAL;
    }
    char *target = (char *)parser->scratch.data + parser->scratch.size;
    size_t size = 0;
    for (size_t index = 0; index < raw.size; index++) {
        char c = raw.data[index];
        if (c == '\\' && index + 1 < raw.size && raw.data[index + 1] != '\0' &&
            strchr(escapable, raw.data[index + 1]) != NULL) {
            index += 1;
            c = raw.data[index];
        }
        target[size] = c;
        size += 1;
    }
    vv_buf_advance(&parser->scratch, size);
    *out_text = vv_text_make(target, size);
    return INFLUX_IS_ROW;
}

/** The name of a field, and the '=' behind it. */
static vv_influx_result influx_parse_name(vv_influx *parser, vv_influx_cursor *cursor,
                                          varve_text *out_name)
{
    size_t begin = cursor->at;
    size_t at = begin;
    bool has_escape = false;
    for (;;) {
        at = influx_until(cursor, at, INFLUX_STOP_NAME);
        if (at < cursor->size && cursor->data[at] == '\\') {
            at = influx_behind_escape(cursor, at);
            has_escape = true;
            continue;
        }
        break;
    }
    if (at == cursor->size && !cursor->is_whole) {
        return INFLUX_IS_SHORT;
    }
    if (at == cursor->size || cursor->data[at] != '=') {
        return influx_bad(cursor, at == begin ? "missing field" : "field without a value");
    }
    if (at == begin) {
        return influx_bad(cursor, "missing field name");
    }
    varve_text raw = vv_text_make(cursor->data + begin, at - begin);
    cursor->at = at + 1;
    if (!has_escape) {
        *out_name = raw;
        return INFLUX_IS_ROW;
    }
    return influx_unescape(parser, cursor, raw, ",= ", out_name);
}

static vv_influx_result influx_parse_string(vv_influx *parser, vv_influx_cursor *cursor,
                                            varve_value *out_value)
{
    size_t begin = cursor->at + 1;
    size_t at = begin;
    bool has_escape = false;
    for (;;) {
        at = influx_until(cursor, at, INFLUX_STOP_STRING);
        if (at < cursor->size && cursor->data[at] == '\\') {
            has_escape = true;
            at += at + 1 < cursor->size ? 2 : 1;
            continue;
        }
        break;
    }
    if (at >= cursor->size) {
        return cursor->is_whole ? influx_bad(cursor, "string without an end") : INFLUX_IS_SHORT;
    }
    varve_text raw = vv_text_make(cursor->data + begin, at - begin);
    cursor->at = at + 1;
    out_value->type = VARVE_TYPE_STRING;
    if (!has_escape) {
        out_value->as.bytes = raw;
        return INFLUX_IS_ROW;
    }
    return influx_unescape(parser, cursor, raw, "\"\\", &out_value->as.bytes);
}

static bool influx_parse_bool(varve_text token, bool *out_value)
{
    static const varve_text words[] = {
        VV_TEXT_INIT("t"),     VV_TEXT_INIT("T"),     VV_TEXT_INIT("true"), VV_TEXT_INIT("True"),
        VV_TEXT_INIT("TRUE"),  VV_TEXT_INIT("f"),     VV_TEXT_INIT("F"),    VV_TEXT_INIT("false"),
        VV_TEXT_INIT("False"), VV_TEXT_INIT("FALSE"),
    };
    for (size_t index = 0; index < VV_ARRAY_COUNT(words); index++) {
        if (vv_text_equal(token, words[index])) {
            *out_value = index < 5;
            return true;
        }
    }
    return false;
}

static vv_influx_result influx_parse_token(const vv_influx_cursor *cursor, varve_text token,
                                           varve_value *out_value)
{
    if (token.size == 0) {
        return influx_bad(cursor, "missing field value");
    }
    char last = token.data[token.size - 1];
    varve_text digits = vv_text_make(token.data, token.size - 1);
    if (last == 'i') {
        out_value->type = VARVE_TYPE_I64;
        if (!vv_text_parse_i64(digits, &out_value->as.i64)) {
            return influx_bad(cursor, "invalid integer");
        }
    } else if (last == 'u') {
        out_value->type = VARVE_TYPE_U64;
        if (!vv_text_parse_u64(digits, &out_value->as.u64)) {
            return influx_bad(cursor, "invalid unsigned integer");
        }
    } else if (vv_text_parse_f64(token, &out_value->as.f64)) {
        out_value->type = VARVE_TYPE_F64;
    } else if (influx_parse_bool(token, &out_value->as.boolean)) {
        out_value->type = VARVE_TYPE_BOOL;
    } else {
        return influx_bad(cursor, "invalid field value");
    }
    return INFLUX_IS_ROW;
}

static vv_influx_result influx_parse_value(vv_influx *parser, vv_influx_cursor *cursor,
                                           varve_value *out_value)
{
    *out_value = (varve_value){.type = VARVE_TYPE_NONE};
    if (cursor->at < cursor->size && cursor->data[cursor->at] == '"') {
        return influx_parse_string(parser, cursor, out_value);
    }
    size_t end = influx_until(cursor, cursor->at, INFLUX_STOP_TOKEN);
    if (end == cursor->size && !cursor->is_whole) {
        return INFLUX_IS_SHORT;
    }
    varve_text token = vv_text_make(cursor->data + cursor->at, end - cursor->at);
    if (token.size > 0 && token.data[token.size - 1] == '\r' &&
        (end == cursor->size || cursor->data[end] == '\n')) {
        token.size -= 1;
    }
    cursor->at += token.size;
    return influx_parse_token(cursor, token, out_value);
}

static bool influx_reserve_fields(vv_influx *parser)
{
    size_t old = parser->capacity;
    size_t capacity = old == 0 ? 32 : old * 2;
    varve_text *names = vv_alloc_resize(parser->alloc, parser->names, old * sizeof *names,
                                        capacity * sizeof *names);
    if (names == NULL) {
        return false;
    }
    parser->names = names;
    varve_value *values = vv_alloc_resize(parser->alloc, parser->values, old * sizeof *values,
                                          capacity * sizeof *values);
    if (values == NULL) {
        /* Back to the size that goes with `capacity`; shrinking may fail only in theory. */
        names = vv_alloc_resize(parser->alloc, names, capacity * sizeof *names,
                                old == 0 ? sizeof *names : old * sizeof *names);
        if (old == 0) {
            vv_alloc_free(parser->alloc, names, sizeof *names);
            names = NULL;
        }
        parser->names = names;
        return false;
    }
    parser->values = values;
    parser->capacity = capacity;
    return true;
}

static vv_influx_result influx_parse_fields(vv_influx *parser, vv_influx_cursor *cursor,
                                            vv_influx_row *row)
{
    size_t count = 0;
    for (;;) {
        if (count == VV_INFLUX_FIELDS_MAX) {
            return influx_bad(cursor, "more than 1000 fields");
        }
        if (count == parser->capacity && !influx_reserve_fields(parser)) {
            vv_fail_nomem(cursor->err, "the fields of a line", count * sizeof(varve_value));
            return INFLUX_IS_FATAL;
        }
        vv_influx_result result = influx_parse_name(parser, cursor, &parser->names[count]);
        if (result != INFLUX_IS_ROW) {
            return result;
        }
        result = influx_parse_value(parser, cursor, &parser->values[count]);
        if (result != INFLUX_IS_ROW) {
            return result;
        }
        count += 1;
        if (cursor->at < cursor->size && cursor->data[cursor->at] == ',') {
            cursor->at += 1;
            continue;
        }
        break;
    }
    row->names = parser->names;
    row->values = parser->values;
    row->count = count;
    return INFLUX_IS_ROW;
}

/** The unit of a time that comes without one, from its size: now is 1.7e9 seconds. */
static vv_influx_unit influx_guess_unit(int64_t given)
{
    uint64_t size = given < 0 ? 0 - (uint64_t)given : (uint64_t)given;
    if (size < UINT64_C(5000000000)) {
        return VV_INFLUX_S;
    }
    if (size < UINT64_C(5000000000000)) {
        return VV_INFLUX_MS;
    }
    return size < UINT64_C(5000000000000000) ? VV_INFLUX_US : VV_INFLUX_NS;
}

/** The time in the precision wanted. */
static bool influx_convert_time(const vv_influx_options *options, int64_t given, vv_influx_row *row)
{
    static const struct {
        int64_t factor;
        uint32_t precision;
    } units[] = {
        [VV_INFLUX_NS] = {1, VARVE_PRECISION_NS}, [VV_INFLUX_US] = {1, VARVE_PRECISION_US},
        [VV_INFLUX_MS] = {1, VARVE_PRECISION_MS}, [VV_INFLUX_S] = {1, VARVE_PRECISION_S},
        [VV_INFLUX_M] = {60, VARVE_PRECISION_S},  [VV_INFLUX_H] = {3600, VARVE_PRECISION_S},
    };
    vv_influx_unit unit = options->unit;
    if (unit == VV_INFLUX_AUTO) {
        unit = influx_guess_unit(given);
    }
    int64_t units_of_precision;
    if (!vv_mul_i64(given, units[unit].factor, &units_of_precision)) {
        return false;
    }
    return vv_time_convert(units_of_precision, units[unit].precision, options->precision,
                           &row->timestamp, &row->has_lost_time, NULL) == VARVE_OK;
}

static vv_influx_result influx_parse_time(const vv_influx *parser, vv_influx_cursor *cursor,
                                          vv_influx_row *row)
{
    size_t begin = cursor->at;
    influx_skip_blanks(cursor);
    if (cursor->at == cursor->size && !cursor->is_whole) {
        return INFLUX_IS_SHORT;
    }
    row->has_lost_time = false;
    row->has_time = !influx_is_line_end(cursor);
    if (!row->has_time) {
        row->timestamp = parser->options.now;
        return INFLUX_IS_ROW;
    }
    if (cursor->at == begin) {
        return influx_bad(cursor, "unexpected text behind a field");
    }
    size_t end = influx_until(cursor, cursor->at, INFLUX_STOP_TOKEN);
    if (end == cursor->size && !cursor->is_whole) {
        return INFLUX_IS_SHORT;
    }
    varve_text token = vv_text_make(cursor->data + cursor->at, end - cursor->at);
    if (token.size > 0 && token.data[token.size - 1] == '\r') {
        token.size -= 1;
    }
    int64_t given;
    if (!vv_text_parse_i64(token, &given)) {
        return influx_bad(cursor, "invalid timestamp");
    }
    if (!influx_convert_time(&parser->options, given, row)) {
        return influx_bad(cursor, "timestamp is out of range");
    }
    cursor->at += token.size;
    influx_skip_blanks(cursor);
    if (cursor->at == cursor->size && !cursor->is_whole) {
        return INFLUX_IS_SHORT;
    }
    if (!influx_is_line_end(cursor)) {
        return influx_bad(cursor, "unexpected text behind the timestamp");
    }
    return INFLUX_IS_ROW;
}

/** Move behind the line feed that ends the line. */
static vv_influx_result influx_finish_line(vv_influx_cursor *cursor, vv_influx_result result)
{
    if (cursor->at < cursor->size && cursor->data[cursor->at] == '\r') {
        cursor->at += 1;
    }
    if (cursor->at == cursor->size) {
        return cursor->is_whole ? result : INFLUX_IS_SHORT;
    }
    cursor->at += 1;
    return result;
}

static vv_influx_result influx_parse_comment(vv_influx_cursor *cursor)
{
    const char *found = memchr(cursor->data + cursor->at, '\n', cursor->size - cursor->at);
    if (found == NULL) {
        cursor->at = cursor->size;
        return cursor->is_whole ? INFLUX_IS_EMPTY : INFLUX_IS_SHORT;
    }
    cursor->at = (size_t)(found - cursor->data) + 1;
    return INFLUX_IS_EMPTY;
}

vv_influx_result vv_influx_line_parse(vv_influx *parser, vv_influx_cursor *cursor,
                                      vv_influx_row *row)
{
    while (cursor->at < cursor->size &&
           (cursor->data[cursor->at] == ' ' || cursor->data[cursor->at] == '\t')) {
        cursor->at += 1;
    }
    if (cursor->at == cursor->size && !cursor->is_whole) {
        return INFLUX_IS_SHORT;
    }
    if (influx_is_line_end(cursor)) {
        return influx_finish_line(cursor, INFLUX_IS_EMPTY);
    }
    if (cursor->data[cursor->at] == '#') {
        return influx_parse_comment(cursor);
    }
    vv_buf_reset(&parser->scratch);
    vv_influx_result result = influx_parse_key(cursor, &row->key);
    if (result != INFLUX_IS_ROW) {
        return result;
    }
    influx_skip_blanks(cursor);
    result = influx_parse_fields(parser, cursor, row);
    if (result != INFLUX_IS_ROW) {
        return result;
    }
    result = influx_parse_time(parser, cursor, row);
    return result == INFLUX_IS_ROW ? influx_finish_line(cursor, result) : result;
}
