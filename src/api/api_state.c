/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Bodies of varve.h: tasks, verify, figures and health. The figures are one table: a row names a
 * figure, its kind, its help and where it comes from.
 */

#include <string.h>

#include "api/api_figures_priv.h"
#include "base/alloc.h"
#include "base/status.h"
#include "engine/db.h"
#include "engine/head.h"
#include "engine/retention.h"
#include "engine/ring.h"
#include "engine/rollup_set.h"
#include "engine/scrub_status.h"
#include "engine/task.h"
#include "engine/verify.h"
#include "engine/version.h"
#include "index/catalogue.h"
#include "model/time_range.h"
#include "segment/segment.h"
#include "wal/wal.h"

/* ---- tasks: not of one database, so their memory is the process's ---- */

varve_task *varve_task_create(void)
{
    varve_allocator source = vv_alloc_system();
    varve_task *task = source.allocate(source.context, sizeof *task);
    if (task != NULL) {
        atomic_init(&task->is_cancelled, false);
        atomic_init(&task->done, 0);
        atomic_init(&task->total, 0);
        task->check = NULL;
        task->context = NULL;
    }
    return task;
}

void varve_task_free(varve_task *task)
{
    varve_allocator source = vv_alloc_system();
    source.release(source.context, task, sizeof *task);
}

void varve_task_cancel(varve_task *task)
{
    atomic_store_explicit(&task->is_cancelled, true, memory_order_relaxed);
}

void varve_task_set_check(varve_task *task, varve_task_check check, void *context)
{
    task->check = check;
    task->context = context;
}

void varve_task_progress(const varve_task *task, uint64_t *out_done, uint64_t *out_total)
{
    *out_done = atomic_load_explicit(&task->done, memory_order_relaxed);
    *out_total = atomic_load_explicit(&task->total, memory_order_relaxed);
}

varve_status varve_verify(varve_db *db, varve_task *task, varve_verified *out_verified,
                          varve_error *out_err)
{
    VV_TRY(vv_db_check(db, out_err));
    if (out_verified == NULL || out_verified->struct_size < sizeof *out_verified) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_verify: call varve_verified_init first");
    }
    return vv_api_maintained(db, vv_verify(db, task, out_verified, out_err));
}

/* ---- figures ---- */

/** What is gathered once and then read by the rows of the table. */
typedef struct api_figures {
    const vv_counters *counters;
    vv_wal_stats wal;
    vv_block_cache_stats cache;
    uint64_t memory_bytes, memory_limit, wal_bytes, wal_durable_lsn;
    uint64_t series, series_created, fields, metrics, catalogue_bytes;
    uint64_t head_bytes, head_rows, frozen;
    uint64_t segments, warm, segment_bytes, segment_rows, tombstones, level_max;
    uint64_t levels[VV_VERSION_LEVELS];
    uint64_t open_cursors, health, visible, rings, rollups;
    varve_scrub_state scrubbed;
    const vv_retention_state *retention;
    varve_retention_times times;
    varve_retention_info kept; /* of the database */
    double seconds;            /* in a unit of its times */
    api_engine_figures engine;
} api_figures;

static double api_counter(const atomic_uint_fast64_t *counter)
{
    return (double)atomic_load_explicit(counter, memory_order_relaxed);
}

/** A time in seconds; 0: there is none. */
static double api_time(const api_figures *f, bool has, int64_t time)
{
    return has ? (double)time * f->seconds : 0.0;
}

/** Bytes written to log and segments for each byte of the log; without one, for each byte flushed.
 */
static double api_amplification(const api_figures *f)
{
    double flushed = api_counter(&f->counters->flush_bytes);
    double segments = flushed + api_counter(&f->counters->merge_bytes_written);
    double logged = (double)f->wal.bytes_written;
    if (logged > 0.0) {
        return (logged + segments) / logged;
    }
    return flushed > 0.0 ? segments / flushed : 1.0;
}

/** Syncs that took at most the bound of a bucket. */
static double api_syncs_within(const api_figures *f, size_t bucket)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= bucket; i++) {
        count += f->wal.sync_buckets[i];
    }
    return (double)count;
}

#define API_SYNC_BUCKET(X, bucket, le)                                     \
    X("varve_wal_fsync_duration_seconds_bucket{le=\"" le "\"}", HISTOGRAM, \
      api_syncs_within(f, (bucket)), "Time that syncs of the log took.")
#define API_LEVEL(X, level)                                                          \
    X("varve_level_segments{level=\"" #level "\"}", GAUGE, (double)f->levels[level], \
      "Segments of a level; the last has those above too.")

