/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random programs against the naive twin: rows of all types, late, sparse and doubled, deletes,
 * rows deleted and replaced one by one, flushes, merges, reopening, old cursors, snapshots,
 * rollups, retention under a clock that jumps. A seed is a program; on failure the seed and step
 * are printed, and VARVE_TEST_SEED=N runs that one alone. VARVE_TEST_SEEDS=N sets how many run
 * (default 1000).
 */
#include "support/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/manual_clock.h"
#include "support/memory_world.h"
#include "support/rollup_check.h"
#include "support/setting.h"
#include "support/twin.h"
#include "sys/env.h"

enum { PROGRAM_STEPS = 40, PROGRAM_SERIES = 12, PROGRAM_SEEDS = 1000 };

static const uint32_t field_types[TWIN_FIELDS_MAX] = {
    VARVE_TYPE_F64,    VARVE_TYPE_I64,       VARVE_TYPE_U64,    VARVE_TYPE_BOOL, VARVE_TYPE_STRING,
    VARVE_TYPE_BYTES,  VARVE_TYPE_HISTOGRAM, VARVE_TYPE_F64,    VARVE_TYPE_F64,  VARVE_TYPE_I64,
    VARVE_TYPE_STRING, VARVE_TYPE_F64,       VARVE_TYPE_U64,    VARVE_TYPE_BOOL, VARVE_TYPE_F64,
    VARVE_TYPE_I64,    VARVE_TYPE_F64,       VARVE_TYPE_STRING, VARVE_TYPE_F64,  VARVE_TYPE_F64,
    VARVE_TYPE_I64,    VARVE_TYPE_F64,       VARVE_TYPE_F64,    VARVE_TYPE_BYTES};

enum { PROGRAM_SCOPES = 3, PROGRAM_GRACE_MS = 1000 };
static const char *const scope_names[PROGRAM_SCOPES] = {"", "cpu", "disk"};

/* Retention of the database and of the two metrics. */
typedef struct scope {
    bool exists, has_rule, is_enforced;
    int64_t window, recorded;
} scope;

typedef struct program {
    uint64_t seed;
    uint32_t step;
    vv_random random;
    memory_world *world;
    varve_db *db;
    twin_model twin;
    varve_series series[PROGRAM_SERIES];
    varve_field fields[TWIN_FIELDS_MAX];
    char field_names[TWIN_FIELDS_MAX][8];
    char hosts[PROGRAM_SERIES][16];
    varve_label labels[PROGRAM_SERIES][2];
    bool has_row_ids;
    uint64_t last_row_id; /* up to which the feed of changes was read ... */
    size_t learned_count; /* ... and the rows of the twin */
    int64_t clock;
    int64_t spread; /* how far late rows reach back */
    varve_cursor *old_cursor;
    twin_model old_twin;
    varve_range old_range;
    bool has_old_pair; /* an aggregate, with rollups and without */
    rollup_pair old_pair;
    uint32_t copies;    /* directories made so far */
    bool has_snapshot;  /* the youngest of them, with ... */
    twin_model snapped; /* ... what it must hold */
    manual_clock hands; /* of the clock on the wall */
    vv_env env;
    scope scopes[PROGRAM_SCOPES];
    scope snapped_scopes[PROGRAM_SCOPES];
} program;

static uint64_t pick(program *p, uint64_t bound)
{
    return vv_random_below(&p->random, bound);
}

static const char *metric_of(uint32_t series)
{
    return series < PROGRAM_SERIES / 2 ? "cpu" : "disk";
}

/* ---- retention ---- */

static int64_t wall_of(program *p)
{
    return atomic_load(&p->hands.wall_ns);
}

static int64_t later_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t cut_of_rule(const scope *rule, int64_t reference)
{
    bool cuts = rule->has_rule && rule->is_enforced && rule->window > 0;
    return cuts ? reference - rule->window : INT64_MIN;
}

static const scope *rule_of(const program *p, size_t metric)
{
    return p->scopes[metric].has_rule ? &p->scopes[metric] : &p->scopes[0];
}

/* What a reader sees whose reference time is this. */
static void set_cuts(const program *p, twin_model *twin, int64_t reference)
{
    for (uint32_t i = 0; i < PROGRAM_SERIES; i++) {
        size_t metric = i < PROGRAM_SERIES / 2 ? 1 : 2;
        const scope *own = &p->scopes[metric];
        int64_t recorded = own->exists ? own->recorded : p->scopes[0].recorded;
        twin->cuts[i] = later_of(recorded, cut_of_rule(rule_of(p, metric), reference));
    }
}

static int64_t reference_of(program *p)
{
    return later_of(wall_of(p), p->twin.newest);
}

static void update_cuts(program *p)
{
    p->twin.skew_limit = wall_of(p) + INT64_C(900) * VV_NS_PER_S;
    set_cuts(p, &p->twin, reference_of(p));
}

static void step_rule(program *p)
{
    varve_error err;
    varve_retention retention;
    size_t metric = pick(p, PROGRAM_SCOPES);
    bool removes = pick(p, 4) == 0;
    varve_retention_init(&retention);
    retention.is_enforced = pick(p, 5) != 0;
    retention.hot_window = (int64_t)pick(p, 8000);
    retention.window = pick(p, 6) == 0 ? 0 : 2000 + (int64_t)pick(p, 30000);
    check_ok(varve_policy_retention(p->db,
                                    (varve_text){scope_names[metric], strlen(scope_names[metric])},
                                    removes ? NULL : &retention, &err),
             &err);
    scope *own = &p->scopes[metric];
    if (!own->exists && !removes) {
        own->exists = true;
        own->recorded = p->scopes[0].recorded;
    }
    own->has_rule = !removes;
    own->is_enforced = retention.is_enforced;
    own->window = retention.window;
}

