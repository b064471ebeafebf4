/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a manifest that is damaged, torn, replaced, or being written. */
#include <errno.h>

#include "base/crc.h"
#include "engine/manifest_priv.h"
#include "manifest_support.h"

#define PATH_1 "/manifest/00000000000000000001.vmf"
#define PATH_2 "/manifest/00000000000000000002.vmf"

static void load_patch(manifest_world *world, const char *path, int64_t offset, const void *bytes,
                       size_t size)
{
    vv_file *file;
    check_ok(vv_file_open(world->env.vfs, manifest_memory(), path, VV_OPEN_WRITE, &file, NULL),
             NULL);
    check_ok(vv_file_write_all(file, offset, bytes, size, NULL), NULL);
    check_ok(vv_file_close(file, NULL), NULL);
}

static void load_flip(manifest_world *world, const char *path, int64_t offset, unsigned bit)
{
    vv_file *file;
    uint8_t byte;
    check_ok(vv_file_open(world->env.vfs, manifest_memory(), path, VV_OPEN_READ, &file, NULL),
             NULL);
    check_ok(vv_file_read_exact(file, offset, &byte, 1, NULL), NULL);
    check_ok(vv_file_close(file, NULL), NULL);
    byte = (uint8_t)(byte ^ 1u << bit);
    load_patch(world, path, offset, &byte, 1);
}

static void load_truncate(manifest_world *world, const char *path, int64_t size)
{
    vv_file *file;
    check_ok(vv_file_open(world->env.vfs, manifest_memory(), path, VV_OPEN_WRITE, &file, NULL),
             NULL);
    check_ok(vv_file_truncate(file, size, NULL), NULL);
    check_ok(vv_file_close(file, NULL), NULL);
}

static int64_t load_size(manifest_world *world, const char *path)
{
    vv_file_info info;
    check_ok(vv_vfs_stat(world->env.vfs, path, &info, NULL), NULL);
    return info.size;
}

/* A manifest with `steps` edits; rotated before the last `behind` of them. */
static vv_sim_image *load_make(uint64_t steps, uint64_t behind, int64_t *out_ends)
{
    manifest_world world;
    varve_error err;
    manifest_world_init(&world, NULL);
    manifest_create(&world);
    for (uint64_t n = 1; n <= steps; ++n) {
        if (behind < steps && n == steps - behind + 1) {
            check_ok(vv_manifest_rotate(world.manifest, &err), &err);
        }
        check_ok(manifest_try_step(&world, n, &err), &err);
        if (out_ends != NULL) {
            out_ends[n] = load_size(&world, PATH_1);
        }
    }
    if (behind == 0) {
        check_ok(vv_manifest_rotate(world.manifest, &err), &err);
    }
    vv_sim_point *point = vv_sim_capture(world.sim);
    vv_sim_cut cut = {.model = VV_SIM_CUT_NONE};
    vv_sim_image *image = vv_sim_power_cut(point, &cut);
    vv_sim_point_free(point);
    manifest_world_deinit(&world);
    return image;
}

static varve_status load_try(manifest_world *world, bool is_follower, vv_manifest_state *state,
                             vv_manifest_found *found, varve_error *err)
{
    vv_manifest_options options = manifest_options();
    options.is_follower = is_follower;
    vv_manifest_state_init(state, &world->alloc);
    return vv_manifest_load(&world->env, &options, state, found, err);
}

static void no_manifest_is_not_found(void **state)
{
    (void)state;
    manifest_world world;
    vv_manifest_state loaded;
    varve_error err;
    manifest_world_init(&world, NULL);
    check_status(VARVE_E_NOT_FOUND, load_try(&world, false, &loaded, NULL, &err));
    check_status(VARVE_E_NOT_FOUND, load_try(&world, true, &loaded, NULL, &err));
    manifest_world_deinit(&world);
}

/* Every byte of a manifest, one bit flipped: the state before the damage only where it is the very
 * last edit, the whole state, or damage; never another state. */
