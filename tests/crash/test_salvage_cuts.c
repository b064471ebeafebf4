/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A salvage that is cut at each of its calls. The log has lost a record in its middle. Whatever a
 * power cut leaves of the salvage: where the damaged log is not in its place any more, quarantine/
 * has all of it and a whole report (evidence goes before the original); no report has its name
 * before it is whole; the next salvage succeeds and shows every batch but the lost one.
 *
 * With a sync of the evidence left out, that must fail to hold. Both ways of keeping evidence are
 * tried: by another name, and as a copy where the file system has no hard links.
 */
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/crash_priv.h"
#include "support/file_tree.h"
#include "support/tour.h"

enum { CUTS_BATCHES = 6, CUTS_LOST = 2, CUTS_POINTS_MAX = 400 };

/* The only workload whose options a crash world needs here. */
static const crash_workload cuts_workload = {.name = "salvage",
                                             .seed = 21,
                                             .sync = VARVE_SYNC_GROUP,
                                             .flush_rows = 100000,
                                             .log_file_bytes = 65536};

typedef struct cuts {
    tour ledger;
    vv_sim_image *damaged;
    file_tree_entry log; /* as it was damaged */
    vv_sim_point *points[CUTS_POINTS_MAX];
    size_t point_count;
    vv_sim *sim;
    uint64_t states;
    char wrong[300];
} cuts;

/* ---- the damaged log ------------------------------------------------------------------------ */

static void cuts_flip(crash_world *world, const char *path, size_t at)
{
    varve_error err;
    vv_file *file;
    uint8_t byte;
    check_ok(vv_file_open(world->env.vfs, world->env.alloc, path, VV_OPEN_READ | VV_OPEN_WRITE,
                          &file, &err),
             &err);
    check_ok(vv_file_read_exact(file, (int64_t)at, &byte, 1, &err), &err);
    byte ^= 4;
    check_ok(vv_file_write_all(file, (int64_t)at, &byte, 1, &err), &err);
    check_ok(vv_file_close(file, &err), &err);
}

static void cuts_make(cuts *c)
{
    crash_world world;
    file_tree tree;
    varve_error err;
    size_t ends[CUTS_BATCHES];
    memset(c, 0, sizeof *c);
    crash_world_init(&world, NULL, cuts_workload.seed);
    varve_options options = crash_options(&cuts_workload, &world);
    tour *t = &c->ledger;
    tour_init(t, "/db", &options);
    assert_true(tour_open(t));
    for (size_t i = 0; i < CUTS_BATCHES; i++) {
        check_ok(tour_write(t, 4, &err), &err);
        file_tree_load(&tree, world.env.vfs, world.env.alloc, "/db");
        ends[i] = file_tree_used_bytes(file_tree_find(&tree, ".vwl"));
        file_tree_free(&tree);
    }
    varve_abandon(t->db);
    t->db = NULL;
    t->batches[CUTS_LOST].state = TOUR_ABSENT;
    cuts_flip(&world, "/db/wal/00000000000000000001.vwl",
              (ends[CUTS_LOST - 1] + ends[CUTS_LOST]) / 2);
    file_tree_load(&tree, world.env.vfs, world.env.alloc, "/db");
    c->log = *file_tree_find(&tree, ".vwl");
    c->log.data = malloc(c->log.size);
    assert_non_null(c->log.data);
    memcpy(c->log.data, file_tree_find(&tree, ".vwl")->data, c->log.size);
    file_tree_free(&tree);
    vv_sim_point *point = vv_sim_capture(world.sim);
    c->damaged = vv_sim_power_cut(point, &(vv_sim_cut){.model = VV_SIM_CUT_ALL});
    vv_sim_point_free(point);
    crash_world_deinit(&world);
}

static void cuts_free(cuts *c)
{
    vv_sim_image_free(c->damaged);
    free(c->log.data);
}

/* ---- one image ------------------------------------------------------------------------------ */

static void cuts_note(cuts *c, const char *what, const char *detail)
{
    if (c->wrong[0] == '\0') {
        snprintf(c->wrong, sizeof c->wrong, "%s: %.200s", what, detail);
    }
}

/* A report has its name when it is whole. */
static void cuts_check_reports(cuts *c, const file_tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        const file_tree_entry *file = &tree->files[i];
        bool is_report = strstr(file->path, "/report.json") != NULL &&
                         strstr(file->path, "/report.json.part") == NULL;
        if (is_report && (file->size < 2 || file->data[file->size - 1] != '}')) {
            cuts_note(c, "evidence", "half a report has its name");
        }
    }
}