/* Looks at the reference until it has held, and recorded cuts follow. */
static void step_settle(program *p)
{
    varve_error err;
    check_ok(varve_flush(p->db, NULL, &err), &err);
    atomic_fetch_add(&p->hands.mono_ns, PROGRAM_GRACE_MS / 4 * VV_NS_PER_MS);
    check_ok(varve_flush(p->db, NULL, &err), &err);
    atomic_fetch_add(&p->hands.mono_ns, PROGRAM_GRACE_MS * VV_NS_PER_MS);
    check_ok(varve_compact(p->db, pick(p, 4) == 0 ? VARVE_COMPACT_ALL : 0, NULL, &err), &err);
    for (size_t i = 0; i < PROGRAM_SCOPES; i++) {
        scope *own = &p->scopes[i];
        own->recorded = later_of(own->recorded, cut_of_rule(rule_of(p, i), reference_of(p)));
    }
}

static void check_recorded(program *p)
{
    varve_error err;
    for (size_t i = 0; i < PROGRAM_SCOPES; i++) {
        varve_retention_info info;
        varve_retention_info_init(&info);
        check_ok(varve_retention_get(p->db, (varve_text){scope_names[i], strlen(scope_names[i])},
                                     &info, &err),
                 &err);
        const scope *own = p->scopes[i].exists ? &p->scopes[i] : &p->scopes[0];
        assert_true(info.recorded_cut == own->recorded);
    }
}

static void step_retention(program *p)
{
    switch (pick(p, 6)) {
    case 0:
    case 1:
        step_rule(p);
        break;
    case 2: /* not so far ahead that nothing is accepted any more */
        manual_clock_set_wall(&p->hands, p->clock - 3000 + (int64_t)pick(p, 3500));
        break;
    case 3: /* back */
        manual_clock_set_wall(&p->hands, (int64_t)pick(p, (uint64_t)p->clock + 1));
        break;
    default:
        step_settle(p);
        break;
    }
    update_cuts(p);
    check_recorded(p);
}

/* ---- opening ---- */

static void program_open(program *p)
{
    varve_error err;
    varve_options options;
    varve_options_init(&options);
    options.environment = &p->env;
    options.retention_grace_ms = PROGRAM_GRACE_MS;
    if (p->seed % 2 == 0) {
        options.warm_path = VARVE_STR("/warm");
    }
    options.flags = VARVE_OPEN_NO_BACKGROUND;
    options.duplicates = p->twin.is_last ? VARVE_DUPLICATES_LAST : VARVE_DUPLICATES_ALL;
    options.row_ids = p->has_row_ids ? VARVE_ROW_IDS_ON : VARVE_ROW_IDS_OFF;
    options.flush_rows = 150 + pick(p, 3000);
    options.merge_fan_in = 2 + (uint32_t)pick(p, 3);
    options.log_file_bytes = 64 * 1024;
    options.memory_limit_bytes = UINT64_C(256) << 20;
    options.cache_bytes = 256 * 1024;
    options.sync = pick(p, 2) == 0 ? VARVE_SYNC_GROUP : VARVE_SYNC_NONE;
    check_ok(varve_open("/db", &options, &p->db, &err), &err);
    p->twin.newest = INT64_MIN; /* what a handle observed is its own */
    update_cuts(p);
    for (uint32_t i = 0; i < PROGRAM_SERIES; i++) {
        snprintf(p->hosts[i], sizeof p->hosts[i], "host%02u", i);
        p->labels[i][0] = (varve_label){VARVE_STR("host"), {p->hosts[i], strlen(p->hosts[i])}};
        p->labels[i][1] =
            (varve_label){VARVE_STR("zone"), i % 2 == 0 ? VARVE_STR("east") : VARVE_STR("west")};
        const char *metric = metric_of(i);
        check_ok(varve_series_resolve(p->db, (varve_text){metric, strlen(metric)}, p->labels[i], 2,
                                      0, &p->series[i], &err),
                 &err);
    }
    for (uint32_t i = 0; i < TWIN_FIELDS_MAX; i++) {
        snprintf(p->field_names[i], sizeof p->field_names[i], "f%02u", (i * 7) % 24);
        check_ok(varve_field_resolve(p->db,
                                     (varve_text){p->field_names[i], strlen(p->field_names[i])},
                                     &p->fields[i], &err),
                 &err);
    }
}

/* ---- values ---- */

typedef struct value_room {
    char text[64];
    varve_histogram histogram;
    varve_span spans[2];
    int64_t deltas[4];
    double counts[4];
} value_room;

static double random_f64(program *p)
{
    switch (pick(p, 12)) {
    case 0: {
        uint64_t bits = UINT64_C(0x7ff8000000000000) | vv_random_u64(&p->random);
        double nan;
        memcpy(&nan, &bits, sizeof nan);
        return nan;
    }
    case 1:
        return -0.0;
    case 2:
        return pick(p, 2) == 0 ? INFINITY : -INFINITY;
    case 3:
        return 4.9e-324 * (double)(1 + pick(p, 100));
    case 4:
        return vv_random_normal(&p->random) * 1e300;
    case 5:
        return vv_random_normal(&p->random);
    default:
        return (double)(int64_t)pick(p, 10000) / 100.0;
    }
}

static varve_value random_value(program *p, uint32_t type, value_room *room)
{
    varve_value value = {.type = type};
    switch (type) {
    case VARVE_TYPE_F64:
        value.as.f64 = random_f64(p);
        break;
    case VARVE_TYPE_I64:
        value.as.i64 = pick(p, 8) == 0 ? (pick(p, 2) == 0 ? INT64_MIN : INT64_MAX)
                                       : (int64_t)pick(p, 1000) - 500;
        break;
    case VARVE_TYPE_U64:
        value.as.u64 = pick(p, 8) == 0 ? UINT64_MAX : pick(p, 100000);
        break;
    case VARVE_TYPE_BOOL:
        value.as.boolean = pick(p, 2) == 0;
        break;
    case VARVE_TYPE_HISTOGRAM:
        room->spans[0] = (varve_span){(int32_t)pick(p, 10) - 5, 2};
        room->spans[1] = (varve_span){1, 2};
        for (size_t i = 0; i < 4; i++) {
            room->deltas[i] = (int64_t)pick(p, 20) - 10;
            room->counts[i] = vv_random_f64(&p->random);
        }
        room->histogram = (varve_histogram){
            .flags = pick(p, 2) == 0 ? 0 : VARVE_HISTOGRAM_FLOAT,
            .schema = (int32_t)pick(p, 12) - 4,
            .sum = random_f64(p),
            .zero_threshold = 1e-9,
            .positive_spans = room->spans,
            .positive_span_count = 2,
            .positive_bucket_count = 4,
        };
        if ((room->histogram.flags & VARVE_HISTOGRAM_FLOAT) != 0) {
            room->histogram.positive_counts = room->counts;
            room->histogram.count.f64 = 12.5;
        } else {
            room->histogram.positive_deltas = room->deltas;
            room->histogram.count.u64 = pick(p, 1000);
        }
        value.as.histogram = &room->histogram;
        break;
    default: { /* a field of the bytes family takes both kinds */
        size_t size = pick(p, 5) == 0 ? 0 : pick(p, sizeof room->text);
        for (size_t i = 0; i < size; i++) {
            room->text[i] = (char)('a' + pick(p, 4));
        }
        value.type = pick(p, 6) == 0 ? VARVE_TYPE_BYTES : type;
        value.as.bytes = (varve_text){room->text, size};
        break;
    }
    }
    return value;
}

