/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_SHELL_NAMES_H
#define VV_CLI_SHELL_NAMES_H

/*
 * Names for completion, from the database or the server that a shell works on. Bounded in time and
 * number: who presses a key does not wait.
 */

#include "cli/shell.h"
#include "cli/shell_complete.h"

/* Names that are asked for, and the time that may pass (arbitrary: before a pause is felt). On a
 * server, about a second. */
#define VV_SHELL_NAMES_MAX    10000u
#define VV_SHELL_NAMES_MS_MAX 300

/** The list of a vv_shell_names whose context is a vv_shell. */
VV_MUST_CHECK varve_status vv_shell_names_list(void *context, vv_shell_names_kind kind,
                                               varve_text metric, varve_text label, vv_arena *arena,
                                               varve_text **out_names, size_t *out_count,
                                               varve_error *out_err);

/** Whether the database has this metric, as far as can be told. */
bool vv_shell_has_metric(vv_shell *shell, varve_text metric);

#endif
