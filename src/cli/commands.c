/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/commands.h"

#include <string.h>

#include "base/slice.h"
#include "cli/nearest.h"

const vv_command vv_commands[] = {
#define VV_COMMAND(id, name, function, arguments, summary) {name, function, arguments, summary},
#include "cli/commands.def"
#undef VV_COMMAND
};
const size_t vv_command_count = VV_ARRAY_COUNT(vv_commands);

const vv_command *vv_command_known(const char *name)
{
    for (size_t i = 0; i < vv_command_count; i++) {
        if (strcmp(vv_commands[i].name, name) == 0) {
            return &vv_commands[i];
        }
    }
    return NULL;
}

const vv_command *vv_command_find(const char *name)
{
    vv_nearest nearest = {.word = vv_text_from_string(name)};
    const vv_command *known = vv_command_known(name);
    if (known != NULL) {
        return known;
    }
    for (size_t i = 0; i < vv_command_count; i++) {
        vv_nearest_offer(&nearest, vv_commands[i].name);
    }
    if (nearest.best != NULL) {
        vv_cli_fail(NULL, "there is no command \"%s\"; did you mean \"%s\"?", name, nearest.best);
    } else {
        vv_cli_fail(NULL, "there is no command \"%s\"; `varve help` lists them", name);
    }
    return NULL;
}
