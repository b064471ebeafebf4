/* SPDX-License-Identifier: Apache-2.0 */
/* Building batches: rows and columns of callers become runs that obey R1 to R6. */
#include "engine/batch_priv.h"
#include "model/histogram.h"

#include "write_world.h"

static const vv_run *run_at(write_world *world, size_t index)
{
    varve_error err;
    check_ok(vv_batch_close_run(world->batch, &err), &err);
    return &VV_VEC_AT(&world->batch->ops, vv_batch_op, index)->run;
}

static size_t op_count(write_world *world)
{
    varve_error err;
    check_ok(vv_batch_close_run(world->batch, &err), &err);
    return world->batch->ops.count;
}

static void rows_of_one_shape_share_a_run(void **state)
{
    (void)state;
    write_world world;
    world_start(&world);
    varve_error err;
    varve_series series = world_series(&world, "m", "a");
    varve_field b = world_field(&world, "b");
    varve_field a = world_field(&world, "a"); /* a greater id than b */
    char text[] = "text";
    for (int i = 0; i < 100; i++) {
        varve_field fields[2] = {a, b};
        varve_value values[2] = {world_text(text), world_i64(i)};
        varve_row row = {
            .series = series, .timestamp = i, .fields = fields, .values = values, .count = 2};
        check_ok(vv_batch_row(world.batch, &row, &err), &err);
        fields[0].id = 77; /* arrays are copied at the call */
        values[1].as.i64 = -1;
    }
    world_row(&world, series, 100, b, world_i64(100));
    world_row(&world, series, 101, b, world_f64(1));
    assert_int_equal(3, op_count(&world)); /* another field, another type: other runs */
    const vv_run *run = run_at(&world, 0);
    assert_int_equal(100, run->count);
    assert_int_equal(2, run->column_count);
    assert_int_equal(b.id, run->fields[0]); /* ascending (R6) */
    assert_int_equal(a.id, run->fields[1]);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(series.id, run->series[i]);
        assert_int_equal(i, run->times[i]);
        assert_int_equal(i, ((const int64_t *)run->columns[0].values)[i]);
        assert_ptr_equal(text, ((const varve_text *)run->columns[1].values)[i].data);
    }
    assert_int_equal(100, VV_VEC_AT(&world.batch->ops, vv_batch_op, 1)->first_row);
    assert_int_equal(102, world.batch->row_count);
    world_end(&world);
}

static void bad_rows_are_refused_and_add_nothing(void **state)
{
    (void)state;
    write_world world;
    world_start(&world);
    varve_error err;
    varve_series series = world_series(&world, "m", "a");
    varve_field field = world_field(&world, "temperature");
    world_row(&world, series, 1, field, world_f64(1));
    static varve_field many[VV_ROW_FIELDS_MAX + 1];
    static varve_value values[VV_ROW_FIELDS_MAX + 1];
    varve_row row = {.series = series, .timestamp = 2, .fields = many, .values = values};
    check_status(VARVE_E_INVALID, vv_batch_row(world.batch, &row, &err)); /* no field */
    row.count = VV_ROW_FIELDS_MAX + 1;
    check_status(VARVE_E_LIMIT, vv_batch_row(world.batch, &row, &err));
    assert_non_null(strstr(err.message, "1025"));
    many[0] = field;
    many[1] = field;
    values[0] = world_f64(1);
    values[1] = world_f64(2);
    row.count = 2;
    check_status(VARVE_E_INVALID, vv_batch_row(world.batch, &row, &err));
    assert_non_null(strstr(err.message, "temperature"));
    row.count = 1;
    row.series.id = 99;
    check_status(VARVE_E_INVALID, vv_batch_row(world.batch, &row, &err));
    assert_non_null(strstr(err.message, "99"));
    row.series = (varve_series){0};
    check_status(VARVE_E_INVALID, vv_batch_row(world.batch, &row, &err));
    row.series = series;
    many[0].id = 0;
    check_status(VARVE_E_INVALID, vv_batch_row(world.batch, &row, &err));
    many[0].id = 1000;
    check_status(VARVE_E_INVALID, vv_batch_row(world.batch, &row, &err));
    many[0] = field;
    values[0].flags = 1;
    check_status(VARVE_E_INVALID, vv_batch_row(world.batch, &row, &err));
    values[0] = (varve_value){.type = VARVE_TYPE_MIXED};
    check_status(VARVE_E_INVALID, vv_batch_row(world.batch, &row, &err));
    values[0] = world_text("ab\xff");
    check_status(VARVE_E_INVALID, vv_batch_row(world.batch, &row, &err));
    assert_non_null(strstr(err.message, "row 1"));
    assert_non_null(strstr(err.message, "temperature"));
    assert_non_null(strstr(err.message, "UTF-8"));
    values[0].type = VARVE_TYPE_BYTES;
    values[0].as.bytes.size = (size_t)VV_VALUE_BYTES_MAX + 1;
    check_status(VARVE_E_LIMIT, vv_batch_row(world.batch, &row, &err));
    values[0] = (varve_value){.type = VARVE_TYPE_HISTOGRAM};
    check_status(VARVE_E_INVALID, vv_batch_row(world.batch, &row, NULL));
    assert_int_equal(1, world.batch->row_count);
    assert_int_equal(1, op_count(&world));
    world_commit(&world);
    assert_string_equal("1:temperature=1;", world_read(&world, series));
    world_end(&world);
}

