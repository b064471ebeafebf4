/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writers, readers, flushes and deletes at once. Each writer owns some series and writes the same
 * number to all of them in one batch, so that a reader who sees a batch in part is found out.
 */
#include "engine/flush.h"
#include "engine/merge.h"
#include "wal/wal.h"

#include "write_world.h"

enum { WRITERS = 3, SERIES = 5, BATCHES = 300, READS = 120 };

typedef struct thread_world {
    write_world world;
    varve_field field;
    varve_series series[WRITERS][SERIES];
    atomic_bool has_failed;
    atomic_uint writers_left;
} thread_world;

typedef struct thread_part {
    thread_world *shared;
    unsigned number;
} thread_part;

static void thread_expect(thread_world *shared, bool holds, const char *what)
{
    if (!holds && !atomic_exchange(&shared->has_failed, true)) {
        print_error("%s\n", what);
    }
}

static void thread_write(void *context)
{
    thread_part *part = context;
    thread_world *shared = part->shared;
    varve_error err;
    varve_batch *batch;
    thread_expect(shared, vv_batch_create(shared->world.db, &batch, &err) == VARVE_OK, "create");
    for (int n = 1; n <= BATCHES && !atomic_load(&shared->has_failed); n++) {
        for (int i = 0; i < SERIES; i++) {
            varve_value value = world_i64(n);
            varve_row row = {
                .series = shared->series[part->number][i],
                .timestamp = n % 10 == 0 ? n - 5 : n, /* some are late */
                .fields = &shared->field,
                .values = &value,
                .count = 1,
            };
            thread_expect(shared, vv_batch_row(batch, &row, &err) == VARVE_OK, "row");
        }
        if (n % 50 == 0) { /* everything before the rows of this batch goes */
            vv_batch_clear(batch);
            varve_selection selection = {.kind = VARVE_SELECT_LIST,
                                         .series = shared->series[part->number],
                                         .series_count = SERIES};
            thread_expect(shared,
                          vv_batch_delete(batch, &selection, 1, (varve_range){INT64_MIN, INT64_MAX},
                                          &err) == VARVE_OK,
                          "delete");
            for (int i = 0; i < SERIES; i++) {
                varve_value value = world_i64(n);
                varve_row row = {
                    .series = shared->series[part->number][i],
                    .timestamp = n,
                    .fields = &shared->field,
                    .values = &value,
                    .count = 1,
                };
                thread_expect(shared, vv_batch_row(batch, &row, &err) == VARVE_OK, "row");
            }
        }
        varve_write_options options;
        varve_write_options_init(&options);
        options.sync = n % 3 == 0 ? VARVE_SYNC_BUFFERED : VARVE_SYNC_GROUP;
        varve_status status = vv_batch_commit(batch, &options, NULL, &err);
        thread_expect(shared, status == VARVE_OK, status == VARVE_OK ? "" : err.message);
    }
    vv_batch_free(batch);
    atomic_fetch_sub(&shared->writers_left, 1);
}

/** Sum, count and greatest value of a series in a view. */
typedef struct thread_answer {
    int64_t sum, rows, greatest;
} thread_answer;

static thread_answer thread_read_series(thread_world *shared, vv_view *view, varve_series series,
                                        vv_codec_scratch *scratch)
{
    thread_answer answer = {0};
    varve_error err;
    vv_scan *scan;
    const vv_part *part;
    vv_scan_options options = {
        .range = {INT64_MIN, INT64_MAX},
        .no_vectors = true,
        .alloc = &shared->world.db->alloc,
        .scratch = scratch,
    };
    if (vv_scan_open(view, (uint32_t)series.id, &options, &scan, &err) != VARVE_OK) {
        thread_expect(shared, false, err.message);
        return answer;
    }
    for (;;) {
        if (vv_scan_next(scan, &part, &err) != VARVE_OK) {
            thread_expect(shared, false, err.message);
            break;
        }
        if (part == NULL) {
            break;
        }
        const int64_t *values = part->rows.columns[0].values;
        for (size_t i = 0; i < part->rows.count; i++) {
            answer.sum += values[i];
            answer.rows++;
            answer.greatest = values[i] > answer.greatest ? values[i] : answer.greatest;
        }
    }
    vv_scan_close(scan);
    return answer;
}

