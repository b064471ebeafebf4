/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Torn end or damage: generated logs with damage whose truth is known. A log of random groups,
 * synced or not, in one file or several, is damaged in one place: a bit flipped, bytes zeroed or
 * replaced, a file cut short, a header broken. From the map of its records follows what must be
 * answered:
 *
 *     cut    first LSN of the group in which the first damaged record lies
 *     D      what the manifest, the whole records behind it and later headers prove to be synced
 *     D >= cut: damage, told; else: the groups before it, no more and no fewer
 *
 * VARVE_TEST_PERCENT: 100 is 10,000 damaged logs; VARVE_TEST_SEED runs the logs of one seed.
 */
#include "replay_support.h"
#include "support/setting.h"
#include "wal/wal_priv.h"

enum { VERDICT_LOGS = 500, VERDICT_DAMAGES = 20 };

typedef enum verdict_damage {
    VERDICT_FLIP,
    VERDICT_ZERO,
    VERDICT_GARBAGE,
    VERDICT_CUT,
    VERDICT_HEADER,
    VERDICT_KINDS
} verdict_damage;

/* One generated log. */
typedef struct verdict_log {
    vv_random random;
    vv_sim_image *image;
    log_map *map;
    uint64_t files;
    uint64_t durable;                    /* in the end */
    uint64_t headers[LOG_BATCHES_MAX];   /* durable LSN in the header of file i + 1 */
    uint64_t damaged[VERDICT_KINDS + 2]; /* verdicts of each kind; then damage, torn */
} verdict_log;

static log_seen *seen;

/* ---- making --------------------------------------------------------------------------------- */

static void verdict_write(log_world *world, vv_random *random)
{
    uint64_t batches = 1 + vv_random_below(random, 3);
    uint32_t sync = vv_random_below(random, 3) == 0 ? VARVE_SYNC_NONE : VARVE_SYNC_GROUP;
    vv_wal_ticket ticket = {0};
    for (uint64_t i = 0; i < batches; ++i) {
        ticket = log_put(world, sync);
    }
    (void)log_wait(world, ticket);
    if (vv_random_below(random, 6) == 0) { /* idle: a MARK */
        manual_clock_advance(&world->clock, INT64_C(1000000000));
        vv_wal_service(world->wal);
    }
}

static void verdict_read_headers(verdict_log *log, log_world *world)
{
    for (uint64_t seq = 1; seq <= log->files; ++seq) {
        uint8_t bytes[VV_FRAME_FILE_HEADER_BYTES];
        vv_frame_file header;
        varve_error err;
        log_read_bytes(world, log_path(seq), 0, bytes, sizeof bytes);
        check_ok(
            vv_frame_file_decode(VV_FRAME_LOG, vv_bytes_make(bytes, sizeof bytes), &header, &err),
            &err);
        log->headers[seq - 1] = header.durable;
    }
}

static void verdict_make(verdict_log *log, uint64_t seed)
{
    log_world world;
    vv_wal_stats stats;
    vv_random_init(&log->random, seed);
    log_world_init(&world, NULL, seed);
    log_open(&world);
    uint64_t groups = 2 + vv_random_below(&log->random, seed % 5 == 0 ? 120 : 20);
    for (uint64_t i = 0; i < groups; ++i) {
        verdict_write(&world, &log->random);
    }
    vv_wal_get_stats(world.wal, &stats);
    log->files = stats.rotations + 1;
    log->durable = vv_wal_durable_lsn(world.wal);
    log_free(&world);
    log->map = log_map_new(&world, log->files);
    verdict_read_headers(log, &world);
    log->image = log_image(&world, VV_SIM_CUT_ALL);
    log_world_deinit(&world);
}

/* ---- damage --------------------------------------------------------------------------------- */

/* What was done, as far as the truth depends on it. */
typedef struct verdict_place {
    uint64_t file;
    int64_t begin, end; /* bytes that changed */
    bool is_header;
} verdict_place;

static int64_t verdict_record_end(const log_place *place)
{
    return place->offset + VV_FRAME_HEADER_BYTES + (int64_t)place->frame.payload_size;
}

static void verdict_fill(log_world *world, verdict_log *log, const verdict_place *at, bool is_zero)
{
    uint8_t bytes[2048] = {0};
    size_t size = (size_t)(at->end - at->begin);
    assert_true(size <= sizeof bytes);
    if (!is_zero) {
        vv_random_fill(&log->random, bytes, size);
        bytes[0] |= 1; /* not what was there: see verdict_do */
    }
    log_patch(world, log_path(at->file), at->begin, bytes, size);
}

/* Damages the world; every byte of [begin, end) may differ, and the first one does. */
static verdict_place verdict_do(verdict_log *log, log_world *world, verdict_damage kind)
{
    const log_place *record = &log->map->places[vv_random_below(&log->random, log->map->count)];
    int64_t size = verdict_record_end(record) - record->offset;
    verdict_place at = {.file = record->file, .begin = record->offset};
    at.begin += (int64_t)vv_random_below(&log->random, (uint64_t)size);
    at.end = at.begin + 1;
    switch (kind) {
    case VERDICT_FLIP:
        log_flip(world, log_path(at.file), at.begin, (unsigned)vv_random_below(&log->random, 8));
        break;
    case VERDICT_ZERO:
    case VERDICT_GARBAGE: /* from the sync word on, so that this record is hit for certain */
        at.begin = record->offset;
        at.end = at.begin + 4 + (int64_t)vv_random_below(&log->random, 1500);
        size = log_file_size(world, log_path(at.file));
        at.end = at.end < size ? at.end : size;
        verdict_fill(world, log, &at, kind == VERDICT_ZERO);
        break;
    case VERDICT_CUT:
        log_truncate(world, log_path(at.file), at.begin);
        at.end = INT64_MAX;
        break;
    case VERDICT_HEADER:
        at.is_header = true;
        at.begin = (int64_t)vv_random_below(&log->random, 84);
        log_flip(world, log_path(at.file), at.begin, 2);
        break;
    case VERDICT_KINDS:
        break;
    }
    return at;
}

