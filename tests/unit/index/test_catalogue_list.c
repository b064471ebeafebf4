/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/slice.h"
#include "index/catalogue.h"
#include "support/check.h"
#include "support/failing_alloc.h"

#define LABEL(n, v)                                       \
    {                                                     \
        .name = VV_TEXT_INIT(n), .value = VV_TEXT_INIT(v) \
    }

typedef struct listing {
    char text[512];
    size_t used;
    size_t limit; /* visits before it stops; 0: none */
    size_t visits;
} listing;

/* "name:count " each. */
static bool write_down(void *context, varve_text text, const vv_idset *series)
{
    listing *list = context;
    list->used += (size_t)snprintf(list->text + list->used, sizeof list->text - list->used,
                                   "%.*s:%u ", VV_TEXT_ARGS(text), vv_idset_count(series));
    list->visits++;
    return list->visits != list->limit;
}

static void assert_values(vv_catalogue *catalogue, const char *name, const char *expected)
{
    listing list = {.used = 0};
    varve_error err = {.status = VARVE_OK};
    check_ok(
        vv_catalogue_visit_values(catalogue, vv_text_from_string(name), write_down, &list, &err),
        &err);
    assert_string_equal(list.text, expected);
}

static void fill(vv_catalogue *catalogue)
{
    static const struct {
        const char *metric, *host, *dc;
    } rows[] = {{"disk", "b", "x"},
                {"cpu", "b", ""},
                {"cpu", "a", "x"},
                {"varve.ids", "c", "y"},
                {"cpu", "ab", "y"}};
    for (size_t index = 0; index < VV_ARRAY_COUNT(rows); index++) {
        varve_label labels[2] = {{.name = VV_TEXT_INIT("dc")}, {.name = VV_TEXT_INIT("host")}};
        labels[0].value = vv_text_from_string(rows[index].dc);
        labels[1].value = vv_text_from_string(rows[index].host);
        uint32_t id;
        assert_int_equal(vv_catalogue_resolve(catalogue, vv_text_from_string(rows[index].metric),
                                              labels, 2, false, &id, NULL),
                         VARVE_OK);
    }
}

static void listings_are_sorted_and_count_their_series(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_catalogue *catalogue;
    assert_int_equal(vv_catalogue_create(&alloc, 1, 0, &catalogue, NULL), VARVE_OK);
    fill(catalogue);
    uint32_t id;
    /* Known by name only: no series, so not listed. */
    assert_int_equal(vv_catalogue_metric_id_of(catalogue, VV_TEXT("idle"), false, &id, NULL),
                     VARVE_OK);
    assert_values(catalogue, "host", "a:1 ab:1 b:2 c:1 ");
    assert_values(catalogue, "dc", ":1 x:2 y:2 ");
    assert_values(catalogue, "__name__", "cpu:3 disk:1 varve.ids:1 ");
    assert_values(catalogue, "none", "");
    listing list = {.used = 0};
    assert_int_equal(vv_catalogue_visit_names(catalogue, write_down, &list, NULL), VARVE_OK);
    assert_string_equal(list.text, "dc:5 host:5 ");
    listing first = {.limit = 2};
    assert_int_equal(
        vv_catalogue_visit_values(catalogue, VV_TEXT("host"), write_down, &first, NULL), VARVE_OK);
    assert_string_equal(first.text, "a:1 ab:1 ");
    vv_catalogue_free(catalogue);
    assert_int_equal(vv_alloc_bytes(&alloc), 0);
}

static void listing_survives_each_failing_allocation(void **state)
{
    (void)state;
    failing_alloc failing;
    failing_alloc_init(&failing);
    varve_allocator source = failing_alloc_source(&failing);
    vv_alloc alloc;
    vv_alloc_init(&alloc, &source);
    vv_catalogue *catalogue;
    assert_int_equal(vv_catalogue_create(&alloc, 1, 0, &catalogue, NULL), VARVE_OK);
    fill(catalogue);
    for (uint64_t at = 1;; at++) {
        failing_alloc_plan(&failing, at, true);
        listing list = {.used = 0};
        varve_status status =
            vv_catalogue_visit_values(catalogue, VV_TEXT("host"), write_down, &list, NULL);
        check_status(failing.failures > 0 ? VARVE_E_NOMEM : VARVE_OK, status);
        if (failing.failures == 0) {
            break;
        }
        assert_int_equal(list.visits, 0);
    }
    vv_catalogue_free(catalogue);
    assert_int_equal(failing.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listings_are_sorted_and_count_their_series),
        cmocka_unit_test(listing_survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
