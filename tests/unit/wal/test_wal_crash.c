/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power cuts at every call of a scripted workload of the log alone, in every image the simulation
 * knows: what was answered DURABLE is there, what is there is a prefix of what was written, an
 * ordinary cut never needs an operator, and recovery that is cut as well ends the same.
 */
#include "log_support.h"

#define POINTS_MAX 1200

/* A moment of the workload, and what had been promised by then. */
typedef struct crash_point {
    vv_sim_point *point;
    uint64_t durable; /* batches answered DURABLE */
    uint64_t issued;  /* batches handed over */
} crash_point;

typedef struct crash_run {
    log_world world;
    crash_point points[POINTS_MAX];
    size_t count;
    uint64_t durable;
    uint64_t issued;
    uint64_t last_hash;
    uint64_t states;
    uint64_t violations;
    uint64_t image_step; /* of a point's images every n-th is tried */
} crash_run;

static log_seen *seen;

static void crash_hook(void *context, uint64_t call, vv_vfs_op op, const char *path,
                       vv_sync_site site)
{
    crash_run *run = context;
    (void)call;
    (void)op;
    (void)path;
    (void)site;
    vv_sim_point *point = vv_sim_capture(run->world.sim);
    uint64_t hash = vv_sim_point_hash(point);
    bool is_news = run->count == 0 || hash != run->last_hash ||
                   run->durable != run->points[run->count - 1].durable;
    if (!is_news) {
        vv_sim_point_free(point);
        return;
    }
    assert_true(run->count < POINTS_MAX);
    run->last_hash = hash;
    run->points[run->count++] =
        (crash_point){.point = point, .durable = run->durable, .issued = run->issued};
}

/* Every sixth batch is large, so that files are filled. */
static vv_wal_ticket crash_put(crash_run *run, uint32_t sync)
{
    varve_error err;
    vv_wal_ticket ticket;
    uint64_t number = run->world.next_number;
    size_t size = number % 6 == 5 ? 9000 + (size_t)number * 10 : log_size_of(number);
    run->issued += 1;
    run->world.next_number += 1;
    check_ok(log_try_put_sized(&run->world, number, size, 3, sync, &ticket, &err), &err);
    return ticket;
}

static void crash_write(crash_run *run, uint32_t sync)
{
    uint32_t ack = log_wait(&run->world, crash_put(run, sync));
    if (ack == VARVE_ACK_DURABLE) {
        run->durable = run->issued;
    }
}

/* The workload: every level, groups of several batches, marks, two or three rotations, a seal. */
static void crash_workload(crash_run *run)
{
    varve_error err;
    vv_wal_options options = log_options();
    log_open_with(&run->world, &options);
    static const uint32_t syncs[] = {VARVE_SYNC_GROUP,    VARVE_SYNC_NONE,  VARVE_SYNC_BUFFERED,
                                     VARVE_SYNC_INTERVAL, VARVE_SYNC_GROUP, VARVE_SYNC_BUFFERED,
                                     VARVE_SYNC_NONE,     VARVE_SYNC_ALWAYS};
    for (unsigned i = 0; i < 96; ++i) {
        uint32_t sync = syncs[i % 8];
        if (i % 11 == 10) { /* nobody waits */
            (void)crash_put(run, sync);
        } else {
            crash_write(run, sync);
        }
        manual_clock_advance(&run->world.clock, (i % 9 == 0 ? 250 : 20) * VV_NS_PER_MS);
        vv_wal_service(run->world.wal);
        if (i % 16 == 9) {
            uint64_t lsn;
            uint64_t sequence;
            vv_wal_position(run->world.wal, &lsn, &sequence);
            check_ok(vv_wal_sync(run->world.wal, lsn, &err), &err);
            run->durable = run->issued;
        }
    }
    check_ok(vv_wal_seal(run->world.wal, 0, &err), &err);
    assert_true(vv_sim_site_calls(run->world.sim, VV_SITE_WAL_SEAL) >= 3);
    run->durable = run->issued;
    crash_hook(run, 0, VV_VFS_OP_WRITE, "", VV_SYNC_SITE_COUNT);
}

