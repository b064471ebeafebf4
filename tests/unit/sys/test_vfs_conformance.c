/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every file system behind vv_vfs promises, asked of each of them: the real one, the simulated
 * one, the failing one without rules, and the one in memory.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support/check.h"
#include "support/temp_dir.h"
#include "sys/vfs.h"
#include "sys/vfs_fault.h"
#include "sys/vfs_memory.h"
#include "sys/vfs_sim.h"

typedef struct world {
    const vv_vfs *vfs;
    vv_alloc alloc;
    char root[512];
    temp_dir dir;
    vv_sim *sim;
    vv_fault *fault;
    vv_vfs *memory;
} world;

#define RW (VV_OPEN_READ | VV_OPEN_WRITE)

static const char *in(const world *w, const char *name)
{
    static char paths[8][1024];
    static unsigned next;
    char *path = paths[next % 8];
    next += 1;
    snprintf(path, sizeof paths[0], "%s/%s", w->root, name);
    return path;
}

static vv_file *create(world *w, const char *name)
{
    vv_file *file = NULL;
    varve_error err;
    check_ok(vv_file_open(w->vfs, &w->alloc, in(w, name), RW | VV_OPEN_CREATE, &file, &err), &err);
    return file;
}

static void put(world *w, const char *name, const char *text)
{
    vv_file *file = create(w, name);
    varve_error err;
    check_ok(vv_file_truncate(file, 0, &err), &err);
    check_ok(vv_file_write_all(file, 0, text, strlen(text), &err), &err);
    check_ok(vv_file_close(file, &err), &err);
}

static void expect(world *w, const char *name, const char *text)
{
    void *data = NULL;
    size_t size = 0;
    varve_error err;
    check_ok(vv_vfs_read_file(w->vfs, &w->alloc, in(w, name), 1000, &data, &size, &err), &err);
    assert_int_equal(strlen(text), size);
    assert_memory_equal(text, data, size);
    vv_alloc_free(&w->alloc, data, size);
}

/* ---- the promises --------------------------------------------------------------------------- */

static void what_was_written_is_read(void **state)
{
    world *w = *state;
    varve_error err;
    vv_file *file = create(w, "a");
    char buf[20] = {0};
    size_t size = 99;
    check_ok(vv_file_write_all(file, 3, "hello", 5, &err), &err);
    check_ok(vv_file_read(file, 0, buf, sizeof buf, &size, &err), &err);
    assert_int_equal(8, size);
    assert_memory_equal("\0\0\0hello", buf, 8);
    check_ok(vv_file_read(file, 8, buf, 4, &size, &err), &err);
    assert_int_equal(0, size);
    check_ok(vv_file_read(file, 1000, buf, 4, &size, &err), &err);
    assert_int_equal(0, size);
    check_status(VARVE_E_CORRUPT, vv_file_read_exact(file, 5, buf, 4, &err));
    assert_non_null(strstr(err.message, "ends at offset 8"));
    check_ok(vv_file_read_exact(file, 4, buf, 4, &err), &err);
    check_ok(vv_file_close(file, &err), &err);
}

static void pieces_are_appended_in_order(void **state)
{
    world *w = *state;
    varve_error err;
    vv_file *file = create(w, "a");
    vv_iov iov[200];
    char expected[401];
    size_t total = 0;
    for (size_t i = 0; i < 200; ++i) {
        iov[i] =
            (vv_iov){.data = &"abc"[i % 3], .size = i % 3}; /* 0: nothing, 1: b, 2: c and NUL */
        memcpy(expected + total, iov[i].data, iov[i].size);
        total += iov[i].size;
    }
    int64_t offset = 7;
    check_ok(vv_file_append_all(file, &offset, iov, 200, &err), &err);
    assert_int_equal(7 + total, offset);
    char buf[401];
    check_ok(vv_file_read_exact(file, 7, buf, total, &err), &err);
    assert_memory_equal(expected, buf, total);
    check_ok(vv_file_append_all(file, &offset, NULL, 0, &err), &err);
    check_ok(vv_file_close(file, &err), &err);
}

