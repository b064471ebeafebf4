/* SPDX-License-Identifier: Apache-2.0 */
/* Facts of process, machine, clock, randomness, processor. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/check.h"
#include "support/manual_clock.h"
#include "support/temp_dir.h"
#include "sys/clock.h"
#include "sys/cpu.h"
#include "sys/entropy.h"
#include "sys/process.h"

static void facts_of_the_process(void **state)
{
    (void)state;
    char name[64];
    char tiny[4];
    assert_int_equal(getpid(), vv_process_id());
    vv_process_host_name(name, sizeof name);
    assert_true(strlen(name) > 0);
    vv_process_host_name(tiny, sizeof tiny);
    assert_int_equal(strlen(name) < 3 ? strlen(name) : 3, strlen(tiny));
    vv_process_boot_id(name, sizeof name);
    assert_true(strlen(name) == 36 || strcmp(name, "unknown") == 0);
    assert_in_range(vv_process_cpu_count(), 1, 100000);
    uint64_t rss = vv_process_rss_bytes();
    assert_true(rss > 100000 && rss < vv_process_memory_bytes());
}

static void the_limit_of_open_files_is_raised_to_what_is_allowed(void **state)
{
    (void)state;
    uint64_t before = vv_process_files_max();
    assert_true(before > 0);
    assert_int_equal(before, vv_process_raise_files_max(1)); /* never lowered */
    uint64_t raised = vv_process_raise_files_max(before + 1);
    assert_in_range(raised, before, before + 1);
    assert_int_equal(raised, vv_process_files_max());
}

static void a_file_of_the_system_is_read_with_a_bound(void **state)
{
    (void)state;
    temp_dir dir;
    temp_dir_create(&dir);
    const char *path = temp_dir_path(&dir, "fact");
    FILE *file = fopen(path, "w");
    assert_int_equal(4, fwrite("1234", 1, 4, file));
    assert_int_equal(0, fclose(file));
    char buf[4];
    size_t size = 99;
    varve_error err;
    check_ok(vv_system_file_read(path, buf, 4, &size, &err), &err);
    assert_int_equal(4, size);
    assert_memory_equal("1234", buf, 4);
    check_status(VARVE_E_LIMIT, vv_system_file_read(path, buf, 3, &size, &err));
    check_status(VARVE_E_INVALID, vv_system_file_read(dir.path, buf, 4, &size, &err));
    check_status(VARVE_E_INVALID, vv_system_file_read("/dev/null", buf, 4, &size, &err));
    check_status(VARVE_E_NOT_FOUND,
                 vv_system_file_read(temp_dir_path(&dir, "no"), buf, 4, &size, &err));
    assert_int_equal(0, symlink("fact", temp_dir_path(&dir, "link")));
    check_ok(vv_system_file_read(temp_dir_path(&dir, "link"), buf, 4, &size, &err), &err);
    temp_dir_remove(&dir);
}

static void clocks_move_on(void **state)
{
    (void)state;
    vv_clock clock = vv_clock_system();
    int64_t mono_ns = vv_mono_now_ns();
    int64_t cpu_ns = vv_thread_cpu_ns();
    assert_true(mono_ns > 0);
    assert_true(clock.mono_ns(clock.context) >= mono_ns);
    assert_true(clock.wall_ns(clock.context) > INT64_C(1600000000) * VV_NS_PER_S);
    assert_true(vv_wall_now_ns() > INT64_C(1600000000) * VV_NS_PER_S);
    while (vv_thread_cpu_ns() == cpu_ns) {
    }
    vv_sleep_until(vv_mono_now_ns() - 1); /* the past does not sleep */
    vv_sleep_until(-1);
    int64_t deadline_ns = vv_deadline_after_ns(VV_NS_PER_MS);
    vv_sleep_until(deadline_ns);
    assert_true(vv_mono_now_ns() >= deadline_ns);
}

static void deadlines_do_not_overflow(void **state)
{
    (void)state;
    assert_int_equal(INT64_MAX, vv_deadline_after_ns(INT64_MAX));
    assert_int_equal(INT64_MAX, vv_deadline_after_ms(UINT64_MAX));
    assert_int_equal(INT64_MAX, vv_deadline_after_ms((uint64_t)(INT64_MAX / VV_NS_PER_MS) + 1));
    int64_t second_ns = vv_mono_now_ns() + VV_NS_PER_S;
    assert_in_range(vv_deadline_after_ms(1000), second_ns, second_ns + 60 * VV_NS_PER_S);
    int64_t now_ns = vv_mono_now_ns();
    assert_in_range(vv_deadline_after_ns(INT64_MIN), now_ns, now_ns + 60 * VV_NS_PER_S);
}

static void random_bytes_differ(void **state)
{
    (void)state;
    vv_entropy entropy = vv_entropy_system();
    uint8_t one[1000] = {0};
    uint8_t two[1000] = {0};
    varve_error err;
    check_ok(vv_entropy_fill(&entropy, one, sizeof one, &err), &err);
    check_ok(vv_entropy_fill(&entropy, two, sizeof two, &err), &err);
    assert_memory_not_equal(one, two, sizeof one);
    check_ok(vv_entropy_fill(&entropy, one, 0, &err), &err);
}

static void the_helpers_of_tests_stand_still_and_repeat(void **state)
{
    (void)state;
    manual_clock manual;
    manual_clock_init(&manual, 5000);
    vv_clock clock = manual_clock_of(&manual);
    int64_t mono_ns = clock.mono_ns(clock.context);
    assert_int_equal(5000, clock.wall_ns(clock.context));
    manual_clock_advance(&manual, 10);
    assert_int_equal(mono_ns + 10, clock.mono_ns(clock.context));
    manual_clock_set_wall(&manual, 1);
    assert_int_equal(1, clock.wall_ns(clock.context));
    vv_random one;
    vv_random two;
    vv_random_init(&one, 9);
    vv_random_init(&two, 9);
    vv_entropy first = manual_entropy_of(&one);
    vv_entropy second = manual_entropy_of(&two);
    uint8_t a[20];
    uint8_t b[20];
    check_ok(vv_entropy_fill(&first, a, 20, NULL), NULL);
    check_ok(vv_entropy_fill(&second, b, 20, NULL), NULL);
    assert_memory_equal(a, b, 20);
}

static void the_isa_is_lowered_by_a_name_and_never_raised(void **state)
{
    (void)state;
    vv_isa most = vv_cpu_isa_limited(NULL);
    assert_int_equal(most, vv_cpu_isa_limited("quantum"));
    assert_int_equal(VV_ISA_SCALAR, vv_cpu_isa_limited("scalar"));
    for (vv_isa isa = VV_ISA_SCALAR; isa <= VV_ISA_AVX512; ++isa) {
        assert_int_equal(isa < most ? isa : most, vv_cpu_isa_limited(vv_isa_name(isa)));
    }
    assert_true(vv_cpu_isa() <= most);
    assert_int_equal(vv_cpu_isa(), vv_cpu_isa());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_of_the_process),
        cmocka_unit_test(the_limit_of_open_files_is_raised_to_what_is_allowed),
        cmocka_unit_test(a_file_of_the_system_is_read_with_a_bound),
        cmocka_unit_test(clocks_move_on),
        cmocka_unit_test(deadlines_do_not_overflow),
        cmocka_unit_test(random_bytes_differ),
        cmocka_unit_test(the_helpers_of_tests_stand_still_and_repeat),
        cmocka_unit_test(the_isa_is_lowered_by_a_name_and_never_raised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
