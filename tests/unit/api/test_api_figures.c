/* SPDX-License-Identifier: Apache-2.0 */
/* Every figure of api/api_figures_priv.h moves when it says so, by as much, and not otherwise. */
#include "support/check.h"

#include <errno.h>
#include <string.h>

#include "engine/db.h"
#include "engine/space.h"
#include "support/engine_fixture.h"
#include "support/manual_clock.h"

enum { STATS_MAX = 400 };

typedef struct figures_world {
    engine_fixture f;
    manual_clock clock;
    varve_stat before[STATS_MAX];
} figures_world;

static void world_open(figures_world *w)
{
    memset(w, 0, sizeof *w);
    engine_fixture_prepare(&w->f);
    manual_clock_init(&w->clock, 0);
    w->f.env.clock = manual_clock_of(&w->clock);
    w->f.options.write_timeout_ms = 1;
    engine_fixture_open(&w->f);
}

static size_t world_stats(figures_world *w, varve_stat *stats)
{
    varve_error err;
    size_t count;
    check_ok(varve_stats(w->f.db, stats, STATS_MAX, &count, &err), &err);
    assert_true(count <= STATS_MAX);
    return count;
}

/* From now on differences count. */
static void begin(figures_world *w)
{
    world_stats(w, w->before);
}

static const varve_stat *find(const varve_stat *stats, const char *name)
{
    for (size_t i = 0; i < STATS_MAX && stats[i].name != NULL; i++) {
        if (strcmp(stats[i].name, name) == 0) {
            return &stats[i];
        }
    }
    fail_msg("there is no figure %s", name);
    return NULL;
}

static double now(figures_world *w, const char *name)
{
    varve_stat stats[STATS_MAX] = {{0}};
    world_stats(w, stats);
    return find(stats, name)->value;
}

static double moved(figures_world *w, const char *name)
{
    const varve_stat *stat = find(w->before, name);
    assert_int_equal(stat->kind, VARVE_STAT_COUNTER);
    return now(w, name) - stat->value;
}

#define expect_moved(w, name, by)  assert_int_equal((long long)moved((w), (name)), (by))
#define expect_now(w, name, value) assert_int_equal((long long)now((w), (name)), (value))

static void flush(figures_world *w)
{
    varve_error err;
    check_ok(varve_flush(w->f.db, NULL, &err), &err);
}

static size_t world_break(figures_world *w, vv_vfs_op op, const char *part, int os_errno)
{
    vv_fault_rule rule = {
        .ops = VV_VFS_OP_BIT(op),
        .path_part = part,
        .first_call = 1,
        .call_count = VV_FAULT_FOREVER,
        .kind = VV_FAULT_ERRNO,
        .os_errno = os_errno,
    };
    return vv_fault_add(w->f.fault, &rule);
}

static void names_are_unique_and_explained(void **state)
{
    (void)state;
    figures_world w;
    world_open(&w);
    size_t count = world_stats(&w, w.before);
    for (size_t i = 0; i < count; i++) {
        const varve_stat *stat = &w.before[i];
        assert_true(strncmp(stat->name, "varve_", 6) == 0);
        assert_true(strlen(stat->help) > 5);
        size_t size = strcspn(stat->name, "{");
        bool is_total = size > 6 && strncmp(stat->name + size - 6, "_total", 6) == 0;
        assert_int_equal(is_total, stat->kind == VARVE_STAT_COUNTER);
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(stat->name, w.before[k].name);
        }
    }
    engine_fixture_free(&w.f);
}

