/* SPDX-License-Identifier: Apache-2.0 */
/* Definitions, deletes and policies in the log. */
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/failing_alloc.h"
#include "wal/payload.h"

static failing_alloc payload_failing;
static vv_alloc payload_alloc;

static int payload_setup(void **state)
{
    (void)state;
    failing_alloc_init(&payload_failing);
    varve_allocator source = failing_alloc_source(&payload_failing);
    vv_alloc_init(&payload_alloc, &source);
    return 0;
}

static int payload_teardown(void **state)
{
    (void)state;
    assert_int_equal(0, vv_alloc_bytes(&payload_alloc));
    return 0;
}

static const varve_label payload_labels[] = {{VV_TEXT_INIT("host"), VV_TEXT_INIT("a")},
                                             {VV_TEXT_INIT("zone"), VV_TEXT_INIT("")}};

static const vv_wal_definition payload_definitions[] = {
    {.id = 1, .kind = 1, .metric = VV_TEXT_INIT("value")},
    {.id = 70000,
     .kind = 0,
     .metric = VV_TEXT_INIT("cpu"),
     .labels = payload_labels,
     .label_count = 2},
    {.id = UINT32_MAX, .kind = 0, .metric = VV_TEXT_INIT("m")},
};

static void payload_build(vv_buf *payload)
{
    vv_buf_init(payload, &payload_alloc, SIZE_MAX);
    for (size_t i = 0; i < VV_ARRAY_COUNT(payload_definitions); ++i) {
        varve_error err;
        check_ok(vv_payload_add_definition(payload, &payload_definitions[i], &err), &err);
    }
}

static void definitions_come_back_in_order(void **state)
{
    (void)state;
    vv_buf payload;
    vv_arena arena;
    payload_build(&payload);
    vv_arena_init(&arena, &payload_alloc, SIZE_MAX);
    vv_payload_reader reader;
    vv_payload_reader_init(&reader, vv_buf_bytes(&payload));
    vv_wal_definition read;
    bool has_more;
    varve_error err;
    for (size_t i = 0; i < VV_ARRAY_COUNT(payload_definitions); ++i) {
        const vv_wal_definition *wanted = &payload_definitions[i];
        check_ok(vv_payload_next_definition(&reader, &arena, &read, &has_more, &err), &err);
        assert_true(has_more);
        assert_int_equal(wanted->id, read.id);
        assert_int_equal(wanted->kind, read.kind);
        assert_true(vv_text_equal(wanted->metric, read.metric));
        assert_int_equal(wanted->label_count, read.label_count);
        for (size_t k = 0; k < read.label_count; ++k) {
            assert_true(vv_text_equal(wanted->labels[k].name, read.labels[k].name));
            assert_true(vv_text_equal(wanted->labels[k].value, read.labels[k].value));
        }
    }
    check_ok(vv_payload_next_definition(&reader, &arena, &read, &has_more, &err), &err);
    assert_false(has_more);
    vv_arena_deinit(&arena);
    vv_buf_deinit(&payload);
}

static varve_status payload_read_definitions(const uint8_t *bytes, size_t size, size_t *out_count)
{
    vv_arena arena;
    vv_arena_init(&arena, &payload_alloc, 1024 * 1024);
    vv_payload_reader reader;
    vv_payload_reader_init(&reader, vv_bytes_make(bytes, size));
    vv_wal_definition read;
    bool has_more = true;
    varve_status status = VARVE_OK;
    *out_count = 0;
    while (status == VARVE_OK && has_more) {
        status = vv_payload_next_definition(&reader, &arena, &read, &has_more, NULL);
        *out_count += status == VARVE_OK && has_more ? 1 : 0;
    }
    vv_arena_deinit(&arena);
    return status;
}

static void damaged_definitions_are_refused(void **state)
{
    (void)state;
    vv_buf payload;
    payload_build(&payload);
    size_t count;
    for (size_t size = 0; size < payload.size; ++size) {
        uint8_t *copy = malloc(size + 1);
        assert_non_null(copy);
        memcpy(copy, payload.data, size);
        varve_status status = payload_read_definitions(copy, size, &count);
        assert_true(status == VARVE_E_CORRUPT || count < VV_ARRAY_COUNT(payload_definitions));
        free(copy);
    }
    static const uint8_t kind[] = {2, 1, 1, 'a', 0};
    static const uint8_t no_metric[] = {0, 1, 0, 0};
    static const uint8_t no_label_name[] = {0, 1, 1, 'a', 1, 0, 0};
    static const uint8_t wide_id[] = {1, 0x80, 0x80, 0x80, 0x80, 0x10, 1, 'a'};
    check_status(VARVE_E_CORRUPT, payload_read_definitions(kind, sizeof kind, &count));
    check_status(VARVE_E_CORRUPT, payload_read_definitions(no_metric, sizeof no_metric, &count));
    check_status(VARVE_E_CORRUPT,
                 payload_read_definitions(no_label_name, sizeof no_label_name, &count));
    check_status(VARVE_E_CORRUPT, payload_read_definitions(wide_id, sizeof wide_id, &count));
    vv_buf_deinit(&payload);
}

