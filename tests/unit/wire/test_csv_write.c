/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/slice.h"
#include "base/status.h"
#include "model/value.h"
#include "support/check.h"
#include "support/failing_alloc.h"
#include "wire/csv_write.h"
#include "wire/decode.h"

#define ROWS   40u
#define FIELDS 9u

/* A table of one series in memory, and the columns of its text. */
typedef struct table {
    varve_text metric;
    varve_label labels[3];
    size_t label_count;
    int64_t times[ROWS];
    size_t rows;
    varve_text names[FIELDS];
    varve_value values[FIELDS][ROWS];
    varve_column columns[FIELDS];
} table;

typedef struct world {
    vv_alloc alloc;
    vv_arena arena;
    vv_buf text;
    table table;
    size_t next_row; /* that the decoder is to give */
} world;

static void begin(world *w)
{
    memset(w, 0, sizeof *w);
    vv_alloc_init(&w->alloc, NULL);
    vv_arena_init(&w->arena, &w->alloc, SIZE_MAX);
    vv_buf_init(&w->text, &w->alloc, SIZE_MAX);
}

static void end(world *w)
{
    vv_arena_deinit(&w->arena);
    vv_buf_deinit(&w->text);
    assert_int_equal(vv_alloc_bytes(&w->alloc), 0);
}

/* ---- random tables ---- */

static varve_text random_text(vv_random *random, vv_arena *arena)
{
    static const char *const words[] = {
        "",      "a",    "\"",   ",",  "\n",   "\r",    "\\",
        "\\x",   "\\\\", ";",    "\t", " ",    "\"\"",  "NaN",
        "i64:",  "é",    "\r\n", "=",  "true", "x:f64", "\xF0\x9F\x8C\xB2",
        "time:", "{}",   "0"};
    char text[64];
    size_t size = 0;
    for (uint64_t n = vv_random_below(random, 5); n > 0; n--) {
        varve_text word =
            vv_text_from_string(words[vv_random_below(random, VV_ARRAY_COUNT(words))]);
        memcpy(text + size, word.data, word.size);
        size += word.size;
    }
    varve_text copy;
    assert_int_equal(vv_arena_copy(arena, vv_text_make(text, size), &copy), VARVE_OK);
    return copy;
}

