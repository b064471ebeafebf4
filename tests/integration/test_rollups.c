/* SPDX-License-Identifier: Apache-2.0 */
/* Rollups: what the header promises of them. */
#include "support/check.h"

#include <stdio.h>
#include <string.h>

#include "support/dump.h"
#include "support/failing_alloc.h"
#include "support/memory_world.h"

typedef struct rollups {
    memory_world *world;
    varve_options options;
    varve_db *db;
} rollups;

static void rollups_begin(rollups *r)
{
    varve_error err;
    r->world = memory_world_create();
    varve_options_init(&r->options);
    r->options.environment = memory_world_environment(r->world);
    r->options.flags = VARVE_OPEN_NO_BACKGROUND;
    r->options.precision = VARVE_PRECISION_MS;
    check_ok(varve_open("/db", &r->options, &r->db, &err), &err);
}

static void rollups_reopen(rollups *r)
{
    varve_error err;
    check_ok(varve_close(r->db, &err), &err);
    check_ok(varve_open("/db", &r->options, &r->db, &err), &err);
}

/* As a crash that loses nothing: the log has what was written. */
static void rollups_crash(rollups *r)
{
    varve_error err;
    varve_abandon(r->db);
    check_ok(varve_open("/db", &r->options, &r->db, &err), &err);
}

static void rollups_end(rollups *r)
{
    varve_error err;
    check_ok(varve_close(r->db, &err), &err);
    memory_world_free(r->world);
}

static varve_rollup rollups_of(const char *id, const char *metric, int64_t interval,
                               uint32_t aggregation)
{
    return (varve_rollup){.id = dump_text(id),
                          .metric = dump_text(metric),
                          .interval = interval,
                          .aggregation = aggregation};
}

static void rollups_set(rollups *r, const varve_rollup *given, size_t count)
{
    varve_error err;
    check_ok(varve_policy_rollups(r->db, given, count, &err), &err);
}

/* ---- how they stand, as text: "id matched materialized through lag", through - where unknown ----
 */

static void rollups_visit(void *context, const varve_rollup_state *state)
{
    char *text = context;
    size_t used = strlen(text);
    int written = snprintf(text + used, 512 - used, "%.*s %llu %llu", (int)state->rollup->id.size,
                           state->rollup->id.data, (unsigned long long)state->matched_series,
                           (unsigned long long)state->materialized_series);
    used += (size_t)written;
    if (state->has_through == 0) {
        snprintf(text + used, 512 - used, " -\n");
    } else {
        snprintf(text + used, 512 - used, " %lld %lld\n", (long long)state->materialized_through,
                 (long long)state->lag);
    }
}

static const char *rollups_status(rollups *r)
{
    static char text[512];
    varve_error err;
    text[0] = '\0';
    check_ok(varve_rollup_status(r->db, NULL, rollups_visit, text, &err), &err);
    return text;
}

/* ---- the set ---- */

static void the_set_survives_crash_flush_and_reopen(void **state)
{
    (void)state;
    rollups r;
    varve_error err;
    rollups_begin(&r);
    assert_string_equal("", rollups_status(&r));
    varve_rollup given[2] = {rollups_of("b", "cpu", 1000, VARVE_AGG_AVG),
                             rollups_of("a", "mem", 60000, VARVE_AGG_MAX)};
    rollups_set(&r, given, 2);
    assert_string_equal("a 0 0 -\nb 0 0 -\n", rollups_status(&r));
    rollups_crash(&r);
    assert_string_equal("a 0 0 -\nb 0 0 -\n", rollups_status(&r));
    rollups_reopen(&r);
    assert_string_equal("a 0 0 -\nb 0 0 -\n", rollups_status(&r));
    rollups_set(&r, given, 1);
    check_ok(varve_flush(r.db, NULL, &err), &err);
    rollups_crash(&r);
    assert_string_equal("b 0 0 -\n", rollups_status(&r));
    rollups_set(&r, NULL, 0);
    rollups_crash(&r);
    assert_string_equal("", rollups_status(&r));
    rollups_end(&r);
}

