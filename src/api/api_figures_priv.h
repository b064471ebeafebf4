/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_API_API_FIGURES_PRIV_H
#define VV_API_API_FIGURES_PRIV_H

/*
 * Figures of the life of data: what writes waited for, log and replay, flushes and merges, memory
 * by what holds it, the disk, health. More rows of the table in api_state.c;
 * docs/reference/metrics.md says when each moves.
 */

#include "engine/db.h"
#include "wal/wal.h"

/** What is looked up once; the rest are counters. */
typedef struct api_engine_figures {
    const vv_counters *counters;
    const vv_space *space;
    vv_wal_stats wal;
    uint64_t has_log, log_left_bytes, log_bytes_max;
    uint64_t segment_memory_bytes, tombstone_bytes;
    uint64_t reserve_bytes; /* there now */
    uint64_t health, reasons;
} api_engine_figures;

void vv_api_gather_engine(varve_db *db, api_engine_figures *out_figures);
/** A counter of the engine. */
double vv_api_counter(const atomic_uint_fast64_t *counter);
/** The same of nanoseconds, in seconds. */
double vv_api_seconds(const atomic_uint_fast64_t *counter);

/** Count a call that was asked for by name and failed; returns the status. */
varve_status vv_api_maintained(varve_db *db, varve_status status);

/** Count a query or listing that failed before its first block; returns the status. */
varve_status vv_api_queried(varve_db *db, varve_status status);

/* Where a figure is one counter. */
#define API_COUNT(X, name, member, help) \
    X(name, COUNTER, vv_api_counter(&f->engine.counters->member), help)
#define API_SECONDS(X, name, member, help) \
    X(name, COUNTER, vv_api_seconds(&f->engine.counters->member), help)
#define API_GAUGE(X, name, member, help) X(name, GAUGE, (double)f->engine.member, help)
#define API_STATE(X, number, name)                                                               \
    X("varve_health_state{state=\"" name "\"}", GAUGE, f->engine.health == (number) ? 1.0 : 0.0, \
      "1 of the state that holds, else 0.")
