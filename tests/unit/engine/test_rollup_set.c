/* SPDX-License-Identifier: Apache-2.0 */
/* Promises of engine/rollup_set.c: what is refused, generations, stored bytes. */
#include <stdio.h>
#include <string.h>

#include "engine/rollup_set.h"
#include "support/check.h"
#include "support/failing_alloc.h"

static vv_alloc *system_alloc(void)
{
    static vv_alloc alloc;
    static bool is_ready;
    if (!is_ready) {
        vv_alloc_init(&alloc, NULL);
        is_ready = true;
    }
    return &alloc;
}

static varve_rollup hourly(const char *id)
{
    return (varve_rollup){.id = {id, strlen(id)},
                          .metric = VARVE_STR("cpu"),
                          .interval = 3600,
                          .aggregation = VARVE_AGG_AVG};
}

static vv_rollup_set *make(const varve_rollup *rollups, size_t count, const vv_rollup_set *old)
{
    varve_error err;
    vv_rollup_set *set;
    check_ok(vv_rollup_set_make(system_alloc(), rollups, count, old, &set, &err), &err);
    return set;
}

/* The set is refused, with a sentence that has the words. */
static void refused(const varve_rollup *rollups, size_t count, const char *words)
{
    varve_error err;
    vv_rollup_set *set;
    check_status(VARVE_E_INVALID,
                 vv_rollup_set_make(system_alloc(), rollups, count, NULL, &set, &err));
    assert_null(set);
    if (strstr(err.message, words) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err.message, words);
    }
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    varve_rollup a = hourly("");
    refused(&a, 1, "blank id");
    a = hourly(" \t");
    refused(&a, 1, "blank id");
    char longest[VV_ROLLUP_ID_BYTES_MAX + 2];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    a = hourly(longest);
    refused(&a, 1, "257 bytes");
    a = hourly("a");
    a.interval = 0;
    refused(&a, 1, "interval of 0");
    a.interval = -1;
    refused(&a, 1, "interval of -1");
    a = hourly("a");
    a.metric = VARVE_STR("");
    refused(&a, 1, "rollup \"a\"");
    a.metric = VARVE_STR("varve.rollup.1");
    refused(&a, 1, "varve's own");
    a = hourly("a");
    a.flags = 2;
    refused(&a, 1, "flags 0x2");
    a = hourly("a");
    a.reserved[1] = 1;
    refused(&a, 1, "reserved");
    varve_rollup two[2] = {hourly("a"), hourly("a")};
    refused(two, 2, "two rollups have the id \"a\"");
}

static void only_what_can_be_kept_is_taken(void **state)
{
    (void)state;
    for (uint32_t aggregation = 0; aggregation < 20; aggregation++) {
        varve_rollup rollup = hourly("a");
        rollup.aggregation = aggregation;
        bool can = (aggregation >= VARVE_AGG_SUM && aggregation <= VARVE_AGG_MEDIAN) ||
                   (aggregation >= VARVE_AGG_RANGE && aggregation <= VARVE_AGG_STDDEV);
        if (can) {
            vv_rollup_set_unref(make(&rollup, 1, NULL));
        } else {
            refused(&rollup, 1, "cannot be kept");
        }
    }
}

static void matchers_and_fields_are_checked(void **state)
{
    (void)state;
    varve_matcher matchers[2] = {{.name = VARVE_STR("host"), .value = VARVE_STR("a")},
                                 {.name = VARVE_STR("host"), .value = VARVE_STR("b")}};
    varve_rollup rollup = hourly("a");
    rollup.matchers = matchers;
    rollup.matcher_count = 2;
    refused(&rollup, 1, "\"host\" is given twice");
    matchers[1].kind = VARVE_MATCH_REGEX;
    matchers[1].value = VARVE_STR("(");
    refused(&rollup, 1, "rollup \"a\"");
    matchers[1].value = VARVE_STR(".*");
    vv_rollup_set_unref(make(&rollup, 1, NULL));
    varve_text fields[2] = {VARVE_STR("x"), VARVE_STR("x")};
    rollup.fields = fields;
    rollup.field_count = 2;
    refused(&rollup, 1, "\"x\" is given twice");
    fields[1] = VARVE_STR("varve.sequence");
    refused(&rollup, 1, "varve's own");
    fields[1] = VARVE_STR("y");
    vv_rollup_set_unref(make(&rollup, 1, NULL));
    rollup.flags = VARVE_ROLLUP_ALL_FIELDS;
    refused(&rollup, 1, "all are asked for");
}

