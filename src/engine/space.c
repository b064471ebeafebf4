/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The watch over free space (see space.h, durability.md section 7).
 *
 *   Z1  A refusal comes before any effect: nothing was reserved, no lock is held.
 *   Z2  The state is left by itself: each look asks the disk. There is a look every second, after
 *       each flush and merge, and with each refusal where the last one is old.
 *   Z3  The ballast is never needed for correctness: it is not synced, a file of any size counts,
 *       and one that cannot be made is done without.
 *   Z4  What frees space never asks for leave: flushes, merges, deletes and policies use all there
 *       is, and then the ballast.
 *
 * The log as it allocates files has a state of its own (wal/wal_file.c): a quota, or a disk that
 * says something else to fallocate than to statvfs, shows there.
 */

#include "engine/space.h"

#include "base/status.h"
#include "engine/db.h"
#include "wal/wal.h"

#define SPACE_MIB (UINT64_C(1024) * 1024)

enum {
    SPACE_LOG_FILE_MIB = 64, /* default size of a log file */
    SPACE_MIN_FREE_MIB = 256,
    SPACE_RESERVE_MIB = 4, /* besides two log files: a segment and an edit */
    /* Shares of a small disk: what is meant for large ones would take all of it. Arbitrary; at 4
     * GiB the defaults reach their full size. */
    SPACE_LOG_FILE_SHARE = 64,
    SPACE_MIN_FREE_SHARE = 16,
    SPACE_RESERVE_SHARE = 16,
    SPACE_BALLAST_FACTOR = 4, /* the ballast is made when less than this many bounds are free */
    SPACE_LOG_SHARE = 2       /* of what is free: the log becomes a segment of about its size */
};

/* A look costs one system call: with each refusal of a lone thread, else ten times a second. */
#define SPACE_LOOK_NS   (100 * VV_NS_PER_MS)
#define SPACE_PERIOD_NS VV_NS_PER_S

/* ---- numbers ---- */

static uint64_t space_least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t space_most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/** Of a small disk a share, rounded down to whole MiB. */
static uint64_t space_share(uint64_t bytes, uint64_t total, uint64_t share)
{
    uint64_t most = space_most(total / share / SPACE_MIB, 1) * SPACE_MIB;
    return space_least(bytes, most);
}

static void space_fill_options(varve_options *options, uint64_t total)
{
    if (options->log_file_bytes == 0) {
        options->log_file_bytes =
            space_share(SPACE_LOG_FILE_MIB * SPACE_MIB, total, SPACE_LOG_FILE_SHARE);
    }
    uint64_t files = 2 * options->log_file_bytes;
    if (options->min_free_bytes == 0) {
        uint64_t bytes = space_most(space_most(SPACE_MIN_FREE_MIB * SPACE_MIB, files), total / 100);
        options->min_free_bytes = space_share(bytes, total, SPACE_MIN_FREE_SHARE);
    }
    if (options->reserve_bytes == 0) {
        options->reserve_bytes =
            space_share(files + SPACE_RESERVE_MIB * SPACE_MIB, total, SPACE_RESERVE_SHARE);
    }
}

static uint64_t space_bound(uint64_t option)
{
    return option == VARVE_SPACE_NONE ? 0 : option;
}

/* ---- the ballast ---- */

static varve_status space_reserve_path(const varve_db *db, char out_path[VV_PATH_BYTES_MAX])
{
    return vv_db_path(db, "RESERVE", out_path, NULL);
}

static void space_find_reserve_locked(varve_db *db)
{
    char path[VV_PATH_BYTES_MAX];
    vv_file_info info;
    db->space.has_reserve = space_reserve_path(db, path) == VARVE_OK &&
                            vv_vfs_stat(db->env.vfs, path, &info, NULL) == VARVE_OK &&
                            info.size > 0;
}

static void space_make_reserve_locked(varve_db *db)
{
    vv_mutex_assert_held(&db->space.lock);
    char path[VV_PATH_BYTES_MAX];
    vv_file *file;
    if (space_reserve_path(db, path) != VARVE_OK ||
        vv_file_open(db->env.vfs, &db->alloc, path, VV_OPEN_WRITE | VV_OPEN_CREATE, &file, NULL) !=
            VARVE_OK) {
        return; /* Z3 */
    }
    varve_error error;
    varve_status status =
        vv_file_allocate(file, 0, (int64_t)space_least(db->space.reserve_bytes, INT64_MAX), &error);
    varve_status closed = vv_file_close(file, NULL);
    db->space.has_reserve = status == VARVE_OK && closed == VARVE_OK;
    if (!db->space.has_reserve) {
        VV_IGNORE(vv_vfs_unlink(db->env.vfs, path, NULL)); /* a file of no bytes is no ballast */
    }
}

