/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_SHELL_EDIT_H
#define VV_CLI_SHELL_EDIT_H

/*
 * Lines from a person at a terminal: editing, history and completion by libedit.
 */

#include "cli/shell.h"

typedef struct vv_shell_edit vv_shell_edit;

typedef enum vv_shell_key {
    VV_SHELL_LINE,  /* a line was entered, perhaps empty */
    VV_SHELL_DROP,  /* Ctrl-C: what stood there is dropped */
    VV_SHELL_LEAVE, /* Ctrl-D, the terminal has gone, or SIGTERM */
} vv_shell_key;

/** The shell's history is this editor's until it is freed. E_NOMEM, E_IO. */
VV_MUST_CHECK varve_status vv_shell_edit_create(vv_shell *shell, vv_shell_edit **out_edit,
                                                varve_error *out_err);

/** *out_line is borrowed until the next call. */
vv_shell_key vv_shell_edit_read(vv_shell_edit *edit, varve_text *out_line);

/** Writes the history to its file. NULL is fine. */
void vv_shell_edit_free(vv_shell_edit *edit);

#endif
