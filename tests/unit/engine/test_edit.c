/* SPDX-License-Identifier: Apache-2.0 */
/* Y1 to Y3 of engine/edit.h: an edit of the manifest that fails in each of its ways. */
#include "support/check.h"

#include <errno.h>
#include <string.h>

#include "engine/edit.h"
#include "support/engine_fixture.h"

typedef struct edit_world {
    engine_fixture f;
    size_t told; /* health.changed */
} edit_world;

/* Takes the lock of the manifest, as a user does who asks for figures from here. */
static void world_log(void *context, uint32_t level, const char *event, const char *message)
{
    edit_world *w = context;
    (void)level;
    (void)message;
    if (strcmp(event, "health.changed") == 0 && w->f.db != NULL) {
        vv_mutex_lock(&w->f.db->manifest_lock);
        w->told++;
        vv_mutex_unlock(&w->f.db->manifest_lock);
    }
}

static void world_open(edit_world *w, uint64_t min_free, uint64_t reserve)
{
    memset(w, 0, sizeof *w);
    engine_fixture_create(&w->f);
    engine_fixture_close(&w->f);
    w->f.options.log = world_log;
    w->f.options.log_context = w;
    w->f.options.min_free_bytes = min_free;
    w->f.options.reserve_bytes = reserve;
    engine_fixture_open(&w->f);
}

static void world_break(edit_world *w, vv_vfs_op op, int os_errno)
{
    vv_fault_rule rule = {
        .ops = VV_VFS_OP_BIT(op),
        .path_part = "manifest/",
        .first_call = 1,
        .call_count = VV_FAULT_FOREVER,
        .kind = VV_FAULT_ERRNO,
        .os_errno = os_errno,
    };
    vv_fault_add(w->f.fault, &rule);
}

/* One turn with an edit that changes nothing but the record of a scrub, or what is given. */
static varve_status world_append(edit_world *w, const vv_manifest_edit *change, vv_edit_space space,
                                 bool *out_in_doubt)
{
    static const uint8_t record[] = {0, 1, 1, 1, 0, 0, 0};
    vv_manifest_edit edit = {.scrubbed = {.data = record, .size = sizeof record}};
    vv_edit turn;
    varve_error err;
    vv_edit_begin(&turn, w->f.db);
    uint64_t before = vv_manifest_get_state(w->f.db->manifest)->edit_seq;
    varve_status status = vv_edit_append(&turn, change != NULL ? change : &edit, space, &err);
    uint64_t after = vv_manifest_get_state(w->f.db->manifest)->edit_seq;
    assert_int_equal(after, status == VARVE_OK ? before + 1 : before);
    assert_int_equal(w->told, 0); /* not within the turn */
    vv_edit_end(&turn);
    *out_in_doubt = turn.is_in_doubt;
    return status;
}

static void a_failed_sync_leaves_doubt_and_ends_writing_once_the_lock_is_free(void **state)
{
    (void)state;
    edit_world w;
    varve_error err;
    bool in_doubt;
    world_open(&w, VARVE_SPACE_NONE, VARVE_SPACE_NONE);
    world_break(&w, VV_VFS_OP_SYNC, EIO);
    check_status(VARVE_E_IO, world_append(&w, NULL, VV_EDIT_AS_IS, &in_doubt));
    assert_true(in_doubt);
    assert_int_equal(w.told, 1);
    assert_int_equal(varve_health(w.f.db, NULL), VARVE_HEALTH_WRITE_FAILED);
    check_status(VARVE_E_FENCED, engine_fixture_try_write(&w.f, 1, 0, 1, 10, 0, &err));
    w.told = 0;
    check_status(VARVE_E_FENCED, world_append(&w, NULL, VV_EDIT_AS_IS, &in_doubt));
    assert_false(in_doubt); /* it was not written */
    engine_fixture_free(&w.f);
}

static void an_edit_that_is_refused_changes_nothing(void **state)
{
    (void)state;
    edit_world w;
    bool in_doubt;
    uint64_t unknown = 77;
    world_open(&w, VARVE_SPACE_NONE, VARVE_SPACE_NONE);
    vv_manifest_edit edit = {.drop = &unknown, .drop_count = 1};
    check_status(VARVE_E_INVALID, world_append(&w, &edit, VV_EDIT_RELEASES, &in_doubt));
    assert_false(in_doubt);
    assert_int_equal(varve_health(w.f.db, NULL), VARVE_HEALTH_OK);
    check_status(VARVE_OK, world_append(&w, NULL, VV_EDIT_AS_IS, &in_doubt));
    assert_false(in_doubt);
    engine_fixture_write(&w.f, 1, 0, 1, 10, 0);
    engine_fixture_free(&w.f);
}

/* Space is there once the ballast is gone. */
static void world_heal(void *context, vv_vfs_op op, const char *path)
{
    edit_world *w = context;
    if (op == VV_VFS_OP_UNLINK && strstr(path, "RESERVE") != NULL) {
        vv_fault_clear(w->f.fault);
    }
}

static void a_full_disk_costs_the_ballast_only_what_gives_space_back(void **state)
{
    (void)state;
    enum { MIB = 1024 * 1024 };
    edit_world w;
    bool in_doubt;
    world_open(&w, MIB, MIB);
    engine_fixture_set_free(&w.f, 6 * MIB);
    vv_space_look(w.f.db);
    world_break(&w, VV_VFS_OP_WRITE, ENOSPC);
    vv_fault_set_hook(w.f.fault, world_heal, &w);
    check_status(VARVE_E_NOSPACE, world_append(&w, NULL, VV_EDIT_AS_IS, &in_doubt));
    assert_false(in_doubt);
    assert_int_equal(atomic_load(&w.f.db->space.releases), 0);
    check_status(VARVE_OK, world_append(&w, NULL, VV_EDIT_RELEASES, &in_doubt));
    assert_false(in_doubt);
    assert_int_equal(atomic_load(&w.f.db->space.releases), 1);
    engine_fixture_free(&w.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_sync_leaves_doubt_and_ends_writing_once_the_lock_is_free),
        cmocka_unit_test(an_edit_that_is_refused_changes_nothing),
        cmocka_unit_test(a_full_disk_costs_the_ballast_only_what_gives_space_back),
    };
    return cmocka_run_group_tests_name("edit", tests, NULL, NULL);
}
