/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All files below a directory of a vfs as bytes in memory: to copy them, to compare them, to damage
 * them. What cannot be done fails the test.
 */
#ifndef VV_TESTS_SUPPORT_FILE_TREE_H
#define VV_TESTS_SUPPORT_FILE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "sys/vfs.h"

enum { FILE_TREE_MAX = 64, FILE_TREE_DIRECTORIES_MAX = 32 };

typedef struct file_tree_entry {
    char path[200]; /* from the root of the vfs */
    uint8_t *data;
    size_t size;
} file_tree_entry;

typedef struct file_tree {
    file_tree_entry files[FILE_TREE_MAX]; /* sorted by path */
    size_t count;
    char directories[FILE_TREE_DIRECTORIES_MAX][200]; /* parents first */
    size_t directory_count;
} file_tree;

/* Everything at and below `path`. Ended by file_tree_free. */
void file_tree_load(file_tree *tree, const vv_vfs *vfs, vv_alloc *alloc, const char *path);
/* Makes all of it in a vfs that has none of it. */
void file_tree_store(const file_tree *tree, const vv_vfs *vfs, vv_alloc *alloc);
void file_tree_free(file_tree *tree);
/* The same names and bytes; LOCK, which tells who was the last, apart. */
bool file_tree_equal(const file_tree *a, const file_tree *b);
/* The only file whose path ends like that. */
file_tree_entry *file_tree_find(file_tree *tree, const char *end);
/* Where its bytes end: behind them there is nothing but zeros. */
size_t file_tree_used_bytes(const file_tree_entry *file);

#endif
