/* SPDX-License-Identifier: Apache-2.0 */
/* Short words for tests of the simulated file system. */
#ifndef VV_TESTS_UNIT_SYS_SIM_SUPPORT_H
#define VV_TESTS_UNIT_SYS_SIM_SUPPORT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "sys/vfs.h"
#include "sys/vfs_sim.h"

#define RW (VV_OPEN_READ | VV_OPEN_WRITE)

static inline vv_alloc *sim_memory(void)
{
    static vv_alloc alloc;
    static int is_ready;
    if (!is_ready) {
        vv_alloc_init(&alloc, NULL);
        is_ready = 1;
    }
    return &alloc;
}

static inline vv_file *sim_open(vv_sim *sim, const char *path)
{
    vv_file *file = NULL;
    varve_error err;
    check_ok(vv_file_open(vv_sim_vfs(sim), sim_memory(), path, RW | VV_OPEN_CREATE, &file, &err),
             &err);
    return file;
}

static inline void sim_write(vv_file *file, int64_t offset, const char *text)
{
    varve_error err;
    check_ok(vv_file_write_all(file, offset, text, strlen(text), &err), &err);
}

static inline void sim_sync(vv_file *file)
{
    varve_error err;
    check_ok(vv_file_fdatasync(file, VV_SITE_WAL_GROUP, &err), &err);
}

static inline void sim_sync_root(vv_sim *sim)
{
    varve_error err;
    check_ok(vv_vfs_sync_dir(vv_sim_vfs(sim), "/", VV_SITE_WAL_DIR, &err), &err);
}

static inline void sim_rename(vv_sim *sim, const char *source, const char *target)
{
    varve_error err;
    check_ok(vv_vfs_rename(vv_sim_vfs(sim), source, target, VV_SITE_SEG_RENAME, &err), &err);
}

/* A file that is durable with its name. */
static inline void sim_put_durable(vv_sim *sim, const char *path, const char *text)
{
    vv_file *file = sim_open(sim, path);
    sim_write(file, 0, text);
    sim_sync(file);
    check_ok(vv_file_close(file, NULL), NULL);
    sim_sync_root(sim);
}

/* The content of a file in an image with '.' for zero bytes; "(none)" when there is no such file.
 */
static inline const char *sim_image_text(const vv_sim_image *image, const char *path)
{
    static char text[4][8192];
    static unsigned next;
    char *out = text[next++ % 4];
    vv_sim *sim = vv_sim_create(sim_memory(), image);
    void *data = NULL;
    size_t size = 0;
    varve_status status = vv_vfs_read_file(vv_sim_vfs(sim), sim_memory(), path, sizeof text[0] - 1,
                                           &data, &size, NULL);
    if (status == VARVE_E_NOT_FOUND) {
        snprintf(out, sizeof text[0], "(none)");
    } else {
        check_ok(status, NULL);
        for (size_t i = 0; i < size; ++i) {
            char c = ((const char *)data)[i];
            out[i] = c == '\0' ? '.' : c;
        }
        out[size] = '\0';
        vv_alloc_free(sim_memory(), data, size);
    }
    vv_sim_free(sim);
    return out;
}

/* What the file holds after a cut now. */
static inline const char *sim_cut_text(vv_sim *sim, const vv_sim_cut *cut, const char *path)
{
    vv_sim_point *point = vv_sim_capture(sim);
    vv_sim_image *image = vv_sim_power_cut(point, cut);
    assert_non_null(image);
    const char *text = sim_image_text(image, path);
    vv_sim_image_free(image);
    vv_sim_point_free(point);
    return text;
}

static inline const char *sim_after(vv_sim *sim, vv_sim_model model, const char *path)
{
    vv_sim_cut cut = {.model = model};
    return sim_cut_text(sim, &cut, path);
}

/* `count` times the character. */
static inline const char *sim_times(char c, size_t count)
{
    static char text[4][8192];
    static unsigned next;
    char *out = text[next++ % 4];
    memset(out, c, count);
    out[count] = '\0';
    return out;
}

static inline int sim_leaves_no_memory(void **state)
{
    (void)state;
    assert_int_equal(0, vv_alloc_bytes(sim_memory()));
    return 0;
}

#define sim_test(function) cmocka_unit_test_teardown(function, sim_leaves_no_memory)

#endif
