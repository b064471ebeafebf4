/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_COMMANDS_H
#define VV_CLI_COMMANDS_H

/* The table of commands of cli/commands.def, and looking one up. */

#include <stddef.h>

#include "cli/cli.h"

extern const vv_command vv_commands[];
extern const size_t vv_command_count;

/** NULL when there is none. */
const vv_command *vv_command_known(const char *name);

/** NULL after saying on standard error that there is none, and which one may be meant. */
const vv_command *vv_command_find(const char *name);

#endif
