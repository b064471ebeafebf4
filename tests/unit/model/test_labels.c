/* SPDX-License-Identifier: Apache-2.0 */
#include "model/labels.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/random.h"
#include "support/check.h"
#include "support/failing_alloc.h"

#define LABEL(n, v)                                       \
    {                                                     \
        .name = VV_TEXT_INIT(n), .value = VV_TEXT_INIT(v) \
    }

static varve_text repeated(char *memory, size_t size)
{
    memset(memory, 'a', size);
    return vv_text_make(memory, size);
}

static void names_keep_their_limits(void **state)
{
    (void)state;
    static char memory[VV_METRIC_BYTES_MAX + 1];
    varve_error err;
    assert_int_equal(vv_metric_check(repeated(memory, 1), &err), VARVE_OK);
    assert_int_equal(vv_metric_check(repeated(memory, VV_METRIC_BYTES_MAX), &err), VARVE_OK);
    assert_int_equal(vv_metric_check(repeated(memory, VV_METRIC_BYTES_MAX + 1), &err),
                     VARVE_E_INVALID);
    assert_string_equal(err.message, "metric name too long: 65536 bytes, max 65535");
    assert_int_equal(vv_metric_check(VV_TEXT(""), &err), VARVE_E_INVALID);
    assert_string_equal(err.message, "metric name is required");
    assert_int_equal(vv_label_name_check(repeated(memory, 256), &err), VARVE_OK);
    assert_int_equal(vv_label_name_check(repeated(memory, 257), &err), VARVE_E_INVALID);
    assert_string_equal(err.message, "label name too long: 257 bytes, max 256");
    assert_int_equal(vv_label_name_check(VV_TEXT(""), &err), VARVE_E_INVALID);
    assert_string_equal(err.message, "label name must be non-empty");
    assert_int_equal(vv_field_name_check(repeated(memory, 256), &err), VARVE_OK);
    assert_int_equal(vv_field_name_check(repeated(memory, 257), &err), VARVE_E_INVALID);
    assert_int_equal(vv_field_name_check(VV_TEXT("a\xFFz"), &err), VARVE_E_INVALID);
    assert_string_equal(err.message, "field name is not UTF-8 at byte 2");
}

static void label_sets_keep_their_limits(void **state)
{
    (void)state;
    static char memory[VV_LABEL_VALUE_BYTES_MAX + 1];
    varve_error err;
    varve_label one[] = {{.name = VV_TEXT_INIT("host")}};
    one[0].value = repeated(memory, VV_LABEL_VALUE_BYTES_MAX);
    assert_int_equal(vv_labels_check(one, 1, &err), VARVE_OK);
    one[0].value = repeated(memory, VV_LABEL_VALUE_BYTES_MAX + 1);
    assert_int_equal(vv_labels_check(one, 1, &err), VARVE_E_INVALID);
    assert_string_equal(err.message, "label 'host': value too long: 16385 bytes, max 16384");
    one[0].value = VV_TEXT("\xC0\x80");
    assert_int_equal(vv_labels_check(one, 1, &err), VARVE_E_INVALID);
    assert_string_equal(err.message, "label 'host': value is not UTF-8 at byte 1");
    one[0].value = VV_TEXT("");
    assert_int_equal(vv_labels_check(one, 1, &err), VARVE_OK);

    static varve_label many[VV_LABELS_MAX + 1];
    static char names[VV_LABELS_MAX + 1][4];
    for (size_t index = 0; index <= VV_LABELS_MAX; index++) {
        (void)snprintf(names[index], sizeof names[index], "%03x", (unsigned)index);
        many[index].name = vv_text_make(names[index], 3);
    }
    assert_int_equal(vv_labels_check(many, VV_LABELS_MAX, &err), VARVE_OK);
    assert_int_equal(vv_labels_check(many, VV_LABELS_MAX + 1, &err), VARVE_E_INVALID);
    assert_string_equal(err.message, "too many labels: 257, max 256");
}

static void duplicates_are_reported_before_lengths(void **state)
{
    (void)state;
    static char memory[VV_LABEL_VALUE_BYTES_MAX + 1];
    varve_label labels[] = {LABEL("b", "1"), LABEL("a", ""), LABEL("b", "2")};
    labels[1].value = repeated(memory, sizeof memory);
    varve_error err;
    vv_labels_sort(labels, 3);
    assert_false(vv_labels_are_sorted(labels, 3));
    assert_int_equal(vv_labels_check(labels, 3, &err), VARVE_E_INVALID);
    assert_string_equal(err.message, "duplicate label 'b'");
}

