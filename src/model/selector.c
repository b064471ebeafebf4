/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser of selector text; the grammar stands in the header.
 *
 * A parser by hand over one position: every function either consumes what it is named after or
 * writes the error and leaves. Nothing recurses, and each step consumes at least a byte or ends.
 */
#include "model/selector.h"

#include "base/status.h"
#include "base/utf8.h"

typedef struct selector_parser {
    varve_text text;
    size_t position;
    vv_arena *arena;
    varve_error *out_err; /* may be NULL */
    bool has_metric;
    varve_text metric;
    size_t matcher_count;
    varve_matcher matchers[VV_SELECTOR_MATCHERS_MAX];
    uint32_t columns[VV_SELECTOR_MATCHERS_MAX];
} selector_parser;

/* ---- characters ---- */

bool vv_selector_is_bare(uint8_t byte)
{
    switch (byte) {
    case '{':
    case '}':
    case '(':
    case ')':
    case '[':
    case ']':
    case ',':
    case '=':
    case '!':
    case '~':
    case '<':
    case '>':
    case '"':
    case '\'':
    case '`':
    case '\\':
        return false;
    default:
        return byte > ' ' && byte != 0x7F;
    }
}

static bool selector_is_at_end(const selector_parser *parser)
{
    return parser->position == parser->text.size;
}

/* The byte at the position; a zero byte at the end, which nothing of the grammar is. */
static char selector_peek(const selector_parser *parser)
{
    return selector_is_at_end(parser) ? '\0' : parser->text.data[parser->position];
}

static void selector_skip_space(selector_parser *parser)
{
    while (!selector_is_at_end(parser)) {
        char c = selector_peek(parser);
        if (c != ' ' && c != '\t' && c != '\n' && c != '\r') {
            return;
        }
        parser->position++;
    }
}

static bool selector_accept(selector_parser *parser, char wanted)
{
    selector_skip_space(parser);
    if (selector_is_at_end(parser) || selector_peek(parser) != wanted) {
        return false;
    }
    parser->position++;
    return true;
}

static bool selector_is_quote(char c)
{
    return c == '"' || c == '\'' || c == '`';
}

/* ---- errors ---- */

/* Characters up to a position, plus one: what an editor shows as the column. */
static size_t selector_column(const selector_parser *parser, size_t position)
{
    return vv_utf8_length(vv_text_make(parser->text.data, position)) + 1;
}

static varve_status selector_fail_at(const selector_parser *parser, size_t position,
                                     const char *what)
{
    return vv_fail(parser->out_err, VARVE_E_INVALID, "at %zu: %s",
                   selector_column(parser, position), what);
}

static varve_status selector_expected(const selector_parser *parser, const char *what)
{
    size_t column = selector_column(parser, parser->position);
    if (selector_is_at_end(parser)) {
        return vv_fail(parser->out_err, VARVE_E_INVALID, "at %zu: expected %s, found the end",
                       column, what);
    }
    varve_text rest = vv_text_sub(parser->text, parser->position, SIZE_MAX);
    size_t size = 0;
    VV_IGNORE(vv_utf8_next(rest, &size)); /* only its size is of interest */
    return vv_fail(parser->out_err, VARVE_E_INVALID, "at %zu: expected %s, found '%.*s'", column,
                   what, (int)size, rest.data);
}

/* ---- strings ---- */

static int32_t selector_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* `count` digits of a base at the beginning of text; false when they are not there. */
static bool selector_digits(varve_text text, size_t count, uint32_t base, uint32_t *out_value)
{
    uint32_t value = 0;
    for (size_t index = 0; index < count; index++) {
        int32_t digit = index < text.size ? selector_digit(text.data[index]) : -1;
        if (digit < 0 || (uint32_t)digit >= base) {
            return false;
        }
        value = value * base + (uint32_t)digit;
    }
    *out_value = value;
    return true;
}

static char selector_plain_escape(char c)
{
    static const char names[] = "abfnrtv\\\"'";
    static const char bytes[] = "\a\b\f\n\r\t\v\\\"'";
    const char *found = c == '\0' ? NULL : strchr(names, c);
    return found == NULL ? '\0' : bytes[found - names];
}

/* A number in an escape: a byte (\ooo, \xhh) or a character (\uhhhh, \Uhhhhhhhh). */
static size_t selector_number_escape(varve_text rest, char *target, size_t *out_written)
{
    uint32_t value = 0;
    if (selector_digits(rest, 3, 8, &value) && value <= UINT8_MAX) {
        target[0] = (char)value;
        *out_written = 1;
        return 3;
    }
    if (rest.data[0] == 'x' && selector_digits(vv_text_sub(rest, 1, SIZE_MAX), 2, 16, &value)) {
        target[0] = (char)value;
        *out_written = 1;
        return 3;
    }
    size_t count = rest.data[0] == 'u' ? 4 : rest.data[0] == 'U' ? 8 : 0;
    bool is_surrogate = false;
    if (count == 0 || !selector_digits(vv_text_sub(rest, 1, SIZE_MAX), count, 16, &value)) {
        return 0;
    }
    is_surrogate = value >= 0xD800 && value <= 0xDFFF;
    if (is_surrogate || value > 0x10FFFF) {
        return 0;
    }
    *out_written = vv_utf8_write(target, value);
    return 1 + count;
}

