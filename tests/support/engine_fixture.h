/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A database on files in memory whose calls and allocations can be made to fail; without background
 * threads, so that everything happens where a test says so. Opened through varve.h.
 */
#ifndef VV_TESTS_SUPPORT_ENGINE_FIXTURE_H
#define VV_TESTS_SUPPORT_ENGINE_FIXTURE_H

#include "support/failing_alloc.h"
#include "sys/env.h"
#include "sys/vfs_fault.h"
#include "varve.h"

typedef struct engine_fixture {
    failing_alloc source; /* of the database */
    vv_alloc alloc;       /* of the files: does not fail */
    vv_vfs *files;
    vv_fault *fault;
    vv_env env;
    varve_options options;
    varve_db *db;
    vv_vfs_ops disk_ops; /* of engine_fixture_set_free */
    vv_vfs disk;
} engine_fixture;

/* Not open yet: the test changes options or the environment first. */
void engine_fixture_prepare(engine_fixture *f);
/* Prepared and opened. */
void engine_fixture_create(engine_fixture *f);
void engine_fixture_open(engine_fixture *f);
void engine_fixture_close(engine_fixture *f);
/* Leave without writing, as a crash that loses nothing: what was written is in the files. */
void engine_fixture_abandon(engine_fixture *f);
void engine_fixture_free(engine_fixture *f);

/* For cmocka: an open one as the state of a test. */
int engine_fixture_setup(void **state);
int engine_fixture_teardown(void **state);
#define engine_fixture_test(test) \
    cmocka_unit_test_setup_teardown(test, engine_fixture_setup, engine_fixture_teardown)

void engine_fixture_flush(engine_fixture *f);
/* Merge all into one. */
void engine_fixture_compact(engine_fixture *f);

/* Close, and open on a disk that says so many bytes are free; later calls change the number. One
 * fixture of a process at a time. */
void engine_fixture_set_free(engine_fixture *f, uint64_t free_bytes);

/* Rows of series cpu{host="h<series>"}, field value: times first, first + step, ...; value i is
 * base + i. One batch. */
void engine_fixture_write(engine_fixture *f, uint32_t series, int64_t first, int64_t step,
                          uint32_t count, double base);
/* The same as a status. */
varve_status engine_fixture_try_write(engine_fixture *f, uint32_t series, int64_t first,
                                      int64_t step, uint32_t count, double base, varve_error *err);
/* Delete cpu{host="h<series>"} in [start, end). */
void engine_fixture_delete(engine_fixture *f, uint32_t series, int64_t start, int64_t end);

/* Digest of all visible rows, and how many; verifies all files on the way. */
void engine_fixture_digest(engine_fixture *f, uint64_t out_digest[2], uint64_t *out_rows);
/* Value at a time; false: no visible row. */
bool engine_fixture_value(engine_fixture *f, uint32_t series, int64_t time, double *out_value);
/* Files of a directory of the database. */
size_t engine_fixture_files(engine_fixture *f, const char *directory);

enum { ENGINE_FIXTURE_PATH_BYTES = 128 };

/* Path of the last file of a directory, "db/seg". */
void engine_fixture_last_file(engine_fixture *f, const char *directory,
                              char path[ENGINE_FIXTURE_PATH_BYTES]);
int64_t engine_fixture_size(engine_fixture *f, const char *path);
/* Invert bits of a byte of a file. */
void engine_fixture_flip(engine_fixture *f, const char *path, int64_t offset, uint8_t bits);

#endif
