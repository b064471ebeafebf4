/* SPDX-License-Identifier: Apache-2.0 */
#include "model/selection.h"

#include <stdio.h>
#include <stdlib.h>

#include "model/labels.h"
#include "support/check.h"
#include "support/failing_alloc.h"

#define LABEL(n, v)                                       \
    {                                                     \
        .name = VV_TEXT_INIT(n), .value = VV_TEXT_INIT(v) \
    }

static vv_selection *compile(const varve_selection *given, size_t count, vv_alloc *alloc)
{
    vv_selection *selection;
    varve_error err = {.status = VARVE_OK};
    if (vv_selection_compile(given, count, false, alloc, &selection, &err) != VARVE_OK) {
        fail_msg("%s", err.message);
    }
    return selection;
}

static bool matches(const vv_selection *selection, varve_text metric, const varve_label *labels,
                    size_t count)
{
    bool result = false;
    varve_error err;
    assert_int_equal(vv_selection_matches(selection, metric, labels, count, &result, &err),
                     VARVE_OK);
    return result;
}

/* What an absent, an empty and a filled label do under each matcher. */
static void absent_labels_count_as_empty(void **state)
{
    (void)state;
    static const struct {
        uint32_t kind;
        const char *value;
        bool absent, empty, filled; /* filled: "web" */
    } cases[] = {
        {VARVE_MATCH_EQUAL, "", true, true, false},
        {VARVE_MATCH_EQUAL, "web", false, false, true},
        {VARVE_MATCH_EQUAL, "db", false, false, false},
        {VARVE_MATCH_NOT_EQUAL, "", false, false, true},
        {VARVE_MATCH_NOT_EQUAL, "web", true, true, false},
        {VARVE_MATCH_NOT_EQUAL, "db", true, true, true},
        {VARVE_MATCH_REGEX, ".+", false, false, true},
        {VARVE_MATCH_REGEX, ".*", true, true, true},
        {VARVE_MATCH_REGEX, "", true, true, false},
        {VARVE_MATCH_REGEX, "w.b|x", false, false, true},
        {VARVE_MATCH_REGEX, "we", false, false, false},
        {VARVE_MATCH_REGEX, "web|", true, true, true},
        {VARVE_MATCH_NOT_REGEX, ".+", true, true, false},
        {VARVE_MATCH_NOT_REGEX, ".*", false, false, false},
        {VARVE_MATCH_NOT_REGEX, "", false, false, true},
        {VARVE_MATCH_NOT_REGEX, "w.b", true, true, false},
        {VARVE_MATCH_NOT_REGEX, "db|x", true, true, true},
        {VARVE_MATCH_NOT_REGEX, "web|", false, false, false},
    };
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    const varve_label empty[] = {LABEL("host", "")};
    const varve_label filled[] = {LABEL("host", "web")};
    for (size_t index = 0; index < VV_ARRAY_COUNT(cases); index++) {
        varve_matcher matcher = {.kind = cases[index].kind, .name = VV_TEXT_INIT("host")};
        matcher.value = vv_text_from_string(cases[index].value);
        varve_selection given = {.kind = VARVE_SELECT_MATCH, .matchers = &matcher};
        given.matcher_count = 1;
        vv_selection *selection = compile(&given, 1, &alloc);
        assert_int_equal(matches(selection, VV_TEXT("cpu"), NULL, 0), cases[index].absent);
        assert_int_equal(matches(selection, VV_TEXT("cpu"), empty, 1), cases[index].empty);
        assert_int_equal(matches(selection, VV_TEXT("cpu"), filled, 1), cases[index].filled);
        assert_int_equal(selection->items[0].matches[0].matches_empty, cases[index].absent);
        vv_selection_free(selection);
    }
    assert_int_equal(vv_alloc_bytes(&alloc), 0);
}

static void the_name_matcher_means_the_metric(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    varve_selection given = {.kind = VARVE_SELECT_TEXT};
    given.text = VV_TEXT("{__name__=~\"cpu|disk\",__name__!=\"disk\"}");
    vv_selection *selection = compile(&given, 1, &alloc);
    const varve_label odd[] = {LABEL("__name__", "cpu")};
    assert_true(matches(selection, VV_TEXT("cpu"), NULL, 0));
    assert_false(matches(selection, VV_TEXT("disk"), odd, 1));
    assert_false(matches(selection, VV_TEXT("cpus"), NULL, 0));
    vv_selection_free(selection);
}

