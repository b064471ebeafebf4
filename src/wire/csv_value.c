/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Values in cells of CSV.
 *
 *     f64        1.5  1.0  NaN  +Inf  NaN:7ff0000000000002     i64 u64   digits
 *     bool       true false                                    string    as it is
 *     bytes      base64                                        histogram JSON, as in JSON lines
 *     text       a string, or \x and hex digits for bytes; a string that begins with \ has it twice
 *     mixed      the name of the type, a colon, and the value: i64:5
 *
 * V1  What vv_csv_value_write makes of a value under a type, vv_csv_value_read gives back, bit for
 *     bit. (PLAIN is for people and not read.)
 * V2  An empty cell is no value; one in quotes is an empty string where the type has strings.
 */

#include <math.h>
#include <string.h>

#include "base/json_writer.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "wire/csv_cell.h"
#include "wire/json_lines.h"
#include "wire/json_priv.h"

static const struct {
    const char *word;
    uint32_t type;
} csv_types[] = {
    {"f64", VARVE_TYPE_F64},       {"i64", VARVE_TYPE_I64},
    {"u64", VARVE_TYPE_U64},       {"bool", VARVE_TYPE_BOOL},
    {"string", VARVE_TYPE_STRING}, {"bytes", VARVE_TYPE_BYTES},
    {"text", VV_CSV_TEXT},         {"histogram", VARVE_TYPE_HISTOGRAM},
    {"mixed", VV_CSV_MIXED},
};

bool vv_csv_type_parse(varve_text word, uint32_t *out_type)
{
    for (size_t i = 0; i < VV_ARRAY_COUNT(csv_types); i++) {
        if (vv_text_equal(word, vv_text_from_string(csv_types[i].word))) {
            *out_type = csv_types[i].type;
            return true;
        }
    }
    return false;
}

const char *vv_csv_type_name(uint32_t type)
{
    for (size_t i = 0; i < VV_ARRAY_COUNT(csv_types); i++) {
        if (csv_types[i].type == type) {
            return csv_types[i].word;
        }
    }
    return "unknown";
}

/* ---- reading -------------------------------------------------------------------------------- */

static varve_status csv_value_bad(varve_text text, const char *wanted, varve_error *out_err)
{
    return vv_fail(out_err, VARVE_E_INVALID, "\"%.*s\" is no %s",
                   VV_TEXT_ARGS(vv_text_sub(text, 0, 64)), wanted);
}

/** Words for NaN and infinities as programs write them: nan, -Infinity. */
static bool csv_value_word(varve_text text, double *out_value)
{
    if (vv_json_word_f64(text, out_value)) {
        return true;
    }
    bool is_negative = text.size > 0 && text.data[0] == '-';
    size_t sign = is_negative || (text.size > 0 && text.data[0] == '+') ? 1 : 0;
    varve_text word = vv_text_sub(text, sign, text.size);
    if (vv_text_equal_nocase(word, VV_TEXT("nan")) && sign == 0) {
        return vv_json_word_f64(VV_TEXT("NaN"), out_value);
    }
    if (vv_text_equal_nocase(word, VV_TEXT("inf")) ||
        vv_text_equal_nocase(word, VV_TEXT("infinity"))) {
        *out_value = is_negative ? -VV_F64_INFINITY : VV_F64_INFINITY;
        return true;
    }
    return false;
}

static bool csv_value_bool(varve_text text, bool *out_value)
{
    static const char *const words[2][5] = {{"false", "f", "no", "n", "0"},
                                            {"true", "t", "yes", "y", "1"}};
    for (size_t i = 0; i < 10; i++) {
        if (vv_text_equal_nocase(text, vv_text_from_string(words[i / 5][i % 5]))) {
            *out_value = i >= 5;
            return true;
        }
    }
    return false;
}

