/* SPDX-License-Identifier: Apache-2.0 */
/* IDENT: written once, whole; never over files of others. */
#include <errno.h>

#include "base/crc.h"
#include "base/status.h"
#include "engine/ident.h"
#include "manifest_support.h"

static vv_ident ident_of(uint8_t byte)
{
    vv_ident ident = {.created_ns = 1700000000000000000};
    memset(ident.store_id, byte, sizeof ident.store_id);
    return ident;
}

static void an_identity_comes_back(void **state)
{
    (void)state;
    manifest_world world;
    vv_ident read;
    varve_error err;
    manifest_world_init(&world, NULL);
    check_status(VARVE_E_NOT_FOUND, vv_ident_read(&world.env, "/", &read, &err));
    vv_ident ident = ident_of(3);
    memset(ident.parent_id, 4, sizeof ident.parent_id);
    check_ok(vv_ident_create(&world.env, "/", "/tmp", &ident, &err), &err);
    check_ok(vv_ident_read(&world.env, "/", &read, &err), &err);
    assert_memory_equal(&ident, &read, sizeof ident);
    check_status(VARVE_E_CONFLICT, vv_ident_create(&world.env, "/", "/tmp", &ident, &err));
    manifest_world_deinit(&world);
}

static void two_new_identities_differ(void **state)
{
    (void)state;
    manifest_world world;
    vv_ident one;
    vv_ident other;
    varve_error err;
    manifest_world_init(&world, NULL);
    check_ok(vv_ident_make(&world.env, &one, &err), &err);
    check_ok(vv_ident_make(&world.env, &other, &err), &err);
    assert_memory_not_equal(one.store_id, other.store_id, 16);
    assert_int_equal(1700000000000000000, one.created_ns);
    static const uint8_t none[16] = {0};
    assert_memory_equal(none, one.parent_id, 16);
    manifest_world_deinit(&world);
}

static void any_changed_bit_or_size_is_damage(void **state)
{
    (void)state;
    uint8_t bytes[VV_IDENT_BYTES + 1] = {0};
    vv_ident ident = ident_of(9);
    vv_ident read;
    varve_error err;
    vv_ident_encode(&ident, bytes);
    for (size_t bit = 0; bit < VV_IDENT_BYTES * 8; ++bit) {
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ 1u << (bit % 8));
        check_status(VARVE_E_CORRUPT,
                     vv_ident_decode(vv_bytes_make(bytes, VV_IDENT_BYTES), &read, &err));
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ 1u << (bit % 8));
    }
    for (size_t size = 0; size < VV_IDENT_BYTES; ++size) {
        check_status(VARVE_E_CORRUPT, vv_ident_decode(vv_bytes_make(bytes, size), &read, &err));
    }
    check_status(VARVE_E_CORRUPT,
                 vv_ident_decode(vv_bytes_make(bytes, VV_IDENT_BYTES + 1), &read, &err));
    check_ok(vv_ident_decode(vv_bytes_make(bytes, VV_IDENT_BYTES), &read, &err), &err);
    manifest_world world;
    manifest_world_init(&world, NULL);
    manifest_put_file(&world, "/IDENT", bytes, sizeof bytes);
    check_status(VARVE_E_CORRUPT, vv_ident_read(&world.env, "/", &read, &err));
    manifest_world_deinit(&world);
}

static void a_later_version_is_unsupported(void **state)
{
    (void)state;
    vv_ident ident = ident_of(9);
    vv_ident read;
    varve_error err;
    for (size_t at = 8; at <= 12; at += 4) {
        uint8_t bytes[VV_IDENT_BYTES];
        vv_ident_encode(&ident, bytes);
        bytes[at] = 2;
        uint32_t crc = vv_crc32c(0, bytes, 64);
        memcpy(bytes + 64, &crc, sizeof crc);
        check_status(VARVE_E_UNSUPPORTED,
                     vv_ident_decode(vv_bytes_make(bytes, sizeof bytes), &read, &err));
    }
}

