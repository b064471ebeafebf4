/* SPDX-License-Identifier: Apache-2.0 */
/* Promises of segment/segment_verify.c. */
#include <stdlib.h>
#include <string.h>

#include "segment/layout_priv.h"
#include "support/check.h"
#include "support/failing_alloc.h"
#include "support/segment_sample.h"
#include "sys/vfs_memory.h"

#define PATH "tmp/00000000000000000007.part"

typedef struct fixture {
    failing_alloc source;
    vv_alloc alloc;
    vv_vfs *vfs;
    vv_env env;
    vv_block_cache *cache;
    uint8_t *bytes;
    size_t size;
    vv_file *file;
    vv_segment *segment; /* of the file as it was written */
} fixture;

static int setup(void **state)
{
    static const segment_sample sample = {
        .id = 7, .series = 30, .vectors = 3, .rows = 64, .has_meta = true};
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
    check_ok(segment_sample_write(&f->env, "tmp", &sample, &info, &err), &err);
    check_ok(vv_vfs_read_file(f->vfs, &f->alloc, PATH, 1 << 24, &data, &f->size, &err), &err);
    f->bytes = data;
    check_ok(vv_file_open(f->vfs, &f->alloc, PATH, VV_OPEN_WRITE, &f->file, &err), &err);
    check_ok(vv_segment_open(&f->env, f->cache, PATH, 7, &f->segment, &err), &err);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    vv_segment_unref(f->segment);
    check_ok(vv_file_close(f->file, NULL), NULL);
    vv_alloc_free(&f->alloc, f->bytes, f->size);
    vv_block_cache_free(f->cache);
    vv_vfs_memory_free(f->vfs);
    assert_int_equal(vv_alloc_bytes(&f->alloc), 0);
    free(f);
    return 0;
}

/* --- running --- */

typedef struct progress {
    uint64_t calls, last, stop_at;
} progress;

static bool progress_check(void *context, uint64_t bytes_done)
{
    progress *self = context;
    assert_true(self->calls == 0 || bytes_done > self->last);
    self->calls += 1;
    self->last = bytes_done;
    return bytes_done < self->stop_at;
}

static void a_good_file_passes_and_reports_progress(void **state)
{
    fixture *f = *state;
    varve_error err;
    progress self = {.stop_at = UINT64_MAX};
    check_ok(vv_segment_verify(f->segment, progress_check, &self, &err), &err);
    assert_true(self.calls > 10);
    assert_true(self.last < f->size);
}

static void a_check_that_says_no_cancels(void **state)
{
    fixture *f = *state;
    varve_error err;
    for (uint64_t stop = 0; stop < f->size; stop += 5000) {
        progress self = {.stop_at = stop};
        varve_status status = vv_segment_verify(f->segment, progress_check, &self, &err);
        check_status(self.last >= stop ? VARVE_E_CANCELLED : VARVE_OK, status);
    }
}

static void verifying_reads_the_file_and_not_the_cache(void **state)
{
    fixture *f = *state;
    varve_error err;
    uint64_t hash;
    check_ok(segment_sample_read_all(f->segment, f->cache, &hash, &err), &err);
    for (size_t offset = 0; offset < f->size; offset += 13) {
        uint8_t flipped = (uint8_t)(f->bytes[offset] ^ (1u << (offset % 8)));
        check_ok(vv_file_write_all(f->file, (int64_t)offset, &flipped, 1, &err), &err);
        check_status(VARVE_E_CORRUPT, vv_segment_verify(f->segment, NULL, NULL, &err));
        assert_non_null(strstr(err.message, PATH));
        check_ok(vv_file_write_all(f->file, (int64_t)offset, f->bytes + offset, 1, &err), &err);
    }
    check_ok(vv_segment_verify(f->segment, NULL, NULL, &err), &err);
}

static void each_failed_allocation_is_clean(void **state)
{
    fixture *f = *state;
    varve_error err;
    size_t bytes = vv_alloc_bytes(&f->alloc);
    for (uint64_t n = 1;; ++n) {
        failing_alloc_plan(&f->source, n, true);
        varve_status status = vv_segment_verify(f->segment, NULL, NULL, &err);
        bool is_done = atomic_load(&f->source.failures) == 0;
        failing_alloc_plan(&f->source, 0, false);
        assert_int_equal(vv_alloc_bytes(&f->alloc), bytes);
        if (is_done) {
            check_ok(status, &err);
            assert_true(n > 5);
            break;
        }
        check_status(VARVE_E_NOMEM, status);
    }
}

/* --- content that passes all checksums and is wrong --- */

static void find_section(const fixture *f, uint32_t kind, size_t *out_begin, size_t *out_size)
{
    uint32_t footer_size;
    memcpy(&footer_size, f->bytes + f->size - 16, 4);
    const uint8_t *toc = f->bytes + f->size - footer_size + 104 + (size_t)(kind - 1) * 24;
    uint64_t offset;
    uint64_t size;
    memcpy(&offset, toc + 8, 8);
    memcpy(&size, toc + 16, 8);
    *out_begin = (size_t)offset + 16;
    *out_size = (size_t)size;
}

