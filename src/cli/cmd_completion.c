/* SPDX-License-Identifier: Apache-2.0 */

/*
 * varve completion: a script with which a shell completes commands, options and their values. It is
 * made of the table of commands and of the tables of options, so it cannot miss any.
 */

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json_writer.h"
#include "base/slice.h"
#include "base/text.h"
#include "cli/commands.h"

#define COMPLETION_BYTES_MAX   (1024u * 1024u)
#define COMPLETION_WORDS_BYTES 256u

typedef enum completion_shell { COMPLETION_BASH, COMPLETION_ZSH, COMPLETION_FISH } completion_shell;

static const char *const completion_shells[] = {"bash", "zsh", "fish"};

/** A script under way. */
typedef struct completion_script {
    vv_buf *out;
    completion_shell shell;
    const char *verb; /* the command whose options are seen */
} completion_script;

/** Values of options that take one of a few words; verb NULL: of every command. */
static const struct {
    const char *verb;
    const char *option;
    const char *words;
} completion_choices[] = {
    {NULL, "sync", "group always interval none buffered"},
    {NULL, "precision", "ns us ms s"},
    {NULL, "color", "auto always never"},
    {NULL, "every", "10s 1m 5m 1h day week month quarter year"},
    {NULL, "last", "15m 1h 6h 1d 7d 1mo"},
    {NULL, "agg", "avg sum min max first last count median p95 range variance stddev"},
    {NULL, "log-format", "logfmt json"},
    {NULL, "log-level", "error warn info debug"},
};

/** Words that stand behind a command. */
static const struct {
    const char *verb;
    const char *words;
} completion_operands[] = {
    {"completion", "bash zsh fish"},
    {"config", "show check"},
};

static bool completion_is(const vv_option *option, const char *argument)
{
    return option->argument != NULL && strcmp(option->argument, argument) == 0;
}

/** The words that an option takes, in the buffer or static; NULL: anything. A FORMAT whose words
 * stand in no list above names them in its help. */
