/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an image of the disk turns out to hold, and whether that is sound in itself. All that needs
 * no knowledge of what had been promised is checked here, once for each distinct image:
 *
 *   I6   the label index, the list of series and a full scan tell the same
 *   I7   a second recovery shows the same contents
 *   I8   rows written afterwards survive the next cut
 *   I9   snapshots and restored databases are whole, with the rows of their moment, or not there
 *   I10  the directory holds what the manifest names, the log and the fixed files, nothing else
 *   I11  every block is read and verified
 *   I12  counts, extremes, sums and times from statistics agree with the rows
 *   I14  all memory and all files are given back
 *
 * I1 to I5 and I13 compare the outcome with the moment: crash_enum.c.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "support/crash_priv.h"
#include "support/failing_alloc.h"
#include "support/rollup_check.h"

enum { ORACLE_SERIES_MAX = 512, ORACLE_STATS_MAX = 200 };

/* One life of the image. */
typedef struct oracle_life {
    crash_world world;
    failing_alloc memory;
    varve_allocator allocator;
    varve_db *db;
} oracle_life;

/* What a scan of the rows of one series gives, or its statistics. */
typedef struct oracle_series {
    uint64_t id;
    uint64_t count; /* values of the field `value` */
    double least, greatest, sum, magnitude;
    int64_t first, last; /* times of the first and last of them */
} oracle_series;

typedef struct oracle_scan {
    oracle_series series[ORACLE_SERIES_MAX];
    size_t series_count;
    uint64_t rows;
} oracle_scan;

static bool crash_oracle_wrong(crash_outcome *outcome, const char *what, const char *detail)
{
    if (outcome->failure == NULL) {
        char text[400];
        snprintf(text, sizeof text, "%s: %s", what, detail);
        outcome->failure = strdup(text);
        if (outcome->failure == NULL) {
            abort();
        }
    }
    return false;
}

/* ---- lives ---------------------------------------------------------------------------------- */

static bool crash_oracle_open(oracle_life *life, const crash_subject *subject,
                              const vv_sim_image *image, uint64_t seed, crash_outcome *outcome)
{
    varve_error err;
    memset(life, 0, sizeof *life);
    crash_world_init(&life->world, image, seed);
    crash_world_set_clock(&life->world, subject->script->workload);
    if (subject->ignores_site) {
        vv_sim_ignore_site(life->world.sim, subject->ignored, true);
    }
    failing_alloc_init(&life->memory);
    life->allocator = failing_alloc_source(&life->memory);
    varve_options options = crash_options(subject->script->workload, &life->world);
    options.sync = VARVE_SYNC_GROUP;
    options.allocator = &life->allocator;
    if (varve_open("/db", &options, &life->db, &err) != VARVE_OK) {
        return crash_oracle_wrong(outcome, "open", err.message);
    }
    return true;
}

/* Ends the database without a word to the disk; `outcome` gets what was not given back (I14). */
static void crash_oracle_leave(oracle_life *life, crash_outcome *outcome)
{
    varve_abandon(life->db);
    life->db = NULL;
    if (life->memory.live != 0) {
        (void)crash_oracle_wrong(outcome, "memory", "is not given back");
    }
    if (vv_sim_open_files(life->world.sim) != 0) {
        (void)crash_oracle_wrong(outcome, "files", "are left open");
    }
}

static bool crash_oracle_digest(const crash_subject *subject, varve_db *db,
                                crash_digest *out_digest, crash_outcome *outcome, const char *what)
{
    varve_error err;
    return crash_contents(subject->script->workload, db, out_digest, &err) == VARVE_OK ||
           crash_oracle_wrong(outcome, what, err.message);
}

/* ---- figures -------------------------------------------------------------------------------- */

