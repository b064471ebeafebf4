/* SPDX-License-Identifier: Apache-2.0 */
/* The window over a framed file, the checks of a record in it, the search behind a bad place. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "support/check.h"
#include "sys/vfs_fault.h"
#include "sys/vfs_sim.h"
#include "wal/frame.h"

#define SALT UINT64_C(0x5a5a1234)

typedef struct frame_world {
    vv_alloc alloc;
    vv_sim *sim;
    vv_file *file;
    int64_t end;
    uint32_t chain;
    uint64_t lsn;
    int64_t offsets[4096];
    size_t count;
} frame_world;

static void frame_world_init(frame_world *world)
{
    *world = (frame_world){
        .end = VV_FRAME_FILE_HEADER_BYTES, .chain = vv_frame_chain_first(SALT), .lsn = 1};
    vv_alloc_init(&world->alloc, NULL);
    world->sim = vv_sim_create(&world->alloc, NULL);
    check_ok(vv_file_open(vv_sim_vfs(world->sim), &world->alloc, "/f",
                          VV_OPEN_READ | VV_OPEN_WRITE | VV_OPEN_CREATE, &world->file, NULL),
             NULL);
}

static void frame_world_deinit(frame_world *world)
{
    check_ok(vv_file_close(world->file, NULL), NULL);
    vv_sim_free(world->sim);
    assert_int_equal(0, vv_alloc_bytes(&world->alloc));
}

/* A record whose payload is `size` bytes of its LSN. */
static void frame_put_record(frame_world *world, size_t size)
{
    uint8_t *bytes = calloc(1, vv_frame_bytes(size));
    assert_non_null(bytes);
    memset(bytes + VV_FRAME_HEADER_BYTES, (int)world->lsn, size);
    vv_frame frame = {.payload_size = (uint32_t)size,
                      .lsn = world->lsn,
                      .type = 2,
                      .payload_crc = vv_crc32c(0, bytes + VV_FRAME_HEADER_BYTES, size)};
    vv_frame_put(bytes, &frame);
    world->chain = vv_frame_finish(bytes, SALT, world->chain);
    world->offsets[world->count] = world->end;
    world->count += 1;
    check_ok(vv_file_write_all(world->file, world->end, bytes, vv_frame_bytes(size), NULL), NULL);
    world->end += (int64_t)vv_frame_bytes(size);
    world->lsn += 1;
    free(bytes);
}

static void frame_flip(frame_world *world, int64_t offset)
{
    uint8_t byte;
    check_ok(vv_file_read_exact(world->file, offset, &byte, 1, NULL), NULL);
    byte ^= 0x40;
    check_ok(vv_file_write_all(world->file, offset, &byte, 1, NULL), NULL);
}

static void frame_reader_begin(frame_world *world, vv_frame_reader *reader)
{
    varve_error err;
    check_ok(vv_frame_reader_open(reader, vv_sim_vfs(world->sim), &world->alloc, "/f", true, &err),
             &err);
    reader->salt = SALT;
}

static vv_frame_verdict frame_verdict_at(vv_frame_reader *reader, int64_t offset,
                                         const uint32_t *chain, uint64_t lsn)
{
    vv_frame_verdict verdict;
    vv_frame frame;
    vv_bytes payload;
    varve_error err;
    check_ok(vv_frame_read(reader, offset, chain, lsn, &verdict, &frame, &payload, &err), &err);
    return verdict;
}

