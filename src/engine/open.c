/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The life of a database: options, directories, the order of opening and of closing.
 *
 *   open    LOCK -> IDENT (made, or read) -> directories -> tmp/ emptied -> manifest -> catalogue,
 * cache
 *           -> recover.c: segments, tombstones, log into the head -> fresh log -> what was replayed
 * is flushed -> old log files go -> background thread -> writes are accepted close   background
 * stops -> flush -> log sealed -> everything freed -> LOCK released
 *
 *   O1  Until the manifest edit that makes the fresh log the log, nothing that recovery reads was
 *       changed: a crash anywhere in opening is a crash before it.
 *   O2  A failed open leaves no lock, descriptor or memory behind; a failed close leaves the handle
 * open.
 */

#include <string.h>

#include "base/hash.h"
#include "base/status.h"
#include "codec/isa.h"
#include "codec/vector.h"
#include "engine/background.h"
#include "engine/db.h"
#include "engine/flush.h"
#include "engine/head.h"
#include "engine/ident.h"
#include "engine/load.h"
#include "engine/lockfile.h"
#include "engine/manifest.h"
#include "engine/rollup.h"
#include "engine/scrub_status.h"
#include "engine/tier.h"
#include "engine/version.h"
#include "index/catalogue.h"
#include "segment/segment.h"
#include "sys/cpu.h"
#include "sys/fork_guard.h"
#include "sys/process.h"
#include "sys/vfs_memory.h"
#include "wal/wal.h"

#define OPEN_MIB (UINT64_C(1024) * 1024)

enum {
    OPEN_MEMORY_SHARE = 2,           /* of the machine's memory: the rest is the page cache's */
    OPEN_SYNC_INTERVAL_MS = 1000,    /* durability.md section 1 */
    OPEN_WRITE_TIMEOUT_MS = 30000,   /* the same, section 7 */
    OPEN_FLUSH_AGE_MS = 3600 * 1000, /* an hour of log to replay at most, where nothing else asks */
    OPEN_FLUSH_ROWS = 64 << 20,      /* seconds of replay: about 20 M rows/s by one thread */
    OPEN_NAMES_QUARTERS = 3,         /* of the memory, for names and postings: rows need some too */
    OPEN_MERGE_FAN_IN = 4,           /* write amplification against files per query; arbitrary */
    OPEN_GROUP_DELAY_US_MAX = 10000,
    OPEN_SCRUB_INTERVAL_MS = 7 * 24 * 3600 * 1000 /* durability.md section 6 */
};

/* ---- options ---- */

static uint64_t open_default(uint64_t value, uint64_t otherwise)
{
    return value != 0 ? value : otherwise;
}

static varve_status open_check_range(const char *name, uint64_t value, uint64_t least,
                                     uint64_t most, varve_error *out_err)
{
    if (value < least || value > most) {
        return vv_fail(out_err, VARVE_E_INVALID, "option %s is %llu; it must be %llu..%llu", name,
                       (unsigned long long)value, (unsigned long long)least,
                       (unsigned long long)most);
    }
    return VARVE_OK;
}

static varve_status open_check_options(const varve_options *options, varve_error *out_err)
{
    VV_TRY(open_check_range("precision", options->precision, 0, VARVE_PRECISION_S, out_err));
    VV_TRY(open_check_range("duplicates", options->duplicates, 0, VARVE_DUPLICATES_ALL, out_err));
    VV_TRY(open_check_range("row_ids", options->row_ids, 0, VARVE_ROW_IDS_ON, out_err));
    VV_TRY(open_check_range("sync", options->sync, 0, VARVE_SYNC_NO_LOG, out_err));
    VV_TRY(open_check_range("group_delay_us", options->group_delay_us, 0, OPEN_GROUP_DELAY_US_MAX,
                            out_err));
    VV_TRY(open_check_range("merge_fan_in", options->merge_fan_in, 2, 1024, out_err));
    if (options->log_file_bytes != 0) { /* else as the disk allows: engine/space.h */
        VV_TRY(open_check_range("log_file_bytes", options->log_file_bytes, 64 * 1024,
                                1024 * OPEN_MIB, out_err));
    }
    VV_TRY(open_check_range("batch_bytes_max", options->batch_bytes_max, 1024, 64 * OPEN_MIB,
                            out_err));
    VV_TRY(open_check_range("chain_bytes_max", options->chain_bytes_max, 1024,
                            VV_WAL_BATCH_BYTES_MAX, out_err));
    VV_TRY(open_check_range("memory_limit_bytes", options->memory_limit_bytes, OPEN_MIB, UINT64_MAX,
                            out_err));
    uint32_t known = VARVE_OPEN_READONLY | VARVE_OPEN_NO_CREATE | VARVE_OPEN_SALVAGE |
                     VARVE_OPEN_ALLOW_DAMAGE | VARVE_OPEN_ALLOW_NETWORK_FS |
                     VARVE_OPEN_NO_BACKGROUND;
    if ((options->flags & ~known) != 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "options: unknown flags 0x%x",
                       options->flags & ~known);
    }
    return VARVE_OK;
}

