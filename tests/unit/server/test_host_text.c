/* SPDX-License-Identifier: Apache-2.0 */
#include "server/host_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "base/slice.h"
#include "support/check.h"

/* ---- processors ---- */

static void the_cpu_line_counts_all_ticks_and_the_busy_ones(void **state)
{
    (void)state;
    vv_host_cpu cpu;
    /* user nice system idle iowait irq softirq steal guest guest_nice */
    assert_true(vv_host_cpu_parse(VV_TEXT("cpu  10 20 30 400 50 6 7 8 9 9\ncpu0 1 1 1 1\n"), &cpu));
    assert_int_equal(cpu.total, 10 + 20 + 30 + 400 + 50 + 6 + 7 + 8);
    assert_int_equal(cpu.busy, 10 + 20 + 30 + 6 + 7 + 8);
}

static void an_old_kernel_gives_four_counters(void **state)
{
    (void)state;
    vv_host_cpu cpu;
    assert_true(vv_host_cpu_parse(VV_TEXT("cpu 1 2 3 4"), &cpu));
    assert_int_equal(cpu.total, 10);
    assert_int_equal(cpu.busy, 6);
    assert_false(vv_host_cpu_parse(VV_TEXT("cpu 1 2 3"), &cpu));
    assert_false(vv_host_cpu_parse(VV_TEXT("cpu0 1 2 3 4 5"), &cpu));
    assert_false(vv_host_cpu_parse(VV_TEXT("cpu one two three four"), &cpu));
    assert_false(vv_host_cpu_parse(VV_TEXT(""), &cpu));
}

static void the_busy_share_lies_between_0_and_100(void **state)
{
    (void)state;
    double percent = -1.0;
    vv_host_cpu a = {.busy = 100, .total = 1000};
    vv_host_cpu b = {.busy = 125, .total = 1100};
    assert_true(vv_host_cpu_percent(&a, &b, &percent));
    assert_true(fabs(percent - 25.0) < 1e-9);
    assert_false(vv_host_cpu_percent(&a, &a, &percent)); /* no time has passed */
    assert_false(vv_host_cpu_percent(&b, &a, &percent));
    vv_host_cpu back = {.busy = 90, .total = 1100}; /* a counter that was corrected */
    assert_true(vv_host_cpu_percent(&a, &back, &percent));
    assert_true(percent == 0.0);
    vv_host_cpu beyond = {.busy = 1000, .total = 1100};
    assert_true(vv_host_cpu_percent(&a, &beyond, &percent));
    assert_true(percent == 100.0);
}

/* ---- load and memory ---- */

static void the_load_has_three_averages(void **state)
{
    (void)state;
    double loads[3] = {-1.0, -1.0, -1.0};
    assert_true(vv_host_load_parse(VV_TEXT("0.52 1.00 12.25 2/345 6789\n"), loads));
    assert_true(loads[0] == 0.52 && loads[1] == 1.0 && loads[2] == 12.25);
    assert_false(vv_host_load_parse(VV_TEXT("0.52 1.00"), loads));
    assert_false(vv_host_load_parse(VV_TEXT("a b c"), loads));
    assert_false(vv_host_load_parse(VV_TEXT("\n"), loads));
    assert_true(loads[0] == 0.52);
}

static void available_memory_is_what_the_kernel_says(void **state)
{
    (void)state;
    vv_host_memory memory;
    assert_true(vv_host_memory_parse(VV_TEXT("MemTotal:       2000 kB\nMemFree:  1 kB\n"
                                             "MemAvailable:    500 kB\nHugePages_Total:  0\n"),
                                     &memory));
    assert_int_equal(memory.total_bytes, 2000 * 1024);
    assert_int_equal(memory.available_bytes, 500 * 1024);
}

