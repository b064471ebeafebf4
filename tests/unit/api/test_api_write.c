/* SPDX-License-Identifier: Apache-2.0 */
/* Writing through varve.h: arguments, names, rows that are left out. */
#include <string.h>

#include "support/check.h"
#include "varve.h"

static varve_db *open_memory(uint64_t series_max)
{
    varve_options options;
    varve_error err;
    varve_db *db = NULL;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_NO_BACKGROUND;
    options.series_max = series_max;
    check_ok(varve_open(NULL, &options, &db, &err), &err);
    return db;
}

static varve_named_row named_row(const char *metric, const varve_text *field,
                                 const varve_value *value)
{
    return (varve_named_row){
        .metric = {metric, strlen(metric)},
        .timestamp = 1,
        .fields = field,
        .values = value,
        .count = 1,
    };
}

static void rows_with_bad_names_refuse_the_call_or_are_left_out(void **state)
{
    (void)state;
    varve_db *db = open_memory(2);
    varve_error err;
    varve_text field = VARVE_STR("v");
    varve_value value = {.type = VARVE_TYPE_F64, .as.f64 = 1};
    varve_value text = {.type = VARVE_TYPE_STRING, .as.bytes = VARVE_STR("x")};
    varve_named_row rows[5] = {
        named_row("a", &field, &value), named_row("", &field, &value),
        named_row("b", &field, &value), named_row("a", &field, &text),
        named_row("c", &field, &value), /* one series too many */
    };
    varve_written written;
    varve_written_init(&written);
    check_status(VARVE_E_INVALID, varve_write(db, rows, 5, NULL, &written, &err));
    assert_non_null(strstr(err.message, "row 1"));
    check_status(VARVE_E_INVALID, varve_write(db, rows, 5, NULL, &written, NULL));
    varve_rejected rejected[4];
    varve_write_options options;
    varve_write_options_init(&options);
    options.flags = VARVE_WRITE_SKIP_REJECTED;
    options.rejected = rejected;
    options.rejected_capacity = 4;
    check_ok(varve_write(db, rows, 5, &options, &written, &err), &err);
    assert_int_equal(2, written.rows);
    assert_int_equal(3, written.rows_rejected);
    static const uint64_t wanted[3] = {1, 3, 4};
    static const varve_status statuses[3] = {VARVE_E_INVALID, VARVE_E_INVALID, VARVE_E_LIMIT};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(wanted[i], rejected[i].row);
        check_status(statuses[i], rejected[i].status);
    }
    check_ok(varve_close(db, &err), &err);
}

static void structs_that_were_not_initialised_are_refused(void **state)
{
    (void)state;
    varve_db *db = open_memory(0);
    varve_error err;
    varve_text field = VARVE_STR("v");
    varve_value value = {.type = VARVE_TYPE_F64, .as.f64 = 1};
    varve_named_row row = named_row("a", &field, &value);
    varve_write_options options = {0};
    check_status(VARVE_E_INVALID, varve_write(db, &row, 1, &options, NULL, &err));
    varve_write_options_init(&options);
    options.flags = 1 << 7;
    check_status(VARVE_E_INVALID, varve_write(db, &row, 1, &options, NULL, &err));
    varve_written written = {0};
    check_status(VARVE_E_INVALID, varve_write(db, &row, 1, NULL, &written, &err));
    check_status(VARVE_E_INVALID, varve_write(db, NULL, 1, NULL, NULL, &err));
    check_ok(varve_write(db, NULL, 0, NULL, NULL, &err), &err);
    varve_columns columns = {0};
    varve_batch *batch = NULL;
    check_ok(varve_batch_create(db, &batch, &err), &err);
    check_status(VARVE_E_INVALID, varve_batch_columns(batch, &columns, &err));
    check_status(VARVE_E_BUSY, varve_close(db, &err)); /* a batch is open */
    varve_batch_free(batch);
    check_ok(varve_close(db, &err), &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_with_bad_names_refuse_the_call_or_are_left_out),
        cmocka_unit_test(structs_that_were_not_initialised_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
