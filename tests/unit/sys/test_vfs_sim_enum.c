/* SPDX-License-Identifier: Apache-2.0 */
/* The enumeration of images: complete where it is small, canonical where it is large, and fast. */
#include "base/random.h"
#include "sim_support.h"
#include "sys/clock.h"

/* How many different images there are among those enumerated. */
static size_t count_distinct(const vv_sim_point *point)
{
    size_t count = vv_sim_image_count(point);
    uint64_t *hashes = calloc(count, sizeof *hashes);
    size_t distinct = 0;
    for (size_t index = 0; index < count; ++index) {
        vv_sim_image *image = vv_sim_image_make(point, index, 1);
        assert_non_null(image);
        uint64_t hash = vv_sim_image_hash(image);
        vv_sim_image_free(image);
        size_t at = 0;
        while (at < distinct && hashes[at] != hash) {
            at += 1;
        }
        hashes[at] = hash;
        distinct = at == distinct ? distinct + 1 : distinct;
    }
    free(hashes);
    return distinct;
}

/* A durable file of `sectors` zero sectors, then that many unsynced writes of a sector each. */
static vv_file *write_sectors(vv_sim *sim, size_t sectors)
{
    sim_put_durable(sim, "/f", "");
    vv_file *file = sim_open(sim, "/f");
    check_ok(vv_file_truncate(file, (int64_t)sectors * 512, NULL), NULL);
    sim_sync(file);
    for (size_t i = 0; i < sectors; ++i) {
        sim_write(file, (int64_t)i * 512, sim_times((char)('A' + i % 50), 512));
    }
    return file;
}

static void nothing_unsynced_has_one_image(void **state)
{
    (void)state;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    vv_sim_point *point = vv_sim_capture(sim);
    assert_int_equal(1, vv_sim_image_count(point));
    assert_int_equal(1, count_distinct(point));
    vv_sim_point_free(point);
    vv_sim_free(sim);
}

static void few_changes_give_all_subsets_and_torn_ones(void **state)
{
    (void)state;
    for (size_t changes = 1; changes <= VV_SIM_EXHAUSTIVE_CHANGES_MAX; changes += 3) {
        vv_sim *sim = vv_sim_create(sim_memory(), NULL);
        vv_file *file = write_sectors(sim, changes);
        vv_sim_point *point = vv_sim_capture(sim);
        assert_int_equal(changes, vv_sim_point_changes(point));
        /* The last write has one sector: torn plainly and with garbage. */
        assert_int_equal(((size_t)1 << changes) + 2, vv_sim_image_count(point));
        assert_int_equal(((size_t)1 << changes) + 2, count_distinct(point));
        vv_sim_point_free(point);
        check_ok(vv_file_close(file, NULL), NULL);
        vv_sim_free(sim);
    }
}

static void many_changes_give_the_canonical_set(void **state)
{
    (void)state;
    const size_t u = 11;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    vv_file *file = write_sectors(sim, u);
    vv_sim_point *point = vv_sim_capture(sim);
    size_t families = 2 + (u - 1) + u + u + 2 + (u - 1) + VV_SIM_RANDOM_SUBSETS;
    assert_int_equal(families + 2, vv_sim_image_count(point));
    assert_true(count_distinct(point) > 80);
    char first[100];
    char last[100];
    vv_sim_image_describe(point, 0, first, sizeof first);
    vv_sim_image_describe(point, families + 1, last, sizeof last);
    assert_string_equal("none, 0 of 1, at 11 changes", first);
    assert_string_equal("newest write torn, 1 of 2, at 11 changes", last);
    vv_sim_image *none = vv_sim_image_make(point, 0, 1);
    vv_sim_image *all = vv_sim_image_make(point, 1, 1);
    assert_string_equal(sim_times('.', u * 512), sim_image_text(none, "/f"));
    assert_int_equal('A' + 10, sim_image_text(all, "/f")[10 * 512]);
    vv_sim_image_free(none);
    vv_sim_image_free(all);
    vv_sim_point_free(point);
    check_ok(vv_file_close(file, NULL), NULL);
    vv_sim_free(sim);
}

