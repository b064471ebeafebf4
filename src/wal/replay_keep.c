/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What recovery keeps for people, in quarantine/: nothing there is ever read or removed by varve.
 *
 *   <seq>-<offset>.torn    the bytes of a torn end, 16 MiB at most. The name tells the place, so a
 *                          recovery that is repeated writes the same file again. A help, not a
 *                          condition: where it cannot be written the open goes on without.
 *   <time>/<seq>.vwl       every log file as it was when a salvage met damage, before anything else
 *                          happened; hard links where the file system has them.
 *   <time>/report.json     what is lost.
 */
#include <string.h>

#include "base/json_writer.h"
#include "base/status.h"
#include "base/text.h"
#include "sys/clock.h"
#include "wal/payload.h"
#include "wal/replay_priv.h"
#include "wal/wal_priv.h"

enum {
    REPLAY_KEEP_CHUNK_BYTES = 1024 * 1024,
    REPLAY_KEEP_NAME_BYTES = 64,
    REPLAY_KEEP_DIRECTORIES_MAX = 1000,              /* salvages within one clock reading */
    REPLAY_KEEP_REPORT_BYTES_MAX = 64 * 1024 * 1024, /* a report of a million holes */
    REPLAY_KEEP_ARENA_BYTES_MAX = 256 * 1024 * 1024, /* for decoding one lost record */
};

/* ---- copies --------------------------------------------------------------------------------- */

static varve_status replay_keep_range(const vv_replay_walk *walk, vv_file *source, vv_file *target,
                                      int64_t offset, int64_t end, varve_error *out_err)
{
    uint8_t *chunk = vv_alloc_new(walk->env->alloc, REPLAY_KEEP_CHUNK_BYTES);
    if (chunk == NULL) {
        return vv_fail_nomem(out_err, "a copy of a log file", REPLAY_KEEP_CHUNK_BYTES);
    }
    varve_status status = VARVE_OK;
    int64_t written = 0;
    while (status == VARVE_OK && offset + written < end) {
        int64_t left = end - offset - written;
        size_t wanted =
            left < REPLAY_KEEP_CHUNK_BYTES ? (size_t)left : (size_t)REPLAY_KEEP_CHUNK_BYTES;
        size_t read = 0;
        status = vv_file_read(source, offset + written, chunk, wanted, &read, out_err);
        if (status == VARVE_OK) {
            status = vv_file_write_all(target, written, chunk, read, out_err);
        }
        written += (int64_t)read;
        if (read < wanted) {
            break;
        }
    }
    vv_alloc_free(walk->env->alloc, chunk, REPLAY_KEEP_CHUNK_BYTES);
    return status;
}

/* Copy [offset, end) of a file; end -1: all of it. */
static varve_status replay_keep_copy(const vv_replay_walk *walk, const char *source_path,
                                     const char *target_path, int64_t offset, int64_t end,
                                     varve_error *out_err)
{
    const vv_env *env = walk->env;
    vv_file *source = NULL;
    vv_file *target = NULL;
    vv_file_info info;
    VV_TRY(vv_file_open(env->vfs, env->alloc, source_path, VV_OPEN_READ, &source, out_err));
    varve_status status = vv_file_stat(source, &info, out_err);
    if (status == VARVE_OK) {
        status = vv_file_open(env->vfs, env->alloc, target_path,
                              VV_OPEN_READ | VV_OPEN_WRITE | VV_OPEN_CREATE, &target, out_err);
    }
    if (status == VARVE_OK) {
        status = vv_file_truncate(target, 0, out_err);
    }
    if (status == VARVE_OK) {
        status =
            replay_keep_range(walk, source, target, offset, end < 0 ? info.size : end, out_err);
    }
    if (status == VARVE_OK) {
        status = vv_file_fsync(target, VV_SITE_QUARANTINE_FILE, out_err);
    }
    VV_IGNORE(vv_file_close(source, NULL)); /* read only */
    varve_status close_status = vv_file_close(target, status == VARVE_OK ? out_err : NULL);
    return status == VARVE_OK ? close_status : status;
}