crash_figures crash_figures_of(varve_db *db)
{
    static const struct {
        const char *name;
        size_t offset;
    } wanted[] = {
        {"varve_visible_sequence", offsetof(crash_figures, sequence)},
        {"varve_wal_durable_lsn", offsetof(crash_figures, lsn)},
        {"varve_segments", offsetof(crash_figures, segments)},
        {"varve_segment_bytes", offsetof(crash_figures, segment_bytes)},
        {"varve_tombstones", offsetof(crash_figures, tombstones)},
    };
    varve_stat stats[ORACLE_STATS_MAX];
    size_t count = 0;
    varve_error err;
    crash_figures figures = {0};
    if (varve_stats(db, stats, ORACLE_STATS_MAX, &count, &err) != VARVE_OK) {
        return figures;
    }
    for (size_t i = 0; i < count && i < ORACLE_STATS_MAX; i++) {
        for (size_t k = 0; k < sizeof wanted / sizeof wanted[0]; k++) {
            if (strcmp(stats[i].name, wanted[k].name) == 0) {
                uint64_t value = (uint64_t)stats[i].value;
                memcpy((char *)&figures + wanted[k].offset, &value, sizeof value);
            }
        }
    }
    return figures;
}

/* ---- I10: files ----------------------------------------------------------------------------- */

typedef struct oracle_directory {
    uint64_t files, bytes;
} oracle_directory;

static oracle_directory crash_oracle_list(const crash_world *world, const char *path)
{
    oracle_directory found = {0};
    vv_dir_list list;
    varve_error err;
    if (vv_vfs_list(world->env.vfs, world->env.alloc, path, &list, &err) != VARVE_OK) {
        return found;
    }
    for (size_t i = 0; i < list.count; i++) {
        char name[VV_PATH_BYTES_MAX];
        vv_file_info info;
        snprintf(name, sizeof name, "%s/%s", path, list.entries[i].name);
        if (vv_vfs_stat(world->env.vfs, name, &info, &err) == VARVE_OK) {
            found.files++;
            found.bytes += (uint64_t)info.size;
        }
    }
    vv_dir_list_deinit(&list);
    return found;
}

static bool crash_oracle_check_root(const oracle_life *life, crash_outcome *outcome)
{
    static const char *const known[] = {"IDENT", "LOCK", "RESERVE",    "del", "manifest",
                                        "ring",  "seg",  "quarantine", "tmp", "wal"};
    vv_dir_list list;
    varve_error err;
    if (vv_vfs_list(life->world.env.vfs, life->world.env.alloc, "/db", &list, &err) != VARVE_OK) {
        return crash_oracle_wrong(outcome, "list", err.message);
    }
    bool is_right = true;
    for (size_t i = 0; i < list.count; i++) {
        bool is_known = false;
        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++) {
            is_known = is_known || strcmp(known[k], list.entries[i].name) == 0;
        }
        is_right = is_right &&
                   (is_known || crash_oracle_wrong(outcome, "a stray file", list.entries[i].name));
    }
    vv_dir_list_deinit(&list);
    return is_right;
}

static bool crash_oracle_check_files(oracle_life *life, crash_outcome *outcome)
{
    crash_figures figures = crash_figures_of(life->db);
    oracle_directory segments = crash_oracle_list(&life->world, "/db/seg");
    oracle_directory warm = crash_oracle_list(&life->world, "/warm/seg");
    segments.files += warm.files;
    segments.bytes += warm.bytes;
    oracle_directory deletes = crash_oracle_list(&life->world, "/db/del");
    oracle_directory manifests = crash_oracle_list(&life->world, "/db/manifest");
    oracle_directory staged = crash_oracle_list(&life->world, "/db/tmp");
    oracle_directory logs = crash_oracle_list(&life->world, "/db/wal");
    char detail[200];
    if (segments.files != figures.segments || segments.bytes != figures.segment_bytes ||
        (figures.tombstones == 0) != (deletes.files == 0) || manifests.files < 1 ||
        manifests.files > 2 || staged.files != 0 || logs.files != 1) {
        snprintf(detail, sizeof detail,
                 "seg %llu (%llu bytes) for %llu (%llu), del %llu for %llu, manifest %llu, "
                 "tmp %llu, wal %llu",
                 (unsigned long long)segments.files, (unsigned long long)segments.bytes,
                 (unsigned long long)figures.segments, (unsigned long long)figures.segment_bytes,
                 (unsigned long long)deletes.files, (unsigned long long)figures.tombstones,
                 (unsigned long long)manifests.files, (unsigned long long)staged.files,
                 (unsigned long long)logs.files);
        return crash_oracle_wrong(outcome, "files", detail);
    }
    return crash_oracle_check_root(life, outcome);
}

/* ---- I6, I12: index and derived data -------------------------------------------------------- */

