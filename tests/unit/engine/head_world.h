/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A head, just as much of a database around it as it needs, and a list of the rows that were put
 * into it. world_check reads a series back through the pieces of the head and holds it against the
 * list.
 */
#ifndef VV_TESTS_ENGINE_HEAD_WORLD_H
#define VV_TESTS_ENGINE_HEAD_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/bitmap.h"
#include "base/buf.h"
#include "base/random.h"
#include "codec/vector.h"
#include "engine/head.h"
#include "index/catalogue.h"
#include "support/check.h"
#include "support/failing_alloc.h"

enum { WORLD_FIELDS = 6, WORLD_TEXT_BYTES = 15 };

/* Fields 1 to 6 have these types; 4 holds strings and bytes. */
static const uint32_t world_types[WORLD_FIELDS + 1] = {
    0,
    VARVE_TYPE_F64,
    VARVE_TYPE_I64,
    VARVE_TYPE_BOOL,
    VARVE_TYPE_STRING,
    VARVE_TYPE_U64,
    VARVE_TYPE_F64,
};

typedef struct world_cell {
    uint32_t type; /* 0: no value */
    uint32_t size;
    uint64_t bits;
    char text[WORLD_TEXT_BYTES + 1];
} world_cell;

typedef struct world_row {
    uint32_t series;
    int64_t time;
    uint64_t sequence;
    world_cell cells[WORLD_FIELDS + 1];
} world_row;

typedef struct head_world {
    failing_alloc failing;
    varve_db db;
    vv_head *head;
    vv_codec_scratch *scratch;
    world_row *rows; /* appended, in order of sequence */
    size_t count, capacity;
    uint64_t next_sequence;
} head_world;

static inline uint32_t world_series(head_world *world, const char *metric, unsigned number)
{
    varve_error err;
    uint32_t series = 0;
    char value[16];
    int size = snprintf(value, sizeof value, "%u", number);
    varve_label label = {.name = VARVE_STR("n"), .value = {value, (size_t)size}};
    check_ok(vv_catalogue_resolve(world->db.catalogue, vv_text_from_string(metric), &label, 1,
                                  false, &series, &err),
             &err);
    return series;
}

static inline void world_set_policy(head_world *world, const char *metric, uint32_t duplicates)
{
    varve_error err;
    uint32_t id = 0;
    check_ok(vv_catalogue_metric_id_of(world->db.catalogue, vv_text_from_string(metric), false, &id,
                                       &err),
             &err);
    vv_catalogue_set_policy(world->db.catalogue, id,
                            (vv_metric_policy){.duplicates = duplicates, .is_own = true});
}

/* Metrics "last" and "all" have these policies; fields 1 to 6 exist. */
static inline void world_init(head_world *world)
{
    varve_error err;
    memset(world, 0, sizeof *world);
    failing_alloc_init(&world->failing);
    varve_allocator source = failing_alloc_source(&world->failing);
    vv_alloc_init(&world->db.alloc, &source);
    vv_env_init_system(&world->db.env, &world->db.alloc);
    check_ok(vv_catalogue_create(&world->db.alloc, 1, 0, &world->db.catalogue, &err), &err);
    vv_catalogue_set_default_policy(world->db.catalogue,
                                    (vv_metric_policy){.duplicates = VARVE_DUPLICATES_LAST});
    for (uint32_t i = 0; i < VV_SHARD_COUNT; i++) {
        check_ok(vv_mutex_init(&world->db.shards[i].lock, VV_RANK_SHARD, i, &err), &err);
        check_ok(vv_codec_scratch_create(&world->db.alloc, &world->db.shards[i].scratch, &err),
                 &err);
    }
    check_ok(vv_codec_scratch_create(&world->db.alloc, &world->scratch, &err), &err);
    world_set_policy(world, "all", VARVE_DUPLICATES_ALL);
    world_set_policy(world, "last", VARVE_DUPLICATES_LAST);
    for (uint32_t i = 1; i <= WORLD_FIELDS; i++) {
        uint32_t field = 0;
        char name[8];
        int size = snprintf(name, sizeof name, "f%u", i);
        check_ok(vv_catalogue_field(world->db.catalogue, (varve_text){name, (size_t)size}, false,
                                    &field, &err),
                 &err);
        assert_int_equal(i, field);
    }
    check_ok(vv_head_create(&world->db, &world->head, &err), &err);
    world->next_sequence = 1;
}

