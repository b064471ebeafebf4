/* SPDX-License-Identifier: Apache-2.0 */

/*
 * varve: one binary, a verb each for what people do with a database. The table is cli/commands.def.
 */

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

const vv_command vv_commands[] = {
#define VV_COMMAND(id, name, function, arguments, summary) {name, function, arguments, summary},
#include "cli/commands.def"
#undef VV_COMMAND
};
const size_t vv_command_count = sizeof vv_commands / sizeof vv_commands[0];

static void main_print_commands(FILE *target)
{
    fprintf(target, "varve %s: a time-series database\n\nusage: varve COMMAND [options]\n\n",
            varve_version());
    for (size_t i = 0; i < vv_command_count; i++) {
        fprintf(target, "  %-9s %s\n", vv_commands[i].name, vv_commands[i].summary);
    }
    fprintf(target, "\n`varve COMMAND --help` shows the options of a command.\n"
                    "\nexample:\n  varve serve --collect-host\n");
}

static const vv_command *main_find(const char *name)
{
    for (size_t i = 0; i < vv_command_count; i++) {
        if (strcmp(vv_commands[i].name, name) == 0) {
            return &vv_commands[i];
        }
    }
    return NULL;
}

/** Levenshtein distance of short words; for suggestions only. */
static size_t main_distance(const char *a, const char *b)
{
    size_t row[32];
    size_t b_size = strlen(b);
    if (b_size + 1 > sizeof row / sizeof row[0]) {
        return SIZE_MAX;
    }
    for (size_t i = 0; i <= b_size; i++) {
        row[i] = i;
    }
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t k = 0; k < b_size; k++) {
            size_t change = diagonal + (a[i] != b[k]);
            diagonal = row[k + 1];
            size_t best = row[k] < row[k + 1] ? row[k] + 1 : row[k + 1] + 1;
            row[k + 1] = change < best ? change : best;
        }
    }
    return row[b_size];
}

static int main_unknown(const char *name)
{
    const char *nearest = NULL;
    size_t distance = 3; /* farther words are no typing mistakes */
    for (size_t i = 0; i < vv_command_count; i++) {
        size_t other = main_distance(name, vv_commands[i].name);
        if (other < distance) {
            distance = other;
            nearest = vv_commands[i].name;
        }
    }
    if (nearest != NULL) {
        fprintf(stderr, "varve: there is no command \"%s\"; did you mean \"%s\"?\n", name, nearest);
    } else {
        fprintf(stderr, "varve: there is no command \"%s\"; `varve help` lists them\n", name);
    }
    return VV_EXIT_USAGE;
}

int vv_cmd_help(int argc, char **argv)
{
    if (argc == 0) {
        main_print_commands(stdout);
        return VV_EXIT_OK;
    }
    const vv_command *command = main_find(argv[0]);
    if (command == NULL) {
        return main_unknown(argv[0]);
    }
    if (command->run == vv_cmd_help) {
        main_print_commands(stdout);
        return VV_EXIT_OK;
    }
    char help[] = "--help";
    char *arguments[] = {help, NULL};
    return command->run(1, arguments);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        main_print_commands(stderr);
        return VV_EXIT_USAGE;
    }
    const char *verb = argv[1];
    if (strcmp(verb, "-h") == 0 || strcmp(verb, "--help") == 0) {
        main_print_commands(stdout);
        return VV_EXIT_OK;
    }
    if (strcmp(verb, "--version") == 0) {
        return vv_cmd_version(0, NULL);
    }
    const vv_command *command = main_find(verb);
    return command == NULL ? main_unknown(verb) : command->run(argc - 2, argv + 2);
}
