/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for the log, under schedules that seeds draw: writers of single batches on the simulated
 * disk, mostly without the thread of the log, which would come to the help of those who sleep too
 * long. A waiter that nobody wakes is a deadlock of the run (Q1 to Q3 of wal_group.c).
 *
 * What a thread of a run finds wrong ends the program, which then names the seed.
 *
 *   VARVE_TEST_PERCENT, VARVE_TEST_SEED, VARVE_TEST_SEEDS, VARVE_TEST_FIRST: support/setting.h
 */
#include <errno.h>

#include "support/sched/scheduler.h"
#include "support/setting.h"
#include "unit/wal/log_support.h"

enum {
    WAITS_SEEDS = 4000,
    WAITS_SEEDS_LEAST = 50,
    WAITS_WRITERS_MAX = 5,
    WAITS_BATCHES_MAX = 4,
    WAITS_PAYLOAD_BYTES = 24,
    WAITS_BRIEF_MS = 1,
};

/* In a thread of a run, where a test cannot end. */
static void waits_must(bool is_so)
{
    if (!is_so) {
        abort();
    }
}

typedef struct waits_writer {
    struct waits_world *world;
    vv_thread thread;
    vv_random random;
    uint32_t batches; /* that it writes */
    uint32_t answered, refused;
} waits_writer;

typedef struct waits_world {
    log_world log;
    vv_fault *fault;
    uint32_t count;
    waits_writer writers[WAITS_WRITERS_MAX];
    bool is_failing;
} waits_world;

static void waits_hook(void *context, vv_vfs_op op, const char *path)
{
    (void)context;
    (void)path;
    scheduler_step("disk", (uint64_t)op);
}

static uint32_t waits_draw_sync(vv_random *random)
{
    static const uint32_t syncs[] = {VARVE_SYNC_GROUP, VARVE_SYNC_GROUP,    VARVE_SYNC_GROUP,
                                     VARVE_SYNC_GROUP, VARVE_SYNC_ALWAYS,   VARVE_SYNC_NONE,
                                     VARVE_SYNC_NONE,  VARVE_SYNC_BUFFERED, VARVE_SYNC_INTERVAL};
    return syncs[vv_random_below(random, VV_ARRAY_COUNT(syncs))];
}

/* Now and then it looks in between, with and without patience. */
static void waits_wait(waits_writer *writer, uint64_t ticket, uint32_t sync)
{
    vv_wal *wal = writer->world->log.wal;
    varve_error err;
    uint32_t ack = VARVE_ACK_VOLATILE;
    varve_status status = VARVE_E_TIMEOUT;
    while (status == VARVE_E_TIMEOUT) {
        uint64_t kind = vv_random_below(&writer->random, 4);
        uint64_t timeout_ms = kind == 0 ? 0 : kind == 1 ? WAITS_BRIEF_MS : UINT64_MAX;
        status = vv_wal_wait(wal, ticket, timeout_ms, &ack, &err);
    }
    if (status == VARVE_OK) {
        waits_must(sync > VARVE_SYNC_ALWAYS || ack == VARVE_ACK_DURABLE);
        writer->answered++;
    } else {
        waits_must(writer->world->is_failing);
        waits_must(status == VARVE_E_IO || status == VARVE_E_FENCED);
        writer->refused++;
    }
}

static void waits_write(void *context)
{
    waits_writer *writer = context;
    vv_wal *wal = writer->world->log.wal;
    uint8_t payload[WAITS_PAYLOAD_BYTES] = {0};
    const vv_wal_record record = {.type = VV_WAL_ROWS,
                                  .sequences = 1,
                                  .payload = vv_bytes_make(payload, sizeof payload),
                                  .payload_crc = vv_crc32c(0, payload, sizeof payload)};
    for (uint32_t i = 0; i < writer->batches; i++) {
        varve_error err;
        varve_status status = vv_wal_reserve(wal, sizeof payload, 1, VV_NO_DEADLINE, &err);
        if (status != VARVE_OK) {
            waits_must(status == VARVE_E_FENCED);
            waits_must(writer->world->is_failing);
            writer->refused += writer->batches - i;
            return;
        }
        uint32_t sync = waits_draw_sync(&writer->random);
        vv_wal_ticket ticket = vv_wal_append(wal, &record, 1, sync);
        scheduler_step("apply", i);
        vv_wal_applied(wal, ticket);
        waits_wait(writer, ticket.id, sync);
    }
}

