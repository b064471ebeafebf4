/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Promises of engine/rollup_spans.h: no bucket in which something happened is missed, checkpoints,
 * the newest time. Buckets are 100 wide and begin at 0.
 */
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "codec/vector.h"
#include "engine/db.h"
#include "engine/rollup_spans.h"
#include "engine/view.h"
#include "model/time_range.h"
#include "support/check.h"
#include "support/dump.h"
#include "support/engine_fixture.h"
#include "wal/wal.h"

enum { WIDTH = 100, CHANGES_MAX = 1 << 14 };

/* Rows of a series, or a delete, and the sequence that they were done with at the latest. */
typedef struct change {
    int64_t first, last;
    uint64_t sequence;
} change;

typedef struct world {
    engine_fixture f;
    vv_buckets buckets;
    vv_codec_scratch *scratch;
    vv_view *view;
    varve_series series;
    change changes[CHANGES_MAX];
    size_t count;
} world;

static int setup(void **state)
{
    varve_error err;
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    engine_fixture_create(&w->f);
    check_ok(vv_buckets_init(&w->buckets, WIDTH, 0, &err), &err);
    w->series = dump_series(w->f.db, "m");
    *state = w;
    return 0;
}

static void world_forget(world *w)
{
    vv_view_unref(w->view);
    vv_codec_scratch_free(w->scratch);
    w->view = NULL;
    w->scratch = NULL;
}

static int teardown(void **state)
{
    world *w = *state;
    world_forget(w);
    engine_fixture_free(&w->f);
    free(w);
    return 0;
}

static vv_rollup_look world_look(world *w)
{
    varve_error err;
    world_forget(w);
    check_ok(vv_codec_scratch_create(&w->f.db->alloc, &w->scratch, &err), &err);
    check_ok(vv_view_open(w->f.db, &w->view, &err), &err);
    return (vv_rollup_look){
        .view = w->view, .buckets = &w->buckets, .alloc = &w->f.db->alloc, .scratch = w->scratch};
}

static uint64_t sequence_of(world *w)
{
    uint64_t lsn;
    uint64_t sequence;
    vv_wal_position(w->f.db->wal, &lsn, &sequence);
    return sequence;
}

static void note(world *w, int64_t first, int64_t last, uint64_t sequence)
{
    assert_true(w->count < CHANGES_MAX);
    w->changes[w->count++] = (change){first, last, sequence};
}

/* One batch of rows at first, first + step, ... of a series. */
static void put(world *w, const char *series, int64_t first, int64_t step, int count)
{
    varve_error err;
    varve_batch *batch;
    varve_field field = dump_field(w->f.db, "value");
    check_ok(varve_batch_create(w->f.db, &batch, &err), &err);
    for (int i = 0; i < count; i++) {
        varve_value value = dump_i64(i);
        varve_row row = {.series = dump_series(w->f.db, series),
                         .timestamp = first + i * step,
                         .fields = &field,
                         .values = &value,
                         .count = 1};
        check_ok(varve_batch_row(batch, &row, &err), &err);
    }
    check_ok(varve_batch_commit(batch, NULL, NULL, &err), &err);
    varve_batch_free(batch);
    for (int i = 0; i < count && strcmp(series, "m") == 0; i++) {
        uint64_t sequence = sequence_of(w) - (uint64_t)(count - 1 - i);
        note(w, first + i * step, first + i * step, sequence);
    }
}

static void take_away(world *w, int64_t start, int64_t end)
{
    varve_error err;
    varve_selection selection = {.kind = VARVE_SELECT_TEXT, .text = VARVE_STR("m")};
    check_ok(varve_delete(w->f.db, &selection, 1, (varve_range){start, end}, NULL, NULL, &err),
             &err);
    note(w, start, end - 1, sequence_of(w));
}

static bool covers(const vv_vec *spans, uint64_t bucket)
{
    for (size_t i = 0; i < spans->count; i++) {
        const vv_rollup_span *span = VV_VEC_AT(spans, vv_rollup_span, i);
        if (bucket >= span->first && bucket <= span->last) {
            return true;
        }
    }
    return false;
}

