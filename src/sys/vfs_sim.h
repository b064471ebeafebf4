/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file system in memory with a power switch. Tests only.
 *
 * For each file and directory it keeps what programs see (volatile) and what the disk is known to
 * hold (durable), and one ordered list of the changes between the two: sectors of 512 bytes, sizes,
 * directory entries.
 *
 *      write, truncate, allocate ----> volatile content    + change SECTOR, SIZE
 *      open(create), rename, unlink -> volatile directory  + change ENTRY
 *      sync(file)  the SECTOR and SIZE changes of that file become durable, not its name
 *      sync_dir    the ENTRY changes of that directory become durable, not the files' content
 *      power cut   durable state plus some of the changes, as a model says  ----> image
 *
 *  vv_sim --capture--> vv_sim_point --cut--> vv_sim_image --create--> vv_sim of the next life
 *  (live)              (a frozen moment)     (a legal disk)           (volatile = durable = image)
 *
 *   S1  A point and an image never change and share memory with what they came from; all three are
 *       cheap (a few microseconds for a small database) and may be used by different threads.
 *
 *   S2  Without ignored sites and failed syncs, what was synced is in every image.
 *
 *   S3  A rename is one change: an image has both halves or none. Syncing either directory makes
 *       both durable, with the earlier changes of those two names.
 *
 *   S4  Choosing changes out of order is applied in order: for one sector, size or name the last
 *       chosen change decides. A sector carries the bytes of earlier unsynced writes to it, as a
 *       page does.
 *
 *   S5  Same calls, same images, byte for byte.
 *
 * Not simulated: permissions, links other than hard ones, times, "..", files without a name that
 * are opened again. Its memory must not fail: give it an allocator of its own; it asserts success.
 */
#ifndef VV_SYS_VFS_SIM_H
#define VV_SYS_VFS_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "sys/sync_sites.h"
#include "sys/vfs.h"
#include "sys/vfs_op.h"

#define VV_SIM_SECTOR_BYTES 512

typedef struct vv_sim vv_sim;
typedef struct vv_sim_point vv_sim_point;
typedef struct vv_sim_image vv_sim_image;

/* ---- the live file system ------------------------------------------------------------------- */

/* image: what the disk holds at the start, NULL for an empty root. Ended by vv_sim_free. */
vv_sim *vv_sim_create(vv_alloc *alloc, const vv_sim_image *image);
/* Files still open are ended; takes NULL. */
void vv_sim_free(vv_sim *sim);
const vv_vfs *vv_sim_vfs(const vv_sim *sim);

/* Bytes that files may have together, in whole sectors; more is ENOSPC. Default: no limit. */
void vv_sim_set_capacity(vv_sim *sim, uint64_t capacity_bytes);
uint64_t vv_sim_used_bytes(vv_sim *sim);
/* What the file system cannot do: answers E_UNSUPPORTED. Default: everything works. */
typedef struct vv_sim_lacks {
    bool allocate;
    bool link;
    bool is_network;  /* statvfs says so */
    bool is_readonly; /* every change is EROFS */
} vv_sim_lacks;
void vv_sim_set_lacks(vv_sim *sim, const vv_sim_lacks *lacks);

/* Calls so far, and those among them that may change something (vv_vfs_op_changes). */
uint64_t vv_sim_calls(vv_sim *sim);
uint64_t vv_sim_changing_calls(vv_sim *sim);

/*
 * The process "dies" before the call of this number (from 1; 0: never): it and all later calls fail
 * with EIO and change nothing, except that files can be closed. The state stays for vv_sim_capture.
 */
void vv_sim_stop_at_call(vv_sim *sim, uint64_t number);
void vv_sim_stop_at_changing_call(vv_sim *sim, uint64_t number);
bool vv_sim_is_stopped(vv_sim *sim);

/*
 * Called before each changing call that will be made, outside of the lock: the place to capture
 * every point of a run in one go, from the thread that makes the call. site is VV_SYNC_SITE_COUNT
 * where the call has none.
 */
typedef void (*vv_sim_hook)(void *context, uint64_t changing_call, vv_vfs_op op, const char *path,
                            vv_sync_site site);
/* Not while other threads use the file system. NULL: none. */
void vv_sim_set_hook(vv_sim *sim, vv_sim_hook hook, void *context);

/* Files open now. */
uint64_t vv_sim_open_files(vv_sim *sim);

/* ---- syncs ---------------------------------------------------------------------------------- */

/* A sync at this site reports success and does nothing; a rename there becomes two changes. */
void vv_sim_ignore_site(vv_sim *sim, vv_sync_site site, bool is_ignored);
/* Syncs and renames made at a site. */
uint64_t vv_sim_site_calls(vv_sim *sim, vv_sync_site site);
/* Syncs of files and directories, ignored ones too. */
uint64_t vv_sim_syncs(vv_sim *sim);

