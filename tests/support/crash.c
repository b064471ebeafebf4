/* SPDX-License-Identifier: Apache-2.0 */
#include "support/crash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/random.h"
#include "support/manual_clock.h"
#include "sys/env.h"
#include "sys/vfs_sim.h"
#include "varve.h"

enum {
    CRASH_SERIES = 6,
    CRASH_POINTS_MAX = 20000,
    CRASH_BATCHES_MAX = 1000,
    CRASH_ROWS_AFTER = 100,
    CRASH_COPIES_MAX = 16,
    CRASH_RINGS = 3
};

/* So far back that no cut of the moment hides anything, and no row is near enough to be observed:
 * what a crash leaves is told by the recorded cuts alone. */
#define CRASH_LONG_AGO (INT64_MIN / 2)

const crash_workload crash_workloads[] = {
    {.name = "append",
     .seed = 1,
     .steps = 40,
     .sync = VARVE_SYNC_GROUP,
     .flush_rows = 200,
     .log_file_bytes = 65536},
    {.name = "mixed",
     .seed = 2,
     .steps = 60,
     .sync = VARVE_SYNC_GROUP,
     .deletes = 10,
     .flushes = 10,
     .merges = 6,
     .reopens = 4,
     .bulks = 3,
     .flush_rows = 200,
     .log_file_bytes = 65536},
    {.name = "keeps all",
     .seed = 3,
     .steps = 60,
     .sync = VARVE_SYNC_GROUP,
     .keeps_all = true,
     .deletes = 8,
     .flushes = 8,
     .merges = 8,
     .reopens = 4,
     .bulks = 3,
     .flush_rows = 200,
     .log_file_bytes = 65536},
    {.name = "deletes",
     .seed = 4,
     .steps = 50,
     .sync = VARVE_SYNC_GROUP,
     .deletes = 35,
     .flushes = 15,
     .merges = 15,
     .reopens = 3,
     .flush_rows = 100,
     .log_file_bytes = 65536},
    {.name = "rotation storm",
     .seed = 5,
     .steps = 40,
     .sync = VARVE_SYNC_GROUP,
     .bulks = 60,
     .flush_rows = 100000,
     .log_file_bytes = 65536},
    {.name = "reopening",
     .seed = 6,
     .steps = 40,
     .sync = VARVE_SYNC_GROUP,
     .deletes = 5,
     .flushes = 5,
     .reopens = 35,
     .flush_rows = 300,
     .log_file_bytes = 65536},
    {.name = "written, not synced",
     .seed = 7,
     .steps = 50,
     .sync = VARVE_SYNC_NONE,
     .deletes = 6,
     .flushes = 8,
     .merges = 5,
     .reopens = 4,
     .bulks = 3,
     .flush_rows = 200,
     .log_file_bytes = 65536},
    {.name = "no log",
     .seed = 8,
     .steps = 40,
     .sync = VARVE_SYNC_NO_LOG,
     .deletes = 6,
     .flushes = 12,
     .merges = 6,
     .reopens = 4,
     .flush_rows = 200,
     .log_file_bytes = 65536},
    {.name = "snapshots",
     .seed = 9,
     .steps = 36,
     .sync = VARVE_SYNC_GROUP,
     .deletes = 12,
     .flushes = 12,
     .merges = 6,
     .reopens = 3,
     .bulks = 4,
     .snapshots = 14,
     .restores = 8,
     .flush_rows = 200,
     .log_file_bytes = 65536},
    {.name = "retention expiry",
     .seed = 10,
     .steps = 60,
     .sync = VARVE_SYNC_GROUP,
     .deletes = 8,
     .flushes = 14,
     .merges = 5,
     .reopens = 6,
     .bulks = 3,
     .snapshots = 4,
     .restores = 3,
     .expiries = 22,
     .flush_rows = 200,
     .log_file_bytes = 65536},
    {.name = "tier move",
     .seed = 12,
     .steps = 60,
     .sync = VARVE_SYNC_GROUP,
     .deletes = 8,
     .flushes = 22,
     .merges = 5,
     .reopens = 6,
     .bulks = 3,
     .snapshots = 5,
     .restores = 3,
     .moves = 20,
     .flush_rows = 100,
     .log_file_bytes = 65536},
    {.name = "retention, no log",
     .seed = 11,
     .steps = 40,
     .sync = VARVE_SYNC_NO_LOG,
     .flushes = 14,
     .merges = 6,
     .reopens = 5,
     .expiries = 25,
     .flush_rows = 200,
     .log_file_bytes = 65536},
    {.name = "rows changed one by one",
     .seed = 12,
     .steps = 60,
     .sync = VARVE_SYNC_GROUP,
     .keeps_all = true,
     .has_row_ids = true,
     .deletes = 5,
     .flushes = 10,
     .merges = 10,
     .reopens = 4,
     .bulks = 2,
     .snapshots = 5,
     .restores = 2,
     .changes = 45,
     .flush_rows = 200,
     .log_file_bytes = 65536},
    {.name = "rings",
     .seed = 14,
     .steps = 60,
     .sync = VARVE_SYNC_GROUP,
     .deletes = 10,
     .flushes = 16,
     .merges = 3,
     .reopens = 6,
     .rings = 12,
     .flush_rows = 200,
     .log_file_bytes = 65536},
    {.name = "rings, not synced",
     .seed = 15,
     .steps = 50,
     .sync = VARVE_SYNC_NONE,
     .deletes = 6,
     .flushes = 14,
     .reopens = 10,
     .bulks = 4,
     .snapshots = 6,
     .restores = 3,
     .rings = 12,
     .flush_rows = 150,
     .log_file_bytes = 65536},
};
const size_t crash_workload_count = sizeof crash_workloads / sizeof crash_workloads[0];