/** Copy what the caller's (perhaps older, shorter) struct has, fill in defaults, check. */
static varve_status open_fill_options(const varve_options *given, varve_options *options,
                                      varve_error *out_err)
{
    memset(options, 0, sizeof *options);
    if (given != NULL) {
        if (given->struct_size < sizeof(uint32_t) || given->struct_size > sizeof *options) {
            return vv_fail(out_err, VARVE_E_INVALID,
                           "options have struct_size %u; call varve_options_init first",
                           given->struct_size);
        }
        memcpy(options, given, given->struct_size);
    }
    options->struct_size = sizeof *options;
    uint64_t machine = vv_process_memory_bytes() / OPEN_MEMORY_SHARE;
    uint64_t most = 16 * 1024 * OPEN_MIB;
    options->memory_limit_bytes =
        open_default(options->memory_limit_bytes,
                     machine == 0 ? 1024 * OPEN_MIB : (machine < most ? machine : most));
    options->cache_bytes = open_default(options->cache_bytes, options->memory_limit_bytes / 8);
    options->flush_bytes = open_default(options->flush_bytes, options->memory_limit_bytes / 4);
    options->flush_rows = open_default(options->flush_rows, OPEN_FLUSH_ROWS);
    options->flush_age_ms = (uint32_t)open_default(options->flush_age_ms, OPEN_FLUSH_AGE_MS);
    options->merge_fan_in = (uint32_t)open_default(options->merge_fan_in, OPEN_MERGE_FAN_IN);
    options->log_bytes_max = open_default(options->log_bytes_max, 512 * OPEN_MIB);
    options->batch_bytes_max = open_default(options->batch_bytes_max, 64 * OPEN_MIB);
    options->chain_bytes_max = open_default(options->chain_bytes_max, 256 * OPEN_MIB);
    options->sync_interval_ms =
        (uint32_t)open_default(options->sync_interval_ms, OPEN_SYNC_INTERVAL_MS);
    options->write_timeout_ms =
        (uint32_t)open_default(options->write_timeout_ms, OPEN_WRITE_TIMEOUT_MS);
    options->sync = (uint32_t)open_default(options->sync, VARVE_SYNC_GROUP);
    options->retention_grace_ms = open_default(options->retention_grace_ms, VV_RETENTION_GRACE_MS);
    options->scrub_interval_ms = open_default(options->scrub_interval_ms, OPEN_SCRUB_INTERVAL_MS);
    return open_check_options(options, out_err);
}

/* ---- the handle ---- */

static varve_status open_init_locks(varve_db *db, varve_error *out_err)
{
    VV_TRY(vv_mutex_init(&db->rollup_lock, VV_RANK_ROLLUPS, 0, out_err));
    VV_TRY(vv_mutex_init(&db->flush_lock, VV_RANK_FLUSH, 0, out_err));
    VV_TRY(vv_mutex_init(&db->merge_lock, VV_RANK_MERGE, 0, out_err));
    VV_TRY(vv_mutex_init(&db->manifest_lock, VV_RANK_MANIFEST, 0, out_err));
    VV_TRY(vv_mutex_init(&db->space.lock, VV_RANK_SPACE, 0, out_err));
    VV_TRY(vv_mutex_init(&db->state_lock, VV_RANK_VERSION, 0, out_err));
    VV_TRY(vv_mutex_init(&db->ring_lock, VV_RANK_RING, 0, out_err));
    VV_TRY(vv_cond_init(&db->ring_changed, out_err));
    db->has_ring_cond = true;
    for (uint32_t i = 0; i < VV_SHARD_COUNT; i++) {
        VV_TRY(vv_mutex_init(&db->shards[i].lock, VV_RANK_SHARD, i, out_err));
        VV_TRY(vv_codec_scratch_create(&db->alloc, &db->shards[i].scratch, out_err));
    }
    return VARVE_OK;
}

