/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/slice.h"
#include "index/catalogue.h"
#include "model/labels.h"
#include "support/check.h"
#include "support/failing_alloc.h"

#define LABEL(n, v)                                       \
    {                                                     \
        .name = VV_TEXT_INIT(n), .value = VV_TEXT_INIT(v) \
    }

typedef struct fixture {
    failing_alloc failing;
    vv_alloc alloc;
    vv_catalogue *catalogue;
} fixture;

static void setup(fixture *f)
{
    failing_alloc_init(&f->failing);
    varve_allocator source = failing_alloc_source(&f->failing);
    vv_alloc_init(&f->alloc, &source);
    assert_int_equal(vv_catalogue_create(&f->alloc, 42, 0, &f->catalogue, NULL), VARVE_OK);
}

static void teardown(fixture *f)
{
    vv_catalogue_free(f->catalogue);
    assert_int_equal(f->failing.live, 0);
    assert_int_equal(vv_alloc_bytes(&f->alloc), 0);
}

static uint32_t resolve(fixture *f, varve_text metric, const varve_label *labels, size_t count)
{
    uint32_t series = 0;
    varve_error err = {.status = VARVE_OK};
    check_ok(vv_catalogue_resolve(f->catalogue, metric, labels, count, false, &series, &err), &err);
    return series;
}

static vv_selection *compile(fixture *f, const varve_selection *given, size_t count,
                             bool with_internal)
{
    vv_selection *selection;
    varve_error err = {.status = VARVE_OK};
    check_ok(vv_selection_compile(given, count, with_internal, &f->alloc, &selection, &err), &err);
    return selection;
}

/* The ids that a selection gives, as "1 2 5". */
static void assert_selects(fixture *f, const varve_selection *given, size_t count,
                           const char *expected)
{
    vv_selection *selection = compile(f, given, count, false);
    vv_idset ids;
    varve_error err = {.status = VARVE_OK};
    check_ok(vv_catalogue_select(f->catalogue, selection, &ids, &err), &err);
    char text[256] = "";
    size_t used = 0;
    vv_idset_cursor cursor;
    vv_idset_cursor_init(&cursor, &ids);
    uint32_t id;
    while (vv_idset_cursor_next(&cursor, &id)) {
        used += (size_t)snprintf(text + used, sizeof text - used, used == 0 ? "%u" : " %u", id);
    }
    if (strcmp(text, expected) != 0) {
        print_error("%.*s\n", VV_TEXT_ARGS(given[0].text));
    }
    assert_string_equal(text, expected);
    vv_idset_deinit(&ids, &f->alloc);
    vv_selection_free(selection);
}

static void assert_text_selects(fixture *f, const char *text, const char *expected)
{
    varve_selection given = {.kind = VARVE_SELECT_TEXT, .text = vv_text_from_string(text)};
    assert_selects(f, &given, 1, expected);
}

static void make_hosts(fixture *f)
{
    const varve_label empty[] = {LABEL("host", "")};
    const varve_label web[] = {LABEL("host", "web")};
    const varve_label db[] = {LABEL("dc", "x"), LABEL("host", "db")};
    assert_int_equal(resolve(f, VV_TEXT("cpu"), NULL, 0), 1);
    assert_int_equal(resolve(f, VV_TEXT("cpu"), empty, 1), 2);
    assert_int_equal(resolve(f, VV_TEXT("cpu"), web, 1), 3);
    assert_int_equal(resolve(f, VV_TEXT("disk"), db, 2), 4);
    assert_int_equal(resolve(f, VV_TEXT("varve.ids"), web, 1), 5);
}

