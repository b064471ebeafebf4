/* SPDX-License-Identifier: Apache-2.0 */
/* The states of health, and the table of failing disks of durability.md section 7 row by row. */
#include "support/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/db.h"
#include "engine/health.h"
#include "segment/segment.h"
#include "support/engine_fixture.h"
#include "support/manual_clock.h"
#include "wal/wal.h"

typedef struct health_world {
    engine_fixture f;
    manual_clock clock;
    char events[4096]; /* of health.changed: "degraded;ok;" */
} health_world;

static void health_log(void *context, uint32_t level, const char *event, const char *message)
{
    health_world *w = context;
    (void)level;
    if (strcmp(event, "health.changed") == 0) {
        size_t size = strlen(w->events);
        size_t name = strcspn(message, ":,");
        snprintf(w->events + size, sizeof w->events - size, "%.*s;", (int)name, message);
    }
}

static void world_open(health_world *w)
{
    memset(w, 0, sizeof *w);
    engine_fixture_prepare(&w->f);
    manual_clock_init(&w->clock, 0);
    w->f.env.clock = manual_clock_of(&w->clock);
    w->f.options.log = health_log;
    w->f.options.log_context = w;
    w->f.options.cache_bytes = 1;
    engine_fixture_open(&w->f);
}

static void world_reopen(health_world *w)
{
    engine_fixture_abandon(&w->f);
    engine_fixture_open(&w->f);
}

static size_t world_break(health_world *w, vv_vfs_op op, const char *part, uint64_t count,
                          int os_errno)
{
    vv_fault_rule rule = {
        .ops = VV_VFS_OP_BIT(op),
        .path_part = part,
        .first_call = 1,
        .call_count = count,
        .kind = VV_FAULT_ERRNO,
        .os_errno = os_errno,
    };
    return vv_fault_add(w->f.fault, &rule);
}

static void expect_health(health_world *w, uint32_t state)
{
    varve_error err;
    assert_string_equal(vv_health_name(varve_health(w->f.db, &err)), vv_health_name(state));
    assert_int_equal(state == VARVE_HEALTH_OK, err.status == VARVE_OK);
}

/* ---- log and manifest: never tried again on that file ---- */

static void a_failed_sync_of_the_log_answers_unknown_then_fenced(void **state)
{
    (void)state;
    static const int errors[] = {EIO, ENOSPC, EDQUOT, EINTR};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        health_world w;
        varve_error err;
        double value;
        world_open(&w);
        engine_fixture_write(&w.f, 1, 0, 1, 10, 0);
        size_t rule = world_break(&w, VV_VFS_OP_SYNC, ".vwl", VV_FAULT_FOREVER, errors[i]);
        check_status(VARVE_E_IO, engine_fixture_try_write(&w.f, 1, 100, 1, 10, 0, &err));
        assert_non_null(strstr(err.message, "unknown"));
        assert_int_equal(vv_fault_fired(w.f.fault, rule), 1);
        expect_health(&w, VARVE_HEALTH_WRITE_FAILED);
        check_status(VARVE_E_FENCED, engine_fixture_try_write(&w.f, 1, 200, 1, 10, 0, &err));
        check_status(VARVE_E_FENCED, varve_flush(w.f.db, NULL, &err));
        assert_int_equal(vv_fault_fired(w.f.fault, rule), 1); /* it was not tried again */
        assert_true(engine_fixture_value(&w.f, 1, 5, &value));
        assert_false(engine_fixture_value(&w.f, 1, 100, &value)); /* never visible */
        vv_fault_clear(w.f.fault);
        expect_health(&w, VARVE_HEALTH_WRITE_FAILED); /* it does not heal by itself */
        world_reopen(&w);
        expect_health(&w, VARVE_HEALTH_OK);
        engine_fixture_write(&w.f, 1, 300, 1, 10, 0);
        engine_fixture_free(&w.f);
    }
}

static void a_failed_sync_of_the_manifest_ends_writing(void **state)
{
    (void)state;
    health_world w;
    varve_error err;
    double value;
    world_open(&w);
    engine_fixture_write(&w.f, 1, 0, 1, 10, 0);
    size_t rule = world_break(&w, VV_VFS_OP_SYNC, ".vmf", VV_FAULT_FOREVER, EIO);
    check_status(VARVE_E_IO, varve_flush(w.f.db, NULL, &err));
    assert_int_equal(vv_fault_fired(w.f.fault, rule), 1);
    expect_health(&w, VARVE_HEALTH_WRITE_FAILED);
    check_status(VARVE_E_FENCED, engine_fixture_try_write(&w.f, 1, 100, 1, 10, 0, &err));
    assert_int_equal(vv_fault_fired(w.f.fault, rule), 1);
    assert_true(engine_fixture_value(&w.f, 1, 5, &value));
    assert_string_equal(w.events, "write_failed;");
    vv_fault_clear(w.f.fault);
    world_reopen(&w);
    assert_true(engine_fixture_value(&w.f, 1, 5, &value));
    engine_fixture_free(&w.f);
}