static void sorting_orders_names_bytewise(void **state)
{
    (void)state;
    varve_label labels[] = {LABEL("z", "1"), LABEL("\xC3\xA4", "2"), LABEL("B", "3"),
                            LABEL("a", "4"), LABEL("aa", "5")};
    vv_labels_sort(labels, 5);
    const char *order = "34512";
    for (size_t index = 0; index < 5; index++) {
        assert_int_equal(labels[index].value.data[0], order[index]);
    }
    assert_true(vv_labels_are_sorted(labels, 5));
    varve_text value = VV_TEXT("untouched");
    assert_true(vv_labels_find(labels, 5, VV_TEXT("aa"), &value));
    assert_true(vv_text_equal(value, VV_TEXT("5")));
    assert_false(vv_labels_find(labels, 5, VV_TEXT("ab"), &value));
    assert_true(vv_text_equal(value, VV_TEXT("5")));
    assert_false(vv_labels_find(labels, 0, VV_TEXT("a"), &value));
}

static void label_sets_compare_as_lists(void **state)
{
    (void)state;
    varve_label a[] = {LABEL("a", "1"), LABEL("b", "2")};
    varve_label b[] = {LABEL("a", "1"), LABEL("c", "")};
    varve_label c[] = {LABEL("a", "10"), LABEL("b", "2")};
    assert_int_equal(vv_labels_compare(a, 2, a, 2), 0);
    assert_true(vv_labels_compare(a, 1, a, 2) < 0);
    assert_true(vv_labels_compare(a, 2, a, 0) > 0);
    assert_true(vv_labels_compare(a, 2, b, 2) < 0);
    assert_true(vv_labels_compare(a, 2, c, 2) < 0);
    assert_true(vv_labels_compare(b, 2, c, 2) < 0);
}

static void identity_round_trips_and_hashes_as_its_bytes(void **state)
{
    (void)state;
    uint64_t seed = 20240117;
    print_message("seed %llu\n", (unsigned long long)seed);
    vv_random random;
    vv_random_init(&random, seed);
    failing_alloc failing;
    failing_alloc_init(&failing);
    vv_alloc alloc;
    varve_allocator source = failing_alloc_source(&failing);
    vv_alloc_init(&alloc, &source);
    static char memory[8192];
    for (int round = 0; round < 300; round++) {
        varve_label labels[40];
        char names[40][8];
        size_t count = (size_t)vv_random_below(&random, 40);
        for (size_t index = 0; index < count; index++) {
            (void)snprintf(names[index], sizeof names[index], "n%02zu", index);
            labels[index].name = vv_text_make(names[index], 3);
            labels[index].value =
                repeated(memory, (size_t)vv_random_below(&random, round % 10 == 0 ? 8192 : 40));
        }
        varve_text metric = repeated(memory, 1 + (size_t)vv_random_below(&random, 2000));
        vv_buf buf;
        vv_buf_init(&buf, &alloc, SIZE_MAX);
        assert_int_equal(vv_series_identity_write(&buf, metric, labels, count), VARVE_OK);
        assert_int_equal(buf.size, vv_series_identity_size(metric, labels, count));
        assert_int_equal(vv_hash64(buf.data, buf.size, seed),
                         vv_series_identity_hash(metric, labels, count, seed));
        vv_arena arena;
        vv_arena_init(&arena, &alloc, SIZE_MAX);
        varve_text read_metric;
        const varve_label *read_labels;
        size_t read_count;
        varve_error err;
        assert_int_equal(vv_series_identity_read(vv_buf_bytes(&buf), &arena, &read_metric,
                                                 &read_labels, &read_count, &err),
                         VARVE_OK);
        assert_true(vv_text_equal(metric, read_metric));
        assert_int_equal(vv_labels_compare(labels, count, read_labels, read_count), 0);
        for (size_t cut = 0; cut < buf.size && cut < 60; cut++) {
            vv_bytes part = {.data = buf.data, .size = cut};
            varve_status status = vv_series_identity_read(part, &arena, &read_metric, &read_labels,
                                                          &read_count, &err);
            /* A cut behind a label is another series. */
            assert_true(status == VARVE_E_CORRUPT || status == VARVE_OK);
            assert_true(status != VARVE_OK ||
                        cut == vv_series_identity_size(read_metric, read_labels, read_count));
        }
        vv_arena_deinit(&arena);
        vv_buf_deinit(&buf);
    }
    assert_int_equal(failing.live, 0);
}

