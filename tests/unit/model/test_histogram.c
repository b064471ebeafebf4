/* SPDX-License-Identifier: Apache-2.0 */
#include "model/histogram.h"

#include <math.h>
#include <stdlib.h>

#include "base/random.h"
#include "support/check.h"
#include "support/failing_alloc.h"

typedef struct fixture {
    varve_span spans[2][8];
    int64_t deltas[2][16];
    double counts[2][16];
    double custom[8];
    varve_histogram histogram;
} fixture;

static double random_bits(vv_random *random)
{
    uint64_t bits = vv_random_u64(random);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static int64_t random_integer(vv_random *random)
{
    uint64_t bits = vv_random_u64(random) >> vv_random_below(random, 64);
    return (int64_t)(vv_random_below(random, 2) == 0 ? bits : ~bits);
}

static void fill_random(vv_random *random, fixture *f)
{
    varve_histogram *h = &f->histogram;
    bool is_float = vv_random_below(random, 2) == 0;
    *h = (varve_histogram){
        .flags = is_float ? VARVE_HISTOGRAM_FLOAT : 0,
        .schema = vv_random_below(random, 5) == 0 ? -53 : (int32_t)vv_random_below(random, 13) - 4,
        .reset_hint = (uint32_t)vv_random_below(random, 4),
        .zero_threshold = random_bits(random),
        .sum = random_bits(random),
        .positive_spans = f->spans[0],
        .negative_spans = f->spans[1],
        .positive_span_count = (size_t)vv_random_below(random, 8),
        .negative_span_count = (size_t)vv_random_below(random, 8),
        .positive_deltas = is_float ? NULL : f->deltas[0],
        .negative_deltas = is_float ? NULL : f->deltas[1],
        .positive_counts = is_float ? f->counts[0] : NULL,
        .negative_counts = is_float ? f->counts[1] : NULL,
        .positive_bucket_count = (size_t)vv_random_below(random, 16),
        .negative_bucket_count = (size_t)vv_random_below(random, 16),
        .custom_values = f->custom,
        .custom_value_count = (size_t)vv_random_below(random, 8),
    };
    h->count.u64 = vv_random_u64(random);
    h->zero_count.u64 = (uint64_t)random_integer(random);
    for (size_t side = 0; side < 2; side++) {
        for (size_t index = 0; index < 16; index++) {
            f->spans[side][index % 8].offset = (int32_t)vv_random_u64(random);
            f->spans[side][index % 8].length = (uint32_t)vv_random_u64(random);
            f->deltas[side][index] = random_integer(random);
            f->counts[side][index] = random_bits(random);
            f->custom[index % 8] = random_bits(random);
        }
    }
}

static void histograms_survive_bit_for_bit(void **state)
{
    (void)state;
    uint64_t seed = 8128;
    print_message("seed %llu\n", (unsigned long long)seed);
    vv_random random;
    vv_random_init(&random, seed);
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_arena arena;
    vv_arena_init(&arena, &alloc, SIZE_MAX);
    for (int round = 0; round < 500; round++) {
        fixture f;
        fill_random(&random, &f);
        varve_error err;
        assert_int_equal(vv_histogram_check(&f.histogram, &err), VARVE_OK);
        vv_buf buf;
        vv_buf_init(&buf, &alloc, SIZE_MAX);
        assert_int_equal(vv_histogram_encode(&f.histogram, &buf), VARVE_OK);
        assert_int_equal(buf.size, vv_histogram_size(&f.histogram));
        varve_histogram read;
        assert_int_equal(vv_histogram_decode(vv_buf_bytes(&buf), &arena, &read, &err), VARVE_OK);
        assert_true(vv_histogram_equal(&f.histogram, &read));
        uint8_t again[4096];
        assert_true(buf.size <= sizeof again);
        assert_int_equal(vv_histogram_write(&read, again), buf.size);
        assert_memory_equal(again, buf.data, buf.size);
        for (size_t cut = 0; cut < buf.size; cut++) {
            vv_bytes part = vv_bytes_make(buf.data, cut);
            assert_int_equal(vv_histogram_decode(part, &arena, &read, &err), VARVE_E_CORRUPT);
        }
        vv_buf_deinit(&buf);
        vv_arena_reset(&arena);
    }
    vv_arena_deinit(&arena);
}

/* Equal bytes and equality agree: flipping any field changes both. */
static void equality_sees_every_field(void **state)
{
    (void)state;
    varve_span spans[] = {{.offset = 1, .length = 2}};
    varve_span other_spans[] = {{.offset = 1, .length = 3}};
    int64_t deltas[] = {1, -1};
    int64_t other_deltas[] = {1, -2};
    double custom[] = {0.0};
    double other_custom[] = {-0.0};
    const varve_histogram base = {
        .schema = 3,
        .zero_threshold = (double)NAN,
        .sum = 1.5,
        .count = {.u64 = 9},
        .zero_count = {.u64 = 1},
        .positive_spans = spans,
        .positive_span_count = 1,
        .negative_spans = spans,
        .negative_span_count = 1,
        .positive_deltas = deltas,
        .positive_bucket_count = 2,
        .negative_deltas = deltas,
        .negative_bucket_count = 2,
        .custom_values = custom,
        .custom_value_count = 1,
    };
    varve_histogram others[15];
    for (size_t index = 0; index < 15; index++) {
        others[index] = base;
    }
    others[0].schema = 4;
    others[1].zero_threshold = 0.0;
    others[2].sum = -1.5;
    others[3].count.u64 = 8;
    others[4].zero_count.u64 = 2;
    others[5].positive_spans = other_spans;
    others[6].negative_spans = other_spans;
    others[7].positive_deltas = other_deltas;
    others[8].negative_deltas = other_deltas;
    others[9].custom_values = other_custom;
    others[10].reset_hint = 1;
    others[11].positive_bucket_count = 1;
    others[12].negative_span_count = 0;
    others[13].custom_value_count = 0;
    others[14].negative_bucket_count = 0;
    assert_true(vv_histogram_equal(&base, &base));
    uint8_t bytes[256];
    size_t size = vv_histogram_write(&base, bytes);
    for (size_t index = 0; index < 15; index++) {
        assert_false(vv_histogram_equal(&base, &others[index]));
        uint8_t other[256];
        size_t other_size = vv_histogram_write(&others[index], other);
        assert_true(size != other_size || memcmp(bytes, other, size) != 0);
    }
}

static void illegal_histograms_are_refused(void **state)
{
    (void)state;
    static double values[VV_HISTOGRAM_ITEMS_MAX + 1];
    static int64_t deltas[1];
    const varve_histogram base = {.custom_values = values};
    varve_error err;
    varve_histogram h = base;
    h.custom_value_count = VV_HISTOGRAM_ITEMS_MAX;
    assert_int_equal(vv_histogram_check(&h, &err), VARVE_OK);
    h.custom_value_count = VV_HISTOGRAM_ITEMS_MAX + 1;
    assert_int_equal(vv_histogram_check(&h, &err), VARVE_E_LIMIT);
    assert_string_equal(err.message, "histogram has 16385 custom values, max 16384");
    for (int schema = -60; schema < 20; schema++) {
        h = base;
        h.schema = schema;
        bool is_legal = (schema >= -4 && schema <= 8) || schema == -53;
        assert_int_equal(vv_histogram_check(&h, &err), is_legal ? VARVE_OK : VARVE_E_INVALID);
    }
    h = base;
    h.reset_hint = 4;
    assert_int_equal(vv_histogram_check(&h, &err), VARVE_E_INVALID);
    h = base;
    h.flags = 2;
    assert_int_equal(vv_histogram_check(&h, &err), VARVE_E_INVALID);
    h = base;
    h.reserved = 1;
    assert_int_equal(vv_histogram_check(&h, &err), VARVE_E_INVALID);
    h = base;
    h.positive_counts = values;
    assert_int_equal(vv_histogram_check(&h, &err), VARVE_E_INVALID);
    assert_string_equal(err.message, "histogram of integer counts has float counts");
    h = base;
    h.flags = VARVE_HISTOGRAM_FLOAT;
    h.negative_deltas = deltas;
    assert_int_equal(vv_histogram_check(&h, &err), VARVE_E_INVALID);
    assert_string_equal(err.message, "histogram of float counts has deltas");
    h = base;
    h.positive_span_count = 1;
    assert_int_equal(vv_histogram_check(&h, &err), VARVE_E_INVALID);
    assert_string_equal(err.message, "histogram has 1 positive spans but no array of them");
}

static void longer_forms_of_the_same_are_corrupt(void **state)
{
    (void)state;
    varve_histogram h = {.count = {.u64 = 5}};
    uint8_t bytes[64];
    size_t size = vv_histogram_write(&h, bytes);
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_arena arena;
    vv_arena_init(&arena, &alloc, SIZE_MAX);
    varve_error err;
    /* form, schema, two doubles, then the count. */
    size_t at = 1 + 1 + 16;
    assert_int_equal(bytes[at], 5);
    memmove(bytes + at + 2, bytes + at + 1, size - at - 1);
    bytes[at] = 0x85;
    bytes[at + 1] = 0;
    assert_int_equal(vv_histogram_decode(vv_bytes_make(bytes, size + 1), &arena, &h, &err),
                     VARVE_E_CORRUPT);
    assert_string_equal(err.message, "histogram of 26 bytes is longer than it needs");
    vv_arena_deinit(&arena);
}

static void decoding_survives_each_failing_allocation(void **state)
{
    (void)state;
    vv_random random;
    vv_random_init(&random, 7);
    fixture f;
    fill_random(&random, &f);
    uint8_t bytes[4096];
    size_t size = vv_histogram_write(&f.histogram, bytes);
    for (uint64_t at = 1;; at++) {
        failing_alloc failing;
        failing_alloc_init(&failing);
        failing_alloc_plan(&failing, at, true);
        vv_alloc alloc;
        varve_allocator source = failing_alloc_source(&failing);
        vv_alloc_init(&alloc, &source);
        vv_arena arena;
        vv_arena_init(&arena, &alloc, SIZE_MAX);
        varve_histogram read;
        varve_error err;
        varve_status status = vv_histogram_decode(vv_bytes_make(bytes, size), &arena, &read, &err);
        assert_int_equal(status, (failing.failures > 0) ? VARVE_E_NOMEM : VARVE_OK);
        vv_arena_deinit(&arena);
        assert_int_equal(failing.live, 0);
        if (failing.failures == 0) {
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histograms_survive_bit_for_bit),
        cmocka_unit_test(equality_sees_every_field),
        cmocka_unit_test(illegal_histograms_are_refused),
        cmocka_unit_test(longer_forms_of_the_same_are_corrupt),
        cmocka_unit_test(decoding_survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
