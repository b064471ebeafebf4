/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A line becomes the arguments of a command:
 *
 *     cpu{host="a"} --last 1h
 *       -> words                   cpu{host="a"} | --last | 1h          cli/shell_words.h
 *       -> no verb: a query        query | cpu{host="a"} | --last | 1h
 *       -> the shell's own         query | --data | DIR | --format | csv | cpu{host="a"} ...
 *       -> run, which borrows the open handle                          cli/session.h
 *
 * What a command takes is asked of the command (cli/shell_options.h), so a new one works in the
 * shell without a line here.
 *
 * X1  A line never ends the process, whatever it says: not by its errors, not by SIGINT.
 * X2  The first line that fails gives the exit code of a script.
 */

#include "cli/shell.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/nearest.h"
#include "cli/session.h"
#include "cli/shell_dot.h"
#include "cli/shell_names.h"
#include "cli/shell_options.h"
#include "cli/shell_words.h"
#include "sys/clock.h"
#include "sys/signals.h"
#include "wire/text_mark.h"

/* The words of a line and what is made of them. */
#define SHELL_ARENA_BYTES_MAX ((size_t)64 * 1024 * 1024)
/* Lines up to here are shown with their mistake (arbitrary: some screens). */
#define SHELL_SHOWN_BYTES_MAX 16384u
/* What the shell puts before them: --data DIR --format FORMAT. */
#define SHELL_OWN_WORDS_MAX 4u

void vv_shell_init(vv_shell *shell)
{
    memset(shell, 0, sizeof *shell);
    vv_alloc_init(&shell->alloc, NULL);
    vv_arena_init(&shell->arena, &shell->alloc, SHELL_ARENA_BYTES_MAX);
}

int vv_shell_deinit(vv_shell *shell)
{
    varve_error error;
    vv_arena_deinit(&shell->arena);
    return vv_cli_report("shell", vv_session_end(&error), &error);
}

/* ---- the database --------------------------------------------------------------------------- */

static varve_status shell_set_target(vv_shell *shell, const vv_target *target, varve_error *out_err)
{
    char text[VV_PATH_BYTES_MAX]; /* the old text may be what target points to */
    VV_TRY(vv_session_begin(target->data, out_err));
    vv_text_format(text, sizeof text, "%s", target->url != NULL ? target->url : target->data);
    memcpy(shell->target_text, text, sizeof text);
    shell->target.url = target->url != NULL ? shell->target_text : NULL;
    shell->target.data = target->url != NULL ? NULL : shell->target_text;
    return VARVE_OK;
}

/** Open the directory now, so that what is wrong shows here and not in the first line. */
static varve_status shell_try(const vv_shell *shell, varve_error *out_err)
{
    varve_db *db;
    if (shell->target.data == NULL) {
        return VARVE_OK;
    }
    varve_status status = vv_session_lend(&db, out_err);
    if (status == VARVE_E_NOT_FOUND) {
        fprintf(stderr, "varve shell: %s is not there yet; write and import create it\n",
                shell->target.data);
        return VARVE_OK;
    }
    return status;
}

int vv_shell_open(vv_shell *shell, const vv_target *target)
{
    varve_error error;
    char old_text[VV_PATH_BYTES_MAX];
    bool was_url = shell->target.url != NULL;
    memcpy(old_text, shell->target_text, sizeof old_text);
    vv_target old = {.data = was_url ? NULL : old_text, .url = was_url ? old_text : NULL};
    const char *text = target->url != NULL ? target->url : target->data;
    if (strlen(text) >= sizeof old_text) {
        vv_cli_fail("shell", "the name has more than %zu bytes", sizeof old_text - 1);
        return VV_EXIT_USAGE;
    }
    varve_status status = vv_session_end(&error);
    if (status == VARVE_OK) {
        status = shell_set_target(shell, target, &error);
    }
    if (status == VARVE_OK) {
        status = shell_try(shell, &error);
    }
    int exit_code = vv_cli_report_world("shell", status, &error);
    if (status != VARVE_OK && old_text[0] != '\0') {
        VV_IGNORE(shell_set_target(shell, &old, &error)); /* it fitted before */
    }
    return exit_code;
}

/* ---- one line ------------------------------------------------------------------------------- */

