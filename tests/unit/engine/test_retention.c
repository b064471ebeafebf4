/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Promises of retention (engine/retention.h), under a clock that stands until it is moved. Times
 * are seconds; the clock begins at 10000.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/slice.h"
#include "engine/db.h"
#include "engine/space.h"
#include "support/check.h"
#include "support/clocked_fixture.h"
#include "support/dump.h"

enum { NOW = 10000, GRACE_S = 60 };

typedef clocked_fixture world;

static void world_init(world *w, uint32_t sync)
{
    clocked_fixture_create(w, NOW * VV_NS_PER_S);
    w->f.options.precision = VARVE_PRECISION_S;
    w->f.options.retention_grace_ms = GRACE_S * 1000;
    w->f.options.sync = sync;
    engine_fixture_open(&w->f);
}

static void world_reopen(world *w)
{
    engine_fixture_close(&w->f);
    engine_fixture_open(&w->f);
}

static void pass(world *w, int64_t seconds)
{
    manual_clock_advance(&w->clock, seconds * VV_NS_PER_S);
}

static void set_wall(world *w, int64_t seconds)
{
    manual_clock_set_wall(&w->clock, seconds * VV_NS_PER_S);
}

static varve_status try_keep(world *w, const char *metric, int64_t window, bool is_enforced,
                             varve_error *err)
{
    varve_retention retention;
    varve_retention_init(&retention);
    retention.is_enforced = is_enforced;
    retention.window = window;
    return varve_policy_retention(w->f.db, vv_text_from_string(metric), &retention, err);
}

static void keep(world *w, const char *metric, int64_t window)
{
    varve_error err;
    check_ok(try_keep(w, metric, window, true, &err), &err);
}

static void put(world *w, const char *series, int64_t time)
{
    dump_must_put(w->f.db, series, time, "value", dump_i64(time));
}

static varve_retention_info info_of(world *w, const char *metric)
{
    varve_error err;
    varve_retention_info info;
    varve_retention_info_init(&info);
    check_ok(varve_retention_get(w->f.db, vv_text_from_string(metric), &info, &err), &err);
    return info;
}

/* The reference settles: the first look remembers it, the second, a grace time later, records. */
static void settle(world *w)
{
    varve_error err;
    check_ok(varve_flush(w->f.db, NULL, &err), &err);
    pass(w, GRACE_S);
    check_ok(varve_flush(w->f.db, NULL, &err), &err);
}

/* The same contents however they are stored. */
static void expect(world *w, const char *rows)
{
    assert_string_equal(dump_all(w->f.db), rows);
}

static uint64_t digest(world *w)
{
    uint64_t digests[2];
    uint64_t rows;
    engine_fixture_digest(&w->f, digests, &rows);
    return digests[0];
}

/* ---- hiding and refusing ---- */

static void what_is_not_enforced_hides_and_refuses_nothing(void **state)
{
    (void)state;
    world w;
    varve_error err;
    world_init(&w, 0);
    check_ok(try_keep(&w, "", 100, false, &err), &err);
    put(&w, "m", NOW - 5000);
    put(&w, "m", NOW);
    settle(&w);
    check_ok(varve_compact(w.f.db, VARVE_COMPACT_ALL, NULL, &err), &err);
    expect(&w, "m 5000 value=5000\nm 10000 value=10000\n");
    assert_true(info_of(&w, "").cut == INT64_MIN && info_of(&w, "").retention.window == 100);
    engine_fixture_free(&w.f);
}

