/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of the program begin and end with, and how they look at what it says. */
#ifndef VV_TESTS_SUPPORT_PROGRAM_CASE_H
#define VV_TESTS_SUPPORT_PROGRAM_CASE_H

#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/program.h"
#include "support/temp_dir.h"

/** A directory; no server is named by the environment. */
static inline int begin(void **state)
{
    static temp_dir dir;
    temp_dir_create(&dir);
    *state = &dir;
    return unsetenv("VARVE_URL");
}

static inline int end(void **state)
{
    temp_dir_remove(*state);
    return 0;
}

/** The exit code, and that both outputs hold the text given (NULL: not looked at). Frees. */
static inline void expect(program_result result, int exit_code, const char *out, const char *err)
{
    bool has_out = out == NULL || strstr(result.out, out) != NULL;
    bool has_err = err == NULL || strstr(result.err, err) != NULL;
    if (result.exit_code != exit_code || !has_out || !has_err) {
        print_error("exit code %d\n%s\n%s\n", result.exit_code, result.out, result.err);
    }
    assert_int_equal(result.exit_code, exit_code);
    assert_true(has_out && has_err);
    program_result_free(&result);
}

#endif