static void definitions_survive_failing_memory(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 20; ++n) {
        vv_buf payload;
        vv_buf_init(&payload, &payload_alloc, SIZE_MAX);
        failing_alloc_plan(&payload_failing, n, true);
        for (size_t i = 0; i < VV_ARRAY_COUNT(payload_definitions); ++i) {
            size_t size = payload.size;
            varve_error err;
            varve_status status =
                vv_payload_add_definition(&payload, &payload_definitions[i], &err);
            if (status != VARVE_OK) {
                check_status(VARVE_E_NOMEM, status);
                assert_int_equal(size, payload.size);
                check_ok(vv_payload_add_definition(&payload, &payload_definitions[i], &err), &err);
            }
        }
        size_t count;
        varve_status status = payload_read_definitions(payload.data, payload.size, &count);
        assert_true(status == VARVE_OK || status == VARVE_E_NOMEM);
        failing_alloc_plan(&payload_failing, 0, true);
        vv_buf_deinit(&payload);
    }
}

static void a_delete_comes_back(void **state)
{
    (void)state;
    varve_error err;
    vv_selection *selection;
    vv_selection *read = NULL;
    varve_selection chosen = {.kind = VARVE_SELECT_TEXT, .text = VV_TEXT("cpu{host=~\"a.*\"}")};
    check_ok(vv_selection_compile(&chosen, 1, false, &payload_alloc, &selection, &err), &err);
    vv_buf payload;
    vv_buf_init(&payload, &payload_alloc, SIZE_MAX);
    varve_range range = {.start = -5, .end = INT64_MAX};
    check_ok(vv_payload_tombstone(&payload, range, selection, &err), &err);
    varve_range read_range;
    check_ok(
        vv_payload_read_tombstone(vv_buf_bytes(&payload), &payload_alloc, &read_range, &read, &err),
        &err);
    assert_int_equal(-5, read_range.start);
    assert_int_equal(INT64_MAX, read_range.end);
    vv_buf again;
    vv_buf_init(&again, &payload_alloc, SIZE_MAX);
    check_ok(vv_selection_encode(read, &again, &err), &err);
    assert_true(
        vv_bytes_equal(vv_bytes_make(payload.data + 17, payload.size - 17), vv_buf_bytes(&again)));
    for (size_t size = 0; size < payload.size; ++size) {
        vv_selection *none = NULL;
        varve_status status = vv_payload_read_tombstone(vv_bytes_make(payload.data, size),
                                                        &payload_alloc, &read_range, &none, &err);
        assert_true(status == VARVE_E_CORRUPT && none == NULL);
    }
    memset(payload.data + 1, 0xff, 8); /* start -1 ... */
    memset(payload.data + 9, 0xff, 8);
    vv_selection *none = NULL;
    check_status(VARVE_E_CORRUPT, vv_payload_read_tombstone(vv_buf_bytes(&payload), &payload_alloc,
                                                            &read_range, &none, &err));
    vv_buf_deinit(&again);
    vv_buf_deinit(&payload);
    vv_selection_free(read);
    vv_selection_free(selection);
}

static void a_delete_without_memory_leaves_the_payload_alone(void **state)
{
    (void)state;
    varve_error err;
    vv_selection *selection;
    check_ok(vv_selection_compile(NULL, 0, false, &payload_alloc, &selection, &err), &err);
    vv_buf payload;
    vv_buf_init(&payload, &payload_alloc, 10); /* the limit stands for memory that ran out */
    varve_range range = {.start = 0, .end = 1};
    check_status(VARVE_E_LIMIT, vv_payload_tombstone(&payload, range, selection, &err));
    assert_int_equal(0, payload.size);
    vv_buf_deinit(&payload);
    vv_buf_init(&payload, &payload_alloc, 17);
    check_status(VARVE_E_LIMIT, vv_payload_tombstone(&payload, range, selection, &err));
    assert_int_equal(0, payload.size);
    assert_int_equal(VARVE_OK, payload.status);
    vv_buf_deinit(&payload);
    vv_selection_free(selection);
}

