/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Databases that an earlier build wrote open today, verify and answer the same. Each is a directory
 * below tests/compat: IDENT, a manifest, a log with rows that are nowhere else, segments, deletes;
 * left as after a crash. Zeros at the end of a log are not stored. Written by
 *
 *     VARVE_WRITE_GOLDEN=tests/compat/store_v1 build-debug/tests/test-integration-stored_databases
 *
 * which is done again only when a format changes on purpose before its first release.
 */
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "support/file_tree.h"
#include "support/tour.h"
#include "sys/env.h"
#include "sys/vfs_memory.h"

#define STORED VARVE_TESTS_DIR "/compat/store_v1"

enum { STORED_LOG_BYTES = 64 * 1024 };

typedef struct stored {
    vv_alloc alloc;
    vv_vfs *files;
    vv_env env;
    varve_options options;
} stored;

static void stored_begin(stored *s)
{
    varve_error err;
    memset(s, 0, sizeof *s);
    vv_alloc_init(&s->alloc, NULL);
    check_ok(vv_vfs_memory_create(&s->alloc, &s->files, &err), &err);
    vv_env_init_system(&s->env, &s->alloc);
    s->env.vfs = s->files;
    varve_options_init(&s->options);
    s->options.environment = &s->env;
    s->options.flags = VARVE_OPEN_NO_BACKGROUND;
    s->options.memory_limit_bytes = UINT64_C(64) << 20;
    s->options.log_file_bytes = STORED_LOG_BYTES;
    s->options.merge_fan_in = 100; /* segments stay as they are */
}

static void stored_end(stored *s)
{
    vv_vfs_memory_free(s->files);
    assert_int_equal(vv_alloc_bytes(&s->alloc), 0);
}

/* What the stored database went through; the ledger of it. The database is left open. */
static void stored_write(stored *s, tour *t)
{
    varve_error err;
    tour_init(t, "/db", &s->options);
    assert_true(tour_open(t));
    check_ok(tour_write(t, 6, &err), &err);
    check_ok(tour_write_bulk(t, 1100, &err), &err);
    tour_flush(t, false);
    check_ok(tour_write(t, 6, &err), &err);
    check_ok(tour_write(t, 5, &err), &err);
    check_ok(tour_delete(t, 0, &err), &err); /* hides rows of a segment: a file of its own */
    tour_flush(t, false);
    check_ok(tour_write(t, 4, &err), &err); /* in the log only */
    check_ok(tour_delete(t, 2, &err), &err);
    check_ok(tour_write_bulk(t, 40, &err), &err);
    assert_int_equal(t->failed_calls, 0);
}

static void stored_digest(varve_db *db, varve_verified *out_verified)
{
    varve_error err;
    varve_verified_init(out_verified);
    check_ok(varve_verify(db, NULL, out_verified, &err), &err);
}

/* ---- the directory of the repository ---- */

static void stored_save(const file_tree *tree, const char *target)
{
    char path[600];
    for (size_t i = 0; i < tree->directory_count; i++) {
        snprintf(path, sizeof path, "%s%s", target, tree->directories[i] + strlen("/db"));
        (void)mkdir(path, 0777);
    }
    for (size_t i = 0; i < tree->count; i++) {
        const file_tree_entry *file = &tree->files[i];
        if (strstr(file->path, "/LOCK") != NULL) {
            continue; /* names this machine */
        }
        snprintf(path, sizeof path, "%s%s", target, file->path + strlen("/db"));
        FILE *out = fopen(path, "wb");
        assert_non_null(out);
        bool is_log = strstr(file->path, ".vwl") != NULL;
        size_t size = is_log ? (file_tree_used_bytes(file) + 7) / 8 * 8 : file->size;
        assert_int_equal(fwrite(file->data, 1, size, out), size);
        assert_int_equal(fclose(out), 0);
    }
}