static varve_status replay_keep_torn(const vv_replay_walk *walk, uint64_t file_seq, int64_t offset,
                                     int64_t end, varve_error *out_err)
{
    char name[REPLAY_KEEP_NAME_BYTES];
    char source[VV_PATH_BYTES_MAX];
    char target[VV_PATH_BYTES_MAX];
    (void)vv_text_format(name, sizeof name, "%020llu-%020lld.torn", (unsigned long long)file_seq,
                         (long long)offset);
    VV_TRY(vv_wal_file_path(walk->options->directory, file_seq, "", source, out_err));
    VV_TRY(vv_path_join(walk->options->quarantine, name, target, out_err));
    VV_TRY(replay_keep_copy(walk, source, target, offset, end, out_err));
    return vv_vfs_sync_dir(walk->env->vfs, walk->options->quarantine, VV_SITE_QUARANTINE_DIR,
                           out_err);
}

bool vv_replay_keep_torn(const vv_replay_walk *walk, uint64_t file_seq, int64_t offset, int64_t end)
{
    if (end - offset > VV_REPLAY_TORN_BYTES_MAX) {
        end = offset + VV_REPLAY_TORN_BYTES_MAX;
    }
    return replay_keep_torn(walk, file_seq, offset, end, NULL) == VARVE_OK;
}

/* ---- evidence ------------------------------------------------------------------------------- */

static varve_status replay_keep_make_directory(vv_replay_walk *walk, varve_error *out_err)
{
    int64_t now_ns = vv_env_wall_ns(walk->env);
    varve_status status = VARVE_E_EXISTS;
    for (int64_t i = 0; i < REPLAY_KEEP_DIRECTORIES_MAX && status == VARVE_E_EXISTS; ++i) {
        char name[REPLAY_KEEP_NAME_BYTES];
        (void)vv_text_format(name, sizeof name, "%020lld", (long long)(now_ns + i));
        VV_TRY(vv_path_join(walk->options->quarantine, name, walk->evidence, out_err));
        status = vv_vfs_mkdir(walk->env->vfs, walk->evidence, out_err);
    }
    return status;
}

static varve_status replay_keep_file(const vv_replay_walk *walk, uint64_t seq, varve_error *out_err)
{
    char source[VV_PATH_BYTES_MAX];
    char target[VV_PATH_BYTES_MAX];
    VV_TRY(vv_wal_file_path(walk->options->directory, seq, "", source, out_err));
    VV_TRY(vv_wal_file_path(walk->evidence, seq, "", target, out_err));
    varve_status status = vv_vfs_link(walk->env->vfs, source, target, out_err);
    if (status == VARVE_E_UNSUPPORTED) {
        status = replay_keep_copy(walk, source, target, 0, -1, out_err);
    }
    return status;
}

varve_status vv_replay_keep_evidence(vv_replay_walk *walk, varve_error *out_err)
{
    VV_TRY(replay_keep_make_directory(walk, out_err));
    for (size_t i = 0; i < walk->files.count; ++i) {
        VV_TRY(replay_keep_file(walk, *VV_VEC_AT(&walk->files, uint64_t, i), out_err));
    }
    VV_TRY(vv_vfs_sync_dir(walk->env->vfs, walk->evidence, VV_SITE_QUARANTINE_DIR, out_err));
    VV_TRY(vv_vfs_sync_dir(walk->env->vfs, walk->options->quarantine, VV_SITE_QUARANTINE_DIR,
                           out_err));
    walk->has_evidence = true;
    return VARVE_OK;
}

/* ---- the report ----------------------------------------------------------------------------- */

static void replay_keep_note_series(vv_replay_hole *hole, uint32_t series)
{
    for (uint32_t i = 0; i < hole->series_count; ++i) {
        if (hole->series[i] == series) {
            return;
        }
    }
    if (hole->series_count < VV_REPLAY_LOST_SERIES_MAX) {
        hole->series[hole->series_count] = series;
        hole->series_count += 1;
    }
}

static void replay_keep_note_run(vv_replay_hole *hole, const vv_run *run)
{
    hole->rows += run->count;
    for (size_t i = 0; i < run->series_count; ++i) {
        replay_keep_note_series(hole, run->series[i]);
    }
    for (size_t i = 0; run->times != NULL && i < run->time_count; ++i) {
        if (!hole->has_times || run->times[i] < hole->first_time) {
            hole->first_time = run->times[i];
        }
        if (!hole->has_times || run->times[i] > hole->last_time) {
            hole->last_time = run->times[i];
        }
        hole->has_times = true;
    }
}

