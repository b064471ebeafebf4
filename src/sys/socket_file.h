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

/* Remove the path while it names that file; true when it is gone, or names another. */
bool vv_socket_file_remove(const char *path, vv_socket_file file);

#endif
