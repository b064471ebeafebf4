/* SPDX-License-Identifier: Apache-2.0 */
#include "index/catalogue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/slice.h"
#include "model/rows.h"
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

static void setup_limited(fixture *f, uint64_t series_max)
{
    varve_error err = {.status = VARVE_OK};
    failing_alloc_init(&f->failing);
    varve_allocator source = failing_alloc_source(&f->failing);
    vv_alloc_init(&f->alloc, &source);
    check_ok(vv_catalogue_create(&f->alloc, 42, series_max, &f->catalogue, &err), &err);
}

static void setup(fixture *f)
{
    setup_limited(f, 0);
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

static void series_have_one_id_whatever_the_order_of_labels(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    const varve_label sorted[] = {LABEL("dc", "x"), LABEL("host", "a"), LABEL("os", "")};
    const varve_label mixed[] = {LABEL("os", ""), LABEL("dc", "x"), LABEL("host", "a")};
    uint32_t first = resolve(&f, VV_TEXT("cpu"), sorted, 3);
    assert_int_equal(first, 1);
    assert_int_equal(resolve(&f, VV_TEXT("cpu"), mixed, 3), first);
    /* An empty value is not an absent label, and the metric counts. */
    assert_int_equal(resolve(&f, VV_TEXT("cpu"), sorted, 2), 2);
    assert_int_equal(resolve(&f, VV_TEXT("cpux"), sorted, 3), 3);
    assert_int_equal(resolve(&f, VV_TEXT("cpu"), NULL, 0), 4);
    assert_int_equal(vv_catalogue_series_count(f.catalogue), 4);
    assert_int_equal(vv_catalogue_metric_count(f.catalogue), 2);
    teardown(&f);
}

static void an_unknown_series_is_not_created_when_not_asked(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    varve_error err;
    uint32_t id = 77;
    check_status(VARVE_E_NOT_FOUND,
                 vv_catalogue_resolve(f.catalogue, VV_TEXT("cpu"), NULL, 0, true, &id, &err));
    assert_string_equal(err.message, "no such series of 'cpu'");
    check_status(VARVE_E_NOT_FOUND,
                 vv_catalogue_field(f.catalogue, VV_TEXT("value"), true, &id, &err));
    check_status(VARVE_E_NOT_FOUND,
                 vv_catalogue_metric_id_of(f.catalogue, VV_TEXT("cpu"), true, &id, &err));
    assert_int_equal(id, 77);
    assert_int_equal(vv_catalogue_series_count(f.catalogue), 0);
    uint32_t series = resolve(&f, VV_TEXT("cpu"), NULL, 0);
    check_ok(vv_catalogue_resolve(f.catalogue, VV_TEXT("cpu"), NULL, 0, true, &id, &err), &err);
    assert_int_equal(id, series);
    teardown(&f);
}

static void bad_names_are_refused(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    varve_error err;
    uint32_t id;
    const varve_label twice[] = {LABEL("b", "1"), LABEL("a", "1"), LABEL("b", "2")};
    check_status(VARVE_E_INVALID,
                 vv_catalogue_resolve(f.catalogue, VV_TEXT("cpu"), twice, 3, false, &id, &err));
    assert_string_equal(err.message, "duplicate label 'b'");
    check_status(VARVE_E_INVALID,
                 vv_catalogue_resolve(f.catalogue, VV_TEXT(""), NULL, 0, true, &id, &err));
    check_status(VARVE_E_INVALID, vv_catalogue_field(f.catalogue, VV_TEXT(""), false, &id, &err));
    check_status(VARVE_E_INVALID,
                 vv_catalogue_metric_id_of(f.catalogue, VV_TEXT("\xFF"), false, &id, &err));
    static varve_label many[VV_LABELS_MAX + 1];
    static char names[VV_LABELS_MAX + 1][4];
    for (size_t index = 0; index <= VV_LABELS_MAX; index++) {
        (void)snprintf(names[index], sizeof names[index], "%03zu", VV_LABELS_MAX - index);
        many[index].name = vv_text_make(names[index], 3);
    }
    check_status(VARVE_E_INVALID, vv_catalogue_resolve(f.catalogue, VV_TEXT("cpu"), many,
                                                       VV_LABELS_MAX + 1, false, &id, &err));
    assert_int_equal(vv_catalogue_series_count(f.catalogue), 0);
    assert_int_equal(resolve(&f, VV_TEXT("cpu"), many, VV_LABELS_MAX), 1);
    teardown(&f);
}

static void the_number_of_series_has_a_limit(void **state)
{
    (void)state;
    fixture f;
    setup_limited(&f, 2);
    assert_int_equal(resolve(&f, VV_TEXT("a"), NULL, 0), 1);
    assert_int_equal(resolve(&f, VV_TEXT("b"), NULL, 0), 2);
    uint32_t id;
    varve_error err;
    check_status(VARVE_E_LIMIT,
                 vv_catalogue_resolve(f.catalogue, VV_TEXT("c"), NULL, 0, false, &id, &err));
    assert_string_equal(err.message, "no more series: series_max is 2");
    assert_int_equal(resolve(&f, VV_TEXT("b"), NULL, 0), 2);
    teardown(&f);
}

static void entries_give_back_their_names(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    const varve_label labels[] = {LABEL("dc", "x"), LABEL("host", "a")};
    uint32_t with = resolve(&f, VV_TEXT("cpu"), labels, 2);
    uint32_t without = resolve(&f, VV_TEXT("disk"), NULL, 0);
    assert_true(vv_text_equal(vv_catalogue_metric(f.catalogue, with), VV_TEXT("cpu")));
    const varve_label *read;
    const varve_label *again;
    size_t count;
    varve_error err;
    failing_alloc_plan(&f.failing, 1, true);
    check_status(VARVE_E_NOMEM, vv_catalogue_labels(f.catalogue, with, &read, &count, &err));
    assert_null(read);
    check_ok(vv_catalogue_labels(f.catalogue, with, &read, &count, &err), &err);
    assert_int_equal(count, 2);
    for (size_t index = 0; index < 2; index++) {
        assert_true(vv_text_equal(read[index].name, labels[index].name));
        assert_true(vv_text_equal(read[index].value, labels[index].value));
    }
    check_ok(vv_catalogue_labels(f.catalogue, with, &again, &count, &err), &err);
    assert_ptr_equal(read, again);
    check_ok(vv_catalogue_labels(f.catalogue, without, &read, &count, &err), &err);
    assert_int_equal(count, 0);
    varve_text value = VV_TEXT("untouched");
    assert_true(vv_catalogue_label(f.catalogue, with, VV_TEXT("host"), &value));
    assert_true(vv_text_equal(value, VV_TEXT("a")));
    assert_false(vv_catalogue_label(f.catalogue, without, VV_TEXT("host"), &value));
    assert_false(vv_catalogue_label(f.catalogue, with, VV_TEXT("rack"), &value));
    assert_true(vv_text_equal(value, VV_TEXT("a")));
    teardown(&f);
}

static void series_compare_by_metric_then_labels(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    const varve_label a1[] = {LABEL("a", "1")};
    const varve_label a1b1[] = {LABEL("a", "1"), LABEL("b", "1")};
    const varve_label a10[] = {LABEL("a", "10")};
    const varve_label b0[] = {LABEL("b", "0")};
    /* Resolved in descending order of what is expected. */
    uint32_t order[6];
    order[5] = resolve(&f, VV_TEXT("n"), NULL, 0);
    order[4] = resolve(&f, VV_TEXT("m"), b0, 1);
    order[3] = resolve(&f, VV_TEXT("m"), a10, 1);
    order[2] = resolve(&f, VV_TEXT("m"), a1b1, 2);
    order[1] = resolve(&f, VV_TEXT("m"), a1, 1);
    order[0] = resolve(&f, VV_TEXT("m"), NULL, 0);
    for (int left = 0; left < 6; left++) {
        for (int right = 0; right < 6; right++) {
            int compared = vv_catalogue_compare(f.catalogue, order[left], order[right]);
            assert_int_equal((compared > 0) - (compared < 0), (left > right) - (left < right));
        }
    }
    teardown(&f);
}

static void fields_are_names_of_their_own(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    varve_error err;
    uint32_t value, load;
    check_ok(vv_catalogue_field(f.catalogue, VV_TEXT("value"), false, &value, &err), &err);
    check_ok(vv_catalogue_field(f.catalogue, VV_TEXT("load"), false, &load, &err), &err);
    assert_int_equal(value, 1);
    assert_int_equal(load, 2);
    check_ok(vv_catalogue_field(f.catalogue, VV_TEXT("value"), true, &value, &err), &err);
    assert_int_equal(value, 1);
    assert_int_equal(vv_catalogue_field_count(f.catalogue), 2);
    assert_true(vv_text_equal(vv_catalogue_field_name(f.catalogue, load), VV_TEXT("load")));
    teardown(&f);
}

static void series_know_the_types_of_their_fields(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    varve_error err;
    uint32_t a = resolve(&f, VV_TEXT("a"), NULL, 0);
    uint32_t b = resolve(&f, VV_TEXT("b"), NULL, 0);
    assert_int_equal(vv_catalogue_schema(f.catalogue, a)->id, 0);
    assert_int_equal(vv_catalogue_schema(f.catalogue, a)->count, 0);
    check_ok(vv_catalogue_set_type(f.catalogue, a, 2, VARVE_TYPE_F64, &err), &err);
    check_ok(vv_catalogue_set_type(f.catalogue, a, 1, VARVE_TYPE_STRING, &err), &err);
    const vv_schema_field both[] = {{.field = 1, .type = VARVE_TYPE_STRING},
                                    {.field = 2, .type = VARVE_TYPE_F64}};
    check_ok(vv_catalogue_set_types(f.catalogue, b, both, 2, &err), &err);
    assert_ptr_equal(vv_catalogue_schema(f.catalogue, a), vv_catalogue_schema(f.catalogue, b));
    failing_alloc_plan(&f.failing, 1, true);
    check_status(VARVE_E_NOMEM, vv_catalogue_set_type(f.catalogue, b, 3, VARVE_TYPE_BOOL, &err));
    assert_ptr_equal(vv_catalogue_schema(f.catalogue, a), vv_catalogue_schema(f.catalogue, b));
    check_ok(vv_catalogue_set_type(f.catalogue, b, 1, VARVE_TYPE_I64, &err), &err);
    assert_int_equal(vv_catalogue_schema(f.catalogue, b)->fields[0].type, VARVE_TYPE_I64);
    assert_int_equal(vv_catalogue_schema(f.catalogue, a)->fields[0].type, VARVE_TYPE_STRING);
    teardown(&f);
}

static void policies_are_their_own_or_the_default(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    varve_error err;
    uint32_t cpu, disk;
    check_ok(vv_catalogue_metric_id_of(f.catalogue, VV_TEXT("cpu"), false, &cpu, &err), &err);
    check_ok(vv_catalogue_metric_id_of(f.catalogue, VV_TEXT("disk"), false, &disk, &err), &err);
    assert_true(vv_text_equal(vv_catalogue_metric_name(f.catalogue, disk), VV_TEXT("disk")));
    uint32_t again;
    check_ok(vv_catalogue_metric_id_of(f.catalogue, VV_TEXT("disk"), true, &again, &err), &err);
    assert_int_equal(again, disk);
    vv_metric_policy policy = vv_catalogue_policy(f.catalogue, cpu);
    assert_true(policy.duplicates == VARVE_DUPLICATES_LAST && !policy.has_row_ids &&
                !policy.is_own);
    vv_metric_policy own = {
        .duplicates = VARVE_DUPLICATES_ALL, .has_row_ids = true, .is_own = true};
    vv_catalogue_set_policy(f.catalogue, cpu, own);
    vv_catalogue_set_default_policy(f.catalogue,
                                    (vv_metric_policy){.duplicates = VARVE_DUPLICATES_ALL});
    policy = vv_catalogue_policy(f.catalogue, cpu);
    assert_true(policy.duplicates == VARVE_DUPLICATES_ALL && policy.has_row_ids && policy.is_own);
    policy = vv_catalogue_policy(f.catalogue, disk);
    assert_true(policy.duplicates == VARVE_DUPLICATES_ALL && !policy.has_row_ids && !policy.is_own);
    own.is_own = false;
    vv_catalogue_set_policy(f.catalogue, cpu, own);
    assert_false(vv_catalogue_policy(f.catalogue, cpu).has_row_ids);
    teardown(&f);
}

/* ---- failing allocations ---- */

typedef struct digest {
    uint64_t series, metrics_shown, names_shown, values_shown, members;
} digest;

static bool count_value(void *context, varve_text text, const vv_idset *series)
{
    (void)text;
    digest *sum = context;
    sum->values_shown++;
    sum->members += vv_idset_count(series);
    return true;
}

typedef struct name_context {
    digest *sum;
    varve_text names[16];
} name_context;

static bool count_name(void *context, varve_text text, const vv_idset *series)
{
    name_context *names = context;
    names->names[names->sum->names_shown] = text;
    names->sum->names_shown++;
    names->sum->members += vv_idset_count(series);
    return true;
}

/* What anybody can see of the catalogue. */
static digest look(vv_catalogue *catalogue)
{
    digest sum = {.series = vv_catalogue_series_count(catalogue)};
    name_context names = {.sum = &sum};
    assert_int_equal(vv_catalogue_visit_names(catalogue, count_name, &names, NULL), VARVE_OK);
    for (size_t index = 0; index < sum.names_shown; index++) {
        assert_int_equal(
            vv_catalogue_visit_values(catalogue, names.names[index], count_value, &sum, NULL),
            VARVE_OK);
    }
    digest metrics = {.series = 0};
    assert_int_equal(
        vv_catalogue_visit_values(catalogue, VV_TEXT("__name__"), count_value, &metrics, NULL),
        VARVE_OK);
    sum.metrics_shown = metrics.values_shown;
    sum.members += metrics.members;
    return sum;
}

static void a_failed_creation_leaves_nothing_to_see(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    uint64_t failures = 0;
    /* Enough series that the sets pass through their forms. */
    for (uint32_t number = 0; number < 200; number++) {
        char host[16], rack[16];
        int host_size = snprintf(host, sizeof host, "host_%u", number);
        int rack_size = snprintf(rack, sizeof rack, "%u", number / 70);
        varve_label labels[] = {LABEL("dc", "x"), LABEL("host", ""), LABEL("rack", "")};
        labels[1].value = vv_text_make(host, (size_t)host_size);
        labels[2].value = vv_text_make(rack, (size_t)rack_size);
        varve_text metric = number % 2 == 0 ? VV_TEXT("varve.x") : VV_TEXT("cpu");
        failing_alloc_plan(&f.failing, 0, true);
        digest before = look(f.catalogue);
        for (uint64_t at = 1;; at++) {
            failing_alloc_plan(&f.failing, at, true);
            uint32_t id = 0;
            varve_error err;
            varve_status status =
                vv_catalogue_resolve(f.catalogue, metric, labels, 3, false, &id, &err);
            bool has_failed = f.failing.failures > 0;
            failing_alloc_plan(&f.failing, 0, true);
            if (!has_failed) {
                check_ok(status, &err);
                assert_int_equal(id, number + 1);
                break;
            }
            failures++;
            check_status(VARVE_E_NOMEM, status);
            assert_int_equal(id, 0);
            digest after = look(f.catalogue);
            assert_memory_equal(&before, &after, sizeof before);
        }
    }
    assert_true(failures > 20);
    digest all = look(f.catalogue);
    assert_int_equal(all.metrics_shown, 2);
    assert_int_equal(all.names_shown, 3);
    assert_int_equal(all.values_shown, 200 + 1 + 3);
    assert_int_equal(all.members, 200 * 7);
    teardown(&f);
}

/* A creation that fails at its last step again and again costs no memory. */
static void repeated_failures_keep_nothing(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    varve_label label = LABEL("host", "a");
    resolve(&f, VV_TEXT("cpu"), &label, 1);
    label.value = VV_TEXT("b");
    resolve(&f, VV_TEXT("cpu"), &label, 1);
    label.value = VV_TEXT("c");
    size_t bytes = 0;
    for (int round = 0; round < 4000; round++) {
        /* The sets of cpu and of host both grow with their third member: the second cannot. */
        failing_alloc_plan(&f.failing, 2, true);
        uint32_t id;
        check_status(VARVE_E_NOMEM, vv_catalogue_resolve(f.catalogue, VV_TEXT("cpu"), &label, 1,
                                                         false, &id, NULL));
        assert_true(round == 0 || vv_catalogue_bytes(f.catalogue) == bytes);
        bytes = vv_catalogue_bytes(f.catalogue);
    }
    failing_alloc_plan(&f.failing, 0, true);
    assert_int_equal(resolve(&f, VV_TEXT("cpu"), &label, 1), 3);
    teardown(&f);
}

static void creating_survives_each_failing_allocation(void **state)
{
    (void)state;
    for (uint64_t at = 1;; at++) {
        failing_alloc failing;
        failing_alloc_init(&failing);
        failing_alloc_plan(&failing, at, true);
        varve_allocator source = failing_alloc_source(&failing);
        vv_alloc alloc;
        vv_alloc_init(&alloc, &source);
        vv_catalogue *catalogue;
        varve_status status = vv_catalogue_create(&alloc, 1, 0, &catalogue, NULL);
        bool has_failed = failing.failures > 0;
        assert_true((status == VARVE_OK) == !has_failed && (catalogue == NULL) == has_failed);
        vv_catalogue_free(catalogue);
        assert_int_equal(failing.live, 0);
        if (!has_failed) {
            break;
        }
    }
}

/* Ten labels, one of them the series' own, as TSBS has them: the bar is 600 bytes. */
static void an_idle_series_is_small(void **state)
{
    (void)state;
    static const char *const names[] = {
        "arch",    "datacenter",          "hostname",        "os",  "rack", "region",
        "service", "service_environment", "service_version", "team"};
    static const uint32_t choices[] = {2, 27, 0, 3, 100, 9, 20, 3, 2, 4};
    enum { SERIES = 20000 };
    fixture f;
    setup(&f);
    size_t before = vv_catalogue_bytes(f.catalogue);
    for (uint32_t number = 0; number < SERIES; number++) {
        char values[10][24];
        varve_label labels[10];
        for (size_t index = 0; index < 10; index++) {
            uint32_t value = choices[index] == 0 ? number : (number * 7919) % choices[index];
            int size = snprintf(values[index], sizeof values[index], "%s_%u",
                                choices[index] == 0 ? "host" : names[index], value);
            labels[index].name = vv_text_from_string(names[index]);
            labels[index].value = vv_text_make(values[index], (size_t)size);
        }
        assert_int_equal(resolve(&f, VV_TEXT("cpu"), labels, 10), number + 1);
    }
    size_t bytes = (vv_catalogue_bytes(f.catalogue) - before) / SERIES;
    print_message("%zu bytes a series\n", bytes);
    assert_true(bytes <= 600);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(series_have_one_id_whatever_the_order_of_labels),
        cmocka_unit_test(an_unknown_series_is_not_created_when_not_asked),
        cmocka_unit_test(bad_names_are_refused),
        cmocka_unit_test(the_number_of_series_has_a_limit),
        cmocka_unit_test(entries_give_back_their_names),
        cmocka_unit_test(series_compare_by_metric_then_labels),
        cmocka_unit_test(fields_are_names_of_their_own),
        cmocka_unit_test(series_know_the_types_of_their_fields),
        cmocka_unit_test(policies_are_their_own_or_the_default),
        cmocka_unit_test(a_failed_creation_leaves_nothing_to_see),
        cmocka_unit_test(repeated_failures_keep_nothing),
        cmocka_unit_test(creating_survives_each_failing_allocation),
        cmocka_unit_test(an_idle_series_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
