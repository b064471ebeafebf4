/* SPDX-License-Identifier: Apache-2.0 */
/* All ISA levels give the same bits (N1); levels that the processor lacks are reported. */
#include "codec/isa.h"
#include "codec/kernels_priv.h"
#include "codec_fixture.h"
#include "value_sets.h"

static uint64_t source[VV_SCRATCH_COUNT];
static double values[VV_SCRATCH_COUNT];

/* The tables that this processor can run, the scalar one first. */
static size_t find_tables(const vv_kernels *tables[VV_CODEC_ISA_COUNT])
{
    size_t count = 0;
    for (uint32_t level = 0; level < VV_CODEC_ISA_COUNT; ++level) {
        if (vv_codec_set_isa((vv_codec_isa)level) == (vv_codec_isa)level) {
            tables[count] = vv_kernels_get();
            count += 1;
        } else {
            print_message("level %u is not there\n", level);
        }
    }
    return count;
}

/* Values that find edges: any bits, sets, special doubles. */
static void fill_values(codec_fixture *fixture, size_t round, size_t count)
{
    value_sets[round % VALUE_SET_COUNT].fill(&fixture->random, values, count);
    for (size_t i = 0; i < count; ++i) {
        switch (vv_random_below(&fixture->random, 40)) {
        case 0:
            values[i] = codec_double(vv_random_u64(&fixture->random));
            break;
        case 1:
            values[i] = -0.0;
            break;
        case 2:
            values[i] = 0x1p51 + (double)vv_random_below(&fixture->random, 4) - 2;
            break;
        default:
            break;
        }
    }
    for (size_t i = 0; i < count; ++i) {
        source[i] = vv_random_u64(&fixture->random) >> (round % 64);
    }
}

/* What all kernels make of one input; compared as bytes. */
typedef struct results {
    uint64_t unpacked[64][VV_SCRATCH_COUNT / 8], sums[64][VV_SCRATCH_COUNT / 8];
    double decimals[64][VV_SCRATCH_COUNT / 8];
    uint64_t lasts[64];
    uint64_t added[VV_SCRATCH_COUNT];
    double joined[VV_SCRATCH_COUNT];
    uint64_t biased[VV_SCRATCH_COUNT], delta[VV_SCRATCH_COUNT], line[VV_SCRATCH_COUNT];
    uint64_t breaks;
    int64_t range[7];
    uint64_t bad[46];
    int64_t ints[46][VV_SCRATCH_COUNT];
    double back[46][VV_SCRATCH_COUNT];
    double scan[8];
    double squares;
    double converted[2][VV_SCRATCH_COUNT];
    uint64_t rights[VV_SCRATCH_COUNT], codes[VV_SCRATCH_COUNT];
    uint64_t missing;
    int64_t limits[2];
    uint64_t halves[2];
    vv_int_look look;
    int64_t inside[2];
    uint64_t outside[2];
} results;

static void run_decimals(const vv_kernels *kernels, size_t count, results *out)
{
    for (uint8_t digits = 0; digits <= 22; ++digits) {
        for (uint8_t form = 0; form < 2; ++form) {
            vv_decimal decimal;
            size_t at = digits * 2u + form;
            assert_true(vv_decimal_of_code((uint8_t)(digits | (form == 0 ? 0 : 0x80)), &decimal));
            out->bad[at] = kernels->decimal_encode(values, count, &decimal, out->ints[at]);
            kernels->decimal_decode(out->ints[at], count, &decimal, out->back[at]);
        }
    }
}

