/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every call to the file system fails in turn, once and from then on, with EIO and ENOSPC: what was
 * acknowledged is there after the next open, nothing half, nothing wrong, no hang; what failed says
 * so; a full disk heals. VARVE_CALL_STRIDE=1 tries all calls (default: a sample).
 */
#include "support/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/engine_fixture.h"
#include "support/setting.h"
#include "support/tour.h"

typedef struct calls {
    engine_fixture at; /* the database is that of the tour */
    tour tour;
} calls;

static void calls_begin(calls *c, uint32_t flags)
{
    memset(c, 0, sizeof *c);
    engine_fixture_prepare(&c->at);
    varve_options options = c->at.options;
    options.min_free_bytes = 0; /* the defaults */
    options.reserve_bytes = 0;
    options.flags = flags;
    options.cache_bytes = 64 * 1024; /* so that blocks are read again */
    options.write_timeout_ms = 2000;
    tour_init(&c->tour, "/db", &options);
}

static size_t calls_plan(calls *c, uint64_t number, uint64_t count, int os_errno)
{
    vv_fault_rule rule = {
        .ops = VV_VFS_OP_ALL & ~VV_VFS_OP_BIT(VV_VFS_OP_CLOSE),
        .first_call = number,
        .call_count = count,
        .kind = VV_FAULT_ERRNO,
        .os_errno = os_errno,
    };
    return vv_fault_add(c->at.fault, &rule);
}

static void calls_end(calls *c)
{
    engine_fixture_free(&c->at);
}

/* Nothing is left behind, and the files agree with the ledger. */
static void calls_check(calls *c, const char *what, uint64_t number)
{
    vv_fault_clear(c->at.fault);
    tour *t = &c->tour;
    if (t->wrong[0] == '\0' &&
        (atomic_load(&c->at.source.live) != 0 || vv_fault_open_files(c->at.fault) != 0)) {
        snprintf(t->wrong, sizeof t->wrong, "%llu pieces of memory, %llu files were left",
                 (unsigned long long)atomic_load(&c->at.source.live),
                 (unsigned long long)vv_fault_open_files(c->at.fault));
    }
    if (t->wrong[0] == '\0') {
        varve_error err;
        varve_options *options = &t->options;
        t->was_in_doubt = false;
        if (varve_open(t->path, options, &t->db, &err) != VARVE_OK) {
            snprintf(t->wrong, sizeof t->wrong, "does not open again: %.200s", err.message);
        } else {
            check_ok(varve_close(t->db, &err), &err);
            assert_true(tour_open(t));
            tour_check(t, /* must_read */ true);
            if (tour_write(t, 2, &err) != VARVE_OK) {
                snprintf(t->wrong, sizeof t->wrong, "cannot be written: %.200s", err.message);
            }
            tour_close(t);
        }
    }
    if (t->wrong[0] != '\0') {
        fail_msg("%s at call %llu: %s", what, (unsigned long long)number, t->wrong);
    }
}

static void calls_run(const char *what, uint32_t flags, uint64_t count, int os_errno,
                      uint64_t stride)
{
    alarm(280);
    uint64_t runs = 0;
    bool is_end = false;
    for (uint64_t number = 1; !is_end; number += stride) {
        calls c;
        calls_begin(&c, flags);
        size_t rule = calls_plan(&c, number, count, os_errno);
        tour_run(&c.tour);
        is_end = vv_fault_fired(c.at.fault, rule) == 0;
        calls_check(&c, what, number);
        calls_end(&c);
        runs++;
    }
    print_message("%s: %llu runs\n", what, (unsigned long long)runs);
}

static void one_input_or_output_error_loses_nothing(void **state)
{
    (void)state;
    calls_run("EIO once", VARVE_OPEN_NO_BACKGROUND, 1, EIO, setting_number("VARVE_CALL_STRIDE", 1));
}

static void lasting_input_or_output_errors_lose_nothing(void **state)
{
    (void)state;
    calls_run("EIO from then on", VARVE_OPEN_NO_BACKGROUND, VV_FAULT_FOREVER, EIO,
              setting_number("VARVE_CALL_STRIDE", 1));
}

static void one_refusal_for_want_of_space_loses_nothing(void **state)
{
    (void)state;
    calls_run("ENOSPC once", VARVE_OPEN_NO_BACKGROUND, 1, ENOSPC,
              setting_number("VARVE_CALL_STRIDE", 1));
}

static void a_disk_that_stays_full_loses_nothing(void **state)
{
    (void)state;
    calls_run("ENOSPC from then on", VARVE_OPEN_NO_BACKGROUND, VV_FAULT_FOREVER, ENOSPC,
              setting_number("VARVE_CALL_STRIDE", 1));
}

static void errors_under_background_threads_lose_nothing(void **state)
{
    (void)state;
    calls_run("EIO once, with threads", 0, 1, EIO, setting_number("VARVE_CALL_STRIDE", 1) * 7);
    calls_run("EIO from then on, with threads", 0, VV_FAULT_FOREVER, EIO,
              setting_number("VARVE_CALL_STRIDE", 1) * 7);
}

/* ---- states of health ---- */

/* A fault on calls of one kind on paths with a part, from the next on. */
static size_t calls_break(calls *c, vv_vfs_op op, const char *part, uint64_t count, int os_errno)
{
    vv_fault_rule rule = {
        .ops = VV_VFS_OP_BIT(op),
        .path_part = part,
        .first_call = 1,
        .call_count = count,
        .kind = VV_FAULT_ERRNO,
        .os_errno = os_errno,
    };
    return vv_fault_add(c->at.fault, &rule);
}