typedef struct crash_moment {
    vv_sim_point *point;
    uint32_t issued, durable; /* batches */
    uint32_t copies_begun, copies_done;
    uint64_t call;
} crash_moment;

/* A snapshot, or what was restored from one. */
typedef struct crash_copy {
    uint32_t batch; /* expected[batch] is in it */
    bool is_restored;
} crash_copy;

typedef struct crash_digest {
    uint64_t digest[2];
    uint64_t rows;
    uint64_t row_ids; /* 0 where rows have none */
} crash_digest;

typedef struct crash_world {
    vv_sim *sim;
    vv_env env;
    manual_clock clock;
    vv_random entropy;
} crash_world;

typedef struct crash_script {
    const crash_workload *workload;
    crash_world world;
    vv_random random;
    varve_db *db;
    varve_series series[CRASH_SERIES];
    varve_series rings[CRASH_RINGS];
    varve_field fields[4];
    int64_t time;
    uint32_t issued, durable;
    crash_digest expected[CRASH_BATCHES_MAX + 1];
    crash_copy copies[CRASH_COPIES_MAX];
    uint32_t copies_begun, copies_done;
    crash_moment *moments;
    size_t moment_count;
    bool has_failed;
    char failure[400];
} crash_script;

/* Of every simulator: images move from one to the next. It must not fail. */
static vv_alloc *crash_alloc(void)
{
    static vv_alloc alloc;
    static bool is_ready;
    if (!is_ready) {
        vv_alloc_init(&alloc, NULL);
        is_ready = true;
    }
    return &alloc;
}

static void crash_world_init(crash_world *world, const vv_sim_image *image, uint64_t seed)
{
    memset(world, 0, sizeof *world);
    world->sim = vv_sim_create(crash_alloc(), image);
    manual_clock_init(&world->clock, INT64_C(1700000000000000000));
    vv_random_init(&world->entropy, seed);
    vv_env_init_system(&world->env, crash_alloc());
    world->env.vfs = vv_sim_vfs(world->sim);
    world->env.clock = manual_clock_of(&world->clock);
    world->env.entropy = manual_entropy_of(&world->entropy);
}

static void crash_world_set_clock(crash_world *world, const crash_workload *workload)
{
    if (workload->expiries + workload->moves > 0) {
        manual_clock_set_wall(&world->clock, CRASH_LONG_AGO);
    }
}

static void crash_world_deinit(crash_world *world)
{
    vv_sim_free(world->sim);
}

static varve_options crash_options(const crash_workload *workload, const crash_world *world)
{
    varve_options options;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_NO_BACKGROUND;
    options.environment = &world->env;
    options.duplicates = workload->keeps_all ? VARVE_DUPLICATES_ALL : VARVE_DUPLICATES_LAST;
    options.row_ids = workload->has_row_ids ? VARVE_ROW_IDS_ON : VARVE_ROW_IDS_STORED;
    options.sync = workload->sync;
    options.flush_rows = workload->flush_rows;
    options.log_file_bytes = workload->log_file_bytes;
    options.merge_fan_in = 2;
    options.retention_grace_ms = 1;
    if (workload->moves > 0) {
        options.warm_path = VARVE_STR("/warm");
    }
    options.memory_limit_bytes = UINT64_C(64) << 20;
    options.cache_bytes = 1 << 20;
    return options;
}

/* ---- the workload ---- */

static void crash_fail(crash_script *script, const char *what, const varve_error *err)
{
    if (!script->has_failed) {
        script->has_failed = true;
        snprintf(script->failure, sizeof script->failure, "%s: %s", what, err->message);
    }
}

static bool crash_open(crash_script *script)
{
    varve_error err;
    varve_options options = crash_options(script->workload, &script->world);
    if (varve_open("/db", &options, &script->db, &err) != VARVE_OK) {
        crash_fail(script, "open", &err);
        return false;
    }
    static const char *const hosts[CRASH_SERIES] = {"a", "b", "c", "d", "e", "f"};
    static const char *const names[4] = {"value", "count", "text", "flag"};
    for (size_t i = 0; i < CRASH_SERIES; i++) {
        varve_label label = {VARVE_STR("host"), {hosts[i], 1}};
        if (varve_series_resolve(script->db, VARVE_STR("m"), &label, 1, 0, &script->series[i],
                                 &err) != VARVE_OK) {
            crash_fail(script, "resolve", &err);
            return false;
        }
    }
    for (size_t i = 0; i < CRASH_RINGS && script->workload->rings > 0; i++) {
        varve_label label = {VARVE_STR("host"), {hosts[i], 1}};
        if (varve_series_resolve(script->db, VARVE_STR("ring"), &label, 1, 0, &script->rings[i],
                                 &err) != VARVE_OK) {
            crash_fail(script, "resolve", &err);
            return false;
        }
    }
    for (size_t i = 0; i < 4; i++) {
        varve_text name = {names[i], strlen(names[i])};
        if (varve_field_resolve(script->db, name, &script->fields[i], &err) != VARVE_OK) {
            crash_fail(script, "resolve", &err);
            return false;
        }
    }
    return true;
}