static int64_t random_time(program *p)
{
    p->clock += 10;
    switch (pick(p, 40)) {
    case 0:
        return p->clock - (int64_t)pick(p, (uint64_t)p->spread);
    case 1:
        return p->clock - 10; /* often a duplicate */
    case 2:
        return -(int64_t)pick(p, 1000);
    case 3:
        return pick(p, 30) == 0 ? (pick(p, 2) == 0 ? INT64_MIN : INT64_MAX) : p->clock;
    default:
        return p->clock;
    }
}

/* ---- steps: each does the same to the database and the twin ---- */

static void check_written(program *p, varve_batch *batch, uint64_t rows, varve_error *err)
{
    varve_written written;
    varve_write_options options;
    varve_written_init(&written);
    varve_write_options_init(&options);
    options.flags = VARVE_WRITE_SKIP_REJECTED;
    check_ok(varve_batch_commit(batch, &options, &written, err), err);
    assert_int_equal(written.rows, rows - p->twin.refused);
    assert_int_equal(written.rows_rejected, p->twin.refused);
    assert_true(written.ack >= VARVE_ACK_APPENDED);
    p->twin.refused = 0;
    update_cuts(p);
}

typedef struct random_row {
    uint32_t series;
    varve_row row;
    varve_value values[TWIN_FIELDS_MAX]; /* as the twin takes them */
    varve_value given[TWIN_FIELDS_MAX];
    varve_field fields[TWIN_FIELDS_MAX];
} random_row;

static void make_random_row(program *p, random_row *made)
{
    static value_room rooms[4096];
    static size_t next_room;
    size_t count = 0;
    memset(made, 0, sizeof *made);
    made->series = (uint32_t)pick(p, PROGRAM_SERIES);
    size_t most = pick(p, 10) == 0 ? TWIN_FIELDS_MAX : 6;
    size_t start = pick(p, TWIN_FIELDS_MAX);
    for (size_t i = 0; i < most; i++) {
        size_t field = (start + i) % TWIN_FIELDS_MAX;
        if (count > 0 && pick(p, 3) == 0) {
            continue;
        }
        value_room *room = &rooms[next_room++ % 4096];
        made->values[field] = random_value(p, field_types[field], room);
        made->given[count] = made->values[field];
        made->fields[count++] = p->fields[field];
    }
    made->row = (varve_row){.series = p->series[made->series],
                            .timestamp = random_time(p),
                            .fields = made->fields,
                            .values = made->given,
                            .count = count};
}

static void add_random_row(program *p, varve_batch *batch)
{
    varve_error err;
    random_row made;
    make_random_row(p, &made);
    check_ok(varve_batch_row(batch, &made.row, &err), &err);
    twin_add(&p->twin, made.series, made.row.timestamp, made.values);
}

static varve_range random_range(program *p)
{
    if (pick(p, 4) == 0) {
        return (varve_range){INT64_MIN, INT64_MAX};
    }
    int64_t start = (int64_t)pick(p, (uint64_t)p->clock + 100) - 50;
    return (varve_range){start, start + 1 + (int64_t)pick(p, (uint64_t)p->clock + 100)};
}

/* A selection and the bits of the series it means. */
static varve_selection random_selection(program *p, uint64_t *out_bits)
{
    varve_selection selection;
    memset(&selection, 0, sizeof selection);
    uint64_t bits = 0;
    uint32_t one = (uint32_t)pick(p, PROGRAM_SERIES);
    switch (pick(p, 5)) {
    case 0:
        selection.kind = VARVE_SELECT_TEXT;
        selection.text = VARVE_STR("cpu{zone=\"east\"}");
        for (uint32_t i = 0; i < PROGRAM_SERIES / 2; i += 2) {
            bits |= UINT64_C(1) << i;
        }
        break;
    case 1:
        selection.kind = VARVE_SELECT_TEXT;
        selection.text = VARVE_STR("{host=~\"host0[0-3]\"}");
        bits = 15;
        break;
    case 2:
        selection.kind = VARVE_SELECT_LIST;
        selection.series = &p->series[one];
        selection.series_count = 1;
        bits = UINT64_C(1) << one;
        break;
    case 3:
        selection.kind = VARVE_SELECT_EXACT;
        selection.text = (varve_text){metric_of(one), strlen(metric_of(one))};
        selection.labels = p->labels[one];
        selection.label_count = 2;
        bits = UINT64_C(1) << one;
        break;
    default:
        selection.kind = VARVE_SELECT_ALL;
        bits = (UINT64_C(1) << PROGRAM_SERIES) - 1;
        break;
    }
    *out_bits = bits;
    return selection;
}

static void step_rows(program *p)
{
    varve_error err;
    varve_batch *batch;
    check_ok(varve_batch_create(p->db, &batch, &err), &err);
    uint64_t count = 1 + pick(p, 60);
    for (uint64_t i = 0; i < count; i++) {
        add_random_row(p, batch);
        if (pick(p, 60) == 0) {
            uint64_t bits;
            varve_selection selection = random_selection(p, &bits);
            varve_range range = random_range(p);
            check_ok(varve_batch_delete(batch, &selection, 1, range, &err), &err);
            twin_delete(&p->twin, bits, range);
        }
    }
    check_written(p, batch, count, &err);
    varve_batch_free(batch);
}

