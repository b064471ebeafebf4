/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every kind of file of a database, described whole, cut at every length and with flipped bits: it
 * is always described, and what a checksum covers is never called whole when it is not.
 */
#include "engine/inspect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/slice.h"
#include "support/check.h"
#include "support/dump.h"
#include "support/failing_alloc.h"
#include "support/tour.h"
#include "sys/vfs_fault.h"
#include "sys/vfs_memory.h"

enum { FILES_MAX = 32, TEXT_BYTES_MAX = 256 * 1024 };

typedef struct stored {
    char path[128];
    uint8_t *data;
    size_t size;
} stored;

/** A closed database in memory, its files, and what the last inspection told. */
typedef struct world {
    vv_alloc alloc;
    vv_vfs *files;
    vv_env env;
    stored stored[FILES_MAX];
    size_t count;
    char *told; /* "section.name=value " and "DAMAGE section: sentence " */
    size_t told_size;
    vv_facts facts;
} world;

/* ---- the database --------------------------------------------------------------------------- */

static void load_files(world *w, const char *directory)
{
    varve_error err;
    vv_dir_list list;
    check_ok(vv_vfs_list(w->files, &w->alloc, directory, &list, &err), &err);
    for (size_t i = 0; i < list.count; i++) {
        char path[VV_PATH_BYTES_MAX];
        void *bytes;
        check_ok(vv_path_join(directory, list.entries[i].name, path, &err), &err);
        if (list.entries[i].kind == VV_KIND_DIRECTORY) {
            load_files(w, path);
        } else if (strstr(path, "LOCK") == NULL && strstr(path, "quarantine") == NULL) {
            stored *file = &w->stored[w->count++];
            assert_true(w->count <= FILES_MAX);
            snprintf(file->path, sizeof file->path, "%s", path);
            check_ok(
                vv_vfs_read_file(w->files, &w->alloc, path, 1 << 22, &bytes, &file->size, &err),
                &err);
            file->data = bytes;
        }
    }
    vv_dir_list_deinit(&list);
}

/* A database with every policy: once in files and the manifest, once more in the log. */
static void set_policies(varve_db *db, int64_t turn)
{
    varve_error err;
    varve_ring ring;
    varve_retention retention;
    varve_metric_policy policy;
    varve_rollup rollup = {.id = VARVE_STR("kept"),
                           .metric = VARVE_STR("m"),
                           .interval = 100 * turn,
                           .aggregation = VARVE_AGG_AVG};
    varve_ring_init(&ring);
    ring.step = 10;
    ring.slots = 3;
    check_ok(varve_policy_ring(db, VARVE_STR("r"), NULL, 0, &ring, NULL, &err), &err);
    check_ok(varve_policy_rollups(db, &rollup, 1, &err), &err);
    varve_retention_init(&retention);
    retention.window = 4242 * turn;
    check_ok(varve_policy_retention(db, VARVE_STR("m"), &retention, &err), &err);
    varve_metric_policy_init(&policy);
    policy.duplicates = VARVE_DUPLICATES_ALL;
    policy.row_ids = VARVE_ROW_IDS_ON;
    const char *metric = turn == 1 ? "ids" : "more ids";
    check_ok(varve_policy_metric(db, vv_text_from_string(metric), &policy, &err), &err);
    for (int64_t i = 0; i < 3; i++) {
        dump_must_put(db, "m", 1000 * turn + i, "value", dump_i64(i));
        dump_must_put(db, "r", 1000 * turn + 10 * i, "value", dump_f64((double)i));
    }
}

static void delete_a_row(varve_db *db)
{
    varve_error err;
    varve_batch *batch;
    varve_written written;
    varve_value value = dump_i64(7);
    varve_field field = dump_field(db, "value");
    varve_row row = {.series = dump_series(db, "ids"),
                     .timestamp = 5,
                     .fields = &field,
                     .values = &value,
                     .count = 1};
    varve_written_init(&written);
    check_ok(varve_batch_create(db, &batch, &err), &err);
    check_ok(varve_batch_row(batch, &row, &err), &err);
    check_ok(varve_batch_commit(batch, NULL, &written, &err), &err);
    varve_row_id id = {.series = row.series, .timestamp = 5, .row_id = written.first_row_id};
    check_ok(varve_batch_delete_row(batch, &id, &err), &err);
    check_ok(varve_batch_commit(batch, NULL, NULL, &err), &err);
    varve_batch_free(batch);
}

