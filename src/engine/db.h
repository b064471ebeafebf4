/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_DB_H
#define VV_ENGINE_DB_H

/*
 * One open database: what the parts of the engine share. docs/internals/architecture.md tells how a
 * row travels through it.
 *
 *        catalogue (names)          wal (order, safety, visibility)
 *             |                       |
 *   write --> shards --> active head --freeze--> frozen heads --flush--> segments --merge--+
 *             |                                                             ^              |
 *   read  --> view = visible sequence, the heads, a version (segments       +--------------+
 *             and tombstones); each counted while it is looked at
 *
 * Invariants:
 *
 *   E1  A row is in the active head, a frozen head or segments of the current version; a version
 *       and the list of frozen heads change together, under `state_lock`, so that a view sees each
 *       row once.
 *
 *   E2  Heads and versions are counted; nothing that a view references changes, but for the active
 *       head, whose later rows the view leaves out by sequence.
 *
 *   E3  A tombstone hides the rows of its series and range with a smaller sequence, wherever they
 *       are.
 *
 *   E4  Freezing happens with every shard locked, at one sequence and LSN.
 */

#include <stdatomic.h>

#include "base/alloc.h"
#include "engine/health.h"
#include "engine/retention.h"
#include "engine/retry.h"
#include "engine/space.h"
#include "sys/env.h"
#include "sys/thread.h"
#include "varve.h"

struct vv_catalogue;
struct vv_wal;
struct vv_head;
struct vv_version;
struct vv_manifest;
struct vv_block_cache;
struct vv_codec_scratch;
struct vv_background;
struct vv_lockfile;
struct vv_rollup_set;
struct vv_tier;

/** Shards by series id: power of two, at least twice the threads of a small server. Each costs 120
 *  KiB of the codec's working memory; thread sanitizer follows at most 64 locks held at once. */
enum { VV_SHARD_COUNT = 32, VV_FROZEN_HEADS_MAX = 4 };

typedef struct vv_shard {
    vv_mutex lock;                    /* rank SHARD, order = index */
    struct vv_codec_scratch *scratch; /* guarded by lock: seals tails */
} vv_shard;

/** Figures of the engine, all relaxed atomics: read by varve_stats only. */
typedef struct vv_counters {
    atomic_uint_fast64_t rows_written, rows_late, rows_rejected, batches, deletes, points_written;
    atomic_uint_fast64_t rows_late_dropped, ring_pages, ring_rewrites;
    atomic_uint_fast64_t flushes, flush_rows, flush_bytes, flush_failures;
    atomic_uint_fast64_t merges, merge_rows, merge_bytes_read, merge_bytes_written, merge_failures;
    atomic_uint_fast64_t queries, rows_scanned, vectors_decoded, vectors_by_statistics;
    atomic_uint_fast64_t snapshots, scrub_bytes, scrub_damage;
    atomic_uint_fast64_t rollup_plans, rollup_partial_plans, rollup_points_read;
    atomic_uint_fast64_t rollup_runs, rollup_successes, rollup_errors, rollup_policy_runs;
    atomic_uint_fast64_t rollup_buckets, rollup_points, rollup_run_ns; /* of the last run */
    atomic_uint_fast64_t torn_tails, replayed_rows, precision_lost;
    atomic_uint_fast64_t writes_delayed, writes_relieved, writes_refused, delay_ns;
    atomic_uint_fast64_t series_logged, log_failures;
    atomic_uint_fast64_t freezes, flush_ns, flush_segments, flush_series, flush_vectors;
    atomic_uint_fast64_t flushes_forced, flushes_empty;
    atomic_uint_fast64_t merge_ns, merge_sources, merge_outputs, merge_rows_written;
    atomic_uint_fast64_t merge_vectors_read, merge_vectors_written, merges_idle;
    atomic_uint_fast64_t query_errors, query_ns, query_rows;
    atomic_uint_fast64_t replays, replay_ns, replay_records, replay_bytes, replay_holes;
    atomic_uint_fast64_t replay_series, replay_batches, replay_points;
    atomic_uint_fast64_t background_errors, maintenance_errors;
} vv_counters;