/* ---- columns ---- */

typedef struct columns_case {
    varve_columns columns;
    varve_series series;
    varve_field fields[2];
    varve_column column[2];
    int64_t times[130];
} columns_case;

static void columns_begin(write_world *world, columns_case *at, size_t rows)
{
    memset(at, 0, sizeof *at);
    varve_columns_init(&at->columns);
    at->series = world_series(world, "m", "a");
    at->fields[0] = world_field(world, "a");
    at->fields[1] = world_field(world, "b");
    for (size_t i = 0; i < 130; i++) {
        at->times[i] = (int64_t)i;
    }
    at->columns.rows = rows;
    at->columns.series = &at->series;
    at->columns.series_count = 1;
    at->columns.timestamps = at->times;
    at->columns.timestamp_count = rows;
    at->columns.fields = at->fields;
    at->columns.columns = at->column;
    at->columns.column_count = 1;
}

static const varve_column *columns_add(write_world *world, columns_case *at)
{
    varve_error err;
    size_t before = op_count(world);
    check_ok(vv_batch_columns(world->batch, &at->columns, &err), &err);
    assert_int_equal(before + 1, world->batch->ops.count);
    return &run_at(world, before)->columns[0];
}

static void columns_refused(write_world *world, columns_case *at, const char *part)
{
    varve_error err;
    size_t before = op_count(world);
    uint64_t rows = world->batch->row_count;
    check_status(VARVE_E_INVALID, vv_batch_columns(world->batch, &at->columns, &err));
    if (strstr(err.message, part) == NULL) {
        fail_msg("\"%s\" does not speak of \"%s\"", err.message, part);
    }
    assert_int_equal(before, world->batch->ops.count);
    assert_int_equal(rows, world->batch->row_count);
}

static void packed_columns_are_borrowed(void **state)
{
    (void)state;
    write_world world;
    world_start(&world);
    columns_case at;
    columns_begin(&world, &at, 130);
    double numbers[130] = {1, 2, 3};
    varve_text texts[130];
    uint8_t bools[130];
    for (size_t i = 0; i < 130; i++) {
        texts[i] = VARVE_STR("x");
        bools[i] = i % 2;
    }
    at.column[0] = (varve_column){.type = VARVE_TYPE_F64, .values = numbers};
    assert_ptr_equal(numbers, columns_add(&world, &at)->values);
    assert_ptr_equal(at.times, run_at(&world, 0)->times);
    at.column[0] = (varve_column){.type = VARVE_TYPE_I64, .values = numbers, .stride = 8};
    assert_ptr_equal(numbers, columns_add(&world, &at)->values);
    at.column[0] = (varve_column){.type = VARVE_TYPE_STRING, .values = texts};
    assert_ptr_equal(texts, columns_add(&world, &at)->values);
    at.column[0] = (varve_column){.type = VARVE_TYPE_BOOL, .values = bools};
    assert_ptr_equal(bools, columns_add(&world, &at)->values);
    uint64_t all[3] = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
    at.column[0].present = all; /* all rows: as if it were NULL */
    const varve_column *column = columns_add(&world, &at);
    assert_null(column->present);
    assert_ptr_equal(bools, column->values);
    world_end(&world);
}

