/* SPDX-License-Identifier: Apache-2.0 */
/* Promises J1 and J2 of engine/replay_crew.c: two threads replay what one would. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "engine/replay_crew.h"
#include "support/check.h"
#include "support/engine_fixture.h"

enum { CREW_SERIES = 300, CREW_RUN = VV_REPLAY_CREW_ROWS_MIN + 500, CREW_RUNS = 6 };

/* What a batch is made of. */
typedef struct crew_rows {
    varve_series series[CREW_RUN];
    int64_t times[CREW_RUN];
    double numbers[CREW_RUN];
    varve_text words[CREW_RUN];
    uint64_t present[(CREW_RUN + 63) / 64];
    char text[64][16];
} crew_rows;

static varve_series crew_series(varve_db *db, size_t number)
{
    char name[24];
    varve_series series;
    varve_error err;
    snprintf(name, sizeof name, "s%zu", number);
    varve_label label = {VARVE_STR("n"), vv_text_from_string(name)};
    check_ok(varve_series_resolve(db, VARVE_STR("crew"), &label, 1, 0, &series, &err), &err);
    return series;
}

/* Batches of rows of all series: in order and late, every row with a number, some with a word; a
 * delete in between. */
static void crew_write(varve_db *db)
{
    crew_rows *rows = calloc(1, sizeof *rows);
    varve_field fields[2];
    varve_error err;
    check_ok(varve_field_resolve(db, VARVE_STR("number"), &fields[0], &err), &err);
    check_ok(varve_field_resolve(db, VARVE_STR("word"), &fields[1], &err), &err);
    for (size_t run = 0; run < CREW_RUNS; run++) {
        memset(rows->present, 0, sizeof rows->present);
        for (size_t i = 0; i < CREW_RUN; i++) {
            size_t number = i % CREW_SERIES;
            rows->series[i] = crew_series(db, number);
            int64_t step = (int64_t)(run * (CREW_RUN / CREW_SERIES + 1) + i / CREW_SERIES);
            bool is_late = (i + run) % 17 == 0 && run > 1;
            rows->times[i] = 1000 * (is_late ? step / 2 : step) + (is_late ? 7 : 0);
            rows->numbers[i] = (double)i * 0.25 + (double)run;
            snprintf(rows->text[i % 64], sizeof rows->text[0], "w%zu", i % 64);
            rows->words[i] = vv_text_from_string(rows->text[i % 64]);
            if (i % 5 != 0) {
                rows->present[i / 64] |= UINT64_C(1) << (i % 64);
            }
        }
        varve_column columns[2] = {
            {.type = VARVE_TYPE_F64, .values = rows->numbers},
            {.type = VARVE_TYPE_STRING, .values = rows->words, .present = rows->present},
        };
        varve_columns batch_columns;
        varve_columns_init(&batch_columns);
        batch_columns.rows = CREW_RUN;
        batch_columns.series = rows->series;
        batch_columns.series_count = CREW_RUN;
        batch_columns.timestamps = rows->times;
        batch_columns.timestamp_count = CREW_RUN;
        batch_columns.fields = fields;
        batch_columns.columns = columns;
        batch_columns.column_count = run % 2 == 0 ? 1 : 2; /* dense runs, and sparse ones */
        varve_batch *batch;
        check_ok(varve_batch_create(db, &batch, &err), &err);
        check_ok(varve_batch_columns(batch, &batch_columns, &err), &err);
        check_ok(varve_batch_commit(batch, NULL, NULL, &err), &err);
        varve_batch_free(batch);
        if (run == 3) {
            varve_selection one = {.kind = VARVE_SELECT_TEXT,
                                   .text = VARVE_STR("crew{n=~\"s1.\"}")};
            varve_range range = {.start = 20000, .end = 40000};
            check_ok(varve_delete(db, &one, 1, range, NULL, NULL, &err), &err);
        }
    }
    free(rows);
}

/* Write on one thread, leave as a crash does; the digest of what is visible. */
static void crew_crash(engine_fixture *f, uint64_t out_digest[2], uint64_t *out_rows)
{
    f->options.log_file_bytes = 4 * 1024 * 1024;
    engine_fixture_close(f);
    engine_fixture_open(f);
    crew_write(f->db);
    engine_fixture_digest(f, out_digest, out_rows);
    engine_fixture_abandon(f);
    f->options.flags = 0; /* with threads */
}

static void two_threads_replay_what_was_written(void **state)
{
    engine_fixture *f = *state;
    uint64_t written[2];
    uint64_t replayed[2];
    uint64_t rows;
    uint64_t again;
    crew_crash(f, written, &rows);
    engine_fixture_open(f);
    engine_fixture_digest(f, replayed, &again);
    assert_int_equal(rows, again);
    assert_memory_equal(written, replayed, sizeof written);
}

static void an_allocation_that_fails_in_either_thread_fails_the_open_alone(void **state)
{
    engine_fixture *f = *state;
    uint64_t written[2];
    uint64_t replayed[2];
    uint64_t rows;
    crew_crash(f, written, &rows);
    bool has_opened = false;
    for (uint64_t n = 20; !has_opened; n += 1 + n / 3) {
        varve_error err;
        failing_alloc_plan(&f->source, n, /* once */ false);
        varve_status status = varve_open("db", &f->options, &f->db, &err);
        bool has_failed = atomic_load(&f->source.failures) > 0;
        failing_alloc_plan(&f->source, 0, false);
        if (status != VARVE_OK) {
            check_status(VARVE_E_NOMEM, err.status);
            assert_null(f->db);
            assert_int_equal(atomic_load(&f->source.live), 0);
        } else {
            has_opened = !has_failed;
            engine_fixture_digest(f, replayed, &rows);
            assert_memory_equal(written, replayed, sizeof written);
            engine_fixture_abandon(f);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_fixture_test(two_threads_replay_what_was_written),
        engine_fixture_test(an_allocation_that_fails_in_either_thread_fails_the_open_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
