/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The power switch: a point is a frozen moment; a cut chooses which of its changes the disk has
 * got.
 *
 * Every model comes down to a set of kept changes, applied in order to a copy of the durable tree,
 * and for TORN one change of which only a part arrives.
 */
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/random.h"
#include "sys/vfs_sim_priv.h"

/* ---- points --------------------------------------------------------------------------------- */

static void vfs_sim_cut_point_fill(vv_sim_point *point, const vv_sim *sim)
{
    vv_sim_tree_copy(&point->disk, &sim->disk);
    vv_vec_init(&point->changes, point->alloc, sizeof(vv_sim_change), SIZE_MAX);
    bool *reached = vv_sim_new(point->alloc, sim->disk.count);
    vv_sim_mark_images(&sim->disk, &sim->changes, reached);
    for (size_t index = 0; index < sim->changes.count; ++index) {
        const vv_sim_change *change = VV_VEC_AT(&sim->changes, vv_sim_change, index);
        if (vv_sim_change_matters(change, reached)) {
            vv_sim_change *copy = vv_vec_extend(&point->changes);
            VV_ASSERT(copy != NULL);
            vv_sim_change_copy(copy, change);
        }
    }
    for (uint32_t inode = 0; inode < sim->disk.count; ++inode) {
        if (!reached[inode]) {
            vv_sim_tree_drop(&point->disk, inode);
        }
    }
    vv_alloc_free(point->alloc, reached, sim->disk.count);
}

vv_sim_point *vv_sim_capture(vv_sim *sim)
{
    vv_sim_point *point = vv_sim_new(sim->alloc, sizeof *point);
    point->alloc = sim->alloc;
    vv_mutex_lock(&sim->lock);
    vfs_sim_cut_point_fill(point, sim);
    vv_mutex_unlock(&sim->lock);
    return point;
}

void vv_sim_point_free(vv_sim_point *point)
{
    if (point != NULL) {
        vv_sim_tree_deinit(&point->disk);
        vv_sim_changes_deinit(point->alloc, &point->changes);
        vv_alloc_free(point->alloc, point, sizeof *point);
    }
}

size_t vv_sim_point_changes(const vv_sim_point *point)
{
    return point->changes.count;
}

static uint64_t vfs_sim_cut_change_hash(const vv_sim_change *change)
{
    uint64_t hash = vv_hash_mix2(change->kind, change->inode);
    hash = vv_hash_mix2(hash, change->index);
    hash = vv_hash_mix2(hash, change->sector == NULL ? 0 : change->sector->hash);
    hash = vv_hash_mix2(hash, (uint64_t)change->size);
    for (size_t index = 0; index < change->edit_count; ++index) {
        hash = vv_hash_mix2(hash, change->edits[index].dir);
        hash = vv_hash_mix2(hash, change->edits[index].name->hash);
        hash = vv_hash_mix2(hash, change->edits[index].target);
    }
    return hash;
}

uint64_t vv_sim_point_hash(const vv_sim_point *point)
{
    uint64_t hash = vv_sim_tree_hash(&point->disk);
    for (size_t index = 0; index < point->changes.count; ++index) {
        hash = vv_hash_mix2(
            hash, vfs_sim_cut_change_hash(VV_VEC_AT(&point->changes, vv_sim_change, index)));
    }
    return hash;
}

/* ---- models --------------------------------------------------------------------------------- */

/* What a model decided: which changes arrive, and which one of them only in part. */
typedef struct vv_sim_choice {
    bool *kept;
    size_t count;
    size_t torn_index; /* SIZE_MAX: none */
} vv_sim_choice;

static const vv_sim_change *vfs_sim_cut_change_at(const vv_sim_point *point, size_t index)
{
    return VV_VEC_AT(&point->changes, vv_sim_change, index);
}

/* The number of a write that has sectors, counted from the newest; false when there are fewer. */
static bool vfs_sim_cut_find_write(const vv_sim_point *point, size_t from_newest,
                                   uint64_t *out_write)
{
    uint64_t write = 0;
    size_t found = 0;
    for (size_t index = point->changes.count; index > 0; --index) {
        const vv_sim_change *change = vfs_sim_cut_change_at(point, index - 1);
        if (change->kind != VV_SIM_CHANGE_SECTOR || (found > 0 && change->write == write)) {
            continue;
        }
        write = change->write;
        found += 1;
        if (found == from_newest + 1) {
            *out_write = write;
            return true;
        }
    }
    return false;
}

