/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random programs over rings, and a series beside them, against a naive twin: rows late, doubled
 * and sparse, deletes, all in one batch, shapes made, changed and dropped, flushes, merges, clean
 * and unclean ends, old cursors, snapshots and what is restored of them. A seed is a program; on
 * failure the seed is printed, and VARVE_TEST_SEED=N runs that one alone. VARVE_TEST_SEEDS=N sets
 * how many run.
 */
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/dump.h"
#include "support/memory_world.h"
#include "support/setting.h"

enum { SERIES = 4, FIELDS = 3, STEPS = 60, SEEDS = 1000, TEXT_BYTES = 1 << 17 };

static const char *const series_names[SERIES] = {"a", "b", "c", "d"};
static const varve_ring_field all_fields[FIELDS] = {{.name = {"fa", 2}, .type = VARVE_TYPE_F64},
                                                    {.name = {"fb", 2}, .type = VARVE_TYPE_I64},
                                                    {.name = {"fc", 2}, .type = VARVE_TYPE_BOOL}};

/* ---- the twin ---- */

typedef struct naive_row {
    int64_t time;
    unsigned present;
    int64_t values[FIELDS];
} naive_row;

typedef struct naive_series {
    bool is_ring;
    int64_t step, slots;
    unsigned fields; /* bits */
    naive_row *rows; /* visible ones, in no order */
    size_t count, capacity;
} naive_series;

typedef struct naive {
    naive_series series[SERIES];
} naive;

static int64_t floor_of(int64_t time, int64_t step)
{
    int64_t rest = time % step;
    return time - (rest < 0 ? rest + step : rest);
}

static int64_t slot_of(const naive_series *s, int64_t time)
{
    int64_t slot = time / s->step % s->slots;
    return slot < 0 ? slot + s->slots : slot;
}

static void naive_push(naive_series *s, const naive_row *row)
{
    if (s->count == s->capacity) {
        s->capacity = s->capacity == 0 ? 64 : s->capacity * 2;
        s->rows = realloc(s->rows, s->capacity * sizeof *s->rows);
        assert_non_null(s->rows);
    }
    s->rows[s->count++] = *row;
}

/* False: it is late. */
static bool naive_put(naive_series *s, naive_row row)
{
    if (s->is_ring) {
        row.time = floor_of(row.time, s->step);
    }
    for (size_t i = 0; i < s->count; i++) {
        naive_row *held = &s->rows[i];
        if (held->time == row.time) {
            for (size_t f = 0; f < FIELDS; f++) {
                if (((row.present >> f) & 1) != 0) {
                    held->values[f] = row.values[f];
                }
            }
            held->present |= row.present;
            return true;
        }
        if (s->is_ring && slot_of(s, held->time) == slot_of(s, row.time)) {
            if (held->time > row.time) {
                return false;
            }
            *held = row;
            return true;
        }
    }
    naive_push(s, &row);
    return true;
}

static void naive_delete(naive_series *s, varve_range range)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        bool is_hit = s->rows[i].time >= range.start &&
                      (s->rows[i].time < range.end || range.end == INT64_MAX);
        if (!is_hit) {
            s->rows[kept++] = s->rows[i];
        }
    }
    s->count = kept;
}

static int naive_compare(const void *a, const void *b)
{
    int64_t left = ((const naive_row *)a)->time;
    int64_t right = ((const naive_row *)b)->time;
    return left < right ? -1 : left > right;
}

static void naive_sort(naive_series *s)
{
    if (s->count > 1) {
        qsort(s->rows, s->count, sizeof *s->rows, naive_compare);
    }
}

static void naive_reshape(naive_series *s, int64_t step, int64_t slots, unsigned fields)
{
    naive_series made = {.is_ring = true, .step = step, .slots = slots, .fields = fields};
    naive_sort(s);
    for (size_t i = 0; i < s->count; i++) {
        naive_row row = s->rows[i];
        row.present &= fields;
        if (row.present != 0) {
            (void)naive_put(&made, row);
        }
    }
    free(s->rows);
    *s = made;
}

static void naive_free(naive *twin)
{
    for (size_t i = 0; i < SERIES; i++) {
        free(twin->series[i].rows);
    }
}