static void strides_and_absent_rows_are_packed(void **state)
{
    (void)state;
    write_world world;
    world_start(&world);
    columns_case at;
    columns_begin(&world, &at, 70);
    struct {
        double value;
        int64_t other;
    } pairs[70];
    uint64_t present[2] = {UINT64_C(0x5555555555555555), UINT64_C(0xFFFFFFFFFFFFFFD5)};
    for (size_t i = 0; i < 70; i++) {
        pairs[i].value = (double)i;
        pairs[i].other = -1;
    }
    at.column[0] =
        (varve_column){.type = VARVE_TYPE_F64, .values = pairs, .stride = sizeof pairs[0]};
    const double *values = columns_add(&world, &at)->values;
    at.column[0].values = &pairs[69];
    at.column[0].stride = -(int64_t)sizeof pairs[0];
    const double *backward = columns_add(&world, &at)->values;
    for (size_t i = 0; i < 70; i++) {
        assert_true(values[i] == (double)i && backward[i] == (double)(69 - i));
    }
    at.column[0] = (varve_column){
        .type = VARVE_TYPE_F64, .values = pairs, .stride = sizeof pairs[0], .present = present};
    double packed[70];
    for (size_t i = 0; i < 70; i++) {
        packed[i] = 7; /* also where there is no value */
    }
    at.fields[1] = at.fields[0];
    at.fields[0] = world_field(&world, "b");
    at.column[1] = at.column[0];
    at.column[0] = (varve_column){.type = VARVE_TYPE_F64, .values = packed};
    at.columns.column_count = 2;
    const varve_column *sparse = columns_add(&world, &at); /* "a" is sorted first */
    for (size_t i = 0; i < 70; i++) {
        bool has = i < 64 ? i % 2 == 0 : (present[1] >> (i - 64) & 1) != 0;
        assert_int_equal(has, vv_bits_get(sparse->present, i));
        assert_true(((const double *)sparse->values)[i] == (has ? (double)i : 0)); /* R5 */
    }
    assert_int_equal(0, sparse->present[1] >> 6); /* nothing behind the last row */
    assert_ptr_equal(packed, run_at(&world, 2)->columns[1].values);
    world_end(&world);
}

static void bools_become_zero_and_one(void **state)
{
    (void)state;
    write_world world;
    world_start(&world);
    columns_case at;
    columns_begin(&world, &at, 3);
    uint8_t bools[3] = {0, 255, 2};
    at.column[0] = (varve_column){.type = VARVE_TYPE_BOOL, .values = bools};
    const uint8_t *values = columns_add(&world, &at)->values;
    assert_int_equal(0, values[0]);
    assert_int_equal(1, values[1]);
    assert_int_equal(1, values[2]);
    assert_int_equal(255, bools[1]);
    world_commit(&world);
    assert_string_equal("0:a=false;1:a=true;2:a=true;", world_read(&world, at.series));
    world_end(&world);
}

static void offsets_and_dictionaries_become_texts(void **state)
{
    (void)state;
    write_world world;
    world_start(&world);
    columns_case at;
    columns_begin(&world, &at, 4);
    int32_t offsets[5] = {1, 3, 3, 4, 6};
    at.column[0] =
        (varve_column){.type = VARVE_TYPE_STRING, .values = "-aabcc", .offsets = offsets};
    columns_add(&world, &at);
    world_commit(&world);
    assert_string_equal("0:a=aa;1:a=;2:a=b;3:a=cc;", world_read(&world, at.series));

    varve_text words[3] = {VARVE_STR("red"), VARVE_STR("blue"), VARVE_STR("unused")};
    uint64_t word_marks = 2;
    varve_column dictionary = {.type = VARVE_TYPE_STRING, .values = words, .marks = &word_marks};
    uint32_t codes[4] = {1, 0, 99, 1};
    uint64_t present = 0xB; /* row 2 has no value, its code is not looked at */
    at.fields[1] = world_field(&world, "n");
    int64_t numbers[4] = {10, 11, 12, 13};
    at.column[0] = (varve_column){
        .type = VARVE_TYPE_STRING,
        .codes = codes,
        .dictionary = &dictionary,
        .dictionary_count = 3,
        .present = &present,
    };
    at.column[1] = (varve_column){.type = VARVE_TYPE_I64, .values = numbers};
    at.columns.column_count = 2;
    columns_add(&world, &at);
    world_commit(&world);
    assert_string_equal("0:a=b'blue',n=10i;1:a=red,n=11i;2:a=b,n=12i;3:a=b'blue',n=13i;",
                        world_read(&world, at.series));
    uint64_t dictionary_present = 1; /* blue is no value */
    dictionary.present = &dictionary_present;
    at.series = world_series(&world, "m", "other");
    columns_add(&world, &at);
    world_commit(&world);
    assert_string_equal("0:n=10i;1:a=red,n=11i;2:n=12i;3:n=13i;", world_read(&world, at.series));
    world_end(&world);
}

