/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_SHELL_DOT_H
#define VV_CLI_SHELL_DOT_H

/*
 * Lines that begin with a dot: about the shell itself.
 */

#include "cli/shell.h"
#include "cli/shell_words.h"

typedef struct vv_shell_dot {
    const char *name;
    const char *argument; /* NULL: takes none; in brackets: may be left out */
    const char *summary;
    int (*run)(vv_shell *shell, const char *argument);
} vv_shell_dot;

extern const vv_shell_dot vv_shell_dots[];
extern const size_t vv_shell_dot_count;

/** words[0] begins with a dot. */
int vv_shell_dot_run(vv_shell *shell, const vv_shell_words *words);

#endif