static inline void world_deinit(head_world *world)
{
    vv_head_unref(world->head);
    for (uint32_t i = 0; i < VV_SHARD_COUNT; i++) {
        vv_codec_scratch_free(world->db.shards[i].scratch);
        vv_mutex_deinit(&world->db.shards[i].lock);
    }
    vv_codec_scratch_free(world->scratch);
    vv_catalogue_free(world->db.catalogue);
    free(world->rows);
    assert_int_equal(0, vv_alloc_bytes(&world->db.alloc));
    assert_int_equal(0, atomic_load(&world->failing.live));
}

/* ---- rows ---- */

static inline world_row world_row_f64(uint32_t series, int64_t time, double value)
{
    world_row row = {.series = series, .time = time};
    row.cells[1].type = VARVE_TYPE_F64;
    memcpy(&row.cells[1].bits, &value, 8);
    return row;
}

static inline void world_fill(vv_random *random, world_row *row, uint32_t field)
{
    world_cell *cell = &row->cells[field];
    cell->type = world_types[field];
    switch (cell->type) {
    case VARVE_TYPE_BOOL:
        cell->bits = vv_random_u64(random) % 2;
        break;
    case VARVE_TYPE_STRING:
        cell->type =
            vv_random_u64(random) % 4 == 0 ? (uint32_t)VARVE_TYPE_BYTES : VARVE_TYPE_STRING;
        cell->size = (uint32_t)(vv_random_u64(random) % WORLD_TEXT_BYTES);
        for (uint32_t i = 0; i < cell->size; i++) {
            cell->text[i] = (char)('a' + vv_random_u64(random) % 26);
        }
        break;
    case VARVE_TYPE_F64: {
        double value = (double)(vv_random_u64(random) % 1000) / 8.0;
        memcpy(&cell->bits, &value, 8);
        break;
    }
    default:
        cell->bits = vv_random_u64(random) % 100000;
        break;
    }
}

/* ---- runs ---- */

typedef struct world_run {
    vv_run run;
    uint32_t *series;
    int64_t *times;
    uint32_t fields[WORLD_FIELDS];
    varve_column columns[WORLD_FIELDS];
    vv_buf vector;
} world_run;

/* Columns of the fields that any row has. */
static inline void world_run_init(world_run *run, const world_row *rows, size_t count)
{
    memset(run, 0, sizeof *run);
    run->series = malloc(count * sizeof *run->series);
    run->times = malloc(count * sizeof *run->times);
    size_t columns = 0;
    for (size_t i = 0; i < count; i++) {
        run->series[i] = rows[i].series;
        run->times[i] = rows[i].time;
    }
    for (uint32_t field = 1; field <= WORLD_FIELDS; field++) {
        size_t has = 0;
        size_t bytes = 0;
        for (size_t i = 0; i < count; i++) {
            has += rows[i].cells[field].type != 0;
            bytes += rows[i].cells[field].type == VARVE_TYPE_BYTES;
        }
        if (has == 0) {
            continue;
        }
        size_t width = vv_type_width(world_types[field]);
        uint8_t *values = calloc(count, width);
        uint64_t *present = calloc((count + 63) / 64, 8);
        uint64_t *marks = calloc((count + 63) / 64, 8);
        for (size_t i = 0; i < count; i++) {
            const world_cell *cell = &rows[i].cells[field];
            if (cell->type == 0) {
                continue;
            }
            vv_bits_set(present, i);
            if (cell->type == VARVE_TYPE_BYTES) {
                vv_bits_set(marks, i);
            }
            if (width == 16) {
                ((varve_text *)(void *)values)[i] = (varve_text){cell->text, cell->size};
            } else {
                memcpy(values + i * width, &cell->bits, width);
            }
        }
        run->fields[columns] = field;
        run->columns[columns] = (varve_column){.type = world_types[field], .values = values};
        if (has < count) {
            run->columns[columns].present = present;
        } else {
            free(present);
        }
        if (bytes > 0) {
            run->columns[columns].marks = marks;
        } else {
            free(marks);
        }
        columns++;
    }
    run->run = (vv_run){
        .count = count,
        .series = run->series,
        .series_count = count,
        .times = run->times,
        .time_count = count,
        .fields = run->fields,
        .columns = run->columns,
        .column_count = columns,
    };
}

