/* SPDX-License-Identifier: Apache-2.0 */
/* Where the log ends: clean, torn, damaged. Invariants P1 to P5 of wal/replay.c. */
#include <errno.h>

#include "replay_support.h"
#include "wal/replay_priv.h"
#include "wal/wal_priv.h"

static log_seen *seen; /* large; one for all tests of this program */

static varve_status replay_strict(log_world *world, varve_error *out_err)
{
    return log_replay(world, VV_REPLAY_STRICT, seen, out_err);
}

/* ---- torn ends ------------------------------------------------------------------------------ */

static void replay_stops_at_torn_tail(void **state)
{
    (void)state;
    uint64_t files;
    log_map *map;
    vv_sim_image *image = log_make(20, false, &files, NULL, &map);
    assert_int_equal(1, files);
    const log_place *last = &map->places[map->count - 2]; /* rows of the last group */
    int64_t end = last->offset + (int64_t)vv_frame_bytes(last->frame.payload_size) + 72;
    /* Every length of what reached the disk of the last group. */
    for (int64_t size = last->offset; size < end; ++size) {
        log_world world;
        varve_error err;
        log_world_init(&world, image, 1);
        log_truncate(&world, log_path(1), size);
        check_ok(replay_strict(&world, &err), &err);
        assert_int_equal(19, seen->count);
        assert_true(log_is_prefix(seen));
        assert_int_equal(size == last->offset ? VV_END_CLEAN : VV_END_TORN, seen->result.end);
        /* Zeros at the end of what is there count as never written. */
        assert_in_range(seen->result.torn_bytes, 0, size - last->offset);
        assert_true(size == last->offset || seen->result.torn_bytes > 0);
        assert_int_equal(last->frame.lsn - 1, seen->result.last_lsn);
        assert_int_equal(19 * 3, seen->result.last_sequence);
        log_world_deinit(&world);
    }
    vv_sim_image_free(image);
    free(map);
}

static void torn_bytes_are_kept_in_quarantine(void **state)
{
    (void)state;
    uint64_t files;
    log_map *map;
    vv_sim_image *image = log_make(20, false, &files, NULL, &map);
    const log_place *commit = &map->places[map->count - 1];
    const log_place *rows = &map->places[map->count - 2];
    log_world world;
    varve_error err;
    log_world_init(&world, image, 1);
    log_flip(&world, log_path(1), commit->offset + 20, 3);
    for (int round = 0; round < 2; ++round) { /* repeated: the same file */
        check_ok(replay_strict(&world, &err), &err);
        assert_int_equal(VV_END_TORN, seen->result.end);
        assert_true(seen->result.is_torn_kept);
        int64_t size = (int64_t)seen->result.torn_bytes;
        assert_in_range(size, commit->offset + 64 - rows->offset,
                        commit->offset + 72 - rows->offset);
        char path[128];
        snprintf(path, sizeof path, "/quarantine/%020d-%020lld.torn", 1, (long long)rows->offset);
        assert_int_equal(size, log_file_size(&world, path));
        uint8_t original[20000];
        uint8_t kept[20000];
        log_read_bytes(&world, log_path(1), rows->offset, original, (size_t)size);
        log_read_bytes(&world, path, 0, kept, (size_t)size);
        assert_memory_equal(original, kept, (size_t)size);
    }
    /* Without a place for them they are counted all the same. */
    vv_replay_options bare = log_replay_options(VV_REPLAY_STRICT);
    bare.quarantine = NULL;
    check_ok(log_replay_with(&world, &bare, seen, &err), &err);
    assert_int_equal(VV_END_TORN, seen->result.end);
    assert_true(seen->result.torn_bytes > 0);
    assert_false(seen->result.is_torn_kept);
    /* A disk that takes no copy is no reason not to open. */
    vv_sim_lacks lacks = {.is_readonly = true};
    vv_sim_set_lacks(world.sim, &lacks);
    check_ok(replay_strict(&world, &err), &err);
    assert_int_equal(VV_END_TORN, seen->result.end);
    assert_false(seen->result.is_torn_kept);
    vv_replay_options options = log_replay_options(VV_REPLAY_INTACT);
    check_ok(log_replay_with(&world, &options, seen, &err), &err);
    assert_int_equal(VV_END_TORN, seen->result.end);
    log_world_deinit(&world);
    vv_sim_image_free(image);
    free(map);
}

