/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of any size and number: which way they are packed, and what damage does. */
#include <zstd.h>

#include "codec_fixture.h"
#include "value_sets.h"

static varve_text texts[VV_VECTOR_ROWS_MAX];
static varve_text decoded[VV_VECTOR_ROWS_MAX];
static char letters[VV_VECTOR_ROWS_MAX][64];

static varve_status read_blobs(codec_fixture *fixture, const uint8_t *bytes, size_t size,
                               size_t count, bool *out_is_done)
{
    varve_error err;
    vv_reader reader = vv_reader_of(bytes, size);
    varve_status status =
        vv_blobs_read(&reader, count, fixture->scratch, &fixture->arena, decoded, &err);
    *out_is_done = vv_reader_is_done(&reader);
    return status;
}

static size_t check_blobs(codec_fixture *fixture, size_t count)
{
    varve_error err;
    bool is_done;
    vv_buf_reset(&fixture->out);
    check_ok(vv_blobs_write(texts, count, fixture->scratch, &fixture->out, &err), &err);
    size_t size = fixture->out.size;
    uint8_t *copy = codec_copy(vv_buf_bytes(&fixture->out));
    check_ok(read_blobs(fixture, copy, size, count, &is_done), NULL);
    assert_true(is_done);
    for (size_t i = 0; i < count; ++i) {
        assert_true(vv_text_equal(decoded[i], texts[i]));
        assert_non_null(decoded[i].data);
    }
    for (size_t cut = 0; cut < size; cut += 1 + size / 50) {
        uint8_t *shorter = codec_copy(vv_bytes_make(copy, cut));
        check_ok(read_blobs(fixture, shorter, cut, count, &is_done), NULL);
        assert_false(is_done);
        free(shorter);
    }
    free(copy);
    vv_arena_reset(&fixture->arena);
    return size;
}

static size_t raw_size(size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; ++i) {
        size += texts[i].size;
    }
    return size;
}

static void random_texts_come_back(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    vv_random_fill(&fixture->random, letters, sizeof letters);
    for (size_t size_max = 0; size_max < 64; size_max = size_max * 2 + 1) {
        for (size_t i = 0; i < VALUE_COUNT_COUNT; ++i) {
            size_t count = value_counts[i];
            for (size_t at = 0; at < count; ++at) {
                texts[at] = vv_text_make(letters[vv_random_below(&fixture->random, count)],
                                         vv_random_below(&fixture->random, size_max + 1));
            }
            assert_true(check_blobs(fixture, count) <= raw_size(count) + count + 16);
        }
    }
}

static void log_levels_are_a_dictionary(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    static const char *const words[] = {"error", "warning", "info", "debug"};
    for (size_t i = 0; i < 1000; ++i) {
        texts[i] = vv_text_from_string(words[vv_random_below(&fixture->random, 4)]);
    }
    assert_true(check_blobs(fixture, 1000) <= 250 + 40);
    for (size_t i = 0; i < 1000; ++i) {
        texts[i] = vv_text_from_string(words[i / 300]);
    }
    assert_true(check_blobs(fixture, 1000) <= 50);
    for (size_t i = 0; i < 1000; ++i) {
        texts[i] = VV_TEXT("always the same");
    }
    assert_true(check_blobs(fixture, 1000) <= 15 + 12);
}

static void identifiers_are_transposed(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    for (size_t i = 0; i < 1000; ++i) { /* random hexadecimal digits: 4 bits each, 32 of them */
        (void)snprintf(letters[i], sizeof letters[i], "id-%08x-%08x-%016llx", 0x1234u,
                       (unsigned)vv_random_u64(&fixture->random),
                       (unsigned long long)vv_random_u64(&fixture->random));
        texts[i] = vv_text_make(letters[i], 37);
    }
    size_t size = check_blobs(fixture, 1000);
    print_message("identifiers: %zu of %zu bytes\n", size, raw_size(1000));
    assert_true(size <= 1000 * 13); /* 12 bytes of entropy each */
}

