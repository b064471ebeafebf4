/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_SHELL_H
#define VV_CLI_SHELL_H

/*
 * The shell without a terminal: a database that stays open, and lines that work on it.
 *
 *     query 'cpu{host="a"}' --last 1h     a command, without the word varve and without --data
 *     cpu{host="a"} --last 1h             the same: what begins with no verb is a query
 *     .mode csv                           about the shell itself (cli/shell_dot.h)
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "cli/cli.h"
#include "sys/vfs.h"
#include "varve.h"

/* Files that read files that read files. */
#define VV_SHELL_DEPTH_MAX 16u

typedef struct vv_shell {
    vv_target target;                    /* exactly one is set */
    char target_text[VV_PATH_BYTES_MAX]; /* what it points to */
    char mode[16];                       /* of rows; empty: as the commands have it */
    bool has_timer;
    bool keeps_going;    /* after a line that failed; else a script ends there */
    bool is_interactive; /* a person types the lines */
    bool is_done;        /* .quit */
    uint32_t depth;      /* of .read */
    vv_alloc alloc;
    vv_arena arena;                      /* of the line */
    void (*show_history)(void *context); /* NULL: there is none */
    void *history_context;
} vv_shell;

/** With no database open yet; vv_shell_open is next. */
void vv_shell_init(vv_shell *shell);
/** Closes the database; its exit code. */
int vv_shell_deinit(vv_shell *shell);

/**
 * Work on this directory or server from now on; exactly one is set. A directory that is not there
 * yet is said to be so, and waited for. When another cannot be opened the shell stays where it is.
 */
int vv_shell_open(vv_shell *shell, const vv_target *target);

/** Run one line; its exit code. Empty lines and comments are fine. */
int vv_shell_run(vv_shell *shell, varve_text line);

/** Run the lines of a file, or of standard input ("-"): the exit code of the first that failed. */
int vv_shell_run_file(vv_shell *shell, const char *path);

#endif