static void thread_read(void *context)
{
    thread_part *part = context;
    thread_world *shared = part->shared;
    varve_error err;
    vv_codec_scratch *scratch;
    thread_expect(shared,
                  vv_codec_scratch_create(&shared->world.db->alloc, &scratch, &err) == VARVE_OK,
                  "scratch");
    int64_t seen[WRITERS] = {0};
    for (int n = 0; n < READS && !atomic_load(&shared->has_failed); n++) {
        vv_view *view;
        if (vv_view_open(shared->world.db, &view, &err) != VARVE_OK) {
            thread_expect(shared, false, err.message);
            break;
        }
        for (int writer = 0; writer < WRITERS; writer++) {
            thread_answer first =
                thread_read_series(shared, view, shared->series[writer][0], scratch);
            thread_expect(shared, first.greatest >= seen[writer], "a row was lost");
            seen[writer] = first.greatest;
            for (int i = 1; i < SERIES; i++) {
                thread_answer other =
                    thread_read_series(shared, view, shared->series[writer][i], scratch);
                thread_expect(shared,
                              other.sum == first.sum && other.rows == first.rows &&
                                  other.greatest == first.greatest,
                              "a batch was seen in part");
            }
        }
        vv_view_unref(view);
    }
    vv_codec_scratch_free(scratch);
}

static void thread_flush(void *context)
{
    thread_part *part = context;
    thread_world *shared = part->shared;
    varve_error err;
    while (atomic_load(&shared->writers_left) > 0 && !atomic_load(&shared->has_failed)) {
        varve_status status = vv_flush(shared->world.db, NULL, &err);
        thread_expect(shared, status == VARVE_OK, status == VARVE_OK ? "" : err.message);
        vv_thread_yield();
    }
}

static void readers_see_whole_batches_while_everything_moves(void **state)
{
    (void)state;
    static thread_world shared;
    memset(&shared, 0, sizeof shared);
    world_prepare(&shared.world);
    shared.world.options.merge_fan_in = 4;
    world_open(&shared.world, WORLD_PATH);
    shared.field = world_field(&shared.world, "v");
    atomic_init(&shared.writers_left, WRITERS);
    for (unsigned writer = 0; writer < WRITERS; writer++) {
        for (unsigned i = 0; i < SERIES; i++) {
            char host[32];
            snprintf(host, sizeof host, "%u-%u", writer, i);
            shared.series[writer][i] = world_series(&shared.world, "m", host);
        }
    }
    vv_thread threads[WRITERS + 3];
    thread_part parts[WRITERS + 3];
    memset(threads, 0, sizeof threads);
    varve_error err;
    for (unsigned i = 0; i < WRITERS + 3; i++) {
        parts[i] = (thread_part){.shared = &shared, .number = i};
        vv_thread_main run = i < WRITERS       ? thread_write
                             : i < WRITERS + 2 ? thread_read
                                               : thread_flush;
        check_ok(vv_thread_start(&threads[i], "test", run, &parts[i], &err), &err);
    }
    for (size_t i = 0; i < WRITERS + 3; i++) {
        vv_thread_join(&threads[i]);
    }
    assert_false(atomic_load(&shared.has_failed));
    /* The last batch of each writer deletes what was before it. */
    for (unsigned writer = 0; writer < WRITERS; writer++) {
        for (unsigned i = 1; i < SERIES; i++) {
            assert_string_equal(world_read(&shared.world, shared.series[writer][0]),
                                world_read(&shared.world, shared.series[writer][i]));
        }
        assert_string_equal("300:v=300i;", world_read(&shared.world, shared.series[writer][0]));
    }
    assert_int_equal(WRITERS * BATCHES, atomic_load(&shared.world.db->counters.batches));
    world_end(&shared.world);
}

/* Many writers of the same series with two types: one of them wins, and stays the only one. */

typedef struct race_part {
    write_world *world;
    varve_series series;
    varve_field field;
    bool is_text;
    unsigned accepted, refused, other;
    atomic_bool *is_done;
    atomic_int_least64_t *epoch;
} race_part;

static void race_write(void *context)
{
    race_part *part = context;
    varve_error err;
    varve_batch *batch;
    if (vv_batch_create(part->world->db, &batch, &err) != VARVE_OK) {
        part->other++;
        return;
    }
    for (int n = 0; n < 100; n++) {
        varve_value value = part->is_text ? world_text("t") : world_f64(1);
        varve_row row = {.series = part->series,
                         .timestamp = n,
                         .fields = &part->field,
                         .values = &value,
                         .count = 1};
        varve_status status = vv_batch_row(batch, &row, &err);
        if (status == VARVE_OK) {
            status = vv_batch_commit(batch, NULL, NULL, &err);
        }
        part->accepted += status == VARVE_OK;
        part->refused += status == VARVE_E_INVALID;
        part->other += status != VARVE_OK && status != VARVE_E_INVALID;
        vv_batch_clear(batch);
    }
    vv_batch_free(batch);
}