/* The rows, of one series and ascending, as an encoded vector. */
static inline void world_run_encode(head_world *world, world_run *run)
{
    varve_error err;
    vv_buf_init(&run->vector, &world->db.alloc, SIZE_MAX);
    vv_rows rows = {
        .count = run->run.count,
        .times = run->times,
        .fields = run->fields,
        .columns = run->columns,
        .column_count = run->run.column_count,
    };
    check_ok(vv_vector_encode(&rows, world->scratch, &run->vector, &err), &err);
    run->run.vector = run->vector.data;
    run->run.vector_size = run->vector.size;
    run->run.series_count = 1;
    run->run.times = NULL;
    run->run.columns = NULL;
}

static inline void world_run_deinit(world_run *run)
{
    for (size_t i = 0; i < run->run.column_count; i++) {
        free((void *)(uintptr_t)run->columns[i].values);
        free((void *)(uintptr_t)run->columns[i].present);
        free((void *)(uintptr_t)run->columns[i].marks);
    }
    free(run->series);
    free(run->times);
    if (run->vector.alloc != NULL) {
        vv_buf_deinit(&run->vector);
    }
}

/* Note rows as appended. */
static inline void world_note(head_world *world, const world_row *rows, size_t count)
{
    while (world->count + count > world->capacity) {
        world->capacity = world->capacity == 0 ? 256 : 2 * world->capacity;
        world->rows = realloc(world->rows, world->capacity * sizeof *world->rows);
    }
    for (size_t i = 0; i < count; i++) {
        world->rows[world->count] = rows[i];
        world->rows[world->count].sequence = world->next_sequence++;
        world->count++;
    }
}

/* Reserve and append one run, plain or as a vector; returns the rows that were late. */
static inline uint64_t world_append(head_world *world, const world_row *rows, size_t count,
                                    bool as_vector, uint64_t visible)
{
    varve_error err;
    world_run run;
    world_run_init(&run, rows, count);
    if (as_vector) {
        world_run_encode(world, &run);
    }
    vv_head_reserve_options options = {.visible = visible};
    vv_head_reserved reserved;
    vv_db_lock_shards(&world->db);
    check_ok(vv_head_reserve(world->head, &run.run, &options, &reserved, &err), &err);
    vv_head_append(world->head, &run.run, world->next_sequence, reserved.late_rows);
    for (size_t i = 0; i < count; i++) {
        vv_head_set_series_defined(world->head, rows[i].series);
    }
    vv_db_unlock_shards(&world->db);
    world_run_deinit(&run);
    world_note(world, rows, count);
    return reserved.late_rows;
}

/* ---- reading back ---- */

typedef struct world_answer {
    world_row *rows;
    size_t count;
} world_answer;

