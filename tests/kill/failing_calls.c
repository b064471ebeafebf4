/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loaded in front of the C library of the real program: system calls that fail or kill when a test
 * says so. It needs no right to trace a process, and counts the calls of all threads together.
 *
 *   VARVE_FAIL_CALL=NAME    which call, one of failing_names
 *   VARVE_FAIL_FIRST=N      the first that fails, counted from 1
 *   VARVE_FAIL_LAST=N       the last one; VARVE_FAIL_FIRST when it is not set
 *   VARVE_FAIL_WITH=HOW     EIO, ENOSPC, EINTR or SIGKILL
 *   VARVE_FAIL_LOG=PATH     the name of each call, a line each
 *
 * A call that fails is not made. All others go to the kernel as they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

typedef enum failing_call {
    FAILING_WRITE,
    FAILING_PWRITEV,
    FAILING_FDATASYNC,
    FAILING_FSYNC,
    FAILING_OPEN,
    FAILING_RENAME,
    FAILING_FALLOCATE,
    FAILING_FTRUNCATE,
    FAILING_LINK,
    FAILING_UNLINK,
    FAILING_MKDIR,
    FAILING_RMDIR,
    FAILING_CALL_COUNT
} failing_call;

static const char *const failing_names[FAILING_CALL_COUNT] = {
    "write",     "pwritev",   "fdatasync", "fsync",  "open",  "rename",
    "fallocate", "ftruncate", "link",      "unlink", "mkdir", "rmdir"};

/* Set before main() and then constant. */
static int failing_which = FAILING_CALL_COUNT;
static uint64_t failing_first;
static uint64_t failing_last;
static int failing_errno; /* 0: the process is killed */
static int failing_log = -1;

static _Atomic uint64_t failing_made; /* calls of the kind that fails */

static void failing_refuse(const char *what, const char *value)
{
    fprintf(stderr, "failing_calls: %s is no %s\n", value == NULL ? "nothing" : value, what);
    _exit(99);
}

static int failing_errno_of(const char *how)
{
    static const struct {
        const char *name;
        int number;
    } ways[] = {{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EINTR", EINTR}, {"SIGKILL", 0}};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        if (how != NULL && strcmp(how, ways[i].name) == 0) {
            return ways[i].number;
        }
    }
    failing_refuse("way to fail", how);
    return 0;
}

__attribute__((constructor)) static void failing_read_settings(void)
{
    const char *call = getenv("VARVE_FAIL_CALL");
    const char *first = getenv("VARVE_FAIL_FIRST");
    const char *last = getenv("VARVE_FAIL_LAST");
    const char *log = getenv("VARVE_FAIL_LOG");
    if (log != NULL) {
        failing_log = (int)syscall(SYS_openat, AT_FDCWD, log,
                                   O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
    if (call == NULL) {
        return;
    }
    for (int i = 0; i < FAILING_CALL_COUNT; i++) {
        if (strcmp(call, failing_names[i]) == 0) {
            failing_which = i;
        }
    }
    if (failing_which == FAILING_CALL_COUNT) {
        failing_refuse("call that can fail", call);
    }
    failing_first = first == NULL ? 0 : strtoull(first, NULL, 10);
    failing_last = last == NULL ? failing_first : strtoull(last, NULL, 10);
    failing_errno = failing_errno_of(getenv("VARVE_FAIL_WITH"));
}

/* Whether this call fails; errno is set then. */
static bool failing_now(failing_call call)
{
    if (failing_log >= 0) {
        char line[16];
        int size = snprintf(line, sizeof line, "%s\n", failing_names[call]);
        (void)!syscall(SYS_write, failing_log, line, (size_t)size);
    }
    if ((int)call != failing_which) {
        return false;
    }
    uint64_t number = atomic_fetch_add(&failing_made, 1) + 1;
    if (number < failing_first || number > failing_last) {
        return false;
    }
    if (failing_errno == 0) {
        kill(getpid(), SIGKILL);
    }
    errno = failing_errno;
    return true;
}

/* ---- in place of the C library ---- */

static int failing_open(const char *path, int flags, mode_t mode)
{
    return failing_now(FAILING_OPEN) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if ((flags & (O_CREAT | O_TMPFILE)) != 0) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    return failing_open(path, flags, mode);
}

/* What open() without a mode becomes where the C library checks its arguments. */
int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
    return failing_open(path, flags, 0);
}

ssize_t write(int fd, const void *data, size_t size)
{
    return failing_now(FAILING_WRITE) ? -1 : syscall(SYS_write, fd, data, size);
}

ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t offset)
{
    return failing_now(FAILING_PWRITEV) ? -1 : syscall(SYS_pwritev, fd, pieces, count, offset, 0);
}

int fdatasync(int fd)
{
    return failing_now(FAILING_FDATASYNC) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    return failing_now(FAILING_FSYNC) ? -1 : (int)syscall(SYS_fsync, fd);
}

int rename(const char *from, const char *to)
{
    return failing_now(FAILING_RENAME)
               ? -1
               : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    return failing_now(FAILING_FALLOCATE) ? -1
                                          : (int)syscall(SYS_fallocate, fd, mode, offset, size);
}

int ftruncate(int fd, off_t size)
{
    return failing_now(FAILING_FTRUNCATE) ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

int link(const char *from, const char *to)
{
    return failing_now(FAILING_LINK) ? -1
                                     : (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlink(const char *path)
{
    return failing_now(FAILING_UNLINK) ? -1 : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int mkdir(const char *path, mode_t mode)
{
    return failing_now(FAILING_MKDIR) ? -1 : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int rmdir(const char *path)
{
    return failing_now(FAILING_RMDIR) ? -1
                                      : (int)syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
}
