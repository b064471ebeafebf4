/* SPDX-License-Identifier: Apache-2.0 */
/* Promises of segment/reader.c, tables.c, chunk_index.c: damage, versions, failures, threads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/failing_alloc.h"
#include "support/segment_sample.h"
#include "sys/thread.h"
#include "sys/vfs_fault.h"
#include "sys/vfs_memory.h"

#define PATH "tmp/00000000000000000007.part"

typedef struct fixture {
    failing_alloc source;
    vv_alloc alloc;
    vv_vfs *vfs;
    vv_env env;
    vv_block_cache *cache;
    uint8_t *bytes; /* of the file of the sample */
    size_t size;
    uint64_t hash; /* of all that is read from it */
    vv_file *file;
} fixture;

static const segment_sample sample = {
    .id = 7, .level = 1, .series = 12, .vectors = 2, .rows = 9, .has_meta = true};

/* Open and read everything. */
static varve_status read_whole(fixture *f, uint64_t *out_hash, varve_error *out_err)
{
    vv_segment *segment;
    varve_status status = vv_segment_open(&f->env, f->cache, PATH, 7, &segment, out_err);
    if (status != VARVE_OK) {
        assert_null(segment);
        return status;
    }
    status = segment_sample_read_all(segment, f->cache, out_hash, out_err);
    vv_segment_unref(segment);
    return status;
}

static int setup_sample(void **state, const segment_sample *wanted)
{
    varve_error err;
    vv_segment_info info;
    void *data;
    fixture *f = calloc(1, sizeof *f);
    failing_alloc_init(&f->source);
    varve_allocator source = failing_alloc_source(&f->source);
    vv_alloc_init(&f->alloc, &source);
    check_ok(vv_vfs_memory_create(&f->alloc, &f->vfs, &err), &err);
    check_ok(vv_vfs_mkdir(f->vfs, "tmp", &err), &err);
    vv_env_init_system(&f->env, &f->alloc);
    f->env.vfs = f->vfs;
    check_ok(vv_block_cache_create(&f->alloc, 1 << 20, &f->cache, &err), &err);
    check_ok(segment_sample_write(&f->env, "tmp", wanted, &info, &err), &err);
    check_ok(vv_vfs_read_file(f->vfs, &f->alloc, PATH, 1 << 24, &data, &f->size, &err), &err);
    f->bytes = data;
    check_ok(vv_file_open(f->vfs, &f->alloc, PATH, VV_OPEN_WRITE, &f->file, &err), &err);
    check_ok(read_whole(f, &f->hash, &err), &err);
    *state = f;
    return 0;
}

static int setup(void **state)
{
    return setup_sample(state, &sample);
}

static int setup_large(void **state)
{
    static const segment_sample large = {
        .id = 7, .series = 20, .vectors = 20, .rows = 350, .has_noise = true};
    return setup_sample(state, &large);
}

static int teardown(void **state)
{
    fixture *f = *state;
    check_ok(vv_file_close(f->file, NULL), NULL);
    vv_alloc_free(&f->alloc, f->bytes, f->size);
    vv_block_cache_free(f->cache);
    vv_vfs_memory_free(f->vfs);
    assert_int_equal(vv_alloc_bytes(&f->alloc), 0);
    free(f);
    return 0;
}

static void put(fixture *f, const uint8_t *bytes, size_t size)
{
    varve_error err;
    check_ok(vv_file_truncate(f->file, (int64_t)size, &err), &err);
    if (size > 0) {
        check_ok(vv_file_write_all(f->file, 0, bytes, size, &err), &err);
    }
}

/* --- damage --- */

static void a_flip_of_any_byte_is_found(void **state)
{
    fixture *f = *state;
    varve_error err;
    uint64_t hash;
    print_message("file of %zu bytes\n", f->size);
    for (size_t offset = 0; offset < f->size; ++offset) {
        uint8_t flipped = (uint8_t)(f->bytes[offset] ^ (1u << (offset % 8)));
        check_ok(vv_file_write_all(f->file, (int64_t)offset, &flipped, 1, &err), &err);
        varve_status status = read_whole(f, &hash, &err);
        if (status != VARVE_E_CORRUPT) {
            fail_msg("flip at %zu: %s", offset, vv_status_name(status));
        }
        assert_non_null(strstr(err.message, PATH));
        assert_non_null(strstr(err.message, "offset"));
        check_ok(vv_file_write_all(f->file, (int64_t)offset, f->bytes + offset, 1, &err), &err);
    }
    check_ok(read_whole(f, &hash, &err), &err);
    assert_true(hash == f->hash);
}