static void a_bad_set_changes_nothing(void **state)
{
    (void)state;
    rollups r;
    varve_error err;
    rollups_begin(&r);
    varve_rollup given[2] = {rollups_of("a", "cpu", 1000, VARVE_AGG_AVG),
                             rollups_of("b", "cpu", 0, VARVE_AGG_AVG)};
    rollups_set(&r, given, 1);
    check_status(VARVE_E_INVALID, varve_policy_rollups(r.db, given, 2, &err));
    assert_string_equal("rollup \"b\": an interval of 0; it must be above 0", err.message);
    assert_string_equal("a 0 0 -\n", rollups_status(&r));
    check_status(VARVE_E_INVALID, varve_rollup_status(r.db, NULL, NULL, NULL, &err));
    rollups_end(&r);
}

static void readers_snapshots_and_restored_databases_have_the_set(void **state)
{
    (void)state;
    rollups r;
    rollups reader;
    varve_error err;
    rollups_begin(&r);
    varve_rollup given = rollups_of("a", "cpu", 1000, VARVE_AGG_AVG);
    reader = r;
    reader.options.flags = VARVE_OPEN_READONLY;
    reader.options.precision = 0;
    check_ok(varve_open("/db", &reader.options, &reader.db, &err), &err);
    rollups_set(&r, &given, 1);
    assert_string_equal("", rollups_status(&reader));
    check_ok(varve_refresh(reader.db, &err), &err);
    assert_string_equal("a 0 0 -\n", rollups_status(&reader));
    check_status(VARVE_E_READONLY, varve_policy_rollups(reader.db, &given, 1, &err));
    check_ok(varve_close(reader.db, &err), &err);

    check_ok(varve_snapshot(r.db, "/copy", NULL, NULL, &err), &err);
    check_ok(varve_restore("/copy", "/again", &r.options, NULL, NULL, &err), &err);
    check_ok(varve_open("/copy", &reader.options, &reader.db, &err), &err);
    assert_string_equal("a 0 0 -\n", rollups_status(&reader));
    check_ok(varve_close(reader.db, &err), &err);
    reader.options.flags = VARVE_OPEN_NO_BACKGROUND;
    check_ok(varve_open("/again", &reader.options, &reader.db, &err), &err);
    assert_string_equal("a 0 0 -\n", rollups_status(&reader));
    check_ok(varve_close(reader.db, &err), &err);
    rollups_end(&r);
}

static void what_is_kept_is_closed_to_others(void **state)
{
    (void)state;
    rollups r;
    varve_error err;
    varve_series series;
    rollups_begin(&r);
    check_status(VARVE_E_INVALID, varve_series_resolve(r.db, VARVE_STR("varve.rollup.1"), NULL, 0,
                                                       0, &series, &err));
    check_status(VARVE_E_INVALID,
                 varve_delete(r.db,
                              &(varve_selection){.kind = VARVE_SELECT_MATCH,
                                                 .text = VARVE_STR("varve.rollup.1")},
                              1, (varve_range){0, 10}, NULL, NULL, &err));
    varve_metric_policy policy;
    varve_metric_policy_init(&policy);
    check_status(VARVE_E_INVALID,
                 varve_policy_metric(r.db, VARVE_STR("varve.rollup.1"), &policy, &err));
    rollups_end(&r);
}

/* ---- keeping and answering ---- */

static void rollups_run(rollups *r)
{
    varve_error err;
    check_ok(varve_rollup_run(r->db, NULL, &err), &err);
}

static double rollups_figure(rollups *r, const char *name)
{
    static varve_stat stats[512];
    size_t count;
    varve_error err;
    check_ok(varve_stats(r->db, stats, 512, &count, &err), &err);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(stats[i].name, name) == 0) {
            return stats[i].value;
        }
    }
    fail_msg("there is no figure %s", name);
    return 0;
}

/* Query plans that used a rollup, those of them that read rows too, and points read; since last. */
static const char *rollups_plans(rollups *r)
{
    static double before[3];
    static char text[64];
    double now[3] = {rollups_figure(r, "varve_rollup_query_plans_total"),
                     rollups_figure(r, "varve_rollup_partial_query_plans_total"),
                     rollups_figure(r, "varve_rollup_points_read_total")};
    if (now[0] < before[0]) {
        memset(before, 0, sizeof before); /* reopened */
    }
    snprintf(text, sizeof text, "%.0f %.0f %.0f", now[0] - before[0], now[1] - before[1],
             now[2] - before[2]);
    memcpy(before, now, sizeof now);
    return text;
}

