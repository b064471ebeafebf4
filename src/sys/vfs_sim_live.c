/* SPDX-License-Identifier: Apache-2.0 */
/* How changes come into being, become durable, or are forgotten. */
#include <string.h>

#include "base/assert.h"
#include "sys/vfs_sim_priv.h"

/* Numbers of inodes there is room for at first (arbitrary). */
#define VV_SIM_INODES_MIN 64

void vv_sim_record_locked(vv_sim *sim, vv_sim_change *change)
{
    vv_mutex_assert_held(&sim->lock);
    vv_sim_tree_apply(&sim->cache, change);
    varve_status status = vv_vec_push(&sim->changes, change);
    VV_ASSERT(status == VARVE_OK);
}

/* ---- inode numbers -------------------------------------------------------------------------- */

static void vfs_sim_live_grow_states(vv_sim *sim)
{
    uint32_t count = sim->state_count == 0 ? VV_SIM_INODES_MIN : sim->state_count * 2;
    vv_sim_inode_state *states = vv_sim_new(sim->alloc, count * sizeof *states);
    if (sim->state_count > 0) {
        memcpy(states, sim->states, sim->state_count * sizeof *states);
    }
    vv_alloc_free(sim->alloc, sim->states, sim->state_count * sizeof *states);
    sim->states = states;
    sim->state_count = count;
}

static bool vfs_sim_live_find_free(vv_sim *sim, uint32_t *out_inode)
{
    for (uint32_t inode = sim->free_hint; inode < sim->state_count; ++inode) {
        if (!sim->states[inode].is_used) {
            sim->free_hint = inode + 1;
            *out_inode = inode;
            return true;
        }
    }
    sim->free_hint = sim->state_count;
    return false;
}

uint32_t vv_sim_inode_create_locked(vv_sim *sim, bool is_dir)
{
    uint32_t inode = 0;
    if (!vfs_sim_live_find_free(sim, &inode)) {
        vv_sim_collect_locked(sim);
        if (!vfs_sim_live_find_free(sim, &inode)) {
            vfs_sim_live_grow_states(sim);
            bool is_found = vfs_sim_live_find_free(sim, &inode);
            VV_ASSERT(is_found);
        }
    }
    sim->states[inode] = (vv_sim_inode_state){.is_used = true};
    vv_sim_content *content = is_dir ? NULL : vv_sim_content_create(sim->alloc);
    vv_sim_dir *dir = is_dir ? vv_sim_dir_create(sim->alloc) : NULL;
    vv_sim_tree_put(&sim->cache, inode, content, dir);
    vv_sim_tree_put(&sim->disk, inode, is_dir ? NULL : vv_sim_content_ref(content),
                    is_dir ? vv_sim_dir_ref(dir) : NULL);
    return inode;
}

/* What programs reach: by name or by an open file. */
static void vfs_sim_live_mark_cache(const vv_sim *sim, bool *reached)
{
    vv_sim_tree_mark(&sim->cache, VV_SIM_INODE_ROOT, reached);
    for (uint32_t inode = 0; inode < sim->cache.count; ++inode) {
        if (sim->states[inode].open_count > 0) {
            vv_sim_tree_mark(&sim->cache, inode, reached);
        }
    }
}

void vv_sim_mark_images(const vv_sim_tree *disk, const vv_vec *changes, bool *reached)
{
    vv_sim_tree_mark(disk, VV_SIM_INODE_ROOT, reached);
    for (size_t index = 0; index < changes->count; ++index) {
        const vv_sim_change *change = VV_VEC_AT(changes, vv_sim_change, index);
        for (size_t edit = 0; edit < change->edit_count; ++edit) {
            if (change->edits[edit].target != VV_SIM_INODE_NONE) {
                vv_sim_tree_mark(disk, change->edits[edit].target, reached);
            }
        }
    }
}

bool vv_sim_change_matters(const vv_sim_change *change, const bool *reached)
{
    if (change->kind != VV_SIM_CHANGE_ENTRY) {
        return reached[change->inode];
    }
    for (size_t index = 0; index < change->edit_count; ++index) {
        if (reached[change->edits[index].dir]) {
            return true;
        }
    }
    return false;
}

/* Forgets the changes for which is_dropped is set. */
static void vfs_sim_live_drop_changes(vv_sim *sim, const bool *is_dropped)
{
    size_t kept = 0;
    vv_sim_change *changes = VV_VEC_ITEMS(&sim->changes, vv_sim_change);
    for (size_t index = 0; index < sim->changes.count; ++index) {
        if (is_dropped[index]) {
            vv_sim_change_deinit(sim->alloc, &changes[index]);
        } else {
            changes[kept] = changes[index];
            kept += 1;
        }
    }
    sim->changes.count = kept;
}

static void vfs_sim_live_drop_unreached_changes(vv_sim *sim, const bool *reached)
{
    bool *is_dropped = vv_sim_new(sim->alloc, sim->changes.count);
    for (size_t index = 0; index < sim->changes.count; ++index) {
        is_dropped[index] =
            !vv_sim_change_matters(VV_VEC_AT(&sim->changes, vv_sim_change, index), reached);
    }
    size_t count = sim->changes.count;
    vfs_sim_live_drop_changes(sim, is_dropped);
    vv_alloc_free(sim->alloc, is_dropped, count);
}