static void rows_before_the_cut_are_refused_by_name(void **state)
{
    (void)state;
    world w;
    varve_error err;
    world_init(&w, 0);
    keep(&w, "", 100);
    check_status(VARVE_E_INVALID, dump_put(w.f.db, "m{a=b}", NOW - 101, "value", dump_i64(1)));
    put(&w, "m{a=b}", NOW - 100); /* at the cut */
    varve_batch *batch;
    varve_rejected rejected[4];
    varve_written written;
    varve_write_options options;
    varve_write_options_init(&options);
    varve_written_init(&written);
    options.flags = VARVE_WRITE_SKIP_REJECTED;
    options.rejected = rejected;
    options.rejected_capacity = 4;
    check_ok(varve_batch_create(w.f.db, &batch, &err), &err);
    varve_field field = dump_field(w.f.db, "value");
    for (int64_t i = 0; i < 4; i++) {
        varve_value value = dump_i64(i);
        varve_row row = {.series = dump_series(w.f.db, "m{a=b}"),
                         .timestamp = NOW - 102 + i,
                         .fields = &field,
                         .values = &value,
                         .count = 1};
        check_ok(varve_batch_row(batch, &row, &err), &err);
    }
    check_status(VARVE_E_INVALID, varve_batch_commit(batch, NULL, &written, &err));
    assert_string_equal(
        "row 0: the time 9898 is before 9900, where the retention window of \"m\" begins",
        err.message);
    expect(&w, "m{a=b} 9900 value=9900\n"); /* nothing of the batch */
    check_ok(varve_batch_commit(batch, &options, &written, &err), &err);
    assert_int_equal(2, written.rows);
    assert_int_equal(2, written.rows_rejected);
    assert_int_equal(0, rejected[0].row);
    assert_int_equal(1, rejected[1].row);
    check_status(VARVE_E_INVALID, rejected[0].status);
    for (int64_t i = 0; i < 2; i++) {
        assert_int_equal(VARVE_REJECTED_RETENTION, rejected[i].reason);
        assert_int_equal(NOW - 102 + i, rejected[i].timestamp);
        assert_int_equal(NOW - 100, rejected[i].limit);
    }
    varve_batch_free(batch);
    expect(&w, "m{a=b} 9900 value=2\nm{a=b} 9901 value=3\n");
    engine_fixture_free(&w.f);
}

static void rows_of_one_batch_do_not_refuse_each_other(void **state)
{
    (void)state;
    world w;
    world_init(&w, 0);
    set_wall(&w, 0);
    keep(&w, "", 1);
    put(&w, "m", 0);
    put(&w, "m", 2);
    expect(&w, "m 2 value=2\n"); /* the reference has moved to 2 */
    set_wall(&w, -100);
    expect(&w, "m 2 value=2\n"); /* the newest observed time stays */
    engine_fixture_free(&w.f);
}

static void widening_brings_back_what_was_hidden(void **state)
{
    (void)state;
    world w;
    varve_error err;
    world_init(&w, 0);
    put(&w, "m", NOW - 500);
    put(&w, "m", NOW);
    check_ok(varve_flush(w.f.db, NULL, &err), &err);
    put(&w, "m", NOW - 400);
    keep(&w, "", 100);
    expect(&w, "m 10000 value=10000\n");
    check_ok(varve_compact(w.f.db, VARVE_COMPACT_ALL, NULL, &err), &err);
    keep(&w, "", 450);
    expect(&w, "m 9600 value=9600\nm 10000 value=10000\n");
    check_ok(varve_policy_retention(w.f.db, VARVE_STR(""), NULL, &err), &err);
    expect(&w, "m 9500 value=9500\nm 9600 value=9600\nm 10000 value=10000\n");
    engine_fixture_free(&w.f);
}

static void times_far_ahead_never_move_the_reference(void **state)
{
    (void)state;
    world w;
    varve_error err;
    varve_retention_times times;
    world_init(&w, 0);
    keep(&w, "", 1000);
    put(&w, "m", NOW - 950);
    put(&w, "m", NOW + 15 * 60 + 1);
    varve_retention_times_init(&times);
    check_ok(varve_retention_seen(w.f.db, &times, &err), &err);
    assert_true(times.has_skew && times.skew_rows == 1 && times.skew_newest == NOW + 901);
    assert_true(times.reference == NOW && times.skew_window == 900);
    expect(&w, "m 9050 value=9050\nm 10901 value=10901\n");
    put(&w, "m", NOW + 15 * 60); /* just near enough */
    check_ok(varve_retention_seen(w.f.db, &times, &err), &err);
    assert_true(times.has_observed && times.observed == NOW + 900 && times.reference == NOW + 900);
    expect(&w, "m 10900 value=10900\nm 10901 value=10901\n");
    world_reopen(&w); /* what was observed was so by that handle */
    expect(&w, "m 9050 value=9050\nm 10900 value=10900\nm 10901 value=10901\n");
    engine_fixture_free(&w.f);
}