static void of_a_long_torn_end_the_beginning_is_kept(void **state)
{
    (void)state;
    uint64_t files;
    log_map *map;
    vv_sim_image *image = log_make(5, false, &files, NULL, &map);
    int64_t begin = map->places[map->count - 1].offset + 72;
    size_t size = VV_REPLAY_TORN_BYTES_MAX + 4096;
    uint8_t *garbage = malloc(size);
    assert_non_null(garbage);
    log_fill(garbage, 77, size);
    log_world world;
    varve_error err;
    log_world_init(&world, image, 1);
    log_patch(&world, log_path(1), begin, garbage, size);
    check_ok(replay_strict(&world, &err), &err);
    assert_int_equal(5, seen->count);
    assert_int_equal(VV_END_TORN, seen->result.end);
    assert_int_equal(size, seen->result.torn_bytes);
    assert_true(seen->result.is_torn_kept);
    char path[128];
    void *kept;
    size_t kept_size;
    snprintf(path, sizeof path, "/quarantine/%020d-%020lld.torn", 1, (long long)begin);
    check_ok(vv_vfs_read_file(world.env.vfs, log_memory(), path, size, &kept, &kept_size, &err),
             &err);
    assert_int_equal(VV_REPLAY_TORN_BYTES_MAX, kept_size);
    assert_memory_equal(garbage, kept, kept_size);
    vv_alloc_free(log_memory(), kept, kept_size);
    free(garbage);
    log_world_deinit(&world);
    vv_sim_image_free(image);
    free(map);
}

static void a_group_without_commit_is_dropped(void **state)
{
    (void)state;
    uint64_t files;
    log_map *map;
    vv_sim_image *image = log_make(5, false, &files, NULL, &map);
    log_world world;
    varve_error err;
    uint8_t zeros[72] = {0};
    log_world_init(&world, image, 1);
    log_patch(&world, log_path(1), map->places[map->count - 1].offset, zeros, sizeof zeros);
    check_ok(replay_strict(&world, &err), &err);
    assert_int_equal(4, seen->count);
    assert_int_equal(VV_END_TORN, seen->result.end);
    log_world_deinit(&world);
    vv_sim_image_free(image);
    free(map);
}

static void what_the_manifest_knows_to_be_synced_is_never_cut(void **state)
{
    (void)state;
    uint64_t files;
    uint64_t durable;
    log_map *map;
    vv_sim_image *image = log_make(5, false, &files, &durable, &map);
    log_world world;
    varve_error err;
    log_world_init(&world, image, 1);
    log_truncate(&world, log_path(1), map->places[map->count - 2].offset);
    check_ok(replay_strict(&world, &err), &err);
    vv_replay_options options = log_replay_options(VV_REPLAY_STRICT);
    options.durable_lsn = durable;
    check_status(VARVE_E_CORRUPT, log_replay_with(&world, &options, seen, &err));
    options.durable_lsn = durable - 2; /* up to the group before */
    check_ok(log_replay_with(&world, &options, seen, &err), &err);
    options.durable_lsn = durable - 1; /* the first record of the group that is gone */
    check_status(VARVE_E_CORRUPT, log_replay_with(&world, &options, seen, &err));
    log_world_deinit(&world);
    vv_sim_image_free(image);
    free(map);
}

static void garbage_behind_the_end_is_a_torn_end(void **state)
{
    (void)state;
    uint64_t files;
    log_map *map;
    vv_sim_image *image = log_make(5, false, &files, NULL, &map);
    log_world world;
    varve_error err;
    log_world_init(&world, image, 1);
    log_patch(&world, log_path(1), 65535, "x", 1);
    check_ok(replay_strict(&world, &err), &err);
    assert_int_equal(5, seen->count);
    assert_int_equal(VV_END_TORN, seen->result.end);
    log_world_deinit(&world);
    vv_sim_image_free(image);
    free(map);
}

/* ---- damage --------------------------------------------------------------------------------- */

static void damage_is_told_with_place_and_extent(void **state)
{
    (void)state;
    uint64_t files;
    log_map *map;
    vv_sim_image *image = log_make(20, false, &files, NULL, &map);
    const log_place *rows = &map->places[10]; /* of group 6: LSN 11 */
    log_world world;
    varve_error err;
    log_world_init(&world, image, 1);
    uint64_t calls = vv_sim_changing_calls(world.sim);
    log_flip(&world, log_path(1), rows->offset + VV_FRAME_HEADER_BYTES, 0);
    calls = vv_sim_changing_calls(world.sim);
    check_status(VARVE_E_CORRUPT, replay_strict(&world, &err));
    char wanted[200];
    snprintf(wanted, sizeof wanted,
             "log file 1 at %lld: record 11 has a payload whose checksum does not match; LSN 11 to "
             "11 are lost, 15 intact groups follow",
             (long long)rows->offset);
    assert_string_equal(wanted, err.message);
    /* Nothing but opening for reading happened. */
    assert_int_equal(0, vv_sim_site_calls(world.sim, VV_SITE_QUARANTINE_FILE));
    assert_true(vv_sim_changing_calls(world.sim) - calls <= 4);
    log_world_deinit(&world);
    vv_sim_image_free(image);
    free(map);
}

