/* SPDX-License-Identifier: Apache-2.0 */
/* Promises of engine/publish.c: which deletes and policies outlive the log, P3 to P6. */
#include "engine/publish.h"

#include <stdio.h>
#include <string.h>

#include "engine/db.h"
#include "engine/manifest.h"
#include "engine/merge.h"
#include "engine/rollup_set.h"
#include "engine/version.h"
#include "support/check.h"
#include "support/engine_fixture.h"

static uint64_t publish_rows(engine_fixture *f)
{
    uint64_t digest[2];
    uint64_t rows;
    engine_fixture_digest(f, digest, &rows);
    return rows;
}

/* So many rows are visible, now and after a stop without a close. */
static void publish_expect_rows(engine_fixture *f, uint64_t wanted)
{
    assert_int_equal(wanted, publish_rows(f));
    engine_fixture_abandon(f);
    engine_fixture_open(f);
    assert_int_equal(wanted, publish_rows(f));
}

/* --- deletes --- */

/* A range that ends at the last time has no end: it holds that time, too. */
static void a_delete_without_end_reaches_the_last_time(void **state)
{
    engine_fixture *f = *state;
    engine_fixture_write(f, 1, INT64_MAX, 0, 1, 5);
    engine_fixture_flush(f);
    engine_fixture_delete(f, 1, INT64_MAX - 1, INT64_MAX);
    engine_fixture_write(f, 2, 0, 1, 10, 5);
    engine_fixture_flush(f);
    assert_int_equal(1, f->db->version->tombstone_count); /* P3 */
    publish_expect_rows(f, 10);
}

/* What a ring had before the delete is in its file: while a merge takes nothing of the ring along,
 * the delete is needed for it. */
static void a_delete_stays_while_pages_of_a_ring_are_older(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    varve_series series;
    varve_field field;
    varve_label label = {VARVE_STR("host"), VARVE_STR("h9")};
    varve_ring ring;
    varve_ring_init(&ring);
    ring.step = 10;
    ring.slots = 100;
    check_ok(varve_policy_ring(f->db, VARVE_STR("cpu"), &label, 1, &ring, &series, &err), &err);
    check_ok(varve_field_resolve(f->db, VARVE_STR("value"), &field, &err), &err);
    engine_fixture_write(f, 9, 0, 10, 20, 1);
    for (uint32_t i = 0; i < 4; i++) {
        engine_fixture_write(f, 1, i * 1000, 10, 10, 1);
        engine_fixture_flush(f);
    }
    engine_fixture_delete(f, 9, 0, 100);
    check_ok(vv_merge(f->db, /* all */ true, NULL, &err), &err);
    assert_int_equal(1, f->db->version->segment_count);
    assert_int_equal(1, f->db->version->tombstone_count);
    publish_expect_rows(f, 50);
    engine_fixture_flush(f);
    publish_expect_rows(f, 50);
}

static void publish_keep_row_ids(engine_fixture *f)
{
    varve_error err;
    varve_metric_policy policy;
    varve_metric_policy_init(&policy);
    policy.duplicates = VARVE_DUPLICATES_ALL;
    policy.row_ids = VARVE_ROW_IDS_ON;
    check_ok(varve_policy_metric(f->db, VARVE_STR("cpu"), &policy, &err), &err);
}

/* The id of the row of a series at a time. */
static varve_row_id publish_find_row(engine_fixture *f, const char *host, int64_t time)
{
    varve_error err;
    varve_cursor *cursor;
    const varve_block *block;
    varve_label label = {VARVE_STR("host"), {host, strlen(host)}};
    varve_row_id id = {.timestamp = time};
    check_ok(varve_series_resolve(f->db, VARVE_STR("cpu"), &label, 1, 0, &id.series, &err), &err);
    varve_selection selection = {
        .kind = VARVE_SELECT_LIST, .series = &id.series, .series_count = 1};
    varve_query_options options;
    varve_query_options_init(&options);
    options.selections = &selection;
    options.selection_count = 1;
    options.range = (varve_range){.start = time, .end = time + 1};
    options.flags |= VARVE_QUERY_ROW_IDS;
    check_ok(varve_query(f->db, &options, &cursor, &err), &err);
    check_ok(varve_cursor_next(cursor, &block, &err), &err);
    assert_true(block != NULL && block->rows == 1 && block->row_ids != NULL);
    id.row_id = block->row_ids[0];
    varve_cursor_close(cursor);
    return id;
}

