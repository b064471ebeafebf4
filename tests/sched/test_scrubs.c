/* SPDX-License-Identifier: Apache-2.0 */
/* Scrubs that end at the same time, in many orders: what the handle tells is what the next open
 * reads (K2 of engine/scrub_status.h), and no record that is told is older than one told before. */
#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#include "support/memory_world.h"
#include "support/sched/scheduler.h"
#include "sys/thread.h"
#include "varve.h"

enum { SCRUBS_SEEDS = 30, SCRUBS_THREADS = 3, SCRUBS_EACH = 2, SCRUBS_LOOKS = 12 };

typedef struct scrubs {
    varve_db *db;
    varve_options options;
    const char *failure; /* NULL: none; the threads are no place for assertions */
    int64_t told_ns, stored_ns;
} scrubs;

static void scrubs_fail(scrubs *s, const char *what)
{
    s->failure = s->failure != NULL ? s->failure : what;
}

static int64_t scrubs_ask(scrubs *s)
{
    varve_error err;
    varve_scrub_state found;
    varve_scrub_state_init(&found);
    if (varve_scrub_status(s->db, &found, NULL, NULL, &err) != VARVE_OK) {
        scrubs_fail(s, "varve_scrub_status");
    }
    return found.completed_ns;
}

static void scrubs_pass_main(void *context)
{
    scrubs *s = context;
    varve_error err;
    varve_scrub_options options;
    varve_scrubbed found;
    varve_scrub_options_init(&options);
    varve_scrubbed_init(&found);
    options.bytes_per_second = UINT64_MAX;
    for (int i = 0; i < SCRUBS_EACH; i++) {
        if (varve_scrub(s->db, &options, NULL, &found, &err) != VARVE_OK) {
            scrubs_fail(s, "varve_scrub");
        }
    }
}

static void scrubs_look_main(void *context)
{
    scrubs *s = context;
    int64_t before_ns = 0;
    for (int i = 0; i < SCRUBS_LOOKS; i++) {
        int64_t told_ns = scrubs_ask(s);
        if (told_ns < before_ns) {
            scrubs_fail(s, "an older record is told again");
        }
        before_ns = told_ns;
        vv_thread_yield();
    }
}

static void scrubs_open(scrubs *s)
{
    varve_error err;
    if (varve_open("db", &s->options, &s->db, &err) != VARVE_OK) {
        scrubs_fail(s, "varve_open");
    }
}

static void scrubs_main(void *context)
{
    scrubs *s = context;
    varve_error err;
    vv_thread threads[SCRUBS_THREADS + 1];
    scrubs_open(s);
    for (int i = 0; i <= SCRUBS_THREADS && s->db != NULL; i++) {
        bool is_pass = i < SCRUBS_THREADS;
        if (vv_thread_start(&threads[i], is_pass ? "scrub" : "look",
                            is_pass ? scrubs_pass_main : scrubs_look_main, s, &err) != VARVE_OK) {
            abort();
        }
    }
    for (int i = 0; i <= SCRUBS_THREADS && s->db != NULL; i++) {
        vv_thread_join(&threads[i]);
    }
    if (s->db != NULL) {
        s->told_ns = scrubs_ask(s);
        varve_abandon(s->db);
        s->db = NULL;
        scrubs_open(s);
    }
    if (s->db != NULL) {
        s->stored_ns = scrubs_ask(s);
        varve_abandon(s->db);
    }
}

static void the_last_pass_told_is_the_last_one_stored(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SCRUBS_SEEDS; seed++) {
        scheduler_options options = {.seed = seed};
        scheduler_report report;
        scrubs s;
        memset(&s, 0, sizeof s);
        memory_world *world = memory_world_create();
        varve_options_init(&s.options);
        s.options.environment = memory_world_environment(world);
        s.options.flags = VARVE_OPEN_NO_BACKGROUND;
        scheduler_run(&options, scrubs_main, &s, &report);
        if (report.has_failed) {
            fail_msg("seed %llu: %s", (unsigned long long)seed, report.failure);
        }
        if (s.failure != NULL) {
            fail_msg("seed %llu: %s", (unsigned long long)seed, s.failure);
        }
        if (s.told_ns == 0 || s.told_ns != s.stored_ns) {
            fail_msg("seed %llu: told %lld, stored %lld", (unsigned long long)seed,
                     (long long)s.told_ns, (long long)s.stored_ns);
        }
        memory_world_free(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_last_pass_told_is_the_last_one_stored)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
