/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WAL_REPLAY_H
#define VV_WAL_REPLAY_H

/*
 * Reading the log back. Calls the visitor for every record of every complete group, in LSN order,
 * and decides where the log ends: clean end, torn end or damage (docs/formats/log.md). Memory is
 * bounded by the largest group; the log is read once.
 */

#include "sys/env.h"
#include "wal/wal.h"

typedef struct vv_replay_record {
    vv_wal_type type;
    uint64_t lsn;
    uint64_t first_sequence; /* ROWS, TOMBSTONE */
    vv_bytes payload;        /* without the sequence; until the visitor returns */
    bool is_after_hole;      /* salvage: an earlier part of the log is lost */
} vv_replay_record;

typedef varve_status (*vv_replay_visitor)(void *context, const vv_replay_record *record,
                                          varve_error *out_err);

typedef enum vv_replay_mode {
    VV_REPLAY_STRICT,  /* damage: E_CORRUPT with file, offset, LSN range, intact groups after it */
    VV_REPLAY_SALVAGE, /* apply all intact groups before and after damage; report holes */
    VV_REPLAY_FOLLOW,  /* beside a live writer: up to the last complete group; E_NOT_FOUND when the
                          log has moved on: reload the manifest and try again */
    VV_REPLAY_INTACT   /* read-only with allow_damage: the part before the damage, flagged */
} vv_replay_mode;

typedef struct vv_replay_options {
    const char *directory;
    uint8_t store_id[16];
    vv_replay_mode mode;
    uint64_t log_start;      /* files below are not read */
    uint64_t flush_lsn;      /* records at or below are skipped but for SERIES; still checked */
    uint64_t durable_lsn;    /* of the manifest */
    uint64_t edit_seq;       /* of the manifest: a SEAL that names a later one is damage */
    const char *quarantine;  /* torn bytes are copied here (16 MiB at most), and evidence of damage;
                                NULL: not. FOLLOW and INTACT write nothing */
    int64_t group_bytes_max; /* a larger group is damage; 0: what vv_wal_append makes at most */
} vv_replay_options;

typedef enum vv_replay_end { VV_END_CLEAN, VV_END_TORN, VV_END_DAMAGED } vv_replay_end;

typedef struct vv_replay_result {
    vv_replay_end end;
    bool is_sealed_clean;   /* the last record is a SEAL of a clean close */
    uint64_t last_lsn;      /* of the last complete group, flush_lsn at least */
    uint64_t last_sequence; /* highest found in complete groups */
    uint64_t last_file_seq; /* highest file number seen, valid or not */
    uint64_t groups, records, bytes, torn_bytes;
    uint64_t holes;                         /* salvage */
    uint64_t lost_first_lsn, lost_last_lsn; /* over all holes; next LSNs are to be above */
    varve_error damage;                     /* DAMAGED: what was found first, as STRICT says it */
    bool is_torn_kept;                      /* the torn bytes are in quarantine */
} vv_replay_result;

VV_MUST_CHECK VV_UNTRUSTED varve_status vv_replay(const vv_env *env,
                                                  const vv_replay_options *options,
                                                  vv_replay_visitor visit, void *context,
                                                  vv_replay_result *out_result,
                                                  varve_error *out_err);

#endif