static void internal_metrics_are_selected_by_name_only(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool sees;
    } cases[] = {
        {"{}", false},
        {"varve.ids", true},
        {"{__name__=\"varve.ids\"}", true},
        {"{__name__=~\"varve.*\"}", false},
        {"{x=\"\"}", false},
    };
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    for (size_t index = 0; index < VV_ARRAY_COUNT(cases); index++) {
        varve_selection given = {.kind = VARVE_SELECT_TEXT};
        given.text = vv_text_from_string(cases[index].text);
        vv_selection *selection = compile(&given, 1, &alloc);
        assert_int_equal(matches(selection, VV_TEXT("varve.ids"), NULL, 0), cases[index].sees);
        vv_selection_free(selection);
    }
    vv_selection *all = compile(NULL, 0, &alloc);
    assert_int_equal(all->item_count, 1);
    assert_false(matches(all, VV_TEXT("varve.ids"), NULL, 0));
    assert_true(matches(all, VV_TEXT("cpu"), NULL, 0));
    all->with_internal = true;
    assert_true(matches(all, VV_TEXT("varve.ids"), NULL, 0));
    vv_selection_free(all);
}

static void exact_selections_want_the_whole_label_set(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    const varve_label given_labels[] = {LABEL("host", "a"), LABEL("dc", "x")};
    const varve_label sorted[] = {LABEL("dc", "x"), LABEL("host", "a")};
    varve_selection given = {.kind = VARVE_SELECT_EXACT, .text = VV_TEXT_INIT("cpu")};
    given.labels = given_labels;
    given.label_count = 2;
    vv_selection *selection = compile(&given, 1, &alloc);
    assert_true(matches(selection, VV_TEXT("cpu"), sorted, 2));
    assert_false(matches(selection, VV_TEXT("cpu"), sorted, 1));
    assert_false(matches(selection, VV_TEXT("disk"), sorted, 2));
    vv_selection_free(selection);
}

static void bad_selections_are_refused(void **state)
{
    (void)state;
    const varve_matcher no_name = {.kind = VARVE_MATCH_EQUAL};
    const varve_matcher bad_kind = {.kind = 4, .name = VV_TEXT_INIT("a")};
    const varve_matcher bad_regex = {
        .kind = VARVE_MATCH_REGEX, .name = VV_TEXT_INIT("a"), .value = VV_TEXT_INIT("(")};
    const varve_matcher bad_value = {.name = VV_TEXT_INIT("a"), .value = VV_TEXT_INIT("\xFF")};
    const varve_label twice[] = {LABEL("a", "1"), LABEL("a", "2")};
    const varve_series none[] = {{.id = 0}};
    const varve_selection cases[] = {
        {.kind = 9},
        {.kind = VARVE_SELECT_ALL, .flags = 1},
        {.kind = VARVE_SELECT_ALL, .reserved = {0, 1}},
        {.kind = VARVE_SELECT_MATCH, .matchers = &no_name, .matcher_count = 1},
        {.kind = VARVE_SELECT_MATCH, .matchers = &bad_kind, .matcher_count = 1},
        {.kind = VARVE_SELECT_MATCH, .matchers = &bad_regex, .matcher_count = 1},
        {.kind = VARVE_SELECT_MATCH, .matchers = &bad_value, .matcher_count = 1},
        {.kind = VARVE_SELECT_MATCH, .text = VV_TEXT_INIT("")},
        {.kind = VARVE_SELECT_EXACT, .text = VV_TEXT_INIT("")},
        {.kind = VARVE_SELECT_EXACT, .text = VV_TEXT_INIT("m"), .labels = twice, .label_count = 2},
        {.kind = VARVE_SELECT_LIST, .series = none, .series_count = 1},
        {.kind = VARVE_SELECT_TEXT, .text = VV_TEXT_INIT("cpu{")},
        {.kind = VARVE_SELECT_TEXT, .text = VV_TEXT_INIT("{a=~\"(\"}")},
    };
    static const char *const messages[] = {
        "selection has the unknown kind 9",
        "selection has unknown flags",
        "selection has unknown flags",
        "label name must be non-empty",
        "matcher has the unknown kind 4 or flags 0x0",
        NULL,
        "matcher value is not UTF-8 at byte 1",
        "metric name is required",
        "metric name is required",
        "duplicate label 'a'",
        "series 0 of the list is no handle of this database",
        "at 5: expected a label name or '}', found the end",
        NULL,
    };
    failing_alloc failing;
    failing_alloc_init(&failing);
    vv_alloc alloc;
    varve_allocator source = failing_alloc_source(&failing);
    vv_alloc_init(&alloc, &source);
    for (size_t index = 0; index < VV_ARRAY_COUNT(cases); index++) {
        vv_selection *selection;
        varve_error err;
        assert_int_equal(vv_selection_compile(&cases[index], 1, false, &alloc, &selection, &err),
                         VARVE_E_INVALID);
        assert_null(selection);
        if (messages[index] != NULL) {
            assert_string_equal(err.message, messages[index]);
        }
        if (index + 1 == VV_ARRAY_COUNT(cases)) {
            assert_memory_equal(err.message, "at 5: ", 6);
        }
        assert_int_equal(failing.live, 0);
    }
}

