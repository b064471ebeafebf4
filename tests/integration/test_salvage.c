/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log that was damaged in the middle, through varve.h: a strict open refuses and changes nothing,
 * a reader that allows damage sees what came before, a salvage keeps evidence and brings back
 * everything but what was hit, and stays known afterwards.
 */
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/file_tree.h"
#include "support/tour.h"
#include "sys/env.h"
#include "sys/vfs_memory.h"

enum { SALVAGE_BATCHES = 7 };

typedef struct salvage {
    vv_alloc alloc;
    vv_vfs *files;
    vv_env env;
    tour tour;                    /* the ledger of what was written */
    size_t ends[SALVAGE_BATCHES]; /* of the log behind each batch */
    file_tree whole;              /* undamaged */
} salvage;

static size_t salvage_log_end(salvage *s)
{
    file_tree now;
    file_tree_load(&now, s->files, &s->alloc, "/db");
    size_t end = file_tree_used_bytes(file_tree_find(&now, ".vwl"));
    file_tree_free(&now);
    return end;
}

static void salvage_world(salvage *s)
{
    varve_error err;
    check_ok(vv_vfs_memory_create(&s->alloc, &s->files, &err), &err);
    vv_env_init_system(&s->env, &s->alloc);
    s->env.vfs = s->files;
}

/* A database whose log holds SALVAGE_BATCHES batches, left without closing. */
static void salvage_make(salvage *s)
{
    varve_error err;
    memset(s, 0, sizeof *s);
    vv_alloc_init(&s->alloc, NULL);
    salvage_world(s);
    varve_options options;
    varve_options_init(&options);
    options.environment = &s->env;
    options.flags = VARVE_OPEN_NO_BACKGROUND;
    options.memory_limit_bytes = UINT64_C(64) << 20;
    options.log_file_bytes = 64 * 1024;
    tour_init(&s->tour, "/db", &options);
    assert_true(tour_open(&s->tour));
    for (size_t i = 0; i < SALVAGE_BATCHES; i++) {
        check_ok(tour_write(&s->tour, 3 + i, &err), &err);
        s->ends[i] = salvage_log_end(s);
    }
    varve_abandon(s->tour.db);
    s->tour.db = NULL;
    file_tree_load(&s->whole, s->files, &s->alloc, "/db");
}

/* The files again, with one byte of a batch flipped. */
static void salvage_damage(salvage *s, size_t batch)
{
    file_tree_entry *log = file_tree_find(&s->whole, ".vwl");
    size_t at = (s->ends[batch - 1] + s->ends[batch]) / 2;
    vv_vfs_memory_free(s->files);
    salvage_world(s);
    log->data[at] ^= 0x10;
    file_tree_store(&s->whole, s->files, &s->alloc);
    log->data[at] ^= 0x10;
}

static void salvage_free(salvage *s)
{
    file_tree_free(&s->whole);
    vv_vfs_memory_free(s->files);
    assert_int_equal(vv_alloc_bytes(&s->alloc), 0);
}

/* A tour over what is there now: the ledger without batches [first, end). */
static tour salvage_expect(salvage *s, uint32_t flags, size_t first, size_t end)
{
    tour t = s->tour;
    t.options.environment = &s->env;
    t.options.flags = flags;
    for (size_t i = first; i < end; i++) {
        t.batches[i].state = TOUR_ABSENT;
    }
    return t;
}

static void salvage_is_right(tour *t)
{
    if (!tour_check(t, /* must_read */ true)) {
        fail_msg("%s", t->wrong);
    }
}

/* ---- tests ---- */

static void a_strict_open_refuses_and_changes_nothing(void **state)
{
    (void)state;
    static salvage s;
    static file_tree before;
    static file_tree after;
    static const uint32_t modes[] = {VARVE_OPEN_NO_BACKGROUND, VARVE_OPEN_READONLY};
    salvage_make(&s);
    for (size_t i = 0; i < 2; i++) {
        varve_db *db = NULL;
        varve_error err;
        salvage_damage(&s, 3);
        file_tree_load(&before, s.files, &s.alloc, "/db");
        tour t = salvage_expect(&s, modes[i], 0, 0);
        check_status(VARVE_E_CORRUPT, varve_open("/db", &t.options, &db, &err));
        assert_null(db);
        assert_non_null(strstr(err.message, "log file 1"));
        assert_non_null(strstr(err.message, "intact groups follow"));
        file_tree_load(&after, s.files, &s.alloc, "/db");
        assert_true(file_tree_equal(&before, &after));
        file_tree_free(&before);
        file_tree_free(&after);
    }
    salvage_free(&s);
}

