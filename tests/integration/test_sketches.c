/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sketches of the clients that the interface was made for, run. That they compile as C99 and C++11
 * is test_header_languages.py's part.
 */
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/sketches/arrow.h"
#include "integration/sketches/binding.h"
#include "integration/sketches/documents.h"
#include "integration/sketches/reading.h"
#include "integration/sketches/rings.h"
#include "integration/sketches/series_cache.h"
#include "support/dump.h"
#include "sys/thread.h"

static varve_db *sketches_open(uint32_t row_ids)
{
    varve_error err;
    varve_options options;
    varve_db *db;
    varve_options_init(&options);
    options.row_ids = row_ids;
    options.duplicates = row_ids != 0 ? VARVE_DUPLICATES_ALL : 0;
    check_ok(varve_open(NULL, &options, &db, &err), &err);
    return db;
}

static void a_door_ingests_through_its_cache(void **state)
{
    (void)state;
    varve_error err;
    ingest_door door;
    uint64_t rejected = 0;
    varve_db *db = sketches_open(0);
    check_ok(ingest_open(&door, db, &err), &err);
    dump_must_put(db, "cpu{host=bad}", 1, "value", dump_string("text")); /* numbers do not fit */
    for (int64_t i = 0; i < 10; i++) {
        check_ok(ingest_line(&door, i % 2 == 0 ? "cpu,a" : "cpu,b", i, (double)i, &err), &err);
    }
    check_ok(ingest_line(&door, "cpu,bad", 5, 1, &err), &err);
    check_ok(ingest_request(&door, &rejected, &err), &err);
    assert_int_equal(rejected, 1);
    assert_int_equal(door.misses, 3);
    assert_int_equal(door.hits, 8);
    ingest_close(&door);
    assert_string_equal(dump_range(db, "cpu{host=\"b\"}", 6, 100),
                        "cpu{host=b} 7 value=7\ncpu{host=b} 9 value=9\n");
    check_ok(varve_close(db, &err), &err);
}

static void pages_go_through_everything_once(void **state)
{
    (void)state;
    varve_error err;
    uint64_t last = 0;
    uint64_t rows = 0;
    uint64_t total = 0;
    varve_db *db = sketches_open(VARVE_ROW_IDS_ON);
    for (int64_t i = 0; i < 25; i++) {
        dump_must_put(db, i % 3 == 0 ? "m" : "n", 100 - i, "v", dump_i64(i));
        if (i == 12) {
            check_ok(varve_flush(db, NULL, &err), &err);
        }
    }
    do {
        check_ok(reading_page(db, &last, 4, &rows, &err), &err);
        assert_true(rows <= 4);
        total += rows;
    } while (rows > 0);
    assert_int_equal(total, 25);
    total = 0;
    for (uint64_t offset = 0; offset < 40; offset += 10) {
        check_ok(reading_scroll(db, offset, 10, &rows, &err), &err);
        total += rows;
    }
    assert_int_equal(total, 25);
    check_ok(reading_newest(db, &rows, &err), &err);
    assert_int_equal(rows, 2);
    check_ok(varve_close(db, &err), &err);
}

static void documents_are_updated_and_removed(void **state)
{
    (void)state;
    varve_error err;
    documents_change change;
    varve_db *db = sketches_open(VARVE_ROW_IDS_ON);
    memset(&change, 0, sizeof change);
    change.field = VARVE_STR("v");
    for (int64_t i = 0; i < 10; i++) {
        dump_must_put(db, i % 2 == 0 ? "m" : "n", i, "v", dump_f64((double)i));
    }
    change.below = 3;
    change.factor = 100;
    check_ok(documents_run(db, &change, &err), &err);
    assert_int_equal(change.written.rows_replaced, 3);
    change.below = 9;
    change.removes = true;
    check_ok(documents_run(db, &change, &err), &err);
    assert_int_equal(change.written.rows_deleted, 7);
    assert_int_equal(change.written.rows_missing, 0);
    assert_string_equal(dump_range(db, "{__name__=~\"m|n\"}", 0, 10000),
                        "m 3602 v=200\nn 9 v=9\nn 3601 v=100\n");
    check_ok(varve_close(db, &err), &err);
}

/* ---- a scan by several threads ---- */

typedef struct scan_part {
    varve_cursor *cursor;
    double sum;
    uint64_t rows;
    varve_status status;
} scan_part;

static void scan_main(void *context)
{
    scan_part *part = context;
    const varve_block *block = NULL;
    varve_error err;
    do {
        part->status = varve_cursor_next(part->cursor, &block, &err);
        if (part->status != VARVE_OK || block == NULL) {
            break;
        }
        for (size_t i = 0; i < block->rows; i++) {
            part->sum += ((const double *)block->columns[0].values)[i];
        }
        part->rows += block->rows;
    } while (true);
    varve_cursor_close(part->cursor);
}

enum { SCAN_SERIES = 40, SCAN_ROWS = 50 };

static double sketches_fill(varve_db *db)
{
    varve_error err;
    double sum = 0;
    for (int64_t i = 0; i < SCAN_SERIES; i++) {
        char name[32];
        snprintf(name, sizeof name, "m{s=%d}", (int)i);
        for (int64_t at = 0; at < SCAN_ROWS; at++) {
            dump_must_put(db, name, at, "v", dump_f64((double)(i * at)));
            sum += (double)(i * at);
        }
        if (i == SCAN_SERIES / 2) {
            check_ok(varve_flush(db, NULL, &err), &err);
        }
    }
    return sum;
}

