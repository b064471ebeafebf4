/* SPDX-License-Identifier: Apache-2.0 */
#include "index/schemas.h"

#include "support/check.h"
#include "support/failing_alloc.h"

static const vv_schema *change(vv_schemas *schemas, const vv_schema *from, uint32_t field,
                               uint32_t type)
{
    vv_schema_field wanted = {.field = field, .type = type};
    const vv_schema *result = NULL;
    varve_error err = {.status = VARVE_OK};
    check_ok(vv_schemas_change(schemas, from, &wanted, 1, &result, &err), &err);
    return result;
}

static void equal_sets_are_one(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_schemas schemas;
    varve_error err;
    check_ok(vv_schemas_init(&schemas, &alloc, 1, &err), &err);
    const vv_schema *ab =
        change(&schemas, change(&schemas, &schemas.empty, 1, VARVE_TYPE_F64), 2, VARVE_TYPE_I64);
    const vv_schema *ba =
        change(&schemas, change(&schemas, &schemas.empty, 2, VARVE_TYPE_I64), 1, VARVE_TYPE_F64);
    assert_ptr_equal(ab, ba);
    assert_int_equal(ab->count, 2);
    assert_int_equal(ab->fields[0].field, 1);
    assert_int_equal(ab->fields[1].field, 2);
    assert_int_not_equal(ab->id, 0);
    const vv_schema_field both[] = {
        {.field = 2, .type = VARVE_TYPE_U64},
        {.field = 1, .type = VARVE_TYPE_F64},
        {.field = 2, .type = VARVE_TYPE_I64}, /* the last one wins */
    };
    const vv_schema *at_once;
    check_ok(vv_schemas_change(&schemas, &schemas.empty, both, 3, &at_once, &err), &err);
    assert_ptr_equal(at_once, ab);
    assert_ptr_equal(change(&schemas, ab, 2, VARVE_TYPE_I64), ab);
    const vv_schema *other = change(&schemas, ab, 2, VARVE_TYPE_STRING);
    assert_ptr_not_equal(other, ab);
    assert_int_equal(ab->fields[1].type, VARVE_TYPE_I64);
    assert_int_equal(other->fields[1].type, VARVE_TYPE_STRING);
    assert_ptr_equal(change(&schemas, other, 2, VARVE_TYPE_I64), ab);
    vv_schemas_deinit(&schemas, true);
    assert_int_equal(vv_alloc_bytes(&alloc), 0);
}

static void the_number_of_fields_has_a_limit(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_schemas schemas;
    varve_error err;
    check_ok(vv_schemas_init(&schemas, &alloc, 1, &err), &err);
    static vv_schema_field fields[VV_SCHEMA_FIELDS_MAX + 1];
    for (uint32_t index = 0; index <= VV_SCHEMA_FIELDS_MAX; index++) {
        fields[index] = (vv_schema_field){.field = index + 1, .type = VARVE_TYPE_F64};
    }
    const vv_schema *schema = NULL;
    check_status(VARVE_E_LIMIT, vv_schemas_change(&schemas, &schemas.empty, fields,
                                                  VV_SCHEMA_FIELDS_MAX + 1, &schema, &err));
    assert_string_equal(err.message, "a series has at most 4096 fields, not 4097");
    check_ok(
        vv_schemas_change(&schemas, &schemas.empty, fields, VV_SCHEMA_FIELDS_MAX, &schema, &err),
        &err);
    assert_int_equal(schema->count, VV_SCHEMA_FIELDS_MAX);
    vv_schemas_deinit(&schemas, true);
}

static void a_failed_change_leaves_no_set(void **state)
{
    (void)state;
    for (uint64_t at = 1;; at++) {
        failing_alloc failing;
        failing_alloc_init(&failing);
        varve_allocator source = failing_alloc_source(&failing);
        vv_alloc alloc;
        vv_alloc_init(&alloc, &source);
        vv_schemas schemas;
        varve_error err;
        check_ok(vv_schemas_init(&schemas, &alloc, 1, &err), &err);
        failing_alloc_plan(&failing, at, true);
        vv_schema_field wanted = {.field = 1, .type = VARVE_TYPE_F64};
        const vv_schema *schema = &schemas.empty;
        varve_status status = vv_schemas_change(&schemas, schema, &wanted, 1, &schema, &err);
        bool has_failed = failing.failures > 0;
        failing_alloc_plan(&failing, 0, true);
        check_status(has_failed ? VARVE_E_NOMEM : VARVE_OK, status);
        assert_int_equal(schemas.count, has_failed ? 0 : 1);
        const vv_schema *again = change(&schemas, &schemas.empty, 1, VARVE_TYPE_F64);
        assert_int_equal(again->id, 1);
        vv_schemas_deinit(&schemas, true);
        assert_int_equal(failing.live, 0);
        if (!has_failed) {
            break;
        }
    }
}

static void a_field_is_found_from_any_place_before_it(void **state)
{
    (void)state;
    vv_schema_field fields[70];
    for (uint32_t count = 0; count <= 70; count++) {
        vv_schema schema = {.count = count, .fields = fields};
        for (uint32_t i = 0; i < count; i++) {
            fields[i] = (vv_schema_field){.field = 2 * i + 2};
        }
        for (uint32_t field = 1; field <= 2 * count + 3; field++) {
            uint32_t place = (field - 1) / 2 < count ? (field - 1) / 2 : count;
            for (uint32_t begin = 0; begin <= place; begin++) {
                assert_int_equal(vv_schema_place(&schema, begin, field), place);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_sets_are_one),
        cmocka_unit_test(the_number_of_fields_has_a_limit),
        cmocka_unit_test(a_failed_change_leaves_no_set),
        cmocka_unit_test(a_field_is_found_from_any_place_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
