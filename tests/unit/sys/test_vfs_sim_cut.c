/* SPDX-License-Identifier: Apache-2.0 */
/* The models of a power cut, and what every image must keep (S1 to S5 of vfs_sim.h). */
#include "base/random.h"
#include "sim_support.h"

/* A durable file of five sectors of '-', then three unsynced writes of a sector each: a b c. */
static vv_file *three_writes(vv_sim *sim)
{
    sim_put_durable(sim, "/f", sim_times('-', 2560));
    vv_file *file = sim_open(sim, "/f");
    sim_write(file, 0, sim_times('a', 512));
    sim_write(file, 1024, sim_times('b', 512));
    sim_write(file, 2048, sim_times('c', 512));
    return file;
}

/* The first byte of each sector. */
static const char *sectors_of(const char *text)
{
    static char out[64];
    size_t count = (strlen(text) + 511) / 512;
    for (size_t i = 0; i < count; ++i) {
        out[i] = text[i * 512];
    }
    out[count] = '\0';
    return out;
}

static void close_and_free(vv_sim *sim, vv_file *file)
{
    check_ok(vv_file_close(file, NULL), NULL);
    vv_sim_free(sim);
}

static void prefix_keeps_the_first_changes(void **state)
{
    (void)state;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    vv_file *file = three_writes(sim);
    const char *const expected[] = {"-----", "a----", "a-b--", "a-b-c"};
    for (size_t count = 0; count < 4; ++count) {
        vv_sim_cut cut = {.model = VV_SIM_CUT_PREFIX, .count = count};
        assert_string_equal(expected[count], sectors_of(sim_cut_text(sim, &cut, "/f")));
    }
    close_and_free(sim, file);
}

static void subset_keeps_any(void **state)
{
    (void)state;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    vv_file *file = three_writes(sim);
    const bool kept[] = {true, false, true};
    vv_sim_cut cut = {.model = VV_SIM_CUT_SUBSET, .kept = kept};
    assert_string_equal("a---c", sectors_of(sim_cut_text(sim, &cut, "/f")));
    close_and_free(sim, file);
}

static void reorder_keeps_the_latest(void **state)
{
    (void)state;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    vv_file *file = three_writes(sim);
    check_ok(vv_vfs_mkdir(vv_sim_vfs(sim), "/d", NULL), NULL);
    vv_sim_cut cut = {.model = VV_SIM_CUT_REORDER, .count = 2, .has_entries = true};
    assert_string_equal("--b-c", sectors_of(sim_cut_text(sim, &cut, "/f")));
    close_and_free(sim, file);
}

static void a_later_write_to_a_sector_carries_the_earlier(void **state)
{
    (void)state;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    sim_put_durable(sim, "/f", "------");
    vv_file *file = sim_open(sim, "/f");
    sim_write(file, 0, "aa");
    sim_write(file, 4, "cc");
    const bool later[] = {false, true};
    const bool earlier[] = {true, false};
    vv_sim_cut cut = {.model = VV_SIM_CUT_SUBSET, .kept = later};
    assert_string_equal("aa--cc", sim_cut_text(sim, &cut, "/f"));
    cut.kept = earlier;
    assert_string_equal("aa----", sim_cut_text(sim, &cut, "/f"));
    close_and_free(sim, file);
}

static void torn_keeps_a_write_up_to_a_place(void **state)
{
    (void)state;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    sim_put_durable(sim, "/f", sim_times('-', 2048));
    vv_file *file = sim_open(sim, "/f");
    sim_write(file, 0, "early");
    sim_write(file, 500, sim_times('x', 1000)); /* sectors 0, 1 and 2 */
    vv_sim_cut cut = {.model = VV_SIM_CUT_TORN, .torn_sector = 1, .torn_bytes = 100};
    const char *text = sim_cut_text(sim, &cut, "/f");
    assert_memory_equal("early-", text, 6);
    assert_memory_equal(sim_times('x', 112), text + 500, 112);
    assert_memory_equal(sim_times('-', 1436), text + 612, 1436);
    cut.torn_write = 1; /* the write before: the last is lost as a whole */
    cut.torn_sector = 0;
    cut.torn_bytes = 2;
    assert_memory_equal("ea---", sim_cut_text(sim, &cut, "/f"), 5);
    cut.torn_write = 2;
    vv_sim_point *point = vv_sim_capture(sim);
    assert_null(vv_sim_power_cut(point, &cut));
    cut.torn_write = 0;
    cut.torn_sector = 3;
    assert_null(vv_sim_power_cut(point, &cut));
    vv_sim_point_free(point);
    close_and_free(sim, file);
}