static void a_directory_with_files_is_never_made_a_database(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        bool is_directory;
        varve_status wanted;
    } cases[] = {{"/LOCK", false, VARVE_OK},
                 {"/tmp/IDENT.part", false, VARVE_OK},
                 {"/tmp/IDENT.part", true, VARVE_E_CONFLICT},
                 {"/tmp/left", false, VARVE_E_CONFLICT},
                 {"/seg", true, VARVE_OK},
                 {"/quarantine", true, VARVE_OK},
                 {"/notes.txt", false, VARVE_E_CONFLICT},
                 {"/photos", true, VARVE_E_CONFLICT},
                 {"/RESERVE", false, VARVE_E_CONFLICT},
                 {"/manifest/00000000000000000001.vmf", false, VARVE_E_CORRUPT},
                 {"/wal", false, VARVE_E_CONFLICT}};
    for (size_t i = 0; i < VV_ARRAY_COUNT(cases); ++i) {
        manifest_world world;
        varve_error err;
        vv_ident ident = ident_of(1);
        manifest_world_init(&world, NULL);
        if (cases[i].is_directory) {
            check_ok(vv_vfs_mkdir(world.env.vfs, cases[i].path, &err), &err);
        } else {
            manifest_put_file(&world, cases[i].path, "x", 1);
        }
        check_status(cases[i].wanted, vv_ident_check_place(&world.env, "/", true, &err));
        check_status(VARVE_E_NOT_FOUND, vv_ident_check_place(&world.env, "/", false, &err));
        check_status(cases[i].wanted, vv_ident_create(&world.env, "/", "/tmp", &ident, &err));
        bool exists;
        check_ok(vv_vfs_exists(world.env.vfs, "/IDENT", &exists, &err), &err);
        assert_true(exists == (cases[i].wanted == VARVE_OK));
        manifest_world_deinit(&world);
    }
}

typedef struct ident_maker {
    manifest_world *world;
    const vv_vfs *vfs; /* of the other process */
    bool is_done;
} ident_maker;

/* Another process makes its database while this one looks at what is there. */
static void ident_maker_hook(void *context, vv_vfs_op op, const char *path)
{
    ident_maker *maker = context;
    (void)path;
    if (op != VV_VFS_OP_LIST || maker->is_done) {
        return;
    }
    maker->is_done = true;
    manifest_world other = {.env = maker->world->env};
    other.env.vfs = maker->vfs;
    manifest_put_file(&other, "/IDENT", "x", 1);
    manifest_put_file(&other, "/manifest/00000000000000000001.vmf", "x", 1);
}

static void a_database_made_between_two_looks_is_one(void **state)
{
    (void)state;
    manifest_world world;
    varve_error err;
    manifest_world_init(&world, NULL);
    ident_maker maker = {.world = &world, .vfs = world.env.vfs};
    vv_fault *fault = manifest_add_faults(&world);
    vv_fault_set_hook(fault, ident_maker_hook, &maker);
    check_ok(vv_ident_check_place(&world.env, "/", true, &err), &err);
    assert_true(maker.is_done);
    manifest_world_deinit(&world);
}

static varve_status ident_no_entropy(void *context, void *buf, size_t size, varve_error *out_err)
{
    (void)context;
    (void)buf;
    return vv_fail(out_err, VARVE_E_IO, "%zu random bytes are not to be had", size);
}

static void without_random_bytes_there_is_no_identity(void **state)
{
    (void)state;
    manifest_world world;
    varve_error err;
    manifest_world_init(&world, NULL);
    world.env.entropy = (vv_entropy){.fill = ident_no_entropy};
    vv_ident ident = ident_of(9);
    check_status(VARVE_E_IO, vv_ident_make(&world.env, &ident, &err));
    assert_string_equal("16 random bytes are not to be had", err.message);
    vv_ident before = ident_of(9);
    assert_memory_equal(&before, &ident, sizeof ident);
    manifest_world_deinit(&world);
}

static void every_failing_call_leaves_all_or_nothing(void **state)
{
    (void)state;
    bool is_over = false;
    for (uint64_t n = 1; !is_over; ++n) {
        manifest_world world;
        varve_error err;
        vv_ident ident = ident_of(1);
        vv_ident read;
        manifest_world_init(&world, NULL);
        vv_fault *fault = manifest_add_faults(&world);
        vv_fault_rule rule = {
            .first_call = n, .call_count = 1, .kind = VV_FAULT_ERRNO, .os_errno = EIO};
        size_t number = vv_fault_add(fault, &rule);
        varve_status status = vv_ident_create(&world.env, "/", "/tmp", &ident, &err);
        is_over = vv_fault_fired(fault, number) == 0;
        assert_true(is_over == (status == VARVE_OK));
        vv_fault_clear(fault);
        varve_status read_status = vv_ident_read(&world.env, "/", &read, &err);
        assert_true(read_status == VARVE_OK || read_status == VARVE_E_NOT_FOUND);
        manifest_world_deinit(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        manifest_test(an_identity_comes_back),
        manifest_test(two_new_identities_differ),
        manifest_test(any_changed_bit_or_size_is_damage),
        manifest_test(a_later_version_is_unsupported),
        manifest_test(a_directory_with_files_is_never_made_a_database),
        manifest_test(a_database_made_between_two_looks_is_one),
        manifest_test(without_random_bytes_there_is_no_identity),
        manifest_test(every_failing_call_leaves_all_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