static const char *completion_words(const char *verb, const vv_option *given,
                                    char buffer[COMPLETION_WORDS_BYTES])
{
    const char *option = given->name;
    for (size_t i = 0; i < VV_ARRAY_COUNT(completion_choices); i++) {
        bool is_verb =
            completion_choices[i].verb == NULL || strcmp(completion_choices[i].verb, verb) == 0;
        if (is_verb && strcmp(completion_choices[i].option, option) == 0) {
            return completion_choices[i].words;
        }
    }
    if (!completion_is(given, "FORMAT") || given->help == NULL) {
        return NULL;
    }
    vv_text_format(buffer, COMPLETION_WORDS_BYTES, "%s", given->help);
    for (char *at = buffer; *at != '\0'; at++) {
        if (*at == '(') { /* the default, which is one of them */
            *at = '\0';
            break;
        }
        bool is_letter = (*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9');
        *at = is_letter ? *at : ' ';
    }
    char *connective = strstr(buffer, " or ");
    if (connective != NULL) {
        memset(connective, ' ', strlen(" or "));
    }
    return buffer;
}

static const char *completion_operand(const char *verb)
{
    for (size_t i = 0; i < VV_ARRAY_COUNT(completion_operands); i++) {
        if (strcmp(completion_operands[i].verb, verb) == 0) {
            return completion_operands[i].words;
        }
    }
    return NULL;
}

/** Whether a value stands in the word behind the option. */
static bool completion_takes_value(const vv_option *option)
{
    return option->kind != VV_OPTION_FLAG && option->kind != VV_OPTION_OPTIONAL;
}

static bool completion_takes_files(const vv_command *command)
{
    return strstr(command->arguments, "FILE") != NULL || strstr(command->arguments, "DIR") != NULL;
}

static void completion_put(completion_script *script, const char *text)
{
    vv_buf_append_text(script->out, vv_text_from_string(text));
}

/** A text of help between single quotes. What quotes or colons mean to a shell is left out. */
static void completion_quote(completion_script *script, const char *text)
{
    completion_put(script, "'");
    for (; text != NULL && *text != '\0'; text++) {
        if (*text == '\'') {
            completion_put(script, script->shell == COMPLETION_FISH ? "\\'" : "'\\''");
        } else if (*text == ':' && script->shell == COMPLETION_ZSH) {
            completion_put(script, "\\:");
        } else if (*text == '\\' && script->shell == COMPLETION_FISH) {
            completion_put(script, "\\\\");
        } else {
            vv_buf_append_char(script->out, *text);
        }
    }
    completion_put(script, "'");
}

/* ---- bash and zsh: cases of one function ----------------------------------------------------- */

/** How a shell of the two offers words, directories and files. */
static const struct {
    const char *words_begin;
    const char *words_end;
    const char *directories;
    const char *files;
} completion_phrases[] = {
    [COMPLETION_BASH] = {"_varve_words '", "'",
                         "compopt -o filenames; COMPREPLY=($(compgen -d -- \"$word\"))",
                         "_varve_files"},
    [COMPLETION_ZSH] = {"compadd -- ", "", "_files -/", "_files"},
};

/** A vv_cli_seen: what stands behind "verb --option". */
static void completion_values(void *context, const char *verb, const char *example,
                              const vv_option *options, size_t count)
{
    completion_script *script = context;
    (void)example;
    for (size_t i = 0; i < count; i++) {
        char buffer[COMPLETION_WORDS_BYTES];
        const char *words = completion_words(verb, &options[i], buffer);
        if (!completion_takes_value(&options[i])) {
            continue;
        }
        vv_buf_append_format(script->out, "    '%s --%s'", verb, options[i].name);
        if (strcmp(options[i].name, "output") == 0) {
            vv_buf_append_format(script->out, "|'%s -o'", verb);
        }
        completion_put(script, ") ");
        if (words != NULL) {
            vv_buf_append_format(script->out, "%s%s%s; ",
                                 completion_phrases[script->shell].words_begin, words,
                                 completion_phrases[script->shell].words_end);
        } else if (completion_is(&options[i], "DIR")) {
            vv_buf_append_format(script->out, "%s; ",
                                 completion_phrases[script->shell].directories);
        } else if (completion_is(&options[i], "FILE")) {
            vv_buf_append_format(script->out, "%s; ", completion_phrases[script->shell].files);
        }
        completion_put(script, "return ;;\n");
    }
}

/** What stands behind a command, where that is known. */
static void completion_put_operands(completion_script *script)
{
    for (size_t i = 0; i < vv_command_count; i++) {
        const char *words = completion_operand(vv_commands[i].name);
        if (words != NULL) {
            vv_buf_append_format(script->out, "    %s) %s%s%s ;;\n", vv_commands[i].name,
                                 completion_phrases[script->shell].words_begin, words,
                                 completion_phrases[script->shell].words_end);
        } else if (completion_takes_files(&vv_commands[i])) {
            vv_buf_append_format(script->out, "    %s) %s ;;\n", vv_commands[i].name,
                                 completion_phrases[script->shell].files);
        }
    }
}

/* ---- bash ----------------------------------------------------------------------------------- */

/** A vv_cli_seen: the options of a command. */
static void completion_bash_options(void *context, const char *verb, const char *example,
                                    const vv_option *options, size_t count)
{
    completion_script *script = context;
    (void)example;
    vv_buf_append_format(script->out, "    %s) options='", verb);
    for (size_t i = 0; i < count; i++) {
        vv_buf_append_format(script->out, "--%s ", options[i].name);
    }
    completion_put(script, "--help' ;;\n");
}

static void completion_bash(completion_script *script)
{
    completion_put(script, "# bash completion of varve: source <(varve completion bash)\n"
                           "_varve_words() { COMPREPLY=($(compgen -W \"$1\" -- \"$word\")); }\n"
                           "_varve_files() { compopt -o filenames; "
                           "COMPREPLY=($(compgen -f -- \"$word\")); }\n"
                           "_varve() {\n"
                           "    local word=${COMP_WORDS[COMP_CWORD]} options='' commands='");
    for (size_t i = 0; i < vv_command_count; i++) {
        vv_buf_append_format(script->out, "%s%s", i > 0 ? " " : "", vv_commands[i].name);
    }
    completion_put(script,
                   "'\n"
                   "    COMPREPLY=()\n"
                   "    if ((COMP_CWORD == 1)); then _varve_words \"$commands\"; return; fi\n"
                   "    local previous=${COMP_WORDS[COMP_CWORD-1]}\n"
                   "    if [[ $word == = ]]; then word=''; fi\n"
                   "    if [[ $previous == = ]]; then previous=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
                   "    case \"${COMP_WORDS[1]} $previous\" in\n");
    for (size_t i = 0; i < vv_command_count; i++) {
        vv_cli_describe(&vv_commands[i], completion_values, script);
    }
    completion_put(script, "    esac\n    case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; i < vv_command_count; i++) {
        vv_cli_describe(&vv_commands[i], completion_bash_options, script);
    }
    completion_put(script, "    esac\n"
                           "    if [[ $word == -* ]]; then _varve_words \"$options\"; return; fi\n"
                           "    case ${COMP_WORDS[1]} in\n"
                           "    help) _varve_words \"$commands\" ;;\n");
    completion_put_operands(script);
    completion_put(script, "    esac\n}\ncomplete -F _varve varve\n");
}

/* ---- zsh ------------------------------------------------------------------------------------ */

static void completion_zsh_options(void *context, const char *verb, const char *example,
                                   const vv_option *options, size_t count)
{
    completion_script *script = context;
    (void)example;
    vv_buf_append_format(script->out, "    %s) options=(", verb);
    for (size_t i = 0; i < count; i++) {
        vv_buf_append_format(script->out, "--%s:", options[i].name);
        completion_quote(script, options[i].help);
        completion_put(script, " ");
    }
    completion_put(script, "--help:'show the options') ;;\n");
}

static void completion_zsh(completion_script *script)
{
    completion_put(script, "#compdef varve\n"
                           "# zsh completion of varve: source <(varve completion zsh)\n"
                           "_varve() {\n"
                           "    local -a commands options\n"
                           "    commands=(\n");
    for (size_t i = 0; i < vv_command_count; i++) {
        vv_buf_append_format(script->out, "        %s:", vv_commands[i].name);
        completion_quote(script, vv_commands[i].summary);
        completion_put(script, "\n");
    }
    completion_put(script, "    )\n"
                           "    if ((CURRENT == 2)); then _describe command commands; return; fi\n"
                           "    case \"${words[2]} ${words[CURRENT-1]}\" in\n");
    for (size_t i = 0; i < vv_command_count; i++) {
        vv_cli_describe(&vv_commands[i], completion_values, script);
    }
    completion_put(script, "    esac\n    case ${words[2]} in\n");
    for (size_t i = 0; i < vv_command_count; i++) {
        vv_cli_describe(&vv_commands[i], completion_zsh_options, script);
    }
    completion_put(script, "    esac\n"
                           "    if [[ ${words[CURRENT]} == -* ]]; then _describe option options; "
                           "return; fi\n"
                           "    case ${words[2]} in\n"
                           "    help) _describe command commands ;;\n");
    completion_put_operands(script);
    completion_put(script, "    esac\n}\n"
                           "if [[ $funcstack[1] == _varve ]]; then _varve \"$@\"; "
                           "else compdef _varve varve; fi\n");
}

/* ---- fish ----------------------------------------------------------------------------------- */

static void completion_fish_options(void *context, const char *verb, const char *example,
                                    const vv_option *options, size_t count)
{
    completion_script *script = context;
    (void)example;
    for (size_t i = 0; i < count; i++) {
        char buffer[COMPLETION_WORDS_BYTES];
        const char *words = completion_words(verb, &options[i], buffer);
        vv_buf_append_format(script->out,
                             "complete -c varve -n '__fish_seen_subcommand_from %s' -l %s", verb,
                             options[i].name);
        if (!completion_takes_value(&options[i])) {
            completion_put(script, " -f");
        } else if (words != NULL) {
            vv_buf_append_format(script->out, " -x -a '%s'", words);
        } else if (completion_is(&options[i], "DIR")) {
            completion_put(script, " -x -a '(__fish_complete_directories)'");
        } else if (completion_is(&options[i], "FILE")) {
            completion_put(script, " -r -F");
        } else {
            completion_put(script, " -x");
        }
        completion_put(script, " -d ");
        completion_quote(script, options[i].help);
        completion_put(script, "\n");
    }
}

static void completion_fish(completion_script *script)
{
    completion_put(script, "# fish completion of varve: varve completion fish | source\n"
                           "complete -c varve -f\n");
    for (size_t i = 0; i < vv_command_count; i++) {
        vv_buf_append_format(script->out, "complete -c varve -n __fish_use_subcommand -a %s -d ",
                             vv_commands[i].name);
        completion_quote(script, vv_commands[i].summary);
        const char *words = completion_operand(vv_commands[i].name);
        if (words != NULL) {
            vv_buf_append_format(script->out,
                                 "\ncomplete -c varve -n '__fish_seen_subcommand_from %s' -a '%s'",
                                 vv_commands[i].name, words);
        } else if (completion_takes_files(&vv_commands[i])) {
            vv_buf_append_format(script->out,
                                 "\ncomplete -c varve -n '__fish_seen_subcommand_from %s' -F",
                                 vv_commands[i].name);
        }
        completion_put(script, "\n");
        vv_cli_describe(&vv_commands[i], completion_fish_options, script);
    }
}

/* ---- the command ---------------------------------------------------------------------------- */

static int completion_print(completion_shell shell, bool is_json)
{
    vv_alloc alloc;
    vv_buf out;
    vv_buf document;
    varve_error error;
    vv_alloc_init(&alloc, NULL);
    vv_buf_init(&out, &alloc, COMPLETION_BYTES_MAX);
    vv_buf_init(&document, &alloc, 2 * COMPLETION_BYTES_MAX);
    completion_script script = {.out = &out, .shell = shell};
    switch (shell) {
    case COMPLETION_BASH:
        completion_bash(&script);
        break;
    case COMPLETION_ZSH:
        completion_zsh(&script);
        break;
    case COMPLETION_FISH:
        completion_fish(&script);
        break;
    }
    varve_status status = vv_buf_check(&out, &error);
    if (status == VARVE_OK && is_json) {
        vv_json json;
        vv_json_init(&json, &document);
        vv_json_object_begin(&json);
        vv_json_key_text(&json, VV_TEXT("shell"), vv_text_from_string(completion_shells[shell]));
        vv_json_key_text(&json, VV_TEXT("script"), vv_buf_text(&out));
        vv_json_object_end(&json);
        vv_buf_append_char(&document, '\n');
        status = vv_json_end(&json, &error);
    }
    int exit_code = vv_cli_report("completion", status, &error);
    if (status == VARVE_OK) {
        exit_code = vv_cli_print("completion", vv_buf_text(is_json ? &document : &out));
    }
    vv_buf_deinit(&document);
    vv_buf_deinit(&out);
    return exit_code;
}

int vv_cmd_completion(int argc, char **argv)
{
    bool is_json = false;
    const vv_option table[] = {
        {"json", VV_OPTION_FLAG, &is_json, NULL, "the script in a JSON document"},
    };
    int operands;
    int exit_code;
    if (!vv_cli_begin("completion", "source <(varve completion bash)", table, VV_ARRAY_COUNT(table),
                      argc, argv, &operands, &exit_code)) {
        return exit_code;
    }
    for (size_t i = 0; operands == 1 && i < VV_ARRAY_COUNT(completion_shells); i++) {
        if (strcmp(argv[0], completion_shells[i]) == 0) {
            return completion_print((completion_shell)i, is_json);
        }
    }
    vv_cli_fail("completion", "takes the name of a shell: bash, zsh or fish");
    return VV_EXIT_USAGE;
}