static void every_flipped_byte_is_noticed_or_harmless(void **state)
{
    (void)state;
    int64_t ends[11];
    vv_sim_image *image = load_make(10, 10, ends);
    for (int64_t offset = 0; offset < ends[10]; ++offset) {
        if (offset > 90 && offset < 4096 && offset % 500 != 0) {
            continue;
        }
        manifest_world world;
        vv_manifest_state loaded;
        vv_manifest_found found;
        varve_error err;
        manifest_world_init(&world, image);
        load_flip(&world, PATH_1, offset, (unsigned)offset % 8);
        varve_status status = load_try(&world, false, &loaded, &found, &err);
        bool is_covered = offset < 84 || offset >= 4096;
        if (status == VARVE_OK && manifest_is_state_of(&loaded, 9)) {
            assert_true(offset >= ends[9]);
            assert_true(found.torn_bytes > 0);
        } else if (status == VARVE_OK) {
            assert_true(manifest_is_state_of(&loaded, 10));
            bool is_padding = false;
            for (int n = 1; n <= 10; ++n) {
                is_padding = is_padding || (offset < ends[n] && offset >= ends[n] - 7);
            }
            /* The snapshot of an empty database ends in padding as well. */
            assert_true(!is_covered || is_padding || offset < ends[1]);
        } else {
            check_status(VARVE_E_CORRUPT, status);
            assert_true(is_covered);
        }
        vv_manifest_state_deinit(&loaded);
        manifest_world_deinit(&world);
    }
    vv_sim_image_free(image);
}

static void a_torn_last_edit_is_dropped(void **state)
{
    (void)state;
    int64_t ends[6];
    vv_sim_image *image = load_make(5, 5, ends);
    for (int64_t size = ends[4]; size < ends[5]; ++size) {
        manifest_world world;
        vv_manifest_state loaded;
        vv_manifest_found found;
        varve_error err;
        manifest_world_init(&world, image);
        load_truncate(&world, PATH_1, size);
        check_ok(load_try(&world, false, &loaded, &found, &err), &err);
        /* Only padding may be missing from an edit that counts. */
        assert_true(manifest_is_state_of(&loaded, 4) ||
                    (manifest_is_state_of(&loaded, 5) && size >= ends[5] - 7));
        vv_manifest_state_deinit(&loaded);
        manifest_world_deinit(&world);
    }
    vv_sim_image_free(image);
}

static void the_file_before_replaces_a_bad_snapshot_without_edits(void **state)
{
    (void)state;
    vv_sim_image *image = load_make(5, 0, NULL);
    manifest_world world;
    vv_manifest_state loaded;
    vv_manifest_found found;
    varve_error err;
    manifest_world_init(&world, image);
    int64_t size = load_size(&world, PATH_2);
    manifest_world_deinit(&world);
    for (int64_t offset = 4096; offset < size; ++offset) {
        manifest_world_init(&world, image);
        load_flip(&world, PATH_2, offset, 4);
        check_ok(load_try(&world, false, &loaded, &found, &err), &err);
        assert_true(manifest_is_state_of(&loaded, 5));
        assert_int_equal(2, found.last_file);
        assert_true(found.is_fallback == (found.file_seq == 1));
        assert_true(found.is_fallback || offset >= size - 7);
        vv_manifest_state_deinit(&loaded);
        /* The next file gets a number of its own. */
        vv_manifest_options options = manifest_options();
        check_ok(vv_manifest_open(&world.env, &options, &world.manifest, NULL, &err), &err);
        check_ok(manifest_try_step(&world, 6, &err), &err);
        bool exists;
        check_ok(vv_vfs_exists(world.env.vfs, "/manifest/00000000000000000003.vmf", &exists, &err),
                 &err);
        assert_true(exists);
        manifest_world_deinit(&world);
    }
    vv_sim_image_free(image);
}

static void a_bad_snapshot_with_edits_behind_it_is_damage(void **state)
{
    (void)state;
    vv_sim_image *image = load_make(5, 2, NULL);
    manifest_world world;
    vv_manifest_state loaded;
    varve_error err;
    uint8_t zeros[4096] = {0};
    for (int kind = 0; kind < 5; ++kind) {
        manifest_world_init(&world, image);
        int64_t size = load_size(&world, PATH_2);
        switch (kind) {
        case 0:
            load_flip(&world, PATH_2, 4096 + 40, 1);
            break;
        case 1: /* nothing is left of the edits either, but the size tells that there were some */
            load_patch(&world, PATH_2, 4096, zeros, (size_t)(size - 4096));
            break;
        case 2:
            load_truncate(&world, PATH_2, 4096);
            break;
        case 3:
            load_truncate(&world, PATH_2, 0);
            break;
        default:
            load_flip(&world, PATH_2, 50, 1); /* the header */
            break;
        }
        check_status(VARVE_E_CORRUPT, load_try(&world, false, &loaded, NULL, &err));
        assert_non_null(strstr(err.message, "manifest 2"));
        assert_int_equal(0, loaded.edit_seq);
        vv_manifest_state_deinit(&loaded);
        manifest_world_deinit(&world);
    }
    vv_sim_image_free(image);
}

