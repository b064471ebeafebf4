/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every image of every moment of a run, and every image of every moment of recoveries.
 *
 *   moment --images--> image --crash_examine--> outcome --judged by--> what was promised then
 *                        |
 *                        `-- its recovery --moments--> images --> the same contents again (P10)
 *
 * A state is a distinct (call, image). Neighbouring moments have most of their images in common,
 * and a recovery depends on nothing but the image: each image is examined once, and its outcome is
 * kept and judged for every moment that may leave it. E1: the table of outcomes holds one entry for
 * each distinct image; E2: everything that an outcome depends on is in its key.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "support/crash_priv.h"

enum { ENUM_RECOVERY_POINTS = 2000, ENUM_HANG_S = 120 };

typedef struct enum_seen {
    uint64_t *hashes;
    size_t count, capacity;
} enum_seen;

typedef struct enum_table {
    crash_outcome *slots; /* open addressing by key */
    size_t count, capacity;
} enum_table;

typedef struct enum_run {
    const crash_script *script;
    const crash_limits *limits;
    crash_report *report;
    uint64_t begin; /* states of the report before this run */
    enum_table outcomes;
    enum_seen states;
    enum_seen recovered; /* images whose recovery was cut */
} enum_run;

/* One image on its way: where it comes from. */
typedef struct enum_case {
    enum_run *run;
    const crash_moment *moment;
    crash_subject subject;
    char place[200];
} enum_case;

static void crash_enum_failed(const enum_case *c, const char *what, const char *detail)
{
    crash_report *report = c->run->report;
    if (report->failures++ == 0) {
        snprintf(report->first_failure, sizeof report->first_failure,
                 "workload %s, seed %llu, %scall %llu, %s: %s %s", c->run->script->workload->name,
                 (unsigned long long)c->run->script->workload->seed, c->run->script->label,
                 (unsigned long long)c->moment->call, c->place, what, detail);
    }
}

/* ---- what was seen -------------------------------------------------------------------------- */

static bool crash_enum_is_new(enum_seen *seen, uint64_t hash)
{
    if (seen->count * 2 >= seen->capacity) {
        enum_seen grown = {.capacity = seen->capacity == 0 ? 4096 : seen->capacity * 2};
        grown.hashes = calloc(grown.capacity, sizeof *grown.hashes);
        if (grown.hashes == NULL) {
            abort();
        }
        for (size_t i = 0; i < seen->capacity; i++) {
            if (seen->hashes[i] != 0) {
                (void)crash_enum_is_new(&grown, seen->hashes[i]);
            }
        }
        free(seen->hashes);
        *seen = grown;
    }
    hash = hash == 0 ? 1 : hash;
    size_t at = hash & (seen->capacity - 1);
    while (seen->hashes[at] != 0) {
        if (seen->hashes[at] == hash) {
            return false;
        }
        at = (at + 1) & (seen->capacity - 1);
    }
    seen->hashes[at] = hash;
    seen->count++;
    return true;
}

/* The place of a key: its outcome, or an empty one. */
static crash_outcome *crash_enum_find(enum_table *table, uint64_t key)
{
    size_t at = key & (table->capacity - 1);
    while (table->slots[at].key != 0 && table->slots[at].key != key) {
        at = (at + 1) & (table->capacity - 1);
    }
    return &table->slots[at];
}

static void crash_enum_grow(enum_table *table)
{
    enum_table grown = {.capacity = table->capacity == 0 ? 4096 : table->capacity * 2,
                        .count = table->count};
    grown.slots = calloc(grown.capacity, sizeof *grown.slots);
    if (grown.slots == NULL) {
        abort();
    }
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->slots[i].key != 0) {
            *crash_enum_find(&grown, table->slots[i].key) = table->slots[i];
        }
    }
    free(table->slots);
    *table = grown;
}

static uint64_t crash_enum_key(const crash_subject *subject, const vv_sim_image *image)
{
    uint64_t copies = (uint64_t)subject->copies_begun << 32 | subject->copies_done;
    uint64_t key = vv_hash_mix2(vv_sim_image_hash(image), copies);
    return key == 0 ? 1 : key;
}

static crash_outcome crash_enum_outcome(enum_case *c, const vv_sim_image *image)
{
    enum_table *table = &c->run->outcomes;
    uint64_t key = crash_enum_key(&c->subject, image);
    if (table->count * 2 >= table->capacity) {
        crash_enum_grow(table);
    }
    crash_outcome *slot = crash_enum_find(table, key);
    if (slot->key == 0) {
        (void)alarm(ENUM_HANG_S); /* a hang ends the process, and with it the programme */
        *slot = crash_examine(&c->subject, key, image);
        (void)alarm(0);
        table->count++;
        c->run->report->images++;
    }
    return *slot;
}

/* ---- judging -------------------------------------------------------------------------------- */

/* I1 to I5: the contents must be those after k batches, durable <= k <= issued. */
static bool crash_enum_judge_contents(const enum_case *c, const crash_outcome *outcome)
{
    const crash_script *script = c->run->script;
    for (uint32_t k = c->moment->durable; k <= c->moment->issued; k++) {
        if (memcmp(&script->expected[k], &outcome->found, sizeof outcome->found) == 0) {
            return true;
        }
    }
    char detail[200];
    snprintf(detail, sizeof detail,
             "%llu rows are those of no prefix from batch %u (%llu rows) to %u (%llu rows)",
             (unsigned long long)outcome->found.rows, c->moment->durable,
             (unsigned long long)script->expected[c->moment->durable].rows, c->moment->issued,
             (unsigned long long)script->expected[c->moment->issued].rows);
    crash_enum_failed(c, "the contents:", detail);
    return false;
}

/* I13: sequences that were given out are not given again; durable numbers of the log stay. */
static void crash_enum_judge_counters(const enum_case *c, const crash_outcome *outcome)
{
    const crash_counters *durable = &c->run->script->counters[c->moment->durable];
    const crash_counters *issued = &c->run->script->counters[c->moment->issued];
    char detail[120];
    snprintf(detail, sizeof detail, "sequence %llu after %llu, LSN %llu after %llu",
             (unsigned long long)outcome->sequence, (unsigned long long)issued->sequence,
             (unsigned long long)outcome->lsn, (unsigned long long)durable->lsn);
    if (outcome->sequence <= issued->sequence || outcome->lsn < durable->lsn) {
        crash_enum_failed(c, "counters went back:", detail);
    }
}

/* True: all that had been promised at the moment is there. */
static bool crash_enum_judge(const enum_case *c, const crash_outcome *outcome)
{
    uint64_t failures = c->run->report->failures;
    if (outcome->failure != NULL) {
        crash_enum_failed(c, outcome->failure, "");
        return false;
    }
    if (crash_enum_judge_contents(c, outcome)) {
        crash_enum_judge_counters(c, outcome);
    }
    for (uint32_t copy = 0; copy < c->moment->copies_done; copy++) {
        if (outcome->copies[copy] != CRASH_COPY_WHOLE) { /* I9 */
            crash_enum_failed(c, "a copy that was answered", "is not there");
        }
    }
    return c->run->report->failures == failures;
}

static bool crash_enum_is_done(const enum_run *run)
{
    const crash_limits *limits = run->limits;
    struct timespec now;
    if (limits->stops_at_failure && run->report->failures > 0) {
        return true;
    }
    if (limits->states_max != 0 && run->report->states - run->begin >= limits->states_max) {
        return true;
    }
    return limits->stop_s != 0 && clock_gettime(CLOCK_MONOTONIC, &now) == 0 &&
           now.tv_sec >= limits->stop_s;
}

/* ---- recoveries that are cut ---------------------------------------------------------------- */

typedef struct enum_recovery {
    vv_sim *sim;
    vv_sim_point **points;
    size_t count;
} enum_recovery;

static void crash_enum_recovery_hook(void *context, uint64_t changing_call, vv_vfs_op op,
                                     const char *path, vv_sync_site site)
{
    (void)changing_call;
    (void)op;
    (void)path;
    (void)site;
    enum_recovery *recovery = context;
    if (recovery->count < ENUM_RECOVERY_POINTS) {
        recovery->points[recovery->count++] = vv_sim_capture(recovery->sim);
    }
}

/* The moments of one recovery. */
static void crash_enum_record_recovery(const enum_case *c, const vv_sim_image *image,
                                       enum_recovery *recovery)
{
    const crash_workload *workload = c->run->script->workload;
    crash_world world;
    varve_db *db = NULL;
    varve_error err;
    crash_world_init(&world, image, workload->seed + 3);
    crash_world_set_clock(&world, workload);
    if (c->subject.ignores_site) {
        vv_sim_ignore_site(world.sim, c->subject.ignored, true);
    }
    recovery->sim = world.sim;
    vv_sim_set_hook(world.sim, crash_enum_recovery_hook, recovery);
    varve_options options = crash_options(workload, &world);
    if (varve_open("/db", &options, &db, &err) == VARVE_OK) {
        varve_abandon(db);
    }
    vv_sim_set_hook(world.sim, NULL, NULL);
    crash_world_deinit(&world);
}

static size_t crash_enum_wanted(size_t images, uint64_t most)
{
    return most != 0 && images > most ? (size_t)most : images;
}

/* Evenly over the enumeration; the first and the last are always among them. */
static size_t crash_enum_spread(size_t at, size_t wanted, size_t images)
{
    return wanted == 1 ? 0 : at * (images - 1) / (wanted - 1);
}

static void crash_enum_cut_recovery(enum_case *c, const vv_sim_image *image,
                                    const crash_outcome *outer, uint32_t depth);

static void crash_enum_recovery_image(const enum_case *c, const vv_sim_image *image,
                                      const crash_outcome *outer, uint32_t depth, const char *place)
{
    enum_case inner = *c;
    enum_run *run = c->run;
    snprintf(inner.place, sizeof inner.place, "%.120s, %s", c->place, place);
    crash_outcome outcome = crash_enum_outcome(&inner, image);
    run->report->recoveries++;
    if (crash_enum_judge(&inner, &outcome) && outer->failure == NULL &&
        memcmp(&outcome.found, &outer->found, sizeof outcome.found) != 0) {
        crash_enum_failed(&inner, "a recovery that was cut", "ends in other contents (P10)");
    }
    if (depth < 3 && run->limits->depth3_every != 0 &&
        run->report->recoveries % run->limits->depth3_every == 0) {
        crash_enum_cut_recovery(&inner, image, &outcome, depth + 1);
    }
}

/* Cut the recovery of an image at each of its calls; what is recovered must be the same. */
static void crash_enum_cut_recovery(enum_case *c, const vv_sim_image *image,
                                    const crash_outcome *outer, uint32_t depth)
{
    vv_sim_point **points = calloc(ENUM_RECOVERY_POINTS, sizeof *points);
    enum_seen seen = {0};
    enum_recovery recovery = {.points = points};
    if (points == NULL) {
        abort();
    }
    crash_enum_record_recovery(c, image, &recovery);
    for (size_t i = 0; i < recovery.count; i++) {
        size_t images = vv_sim_image_count(points[i]);
        size_t wanted = crash_enum_wanted(images, c->run->limits->recovery_images_max);
        for (size_t at = 0; at < wanted && !crash_enum_is_done(c->run); at++) {
            size_t index = crash_enum_spread(at, wanted, images);
            char place[80];
            vv_sim_image *inner = vv_sim_image_make(points[i], index, i);
            if (inner != NULL && crash_enum_is_new(&seen, vv_sim_image_hash(inner) * 31 + i)) {
                snprintf(place, sizeof place, "recovery call %zu image %zu", i, index);
                crash_enum_recovery_image(c, inner, outer, depth, place);
            }
            vv_sim_image_free(inner);
        }
        vv_sim_point_free(points[i]);
    }
    free(points);
    free(seen.hashes);
}

/* ---- moments -------------------------------------------------------------------------------- */

static bool crash_enum_cuts_recovery(enum_run *run, uint64_t key)
{
    return run->limits->recovery_every != 0 &&
           (run->script->workload->is_short || key % run->limits->recovery_every == 0) &&
           crash_enum_is_new(&run->recovered, key);
}

static void crash_enum_moment(enum_run *run, const crash_moment *moment)
{
    enum_case at_moment = {.run = run,
                           .moment = moment,
                           .subject = {.script = run->script,
                                       .copies_begun = moment->copies_begun,
                                       .copies_done = moment->copies_done,
                                       .ignores_site = run->limits->ignores_in_recovery &&
                                                       run->limits->ignored != VV_SYNC_SITE_COUNT,
                                       .ignored = run->limits->ignored}};
    enum_case *c = &at_moment;
    size_t images = vv_sim_image_count(c->moment->point);
    size_t wanted = crash_enum_wanted(images, run->limits->images_per_point_max);
    for (size_t i = 0; i < wanted && !crash_enum_is_done(run); i++) {
        size_t index = crash_enum_spread(i, wanted, images);
        vv_sim_image *image = vv_sim_image_make(c->moment->point, index, c->moment->call);
        if (image != NULL &&
            crash_enum_is_new(&run->states, vv_sim_image_hash(image) * 31 + c->moment->call)) {
            vv_sim_image_describe(c->moment->point, index, c->place, sizeof c->place);
            run->report->states++;
            crash_outcome outcome = crash_enum_outcome(c, image);
            (void)crash_enum_judge(c, &outcome);
            if (crash_enum_cuts_recovery(run, outcome.key)) {
                crash_enum_cut_recovery(c, image, &outcome, 2);
            }
        }
        vv_sim_image_free(image);
    }
}

static void crash_enum_end(enum_run *run)
{
    for (size_t i = 0; i < run->outcomes.capacity; i++) {
        free(run->outcomes.slots[i].failure);
    }
    free(run->outcomes.slots);
    free(run->states.hashes);
    free(run->recovered.hashes);
}

/* The moments of one part: neighbours, for they share images. */
static void crash_enum_range(const crash_limits *limits, size_t count, size_t *out_begin,
                             size_t *out_end)
{
    size_t parts = limits->parts == 0 ? 1 : limits->parts;
    *out_begin = count * limits->part / parts;
    *out_end = count * (limits->part + 1) / parts;
}

void crash_check_moment(const crash_script *script, const crash_moment *moment,
                        const crash_limits *limits, crash_report *report)
{
    enum_run run = {.script = script, .limits = limits, .report = report, .begin = report->states};
    report->points++;
    crash_enum_moment(&run, moment);
    crash_enum_end(&run);
}

void crash_run(const crash_workload *workload, const crash_limits *limits, crash_report *report)
{
    crash_play_options options = {.ignored = limits->ignored, .captures = true};
    crash_script *script = crash_play(workload, &options);
    enum_run run = {.script = script, .limits = limits, .report = report, .begin = report->states};
    if (script->has_failed) {
        report->failures++;
        snprintf(report->first_failure, sizeof report->first_failure, "workload %s itself: %s",
                 workload->name, script->failure);
    } else if (workload->disk_bytes > 0 && script->refused < 3) {
        report->failures++;
        snprintf(report->first_failure, sizeof report->first_failure,
                 "workload %s itself: the disk was full only %u times", workload->name,
                 (unsigned)script->refused);
    }
    size_t begin;
    size_t end;
    crash_enum_range(limits, script->moment_count, &begin, &end);
    report->points += end - begin;
    /* A limit on states is spread over the whole run: every n-th moment. */
    size_t stride = 1;
    if (limits->states_max != 0 && limits->images_per_point_max != 0) {
        uint64_t most = limits->states_max / limits->images_per_point_max + 1;
        stride = (end - begin) / (size_t)most + 1;
    }
    for (size_t i = begin; i < end && !crash_enum_is_done(&run); i += stride) {
        crash_enum_moment(&run, &script->moments[i]);
    }
    crash_enum_end(&run);
    crash_end(script);
}