static void publish_delete_row(engine_fixture *f, const varve_row_id *id)
{
    varve_error err;
    varve_batch *batch;
    check_ok(varve_batch_create(f->db, &batch, &err), &err);
    check_ok(varve_batch_delete_row(batch, id, &err), &err);
    check_ok(varve_batch_commit(batch, NULL, NULL, &err), &err);
    varve_batch_free(batch);
}

/* P6: by time and number each row may be in one of several segments, or in none any more. */
static void rows_deleted_one_by_one_stay_deleted_wherever_they_are(void **state)
{
    engine_fixture *f = *state;
    publish_keep_row_ids(f);
    engine_fixture_write(f, 1, 5000, 10, 10, 1);
    engine_fixture_flush(f);
    engine_fixture_write(f, 1, 1000, 10, 10, 1);
    engine_fixture_write(f, 1, 9000, 10, 10, 1);
    engine_fixture_flush(f);
    static const int64_t times[] = {5030, 1030, 9030};
    varve_row_id ids[3];
    for (size_t i = 0; i < VV_ARRAY_COUNT(times); i++) {
        ids[i] = publish_find_row(f, "h1", times[i]);
    }
    for (size_t i = 0; i < VV_ARRAY_COUNT(times); i++) {
        publish_delete_row(f, &ids[i]);
        engine_fixture_flush(f);
        publish_expect_rows(f, 29 - i);
    }
    /* A row that a replacement has moved lies in a later segment than its id says. */
    varve_error err;
    varve_batch *batch;
    varve_field field;
    varve_value value = {.type = VARVE_TYPE_F64, .as.f64 = 7};
    varve_row_id moved = publish_find_row(f, "h1", 5050);
    check_ok(varve_field_resolve(f->db, VARVE_STR("value"), &field, &err), &err);
    varve_row row = {
        .series = moved.series, .timestamp = 1005, .fields = &field, .values = &value, .count = 1};
    check_ok(varve_batch_create(f->db, &batch, &err), &err);
    check_ok(varve_batch_replace(batch, &moved, &row, &err), &err);
    check_ok(varve_batch_commit(batch, NULL, NULL, &err), &err);
    varve_batch_free(batch);
    engine_fixture_flush(f);
    publish_expect_rows(f, 27);
    varve_row_id again = publish_find_row(f, "h1", 1005);
    assert_int_equal(moved.row_id, again.row_id);
    publish_delete_row(f, &again);
    engine_fixture_flush(f);
    publish_expect_rows(f, 26);
    /* A time that no segment has, and one that none reaches. */
    varve_row_id wrong = {.series = ids[0].series, .timestamp = 1, .row_id = ids[0].row_id};
    publish_delete_row(f, &wrong);
    wrong.timestamp = 1000000;
    publish_delete_row(f, &wrong);
    size_t files = engine_fixture_files(f, "del");
    engine_fixture_flush(f);
    assert_int_equal(files, engine_fixture_files(f, "del"));
    publish_expect_rows(f, 26);
}

/* One file takes both; what it says of its sequences covers both. */
static void rows_and_ranges_deleted_together_stay_deleted(void **state)
{
    engine_fixture *f = *state;
    publish_keep_row_ids(f);
    engine_fixture_write(f, 1, 0, 10, 20, 1);
    engine_fixture_flush(f);
    varve_row_id id = publish_find_row(f, "h1", 30);
    publish_delete_row(f, &id);
    engine_fixture_delete(f, 1, 100, 150);
    engine_fixture_flush(f);
    assert_int_equal(1, engine_fixture_files(f, "del"));
    const vv_manifest_state *manifest = vv_manifest_get_state(f->db->manifest);
    assert_int_equal(1, manifest->tombstones.count);
    uint64_t highest = 0;
    for (size_t i = 0; i < f->db->version->tombstone_count; i++) {
        uint64_t sequence = f->db->version->tombstones[i]->sequence;
        highest = sequence > highest ? sequence : highest;
    }
    assert_int_equal(highest, VV_VEC_AT(&manifest->tombstones, vv_manifest_tombstone, 0)->sequence);
    publish_expect_rows(f, 14);
}

/* --- policies --- */

static void publish_set_policy(engine_fixture *f, varve_text metric, bool has_row_ids)
{
    varve_error err;
    varve_metric_policy policy;
    varve_metric_policy_init(&policy);
    policy.duplicates = VARVE_DUPLICATES_ALL;
    policy.row_ids = has_row_ids ? VARVE_ROW_IDS_ON : VARVE_ROW_IDS_OFF;
    check_ok(varve_policy_metric(f->db, metric, &policy, &err), &err);
}