/* A scrape: one row of each of some series at one time. */
static void step_scrape(program *p)
{
    varve_error err;
    varve_batch *batch;
    double numbers[PROGRAM_SERIES];
    int64_t integers[PROGRAM_SERIES];
    check_ok(varve_batch_create(p->db, &batch, &err), &err);
    int64_t time = random_time(p);
    for (uint32_t i = 0; i < PROGRAM_SERIES; i++) {
        numbers[i] = random_f64(p);
        integers[i] = (int64_t)pick(p, 100);
        varve_value values[TWIN_FIELDS_MAX] = {{0}};
        values[0] = (varve_value){.type = VARVE_TYPE_F64, .as.f64 = numbers[i]};
        values[1] = (varve_value){.type = VARVE_TYPE_I64, .as.i64 = integers[i]};
        twin_add(&p->twin, i, time, values);
    }
    varve_field fields[2] = {p->fields[1], p->fields[0]};
    varve_column columns[2] = {{.type = VARVE_TYPE_I64, .values = integers},
                               {.type = VARVE_TYPE_F64, .values = numbers}};
    varve_columns rows;
    varve_columns_init(&rows);
    rows.rows = PROGRAM_SERIES;
    rows.series = p->series;
    rows.series_count = PROGRAM_SERIES;
    rows.timestamps = &time;
    rows.timestamp_count = 1;
    rows.fields = fields;
    rows.columns = columns;
    rows.column_count = 2;
    check_ok(varve_batch_columns(batch, &rows, &err), &err);
    check_written(p, batch, PROGRAM_SERIES, &err);
    varve_batch_free(batch);
}

/* Many rows of one series in one call: encoded before the locks. */
static void step_bulk(program *p)
{
    enum { BULK_MAX = 2500 };
    static double numbers[BULK_MAX];
    static int64_t times[BULK_MAX];
    static uint64_t present[(BULK_MAX + 63) / 64];
    varve_error err;
    varve_batch *batch;
    check_ok(varve_batch_create(p->db, &batch, &err), &err);
    size_t count = 900 + pick(p, BULK_MAX - 900);
    bool is_sparse = pick(p, 3) == 0;
    bool is_shuffled = pick(p, 4) == 0;
    uint32_t series = (uint32_t)pick(p, PROGRAM_SERIES);
    memset(present, 0xff, sizeof present);
    for (size_t i = 0; i < count; i++) {
        p->clock += pick(p, 50) == 0 ? 0 : 10;
        times[i] = is_shuffled ? p->clock - (int64_t)pick(p, 5000) : p->clock;
        numbers[i] = random_f64(p);
        if (is_sparse && i % 3 == 0) {
            present[i / 64] &= ~(UINT64_C(1) << (i % 64));
        }
    }
    static int64_t steady[BULK_MAX];
    for (size_t i = 0; i < count; i++) {
        steady[i] = (int64_t)i;
        varve_value values[TWIN_FIELDS_MAX] = {{0}};
        values[1] = (varve_value){.type = VARVE_TYPE_I64, .as.i64 = steady[i]};
        if (((present[i / 64] >> (i % 64)) & 1) != 0) {
            values[0] = (varve_value){.type = VARVE_TYPE_F64, .as.f64 = numbers[i]};
        }
        twin_add(&p->twin, series, times[i], values);
    }
    varve_field fields[2] = {p->fields[0], p->fields[1]};
    varve_column columns[2] = {
        {.type = VARVE_TYPE_F64, .values = numbers, .present = is_sparse ? present : NULL},
        {.type = VARVE_TYPE_I64, .values = steady}};
    varve_columns rows;
    varve_columns_init(&rows);
    rows.rows = count;
    rows.series = &p->series[series];
    rows.series_count = 1;
    rows.timestamps = times;
    rows.timestamp_count = count;
    rows.fields = fields;
    rows.columns = columns;
    rows.column_count = 2;
    check_ok(varve_batch_columns(batch, &rows, &err), &err);
    check_written(p, batch, count, &err);
    varve_batch_free(batch);
}

static void step_delete(program *p)
{
    varve_error err;
    uint64_t bits;
    varve_selection selection = random_selection(p, &bits);
    varve_range range = random_range(p);
    varve_written written;
    varve_written_init(&written);
    check_ok(varve_delete(p->db, &selection, 1, range, NULL, &written, &err), &err);
    uint64_t hit = twin_delete(&p->twin, bits, range);
    assert_int_equal(written.series_deleted, (uint64_t)__builtin_popcountll(hit));
}

/* ---- rows changed one by one ---- */

static bool is_shown(const program *p, const twin_row *row)
{
    return !row->is_hidden && row->time >= p->twin.cuts[row->series];
}

/* The feed of changes gives each new row that is still there once, in order of arrival, and no row
 * again that was replaced; the twin learns the ids. */
static void learn_row_ids(program *p)
{
    varve_error err;
    varve_cursor *cursor;
    varve_query_options options;
    varve_query_options_init(&options);
    options.flags = VARVE_QUERY_ROW_IDS;
    options.order = VARVE_ORDER_ARRIVAL;
    options.layout = VARVE_LAYOUT_TABLE;
    options.after_row_id = p->last_row_id;
    size_t at = p->learned_count;
    if (!p->has_row_ids) {
        return;
    }
    check_ok(varve_query(p->db, &options, &cursor, &err), &err);
    for (;;) {
        const varve_block *block;
        check_ok(varve_cursor_next(cursor, &block, &err), &err);
        if (block == NULL) {
            break;
        }
        for (size_t row = 0; row < block->rows; row++) {
            while (at < p->twin.count && !is_shown(p, p->twin.rows[at])) {
                at++;
            }
            assert_true(at < p->twin.count);
            twin_row *twin = p->twin.rows[at++];
            assert_int_equal(twin->time, block->timestamps[row]);
            assert_int_equal(p->series[twin->series].id, block->row_series[row].id);
            assert_true(block->row_ids[row] > p->last_row_id);
            twin->row_id = block->row_ids[row];
        }
    }
    p->last_row_id = varve_cursor_last_row_id(cursor);
    varve_cursor_close(cursor);
    for (; at < p->twin.count; at++) {
        assert_false(is_shown(p, p->twin.rows[at]));
    }
    p->learned_count = at;
}