static void a_log_that_begins_above_the_segments_is_damage(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    vv_wal_options options = log_options();
    options.first_lsn = 100;
    log_open_with(&world, &options);
    (void)log_write(&world, VARVE_SYNC_GROUP);
    vv_replay_options replay = log_replay_options(VV_REPLAY_STRICT);
    replay.flush_lsn = 99;
    replay.durable_lsn = 99;
    check_ok(log_replay_with(&world, &replay, seen, &err), &err);
    assert_int_equal(1, seen->count);
    replay.flush_lsn = 98;
    check_status(VARVE_E_CORRUPT, log_replay_with(&world, &replay, seen, &err));
    assert_non_null(strstr(err.message, "LSN 99 to 99 are lost"));
    replay.mode = VV_REPLAY_FOLLOW;
    check_status(VARVE_E_NOT_FOUND, log_replay_with(&world, &replay, seen, &err));
    replay.mode = VV_REPLAY_INTACT;
    check_ok(log_replay_with(&world, &replay, seen, &err), &err);
    assert_int_equal(0, seen->count);
    assert_int_equal(VV_END_DAMAGED, seen->result.end);
    replay.mode = VV_REPLAY_SALVAGE;
    check_ok(log_replay_with(&world, &replay, seen, &err), &err);
    assert_int_equal(1, seen->count);
    assert_int_equal(1, seen->after_hole);
    assert_int_equal(99, seen->result.lost_first_lsn);
    assert_int_equal(99, seen->result.lost_last_lsn);
    log_world_deinit(&world);
}

static void a_log_without_files_is_damage_when_more_was_synced(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    vv_replay_options options = log_replay_options(VV_REPLAY_STRICT);
    options.flush_lsn = 10;
    options.durable_lsn = 10;
    check_ok(log_replay_with(&world, &options, seen, &err), &err);
    assert_int_equal(10, seen->result.last_lsn);
    assert_int_equal(0, seen->result.last_file_seq);
    options.durable_lsn = 11;
    check_status(VARVE_E_CORRUPT, log_replay_with(&world, &options, seen, &err));
    options.mode = VV_REPLAY_FOLLOW;
    check_status(VARVE_E_NOT_FOUND, log_replay_with(&world, &options, seen, &err));
    options.mode = VV_REPLAY_SALVAGE;
    check_ok(log_replay_with(&world, &options, seen, &err), &err);
    assert_int_equal(11, seen->result.last_lsn); /* not given again */
    assert_int_equal(1, seen->result.holes);
    log_world_deinit(&world);
}

static void a_seal_above_the_manifest_is_damage(void **state)
{
    (void)state;
    uint64_t files;
    vv_sim_image *image = log_make(5, true, &files, NULL, NULL);
    log_world world;
    varve_error err;
    log_world_init(&world, image, 1);
    vv_replay_options options = log_replay_options(VV_REPLAY_STRICT);
    options.edit_seq = 4; /* the SEAL says 5 */
    check_status(VARVE_E_CORRUPT, log_replay_with(&world, &options, seen, &err));
    assert_non_null(strstr(err.message, "ends at edit 4"));
    options.mode = VV_REPLAY_FOLLOW;
    check_status(VARVE_E_NOT_FOUND, log_replay_with(&world, &options, seen, &err));
    options.mode = VV_REPLAY_SALVAGE;
    check_ok(log_replay_with(&world, &options, seen, &err), &err);
    assert_int_equal(5, seen->count);
    assert_int_equal(0, seen->result.lost_first_lsn);
    assert_int_equal(1, seen->result.holes);
    options.mode = VV_REPLAY_STRICT;
    options.edit_seq = 5;
    check_ok(log_replay_with(&world, &options, seen, &err), &err);
    assert_true(seen->result.is_sealed_clean);
    /* A manifest that knows of a later log than this one. */
    options.durable_lsn = seen->result.last_lsn + 1;
    check_status(VARVE_E_CORRUPT, log_replay_with(&world, &options, seen, &err));
    options.mode = VV_REPLAY_SALVAGE;
    check_ok(log_replay_with(&world, &options, seen, &err), &err);
    assert_false(seen->result.is_sealed_clean);
    assert_int_equal(options.durable_lsn, seen->result.last_lsn);
    log_world_deinit(&world);
    vv_sim_image_free(image);
}

static void a_cut_behind_a_clean_close_is_damage(void **state)
{
    (void)state;
    uint64_t files;
    uint64_t durable;
    log_map *map;
    vv_sim_image *image = log_make(5, true, &files, &durable, &map);
    for (size_t i = 0; i < map->count; ++i) {
        log_world world;
        varve_error err;
        log_world_init(&world, image, 1);
        log_truncate(&world, log_path(1), map->places[i].offset);
        vv_replay_options options = log_replay_options(VV_REPLAY_STRICT);
        options.edit_seq = 6;
        options.durable_lsn = durable; /* as the close recorded it */
        check_status(VARVE_E_CORRUPT, log_replay_with(&world, &options, seen, &err));
        log_world_deinit(&world);
    }
    vv_sim_image_free(image);
    free(map);
}