static varve_status csv_value_number(varve_text text, uint32_t type, varve_value *out_value,
                                     varve_error *out_err)
{
    text = vv_text_trim(text);
    out_value->type = type;
    bool is_short = text.size <= VV_CSV_NUMBER_BYTES_MAX;
    switch (type) {
    case VARVE_TYPE_F64:
        if (is_short && (vv_text_parse_f64(text, &out_value->as.f64) ||
                         csv_value_word(text, &out_value->as.f64))) {
            return VARVE_OK;
        }
        return csv_value_bad(text, "number", out_err);
    case VARVE_TYPE_I64:
        return is_short && vv_text_parse_i64(text, &out_value->as.i64)
                   ? VARVE_OK
                   : csv_value_bad(text, "64-bit integer (i64)", out_err);
    case VARVE_TYPE_U64:
        return is_short && vv_text_parse_u64(text, &out_value->as.u64)
                   ? VARVE_OK
                   : csv_value_bad(text, "unsigned 64-bit integer (u64)", out_err);
    default:
        return csv_value_bool(text, &out_value->as.boolean)
                   ? VARVE_OK
                   : csv_value_bad(text, "bool: true or false", out_err);
    }
}

static varve_status csv_value_base64(varve_text text, vv_arena *arena, varve_value *out_value,
                                     varve_error *out_err)
{
    size_t size = 0;
    uint8_t *target = vv_arena_new(arena, text.size / 4 * 3 + 4);
    if (target == NULL) {
        return vv_arena_fail(arena, text.size, out_err);
    }
    if (!vv_text_parse_base64(text, target, &size)) {
        return csv_value_bad(text, "base64", out_err);
    }
    out_value->type = VARVE_TYPE_BYTES;
    out_value->as.bytes = vv_text_make((const char *)target, size);
    return VARVE_OK;
}

static varve_status csv_value_text(varve_text text, vv_arena *arena, varve_value *out_value,
                                   varve_error *out_err)
{
    out_value->type = VARVE_TYPE_STRING;
    out_value->as.bytes = text;
    if (!vv_text_starts_with(text, VV_TEXT("\\"))) {
        return VARVE_OK;
    }
    if (vv_text_starts_with(text, VV_TEXT("\\\\"))) {
        out_value->as.bytes = vv_text_sub(text, 1, text.size);
        return VARVE_OK;
    }
    varve_text digits = vv_text_sub(text, 2, text.size);
    uint8_t *target = vv_arena_new(arena, digits.size / 2 + 1);
    if (target == NULL) {
        return vv_arena_fail(arena, digits.size / 2 + 1, out_err);
    }
    if (!vv_text_starts_with(text, VV_TEXT("\\x")) || !vv_text_parse_hex(digits, target)) {
        return csv_value_bad(text, "text: \\\\ for a backslash, \\x and hex digits for bytes",
                             out_err);
    }
    out_value->type = VARVE_TYPE_BYTES;
    out_value->as.bytes = vv_text_make((const char *)target, digits.size / 2);
    return VARVE_OK;
}

/** i64:5 */
static varve_status csv_value_mixed(varve_text text, vv_arena *arena, varve_value *out_value,
                                    varve_error *out_err)
{
    size_t colon = vv_text_find_char(text, ':');
    uint32_t type;
    if (colon == text.size || !vv_csv_type_parse(vv_text_sub(text, 0, colon), &type) ||
        type == VV_CSV_MIXED) {
        return csv_value_bad(text, "value with its type, such as i64:5", out_err);
    }
    /* As if quoted: string: is an empty string. */
    vv_csv_cell inner = {.text = vv_text_sub(text, colon + 1, text.size), .is_quoted = true};
    VV_TRY(vv_csv_value_read(&inner, type, arena, out_value, out_err));
    return out_value->type != VARVE_TYPE_NONE
               ? VARVE_OK
               : csv_value_bad(text, "value with its type, such as i64:5", out_err);
}

varve_status vv_csv_value_read(const vv_csv_cell *cell, uint32_t type, vv_arena *arena,
                               varve_value *out_value, varve_error *out_err)
{
    bool is_text = type == VARVE_TYPE_STRING || type == VARVE_TYPE_BYTES || type == VV_CSV_TEXT;
    *out_value = (varve_value){.type = VARVE_TYPE_NONE};
    if (cell->text.size == 0 && !(is_text && cell->is_quoted)) {
        return VARVE_OK;
    }
    switch (type) {
    case VARVE_TYPE_STRING:
        out_value->type = VARVE_TYPE_STRING;
        out_value->as.bytes = cell->text;
        return VARVE_OK;
    case VARVE_TYPE_BYTES:
        return csv_value_base64(cell->text, arena, out_value, out_err);
    case VV_CSV_TEXT:
        return csv_value_text(cell->text, arena, out_value, out_err);
    case VV_CSV_MIXED:
        return csv_value_mixed(cell->text, arena, out_value, out_err);
    case VARVE_TYPE_HISTOGRAM:
        out_value->type = VARVE_TYPE_HISTOGRAM;
        return vv_json_histogram_parse(cell->text, arena, &out_value->as.histogram, out_err);
    default:
        return csv_value_number(cell->text, type, out_value, out_err);
    }
}

