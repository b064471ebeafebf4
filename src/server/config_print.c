/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A configuration as text: YAML that the file of --config may hold, and JSON with all that is known
 * of each setting, from which the reference pages are made too.
 */

#include "base/json_writer.h"
#include "base/text.h"
#include "base/utf8.h"
#include "server/config.h"

/* Where the comment with the origin begins. */
#define CONFIG_PRINT_COLUMN 48u

/** What the origin is called there: "--name", "VARVE_NAME", "FILE:LINE", or nothing. */
static void config_print_place(const vv_config *config, vv_setting_id id, vv_buf *out)
{
    const vv_config_value *value = &config->values[id];
    char variable[128];
    switch (value->origin) {
    case VV_ORIGIN_FLAG:
        vv_buf_append_format(out, "--%s", vv_settings[id].name);
        break;
    case VV_ORIGIN_VARIABLE:
        vv_setting_variable(id, variable, sizeof variable);
        vv_buf_append_format(out, "%s", variable);
        break;
    case VV_ORIGIN_FILE:
        vv_buf_append_format(out, "%s:%u", config->file.data, value->line);
        break;
    case VV_ORIGIN_DEFAULT:
        break;
    }
}

/** What YAML takes for the end of a line, or for no character of a text. */
static bool config_print_is_special(uint32_t code_point)
{
    return code_point < 0x20 || (code_point >= 0x7F && code_point < 0xA0) || code_point == 0x2028 ||
           code_point == 0x2029 || code_point == 0xFEFF || code_point == 0xFFFE ||
           code_point == 0xFFFF;
}

/** A text in the double quotes of YAML. */
static void config_print_quoted(varve_text text, vv_buf *out)
{
    size_t position = 0;
    vv_buf_append_char(out, '"');
    while (position < text.size) {
        size_t begin = position;
        uint32_t code_point = vv_utf8_next(text, &position);
        if (config_print_is_special(code_point)) {
            vv_buf_append_format(out, "\\u%04x", code_point);
        } else if (code_point == '"' || code_point == '\\') {
            vv_buf_append_format(out, "\\%c", (char)code_point);
        } else {
            vv_buf_append(out, text.data + begin, position - begin);
        }
    }
    vv_buf_append_char(out, '"');
}

static void config_print_value(const vv_config *config, vv_setting_id id, vv_buf *out)
{
    const vv_config_value *value = &config->values[id];
    switch (vv_settings[id].kind) {
    case VV_KIND_TEXT:
        config_print_quoted(value->text, out);
        break;
    case VV_KIND_LIST:
        for (size_t index = 0; index < value->item_count; index++) {
            vv_buf_append_text(out, index == 0 ? VV_TEXT("[") : VV_TEXT(", "));
            config_print_quoted(value->items[index], out);
        }
        vv_buf_append_text(out, value->item_count == 0 ? VV_TEXT("[]") : VV_TEXT("]"));
        break;
    case VV_KIND_WORD:
    case VV_KIND_BOOL:
    case VV_KIND_COUNT:
    case VV_KIND_BYTES:
    case VV_KIND_DURATION:
    case VV_KIND_SECONDS:
        vv_buf_append_text(out, value->text);
        break;
    }
}

/** "  # flag --name" */
static void config_print_comment(const vv_config *config, vv_setting_id id, size_t begin,
                                 vv_buf *out)
{
    size_t column = out->size - begin;
    size_t gap = column < CONFIG_PRINT_COLUMN ? CONFIG_PRINT_COLUMN - column : 2;
    vv_buf_append_fill(out, ' ', gap);
    vv_buf_append_format(out, "# %s ", vv_origin_name(config->values[id].origin));
    size_t place = out->size;
    config_print_place(config, id, out);
    for (size_t index = place; index < out->size; index++) {
        if (out->data[index] < 0x20 || out->data[index] == 0x7F) {
            out->data[index] = '?'; /* the name of the file: a line stays a line */
        }
    }
    if (place == out->size) {
        vv_buf_truncate(out, place - 1); /* no place, no space before it */
    }
}

void vv_config_print_yaml(const vv_config *config, bool has_origins, vv_buf *out)
{
    for (size_t id = 0; id < VV_SETTING_COUNT; id++) {
        size_t begin = out->size;
        vv_buf_append_format(out, "%s: ", vv_settings[id].name);
        config_print_value(config, (vv_setting_id)id, out);
        if (has_origins && out->status == VARVE_OK) {
            config_print_comment(config, (vv_setting_id)id, begin, out);
        }
        vv_buf_append_char(out, '\n');
    }
}

static void config_print_member(vv_json *json, const char *key, vv_buf *scratch)
{
    vv_json_key_text(json, vv_text_from_string(key), vv_buf_text(scratch));
    vv_buf_reset(scratch);
}

void vv_config_print_json(const vv_config *config, vv_json *json)
{
    vv_buf scratch;
    vv_buf_init(&scratch, config->arena.alloc, VV_CONFIG_FILE_BYTES_MAX);
    vv_json_array_begin(json);
    for (size_t id = 0; id < VV_SETTING_COUNT; id++) {
        const vv_setting *setting = &vv_settings[id];
        const vv_config_value *value = &config->values[id];
        char variable[128];
        size_t size = vv_setting_variable((vv_setting_id)id, variable, sizeof variable);
        const char *argument = setting->argument == NULL ? "" : setting->argument;
        vv_json_object_begin(json);
        vv_json_key_text(json, VV_TEXT("name"), vv_text_from_string(setting->name));
        vv_json_key_text(json, VV_TEXT("value"), value->text);
        vv_json_key_text(json, VV_TEXT("origin"),
                         vv_text_from_string(vv_origin_name(value->origin)));
        config_print_place(config, (vv_setting_id)id, &scratch);
        config_print_member(json, "place", &scratch);
        vv_json_key_text(json, VV_TEXT("default"), vv_text_from_string(setting->fallback));
        vv_setting_print_range(setting, &scratch);
        config_print_member(json, "takes", &scratch);
        vv_json_key_bool(json, VV_TEXT("reload"), setting->is_live);
        vv_json_key_text(json, VV_TEXT("variable"), vv_text_make(variable, size));
        vv_json_key_text(json, VV_TEXT("argument"), vv_text_from_string(argument));
        vv_json_key_bool(json, VV_TEXT("bare"),
                         setting->bare != NULL || setting->kind == VV_KIND_BOOL);
        vv_json_key_text(json, VV_TEXT("help"), vv_text_from_string(setting->help));
        vv_json_object_end(json);
    }
    vv_json_array_end(json);
    vv_buf_deinit(&scratch);
}
