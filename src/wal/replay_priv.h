/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WAL_REPLAY_PRIV_H
#define VV_WAL_REPLAY_PRIV_H

/*
 * What the files of replay share.
 *
 *   replay.c         the walk over records and groups, and what becomes of the end of the log
 *   replay_probe.c   what lies behind a bad place: evidence, intact groups, where to go on
 *   replay_keep.c    copies for people: torn ends, evidence, the report of a salvage
 */

#include "base/arena.h"
#include "base/vec.h"
#include "wal/frame.h"
#include "wal/replay.h"

enum {
    /* A group in memory. The writer closes groups at 4 MiB, or after one batch of at most
     * VV_WAL_BATCH_BYTES_MAX, to which the headers of its records add as much as a record may have.
     */
    VV_REPLAY_GROUP_BYTES_MAX =
        VV_WAL_BATCH_BYTES_MAX + VV_FRAME_PAYLOAD_BYTES_MAX + 8 * 1024 * 1024,
    VV_REPLAY_TORN_BYTES_MAX = 16 * 1024 * 1024, /* kept of a torn end */
    VV_REPLAY_LOST_SERIES_MAX = 64,              /* named in the report of one hole (arbitrary) */
    VV_REPLAY_RETRIES_MAX = 5,                   /* beside a live writer */
};

/* A record of the group in progress. */
typedef struct vv_replay_item {
    int64_t offset;
    uint64_t lsn;
    uint32_t payload_size;
    uint8_t type;
} vv_replay_item;

/* A part of the log that is lost; for the report. */
typedef struct vv_replay_hole {
    uint64_t file_seq;
    int64_t offset;
    int64_t bytes; /* to where reading went on in the same file; -1: to the end of the file */
    uint64_t first_lsn, last_lsn;
    char reason[160];
    uint32_t
        series[VV_REPLAY_LOST_SERIES_MAX]; /* of rows that were readable and belong to no group */
    uint32_t series_count;
    uint64_t rows;
    bool has_times;
    int64_t first_time, last_time;
} vv_replay_hole;

/* Where reading stands. */
typedef struct vv_replay_place {
    size_t file; /* index into files */
    int64_t offset;
} vv_replay_place;

/* What lies behind a bad place. */
typedef struct vv_replay_probe {
    bool is_zero;         /* the rest of the file at fault */
    bool has_record;      /* a valid header, there or in a later file */
    bool has_bad_file;    /* a later file whose header is damaged */
    uint64_t durable;     /* D: highest LSN that something there proves to be synced */
    uint64_t groups;      /* COMMIT records with a higher LSN */
    uint64_t next_lsn;    /* of the first whole record with a higher LSN; 0: none */
    vv_replay_place next; /* where that is */
    int64_t used_end;     /* behind the last byte of the file at fault that is not zero */
} vv_replay_probe;

/* What kind of SEAL was just read. */
typedef enum vv_replay_seal {
    VV_REPLAY_SEAL_NONE,
    VV_REPLAY_SEAL_ROTATED, /* the log goes on in the next file */
    VV_REPLAY_SEAL_CLEAN    /* of a clean close */
} vv_replay_seal;

typedef struct vv_replay_walk {
    const vv_env *env;
    const vv_replay_options *options;
    vv_replay_visitor visit;
    void *context;
    vv_replay_result *result;

    vv_vec files; /* uint64_t: numbers, ascending */
    vv_frame_reader reader;
    bool is_open;
    bool header_is_bad;   /* of the file that was just opened; aside says how */
    vv_frame_file header; /* of the open file */
    size_t file;          /* index of the open file */
    int64_t offset;       /* of the next record */
    uint32_t chain;
    bool has_chain;      /* false behind a hole */
    uint64_t expected;   /* LSN of the next record; 0: not known yet */
    bool is_at_end;      /* the log is over */
    vv_replay_seal seal; /* the record before */
    bool ended_clean;    /* the last record is the SEAL of a clean close */
    char aside[160];     /* damage found that is no bad record; "": none */

    vv_vec items; /* vv_replay_item: the group in progress */
    int64_t group_bytes_max;
    int64_t group_offset;
    uint32_t group_chain;

    bool is_after_hole;
    bool is_partial; /* behind a hole, before the first end of a group */
    bool has_evidence;
    char evidence[VV_PATH_BYTES_MAX]; /* quarantine/<time> */
    vv_vec holes;                     /* vv_replay_hole */
    bool hole_is_open;                /* the last one has no end yet */
    uint32_t retries;                 /* at one place, beside a live writer */
    size_t retry_file;
    int64_t retry_offset;
} vv_replay_walk;

/* replay.c */

/* Open file `index` and read its header; *out_is_bad: the header fails its checks (out_err says
 * how), the reader is open and has the salt as far as it can be read. */
VV_MUST_CHECK varve_status vv_replay_open_file(const vv_replay_walk *walk, size_t index,
                                               vv_frame_reader *reader, vv_frame_file *out_header,
                                               bool *out_is_bad, varve_error *out_err);

/* replay_probe.c */

/* Look at everything behind `place`; lsn is what was expected there. is_header: the header of the
 * file itself is bad. */
VV_MUST_CHECK varve_status vv_replay_look(const vv_replay_walk *walk, vv_replay_place place,
                                          uint64_t lsn, bool is_header, vv_replay_probe *out_probe,
                                          varve_error *out_err);
/* The last LSN known to be synced by a record that is valid by itself; 0 when it is another one. */
uint64_t vv_replay_durable_of(const vv_frame *frame, vv_bytes payload);

/* replay_keep.c */

/* Copy [offset, end) of a log file into quarantine; true when it is there. */
bool vv_replay_keep_torn(const vv_replay_walk *walk, uint64_t file_seq, int64_t offset,
                         int64_t end);
/* Link or copy every log file into quarantine/<time>/. */
VV_MUST_CHECK varve_status vv_replay_keep_evidence(vv_replay_walk *walk, varve_error *out_err);
VV_MUST_CHECK varve_status vv_replay_write_report(const vv_replay_walk *walk, varve_error *out_err);
/* Note what can be read of rows that belong to no group any more. */
void vv_replay_note_lost(vv_replay_walk *walk, vv_replay_hole *hole, vv_bytes rows);

#endif