static void records_of_all_sizes_are_read_in_order(void **state)
{
    (void)state;
    frame_world world;
    frame_world_init(&world);
    size_t sizes[] = {0, 1, 7, 8, 9, 1000, 65536, 3000000, 5, 2000000, 0, 100};
    for (size_t i = 0; i < VV_ARRAY_COUNT(sizes); ++i) {
        frame_put_record(&world, sizes[i]);
    }
    for (int keeps_all = 0; keeps_all < 2; ++keeps_all) {
        vv_frame_reader reader;
        frame_reader_begin(&world, &reader);
        int64_t offset = VV_FRAME_FILE_HEADER_BYTES;
        uint32_t chain = vv_frame_chain_first(SALT);
        for (size_t i = 0; i < VV_ARRAY_COUNT(sizes); ++i) {
            vv_frame_verdict verdict;
            vv_frame frame = {0};
            vv_bytes payload = {0};
            reader.keep_offset = keeps_all ? 0 : offset;
            check_ok(
                vv_frame_read(&reader, offset, &chain, i + 1, &verdict, &frame, &payload, NULL),
                NULL);
            assert_int_equal(VV_FRAME_GOOD, verdict);
            assert_int_equal(sizes[i], payload.size);
            for (size_t k = 0; k < payload.size; ++k) {
                assert_true(payload.data[k] == i + 1);
            }
            chain = vv_frame_chain_next(&frame);
            offset += (int64_t)vv_frame_bytes(payload.size);
        }
        if (keeps_all) { /* what was kept is still in memory */
            vv_bytes all;
            check_ok(vv_frame_reader_view(&reader, VV_FRAME_FILE_HEADER_BYTES,
                                          (size_t)(world.end - VV_FRAME_FILE_HEADER_BYTES), &all,
                                          NULL),
                     NULL);
            assert_int_equal(world.end - VV_FRAME_FILE_HEADER_BYTES, all.size);
        } else {
            assert_in_range(reader.window.capacity, 0, 8 * 1024 * 1024);
        }
        assert_int_equal(VV_FRAME_ABSENT, frame_verdict_at(&reader, offset, &chain, 13));
        vv_frame_reader_close(&reader);
    }
    frame_world_deinit(&world);
}

static void each_check_has_its_verdict(void **state)
{
    (void)state;
    frame_world world;
    frame_world_init(&world);
    for (size_t i = 0; i < 4; ++i) {
        frame_put_record(&world, 100);
    }
    vv_frame_reader reader;
    frame_reader_begin(&world, &reader);
    uint32_t chain = 99;
    assert_int_equal(VV_FRAME_GOOD, frame_verdict_at(&reader, world.offsets[1], NULL, 2));
    assert_int_equal(VV_FRAME_BAD_LSN, frame_verdict_at(&reader, world.offsets[1], NULL, 3));
    assert_int_equal(VV_FRAME_BAD_CHAIN, frame_verdict_at(&reader, world.offsets[1], &chain, 2));
    assert_int_equal(VV_FRAME_BAD_SYNC, frame_verdict_at(&reader, world.offsets[1] + 8, NULL, 2));
    vv_frame_reader_close(&reader);
    frame_flip(&world, world.offsets[1] + 10);
    frame_flip(&world, world.offsets[2] + VV_FRAME_HEADER_BYTES + 99);
    check_ok(vv_file_truncate(world.file, world.end - 10, NULL), NULL);
    frame_reader_begin(&world, &reader);
    assert_int_equal(VV_FRAME_BAD_HEADER, frame_verdict_at(&reader, world.offsets[1], NULL, 2));
    assert_int_equal(VV_FRAME_BAD_PAYLOAD, frame_verdict_at(&reader, world.offsets[2], NULL, 3));
    assert_int_equal(VV_FRAME_BAD_LENGTH, frame_verdict_at(&reader, world.offsets[3], NULL, 4));
    assert_int_equal(VV_FRAME_ABSENT, frame_verdict_at(&reader, world.end + 5000, NULL, 4));
    vv_frame_reader_close(&reader);
    frame_world_deinit(&world);
}