static void both_sides_of_the_limits(void **state)
{
    (void)state;
    static varve_rollup many[VV_ROLLUPS_MAX + 1];
    static char ids[VV_ROLLUPS_MAX + 1][8];
    for (size_t i = 0; i <= VV_ROLLUPS_MAX; i++) {
        snprintf(ids[i], sizeof ids[i], "%zu", i);
        many[i] = hourly(ids[i]);
    }
    vv_rollup_set *set = make(many, VV_ROLLUPS_MAX, NULL);
    assert_int_equal(VV_ROLLUPS_MAX, set->count);
    vv_rollup_set_unref(set);
    refused(many, VV_ROLLUPS_MAX + 1, "1025 rollups");

    static varve_matcher matchers[VV_ROLLUP_MATCHERS_MAX + 1];
    static varve_text fields[VV_ROLLUP_FIELDS_MAX + 1];
    for (size_t i = 0; i <= VV_ROLLUP_MATCHERS_MAX; i++) {
        matchers[i] = (varve_matcher){.name = {ids[i], strlen(ids[i])}};
        fields[i] = (varve_text){ids[i], strlen(ids[i])};
    }
    varve_rollup rollup = hourly("a");
    rollup.matchers = matchers;
    rollup.fields = fields;
    rollup.matcher_count = VV_ROLLUP_MATCHERS_MAX;
    rollup.field_count = VV_ROLLUP_FIELDS_MAX;
    vv_rollup_set_unref(make(&rollup, 1, NULL));
    rollup.matcher_count++;
    refused(&rollup, 1, "65 matchers");
    rollup.matcher_count--;
    rollup.field_count++;
    refused(&rollup, 1, "65 fields");
}

static void rollups_stand_by_id_and_keep_their_generation(void **state)
{
    (void)state;
    varve_rollup given[3] = {hourly("b"), hourly("a"), hourly("c")};
    vv_rollup_set *first = make(given, 3, NULL);
    assert_memory_equal("a", first->items[0].given.id.data, 1);
    assert_memory_equal("c", first->items[2].given.id.data, 1);
    uint64_t of_a = first->items[0].generation;
    uint64_t of_b = first->items[1].generation;

    given[0].interval = 60; /* b changes, a stays, c goes */
    vv_rollup_set *second = make(given, 2, first);
    assert_int_equal(of_a, second->items[0].generation);
    assert_true(second->items[1].generation >= first->next_generation);
    vv_rollup_set *third = make(NULL, 0, second);
    assert_int_equal(0, third->count);
    given[0].interval = 3600; /* as it once was: what was kept then is long gone */
    vv_rollup_set *fourth = make(given, 1, third);
    assert_true(fourth->items[0].generation >= second->next_generation);
    assert_true(fourth->items[0].generation != of_b);
    vv_rollup_set_unref(first);
    vv_rollup_set_unref(second);
    vv_rollup_set_unref(third);
    vv_rollup_set_unref(fourth);
}

static void a_renewed_set_shares_no_generation(void **state)
{
    (void)state;
    varve_error err;
    varve_rollup given[2] = {hourly("a"), hourly("b")};
    vv_rollup_set *old = make(given, 2, NULL);
    vv_rollup_set *renewed;
    check_ok(vv_rollup_set_renew(old, &renewed, &err), &err);
    assert_int_equal(2, renewed->count);
    for (size_t i = 0; i < 2; i++) {
        assert_null(vv_rollup_set_find(old, renewed->items[i].generation));
        assert_non_null(vv_rollup_set_find(renewed, renewed->items[i].generation));
    }
    vv_rollup_set_unref(old);
    vv_rollup_set_unref(renewed);
}

