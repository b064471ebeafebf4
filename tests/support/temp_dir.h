/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of a test's own, below TMPDIR or /tmp, removed with all it holds. */
#ifndef VV_TESTS_SUPPORT_TEMP_DIR_H
#define VV_TESTS_SUPPORT_TEMP_DIR_H

typedef struct temp_dir {
    char path[512];
} temp_dir;

void temp_dir_create(temp_dir *dir);
void temp_dir_remove(temp_dir *dir);
/* The path of a name in it; each call fills the next of eight buffers. */
const char *temp_dir_path(const temp_dir *dir, const char *name);

#endif