static varve_status open_create_handle(const char *path, const varve_options *options,
                                       varve_db **out_db, varve_error *out_err)
{
    varve_allocator source = options->allocator != NULL ? *options->allocator : vv_alloc_system();
    varve_db *db = source.allocate(source.context, sizeof *db);
    if (db == NULL) {
        return vv_fail(out_err, VARVE_E_NOMEM, "no memory for a database handle");
    }
    memset(db, 0, sizeof *db);
    db->options = *options;
    /* A tenth above the bound at which writers wait: queries and merges that are under way go on.
     */
    uint64_t hard = options->memory_limit_bytes + options->memory_limit_bytes / 10;
    vv_alloc_init_limited(&db->alloc, &source, hard > SIZE_MAX ? SIZE_MAX : (size_t)hard);
    vv_env_init_system(&db->env, &db->alloc);
    if (options->environment != NULL) {
        db->env = *(const vv_env *)options->environment;
        db->env.alloc = &db->alloc;
    }
    db->env.log = NULL;
    db->fork_generation = vv_process_generation();
    atomic_init(&db->retention.newest, VV_RETENTION_NONE);
    atomic_init(&db->retention.skew_newest, VV_RETENTION_NONE);
    atomic_init(&db->retention.lowest, INT64_MAX);
    db->is_memory = path == NULL;
    db->is_readonly = (options->flags & VARVE_OPEN_READONLY) != 0;
    db->outer_vfs = db->env.vfs;
    *out_db = db;
    if (!db->is_memory && strlen(path) > VV_IDENT_PATH_BYTES_MAX) {
        return vv_fail(out_err, VARVE_E_LIMIT,
                       "the path of the database has %zu bytes; it may have %d", strlen(path),
                       VV_IDENT_PATH_BYTES_MAX);
    }
    if (db->is_memory) {
        path = "/memory";
        VV_TRY(vv_vfs_memory_create(&db->alloc, &db->memory_vfs, out_err));
        db->env.vfs = db->memory_vfs;
    }
    db->path_size = strlen(path) + 1;
    db->path = vv_alloc_new(&db->alloc, db->path_size);
    if (db->path == NULL) {
        return vv_fail(out_err, VARVE_E_NOMEM, "no memory for a path");
    }
    memcpy(db->path, path, db->path_size);
    return open_init_locks(db, out_err);
}

/** What the caller left open: freed before what it refers to. */
static void open_free_users(varve_db *db)
{
    while (db->cursors != NULL) {
        db->cursors->free(db->cursors->handle);
    }
    while (db->batches != NULL) {
        db->batches->free(db->batches->handle);
    }
}

/** Free all memory and descriptors; writes nothing, takes no lock. Also of a half-built handle. */
static void open_free_handle(varve_db *db, bool is_child)
{
    if (!is_child) {
        open_free_users(db);
    }
    vv_wal_free(db->wal);
    for (size_t i = 0; i < db->frozen_count; i++) {
        vv_head_unref(db->frozen[i]);
    }
    vv_head_unref(db->head);
    vv_scrub_kept_unref(db, db->scrubbed);
    vv_version_unref(db, db->version);
    vv_retention_unref(db, db->retention.table);
    vv_rollups_forget(db);
    vv_manifest_close(db->manifest);
    vv_block_cache_free(db->cache);
    vv_tier_free(db->tier);
    vv_catalogue_free(db->catalogue);
    for (size_t i = 0; i < VV_SHARD_COUNT; i++) {
        vv_codec_scratch_free(db->shards[i].scratch);
        vv_mutex_deinit(&db->shards[i].lock);
    }
    if (db->has_ring_cond) {
        vv_cond_deinit(&db->ring_changed);
    }
    vv_mutex_deinit(&db->ring_lock);
    vv_mutex_deinit(&db->state_lock);
    vv_mutex_deinit(&db->space.lock);
    vv_mutex_deinit(&db->manifest_lock);
    vv_mutex_deinit(&db->merge_lock);
    vv_mutex_deinit(&db->flush_lock);
    vv_mutex_deinit(&db->rollup_lock);
    if (db->lockfile != NULL) {
        if (is_child) {
            vv_lockfile_abandon(db->lockfile);
        } else {
            vv_lockfile_release(db->lockfile);
        }
        vv_alloc_free(&db->alloc, db->lockfile, sizeof *db->lockfile);
    }
    vv_alloc_free(&db->alloc, db->path, db->path_size);
    vv_vfs_memory_free(db->memory_vfs);
    varve_allocator source = db->alloc.source;
    source.release(source.context, db, sizeof *db);
}