static void every_question_agrees_on_what_is_hidden(void **state)
{
    (void)state;
    world w;
    varve_error err;
    varve_cursor *cursor;
    const varve_block *block;
    varve_list_options options;
    varve_verified verified;
    world_init(&w, 0);
    put(&w, "old", NOW - 500);
    put(&w, "m", NOW - 500);
    put(&w, "m", NOW);
    check_ok(varve_flush(w.f.db, NULL, &err), &err);
    keep(&w, "", 100);
    varve_list_options_init(&options);
    check_ok(varve_metrics(w.f.db, &options, &cursor, &err), &err);
    check_ok(varve_cursor_next(cursor, &block, &err), &err);
    assert_int_equal(1, block->rows); /* a series without visible rows has vanished */
    varve_cursor_close(cursor);
    varve_verified_init(&verified);
    check_ok(varve_verify(w.f.db, NULL, &verified, &err), &err);
    assert_int_equal(1, verified.rows);
    assert_int_equal(1, verified.series);
    varve_query_options query;
    varve_output output = {.aggregation = VARVE_AGG_COUNT, .name = VARVE_STR("value")};
    varve_query_options_init(&query);
    query.outputs = &output;
    query.output_count = 1;
    assert_string_equal("m value=1u\n", dump_query(w.f.db, &query));
    engine_fixture_free(&w.f);
}

static void a_cursor_keeps_the_cut_of_its_moment(void **state)
{
    (void)state;
    world w;
    varve_error err;
    varve_cursor *cursor;
    varve_query_options query;
    world_init(&w, 0);
    keep(&w, "", 100);
    put(&w, "m", NOW - 50);
    check_ok(varve_flush(w.f.db, NULL, &err), &err);
    varve_query_options_init(&query);
    check_ok(varve_query(w.f.db, &query, &cursor, &err), &err);
    pass(&w, 200);
    settle(&w);
    expect(&w, "");
    assert_int_equal(0, engine_fixture_files(&w.f, "seg") - 1); /* the cursor still reads it */
    assert_string_equal("m 9950 value=9950\n", dump_cursor(w.f.db, cursor));
    assert_int_equal(0, engine_fixture_files(&w.f, "seg"));
    engine_fixture_free(&w.f);
}

/* ---- recorded cuts ---- */

static void a_cut_is_recorded_after_the_grace_time(void **state)
{
    (void)state;
    world w;
    varve_error err;
    world_init(&w, 0);
    put(&w, "m", NOW - 500);
    keep(&w, "", 100);
    check_ok(varve_flush(w.f.db, NULL, &err), &err); /* a look: the grace time begins */
    pass(&w, GRACE_S - 1);
    check_ok(varve_flush(w.f.db, NULL, &err), &err);
    assert_true(info_of(&w, "").recorded_cut == INT64_MIN);
    pass(&w, 1);
    check_ok(varve_flush(w.f.db, NULL, &err), &err);
    assert_true(info_of(&w, "").recorded_cut == NOW - 100); /* that of the first look */
    assert_true(info_of(&w, "").cut == NOW + GRACE_S - 100);
    check_ok(varve_policy_retention(w.f.db, VARVE_STR(""), NULL, &err), &err);
    expect(&w, ""); /* gone for good ... */
    check_status(VARVE_E_INVALID, dump_put(w.f.db, "m", NOW - 101, "value", dump_i64(1)));
    put(&w, "m", NOW - 100);
    expect(&w, "m 9900 value=9900\n");
    engine_fixture_free(&w.f);
}