static void histograms_become_canonical_bytes(void **state)
{
    (void)state;
    write_world world;
    world_start(&world);
    columns_case at;
    columns_begin(&world, &at, 2);
    varve_histogram histograms[2] = {{.schema = 3, .sum = 1.5, .count = {.u64 = 2}},
                                     {.schema = 99}};
    at.column[0] = (varve_column){.type = VARVE_TYPE_HISTOGRAM, .values = histograms};
    columns_refused(&world, &at, "row 1");
    histograms[1].schema = -4;
    const varve_text *texts = columns_add(&world, &at)->values;
    assert_int_equal(vv_histogram_size(&histograms[0]), texts[0].size);
    uint8_t bytes[256];
    assert_int_equal(texts[0].size, vv_histogram_write(&histograms[0], bytes));
    assert_memory_equal(bytes, texts[0].data, texts[0].size);
    varve_value value = {.type = VARVE_TYPE_HISTOGRAM, .as.histogram = &histograms[0]};
    world_row(&world, at.series, 5, at.fields[0], value);
    const varve_text *row = run_at(&world, 1)->columns[0].values;
    assert_memory_equal(bytes, row->data, texts[0].size);
    world_end(&world);
}

static void bad_columns_are_refused_and_add_nothing(void **state)
{
    (void)state;
    write_world world;
    world_start(&world);
    columns_case at;
    double numbers[4] = {0};
    columns_begin(&world, &at, 4);
    at.column[0] = (varve_column){.type = VARVE_TYPE_F64, .values = numbers};
    at.column[1] = at.column[0];
    at.columns.flags = 1;
    columns_refused(&world, &at, "flags");
    at.columns.flags = 0;
    at.columns.series_count = 2;
    columns_refused(&world, &at, "2 series");
    at.columns.series_count = 1;
    at.columns.timestamp_count = 3;
    columns_refused(&world, &at, "3 timestamps");
    at.columns.timestamp_count = 4;
    at.columns.column_count = 0;
    columns_refused(&world, &at, "0 fields");
    at.columns.column_count = 2;
    at.fields[1] = at.fields[0];
    columns_refused(&world, &at, "twice");
    at.columns.column_count = 1;
    at.series.id = 1234;
    columns_refused(&world, &at, "1234");
    at.series.id = 1;
    at.column[0].type = VARVE_TYPE_MIXED;
    columns_refused(&world, &at, "mixed");
    at.column[0] = (varve_column){.type = VARVE_TYPE_F64};
    columns_refused(&world, &at, "values");
    int32_t offsets[5] = {0, 2, 1, 1, 1};
    at.column[0] = (varve_column){.type = VARVE_TYPE_F64, .values = numbers, .offsets = offsets};
    columns_refused(&world, &at, "offsets");
    at.column[0] = (varve_column){.type = VARVE_TYPE_BYTES, .values = "abc", .offsets = offsets};
    columns_refused(&world, &at, "row 1, field \"a\"");
    uint32_t codes[4] = {0, 0, 3, 0};
    varve_column dictionary = {.type = VARVE_TYPE_F64, .values = numbers};
    at.column[0] = (varve_column){.type = VARVE_TYPE_F64, .codes = codes, .dictionary_count = 3};
    columns_refused(&world, &at, "no dictionary");
    at.column[0].dictionary = &dictionary;
    columns_refused(&world, &at, "row 2");
    dictionary.type = VARVE_TYPE_I64;
    columns_refused(&world, &at, "plain column of type f64");
    uint64_t present = 0xD;
    at.column[0] = (varve_column){.type = VARVE_TYPE_F64, .values = numbers, .present = &present};
    columns_refused(&world, &at, "row 1 of the columns has no value");
    varve_text texts[4] = {{"a", 1}, {"b", 1}, {NULL, 3}, {"c", 1}};
    at.column[0] = (varve_column){.type = VARVE_TYPE_STRING, .values = texts};
    columns_refused(&world, &at, "row 2");
    world_end(&world);
}

