/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_ARGS_H
#define VV_CLI_ARGS_H

/*
 * Command line arguments: a table of options per verb, long names only but for -h and -o.
 * `--name VALUE` and `--name=VALUE` are the same; `--` ends the options; what is left are operands,
 * in order.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum vv_option_kind {
    VV_OPTION_FLAG,     /* bool */
    VV_OPTION_TEXT,     /* const char * */
    VV_OPTION_UNSIGNED, /* uint64_t */
    VV_OPTION_BYTES,    /* uint64_t: a number, or one with KiB, MiB, GiB */
    VV_OPTION_OPTIONAL, /* vv_option_optional: --name or --name=VALUE */
    VV_OPTION_LIST      /* vv_option_list: may be repeated */
} vv_option_kind;

#define VV_OPTION_ITEMS_MAX 64u

typedef struct vv_option_optional {
    bool is_set;
    const char *value; /* NULL: given without one */
} vv_option_optional;

typedef struct vv_option_list {
    size_t count;
    const char *values[VV_OPTION_ITEMS_MAX];
} vv_option_list;

typedef struct vv_option {
    const char *name; /* without the dashes */
    vv_option_kind kind;
    void *target;
    const char *argument; /* shown in help; NULL for flags */
    const char *help;     /* NULL: a setting that the help does not list */
} vv_option;

/**
 * Parse argv[0..argc): options fill their targets, operands are moved to the front of argv and
 * counted. On a mistake out_text says which argument and why, and false is returned.
 */
bool vv_args_parse(const vv_option *options, size_t count, int argc, char **argv, int *out_operands,
                   bool *out_wants_help, char *out_text, size_t capacity);

#endif