static void the_file_before_counts_only_when_it_ends_where_the_newest_begins(void **state)
{
    (void)state;
    int64_t ends[6];
    vv_sim_image *image = load_make(5, 0, NULL);
    vv_sim_image *plain = load_make(5, 5, ends);
    manifest_world world;
    vv_manifest_state loaded;
    varve_error err;
    manifest_world_init(&world, image);
    load_flip(&world, PATH_2, 4096 + 40, 1);
    load_truncate(&world, PATH_1, ends[4]); /* the file before lost its last edit */
    check_status(VARVE_E_CORRUPT, load_try(&world, false, &loaded, NULL, &err));
    vv_manifest_state_deinit(&loaded);
    check_ok(vv_vfs_unlink(world.env.vfs, PATH_1, &err), &err);
    check_status(VARVE_E_CORRUPT, load_try(&world, false, &loaded, NULL, &err));
    vv_manifest_state_deinit(&loaded);
    manifest_world_deinit(&world);
    vv_sim_image_free(plain);
    vv_sim_image_free(image);
}

static void a_manifest_of_another_database_or_number_is_damage(void **state)
{
    (void)state;
    vv_sim_image *image = load_make(5, 5, NULL);
    manifest_world world;
    vv_manifest_state loaded;
    varve_error err;
    manifest_world_init(&world, image);
    vv_manifest_options options = manifest_options();
    options.store_id[0] = 9;
    vv_manifest_state_init(&loaded, &world.alloc);
    check_status(VARVE_E_CORRUPT, vv_manifest_load(&world.env, &options, &loaded, NULL, &err));
    assert_non_null(strstr(err.message, "another database"));
    check_ok(vv_vfs_rename(world.env.vfs, PATH_1, PATH_2, VV_SITE_MANIFEST_RENAME, &err), &err);
    check_status(VARVE_E_CORRUPT, load_try(&world, false, &loaded, NULL, &err));
    assert_non_null(strstr(err.message, "made as number 1"));
    /* Its own number, and edits that begin with none. */
    uint8_t header[VV_FRAME_FILE_HEADER_BYTES];
    vv_frame_file file = {.file_seq = 2, .salt = 99};
    memcpy(file.store_id, manifest_options().store_id, sizeof file.store_id);
    vv_frame_file_encode(VV_FRAME_MANIFEST, &file, header);
    load_patch(&world, PATH_2, 0, header, sizeof header);
    check_status(VARVE_E_CORRUPT, load_try(&world, false, &loaded, NULL, &err));
    manifest_world_deinit(&world);
    vv_sim_image_free(image);
}

/* Append a record with right checksums to a manifest file; `skipped` numbers are left out. */
static void load_append_number(manifest_world *world, const char *path, uint64_t skipped,
                               uint8_t type, uint8_t flags, const void *payload, size_t size)
{
    vv_frame_reader reader;
    vv_frame_file header;
    vv_bytes bytes;
    vv_frame_verdict verdict = VV_FRAME_GOOD;
    vv_frame frame;
    varve_error err;
    check_ok(vv_frame_reader_open(&reader, world->env.vfs, manifest_memory(), path, true, &err),
             &err);
    check_ok(vv_frame_reader_view(&reader, 0, VV_FRAME_FILE_HEADER_BYTES, &bytes, &err), &err);
    check_ok(vv_frame_file_decode(VV_FRAME_MANIFEST, bytes, &header, &err), &err);
    reader.salt = header.salt;
    int64_t offset = VV_FRAME_FILE_HEADER_BYTES;
    uint32_t chain = vv_frame_chain_first(header.salt);
    uint64_t lsn = header.first_lsn;
    while (verdict == VV_FRAME_GOOD) {
        check_ok(vv_frame_read(&reader, offset, NULL, 0, &verdict, &frame, &bytes, &err), &err);
        if (verdict == VV_FRAME_GOOD) {
            chain = vv_frame_chain_next(&frame);
            lsn = frame.lsn + 1;
            offset += (int64_t)vv_frame_bytes(frame.payload_size);
        }
    }
    vv_frame_reader_close(&reader);
    uint8_t record[256] = {0};
    assert_true(vv_frame_bytes(size) <= sizeof record);
    frame = (vv_frame){.payload_size = (uint32_t)size,
                       .lsn = lsn + skipped,
                       .type = type,
                       .flags = flags,
                       .payload_crc = vv_crc32c(0, payload, size)};
    vv_frame_put(record, &frame);
    (void)vv_frame_finish(record, header.salt, chain);
    memcpy(record + VV_FRAME_HEADER_BYTES, payload, size);
    load_patch(world, path, offset, record, vv_frame_bytes(size));
}

