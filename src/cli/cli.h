/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_CLI_H
#define VV_CLI_CLI_H

/*
 * What the commands share: exit codes, errors, where the data is, opening, help.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "cli/args.h"
#include "varve.h"

/**
 * Exit codes, the same for every command. USAGE is for what was typed (a word, a selector, a
 * variable of the environment that stands in for a flag), FAILED for the world: what a directory,
 * a file or a server is, or is not.
 */
enum {
    VV_EXIT_OK = 0,
    VV_EXIT_FAILED = 1,
    VV_EXIT_USAGE = 2,
    VV_EXIT_PARTIAL = 3,    /* some of the input was refused */
    VV_EXIT_CONNECTION = 4, /* no server at --url */
    VV_EXIT_INTERRUPTED = 130
};

#define VV_DATA_DEFAULT "varve-data"
/* The environment variables that stand in for --url and --data; the former comes first. */
#define VV_URL_VARIABLE  "VARVE_URL"
#define VV_DATA_VARIABLE "VARVE_DATA"

typedef int (*vv_command_function)(int argc, char **argv);

typedef struct vv_command {
    const char *name;
    vv_command_function run; /* argv without the verb */
    const char *arguments;
    const char *summary;
} vv_command;

#define VV_COMMAND(id, name, function, arguments, summary) int function(int argc, char **argv);
#include "cli/commands.def"
#undef VV_COMMAND

/** Text to standard output, all of it, now. What is longer than a buffer goes this way: of a piece
 *  that stdio could not write before the end of the command nobody knows why any more. */
VV_MUST_CHECK varve_status vv_cli_write(varve_text text, varve_error *out_err);
/** The same; the exit code, after saying why it could not be written. */
int vv_cli_print(const char *verb, varve_text text);

/** "varve VERB: MESSAGE" on standard error, fit for a terminal; verb NULL: "varve: MESSAGE". */
void vv_cli_fail(const char *verb, const char *format, ...) VV_PRINTF(2, 3);
/** Exit code of a status; E_INVALID is what was typed. */
int vv_cli_exit_code(varve_status status);
/** vv_cli_fail with the message of a status, but for OK; returns its exit code. */
int vv_cli_report(const char *verb, varve_status status, const varve_error *error);
/** The same where E_INVALID is a file or a directory that is not what it is to be. */
int vv_cli_world_exit_code(varve_status status);
int vv_cli_report_world(const char *verb, varve_status status, const varve_error *error);

/** vv_cli_report; then the place in text (may be NULL) that the message tells, with a caret. */
int vv_cli_report_at(const char *verb, varve_status status, const varve_error *error,
                     const char *text);

/**
 * The common start of a command: parse, answer --help, refuse mistakes. Returns true to go on; else
 * *out_exit is the exit code.
 */
bool vv_cli_begin(const char *verb, const char *example, const vv_option *options, size_t count,
                  int argc, char **argv, int *out_operands, int *out_exit);
/** What --help knows of a command. Borrowed for the call. */
typedef void (*vv_cli_seen)(void *context, const char *verb, const char *example,
                            const vv_option *options, size_t count);
/** Hand the options of a command to seen: it is run up to vv_cli_begin and no further. */
void vv_cli_describe(const vv_command *command, vv_cli_seen seen, void *context);
/** Refuse operands where a command takes none. */
bool vv_cli_takes_none(const char *verb, int operands, char **argv);

/** Where a command finds its data: a directory, or a server. */
typedef struct vv_target {
    const char *data; /* --data; NULL: not given */
    const char *url;  /* --url; NULL: not given */
} vv_target;

/** The two rows that begin the table of a command. */
#define VV_TARGET_OPTIONS(target)                                                              \
    {"data", VV_OPTION_TEXT, &(target)->data, "DIR", "the database (" VV_DATA_DEFAULT ")"},    \
    {                                                                                          \
        "url", VV_OPTION_TEXT, &(target)->url, "URL", "a server instead (" VV_URL_VARIABLE ")" \
    }

/** Afterwards exactly one of the two is set. False when both were given, or the URL is none. */
bool vv_cli_resolve_target(const char *verb, vv_target *target);

/** Whether the text of --url, or of the variable, can be an address; says so when not. */
bool vv_cli_check_url(const char *verb, const char *origin, const char *url);

/** --data of a command that works on a directory alone. */
#define VV_DIRECTORY_OPTION(data)                                                   \
    {                                                                               \
        "data", VV_OPTION_TEXT, (data), "DIR", "the database (" VV_DATA_DEFAULT ")" \
    }

/** Afterwards *data is set, by default. False where the environment names a server and nothing a
 * directory: which of the two is meant is not guessed. */
bool vv_cli_resolve_directory(const char *verb, const char **data);

/** Words of options; *out stays as it is for NULL. False after saying what was wrong. */
bool vv_cli_parse_sync(const char *verb, const char *word, uint32_t *out_sync);
bool vv_cli_parse_precision(const char *verb, const char *word, uint32_t *out_precision);
/** A span of an option, above 0, that is as long whenever it begins. */
bool vv_cli_parse_interval(const char *verb, const char *option, const char *word, int64_t *out_ns);

/**
 * Open for reading: works beside a server. Says why not, with *out_exit. In a shell this is the
 * handle that the shell keeps open (cli/session.h), brought up to date.
 */
varve_db *vv_cli_open_reader(const char *verb, const char *data, int *out_exit);
/** Open for writing, created when missing. A directory in use is refused with a sentence on --url.
 */
varve_db *vv_cli_open_writer(const char *verb, const char *data, const varve_options *options,
                             int *out_exit);
/** Close, but for the handle of a shell, reporting a failure; returns the exit code to end with. */
int vv_cli_close(const char *verb, varve_db *db, int exit_code);

/** A task that SIGINT and SIGTERM cancel, after vv_signals_catch; NULL when there is no memory. */
varve_task *vv_cli_task(void);

#endif
