/* SPDX-License-Identifier: Apache-2.0 */

/*
 * varve config: what `varve serve` would run with, given the same flags, environment and file, and
 * where each value comes from; or whether a file is one that it takes.
 */

#include <string.h>

#include "base/json_writer.h"
#include "base/slice.h"
#include "cli/cli.h"
#include "cli/settings_priv.h"

#define CONFIG_TEXT_BYTES_MAX (16u * 1024u * 1024u)

/** What was asked for, beside the settings. */
typedef struct config_options {
    bool has_origin;
    bool is_json;
    vv_settings_flags flags;
} config_options;

static int config_show(const vv_config *config, const config_options *options)
{
    vv_buf buf;
    varve_error error;
    vv_buf_init(&buf, config->arena.alloc, CONFIG_TEXT_BYTES_MAX);
    if (options->is_json) {
        vv_json json;
        vv_json_init(&json, &buf);
        vv_config_print_json(config, &json);
        vv_buf_append_char(&buf, '\n');
    } else {
        vv_config_print_yaml(config, options->has_origin, &buf);
    }
    varve_status status = vv_buf_check(&buf, &error);
    if (status == VARVE_OK) {
        status = vv_cli_write(vv_buf_text(&buf), &error);
    }
    vv_buf_deinit(&buf);
    return vv_cli_report("config", status, &error);
}

static int config_load(const config_options *options)
{
    vv_alloc alloc;
    vv_config config;
    varve_error error;
    vv_alloc_init(&alloc, NULL);
    varve_status status = vv_settings_check(&options->flags, &alloc, &error);
    if (status != VARVE_OK) {
        return vv_cli_report("config", status, &error);
    }
    status = vv_settings_load(&options->flags, &alloc, &config, &error);
    int exit_code = vv_cli_report_world("config", status, &error); /* the file */
    if (status == VARVE_OK) {
        exit_code = config_show(&config, options);
    }
    vv_config_deinit(&config);
    return exit_code;
}

/** {"file":"varve.yaml","valid":true}; of a bad one with the error that standard error has too. */
static int config_print_check(const char *path, vv_alloc *alloc, varve_status status,
                              const varve_error *found)
{
    vv_buf buf;
    vv_json json;
    varve_error error;
    vv_buf_init(&buf, alloc, CONFIG_TEXT_BYTES_MAX);
    vv_json_init(&json, &buf);
    vv_json_object_begin(&json);
    vv_json_key_text(&json, VV_TEXT("file"), vv_text_from_string(path));
    vv_json_key_bool(&json, VV_TEXT("valid"), status == VARVE_OK);
    if (status != VARVE_OK) {
        vv_json_key_text(&json, VV_TEXT("error"), vv_text_from_string(found->message));
    }
    vv_json_object_end(&json);
    vv_buf_append_char(&buf, '\n');
    varve_status built = vv_json_end(&json, &error);
    int exit_code = built == VARVE_OK ? vv_cli_print("config", vv_buf_text(&buf))
                                      : vv_cli_report("config", built, &error);
    vv_buf_deinit(&buf);
    return exit_code;
}

/** The file alone, without what flags and environment would make of it. */
static int config_check(const char *path, bool is_json)
{
    vv_alloc alloc;
    vv_config config;
    varve_error error;
    vv_alloc_init(&alloc, NULL);
    varve_status status = vv_config_init(&config, &alloc, &error);
    if (status == VARVE_OK) {
        status = vv_config_read_file(&config, path, &error);
    }
    vv_config_deinit(&config);
    int printed = is_json ? config_print_check(path, &alloc, status, &error) : VV_EXIT_OK;
    int exit_code = vv_cli_report_world("config", status, &error);
    return exit_code == VV_EXIT_OK ? printed : exit_code;
}

int vv_cmd_config(int argc, char **argv)
{
    config_options options = {.is_json = false};
    vv_option table[VV_SETTINGS_OPTIONS_MAX + 2] = {
        {"origin", VV_OPTION_FLAG, &options.has_origin, NULL, "with where each value comes from"},
        {"json", VV_OPTION_FLAG, &options.is_json, NULL, "all that is known of each setting"},
    };
    vv_settings_options(&options.flags, table + 2);
    int operands;
    int exit_code;
    if (!vv_cli_begin("config", "varve config show --origin --config varve.yaml", table,
                      VV_ARRAY_COUNT(table), argc, argv, &operands, &exit_code)) {
        return exit_code;
    }
    const char *action = operands == 0 ? "show" : argv[0];
    if (strcmp(action, "show") == 0 && operands <= 1) {
        return config_load(&options);
    }
    if (strcmp(action, "check") == 0 && operands == 2) {
        return config_check(argv[1], options.is_json);
    }
    vv_cli_fail("config", "takes \"show\", or \"check\" and a file");
    return VV_EXIT_USAGE;
}
