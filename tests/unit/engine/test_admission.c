/* SPDX-License-Identifier: Apache-2.0 */
/* What a write waits for, and what it is refused by: A1 and A2 of engine/admission.h. */
#include "support/check.h"

#include <errno.h>
#include <string.h>

#include "base/limit.h"
#include "base/random.h"
#include "engine/admission.h"
#include "engine/write_priv.h"
#include "index/catalogue.h"
#include "support/clocked_fixture.h"
#include "wal/wal.h"

enum { KIB = 1024, MIB = 1024 * 1024, ROW_BYTES = 4096 };

typedef clocked_fixture bounded_world;

static void world_create(bounded_world *w)
{
    clocked_fixture_create(w, 0);
    w->f.options.write_timeout_ms = 1;
}

/* A row of bytes that nothing makes smaller. */
static varve_status write_blob(varve_db *db, int64_t time, varve_error *err)
{
    static char text[ROW_BYTES];
    varve_field field;
    varve_series series;
    varve_batch *batch;
    vv_random random;
    vv_random_init(&random, (uint64_t)time);
    vv_random_fill(&random, text, sizeof text);
    varve_value value = {.type = VARVE_TYPE_BYTES, .as.bytes = {text, sizeof text}};
    VV_TRY(varve_field_resolve(db, VARVE_STR("v"), &field, err));
    VV_TRY(varve_series_resolve(db, VARVE_STR("blob"), NULL, 0, 0, &series, err));
    varve_row row = {
        .series = series, .timestamp = time, .fields = &field, .values = &value, .count = 1};
    VV_TRY(varve_batch_create(db, &batch, err));
    varve_status status = varve_batch_row(batch, &row, err);
    if (status == VARVE_OK) {
        status = varve_batch_commit(batch, NULL, NULL, err);
    }
    varve_batch_free(batch);
    return status;
}

static uint64_t count_rows(varve_db *db)
{
    varve_error err;
    varve_verified verified;
    varve_verified_init(&verified);
    check_ok(varve_verify(db, NULL, &verified, &err), &err);
    return verified.rows;
}

/* ---- the log ---- */

static void a_log_that_no_flush_shortens_refuses_writes_at_its_bound(void **state)
{
    (void)state;
    bounded_world w;
    varve_error err;
    world_create(&w);
    w.f.options.log_bytes_max = 192 * KIB;
    engine_fixture_open(&w.f);
    vv_fault_rule rule = {
        .ops = VV_VFS_OP_BIT(VV_VFS_OP_RENAME),
        .path_part = "seg/",
        .first_call = 1,
        .call_count = VV_FAULT_FOREVER,
        .kind = VV_FAULT_ERRNO,
        .os_errno = ENOSPC,
    };
    int64_t time = 0;
    varve_status status = VARVE_OK;
    check_ok(write_blob(w.f.db, time++, &err), &err);
    vv_fault_add(w.f.fault, &rule);
    while (status == VARVE_OK) {
        status = write_blob(w.f.db, time, &err);
        time += status == VARVE_OK ? 1 : 0;
        /* The bound, and one file. */
        assert_true(vv_wal_bytes(w.f.db->wal) <= 192 * KIB + 64 * KIB + 64 * KIB);
        assert_true(time < 1000);
    }
    check_status(VARVE_E_BUSY, status);
    assert_non_null(strstr(err.message, "log_bytes_max"));
    assert_true(vv_wal_left_bytes(w.f.db->wal) >= 192 * KIB);
    assert_int_equal(varve_health(w.f.db, &err), VARVE_HEALTH_DEGRADED);
    assert_non_null(strstr(err.message, "flush"));
    assert_int_equal(count_rows(w.f.db), time);
    /* A refusal by the log is no effect, and goes with the next flush that works. */
    check_status(VARVE_E_BUSY, write_blob(w.f.db, time, &err));
    vv_fault_clear(w.f.fault);
    manual_clock_advance(&w.clock, 64 * VV_NS_PER_S);
    check_ok(write_blob(w.f.db, time++, &err), &err);
    assert_int_equal(varve_health(w.f.db, &err), VARVE_HEALTH_OK);
    assert_true(vv_wal_left_bytes(w.f.db->wal) < 192 * KIB);
    assert_int_equal(count_rows(w.f.db), time);
    engine_fixture_free(&w.f);
}