static void a_clock_that_jumps_for_a_while_removes_nothing(void **state)
{
    (void)state;
    world w;
    varve_error err;
    world_init(&w, 0);
    keep(&w, "", 100);
    put(&w, "m", NOW);
    check_ok(varve_flush(w.f.db, NULL, &err), &err);
    set_wall(&w, NOW + 1000000);
    for (int i = 0; i < GRACE_S - 2; i++) {
        pass(&w, 1);
        check_ok(varve_compact(w.f.db, 0, NULL, &err), &err);
    }
    expect(&w, "");
    set_wall(&w, NOW + GRACE_S);
    expect(&w, "m 10000 value=10000\n"); /* a reader has seen that it did not hold */
    set_wall(&w, NOW + 1000000);
    for (int i = 0; i < 10; i++) {
        pass(&w, 1);
        check_ok(varve_compact(w.f.db, VARVE_COMPACT_ALL, NULL, &err), &err);
    }
    set_wall(&w, NOW + GRACE_S);
    assert_true(info_of(&w, "").recorded_cut < NOW);
    expect(&w, "m 10000 value=10000\n");
    set_wall(&w, NOW + 1000000); /* now it stays there */
    for (int i = 0; i < 2 * GRACE_S; i++) {
        pass(&w, 1);
        check_ok(varve_compact(w.f.db, 0, NULL, &err), &err);
    }
    set_wall(&w, NOW);
    expect(&w, "");
    engine_fixture_free(&w.f);
}

static void a_narrower_window_waits_for_the_grace_time_too(void **state)
{
    (void)state;
    world w;
    varve_error err;
    world_init(&w, 0);
    keep(&w, "", 1000);
    put(&w, "m", NOW - 500);
    settle(&w);
    keep(&w, "", 10); /* a slip */
    check_ok(varve_flush(w.f.db, NULL, &err), &err);
    pass(&w, GRACE_S - 1);
    check_ok(varve_compact(w.f.db, VARVE_COMPACT_ALL, NULL, &err), &err);
    expect(&w, "");
    keep(&w, "", 1000);
    expect(&w, "m 9500 value=9500\n");
    engine_fixture_free(&w.f);
}

static void recorded_cuts_survive(void **state)
{
    (void)state;
    static const uint32_t syncs[] = {VARVE_SYNC_GROUP, VARVE_SYNC_NONE, VARVE_SYNC_NO_LOG};
    for (size_t i = 0; i < 6; i++) {
        world w;
        varve_error err;
        world_init(&w, syncs[i / 2]);
        put(&w, "m", NOW - 500);
        put(&w, "m", NOW);
        put(&w, "n", NOW - 500);
        keep(&w, "n", 800);
        keep(&w, "", 100);
        check_ok(varve_flush(w.f.db, NULL, &err), &err);
        pass(&w, GRACE_S);
        check_ok(varve_compact(w.f.db, 0, NULL, &err), &err); /* only records: no flush behind */
        assert_true(info_of(&w, "m").recorded_cut == NOW - 100);
        assert_true(info_of(&w, "n").recorded_cut == NOW - 800);
        if (i % 2 == 0) {
            engine_fixture_abandon(&w.f);
            engine_fixture_open(&w.f);
        } else {
            world_reopen(&w);
        }
        set_wall(&w, 0); /* what is hidden now is what was recorded */
        assert_true(info_of(&w, "m").recorded_cut == NOW - 100);
        assert_true(info_of(&w, "n").recorded_cut == NOW - 800 && info_of(&w, "n").is_own);
        assert_true(info_of(&w, "n").retention.window == 800);
        assert_true(info_of(&w, "").retention.window == 100);
        expect(&w, "m 10000 value=10000\nn 9500 value=9500\n");
        check_ok(varve_compact(w.f.db, VARVE_COMPACT_ALL, NULL, &err), &err);
        expect(&w, "m 10000 value=10000\nn 9500 value=9500\n");
        engine_fixture_close(&w.f);
        engine_fixture_free(&w.f);
    }
}

static void scopes_have_recorded_cuts_of_their_own(void **state)
{
    (void)state;
    world w;
    varve_error err;
    world_init(&w, 0);
    keep(&w, "", 100);
    settle(&w);
    assert_true(info_of(&w, "m").recorded_cut == NOW - 100);
    keep(&w, "m", 0); /* for ever, but what is gone is gone */
    assert_true(info_of(&w, "m").recorded_cut == NOW - 100 && info_of(&w, "m").cut == NOW - 100);
    check_status(VARVE_E_INVALID, dump_put(w.f.db, "m", NOW - 101, "value", dump_i64(1)));
    put(&w, "m", NOW);
    pass(&w, 1000);
    settle(&w);
    settle(&w);
    assert_true(info_of(&w, "").recorded_cut > NOW);
    assert_true(info_of(&w, "m").recorded_cut == NOW - 100);
    check_ok(varve_policy_retention(w.f.db, VARVE_STR("m"), NULL, &err), &err);
    assert_false(info_of(&w, "m").is_own);
    assert_true(info_of(&w, "m").recorded_cut == NOW - 100); /* nothing of it is gone yet */
    expect(&w, "");
    keep(&w, "m", 0); /* a change of mind */
    expect(&w, "m 10000 value=10000\n");
    check_ok(varve_policy_retention(w.f.db, VARVE_STR("m"), NULL, &err), &err);
    settle(&w);
    assert_true(info_of(&w, "m").recorded_cut > NOW);
    engine_fixture_free(&w.f);
}