static void load_append_record(manifest_world *world, const char *path, uint8_t type, uint8_t flags,
                               const void *payload, size_t size)
{
    load_append_number(world, path, 0, type, flags, payload, size);
}

/* Ids of files are never 0, and an open has to go on above those that were given. */
static void a_manifest_without_ids_of_files_is_damage(void **state)
{
    (void)state;
    manifest_world world;
    vv_manifest_state loaded;
    varve_error err;
    manifest_world_init(&world, NULL);
    vv_manifest_options options = manifest_options();
    vv_manifest_database database = {.precision = VARVE_PRECISION_MS,
                                     .duplicates = VARVE_DUPLICATES_ALL,
                                     .row_ids = VARVE_ROW_IDS_OFF};
    vv_manifest_edit first = {.database = &database, .next_sequence = 1, .log_start = 1};
    check_ok(vv_manifest_create(&world.env, &options, &first, &world.manifest, &err), &err);
    check_status(VARVE_E_CORRUPT, load_try(&world, false, &loaded, NULL, &err));
    assert_non_null(strstr(err.message, "next id of a file"));
    vv_manifest_state_deinit(&loaded);
    vv_manifest_edit next = {.next_file_id = 1};
    check_ok(vv_manifest_append(world.manifest, &next, &err), &err);
    check_ok(load_try(&world, false, &loaded, NULL, &err), &err);
    vv_manifest_state_deinit(&loaded);
    manifest_world_deinit(&world);
}

/* It is whole, so it is no torn end: an edit is missing. */
static void an_edit_of_another_number_is_damage(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {8, 2, 1, 0};
    vv_sim_image *image = load_make(5, 5, NULL);
    manifest_world world;
    vv_manifest_state loaded;
    varve_error err;
    manifest_world_init(&world, image);
    load_append_number(&world, PATH_1, 1, VV_MANIFEST_EDIT, VV_FRAME_FLAG_LAST, bytes,
                       sizeof bytes);
    check_status(VARVE_E_CORRUPT, load_try(&world, false, &loaded, NULL, &err));
    assert_non_null(strstr(err.message, "record 7"));
    vv_manifest_state_deinit(&loaded);
    manifest_world_deinit(&world);
    vv_sim_image_free(image);
}

/* A manifest of several windows of the reader. `is_damaged`: with a bad record in it. */
static vv_sim_image *load_make_large(bool is_damaged)
{
    enum { SEGMENTS = 30000, STEPS = 2 };
    manifest_world world;
    varve_error err;
    manifest_world_init(&world, NULL);
    vv_manifest_options options = manifest_options();
    check_ok(manifest_try_create(&world, &options, &err), &err);
    vv_manifest_segment *segments = calloc(SEGMENTS, sizeof *segments);
    assert_non_null(segments);
    uint64_t bad = 0;
    for (uint64_t step = 0; step < STEPS; ++step) {
        bad = (uint64_t)load_size(&world, PATH_1);
        for (uint64_t i = 0; i < SEGMENTS; ++i) {
            segments[i] = manifest_segment(1 + step * SEGMENTS + i);
        }
        vv_manifest_edit edit = {.add = segments, .add_count = SEGMENTS};
        check_ok(vv_manifest_append(world.manifest, &edit, &err), &err);
    }
    vv_manifest_edit last = {.set_flags = VV_MANIFEST_LOG_HOLES};
    check_ok(vv_manifest_append(world.manifest, &last, &err), &err);
    free(segments);
    if (is_damaged) {
        load_flip(&world, PATH_1, (int64_t)bad + 10, 1); /* its header: where it ends is unknown */
    }
    vv_sim_point *point = vv_sim_capture(world.sim);
    vv_sim_cut cut = {.model = VV_SIM_CUT_ALL};
    vv_sim_image *image = vv_sim_power_cut(point, &cut);
    vv_sim_point_free(point);
    manifest_world_deinit(&world);
    return image;
}

