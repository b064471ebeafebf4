/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the program as its users do: arguments, standard input, exit code, what it printed. What
 * cannot be done fails the test.
 *
 *     program_result result = PROGRAM_RUN("query", "cpu", "--data", path);
 *     assert_int_equal(result.exit_code, 0);
 *     program_result_free(&result);
 */
#ifndef VV_TESTS_SUPPORT_PROGRAM_H
#define VV_TESTS_SUPPORT_PROGRAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct program_result {
    int exit_code; /* 128 + number when a signal ended it */
    char *out;     /* terminated */
    size_t out_size;
    char *err; /* terminated */
} program_result;

/* Runs to the end; argv ends with NULL. input NULL: nothing to read. */
program_result program_run(const char *input, size_t input_size, const char *const *argv);
void program_result_free(program_result *result);

#define PROGRAM_RUN(...) \
    program_run(NULL, 0, (const char *const[]){VARVE_PROGRAM, __VA_ARGS__, NULL})
#define PROGRAM_FEED(input, ...) \
    program_run((input), strlen(input), (const char *const[]){VARVE_PROGRAM, __VA_ARGS__, NULL})

/* One that goes on while the test does. */
typedef struct program {
    pid_t pid;
    int in;  /* writes to its standard input */
    int out; /* reads from its standard output */
    char url[64];
    uint32_t port;
} program;

void program_start(program *running, const char *const *argv);
/* Starts a server and waits for the line that tells its address. */
void program_serve(program *running, const char *const *argv);
#define PROGRAM_SERVE(running, ...) \
    program_serve((running), (const char *const[]){VARVE_PROGRAM, "serve", __VA_ARGS__, NULL})

/* Sends the signal (0: none), waits for the end (at most 30 s), returns the exit code. */
int program_stop(program *running, int signal_number);

#endif