/* As dump_query prints it. */
static const char *naive_print(naive *twin, varve_range range, bool is_descending)
{
    static char text[TEXT_BYTES];
    size_t size = 0;
    text[0] = '\0';
    for (size_t i = 0; i < SERIES; i++) {
        naive_series *s = &twin->series[i];
        naive_sort(s);
        for (size_t k = 0; k < s->count; k++) {
            const naive_row *row = &s->rows[is_descending ? s->count - 1 - k : k];
            if (row->time < range.start || (row->time >= range.end && range.end != INT64_MAX)) {
                continue;
            }
            assert_true(size + 200 < sizeof text);
            size += (size_t)snprintf(text + size, 200, "r{s=%s} %lld", series_names[i],
                                     (long long)row->time);
            for (size_t f = 0; f < FIELDS; f++) {
                if (((row->present >> f) & 1) == 0) {
                    continue;
                }
                size += (size_t)snprintf(text + size, 60, " f%c=", "abc"[f]);
                size += f == 2
                            ? (size_t)snprintf(text + size, 60, "%s",
                                               row->values[f] != 0 ? "true" : "false")
                            : (size_t)snprintf(text + size, 60, "%lld", (long long)row->values[f]);
            }
            size += (size_t)snprintf(text + size, 2, "\n");
        }
    }
    return text;
}

/* ---- programs ---- */

typedef struct program {
    vv_random random;
    memory_world *world;
    varve_options options;
    varve_db *db;
    varve_series series[SERIES];
    varve_field fields[FIELDS];
    naive twin;
    int64_t clock;
    varve_cursor *old_cursor;
    char *old_text;
    uint32_t copies;
    char *snapped; /* text of the snapshot made last; NULL: none */
} program;

static uint64_t pick(program *p, uint64_t bound)
{
    return vv_random_below(&p->random, bound);
}

static char *copy_of(const char *text)
{
    char *copy = malloc(strlen(text) + 1);
    assert_non_null(copy);
    strcpy(copy, text);
    return copy;
}

static varve_label label_of(size_t series)
{
    return (varve_label){VARVE_STR("s"), {series_names[series], 1}};
}

static void program_open(program *p)
{
    varve_error err;
    p->options.flush_rows = 20 + pick(p, 2000);
    p->options.sync = pick(p, 2) == 0 ? VARVE_SYNC_GROUP : VARVE_SYNC_NONE;
    check_ok(varve_open("/db", &p->options, &p->db, &err), &err);
    for (size_t i = 0; i < SERIES; i++) {
        varve_label label = label_of(i);
        check_ok(varve_series_resolve(p->db, VARVE_STR("r"), &label, 1, 0, &p->series[i], &err),
                 &err);
    }
    for (size_t i = 0; i < FIELDS; i++) {
        check_ok(varve_field_resolve(p->db, all_fields[i].name, &p->fields[i], &err), &err);
    }
}

static varve_query_options *query_of(varve_range range, bool is_descending)
{
    static varve_query_options query;
    static varve_output outputs[FIELDS];
    varve_query_options_init(&query);
    memset(outputs, 0, sizeof outputs);
    for (size_t i = 0; i < FIELDS; i++) {
        outputs[i].name = all_fields[i].name;
    }
    query.outputs = outputs;
    query.output_count = FIELDS;
    query.range = range;
    query.flags = is_descending ? VARVE_QUERY_DESCENDING : 0;
    return &query;
}

static const varve_range everything = {INT64_MIN, INT64_MAX};

static varve_range random_range(program *p)
{
    if (pick(p, 4) == 0) {
        return everything;
    }
    int64_t start = p->clock - (int64_t)pick(p, 3000);
    return (varve_range){start, start + 1 + (int64_t)pick(p, 1500)};
}