static void garbage_stays_within_what_the_write_changed(void **state)
{
    (void)state;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    sim_put_durable(sim, "/f", sim_times('-', 512));
    vv_file *file = sim_open(sim, "/f");
    sim_write(file, 100, sim_times('x', 200));
    vv_sim_cut cut = {
        .model = VV_SIM_CUT_TORN, .torn_bytes = 50, .has_torn_garbage = true, .seed = 7};
    const char *text = sim_cut_text(sim, &cut, "/f");
    assert_memory_equal(sim_times('-', 100), text, 100);
    assert_memory_equal(sim_times('x', 50), text + 100, 50);
    assert_memory_not_equal(sim_times('x', 150), text + 150, 150);
    assert_memory_not_equal(sim_times('-', 150), text + 150, 150);
    assert_memory_equal(sim_times('-', 212), text + 300, 212);
    assert_string_equal(text, sim_cut_text(sim, &cut, "/f")); /* S5 */
    close_and_free(sim, file);
}

static void data_without_its_size_is_not_seen(void **state)
{
    (void)state;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    sim_put_durable(sim, "/f", "abc");
    vv_file *file = sim_open(sim, "/f");
    sim_write(file, 3, "def"); /* changes: size, sector */
    const bool sector[] = {false, true};
    const bool size[] = {true, false};
    vv_sim_cut cut = {.model = VV_SIM_CUT_SUBSET, .kept = sector};
    assert_string_equal("abc", sim_cut_text(sim, &cut, "/f"));
    cut.kept = size;
    assert_string_equal("abc...", sim_cut_text(sim, &cut, "/f"));
    close_and_free(sim, file);
}

/* Not hidden behind the end either, from where a later growth would bring it back. */
static void data_without_its_size_is_gone(void **state)
{
    (void)state;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    sim_put_durable(sim, "/f", "abc");
    vv_file *file = sim_open(sim, "/f");
    sim_write(file, 3, sim_times('x', 1000)); /* changes: size, two sectors */
    const bool sectors[] = {false, true, true};
    vv_sim_cut cut = {.model = VV_SIM_CUT_SUBSET, .kept = sectors};
    vv_sim_cut none = {.model = VV_SIM_CUT_NONE};
    vv_sim_point *point = vv_sim_capture(sim);
    vv_sim_image *image = vv_sim_power_cut(point, &cut);
    vv_sim_image *lost = vv_sim_power_cut(point, &none);
    assert_int_equal(vv_sim_image_hash(lost), vv_sim_image_hash(image));
    vv_sim *next = vv_sim_create(sim_memory(), image);
    vv_file *again = sim_open(next, "/f");
    check_ok(vv_file_truncate(again, 6, NULL), NULL);
    assert_string_equal("abc...", sim_after(next, VV_SIM_CUT_ALL, "/f"));
    close_and_free(next, again);
    vv_sim_image_free(image);
    vv_sim_image_free(lost);
    vv_sim_point_free(point);
    close_and_free(sim, file);
}

static void what_was_cut_off_does_not_come_back_under_a_larger_size(void **state)
{
    (void)state;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    sim_put_durable(sim, "/f", sim_times('o', 1024));
    vv_file *file = sim_open(sim, "/f");
    check_ok(vv_file_truncate(file, 10, NULL), NULL);
    check_ok(vv_file_truncate(file, 1024, NULL), NULL);
    const bool second[] = {false, true};
    vv_sim_cut cut = {.model = VV_SIM_CUT_SUBSET, .kept = second};
    const char *text = sim_cut_text(sim, &cut, "/f");
    assert_int_equal(1024, strlen(text));
    assert_memory_equal("oooooooooo....", text, 14);
    close_and_free(sim, file);
}