static oracle_series *crash_oracle_slot(oracle_scan *scan, uint64_t id)
{
    for (size_t i = 0; i < scan->series_count; i++) {
        if (scan->series[i].id == id) {
            return &scan->series[i];
        }
    }
    if (scan->series_count == ORACLE_SERIES_MAX) {
        abort(); /* a workload with more series needs a larger table */
    }
    oracle_series *slot = &scan->series[scan->series_count++];
    *slot = (oracle_series){.id = id};
    return slot;
}

static void crash_oracle_add(oracle_series *slot, int64_t time, double value)
{
    bool is_first = slot->count == 0;
    slot->least = is_first || value < slot->least ? value : slot->least;
    slot->greatest = is_first || value > slot->greatest ? value : slot->greatest;
    slot->first = is_first || time < slot->first ? time : slot->first;
    slot->last = is_first || time > slot->last ? time : slot->last;
    slot->sum += value;
    slot->magnitude += fabs(value);
    slot->count++;
}

static bool crash_oracle_has(const varve_column *column, size_t row)
{
    return column->present == NULL || vv_bits_get(column->present, row);
}

/* The column of the field `value`; NULL: no row has it. */
static const varve_column *crash_oracle_value(const varve_block *block)
{
    for (size_t i = 0; i < block->column_count; i++) {
        if (block->column_names[i].size == 5 &&
            memcmp(block->column_names[i].data, "value", 5) == 0) {
            return &block->columns[i];
        }
    }
    return NULL;
}

/* Rows of a raw block into the scan; a series counts also without that field. */
static void crash_oracle_take_raw(oracle_scan *scan, const varve_block *block)
{
    oracle_series *slot = crash_oracle_slot(scan, block->series.id);
    const varve_column *column = crash_oracle_value(block);
    for (size_t row = 0; column != NULL && row < block->rows; row++) {
        if (crash_oracle_has(column, row)) {
            crash_oracle_add(slot, block->timestamps[row], ((const double *)column->values)[row]);
        }
    }
    scan->rows += block->rows;
}

static uint64_t crash_oracle_u64(const varve_column *column)
{
    uint64_t value = 0;
    if (crash_oracle_has(column, 0)) {
        memcpy(&value, column->values, sizeof value);
    }
    return value;
}

