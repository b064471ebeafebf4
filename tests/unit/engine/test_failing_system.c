/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a database asks of the system besides files and memory fails in turn: the making of locks,
 * of conditions and of threads, and random bytes. The answer says so, nothing is left open, and the
 * same succeeds right afterwards with every row in place.
 *
 * The functions of the C library are met by name: those below stand before them.
 */
#include "support/check.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/slice.h"
#include "engine/replay_crew.h"
#include "support/engine_fixture.h"

enum { SYSTEM_ROWS = VV_REPLAY_CREW_ROWS_MIN + 2 };

/* The call to fail, counted from the plan on; 0: none. */
static atomic_ullong system_calls;
static atomic_ullong system_fails;
static atomic_bool system_was_reached;

static void system_plan(unsigned long long number)
{
    atomic_store(&system_calls, 0);
    atomic_store(&system_was_reached, false);
    atomic_store(&system_fails, number);
}

static bool system_refuses(void)
{
    unsigned long long number = atomic_fetch_add(&system_calls, 1) + 1;
    bool refuses = number == atomic_load(&system_fails);
    if (refuses) {
        atomic_store(&system_was_reached, true);
    }
    return refuses;
}

/* The function of that name behind ours. */
static void system_next(const char *name, void *out_function)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) {
        abort();
    }
    memcpy(out_function, &found, sizeof found);
}

int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
{
    int (*next)(pthread_mutex_t *, const pthread_mutexattr_t *);
    system_next("pthread_mutex_init", &next);
    return system_refuses() ? ENOMEM : next(mutex, attributes);
}

int pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attributes)
{
    int (*next)(pthread_cond_t *, const pthread_condattr_t *);
    system_next("pthread_cond_init", &next);
    return system_refuses() ? ENOMEM : next(cond, attributes);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*main)(void *),
                   void *context)
{
    int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    system_next("pthread_create", &next);
    return system_refuses() ? EAGAIN : next(thread, attributes, main, context);
}

static varve_status system_fill(void *context, void *buf, size_t size, varve_error *out_err)
{
    const vv_entropy *real = context;
    if (system_refuses()) {
        return vv_fail(out_err, VARVE_E_IO, "no random bytes today");
    }
    return vv_entropy_fill(real, buf, size, out_err);
}

/* ---- the database ---- */

/* One batch of two series in turn: so large that two threads replay it. */
static varve_status system_write(varve_db *db, varve_error *err)
{
    static varve_series series[SYSTEM_ROWS];
    static int64_t times[SYSTEM_ROWS];
    static double numbers[SYSTEM_ROWS];
    varve_field field;
    varve_status status = varve_field_resolve(db, VARVE_STR("value"), &field, err);
    for (size_t i = 0; i < SYSTEM_ROWS && status == VARVE_OK; i++) {
        varve_text metric = i % 2 == 0 ? VARVE_STR("even") : VARVE_STR("odd");
        status = varve_series_resolve(db, metric, NULL, 0, 0, &series[i], err);
        times[i] = (int64_t)i;
        numbers[i] = (double)i;
    }
    varve_column column = {.type = VARVE_TYPE_F64, .values = numbers};
    varve_columns columns;
    varve_columns_init(&columns);
    columns.rows = SYSTEM_ROWS;
    columns.series = series;
    columns.series_count = SYSTEM_ROWS;
    columns.timestamps = times;
    columns.timestamp_count = SYSTEM_ROWS;
    columns.fields = &field;
    columns.columns = &column;
    columns.column_count = 1;
    varve_batch *batch = NULL;
    if (status == VARVE_OK) {
        status = varve_batch_create(db, &batch, err);
    }
    if (status == VARVE_OK) {
        status = varve_batch_columns(batch, &columns, err);
    }
    if (status == VARVE_OK) {
        status = varve_batch_commit(batch, NULL, NULL, err);
    }
    varve_batch_free(batch);
    return status;
}

/* A database whose log holds the batch; the files stay, the handle does not. */
static void system_begin(engine_fixture *f, vv_entropy *real)
{
    varve_error err;
    system_plan(0);
    engine_fixture_create(f);
    engine_fixture_close(f);
    *real = f->env.entropy;
    f->env.entropy = (vv_entropy){.context = real, .fill = system_fill};
    f->options.flags = 0;
    f->options.log_file_bytes = 1024 * 1024;
    f->options.sync_interval_ms = 60000;
    engine_fixture_open(f);
    check_ok(system_write(f->db, &err), &err);
    engine_fixture_abandon(f);
}

static void system_check_rows(engine_fixture *f)
{
    uint64_t digest[2];
    uint64_t rows;
    engine_fixture_digest(f, digest, &rows);
    assert_int_equal(rows, SYSTEM_ROWS);
}

/* Open, and use what makes threads and files. */
static varve_status system_use(engine_fixture *f, varve_error *err)
{
    varve_status status = varve_open("db", &f->options, &f->db, err);
    assert_true((status == VARVE_OK) == (f->db != NULL));
    if (status == VARVE_OK) {
        status = varve_flush(f->db, NULL, err);
    }
    if (status == VARVE_OK) {
        status = varve_compact(f->db, VARVE_COMPACT_ALL, NULL, err);
    }
    if (f->db != NULL) {
        engine_fixture_abandon(f);
    }
    assert_int_equal(atomic_load(&f->source.live), 0);
    assert_int_equal(vv_fault_open_files(f->fault), 0);
    return status;
}

static void what_the_system_refuses_is_said_and_passes(void **state)
{
    (void)state;
    alarm(280);
    unsigned long long refused = 0;
    unsigned long long number = 0;
    bool is_end = false;
    while (!is_end) {
        static engine_fixture f;
        vv_entropy real;
        varve_error err = {.status = VARVE_OK};
        number++;
        system_begin(&f, &real);
        system_plan(number);
        varve_status status = system_use(&f, &err);
        is_end = !atomic_load(&system_was_reached);
        if (status != VARVE_OK) {
            refused++;
            if ((status != VARVE_E_NOMEM && status != VARVE_E_LIMIT && status != VARVE_E_IO) ||
                err.status != status || is_end) {
                fail_msg("call %llu: status %d: %s", number, (int)status, err.message);
            }
        }
        system_plan(0);
        engine_fixture_open(&f);
        system_check_rows(&f);
        engine_fixture_close(&f);
        engine_fixture_free(&f);
    }
    print_message("%llu calls, %llu could not do without\n", number - 1, refused);
    assert_true(refused > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_system_refuses_is_said_and_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
