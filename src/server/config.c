/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Settings from their texts. Each kind has one parser, which also says what it would have taken;
 * the canonical text of a value is made from its number, so that two ways to write it show alike.
 */

#include "server/config.h"

#include <string.h>

#include "base/checked.h"
#include "base/status.h"
#include "base/text.h"
#include "base/utf8.h"
#include "sys/clock.h"

/* All values of one configuration. */
#define CONFIG_BYTES_MAX (4u * 1024u * 1024u)
/* How much of a foreign text an error shows. */
#define CONFIG_SHOWN_BYTES_MAX 64u

#define VV_SERVER_MEMBER(member)   CONFIG_MEMBER(vv_server_options, member)
#define VV_DATABASE_MEMBER(member) CONFIG_MEMBER(varve_options, member)
#define CONFIG_MEMBER(type, member)                            \
    {                                                          \
        offsetof(type, member), sizeof(((type *)NULL)->member) \
    }

const vv_setting vv_settings[VV_SETTING_COUNT] = {
#define VV_SETTING(id, setting_name, setting_kind, ...) \
    [VV_SETTING_##id] = {.name = (setting_name), .kind = VV_KIND_##setting_kind, __VA_ARGS__},
#include "server/config.def"
#undef VV_SETTING
};

vv_setting_id vv_setting_find(varve_text name)
{
    for (size_t id = 0; id < VV_SETTING_COUNT; id++) {
        if (vv_text_equal(name, vv_text_from_string(vv_settings[id].name))) {
            return (vv_setting_id)id;
        }
    }
    return VV_SETTING_COUNT;
}

size_t vv_setting_variable(vv_setting_id id, char *target, size_t capacity)
{
    size_t size = vv_text_format(target, capacity, "VARVE_%s", vv_settings[id].name);
    for (size_t index = 0; index < size; index++) {
        char c = target[index];
        target[index] = c == '-' ? '_' : c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    }
    return size;
}

const char *vv_origin_name(vv_origin origin)
{
    static const char *const names[] = {"default", "file", "variable", "flag"};
    return names[origin];
}

/* ---- errors ---- */

/** A foreign text for an error: cut, without control bytes, valid UTF-8. */
static varve_text config_shown(varve_text text, char target[CONFIG_SHOWN_BYTES_MAX])
{
    varve_text cut = vv_text_make(text.data, vv_utf8_valid_prefix(text));
    cut = vv_utf8_cut(cut, CONFIG_SHOWN_BYTES_MAX);
    for (size_t index = 0; index < cut.size; index++) {
        unsigned char c = (unsigned char)cut.data[index];
        target[index] = c < 0x20 || c == 0x7F ? '?' : cut.data[index];
    }
    return vv_text_make(target, cut.size);
}

/** Put the place of a value before the error. */
static void config_blame(const vv_config *config, vv_setting_id id, const vv_given *given,
                         varve_error *out_err)
{
    char variable[128];
    char file[CONFIG_SHOWN_BYTES_MAX];
    varve_text shown = config_shown(config->file, file);
    switch (given->origin) {
    case VV_ORIGIN_FLAG:
        vv_error_prefix(out_err, "--%s", vv_settings[id].name);
        break;
    case VV_ORIGIN_VARIABLE:
        vv_setting_variable(id, variable, sizeof variable);
        vv_error_prefix(out_err, "%s", variable);
        break;
    case VV_ORIGIN_FILE:
        vv_error_prefix(out_err, "%.*s:%u:%u: %s", VV_TEXT_ARGS(shown), given->line, given->column,
                        vv_settings[id].name);
        break;
    case VV_ORIGIN_DEFAULT:
        vv_error_prefix(out_err, "the default of %s", vv_settings[id].name);
        break;
    }
}

/* ---- numbers ---- */

static const struct {
    varve_text suffix;
    uint32_t shift;
} config_units[] = {
    {VV_TEXT_INIT("TiB"), 40}, {VV_TEXT_INIT("GiB"), 30}, {VV_TEXT_INIT("MiB"), 20},
    {VV_TEXT_INIT("KiB"), 10}, {VV_TEXT_INIT(""), 0},
};

static bool config_parse_bytes(varve_text text, uint64_t *out_number)
{
    for (size_t index = 0; index < VV_ARRAY_COUNT(config_units); index++) {
        uint32_t shift = config_units[index].shift;
        if (vv_text_ends_with(text, config_units[index].suffix)) {
            size_t digits = text.size - config_units[index].suffix.size;
            uint64_t count;
            if (!vv_text_parse_u64(vv_text_make(text.data, digits), &count) ||
                count > UINT64_MAX >> shift) {
                return false;
            }
            *out_number = count << shift;
            return true;
        }
    }
    return false;
}

/** Milliseconds of "1m30s", "250ms" or a number of seconds; a part of one is no number. */
static bool config_parse_ms(varve_text text, uint64_t *out_number)
{
    int64_t ns;
    uint64_t seconds;
    if (vv_text_parse_u64(text, &seconds)) {
        return vv_mul_u64(seconds, 1000, out_number);
    }
    if (!vv_text_parse_duration(text, &ns) || ns < 0 || ns % VV_NS_PER_MS != 0) {
        return false;
    }
    *out_number = (uint64_t)(ns / VV_NS_PER_MS);
    return true;
}

static bool config_parse_seconds(varve_text text, uint64_t *out_number)
{
    uint64_t ms;
    if (!config_parse_ms(text, &ms) || ms % 1000 != 0) {
        return false;
    }
    *out_number = ms / 1000;
    return true;
}

static bool config_parse_word(const vv_setting *setting, varve_text text, uint64_t *out_number)
{
    varve_text rest = vv_text_from_string(setting->words);
    varve_text word;
    for (uint64_t number = setting->least; vv_text_split(&rest, '|', &word); number++) {
        if (vv_text_equal(word, text)) {
            *out_number = number;
            return true;
        }
    }
    return false;
}

static bool config_parse_bool(varve_text text, uint64_t *out_number)
{
    static const varve_text words[][2] = {{VV_TEXT_INIT("false"), VV_TEXT_INIT("true")},
                                          {VV_TEXT_INIT("off"), VV_TEXT_INIT("on")},
                                          {VV_TEXT_INIT("no"), VV_TEXT_INIT("yes")},
                                          {VV_TEXT_INIT("0"), VV_TEXT_INIT("1")}};
    for (size_t index = 0; index < VV_ARRAY_COUNT(words); index++) {
        for (uint64_t number = 0; number < 2; number++) {
            if (vv_text_equal(text, words[index][number])) {
                *out_number = number;
                return true;
            }
        }
    }
    return false;
}

static bool config_parse_number(const vv_setting *setting, varve_text text, uint64_t *out_number)
{
    switch (setting->kind) {
    case VV_KIND_COUNT:
        return vv_text_parse_u64(text, out_number);
    case VV_KIND_BYTES:
        return config_parse_bytes(text, out_number);
    case VV_KIND_DURATION:
        return config_parse_ms(text, out_number);
    case VV_KIND_SECONDS:
        return config_parse_seconds(text, out_number);
    case VV_KIND_WORD:
        return config_parse_word(setting, text, out_number);
    case VV_KIND_BOOL:
        return config_parse_bool(text, out_number);
    case VV_KIND_TEXT:
    case VV_KIND_LIST:
        break;
    }
    return false;
}

/* ---- numbers as text ---- */

static void config_print_bytes(vv_buf *out, uint64_t number)
{
    size_t index = 0;
    while (number == 0 ? config_units[index].shift > 0
                       : (number & ((UINT64_C(1) << config_units[index].shift) - 1)) != 0) {
        index += 1; /* the last unit divides everything */
    }
    vv_buf_append_format(out, "%llu%s", (unsigned long long)(number >> config_units[index].shift),
                         config_units[index].suffix.data);
}

static void config_print_ms(vv_buf *out, uint64_t ms)
{
    char text[VV_TEXT_DURATION_BYTES_MAX];
    vv_buf_append(out, text, vv_text_print_duration(text, (int64_t)ms * VV_NS_PER_MS));
}

static void config_print_word(vv_buf *out, const vv_setting *setting, uint64_t number)
{
    varve_text rest = vv_text_from_string(setting->words);
    varve_text word = VV_TEXT("");
    for (uint64_t at = setting->least; at <= number && vv_text_split(&rest, '|', &word); at++) {
    }
    vv_buf_append_text(out, word);
}

void vv_setting_print_number(const vv_setting *setting, uint64_t number, vv_buf *out)
{
    if (number == 0 && setting->zero != NULL) {
        vv_buf_append_text(out, vv_text_from_string(setting->zero));
        return;
    }
    switch (setting->kind) {
    case VV_KIND_BYTES:
        config_print_bytes(out, number);
        break;
    case VV_KIND_DURATION:
        config_print_ms(out, number);
        break;
    case VV_KIND_SECONDS:
        config_print_ms(out, number * 1000);
        break;
    case VV_KIND_WORD:
        config_print_word(out, setting, number);
        break;
    case VV_KIND_BOOL:
        vv_buf_append_text(out, number == 0 ? VV_TEXT("false") : VV_TEXT("true"));
        break;
    case VV_KIND_COUNT:
    case VV_KIND_TEXT:
    case VV_KIND_LIST:
        vv_buf_append_format(out, "%llu", (unsigned long long)number);
        break;
    }
}

void vv_setting_print_range(const vv_setting *setting, vv_buf *out)
{
    if (setting->kind == VV_KIND_WORD) {
        varve_text rest = vv_text_from_string(setting->words);
        varve_text word;
        const char *gap = "";
        while (vv_text_split(&rest, '|', &word)) {
            vv_buf_append_format(out, "%s%.*s", gap, VV_TEXT_ARGS(word));
            gap = ", ";
        }
    } else if (setting->kind == VV_KIND_BOOL) {
        vv_buf_append_text(out, VV_TEXT("true, false"));
    } else if (setting->kind == VV_KIND_SECONDS) {
        vv_buf_append_format(out, "%llu to %llu seconds", (unsigned long long)setting->least,
                             (unsigned long long)setting->most);
    } else {
        bool is_text = setting->kind == VV_KIND_TEXT || setting->kind == VV_KIND_LIST;
        vv_setting plain = *setting;
        plain.zero = NULL;
        vv_setting_print_number(&plain, setting->least, out);
        vv_buf_append_text(out, VV_TEXT(" to "));
        vv_setting_print_number(&plain, setting->most, out);
        vv_buf_append_text(out, is_text ? VV_TEXT(" bytes of text") : VV_TEXT(""));
    }
    if (setting->zero != NULL) {
        vv_buf_append_format(out, ", or %s", setting->zero);
    }
}

/* ---- taking a value ---- */

/** "takes 1ms to 10m, not "x"". */
static varve_status config_refuse(vv_config *config, const vv_setting *setting, varve_text text,
                                  varve_error *out_err)
{
    char shown[CONFIG_SHOWN_BYTES_MAX];
    varve_text foreign = config_shown(text, shown);
    vv_buf range;
    vv_buf_init(&range, config->arena.alloc, CONFIG_BYTES_MAX);
    vv_setting_print_range(setting, &range);
    varve_text taken = vv_buf_check(&range, NULL) == VARVE_OK ? vv_buf_text(&range) : VV_TEXT("");
    const char *form = setting->kind == VV_KIND_BYTES ? "bytes such as 512MiB, " : "";
    varve_status status = vv_fail(out_err, VARVE_E_INVALID, "takes %s%.*s, not \"%.*s\"", form,
                                  VV_TEXT_ARGS(taken), VV_TEXT_ARGS(foreign));
    vv_buf_deinit(&range);
    return status;
}

static varve_status config_take_number(vv_config *config, const vv_setting *setting,
                                       varve_text text, vv_config_value *value,
                                       varve_error *out_err)
{
    bool is_word = setting->kind == VV_KIND_WORD || setting->kind == VV_KIND_BOOL;
    bool is_zero = setting->zero != NULL && vv_text_equal(text, vv_text_from_string(setting->zero));
    value->number = 0;
    if (!is_zero &&
        (!config_parse_number(setting, text, &value->number) ||
         (!is_word && (value->number < setting->least || value->number > setting->most)))) {
        return config_refuse(config, setting, text, out_err);
    }
    vv_buf printed;
    vv_buf_init(&printed, config->arena.alloc, CONFIG_BYTES_MAX);
    vv_setting_print_number(setting, value->number, &printed);
    varve_status status = vv_buf_check(&printed, out_err);
    if (status == VARVE_OK &&
        vv_arena_copy(&config->arena, vv_buf_text(&printed), &value->text) != VARVE_OK) {
        status = vv_arena_fail(&config->arena, printed.size, out_err);
    }
    vv_buf_deinit(&printed);
    return status;
}

/** A terminated copy of text without control bytes. */
static varve_status config_take_text(vv_config *config, const vv_setting *setting, varve_text text,
                                     varve_text *out_text, varve_error *out_err)
{
    bool is_clean = vv_utf8_is_valid(text);
    for (size_t index = 0; index < text.size; index++) {
        is_clean = is_clean && (unsigned char)text.data[index] >= 0x20 && text.data[index] != 0x7F;
    }
    if (!is_clean || text.size < setting->least || text.size > setting->most) {
        return config_refuse(config, setting, text, out_err);
    }
    return vv_arena_copy(&config->arena, text, out_text) == VARVE_OK
               ? VARVE_OK
               : vv_arena_fail(&config->arena, text.size, out_err);
}

static varve_status config_take_list(vv_config *config, const vv_setting *setting,
                                     const vv_given *given, vv_config_value *value,
                                     varve_error *out_err)
{
    if (given->count > VV_CONFIG_ITEMS_MAX) {
        return vv_fail(out_err, VARVE_E_INVALID, "takes at most %u values", VV_CONFIG_ITEMS_MAX);
    }
    size_t bytes = 1;
    value->items = vv_arena_array(&config->arena, given->count + 1, sizeof *value->items);
    if (value->items == NULL) {
        return vv_arena_fail(&config->arena, sizeof *value->items, out_err);
    }
    for (size_t index = 0; index < given->count; index++) {
        VV_TRY(
            config_take_text(config, setting, given->texts[index], &value->items[index], out_err));
        bytes += given->texts[index].size + 1;
    }
    value->item_count = given->count;
    char *joined = vv_arena_zeroed(&config->arena, bytes);
    if (joined == NULL) {
        return vv_arena_fail(&config->arena, bytes, out_err);
    }
    size_t size = 0;
    for (size_t index = 0; index < given->count; index++) {
        if (index > 0) {
            joined[size++] = ',';
        }
        memcpy(joined + size, value->items[index].data, value->items[index].size);
        size += value->items[index].size;
    }
    value->text = vv_text_make(joined, size);
    return VARVE_OK;
}

static varve_status config_take(vv_config *config, const vv_setting *setting, const vv_given *given,
                                vv_config_value *value, varve_error *out_err)
{
    if (setting->kind == VV_KIND_LIST) {
        return config_take_list(config, setting, given, value, out_err);
    }
    if (given->count != 1) {
        return vv_fail(out_err, VARVE_E_INVALID, "takes one value, not a list");
    }
    if (setting->kind == VV_KIND_TEXT) {
        return config_take_text(config, setting, given->texts[0], &value->text, out_err);
    }
    return config_take_number(config, setting, given->texts[0], value, out_err);
}

varve_status vv_config_set(vv_config *config, vv_setting_id id, const vv_given *given,
                           varve_error *out_err)
{
    vv_config_value value = {.origin = given->origin, .line = given->line};
    varve_status status = config_take(config, &vv_settings[id], given, &value, out_err);
    if (status != VARVE_OK) {
        config_blame(config, id, given, out_err);
        return status;
    }
    if (given->origin >= config->values[id].origin) {
        config->values[id] = value;
    }
    return VARVE_OK;
}

varve_status vv_config_copy(vv_config *config, const vv_config *source, vv_setting_id id,
                            varve_error *out_err)
{
    const vv_config_value *old = &source->values[id];
    vv_given given = {.origin = old->origin, .line = old->line, .texts = &old->text, .count = 1};
    if (vv_settings[id].kind == VV_KIND_LIST) {
        given.texts = old->items;
        given.count = old->item_count;
    }
    vv_config_value value = {.origin = old->origin, .line = old->line};
    VV_TRY(config_take(config, &vv_settings[id], &given, &value, out_err));
    config->values[id] = value;
    return VARVE_OK;
}

/** The texts of a list that is one text: its parts between commas, none of an empty one. */
static varve_status config_set_text(vv_config *config, vv_setting_id id, vv_origin origin,
                                    varve_text text, varve_error *out_err)
{
    varve_text items[VV_CONFIG_ITEMS_MAX + 1];
    vv_given given = {.origin = origin, .texts = items};
    if (vv_settings[id].kind == VV_KIND_LIST) {
        varve_text rest = text;
        while (text.size > 0 && given.count < VV_ARRAY_COUNT(items) &&
               vv_text_split(&rest, ',', &items[given.count])) {
            given.count += 1;
        }
    } else {
        items[given.count++] = text;
    }
    return vv_config_set(config, id, &given, out_err);
}

varve_status vv_config_init(vv_config *config, vv_alloc *alloc, varve_error *out_err)
{
    *config = (vv_config){.file = VARVE_STR("")};
    vv_arena_init(&config->arena, alloc, CONFIG_BYTES_MAX);
    for (size_t id = 0; id < VV_SETTING_COUNT; id++) {
        VV_TRY(config_set_text(config, (vv_setting_id)id, VV_ORIGIN_DEFAULT,
                               vv_text_from_string(vv_settings[id].fallback), out_err));
    }
    return VARVE_OK;
}

void vv_config_deinit(vv_config *config)
{
    vv_arena_deinit(&config->arena);
}

varve_status vv_config_read_variables(vv_config *config, vv_variable_lookup lookup, void *context,
                                      varve_error *out_err)
{
    for (size_t id = 0; id < VV_SETTING_COUNT; id++) {
        char name[128];
        vv_setting_variable((vv_setting_id)id, name, sizeof name);
        const char *text = lookup(context, name);
        if (text != NULL && text[0] != '\0') {
            VV_TRY(config_set_text(config, (vv_setting_id)id, VV_ORIGIN_VARIABLE,
                                   vv_text_from_string(text), out_err));
        }
    }
    return VARVE_OK;
}

/* ---- giving values to who needs them ---- */

static void config_store(void *target, const vv_setting *setting, vv_member member,
                         const vv_config_value *value)
{
    char *place = (char *)target + member.offset;
    uint64_t number = value->number;
    if (setting->kind == VV_KIND_TEXT || setting->kind == VV_KIND_LIST) {
        memcpy(place, &value->text, member.size);
    } else if (member.size == sizeof(bool)) {
        bool is_true = number != 0;
        memcpy(place, &is_true, sizeof is_true);
    } else if (member.size == sizeof(uint32_t)) {
        uint32_t narrow = (uint32_t)number; /* the range of the row allows no more */
        memcpy(place, &narrow, sizeof narrow);
    } else if (member.size == sizeof(uint64_t)) {
        memcpy(place, &number, sizeof number);
    }
}

void vv_config_apply(const vv_config *config, vv_server_options *server, varve_options *database)
{
    for (size_t id = 0; id < VV_SETTING_COUNT; id++) {
        if (server != NULL) {
            config_store(server, &vv_settings[id], vv_settings[id].server, &config->values[id]);
        }
        if (database != NULL) {
            config_store(database, &vv_settings[id], vv_settings[id].database, &config->values[id]);
        }
    }
    if (database != NULL &&
        database->scrub_interval_ms == 0) { /* off; 0 is the library's default */
        database->scrub_interval_ms = VARVE_SCRUB_NEVER;
    }
    if (server != NULL) {
        static const uint32_t modes[] = {0600, 0660, 0666}; /* the words of the row */
        server->unix_mode = modes[config->values[VV_SETTING_LISTEN_MODE].number];
    }
}