typedef struct rollups_query {
    varve_selection selection;
    varve_output output;
    varve_query_options options;
} rollups_query;

static void rollups_ask(rollups_query *q, const char *selector, uint32_t aggregation, int64_t start,
                        int64_t end, int64_t width)
{
    memset(q, 0, sizeof *q);
    varve_query_options_init(&q->options);
    q->selection.kind = VARVE_SELECT_TEXT;
    q->selection.text = dump_text(selector);
    q->output.name = VARVE_STR("value");
    q->output.aggregation = aggregation;
    q->options.selections = &q->selection;
    q->options.selection_count = 1;
    q->options.outputs = &q->output;
    q->options.output_count = 1;
    q->options.range = (varve_range){start, end};
    q->options.bucket = (varve_bucket){.kind = VARVE_BUCKET_FIXED, .width = width, .origin = start};
}

/* The answer, with the rollups; it must be that without. */
static const char *rollups_answer(rollups *r, rollups_query *q)
{
    q->options.flags |= VARVE_QUERY_NO_STATISTICS;
    const char *without = dump_query(r->db, &q->options);
    q->options.flags &= ~(uint32_t)VARVE_QUERY_NO_STATISTICS;
    const char *with = dump_query(r->db, &q->options);
    assert_string_equal(without, with);
    return with;
}

static void rollups_put(rollups *r, const char *series, int64_t time, double value)
{
    dump_must_put(r->db, series, time, "value", dump_f64(value));
}

static void the_worked_case(void **state)
{
    (void)state;
    rollups r;
    rollups_query q;
    rollups_begin(&r);
    for (int i = 0; i < 5; i++) {
        rollups_put(&r, "cpu{host=a}", 1000 * i, i + 1);
    }
    varve_rollup given = rollups_of("p", "cpu", 1000, VARVE_AGG_AVG);
    rollups_set(&r, &given, 1);
    rollups_run(&r);
    assert_string_equal("p 1 1 4000 0\n", rollups_status(&r));
    (void)rollups_plans(&r);
    rollups_ask(&q, "cpu", VARVE_AGG_AVG, 0, 5000, 1000);
    assert_string_equal(
        "cpu{host=a} 0 value=1\ncpu{host=a} 1000 value=2\ncpu{host=a} 2000 value=3\n"
        "cpu{host=a} 3000 value=4\ncpu{host=a} 4000 value=5\n",
        rollups_answer(&r, &q));
    assert_string_equal("1 1 4", rollups_plans(&r));
    rollups_put(&r, "cpu{host=a}", 1500, 11); /* late: seen at once, by rows */
    const char *corrected =
        "cpu{host=a} 0 value=1\ncpu{host=a} 1000 value=6.5\ncpu{host=a} 2000 value=3\n"
        "cpu{host=a} 3000 value=4\ncpu{host=a} 4000 value=5\n";
    assert_string_equal(corrected, rollups_answer(&r, &q));
    assert_string_equal("1 1 3", rollups_plans(&r));
    rollups_run(&r);
    assert_string_equal(corrected, rollups_answer(&r, &q));
    assert_string_equal("1 1 4", rollups_plans(&r));
    assert_string_equal("p 1 1 4000 0\n", rollups_status(&r));
    rollups_ask(&q, "cpu", VARVE_AGG_AVG, 0, 4000, 1000); /* all of it is kept */
    (void)rollups_answer(&r, &q);
    assert_string_equal("1 0 4", rollups_plans(&r));
    rollups_end(&r);
}

static int64_t const minute = 60000;

/* Ten minutes of two hosts at 10 s, values 0, 1, 2 ...; all complete minutes are kept. */
static void rollups_fill(rollups *r, uint32_t aggregation)
{
    varve_rollup given = rollups_of("p", "cpu", minute, aggregation);
    rollups_set(r, &given, 1);
    for (int i = 0; i < 60; i++) {
        rollups_put(r, "cpu{host=a}", 10000 * i, i);
        rollups_put(r, "cpu{host=b}", 10000 * i, 2 * i);
    }
    rollups_run(r);
    assert_string_equal("p 2 2 540000 50000\n", rollups_status(r));
    (void)rollups_plans(r);
}