static double random_f64(vv_random *random)
{
    static const uint64_t odd[] = {0x7ff8000000000000, 0x7ff0000000000002, 0xfff8000000000001,
                                   0x7ff0000000000000, 0xfff0000000000000, 0x8000000000000000,
                                   0x0000000000000001, 0x7fefffffffffffff};
    uint64_t bits = vv_random_below(random, 3) == 0
                        ? odd[vv_random_below(random, VV_ARRAY_COUNT(odd))]
                        : vv_random_u64(random);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static const varve_histogram *random_histogram(vv_random *random, vv_arena *arena)
{
    varve_histogram *h = vv_arena_zeroed(arena, sizeof *h);
    varve_span *span = vv_arena_zeroed(arena, sizeof *span);
    int64_t *deltas = vv_arena_zeroed(arena, 2 * sizeof *deltas);
    assert_true(h != NULL && span != NULL && deltas != NULL);
    span->length = 2;
    deltas[0] = vv_random_between(random, 0, 9);
    deltas[1] = vv_random_between(random, 0, 9);
    h->sum = vv_random_f64(random);
    h->zero_threshold = 0.001;
    h->count.u64 = (uint64_t)(2 * deltas[0] + deltas[1]);
    h->positive_spans = span;
    h->positive_span_count = 1;
    h->positive_deltas = deltas;
    h->positive_bucket_count = 2;
    return h;
}

static varve_value random_value(vv_random *random, uint32_t type, vv_arena *arena)
{
    static const int64_t edges[] = {INT64_MIN, INT64_MAX, 0, -1, 1};
    varve_value value = {.type = type};
    switch (type) {
    case VARVE_TYPE_F64:
        value.as.f64 = random_f64(random);
        break;
    case VARVE_TYPE_I64:
        value.as.i64 = edges[vv_random_below(random, 5)];
        break;
    case VARVE_TYPE_U64:
        value.as.u64 = vv_random_below(random, 2) == 0 ? UINT64_MAX : vv_random_u64(random);
        break;
    case VARVE_TYPE_BOOL:
        value.as.boolean = vv_random_below(random, 2) == 0;
        break;
    case VARVE_TYPE_HISTOGRAM:
        value.as.histogram = random_histogram(random, arena);
        break;
    default:
        value.as.bytes = random_text(random, arena);
        break;
    }
    return value;
}

/** A type that a column of a type may hold. */
static uint32_t random_type(vv_random *random, uint32_t column_type)
{
    if (column_type == VV_CSV_TEXT) {
        return vv_random_below(random, 2) == 0 ? VARVE_TYPE_STRING : VARVE_TYPE_BYTES;
    }
    return column_type == VV_CSV_MIXED ? (uint32_t)vv_random_between(random, 1, 7) : column_type;
}

static void random_table(world *w, vv_random *random, const uint32_t *types)
{
    table *t = &w->table;
    static const char *const label_names[] = {"a", "a:label", "b,\"c\"\n"};
    t->metric = VV_TEXT("some \"metric\"");
    t->label_count = 0;
    for (size_t i = 0; i < 3; i++) {
        if (vv_random_below(random, 4) > 0) {
            t->labels[t->label_count].name = vv_text_from_string(label_names[i]);
            t->labels[t->label_count].value = random_text(random, &w->arena);
            t->label_count += 1;
        }
    }
    t->rows = 1 + vv_random_below(random, ROWS);
    for (size_t row = 0; row < t->rows; row++) {
        t->times[row] = (int64_t)vv_random_u64(random);
    }
    for (size_t f = 0; f < FIELDS; f++) {
        char name[32];
        snprintf(name, sizeof name, "field %zu:%s", f, f % 2 == 0 ? "f64" : ",");
        check_ok(vv_arena_copy(&w->arena, vv_text_from_string(name), &t->names[f]), NULL);
        for (size_t row = 0; row < t->rows; row++) {
            t->values[f][row] = (varve_value){.type = VARVE_TYPE_NONE};
            if (vv_random_below(random, 3) > 0) {
                t->values[f][row] = random_value(random, random_type(random, types[f]), &w->arena);
            }
        }
        t->columns[f] = (varve_column){.type = VARVE_TYPE_MIXED, .values = t->values[f]};
    }
}

static void write_table(world *w, const uint32_t *types)
{
    const vv_csv_column *columns;
    size_t count;
    varve_error err = {.message = ""};
    vv_csv_layout layout;
    vv_csv_writer writer;
    table *t = &w->table;
    vv_csv_layout_init(&layout, &w->alloc, &w->arena);
    for (size_t f = FIELDS; f > 0; f--) {
        check_ok(vv_csv_layout_field(&layout, t->names[f - 1],
                                     vv_text_from_string(vv_csv_type_name(types[f - 1])), &err),
                 &err);
    }
    for (size_t i = 0; i < t->label_count; i++) {
        check_ok(vv_csv_layout_label(&layout, t->labels[i].name, &err), &err);
        check_ok(vv_csv_layout_label(&layout, t->labels[i].name, &err), &err); /* once */
    }
    check_ok(vv_csv_layout_end(&layout, VARVE_PRECISION_NS, &columns, &count, &err), &err);
    assert_int_equal(count, 2 + t->label_count + FIELDS);
    varve_block block = {.struct_size = sizeof block,
                         .rows = t->rows,
                         .timestamps = t->times,
                         .metric = t->metric,
                         .labels = t->labels,
                         .label_count = t->label_count,
                         .columns = t->columns,
                         .column_names = t->names,
                         .column_count = FIELDS};
    vv_buf_reset(&w->text);
    vv_csv_writer_init(&writer, &w->alloc, columns, count, VARVE_PRECISION_NS);
    check_ok(vv_csv_writer_header(&writer, true, &w->text, &err), &err);
    size_t half = t->rows / 2;
    check_ok(vv_csv_writer_rows(&writer, &block, 0, half, &w->text, &err), &err);
    check_ok(vv_csv_writer_rows(&writer, &block, half, t->rows, &w->text, &err), &err);
    assert_false(writer.has_lost);
    vv_csv_writer_deinit(&writer);
    vv_csv_layout_deinit(&layout);
}

static bool has_values(const table *t, size_t row)
{
    bool has = false;
    for (size_t f = 0; f < FIELDS; f++) {
        has = has || t->values[f][row].type != VARVE_TYPE_NONE;
    }
    return has;
}

static varve_status compare_rows(void *context, vv_decoder *decoder, const vv_wire_rows *rows,
                                 varve_error *out_err)
{
    world *w = context;
    const table *t = &w->table;
    varve_text metric;
    varve_label *labels;
    size_t count;
    vv_arena arena;
    while (w->next_row < t->rows && !has_values(t, w->next_row)) {
        w->next_row += 1;
    }
    size_t row = w->next_row;
    w->next_row += 1;
    assert_true(row < t->rows);
    vv_arena_init(&arena, &w->alloc, SIZE_MAX);
    check_ok(vv_decoder_series(decoder, rows, &arena, &metric, &labels, &count, out_err), out_err);
    assert_true(vv_text_equal(metric, t->metric));
    assert_int_equal(count, t->label_count);
    for (size_t i = 0; i < count; i++) {
        assert_true(vv_text_equal(labels[i].name, t->labels[i].name));
        assert_true(vv_text_equal(labels[i].value, t->labels[i].value));
    }
    assert_true(rows->timestamps[0] == t->times[row]);
    assert_int_equal(rows->field_count, FIELDS);
    for (size_t f = 0; f < FIELDS; f++) {
        assert_true(vv_text_equal(rows->names[f], t->names[f]));
        assert_true(vv_value_equal(&rows->values[f], &t->values[f][row]));
    }
    vv_arena_deinit(&arena);
    return VARVE_OK;
}

static void no_reject(void *context, const vv_wire_bad *bad)
{
    (void)context;
    fail_msg("line %" PRIu64 ", %" PRIu64 " rows: %s", bad->line, bad->count, bad->why->message);
}

static void read_table(world *w, size_t piece)
{
    varve_error err = {.message = ""};
    vv_decoder *decoder;
    vv_csv_options csv = {.has_header = true};
    vv_decoder_options options = {.precision = VARVE_PRECISION_NS, .format_options = &csv};
    vv_wire_sink sink = {.context = w, .rows = compare_rows, .reject = no_reject};
    check_ok(vv_decoder_create(VV_FORMAT_CSV, &w->alloc, &options, &sink, &decoder, &err), &err);
    w->next_row = 0;
    for (size_t at = 0; at < w->text.size; at += piece) {
        varve_text part = vv_text_sub(vv_buf_text(&w->text), at, piece);
        check_ok(vv_decoder_feed(decoder, vv_bytes_of_text(part), &err), &err);
    }
    check_ok(vv_decoder_end(decoder, &err), &err);
    while (w->next_row < w->table.rows && !has_values(&w->table, w->next_row)) {
        w->next_row += 1;
    }
    assert_int_equal(w->next_row, w->table.rows);
    assert_false(vv_decoder_has_lost_digits(decoder));
    vv_decoder_free(decoder);
}

static void csv_tables_under_typed_headers_read_back_the_same(void **state)
{
    (void)state;
    static const uint32_t types[FIELDS] = {VARVE_TYPE_F64,  VARVE_TYPE_I64, VARVE_TYPE_U64,
                                           VARVE_TYPE_BOOL, VV_CSV_TEXT,    VARVE_TYPE_HISTOGRAM,
                                           VV_CSV_MIXED,    VV_CSV_TEXT,    VARVE_TYPE_F64};
    for (uint64_t seed = 1; seed <= 40; seed++) {
        world w;
        vv_random random;
        print_message("seed %" PRIu64 "\n", seed);
        begin(&w);
        vv_random_init(&random, seed);
        random_table(&w, &random, types);
        write_table(&w, types);
        read_table(&w, SIZE_MAX / 2);
        read_table(&w, 1 + vv_random_below(&random, 50));
        end(&w);
    }
}

static void csv_values_keep_their_type_and_bits(void **state)
{
    (void)state;
    static const uint32_t types[] = {VARVE_TYPE_F64,      VARVE_TYPE_I64,   VARVE_TYPE_U64,
                                     VARVE_TYPE_BOOL,     VARVE_TYPE_BYTES, VARVE_TYPE_STRING,
                                     VARVE_TYPE_HISTOGRAM};
    world w;
    vv_random random;
    begin(&w);
    print_message("seed 77\n");
    vv_random_init(&random, 77);
    for (size_t n = 0; n < 2000; n++) {
        uint32_t own = types[n % VV_ARRAY_COUNT(types)];
        bool is_text = own == VARVE_TYPE_BYTES || own == VARVE_TYPE_STRING;
        uint32_t as = n % 3 == 0              ? (uint32_t)VV_CSV_MIXED
                      : n % 3 == 1 && is_text ? VV_CSV_TEXT
                                              : own;
        varve_value value = random_value(&random, own, &w.arena);
        varve_value back;
        varve_error err = {.message = ""};
        bool needs_quotes = false;
        vv_buf_reset(&w.text);
        vv_csv_value_write(&w.text, &value, as, &needs_quotes);
        vv_csv_cell cell = {.text = vv_buf_text(&w.text), .is_quoted = needs_quotes};
        check_ok(vv_csv_value_read(&cell, as, &w.arena, &back, &err), &err);
        assert_true(vv_value_equal(&value, &back));
    }
    end(&w);
}

static void csv_values_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *cell;
        uint32_t type;
    } bad[] = {
        {"x", VARVE_TYPE_F64},         {"1,5", VARVE_TYPE_F64},
        {"-nan", VARVE_TYPE_F64},      {"0x10", VARVE_TYPE_I64},
        {"1.0", VARVE_TYPE_I64},       {"-1", VARVE_TYPE_U64},
        {"2", VARVE_TYPE_BOOL},        {"a", VARVE_TYPE_BYTES},
        {"\\y00", VV_CSV_TEXT},        {"\\x0", VV_CSV_TEXT},
        {"\\", VV_CSV_TEXT},           {"\\xzz", VV_CSV_TEXT},
        {"5", VV_CSV_MIXED},           {"f32:5", VV_CSV_MIXED},
        {"f64:", VV_CSV_MIXED},        {"i64:x", VV_CSV_MIXED},
        {"mixed:i64:5", VV_CSV_MIXED}, {"{", VARVE_TYPE_HISTOGRAM},
        {"{}", VARVE_TYPE_HISTOGRAM},  {"9223372036854775808", VARVE_TYPE_I64},
    };
    world w;
    begin(&w);
    for (size_t i = 0; i < VV_ARRAY_COUNT(bad); i++) {
        varve_value value;
        vv_csv_cell cell = {.text = vv_text_from_string(bad[i].cell)};
        varve_status status = vv_csv_value_read(&cell, bad[i].type, &w.arena, &value, NULL);
        if (status != VARVE_E_INVALID) {
            print_error("%s\n", bad[i].cell);
        }
        check_status(VARVE_E_INVALID, status);
    }
    end(&w);
}

