/* SPDX-License-Identifier: Apache-2.0 */
/* LOCK: L1 to L3 of engine/lockfile.h, on a real file system and between real processes. */
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/lockfile.h"
#include "manifest_support.h"
#include "support/child.h"
#include "support/temp_dir.h"

typedef struct lock_world {
    temp_dir dir;
    vv_alloc alloc;
    vv_env env;
} lock_world;

static void lock_world_init(lock_world *world)
{
    temp_dir_create(&world->dir);
    vv_alloc_init(&world->alloc, NULL);
    vv_env_init_system(&world->env, &world->alloc);
}

static void lock_world_deinit(lock_world *world)
{
    assert_int_equal(0, vv_alloc_bytes(&world->alloc));
    temp_dir_remove(&world->dir);
}

static void a_second_handle_of_this_process_is_refused(void **state)
{
    (void)state;
    lock_world world;
    varve_error err;
    lock_world_init(&world);
    vv_lockfile first = {0};
    vv_lockfile second = {0};
    check_ok(vv_lockfile_acquire(&world.env, world.dir.path, 0, true, &first, &err), &err);
    check_status(VARVE_E_LOCKED,
                 vv_lockfile_acquire(&world.env, world.dir.path, 0, true, &second, &err));
    /* The same directory under another name. */
    char other[600];
    snprintf(other, sizeof other, "%s/./", world.dir.path);
    check_status(VARVE_E_LOCKED, vv_lockfile_acquire(&world.env, other, 0, true, &second, &err));
    assert_null(second.file);
    vv_lockfile_release(&first);
    check_ok(vv_lockfile_acquire(&world.env, world.dir.path, 0, true, &second, &err), &err);
    vv_lockfile_release(&second);
    vv_lockfile_release(&second); /* a released one is as a zeroed one */
    assert_int_equal(0, access(temp_dir_path(&world.dir, "LOCK"), F_OK)); /* L2 */
    lock_world_deinit(&world);
}

static void the_file_tells_who_holds_it(void **state)
{
    (void)state;
    lock_world world;
    varve_error err;
    lock_world_init(&world);
    vv_lockfile lock = {0};
    check_ok(vv_lockfile_acquire(&world.env, world.dir.path, 0, true, &lock, &err), &err);
    void *text;
    size_t size;
    check_ok(vv_vfs_read_file(world.env.vfs, &world.alloc, temp_dir_path(&world.dir, "LOCK"), 4096,
                              &text, &size, &err),
             &err);
    char wanted[64];
    snprintf(wanted, sizeof wanted, "pid %ld\nhost ", (long)getpid());
    assert_memory_equal(wanted, text, strlen(wanted));
    vv_alloc_free(&world.alloc, text, size);
    vv_lockfile_release(&lock);
    lock_world_deinit(&world);
}

/* Runs in a child: 0 when the lock was refused with a message that names the holder. */
static int lock_child_is_refused(const char *path, pid_t holder)
{
    vv_alloc alloc;
    vv_env env;
    varve_error err;
    char wanted[32];
    vv_alloc_init(&alloc, NULL);
    vv_env_init_system(&env, &alloc);
    vv_lockfile lock = {0};
    snprintf(wanted, sizeof wanted, "pid %ld ", (long)holder);
    varve_status status = vv_lockfile_acquire(&env, path, 0, true, &lock, &err);
    return status == VARVE_E_LOCKED && strstr(err.message, wanted) != NULL ? 0 : 1;
}

static int lock_run_child(int (*body)(const char *, pid_t), const char *path)
{
    pid_t parent = getpid();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        child_exit(body(path, parent));
    }
    int exit_status;
    assert_int_equal(child, waitpid(child, &exit_status, 0));
    return WIFEXITED(exit_status) ? WEXITSTATUS(exit_status) : 99;
}

static void another_process_is_refused_and_told_who_holds_it(void **state)
{
    (void)state;
    lock_world world;
    varve_error err;
    lock_world_init(&world);
    vv_lockfile lock = {0};
    check_ok(vv_lockfile_acquire(&world.env, world.dir.path, 0, true, &lock, &err), &err);
    assert_int_equal(0, lock_run_child(lock_child_is_refused, world.dir.path));
    vv_lockfile_release(&lock);
    lock_world_deinit(&world);
}

