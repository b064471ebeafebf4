/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file that names a listening socket of the local domain. Whoever binds one makes it appear;
 * nobody takes it away when the process dies, so the next one finds it and cannot bind.
 */
#ifndef VV_SYS_SOCKET_FILE_H
#define VV_SYS_SOCKET_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "varve.h"

/* Which file a path names; another file under the same path differs. */
typedef struct vv_socket_file {
    uint64_t device;
    uint64_t inode;
} vv_socket_file;

/* Whether the path itself (no link) names a socket; then *out_file says which. */
bool vv_socket_file_find(const char *path, vv_socket_file *out_file);

/* Who may connect, such as 0660. E_IO. */
VV_MUST_CHECK varve_status vv_socket_file_permit(const char *path, uint32_t mode,
                                                 varve_error *out_err);

/*
 * Hold PATH.lock, beside the path: one at a time can. E_LOCKED when somebody holds it, E_IO. The
 * file is made when it is missing, and one that a dead process has left is taken.
 */
VV_MUST_CHECK varve_status vv_socket_file_lock(const char *path, int *out_fd, varve_error *out_err);
/* Let go of it, and remove it. */
void vv_socket_file_unlock(const char *path, int fd);

/* Remove the path while it names that file; true when it is gone, or names another. */
bool vv_socket_file_remove(const char *path, vv_socket_file file);

#endif