static void ranges_outside_of_files_are_refused(void **state)
{
    world *w = *state;
    varve_error err;
    vv_file *file = create(w, "a");
    char buf[4];
    size_t size = 0;
    check_status(VARVE_E_INVALID, vv_file_read(file, -1, buf, 4, &size, &err));
    check_status(VARVE_E_INVALID, vv_file_read(file, INT64_MAX - 2, buf, 4, &size, &err));
    check_status(VARVE_E_INVALID, vv_file_write_all(file, -1, buf, 4, &err));
    check_status(VARVE_E_INVALID, vv_file_truncate(file, -1, &err));
    check_ok(vv_file_close(file, &err), &err);
}

static void flags_of_open_are_obeyed(void **state)
{
    world *w = *state;
    varve_error err;
    vv_file *file = NULL;
    const char *path = in(w, "a");
    check_status(VARVE_E_NOT_FOUND, vv_file_open(w->vfs, &w->alloc, path, RW, &file, &err));
    assert_null(file);
    assert_int_equal(ENOENT, err.os_errno);
    assert_non_null(strstr(err.message, "/a"));
    put(w, "a", "text");
    check_status(VARVE_E_EXISTS,
                 vv_file_open(w->vfs, &w->alloc, path, RW | VV_OPEN_CREATE | VV_OPEN_EXCLUSIVE,
                              &file, &err));
    assert_null(file);
    expect(w, "a", "text"); /* neither CREATE nor EXCLUSIVE cuts */
    check_ok(vv_file_open(w->vfs, &w->alloc, path, VV_OPEN_READ, &file, &err), &err);
    check_status(VARVE_E_IO, vv_file_write_all(file, 0, "x", 1, &err));
    check_ok(vv_file_close(file, &err), &err);
    check_status(VARVE_E_INVALID, vv_file_open(w->vfs, &w->alloc, "", RW, &file, &err));
    check_status(VARVE_E_NOT_FOUND,
                 vv_file_open(w->vfs, &w->alloc, in(w, "no/a"), RW | VV_OPEN_CREATE, &file, &err));
    check_status(VARVE_E_INVALID,
                 vv_file_open(w->vfs, &w->alloc, in(w, "a/b"), RW | VV_OPEN_CREATE, &file, &err));
}

static void a_directory_is_not_opened_as_a_file(void **state)
{
    world *w = *state;
    varve_error err;
    vv_file *file = NULL;
    check_ok(vv_vfs_mkdir(w->vfs, in(w, "d"), &err), &err);
    check_status(VARVE_E_INVALID,
                 vv_file_open(w->vfs, &w->alloc, in(w, "d"), VV_OPEN_READ, &file, &err));
    assert_null(file);
}

static void sizes_shrink_and_grow_with_zeros(void **state)
{
    world *w = *state;
    varve_error err;
    vv_file *file = create(w, "a");
    char buf[8];
    vv_file_info info;
    check_ok(vv_file_write_all(file, 0, "12345678", 8, &err), &err);
    check_ok(vv_file_truncate(file, 3, &err), &err);
    check_ok(vv_file_truncate(file, 8, &err), &err);
    check_ok(vv_file_read_exact(file, 0, buf, 8, &err), &err);
    assert_memory_equal("123\0\0\0\0\0", buf, 8);
    varve_status status = vv_file_allocate(file, 0, 5000, &err);
    if (status != VARVE_E_UNSUPPORTED) {
        check_ok(status, &err);
        check_ok(vv_file_stat(file, &info, &err), &err);
        assert_int_equal(5000, info.size);
        check_ok(vv_file_allocate(file, 10, 20, &err), &err); /* inside: nothing changes */
        check_ok(vv_file_read_exact(file, 0, buf, 8, &err), &err);
        assert_memory_equal("123\0\0\0\0\0", buf, 8);
    }
    check_ok(vv_file_close(file, &err), &err);
}

