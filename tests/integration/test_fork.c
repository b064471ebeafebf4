/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handles after fork() and after varve_abandon: in the child every call answers E_FENCED and
 * abandoning does no harm, whatever the threads of the parent were doing; abandoning frees what is
 * open.
 */
#include "support/check.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/child.h"
#include "support/failing_alloc.h"
#include "support/temp_dir.h"
#include "sys/thread.h"

typedef struct forked {
    temp_dir dir;
    const char *path;
    failing_alloc source;
    varve_allocator allocator;
    varve_options options;
    varve_db *db;
} forked;

/*
 * gcc's address sanitizer does not let a child of fork() take what another thread held of its
 * allocator at that moment, as the C library does for malloc. There, and only there, the child of a
 * busy parent gives nothing back.
 */
#ifdef __SANITIZE_ADDRESS__
enum { FORKED_CHILD_KEEPS_MEMORY = 1 };
#else
enum { FORKED_CHILD_KEEPS_MEMORY = 0 };
#endif
static bool forked_is_busy_child = false;
static varve_allocator forked_source;

static void forked_release(void *context, void *memory, size_t size)
{
    if (!forked_is_busy_child || FORKED_CHILD_KEEPS_MEMORY == 0) {
        forked_source.release(context, memory, size);
    }
}

static void forked_begin(forked *f)
{
    varve_error err;
    memset(f, 0, sizeof *f);
    temp_dir_create(&f->dir);
    f->path = temp_dir_path(&f->dir, "db");
    failing_alloc_init(&f->source);
    forked_source = failing_alloc_source(&f->source);
    f->allocator = forked_source;
    f->allocator.release = forked_release;
    varve_options_init(&f->options);
    f->options.allocator = &f->allocator;
    f->options.sync = VARVE_SYNC_NONE;
    f->options.flush_rows = 500;
    f->options.cache_bytes = 1 << 20;
    check_ok(varve_open(f->path, &f->options, &f->db, &err), &err);
}

static void forked_end(forked *f)
{
    varve_error err;
    check_ok(varve_close(f->db, &err), &err);
    assert_int_equal(atomic_load(&f->source.live), 0);
    temp_dir_remove(&f->dir);
}

static varve_status forked_write(varve_db *db, int64_t first, size_t count, size_t bytes)
{
    static const char text[70000];
    varve_error err;
    varve_text names[2] = {VARVE_STR("value"), VARVE_STR("text")};
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < count && status == VARVE_OK; i++) {
        varve_value values[2] = {
            {.type = VARVE_TYPE_I64, .as.i64 = (int64_t)i},
            {.type = VARVE_TYPE_BYTES, .as.bytes = {text, bytes}},
        };
        varve_named_row row = {.metric = VARVE_STR("m"),
                               .timestamp = first + (int64_t)i,
                               .fields = names,
                               .values = values,
                               .count = 2};
        status = varve_write(db, &row, 1, NULL, NULL, &err);
    }
    return status;
}

static uint64_t forked_count(varve_db *db)
{
    varve_error err;
    varve_cursor *cursor;
    const varve_block *block;
    uint64_t rows = 0;
    check_ok(varve_query(db, NULL, &cursor, &err), &err);
    do {
        check_ok(varve_cursor_next(cursor, &block, &err), &err);
        rows += block == NULL ? 0 : block->rows;
    } while (block != NULL);
    varve_cursor_close(cursor);
    return rows;
}

/* In the child: 0 when everything is as promised, else the number of what is not. */
static int forked_child(varve_db *db, varve_cursor *cursor, varve_batch *batch, const char *path)
{
    varve_error err;
    varve_series series = {1};
    varve_field field;
    varve_value value = {.type = VARVE_TYPE_F64};
    varve_row row = {.series = series, .fields = &field, .values = &value, .count = 1};
    const varve_block *block;
    varve_cursor *made;
    varve_stat stats[1];
    varve_info info;
    size_t count;
    varve_info_init(&info);
    alarm(20);
    const varve_status answers[] = {
        forked_write(db, 0, 1, 0),
        varve_series_resolve(db, VARVE_STR("x"), NULL, 0, 0, &series, &err),
        varve_field_resolve(db, VARVE_STR("x"), &field, &err),
        varve_query(db, NULL, &made, &err),
        varve_metrics(db, NULL, &made, &err),
        varve_cursor_next(cursor, &block, &err),
        varve_batch_row(batch, &row, &err),
        varve_batch_commit(batch, NULL, NULL, &err),
        varve_flush(db, NULL, &err),
        varve_refresh(db, &err),
        varve_compact(db, 0, NULL, &err),
        varve_wait(db, 1, 0, NULL, &err),
        varve_wait_visible(db, 0, 0, NULL, &err),
        varve_db_info(db, &info, &err),
        varve_stats(db, stats, 1, &count, &err),
        varve_close(db, &err),
    };
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        if (answers[i] != VARVE_E_FENCED) {
            return 1 + (int)i;
        }
    }
    if (varve_health(db, &err) != VARVE_HEALTH_WRITE_FAILED || err.status != VARVE_E_FENCED) {
        return 40;
    }
    varve_cursor_close(cursor);
    varve_batch_free(batch);
    varve_abandon(db);
    varve_db *other;
    if (varve_open(path, NULL, &other, &err) != VARVE_E_LOCKED) {
        return 41;
    }
    varve_options options;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_READONLY;
    if (varve_open(path, &options, &other, &err) != VARVE_OK) {
        return 42;
    }
    return varve_close(other, &err) == VARVE_OK ? 0 : 43;
}

