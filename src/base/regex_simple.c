/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patterns that need no engine, by far the most that dashboards send:
 *
 *     api|web|db        a finite set of texts: groups, small classes and '?' are multiplied out
 *     api-(a|b)[0-9]
 *     api.*  .+api  .*api.*    a text at the beginning, the end or anywhere
 *     .*  .+
 *
 * A finite set is looked up in the index instead of tried on each value. The pattern has passed
 * regex_scan.c, so its syntax is right and its nesting bounded; the recursion here follows it.
 *
 *   Y1: the language of the result is that of the pattern. What is not surely understood is ENGINE.
 *   Y2: a set has at most VV_REGEX_LITERALS_MAX texts, REGEX_SIMPLE_BYTES_MAX of scratch memory;
 * above, ENGINE.
 */
#include "base/regex_priv.h"

#include <string.h>

#include "base/assert.h"
#include "base/text_priv.h"
#include "base/utf8.h"

/* Arbitrary: 1024 texts of 256 bytes, several times over while they are multiplied out. */
#define REGEX_SIMPLE_BYTES_MAX (1024u * 1024u)

typedef struct regex_simple_set {
    varve_text *texts; /* in the arena */
    size_t count;
    size_t capacity;
} regex_simple_set;

/* E_UNSUPPORTED from the functions below means: not finite, or too large a set. */
typedef struct regex_simple_parser {
    varve_text pattern;
    size_t position;
    vv_arena *arena;
} regex_simple_parser;

/* ---- characters ---- */

static bool regex_simple_is_meta(char c)
{
    return vv_text_find_char(VV_TEXT("\\.+*?()|[]{}^$"), c) < 14;
}

static bool regex_simple_is_repeat(varve_text pattern, size_t position)
{
    return position < pattern.size &&
           vv_text_find_char(VV_TEXT("*+?{"), pattern.data[position]) < 4;
}

/* One literal character at *position as UTF-8; 0 and unmoved when something else is there. */
static size_t regex_simple_char(varve_text pattern, size_t *position, char target[4])
{
    if (*position >= pattern.size) {
        return 0;
    }
    uint32_t code_point;
    char c = pattern.data[*position];
    if (c == '\\') {
        size_t next = *position;
        if (!vv_regex_escaped_char(pattern, &next, &code_point) ||
            (code_point >= 0xD800 && code_point < 0xE000)) {
            return 0;
        }
        *position = next;
        return vv_utf8_write(target, code_point);
    }
    if (regex_simple_is_meta(c)) {
        return 0;
    }
    return vv_utf8_write(target, vv_utf8_next(pattern, position));
}

/* Literal characters from *position on, none of them repeated. Target has room for the rest of the
 * pattern. */
static size_t regex_simple_run(varve_text pattern, size_t *position, char *target)
{
    size_t size = 0;
    for (;;) {
        size_t next = *position;
        char bytes[4];
        size_t char_size = regex_simple_char(pattern, &next, bytes);
        if (char_size == 0 || regex_simple_is_repeat(pattern, next)) {
            return size;
        }
        memcpy(target + size, bytes, char_size);
        size += char_size;
        *position = next;
    }
}

/* ---- finite sets ---- */

static varve_status regex_simple_memory(const regex_simple_parser *parser, size_t size)
{
    varve_status status = vv_arena_fail(parser->arena, size, NULL);
    return status == VARVE_E_LIMIT ? VARVE_E_UNSUPPORTED : status;
}

/* Room for extra more texts; doubles, and leaves the old array to the arena. */
static varve_status regex_simple_reserve(const regex_simple_parser *parser, regex_simple_set *set,
                                         size_t extra)
{
    if (extra > VV_REGEX_LITERALS_MAX - set->count) {
        return VARVE_E_UNSUPPORTED;
    }
    if (extra <= set->capacity - set->count) {
        return VARVE_OK;
    }
    size_t capacity = 2 * set->capacity;
    capacity = capacity < set->count + extra ? set->count + extra : capacity;
    varve_text *texts = (varve_text *)vv_arena_array(parser->arena, capacity, sizeof *texts);
    if (texts == NULL) {
        return regex_simple_memory(parser, capacity * sizeof *texts);
    }
    if (set->count > 0) {
        memcpy(texts, set->texts, set->count * sizeof *texts);
    }
    set->texts = texts;
    set->capacity = capacity;
    return VARVE_OK;
}

