/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of bits and bools at every density. */
#include "codec_fixture.h"
#include "value_sets.h"

enum { WORDS = VV_VECTOR_ROWS_MAX / 64 };

static size_t check_bits(codec_fixture *fixture, const uint64_t *words, size_t count)
{
    uint64_t decoded[WORDS];
    vv_buf_reset(&fixture->out);
    vv_bitset_write(words, count, fixture->scratch, &fixture->out);
    size_t size = fixture->out.size;
    uint8_t *copy = codec_copy(vv_buf_bytes(&fixture->out));
    vv_reader reader = vv_reader_of(copy, size);
    vv_bitset_read(&reader, count, fixture->scratch, decoded);
    assert_true(vv_reader_is_done(&reader));
    for (size_t i = 0; i < vv_bits_words(count) * 64; ++i) {
        assert_int_equal(vv_bits_get(decoded, i), i < count && vv_bits_get(words, i));
    }
    assert_true(size <= 1 + (count + 7) / 8);
    for (size_t cut = 0; cut < size; ++cut) {
        reader = vv_reader_of(copy, cut);
        vv_bitset_read(&reader, count, fixture->scratch, decoded);
        assert_true(vv_reader_is_bad(&reader));
    }
    free(copy);
    return size;
}

static void sets_of_any_density_come_back(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    static const uint64_t shares[] = {0, 1, 5, 30, 500, 970, 995, 999, 1000};
    for (size_t share = 0; share < VV_ARRAY_COUNT(shares); ++share) {
        for (size_t i = 0; i < VALUE_COUNT_COUNT; ++i) {
            uint64_t words[WORDS];
            vv_random_fill(&fixture->random, words, sizeof words); /* rubbish behind count too */
            for (size_t at = 0; at < value_counts[i]; ++at) {
                vv_bits_put(words, at, vv_random_below(&fixture->random, 1000) < shares[share]);
            }
            check_bits(fixture, words, value_counts[i]);
        }
    }
}

static void long_runs_take_few_bytes(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    uint64_t words[WORDS];
    memset(words, 0xFF, sizeof words);
    assert_int_equal(check_bits(fixture, words, 1000), 1);
    vv_bits_clear_range(words, 100, 700);
    assert_true(check_bits(fixture, words, 1000) <= 10);
    memset(words, 0, sizeof words);
    assert_int_equal(check_bits(fixture, words, 1000), 1);
    vv_bits_set_range(words, 999, 1000);
    assert_true(check_bits(fixture, words, 1000) <= 10);
}

static void bools_come_back(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    uint8_t bools[VV_VECTOR_ROWS_MAX];
    uint8_t decoded[VV_VECTOR_ROWS_MAX];
    for (size_t i = 0; i < VALUE_COUNT_COUNT; ++i) {
        size_t count = value_counts[i];
        for (size_t at = 0; at < count; ++at) {
            bools[at] = (uint8_t)vv_random_below(&fixture->random, 2);
        }
        vv_buf_reset(&fixture->out);
        vv_bools_write(bools, count, fixture->scratch, &fixture->out);
        vv_reader reader = vv_reader_of(fixture->out.data, fixture->out.size);
        vv_bools_read(&reader, count, fixture->scratch, decoded);
        assert_true(vv_reader_is_done(&reader));
        assert_memory_equal(decoded, bools, count);
    }
}

static void senseless_sets_are_bad(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    static const struct {
        uint8_t bytes[8];
        size_t size;
    } cases[] = {
        {{5}, 1},                    /* form */
        {{2, 0xFF, 0x10}, 3},        /* a bit behind the twelfth */
        {{3, 1, 0, 22}, 4},          /* one run */
        {{3, 2, 0, 8}, 4},           /* two runs of 5 are 10 */
        {{3, 2, 0, 12}, 4},          /* two runs of 7 are 14 */
        {{4, 2, 8, 0, 255, 255}, 6}, /* runs beyond the end */
        {{3, 0x80, 8, 0, 0}, 5},     /* 1024 runs of 12 bits */
    };
    for (size_t i = 0; i < VV_ARRAY_COUNT(cases); ++i) {
        uint64_t decoded[WORDS];
        vv_reader reader = vv_reader_of(cases[i].bytes, cases[i].size);
        vv_bitset_read(&reader, 12, fixture->scratch, decoded);
        assert_true(vv_reader_is_bad(&reader));
    }
    const uint8_t sound[] = {3, 2, 0, 10}; /* two runs of 6 */
    uint64_t decoded[WORDS];
    vv_reader reader = vv_reader_of(sound, sizeof sound);
    vv_bitset_read(&reader, 12, fixture->scratch, decoded);
    assert_true(vv_reader_is_done(&reader));
    assert_int_equal(decoded[0], 0xFC0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_of_any_density_come_back),
        cmocka_unit_test(long_runs_take_few_bytes),
        cmocka_unit_test(bools_come_back),
        cmocka_unit_test(senseless_sets_are_bad),
    };
    return cmocka_run_group_tests(tests, codec_setup, codec_teardown);
}
