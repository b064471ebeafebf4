/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WAL_WAL_H
#define VV_WAL_WAL_H

/*
 * The log while a database is open for writing: it gives the order of all writes, makes them as
 * safe as each asked, and says which are visible. Framing is wal/frame.h, reading it back
 * wal/replay.h.
 *
 *   writer                            log                                      leader
 *   vv_wal_reserve  (may wait)
 *   -- shard locks --
 *   vv_wal_append   ----------------> lsn and row sequences, copy into buffer
 *   apply to the head
 *   vv_wal_applied  ----------------> marked
 *   -- shard locks off --
 *   vv_wal_wait     ----------------> joins the group  --------------> write, sync, advance visible
 *
 *   G1  Sequences and LSNs ascend in the order of vv_wal_append; a batch's are consecutive.
 *   G2  visible never passes a batch that is not applied, or not yet as safe as it asked, or behind
 *       one that is not. It only grows.
 *   G3  One fdatasync per group is the only sync of the write path. A caller that finds none in
 *       flight leads at once; callers arriving meanwhile form the next group.
 *   G4  After the first failed write or sync nothing becomes visible or DURABLE any more
 *       (state WRITE_FAILED); waiting writers get E_IO, later ones E_FENCED.
 *   G5  The records of a batch are in one group and one file; a group ends with COMMIT.
 *   G6  A reservation holds: the append after it finds room in buffer and file.
 *
 * With `directory` NULL there is no file (a database in memory, or sync NO_LOG): order and
 * visibility work the same, every answer is VOLATILE. In a log with files a batch that asks for
 * NO_LOG is kept like a BUFFERED one: later batches build on its place in the order.
 */

#include "base/alloc.h"
#include "base/slice.h"
#include "sys/env.h"
#include "varve.h"

enum {
    VV_WAL_RECORD_BYTES_MAX = 64 * 1024 * 1024 + 64 * 1024, /* payload */
    /* Payloads of a batch, in as many records as that takes. Arbitrary: replay holds a group in
     * memory. */
    VV_WAL_BATCH_BYTES_MAX = 1024 * 1024 * 1024,
    VV_WAL_RESERVED_SEQUENCES = 1 /* sequence 0 is "before everything" */
};

typedef struct vv_wal vv_wal;

/** Record types of the log; numbers are those on disk. */
typedef enum vv_wal_type {
    VV_WAL_SERIES = 1,
    VV_WAL_ROWS = 2,
    VV_WAL_TOMBSTONE = 3,
    VV_WAL_META = 4,
    VV_WAL_EXEMPLARS = 5,
    VV_WAL_COMMIT = 6,
    VV_WAL_SEAL = 7,
    VV_WAL_MARK = 8,
    VV_WAL_POLICY = 9,
    VV_WAL_RINGPAGE = 10
} vv_wal_type;

/** A record to append, its payload borrowed for the call. ROWS and TOMBSTONE payloads are ended by
 *  the log with the 8 bytes of their first sequence. */
typedef struct vv_wal_record {
    vv_wal_type type;
    uint64_t sequences; /* how many it takes: rows of ROWS, 1 of TOMBSTONE, else 0 */
    vv_bytes payload;
    uint32_t payload_crc; /* CRC32C of payload, computed before any lock */
} vv_wal_record;

typedef struct vv_wal_options {
    const char *directory; /* <dir>/wal; NULL: no log */
    const char *tmp_directory;
    uint8_t store_id[16];
    uint64_t file_seq;       /* of the first file it makes */
    uint64_t first_lsn;      /* next LSN to give */
    uint64_t first_sequence; /* next row sequence to give; > 0 */
    uint64_t file_bytes;
    uint32_t sync; /* VARVE_SYNC_..., default of the database */
    uint32_t sync_interval_ms;
    uint32_t group_delay_us;
    bool has_threads; /* background thread: interval syncs, buffered writes, MARK, next file, groups
                         that nobody waits for; false: done by callers */
} vv_wal_options;

typedef struct vv_wal_ticket {
    uint64_t id;             /* ascending; 0: none */
    uint64_t first_sequence; /* of the batch's rows and tombstones, in order */
    uint64_t last_lsn;
} vv_wal_ticket;

VV_MUST_CHECK varve_status vv_wal_open(const vv_env *env, const vv_wal_options *options,
                                       vv_wal **out_wal, varve_error *out_err);

/** Room for a batch of this many payload bytes and records in buffer and file; may wait until
 *  deadline_ns (vv_mono_now_ns). E_NOSPACE, E_TIMEOUT, E_FENCED, E_NOMEM, E_LIMIT (more payload
 * than so many records, or than VV_WAL_BATCH_BYTES_MAX), E_IO; no effect then. Ended by an append
 * of exactly these bytes and records, or by vv_wal_unreserve with the same numbers. */
VV_MUST_CHECK varve_status vv_wal_reserve(vv_wal *wal, size_t payload_bytes, size_t record_count,
                                          int64_t deadline_ns, varve_error *out_err);
void vv_wal_unreserve(vv_wal *wal, size_t payload_bytes, size_t record_count);

/** Fix the order of a batch and copy it into the buffer. Cannot fail after a reservation. `sync` is
 * what the batch asks (VARVE_SYNC_..., not DEFAULT). */
