/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_RETENTION_H
#define VV_ENGINE_RETENTION_H

/*
 * Retention: what lies before a cut is hidden, and later removed. docs/decisions/0021-retention.md.
 *
 *             removed      hidden             seen
 *   ----------------|------------------|-----------------------|=======|--> time
 *              recorded cut      reference - window        reference  15 min ahead of the clock
 *                                                                      and more: skew
 *
 *   reference     max(wall clock, newest time that this handle observed at most 15 min ahead of it)
 *
 *   recorded cut  of each scope, in log and manifest: follows the reference after this has held
 *                 for the grace time, never falls
 *
 *   T1  A table of scopes never changes once it is installed; it is counted, and views keep it.
 *
 *   T2  A recorded cut is durable before a table shows it, so that what it hides may be removed at
 *       once; nothing is removed that it does not hide.
 *
 *   T3  A view hides by the later of the recorded cut and that of the reference of its moment. What
 *       is asked to decide for good (may a field change its type?) and what is written for good
 *       (flush, merge, snapshot) goes by recorded cuts alone: the rest may come back.
 *
 *   T4  Tables are replaced by whoever holds flush_lock, so no flush drops the log between the
 *       record of a change and the table that shows it.
 *
 * A clock that jumps ahead for less than the grace time hides rows meanwhile and removes none.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/slice.h"
#include "model/retention_entry.h"
#include "varve.h"

enum {
    VV_RETENTION_SKEW_S = 15 * 60,      /* spec/tsink.md 6.2 */
    VV_RETENTION_GRACE_MS = 3600 * 1000 /* design.md section 2 */
};

/** One scope. */
typedef struct vv_retention_scope {
    uint32_t metric; /* catalogue id; 0: the database */
    vv_retention_entry entry;
} vv_retention_scope;

typedef struct vv_retention {
    atomic_uint refs;
    bool has_enforced;     /* some scope has a window that is enforced */
    bool has_hot;          /* some scope has a hot window */
    int64_t recorded_last; /* the greatest recorded cut */
    bool is_fixed;         /* a snapshot: the reference is that of its moment */
    int64_t fixed_reference;
    size_t count, capacity; /* scopes: [0] is the database, then ascending by metric */
    vv_retention_scope scopes[];
} vv_retention;

/** How many looks at the reference are remembered at most, one in each eighth of the grace time. */
enum { VV_RETENTION_LOOKS = 10 };

/** One look at the reference, and what it has been at least since. */
typedef struct vv_retention_look {
    int64_t mono_ns;
    int64_t reference;
} vv_retention_look;

/** The part of a database. */
typedef struct vv_retention_state {
    vv_retention *table;         /* guarded by state_lock; a reference */
    atomic_bool cuts_any;        /* of the table */
    atomic_bool has_work;        /* it cuts, or moves */
    atomic_int_least64_t newest; /* time observed (VV_RETENTION_NONE) ... */
    atomic_int_least64_t lowest; /* reference given out since the last look; INT64_MAX: none */
    atomic_int_least64_t next_look_ns;           /* monotonic */
    vv_retention_look looks[VV_RETENTION_LOOKS]; /* oldest first; guarded by flush_lock */
    size_t look_count;
    /* Figures. */
    atomic_int_least64_t skew_newest; /* VV_RETENTION_NONE */
    atomic_uint_fast64_t skew_rows, cuts, expired_segments, expired_rows, failures;
    atomic_uint_fast64_t moves, move_errors;
} vv_retention_state;

/** Times of the rows of a write, measured before the locks. */
typedef struct vv_retention_times {
    int64_t newest; /* at most 15 min ahead of the clock; VV_RETENTION_NONE: there is none */
    int64_t skew_newest;
    uint64_t skew_rows;
} vv_retention_times;

struct vv_catalogue;
struct vv_manifest_state;
struct vv_write;

/* ---- tables: retention.c ---- */

/** A table in which nothing is cut, with room for so many scopes. */
VV_MUST_CHECK varve_status vv_retention_create(varve_db *db, size_t capacity, vv_retention **out,
                                               varve_error *out_err);
/** A copy with room for so many scopes more; to be changed, finished, then installed. */
VV_MUST_CHECK varve_status vv_retention_copy(varve_db *db, const vv_retention *base, size_t more,
                                             vv_retention **out, varve_error *out_err);
/** The scope of a metric, made when missing, then without rule and cut. The name lives as long as
 *  the catalogue. There is room. */