/* What matchers mean where a label is absent (1), empty (2), web (3) or db (4). */
static void matchers_see_absent_labels_as_empty(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"{host=\"\"}", "1 2"},
        {"{host=\"web\"}", "3"},
        {"{host=\"none\"}", ""},
        {"{host!=\"\"}", "3 4"},
        {"{host!=\"web\"}", "1 2 4"},
        {"{host!=\"none\"}", "1 2 3 4"},
        {"{host=~\".+\"}", "3 4"},
        {"{host=~\".*\"}", "1 2 3 4"},
        {"{host=~\"\"}", "1 2"},
        {"{host=~\"web|db\"}", "3 4"},
        {"{host=~\"web|\"}", "1 2 3"},
        {"{host=~\"w.*\"}", "3"},
        {"{host=~\"w.b\"}", "3"},
        {"{host=~\"(w.b)?\"}", "1 2 3"},
        {"{host=~\"we\"}", ""},
        {"{host!~\".+\"}", "1 2"},
        {"{host!~\".*\"}", ""},
        {"{host!~\"\"}", "3 4"},
        {"{host!~\"web|db\"}", "1 2"},
        {"{host!~\"web|\"}", "4"},
        {"{host!~\"w.b\"}", "1 2 4"},
        {"{host!~\"(w.b)?\"}", "4"},
        {"{rack=\"\"}", "1 2 3 4"},
        {"{rack!=\"\"}", ""},
        {"{rack=~\".+\"}", ""},
        {"{rack!~\".+\"}", "1 2 3 4"},
        {"{rack!~\"a.c\"}", "1 2 3 4"},
        {"{rack=~\"a.c\"}", ""},
        {"cpu", "1 2 3"},
        {"none", ""},
        {"cpu{host!=\"\"}", "3"},
        {"cpu{dc=\"x\"}", ""},
        {"{dc=\"x\",host=~\"d.\"}", "4"},
        {"{__name__=\"cpu\"}", "1 2 3"},
        {"{__name__!=\"cpu\"}", "4"},
        {"{__name__=~\"c.*|d.*\"}", "1 2 3 4"},
        {"{__name__=~\"cpu|none\"}", "1 2 3"},
        {"{__name__!~\"c.u\"}", "4"},
        {"{__name__=\"\"}", ""},
        {"{__name__!=\"\"}", "1 2 3 4"},
        {"{__name__=~\".*\"}", "1 2 3 4"},
        {"{__name__!~\".+\"}", ""},
        {"cpu{__name__=\"disk\"}", ""},
        {"{}", "1 2 3 4"},
        {"varve.ids", "5"},
        {"{__name__=\"varve.ids\"}", "5"},
        {"{__name__=~\"varve.*\"}", ""},
    };
    fixture f;
    setup(&f);
    make_hosts(&f);
    for (size_t index = 0; index < VV_ARRAY_COUNT(cases); index++) {
        assert_text_selects(&f, cases[index].text, cases[index].expected);
    }
    teardown(&f);
}

static void selections_form_a_union(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    make_hosts(&f);
    const varve_label web[] = {LABEL("host", "web")};
    const varve_series list[] = {{.id = 4}, {.id = 1}, {.id = 4}};
    const varve_selection given[] = {
        {.kind = VARVE_SELECT_TEXT, .text = VV_TEXT_INIT("{host=\"db\"}")},
        {.kind = VARVE_SELECT_LIST, .series = list, .series_count = 3},
        {.kind = VARVE_SELECT_EXACT,
         .text = VV_TEXT_INIT("varve.ids"),
         .labels = web,
         .label_count = 1},
        {.kind = VARVE_SELECT_EXACT, .text = VV_TEXT_INIT("disk")},
    };
    assert_selects(&f, given, 1, "4");
    assert_selects(&f, given + 1, 1, "1 4");
    assert_selects(&f, given + 2, 1, "5");
    assert_selects(&f, given + 3, 1, "");
    assert_selects(&f, given, 4, "1 4 5");
    assert_selects(&f, NULL, 0, "1 2 3 4");
    teardown(&f);
}

static void handles_that_are_none_are_refused(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    make_hosts(&f);
    const varve_series list[] = {{.id = 5}, {.id = 6}};
    varve_selection given = {.kind = VARVE_SELECT_LIST, .series = list, .series_count = 1};
    assert_selects(&f, &given, 1, "5");
    given.series_count = 2;
    vv_selection *selection = compile(&f, &given, 1, false);
    vv_idset ids;
    varve_error err;
    check_status(VARVE_E_INVALID, vv_catalogue_select(f.catalogue, selection, &ids, &err));
    assert_string_equal(err.message, "series 1 of the list is no handle of this database");
    vv_selection_free(selection);
    teardown(&f);
}

static void internal_metrics_are_selected_on_request(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    make_hosts(&f);
    vv_selection *selection = compile(&f, NULL, 0, true);
    vv_idset ids;
    assert_int_equal(vv_catalogue_select(f.catalogue, selection, &ids, NULL), VARVE_OK);
    assert_int_equal(vv_idset_count(&ids), 5);
    vv_idset_deinit(&ids, &f.alloc);
    vv_selection_free(selection);
    teardown(&f);
}

static void an_empty_catalogue_gives_nothing(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    assert_selects(&f, NULL, 0, "");
    assert_text_selects(&f, "{host=\"\"}", "");
    assert_text_selects(&f, "cpu{host!=\"a\"}", "");
    assert_text_selects(&f, "{__name__=~\"c.+u\"}", "");
    teardown(&f);
}

/* ---- against a naive twin ---- */

#define TWIN_SERIES_MAX 600

typedef struct twin_series {
    varve_text metric;
    varve_label labels[4];
    size_t label_count;
} twin_series;

