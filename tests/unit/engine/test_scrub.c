/* SPDX-License-Identifier: Apache-2.0 */
/* Promises of engine/scrub.c (B1 to B4), of its record (N1, N2), of what is told of it (K1, K2), of
 * the watch over it (Q1, Q2), and of segment/damage.c (S1 to S3). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "support/check.h"
#include "support/engine_fixture.h"
#include "support/manual_clock.h"
#include "sys/vfs.h"

/* Two segments and a list of deletes. */
static void fill(engine_fixture *f)
{
    varve_error err;
    for (uint32_t series = 0; series < 8; series++) {
        engine_fixture_write(f, series, 1000, 3, 900, series * 0.37);
    }
    check_ok(varve_flush(f->db, NULL, &err), &err);
    engine_fixture_write(f, 3, 50000, 10, 300, 1);
    engine_fixture_delete(f, 3, 1000, 1100);
    check_ok(varve_flush(f->db, NULL, &err), &err);
}

typedef struct tale {
    size_t count;
    char files[16][64];
    char parts[16][16];
    uint64_t blocks[16], offsets[16];
    varve_status statuses[16];
} tale;

static void listen(void *context, const varve_damage *damage)
{
    tale *heard = context;
    assert_true(heard->count < 16);
    size_t i = heard->count++;
    snprintf(heard->files[i], sizeof heard->files[i], "%.*s", (int)damage->file.size,
             damage->file.data);
    snprintf(heard->parts[i], sizeof heard->parts[i], "%s", damage->part);
    heard->blocks[i] = damage->block;
    heard->offsets[i] = damage->offset;
    heard->statuses[i] = damage->error->status;
}

static varve_scrubbed scrub(engine_fixture *f, tale *heard)
{
    varve_error err;
    varve_scrubbed found;
    varve_scrub_options options;
    varve_scrubbed_init(&found);
    varve_scrub_options_init(&options);
    memset(heard, 0, sizeof *heard);
    options.bytes_per_second = UINT64_MAX;
    options.visit = listen;
    options.context = heard;
    check_ok(varve_scrub(f->db, &options, NULL, &found, &err), &err);
    assert_int_equal(found.damaged_places, heard->count);
    return found;
}

static void what_is_whole_is_said_to_be_whole(void **state)
{
    engine_fixture *f = *state;
    tale heard;
    fill(f);
    varve_scrubbed found = scrub(f, &heard);
    assert_int_equal(found.files, 5); /* IDENT, manifest, two segments, deletes */
    assert_int_equal(found.damaged_files, 0);
    assert_true(found.blocks >= 2);
    int64_t bytes = engine_fixture_size(f, "db/seg/00000000000000000001.vsg") +
                    engine_fixture_size(f, "db/seg/00000000000000000002.vsg");
    assert_int_equal(found.bytes, bytes);
    assert_int_equal(varve_health(f->db, NULL), VARVE_HEALTH_OK);
}

static void every_damaged_place_is_told_and_reading_goes_on(void **state)
{
    engine_fixture *f = *state;
    tale heard;
    fill(f);
    const char *first = "db/seg/00000000000000000001.vsg";
    const char *second = "db/seg/00000000000000000002.vsg";
    engine_fixture_flip(f, first, 20, 16);                                /* header */
    engine_fixture_flip(f, first, 200, 16);                               /* block 0 */
    engine_fixture_flip(f, first, engine_fixture_size(f, first) - 1, 16); /* trailer */
    engine_fixture_flip(f, second, 90, 16);
    varve_scrubbed found = scrub(f, &heard);
    assert_int_equal(found.files, 5);
    assert_int_equal(found.damaged_files, 2);
    assert_int_equal(found.damaged_places, 4);
    assert_string_equal(heard.parts[0], "header");
    assert_string_equal(heard.parts[1], "block");
    assert_int_equal(heard.blocks[1], 0);
    assert_int_equal(heard.offsets[1], 64);
    assert_string_equal(heard.parts[2], "footer");
    assert_int_equal(heard.blocks[2], UINT64_MAX);
    assert_string_equal(heard.files[2], "seg/00000000000000000001.vsg");
    assert_string_equal(heard.files[3], "seg/00000000000000000002.vsg");
    varve_error reason;
    assert_int_equal(varve_health(f->db, &reason), VARVE_HEALTH_DEGRADED);
    assert_int_equal(reason.status, VARVE_E_CORRUPT);
    /* B2: the evidence */
    assert_int_equal(engine_fixture_files(f, "quarantine"), 4);
    assert_int_equal(engine_fixture_size(f, "db/quarantine/00000000000000000001.vsg.0"), 64);
    found = scrub(f, &heard);
    assert_int_equal(found.damaged_places, 4);
    assert_int_equal(engine_fixture_files(f, "quarantine"), 4);
}

