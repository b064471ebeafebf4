/* SPDX-License-Identifier: Apache-2.0 */
#include "support/temp_dir.h"

#include <stdio.h>
#include <stdlib.h>

#include "support/check.h"
#include "sys/vfs.h"

void temp_dir_create(temp_dir *dir)
{
    const char *base = getenv("TMPDIR");
    snprintf(dir->path, sizeof dir->path, "%s/varve-test-XXXXXX", base == NULL ? "/tmp" : base);
    assert_non_null(mkdtemp(dir->path));
}

void temp_dir_remove(temp_dir *dir)
{
    vv_alloc alloc;
    varve_error err;
    vv_alloc_init(&alloc, NULL);
    check_ok(vv_vfs_remove_tree(vv_vfs_system(), &alloc, dir->path, &err), &err);
}

const char *temp_dir_path(const temp_dir *dir, const char *name)
{
    static _Thread_local char paths[8][1024];
    static _Thread_local unsigned next;
    char *path = paths[next % 8];
    next += 1;
    snprintf(path, sizeof paths[0], "%s/%s", dir->path, name);
    return path;
}