#define API_REASON(X, id, name)                                    \
    X("varve_health_reason{reason=\"" name "\"}", GAUGE,           \
      (f->engine.reasons & 1u << VV_REASON_##id) != 0 ? 1.0 : 0.0, \
      "1 while it is a reason of degraded, whatever the state is.")

/* clang-format off */
#define API_FIGURES_OF_ENGINE(X)                                                                                    \
    API_COUNT(X, "varve_writes_delayed_total", writes_delayed, "Writes that waited for memory or log.")             \
    API_COUNT(X, "varve_writes_relieved_total", writes_relieved, "Writes that waited and then went on.")               \
    API_COUNT(X, "varve_writes_refused_total", writes_refused, "Writes that waited in vain and were refused as busy.")         \
    API_SECONDS(X, "varve_write_delay_seconds_total", delay_ns, "Time that writes waited for memory or log.")       \
    X("varve_writes_nospace_total", COUNTER, vv_api_counter(&f->engine.space->refusals),                            \
      "Writes that were refused because the disk is full.")                                                         \
    API_GAUGE(X, "varve_wal_enabled", has_log, "1 where there are log files.")                                      \
    API_GAUGE(X, "varve_wal_files", wal.files, "Log files, with one made ahead.")                                   \
    API_GAUGE(X, "varve_wal_file", wal.file_seq, "Number of the log file that is written.")                         \
    API_GAUGE(X, "varve_wal_last_lsn", wal.last_lsn, "Highest log sequence number given.")                          \
    API_GAUGE(X, "varve_wal_left_bytes", log_left_bytes, "Log behind the present file, which a flush lets go.")     \
    API_GAUGE(X, "varve_wal_limit_bytes", log_bytes_max, "Log behind the present file at which writes wait.")                        \
    API_COUNT(X, "varve_wal_series_total", series_logged, "Series put into the log by name.")                       \
    API_COUNT(X, "varve_wal_failures_total", log_failures, "Writes whose outcome is unknown: the log failed.")      \
    X("varve_wal_released_total", COUNTER, (double)f->engine.wal.released, "Log files removed after a flush.")      \
    X("varve_wal_release_failures_total", COUNTER, (double)f->engine.wal.release_failures,                          \
      "Log files that could not be removed.")                                                                       \
    API_COUNT(X, "varve_replay_runs_total", replays, "Times that a log was read: at open, and by refresh.")         \
    API_COUNT(X, "varve_replay_records_total", replay_records, "Records of names, rows, deletes and policies read back.")                                \
    API_COUNT(X, "varve_replay_bytes_total", replay_bytes, "Bytes of log read back.")                               \
    API_COUNT(X, "varve_replay_series_total", replay_series, "Series read back by name.")                           \
    API_COUNT(X, "varve_replay_batches_total", replay_batches, "Records of rows read back.")                        \
    API_COUNT(X, "varve_replay_points_total", replay_points, "Fields of rows read back.")                           \
    API_COUNT(X, "varve_replay_holes_total", replay_holes, "Holes in the log that salvage went over.")              \
    API_SECONDS(X, "varve_replay_seconds_total", replay_ns, "Time spent reading the log back.")                     \
    API_COUNT(X, "varve_freezes_total", freezes, "Heads closed for a flush.")                                       \
    API_COUNT(X, "varve_flushes_forced_total", flushes_forced, "Flushes that a waiting write did itself.")          \
    API_COUNT(X, "varve_flushes_empty_total", flushes_empty, "Flushes that left no row to store.")                  \
    API_COUNT(X, "varve_flush_segments_total", flush_segments, "Segments written by flushes.")                      \
    API_COUNT(X, "varve_flush_series_total", flush_series, "Series in segments written by flushes.")                                       \
    API_COUNT(X, "varve_flush_vectors_total", flush_vectors, "Vectors in segments written by flushes.")                                    \
    API_SECONDS(X, "varve_flush_seconds_total", flush_ns, "Time of flushes that finished.")                         \
    API_COUNT(X, "varve_merges_idle_total", merges_idle, "Merges asked for when there was nothing to merge.")       \
    API_COUNT(X, "varve_merge_source_segments_total", merge_sources, "Segments read by merges.")                    \
    API_COUNT(X, "varve_merge_output_segments_total", merge_outputs, "Segments written by merges.")                 \
    API_COUNT(X, "varve_merge_source_vectors_total", merge_vectors_read, "Vectors in what merges read.")            \
    API_COUNT(X, "varve_merge_output_vectors_total", merge_vectors_written, "Vectors in what merges wrote.")        \
    API_COUNT(X, "varve_merge_output_rows_total", merge_rows_written, "Rows in what merges wrote.")                 \
    API_SECONDS(X, "varve_merge_seconds_total", merge_ns, "Time of merges that finished.")                          \
    API_COUNT(X, "varve_query_errors_total", query_errors, "Queries and listings that ended with an error.")                     \
    API_COUNT(X, "varve_query_rows_returned_total", query_rows, "Rows that cursors gave.")                          \
    API_SECONDS(X, "varve_query_seconds_total", query_ns, "Time spent in cursors.")                                 \
    API_GAUGE(X, "varve_segment_memory_bytes", segment_memory_bytes, "Memory of names and index of open segments.") \
    API_GAUGE(X, "varve_tombstone_bytes", tombstone_bytes, "Memory of deletes not yet applied everywhere.")         \
    X("varve_disk_free_bytes", GAUGE, (double)atomic_load(&f->engine.space->free_bytes),                            \
      "Free on the disk, when it was looked at last; 0 where it is not looked at.")                                 \
    X("varve_disk_min_free_bytes", GAUGE, (double)f->engine.space->min_free_bytes,                                  \
      "Less free than that: rows are refused.")                                                                     \
    API_GAUGE(X, "varve_reserve_bytes", reserve_bytes, "Size of the ballast, while it is there.")                   \
    X("varve_reserve_releases_total", COUNTER, vv_api_counter(&f->engine.space->releases),                          \
      "Times that a full disk took the ballast.")                                                                   \
    X("varve_nospace_total", COUNTER, vv_api_counter(&f->engine.space->low_total),                                  \
      "Times that too little was free on the disk.")                                                                \
    API_COUNT(X, "varve_background_errors_total", background_errors, "Flushes and merges of the background that failed.") \
    API_COUNT(X, "varve_maintenance_errors_total", maintenance_errors,                                              \
      "Calls of flush, compact, snapshot, verify and scrub that failed.")                                           \
    API_STATE(X, VARVE_HEALTH_OK, "ok")                                                                             \
    API_STATE(X, VARVE_HEALTH_DEGRADED, "degraded")                                                                 \
    API_STATE(X, VARVE_HEALTH_NOSPACE, "nospace")                                                                   \
    API_STATE(X, VARVE_HEALTH_WRITE_FAILED, "write_failed")                                                         \
    API_STATE(X, VARVE_HEALTH_CORRUPT, "corrupt")                                                                   \
    API_REASON(X, LOG_HOLES, "log_holes")                                                                           \
    API_REASON(X, DAMAGE, "damage")                                                                                 \
    API_REASON(X, FLUSH, "flush")                                                                                   \
    API_REASON(X, MERGE, "merge")
/* clang-format on */

#endif
