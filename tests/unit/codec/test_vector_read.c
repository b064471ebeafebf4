/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that make no sense are E_CORRUPT, whatever they are; what decodes has its shape. */
#include "codec/vector_priv.h"
#include "codec_fixture.h"
#include "value_sets.h"

enum { ROWS = 150 };

/* What one column of each kind decodes to; large enough for every type. */
static varve_text decoded[VV_VECTOR_ROWS_MAX];
static int64_t decoded_times[VV_VECTOR_ROWS_MAX];
static uint64_t decoded_present[VV_VECTOR_ROWS_MAX / 64];
static uint64_t decoded_marks[VV_VECTOR_ROWS_MAX / 64];

/* Everything a vector can be asked; each answer is OK or E_CORRUPT. Returns whether all were OK. */
static bool ask_everything(codec_fixture *fixture, vv_bytes bytes)
{
    varve_error err;
    vv_vector vector;
    varve_status status = vv_vector_parse(bytes, &vector, &err);
    bool is_whole = status == VARVE_OK;
    if (!is_whole) {
        check_status(VARVE_E_CORRUPT, status);
        return false;
    }
    status = vv_vector_times(&vector, fixture->scratch, decoded_times, &err);
    is_whole = status == VARVE_OK;
    assert_true(is_whole || status == VARVE_E_CORRUPT);
    for (size_t i = 1; is_whole && i < vector.count; ++i) {
        assert_true(decoded_times[i - 1] <= decoded_times[i]);
    }
    if (vector.has_row_ids) {
        status = vv_vector_row_ids(&vector, fixture->scratch, (uint64_t *)decoded_times, &err);
        assert_true(status == VARVE_OK || status == VARVE_E_CORRUPT);
        is_whole = is_whole && status == VARVE_OK;
    }
    for (uint32_t i = 0; i < vector.column_count; ++i) {
        vv_vector_column column;
        status = vv_vector_column_at(&vector, i, &column, &err);
        assert_true(status == VARVE_OK || status == VARVE_E_CORRUPT);
        if (status == VARVE_OK) {
            vv_stats stats;
            status = vv_vector_stats(&column, &stats, &err);
            assert_true(status == VARVE_OK || status == VARVE_E_CORRUPT);
            is_whole = is_whole && status == VARVE_OK;
            status = vv_vector_decode(&column, fixture->scratch, &fixture->arena, decoded,
                                      decoded_present, decoded_marks, &err);
            assert_true(status == VARVE_OK || status == VARVE_E_CORRUPT);
        }
        is_whole = is_whole && status == VARVE_OK;
    }
    vv_arena_reset(&fixture->arena);
    return is_whole;
}

/* Vectors of all types and forms into an array of bytes. */
typedef struct sample_set {
    vv_bytes bytes[64];
    size_t count;
} sample_set;

static void samples_add(codec_fixture *fixture, sample_set *samples, const vv_rows *rows)
{
    varve_error err;
    vv_buf_reset(&fixture->out);
    check_ok(vv_vector_encode(rows, fixture->scratch, &fixture->out, &err), &err);
    assert_true(samples->count < VV_ARRAY_COUNT(samples->bytes));
    samples->bytes[samples->count] =
        vv_bytes_make(codec_copy(vv_buf_bytes(&fixture->out)), fixture->out.size);
    samples->count += 1;
}

static void samples_fill(codec_fixture *fixture, sample_set *samples)
{
    static double doubles[ROWS];
    static int64_t times[ROWS];
    static uint64_t row_ids[ROWS];
    static varve_text texts[ROWS];
    static char ids[ROWS][24];
    uint64_t present[3] = {UINT64_C(0xFF00FF00FF00F0F1), UINT64_C(0x123456789ABCDEF0), 0x2ABCDE};
    uint64_t marks[3] = {UINT64_C(0x5), 0, 0};
    uint32_t field = 70000;
    varve_column column = {.type = VARVE_TYPE_F64, .values = doubles};
    codec_fill_times(times, ROWS, 1000, 10);
    samples->count = 0;
    for (size_t set = 0; set < VALUE_SET_COUNT; ++set) {
        value_sets[set].fill(&fixture->random, doubles, ROWS);
        column.present = set % 3 == 0 ? present : NULL;
        column.type = set % 4 == 1   ? VARVE_TYPE_I64
                      : set % 4 == 2 ? VARVE_TYPE_U64
                                     : VARVE_TYPE_F64;
        vv_rows rows = codec_rows(ROWS, times, &field, &column);
        samples_add(fixture, samples, &rows);
    }
    for (size_t i = 0; i < ROWS; ++i) {
        times[i] += (int64_t)vv_random_below(&fixture->random, 10);
        row_ids[i] = vv_random_below(&fixture->random, 1000000);
        (void)snprintf(ids[i], sizeof ids[i], "item-%08u", (unsigned)row_ids[i]);
        texts[i] = vv_text_make(ids[i], i % 14);
    }
    vv_rows rows = codec_rows(ROWS, times, &field, &column);
    rows.row_ids = row_ids;
    column = (varve_column){.type = VARVE_TYPE_BOOL, .values = ids};
    uint8_t bools[ROWS];
    for (size_t i = 0; i < ROWS; ++i) {
        bools[i] = i % 7 == 0;
    }
    column.values = bools;
    samples_add(fixture, samples, &rows);
    column = (varve_column){.type = VARVE_TYPE_STRING, .values = texts, .marks = marks};
    samples_add(fixture, samples, &rows);
    for (size_t i = 0; i < ROWS; ++i) {
        texts[i] = vv_text_make(ids[i], 13);
    }
    column = (varve_column){.type = VARVE_TYPE_HISTOGRAM, .values = texts};
    samples_add(fixture, samples, &rows);
    for (size_t i = 0; i < ROWS; ++i) {
        texts[i] = vv_text_make(ids[i % 5], 13);
    }
    column = (varve_column){.type = VARVE_TYPE_BYTES, .values = texts};
    samples_add(fixture, samples, &rows);
}

