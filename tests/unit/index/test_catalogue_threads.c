/* SPDX-License-Identifier: Apache-2.0 */
/* Resolvers, selectors and listings at once. Thread sanitizer is the judge of most of it. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "base/slice.h"
#include "index/catalogue.h"
#include "model/rows.h"
#include "support/check.h"
#include "sys/thread.h"

#define THREAD_SERIES  1500u
#define RESOLVER_COUNT 3u

typedef struct shared {
    vv_alloc alloc;
    vv_catalogue *catalogue;
    _Atomic uint32_t resolvers_left;
    _Atomic uint32_t failures;
} shared;

typedef struct worker {
    shared *all;
    uint64_t seed;
    uint32_t ids[THREAD_SERIES]; /* of series number i */
} worker;

/* cmocka's checks belong to the main thread; others count. */
static void expect(shared *all, bool holds)
{
    if (!holds) {
        atomic_fetch_add(&all->failures, 1);
    }
}

static uint32_t resolve_number(shared *all, uint32_t number)
{
    char host[16];
    int size = snprintf(host, sizeof host, "host_%u", number);
    varve_label labels[2] = {{.name = VV_TEXT("dc"), .value = VV_TEXT("x")},
                             {.name = VV_TEXT("host"), .value = {.data = host}}};
    labels[1].value.size = (size_t)size;
    if (number % 3 == 0) {
        labels[0].value = VV_TEXT("y");
    }
    uint32_t id = 0;
    varve_status status =
        vv_catalogue_resolve(all->catalogue, number % 2 == 0 ? VV_TEXT("cpu") : VV_TEXT("disk"),
                             labels, 2, false, &id, NULL);
    expect(all, status == VARVE_OK && id != 0);
    return id;
}

static void resolver_main(void *context)
{
    worker *own = context;
    shared *all = own->all;
    vv_random random;
    vv_random_init(&random, own->seed);
    /* All the same series, each thread in an order of its own. */
    uint32_t step = 1 + 2 * (uint32_t)vv_random_below(&random, 100);
    while (THREAD_SERIES % step == 0 || step % 5 == 0 || step % 3 == 0) {
        step += 2;
    }
    uint32_t number = (uint32_t)vv_random_below(&random, THREAD_SERIES);
    for (uint32_t round = 0; round < THREAD_SERIES; round++) {
        number = (number + step) % THREAD_SERIES;
        uint32_t id = resolve_number(all, number);
        own->ids[number] = id;
        expect(all, resolve_number(all, number) == id);
        uint32_t field = 0;
        expect(all, vv_catalogue_field(all->catalogue, VV_TEXT("value"), false, &field, NULL) ==
                        VARVE_OK);
        varve_text host;
        expect(all, vv_catalogue_label(all->catalogue, id, VV_TEXT("host"), &host));
        const varve_label *labels;
        size_t count = 0;
        expect(all, vv_catalogue_labels(all->catalogue, id, &labels, &count, NULL) == VARVE_OK &&
                        count == 2);
    }
    atomic_fetch_sub(&all->resolvers_left, 1);
}

/* What is selected has the label, and what was there before is selected. */
static void select_once(shared *all, const char *text, const char *value)
{
    varve_selection given = {.kind = VARVE_SELECT_TEXT, .text = vv_text_from_string(text)};
    vv_selection *selection;
    vv_idset ids;
    uint32_t before = vv_catalogue_series_count(all->catalogue);
    if (vv_selection_compile(&given, 1, false, &all->alloc, &selection, NULL) != VARVE_OK ||
        vv_catalogue_select(all->catalogue, selection, &ids, NULL) != VARVE_OK) {
        expect(all, false);
        return;
    }
    uint32_t after = vv_catalogue_series_count(all->catalogue);
    for (uint32_t id = 1; id <= after; id++) {
        varve_text dc = VV_TEXT("");
        expect(all, vv_catalogue_label(all->catalogue, id, VV_TEXT("dc"), &dc));
        bool has_value = vv_text_equal(dc, vv_text_from_string(value));
        bool is_in = vv_idset_contains(&ids, id);
        expect(all, has_value || !is_in);
        expect(all, !has_value || is_in || id > before);
    }
    vv_idset_deinit(&ids, &all->alloc);
    vv_selection_free(selection);
}

static void selector_main(void *context)
{
    worker *own = context;
    do {
        select_once(own->all, "{dc=\"y\"}", "y");
        select_once(own->all, "{dc!~\"y|z\"}", "x");
        select_once(own->all, "{host=~\"host_[0-9]+\",dc!=\"x\"}", "y");
    } while (atomic_load(&own->all->resolvers_left) > 0);
}