/* ---- directories and files ---- */

static const char *const open_directories[] = {"tmp", "manifest", "wal",       "seg",
                                               "del", "ring",     "quarantine"};

static varve_status open_make_directories(varve_db *db, varve_error *out_err)
{
    for (size_t i = 0; i < VV_ARRAY_COUNT(open_directories); i++) {
        char path[VV_PATH_BYTES_MAX];
        VV_TRY(vv_db_path(db, open_directories[i], path, out_err));
        VV_TRY(vv_vfs_ensure_dir(db->env.vfs, path, VV_SITE_DIR_CREATE, out_err));
    }
    return VARVE_OK;
}

/** Everything in tmp/ is left over from an interrupted step. */
static varve_status open_clear_tmp(varve_db *db, varve_error *out_err)
{
    char path[VV_PATH_BYTES_MAX];
    VV_TRY(vv_db_path(db, "tmp", path, out_err));
    vv_dir_list list;
    VV_TRY(vv_vfs_list(db->env.vfs, &db->alloc, path, &list, out_err));
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < list.count && status == VARVE_OK; i++) {
        char entry[VV_PATH_BYTES_MAX];
        status = vv_path_join(path, list.entries[i].name, entry, out_err);
        if (status == VARVE_OK) {
            status = vv_vfs_remove_tree(db->env.vfs, &db->alloc, entry, out_err);
        }
    }
    vv_dir_list_deinit(&list);
    return status;
}

static varve_status open_lock(varve_db *db, varve_error *out_err)
{
    db->lockfile = vv_alloc_zeroed(&db->alloc, sizeof *db->lockfile);
    if (db->lockfile == NULL) {
        return vv_fail(out_err, VARVE_E_NOMEM, "no memory for a lock");
    }
    return vv_lockfile_acquire(&db->env, db->path, db->options.lock_wait_ms,
                               (db->options.flags & VARVE_OPEN_ALLOW_NETWORK_FS) != 0, db->lockfile,
                               out_err);
}

/** Read IDENT; a writer makes it (and tmp/, where it is written first) when the directory is new.
 */
static varve_status open_identify(varve_db *db, bool *out_is_new, varve_error *out_err)
{
    vv_ident ident;
    *out_is_new = false;
    varve_status status = vv_ident_read(&db->env, db->path, &ident, out_err);
    if (status == VARVE_E_NOT_FOUND && !db->is_readonly &&
        (db->options.flags & VARVE_OPEN_NO_CREATE) == 0) {
        char tmp[VV_PATH_BYTES_MAX];
        VV_TRY(vv_db_path(db, "tmp", tmp, out_err));
        VV_TRY(vv_vfs_ensure_dir(db->env.vfs, tmp, VV_SITE_DIR_CREATE, out_err));
        VV_TRY(vv_ident_make(&db->env, &ident, out_err));
        VV_TRY(vv_ident_create(&db->env, db->path, tmp, &ident, out_err));
        *out_is_new = true;
    } else if (status == VARVE_E_NOT_FOUND) {
        return vv_fail(out_err, status, "%s: there is no database here", db->path);
    } else if (status != VARVE_OK) {
        return status;
    }
    memcpy(db->store_id, ident.store_id, sizeof db->store_id);
    db->created_ns = ident.created_ns;
    db->is_snapshot = vv_ident_is_snapshot(&ident);
    if (db->is_snapshot && !db->is_readonly) {
        return vv_fail(out_err, VARVE_E_READONLY,
                       "%s is a snapshot: open it read-only, or restore it to a new directory",
                       db->path);
    }
    return VARVE_OK;
}