static bool vfs_sim_cut_choose_torn(const vv_sim_point *point, const vv_sim_cut *cut,
                                    vv_sim_choice *choice)
{
    uint64_t write = 0;
    if (!vfs_sim_cut_find_write(point, cut->torn_write, &write)) {
        return false;
    }
    size_t sector = 0;
    bool is_after = false; /* behind the torn sector: changes are lost */
    for (size_t index = 0; index < choice->count; ++index) {
        const vv_sim_change *change = vfs_sim_cut_change_at(point, index);
        bool is_entry = change->kind == VV_SIM_CHANGE_ENTRY;
        choice->kept[index] = is_after ? is_entry && cut->has_entries : true;
        if (is_entry || change->write != write || change->kind != VV_SIM_CHANGE_SECTOR) {
            continue;
        }
        if (sector == cut->torn_sector) {
            choice->torn_index = index;
            is_after = true;
        }
        sector += 1;
    }
    return is_after;
}

/* Of sectors and sizes the last `count`. */
static void vfs_sim_cut_choose_reorder(const vv_sim_point *point, const vv_sim_cut *cut,
                                       vv_sim_choice *choice)
{
    size_t kept = 0;
    for (size_t index = choice->count; index > 0; --index) {
        bool is_entry = vfs_sim_cut_change_at(point, index - 1)->kind == VV_SIM_CHANGE_ENTRY;
        choice->kept[index - 1] = is_entry ? cut->has_entries : kept < cut->count;
        kept += is_entry ? 0 : 1;
    }
}

static bool vfs_sim_cut_model_keeps(const vv_sim_cut *cut, size_t index, vv_sim_change_kind kind)
{
    switch (cut->model) {
    case VV_SIM_CUT_NONE:
        return false;
    case VV_SIM_CUT_ALL:
        return true;
    case VV_SIM_CUT_PREFIX:
        return index < cut->count;
    case VV_SIM_CUT_SUBSET:
        return cut->kept[index];
    case VV_SIM_CUT_SIZE_FIRST:
        return kind != VV_SIM_CHANGE_SECTOR;
    case VV_SIM_CUT_DATA_LOST:
        return kind == VV_SIM_CHANGE_ENTRY;
    case VV_SIM_CUT_TORN:
    case VV_SIM_CUT_REORDER:
        break; /* chosen elsewhere */
    }
    return false;
}

static bool vfs_sim_cut_choose(const vv_sim_point *point, const vv_sim_cut *cut,
                               vv_sim_choice *choice)
{
    if (cut->model == VV_SIM_CUT_TORN) {
        return vfs_sim_cut_choose_torn(point, cut, choice);
    }
    if (cut->model == VV_SIM_CUT_REORDER) {
        vfs_sim_cut_choose_reorder(point, cut, choice);
        return true;
    }
    for (size_t index = 0; index < choice->count; ++index) {
        choice->kept[index] =
            vfs_sim_cut_model_keeps(cut, index, vfs_sim_cut_change_at(point, index)->kind);
    }
    return true;
}

/*
 * A size that is kept brings the earlier cuts of the same file with it: a journal stores the states
 * of an inode in order, so bytes that were cut off do not come back under a later, larger size.
 */
static void vfs_sim_cut_keep_shrinks(const vv_sim_point *point, vv_sim_choice *choice)
{
    for (size_t index = 0; index < choice->count; ++index) {
        const vv_sim_change *shrink = vfs_sim_cut_change_at(point, index);
        if (shrink->kind != VV_SIM_CHANGE_SIZE || !shrink->is_shrink) {
            continue;
        }
        for (size_t later = index + 1; later < choice->count; ++later) {
            const vv_sim_change *other = vfs_sim_cut_change_at(point, later);
            if (choice->kept[later] && other->kind == VV_SIM_CHANGE_SIZE &&
                other->inode == shrink->inode) {
                choice->kept[index] = true;
            }
        }
    }
}

/* ---- images --------------------------------------------------------------------------------- */

