/* SPDX-License-Identifier: Apache-2.0 */
/* Sequences that were given to rows are not given again, whatever became of the rows. */
#include "support/check.h"

#include <string.h>

#include "support/memory_world.h"

static uint64_t sequences_write(varve_db *db)
{
    varve_error err;
    varve_written written;
    varve_value value = {.type = VARVE_TYPE_F64, .as.f64 = 1};
    varve_text field = VARVE_STR("value");
    varve_named_row row = {
        .metric = VARVE_STR("m"), .fields = &field, .values = &value, .count = 1};
    varve_written_init(&written);
    check_ok(varve_write(db, &row, 1, NULL, &written, &err), &err);
    return written.first_row_id;
}

static void sequences_survive(uint32_t sync)
{
    varve_error err;
    varve_options options;
    memory_world *world = memory_world_create();
    uint64_t last = 0;
    varve_options_init(&options);
    options.environment = memory_world_environment(world);
    options.flags = VARVE_OPEN_NO_BACKGROUND;
    options.sync = sync;
    for (int life = 0; life < 3; life++) {
        varve_db *db;
        check_ok(varve_open("/db", &options, &db, &err), &err);
        for (int i = 0; i < 3; i++) {
            uint64_t sequence = sequences_write(db);
            assert_true(sequence > last);
            last = sequence;
        }
        varve_abandon(db);
    }
    memory_world_free(world);
}

static void a_crash_gives_no_sequence_twice(void **state)
{
    (void)state;
    sequences_survive(VARVE_SYNC_GROUP);
    sequences_survive(VARVE_SYNC_BUFFERED);
}

/* Rows that were in memory only are gone; what they were called is not. */
static void a_crash_without_a_log_gives_no_sequence_twice(void **state)
{
    (void)state;
    sequences_survive(VARVE_SYNC_NO_LOG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_gives_no_sequence_twice),
        cmocka_unit_test(a_crash_without_a_log_gives_no_sequence_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
