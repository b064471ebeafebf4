/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/shell_dot.h"

#include <stdio.h>
#include <string.h>

#include "base/slice.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/nearest.h"
#include "cli/rows_print.h"

static int dot_help(vv_shell *shell, const char *argument)
{
    (void)shell;
    (void)argument;
    printf("A line is a command of varve, or a selector with the options of query:\n\n"
           "  cpu{host=\"a\"} --last 1h --every 1m\n\n");
    for (size_t i = 0; i < vv_command_count; i++) {
        printf("  %-16s %s\n", vv_commands[i].name, vv_commands[i].summary);
    }
    printf("\n");
    for (size_t i = 0; i < vv_shell_dot_count; i++) {
        char left[32];
        bool has_argument = vv_shell_dots[i].argument != NULL;
        vv_text_format(left, sizeof left, "%s%s%s", vv_shell_dots[i].name, has_argument ? " " : "",
                       has_argument ? vv_shell_dots[i].argument : "");
        printf("  %-16s %s\n", left, vv_shell_dots[i].summary);
    }
    printf("\n`COMMAND --help` shows the options of a command.\n");
    return VV_EXIT_OK;
}

static int dot_quit(vv_shell *shell, const char *argument)
{
    (void)argument;
    shell->is_done = true;
    return VV_EXIT_OK;
}

static int dot_open(vv_shell *shell, const char *argument)
{
    if (argument == NULL) {
        printf("%s\n", shell->target_text);
        return VV_EXIT_OK;
    }
    varve_text text = vv_text_from_string(argument);
    bool is_url = vv_text_starts_with(text, VV_TEXT("http://")) ||
                  vv_text_starts_with(text, VV_TEXT("https://"));
    vv_target target = {.data = is_url ? NULL : argument, .url = is_url ? argument : NULL};
    return vv_shell_open(shell, &target);
}

static int dot_mode(vv_shell *shell, const char *argument)
{
    vv_rows_format format;
    if (argument == NULL) {
        printf("%s\n", shell->mode[0] == '\0' ? "table" : shell->mode);
        return VV_EXIT_OK;
    }
    if (strlen(argument) >= sizeof shell->mode || !vv_rows_format_parse(argument, &format)) {
        vv_cli_fail("shell",
                    ".mode takes a format of query, such as table, csv or json, not \"%s\"",
                    argument);
        return VV_EXIT_USAGE;
    }
    vv_text_format(shell->mode, sizeof shell->mode, "%s", argument);
    return VV_EXIT_OK;
}

static int dot_timer(vv_shell *shell, const char *argument)
{
    bool is_on = argument != NULL && strcmp(argument, "on") == 0;
    if (argument == NULL) {
        printf("%s\n", shell->has_timer ? "on" : "off");
        return VV_EXIT_OK;
    }
    if (!is_on && strcmp(argument, "off") != 0) {
        vv_cli_fail("shell", ".timer takes on or off, not \"%s\"", argument);
        return VV_EXIT_USAGE;
    }
    shell->has_timer = is_on;
    return VV_EXIT_OK;
}

static int dot_read(vv_shell *shell, const char *argument)
{
    if (strcmp(argument, "-") == 0) {
        vv_cli_fail("shell", ".read takes a file; standard input is the shell's own");
        return VV_EXIT_USAGE;
    }
    return vv_shell_run_file(shell, argument);
}

static int dot_history(vv_shell *shell, const char *argument)
{
    (void)argument;
    if (shell->show_history != NULL) {
        shell->show_history(shell->history_context);
    }
    return VV_EXIT_OK;
}

const vv_shell_dot vv_shell_dots[] = {
    {".help", NULL, "this text", dot_help},
    {".history", NULL, "the lines before this one", dot_history},
    {".mode", "[FORMAT]", "how rows are shown: table, csv, json ...", dot_mode},
    {".open", "[DIR|URL]", "work on another database or server", dot_open},
    {".quit", NULL, "leave; so does Ctrl-D", dot_quit},
    {".read", "FILE", "run the lines of a file", dot_read},
    {".timer", "[on|off]", "say how long each line took", dot_timer},
};
const size_t vv_shell_dot_count = VV_ARRAY_COUNT(vv_shell_dots);

static const vv_shell_dot *dot_find(const char *name)
{
    vv_nearest nearest = {.word = vv_text_from_string(name)};
    for (size_t i = 0; i < vv_shell_dot_count; i++) {
        if (strcmp(vv_shell_dots[i].name, name) == 0) {
            return &vv_shell_dots[i];
        }
        vv_nearest_offer(&nearest, vv_shell_dots[i].name);
    }
    if (nearest.best != NULL) {
        vv_cli_fail("shell", "there is no \"%s\"; did you mean \"%s\"?", name, nearest.best);
    } else {
        vv_cli_fail("shell", "there is no \"%s\"; .help lists what there is", name);
    }
    return NULL;
}

int vv_shell_dot_run(vv_shell *shell, const vv_shell_words *words)
{
    const char *argument = words->count > 1 ? words->words[1].text.data : NULL;
    const vv_shell_dot *dot = dot_find(words->words[0].text.data);
    if (dot == NULL) {
        return VV_EXIT_USAGE;
    }
    bool takes_one = dot->argument != NULL;
    bool needs_one = takes_one && dot->argument[0] != '[';
    if (words->count > (takes_one ? 2u : 1u) || (needs_one && argument == NULL)) {
        vv_cli_fail("shell", "%s takes %s, but was given %zu words", dot->name,
                    takes_one ? dot->argument : "nothing", words->count - 1);
        return VV_EXIT_USAGE;
    }
    return dot->run(shell, argument);
}
