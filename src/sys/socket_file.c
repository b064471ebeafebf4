/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "sys/socket_file.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"

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

bool vv_socket_file_remove(const char *path, vv_socket_file file)
{
    vv_socket_file found;
    if (!vv_socket_file_find(path, &found) || found.device != file.device ||
        found.inode != file.inode) {
        return true;
    }
    return unlink(path) == 0 || errno == ENOENT;
}