static void a_search_finds_every_header_and_the_last_used_byte(void **state)
{
    (void)state;
    frame_world world;
    frame_world_init(&world);
    /* Some headers stand across the borders of the pieces that are searched. */
    for (size_t i = 0; i < 400; ++i) {
        frame_put_record(&world, 300 + i * 3 % 1000);
        world.end += 8 * (int64_t)(i % 5);
    }
    int64_t used = world.offsets[399] + VV_FRAME_HEADER_BYTES;
    check_ok(vv_file_truncate(world.file, world.end + 200000, NULL), NULL);
    vv_frame_reader reader;
    frame_reader_begin(&world, &reader);
    int64_t offset = VV_FRAME_FILE_HEADER_BYTES;
    int64_t last_used = 0;
    for (size_t i = 0; i < 400; ++i) {
        int64_t found;
        vv_frame frame;
        check_ok(vv_frame_scan(&reader, offset, &found, &frame, &last_used, NULL), NULL);
        assert_int_equal(world.offsets[i], found);
        assert_int_equal(i + 1, frame.lsn);
        offset = found + 8;
    }
    int64_t found;
    vv_frame frame;
    check_ok(vv_frame_scan(&reader, offset, &found, &frame, &last_used, NULL), NULL);
    assert_int_equal(-1, found);
    assert_true(last_used > used);
    vv_frame_reader_close(&reader);
    frame_world_deinit(&world);
}

static void a_search_sees_bytes_at_an_odd_end(void **state)
{
    (void)state;
    frame_world world;
    frame_world_init(&world);
    check_ok(vv_file_truncate(world.file, 70003, NULL), NULL);
    check_ok(vv_file_write_all(world.file, 70001, "x", 1, NULL), NULL);
    vv_frame_reader reader;
    frame_reader_begin(&world, &reader);
    int64_t found;
    int64_t last_used = 0;
    vv_frame frame;
    check_ok(vv_frame_scan(&reader, 0, &found, &frame, &last_used, NULL), NULL);
    assert_int_equal(-1, found);
    assert_int_equal(70002, last_used);
    vv_frame_reader_close(&reader);
    frame_world_deinit(&world);
}

static void a_failing_read_is_told_and_leaves_nothing_open(void **state)
{
    (void)state;
    frame_world world;
    frame_world_init(&world);
    frame_put_record(&world, 100);
    vv_fault *fault;
    check_ok(vv_fault_create(&world.alloc, vv_sim_vfs(world.sim), &fault, NULL), NULL);
    for (uint64_t n = 1; n <= 4; ++n) {
        vv_fault_clear(fault);
        vv_fault_rule rule = {
            .first_call = n, .call_count = 1, .kind = VV_FAULT_ERRNO, .os_errno = EIO};
        (void)vv_fault_add(fault, &rule);
        vv_frame_reader reader;
        vv_frame_verdict verdict;
        vv_frame frame;
        vv_bytes payload;
        varve_error err;
        varve_status status =
            vv_frame_reader_open(&reader, vv_fault_vfs(fault), &world.alloc, "/f", true, &err);
        if (status == VARVE_OK) {
            reader.salt = SALT;
            status = vv_frame_read(&reader, VV_FRAME_FILE_HEADER_BYTES, NULL, 0, &verdict, &frame,
                                   &payload, &err);
            vv_frame_reader_close(&reader);
        }
        check_status(VARVE_E_IO, status);
        assert_int_equal(0, vv_fault_open_files(fault));
    }
    vv_fault_free(fault);
    frame_world_deinit(&world);
}

