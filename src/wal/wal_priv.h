/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WAL_WAL_PRIV_H
#define VV_WAL_WAL_PRIV_H

/*
 * What the files of the log writer share.
 *
 *   wal.c           open, reserve, append, applied: the order of writes
 *   wal_group.c     groups: leader and followers, writing, syncing, what becomes visible
 *   wal_file.c      files: making the next one, growing it, releasing old ones
 *   wal_service.c   what is due without anybody waiting; the background thread
 *
 * Bytes flow through two buffers. Appends copy finished records, but for chain and header_crc, into
 * the one that is filling; the leader swaps the two under the lock and completes and writes the
 * other without it. A cut ends each unit of a buffer: a group (its last record is COMMIT), a MARK
 * or a SEAL.
 *
 *     filling   | rec rec rec COMMIT | rec rec COMMIT | SEAL | MARK | rec rec ...   open group
 *                                   ^cut             ^cut   ^cut   ^cut
 *
 * Positions in files are decided at append, when LSNs are given; the leader only follows. A batch
 * that does not fit the rest of its file is preceded by the SEAL of that file and the MARK of the
 * next, which exists because the batch has reserved it (G6):
 *
 *     occupied + reserved + SEAL <= size of the append file, or
 *     header + MARK + reserved + SEAL <= size of the next file
 *
 * Every cost that is reserved includes the batch's own COMMIT, and the SEAL and MARK that it may
 * cause, so both claims survive each append.
 */

#include <stdatomic.h>

#include "base/buf.h"
#include "base/vec.h"
#include "sys/thread.h"
#include "wal/frame.h"
#include "wal/wal.h"

enum {
    VV_WAL_COMMIT_BYTES = 40, /* payloads */
    VV_WAL_MARK_BYTES = 16,
    VV_WAL_SEAL_BYTES = 25,
    VV_WAL_COMMIT_RECORD = 72, /* in the file */
    VV_WAL_MARK_RECORD = 48,
    VV_WAL_SEAL_RECORD = 64,
    VV_WAL_SEQUENCE_BYTES = 8, /* behind the payload of ROWS and TOMBSTONE */
    /* What a record costs beyond its payload: header, sequence, padding. */
    VV_WAL_RECORD_OVERHEAD = VV_FRAME_HEADER_BYTES + VV_WAL_SEQUENCE_BYTES + 7,
    VV_WAL_BATCH_OVERHEAD = VV_WAL_COMMIT_RECORD + VV_WAL_MARK_RECORD + VV_WAL_SEAL_RECORD,

    VV_WAL_GROUP_BYTES_MAX = 4 * 1024 * 1024, /* caps of a group: how long its first one waits */
    VV_WAL_GROUP_BATCHES_MAX = 4096,
    VV_WAL_BUFFERED_BYTES_MAX = 256 * 1024, /* BUFFERED is written from here on */
    VV_WAL_BUFFER_BYTES_START = 256 * 1024, /* arbitrary */
    /* Above this writers wait for the leader (arbitrary: four full groups). */
    VV_WAL_BUFFER_BYTES_MAX = 4 * VV_WAL_GROUP_BYTES_MAX,
    VV_WAL_NAME_BYTES = 32, /* "<20 digits>.vwl.part" and its NUL */
};

/* Times of the service. */
#define VV_WAL_MARK_IDLE_NS       (200 * VV_NS_PER_MS)
#define VV_WAL_BUFFERED_AGE_NS    (100 * VV_NS_PER_MS)
#define VV_WAL_UNWAITED_AGE_NS    (5 * VV_NS_PER_MS) /* arbitrary: well above one sync of a disk */
#define VV_WAL_SPACE_RETRY_NS     (1000 * VV_NS_PER_MS)
#define VV_WAL_SPACE_INLINE_NS    (100 * VV_NS_PER_MS) /* a writer asks again after this long */
#define VV_WAL_ZERO_FILL_NS_MAX   (2 * VV_NS_PER_S)
#define VV_WAL_GATHER_NS          (400 * VV_NS_PER_US)
#define VV_WAL_GATHER_QUIET_NS    (15 * VV_NS_PER_US)
#define VV_WAL_GROUP_DELAY_US_MAX 10000u

typedef enum vv_wal_cut_kind {
    VV_WAL_CUT_GROUP,
    VV_WAL_CUT_MARK,
    VV_WAL_CUT_SEAL, /* the next byte belongs to the next file */
} vv_wal_cut_kind;