/** A line with --data or --url, in either form, up to "--". */
static const char *shell_find_target(const vv_shell_words *words)
{
    for (size_t i = 0; i < words->count; i++) {
        const char *word = words->words[i].text.data;
        if (strcmp(word, "--") == 0) {
            break;
        }
        varve_text name =
            vv_text_sub(words->words[i].text, 0, vv_text_find_char(words->words[i].text, '='));
        if (vv_text_equal(name, VV_TEXT("--data")) || vv_text_equal(name, VV_TEXT("--url"))) {
            return word;
        }
    }
    return NULL;
}

/** Whether the words choose how rows are shown. */
static bool shell_has_format(const vv_shell_words *words)
{
    static const char *const options[] = {"--format", "--json", "--csv", "--chart", "--help"};
    for (size_t i = 0; i < words->count; i++) {
        varve_text word = words->words[i].text;
        word = vv_text_sub(word, 0, vv_text_find_char(word, '='));
        for (size_t k = 0; k < VV_ARRAY_COUNT(options); k++) {
            if (vv_text_equal(word, vv_text_from_string(options[k]))) {
                return true;
            }
        }
    }
    return false;
}

/** Options that the shell adds, written as literals that commands never change. */
static char shell_data_option[] = "--data";
static char shell_url_option[] = "--url";
static char shell_format_option[] = "--format";

/** --data or --url; false after saying that the command cannot work on a server. */
static bool shell_add_target(vv_shell *shell, const vv_command *command,
                             const vv_shell_options *options, char **argv, int *argc)
{
    bool takes_data = vv_shell_option_find(options, VV_TEXT("data")) != NULL;
    bool takes_url = vv_shell_option_find(options, VV_TEXT("url")) != NULL;
    if (shell->target.url != NULL ? !takes_url : !takes_data) {
        if (takes_data || takes_url) {
            vv_cli_fail("shell", "%s works on a %s, and this shell on %s", command->name,
                        takes_data ? "directory" : "server", shell->target_text);
        }
        return !takes_data && !takes_url;
    }
    argv[0] = shell->target.url != NULL ? shell_url_option : shell_data_option;
    argv[1] = shell->target_text;
    *argc = 2;
    return true;
}

/** How rows are shown: for commands that show some, not for those that read or write files. */
static void shell_add_format(vv_shell *shell, const vv_command *command,
                             const vv_shell_options *options, const vv_shell_words *words,
                             char **argv, int *argc)
{
    bool is_query = command == vv_command_known("query");
    bool takes_format = vv_shell_option_find(options, VV_TEXT("format")) != NULL;
    if (shell->mode[0] != '\0' && is_query && takes_format && !shell_has_format(words)) {
        argv[*argc] = shell_format_option;
        argv[*argc + 1] = shell->mode;
        *argc += 2;
    }
}

static int shell_run_command(vv_shell *shell, const vv_command *command,
                             const vv_shell_words *words, size_t first)
{
    int argc = 0;
    vv_shell_options options;
    if (command->run == vv_cmd_serve || command->run == vv_cmd_shell) {
        vv_cli_fail("shell", "%s does not run in a shell", command->name);
        return VV_EXIT_USAGE;
    }
    vv_shell_options_of(command, &options);
    const char *target = shell_find_target(words);
    if (target != NULL) {
        vv_cli_fail("shell", "a line takes no %s: .open chooses the database", target);
        return VV_EXIT_USAGE;
    }
    char **argv =
        vv_arena_array(&shell->arena, words->count + SHELL_OWN_WORDS_MAX + 1, sizeof *argv);
    if (argv == NULL) {
        vv_cli_fail("shell", "out of memory");
        return VV_EXIT_FAILED;
    }
    if (!shell_add_target(shell, command, &options, argv, &argc)) {
        return VV_EXIT_USAGE;
    }
    shell_add_format(shell, command, &options, words, argv, &argc);
    for (size_t i = first; i < words->count; i++) {
        argv[argc] = words->words[i].chars;
        argc += 1;
    }
    argv[argc] = NULL;
    return command->run(argc, argv);
}

/** A word that is no verb is a selector, unless it looks like a mistyped one and selects nothing.
 */
static bool shell_is_mistyped(vv_shell *shell, const vv_shell_word *word)
{
    vv_nearest nearest = {.word = word->text};
    for (size_t i = 0; i < vv_command_count; i++) {
        vv_nearest_offer(&nearest, vv_commands[i].name);
    }
    return word->is_plain && nearest.best != NULL && !vv_shell_has_metric(shell, word->text);
}

