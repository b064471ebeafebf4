/* SPDX-License-Identifier: Apache-2.0 */
#include "support/crash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/random.h"
#include "support/crash_priv.h"
#include "varve.h"

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
     .scrubs = 8,
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
    {.name = "many series",
     .seed = 10,
     .steps = 40,
     .sync = VARVE_SYNC_GROUP,
     .is_wide = true,
     .deletes = 8,
     .flushes = 10,
     .merges = 6,
     .reopens = 5,
     .flush_rows = 200,
     .log_file_bytes = 65536},
    {.name = "late rows",
     .seed = 11,
     .steps = 60,
     .sync = VARVE_SYNC_GROUP,
     .is_late = true,
     .deletes = 5,
     .flushes = 10,
     .merges = 8,
     .reopens = 4,
     .flush_rows = 150,
     .log_file_bytes = 65536},
    {.name = "interval",
     .seed = 12,
     .steps = 50,
     .sync = VARVE_SYNC_INTERVAL,
     .sync_interval_ms = 1,
     .deletes = 6,
     .flushes = 6,
     .merges = 4,
     .reopens = 4,
     .bulks = 3,
     .flush_rows = 300,
     .log_file_bytes = 65536},
    {.name = "short",
     .seed = 13,
     .steps = 12,
     .sync = VARVE_SYNC_GROUP,
     .is_short = true,
     .deletes = 20,
     .flushes = 15,
     .merges = 10,
     .reopens = 10,
     .flush_rows = 100,
     .log_file_bytes = 65536},
    {.name = "short, keeps all",
     .seed = 14,
     .steps = 10,
     .sync = VARVE_SYNC_GROUP,
     .keeps_all = true,
     .is_short = true,
     .deletes = 20,
     .flushes = 15,
     .merges = 15,
     .reopens = 10,
     .bulks = 5,
     .flush_rows = 60,
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
    {.name = "rollups",
     .seed = 16,
     .steps = 60,
     .sync = VARVE_SYNC_GROUP,
     .deletes = 15,
     .flushes = 12,
     .merges = 8,
     .reopens = 6,
     .snapshots = 4,
     .restores = 2,
     .rollups = 20,
     .flush_rows = 200,
     .log_file_bytes = 65536},
    {.name = "full disk",
     .seed = 17,
     .steps = 45,
     .sync = VARVE_SYNC_GROUP,
     .flushes = 4,
     .merges = 4,
     .reopens = 4,
     .bulks = 100,
     .disk_bytes = 512 * 1024,
     .flush_rows = 6000,
     .log_file_bytes = 65536},
};
const size_t crash_workload_count = sizeof crash_workloads / sizeof crash_workloads[0];

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

void crash_world_init(crash_world *world, const vv_sim_image *image, uint64_t seed)
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

void crash_world_set_clock(crash_world *world, const crash_workload *workload)
{
    if (workload->expiries + workload->moves > 0) {
        manual_clock_set_wall(&world->clock, CRASH_LONG_AGO);
    }
}

void crash_world_deinit(crash_world *world)
{
    vv_sim_free(world->sim);
}

varve_options crash_options(const crash_workload *workload, const crash_world *world)
{
    varve_options options;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_NO_BACKGROUND;
    options.environment = &world->env;
    options.duplicates = workload->keeps_all ? VARVE_DUPLICATES_ALL : VARVE_DUPLICATES_LAST;
    options.row_ids = workload->has_row_ids ? VARVE_ROW_IDS_ON : VARVE_ROW_IDS_STORED;
    options.sync = workload->sync;
    options.sync_interval_ms = workload->sync_interval_ms;
    options.flush_rows = workload->flush_rows;
    options.log_file_bytes = workload->log_file_bytes;
    options.merge_fan_in = 2;
    options.retention_grace_ms = 1;
    if (workload->moves > 0) {
        options.warm_path = VARVE_STR("/warm");
    }
    if (workload->disk_bytes > 0) {
        options.min_free_bytes = 128 * 1024;
        options.reserve_bytes = 128 * 1024;
        options.write_timeout_ms = 1;
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
        script->failed_status = err->status;
        snprintf(script->failure, sizeof script->failure, "%s: %s", what, err->message);
    }
}