typedef struct vv_wal_cut {
    vv_wal_cut_kind kind;
    bool needs_sync;      /* a batch of the group waits for it */
    bool has_interval;    /* a batch of the group is to be synced in time */
    size_t end;           /* in the buffer */
    uint64_t last_ticket; /* everything up to it is in the buffer before end */
    uint64_t last_lsn;
} vv_wal_cut;

typedef struct vv_wal_buffer {
    vv_buf bytes;
    vv_vec cuts; /* vv_wal_cut */
} vv_wal_buffer;

/* A batch that is not visible yet. */
typedef struct vv_wal_batch {
    uint64_t last_lsn;
    uint64_t last_sequence;
    uint32_t sync; /* VARVE_SYNC_... */
    bool is_applied;
} vv_wal_batch;

typedef struct vv_wal_file {
    uint64_t seq;
    vv_file *file; /* owned; NULL once sealed */
    uint64_t salt;
    int64_t size;         /* bytes it may hold */
    int64_t used;         /* where the appends left it; the append file: see append_offset */
    uint64_t last_lsn;    /* of its SEAL; 0 while appends go there or have not come yet */
    bool is_preallocated; /* syncs need not store metadata */
    bool is_sealed;       /* written and synced to its end */
} vv_wal_file;

/* Where the leader writes. Touched by the leader only. */
typedef struct vv_wal_target {
    vv_file *file; /* borrowed from files */
    uint64_t seq;
    uint64_t salt;
    int64_t offset;
    uint32_t chain;
    bool is_preallocated;
} vv_wal_target;

struct vv_wal {
    /* fixed after open */
    vv_env env;
    vv_wal_options options; /* directory and tmp_directory are owned copies */
    bool has_files;
    uint32_t generation; /* of the process that opened it */

    vv_mutex lock;
    vv_cond progress;    /* something was written, became visible, failed, or gave room */
    vv_event cohorts[2]; /* who waits for a ticket, see wal_group.c; advanced under lock */
    vv_cond wakeup;      /* of the background thread */
    vv_thread thread;

    /* guarded by lock: the order */
    uint64_t next_lsn;
    uint64_t next_sequence;
    uint64_t last_ticket;
    uint64_t last_unbuffered; /* last ticket that waits for a write */
    vv_wal_batch *ring;       /* tickets first_pending .. last_ticket, at ticket % ring_capacity */
    size_t ring_capacity;     /* a power of two */
    uint64_t first_pending;

    /* guarded by lock: room */
    size_t reserved_bytes;
    size_t reserved_batches;
    uint32_t room_waiters; /* threads that wait for room */
    vv_wal_buffer buffers[2];
    vv_wal_buffer *filling;
    vv_wal_buffer *spare; /* while is_leading: read by the leader */
    bool has_group;       /* filling ends with a group that has no COMMIT yet */
    bool group_needs_sync;
    bool group_has_interval;
    bool group_is_urgent; /* a batch of it asked for ALWAYS: no group delay */
    size_t group_begin;   /* in the buffer */
    uint32_t group_records;
    uint32_t group_batches;
    uint32_t last_batches; /* written by the last leader, and come meanwhile */
    uint64_t group_first_lsn;
    int64_t pending_since_ns; /* when the first batch came into the empty filling buffer */

    /* guarded by lock: files */
    vv_vec files; /* vv_wal_file, ascending; the last may be made ahead of need */
    uint64_t append_seq;
    int64_t append_offset; /* where the next record will lie */
    int64_t append_size;   /* of the append file */
    uint64_t next_file_seq;
    bool is_preparing;      /* a thread makes or grows the next file */
    bool is_short;          /* the last attempt failed in a way that may pass */
    atomic_bool is_nospace; /* and it was for want of space; changed with the lock held */
    int64_t space_tried_ns;
    varve_error space_error;

    /* guarded by lock: leading */
    bool is_leading;
    uint32_t cohort;        /* number of the last one that was led */
    uint64_t cohort_ticket; /* its last */
    uint64_t written_lsn;
    uint64_t unmarked_lsn;     /* durable LSN that no MARK is wanted for */
    int64_t unsynced_since_ns; /* a written batch waits for its interval; 0: none */
    int64_t last_sync_ns;
    bool is_failed;
    varve_error failure;
    uint64_t failed_ticket; /* later ones were never in the log */
    bool is_sealed;
    bool is_stopping;
    bool was_active;        /* appends since the thread looked last */
    int64_t service_due_ns; /* when the thread looks next; INT64_MAX: when told */