static void paths_are_packed(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    for (size_t i = 0; i < 1000; ++i) {
        (void)snprintf(letters[i], sizeof letters[i], "/api/v1/customers/%u/orders",
                       (unsigned)vv_random_below(&fixture->random, 100000));
        texts[i] = vv_text_from_string(letters[i]);
    }
    size_t size = check_blobs(fixture, 1000);
    print_message("paths: %zu of %zu bytes\n", size, raw_size(1000));
    assert_true(size <= raw_size(1000) / 4);
}

static void empty_texts_take_almost_nothing(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    for (size_t i = 0; i < 1000; ++i) {
        texts[i] = vv_text_make(NULL, 0);
    }
    assert_true(check_blobs(fixture, 1000) <= 8);
    assert_true(check_blobs(fixture, 1) <= 8);
    texts[500] = VV_TEXT("x");
    assert_true(check_blobs(fixture, 1000) <= 24);
}

static void texts_as_they_are_are_not_copied(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    varve_error err;
    bool is_done;
    texts[0] = VV_TEXT("short");
    vv_buf_reset(&fixture->out);
    check_ok(vv_blobs_write(texts, 1, fixture->scratch, &fixture->out, &err), &err);
    check_ok(read_blobs(fixture, fixture->out.data, fixture->out.size, 1, &is_done), NULL);
    assert_ptr_equal(decoded[0].data, fixture->out.data + fixture->out.size - 5);
}

static void the_arena_limits_what_is_unpacked(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    varve_error err;
    char *zeros = (char *)calloc(1, 1 << 20);
    texts[0] = vv_text_make(zeros, 1 << 20);
    vv_buf_reset(&fixture->out);
    check_ok(vv_blobs_write(texts, 1, fixture->scratch, &fixture->out, &err), &err);
    assert_true(fixture->out.size < 200);
    vv_arena small;
    vv_arena_init(&small, &fixture->alloc, 1 << 16);
    vv_reader reader = vv_reader_of(fixture->out.data, fixture->out.size);
    check_status(VARVE_E_LIMIT, vv_blobs_read(&reader, 1, fixture->scratch, &small, decoded, &err));
    vv_arena_deinit(&small);
    free(zeros);
}

static void check_bad(codec_fixture *fixture, const uint8_t *bytes, size_t size, size_t count)
{
    bool is_done;
    check_ok(read_blobs(fixture, bytes, size, count, &is_done), NULL);
    assert_false(is_done);
}

static void senseless_bytes_are_bad(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    bool is_done;
    const uint8_t sound[] = {0, 0, 6, 0, 'a', 'b', 'c'}; /* one text of 3 bytes, as it is */
    check_ok(read_blobs(fixture, sound, sizeof sound, 1, &is_done), NULL);
    assert_true(is_done && decoded[0].size == 3);
    const uint8_t form[] = {2, 0, 6, 0, 'a', 'b', 'c'};
    check_bad(fixture, form, sizeof form, 1);
    const uint8_t packing[] = {0, 0, 6, 3, 'a', 'b', 'c'};
    check_bad(fixture, packing, sizeof packing, 1);
    const uint8_t negative[] = {0, 0, 5, 0, 'a', 'b', 'c'};
    check_bad(fixture, negative, sizeof negative, 1);
    const uint8_t longer[] = {0, 0, 8, 0, 'a', 'b', 'c'};
    check_bad(fixture, longer, sizeof longer, 1);
    /* A text of 32 MiB and one byte more; 64 of 32 MiB; neither allocates. */
    const uint8_t huge[] = {0, 0, 0x82, 0x80, 0x80, 0x20, 0, 'a'};
    check_bad(fixture, huge, sizeof huge, 1);
    const uint8_t many[] = {0, 0, 0x80, 0x80, 0x80, 0x20, 0, 'a'};
    check_bad(fixture, many, sizeof many, 64);
    /* 32 MiB out of a frame of 4 bytes: more than zstd can pack (L1). */
    size_t held = fixture->arena.held_bytes;
    const uint8_t bomb[] = {0, 0, 0x80, 0x80, 0x80, 0x20, 1, 4, 0x28, 0xB5, 0x2F, 0xFD};
    check_bad(fixture, bomb, sizeof bomb, 1);
    assert_int_equal(fixture->arena.held_bytes, held);
    /* Transposed texts of 1 and 2 bytes. */
    const uint8_t turned[] = {0, 1, 1, 2, 2, 2, 4, 0x28, 0xB5, 0x2F, 0xFD};
    check_bad(fixture, turned, sizeof turned, 2);
    /* A dictionary of one text and the code 1; of more texts than there are values. */
    const uint8_t code[] = {1, 0, 0, 2, 0, 2, 0, 'a'};
    check_bad(fixture, code, sizeof code, 3);
    const uint8_t too_large[] = {1, 3, 0, 0, 0, 2, 0, 'a'};
    check_bad(fixture, too_large, sizeof too_large, 3);
}