static void selections_keep_their_limits(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    static varve_matcher many[VV_SELECTION_PATTERNS_MAX];
    for (size_t index = 0; index < VV_ARRAY_COUNT(many); index++) {
        many[index] = (varve_matcher){
            .kind = VARVE_MATCH_REGEX, .name = VV_TEXT_INIT("a"), .value = VV_TEXT_INIT("x.*")};
    }
    varve_selection given[5];
    for (size_t index = 0; index < 5; index++) {
        given[index] = (varve_selection){.kind = VARVE_SELECT_MATCH, .matchers = many};
        given[index].matcher_count = VV_SELECTION_MATCHES_MAX;
    }
    vv_selection_free(compile(given, 4, &alloc));
    vv_selection *selection;
    varve_error err;
    given[4].matcher_count = 1;
    assert_int_equal(vv_selection_compile(given, 5, false, &alloc, &selection, &err),
                     VARVE_E_LIMIT);
    assert_string_equal(err.message, "selection 4: more than 1024 regular expressions");
    given[0].matcher_count = VV_SELECTION_MATCHES_MAX + 1;
    assert_int_equal(vv_selection_compile(given, 1, false, &alloc, &selection, &err),
                     VARVE_E_LIMIT);
    assert_string_equal(err.message, "257 matchers, max 256");
    static char value[VV_METRIC_BYTES_MAX + 1];
    memset(value, 'x', sizeof value);
    varve_matcher matcher = {.name = VV_TEXT_INIT("a")};
    given[0].matchers = &matcher;
    given[0].matcher_count = 1;
    matcher.value = vv_text_make(value, VV_METRIC_BYTES_MAX);
    vv_selection_free(compile(given, 1, &alloc));
    matcher.value.size++;
    assert_int_equal(vv_selection_compile(given, 1, false, &alloc, &selection, &err),
                     VARVE_E_LIMIT);
}

static vv_selection *make_rich(vv_alloc *alloc, varve_error *err)
{
    static const varve_label labels[] = {LABEL("host", "a"), LABEL("dc", "")};
    static const varve_matcher matchers[] = {
        {.kind = VARVE_MATCH_NOT_REGEX,
         .name = VV_TEXT_INIT("host"),
         .value = VV_TEXT_INIT("a+|b.*c")},
        {.kind = VARVE_MATCH_EQUAL, .name = VV_TEXT_INIT("os"), .value = VV_TEXT_INIT("")},
    };
    const varve_selection given[] = {
        {.kind = VARVE_SELECT_ALL},
        {.kind = VARVE_SELECT_TEXT, .text = VV_TEXT_INIT("cpu{host=~\"w.*\"}")},
        {.kind = VARVE_SELECT_MATCH, .matchers = matchers, .matcher_count = 2},
        {.kind = VARVE_SELECT_EXACT,
         .text = VV_TEXT_INIT("disk"),
         .labels = labels,
         .label_count = 2},
    };
    vv_selection *selection;
    VV_IGNORE(vv_selection_compile(given, 4, true, alloc, &selection, err)); /* NULL tells */
    return selection;
}

static void stored_selections_read_back(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    varve_error err;
    vv_selection *selection = make_rich(&alloc, &err);
    vv_buf buf, again;
    vv_buf_init(&buf, &alloc, SIZE_MAX);
    vv_buf_init(&again, &alloc, SIZE_MAX);
    assert_int_equal(vv_selection_encode(selection, &buf, &err), VARVE_OK);
    vv_selection *read;
    assert_int_equal(vv_selection_decode(vv_buf_bytes(&buf), &alloc, &read, &err), VARVE_OK);
    assert_int_equal(read->item_count, 4);
    assert_true(read->with_internal);
    assert_int_equal(vv_selection_encode(read, &again, &err), VARVE_OK);
    assert_true(vv_bytes_equal(vv_buf_bytes(&buf), vv_buf_bytes(&again)));
    vv_selection_free(read);
    for (size_t cut = 0; cut < buf.size; cut++) {
        assert_int_equal(vv_selection_decode(vv_bytes_make(buf.data, cut), &alloc, &read, &err),
                         VARVE_E_CORRUPT);
        assert_null(read);
    }
    vv_selection_free(selection);
    vv_buf_deinit(&buf);
    vv_buf_deinit(&again);
    assert_int_equal(vv_alloc_bytes(&alloc), 0);
}