static void a_scan_divides_among_threads(void **state)
{
    (void)state;
    varve_error err;
    varve_cursor *cursor;
    varve_cursor *parts[4];
    size_t count = 0;
    varve_db *db = sketches_open(0);
    double expected = sketches_fill(db);
    varve_query_options options;
    varve_query_options_init(&options);
    options.layout = VARVE_LAYOUT_TABLE;
    check_ok(varve_query(db, &options, &cursor, &err), &err);
    check_ok(varve_cursor_split(cursor, parts, 4, &count, &err), &err);
    assert_true(count >= 1 && count <= 4);
    varve_cursor_close(cursor);
    dump_must_put(db, "m{s=0}", 1000, "v", dump_f64(1e9)); /* not of the snapshot */
    scan_part work[4];
    vv_thread threads[4];
    memset(work, 0, sizeof work);
    for (size_t i = 0; i < count; i++) {
        work[i].cursor = parts[i];
        check_ok(vv_thread_start(&threads[i], "scan", scan_main, &work[i], &err), &err);
    }
    double sum = 0;
    uint64_t rows = 0;
    for (size_t i = 0; i < count; i++) {
        vv_thread_join(&threads[i]);
        check_status(VARVE_OK, work[i].status);
        sum += work[i].sum;
        rows += work[i].rows;
    }
    assert_int_equal(rows, SCAN_SERIES * SCAN_ROWS);
    assert_true(sum == expected);
    options.limit = 5;
    check_ok(varve_query(db, &options, &cursor, &err), &err);
    check_status(VARVE_E_UNSUPPORTED, varve_cursor_split(cursor, parts, 4, &count, &err));
    varve_cursor_close(cursor);
    check_ok(varve_close(db, &err), &err);
}

static void an_arrow_consumer_reads_a_table(void **state)
{
    (void)state;
    varve_error err;
    varve_cursor *cursor;
    struct ArrowArrayStream stream;
    double sum = 0;
    int64_t rows = 0;
    varve_db *db = sketches_open(0);
    double expected = sketches_fill(db);
    varve_query_options options;
    varve_query_options_init(&options);
    check_ok(varve_query(db, &options, &cursor, &err), &err);
    check_status(VARVE_E_INVALID, varve_cursor_arrow(cursor, &stream, &err)); /* not a TABLE */
    varve_cursor_close(cursor);
    options.layout = VARVE_LAYOUT_TABLE;
    check_ok(varve_query(db, &options, &cursor, &err), &err);
    check_ok(varve_cursor_arrow(cursor, &stream, &err), &err);
    check_status(VARVE_E_BUSY, varve_close(db, &err)); /* the stream has the cursor */
    assert_true(arrow_sum(&stream, "v", &sum, &rows));
    assert_int_equal(rows, SCAN_SERIES * SCAN_ROWS);
    assert_true(sum == expected);
    struct ArrowArray batch;
    assert_int_equal(stream.get_next(&stream, &batch), 0); /* the end stays the end */
    assert_null(batch.release);
    stream.release(&stream);
    /* A batch that outlives the database. */
    check_ok(varve_query(db, &options, &cursor, &err), &err);
    check_ok(varve_cursor_arrow(cursor, &stream, &err), &err);
    assert_int_equal(stream.get_next(&stream, &batch), 0);
    stream.release(&stream);
    check_ok(varve_close(db, &err), &err);
    assert_true(batch.length > 0);
    batch.release(&batch);
    assert_null(batch.release);
}

static void a_binding_needs_only_names_and_plain_structs(void **state)
{
    (void)state;
    char path[600];
    ssize_t size = readlink("/proc/self/exe", path, 500);
    assert_true(size > 0 && size < 500);
    path[size] = '\0';
    char *directory = strrchr(path, '/');
    assert_non_null(directory);
    memcpy(directory, "/../libvarve.so", sizeof "/../libvarve.so");
    binding b;
    if (!binding_load(&b, path)) {
        print_message("%s is not there\n", path);
        skip();
    }
    double number = 0;
    assert_string_equal(b.version(), varve_version());
    assert_true(binding_round_trip(&b, 2.25, &number));
    assert_true(number == 2.25);
    dlclose(b.library);
}

static void a_store_of_gauges_keeps_rings(void **state)
{
    (void)state;
    varve_error err;
    gauge_store store = {.db = sketches_open(0)};
    int64_t steps[4];
    size_t count = 0;
    check_ok(gauge_shape(&store, "7", 10, 6, &err), &err);
    check_ok(gauge_shape(&store, "8", 60, 60, &err), &err);
    for (int64_t i = 0; i < 10; i++) {
        check_ok(gauge_put(&store, "7", i * 10 + 3, (double)i, &err), &err);
    }
    check_ok(gauge_put(&store, "7", 13, 5, &err), &err);
    assert_int_equal(store.dropped, 1);
    assert_string_equal(dump_range(store.db, "gauge{id=\"7\"}", 0, 60),
                        "gauge{id=7} 40 value=4\ngauge{id=7} 50 value=5\n");
    check_ok(gauge_shape(&store, "7", 20, 6, &err), &err);
    assert_string_equal(dump_range(store.db, "gauge{id=\"7\"}", 0, 60), "gauge{id=7} 40 value=5\n");
    check_ok(gauge_steps(&store, steps, 4, &count, &err), &err);
    assert_int_equal(count, 2);
    assert_int_equal(steps[0], 20);
    assert_int_equal(steps[1], 60);
    check_ok(varve_close(store.db, &err), &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_of_gauges_keeps_rings),
        cmocka_unit_test(a_door_ingests_through_its_cache),
        cmocka_unit_test(pages_go_through_everything_once),
        cmocka_unit_test(documents_are_updated_and_removed),
        cmocka_unit_test(a_scan_divides_among_threads),
        cmocka_unit_test(an_arrow_consumer_reads_a_table),
        cmocka_unit_test(a_binding_needs_only_names_and_plain_structs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
