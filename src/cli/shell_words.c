/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One pass over the line. A word is collected at the end of one text in the arena that is as long
 * as the line and its words' zero bytes, so that nothing is measured beforehand.
 *
 * L1  Every step consumes a byte of the line or ends.
 * L2  A word's text is never longer than what stands in the line.
 */

#include "cli/shell_words.h"

#include "base/slice.h"
#include "base/status.h"
#include "base/utf8.h"

typedef struct words_scan {
    varve_text line;
    size_t position;
    char *target; /* where the next byte of a word goes */
    vv_shell_words *words;
} words_scan;

static bool words_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool words_at_end(const words_scan *scan)
{
    return scan->position >= scan->line.size;
}

static char words_peek(const words_scan *scan)
{
    return scan->line.data[scan->position];
}

static void words_keep(words_scan *scan)
{
    *scan->target = words_peek(scan);
    scan->target += 1;
    scan->position += 1;
}

static void words_leave_open(words_scan *scan, char what, size_t at)
{
    scan->words->open = what;
    scan->words->open_at = at;
}

/** A backslash outside of quotes: the next byte as it is. */
static void words_escaped(words_scan *scan)
{
    size_t at = scan->position;
    scan->position += 1;
    if (words_at_end(scan)) {
        words_leave_open(scan, '\\', at);
        return;
    }
    words_keep(scan);
}

/** '...' or "..."; in the latter \" and \\ stand for one character. */
static void words_quoted(words_scan *scan)
{
    size_t at = scan->position;
    char quote = words_peek(scan);
    scan->position += 1;
    while (!words_at_end(scan)) {
        char c = words_peek(scan);
        if (c == quote) {
            scan->position += 1;
            return;
        }
        bool has_next = scan->position + 1 < scan->line.size;
        char next = has_next ? scan->line.data[scan->position + 1] : '\0';
        if (quote == '"' && c == '\\' && (next == '"' || next == '\\')) {
            scan->position += 1;
        }
        words_keep(scan);
    }
    words_leave_open(scan, quote, at);
}

/** A string of a selector, kept as it stands. */
static void words_selector_string(words_scan *scan)
{
    char quote = words_peek(scan);
    words_keep(scan);
    while (!words_at_end(scan)) {
        char c = words_peek(scan);
        words_keep(scan);
        if (c == quote) {
            return;
        }
        if (c == '\\' && quote != '`' && !words_at_end(scan)) {
            words_keep(scan);
        }
    }
}

/** {...}, kept as it stands. */
static void words_braces(words_scan *scan)
{
    size_t at = scan->position;
    words_keep(scan);
    while (!words_at_end(scan)) {
        char c = words_peek(scan);
        if (c == '"' || c == '\'' || c == '`') {
            words_selector_string(scan);
            continue;
        }
        words_keep(scan);
        if (c == '}') {
            return;
        }
    }
    words_leave_open(scan, '{', at);
}

static void words_word(words_scan *scan, vv_shell_word *word)
{
    char *begin = scan->target;
    word->begin = scan->position;
    word->is_plain = true;
    while (!words_at_end(scan) && !words_is_blank(words_peek(scan))) {
        char c = words_peek(scan);
        word->is_plain = word->is_plain && c != '\'' && c != '"' && c != '{' && c != '\\';
        if (c == '\'' || c == '"') {
            words_quoted(scan);
        } else if (c == '{') {
            words_braces(scan);
        } else if (c == '\\') {
            words_escaped(scan);
        } else {
            words_keep(scan);
        }
    }
    word->end = scan->position;
    word->chars = begin;
    word->text = vv_text_make(begin, (size_t)(scan->target - begin));
    *scan->target = '\0';
    scan->target += 1;
}

/** How many words there may be: one more than blanks, but for the limit. */
static size_t words_count_max(varve_text line)
{
    size_t count = 1;
    for (size_t i = 0; i < line.size; i++) {
        count += words_is_blank(line.data[i]);
    }
    return count < VV_SHELL_WORDS_MAX ? count : VV_SHELL_WORDS_MAX;
}

varve_status vv_shell_scan(varve_text line, vv_arena *arena, vv_shell_words *out_words,
                           varve_error *out_err)
{
    if (line.size > VV_SHELL_LINE_BYTES_MAX) {
        return vv_fail(out_err, VARVE_E_LIMIT, "the line has more than %u bytes",
                       VV_SHELL_LINE_BYTES_MAX);
    }
    size_t count_max = words_count_max(line);
    vv_shell_words words = {.words = vv_arena_array(arena, count_max, sizeof *words.words)};
    /* Each word needs its bytes and a zero byte; a blank or the end of the line stands behind it.
     */
    words_scan scan = {.line = line, .target = vv_arena_new(arena, line.size + 1), .words = &words};
    if (words.words == NULL || scan.target == NULL) {
        return vv_arena_fail(arena, line.size, out_err);
    }
    for (;;) {
        while (!words_at_end(&scan) && words_is_blank(words_peek(&scan))) {
            scan.position += 1;
        }
        if (words_at_end(&scan) || words_peek(&scan) == '#') {
            break;
        }
        if (words.count == count_max) {
            return vv_fail(out_err, VARVE_E_LIMIT, "the line has more than %u words",
                           VV_SHELL_WORDS_MAX);
        }
        words_word(&scan, &words.words[words.count]);
        words.count += 1;
    }
    words.is_comment = !words_at_end(&scan);
    *out_words = words;
    return VARVE_OK;
}

/** The character that a byte of the line belongs to, from 1. */
static size_t words_column(varve_text line, size_t offset)
{
    size_t column = 1;
    for (size_t position = 0; position < offset; column++) {
        VV_IGNORE(vv_utf8_next(line, &position)); /* only the step matters */
    }
    return column;
}

varve_status vv_shell_split(varve_text line, vv_arena *arena, vv_shell_words *out_words,
                            varve_error *out_err)
{
    size_t nul = vv_text_find_char(line, '\0');
    if (nul < line.size) {
        return vv_fail(out_err, VARVE_E_INVALID, "at %zu: the line holds a NUL",
                       words_column(line, nul));
    }
    VV_TRY(vv_shell_scan(line, arena, out_words, out_err));
    size_t column = words_column(line, out_words->open_at);
    switch (out_words->open) {
    case '\0':
        return VARVE_OK;
    case '{':
        return vv_fail(out_err, VARVE_E_INVALID, "at %zu: no } ends what begins here", column);
    case '\\':
        return vv_fail(out_err, VARVE_E_INVALID, "at %zu: nothing follows the backslash", column);
    default:
        return vv_fail(out_err, VARVE_E_INVALID, "at %zu: no %c ends what begins here", column,
                       out_words->open);
    }
}