/* The file is for people, and anybody may have written into it. */
static void what_the_file_says_is_told_in_plain_characters(void **state)
{
    (void)state;
    lock_world world;
    varve_error err;
    vv_fault *fault;
    lock_world_init(&world);
    vv_lockfile first = {0};
    vv_lockfile second = {0};
    check_ok(vv_lockfile_acquire(&world.env, world.dir.path, 0, true, &first, &err), &err);
    vv_registry_remove(&first.entry); /* as in another process */
    static const char text[] = {'a', '\n', '~', '\x7f', '\x80', '\xff', '\x1b', 'b'};
    check_ok(vv_file_truncate(first.file, 0, &err), &err);
    check_ok(vv_file_write_all(first.file, 0, text, sizeof text, &err), &err);
    char wanted[700];
    snprintf(wanted, sizeof wanted, "%s is open for writing elsewhere: a ~    b", world.dir.path);
    check_status(VARVE_E_LOCKED,
                 vv_lockfile_acquire(&world.env, world.dir.path, 0, true, &second, &err));
    assert_string_equal(wanted, err.message);
    /* Unreadable, it is open elsewhere all the same. */
    check_ok(vv_fault_create(&world.alloc, world.env.vfs, &fault, &err), &err);
    vv_fault_rule rule = {.ops = VV_VFS_OP_BIT(VV_VFS_OP_READ),
                          .first_call = 1,
                          .call_count = 1,
                          .kind = VV_FAULT_ERRNO,
                          .os_errno = EIO};
    size_t number = vv_fault_add(fault, &rule);
    vv_env env = world.env;
    env.vfs = vv_fault_vfs(fault);
    check_status(VARVE_E_LOCKED, vv_lockfile_acquire(&env, world.dir.path, 0, true, &second, &err));
    snprintf(wanted, sizeof wanted, "%s is open for writing elsewhere: ", world.dir.path);
    assert_string_equal(wanted, err.message);
    assert_int_equal(1, vv_fault_fired(fault, number));
    vv_fault_free(fault);
    vv_lockfile_release(&first);
    lock_world_deinit(&world);
}

static vv_lockfile *lock_of_parent;

static int lock_child_abandons(const char *path, pid_t holder)
{
    (void)path;
    (void)holder;
    vv_lockfile_abandon(lock_of_parent);
    return lock_of_parent->file == NULL ? 0 : 1;
}

static void a_forked_child_does_not_end_its_parents_lock(void **state)
{
    (void)state;
    lock_world world;
    varve_error err;
    lock_world_init(&world);
    vv_lockfile lock = {0};
    check_ok(vv_lockfile_acquire(&world.env, world.dir.path, 0, true, &lock, &err), &err);
    lock_of_parent = &lock;
    assert_int_equal(0, lock_run_child(lock_child_abandons, world.dir.path));
    assert_int_equal(0, lock_run_child(lock_child_is_refused, world.dir.path));
    vv_lockfile_release(&lock);
    lock_world_deinit(&world);
}

static int lock_child_holds_and_dies(const char *path, pid_t holder)
{
    (void)holder;
    vv_alloc alloc;
    vv_env env;
    vv_alloc_init(&alloc, NULL);
    vv_env_init_system(&env, &alloc);
    vv_lockfile lock = {0};
    return vv_lockfile_acquire(&env, path, 0, true, &lock, NULL) == VARVE_OK ? 7 : 1;
}

static void a_process_that_died_leaves_no_lock(void **state)
{
    (void)state;
    lock_world world;
    varve_error err;
    lock_world_init(&world);
    assert_int_equal(7, lock_run_child(lock_child_holds_and_dies, world.dir.path));
    vv_lockfile lock = {0};
    check_ok(vv_lockfile_acquire(&world.env, world.dir.path, 0, true, &lock, &err), &err);
    vv_lockfile_release(&lock);
    lock_world_deinit(&world);
}

/* ---- waiting -------------------------------------------------------------------------------- */

typedef struct lock_release_later {
    vv_lockfile *lock;
    uint64_t asked;
} lock_release_later;

/* The holder leaves when the other has asked for the third time. */
static void lock_release_hook(void *context, vv_vfs_op op, const char *path)
{
    lock_release_later *later = context;
    (void)path;
    if (op == VV_VFS_OP_STATVFS) {
        return;
    }
    later->asked += 1;
    if (later->asked == 2) {
        vv_lockfile_release(later->lock);
    }
}

static void waiting_ends_when_the_holder_leaves(void **state)
{
    (void)state;
    lock_world world;
    varve_error err;
    vv_fault *fault;
    lock_world_init(&world);
    vv_lockfile first = {0};
    vv_lockfile second = {0};
    check_ok(vv_lockfile_acquire(&world.env, world.dir.path, 0, true, &first, &err), &err);
    /* A holder in another process is known by its lock alone. */
    vv_registry_remove(&first.entry);
    check_ok(vv_fault_create(&world.alloc, world.env.vfs, &fault, &err), &err);
    lock_release_later later = {.lock = &first};
    vv_fault_set_hook(fault, lock_release_hook, &later);
    vv_env env = world.env;
    env.vfs = vv_fault_vfs(fault);
    check_ok(vv_lockfile_acquire(&env, world.dir.path, 60000, true, &second, &err), &err);
    vv_fault_set_hook(fault, NULL, NULL);
    vv_lockfile_release(&second);
    vv_fault_free(fault);
    lock_world_deinit(&world);
}

