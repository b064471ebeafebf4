/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/slice.h"
#include "base/status.h"
#include "server/ingest.h"
#include "support/check.h"
#include "wire/decode.h"

/* A database in memory, and an ingest whose decoder is fed by hand. */
typedef struct world {
    varve_db *db;
    vv_alloc alloc;
    vv_name_cache series, fields;
    vv_ingest ingest;
    vv_wire_sink sink;
    vv_decoder_options decoding;
    vv_decoder *decoder;
} world;

static void begin(world *w)
{
    varve_error err;
    memset(w, 0, sizeof *w);
    vv_alloc_init(&w->alloc, NULL);
    check_ok(varve_open(NULL, NULL, &w->db, &err), &err);
    check_ok(vv_name_cache_init(&w->series, &w->alloc, 1 << 20, 1, &err), &err);
    check_ok(vv_name_cache_init(&w->fields, &w->alloc, 1 << 20, 2, &err), &err);
}

static void text_begin(world *w, vv_format format, vv_ingest_unit unit, uint64_t batch_rows_max)
{
    varve_error err;
    vv_ingest_options options = {.db = w->db,
                                 .alloc = &w->alloc,
                                 .series = &w->series,
                                 .fields = &w->fields,
                                 .batch_rows_max = batch_rows_max,
                                 .batch_bytes = 1 << 20,
                                 .unit = unit,
                                 .bounds_names = true};
    w->decoding.precision = VARVE_PRECISION_NS;
    check_ok(vv_ingest_init(&w->ingest, &options, &err), &err);
    check_ok(vv_ingest_set_origin(&w->ingest, format, &w->decoding, &err), &err);
    vv_ingest_sink(&w->ingest, &w->sink);
    check_ok(vv_decoder_create(format, &w->alloc, &w->decoding, &w->sink, &w->decoder, &err), &err);
}

static varve_status feed(world *w, const char *text, varve_error *out_err)
{
    return vv_decoder_feed(w->decoder, vv_bytes_of_text(vv_text_from_string(text)), out_err);
}

static varve_status text_end(world *w, varve_error *out_err)
{
    VV_TRY(vv_decoder_end(w->decoder, out_err));
    return vv_ingest_flush(&w->ingest, out_err);
}

static void text_free(world *w)
{
    vv_decoder_free(w->decoder);
    vv_ingest_deinit(&w->ingest);
}

/** Rows that the database has taken so far. */
static uint64_t stored(world *w)
{
    varve_stat stats[256];
    size_t count;
    varve_error err;
    check_ok(varve_stats(w->db, stats, VV_ARRAY_COUNT(stats), &count, &err), &err);
    for (size_t i = 0; i < count && i < VV_ARRAY_COUNT(stats); i++) {
        if (strcmp(stats[i].name, "varve_rows_written_total") == 0) {
            return (uint64_t)stats[i].value;
        }
    }
    fail_msg("no figure of rows");
    return 0;
}

static void end(world *w)
{
    varve_error err;
    vv_name_cache_deinit(&w->series);
    vv_name_cache_deinit(&w->fields);
    check_ok(varve_close(w->db, &err), &err);
    assert_int_equal(vv_alloc_bytes(&w->alloc), 0);
}

static void ingest_commits_between_two_lines(void **state)
{
    (void)state;
    world w;
    varve_error err;
    begin(&w);
    text_begin(&w, VV_FORMAT_JSONL, VV_INGEST_PARTS, 2);
    check_ok(feed(&w,
                  "{\"metric\":{\"__name__\":\"a\"},\"values\":[1,2,3],\"timestamps\":[1,2,3]}\n",
                  &err),
             &err);
    assert_int_equal(w.ingest.rows, 0); /* above the bound, but the line may go on */
    check_ok(feed(&w, "nonsense\n{\"metric\":{\"__name__\":\"b\"},\"values\":[1],", &err), &err);
    assert_int_equal(w.ingest.rows, 0);
    check_ok(feed(&w, "\"timestamps\":[1]}\n", &err), &err);
    assert_int_equal(w.ingest.rows, 3);
    assert_int_equal(w.ingest.lines_stored, 2);
    assert_int_equal(w.ingest.rejected, 1);
    assert_int_equal(w.ingest.first_line, 2);
    check_ok(text_end(&w, &err), &err);
    assert_int_equal(w.ingest.rows, 4);
    assert_int_equal(w.ingest.lines_stored, 3);
    assert_string_equal(vv_ingest_ack_text(&w.ingest), "VOLATILE");
    text_free(&w);
    end(&w);
}