static double crash_oracle_f64(const varve_column *column)
{
    uint64_t bits = crash_oracle_u64(column);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The outputs of crash_oracle_statistics, in their order. */
static void crash_oracle_take_statistics(oracle_scan *scan, const varve_block *block)
{
    if (block->rows == 0) {
        return;
    }
    oracle_series *slot = crash_oracle_slot(scan, block->series.id);
    slot->count = crash_oracle_u64(&block->columns[0]);
    slot->least = crash_oracle_f64(&block->columns[1]);
    slot->greatest = crash_oracle_f64(&block->columns[2]);
    slot->sum = crash_oracle_f64(&block->columns[3]);
    slot->first = (int64_t)crash_oracle_u64(&block->columns[4]);
    slot->last = (int64_t)crash_oracle_u64(&block->columns[5]);
}

typedef void (*oracle_taker)(oracle_scan *scan, const varve_block *block);

static varve_status crash_oracle_query(varve_db *db, const varve_query_options *query,
                                       oracle_taker take, oracle_scan *scan, varve_error *err)
{
    varve_cursor *cursor = NULL;
    const varve_block *block = NULL;
    varve_status status = varve_query(db, query, &cursor, err);
    while (status == VARVE_OK) {
        status = varve_cursor_next(cursor, &block, err);
        if (status != VARVE_OK || block == NULL) {
            break;
        }
        take(scan, block);
    }
    varve_cursor_close(cursor);
    return status;
}

/* matcher NULL: all rows. */
static varve_status crash_oracle_rows(varve_db *db, const varve_matcher *matcher, oracle_scan *scan,
                                      varve_error *err)
{
    varve_query_options query;
    varve_selection selection;
    varve_query_options_init(&query);
    memset(&selection, 0, sizeof selection);
    selection.kind = VARVE_SELECT_MATCH;
    selection.matchers = matcher;
    selection.matcher_count = 1;
    query.selections = &selection;
    query.selection_count = matcher == NULL ? 0 : 1;
    memset(scan, 0, sizeof *scan);
    return crash_oracle_query(db, &query, crash_oracle_take_raw, scan, err);
}

static varve_status crash_oracle_statistics(varve_db *db, oracle_scan *scan, varve_error *err)
{
    static const uint32_t aggregations[] = {VARVE_AGG_COUNT,      VARVE_AGG_MIN,
                                            VARVE_AGG_MAX,        VARVE_AGG_SUM,
                                            VARVE_AGG_FIRST_TIME, VARVE_AGG_LAST_TIME};
    enum { OUTPUTS = sizeof aggregations / sizeof aggregations[0] };
    varve_query_options query;
    varve_output outputs[OUTPUTS];
    varve_query_options_init(&query);
    memset(outputs, 0, sizeof outputs);
    for (size_t i = 0; i < OUTPUTS; i++) {
        outputs[i].aggregation = aggregations[i];
        outputs[i].name = VARVE_STR("value");
    }
    query.outputs = outputs;
    query.output_count = OUTPUTS;
    memset(scan, 0, sizeof *scan);
    return crash_oracle_query(db, &query, crash_oracle_take_statistics, scan, err);
}

static bool crash_oracle_same(const oracle_series *rows, const oracle_series *statistics)
{
    return rows->count == statistics->count &&
           (rows->count == 0 ||
            (memcmp(&rows->least, &statistics->least, sizeof rows->least) == 0 &&
             memcmp(&rows->greatest, &statistics->greatest, sizeof rows->greatest) == 0 &&
             rows->first == statistics->first && rows->last == statistics->last &&
             fabs(rows->sum - statistics->sum) <= 1e-11 * rows->magnitude));
}

/* I12 */
static bool crash_oracle_check_derived(oracle_life *life, oracle_scan *rows, crash_outcome *outcome)
{
    oracle_scan statistics;
    varve_error err;
    if (crash_oracle_rows(life->db, NULL, rows, &err) != VARVE_OK ||
        crash_oracle_statistics(life->db, &statistics, &err) != VARVE_OK) {
        return crash_oracle_wrong(outcome, "query", err.message);
    }
    for (size_t i = 0; i < rows->series_count; i++) {
        const oracle_series *series = &rows->series[i];
        if (!crash_oracle_same(series, crash_oracle_slot(&statistics, series->id))) {
            return crash_oracle_wrong(outcome, "statistics", "differ from the rows");
        }
    }
    return statistics.series_count == rows->series_count ||
           crash_oracle_wrong(outcome, "statistics", "know a series without rows");
}

static bool crash_oracle_count_list(varve_status status, varve_cursor *cursor, uint64_t *out_count,
                                    varve_error *err)
{
    const varve_block *block = NULL;
    *out_count = 0;
    while (status == VARVE_OK) {
        status = varve_cursor_next(cursor, &block, err);
        if (status != VARVE_OK || block == NULL) {
            break;
        }
        *out_count += block->rows;
    }
    varve_cursor_close(cursor);
    return status == VARVE_OK;
}

/* I6: one label value and its opposite; the list of series and of values. */
static bool crash_oracle_check_index(oracle_life *life, const oracle_scan *all,
                                     crash_outcome *outcome)
{
    oracle_scan some;
    varve_error err;
    varve_list_options list;
    varve_cursor *cursor = NULL;
    uint64_t count = 0;
    char host = (char)('a' + outcome->key % CRASH_SERIES);
    varve_matcher matcher = {
        .name = VARVE_STR("host"), .value = {&host, 1}, .kind = VARVE_MATCH_EQUAL};
    if (crash_oracle_rows(life->db, &matcher, &some, &err) != VARVE_OK) {
        return crash_oracle_wrong(outcome, "query", err.message);
    }
    uint64_t rows = some.rows;
    matcher.kind = VARVE_MATCH_NOT_EQUAL;
    if (crash_oracle_rows(life->db, &matcher, &some, &err) != VARVE_OK) {
        return crash_oracle_wrong(outcome, "query", err.message);
    }
    if (rows + some.rows != all->rows) {
        return crash_oracle_wrong(outcome, "index", "matchers and the full scan differ");
    }
    varve_list_options_init(&list);
    varve_status status = varve_series_list(life->db, &list, &cursor, &err);
    if (!crash_oracle_count_list(status, cursor, &count, &err)) {
        return crash_oracle_wrong(outcome, "list", err.message);
    }
    return count == all->series_count ||
           crash_oracle_wrong(outcome, "index", "the list of series and the full scan differ");
}

/* ---- I9: copies ----------------------------------------------------------------------------- */

static bool crash_oracle_check_copy(const oracle_life *life, const crash_subject *subject,
                                    uint32_t copy, crash_outcome *outcome)
{
    varve_error err;
    varve_db *db;
    char path[16];
    bool exists = false;
    crash_copy_path(copy, path);
    if (vv_vfs_exists(life->world.env.vfs, path, &exists, &err) == VARVE_OK && !exists) {
        outcome->copies[copy] = CRASH_COPY_ABSENT;
        return true;
    }
    const crash_copy *made = &subject->script->copies[copy];
    varve_options options = crash_options(subject->script->workload, &life->world);
    options.warm_path.size = 0; /* a copy has all in one place */
    options.flags |= made->is_restored ? VARVE_OPEN_NO_CREATE : VARVE_OPEN_READONLY;
    if (varve_open(path, &options, &db, &err) != VARVE_OK) {
        return crash_oracle_wrong(outcome, "opening a copy", err.message);
    }
    crash_digest found = {0};
    bool is_right = crash_oracle_digest(subject, db, &found, outcome, "verifying a copy");
    varve_abandon(db);
    if (is_right && memcmp(&found, &subject->script->expected[made->batch], sizeof found) != 0) {
        return crash_oracle_wrong(outcome, "a copy", "has other rows than it was made with");
    }
    outcome->copies[copy] = CRASH_COPY_WHOLE;
    return is_right;
}

/* The youngest three, and for one image of eight all of them. */
static bool crash_oracle_check_copies(const oracle_life *life, const crash_subject *subject,
                                      crash_outcome *outcome)
{
    uint32_t begun = subject->copies_begun;
    uint32_t first = begun > 3 && outcome->key % 8 != 0 ? begun - 3 : 0;
    bool is_right = true;
    memset(outcome->copies, CRASH_COPY_WHOLE, sizeof outcome->copies);
    for (uint32_t copy = first; copy < begun && is_right; copy++) {
        is_right = crash_oracle_check_copy(life, subject, copy, outcome);
    }
    return is_right;
}

/* The call that was cut can be made again, over what it left. */
static bool crash_oracle_copy_again(const oracle_life *life, const crash_subject *subject,
                                    crash_outcome *outcome)
{
    varve_error err;
    char path[16];
    if (subject->copies_begun == subject->copies_done ||
        outcome->copies[subject->copies_begun - 1] != CRASH_COPY_ABSENT) {
        return true;
    }
    crash_copy_path(subject->copies_begun - 1, path);
    return varve_snapshot(life->db, path, NULL, NULL, &err) == VARVE_OK ||
           crash_oracle_wrong(outcome, "a snapshot again", err.message);
}

/* ---- I7, I8: going on ----------------------------------------------------------------------- */

static varve_status crash_oracle_write(varve_db *db, uint64_t *out_sequence, varve_error *err)
{
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
    varve_written written;
    varve_write_options_init(&options);
    varve_written_init(&written);
    varve_status status = varve_write(db, rows, CRASH_ROWS_AFTER, &options, &written, err);
    *out_sequence = written.first_row_id;
    return status;
}

/* The digest of what crash_oracle_write writes; digests of disjoint series add up. */
static crash_digest crash_oracle_after(const crash_workload *workload, uint64_t sequence)
{
    static crash_digest written;
    if (written.rows == 0) {
        const crash_workload plain = {.name = "after"};
        varve_options options;
        varve_db *db;
        varve_error err;
        uint64_t ignored;
        varve_options_init(&options);
        if (varve_open(NULL, &options, &db, &err) != VARVE_OK ||
            crash_oracle_write(db, &ignored, &err) != VARVE_OK ||
            crash_contents(&plain, db, &written, &err) != VARVE_OK) {
            abort();
        }
        varve_abandon(db);
    }
    crash_digest after = written;
    for (uint64_t i = 0; workload->has_row_ids && i < CRASH_ROWS_AFTER; i++) {
        after.row_ids += crash_row_id_hash(sequence + i, i);
    }
    return after;
}

static void crash_oracle_second_life(const crash_subject *subject, const vv_sim_image *image,
                                     crash_outcome *outcome)
{
    oracle_life life;
    crash_digest second = {0};
    const crash_workload *workload = subject->script->workload;
    crash_digest expected = crash_oracle_after(workload, outcome->sequence);
    expected.digest[0] += outcome->found.digest[0];
    expected.digest[1] += outcome->found.digest[1];
    expected.rows += outcome->found.rows;
    expected.row_ids += outcome->found.row_ids;
    if (crash_oracle_open(&life, subject, image, workload->seed + 2, outcome) &&
        crash_oracle_digest(subject, life.db, &second, outcome, "second verify") &&
        memcmp(&second, &expected, sizeof second) != 0) {
        (void)crash_oracle_wrong(outcome, "second open", "rows were lost, or came back");
    }
    crash_oracle_leave(&life, outcome);
    crash_world_deinit(&life.world);
}

/* ---- all of it ------------------------------------------------------------------------------ */

/* I12: answers are the same with what rollups keep and without. */
static bool crash_oracle_check_rollups(varve_db *db, crash_outcome *outcome)
{
    static const char *const metrics[] = {"m"};
    static const char *const fields[] = {"value", "count"};
    varve_query_options options;
    varve_output output;
    rollup_pair pair;
    char failure[400];
    for (size_t i = 0; i < 4; i++) {
        memset(&output, 0, sizeof output);
        varve_query_options_init(&options);
        output.name = (varve_text){fields[i % 2], strlen(fields[i % 2])};
        output.aggregation = VARVE_AGG_SUM;
        options.outputs = &output;
        options.output_count = 1;
        options.bucket = (varve_bucket){.kind = VARVE_BUCKET_FIXED,
                                        .width = CRASH_INTERVAL * (1 + (int64_t)i / 2)};
        varve_selection selection = {.kind = VARVE_SELECT_MATCH,
                                     .text = {metrics[0], strlen(metrics[0])}};
        options.selections = &selection;
        options.selection_count = 1;
        if (!rollup_check_open(db, &options, &pair)) {
            return crash_oracle_wrong(outcome, "an aggregate:", "cannot be asked");
        }
        if (!rollup_check_compare(&pair, failure)) {
            return crash_oracle_wrong(outcome, "a rollup changes", failure);
        }
    }
    return true;
}

/* Everything but the second life; true: write succeeded, so that there can be one. */
static bool crash_oracle_first_life(oracle_life *life, const crash_subject *subject,
                                    crash_outcome *outcome)
{
    varve_error err;
    oracle_scan rows;
    if (!crash_oracle_check_copies(life, subject, outcome) ||
        !crash_oracle_digest(subject, life->db, &outcome->found, outcome, "verify") ||
        !crash_oracle_check_rollups(life->db, outcome) ||
        !crash_oracle_check_files(life, outcome) ||
        !crash_oracle_check_derived(life, &rows, outcome) ||
        !crash_oracle_check_index(life, &rows, outcome) ||
        !crash_oracle_copy_again(life, subject, outcome)) {
        return false;
    }
    outcome->lsn = crash_figures_of(life->db).lsn;
    if (crash_oracle_write(life->db, &outcome->sequence, &err) != VARVE_OK) {
        return crash_oracle_wrong(outcome, "writing afterwards", err.message);
    }
    return true;
}

crash_outcome crash_examine(const crash_subject *subject, uint64_t key, const vv_sim_image *image)
{
    oracle_life life;
    crash_outcome outcome = {.key = key};
    uint64_t seed = subject->script->workload->seed + 1;
    vv_sim_point *point = NULL;
    if (crash_oracle_open(&life, subject, image, seed, &outcome) &&
        crash_oracle_first_life(&life, subject, &outcome)) {
        point = vv_sim_capture(life.world.sim);
    }
    crash_oracle_leave(&life, &outcome);
    crash_world_deinit(&life.world);
    if (point != NULL) {
        vv_sim_cut cut = {.model = VV_SIM_CUT_NONE};
        vv_sim_image *after = vv_sim_power_cut(point, &cut);
        crash_oracle_second_life(subject, after, &outcome);
        vv_sim_image_free(after);
        vv_sim_point_free(point);
    }
    return outcome;
}