static void the_log_counts_what_is_put_into_it(void **state)
{
    (void)state;
    figures_world w;
    world_open(&w);
    expect_now(&w, "varve_wal_enabled", 1);
    expect_now(&w, "varve_wal_files", 1);
    begin(&w);
    double lsn = now(&w, "varve_wal_last_lsn");
    engine_fixture_write(&w.f, 1, 0, 1, 10, 0); /* one batch: names, rows, COMMIT */
    expect_moved(&w, "varve_wal_series_total", 1);
    assert_int_equal((long long)(now(&w, "varve_wal_last_lsn") - lsn), 3);
    engine_fixture_write(&w.f, 1, 10, 1, 10, 0); /* known: no names */
    engine_fixture_write(&w.f, 2, 10, 1, 10, 0);
    expect_moved(&w, "varve_wal_series_total", 2);
    expect_moved(&w, "varve_batches_total", 3);
    expect_moved(&w, "varve_points_written_total", 30);
    expect_now(&w, "varve_wal_left_bytes", 0);
    assert_true(now(&w, "varve_wal_limit_bytes") > 0);
    double file = now(&w, "varve_wal_file");
    for (int64_t time = 1000; now(&w, "varve_wal_left_bytes") == 0.0; time += 1000) {
        engine_fixture_write(&w.f, 1, time, 1, 1000, 0.1);
    }
    assert_int_equal((long long)(now(&w, "varve_wal_file") - file), 1);
    expect_now(&w, "varve_wal_files", 2);
    expect_moved(&w, "varve_wal_released_total", 0);
    flush(&w);
    expect_moved(&w, "varve_wal_released_total", 1);
    expect_moved(&w, "varve_wal_release_failures_total", 0);
    expect_now(&w, "varve_wal_left_bytes", 0);
    expect_now(&w, "varve_wal_files", 1);
    engine_fixture_free(&w.f);
}

static void a_failed_log_counts_whose_outcome_is_unknown(void **state)
{
    (void)state;
    figures_world w;
    varve_error err;
    world_open(&w);
    begin(&w);
    world_break(&w, VV_VFS_OP_SYNC, ".vwl", EIO);
    check_status(VARVE_E_IO, engine_fixture_try_write(&w.f, 1, 0, 1, 1, 0, &err));
    expect_moved(&w, "varve_wal_failures_total", 1);
    check_status(VARVE_E_FENCED, engine_fixture_try_write(&w.f, 1, 0, 1, 1, 0, &err));
    expect_moved(&w, "varve_wal_failures_total", 1); /* that one had no effect */
    expect_now(&w, "varve_health_state{state=\"write_failed\"}", 1);
    expect_now(&w, "varve_health_state{state=\"ok\"}", 0);
    engine_fixture_free(&w.f);
}

static void flushes_count_what_they_store(void **state)
{
    (void)state;
    figures_world w;
    varve_error err;
    world_open(&w);
    engine_fixture_write(&w.f, 1, 0, 1, 10, 0);
    engine_fixture_write(&w.f, 2, 0, 1, 20, 0);
    begin(&w);
    flush(&w);
    flush(&w); /* of nothing */
    expect_moved(&w, "varve_freezes_total", 1);
    expect_moved(&w, "varve_flushes_total", 1);
    expect_moved(&w, "varve_flushes_empty_total", 0);
    expect_moved(&w, "varve_flush_segments_total", 1);
    expect_moved(&w, "varve_flush_series_total", 2);
    expect_moved(&w, "varve_flush_vectors_total", 2);
    expect_moved(&w, "varve_flush_rows_total", 30);
    assert_true(now(&w, "varve_segment_memory_bytes") > 0);
    expect_now(&w, "varve_tombstone_bytes", 0);
    engine_fixture_write(&w.f, 3, 0, 1, 10, 0);
    engine_fixture_delete(&w.f, 3, 0, 10);
    assert_true(now(&w, "varve_tombstone_bytes") > 0);
    flush(&w);
    expect_moved(&w, "varve_flushes_total", 2);
    expect_moved(&w, "varve_flushes_empty_total", 1);
    expect_moved(&w, "varve_flush_segments_total", 1);
    /* What fails is counted apart: here, and with the calls that were asked for by name. */
    engine_fixture_write(&w.f, 1, 100, 1, 10, 0);
    begin(&w);
    world_break(&w, VV_VFS_OP_RENAME, "seg/", ENOSPC);
    check_status(VARVE_E_NOSPACE, varve_flush(w.f.db, NULL, &err));
    expect_moved(&w, "varve_flushes_total", 0);
    expect_moved(&w, "varve_flush_failures_total", 1);
    expect_moved(&w, "varve_maintenance_errors_total", 1);
    expect_moved(&w, "varve_background_errors_total", 0);
    expect_now(&w, "varve_health_reason{reason=\"flush\"}", 1);
    expect_now(&w, "varve_health_reason{reason=\"merge\"}", 0);
    expect_now(&w, "varve_health_state{state=\"degraded\"}", 1);
    engine_fixture_free(&w.f);
}

