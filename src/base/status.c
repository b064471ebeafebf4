/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error messages: formatted into the caller's varve_error, then made safe to show.
 *
 * S1: the message is terminated, valid UTF-8 without control characters, whatever the arguments
 * held. File names and labels from outside end up in messages, and messages end up in logs and
 * terminals.
 */
#include "base/status.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "base/utf8.h"

typedef struct status_errno_row {
    int number;
    const char *text;
} status_errno_row;

/* The errors that files, memory, locks and sockets give; others are told by their number. */
static const status_errno_row status_errnos[] = {
    {EPERM, "operation not permitted"},
    {ENOENT, "no such file or directory"},
    {EINTR, "interrupted"},
    {EIO, "input/output error"},
    {ENXIO, "no such device or address"},
    {E2BIG, "argument list too long"},
    {EBADF, "bad file descriptor"},
    {ECHILD, "no child process"},
    {EAGAIN, "resource temporarily unavailable"},
    {ENOMEM, "cannot allocate memory"},
    {EACCES, "permission denied"},
    {EFAULT, "bad address"},
    {EBUSY, "device or resource busy"},
    {EEXIST, "file exists"},
    {EXDEV, "link across file systems"},
    {ENODEV, "no such device"},
    {ENOTDIR, "not a directory"},
    {EISDIR, "is a directory"},
    {EINVAL, "invalid argument"},
    {ENFILE, "too many open files in the system"},
    {EMFILE, "too many open files"},
    {ETXTBSY, "text file busy"},
    {EFBIG, "file too large"},
    {ENOSPC, "no space left on device"},
    {ESPIPE, "cannot seek"},
    {EROFS, "read-only file system"},
    {EMLINK, "too many links"},
    {EPIPE, "broken pipe"},
    {ERANGE, "number out of range"},
    {EDEADLK, "deadlock avoided"},
    {ENAMETOOLONG, "file name too long"},
    {ENOLCK, "no locks available"},
    {ENOSYS, "system call not available"},
    {ENOTEMPTY, "directory not empty"},
    {ELOOP, "too many symbolic links"},
    {EOVERFLOW, "value too large"},
    {EILSEQ, "invalid character"},
    {EOPNOTSUPP, "operation not supported"},
    {EAFNOSUPPORT, "address family not supported"},
    {EADDRINUSE, "address already in use"},
    {EADDRNOTAVAIL, "cannot assign requested address"},
    {ENETDOWN, "network is down"},
    {ENETUNREACH, "network is unreachable"},
    {ECONNABORTED, "connection aborted"},
    {ECONNRESET, "connection reset by peer"},
    {ENOBUFS, "no buffer space available"},
    {ETIMEDOUT, "timed out"},
    {ECONNREFUSED, "connection refused"},
    {EHOSTUNREACH, "no route to host"},
    {ESTALE, "stale file handle"},
    {EDQUOT, "disk quota exceeded"},
};

/* S1. size is the length of message, which may have been cut inside a character. */
static void status_make_safe(char *message, size_t size, bool was_cut)
{
    size_t position = 0;
    while (position < size) {
        varve_text rest = vv_text_make(message + position, size - position);
        size_t good = vv_utf8_valid_prefix(rest);
        for (size_t index = position; index < position + good; index++) {
            uint8_t byte = (uint8_t)message[index];
            message[index] = byte < 0x20 || byte == 0x7F ? '?' : message[index];
        }
        position += good;
        if (position == size) {
            break;
        }
        if (was_cut && size - position < 4 && ((uint8_t)message[position] & 0xC0) == 0xC0) {
            message[position] = '\0'; /* the beginning of the character that was cut */
            break;
        }
        message[position] = '?';
        position += 1;
    }
}

VV_PRINTF(2, 0)
static void status_write(varve_error *err, const char *format, va_list args)
{
    size_t size = vv_text_format_v(err->message, sizeof err->message, format, args);
    status_make_safe(err->message, size, size == sizeof err->message - 1);
}

varve_status vv_fail(varve_error *out_err, varve_status status, const char *format, ...)
{
    if (out_err != NULL) {
        out_err->status = status;
        out_err->os_errno = 0;
        va_list args;
        va_start(args, format);
        status_write(out_err, format, args);
        va_end(args);
    }
    return status;
}

static void status_append_errno(varve_error *err, int os_errno)
{
    size_t size = strlen(err->message);
    const char *text = vv_errno_text(os_errno);
    char number[16];
    if (text == NULL) {
        (void)vv_text_format(number, sizeof number, "errno %d", os_errno);
        text = number;
    }
    (void)vv_text_format(err->message + size, sizeof err->message - size, ": %s", text);
}

varve_status vv_fail_errno(varve_error *out_err, varve_status status, int os_errno,
                           const char *format, ...)
{
    if (out_err != NULL) {
        out_err->status = status;
        out_err->os_errno = os_errno;
        va_list args;
        va_start(args, format);
        status_write(out_err, format, args);
        va_end(args);
        status_append_errno(out_err, os_errno);
    }
    return status;
}

varve_status vv_fail_nomem(varve_error *out_err, const char *what, size_t bytes)
{
    return vv_fail(out_err, VARVE_E_NOMEM, "out of memory: %s needs %zu bytes", what, bytes);
}

varve_status vv_fail_again(varve_error *out_err, const varve_error *error)
{
    vv_error_copy(out_err, error);
    return error->status;
}

void vv_error_prefix(varve_error *out_err, const char *format, ...)
{
    if (out_err == NULL) {
        return;
    }
    varve_error longer = {.status = out_err->status, .os_errno = out_err->os_errno};
    va_list args;
    va_start(args, format);
    status_write(&longer, format, args);
    va_end(args);
    size_t size = strlen(longer.message);
    size_t added = vv_text_format(longer.message + size, sizeof longer.message - size, ": %s",
                                  out_err->message);
    status_make_safe(longer.message, size + added, size + added == sizeof longer.message - 1);
    *out_err = longer;
}

void vv_error_clear(varve_error *out_err)
{
    if (out_err != NULL) {
        *out_err = (varve_error){.status = VARVE_OK};
    }
}

void vv_error_copy(varve_error *out_err, const varve_error *error)
{
    if (out_err != NULL) {
        *out_err = *error;
    }
}

const char *vv_status_text(varve_status status)
{
    switch (status) {
#define STATUS_TEXT(name, number, text) \
    case VARVE_##name:                  \
        return text;
        VARVE_STATUS_MAP(STATUS_TEXT)
#undef STATUS_TEXT
    }
    return "unknown status";
}

const char *vv_status_name(varve_status status)
{
    switch (status) {
#define STATUS_NAME(name, number, text) \
    case VARVE_##name:                  \
        return #name;
        VARVE_STATUS_MAP(STATUS_NAME)
#undef STATUS_NAME
    }
    return "unknown";
}

const char *vv_errno_text(int os_errno)
{
    for (size_t index = 0; index < VV_ARRAY_COUNT(status_errnos); index++) {
        if (status_errnos[index].number == os_errno) {
            return status_errnos[index].text;
        }
    }
    return NULL;
}