/* Memory of callers may lie anywhere: what is not aligned is copied, not read in place. */
static void columns_at_odd_addresses_are_copied(void **state)
{
    (void)state;
    write_world world;
    world_start(&world);
    columns_case at;
    columns_begin(&world, &at, 64); /* a whole word of presence */
    static uint8_t bytes[64 * 32 + 8];
    uint64_t all = UINT64_MAX;
    for (int i = 0; i < 64; i++) {
        double number = i * 0.5;
        memcpy(bytes + 1 + 8 * i, &number, sizeof number);
    }
    at.column[0] = (varve_column){.type = VARVE_TYPE_F64, .values = bytes + 1, .present = &all};
    const varve_column *numbers = columns_add(&world, &at);
    assert_null(numbers->present); /* all have a value */
    assert_int_equal((uintptr_t)numbers->values % _Alignof(double), 0);
    assert_true(((const double *)numbers->values)[63] == 31.5);
    varve_text word = VARVE_STR("word");
    for (int i = 0; i < 64; i++) {
        memcpy(bytes + 1 + (int)sizeof word * i, &word, sizeof word);
    }
    at.column[0] = (varve_column){.type = VARVE_TYPE_STRING, .values = bytes + 1};
    const varve_text *texts = columns_add(&world, &at)->values;
    assert_int_equal((uintptr_t)texts % _Alignof(varve_text), 0);
    for (int i = 0; i < 64; i++) {
        memcpy(bytes + 2 * (int)sizeof word * i, &word, sizeof word);
    }
    at.column[0] = (varve_column){
        .type = VARVE_TYPE_STRING, .values = bytes, .stride = 2 * sizeof word, .present = &all};
    at.columns.rows = 32;
    at.columns.timestamp_count = 32;
    const varve_text *spread = columns_add(&world, &at)->values;
    at.column[0] =
        (varve_column){.type = VARVE_TYPE_STRING, .values = spread, .stride = sizeof word};
    assert_ptr_equal(columns_add(&world, &at)->values, spread); /* packed, said explicitly */
    at.column[0] = (varve_column){.type = VARVE_TYPE_F64, .values = numbers->values, .stride = 8};
    assert_ptr_equal(columns_add(&world, &at)->values, numbers->values);
    for (int i = 0; i < 32; i++) {
        assert_true(vv_text_equal(texts[i], word) && vv_text_equal(spread[i], word));
    }
    world_end(&world);
}

static void columns_without_any_bytes_hold_empty_texts(void **state)
{
    (void)state;
    write_world world;
    world_start(&world);
    columns_case at;
    columns_begin(&world, &at, 2);
    int32_t offsets[3] = {0, 0, 0};
    at.column[0] = (varve_column){.type = VARVE_TYPE_BYTES, .offsets = offsets};
    columns_add(&world, &at);
    world_commit(&world);
    assert_string_equal("0:a=b'';1:a=b'';", world_read(&world, at.series));
    offsets[1] = -1;
    columns_refused(&world, &at, "offsets go from 0 to -1");
    offsets[0] = -1;
    columns_refused(&world, &at, "offsets go from -1 to -1");
    world_end(&world);
}

static void flags_and_nested_dictionaries_are_refused(void **state)
{
    (void)state;
    write_world world;
    world_start(&world);
    columns_case at;
    double numbers[2] = {0};
    uint32_t codes[2] = {0};
    columns_begin(&world, &at, 2);
    at.column[0] = (varve_column){.type = VARVE_TYPE_F64, .values = numbers, .flags = 4};
    columns_refused(&world, &at, "flags 0x4");
    at.column[0] = (varve_column){.type = VARVE_TYPE_NONE, .values = numbers};
    columns_refused(&world, &at, "has the type");
    varve_column dictionary = {.type = VARVE_TYPE_F64, .values = numbers, .codes = codes};
    at.column[0] = (varve_column){
        .type = VARVE_TYPE_F64, .codes = codes, .dictionary = &dictionary, .dictionary_count = 2};
    columns_refused(&world, &at, "a plain column");
    dictionary.codes = NULL;
    dictionary.flags = 1;
    columns_refused(&world, &at, "a plain column");
    dictionary.flags = 0;
    columns_add(&world, &at);
    world_end(&world);
}