/* Bit i: whether metric i is kept with row ids; each of the count is there. */
static unsigned publish_policies_kept(engine_fixture *f, const varve_text *metrics, size_t count)
{
    const vv_manifest_state *manifest = vv_manifest_get_state(f->db->manifest);
    unsigned with_ids = 0;
    assert_int_equal(count, manifest->policies.count);
    for (size_t i = 0; i < count; i++) {
        bool is_found = false;
        for (size_t at = 0; at < count; at++) {
            const vv_manifest_policy *policy =
                VV_VEC_AT(&manifest->policies, vv_manifest_policy, at);
            if (vv_text_equal(policy->metric, metrics[i])) {
                is_found = true;
                assert_int_equal(VARVE_DUPLICATES_ALL, policy->duplicates);
                with_ids |= policy->row_ids == VARVE_ROW_IDS_ON ? 1u << i : 0;
            }
        }
        assert_true(is_found);
    }
    return with_ids;
}

static void policies_of_many_metrics_outlive_the_log(void **state)
{
    engine_fixture *f = *state;
    static const varve_text metrics[] = {VV_TEXT_INIT("m"), VV_TEXT_INIT("c"), VV_TEXT_INIT("x"),
                                         VV_TEXT_INIT("a"), VV_TEXT_INIT("h")};
    size_t count = VV_ARRAY_COUNT(metrics);
    for (size_t i = 0; i < count; i++) {
        publish_set_policy(f, metrics[i], false);
    }
    engine_fixture_flush(f);
    assert_int_equal(0, publish_policies_kept(f, metrics, count));
    /* Those that change are named again, whatever else has a policy. */
    publish_set_policy(f, metrics[1], true);
    publish_set_policy(f, metrics[4], true);
    engine_fixture_flush(f);
    assert_int_equal(1u << 1 | 1u << 4, publish_policies_kept(f, metrics, count));
    uint64_t edits = vv_manifest_get_state(f->db->manifest)->edit_seq;
    engine_fixture_flush(f); /* nothing is lacking */
    assert_int_equal(edits, vv_manifest_get_state(f->db->manifest)->edit_seq);
    engine_fixture_abandon(f);
    engine_fixture_open(f);
    assert_int_equal(1u << 1 | 1u << 4, publish_policies_kept(f, metrics, count));
}

/* A set of the same length that says something else. */
static void a_changed_rollup_outlives_the_log(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    varve_rollup rollup = {.id = VARVE_STR("hourly"),
                           .metric = VARVE_STR("cpu"),
                           .interval = 60,
                           .aggregation = VARVE_AGG_AVG};
    size_t size = 0;
    for (int64_t interval = 60; interval < 63; interval++) {
        rollup.interval = interval;
        check_ok(varve_policy_rollups(f->db, &rollup, 1, &err), &err);
        engine_fixture_flush(f);
        vv_bytes kept = vv_manifest_get_state(f->db->manifest)->rollups;
        assert_true(interval == 60 || kept.size == size);
        size = kept.size;
        assert_int_equal(f->db->rollups->stored.size, size);
        assert_memory_equal(f->db->rollups->stored.data, kept.data, size);
    }
}

static void a_flush_without_memory_for_policies_keeps_them_for_the_next(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    bool is_over = false;
    uint64_t count = 0;
    for (uint64_t n = 1; !is_over; n++) {
        char name[24];
        snprintf(name, sizeof name, "m%llu", (unsigned long long)n);
        publish_set_policy(f, (varve_text){name, strlen(name)}, n % 2 == 0);
        count++;
        failing_alloc_plan(&f->source, n, true);
        varve_status status = varve_flush(f->db, NULL, &err);
        is_over = atomic_load(&f->source.failures) == 0;
        failing_alloc_plan(&f->source, 0, true);
        check_status(is_over ? VARVE_OK : VARVE_E_NOMEM, status);
        engine_fixture_flush(f);
        assert_int_equal(count, vv_manifest_get_state(f->db->manifest)->policies.count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_fixture_test(a_delete_without_end_reaches_the_last_time),
        engine_fixture_test(a_delete_stays_while_pages_of_a_ring_are_older),
        engine_fixture_test(rows_deleted_one_by_one_stay_deleted_wherever_they_are),
        engine_fixture_test(rows_and_ranges_deleted_together_stay_deleted),
        engine_fixture_test(policies_of_many_metrics_outlive_the_log),
        engine_fixture_test(a_changed_rollup_outlives_the_log),
        engine_fixture_test(a_flush_without_memory_for_policies_keeps_them_for_the_next),
    };
    return cmocka_run_group_tests_name("publish", tests, NULL, NULL);
}
