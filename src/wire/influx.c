/* SPDX-License-Identifier: Apache-2.0 */

/*
 * InfluxDB line protocol, one pass over the bytes of a chunk.
 *
 *     measurement,tag=a,tag=b field=1.5,count=2i,text="a b" 1700000000000000000
 *     |--------- key --------| |---------- fields ---------| |----- time ----|
 *
 * A line that lies wholly in the chunk is parsed where it stands. The beginning of a line at the
 * end of a chunk goes into `carry`; a small state machine (influx_scan) then looks for the end of
 * that line in the chunks that follow, byte by byte and each byte once, and the line is parsed when
 * it is whole. So the work is linear in the input, however it is cut.
 *
 * I1  Parser and state machine agree where a well-formed line ends: a line feed ends it unless it
 *     stands in a quoted string, which only begins right behind an unescaped '='.
 * I2  A bad line is reported when its end is known, and costs only itself. Where a string is never
 *     closed, the line is taken to end at its first line feed, so that what follows is read.
 * I3  Nothing is kept beyond one line of line_bytes_max bytes and its unescaped texts.
 * I4  A backslash that stands before nothing that can be escaped is an ordinary character.
 *
 * Deliberate differences from InfluxDB are listed in docs/reference/influx.md.
 */

#include "wire/influx.h"

#include <string.h>

#include "base/checked.h"
#include "base/limit.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "model/time_range.h"

/* ---- where lines end ---- */

/** States of the search for the end of a line. */
enum {
    INFLUX_AT_START, /* blanks before the first character */
    INFLUX_AT_COMMENT,
    INFLUX_AT_KEY,
    INFLUX_AT_KEY_ESCAPE,
    INFLUX_AT_GAP, /* blanks between key and fields */
    INFLUX_AT_FIELDS,
    INFLUX_AT_FIELDS_ESCAPE,
    INFLUX_AT_EQUAL, /* right behind an unescaped '=' */
    INFLUX_AT_STRING,
    INFLUX_AT_STRING_ESCAPE,
    INFLUX_AT_TIME
};

static uint32_t influx_step_fields(char c)
{
    switch (c) {
    case '\\':
        return INFLUX_AT_FIELDS_ESCAPE;
    case '=':
        return INFLUX_AT_EQUAL;
    case ' ':
        return INFLUX_AT_TIME;
    default:
        return INFLUX_AT_FIELDS;
    }
}

/** The state behind a byte that does not end the line. */
static uint32_t influx_step(uint32_t state, char c)
{
    switch (state) {
    case INFLUX_AT_START:
        if (c == ' ' || c == '\t') {
            return INFLUX_AT_START;
        }
        if (c == '#') {
            return INFLUX_AT_COMMENT;
        }
        return c == '\\' ? INFLUX_AT_KEY_ESCAPE : INFLUX_AT_KEY;
    case INFLUX_AT_KEY:
        if (c == ' ') {
            return INFLUX_AT_GAP;
        }
        return c == '\\' ? INFLUX_AT_KEY_ESCAPE : INFLUX_AT_KEY;
    case INFLUX_AT_KEY_ESCAPE:
        return INFLUX_AT_KEY;
    case INFLUX_AT_GAP:
        return c == ' ' ? INFLUX_AT_GAP : influx_step_fields(c);
    case INFLUX_AT_FIELDS:
        return influx_step_fields(c);
    case INFLUX_AT_FIELDS_ESCAPE:
        return INFLUX_AT_FIELDS;
    case INFLUX_AT_EQUAL:
        return c == '"' ? INFLUX_AT_STRING : influx_step_fields(c);
    case INFLUX_AT_STRING:
        if (c == '"') {
            return INFLUX_AT_FIELDS;
        }
        return c == '\\' ? INFLUX_AT_STRING_ESCAPE : INFLUX_AT_STRING;
    case INFLUX_AT_STRING_ESCAPE:
        return INFLUX_AT_STRING;
    default: /* comment, time: nothing but a line feed matters */
        return state;
    }
}

/** The index behind the line feed that ends the line, or SIZE_MAX; *state is where the text ends.
 */
static size_t influx_scan(varve_text text, uint32_t *state)
{
    uint32_t now = *state;
    for (size_t index = 0; index < text.size; index++) {
        char c = text.data[index];
        if (c == '\n' && now != INFLUX_AT_STRING && now != INFLUX_AT_STRING_ESCAPE) {
            *state = INFLUX_AT_START;
            return index + 1;
        }
        now = influx_step(now, c);
    }
    *state = now;
    return SIZE_MAX;
}

