/* SPDX-License-Identifier: Apache-2.0 */
/* Scans: parts, both directions, deletes, questions of existence, row ids, the caller's wish. */
#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "codec/vector.h"
#include "engine/scan.h"
#include "index/catalogue.h"
#include "support/engine_fixture.h"

typedef struct scan_fixture {
    engine_fixture f;
    vv_codec_scratch *scratch;
    vv_view *view;
    uint32_t series, field;
} scan_fixture;

static int setup(void **state)
{
    scan_fixture *s = calloc(1, sizeof *s);
    engine_fixture_create(&s->f);
    *state = s;
    return 0;
}

static void look(scan_fixture *s)
{
    varve_error err;
    varve_label label = {VARVE_STR("host"), VARVE_STR("h1")};
    if (s->scratch == NULL) {
        check_ok(vv_codec_scratch_create(&s->f.db->alloc, &s->scratch, &err), &err);
    }
    vv_view_unref(s->view);
    check_ok(vv_view_open(s->f.db, &s->view, &err), &err);
    check_ok(vv_catalogue_resolve(s->f.db->catalogue, VARVE_STR("cpu"), &label, 1, false,
                                  &s->series, &err),
             &err);
    check_ok(vv_catalogue_field(s->f.db->catalogue, VARVE_STR("value"), false, &s->field, &err),
             &err);
}

static int teardown(void **state)
{
    scan_fixture *s = *state;
    vv_view_unref(s->view);
    vv_codec_scratch_free(s->scratch);
    engine_fixture_free(&s->f);
    free(s);
    return 0;
}

static vv_scan_options options_of(const scan_fixture *s, int64_t start, int64_t end)
{
    return (vv_scan_options){
        .range = {.start = start, .end = end}, .alloc = &s->f.db->alloc, .scratch = s->scratch};
}

typedef struct scan_seen {
    size_t rows, vectors, parts;
    int64_t first, last;
    double sum;
} scan_seen;

/* Reads it all; times must ascend inside of parts, and parts follow each other. */
static scan_seen read_all(scan_fixture *s, const vv_scan_options *options)
{
    varve_error err;
    vv_scan *scan;
    scan_seen seen = {0};
    check_ok(vv_scan_open(s->view, s->series, options, &scan, &err), &err);
    for (;;) {
        const vv_part *part;
        vv_rows rows;
        check_ok(vv_scan_next(scan, &part, &err), &err);
        if (part == NULL) {
            break;
        }
        int64_t first = part->first_time;
        int64_t last = part->last_time;
        seen.vectors += part->kind == VV_PART_VECTOR;
        check_ok(vv_scan_rows(scan, &rows, &err), &err);
        assert_int_equal(rows.times[0], first);
        assert_int_equal(rows.times[rows.count - 1], last);
        for (size_t i = 0; i < rows.count; i++) {
            assert_true(i == 0 || rows.times[i - 1] < rows.times[i]);
            seen.sum += ((const double *)rows.columns[0].values)[i];
        }
        assert_true(seen.parts == 0 ||
                    (options->is_descending ? last < seen.first : first > seen.last));
        seen.first = first;
        seen.last = last;
        seen.rows += rows.count;
        seen.parts++;
    }
    vv_scan_close(scan);
    return seen;
}

static double sum_to(double count)
{
    return count * (count - 1) / 2;
}

/* Segments, a frozen past, the head: late rows over all of them. */
static void both_directions_see_every_row_once(void **state)
{
    scan_fixture *s = *state;
    varve_error err;
    engine_fixture_write(&s->f, 1, 0, 2, 3000, 0);
    check_ok(varve_flush(s->f.db, NULL, &err), &err);
    engine_fixture_write(&s->f, 1, 1001, 2, 500, 5000); /* between the rows of the segment */
    engine_fixture_write(&s->f, 1, 1000, 2, 10, 0);     /* over them */
    look(s);
    vv_scan_options options = options_of(s, INT64_MIN, INT64_MAX);
    scan_seen up = read_all(s, &options);
    assert_int_equal(up.rows, 3500);
    assert_true(up.vectors > 0);
    options.is_descending = true;
    scan_seen down = read_all(s, &options);
    assert_int_equal(down.rows, 3500);
    assert_true(up.sum == down.sum);
    /* Rows 500..509 of the segment were 500 + i and are 0 + i. */
    assert_true(up.sum == sum_to(3000) + sum_to(500) + 500 * 5000.0 - 10 * 500.0);
    options.no_vectors = true;
    assert_int_equal(read_all(s, &options).vectors, 0);
    options.range = (varve_range){.start = 100, .end = 200};
    assert_int_equal(read_all(s, &options).rows, 50);
}

static varve_status count_polls(void *context, varve_error *out_err)
{
    size_t *left = context;
    if (*left == 0) {
        return vv_fail(out_err, VARVE_E_CANCELLED, "enough");
    }
    --*left;
    return VARVE_OK;
}