/* The damaged log itself, or all of it in quarantine with a report. */
static void cuts_check_evidence(cuts *c, const crash_world *world)
{
    file_tree tree;
    bool has_log = false;
    bool has_report = false;
    file_tree_load(&tree, world->env.vfs, world->env.alloc, "/db");
    cuts_check_reports(c, &tree);
    for (size_t i = 0; i < tree.count; i++) {
        const file_tree_entry *file = &tree.files[i];
        if (strcmp(file->path, c->log.path) == 0) {
            file_tree_free(&tree);
            return; /* still in its place: nothing is gone yet */
        }
        bool is_kept = strstr(file->path, "/db/quarantine/") != NULL;
        has_log = has_log || (is_kept && file->size == c->log.size &&
                              memcmp(file->data, c->log.data, c->log.size) == 0);
        has_report = has_report || (is_kept && strstr(file->path, "/report.json") != NULL &&
                                    file->size > 2 && memchr(file->data, '}', file->size) != NULL);
    }
    if (!has_log || !has_report) {
        cuts_note(c, "evidence", has_log ? "the report is not there" : "the log is gone");
    }
    file_tree_free(&tree);
}

static void cuts_check(cuts *c, const vv_sim_image *image)
{
    crash_world world;
    c->states++;
    crash_world_init(&world, image, cuts_workload.seed + 1);
    cuts_check_evidence(c, &world);
    tour t = c->ledger;
    t.options = crash_options(&cuts_workload, &world);
    t.options.flags |= VARVE_OPEN_SALVAGE;
    if (!tour_open(&t)) {
        cuts_note(c, "salvage again", t.failure.message);
    } else {
        if (!tour_check(&t, /* must_read */ true)) {
            cuts_note(c, "contents", t.wrong);
        }
        varve_abandon(t.db);
    }
    crash_world_deinit(&world);
}

/* ---- all of them ---------------------------------------------------------------------------- */

static void cuts_hook(void *context, uint64_t call, vv_vfs_op op, const char *path,
                      vv_sync_site site)
{
    cuts *c = context;
    (void)call;
    (void)op;
    (void)path;
    (void)site;
    if (c->point_count < CUTS_POINTS_MAX) {
        c->points[c->point_count++] = vv_sim_capture(c->sim);
    }
}

static void cuts_record(cuts *c, vv_sync_site ignored, bool lacks_link)
{
    crash_world world;
    varve_db *db;
    varve_error err;
    crash_world_init(&world, c->damaged, cuts_workload.seed + 2);
    vv_sim_set_lacks(world.sim, &(vv_sim_lacks){.link = lacks_link});
    if (ignored != VV_SYNC_SITE_COUNT) {
        vv_sim_ignore_site(world.sim, ignored, true);
    }
    c->sim = world.sim;
    vv_sim_set_hook(world.sim, cuts_hook, c);
    varve_options options = crash_options(&cuts_workload, &world);
    options.flags |= VARVE_OPEN_SALVAGE;
    check_ok(varve_open("/db", &options, &db, &err), &err);
    vv_sim_set_hook(world.sim, NULL, NULL);
    cuts_hook(c, 0, VV_VFS_OP_CLOSE, "", VV_SYNC_SITE_COUNT); /* the end, too */
    varve_abandon(db);
    crash_world_deinit(&world);
}

/* All images of all moments, until one is wrong. */
static void cuts_run(cuts *c, vv_sync_site ignored, bool lacks_link)
{
    cuts_record(c, ignored, lacks_link);
    for (size_t i = 0; i < c->point_count; i++) {
        size_t images = vv_sim_image_count(c->points[i]);
        size_t wanted = images < 24 ? images : 24;
        for (size_t at = 0; at < wanted && c->wrong[0] == '\0'; at++) {
            size_t index = wanted == 1 ? 0 : at * (images - 1) / (wanted - 1);
            vv_sim_image *image = vv_sim_image_make(c->points[i], index, i);
            if (image != NULL) {
                cuts_check(c, image);
            }
            vv_sim_image_free(image);
        }
        vv_sim_point_free(c->points[i]);
    }
    c->point_count = 0;
}

static void a_salvage_cut_at_any_call_keeps_evidence_and_rows(void **state)
{
    (void)state;
    static cuts c;
    cuts_make(&c);
    cuts_run(&c, VV_SYNC_SITE_COUNT, /* lacks_link */ false);
    cuts_run(&c, VV_SYNC_SITE_COUNT, /* lacks_link */ true);
    print_message("crash states: %llu\n", (unsigned long long)c.states);
    assert_string_equal(c.wrong, "");
    assert_true(c.states > 100);
    cuts_free(&c);
}

static void the_syncs_of_evidence_are_needed(void **state)
{
    (void)state;
    static const vv_sync_site sites[] = {VV_SITE_QUARANTINE_FILE, VV_SITE_QUARANTINE_DIR};
    static cuts c;
    for (size_t i = 0; i < 2; i++) {
        cuts_make(&c);
        cuts_run(&c, sites[i], /* lacks_link */ true);
        print_message("%-20s %5d calls  %-11s workload salvage, %s\n",
                      vv_sync_site_get(sites[i])->name, 1, c.wrong[0] != '\0' ? "caught" : "MISSED",
                      c.wrong);
        assert_true(c.wrong[0] != '\0');
        cuts_free(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_salvage_cut_at_any_call_keeps_evidence_and_rows),
        cmocka_unit_test(the_syncs_of_evidence_are_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