/* What a full disk refuses has had no effect, and is no failure. */
static bool crash_is_full(const crash_script *script, const varve_error *err)
{
    return script->workload->disk_bytes > 0 && err->status == VARVE_E_NOSPACE;
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
    static const char *const names[CRASH_FIELDS] = {"value", "count",   "text",  "flag",
                                                    "total", "payload", "spread"};
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
    for (size_t i = 0; i < CRASH_FIELDS; i++) {
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

uint64_t crash_row_id_hash(uint64_t row_id, uint64_t time)
{
    return (row_id * UINT64_C(0x9e3779b97f4a7c15)) ^ time;
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
            *out_sum += crash_row_id_hash(block->row_ids[i], time);
        }
    }
    varve_cursor_close(cursor);
    return status;
}

varve_status crash_contents(const crash_workload *workload, varve_db *db, crash_digest *out_digest,
                            varve_error *err)
{
    varve_verified verified;
    varve_verified_init(&verified);
    *out_digest = (crash_digest){.rows = 0};
    varve_status status = varve_verify(db, NULL, &verified, err);
    if (status == VARVE_OK && workload->has_row_ids) {
        status = crash_sum_row_ids(db, &out_digest->row_ids, err);
    }
    out_digest->digest[0] = verified.digest[0];
    out_digest->digest[1] = verified.digest[1];
    out_digest->rows = verified.rows;
    return status;
}

static void crash_remember(crash_script *script)
{
    varve_error err;
    crash_digest contents;
    if (crash_contents(script->workload, script->db, &contents, &err) != VARVE_OK) {
        crash_fail(script, "contents", &err);
        return;
    }
    crash_figures figures = crash_figures_of(script->db);
    script->expected[script->issued] = contents;
    script->counters[script->issued] = (crash_counters){figures.sequence, figures.lsn};
    script->remembered = script->issued;
}

static int64_t crash_time(crash_script *script)
{
    script->time += 10;
    uint64_t kind = vv_random_below(&script->random, script->workload->is_late ? 4 : 12);
    if (kind == 0) {
        return script->time - (int64_t)vv_random_below(&script->random, 2000);
    }
    return kind == 1 ? script->time - 10 : script->time;
}

/* One of 300 names: most of them have not been seen yet. */
static varve_status crash_new_series(crash_script *script, varve_series *out_series,
                                     varve_error *err)
{
    char host[16];
    int size = snprintf(host, sizeof host, "h%u", (unsigned)vv_random_below(&script->random, 300));
    varve_label label = {VARVE_STR("host"), {host, (size_t)size}};
    return varve_series_resolve(script->db, VARVE_STR("m"), &label, 1, 0, out_series, err);
}