static void facts_of_files_and_directories(void **state)
{
    world *w = *state;
    varve_error err;
    vv_file_info by_path;
    vv_file_info by_file;
    vv_file_info other;
    put(w, "a", "12345");
    put(w, "b", "1");
    check_ok(vv_vfs_mkdir(w->vfs, in(w, "d"), &err), &err);
    vv_file *file = create(w, "a");
    check_ok(vv_vfs_stat(w->vfs, in(w, "a"), &by_path, &err), &err);
    check_ok(vv_file_stat(file, &by_file, &err), &err);
    check_ok(vv_file_close(file, &err), &err);
    assert_int_equal(VV_KIND_FILE, by_path.kind);
    assert_int_equal(5, by_path.size);
    assert_int_equal(by_path.inode, by_file.inode);
    assert_int_equal(by_path.device, by_file.device);
    check_ok(vv_vfs_stat(w->vfs, in(w, "b"), &other, &err), &err);
    assert_int_not_equal(by_path.inode, other.inode);
    check_ok(vv_vfs_stat(w->vfs, in(w, "d"), &other, &err), &err);
    assert_int_equal(VV_KIND_DIRECTORY, other.kind);
    check_status(VARVE_E_NOT_FOUND, vv_vfs_stat(w->vfs, in(w, "x"), &other, &err));
    vv_fs_info space;
    check_ok(vv_vfs_statvfs(w->vfs, w->root, &space, &err), &err);
    assert_true(space.free_bytes <= space.total_bytes);
    assert_false(space.is_readonly);
    bool exists = false;
    check_ok(vv_vfs_exists(w->vfs, in(w, "a"), &exists, &err), &err);
    assert_true(exists);
    check_ok(vv_vfs_exists(w->vfs, in(w, "x"), &exists, &err), &err);
    assert_false(exists);
    assert_int_equal(VARVE_OK, err.status);
}

static void a_rename_replaces_the_target(void **state)
{
    world *w = *state;
    varve_error err;
    put(w, "a", "new");
    put(w, "b", "old");
    check_ok(vv_vfs_rename(w->vfs, in(w, "a"), in(w, "b"), VV_SITE_QUARANTINE_RENAME, &err), &err);
    expect(w, "b", "new");
    check_status(VARVE_E_NOT_FOUND,
                 vv_vfs_rename(w->vfs, in(w, "a"), in(w, "b"), VV_SITE_QUARANTINE_RENAME, &err));
    check_ok(vv_vfs_mkdir(w->vfs, in(w, "d"), &err), &err);
    put(w, "d/x", "inside");
    check_ok(vv_vfs_rename(w->vfs, in(w, "d"), in(w, "e"), VV_SITE_SEG_RENAME, &err), &err);
    expect(w, "e/x", "inside");
    check_ok(vv_vfs_rename(w->vfs, in(w, "b"), in(w, "b"), VV_SITE_QUARANTINE_RENAME, &err), &err);
    expect(w, "b", "new");
}

static void an_unlinked_file_lives_until_it_is_closed(void **state)
{
    world *w = *state;
    varve_error err;
    char buf[4];
    vv_file *file = create(w, "a");
    check_ok(vv_file_write_all(file, 0, "data", 4, &err), &err);
    check_ok(vv_vfs_unlink(w->vfs, in(w, "a"), &err), &err);
    put(w, "a", "other");
    check_ok(vv_file_read_exact(file, 0, buf, 4, &err), &err);
    assert_memory_equal("data", buf, 4);
    check_ok(vv_file_close(file, &err), &err);
    expect(w, "a", "other");
    check_ok(vv_vfs_unlink(w->vfs, in(w, "a"), &err), &err);
    check_status(VARVE_E_NOT_FOUND, vv_vfs_unlink(w->vfs, in(w, "a"), &err));
}

static void a_link_is_a_second_name(void **state)
{
    world *w = *state;
    varve_error err;
    put(w, "a", "one");
    varve_status status = vv_vfs_link(w->vfs, in(w, "a"), in(w, "b"), &err);
    if (status == VARVE_E_UNSUPPORTED) {
        return;
    }
    check_ok(status, &err);
    check_status(VARVE_E_EXISTS, vv_vfs_link(w->vfs, in(w, "a"), in(w, "b"), &err));
    check_ok(vv_vfs_unlink(w->vfs, in(w, "a"), &err), &err);
    expect(w, "b", "one");
}