/* A cursor over all rows with their ids. */
static varve_status crash_query_rows(varve_db *db, varve_cursor **out_cursor, varve_error *err)
{
    varve_query_options options;
    varve_query_options_init(&options);
    options.flags = VARVE_QUERY_ROW_IDS;
    options.layout = VARVE_LAYOUT_TABLE;
    return varve_query(db, &options, out_cursor, err);
}

/* A sum over times and row ids; other metrics than the workload's may be there. */
static varve_status crash_sum_row_ids(varve_db *db, uint64_t *out_sum, varve_error *err)
{
    varve_cursor *cursor;
    *out_sum = 0;
    varve_status status = crash_query_rows(db, &cursor, err);
    const varve_block *block = NULL;
    while (status == VARVE_OK) {
        status = varve_cursor_next(cursor, &block, err);
        if (status != VARVE_OK || block == NULL) {
            break;
        }
        for (size_t i = 0; i < block->rows; i++) {
            uint64_t time = (uint64_t)block->timestamps[i];
            *out_sum += (block->row_ids[i] * UINT64_C(0x9e3779b97f4a7c15)) ^ time;
        }
    }
    varve_cursor_close(cursor);
    return status;
}

static void crash_remember(crash_script *script)
{
    varve_error err;
    varve_verified verified;
    varve_verified_init(&verified);
    if (varve_verify(script->db, NULL, &verified, &err) != VARVE_OK) {
        crash_fail(script, "verify", &err);
        return;
    }
    crash_digest *expected = &script->expected[script->issued];
    expected->digest[0] = verified.digest[0];
    expected->digest[1] = verified.digest[1];
    expected->rows = verified.rows;
    if (script->workload->has_row_ids &&
        crash_sum_row_ids(script->db, &expected->row_ids, &err) != VARVE_OK) {
        crash_fail(script, "row ids", &err);
    }
}

static int64_t crash_time(crash_script *script)
{
    script->time += 10;
    uint64_t kind = vv_random_below(&script->random, 12);
    if (kind == 0) {
        return script->time - (int64_t)vv_random_below(&script->random, 2000);
    }
    return kind == 1 ? script->time - 10 : script->time;
}

/* A new row; id not NULL: it replaces that one. */
static varve_status crash_add_row(crash_script *script, varve_batch *batch, const varve_row_id *id,
                                  varve_error *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    varve_value values[4];
    memset(values, 0, sizeof values);
    values[0].type = VARVE_TYPE_F64;
    values[0].as.f64 = (double)vv_random_below(&script->random, 1000) / 10.0;
    values[1].type = VARVE_TYPE_I64;
    values[1].as.i64 = (int64_t)vv_random_below(&script->random, 50);
    values[2].type = VARVE_TYPE_STRING;
    values[2].as.bytes = (varve_text){letters, vv_random_below(&script->random, 20)};
    values[3].type = VARVE_TYPE_BOOL;
    values[3].as.boolean = vv_random_below(&script->random, 2) == 0;
    varve_row row = {
        .series = script->series[vv_random_below(&script->random, CRASH_SERIES)],
        .timestamp = crash_time(script),
        .fields = script->fields,
        .values = values,
        .count = 1 + vv_random_below(&script->random, 4),
    };
    return id != NULL ? varve_batch_replace(batch, id, &row, err)
                      : varve_batch_row(batch, &row, err);
}

/* Every n-th row that is there is deleted, or replaced. */
static varve_status crash_add_changes(crash_script *script, varve_batch *batch, varve_error *err)
{
    varve_cursor *cursor;
    varve_status status = crash_query_rows(script->db, &cursor, err);
    uint64_t every = 1 + vv_random_below(&script->random, 60);
    uint64_t nth = 0;
    while (status == VARVE_OK) {
        const varve_block *block;
        status = varve_cursor_next(cursor, &block, err);
        if (status != VARVE_OK || block == NULL) {
            break;
        }
        for (size_t i = 0; i < block->rows && status == VARVE_OK; i++) {
            varve_row_id id = {block->row_series[i], block->timestamps[i], block->row_ids[i]};
            bool is_hit = nth++ % every == 0;
            if (is_hit && vv_random_below(&script->random, 3) == 0) {
                status = varve_batch_delete_row(batch, &id, err);
            } else if (is_hit) {
                status = crash_add_row(script, batch, &id, err);
            }
        }
    }
    varve_cursor_close(cursor);
    return status;
}

/* Some fields of a row of a ring, or of a series that is to become one. */
static varve_status crash_add_ring_row(crash_script *script, varve_batch *batch, varve_error *err)
{
    varve_value values[2];
    memset(values, 0, sizeof values);
    values[0].type = VARVE_TYPE_F64;
    values[0].as.f64 = (double)vv_random_below(&script->random, 1000) / 10.0;
    values[1].type = VARVE_TYPE_I64;
    values[1].as.i64 = (int64_t)vv_random_below(&script->random, 50);
    uint64_t which = vv_random_below(&script->random, 3);
    varve_row row = {
        .series = script->rings[vv_random_below(&script->random, CRASH_RINGS)],
        .timestamp = crash_time(script),
        .fields = script->fields + (which == 2 ? 1 : 0),
        .values = values + (which == 2 ? 1 : 0),
        .count = which == 0 ? 2 : 1,
    };
    return varve_batch_row(batch, &row, err);
}