/* An address, sometimes of a row that is gone, of the wrong time, or of none. */
static twin_row *pick_address(program *p, varve_row_id *out_id, bool *out_is_there)
{
    twin_row *row = p->twin.rows[pick(p, p->twin.count)];
    *out_id = (varve_row_id){
        .series = p->series[row->series],
        .timestamp = row->time,
        .row_id = row->row_id == 0 ? UINT64_C(1) << 40 : row->row_id,
    };
    *out_is_there = is_shown(p, row) && row->row_id != 0;
    switch (pick(p, 20)) {
    case 0:
        out_id->timestamp ^= 1;
        *out_is_there = false;
        break;
    case 1:
        out_id->series = p->series[(row->series + 1) % PROGRAM_SERIES];
        *out_is_there = false;
        break;
    default:
        break;
    }
    return row;
}

typedef struct change_counts {
    uint64_t rows, deleted, replaced, missing;
} change_counts;

static void change_row(program *p, varve_batch *batch, change_counts *counts)
{
    varve_error err;
    varve_row_id id;
    bool is_there;
    twin_row *row = pick_address(p, &id, &is_there);
    if (pick(p, 3) == 0) {
        check_ok(varve_batch_delete_row(batch, &id, &err), &err);
        row->is_hidden = row->is_hidden || is_there;
        counts->deleted += is_there ? 1 : 0;
        counts->missing += is_there ? 0 : 1;
        return;
    }
    random_row made;
    make_random_row(p, &made);
    if (pick(p, 2) == 0) { /* often where it was */
        made.row.timestamp = id.timestamp;
    }
    check_ok(varve_batch_replace(batch, &id, &made.row, &err), &err);
    if (made.row.timestamp < p->twin.cuts[made.series]) {
        p->twin.refused++;
        return;
    }
    counts->missing += is_there ? 0 : 1;
    if (is_there) {
        twin_replace(&p->twin, row, made.series, made.row.timestamp, made.values);
        counts->replaced++;
        counts->rows++;
    }
}

/* A batch of changes, with new rows and deletes between them. */
static void step_change(program *p)
{
    varve_error err;
    varve_batch *batch;
    varve_written written;
    change_counts counts = {0};
    if (!p->has_row_ids || p->twin.count == 0) {
        return;
    }
    varve_written_init(&written);
    check_ok(varve_batch_create(p->db, &batch, &err), &err);
    uint64_t count = 1 + pick(p, 40);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t kind = pick(p, 12);
        if (kind == 0) {
            size_t before = p->twin.count;
            add_random_row(p, batch);
            counts.rows += p->twin.count - before;
        } else if (kind == 1 && pick(p, 6) == 0) {
            uint64_t bits;
            varve_selection selection = random_selection(p, &bits);
            varve_range range = random_range(p);
            check_ok(varve_batch_delete(batch, &selection, 1, range, &err), &err);
            twin_delete(&p->twin, bits, range);
        } else {
            change_row(p, batch, &counts);
        }
    }
    varve_write_options options;
    varve_write_options_init(&options);
    options.flags = VARVE_WRITE_SKIP_REJECTED;
    check_ok(varve_batch_commit(batch, &options, &written, &err), &err);
    assert_int_equal(written.rows, counts.rows);
    assert_int_equal(written.rows_rejected, p->twin.refused);
    p->twin.refused = 0;
    update_cuts(p);
    assert_int_equal(written.rows_deleted, counts.deleted);
    assert_int_equal(written.rows_replaced, counts.replaced);
    assert_int_equal(written.rows_missing, counts.missing);
    varve_batch_free(batch);
    learn_row_ids(p);
}

/* ---- comparing ---- */

typedef struct answer {
    twin_row *rows;
    size_t count, capacity;
} answer;

static uint32_t field_of(const program *p, varve_text name)
{
    for (uint32_t i = 0; i < TWIN_FIELDS_MAX; i++) {
        if (name.size == strlen(p->field_names[i]) &&
            memcmp(name.data, p->field_names[i], name.size) == 0) {
            return i;
        }
    }
    fail_msg("an answer names an unknown field");
    return 0;
}

static uint32_t series_of(const program *p, const varve_block *block)
{
    for (uint32_t i = 0; i < PROGRAM_SERIES; i++) {
        if (block->label_count == 2 && block->labels[0].value.size == strlen(p->hosts[i]) &&
            memcmp(block->labels[0].value.data, p->hosts[i], strlen(p->hosts[i])) == 0) {
            return i;
        }
    }
    fail_msg("an answer names an unknown series");
    return 0;
}

static void answer_add_block(const program *p, answer *a, const varve_block *block)
{
    for (size_t row = 0; row < block->rows; row++) {
        if (a->count == a->capacity) {
            a->capacity = a->capacity == 0 ? 256 : a->capacity * 2;
            a->rows = realloc(a->rows, a->capacity * sizeof *a->rows);
            assert_non_null(a->rows);
        }
        twin_row *to = &a->rows[a->count++];
        memset(to, 0, sizeof *to);
        to->series = series_of(p, block);
        to->time = block->timestamps[row];
        to->row_id = block->row_ids != NULL ? block->row_ids[row] : 0;
        for (size_t i = 0; i < block->column_count; i++) {
            to->values[field_of(p, block->column_names[i])] =
                twin_value_of_column(&block->columns[i], row);
        }
    }
}

static answer read_all(const program *p, varve_cursor *cursor)
{
    answer a = {0};
    varve_error err;
    for (;;) {
        const varve_block *block;
        check_ok(varve_cursor_next(cursor, &block, &err), &err);
        if (block == NULL) {
            return a;
        }
        answer_add_block(p, &a, block);
    }
}