/* What happened after a sequence, up to a bucket: ascending, joined, nothing missed. */
static void check_spans(world *w, const vv_rollup_look *look, uint64_t after, uint64_t last)
{
    varve_error err;
    vv_vec spans;
    vv_rollup_spans_init(&spans, look->alloc);
    check_ok(vv_rollup_spans(look, (uint32_t)w->series.id, after, last, &spans, &err), &err);
    for (size_t i = 0; i < spans.count; i++) {
        const vv_rollup_span *span = VV_VEC_AT(&spans, vv_rollup_span, i);
        assert_true(span->first <= span->last && span->last <= last);
        assert_true(i == 0 || VV_VEC_AT(&spans, vv_rollup_span, i - 1)->last + 1 < span->first);
    }
    for (size_t i = 0; i < w->count; i++) {
        const change *at = &w->changes[i];
        for (int64_t time = at->first; time <= at->last; time += WIDTH) {
            uint64_t bucket = vv_buckets_index(&w->buckets, time);
            if (at->sequence > after && bucket <= last && !covers(&spans, bucket)) {
                fail_msg("bucket of %lld changed at sequence %llu, after %llu", (long long)time,
                         (unsigned long long)at->sequence, (unsigned long long)after);
            }
        }
    }
    vv_vec_deinit(&spans);
}

/* Rows in order and late, so many that blocks of both are encoded, with a moment between; deletes
 * of stored rows; a flush. */
static uint64_t fill(world *w, bool is_flushed)
{
    engine_fixture *f = &w->f;
    put(w, "m", 0, 10, 300);
    put(w, "m", 5, 20, 600); /* late at first */
    engine_fixture_flush(f);
    put(w, "m", 20000, 10, 100);
    put(w, "m", 105, 10, 40);
    uint64_t after = sequence_of(w);
    put(w, "m", 21000, 10, 100);   /* one block with those before */
    for (int i = 0; i < 40; i++) { /* the same for late ones */
        put(w, "m", 3000 + 170 * i, 3, 50);
    }
    put(w, "m", 50000, WIDTH, 3);
    take_away(w, 700, 900);
    if (is_flushed) {
        engine_fixture_flush(f);
        put(w, "m", 60000, 1, 2);
    }
    return after;
}

static void no_bucket_that_changed_is_missed(void **state)
{
    world *w = *state;
    for (int is_flushed = 0; is_flushed < 2; is_flushed++) {
        uint64_t middle = fill(w, is_flushed == 1);
        vv_rollup_look look = world_look(w);
        uint64_t greatest = vv_buckets_index(&w->buckets, INT64_MAX);
        uint64_t ends[] = {vv_buckets_index(&w->buckets, 850), vv_buckets_index(&w->buckets, 20500),
                           vv_buckets_index(&w->buckets, 50100), greatest};
        uint64_t afters[] = {middle, middle - 60, middle + 100, sequence_of(w) - 1, sequence_of(w)};
        for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
            for (size_t at = 0; at < sizeof afters / sizeof afters[0]; at++) {
                check_spans(w, &look, afters[at], ends[i]);
            }
        }
    }
}

static void what_did_not_change_is_not_named(void **state)
{
    world *w = *state;
    varve_error err;
    vv_vec spans;
    put(w, "m", 0, 10, 50);
    engine_fixture_flush(&w->f);
    put(w, "m", 1000, 10, 50);
    uint64_t after = sequence_of(w);
    put(w, "other", 2000, 10, 50);
    put(w, "m", 1500, 1, 1);
    put(w, "m", 205, 400, 2); /* late: 205 and 605, and nothing between */
    vv_rollup_look look = world_look(w);
    vv_rollup_spans_init(&spans, look.alloc);
    uint64_t greatest = vv_buckets_index(&w->buckets, INT64_MAX);
    check_ok(vv_rollup_spans(&look, (uint32_t)w->series.id, after, greatest, &spans, &err), &err);
    assert_int_equal(spans.count, 3);
    assert_true(covers(&spans, vv_buckets_index(&w->buckets, 205)));
    assert_true(covers(&spans, vv_buckets_index(&w->buckets, 605)));
    assert_true(covers(&spans, vv_buckets_index(&w->buckets, 1500)));
    vv_vec_clear(&spans);
    check_ok(vv_rollup_spans(&look, (uint32_t)w->series.id, sequence_of(w), greatest, &spans, &err),
             &err);
    assert_int_equal(spans.count, 0);
    vv_vec_deinit(&spans);
}