static void a_missing_file_is_damage(void **state)
{
    (void)state;
    uint64_t files;
    vv_sim_image *image = log_make(600, false, &files, NULL, NULL);
    assert_true(files >= 4);
    for (uint64_t gone = 1; gone <= files; ++gone) {
        log_world world;
        varve_error err;
        log_world_init(&world, image, 1);
        check_ok(vv_vfs_unlink(world.env.vfs, log_path(gone), &err), &err);
        check_status(VARVE_E_CORRUPT, replay_strict(&world, &err));
        check_ok(log_replay(&world, VV_REPLAY_INTACT, seen, &err), &err);
        assert_int_equal(VV_END_DAMAGED, seen->result.end);
        assert_true(log_is_prefix(seen) && (seen->count == 0) == (gone == 1));
        /* Beside a writer: released, or not made yet when the directory was read, or gone. */
        check_status(gone == 1       ? VARVE_E_NOT_FOUND
                     : gone == files ? VARVE_OK
                                     : VARVE_E_CORRUPT,
                     log_replay(&world, VV_REPLAY_FOLLOW, seen, &err));
        check_ok(log_replay(&world, VV_REPLAY_SALVAGE, seen, &err), &err);
        assert_false(seen->is_bad);
        assert_int_equal(1, seen->result.holes);
        assert_true(seen->count > 300 && seen->count < 600);
        log_world_deinit(&world);
    }
    vv_sim_image_free(image);
}

static void a_file_of_another_database_or_place_is_damage(void **state)
{
    (void)state;
    uint64_t files;
    vv_sim_image *image = log_make(600, false, &files, NULL, NULL);
    log_world world;
    varve_error err;
    log_world_init(&world, image, 1);
    vv_replay_options options = log_replay_options(VV_REPLAY_STRICT);
    options.store_id[3] = 99;
    check_status(VARVE_E_CORRUPT, log_replay_with(&world, &options, seen, &err));
    assert_non_null(strstr(err.message, "another database"));
    options.mode = VV_REPLAY_SALVAGE;
    check_ok(log_replay_with(&world, &options, seen, &err), &err);
    assert_int_equal(0, seen->count); /* rows of another database are none of ours */
    check_ok(vv_vfs_rename(world.env.vfs, log_path(2), log_path(3), VV_SITE_WAL_FILE_RENAME, &err),
             &err);
    check_status(VARVE_E_CORRUPT, replay_strict(&world, &err));
    assert_non_null(strstr(err.message, "made as number 2"));
    log_world_deinit(&world);
    vv_sim_image_free(image);
}

static void files_of_a_log_that_was_never_adopted_are_left_out(void **state)
{
    (void)state;
    uint64_t files;
    uint64_t durable;
    vv_sim_image *image = log_make(20, false, &files, &durable, NULL);
    log_world world;
    varve_error err;
    log_world_init(&world, image, 1);
    /* A recovery that came as far as copying everything into its new log. */
    vv_wal_options options = log_options();
    options.file_seq = 2;
    options.first_lsn = durable + 1;
    log_open_with(&world, &options);
    for (int i = 0; i < 20; ++i) {
        (void)log_write(&world, VARVE_SYNC_GROUP);
    }
    check_ok(replay_strict(&world, &err), &err);
    assert_int_equal(20, seen->count);
    assert_int_equal(VV_END_CLEAN, seen->result.end);
    assert_int_equal(2, seen->result.last_file_seq);
    assert_int_equal(durable, seen->result.last_lsn);
    /* Adopted: log_start names it, and the old one is not read. */
    vv_replay_options replay = log_replay_options(VV_REPLAY_STRICT);
    replay.log_start = 2;
    replay.flush_lsn = durable;
    replay.durable_lsn = durable;
    check_ok(log_replay_with(&world, &replay, seen, &err), &err);
    assert_int_equal(20, seen->count);
    assert_true(seen->lsns[0] > durable);
    log_world_deinit(&world);
    vv_sim_image_free(image);
}

static void unknown_names_are_left_alone(void **state)
{
    (void)state;
    uint64_t files;
    vv_sim_image *image = log_make(5, false, &files, NULL, NULL);
    log_world world;
    varve_error err;
    log_world_init(&world, image, 1);
    static const char *const names[] = {
        "/wal/00000000000000000002.vwl.part", "/wal/2.vwl",
        "/wal/0000000000000000000x.vwl",      "/wal/0000000000000000000!.vwl",
        "/wal/00000000000000000003.txt",      "/wal/README"};
    for (size_t i = 0; i < VV_ARRAY_COUNT(names); ++i) {
        vv_file *file;
        check_ok(vv_file_open(world.env.vfs, log_memory(), names[i], VV_OPEN_WRITE | VV_OPEN_CREATE,
                              &file, &err),
                 &err);
        check_ok(vv_file_close(file, NULL), NULL);
    }
    check_ok(vv_vfs_mkdir(world.env.vfs, log_path(2), &err), &err);
    check_ok(replay_strict(&world, &err), &err);
    assert_int_equal(5, seen->count);
    assert_int_equal(1, seen->result.last_file_seq);
    log_world_deinit(&world);
    vv_sim_image_free(image);
}

static void a_type_of_a_later_version_is_unsupported(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 2; ++type) {
        log_world world;
        varve_error err;
        log_world_init(&world, NULL, 1);
        log_open(&world);
        uint8_t payload[8] = {0};
        vv_wal_record record = {.type = (vv_wal_type)(type == 0 ? 11 : VV_WAL_META),
                                .payload = vv_bytes_make(payload, sizeof payload),
                                .payload_crc = vv_crc32c(0, payload, sizeof payload)};
        check_ok(vv_wal_reserve(world.wal, sizeof payload, 1, 0, &err), &err);
        vv_wal_ticket ticket = vv_wal_append(world.wal, &record, 1, VARVE_SYNC_GROUP);
        vv_wal_applied(world.wal, ticket);
        (void)log_wait(&world, ticket);
        varve_status status = replay_strict(&world, &err);
        check_status(type == 0 ? VARVE_E_UNSUPPORTED : VARVE_OK, status);
        log_world_deinit(&world);
    }
}