static void any_truncation_is_found(void **state)
{
    fixture *f = *state;
    varve_error err;
    uint64_t hash;
    for (size_t size = f->size; size-- > 0;) {
        check_ok(vv_file_truncate(f->file, (int64_t)size, &err), &err);
        check_status(VARVE_E_CORRUPT, read_whole(f, &hash, &err));
        assert_non_null(strstr(err.message, PATH));
    }
}

static void bytes_behind_the_end_are_found(void **state)
{
    fixture *f = *state;
    varve_error err;
    uint64_t hash;
    check_ok(vv_file_write_all(f->file, (int64_t)f->size, f->bytes, 200, &err), &err);
    check_status(VARVE_E_CORRUPT, read_whole(f, &hash, &err));
    /* Even when they are a whole footer. */
    put(f, f->bytes, f->size);
    check_ok(vv_file_write_all(f->file, (int64_t)f->size, f->bytes + f->size - 400, 400, &err),
             &err);
    check_status(VARVE_E_CORRUPT, read_whole(f, &hash, &err));
}

static void a_file_of_another_id_is_found(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_segment *segment;
    check_status(VARVE_E_CORRUPT, vv_segment_open(&f->env, f->cache, PATH, 8, &segment, &err));
    assert_non_null(strstr(err.message, "segment 7"));
}

static void a_missing_file_is_not_found(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_segment *segment;
    check_status(VARVE_E_NOT_FOUND,
                 vv_segment_open(&f->env, f->cache, "tmp/none", 8, &segment, &err));
}

/* Any byte changed with all checksums made right again: no crash; what opens can be read. */
static void a_resealed_change_of_any_byte_does_no_harm(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_segment *segment;
    uint64_t hash;
    uint8_t *copy = malloc(f->size);
    size_t opened = 0;
    for (size_t offset = 64; offset < f->size; offset += 3) {
        memcpy(copy, f->bytes, f->size);
        copy[offset] ^= (uint8_t)(1u << (offset / 3 % 8));
        segment_sample_reseal(copy, f->size);
        put(f, copy, f->size);
        if (vv_segment_open(&f->env, f->cache, PATH, 7, &segment, &err) == VARVE_OK) {
            opened += 1;
            VV_IGNORE(segment_sample_read_all(segment, f->cache, &hash, &err));
            VV_IGNORE(vv_segment_verify(segment, NULL, NULL, &err));
            vv_segment_unref(segment);
        }
    }
    assert_true(opened > 0);
    free(copy);
}

static void swapped_blocks_are_found(void **state)
{
    fixture *f = *state;
    varve_error err;
    uint64_t hash;
    uint32_t size[2];
    memcpy(&size[0], f->bytes + 64, 4);
    memcpy(&size[1], f->bytes + 64 + 16 + size[0], 4);
    /* Two copies of block 0 where both fit: cut to the smaller size is not needed to see it. */
    uint8_t *copy = malloc(f->size);
    memcpy(copy, f->bytes, f->size);
    size_t common = 16 + (size[0] < size[1] ? size[0] : size[1]);
    memcpy(copy + 64 + 16 + size[0], f->bytes + 64, common);
    put(f, copy, f->size);
    check_status(VARVE_E_CORRUPT, read_whole(f, &hash, &err));
    assert_non_null(strstr(err.message, "block 1 at offset"));
    free(copy);
}

/* --- versions --- */

static size_t footer_of(const fixture *f)
{
    uint32_t size;
    memcpy(&size, f->bytes + f->size - 16, 4);
    return f->size - size;
}

static void a_newer_version_is_refused(void **state)
{
    fixture *f = *state;
    varve_error err;
    uint64_t hash;
    f->bytes[8] = 2;
    segment_sample_reseal(f->bytes, f->size);
    put(f, f->bytes, f->size);
    check_status(VARVE_E_UNSUPPORTED, read_whole(f, &hash, &err));
    assert_non_null(strstr(err.message, "version 2"));
}