static void spans_that_touch_are_joined(void **state)
{
    (void)state;
    static const vv_rollup_span given[] = {{10, 20}, {30, 40}, {21, 22}, {5, 6},
                                           {29, 29}, {8, 9},   {35, 36}, {UINT64_MAX, UINT64_MAX}};
    varve_error err;
    vv_alloc alloc;
    vv_vec spans;
    vv_alloc_init(&alloc, NULL);
    vv_rollup_spans_init(&spans, &alloc);
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
        check_ok(vv_rollup_spans_add(&spans, given[i], &err), &err);
    }
    static const vv_rollup_span wanted[] = {{5, 6}, {8, 22}, {29, 40}, {UINT64_MAX, UINT64_MAX}};
    assert_int_equal(spans.count, 4);
    assert_memory_equal(spans.items, wanted, sizeof wanted);
    vv_vec_deinit(&spans);
}

static void a_search_that_finds_no_memory_says_so(void **state)
{
    world *w = *state;
    uint64_t middle = fill(w, false);
    bool has_failed = true;
    for (uint64_t number = 1; has_failed; number++) {
        varve_error err;
        vv_vec spans;
        vv_rollup_look look = world_look(w);
        uint64_t last = vv_buckets_index(&w->buckets, 50100);
        vv_rollup_spans_init(&spans, look.alloc);
        failing_alloc_plan(&w->f.source, number, /* once */ true);
        varve_status status =
            vv_rollup_spans(&look, (uint32_t)w->series.id, middle, last, &spans, &err);
        has_failed = atomic_load(&w->f.source.failures) > 0;
        failing_alloc_plan(&w->f.source, 0, false);
        assert_int_equal(status, has_failed ? VARVE_E_NOMEM : VARVE_OK);
        vv_vec_deinit(&spans);
        check_spans(w, &look, middle, last);
    }
}

/* Spans and times stand in the index, which is checked when a segment opens. */
static void a_damaged_block_changes_no_span(void **state)
{
    world *w = *state;
    char path[ENGINE_FIXTURE_PATH_BYTES];
    put(w, "m", 0, 1, 1500);
    put(w, "n", 0, 1, 10);
    engine_fixture_flush(&w->f);
    engine_fixture_close(&w->f);
    engine_fixture_last_file(&w->f, "db/seg", path);
    int64_t size = engine_fixture_size(&w->f, path);
    uint64_t last = vv_buckets_index(&w->buckets, INT64_MAX);
    size_t opened = 0;
    for (int64_t offset = 64; offset < size; offset += 7) {
        varve_error err;
        vv_vec spans;
        bool has;
        int64_t newest;
        engine_fixture_flip(&w->f, path, offset, 1);
        if (varve_open("db", &w->f.options, &w->f.db, &err) == VARVE_OK) {
            vv_rollup_look look = world_look(w);
            vv_rollup_spans_init(&spans, look.alloc);
            uint32_t series = (uint32_t)dump_series(w->f.db, "m").id;
            check_ok(vv_rollup_spans(&look, series, 0, last, &spans, &err), &err);
            assert_int_equal(spans.count, 1);
            assert_true(covers(&spans, vv_buckets_index(&w->buckets, 1400)));
            check_ok(vv_rollup_newest(look.view, 1200, &has, &newest, &err), &err);
            assert_true(has && newest == 1024); /* begins the second vector */
            opened++;
            vv_vec_deinit(&spans);
            world_forget(w);
            engine_fixture_abandon(&w->f);
        }
        engine_fixture_flip(&w->f, path, offset, 1);
    }
    assert_true(opened > 0);
}