/* Made, given another shape, or dropped: a step of its own, as a batch is. */
static void crash_change_ring(crash_script *script)
{
    static const char *const hosts[CRASH_RINGS] = {"a", "b", "c"};
    static const varve_ring_field fields[2] = {{.name = {"value", 5}, .type = VARVE_TYPE_F64},
                                               {.name = {"count", 5}, .type = VARVE_TYPE_I64}};
    static const uint64_t slots[] = {4, 30, 400, 900};
    varve_error err;
    varve_label label = {VARVE_STR("host"), {hosts[vv_random_below(&script->random, 3)], 1}};
    varve_ring ring;
    varve_ring_init(&ring);
    ring.step = 10 * (1 + (int64_t)vv_random_below(&script->random, 3));
    ring.slots = slots[vv_random_below(&script->random, 4)];
    ring.fields = fields;
    ring.field_count = 2;
    script->issued++;
    varve_status status =
        vv_random_below(&script->random, 6) == 0
            ? varve_policy_ring_drop(script->db, VARVE_STR("ring"), &label, 1, &err)
            : varve_policy_ring(script->db, VARVE_STR("ring"), &label, 1, &ring, NULL, &err);
    if (status == VARVE_OK) {
        script->durable = script->issued;
    } else if (status != VARVE_E_CONFLICT && status != VARVE_E_NOT_FOUND) {
        crash_fail(script, "ring", &err);
        return;
    }
    crash_remember(script); /* a series with rows is left as it is: nothing changed */
}

static varve_status crash_add_bulk(crash_script *script, varve_batch *batch, varve_error *err)
{
    enum { BULK = 1500 };
    static double numbers[BULK];
    static int64_t times[BULK];
    for (size_t i = 0; i < BULK; i++) {
        script->time += 10;
        times[i] = script->time;
        numbers[i] = vv_random_f64(&script->random);
    }
    varve_column column = {.type = VARVE_TYPE_F64, .values = numbers};
    varve_columns rows;
    varve_columns_init(&rows);
    rows.rows = BULK;
    rows.series = &script->series[vv_random_below(&script->random, CRASH_SERIES)];
    rows.series_count = 1;
    rows.timestamps = times;
    rows.timestamp_count = BULK;
    rows.fields = script->fields;
    rows.columns = &column;
    rows.column_count = 1;
    return varve_batch_columns(batch, &rows, err);
}

static varve_status crash_add_delete(crash_script *script, varve_batch *batch, varve_error *err)
{
    varve_selection selection;
    memset(&selection, 0, sizeof selection);
    selection.kind = VARVE_SELECT_TEXT;
    selection.text = vv_random_below(&script->random, 2) == 0 ? VARVE_STR("m{host=~\"a|b|c\"}")
                                                              : VARVE_STR("m{host!=\"d\"}");
    if (script->workload->rings > 0 && vv_random_below(&script->random, 2) == 0) {
        selection.text = VARVE_STR("ring{host!=\"b\"}");
    }
    int64_t start = (int64_t)vv_random_below(&script->random, (uint64_t)script->time + 1);
    varve_range range = {start, start + 1 + (int64_t)vv_random_below(&script->random, 1500)};
    return varve_batch_delete(batch, &selection, 1, range, err);
}

static void crash_commit(crash_script *script, uint64_t kind)
{
    const crash_workload *workload = script->workload;
    varve_error err;
    varve_batch *batch;
    varve_written written;
    varve_written_init(&written);
    varve_status status = varve_batch_create(script->db, &batch, &err);
    if (status == VARVE_OK && kind < workload->deletes) {
        status = crash_add_delete(script, batch, &err);
    } else if (status == VARVE_OK && kind < workload->deletes + workload->bulks) {
        status = crash_add_bulk(script, batch, &err);
    } else if (status == VARVE_OK &&
               kind < workload->deletes + workload->bulks + workload->changes) {
        status = crash_add_changes(script, batch, &err);
    } else if (status == VARVE_OK) {
        uint64_t rows = 1 + vv_random_below(&script->random, 30);
        for (uint64_t i = 0; i < rows && status == VARVE_OK; i++) {
            bool is_ring = workload->rings > 0 && vv_random_below(&script->random, 3) > 0;
            status = is_ring ? crash_add_ring_row(script, batch, &err)
                             : crash_add_row(script, batch, NULL, &err);
        }
    }
    if (status == VARVE_OK) {
        script->issued++;
        status = varve_batch_commit(batch, NULL, &written, &err);
    }
    varve_batch_free(batch);
    if (status != VARVE_OK) {
        crash_fail(script, "commit", &err);
        return;
    }
    if (written.ack == VARVE_ACK_DURABLE) {
        script->durable = script->issued;
    }
    crash_remember(script);
}

