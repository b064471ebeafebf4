/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The longest path a database may have. Where it opens everything works: none of its files has a
 * name that is too long. A longer one is refused at once.
 */
#include "support/check.h"

#include <string.h>

#include "engine/ident.h"
#include "support/tour.h"
#include "sys/env.h"
#include "sys/vfs_memory.h"

/* Directories of up to 100 characters, the last one such that the path has `length` bytes. */
static void long_path_make(const vv_env *env, char *path, size_t length)
{
    varve_error err;
    memset(path, 'd', length);
    path[length] = '\0';
    path[0] = '/';
    for (size_t at = 100; at + 100 < length; at += 100) {
        path[at] = '\0';
        check_ok(vv_vfs_ensure_dir(env->vfs, path, VV_SITE_DIR_CREATE, &err), &err);
        path[at] = '/';
    }
}

/* Opens a database at a path of so many bytes. Where it opens it has to work whole. */
static varve_status long_path_try(size_t length)
{
    char path[VV_PATH_BYTES_MAX];
    varve_error err;
    vv_alloc alloc;
    vv_env env;
    vv_vfs *files;
    vv_alloc_init(&alloc, NULL);
    check_ok(vv_vfs_memory_create(&alloc, &files, &err), &err);
    vv_env_init_system(&env, &alloc);
    env.vfs = files;
    long_path_make(&env, path, length);
    varve_options options;
    varve_options_init(&options);
    options.environment = &env;
    options.flags = VARVE_OPEN_NO_BACKGROUND;
    options.memory_limit_bytes = UINT64_C(64) << 20;
    options.log_file_bytes = 64 * 1024;
    varve_db *db = NULL;
    varve_status status = varve_open(path, &options, &db, &err);
    if (status == VARVE_OK) {
        check_ok(varve_close(db, &err), &err);
        tour t;
        tour_init(&t, path, &options);
        tour_run(&t);
        assert_string_equal(t.wrong, "");
        assert_int_equal(t.failed_calls, 0);
    } else {
        bool exists = true;
        check_ok(vv_vfs_exists(files, path, &exists, &err), &err);
        assert_null(db);
        assert_false(exists);
    }
    vv_vfs_memory_free(files);
    assert_int_equal(vv_alloc_bytes(&alloc), 0);
    return status;
}

static void a_path_of_the_most_bytes_works_whole(void **state)
{
    (void)state;
    check_status(VARVE_OK, long_path_try(VV_IDENT_PATH_BYTES_MAX));
}

/* Also those for which some of the files would have had room. */
static void a_longer_path_is_refused_and_leaves_nothing(void **state)
{
    (void)state;
    for (size_t length = VV_IDENT_PATH_BYTES_MAX + 1; length < VV_PATH_BYTES_MAX; length += 6) {
        check_status(VARVE_E_LIMIT, long_path_try(length));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_of_the_most_bytes_works_whole),
        cmocka_unit_test(a_longer_path_is_refused_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