/* One escape, whose backslash is consumed: the bytes it stands for at target (at most 4, and not
 * more than it is long). Returns the bytes it takes behind the backslash, 0 when it is none. */
static size_t selector_escape(varve_text rest, char *target, size_t *out_written)
{
    if (rest.size == 0) {
        return 0;
    }
    char plain = selector_plain_escape(rest.data[0]);
    if (plain != '\0') {
        target[0] = plain;
        *out_written = 1;
        return 1;
    }
    return selector_number_escape(rest, target, out_written);
}

/* Resolve the escapes of raw, the inside of a string that begins at `begin` in the text. */
static varve_status selector_unescape(selector_parser *parser, varve_text raw, size_t begin,
                                      varve_text *out_text)
{
    char *target = vv_arena_aligned(parser->arena, raw.size, 1);
    if (target == NULL) {
        return vv_arena_fail(parser->arena, raw.size, parser->out_err);
    }
    size_t size = 0;
    size_t position = 0;
    while (position < raw.size) {
        if (raw.data[position] != '\\') {
            target[size] = raw.data[position];
            size++;
            position++;
            continue;
        }
        size_t written = 0;
        size_t taken =
            selector_escape(vv_text_sub(raw, position + 1, SIZE_MAX), target + size, &written);
        if (taken == 0) {
            return selector_fail_at(parser, begin + position, "unknown escape");
        }
        size += written;
        position += 1 + taken;
    }
    *out_text = vv_text_make(target, size);
    if (!vv_utf8_is_valid(*out_text)) {
        return selector_fail_at(parser, begin, "the string is not UTF-8");
    }
    return VARVE_OK;
}

/* Index of the quote that ends the string that begins at `begin`; the size of the text if none. */
static size_t selector_string_end(const selector_parser *parser, size_t begin, char quote)
{
    size_t position = begin;
    while (position < parser->text.size && parser->text.data[position] != quote) {
        bool is_escape = parser->text.data[position] == '\\' && quote != '`';
        position += is_escape && parser->text.size - position > 1 ? 2 : 1;
    }
    return position;
}

static varve_status selector_string(selector_parser *parser, varve_text *out_text)
{
    char quote = selector_peek(parser);
    size_t begin = parser->position + 1;
    size_t end = selector_string_end(parser, begin, quote);
    if (end >= parser->text.size) {
        return selector_fail_at(parser, parser->position, "the string has no end");
    }
    varve_text raw = vv_text_sub(parser->text, begin, end - begin);
    parser->position = end + 1;
    if (quote == '`' || vv_text_find_char(raw, '\\') == raw.size) {
        *out_text = raw;
        return VARVE_OK;
    }
    return selector_unescape(parser, raw, begin, out_text);
}

/* ---- names, operators, items ---- */

static varve_text selector_bare(selector_parser *parser)
{
    size_t begin = parser->position;
    while (!selector_is_at_end(parser) && vv_selector_is_bare((uint8_t)selector_peek(parser))) {
        parser->position++;
    }
    return vv_text_sub(parser->text, begin, parser->position - begin);
}

static varve_status selector_operator(selector_parser *parser, uint32_t *out_kind)
{
    selector_skip_space(parser);
    bool is_not = selector_peek(parser) == '!';
    size_t begin = parser->position;
    if (is_not) {
        parser->position++;
    } else if (selector_peek(parser) == '=') {
        parser->position++;
        bool is_regex = selector_peek(parser) == '~';
        parser->position += is_regex;
        *out_kind = is_regex ? VARVE_MATCH_REGEX : VARVE_MATCH_EQUAL;
        return VARVE_OK;
    }
    if (is_not && (selector_peek(parser) == '=' || selector_peek(parser) == '~')) {
        *out_kind = selector_peek(parser) == '=' ? VARVE_MATCH_NOT_EQUAL : VARVE_MATCH_NOT_REGEX;
        parser->position++;
        return VARVE_OK;
    }
    parser->position = begin;
    return selector_expected(parser, "one of = != =~ !~");
}

static varve_status selector_set_metric(selector_parser *parser, varve_text metric, size_t begin)
{
    if (parser->has_metric) {
        return selector_fail_at(parser, begin, "the metric is named twice");
    }
    parser->has_metric = true;
    parser->metric = metric;
    return VARVE_OK;
}