static void samples_free(sample_set *samples)
{
    for (size_t i = 0; i < samples->count; ++i) {
        free((void *)(uintptr_t)samples->bytes[i].data);
    }
}

static void undamaged_vectors_are_whole(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    sample_set samples;
    samples_fill(fixture, &samples);
    for (size_t i = 0; i < samples.count; ++i) {
        assert_true(ask_everything(fixture, samples.bytes[i]));
    }
    samples_free(&samples);
}

static void a_vector_cut_anywhere_is_corrupt(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    sample_set samples;
    samples_fill(fixture, &samples);
    for (size_t i = 0; i < samples.count; ++i) {
        for (size_t size = 0; size < samples.bytes[i].size; ++size) {
            vv_bytes cut = {.data = samples.bytes[i].data, .size = size};
            uint8_t *copy = codec_copy(cut);
            cut.data = copy;
            assert_false(ask_everything(fixture, cut));
            free(copy);
        }
    }
    samples_free(&samples);
}

static void a_vector_with_flipped_bits_never_does_harm(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    sample_set samples;
    samples_fill(fixture, &samples);
    size_t corrupt = 0;
    size_t all = 0;
    for (size_t i = 0; i < samples.count; ++i) {
        vv_bytes bytes = samples.bytes[i];
        uint8_t *copy = codec_copy(bytes);
        for (size_t round = 0; round < 400; ++round) {
            size_t flips = 1 + vv_random_below(&fixture->random, 3);
            for (size_t flip = 0; flip < flips; ++flip) {
                /* Half of them among the first and last bytes, where the structure is. */
                size_t edge = bytes.size < 40 ? bytes.size : 40;
                size_t at = vv_random_below(&fixture->random, edge);
                switch (vv_random_below(&fixture->random, 4)) {
                case 0:
                    break;
                case 1:
                    at = bytes.size - 1 - at;
                    break;
                default:
                    at = vv_random_below(&fixture->random, bytes.size);
                    break;
                }
                copy[at] ^= (uint8_t)(1u << vv_random_below(&fixture->random, 8));
            }
            corrupt += !ask_everything(fixture, vv_bytes_make(copy, bytes.size));
            all += 1;
            memcpy(copy, bytes.data, bytes.size);
        }
        free(copy);
    }
    print_message("%zu of %zu were found corrupt\n", corrupt, all);
    assert_true(corrupt > all / 4);
    samples_free(&samples);
}

static void random_bytes_never_do_harm(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    for (size_t round = 0; round < 20000; ++round) {
        size_t size = vv_random_below(&fixture->random, 60);
        uint8_t *bytes = (uint8_t *)malloc(size + 1);
        vv_random_fill(&fixture->random, bytes, size);
        if (size > 1) {
            bytes[0] = VV_VECTOR_VERSION;
            bytes[1] &= 3;
        }
        VV_IGNORE(ask_everything(fixture, vv_bytes_make(bytes, size)));
        free(bytes);
    }
}

static void bytes_behind_a_vector_are_corrupt(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    sample_set samples;
    samples_fill(fixture, &samples);
    for (size_t i = 0; i < samples.count; ++i) {
        size_t size = samples.bytes[i].size;
        uint8_t *longer = (uint8_t *)malloc(size + 1);
        memcpy(longer, samples.bytes[i].data, size);
        longer[size] = 0;
        assert_false(ask_everything(fixture, vv_bytes_make(longer, size + 1)));
        free(longer);
    }
    samples_free(&samples);
}