static varve_status open_has_files(varve_db *db, const char *directory, bool *out_has,
                                   varve_error *out_err)
{
    char path[VV_PATH_BYTES_MAX];
    VV_TRY(vv_db_path(db, directory, path, out_err));
    vv_dir_list list;
    VV_TRY(vv_vfs_list(db->env.vfs, &db->alloc, path, &list, out_err));
    *out_has = *out_has || list.count > 0;
    vv_dir_list_deinit(&list);
    return VARVE_OK;
}

/** A directory with IDENT but no manifest: a crash between the two, or a manifest that was lost. */
static varve_status open_create_manifest(varve_db *db, const vv_manifest_options *options,
                                         varve_error *out_err)
{
    bool has_files = false;
    VV_TRY(open_has_files(db, "seg", &has_files, out_err));
    VV_TRY(open_has_files(db, "wal", &has_files, out_err));
    VV_TRY(open_has_files(db, "del", &has_files, out_err));
    VV_TRY(open_has_files(db, "ring", &has_files, out_err));
    if (has_files) {
        return vv_fail(out_err, VARVE_E_CORRUPT,
                       "%s: the manifest is missing, but there are data files", db->path);
    }
    vv_manifest_database database = {
        .precision =
            db->options.precision != 0 ? db->options.precision : (uint32_t)VARVE_PRECISION_NS,
        .duplicates =
            db->options.duplicates != 0 ? db->options.duplicates : (uint32_t)VARVE_DUPLICATES_LAST,
        .row_ids = db->options.row_ids != 0 ? db->options.row_ids : (uint32_t)VARVE_ROW_IDS_OFF,
    };
    if (database.row_ids == VARVE_ROW_IDS_ON && database.duplicates != VARVE_DUPLICATES_ALL) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "row ids need VARVE_DUPLICATES_ALL: under LAST a row has no identity");
    }
    vv_manifest_edit edit = {
        .database = &database, .next_file_id = 1, .next_sequence = 1, .log_start = 1};
    return vv_manifest_create(&db->env, options, &edit, &db->manifest, out_err);
}

static varve_status open_manifest(varve_db *db, varve_error *out_err)
{
    char directory[VV_PATH_BYTES_MAX];
    char tmp[VV_PATH_BYTES_MAX];
    VV_TRY(vv_db_path(db, "manifest", directory, out_err));
    VV_TRY(vv_db_path(db, "tmp", tmp, out_err));
    vv_manifest_options options = {.directory = directory, .tmp_directory = tmp};
    memcpy(options.store_id, db->store_id, sizeof options.store_id);
    vv_manifest_found found;
    varve_status status = vv_manifest_open(&db->env, &options, &db->manifest, &found, out_err);
    if (status == VARVE_E_NOT_FOUND) {
        return open_create_manifest(db, &options, out_err);
    }
    return status;
}

static varve_status open_conflict(const char *what, varve_error *out_err)
{
    return vv_fail(out_err, VARVE_E_CONFLICT,
                   "the database was created with another %s; open it with the stored one", what);
}

varve_status vv_db_adopt(varve_db *db, const vv_manifest_state *state, varve_error *out_err)
{
    const vv_manifest_database *stored = &state->database;
    if (db->options.precision != 0 && db->options.precision != stored->precision) {
        return open_conflict("precision", out_err);
    }
    if (db->options.duplicates != 0 && db->options.duplicates != stored->duplicates) {
        return open_conflict("duplicates policy", out_err);
    }
    if (db->options.row_ids != 0 && db->options.row_ids != stored->row_ids) {
        return open_conflict("setting of row ids", out_err);
    }
    db->precision = stored->precision;
    db->options.precision = stored->precision;
    db->options.duplicates = stored->duplicates;
    db->options.row_ids = stored->row_ids;
    vv_metric_policy policy = {
        .duplicates = stored->duplicates,
        .has_row_ids = stored->row_ids == VARVE_ROW_IDS_ON,
    };
    vv_catalogue_set_default_policy(db->catalogue, policy);
    return vv_tier_attach(db, state, out_err);
}

/** What lives in memory only. */
static varve_status open_create_parts(varve_db *db, varve_error *out_err)
{
    uint64_t seed;
    VV_TRY(vv_entropy_fill(&db->env.entropy, &seed, sizeof seed, out_err));
    VV_TRY(vv_catalogue_create(&db->alloc, seed, /* series_max */ 0, &db->catalogue, out_err));
    VV_TRY(vv_block_cache_create(&db->alloc, db->options.cache_bytes, &db->cache, out_err));
    VV_TRY(vv_version_create(db, &db->version, out_err));
    VV_TRY(vv_retention_create(db, 1, &db->retention.table, out_err));
    return vv_head_create(db, &db->head, out_err);
}

