/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths of the simulated file system, and the work of the calls that change names. What answers an
 * int answers an errno, 0 when it is done.
 */
#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "sys/vfs_sim_priv.h"

/* ---- paths ---------------------------------------------------------------------------------- */

/* The next name of a path, without slashes and "."; size 0 at the end. */
static const char *vfs_sim_name_next_name(const char **path, size_t *out_size)
{
    for (;;) {
        *path += strspn(*path, "/");
        size_t size = strcspn(*path, "/");
        const char *name = *path;
        *path += size;
        if (!(size == 1 && name[0] == '.')) {
            *out_size = size;
            return name;
        }
    }
}

static int vfs_sim_name_resolve_locked(const vv_sim *sim, const char *path, vv_sim_place *out_place)
{
    *out_place = (vv_sim_place){.dir = VV_SIM_INODE_NONE, .inode = VV_SIM_INODE_ROOT};
    for (;;) {
        size_t size = 0;
        const char *name = vfs_sim_name_next_name(&path, &size);
        if (size == 0) {
            return 0;
        }
        if (out_place->inode == VV_SIM_INODE_NONE) {
            return ENOENT;
        }
        const vv_sim_dir *dir = sim->cache.nodes[out_place->inode].dir;
        if (dir == NULL) {
            return ENOTDIR;
        }
        if (size > VV_NAME_BYTES_MAX) {
            return ENAMETOOLONG;
        }
        if (size == 2 && memcmp(name, "..", 2) == 0) {
            return EINVAL;
        }
        *out_place = (vv_sim_place){.dir = out_place->inode,
                                    .name = name,
                                    .name_size = size,
                                    .inode = vv_sim_dir_find(dir, name, size)};
    }
}

int vv_sim_find_locked(const vv_sim *sim, const char *path, vv_sim_place *out_place)
{
    int os_errno = vfs_sim_name_resolve_locked(sim, path, out_place);
    if (os_errno == 0 && out_place->inode == VV_SIM_INODE_NONE) {
        return ENOENT;
    }
    return os_errno;
}

/* One change that makes the place lead to target. */
static void vfs_sim_name_record_entry_locked(vv_sim *sim, const vv_sim_place *place,
                                             uint32_t target)
{
    vv_sim_change change = {.kind = VV_SIM_CHANGE_ENTRY, .edit_count = 1};
    change.edits[0] = (vv_sim_edit){
        .dir = place->dir,
        .name = vv_sim_name_create(sim->alloc, place->name, place->name_size),
        .target = target,
    };
    vv_sim_record_locked(sim, &change);
}

/* ---- changes of names ----------------------------------------------------------------------- */

int vv_sim_open_locked(vv_sim *sim, vv_file *file)
{
    vv_sim_place place;
    int os_errno = vfs_sim_name_resolve_locked(sim, file->path, &place);
    if (os_errno != 0) {
        return os_errno;
    }
    if (place.inode == VV_SIM_INODE_NONE) {
        if ((file->flags & VV_OPEN_CREATE) == 0) {
            return ENOENT;
        }
        place.inode = vv_sim_inode_create_locked(sim, /* is_dir */ false);
        vfs_sim_name_record_entry_locked(sim, &place, place.inode);
    } else if ((file->flags & VV_OPEN_EXCLUSIVE) != 0) {
        return EEXIST;
    }
    if (sim->cache.nodes[place.inode].content == NULL) {
        return EISDIR;
    }
    if ((file->flags & VV_OPEN_WRITE) != 0 && sim->lacks.is_readonly) {
        return EROFS;
    }
    sim->states[place.inode].open_count += 1;
    sim->open_files += 1;
    file->handle = place.inode;
    return 0;
}

/* May something of the source's kind take the target's place? */
static int vfs_sim_name_check_replace_locked(const vv_sim *sim, const vv_sim_place *source,
                                             const vv_sim_place *target)
{
    if (target->inode == VV_SIM_INODE_NONE) {
        return 0;
    }
    const vv_sim_dir *source_dir = sim->cache.nodes[source->inode].dir;
    const vv_sim_dir *target_dir = sim->cache.nodes[target->inode].dir;
    if (source_dir == NULL) {
        return target_dir == NULL ? 0 : EISDIR;
    }
    if (target_dir == NULL) {
        return ENOTDIR;
    }
    return target_dir->count == 0 ? 0 : ENOTEMPTY;
}