static void a_reader_that_allows_damage_sees_what_came_before(void **state)
{
    (void)state;
    static salvage s;
    varve_error err;
    salvage_make(&s);
    for (size_t batch = 1; batch + 1 < SALVAGE_BATCHES; batch++) {
        salvage_damage(&s, batch);
        tour t = salvage_expect(&s, VARVE_OPEN_READONLY | VARVE_OPEN_ALLOW_DAMAGE, batch,
                                SALVAGE_BATCHES);
        assert_true(tour_open(&t));
        assert_int_equal(varve_health(t.db, &err), VARVE_HEALTH_CORRUPT);
        assert_true(strlen(err.message) > 0);
        salvage_is_right(&t);
        tour_close(&t);
    }
    salvage_free(&s);
}

static void a_salvage_brings_back_all_but_what_was_hit(void **state)
{
    (void)state;
    static salvage s;
    varve_error err;
    salvage_make(&s);
    for (size_t batch = 1; batch + 1 < SALVAGE_BATCHES; batch++) {
        salvage_damage(&s, batch);
        tour t =
            salvage_expect(&s, VARVE_OPEN_NO_BACKGROUND | VARVE_OPEN_SALVAGE, batch, batch + 1);
        assert_true(tour_open(&t));
        assert_int_equal(varve_health(t.db, &err), VARVE_HEALTH_DEGRADED);
        assert_non_null(strstr(err.message, "are lost"));
        salvage_is_right(&t);
        check_ok(tour_write(&t, 4, &err), &err); /* it takes rows again */
        salvage_is_right(&t);
        tour_close(&t);
        t.options.flags = VARVE_OPEN_NO_BACKGROUND; /* strict: the damage is gone, not forgotten */
        assert_true(tour_open(&t));
        assert_int_equal(varve_health(t.db, NULL), VARVE_HEALTH_DEGRADED);
        salvage_is_right(&t);
        tour_close(&t);
        assert_string_equal(t.wrong, "");
    }
    salvage_free(&s);
}

static void a_salvage_keeps_the_log_and_a_report(void **state)
{
    (void)state;
    static salvage s;
    static file_tree after;
    salvage_make(&s);
    salvage_damage(&s, 3);
    file_tree damaged;
    file_tree_load(&damaged, s.files, &s.alloc, "/db");
    tour t = salvage_expect(&s, VARVE_OPEN_NO_BACKGROUND | VARVE_OPEN_SALVAGE, 3, 4);
    assert_true(tour_open(&t));
    tour_close(&t);
    file_tree_load(&after, s.files, &s.alloc, "/db/quarantine");
    const file_tree_entry *log = file_tree_find(&damaged, ".vwl");
    const file_tree_entry *kept = file_tree_find(&after, strrchr(log->path, '/'));
    assert_int_equal(kept->size, log->size);
    assert_memory_equal(kept->data, log->data, log->size);
    file_tree_entry *report = file_tree_find(&after, "report.json");
    report->data[report->size] = '\0';
    assert_non_null(strstr((char *)report->data, "lsn"));
    file_tree_free(&damaged);
    file_tree_free(&after);
    salvage_free(&s);
}

static void a_salvage_of_a_sound_log_changes_no_row(void **state)
{
    (void)state;
    static salvage s;
    salvage_make(&s);
    tour t = salvage_expect(&s, VARVE_OPEN_NO_BACKGROUND | VARVE_OPEN_SALVAGE, 0, 0);
    assert_true(tour_open(&t));
    assert_int_equal(varve_health(t.db, NULL), VARVE_HEALTH_OK);
    salvage_is_right(&t);
    tour_close(&t);
    salvage_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_strict_open_refuses_and_changes_nothing),
        cmocka_unit_test(a_reader_that_allows_damage_sees_what_came_before),
        cmocka_unit_test(a_salvage_brings_back_all_but_what_was_hit),
        cmocka_unit_test(a_salvage_keeps_the_log_and_a_report),
        cmocka_unit_test(a_salvage_of_a_sound_log_changes_no_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