static void unknown_flags_are_refused(void **state)
{
    fixture *f = *state;
    varve_error err;
    uint64_t hash;
    const size_t places[] = {12 /* header */, 64 + 10 /* block 0 */};
    for (size_t i = 0; i < 2; ++i) {
        f->bytes[places[i]] = 4;
        segment_sample_reseal(f->bytes, f->size);
        put(f, f->bytes, f->size);
        check_status(VARVE_E_UNSUPPORTED, read_whole(f, &hash, &err));
        f->bytes[places[i]] = 0;
    }
}

/* Turn the meta section, the last, into one of kind 300 that version 9 reads. */
static void make_unknown(fixture *f, bool is_required)
{
    size_t toc = footer_of(f) + 104 + (size_t)8 * 24;
    uint64_t offset;
    const uint16_t kind = 300;
    memcpy(&offset, f->bytes + toc + 8, 8);
    memcpy(f->bytes + toc, &kind, 2);
    f->bytes[toc + 2] = is_required ? 1 : 0;
    f->bytes[toc + 4] = 9;
    memcpy(f->bytes + offset + 8, &kind, 2);
    segment_sample_reseal(f->bytes, f->size);
    put(f, f->bytes, f->size);
}

static void unknown_sections_are_skipped(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_segment *segment;
    make_unknown(f, false);
    check_ok(vv_segment_open(&f->env, f->cache, PATH, 7, &segment, &err), &err);
    assert_int_equal(vv_segment_meta(segment).size, 0);
    check_ok(vv_segment_verify(segment, NULL, NULL, &err), &err);
    vv_segment_unref(segment);
}

static void unknown_required_sections_are_refused(void **state)
{
    fixture *f = *state;
    varve_error err;
    uint64_t hash;
    make_unknown(f, true);
    check_status(VARVE_E_UNSUPPORTED, read_whole(f, &hash, &err));
    assert_non_null(strstr(err.message, "kind 300 needs segment format version 9"));
}

static void a_missing_section_is_found(void **state)
{
    fixture *f = *state;
    varve_error err;
    uint64_t hash;
    size_t toc = footer_of(f) + 104;
    for (size_t section = 0; section < 8; ++section) {
        fixture copy = *f;
        copy.bytes = malloc(f->size);
        memcpy(copy.bytes, f->bytes, f->size);
        for (size_t later = section; later < 9; ++later) { /* its number goes to a later kind */
            copy.bytes[toc + later * 24] = (uint8_t)(later + 2);
            copy.bytes[toc + later * 24 + 2] = 0;
        }
        segment_sample_reseal(copy.bytes, f->size);
        put(f, copy.bytes, f->size);
        check_status(VARVE_E_CORRUPT, read_whole(f, &hash, &err));
        free(copy.bytes);
    }
}

/* --- failures --- */

static void each_failed_allocation_is_clean(void **state)
{
    fixture *f = *state;
    varve_error err;
    uint64_t hash;
    for (uint64_t n = 1;; ++n) {
        assert_true(n < 1000);
        vv_block_cache *cache;
        size_t bytes = vv_alloc_bytes(&f->alloc);
        check_ok(vv_block_cache_create(&f->alloc, 1 << 20, &cache, &err), &err);
        fixture own = *f;
        own.cache = cache;
        failing_alloc_plan(&f->source, n, true);
        varve_status status = read_whole(&own, &hash, &err);
        bool is_done = atomic_load(&f->source.failures) == 0;
        failing_alloc_plan(&f->source, 0, false);
        vv_block_cache_free(cache);
        assert_int_equal(vv_alloc_bytes(&f->alloc), bytes);
        if (status == VARVE_OK) { /* a block that is not kept for want of memory is read anyway */
            assert_true(hash == f->hash);
        } else {
            check_status(VARVE_E_NOMEM, status);
        }
        if (is_done) {
            check_ok(status, &err);
            break;
        }
    }
}

