/* SPDX-License-Identifier: Apache-2.0 */

/*
 * InfluxDB line protocol, one pass over the bytes of a chunk.
 *
 *     measurement,tag=a,tag=b field=1.5,count=2i,text="a b" 1700000000000000000
 *     |--------- key --------| |---------- fields ---------| |----- time ----|
 *
 *   influx.c        this file: lines out of chunks
 *   influx_line.c   what a line says
 *   influx_scan.c   where a line ends, that lies in several chunks or is bad
 *   influx_key.c    metric and labels of a key
 *
 * A line that lies wholly in the chunk is parsed where it stands. The beginning of a line at the
 * end of a chunk goes into `carry`; a small state machine (vv_influx_scan) then looks for the end
 * of that line in the chunks that follow, byte by byte and each byte once, and the line is parsed
 * when it is whole. So the work is linear in the input, however it is cut.
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

#include "base/limit.h"
#include "base/slice.h"
#include "base/status.h"
#include "wire/influx_priv.h"
#include "wire/lines.h"

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

void vv_influx_init(vv_influx *parser, vv_alloc *alloc, const vv_influx_options *options)
{
    *parser = (vv_influx){.options = *options, .alloc = alloc, .line = 1};
    if (parser->options.line_bytes_max == 0) {
        parser->options.line_bytes_max = VV_INFLUX_LINE_BYTES_MAX;
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
    VV_IGNORE(vv_influx_scan(parser->input, &parser->scan_state)); /* for the state it ends in */
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
    size_t size = vv_influx_scan(text, &state);
    if (size != SIZE_MAX || !is_whole) {
        return size;
    }
    if (state == INFLUX_AT_STRING || state == INFLUX_AT_STRING_ESCAPE) {
        size_t first = vv_text_find_char(text, '\n');
        return first == text.size ? text.size : first + 1;
    }
    return text.size;
}

/** A line without its line feed, and a carriage return before it. */
static varve_text influx_trim_end(varve_text line)
{
    if (line.size > 0 && line.data[line.size - 1] == '\n') {
        line.size -= 1;
    }
    if (line.size > 0 && line.data[line.size - 1] == '\r') {
        line.size -= 1;
    }
    return line;
}

/** Parse one line at the beginning of `text` and take it off. */
static vv_influx_event influx_take_line(vv_influx *parser, varve_text *text, bool is_whole,
                                        vv_influx_row *row, varve_error *out_err, bool *out_again)
{
    vv_influx_cursor cursor = {
        .data = text->data, .size = text->size, .is_whole = is_whole, .err = out_err};
    *out_again = false;
    vv_influx_result result = vv_influx_line_parse(parser, &cursor, row);
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
    row->text = influx_trim_end(vv_text_make(text->data, used));
    parser->line += influx_line_feeds(vv_text_make(text->data, used));
    *text = vv_text_make(text->data + used, text->size - used);
    *out_again = result == INFLUX_IS_EMPTY;
    return result == INFLUX_IS_BAD ? VV_INFLUX_ERROR : VV_INFLUX_ROW;
}

/** Complete the line in the carry from the input; false when its end is not there. */
static bool influx_complete_carry(vv_influx *parser)
{
    size_t size = vv_influx_scan(parser->input, &parser->scan_state);
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

static bool influx_is_comment(varve_text line)
{
    (void)line; /* whatever begins with '#' */
    return true;
}

/** Over lines that say nothing, where no line is under way. */
static void influx_skip_blank(vv_influx *parser)
{
    /* Blanks, line ends and '#' are the lowest of the characters that texts hold. */
    if (parser->carry.size == 0 && parser->input.size > 0 &&
        (unsigned char)parser->input.data[0] <= '#') {
        size_t size = vv_lines_skip_blank(parser->input, parser->options.line_bytes_max,
                                          influx_is_comment, &parser->line);
        parser->input = vv_text_sub(parser->input, size, parser->input.size);
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
        influx_skip_blank(parser);
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
