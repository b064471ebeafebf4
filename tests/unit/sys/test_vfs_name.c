/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "support/check.h"
#include "support/failing_alloc.h"
#include "sys/vfs.h"
#include "sys/vfs_sim.h"

static void paths_are_joined_by_one_slash(void **state)
{
    (void)state;
    char path[VV_PATH_BYTES_MAX];
    check_ok(vv_path_join("/data", "wal", path, NULL), NULL);
    assert_string_equal("/data/wal", path);
    check_ok(vv_path_join("/", "wal", path, NULL), NULL);
    assert_string_equal("/wal", path);
    check_ok(vv_path_join("", "wal", path, NULL), NULL);
    assert_string_equal("wal", path);
    check_ok(vv_path_join("data/", "wal/1", path, NULL), NULL);
    assert_string_equal("data/wal/1", path);
}

static void a_path_may_grow_where_it_stands(void **state)
{
    (void)state;
    char path[VV_PATH_BYTES_MAX] = "/data";
    check_ok(vv_path_join(path, "wal", path, NULL), NULL);
    check_ok(vv_path_join(path, "1", path, NULL), NULL);
    assert_string_equal("/data/wal/1", path);
}

static void a_path_of_the_longest_size_fits_and_no_longer_one(void **state)
{
    (void)state;
    char path[VV_PATH_BYTES_MAX];
    char directory[VV_PATH_BYTES_MAX + 10];
    varve_error err;
    memset(directory, 'd', sizeof directory);
    directory[VV_PATH_BYTES_MAX - 1 - 4] = '\0';
    check_ok(vv_path_join(directory, "abc", path, NULL), NULL);
    assert_int_equal(VV_PATH_BYTES_MAX - 1, strlen(path));
    check_status(VARVE_E_LIMIT, vv_path_join(directory, "abcd", path, &err));
    directory[VV_PATH_BYTES_MAX - 1 - 4] = 'd';
    directory[sizeof directory - 1] = '\0';
    check_status(VARVE_E_LIMIT, vv_path_join(directory, "", path, &err));
    check_status(VARVE_E_LIMIT, vv_path_join("", directory, path, &err));
    directory[VV_PATH_BYTES_MAX + 1] = '/';
    check_status(VARVE_E_LIMIT, vv_path_parent(directory, path, &err));
}

static void the_parent_of_a_path(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        const char *parent;
    } rows[] = {
        {"/data/wal", "/data"}, {"/data", "/"},  {"/", "/"},  {"data", "."}, {"", "."},
        {"a/b", "a"},           {"a//b//", "a"}, {"//", "/"}, {"./a", "."},  {"../a", ".."},
    };
    char parent[VV_PATH_BYTES_MAX];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
        check_ok(vv_path_parent(rows[i].path, parent, NULL), NULL);
        assert_string_equal(rows[i].parent, parent);
    }
}

static void a_list_without_memory_is_empty(void **state)
{
    (void)state;
    vv_alloc plain;
    vv_alloc_init(&plain, NULL);
    vv_sim *sim = vv_sim_create(&plain, NULL);
    for (char name[] = "/a"; name[1] <= 'z'; name[1]++) {
        check_ok(vv_vfs_mkdir(vv_sim_vfs(sim), name, NULL), NULL);
    }
    failing_alloc failing;
    failing_alloc_init(&failing);
    varve_allocator source = failing_alloc_source(&failing);
    vv_alloc alloc;
    vv_alloc_init(&alloc, &source);
    vv_dir_list list;
    varve_status status = VARVE_E_NOMEM;
    uint64_t attempts = 0;
    while (status == VARVE_E_NOMEM) {
        attempts += 1;
        failing_alloc_plan(&failing, attempts, true);
        status = vv_vfs_list(vv_sim_vfs(sim), &alloc, "/", &list, NULL);
        if (status == VARVE_E_NOMEM) {
            assert_int_equal(0, list.count);
            assert_int_equal(0, atomic_load(&failing.live));
        }
    }
    check_ok(status, NULL);
    assert_int_equal(26, list.count);
    assert_true(attempts > 26);
    vv_dir_list_deinit(&list);
    assert_int_equal(0, atomic_load(&failing.live));
    vv_sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_joined_by_one_slash),
        cmocka_unit_test(a_path_may_grow_where_it_stands),
        cmocka_unit_test(a_path_of_the_longest_size_fits_and_no_longer_one),
        cmocka_unit_test(the_parent_of_a_path),
        cmocka_unit_test(a_list_without_memory_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