static void a_flush_begins_at_half_of_the_log_bound(void **state)
{
    (void)state;
    bounded_world w;
    varve_error err;
    world_create(&w);
    w.f.options.log_bytes_max = 512 * KIB;
    engine_fixture_open(&w.f);
    uint64_t most = 0;
    for (int64_t time = 0; time < 600; time++) { /* 2.4 MiB */
        check_ok(write_blob(w.f.db, time, &err), &err);
        uint64_t left = vv_wal_left_bytes(w.f.db->wal);
        most = left > most ? left : most;
    }
    assert_true(atomic_load(&w.f.db->counters.flushes) >= 5);
    assert_true(most < 512 * KIB); /* nobody ever had to wait */
    assert_int_equal(atomic_load(&w.f.db->counters.writes_delayed), 0);
    assert_int_equal(count_rows(w.f.db), 600);
    engine_fixture_free(&w.f);
}

static void writers_wait_for_the_flush_of_the_background(void **state)
{
    (void)state;
    bounded_world w;
    varve_error err;
    engine_fixture_create(&w.f);
    engine_fixture_close(&w.f);
    w.f.options.log_bytes_max = 64 * KIB; /* every second file is one too many */
    w.f.options.flags = 0;
    engine_fixture_open(&w.f);
    for (int64_t time = 0; time < 600; time++) {
        check_ok(write_blob(w.f.db, time, &err), &err);
        assert_true(vv_wal_left_bytes(w.f.db->wal) <= 64 * KIB + 2 * 64 * KIB);
    }
    assert_true(atomic_load(&w.f.db->counters.flushes) > 0);
    assert_int_equal(atomic_load(&w.f.db->counters.writes_refused), 0);
    assert_int_equal(count_rows(w.f.db), 600);
    engine_fixture_close(&w.f);
    engine_fixture_free(&w.f);
}

/* ---- memory ---- */

static void memory_stays_within_a_tenth_of_its_bound(void **state)
{
    (void)state;
    bounded_world w;
    varve_error err;
    world_create(&w);
    w.f.options.memory_limit_bytes = 16 * MIB;
    w.f.options.flush_bytes = UINT64_MAX; /* only the bound flushes */
    w.f.options.log_bytes_max = UINT64_MAX;
    engine_fixture_open(&w.f);
    size_t most = 0;
    for (int64_t time = 0; time < 8000; time++) { /* 32 MiB */
        check_ok(write_blob(w.f.db, time, &err), &err);
        size_t bytes = vv_alloc_bytes(&w.f.db->alloc);
        most = bytes > most ? bytes : most;
    }
    assert_true(most <= 16 * MIB + 16 * MIB / 10);
    assert_true(most > 12 * MIB);
    assert_true(atomic_load(&w.f.db->counters.writes_delayed) > 0);
    assert_true(atomic_load(&w.f.db->counters.flushes) > 0);
    /* What is flushed is given back. */
    size_t before = vv_alloc_bytes(&w.f.db->alloc);
    check_ok(varve_flush(w.f.db, NULL, &err), &err);
    assert_true(vv_alloc_bytes(&w.f.db->alloc) <= before);
    engine_fixture_free(&w.f);
}

static void a_database_in_memory_refuses_at_once(void **state)
{
    (void)state;
    varve_options options;
    varve_db *db;
    varve_error err;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_NO_BACKGROUND;
    options.memory_limit_bytes = 16 * MIB;
    options.write_timeout_ms = 600000; /* nobody waits for that */
    check_ok(varve_open(NULL, &options, &db, &err), &err);
    varve_status status = VARVE_OK;
    int64_t time = 0;
    while (status == VARVE_OK) {
        assert_true(time < 10000);
        status = write_blob(db, time, &err);
        time += status == VARVE_OK ? 1 : 0;
        assert_true(vv_alloc_bytes(&db->alloc) <= 16 * MIB + 16 * MIB / 10);
    }
    check_status(VARVE_E_BUSY, status);
    assert_non_null(strstr(err.message, "memory_limit_bytes"));
    assert_true(time > 1000);
    assert_int_equal(count_rows(db), time); /* reads go on */
    check_ok(varve_close(db, &err), &err);
}

