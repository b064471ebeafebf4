/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>

#include "cli/cli.h"

int vv_cmd_version(int argc, char **argv)
{
    bool is_verbose = false;
    const vv_option options[] = {
        {"verbose", VV_OPTION_FLAG, &is_verbose, NULL, "also show how it was built"}};
    int operands;
    int exit_code;
    if (!vv_cli_begin("version", "varve version --verbose", options, 1, argc, argv, &operands,
                      &exit_code)) {
        return exit_code;
    }
    printf("varve %s\n", varve_version());
    if (is_verbose) {
#if defined(__clang__)
        printf("compiler clang %s\n", __clang_version__);
#else
        printf("compiler gcc %s\n", __VERSION__);
#endif
        printf("word %zu bits\n", sizeof(void *) * 8);
    }
    return VV_EXIT_OK;
}