/* Each call of loading fails once: the answer is that, or what the manifest is worth. */
static void load_fail_each_call(const vv_sim_image *image, varve_status wanted)
{
    bool is_over = false;
    for (uint64_t n = 1; !is_over; ++n) {
        manifest_world world;
        vv_manifest_state loaded;
        varve_error err;
        manifest_world_init(&world, image);
        vv_fault *fault = manifest_add_faults(&world);
        vv_fault_rule rule = {
            .first_call = n, .call_count = 1, .kind = VV_FAULT_ERRNO, .os_errno = EIO};
        size_t number = vv_fault_add(fault, &rule);
        varve_status status = load_try(&world, false, &loaded, NULL, &err);
        is_over = vv_fault_fired(fault, number) == 0;
        if (is_over || status != VARVE_E_IO) {
            check_status(wanted, status);
        }
        vv_manifest_state_deinit(&loaded);
        manifest_world_deinit(&world);
    }
}

static void every_failing_call_of_loading_is_an_answer(void **state)
{
    (void)state;
    vv_sim_image *image = load_make_large(false);
    load_fail_each_call(image, VARVE_OK);
    vv_sim_image_free(image);
    image = load_make_large(true);
    load_fail_each_call(image, VARVE_E_CORRUPT);
    vv_sim_image_free(image);
    /* The newest holds a bad snapshot only, and the one before it is read. */
    manifest_world world;
    image = load_make(5, 0, NULL);
    manifest_world_init(&world, image);
    load_flip(&world, PATH_2, VV_FRAME_FILE_HEADER_BYTES + 40, 1);
    vv_sim_point *point = vv_sim_capture(world.sim);
    vv_sim_cut cut = {.model = VV_SIM_CUT_ALL};
    vv_sim_image *damaged = vv_sim_power_cut(point, &cut);
    vv_sim_point_free(point);
    manifest_world_deinit(&world);
    load_fail_each_call(damaged, VARVE_OK);
    vv_sim_image_free(damaged);
    vv_sim_image_free(image);
}

static void edits_that_contradict_the_state_are_damage(void **state)
{
    (void)state;
    static const struct {
        const char *message;
        uint8_t type, flags;
        varve_status wanted;
        uint8_t bytes[8];
        size_t size;
    } cases[] = {{"", 2, 1, VARVE_OK, {8, 2, 1, 0}, 4},
                 {"drops segment 2", 2, 1, VARVE_E_CORRUPT, {2, 2, 1, 2}, 4},
                 {"section 99", 2, 1, VARVE_E_UNSUPPORTED, {99, 0}, 2},
                 {"makes no sense", 2, 1, VARVE_E_CORRUPT, {8, 9}, 2},
                 {"type 3", 3, 1, VARVE_E_UNSUPPORTED, {0}, 0},
                 {"type 1", 1, 1, VARVE_E_UNSUPPORTED, {0}, 0},
                 {"flags 3", 2, 3, VARVE_E_UNSUPPORTED, {0}, 0}};
    vv_sim_image *image = load_make(5, 5, NULL);
    for (size_t i = 0; i < VV_ARRAY_COUNT(cases); ++i) {
        manifest_world world;
        vv_manifest_state loaded;
        varve_error err;
        manifest_world_init(&world, image);
        load_append_record(&world, PATH_1, cases[i].type, cases[i].flags, cases[i].bytes,
                           cases[i].size);
        varve_status status = load_try(&world, false, &loaded, NULL, &err);
        check_status(cases[i].wanted, status);
        if (status != VARVE_OK) {
            check_status(cases[i].wanted, err.status);
            assert_non_null(strstr(err.message, cases[i].message));
        }
        vv_manifest_state_deinit(&loaded);
        manifest_world_deinit(&world);
    }
    vv_sim_image_free(image);
}