/* Writes are fenced, reads go on, and only opening again helps. */
static void calls_expect_fenced(calls *c)
{
    varve_error err;
    tour *t = &c->tour;
    vv_fault_clear(c->at.fault);
    assert_int_equal(varve_health(t->db, &err), VARVE_HEALTH_WRITE_FAILED);
    assert_true(strlen(err.message) > 0);
    check_status(VARVE_E_FENCED, tour_write(t, 2, &err));
    check_status(VARVE_E_FENCED, tour_delete(t, 0, &err));
    check_status(VARVE_E_FENCED, varve_flush(t->db, NULL, &err));
    check_status(VARVE_E_FENCED, varve_compact(t->db, 0, NULL, &err));
    assert_true(tour_check(t, /* must_read */ true));
    check_status(VARVE_E_IO, varve_close(t->db, &err));
    varve_abandon(t->db);
    t->db = NULL;
    t->was_in_doubt = false;
    assert_true(tour_open(t));
    assert_int_equal(varve_health(t->db, NULL), VARVE_HEALTH_OK);
    assert_true(tour_check(t, /* must_read */ true));
    check_ok(tour_write(t, 2, &err), &err);
    tour_close(t);
    assert_string_equal(t->wrong, "");
}

static void a_failed_sync_of_the_log_fences_the_handle(void **state)
{
    (void)state;
    for (uint32_t flags = 0; flags <= VARVE_OPEN_NO_BACKGROUND; flags += VARVE_OPEN_NO_BACKGROUND) {
        calls c;
        varve_error err;
        calls_begin(&c, flags);
        assert_true(tour_open(&c.tour));
        check_ok(tour_write(&c.tour, 6, &err), &err);
        calls_break(&c, VV_VFS_OP_SYNC, ".vwl", 1, EIO);
        check_status(VARVE_E_IO, tour_write(&c.tour, 3, &err));
        calls_expect_fenced(&c);
        calls_end(&c);
    }
}

static void a_failed_sync_of_the_manifest_fences_the_handle(void **state)
{
    (void)state;
    for (uint32_t flags = 0; flags <= VARVE_OPEN_NO_BACKGROUND; flags += VARVE_OPEN_NO_BACKGROUND) {
        calls c;
        varve_error err;
        calls_begin(&c, flags);
        assert_true(tour_open(&c.tour));
        check_ok(tour_write(&c.tour, 6, &err), &err);
        calls_break(&c, VV_VFS_OP_SYNC, ".vmf", 1, ENOSPC);
        assert_true(varve_flush(c.tour.db, NULL, &err) != VARVE_OK);
        calls_expect_fenced(&c);
        calls_end(&c);
    }
}

static void a_failed_segment_is_tried_again(void **state)
{
    (void)state;
    calls c;
    varve_error err;
    calls_begin(&c, VARVE_OPEN_NO_BACKGROUND);
    tour *t = &c.tour;
    assert_true(tour_open(t));
    check_ok(tour_write(t, 6, &err), &err);
    calls_break(&c, VV_VFS_OP_SYNC, ".part", 1, EIO);
    check_status(VARVE_E_IO, varve_flush(t->db, NULL, &err));
    assert_int_equal(varve_health(t->db, NULL), VARVE_HEALTH_DEGRADED);
    check_ok(tour_write(t, 2, &err), &err); /* the log has both */
    assert_true(tour_check(t, /* must_read */ true));
    check_ok(varve_flush(t->db, NULL, &err), &err);
    assert_int_equal(varve_health(t->db, NULL), VARVE_HEALTH_OK);
    assert_true(tour_check(t, /* must_read */ true));
    tour_close(t);
    calls_check(&c, "a failed segment", 0);
    calls_end(&c);
}

static void a_full_disk_refuses_writes_until_there_is_space(void **state)
{
    (void)state;
    calls c;
    varve_error err;
    calls_begin(&c, VARVE_OPEN_NO_BACKGROUND);
    tour *t = &c.tour;
    assert_true(tour_open(t));
    check_ok(tour_write(t, 6, &err), &err);
    calls_break(&c, VV_VFS_OP_ALLOCATE, NULL, VV_FAULT_FOREVER, ENOSPC);
    calls_break(&c, VV_VFS_OP_WRITE, ".part", VV_FAULT_FOREVER, ENOSPC);
    varve_status status = VARVE_OK;
    while (status == VARVE_OK) {
        assert_true(t->count + 4 < TOUR_BATCHES_MAX);
        status = tour_write_bulk(t, 3000, &err); /* until the next log file is needed */
    }
    check_status(VARVE_E_NOSPACE, status);
    assert_int_equal(varve_health(t->db, &err), VARVE_HEALTH_NOSPACE);
    check_status(VARVE_E_NOSPACE, tour_write_bulk(t, 3000, &err));
    assert_true(tour_check(t, /* must_read */ true));
    vv_fault_clear(c.at.fault);
    check_ok(tour_write_bulk(t, 3000, &err), &err);
    assert_int_equal(varve_health(t->db, NULL), VARVE_HEALTH_OK);
    tour_close(t);
    calls_check(&c, "a full disk", 0);
    calls_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_sync_of_the_log_fences_the_handle),
        cmocka_unit_test(a_failed_sync_of_the_manifest_fences_the_handle),
        cmocka_unit_test(a_failed_segment_is_tried_again),
        cmocka_unit_test(a_full_disk_refuses_writes_until_there_is_space),
        cmocka_unit_test(one_input_or_output_error_loses_nothing),
        cmocka_unit_test(lasting_input_or_output_errors_lose_nothing),
        cmocka_unit_test(one_refusal_for_want_of_space_loses_nothing),
        cmocka_unit_test(a_disk_that_stays_full_loses_nothing),
        cmocka_unit_test(errors_under_background_threads_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