/* One column of every kind that needs memory of its own. */
static size_t fill_costly_columns(varve_column out[8])
{
    static const double numbers[8] = {1, 2, 3, 4};
    static const uint8_t bools[4] = {0, 7, 1, 0};
    static const uint64_t present = 5;
    static const uint64_t marks = 2;
    static const int32_t offsets[5] = {0, 1, 1, 2, 3};
    static const uint32_t codes[4] = {1, 0, 1, 0};
    static const varve_text words[4] = {{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}};
    static const varve_histogram histograms[4];
    static varve_column dictionary = {.type = VARVE_TYPE_STRING, .values = words, .marks = &marks};
    size_t count = 0;
    out[count++] = (varve_column){.type = VARVE_TYPE_F64, .values = numbers, .stride = 16};
    out[count++] = (varve_column){.type = VARVE_TYPE_BOOL, .values = bools};
    out[count++] = (varve_column){.type = VARVE_TYPE_F64, .values = numbers, .present = &present};
    out[count++] = (varve_column){.type = VARVE_TYPE_STRING, .values = "abc", .offsets = offsets};
    out[count++] = (varve_column){.type = VARVE_TYPE_STRING, .values = words, .marks = &marks};
    out[count++] = (varve_column){.type = VARVE_TYPE_HISTOGRAM, .values = histograms};
    out[count++] = (varve_column){.type = VARVE_TYPE_STRING,
                                  .codes = codes,
                                  .dictionary = &dictionary,
                                  .dictionary_count = 2};
    return count;
}

static void columns_that_find_no_memory_add_nothing(void **state)
{
    (void)state;
    varve_column costly[8];
    size_t kinds = fill_costly_columns(costly);
    for (size_t kind = 0; kind < kinds; kind++) {
        bool has_failed = true;
        for (uint64_t number = 1; has_failed; number++) {
            write_world world;
            columns_case at;
            varve_error err;
            static const double steady[4];
            world_start(&world);
            columns_begin(&world, &at, 4);
            at.column[0] = costly[kind];
            at.column[1] = (varve_column){.type = VARVE_TYPE_F64, .values = steady};
            at.columns.column_count = 2; /* so that no row is without a value */
            failing_alloc_plan(&world.failing, number, /* once */ true);
            varve_status status = vv_batch_columns(world.batch, &at.columns, &err);
            has_failed = atomic_load(&world.failing.failures) > 0;
            failing_alloc_plan(&world.failing, 0, false);
            assert_true(status == (has_failed ? VARVE_E_NOMEM : VARVE_OK));
            assert_int_equal(has_failed ? 0 : 1, op_count(&world));
            assert_int_equal(has_failed ? 0 : 4, world.batch->row_count);
            world_end(&world);
        }
    }
}

static void deletes_keep_their_place_among_the_rows(void **state)
{
    (void)state;
    write_world world;
    world_start(&world);
    varve_error err;
    varve_series series = world_series(&world, "m", "a");
    varve_field field = world_field(&world, "v");
    world_row(&world, series, 1, field, world_f64(1));
    world_delete(&world, series, 0, 10);
    world_row(&world, series, 2, field, world_f64(2));
    assert_int_equal(3, op_count(&world));
    const vv_batch_op *delete = VV_VEC_AT(&world.batch->ops, vv_batch_op, 1);
    assert_non_null(delete->selection);
    assert_int_equal(VARVE_SELECT_EXACT, delete->selection->items[0].kind);
    varve_selection selection = {.kind = VARVE_SELECT_TEXT, .text = VARVE_STR("m{")};
    check_status(VARVE_E_INVALID,
                 vv_batch_delete(world.batch, &selection, 1, (varve_range){0, 1}, &err));
    check_status(VARVE_E_INVALID, vv_batch_delete(world.batch, NULL, 0, (varve_range){5, 5}, &err));
    varve_series none = {99};
    varve_selection list = {.kind = VARVE_SELECT_LIST, .series = &none, .series_count = 1};
    check_status(VARVE_E_INVALID,
                 vv_batch_delete(world.batch, &list, 1, (varve_range){0, 1}, &err));
    assert_int_equal(3, op_count(&world));
    vv_batch_clear(world.batch);
    assert_int_equal(0, op_count(&world));
    world_end(&world);
}