void vv_sim_collect_locked(vv_sim *sim)
{
    vv_mutex_assert_held(&sim->lock);
    uint32_t count = sim->cache.count;
    bool *in_cache = vv_sim_new(sim->alloc, count);
    bool *in_images = vv_sim_new(sim->alloc, count);
    vfs_sim_live_mark_cache(sim, in_cache);
    vv_sim_mark_images(&sim->disk, &sim->changes, in_images);
    for (uint32_t inode = 0; inode < count; ++inode) {
        in_cache[inode] = in_cache[inode] || in_images[inode]; /* from here on: in either */
    }
    vfs_sim_live_drop_unreached_changes(sim, in_cache);
    for (uint32_t inode = 0; inode < count; ++inode) {
        if (!in_cache[inode]) {
            vv_sim_tree_drop(&sim->cache, inode);
            vv_sim_tree_drop(&sim->disk, inode);
            sim->states[inode].is_used = false;
        }
    }
    sim->free_hint = 0;
    vv_alloc_free(sim->alloc, in_cache, count);
    vv_alloc_free(sim->alloc, in_images, count);
}

uint64_t vv_sim_used_bytes_locked(vv_sim *sim)
{
    vv_mutex_assert_held(&sim->lock);
    uint32_t count = sim->cache.count;
    bool *reached = vv_sim_new(sim->alloc, count);
    vfs_sim_live_mark_cache(sim, reached);
    uint64_t used = 0;
    for (uint32_t inode = 0; inode < count; ++inode) {
        if (reached[inode] && sim->cache.nodes[inode].content != NULL) {
            used += vv_sim_whole_sectors(sim->cache.nodes[inode].content->size);
        }
    }
    vv_alloc_free(sim->alloc, reached, count);
    return used;
}

/* ---- syncs ---------------------------------------------------------------------------------- */

/* Applies the selected changes to the disk, in order, and forgets them. */
static void vfs_sim_live_store_changes(vv_sim *sim, const bool *is_selected)
{
    for (size_t index = 0; index < sim->changes.count; ++index) {
        if (is_selected[index]) {
            vv_sim_tree_apply(&sim->disk, VV_VEC_AT(&sim->changes, vv_sim_change, index));
        }
    }
    vfs_sim_live_drop_changes(sim, is_selected);
}

static bool vfs_sim_live_is_data_of(const vv_sim_change *change, uint32_t inode)
{
    return change->kind != VV_SIM_CHANGE_ENTRY && change->inode == inode;
}

void vv_sim_sync_file_locked(vv_sim *sim, uint32_t inode)
{
    vv_mutex_assert_held(&sim->lock);
    size_t count = sim->changes.count;
    bool *is_selected = vv_sim_new(sim->alloc, count);
    for (size_t index = 0; index < count; ++index) {
        is_selected[index] =
            vfs_sim_live_is_data_of(VV_VEC_AT(&sim->changes, vv_sim_change, index), inode);
    }
    vfs_sim_live_store_changes(sim, is_selected);
    vv_alloc_free(sim->alloc, is_selected, count);
}

void vv_sim_lose_file_locked(vv_sim *sim, uint32_t inode, vv_sim_fsync_fail_mode mode)
{
    vv_mutex_assert_held(&sim->lock);
    if (mode == VV_SIM_PAGES_DIRTY) {
        return;
    }
    size_t count = sim->changes.count;
    bool *is_lost = vv_sim_new(sim->alloc, count);
    for (size_t index = 0; index < count; ++index) {
        const vv_sim_change *change = VV_VEC_AT(&sim->changes, vv_sim_change, index);
        /* Sizes are metadata: the journal stores them with its next commit. */
        is_lost[index] =
            vfs_sim_live_is_data_of(change, inode) && change->kind == VV_SIM_CHANGE_SECTOR;
        if (is_lost[index] && mode == VV_SIM_PAGES_REVERTED) {
            vv_sim_sector *stored =
                vv_sim_content_get(sim->disk.nodes[inode].content, change->index);
            vv_sim_content_set(sim->alloc, &sim->cache.nodes[inode].content, change->index, stored);
        }
    }
    vfs_sim_live_drop_changes(sim, is_lost);
    vv_alloc_free(sim->alloc, is_lost, count);
}

static bool vfs_sim_live_edits_share_name(const vv_sim_change *a, const vv_sim_change *b)
{
    for (size_t i = 0; i < a->edit_count; ++i) {
        for (size_t j = 0; j < b->edit_count; ++j) {
            const vv_sim_edit *x = &a->edits[i];
            const vv_sim_edit *y = &b->edits[j];
            if (x->dir == y->dir && x->name->size == y->name->size &&
                memcmp(x->name->text, y->name->text, x->name->size) == 0) {
                return true;
            }
        }
    }
    return false;
}

static bool vfs_sim_live_edits_dir(const vv_sim_change *change, uint32_t dir)
{
    for (size_t index = 0; index < change->edit_count; ++index) {
        if (change->edits[index].dir == dir) {
            return true;
        }
    }
    return false;
}

/*
 * A rename out of another directory takes that directory's earlier changes of the name with it:
 * what is durable must not bring the old name back. One pass from the last change to the first
 * finds all, because a selected change only ever selects earlier ones.
 */
void vv_sim_sync_dir_locked(vv_sim *sim, uint32_t dir)
{
    vv_mutex_assert_held(&sim->lock);
    size_t count = sim->changes.count;
    bool *is_selected = vv_sim_new(sim->alloc, count);
    for (size_t index = count; index > 0; --index) {
        const vv_sim_change *change = VV_VEC_AT(&sim->changes, vv_sim_change, index - 1);
        is_selected[index - 1] = is_selected[index - 1] || vfs_sim_live_edits_dir(change, dir);
        for (size_t earlier = 0; is_selected[index - 1] && earlier < index - 1; ++earlier) {
            const vv_sim_change *other = VV_VEC_AT(&sim->changes, vv_sim_change, earlier);
            is_selected[earlier] =
                is_selected[earlier] || vfs_sim_live_edits_share_name(change, other);
        }
    }
    vfs_sim_live_store_changes(sim, is_selected);
    vv_alloc_free(sim->alloc, is_selected, count);
}