/* Add the text a followed by b. */
static varve_status regex_simple_add(const regex_simple_parser *parser, regex_simple_set *set,
                                     varve_text a, varve_text b)
{
    VV_TRY(regex_simple_reserve(parser, set, 1));
    size_t size = a.size + b.size;
    char *bytes = (char *)vv_arena_aligned(parser->arena, size, 1);
    if (bytes == NULL) {
        return regex_simple_memory(parser, size);
    }
    memcpy(bytes, a.data, a.size);
    memcpy(bytes + a.size, b.data, b.size);
    set->texts[set->count] = vv_text_make(bytes, size);
    set->count += 1;
    return VARVE_OK;
}

/* set = each text of set followed by each of other */
static varve_status regex_simple_multiply(const regex_simple_parser *parser, regex_simple_set *set,
                                          regex_simple_set other)
{
    regex_simple_set product = {.count = 0};
    for (size_t index = 0; index < set->count; index++) {
        for (size_t other_index = 0; other_index < other.count; other_index++) {
            VV_TRY(regex_simple_add(parser, &product, set->texts[index], other.texts[other_index]));
        }
    }
    *set = product;
    return VARVE_OK;
}

/* One character of a class as a code point. */
static bool regex_simple_class_char(regex_simple_parser *parser, uint32_t *out_code_point)
{
    if (parser->pattern.data[parser->position] == '\\') {
        return vv_regex_escaped_char(parser->pattern, &parser->position, out_code_point);
    }
    *out_code_point = vv_utf8_next(parser->pattern, &parser->position);
    return true;
}

/* [abc0-9]: a text for each character. The class ends, as the scan has seen. */
static varve_status regex_simple_class(regex_simple_parser *parser, regex_simple_set *out_set)
{
    const char *data = parser->pattern.data;
    parser->position += 1;
    if (data[parser->position] == '^' || data[parser->position] == ']') {
        return VARVE_E_UNSUPPORTED;
    }
    while (data[parser->position] != ']') {
        uint32_t first;
        if (data[parser->position] == '[' || !regex_simple_class_char(parser, &first)) {
            return VARVE_E_UNSUPPORTED;
        }
        uint32_t last = first;
        if (data[parser->position] == '-' && data[parser->position + 1] != ']') {
            parser->position += 1;
            if (!regex_simple_class_char(parser, &last)) {
                return VARVE_E_UNSUPPORTED;
            }
        }
        if (last - first >= VV_REGEX_LITERALS_MAX || (last >= 0xD800 && first < 0xE000)) {
            return VARVE_E_UNSUPPORTED;
        }
        for (uint32_t code_point = first; code_point <= last; code_point++) {
            char bytes[4];
            varve_text text = vv_text_make(bytes, vv_utf8_write(bytes, code_point));
            VV_TRY(regex_simple_add(parser, out_set, text, VV_TEXT("")));
        }
    }
    parser->position += 1;
    return VARVE_OK;
}

static varve_status regex_simple_alternation(regex_simple_parser *parser,
                                             regex_simple_set *out_set);

/* "(", "(?:" or "(?P<name>" and what it holds. Flags were sorted out before. */
static varve_status regex_simple_group(regex_simple_parser *parser, regex_simple_set *out_set)
{
    varve_text pattern = parser->pattern;
    parser->position += 1;
    if (pattern.data[parser->position] == '?') {
        char end = pattern.data[parser->position + 1] == ':' ? ':' : '>';
        while (pattern.data[parser->position] != end) {
            parser->position += 1;
        }
        parser->position += 1;
    }
    VV_TRY(regex_simple_alternation(parser, out_set));
    VV_ASSERT(pattern.data[parser->position] == ')');
    parser->position += 1;
    return VARVE_OK;
}

/* A run of characters, or the one that a repeat follows. Not inlined, since its memory must not be
 * part of the frames of the recursion. */
static VV_NOINLINE varve_status regex_simple_text(regex_simple_parser *parser,
                                                  regex_simple_set *out_set)
{
    char bytes[VV_REGEX_PATTERN_BYTES_MAX];
    size_t size = regex_simple_run(parser->pattern, &parser->position, bytes);
    if (size == 0) {
        size = regex_simple_char(parser->pattern, &parser->position, bytes);
    }
    if (size == 0) {
        return VARVE_E_UNSUPPORTED;
    }
    return regex_simple_add(parser, out_set, vv_text_make(bytes, size), VV_TEXT(""));
}