static void a_batch_that_is_used_again_asks_for_no_memory(void **state)
{
    (void)state;
    if (VV_ARENA_BLOCK_BYTES_MAX == 1) {
        skip(); /* a coverage build: no object shares a block */
    }
    write_world world;
    world_start(&world);
    columns_case at;
    columns_begin(&world, &at, 100);
    double numbers[100] = {0};
    at.column[0] = (varve_column){.type = VARVE_TYPE_F64, .values = numbers};
    uint64_t requests = 0;
    for (int round = 0; round < 10; round++) {
        failing_alloc_plan(&world.failing, 0, false);
        varve_error err;
        check_ok(vv_batch_columns(world.batch, &at.columns, &err), &err);
        for (int i = 0; i < 20; i++) {
            world_row(&world, at.series, i, at.fields[0], world_f64(1));
        }
        requests = atomic_load(&world.failing.requests);
        vv_batch_clear(world.batch);
    }
    assert_int_equal(0, requests);
    world_end(&world);
}

static void a_failed_allocation_adds_nothing(void **state)
{
    (void)state;
    for (uint64_t at_request = 1;; at_request++) {
        write_world world;
        world_start(&world);
        columns_case at;
        columns_begin(&world, &at, 4);
        varve_text words[2] = {VARVE_STR("x"), VARVE_STR("y")};
        uint32_t codes[4] = {0, 1, 1, 0};
        varve_column dictionary = {.type = VARVE_TYPE_STRING, .values = words};
        at.column[0] = (varve_column){.type = VARVE_TYPE_STRING,
                                      .codes = codes,
                                      .dictionary = &dictionary,
                                      .dictionary_count = 2};
        varve_error err;
        uint64_t rows = 0;
        bool has_failed = false;
        failing_alloc_plan(&world.failing, at_request, /* once */ true);
        for (int i = 0; i < 40; i++) {
            varve_status status = i % 20 == 19
                                      ? vv_batch_columns(world.batch, &at.columns, &err)
                                      : world_try_row(&world, at.series, i, at.fields[i % 2],
                                                      world_text("0123456789"), &err);
            if (status == VARVE_OK) {
                rows += i % 20 == 19 ? 4 : 1;
            } else {
                check_status(VARVE_E_NOMEM, status);
                has_failed = true;
            }
            assert_int_equal(rows, world.batch->row_count);
        }
        failing_alloc_plan(&world.failing, 0, false);
        uint64_t in_runs = 0;
        for (size_t i = 0; i < op_count(&world); i++) {
            assert_int_equal(in_runs, VV_VEC_AT(&world.batch->ops, vv_batch_op, i)->first_row);
            in_runs += run_at(&world, i)->count;
        }
        assert_int_equal(rows, in_runs);
        world_end(&world);
        if (!has_failed) {
            assert_true(at_request > 3);
            return;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_one_shape_share_a_run),
        cmocka_unit_test(bad_rows_are_refused_and_add_nothing),
        cmocka_unit_test(packed_columns_are_borrowed),
        cmocka_unit_test(strides_and_absent_rows_are_packed),
        cmocka_unit_test(bools_become_zero_and_one),
        cmocka_unit_test(offsets_and_dictionaries_become_texts),
        cmocka_unit_test(histograms_become_canonical_bytes),
        cmocka_unit_test(bad_columns_are_refused_and_add_nothing),
        cmocka_unit_test(columns_at_odd_addresses_are_copied),
        cmocka_unit_test(columns_without_any_bytes_hold_empty_texts),
        cmocka_unit_test(flags_and_nested_dictionaries_are_refused),
        cmocka_unit_test(columns_that_find_no_memory_add_nothing),
        cmocka_unit_test(deletes_keep_their_place_among_the_rows),
        cmocka_unit_test(a_batch_that_is_used_again_asks_for_no_memory),
        cmocka_unit_test(a_failed_allocation_adds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
