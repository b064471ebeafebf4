/* SPDX-License-Identifier: Apache-2.0 */
/* Names, directories, inode tables, and the application of changes to them. */
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "sys/vfs_sim_priv.h"

/* ---- names ---------------------------------------------------------------------------------- */

vv_sim_name *vv_sim_name_create(vv_alloc *alloc, const char *text, size_t size)
{
    vv_sim_name *name = vv_sim_new(alloc, sizeof *name + size + 1);
    atomic_init(&name->refs, 1);
    name->hash = vv_hash64(text, size, 0);
    name->size = size;
    memcpy(name->text, text, size);
    return name;
}

vv_sim_name *vv_sim_name_ref(vv_sim_name *name)
{
    atomic_fetch_add(&name->refs, 1);
    return name;
}

void vv_sim_name_unref(vv_alloc *alloc, vv_sim_name *name)
{
    if (atomic_fetch_sub(&name->refs, 1) == 1) {
        vv_alloc_free(alloc, name, sizeof *name + name->size + 1);
    }
}

static int vfs_sim_tree_name_compare(const vv_sim_name *name, const char *text, size_t size)
{
    size_t common = name->size < size ? name->size : size;
    int order = memcmp(name->text, text, common);
    if (order != 0) {
        return order;
    }
    return name->size < size ? -1 : name->size > size ? 1 : 0;
}

/* ---- directories ---------------------------------------------------------------------------- */

vv_sim_dir *vv_sim_dir_create(vv_alloc *alloc)
{
    vv_sim_dir *dir = vv_sim_new(alloc, sizeof *dir);
    atomic_init(&dir->refs, 1);
    return dir;
}

vv_sim_dir *vv_sim_dir_ref(vv_sim_dir *dir)
{
    atomic_fetch_add(&dir->refs, 1);
    return dir;
}

void vv_sim_dir_unref(vv_alloc *alloc, vv_sim_dir *dir)
{
    if (dir != NULL && atomic_fetch_sub(&dir->refs, 1) == 1) {
        for (size_t index = 0; index < dir->count; ++index) {
            vv_sim_name_unref(alloc, dir->entries[index].name);
        }
        vv_alloc_free(alloc, dir->entries, dir->capacity * sizeof *dir->entries);
        vv_alloc_free(alloc, dir, sizeof *dir);
    }
}

static void vfs_sim_tree_dir_reserve(vv_alloc *alloc, vv_sim_dir *dir, size_t capacity)
{
    if (capacity <= dir->capacity) {
        return;
    }
    vv_sim_dir_entry *entries = vv_sim_new(alloc, capacity * sizeof *entries);
    if (dir->count > 0) {
        memcpy(entries, dir->entries, dir->count * sizeof *entries);
    }
    vv_alloc_free(alloc, dir->entries, dir->capacity * sizeof *entries);
    dir->entries = entries;
    dir->capacity = capacity;
}

static void vfs_sim_tree_dir_own(vv_alloc *alloc, vv_sim_dir **dir)
{
    vv_sim_dir *old = *dir;
    if (atomic_load(&old->refs) == 1) {
        return;
    }
    vv_sim_dir *copy = vv_sim_dir_create(alloc);
    vfs_sim_tree_dir_reserve(alloc, copy, old->count + 1);
    for (size_t index = 0; index < old->count; ++index) {
        copy->entries[index] = (vv_sim_dir_entry){.name = vv_sim_name_ref(old->entries[index].name),
                                                  .inode = old->entries[index].inode};
    }
    copy->count = old->count;
    vv_sim_dir_unref(alloc, old);
    *dir = copy;
}