/* What becomes of the unsynced data of a file whose sync failed. */
typedef enum vv_sim_fsync_fail_mode {
    VV_SIM_PAGES_DIRTY,    /* nothing changed; a later sync would store it */
    VV_SIM_PAGES_CLEAN,    /* reads show it, no later sync stores it */
    VV_SIM_PAGES_REVERTED, /* reads show what the disk holds */
} vv_sim_fsync_fail_mode;

typedef struct vv_sim_sync_fault {
    vv_sync_site site;   /* VV_SYNC_SITE_COUNT: any */
    uint64_t first_sync; /* the matching sync that fails first, from 1 counted from now; 0: none */
    bool is_permanent;   /* all later matching ones fail too */
    int os_errno;
    vv_sim_fsync_fail_mode mode;
} vv_sim_sync_fault;
/* Replaces the fault set before. Directories: nothing becomes durable, in every mode. */
void vv_sim_set_sync_fault(vv_sim *sim, const vv_sim_sync_fault *fault);
/* Syncs that failed by it. */
uint64_t vv_sim_sync_faults(vv_sim *sim);

/* ---- the power switch ----------------------------------------------------------------------- */

/* The state of this moment; to be released with vv_sim_point_free. */
vv_sim_point *vv_sim_capture(vv_sim *sim);
void vv_sim_point_free(vv_sim_point *point);
/* Unsynced changes: sectors, sizes, directory entries. */
size_t vv_sim_point_changes(const vv_sim_point *point);
/* Of everything that decides which images are possible. */
uint64_t vv_sim_point_hash(const vv_sim_point *point);

typedef enum vv_sim_model {
    VV_SIM_CUT_NONE,       /* all changes lost */
    VV_SIM_CUT_ALL,        /* all kept: also what a killed process leaves */
    VV_SIM_CUT_PREFIX,     /* the first `count` kept */
    VV_SIM_CUT_SUBSET,     /* those kept for which kept[i] */
    VV_SIM_CUT_TORN,       /* all before one write, and that write up to a place in a sector */
    VV_SIM_CUT_SIZE_FIRST, /* sizes and entries kept, content lost: grown parts are zero */
    VV_SIM_CUT_DATA_LOST,  /* entries kept, content and sizes lost: a renamed new file is empty */
    VV_SIM_CUT_REORDER,    /* of content and sizes the last `count` kept, the earlier lost */
} vv_sim_model;

typedef struct vv_sim_cut {
    vv_sim_model model;
    size_t count;
    const bool *kept;      /* SUBSET: one for each change of the point */
    bool has_entries;      /* TORN (later ones), REORDER: directory entries kept */
    size_t torn_write;     /* TORN: 0 the last unsynced write, 1 the one before ... */
    size_t torn_sector;    /* TORN: its sectors before this one are whole, those after are lost */
    size_t torn_bytes;     /* TORN: bytes of the write that reached the torn sector */
    bool has_torn_garbage; /* TORN: the other bytes of the write in that sector are random */
    uint64_t seed;         /* TORN: of the garbage */
} vv_sim_cut;

/* To be released with vv_sim_image_free. NULL when TORN names a write or sector that is not there.
 */
vv_sim_image *vv_sim_power_cut(const vv_sim_point *point, const vv_sim_cut *cut);
/* Takes NULL. */
void vv_sim_image_free(vv_sim_image *image);
/* Of all names and contents: images that a program cannot tell apart have the same. */
uint64_t vv_sim_image_hash(const vv_sim_image *image);

/* All subsets are enumerated up to this many changes. */
#define VV_SIM_EXHAUSTIVE_CHANGES_MAX 10
#define VV_SIM_RANDOM_SUBSETS         64

/*
 * The images to try at a point: all subsets of the changes when there are at most
 * VV_SIM_EXHAUSTIVE_CHANGES_MAX; otherwise none, all, every prefix, each one missing, each one
 * only, size-first, data-lost, reorder, and VV_SIM_RANDOM_SUBSETS subsets from the seed. In both
 * cases also the last write torn in its first, middle and last sector, plain and with garbage.
 * Different numbers may give the same image; vv_sim_image_hash tells.
 */
size_t vv_sim_image_count(const vv_sim_point *point);
vv_sim_image *vv_sim_image_make(const vv_sim_point *point, size_t index, uint64_t seed);
/* What image number `index` is, for messages: "prefix 7 of 12". */
void vv_sim_image_describe(const vv_sim_point *point, size_t index, char *out_text,
                           size_t capacity);

#endif