static void flushed_records_are_skipped_but_for_definitions(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    uint8_t payload[8] = {9};
    vv_bytes bytes = vv_bytes_make(payload, sizeof payload);
    uint32_t crc = vv_crc32c(0, payload, sizeof payload);
    vv_wal_record records[] = {
        {.type = VV_WAL_SERIES, .payload = bytes, .payload_crc = crc},
        {.type = VV_WAL_ROWS, .sequences = 1, .payload = bytes, .payload_crc = crc}};
    for (int i = 0; i < 3; ++i) { /* LSN 1 2, 3 4, 5 6 in one group */
        check_ok(vv_wal_reserve(world.wal, 16, 2, 0, &err), &err);
    }
    vv_wal_ticket ticket = {0};
    for (int i = 0; i < 3; ++i) {
        ticket = vv_wal_append(world.wal, records, 2, VARVE_SYNC_GROUP);
        vv_wal_applied(world.wal, ticket);
    }
    (void)log_wait(&world, ticket);
    vv_replay_options options = log_replay_options(VV_REPLAY_STRICT);
    options.flush_lsn = 4; /* in the middle of the group */
    options.durable_lsn = 7;
    check_ok(log_replay_with(&world, &options, seen, &err), &err);
    assert_int_equal(4, seen->count);
    static const uint64_t lsns[] = {1, 3, 5, 6};
    for (size_t i = 0; i < 4; ++i) {
        assert_int_equal(lsns[i], seen->lsns[i]);
    }
    assert_int_equal(3, seen->result.last_sequence);
    log_world_deinit(&world);
}

static varve_status replay_refusing_visitor(void *context, const vv_replay_record *record,
                                            varve_error *out_err)
{
    uint64_t *calls = context;
    *calls += 1;
    return *calls < 3
               ? VARVE_OK
               : vv_fail(out_err, VARVE_E_LIMIT, "enough at %llu", (unsigned long long)record->lsn);
}

static void what_the_visitor_answers_ends_the_replay(void **state)
{
    (void)state;
    uint64_t files;
    vv_sim_image *image = log_make(5, false, &files, NULL, NULL);
    log_world world;
    varve_error err;
    log_world_init(&world, image, 1);
    vv_replay_options options = log_replay_options(VV_REPLAY_STRICT);
    vv_replay_result result;
    uint64_t calls = 0;
    check_status(VARVE_E_LIMIT,
                 vv_replay(&world.env, &options, replay_refusing_visitor, &calls, &result, &err));
    assert_int_equal(3, calls);
    assert_string_equal("enough at 5", err.message);
    log_world_deinit(&world);
    vv_sim_image_free(image);
}

/* ---- records that are whole and make no sense -------------------------------------------------
 */

/* A log file by hand: records that get right checksums, whatever they say. */
typedef struct replay_script {
    log_world world;
    vv_buf bytes;
    uint32_t chain;
    uint64_t lsn;
} replay_script;

static void script_begin_file(replay_script *script, uint64_t seq, uint64_t first_lsn)
{
    vv_buf_init(&script->bytes, log_memory(), SIZE_MAX);
    uint8_t *header = vv_buf_extend(&script->bytes, VV_FRAME_FILE_HEADER_BYTES);
    assert_non_null(header);
    vv_frame_file file = {.file_seq = seq, .first_lsn = first_lsn, .salt = 99};
    memcpy(file.store_id, log_store_id, 16);
    vv_frame_file_encode(VV_FRAME_LOG, &file, header);
    script->chain = vv_frame_chain_first(99);
}

static void script_begin(replay_script *script, uint64_t first_lsn)
{
    log_world_init(&script->world, NULL, 1);
    script_begin_file(script, 1, first_lsn);
    script->lsn = 1;
}

static void script_add(replay_script *script, vv_wal_type type, const void *payload, size_t size)
{
    vv_frame frame = {.payload_size = (uint32_t)size,
                      .lsn = script->lsn,
                      .type = (uint8_t)type,
                      .payload_crc = vv_crc32c(0, payload, size)};
    uint8_t header[VV_FRAME_HEADER_BYTES];
    vv_frame_put(header, &frame);
    script->chain = vv_frame_finish(header, 99, script->chain);
    (void)vv_buf_append(&script->bytes, header, sizeof header);
    (void)vv_buf_append(&script->bytes, payload, size);
    (void)vv_buf_append_padding(&script->bytes, 8);
    script->lsn += 1;
}

static void script_add_rows(replay_script *script)
{
    uint8_t payload[24];
    log_fill(payload, script->lsn, 16);
    memset(payload + 16, 0, 8);
    script_add(script, VV_WAL_ROWS, payload, sizeof payload);
}