static void other_names_in_the_directory_are_left_alone(void **state)
{
    (void)state;
    static const char *const names[] = {"/manifest/00000000000000000009.vmf.part",
                                        "/manifest/9.vmf", "/manifest/0000000000000000000x.vmf",
                                        "/manifest/00000000000000000009.txt"};
    vv_sim_image *image = load_make(5, 5, NULL);
    manifest_world world;
    vv_manifest_state loaded;
    vv_manifest_found found;
    varve_error err;
    manifest_world_init(&world, image);
    for (size_t i = 0; i < VV_ARRAY_COUNT(names); ++i) {
        vv_file *file;
        check_ok(vv_file_open(world.env.vfs, manifest_memory(), names[i],
                              VV_OPEN_WRITE | VV_OPEN_CREATE, &file, &err),
                 &err);
        check_ok(vv_file_close(file, NULL), NULL);
    }
    check_ok(vv_vfs_mkdir(world.env.vfs, "/manifest/00000000000000000008.vmf", &err), &err);
    check_ok(load_try(&world, false, &loaded, &found, &err), &err);
    assert_int_equal(1, found.last_file);
    vv_manifest_state_deinit(&loaded);
    manifest_world_deinit(&world);
    vv_sim_image_free(image);
}

/* ---- sections ------------------------------------------------------------------------------- */

typedef struct load_codec {
    vv_alloc alloc;
    vv_arena arena;
    vv_arena texts;
} load_codec;

static void load_codec_init(load_codec *codec)
{
    vv_alloc_init(&codec->alloc, NULL);
    vv_arena_init(&codec->arena, &codec->alloc, SIZE_MAX);
    vv_arena_init(&codec->texts, &codec->alloc, SIZE_MAX);
}

static void load_codec_deinit(load_codec *codec)
{
    vv_arena_deinit(&codec->arena);
    vv_arena_deinit(&codec->texts);
    assert_int_equal(0, vv_alloc_bytes(&codec->alloc));
}

static varve_status load_decode(load_codec *codec, const void *bytes, size_t size)
{
    vv_manifest_edit edit;
    uint8_t *copy = malloc(size + 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    varve_error err;
    varve_status status =
        vv_manifest_decode(vv_bytes_make(copy, size), &codec->arena, &codec->texts, &edit, &err);
    free(copy);
    return status;
}

static void sections_of_later_versions_are_skipped_or_refused(void **state)
{
    (void)state;
    load_codec codec;
    load_codec_init(&codec);
    static const uint8_t optional[] = {0x90, 3, 1, 2, 3, 8, 2, 1, 0};
    static const uint8_t required[] = {0x10, 3, 1, 2, 3};
    check_ok(load_decode(&codec, optional, sizeof optional), NULL);
    check_status(VARVE_E_UNSUPPORTED, load_decode(&codec, required, sizeof required));
    load_codec_deinit(&codec);
}

static void sections_that_no_writer_makes_are_damage(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint8_t bytes[16];
        size_t size;
    } cases[] = {{"a section longer than the edit", {8, 3, 1, 0}, 4},
                 {"a byte too many", {8, 3, 1, 0, 0}, 5},
                 {"a byte too few", {8, 1, 1}, 3},
                 {"no length", {8}, 1},
                 {"a section twice", {8, 2, 1, 0, 8, 2, 1, 0}, 8},
                 {"sections out of order", {8, 2, 1, 0, 2, 2, 1, 7}, 8},
                 {"ids that fall", {2, 3, 2, 7, 6}, 5},
                 {"an id twice", {4, 3, 2, 7, 7}, 5},
                 {"a count above the bytes", {2, 2, 9, 1}, 4},
                 {"segments cut short", {1, 5, 1, 1, 1, 1, 1}, 7},
                 {"tombstone files that fall", {3, 5, 2, 7, 1, 6, 1}, 7},
                 {"a metric without name", {5, 4, 1, 0, 1, 1}, 6},
                 {"an unknown duplicates policy", {5, 5, 1, 1, 'a', 3, 1}, 7},
                 {"an unknown precision", {6, 3, 5, 1, 1}, 5},
                 {"flags above 32 bits", {8, 6, 0x80, 0x80, 0x80, 0x80, 0x10, 0}, 8}};
    load_codec codec;
    load_codec_init(&codec);
    for (size_t i = 0; i < VV_ARRAY_COUNT(cases); ++i) {
        varve_status status = load_decode(&codec, cases[i].bytes, cases[i].size);
        if (status != VARVE_E_CORRUPT) {
            print_error("%s\n", cases[i].what);
        }
        check_status(VARVE_E_CORRUPT, status);
    }
    check_ok(load_decode(&codec, "", 0), NULL);
    /* Two segments: an id, ten numbers that are zero, and the digest. */
    uint8_t segments[3 + 2 * 27] = {1, 1 + 2 * 27, 2};
    segments[3] = 7;
    segments[3 + 27] = 8;
    check_ok(load_decode(&codec, segments, sizeof segments), NULL);
    segments[3 + 27] = 7;
    check_status(VARVE_E_CORRUPT, load_decode(&codec, segments, sizeof segments));
    load_codec_deinit(&codec);
}