static const char *const twin_metrics[] = {"cpu", "disk", "net.io", "varve.a", "varve.b", "c"};
static const char *const twin_names[] = {"a", "b", "host", "zone"};
static const char *const twin_values[] = {"",   "a", "ab",    "abc",   "b",
                                          "ba", "c", "web-1", "web-2", "x"};
static const char *const twin_patterns[] = {
    "",    ".*",  ".+",   "a",     "a|b",   "a|",     "a.*", ".*b", ".*a.*",  "a.+",
    "a?b", "b|.", "a{2}", "web-.", "(?i)A", "[a-b]+", "x|y", "c*",  "(a|b)c?"};

static varve_text pick(vv_random *random, const char *const *texts, size_t count)
{
    return vv_text_from_string(texts[vv_random_below(random, count)]);
}

/* In some rounds the hosts are many, so that patterns meet more values than series. */
static size_t twin_fill(vv_random *random, fixture *f, twin_series *twins, char (*hosts)[12])
{
    size_t wanted = (size_t)vv_random_below(random, TWIN_SERIES_MAX);
    bool has_many_hosts = vv_random_below(random, 2) == 0;
    size_t count = 0;
    for (size_t round = 0; round < wanted; round++) {
        twin_series twin = {.label_count = 0};
        twin.metric = pick(random, twin_metrics, VV_ARRAY_COUNT(twin_metrics));
        for (size_t name = 0; name < 4; name++) {
            if (vv_random_below(random, 3) == 0) {
                continue;
            }
            varve_label *label = &twin.labels[twin.label_count];
            label->name = vv_text_from_string(twin_names[name]);
            label->value = pick(random, twin_values, VV_ARRAY_COUNT(twin_values));
            if (name == 2 && has_many_hosts) {
                int size = snprintf(hosts[round], sizeof hosts[round], "web-%zu", round);
                label->value = vv_text_make(hosts[round], (size_t)size);
            }
            twin.label_count++;
        }
        uint32_t id = resolve(f, twin.metric, twin.labels, twin.label_count);
        assert_true(id <= count + 1);
        twins[id - 1] = twin;
        count += id == count + 1;
    }
    assert_int_equal(vv_catalogue_series_count(f->catalogue), count);
    return count;
}

typedef struct twin_selection {
    varve_selection given[3];
    varve_matcher matchers[3][4];
    varve_series list[20];
    size_t count;
} twin_selection;

static void twin_ask(vv_random *random, const twin_series *twins, size_t series_count,
                     twin_selection *asked)
{
    memset(asked, 0, sizeof *asked);
    asked->count = 1 + (size_t)vv_random_below(random, 3);
    for (size_t item = 0; item < asked->count; item++) {
        varve_selection *given = &asked->given[item];
        uint64_t kind = vv_random_below(random, 10);
        if (kind == 0 && series_count > 0) {
            given->kind = VARVE_SELECT_LIST;
            given->series = asked->list;
            given->series_count = (size_t)vv_random_below(random, 20);
            for (size_t index = 0; index < 20; index++) {
                asked->list[index].id = 1 + vv_random_below(random, series_count);
            }
            continue;
        }
        if (kind == 1 && series_count > 0) {
            const twin_series *twin = &twins[vv_random_below(random, series_count)];
            given->kind = VARVE_SELECT_EXACT;
            given->text = twin->metric;
            given->labels = twin->labels;
            given->label_count = (size_t)vv_random_below(random, twin->label_count + 1);
            continue;
        }
        given->kind = VARVE_SELECT_MATCH;
        if (vv_random_below(random, 4) == 0) {
            given->text = pick(random, twin_metrics, VV_ARRAY_COUNT(twin_metrics));
        }
        given->matchers = asked->matchers[item];
        given->matcher_count = (size_t)vv_random_below(random, 4);
        for (size_t index = 0; index < given->matcher_count; index++) {
            varve_matcher *matcher = &asked->matchers[item][index];
            matcher->kind = (uint32_t)vv_random_below(random, 4);
            bool is_regex = matcher->kind >= VARVE_MATCH_REGEX;
            bool is_metric = vv_random_below(random, 6) == 0;
            matcher->name = is_metric ? VV_TEXT("__name__") : pick(random, twin_names, 4);
            if (is_regex) {
                matcher->value = pick(random, twin_patterns, VV_ARRAY_COUNT(twin_patterns));
            } else if (is_metric) {
                matcher->value = pick(random, twin_metrics, VV_ARRAY_COUNT(twin_metrics));
            } else {
                matcher->value = pick(random, twin_values, VV_ARRAY_COUNT(twin_values));
            }
        }
    }
}

