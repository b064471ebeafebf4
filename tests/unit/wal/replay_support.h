/* SPDX-License-Identifier: Apache-2.0 */
/* Logs to be damaged: a finished log as an image, and worlds that begin with a changed copy. */
#ifndef VV_TESTS_UNIT_WAL_REPLAY_SUPPORT_H
#define VV_TESTS_UNIT_WAL_REPLAY_SUPPORT_H

#include "log_support.h"
#include "wal/frame.h"

static inline const char *log_path(uint64_t seq)
{
    static char path[4][64];
    static unsigned next;
    char *out = path[next++ % 4];
    snprintf(out, sizeof path[0], "/wal/%020llu.vwl", (unsigned long long)seq);
    return out;
}

static inline vv_sim_image *log_image(log_world *world, vv_sim_model model)
{
    vv_sim_point *point = vv_sim_capture(world->sim);
    vv_sim_cut cut = {.model = model};
    vv_sim_image *image = vv_sim_power_cut(point, &cut);
    assert_non_null(image);
    vv_sim_point_free(point);
    return image;
}

/* A record as it lies in a file. */
typedef struct log_place {
    uint64_t file;
    int64_t offset;
    vv_frame frame;
    uint64_t durable; /* highest that it or a later record proves */
} log_place;

#define LOG_PLACES_MAX 20000

typedef struct log_map {
    log_place places[LOG_PLACES_MAX];
    size_t count;
} log_map;

/* Where every record of files 1..last is; the files are whole. */
static inline log_map *log_map_new(log_world *world, uint64_t last_file)
{
    log_map *map = calloc(1, sizeof *map);
    assert_non_null(map);
    varve_error err;
    for (uint64_t seq = 1; seq <= last_file; ++seq) {
        vv_frame_reader reader;
        vv_bytes header;
        vv_frame_file file;
        check_ok(
            vv_frame_reader_open(&reader, world->env.vfs, log_memory(), log_path(seq), true, &err),
            &err);
        check_ok(vv_frame_reader_view(&reader, 0, VV_FRAME_FILE_HEADER_BYTES, &header, &err), &err);
        check_ok(vv_frame_file_decode(VV_FRAME_LOG, header, &file, &err), &err);
        reader.salt = file.salt;
        int64_t offset = VV_FRAME_FILE_HEADER_BYTES;
        vv_frame_verdict verdict = VV_FRAME_GOOD;
        while (verdict == VV_FRAME_GOOD) {
            log_place place = {.file = seq, .offset = offset};
            vv_bytes payload;
            check_ok(
                vv_frame_read(&reader, offset, NULL, 0, &verdict, &place.frame, &payload, &err),
                &err);
            if (verdict == VV_FRAME_GOOD) {
                size_t at = place.frame.type == VV_WAL_COMMIT ? 16
                            : place.frame.type == VV_WAL_SEAL ? 8
                                                              : 0;
                if (place.frame.type >= VV_WAL_COMMIT && place.frame.type <= VV_WAL_MARK) {
                    memcpy(&place.durable, payload.data + at, 8);
                }
                assert_true(map->count < LOG_PLACES_MAX);
                map->places[map->count++] = place;
                offset += (int64_t)vv_frame_bytes(place.frame.payload_size);
            }
        }
        vv_frame_reader_close(&reader);
    }
    for (size_t i = map->count - 1; i > 0; --i) {
        if (map->places[i].durable > map->places[i - 1].durable) {
            map->places[i - 1].durable = map->places[i].durable;
        }
    }
    return map;
}

static inline void log_read_bytes(log_world *world, const char *path, int64_t offset, void *bytes,
                                  size_t size)
{
    vv_file *file;
    varve_error err;
    check_ok(vv_file_open(world->env.vfs, log_memory(), path, VV_OPEN_READ, &file, &err), &err);
    check_ok(vv_file_read_exact(file, offset, bytes, size, &err), &err);
    check_ok(vv_file_close(file, NULL), NULL);
}

static inline void log_patch(log_world *world, const char *path, int64_t offset, const void *bytes,
                             size_t size)
{
    vv_file *file;
    varve_error err;
    check_ok(
        vv_file_open(world->env.vfs, log_memory(), path, VV_OPEN_READ | VV_OPEN_WRITE, &file, &err),
        &err);
    check_ok(vv_file_write_all(file, offset, bytes, size, &err), &err);
    check_ok(vv_file_fdatasync(file, VV_SITE_WAL_MARK, &err), &err);
    check_ok(vv_file_close(file, NULL), NULL);
}

static inline void log_flip(log_world *world, const char *path, int64_t offset, unsigned bit)
{
    uint8_t byte;
    log_read_bytes(world, path, offset, &byte, 1);
    byte = (uint8_t)(byte ^ 1u << bit);
    log_patch(world, path, offset, &byte, 1);
}

static inline void log_truncate(log_world *world, const char *path, int64_t size)
{
    vv_file *file;
    varve_error err;
    check_ok(vv_file_open(world->env.vfs, log_memory(), path, VV_OPEN_WRITE, &file, &err), &err);
    check_ok(vv_file_truncate(file, size, &err), &err);
    check_ok(vv_file_close(file, NULL), NULL);
}

static inline int64_t log_file_size(log_world *world, const char *path)
{
    vv_file_info info;
    varve_error err;
    check_ok(vv_vfs_stat(world->env.vfs, path, &info, &err), &err);
    return info.size;
}

/* A log of groups with one batch each, all synced; closed without a seal. */
static inline vv_sim_image *log_make(uint64_t batches, bool is_sealed, uint64_t *out_files,
                                     uint64_t *out_durable, log_map **out_map)
{
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 11);
    log_open(&world);
    for (uint64_t i = 0; i < batches; ++i) {
        (void)log_write(&world, VARVE_SYNC_GROUP);
    }
    if (is_sealed) {
        check_ok(vv_wal_seal(world.wal, 5, &err), &err);
    }
    vv_wal_stats stats;
    vv_wal_get_stats(world.wal, &stats);
    *out_files = stats.rotations + 1;
    if (out_durable != NULL) {
        *out_durable = vv_wal_durable_lsn(world.wal);
    }
    log_free(&world);
    if (out_map != NULL) {
        *out_map = log_map_new(&world, *out_files);
    }
    vv_sim_image *image = log_image(&world, VV_SIM_CUT_ALL);
    log_world_deinit(&world);
    return image;
}

#endif