static uint64_t influx_line_feeds(varve_text text)
{
    uint64_t count = 0;
    const char *at = text.data;
    size_t left = text.size;
    while (left > 0) {
        const char *found = memchr(at, '\n', left);
        if (found == NULL) {
            break;
        }
        count += 1;
        left -= (size_t)(found - at) + 1;
        at = found + 1;
    }
    return count;
}

/* ---- one line ---- */

/** What became of an attempt to parse a line. */
typedef enum influx_result {
    INFLUX_IS_ROW,
    INFLUX_IS_EMPTY, /* blank, or a comment */
    INFLUX_IS_SHORT, /* the text ends before the line does */
    INFLUX_IS_BAD,
    INFLUX_IS_FATAL,
} influx_result;

/** A line under the knife. */
typedef struct influx_cursor {
    const char *data;
    size_t size;
    size_t at;
    bool is_whole; /* the end of the data ends the line */
    varve_error *err;
} influx_cursor;

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
static inline size_t influx_until(const influx_cursor *cursor, size_t at, uint8_t class)
{
    const char *data = cursor->data;
    size_t size = cursor->size;
    while (at < size && (influx_stops[(uint8_t)data[at]] & class) == 0) {
        at += 1;
    }
    return at;
}

/** The index behind a backslash and what it escapes. */
static inline size_t influx_behind_escape(const influx_cursor *cursor, size_t at)
{
    return at + 1 < cursor->size && cursor->data[at + 1] != '\n' ? at + 2 : at + 1;
}

static influx_result influx_bad(const influx_cursor *cursor, const char *reason)
{
    vv_fail(cursor->err, VARVE_E_INVALID, "%s", reason);
    return INFLUX_IS_BAD;
}

/** Whether what the cursor stands at ends the line: its end, a line feed, or CR before one. */
static bool influx_is_line_end(const influx_cursor *cursor)
{
    size_t at = cursor->at;
    if (at < cursor->size && cursor->data[at] == '\r') {
        at += 1;
    }
    return at == cursor->size || cursor->data[at] == '\n';
}

static void influx_skip_blanks(influx_cursor *cursor)
{
    while (cursor->at < cursor->size && cursor->data[cursor->at] == ' ') {
        cursor->at += 1;
    }
}

/** The raw key up to the space behind it. */
static influx_result influx_parse_key(influx_cursor *cursor, varve_text *out_key)
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
static bool influx_reserve_scratch(vv_influx *parser, const influx_cursor *cursor)
{
    if (parser->scratch.size > 0 || parser->scratch.capacity >= cursor->size) {
        return true;
    }
    size_t most = parser->options.line_bytes_max;
    return vv_buf_reserve(&parser->scratch, cursor->size < most ? cursor->size : most) == VARVE_OK;
}