/* A run of characters, one character, a class or a group; then '?' perhaps. */
static varve_status regex_simple_item(regex_simple_parser *parser, regex_simple_set *out_set)
{
    varve_text pattern = parser->pattern;
    char c = pattern.data[parser->position];
    if (c == '[') {
        VV_TRY(regex_simple_class(parser, out_set));
    } else if (c == '(') {
        VV_TRY(regex_simple_group(parser, out_set));
    } else {
        VV_TRY(regex_simple_text(parser, out_set));
    }
    if (!regex_simple_is_repeat(pattern, parser->position)) {
        return VARVE_OK;
    }
    if (pattern.data[parser->position] != '?') {
        return VARVE_E_UNSUPPORTED;
    }
    parser->position += 1;
    if (parser->position < pattern.size && pattern.data[parser->position] == '?') {
        parser->position += 1; /* lazy: the same language */
    }
    return regex_simple_add(parser, out_set, VV_TEXT(""), VV_TEXT(""));
}

static varve_status regex_simple_concat(regex_simple_parser *parser, regex_simple_set *out_set)
{
    VV_TRY(regex_simple_add(parser, out_set, VV_TEXT(""), VV_TEXT("")));
    while (parser->position < parser->pattern.size &&
           parser->pattern.data[parser->position] != '|' &&
           parser->pattern.data[parser->position] != ')') {
        regex_simple_set item = {.count = 0};
        VV_TRY(regex_simple_item(parser, &item));
        VV_TRY(regex_simple_multiply(parser, out_set, item));
    }
    return VARVE_OK;
}

/* At most VV_REGEX_NESTING_MAX deep, as the scan has seen. */
static varve_status regex_simple_alternation(regex_simple_parser *parser, regex_simple_set *out_set)
{
    for (;;) {
        regex_simple_set branch = {.count = 0};
        VV_TRY(regex_simple_concat(parser, &branch));
        VV_TRY(regex_simple_reserve(parser, out_set, branch.count));
        VV_ASSERT(branch.count > 0 && out_set->texts != NULL);
        memcpy(out_set->texts + out_set->count, branch.texts, branch.count * sizeof *branch.texts);
        out_set->count += branch.count;
        if (parser->position == parser->pattern.size ||
            parser->pattern.data[parser->position] != '|') {
            return VARVE_OK;
        }
        parser->position += 1;
    }
}

static size_t regex_simple_common_prefix(varve_text a, varve_text b)
{
    size_t size = 0;
    while (size < a.size && size < b.size && a.data[size] == b.data[size]) {
        size += 1;
    }
    return size;
}

/* Sorted and distinct, copied out of the scratch memory. */
static varve_status regex_simple_keep_set(regex_simple_set set, vv_arena *arena,
                                          vv_regex_simple *out_simple)
{
    vv_text_sort(set.texts, set.count);
    varve_text *kept = (varve_text *)vv_arena_array(arena, set.count, sizeof *kept);
    if (kept == NULL) {
        return VARVE_E_NOMEM;
    }
    size_t count = 0;
    for (size_t index = 0; index < set.count; index++) {
        if (count == 0 || !vv_text_equal(kept[count - 1], set.texts[index])) {
            VV_TRY(vv_arena_copy(arena, set.texts[index], &kept[count]));
            count += 1;
        }
    }
    out_simple->kind = VV_REGEX_LITERALS;
    out_simple->literals = kept;
    out_simple->literal_count = count;
    /* Sorted: what the first and the last share, all share. */
    out_simple->prefix =
        vv_text_sub(kept[0], 0, regex_simple_common_prefix(kept[0], kept[count - 1]));
    return VARVE_OK;
}

/* E_UNSUPPORTED when the pattern is no finite set. */
static varve_status regex_simple_finite(varve_text pattern, vv_arena *arena,
                                        vv_regex_simple *out_simple)
{
    vv_arena scratch;
    vv_arena_init(&scratch, arena->alloc, REGEX_SIMPLE_BYTES_MAX);
    regex_simple_parser parser = {.pattern = pattern, .arena = &scratch};
    regex_simple_set set = {.count = 0};
    varve_status status = regex_simple_alternation(&parser, &set);
    if (status == VARVE_OK) {
        VV_ASSERT(parser.position == pattern.size);
        status = regex_simple_keep_set(set, arena, out_simple);
    }
    vv_arena_deinit(&scratch);
    return status;
}

/* ---- a text with anything around it ---- */

/* ".*" or ".+", lazy or not, at *position: moves behind it, and *out_size_min is 0 or 1. */
static bool regex_simple_anything(varve_text pattern, size_t *position, size_t *out_size_min)
{
    varve_text rest = vv_text_sub(pattern, *position, SIZE_MAX);
    if (rest.size < 2 || rest.data[0] != '.' || (rest.data[1] != '*' && rest.data[1] != '+')) {
        return false;
    }
    *out_size_min = rest.data[1] == '+' ? 1 : 0;
    *position += rest.size > 2 && rest.data[2] == '?' ? 3 : 2;
    return true;
}