/* A set with everything in it. */
static vv_rollup_set *full_set(void)
{
    const varve_matcher matchers[2] = {
        {.name = VARVE_STR("dc"), .value = VARVE_STR("x")},
        {.kind = VARVE_MATCH_NOT_REGEX, .name = VARVE_STR("host"), .value = VARVE_STR("a.*")}};
    const varve_text fields[2] = {VARVE_STR("one"), VARVE_STR("two")};
    varve_rollup given[2] = {hourly("a"), hourly("b")};
    given[0].matchers = matchers;
    given[0].matcher_count = 2;
    given[0].fields = fields;
    given[0].field_count = 2;
    given[0].origin = -7;
    given[1].flags = VARVE_ROLLUP_ALL_FIELDS;
    given[1].aggregation = VARVE_AGG_LAST;
    return make(given, 2, NULL);
}

static void stored_bytes_give_the_set_back(void **state)
{
    (void)state;
    varve_error err;
    vv_rollup_set *set = full_set();
    vv_rollup_set *again;
    check_ok(vv_rollup_set_read(set->stored, system_alloc(), &again, &err), &err);
    assert_int_equal(set->next_generation, again->next_generation);
    const varve_rollup *a = &again->items[0].given;
    assert_int_equal(2, a->matcher_count);
    assert_int_equal(VARVE_MATCH_NOT_REGEX, a->matchers[1].kind);
    assert_memory_equal("a.*", a->matchers[1].value.data, 3);
    assert_int_equal(2, a->field_count);
    assert_memory_equal("two", a->fields[1].data, 3);
    assert_int_equal(-7, a->origin);
    assert_int_equal(VARVE_ROLLUP_ALL_FIELDS, again->items[1].given.flags);
    vv_rollup_set_unref(again);
    vv_rollup_set_unref(set);
}

static void damaged_bytes_are_refused_or_make_a_sound_set(void **state)
{
    (void)state;
    vv_rollup_set *set = full_set();
    uint8_t bytes[512];
    size_t size = set->stored.size;
    assert_true(size <= sizeof bytes);
    memcpy(bytes, set->stored.data, size);
    vv_rollup_set *read;
    for (size_t cut = 0; cut < size; cut++) {
        check_status(VARVE_E_CORRUPT,
                     vv_rollup_set_read(vv_bytes_make(bytes, cut), system_alloc(), &read, NULL));
    }
    for (size_t at = 0; at < size * 8; at++) {
        bytes[at / 8] ^= (uint8_t)(1u << (at % 8));
        varve_status status =
            vv_rollup_set_read(vv_bytes_make(bytes, size), system_alloc(), &read, NULL);
        assert_true(status == VARVE_OK || status == VARVE_E_CORRUPT);
        for (size_t i = 0; status == VARVE_OK && i < read->count; i++) {
            assert_true(read->items[i].given.interval > 0);
            assert_true(read->items[i].generation < read->next_generation);
        }
        vv_rollup_set_unref(read);
        bytes[at / 8] ^= (uint8_t)(1u << (at % 8));
    }
    vv_rollup_set_unref(set);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    varve_rollup given[2] = {hourly("a"), hourly("b")};
    varve_matcher matcher = {.name = VARVE_STR("host"), .value = VARVE_STR("a")};
    varve_text field = VARVE_STR("x");
    given[1].matchers = &matcher;
    given[1].matcher_count = 1;
    given[1].fields = &field;
    given[1].field_count = 1;
    vv_rollup_set *old = make(given, 2, NULL);
    failing_alloc source;
    failing_alloc_init(&source);
    varve_allocator allocator = failing_alloc_source(&source);
    for (uint64_t nth = 1;; nth++) {
        vv_alloc alloc;
        vv_rollup_set *set;
        vv_alloc_init(&alloc, &allocator);
        failing_alloc_plan(&source, nth, /* once */ false);
        varve_status status = vv_rollup_set_make(&alloc, given, 2, old, &set, NULL);
        if (status == VARVE_OK) {
            vv_rollup_set *renewed;
            status = vv_rollup_set_renew(set, &renewed, NULL);
            vv_rollup_set_unref(renewed);
        }
        failing_alloc_plan(&source, 0, false);
        vv_rollup_set_unref(set);
        assert_int_equal(0, atomic_load(&source.live));
        if (status == VARVE_OK) {
            break;
        }
        check_status(VARVE_E_NOMEM, status);
    }
    vv_rollup_set_unref(old);
}