/* S1 to S3, and that no byte is left out. */
static void a_flipped_byte_anywhere_is_one_damaged_place(void **state)
{
    engine_fixture *f = *state;
    tale heard;
    fill(f);
    const char *path = "db/seg/00000000000000000001.vsg";
    int64_t size = engine_fixture_size(f, path);
    for (int64_t offset = 0; offset < size; offset += 1 + size / 500) {
        engine_fixture_flip(f, path, offset, 16);
        varve_scrubbed found = scrub(f, &heard);
        engine_fixture_flip(f, path, offset, 16);
        if (found.damaged_places != 1) {
            fail_msg("offset %lld: %llu places", (long long)offset,
                     (unsigned long long)found.damaged_places);
        }
        assert_true(heard.offsets[0] <= (uint64_t)offset);
    }
    assert_int_equal(scrub(f, &heard).damaged_places, 0);
}

static void lists_of_deletes_manifest_and_ident_are_read_too(void **state)
{
    engine_fixture *f = *state;
    static const char *const directories[] = {"db/del", "db/manifest"};
    tale heard;
    char path[ENGINE_FIXTURE_PATH_BYTES];
    fill(f);
    for (size_t i = 0; i < 2; i++) {
        engine_fixture_last_file(f, directories[i], path);
        engine_fixture_flip(f, path, 40, 16);
        varve_scrubbed found = scrub(f, &heard);
        engine_fixture_flip(f, path, 40, 16);
        assert_int_equal(found.damaged_places, 1);
        assert_string_equal(heard.parts[0], "file");
        assert_int_equal(strncmp(heard.files[0], directories[i] + 3, 3), 0);
    }
    engine_fixture_flip(f, "db/IDENT", 30, 16);
    assert_int_equal(scrub(f, &heard).damaged_places, 1);
    assert_string_equal(heard.files[0], "IDENT");
}

static void what_cannot_be_read_is_damage(void **state)
{
    engine_fixture *f = *state;
    tale heard;
    fill(f);
    vv_fault_rule rule = {
        .ops = VV_VFS_OP_BIT(VV_VFS_OP_READ),
        .path_part = "00000000000000000002.vsg",
        .first_call = 2,
        .call_count = 1,
        .kind = VV_FAULT_ERRNO,
        .os_errno = EIO,
    };
    vv_fault_add(f->fault, &rule);
    assert_int_equal(scrub(f, &heard).damaged_places, 1);
    assert_int_equal(heard.statuses[0], VARVE_E_IO);
    assert_int_equal(engine_fixture_files(f, "quarantine"), 0); /* nothing was read */
}

static void a_reader_scrubs_and_keeps_no_evidence(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    tale heard;
    fill(f);
    varve_db *writer = f->db;
    varve_options options = f->options;
    options.flags = VARVE_OPEN_READONLY;
    check_ok(varve_open("db", &options, &f->db, &err), &err);
    check_ok(varve_compact(writer, VARVE_COMPACT_ALL, NULL, &err), &err); /* B3 */
    assert_int_equal(scrub(f, &heard).damaged_places, 0);
    check_ok(varve_close(f->db, &err), &err);
    check_ok(varve_open("db", &options, &f->db, &err), &err);
    engine_fixture_flip(f, "db/seg/00000000000000000004.vsg", 100, 16);
    assert_int_equal(scrub(f, &heard).damaged_places, 1);
    check_ok(varve_close(f->db, &err), &err);
    f->db = writer;
    assert_int_equal(engine_fixture_files(f, "quarantine"), 0);
}

static bool compact_once(void *context)
{
    engine_fixture *f = context;
    varve_error err;
    if (engine_fixture_files(f, "seg") > 1) {
        check_ok(varve_compact(f->db, VARVE_COMPACT_ALL, NULL, &err), &err);
    }
    return true;
}