static void csv_for_people_has_plain_names_and_values(void **state)
{
    (void)state;
    const vv_csv_column *columns;
    size_t count;
    world w;
    varve_error err = {.message = ""};
    begin(&w);
    check_ok(vv_csv_export_parse(VV_TEXT("__name__,job,gone,__value__,__value__:n,"
                                         "__timestamp__:rfc3339,__timestamp__:unix_s"),
                                 &w.arena, &columns, &count, &err),
             &err);
    static const int64_t times[] = {0, 1500, 3000};
    static const double values[] = {1.5, 2.0, 0.0};
    static const int64_t numbers[] = {1, 2, 3};
    static const uint64_t present[] = {1};
    static const uint64_t others[] = {3};
    const varve_column data[] = {{.type = VARVE_TYPE_I64, .values = numbers, .present = present},
                                 {.type = VARVE_TYPE_F64, .values = values, .present = others}};
    const varve_text names[] = {VARVE_STR("n"), VARVE_STR("value")};
    const varve_label label = {VARVE_STR("job"), VARVE_STR("a,b")};
    varve_block block = {.struct_size = sizeof block,
                         .rows = 3,
                         .timestamps = times,
                         .metric = VARVE_STR("up"),
                         .labels = &label,
                         .label_count = 1,
                         .columns = data,
                         .column_names = names,
                         .column_count = 2};
    vv_csv_writer writer;
    vv_csv_writer_init(&writer, &w.alloc, columns, count, VARVE_PRECISION_MS);
    check_ok(vv_csv_writer_header(&writer, false, &w.text, &err), &err);
    check_ok(vv_csv_writer_rows(&writer, &block, 0, 3, &w.text, &err), &err);
    vv_buf_append_char(&w.text, '\0');
    assert_string_equal((const char *)w.text.data,
                        "metric,job,gone,value,n,time,time\r\n"
                        "up,\"a,b\",,1.5,1,1970-01-01T00:00:00.000Z,0\r\n"
                        "up,\"a,b\",,2.0,,1970-01-01T00:00:01.500Z,1\r\n");
    assert_true(writer.has_lost);
    assert_int_equal(writer.rows, 2);
    vv_csv_writer_deinit(&writer);
    end(&w);
}