static void a_large_write_is_torn_at_its_ends_and_in_the_middle(void **state)
{
    (void)state;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    sim_put_durable(sim, "/f", sim_times('-', 4096));
    vv_file *file = sim_open(sim, "/f");
    sim_write(file, 0, sim_times('x', 5 * 512));
    vv_sim_point *point = vv_sim_capture(sim);
    size_t count = vv_sim_image_count(point);
    assert_int_equal((1 << 5) + 6, count);
    const size_t torn_at[] = {0, 2, 4};
    for (size_t i = 0; i < 3; ++i) {
        vv_sim_image *image = vv_sim_image_make(point, 32 + 2 * i, 1);
        const char *text = sim_image_text(image, "/f");
        size_t kept = torn_at[i] * 512 + 256;
        assert_int_equal(kept, strspn(text, "x"));
        vv_sim_image_free(image);
    }
    vv_sim_point_free(point);
    check_ok(vv_file_close(file, NULL), NULL);
    vv_sim_free(sim);
}

static void the_same_seed_gives_the_same_images(void **state)
{
    (void)state;
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    vv_file *file = write_sectors(sim, 30);
    vv_sim_point *point = vv_sim_capture(sim);
    size_t different = 0;
    for (size_t index = 0; index < vv_sim_image_count(point); ++index) {
        vv_sim_image *one = vv_sim_image_make(point, index, 5);
        vv_sim_image *two = vv_sim_image_make(point, index, 5);
        vv_sim_image *other = vv_sim_image_make(point, index, 6);
        assert_int_equal(vv_sim_image_hash(one), vv_sim_image_hash(two));
        different += vv_sim_image_hash(one) != vv_sim_image_hash(other);
        vv_sim_image_free(one);
        vv_sim_image_free(two);
        vv_sim_image_free(other);
    }
    assert_in_range(different, VV_SIM_RANDOM_SUBSETS - 2, VV_SIM_RANDOM_SUBSETS + 1);
    vv_sim_point_free(point);
    check_ok(vv_file_close(file, NULL), NULL);
    vv_sim_free(sim);
}

/* A database as the crash programme has it: 40 files of 8 KiB, a log of 64 KiB, 30 changes. */
static vv_sim *small_database(vv_file **out_log)
{
    vv_sim *sim = vv_sim_create(sim_memory(), NULL);
    char path[32];
    for (int i = 0; i < 40; ++i) {
        snprintf(path, sizeof path, "/%020d.vsg", i);
        sim_put_durable(sim, path, sim_times((char)('a' + i % 26), 8000));
    }
    vv_file *log = sim_open(sim, "/log");
    check_ok(vv_file_allocate(log, 0, 65536, NULL), NULL);
    sim_sync(log);
    sim_sync_root(sim);
    for (int i = 0; i < 30; ++i) {
        sim_write(log, i * 700, sim_times((char)('A' + i % 26), 600));
    }
    *out_log = log;
    return sim;
}

/* One state of the crash programme without the database: image, hash, new life, end. */
static void an_image_and_a_new_life_cost_little(void **state)
{
    (void)state;
    vv_file *log = NULL;
    vv_sim *sim = small_database(&log);
    vv_sim_point *point = vv_sim_capture(sim);
    size_t count = vv_sim_image_count(point);
    int64_t start_ns = vv_thread_cpu_ns();
    for (size_t index = 0; index < count; ++index) {
        vv_sim_image *image = vv_sim_image_make(point, index, 1);
        assert_int_not_equal(0, vv_sim_image_hash(image));
        vv_sim_free(vv_sim_create(sim_memory(), image));
        vv_sim_image_free(image);
    }
    int64_t each_ns = (vv_thread_cpu_ns() - start_ns) / (int64_t)count;
    print_message("%zu images, %lld ns each\n", count, (long long)each_ns);
    /* 100,000 states must leave the minutes to the database; 50 times what a release build takes.
     */
    assert_true(each_ns < 2 * VV_NS_PER_MS);
    vv_sim_point_free(point);
    check_ok(vv_file_close(log, NULL), NULL);
    vv_sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        sim_test(nothing_unsynced_has_one_image),
        sim_test(few_changes_give_all_subsets_and_torn_ones),
        sim_test(many_changes_give_the_canonical_set),
        sim_test(a_large_write_is_torn_at_its_ends_and_in_the_middle),
        sim_test(the_same_seed_gives_the_same_images),
        sim_test(an_image_and_a_new_life_cost_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