static void directories_are_made_listed_and_removed(void **state)
{
    world *w = *state;
    varve_error err;
    vv_dir_list list;
    check_ok(vv_vfs_mkdir(w->vfs, in(w, "d"), &err), &err);
    check_status(VARVE_E_EXISTS, vv_vfs_mkdir(w->vfs, in(w, "d"), &err));
    check_status(VARVE_E_NOT_FOUND, vv_vfs_mkdir(w->vfs, in(w, "no/d"), &err));
    put(w, "d/b", "");
    put(w, "d/a10", "");
    put(w, "d/a", "");
    check_ok(vv_vfs_mkdir(w->vfs, in(w, "d/c"), &err), &err);
    check_ok(vv_vfs_list(w->vfs, &w->alloc, in(w, "d"), &list, &err), &err);
    assert_int_equal(4, list.count);
    const char *const names[] = {"a", "a10", "b", "c"};
    for (size_t i = 0; i < 4; ++i) {
        assert_string_equal(names[i], list.entries[i].name);
        assert_int_equal(i == 3 ? VV_KIND_DIRECTORY : VV_KIND_FILE, list.entries[i].kind);
    }
    vv_dir_list_deinit(&list);
    check_status(VARVE_E_CONFLICT, vv_vfs_rmdir(w->vfs, in(w, "d"), &err));
    check_ok(vv_vfs_remove_tree(w->vfs, &w->alloc, in(w, "d"), &err), &err);
    check_ok(vv_vfs_remove_tree(w->vfs, &w->alloc, in(w, "d"), &err), &err);
    check_status(VARVE_E_NOT_FOUND, vv_vfs_list(w->vfs, &w->alloc, in(w, "d"), &list, &err));
    assert_int_equal(0, list.count);
}

static void syncs_succeed(void **state)
{
    world *w = *state;
    varve_error err;
    vv_file *file = create(w, "a");
    check_ok(vv_file_fdatasync(file, VV_SITE_WAL_GROUP, &err), &err);
    check_ok(vv_file_fsync(file, VV_SITE_SEG_FILE, &err), &err);
    check_ok(vv_file_advise(file, 0, 0, VV_ADVICE_DONTNEED, &err), &err);
    check_ok(vv_file_advise(file, 0, 100, VV_ADVICE_WILLNEED, &err), &err);
    check_ok(vv_file_close(file, &err), &err);
    check_ok(vv_vfs_sync_dir(w->vfs, w->root, VV_SITE_WAL_DIR, &err), &err);
    check_status(VARVE_E_NOT_FOUND, vv_vfs_sync_dir(w->vfs, in(w, "no"), VV_SITE_WAL_DIR, &err));
}

static void a_lock_belongs_to_one_open_file(void **state)
{
    world *w = *state;
    varve_error err;
    vv_file *first = create(w, "LOCK");
    vv_file *second = create(w, "LOCK");
    check_ok(vv_file_lock(first, &err), &err);
    check_ok(vv_file_lock(first, &err), &err);
    check_status(VARVE_E_LOCKED, vv_file_lock(second, &err));
    assert_non_null(strstr(err.message, "another writer"));
    check_ok(vv_file_unlock(first, &err), &err);
    check_ok(vv_file_lock(second, &err), &err);
    check_ok(vv_file_close(second, &err), &err); /* closing unlocks */
    check_ok(vv_file_lock(first, &err), &err);
    check_ok(vv_file_close(first, &err), &err);
}

static void a_map_shows_the_bytes(void **state)
{
    world *w = *state;
    varve_error err;
    const void *memory = NULL;
    put(w, "a", "mapped");
    vv_file *file = create(w, "a");
    varve_status status = vv_file_map(file, 6, &memory, &err);
    check_ok(vv_file_close(file, NULL), NULL);
    if (status == VARVE_E_UNSUPPORTED) {
        assert_null(memory);
        return;
    }
    check_ok(status, &err);
    assert_memory_equal("mapped", memory, 6);
    vv_vfs_unmap(w->vfs, memory, 6);
}

static void a_file_is_published_whole(void **state)
{
    world *w = *state;
    varve_error err;
    const vv_publish_sites sites = {VV_SITE_IDENT_FILE, VV_SITE_IDENT_RENAME, VV_SITE_IDENT_DIR};
    put(w, "IDENT.part", "left by a crash, and longer");
    check_ok(vv_vfs_write_file_atomically(w->vfs, &w->alloc, in(w, "IDENT.part"), in(w, "IDENT"),
                                          "identity", 8, &sites, &err),
             &err);
    expect(w, "IDENT", "identity");
    bool exists = true;
    check_ok(vv_vfs_exists(w->vfs, in(w, "IDENT.part"), &exists, &err), &err);
    assert_false(exists);
    check_ok(vv_vfs_ensure_dir(w->vfs, in(w, "wal"), VV_SITE_DIR_CREATE, &err), &err);
    check_ok(vv_vfs_ensure_dir(w->vfs, in(w, "wal"), VV_SITE_DIR_CREATE, &err), &err);
    check_status(VARVE_E_INVALID,
                 vv_vfs_ensure_dir(w->vfs, in(w, "IDENT"), VV_SITE_DIR_CREATE, &err));
}

