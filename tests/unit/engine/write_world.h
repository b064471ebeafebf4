/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A database to write to, and its rows as text: "1:a=1.5,b=x;2:a=2;" is a row at time 1 with the
 * fields a and b, and one at time 2. Bytes are shown as b'x', histograms as h<size>.
 */
#ifndef VV_TESTS_ENGINE_WRITE_WORLD_H
#define VV_TESTS_ENGINE_WRITE_WORLD_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "codec/vector.h"
#include "engine/scan.h"
#include "engine/write.h"
#include "index/catalogue.h"
#include "support/check.h"
#include "support/failing_alloc.h"
#include "sys/vfs_memory.h"

typedef struct write_world {
    failing_alloc failing;
    varve_allocator source;
    varve_options options;
    vv_alloc disk_alloc;
    vv_env env; /* of the system, but for files: those are in memory and outlive the database */
    vv_vfs *disk;
    varve_db *db;
    varve_batch *batch;
} write_world;

#define WORLD_PATH "/db" /* on the disk of the world */

/* path NULL: in memory, without a log. */
static inline void world_open(write_world *world, const char *path)
{
    varve_error err;
    check_ok(vv_db_open(path, &world->options, &world->db, &err), &err);
    check_ok(vv_batch_create(world->db, &world->batch, &err), &err);
}

/* Defaults but for: no threads, so that a test is one thread. */
static inline void world_prepare(write_world *world)
{
    memset(world, 0, sizeof *world);
    failing_alloc_init(&world->failing);
    world->source = failing_alloc_source(&world->failing);
    varve_options_init(&world->options);
    world->options.allocator = &world->source;
    world->options.flags = VARVE_OPEN_NO_BACKGROUND;
    world->options.memory_limit_bytes = UINT64_C(256) << 20;
    world->options.log_file_bytes = 1 << 20;
    varve_error err;
    vv_alloc_init(&world->disk_alloc, NULL);
    check_ok(vv_vfs_memory_create(&world->disk_alloc, &world->disk, &err), &err);
    vv_env_init_system(&world->env, &world->disk_alloc);
    world->env.vfs = world->disk;
    world->options.environment = &world->env;
}

/* In memory. */
static inline void world_start(write_world *world)
{
    world_prepare(world);
    world_open(world, NULL);
}

static inline void world_close(write_world *world)
{
    varve_error err;
    vv_batch_free(world->batch);
    check_ok(vv_db_close(world->db, &err), &err);
    world->batch = NULL;
    world->db = NULL;
}

/* As a crash of the process: nothing is flushed. */
static inline void world_abandon(write_world *world)
{
    vv_batch_free(world->batch);
    vv_db_abandon(world->db);
    world->batch = NULL;
    world->db = NULL;
}

static inline void world_end(write_world *world)
{
    world_close(world);
    assert_int_equal(0, atomic_load(&world->failing.live));
    vv_vfs_memory_free(world->disk);
}

/* ---- names ---- */

static inline varve_series world_series(write_world *world, const char *metric, const char *host)
{
    varve_error err;
    varve_label label = {.name = VARVE_STR("host"), .value = vv_text_from_string(host)};
    uint32_t id = 0;
    check_ok(vv_catalogue_resolve(world->db->catalogue, vv_text_from_string(metric), &label, 1,
                                  false, &id, &err),
             &err);
    return (varve_series){id};
}

static inline varve_field world_field(write_world *world, const char *name)
{
    varve_error err;
    uint32_t id = 0;
    check_ok(vv_catalogue_field(world->db->catalogue, vv_text_from_string(name), false, &id, &err),
             &err);
    return (varve_field){id};
}

static inline varve_value world_f64(double value)
{
    return (varve_value){.type = VARVE_TYPE_F64, .as.f64 = value};
}

static inline varve_value world_i64(int64_t value)
{
    return (varve_value){.type = VARVE_TYPE_I64, .as.i64 = value};
}

static inline varve_value world_text(const char *text)
{
    return (varve_value){.type = VARVE_TYPE_STRING, .as.bytes = vv_text_from_string(text)};
}

/* ---- writing ---- */

static inline varve_status world_try_row(write_world *world, varve_series series, int64_t time,
                                         varve_field field, varve_value value, varve_error *err)
{
    varve_row row = {
        .series = series, .timestamp = time, .fields = &field, .values = &value, .count = 1};
    return vv_batch_row(world->batch, &row, err);
}