static const vv_row_address payload_rows[] = {
    {.series = 1, .time = INT64_MIN, .row_id = 1},
    {.series = 1, .time = INT64_MIN, .row_id = INT64_MAX},
    {.series = 1, .time = 0, .row_id = 7},
    {.series = 1, .time = INT64_MAX, .row_id = 3},
    {.series = 300, .time = -5, .row_id = 1000000},
    {.series = UINT32_MAX, .time = 9, .row_id = 2},
};

/* All rows of a payload; those before a failure are compared too. */
static varve_status payload_walk_rows(vv_bytes payload, size_t *out_count)
{
    vv_payload_row_walk walk = {.left = payload};
    vv_row_address before = {0};
    vv_row_address row;
    bool has_more = true;
    varve_status status = VARVE_OK;
    *out_count = 0;
    while (status == VARVE_OK && has_more) {
        status = vv_payload_next_row(&walk, &row, &has_more, NULL);
        if (status == VARVE_OK && has_more) {
            assert_true(vv_row_address_compare(&before, &row) < 0);
            assert_true(row.row_id > 0 && row.series > 0);
            before = row;
            *out_count += 1;
        }
    }
    return status;
}

static void deletes_of_rows_come_back(void **state)
{
    (void)state;
    size_t count = VV_ARRAY_COUNT(payload_rows);
    vv_buf payload;
    varve_error err;
    vv_buf_init(&payload, &payload_alloc, SIZE_MAX);
    check_ok(vv_payload_row_tombstone(&payload, payload_rows, count, &err), &err);
    assert_true(vv_payload_is_row_tombstone(vv_buf_bytes(&payload)));
    vv_payload_row_walk walk = {.left = vv_buf_bytes(&payload)};
    vv_row_address row;
    bool has_more;
    for (size_t i = 0; i < count; ++i) {
        check_ok(vv_payload_next_row(&walk, &row, &has_more, &err), &err);
        assert_true(has_more && vv_row_address_compare(&row, &payload_rows[i]) == 0);
    }
    check_ok(vv_payload_next_row(&walk, &row, &has_more, &err), &err);
    assert_false(has_more);
    vv_selection *none;
    varve_range range;
    check_status(VARVE_E_CORRUPT, vv_payload_read_tombstone(vv_buf_bytes(&payload), &payload_alloc,
                                                            &range, &none, &err));
    vv_buf_deinit(&payload);
}

static void damaged_deletes_of_rows_are_refused(void **state)
{
    (void)state;
    size_t count;
    varve_error err;
    vv_buf payload;
    vv_buf_init(&payload, &payload_alloc, SIZE_MAX);
    check_ok(vv_payload_row_tombstone(&payload, payload_rows, VV_ARRAY_COUNT(payload_rows), &err),
             &err);
    for (size_t size = 0; size < payload.size; ++size) {
        uint8_t *copy = malloc(size + 1);
        assert_non_null(copy);
        memcpy(copy, payload.data, size);
        varve_status status = payload_walk_rows(vv_bytes_make(copy, size), &count);
        /* Cut between two series it is a shorter list. */
        assert_true(status == VARVE_E_CORRUPT || count == 4 || count == 5);
        free(copy);
    }
    for (size_t at = 0; at < 8 * payload.size; ++at) { /* any bit: refused, or still in order */
        payload.data[at / 8] ^= (uint8_t)(1u << (at % 8));
        (void)payload_walk_rows(vv_buf_bytes(&payload), &count);
        payload.data[at / 8] ^= (uint8_t)(1u << (at % 8));
    }
    vv_buf_deinit(&payload);
    static const uint8_t bad[][8] = {
        {0, 1, 1, 0, 2},          /* a delete by selection */
        {1, 0, 1, 0, 2},          /* series 0 */
        {1, 1, 0, 0, 2},          /* no row */
        {1, 1, 1, 0, 0},          /* row id 0 */
        {1, 1, 2, 0, 2, 0, 0},    /* the same row twice */
        {1, 1, 2, 0, 4, 0, 1},    /* descending row ids of one time */
        {1, 1, 1, 0, 2, 0, 1, 0}, /* a series again */
    };
    static const size_t sizes[] = {5, 5, 5, 5, 7, 7, 8};
    for (size_t i = 0; i < VV_ARRAY_COUNT(bad); ++i) {
        check_status(VARVE_E_CORRUPT, payload_walk_rows(vv_bytes_make(bad[i], sizes[i]), &count));
    }
}