static void run_floats(const vv_kernels *kernels, size_t count, results *out)
{
    vv_f64_scan scan;
    kernels->scan_f64(values, count, &scan);
    out->scan[0] = scan.sum;
    out->scan[1] = (double)scan.nan_count;
    /* The signs of zeros are not defined. */
    out->scan[2] = scan.min + 0.0;
    out->scan[3] = scan.max + 0.0;
    kernels->sum_f64(values, count, &scan);
    out->scan[4] = scan.sum;
    out->scan[5] = (double)scan.nan_count;
    out->squares = kernels->squares_f64(values, count, 20.25);
    uint64_t parts[VV_SPLIT_PARTS]; /* of some values, one of none */
    for (size_t i = 0; i < VV_SPLIT_PARTS; ++i) {
        uint64_t bits;
        memcpy(&bits, &values[i * count / VV_SPLIT_PARTS], sizeof bits);
        parts[i] = i == 5 ? UINT64_MAX : bits >> 52;
    }
    out->missing = kernels->split(values, count, 52, parts, out->rights, out->codes);
}

static void run_ints(const vv_kernels *kernels, size_t count, results *out)
{
    vv_int_range range;
    vv_i64_scan scan;
    const int64_t *ints = (const int64_t *)source;
    kernels->bias(source, count, 12345, out->biased);
    kernels->bias_delta(source, count, 77, out->delta);
    kernels->bias_line(source, count, 3, UINT64_MAX - 4, out->line);
    out->breaks = kernels->stride_breaks(source, count, source[1] - source[0]);
    kernels->range(ints, count, &range);
    out->range[0] = range.min;
    out->range[1] = range.max;
    out->range[2] = range.delta_min;
    out->range[3] = range.delta_max;
    out->range[4] = range.curve_min;
    out->range[5] = range.curve_max;
    out->range[6] = (int64_t)range.changes;
    kernels->convert_i64(ints, count, out->converted[0]);
    kernels->convert_u64(source, count, out->converted[1]);
    kernels->scan_i64(ints, count, &scan);
    out->limits[0] = scan.min;
    out->limits[1] = scan.max;
    out->halves[0] = scan.sum_high;
    out->halves[1] = scan.sum_low;
    kernels->look(source, count, source[count / 2], &out->look);
    uint64_t reach = UINT64_MAX >> (count % 64);
    kernels->inside(source, count, source[0], reach, &out->inside[0], &out->inside[1]);
    out->outside[0] = kernels->outside(source, count, source[0], reach, &out->outside[1]);
    memcpy(out->added, source, count * sizeof *source);
    kernels->add_up(out->added, count, source[0]);
}

/* Groups whose bytes are all within the source. */
static void run_unpack(const vv_kernels *kernels, size_t count, results *out)
{
    const uint8_t *bytes = (const uint8_t *)source;
    size_t groups = count / 64;
    vv_decimal decimal;
    for (uint32_t width = 1; width <= 64; ++width) {
        size_t at = width - 1;
        vv_unpack how = {.width = width, .base = 12345};
        kernels->unpack(bytes, groups, &how, out->unpacked[at]);
        how = (vv_unpack){.width = width, .base = 0 - source[1], .is_sum = true, .first = 99};
        kernels->unpack(bytes, groups, &how, out->sums[at]);
        out->lasts[at] = how.first;
        assert_true(vv_decimal_of_code((uint8_t)(width % 23 | (width % 2) << 7), &decimal));
        how = (vv_unpack){.width = width,
                          .base = 0 - source[count / 2] % 100000,
                          .decimal = width <= VV_UNPACK_DECIMAL_BITS ? &decimal : NULL};
        kernels->unpack(bytes, groups, &how, out->decimals[at]);
    }
}

static void run_join(const vv_kernels *kernels, size_t count, results *out)
{
    static uint64_t codes[VV_SCRATCH_COUNT];
    for (size_t i = 0; i < count; ++i) {
        codes[i] = source[i] % VV_SPLIT_PARTS;
    }
    kernels->join(out->rights, codes, count, source, out->joined);
}