vv_retention_entry *vv_retention_put(vv_retention *table, uint32_t metric, varve_text name);
/** Sum up what the scopes say; before the table is seen. */
void vv_retention_finish(vv_retention *table);
/** The scope of a metric (0: the database); NULL: it has none of its own. */
const vv_retention_entry *vv_retention_find(const vv_retention *table, uint32_t metric);
void vv_retention_ref(vv_retention *table);
void vv_retention_unref(varve_db *db, vv_retention *table);
/** The current table, referenced. */
vv_retention *vv_retention_current(varve_db *db);
/** Make it current, under state_lock; takes the reference. */
void vv_retention_install_locked(varve_db *db, vv_retention *table);

/** Whether any row may lie before a cut. */
static inline bool vv_retention_cuts_any(const vv_retention *table)
{
    return table->has_enforced || table->recorded_last != VV_RETENTION_NONE;
}

/** The rule that holds for a metric; that of the database where it has none. */
const vv_retention_entry *vv_retention_rule(const vv_retention *table, uint32_t metric);
/** The recorded cut of a metric: rows with lower times are gone. Internal metrics have none. */
int64_t vv_retention_recorded(const vv_retention *table, const struct vv_catalogue *catalogue,
                              uint32_t metric);
/** The cut of a metric at a reference time. (A metric's epoch, once there is one, is subtracted
 *  here and nowhere else.) */
int64_t vv_retention_cut(const vv_retention *table, const struct vv_catalogue *catalogue,
                         uint32_t metric, int64_t reference);
/** The greatest cut of any metric: what is not before it is before none. */
int64_t vv_retention_cut_last(const vv_retention *table, int64_t reference);

/** The reference time of this moment, in the precision of the database. */
int64_t vv_retention_reference(varve_db *db, const vv_retention *table);

/* ---- rows on their way: retention_write.c ---- */

/** Refuse, or leave out, rows before the cuts of this moment. E_INVALID names metric, time, cut. */
VV_MUST_CHECK varve_status vv_retention_check_rows(struct vv_write *write, varve_error *out_err);
/** Look at the times of the items of the part. */
vv_retention_times vv_retention_measure(const struct vv_write *write);
/** What was measured is accepted. Before it is visible. */
void vv_retention_observe(varve_db *db, const vv_retention_times *times);

/* ---- rules and durable records: retention_policy.c ---- */

/** Give a scope its rule, durable on return; NULL: the metric follows the database again. */
VV_MUST_CHECK varve_status vv_retention_set(varve_db *db, varve_text metric,
                                            const varve_retention *rule, varve_error *out_err);
VV_MUST_CHECK varve_status vv_retention_get(varve_db *db, varve_text metric,
                                            varve_retention_info *out_info, varve_error *out_err);
void vv_retention_list(varve_db *db, varve_retention_info *out_items, size_t capacity,
                       size_t *out_count);
void vv_retention_seen(varve_db *db, varve_retention_times *out_times);

/** Make a rule (one entry) or recorded cuts durable, then install `next`, which shows them. Takes
 *  the reference on success. flush_lock is held. Cuts go to the manifest where the log has no room.
 */
VV_MUST_CHECK varve_status vv_retention_commit(varve_db *db, const vv_retention_entry *entries,
                                               size_t count, bool sets_rule, vv_retention *next,
                                               varve_error *out_err);

/** What a manifest says. */
VV_MUST_CHECK varve_status vv_retention_load(varve_db *db, const struct vv_manifest_state *state,
                                             vv_retention **out_table, varve_error *out_err);
/** Replay: apply a POLICY record to a table that nobody has seen; it may become another. */
VV_MUST_CHECK varve_status vv_retention_replay(varve_db *db, vv_bytes payload, vv_arena *arena,
                                               vv_retention **table, varve_error *out_err);
/** Entries of a table that a manifest lacks (state NULL: all of them), in the arena. */
VV_MUST_CHECK varve_status vv_retention_entries(const vv_retention *table,
                                                const struct vv_manifest_state *state,
                                                vv_arena *arena, vv_retention_entry **out_entries,
                                                size_t *out_count, varve_error *out_err);
/** Whether the manifest lacks anything of the current table; under manifest_lock. */
bool vv_retention_is_unnamed_locked(varve_db *db);

/* ---- the work: retention_run.c ---- */

/** Look at the reference, let recorded cuts follow, drop segments that lie before them, move what
 * is old enough to the warm tier. What fails is logged, counted and tried again by the next.
 * Neither flush_lock nor merge_lock is held. */
void vv_retention_run(varve_db *db);
/** Whether it is time for another look. */
bool vv_retention_is_due(varve_db *db);

#endif