static void merges_count_both_sides(void **state)
{
    (void)state;
    figures_world w;
    varve_error err;
    world_open(&w);
    begin(&w);
    for (int64_t i = 0; i < 4; i++) { /* the fourth flush makes a merge due */
        engine_fixture_write(&w.f, 1, 5 * i, 1, 10, 0);
        flush(&w);
    }
    expect_moved(&w, "varve_merges_total", 1);
    expect_moved(&w, "varve_merge_source_segments_total", 4);
    expect_moved(&w, "varve_merge_output_segments_total", 1);
    expect_moved(&w, "varve_merge_source_vectors_total", 4);
    expect_moved(&w, "varve_merge_output_vectors_total", 1);
    expect_moved(&w, "varve_merge_rows_total", 40);
    expect_moved(&w, "varve_merge_output_rows_total", 25); /* equal times united */
    expect_moved(&w, "varve_merges_idle_total", 0);
    check_ok(varve_compact(w.f.db, 0, NULL, &err), &err);
    expect_moved(&w, "varve_merges_idle_total", 1);
    expect_moved(&w, "varve_merges_total", 1);
    engine_fixture_delete(&w.f, 1, INT64_MIN, INT64_MAX);
    check_ok(varve_compact(w.f.db, VARVE_COMPACT_ALL, NULL, &err), &err);
    expect_moved(&w, "varve_merges_total", 2);
    expect_moved(&w, "varve_merge_output_segments_total", 1); /* nothing was left */
    engine_fixture_free(&w.f);
}

static varve_status read_rows(figures_world *w, uint64_t rows_max, uint64_t memory_max)
{
    varve_error err;
    varve_query_options options;
    varve_cursor *cursor;
    const varve_block *block = NULL;
    varve_query_options_init(&options);
    options.scanned_rows_max = rows_max;
    options.memory_max = memory_max;
    varve_status status = varve_query(w->f.db, &options, &cursor, &err);
    if (status != VARVE_OK) {
        return status;
    }
    do {
        status = varve_cursor_next(cursor, &block, &err);
    } while (status == VARVE_OK && block != NULL);
    varve_cursor_close(cursor);
    return status;
}

static void queries_count_rows_and_errors(void **state)
{
    (void)state;
    figures_world w;
    world_open(&w);
    engine_fixture_write(&w.f, 1, 0, 1, 100, 0);
    begin(&w);
    check_status(VARVE_OK, read_rows(&w, UINT64_MAX, 1 << 20));
    check_status(VARVE_OK, read_rows(&w, 100, 1 << 20));
    expect_moved(&w, "varve_queries_total", 2);
    expect_moved(&w, "varve_query_rows_returned_total", 200);
    expect_moved(&w, "varve_query_errors_total", 0);
    assert_true(moved(&w, "varve_query_seconds_total") > 0);
    check_status(VARVE_E_LIMIT, read_rows(&w, 99, 1 << 20));
    expect_moved(&w, "varve_query_errors_total", 1);
    check_status(VARVE_E_LIMIT, read_rows(&w, 100, 1000)); /* not even opened */
    expect_moved(&w, "varve_query_errors_total", 2);
    expect_moved(&w, "varve_query_rows_returned_total", 200);
    engine_fixture_free(&w.f);
}

static void an_open_counts_what_it_reads_back(void **state)
{
    (void)state;
    figures_world w;
    world_open(&w);
    engine_fixture_write(&w.f, 1, 0, 1, 10, 0);
    engine_fixture_write(&w.f, 2, 0, 1, 20, 0);
    engine_fixture_write(&w.f, 2, 20, 1, 5, 0);
    expect_now(&w, "varve_replay_runs_total", 1); /* of the empty log of a new database */
    expect_now(&w, "varve_replay_records_total", 0);
    engine_fixture_abandon(&w.f);
    engine_fixture_open(&w.f);
    expect_now(&w, "varve_replay_runs_total", 1);
    expect_now(&w, "varve_replay_series_total", 2);
    expect_now(&w, "varve_replay_batches_total", 3);
    expect_now(&w, "varve_replay_points_total", 35);
    expect_now(&w, "varve_wal_replayed_rows_total", 35);
    expect_now(&w, "varve_replay_holes_total", 0);
    assert_true(now(&w, "varve_replay_bytes_total") > 100);
    expect_now(&w, "varve_replay_records_total", 5); /* names twice, rows three times */
    engine_fixture_close(&w.f);
    engine_fixture_open(&w.f);
    expect_now(&w, "varve_replay_batches_total", 0); /* a clean close leaves nothing to read */
    engine_fixture_free(&w.f);
}