static void without_it_free_and_cached_memory_are_available(void **state)
{
    (void)state;
    vv_host_memory memory;
    assert_true(vv_host_memory_parse(
        VV_TEXT("MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 20 kB\nCached: 3 kB\n"), &memory));
    assert_int_equal(memory.available_bytes, 123 * 1024);
    /* More than there is means all of it. */
    assert_true(vv_host_memory_parse(
        VV_TEXT("MemTotal: 1000 kB\nMemFree: 900 kB\nCached: 18014398509481983 kB\n"), &memory));
    assert_int_equal(memory.available_bytes, memory.total_bytes);
    assert_true(vv_host_memory_parse(VV_TEXT("MemTotal: 10 kB\nMemAvailable: 11 kB\n"), &memory));
    assert_int_equal(memory.available_bytes, memory.total_bytes);
    assert_false(vv_host_memory_parse(VV_TEXT("MemTotal: 1000 kB\n"), &memory));
    assert_false(vv_host_memory_parse(VV_TEXT("MemTotal: 0 kB\nMemFree: 0 kB\n"), &memory));
    assert_false(vv_host_memory_parse(VV_TEXT("MemTotal: 18446744073709551615 kB\nMemFree: 1 kB\n"),
                                      &memory));
}

/* ---- disks ---- */

static void only_whole_disks_that_were_used_are_listed(void **state)
{
    (void)state;
    static const char text[] = "   7       0 loop0 10 0 20 0 0 0 0 0 0 0 0\n"
                               "   1       0 ram0 10 0 20 0 0 0 0 0 0 0 0\n"
                               " 252       0 zram0 10 0 20 0 0 0 0 0 0 0 0\n"
                               "  11       0 sr0 10 0 20 0 0 0 0 0 0 0 0\n"
                               " 253       0 dm-0 10 0 20 0 0 0 0 0 0 0 0\n"
                               "   9     127 md127 10 0 20 0 0 0 0 0 0 0 0\n"
                               "   8       0 sda 10 0 200 0 5 0 40 0 0 0 0 1 2 3 4 5 6\n"
                               "   8       1 sda1 10 0 200 0 5 0 40 0 0 0 0\n"
                               "   8      16 sdb 0 0 0 0 0 0 0 0 0 0 0\n"
                               " 259       0 nvme0n1 1 0 2 0 1 0 4 0 0 0 0\n"
                               " 259       1 nvme0n1p1 1 0 2 0 1 0 4 0 0 0 0\n"
                               " 259       2 nvme0n12 1 0 6 0 1 0 8 0 0 0 0\n"
                               " 202       1 xvda1 1 0 2 0 1 0 4 0 0 0 0\n";
    vv_host_disk disks[VV_HOST_DISKS_MAX];
    assert_int_equal(vv_host_disks_parse(vv_text_from_string(text), disks), 4);
    assert_true(vv_text_equal(disks[0].device, VV_TEXT("sda")));
    assert_int_equal(disks[0].read_bytes, 200 * 512);
    assert_int_equal(disks[0].written_bytes, 40 * 512);
    assert_true(vv_text_equal(disks[1].device, VV_TEXT("nvme0n1")));
    assert_true(vv_text_equal(disks[2].device, VV_TEXT("nvme0n12")));
    assert_true(vv_text_equal(disks[3].device, VV_TEXT("xvda1"))); /* a disk: there is no xvda */
}

static void lines_of_another_form_are_no_disks(void **state)
{
    (void)state;
    vv_host_disk disks[VV_HOST_DISKS_MAX];
    assert_int_equal(vv_host_disks_parse(VV_TEXT("8 0 sda 1 2 3\n8 sda 1 1 1 1 1 1 1 1\n8 0\n\n"
                                                 "8 0 sd\xff 1 0 2 0 1 0 4 0 0 0 0\n"
                                                 "8 0 sda 1 0 18446744073709551615 0 1 0 4 0\n"),
                                         disks),
                     0);
}

static void disks_beyond_the_bound_are_left_out(void **state)
{
    (void)state;
    static char text[64 * 1024];
    vv_host_disk disks[VV_HOST_DISKS_MAX];
    size_t size = 0;
    for (size_t i = 0; i < VV_HOST_DISKS_MAX + 20; i++) {
        size += (size_t)snprintf(text + size, sizeof text - size, "8 0 d%zux 1 0 2 0 1 0 4 0\n", i);
    }
    assert_int_equal(vv_host_disks_parse(vv_text_make(text, size), disks), VV_HOST_DISKS_MAX);
}