/** It is made where it is about to be needed, and where making it does not do what it is to help
 *  against. */
static bool space_wants_reserve_locked(const varve_db *db, uint64_t free_bytes)
{
    const vv_space *space = &db->space;
    uint64_t bound = space->min_free_bytes + space->min_free_bytes / 2;
    return !space->has_reserve && space->reserve_bytes > 0 &&
           free_bytes / SPACE_BALLAST_FACTOR < space->min_free_bytes + space->reserve_bytes &&
           free_bytes > bound && free_bytes - bound > space->reserve_bytes;
}

static bool space_release_locked(varve_db *db)
{
    vv_mutex_assert_held(&db->space.lock);
    char path[VV_PATH_BYTES_MAX];
    if (!db->space.has_reserve || space_reserve_path(db, path) != VARVE_OK ||
        vv_vfs_unlink(db->env.vfs, path, NULL) != VARVE_OK) {
        return false;
    }
    db->space.has_reserve = false;
    atomic_fetch_add_explicit(&db->space.releases, 1, memory_order_relaxed);
    return true;
}

uint64_t vv_space_reserve_bytes(varve_db *db)
{
    if (!db->space.is_watched) {
        return 0;
    }
    vv_mutex_lock(&db->space.lock);
    uint64_t bytes = db->space.has_reserve ? db->space.reserve_bytes : 0;
    vv_mutex_unlock(&db->space.lock);
    return bytes;
}

bool vv_space_release(varve_db *db)
{
    if (!db->space.is_watched) {
        return false;
    }
    vv_mutex_lock(&db->space.lock);
    bool is_released = space_release_locked(db);
    vv_mutex_unlock(&db->space.lock);
    if (is_released) {
        vv_db_log(db, VARVE_LOG_WARN, "space.reserve_released",
                  "the disk is full: RESERVE was removed, and is made again when there is room");
    }
    return is_released;
}

/* ---- looking ---- */

bool vv_space_is_low(const varve_db *db)
{
    /* Relaxed: a row more or less is the same at this bound. */
    return atomic_load_explicit(&db->space.is_low, memory_order_relaxed);
}

bool vv_space_is_full(const varve_db *db)
{
    return vv_space_is_low(db) || (db->wal != NULL && vv_wal_is_nospace(db->wal));
}

void vv_space_describe(const varve_db *db, varve_error *out_reason)
{
    VV_IGNORE(vv_fail(
        out_reason, VARVE_E_NOSPACE,
        "%llu bytes are free on the disk of %s, and min_free_bytes is %llu: rows are taken again "
        "above one and a half of it",
        (unsigned long long)atomic_load_explicit(&db->space.free_bytes, memory_order_relaxed),
        db->path, (unsigned long long)db->space.min_free_bytes));
}

/** The state after a look; true: it has changed. */
static bool space_decide_locked(varve_db *db, uint64_t free_bytes)
{
    vv_space *space = &db->space;
    uint64_t bound = space->min_free_bytes;
    bool was_low = vv_space_is_low(db);
    bool is_low = was_low ? free_bytes <= bound + bound / 2 && bound > 0 : free_bytes < bound;
    atomic_store_explicit(&space->free_bytes, free_bytes, memory_order_relaxed);
    atomic_store_explicit(&space->is_low, is_low, memory_order_relaxed);
    if (is_low && !was_low) {
        atomic_fetch_add_explicit(&space->low_total, 1, memory_order_relaxed);
    }
    return is_low != was_low;
}

void vv_space_look(varve_db *db)
{
    vv_space *space = &db->space;
    if (!space->is_watched) {
        return;
    }
    vv_fs_info disk;
    vv_mutex_lock(&space->lock);
    atomic_store_explicit(&space->looked_ns, vv_env_mono_ns(&db->env), memory_order_relaxed);
    bool has_changed = false;
    if (vv_vfs_statvfs(db->env.vfs, db->path, &disk, NULL) == VARVE_OK) { /* else: as it was */
        has_changed = space_decide_locked(db, disk.free_bytes);
        if (space_wants_reserve_locked(db, disk.free_bytes)) {
            space_make_reserve_locked(db);
        }
    }
    vv_mutex_unlock(&space->lock);
    if (has_changed) {
        vv_health_note(db);
    }
}