static void lists_that_are_counted_are_given(void **state)
{
    (void)state;
    varve_rollup rollup = hourly("a");
    refused(NULL, 1, "1 rollups, max 1024, or none are given");
    vv_rollup_set_unref(make(NULL, 0, NULL));
    rollup.matcher_count = 1;
    refused(&rollup, 1, "1 matchers");
    rollup = hourly("a");
    rollup.field_count = 1;
    refused(&rollup, 1, "1 fields");
    varve_text fields[1] = {VARVE_STR("")};
    rollup.fields = fields;
    refused(&rollup, 1, "rollup \"a\"");
    /* Not equal, or only one of them: a label may have many matchers. */
    varve_matcher matchers[3] = {
        {.name = VARVE_STR("host"), .value = VARVE_STR("a"), .kind = VARVE_MATCH_NOT_EQUAL},
        {.name = VARVE_STR("host"), .value = VARVE_STR("b"), .kind = VARVE_MATCH_EQUAL},
        {.name = VARVE_STR("zone"), .value = VARVE_STR("b"), .kind = VARVE_MATCH_EQUAL}};
    rollup = hourly("a");
    rollup.matchers = matchers;
    rollup.matcher_count = 3;
    vv_rollup_set_unref(make(&rollup, 1, NULL));
}

/* The bytes of two rollups with the same generation, one of another place, and too many bytes. */
static void stored_generations_are_each_given_once(void **state)
{
    (void)state;
    varve_error err;
    varve_rollup given[2] = {hourly("a"), hourly("b")};
    vv_rollup_set *set = make(given, 2, NULL);
    vv_rollup_set *read;
    assert_int_equal(1, set->items[0].generation);
    assert_int_equal(2, set->items[1].generation);
    assert_null(vv_rollup_set_find(NULL, 1));
    assert_null(vv_rollup_set_find(set, 3));
    assert_ptr_equal(&set->items[1], vv_rollup_set_find(set, 2));
    uint8_t bytes[512];
    size_t size = set->stored.size;
    memcpy(bytes, set->stored.data, size);
    size_t at = (size_t)(set->items[1].definition.data - set->stored.data) - 2;
    static const uint8_t generations[] = {1, 0,
                                          3}; /* the other's, none, one that is not given yet */
    for (size_t i = 0; i < sizeof generations; i++) {
        assert_int_equal(2, set->stored.data[at]);
        bytes[at] = generations[i];
        check_status(VARVE_E_CORRUPT,
                     vv_rollup_set_read(vv_bytes_make(bytes, size), system_alloc(), &read, &err));
        assert_null(read);
    }
    bytes[at] = 2;
    check_ok(vv_rollup_set_read(vv_bytes_make(bytes, size), system_alloc(), &read, &err), &err);
    vv_rollup_set_unref(read);
    vv_bytes long_ones = vv_bytes_make(bytes, VV_ROLLUP_SET_BYTES_MAX + 1); /* not looked at */
    check_status(VARVE_E_CORRUPT, vv_rollup_set_read(long_ones, system_alloc(), &read, &err));
    vv_rollup_set_unref(set);
}

static void names_of_what_is_kept_lead_back(void **state)
{
    (void)state;
    char buffer[VV_ROLLUP_NAME_BYTES];
    assert_int_equal(17, vv_rollup_generation_of(vv_rollup_metric(17, buffer)));
    assert_int_equal(UINT64_MAX, vv_rollup_generation_of(vv_rollup_metric(UINT64_MAX, buffer)));
    assert_int_equal(0, vv_rollup_generation_of(VARVE_STR("varve.rollup.")));
    assert_int_equal(0, vv_rollup_generation_of(VARVE_STR("varve.rollup.x")));
    assert_int_equal(0, vv_rollup_generation_of(VARVE_STR("varve.rollups.1")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(only_what_can_be_kept_is_taken),
        cmocka_unit_test(matchers_and_fields_are_checked),
        cmocka_unit_test(both_sides_of_the_limits),
        cmocka_unit_test(rollups_stand_by_id_and_keep_their_generation),
        cmocka_unit_test(a_renewed_set_shares_no_generation),
        cmocka_unit_test(stored_bytes_give_the_set_back),
        cmocka_unit_test(damaged_bytes_are_refused_or_make_a_sound_set),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(lists_that_are_counted_are_given),
        cmocka_unit_test(stored_generations_are_each_given_once),
        cmocka_unit_test(names_of_what_is_kept_lead_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
