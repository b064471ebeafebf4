/* SPDX-License-Identifier: Apache-2.0 */

/*
 * CSV to records. A record ends at the first line feed outside of quotes; quotes open at the
 * beginning of a cell only, elsewhere a quote is a character like any other (C2).
 *
 *     a,"b ""c""
 *     d",e"f        two lines, one record: a | b "c"<LF>d | e"f
 *
 * It is found in two passes: csv_find_end looks for its end and remembers where it stopped, so that
 * every byte is looked at once however the text is cut; csv_split then makes cells of it.
 *
 * C1  The same bytes give the same events, however they are cut into pieces.
 * C2  What follows a closing quote is a separator or the end of the record, or the record is bad.
 * C3  A record takes at most line_bytes_max bytes of memory before it is refused; its cells are
 *     counted before they are kept.
 */

#include "wire/csv_record.h"

#include <string.h>

#include "base/limit.h"
#include "base/slice.h"
#include "base/status.h"
#include "wire/lines.h"

/* States of the scan: csv_find_end makes all transitions. */
enum {
    CSV_BEGIN,  /* at the beginning of a cell */
    CSV_PLAIN,  /* in a cell without quotes, or behind a closing one */
    CSV_QUOTED, /* inside quotes */
    CSV_CLOSED  /* behind a quote inside quotes: the end, or the first of a doubled one */
};

void vv_csv_reader_init(vv_csv_reader *reader, vv_alloc *alloc, char separator, uint64_t skip_lines,
                        size_t line_bytes_max)
{
    memset(reader, 0, sizeof *reader);
    reader->separator = separator;
    reader->line_bytes_max = line_bytes_max == 0 ? VV_CSV_LINE_BYTES_MAX : line_bytes_max;
    reader->skip_lines = skip_lines;
    reader->line = 1;
    vv_buf_init(&reader->carry, alloc, reader->line_bytes_max);
    vv_buf_init(&reader->scratch, alloc, reader->line_bytes_max);
    vv_buf_init(&reader->cells, alloc, VV_CSV_COLUMNS_MAX * sizeof(vv_csv_cell));
}

void vv_csv_reader_deinit(vv_csv_reader *reader)
{
    vv_buf_deinit(&reader->cells);
    vv_buf_deinit(&reader->scratch);
    vv_buf_deinit(&reader->carry);
}

void vv_csv_reader_feed(vv_csv_reader *reader, varve_text piece, bool is_last)
{
    reader->input = piece;
    reader->is_last = is_last;
}

/* ---- the end of a record -------------------------------------------------------------------- */

static uint64_t csv_count_feeds(const char *text, size_t size)
{
    uint64_t count = 0;
    const char *end = text + size;
    const char *at = size == 0 ? NULL : memchr(text, '\n', size);
    while (at != NULL) {
        count += 1;
        at = at + 1 == end ? NULL : memchr(at + 1, '\n', (size_t)(end - at) - 1);
    }
    return count;
}

/** Index of a byte in [at, size), or size. */
static size_t csv_find(varve_text text, size_t at, char byte)
{
    const char *found = at == text.size ? NULL : memchr(text.data + at, byte, text.size - at);
    return found == NULL ? text.size : (size_t)(found - text.data);
}

/** From `at` in a cell without quotes: the first quote that opens a cell before `limit`; or limit.
 */
static size_t csv_find_opening(const vv_csv_reader *reader, varve_text text, size_t at,
                               size_t limit)
{
    varve_text part = vv_text_make(text.data, limit);
    size_t begin = at;
    while (at < limit) {
        at = csv_find(part, at, '"');
        if (at < limit && at > begin && text.data[at - 1] == reader->separator) {
            return at;
        }
        at += at < limit ? 1 : 0;
    }
    return limit;
}

/**
 * The size of the record at the beginning of text, its line feed included; 0 when it ends behind
 * the text. The scan goes on where it stopped: text is what follows what was seen before.
 */
static size_t csv_find_end(vv_csv_reader *reader, varve_text text)
{
    size_t at = 0;
    size_t feed = 0; /* of the line that `at` is in; looked for once a line */
    bool has_feed = false;
    while (at < text.size) {
        if (reader->state == CSV_QUOTED) {
            size_t quote = csv_find(text, at, '"');
            reader->feeds += csv_count_feeds(text.data + at, quote - at);
            at = quote;
            if (at < text.size) {
                at += 1;
                reader->state = CSV_CLOSED;
            }
            continue;
        }
        if (reader->state != CSV_PLAIN) {
            bool is_quote = text.data[at] == '"';
            reader->state = is_quote ? CSV_QUOTED : CSV_PLAIN;
            at += is_quote ? 1 : 0;
            if (is_quote) {
                continue;
            }
        }
        if (!has_feed || feed < at) {
            feed = csv_find(text, at, '\n');
            has_feed = true;
        }
        size_t opening = csv_find_opening(reader, text, at, feed);
        if (opening == feed && feed < text.size) {
            reader->state = CSV_BEGIN;
            return feed + 1;
        }
        at = opening;
        if (at < text.size) {
            at += 1;
            reader->state = CSV_QUOTED;
        } else if (text.data[at - 1] == reader->separator) {
            reader->state = CSV_BEGIN;
        }
    }
    return 0;
}