/* ---- segments: a new file after 1, 2 and 4 s ---- */

static void a_segment_that_cannot_be_synced_is_tried_again_as_another_file(void **state)
{
    (void)state;
    health_world w;
    varve_error err;
    double value;
    world_open(&w);
    w.f.db->options.flush_rows = 10;
    size_t tries = world_break(&w, VV_VFS_OP_RENAME, "seg/", 2, EIO);
    engine_fixture_write(&w.f, 1, 0, 1, 10, 0); /* the log has it: OK */
    assert_int_equal(vv_fault_matched(w.f.fault, tries), 1);
    expect_health(&w, VARVE_HEALTH_DEGRADED);
    assert_int_equal(engine_fixture_files(&w.f, "tmp"), 0);
    assert_int_equal(engine_fixture_files(&w.f, "seg"), 0);
    engine_fixture_write(&w.f, 1, 10, 1, 1, 0);
    manual_clock_advance(&w.clock, VV_NS_PER_S - 1);
    engine_fixture_write(&w.f, 1, 20, 1, 1, 0);
    assert_int_equal(vv_fault_matched(w.f.fault, tries), 1); /* not before a second */
    manual_clock_advance(&w.clock, 1);
    engine_fixture_write(&w.f, 1, 30, 1, 1, 0);
    assert_int_equal(vv_fault_matched(w.f.fault, tries), 2);
    manual_clock_advance(&w.clock, 2 * VV_NS_PER_S - 1);
    engine_fixture_write(&w.f, 1, 40, 1, 1, 0);
    assert_int_equal(vv_fault_matched(w.f.fault, tries), 2); /* then two */
    manual_clock_advance(&w.clock, 1);
    engine_fixture_write(&w.f, 1, 50, 1, 1, 0);
    assert_true(vv_fault_matched(w.f.fault, tries) >= 3);
    expect_health(&w, VARVE_HEALTH_OK);
    assert_string_equal(w.events, "degraded;ok;");
    assert_true(engine_fixture_files(&w.f, "seg") > 0);
    assert_int_equal(atomic_load(&w.f.db->counters.flush_failures), 2);
    assert_true(engine_fixture_value(&w.f, 1, 5, &value));
    check_ok(varve_flush(w.f.db, NULL, &err), &err);
    world_reopen(&w);
    assert_true(engine_fixture_value(&w.f, 1, 50, &value));
    engine_fixture_free(&w.f);
}

static void three_failures_of_the_disk_in_a_row_end_writing(void **state)
{
    (void)state;
    health_world w;
    varve_error err;
    double value;
    world_open(&w);
    w.f.db->options.flush_rows = 10;
    world_break(&w, VV_VFS_OP_RENAME, "seg/", VV_FAULT_FOREVER, EIO);
    for (int64_t i = 0; i < 2; i++) {
        manual_clock_advance(&w.clock, VV_NS_PER_S);
        engine_fixture_write(&w.f, 1, 100 * i, 1, 10, 0);
        expect_health(&w, VARVE_HEALTH_DEGRADED);
    }
    engine_fixture_write(&w.f, 1, 200, 1, 5, 0);
    check_status(VARVE_E_IO, varve_flush(w.f.db, NULL, &err)); /* who asks by name does not wait */
    expect_health(&w, VARVE_HEALTH_WRITE_FAILED);
    check_status(VARVE_E_FENCED, engine_fixture_try_write(&w.f, 1, 300, 1, 10, 0, &err));
    assert_true(engine_fixture_value(&w.f, 1, 204, &value));
    assert_string_equal(w.events, "degraded;write_failed;");
    vv_fault_clear(w.f.fault);
    world_reopen(&w);
    assert_true(engine_fixture_value(&w.f, 1, 204, &value)); /* the log was kept */
    engine_fixture_free(&w.f);
}

static void a_full_disk_is_no_failure_of_the_disk(void **state)
{
    (void)state;
    health_world w;
    varve_error err;
    world_open(&w);
    engine_fixture_write(&w.f, 1, 0, 1, 10, 0);
    world_break(&w, VV_VFS_OP_RENAME, "seg/", VV_FAULT_FOREVER, ENOSPC);
    for (int i = 0; i < 5; i++) {
        check_status(VARVE_E_NOSPACE, varve_flush(w.f.db, NULL, &err));
        expect_health(&w, VARVE_HEALTH_DEGRADED);
    }
    engine_fixture_write(&w.f, 1, 100, 1, 10, 0);
    vv_fault_clear(w.f.fault);
    check_ok(varve_flush(w.f.db, NULL, &err), &err);
    expect_health(&w, VARVE_HEALTH_OK);
    engine_fixture_free(&w.f);
}