static void crash_reopen(crash_script *script)
{
    varve_error err;
    if (vv_random_below(&script->random, 2) == 0 && script->workload->sync != VARVE_SYNC_NO_LOG) {
        varve_abandon(script->db);
    } else if (varve_close(script->db, &err) != VARVE_OK) {
        crash_fail(script, "close", &err);
        varve_abandon(script->db);
    } else {
        script->durable = script->issued; /* a clean close flushes */
    }
    script->db = NULL;
    (void)crash_open(script);
}

static const char *crash_copy_path(uint32_t copy, char buffer[16])
{
    snprintf(buffer, 16, "/copy%u", copy);
    return buffer;
}

static void crash_snapshot(crash_script *script)
{
    varve_error err;
    char path[16];
    uint32_t copy = script->copies_begun;
    if (copy == CRASH_COPIES_MAX) {
        return;
    }
    script->copies[copy].batch = script->issued;
    script->copies_begun++;
    if (varve_snapshot(script->db, crash_copy_path(copy, path), NULL, NULL, &err) != VARVE_OK) {
        crash_fail(script, "snapshot", &err);
    }
    script->copies_done = script->copies_begun;
}

static void crash_restore(crash_script *script)
{
    varve_error err;
    char from[16];
    char to[16];
    uint32_t copy = script->copies_begun;
    if (copy == CRASH_COPIES_MAX || copy == 0) {
        return;
    }
    script->copies[copy] = (crash_copy){script->copies[copy - 1].batch, true};
    script->copies_begun++;
    varve_options options = crash_options(script->workload, &script->world);
    if (varve_restore(crash_copy_path(copy - 1, from), crash_copy_path(copy, to), &options, NULL,
                      NULL, &err) != VARVE_OK) {
        crash_fail(script, "restore", &err);
    }
    script->copies_done = script->copies_begun;
}

/* Rows of the workload's metric far behind the newest are cut, and gone: a step like a batch, since
 * the cut is there or is not. Between two passes the reference holds for the grace time. */
static void crash_expire(crash_script *script)
{
    varve_error err;
    manual_clock *clock = &script->world.clock;
    varve_retention retention;
    varve_retention_init(&retention);
    retention.is_enforced = true;
    retention.window = 1 + (int64_t)vv_random_below(&script->random, 3);
    /* What changes is the cut alone: no rule of a moment long ago hides anything. */
    varve_status status = varve_policy_retention(script->db, VARVE_STR("m"), &retention, &err);
    if (status == VARVE_OK && script->workload->sync == VARVE_SYNC_NO_LOG) {
        status = varve_flush(script->db, NULL, &err); /* a cut is durable at once: so is the rest */
    }
    manual_clock_set_wall(clock, script->time - 2500 + retention.window);
    for (int i = 0; i < 2 && status == VARVE_OK; i++) {
        status = varve_compact(script->db, 0, NULL, &err);
        atomic_fetch_add(&clock->mono_ns, 2 * VV_NS_PER_MS);
        script->issued += i == 0 ? 1 : 0;
    }
    manual_clock_set_wall(clock, CRASH_LONG_AGO);
    if (status != VARVE_OK) {
        crash_fail(script, "retention", &err);
        return;
    }
    crash_remember(script);
    script->durable = script->issued;
}

/* Older segments move to the warm directory; the contents stay. */
static void crash_move(crash_script *script)
{
    varve_error err;
    varve_retention retention;
    varve_retention_init(&retention);
    retention.hot_window = 1;
    varve_status status = varve_policy_retention(script->db, VARVE_STR(""), &retention, &err);
    manual_clock_set_wall(&script->world.clock, script->time - 300);
    if (status == VARVE_OK) {
        status = varve_compact(script->db, 0, NULL, &err);
    }
    manual_clock_set_wall(&script->world.clock, CRASH_LONG_AGO);
    if (status != VARVE_OK) {
        crash_fail(script, "moving", &err);
    }
}

static void crash_step(crash_script *script)
{
    const crash_workload *workload = script->workload;
    varve_error err;
    uint64_t kind = vv_random_below(&script->random, 100);
    uint64_t maintenance = workload->flushes + workload->merges + workload->reopens;
    manual_clock_advance(&script->world.clock, 1000000);
    uint64_t copies = maintenance + workload->snapshots;
    uint64_t expiries = copies + workload->restores;
    uint64_t rings = expiries + workload->expiries;
    uint64_t moves = rings + workload->rings;
    if (kind >= rings && kind < rings + workload->rings) {
        crash_change_ring(script);
    } else if (kind < rings && kind >= expiries) {
        crash_expire(script);
    } else if (kind >= moves && kind < moves + workload->moves) {
        crash_move(script);
    } else if (kind >= rings) {
        crash_commit(script, vv_random_below(&script->random, 100));
    } else if (kind >= copies) {
        crash_restore(script);
    } else if (kind >= maintenance) {
        crash_snapshot(script);
    } else if (kind < workload->flushes) {
        if (varve_flush(script->db, NULL, &err) == VARVE_OK) {
            script->durable = script->issued;
        } else {
            crash_fail(script, "flush", &err);
        }
    } else if (kind < workload->flushes + workload->merges) {
        if (varve_compact(script->db, kind % 2 == 0 ? VARVE_COMPACT_ALL : 0, NULL, &err) ==
            VARVE_OK) {
            script->durable = script->issued;
        } else {
            crash_fail(script, "compact", &err);
        }
    } else {
        crash_reopen(script);
    }
}