static void wider_buckets_and_groups_are_joined_of_parts(void **state)
{
    (void)state;
    static const uint32_t joined[] = {
        VARVE_AGG_SUM,  VARVE_AGG_MIN,   VARVE_AGG_MAX,   VARVE_AGG_AVG,      VARVE_AGG_FIRST,
        VARVE_AGG_LAST, VARVE_AGG_COUNT, VARVE_AGG_RANGE, VARVE_AGG_VARIANCE, VARVE_AGG_STDDEV};
    for (size_t i = 0; i < sizeof joined / sizeof joined[0]; i++) {
        rollups r;
        rollups_query q;
        rollups_begin(&r);
        rollups_fill(&r, joined[i]);
        rollups_ask(&q, "cpu", joined[i], 0, 9 * minute, 3 * minute);
        (void)rollups_answer(&r, &q);
        assert_string_equal("1 0 18", rollups_plans(&r));
        q.options.grouping = VARVE_GROUP_ALL;
        (void)rollups_answer(&r, &q);
        assert_string_equal("1 0 18", rollups_plans(&r));
        /* The range begins and ends within a minute: what is cut is read from rows. */
        rollups_ask(&q, "cpu", joined[i], minute / 2, 8 * minute + 1, 3 * minute);
        q.options.bucket.origin = 0;
        (void)rollups_answer(&r, &q);
        assert_string_equal("1 1 14", rollups_plans(&r));
        rollups_end(&r);
    }
}

static void what_does_not_fit_is_answered_from_rows(void **state)
{
    (void)state;
    rollups r;
    rollups_query q;
    rollups_begin(&r);
    rollups_fill(&r, VARVE_AGG_MEDIAN);
    rollups_ask(&q, "cpu", VARVE_AGG_MEDIAN, 0, 9 * minute, minute);
    (void)rollups_answer(&r, &q);
    assert_string_equal("1 0 18", rollups_plans(&r));
    q.options.grouping = VARVE_GROUP_ALL; /* medians of parts */
    (void)rollups_answer(&r, &q);
    rollups_ask(&q, "cpu", VARVE_AGG_MEDIAN, 0, 8 * minute, 2 * minute);
    (void)rollups_answer(&r, &q);
    rollups_ask(&q, "cpu", VARVE_AGG_AVG, 0, 9 * minute, minute); /* another aggregation */
    (void)rollups_answer(&r, &q);
    rollups_ask(&q, "cpu", VARVE_AGG_MEDIAN, 1, 9 * minute, minute); /* other buckets */
    (void)rollups_answer(&r, &q);
    rollups_ask(&q, "cpu", VARVE_AGG_MEDIAN, 0, 9 * minute, minute / 2);
    (void)rollups_answer(&r, &q);
    q.output.name = VARVE_STR("other");
    (void)rollups_answer(&r, &q);
    assert_string_equal("0 0 0", rollups_plans(&r));
    rollups_end(&r);
}

static void a_delete_is_seen_however_it_was_merged(void **state)
{
    (void)state;
    rollups r;
    rollups_query q;
    varve_error err;
    varve_selection a = {.kind = VARVE_SELECT_TEXT, .text = VARVE_STR("cpu{host=\"a\"}")};
    rollups_begin(&r);
    rollups_fill(&r, VARVE_AGG_COUNT);
    check_ok(varve_flush(r.db, NULL, &err), &err);
    rollups_run(&r);
    check_ok(varve_delete(r.db, &a, 1, (varve_range){minute, 3 * minute}, NULL, NULL, &err), &err);
    rollups_ask(&q, "cpu", VARVE_AGG_COUNT, 0, 9 * minute, minute);
    const char *expected = rollups_answer(&r, &q);
    assert_null(strstr(expected, "cpu{host=a} 60000"));
    /* The rows go, the delete is of no more use to files: it stays, for the rollup does not know.
     */
    check_ok(varve_compact(r.db, VARVE_COMPACT_ALL, NULL, &err), &err);
    check_ok(varve_flush(r.db, NULL, &err), &err);
    assert_string_equal(expected, rollups_answer(&r, &q));
    assert_true(rollups_figure(&r, "varve_tombstones") == 1);
    rollups_reopen(&r);
    assert_string_equal(expected, rollups_answer(&r, &q));
    check_ok(varve_compact(r.db, VARVE_COMPACT_ALL, NULL, &err), &err);
    rollups_crash(&r);
    assert_string_equal(expected, rollups_answer(&r, &q));
    rollups_run(&r);
    assert_string_equal(expected, rollups_answer(&r, &q));
    check_ok(varve_flush(r.db, NULL, &err), &err);
    check_ok(varve_compact(r.db, VARVE_COMPACT_ALL, NULL, &err), &err);
    assert_true(rollups_figure(&r, "varve_tombstones") == 0);
    assert_string_equal(expected, rollups_answer(&r, &q));
    rollups_end(&r);
}

