/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/limit.h"
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
    size_t bad_lines_max, string_bytes_max; /* of texts to come */
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
                                 .bounds_names = true,
                                 .string_bytes_max = w->string_bytes_max,
                                 .bad_lines_max = w->bad_lines_max};
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
    assert_int_equal(w.ingest.reasons[VV_INGEST_CONFLICT], 1);
    assert_int_equal(w.ingest.reasons[VV_INGEST_INVALID], 1);
    assert_int_equal(w.ingest.cache_misses, 1);
    assert_int_equal(w.ingest.cache_hits, 4);
    text_free(&w);
    end(&w);
}

/** "3 <text> why|..." of the lines that are kept. */
static void expect_bad_lines(const world *w, const char *wanted)
{
    char text[2048] = "";
    size_t size = 0;
    for (size_t i = 0; i < w->ingest.bad_lines.count; i++) {
        const vv_ingest_bad *bad = VV_VEC_AT(&w->ingest.bad_lines, vv_ingest_bad, i);
        size += (size_t)snprintf(text + size, sizeof text - size, "%llu <%.*s> %s|",
                                 (unsigned long long)bad->line, (int)bad->size, bad->text,
                                 bad->why.message);
    }
    assert_string_equal(text, wanted);
}

static void ingest_keeps_the_first_lines_that_are_left_out(void **state)
{
    (void)state;
    world w;
    varve_error err;
    begin(&w);
    w.bad_lines_max = 3;
    text_begin(&w, VV_FORMAT_LP, VV_INGEST_PARTS, 100);
    check_ok(feed(&w, "m v=1 1\nbad\nm v=\"a\" 2\nm v=2,v=3 3\nm v=\"b\" 4\nworse\n", &err), &err);
    /* What the decoder and the batch refuse, before the database looks at the rows. */
    expect_bad_lines(&w, "2 <bad> missing fields|"
                         "4 <m v=2,v=3 3> the field \"v\" stands twice|"
                         "6 <worse> missing fields|");
    check_ok(text_end(&w, &err), &err);
    expect_bad_lines(&w, "2 <bad> missing fields|"
                         "3 <m v=\"a\" 2> field \"v\": its type differs from what is stored|"
                         "4 <m v=2,v=3 3> the field \"v\" stands twice|");
    assert_int_equal(w.ingest.rows, 1);
    assert_int_equal(w.ingest.rejected, 5);
    assert_int_equal(w.ingest.first_line, 2);
    text_free(&w);
    end(&w);
}

static void ingest_keeps_whole_characters_of_long_lines(void **state)
{
    (void)state;
    world w;
    varve_error err;
    begin(&w);
    w.bad_lines_max = 8;
    text_begin(&w, VV_FORMAT_LP, VV_INGEST_PARTS, 100);
    for (int blanks = 0; blanks < 3; blanks++) {
        char line[300];
        int size = snprintf(line, sizeof line, "%.*s", blanks, "abc");
        while (size < 200) {
            memcpy(line + size, "\xe2\x82\xac", 4);
            size += 3;
        }
        snprintf(line + size, sizeof line - (size_t)size, "\n");
        check_ok(feed(&w, line, &err), &err);
        const vv_ingest_bad *bad = VV_VEC_AT(&w.ingest.bad_lines, vv_ingest_bad, (size_t)blanks);
        assert_int_equal(bad->size,
                         blanks + (int)(VV_INGEST_BAD_TEXT_BYTES - (unsigned)blanks) / 3 * 3);
    }
    /* Bytes that are none are kept as they are. */
    char rubbish[201];
    memset(rubbish, '\xff', sizeof rubbish);
    rubbish[199] = '\n';
    rubbish[200] = '\0';
    check_ok(feed(&w, rubbish, &err), &err);
    assert_int_equal(VV_VEC_AT(&w.ingest.bad_lines, vv_ingest_bad, 3)->size,
                     VV_INGEST_BAD_TEXT_BYTES);
    text_free(&w);
    end(&w);
}

static void ingest_speaks_of_lines_and_fields(void **state)
{
    (void)state;
    world w;
    varve_error err;
    begin(&w);
    w.bad_lines_max = 8;
    text_begin(&w, VV_FORMAT_LP, VV_INGEST_PARTS, 100);
    check_ok(feed(&w, "m v=1,w=2,v=3 1\nm s=\"\xff\" 2\n", &err), &err);
    check_ok(text_end(&w, &err), &err);
    expect_bad_lines(&w, "1 <m v=1,w=2,v=3 1> the field \"v\" stands twice|"
                         "2 <m s=\"\xff\" 2> field \"s\": string is not UTF-8 at byte 1|");
    text_free(&w);
    text_begin(&w, VV_FORMAT_LP, VV_INGEST_WHOLE, 100);
    check_ok(feed(&w, "# one\nm v=1 1\n\nm v=\"x\" 2\n", &err), &err);
    check_status(VARVE_E_INVALID, text_end(&w, &err));
    assert_string_equal(err.message,
                        "line 4: field \"v\" of \"m\" holds f64, and the row gives bytes/string; "
                        "nothing is stored");
    assert_int_equal(w.ingest.bad_lines.count, 1);
    assert_int_equal(w.ingest.reasons[VV_INGEST_CONFLICT], 1);
    text_free(&w);
    end(&w);
}