/** Add to a figure. */
static inline void vv_count(atomic_uint_fast64_t *figure, uint64_t more)
{
    atomic_fetch_add_explicit(figure, more, memory_order_relaxed);
}
/** How far deletes are known to rollups; all are row sequences. See U2 of engine/rollup.h. */
typedef struct vv_rollup_progress {
    uint64_t written; /* the last that a pass has written */
    uint64_t flushed; /* everything up to here is in files, since the open */
    uint64_t passed;  /* deletes up to here have been seen by a pass ... */
    uint64_t settled; /* ... that is in files itself */
} vv_rollup_progress;

/** Where a pass of the rollups yielded; generation 0: nowhere. */
typedef struct vv_rollup_place {
    uint64_t generation;
    uint32_t series;
} vv_rollup_place;

/** One pass of the rollups; it lives above the engine, which only knows when one is due. */
typedef varve_status (*vv_rollup_run)(varve_db *db, varve_task *task, bool is_background,
                                      varve_error *out_err);

/** A cursor or a batch, in the list of its database: varve_abandon frees what is left in it. */
typedef struct vv_db_user {
    struct vv_db_user *previous, *next; /* guarded by state_lock */
    void *handle;
    void (*free)(void *handle);
    bool is_internal; /* of background work, which ends before a close: not counted as open */
} vv_db_user;

struct varve_db {
    /* fixed after open */
    vv_alloc alloc;
    vv_env env;
    varve_options options; /* defaults filled in */
    bool is_memory, is_readonly;
    bool is_damaged;    /* read-only with ALLOW_DAMAGE: answers are of the intact part */
    bool is_snapshot;   /* read-only for ever (P11) */
    uint32_t precision; /* VARVE_PRECISION_... */
    uint8_t store_id[16];
    int64_t created_ns;
    uint64_t fork_generation; /* of the process that opened it: another answers E_FENCED */
    char *path;               /* NULL in memory; the directories below hang off it */
    size_t path_size;
    struct vv_catalogue *catalogue;
    struct vv_block_cache *cache;
    struct vv_wal *wal;               /* NULL: read-only */
    struct vv_manifest *manifest;     /* NULL: in memory without files, read-only */
    struct vv_lockfile *lockfile;     /* NULL: in memory, read-only */
    struct vv_tier *tier;             /* the warm one; NULL: none */
    vv_vfs *memory_vfs;               /* owned; in memory only */
    const vv_vfs *outer_vfs;          /* the caller's files: env.vfs, but for one in memory */
    struct vv_background *background; /* NULL: VARVE_OPEN_NO_BACKGROUND, read-only */
    vv_shard shards[VV_SHARD_COUNT];

    /* guarded by all shard locks for change, by any one of them for reading */
    struct vv_head *head;      /* the active generation; NULL: read-only before its first refresh */
    uint64_t deletes_sequence; /* of the last delete by selection since the open; 0: none */

    /* Rings (engine/ring.h). */
    atomic_uint ring_changing; /* the series that is being made a ring, reshaped or dropped; changed
                                  with its shard locked */
    atomic_uint_fast64_t ring_changes; /* how often the rings changed; with every shard locked */
    atomic_bool has_rings;             /* in the current version; changed before ring_changes */
    bool rings_recover;                /* an open is under way (R5); of the opening thread */
    vv_mutex ring_lock;                /* rank RING: for waiting only */
    vv_cond ring_changed;              /* ring_changing is 0 again */
    bool has_ring_cond;                /* fixed after open */
    uint64_t ring_edit_seq; /* read-only: edit of the manifest that the rings are as of; guarded by
                               flush_lock */

