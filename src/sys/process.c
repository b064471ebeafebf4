/* SPDX-License-Identifier: Apache-2.0 */
/* Facts about the process, from system calls and the files of /proc and /sys. */
#include "sys/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/status.h"
#include "base/text.h"
#include "sys/clock.h"
#include "sys/vfs.h"

/* Files of /proc that are read here fit; those of other machines may have longer lines. */
#define VV_FACT_BYTES_MAX 4096

uint64_t vv_process_id(void)
{
    return (uint64_t)getpid();
}

/* ---- files of the system -------------------------------------------------------------------- */

static varve_status process_read_fd(int fd, const char *path, void *buf, size_t capacity,
                                    size_t *out_size, varve_error *out_err)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return vv_os_fail(out_err, errno, "stat", path);
    }
    if (!S_ISREG(info.st_mode)) {
        return vv_fail(out_err, VARVE_E_INVALID, "read %s: not a regular file", path);
    }
    size_t done = 0;
    for (;;) {
        uint8_t extra = 0; /* shows that there is more than fits */
        bool is_full = done == capacity;
        ssize_t part = read(fd, is_full ? &extra : (uint8_t *)buf + done,
                            is_full ? sizeof extra : capacity - done);
        if (part < 0 && errno == EINTR) {
            continue;
        }
        if (part < 0) {
            return vv_os_fail(out_err, errno, "read", path);
        }
        if (part == 0) {
            *out_size = done;
            return VARVE_OK;
        }
        if (is_full) {
            return vv_fail(out_err, VARVE_E_LIMIT, "read %s: longer than %zu bytes", path,
                           capacity);
        }
        done += (size_t)part;
    }
}

varve_status vv_system_file_read(const char *path, void *buf, size_t capacity, size_t *out_size,
                                 varve_error *out_err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return vv_os_fail(out_err, errno, "open", path);
    }
    varve_status status = process_read_fd(fd, path, buf, capacity, out_size, out_err);
    (void)close(fd); /* nothing was written */
    return status;
}

/* The content as text without the final newline; empty when there is none. */
static varve_text process_fact(const char *path, char buf[VV_FACT_BYTES_MAX])
{
    size_t size = 0;
    if (vv_system_file_read(path, buf, VV_FACT_BYTES_MAX, &size, NULL) != VARVE_OK) {
        return (varve_text){0};
    }
    return vv_text_trim((varve_text){.data = buf, .size = size});
}

/* ---- names ---------------------------------------------------------------------------------- */

static void process_copy_name(varve_text text, char *out_name, size_t capacity)
{
    if (text.size == 0) {
        text = VV_TEXT("unknown");
    }
    vv_text_format(out_name, capacity, "%.*s", VV_TEXT_ARGS(text));
}

void vv_process_host_name(char *out_name, size_t capacity)
{
    char name[256] = {0}; /* longer than any name Linux allows */
    bool is_known = gethostname(name, sizeof name - 1) == 0;
    process_copy_name(is_known ? vv_text_from_string(name) : (varve_text){0}, out_name, capacity);
}

void vv_process_boot_id(char *out_id, size_t capacity)
{
    char buf[VV_FACT_BYTES_MAX];
    process_copy_name(process_fact("/proc/sys/kernel/random/boot_id", buf), out_id, capacity);
}

/* ---- memory and CPUs ------------------------------------------------------------------------ */

uint64_t vv_process_rss_bytes(void)
{
    char buf[VV_FACT_BYTES_MAX];
    varve_text rest = process_fact("/proc/self/statm", buf); /* total resident shared ..., pages */
    varve_text field = {0};
    uint64_t pages = 0;
    if (!vv_text_split(&rest, ' ', &field) || !vv_text_split(&rest, ' ', &field) ||
        !vv_text_parse_u64(field, &pages)) {
        return 0;
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint32_t vv_process_cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        int count = CPU_COUNT(&set);
        return count > 0 ? (uint32_t)count : 1;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN); /* more CPUs than the set has room for */
    return online > 0 ? (uint32_t)online : 1;
}