/* ---- interfaces ---- */

static void interfaces_have_received_and_sent_bytes(void **state)
{
    (void)state;
    static const char text[] =
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets\n"
        "    lo: 100 1 0 0 0 0 0 0 200 1 0 0 0 0 0 0\n"
        "  eth0:300 1 0 0 0 0 0 0 400 1 0 0 0 0 0 0\n"
        "eth0:1: 5 1 0 0 0 0 0 0 6 1 0 0 0 0 0 0\n"
        " short: 1 2 3\n"
        ": 1 1 0 0 0 0 0 0 6 1 0 0 0 0 0 0\n";
    vv_host_interface interfaces[VV_HOST_INTERFACES_MAX];
    assert_int_equal(vv_host_interfaces_parse(vv_text_from_string(text), interfaces), 3);
    assert_true(vv_text_equal(interfaces[0].name, VV_TEXT("lo")));
    assert_int_equal(interfaces[0].received_bytes, 100);
    assert_int_equal(interfaces[0].sent_bytes, 200);
    assert_true(vv_text_equal(interfaces[1].name, VV_TEXT("eth0")));
    assert_int_equal(interfaces[1].received_bytes, 300);
    assert_true(vv_text_equal(interfaces[2].name, VV_TEXT("eth0:1")));
}

/* ---- mounts ---- */

static void the_first_mount_of_each_device_counts(void **state)
{
    (void)state;
    static const char text[] = "proc /proc proc rw 0 0\n"
                               "/dev/sda1 / ext4 rw,relatime 0 0\n"
                               "/dev/sda1 /var/lib/bind ext4 rw 0 0\n"
                               "/dev/sdb1 /mnt/my\\040disk\\134x xfs rw 0 0\n"
                               "/dev/loop3 /snap/x squashfs ro 0 0\n"
                               "/dev/sr0 /media iso9660 ro 0 0\n"
                               "tmpfs /run tmpfs rw 0 0\n"
                               "tank/data /tank zfs rw 0 0\n";
    vv_host_mount mounts[VV_HOST_MOUNTS_MAX];
    assert_int_equal(vv_host_mounts_parse(vv_text_from_string(text), mounts), 3);
    assert_string_equal(mounts[0].path, "/");
    assert_string_equal(mounts[1].path, "/mnt/my disk\\x");
    assert_int_equal(mounts[1].path_size, strlen("/mnt/my disk\\x"));
    assert_string_equal(mounts[2].path, "/tank");
}

static void the_root_counts_whatever_it_is_on(void **state)
{
    (void)state;
    vv_host_mount mounts[VV_HOST_MOUNTS_MAX];
    assert_int_equal(
        vv_host_mounts_parse(VV_TEXT("rootfs / rootfs rw 0 0\noverlay / overlay rw 0 0\n"
                                     "/dev/vda /etc/hosts ext4 rw 0 0\n"),
                             mounts),
        2);
    assert_string_equal(mounts[0].path, "/");
    assert_string_equal(mounts[1].path, "/etc/hosts");
}

static void escapes_that_are_none_stay_as_they_are(void **state)
{
    (void)state;
    vv_host_mount mounts[VV_HOST_MOUNTS_MAX];
    assert_int_equal(vv_host_mounts_parse(VV_TEXT("/dev/a /x\\0 ext4 rw\n/dev/b /\\09x ext4 rw\n"
                                                  "/dev/c /\\000 ext4\n/dev/d /\\777 ext4\n"
                                                  "/dev/e /\\377 ext4\n/dev/f relative ext4\n"),
                                          mounts),
                     4);
    assert_string_equal(mounts[0].path, "/x\\0");
    assert_string_equal(mounts[1].path, "/\\09x");
    assert_string_equal(mounts[2].path, "/\\000"); /* would end the path */
    assert_string_equal(mounts[3].path, "/\\777"); /* no byte has this value */
}

