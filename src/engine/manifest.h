/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_MANIFEST_H
#define VV_ENGINE_MANIFEST_H

/*
 * The manifest: which files are the database. A log of edits that starts with a snapshot; the
 * folded state is kept in memory. Format: docs/formats/manifest.md.
 *
 *   M1  One edit is one atomic change; its number is one above the edit before.
 *   M2  An edit is durable before vv_manifest_append returns and before the state shows it.
 *   M3  The first append after an open writes a new file: what an earlier process left in the page
 *       cache is stored again before anything is built on it.
 *   M4  flush_lsn, durable_lsn, log_start, next_file_id and next_sequence never fall.
 *   M5  After a failed write or sync every later append is refused (E_FENCED).
 *
 * One thread at a time (the engine's lock MANIFEST).
 */

#include "base/arena.h"
#include "base/vec.h"
#include "model/retention_entry.h"
#include "sys/env.h"
#include "varve.h"

/** A segment file; the members of vv_segment_info. */
typedef struct vv_manifest_segment {
    uint64_t id;
    uint32_t level;
    uint32_t flags;
    uint32_t tier; /* VV_TIER_... of engine/tier.h */
    uint32_t reserved;
    uint64_t bytes, rows, series, vectors;
    int64_t first_time, last_time;
    uint64_t first_sequence, last_sequence;
    uint64_t digest[2];
} vv_manifest_segment;

/** A tombstone file and the row sequence below which it hides. */
typedef struct vv_manifest_tombstone {
    uint64_t id;
    uint64_t sequence;
} vv_manifest_tombstone;

/** How one metric is kept: VARVE_DUPLICATES_..., VARVE_ROW_IDS_...; both STORED: no policy. */
typedef struct vv_manifest_policy {
    varve_text metric;
    uint32_t duplicates;
    uint32_t row_ids;
} vv_manifest_policy;

/** How the database was created: VARVE_PRECISION_..., VARVE_DUPLICATES_..., VARVE_ROW_IDS_.... */
typedef struct vv_manifest_database {
    uint32_t precision;
    uint32_t duplicates;
    uint32_t row_ids;
} vv_manifest_database;

/** Flags of the state that outlive an open. */
enum {
    VV_MANIFEST_LOG_HOLES = 1 /* salvage left holes that nobody has acknowledged */
};

typedef struct vv_manifest_state {
    uint64_t edit_seq; /* of the last edit */
    uint64_t flush_lsn, durable_lsn, log_start;
    uint64_t next_file_id;  /* of segments, tombstone files and ring files */
    uint64_t next_sequence; /* row sequences below were given */
    uint32_t flags;         /* VV_MANIFEST_... */
    vv_manifest_database database;
    vv_vec segments;    /* vv_manifest_segment, ascending by id */
    vv_vec tombstones;  /* vv_manifest_tombstone, ascending by id */
    vv_vec policies;    /* vv_manifest_policy, ascending by metric */
    vv_vec retention;   /* vv_retention_entry, ascending by metric: the database first */
    vv_bytes rollups;   /* as of engine/rollup_set.h; empty: none were ever set */
    vv_bytes scrubbed;  /* as of engine/scrub_record.h; empty: never */
    bool has_reference; /* a snapshot: reference time of its moment */
    int64_t reference;
    vv_vec rings;                         /* uint64_t, ids of ring files, ascending */
    varve_text warm_path, next_warm_path; /* of the warm tier; what a reserved edit makes it */
    vv_arena texts; /* names of policies, retention, the warm tier; rollups, the scrub */
} vv_manifest_state;

