/* SPDX-License-Identifier: Apache-2.0 */
/* A directory for a server that a test starts as a program: its data and its file of settings. */
#ifndef VV_TESTS_SUPPORT_SERVE_FIXTURE_H
#define VV_TESTS_SUPPORT_SERVE_FIXTURE_H

#include <stdio.h>

#include "support/check.h"
#include "support/program.h"
#include "support/temp_dir.h"

typedef struct serve_fixture {
    temp_dir dir;
    char data[600]; /* for --data; does not exist yet */
    char file[600]; /* for --config; likewise */
    program server;
} serve_fixture;

/* For cmocka: the state of a test. */
static inline int serve_fixture_setup(void **state)
{
    static serve_fixture f;
    temp_dir_create(&f.dir);
    (void)snprintf(f.data, sizeof f.data, "%s", temp_dir_path(&f.dir, "data"));
    (void)snprintf(f.file, sizeof f.file, "%s", temp_dir_path(&f.dir, "varve.yaml"));
    *state = &f;
    return 0;
}

static inline int serve_fixture_teardown(void **state)
{
    serve_fixture *f = *state;
    temp_dir_remove(&f->dir);
    return 0;
}

#define serve_fixture_test(test) \
    cmocka_unit_test_setup_teardown(test, serve_fixture_setup, serve_fixture_teardown)

static inline void serve_fixture_write_file(const serve_fixture *f, const char *text)
{
    FILE *file = fopen(f->file, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

#endif