/* Would the directory become part of itself? */
static bool vfs_sim_name_is_below_locked(const vv_sim *sim, uint32_t inode, uint32_t dir)
{
    bool *reached = vv_sim_new(sim->alloc, sim->cache.count);
    vv_sim_tree_mark(&sim->cache, inode, reached);
    bool is_below = reached[dir];
    vv_alloc_free(sim->alloc, reached, sim->cache.count);
    return is_below;
}

int vv_sim_rename_locked(vv_sim *sim, const char *source_path, const char *target_path,
                         vv_sync_site site)
{
    vv_sim_place source;
    vv_sim_place target;
    int os_errno = vv_sim_find_locked(sim, source_path, &source);
    os_errno = os_errno != 0 ? os_errno : vfs_sim_name_resolve_locked(sim, target_path, &target);
    if (os_errno != 0) {
        return os_errno;
    }
    if (source.dir == VV_SIM_INODE_NONE || target.dir == VV_SIM_INODE_NONE) {
        return EBUSY; /* the root */
    }
    if (source.inode == target.inode) {
        return 0;
    }
    os_errno = vfs_sim_name_check_replace_locked(sim, &source, &target);
    if (os_errno != 0) {
        return os_errno;
    }
    if (vfs_sim_name_is_below_locked(sim, source.inode, target.dir)) {
        return EINVAL;
    }
    if (sim->ignored_sites[site]) { /* not atomic */
        vfs_sim_name_record_entry_locked(sim, &target, source.inode);
        vfs_sim_name_record_entry_locked(sim, &source, VV_SIM_INODE_NONE);
        return 0;
    }
    vv_sim_change change = {.kind = VV_SIM_CHANGE_ENTRY, .edit_count = 2};
    change.edits[0] = (vv_sim_edit){
        .dir = source.dir,
        .name = vv_sim_name_create(sim->alloc, source.name, source.name_size),
        .target = VV_SIM_INODE_NONE,
    };
    change.edits[1] = (vv_sim_edit){
        .dir = target.dir,
        .name = vv_sim_name_create(sim->alloc, target.name, target.name_size),
        .target = source.inode,
    };
    vv_sim_record_locked(sim, &change);
    return 0;
}

int vv_sim_link_locked(vv_sim *sim, const char *source_path, const char *target_path)
{
    vv_sim_place source;
    vv_sim_place target;
    if (sim->lacks.link) {
        return EOPNOTSUPP;
    }
    int os_errno = vv_sim_find_locked(sim, source_path, &source);
    os_errno = os_errno != 0 ? os_errno : vfs_sim_name_resolve_locked(sim, target_path, &target);
    if (os_errno != 0) {
        return os_errno;
    }
    if (target.inode != VV_SIM_INODE_NONE) {
        return EEXIST;
    }
    if (sim->cache.nodes[source.inode].dir != NULL) {
        return EISDIR;
    }
    vfs_sim_name_record_entry_locked(sim, &target, source.inode);
    return 0;
}

/* Removes a name that leads to a directory (an empty one), or to a file. */
int vv_sim_remove_locked(vv_sim *sim, const char *path, bool is_dir_wanted)
{
    vv_sim_place place;
    int os_errno = vv_sim_find_locked(sim, path, &place);
    if (os_errno != 0) {
        return os_errno;
    }
    const vv_sim_dir *dir = sim->cache.nodes[place.inode].dir;
    if ((dir != NULL) != is_dir_wanted) {
        return dir != NULL ? EISDIR : ENOTDIR;
    }
    if (place.dir == VV_SIM_INODE_NONE) {
        return EBUSY; /* the root */
    }
    if (dir != NULL && dir->count > 0) {
        return ENOTEMPTY;
    }
    vfs_sim_name_record_entry_locked(sim, &place, VV_SIM_INODE_NONE);
    return 0;
}

int vv_sim_mkdir_locked(vv_sim *sim, const char *path)
{
    vv_sim_place place;
    int os_errno = vfs_sim_name_resolve_locked(sim, path, &place);
    if (os_errno != 0) {
        return os_errno;
    }
    if (place.inode != VV_SIM_INODE_NONE) {
        return EEXIST;
    }
    place.inode = vv_sim_inode_create_locked(sim, /* is_dir */ true);
    vfs_sim_name_record_entry_locked(sim, &place, place.inode);
    return 0;
}