/* Open and verify other bytes in the place of the file. */
static varve_status verify_bytes(fixture *f, const uint8_t *bytes, varve_error *out_err)
{
    vv_segment *segment;
    check_ok(vv_file_write_all(f->file, 0, bytes, f->size, out_err), out_err);
    varve_status status = vv_segment_open(&f->env, f->cache, PATH, 7, &segment, out_err);
    if (status == VARVE_OK) {
        status = vv_segment_verify(segment, NULL, NULL, out_err);
        vv_segment_unref(segment);
    }
    return status;
}

/* Every bit of a section that other parts must agree with. */
static void check_section(fixture *f, uint32_t kind)
{
    varve_error err;
    size_t begin;
    size_t size;
    size_t by_verify = 0;
    find_section(f, kind, &begin, &size);
    uint8_t *copy = malloc(f->size);
    for (size_t bit = 0; bit < size * 8; bit += 3) {
        memcpy(copy, f->bytes, f->size);
        copy[begin + bit / 8] ^= (uint8_t)(1u << (bit % 8));
        segment_sample_reseal(copy, f->size);
        varve_status status = verify_bytes(f, copy, &err);
        if (status != VARVE_E_CORRUPT) {
            fail_msg("section %u, bit %zu: %s", kind, bit, vv_status_name(status));
        }
        by_verify +=
            strstr(err.message, "series") != NULL || strstr(err.message, "postings") != NULL;
    }
    assert_true(by_verify > 0);
    free(copy);
}

static void postings_are_compared_with_the_series(void **state)
{
    check_section(*state, VV_SECTION_POSTINGS);
}

static void series_are_compared_with_postings_and_vectors(void **state)
{
    check_section(*state, VV_SECTION_SERIES);
}

static void schemas_are_compared_with_the_vectors(void **state)
{
    check_section(*state, VV_SECTION_SCHEMAS);
}

/* Row counts, spans and sizes of vectors; the sequences of chunks are nobody's business here. */
static void refs_are_compared_with_the_vectors(void **state)
{
    fixture *f = *state;
    varve_error err;
    size_t begin;
    size_t size;
    find_section(f, VV_SECTION_CHUNKS, &begin, &size);
    uint8_t *copy = malloc(f->size);
    memcpy(copy, f->bytes, f->size);
    /* The first chunk: 3 vectors, 192 rows, ...; its first vector: span 630, 2 * 64 rows. */
    const uint8_t wanted[4] = {630 % 128 | 0x80, 630 / 128, (2 * 64) % 128 | 0x80, 1};
    uint8_t *ref = copy + begin + 16;
    while (memcmp(ref, wanted, sizeof wanted) != 0) {
        ref += 1;
        assert_true(ref < copy + begin + 64);
    }
    ref[2] = (2 * 63) % 128; /* one row less here ... */
    ref[2] |= 0x80;
    ref[3] = 0;
    segment_sample_reseal(copy, f->size);
    check_status(VARVE_E_CORRUPT, verify_bytes(f, copy, &err)); /* ... against the chunk */
    assert_non_null(strstr(err.message, "a chunk differs from its vectors"));
    memcpy(copy, f->bytes, f->size);
    ref[0] ^= 1; /* span: the chunk's end comes from later vectors */
    segment_sample_reseal(copy, f->size);
    check_status(VARVE_E_CORRUPT, verify_bytes(f, copy, &err));
    free(copy);
}

static void the_digest_is_compared(void **state)
{
    fixture *f = *state;
    varve_error err;
    uint32_t footer_size;
    memcpy(&footer_size, f->bytes + f->size - 16, 4);
    uint8_t *footer = f->bytes + f->size - footer_size;
    vv_buf buf;
    vv_segment_footer read;
    check_ok(
        vv_segment_footer_read(vv_bytes_make(footer, footer_size), PATH, f->size, 7, &read, &err),
        &err);
    read.info.digest[1] ^= 1;
    vv_buf_init(&buf, &f->alloc, SIZE_MAX);
    vv_segment_footer_write(&read, &buf);
    assert_int_equal(buf.size, footer_size);
    memcpy(footer, buf.data, buf.size);
    vv_buf_deinit(&buf);
    check_status(VARVE_E_CORRUPT, verify_bytes(f, f->bytes, &err));
    assert_non_null(strstr(err.message, "digest"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_good_file_passes_and_reports_progress, setup, teardown),
        cmocka_unit_test_setup_teardown(a_check_that_says_no_cancels, setup, teardown),
        cmocka_unit_test_setup_teardown(verifying_reads_the_file_and_not_the_cache, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(each_failed_allocation_is_clean, setup, teardown),
        cmocka_unit_test_setup_teardown(postings_are_compared_with_the_series, setup, teardown),
        cmocka_unit_test_setup_teardown(series_are_compared_with_postings_and_vectors, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(schemas_are_compared_with_the_vectors, setup, teardown),
        cmocka_unit_test_setup_teardown(refs_are_compared_with_the_vectors, setup, teardown),
        cmocka_unit_test_setup_teardown(the_digest_is_compared, setup, teardown),
    };
    return cmocka_run_group_tests_name("segment verify", tests, NULL, NULL);
}