static void a_field_never_holds_two_types(void **state)
{
    (void)state;
    write_world world;
    world_prepare(&world);
    world_open(&world, WORLD_PATH);
    varve_error err;
    vv_thread threads[4];
    race_part parts[4];
    memset(threads, 0, sizeof threads);
    for (unsigned i = 0; i < 4; i++) {
        parts[i] = (race_part){.world = &world,
                               .series = world_series(&world, "m", "a"),
                               .field = world_field(&world, "v"),
                               .is_text = i % 2 == 0};
        check_ok(vv_thread_start(&threads[i], "race", race_write, &parts[i], &err), &err);
    }
    unsigned accepted[2] = {0};
    unsigned refused[2] = {0};
    for (unsigned i = 0; i < 4; i++) {
        vv_thread_join(&threads[i]);
        accepted[i % 2] += parts[i].accepted;
        refused[i % 2] += parts[i].refused;
        assert_int_equal(0, parts[i].other);
    }
    unsigned winner = accepted[0] > 0 ? 0 : 1;
    assert_int_equal(200, accepted[winner]);
    assert_int_equal(200, refused[1 - winner]);
    world_end(&world);
}

/* Deletes by selection while series that they select come into being. The log holds selections and
 * resolves them again at the next open: both answers must be the same. */

enum { NEW_SERIES = 400 };

static void birth_write(void *context)
{
    race_part *part = context;
    varve_error err;
    varve_batch *batch;
    if (vv_batch_create(part->world->db, &batch, &err) != VARVE_OK) {
        part->other++;
        return;
    }
    for (unsigned n = 0; n < NEW_SERIES; n++) {
        char host[16];
        snprintf(host, sizeof host, "n%u", n);
        varve_series series = world_series(part->world, "m", host);
        varve_value value = world_f64(n);
        varve_row row = {.series = series,
                         .timestamp = atomic_load(part->epoch),
                         .fields = &part->field,
                         .values = &value,
                         .count = 1};
        varve_write_options options;
        varve_write_options_init(&options);
        options.sync = VARVE_SYNC_BUFFERED;
        varve_status status = vv_batch_row(batch, &row, &err);
        if (status == VARVE_OK) {
            status = vv_batch_commit(batch, &options, NULL, &err);
        }
        part->other += status != VARVE_OK;
    }
    vv_batch_free(batch);
    atomic_store(part->is_done, true);
}

static void birth_delete(void *context)
{
    race_part *part = context;
    varve_error err;
    varve_batch *batch;
    if (vv_batch_create(part->world->db, &batch, &err) != VARVE_OK) {
        part->other++;
        return;
    }
    while (!atomic_load(part->is_done)) {
        varve_selection selection = {.kind = VARVE_SELECT_TEXT,
                                     .text = VARVE_STR("m{host=~\"n.*\"}")};
        varve_write_options options;
        varve_write_options_init(&options);
        options.sync = VARVE_SYNC_BUFFERED;
        int64_t now = atomic_load(part->epoch); /* one delete for each time: no second chance */
        varve_status status =
            vv_batch_delete(batch, &selection, 1, (varve_range){now, now + 1}, &err);
        if (status == VARVE_OK) {
            status = vv_batch_commit(batch, &options, NULL, &err);
        }
        part->other += status != VARVE_OK;
        part->accepted++;
        atomic_fetch_add(part->epoch, 1);
    }
    vv_batch_free(batch);
}

static void deletes_hide_the_same_after_a_reopen(void **state)
{
    (void)state;
    write_world world;
    world_prepare(&world);
    world_open(&world, WORLD_PATH);
    varve_error err;
    atomic_bool is_done;
    atomic_int_least64_t epoch;
    atomic_init(&is_done, false);
    atomic_init(&epoch, 0);
    vv_thread threads[2];
    memset(threads, 0, sizeof threads);
    race_part parts[2];
    for (unsigned i = 0; i < 2; i++) {
        parts[i] = (race_part){.world = &world,
                               .field = world_field(&world, "v"),
                               .is_done = &is_done,
                               .epoch = &epoch};
        check_ok(vv_thread_start(&threads[i], "birth", i == 0 ? birth_write : birth_delete,
                                 &parts[i], &err),
                 &err);
    }
    for (unsigned i = 0; i < 2; i++) {
        vv_thread_join(&threads[i]);
        assert_int_equal(0, parts[i].other);
    }
    bool is_there[NEW_SERIES];
    for (int again = 0; again < 2; again++) {
        size_t count = 0;
        for (unsigned n = 0; n < NEW_SERIES; n++) {
            char host[16];
            snprintf(host, sizeof host, "n%u", n);
            bool has = world_read(&world, world_series(&world, "m", host))[0] != '\0';
            assert_true(again == 0 || has == is_there[n]);
            is_there[n] = has;
            count += has ? 1 : 0;
        }
        print_message("%u deletes, %zu series left\n", parts[1].accepted, count);
        if (again == 0) {
            uint64_t lsn;
            uint64_t sequence;
            vv_wal_position(world.db->wal, &lsn, &sequence);
            check_ok(vv_wal_sync(world.db->wal, lsn, &err), &err);
            world_abandon(&world);
            world_open(&world, WORLD_PATH);
        }
    }
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_see_whole_batches_while_everything_moves),
        cmocka_unit_test(a_field_never_holds_two_types),
        cmocka_unit_test(deletes_hide_the_same_after_a_reopen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
