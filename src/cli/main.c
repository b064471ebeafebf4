/* SPDX-License-Identifier: Apache-2.0 */

/*
 * varve: one binary, a verb each for what people do with a database. The table is cli/commands.def.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "sys/process.h"
#include "sys/signals.h"
#include "sys/vfs.h"

/** A success only if what the command printed has left the program; a reader that left knows. */
static int main_end(const char *verb, int exit_code)
{
    errno = 0;
    bool is_written = fflush(stdout) == 0;
    int number = errno;
    if (exit_code != VV_EXIT_OK || (is_written && ferror(stdout) == 0)) {
        return exit_code;
    }
    varve_error error;
    /* An earlier write failed when this one did not: why is not known any more. */
    varve_status status = vv_os_fail(&error, is_written ? EIO : number, "write", "standard output");
    return vv_cli_report(verb, status, &error);
}

int main(int argc, char **argv)
{
    if (!vv_process_hold_standard()) {
        return VV_EXIT_FAILED; /* there may be nowhere to say so */
    }
    vv_signals_ignore_pipe(); /* with every command alike */
    if (argc < 2) {
        fprintf(stderr, "usage: varve COMMAND [options]; `varve help` lists the commands\n");
        return VV_EXIT_USAGE;
    }
    const char *verb = argv[1];
    if (strcmp(verb, "-h") == 0 || strcmp(verb, "--help") == 0) {
        return main_end("help", vv_cmd_help(0, argv + argc));
    }
    if (strcmp(verb, "--version") == 0) {
        return main_end("version", vv_cmd_version(0, argv + argc));
    }
    const vv_command *command = vv_command_find(verb);
    return command == NULL ? VV_EXIT_USAGE : main_end(verb, command->run(argc - 2, argv + 2));
}
