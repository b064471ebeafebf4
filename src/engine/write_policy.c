/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The policy of a metric is fixed while one of its rows is visible. As with types, it is looked at
 * without locks, over everything made visible, and again under every shard lock: there the heads
 * must not hold a row that came since.
 */

#include "base/crc.h"
#include "base/status.h"
#include "codec/vector.h"
#include "engine/admission.h"
#include "engine/scan.h"
#include "engine/view.h"
#include "engine/write.h"
#include "index/catalogue.h"
#include "wal/payload.h"
#include "wal/wal.h"

enum { POLICY_TRIES_MAX = 100 }; /* each further one needs a write to the metric at this moment */

typedef struct policy_change {
    varve_db *db;
    uint32_t metric_id;
    vv_metric_policy policy;
    vv_codec_scratch *scratch;
    uint64_t visible; /* no row up to here is visible */
    vv_buf payload;
    bool is_logged;
    bool is_again; /* rows came in between */
} policy_change;

/** What STORED means: as the database. */
static varve_status policy_resolve(const varve_db *db, const varve_metric_policy *given,
                                   vv_metric_policy *out_policy, varve_error *out_err)
{
    uint32_t duplicates =
        given->duplicates == VARVE_DUPLICATES_STORED ? db->options.duplicates : given->duplicates;
    uint32_t row_ids =
        given->row_ids == VARVE_ROW_IDS_STORED ? db->options.row_ids : given->row_ids;
    if (row_ids == VARVE_ROW_IDS_ON && duplicates != VARVE_DUPLICATES_ALL) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "row ids need the duplicates policy ALL: rows that unite have no id");
    }
    *out_policy = (vv_metric_policy){
        .duplicates = duplicates,
        .has_row_ids = row_ids == VARVE_ROW_IDS_ON,
        .is_own = true,
    };
    return VARVE_OK;
}

/** E_CONFLICT when a row of the metric is visible. */
static varve_status policy_check_rows(policy_change *change, varve_error *out_err)
{
    varve_db *db = change->db;
    uint64_t last_lsn;
    uint64_t last_sequence;
    vv_wal_position(db->wal, &last_lsn, &last_sequence);
    VV_TRY(vv_wal_sync(db->wal, last_lsn, out_err));
    vv_view *view;
    VV_TRY(vv_view_open_lasting(db, &view, out_err)); /* what may come back counts */
    change->visible = view->visible;
    uint32_t count = vv_catalogue_series_count(db->catalogue);
    varve_status status = VARVE_OK;
    for (uint32_t series = 1; series <= count && status == VARVE_OK; series++) {
        if (vv_catalogue_metric_id(db->catalogue, series) != change->metric_id) {
            continue;
        }
        bool exists = false;
        varve_range all = {.start = VARVE_RANGE_ALL_START, .end = VARVE_RANGE_ALL_END};
        status = vv_scan_exists(view, series, all, change->scratch, &exists, out_err);
        if (status == VARVE_OK && exists) {
            varve_text metric = vv_catalogue_metric_name(db->catalogue, change->metric_id);
            status =
                vv_fail(out_err, VARVE_E_CONFLICT,
                        "the policy of \"%.*s\" is fixed while it has rows", VV_TEXT_ARGS(metric));
        }
    }
    vv_view_unref(view);
    return status;
}

/** Whether a head holds a row of the metric that the check has not seen. Every shard locked. */
static bool policy_has_newer_locked(const policy_change *change)
{
    varve_db *db = change->db;
    uint32_t count = vv_catalogue_series_count(db->catalogue);
    bool has_newer = false;
    vv_mutex_lock(&db->state_lock);
    for (uint32_t series = 1; series <= count && !has_newer; series++) {
        if (vv_catalogue_metric_id(db->catalogue, series) != change->metric_id) {
            continue;
        }
        has_newer = vv_head_series_sequence(db->head, series) > change->visible;
        for (size_t i = 0; i < db->frozen_count && !has_newer; i++) {
            has_newer = vv_head_series_sequence(db->frozen[i], series) > change->visible;
        }
    }
    vv_mutex_unlock(&db->state_lock);
    return has_newer;
}

