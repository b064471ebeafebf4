/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the simulated file system: shared memory of contents, trees, changes.
 *
 *   vv_sim_sector   512 bytes, never changed once made; NULL stands for zeros
 *   vv_sim_chunk    32 sectors
 *   vv_sim_content  size and chunks of a file            } shared by counting references, copied by
 *   vv_sim_dir      sorted names with inode numbers      } whoever changes one that is shared
 *   vv_sim_tree     inode number -> content or directory
 *   vv_sim_change   one unsynced change, applied to a tree
 *
 * A live file system has two trees with the same inode numbers, `cache` (what programs see) and
 * `disk` (what is durable), and the ordered changes that lead from disk to cache. Points and images
 * are copies of trees: one reference a file, no bytes.
 */
#ifndef VV_SYS_VFS_SIM_PRIV_H
#define VV_SYS_VFS_SIM_PRIV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"
#include "sys/thread.h"
#include "sys/vfs_sim.h"

#define VV_SIM_CHUNK_SECTORS 32
#define VV_SIM_INODE_NONE    UINT32_MAX
#define VV_SIM_INODE_ROOT    0

/* ---- contents (vfs_sim_data.c) -------------------------------------------------------------- */

typedef struct vv_sim_sector {
    atomic_uint refs;
    uint64_t hash; /* of the bytes */
    uint8_t bytes[VV_SIM_SECTOR_BYTES];
} vv_sim_sector;

typedef struct vv_sim_chunk {
    atomic_uint refs;
    vv_sim_sector *sectors[VV_SIM_CHUNK_SECTORS];
} vv_sim_chunk;

typedef struct vv_sim_content {
    atomic_uint refs;
    int64_t size;
    size_t chunk_count;
    vv_sim_chunk **chunks; /* NULL: all zeros */
} vv_sim_content;

/* size rounded up to sectors. */
static inline uint64_t vv_sim_whole_sectors(int64_t size)
{
    return ((uint64_t)size + VV_SIM_SECTOR_BYTES - 1) / VV_SIM_SECTOR_BYTES * VV_SIM_SECTOR_BYTES;
}

/* Memory that the test cannot go on without. */
void *vv_sim_new(vv_alloc *alloc, size_t size);

/* NULL when all bytes are zero. */
vv_sim_sector *vv_sim_sector_create(vv_alloc *alloc, const uint8_t bytes[VV_SIM_SECTOR_BYTES]);
vv_sim_sector *vv_sim_sector_ref(vv_sim_sector *sector);
void vv_sim_sector_unref(vv_alloc *alloc, vv_sim_sector *sector);
/* The bytes, also of NULL. */
const uint8_t *vv_sim_sector_bytes(const vv_sim_sector *sector);

vv_sim_content *vv_sim_content_create(vv_alloc *alloc);
vv_sim_content *vv_sim_content_ref(vv_sim_content *content);
void vv_sim_content_unref(vv_alloc *alloc, vv_sim_content *content);
/* Borrowed until the content changes; NULL beyond what is stored. */
vv_sim_sector *vv_sim_content_get(const vv_sim_content *content, uint64_t index);
/* These replace *content by a private copy when it is shared. */
void vv_sim_content_set(vv_alloc *alloc, vv_sim_content **content, uint64_t index,
                        vv_sim_sector *sector);
void vv_sim_content_resize(vv_alloc *alloc, vv_sim_content **content, int64_t size);
/* Forgets bytes that lie beyond the size. */
void vv_sim_content_trim(vv_alloc *alloc, vv_sim_content **content);
uint64_t vv_sim_content_hash(const vv_sim_content *content);

/* ---- trees (vfs_sim_tree.c) ----------------------------------------------------------------- */

typedef struct vv_sim_name {
    atomic_uint refs;
    uint64_t hash;
    size_t size;
    char text[]; /* terminated */
} vv_sim_name;

typedef struct vv_sim_dir_entry {
    vv_sim_name *name;
    uint32_t inode;
} vv_sim_dir_entry;

typedef struct vv_sim_dir {
    atomic_uint refs;
    size_t count;
    size_t capacity;
    vv_sim_dir_entry *entries; /* sorted by name */
} vv_sim_dir;