    vv_wal_target target; /* of the leader */

    /* atomic */
    _Atomic uint64_t visible_sequence; /* stored with release, pairs with the acquire of readers */
    /* All tickets up to it; changed under lock. What is stored to visible_ticket comes last: who
     * finds his ticket there finds in the others how safe it is. */
    _Atomic uint64_t written_ticket, durable_ticket, visible_ticket;
    _Atomic uint64_t durable_lsn;
    _Atomic uint64_t first_file_seq;
    _Atomic uint64_t file_bytes; /* sum of used, append file included */
    _Atomic uint64_t left_bytes; /* the same without the append file: what a flush lets go */
    _Atomic uint64_t edit_seq;
    _Atomic uint32_t arrivals; /* batches ever appended, modulo 2^32; changed under lock */
    _Atomic uint64_t stat_records, stat_groups, stat_syncs, stat_bytes, stat_rotations,
        stat_sync_ns, stat_sync_buckets[VV_WAL_SYNC_BUCKETS], stat_released, stat_release_failures;
};

/* wal.c */

/* Close the open group with its COMMIT, so that its cut exists. */
void vv_wal_close_group_locked(vv_wal *wal);
/* A MARK at the end of filling; prev_last 0 unless it begins a file. Room is known to be there. */
void vv_wal_put_mark_locked(vv_wal *wal, uint64_t prev_last);
void vv_wal_put_seal_locked(vv_wal *wal, bool is_clean);
/* Whether filling holds anything. */
static inline bool vv_wal_has_pending(const vv_wal *wal)
{
    return wal->filling->bytes.size > 0;
}
/* Now, by the clock of the environment. */
static inline int64_t vv_wal_now(const vv_wal *wal)
{
    return vv_env_mono_ns(&wal->env);
}

/* wal_group.c */

/* Write what is pending, and sync it if somebody waits for that or must_sync. Not while another
 * leads. Drops the lock meanwhile. */
void vv_wal_lead_locked(vv_wal *wal, bool must_sync);
/* Let visible pass what may be passed. */
void vv_wal_advance_locked(vv_wal *wal);
/* Wake everybody who waits for anything. */
void vv_wal_wake_all_locked(vv_wal *wal);
/* Enter WRITE_FAILED (G4). */
void vv_wal_fail_locked(vv_wal *wal, const varve_error *reason);
/* The answer for those who come after a failure or the seal. */
varve_status vv_wal_refuse_locked(const vv_wal *wal, varve_error *out_err);

/* wal_file.c */

/* Make a file: tmp, allocate, header, sync, rename, sync of the directory. *out_is_fatal: a failure
 * after which nothing is to be trusted. Without the lock. */
VV_MUST_CHECK varve_status vv_wal_file_create(vv_wal *wal, uint64_t seq, uint64_t first_lsn,
                                              uint64_t prev_last, int64_t size,
                                              vv_wal_file *out_file, bool *out_is_fatal,
                                              varve_error *out_err);
/* See that a next file exists that holds `size` bytes; drops the lock. Nobody is preparing. */
VV_MUST_CHECK varve_status vv_wal_prepare_locked(vv_wal *wal, int64_t size, varve_error *out_err);
/* The file made ahead of need, NULL when there is none. */
vv_wal_file *vv_wal_next_file_locked(const vv_wal *wal);
vv_wal_file *vv_wal_find_file_locked(const vv_wal *wal, uint64_t seq);
/* Path of a file in the log's directory. */
VV_MUST_CHECK varve_status vv_wal_file_path(const char *directory, uint64_t seq, const char *suffix,
                                            char out_path[VV_PATH_BYTES_MAX], varve_error *out_err);
/* Remove the file that was made ahead of need. Nobody else uses the log. */
void vv_wal_drop_next_locked(vv_wal *wal);

/* wal_service.c */

/* Do what is due; returns when to look again (clock of the environment; INT64_MAX: nothing is to
 * come). Drops the lock when there is work. */
int64_t vv_wal_service_locked(vv_wal *wal);
VV_MUST_CHECK varve_status vv_wal_start_thread(vv_wal *wal, varve_error *out_err);
/* Ends the thread; without the lock. */
void vv_wal_stop_thread(vv_wal *wal);
/* Wake the thread when it would look later than due_ns. */
void vv_wal_wake_locked(vv_wal *wal, int64_t due_ns);

#endif