static void check_parse_fails(const uint8_t *bytes, size_t size)
{
    varve_error err;
    vv_vector vector;
    check_status(VARVE_E_CORRUPT, vv_vector_parse(vv_bytes_make(bytes, size), &vector, &err));
}

/* A vector of one time and no columns by hand: version, flags, rows, columns, stride from 2, end.
 */
static void the_head_is_checked(void **state)
{
    (void)state;
    static const uint8_t sound[] = {1, 2, 1, 0, 0, 4, 0, 7};
    vv_vector vector;
    varve_error err;
    check_ok(vv_vector_parse(vv_bytes_make(sound, sizeof sound), &vector, &err), &err);
    assert_int_equal(vector.first_time, 2);
    assert_int_equal(vector.last_time, 2);
    assert_int_equal(vector.stride, 0);
    assert_true(vector.is_strict);

    static const struct {
        size_t at;
        uint8_t value;
    } changes[] = {
        {0, 0},    {0, 2},               /* version */
        {1, 0x42}, {1, 0x0E}, {1, 0x32}, /* unknown flag, widths of 8 bytes */
        {2, 0},    {2, 0x81},            /* no rows; rows beyond the bytes */
        {3, 1},    {3, 0x7F},            /* columns without a directory */
        {4, 2},                          /* form of times */
        {7, 6},    {7, 8},    {7, 3},    /* end of the times */
    };
    for (size_t i = 0; i < VV_ARRAY_COUNT(changes); ++i) {
        uint8_t bytes[sizeof sound];
        memcpy(bytes, sound, sizeof sound);
        bytes[changes[i].at] = changes[i].value;
        check_parse_fails(bytes, sizeof bytes);
    }
    check_parse_fails(NULL, 0);
}

static void times_beyond_their_range_are_corrupt(void **state)
{
    (void)state;
    /* Two rows from INT64_MAX - 1: a stride of 1 fits, of 2 does not. */
    uint8_t bytes[] = {1,    2,    2,    0,    0,    0xFC, 0xFF, 0xFF, 0xFF,
                       0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1,    1,    16};
    vv_vector vector;
    varve_error err;
    check_ok(vv_vector_parse(vv_bytes_make(bytes, sizeof bytes), &vector, &err), &err);
    assert_int_equal(vector.last_time, INT64_MAX);
    assert_int_equal(vector.stride, 1);
    bytes[15] = 2;
    check_parse_fails(bytes, sizeof bytes);
    /* Equal times and the flag that they ascend. */
    bytes[15] = 0;
    check_parse_fails(bytes, sizeof bytes);
    bytes[1] = 0;
    check_ok(vv_vector_parse(vv_bytes_make(bytes, sizeof bytes), &vector, &err), &err);
    assert_int_equal(vector.stride, 0);
}

/* A vector of two columns of 8 rows, fields 1 and 2, the second with some values. */
static size_t encode_pair(codec_fixture *fixture, const int64_t *times)
{
    static const double doubles[8] = {5, 5, 5, 5, 5, 5, 5, 5};
    static const uint64_t present = 0x3B;
    const uint32_t fields[] = {1, 2};
    const varve_column columns[] = {
        {.type = VARVE_TYPE_F64, .values = doubles},
        {.type = VARVE_TYPE_F64, .values = doubles, .present = &present}};
    vv_rows rows = {
        .count = 8, .times = times, .fields = fields, .columns = columns, .column_count = 2};
    varve_error err;
    vv_buf_reset(&fixture->out);
    check_ok(vv_vector_encode(&rows, fixture->scratch, &fixture->out, &err), &err);
    assert_true(ask_everything(fixture, vv_buf_bytes(&fixture->out)));
    return fixture->out.size;
}

static void fields_that_do_not_ascend_are_corrupt(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    const int64_t times[] = {0, 1, 2, 3, 4, 5, 6, 7};
    size_t size = encode_pair(fixture, times);
    uint8_t *second = fixture->out.data + size - 4; /* field, type, statistics, end: a byte each */
    assert_int_equal(second[0], 2);
    second[0] = 1;
    check_parse_fails(fixture->out.data, size);
    second[0] = 0;
    check_parse_fails(fixture->out.data, size);
}

static void a_count_that_is_not_that_of_the_bitmap_is_corrupt(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    const int64_t times[] = {0, 1, 2, 3, 4, 5, 6, 7};
    size_t size = encode_pair(fixture, times);
    varve_error err;
    vv_vector vector;
    vv_vector_column column;
    check_ok(vv_vector_parse(vv_buf_bytes(&fixture->out), &vector, &err), &err);
    check_ok(vv_vector_column_at(&vector, 1, &column, &err), &err);
    assert_int_equal(column.present_count, 5);
    uint8_t *stored = fixture->out.data + (column.data.data - fixture->out.data) - 1;
    for (uint8_t count = 0; count < 10; ++count) {
        stored[0] = count;
        assert_int_equal(ask_everything(fixture, vv_bytes_make(fixture->out.data, size)),
                         count == 5);
    }
}

