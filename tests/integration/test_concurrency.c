/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Four writers, two readers, snapshots, flushes and merges in the background. Every batch holds
 * SPREAD rows of one time in as many series, so whatever moment a reader sees, rows come in
 * multiples of SPREAD; at the end every row is there once, and each snapshot holds exactly what has
 * a sequence up to its own. To be run under the thread sanitizer too.
 */
#include "support/check.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/dump.h"
#include "support/memory_world.h"
#include "sys/thread.h"

enum { WRITERS = 4, READERS = 2, SPREAD = 5, BATCHES = 300, DELETED_EVERY = 10, SNAPSHOTS_MAX = 8 };

typedef struct concurrency {
    varve_db *db;
    atomic_bool stops;
    atomic_uint next_writer;
    atomic_uint_least64_t failures;
    char failure[300]; /* of the first; written by whoever counts failures to 1 */
    varve_series series[WRITERS][SPREAD];
    varve_field field;
    uint64_t sequences[WRITERS][BATCHES]; /* of the first row; by its writer */
    varve_options options;
    uint64_t snapshots[SNAPSHOTS_MAX]; /* sequence of each */
    uint32_t snapshot_count;
} concurrency;

static void fail_once(concurrency *c, const char *what, const varve_error *err)
{
    if (atomic_fetch_add(&c->failures, 1) == 0) {
        snprintf(c->failure, sizeof c->failure, "%s: %s", what, err == NULL ? "" : err->message);
    }
    atomic_store(&c->stops, true);
}

static varve_status write_batch(concurrency *c, unsigned writer, int64_t time, varve_error *err)
{
    varve_batch *batch;
    VV_TRY(varve_batch_create(c->db, &batch, err));
    varve_value value = dump_i64(time);
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < SPREAD && status == VARVE_OK; i++) {
        varve_row row = {.series = c->series[writer][i],
                         .timestamp = time,
                         .fields = &c->field,
                         .values = &value,
                         .count = 1};
        status = varve_batch_row(batch, &row, err);
    }
    varve_written written;
    varve_written_init(&written);
    if (status == VARVE_OK) {
        status = varve_batch_commit(batch, NULL, &written, err);
        c->sequences[writer][time] = written.first_row_id;
    }
    varve_batch_free(batch);
    return status;
}

static varve_status delete_batch(concurrency *c, unsigned writer, int64_t time, varve_error *err)
{
    varve_selection selection;
    memset(&selection, 0, sizeof selection);
    selection.kind = VARVE_SELECT_LIST;
    selection.series = c->series[writer];
    selection.series_count = SPREAD;
    varve_written written;
    varve_written_init(&written);
    varve_status status =
        varve_delete(c->db, &selection, 1, (varve_range){time, time + 1}, NULL, &written, err);
    if (status == VARVE_OK && written.series_deleted != SPREAD) {
        fail_once(c, "a delete did not find its rows", NULL);
    }
    return status;
}

static void write_main(void *context)
{
    concurrency *c = context;
    varve_error err;
    unsigned writer = atomic_fetch_add(&c->next_writer, 1);
    for (int64_t i = 0; i < BATCHES && !atomic_load(&c->stops); i++) {
        if (write_batch(c, writer, i, &err) != VARVE_OK) {
            fail_once(c, "write", &err);
        }
        if (i % DELETED_EVERY == DELETED_EVERY - 1 &&
            delete_batch(c, writer, i, &err) != VARVE_OK) {
            fail_once(c, "delete", &err);
        }
    }
}

static uint64_t count_rows(concurrency *c)
{
    varve_error err;
    varve_output count;
    memset(&count, 0, sizeof count);
    count.aggregation = VARVE_AGG_COUNT;
    count.name = VARVE_STR("v");
    varve_query_options options;
    varve_query_options_init(&options);
    options.outputs = &count;
    options.output_count = 1;
    options.grouping = VARVE_GROUP_ALL;
    varve_cursor *cursor;
    const varve_block *block = NULL;
    uint64_t rows = 0;
    if (varve_query(c->db, &options, &cursor, &err) != VARVE_OK ||
        varve_cursor_next(cursor, &block, &err) != VARVE_OK) {
        fail_once(c, "count", &err);
    } else if (block != NULL) {
        rows = ((const uint64_t *)block->columns[0].values)[0];
    }
    varve_cursor_close(cursor);
    return rows;
}

static uint64_t walk_rows(concurrency *c)
{
    varve_error err;
    varve_query_options options;
    varve_query_options_init(&options);
    options.layout = VARVE_LAYOUT_ROWS;
    options.order = VARVE_ORDER_TIME;
    varve_cursor *cursor;
    const varve_block *block = NULL;
    uint64_t rows = 0;
    varve_status status = varve_query(c->db, &options, &cursor, &err);
    do {
        status = status == VARVE_OK ? varve_cursor_next(cursor, &block, &err) : status;
        for (size_t i = 0; status == VARVE_OK && block != NULL && i < block->rows; i++) {
            rows++;
            if (block->row[i].values[0].as.i64 != block->row[i].timestamp) {
                fail_once(c, "a wrong value", NULL);
            }
        }
    } while (status == VARVE_OK && block != NULL);
    if (status != VARVE_OK) {
        fail_once(c, "walk", &err);
    }
    varve_cursor_close(cursor);
    return rows;
}

static void read_main(void *context)
{
    concurrency *c = context;
    for (uint64_t round = 0; !atomic_load(&c->stops); round++) {
        uint64_t rows = round % 2 == 0 ? count_rows(c) : walk_rows(c);
        if (rows % SPREAD != 0) {
            fail_once(c, "part of a batch was seen", NULL);
        }
        varve_error err;
        varve_cursor *cursor;
        varve_stat stats[4];
        size_t count;
        if (varve_series_list(c->db, NULL, &cursor, &err) != VARVE_OK ||
            varve_stats(c->db, stats, 4, &count, &err) != VARVE_OK) {
            fail_once(c, "listing", &err);
        }
        varve_cursor_close(cursor);
    }
}