static void bounds_count_who_waited_and_who_was_refused(void **state)
{
    (void)state;
    figures_world w;
    varve_error err;
    world_open(&w);
    w.f.db->options.log_bytes_max = 1; /* the second file is one too many */
    int64_t time = 0;
    begin(&w);
    atomic_store(&w.f.db->flush_retry.not_before_ns, INT64_MAX); /* no flush of its own accord */
    while (now(&w, "varve_wal_left_bytes") == 0.0) {
        assert_true(time < 100000);
        engine_fixture_write(&w.f, 1, time, 1, 1000, 0.1);
        time += 1000;
    }
    expect_moved(&w, "varve_writes_delayed_total", 0);
    atomic_store(&w.f.db->flush_retry.not_before_ns, 0);
    engine_fixture_write(&w.f, 1, time, 1, 10, 0.1);
    time += 1000;
    expect_moved(&w, "varve_flushes_forced_total", 1);
    expect_moved(&w, "varve_writes_delayed_total", 1);
    expect_moved(&w, "varve_writes_refused_total", 0);
    expect_moved(&w, "varve_writes_relieved_total", 1);
    world_break(&w, VV_VFS_OP_RENAME, "seg/", ENOSPC);
    varve_status status = VARVE_OK;
    while (status == VARVE_OK) {
        assert_true(time < 200000);
        status = engine_fixture_try_write(&w.f, 1, time, 1, 1000, 0.1, &err);
        time += 1000;
    }
    check_status(VARVE_E_BUSY, status);
    expect_moved(&w, "varve_writes_refused_total", 1);
    engine_fixture_free(&w.f);
}

static void the_disk_is_told_as_it_was_looked_at(void **state)
{
    (void)state;
    enum { MIB = 1 << 20 };
    figures_world w;
    varve_error err;
    world_open(&w);
    engine_fixture_close(&w.f);
    w.f.options.min_free_bytes = 10 * MIB;
    w.f.options.reserve_bytes = MIB;
    engine_fixture_open(&w.f);
    engine_fixture_set_free(&w.f, 100 * MIB);
    expect_now(&w, "varve_disk_free_bytes", 100 * MIB);
    expect_now(&w, "varve_disk_min_free_bytes", 10 * MIB);
    expect_now(&w, "varve_reserve_bytes", 0);
    begin(&w);
    engine_fixture_set_free(&w.f, 20 * MIB);
    vv_space_look(w.f.db);
    expect_now(&w, "varve_disk_free_bytes", 20 * MIB);
    expect_now(&w, "varve_reserve_bytes", MIB);
    engine_fixture_set_free(&w.f, MIB);
    vv_space_look(w.f.db);
    expect_moved(&w, "varve_nospace_total", 1);
    expect_now(&w, "varve_health_state{state=\"nospace\"}", 1);
    expect_now(&w, "varve_health", VARVE_HEALTH_NOSPACE);
    check_status(VARVE_E_NOSPACE, engine_fixture_try_write(&w.f, 1, 0, 1, 1, 0, &err));
    check_status(VARVE_E_NOSPACE, engine_fixture_try_write(&w.f, 1, 0, 1, 1, 0, &err));
    expect_moved(&w, "varve_writes_nospace_total", 2);
    assert_true(vv_space_release(w.f.db));
    expect_moved(&w, "varve_reserve_releases_total", 1);
    expect_now(&w, "varve_reserve_bytes", 0);
    engine_fixture_free(&w.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_unique_and_explained),
        cmocka_unit_test(the_log_counts_what_is_put_into_it),
        cmocka_unit_test(a_failed_log_counts_whose_outcome_is_unknown),
        cmocka_unit_test(flushes_count_what_they_store),
        cmocka_unit_test(merges_count_both_sides),
        cmocka_unit_test(queries_count_rows_and_errors),
        cmocka_unit_test(an_open_counts_what_it_reads_back),
        cmocka_unit_test(bounds_count_who_waited_and_who_was_refused),
        cmocka_unit_test(the_disk_is_told_as_it_was_looked_at),
    };
    return cmocka_run_group_tests_name("figures", tests, NULL, NULL);
}