/* ---- the worlds ----------------------------------------------------------------------------- */

static int begin_world(void **state)
{
    static world w;
    memset(&w, 0, sizeof w);
    vv_alloc_init(&w.alloc, NULL);
    *state = &w;
    return 0;
}

static int begin_posix(void **state)
{
    begin_world(state);
    world *w = *state;
    temp_dir_create(&w->dir);
    snprintf(w->root, sizeof w->root, "%s", w->dir.path);
    w->vfs = vv_vfs_system();
    return 0;
}

static int begin_fault(void **state)
{
    begin_posix(state);
    world *w = *state;
    check_ok(vv_fault_create(&w->alloc, vv_vfs_system(), &w->fault, NULL), NULL);
    w->vfs = vv_fault_vfs(w->fault);
    return 0;
}

static int begin_sim(void **state)
{
    begin_world(state);
    world *w = *state;
    w->sim = vv_sim_create(&w->alloc, NULL);
    w->vfs = vv_sim_vfs(w->sim);
    check_ok(vv_vfs_mkdir(w->vfs, "/db", NULL), NULL);
    snprintf(w->root, sizeof w->root, "/db");
    return 0;
}

static int begin_memory(void **state)
{
    begin_world(state);
    world *w = *state;
    check_ok(vv_vfs_memory_create(&w->alloc, &w->memory, NULL), NULL);
    w->vfs = w->memory;
    check_ok(vv_vfs_mkdir(w->vfs, "/db", NULL), NULL);
    snprintf(w->root, sizeof w->root, "/db");
    return 0;
}

static int end_world(void **state)
{
    world *w = *state;
    if (w->dir.path[0] != '\0') {
        temp_dir_remove(&w->dir);
    }
    if (w->fault != NULL) {
        assert_int_equal(0, vv_fault_open_files(w->fault));
    }
    vv_fault_free(w->fault);
    vv_sim_free(w->sim);
    vv_vfs_memory_free(w->memory);
    assert_int_equal(0, vv_alloc_bytes(&w->alloc));
    return 0;
}

#define WORLD_TESTS(X)                           \
    X(what_was_written_is_read)                  \
    X(pieces_are_appended_in_order)              \
    X(ranges_outside_of_files_are_refused)       \
    X(flags_of_open_are_obeyed)                  \
    X(a_directory_is_not_opened_as_a_file)       \
    X(sizes_shrink_and_grow_with_zeros)          \
    X(facts_of_files_and_directories)            \
    X(a_rename_replaces_the_target)              \
    X(an_unlinked_file_lives_until_it_is_closed) \
    X(a_link_is_a_second_name)                   \
    X(directories_are_made_listed_and_removed)   \
    X(syncs_succeed)                             \
    X(a_lock_belongs_to_one_open_file)           \
    X(a_map_shows_the_bytes)                     \
    X(a_file_is_published_whole)

#define RUN(begin, label)                                                  \
    do {                                                                   \
        const struct CMUnitTest tests[] = {WORLD_TESTS(ROW_##begin)};      \
        failures += cmocka_run_group_tests_name(label, tests, NULL, NULL); \
    } while (0)
#define ROW_begin_posix(test)  cmocka_unit_test_setup_teardown(test, begin_posix, end_world),
#define ROW_begin_fault(test)  cmocka_unit_test_setup_teardown(test, begin_fault, end_world),
#define ROW_begin_sim(test)    cmocka_unit_test_setup_teardown(test, begin_sim, end_world),
#define ROW_begin_memory(test) cmocka_unit_test_setup_teardown(test, begin_memory, end_world),

int main(void)
{
    int failures = 0;
    RUN(begin_posix, "posix");
    RUN(begin_fault, "fault over posix");
    RUN(begin_sim, "sim");
    RUN(begin_memory, "memory");
    return failures;
}