static void an_empty_selection_is_stored_as_nothing_selected(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    const uint8_t bytes[] = {1, 0, 0};
    vv_selection *selection;
    varve_error err;
    assert_int_equal(vv_selection_decode(vv_bytes_make(bytes, 3), &alloc, &selection, &err),
                     VARVE_OK);
    assert_int_equal(selection->item_count, 0);
    assert_false(matches(selection, VV_TEXT("cpu"), NULL, 0));
    vv_selection_free(selection);
}

static void stored_nonsense_is_corrupt(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {
        {"\x02\0\0", 3},                            /* a version of the future */
        {"\x01\x02\0", 3},                          /* an unknown flag */
        {"\x01\0\x01\x04", 4},                      /* a list */
        {"\x01\0\x01\x01", 4},                      /* text */
        {"\x01\0\x01\x02\x02", 5},                  /* neither with nor without metric */
        {"\x01\0\x01\x02\x01\0\0", 7},              /* an empty metric */
        {"\x01\0\x01\x02\0\x01\x07\x01x\x01y", 11}, /* an unknown matcher */
        {"\x01\0\x01\x02\0\x01\x02\x01x\x01(", 11}, /* a bad pattern */
        {"\x01\0\0\0", 4},                          /* more than there is */
    };
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    for (size_t index = 0; index < VV_ARRAY_COUNT(cases); index++) {
        vv_selection *selection;
        varve_error err;
        vv_bytes bytes = vv_bytes_make(cases[index].bytes, cases[index].size);
        assert_int_equal(vv_selection_decode(bytes, &alloc, &selection, &err), VARVE_E_CORRUPT);
        assert_null(selection);
    }
    assert_int_equal(vv_alloc_bytes(&alloc), 0);
}

static void each_failing_allocation_leaves_nothing_behind(void **state)
{
    (void)state;
    uint8_t stored[256];
    size_t stored_size = 0;
    for (uint64_t at = 1;; at++) {
        failing_alloc failing;
        failing_alloc_init(&failing);
        failing_alloc_plan(&failing, at, true);
        vv_alloc alloc;
        varve_allocator source = failing_alloc_source(&failing);
        vv_alloc_init(&alloc, &source);
        varve_error err = {.status = VARVE_OK};
        vv_selection *selection = make_rich(&alloc, &err);
        bool has_failed = failing.failures > 0;
        if (selection == NULL) {
            assert_true(has_failed);
            assert_int_equal(err.status, VARVE_E_NOMEM);
            assert_int_equal(failing.live, 0);
            continue;
        }
        /* A regular expression does without some of the memory it would like. */
        failing_alloc_plan(&failing, 0, true);
        vv_buf buf;
        vv_buf_init(&buf, &alloc, SIZE_MAX);
        check_ok(vv_selection_encode(selection, &buf, &err), &err);
        stored_size = buf.size;
        assert_true(stored_size <= sizeof stored);
        memcpy(stored, buf.data, stored_size);
        vv_buf_deinit(&buf);
        vv_selection_free(selection);
        assert_int_equal(failing.live, 0);
        if (!has_failed) {
            break;
        }
    }
    for (uint64_t at = 1;; at++) {
        failing_alloc failing;
        failing_alloc_init(&failing);
        failing_alloc_plan(&failing, at, true);
        vv_alloc alloc;
        varve_allocator source = failing_alloc_source(&failing);
        vv_alloc_init(&alloc, &source);
        vv_selection *selection;
        varve_error err;
        varve_status status =
            vv_selection_decode(vv_bytes_make(stored, stored_size), &alloc, &selection, &err);
        assert_true(status == VARVE_OK || (status == VARVE_E_NOMEM && failing.failures > 0));
        assert_true((status == VARVE_OK) == (selection != NULL));
        vv_selection_free(selection);
        assert_int_equal(failing.live, 0);
        if (failing.failures == 0) {
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_labels_count_as_empty),
        cmocka_unit_test(the_name_matcher_means_the_metric),
        cmocka_unit_test(internal_metrics_are_selected_by_name_only),
        cmocka_unit_test(exact_selections_want_the_whole_label_set),
        cmocka_unit_test(bad_selections_are_refused),
        cmocka_unit_test(selections_keep_their_limits),
        cmocka_unit_test(stored_selections_read_back),
        cmocka_unit_test(an_empty_selection_is_stored_as_nothing_selected),
        cmocka_unit_test(stored_nonsense_is_corrupt),
        cmocka_unit_test(each_failing_allocation_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