/** Undo escapes of the characters named into scratch. */
static influx_result influx_unescape(vv_influx *parser, const influx_cursor *cursor, varve_text raw,
                                     const char *escapable, varve_text *out_text)
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
static influx_result influx_parse_name(vv_influx *parser, influx_cursor *cursor,
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

static influx_result influx_parse_string(vv_influx *parser, influx_cursor *cursor,
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
    if (raw.size > parser->options.string_bytes_max) {
        return influx_bad(cursor, "string is too long");
    }
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

static influx_result influx_parse_token(const influx_cursor *cursor, varve_text token,
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

static influx_result influx_parse_value(vv_influx *parser, influx_cursor *cursor,
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

static influx_result influx_parse_fields(vv_influx *parser, influx_cursor *cursor,
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
        influx_result result = influx_parse_name(parser, cursor, &parser->names[count]);
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

static influx_result influx_parse_time(const vv_influx *parser, influx_cursor *cursor,
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
static influx_result influx_finish_line(influx_cursor *cursor, influx_result result)
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

static influx_result influx_parse_comment(influx_cursor *cursor)
{
    const char *found = memchr(cursor->data + cursor->at, '\n', cursor->size - cursor->at);
    if (found == NULL) {
        cursor->at = cursor->size;
        return cursor->is_whole ? INFLUX_IS_EMPTY : INFLUX_IS_SHORT;
    }
    cursor->at = (size_t)(found - cursor->data) + 1;
    return INFLUX_IS_EMPTY;
}

/** Parse the line at the cursor; on a row or nothing the cursor stands behind it. */
static influx_result influx_parse_line(vv_influx *parser, influx_cursor *cursor, vv_influx_row *row)
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
    influx_result result = influx_parse_key(cursor, &row->key);
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

/* ---- chunks ---- */

void vv_influx_init(vv_influx *parser, vv_alloc *alloc, const vv_influx_options *options)
{
    *parser = (vv_influx){.options = *options, .alloc = alloc, .line = 1};
    if (parser->options.line_bytes_max == 0) {
        parser->options.line_bytes_max = VV_INFLUX_LINE_BYTES_MAX;
    }
    if (parser->options.string_bytes_max == 0) {
        parser->options.string_bytes_max = VV_INFLUX_STRING_BYTES_MAX;
    }
    /* One byte more, so that a line of exactly the limit and its line feed fit. */
    vv_buf_init(&parser->carry, alloc, parser->options.line_bytes_max + 1);
    vv_buf_init(&parser->scratch, alloc, parser->options.line_bytes_max + 1);
}

void vv_influx_deinit(vv_influx *parser)
{
    vv_alloc_free(parser->alloc, parser->names, parser->capacity * sizeof *parser->names);
    vv_alloc_free(parser->alloc, parser->values, parser->capacity * sizeof *parser->values);
    vv_buf_deinit(&parser->carry);
    vv_buf_deinit(&parser->scratch);
    parser->names = NULL;
    parser->values = NULL;
    parser->capacity = 0;
}

void vv_influx_feed(vv_influx *parser, varve_text chunk, bool is_last)
{
    parser->input = chunk;
    parser->is_last = is_last;
}

static vv_influx_event influx_stop_long(vv_influx *parser, vv_influx_row *row, varve_error *out_err)
{
    row->line = parser->line;
    vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_LINE, "line is longer than %zu bytes",
                  parser->options.line_bytes_max);
    return VV_INFLUX_STOP;
}

static vv_influx_event influx_stop_carry(vv_influx *parser, vv_influx_row *row,
                                         varve_error *out_err)
{
    if (parser->carry.status == VARVE_E_LIMIT) {
        return influx_stop_long(parser, row, out_err);
    }
    row->line = parser->line;
    vv_fail_nomem(out_err, "a line", parser->carry.size);
    return VV_INFLUX_STOP;
}

/** Keep all that is left for the next chunk. */
static vv_influx_event influx_carry_rest(vv_influx *parser, vv_influx_row *row,
                                         varve_error *out_err)
{
    parser->scan_state = INFLUX_AT_START;
    VV_IGNORE(influx_scan(parser->input, &parser->scan_state)); /* for the state it ends in */
    if (vv_buf_append_text(&parser->carry, parser->input) != VARVE_OK) {
        return influx_stop_carry(parser, row, out_err);
    }
    parser->input = vv_text_make(NULL, 0);
    return VV_INFLUX_MORE;
}

/** The size of a bad line (I2); SIZE_MAX when its end is not there yet. */
static size_t influx_bad_line_size(varve_text text, bool is_whole)
{
    uint32_t state = INFLUX_AT_START;
    size_t size = influx_scan(text, &state);
    if (size != SIZE_MAX || !is_whole) {
        return size;
    }
    if (state == INFLUX_AT_STRING || state == INFLUX_AT_STRING_ESCAPE) {
        size_t first = vv_text_find_char(text, '\n');
        return first == text.size ? text.size : first + 1;
    }
    return text.size;
}

/** Parse one line at the beginning of `text` and take it off. */
static vv_influx_event influx_take_line(vv_influx *parser, varve_text *text, bool is_whole,
                                        vv_influx_row *row, varve_error *out_err, bool *out_again)
{
    influx_cursor cursor = {
        .data = text->data, .size = text->size, .is_whole = is_whole, .err = out_err};
    *out_again = false;
    influx_result result = influx_parse_line(parser, &cursor, row);
    row->line = parser->line;
    size_t used = cursor.at;
    if (result == INFLUX_IS_BAD) {
        used = influx_bad_line_size(*text, is_whole);
    }
    if (result == INFLUX_IS_SHORT || used == SIZE_MAX) {
        return VV_INFLUX_MORE;
    }
    if (result == INFLUX_IS_FATAL) {
        return VV_INFLUX_STOP;
    }
    if (used > parser->options.line_bytes_max + 1) {
        return influx_stop_long(parser, row, out_err);
    }
    parser->line += influx_line_feeds(vv_text_make(text->data, used));
    *text = vv_text_make(text->data + used, text->size - used);
    *out_again = result == INFLUX_IS_EMPTY;
    return result == INFLUX_IS_BAD ? VV_INFLUX_ERROR : VV_INFLUX_ROW;
}

/** Complete the line in the carry from the input; false when its end is not there. */
static bool influx_complete_carry(vv_influx *parser)
{
    size_t size = influx_scan(parser->input, &parser->scan_state);
    bool is_complete = size != SIZE_MAX;
    varve_text part = is_complete ? vv_text_make(parser->input.data, size) : parser->input;
    vv_buf_append_text(&parser->carry, part);
    parser->input = vv_text_make(parser->input.data + part.size, parser->input.size - part.size);
    return is_complete || parser->is_last;
}

static vv_influx_event influx_next_carried(vv_influx *parser, vv_influx_row *row,
                                           varve_error *out_err, bool *out_again)
{
    *out_again = false;
    bool is_complete = influx_complete_carry(parser);
    if (parser->carry.status != VARVE_OK) {
        return influx_stop_carry(parser, row, out_err);
    }
    if (!is_complete) {
        return VV_INFLUX_MORE;
    }
    varve_text line = vv_buf_text(&parser->carry);
    vv_influx_event event = influx_take_line(parser, &line, true, row, out_err, out_again);
    parser->is_carry_used = true;
    if (line.size > 0 && parser->input.size == 0) {
        /* Only behind a string that the end of the text left open: the rest is read again. */
        parser->input = line;
    }
    return event;
}

/** Over line feeds that end empty lines: a body may hold nothing else, for hundreds of megabytes.
 */
static void influx_skip_empty(vv_influx *parser)
{
    size_t count = 0;
    while (count < parser->input.size && parser->input.data[count] == '\n') {
        count += 1;
    }
    if (count > 0) {
        parser->line += count;
        parser->input = vv_text_sub(parser->input, count, parser->input.size);
    }
}

vv_influx_event vv_influx_next(vv_influx *parser, vv_influx_row *out_row, varve_error *out_err)
{
    for (;;) {
        bool again = false;
        vv_influx_event event;
        if (parser->is_carry_used) {
            /* The bytes stay: the input may be a part of them. */
            parser->carry.size = 0;
            parser->is_carry_used = false;
        }
        if (parser->carry.size == 0) {
            influx_skip_empty(parser);
        }
        if (parser->carry.size > 0) {
            event = influx_next_carried(parser, out_row, out_err, &again);
        } else if (parser->input.size == 0) {
            return VV_INFLUX_MORE;
        } else {
            event =
                influx_take_line(parser, &parser->input, parser->is_last, out_row, out_err, &again);
            if (event == VV_INFLUX_MORE) {
                return influx_carry_rest(parser, out_row, out_err);
            }
        }
        if (!again) {
            return event;
        }
    }
}

/* ---- keys ---- */

/** The index of the first unescaped byte of either kind, or the size. */
static size_t influx_find_unescaped(varve_text text, size_t at, char a, char b)
{
    while (at < text.size && text.data[at] != a && text.data[at] != b) {
        at += text.data[at] == '\\' && at + 1 < text.size ? 2 : 1;
    }
    return at < text.size ? at : text.size;
}

static varve_status influx_key_text(varve_text raw, bool is_metric, vv_arena *arena,
                                    varve_text *out_text, varve_error *out_err)
{
    *out_text = raw;
    if (vv_text_find_char(raw, '\\') == raw.size) {
        return VARVE_OK;
    }
    char *target = vv_arena_new(arena, raw.size);
    if (target == NULL) {
        return vv_arena_fail(arena, raw.size, out_err);
    }
    size_t size = 0;
    for (size_t index = 0; index < raw.size; index++) {
        char c = raw.data[index];
        char next = index + 1 < raw.size ? raw.data[index + 1] : '\0';
        if (c == '\\' && (next == ',' || next == ' ' || (next == '=' && !is_metric))) {
            index += 1;
            c = next;
        }
        target[size] = c;
        size += 1;
    }
    *out_text = vv_text_make(target, size);
    return VARVE_OK;
}

/** Insert a label into the sorted array; an equal name is replaced. */
static void influx_put_label(varve_label *labels, size_t *count, varve_label label)
{
    size_t at = *count;
    while (at > 0 && vv_text_compare(labels[at - 1].name, label.name) > 0) {
        at -= 1;
    }
    if (at > 0 && vv_text_equal(labels[at - 1].name, label.name)) {
        labels[at - 1].value = label.value;
        return;
    }
    memmove(&labels[at + 1], &labels[at], (*count - at) * sizeof *labels);
    labels[at] = label;
    *count += 1;
}

static varve_status influx_key_tag(varve_text tag, vv_arena *arena, varve_label *labels,
                                   size_t *count, varve_error *out_err)
{
    size_t equal = influx_find_unescaped(tag, 0, '=', '=');
    if (equal == tag.size) {
        return vv_fail(out_err, VARVE_E_INVALID, "tag \"%.*s\" has no value", VV_TEXT_ARGS(tag));
    }
    if (equal == 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "tag without a name");
    }
    varve_text raw = vv_text_sub(tag, equal + 1, tag.size);
    if (influx_find_unescaped(raw, 0, '=', '=') != raw.size) {
        return vv_fail(out_err, VARVE_E_INVALID, "tag \"%.*s\" has two equal signs",
                       VV_TEXT_ARGS(tag));
    }
    varve_label label;
    VV_TRY(influx_key_text(vv_text_make(tag.data, equal), false, arena, &label.name, out_err));
    VV_TRY(influx_key_text(raw, false, arena, &label.value, out_err));
    if (vv_text_equal(label.name, VV_TEXT("__name__"))) {
        return vv_fail(out_err, VARVE_E_INVALID, "the tag \"__name__\" is the measurement's");
    }
    influx_put_label(labels, count, label);
    return VARVE_OK;
}

static void influx_drop_empty_labels(varve_label *labels, size_t *count)
{
    size_t kept = 0;
    for (size_t index = 0; index < *count; index++) {
        if (labels[index].value.size > 0) {
            labels[kept] = labels[index];
            kept += 1;
        }
    }
    *count = kept;
}

varve_status vv_influx_key_parse(varve_text key, vv_arena *arena, varve_text *out_metric,
                                 varve_label **out_labels, size_t *out_count, varve_error *out_err)
{
    *out_labels = NULL;
    size_t at = influx_find_unescaped(key, 0, ',', ',');
    varve_text metric;
    VV_TRY(influx_key_text(vv_text_make(key.data, at), true, arena, &metric, out_err));
    size_t tag_count = 0;
    for (size_t next = at; next < key.size; next = influx_find_unescaped(key, next + 1, ',', ',')) {
        tag_count += 1;
    }
    if (tag_count > VV_INFLUX_TAGS_MAX) {
        return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_SERIES_NAME, "more than %u tags",
                             VV_INFLUX_TAGS_MAX);
    }
    varve_label *labels = vv_arena_array(arena, tag_count + 1, sizeof *labels);
    if (labels == NULL) {
        return vv_arena_fail(arena, (tag_count + 1) * sizeof *labels, out_err);
    }
    size_t count = 0;
    while (at < key.size) {
        size_t end = influx_find_unescaped(key, at + 1, ',', ',');
        VV_TRY(influx_key_tag(vv_text_make(key.data + at + 1, end - at - 1), arena, labels, &count,
                              out_err));
        at = end;
    }
    influx_drop_empty_labels(labels, &count);
    *out_metric = metric;
    *out_labels = labels;
    *out_count = count;
    return VARVE_OK;
}

bool vv_influx_unit_parse(varve_text text, vv_influx_unit *out_unit)
{
    static const struct {
        varve_text word;
        vv_influx_unit unit;
    } units[] = {
        {VV_TEXT_INIT(""), VV_INFLUX_NS},          {VV_TEXT_INIT("n"), VV_INFLUX_NS},
        {VV_TEXT_INIT("ns"), VV_INFLUX_NS},        {VV_TEXT_INIT("nanosecond"), VV_INFLUX_NS},
        {VV_TEXT_INIT("u"), VV_INFLUX_US},         {VV_TEXT_INIT("us"), VV_INFLUX_US},
        {VV_TEXT_INIT("\xc2\xb5"), VV_INFLUX_US},  {VV_TEXT_INIT("\xce\xbc"), VV_INFLUX_US},
        {VV_TEXT_INIT("\xc2\xb5s"), VV_INFLUX_US}, {VV_TEXT_INIT("microsecond"), VV_INFLUX_US},
        {VV_TEXT_INIT("ms"), VV_INFLUX_MS},        {VV_TEXT_INIT("millisecond"), VV_INFLUX_MS},
        {VV_TEXT_INIT("s"), VV_INFLUX_S},          {VV_TEXT_INIT("second"), VV_INFLUX_S},
        {VV_TEXT_INIT("m"), VV_INFLUX_M},          {VV_TEXT_INIT("h"), VV_INFLUX_H},
        {VV_TEXT_INIT("auto"), VV_INFLUX_AUTO},
    };
    for (size_t index = 0; index < VV_ARRAY_COUNT(units); index++) {
        if (vv_text_equal(text, units[index].word)) {
            *out_unit = units[index].unit;
            return true;
        }
    }
    return false;
}