#define API_TIER(X, tier, count) \
    X("varve_tier_segments{tier=\"" tier "\"}", GAUGE, (double)(count), "Segments of a tier.")

/* Series of one figure: more of the table below. The bounds are those of VV_WAL_SYNC_BOUNDS_MAP. */
#define API_FIGURES_OF_SEVERAL(X)                                                      \
    API_TIER(X, "hot", f->segments - f->warm)                                          \
    API_TIER(X, "warm", f->warm)                                                       \
    API_LEVEL(X, 0)                                                                    \
    API_LEVEL(X, 1)                                                                    \
    API_LEVEL(X, 2)                                                                    \
    API_LEVEL(X, 3)                                                                    \
    API_LEVEL(X, 4)                                                                    \
    API_LEVEL(X, 5)                                                                    \
    API_LEVEL(X, 6)                                                                    \
    API_LEVEL(X, 7)                                                                    \
    API_SYNC_BUCKET(X, 0, "5e-05")                                                     \
    API_SYNC_BUCKET(X, 1, "0.0001")                                                    \
    API_SYNC_BUCKET(X, 2, "0.00025")                                                   \
    API_SYNC_BUCKET(X, 3, "0.0005")                                                    \
    API_SYNC_BUCKET(X, 4, "0.001")                                                     \
    API_SYNC_BUCKET(X, 5, "0.0025")                                                    \
    API_SYNC_BUCKET(X, 6, "0.01")                                                      \
    API_SYNC_BUCKET(X, 7, "0.05")                                                      \
    API_SYNC_BUCKET(X, 8, "0.25")                                                      \
    API_SYNC_BUCKET(X, 9, "+Inf")                                                      \
    X("varve_wal_fsync_duration_seconds_sum", HISTOGRAM, (double)f->wal.sync_ns / 1e9, \
      "Time that syncs of the log took.")                                              \
    X("varve_wal_fsync_duration_seconds_count", HISTOGRAM, api_syncs_within(f, 9),     \
      "Time that syncs of the log took.")