static void waiting_ends_at_its_deadline(void **state)
{
    (void)state;
    lock_world world;
    varve_error err;
    lock_world_init(&world);
    vv_lockfile first = {0};
    vv_lockfile second = {0};
    check_ok(vv_lockfile_acquire(&world.env, world.dir.path, 0, true, &first, &err), &err);
    int64_t start_ns = vv_mono_now_ns();
    check_status(VARVE_E_LOCKED,
                 vv_lockfile_acquire(&world.env, world.dir.path, 35, true, &second, &err));
    assert_true(vv_mono_now_ns() - start_ns >= 35 * VV_NS_PER_MS);
    vv_lockfile_release(&first);
    lock_world_deinit(&world);
}

/* ---- refusals ------------------------------------------------------------------------------- */

static void file_systems_that_cannot_be_trusted_are_refused(void **state)
{
    (void)state;
    manifest_world world;
    varve_error err;
    manifest_world_init(&world, NULL);
    vv_sim_lacks lacks = {.is_network = true};
    vv_sim_set_lacks(world.sim, &lacks);
    vv_lockfile lock = {0};
    check_status(VARVE_E_UNSUPPORTED, vv_lockfile_acquire(&world.env, "/", 0, false, &lock, &err));
    check_ok(vv_lockfile_acquire(&world.env, "/", 0, true, &lock, &err), &err);
    vv_lockfile_release(&lock);
    lacks = (vv_sim_lacks){.is_readonly = true};
    vv_sim_set_lacks(world.sim, &lacks);
    check_status(VARVE_E_READONLY, vv_lockfile_acquire(&world.env, "/", 0, true, &lock, &err));
    manifest_world_deinit(&world);
}

static void a_full_disk_is_no_reason_to_refuse(void **state)
{
    (void)state;
    manifest_world world;
    varve_error err;
    manifest_world_init(&world, NULL);
    vv_sim_set_capacity(world.sim, 1);
    vv_lockfile lock = {0};
    check_ok(vv_lockfile_acquire(&world.env, "/", 0, true, &lock, &err), &err);
    vv_lockfile_release(&lock);
    manifest_world_deinit(&world);
}

static void every_failing_call_leaves_no_lock_behind(void **state)
{
    (void)state;
    static const int errnos[] = {EIO, ENOSPC};
    for (size_t kind = 0; kind < VV_ARRAY_COUNT(errnos); ++kind) {
        bool is_over = false;
        for (uint64_t n = 1; !is_over; ++n) {
            manifest_world world;
            varve_error err;
            manifest_world_init(&world, NULL);
            vv_fault *fault = manifest_add_faults(&world);
            vv_fault_rule rule = {
                .first_call = n, .call_count = 1, .kind = VV_FAULT_ERRNO, .os_errno = errnos[kind]};
            size_t number = vv_fault_add(fault, &rule);
            vv_lockfile lock = {0};
            varve_status status = vv_lockfile_acquire(&world.env, "/", 0, true, &lock, &err);
            is_over = vv_fault_fired(fault, number) == 0;
            vv_fault_clear(fault);
            if (status != VARVE_OK) {
                assert_null(lock.file);
                check_ok(vv_lockfile_acquire(&world.env, "/", 0, true, &lock, &err), &err);
            }
            vv_lockfile_release(&lock);
            manifest_world_deinit(&world);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_handle_of_this_process_is_refused),
        cmocka_unit_test(the_file_tells_who_holds_it),
        cmocka_unit_test(another_process_is_refused_and_told_who_holds_it),
        cmocka_unit_test(what_the_file_says_is_told_in_plain_characters),
        cmocka_unit_test(a_forked_child_does_not_end_its_parents_lock),
        cmocka_unit_test(a_process_that_died_leaves_no_lock),
        cmocka_unit_test(waiting_ends_when_the_holder_leaves),
        cmocka_unit_test(waiting_ends_at_its_deadline),
        manifest_test(file_systems_that_cannot_be_trusted_are_refused),
        manifest_test(a_full_disk_is_no_reason_to_refuse),
        manifest_test(every_failing_call_leaves_no_lock_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