/* ---- beside a writer ------------------------------------------------------------------------ */

static void a_follower_reads_the_last_whole_edit(void **state)
{
    (void)state;
    manifest_world world;
    varve_error err;
    manifest_world_init(&world, NULL);
    vv_manifest_options options = manifest_options();
    options.rotate_edits = 3;
    check_ok(manifest_try_create(&world, &options, &err), &err);
    for (uint64_t n = 1; n <= 30; ++n) {
        vv_manifest_state loaded;
        check_ok(manifest_try_step(&world, n, &err), &err);
        uint64_t changes = vv_sim_changing_calls(world.sim);
        vv_sim_lacks lacks = {.is_readonly = true};
        vv_sim_set_lacks(world.sim, &lacks);
        check_ok(load_try(&world, true, &loaded, NULL, &err), &err);
        lacks.is_readonly = false;
        vv_sim_set_lacks(world.sim, &lacks);
        (void)changes;
        assert_true(manifest_is_state_of(&loaded, n));
        vv_manifest_state_deinit(&loaded);
    }
    manifest_world_deinit(&world);
}

/* Between listing and opening, the writer begins new files, and the listed one goes. */
typedef struct load_race {
    manifest_world *world;
    uint64_t next;
    int rotations;
} load_race;

static void load_race_hook(void *context, vv_vfs_op op, const char *path)
{
    load_race *race = context;
    (void)path;
    if (op == VV_VFS_OP_OPEN && race->rotations > 0) {
        varve_error err;
        race->rotations -= 1;
        for (int i = 0; i < 2; ++i) {
            check_ok(vv_manifest_rotate(race->world->manifest, &err), &err);
            check_ok(manifest_try_step(race->world, race->next, &err), &err);
            race->next += 1;
        }
    }
}

static void a_follower_tries_again_when_its_file_is_gone(void **state)
{
    (void)state;
    for (int rotations = 1; rotations <= 6; ++rotations) {
        manifest_world world;
        varve_error err;
        manifest_world_init(&world, NULL);
        manifest_create(&world);
        check_ok(manifest_try_step(&world, 1, &err), &err);
        vv_fault *fault = manifest_add_faults(&world);
        load_race race = {.world = &world, .next = 2, .rotations = rotations};
        vv_fault_set_hook(fault, load_race_hook, &race);
        vv_env env = world.env;
        env.vfs = vv_fault_vfs(fault);
        vv_manifest_options options = manifest_options();
        options.is_follower = true;
        vv_manifest_state loaded;
        vv_manifest_state_init(&loaded, &world.alloc);
        varve_status status = vv_manifest_load(&env, &options, &loaded, NULL, &err);
        if (rotations <= 5) {
            check_ok(status, &err);
            assert_true(manifest_is_state_of(&loaded, race.next - 1));
        } else {
            check_status(VARVE_E_NOT_FOUND, status); /* enough is enough */
        }
        vv_manifest_state_deinit(&loaded);
        manifest_world_deinit(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        manifest_test(no_manifest_is_not_found),
        manifest_test(every_flipped_byte_is_noticed_or_harmless),
        manifest_test(a_torn_last_edit_is_dropped),
        manifest_test(the_file_before_replaces_a_bad_snapshot_without_edits),
        manifest_test(a_bad_snapshot_with_edits_behind_it_is_damage),
        manifest_test(the_file_before_counts_only_when_it_ends_where_the_newest_begins),
        manifest_test(a_manifest_of_another_database_or_number_is_damage),
        manifest_test(edits_that_contradict_the_state_are_damage),
        manifest_test(a_manifest_without_ids_of_files_is_damage),
        manifest_test(an_edit_of_another_number_is_damage),
        manifest_test(every_failing_call_of_loading_is_an_answer),
        manifest_test(other_names_in_the_directory_are_left_alone),
        manifest_test(sections_of_later_versions_are_skipped_or_refused),
        manifest_test(sections_that_no_writer_makes_are_damage),
        manifest_test(a_follower_reads_the_last_whole_edit),
        manifest_test(a_follower_tries_again_when_its_file_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