static void equal_times_of_a_strict_vector_are_corrupt(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    const int64_t times[] = {0, 1, 2, 2, 9, 10, 11, 30};
    size_t size = encode_pair(fixture, times);
    assert_int_equal(fixture->out.data[1] & VV_VECTOR_IS_STRICT, 0);
    fixture->out.data[1] |= VV_VECTOR_IS_STRICT;
    assert_false(ask_everything(fixture, vv_bytes_make(fixture->out.data, size)));
}

static void fields_are_found_or_not(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    enum { COLUMNS = 100 };
    uint32_t fields[COLUMNS];
    varve_column columns[COLUMNS];
    uint8_t value = 1;
    int64_t time = 5;
    for (uint32_t i = 0; i < COLUMNS; ++i) {
        fields[i] = 10 + 3 * i;
        columns[i] = (varve_column){.type = VARVE_TYPE_BOOL, .values = &value};
    }
    vv_rows rows = {
        .count = 1, .times = &time, .fields = fields, .columns = columns, .column_count = COLUMNS};
    varve_error err;
    vv_vector vector;
    vv_vector_column column;
    vv_buf_reset(&fixture->out);
    check_ok(vv_vector_encode(&rows, fixture->scratch, &fixture->out, &err), &err);
    check_ok(vv_vector_parse(vv_buf_bytes(&fixture->out), &vector, &err), &err);
    for (uint32_t field = 0; field < 400; ++field) {
        bool is_there = field >= 10 && field < 10 + 3 * COLUMNS && (field - 10) % 3 == 0;
        assert_int_equal(vv_vector_find(&vector, field, &column), is_there);
        assert_true(!is_there || column.field == field);
    }
    assert_false(vv_vector_find(&vector, UINT32_MAX, &column));
}

static void a_sum_equals_that_of_the_decoded_values(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    static double doubles[VV_VECTOR_ROWS_MAX];
    static int64_t times[VV_VECTOR_ROWS_MAX];
    uint32_t field = 1;
    varve_column column = {.type = VARVE_TYPE_F64, .values = doubles};
    codec_fill_times(times, VV_VECTOR_ROWS_MAX, 0, 1);
    for (size_t set = 0; set < VALUE_SET_COUNT; ++set) {
        varve_error err;
        vv_vector vector;
        vv_vector_column stored;
        vv_stats sum;
        vv_stats expected;
        value_sets[set].fill(&fixture->random, doubles, VV_VECTOR_ROWS_MAX);
        vv_rows rows = codec_rows(VV_VECTOR_ROWS_MAX, times, &field, &column);
        vv_buf_reset(&fixture->out);
        check_ok(vv_vector_encode(&rows, fixture->scratch, &fixture->out, &err), &err);
        check_ok(vv_vector_parse(vv_buf_bytes(&fixture->out), &vector, &err), &err);
        check_ok(vv_vector_column_at(&vector, 0, &stored, &err), &err);
        vv_stats_init(&sum, VARVE_TYPE_F64);
        vv_stats_init(&expected, VARVE_TYPE_F64);
        check_ok(vv_vector_sum_f64(&stored, fixture->scratch, &sum, &err), &err);
        vv_stats_sum_f64(&expected, doubles, VV_VECTOR_ROWS_MAX);
        assert_int_equal(sum.count, expected.count);
        assert_int_equal(sum.nan_count, expected.nan_count);
        assert_int_equal(codec_bits(vv_stats_sum(&sum)), codec_bits(vv_stats_sum(&expected)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(undamaged_vectors_are_whole),
        cmocka_unit_test(a_vector_cut_anywhere_is_corrupt),
        cmocka_unit_test(a_vector_with_flipped_bits_never_does_harm),
        cmocka_unit_test(random_bytes_never_do_harm),
        cmocka_unit_test(bytes_behind_a_vector_are_corrupt),
        cmocka_unit_test(the_head_is_checked),
        cmocka_unit_test(times_beyond_their_range_are_corrupt),
        cmocka_unit_test(fields_that_do_not_ascend_are_corrupt),
        cmocka_unit_test(a_count_that_is_not_that_of_the_bitmap_is_corrupt),
        cmocka_unit_test(equal_times_of_a_strict_vector_are_corrupt),
        cmocka_unit_test(fields_are_found_or_not),
        cmocka_unit_test(a_sum_equals_that_of_the_decoded_values),
    };
    return cmocka_run_group_tests(tests, codec_setup, codec_teardown);
}
