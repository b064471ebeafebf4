/* SPDX-License-Identifier: Apache-2.0 */
/* Salvage: evidence before anything else, a report that says what is lost. */
#include <errno.h>

#include "replay_support.h"
#include "wal/payload.h"
#include "wal/replay_priv.h"

static log_seen *seen;

/* The only directory in quarantine. */
static void keep_find_evidence(log_world *world, char out_path[256])
{
    vv_dir_list list;
    varve_error err;
    check_ok(vv_vfs_list(world->env.vfs, log_memory(), "/quarantine", &list, &err), &err);
    assert_int_equal(1, list.count);
    snprintf(out_path, 256, "/quarantine/%s", list.entries[0].name);
    vv_dir_list_deinit(&list);
}

static char *keep_read_report(log_world *world)
{
    char directory[256];
    char path[300];
    varve_error err;
    void *data;
    size_t size;
    keep_find_evidence(world, directory);
    snprintf(path, sizeof path, "%s/report.json", directory);
    check_ok(vv_vfs_read_file(world->env.vfs, log_memory(), path, 1 << 20, &data, &size, &err),
             &err);
    char *text = malloc(size + 1);
    assert_non_null(text);
    memcpy(text, data, size);
    text[size] = '\0';
    vv_alloc_free(log_memory(), data, size);
    return text;
}

static void keep_check_copies(log_world *world, uint64_t files)
{
    char directory[256];
    keep_find_evidence(world, directory);
    for (uint64_t seq = 1; seq <= files; ++seq) {
        char path[300];
        varve_error err;
        void *original;
        void *copy;
        size_t original_size;
        size_t copy_size;
        snprintf(path, sizeof path, "%s/%020llu.vwl", directory, (unsigned long long)seq);
        check_ok(vv_vfs_read_file(world->env.vfs, log_memory(), log_path(seq), 1 << 20, &original,
                                  &original_size, &err),
                 &err);
        check_ok(
            vv_vfs_read_file(world->env.vfs, log_memory(), path, 1 << 20, &copy, &copy_size, &err),
            &err);
        assert_int_equal(original_size, copy_size);
        assert_memory_equal(original, copy, copy_size);
        vv_alloc_free(log_memory(), original, original_size);
        vv_alloc_free(log_memory(), copy, copy_size);
    }
}

static void salvage_keeps_every_file_and_says_what_is_lost(void **state)
{
    (void)state;
    uint64_t files;
    log_map *map;
    vv_sim_image *image = log_make(400, false, &files, NULL, &map);
    assert_true(files >= 2);
    for (int lacks_link = 0; lacks_link < 2; ++lacks_link) {
        log_world world;
        varve_error err;
        log_world_init(&world, image, 1);
        vv_sim_lacks lacks = {.link = lacks_link == 1};
        vv_sim_set_lacks(world.sim, &lacks);
        log_flip(&world, log_path(1), map->places[10].offset + 40, 1); /* LSN 11 */
        log_flip(&world, log_path(1), map->places[31].offset + 40, 1); /* COMMIT: LSN 32 */
        check_ok(log_replay(&world, VV_REPLAY_SALVAGE, seen, &err), &err);
        assert_int_equal(398, seen->count);
        assert_int_equal(2, seen->result.holes);
        assert_int_equal(VV_END_DAMAGED, seen->result.end);
        assert_int_equal(11, seen->result.lost_first_lsn);
        assert_int_equal(32, seen->result.lost_last_lsn);
        check_status(VARVE_E_CORRUPT, seen->result.damage.status);
        assert_false(seen->result.is_sealed_clean);
        keep_check_copies(&world, files);
        char *report = keep_read_report(&world);
        assert_non_null(strstr(report, "\"store_id\":\"0102030405060708090a0b0c0d0e0f10\""));
        assert_non_null(strstr(report, "\"first_lsn\":11,\"last_lsn\":12"));
        assert_non_null(strstr(report, "\"first_lsn\":31,\"last_lsn\":32"));
        assert_non_null(strstr(report, "payload whose checksum does not match"));
        assert_non_null(strstr(report, "\"groups_applied\":398"));
        free(report);
        /* What is kept is durable before the caller does anything. */
        vv_sim_image *after = log_image(&world, VV_SIM_CUT_NONE);
        log_world second;
        log_world_init(&second, after, 2);
        keep_check_copies(&second, files);
        log_world_deinit(&second);
        vv_sim_image_free(after);
        log_world_deinit(&world);
    }
    vv_sim_image_free(image);
    free(map);
}

