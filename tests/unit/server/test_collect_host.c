/* SPDX-License-Identifier: Apache-2.0 */
#include "server/collect_host.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/slice.h"
#include "support/check.h"
#include "support/temp_dir.h"
#include "sys/clock.h"
#include "sys/process.h"
#include "sys/thread.h"

/* ---- a /proc of the test's own ---- */

static void collect_test_put(const temp_dir *proc, const char *name, const char *text)
{
    FILE *file = fopen(temp_dir_path(proc, name), "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static void collect_test_fill(temp_dir *proc)
{
    temp_dir_create(proc);
    assert_int_equal(mkdir(temp_dir_path(proc, "self"), 0700), 0);
    assert_int_equal(mkdir(temp_dir_path(proc, "net"), 0700), 0);
    collect_test_put(proc, "loadavg", "1.5 2.5 3.5 1/2 3\n");
    collect_test_put(proc, "meminfo", "MemTotal: 1000 kB\nMemAvailable: 250 kB\n");
    collect_test_put(proc, "diskstats", "8 0 sda 1 0 2 0 1 0 4 0\n");
    collect_test_put(proc, "net/dev", "eth0: 7 0 0 0 0 0 0 0 9 0 0 0 0 0 0 0\n");
    collect_test_put(proc, "self/mounts",
                     "/dev/x / ext4 rw 0 0\n/dev/y /no/such/dir ext4 rw 0 0\n");
    collect_test_put(proc, "stat", "cpu 1 2 3 4\n");
}

static size_t collect_test_count(varve_db *db, varve_text selector, double *out_value)
{
    varve_query_options options;
    varve_selection selection = {.kind = VARVE_SELECT_TEXT, .text = selector};
    varve_cursor *cursor;
    const varve_block *block;
    varve_error err;
    size_t rows = 0;
    varve_query_options_init(&options);
    options.selections = &selection;
    options.selection_count = 1;
    check_ok(varve_query(db, &options, &cursor, &err), &err);
    for (;;) {
        check_ok(varve_cursor_next(cursor, &block, &err), &err);
        if (block == NULL) {
            break;
        }
        rows += block->rows;
        assert_int_equal(block->column_count, 1);
        assert_true(vv_text_equal(block->column_names[0], VV_TEXT("value")));
        assert_int_equal(block->columns[0].type, VARVE_TYPE_F64);
        memcpy(out_value, block->columns[0].values, sizeof *out_value);
    }
    varve_cursor_close(cursor);
    return rows;
}

/** Until the metric has rows, at most ten seconds. */
static double collect_test_wait(varve_db *db, varve_text selector)
{
    double value = 0.0;
    int64_t deadline_ns = vv_deadline_after_ns(10 * VV_NS_PER_S);
    while (collect_test_count(db, selector, &value) == 0) {
        assert_true(vv_mono_now_ns() < deadline_ns);
        vv_thread_yield();
    }
    return value;
}

static varve_db *collect_test_open(uint32_t precision)
{
    varve_options options;
    varve_error err;
    varve_db *db;
    varve_options_init(&options);
    options.precision = precision;
    check_ok(varve_open(NULL, &options, &db, &err), &err);
    return db;
}

static void the_first_sample_comes_at_once_with_all_metrics(void **state)
{
    (void)state;
    temp_dir proc;
    collect_test_fill(&proc);
    varve_db *db = collect_test_open(VARVE_PRECISION_STORED);
    vv_collect_host_options options;
    vv_collect_host *collector;
    varve_error err;
    vv_collect_host_options_init(&options);
    options.interval_s = VV_COLLECT_HOST_SECONDS_MAX;
    options.proc_path = proc.path;
    check_ok(vv_collect_host_start(db, &options, &collector, &err), &err);
    assert_true(collect_test_wait(db, VV_TEXT("mem_used_percent")) == 75.0);
    /* One batch: what came with it is there too. */
    double value = 0.0;
    assert_int_equal(collect_test_count(db, VV_TEXT("load_avg_1m"), &value), 1);
    assert_true(value == 1.5);
    assert_int_equal(collect_test_count(db, VV_TEXT("load_avg_5m"), &value), 1);
    assert_int_equal(collect_test_count(db, VV_TEXT("load_avg_15m"), &value), 1);
    assert_int_equal(collect_test_count(db, VV_TEXT("disk_read_bytes{device=\"sda\"}"), &value), 1);
    assert_true(value == 1024.0);
    assert_int_equal(collect_test_count(db, VV_TEXT("disk_write_bytes{device=\"sda\"}"), &value),
                     1);
    assert_true(value == 2048.0);
    assert_int_equal(collect_test_count(db, VV_TEXT("net_bytes_recv{interface=\"eth0\"}"), &value),
                     1);
    assert_true(value == 7.0);
    assert_int_equal(collect_test_count(db, VV_TEXT("net_bytes_sent{interface=\"eth0\"}"), &value),
                     1);
    assert_true(value == 9.0);
    /* The root of this machine; what is not mounted here is left out. */
    assert_int_equal(collect_test_count(db, VV_TEXT("disk_used_percent"), &value), 1);
    assert_true(value >= 0.0 && value <= 100.0);
    /* The counters stood still between the readings. */
    assert_int_equal(collect_test_count(db, VV_TEXT("cpu_percent"), &value), 0);
    assert_int_equal(collect_test_count(db, VV_TEXT("{host=\"\"}"), &value), 0);
    vv_collect_host_stop(collector);
    check_ok(varve_close(db, &err), &err);
    temp_dir_remove(&proc);
}

static void this_machine_gives_processor_time_in_seconds(void **state)
{
    (void)state;
    varve_db *db = collect_test_open(VARVE_PRECISION_S);
    vv_collect_host_options options;
    vv_collect_host *collector;
    varve_error err;
    vv_collect_host_options_init(&options);
    check_ok(vv_collect_host_start(db, &options, &collector, &err), &err);
    double value = collect_test_wait(db, VV_TEXT("cpu_percent"));
    assert_true(value >= 0.0 && value <= 100.0);
    vv_collect_host_stop(collector);
    check_ok(varve_close(db, &err), &err);
}

static void an_interval_of_zero_or_days_is_refused(void **state)
{
    (void)state;
    varve_db *db = collect_test_open(VARVE_PRECISION_STORED);
    vv_collect_host_options options;
    vv_collect_host *collector;
    varve_error err;
    vv_collect_host_options_init(&options);
    options.interval_s = 0;
    check_status(VARVE_E_INVALID, vv_collect_host_start(db, &options, &collector, &err));
    assert_null(collector);
    options.interval_s = VV_COLLECT_HOST_SECONDS_MAX + 1;
    check_status(VARVE_E_INVALID, vv_collect_host_start(db, &options, &collector, &err));
    vv_collect_host_stop(NULL);
    check_ok(varve_close(db, &err), &err);
}

/** Counts what the collector says. */
typedef struct collect_test_reports {
    vv_mutex lock;
    int failures;
    int recoveries;
} collect_test_reports;

static void collect_test_report(void *context, const varve_error *why)
{
    collect_test_reports *reports = context;
    vv_mutex_lock(&reports->lock);
    reports->failures += why != NULL;
    reports->recoveries += why == NULL;
    vv_mutex_unlock(&reports->lock);
}

static int collect_test_failures(collect_test_reports *reports)
{
    vv_mutex_lock(&reports->lock);
    int failures = reports->failures;
    vv_mutex_unlock(&reports->lock);
    return failures;
}

static void a_failing_write_is_reported_once(void **state)
{
    (void)state;
    temp_dir proc;
    temp_dir data;
    collect_test_fill(&proc);
    temp_dir_create(&data);
    collect_test_reports reports = {.failures = 0};
    varve_options open_options;
    varve_error err;
    varve_db *db;
    check_ok(vv_mutex_init(&reports.lock, VV_RANK_TEST_HIGH, 0, &err), &err);
    check_ok(varve_open(data.path, NULL, &db, &err), &err);
    check_ok(varve_close(db, &err), &err);
    varve_options_init(&open_options);
    open_options.flags = VARVE_OPEN_READONLY; /* every write fails */
    check_ok(varve_open(data.path, &open_options, &db, &err), &err);
    vv_collect_host_options options;
    vv_collect_host *collector;
    vv_collect_host_options_init(&options);
    options.interval_s = 1;
    options.proc_path = proc.path;
    options.report = collect_test_report;
    options.report_context = &reports;
    check_ok(vv_collect_host_start(db, &options, &collector, &err), &err);
    int64_t begin_ns = vv_mono_now_ns();
    while (collect_test_failures(&reports) == 0) {
        assert_true(vv_mono_now_ns() < begin_ns + 10 * VV_NS_PER_S);
        vv_thread_yield();
    }
    vv_sleep_until(begin_ns + 1300 * VV_NS_PER_MS); /* the second sample has failed as well */
    vv_collect_host_stop(collector);
    assert_int_equal(reports.failures, 1);
    assert_int_equal(reports.recoveries, 0);
    check_ok(varve_close(db, &err), &err);
    vv_mutex_deinit(&reports.lock);
    temp_dir_remove(&proc);
    temp_dir_remove(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_sample_comes_at_once_with_all_metrics),
        cmocka_unit_test(this_machine_gives_processor_time_in_seconds),
        cmocka_unit_test(an_interval_of_zero_or_days_is_refused),
        cmocka_unit_test(a_failing_write_is_reported_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