/* A pass over it that finds a block damaged, which is whole again afterwards. */
static void scrub_with_damage(world *w, varve_db *db)
{
    static const char path[] = "/kept/seg/00000000000000000002.vsg";
    varve_error err;
    vv_file *file;
    varve_scrubbed found;
    varve_scrub_options options;
    varve_scrubbed_init(&found);
    varve_scrub_options_init(&options);
    options.bytes_per_second = UINT64_MAX;
    for (int turn = 0; turn < 2; turn++) {
        uint8_t byte;
        check_ok(vv_file_open(w->files, &w->alloc, path, VV_OPEN_READ | VV_OPEN_WRITE, &file, &err),
                 &err);
        check_ok(vv_file_read_exact(file, 100, &byte, 1, &err), &err);
        byte ^= 16;
        check_ok(vv_file_write_all(file, 100, &byte, 1, &err), &err);
        check_ok(vv_file_close(file, &err), &err);
        if (turn == 0) {
            check_ok(varve_scrub(db, &options, NULL, &found, &err), &err);
            assert_int_equal(found.damaged_places, 1);
        }
    }
}

static void keep_everything(world *w, const varve_options *options)
{
    varve_error err;
    varve_db *db;
    check_ok(varve_open("/kept", options, &db, &err), &err);
    set_policies(db, 1);
    check_ok(varve_flush(db, NULL, &err), &err);
    scrub_with_damage(w, db);
    set_policies(db, 2);
    delete_a_row(db);
    varve_abandon(db);
}

static int begin(void **state)
{
    varve_error err;
    world *w = calloc(1, sizeof *w);
    vv_alloc_init(&w->alloc, NULL);
    check_ok(vv_vfs_memory_create(&w->alloc, &w->files, &err), &err);
    vv_env_init_system(&w->env, &w->alloc);
    w->env.vfs = w->files;
    w->told = malloc(TEXT_BYTES_MAX);
    varve_options options;
    varve_options_init(&options);
    options.environment = &w->env;
    options.flags = VARVE_OPEN_NO_BACKGROUND;
    options.memory_limit_bytes = UINT64_C(64) << 20;
    options.cache_bytes = 1 << 20;
    options.log_file_bytes = 64 * 1024;
    options.merge_fan_in = 100;
    tour t;
    tour_init(&t, "/db", &options);
    assert_true(tour_open(&t));
    tour_write(&t, 6, &err);
    tour_flush(&t, false);
    tour_write(&t, 5, &err);
    tour_delete(&t, 0, &err); /* hides rows of a segment: a file of its own */
    tour_flush(&t, false);
    tour_write(&t, 4, &err);
    tour_write(&t, 3, &err);
    assert_int_equal(t.failed_calls, 0);
    varve_abandon(t.db); /* the log keeps rows */
    load_files(w, "/db");
    keep_everything(w, &options);
    load_files(w, "/kept");
    *state = w;
    return 0;
}

static int end(void **state)
{
    world *w = *state;
    for (size_t i = 0; i < w->count; i++) {
        vv_alloc_free(&w->alloc, w->stored[i].data, w->stored[i].size);
    }
    vv_vfs_memory_free(w->files);
    assert_int_equal(vv_alloc_bytes(&w->alloc), 0);
    free(w->told);
    free(w);
    return 0;
}

static stored *find_file(world *w, const char *part)
{
    for (size_t i = 0; i < w->count; i++) {
        if (strstr(w->stored[i].path, part) != NULL) {
            return &w->stored[i];
        }
    }
    fail_msg("no file %s", part);
    return NULL;
}

/* ---- inspecting ----------------------------------------------------------------------------- */

static void note(void *context, const varve_fact *fact)
{
    world *w = context;
    char value[512];
    assert_int_equal(fact->struct_size, sizeof *fact);
    if (fact->value.type == VARVE_TYPE_STRING) {
        snprintf(value, sizeof value, "%.*s", (int)fact->value.as.bytes.size,
                 fact->value.as.bytes.data);
    } else {
        snprintf(value, sizeof value, "%lld", (long long)fact->value.as.i64);
    }
    size_t left = TEXT_BYTES_MAX - w->told_size;
    int size = fact->is_damage != 0 ? snprintf(w->told + w->told_size, left, "DAMAGE %.*s: %s\n",
                                               (int)fact->section.size, fact->section.data, value)
                                    : snprintf(w->told + w->told_size, left, "%.*s.%.*s=%s\n",
                                               (int)fact->section.size, fact->section.data,
                                               (int)fact->name.size, fact->name.data, value);
    w->told_size += (size_t)size < left ? (size_t)size : 0;
}