/* The report of a log of three groups with this run each: the second has lost its COMMIT. */
static char *keep_report_of_run(const vv_run *run)
{
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    vv_buf payload;
    vv_buf_init(&payload, log_memory(), SIZE_MAX);
    check_ok(vv_payload_add_run(&payload, run, &err), &err);
    vv_wal_record record = {.type = VV_WAL_ROWS,
                            .sequences = run->count,
                            .payload = vv_buf_bytes(&payload),
                            .payload_crc = vv_crc32c(0, payload.data, payload.size)};
    for (int i = 0; i < 3; ++i) {
        check_ok(vv_wal_reserve(world.wal, payload.size, 1, 0, &err), &err);
        vv_wal_ticket ticket = vv_wal_append(world.wal, &record, 1, VARVE_SYNC_GROUP);
        vv_wal_applied(world.wal, ticket);
        (void)log_wait(&world, ticket);
    }
    log_free(&world);
    log_map *map = log_map_new(&world, 1);
    log_flip(&world, log_path(1), map->places[3].offset + 40, 1); /* COMMIT of the second group */
    vv_replay_options options = log_replay_options(VV_REPLAY_SALVAGE);
    options.durable_lsn = 6; /* so that the last group counts as synced, too */
    check_ok(log_replay_with(&world, &options, seen, &err), &err);
    char *report = keep_read_report(&world);
    free(map);
    vv_buf_deinit(&payload);
    log_world_deinit(&world);
    return report;
}

static void the_report_names_series_and_times_of_rows_without_group(void **state)
{
    (void)state;
    uint32_t series[] = {41, 42, 43, 42};
    int64_t times[] = {1000, 500, 2000, 700};
    double values[] = {1, 2, 3, 4};
    uint32_t field = 1;
    varve_column column = {.type = VARVE_TYPE_F64, .values = values};
    vv_run run = {.count = 4,
                  .series = series,
                  .series_count = 4,
                  .times = times,
                  .time_count = 4,
                  .fields = &field,
                  .columns = &column,
                  .column_count = 1};
    char *report = keep_report_of_run(&run);
    assert_non_null(strstr(report, "\"rows_readable\":4,\"series_ids\":[41,42,43],"
                                   "\"first_time\":500,\"last_time\":2000"));
    free(report);
}

/* Their times are in a vector, which a report does not unpack. */
static void the_report_counts_vectors_without_group(void **state)
{
    (void)state;
    uint32_t series = 41;
    uint8_t vector[20] = {1, 2, 3};
    vv_run run = {.count = 9,
                  .series = &series,
                  .series_count = 1,
                  .vector = vector,
                  .vector_size = sizeof vector};
    char *report = keep_report_of_run(&run);
    assert_non_null(strstr(report, "\"rows_readable\":9,\"series_ids\":[41]}"));
    free(report);
}

/* The first 64 of them. */
static void the_report_names_no_series_beyond_its_limit(void **state)
{
    (void)state;
    enum { MANY = VV_REPLAY_LOST_SERIES_MAX + 1 };
    uint32_t series[MANY];
    double values[MANY];
    for (uint32_t i = 0; i < MANY; ++i) {
        series[i] = 100 + i;
        values[i] = i;
    }
    int64_t time = 5;
    uint32_t field = 1;
    varve_column column = {.type = VARVE_TYPE_F64, .values = values};
    vv_run run = {.count = MANY,
                  .series = series,
                  .series_count = MANY,
                  .times = &time,
                  .time_count = 1,
                  .fields = &field,
                  .columns = &column,
                  .column_count = 1};
    char *report = keep_report_of_run(&run);
    assert_non_null(strstr(report, "\"rows_readable\":65,\"series_ids\":[100,101,"));
    assert_non_null(strstr(report, ",162,163],\"first_time\":5,\"last_time\":5"));
    free(report);
}