vv_wal_ticket vv_wal_append(vv_wal *wal, const vv_wal_record *records, size_t count, uint32_t sync);
/** The batch's rows are in the head: visible may pass it. */
void vv_wal_applied(vv_wal *wal, vv_wal_ticket ticket);
/** Join or lead the group until the batch is as safe as asked and visible. E_IO, E_FENCED,
 * E_TIMEOUT. */
VV_MUST_CHECK varve_status vv_wal_wait(vv_wal *wal, uint64_t ticket_id, uint64_t timeout_ms,
                                       uint32_t *out_ack, varve_error *out_err);

/** What is due and nobody waits for: interval syncs, buffered writes, MARK, the next file. The
 *  background thread does it; without threads the caller may, between his own calls. */
void vv_wal_service(vv_wal *wal);
/** Sequences below `next` are given no more: a recovery that copies rows keeps their numbers. Only
 *  between batches. */
void vv_wal_advance_sequence(vv_wal *wal, uint64_t next);
/** The last edit of the manifest that is durable: SEAL records name it. */
void vv_wal_note_edit(vv_wal *wal, uint64_t manifest_edit_seq);

/** Every row with a sequence below or equal is visible, none above. Acquire load. */
uint64_t vv_wal_visible(const vv_wal *wal);
/** Wait until vv_wal_visible() > sequence. E_TIMEOUT, E_FENCED. */
VV_MUST_CHECK varve_status vv_wal_wait_visible(vv_wal *wal, uint64_t sequence, uint64_t timeout_ms,
                                               varve_error *out_err);

/** The order so far: last LSN and last sequence given. Called with every shard lock held: a freeze
 * point. */
void vv_wal_position(vv_wal *wal, uint64_t *out_last_lsn, uint64_t *out_last_sequence);
/** Make everything up to lsn durable and visible (step 0 of a flush); writes and syncs in every
 * mode. */
VV_MUST_CHECK varve_status vv_wal_sync(vv_wal *wal, uint64_t lsn, varve_error *out_err);
/** Highest LSN known to be synced; without files the highest one given to vv_wal_sync. */
uint64_t vv_wal_durable_lsn(const vv_wal *wal);
/** Unlink files whose last LSN is at or below lsn (the manifest says they are not needed). */
void vv_wal_release(vv_wal *wal, uint64_t lsn);
/** First file that may hold records above the released LSN: log_start of the manifest. */
uint64_t vv_wal_first_file(const vv_wal *wal);
/** The same for an LSN that is to be released once the manifest says so. */
uint64_t vv_wal_first_file_above(vv_wal *wal, uint64_t lsn);
/** Bytes of files that hold records, buffer included. */
uint64_t vv_wal_bytes(const vv_wal *wal);
/** The same without the file that appends go to: what a flush of everything lets go. */
uint64_t vv_wal_left_bytes(const vv_wal *wal);
/** Health: OK, NOSPACE (the next file cannot be made: reservations are refused once the present one
 *  is full, and each tries again) or WRITE_FAILED, with its error. */
uint32_t vv_wal_health(vv_wal *wal, varve_error *out_reason);

/** Whether that is its state. Relaxed. */
bool vv_wal_is_nospace(const vv_wal *wal);
/** Space was freed: the next file may be tried at once. */
void vv_wal_retry_space(vv_wal *wal);

/** The engine met a failure after which nothing may be acknowledged (a sync of the manifest): as
 *  after a failed write of the log itself. */
void vv_wal_fail(vv_wal *wal, const varve_error *reason);

/** Write, sync and seal (SEAL{last_lsn, durable_lsn, edit_seq, clean}); stops the thread. No other
 *  thread is in a call of this log. Then vv_wal_durable_lsn is the LSN of the SEAL, to be kept in
 *  the manifest. */
VV_MUST_CHECK varve_status vv_wal_seal(vv_wal *wal, uint64_t manifest_edit_seq,
                                       varve_error *out_err);
/** Free memory and descriptors; writes nothing. */
void vv_wal_free(vv_wal *wal);
/** In a forked child: whether nobody was changing it when the process forked. */
bool vv_wal_is_quiet(vv_wal *wal);

/** Counters, for varve_stats. */
/* Upper bounds of the buckets of sync times, in microseconds; one more bucket has the rest. */
#define VV_WAL_SYNC_BOUNDS_MAP(X) \
    X(0, 50)                      \
    X(1, 100) X(2, 250) X(3, 500) X(4, 1000) X(5, 2500) X(6, 10000) X(7, 50000) X(8, 250000)
#define VV_WAL_SYNC_BUCKETS 10u

typedef struct vv_wal_stats {
    uint64_t records, groups, syncs, bytes_written, rotations, sync_ns; /* ..., waited in syncs */
    uint64_t sync_buckets[VV_WAL_SYNC_BUCKETS]; /* syncs that took at most the bound */
    uint64_t last_lsn;
    uint64_t files, file_seq;            /* with the one made ahead; that of the appends */
    uint64_t released, release_failures; /* files that went, and that could not be removed */
} vv_wal_stats;
void vv_wal_get_stats(vv_wal *wal, vv_wal_stats *out_stats);

#endif
