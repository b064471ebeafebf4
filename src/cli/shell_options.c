/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/shell_options.h"

#include <string.h>

#include "base/slice.h"

/** A vv_cli_seen into a vv_shell_options. Names and help are literals and stay. */
static void shell_options_take(void *context, const char *verb, const char *example,
                               const vv_option *options, size_t count)
{
    vv_shell_options *taken = context;
    (void)verb;
    (void)example;
    for (size_t i = 0; i < count && taken->count < VV_SHELL_OPTIONS_MAX; i++) {
        taken->options[taken->count] = options[i];
        taken->options[taken->count].target = NULL;
        taken->count += 1;
    }
}

void vv_shell_options_of(const vv_command *command, vv_shell_options *out_options)
{
    memset(out_options, 0, sizeof *out_options);
    vv_cli_describe(command, shell_options_take, out_options);
}

const vv_option *vv_shell_option_find(const vv_shell_options *options, varve_text name)
{
    for (size_t i = 0; i < options->count; i++) {
        if (vv_text_equal(vv_text_from_string(options->options[i].name), name)) {
            return &options->options[i];
        }
    }
    return NULL;
}

bool vv_shell_option_is_target(const char *name)
{
    return strcmp(name, "data") == 0 || strcmp(name, "url") == 0;
}

bool vv_shell_option_takes_next(const vv_option *option)
{
    return option != NULL && option->kind != VV_OPTION_FLAG && option->kind != VV_OPTION_OPTIONAL;
}