/* A new row; id not NULL: it replaces that one. */
static varve_status crash_add_row(crash_script *script, varve_batch *batch, const varve_row_id *id,
                                  varve_error *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    varve_value values[CRASH_FIELDS];
    varve_span spans[1] = {{.offset = (int32_t)vv_random_below(&script->random, 9), .length = 2}};
    int64_t deltas[2] = {1 + (int64_t)vv_random_below(&script->random, 9), 1};
    varve_histogram histogram = {.schema = 3,
                                 .sum = 2.5,
                                 .count.u64 = (uint64_t)(2 * deltas[0] + 1),
                                 .positive_spans = spans,
                                 .positive_span_count = 1,
                                 .positive_deltas = deltas,
                                 .positive_bucket_count = 2};
    memset(values, 0, sizeof values);
    values[0].type = VARVE_TYPE_F64;
    values[0].as.f64 = (double)vv_random_below(&script->random, 1000) / 10.0;
    values[1].type = VARVE_TYPE_I64;
    values[1].as.i64 = (int64_t)vv_random_below(&script->random, 50);
    values[2].type = VARVE_TYPE_STRING;
    values[2].as.bytes = (varve_text){letters, vv_random_below(&script->random, 20)};
    values[3].type = VARVE_TYPE_BOOL;
    values[3].as.boolean = vv_random_below(&script->random, 2) == 0;
    values[4].type = VARVE_TYPE_U64;
    values[4].as.u64 = UINT64_MAX - vv_random_below(&script->random, 1000);
    values[5].type = VARVE_TYPE_BYTES;
    values[5].as.bytes = (varve_text){letters + 3, vv_random_below(&script->random, 16)};
    values[6].type = VARVE_TYPE_HISTOGRAM;
    values[6].as.histogram = &histogram;
    varve_series series = script->series[vv_random_below(&script->random, CRASH_SERIES)];
    if (script->workload->is_wide && vv_random_below(&script->random, 3) == 0 &&
        crash_new_series(script, &series, err) != VARVE_OK) {
        return err->status;
    }
    varve_row row = {
        .series = series,
        .timestamp = crash_time(script),
        .fields = script->fields,
        .values = values,
        .count = 1 + vv_random_below(&script->random, CRASH_FIELDS),
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

/* The older half goes, by a delete that a full disk must take, and a merge that gives its bytes
 * back as far as it finds room. */
static void crash_make_room(crash_script *script)
{
    varve_error err;
    varve_selection all = {.kind = VARVE_SELECT_ALL};
    script->deleted_before += (script->time - script->deleted_before) / 2;
    script->issued++;
    if (varve_delete(script->db, &all, 1, (varve_range){INT64_MIN, script->deleted_before}, NULL,
                     NULL, &err) != VARVE_OK) {
        crash_fail(script, "delete", &err);
        return;
    }
    script->durable = script->issued;
    crash_remember(script);
    if (varve_compact(script->db, VARVE_COMPACT_ALL, NULL, &err) != VARVE_OK &&
        !crash_is_full(script, &err)) {
        crash_fail(script, "compact", &err);
    }
    manual_clock_advance(&script->world.clock, 2 * VV_NS_PER_S); /* free space is looked at again */
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
    if (status != VARVE_OK && crash_is_full(script, &err)) {
        script->issued--; /* the number goes to the next batch */
        script->refused++;
        crash_make_room(script);
        return;
    }
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
        if (!crash_is_full(script, &err)) {
            crash_fail(script, "close", &err);
            return; /* it stays open */
        }
        varve_abandon(script->db);
    } else {
        script->durable = script->issued; /* a clean close flushes */
    }
    script->db = NULL;
    if (!crash_open(script)) {
        return;
    }
    /* What the process before has written is on the disk now, whatever its mode was. */
    crash_digest before = script->expected[script->issued];
    crash_counters counters = script->counters[script->issued];
    crash_remember(script);
    script->counters[script->issued] = counters; /* sequences that were given to rows */
    script->durable = script->issued;
    if (memcmp(&before, &script->expected[script->issued], sizeof before) != 0) {
        crash_fail(script, "opening again", &(varve_error){.message = "shows other rows"});
    }
}

const char *crash_copy_path(uint32_t copy, char buffer[16])
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
        return;
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
        return;
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
    script->issued++;
    for (int i = 0; i < 2 && status == VARVE_OK; i++) {
        status = varve_compact(script->db, 0, NULL, &err);
        atomic_fetch_add(&clock->mono_ns, 2 * VV_NS_PER_MS);
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

/* A pass over one rollup: what it writes is one batch. */
static void crash_roll(crash_script *script)
{
    varve_error err;
    varve_rollup sums;
    memset(&sums, 0, sizeof sums);
    sums.id = VARVE_STR("sums");
    sums.metric = VARVE_STR("m");
    sums.interval = CRASH_INTERVAL;
    sums.aggregation = VARVE_AGG_SUM;
    sums.flags = VARVE_ROLLUP_ALL_FIELDS;
    varve_status status = varve_policy_rollups(script->db, &sums, 1, &err);
    if (status == VARVE_OK) {
        script->issued++;
        status = varve_rollup_run(script->db, NULL, &err);
    }
    if (status != VARVE_OK) {
        crash_fail(script, "rollups", &err);
        return;
    }
    script->durable = script->issued; /* this workload's batches are */
    crash_remember(script);
}

/* What it found goes to the manifest; the contents stay. */
static void crash_scrub(crash_script *script)
{
    varve_error err;
    varve_scrubbed found;
    varve_scrub_options options;
    varve_scrubbed_init(&found);
    varve_scrub_options_init(&options);
    options.bytes_per_second = UINT64_MAX;
    if (varve_scrub(script->db, &options, NULL, &found, &err) != VARVE_OK) {
        crash_fail(script, "scrub", &err);
    } else if (found.damaged_places > 0) {
        crash_fail(script, "scrub", &(varve_error){.message = "finds damage"});
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
    uint64_t rollups = moves + workload->moves;
    uint64_t scrubs = rollups + workload->rollups;
    if (kind >= scrubs && kind < scrubs + workload->scrubs) {
        crash_scrub(script);
    } else if (kind >= rollups && kind < rollups + workload->rollups) {
        crash_roll(script);
    } else if (kind >= rings && kind < rings + workload->rings) {
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
        } else if (!crash_is_full(script, &err)) {
            crash_fail(script, "flush", &err);
        }
    } else if (kind < workload->flushes + workload->merges) {
        if (varve_compact(script->db, kind % 2 == 0 ? VARVE_COMPACT_ALL : 0, NULL, &err) ==
            VARVE_OK) {
            script->durable = script->issued;
        } else if (!crash_is_full(script, &err)) {
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

crash_script *crash_play(const crash_workload *workload, const crash_play_options *options)
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
    if (workload->disk_bytes > 0) {
        vv_sim_set_capacity(script->world.sim, workload->disk_bytes);
    }
    if (options->ignored != VV_SYNC_SITE_COUNT) {
        vv_sim_ignore_site(script->world.sim, options->ignored, true);
    }
    if (options->fault != NULL) {
        vv_sim_set_sync_fault(script->world.sim, options->fault);
    }
    if (options->captures) {
        vv_sim_set_hook(script->world.sim, crash_hook, script);
    }
    if (crash_open(script)) {
        /* Before there are rows: a series that has some becomes no ring. */
        for (uint32_t i = 0; i < CRASH_RINGS && workload->rings > 0; i++) {
            crash_change_ring(script);
        }
        for (uint32_t i = 0; i < workload->steps && !script->has_failed; i++) {
            crash_step(script);
        }
    }
    varve_error err;
    bool is_left = options->stays_open && script->has_failed;
    if (!is_left && script->db != NULL) {
        if (varve_close(script->db, &err) != VARVE_OK) {
            if (!crash_is_full(script, &err)) {
                crash_fail(script, "close", &err);
            }
            varve_abandon(script->db);
        }
        script->db = NULL;
    }
    vv_sim_set_hook(script->world.sim, NULL, NULL);
    return script;
}

void crash_end(crash_script *script)
{
    varve_abandon(script->db);
    for (size_t i = 0; i < script->moment_count; i++) {
        vv_sim_point_free(script->moments[i].point);
    }
    crash_world_deinit(&script->world);
    free(script->moments);
    free(script);
}

uint64_t crash_site_calls(const crash_workload *workload, vv_sync_site site)
{
    crash_play_options options = {.ignored = VV_SYNC_SITE_COUNT};
    crash_script *script = crash_play(workload, &options);
    uint64_t calls = vv_sim_site_calls(script->world.sim, site);
    crash_end(script);
    return calls;
}