static void add_row(program *p, varve_batch *batch, uint64_t *dropped)
{
    varve_error err;
    size_t which = pick(p, SERIES);
    naive_series *s = &p->twin.series[which];
    naive_row row = {.time = p->clock};
    varve_value values[FIELDS];
    varve_field fields[FIELDS];
    size_t count = 0;
    p->clock += (int64_t)pick(p, 12);
    if (pick(p, 5) == 0) {
        row.time -= (int64_t)pick(p, 2500);
    } else if (pick(p, 60) == 0) {
        row.time += (int64_t)pick(p, 4000);
    }
    memset(values, 0, sizeof values);
    for (size_t f = 0; f < FIELDS; f++) {
        bool is_allowed = !s->is_ring || ((s->fields >> f) & 1) != 0;
        if (!is_allowed || (pick(p, 3) == 0 && (count > 0 || f + 1 < FIELDS))) {
            continue;
        }
        row.present |= 1u << f;
        row.values[f] = (int64_t)pick(p, f == 2 ? 2 : 1000);
        values[count].type = all_fields[f].type;
        if (f == 0) {
            values[count].as.f64 = (double)row.values[f];
        } else if (f == 1) {
            values[count].as.i64 = row.values[f];
        } else {
            values[count].as.boolean = row.values[f] != 0;
        }
        fields[count++] = p->fields[f];
    }
    if (count == 0) {
        return;
    }
    varve_row given = {.series = p->series[which],
                       .timestamp = row.time,
                       .fields = fields,
                       .values = values,
                       .count = count};
    check_ok(varve_batch_row(batch, &given, &err), &err);
    *dropped += !naive_put(s, row);
}

static void add_delete(program *p, varve_batch *batch)
{
    varve_error err;
    varve_selection selection;
    varve_range range = random_range(p);
    bool is_all = pick(p, 3) == 0;
    memset(&selection, 0, sizeof selection);
    selection.kind = VARVE_SELECT_TEXT;
    selection.text = is_all ? VARVE_STR("r") : VARVE_STR("r{s=~\"a|c\"}");
    check_ok(varve_batch_delete(batch, &selection, 1, range, &err), &err);
    for (size_t i = 0; i < SERIES; i += is_all ? 1 : 2) {
        naive_delete(&p->twin.series[i], range);
    }
}

static void step_write(program *p, uint64_t rows)
{
    varve_error err;
    varve_batch *batch;
    varve_written written;
    uint64_t dropped = 0;
    varve_written_init(&written);
    check_ok(varve_batch_create(p->db, &batch, &err), &err);
    for (uint64_t i = 0; i < rows; i++) {
        add_row(p, batch, &dropped);
        if (pick(p, 60) == 0) {
            add_delete(p, batch);
        }
    }
    check_ok(varve_batch_commit(batch, NULL, &written, &err), &err);
    assert_int_equal(written.rows_late_dropped, dropped);
    varve_batch_free(batch);
}

static void step_shape(program *p)
{
    varve_error err;
    static const int64_t steps[] = {1, 7, 10, 60};
    static const int64_t sizes[] = {1, 5, 50, 700};
    size_t which = pick(p, SERIES - 1); /* the last one is never a ring */
    naive_series *s = &p->twin.series[which];
    varve_label label = label_of(which);
    if (pick(p, 5) == 0) {
        varve_status status = varve_policy_ring_drop(p->db, VARVE_STR("r"), &label, 1, &err);
        check_status(s->is_ring ? VARVE_OK : VARVE_E_NOT_FOUND, status);
        if (s->is_ring) {
            free(s->rows);
            *s = (naive_series){.is_ring = false};
        }
        return;
    }
    varve_ring ring;
    varve_ring_field fields[FIELDS];
    varve_ring_init(&ring);
    ring.step = steps[pick(p, 4)];
    ring.slots = (uint64_t)sizes[pick(p, 4)];
    ring.slots += ring.step == 1 && ring.slots == 1;
    unsigned bits = 1 + (unsigned)pick(p, 7);
    for (size_t f = 0; f < FIELDS; f++) {
        if (((bits >> f) & 1) != 0) {
            fields[ring.field_count++] = all_fields[f];
        }
    }
    ring.fields = fields;
    varve_status status = varve_policy_ring(p->db, VARVE_STR("r"), &label, 1, &ring, NULL, &err);
    if (!s->is_ring && s->count > 0) {
        check_status(VARVE_E_CONFLICT, status);
        return;
    }
    check_ok(status, &err);
    naive_reshape(s, ring.step, (int64_t)ring.slots, bits);
}

static void step_compare(program *p)
{
    varve_range range = random_range(p);
    bool is_descending = pick(p, 3) == 0;
    assert_string_equal(dump_query(p->db, query_of(range, is_descending)),
                        naive_print(&p->twin, range, is_descending));
}

static void step_old_cursor(program *p)
{
    varve_error err;
    if (p->old_cursor == NULL) {
        varve_range range = random_range(p);
        check_ok(varve_query(p->db, query_of(range, false), &p->old_cursor, &err), &err);
        p->old_text = copy_of(naive_print(&p->twin, range, false));
        return;
    }
    assert_string_equal(dump_cursor(p->db, p->old_cursor), p->old_text);
    free(p->old_text);
    p->old_cursor = NULL;
}