static void a_cursor_does_not_see_what_a_pass_does(void **state)
{
    (void)state;
    rollups r;
    rollups_query q;
    varve_error err;
    varve_cursor *cursor;
    rollups_begin(&r);
    rollups_fill(&r, VARVE_AGG_SUM);
    rollups_ask(&q, "cpu", VARVE_AGG_SUM, 0, 9 * minute, minute);
    const char *expected = rollups_answer(&r, &q);
    check_ok(varve_query(r.db, &q.options, &cursor, &err), &err);
    rollups_put(&r, "cpu{host=a}", minute + 5, 1000);
    rollups_run(&r);
    assert_string_equal(expected, dump_cursor(r.db, cursor));
    check_ok(varve_query(r.db, &q.options, &cursor, &err), &err);
    varve_rollup other = rollups_of("p", "cpu", minute, VARVE_AGG_MAX);
    rollups_set(&r, &other, 1); /* what was kept is deleted beside the cursor */
    rollups_run(&r);
    const char *beside = dump_cursor(r.db, cursor);
    assert_string_equal(rollups_answer(&r, &q), beside);
    rollups_end(&r);
}

static size_t rollups_kept_rows(rollups *r)
{
    varve_query_options options;
    varve_error err;
    varve_cursor *cursor;
    const varve_block *block;
    size_t rows = 0;
    varve_query_options_init(&options);
    options.flags = VARVE_QUERY_INTERNAL;
    check_ok(varve_query(r->db, &options, &cursor, &err), &err);
    do {
        check_ok(varve_cursor_next(cursor, &block, &err), &err);
        bool is_kept = block != NULL && block->metric.size > 13 &&
                       memcmp(block->metric.data, "varve.rollup.", 13) == 0;
        rows += is_kept ? block->rows : 0;
    } while (block != NULL);
    varve_cursor_close(cursor);
    return rows;
}

static void what_a_rollup_that_is_gone_kept_is_deleted(void **state)
{
    (void)state;
    rollups r;
    rollups_begin(&r);
    rollups_fill(&r, VARVE_AGG_SUM);
    assert_int_equal(18, rollups_kept_rows(&r));
    assert_string_equal("", dump_range(r.db, "varve", 0, 10)); /* and never listed */
    rollups_set(&r, NULL, 0);
    rollups_run(&r);
    assert_int_equal(0, rollups_kept_rows(&r));
    rollups_end(&r);
}

static void under_all_a_bucket_is_kept_once(void **state)
{
    (void)state;
    rollups r;
    rollups_query q;
    varve_error err;
    r.world = memory_world_create();
    varve_options_init(&r.options);
    r.options.environment = memory_world_environment(r.world);
    r.options.flags = VARVE_OPEN_NO_BACKGROUND;
    r.options.precision = VARVE_PRECISION_MS;
    r.options.duplicates = VARVE_DUPLICATES_ALL;
    check_ok(varve_open("/db", &r.options, &r.db, &err), &err);
    rollups_fill(&r, VARVE_AGG_COUNT);
    rollups_ask(&q, "cpu", VARVE_AGG_COUNT, 0, 9 * minute, minute);
    for (int i = 0; i < 3; i++) {
        rollups_put(&r, "cpu{host=a}", 0, 5);
        rollups_run(&r);
        (void)rollups_answer(&r, &q);
        rollups_reopen(&r);
        (void)rollups_answer(&r, &q);
    }
    assert_int_equal(18, rollups_kept_rows(&r));
    rollups_end(&r);
}