/* name, kind, value, help */
#define API_FIGURES(X)                                                                             \
    X("varve_rows_written_total", COUNTER, api_counter(&f->counters->rows_written),                \
      "Rows accepted since open.")                                                                 \
    X("varve_points_written_total", COUNTER, api_counter(&f->counters->points_written),            \
      "Field values accepted since open.")                                                         \
    X("varve_rows_late_total", COUNTER, api_counter(&f->counters->rows_late),                      \
      "Rows older than the newest of their series.")                                               \
    X("varve_ring_rows_dropped_total", COUNTER, api_counter(&f->counters->rows_late_dropped),      \
      "Rows that came after a newer one had their slot of a ring.")                                \
    X("varve_ring_pages_written_total", COUNTER, api_counter(&f->counters->ring_pages),            \
      "Pages of ring files written in place.")                                                     \
    X("varve_ring_rewrites_total", COUNTER, api_counter(&f->counters->ring_rewrites),              \
      "Ring files written anew after damage or an unclean stop.")                                  \
    X("varve_rings", GAUGE, (double)f->rings, "Series that are rings.")                            \
    X("varve_rows_rejected_total", COUNTER, api_counter(&f->counters->rows_rejected),              \
      "Rows left out of batches.")                                                                 \
    X("varve_batches_total", COUNTER, api_counter(&f->counters->batches), "Batches committed.")    \
    X("varve_deletes_total", COUNTER, api_counter(&f->counters->deletes), "Deletes committed.")    \
    X("varve_queries_total", COUNTER, api_counter(&f->counters->queries), "Cursors opened.")       \
    X("varve_query_rows_scanned_total", COUNTER, api_counter(&f->counters->rows_scanned),          \
      "Rows decoded for queries.")                                                                 \
    X("varve_query_vectors_decoded_total", COUNTER, api_counter(&f->counters->vectors_decoded),    \
      "Vectors decoded for queries.")                                                              \
    X("varve_query_vectors_by_statistics_total", COUNTER,                                          \
      api_counter(&f->counters->vectors_by_statistics), "Vectors answered from their statistics.") \
    X("varve_flushes_total", COUNTER, api_counter(&f->counters->flushes), "Flushes finished.")     \
    X("varve_flush_failures_total", COUNTER, api_counter(&f->counters->flush_failures),            \
      "Flushes that failed.")                                                                      \
    X("varve_flush_rows_total", COUNTER, api_counter(&f->counters->flush_rows),                    \
      "Rows written by flushes.")                                                                  \
    X("varve_flush_bytes_total", COUNTER, api_counter(&f->counters->flush_bytes),                  \
      "Bytes of segments written by flushes.")                                                     \
    X("varve_merges_total", COUNTER, api_counter(&f->counters->merges), "Merges finished.")        \
    X("varve_merge_failures_total", COUNTER, api_counter(&f->counters->merge_failures),            \
      "Merges that failed.")                                                                       \
    X("varve_merge_rows_total", COUNTER, api_counter(&f->counters->merge_rows),                    \
      "Rows read by merges.")                                                                      \
    X("varve_merge_read_bytes_total", COUNTER, api_counter(&f->counters->merge_bytes_read),        \
      "Bytes of segments read by merges.")                                                         \
    X("varve_merge_written_bytes_total", COUNTER, api_counter(&f->counters->merge_bytes_written),  \
      "Bytes of segments written by merges.")                                                      \
    X("varve_write_amplification", GAUGE, api_amplification(f),                                    \
      "Bytes written to log and segments for each byte of the log, since open.")                   \
    X("varve_retention_reference_timestamp_seconds", GAUGE, api_time(f, true, f->times.reference), \
      "Time that retention goes by.")                                                              \
    X("varve_retention_observed_timestamp_seconds", GAUGE,                                         \
      api_time(f, f->times.has_observed, f->times.observed),                                       \
      "Newest time written since open, skewed ones left out; 0: none.")                            \
    X("varve_retention_skew_window_seconds", GAUGE, api_time(f, true, f->times.skew_window),       \
      "Rows further ahead of the clock never move the reference.")                                 \
    X("varve_retention_skew_rows_total", COUNTER, (double)f->times.skew_rows,                      \
      "Rows further ahead of the clock than that.")                                                \
    X("varve_retention_skew_timestamp_seconds", GAUGE,                                             \
      api_time(f, f->times.has_skew, f->times.skew_newest), "Newest time of such a row; 0: none.") \
    X("varve_retention_cut_timestamp_seconds", GAUGE,                                              \
      api_time(f, f->kept.cut != INT64_MIN, f->kept.cut),                                          \
      "Rows before it are hidden where a metric has no retention of its own; 0: none.")            \
    X("varve_retention_recorded_cut_timestamp_seconds", GAUGE,                                     \
      api_time(f, f->kept.recorded_cut != INT64_MIN, f->kept.recorded_cut),                        \
      "Rows before it are removed for good; 0: none.")                                             \
    X("varve_retention_cuts_total", COUNTER, api_counter(&f->retention->cuts),                     \
      "Times that cuts were recorded.")                                                            \
    X("varve_retention_expired_segments_total", COUNTER,                                           \
      api_counter(&f->retention->expired_segments), "Segments dropped whole by retention.")        \
    X("varve_retention_expired_rows_total", COUNTER, api_counter(&f->retention->expired_rows),     \
      "Rows in them.")                                                                             \
    X("varve_tier_moves_total", COUNTER, api_counter(&f->retention->moves),                        \
      "Segments moved to the warm directory.")                                                     \
    X("varve_tier_move_errors_total", COUNTER, api_counter(&f->retention->move_errors),            \
      "Passes in which moving a segment failed.")                                                  \
    X("varve_retention_failures_total", COUNTER, api_counter(&f->retention->failures),             \
      "Passes of retention that failed.")                                                          \
    X("varve_snapshots_total", COUNTER, api_counter(&f->counters->snapshots), "Snapshots made.")   \
    X("varve_rollup_query_plans_total", COUNTER, api_counter(&f->counters->rollup_plans),          \
      "Queries that read what a rollup keeps.")                                                    \
    X("varve_rollup_partial_query_plans_total", COUNTER,                                           \
      api_counter(&f->counters->rollup_partial_plans),                                             \
      "Of them, those that read rows of the same series too.")                                     \
    X("varve_rollup_points_read_total", COUNTER, api_counter(&f->counters->rollup_points_read),    \
      "Partial aggregates that queries have read.")                                                \
    X("varve_rollup_worker_runs_total", COUNTER, api_counter(&f->counters->rollup_runs),           \
      "Passes over the rollups.")                                                                  \
    X("varve_rollup_worker_success_total", COUNTER, api_counter(&f->counters->rollup_successes),   \
      "Passes that succeeded.")                                                                    \
    X("varve_rollup_worker_errors_total", COUNTER, api_counter(&f->counters->rollup_errors),       \
      "Passes that failed.")                                                                       \
    X("varve_rollup_policy_runs_total", COUNTER, api_counter(&f->counters->rollup_policy_runs),    \
      "Rollups that passes have worked through.")                                                  \
    X("varve_rollup_buckets_materialized_total", COUNTER,                                          \
      api_counter(&f->counters->rollup_buckets), "Buckets that passes have written.")              \
    X("varve_rollup_points_materialized_total", COUNTER, api_counter(&f->counters->rollup_points), \
      "Partial aggregates that passes have written.")                                              \
    X("varve_rollup_last_run_seconds", GAUGE, api_counter(&f->counters->rollup_run_ns) / 1e9,      \
      "Time that the last pass took.")                                                             \
    X("varve_rollups", GAUGE, (double)f->rollups, "Rollups in force.")                             \
    X("varve_scrub_bytes_total", COUNTER, api_counter(&f->counters->scrub_bytes),                  \
      "Bytes of segments that scrubs have read.")                                                  \
    X("varve_scrub_damage_total", COUNTER, api_counter(&f->counters->scrub_damage),                \
      "Damaged places that scrubs have met.")                                                      \
    X("varve_scrub_completed_timestamp_seconds", GAUGE, (double)f->scrubbed.completed_ns / 1e9,    \
      "Unix time at which the last complete scrub ended; 0: none is known.")                       \
    X("varve_scrub_bad_places", GAUGE, (double)f->scrubbed.bad_places,                             \
      "Damaged places that it found, in files that are still in use.")                             \
    X("varve_wal_torn_tail_total", COUNTER, api_counter(&f->counters->torn_tails),                 \
      "Torn ends of the log that were cut at open.")                                               \
    X("varve_wal_replayed_rows_total", COUNTER, api_counter(&f->counters->replayed_rows),          \
      "Rows read back from the log at open.")                                                      \
    X("varve_wal_records_total", COUNTER, (double)f->wal.records, "Records put into the log.")     \
    X("varve_wal_groups_total", COUNTER, (double)f->wal.groups, "Groups written to the log.")      \
    X("varve_wal_syncs_total", COUNTER, (double)f->wal.syncs, "Syncs of the log.")                 \
    X("varve_wal_sync_seconds_total", COUNTER, (double)f->wal.sync_ns / 1e9,                       \
      "Time spent in syncs of the log.")                                                           \
    X("varve_wal_written_bytes_total", COUNTER, (double)f->wal.bytes_written,                      \
      "Bytes written to the log.")                                                                 \
    X("varve_wal_rotations_total", COUNTER, (double)f->wal.rotations, "Log files finished.")       \
    X("varve_wal_bytes", GAUGE, (double)f->wal_bytes, "Bytes of log files in use.")                \
    X("varve_wal_durable_lsn", GAUGE, (double)f->wal_durable_lsn,                                  \
      "Highest log sequence number on stable storage.")                                            \
    X("varve_visible_sequence", GAUGE, (double)f->visible, "Row sequence that readers see up to.") \
    X("varve_memory_bytes", GAUGE, (double)f->memory_bytes, "Memory counted.")                     \
    X("varve_memory_limit_bytes", GAUGE, (double)f->memory_limit, "Memory at which writers wait.") \
    X("varve_catalogue_bytes", GAUGE, (double)f->catalogue_bytes, "Memory of names and postings.") \
    X("varve_series", GAUGE, (double)f->series, "Series known.")                                   \
    X("varve_series_created_total", COUNTER, (double)f->series_created, "Series new since open.")  \
    X("varve_fields", GAUGE, (double)f->fields, "Field names known.")                              \
    X("varve_metrics", GAUGE, (double)f->metrics, "Metrics known.")                                \
    X("varve_head_bytes", GAUGE, (double)f->head_bytes, "Memory of unflushed rows.")               \
    X("varve_head_rows", GAUGE, (double)f->head_rows, "Rows not flushed yet.")                     \
    X("varve_heads_frozen", GAUGE, (double)f->frozen, "Heads waiting for their flush.")            \
    X("varve_segments", GAUGE, (double)f->segments, "Segments.")                                   \
    X("varve_segment_level_max", GAUGE, (double)f->level_max, "Highest level of a segment.")       \
    X("varve_segment_bytes", GAUGE, (double)f->segment_bytes, "Bytes of segments.")                \
    X("varve_segment_rows", GAUGE, (double)f->segment_rows, "Rows of segments.")                   \
    X("varve_tombstones", GAUGE, (double)f->tombstones, "Deletes not yet applied everywhere.")     \
    X("varve_cache_hits_total", COUNTER, (double)f->cache.hits, "Blocks found in the cache.")      \
    X("varve_cache_misses_total", COUNTER, (double)f->cache.misses, "Blocks read from files.")     \
    X("varve_cache_evictions_total", COUNTER, (double)f->cache.evictions, "Blocks let go.")        \
    X("varve_cache_bytes", GAUGE, (double)f->cache.bytes, "Memory of cached blocks.")              \
    X("varve_cursors_open", GAUGE, (double)f->open_cursors, "Cursors that are open.")              \
    X("varve_health", GAUGE, (double)f->health, "State of health: 0 is ok.")