static varve_status inspect(world *w, const char *path, bool has_details, varve_error *err)
{
    w->told_size = 0;
    w->told[0] = '\0';
    w->facts = (vv_facts){.visit = note, .context = w, .has_details = has_details};
    return vv_inspect(&w->env, path, &w->facts, err);
}

static void put(world *w, const char *path, const uint8_t *data, size_t size)
{
    varve_error err;
    vv_file *file;
    check_ok(vv_file_open(w->files, &w->alloc, path, VV_OPEN_WRITE | VV_OPEN_CREATE, &file, &err),
             &err);
    check_ok(vv_file_truncate(file, 0, &err), &err);
    if (size > 0) {
        check_ok(vv_file_write_all(file, 0, data, size, &err), &err);
    }
    check_ok(vv_file_close(file, &err), &err);
}

static void assert_told(const world *w, const char *text)
{
    if (strstr(w->told, text) == NULL) {
        fail_msg("\"%s\" is not in\n%s", text, w->told);
    }
}

/** Whether a checksum covers every byte of such a file, so that no change goes unnoticed. */
static bool is_covered(const char *path)
{
    return strstr(path, "IDENT") != NULL || strstr(path, ".vsg") != NULL ||
           strstr(path, ".vtb") != NULL;
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void inspect_describes_every_kind_of_file(void **state)
{
    world *w = *state;
    varve_error err;
    static const struct {
        const char *file, *told[6];
    } cases[] = {
        {"IDENT", {"file.format=ident", "header.store_id=", "header.is_snapshot=0"}},
        {".vmf", {"file.format=manifest", "header.store_id=", "state.last_edit=", "edit.edit="}},
        {".vwl",
         {"file.format=log", "record.type=rows", "record.type=commit", "records.rows=4",
          "records.rows_written=18", "end.state=clean"}},
        {".vsg",
         {"file.format=segment", "footer.rows=", "section.name=labels",
          "series.series=", "block.bytes="}},
        {".vtb", {"file.format=tombstones", "header.tombstones=1", "tombstone.sequence="}},
    };
    for (size_t i = 0; i < VV_ARRAY_COUNT(cases); i++) {
        check_ok(inspect(w, find_file(w, cases[i].file)->path, true, &err), &err);
        assert_int_equal(w->facts.damaged, 0);
        for (size_t k = 0; k < 6 && cases[i].told[k] != NULL; k++) {
            assert_told(w, cases[i].told[k]);
        }
        check_ok(inspect(w, find_file(w, cases[i].file)->path, false, &err), &err);
        assert_int_equal(w->facts.damaged, 0);
        assert_null(strstr(w->told, "record.type"));
    }
}

static void inspect_describes_all_policies(void **state)
{
    world *w = *state;
    varve_error err;
    static const struct {
        const char *file, *told[7], *details[9];
    } cases[] = {
        {"/kept/manifest",
         {"state.rings=1", "state.policies=1", "state.retention_scopes=1", "scrub.damaged_places=1",
          "scrub.files="},
         {"ring.id=", "policy.metric=ids", "policy.row_ids=2", "retention.metric=m",
          "retention.window=4242", "rollup.id=kept", "rollup.interval=100", "bad place.file=2",
          "bad place.is_block=1"}},
        {"/kept/wal",
         {"records.policy=", "records.tombstone=1", "records.ringpage="},
         {"record.type=policy", "record.type=ringpage", "record.type=tombstone",
          "record.ring=", "record.page=0"}},
        {"/kept/ring",
         {"header.metric=r", "header.slots=3", "header.pages=1", "pages.used=3"},
         {"page.used=3", "page.lsn="}},
    };
    for (size_t i = 0; i < VV_ARRAY_COUNT(cases); i++) {
        const char *path = find_file(w, cases[i].file)->path;
        for (int has_details = 0; has_details < 2; has_details++) {
            check_ok(inspect(w, path, has_details == 1, &err), &err);
            assert_int_equal(w->facts.damaged, 0);
            for (size_t k = 0; k < VV_ARRAY_COUNT(cases[i].told) && cases[i].told[k]; k++) {
                assert_told(w, cases[i].told[k]);
            }
            for (size_t k = 0; k < VV_ARRAY_COUNT(cases[i].details) && cases[i].details[k]; k++) {
                if (has_details == 1) {
                    assert_told(w, cases[i].details[k]);
                } else {
                    assert_null(strstr(w->told, cases[i].details[k]));
                }
            }
        }
    }
}

/* What cannot be read is told as that, never as damage. */
static void inspect_stops_at_reads_that_fail(void **state)
{
    world *w = *state;
    varve_error err;
    vv_fault *fault;
    check_ok(vv_fault_create(&w->alloc, w->files, &fault, &err), &err);
    vv_vfs *files = w->files;
    w->env.vfs = vv_fault_vfs(fault);
    for (size_t i = 0; i < w->count; i++) {
        bool was_reached = true;
        for (uint64_t number = 1; was_reached; number++) {
            size_t rule = vv_fault_add(fault, &(vv_fault_rule){.ops = VV_VFS_OP_ALL,
                                                               .first_call = number,
                                                               .call_count = 1,
                                                               .kind = VV_FAULT_ERRNO,
                                                               .os_errno = EIO});
            varve_status status = inspect(w, w->stored[i].path, true, &err);
            was_reached = vv_fault_fired(fault, rule) > 0;
            vv_fault_clear(fault);
            assert_true(status == VARVE_OK || status == VARVE_E_IO);
            assert_int_equal(w->facts.damaged, 0);
            assert_int_equal(vv_fault_open_files(fault), 0);
        }
        assert_true(w->told_size > 0);
    }
    w->env.vfs = files;
    vv_fault_free(fault);
}

static void inspect_tells_of_every_damaged_byte_that_a_checksum_covers(void **state)
{
    world *w = *state;
    varve_error err;
    for (size_t i = 0; i < w->count; i++) {
        stored *file = &w->stored[i];
        for (size_t at = 0; at < file->size; at++) {
            if (at > 8192 && at % 4001 != 0) {
                continue; /* zeros of a log that was made in full */
            }
            file->data[at] ^= (uint8_t)(1u << (at % 8));
            put(w, file->path, file->data, file->size);
            check_ok(inspect(w, file->path, at % 2 == 0, &err), &err);
            if (is_covered(file->path) && w->facts.damaged == 0) {
                fail_msg("%s: byte %zu is damaged, and nothing is told", file->path, at);
            }
            file->data[at] ^= (uint8_t)(1u << (at % 8));
        }
        put(w, file->path, file->data, file->size);
    }
}

static void inspect_describes_files_cut_at_any_length(void **state)
{
    world *w = *state;
    varve_error err;
    for (size_t i = 0; i < w->count; i++) {
        stored *file = &w->stored[i];
        for (size_t size = 0; size<file->size; size += size> 8192 ? 4001 : 1) {
            put(w, file->path, file->data, size);
            check_ok(inspect(w, file->path, size % 2 == 0, &err), &err);
            if (is_covered(file->path) && w->facts.damaged == 0) {
                fail_msg("%s: cut at %zu, and nothing is told", file->path, size);
            }
        }
        put(w, file->path, file->data, file->size);
    }
}

static void inspect_goes_on_behind_a_damaged_record(void **state)
{
    world *w = *state;
    varve_error err;
    stored *log = find_file(w, ".vwl");
    check_ok(inspect(w, log->path, false, &err), &err);
    assert_told(w, "records.series=3");
    log->data[4096 + 32 + 1] ^= 1; /* in the payload of the first record */
    put(w, log->path, log->data, log->size);
    check_ok(inspect(w, log->path, false, &err), &err);
    assert_int_equal(w->facts.damaged, 1);
    assert_told(w, "DAMAGE record: ");
    assert_told(w, "are lost");
    assert_told(w, "records.series=2");
    assert_told(w, "records.rows=4");
    log->data[4096 + 32 + 1] ^= 1;
    put(w, log->path, log->data, log->size);
}

static void inspect_calls_the_last_record_torn(void **state)
{
    world *w = *state;
    varve_error err;
    stored *log = find_file(w, ".vwl");
    size_t used = log->size;
    while (used > 0 && log->data[used - 1] == 0) {
        used -= 1;
    }
    log->data[used - 1] ^= 0x80;
    put(w, log->path, log->data, log->size);
    check_ok(inspect(w, log->path, false, &err), &err);
    assert_int_equal(w->facts.damaged, 0);
    assert_told(w, "end.state=torn");
    log->data[used - 1] ^= 0x80;
    put(w, log->path, log->data, log->size);
}

static void inspect_knows_a_file_by_its_name_when_its_magic_is_gone(void **state)
{
    world *w = *state;
    varve_error err;
    stored *segment = find_file(w, ".vsg");
    segment->data[0] ^= 1;
    put(w, segment->path, segment->data, segment->size);
    check_ok(inspect(w, segment->path, false, &err), &err);
    assert_told(w, "file.format=segment");
    assert_told(w, "DAMAGE header: ");
    assert_told(w, "footer.rows=");
    segment->data[0] ^= 1;
    put(w, segment->path, segment->data, segment->size);
    put(w, "/db/other", (const uint8_t *)"nothing of ours", 15);
    check_status(VARVE_E_UNSUPPORTED, inspect(w, "/db/other", false, &err));
    check_status(VARVE_E_NOT_FOUND, inspect(w, "/db/none", false, &err));
}

/* Each allocation fails once: a status that says so, and nothing is lost. */
static void inspect_survives_failing_allocations(void **state)
{
    world *w = *state;
    varve_error err;
    failing_alloc failing;
    failing_alloc_init(&failing);
    varve_allocator source = failing_alloc_source(&failing);
    for (size_t i = 0; i < w->count; i++) {
        bool is_over = false;
        for (uint64_t n = 1; !is_over; n++) {
            vv_alloc alloc;
            vv_alloc_init(&alloc, &source);
            vv_env env = w->env;
            env.alloc = &alloc;
            failing_alloc_plan(&failing, n, true);
            w->told_size = 0;
            w->facts = (vv_facts){.visit = note, .context = w, .has_details = true};
            varve_status status = vv_inspect(&env, w->stored[i].path, &w->facts, &err);
            is_over = atomic_load(&failing.failures) < n && status == VARVE_OK &&
                      w->facts.damaged == 0 && atomic_load(&failing.requests) < n;
            assert_true(status == VARVE_OK || status == VARVE_E_NOMEM);
            assert_int_equal(w->facts.damaged, 0);
            assert_int_equal(vv_alloc_bytes(&alloc), 0);
        }
    }
}

static void the_public_call_refuses_what_it_cannot_do(void **state)
{
    (void)state;
    varve_error err;
    varve_inspect_options options;
    varve_inspected inspected;
    varve_inspect_options_init(&options);
    varve_inspected_init(&inspected);
    check_status(VARVE_E_INVALID, varve_inspect("x", &options, &inspected, &err));
    options.visit = note;
    check_status(VARVE_E_INVALID, varve_inspect(NULL, &options, &inspected, &err));
    options.flags = 2;
    check_status(VARVE_E_INVALID, varve_inspect("x", &options, &inspected, &err));
    options.flags = 0;
    check_status(VARVE_E_NOT_FOUND,
                 varve_inspect("/nonexistent/IDENT", &options, &inspected, &err));
}

static void golden_file_is_described(const char *path, const char *told)
{
    varve_error err;
    world w = {.told = malloc(TEXT_BYTES_MAX)};
    varve_inspect_options options;
    varve_inspected inspected;
    varve_inspect_options_init(&options);
    varve_inspected_init(&inspected);
    options.flags = VARVE_INSPECT_DETAILS;
    options.visit = note;
    options.context = &w;
    w.told[0] = '\0';
    check_ok(varve_inspect(path, &options, &inspected, &err), &err);
    assert_int_equal(inspected.damaged, 0);
    assert_true(inspected.facts > 5);
    assert_told(&w, told);
    free(w.told);
}

static void files_of_earlier_builds_are_described(void **state)
{
    (void)state;
    golden_file_is_described(VARVE_TESTS_DIR "/compat/segment_v1.vsg", "header.id=1234");
    golden_file_is_described(VARVE_TESTS_DIR "/compat/tombstones_v1.vtb", "tombstone.sequence=");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inspect_describes_every_kind_of_file),
        cmocka_unit_test(inspect_describes_all_policies),
        cmocka_unit_test(inspect_stops_at_reads_that_fail),
        cmocka_unit_test(inspect_tells_of_every_damaged_byte_that_a_checksum_covers),
        cmocka_unit_test(inspect_describes_files_cut_at_any_length),
        cmocka_unit_test(inspect_goes_on_behind_a_damaged_record),
        cmocka_unit_test(inspect_calls_the_last_record_torn),
        cmocka_unit_test(inspect_knows_a_file_by_its_name_when_its_magic_is_gone),
        cmocka_unit_test(inspect_survives_failing_allocations),
        cmocka_unit_test(the_public_call_refuses_what_it_cannot_do),
        cmocka_unit_test(files_of_earlier_builds_are_described),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
