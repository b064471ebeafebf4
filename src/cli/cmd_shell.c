/* SPDX-License-Identifier: Apache-2.0 */

/*
 * varve shell: commands in a row on a database that stays open, typed at a terminal or read from
 * standard input.
 */

#include <stdio.h>

#include "base/slice.h"
#include "cli/shell.h"
#include "cli/shell_edit.h"
#include "sys/signals.h"

/** Until the person leaves: X1 of shell.c, so the exit code is OK. */
static int cmd_shell_type(vv_shell *shell)
{
    varve_error error;
    varve_text line;
    vv_shell_edit *edit;
    vv_signals_catch_often();
    varve_status status = vv_shell_edit_create(shell, &edit, &error);
    if (status != VARVE_OK) {
        return vv_cli_report("shell", status, &error);
    }
    printf("varve %s on %s; .help shows what can be typed\n", varve_version(), shell->target_text);
    while (!shell->is_done) {
        vv_shell_key key = vv_shell_edit_read(edit, &line);
        if (key == VV_SHELL_LEAVE) {
            break;
        }
        if (key == VV_SHELL_LINE) {
            VV_IGNORE(vv_shell_run(shell, line)); /* said on standard error; the person goes on */
        }
        if (vv_signals_is_end_asked()) {
            break;
        }
    }
    vv_shell_edit_free(edit);
    return vv_signals_is_end_asked() ? VV_EXIT_INTERRUPTED : VV_EXIT_OK;
}

int vv_cmd_shell(int argc, char **argv)
{
    vv_target target = {.data = NULL};
    bool keeps_going = false;
    const vv_option table[] = {
        VV_TARGET_OPTIONS(&target),
        {"keep-going", VV_OPTION_FLAG, &keeps_going, NULL, "go on after a line that failed"},
    };
    int operands;
    int exit_code;
    vv_shell shell;
    if (!vv_cli_begin("shell", "varve shell --data /var/lib/varve", table, VV_ARRAY_COUNT(table),
                      argc, argv, &operands, &exit_code)) {
        return exit_code;
    }
    if (!vv_cli_takes_none("shell", operands, argv) || !vv_cli_resolve_target("shell", &target)) {
        return VV_EXIT_USAGE;
    }
    vv_shell_init(&shell);
    shell.keeps_going = keeps_going;
    shell.is_interactive = vv_is_terminal(0);
    exit_code = vv_shell_open(&shell, &target);
    if (exit_code == VV_EXIT_OK && shell.is_interactive) {
        exit_code = cmd_shell_type(&shell);
    } else if (exit_code == VV_EXIT_OK) {
        vv_signals_catch();
        exit_code = vv_shell_run_file(&shell, "-");
    }
    int closed = vv_shell_deinit(&shell);
    return exit_code == VV_EXIT_OK ? closed : exit_code;
}