/* A number in a file of a control group; 0 when there is none ("max" is none). */
static uint64_t process_group_limit(const char *path)
{
    char buf[VV_FACT_BYTES_MAX];
    uint64_t limit = 0;
    return vv_text_parse_u64(process_fact(path, buf), &limit) ? limit : 0;
}

uint64_t vv_process_memory_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    uint64_t found = pages > 0 ? (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
    const char *const paths[] = {
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    };
    for (size_t index = 0; index < VV_ARRAY_COUNT(paths); ++index) {
        uint64_t limit = process_group_limit(paths[index]);
        if (limit > 0 && (found == 0 || limit < found)) {
            found = limit;
        }
    }
    return found;
}

/* ---- files and time ------------------------------------------------------------------------- */

uint64_t vv_process_files_max(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 0;
    }
    return limit.rlim_cur;
}

uint64_t vv_process_raise_files_max(uint64_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 0;
    }
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* the answer tells whether it worked */
    }
    return vv_process_files_max();
}

uint64_t vv_process_cpu_ns(void)
{
    struct timespec time;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) != 0) {
        return 0;
    }
    return (uint64_t)time.tv_sec * (uint64_t)VV_NS_PER_S + (uint64_t)time.tv_nsec;
}

uint64_t vv_process_files_open(void)
{
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL) {
        return 0;
    }
    uint64_t count = 0;
    for (const struct dirent *entry = readdir(directory); entry != NULL;
         entry = readdir(directory)) {
        count += entry->d_name[0] != '.';
    }
    (void)closedir(directory);
    return count - 1; /* without that of the directory itself */
}

bool vv_process_wait_fd(int fd, bool for_writing, int64_t deadline_mono_ns)
{
    struct pollfd wanted = {.fd = fd, .events = for_writing ? POLLOUT : POLLIN};
    for (;;) {
        int64_t left_ms = (deadline_mono_ns - vv_mono_now_ns()) / VV_NS_PER_MS + 1;
        if (left_ms <= 0) {
            return false;
        }
        int result = poll(&wanted, 1, left_ms < INT_MAX ? (int)left_ms : INT_MAX);
        if (result > 0 || (result < 0 && errno != EINTR)) {
            return result > 0;
        }
    }
}

void vv_sleep_until(int64_t deadline_mono_ns)
{
    if (deadline_mono_ns <= 0) {
        return;
    }
    struct timespec deadline = {
        .tv_sec = (time_t)(deadline_mono_ns / VV_NS_PER_S),
        .tv_nsec = (long)(deadline_mono_ns % VV_NS_PER_S),
    };
    int result = 0;
    do {
        result = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL);
    } while (result == EINTR);
}

bool vv_process_hold_standard(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0) {
            continue;
        }
        /* It takes the lowest number, which is this one; what is read is only written, and the
         * other way round: every use fails with EBADF, as it did. */
        if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd) {
            return false;
        }
    }
    return true;
}

bool vv_process_cut_file(int fd, uint64_t bytes)
{
    struct stat info;
    return bytes <= INT64_MAX && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) &&
           ftruncate(fd, (off_t)bytes) == 0;
}

varve_status vv_process_write(int fd, const void *bytes, size_t size, const char *name,
                              varve_error *out_err)
{
    const uint8_t *rest = bytes;
    while (size > 0) {
        ssize_t written = write(fd, rest, size);
        if (written >= 0) {
            rest += written;
            size -= (size_t)written;
        } else if (errno == EAGAIN) {
            VV_IGNORE(vv_process_wait_fd(fd, true, INT64_MAX)); /* asked again */
        } else if (errno != EINTR) {
            return vv_os_fail(out_err, errno, "write", name);
        }
    }
    return VARVE_OK;
}

void vv_process_close(int fd)
{
    VV_IGNORE(close(fd)); /* nothing can be lost with it */
}
