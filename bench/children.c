/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that are started, and the directory that everything of a comparison lies in.
 *
 * The first call forks a guard, which reads from a pipe that only this program writes to: every
 * child tells it its process group before it becomes the other program, and every child that was
 * waited for is taken back. When the pipe ends, because this program ended in whatever way, the
 * guard kills the groups that are left and removes the directory. There is no other way of
 * cleaning up, so Ctrl-C, a failure and a good end take the same one.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "versus.h"

enum { CHILDREN_MAX = 64, CHILDREN_ENVIRONMENT_MAX = 512, CHILDREN_STOP_MS_MAX = 10000 };

extern char **environ;

static char children_directory[400];
static int children_pipe = -1; /* to the guard */
static pid_t children_guard = -1;

/* ---- the guard ---- */

/** A group that began, or minus a group that was waited for. */
static void children_tell(pid_t word)
{
    ssize_t written = write(children_pipe, &word, sizeof word);
    (void)written; /* in a child that is about to become another program: nothing to be done */
}

static void children_watch(int pipe_end)
{
    pid_t groups[CHILDREN_MAX];
    size_t count = 0;
    pid_t word;
    ssize_t got;
    while ((got = read(pipe_end, &word, sizeof word)) != 0) {
        if (got != (ssize_t)sizeof word) {
            continue; /* interrupted */
        }
        if (word > 0 && count < CHILDREN_MAX) {
            groups[count] = word;
            count++;
        }
        for (size_t i = 0; i < count && word < 0; i++) {
            if (groups[i] == -word) {
                count--;
                groups[i] = groups[count];
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        kill(-groups[i], SIGKILL);
    }
    bench_tree_remove(children_directory);
}

static void children_end(void)
{
    close(children_pipe);
    waitpid(children_guard, NULL, 0);
}

static void children_begin(const bench_options *options)
{
    int ends[2];
    snprintf(children_directory, sizeof children_directory, "%s/varve-versus-XXXXXX",
             options->base);
    if (mkdtemp(children_directory) == NULL) {
        bench_die("no temporary directory below %s", options->base);
    }
    if (pipe2(ends, O_CLOEXEC) != 0) {
        bench_die("no pipe: error %d", errno);
    }
    fflush(NULL);
    children_guard = fork();
    if (children_guard < 0) {
        bench_die("no process: error %d", errno);
    }
    if (children_guard == 0) {
        close(ends[1]);
        setsid(); /* Ctrl-C of the terminal is not for the guard */
        sigset_t all;
        sigfillset(&all); /* nor is what is sent to every program of this name */
        sigprocmask(SIG_BLOCK, &all, NULL);
        children_watch(ends[0]);
        _exit(0);
    }
    close(ends[0]);
    children_pipe = ends[1];
    atexit(children_end);
}

const char *bench_scratch(const bench_options *options)
{
    if (children_guard < 0) {
        children_begin(options);
    }
    return children_directory;
}

/* ---- starting ---- */

/** Only calls that are allowed after a fork of a program with threads. */
VV_NORETURN static void children_become(const bench_command *command, char *const *environment,
                                        int out, int log)
{
    setpgid(0, 0);
    children_tell(getpid());
    dup2(out, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(nothing, STDIN_FILENO);
    execve(command->argv[0], (char *const *)(uintptr_t)command->argv, environment);
    _exit(127);
}

static void children_environment(const bench_command *command, char **environment)
{
    size_t count = 0;
    size_t added = 0;
    while (command->environment != NULL && command->environment[added] != NULL) {
        environment[count] = (char *)(uintptr_t)command->environment[added];
        count++;
        added++;
    }
    for (size_t i = 0; environ[i] != NULL && count + 1 < CHILDREN_ENVIRONMENT_MAX; i++) {
        environment[count] = environ[i];
        count++;
    }
    environment[count] = NULL;
}

bench_child bench_child_start(const bench_command *command)
{
    char *environment[CHILDREN_ENVIRONMENT_MAX];
    children_environment(command, environment);
    int ends[2];
    int log = open(command->log, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0 || pipe2(ends, O_CLOEXEC) != 0) {
        bench_die("%s cannot be started: error %d", command->argv[0], errno);
    }
    fflush(NULL);
    bench_child child = {.pid = fork(), .out = ends[0]};
    if (child.pid == 0) {
        children_become(command, environment, ends[1], log);
    }
    if (child.pid < 0) {
        bench_die("no process for %s: error %d", command->argv[0], errno);
    }
    close(ends[1]);
    close(log);
    return child;
}

/* ---- ending ---- */

static void children_forget(bench_child *child)
{
    children_tell(-child->pid);
    close(child->out);
    *child = (bench_child){.pid = -1, .out = -1};
}

static double children_seconds(const struct rusage *used)
{
    return (double)(used->ru_utime.tv_sec + used->ru_stime.tv_sec) +
           (double)(used->ru_utime.tv_usec + used->ru_stime.tv_usec) * 1e-6;
}

double bench_child_stop(bench_child *child)
{
    const struct timespec pause = {.tv_nsec = 2000000};
    kill(-child->pid, SIGTERM);
    int64_t start = bench_now_ns();
    struct rusage used = {0};
    while (wait4(child->pid, NULL, WNOHANG, &used) == 0) {
        if (bench_now_ns() - start > CHILDREN_STOP_MS_MAX * INT64_C(1000000)) {
            kill(-child->pid, SIGKILL);
        }
        nanosleep(&pause, NULL);
    }
    children_forget(child);
    return children_seconds(&used);
}

void bench_child_kill(bench_child *child)
{
    kill(-child->pid, SIGKILL);
    waitpid(child->pid, NULL, 0);
    children_forget(child);
}

/** The end of what a program said on standard error, on ours. */
static void children_show_log(const char *path)
{
    enum { SHOWN = 2000 };
    char text[SHOWN + 1];
    int log = open(path, O_RDONLY | O_CLOEXEC);
    off_t size = log < 0 ? 0 : lseek(log, 0, SEEK_END);
    ssize_t got = log < 0 ? 0 : pread(log, text, SHOWN, size > SHOWN ? size - SHOWN : 0);
    fwrite(text, 1, got > 0 ? (size_t)got : 0, stderr);
    if (log >= 0) {
        close(log);
    }
}

double bench_child_run(const bench_command *command, char *out_text, size_t capacity)
{
    bench_child child = bench_child_start(command);
    size_t size = 0;
    ssize_t got;
    while ((got = read(child.out, out_text + size, capacity - 1 - size)) > 0) {
        size += (size_t)got;
        if (size + 1 == capacity) {
            bench_die("%s says more than %zu bytes", command->argv[0], capacity);
        }
    }
    out_text[size] = '\0';
    int status;
    struct rusage used;
    if (wait4(child.pid, &status, 0, &used) != child.pid || status != 0) {
        children_show_log(command->log);
        bench_die("%s failed: status %d, it said: %s", command->argv[0],
                  WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), out_text);
    }
    children_forget(&child);
    return children_seconds(&used);
}

/* ---- what they take ---- */

double bench_child_cpu_s(const bench_child *child)
{
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(child->pid, &clock) != 0 || clock_gettime(clock, &used) != 0) {
        bench_die("the CPU time of a child cannot be read");
    }
    return (double)used.tv_sec + (double)used.tv_nsec * 1e-9;
}

uint64_t bench_child_resident(const bench_child *child, uint64_t *out_peak)
{
    char path[64];
    char line[256];
    uint64_t resident = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)child->pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        bench_die("%s cannot be read: the server is gone", path);
    }
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0) {
            resident = strtoull(line + 6, NULL, 10) << 10;
        } else if (strncmp(line, "VmHWM:", 6) == 0 && out_peak != NULL) {
            *out_peak = strtoull(line + 6, NULL, 10) << 10;
        }
    }
    fclose(file);
    return resident;
}

static uint64_t children_bytes;

static int children_add_entry(const char *path, const struct stat *status, int kind,
                              struct FTW *place)
{
    (void)path;
    (void)place;
    children_bytes += kind == FTW_F ? (uint64_t)status->st_size : 0;
    return 0;
}

uint64_t bench_tree_bytes(const char *path)
{
    children_bytes = 0;
    nftw(path, children_add_entry, 16, FTW_PHYS);
    return children_bytes;
}