static void compare_rows(const program *p, const twin_row *expected, const twin_row *actual)
{
    if (expected->series != actual->series || expected->time != actual->time) {
        fail_msg("series %u time %lld expected, series %u time %lld found", expected->series,
                 (long long)expected->time, actual->series, (long long)actual->time);
    }
    if (actual->row_id != 0 && expected->row_id != 0 && expected->row_id != actual->row_id) {
        fail_msg("series %u time %lld row id %llu expected, %llu found", expected->series,
                 (long long)expected->time, (unsigned long long)expected->row_id,
                 (unsigned long long)actual->row_id);
    }
    for (uint32_t i = 0; i < TWIN_FIELDS_MAX; i++) {
        if (!twin_value_equal(&expected->values[i], &actual->values[i])) {
            fail_msg("series %u time %lld field %s: type %u bits %llx size %zu expected, type %u "
                     "bits %llx size %zu found",
                     expected->series, (long long)expected->time, p->field_names[i],
                     expected->values[i].type, (unsigned long long)expected->values[i].bits,
                     expected->values[i].size, actual->values[i].type,
                     (unsigned long long)actual->values[i].bits, actual->values[i].size);
        }
    }
}

/* Every series in order of names (which is their order here), rows ascending or descending. */
static void compare_all(const program *p, const twin_model *twin, varve_cursor *cursor,
                        varve_range range, uint32_t fields, bool is_descending)
{
    answer a = read_all(p, cursor);
    size_t at = 0;
    for (uint32_t series = 0; series < PROGRAM_SERIES; series++) {
        size_t count;
        twin_row *expected = twin_select(twin, series, range, fields, &count);
        for (size_t i = 0; i < count; i++) {
            twin_row *row = &expected[is_descending ? count - 1 - i : i];
            for (uint32_t f = 0; f < TWIN_FIELDS_MAX; f++) {
                if (((fields >> f) & 1) == 0) {
                    free(row->values[f].bytes);
                    memset(&row->values[f], 0, sizeof row->values[f]);
                }
            }
            if (at == a.count) {
                fail_msg("rows are missing from series %u, time %lld on (%zu of %zu there)", series,
                         (long long)row->time, i, count);
            }
            compare_rows(p, row, &a.rows[at]);
            at++;
        }
        twin_rows_free(expected, count);
    }
    if (at != a.count) {
        fail_msg("%zu rows expected, %zu found; the first too many: series %u time %lld", at,
                 a.count, a.rows[at].series, (long long)a.rows[at].time);
    }
    twin_rows_free(a.rows, a.count);
}

static void step_compare(program *p)
{
    varve_error err;
    varve_cursor *cursor;
    varve_query_options options;
    varve_output outputs[3];
    uint32_t fields = (1u << TWIN_FIELDS_MAX) - 1;
    varve_query_options_init(&options);
    memset(outputs, 0, sizeof outputs);
    if (pick(p, 2) == 0) {
        options.range = random_range(p);
    }
    if (pick(p, 3) == 0) {
        options.flags |= VARVE_QUERY_DESCENDING;
    }
    if (pick(p, 3) == 0) {
        options.block_rows_max = 1 + pick(p, 100);
    }
    if (p->has_row_ids && pick(p, 2) == 0) {
        options.flags |= VARVE_QUERY_ROW_IDS;
    }
    if (pick(p, 3) == 0) {
        fields = 0;
        for (size_t i = 0; i < 3; i++) {
            uint32_t field = (uint32_t)((i * 5 + pick(p, 5)) % TWIN_FIELDS_MAX);
            outputs[i].name = (varve_text){p->field_names[field], strlen(p->field_names[field])};
            fields |= 1u << field;
        }
        options.outputs = outputs;
        options.output_count = 3;
    }
    check_ok(varve_query(p->db, &options, &cursor, &err), &err);
    compare_all(p, &p->twin, cursor, options.range, fields,
                (options.flags & VARVE_QUERY_DESCENDING) != 0);
    varve_cursor_close(cursor);
}

/* ---- aggregates ---- */

typedef struct naive {
    uint64_t count, nans;
    double min, max;
    long double sum, absolute, mean, squares;
} naive;

static bool below(double a, double b)
{
    return a < b || (a == b && signbit(a) && !signbit(b));
}

static naive naive_of(const twin_row *rows, size_t count, uint32_t field, varve_range bucket)
{
    naive n = {0};
    for (size_t i = 0; i < count; i++) {
        const twin_value *value = &rows[i].values[field];
        if (value->type == VARVE_TYPE_NONE || rows[i].time < bucket.start ||
            (rows[i].time >= bucket.end && bucket.end != INT64_MAX)) {
            continue;
        }
        double number;
        memcpy(&number, &value->bits, sizeof number);
        if (isnan(number)) {
            n.nans++;
            continue;
        }
        n.min = n.count == 0 || below(number, n.min) ? number : n.min;
        n.max = n.count == 0 || below(n.max, number) ? number : n.max;
        n.count++;
        n.sum += (long double)number;
        n.absolute += fabsl((long double)number);
    }
    return n;
}

static void check_close(double actual, long double expected, long double bound)
{
    if (isnan((double)expected) || isinf((double)expected)) {
        return; /* infinities cancel, or the sum leaves the range of a double */
    }
    /* A double near zero is no finer than the least subnormal. */
    if (!(fabsl((long double)actual - expected) <= bound + 4.95e-324L)) {
        fail_msg("%.17g expected within %Lg, %.17g found", (double)expected, bound, actual);
    }
}

static bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