static void step_reopen(program *p)
{
    varve_error err;
    if (p->old_cursor != NULL) {
        step_old_cursor(p);
    }
    if (pick(p, 2) == 0) {
        varve_abandon(p->db);
    } else {
        check_ok(varve_close(p->db, &err), &err);
    }
    program_open(p);
}

static void check_copy(program *p, const char *path, bool is_restored)
{
    varve_error err;
    varve_db *db;
    varve_options options = p->options;
    options.flags |= is_restored ? 0u : (uint32_t)VARVE_OPEN_READONLY;
    check_ok(varve_open(path, &options, &db, &err), &err);
    assert_string_equal(dump_query(db, query_of(everything, false)), p->snapped);
    check_ok(varve_close(db, &err), &err);
}

static void step_snapshot(program *p)
{
    varve_error err;
    char path[24];
    char restored[24];
    if (p->snapped == NULL) {
        snprintf(path, sizeof path, "/copy%u", p->copies++);
        check_ok(varve_snapshot(p->db, path, NULL, NULL, &err), &err);
        p->snapped = copy_of(naive_print(&p->twin, everything, false));
        return;
    }
    snprintf(path, sizeof path, "/copy%u", p->copies - 1);
    check_copy(p, path, /* is_restored */ false);
    snprintf(restored, sizeof restored, "/copy%u", p->copies++);
    check_ok(varve_restore(path, restored, &p->options, NULL, NULL, &err), &err);
    check_copy(p, restored, /* is_restored */ true);
    free(p->snapped);
    p->snapped = NULL;
}

/* Digests do not depend on where rows lie. */
static void step_verify(program *p)
{
    varve_error err;
    varve_verified before;
    varve_verified after;
    varve_verified_init(&before);
    varve_verified_init(&after);
    check_ok(varve_verify(p->db, NULL, &before, &err), &err);
    check_ok(varve_compact(p->db, VARVE_COMPACT_ALL, NULL, &err), &err);
    check_ok(varve_verify(p->db, NULL, &after, &err), &err);
    assert_int_equal(before.digest[0], after.digest[0]);
    assert_int_equal(before.rows, after.rows);
}

static void program_step(program *p)
{
    varve_error err;
    switch (pick(p, 16)) {
    case 0:
        step_shape(p);
        break;
    case 1:
    case 2:
        check_ok(varve_flush(p->db, NULL, &err), &err);
        break;
    case 3:
        step_reopen(p);
        break;
    case 4:
        step_old_cursor(p);
        break;
    case 5:
        step_snapshot(p);
        break;
    case 6:
        step_verify(p);
        break;
    case 7:
        step_write(p, 1 + pick(p, 400));
        break;
    case 8:
    case 9:
    case 10:
    case 11:
        step_write(p, 1 + pick(p, 20));
        break;
    default:
        step_compare(p);
        break;
    }
}

static void run_program(uint64_t seed)
{
    varve_error err;
    program p;
    memset(&p, 0, sizeof p);
    vv_random_init(&p.random, seed);
    p.world = memory_world_create();
    p.clock = pick(&p, 2) == 0 ? 100000 : 500;
    varve_options_init(&p.options);
    p.options.environment = memory_world_environment(p.world);
    p.options.flags = VARVE_OPEN_NO_BACKGROUND;
    p.options.log_file_bytes = 64 * 1024;
    p.options.merge_fan_in = 2;
    p.options.memory_limit_bytes = UINT64_C(256) << 20;
    p.options.cache_bytes = 256 * 1024;
    program_open(&p);
    step_shape(&p);
    step_shape(&p);
    for (uint32_t i = 0; i < STEPS; i++) {
        program_step(&p);
    }
    if (p.old_cursor != NULL) {
        step_old_cursor(&p);
    }
    if (p.snapped != NULL) {
        step_snapshot(&p);
    }
    step_compare(&p);
    check_ok(varve_close(p.db, &err), &err);
    naive_free(&p.twin);
    memory_world_free(p.world);
}

static void random_rings_equal_the_twin(void **state)
{
    (void)state;
    setting_run_seeds(SEEDS, 10, run_program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(random_rings_equal_the_twin, setting_tell_seed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
