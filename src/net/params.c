/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Query strings and forms, as "application/x-www-form-urlencoded" has them: pairs between '&', a
 * name and a value at the first '=', %XX for bytes and '+' for a space. Nothing is guessed: a bad
 * escape is an error, not a literal percent sign.
 */

#include "net/params.h"

#include <string.h>

#include "base/limit.h"
#include "base/status.h"
#include "base/utf8.h"

static int params_hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

varve_status vv_percent_decode(varve_text text, vv_percent place, vv_arena *arena,
                               varve_text *out_text, varve_error *out_err)
{
    char *target = vv_arena_new(arena, text.size + 1);
    if (target == NULL) {
        return vv_arena_fail(arena, text.size + 1, out_err);
    }
    size_t size = 0;
    for (size_t index = 0; index < text.size; index++) {
        char c = text.data[index];
        if (c == '+' && place == VV_PERCENT_QUERY) {
            c = ' ';
        } else if (c == '%') {
            int high = text.size - index > 2 ? params_hex(text.data[index + 1]) : -1;
            int low = text.size - index > 2 ? params_hex(text.data[index + 2]) : -1;
            if (high < 0 || low < 0) {
                return vv_fail(out_err, VARVE_E_INVALID, "bad escape \"%.*s\" in the request",
                               VV_TEXT_ARGS(vv_text_sub(text, index, 3)));
            }
            char byte = (char)(unsigned char)(high * 16 + low);
            bool stays = place == VV_PERCENT_PATH && (byte == '/' || byte == '%');
            c = stays ? c : byte;
            index += stays ? 0 : 2; /* the two digits are copied then */
        }
        target[size] = c;
        size += 1;
    }
    target[size] = '\0';
    varve_text decoded = vv_text_make(target, size);
    if (!vv_utf8_is_valid(decoded)) {
        return vv_fail(out_err, VARVE_E_INVALID, "the request is not UTF-8");
    }
    *out_text = decoded;
    return VARVE_OK;
}

static varve_status params_add(vv_params *params, vv_param param, vv_arena *arena,
                               varve_error *out_err)
{
    if (params->count == VV_PARAMS_MAX) {
        return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_PARAMETERS, "more than %u parameters",
                             VV_PARAMS_MAX);
    }
    if (params->count == params->capacity) {
        size_t capacity = params->capacity == 0 ? 16 : params->capacity * 2;
        vv_param *items = vv_arena_array(arena, capacity, sizeof *items);
        if (items == NULL) {
            return vv_arena_fail(arena, capacity * sizeof *items, out_err);
        }
        if (params->count > 0) {
            memcpy(items, params->items, params->count * sizeof *items);
        }
        params->items = items;
        params->capacity = capacity;
    }
    params->items[params->count] = param;
    params->count += 1;
    return VARVE_OK;
}

varve_status vv_params_parse(vv_params *params, varve_text text, vv_arena *arena,
                             varve_error *out_err)
{
    varve_text pair;
    while (vv_text_split(&text, '&', &pair)) {
        if (pair.size == 0) {
            continue;
        }
        size_t equal = vv_text_find_char(pair, '=');
        vv_param param;
        VV_TRY(vv_percent_decode(vv_text_make(pair.data, equal), VV_PERCENT_QUERY, arena,
                                 &param.name, out_err));
        VV_TRY(vv_percent_decode(vv_text_sub(pair, equal + 1, pair.size), VV_PERCENT_QUERY, arena,
                                 &param.value, out_err));
        VV_TRY(params_add(params, param, arena, out_err));
    }
    return VARVE_OK;
}

bool vv_params_find(const vv_params *params, varve_text name, varve_text *out_value)
{
    for (size_t index = 0; index < params->count; index++) {
        if (vv_text_equal(params->items[index].name, name)) {
            *out_value = params->items[index].value;
            return true;
        }
    }
    return false;
}

bool vv_params_next(const vv_params *params, varve_text name, size_t *position,
                    varve_text *out_value)
{
    while (*position < params->count) {
        const vv_param *param = &params->items[*position];
        *position += 1;
        varve_text base = param->name;
        if (vv_text_ends_with(base, VV_TEXT("[]"))) {
            base.size -= 2;
        }
        if (vv_text_equal(base, name)) {
            *out_value = param->value;
            return true;
        }
    }
    return false;
}
