/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/args.h"

#include <string.h>

#include "base/slice.h"
#include "base/text.h"
#include "cli/nearest.h"

static const vv_option *args_find(const vv_option *options, size_t count, const char *name,
                                  size_t size)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(options[i].name) == size && memcmp(options[i].name, name, size) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

/** "4096", "64KiB", "512MiB", "4GiB". */
static bool args_parse_bytes(varve_text text, uint64_t *out_bytes)
{
    static const struct {
        varve_text suffix;
        uint32_t shift;
    } units[] = {
        {VV_TEXT_INIT("KiB"), 10},
        {VV_TEXT_INIT("MiB"), 20},
        {VV_TEXT_INIT("GiB"), 30},
        {VV_TEXT_INIT(""), 0},
    };
    for (size_t i = 0; i < VV_ARRAY_COUNT(units); i++) {
        if (!vv_text_ends_with(text, units[i].suffix)) {
            continue;
        }
        uint64_t count;
        if (!vv_text_parse_u64(vv_text_sub(text, 0, text.size - units[i].suffix.size), &count) ||
            count > UINT64_MAX >> units[i].shift) {
            return false;
        }
        *out_bytes = count << units[i].shift;
        return true;
    }
    return false;
}

/** Store a value; a sentence on failure. */
static bool args_store(const vv_option *option, const char *value, char *out_text, size_t capacity)
{
    switch (option->kind) {
    case VV_OPTION_FLAG:
        *(bool *)option->target = true;
        return true;
    case VV_OPTION_TEXT:
        *(const char **)option->target = value;
        return true;
    case VV_OPTION_UNSIGNED:
        if (!vv_text_parse_u64(vv_text_from_string(value), option->target)) {
            vv_text_format(out_text, capacity, "--%s takes a whole number, not \"%s\"",
                           option->name, value);
            return false;
        }
        return true;
    case VV_OPTION_BYTES:
        if (!args_parse_bytes(vv_text_from_string(value), option->target)) {
            vv_text_format(out_text, capacity, "--%s takes bytes such as 512MiB, not \"%s\"",
                           option->name, value);
            return false;
        }
        return true;
    case VV_OPTION_OPTIONAL: {
        vv_option_optional *optional = option->target;
        optional->is_set = true;
        optional->value = value;
        return true;
    }
    case VV_OPTION_LIST: {
        vv_option_list *list = option->target;
        if (list->count == VV_OPTION_ITEMS_MAX) {
            vv_text_format(out_text, capacity, "--%s is given more than %u times", option->name,
                           VV_OPTION_ITEMS_MAX);
            return false;
        }
        list->values[list->count++] = value;
        return true;
    }
    }
    return false;
}

/** The option that an argument names, "--name", "--name=value" or "-o"; NULL when there is none. */
static const vv_option *args_option(const vv_option *options, size_t count, const char *argument,
                                    const char **out_value)
{
    *out_value = NULL;
    if (strcmp(argument, "-o") == 0) {
        return args_find(options, count, "output", strlen("output"));
    }
    if (argument[1] != '-') {
        return NULL;
    }
    const char *name = argument + 2;
    const char *equals = strchr(name, '=');
    *out_value = equals == NULL ? NULL : equals + 1;
    return args_find(options, count, name, equals == NULL ? strlen(name) : (size_t)(equals - name));
}

static void args_unknown(const vv_option *options, size_t count, const char *argument,
                         char *out_text, size_t capacity)
{
    varve_text word = vv_text_from_string(argument);
    word = vv_text_sub(word, 0, vv_text_find_char(word, '='));
    vv_nearest nearest = {.word = vv_text_sub(word, 1 + (argument[1] == '-'), word.size)};
    for (size_t i = 0; i < count; i++) {
        vv_nearest_offer(&nearest, options[i].name);
    }
    bool is_url = vv_text_equal(word, VV_TEXT("--url"));
    if (is_url && args_find(options, count, "data", strlen("data")) != NULL) {
        vv_text_format(out_text, capacity,
                       "unknown option --url: the command works on a directory");
    } else if (nearest.best != NULL) {
        vv_text_format(out_text, capacity, "unknown option %.*s; did you mean --%s?",
                       VV_TEXT_ARGS(word), nearest.best);
    } else {
        vv_text_format(out_text, capacity, "unknown option %.*s", VV_TEXT_ARGS(word));
    }
}

/** argv[*index] is an option; its value may be the next argument. */
static bool args_take(const vv_option *options, size_t count, int argc, char **argv, int *index,
                      char *out_text, size_t capacity)
{
    const char *value;
    const vv_option *option = args_option(options, count, argv[*index], &value);
    if (option == NULL) {
        args_unknown(options, count, argv[*index], out_text, capacity);
        return false;
    }
    if (option->kind == VV_OPTION_FLAG && value != NULL) {
        vv_text_format(out_text, capacity, "--%s takes no value", option->name);
        return false;
    }
    bool needs_value = option->kind != VV_OPTION_FLAG && option->kind != VV_OPTION_OPTIONAL;
    if (needs_value && value == NULL) {
        if (*index + 1 == argc) {
            vv_text_format(out_text, capacity, "--%s needs a value", option->name);
            return false;
        }
        *index += 1;
        value = argv[*index];
    }
    return args_store(option, value, out_text, capacity);
}

bool vv_args_parse(const vv_option *options, size_t count, int argc, char **argv, int *out_operands,
                   bool *out_wants_help, char *out_text, size_t capacity)
{
    int operands = 0;
    bool has_ended = false;
    *out_wants_help = false;
    for (int i = 0; i < argc; i++) {
        char *argument = argv[i];
        if (has_ended || argument[0] != '-' || argument[1] == '\0') {
            argv[operands++] = argument;
        } else if (strcmp(argument, "--") == 0) {
            has_ended = true;
        } else if (strcmp(argument, "-h") == 0 || strcmp(argument, "--help") == 0) {
            *out_wants_help = true;
        } else if (!args_take(options, count, argc, argv, &i, out_text, capacity)) {
            return false;
        }
    }
    *out_operands = operands;
    return true;
}
