/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "base/utf8.h"
#include "cli/caret.h"
#include "cli/commands.h"
#include "cli/session.h"
#include "model/time_range.h"
#include "net/http_url.h"
#include "sys/signals.h"
#include "sys/vfs.h"
#include "wire/span_text.h"

/* What is said in one line; more is cut. */
#define CLI_MESSAGE_BYTES 8192u

/** Words of the command line and names of files come from anywhere: a terminal gets no control
 * characters of theirs, and nothing that is no UTF-8. */
static void cli_make_safe(char *text, size_t size)
{
    size_t at = 0;
    while (at < size) {
        size_t good = vv_utf8_valid_prefix(vv_text_make(text + at, size - at));
        for (size_t i = at; i < at + good; i++) {
            unsigned char byte = (unsigned char)text[i];
            text[i] = byte < 0x20 || byte == 0x7F ? '?' : text[i];
        }
        at += good;
        if (at < size) {
            text[at] = '?';
            at += 1;
        }
    }
}

void vv_cli_fail(const char *verb, const char *format, ...)
{
    char text[CLI_MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int wanted = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    size_t size = wanted < 0 ? 0 : (size_t)wanted;
    size = size < sizeof text ? size : sizeof text - 1;
    cli_make_safe(text, size);
    fprintf(stderr, "varve%s%s: %.*s\n", verb != NULL ? " " : "", verb != NULL ? verb : "",
            (int)size, text);
}

int vv_cli_exit_code(varve_status status)
{
    static const int codes[] = {
        [VARVE_OK] = VV_EXIT_OK,
        [VARVE_E_INVALID] = VV_EXIT_USAGE,
        [VARVE_E_CANCELLED] = VV_EXIT_INTERRUPTED,
    };
    /* All others failed; no code of the table but OK's is 0. */
    size_t index = (size_t)status;
    bool is_listed = index < VV_ARRAY_COUNT(codes) && (codes[index] != 0 || status == VARVE_OK);
    return is_listed ? codes[index] : VV_EXIT_FAILED;
}

int vv_cli_world_exit_code(varve_status status)
{
    return status == VARVE_E_INVALID ? VV_EXIT_FAILED : vv_cli_exit_code(status);
}

/** Say what failed, if it is worth saying. */
static void cli_say(const char *verb, varve_status status, const varve_error *error)
{
    /* A reader that left, as `head` does, is no failure to talk about. */
    if (status == VARVE_OK || (status == VARVE_E_IO && error->os_errno == EPIPE)) {
        return;
    }
    varve_text message = vv_text_from_string(error->message);
    bool is_by_person = status == VARVE_E_CANCELLED; /* "by the caller", says the library */
    bool is_told = vv_text_starts_with(message, VV_TEXT("interrupted"));
    vv_cli_fail(verb, "%s", is_by_person && !is_told ? "interrupted" : error->message);
}

int vv_cli_report(const char *verb, varve_status status, const varve_error *error)
{
    cli_say(verb, status, error);
    return vv_cli_exit_code(status);
}

int vv_cli_report_world(const char *verb, varve_status status, const varve_error *error)
{
    cli_say(verb, status, error);
    return vv_cli_world_exit_code(status);
}

int vv_cli_report_at(const char *verb, varve_status status, const varve_error *error,
                     const char *text)
{
    int exit_code = vv_cli_report(verb, status, error);
    if (status != VARVE_OK) {
        vv_caret_point(error->message, text);
    }
    return exit_code;
}

varve_status vv_cli_write(varve_text text, varve_error *out_err)
{
    errno = 0;
    bool is_written = fwrite(text.data, 1, text.size, stdout) == text.size;
    int number = errno; /* a flush that has nothing left to write would not say it again */
    if (fflush(stdout) != 0 || !is_written) {
        return vv_os_fail(out_err, is_written ? errno : number, "write", "standard output");
    }
    return VARVE_OK;
}

int vv_cli_print(const char *verb, varve_text text)
{
    varve_error error;
    varve_status status = vv_cli_write(text, &error);
    return vv_cli_report(verb, status, &error);
}

/* ---- options -------------------------------------------------------------------------------- */

/* Where the help of an option begins; behind a longer name it has a line of its own. */
#define CLI_HELP_COLUMN 26
#define CLI_HELP_GAP    "                             "

static void cli_print_help(const char *verb, const char *example, const vv_option *options,
                           size_t count)
{
    for (size_t i = 0; i < vv_command_count; i++) {
        if (strcmp(vv_commands[i].name, verb) == 0) {
            printf("varve %s: %s\nusage: varve %s %s\n", verb, vv_commands[i].summary, verb,
                   vv_commands[i].arguments);
        }
    }
    if (count > 0) {
        putchar('\n');
    }
    size_t rare = 0;
    for (size_t i = 0; i < count; i++) {
        if (options[i].help == NULL) {
            rare += 1;
            continue;
        }
        char left[64];
        const char *argument = options[i].argument != NULL ? options[i].argument : "";
        bool is_optional = options[i].kind == VV_OPTION_OPTIONAL && argument[0] != '\0';
        snprintf(left, sizeof left, "--%s%s%s%s", options[i].name,
                 is_optional           ? "[="
                 : argument[0] != '\0' ? " "
                                       : "",
                 argument, is_optional ? "]" : "");
        bool is_long = strlen(left) > CLI_HELP_COLUMN;
        printf("  %-*s%s%s\n", CLI_HELP_COLUMN, left, is_long ? "\n" CLI_HELP_GAP : " ",
               options[i].help);
    }
    if (rare > 0) {
        printf("  and %zu more: man varve-%s, varve config show\n", rare, verb);
    }
    printf("\nexample:\n  %s\n", example);
}

/* Who looks at the options of commands, in place of running them. The one state of the command
 * line: tables of options are local to their commands, since they point to their variables. */
static vv_cli_seen cli_seen;
static void *cli_seen_context;

void vv_cli_describe(const vv_command *command, vv_cli_seen seen, void *context)
{
    char *no_arguments[] = {NULL};
    cli_seen = seen;
    cli_seen_context = context;
    VV_IGNORE(command->run(0, no_arguments)); /* ends in vv_cli_begin */
    cli_seen = NULL;
}

bool vv_cli_begin(const char *verb, const char *example, const vv_option *options, size_t count,
                  int argc, char **argv, int *out_operands, int *out_exit)
{
    char message[256];
    bool wants_help;
    if (cli_seen != NULL) {
        cli_seen(cli_seen_context, verb, example, options, count);
        *out_exit = VV_EXIT_OK;
        return false;
    }
    if (!vv_args_parse(options, count, argc, argv, out_operands, &wants_help, message,
                       sizeof message)) {
        vv_cli_fail(verb, "%s (varve %s --help lists the options)", message, verb);
        *out_exit = VV_EXIT_USAGE;
        return false;
    }
    if (wants_help) {
        cli_print_help(verb, example, options, count);
        *out_exit = VV_EXIT_OK;
        return false;
    }
    return true;
}

bool vv_cli_takes_none(const char *verb, int operands, char **argv)
{
    if (operands > 0) {
        vv_cli_fail(verb, "takes no operand, but was given \"%s\"", argv[0]);
    }
    return operands == 0;
}

/** A variable of the environment; NULL when it is not set, or empty. */
static const char *cli_variable(const char *name)
{
    const char *text = getenv(name);
    return text != NULL && text[0] != '\0' ? text : NULL;
}

static const char *cli_data_default(void)
{
    const char *data = cli_variable(VV_DATA_VARIABLE);
    return data != NULL ? data : VV_DATA_DEFAULT;
}

bool vv_cli_check_url(const char *verb, const char *origin, const char *url)
{
    varve_error error;
    if (vv_http_url_check(url, &error) != VARVE_OK) {
        vv_cli_fail(verb, "%s: %s", origin, error.message);
        return false;
    }
    return true;
}

bool vv_cli_resolve_target(const char *verb, vv_target *target)
{
    if (target->data != NULL && target->url != NULL) {
        vv_cli_fail(verb, "--data and --url exclude each other");
        return false;
    }
    const char *given = target->data != NULL ? target->data : target->url;
    if (given != NULL && given[0] == '\0') {
        vv_cli_fail(verb, "%s is empty", given == target->data ? "--data" : "--url");
        return false;
    }
    bool is_variable = given == NULL && cli_variable(VV_URL_VARIABLE) != NULL;
    if (is_variable) {
        target->url = cli_variable(VV_URL_VARIABLE);
    }
    if (target->data == NULL && target->url == NULL) {
        target->data = cli_data_default();
    }
    return target->url == NULL ||
           vv_cli_check_url(verb, is_variable ? VV_URL_VARIABLE : "--url", target->url);
}

bool vv_cli_resolve_directory(const char *verb, const char **data)
{
    if (*data != NULL && (*data)[0] == '\0') {
        vv_cli_fail(verb, "--data is empty");
        return false;
    }
    if (*data == NULL && cli_variable(VV_DATA_VARIABLE) == NULL &&
        cli_variable(VV_URL_VARIABLE) != NULL) {
        vv_cli_fail(verb, VV_URL_VARIABLE
                    " names a server, and this command works on a directory: name it with --data");
        return false;
    }
    *data = *data == NULL ? cli_data_default() : *data;
    return true;
}

bool vv_cli_parse_sync(const char *verb, const char *word, uint32_t *out_sync)
{
    static const struct {
        const char *name;
        uint32_t sync;
    } modes[] = {
        {"group", VARVE_SYNC_GROUP},       {"always", VARVE_SYNC_ALWAYS},
        {"interval", VARVE_SYNC_INTERVAL}, {"none", VARVE_SYNC_NONE},
        {"buffered", VARVE_SYNC_BUFFERED},
    };
    for (size_t i = 0; word != NULL && i < VV_ARRAY_COUNT(modes); i++) {
        if (strcmp(word, modes[i].name) == 0) {
            *out_sync = modes[i].sync;
            return true;
        }
    }
    if (word != NULL) {
        vv_cli_fail(verb, "--sync is group, always, interval, none or buffered, not \"%s\"", word);
    }
    return word == NULL;
}

bool vv_cli_parse_precision(const char *verb, const char *word, uint32_t *out_precision)
{
    for (uint32_t i = VARVE_PRECISION_NS; word != NULL && i <= VARVE_PRECISION_S; i++) {
        if (strcmp(word, vv_precision_name(i)) == 0) {
            *out_precision = i;
            return true;
        }
    }
    if (word != NULL) {
        vv_cli_fail(verb, "--precision is ns, us, ms or s, not \"%s\"", word);
    }
    return word == NULL;
}

bool vv_cli_parse_interval(const char *verb, const char *option, const char *word, int64_t *out_ns)
{
    vv_span_text span;
    varve_error error;
    if (word == NULL) {
        return true;
    }
    if (vv_span_text_parse(vv_text_from_string(word), &span, &error) != VARVE_OK ||
        span.months > 0 || span.ns <= 0) {
        vv_cli_fail(verb, "%s is a span such as 500ms or 5s, not \"%s\"", option, word);
        return false;
    }
    *out_ns = span.ns;
    return true;
}

/* ---- databases ------------------------------------------------------------------------------ */

varve_db *vv_cli_open_reader(const char *verb, const char *data, int *out_exit)
{
    varve_options options;
    varve_error error;
    varve_db *db = NULL;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_READONLY | VARVE_OPEN_NO_CREATE;
    varve_status status = vv_session_is_of(data) ? vv_session_lend(&db, &error)
                                                 : varve_open(data, &options, &db, &error);
    if (status != VARVE_OK) {
        vv_cli_fail(verb, "%s", error.message);
        *out_exit = vv_cli_world_exit_code(status);
    }
    return db;
}

varve_db *vv_cli_open_writer(const char *verb, const char *data, const varve_options *options,
                             int *out_exit)
{
    varve_error error;
    varve_db *db = NULL;
    varve_status status = varve_open(data, options, &db, &error);
    if (status == VARVE_E_LOCKED) {
        vv_cli_fail(verb,
                    "%s is open in another process: send the rows to its server with "
                    "--url http://127.0.0.1:9428, or stop it first",
                    data);
        *out_exit = VV_EXIT_FAILED;
    } else if (status != VARVE_OK) {
        vv_cli_fail(verb, "%s", error.message);
        *out_exit = vv_cli_world_exit_code(status);
    }
    return db;
}

int vv_cli_close(const char *verb, varve_db *db, int exit_code)
{
    varve_error error;
    if (vv_session_has_lent(db)) {
        return exit_code;
    }
    if (varve_close(db, &error) != VARVE_OK) {
        vv_cli_fail(verb, "%s", error.message);
        varve_abandon(db);
        return exit_code == VV_EXIT_OK ? VV_EXIT_FAILED : exit_code;
    }
    return exit_code;
}

static bool cli_goes_on(void *context)
{
    (void)context;
    return !vv_signals_is_stop_asked();
}

varve_task *vv_cli_task(void)
{
    varve_task *task = varve_task_create();
    if (task != NULL) {
        varve_task_set_check(task, cli_goes_on, NULL);
    }
    return task;
}
