/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>

#include "cli/cli.h"

#if defined(__clang__)
#define VERSION_COMPILER        "clang"
#define VERSION_COMPILER_NUMBER __clang_version__
#else
#define VERSION_COMPILER        "gcc"
#define VERSION_COMPILER_NUMBER __VERSION__
#endif

int vv_cmd_version(int argc, char **argv)
{
    bool is_verbose = false;
    bool is_json = false;
    const vv_option options[] = {
        {"verbose", VV_OPTION_FLAG, &is_verbose, NULL, "also show how it was built"},
        {"json", VV_OPTION_FLAG, &is_json, NULL, "as a JSON document"},
    };
    int operands;
    int exit_code;
    if (!vv_cli_begin("version", "varve version --verbose", options, VV_ARRAY_COUNT(options), argc,
                      argv, &operands, &exit_code)) {
        return exit_code;
    }
    if (!vv_cli_takes_none("version", operands, argv)) {
        return VV_EXIT_USAGE;
    }
    if (is_json) {
        printf("{\"version\":\"%s\",\"compiler\":\"%s %s\",\"word_bits\":%zu}\n", varve_version(),
               VERSION_COMPILER, VERSION_COMPILER_NUMBER, sizeof(void *) * 8);
        return VV_EXIT_OK;
    }
    printf("varve %s\n", varve_version());
    if (is_verbose) {
        printf("compiler %s %s\nword %zu bits\n", VERSION_COMPILER, VERSION_COMPILER_NUMBER,
               sizeof(void *) * 8);
    }
    return VV_EXIT_OK;
}