/* ---- images --------------------------------------------------------------------------------- */

static void points_and_images_never_change(void **state)
{
    (void)state;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    vv_file *file = three_writes(sim);
    vv_sim_point *point = vv_sim_capture(sim);
    vv_sim_cut all = {.model = VV_SIM_CUT_ALL};
    vv_sim_image *image = vv_sim_power_cut(point, &all);
    uint64_t point_hash = vv_sim_point_hash(point);
    uint64_t image_hash = vv_sim_image_hash(image);
    sim_write(file, 0, "changed");
    sim_sync(file);
    check_ok(vv_vfs_unlink(vv_sim_vfs(sim), "/f", NULL), NULL);
    sim_sync_root(sim);
    vv_sim *next = vv_sim_create(sim_memory(), image);
    vv_file *other = sim_open(next, "/f");
    sim_write(other, 0, "other life");
    sim_sync(other);
    assert_string_equal("a-b-c", sectors_of(sim_image_text(image, "/f")));
    assert_int_equal(point_hash, vv_sim_point_hash(point));
    assert_int_equal(image_hash, vv_sim_image_hash(image));
    assert_int_equal(3, vv_sim_point_changes(point));
    close_and_free(next, other);
    close_and_free(sim, file);
    assert_string_equal("a-b-c", sectors_of(sim_image_text(image, "/f"))); /* outlives both */
    vv_sim_image_free(image);
    vv_sim_point_free(point);
}

static uint64_t hash_of(vv_sim *sim, vv_sim_model model)
{
    vv_sim_point *point = vv_sim_capture(sim);
    vv_sim_cut cut = {.model = model};
    vv_sim_image *image = vv_sim_power_cut(point, &cut);
    uint64_t hash = vv_sim_image_hash(image);
    vv_sim_image_free(image);
    vv_sim_point_free(point);
    return hash;
}

static void images_with_the_same_files_have_the_same_hash(void **state)
{
    (void)state;
    vv_sim *one = vv_sim_create(sim_memory(), NULL);
    vv_sim *two = vv_sim_create(sim_memory(), NULL);
    sim_put_durable(one, "/a", "first");
    sim_put_durable(one, "/b", "second");
    sim_put_durable(two, "/x", "away");
    sim_put_durable(two, "/b", "second");
    sim_put_durable(two, "/a", "first");
    uint64_t hash = hash_of(one, VV_SIM_CUT_NONE);
    assert_int_not_equal(hash, hash_of(two, VV_SIM_CUT_NONE));
    check_ok(vv_vfs_unlink(vv_sim_vfs(two), "/x", NULL), NULL);
    assert_int_equal(hash, hash_of(two, VV_SIM_CUT_ALL));
    sim_rename(one, "/a", "/c"); /* the same content under another name */
    assert_int_not_equal(hash, hash_of(one, VV_SIM_CUT_ALL));
    vv_file *file = sim_open(two, "/b");
    check_ok(vv_file_truncate(file, 7, NULL), NULL); /* one zero more */
    assert_int_not_equal(hash, hash_of(two, VV_SIM_CUT_ALL));
    check_ok(vv_file_truncate(file, 6, NULL), NULL);
    assert_int_equal(hash, hash_of(two, VV_SIM_CUT_ALL));
    close_and_free(two, file);
    vv_sim_free(one);
}