static void salvage_without_damage_keeps_nothing(void **state)
{
    (void)state;
    uint64_t files;
    vv_sim_image *image = log_make(20, true, &files, NULL, NULL);
    log_world world;
    varve_error err;
    log_world_init(&world, image, 1);
    vv_replay_options options = log_replay_options(VV_REPLAY_SALVAGE);
    options.edit_seq = 5;
    check_ok(log_replay_with(&world, &options, seen, &err), &err);
    assert_int_equal(20, seen->count);
    assert_int_equal(0, seen->after_hole);
    assert_int_equal(VV_END_CLEAN, seen->result.end);
    vv_dir_list list;
    check_ok(vv_vfs_list(world.env.vfs, log_memory(), "/quarantine", &list, &err), &err);
    assert_int_equal(0, list.count);
    vv_dir_list_deinit(&list);
    log_world_deinit(&world);
    vv_sim_image_free(image);
}

static void salvage_goes_on_behind_a_damaged_file_header(void **state)
{
    (void)state;
    uint64_t files;
    vv_sim_image *image = log_make(700, false, &files, NULL, NULL);
    assert_true(files >= 4);
    for (uint64_t seq = 1; seq <= files; ++seq) {
        for (int hits_salt = 0; hits_salt < 2; ++hits_salt) {
            log_world world;
            varve_error err;
            log_world_init(&world, image, 1);
            log_flip(&world, log_path(seq), hits_salt == 1 ? 58 : 50, 2);
            check_status(VARVE_E_CORRUPT, log_replay(&world, VV_REPLAY_STRICT, seen, &err));
            check_ok(log_replay(&world, VV_REPLAY_SALVAGE, seen, &err), &err);
            assert_false(seen->is_bad);
            if (hits_salt == 0) { /* the salt is good, so the records are */
                assert_int_equal(700, seen->count);
            } else {
                assert_true(seen->count > 300 && seen->count < 700);
            }
            assert_true(seen->result.holes >= 1);
            log_world_deinit(&world);
        }
    }
    vv_sim_image_free(image);
}

static void damage_at_the_very_end_takes_its_numbers_along(void **state)
{
    (void)state;
    uint64_t files;
    uint64_t durable;
    log_map *map;
    vv_sim_image *image = log_make(20, false, &files, &durable, &map);
    log_world world;
    varve_error err;
    log_world_init(&world, image, 1);
    log_flip(&world, log_path(1), map->places[map->count - 2].offset + 40, 1);
    vv_replay_options options = log_replay_options(VV_REPLAY_SALVAGE);
    options.durable_lsn = durable;
    check_ok(log_replay_with(&world, &options, seen, &err), &err);
    assert_int_equal(19, seen->count);
    assert_int_equal(durable,
                     seen->result.last_lsn); /* LSNs that were durable are not given again */
    assert_int_equal(durable, seen->result.lost_last_lsn);
    log_world_deinit(&world);
    vv_sim_image_free(image);
    free(map);
}

static void salvage_without_a_quarantine_keeps_nothing(void **state)
{
    (void)state;
    uint64_t files;
    log_map *map;
    vv_sim_image *image = log_make(20, false, &files, NULL, &map);
    log_world world;
    varve_error err;
    log_world_init(&world, image, 1);
    log_flip(&world, log_path(1), map->places[10].offset + 40, 1);
    vv_replay_options options = log_replay_options(VV_REPLAY_SALVAGE);
    options.quarantine = NULL;
    check_ok(log_replay_with(&world, &options, seen, &err), &err);
    assert_int_equal(19, seen->count);
    assert_int_equal(1, seen->result.holes);
    vv_dir_list list;
    check_ok(vv_vfs_list(world.env.vfs, log_memory(), "/quarantine", &list, &err), &err);
    assert_int_equal(0, list.count);
    vv_dir_list_deinit(&list);
    log_world_deinit(&world);
    vv_sim_image_free(image);
    free(map);
}