static void expect_newest(world *w, int64_t limit, bool wants, int64_t wanted)
{
    varve_error err;
    bool has = !wants;
    int64_t newest = 0;
    vv_rollup_look look = world_look(w);
    check_ok(vv_rollup_newest(look.view, limit, &has, &newest, &err), &err);
    assert_int_equal(has, wants);
    assert_true(!wants || newest == wanted);
}

static void the_newest_time_is_the_last_that_is_believed(void **state)
{
    world *w = *state;
    expect_newest(w, 1000, false, 0);
    put(w, "m", 1, 1, 1500); /* two vectors: 1 to 1024, 1025 to 1500 */
    put(w, "k", 700, 1, 1);
    put(w, "n", 5000, 1, 1);
    put(w, "varve.own", 1100, 1, 1); /* internal: does not count */
    engine_fixture_flush(&w->f);
    expect_newest(w, 0, false, 0);
    expect_newest(w, 600, true, 1); /* about: the vector that reaches beyond begins there */
    expect_newest(w, 700, true, 700);
    expect_newest(w, 1200, true, 1025);
    expect_newest(w, 1500, true, 1500);
    expect_newest(w, 4999, true, 1500);
    expect_newest(w, 5000, true, 5000);
    put(w, "m", 4000, 1, 1); /* in memory */
    expect_newest(w, 4999, true, 4000);
    put(w, "k", 9000, 1, 1);
    expect_newest(w, 8000, true, 5000);
    expect_newest(w, INT64_MAX, true, 9000);
}

static void a_checkpoint_is_the_newest_number(void **state)
{
    world *w = *state;
    varve_error err;
    vv_rollup_checkpoint checkpoint;
    uint32_t series = (uint32_t)w->series.id;
    vv_rollup_look look = world_look(w);
    check_ok(vv_rollup_read_checkpoint(&look, series, &checkpoint, &err), &err);
    assert_false(checkpoint.exists); /* the field is not known */
    dump_must_put(w->f.db, "m", 250, VV_ROLLUP_SEQUENCE_FIELD, dump_u64(77));
    dump_must_put(w->f.db, "m", 150, VV_ROLLUP_SEQUENCE_FIELD, dump_u64(99));
    dump_must_put(w->f.db, "n", 150, VV_ROLLUP_SEQUENCE_FIELD, dump_string("no number"));
    dump_must_put(w->f.db, "k", 150, "value", dump_u64(1));
    look = world_look(w);
    check_ok(vv_rollup_read_checkpoint(&look, series, &checkpoint, &err), &err);
    assert_true(checkpoint.exists);
    assert_int_equal(checkpoint.sequence, 77);
    assert_int_equal(checkpoint.through, vv_buckets_index(&w->buckets, 250) + 1);
    check_ok(vv_rollup_read_checkpoint(&look, 0, &checkpoint, &err), &err);
    assert_false(checkpoint.exists);
    uint32_t other = (uint32_t)dump_series(w->f.db, "k").id;
    check_ok(vv_rollup_read_checkpoint(&look, other, &checkpoint, &err), &err);
    assert_false(checkpoint.exists);
    other = (uint32_t)dump_series(w->f.db, "n").id;
    check_status(VARVE_E_CORRUPT, vv_rollup_read_checkpoint(&look, other, &checkpoint, &err));
    assert_non_null(strstr(err.message, "no number"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_bucket_that_changed_is_missed, setup, teardown),
        cmocka_unit_test_setup_teardown(what_did_not_change_is_not_named, setup, teardown),
        cmocka_unit_test(spans_that_touch_are_joined),
        cmocka_unit_test_setup_teardown(a_search_that_finds_no_memory_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_block_changes_no_span, setup, teardown),
        cmocka_unit_test_setup_teardown(the_newest_time_is_the_last_that_is_believed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_checkpoint_is_the_newest_number, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