static void names_have_three_quarters_of_the_memory(void **state)
{
    (void)state;
    bounded_world w;
    varve_error err;
    world_create(&w);
    w.f.options.memory_limit_bytes = 16 * MIB;
    w.f.options.cache_bytes = MIB;
    w.f.options.write_timeout_ms = 600000; /* nobody waits for that */
    engine_fixture_open(&w.f);
    check_ok(write_blob(w.f.db, 0, &err), &err);
    varve_status status = VARVE_OK;
    static char value[2000];
    memset(value, 'x', sizeof value);
    uint32_t count = 0;
    for (; status == VARVE_OK && count < 100000; count++) {
        varve_series series;
        memcpy(value, &count, sizeof count);
        for (size_t i = 0; i < sizeof count; i++) {
            value[i] = (char)('a' + (count >> (4 * i) & 15));
        }
        varve_label label = {VARVE_STR("l"), {value, sizeof value}};
        status = varve_series_resolve(w.f.db, VARVE_STR("m"), &label, 1, 0, &series, &err);
    }
    check_status(VARVE_E_LIMIT, status);
    assert_int_equal(vv_error_limit(&err), VV_LIMIT_NAMES_MEMORY);
    size_t names = vv_catalogue_bytes(w.f.db->catalogue);
    size_t others = vv_alloc_bytes(&w.f.db->alloc) - names;
    assert_true(names >= (16 * MIB - others) / 4 * 3 - MIB);
    assert_true(names <= 12 * MIB + 12 * MIB / 10);
    varve_field field;
    check_status(VARVE_E_LIMIT, varve_field_resolve(w.f.db, VARVE_STR("new"), &field, &err));
    check_ok(write_blob(w.f.db, 1, &err), &err); /* what is known stays writable */
    assert_int_equal(count_rows(w.f.db), 2);
    engine_fixture_free(&w.f);
}

/* ---- series ---- */

static varve_named_row named(const char *metric, const varve_value *value)
{
    static const varve_text field = {"value", 5};
    return (varve_named_row){
        .metric = vv_text_from_string(metric), .fields = &field, .values = value, .count = 1};
}

static void a_batch_beyond_series_max_applies_nothing(void **state)
{
    (void)state;
    bounded_world w;
    varve_error err;
    varve_value one = {.type = VARVE_TYPE_F64, .as.f64 = 1};
    world_create(&w);
    w.f.options.series_max = 4;
    engine_fixture_open(&w.f);
    varve_named_row first[] = {named("a", &one), named("b", &one), named("a", &one)};
    check_ok(varve_write(w.f.db, first, 3, NULL, NULL, &err), &err);
    varve_named_row beyond[] = {named("a", &one), named("c", &one), named("d", &one),
                                named("e", &one)};
    check_status(VARVE_E_LIMIT, varve_write(w.f.db, beyond, 4, NULL, NULL, &err));
    assert_int_equal(vv_error_limit(&err), VV_LIMIT_SERIES);
    assert_int_equal(vv_catalogue_series_count(w.f.db->catalogue), 2);
    assert_int_equal(count_rows(w.f.db), 2);
    /* The limit itself is allowed, also where names repeat. */
    varve_named_row full[] = {named("c", &one), named("c", &one), named("d", &one),
                              named("d", &one), named("a", &one)};
    check_ok(varve_write(w.f.db, full, 5, NULL, NULL, &err), &err);
    assert_int_equal(vv_catalogue_series_count(w.f.db->catalogue), 4);
    check_status(VARVE_E_LIMIT, varve_write(w.f.db, beyond + 3, 1, NULL, NULL, &err));
    check_ok(varve_write(w.f.db, beyond, 3, NULL, NULL, &err), &err); /* all known */
    /* With SKIP_REJECTED the rows are left out. */
    varve_rejected rejected[4];
    varve_write_options options;
    varve_written written;
    varve_write_options_init(&options);
    varve_written_init(&written);
    options.flags = VARVE_WRITE_SKIP_REJECTED;
    options.rejected = rejected;
    options.rejected_capacity = 4;
    check_ok(varve_write(w.f.db, beyond, 4, &options, &written, &err), &err);
    assert_int_equal(written.rows, 3);
    assert_int_equal(written.rows_rejected, 1);
    assert_int_equal(rejected[0].row, 3);
    check_status(VARVE_E_LIMIT, rejected[0].status);
    /* A smaller limit keeps what is there. */
    engine_fixture_close(&w.f);
    w.f.options.series_max = 1;
    engine_fixture_open(&w.f);
    check_ok(varve_write(w.f.db, full, 5, NULL, NULL, &err), &err);
    check_status(VARVE_E_LIMIT, varve_write(w.f.db, beyond + 3, 1, NULL, NULL, &err));
    engine_fixture_free(&w.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_that_no_flush_shortens_refuses_writes_at_its_bound),
        cmocka_unit_test(a_flush_begins_at_half_of_the_log_bound),
        cmocka_unit_test(writers_wait_for_the_flush_of_the_background),
        cmocka_unit_test(memory_stays_within_a_tenth_of_its_bound),
        cmocka_unit_test(a_database_in_memory_refuses_at_once),
        cmocka_unit_test(names_have_three_quarters_of_the_memory),
        cmocka_unit_test(a_batch_beyond_series_max_applies_nothing),
    };
    return cmocka_run_group_tests_name("admission", tests, NULL, NULL);
}