static void identities_out_of_order_are_corrupt(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_arena arena;
    vv_arena_init(&arena, &alloc, SIZE_MAX);
    static const struct {
        const char *bytes;
        size_t size;
        const char *message;
    } cases[] = {
        {"\0\0", 2, "series identity: metric name is required"},
        {"\1\0m\1\0b\0\0\1\0a\0\0", 13, "series identity: labels are not in order"},
        {"\1\0m\1\0a\0\0\1\0a\0\0", 13, "series identity: labels are not in order"},
        {"\1\0m\0\0\0\0", 7, "series identity: label name must be non-empty"},
        {"\1\0m\1\0a", 6, "series identity: 6 bytes end inside a part"},
        {"", 0, "series identity: 0 bytes end inside a part"},
    };
    for (size_t index = 0; index < VV_ARRAY_COUNT(cases); index++) {
        varve_text metric;
        const varve_label *labels;
        size_t count;
        varve_error err;
        vv_bytes bytes = vv_bytes_make(cases[index].bytes, cases[index].size);
        assert_int_equal(vv_series_identity_read(bytes, &arena, &metric, &labels, &count, &err),
                         VARVE_E_CORRUPT);
        assert_string_equal(err.message, cases[index].message);
        assert_null(labels);
    }
    vv_arena_deinit(&arena);
}

static void identities_of_too_many_labels_are_corrupt(void **state)
{
    (void)state;
    for (size_t count = VV_LABELS_MAX; count <= VV_LABELS_MAX + 1; count++) {
        failing_alloc failing;
        failing_alloc_init(&failing);
        varve_allocator source = failing_alloc_source(&failing);
        vv_alloc alloc;
        vv_alloc_init(&alloc, &source);
        vv_buf buf;
        vv_buf_init(&buf, &alloc, SIZE_MAX);
        vv_buf_append(&buf, "\1\0m", 3);
        for (size_t index = 0; index < count; index++) {
            vv_buf_append_u16(&buf, 3);
            vv_buf_append_format(&buf, "%03zu", index);
            vv_buf_append_u16(&buf, 0);
        }
        vv_arena arena;
        vv_arena_init(&arena, &alloc, SIZE_MAX);
        varve_text metric;
        const varve_label *labels;
        size_t read;
        failing_alloc_plan(&failing, 1, true);
        varve_status status =
            vv_series_identity_read(vv_buf_bytes(&buf), &arena, &metric, &labels, &read, NULL);
        bool is_legal = count == VV_LABELS_MAX;
        check_status(is_legal ? VARVE_E_NOMEM : VARVE_E_CORRUPT, status);
        if (is_legal) {
            check_ok(
                vv_series_identity_read(vv_buf_bytes(&buf), &arena, &metric, &labels, &read, NULL),
                NULL);
            assert_int_equal(read, count);
        }
        vv_arena_deinit(&arena);
        vv_buf_deinit(&buf);
        assert_int_equal(failing.live, 0);
    }
}

static void assert_prints(varve_text metric, const varve_label *labels, size_t count,
                          const char *expected)
{
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_buf buf;
    vv_buf_init(&buf, &alloc, SIZE_MAX);
    assert_int_equal(vv_series_print(&buf, metric, labels, count), VARVE_OK);
    assert_int_equal(buf.size, strlen(expected));
    assert_memory_equal(buf.data, expected, buf.size);
    vv_buf_deinit(&buf);
}

static void series_print_as_selector_text(void **state)
{
    (void)state;
    varve_label labels[] = {LABEL("host", "a"), LABEL("odd name", "q\"\\\n\r\t\x01")};
    assert_prints(VV_TEXT("cpu.load-1/x"), NULL, 0, "cpu.load-1/x");
    assert_prints(VV_TEXT("cpu"), labels, 2,
                  "cpu{host=\"a\",\"odd name\"=\"q\\\"\\\\\\n\\r\\t\\x01\"}");
    assert_prints(VV_TEXT("a b"), NULL, 0, "{\"a b\"}");
    assert_prints(VV_TEXT("a=b"), labels, 1, "{\"a=b\",host=\"a\"}");
}

static void internal_metrics_are_known_by_their_prefix(void **state)
{
    (void)state;
    assert_true(vv_metric_is_internal(VV_TEXT("varve.ids")));
    assert_false(vv_metric_is_internal(VV_TEXT("varve")));
    assert_false(vv_metric_is_internal(VV_TEXT("varves.ids")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_keep_their_limits),
        cmocka_unit_test(label_sets_keep_their_limits),
        cmocka_unit_test(duplicates_are_reported_before_lengths),
        cmocka_unit_test(sorting_orders_names_bytewise),
        cmocka_unit_test(label_sets_compare_as_lists),
        cmocka_unit_test(identity_round_trips_and_hashes_as_its_bytes),
        cmocka_unit_test(identities_out_of_order_are_corrupt),
        cmocka_unit_test(identities_of_too_many_labels_are_corrupt),
        cmocka_unit_test(series_print_as_selector_text),
        cmocka_unit_test(internal_metrics_are_known_by_their_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