static void times_far_ahead_do_not_end_buckets(void **state)
{
    (void)state;
    rollups r;
    rollups_begin(&r);
    varve_rollup given = rollups_of("p", "cpu", 1000, VARVE_AGG_AVG);
    rollups_set(&r, &given, 1);
    rollups_put(&r, "cpu", 5000, 1);
    rollups_put(&r, "cpu", INT64_C(4000000000000000), 1); /* the year 128722 */
    rollups_run(&r);
    assert_string_equal("p 1 1 5000 0\n", rollups_status(&r));
    varve_error err;
    check_ok(varve_flush(r.db, NULL, &err), &err);
    rollups_put(&r, "cpu", 7000, 1);
    rollups_run(&r);
    assert_string_equal("p 1 1 7000 0\n", rollups_status(&r));
    rollups_end(&r);
}

static void all_fields_and_types_are_kept(void **state)
{
    (void)state;
    static const uint32_t kept[] = {VARVE_AGG_FIRST, VARVE_AGG_LAST, VARVE_AGG_COUNT,
                                    VARVE_AGG_MIN};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        rollups r;
        rollups_query q;
        rollups_begin(&r);
        varve_rollup given = rollups_of("p", "m", 1000, kept[i]);
        given.flags = VARVE_ROLLUP_ALL_FIELDS;
        rollups_set(&r, &given, 1);
        for (int at = 0; at < 30; at++) {
            dump_must_put(r.db, "m", 100 * at, "i", dump_i64(at * (at % 2 == 0 ? 1 : -1)));
            dump_must_put(r.db, "m", 100 * at, "u", dump_u64((uint64_t)at));
            dump_must_put(r.db, "m", 100 * at, "b", dump_bool(at % 3 == 0));
            dump_must_put(r.db, "m", 100 * at, "s", dump_string(at % 4 == 0 ? "x" : "abc"));
            dump_must_put(r.db, "m", 100 * at, "f", dump_f64(-0.0));
        }
        rollups_run(&r);
        static const char *const names[] = {"i", "u", "b", "s", "f"};
        for (size_t at = 0; at < 5; at++) {
            (void)rollups_plans(&r);
            rollups_ask(&q, "m", kept[i], 0, 2000, 1000);
            q.output.name = dump_text(names[at]);
            (void)rollups_answer(&r, &q);
            assert_string_equal("1 0 2", rollups_plans(&r));
        }
        rollups_end(&r);
    }
}

static void integer_sums_beyond_their_type_stay_exact(void **state)
{
    (void)state;
    rollups r;
    rollups_query q;
    rollups_begin(&r);
    varve_rollup given = rollups_of("p", "m", 1000, VARVE_AGG_SUM);
    rollups_set(&r, &given, 1);
    for (int i = 0; i < 40; i++) {
        int64_t value = i < 20 ? INT64_MAX : INT64_MIN;
        dump_must_put(r.db, "m", 100 * i, "value", dump_i64(value));
    }
    dump_must_put(r.db, "m", 5000, "value", dump_i64(1));
    rollups_run(&r);
    rollups_ask(&q, "m", VARVE_AGG_SUM, 0, 4000, 1000); /* saturated, marked */
    (void)rollups_answer(&r, &q);
    rollups_ask(&q, "m", VARVE_AGG_SUM, 0, 4000, 4000); /* and -20 of all of them */
    assert_string_equal("m 0 value=-20\n", rollups_answer(&r, &q));
    rollups_end(&r);
}

static void a_database_in_memory_has_rollups(void **state)
{
    (void)state;
    rollups r;
    rollups_query q;
    varve_error err;
    r.world = memory_world_create();
    varve_options_init(&r.options);
    r.options.flags = VARVE_OPEN_NO_BACKGROUND;
    r.options.precision = VARVE_PRECISION_MS;
    check_ok(varve_open(NULL, &r.options, &r.db, &err), &err);
    rollups_fill(&r, VARVE_AGG_AVG);
    rollups_ask(&q, "cpu", VARVE_AGG_AVG, 0, 9 * minute, minute);
    (void)rollups_answer(&r, &q);
    assert_string_equal("1 0 18", rollups_plans(&r));
    rollups_end(&r);
}