/* ---- the truth ------------------------------------------------------------------------------ */

typedef struct verdict_truth {
    bool is_damage;
    uint64_t batches; /* that are seen when it is a torn end */
} verdict_truth;

static bool verdict_is_hit(const verdict_place *at, const log_place *record)
{
    return !at->is_header && record->file == at->file && record->offset < at->end &&
           verdict_record_end(record) > at->begin;
}

/* Index of the first record of the group that holds record `index`. */
static size_t verdict_group_of(const log_map *map, size_t index)
{
    uint8_t type = map->places[index].frame.type;
    if (type == VV_WAL_MARK || type == VV_WAL_SEAL) {
        return index;
    }
    while (index > 0 && map->places[index - 1].frame.type != VV_WAL_COMMIT &&
           map->places[index - 1].frame.type != VV_WAL_MARK &&
           map->places[index - 1].frame.type != VV_WAL_SEAL) {
        --index;
    }
    return index;
}

static verdict_truth verdict_of(const verdict_log *log, const verdict_place *at, uint64_t known)
{
    const log_map *map = log->map;
    verdict_truth truth = {0};
    size_t first = 0;
    while (first < map->count && !verdict_is_hit(at, &map->places[first])) {
        ++first;
    }
    if (at->is_header) {
        truth.is_damage = true;
        return truth;
    }
    size_t group = verdict_group_of(map, first);
    uint64_t cut = map->places[group].frame.lsn;
    uint64_t durable = known;
    for (size_t i = first; i < map->count; ++i) {
        /* Hit records are neighbours: what the map adds to a whole one is of whole ones. */
        bool is_proof = !verdict_is_hit(at, &map->places[i]) && map->places[i].durable > durable;
        durable = is_proof ? map->places[i].durable : durable;
    }
    for (uint64_t seq = map->places[first].file + 1; seq <= log->files; ++seq) {
        durable = log->headers[seq - 1] > durable ? log->headers[seq - 1] : durable;
    }
    truth.is_damage = durable >= cut;
    for (size_t i = 0; i < group; ++i) {
        truth.batches += map->places[i].frame.type == VV_WAL_ROWS;
    }
    return truth;
}

/* ---- comparing ------------------------------------------------------------------------------ */

static void verdict_try(verdict_log *log, uint64_t seed, verdict_damage kind)
{
    log_world world;
    varve_error err;
    log_world_init(&world, log->image, seed);
    verdict_place at = verdict_do(log, &world, kind);
    vv_replay_options options = log_replay_options(VV_REPLAY_STRICT);
    uint64_t known[] = {0, log->durable / 2, log->durable};
    options.durable_lsn = known[vv_random_below(&log->random, 3)];
    verdict_truth truth = verdict_of(log, &at, options.durable_lsn);
    varve_status status = log_replay_with(&world, &options, seen, &err);
    bool is_right = truth.is_damage
                        ? status == VARVE_E_CORRUPT
                        : status == VARVE_OK && seen->count == truth.batches && log_is_prefix(seen);
    if (!is_right || seen->is_bad) {
        fail_msg("VARVE_TEST_SEED=%llu, damage of kind %d at %lld of file %llu: status %d, %llu "
                 "batches; the truth is %s, %llu batches",
                 (unsigned long long)seed, (int)kind, (long long)at.begin,
                 (unsigned long long)at.file, (int)status, (unsigned long long)seen->count,
                 truth.is_damage ? "damage" : "a torn end", (unsigned long long)truth.batches);
    }
    log->damaged[kind] += 1;
    log->damaged[VERDICT_KINDS + (truth.is_damage ? 0 : 1)] += 1;
    log_world_deinit(&world);
}

static void torn_ends_and_damage_are_told_apart(void **state)
{
    (void)state;
    static verdict_log log;
    setting_seeds seeds = setting_seeds_of(VERDICT_LOGS, 20);
    uint64_t sums[VERDICT_KINDS + 2] = {0};
    for (uint64_t seed = seeds.first; seed <= seeds.last; ++seed) {
        memset(&log, 0, sizeof log);
        verdict_make(&log, seed);
        for (int i = 0; i < VERDICT_DAMAGES; ++i) {
            verdict_try(&log, seed, (verdict_damage)(i % VERDICT_KINDS));
        }
        for (size_t i = 0; i < VERDICT_KINDS + 2; ++i) {
            sums[i] += log.damaged[i];
        }
        vv_sim_image_free(log.image);
        free(log.map);
    }
    print_message("damaged logs: %llu, of them damage %llu, torn ends %llu\n",
                  (unsigned long long)(sums[VERDICT_KINDS] + sums[VERDICT_KINDS + 1]),
                  (unsigned long long)sums[VERDICT_KINDS],
                  (unsigned long long)sums[VERDICT_KINDS + 1]);
    assert_true(seeds.first == seeds.last ||
                (sums[VERDICT_KINDS] > 0 && sums[VERDICT_KINDS + 1] > 0));
}

int main(void)
{
    seen = log_seen_new();
    const struct CMUnitTest tests[] = {log_test(torn_ends_and_damage_are_told_apart)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(seen);
    return failed;
}