static void internal_metrics_are_kept_for_ever(void **state)
{
    (void)state;
    world w;
    varve_error err;
    varve_query_options query;
    world_init(&w, 0);
    keep(&w, "", 100);
    put(&w, "varve.ids", NOW - 5000);
    settle(&w);
    check_ok(varve_compact(w.f.db, VARVE_COMPACT_ALL, NULL, &err), &err);
    varve_query_options_init(&query);
    query.flags = VARVE_QUERY_INTERNAL;
    assert_string_equal("varve.ids 5000 value=5000\n", dump_query(w.f.db, &query));
    check_status(VARVE_E_INVALID, try_keep(&w, "varve.ids", 100, true, &err));
    assert_true(info_of(&w, "varve.ids").cut == INT64_MIN);
    engine_fixture_free(&w.f);
}

/* ---- removing ---- */

static void whole_segments_are_dropped_by_one_edit(void **state)
{
    (void)state;
    world w;
    varve_error err;
    world_init(&w, 0);
    keep(&w, "", 100);
    keep(&w, "long", 100000);
    for (int i = 0; i < 3; i++) {
        put(&w, i == 1 ? "long" : "m", NOW + i);
        check_ok(varve_flush(w.f.db, NULL, &err), &err);
    }
    assert_int_equal(3, engine_fixture_files(&w.f, "seg"));
    pass(&w, 500);
    uint64_t before = digest(&w);
    settle(&w);
    assert_int_equal(1, engine_fixture_files(&w.f, "seg"));
    assert_true(before == digest(&w));
    expect(&w, "long 10001 value=10001\n");
    assert_int_equal(2, atomic_load(&w.f.db->retention.expired_segments));
    assert_int_equal(2, atomic_load(&w.f.db->retention.expired_rows));
    assert_int_equal(0, atomic_load(&w.f.db->counters.merges));
    world_reopen(&w);
    expect(&w, "long 10001 value=10001\n");
    engine_fixture_free(&w.f);
}

static void half_expired_segments_are_rewritten_once(void **state)
{
    (void)state;
    world w;
    varve_error err;
    world_init(&w, 0);
    keep(&w, "", 100);
    put(&w, "varve.ids", NOW - 9000); /* reaches back for ever */
    for (int i = 0; i < 40; i++) {
        put(&w, "m", NOW + i);
    }
    check_ok(varve_flush(w.f.db, NULL, &err), &err);
    pass(&w, 110);
    settle(&w); /* cut at 10010: 10 of 41 rows */
    check_ok(varve_compact(w.f.db, 0, NULL, &err), &err);
    assert_int_equal(0, atomic_load(&w.f.db->counters.merges));
    pass(&w, 15);
    settle(&w); /* cut at 10085: 40 of 41 rows; the flush merges what is worth it */
    assert_int_equal(1, atomic_load(&w.f.db->counters.merges));
    assert_int_equal(1, engine_fixture_files(&w.f, "seg"));
    settle(&w);
    for (int i = 0; i < 3; i++) { /* nothing is left to do, though the cut has moved on */
        check_ok(varve_compact(w.f.db, i == 0 ? 0 : VARVE_COMPACT_ALL, NULL, &err), &err);
    }
    assert_int_equal(1, atomic_load(&w.f.db->counters.merges));
    varve_query_options query;
    varve_query_options_init(&query);
    query.flags = VARVE_QUERY_INTERNAL;
    assert_string_equal("varve.ids 1000 value=1000\n", dump_query(w.f.db, &query));
    engine_fixture_free(&w.f);
}