/** Change catalogue and head and append the record. Every shard locked, room reserved. */
static varve_status policy_apply_locked(policy_change *change, vv_wal_ticket *out_ticket,
                                        varve_error *out_err)
{
    varve_db *db = change->db;
    atomic_fetch_add(&db->policy_changes, 1); /* first: see snapshot.c */
    vv_metric_policy old = vv_catalogue_policy(db->catalogue, change->metric_id);
    vv_catalogue_set_policy(db->catalogue, change->metric_id, change->policy);
    varve_status status = vv_head_set_policy(db->head, change->metric_id, change->visible, out_err);
    if (status != VARVE_OK) {
        vv_catalogue_set_policy(db->catalogue, change->metric_id, old);
        varve_error ignored;
        /* Back again: what could fail, closing tails, has been done or fails as before. */
        VV_IGNORE(vv_head_set_policy(db->head, change->metric_id, change->visible, &ignored));
        return status;
    }
    vv_wal_record record = {
        .type = VV_WAL_POLICY,
        .payload = vv_buf_bytes(&change->payload),
        .payload_crc = vv_crc32c(0, change->payload.data, change->payload.size),
    };
    *out_ticket = vv_wal_append(db->wal, &record, 1, VARVE_SYNC_GROUP);
    return VARVE_OK;
}

static varve_status policy_try(policy_change *change, varve_error *out_err)
{
    varve_db *db = change->db;
    change->is_again = false;
    vv_metric_policy current = vv_catalogue_policy(db->catalogue, change->metric_id);
    bool is_same = current.duplicates == change->policy.duplicates &&
                   current.has_row_ids == change->policy.has_row_ids;
    if (is_same && current.is_own) {
        return VARVE_OK;
    }
    if (!is_same) {
        VV_TRY(policy_check_rows(change, out_err));
    }
    int64_t wait_ns = (int64_t)db->options.write_timeout_ms * VV_NS_PER_MS;
    const vv_admission admission = {
        .is_logged = change->is_logged,
        .deadline_ns = vv_deadline_after_ns(wait_ns),
    };
    VV_TRY(vv_admission_wait(db, &admission, out_err));
    VV_TRY(vv_admission_reserve(db, &admission, change->payload.size, 1, out_err));
    vv_db_lock_shards(db);
    change->is_again = !is_same && policy_has_newer_locked(change);
    vv_wal_ticket ticket = {0};
    varve_status status = VARVE_OK;
    if (!change->is_again) {
        status = policy_apply_locked(change, &ticket, out_err);
    }
    vv_db_unlock_shards(db);
    if (ticket.id == 0) {
        vv_wal_unreserve(db->wal, change->payload.size, 1);
        return status;
    }
    vv_wal_applied(db->wal, ticket);
    uint32_t ack;
    return vv_wal_wait(db->wal, ticket.id, UINT64_MAX, &ack, out_err);
}

varve_status vv_write_policy(varve_db *db, varve_text metric, const varve_metric_policy *policy,
                             varve_error *out_err)
{
    policy_change change = {
        .db = db,
        .is_logged = !db->is_memory && db->options.sync != VARVE_SYNC_NO_LOG,
    };
    VV_TRY(policy_resolve(db, policy, &change.policy, out_err));
    VV_TRY(vv_catalogue_metric_id_of(db->catalogue, metric, /* existing_only */ false,
                                     &change.metric_id, out_err));
    VV_TRY(vv_codec_scratch_create(&db->alloc, &change.scratch, out_err));
    vv_buf_init(&change.payload, &db->alloc, SIZE_MAX);
    varve_status status = VARVE_OK;
    if (change.is_logged) {
        status = vv_payload_policy(&change.payload, metric, change.policy.duplicates,
                                   change.policy.has_row_ids, out_err);
    }
    change.is_again = true;
    for (int tries = 0; change.is_again && status == VARVE_OK; tries++) {
        if (tries == POLICY_TRIES_MAX) {
            status = vv_fail(out_err, VARVE_E_BUSY, "rows of \"%.*s\" keep coming",
                             VV_TEXT_ARGS(metric));
            break;
        }
        status = policy_try(&change, out_err);
    }
    vv_buf_deinit(&change.payload);
    vv_codec_scratch_free(change.scratch);
    return status;
}