void vv_replay_note_lost(vv_replay_walk *walk, vv_replay_hole *hole, vv_bytes rows)
{
    vv_arena arena;
    vv_arena_init(&arena, walk->env->alloc, REPLAY_KEEP_ARENA_BYTES_MAX);
    vv_payload_reader reader;
    vv_payload_reader_init(&reader, rows);
    vv_run run;
    bool has_more = true;
    /* What cannot be read is left out: this is a report about damage. */
    while (has_more && vv_payload_next_run(&reader, &arena, &run, &has_more, NULL) == VARVE_OK) {
        if (has_more) {
            replay_keep_note_run(hole, &run);
        }
        vv_arena_reset(&arena);
    }
    vv_arena_deinit(&arena);
}

static void replay_keep_write_hole(vv_json *json, const vv_replay_hole *hole)
{
    vv_json_object_begin(json);
    vv_json_key_u64(json, VV_TEXT("file"), hole->file_seq);
    vv_json_key_i64(json, VV_TEXT("offset"), hole->offset);
    vv_json_key_i64(json, VV_TEXT("bytes"), hole->bytes);
    vv_json_key_u64(json, VV_TEXT("first_lsn"), hole->first_lsn);
    vv_json_key_u64(json, VV_TEXT("last_lsn"), hole->last_lsn);
    vv_json_key_text(json, VV_TEXT("reason"), vv_text_from_string(hole->reason));
    vv_json_key_u64(json, VV_TEXT("rows_readable"), hole->rows);
    vv_json_key(json, VV_TEXT("series_ids"));
    vv_json_array_begin(json);
    for (uint32_t i = 0; i < hole->series_count; ++i) {
        vv_json_u64(json, hole->series[i]);
    }
    vv_json_array_end(json);
    if (hole->has_times) {
        vv_json_key_i64(json, VV_TEXT("first_time"), hole->first_time);
        vv_json_key_i64(json, VV_TEXT("last_time"), hole->last_time);
    }
    vv_json_object_end(json);
}

static varve_status replay_keep_build_report(const vv_replay_walk *walk, vv_buf *buf,
                                             varve_error *out_err)
{
    char store_id[2 * sizeof walk->options->store_id];
    vv_text_print_hex(store_id, walk->options->store_id, sizeof walk->options->store_id);
    vv_json json;
    vv_json_init(&json, buf);
    vv_json_object_begin(&json);
    vv_json_key_text(&json, VV_TEXT("store_id"), vv_text_make(store_id, sizeof store_id));
    vv_json_key_u64(&json, VV_TEXT("flush_lsn"), walk->options->flush_lsn);
    vv_json_key_u64(&json, VV_TEXT("durable_lsn"), walk->options->durable_lsn);
    vv_json_key_u64(&json, VV_TEXT("groups_applied"), walk->result->groups);
    vv_json_key_u64(&json, VV_TEXT("last_lsn"), walk->result->last_lsn);
    vv_json_key(&json, VV_TEXT("holes"));
    vv_json_array_begin(&json);
    for (size_t i = 0; i < walk->holes.count; ++i) {
        replay_keep_write_hole(&json, VV_VEC_AT(&walk->holes, vv_replay_hole, i));
    }
    vv_json_array_end(&json);
    vv_json_object_end(&json);
    return vv_json_end(&json, out_err);
}

varve_status vv_replay_write_report(const vv_replay_walk *walk, varve_error *out_err)
{
    static const vv_publish_sites sites = {.file = VV_SITE_QUARANTINE_FILE,
                                           .rename = VV_SITE_QUARANTINE_RENAME,
                                           .dir = VV_SITE_QUARANTINE_DIR};
    char part[VV_PATH_BYTES_MAX];
    char path[VV_PATH_BYTES_MAX];
    VV_TRY(vv_path_join(walk->evidence, "report.json.part", part, out_err));
    VV_TRY(vv_path_join(walk->evidence, "report.json", path, out_err));
    vv_buf buf;
    vv_buf_init(&buf, walk->env->alloc, REPLAY_KEEP_REPORT_BYTES_MAX);
    varve_status status = replay_keep_build_report(walk, &buf, out_err);
    if (status == VARVE_OK) {
        status = vv_vfs_write_file_atomically(walk->env->vfs, walk->env->alloc, part, path,
                                              buf.data, buf.size, &sites, out_err);
    }
    vv_buf_deinit(&buf);
    return status;
}
