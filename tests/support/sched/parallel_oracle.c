/* SPDX-License-Identifier: Apache-2.0 */
/* What may be seen of the workload of many threads: parallel_work.h, Y1 to Y4. */
#include <stdlib.h>
#include <string.h>

#include "support/sched/parallel_priv.h"

/* Rows of each step: a time belongs to one step of one writer. */
typedef struct parallel_rows {
    uint32_t at[PARALLEL_STEPS * PARALLEL_WRITERS];
    uint32_t rows_each;
} parallel_rows;

/* ---- Y1 ------------------------------------------------------------------------------------- */

/* A series of the writer, or the shared one, which has no labels. */
static bool parallel_is_of(const varve_block *block, size_t place)
{
    return block->label_count == 0 ||
           block->labels[0].value.data[0] == (char)('a' + place % PARALLEL_WRITERS);
}

static const char *parallel_take(const varve_block *block, parallel_rows *rows)
{
    for (size_t i = 0; i < block->rows; i++) {
        int64_t time = block->timestamps[i];
        size_t place = (size_t)time / rows->rows_each;
        if (time < 0 || place >= VV_ARRAY_COUNT(rows->at)) {
            return "a row that nobody wrote";
        }
        if (((const double *)block->columns[0].values)[i] != (double)time ||
            !parallel_is_of(block, place)) {
            return "a value that nobody wrote";
        }
        rows->at[place]++;
    }
    return NULL;
}

/* NULL: all went well. */
static const char *parallel_collect(varve_db *db, parallel_rows *rows, varve_error *err)
{
    varve_cursor *cursor = NULL;
    const varve_block *block = NULL;
    const char *wrong = NULL;
    varve_query_options query;
    varve_query_options_init(&query);
    varve_status status = varve_query(db, &query, &cursor, err);
    while (status == VARVE_OK && wrong == NULL) {
        status = varve_cursor_next(cursor, &block, err);
        if (status != VARVE_OK || block == NULL) {
            break;
        }
        wrong = parallel_take(block, rows);
    }
    varve_cursor_close(cursor);
    return status != VARVE_OK ? err->message : wrong;
}

/* Whether the rows of a writer are those after so many of its steps. */
static bool parallel_is_after(const parallel_work *work, uint32_t writer, uint32_t steps,
                              const parallel_rows *rows)
{
    bool is_there[PARALLEL_STEPS] = {false};
    for (uint32_t i = 0; i < steps; i++) {
        const parallel_step *step = &work->steps[writer][i];
        is_there[step->is_delete ? step->target : i] = !step->is_delete;
    }
    for (uint32_t i = 0; i < PARALLEL_STEPS; i++) {
        uint32_t wanted = is_there[i] ? (PARALLEL_SPREAD + 1) * work->rows_each : 0;
        if (rows->at[i * PARALLEL_WRITERS + writer] != wanted) {
            return false;
        }
    }
    return true;
}

static void parallel_print_rows(const parallel_work *work, uint32_t writer,
                                const parallel_rows *rows, char *text, size_t capacity)
{
    size_t used = (size_t)snprintf(text, capacity, "rows of the steps of writer %u:", writer);
    for (uint32_t i = 0; i < PARALLEL_STEPS && used < capacity; i++) {
        const parallel_step *step = &work->steps[writer][i];
        int size = step->is_delete
                       ? snprintf(text + used, capacity - used, " (deletes %u)", step->target)
                       : snprintf(text + used, capacity - used, " %u",
                                  rows->at[i * PARALLEL_WRITERS + writer]);
        used += (size_t)size;
    }
}

bool parallel_read(parallel_work *work, varve_db *db, const char *where,
                   parallel_counts *out_counts)
{
    varve_error err;
    parallel_rows rows = {.rows_each = work->rows_each};
    const char *wrong = parallel_collect(db, &rows, &err);
    if (wrong != NULL) {
        parallel_fail(work, where, wrong);
        return false;
    }
    for (uint32_t writer = 0; writer < PARALLEL_WRITERS; writer++) {
        uint32_t steps = 0;
        while (steps <= PARALLEL_STEPS && !parallel_is_after(work, writer, steps, &rows)) {
            steps++;
        }
        if (steps > PARALLEL_STEPS) {
            char text[300];
            parallel_print_rows(work, writer, &rows, text, sizeof text);
            parallel_fail(work, where, text);
            return false;
        }
        out_counts->of[writer] = steps;
    }
    return true;
}

void parallel_judge_sum(parallel_work *work)
{
    varve_error err;
    varve_cursor *cursor = NULL;
    const varve_block *block = NULL;
    varve_query_options query;
    varve_output count;
    memset(&count, 0, sizeof count);
    count.aggregation = VARVE_AGG_COUNT;
    count.name = VARVE_STR("value");
    varve_query_options_init(&query);
    query.outputs = &count;
    query.output_count = 1;
    query.grouping = VARVE_GROUP_ALL;
    varve_status status = varve_query(work->db, &query, &cursor, &err);
    if (status == VARVE_OK) {
        status = varve_cursor_next(cursor, &block, &err);
    }
    if (status != VARVE_OK) {
        parallel_fail(work, "an aggregate", err.message);
    } else if (block != NULL && ((const uint64_t *)block->columns[0].values)[0] %
                                        ((PARALLEL_SPREAD + 1) * work->rows_each) !=
                                    0) {
        parallel_fail(work, "an aggregate", "counts a part of a batch");
    }
    varve_cursor_close(cursor);
}

