/* SPDX-License-Identifier: Apache-2.0 */
/* Making a simulated file system, and the switches that tests turn. */
#include "sys/vfs_sim.h"

#include <string.h>

#include "base/assert.h"
#include "sys/vfs_sim_priv.h"

/* Device numbers of simulations: far from those of the machine (arbitrary). */
#define VV_SIM_DEVICE_FIRST (UINT64_C(1) << 48)

static atomic_uint_least64_t vv_sim_device_next = VV_SIM_DEVICE_FIRST;

/* An empty root, durable. */
static void vfs_sim_make_root(vv_sim *sim)
{
    vv_mutex_lock(&sim->lock);
    uint32_t root = vv_sim_inode_create_locked(sim, /* is_dir */ true);
    vv_mutex_unlock(&sim->lock);
    VV_ASSERT(root == VV_SIM_INODE_ROOT);
}

static void vfs_sim_take_image(vv_sim *sim, const vv_sim_image *image)
{
    vv_sim_tree_copy(&sim->cache, &image->tree);
    vv_sim_tree_copy(&sim->disk, &image->tree);
    sim->state_count = image->tree.count;
    sim->states = vv_sim_new(sim->alloc, sim->state_count * sizeof *sim->states);
    for (uint32_t inode = 0; inode < sim->state_count; ++inode) {
        const vv_sim_node *node = &image->tree.nodes[inode];
        sim->states[inode].is_used = node->content != NULL || node->dir != NULL;
    }
}

vv_sim *vv_sim_create(vv_alloc *alloc, const vv_sim_image *image)
{
    vv_sim *sim = vv_sim_new(alloc, sizeof *sim);
    varve_status status = vv_mutex_init(&sim->lock, VV_RANK_VFS_SIM, 0, NULL);
    VV_ASSERT(status == VARVE_OK);
    sim->alloc = alloc;
    sim->vfs = (vv_vfs){.ops = &vv_sim_vfs_ops, .context = sim};
    sim->device = atomic_fetch_add(&vv_sim_device_next, 1);
    vv_vec_init(&sim->changes, alloc, sizeof(vv_sim_change), SIZE_MAX);
    if (image != NULL) {
        VV_ASSERT(image->alloc == alloc); /* memory is shared with the image */
        vfs_sim_take_image(sim, image);
    } else {
        vv_sim_tree_init(&sim->cache, alloc);
        vv_sim_tree_init(&sim->disk, alloc);
        vfs_sim_make_root(sim);
    }
    return sim;
}

void vv_sim_free(vv_sim *sim)
{
    if (sim == NULL) {
        return;
    }
    VV_ASSERT(sim->open_files == 0);
    vv_sim_changes_deinit(sim->alloc, &sim->changes);
    vv_sim_tree_deinit(&sim->cache);
    vv_sim_tree_deinit(&sim->disk);
    vv_alloc_free(sim->alloc, sim->states, sim->state_count * sizeof *sim->states);
    vv_mutex_deinit(&sim->lock);
    vv_alloc_free(sim->alloc, sim, sizeof *sim);
}

const vv_vfs *vv_sim_vfs(const vv_sim *sim)
{
    return &sim->vfs;
}

/* ---- switches ------------------------------------------------------------------------------- */

void vv_sim_set_capacity(vv_sim *sim, uint64_t capacity_bytes)
{
    vv_mutex_lock(&sim->lock);
    sim->capacity_bytes = capacity_bytes;
    vv_mutex_unlock(&sim->lock);
}

void vv_sim_set_lacks(vv_sim *sim, const vv_sim_lacks *lacks)
{
    vv_mutex_lock(&sim->lock);
    sim->lacks = *lacks;
    vv_mutex_unlock(&sim->lock);
}

void vv_sim_stop_at_call(vv_sim *sim, uint64_t number)
{
    vv_mutex_lock(&sim->lock);
    sim->stop_at_call = number;
    vv_mutex_unlock(&sim->lock);
}

void vv_sim_stop_at_changing_call(vv_sim *sim, uint64_t number)
{
    vv_mutex_lock(&sim->lock);
    sim->stop_at_changing_call = number;
    vv_mutex_unlock(&sim->lock);
}

void vv_sim_set_hook(vv_sim *sim, vv_sim_hook hook, void *context)
{
    sim->hook = hook;
    sim->hook_context = context;
}

void vv_sim_ignore_site(vv_sim *sim, vv_sync_site site, bool is_ignored)
{
    VV_ASSERT((size_t)site < VV_SYNC_SITE_COUNT);
    vv_mutex_lock(&sim->lock);
    sim->ignored_sites[site] = is_ignored;
    vv_mutex_unlock(&sim->lock);
}

void vv_sim_set_sync_fault(vv_sim *sim, const vv_sim_sync_fault *fault)
{
    vv_mutex_lock(&sim->lock);
    sim->fault = *fault;
    sim->fault_matched = 0;
    sim->fault_fired = 0;
    vv_mutex_unlock(&sim->lock);
}

/* ---- counts --------------------------------------------------------------------------------- */

static uint64_t vfs_sim_read_count(vv_sim *sim, const uint64_t *count)
{
    vv_mutex_lock(&sim->lock);
    uint64_t value = *count;
    vv_mutex_unlock(&sim->lock);
    return value;
}

uint64_t vv_sim_calls(vv_sim *sim)
{
    return vfs_sim_read_count(sim, &sim->calls);
}

uint64_t vv_sim_changing_calls(vv_sim *sim)
{
    return vfs_sim_read_count(sim, &sim->changing_calls);
}

bool vv_sim_is_stopped(vv_sim *sim)
{
    vv_mutex_lock(&sim->lock);
    bool is_stopped = sim->is_stopped;
    vv_mutex_unlock(&sim->lock);
    return is_stopped;
}

uint64_t vv_sim_open_files(vv_sim *sim)
{
    return vfs_sim_read_count(sim, &sim->open_files);
}

uint64_t vv_sim_site_calls(vv_sim *sim, vv_sync_site site)
{
    VV_ASSERT((size_t)site < VV_SYNC_SITE_COUNT);
    return vfs_sim_read_count(sim, &sim->site_calls[site]);
}

uint64_t vv_sim_syncs(vv_sim *sim)
{
    return vfs_sim_read_count(sim, &sim->syncs);
}

uint64_t vv_sim_sync_faults(vv_sim *sim)
{
    return vfs_sim_read_count(sim, &sim->fault_fired);
}

uint64_t vv_sim_used_bytes(vv_sim *sim)
{
    vv_mutex_lock(&sim->lock);
    uint64_t used = vv_sim_used_bytes_locked(sim);
    vv_mutex_unlock(&sim->lock);
    return used;
}