static void each_failed_read_is_clean(void **state)
{
    fixture *f = *state;
    varve_error err;
    uint64_t hash;
    vv_fault *fault;
    check_ok(vv_fault_create(&f->alloc, f->vfs, &fault, &err), &err);
    f->env.vfs = vv_fault_vfs(fault);
    for (uint64_t n = 1;; ++n) {
        vv_block_cache *cache;
        check_ok(vv_block_cache_create(&f->alloc, 1 << 20, &cache, &err), &err);
        fixture own = *f;
        own.cache = cache;
        vv_fault_clear(fault);
        size_t rule = vv_fault_add(fault, &(vv_fault_rule){.ops = ~VV_VFS_OP_BIT(VV_VFS_OP_CLOSE),
                                                           .first_call = n,
                                                           .call_count = 1,
                                                           .kind = VV_FAULT_ERRNO,
                                                           .os_errno = 5});
        varve_status status = read_whole(&own, &hash, &err);
        bool is_done = vv_fault_fired(fault, rule) == 0;
        vv_block_cache_free(cache);
        assert_int_equal(vv_fault_open_files(fault), 0);
        if (is_done) {
            check_ok(status, &err);
            assert_true(n > 4); /* open, stat, end, blocks */
            break;
        }
        check_status(VARVE_E_IO, status);
        assert_non_null(strstr(err.message, PATH));
    }
    vv_fault_clear(fault);
    size_t rule = vv_fault_add(fault, &(vv_fault_rule){.ops = VV_VFS_OP_BIT(VV_VFS_OP_READ),
                                                       .first_call = 1,
                                                       .call_count = VV_FAULT_FOREVER,
                                                       .kind = VV_FAULT_SHORT,
                                                       .short_bytes = 1000});
    check_ok(read_whole(f, &hash, &err), &err);
    assert_true(vv_fault_fired(fault, rule) > 1);
    f->env.vfs = f->vfs;
    vv_fault_free(fault);
}

/* A disk that lies: a bit that flips on the way is never seen as data. */
static void a_flip_while_reading_is_found(void **state)
{
    fixture *f = *state;
    varve_error err;
    uint64_t hash;
    vv_fault *fault;
    check_ok(vv_fault_create(&f->alloc, f->vfs, &fault, &err), &err);
    f->env.vfs = vv_fault_vfs(fault);
    size_t found = 0;
    size_t passed = 0;
    for (uint64_t n = 1; n < 200; ++n) {
        vv_fault_clear(fault);
        size_t rule = vv_fault_add(fault, &(vv_fault_rule){.ops = VV_VFS_OP_BIT(VV_VFS_OP_READ),
                                                           .first_call = 1 + n % 20,
                                                           .call_count = 1,
                                                           .kind = VV_FAULT_FLIP,
                                                           .flip_bit = n * 7919});
        varve_status status = read_whole(f, &hash, &err);
        if (status == VARVE_OK) { /* not read, or bytes that nobody looks at */
            assert_true(hash == f->hash);
            passed += vv_fault_fired(fault, rule) > 0 ? 1 : 0;
        } else {
            check_status(VARVE_E_CORRUPT, status);
            found += 1;
        }
    }
    print_message("%zu flips found, %zu in bytes that were not used\n", found, passed);
    assert_true(found > 50);
    f->env.vfs = f->vfs;
    vv_fault_free(fault);
}

/* --- references --- */

static void refs_in_parts_are_those_of_the_whole(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_segment *segment;
    vv_chunk chunk;
    vv_vector_ref all[20];
    check_ok(vv_segment_open(&f->env, f->cache, PATH, 7, &segment, &err), &err);
    for (uint32_t series = 0; series < vv_segment_series_count(segment); ++series) {
        check_ok(vv_segment_chunk(segment, series, &chunk, &err), &err);
        check_ok(vv_segment_vector_refs(segment, &chunk, 0, 20, all, &err), &err);
        check_ok(vv_segment_vector_refs(segment, &chunk, 20, 0, NULL, &err), &err);
        for (uint32_t first = 0; first < 20; first += 7) {
            vv_vector_ref part[20];
            check_ok(vv_segment_vector_refs(segment, &chunk, first, 20 - first, part, &err), &err);
            assert_memory_equal(part, all + first, (20 - first) * sizeof *part);
        }
    }
    vv_segment_unref(segment);
}