static void crash_hook(void *context, uint64_t changing_call, vv_vfs_op op, const char *path,
                       vv_sync_site site)
{
    (void)op;
    (void)path;
    (void)site;
    crash_script *script = context;
    if (script->moment_count < CRASH_POINTS_MAX) {
        script->moments[script->moment_count++] = (crash_moment){
            .point = vv_sim_capture(script->world.sim),
            .issued = script->issued,
            .durable = script->durable,
            .copies_begun = script->copies_begun,
            .copies_done = script->copies_done,
            .call = changing_call,
        };
    }
}

static crash_script *crash_play(const crash_workload *workload, vv_sync_site ignored, bool captures)
{
    crash_script *script = calloc(1, sizeof *script);
    crash_moment *moments = calloc(CRASH_POINTS_MAX, sizeof *moments);
    if (script == NULL || moments == NULL) {
        abort();
    }
    script->workload = workload;
    script->moments = moments;
    script->time = 10000;
    vv_random_init(&script->random, workload->seed);
    crash_world_init(&script->world, NULL, workload->seed);
    crash_world_set_clock(&script->world, workload);
    if (ignored != VV_SYNC_SITE_COUNT) {
        vv_sim_ignore_site(script->world.sim, ignored, true);
    }
    if (captures) {
        vv_sim_set_hook(script->world.sim, crash_hook, script);
    }
    if (crash_open(script)) {
        for (uint32_t i = 0; i < workload->steps && !script->has_failed; i++) {
            crash_step(script);
        }
    }
    varve_error err;
    if (script->db != NULL && varve_close(script->db, &err) != VARVE_OK) {
        crash_fail(script, "close", &err);
        varve_abandon(script->db);
    }
    vv_sim_set_hook(script->world.sim, NULL, NULL);
    return script;
}

static void crash_end(crash_script *script)
{
    for (size_t i = 0; i < script->moment_count; i++) {
        vv_sim_point_free(script->moments[i].point);
    }
    crash_world_deinit(&script->world);
    free(script->moments);
    free(script);
}

uint64_t crash_site_calls(const crash_workload *workload, vv_sync_site site)
{
    crash_script *script = crash_play(workload, VV_SYNC_SITE_COUNT, /* captures */ false);
    uint64_t calls = vv_sim_site_calls(script->world.sim, site);
    crash_end(script);
    return calls;
}

/* ---- the oracle ---- */

typedef struct crash_case {
    const crash_script *script;
    const crash_moment *moment;
    const crash_limits *limits;
    crash_report *report;
    char place[160];
} crash_case;

static void crash_report_failure(const crash_case *c, const char *format, const char *detail)
{
    if (c->report->failures++ == 0) {
        snprintf(c->report->first_failure, sizeof c->report->first_failure,
                 "workload %s, call %llu, %s: %s %s", c->script->workload->name,
                 (unsigned long long)c->moment->call, c->place, format, detail);
    }
}

/* The contents must be those after k batches, durable <= k <= issued. */
static bool crash_check_digest(const crash_case *c, varve_db *db, varve_verified *out_verified)
{
    varve_error err;
    varve_verified_init(out_verified);
    if (varve_verify(db, NULL, out_verified, &err) != VARVE_OK) {
        crash_report_failure(c, "verify:", err.message);
        return false;
    }
    uint64_t row_ids = 0;
    if (c->script->workload->has_row_ids && crash_sum_row_ids(db, &row_ids, &err) != VARVE_OK) {
        crash_report_failure(c, "row ids:", err.message);
        return false;
    }
    for (uint32_t k = c->moment->durable; k <= c->moment->issued; k++) {
        const crash_digest *expected = &c->script->expected[k];
        if (expected->digest[0] == out_verified->digest[0] &&
            expected->digest[1] == out_verified->digest[1] &&
            expected->rows == out_verified->rows && expected->row_ids == row_ids) {
            return true;
        }
    }
    char detail[200];
    snprintf(detail, sizeof detail,
             "%llu rows are those of no prefix from batch %u (%llu rows) to %u (%llu rows)",
             (unsigned long long)out_verified->rows, c->moment->durable,
             (unsigned long long)c->script->expected[c->moment->durable].rows, c->moment->issued,
             (unsigned long long)c->script->expected[c->moment->issued].rows);
    crash_report_failure(c, "the contents:", detail);
    return false;
}

static bool crash_write_after(const crash_case *c, varve_db *db)
{
    varve_error err;
    varve_value value = {.type = VARVE_TYPE_F64, .as.f64 = 1.5};
    varve_text field = VARVE_STR("value");
    varve_named_row rows[CRASH_ROWS_AFTER];
    for (size_t i = 0; i < CRASH_ROWS_AFTER; i++) {
        rows[i] = (varve_named_row){.metric = VARVE_STR("after"),
                                    .timestamp = (int64_t)i,
                                    .fields = &field,
                                    .values = &value,
                                    .count = 1};
    }
    varve_write_options options;
    varve_write_options_init(&options);
    if (varve_write(db, rows, CRASH_ROWS_AFTER, &options, NULL, &err) != VARVE_OK) {
        crash_report_failure(c, "writing afterwards:", err.message);
        return false;
    }
    return true;
}