/* One of the two, or neither: a free number. */
typedef struct vv_sim_node {
    vv_sim_content *content;
    vv_sim_dir *dir;
} vv_sim_node;

typedef struct vv_sim_tree {
    vv_alloc *alloc;
    vv_sim_node *nodes;
    uint32_t count;
    uint32_t capacity;
} vv_sim_tree;

typedef enum vv_sim_change_kind {
    VV_SIM_CHANGE_SECTOR,
    VV_SIM_CHANGE_SIZE,
    VV_SIM_CHANGE_ENTRY,
} vv_sim_change_kind;

/* Name `name` of directory `dir` leads to `target` from now on; VV_SIM_INODE_NONE: to nothing. */
typedef struct vv_sim_edit {
    uint32_t dir;
    vv_sim_name *name;
    uint32_t target;
} vv_sim_edit;

typedef struct vv_sim_change {
    vv_sim_change_kind kind;
    uint32_t inode;        /* SECTOR, SIZE */
    uint64_t write;        /* SECTOR, SIZE: number of the call that made it */
    uint64_t index;        /* SECTOR */
    vv_sim_sector *sector; /* SECTOR: all of it after the write */
    uint32_t begin;        /* SECTOR: the bytes of it that the call wrote */
    uint32_t end;
    int64_t size;   /* SIZE */
    bool is_shrink; /* SIZE */
    size_t edit_count;
    vv_sim_edit edits[2]; /* ENTRY: two for a rename */
} vv_sim_change;

vv_sim_name *vv_sim_name_create(vv_alloc *alloc, const char *text, size_t size);
vv_sim_name *vv_sim_name_ref(vv_sim_name *name);
void vv_sim_name_unref(vv_alloc *alloc, vv_sim_name *name);

vv_sim_dir *vv_sim_dir_create(vv_alloc *alloc);
vv_sim_dir *vv_sim_dir_ref(vv_sim_dir *dir);
void vv_sim_dir_unref(vv_alloc *alloc, vv_sim_dir *dir);
/* VV_SIM_INODE_NONE when there is no such name. */
uint32_t vv_sim_dir_find(const vv_sim_dir *dir, const char *name, size_t size);

void vv_sim_tree_init(vv_sim_tree *tree, vv_alloc *alloc);
void vv_sim_tree_deinit(vv_sim_tree *tree);
void vv_sim_tree_copy(vv_sim_tree *target, const vv_sim_tree *source);
/* Makes room for the number, and frees the node that had it. */
void vv_sim_tree_put(vv_sim_tree *tree, uint32_t inode, vv_sim_content *content, vv_sim_dir *dir);
void vv_sim_tree_drop(vv_sim_tree *tree, uint32_t inode);
void vv_sim_tree_edit(vv_sim_tree *tree, const vv_sim_edit *edit);
void vv_sim_tree_apply(vv_sim_tree *tree, const vv_sim_change *change);
/* Sets reached[inode] for all that the names below `inode` lead to, itself included. */
void vv_sim_tree_mark(const vv_sim_tree *tree, uint32_t inode, bool *reached);
uint64_t vv_sim_tree_hash(const vv_sim_tree *tree);

void vv_sim_change_copy(vv_sim_change *target, const vv_sim_change *source);
void vv_sim_change_deinit(vv_alloc *alloc, vv_sim_change *change);
void vv_sim_changes_deinit(vv_alloc *alloc, vv_vec *changes);

/* ---- the live file system ------------------------------------------------------------------- */

/* What is known of an inode besides the trees. */
typedef struct vv_sim_inode_state {
    bool is_used;
    uint32_t open_count;
    const vv_file *lock_owner; /* NULL: not locked */
} vv_sim_inode_state;