/* Texts whose lengths are the encoded ints `lengths`, packed by `packing` from sound zstd bytes. */
static void check_packed_is_bad(codec_fixture *fixture, const uint8_t *lengths, size_t lengths_size,
                                uint8_t packing, vv_bytes raw, size_t count)
{
    size_t bound = ZSTD_compressBound(raw.size);
    uint8_t *packed = (uint8_t *)malloc(bound);
    size_t size = ZSTD_compress(packed, bound, raw.data, raw.size, 1);
    assert_false(ZSTD_isError(size));
    vv_buf_reset(&fixture->out);
    vv_buf_append_u8(&fixture->out, 0);
    vv_buf_append(&fixture->out, lengths, lengths_size);
    vv_buf_append_u8(&fixture->out, packing);
    vv_buf_append_varint(&fixture->out, size);
    vv_buf_append(&fixture->out, packed, size);
    check_bad(fixture, fixture->out.data, fixture->out.size, count);
    free(packed);
    vv_arena_reset(&fixture->arena);
}

static void sound_frames_do_not_hide_senseless_lengths(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    size_t size = (size_t)VV_VALUE_BYTES_MAX + 1;
    uint8_t *zeros = (uint8_t *)calloc(1, size);
    const uint8_t too_long[] = {0, 0x82, 0x80, 0x80, 0x20};
    check_packed_is_bad(fixture, too_long, sizeof too_long, 1, vv_bytes_make(zeros, size), 1);
    const uint8_t unequal[] = {1, 1, 2, 2}; /* 1 and 2, transposed as if they were equal */
    check_packed_is_bad(fixture, unequal, sizeof unequal, 2, vv_bytes_make(zeros, 3), 2);
    const uint8_t shorter[] = {0, 6}; /* 3, of a frame of 4 and of 2 */
    check_packed_is_bad(fixture, shorter, sizeof shorter, 1, vv_bytes_make(zeros, 4), 1);
    check_packed_is_bad(fixture, shorter, sizeof shorter, 1, vv_bytes_make(zeros, 2), 1);
    free(zeros);
}

static void damaged_frames_are_bad(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    varve_error err;
    for (size_t i = 0; i < 200; ++i) {
        (void)snprintf(letters[i], sizeof letters[i], "a path of some kind %u", (unsigned)i * 7);
        texts[i] = vv_text_make(letters[i], 18 + i % 3);
    }
    vv_buf_reset(&fixture->out);
    check_ok(vv_blobs_write(texts, 200, fixture->scratch, &fixture->out, &err), &err);
    uint8_t *copy = codec_copy(vv_buf_bytes(&fixture->out));
    for (size_t bit = 0; bit < fixture->out.size * 8; ++bit) {
        bool is_done;
        copy[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        check_ok(read_blobs(fixture, copy, fixture->out.size, 200, &is_done), NULL);
        copy[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        vv_arena_reset(&fixture->arena);
    }
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_texts_come_back),
        cmocka_unit_test(log_levels_are_a_dictionary),
        cmocka_unit_test(identifiers_are_transposed),
        cmocka_unit_test(paths_are_packed),
        cmocka_unit_test(empty_texts_take_almost_nothing),
        cmocka_unit_test(texts_as_they_are_are_not_copied),
        cmocka_unit_test(the_arena_limits_what_is_unpacked),
        cmocka_unit_test(senseless_bytes_are_bad),
        cmocka_unit_test(sound_frames_do_not_hide_senseless_lengths),
        cmocka_unit_test(damaged_frames_are_bad),
    };
    return cmocka_run_group_tests(tests, codec_setup, codec_teardown);
}
