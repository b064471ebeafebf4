/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From RE2's syntax to PCRE2's. One pass over the pattern that lets through only what is known, so
 * a feature of PCRE2 that nobody thought of is refused too, and writes each piece in the form that
 * means the same there:
 *
 *     RE2            written as         because in PCRE2
 *     \v             \x{b}              \v is a class of seven characters
 *     \123           \x{53}             \123 may be a back-reference
 *     \s \S          [\t\n\f\r ] ...    \s has the vertical tab too
 *     \pN \p{Greek}  \p{N} \p{sc:Greek} \p{Greek} means the script's extensions
 *     (...)          (?:...)            captures cost time and nobody asks for them
 *     {  ]           \{  \]             later versions read {,5} as a repeat
 *
 * Refused: back-references, look-around, atomic groups, possessive and doubled repeats, recursion,
 * conditionals, callouts, control verbs, \C, \K, \R, \X and every other escape that RE2 has not.
 *
 *   X1: what is appended to out is a pattern of PCRE2 with the same language, or a status is
 * returned. X2: repeats of repeats are multiplied out: products[d] is the largest on open level d,
 * and none exceeds VV_REGEX_REPEAT_MAX, so x{1000} costs what it says and (x{100}){100} is refused.
 */
#include "base/regex_priv.h"

#include "base/assert.h"
#include "base/limit.h"
#include "base/status.h"
#include "base/text.h"
#include "base/text_priv.h"
#include "base/utf8.h"

typedef struct regex_scan {
    varve_text pattern;
    size_t position;
    vv_buf *out;
    vv_regex_syntax *syntax;
    varve_error *out_err;
    bool can_repeat;                             /* something that a repeat may follow precedes */
    uint32_t atom_product;                       /* repeats multiplied inside of it */
    uint32_t depth;                              /* open groups */
    uint32_t products[VV_REGEX_NESTING_MAX + 1]; /* X2 */
} regex_scan;

/* ---- reading and failing ---- */

static VV_COLD varve_status regex_scan_fail(const regex_scan *scan, size_t position,
                                            const char *what)
{
    varve_text shown = vv_utf8_cut(scan->pattern, 100);
    return vv_fail(scan->out_err, VARVE_E_INVALID, "regular expression \"%.*s\": %s at byte %zu",
                   VV_TEXT_ARGS(shown), what, position);
}

/* The character at an offset from the position; 0 behind the end. Zero bytes read as such, and mean
 * nothing. */
static char regex_scan_peek(const regex_scan *scan, size_t offset)
{
    size_t left = scan->pattern.size - scan->position;
    return offset < left ? scan->pattern.data[scan->position + offset] : '\0';
}

static bool regex_scan_is_at_end(const regex_scan *scan)
{
    return scan->position == scan->pattern.size;
}

static bool regex_scan_take(regex_scan *scan, char c)
{
    if (regex_scan_is_at_end(scan) || scan->pattern.data[scan->position] != c) {
        return false;
    }
    scan->position += 1;
    return true;
}