static void all_levels_give_the_same_bits(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    const vv_kernels *tables[VV_CODEC_ISA_COUNT];
    size_t table_count = find_tables(tables);
    results *expected = (results *)calloc(1, sizeof *expected);
    results *found = (results *)calloc(1, sizeof *found);
    assert_non_null(expected);
    assert_non_null(found);
    for (size_t round = 0; round < VALUE_COUNT_COUNT; ++round) {
        size_t count = value_counts[round];
        fill_values(fixture, round, count);
        for (size_t i = 0; i < table_count; ++i) {
            results *target = i == 0 ? expected : found;
            memset(target, 0, sizeof *target);
            run_decimals(tables[i], count, target);
            run_floats(tables[i], count, target);
            run_ints(tables[i], count, target);
            run_unpack(tables[i], count, target);
            run_join(tables[i], count, target);
            if (i > 0) {
                assert_memory_equal(found, expected, sizeof *found);
            }
        }
    }
    free(expected);
    free(found);
}

static void all_levels_encode_to_the_same_bytes(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    static int64_t times[VV_VECTOR_ROWS_MAX];
    vv_buf first;
    vv_buf_init(&first, &fixture->alloc, SIZE_MAX);
    codec_fill_times(times, VV_VECTOR_ROWS_MAX, 1000, 10);
    for (size_t round = 0; round < 2 * VALUE_COUNT_COUNT; ++round) {
        size_t count = value_counts[round % VALUE_COUNT_COUNT];
        fill_values(fixture, round, count);
        times[count / 2] += count > 3; /* sometimes not a stride */
        uint32_t fields[] = {1, 2};
        varve_column columns[] = {{.type = VARVE_TYPE_F64, .values = values},
                                  {.type = VARVE_TYPE_I64, .values = source}};
        vv_rows rows = {.count = count,
                        .times = times,
                        .fields = fields,
                        .columns = columns,
                        .column_count = VV_ARRAY_COUNT(columns)};
        for (uint32_t level = 0; level < VV_CODEC_ISA_COUNT; ++level) {
            varve_error err;
            vv_codec_set_isa((vv_codec_isa)level);
            vv_buf *out = level == 0 ? &first : &fixture->out;
            vv_buf_reset(out);
            check_ok(vv_vector_encode(&rows, fixture->scratch, out, &err), &err);
            assert_true(vv_bytes_equal(vv_buf_bytes(out), vv_buf_bytes(&first)));
            codec_check_round_trip(fixture, &rows);
        }
    }
    vv_buf_deinit(&first);
}

/* What a frame of numbers of one width holds, read as ints, sums and decimals at each level. */
static void check_frame(codec_fixture *fixture, size_t count, uint32_t width, size_t exceptions)
{
    static uint64_t numbers[VV_SCRATCH_COUNT];
    static uint64_t read[VV_SCRATCH_COUNT];
    uint64_t base = vv_random_u64(&fixture->random) >> vv_random_below(&fixture->random, 64);
    uint64_t most = width == 0 ? 0 : UINT64_MAX >> (64 - width);
    for (size_t i = 0; i < count; ++i) {
        numbers[i] = base + (vv_random_u64(&fixture->random) & most);
    }
    numbers[count / 2] = base + most;
    for (size_t i = 0; i < exceptions; ++i) {
        numbers[i * count / exceptions] = base - 1 - i;
    }
    vv_int_frame frame = {.base = base, .width = width};
    for (size_t i = 0; i < count; ++i) {
        bool is_exception = numbers[i] - base > most;
        frame.exception_count += is_exception;
        frame.exception_width = is_exception ? 64 : frame.exception_width;
    }
    vv_buf_reset(&fixture->out);
    vv_int_frame_write(&frame, numbers, count, fixture->scratch, &fixture->out);
    uint8_t *copy = codec_copy(vv_buf_bytes(&fixture->out));
    for (uint32_t level = 0; level < VV_CODEC_ISA_COUNT; ++level) {
        vv_codec_set_isa((vv_codec_isa)level);
        vv_reader reader = vv_reader_of(copy, fixture->out.size);
        vv_int_frame_read(&reader, count, fixture->scratch, read);
        assert_true(vv_reader_is_done(&reader));
        assert_memory_equal(read, numbers, count * sizeof *read);
        reader = vv_reader_of(copy, fixture->out.size);
        vv_int_frame_read_sums(&reader, count, 7, fixture->scratch, read);
        assert_true(vv_reader_is_done(&reader));
        uint64_t sum = 7;
        for (size_t i = 0; i < count; ++i) {
            sum += numbers[i];
            assert_int_equal(read[i], sum);
        }
    }
    free(copy);
}