static int shell_run_words(vv_shell *shell, const vv_shell_words *words)
{
    const vv_shell_word *first = &words->words[0];
    if (first->is_plain && first->text.data[0] == '.') {
        return vv_shell_dot_run(shell, words);
    }
    const vv_command *command = vv_command_known(first->text.data);
    if (command != NULL) {
        return shell_run_command(shell, command, words, 1);
    }
    if (shell_is_mistyped(shell, first)) {
        return vv_command_find(first->text.data) == NULL ? VV_EXIT_USAGE : VV_EXIT_OK;
    }
    return shell_run_command(shell, vv_command_known("query"), words, 0);
}

/** Say what is wrong with the words of a line, and point at the place. */
static int shell_report_line(vv_shell *shell, varve_status status, const varve_error *error,
                             varve_text line)
{
    varve_text copy = {0};
    if (line.size <= SHELL_SHOWN_BYTES_MAX) {
        VV_IGNORE(vv_arena_copy(&shell->arena, line, &copy)); /* else the sentence must do */
    }
    return vv_cli_report_at("shell", status, error, copy.data);
}

int vv_shell_run(vv_shell *shell, varve_text line)
{
    varve_error error;
    vv_shell_words words;
    int64_t begin_ns = vv_mono_now_ns();
    bool is_outer = shell->depth == 0;
    if (is_outer) {
        vv_arena_reset(&shell->arena);
    }
    vv_arena_mark mark = vv_arena_save(&shell->arena);
    varve_status status = vv_shell_split(line, &shell->arena, &words, &error);
    int exit_code = shell_report_line(shell, status, &error, line);
    if (status == VARVE_OK && words.count > 0) {
        exit_code = shell_run_words(shell, &words);
    }
    fflush(stdout);
    clearerr(stdin); /* a command may have read up to Ctrl-D */
    if (shell->has_timer && status == VARVE_OK && words.count > 0) {
        fprintf(stderr, "took %.3f s\n", (double)(vv_mono_now_ns() - begin_ns) / 1e9);
    }
    if (!is_outer) {
        vv_arena_restore(&shell->arena, mark);
    }
    return exit_code;
}

/* ---- many lines ----------------------------------------------------------------------------- */

/** The next line without its end, into buf; false at the end of the file. */
static bool shell_read_line(FILE *file, vv_buf *buf)
{
    int c = getc(file);
    vv_buf_reset(buf);
    if (c == EOF) {
        return false;
    }
    for (; c != EOF && c != '\n'; c = getc(file)) {
        vv_buf_append_char(buf, (char)c); /* too long a line fails when it is looked at */
    }
    return true;
}

static int shell_run_lines(vv_shell *shell, FILE *file, const char *name)
{
    vv_buf line;
    varve_error error;
    int exit_code = VV_EXIT_OK;
    vv_buf_init(&line, &shell->alloc, VV_SHELL_LINE_BYTES_MAX);
    for (uint64_t number = 1; !shell->is_done && shell_read_line(file, &line); number++) {
        varve_status status = vv_buf_check(&line, &error);
        varve_text text =
            number == 1 ? vv_text_without_mark(vv_buf_text(&line)) : vv_buf_text(&line);
        int one =
            status == VARVE_OK ? vv_shell_run(shell, text) : vv_cli_report("shell", status, &error);
        if (vv_signals_is_stop_asked()) {
            exit_code = VV_EXIT_INTERRUPTED;
            break;
        }
        if (one != VV_EXIT_OK) {
            fprintf(stderr, "varve shell: that was line %llu of %s\n", (unsigned long long)number,
                    name);
            exit_code = exit_code == VV_EXIT_OK ? one : exit_code;
        }
        if (one != VV_EXIT_OK && !shell->keeps_going) {
            break;
        }
    }
    vv_buf_deinit(&line);
    return exit_code;
}

int vv_shell_run_file(vv_shell *shell, const char *path)
{
    varve_error error;
    bool is_standard = strcmp(path, "-") == 0;
    if (shell->depth == VV_SHELL_DEPTH_MAX) {
        vv_cli_fail("shell", ".read is nested more than %u deep", VV_SHELL_DEPTH_MAX);
        return VV_EXIT_USAGE;
    }
    FILE *file = is_standard ? stdin : fopen(path, "rb");
    if (file == NULL) {
        return vv_cli_report("shell", vv_os_fail(&error, errno, "open", path), &error);
    }
    shell->depth += !is_standard;
    int exit_code = shell_run_lines(shell, file, is_standard ? "standard input" : path);
    shell->depth -= !is_standard;
    if (!is_standard) {
        VV_IGNORE(fclose(file)); /* nothing was written */
    }
    return exit_code;
}