/* ---- cells ---------------------------------------------------------------------------------- */

/** The text inside quotes that begins at *at, behind the opening one; *at is moved behind the
 * closing one. False when it is never closed. */
static bool csv_unquote(vv_csv_reader *reader, varve_text record, size_t *at, varve_text *out_text)
{
    size_t begin = *at;
    size_t quote = csv_find(record, begin, '"');
    bool is_doubled = record.size - quote > 1 && record.data[quote + 1] == '"';
    if (!is_doubled) {
        *out_text = vv_text_make(record.data + begin, quote - begin);
        *at = quote + 1;
        return quote < record.size;
    }
    /* csv_split has made room for the whole record, so nothing moves and nothing fails. */
    size_t start = reader->scratch.size;
    while (is_doubled) {
        vv_buf_append(&reader->scratch, record.data + begin, quote + 1 - begin);
        begin = quote + 2;
        quote = csv_find(record, begin, '"');
        is_doubled = record.size - quote > 1 && record.data[quote + 1] == '"';
    }
    vv_buf_append(&reader->scratch, record.data + begin, quote - begin);
    *out_text = vv_text_sub(vv_buf_text(&reader->scratch), start, reader->scratch.size - start);
    *at = quote + 1;
    return quote < record.size;
}

/** One cell from *at on, which is moved to the separator or the end behind it. */
static varve_status csv_cell(vv_csv_reader *reader, varve_text record, size_t *at, size_t column,
                             vv_csv_cell *out_cell, varve_error *out_err)
{
    out_cell->is_quoted = *at < record.size && record.data[*at] == '"';
    if (!out_cell->is_quoted) {
        size_t end = csv_find(record, *at, reader->separator);
        out_cell->text = vv_text_make(record.data + *at, end - *at);
        *at = end;
        return VARVE_OK;
    }
    *at += 1;
    if (!csv_unquote(reader, record, at, &out_cell->text)) {
        return vv_fail(out_err, VARVE_E_INVALID, "column %zu: the quote is never closed", column);
    }
    if (*at < record.size && record.data[*at] != reader->separator) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "column %zu: text behind the closing quote (a quote inside is doubled)",
                       column);
    }
    return VARVE_OK;
}

static varve_status csv_split(vv_csv_reader *reader, varve_text record, vv_csv_record *out_record,
                              varve_error *out_err)
{
    vv_buf_reset(&reader->scratch);
    vv_buf_reset(&reader->cells);
    if (memchr(record.data, '"', record.size) != NULL) {
        vv_buf_reserve(&reader->scratch, record.size);
        VV_TRY(vv_buf_check(&reader->scratch, out_err));
    }
    size_t at = 0;
    size_t count = 0;
    for (;;) {
        vv_csv_cell cell;
        if (count == VV_CSV_COLUMNS_MAX) {
            return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_COLUMNS, "more than %u columns",
                                 VV_CSV_COLUMNS_MAX);
        }
        VV_TRY(csv_cell(reader, record, &at, count + 1, &cell, out_err));
        vv_buf_append(&reader->cells, &cell, sizeof cell);
        VV_TRY(vv_buf_check(&reader->cells, out_err));
        count += 1;
        if (at == record.size) {
            break;
        }
        at += 1;
    }
    const void *cells = reader->cells.data;
    out_record->cells = cells;
    out_record->count = count;
    return VARVE_OK;
}

/* ---- events --------------------------------------------------------------------------------- */

/** Look at the first byte of the text. False when the text is no UTF-8. */
static bool csv_begin(vv_csv_reader *reader)
{
    if (!reader->is_begun && reader->input.size > 0) {
        char c = reader->input.data[0];
        reader->is_begun = c != '\xFF' && c != '\xFE';
        return reader->is_begun;
    }
    return true;
}

/** Lines before the header, of any length. */
static void csv_pass_lines(vv_csv_reader *reader)
{
    while (reader->skip_lines > 0 && reader->input.size > 0) {
        size_t feed = vv_text_find_char(reader->input, '\n');
        bool is_whole = feed < reader->input.size;
        reader->input = vv_text_sub(reader->input, feed + (is_whole ? 1 : 0), reader->input.size);
        reader->skip_lines -= is_whole ? 1 : 0;
        reader->line += is_whole ? 1 : 0;
        reader->state = CSV_BEGIN;
    }
}