/* B3: files that a merge drops while they are on the list. */
static void what_a_merge_drops_meanwhile_is_no_damage(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    fill(f);
    engine_fixture_write(f, 5, 90000, 10, 30, 1);
    engine_fixture_delete(f, 5, 1000, 1100);
    check_ok(varve_flush(f->db, NULL, &err), &err);
    assert_int_equal(engine_fixture_files(f, "del"), 2);
    varve_task *task = varve_task_create();
    varve_task_set_check(task, compact_once, f);
    varve_scrubbed found;
    varve_scrubbed_init(&found);
    check_ok(varve_scrub(f->db, NULL, task, &found, &err), &err);
    varve_task_free(task);
    assert_int_equal(engine_fixture_files(f, "del"), 0);
    assert_int_equal(found.files, 7); /* three segments, and two lists that went */
    assert_int_equal(found.damaged_places, 0);
}

static void a_list_of_deletes_that_is_missing_is_damage(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    tale heard;
    char path[ENGINE_FIXTURE_PATH_BYTES];
    fill(f);
    engine_fixture_last_file(f, "db/del", path);
    check_ok(vv_vfs_unlink(f->files, path, &err), &err);
    assert_int_equal(scrub(f, &heard).damaged_places, 1);
    assert_string_equal(heard.files[0], path + 3);
}

static void without_room_for_evidence_the_damage_is_told(void **state)
{
    engine_fixture *f = *state;
    tale heard;
    fill(f);
    engine_fixture_flip(f, "db/seg/00000000000000000001.vsg", 100, 16);
    vv_fault_rule rule = {
        .path_part = "quarantine",
        .first_call = 1,
        .call_count = VV_FAULT_FOREVER,
        .kind = VV_FAULT_ERRNO,
        .os_errno = ENOSPC,
    };
    vv_fault_add(f->fault, &rule);
    assert_int_equal(scrub(f, &heard).damaged_places, 1);
    vv_fault_clear(f->fault);
    assert_int_equal(engine_fixture_files(f, "quarantine"), 0);
    assert_int_equal(engine_fixture_files(f, "tmp"), 0);
}

static varve_scrub_state status_of(engine_fixture *f, tale *heard)
{
    varve_error err;
    varve_scrub_state found;
    varve_scrub_state_init(&found);
    memset(heard, 0, sizeof *heard);
    check_ok(varve_scrub_status(f->db, &found, listen, heard, &err), &err);
    assert_int_equal(found.bad_places, heard->count);
    return found;
}

/* B4, N1: from one open to the next, until a pass finds it whole. */
static void damage_is_known_until_a_pass_finds_none(void **state)
{
    engine_fixture *f = *state;
    tale heard;
    varve_error reason;
    fill(f);
    assert_int_equal(status_of(f, &heard).has_run, 0);
    engine_fixture_flip(f, "db/seg/00000000000000000001.vsg", 100, 16);
    assert_int_equal(scrub(f, &heard).damaged_places, 1);
    for (int opens = 0; opens < 3; opens++) {
        varve_scrub_state found = status_of(f, &heard);
        assert_true(found.has_run == 1 && found.completed_ns > 0);
        assert_true(found.files == 5 && found.damaged_files == 1 && found.damaged_places == 1);
        assert_int_equal(heard.count, 1);
        assert_string_equal(heard.files[0], "seg/00000000000000000001.vsg");
        assert_true(heard.blocks[0] == 0 && heard.offsets[0] == 64);
        assert_int_equal(varve_health(f->db, &reason), VARVE_HEALTH_DEGRADED);
        assert_non_null(strstr(reason.message, "seg/00000000000000000001.vsg: block 0"));
        engine_fixture_abandon(f);
        engine_fixture_open(f);
    }
    engine_fixture_flip(f, "db/seg/00000000000000000001.vsg", 100, 16);
    assert_int_equal(scrub(f, &heard).damaged_places, 0);
    engine_fixture_close(f);
    engine_fixture_open(f);
    assert_int_equal(status_of(f, &heard).damaged_places, 0);
    assert_int_equal(varve_health(f->db, NULL), VARVE_HEALTH_OK);
}

/* N2. */
static void a_damaged_file_that_is_gone_counts_for_nothing(void **state)
{
    engine_fixture *f = *state;
    tale heard;
    char path[ENGINE_FIXTURE_PATH_BYTES];
    fill(f);
    engine_fixture_last_file(f, "db/del", path);
    engine_fixture_flip(f, path, 40, 16);
    assert_int_equal(scrub(f, &heard).damaged_places, 1);
    engine_fixture_flip(f, path, 40, 16);
    assert_int_equal(status_of(f, &heard).bad_places, 1);
    assert_string_equal(heard.files[0], path + 3);
    varve_error err;
    check_ok(varve_compact(f->db, VARVE_COMPACT_ALL, NULL, &err), &err);
    assert_int_equal(engine_fixture_files(f, "del"), 0);
    assert_int_equal(status_of(f, &heard).bad_places, 0);
    engine_fixture_close(f);
    engine_fixture_open(f);
    assert_int_equal(varve_health(f->db, NULL), VARVE_HEALTH_OK);
    assert_int_equal(status_of(f, &heard).damaged_places, 1);
}