static void script_add_commit(replay_script *script, uint32_t records, uint32_t bytes,
                              uint64_t first_lsn)
{
    uint8_t payload[VV_WAL_COMMIT_BYTES] = {0};
    memcpy(payload, &records, 4);
    memcpy(payload + 4, &bytes, 4);
    memcpy(payload + 8, &first_lsn, 8);
    script_add(script, VV_WAL_COMMIT, payload, sizeof payload);
}

static void script_end_file(replay_script *script, uint64_t seq)
{
    vv_file *file;
    varve_error err;
    check_ok(vv_file_open(script->world.env.vfs, log_memory(), log_path(seq),
                          VV_OPEN_WRITE | VV_OPEN_CREATE, &file, &err),
             &err);
    check_ok(vv_file_write_all(file, 0, script->bytes.data, script->bytes.size, &err), &err);
    check_ok(vv_file_close(file, NULL), NULL);
    vv_buf_deinit(&script->bytes);
}

/* Groups that are seen; the log ends torn behind them, since nothing proves what follows. */
static void script_check(replay_script *script, uint64_t batches, vv_replay_end end)
{
    varve_error err;
    script_end_file(script, 1);
    check_ok(replay_strict(&script->world, &err), &err);
    assert_int_equal(batches, seen->count);
    assert_int_equal(end, seen->result.end);
    log_world_deinit(&script->world);
}

/* One good group, then what the case adds. */
static void script_begin_with_group(replay_script *script)
{
    script_begin(script, 1);
    script_add_rows(script);
    script_add_commit(script, 1, 56, 1);
}

static void a_commit_that_counts_otherwise_ends_the_log(void **state)
{
    (void)state;
    static const struct {
        uint32_t records;
        uint32_t bytes;
        uint64_t first_lsn;
        uint64_t wanted;
    } cases[] = {{1, 56, 3, 2}, {2, 56, 3, 1}, {1, 64, 3, 1}, {1, 56, 2, 1}, {0, 56, 3, 1}};
    for (size_t i = 0; i < VV_ARRAY_COUNT(cases); ++i) {
        replay_script script;
        script_begin_with_group(&script);
        script_add_rows(&script);
        script_add_commit(&script, cases[i].records, cases[i].bytes, cases[i].first_lsn);
        script_check(&script, cases[i].wanted, cases[i].wanted == 2 ? VV_END_CLEAN : VV_END_TORN);
    }
    replay_script script; /* a COMMIT of nothing */
    script_begin_with_group(&script);
    script_add_commit(&script, 0, 0, 3);
    script_check(&script, 1, VV_END_TORN);
    script_begin_with_group(&script); /* one cut short */
    script_add_rows(&script);
    script_add(&script, VV_WAL_COMMIT, "1234567", 8);
    script_check(&script, 1, VV_END_TORN);
}

static void marks_and_seals_stand_between_groups_only(void **state)
{
    (void)state;
    for (int is_inside = 0; is_inside < 2; ++is_inside) {
        for (int is_seal = 0; is_seal < 2; ++is_seal) {
            replay_script script;
            uint8_t mark[VV_WAL_MARK_BYTES] = {0};
            uint8_t seal[VV_WAL_SEAL_BYTES] = {0};
            script_begin_with_group(&script);
            if (is_inside == 1) {
                script_add_rows(&script);
            }
            uint64_t last = script.lsn - 1;
            memcpy(seal, &last, 8);
            seal[24] = 1;
            script_add(&script, is_seal == 1 ? VV_WAL_SEAL : VV_WAL_MARK,
                       is_seal == 1 ? seal : mark, is_seal == 1 ? sizeof seal : sizeof mark);
            script_check(&script, 1, is_inside == 1 ? VV_END_TORN : VV_END_CLEAN);
        }
    }
}

static void marks_and_seals_that_say_nonsense_end_the_log(void **state)
{
    (void)state;
    for (int kind = 0; kind < 5; ++kind) {
        replay_script script;
        uint8_t payload[32] = {0};
        uint64_t last = kind == 2 ? 7 : 2;
        script_begin_with_group(&script);
        if (kind < 2) { /* a MARK that names a file before, or is cut short */
            payload[8] = kind == 0 ? 2 : 0;
            script_add(&script, VV_WAL_MARK, payload, kind == 0 ? VV_WAL_MARK_BYTES : 8);
        } else { /* a SEAL of another LSN, of an odd kind, cut short */
            memcpy(payload, &last, 8);
            payload[24] = kind == 3 ? 2 : 1;
            script_add(&script, VV_WAL_SEAL, payload,
                       kind == 4 ? VV_WAL_SEAL_BYTES - 1 : VV_WAL_SEAL_BYTES);
        }
        script_check(&script, 1, VV_END_TORN);
    }
}