/* One copy of the image: whole, or, where that is allowed, not there. */
static bool crash_check_copy(crash_case *c, const crash_world *world, uint32_t copy)
{
    varve_error err;
    varve_db *db;
    varve_verified verified;
    char path[16];
    bool exists = false;
    bool is_done = copy < c->moment->copies_done;
    varve_verified_init(&verified);
    if (vv_vfs_exists(world->env.vfs, crash_copy_path(copy, path), &exists, &err) == VARVE_OK &&
        !exists && !is_done) {
        return true;
    }
    varve_options options = crash_options(c->script->workload, world);
    bool is_writer = c->script->copies[copy].is_restored;
    options.warm_path.size = 0; /* a copy has all in one place */
    options.flags |= is_writer ? VARVE_OPEN_NO_CREATE : VARVE_OPEN_READONLY;
    if (varve_open(path, &options, &db, &err) != VARVE_OK) {
        crash_report_failure(c, "opening a copy:", err.message);
        return false;
    }
    varve_status status = varve_verify(db, NULL, &verified, &err);
    uint64_t row_ids = 0;
    if (status == VARVE_OK && c->script->workload->has_row_ids) {
        status = crash_sum_row_ids(db, &row_ids, &err);
    }
    varve_abandon(db);
    const crash_digest *expected = &c->script->expected[c->script->copies[copy].batch];
    if (status != VARVE_OK) {
        crash_report_failure(c, "verifying a copy:", err.message);
    } else if (verified.digest[0] != expected->digest[0] ||
               verified.digest[1] != expected->digest[1] || verified.rows != expected->rows ||
               row_ids != expected->row_ids) {
        crash_report_failure(c, "a copy", "has other rows than it was made with");
        status = VARVE_E_CORRUPT;
    }
    return status == VARVE_OK;
}

/* The youngest two, all of them where is_deep. */
static bool crash_check_copies(crash_case *c, const crash_world *world, bool is_deep)
{
    uint32_t begun = c->moment->copies_begun;
    uint32_t first = is_deep || begun < 2 ? 0 : begun - 2;
    for (uint32_t copy = first; copy < begun; copy++) {
        if (!crash_check_copy(c, world, copy)) {
            return false;
        }
    }
    return true;
}

/* The call that was cut can be made again, over what it left. */
static bool crash_copy_again(crash_case *c, const crash_world *world, varve_db *db)
{
    varve_error err;
    char path[16];
    bool exists = true;
    if (c->moment->copies_begun == c->moment->copies_done) {
        return true;
    }
    crash_copy_path(c->moment->copies_begun - 1, path);
    varve_status status = vv_vfs_exists(world->env.vfs, path, &exists, &err);
    if (status == VARVE_OK && !exists) {
        status = varve_snapshot(db, path, NULL, NULL, &err);
    }
    if (status != VARVE_OK) {
        crash_report_failure(c, "a snapshot again:", err.message);
    }
    return status == VARVE_OK;
}

/* Open, compare, write, cut everything unsynced away, open again: all of it must be there. */
static void crash_check_image(crash_case *c, const vv_sim_image *image, bool is_deep)
{
    const crash_workload *workload = c->script->workload;
    crash_world world;
    crash_world_init(&world, image, workload->seed + 1);
    crash_world_set_clock(&world, workload);
    varve_options options = crash_options(workload, &world);
    options.sync = VARVE_SYNC_GROUP;
    varve_db *db;
    varve_error err;
    varve_verified first;
    if (!crash_check_copies(c, &world, is_deep)) {
        crash_world_deinit(&world);
        return;
    }
    if (varve_open("/db", &options, &db, &err) != VARVE_OK) {
        crash_report_failure(c, "open:", err.message);
        crash_world_deinit(&world);
        return;
    }
    bool is_right =
        crash_check_digest(c, db, &first) && (!is_deep || crash_copy_again(c, &world, db));
    bool goes_on = is_right && is_deep && crash_write_after(c, db);
    vv_sim_point *point = goes_on ? vv_sim_capture(world.sim) : NULL;
    varve_abandon(db);
    crash_world_deinit(&world);
    if (!goes_on) {
        return;
    }
    vv_sim_cut cut = {.model = VV_SIM_CUT_NONE};
    vv_sim_image *after = vv_sim_power_cut(point, &cut);
    crash_world_init(&world, after, workload->seed + 2);
    crash_world_set_clock(&world, workload);
    options = crash_options(workload, &world);
    options.sync = VARVE_SYNC_GROUP;
    if (varve_open("/db", &options, &db, &err) != VARVE_OK) {
        crash_report_failure(c, "second open:", err.message);
    } else {
        varve_verified second;
        varve_verified_init(&second);
        if (varve_verify(db, NULL, &second, &err) != VARVE_OK) {
            crash_report_failure(c, "second verify:", err.message);
        } else if (second.rows != first.rows + CRASH_ROWS_AFTER) {
            crash_report_failure(c, "second open:", "rows were lost or came back");
        }
        varve_abandon(db);
    }
    crash_world_deinit(&world);
    vv_sim_image_free(after);
    vv_sim_point_free(point);
}

typedef struct crash_deep {
    vv_sim *sim;
    vv_sim_point **points;
    size_t count, capacity;
} crash_deep;