typedef struct asking {
    engine_fixture *f;
    uint64_t asked;
    varve_scrub_state told; /* while an edit is synced */
} asking;

static void ask_during_the_edit(void *context, vv_vfs_op op, const char *path)
{
    asking *a = context;
    tale heard;
    if (op == VV_VFS_OP_SYNC && strstr(path, "manifest/") != NULL) {
        a->told = status_of(a->f, &heard);
        a->asked++;
    }
}

/* K1: with damaged places on the list, too. K2: what is told changes behind the edit. */
static void asking_waits_for_no_edit_of_the_manifest(void **state)
{
    engine_fixture *f = *state;
    tale heard;
    varve_error err;
    asking a = {.f = f};
    fill(f);
    engine_fixture_flip(f, "db/seg/00000000000000000001.vsg", 100, 16);
    vv_fault_set_hook(f->fault, ask_during_the_edit, &a);
    scrub(f, &heard);
    assert_true(a.asked > 0);
    assert_int_equal(a.told.has_run, 0);
    engine_fixture_flip(f, "db/seg/00000000000000000002.vsg", 100, 16);
    scrub(f, &heard);
    assert_int_equal(a.told.bad_places, 1);
    engine_fixture_write(f, 4, 90000, 10, 30, 1);
    uint64_t asked = a.asked;
    check_ok(varve_flush(f->db, NULL, &err), &err);
    assert_true(a.asked > asked);
    assert_int_equal(a.told.bad_places, 2);
    vv_fault_set_hook(f->fault, NULL, NULL);
}

static void a_pass_that_was_stopped_says_nothing(void **state)
{
    engine_fixture *f = *state;
    tale heard;
    varve_error err;
    varve_scrubbed found;
    fill(f);
    varve_scrubbed_init(&found);
    varve_task *task = varve_task_create();
    varve_task_cancel(task);
    check_status(VARVE_E_CANCELLED, varve_scrub(f->db, NULL, task, &found, &err));
    varve_task_free(task);
    assert_int_equal(status_of(f, &heard).has_run, 0);
}

/* B4. */
static void a_disk_that_takes_no_record_fails_no_pass(void **state)
{
    engine_fixture *f = *state;
    tale heard;
    fill(f);
    engine_fixture_close(f);
    engine_fixture_open(f); /* the next edit begins a new file */
    vv_fault_rule rule = {
        .ops = VV_VFS_OP_BIT(VV_VFS_OP_OPEN),
        .path_part = "tmp/",
        .first_call = 1,
        .call_count = VV_FAULT_FOREVER,
        .kind = VV_FAULT_ERRNO,
        .os_errno = ENOSPC,
    };
    vv_fault_add(f->fault, &rule);
    assert_int_equal(scrub(f, &heard).damaged_places, 0);
    vv_fault_clear(f->fault);
    assert_int_equal(status_of(f, &heard).has_run, 1);
}

/* Q1, and that a close does not wait for the disk. */
static void a_pass_in_the_background_runs_when_it_is_due(void **state)
{
    engine_fixture *f = *state;
    tale heard;
    fill(f);
    engine_fixture_close(f);
    f->options.flags &= ~(uint32_t)VARVE_OPEN_NO_BACKGROUND;
    f->options.scrub_interval_ms = 1;
    engine_fixture_open(f);
    for (int tries = 0; status_of(f, &heard).has_run == 0; tries++) {
        assert_true(tries < 3000);
        /* A condition with a deadline of 20 ms: no row comes meanwhile. */
        VV_IGNORE(varve_wait_visible(f->db, UINT64_MAX - 1, 20, NULL, NULL));
    }
    assert_int_equal(status_of(f, &heard).damaged_places, 0);
    engine_fixture_close(f);
    f->options.scrub_interval_ms = VARVE_SCRUB_NEVER;
    engine_fixture_open(f);
    assert_int_equal(status_of(f, &heard).has_run, 1);
}

typedef struct pace {
    manual_clock *clock;
    uint64_t asked, stops_at;
} pace;