    vv_mutex rollup_lock; /* rank ROLLUPS: one pass, or change of the set, at a time */
    struct vv_rollup_set *rollups_cleaned; /* guarded by it: what others kept is deleted ... */
    uint64_t rollups_cleaned_changes;      /* ... as of so many policy_changes */
    vv_rollup_place rollup_resume;         /* guarded by it */
    _Atomic(vv_rollup_run) rollup_run;     /* NULL: not known yet */
    vv_mutex flush_lock;                   /* rank FLUSH: one flush at a time */
    vv_mutex merge_lock;                   /* rank MERGE: one merge at a time */
    vv_retry flush_retry, merge_retry;     /* each with the lock above */
    vv_space space;                        /* free space of the disk */
    bool is_log_sealed;     /* by a close that failed behind it; of the closing thread */
    vv_mutex manifest_lock; /* rank MANIFEST: appends to the manifest; whoever installs a version
                               holds it from reading the base on */
    uint64_t next_file_id;  /* guarded by manifest_lock: the next to give, see vv_publish_file_id */

    vv_mutex state_lock;           /* rank VERSION: the members below; memory work only */
    struct vv_version *version;    /* segments and tombstones, a reference */
    struct vv_rollup_set *rollups; /* a reference; NULL: there never was one */
    vv_rollup_progress rollup_progress;
    struct vv_head *frozen[VV_FROZEN_HEADS_MAX]; /* oldest first, references */
    size_t frozen_count;
    uint64_t flushed_sequence; /* up to which rows have left the heads since the open */
    vv_health health;
    struct vv_scrub_kept
        *scrubbed; /* of the last complete scrub, a reference; NULL: none is known */
    vv_db_user *cursors, *batches; /* open ones */
    uint64_t open_cursors, open_batches;
    uint64_t readonly_visible; /* read-only: last sequence replayed */

    atomic_uint_fast64_t policy_changes; /* counted under every shard lock */
    vv_retention_state retention;        /* see there for what guards it */

    vv_counters counters;
    uint64_t series_at_open; /* fixed after open: what was known by then */
};

/** First check of every call: a handle of another process is dead. E_FENCED. */
VV_MUST_CHECK varve_status vv_db_check(varve_db *db, varve_error *out_err);
/** After a failed sync of log or manifest no file is written any more. E_FENCED. */
VV_MUST_CHECK varve_status vv_db_check_writing(varve_db *db, varve_error *out_err);
/** Log an event of this database (level as VARVE_LOG_...). */
void vv_db_log(const varve_db *db, uint32_t level, const char *event, const char *format, ...)
    VV_PRINTF(4, 5);

/** A user enters the list of cursors or of batches, and leaves it. */
void vv_db_add_cursor(varve_db *db, vv_db_user *user);
void vv_db_remove_cursor(varve_db *db, vv_db_user *user);
void vv_db_add_batch(varve_db *db, vv_db_user *user);
void vv_db_remove_batch(varve_db *db, vv_db_user *user);

/** `<db>/<name>` into out_path. */
VV_MUST_CHECK varve_status vv_db_path(const varve_db *db, const char *name,
                                      char out_path[VV_PATH_BYTES_MAX], varve_error *out_err);

/** Lock every shard, in ascending order; a freeze point. */
void vv_db_lock_shards(varve_db *db);
void vv_db_unlock_shards(varve_db *db);
static inline vv_shard *vv_db_shard(varve_db *db, uint32_t series)
{
    return &db->shards[series & (VV_SHARD_COUNT - 1)];
}

/** Open, close: the life of a database (engine/open.c, engine/recover.c). */
VV_MUST_CHECK varve_status vv_db_open(const char *path, const varve_options *options,
                                      varve_db **out_db, varve_error *out_err);
VV_MUST_CHECK varve_status vv_db_refresh(varve_db *db, varve_error *out_err);
VV_MUST_CHECK varve_status vv_db_close(varve_db *db, varve_error *out_err);
void vv_db_abandon(varve_db *db);

#endif