static void what_may_come_back_holds_its_type(void **state)
{
    (void)state;
    world w;
    varve_error err;
    world_init(&w, 0);
    put(&w, "m", NOW - 500);
    keep(&w, "", 100);
    expect(&w, "");
    check_status(VARVE_E_INVALID, dump_put(w.f.db, "m", NOW, "value", dump_string("x")));
    varve_metric_policy policy;
    varve_metric_policy_init(&policy);
    policy.duplicates = VARVE_DUPLICATES_ALL;
    check_status(VARVE_E_CONFLICT, varve_policy_metric(w.f.db, VARVE_STR("m"), &policy, &err));
    settle(&w); /* gone: nothing holds it any more */
    dump_must_put(w.f.db, "m", NOW, "value", dump_string("x"));
    expect(&w, "m 10000 value=\"x\"\n");
    check_ok(varve_flush(w.f.db, NULL, &err), &err);
    world_reopen(&w);
    expect(&w, "m 10000 value=\"x\"\n");
    engine_fixture_free(&w.f);
}

/* ---- copies and readers ---- */

static void a_snapshot_stays_what_it_was(void **state)
{
    (void)state;
    world w;
    varve_error err;
    world_init(&w, 0);
    keep(&w, "", 100);
    put(&w, "m", NOW - 90);
    check_ok(varve_flush(w.f.db, NULL, &err), &err);
    put(&w, "m", NOW);
    put(&w, "m", NOW + 20); /* moves the reference: the first is hidden */
    uint64_t before = digest(&w);
    expect(&w, "m 10000 value=10000\nm 10020 value=10020\n");
    check_ok(varve_snapshot(w.f.db, "copy", NULL, NULL, &err), &err);
    pass(&w, 1000000);
    varve_db *live = w.f.db;
    varve_options options = w.f.options;
    options.flags |= VARVE_OPEN_READONLY;
    check_ok(varve_open("copy", &options, &w.f.db, &err), &err);
    assert_true(before == digest(&w)); /* a year later */
    expect(&w, "m 10000 value=10000\nm 10020 value=10020\n");
    check_ok(varve_close(w.f.db, &err), &err);
    check_ok(varve_restore("copy", "again", &w.f.options, NULL, NULL, &err), &err);
    options.flags = w.f.options.flags;
    check_ok(varve_open("again", &options, &w.f.db, &err), &err);
    expect(&w, ""); /* by the clock again */
    check_ok(varve_policy_retention(w.f.db, VARVE_STR(""), NULL, &err), &err);
    expect(&w, "m 9910 value=9910\nm 10000 value=10000\nm 10020 value=10020\n");
    check_ok(varve_close(w.f.db, &err), &err);
    w.f.db = live;
    engine_fixture_free(&w.f);
}

static void a_reader_beside_a_writer_follows(void **state)
{
    (void)state;
    world w;
    varve_error err;
    world_init(&w, 0);
    put(&w, "m", NOW - 500);
    put(&w, "m", NOW);
    varve_db *live = w.f.db;
    varve_db *reader;
    varve_options options = w.f.options;
    options.flags |= VARVE_OPEN_READONLY;
    check_ok(varve_open("db", &options, &reader, &err), &err);
    assert_string_equal(dump_all(reader), "m 9500 value=9500\nm 10000 value=10000\n");
    keep(&w, "", 100);
    check_ok(varve_refresh(reader, &err), &err);
    assert_string_equal(dump_all(reader), "m 10000 value=10000\n");
    settle(&w);
    set_wall(&w, 0);
    check_ok(varve_refresh(reader, &err), &err);
    assert_string_equal(dump_all(reader), "m 10000 value=10000\n");
    w.f.db = reader;
    assert_true(info_of(&w, "").recorded_cut == NOW - 100);
    check_status(VARVE_E_READONLY, try_keep(&w, "", 5, true, &err));
    w.f.db = live;
    check_ok(varve_close(reader, &err), &err);
    engine_fixture_free(&w.f);
}