static inline void world_take_columns(const vv_rows *rows, const uint64_t *sequences,
                                      uint32_t series, world_row *out)
{
    for (size_t i = 0; i < rows->count; i++) {
        memset(&out[i], 0, sizeof out[i]);
        out[i].series = series;
        out[i].time = rows->times[i];
        out[i].sequence = sequences[i];
    }
    for (size_t column = 0; column < rows->column_count; column++) {
        const varve_column *values = &rows->columns[column];
        uint32_t field = rows->fields[column];
        assert_in_range(field, 1, WORLD_FIELDS);
        for (size_t i = 0; i < rows->count; i++) {
            world_cell *cell = &out[i].cells[field];
            if (!vv_column_has(values, i)) {
                continue;
            }
            cell->type = values->type;
            if (vv_type_is_blob(values->type)) {
                varve_text text = ((const varve_text *)values->values)[i];
                assert_true(text.size <= WORLD_TEXT_BYTES);
                cell->size = (uint32_t)text.size;
                if (text.size > 0) {
                    memcpy(cell->text, text.data, text.size);
                }
                if (values->marks != NULL) {
                    cell->type =
                        vv_bits_get(values->marks, i) ? VARVE_TYPE_BYTES : VARVE_TYPE_STRING;
                }
            } else {
                size_t width = vv_type_width(values->type);
                memcpy(&cell->bits, (const uint8_t *)values->values + i * width, width);
            }
        }
    }
}

/* Rows of a piece as vv_rows in the arena, encoded or not. */
static inline void world_open_piece(head_world *world, const vv_head_piece *piece, vv_arena *arena,
                                    vv_rows *out_rows, uint64_t *sequences)
{
    varve_error err;
    check_ok(vv_head_piece_sequences(piece, world->scratch, sequences, &err), &err);
    if (!piece->is_encoded) {
        *out_rows = piece->plain;
        return;
    }
    vv_vector vector;
    check_ok(vv_vector_parse(piece->vector, &vector, &err), &err);
    size_t words = vv_bits_words(vector.count);
    int64_t *times = vv_arena_array(arena, vector.count, sizeof *times);
    uint32_t *fields = vv_arena_array(arena, vector.column_count, sizeof *fields);
    varve_column *columns = vv_arena_array(arena, vector.column_count, sizeof *columns);
    check_ok(vv_vector_times(&vector, world->scratch, times, &err), &err);
    for (uint32_t i = 0; i < vector.column_count; i++) {
        vv_vector_column column;
        check_ok(vv_vector_column_at(&vector, i, &column, &err), &err);
        void *values = vv_arena_array(arena, vector.count, vv_type_width(column.type));
        uint64_t *present = vv_arena_array(arena, words, 8);
        uint64_t *marks = vv_arena_zeroed(arena, words * 8);
        check_ok(vv_vector_decode(&column, world->scratch, arena, values, present, marks, &err),
                 &err);
        fields[i] = column.field;
        columns[i] = (varve_column){.type = column.type, .values = values, .present = present};
        if (column.type == VARVE_TYPE_STRING) {
            columns[i].marks = marks;
        }
    }
    *out_rows = (vv_rows){
        .count = vector.count,
        .times = times,
        .fields = fields,
        .columns = columns,
        .column_count = vector.column_count,
    };
}

static inline bool world_in_range(varve_range range, int64_t time)
{
    return time >= range.start && (time < range.end || range.end == INT64_MAX);
}

static inline int world_compare(const void *a, const void *b)
{
    const world_row *left = a;
    const world_row *right = b;
    if (left->time != right->time) {
        return left->time < right->time ? -1 : 1;
    }
    return left->sequence < right->sequence ? -1 : left->sequence > right->sequence;
}

