/* SPDX-License-Identifier: Apache-2.0 */

/*
 * varve help: the commands; with a name the options of one. As JSON it is everything that
 * completion and other tools want to know about the command line.
 */

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json_writer.h"
#include "base/slice.h"
#include "cli/commands.h"

#define HELP_BYTES_MAX (1024u * 1024u)

static void help_print(void)
{
    printf("varve %s: a time-series database\n\nusage: varve COMMAND [options]\n\n",
           varve_version());
    for (size_t i = 0; i < vv_command_count; i++) {
        printf("  %-10s %s\n", vv_commands[i].name, vv_commands[i].summary);
    }
    printf("\n`varve COMMAND --help` shows the options of a command.\n"
           "\nexample:\n  varve serve --collect-host\n");
}

static void help_key(vv_json *json, varve_text key, const char *value)
{
    vv_json_key_text(json, key, vv_text_from_string(value));
}

/** A vv_cli_seen: one command, but for what the table of commands says of it. */
static void help_json_command(void *context, const char *verb, const char *example,
                              const vv_option *options, size_t count)
{
    vv_json *json = context;
    (void)verb;
    help_key(json, VV_TEXT("example"), example);
    vv_json_key(json, VV_TEXT("options"));
    vv_json_array_begin(json);
    for (size_t i = 0; i < count; i++) {
        vv_json_object_begin(json);
        help_key(json, VV_TEXT("name"), options[i].name);
        if (options[i].argument != NULL) {
            help_key(json, VV_TEXT("argument"), options[i].argument);
        }
        help_key(json, VV_TEXT("help"), options[i].help != NULL ? options[i].help : "");
        vv_json_object_end(json);
    }
    vv_json_array_end(json);
}

static void help_json(vv_json *json)
{
    vv_json_object_begin(json);
    help_key(json, VV_TEXT("version"), varve_version());
    vv_json_key(json, VV_TEXT("commands"));
    vv_json_array_begin(json);
    for (size_t i = 0; i < vv_command_count; i++) {
        vv_json_object_begin(json);
        help_key(json, VV_TEXT("name"), vv_commands[i].name);
        help_key(json, VV_TEXT("arguments"), vv_commands[i].arguments);
        help_key(json, VV_TEXT("summary"), vv_commands[i].summary);
        vv_cli_describe(&vv_commands[i], help_json_command, json);
        vv_json_object_end(json);
    }
    vv_json_array_end(json);
    vv_json_object_end(json);
}

static int help_print_json(void)
{
    vv_alloc alloc;
    vv_buf buf;
    vv_json json;
    varve_error error;
    vv_alloc_init(&alloc, NULL);
    vv_buf_init(&buf, &alloc, HELP_BYTES_MAX);
    vv_json_init(&json, &buf);
    help_json(&json);
    vv_buf_append_char(&buf, '\n');
    int exit_code = vv_cli_report("help", vv_json_end(&json, &error), &error);
    if (exit_code == VV_EXIT_OK) {
        exit_code = vv_cli_print("help", vv_buf_text(&buf));
    }
    vv_buf_deinit(&buf);
    return exit_code;
}

int vv_cmd_help(int argc, char **argv)
{
    bool is_json = false;
    const vv_option table[] = {
        {"json", VV_OPTION_FLAG, &is_json, NULL, "all commands and options as a JSON document"},
    };
    int operands;
    int exit_code;
    if (!vv_cli_begin("help", "varve help query", table, VV_ARRAY_COUNT(table), argc, argv,
                      &operands, &exit_code)) {
        return exit_code;
    }
    if (is_json) {
        return vv_cli_takes_none("help", operands, argv) ? help_print_json() : VV_EXIT_USAGE;
    }
    if (operands == 0) {
        help_print();
        return VV_EXIT_OK;
    }
    if (operands > 1) {
        vv_cli_fail("help", "takes one command, but was given %d", operands);
        return VV_EXIT_USAGE;
    }
    const vv_command *command = vv_command_find(argv[0]);
    char help[] = "--help";
    char *arguments[] = {help, NULL};
    return command == NULL ? VV_EXIT_USAGE : command->run(1, arguments);
}