static void paths_that_do_not_fit_are_left_out(void **state)
{
    (void)state;
    char text[1024];
    vv_host_mount mounts[VV_HOST_MOUNTS_MAX];
    for (size_t length = VV_HOST_PATH_BYTES_MAX - 2; length <= VV_HOST_PATH_BYTES_MAX; length++) {
        size_t size = (size_t)snprintf(text, sizeof text, "/dev/a /");
        memset(text + size, 'x', length - 1);
        size += length - 1;
        size += (size_t)snprintf(text + size, sizeof text - size, " ext4 rw 0 0\n");
        assert_int_equal(vv_host_mounts_parse(vv_text_make(text, size), mounts),
                         length < VV_HOST_PATH_BYTES_MAX ? 1 : 0);
    }
}

/* ---- any bytes ---- */

static void garbage_is_read_without_harm(void **state)
{
    (void)state;
    static const char pieces[][24] = {
        "cpu ", "/dev/", " ",  "\n",        ":",  "\\040", "18446744073709551616",
        "sda",  "1",     "\t", "MemTotal:", "kB", "\xff",  "\\",
        "ext4", "/"};
    static vv_host_disk disks[VV_HOST_DISKS_MAX];
    static vv_host_interface interfaces[VV_HOST_INTERFACES_MAX];
    static vv_host_mount mounts[VV_HOST_MOUNTS_MAX];
    vv_random random;
    vv_random_init(&random, 7);
    for (int round = 0; round < 20000; round++) {
        char text[400];
        size_t size = 0;
        uint64_t count = vv_random_below(&random, 30);
        for (uint64_t i = 0; i < count; i++) {
            const char *piece = pieces[vv_random_below(&random, VV_ARRAY_COUNT(pieces))];
            size_t piece_size = strnlen(piece, sizeof pieces[0]);
            if (size + piece_size <= sizeof text) {
                memcpy(text + size, piece, piece_size);
                size += piece_size;
            }
        }
        vv_host_cpu cpu;
        vv_host_memory memory;
        double loads[3];
        varve_text given = vv_text_make(text, size);
        VV_IGNORE(vv_host_cpu_parse(given, &cpu));
        VV_IGNORE(vv_host_load_parse(given, loads));
        if (vv_host_memory_parse(given, &memory)) {
            assert_true(memory.available_bytes <= memory.total_bytes);
        }
        assert_true(vv_host_disks_parse(given, disks) <= VV_HOST_DISKS_MAX);
        assert_true(vv_host_interfaces_parse(given, interfaces) <= VV_HOST_INTERFACES_MAX);
        size_t mount_count = vv_host_mounts_parse(given, mounts);
        assert_true(mount_count <= VV_HOST_MOUNTS_MAX);
        for (size_t i = 0; i < mount_count; i++) {
            assert_true(mounts[i].path[0] == '/');
            assert_int_equal(strlen(mounts[i].path), mounts[i].path_size);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cpu_line_counts_all_ticks_and_the_busy_ones),
        cmocka_unit_test(an_old_kernel_gives_four_counters),
        cmocka_unit_test(the_busy_share_lies_between_0_and_100),
        cmocka_unit_test(the_load_has_three_averages),
        cmocka_unit_test(available_memory_is_what_the_kernel_says),
        cmocka_unit_test(without_it_free_and_cached_memory_are_available),
        cmocka_unit_test(only_whole_disks_that_were_used_are_listed),
        cmocka_unit_test(lines_of_another_form_are_no_disks),
        cmocka_unit_test(disks_beyond_the_bound_are_left_out),
        cmocka_unit_test(interfaces_have_received_and_sent_bytes),
        cmocka_unit_test(the_first_mount_of_each_device_counts),
        cmocka_unit_test(the_root_counts_whatever_it_is_on),
        cmocka_unit_test(escapes_that_are_none_stay_as_they_are),
        cmocka_unit_test(paths_that_do_not_fit_are_left_out),
        cmocka_unit_test(garbage_is_read_without_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