static void a_file_made_ahead_begins_with_its_mark(void **state)
{
    (void)state;
    replay_script script;
    uint8_t mark[VV_WAL_MARK_BYTES] = {0};
    script_begin(&script, 0);
    script_add(&script, VV_WAL_MARK, mark, sizeof mark); /* of LSN 1: nothing before it */
    script_add_rows(&script);
    script_add_commit(&script, 1, 56, 2);
    script_check(&script, 1, VV_END_CLEAN);
    script_begin(&script, 0);
    script_add_rows(&script);
    script_add_commit(&script, 1, 56, 1);
    script_check(&script, 0, VV_END_TORN);
    script_begin(&script, 0);
    mark[8] = 5; /* not the LSN before its own */
    script_add(&script, VV_WAL_MARK, mark, sizeof mark);
    script_check(&script, 0, VV_END_TORN);
}

/* The end of a file never came, but what lies in the next one: nothing proves it, and there are no
 * bytes to keep. */
static void unproved_records_behind_zeros_are_a_torn_end(void **state)
{
    (void)state;
    replay_script script;
    varve_error err;
    script_begin_with_group(&script);
    script_end_file(&script, 1);
    script.lsn += 5;
    script_begin_file(&script, 2, 0);
    uint8_t mark[VV_WAL_MARK_BYTES] = {0};
    script_add(&script, VV_WAL_MARK, mark, sizeof mark);
    script_end_file(&script, 2);
    check_ok(replay_strict(&script.world, &err), &err);
    assert_int_equal(1, seen->count);
    assert_int_equal(VV_END_TORN, seen->result.end);
    assert_int_equal(0, seen->result.torn_bytes);
    assert_false(seen->result.is_torn_kept);
    log_world_deinit(&script.world);
}

/* Both sides of the limit, which real logs do not come near. */
static void a_group_above_the_limit_is_damage(void **state)
{
    (void)state;
    uint64_t files;
    log_map *map;
    vv_sim_image *image = log_make(30, false, &files, NULL, &map);
    size_t largest = 0; /* its only record, before the COMMIT */
    for (size_t i = 0; i < map->count; i += 2) {
        bool is_larger =
            map->places[i].frame.payload_size > map->places[largest].frame.payload_size;
        largest = is_larger ? i : largest;
    }
    log_world world;
    varve_error err;
    log_world_init(&world, image, 1);
    vv_replay_options options = log_replay_options(VV_REPLAY_STRICT);
    options.group_bytes_max = (int64_t)vv_frame_bytes(map->places[largest].frame.payload_size);
    check_ok(log_replay_with(&world, &options, seen, &err), &err);
    assert_int_equal(30, seen->count);
    options.group_bytes_max -= 1;
    check_status(VARVE_E_CORRUPT, log_replay_with(&world, &options, seen, &err));
    assert_int_equal(largest / 2, seen->count);
    log_world_deinit(&world);
    vv_sim_image_free(image);
    free(map);
}

static void rows_without_a_sequence_end_the_log(void **state)
{
    (void)state;
    replay_script script;
    script_begin_with_group(&script);
    script_add(&script, VV_WAL_ROWS, "1234567", 7);
    script_add_commit(&script, 1, 40, 3);
    script_check(&script, 1, VV_END_TORN);
}

static void salvage_of_a_half_readable_end_counts_it_as_lost(void **state)
{
    (void)state;
    uint64_t files;
    log_map *map;
    vv_sim_image *image = log_make(10, false, &files, NULL, &map);
    log_world world;
    varve_error err;
    log_world_init(&world, image, 1);
    /* LSN 17 to 19 are bad, 20 is the COMMIT of a group whose rows are gone. */
    for (size_t i = 16; i < 19; ++i) {
        log_flip(&world, log_path(1), map->places[i].offset + 40, 1);
    }
    vv_replay_options options = log_replay_options(VV_REPLAY_SALVAGE);
    options.durable_lsn = 17;
    check_ok(log_replay_with(&world, &options, seen, &err), &err);
    assert_int_equal(8, seen->count);
    assert_int_equal(17, seen->result.lost_first_lsn);
    assert_int_equal(20, seen->result.lost_last_lsn);
    assert_int_equal(20, seen->result.last_lsn);
    log_world_deinit(&world);
    vv_sim_image_free(image);
    free(map);
}

/* ---- failing calls and memory --------------------------------------------------------------- */

static void every_failing_call_and_allocation_is_an_answer(void **state)
{
    (void)state;
    uint64_t files;
    log_map *map;
    vv_sim_image *image = log_make(400, false, &files, NULL, &map);
    for (int kind = 0; kind < 2; ++kind) {
        bool is_over = false;
        for (uint64_t n = 1; !is_over; ++n) {
            log_world world;
            varve_error err;
            log_world_init(&world, image, 1);
            vv_fault *fault = log_add_faults(&world);
            log_flip(&world, log_path(files), map->places[map->count - 1].offset + 40,
                     1); /* torn */
            vv_fault_rule rule = {.first_call = kind == 0 ? n : 0,
                                  .call_count = 1,
                                  .kind = VV_FAULT_ERRNO,
                                  .os_errno = EIO};
            size_t number = vv_fault_add(fault, &rule);
            failing_alloc_plan(&world.failing, kind == 1 ? n : 0, true);
            varve_status status = replay_strict(&world, &err);
            is_over = kind == 0 ? vv_fault_fired(fault, number) == 0
                                : atomic_load(&world.failing.failures) == 0;
            if (status == VARVE_OK) { /* the copy of the torn end may fail */
                assert_int_equal(399, seen->count);
                assert_true(log_is_prefix(seen));
            } else {
                assert_false(is_over);
                check_status(kind == 0 ? VARVE_E_IO : VARVE_E_NOMEM, status);
            }
            failing_alloc_plan(&world.failing, 0, true);
            log_world_deinit(&world);
        }
    }
    vv_sim_image_free(image);
    free(map);
}

