/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "sys/socket_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"
#include "base/text.h"

/* A path of a socket has at most 107 bytes. */
#define SOCKET_LOCK_PATH_BYTES_MAX 128u
/* How often the file may have been removed by its holder between our opening and our locking. */
#define SOCKET_LOCK_ATTEMPTS 100

bool vv_socket_file_find(const char *path, vv_socket_file *out_file)
{
    struct stat info;
    if (lstat(path, &info) != 0 || !S_ISSOCK(info.st_mode)) {
        return false;
    }
    *out_file = (vv_socket_file){.device = (uint64_t)info.st_dev, .inode = (uint64_t)info.st_ino};
    return true;
}

varve_status vv_socket_file_permit(const char *path, uint32_t mode, varve_error *out_err)
{
    if (chmod(path, (mode_t)(mode & 0777u)) != 0) {
        return vv_fail_errno(out_err, VARVE_E_IO, errno, "cannot set the permissions of %s", path);
    }
    return VARVE_OK;
}

/** Whether the path still names the file that is open. */
static bool socket_file_is_named(const char *path, int fd)
{
    struct stat named;
    struct stat held;
    return lstat(path, &named) == 0 && fstat(fd, &held) == 0 && named.st_dev == held.st_dev &&
           named.st_ino == held.st_ino;
}

varve_status vv_socket_file_lock(const char *path, int *out_fd, varve_error *out_err)
{
    char lock[SOCKET_LOCK_PATH_BYTES_MAX];
    vv_text_format(lock, sizeof lock, "%s.lock", path);
    *out_fd = -1;
    for (int attempt = 0; attempt < SOCKET_LOCK_ATTEMPTS; attempt++) {
        int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
        if (fd < 0) {
            return vv_fail_errno(out_err, VARVE_E_IO, errno, "cannot open %s", lock);
        }
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            varve_status status = errno == EWOULDBLOCK ? VARVE_E_LOCKED : VARVE_E_IO;
            vv_fail_errno(out_err, status, errno, "cannot lock %s", lock);
            close(fd);
            return status;
        }
        if (socket_file_is_named(lock, fd)) {
            *out_fd = fd;
            return VARVE_OK;
        }
        close(fd);
    }
    return vv_fail(out_err, VARVE_E_IO, "%s is removed again and again", lock);
}

void vv_socket_file_unlock(const char *path, int fd)
{
    char lock[SOCKET_LOCK_PATH_BYTES_MAX];
    vv_text_format(lock, sizeof lock, "%s.lock", path);
    VV_IGNORE(unlink(lock)); /* left behind, it is taken by the next */
    close(fd);
}

bool vv_socket_file_remove(const char *path, vv_socket_file file)
{
    vv_socket_file found;
    if (!vv_socket_file_find(path, &found) || found.device != file.device ||
        found.inode != file.inode) {
        return true;
    }
    return unlink(path) == 0 || errno == ENOENT;
}