/* What a piece says of itself holds; its visible rows in range are added to the answer. */
static inline void world_add_piece(head_world *world, const vv_head_piece *piece, uint32_t series,
                                   uint64_t visible, varve_range range, bool is_last,
                                   world_answer *answer)
{
    vv_arena arena;
    vv_arena_init(&arena, &world->db.alloc, SIZE_MAX);
    uint64_t *sequences = malloc(piece->rows * sizeof *sequences);
    world_row *rows = malloc(piece->rows * sizeof *rows);
    vv_rows opened;
    world_open_piece(world, piece, &arena, &opened, sequences);
    assert_int_equal(piece->rows, opened.count);
    world_take_columns(&opened, sequences, series, rows);
    assert_int_equal(piece->first_time, rows[0].time);
    assert_int_equal(piece->last_time, rows[piece->rows - 1].time);
    bool hides = false;
    uint64_t least = UINT64_MAX;
    uint64_t greatest = 0;
    answer->rows = realloc(answer->rows, (answer->count + piece->rows) * sizeof *rows);
    for (uint32_t i = 0; i < piece->rows; i++) {
        least = sequences[i] < least ? sequences[i] : least;
        greatest = sequences[i] > greatest ? sequences[i] : greatest;
        hides = hides || sequences[i] > visible;
        if (i > 0) {
            assert_true(rows[i - 1].time <= rows[i].time);
            assert_true(rows[i - 1].time < rows[i].time ||
                        sequences[i - 1] < sequences[i]);                               /* H4 */
            assert_true(piece->is_late || !is_last || rows[i - 1].time < rows[i].time); /* H1 */
        }
        if (sequences[i] <= visible && world_in_range(range, rows[i].time)) {
            answer->rows[answer->count++] = rows[i];
        }
    }
    assert_int_equal(least, piece->first_sequence);
    assert_int_equal(greatest, piece->last_sequence);
    assert_true(hides == piece->needs_filter);
    free(sequences);
    free(rows);
    vv_arena_deinit(&arena);
}

static inline void world_check(head_world *world, vv_head *head, uint32_t series, uint64_t visible,
                               varve_range range)
{
    varve_error err;
    vv_arena arena;
    vv_arena_init(&arena, &world->db.alloc, SIZE_MAX);
    vv_head_pieces pieces;
    check_ok(vv_head_read(head, series, visible, range, NULL, 0, &arena, &pieces, &err), &err);
    bool is_last = vv_catalogue_policy(world->db.catalogue,
                                       vv_catalogue_metric_id(world->db.catalogue, series))
                       .duplicates == VARVE_DUPLICATES_LAST;
    world_answer answer = {0};
    for (size_t i = 0; i < pieces.in_order_count; i++) {
        const vv_head_piece *piece = &pieces.in_order[i];
        assert_false(piece->is_late);
        if (i > 0) {
            assert_true(pieces.in_order[i - 1].last_time + (is_last ? 1 : 0) <= piece->first_time);
            assert_true(pieces.in_order[i - 1].last_sequence < piece->first_sequence);
        }
        world_add_piece(world, piece, series, visible, range, is_last, &answer);
    }
    size_t in_order = answer.count;
    for (size_t i = 0; i < pieces.late_count; i++) {
        assert_true(pieces.late[i].is_late);
        if (i > 0) {
            assert_true(pieces.late[i - 1].last_sequence < pieces.late[i].first_sequence); /* H4 */
        }
        world_add_piece(world, &pieces.late[i], series, visible, range, is_last, &answer);
    }
    for (size_t late = in_order; late < answer.count; late++) {
        for (size_t i = 0; i < in_order; i++) { /* H4 */
            assert_true(answer.rows[i].time != answer.rows[late].time ||
                        answer.rows[i].sequence < answer.rows[late].sequence);
        }
    }
    world_answer wanted = {.rows = malloc((world->count + 1) * sizeof *wanted.rows)};
    for (size_t i = 0; i < world->count; i++) {
        const world_row *row = &world->rows[i];
        if (row->series == series && row->sequence <= visible && world_in_range(range, row->time)) {
            wanted.rows[wanted.count++] = *row;
        }
    }
    if (answer.count > 0) {
        qsort(answer.rows, answer.count, sizeof *answer.rows, world_compare);
    }
    qsort(wanted.rows, wanted.count, sizeof *wanted.rows, world_compare);
    assert_int_equal(wanted.count, answer.count);
    for (size_t i = 0; i < wanted.count; i++) {
        assert_memory_equal(&wanted.rows[i], &answer.rows[i], sizeof *wanted.rows);
    }
    free(answer.rows);
    free(wanted.rows);
    vv_arena_deinit(&arena);
}

#define WORLD_ALL ((varve_range){INT64_MIN, INT64_MAX})

#endif