/* What a delete covers whole is not read at all: the caller is asked before each read. */
static void deleted_vectors_are_not_read(void **state)
{
    scan_fixture *s = *state;
    varve_error err;
    engine_fixture_write(&s->f, 1, 0, 1, 20000, 0);
    check_ok(varve_flush(s->f.db, NULL, &err), &err);
    engine_fixture_delete(&s->f, 1, 0, 19000);
    look(s);
    size_t polls = 4;
    vv_scan_options options = options_of(s, INT64_MIN, INT64_MAX);
    options.poll = count_polls;
    options.poll_context = &polls;
    scan_seen seen = read_all(s, &options);
    assert_int_equal(seen.rows, 1000);
    assert_int_equal(seen.first >= 19000, 1);
}

static void a_scan_ends_when_the_caller_wishes(void **state)
{
    scan_fixture *s = *state;
    varve_error err;
    engine_fixture_write(&s->f, 1, 0, 1, 20000, 0);
    check_ok(varve_flush(s->f.db, NULL, &err), &err);
    look(s);
    size_t polls = 5;
    vv_scan_options options = options_of(s, INT64_MIN, INT64_MAX);
    options.poll = count_polls;
    options.poll_context = &polls;
    vv_scan *scan;
    const vv_part *part;
    check_ok(vv_scan_open(s->view, s->series, &options, &scan, &err), &err);
    for (size_t i = 0; i < 5; i++) {
        check_ok(vv_scan_next(scan, &part, &err), &err);
        assert_non_null(part);
    }
    check_status(VARVE_E_CANCELLED, vv_scan_next(scan, &part, &err));
    vv_scan_close(scan);
}

static void existence_is_that_of_a_live_row_in_the_range(void **state)
{
    scan_fixture *s = *state;
    varve_error err;
    engine_fixture_write(&s->f, 1, 0, 10, 100, 0);
    for (int is_flushed = 0; is_flushed < 2; is_flushed++) {
        look(s);
        static const struct {
            int64_t start, end;
            bool exists;
        } cases[] = {{INT64_MIN, INT64_MAX, true},
                     {0, 1, true},
                     {1, 10, false},
                     {985, 990, false},
                     {985, 991, true},
                     {991, 2000, false},
                     {-5, 0, false},
                     {500, 501, true}};
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            bool exists;
            varve_range range = {.start = cases[i].start, .end = cases[i].end};
            check_ok(vv_scan_exists(s->view, s->series, range, s->scratch, &exists, &err), &err);
            assert_int_equal(exists, cases[i].exists);
        }
        bool has;
        check_ok(vv_scan_field_exists(s->view, s->series, s->field, s->scratch, &has, &err), &err);
        assert_true(has);
        check_ok(vv_scan_field_exists(s->view, s->series, s->field + 1, s->scratch, &has, &err),
                 &err);
        assert_false(has);
        check_ok(varve_flush(s->f.db, NULL, &err), &err);
    }
    engine_fixture_delete(&s->f, 1, 0, 500);
    look(s);
    bool exists;
    check_ok(vv_scan_exists(s->view, s->series, (varve_range){0, 500}, s->scratch, &exists, &err),
             &err);
    assert_false(exists);
    check_ok(vv_scan_exists(s->view, s->series, (varve_range){0, 501}, s->scratch, &exists, &err),
             &err);
    assert_true(exists);
    engine_fixture_delete(&s->f, 1, 0, 5000);
    look(s);
    bool has;
    check_ok(vv_scan_field_exists(s->view, s->series, s->field, s->scratch, &has, &err), &err);
    assert_false(has);
}

static void every_failing_allocation_is_an_answer(void **state)
{
    scan_fixture *s = *state;
    varve_error err;
    engine_fixture_write(&s->f, 1, 0, 2, 3000, 0);
    check_ok(varve_flush(s->f.db, NULL, &err), &err);
    engine_fixture_write(&s->f, 1, 1, 3, 500, 0);
    look(s);
    vv_scan_options options = options_of(s, INT64_MIN, INT64_MAX);
    for (uint64_t n = 1;; n++) {
        vv_scan *scan = NULL;
        const vv_part *part = NULL;
        vv_rows rows;
        failing_alloc_plan(&s->f.source, n, false);
        varve_status status = vv_scan_open(s->view, s->series, &options, &scan, &err);
        do {
            status = status == VARVE_OK ? vv_scan_next(scan, &part, &err) : status;
            if (status == VARVE_OK && part != NULL) {
                status = vv_scan_rows(scan, &rows, &err);
            }
        } while (status == VARVE_OK && part != NULL);
        vv_scan_close(scan);
        bool has_failed = s->f.source.failures > 0;
        failing_alloc_plan(&s->f.source, 0, false);
        check_status(has_failed ? VARVE_E_NOMEM : VARVE_OK, status);
        if (!has_failed) {
            break;
        }
    }
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        FRESH(both_directions_see_every_row_once),
        FRESH(deleted_vectors_are_not_read),
        FRESH(a_scan_ends_when_the_caller_wishes),
        FRESH(existence_is_that_of_a_live_row_in_the_range),
        FRESH(every_failing_allocation_is_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