static void without_evidence_there_is_no_salvage(void **state)
{
    (void)state;
    uint64_t files;
    log_map *map;
    vv_sim_image *image = log_make(100, false, &files, NULL, &map);
    for (int run = 0; run < 4; ++run) {
        int kind = run / 2;
        bool is_over = false;
        for (uint64_t n = 1; !is_over; ++n) {
            log_world world;
            varve_error err;
            log_world_init(&world, image, 1);
            vv_fault *fault = log_add_faults(&world);
            log_flip(&world, log_path(1), map->places[10].offset + 40, 1);
            vv_sim_lacks lacks = {.link = run % 2 == 1};
            vv_sim_set_lacks(world.sim, &lacks);
            vv_fault_rule rule = {.first_call = kind == 0 ? n : 0,
                                  .call_count = 1,
                                  .kind = VV_FAULT_ERRNO,
                                  .os_errno = ENOSPC};
            size_t number = vv_fault_add(fault, &rule);
            failing_alloc_plan(&world.failing, kind == 1 ? n : 0, true);
            varve_status status = log_replay(&world, VV_REPLAY_SALVAGE, seen, &err);
            uint64_t fired =
                kind == 0 ? vv_fault_fired(fault, number) : atomic_load(&world.failing.failures);
            failing_alloc_plan(&world.failing, 0, true);
            vv_fault_clear(fault);
            is_over = fired == 0;
            if (status == VARVE_OK) {
                assert_int_equal(99, seen->count);
                keep_check_copies(&world, files);
            } else {
                assert_false(is_over);
            }
            log_world_deinit(&world);
        }
    }
    vv_sim_image_free(image);
    free(map);
}

static void two_salvages_at_one_time_keep_apart(void **state)
{
    (void)state;
    uint64_t files;
    log_map *map;
    vv_sim_image *image = log_make(20, false, &files, NULL, &map);
    log_world world;
    varve_error err;
    log_world_init(&world, image, 1);
    log_flip(&world, log_path(1), map->places[10].offset + 40, 1);
    for (int i = 0; i < 3; ++i) {
        check_ok(log_replay(&world, VV_REPLAY_SALVAGE, seen, &err), &err);
    }
    vv_dir_list list;
    check_ok(vv_vfs_list(world.env.vfs, log_memory(), "/quarantine", &list, &err), &err);
    assert_int_equal(3, list.count);
    vv_dir_list_deinit(&list);
    log_world_deinit(&world);
    vv_sim_image_free(image);
    free(map);
}

/* A directory for each nanosecond of the clock, up to a limit: no salvage overwrites another. */
static void evidence_never_takes_the_place_of_other_evidence(void **state)
{
    (void)state;
    uint64_t files;
    log_map *map;
    vv_sim_image *image = log_make(20, false, &files, NULL, &map);
    log_world world;
    varve_error err;
    log_world_init(&world, image, 1);
    log_flip(&world, log_path(1), map->places[10].offset + 40, 1);
    long long now_ns = (long long)vv_env_wall_ns(&world.env);
    for (int i = 0; i < 1000; ++i) {
        char path[64];
        snprintf(path, sizeof path, "/quarantine/%020lld", now_ns + i);
        check_ok(vv_vfs_mkdir(world.env.vfs, path, &err), &err);
    }
    check_status(VARVE_E_EXISTS, log_replay(&world, VV_REPLAY_SALVAGE, seen, &err));
    vv_dir_list list;
    check_ok(vv_vfs_list(world.env.vfs, log_memory(), "/quarantine", &list, &err), &err);
    assert_int_equal(1000, list.count);
    vv_dir_list_deinit(&list);
    log_world_deinit(&world);
    vv_sim_image_free(image);
    free(map);
}

static int keep_setup(void **state)
{
    (void)state;
    seen = log_seen_new();
    return 0;
}

static int keep_teardown(void **state)
{
    (void)state;
    free(seen);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        log_test(salvage_keeps_every_file_and_says_what_is_lost),
        log_test(the_report_names_series_and_times_of_rows_without_group),
        log_test(the_report_counts_vectors_without_group),
        log_test(the_report_names_no_series_beyond_its_limit),
        log_test(salvage_without_damage_keeps_nothing),
        log_test(salvage_goes_on_behind_a_damaged_file_header),
        log_test(damage_at_the_very_end_takes_its_numbers_along),
        log_test(salvage_without_a_quarantine_keeps_nothing),
        log_test(without_evidence_there_is_no_salvage),
        log_test(two_salvages_at_one_time_keep_apart),
        log_test(evidence_never_takes_the_place_of_other_evidence),
    };
    return cmocka_run_group_tests(tests, keep_setup, keep_teardown);
}