static void ingest_names_the_line_of_a_row_that_is_refused(void **state)
{
    (void)state;
    world w;
    varve_error err;
    begin(&w);
    text_begin(&w, VV_FORMAT_LP, VV_INGEST_PARTS, 100);
    check_ok(feed(&w, "m v=1 1\nm w=\"x\",v=2 2\n\nm v=\"text\" 3\nm v=4 4\nm v=1,v=2 5\n", &err),
             &err);
    check_ok(text_end(&w, &err), &err);
    assert_int_equal(w.ingest.rows, 3);
    assert_int_equal(w.ingest.rejected, 2);
    assert_int_equal(w.ingest.first_line, 4);
    assert_string_equal(w.ingest.first_err.message,
                        "field \"v\": its type differs from what is stored");
    assert_int_equal(w.ingest.cache_misses, 1);
    assert_int_equal(w.ingest.cache_hits, 4);
    text_free(&w);
    end(&w);
}

static void ingest_bounds_what_names_a_series(void **state)
{
    (void)state;
    static const struct {
        int metric, labels, value;
        bool fits;
    } cases[] = {
        {512, 0, 0, true},  {513, 0, 0, false},  {1, 64, 1, true},   {1, 65, 1, false},
        {1, 1, 4096, true}, {1, 1, 4097, false}, {1, 4, 4093, true}, {1, 4, 4094, false},
    };
    world w;
    varve_error err;
    begin(&w);
    for (size_t i = 0; i < VV_ARRAY_COUNT(cases); i++) {
        char text[20000];
        int size = snprintf(text, sizeof text, "%0*d", cases[i].metric, 7);
        for (int label = 0; label < cases[i].labels; label++) {
            /* names of two bytes: 4 * (2 + 4093) + 1 is 16381, one more a label 16385 */
            size += snprintf(text + size, sizeof text - (size_t)size, ",%c%c=%0*d",
                             'a' + label / 26, 'a' + label % 26, cases[i].value, 1);
        }
        snprintf(text + size, sizeof text - (size_t)size, " v=1 1\n");
        text_begin(&w, VV_FORMAT_LP, VV_INGEST_PARTS, 100);
        check_ok(feed(&w, text, &err), &err);
        check_ok(text_end(&w, &err), &err);
        if (w.ingest.rows != (cases[i].fits ? 1 : 0)) {
            print_error("case %zu: %s\n", i, w.ingest.first_err.message);
        }
        assert_int_equal(w.ingest.rows, cases[i].fits ? 1 : 0);
        assert_int_equal(w.ingest.rejected, cases[i].fits ? 0 : 1);
        text_free(&w);
    }
    end(&w);
}

static void ingest_stores_a_whole_or_nothing(void **state)
{
    (void)state;
    world w;
    varve_error err;
    begin(&w);
    for (int unit = VV_INGEST_WHOLE; unit <= VV_INGEST_WHOLE_IF_FITS; unit++) {
        uint64_t before = stored(&w);
        text_begin(&w, VV_FORMAT_LP, (vv_ingest_unit)unit, 2);
        check_ok(feed(&w, "m v=1 1\nm v=1 2\nm v=1 3\nbad\nm v=1 4\n", &err), &err);
        assert_int_equal(text_end(&w, &err), VARVE_E_INVALID);
        assert_string_equal(err.message, "line 4: missing fields; nothing is stored");
        assert_int_equal(stored(&w), before);
        text_free(&w);
        /* What the database refuses leaves nothing either. */
        text_begin(&w, VV_FORMAT_LP, (vv_ingest_unit)unit, 2);
        check_ok(feed(&w, "n v=1 1\nn v=\"x\" 2\n", &err), &err);
        assert_int_equal(text_end(&w, &err), VARVE_E_INVALID);
        assert_int_equal(stored(&w), before);
        text_free(&w);
        text_begin(&w, VV_FORMAT_LP, (vv_ingest_unit)unit, 2);
        check_ok(feed(&w, "m v=1 1\nm v=1 2\nm v=1 3\n", &err), &err);
        assert_int_equal(stored(&w), before);
        check_ok(text_end(&w, &err), &err);
        assert_int_equal(stored(&w), before + 3);
        text_free(&w);
    }
    end(&w);
}