static void ingest_takes_rows_up_to_a_time(void **state)
{
    (void)state;
    world w;
    varve_error err;
    begin(&w);
    text_begin(&w, VV_FORMAT_JSONL, VV_INGEST_PARTS, 100);
    w.ingest.latest = 1000;
    check_ok(feed(&w,
                  "{\"metric\":{\"__name__\":\"a\"},\"values\":[1,2,3],"
                  "\"timestamps\":[1001,1000,9223372036854775807]}\n",
                  &err),
             &err);
    check_ok(text_end(&w, &err), &err);
    assert_int_equal(w.ingest.rows, 1);
    assert_int_equal(w.ingest.rejected, 2);
    assert_int_equal(w.ingest.reasons[VV_INGEST_LIMIT], 2);
    assert_int_equal(vv_error_limit(&w.ingest.first_err), VV_LIMIT_FUTURE);
    assert_int_equal(w.ingest.limits, 1u << VV_LIMIT_FUTURE);
    text_free(&w);
    text_begin(&w, VV_FORMAT_LP, VV_INGEST_PARTS, 100); /* without a bound */
    check_ok(feed(&w, "m v=1 9223372036854775807\n", &err), &err);
    check_ok(text_end(&w, &err), &err);
    assert_int_equal(w.ingest.rows, 1);
    text_free(&w);
    end(&w);
}

