/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support/check.h"
#include "support/failing_alloc.h"
#include "sys/vfs.h"
#include "sys/vfs_fault.h"
#include "sys/vfs_sim.h"

static const vv_publish_sites sites = {VV_SITE_IDENT_FILE, VV_SITE_IDENT_RENAME, VV_SITE_IDENT_DIR};

static vv_alloc *memory(void)
{
    static vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    return &alloc;
}

static varve_status publish(const vv_vfs *vfs, vv_alloc *alloc, const char *text)
{
    return vv_vfs_write_file_atomically(vfs, alloc, "/x.part", "/x", text, strlen(text), &sites,
                                        NULL);
}

/* After a cut at any call, with any outcome, the name leads to nothing, the old or the new bytes.
 */
static void check_image(vv_alloc *alloc, const vv_sim_image *image, bool *seen)
{
    vv_sim *sim = vv_sim_create(alloc, image);
    void *data = NULL;
    size_t size = 0;
    varve_status status = vv_vfs_read_file(vv_sim_vfs(sim), alloc, "/x", 2000, &data, &size, NULL);
    check_ok(status, NULL);
    bool is_old = size == 3 && memcmp(data, "old", 3) == 0;
    bool is_new = size == 1500;
    for (size_t i = 0; i < size && is_new; ++i) {
        is_new = ((const char *)data)[i] == 'n';
    }
    assert_true(is_old || is_new);
    seen[is_new ? 1 : 0] = true;
    vv_alloc_free(alloc, data, size);
    vv_sim_free(sim);
}

typedef struct cut_driver {
    vv_alloc *alloc;
    vv_sim *sim;
    bool seen[2];
    size_t images;
    size_t broken;
} cut_driver;

static void try_all_images(void *context, uint64_t call, vv_vfs_op op, const char *path,
                           vv_sync_site site)
{
    (void)call;
    (void)op;
    (void)path;
    (void)site;
    cut_driver *driver = context;
    vv_sim_point *point = vv_sim_capture(driver->sim);
    for (size_t index = 0; index < vv_sim_image_count(point); ++index) {
        vv_sim_image *image = vv_sim_image_make(point, index, 1);
        check_image(driver->alloc, image, driver->seen);
        vv_sim_image_free(image);
        driver->images += 1;
    }
    vv_sim_point_free(point);
}

static void a_cut_while_publishing_leaves_old_or_new(void **state)
{
    (void)state;
    char text[1501];
    memset(text, 'n', 1500);
    text[1500] = '\0';
    cut_driver driver = {.alloc = memory()};
    driver.sim = vv_sim_create(driver.alloc, NULL);
    check_ok(publish(vv_sim_vfs(driver.sim), driver.alloc, "old"), NULL);
    vv_sim_set_hook(driver.sim, try_all_images, &driver);
    check_ok(publish(vv_sim_vfs(driver.sim), driver.alloc, text), NULL);
    vv_sim_set_hook(driver.sim, NULL, NULL);
    assert_true(driver.seen[0] && driver.seen[1]);
    assert_true(driver.images > 30);
    /* Published means durable. */
    driver.seen[0] = false;
    try_all_images(&driver, 0, VV_VFS_OP_OPEN, "", VV_SYNC_SITE_COUNT);
    assert_false(driver.seen[0]);
    vv_sim_free(driver.sim);
    assert_int_equal(0, vv_alloc_bytes(driver.alloc));
}