/* At least one, even where the writers are done before this thread first runs. */
static void snapshot_main(void *context)
{
    concurrency *c = context;
    do {
        varve_error err;
        char path[32];
        varve_copied copied;
        varve_copied_init(&copied);
        snprintf(path, sizeof path, "/copy%u", c->snapshot_count);
        if (varve_snapshot(c->db, path, NULL, &copied, &err) != VARVE_OK) {
            fail_once(c, "snapshot", &err);
            return;
        }
        c->snapshots[c->snapshot_count++] = copied.sequence;
    } while (!atomic_load(&c->stops) && c->snapshot_count < SNAPSHOTS_MAX);
}

/* Whether a batch is in a database at a sequence; 2: the delete that follows it decides, whose
 * sequence is not known. */
static int is_in_snapshot(const concurrency *c, unsigned writer, int64_t time, uint64_t sequence)
{
    bool is_last = time == BATCHES - 1;
    if (c->sequences[writer][time] > sequence) {
        return 0;
    }
    if (time % DELETED_EVERY != DELETED_EVERY - 1) {
        return 1;
    }
    return !is_last && c->sequences[writer][time + 1] <= sequence ? 0 : 2;
}

static void check_snapshot(const concurrency *c, uint32_t number)
{
    static uint8_t found[WRITERS][BATCHES];
    memset(found, 0, sizeof found);
    varve_error err;
    varve_db *db;
    char path[32];
    varve_options options = c->options;
    options.flags = VARVE_OPEN_READONLY;
    snprintf(path, sizeof path, "/copy%u", number);
    check_ok(varve_open(path, &options, &db, &err), &err);
    varve_query_options query;
    varve_query_options_init(&query);
    varve_cursor *cursor;
    check_ok(varve_query(db, &query, &cursor, &err), &err);
    for (;;) {
        const varve_block *block;
        check_ok(varve_cursor_next(cursor, &block, &err), &err);
        if (block == NULL) {
            break;
        }
        size_t series = 0;
        for (size_t i = 0; i < block->labels[0].value.size; i++) {
            series = series * 10 + (size_t)(block->labels[0].value.data[i] - '0');
        }
        for (size_t row = 0; row < block->rows; row++) {
            found[series / SPREAD][block->timestamps[row]]++;
        }
    }
    varve_cursor_close(cursor);
    check_ok(varve_close(db, &err), &err);
    for (unsigned writer = 0; writer < WRITERS; writer++) {
        for (int64_t time = 0; time < BATCHES; time++) {
            int wanted = is_in_snapshot(c, writer, time, c->snapshots[number]);
            uint8_t rows = found[writer][time];
            bool is_right =
                wanted == 2 ? rows == 0 || rows == SPREAD : rows == (wanted == 1 ? SPREAD : 0);
            if (!is_right) {
                fail_msg("snapshot %u at %llu: %u rows of batch %lld of writer %u", number,
                         (unsigned long long)c->snapshots[number], rows, (long long)time, writer);
            }
        }
    }
}

static void writers_and_readers_do_not_disturb_each_other(void **state)
{
    (void)state;
    varve_error err;
    memory_world *world = memory_world_create();
    static concurrency c;
    memset(&c, 0, sizeof c);
    varve_options options;
    varve_options_init(&options);
    options.environment = memory_world_environment(world);
    options.flush_rows = 700;
    options.merge_fan_in = 2;
    options.log_file_bytes = 64 * 1024;
    options.memory_limit_bytes = UINT64_C(64) << 20;
    c.options = options;
    check_ok(varve_open("/db", &options, &c.db, &err), &err);
    for (size_t i = 0; i < WRITERS * SPREAD; i++) {
        char name[32];
        snprintf(name, sizeof name, "m{s=%zu}", i);
        c.series[i / SPREAD][i % SPREAD] = dump_series(c.db, name);
    }
    c.field = dump_field(c.db, "v");
    vv_thread writers[WRITERS];
    vv_thread readers[READERS];
    vv_thread copier;
    for (size_t i = 0; i < READERS; i++) {
        check_ok(vv_thread_start(&readers[i], "reader", read_main, &c, &err), &err);
    }
    for (size_t i = 0; i < WRITERS; i++) {
        check_ok(vv_thread_start(&writers[i], "writer", write_main, &c, &err), &err);
    }
    check_ok(vv_thread_start(&copier, "copier", snapshot_main, &c, &err), &err);
    for (size_t i = 0; i < WRITERS; i++) {
        vv_thread_join(&writers[i]);
    }
    atomic_store(&c.stops, true);
    vv_thread_join(&copier);
    for (size_t i = 0; i < READERS; i++) {
        vv_thread_join(&readers[i]);
    }
    assert_string_equal(c.failure, "");
    assert_true(c.snapshot_count > 0);
    for (uint32_t i = 0; i < c.snapshot_count; i++) {
        check_snapshot(&c, i);
    }
    const uint64_t expected = WRITERS * SPREAD * (BATCHES - BATCHES / DELETED_EVERY);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(count_rows(&c), expected);
        assert_int_equal(walk_rows(&c), expected);
        check_ok(varve_close(c.db, &err), &err);
        check_ok(varve_open("/db", &options, &c.db, &err), &err);
    }
    assert_string_equal(c.failure, "");
    check_ok(varve_close(c.db, &err), &err);
    memory_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writers_and_readers_do_not_disturb_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