static varve_status selector_matcher(selector_parser *parser, varve_text name)
{
    if (parser->matcher_count == VV_SELECTOR_MATCHERS_MAX) {
        return vv_fail(parser->out_err, VARVE_E_LIMIT, "at %zu: more than %u matchers",
                       selector_column(parser, parser->position), VV_SELECTOR_MATCHERS_MAX);
    }
    varve_matcher matcher = {.name = name};
    VV_TRY(selector_operator(parser, &matcher.kind));
    selector_skip_space(parser);
    if (!selector_is_quote(selector_peek(parser))) {
        return selector_expected(parser, "a string in quotes");
    }
    size_t column = selector_column(parser, parser->position);
    VV_TRY(selector_string(parser, &matcher.value));
    parser->matchers[parser->matcher_count] = matcher;
    parser->columns[parser->matcher_count] = (uint32_t)column;
    parser->matcher_count++;
    return VARVE_OK;
}

static varve_status selector_item(selector_parser *parser)
{
    selector_skip_space(parser);
    size_t begin = parser->position;
    varve_text name;
    if (!selector_is_quote(selector_peek(parser))) {
        name = selector_bare(parser);
        if (name.size == 0) {
            return selector_expected(parser, "a label name or '}'");
        }
        return selector_matcher(parser, name);
    }
    VV_TRY(selector_string(parser, &name));
    selector_skip_space(parser);
    if (selector_peek(parser) == ',' || selector_peek(parser) == '}') {
        return selector_set_metric(parser, name, begin);
    }
    return selector_matcher(parser, name);
}

/* What stands between the braces, the closing one included. */
static varve_status selector_items(selector_parser *parser)
{
    while (!selector_accept(parser, '}')) {
        VV_TRY(selector_item(parser));
        if (selector_accept(parser, '}')) {
            return VARVE_OK;
        }
        if (!selector_accept(parser, ',')) {
            return selector_expected(parser, "',' or '}'");
        }
    }
    return VARVE_OK;
}

static varve_status selector_whole(selector_parser *parser)
{
    selector_skip_space(parser);
    size_t begin = parser->position;
    varve_text metric = {.data = NULL, .size = 0};
    if (selector_is_quote(selector_peek(parser))) {
        VV_TRY(selector_string(parser, &metric));
        VV_TRY(selector_set_metric(parser, metric, begin));
    } else {
        metric = selector_bare(parser);
        if (metric.size > 0) {
            VV_TRY(selector_set_metric(parser, metric, begin));
        }
    }
    if (selector_accept(parser, '{')) {
        VV_TRY(selector_items(parser));
    } else if (!parser->has_metric) {
        return selector_expected(parser, "a metric name or '{'");
    }
    selector_skip_space(parser);
    bool has_braces = begin < parser->position && parser->text.data[parser->position - 1] == '}';
    return selector_is_at_end(parser)
               ? VARVE_OK
               : selector_expected(parser, has_braces ? "the end" : "'{' or the end");
}

static varve_status selector_keep(const selector_parser *parser, vv_selector *out_selector)
{
    size_t count = parser->matcher_count;
    size_t matcher_bytes = count * sizeof parser->matchers[0];
    size_t column_bytes = count * sizeof parser->columns[0];
    varve_matcher *matchers = vv_arena_new(parser->arena, matcher_bytes);
    uint32_t *columns = vv_arena_new(parser->arena, column_bytes);
    if (matchers == NULL || columns == NULL) {
        return vv_arena_fail(parser->arena, matcher_bytes + column_bytes, parser->out_err);
    }
    memcpy(matchers, parser->matchers, matcher_bytes);
    memcpy(columns, parser->columns, column_bytes);
    *out_selector = (vv_selector){
        .has_metric = parser->has_metric,
        .metric = parser->metric,
        .matchers = matchers,
        .columns = columns,
        .matcher_count = count,
    };
    return VARVE_OK;
}

varve_status vv_selector_parse(varve_text text, vv_arena *arena, vv_selector *out_selector,
                               varve_error *out_err)
{
    if (text.size > VV_SELECTOR_BYTES_MAX) {
        return vv_fail(out_err, VARVE_E_LIMIT, "selector of %zu bytes, max %u", text.size,
                       VV_SELECTOR_BYTES_MAX);
    }
    selector_parser parser;
    parser.text = text;
    parser.position = 0;
    parser.arena = arena;
    parser.out_err = out_err;
    parser.has_metric = false;
    parser.metric = vv_text_make(NULL, 0);
    parser.matcher_count = 0;
    size_t valid = vv_utf8_valid_prefix(text);
    if (valid < text.size) {
        return selector_fail_at(&parser, valid, "the selector is not UTF-8");
    }
    VV_TRY(selector_whole(&parser));
    return selector_keep(&parser, out_selector);
}