static void readers_and_restored_databases_use_what_is_kept(void **state)
{
    (void)state;
    rollups r;
    rollups_query q;
    varve_error err;
    rollups_begin(&r);
    rollups_fill(&r, VARVE_AGG_AVG);
    rollups_ask(&q, "cpu", VARVE_AGG_AVG, 0, 9 * minute, minute);
    rollups reader = r;
    reader.options.flags = VARVE_OPEN_READONLY;
    check_ok(varve_open("/db", &reader.options, &reader.db, &err), &err);
    (void)rollups_plans(&reader);
    (void)rollups_answer(&reader, &q);
    assert_string_equal("1 0 18", rollups_plans(&reader));
    check_status(VARVE_E_READONLY, varve_rollup_run(reader.db, NULL, &err));
    check_ok(varve_close(reader.db, &err), &err);
    check_ok(varve_snapshot(r.db, "/copy", NULL, NULL, &err), &err);
    check_ok(varve_restore("/copy", "/again", &r.options, NULL, NULL, &err), &err);
    reader.options.flags = VARVE_OPEN_NO_BACKGROUND;
    check_ok(varve_open("/again", &reader.options, &reader.db, &err), &err);
    (void)rollups_plans(&reader);
    (void)rollups_answer(&reader, &q);
    assert_string_equal("1 0 18", rollups_plans(&reader));
    rollups_put(&reader, "cpu{host=a}", minute, 77);
    (void)rollups_answer(&reader, &q);
    check_ok(varve_close(reader.db, &err), &err);
    rollups_end(&r);
}

static void a_series_that_became_a_ring_is_read(void **state)
{
    (void)state;
    rollups r;
    rollups_query q;
    varve_error err;
    rollups_begin(&r);
    rollups_fill(&r, VARVE_AGG_COUNT);
    varve_selection b = {.kind = VARVE_SELECT_TEXT, .text = VARVE_STR("cpu{host=\"b\"}")};
    check_ok(varve_delete(r.db, &b, 1, (varve_range){INT64_MIN, INT64_MAX}, NULL, NULL, &err),
             &err);
    varve_ring ring;
    varve_ring_init(&ring);
    ring.step = 10000;
    ring.slots = 1000;
    varve_label host = {VARVE_STR("host"), VARVE_STR("b")};
    check_ok(varve_policy_ring(r.db, VARVE_STR("cpu"), &host, 1, &ring, NULL, &err), &err);
    rollups_ask(&q, "cpu{host=\"b\"}", VARVE_AGG_COUNT, 0, 9 * minute, minute);
    rollups_put(&r, "cpu{host=b}", minute, 1);
    assert_string_equal("cpu{host=b} 60000 value=1u\n", rollups_answer(&r, &q));
    rollups_run(&r);
    (void)rollups_plans(&r);
    assert_string_equal("cpu{host=b} 60000 value=1u\n", rollups_answer(&r, &q));
    assert_string_equal("0 0 0", rollups_plans(&r));
    assert_int_equal(9, rollups_kept_rows(&r)); /* of the other */
    check_ok(varve_policy_ring_drop(r.db, VARVE_STR("cpu"), &host, 1, &err), &err);
    rollups_put(&r, "cpu{host=b}", 2 * minute, 1);
    assert_string_equal("cpu{host=b} 120000 value=1u\n", rollups_answer(&r, &q));
    rollups_end(&r);
}

static void every_allocation_of_pass_and_query_may_fail(void **state)
{
    (void)state;
    rollups r;
    rollups_query q;
    varve_error err;
    failing_alloc source;
    failing_alloc_init(&source);
    varve_allocator allocator = failing_alloc_source(&source);
    r.world = memory_world_create();
    varve_options_init(&r.options);
    r.options.environment = memory_world_environment(r.world);
    r.options.flags = VARVE_OPEN_NO_BACKGROUND;
    r.options.precision = VARVE_PRECISION_MS;
    r.options.allocator = &allocator;
    check_ok(varve_open("/db", &r.options, &r.db, &err), &err);
    rollups_fill(&r, VARVE_AGG_SUM);
    rollups_ask(&q, "cpu", VARVE_AGG_SUM, 0, 9 * minute, minute);
    uint64_t failures = 1;
    for (uint64_t nth = 1; failures > 0; nth += 1 + nth / 32) {
        rollups_put(&r, "cpu{host=a}", 5 + (int64_t)nth, 3); /* something to correct */
        failing_alloc_plan(&source, nth, /* once */ true);
        varve_status status = varve_rollup_run(r.db, NULL, &err);
        failures = atomic_load(&source.failures);
        failing_alloc_plan(&source, 0, false);
        assert_true(status == VARVE_OK || status == VARVE_E_NOMEM);
        (void)rollups_answer(&r, &q);
    }
    static char expected[4096];
    snprintf(expected, sizeof expected, "%s", rollups_answer(&r, &q));
    failures = 1;
    for (uint64_t nth = 1; failures > 0; nth += 1 + nth / 32) {
        failing_alloc_plan(&source, nth, /* once */ true);
        const char *answer = dump_query(r.db, &q.options);
        failures = atomic_load(&source.failures);
        failing_alloc_plan(&source, 0, false);
        bool is_told = strstr(answer, "! E_NOMEM") != NULL;
        assert_true(is_told || strcmp(answer, expected) == 0);
    }
    check_ok(varve_close(r.db, &err), &err);
    assert_int_equal(0, atomic_load(&source.live));
    memory_world_free(r.world);
}