static bool space_is_old(const varve_db *db, int64_t age_ns)
{
    int64_t looked = atomic_load_explicit(&db->space.looked_ns, memory_order_relaxed);
    return vv_env_mono_ns(&db->env) - looked >= age_ns;
}

void vv_space_tick(varve_db *db)
{
    if (db->space.is_watched && space_is_old(db, SPACE_PERIOD_NS)) {
        vv_space_look(db);
    }
}

void vv_space_note_log(varve_db *db)
{
    vv_space *space = &db->space;
    uint64_t bytes = vv_wal_left_bytes(db->wal);
    if (bytes != atomic_load_explicit(&space->log_bytes, memory_order_relaxed)) {
        atomic_store_explicit(&space->log_bytes, bytes, memory_order_relaxed);
        vv_space_look(db);
    } else if (db->background == NULL) {
        vv_space_tick(db);
    }
}

varve_status vv_space_admit(varve_db *db, varve_error *out_err)
{
    if (!vv_space_is_low(db)) {
        return VARVE_OK;
    }
    if (db->background == NULL || space_is_old(db, SPACE_LOOK_NS)) {
        vv_space_look(db);
        if (!vv_space_is_low(db)) {
            return VARVE_OK;
        }
    }
    atomic_fetch_add_explicit(&db->space.refusals, 1, memory_order_relaxed);
    varve_error reason;
    vv_space_describe(db, &reason);
    return vv_fail(out_err, VARVE_E_NOSPACE, "%s", reason.message);
}

/* ---- what others ask ---- */

uint64_t vv_space_log_max(const varve_db *db)
{
    uint64_t bytes = db->options.log_bytes_max;
    if (db->space.is_watched) {
        uint64_t free_bytes = atomic_load_explicit(&db->space.free_bytes, memory_order_relaxed);
        bytes = space_least(bytes, free_bytes / SPACE_LOG_SHARE);
    }
    return space_most(bytes, 1);
}

uint64_t vv_space_log_bytes(const varve_db *db)
{
    return vv_space_is_full(db) ? 1 : space_most(vv_space_log_max(db) / 2, 1);
}

bool vv_space_has_room(varve_db *db, uint64_t needed, uint64_t *out_free)
{
    vv_fs_info disk;
    *out_free = UINT64_MAX;
    if (vv_vfs_statvfs(db->env.vfs, db->path, &disk, NULL) != VARVE_OK) {
        return true; /* what the disk does not tell is found out by writing */
    }
    *out_free = disk.free_bytes;
    uint64_t kept = needed == 0 ? 0 : db->space.min_free_bytes;            /* Z4 */
    kept += kept == 0 || db->wal == NULL ? 0 : vv_wal_left_bytes(db->wal); /* a flush comes first */
    return disk.free_bytes >= needed && disk.free_bytes - needed >= kept;
}

/* ---- opening ---- */

varve_status vv_space_open(varve_db *db, varve_error *out_err)
{
    vv_space *space = &db->space;
    vv_fs_info disk = {.total_bytes = UINT64_MAX, .free_bytes = UINT64_MAX};
    space->is_watched = !db->is_memory && !db->is_readonly;
    if (space->is_watched) {
        VV_TRY(vv_vfs_statvfs(db->env.vfs, db->path, &disk, out_err));
        space->is_watched = disk.total_bytes > 0; /* else it does not say */
    }
    space_fill_options(&db->options, disk.total_bytes > 0 ? disk.total_bytes : UINT64_MAX);
    if (space->is_watched) {
        space->min_free_bytes = space_bound(db->options.min_free_bytes);
        space->reserve_bytes = space_bound(db->options.reserve_bytes);
    }
    atomic_init(&space->free_bytes, space->is_watched ? disk.free_bytes : 0);
    if (!space->is_watched) {
        return VARVE_OK;
    }
    vv_mutex_lock(&space->lock);
    space_find_reserve_locked(db);
    /* A fresh log file and the segment of what the old ones hold. */
    if (disk.free_bytes < 2 * db->options.log_file_bytes + SPACE_RESERVE_MIB * SPACE_MIB) {
        VV_IGNORE(space_release_locked(db)); /* there may be none */
    }
    vv_mutex_unlock(&space->lock);
    return VARVE_OK;
}