/** Bytes that names and postings may take: three quarters of what nothing else holds from the
 *  start. */
static uint64_t open_names_bytes(const varve_db *db)
{
    uint64_t limit = db->options.memory_limit_bytes;
    uint64_t others = vv_alloc_bytes(&db->alloc) - vv_catalogue_bytes(db->catalogue);
    return others < limit ? (limit - others) / 4 * OPEN_NAMES_QUARTERS + 1 : 1;
}

/* ---- a database with files that may be written ---- */

static varve_status open_writable(varve_db *db, varve_error *out_err)
{
    bool is_new;
    bool creates = (db->options.flags & VARVE_OPEN_NO_CREATE) == 0;
    if (creates && !db->is_memory && db->options.warm_path.size > 0) {
        VV_TRY(vv_tier_directory_check(db, out_err));
    }
    if (creates) {
        VV_TRY(vv_vfs_ensure_dir(db->env.vfs, db->path, VV_SITE_DIR_CREATE, out_err));
    }
    if (!db->is_memory) {
        VV_TRY(vv_ident_check_place(&db->env, db->path, creates, out_err));
        VV_TRY(open_lock(db, out_err));
    }
    VV_TRY(open_identify(db, &is_new, out_err));
    VV_TRY(vv_space_open(db, out_err));
    VV_TRY(open_make_directories(db, out_err));
    VV_TRY(open_clear_tmp(db, out_err));
    VV_TRY(open_manifest(db, out_err));
    VV_TRY(open_create_parts(db, out_err));
    VV_TRY(vv_db_adopt(db, vv_manifest_get_state(db->manifest), out_err));
    VV_TRY(vv_db_load(db, out_err));
    vv_catalogue_set_limits(db->catalogue, db->options.series_max, open_names_bytes(db));
    vv_space_look(db);
    if ((db->options.flags & VARVE_OPEN_NO_BACKGROUND) == 0) {
        VV_TRY(vv_background_start(db, out_err));
    }
    return VARVE_OK;
}

static varve_status open_readonly(varve_db *db, varve_error *out_err)
{
    bool is_new;
    if (db->is_memory) {
        return vv_fail(out_err, VARVE_E_INVALID, "a database in memory cannot be read-only");
    }
    VV_TRY(open_identify(db, &is_new, out_err));
    VV_TRY(vv_space_open(db, out_err));
    VV_TRY(open_create_parts(db, out_err));
    return vv_db_load(db, out_err);
}

/** Kernels as good as the processor has them, unless VARVE_ISA asks for less. All levels give the
 * same bytes, so a change under other databases of the process shows in speed only. */
static void open_choose_kernels(void)
{
    vv_isa isa = vv_cpu_isa();
    vv_codec_isa wanted = isa >= VV_ISA_AVX512 ? VV_CODEC_ISA_AVX512
                          : isa >= VV_ISA_AVX2 ? VV_CODEC_ISA_AVX2
                                               : VV_CODEC_ISA_SCALAR;
    VV_IGNORE(vv_codec_set_isa(wanted)); /* a lower one where the processor lacks a part */
}

varve_status vv_db_open(const char *path, const varve_options *options, varve_db **out_db,
                        varve_error *out_err)
{
    *out_db = NULL;
    varve_options filled;
    VV_TRY(open_fill_options(options, &filled, out_err));
    open_choose_kernels();
    varve_db *db = NULL;
    varve_status status = open_create_handle(path, &filled, &db, out_err);
    if (status == VARVE_OK && db != NULL) {
        status = db->is_readonly ? open_readonly(db, out_err) : open_writable(db, out_err);
        if (status == VARVE_OK) {
            db->series_at_open = vv_catalogue_series_count(db->catalogue);
        }
    }
    if (status != VARVE_OK) {
        if (db != NULL) {
            vv_background_stop(db);
            open_free_handle(db, /* is_child */ false);
        }
        return status;
    }
    *out_db = db;
    return VARVE_OK;
}

/* ---- closing ---- */

