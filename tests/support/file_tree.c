/* SPDX-License-Identifier: Apache-2.0 */
#include "support/file_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"

static void file_tree_take(file_tree *tree, const vv_vfs *vfs, vv_alloc *alloc, const char *path)
{
    varve_error err;
    void *bytes = NULL;
    assert_true(tree->count < FILE_TREE_MAX);
    file_tree_entry *file = &tree->files[tree->count++];
    snprintf(file->path, sizeof file->path, "%s", path);
    check_ok(vv_vfs_read_file(vfs, alloc, path, 1 << 26, &bytes, &file->size, &err), &err);
    file->data = malloc(file->size + 1);
    assert_non_null(file->data);
    memcpy(file->data, bytes, file->size);
    vv_alloc_free(alloc, bytes, file->size);
}

static void file_tree_walk(file_tree *tree, const vv_vfs *vfs, vv_alloc *alloc, const char *path)
{
    varve_error err;
    vv_dir_list list;
    assert_true(tree->directory_count < FILE_TREE_DIRECTORIES_MAX);
    snprintf(tree->directories[tree->directory_count++], sizeof tree->directories[0], "%s", path);
    check_ok(vv_vfs_list(vfs, alloc, path, &list, &err), &err);
    for (size_t i = 0; i < list.count; i++) {
        char entry[VV_PATH_BYTES_MAX];
        check_ok(vv_path_join(path, list.entries[i].name, entry, &err), &err);
        if (list.entries[i].kind == VV_KIND_DIRECTORY) {
            file_tree_walk(tree, vfs, alloc, entry);
        } else {
            file_tree_take(tree, vfs, alloc, entry);
        }
    }
    vv_dir_list_deinit(&list);
}

static int file_tree_compare(const void *a, const void *b)
{
    const file_tree_entry *left = a;
    const file_tree_entry *right = b;
    return strcmp(left->path, right->path);
}

void file_tree_load(file_tree *tree, const vv_vfs *vfs, vv_alloc *alloc, const char *path)
{
    memset(tree, 0, sizeof *tree);
    file_tree_walk(tree, vfs, alloc, path);
    qsort(tree->files, tree->count, sizeof *tree->files, file_tree_compare);
}

void file_tree_store(const file_tree *tree, const vv_vfs *vfs, vv_alloc *alloc)
{
    varve_error err;
    for (size_t i = 0; i < tree->directory_count; i++) {
        check_ok(vv_vfs_mkdir(vfs, tree->directories[i], &err), &err);
    }
    for (size_t i = 0; i < tree->count; i++) {
        vv_file *file;
        check_ok(vv_file_open(vfs, alloc, tree->files[i].path, VV_OPEN_WRITE | VV_OPEN_CREATE,
                              &file, &err),
                 &err);
        if (tree->files[i].size > 0) {
            check_ok(vv_file_write_all(file, 0, tree->files[i].data, tree->files[i].size, &err),
                     &err);
        }
        check_ok(vv_file_close(file, &err), &err);
    }
}

void file_tree_free(file_tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        free(tree->files[i].data);
    }
    memset(tree, 0, sizeof *tree);
}

bool file_tree_equal(const file_tree *a, const file_tree *b)
{
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        const file_tree_entry *left = &a->files[i];
        const file_tree_entry *right = &b->files[i];
        bool is_lock = strstr(left->path, "/LOCK") != NULL;
        if (strcmp(left->path, right->path) != 0 ||
            (!is_lock &&
             (left->size != right->size || memcmp(left->data, right->data, left->size) != 0))) {
            print_message("%s and %s differ\n", left->path, right->path);
            return false;
        }
    }
    return a->count == b->count;
}

file_tree_entry *file_tree_find(file_tree *tree, const char *end)
{
    file_tree_entry *found = NULL;
    size_t size = strlen(end);
    for (size_t i = 0; i < tree->count; i++) {
        size_t length = strlen(tree->files[i].path);
        if (length >= size && strcmp(tree->files[i].path + length - size, end) == 0) {
            assert_null(found);
            found = &tree->files[i];
        }
    }
    assert_non_null(found);
    return found;
}

size_t file_tree_used_bytes(const file_tree_entry *file)
{
    size_t used = file->size;
    while (used > 0 && file->data[used - 1] == 0) {
        used--;
    }
    return used;
}