/* Sum, min, max, count and avg of one f64 field of each series, in buckets or over everything. */
static void step_aggregate(program *p)
{
    static const uint32_t aggregations[] = {VARVE_AGG_SUM, VARVE_AGG_MIN, VARVE_AGG_MAX,
                                            VARVE_AGG_COUNT, VARVE_AGG_AVG};
    static const uint32_t candidates[] = {0, 7, 8, 11};
    varve_error err;
    varve_query_options options;
    varve_output outputs[5];
    uint32_t field = candidates[pick(p, 4)];
    varve_query_options_init(&options);
    memset(outputs, 0, sizeof outputs);
    for (size_t i = 0; i < 5; i++) {
        outputs[i].aggregation = aggregations[i];
        outputs[i].name = (varve_text){p->field_names[field], strlen(p->field_names[field])};
    }
    options.outputs = outputs;
    options.output_count = 5;
    options.range = (varve_range){0, p->clock + 1};
    if (pick(p, 2) == 0) {
        options.bucket =
            (varve_bucket){.kind = VARVE_BUCKET_FIXED, .width = 1 + (int64_t)pick(p, 3000)};
    }
    if (pick(p, 2) == 0) {
        options.flags |= VARVE_QUERY_NO_STATISTICS;
    }
    varve_cursor *cursor;
    check_ok(varve_query(p->db, &options, &cursor, &err), &err);
    uint64_t values_seen = 0;
    for (;;) {
        const varve_block *block;
        check_ok(varve_cursor_next(cursor, &block, &err), &err);
        if (block == NULL) {
            break;
        }
        size_t count;
        twin_row *rows =
            twin_select(&p->twin, series_of(p, block), options.range, UINT32_C(1) << field, &count);
        for (size_t row = 0; row < block->rows; row++) {
            varve_range bucket = options.range;
            if (block->timestamps != NULL) {
                bucket.start = block->timestamps[row];
                bucket.end = bucket.start + options.bucket.width;
                bucket.end = bucket.end > options.range.end ? options.range.end : bucket.end;
                bucket.start =
                    bucket.start < options.range.start ? options.range.start : bucket.start;
            }
            naive n = naive_of(rows, count, field, bucket);
            assert_int_equal(((const uint64_t *)block->columns[3].values)[row], n.count);
            values_seen += n.count + n.nans;
            if (n.count > 0) {
                const double *sums = block->columns[0].values;
                const double *means = block->columns[4].values;
                check_close(sums[row], n.sum, 1e-12L * n.absolute);
                assert_true(same_bits(((const double *)block->columns[1].values)[row], n.min));
                assert_true(same_bits(((const double *)block->columns[2].values)[row], n.max));
                check_close(means[row], n.sum / (long double)n.count,
                            1e-12L * n.absolute / (long double)n.count);
            }
        }
        twin_rows_free(rows, count);
    }
    varve_cursor_close(cursor);
    uint64_t values_there = 0;
    for (uint32_t series = 0; series < PROGRAM_SERIES; series++) {
        size_t count;
        twin_row *rows = twin_select(&p->twin, series, options.range, UINT32_C(1) << field, &count);
        values_there += count;
        twin_rows_free(rows, count);
    }
    assert_int_equal(values_seen, values_there);
}

/* ---- the rest ---- */

static void step_listing(program *p)
{
    varve_error err;
    varve_cursor *cursor;
    varve_list_options options;
    varve_list_options_init(&options);
    options.range = random_range(p);
    check_ok(varve_series_list(p->db, &options, &cursor, &err), &err);
    uint64_t found = 0;
    for (;;) {
        const varve_block *block;
        check_ok(varve_cursor_next(cursor, &block, &err), &err);
        if (block == NULL) {
            break;
        }
        for (size_t row = 0; row < block->rows; row++) {
            for (uint32_t i = 0; i < PROGRAM_SERIES; i++) {
                if (block->row_series[row].id == p->series[i].id) {
                    found |= UINT64_C(1) << i;
                }
            }
        }
    }
    varve_cursor_close(cursor);
    uint64_t expected = 0;
    for (uint32_t i = 0; i < PROGRAM_SERIES; i++) {
        size_t count;
        twin_row *rows =
            twin_select(&p->twin, i, options.range, (UINT32_C(1) << TWIN_FIELDS_MAX) - 1, &count);
        expected |= count > 0 ? UINT64_C(1) << i : 0;
        twin_rows_free(rows, count);
    }
    assert_int_equal(found, expected);
}

/* A cursor opened now and read later sees the database as of now. */
static void step_old_cursor(program *p)
{
    varve_error err;
    uint32_t fields = (1u << TWIN_FIELDS_MAX) - 1;
    if (p->old_cursor != NULL) {
        compare_all(p, &p->old_twin, p->old_cursor, p->old_range, fields, false);
        varve_cursor_close(p->old_cursor);
        twin_deinit(&p->old_twin);
        p->old_cursor = NULL;
        return;
    }
    varve_query_options options;
    varve_query_options_init(&options);
    options.range = random_range(p);
    p->old_range = options.range;
    check_ok(varve_query(p->db, &options, &p->old_cursor, &err), &err);
    twin_copy(&p->twin, &p->old_twin);
}

static void compare_pair(rollup_pair *pair)
{
    char failure[400];
    if (!rollup_check_compare(pair, failure)) {
        fail_msg("%s", failure);
    }
}

static void drop_old_cursor(program *p)
{
    if (p->old_cursor != NULL) {
        step_old_cursor(p);
    }
    if (p->has_old_pair) {
        compare_pair(&p->old_pair);
        p->has_old_pair = false;
    }
}

static void step_reopen(program *p)
{
    varve_error err;
    drop_old_cursor(p);
    if (pick(p, 2) == 0) {
        varve_abandon(p->db); /* the process died: the log tells the rest */
    } else {
        check_ok(varve_close(p->db, &err), &err);
    }
    program_open(p);
}

static void step_verify(program *p)
{
    varve_error err;
    varve_verified before;
    varve_verified after;
    varve_verified_init(&before);
    varve_verified_init(&after);
    check_ok(varve_verify(p->db, NULL, &before, &err), &err);
    check_ok(varve_compact(p->db, pick(p, 2) == 0 ? VARVE_COMPACT_ALL : 0, NULL, &err), &err);
    check_ok(varve_verify(p->db, NULL, &after, &err), &err);
    assert_int_equal(before.rows, after.rows);
    assert_int_equal(before.series, after.series);
    assert_int_equal(before.digest[0], after.digest[0]);
    assert_int_equal(before.digest[1], after.digest[1]);
}

static void path_of_copy(uint32_t copy, char path[24])
{
    snprintf(path, 24, "/copy%u", copy);
}

