/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/settings_priv.h"

#include <stdlib.h>

#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"

/* The variable that stands in for --config. */
#define SETTINGS_FILE_VARIABLE "VARVE_CONFIG"

static bool settings_is_optional(const vv_setting *setting)
{
    return setting->kind == VV_KIND_BOOL || setting->bare != NULL;
}

void vv_settings_options(vv_settings_flags *flags, vv_option options[VV_SETTINGS_OPTIONS_MAX])
{
    *flags = (vv_settings_flags){.file = NULL};
    options[0] = (vv_option){"config", VV_OPTION_TEXT, &flags->file, "FILE",
                             "settings, as YAML (" SETTINGS_FILE_VARIABLE ")"};
    for (size_t id = 0; id < VV_SETTING_COUNT; id++) {
        const vv_setting *setting = &vv_settings[id];
        vv_option *option = &options[id + 1];
        bool has_default = setting->kind != VV_KIND_BOOL && setting->fallback[0] != '\0';
        vv_text_format(flags->helps[id], sizeof flags->helps[id], has_default ? "%s (%s)" : "%s",
                       setting->help, setting->fallback);
        *option = (vv_option){setting->name, VV_OPTION_TEXT, &flags->texts[id], setting->argument,
                              setting->is_common ? flags->helps[id] : NULL};
        if (settings_is_optional(setting)) {
            option->kind = VV_OPTION_OPTIONAL;
            option->target = &flags->optionals[id];
        } else if (setting->kind == VV_KIND_LIST) {
            option->kind = VV_OPTION_LIST;
            option->target = &flags->lists[id];
        }
    }
}

static varve_status settings_set_flag(const vv_settings_flags *flags, vv_setting_id id,
                                      vv_config *config, varve_error *out_err)
{
    const vv_setting *setting = &vv_settings[id];
    varve_text texts[VV_OPTION_ITEMS_MAX];
    vv_given given = {.origin = VV_ORIGIN_FLAG, .texts = texts};
    if (setting->kind == VV_KIND_LIST) {
        for (; given.count < flags->lists[id].count; given.count++) {
            texts[given.count] = vv_text_from_string(flags->lists[id].values[given.count]);
        }
    } else if (flags->optionals[id].is_set) {
        const char *bare = setting->bare == NULL ? "true" : setting->bare;
        const char *value = flags->optionals[id].value;
        texts[given.count++] = vv_text_from_string(value == NULL ? bare : value);
    } else if (flags->texts[id] != NULL) {
        texts[given.count++] = vv_text_from_string(flags->texts[id]);
    }
    return given.count == 0 ? VARVE_OK : vv_config_set(config, id, &given, out_err);
}

static const char *settings_variable(void *context, const char *name)
{
    (void)context;
    return getenv(name);
}

static varve_status settings_load_words(const vv_settings_flags *flags, vv_alloc *alloc,
                                        vv_config *out_config, varve_error *out_err)
{
    VV_TRY(vv_config_init(out_config, alloc, out_err));
    for (size_t id = 0; id < VV_SETTING_COUNT; id++) {
        VV_TRY(settings_set_flag(flags, (vv_setting_id)id, out_config, out_err));
    }
    return vv_config_read_variables(out_config, settings_variable, NULL, out_err);
}

varve_status vv_settings_check(const vv_settings_flags *flags, vv_alloc *alloc,
                               varve_error *out_err)
{
    vv_config config;
    varve_status status = settings_load_words(flags, alloc, &config, out_err);
    vv_config_deinit(&config);
    return status;
}

varve_status vv_settings_load(const vv_settings_flags *flags, vv_alloc *alloc,
                              vv_config *out_config, varve_error *out_err)
{
    VV_TRY(settings_load_words(flags, alloc, out_config, out_err));
    const char *file = flags->file == NULL ? getenv(SETTINGS_FILE_VARIABLE) : flags->file;
    return file == NULL || file[0] == '\0' ? VARVE_OK
                                           : vv_config_read_file(out_config, file, out_err);
}