/* A log of several windows of the reader, with a bad record: whatever call fails while it is read,
 * searched and kept, the answer is that or what the log is worth. */
static void every_failing_call_beside_damage_is_an_answer(void **state)
{
    (void)state;
    enum { BATCHES = 30 };
    log_world made;
    varve_error err;
    vv_wal_ticket ticket;
    log_world_init(&made, NULL, 1);
    vv_wal_options log = log_options();
    log.file_bytes = 4 << 20;
    log_open_with(&made, &log);
    for (uint64_t i = 1; i <= BATCHES; ++i) {
        check_ok(log_try_put_sized(&made, i, 120000, 1, VARVE_SYNC_GROUP, &ticket, &err), &err);
        (void)log_wait(&made, ticket);
    }
    log_free(&made);
    log_map *map = log_map_new(&made, 1);
    log_flip(&made, log_path(1), map->places[8].offset + 60000, 1); /* rows of the fifth group */
    vv_sim_image *image = log_image(&made, VV_SIM_CUT_ALL);
    log_world_deinit(&made);
    static const vv_replay_mode modes[] = {VV_REPLAY_STRICT, VV_REPLAY_SALVAGE, VV_REPLAY_FOLLOW};
    for (size_t mode = 0; mode < VV_ARRAY_COUNT(modes); ++mode) {
        bool is_over = false;
        for (uint64_t n = 1; !is_over; ++n) {
            log_world world;
            log_world_init(&world, image, 1);
            vv_sim_lacks lacks = {.link = true}; /* the copy is longer than its chunk */
            vv_sim_set_lacks(world.sim, &lacks);
            vv_fault *fault = log_add_faults(&world);
            vv_fault_rule rule = {
                .first_call = n, .call_count = 1, .kind = VV_FAULT_ERRNO, .os_errno = EIO};
            size_t number = vv_fault_add(fault, &rule);
            varve_status status = log_replay(&world, modes[mode], seen, &err);
            is_over = vv_fault_fired(fault, number) == 0;
            bool is_whole = is_over || status != VARVE_E_IO;
            varve_status wanted = modes[mode] == VV_REPLAY_SALVAGE ? VARVE_OK : VARVE_E_CORRUPT;
            check_status(is_whole ? wanted : VARVE_E_IO, status);
            if (status == VARVE_OK) {
                assert_int_equal(BATCHES - 1, seen->count);
                assert_int_equal(1, seen->result.holes);
            }
            assert_false(seen->is_bad);
            log_world_deinit(&world);
        }
    }
    vv_sim_image_free(image);
    free(map);
}

static int replay_setup(void **state)
{
    (void)state;
    seen = log_seen_new();
    return 0;
}

static int replay_teardown(void **state)
{
    (void)state;
    free(seen);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        log_test(replay_stops_at_torn_tail),
        log_test(torn_bytes_are_kept_in_quarantine),
        log_test(of_a_long_torn_end_the_beginning_is_kept),
        log_test(a_group_without_commit_is_dropped),
        log_test(what_the_manifest_knows_to_be_synced_is_never_cut),
        log_test(garbage_behind_the_end_is_a_torn_end),
        log_test(damage_is_told_with_place_and_extent),
        log_test(a_log_that_begins_above_the_segments_is_damage),
        log_test(a_log_without_files_is_damage_when_more_was_synced),
        log_test(a_seal_above_the_manifest_is_damage),
        log_test(a_cut_behind_a_clean_close_is_damage),
        log_test(a_missing_file_is_damage),
        log_test(a_file_of_another_database_or_place_is_damage),
        log_test(files_of_a_log_that_was_never_adopted_are_left_out),
        log_test(unknown_names_are_left_alone),
        log_test(a_type_of_a_later_version_is_unsupported),
        log_test(flushed_records_are_skipped_but_for_definitions),
        log_test(what_the_visitor_answers_ends_the_replay),
        log_test(a_commit_that_counts_otherwise_ends_the_log),
        log_test(marks_and_seals_stand_between_groups_only),
        log_test(marks_and_seals_that_say_nonsense_end_the_log),
        log_test(a_file_made_ahead_begins_with_its_mark),
        log_test(unproved_records_behind_zeros_are_a_torn_end),
        log_test(a_group_above_the_limit_is_damage),
        log_test(rows_without_a_sequence_end_the_log),
        log_test(salvage_of_a_half_readable_end_counts_it_as_lost),
        log_test(every_failing_call_and_allocation_is_an_answer),
        log_test(every_failing_call_beside_damage_is_an_answer),
    };
    return cmocka_run_group_tests(tests, replay_setup, replay_teardown);
}