struct vv_sim {
    /* fixed after create */
    vv_alloc *alloc;
    vv_vfs vfs;
    uint64_t
        device; /* different for each one in the process, so that a registry tells them apart */
    /* set while nobody uses the file system */
    vv_sim_hook hook;
    void *hook_context;
    /* guarded by lock */
    vv_mutex lock;
    vv_sim_tree cache;
    vv_sim_tree disk;
    vv_vec changes; /* vv_sim_change, oldest first */
    vv_sim_inode_state *states;
    uint32_t state_count;
    uint32_t free_hint;   /* no free inode number is below it */
    uint64_t write_count; /* gives vv_sim_change.write */
    uint64_t calls;
    uint64_t changing_calls;
    uint64_t stop_at_call;
    uint64_t stop_at_changing_call;
    bool is_stopped;
    uint64_t open_files;
    uint64_t capacity_bytes;
    vv_sim_lacks lacks;
    bool ignored_sites[VV_SYNC_SITE_COUNT];
    uint64_t site_calls[VV_SYNC_SITE_COUNT];
    uint64_t syncs;
    vv_sim_sync_fault fault;
    uint64_t fault_matched;
    uint64_t fault_fired;
};

struct vv_sim_point {
    vv_alloc *alloc;
    vv_sim_tree disk;
    vv_vec changes; /* vv_sim_change, oldest first; only of inodes that an image may reach */
};

struct vv_sim_image {
    vv_alloc *alloc;
    vv_sim_tree tree;
};

/* ---- the work of calls (vfs_sim_name.c, vfs_sim_write.c): an errno, 0 when done ------------- */

/* A name in a directory, and what it leads to. The root has no name. */
typedef struct vv_sim_place {
    uint32_t dir;
    const char *name;
    size_t name_size;
    uint32_t inode; /* VV_SIM_INODE_NONE: nothing */
} vv_sim_place;

/* ENOENT unless the path leads to something. */
int vv_sim_find_locked(const vv_sim *sim, const char *path, vv_sim_place *out_place);
int vv_sim_open_locked(vv_sim *sim, vv_file *file);
int vv_sim_rename_locked(vv_sim *sim, const char *source_path, const char *target_path,
                         vv_sync_site site);
int vv_sim_link_locked(vv_sim *sim, const char *source_path, const char *target_path);
/* Removes a name that leads to a directory (an empty one), or to a file. */
int vv_sim_remove_locked(vv_sim *sim, const char *path, bool is_dir_wanted);
int vv_sim_mkdir_locked(vv_sim *sim, const char *path);

/* The bytes copied: fewer than size at the end. */
size_t vv_sim_read(const vv_sim_content *content, int64_t offset, uint8_t *target, size_t size);
int vv_sim_write_locked(vv_sim *sim, uint32_t inode, int64_t offset, const vv_iov *iov,
                        size_t count, size_t *out_size);
int vv_sim_resize_locked(vv_sim *sim, uint32_t inode, int64_t size);

extern const vv_vfs_ops vv_sim_vfs_ops; /* vfs_sim_ops.c */

/* Adds to the changes and applies to the cache; takes what the change refers to. */
void vv_sim_record_locked(vv_sim *sim, vv_sim_change *change);
/* A number for a new file (dir NULL) or directory, in both trees. */
uint32_t vv_sim_inode_create_locked(vv_sim *sim, bool is_dir);
/* Forgets inodes that nothing leads to any more. */
void vv_sim_collect_locked(vv_sim *sim);
/* Which inodes some image of this state may lead to. */
void vv_sim_mark_images(const vv_sim_tree *disk, const vv_vec *changes, bool *reached);
/* Does the change concern one of them? */
bool vv_sim_change_matters(const vv_sim_change *change, const bool *reached);
/* Bytes of all files that a program can reach, in whole sectors. */
uint64_t vv_sim_used_bytes_locked(vv_sim *sim);
/* The changes of one file become durable. */
void vv_sim_sync_file_locked(vv_sim *sim, uint32_t inode);
/* They never will, as the mode says. */
void vv_sim_lose_file_locked(vv_sim *sim, uint32_t inode, vv_sim_fsync_fail_mode mode);
/* The names of one directory become durable (S3). */
void vv_sim_sync_dir_locked(vv_sim *sim, uint32_t dir);

/* How many sectors the newest unsynced write has, and how many bytes it wrote to one of them. */
size_t vv_sim_newest_write(const vv_sim_point *point, size_t sector, size_t *out_bytes);

#endif