static void frames_of_every_width_and_tail_read_alike(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    for (size_t count = 1; count <= VV_VECTOR_ROWS_MAX; ++count) {
        check_frame(fixture, count, (uint32_t)(count % 65), 0);
    }
    for (uint32_t width = 0; width <= 64; ++width) {
        check_frame(fixture, 1 + vv_random_below(&fixture->random, 64), width, 0);
        check_frame(fixture, VV_VECTOR_ROWS_MAX, width, width == 64 ? 0 : width + 1);
    }
    for (size_t exceptions = 0; exceptions <= VV_VECTOR_ROWS_MAX; exceptions += 16) {
        check_frame(fixture, VV_VECTOR_ROWS_MAX, 11, exceptions);
    }
}

/* As above for decimals: values with any number of exceptions, in plain frames and of differences.
 */
static void columns_with_any_number_of_exceptions_read_alike(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    static double read[VV_SCRATCH_COUNT];
    for (size_t exceptions = 0; exceptions <= VV_VECTOR_ROWS_MAX; exceptions += 32) {
        size_t count = VV_VECTOR_ROWS_MAX - exceptions % 7;
        (exceptions % 64 == 0 ? value_sensor : value_daily)(&fixture->random, values, count);
        for (size_t i = 0; i < exceptions; ++i) {
            values[i * count / exceptions] = codec_double(vv_random_u64(&fixture->random));
        }
        vv_decimal_fit fit;
        vv_buf_reset(&fixture->out);
        vv_codec_set_isa(VV_CODEC_ISA_SCALAR);
        vv_floats_write(values, count, fixture->scratch, &fixture->out, &fit);
        uint8_t *copy = codec_copy(vv_buf_bytes(&fixture->out));
        for (uint32_t level = 0; level < VV_CODEC_ISA_COUNT; ++level) {
            vv_codec_set_isa((vv_codec_isa)level);
            vv_reader reader = vv_reader_of(copy, fixture->out.size);
            vv_floats_read(&reader, count, fixture->scratch, read);
            assert_true(vv_reader_is_done(&reader));
            assert_memory_equal(read, values, count * sizeof *read);
        }
        free(copy);
    }
}

static void a_level_is_never_above_what_was_wanted(void **state)
{
    (void)state;
    vv_codec_isa best = vv_codec_set_isa(VV_CODEC_ISA_AVX512);
    assert_int_equal(vv_codec_get_isa(), best);
    for (uint32_t level = 0; level < VV_CODEC_ISA_COUNT; ++level) {
        vv_codec_isa now = vv_codec_set_isa((vv_codec_isa)level);
        assert_true((uint32_t)now <= level && now <= best);
        assert_int_equal(vv_codec_get_isa(), now);
    }
    assert_string_equal(vv_codec_isa_name(VV_CODEC_ISA_SCALAR), "scalar");
    assert_string_equal(vv_codec_isa_name(VV_CODEC_ISA_AVX512), "avx512");
    assert_int_equal(vv_codec_set_isa(VV_CODEC_ISA_SCALAR), VV_CODEC_ISA_SCALAR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_levels_give_the_same_bits),
        cmocka_unit_test(all_levels_encode_to_the_same_bytes),
        cmocka_unit_test(frames_of_every_width_and_tail_read_alike),
        cmocka_unit_test(columns_with_any_number_of_exceptions_read_alike),
        cmocka_unit_test(a_level_is_never_above_what_was_wanted),
    };
    return cmocka_run_group_tests(tests, codec_setup, codec_teardown);
}