/* Every read of a scan and of a record that is longer than what was read for its header. */
static void a_failing_read_in_the_middle_is_told(void **state)
{
    (void)state;
    frame_world world;
    frame_world_init(&world);
    frame_put_record(&world, 3000000);
    frame_put_record(&world, 10);
    vv_fault *fault;
    varve_error err;
    check_ok(vv_fault_create(&world.alloc, vv_sim_vfs(world.sim), &fault, NULL), NULL);
    uint64_t failed = 0;
    bool is_over = false;
    for (uint64_t n = 1; !is_over; ++n) {
        vv_fault_clear(fault);
        vv_frame_reader reader;
        vv_frame_verdict verdict;
        vv_frame frame;
        vv_bytes payload;
        int64_t found;
        check_ok(vv_frame_reader_open(&reader, vv_fault_vfs(fault), &world.alloc, "/f", true, &err),
                 &err);
        reader.salt = SALT;
        vv_fault_rule rule = {.ops = VV_VFS_OP_BIT(VV_VFS_OP_READ),
                              .first_call = n,
                              .call_count = 1,
                              .kind = VV_FAULT_ERRNO,
                              .os_errno = EIO};
        size_t number = vv_fault_add(fault, &rule);
        varve_status status = vv_frame_read(&reader, VV_FRAME_FILE_HEADER_BYTES, NULL, 0, &verdict,
                                            &frame, &payload, &err);
        if (status == VARVE_OK) {
            status =
                vv_frame_scan(&reader, VV_FRAME_FILE_HEADER_BYTES + 8, &found, &frame, NULL, &err);
        }
        is_over = vv_fault_fired(fault, number) == 0;
        check_status(is_over ? VARVE_OK : VARVE_E_IO, status);
        failed += is_over ? 0 : 1;
        vv_frame_reader_close(&reader);
    }
    assert_true(failed >= 2);
    vv_fault_free(fault);
    frame_world_deinit(&world);
}

/* A file may be cut by its writer after its size was asked for. */
static void a_file_that_was_cut_meanwhile_ends_there(void **state)
{
    (void)state;
    frame_world world;
    varve_error err;
    frame_world_init(&world);
    frame_put_record(&world, 100);
    frame_put_record(&world, 100);
    vv_frame_reader reader;
    frame_reader_begin(&world, &reader);
    check_ok(vv_file_truncate(world.file, world.offsets[1] + 8, NULL), NULL);
    assert_int_equal(VV_FRAME_GOOD, frame_verdict_at(&reader, world.offsets[0], NULL, 1));
    assert_int_equal(world.offsets[1] + 8, reader.file_bytes);
    assert_true(frame_verdict_at(&reader, world.offsets[1], NULL, 2) != VV_FRAME_GOOD);
    vv_frame_reader_close(&reader);
    frame_reader_begin(&world, &reader);
    check_ok(vv_file_truncate(world.file, 0, NULL), NULL);
    int64_t found = 5;
    vv_frame frame;
    check_ok(vv_frame_scan(&reader, 0, &found, &frame, NULL, &err), &err);
    assert_int_equal(-1, found);
    vv_frame_reader_close(&reader);
    frame_world_deinit(&world);
}

static void a_view_behind_what_is_kept_may_begin_at_the_end(void **state)
{
    (void)state;
    frame_world world;
    varve_error err;
    frame_world_init(&world);
    check_ok(vv_file_truncate(world.file, 5000000, NULL), NULL);
    vv_frame_reader reader;
    frame_reader_begin(&world, &reader);
    vv_bytes bytes;
    reader.keep_offset = reader.file_bytes;
    check_ok(vv_frame_reader_view(&reader, reader.file_bytes, 32, &bytes, &err), &err);
    assert_int_equal(0, bytes.size);
    vv_frame_reader_close(&reader);
    frame_world_deinit(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_all_sizes_are_read_in_order),
        cmocka_unit_test(each_check_has_its_verdict),
        cmocka_unit_test(a_search_finds_every_header_and_the_last_used_byte),
        cmocka_unit_test(a_search_sees_bytes_at_an_odd_end),
        cmocka_unit_test(a_failing_read_is_told_and_leaves_nothing_open),
        cmocka_unit_test(a_failing_read_in_the_middle_is_told),
        cmocka_unit_test(a_file_that_was_cut_meanwhile_ends_there),
        cmocka_unit_test(a_view_behind_what_is_kept_may_begin_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
