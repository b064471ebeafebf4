/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_SHELL_OPTIONS_H
#define VV_CLI_SHELL_OPTIONS_H

/*
 * What the shell knows of the options of a command: their table, without its variables.
 */

#include "cli/cli.h"

/* More rows are not looked at; no command has half as many. */
#define VV_SHELL_OPTIONS_MAX 64u

typedef struct vv_shell_options {
    vv_option options[VV_SHELL_OPTIONS_MAX]; /* targets are NULL */
    size_t count;
} vv_shell_options;

void vv_shell_options_of(const vv_command *command, vv_shell_options *out_options);

/** By its name without dashes; NULL when there is none. */
const vv_option *vv_shell_option_find(const vv_shell_options *options, varve_text name);

/** --data and --url: the shell chooses the database, not a line. */
bool vv_shell_option_is_target(const char *name);

/** Whether its value may be the next word. NULL takes none. */
bool vv_shell_option_takes_next(const vv_option *option);

#endif