/** Empty lines between records. */
static void csv_pass_empty(vv_csv_reader *reader)
{
    if (reader->state == CSV_BEGIN && reader->carry.size == 0) {
        size_t size = vv_lines_skip_empty(reader->input, &reader->line);
        reader->input = vv_text_sub(reader->input, size, reader->input.size);
    }
}

/** The next record as text, without its line feed; MORE, STOP, or RECORD. */
static vv_csv_event csv_next_text(vv_csv_reader *reader, varve_text *out_text, varve_error *out_err)
{
    size_t size = csv_find_end(reader, reader->input);
    bool is_whole = size > 0;
    varve_text part = vv_text_sub(reader->input, 0, is_whole ? size : reader->input.size);
    reader->input = vv_text_sub(reader->input, part.size, reader->input.size);
    part.size -= is_whole ? 1 : 0; /* its line feed */
    if (is_whole && reader->carry.size == 0 && part.size <= reader->line_bytes_max) {
        *out_text = part;
        return VV_CSV_RECORD;
    }
    if (vv_buf_append_text(&reader->carry, part) != VARVE_OK) {
        if (reader->carry.status == VARVE_E_LIMIT) {
            vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_LINE,
                          "line %llu: longer than %zu bytes, if no quote in it is left open",
                          (unsigned long long)reader->line, reader->line_bytes_max);
        } else {
            VV_IGNORE(vv_buf_check(&reader->carry, out_err)); /* it fails: it writes the sentence */
        }
        return VV_CSV_STOP;
    }
    if (!is_whole && (!reader->is_last || reader->carry.size == 0)) {
        return VV_CSV_MORE;
    }
    reader->is_carry_used = true;
    *out_text = vv_buf_text(&reader->carry);
    return VV_CSV_RECORD;
}

/** Without the CR before its line feed, or the end of the text. */
static varve_text csv_trim_end(varve_text record)
{
    if (record.size > 0 && record.data[record.size - 1] == '\r') {
        record.size -= 1;
    }
    return record;
}

static bool csv_is_empty(const vv_csv_record *record)
{
    return record->count == 1 && record->cells[0].text.size == 0 && !record->cells[0].is_quoted;
}

vv_csv_event vv_csv_reader_next(vv_csv_reader *reader, vv_csv_record *out_record,
                                varve_error *out_err)
{
    if (!csv_begin(reader)) {
        vv_fail(out_err, VARVE_E_INVALID, "the text is no UTF-8; it looks like UTF-16");
        return VV_CSV_STOP;
    }
    csv_pass_lines(reader);
    for (;;) {
        varve_text text;
        if (reader->is_carry_used) {
            reader->is_carry_used = false;
            vv_buf_reset(&reader->carry);
        }
        csv_pass_empty(reader);
        vv_csv_event event = csv_next_text(reader, &text, out_err);
        if (event != VV_CSV_RECORD) {
            out_record->line = reader->line;
            return event;
        }
        out_record->line = reader->line;
        out_record->last_line = reader->line + reader->feeds;
        reader->line += reader->feeds + 1;
        reader->feeds = 0;
        reader->state = CSV_BEGIN;
        out_record->text = csv_trim_end(text);
        varve_status status = csv_split(reader, out_record->text, out_record, out_err);
        if (status == VARVE_E_NOMEM) {
            return VV_CSV_STOP;
        }
        if (status != VARVE_OK) {
            return VV_CSV_ERROR;
        }
        if (!csv_is_empty(out_record)) {
            return VV_CSV_RECORD;
        }
    }
}

bool vv_csv_separator_parse(varve_text text, char *out_separator)
{
    static const struct {
        varve_text word;
        char separator;
    } words[] = {
        {VV_TEXT_INIT(","), ','},         {VV_TEXT_INIT("comma"), ','}, {VV_TEXT_INIT(";"), ';'},
        {VV_TEXT_INIT("semicolon"), ';'}, {VV_TEXT_INIT("\t"), '\t'},   {VV_TEXT_INIT("tab"), '\t'},
        {VV_TEXT_INIT("\\t"), '\t'},      {VV_TEXT_INIT("|"), '|'},     {VV_TEXT_INIT("pipe"), '|'},
    };
    for (size_t i = 0; i < VV_ARRAY_COUNT(words); i++) {
        if (vv_text_equal(text, words[i].word)) {
            *out_separator = words[i].separator;
            return true;
        }
    }
    return false;
}