static void crash_deep_hook(void *context, uint64_t changing_call, vv_vfs_op op, const char *path,
                            vv_sync_site site)
{
    (void)changing_call;
    (void)op;
    (void)path;
    (void)site;
    crash_deep *deep = context;
    if (deep->count < deep->capacity) {
        deep->points[deep->count++] = vv_sim_capture(deep->sim);
    }
}

/* Crash the recovery of an image at each of its calls; the recovery of that must be right too. */
static void crash_check_recovery(crash_case *c, const vv_sim_image *image)
{
    enum { DEEP_POINTS = 400 };
    static vv_sim_point *points[DEEP_POINTS];
    crash_world world;
    crash_world_init(&world, image, c->script->workload->seed + 3);
    crash_world_set_clock(&world, c->script->workload);
    crash_deep deep = {.sim = world.sim, .points = points, .capacity = DEEP_POINTS};
    if (c->limits->ignores_in_recovery) {
        vv_sim_ignore_site(world.sim, c->limits->ignored, true);
    }
    vv_sim_set_hook(world.sim, crash_deep_hook, &deep);
    varve_options options = crash_options(c->script->workload, &world);
    varve_db *db;
    varve_error err;
    if (varve_open("/db", &options, &db, &err) == VARVE_OK) {
        varve_abandon(db);
    }
    vv_sim_set_hook(world.sim, NULL, NULL);
    for (size_t i = 0; i < deep.count; i++) {
        size_t images = vv_sim_image_count(points[i]);
        for (size_t at = 0; at < 3 && at < images; at++) {
            size_t index = at * (images - 1) / 2;
            vv_sim_image *inner = vv_sim_image_make(points[i], index, i);
            if (inner != NULL) {
                crash_case inner_case = *c;
                char place[160];
                snprintf(place, sizeof place, "%.90s, recovery call %zu image %zu", c->place, i,
                         index);
                memcpy(inner_case.place, place, sizeof place);
                crash_check_image(&inner_case, inner, /* is_deep */ false);
                c->report->recoveries++;
                vv_sim_image_free(inner);
            }
        }
        vv_sim_point_free(points[i]);
    }
    crash_world_deinit(&world);
}

/* ---- distinct states ---- */

typedef struct crash_seen {
    uint64_t *hashes;
    size_t count, capacity;
} crash_seen;

static bool crash_is_new(crash_seen *seen, uint64_t hash)
{
    if (seen->count * 2 >= seen->capacity) {
        crash_seen grown = {.capacity = seen->capacity == 0 ? 4096 : seen->capacity * 2};
        grown.hashes = calloc(grown.capacity, sizeof *grown.hashes);
        if (grown.hashes == NULL) {
            abort();
        }
        for (size_t i = 0; i < seen->capacity; i++) {
            if (seen->hashes[i] != 0) {
                (void)crash_is_new(&grown, seen->hashes[i]);
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

static bool crash_is_done(const crash_limits *limits, const crash_report *report, uint64_t begin)
{
    return (limits->stops_at_failure && report->failures > 0) ||
           (limits->states_max != 0 && report->states - begin >= limits->states_max);
}

static void crash_check_moment(crash_case *c, crash_seen *seen, uint64_t begin)
{
    const crash_limits *limits = c->limits;
    size_t images = vv_sim_image_count(c->moment->point);
    size_t wanted = images;
    if (limits->images_per_point_max != 0 && wanted > limits->images_per_point_max) {
        wanted = (size_t)limits->images_per_point_max;
    }
    for (size_t i = 0; i < wanted && !crash_is_done(limits, c->report, begin); i++) {
        /* Evenly over the enumeration; the first and the last are always among them. */
        size_t index = wanted == 1 ? 0 : i * (images - 1) / (wanted - 1);
        vv_sim_image *image = vv_sim_image_make(c->moment->point, index, c->moment->call);
        if (image == NULL) {
            continue;
        }
        uint64_t hash = vv_sim_image_hash(image) * 31 + c->moment->call;
        if (crash_is_new(seen, hash)) {
            vv_sim_image_describe(c->moment->point, index, c->place, sizeof c->place);
            c->report->states++;
            crash_check_image(c, image, /* is_deep */ c->report->states % 4 == 0);
            if (limits->recovery_every != 0 && c->report->states % limits->recovery_every == 0) {
                crash_check_recovery(c, image);
            }
        }
        vv_sim_image_free(image);
    }
}

void crash_run(const crash_workload *workload, const crash_limits *limits, crash_report *report)
{
    crash_script *script = crash_play(workload, limits->ignored, /* captures */ true);
    crash_seen seen = {0};
    uint64_t begin = report->states;
    if (script->has_failed) {
        report->failures++;
        snprintf(report->first_failure, sizeof report->first_failure, "workload %s itself: %s",
                 workload->name, script->failure);
    }
    report->points += script->moment_count;
    /* A limit on states is spread over the whole run: every n-th moment. */
    size_t stride = 1;
    if (limits->states_max != 0 && limits->images_per_point_max != 0) {
        uint64_t most = limits->states_max / limits->images_per_point_max + 1;
        stride = script->moment_count / (size_t)most + 1;
    }
    for (size_t i = 0; i < script->moment_count && !crash_is_done(limits, report, begin);
         i += stride) {
        crash_case c = {
            .script = script, .moment = &script->moments[i], .limits = limits, .report = report};
        crash_check_moment(&c, &seen, begin);
    }
    free(seen.hashes);
    crash_end(script);
}
