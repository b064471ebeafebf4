/* SPDX-License-Identifier: Apache-2.0 */

/*
 * varve: one binary, a verb each for what people do with a database. The table is cli/commands.def.
 */

#include <stdio.h>
#include <string.h>

#include "cli/commands.h"

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: varve COMMAND [options]; `varve help` lists the commands\n");
        return VV_EXIT_USAGE;
    }
    const char *verb = argv[1];
    if (strcmp(verb, "-h") == 0 || strcmp(verb, "--help") == 0) {
        return vv_cmd_help(0, argv + argc);
    }
    if (strcmp(verb, "--version") == 0) {
        return vv_cmd_version(0, argv + argc);
    }
    const vv_command *command = vv_command_find(verb);
    return command == NULL ? VV_EXIT_USAGE : command->run(argc - 2, argv + 2);
}