static void deletes_of_rows_without_memory_leave_the_payload_alone(void **state)
{
    (void)state;
    varve_error err;
    vv_buf payload;
    vv_buf_init(&payload, &payload_alloc, 10);
    check_status(VARVE_E_LIMIT, vv_payload_row_tombstone(&payload, payload_rows,
                                                         VV_ARRAY_COUNT(payload_rows), &err));
    assert_int_equal(0, payload.size);
    assert_int_equal(VARVE_OK, payload.status);
    vv_buf_deinit(&payload);
}

static void a_policy_comes_back(void **state)
{
    (void)state;
    varve_error err;
    vv_buf payload;
    vv_buf_init(&payload, &payload_alloc, SIZE_MAX);
    check_ok(vv_payload_policy(&payload, VV_TEXT("cpu"), VARVE_DUPLICATES_ALL, true, &err), &err);
    varve_text metric;
    uint32_t duplicates;
    bool has_row_ids;
    check_ok(
        vv_payload_read_policy(vv_buf_bytes(&payload), &metric, &duplicates, &has_row_ids, &err),
        &err);
    assert_true(vv_text_equal(VV_TEXT("cpu"), metric));
    assert_int_equal(VARVE_DUPLICATES_ALL, duplicates);
    assert_true(has_row_ids);
    for (size_t size = 0; size < payload.size; ++size) {
        check_status(VARVE_E_CORRUPT,
                     vv_payload_read_policy(vv_bytes_make(payload.data, size), &metric, &duplicates,
                                            &has_row_ids, &err));
    }
    for (size_t at = payload.size - 2; at < payload.size; ++at) { /* duplicates, row ids */
        uint8_t before = payload.data[at];
        payload.data[at] = 9;
        check_status(VARVE_E_CORRUPT, vv_payload_read_policy(vv_buf_bytes(&payload), &metric,
                                                             &duplicates, &has_row_ids, &err));
        payload.data[at] = before;
    }
    (void)vv_buf_append_u8(&payload, 0);
    check_status(VARVE_E_CORRUPT, vv_payload_read_policy(vv_buf_bytes(&payload), &metric,
                                                         &duplicates, &has_row_ids, &err));
    payload.data[0] = 2;
    check_status(VARVE_E_UNSUPPORTED, vv_payload_read_policy(vv_buf_bytes(&payload), &metric,
                                                             &duplicates, &has_row_ids, &err));
    vv_buf_deinit(&payload);
}

static void a_ring_page_comes_back(void **state)
{
    (void)state;
    varve_error err;
    vv_buf payload;
    vv_wal_ring_page page = {.file_id = 7, .number = 3, .image = {(const uint8_t *)"image", 5}};
    vv_wal_ring_page found;
    vv_buf_init(&payload, &payload_alloc, SIZE_MAX);
    check_ok(vv_payload_ring_page(&payload, &page, &err), &err);
    assert_int_equal(16 + 5, payload.size);
    check_ok(vv_payload_read_ring_page(vv_buf_bytes(&payload), &found, &err), &err);
    assert_int_equal(7, found.file_id);
    assert_int_equal(3, found.number);
    assert_true(vv_bytes_equal(page.image, found.image));
    for (size_t size = 0; size <= 16; ++size) {
        check_status(VARVE_E_CORRUPT,
                     vv_payload_read_ring_page(vv_bytes_make(payload.data, size), &found, &err));
    }
    vv_buf_deinit(&payload);
    vv_buf_init(&payload, &payload_alloc, 20);
    check_status(VARVE_E_LIMIT, vv_payload_ring_page(&payload, &page, &err));
    assert_int_equal(0, payload.size);
    vv_buf_deinit(&payload);
}

int main(void)
{
#define payload_test(name) cmocka_unit_test_setup_teardown(name, payload_setup, payload_teardown)
    const struct CMUnitTest tests[] = {
        payload_test(definitions_come_back_in_order),
        payload_test(damaged_definitions_are_refused),
        payload_test(definitions_survive_failing_memory),
        payload_test(a_delete_comes_back),
        payload_test(a_delete_without_memory_leaves_the_payload_alone),
        payload_test(deletes_of_rows_come_back),
        payload_test(damaged_deletes_of_rows_are_refused),
        payload_test(deletes_of_rows_without_memory_leave_the_payload_alone),
        payload_test(a_policy_comes_back),
        payload_test(a_ring_page_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
