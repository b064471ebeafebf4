/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings while calls to the file system and allocations fail: a write, a flush, a reshape, a
 * snapshot, each failing at each of its calls, leave the old state or the new one, what was
 * acknowledged, and a database that opens and goes on. VARVE_CALL_STRIDE=N tries every N-th.
 */
#include "support/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/dump.h"
#include "support/engine_fixture.h"
#include "support/setting.h"

typedef struct failures {
    engine_fixture at;
    bool has_row, has_shape; /* answered: the row of 130, the shape of 20 * 3 */
    bool may_row, may_shape; /* tried: perhaps there */
} failures;

static varve_status set_shape(varve_db *db, int64_t step, uint64_t slots, varve_error *err)
{
    varve_ring ring;
    varve_ring_init(&ring);
    ring.step = step;
    ring.slots = slots;
    return varve_policy_ring(db, VARVE_STR("r"), NULL, 0, &ring, NULL, err);
}

static varve_status put(varve_db *db, int64_t time, double value, varve_error *err)
{
    varve_text name = VARVE_STR("value");
    varve_value number = {.type = VARVE_TYPE_F64, .as.f64 = value};
    varve_named_row row = {.metric = VARVE_STR("r"),
                           .timestamp = time,
                           .fields = &name,
                           .values = &number,
                           .count = 1};
    return varve_write(db, &row, 1, NULL, NULL, err);
}

/* A ring of three steps of 10, flushed, with a row in memory. */
static void failures_begin(failures *f)
{
    varve_error err;
    memset(f, 0, sizeof *f);
    engine_fixture_prepare(&f->at);
    f->at.options.min_free_bytes = 0; /* the defaults */
    f->at.options.reserve_bytes = 0;
    f->at.options.write_timeout_ms = 2000;
    check_ok(varve_open("/db", &f->at.options, &f->at.db, &err), &err);
    check_ok(set_shape(f->at.db, 10, 3, &err), &err);
    check_ok(put(f->at.db, 100, 1, &err), &err);
    check_ok(put(f->at.db, 110, 2, &err), &err);
    check_ok(varve_flush(f->at.db, NULL, &err), &err);
    check_ok(put(f->at.db, 120, 3, &err), &err);
}

static void try_all(failures *f)
{
    varve_error err;
    f->may_row = true;
    f->has_row = put(f->at.db, 130, 4, &err) == VARVE_OK; /* over 100 */
    (void)varve_flush(f->at.db, NULL, &err);
    f->may_shape = true;
    f->has_shape = set_shape(f->at.db, 20, 3, &err) == VARVE_OK;
    (void)varve_snapshot(f->at.db, "/copy", NULL, NULL, &err);
    if (varve_close(f->at.db, &err) != VARVE_OK) {
        varve_abandon(f->at.db);
    }
    f->at.db = NULL;
}

/* What must be there, by what was answered. */
static bool is_allowed(const failures *f, const char *text, bool has_row, bool has_shape)
{
    static const char *const states[2][2] = {
        {"r 100 value=1\nr 110 value=2\nr 120 value=3\n", "r 100 value=2\nr 120 value=3\n"},
        {"r 110 value=2\nr 120 value=3\nr 130 value=4\n", "r 100 value=2\nr 120 value=4\n"}};
    bool row_fits = has_row ? f->may_row : !f->has_row;
    bool shape_fits = has_shape ? f->may_shape : !f->has_shape;
    return row_fits && shape_fits && strcmp(text, states[has_row ? 1 : 0][has_shape ? 1 : 0]) == 0;
}

static void check_text(const failures *f, const char *text, uint64_t number)
{
    bool fits = is_allowed(f, text, false, false) || is_allowed(f, text, false, true) ||
                is_allowed(f, text, true, false) || is_allowed(f, text, true, true);
    if (!fits) {
        fail_msg("failure %llu, row %d, shape %d: %s", (unsigned long long)number, f->has_row,
                 f->has_shape, text);
    }
}

static void failures_end(failures *f, uint64_t number)
{
    varve_error err;
    varve_verified verified;
    vv_fault_clear(f->at.fault);
    failing_alloc_plan(&f->at.source, 0, false);
    if (atomic_load(&f->at.source.live) != 0 || vv_fault_open_files(f->at.fault) != 0) {
        fail_msg("failure %llu: memory or files were left", (unsigned long long)number);
    }
    check_ok(varve_open("/db", &f->at.options, &f->at.db, &err), &err);
    check_text(f, dump_query(f->at.db, NULL), number);
    varve_verified_init(&verified);
    check_ok(varve_verify(f->at.db, NULL, &verified, &err), &err);
    check_ok(put(f->at.db, 160, 5, &err), &err);
    check_ok(varve_flush(f->at.db, NULL, &err), &err);
    check_ok(varve_close(f->at.db, &err), &err);
    check_ok(varve_open("/db", &f->at.options, &f->at.db, &err), &err);
    assert_non_null(strstr(dump_query(f->at.db, NULL), "r 160 value=5\n"));
    check_ok(varve_close(f->at.db, &err), &err);
    bool exists;
    check_ok(vv_vfs_exists(f->at.files, "/copy", &exists, &err), &err);
    if (exists) {
        varve_options options = f->at.options;
        options.flags = VARVE_OPEN_READONLY;
        check_ok(varve_open("/copy", &options, &f->at.db, &err), &err);
        check_text(f, dump_query(f->at.db, NULL), number);
        check_ok(varve_close(f->at.db, &err), &err);
    }
    f->at.db = NULL;
    engine_fixture_free(&f->at);
}

static void run_calls(uint64_t count, int os_errno)
{
    bool is_end = false;
    for (uint64_t number = 1; !is_end; number += setting_number("VARVE_CALL_STRIDE", 1)) {
        failures f;
        failures_begin(&f);
        vv_fault_rule rule = {
            .ops = VV_VFS_OP_ALL & ~VV_VFS_OP_BIT(VV_VFS_OP_CLOSE),
            .first_call = number,
            .call_count = count,
            .kind = VV_FAULT_ERRNO,
            .os_errno = os_errno,
        };
        size_t index = vv_fault_add(f.at.fault, &rule);
        try_all(&f);
        is_end = vv_fault_fired(f.at.fault, index) == 0;
        failures_end(&f, number);
    }
}

static void a_failed_call_leaves_the_old_ring_or_the_new_one(void **state)
{
    (void)state;
    run_calls(1, EIO);
    run_calls(1, ENOSPC);
}

static void lasting_failures_leave_the_old_ring_or_the_new_one(void **state)
{
    (void)state;
    run_calls(VV_FAULT_FOREVER, EIO);
    run_calls(VV_FAULT_FOREVER, ENOSPC);
}

static void failed_allocations_leave_the_old_ring_or_the_new_one(void **state)
{
    (void)state;
    bool is_end = false;
    for (uint64_t number = 1; !is_end; number += setting_number("VARVE_CALL_STRIDE", 3)) {
        failures f;
        failures_begin(&f);
        failing_alloc_plan(&f.at.source, number, /* fails_once */ number % 2 == 0);
        try_all(&f);
        is_end = atomic_load(&f.at.source.failures) == 0;
        failures_end(&f, number);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_call_leaves_the_old_ring_or_the_new_one),
        cmocka_unit_test(lasting_failures_leave_the_old_ring_or_the_new_one),
        cmocka_unit_test(failed_allocations_leave_the_old_ring_or_the_new_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