/** Lines of one row with a long string, until the bound of a whole is passed. */
static varve_status feed_too_much(world *w, varve_error *out_err)
{
    static char line[60100];
    for (int row = 0; row < 1200; row++) {
        int size = snprintf(line, sizeof line, "m s=\"%060000d\" %d\n", row, row);
        VV_TRY(vv_decoder_feed(w->decoder, vv_bytes_make(line, (size_t)size), out_err));
    }
    return VARVE_OK;
}

static void ingest_bounds_a_whole(void **state)
{
    (void)state;
    world w;
    varve_error err;
    begin(&w);
    text_begin(&w, VV_FORMAT_LP, VV_INGEST_WHOLE, 2);
    assert_int_equal(feed_too_much(&w, &err), VARVE_E_LIMIT);
    assert_int_equal(stored(&w), 0);
    text_free(&w);
    text_begin(&w, VV_FORMAT_LP, VV_INGEST_WHOLE_IF_FITS, 2);
    check_ok(feed_too_much(&w, &err), &err);
    assert_true(w.ingest.lines_stored > 1000); /* 64 MiB, and from there on in parts */
    check_ok(text_end(&w, &err), &err);
    assert_int_equal(w.ingest.rows, 1200);
    text_free(&w);
    end(&w);
}

static void ingest_tells_texts_of_other_origin_apart(void **state)
{
    (void)state;
    world w;
    varve_error err;
    varve_label extra = {VARVE_STR("a"), VARVE_STR("b")};
    begin(&w);
    for (int round = 0; round < 2; round++) {
        text_begin(&w, VV_FORMAT_LP, VV_INGEST_PARTS, 100);
        check_ok(feed(&w, "m value=1 1\n", &err), &err);
        check_ok(text_end(&w, &err), &err);
        assert_int_equal(w.ingest.cache_misses, round == 0 ? 1 : 0);
        text_free(&w);
        text_begin(&w, VV_FORMAT_PROMETHEUS, VV_INGEST_PARTS, 100);
        check_ok(feed(&w, "m 1 2\n", &err), &err);
        check_ok(text_end(&w, &err), &err);
        assert_int_equal(w.ingest.cache_misses, round == 0 ? 1 : 0);
        text_free(&w);
        w.decoding.extra = &extra;
        w.decoding.extra_count = 1;
        for (w.decoding.extra_wins = 0; w.decoding.extra_wins < 2; w.decoding.extra_wins++) {
            text_begin(&w, VV_FORMAT_LP, VV_INGEST_PARTS, 100);
            check_ok(feed(&w, "m value=1 1\n", &err), &err);
            check_ok(text_end(&w, &err), &err);
            assert_int_equal(w.ingest.cache_misses, round == 0 ? 1 : 0);
            text_free(&w);
        }
        w.decoding = (vv_decoder_options){.unit = 0};
    }
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ingest_commits_between_two_lines),
        cmocka_unit_test(ingest_names_the_line_of_a_row_that_is_refused),
        cmocka_unit_test(ingest_bounds_what_names_a_series),
        cmocka_unit_test(ingest_stores_a_whole_or_nothing),
        cmocka_unit_test(ingest_bounds_a_whole),
        cmocka_unit_test(ingest_tells_texts_of_other_origin_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