static void note_broken(void *context, uint64_t call, vv_vfs_op op, const char *path,
                        vv_sync_site site)
{
    (void)call;
    (void)op;
    (void)path;
    (void)site;
    cut_driver *driver = context;
    vv_sim_point *point = vv_sim_capture(driver->sim);
    for (size_t index = 0; index < vv_sim_image_count(point); ++index) {
        vv_sim_image *image = vv_sim_image_make(point, index, 1);
        vv_sim *next = vv_sim_create(driver->alloc, image);
        void *data = NULL;
        size_t size = 0;
        check_ok(vv_vfs_read_file(vv_sim_vfs(next), driver->alloc, "/x", 2000, &data, &size, NULL),
                 NULL);
        driver->broken += memcmp(data, "old", size < 3 ? size : 3) != 0 &&
                          (size != 3 || memcmp(data, "new", 3) != 0);
        driver->broken += size != 3;
        vv_alloc_free(driver->alloc, data, size);
        vv_sim_free(next);
        vv_sim_image_free(image);
    }
    vv_sim_point_free(point);
}

/* The test above would notice: without the sync of the file, some image has half of it. */
static void publishing_without_the_sync_of_the_file_is_noticed(void **state)
{
    (void)state;
    cut_driver driver = {.alloc = memory()};
    driver.sim = vv_sim_create(driver.alloc, NULL);
    check_ok(publish(vv_sim_vfs(driver.sim), driver.alloc, "old"), NULL);
    vv_sim_ignore_site(driver.sim, VV_SITE_IDENT_FILE, true);
    vv_sim_set_hook(driver.sim, note_broken, &driver);
    check_ok(publish(vv_sim_vfs(driver.sim), driver.alloc, "new"), NULL);
    vv_sim_set_hook(driver.sim, NULL, NULL);
    assert_true(driver.broken > 0);
    vv_sim_free(driver.sim);
}

static void a_tree_is_removed_with_all_it_holds(void **state)
{
    (void)state;
    vv_alloc *alloc = memory();
    vv_sim *sim = vv_sim_create(alloc, NULL);
    const vv_vfs *vfs = vv_sim_vfs(sim);
    const char *const dirs[] = {"/t", "/t/a", "/t/a/b", "/t/c", "/t/a/b/d", "/u"};
    for (size_t i = 0; i < 6; ++i) {
        char path[64];
        check_ok(vv_vfs_mkdir(vfs, dirs[i], NULL), NULL);
        for (int file = 0; file < 3; ++file) {
            snprintf(path, sizeof path, "%s/f%d", dirs[i], file);
            check_ok(vv_vfs_write_file_atomically(vfs, alloc, "/part", path, "x", 1, &sites, NULL),
                     NULL);
        }
    }
    check_ok(vv_vfs_remove_tree(vfs, alloc, "/t", NULL), NULL);
    bool exists = true;
    check_ok(vv_vfs_exists(vfs, "/t", &exists, NULL), NULL);
    assert_false(exists);
    check_ok(vv_vfs_remove_tree(vfs, alloc, "/u/f1", NULL), NULL); /* a file is a tree too */
    check_ok(vv_vfs_exists(vfs, "/u/f2", &exists, NULL), NULL);
    assert_true(exists);
    vv_sim_free(sim);
    assert_int_equal(0, vv_alloc_bytes(alloc));
}

static void a_tree_that_is_too_deep_is_refused(void **state)
{
    (void)state;
    vv_alloc *alloc = memory();
    vv_sim *sim = vv_sim_create(alloc, NULL);
    char path[200] = "/d";
    for (int depth = 0; depth < 34; ++depth) {
        check_ok(vv_vfs_mkdir(vv_sim_vfs(sim), path, NULL), NULL);
        snprintf(path + strlen(path), 3, "/d");
    }
    varve_error err;
    check_status(VARVE_E_LIMIT, vv_vfs_remove_tree(vv_sim_vfs(sim), alloc, "/d", &err));
    check_ok(vv_vfs_remove_tree(vv_sim_vfs(sim), alloc, "/d/d", &err), &err);
    vv_sim_free(sim);
}

