/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings from several threads: each writer fills a ring of its own and one series beside it in the
 * same batches, a reader reads, one thread changes shapes, flushes run in the background. Whatever
 * moment a reader sees, the newest row of a ring is as new as that of the series beside it, its
 * rows ascend, and there are no more than slots. To be run under the thread sanitizer too.
 */
#include "support/check.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "support/dump.h"
#include "support/memory_world.h"
#include "sys/thread.h"

enum { WRITERS = 3, BATCHES = 400, SLOTS_MAX = 80, STEP = 10 };

typedef struct threads {
    varve_db *db;
    atomic_bool stops;
    atomic_uint next_writer;
    atomic_uint_least64_t failures;
    char failure[300]; /* of the first; written by whoever counts failures to 1 */
    varve_series rings[WRITERS], others[WRITERS];
    varve_field field;
} threads;

static const char *const names[WRITERS] = {"a", "b", "c"};

static void fail_once(threads *t, const char *what, const varve_error *err)
{
    if (atomic_fetch_add(&t->failures, 1) == 0) {
        snprintf(t->failure, sizeof t->failure, "%s: %s", what, err == NULL ? "" : err->message);
    }
    atomic_store(&t->stops, true);
}

static varve_status shape(threads *t, unsigned writer, uint64_t slots, varve_error *err)
{
    varve_label label = {VARVE_STR("w"), {names[writer], 1}};
    varve_ring ring;
    varve_ring_init(&ring);
    ring.step = STEP;
    ring.slots = slots;
    return varve_policy_ring(t->db, VARVE_STR("ring"), &label, 1, &ring, &t->rings[writer], err);
}

static void write_main(void *context)
{
    threads *t = context;
    unsigned writer = atomic_fetch_add(&t->next_writer, 1);
    varve_error err;
    varve_batch *batch;
    varve_status status = varve_batch_create(t->db, &batch, &err);
    for (int64_t i = 1; i <= BATCHES && status == VARVE_OK && !atomic_load(&t->stops); i++) {
        varve_value value = dump_f64((double)i);
        varve_row row = {.series = t->rings[writer],
                         .timestamp = i * STEP,
                         .fields = &t->field,
                         .values = &value,
                         .count = 1};
        status = varve_batch_row(batch, &row, &err);
        row.series = t->others[writer];
        if (status == VARVE_OK) {
            status = varve_batch_row(batch, &row, &err);
        }
        if (status == VARVE_OK) {
            status = varve_batch_commit(batch, NULL, NULL, &err);
        }
    }
    varve_batch_free(batch);
    if (status != VARVE_OK) {
        fail_once(t, "write", &err);
    }
}

/* Newest time of a block's series; checks its order and size. */
static int64_t newest_of(threads *t, const varve_block *block, int64_t before)
{
    for (size_t i = 0; i < block->rows; i++) {
        if (block->timestamps[i] <= before) {
            fail_once(t, "rows do not ascend", NULL);
        }
        before = block->timestamps[i];
    }
    return before;
}

static void read_once(threads *t)
{
    varve_error err;
    varve_cursor *cursor;
    varve_query_options query;
    int64_t newest[2][WRITERS] = {{0}};
    size_t rows[WRITERS] = {0};
    varve_query_options_init(&query);
    varve_status status = varve_query(t->db, &query, &cursor, &err);
    while (status == VARVE_OK) {
        const varve_block *block;
        status = varve_cursor_next(cursor, &block, &err);
        if (status != VARVE_OK || block == NULL) {
            break;
        }
        for (size_t i = 0; i < WRITERS; i++) {
            if (block->series.id == t->rings[i].id) {
                newest[0][i] = newest_of(t, block, newest[0][i]);
                rows[i] += block->rows;
            } else if (block->series.id == t->others[i].id) {
                newest[1][i] = newest_of(t, block, newest[1][i]);
            }
        }
    }
    varve_cursor_close(cursor);
    if (status != VARVE_OK) {
        fail_once(t, "read", &err);
    }
    for (size_t i = 0; i < WRITERS; i++) {
        if (newest[0][i] != newest[1][i] || rows[i] > SLOTS_MAX) {
            fail_once(t, "a batch was seen in part", NULL);
        }
    }
}