static bool count_members(void *context, varve_text text, const vv_idset *series)
{
    (void)text;
    *(uint32_t *)context += vv_idset_count(series);
    return true;
}

static void lister_main(void *context)
{
    worker *own = context;
    shared *all = own->all;
    do {
        uint32_t before = vv_catalogue_series_count(all->catalogue);
        uint32_t members = 0;
        expect(all, vv_catalogue_visit_values(all->catalogue, VV_TEXT("host"), count_members,
                                              &members, NULL) == VARVE_OK);
        expect(all, members >= before);
        expect(all, vv_catalogue_bytes(all->catalogue) > 0);
    } while (atomic_load(&all->resolvers_left) > 0);
}

static void typer_main(void *context)
{
    worker *own = context;
    shared *all = own->all;
    do {
        uint32_t count = vv_catalogue_series_count(all->catalogue);
        for (uint32_t id = 1; id <= count; id += 7) {
            expect(all, vv_catalogue_set_type(all->catalogue, id, 1 + id % 20, VARVE_TYPE_F64,
                                              NULL) == VARVE_OK);
            expect(all, vv_catalogue_schema(all->catalogue, id)->count >= 1);
        }
    } while (atomic_load(&all->resolvers_left) > 0);
}

static void everything_at_once_agrees(void **state)
{
    (void)state;
    static shared all;
    static worker workers[RESOLVER_COUNT + 3];
    vv_thread threads[RESOLVER_COUNT + 3];
    memset(threads, 0, sizeof threads);
    vv_alloc_init(&all.alloc, NULL);
    varve_error err = {.status = VARVE_OK};
    check_ok(vv_catalogue_create(&all.alloc, 99, 0, &all.catalogue, &err), &err);
    atomic_store(&all.resolvers_left, RESOLVER_COUNT);
    for (uint32_t index = 0; index < RESOLVER_COUNT + 3; index++) {
        workers[index].all = &all;
        workers[index].seed = 1000 + index;
        vv_thread_main run = index < RESOLVER_COUNT        ? resolver_main
                             : index == RESOLVER_COUNT     ? selector_main
                             : index == RESOLVER_COUNT + 1 ? lister_main
                                                           : typer_main;
        check_ok(vv_thread_start(&threads[index], "catalogue", run, &workers[index], &err), &err);
    }
    for (uint32_t index = 0; index < RESOLVER_COUNT + 3; index++) {
        vv_thread_join(&threads[index]);
    }
    assert_int_equal(all.failures, 0);
    assert_int_equal(vv_catalogue_series_count(all.catalogue), THREAD_SERIES);
    for (uint32_t number = 0; number < THREAD_SERIES; number++) {
        for (uint32_t index = 0; index < RESOLVER_COUNT; index++) {
            assert_int_equal(workers[index].ids[number], resolve_number(&all, number));
        }
    }
    vv_catalogue_free(all.catalogue);
    assert_int_equal(vv_alloc_bytes(&all.alloc), 0);
}

/* ---- all threads want the same new series at the same moment ---- */

#define RACE_ROUNDS 400u

typedef struct race {
    shared *all;
    _Atomic uint32_t *arrived; /* of all threads, in all rounds */
    uint32_t ids[RACE_ROUNDS];
} race;

static void racer_main(void *context)
{
    race *own = context;
    for (uint32_t round = 0; round < RACE_ROUNDS; round++) {
        atomic_fetch_add(own->arrived, 1);
        while (atomic_load(own->arrived) < 2 * (round + 1)) {
            vv_thread_yield();
        }
        own->ids[round] = resolve_number(own->all, round);
    }
}

static void a_race_for_one_series_creates_it_once(void **state)
{
    (void)state;
    static shared all;
    static race racers[2];
    static _Atomic uint32_t arrived;
    vv_thread threads[2];
    memset(threads, 0, sizeof threads);
    vv_alloc_init(&all.alloc, NULL);
    varve_error err = {.status = VARVE_OK};
    check_ok(vv_catalogue_create(&all.alloc, 5, 0, &all.catalogue, &err), &err);
    for (uint32_t index = 0; index < 2; index++) {
        racers[index] = (race){.all = &all, .arrived = &arrived};
        check_ok(vv_thread_start(&threads[index], "racer", racer_main, &racers[index], &err), &err);
    }
    vv_thread_join(&threads[0]);
    vv_thread_join(&threads[1]);
    assert_int_equal(all.failures, 0);
    assert_int_equal(vv_catalogue_series_count(all.catalogue), RACE_ROUNDS);
    assert_memory_equal(racers[0].ids, racers[1].ids, sizeof racers[0].ids);
    vv_catalogue_free(all.catalogue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_at_once_agrees),
        cmocka_unit_test(a_race_for_one_series_creates_it_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