/* The sector as it is when only the first bytes of the write arrived. */
static void vfs_sim_cut_apply_torn(vv_sim_tree *tree, const vv_sim_change *change,
                                   const vv_sim_cut *cut)
{
    uint8_t bytes[VV_SIM_SECTOR_BYTES];
    vv_sim_content **content = &tree->nodes[change->inode].content;
    memcpy(bytes, vv_sim_sector_bytes(vv_sim_content_get(*content, change->index)), sizeof bytes);
    size_t written = change->end - change->begin;
    size_t arrived = cut->torn_bytes < written ? cut->torn_bytes : written;
    memcpy(bytes + change->begin, vv_sim_sector_bytes(change->sector) + change->begin, arrived);
    if (cut->has_torn_garbage) {
        vv_random random;
        vv_random_init(&random, cut->seed);
        vv_random_fill(&random, bytes + change->begin + arrived, written - arrived);
    }
    vv_sim_sector *torn = vv_sim_sector_create(tree->alloc, bytes);
    vv_sim_content_set(tree->alloc, content, change->index, torn);
    vv_sim_sector_unref(tree->alloc, torn);
}

/* Sectors may have arrived without the size that makes them visible. */
static void vfs_sim_cut_trim_files(vv_sim_tree *tree, const vv_sim_point *point,
                                   const vv_sim_choice *choice)
{
    for (size_t index = 0; index < choice->count; ++index) {
        const vv_sim_change *change = vfs_sim_cut_change_at(point, index);
        if (!choice->kept[index] || change->kind != VV_SIM_CHANGE_SECTOR) {
            continue;
        }
        vv_sim_content **content = &tree->nodes[change->inode].content;
        if ((change->index + 1) * VV_SIM_SECTOR_BYTES > (uint64_t)(*content)->size) {
            vv_sim_content_trim(tree->alloc, content);
        }
    }
}

/* Inodes that no name leads to are not on a disk that is mounted anew. */
static void vfs_sim_cut_drop_unreached(vv_sim_tree *tree)
{
    uint32_t count = tree->count;
    bool *reached = vv_sim_new(tree->alloc, count);
    vv_sim_tree_mark(tree, VV_SIM_INODE_ROOT, reached);
    for (uint32_t inode = 0; inode < count; ++inode) {
        if (reached[inode]) {
            tree->count = inode + 1;
        } else {
            vv_sim_tree_drop(tree, inode);
        }
    }
    vv_alloc_free(tree->alloc, reached, count);
}

static vv_sim_image *vfs_sim_cut_build(const vv_sim_point *point, const vv_sim_cut *cut,
                                       const vv_sim_choice *choice)
{
    vv_sim_image *image = vv_sim_new(point->alloc, sizeof *image);
    image->alloc = point->alloc;
    vv_sim_tree_copy(&image->tree, &point->disk);
    for (size_t index = 0; index < choice->count; ++index) {
        if (!choice->kept[index]) {
            continue;
        }
        const vv_sim_change *change = vfs_sim_cut_change_at(point, index);
        if (index == choice->torn_index) {
            vfs_sim_cut_apply_torn(&image->tree, change, cut);
        } else {
            vv_sim_tree_apply(&image->tree, change);
        }
    }
    vfs_sim_cut_trim_files(&image->tree, point, choice);
    vfs_sim_cut_drop_unreached(&image->tree);
    return image;
}

vv_sim_image *vv_sim_power_cut(const vv_sim_point *point, const vv_sim_cut *cut)
{
    size_t count = point->changes.count;
    vv_sim_choice choice = {
        .kept = vv_sim_new(point->alloc, count),
        .count = count,
        .torn_index = SIZE_MAX,
    };
    vv_sim_image *image = NULL;
    if (vfs_sim_cut_choose(point, cut, &choice)) {
        vfs_sim_cut_keep_shrinks(point, &choice);
        image = vfs_sim_cut_build(point, cut, &choice);
    }
    vv_alloc_free(point->alloc, choice.kept, count);
    return image;
}

void vv_sim_image_free(vv_sim_image *image)
{
    if (image != NULL) {
        vv_sim_tree_deinit(&image->tree);
        vv_alloc_free(image->alloc, image, sizeof *image);
    }
}

uint64_t vv_sim_image_hash(const vv_sim_image *image)
{
    return vv_sim_tree_hash(&image->tree);
}

size_t vv_sim_newest_write(const vv_sim_point *point, size_t sector, size_t *out_bytes)
{
    uint64_t write = 0;
    size_t count = 0;
    if (!vfs_sim_cut_find_write(point, 0, &write)) {
        return 0;
    }
    for (size_t index = 0; index < point->changes.count; ++index) {
        const vv_sim_change *change = vfs_sim_cut_change_at(point, index);
        if (change->kind == VV_SIM_CHANGE_SECTOR && change->write == write) {
            if (count == sector) {
                *out_bytes = change->end - change->begin;
            }
            count += 1;
        }
    }
    return count;
}