/* Replays, begins a log of its own as a recovery does, writes, is cut again, replays again. */
static bool crash_image_is_right(const vv_sim_image *image, const crash_point *point)
{
    log_world world;
    varve_error err;
    log_world_init(&world, image, 99);
    varve_status status = log_replay(&world, VV_REPLAY_STRICT, seen, &err);
    /* Before the first file has its name there is no log, and nothing was promised. */
    bool is_right = status == VARVE_OK && log_is_prefix(seen) && seen->count >= point->durable &&
                    seen->count <= point->issued;
    uint64_t count = seen->count;
    if (is_right) {
        vv_replay_result first = seen->result;
        vv_wal_options options = log_options();
        options.file_seq = first.last_file_seq + 1;
        options.first_lsn = first.last_lsn + 1;
        options.first_sequence = first.last_sequence + 1;
        world.next_number = 1;
        log_open_with(&world, &options);
        /* Not adopted yet: the old log says the same. */
        status = log_replay(&world, VV_REPLAY_STRICT, seen, &err);
        is_right =
            status == VARVE_OK && seen->count == count && seen->result.last_lsn == first.last_lsn;
        (void)log_write(&world, VARVE_SYNC_GROUP);
        (void)log_write(&world, VARVE_SYNC_GROUP);
        vv_sim_point *again = vv_sim_capture(world.sim);
        vv_sim_cut cut = {.model = VV_SIM_CUT_NONE};
        vv_sim_image *after = vv_sim_power_cut(again, &cut);
        log_world second;
        log_world_init(&second, after, 98);
        vv_replay_options replay = log_replay_options(VV_REPLAY_STRICT);
        replay.log_start = options.file_seq;
        replay.flush_lsn = first.last_lsn;
        replay.durable_lsn = first.last_lsn;
        status = log_replay_with(&second, &replay, seen, &err);
        is_right = is_right && status == VARVE_OK && seen->count == 2 && log_is_prefix(seen);
        log_world_deinit(&second);
        vv_sim_image_free(after);
        vv_sim_point_free(again);
    }
    log_world_deinit(&world);
    return is_right;
}

static void crash_check_point(crash_run *run, const crash_point *point, uint64_t *hashes)
{
    size_t images = vv_sim_image_count(point->point);
    for (size_t i = 0; i < images; i += i < 4 ? 1 : run->image_step) {
        vv_sim_image *image = vv_sim_image_make(point->point, i, 5);
        if (image == NULL) {
            continue;
        }
        uint64_t hash = vv_sim_image_hash(image) ^ point->durable << 32;
        bool is_known = hashes[hash % 65536] == hash;
        hashes[hash % 65536] = hash;
        if (!is_known) {
            run->states += 1;
            if (!crash_image_is_right(image, point)) {
                run->violations += 1;
            }
        }
        vv_sim_image_free(image);
    }
}

static crash_run *crash_run_new(uint64_t image_step, vv_sync_site ignored)
{
    crash_run *run = calloc(1, sizeof *run);
    uint64_t *hashes = calloc(65536, sizeof *hashes);
    assert_true(run != NULL && hashes != NULL);
    run->image_step = image_step;
    log_world_init(&run->world, NULL, 4);
    if (ignored < VV_SYNC_SITE_COUNT) {
        vv_sim_ignore_site(run->world.sim, ignored, true);
    }
    vv_sim_set_hook(run->world.sim, crash_hook, run);
    crash_workload(run);
    vv_sim_set_hook(run->world.sim, NULL, NULL);
    /* Later points first, so that a promise that is broken is found soon. */
    for (size_t i = run->count; i > 0; --i) {
        if (ignored == VV_SYNC_SITE_COUNT || run->violations == 0) {
            crash_check_point(run, &run->points[i - 1], hashes);
        }
        vv_sim_point_free(run->points[i - 1].point);
    }
    free(hashes);
    log_world_deinit(&run->world);
    return run;
}

static void a_cut_at_any_call_keeps_every_promise(void **state)
{
    (void)state;
    crash_run *run = crash_run_new(3, VV_SYNC_SITE_COUNT);
    print_message("crash states: %llu at %llu points\n", (unsigned long long)run->states,
                  (unsigned long long)run->count);
    assert_int_equal(0, run->violations);
    assert_true(run->states > 1000);
    free(run);
}

static void every_sync_of_the_log_is_needed(void **state)
{
    (void)state;
    static const vv_sync_site sites[] = {VV_SITE_WAL_GROUP, VV_SITE_WAL_MARK, VV_SITE_WAL_SEAL,
                                         VV_SITE_WAL_FILE_CREATE, VV_SITE_WAL_DIR};
    for (size_t i = 0; i < VV_ARRAY_COUNT(sites); ++i) {
        crash_run *run = crash_run_new(9, sites[i]);
        if (run->violations == 0) {
            print_error("%s: nothing was lost without it in %llu states\n",
                        vv_sync_site_get(sites[i])->name, (unsigned long long)run->states);
        }
        assert_true(run->violations > 0);
        free(run);
    }
}

static int crash_setup(void **state)
{
    (void)state;
    seen = log_seen_new();
    return 0;
}

static int crash_teardown(void **state)
{
    (void)state;
    free(seen);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        log_test(a_cut_at_any_call_keeps_every_promise),
        log_test(every_sync_of_the_log_is_needed),
    };
    return cmocka_run_group_tests(tests, crash_setup, crash_teardown);
}
