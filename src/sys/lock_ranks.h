/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order in which locks are taken, one row each: VV_LOCK_RANK(id, number, what it guards).
 *
 * A thread takes only locks of a higher number than all it holds. SHARD is the exception: several
 * of that rank may be held, taken in ascending `order` of vv_mutex_init. Debug builds check both.
 * Numbers have gaps so that a new lock fits in without changing others.
 */
#ifndef VV_SYS_LOCK_RANKS_H
#define VV_SYS_LOCK_RANKS_H

/* clang-format off */
#define VV_LOCK_RANK_MAP(X)                                                                  \
    X(TEST_LOW,     1, "tests: below all others")                                            \
    X(PROGRAM,     10, "server: configuration, front ends; held while calling varve.h")      \
    X(SESSION,     20, "server: one client, job or cache")                                   \
    X(REGISTRY,   100, "databases of this process")                                          \
    X(DB_STATE,   110, "opening, closing, health of one database")                           \
    X(SNAPSHOT,   120, "one snapshot or restore at a time")                                  \
    X(ROLLUPS,    125, "one pass of the rollups, or a change of them, at a time")            \
    X(POLICY,     130, "policies and their application")                                     \
    X(FLUSH,      140, "one flush at a time")                                                \
    X(MERGE,      150, "which segments are being merged")                                    \
    X(MANIFEST,   160, "manifest log and the current version")                               \
    X(SPACE,      170, "one look at the free space of the disk; its ballast")                \
    X(SHARD,      180, "heads of one shard; several in ascending order")                     \
    X(SCHEMA,     185, "sets of typed fields; taken with shards held")                      \
    X(RING,       190, "pages of ring files")                                                \
    X(CATALOGUE,  195, "names to series, postings, schemas; taken with shards held")         \
    X(LOG,        200, "log buffer and its file: I/O is done under it")                      \
    X(COMMIT,     210, "groups, tickets, visible sequence")                                  \
    X(VERSION,    220, "references to versions and files")                                   \
    X(CACHE,      230, "block cache; one shard at a time")                                   \
    X(CURSOR,     240, "list of open cursors")                                               \
    X(QUEUE,      250, "work waiting for background threads")                                \
    X(BUDGET,     260, "memory accounting")                                                  \
    X(STATS,      270, "counters and histograms of the engine itself")                       \
    X(LOGGING,    280, "rate limits of log messages")                                        \
    X(VFS_FAULT,  300, "rules of the failing file system")                                   \
    X(VFS_SIM,    310, "the simulated file system")                                          \
    X(ALLOC,      320, "counting and failing allocators")                                    \
    X(TEST_HIGH,  999, "tests: above all others")
/* clang-format on */

typedef enum vv_lock_rank {
#define VV_LOCK_RANK_ENUM(id, number, text) VV_RANK_##id = (number),
    VV_LOCK_RANK_MAP(VV_LOCK_RANK_ENUM)
#undef VV_LOCK_RANK_ENUM
} vv_lock_rank;

/* "SHARD"; "?" for a number that is not in the table. */
const char *vv_lock_rank_name(vv_lock_rank rank);

#endif