static void checks_on_hits_find_changed_memory(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_segment *segment;
    vv_chunk chunk;
    vv_vector_ref ref;
    vv_bytes bytes;
    vv_block_pin pin = {.entry = NULL};
    f->env.verify_always = true;
    check_ok(vv_segment_open(&f->env, f->cache, PATH, 7, &segment, &err), &err);
    check_ok(vv_segment_chunk(segment, 0, &chunk, &err), &err);
    check_ok(vv_segment_vector_refs(segment, &chunk, 0, 1, &ref, &err), &err);
    check_ok(vv_segment_vector(segment, &ref, &pin, &bytes, &err), &err);
    uint8_t *target = (uint8_t *)(uintptr_t)bytes.data; /* what a wild pointer would do */
    *target ^= 1;
    vv_block_unpin(f->cache, &pin);
    check_status(VARVE_E_CORRUPT, vv_segment_vector(segment, &ref, &pin, &bytes, &err));
    assert_null(pin.entry);
    *target ^= 1;
    check_ok(vv_segment_vector(segment, &ref, &pin, &bytes, &err), &err);
    vv_block_unpin(f->cache, &pin);
    vv_segment_unref(segment);
}

static void the_last_reference_closes_the_file(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_segment *segment;
    vv_fault *fault;
    check_ok(vv_fault_create(&f->alloc, f->vfs, &fault, &err), &err);
    f->env.vfs = vv_fault_vfs(fault);
    check_ok(vv_segment_open(&f->env, f->cache, PATH, 7, &segment, &err), &err);
    vv_segment_ref(segment);
    vv_segment_unref(segment);
    assert_int_equal(vv_fault_open_files(fault), 1);
    vv_segment_unref(segment);
    assert_int_equal(vv_fault_open_files(fault), 0);
    vv_segment_unref(NULL);
    f->env.vfs = f->vfs;
    vv_fault_free(fault);
}

/* --- threads --- */

typedef struct reader_thread {
    vv_thread thread;
    fixture *f;
    vv_segment *segment;
    varve_status status;
    varve_error err;
    uint64_t hash;
} reader_thread;

static void reader_thread_main(void *context)
{
    reader_thread *self = context;
    for (int round = 0; round < 3 && self->status == VARVE_OK; ++round) {
        self->status =
            segment_sample_read_all(self->segment, self->f->cache, &self->hash, &self->err);
    }
    vv_segment_unref(self->segment);
}

static void threads_read_beside_each_other(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_segment *segment;
    reader_thread threads[4] = {0};
    /* A budget of a few blocks: hits, misses, double loads and evictions all happen. */
    vv_block_cache *roomy = f->cache;
    check_ok(vv_block_cache_create(&f->alloc, 400 * 1024, &f->cache, &err), &err);
    check_ok(vv_segment_open(&f->env, f->cache, PATH, 7, &segment, &err), &err);
    for (size_t i = 0; i < 4; ++i) {
        vv_segment_ref(segment);
        threads[i].f = f;
        threads[i].segment = segment;
        check_ok(
            vv_thread_start(&threads[i].thread, "reader", reader_thread_main, &threads[i], &err),
            &err);
    }
    vv_segment_unref(segment);
    for (size_t i = 0; i < 4; ++i) {
        vv_thread_join(&threads[i].thread);
        check_ok(threads[i].status, &threads[i].err);
        assert_true(threads[i].hash == f->hash);
    }
    vv_block_cache_stats stats;
    vv_block_cache_get_stats(f->cache, &stats);
    assert_true(stats.bytes <= 400 * 1024);
    assert_true(stats.evictions > 0);
    vv_block_cache_free(f->cache);
    f->cache = roomy;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_flip_of_any_byte_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(any_truncation_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_behind_the_end_are_found, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_of_another_id_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(a_missing_file_is_not_found, setup, teardown),
        cmocka_unit_test_setup_teardown(a_resealed_change_of_any_byte_does_no_harm, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(swapped_blocks_are_found, setup_large, teardown),
        cmocka_unit_test_setup_teardown(a_newer_version_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_flags_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_sections_are_skipped, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_required_sections_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_missing_section_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(each_failed_allocation_is_clean, setup, teardown),
        cmocka_unit_test_setup_teardown(each_failed_read_is_clean, setup, teardown),
        cmocka_unit_test_setup_teardown(a_flip_while_reading_is_found, setup_large, teardown),
        cmocka_unit_test_setup_teardown(refs_in_parts_are_those_of_the_whole, setup_large,
                                        teardown),
        cmocka_unit_test_setup_teardown(checks_on_hits_find_changed_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(the_last_reference_closes_the_file, setup, teardown),
        cmocka_unit_test_setup_teardown(threads_read_beside_each_other, setup_large, teardown),
    };
    return cmocka_run_group_tests_name("segment reader", tests, NULL, NULL);
}
