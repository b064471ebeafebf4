/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Torn end or damage: logs of known truth, changed in a known way, and the verdict that follows.
 *
 * The truth of a change: let g be the first LSN of the group that holds the first changed record.
 * If some record behind it that was not changed (or a later file's header) proves an LSN of at
 * least g to be synced, the log is damaged; else it ends, torn, before that group.
 */
#include "replay_support.h"
#include "sys/thread.h"
#include "wal/replay_priv.h"

static log_seen *seen;

/* A log to be changed, and what is known about it. */
typedef struct probe_log {
    vv_sim_image *image;
    uint64_t files;
    log_map *map;
    uint64_t header_durable[64]; /* by file number */
} probe_log;

static void probe_log_free(probe_log *log)
{
    vv_sim_image_free(log->image);
    free(log->map);
}

static uint64_t probe_group_first(const log_map *map, size_t index)
{
    while (index > 0 && (map->places[index].frame.flags & VV_FRAME_FLAG_LAST) == 0 &&
           (map->places[index - 1].frame.flags & VV_FRAME_FLAG_LAST) == 0) {
        index -= 1;
    }
    bool is_commit = map->places[index].frame.type == VV_WAL_COMMIT;
    while (is_commit && index > 0 &&
           (map->places[index - 1].frame.flags & VV_FRAME_FLAG_LAST) == 0) {
        index -= 1;
    }
    return map->places[index].frame.lsn;
}

/* Whether [offset, offset + size) of a file touches what a record's checks cover. */
static bool probe_touches(const log_place *place, uint64_t file, int64_t offset, int64_t size)
{
    int64_t end = place->offset + VV_FRAME_HEADER_BYTES + place->frame.payload_size;
    return place->file == file && offset < end && offset + size > place->offset;
}

typedef struct probe_truth {
    bool is_damage;
    bool is_changed;
    uint64_t batches; /* that a strict replay gives when it is no damage */
} probe_truth;

/* What a change of these bytes means. The durable of one record: not the suffix maximum. */
static probe_truth probe_expect(const probe_log *log, uint64_t file, int64_t offset, int64_t size,
                                const uint64_t *durables)
{
    const log_map *map = log->map;
    probe_truth truth = {0};
    size_t first = map->count;
    uint64_t proven = 0;
    for (size_t i = 0; i < map->count; ++i) {
        bool is_touched = probe_touches(&map->places[i], file, offset, size);
        if (is_touched && first == map->count) {
            first = i;
        }
        if (!is_touched && first < map->count && durables[i] > proven) {
            proven = durables[i];
        }
    }
    uint64_t group = first < map->count ? probe_group_first(map, first) : UINT64_MAX;
    for (uint64_t seq = file + 1; first < map->count && seq <= log->files; ++seq) {
        proven = log->header_durable[seq] > proven ? log->header_durable[seq] : proven;
    }
    truth.is_changed = first < map->count;
    truth.is_damage = truth.is_changed && proven >= group;
    for (size_t i = 0; i < map->count; ++i) {
        truth.batches +=
            map->places[i].frame.type == VV_WAL_ROWS && map->places[i].frame.lsn < group ? 1 : 0;
    }
    return truth;
}

/* log_map keeps suffix maxima; undo them for one record. */
static uint64_t *probe_own_durables(log_world *world, const log_map *map)
{
    uint64_t *durables = calloc(map->count + 1, sizeof *durables);
    assert_non_null(durables);
    for (size_t i = 0; i < map->count; ++i) {
        const log_place *place = &map->places[i];
        int64_t at = place->frame.type == VV_WAL_COMMIT ? 16
                     : place->frame.type == VV_WAL_SEAL ? 8
                     : place->frame.type == VV_WAL_MARK ? 0
                                                        : -1;
        if (at >= 0) {
            log_read_bytes(world, log_path(place->file), place->offset + VV_FRAME_HEADER_BYTES + at,
                           &durables[i], 8);
        }
    }
    return durables;
}

static void probe_check(log_world *world, const probe_truth *truth, const char *what)
{
    varve_error err;
    varve_status status = log_replay(world, VV_REPLAY_STRICT, seen, &err);
    bool is_right = truth->is_damage
                        ? status == VARVE_E_CORRUPT
                        : status == VARVE_OK && seen->count == truth->batches && !seen->is_bad;
    if (!is_right) {
        print_error("%s: %s, %llu batches (%s); expected %s, %llu\n", what, vv_status_name(status),
                    (unsigned long long)seen->count, status == VARVE_OK ? "" : err.message,
                    truth->is_damage ? "damage" : "no damage", (unsigned long long)truth->batches);
    }
    assert_true(is_right);
}

/* ---- every byte of a small log -------------------------------------------------------------- */

static void every_flipped_byte_is_judged_by_what_proves_it(void **state)
{
    (void)state;
    probe_log log = {0};
    log.image = log_make(25, false, &log.files, NULL, &log.map);
    log_world plain;
    log_world_init(&plain, log.image, 1);
    uint64_t *durables = probe_own_durables(&plain, log.map);
    const log_place *last = &log.map->places[log.map->count - 1];
    int64_t end = last->offset + 72;
    for (int64_t offset = 0; offset < end; ++offset) {
        if (offset > 90 && offset < VV_FRAME_FILE_HEADER_BYTES && offset % 500 != 0) {
            continue; /* zeros of the header that nothing reads */
        }
        log_world world;
        log_world_init(&world, log.image, 1);
        log_flip(&world, log_path(1), offset, (unsigned)offset % 8);
        probe_truth truth = probe_expect(&log, 1, offset, 1, durables);
        truth.is_damage = truth.is_damage || offset < 84;
        char what[64];
        snprintf(what, sizeof what, "byte %lld", (long long)offset);
        probe_check(&world, &truth, what);
        log_world_deinit(&world);
    }
    free(durables);
    log_world_deinit(&plain);
    probe_log_free(&log);
}

static void salvage_of_every_flipped_record_loses_its_group_only(void **state)
{
    (void)state;
    probe_log log = {0};
    log.image = log_make(25, false, &log.files, NULL, &log.map);
    for (size_t i = 0; i < log.map->count; ++i) {
        const log_place *place = &log.map->places[i];
        int64_t size = VV_FRAME_HEADER_BYTES + place->frame.payload_size;
        for (int64_t at = 0; at < size; at += at < 40 ? 1 : 97) {
            log_world world;
            varve_error err;
            log_world_init(&world, log.image, 1);
            log_flip(&world, log_path(1), place->offset + at, (unsigned)at % 8);
            check_ok(log_replay(&world, VV_REPLAY_SALVAGE, seen, &err), &err);
            assert_false(seen->is_bad);
            assert_int_equal(24, seen->count);
            uint64_t lost = i / 2 + 1; /* rows and COMMIT of each batch */
            for (uint64_t k = 0; k < 24; ++k) {
                assert_int_equal(k + 1 < lost ? k + 1 : k + 2, seen->numbers[k]);
            }
            log_world_deinit(&world);
        }
    }
    probe_log_free(&log);
}

static void every_truncation_is_a_torn_end_or_nothing(void **state)
{
    (void)state;
    probe_log log = {0};
    log.image = log_make(12, false, &log.files, NULL, &log.map);
    const log_place *last = &log.map->places[log.map->count - 1];
    for (int64_t size = 0; size < last->offset + 72; size += size < 4000 ? 997 : 1) {
        log_world world;
        varve_error err;
        log_world_init(&world, log.image, 1);
        log_truncate(&world, log_path(1), size);
        varve_status status = log_replay(&world, VV_REPLAY_STRICT, seen, &err);
        if (size < VV_FRAME_FILE_HEADER_BYTES) {
            check_status(VARVE_E_CORRUPT, status);
        } else {
            check_ok(status, &err);
            assert_true(log_is_prefix(seen));
            assert_true(seen->count == 0 ||
                        size >= log.map->places[2 * seen->count - 1].offset + 72 - 7);
        }
        log_world_deinit(&world);
    }
    probe_log_free(&log);
}

static void moved_and_zeroed_pages_are_never_taken_for_the_truth(void **state)
{
    (void)state;
    enum { PAGE = 512 };
    probe_log log = {0};
    log.image = log_make(60, false, &log.files, NULL, &log.map);
    log_world plain;
    log_world_init(&plain, log.image, 1);
    uint64_t *durables = probe_own_durables(&plain, log.map);
    const log_place *last = &log.map->places[log.map->count - 1];
    int64_t pages = (last->offset + 72) / PAGE;
    vv_random random;
    vv_random_init(&random, 77);
    for (int64_t page = VV_FRAME_FILE_HEADER_BYTES / PAGE; page < pages; ++page) {
        for (int kind = 0; kind < 3; ++kind) {
            log_world world;
            varve_error err;
            uint8_t one[PAGE] = {0};
            uint8_t other[PAGE] = {0};
            int64_t from = vv_random_between(&random, VV_FRAME_FILE_HEADER_BYTES / PAGE, pages - 1);
            log_world_init(&world, log.image, 1);
            if (kind > 0) {
                log_read_bytes(&world, log_path(1), from * PAGE, other, PAGE);
            }
            log_read_bytes(&world, log_path(1), page * PAGE, one, PAGE);
            log_patch(&world, log_path(1), page * PAGE, other, PAGE);
            if (kind == 2) {
                log_patch(&world, log_path(1), from * PAGE, one, PAGE);
            }
            bool is_same = memcmp(one, other, PAGE) == 0;
            int64_t first = kind == 2 && from < page ? from : page;
            probe_truth truth = probe_expect(&log, 1, first * PAGE, PAGE, durables);
            varve_status status = log_replay(&world, VV_REPLAY_STRICT, seen, &err);
            assert_false(seen->is_bad);
            assert_true(status == VARVE_OK || status == VARVE_E_CORRUPT);
            if (is_same) {
                check_ok(status, &err);
            } else if (kind < 2 && truth.is_damage) {
                check_status(VARVE_E_CORRUPT, status);
            } else if (status == VARVE_OK) {
                assert_true(log_is_prefix(seen));
            }
            check_ok(log_replay(&world, VV_REPLAY_SALVAGE, seen, &err), &err);
            assert_false(seen->is_bad);
            log_world_deinit(&world);
        }
    }
    free(durables);
    log_world_deinit(&plain);
    probe_log_free(&log);
}

/* ---- generated logs ------------------------------------------------------------------------- */

/* A log of random groups, levels and marks, in one or several files. */
static void probe_generate(probe_log *log, uint64_t seed)
{
    log_world world;
    vv_random random;
    *log = (probe_log){0};
    vv_random_init(&random, seed);
    log_world_init(&world, NULL, seed);
    log_open(&world);
    uint64_t batches = 3 + vv_random_below(&random, seed % 5 == 0 ? 250 : 40);
    for (uint64_t i = 0; i < batches; ++i) {
        static const uint32_t syncs[] = {VARVE_SYNC_GROUP, VARVE_SYNC_NONE, VARVE_SYNC_INTERVAL,
                                         VARVE_SYNC_BUFFERED, VARVE_SYNC_BUFFERED};
        uint32_t sync = syncs[vv_random_below(&random, seed % 3 == 0 ? 1 : 5)];
        (void)log_write(&world, sync);
        if (vv_random_below(&random, 10) == 0) {
            manual_clock_advance(&world.clock,
                                 (int64_t)vv_random_below(&random, 500) * VV_NS_PER_MS);
            vv_wal_service(world.wal);
        }
    }
    vv_wal_stats stats;
    (void)log_write(&world, VARVE_SYNC_NONE); /* the buffer is in the file */
    vv_wal_get_stats(world.wal, &stats);
    log->files = stats.rotations + 1;
    log_free(&world);
    log->map = log_map_new(&world, log->files);
    for (uint64_t seq = 1; seq <= log->files; ++seq) {
        log_read_bytes(&world, log_path(seq), 72, &log->header_durable[seq], 8);
    }
    log->image = log_image(&world, VV_SIM_CUT_ALL);
    log_world_deinit(&world);
}

static void generated_logs_get_the_verdict_that_is_true(void **state)
{
    (void)state;
    uint64_t cases = 0;
    uint64_t damaged = 0;
    for (uint64_t seed = 1; seed <= 60; ++seed) {
        probe_log log;
        probe_generate(&log, seed);
        log_world plain;
        log_world_init(&plain, log.image, 1);
        uint64_t *durables = probe_own_durables(&plain, log.map);
        vv_random random;
        vv_random_init(&random, seed * 1000);
        for (int change = 0; change < 10; ++change) {
            const log_place *place = &log.map->places[vv_random_below(&random, log.map->count)];
            int64_t size = change % 2 == 0 ? 1 : vv_random_between(&random, 1, 600);
            int64_t offset = place->offset + vv_random_between(&random, 0, 40);
            log_world world;
            log_world_init(&world, log.image, 1);
            int64_t left = log_file_size(&world, log_path(place->file)) - offset;
            size = size < left ? size : left;
            uint8_t bytes[600];
            if (size == 1) {
                log_flip(&world, log_path(place->file), offset, (unsigned)change % 8);
            } else {
                vv_random_fill(&random, bytes, sizeof bytes);
                if (change % 4 == 1) {
                    memset(bytes, 0, sizeof bytes);
                }
                log_patch(&world, log_path(place->file), offset, bytes, (size_t)size);
            }
            probe_truth truth = probe_expect(&log, place->file, offset, size, durables);
            /* A zeroed range may hold zeros already: then nothing was changed. */
            bool is_certain = size == 1 || change % 4 != 1;
            char what[96];
            snprintf(what, sizeof what, "seed %llu change %d file %llu at %lld + %lld",
                     (unsigned long long)seed, change, (unsigned long long)place->file,
                     (long long)offset, (long long)size);
            if (is_certain) {
                probe_check(&world, &truth, what);
                damaged += truth.is_damage ? 1 : 0;
            } else {
                varve_error err;
                varve_status status = log_replay(&world, VV_REPLAY_STRICT, seen, &err);
                assert_true(status == VARVE_E_CORRUPT || (status == VARVE_OK && !seen->is_bad));
            }
            cases += 1;
            log_world_deinit(&world);
        }
        free(durables);
        log_world_deinit(&plain);
        probe_log_free(&log);
    }
    print_message("%llu cases, %llu of them damage\n", (unsigned long long)cases,
                  (unsigned long long)damaged);
    assert_true(damaged > cases / 5 && damaged < cases * 4 / 5);
}

static void the_header_of_a_later_file_is_evidence_too(void **state)
{
    (void)state;
    for (int has_next = 0; has_next < 2; ++has_next) {
        log_world world;
        varve_error err;
        log_world_init(&world, NULL, 1);
        log_open(&world);
        for (int i = 0; i < 5; ++i) {
            (void)log_write(&world, VARVE_SYNC_GROUP);
        }
        if (has_next == 1) { /* made ahead of need: it knows what was synced then */
            check_ok(vv_wal_reserve(world.wal, 100000, 1, 0, &err), &err);
            vv_wal_unreserve(world.wal, 100000, 1);
        }
        log_free(&world);
        log_map *map = log_map_new(&world, 1);
        log_flip(&world, log_path(1), map->places[8].offset + 40, 1);
        check_status(has_next == 1 ? VARVE_E_CORRUPT : VARVE_OK,
                     log_replay(&world, VV_REPLAY_STRICT, seen, &err));
        assert_int_equal(4, seen->count);
        free(map);
        log_world_deinit(&world);
    }
}

static void a_torn_end_before_a_file_that_cannot_be_read_is_damage(void **state)
{
    (void)state;
    for (int is_bad = 0; is_bad < 2; ++is_bad) {
        log_world world;
        varve_error err;
        log_world_init(&world, NULL, 1);
        log_open(&world);
        check_ok(vv_wal_reserve(world.wal, 100000, 1, 0, &err), &err);
        vv_wal_unreserve(world.wal, 100000, 1);
        (void)log_write(&world, VARVE_SYNC_GROUP);
        (void)log_write(&world, VARVE_SYNC_GROUP);
        log_free(&world);
        log_map *map = log_map_new(&world, 1);
        log_flip(&world, log_path(1), map->places[2].offset + 40, 1);
        if (is_bad == 1) {
            log_flip(&world, log_path(2), 60, 1); /* its salt: who knows what was in it */
        }
        check_status(is_bad == 1 ? VARVE_E_CORRUPT : VARVE_OK,
                     log_replay(&world, VV_REPLAY_STRICT, seen, &err));
        free(map);
        log_world_deinit(&world);
    }
}

/* ---- beside a writer ------------------------------------------------------------------------ */

static void a_follower_sees_every_complete_group(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    for (uint64_t i = 1; i <= 400; ++i) {
        (void)log_write(&world, i % 3 == 0 ? VARVE_SYNC_GROUP : VARVE_SYNC_NONE);
        if (i % 20 == 0) {
            check_ok(log_replay(&world, VV_REPLAY_FOLLOW, seen, &err), &err);
            assert_int_equal(i, seen->count);
            assert_true(log_is_prefix(seen));
        }
    }
    uint64_t lsn;
    uint64_t sequence;
    vv_wal_position(world.wal, &lsn, &sequence);
    check_ok(vv_wal_sync(world.wal, lsn, &err), &err);
    vv_wal_release(world.wal, lsn);
    check_status(VARVE_E_NOT_FOUND, log_replay(&world, VV_REPLAY_FOLLOW, seen, &err));
    log_world_deinit(&world);
}

static void a_follower_takes_no_torn_group_and_writes_nothing(void **state)
{
    (void)state;
    uint64_t files;
    log_map *map;
    vv_sim_image *image = log_make(10, false, &files, NULL, &map);
    log_world world;
    varve_error err;
    log_world_init(&world, image, 1);
    log_flip(&world, log_path(1), map->places[map->count - 1].offset + 40, 1);
    vv_sim_lacks lacks = {.is_readonly = true};
    vv_sim_set_lacks(world.sim, &lacks);
    check_ok(log_replay(&world, VV_REPLAY_FOLLOW, seen, &err), &err);
    assert_int_equal(9, seen->count);
    assert_int_equal(VV_END_CLEAN, seen->result.end);
    /* Bad in the middle, and it stays bad. */
    lacks.is_readonly = false;
    vv_sim_set_lacks(world.sim, &lacks);
    log_flip(&world, log_path(1), map->places[6].offset + 40, 1);
    check_status(VARVE_E_CORRUPT, log_replay(&world, VV_REPLAY_FOLLOW, seen, &err));
    check_ok(log_replay(&world, VV_REPLAY_INTACT, seen, &err), &err);
    assert_int_equal(3, seen->count);
    assert_int_equal(VV_END_DAMAGED, seen->result.end);
    check_status(VARVE_E_CORRUPT, seen->result.damage.status);
    log_world_deinit(&world);
    vv_sim_image_free(image);
    free(map);
}

/* A file system whose reads are wrong a few times: a writer in the middle of a write. */
static void a_follower_reads_again_what_fails_once(void **state)
{
    (void)state;
    uint64_t files;
    log_map *map;
    vv_sim_image *image = log_make(10, false, &files, NULL, &map);
    for (uint64_t wrong = 1; wrong <= 12; ++wrong) {
        log_world world;
        varve_error err;
        log_world_init(&world, image, 1);
        vv_fault *fault = log_add_faults(&world);
        vv_fault_rule rule = {.ops = VV_VFS_OP_BIT(VV_VFS_OP_READ),
                              .first_call = 1,
                              .call_count = wrong,
                              .kind = VV_FAULT_FLIP,
                              /* rows, and the COMMIT of a group whose rows were read */
                              .flip_bit = (uint64_t)(map->places[4 + wrong % 2].offset + 40) * 8};
        size_t number = vv_fault_add(fault, &rule);
        varve_status status = log_replay(&world, VV_REPLAY_FOLLOW, seen, &err);
        assert_true(status == VARVE_OK || status == VARVE_E_CORRUPT);
        if (status == VARVE_OK) {
            assert_int_equal(10, seen->count);
            assert_true(log_is_prefix(seen));
        }
        /* Each look takes two reads of the file: the walk's and the search's. */
        assert_true(wrong > 5 || status == VARVE_OK);
        assert_true(vv_fault_fired(fault, number) > 0);
        log_world_deinit(&world);
    }
    vv_sim_image_free(image);
    free(map);
}

/* Each place has its own attempts: two files whose headers come late, at the same offset. */
static void a_follower_counts_attempts_for_each_place(void **state)
{
    (void)state;
    uint64_t files;
    vv_sim_image *image = log_make(200, false, &files, NULL, NULL);
    assert_true(files >= 2);
    log_world world;
    varve_error err;
    log_world_init(&world, image, 1);
    vv_fault *fault = log_add_faults(&world);
    char paths[2][32] = {"00000000000000000001.vwl", "00000000000000000002.vwl"};
    size_t numbers[2];
    for (size_t i = 0; i < 2; ++i) {
        /* The first file is also read at each search of the second, the second when the log is
         * looked over before the walk. */
        vv_fault_rule rule = {.ops = VV_VFS_OP_BIT(VV_VFS_OP_READ),
                              .path_part = paths[i],
                              .first_call = i == 0 ? 1 : 2,
                              .call_count = 2 * VV_REPLAY_RETRIES_MAX - 2,
                              .kind = VV_FAULT_FLIP,
                              .flip_bit = 50 * 8};
        numbers[i] = vv_fault_add(fault, &rule);
    }
    check_ok(log_replay(&world, VV_REPLAY_FOLLOW, seen, &err), &err);
    assert_int_equal(200, seen->count);
    assert_true(log_is_prefix(seen));
    for (size_t i = 0; i < 2; ++i) {
        assert_int_equal(2 * VV_REPLAY_RETRIES_MAX - 2, vv_fault_fired(fault, numbers[i]));
    }
    log_world_deinit(&world);
    vv_sim_image_free(image);
}

/* Writes until it is told to stop. */
typedef struct probe_writer {
    log_world *world;
    vv_thread thread;
    atomic_bool is_stopping;
} probe_writer;

static void probe_write_main(void *context)
{
    probe_writer *writer = context;
    uint64_t i = 0;
    while (!atomic_load(&writer->is_stopping) && i < 3000) {
        (void)log_write(writer->world, i % 5 == 0 ? VARVE_SYNC_GROUP : VARVE_SYNC_NONE);
        i += 1;
    }
}

static void a_follower_beside_a_busy_writer_sees_growing_prefixes(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    world.env.clock = vv_clock_system();
    vv_wal_options options = log_options();
    options.has_threads = true;
    log_open_with(&world, &options);
    probe_writer writer = {.world = &world};
    check_ok(vv_thread_start(&writer.thread, "writer", probe_write_main, &writer, &err), &err);
    uint64_t count = 0;
    vv_replay_options replay = log_replay_options(VV_REPLAY_FOLLOW);
    log_world reader = {.env = world.env};
    vv_alloc_init(&reader.alloc, NULL);
    reader.env.alloc = &reader.alloc;
    for (int i = 0; i < 30; ++i) {
        varve_status status = log_replay_with(&reader, &replay, seen, &err);
        check_ok(status, &err);
        assert_true(log_is_prefix(seen) && seen->count >= count);
        count = seen->count;
    }
    atomic_store(&writer.is_stopping, true);
    vv_thread_join(&writer.thread);
    assert_int_equal(0, vv_alloc_bytes(&reader.alloc));
    log_world_deinit(&world);
}

static int probe_setup(void **state)
{
    (void)state;
    seen = log_seen_new();
    return 0;
}

static int probe_teardown(void **state)
{
    (void)state;
    free(seen);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        log_test(every_flipped_byte_is_judged_by_what_proves_it),
        log_test(salvage_of_every_flipped_record_loses_its_group_only),
        log_test(every_truncation_is_a_torn_end_or_nothing),
        log_test(moved_and_zeroed_pages_are_never_taken_for_the_truth),
        log_test(generated_logs_get_the_verdict_that_is_true),
        log_test(the_header_of_a_later_file_is_evidence_too),
        log_test(a_torn_end_before_a_file_that_cannot_be_read_is_damage),
        log_test(a_follower_sees_every_complete_group),
        log_test(a_follower_takes_no_torn_group_and_writes_nothing),
        log_test(a_follower_reads_again_what_fails_once),
        log_test(a_follower_counts_attempts_for_each_place),
        log_test(a_follower_beside_a_busy_writer_sees_growing_prefixes),
    };
    return cmocka_run_group_tests(tests, probe_setup, probe_teardown);
}