static inline void world_row(write_world *world, varve_series series, int64_t time,
                             varve_field field, varve_value value)
{
    varve_error err;
    check_ok(world_try_row(world, series, time, field, value, &err), &err);
}

static inline void world_delete(write_world *world, varve_series series, int64_t start, int64_t end)
{
    varve_error err;
    varve_selection selection = {.kind = VARVE_SELECT_LIST, .series = &series, .series_count = 1};
    check_ok(vv_batch_delete(world->batch, &selection, 1, (varve_range){start, end}, &err), &err);
}

static inline varve_written world_commit(write_world *world)
{
    varve_error err;
    varve_written written;
    varve_written_init(&written);
    check_ok(vv_batch_commit(world->batch, NULL, &written, &err), &err);
    return written;
}

/* ---- reading ---- */

static inline void world_print_value(const varve_column *column, size_t row, char *out, size_t room)
{
    switch (column->type) {
    case VARVE_TYPE_F64:
        snprintf(out, room, "%g", ((const double *)column->values)[row]);
        return;
    case VARVE_TYPE_I64:
        snprintf(out, room, "%" PRId64 "i", ((const int64_t *)column->values)[row]);
        return;
    case VARVE_TYPE_U64:
        snprintf(out, room, "%" PRIu64 "u", ((const uint64_t *)column->values)[row]);
        return;
    case VARVE_TYPE_BOOL:
        snprintf(out, room, "%s", ((const uint8_t *)column->values)[row] != 0 ? "true" : "false");
        return;
    default:
        break;
    }
    varve_text text = ((const varve_text *)column->values)[row];
    bool is_bytes = column->type == VARVE_TYPE_BYTES ||
                    (column->marks != NULL && vv_bits_get(column->marks, row));
    if (column->type == VARVE_TYPE_HISTOGRAM) {
        snprintf(out, room, "h%zu", text.size);
    } else if (is_bytes) {
        snprintf(out, room, "b'%.*s'", VV_TEXT_ARGS(text));
    } else {
        snprintf(out, room, "%.*s", VV_TEXT_ARGS(text));
    }
}

/* The rows of a series in a view, or in the newest one when that is NULL; lives until the next of
 * four calls. */
static inline const char *world_read_at(write_world *world, varve_series series, vv_view *view)
{
    enum { ROOM = 1 << 18 };
    static char texts[4][ROOM];
    static unsigned turn;
    char *out = texts[turn++ % 4];
    size_t size = 0;
    out[0] = '\0';
    varve_error err;
    vv_view *newest = NULL;
    if (view == NULL) {
        check_ok(vv_view_open(world->db, &newest, &err), &err);
    }
    vv_codec_scratch *scratch;
    check_ok(vv_codec_scratch_create(&world->db->alloc, &scratch, &err), &err);
    vv_scan_options options = {
        .range = {INT64_MIN, INT64_MAX},
        .no_vectors = true,
        .alloc = &world->db->alloc,
        .scratch = scratch,
    };
    vv_scan *scan;
    check_ok(vv_scan_open(view == NULL ? newest : view, (uint32_t)series.id, &options, &scan, &err),
             &err);
    const vv_part *part;
    for (;;) {
        check_ok(vv_scan_next(scan, &part, &err), &err);
        if (part == NULL) {
            break;
        }
        for (size_t row = 0; row < part->rows.count; row++) {
            size +=
                (size_t)snprintf(out + size, ROOM - size, "%" PRId64 ":", part->rows.times[row]);
            const char *before = "";
            for (size_t i = 0; i < part->rows.column_count; i++) {
                if (!vv_column_has(&part->rows.columns[i], row)) {
                    continue;
                }
                char value[64];
                varve_text name =
                    vv_catalogue_field_name(world->db->catalogue, part->rows.fields[i]);
                world_print_value(&part->rows.columns[i], row, value, sizeof value);
                size += (size_t)snprintf(out + size, ROOM - size, "%s%.*s=%s", before,
                                         VV_TEXT_ARGS(name), value);
                before = ",";
            }
            size += (size_t)snprintf(out + size, ROOM - size, ";");
            assert_true(size < ROOM - 256);
        }
    }
    vv_scan_close(scan);
    vv_codec_scratch_free(scratch);
    vv_view_unref(newest);
    return out;
}

static inline const char *world_read(write_world *world, varve_series series)
{
    return world_read_at(world, series, NULL);
}

#endif