static void api_gather_retention(varve_db *db, api_figures *f)
{
    f->retention = &db->retention;
    f->seconds = 1.0 / (double)vv_precision_per_second(db->precision);
    vv_retention_seen(db, &f->times);
    /* The database's own is always known. */
    VV_IGNORE(vv_retention_get(db, (varve_text){.data = "", .size = 0}, &f->kept, NULL));
}

static void api_gather(varve_db *db, api_figures *f)
{
    f->counters = &db->counters;
    vv_api_gather_engine(db, &f->engine);
    api_gather_retention(db, f);
    f->memory_bytes = vv_alloc_bytes(&db->alloc);
    f->memory_limit = db->options.memory_limit_bytes;
    if (db->wal != NULL) {
        vv_wal_get_stats(db->wal, &f->wal);
        f->wal_bytes = vv_wal_bytes(db->wal);
        f->wal_durable_lsn = vv_wal_durable_lsn(db->wal);
    }
    vv_block_cache_get_stats(db->cache, &f->cache);
    f->series = vv_catalogue_series_count(db->catalogue);
    f->series_created = f->series - db->series_at_open;
    f->fields = vv_catalogue_field_count(db->catalogue);
    f->metrics = vv_catalogue_metric_count(db->catalogue);
    f->catalogue_bytes = vv_catalogue_bytes(db->catalogue);
    f->health = varve_health(db, NULL);
    vv_scrub_status(db, &f->scrubbed, NULL, NULL);
    vv_mutex_lock(&db->shards[0].lock);
    vv_mutex_lock(&db->state_lock);
    f->visible = db->wal != NULL ? vv_wal_visible(db->wal) : db->readonly_visible;
    f->frozen = db->frozen_count;
    f->open_cursors = db->open_cursors;
    f->head_bytes = vv_head_bytes(db->head);
    f->head_rows = vv_head_rows(db->head);
    for (size_t i = 0; i < db->frozen_count; i++) {
        f->head_bytes += vv_head_bytes(db->frozen[i]);
        f->head_rows += vv_head_rows(db->frozen[i]);
    }
    f->rollups = db->rollups != NULL ? db->rollups->count : 0;
    const vv_version *version = db->version;
    f->tombstones = version->tombstone_count;
    f->rings = version->rings == NULL ? 0 : version->rings->count;
    vv_version_totals totals = vv_version_sum(version);
    f->segments = totals.segments;
    f->warm = totals.warm;
    f->segment_bytes = totals.bytes;
    f->segment_rows = totals.rows;
    f->level_max = totals.level_max;
    memcpy(f->levels, totals.levels, sizeof f->levels);
    vv_mutex_unlock(&db->state_lock);
    vv_mutex_unlock(&db->shards[0].lock);
}