/* ---- Y2, Y3 --------------------------------------------------------------------------------- */

static void parallel_judge_order(parallel_work *work, const parallel_counts *counts,
                                 const char *where)
{
    uint64_t last_in = 0;
    uint64_t first_out = UINT64_MAX;
    for (uint32_t writer = 0; writer < PARALLEL_WRITERS; writer++) {
        for (uint32_t i = 0; i < PARALLEL_STEPS; i++) {
            uint64_t ticket = work->steps[writer][i].ticket;
            if (ticket != 0 && i < counts->of[writer] && ticket > last_in) {
                last_in = ticket;
            }
            if (ticket != 0 && i >= counts->of[writer] && ticket < first_out) {
                first_out = ticket;
            }
        }
    }
    if (last_in > first_out) {
        char text[200];
        (void)snprintf(text, sizeof text, "batch %llu is there and batch %llu is not",
                       (unsigned long long)last_in, (unsigned long long)first_out);
        parallel_fail(work, where, text);
    }
}

void parallel_judge(parallel_work *work, const parallel_counts *counts,
                    const parallel_bounds *bounds, const char *where)
{
    for (uint32_t writer = 0; writer < PARALLEL_WRITERS; writer++) {
        if (counts->of[writer] < bounds->least.of[writer] ||
            counts->of[writer] > bounds->most.of[writer]) {
            char text[200];
            (void)snprintf(text, sizeof text, "%u steps of writer %u, of %u to %u",
                           counts->of[writer], writer, bounds->least.of[writer],
                           bounds->most.of[writer]);
            parallel_fail(work, where, text);
        }
    }
    parallel_judge_order(work, counts, where);
}

/* ---- Y4 ------------------------------------------------------------------------------------- */

/* Opens what stands at a path of a world, and judges it. */
static void parallel_judge_at(parallel_work *work, const crash_world *world, const char *path,
                              uint32_t flags, const parallel_bounds *bounds, const char *where)
{
    varve_error err;
    varve_db *db;
    parallel_counts counts;
    varve_options options = crash_options(&work->workload, world);
    options.flags |= flags;
    if (varve_open(path, &options, &db, &err) != VARVE_OK) {
        parallel_fail(work, where, err.message);
        return;
    }
    if (parallel_read(work, db, where, &counts)) {
        parallel_judge(work, &counts, bounds, where);
    }
    varve_abandon(db);
}

void parallel_judge_end(parallel_work *work)
{
    parallel_bounds bounds = {.least = work->durable, .most = work->issued};
    if (!work->report->has_failed) {
        parallel_judge_at(work, &work->world, "/db", 0, &bounds, "opened again");
    }
}

void parallel_judge_copies(parallel_work *work)
{
    char path[16];
    for (uint32_t i = 0; i < work->copy_count && !work->report->has_failed; i++) {
        parallel_judge_at(work, &work->world, crash_copy_path(i, path), VARVE_OPEN_READONLY,
                          &work->copies[i], "a snapshot");
    }
}

static void parallel_judge_image(parallel_work *work, const crash_script *script,
                                 const parallel_moment *moment, vv_sim_image *image,
                                 const char *name)
{
    char where[120];
    crash_world world;
    (void)snprintf(where, sizeof where, "call %llu of %s, image %s",
                   (unsigned long long)moment->call, moment->thread, name);
    crash_world_init(&world, image, work->seed + 1);
    parallel_judge_at(work, &world, "/db", 0, &moment->bounds, where);
    crash_world_deinit(&world);
    crash_subject subject = {.script = script, .ignored = VV_SYNC_SITE_COUNT};
    crash_outcome outcome = crash_examine(&subject, vv_sim_image_hash(image), image);
    if (outcome.failure != NULL) {
        parallel_fail(work, where, outcome.failure);
        free(outcome.failure);
    }
    work->report->images++;
    vv_sim_image_free(image);
}

static void parallel_judge_moment(parallel_work *work, const crash_script *script,
                                  const parallel_moment *moment)
{
    vv_sim_cut none = {.model = VV_SIM_CUT_NONE};
    vv_sim_cut all = {.model = VV_SIM_CUT_ALL};
    parallel_judge_image(work, script, moment, vv_sim_power_cut(moment->point, &none), "none");
    parallel_judge_image(work, script, moment, vv_sim_power_cut(moment->point, &all), "all");
    size_t count = vv_sim_image_count(moment->point);
    for (uint32_t i = 0; i < work->limits->images_each && !work->report->has_failed; i++) {
        char name[80];
        size_t index = (size_t)vv_random_below(&work->random, count);
        vv_sim_image_describe(moment->point, index, name, sizeof name);
        parallel_judge_image(work, script, moment,
                             vv_sim_image_make(moment->point, index, work->seed), name);
    }
}

void parallel_judge_moments(parallel_work *work)
{
    crash_script *script = calloc(1, sizeof *script); /* no copies, no failed step */
    if (script == NULL) {
        abort();
    }
    script->workload = &work->workload;
    for (uint32_t i = 0; i < work->moment_count && !work->report->has_failed; i++) {
        parallel_judge_moment(work, script, &work->moments[i]);
    }
    free(script);
}