static bool rollups_refuse(void *context)
{
    int *left = context;
    return (*left)-- > 0;
}

static void a_pass_that_is_cancelled_leaves_answers_right(void **state)
{
    (void)state;
    rollups r;
    rollups_query q;
    varve_error err;
    rollups_begin(&r);
    rollups_fill(&r, VARVE_AGG_SUM);
    rollups_ask(&q, "cpu", VARVE_AGG_SUM, 0, 10 * minute, minute);
    for (int most = 0; most < 12; most++) {
        int left = most;
        varve_task *task = varve_task_create();
        varve_task_set_check(task, rollups_refuse, &left);
        rollups_put(&r, "cpu{host=a}", 5 + 1000 * most, 3);
        varve_status status = varve_rollup_run(r.db, task, &err);
        assert_true(status == VARVE_OK || status == VARVE_E_CANCELLED);
        varve_task_free(task);
        (void)rollups_answer(&r, &q);
    }
    rollups_end(&r);
}

static void in_the_background_a_pass_comes_by_itself(void **state)
{
    (void)state;
    rollups r;
    rollups_query q;
    varve_error err;
    rollups_begin(&r);
    rollups_fill(&r, VARVE_AGG_AVG);
    r.options.flags = 0;
    rollups_reopen(&r);
    rollups_put(&r, "cpu{host=a}", 5, 3);
    check_ok(varve_flush(r.db, NULL, &err), &err);
    /* No time is promised but by the tick of the thread: ask until it has come. */
    while (rollups_figure(&r, "varve_rollup_worker_runs_total") == 0) {
        rollups_ask(&q, "cpu", VARVE_AGG_AVG, 0, 10 * minute, minute);
        (void)rollups_answer(&r, &q);
    }
    assert_true(rollups_figure(&r, "varve_rollup_worker_errors_total") == 0);
    rollups_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_set_survives_crash_flush_and_reopen),
        cmocka_unit_test(a_bad_set_changes_nothing),
        cmocka_unit_test(readers_snapshots_and_restored_databases_have_the_set),
        cmocka_unit_test(what_is_kept_is_closed_to_others),
        cmocka_unit_test(the_worked_case),
        cmocka_unit_test(wider_buckets_and_groups_are_joined_of_parts),
        cmocka_unit_test(what_does_not_fit_is_answered_from_rows),
        cmocka_unit_test(a_delete_is_seen_however_it_was_merged),
        cmocka_unit_test(a_cursor_does_not_see_what_a_pass_does),
        cmocka_unit_test(what_a_rollup_that_is_gone_kept_is_deleted),
        cmocka_unit_test(under_all_a_bucket_is_kept_once),
        cmocka_unit_test(times_far_ahead_do_not_end_buckets),
        cmocka_unit_test(all_fields_and_types_are_kept),
        cmocka_unit_test(integer_sums_beyond_their_type_stay_exact),
        cmocka_unit_test(a_database_in_memory_has_rollups),
        cmocka_unit_test(readers_and_restored_databases_use_what_is_kept),
        cmocka_unit_test(a_series_that_became_a_ring_is_read),
        cmocka_unit_test(every_allocation_of_pass_and_query_may_fail),
        cmocka_unit_test(a_pass_that_is_cancelled_leaves_answers_right),
        cmocka_unit_test(in_the_background_a_pass_comes_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
