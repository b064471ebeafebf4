/* SPDX-License-Identifier: Apache-2.0 */
#include "support/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/check.h"

/* A file without a name, for what a program reads or prints. */
static int program_file(void)
{
    char path[512];
    const char *base = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/varve-text-XXXXXX", base == NULL ? "/tmp" : base);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    return fd;
}

static void program_write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t part = write(fd, bytes, size);
        assert_true(part > 0);
        bytes += part;
        size -= (size_t)part;
    }
}

static char *program_read_file(int fd, size_t *out_size)
{
    struct stat info;
    assert_int_equal(fstat(fd, &info), 0);
    size_t size = (size_t)info.st_size;
    char *text = malloc(size + 1);
    assert_non_null(text);
    assert_int_equal(pread(fd, text, size, 0), size);
    text[size] = '\0';
    *out_size = size;
    close(fd);
    return text;
}

/* Only calls that are safe between fork and exec. */
static void program_exec(const char *const *argv, int in, int out, int err)
{
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || (err >= 0 && dup2(err, 2) < 0)) {
        _exit(126);
    }
    execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

static int program_code(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

program_result program_run(const char *input, size_t input_size, const char *const *argv)
{
    int in = program_file();
    int out = program_file();
    int err = program_file();
    program_write_all(in, input == NULL ? "" : input, input_size);
    assert_int_equal(lseek(in, 0, SEEK_SET), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        program_exec(argv, in, out, err);
    }
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        assert_int_equal(errno, EINTR);
    }
    close(in);
    program_result result = {.exit_code = program_code(status)};
    size_t err_size;
    result.out = program_read_file(out, &result.out_size);
    result.err = program_read_file(err, &err_size);
    return result;
}

void program_result_free(program_result *result)
{
    free(result->out);
    free(result->err);
    *result = (program_result){.exit_code = 0};
}

void program_start(program *running, const char *const *argv)
{
    int in[2];
    int out[2];
    memset(running, 0, sizeof *running);
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    pid_t parent = getpid();
    running->pid = fork();
    assert_true(running->pid >= 0);
    if (running->pid == 0) {
        /* A test that fails leaves it running: it ends with the test's process, so that nobody
         * waits for what it still holds open. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
            _exit(126);
        }
        program_exec(argv, in[0], out[1], -1);
    }
    close(in[0]);
    close(out[1]);
    running->in = in[1];
    running->out = out[0];
}

void program_serve(program *running, const char *const *argv)
{
    static const char begin[] = "listening http ";
    char line[256];
    size_t size = 0;
    program_start(running, argv);
    while (size + 1 < sizeof line && (size == 0 || line[size - 1] != '\n')) {
        ssize_t part = read(running->out, line + size, 1);
        assert_int_equal(part, 1); /* 0: it has ended, and said why on standard error */
        size += 1;
    }
    line[size - 1] = '\0';
    assert_memory_equal(line, begin, sizeof begin - 1);
    snprintf(running->url, sizeof running->url, "%s", line + sizeof begin - 1);
    const char *colon = strrchr(running->url, ':');
    assert_non_null(colon);
    running->port = (uint32_t)strtoul(colon + 1, NULL, 10);
}

int program_stop(program *running, int signal_number)
{
    int status = 0;
    if (signal_number != 0) {
        assert_int_equal(kill(running->pid, signal_number), 0);
    }
    close(running->in);
    for (int i = 0; waitpid(running->pid, &status, WNOHANG) == 0; i++) {
        const struct timespec pause = {.tv_nsec = 5 * 1000 * 1000};
        assert_true(i < 6000);
        nanosleep(&pause, NULL);
    }
    close(running->out);
    return program_code(status);
}