static void rules_are_listed(void **state)
{
    (void)state;
    world w;
    varve_error err;
    varve_retention_info items[2];
    size_t count;
    world_init(&w, 0);
    check_ok(varve_retention_list(w.f.db, NULL, 0, &count, &err), &err);
    assert_int_equal(1, count);
    keep(&w, "b", 5);
    keep(&w, "a", 6);
    keep(&w, "a", 7);
    check_status(VARVE_E_INVALID, try_keep(&w, "a", -1, true, &err));
    check_ok(varve_retention_list(w.f.db, items, 2, &count, &err), &err);
    assert_int_equal(3, count);
    assert_int_equal(0, items[0].metric.size);
    assert_true(items[1].metric.size == 1 && items[1].metric.data[0] == 'b');
    assert_true(items[1].is_own && items[1].retention.window == 5 && items[1].cut == NOW - 5);
    assert_false(info_of(&w, "c").is_own);
    assert_true(info_of(&w, "c").retention.window == 0);
    check_status(VARVE_E_INVALID, varve_retention_get(w.f.db, VARVE_STR(""), NULL, &err));
    engine_fixture_free(&w.f);
}

/* ---- what fails ---- */

static void a_full_disk_is_no_obstacle(void **state)
{
    (void)state;
    world w;
    varve_error err;
    world_init(&w, 0);
    w.f.options.min_free_bytes = 1 << 20;
    engine_fixture_set_free(&w.f, UINT64_C(1) << 40);
    keep(&w, "", 100);
    put(&w, "m", NOW - 50);
    check_ok(varve_flush(w.f.db, NULL, &err), &err);
    put(&w, "m", NOW + 500);
    check_ok(varve_flush(w.f.db, NULL, &err), &err);
    assert_int_equal(2, engine_fixture_files(&w.f, "seg"));
    engine_fixture_set_free(&w.f, 0);
    vv_space_look(w.f.db);
    check_status(VARVE_E_NOSPACE, dump_put(w.f.db, "m", NOW + 3000, "value", dump_i64(1)));
    set_wall(&w, NOW + 500);
    for (int i = 0; i < 2; i++) {
        pass(&w, GRACE_S + 1);
        check_ok(varve_compact(w.f.db, 0, NULL, &err), &err);
    }
    set_wall(&w, NOW + 500);
    assert_true(info_of(&w, "").recorded_cut >= NOW + 400);
    assert_int_equal(1, engine_fixture_files(&w.f, "seg"));
    expect(&w, "m 10500 value=10500\n");
    engine_fixture_set_free(&w.f, UINT64_C(1) << 40);
    vv_space_look(w.f.db);
    put(&w, "m", NOW + 600);
    expect(&w, "m 10500 value=10500\nm 10600 value=10600\n");
    engine_fixture_free(&w.f);
}

static void prepare_pass(world *w)
{
    varve_error err;
    world_init(w, 0);
    keep(w, "", 100);
    put(w, "m", NOW - 50);
    check_ok(varve_flush(w->f.db, NULL, &err), &err);
    put(w, "m", NOW - 49);
    put(w, "m", NOW + 200);
    check_ok(varve_flush(w->f.db, NULL, &err), &err);
    pass(w, GRACE_S);
}

/* Interrupted at any call: the cut is where it was or where it goes, and rows on both sides of it
 * agree, for this handle and for the next. */
static void a_pass_that_fails_anywhere_is_old_or_new(void **state)
{
    (void)state;
    static const int errnos[] = {EIO, ENOSPC};
    for (size_t kind = 0; kind < 4; kind++) {
        bool has_fired = true;
        for (uint64_t call = 1; has_fired; call++) {
            world w;
            varve_error err;
            prepare_pass(&w);
            pass(&w, 200); /* cut at NOW - 100 + 0 at first, then at NOW + 160 */
            vv_fault_rule rule = {
                .first_call = call,
                .call_count = kind < 2 ? 1 : VV_FAULT_FOREVER,
                .kind = VV_FAULT_ERRNO,
                .os_errno = errnos[kind % 2],
            };
            size_t number = vv_fault_add(w.f.fault, &rule);
            varve_status first = varve_compact(w.f.db, 0, NULL, &err);
            pass(&w, GRACE_S);
            varve_status second = varve_compact(w.f.db, VARVE_COMPACT_ALL, NULL, &err);
            has_fired = vv_fault_fired(w.f.fault, number) > 0;
            vv_fault_clear(w.f.fault);
            (void)first;
            (void)second;
            set_wall(&w, 0);
            for (int opened = 0; opened < 2; opened++) {
                int64_t cut = info_of(&w, "").recorded_cut;
                const char *rows = cut == INT64_MIN || cut <= NOW - 50 ? "m 9950 value=9950\n"
                                                                         "m 9951 value=9951\n"
                                                                         "m 10200 value=10200\n"
                                                                       : "m 10200 value=10200\n";
                bool holds_newest = atomic_load(&w.f.db->retention.newest) != INT64_MIN;
                if (!holds_newest || opened == 1) {
                    expect(&w, rows);
                }
                engine_fixture_abandon(&w.f);
                engine_fixture_open(&w.f);
            }
            engine_fixture_free(&w.f);
        }
    }
}