static void read_main(void *context)
{
    threads *t = context;
    while (!atomic_load(&t->stops)) {
        read_once(t);
    }
}

static void change_main(void *context)
{
    threads *t = context;
    varve_error err;
    for (int i = 0; i < 12 && !atomic_load(&t->stops); i++) {
        /* One writer's ring only: the handle of its series stays the same. */
        varve_label label = {VARVE_STR("w"), {names[0], 1}};
        varve_ring ring;
        varve_ring_init(&ring);
        ring.step = STEP;
        ring.slots = i % 2 == 0 ? 50 : SLOTS_MAX;
        if (varve_policy_ring(t->db, VARVE_STR("ring"), &label, 1, &ring, NULL, &err) != VARVE_OK) {
            fail_once(t, "reshape", &err);
        }
    }
}

static void rings_are_written_read_and_reshaped_at_once(void **state)
{
    (void)state;
    static threads t;
    varve_error err;
    varve_options options;
    vv_thread writers[WRITERS];
    vv_thread reader;
    vv_thread changer;
    memory_world *world = memory_world_create();
    memset(&t, 0, sizeof t);
    varve_options_init(&options);
    options.environment = memory_world_environment(world);
    options.flush_rows = 100;
    options.log_file_bytes = 64 * 1024;
    check_ok(varve_open("/db", &options, &t.db, &err), &err);
    check_ok(varve_field_resolve(t.db, VARVE_STR("value"), &t.field, &err), &err);
    for (unsigned i = 0; i < WRITERS; i++) {
        varve_label label = {VARVE_STR("w"), {names[i], 1}};
        check_ok(shape(&t, i, SLOTS_MAX, &err), &err);
        check_ok(varve_series_resolve(t.db, VARVE_STR("other"), &label, 1, 0, &t.others[i], &err),
                 &err);
    }
    for (size_t i = 0; i < WRITERS; i++) {
        check_ok(vv_thread_start(&writers[i], "writer", write_main, &t, &err), &err);
    }
    check_ok(vv_thread_start(&reader, "reader", read_main, &t, &err), &err);
    check_ok(vv_thread_start(&changer, "changer", change_main, &t, &err), &err);
    for (size_t i = 0; i < WRITERS; i++) {
        vv_thread_join(&writers[i]);
    }
    vv_thread_join(&changer);
    atomic_store(&t.stops, true);
    vv_thread_join(&reader);
    if (atomic_load(&t.failures) > 0) {
        fail_msg("%s", t.failure);
    }
    for (int pass = 0; pass < 2; pass++) {
        varve_verified verified;
        varve_verified_init(&verified);
        check_ok(varve_verify(t.db, NULL, &verified, &err), &err);
        assert_string_equal(dump_range(t.db, "ring", (BATCHES - 1) * STEP, INT64_MAX),
                            "ring{w=a} 3990 value=399\nring{w=a} 4000 value=400\n"
                            "ring{w=b} 3990 value=399\nring{w=b} 4000 value=400\n"
                            "ring{w=c} 3990 value=399\nring{w=c} 4000 value=400\n");
        read_once(&t);
        check_ok(varve_close(t.db, &err), &err);
        check_ok(varve_open("/db", &options, &t.db, &err), &err);
        for (unsigned i = 0; i < WRITERS; i++) {
            varve_label label = {VARVE_STR("w"), {names[i], 1}};
            check_ok(varve_series_resolve(t.db, VARVE_STR("ring"), &label, 1, 0, &t.rings[i], &err),
                     &err);
            check_ok(
                varve_series_resolve(t.db, VARVE_STR("other"), &label, 1, 0, &t.others[i], &err),
                &err);
        }
    }
    assert_int_equal(atomic_load(&t.failures), 0);
    check_ok(varve_close(t.db, &err), &err);
    memory_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rings_are_written_read_and_reshaped_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