static void a_file_without_a_name_is_not_in_the_image(void **state)
{
    (void)state;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    sim_put_durable(sim, "/a", "data");
    uint64_t hash = hash_of(sim, VV_SIM_CUT_ALL);
    vv_file *file = sim_open(sim, "/b");
    check_ok(vv_vfs_unlink(vv_sim_vfs(sim), "/b", NULL), NULL);
    sim_sync_root(sim);
    sim_write(file, 0, "nobody will see this");
    assert_int_equal(hash, hash_of(sim, VV_SIM_CUT_ALL));
    vv_sim_point *point = vv_sim_capture(sim);
    assert_int_equal(0, vv_sim_point_changes(point));
    vv_sim_point_free(point);
    close_and_free(sim, file);
}

/* What each byte of a file may be after a cut: the synced value, and those written since. */
typedef struct possible_file {
    bool values[4096][256];
    uint8_t now[4096];
} possible_file;

static void possible_write(possible_file *possible, size_t offset, size_t size, uint8_t value)
{
    for (size_t at = offset; at < offset + size; ++at) {
        possible->now[at] = value;
        possible->values[at][value] = true;
    }
}

static void possible_sync(possible_file *possible)
{
    memset(possible->values, 0, sizeof possible->values);
    for (size_t at = 0; at < sizeof possible->now; ++at) {
        possible->values[at][possible->now[at]] = true;
    }
}

static void possible_check(const possible_file *possible, const vv_sim_image *image)
{
    vv_sim *sim = vv_sim_create(sim_memory(), image);
    vv_file *file = sim_open(sim, "/f");
    uint8_t found[4096] = {0};
    size_t size = 0;
    check_ok(vv_file_read(file, 0, found, sizeof found, &size, NULL), NULL);
    for (size_t at = 0; at < sizeof found; ++at) {
        assert_true(possible->values[at][found[at]]);
    }
    close_and_free(sim, file);
}

/* S2, and that nothing is in an image that was never written. */
static void each_byte_of_an_image_was_synced_or_written_since(void **state)
{
    (void)state;
    const uint64_t seed = 20240229;
    print_message("seed %llu\n", (unsigned long long)seed);
    static possible_file possible;
    possible_sync(&possible);
    vv_random random;
    vv_random_init(&random, seed);
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    vv_file *file = sim_open(sim, "/f");
    sim_sync_root(sim);
    for (int round = 0; round < 400; ++round) {
        size_t offset = (size_t)vv_random_below(&random, 3000);
        size_t size = 1 + (size_t)vv_random_below(&random, 1000);
        uint8_t value = (uint8_t)(1 + vv_random_below(&random, 255));
        char bytes[1000];
        memset(bytes, value, size);
        check_ok(vv_file_write_all(file, (int64_t)offset, bytes, size, NULL), NULL);
        possible_write(&possible, offset, size, value);
        if (vv_random_below(&random, 3) == 0) {
            sim_sync(file);
            possible_sync(&possible);
        }
        vv_sim_point *point = vv_sim_capture(sim);
        size_t index = (size_t)vv_random_below(&random, vv_sim_image_count(point));
        char text[100];
        vv_sim_image_describe(point, index, text, sizeof text);
        if (strncmp(text, "newest write torn", 17) != 0) { /* these may hold garbage */
            vv_sim_image *image = vv_sim_image_make(point, index, seed);
            possible_check(&possible, image);
            vv_sim_image_free(image);
        }
        vv_sim_point_free(point);
    }
    close_and_free(sim, file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        sim_test(prefix_keeps_the_first_changes),
        sim_test(subset_keeps_any),
        sim_test(reorder_keeps_the_latest),
        sim_test(a_later_write_to_a_sector_carries_the_earlier),
        sim_test(torn_keeps_a_write_up_to_a_place),
        sim_test(garbage_stays_within_what_the_write_changed),
        sim_test(data_without_its_size_is_not_seen),
        sim_test(data_without_its_size_is_gone),
        sim_test(what_was_cut_off_does_not_come_back_under_a_larger_size),
        sim_test(points_and_images_never_change),
        sim_test(images_with_the_same_files_have_the_same_hash),
        sim_test(a_file_without_a_name_is_not_in_the_image),
        sim_test(each_byte_of_an_image_was_synced_or_written_since),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
