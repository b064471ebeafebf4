/* SPDX-License-Identifier: Apache-2.0 */
/* Promises of wal/payload_retention.c. */
#include <string.h>

#include "support/check.h"
#include "support/failing_alloc.h"
#include "wal/payload.h"

static vv_alloc payload_alloc;

static void a_rule_comes_back(void **state)
{
    (void)state;
    varve_error err;
    vv_buf payload;
    vv_arena arena;
    vv_retention_entry *entries;
    size_t count;
    vv_retention_entry entry = {.metric = VV_TEXT("cpu"),
                                .has_rule = true,
                                .is_enforced = true,
                                .window = 30,
                                .recorded = 7};
    vv_buf_init(&payload, &payload_alloc, SIZE_MAX);
    vv_arena_init(&arena, &payload_alloc, SIZE_MAX);
    check_ok(vv_payload_retention(&payload, VV_POLICY_RETENTION, &entry, 1, &err), &err);
    assert_int_equal(VV_POLICY_RETENTION, vv_payload_policy_kind(vv_buf_bytes(&payload)));
    check_ok(vv_payload_read_retention(vv_buf_bytes(&payload), &arena, &entries, &count, &err),
             &err);
    assert_int_equal(1, count);
    assert_true(vv_text_equal(entries[0].metric, entry.metric) && entries[0].window == 30 &&
                entries[0].is_enforced && entries[0].recorded == 7);
    for (size_t size = 1; size < payload.size; ++size) {
        check_status(VARVE_E_CORRUPT, vv_payload_read_retention(vv_bytes_make(payload.data, size),
                                                                &arena, &entries, &count, &err));
        assert_null(entries);
    }
    size_t size = payload.size; /* one entry, no more */
    vv_retention_entry_encode(&entry, &payload);
    check_status(VARVE_E_CORRUPT,
                 vv_payload_read_retention(vv_buf_bytes(&payload), &arena, &entries, &count, &err));
    payload.data[0] = VV_POLICY_CUTS; /* with a rule: no record of cuts */
    check_status(VARVE_E_CORRUPT, vv_payload_read_retention(vv_bytes_make(payload.data, size),
                                                            &arena, &entries, &count, &err));
    payload.data[0] = 9;
    check_status(VARVE_E_UNSUPPORTED,
                 vv_payload_read_retention(vv_buf_bytes(&payload), &arena, &entries, &count, &err));
    assert_int_equal(0, vv_payload_policy_kind(vv_bytes_make(payload.data, 0)));
    vv_arena_deinit(&arena);
    vv_buf_deinit(&payload);
}

static void cuts_come_back_in_order(void **state)
{
    (void)state;
    varve_error err;
    vv_buf payload;
    vv_arena arena;
    vv_retention_entry *entries;
    size_t count;
    vv_retention_entry cuts[] = {{.metric = VV_TEXT(""), .recorded = -1},
                                 {.metric = VV_TEXT("b"), .recorded = INT64_MAX},
                                 {.metric = VV_TEXT("a"), .recorded = INT64_MIN + 1}};
    vv_buf_init(&payload, &payload_alloc, SIZE_MAX);
    vv_arena_init(&arena, &payload_alloc, SIZE_MAX);
    check_ok(vv_payload_retention(&payload, VV_POLICY_CUTS, cuts, 3, &err), &err);
    check_ok(vv_payload_read_retention(vv_buf_bytes(&payload), &arena, &entries, &count, &err),
             &err);
    assert_int_equal(3, count);
    for (size_t i = 0; i < 3; i++) {
        assert_true(vv_text_equal(entries[i].metric, cuts[i].metric) && !entries[i].has_rule);
        assert_true(entries[i].recorded == cuts[i].recorded);
    }
    check_status(VARVE_E_CORRUPT, vv_payload_read_retention(vv_bytes_make(payload.data, 1), &arena,
                                                            &entries, &count, &err));
    vv_arena_deinit(&arena);
    vv_buf_deinit(&payload);
}

static void without_memory_the_payload_is_left_alone(void **state)
{
    (void)state;
    varve_error err;
    vv_buf payload;
    vv_retention_entry entry = {.metric = VV_TEXT("a long name of a metric"), .has_rule = true};
    vv_buf_init(&payload, &payload_alloc, 8);
    check_status(VARVE_E_LIMIT,
                 vv_payload_retention(&payload, VV_POLICY_RETENTION, &entry, 1, &err));
    assert_int_equal(0, payload.size);
    assert_int_equal(VARVE_OK, payload.status);
    vv_buf_deinit(&payload);
}

/* Cuts only: a rule, or an entry without a cut, is none. */
static void cuts_with_anything_else_are_damage(void **state)
{
    (void)state;
    const vv_retention_entry others[] = {
        {.metric = VV_TEXT("a"), .has_rule = true, .recorded = 5},
        {.metric = VV_TEXT("a"), .recorded = VV_RETENTION_NONE},
    };
    for (size_t i = 0; i < VV_ARRAY_COUNT(others); i++) {
        varve_error err;
        vv_buf payload;
        vv_arena arena;
        vv_retention_entry *entries;
        size_t count;
        vv_buf_init(&payload, &payload_alloc, SIZE_MAX);
        vv_arena_init(&arena, &payload_alloc, SIZE_MAX);
        check_ok(vv_payload_retention(&payload, VV_POLICY_RETENTION, &others[i], 1, &err), &err);
        payload.data[0] = VV_POLICY_CUTS;
        check_status(VARVE_E_CORRUPT, vv_payload_read_retention(vv_buf_bytes(&payload), &arena,
                                                                &entries, &count, &err));
        assert_null(entries);
        vv_arena_deinit(&arena);
        payload.data[0] = VV_POLICY_RETENTION;
        vv_arena_init(&arena, &payload_alloc, 8); /* no room for an entry */
        check_status(VARVE_E_LIMIT, vv_payload_read_retention(vv_buf_bytes(&payload), &arena,
                                                              &entries, &count, &err));
        vv_arena_deinit(&arena);
        vv_buf_deinit(&payload);
    }
}

int main(void)
{
    vv_alloc_init(&payload_alloc, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_comes_back),
        cmocka_unit_test(cuts_come_back_in_order),
        cmocka_unit_test(cuts_with_anything_else_are_damage),
        cmocka_unit_test(without_memory_the_payload_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