varve_status varve_stats(varve_db *db, varve_stat *out_stats, size_t capacity, size_t *out_count,
                         varve_error *out_err)
{
    VV_TRY(vv_db_check(db, out_err));
    if (out_count == NULL || (out_stats == NULL && capacity > 0)) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_stats: a pointer is NULL");
    }
    api_figures figures = {0};
    const api_figures *f = &figures;
    api_gather(db, &figures);
    size_t count = 0;
#define API_FIGURE(figure_name, figure_kind, figure_value, figure_help)   \
    if (count < capacity) {                                               \
        out_stats[count] = (varve_stat){.name = (figure_name),            \
                                        .kind = VARVE_STAT_##figure_kind, \
                                        .value = (figure_value),          \
                                        .help = (figure_help)};           \
    }                                                                     \
    count++;
    API_FIGURES(API_FIGURE)
    API_FIGURES_OF_SEVERAL(API_FIGURE)
    API_FIGURES_OF_ENGINE(API_FIGURE)
#undef API_FIGURE
    *out_count = count;
    return VARVE_OK;
}

uint32_t varve_health(varve_db *db, varve_error *out_reason)
{
    if (vv_db_check(db, out_reason) != VARVE_OK) {
        return VARVE_HEALTH_WRITE_FAILED; /* a handle of another process */
    }
    return vv_health_get(db, out_reason);
}