/* ---- writing -------------------------------------------------------------------------------- */

static void csv_put_f64(vv_buf *buf, double value)
{
    char text[VV_TEXT_F64_BYTES_MAX];
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (isnan(value) && bits != UINT64_C(0x7ff8000000000000)) {
        vv_buf_append_format(buf, "NaN:%016llx", (unsigned long long)bits);
    } else if (isnan(value)) {
        vv_buf_append_text(buf, VV_TEXT("NaN"));
    } else if (isinf(value)) {
        vv_buf_append_text(buf, value > 0 ? VV_TEXT("+Inf") : VV_TEXT("-Inf"));
    } else {
        vv_buf_append(buf, text, vv_text_print_f64(text, value));
    }
}

static void csv_put_bytes(vv_buf *buf, varve_text bytes, uint32_t type)
{
    bool is_hex = type == VV_CSV_TEXT;
    if (is_hex) {
        vv_buf_append_text(buf, VV_TEXT("\\x"));
    }
    uint8_t *target = vv_buf_extend(buf, is_hex ? bytes.size * 2 : vv_text_base64_size(bytes.size));
    if (target == NULL || bytes.size == 0) {
        return;
    }
    if (is_hex) {
        vv_text_print_hex((char *)target, bytes.data, bytes.size);
    } else {
        vv_text_print_base64((char *)target, bytes.data, bytes.size);
    }
}

static void csv_put_string(vv_buf *buf, varve_text text, uint32_t type)
{
    if (type == VV_CSV_TEXT && vv_text_starts_with(text, VV_TEXT("\\"))) {
        vv_buf_append_char(buf, '\\');
    }
    vv_buf_append_text(buf, text);
}

/** The members of {"histogram":...} without the shell. */
static void csv_put_histogram(vv_buf *buf, const varve_value *value)
{
    static const varve_text shell = VV_TEXT_INIT("{\"histogram\":");
    size_t begin = buf->size;
    vv_json json;
    vv_json_init(&json, buf);
    vv_json_value(&json, value);
    if (buf->status == VARVE_OK && buf->size > begin + shell.size) {
        memmove(buf->data + begin, buf->data + begin + shell.size,
                buf->size - begin - shell.size - 1);
        vv_buf_truncate(buf, buf->size - shell.size - 1);
    }
}

void vv_csv_value_write(vv_buf *buf, const varve_value *value, uint32_t type, bool *out_is_text)
{
    char text[VV_TEXT_I64_BYTES_MAX];
    *out_is_text = false;
    if (type == VV_CSV_MIXED && value->type != VARVE_TYPE_NONE) {
        vv_buf_append_format(buf, "%s:", vv_csv_type_name(value->type));
    }
    switch (value->type) {
    case VARVE_TYPE_F64:
        csv_put_f64(buf, value->as.f64);
        break;
    case VARVE_TYPE_I64:
        vv_buf_append(buf, text, vv_text_print_i64(text, value->as.i64));
        break;
    case VARVE_TYPE_U64:
        vv_buf_append(buf, text, vv_text_print_u64(text, value->as.u64));
        break;
    case VARVE_TYPE_BOOL:
        vv_buf_append_text(buf, value->as.boolean ? VV_TEXT("true") : VV_TEXT("false"));
        break;
    case VARVE_TYPE_STRING:
        *out_is_text = true;
        csv_put_string(buf, value->as.bytes, type);
        break;
    case VARVE_TYPE_BYTES:
        *out_is_text = true;
        csv_put_bytes(buf, value->as.bytes, type);
        break;
    case VARVE_TYPE_HISTOGRAM:
        csv_put_histogram(buf, value);
        break;
    default:
        break;
    }
}