/* What lies there is the twin, and stays it when it is merged. */
static void check_copy(program *p, uint32_t copy, bool is_restored)
{
    varve_error err;
    varve_db *db;
    char path[24];
    varve_options options;
    varve_query_options query;
    varve_options_init(&options);
    options.environment = &p->env;
    options.flags = VARVE_OPEN_NO_BACKGROUND | (is_restored ? 0u : (uint32_t)VARVE_OPEN_READONLY);
    options.memory_limit_bytes = UINT64_C(256) << 20;
    path_of_copy(copy, path);
    check_ok(varve_open(path, &options, &db, &err), &err);
    if (is_restored) {
        check_ok(varve_compact(db, VARVE_COMPACT_ALL, NULL, &err), &err);
    }
    varve_query_options_init(&query);
    varve_cursor *cursor;
    check_ok(varve_query(db, &query, &cursor, &err), &err);
    compare_all(p, &p->snapped, cursor, query.range, (1u << TWIN_FIELDS_MAX) - 1, false);
    varve_cursor_close(cursor);
    check_ok(varve_close(db, &err), &err);
}

/* A snapshot made now and looked at later, as it is or restored, holds the database as of now. */
static void step_snapshot(program *p)
{
    varve_error err;
    char path[24];
    char restored[24];
    if (!p->has_snapshot) {
        path_of_copy(p->copies++, path);
        check_ok(varve_snapshot(p->db, path, NULL, NULL, &err), &err);
        twin_copy(&p->twin, &p->snapped);
        memcpy(p->snapped_scopes, p->scopes, sizeof p->scopes);
        p->has_snapshot = true;
        return;
    }
    check_copy(p, p->copies - 1, /* is_restored */ false);
    if (pick(p, 2) == 0) {
        varve_options options;
        varve_options_init(&options);
        options.environment = &p->env;
        path_of_copy(p->copies - 1, path);
        path_of_copy(p->copies++, restored);
        check_ok(varve_restore(path, restored, &options, NULL, NULL, &err), &err);
        scope now[PROGRAM_SCOPES]; /* what was restored goes by the clock, with the rules it had */
        memcpy(now, p->scopes, sizeof now);
        memcpy(p->scopes, p->snapped_scopes, sizeof now);
        set_cuts(p, &p->snapped, wall_of(p));
        memcpy(p->scopes, now, sizeof now);
        check_copy(p, p->copies - 1, /* is_restored */ true);
    }
    twin_deinit(&p->snapped);
    p->has_snapshot = false;
}

/* ---- rollups ---- */

/* Answers are the same with rollups and without: now, and of a moment that has passed. */
static void step_rollups(program *p)
{
    static const char *const metrics[] = {"cpu", "disk"};
    const char *fields[TWIN_FIELDS_MAX];
    for (size_t i = 0; i < TWIN_FIELDS_MAX; i++) {
        fields[i] = p->field_names[i];
    }
    rollup_world world = {.metrics = metrics,
                          .metric_count = 2,
                          .fields = fields,
                          .field_count = TWIN_FIELDS_MAX,
                          .label = "zone",
                          .value = "east",
                          .interval_max = 2000};
    varve_error err;
    if (pick(p, 6) == 0) {
        check_ok(rollup_check_set(p->db, &p->random, &world, &err), &err);
    }
    for (size_t i = 0; i < 8; i++) {
        rollup_pair pair;
        if (rollup_check_ask(p->db, &p->random, &world, p->clock, &pair)) {
            compare_pair(&pair);
        }
    }
    if (p->has_old_pair) {
        compare_pair(&p->old_pair);
        p->has_old_pair = false;
    } else if (pick(p, 2) == 0) {
        p->has_old_pair = rollup_check_ask(p->db, &p->random, &world, p->clock, &p->old_pair);
    }
    if (pick(p, 3) != 0) {
        check_ok(varve_rollup_run(p->db, NULL, &err), &err);
    }
}

static void program_step(program *p)
{
    varve_error err;
    if (pick(p, 6) == 0) {
        step_rollups(p);
        return;
    }
    switch (pick(p, p->has_row_ids ? 31 : 25)) {
    case 22:
    case 23:
    case 24:
        if (p->seed % 3 != 0) {
            step_retention(p);
        }
        break;
    case 20:
    case 21:
        step_snapshot(p);
        break;
    case 25:
    case 26:
    case 27:
    case 28:
    case 29:
    case 30:
        step_change(p);
        break;
    case 0:
    case 1:
    case 2:
    case 3:
        step_rows(p);
        break;
    case 4:
    case 5:
    case 6:
        for (uint64_t i = 0, n = 1 + pick(p, 150); i < n; i++) {
            step_scrape(p);
        }
        break;
    case 7:
        step_bulk(p);
        break;
    case 8:
    case 9:
        step_delete(p);
        break;
    case 10:
        check_ok(varve_flush(p->db, NULL, &err), &err);
        break;
    case 11:
        check_ok(varve_compact(p->db, 0, NULL, &err), &err);
        break;
    case 12:
        step_reopen(p);
        break;
    case 13:
        step_old_cursor(p);
        break;
    case 14:
        step_listing(p);
        break;
    case 15:
        step_verify(p);
        break;
    case 16:
    case 17:
        step_aggregate(p);
        break;
    default:
        step_compare(p);
        break;
    }
}

static void run_program(uint64_t seed)
{
    static program p;
    memset(&p, 0, sizeof p);
    p.seed = seed;
    vv_random_init(&p.random, seed);
    twin_init(&p.twin, seed % 2 == 0);
    p.has_row_ids = seed % 4 == 3;
    p.world = memory_world_create();
    p.env = *(const vv_env *)memory_world_environment(p.world);
    manual_clock_init(&p.hands, /* wall_ns */ 0);
    p.env.clock = manual_clock_of(&p.hands);
    for (size_t i = 0; i < PROGRAM_SCOPES; i++) {
        p.scopes[i].recorded = INT64_MIN;
    }
    p.clock = 1000;
    p.spread = 1 + (int64_t)pick(&p, 20000);
    program_open(&p);
    for (p.step = 0; p.step < PROGRAM_STEPS; p.step++) {
        program_step(&p);
        learn_row_ids(&p);
    }
    drop_old_cursor(&p);
    if (p.has_snapshot) {
        step_snapshot(&p);
    }
    step_compare(&p);
    step_aggregate(&p);
    varve_error err;
    check_ok(varve_close(p.db, &err), &err);
    twin_deinit(&p.twin);
    memory_world_free(p.world);
}

static void random_programs_equal_the_twin(void **state)
{
    (void)state;
    setting_run_seeds(PROGRAM_SEEDS, 10, run_program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(random_programs_equal_the_twin, setting_tell_seed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