/* Into memory, with the zeros of the log. */
static void stored_load(stored *s)
{
    static const char *const made[] = {"/db",     "/db/del", "/db/manifest",   "/db/ring",
                                       "/db/seg", "/db/tmp", "/db/quarantine", "/db/wal"};
    static file_tree tree;
    vv_env real;
    varve_error err;
    vv_env_init_system(&real, &s->alloc);
    file_tree_load(&tree, real.vfs, &s->alloc, STORED);
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) { /* git keeps no empty ones */
        check_ok(vv_vfs_mkdir(s->files, made[i], &err), &err);
    }
    tree.directory_count = 0;
    for (size_t i = 0; i < tree.count; i++) {
        file_tree_entry *file = &tree.files[i];
        memmove(file->path + 3, file->path + strlen(STORED),
                strlen(file->path + strlen(STORED)) + 1);
        memcpy(file->path, "/db", 3);
        if (strstr(file->path, ".vwl") != NULL && file->size < STORED_LOG_BYTES) {
            file->data = realloc(file->data, STORED_LOG_BYTES);
            assert_non_null(file->data);
            memset(file->data + file->size, 0, STORED_LOG_BYTES - file->size);
            file->size = STORED_LOG_BYTES;
        }
    }
    file_tree_store(&tree, s->files, &s->alloc);
    file_tree_free(&tree);
}

/* ---- tests ---- */

/* The ledger and the digest of a database that today's code makes in the same way. */
static void stored_expect(tour *out_tour, varve_verified *out_verified)
{
    static stored s;
    stored_begin(&s);
    stored_write(&s, out_tour);
    stored_digest(out_tour->db, out_verified);
    varve_abandon(out_tour->db);
    out_tour->db = NULL;
    stored_end(&s);
}

static void stored_answers(uint32_t flags)
{
    static tour t;
    varve_verified expected;
    varve_verified found;
    stored s;
    stored_expect(&t, &expected);
    stored_begin(&s);
    stored_load(&s);
    t.options = s.options;
    t.options.flags = flags;
    assert_true(tour_open(&t));
    stored_digest(t.db, &found);
    assert_int_equal(found.rows, expected.rows);
    assert_int_equal(found.series, expected.series);
    assert_memory_equal(found.digest, expected.digest, sizeof found.digest);
    if (!tour_check(&t, /* must_read */ true)) {
        fail_msg("%s", t.wrong);
    }
    tour_close(&t);
    assert_string_equal(t.wrong, "");
    stored_end(&s);
}

static void a_stored_database_answers_the_same(void **state)
{
    (void)state;
    stored_answers(VARVE_OPEN_NO_BACKGROUND);
}

static void a_stored_database_is_read_without_being_written(void **state)
{
    (void)state;
    stored_answers(VARVE_OPEN_READONLY);
}

static void a_stored_database_has_files_of_every_kind(void **state)
{
    (void)state;
    static const char *const kinds[] = {"IDENT", ".vmf", ".vwl", ".vsg", ".vtb"};
    static file_tree tree;
    stored s;
    stored_begin(&s);
    stored_load(&s);
    file_tree_load(&tree, s.files, &s.alloc, "/db");
    for (size_t kind = 0; kind < sizeof kinds / sizeof kinds[0]; kind++) {
        size_t count = 0;
        for (size_t i = 0; i < tree.count; i++) {
            count += strstr(tree.files[i].path, kinds[kind]) != NULL;
        }
        assert_true(count > 0);
    }
    file_tree_free(&tree);
    stored_end(&s);
}

static void stored_write_golden(const char *target)
{
    static file_tree tree;
    static tour t;
    stored s;
    stored_begin(&s);
    stored_write(&s, &t);
    varve_abandon(t.db);
    file_tree_load(&tree, s.files, &s.alloc, "/db");
    stored_save(&tree, target);
    file_tree_free(&tree);
    stored_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stored_database_has_files_of_every_kind),
        cmocka_unit_test(a_stored_database_answers_the_same),
        cmocka_unit_test(a_stored_database_is_read_without_being_written),
    };
    const char *target = getenv("VARVE_WRITE_GOLDEN");
    if (target != NULL) {
        stored_write_golden(target);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