static void failures_while_removing_are_reported(void **state)
{
    (void)state;
    vv_alloc *alloc = memory();
    vv_sim *sim = vv_sim_create(alloc, NULL);
    vv_fault *fault = NULL;
    check_ok(vv_fault_create(alloc, vv_sim_vfs(sim), &fault, NULL), NULL);
    varve_status status = VARVE_E_IO;
    for (uint64_t call = 1; status != VARVE_OK; ++call) {
        vv_fault_clear(fault);
        check_ok(vv_vfs_remove_tree(vv_fault_vfs(fault), alloc, "/t", NULL), NULL);
        check_ok(vv_vfs_mkdir(vv_sim_vfs(sim), "/t", NULL), NULL);
        check_ok(vv_vfs_mkdir(vv_sim_vfs(sim), "/t/a", NULL), NULL);
        vv_fault_clear(fault);
        vv_fault_rule rule = {
            .first_call = call, .call_count = 1, .kind = VV_FAULT_ERRNO, .os_errno = EIO};
        size_t number = vv_fault_add(fault, &rule);
        status = vv_vfs_remove_tree(vv_fault_vfs(fault), alloc, "/t", NULL);
        check_status(vv_fault_fired(fault, number) == 1 ? VARVE_E_IO : VARVE_OK, status);
    }
    vv_fault_free(fault);
    vv_sim_free(sim);
}

static void a_file_that_is_too_long_is_not_read(void **state)
{
    (void)state;
    vv_alloc *alloc = memory();
    vv_sim *sim = vv_sim_create(alloc, NULL);
    check_ok(publish(vv_sim_vfs(sim), alloc, "12345"), NULL);
    void *data = NULL;
    size_t size = 0;
    varve_error err;
    check_status(VARVE_E_LIMIT,
                 vv_vfs_read_file(vv_sim_vfs(sim), alloc, "/x", 4, &data, &size, &err));
    assert_null(data);
    check_ok(vv_vfs_read_file(vv_sim_vfs(sim), alloc, "/x", 5, &data, &size, &err), &err);
    vv_alloc_free(alloc, data, size);
    check_ok(publish(vv_sim_vfs(sim), alloc, ""), NULL);
    check_ok(vv_vfs_read_file(vv_sim_vfs(sim), alloc, "/x", 5, &data, &size, &err), &err);
    assert_int_equal(0, size);
    vv_alloc_free(alloc, data, size);
    vv_sim_free(sim);
    assert_int_equal(0, vv_alloc_bytes(alloc));
}

static void each_failing_allocation_is_reported(void **state)
{
    (void)state;
    vv_alloc *plain = memory();
    vv_sim *sim = vv_sim_create(plain, NULL);
    failing_alloc failing;
    failing_alloc_init(&failing);
    varve_allocator source = failing_alloc_source(&failing);
    vv_alloc alloc;
    vv_alloc_init(&alloc, &source);
    varve_status status = VARVE_E_NOMEM;
    for (uint64_t number = 1; status == VARVE_E_NOMEM; ++number) {
        failing_alloc_plan(&failing, number, true);
        status = publish(vv_sim_vfs(sim), &alloc, "text");
        void *data = NULL;
        size_t size = 0;
        if (status == VARVE_OK) {
            status = vv_vfs_read_file(vv_sim_vfs(sim), &alloc, "/x", 10, &data, &size, NULL);
            vv_alloc_free(&alloc, data, size);
        }
        check_status(atomic_load(&failing.failures) > 0 ? VARVE_E_NOMEM : VARVE_OK, status);
        assert_int_equal(0, atomic_load(&failing.live));
    }
    vv_sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cut_while_publishing_leaves_old_or_new),
        cmocka_unit_test(publishing_without_the_sync_of_the_file_is_noticed),
        cmocka_unit_test(a_tree_is_removed_with_all_it_holds),
        cmocka_unit_test(a_tree_that_is_too_deep_is_refused),
        cmocka_unit_test(failures_while_removing_are_reported),
        cmocka_unit_test(a_file_that_is_too_long_is_not_read),
        cmocka_unit_test(each_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