/* The index of the first entry not before the name. */
static size_t vfs_sim_tree_dir_lower(const vv_sim_dir *dir, const char *name, size_t size)
{
    size_t low = 0;
    size_t high = dir->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (vfs_sim_tree_name_compare(dir->entries[middle].name, name, size) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool vfs_sim_tree_dir_has(const vv_sim_dir *dir, size_t index, const char *name, size_t size)
{
    return index < dir->count &&
           vfs_sim_tree_name_compare(dir->entries[index].name, name, size) == 0;
}

uint32_t vv_sim_dir_find(const vv_sim_dir *dir, const char *name, size_t size)
{
    size_t index = vfs_sim_tree_dir_lower(dir, name, size);
    return vfs_sim_tree_dir_has(dir, index, name, size) ? dir->entries[index].inode
                                                        : VV_SIM_INODE_NONE;
}

static void vfs_sim_tree_dir_remove(vv_alloc *alloc, vv_sim_dir **dir, size_t index)
{
    vfs_sim_tree_dir_own(alloc, dir);
    vv_sim_dir *own = *dir;
    vv_sim_name_unref(alloc, own->entries[index].name);
    memmove(own->entries + index, own->entries + index + 1,
            (own->count - index - 1) * sizeof *own->entries);
    own->count -= 1;
}

static void vfs_sim_tree_dir_insert(vv_alloc *alloc, vv_sim_dir **dir, size_t index,
                                    vv_sim_name *name, uint32_t inode)
{
    vfs_sim_tree_dir_own(alloc, dir);
    vv_sim_dir *own = *dir;
    if (own->count == own->capacity) {
        vfs_sim_tree_dir_reserve(alloc, own, own->capacity * 2 + 4);
    }
    memmove(own->entries + index + 1, own->entries + index,
            (own->count - index) * sizeof *own->entries);
    own->entries[index] = (vv_sim_dir_entry){.name = vv_sim_name_ref(name), .inode = inode};
    own->count += 1;
}

static void vfs_sim_tree_dir_set(vv_alloc *alloc, vv_sim_dir **dir, vv_sim_name *name,
                                 uint32_t inode)
{
    size_t index = vfs_sim_tree_dir_lower(*dir, name->text, name->size);
    bool has_name = vfs_sim_tree_dir_has(*dir, index, name->text, name->size);
    if (inode == VV_SIM_INODE_NONE) {
        if (has_name) {
            vfs_sim_tree_dir_remove(alloc, dir, index);
        }
        return;
    }
    if (!has_name) {
        vfs_sim_tree_dir_insert(alloc, dir, index, name, inode);
        return;
    }
    vfs_sim_tree_dir_own(alloc, dir);
    (*dir)->entries[index].inode = inode;
}

/* ---- trees ---------------------------------------------------------------------------------- */

void vv_sim_tree_init(vv_sim_tree *tree, vv_alloc *alloc)
{
    *tree = (vv_sim_tree){.alloc = alloc};
}

void vv_sim_tree_deinit(vv_sim_tree *tree)
{
    for (uint32_t inode = 0; inode < tree->count; ++inode) {
        vv_sim_tree_drop(tree, inode);
    }
    vv_alloc_free(tree->alloc, tree->nodes, tree->capacity * sizeof *tree->nodes);
    vv_sim_tree_init(tree, tree->alloc);
}

static void vfs_sim_tree_reserve(vv_sim_tree *tree, uint32_t capacity)
{
    vv_sim_node *nodes = vv_sim_new(tree->alloc, capacity * sizeof *nodes);
    if (tree->count > 0) {
        memcpy(nodes, tree->nodes, tree->count * sizeof *nodes);
    }
    vv_alloc_free(tree->alloc, tree->nodes, tree->capacity * sizeof *nodes);
    tree->nodes = nodes;
    tree->capacity = capacity;
}

void vv_sim_tree_copy(vv_sim_tree *target, const vv_sim_tree *source)
{
    vv_sim_tree_init(target, source->alloc);
    vfs_sim_tree_reserve(target, source->count);
    for (uint32_t inode = 0; inode < source->count; ++inode) {
        vv_sim_node node = source->nodes[inode];
        target->nodes[inode] = (vv_sim_node){
            .content = node.content == NULL ? NULL : vv_sim_content_ref(node.content),
            .dir = node.dir == NULL ? NULL : vv_sim_dir_ref(node.dir),
        };
    }
    target->count = source->count;
}

void vv_sim_tree_drop(vv_sim_tree *tree, uint32_t inode)
{
    vv_sim_content_unref(tree->alloc, tree->nodes[inode].content);
    vv_sim_dir_unref(tree->alloc, tree->nodes[inode].dir);
    tree->nodes[inode] = (vv_sim_node){0};
}

void vv_sim_tree_put(vv_sim_tree *tree, uint32_t inode, vv_sim_content *content, vv_sim_dir *dir)
{
    if (inode >= tree->capacity) {
        vfs_sim_tree_reserve(tree, inode * 2 + 16);
    }
    if (inode >= tree->count) {
        tree->count = inode + 1; /* reserved nodes are zeroed */
    }
    vv_sim_tree_drop(tree, inode);
    tree->nodes[inode] = (vv_sim_node){.content = content, .dir = dir};
}

void vv_sim_tree_edit(vv_sim_tree *tree, const vv_sim_edit *edit)
{
    if (tree->nodes[edit->dir].dir != NULL) { /* else removed and forgotten */
        vfs_sim_tree_dir_set(tree->alloc, &tree->nodes[edit->dir].dir, edit->name, edit->target);
    }
}

void vv_sim_tree_apply(vv_sim_tree *tree, const vv_sim_change *change)
{
    switch (change->kind) {
    case VV_SIM_CHANGE_SECTOR:
        vv_sim_content_set(tree->alloc, &tree->nodes[change->inode].content, change->index,
                           change->sector);
        break;
    case VV_SIM_CHANGE_SIZE:
        vv_sim_content_resize(tree->alloc, &tree->nodes[change->inode].content, change->size);
        break;
    case VV_SIM_CHANGE_ENTRY:
        for (size_t index = 0; index < change->edit_count; ++index) {
            vv_sim_tree_edit(tree, &change->edits[index]);
        }
        break;
    }
}

/* Directories are few levels deep; a worklist of inode numbers takes the place of recursion. */
void vv_sim_tree_mark(const vv_sim_tree *tree, uint32_t inode, bool *reached)
{
    if (inode >= tree->count || reached[inode]) {
        return;
    }
    uint32_t *work = vv_sim_new(tree->alloc, tree->count * sizeof *work);
    size_t count = 1;
    work[0] = inode;
    reached[inode] = true;
    while (count > 0) {
        count -= 1;
        const vv_sim_dir *dir = tree->nodes[work[count]].dir;
        for (size_t index = 0; dir != NULL && index < dir->count; ++index) {
            uint32_t child = dir->entries[index].inode;
            if (!reached[child]) {
                reached[child] = true;
                work[count] = child;
                count += 1;
            }
        }
    }
    vv_alloc_free(tree->alloc, work, tree->count * sizeof *work);
}

/* A directory still to be walked, and the hash of its path. */
typedef struct vv_sim_walk_item {
    uint32_t inode;
    uint64_t path_hash;
} vv_sim_walk_item;

static uint64_t vfs_sim_tree_hash_entry(const vv_sim_tree *tree, const vv_sim_dir_entry *entry,
                                        uint64_t path_hash)
{
    const vv_sim_node *node = &tree->nodes[entry->inode];
    uint64_t content = node->content == NULL ? 1 : vv_sim_content_hash(node->content);
    return vv_hash_mix2(path_hash, content);
}

uint64_t vv_sim_tree_hash(const vv_sim_tree *tree)
{
    vv_vec work;
    vv_vec_init(&work, tree->alloc, sizeof(vv_sim_walk_item), SIZE_MAX);
    vv_sim_walk_item item = {.inode = VV_SIM_INODE_ROOT, .path_hash = 1};
    uint64_t hash = 0;
    varve_status status = vv_vec_push(&work, &item);
    while (status == VARVE_OK && work.count > 0) {
        item = *VV_VEC_AT(&work, vv_sim_walk_item, work.count - 1);
        vv_vec_pop(&work);
        const vv_sim_dir *dir = tree->nodes[item.inode].dir;
        for (size_t index = 0; dir != NULL && index < dir->count; ++index) {
            const vv_sim_dir_entry *entry = &dir->entries[index];
            uint64_t path_hash = vv_hash_mix2(item.path_hash, entry->name->hash);
            hash += vfs_sim_tree_hash_entry(tree, entry, path_hash);
            if (tree->nodes[entry->inode].dir != NULL) {
                vv_sim_walk_item child = {.inode = entry->inode, .path_hash = path_hash};
                status = vv_vec_push(&work, &child);
            }
        }
    }
    VV_ASSERT(status == VARVE_OK);
    vv_vec_deinit(&work);
    return hash;
}

/* ---- changes -------------------------------------------------------------------------------- */

void vv_sim_change_copy(vv_sim_change *target, const vv_sim_change *source)
{
    *target = *source;
    VV_IGNORE(vv_sim_sector_ref(target->sector)); /* one more owner */
    for (size_t index = 0; index < target->edit_count; ++index) {
        VV_IGNORE(vv_sim_name_ref(target->edits[index].name)); /* the same */
    }
}

void vv_sim_change_deinit(vv_alloc *alloc, vv_sim_change *change)
{
    vv_sim_sector_unref(alloc, change->sector);
    for (size_t index = 0; index < change->edit_count; ++index) {
        vv_sim_name_unref(alloc, change->edits[index].name);
    }
    *change = (vv_sim_change){0};
}

void vv_sim_changes_deinit(vv_alloc *alloc, vv_vec *changes)
{
    for (size_t index = 0; index < changes->count; ++index) {
        vv_sim_change_deinit(alloc, VV_VEC_AT(changes, vv_sim_change, index));
    }
    vv_vec_deinit(changes);
}
