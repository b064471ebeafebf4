/* SPDX-License-Identifier: Apache-2.0 */
/* Promises U1 to U3 of engine/merge_crew.c: two threads write the file that one would write. */
#include "engine/merge_crew.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/status.h"
#include "support/check.h"
#include "support/engine_fixture.h"

enum {
    CREW_GROUPS = 500,
    CREW_SERIES = 600,       /* more than one to a group */
    CREW_ROWS = 40,          /* of a series: enough for two threads in all */
    CREW_NOISE_ROWS = 65536, /* of a batch */
    CREW_NOISE_BATCHES = 13,
    CREW_KEPT_BYTES = 4 * 1024 * 1024 /* of a group, before its turn */
};

static int setup(void **state)
{
    engine_fixture *f = calloc(1, sizeof *f);
    engine_fixture_create(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    engine_fixture_free(*state);
    free(*state);
    return 0;
}

/* ---- turns ---------------------------------------------------------------------------------- */

typedef struct crew_list {
    size_t groups[CREW_GROUPS]; /* in the order of their turns; of whose turn it is */
    size_t count;
    size_t failing; /* the group that fails; CREW_GROUPS: none */
    atomic_uint refused;
} crew_list;

static void crew_list_work(vv_merge_crew *crew, void *context)
{
    crew_list *list = context;
    varve_error error;
    size_t group;
    while (vv_merge_crew_claim(crew, &group)) {
        if (group == list->failing) {
            VV_IGNORE(vv_fail(&error, VARVE_E_NOSPACE, "group %zu", group));
            vv_merge_crew_fail(crew, VARVE_E_NOSPACE, &error);
            return;
        }
        if (vv_merge_crew_take_turn(crew, group, &error) != VARVE_OK) {
            atomic_fetch_add(&list->refused, error.status == VARVE_E_NOSPACE ? 1 : 100);
            return;
        }
        list->groups[list->count++] = group;
        vv_merge_crew_pass_turn(crew);
    }
}

static void groups_have_their_turns_in_order_whoever_works_on_them(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    vv_merge_crew *crew;
    crew_list list = {.failing = CREW_GROUPS};
    check_ok(vv_merge_crew_create(f->db, CREW_GROUPS, crew_list_work, &list, &crew, &err), &err);
    crew_list_work(crew, &list);
    check_ok(vv_merge_crew_end(crew, &err), &err);
    assert_int_equal(CREW_GROUPS, list.count);
    for (size_t i = 0; i < CREW_GROUPS; i++) {
        assert_int_equal(i, list.groups[i]);
    }
}

static void after_a_failure_no_group_is_claimed_and_no_turn_given(void **state)
{
    engine_fixture *f = *state;
    static const size_t failing[] = {0, 1, 2, CREW_GROUPS / 2, CREW_GROUPS - 1};
    for (size_t i = 0; i < sizeof failing / sizeof *failing; i++) {
        varve_error err;
        vv_merge_crew *crew;
        size_t group;
        crew_list list = {.failing = failing[i]};
        check_ok(vv_merge_crew_create(f->db, CREW_GROUPS, crew_list_work, &list, &crew, &err),
                 &err);
        crew_list_work(crew, &list);
        bool has_more = vv_merge_crew_claim(crew, &group);
        check_status(VARVE_E_NOSPACE, vv_merge_crew_end(crew, &err));
        check_status(VARVE_E_NOSPACE, err.status);
        assert_true(list.count <= failing[i]);
        assert_in_range(atomic_load(&list.refused), 0, 1); /* who waited for a turn */
        assert_false(has_more && list.count > failing[i]);
    }
}

/* ---- the file ------------------------------------------------------------------------------- */

/* Rows of one series that nothing makes smaller. */
static void crew_write_noise(engine_fixture *f)
{
    varve_error err;
    varve_batch *batch;
    varve_field field;
    varve_series series;
    vv_random random;
    int64_t *times = calloc(CREW_NOISE_ROWS, sizeof *times);
    double *values = calloc(CREW_NOISE_ROWS, sizeof *values);
    assert_true(times != NULL && values != NULL);
    vv_random_init(&random, 1);
    check_ok(varve_field_resolve(f->db, VARVE_STR("value"), &field, &err), &err);
    varve_label label = {VARVE_STR("host"), VARVE_STR("h3x")}; /* in the middle of the others */
    check_ok(varve_series_resolve(f->db, VARVE_STR("cpu"), &label, 1, 0, &series, &err), &err);
    check_ok(varve_batch_create(f->db, &batch, &err), &err);
    for (size_t k = 0; k < CREW_NOISE_BATCHES; k++) {
        for (size_t i = 0; i < CREW_NOISE_ROWS; i++) {
            times[i] = (int64_t)(k * CREW_NOISE_ROWS + i) * 1000;
            values[i] = 1.0 + (double)(vv_random_u64(&random) >> 12) * 0x1p-52;
        }
        varve_column column = {.type = VARVE_TYPE_F64, .values = values};
        varve_columns columns;
        varve_columns_init(&columns);
        columns.rows = CREW_NOISE_ROWS;
        columns.series = &series;
        columns.series_count = 1;
        columns.timestamps = times;
        columns.timestamp_count = CREW_NOISE_ROWS;
        columns.fields = &field;
        columns.columns = &column;
        columns.column_count = 1;
        check_ok(varve_batch_columns(batch, &columns, &err), &err);
        check_ok(varve_batch_commit(batch, NULL, NULL, &err), &err);
    }
    varve_batch_free(batch);
    free(values);
    free(times);
}

/* Small series, some of them with late rows, and one that is longer than what a thread keeps of a
 * group before its turn; left as a crash does. */
static void crew_crash(engine_fixture *f)
{
    f->options.log_file_bytes = 4 * 1024 * 1024;
    engine_fixture_close(f);
    engine_fixture_open(f);
    for (uint32_t i = 0; i < CREW_SERIES; i++) {
        engine_fixture_write(f, i, 1000, 10, CREW_ROWS, (double)i * 0.37);
        if (i % 7 == 0) {
            engine_fixture_write(f, i, 1005, 20, CREW_ROWS / 4, (double)i);
        }
    }
    crew_write_noise(f);
    engine_fixture_delete(f, 5, 0, INT64_MAX);
    engine_fixture_abandon(f);
}

/* What the recovery writes: the only segment, released with free. */
static uint8_t *crew_segment(uint32_t flags, size_t *out_size)
{
    varve_error err;
    vv_dir_list list;
    char path[64];
    engine_fixture f;
    engine_fixture_create(&f);
    crew_crash(&f);
    f.options.flags = flags;
    engine_fixture_open(&f);
    check_ok(vv_vfs_list(f.files, &f.alloc, "db/seg", &list, &err), &err);
    assert_int_equal(1, list.count);
    snprintf(path, sizeof path, "db/seg/%s", list.entries[0].name);
    vv_dir_list_deinit(&list);
    void *bytes;
    check_ok(vv_vfs_read_file(f.files, &f.alloc, path, SIZE_MAX, &bytes, out_size, &err), &err);
    uint8_t *copy = malloc(*out_size);
    assert_non_null(copy);
    memcpy(copy, bytes, *out_size);
    vv_alloc_free(&f.alloc, bytes, *out_size);
    engine_fixture_free(&f);
    return copy;
}

static void a_segment_of_two_threads_is_that_of_one(void **state)
{
    (void)state;
    size_t one_size;
    size_t two_size;
    uint8_t *one = crew_segment(VARVE_OPEN_NO_BACKGROUND, &one_size);
    uint8_t *two = crew_segment(0, &two_size);
    assert_true(one_size > CREW_KEPT_BYTES + CREW_KEPT_BYTES / 8);
    assert_int_equal(one_size, two_size);
    assert_memory_equal(one, two, one_size);
    free(one);
    free(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(groups_have_their_turns_in_order_whoever_works_on_them,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(after_a_failure_no_group_is_claimed_and_no_turn_given,
                                        setup, teardown),
        cmocka_unit_test(a_segment_of_two_threads_is_that_of_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