static varve_status open_check_users(varve_db *db, varve_error *out_err)
{
    vv_mutex_lock(&db->state_lock);
    uint64_t cursors = db->open_cursors;
    uint64_t batches = db->open_batches;
    vv_mutex_unlock(&db->state_lock);
    if (cursors > 0 || batches > 0) {
        return vv_fail(out_err, VARVE_E_BUSY, "close: %llu cursors and %llu batches are open",
                       (unsigned long long)cursors, (unsigned long long)batches);
    }
    return VARVE_OK;
}

/** Flush and seal. A log that failed cannot be sealed, and what it holds is recovered at the next
 * open. */
static varve_status open_finish_writing(varve_db *db, varve_error *out_err)
{
    varve_error reason;
    if (vv_wal_health(db->wal, &reason) == VARVE_HEALTH_WRITE_FAILED) {
        return vv_fail(out_err, VARVE_E_IO,
                       "close: writing failed earlier (%s); use varve_abandon and open again",
                       reason.message);
    }
    if (!db->is_log_sealed) { /* else only the edit behind the seal is missing */
        VV_TRY(vv_flush(db, NULL, out_err));
        uint64_t edit_seq = vv_manifest_get_state(db->manifest)->edit_seq;
        VV_TRY(vv_wal_seal(db->wal, edit_seq, out_err));
        db->is_log_sealed = true;
    }
    vv_manifest_edit edit = {.durable_lsn = vv_wal_durable_lsn(db->wal)};
    vv_mutex_lock(&db->manifest_lock);
    varve_status status = vv_manifest_append(db->manifest, &edit, out_err);
    vv_mutex_unlock(&db->manifest_lock);
    return status;
}

varve_status vv_db_close(varve_db *db, varve_error *out_err)
{
    if (db == NULL) {
        return VARVE_OK;
    }
    VV_TRY(vv_db_check(db, out_err));
    VV_TRY(open_check_users(db, out_err));
    if (!db->is_readonly) {
        vv_background_stop(db);
        varve_status status = db->is_memory ? VARVE_OK : open_finish_writing(db, out_err);
        if (status != VARVE_OK) {
            if ((db->options.flags & VARVE_OPEN_NO_BACKGROUND) == 0) {
                varve_error ignored;
                VV_IGNORE(vv_background_start(db, &ignored)); /* the handle works without, slower */
            }
            return status;
        }
    }
    open_free_handle(db, /* is_child */ false);
    return VARVE_OK;
}

/** Whether nobody held the lock when the process forked: its holder does not exist here. */
static bool open_is_free(vv_mutex *lock)
{
    bool is_free = vv_mutex_try_lock(lock);
    if (is_free) {
        vv_mutex_unlock(lock);
    }
    return is_free;
}

/** Whether the fork met no thread of the parent in the middle of a change. */
static bool open_is_quiet(varve_db *db)
{
    bool is_quiet = open_is_free(&db->rollup_lock) && open_is_free(&db->flush_lock) &&
                    open_is_free(&db->merge_lock) && open_is_free(&db->manifest_lock) &&
                    open_is_free(&db->space.lock) && open_is_free(&db->state_lock);
    for (size_t i = 0; i < VV_SHARD_COUNT && is_quiet; i++) {
        is_quiet = open_is_free(&db->shards[i].lock);
    }
    return is_quiet && vv_block_cache_is_quiet(db->cache) && vv_catalogue_is_quiet(db->catalogue) &&
           (db->wal == NULL || vv_wal_is_quiet(db->wal));
}

/** In a forked child there is one thread. The lock file is closed in any case: it would keep the
 *  database locked after the parent has gone. Structures that a thread of the parent was changing
 *  cannot be walked: then their memory stays, as that of cursors and batches always does. */
static void open_abandon_child(varve_db *db)
{
    if (open_is_quiet(db)) {
        vv_background_forget(db);
        open_free_handle(db, /* is_child */ true);
    } else if (db->lockfile != NULL) {
        vv_lockfile_abandon(db->lockfile);
    }
}

void vv_db_abandon(varve_db *db)
{
    if (db == NULL) {
        return;
    }
    if (vv_process_generation() == db->fork_generation) {
        vv_background_stop(db);
        open_free_handle(db, /* is_child */ false);
    } else {
        open_abandon_child(db);
    }
}