static bool tick(void *context)
{
    pace *p = context;
    p->asked++;
    manual_clock_advance(p->clock, 10 * VV_NS_PER_MS);
    return p->stops_at == 0 || p->asked < p->stops_at;
}

static void the_rate_is_kept_and_waiting_can_be_cancelled(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    fill(f);
    engine_fixture_close(f);
    manual_clock clock;
    manual_clock_init(&clock, INT64_C(1700000000000000000));
    f->env.clock = manual_clock_of(&clock);
    engine_fixture_open(f);
    int64_t bytes = engine_fixture_size(f, "db/seg/00000000000000000001.vsg") +
                    engine_fixture_size(f, "db/seg/00000000000000000002.vsg");
    pace p = {.clock = &clock};
    varve_task *task = varve_task_create();
    varve_scrubbed found;
    varve_scrub_options options;
    varve_scrubbed_init(&found);
    varve_scrub_options_init(&options);
    options.bytes_per_second = (uint64_t)bytes * 10; /* a tenth of a second */
    varve_task_set_check(task, tick, &p);
    int64_t begin_ns = (int64_t)atomic_load(&clock.mono_ns);
    check_ok(varve_scrub(f->db, &options, task, &found, &err), &err);
    int64_t took_ns = (int64_t)atomic_load(&clock.mono_ns) - begin_ns;
    /* B1: all but the last read had to be due. */
    assert_true(took_ns > 50 * VV_NS_PER_MS);
    uint64_t done;
    uint64_t total;
    varve_task_progress(task, &done, &total);
    assert_int_equal(done, bytes);
    assert_int_equal(total, bytes);

    options.bytes_per_second = 1; /* for days */
    p = (pace){.clock = &clock, .stops_at = 40};
    check_status(VARVE_E_CANCELLED, varve_scrub(f->db, &options, task, &found, &err));
    varve_task_free(task);
}

static void each_failing_allocation_is_reported(void **state)
{
    engine_fixture *f = *state;
    tale heard;
    fill(f);
    scrub(f, &heard); /* the manifest holds its first record */
    uint64_t live = atomic_load(&f->source.live);
    bool is_end = false;
    for (uint64_t number = 1; !is_end; number++) {
        varve_error err;
        varve_scrubbed found;
        varve_scrub_options options;
        varve_scrubbed_init(&found);
        varve_scrub_options_init(&options);
        options.bytes_per_second = UINT64_MAX;
        failing_alloc_plan(&f->source, number, /* fails_once */ true);
        varve_status status = varve_scrub(f->db, &options, NULL, &found, &err);
        is_end = atomic_load(&f->source.failures) == 0;
        failing_alloc_plan(&f->source, 0, true);
        check_status(is_end ? VARVE_OK : VARVE_E_NOMEM, status);
        /* In a coverage build each record that the manifest keeps is a piece of its own. */
        uint64_t kept = VV_ARENA_BLOCK_BYTES_MAX == 1 ? number : 0;
        assert_in_range(atomic_load(&f->source.live), live, live + kept);
        assert_int_equal(varve_health(f->db, NULL), VARVE_HEALTH_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_fixture_test(what_is_whole_is_said_to_be_whole),
        engine_fixture_test(every_damaged_place_is_told_and_reading_goes_on),
        engine_fixture_test(a_flipped_byte_anywhere_is_one_damaged_place),
        engine_fixture_test(lists_of_deletes_manifest_and_ident_are_read_too),
        engine_fixture_test(what_cannot_be_read_is_damage),
        engine_fixture_test(a_reader_scrubs_and_keeps_no_evidence),
        engine_fixture_test(what_a_merge_drops_meanwhile_is_no_damage),
        engine_fixture_test(a_list_of_deletes_that_is_missing_is_damage),
        engine_fixture_test(without_room_for_evidence_the_damage_is_told),
        engine_fixture_test(the_rate_is_kept_and_waiting_can_be_cancelled),
        engine_fixture_test(damage_is_known_until_a_pass_finds_none),
        engine_fixture_test(a_damaged_file_that_is_gone_counts_for_nothing),
        engine_fixture_test(asking_waits_for_no_edit_of_the_manifest),
        engine_fixture_test(a_pass_that_was_stopped_says_nothing),
        engine_fixture_test(a_disk_that_takes_no_record_fails_no_pass),
        engine_fixture_test(a_pass_in_the_background_runs_when_it_is_due),
        engine_fixture_test(each_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