/* ---- reads ---- */

static varve_status read_all(health_world *w, varve_error *err)
{
    varve_query_options options;
    varve_cursor *cursor;
    const varve_block *block;
    varve_query_options_init(&options);
    VV_TRY(varve_query(w->f.db, &options, &cursor, err));
    varve_status status = varve_cursor_next(cursor, &block, err);
    while (status == VARVE_OK && block != NULL) {
        status = varve_cursor_next(cursor, &block, err);
    }
    varve_cursor_close(cursor);
    return status;
}

static void a_read_error_names_the_file_and_drops_nothing(void **state)
{
    (void)state;
    health_world w;
    varve_error err;
    world_open(&w);
    engine_fixture_write(&w.f, 1, 0, 1, 1000, 0);
    check_ok(varve_flush(w.f.db, NULL, &err), &err);
    vv_block_cache_trim(w.f.db->cache);
    world_break(&w, VV_VFS_OP_READ, ".vsg", VV_FAULT_FOREVER, EIO);
    check_status(VARVE_E_IO, read_all(&w, &err));
    assert_non_null(strstr(err.message, ".vsg"));
    assert_int_equal(err.os_errno, EIO);
    expect_health(&w, VARVE_HEALTH_OK); /* writing is not concerned */
    engine_fixture_write(&w.f, 1, 5000, 1, 10, 0);
    vv_fault_clear(w.f.fault);
    check_ok(read_all(&w, &err), &err);
    assert_int_equal(engine_fixture_files(&w.f, "seg"), 1);
    engine_fixture_free(&w.f);
}

/* ---- the state itself ---- */

static void the_worst_source_is_the_state_and_what_heals_goes(void **state)
{
    (void)state;
    health_world w;
    varve_error err;
    varve_error reason;
    world_open(&w);
    VV_IGNORE(vv_fail(&reason, VARVE_E_CORRUPT, "a block"));
    vv_health_degrade(w.f.db, VV_REASON_DAMAGE, &reason);
    VV_IGNORE(vv_fail(&reason, VARVE_E_IO, "a flush"));
    vv_health_degrade(w.f.db, VV_REASON_FLUSH, &reason);
    expect_health(&w, VARVE_HEALTH_DEGRADED);
    assert_int_equal(vv_health_reasons(w.f.db), 1u << VV_REASON_DAMAGE | 1u << VV_REASON_FLUSH);
    vv_health_mend(w.f.db, VV_REASON_DAMAGE);
    assert_int_equal(varve_health(w.f.db, &err), VARVE_HEALTH_DEGRADED);
    assert_string_equal(err.message, "flush: a flush");
    vv_health_mend(w.f.db, VV_REASON_FLUSH);
    vv_health_mend(w.f.db, VV_REASON_FLUSH);
    expect_health(&w, VARVE_HEALTH_OK);
    assert_string_equal(w.events, "degraded;ok;");
    vv_health_degrade(w.f.db, VV_REASON_MERGE, &reason);
    vv_health_fail_writes(w.f.db, &reason);
    expect_health(&w, VARVE_HEALTH_WRITE_FAILED);
    vv_health_mend(w.f.db, VV_REASON_MERGE);
    expect_health(&w, VARVE_HEALTH_WRITE_FAILED);
    vv_health_set_corrupt(w.f.db, &reason);
    expect_health(&w, VARVE_HEALTH_CORRUPT);
    assert_string_equal(w.events, "degraded;ok;degraded;write_failed;corrupt;");
    assert_string_equal(vv_health_name(99), "unknown");
    assert_string_equal(vv_health_reason_name(VV_REASON_LOG_HOLES), "log_holes");
    engine_fixture_free(&w.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_sync_of_the_log_answers_unknown_then_fenced),
        cmocka_unit_test(a_failed_sync_of_the_manifest_ends_writing),
        cmocka_unit_test(a_segment_that_cannot_be_synced_is_tried_again_as_another_file),
        cmocka_unit_test(three_failures_of_the_disk_in_a_row_end_writing),
        cmocka_unit_test(a_full_disk_is_no_failure_of_the_disk),
        cmocka_unit_test(a_read_error_names_the_file_and_drops_nothing),
        cmocka_unit_test(the_worst_source_is_the_state_and_what_heals_goes),
    };
    return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