/** Changes; zeroed members change nothing. */
typedef struct vv_manifest_edit {
    const vv_manifest_segment *add;
    size_t add_count;
    const uint64_t *drop; /* ids; also of segments that the same edit does not add */
    size_t drop_count;
    const vv_manifest_tombstone *add_tombstones;
    size_t add_tombstone_count;
    const uint64_t *drop_tombstones;
    size_t drop_tombstone_count;
    const vv_manifest_policy *policies; /* set, or removed when both are STORED */
    size_t policy_count;
    const vv_retention_entry *retention; /* set; a recorded cut never falls */
    size_t retention_count;
    bool has_reference;
    int64_t reference;
    const uint64_t *add_rings; /* ids of ring files */
    size_t add_ring_count;
    const uint64_t *drop_rings;
    size_t drop_ring_count;
    varve_text warm_path; /* empty: as before */
    vv_bytes rollups;     /* the whole set; empty: unchanged */
    vv_bytes scrubbed;    /* the whole record; empty: unchanged */
    const vv_manifest_database *database;
    uint64_t flush_lsn, durable_lsn, log_start, next_file_id, next_sequence;
    uint32_t set_flags, clear_flags;
} vv_manifest_edit;

void vv_manifest_state_init(vv_manifest_state *state, vv_alloc *alloc);
void vv_manifest_state_deinit(vv_manifest_state *state);
/** The retention of a scope (metric empty: the database), NULL when it has none. */
const vv_retention_entry *vv_manifest_find_retention(const vv_manifest_state *state,
                                                     varve_text metric);
/** The segment of an id, NULL when there is none. */
const vv_manifest_segment *vv_manifest_find_segment(const vv_manifest_state *state, uint64_t id);

typedef struct vv_manifest_options {
    const char *directory;     /* <dir>/manifest */
    const char *tmp_directory; /* <dir>/tmp */
    uint8_t store_id[16];
    uint64_t rotate_bytes; /* 0: 4 MiB */
    uint64_t rotate_edits; /* 0: 2000 */
    bool is_follower;      /* a writer may be at work: read what fails again, never write */
} vv_manifest_options;

/** What loading found. */
typedef struct vv_manifest_found {
    uint64_t file_seq;   /* of the file that was read */
    uint64_t last_file;  /* highest file number seen */
    uint64_t torn_bytes; /* cut at the end: an edit that was never durable */
    bool is_fallback;    /* the newest file could not be read, the one before was */
} vv_manifest_found;

/**
 * Read the newest manifest into an initialised, empty state. Writes nothing.
 * E_NOT_FOUND (no manifest), E_CORRUPT, E_UNSUPPORTED, E_IO, E_NOMEM. *out_found may be NULL.
 */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_manifest_load(const vv_env *env,
                                                         const vv_manifest_options *options,
                                                         vv_manifest_state *state,
                                                         vv_manifest_found *out_found,
                                                         varve_error *out_err);

typedef struct vv_manifest vv_manifest;

/** A new database: the first file, holding `first` applied to nothing. Durable on return. */
VV_MUST_CHECK varve_status vv_manifest_create(const vv_env *env, const vv_manifest_options *options,
                                              const vv_manifest_edit *first,
                                              vv_manifest **out_manifest, varve_error *out_err);
/** Load and keep; nothing is written until the first append or rotate. */
VV_MUST_CHECK varve_status vv_manifest_open(const vv_env *env, const vv_manifest_options *options,
                                            vv_manifest **out_manifest,
                                            vv_manifest_found *out_found, varve_error *out_err);
/** The folded state; valid until close, changed by append. */
const vv_manifest_state *vv_manifest_get_state(const vv_manifest *manifest);
/**
 * Make one edit durable and fold it. E_INVALID (contradicts the state: no effect), E_NOMEM (no
 * effect), E_NOSPACE (no effect, when a new file could not be begun), E_IO (then M5), E_FENCED.
 */
VV_MUST_CHECK varve_status vv_manifest_append(vv_manifest *manifest, const vv_manifest_edit *edit,
                                              varve_error *out_err);
/** Whether a write or sync failed (M5): the edit of that moment may be durable or not. */
bool vv_manifest_has_failed(const vv_manifest *manifest);
/** Begin a new file with a snapshot of the state; the one before is kept until the next time. */
VV_MUST_CHECK varve_status vv_manifest_rotate(vv_manifest *manifest, varve_error *out_err);
/** Free memory and descriptors; writes nothing. NULL is allowed. */
void vv_manifest_close(vv_manifest *manifest);

#endif
