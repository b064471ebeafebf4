/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/slice.h"
#include "support/check.h"
#include "wire/rows_json.h"

static void rows_json_reads_every_member(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_arena arena;
    vv_arena_init(&arena, &alloc, SIZE_MAX);
    vv_rows_request request;
    varve_error err;
    check_ok(
        vv_rows_json_parse(
            VARVE_STR("{\"select\":[\"a\",\"b{x=\\\"y\\\"}\"],"
                      "\"fields\":[\"u\",{\"field\":\"v\",\"agg\":\"quantile\",\"parameter\":0.9,"
                      "\"nan\":\"skip\",\"as\":\"f64\"}],"
                      "\"where\":[{\"field\":\"v\",\"op\":\"<=\",\"value\":3},"
                      "{\"field\":\"w\",\"op\":\"present\"}],"
                      "\"start\":10,\"end\":\"1970-01-01T00:01:00Z\",\"every\":\"1m30s\","
                      "\"origin\":\"start\",\"by\":[\"host\"],\"order\":\"given\",\"limit\":5,"
                      "\"offset\":2,\"limit_per_series\":1,\"descending\":true,"
                      "\"precision\":\"us\",\"timeout\":\"5s\",\"nan\":\"propagate\"}"),
            VARVE_PRECISION_MS, 0, &arena, &request, &err),
        &err);
    const varve_query_options *query = &request.query;
    assert_int_equal(query->selection_count, 2);
    assert_true(vv_text_equal(query->selections[1].text, VARVE_STR("b{x=\"y\"}")));
    assert_int_equal(query->output_count, 2);
    assert_int_equal(query->outputs[0].nan_rule, VARVE_NAN_PROPAGATE);
    assert_int_equal(query->outputs[0].aggregation, VARVE_AGG_NONE);
    assert_int_equal(query->outputs[1].aggregation, VARVE_AGG_QUANTILE);
    assert_int_equal(query->outputs[1].nan_rule, VARVE_NAN_SKIP);
    assert_int_equal(query->outputs[1].as_type, VARVE_TYPE_F64);
    assert_true(query->outputs[1].parameter > 0.89 && query->outputs[1].parameter < 0.91);
    assert_int_equal(query->predicate_count, 2);
    assert_int_equal(query->predicates[0].op, VARVE_OP_LESS_EQUAL);
    assert_int_equal(query->predicates[0].value.as.i64, 3);
    assert_int_equal(query->predicates[1].op, VARVE_OP_PRESENT);
    assert_int_equal(query->range.start, 10000);
    assert_int_equal(query->range.end, 60000);
    assert_int_equal(query->bucket.kind, VARVE_BUCKET_FIXED);
    assert_int_equal(query->bucket.width, 90000);
    assert_int_equal(query->bucket.flags, VARVE_BUCKET_FROM_START);
    assert_int_equal(query->grouping, VARVE_GROUP_BY);
    assert_int_equal(query->group_label_count, 1);
    assert_int_equal(query->order, VARVE_ORDER_GIVEN);
    assert_int_equal(query->limit, 5);
    assert_int_equal(query->offset, 2);
    assert_int_equal(query->limit_per_series, 1);
    assert_int_equal(query->flags, VARVE_QUERY_DESCENDING);
    assert_int_equal(request.unit, VARVE_PRECISION_US);
    assert_int_equal(request.timeout_ms, 5001);
    check_ok(vv_rows_json_parse(VARVE_STR("{\"every\":{\"unit\":\"month\",\"width\":3},"
                                          "\"zone\":\"Europe/Prague\",\"order\":\"time\"}"),
                                VARVE_PRECISION_NS, 0, &arena, &request, &err),
             &err);
    assert_int_equal(request.query.bucket.kind, VARVE_BUCKET_CALENDAR);
    assert_int_equal(request.query.bucket.unit, VARVE_UNIT_MONTH);
    assert_int_equal(request.query.bucket.width, 3);
    assert_int_equal(request.query.layout, VARVE_LAYOUT_TABLE);
    vv_arena_deinit(&arena);
    assert_int_equal(vv_alloc_bytes(&alloc), 0);
}

static void rows_json_names_the_bad_member(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *named;
    } bad[] = {
        {"{\"selct\":1}", "selct"},
        {"{\"select\":1}", "select"},
        {"{\"select\":[1]}", "select"},
        {"{\"fields\":[{\"agg\":\"avg\"}]}", "fields"},
        {"{\"fields\":{\"field\":\"v\"}}", "fields"},
        {"{\"fields\":[{\"field\":\"v\",\"agg\":\"mean\"}]}", "agg"},
        {"{\"fields\":[{\"field\":\"v\",\"as\":\"i64\"}]}", "as"},
        {"{\"where\":{}}", "where"},
        {"{\"where\":[1]}", "where"},
        {"{\"where\":[{\"field\":\"v\",\"op\":\"~\",\"value\":1}]}", "op"},
        {"{\"where\":[{\"field\":\"v\",\"op\":\"=\"}]}", "where"},
        {"{\"where\":[{\"field\":\"v\",\"op\":\"=\",\"value\":[]}]}", "value"},
        {"{\"start\":true}", "start"},
        {"{\"every\":\"0s\"}", "every"},
        {"{\"every\":\"1us\"}", "every"},
        {"{\"every\":{\"unit\":\"decade\"}}", "every"},
        {"{\"every\":{\"unit\":\"day\",\"width\":0}}", "every"},
        {"{\"every\":\"1d\",\"zone\":\"Europe/Prague\"}", "zone"},
        {"{\"by\":[\"a\"],\"without\":[\"b\"]}", "without"},
        {"{\"by\":[\"a\"],\"order\":\"time\"}", "order"},
        {"{\"group\":\"some\"}", "group"},
        {"{\"order\":\"up\"}", "order"},
        {"{\"limit\":-1}", "limit"},
        {"{\"limit\":1.5}", "limit"},
        {"{\"descending\":1}", "descending"},
        {"{\"precision\":\"m\"}", "precision"},
        {"{\"timeout\":\"soon\"}", "\"timeout\": at 1: "},
        {"{\"nan\":\"keep\"}", "nan"},
        {"nothing", "no JSON"},
    };
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_arena arena;
    vv_arena_init(&arena, &alloc, SIZE_MAX);
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        vv_rows_request request;
        varve_error err;
        varve_status status = vv_rows_json_parse(vv_text_from_string(bad[index].text),
                                                 VARVE_PRECISION_MS, 0, &arena, &request, &err);
        if (status != VARVE_E_INVALID || strstr(err.message, bad[index].named) == NULL) {
            print_error("%s -> %s\n", bad[index].text, status == VARVE_OK ? "ok" : err.message);
        }
        check_status(VARVE_E_INVALID, status);
        assert_non_null(strstr(err.message, bad[index].named));
    }
    vv_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_json_reads_every_member),
        cmocka_unit_test(rows_json_names_the_bad_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