static void ingest_bounds_strings_of_every_format(void **state)
{
    (void)state;
    /* 96 bytes are 128 characters of base64, 99 are 132. */
    static const struct {
        vv_format format;
        int fits, exceeds;
        const char *head, *tail;
    } cases[] = {
        {VV_FORMAT_LP, 96, 97, "m s=\"", "\" 1\nm v=1 2\n"},
        {VV_FORMAT_JSONL, 96, 97,
         "{\"metric\":{\"__name__\":\"m\"},\"timestamps\":[1,2],\"fields\":{\"s\":[\"",
         "\",\"x\"]}}\n"},
        {VV_FORMAT_JSONL, 128, 132,
         "{\"metric\":{\"__name__\":\"m\"},\"timestamps\":[1,2],\"fields\":{\"s\":[{\"bytes\":\"",
         "\"},\"x\"]}}\n"},
        {VV_FORMAT_CSV, 96, 97, "metric:name,time:unix_ns,s:string\nm,1,", "\nm,2,x\n"},
    };
    world w;
    varve_error err;
    begin(&w);
    w.string_bytes_max = 96;
    for (size_t i = 0; i < 2 * VV_ARRAY_COUNT(cases); i++) {
        char text[512];
        bool fits = i % 2 == 0;
        int size = fits ? cases[i / 2].fits : cases[i / 2].exceeds;
        snprintf(text, sizeof text, "%s%0*d%s", cases[i / 2].head, size, 0, cases[i / 2].tail);
        text_begin(&w, cases[i / 2].format, VV_INGEST_PARTS, 100);
        check_ok(feed(&w, text, &err), &err);
        check_ok(text_end(&w, &err), &err);
        if (w.ingest.rejected != (fits ? 0 : 1)) {
            print_error("case %zu: %s\n", i, w.ingest.first_err.message);
        }
        assert_int_equal(w.ingest.rejected, fits ? 0 : 1);
        assert_int_equal(w.ingest.reasons[VV_INGEST_LIMIT], fits ? 0 : 1);
        assert_int_equal(w.ingest.limits, fits ? 0 : 1u << VV_LIMIT_VALUE);
        assert_int_equal(w.ingest.rows, fits ? 2 : 1); /* the other row is good */
        text_free(&w);
    }
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

/* In parts and in a whole. */
static void times_before_the_retention_window_are_counted_as_such(void **state)
{
    (void)state;
    static const vv_ingest_unit units[] = {VV_INGEST_PARTS, VV_INGEST_WHOLE};
    world w;
    varve_error err;
    varve_retention rule;
    begin(&w);
    varve_retention_init(&rule);
    rule.is_enforced = true;
    rule.window = INT64_C(3600) * 1000 * 1000 * 1000;
    check_ok(varve_policy_retention(w.db, VARVE_STR("m"), &rule, &err), &err);
    for (size_t i = 0; i < VV_ARRAY_COUNT(units); i++) {
        text_begin(&w, VV_FORMAT_LP, units[i], 100);
        check_ok(feed(&w, "n v=1 1\nm v=1 1\n", &err), &err);
        check_status(i == 0 ? VARVE_OK : VARVE_E_INVALID, text_end(&w, &err));
        assert_int_equal(w.ingest.rejected, 1);
        assert_int_equal(w.ingest.first_line, 2);
        assert_non_null(strstr(w.ingest.first_err.message, ", where the retention window"));
        assert_int_equal(w.ingest.reasons[VV_INGEST_RETENTION], 1);
        assert_int_equal(w.ingest.reasons[VV_INGEST_CONFLICT], 0);
        assert_int_equal(w.ingest.reasons[VV_INGEST_INVALID], 0);
        text_free(&w);
    }
    assert_non_null(strstr(err.message, "line 2: the time 1 is before "));
    end(&w);
}

/* A line of one series with `count` fields from `first` on. */
static void feed_fields(world *w, unsigned first, unsigned count)
{
    static char line[16 * 1024 + 64];
    varve_error err;
    size_t size = (size_t)snprintf(line, sizeof line, "m ");
    for (unsigned i = 0; i < count; i++) {
        size += (size_t)snprintf(line + size, sizeof line - size, "%sf%u=%u", i == 0 ? "" : ",",
                                 first + i, i);
    }
    snprintf(line + size, sizeof line - size, " 7\n");
    check_ok(feed(w, line, &err), &err);
}

static void lines_that_give_a_series_too_many_fields_are_left_out(void **state)
{
    (void)state;
    enum { ROW = 512, MOST = 4096 };
    world w;
    varve_error err;
    begin(&w);
    text_begin(&w, VV_FORMAT_LP, VV_INGEST_PARTS, 100);
    for (unsigned first = 0; first < MOST - ROW; first += ROW) {
        feed_fields(&w, first, ROW);
    }
    feed_fields(&w, MOST - ROW, ROW - 1); /* 8: one is left */
    feed_fields(&w, MOST - 1, 2);         /* 9: needs two */
    feed_fields(&w, MOST - 1, 1);         /* 10: takes it */
    feed_fields(&w, MOST + 1, 1);         /* 11: is one too many */
    feed_fields(&w, 5, 3);                /* 12: adds none */
    feed_fields(&w, MOST - 1, 2);         /* 13 */
    check_ok(text_end(&w, &err), &err);
    assert_int_equal(w.ingest.rows, MOST / ROW + 2);
    assert_int_equal(w.ingest.rejected, 3);
    assert_int_equal(w.ingest.reasons[VV_INGEST_LIMIT], 3);
    assert_int_equal(w.ingest.first_line, 9);
    assert_string_equal(w.ingest.first_err.message,
                        "field \"f4096\": a series has at most 4096 fields");
    text_free(&w);
    /* The series is full from the first line on; of a whole nothing is stored. */
    w.bad_lines_max = 9;
    text_begin(&w, VV_FORMAT_LP, VV_INGEST_PARTS, 100);
    feed_fields(&w, MOST, 1);
    feed_fields(&w, 0, 1);
    check_ok(text_end(&w, &err), &err);
    assert_int_equal(w.ingest.rows, 1);
    assert_int_equal(w.ingest.bad_lines.count, 1);
    text_free(&w);
    uint64_t before = stored(&w);
    text_begin(&w, VV_FORMAT_LP, VV_INGEST_WHOLE, 100);
    feed_fields(&w, 0, 1);
    feed_fields(&w, MOST, 1);
    check_status(VARVE_E_LIMIT, text_end(&w, &err));
    assert_string_equal(err.message, "line 2: field \"f4096\" of \"m\": a series has at most 4096 "
                                     "fields; nothing is stored");
    assert_int_equal(w.ingest.reasons[VV_INGEST_LIMIT], 1);
    assert_int_equal(stored(&w), before);
    text_free(&w);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ingest_commits_between_two_lines),
        cmocka_unit_test(ingest_names_the_line_of_a_row_that_is_refused),
        cmocka_unit_test(ingest_keeps_the_first_lines_that_are_left_out),
        cmocka_unit_test(ingest_keeps_whole_characters_of_long_lines),
        cmocka_unit_test(ingest_speaks_of_lines_and_fields),
        cmocka_unit_test(ingest_takes_rows_up_to_a_time),
        cmocka_unit_test(ingest_bounds_strings_of_every_format),
        cmocka_unit_test(ingest_bounds_what_names_a_series),
        cmocka_unit_test(ingest_stores_a_whole_or_nothing),
        cmocka_unit_test(ingest_bounds_a_whole),
        cmocka_unit_test(ingest_tells_texts_of_other_origin_apart),
        cmocka_unit_test(times_before_the_retention_window_are_counted_as_such),
        cmocka_unit_test(lines_that_give_a_series_too_many_fields_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