static void forked_wait(pid_t child)
{
    int result = 0;
    assert_int_equal(waitpid(child, &result, 0), child);
    if (!WIFEXITED(result) || WEXITSTATUS(result) != 0) {
        fail_msg("the child ended with %d, signal %d", WEXITSTATUS(result),
                 WIFSIGNALED(result) ? WTERMSIG(result) : 0);
    }
}

static void a_child_is_fenced_and_abandons_without_harm(void **state)
{
    (void)state;
    forked f;
    varve_error err;
    varve_cursor *cursor;
    varve_batch *batch;
    const varve_block *block;
    forked_begin(&f);
    assert_int_equal(forked_write(f.db, 0, 600, 10), VARVE_OK);
    check_ok(varve_flush(f.db, NULL, &err), &err);
    assert_int_equal(forked_write(f.db, 600, 100, 10), VARVE_OK); /* no flush is under way */
    check_ok(varve_query(f.db, NULL, &cursor, &err), &err);
    check_ok(varve_cursor_next(cursor, &block, &err), &err);
    check_ok(varve_batch_create(f.db, &batch, &err), &err);
    pid_t child = fork();
    if (child == 0) {
        child_exit(forked_child(f.db, cursor, batch, f.path));
    }
    forked_wait(child);
    varve_batch_free(batch);
    varve_cursor_close(cursor);
    assert_int_equal(forked_write(f.db, 700, 10, 10), VARVE_OK);
    assert_int_equal(forked_count(f.db), 710);
    forked_end(&f);
}

/* ---- a busy parent ---- */

typedef struct busy {
    varve_db *db;
    atomic_bool stops;
    atomic_int_least64_t time;
} busy;

static void busy_write(void *context)
{
    busy *b = context;
    while (!atomic_load(&b->stops)) {
        int64_t first = atomic_fetch_add(&b->time, 5);
        if (forked_write(b->db, first, 5, 100) != VARVE_OK) {
            abort();
        }
    }
}

static void busy_read(void *context)
{
    busy *b = context;
    while (!atomic_load(&b->stops)) {
        forked_count(b->db);
    }
}

static void a_child_of_a_busy_parent_abandons_without_harm(void **state)
{
    (void)state;
    enum { FORKS = 40 };
    forked f;
    varve_error err;
    forked_begin(&f);
    busy b = {.db = f.db};
    vv_thread threads[3];
    check_ok(vv_thread_start(&threads[0], "write", busy_write, &b, &err), &err);
    check_ok(vv_thread_start(&threads[1], "write", busy_write, &b, &err), &err);
    check_ok(vv_thread_start(&threads[2], "read", busy_read, &b, &err), &err);
    for (size_t i = 0; i < FORKS; i++) {
        pid_t child = fork();
        if (child == 0) {
            forked_is_busy_child = true;
            alarm(20);
            varve_abandon(f.db);
            child_exit(0);
        }
        forked_wait(child);
    }
    atomic_store(&b.stops, true);
    for (size_t i = 0; i < 3; i++) {
        vv_thread_join(&threads[i]);
    }
    assert_int_equal(forked_count(f.db), (uint64_t)atomic_load(&b.time));
    forked_end(&f);
}

/* ---- abandoning ---- */

static void abandoning_frees_open_cursors_and_batches(void **state)
{
    (void)state;
    forked f;
    varve_error err;
    varve_cursor *cursors[3];
    varve_batch *batch;
    const varve_block *block;
    forked_begin(&f);
    assert_int_equal(forked_write(f.db, 0, 20, 70000), VARVE_OK); /* blocks larger than a share */
    check_ok(varve_flush(f.db, NULL, &err), &err);
    for (size_t i = 0; i < 3; i++) {
        check_ok(varve_query(f.db, NULL, &cursors[i], &err), &err);
    }
    check_ok(varve_cursor_next(cursors[1], &block, &err), &err);
    const varve_block *kept = varve_cursor_keep(cursors[1]);
    assert_non_null(kept);
    check_ok(varve_cursor_next(cursors[2], &block, &err), &err);
    check_ok(varve_batch_create(f.db, &batch, &err), &err);
    check_status(VARVE_E_BUSY, varve_close(f.db, &err));
    varve_abandon(f.db);
    assert_true(kept->rows > 0 && kept->timestamps[0] == 0);
    varve_block_free(kept);
    assert_int_equal(atomic_load(&f.source.live), 0);
    check_ok(varve_open(f.path, &f.options, &f.db, &err), &err);
    assert_int_equal(forked_count(f.db), 20);
    forked_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_is_fenced_and_abandons_without_harm),
        cmocka_unit_test(a_child_of_a_busy_parent_abandons_without_harm),
        cmocka_unit_test(abandoning_frees_open_cursors_and_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