/* Sets part, sizes and kind when the pattern is [anything] text [anything]. */
static void regex_simple_affix(varve_text pattern, char *bytes, vv_regex_simple *simple)
{
    size_t position = 0;
    bool has_front = regex_simple_anything(pattern, &position, &simple->front_size_min);
    size_t size = regex_simple_run(pattern, &position, bytes);
    bool has_back = size > 0 && regex_simple_anything(pattern, &position, &simple->back_size_min);
    if (position != pattern.size || (!has_front && !has_back)) {
        return;
    }
    simple->part = vv_text_make(bytes, size);
    if (size == 0) {
        simple->kind = simple->front_size_min == 0 ? VV_REGEX_ANY : VV_REGEX_NONEMPTY;
    } else if (has_front) {
        simple->kind = has_back ? VV_REGEX_CONTAINS : VV_REGEX_SUFFIX;
    } else {
        simple->kind = VV_REGEX_PREFIX;
    }
}

/* ---- the whole ---- */

/* Without a '^' in front and a '$' behind, which the anchoring makes superfluous. */
static varve_text regex_simple_unanchored(varve_text pattern)
{
    if (pattern.size > 0 && pattern.data[0] == '^') {
        pattern = vv_text_sub(pattern, 1, SIZE_MAX);
    }
    if (pattern.size == 0 || pattern.data[pattern.size - 1] != '$') {
        return pattern;
    }
    size_t backslashes = 0;
    while (backslashes + 1 < pattern.size && pattern.data[pattern.size - 2 - backslashes] == '\\') {
        backslashes += 1;
    }
    return vv_text_sub(pattern, 0, pattern.size - (backslashes % 2 == 0 ? 1 : 0));
}

varve_status vv_regex_simplify(varve_text pattern, const vv_regex_syntax *syntax, vv_arena *arena,
                               vv_regex_simple *out_simple)
{
    *out_simple = (vv_regex_simple){.kind = VV_REGEX_ENGINE};
    if (syntax->has_flags || syntax->has_quote) {
        return VARVE_OK;
    }
    if (!syntax->has_top_alternation) {
        pattern = regex_simple_unanchored(pattern);
    }
    varve_status status = regex_simple_finite(pattern, arena, out_simple);
    if (status != VARVE_E_UNSUPPORTED || syntax->has_top_alternation) {
        return status == VARVE_E_UNSUPPORTED ? VARVE_OK : status;
    }
    char *bytes = (char *)vv_arena_aligned(arena, pattern.size, 1);
    if (bytes == NULL) {
        return VARVE_E_NOMEM;
    }
    regex_simple_affix(pattern, bytes, out_simple);
    if (out_simple->kind == VV_REGEX_ENGINE) {
        size_t position = 0;
        out_simple->prefix = vv_text_make(bytes, regex_simple_run(pattern, &position, bytes));
    } else if (out_simple->kind == VV_REGEX_PREFIX) {
        out_simple->prefix = out_simple->part;
    }
    return VARVE_OK;
}

/* ---- matching ---- */

static bool regex_simple_is_literal(const vv_regex_simple *simple, varve_text value)
{
    size_t begin = 0;
    size_t end = simple->literal_count;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        int order = vv_text_compare(simple->literals[middle], value);
        if (order == 0) {
            return true;
        }
        if (order < 0) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return false;
}

bool vv_regex_simple_match(const vv_regex_simple *simple, varve_text value)
{
    size_t around = simple->front_size_min + simple->back_size_min;
    switch (simple->kind) {
    case VV_REGEX_LITERALS:
        return regex_simple_is_literal(simple, value);
    case VV_REGEX_ANY:
        return true;
    case VV_REGEX_NONEMPTY:
        return value.size > 0;
    case VV_REGEX_PREFIX:
        return value.size >= simple->part.size + around && vv_text_starts_with(value, simple->part);
    case VV_REGEX_SUFFIX:
        return value.size >= simple->part.size + around && vv_text_ends_with(value, simple->part);
    case VV_REGEX_CONTAINS:
        return value.size >= simple->part.size + around &&
               vv_text_contains(vv_text_sub(value, simple->front_size_min, value.size - around),
                                simple->part);
    case VV_REGEX_ENGINE:
        break;
    }
    VV_ASSERT(simple->kind != VV_REGEX_ENGINE);
    return false;
}