static bool regex_scan_is_alnum(char c)
{
    return vv_text_is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* ---- writing ---- */

static void regex_scan_put(regex_scan *scan, const char *string)
{
    (void)vv_buf_append_text(scan->out, vv_text_from_string(string));
}

/* A literal character, safe inside and outside of classes. */
static void regex_scan_put_char(regex_scan *scan, uint32_t code_point)
{
    if (code_point < 0x20 || code_point == 0x7F || (code_point >= 0xD800 && code_point < 0xE000)) {
        (void)vv_buf_append_format(scan->out, "\\x{%x}", (unsigned)code_point);
        return;
    }
    char bytes[4];
    size_t size = vv_utf8_write(bytes, code_point);
    if (size == 1 && !regex_scan_is_alnum(bytes[0])) {
        (void)vv_buf_append_char(scan->out, '\\');
    }
    (void)vv_buf_append(scan->out, bytes, size);
}

static void regex_scan_atom(regex_scan *scan)
{
    scan->can_repeat = true;
    scan->atom_product = 1;
}

/* ---- escapes ---- */

/* "\x41" or "\x{10FFFF}" behind the x. */
static bool regex_scan_hex(varve_text pattern, size_t *position, uint32_t *out_code_point)
{
    uint32_t value = 0;
    size_t index = *position;
    bool is_braced = index < pattern.size && pattern.data[index] == '{';
    index += is_braced ? 1 : 0;
    size_t begin = index;
    while (index < pattern.size && (is_braced || index < begin + 2)) {
        uint8_t digit = 0;
        char pair[2] = {'0', pattern.data[index]};
        if (!vv_text_parse_hex(vv_text_make(pair, sizeof pair), &digit)) {
            break;
        }
        value = value * 16 + digit;
        if (value > 0x10FFFF) {
            return false;
        }
        index += 1;
    }
    if (is_braced ? index == begin || index >= pattern.size || pattern.data[index] != '}'
                  : index != begin + 2) {
        return false;
    }
    *position = index + (is_braced ? 1 : 0);
    *out_code_point = value;
    return true;
}

/* "\0", "\07", "\123" behind the backslash; "\1" alone would be a back-reference. */
static bool regex_scan_octal(varve_text pattern, size_t *position, uint32_t *out_code_point)
{
    size_t index = *position;
    uint32_t value = 0;
    while (index < pattern.size && index < *position + 3 && pattern.data[index] >= '0' &&
           pattern.data[index] <= '7') {
        value = value * 8 + (uint32_t)(pattern.data[index] - '0');
        index += 1;
    }
    if (index == *position || (pattern.data[*position] != '0' && index == *position + 1)) {
        return false;
    }
    *position = index;
    *out_code_point = value;
    return true;
}

bool vv_regex_escaped_char(varve_text pattern, size_t *position, uint32_t *out_code_point)
{
    static const char values[] = "\a\f\t\n\r\v";
    size_t index = *position + 1;
    if (index >= pattern.size) {
        return false;
    }
    char c = pattern.data[index];
    if (c == 'x' || vv_text_is_digit(c)) {
        index += c == 'x' ? 1 : 0;
        bool is_char = c == 'x' ? regex_scan_hex(pattern, &index, out_code_point)
                                : regex_scan_octal(pattern, &index, out_code_point);
        *position = is_char ? index : *position;
        return is_char;
    }
    size_t letter = vv_text_find_char(VV_TEXT("aftnrv"), c);
    if (letter < sizeof values - 1) {
        *out_code_point = (uint8_t)values[letter];
    } else if ((uint8_t)c < 0x80 && !regex_scan_is_alnum(c)) {
        *out_code_point = (uint8_t)c;
    } else {
        return false;
    }
    *position = index + 1;
    return true;
}

/* Where the name of \p{name} ends (at the brace); 0 when it is no name. */
static size_t regex_scan_property_end(varve_text pattern, size_t begin)
{
    size_t index = begin;
    while (index < pattern.size &&
           (regex_scan_is_alnum(pattern.data[index]) || pattern.data[index] == '_')) {
        index += 1;
    }
    bool is_name = index > begin && index - begin <= 32 && index < pattern.size &&
                   pattern.data[index] == '}' && pattern.data[begin] != 'X';
    return is_name ? index : 0;
}

/* \pN, \p{Name}, \p{^Name} and with P; the position is at the backslash. */
static varve_status regex_scan_property(regex_scan *scan)
{
    size_t begin = scan->position;
    bool is_negative = regex_scan_peek(scan, 1) == 'P';
    scan->position += 2;
    varve_text name = vv_text_make(scan->pattern.data + scan->position, 1);
    if (!regex_scan_take(scan, '{')) {
        if (regex_scan_is_at_end(scan) || !regex_scan_is_alnum(name.data[0])) {
            return regex_scan_fail(scan, begin, "bad character property");
        }
        scan->position += 1;
    } else {
        if (regex_scan_take(scan, '^')) {
            is_negative = !is_negative;
        }
        size_t end = regex_scan_property_end(scan->pattern, scan->position);
        if (end == 0) {
            return regex_scan_fail(scan, begin, "bad character property");
        }
        name = vv_text_make(scan->pattern.data + scan->position, end - scan->position);
        scan->position = end + 1;
    }
    /* Categories have one or two letters; so has one script. */
    bool is_script = (name.size > 2 && !vv_text_equal(name, VV_TEXT("Any"))) ||
                     vv_text_equal(name, VV_TEXT("Yi"));
    (void)vv_buf_append_format(scan->out, "\\%c{%s%.*s}", is_negative ? 'P' : 'p',
                               is_script ? "sc:" : "", VV_TEXT_ARGS(name));
    return VARVE_OK;
}

/* Everything up to \E is literal. */
static varve_status regex_scan_quote(regex_scan *scan)
{
    scan->syntax->has_quote = true;
    scan->position += 2;
    while (!regex_scan_is_at_end(scan)) {
        if (regex_scan_peek(scan, 0) == '\\' && regex_scan_peek(scan, 1) == 'E') {
            scan->position += 2;
            return VARVE_OK;
        }
        regex_scan_put_char(scan, vv_utf8_next(scan->pattern, &scan->position));
        regex_scan_atom(scan);
    }
    return VARVE_OK;
}

/* \s and \S, written out: outside of classes, or inside of one. */
static void regex_scan_put_space(regex_scan *scan, bool is_negative, bool is_in_class)
{
    if (is_in_class) {
        regex_scan_put(scan, is_negative ? "\\S\\x{b}" : "\\t\\n\\f\\r\\x{20}");
    } else {
        regex_scan_put(scan, is_negative ? "[^\\t\\n\\f\\r\\x{20}]" : "[\\t\\n\\f\\r\\x{20}]");
    }
}

/* Escapes that mean the same inside and outside of classes. *out_known is false when it is none of
 * them. */
static varve_status regex_scan_common_escape(regex_scan *scan, bool is_in_class, bool *out_known)
{
    char c = regex_scan_peek(scan, 1);
    *out_known = true;
    if (c == 'p' || c == 'P') {
        return regex_scan_property(scan);
    }
    if (c == 's' || c == 'S') {
        regex_scan_put_space(scan, c == 'S', is_in_class);
        scan->position += 2;
        return VARVE_OK;
    }
    if (c == 'd' || c == 'D' || c == 'w' || c == 'W') {
        (void)vv_buf_append(scan->out, scan->pattern.data + scan->position, 2);
        scan->position += 2;
        return VARVE_OK;
    }
    *out_known = false;
    return VARVE_OK;
}

static varve_status regex_scan_escape(regex_scan *scan)
{
    size_t begin = scan->position;
    char c = regex_scan_peek(scan, 1);
    if (c == 'Q') {
        return regex_scan_quote(scan);
    }
    bool is_known;
    VV_TRY(regex_scan_common_escape(scan, /* is_in_class */ false, &is_known));
    if (is_known) {
        regex_scan_atom(scan);
        return VARVE_OK;
    }
    uint32_t code_point;
    if (vv_regex_escaped_char(scan->pattern, &scan->position, &code_point)) {
        regex_scan_put_char(scan, code_point);
        regex_scan_atom(scan);
        return VARVE_OK;
    }
    if (c == 'A' || c == 'z' || c == 'b' || c == 'B') {
        (void)vv_buf_append(scan->out, scan->pattern.data + begin, 2);
        scan->position += 2;
        scan->can_repeat = false;
        return VARVE_OK;
    }
    if (vv_text_is_digit(c) || c == 'g' || c == 'k') {
        return regex_scan_fail(scan, begin, "back-references are not supported");
    }
    return regex_scan_fail(scan, begin,
                           begin + 1 == scan->pattern.size ? "nothing follows the backslash"
                                                           : "unknown escape");
}

/* ---- classes ---- */

#define REGEX_SCAN_CLASSES                                                                   \
    VV_TEXT(" alnum alpha ascii blank cntrl digit graph lower print punct space upper word " \
            "xdigit ")

/* "[:alpha:]" inside of a class. *out_known is false when the bracket is just a bracket. */
static varve_status regex_scan_posix(regex_scan *scan, bool *out_known)
{
    *out_known = false;
    if (regex_scan_peek(scan, 0) != '[' || regex_scan_peek(scan, 1) != ':') {
        return VARVE_OK;
    }
    varve_text rest = vv_text_sub(scan->pattern, scan->position + 2, SIZE_MAX);
    size_t size = vv_text_find(rest, VV_TEXT(":]"));
    if (size == SIZE_MAX) {
        return VARVE_OK;
    }
    bool is_negative = size > 0 && rest.data[0] == '^';
    varve_text name = vv_text_sub(rest, is_negative ? 1 : 0, size - (is_negative ? 1 : 0));
    char padded[16];
    if (name.size == 0 || name.size > 8 || vv_text_find_char(name, ' ') < name.size) {
        return regex_scan_fail(scan, scan->position, "unknown character class");
    }
    size_t padded_size = vv_text_format(padded, sizeof padded, " %.*s ", VV_TEXT_ARGS(name));
    if (!vv_text_contains(REGEX_SCAN_CLASSES, vv_text_make(padded, padded_size))) {
        return regex_scan_fail(scan, scan->position, "unknown character class");
    }
    (void)vv_buf_append(scan->out, scan->pattern.data + scan->position, size + 4);
    scan->position += size + 4;
    *out_known = true;
    return VARVE_OK;
}

/* One character of a class, plain or escaped. */
static varve_status regex_scan_class_char(regex_scan *scan, uint32_t *out_code_point)
{
    if (regex_scan_is_at_end(scan)) {
        return regex_scan_fail(scan, scan->position, "missing ]");
    }
    if (regex_scan_peek(scan, 0) != '\\') {
        *out_code_point = vv_utf8_next(scan->pattern, &scan->position);
        return VARVE_OK;
    }
    if (!vv_regex_escaped_char(scan->pattern, &scan->position, out_code_point)) {
        return regex_scan_fail(scan, scan->position, "unknown escape in a class");
    }
    return VARVE_OK;
}

/* A character, a range, or a named class. */
static varve_status regex_scan_class_item(regex_scan *scan)
{
    bool is_known;
    VV_TRY(regex_scan_posix(scan, &is_known));
    if (is_known) {
        return VARVE_OK;
    }
    if (regex_scan_peek(scan, 0) == '\\') {
        VV_TRY(regex_scan_common_escape(scan, /* is_in_class */ true, &is_known));
        if (is_known) {
            return VARVE_OK;
        }
    }
    size_t begin = scan->position;
    uint32_t first = 0;
    uint32_t last = 0;
    VV_TRY(regex_scan_class_char(scan, &first));
    regex_scan_put_char(scan, first);
    if (regex_scan_peek(scan, 0) != '-' || regex_scan_peek(scan, 1) == ']') {
        return VARVE_OK;
    }
    scan->position += 1;
    VV_TRY(regex_scan_class_char(scan, &last));
    if (last < first) {
        return regex_scan_fail(scan, begin, "range out of order");
    }
    regex_scan_put(scan, "-");
    regex_scan_put_char(scan, last);
    return VARVE_OK;
}

static varve_status regex_scan_class(regex_scan *scan)
{
    size_t begin = scan->position;
    scan->position += 1;
    regex_scan_put(scan, regex_scan_take(scan, '^') ? "[^" : "[");
    bool is_first = true;
    while (is_first || regex_scan_peek(scan, 0) != ']') {
        if (regex_scan_is_at_end(scan)) {
            return regex_scan_fail(scan, begin, "missing ]");
        }
        VV_TRY(regex_scan_class_item(scan));
        is_first = false;
    }
    scan->position += 1;
    regex_scan_put(scan, "]");
    regex_scan_atom(scan);
    return VARVE_OK;
}

/* ---- repeats ---- */

/* Digits without leading zeros, at most four of them told apart. */
static bool regex_scan_number(regex_scan *scan, uint32_t *out_number)
{
    size_t begin = scan->position;
    uint32_t number = 0;
    while (vv_text_is_digit(regex_scan_peek(scan, 0))) {
        number = number > VV_REGEX_REPEAT_MAX
                     ? number
                     : number * 10 + (uint32_t)(regex_scan_peek(scan, 0) - '0');
        scan->position += 1;
    }
    *out_number = number;
    size_t size = scan->position - begin;
    return size == 1 || (size > 1 && scan->pattern.data[begin] != '0');
}

/* "{2}", "{2,}" or "{2,5}" at the position, which moves behind it; false and unmoved when it is
 * something else. */
static bool regex_scan_counts(regex_scan *scan, uint32_t *out_least, uint32_t *out_most,
                              bool *out_is_bounded)
{
    size_t begin = scan->position;
    scan->position += 1;
    bool is_repeat = regex_scan_number(scan, out_least);
    *out_most = *out_least;
    *out_is_bounded = true;
    if (is_repeat && regex_scan_take(scan, ',')) {
        *out_is_bounded = regex_scan_peek(scan, 0) != '}';
        is_repeat = !*out_is_bounded || regex_scan_number(scan, out_most);
    }
    is_repeat = is_repeat && regex_scan_take(scan, '}');
    if (!is_repeat) {
        scan->position = begin;
    }
    return is_repeat;
}

static varve_status regex_scan_count_limits(regex_scan *scan, size_t begin, uint32_t least,
                                            uint32_t most)
{
    if (least > VV_REGEX_REPEAT_MAX || most > VV_REGEX_REPEAT_MAX) {
        return vv_fail_limit(scan->out_err, VARVE_E_LIMIT, VV_LIMIT_REGEX,
                             "regular expression: repeat count above %u at byte %zu",
                             VV_REGEX_REPEAT_MAX, begin);
    }
    if (most < least) {
        return regex_scan_fail(scan, begin, "repeat counts out of order");
    }
    uint32_t factor = most == 0 ? 1 : most;
    scan->atom_product *= factor; /* both at most 1000 */
    if (scan->atom_product > VV_REGEX_REPEAT_MAX) {
        return vv_fail_limit(
            scan->out_err, VARVE_E_LIMIT, VV_LIMIT_REGEX,
            "regular expression: nested repeats multiply to more than %u at byte %zu",
            VV_REGEX_REPEAT_MAX, begin);
    }
    return VARVE_OK;
}

/* A repeat, its '?' included; the position is at its first character. */
static varve_status regex_scan_repeat(regex_scan *scan)
{
    size_t begin = scan->position;
    if (regex_scan_peek(scan, 0) == '{') {
        uint32_t least;
        uint32_t most;
        bool is_bounded;
        if (!regex_scan_counts(scan, &least, &most, &is_bounded)) {
            scan->position += 1;
            regex_scan_put(scan, "\\{");
            regex_scan_atom(scan);
            return VARVE_OK;
        }
        VV_TRY(regex_scan_count_limits(scan, begin, least, most));
    } else {
        scan->position += 1;
    }
    if (!scan->can_repeat) {
        return regex_scan_fail(scan, begin, "nothing to repeat");
    }
    (void)regex_scan_take(scan, '?');
    char next = regex_scan_peek(scan, 0);
    if (next == '+' || next == '*' || next == '?') {
        return regex_scan_fail(scan, scan->position,
                               "possessive and doubled repeats are not supported");
    }
    (void)vv_buf_append(scan->out, scan->pattern.data + begin, scan->position - begin);
    if (scan->atom_product > scan->products[scan->depth]) {
        scan->products[scan->depth] = scan->atom_product;
    }
    scan->can_repeat = false;
    return VARVE_OK;
}

/* ---- groups ---- */

static varve_status regex_scan_open(regex_scan *scan, const char *written)
{
    if (scan->depth == VV_REGEX_NESTING_MAX) {
        return vv_fail_limit(scan->out_err, VARVE_E_LIMIT, VV_LIMIT_REGEX,
                             "regular expression: groups nested deeper than %u at byte %zu",
                             VV_REGEX_NESTING_MAX, scan->position);
    }
    scan->depth += 1;
    scan->products[scan->depth] = 1;
    scan->can_repeat = false;
    regex_scan_put(scan, written);
    return VARVE_OK;
}

/* "P<name>" or "<name>" at the position: skipped, since nobody asks for captures. */
static bool regex_scan_group_name(regex_scan *scan)
{
    size_t begin = scan->position;
    (void)regex_scan_take(scan, 'P');
    size_t name_size = 0;
    if (regex_scan_take(scan, '<')) {
        while (regex_scan_is_alnum(regex_scan_peek(scan, 0)) || regex_scan_peek(scan, 0) == '_') {
            scan->position += 1;
            name_size += 1;
        }
        if (name_size > 0 && regex_scan_take(scan, '>')) {
            return true;
        }
    }
    scan->position = begin;
    return false;
}

/* "i", "m-s" ... up to ':' or ')', which is left. False when it is something else. */
static bool regex_scan_flags(regex_scan *scan)
{
    bool has_minus = false;
    bool has_flag = false;
    for (;;) {
        char c = regex_scan_peek(scan, 0);
        if (c == ':' || c == ')') {
            return has_flag || !has_minus;
        }
        if (c == '-' && !has_minus) {
            has_minus = true;
            has_flag = false;
        } else if (c == 'i' || c == 'm' || c == 's' || c == 'U') {
            has_flag = true;
        } else {
            return false;
        }
        scan->position += 1;
    }
}

/* What follows "(?" and is refused. */
static const char *regex_scan_refusal(const regex_scan *scan)
{
    char c = regex_scan_peek(scan, 0);
    char next = regex_scan_peek(scan, 1);
    if (c == '=' || c == '!' || (c == '<' && (next == '=' || next == '!'))) {
        return "look-around is not supported";
    }
    if (c == '>') {
        return "atomic groups are not supported";
    }
    if (c == '(') {
        return "conditionals are not supported";
    }
    if (c == 'C') {
        return "callouts are not supported";
    }
    if (c == 'R' || c == '&' || c == '+' || vv_text_is_digit(c) || (c == 'P' && next == '>') ||
        (c == '-' && vv_text_is_digit(next))) {
        return "recursion is not supported";
    }
    if (c == 'P' && next == '=') {
        return "back-references are not supported";
    }
    return "unknown kind of group";
}

static varve_status regex_scan_group(regex_scan *scan)
{
    size_t begin = scan->position;
    scan->position += 1;
    if (regex_scan_peek(scan, 0) == '*') {
        return regex_scan_fail(scan, begin, "control verbs are not supported");
    }
    if (!regex_scan_take(scan, '?')) {
        return regex_scan_open(scan, "(?:");
    }
    if (regex_scan_group_name(scan)) {
        return regex_scan_open(scan, "(?:");
    }
    size_t flags_begin = scan->position;
    if (!regex_scan_flags(scan)) {
        scan->position = flags_begin;
        return regex_scan_fail(scan, begin, regex_scan_refusal(scan));
    }
    bool is_group = regex_scan_peek(scan, 0) == ':';
    bool is_plain = is_group && scan->position == flags_begin;
    scan->syntax->has_flags = scan->syntax->has_flags || !is_plain;
    scan->position += 1;
    if (is_group) {
        VV_TRY(regex_scan_open(scan, ""));
    }
    (void)vv_buf_append(scan->out, scan->pattern.data + begin, scan->position - begin);
    scan->can_repeat = false;
    return VARVE_OK;
}

static varve_status regex_scan_close(regex_scan *scan)
{
    if (scan->depth == 0) {
        return regex_scan_fail(scan, scan->position, "unexpected )");
    }
    uint32_t product = scan->products[scan->depth];
    scan->depth -= 1;
    if (product > scan->products[scan->depth]) {
        scan->products[scan->depth] = product;
    }
    scan->position += 1;
    regex_scan_put(scan, ")");
    scan->can_repeat = true;
    scan->atom_product = product;
    return VARVE_OK;
}

/* ---- the whole ---- */

static varve_status regex_scan_piece(regex_scan *scan)
{
    char c = regex_scan_peek(scan, 0);
    switch (c) {
    case '\\':
        return regex_scan_escape(scan);
    case '[':
        return regex_scan_class(scan);
    case '(':
        return regex_scan_group(scan);
    case ')':
        return regex_scan_close(scan);
    case '*':
    case '+':
    case '?':
    case '{':
        return regex_scan_repeat(scan);
    case '|':
        scan->syntax->has_top_alternation = scan->syntax->has_top_alternation || scan->depth == 0;
        VV_FALLTHROUGH;
    case '^':
    case '$':
        (void)vv_buf_append_char(scan->out, c);
        scan->position += 1;
        scan->can_repeat = false;
        return VARVE_OK;
    case '.':
        (void)vv_buf_append_char(scan->out, c);
        scan->position += 1;
        regex_scan_atom(scan);
        return VARVE_OK;
    default:
        regex_scan_put_char(scan, vv_utf8_next(scan->pattern, &scan->position));
        regex_scan_atom(scan);
        return VARVE_OK;
    }
}

varve_status vv_regex_scan(varve_text pattern, vv_buf *out_pcre, vv_regex_syntax *out_syntax,
                           varve_error *out_err)
{
    *out_syntax = (vv_regex_syntax){.has_flags = false};
    regex_scan scan = {
        .pattern = pattern, .out = out_pcre, .syntax = out_syntax, .out_err = out_err};
    scan.products[0] = 1;
    if (pattern.size > VV_REGEX_PATTERN_BYTES_MAX) {
        return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_REGEX,
                             "regular expression of %zu bytes, the limit is %u", pattern.size,
                             VV_REGEX_PATTERN_BYTES_MAX);
    }
    if (!vv_utf8_is_valid(pattern)) {
        return regex_scan_fail(&scan, vv_utf8_valid_prefix(pattern), "not UTF-8");
    }
    while (!regex_scan_is_at_end(&scan)) {
        VV_TRY(regex_scan_piece(&scan));
    }
    if (scan.depth > 0) {
        return regex_scan_fail(&scan, pattern.size, "missing )");
    }
    return vv_buf_check(out_pcre, out_err);
}