static bool twin_is_listed(const twin_selection *asked, uint32_t id)
{
    for (size_t item = 0; item < asked->count; item++) {
        for (size_t index = 0; index < asked->given[item].series_count; index++) {
            if (asked->given[item].series[index].id == id) {
                return true;
            }
        }
    }
    return false;
}

static void twin_compare(fixture *f, const twin_series *twins, size_t series_count,
                         const twin_selection *asked, bool with_internal)
{
    vv_selection *selection = compile(f, asked->given, asked->count, with_internal);
    vv_idset ids;
    varve_error err = {.status = VARVE_OK};
    check_ok(vv_catalogue_select(f->catalogue, selection, &ids, &err), &err);
    uint32_t expected_count = 0;
    for (uint32_t id = 1; id <= series_count; id++) {
        const twin_series *twin = &twins[id - 1];
        bool expected = false;
        check_ok(vv_selection_matches(selection, twin->metric, twin->labels, twin->label_count,
                                      &expected, &err),
                 &err);
        expected = expected || twin_is_listed(asked, id);
        assert_int_equal(vv_idset_contains(&ids, id), expected);
        expected_count += expected;
    }
    assert_int_equal(vv_idset_count(&ids), expected_count);
    vv_idset_deinit(&ids, &f->alloc);
    vv_selection_free(selection);
}

static void selections_agree_with_a_naive_twin(void **state)
{
    (void)state;
    uint64_t seed = 8589869056;
    print_message("seed %llu\n", (unsigned long long)seed);
    vv_random random;
    vv_random_init(&random, seed);
    static twin_series twins[TWIN_SERIES_MAX];
    static char hosts[TWIN_SERIES_MAX][12];
    for (int round = 0; round < 40; round++) {
        fixture f;
        setup(&f);
        size_t count = twin_fill(&random, &f, twins, hosts);
        for (int question = 0; question < 60; question++) {
            twin_selection asked;
            twin_ask(&random, twins, count, &asked);
            twin_compare(&f, twins, count, &asked, vv_random_below(&random, 4) == 0);
        }
        teardown(&f);
    }
}

/* ---- failing allocations, and patterns that give up ---- */

static void selecting_survives_each_failing_allocation(void **state)
{
    (void)state;
    vv_random random;
    vv_random_init(&random, 11);
    static twin_series twins[TWIN_SERIES_MAX];
    static char hosts[TWIN_SERIES_MAX][12];
    fixture f;
    setup(&f);
    size_t count = twin_fill(&random, &f, twins, hosts);
    for (int question = 0; question < 25; question++) {
        twin_selection asked;
        twin_ask(&random, twins, count, &asked);
        vv_selection *selection = compile(&f, asked.given, asked.count, false);
        uint64_t live = f.failing.live;
        for (uint64_t at = 1;; at++) {
            failing_alloc_plan(&f.failing, at, true);
            vv_idset ids;
            varve_status status = vv_catalogue_select(f.catalogue, selection, &ids, NULL);
            bool has_failed = f.failing.failures > 0;
            failing_alloc_plan(&f.failing, 0, true);
            if (status == VARVE_OK) {
                vv_idset_deinit(&ids, &f.alloc);
            } else {
                check_status(VARVE_E_NOMEM, status);
                assert_true(has_failed);
                assert_int_equal(f.failing.live, live);
            }
            if (!has_failed) {
                break;
            }
        }
        vv_selection_free(selection);
        twin_compare(&f, twins, count, &asked, false);
    }
    teardown(&f);
}

static void a_pattern_that_gives_up_ends_the_select(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    varve_label label = LABEL("host", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab");
    resolve(&f, VV_TEXT("cpu"), &label, 1);
    varve_selection given = {.kind = VARVE_SELECT_TEXT,
                             .text = VV_TEXT_INIT("{host=~\"(a+)+[cd]\"}")};
    vv_selection *selection = compile(&f, &given, 1, false);
    vv_idset ids;
    varve_error err;
    check_status(VARVE_E_LIMIT, vv_catalogue_select(f.catalogue, selection, &ids, &err));
    vv_selection_free(selection);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matchers_see_absent_labels_as_empty),
        cmocka_unit_test(selections_form_a_union),
        cmocka_unit_test(handles_that_are_none_are_refused),
        cmocka_unit_test(internal_metrics_are_selected_on_request),
        cmocka_unit_test(an_empty_catalogue_gives_nothing),
        cmocka_unit_test(selections_agree_with_a_naive_twin),
        cmocka_unit_test(selecting_survives_each_failing_allocation),
        cmocka_unit_test(a_pattern_that_gives_up_ends_the_select),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