static void csv_refuses_a_value_of_a_type_that_its_column_has_not(void **state)
{
    (void)state;
    const vv_csv_column columns[] = {
        {.role = VV_CSV_FIELD, .name = VARVE_STR("v"), .type = VARVE_TYPE_I64}};
    static const double values[] = {1.5};
    const varve_column data = {.type = VARVE_TYPE_F64, .values = values};
    const varve_text name = VARVE_STR("v");
    varve_block block = {.rows = 1, .columns = &data, .column_names = &name, .column_count = 1};
    world w;
    begin(&w);
    vv_csv_writer writer;
    varve_error err = {.message = ""};
    vv_csv_writer_init(&writer, &w.alloc, columns, 1, VARVE_PRECISION_MS);
    check_status(VARVE_E_CONFLICT, vv_csv_writer_rows(&writer, &block, 0, 1, &w.text, &err));
    assert_string_equal(err.message, "field v has become f64 while it was exported as i64");
    vv_csv_writer_deinit(&writer);
    end(&w);
}

static void csv_layouts_unite_types_and_are_bounded(void **state)
{
    (void)state;
    const vv_csv_column *columns;
    size_t count;
    world w;
    vv_csv_layout layout;
    begin(&w);
    vv_csv_layout_init(&layout, &w.alloc, &w.arena);
    check_ok(vv_csv_layout_field(&layout, VV_TEXT("a"), VV_TEXT("f64"), NULL), NULL);
    check_ok(vv_csv_layout_field(&layout, VV_TEXT("a"), VV_TEXT("i64"), NULL), NULL);
    check_ok(vv_csv_layout_field(&layout, VV_TEXT("b"), VV_TEXT("string"), NULL), NULL);
    check_ok(vv_csv_layout_field(&layout, VV_TEXT("b"), VV_TEXT("bytes"), NULL), NULL);
    check_ok(vv_csv_layout_field(&layout, VV_TEXT("c"), VV_TEXT("mixed"), NULL), NULL);
    check_ok(vv_csv_layout_end(&layout, VARVE_PRECISION_S, &columns, &count, NULL), NULL);
    assert_int_equal(count, 5);
    assert_int_equal(columns[0].time.kind, VV_CSV_UNIX_S);
    assert_int_equal(columns[2].type, VV_CSV_MIXED);
    assert_int_equal(columns[3].type, VV_CSV_TEXT);
    assert_int_equal(columns[4].type, VV_CSV_MIXED);
    for (uint32_t i = 3; i + 2 <= VV_CSV_COLUMNS_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "l%u", i);
        check_status(i + 2 < VV_CSV_COLUMNS_MAX ? VARVE_OK : VARVE_E_LIMIT,
                     vv_csv_layout_label(&layout, vv_text_from_string(name), NULL));
    }
    vv_csv_layout_deinit(&layout);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_tables_under_typed_headers_read_back_the_same),
        cmocka_unit_test(csv_values_keep_their_type_and_bits),
        cmocka_unit_test(csv_values_that_do_not_fit_are_refused),
        cmocka_unit_test(csv_for_people_has_plain_names_and_values),
        cmocka_unit_test(csv_refuses_a_value_of_a_type_that_its_column_has_not),
        cmocka_unit_test(csv_layouts_unite_types_and_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