static void waits_main(void *context)
{
    waits_world *world = context;
    varve_error err;
    for (uint32_t i = 0; i < world->count; i++) {
        waits_writer *writer = &world->writers[i];
        check_ok(vv_thread_start(&writer->thread, "writer", waits_write, writer, &err), &err);
    }
    uint64_t rows = 0;
    for (uint32_t i = 0; i < world->count; i++) {
        waits_writer *writer = &world->writers[i];
        vv_thread_join(&writer->thread);
        waits_must(writer->batches == writer->answered + writer->refused);
        rows += writer->answered;
    }
    varve_status status = vv_wal_seal(world->log.wal, 0, &err);
    if (!world->is_failing) {
        waits_must(status == VARVE_OK);
        waits_must(rows == vv_wal_visible(world->log.wal));
    }
}

static void waits_prepare(waits_world *world, uint64_t seed)
{
    varve_error err;
    vv_random random;
    memset(world, 0, sizeof *world);
    vv_random_init(&random, ~seed);
    log_world_init(&world->log, NULL, seed);
    check_ok(vv_fault_create(log_memory(), world->log.env.vfs, &world->fault, &err), &err);
    world->log.env.vfs = vv_fault_vfs(world->fault);
    world->log.env.clock = vv_clock_system(); /* the schedule's */
    world->count = 2 + (uint32_t)vv_random_below(&random, WAITS_WRITERS_MAX - 1);
    for (uint32_t i = 0; i < world->count; i++) {
        waits_writer *writer = &world->writers[i];
        writer->world = world;
        writer->batches = 1 + (uint32_t)vv_random_below(&random, WAITS_BATCHES_MAX);
        vv_random_init(&writer->random, vv_random_u64(&random));
    }
    world->is_failing = vv_random_below(&random, 5) == 0;
    if (world->is_failing) {
        vv_sim_sync_fault fault = {.site = VV_SITE_WAL_GROUP,
                                   .first_sync = 1 + vv_random_below(&random, 6),
                                   .os_errno = EIO,
                                   .mode = VV_SIM_PAGES_CLEAN};
        vv_sim_set_sync_fault(world->log.sim, &fault);
    }
}

/* The thread of the log is of the run: it is opened, and freed, in it. */
static void waits_run_main(void *context)
{
    waits_world *world = context;
    vv_wal_options options = log_options();
    options.has_threads = world->log.next_number % 4 == 0;
    log_open_with(&world->log, &options);
    vv_fault_set_hook(world->fault, waits_hook, NULL);
    waits_main(world);
    vv_wal_free(world->log.wal);
    world->log.wal = NULL;
}

static void nobody_waits_for_ever_in_any_schedule(void **state)
{
    (void)state;
    static waits_world world;
    uint64_t hooks = 0;
    setting_seeds seeds = setting_seeds_of(WAITS_SEEDS, WAITS_SEEDS_LEAST);
    for (uint64_t seed = seeds.first; seed <= seeds.last; seed++) {
        scheduler_report report;
        const scheduler_options options = {.seed = seed, .steps_max = 200000};
        waits_prepare(&world, seed);
        world.log.next_number = seed;
        scheduler_run(&options, waits_run_main, &world, &report);
        if (report.has_failed) {
            fail_msg("VARVE_TEST_SEED=%llu\n%s", (unsigned long long)seed, report.failure);
        }
        vv_fault_free(world.fault);
        log_world_deinit(&world.log);
        hooks += report.steps;
    }
    print_message("schedules of the log: %llu hooks\n", (unsigned long long)hooks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        log_test(nobody_waits_for_ever_in_any_schedule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