static void failing_allocations_change_nothing_halfway(void **state)
{
    (void)state;
    bool is_done = false;
    for (uint64_t n = 1; !is_done; n++) {
        world w;
        varve_error err;
        world_init(&w, 0);
        put(&w, "m", NOW - 500);
        failing_alloc_plan(&w.f.source, n, true);
        varve_status status = try_keep(&w, "m", 100, true, &err);
        is_done = atomic_load(&w.f.source.failures) == 0;
        failing_alloc_plan(&w.f.source, 0, false);
        if (status != VARVE_OK) {
            check_status(VARVE_E_NOMEM, status);
            assert_false(info_of(&w, "m").is_own);
            expect(&w, "m 9500 value=9500\n");
            keep(&w, "m", 100);
        }
        expect(&w, "");
        engine_fixture_abandon(&w.f);
        engine_fixture_open(&w.f);
        assert_true(info_of(&w, "m").is_own);
        expect(&w, "");
        engine_fixture_free(&w.f);
    }
    is_done = false;
    for (uint64_t n = 1; !is_done; n++) {
        world w;
        varve_error err;
        prepare_pass(&w);
        pass(&w, 200);
        check_ok(varve_compact(w.f.db, 0, NULL, &err), &err);
        pass(&w, GRACE_S);
        failing_alloc_plan(&w.f.source, n, true);
        VV_IGNORE(varve_compact(w.f.db, VARVE_COMPACT_ALL, NULL, &err));
        is_done = atomic_load(&w.f.source.failures) == 0;
        failing_alloc_plan(&w.f.source, 0, false);
        check_ok(varve_compact(w.f.db, VARVE_COMPACT_ALL, NULL, &err), &err);
        assert_true(info_of(&w, "").recorded_cut == NOW + 160);
        engine_fixture_close(&w.f);
        engine_fixture_open(&w.f);
        set_wall(&w, 0);
        expect(&w, "m 10200 value=10200\n");
        engine_fixture_free(&w.f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_enforced_hides_and_refuses_nothing),
        cmocka_unit_test(rows_before_the_cut_are_refused_by_name),
        cmocka_unit_test(rows_of_one_batch_do_not_refuse_each_other),
        cmocka_unit_test(widening_brings_back_what_was_hidden),
        cmocka_unit_test(times_far_ahead_never_move_the_reference),
        cmocka_unit_test(every_question_agrees_on_what_is_hidden),
        cmocka_unit_test(a_cursor_keeps_the_cut_of_its_moment),
        cmocka_unit_test(a_cut_is_recorded_after_the_grace_time),
        cmocka_unit_test(a_clock_that_jumps_for_a_while_removes_nothing),
        cmocka_unit_test(a_narrower_window_waits_for_the_grace_time_too),
        cmocka_unit_test(recorded_cuts_survive),
        cmocka_unit_test(scopes_have_recorded_cuts_of_their_own),
        cmocka_unit_test(internal_metrics_are_kept_for_ever),
        cmocka_unit_test(whole_segments_are_dropped_by_one_edit),
        cmocka_unit_test(half_expired_segments_are_rewritten_once),
        cmocka_unit_test(what_may_come_back_holds_its_type),
        cmocka_unit_test(a_snapshot_stays_what_it_was),
        cmocka_unit_test(a_reader_beside_a_writer_follows),
        cmocka_unit_test(rules_are_listed),
        cmocka_unit_test(a_full_disk_is_no_obstacle),
        cmocka_unit_test(a_pass_that_fails_anywhere_is_old_or_new),
        cmocka_unit_test(failing_allocations_change_nothing_halfway),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
