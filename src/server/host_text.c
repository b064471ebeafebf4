/* SPDX-License-Identifier: Apache-2.0 */

#include "server/host_text.h"

#include <string.h>

#include "base/slice.h"
#include "base/text.h"
#include "base/utf8.h"

/* Most numbers of a line that are looked at. */
#define HOST_NUMBERS_MAX 16u

/* The kernel counts sectors of 512 bytes, whatever the disk has. */
#define HOST_SECTOR_BYTES 512u

static bool host_is_space(char c)
{
    return c == ' ' || c == '\t';
}

/** The next line, without its line feed; false at the end. */
static bool host_next_line(varve_text *rest, varve_text *out_line)
{
    if (rest->size == 0) {
        return false;
    }
    const char *end = memchr(rest->data, '\n', rest->size);
    size_t size = end == NULL ? rest->size : (size_t)(end - rest->data);
    *out_line = (varve_text){rest->data, size};
    size_t used = end == NULL ? size : size + 1;
    rest->data += used;
    rest->size -= used;
    return true;
}

/** The next word of a line; empty at its end. */
static varve_text host_next_word(varve_text *line)
{
    while (line->size > 0 && host_is_space(line->data[0])) {
        line->data += 1;
        line->size -= 1;
    }
    varve_text word = {line->data, 0};
    while (word.size < line->size && !host_is_space(word.data[word.size])) {
        word.size += 1;
    }
    line->data += word.size;
    line->size -= word.size;
    return word;
}

/** Whole numbers up to the first word that is none; returns how many. */
static size_t host_numbers(varve_text line, uint64_t out_numbers[HOST_NUMBERS_MAX])
{
    size_t count = 0;
    while (count < HOST_NUMBERS_MAX &&
           vv_text_parse_u64(host_next_word(&line), &out_numbers[count])) {
        count += 1;
    }
    return count;
}

static bool host_is(varve_text text, const char *word)
{
    return vv_text_equal(text, vv_text_from_string(word));
}

static bool host_begins_with(varve_text text, const char *prefix)
{
    return vv_text_starts_with(text, vv_text_from_string(prefix));
}

static bool host_is_digits(varve_text text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
    }
    return text.size > 0;
}

/* ---- processors, load, memory --------------------------------------------------------------- */

bool vv_host_cpu_parse(varve_text text, vv_host_cpu *out_cpu)
{
    varve_text line;
    while (host_next_line(&text, &line)) {
        if (!host_is(host_next_word(&line), "cpu")) {
            continue;
        }
        /* user nice system idle iowait irq softirq steal; what guests use is part of user. */
        uint64_t numbers[HOST_NUMBERS_MAX];
        size_t count = host_numbers(line, numbers);
        if (count < 4) {
            return false;
        }
        vv_host_cpu cpu = {0, 0};
        for (size_t i = 0; i < count && i < 8; i++) {
            cpu.total += numbers[i];
            cpu.busy += i == 3 || i == 4 ? 0 : numbers[i];
        }
        *out_cpu = cpu;
        return true;
    }
    return false;
}

bool vv_host_cpu_percent(const vv_host_cpu *earlier, const vv_host_cpu *later, double *out_percent)
{
    if (later->total <= earlier->total) {
        return false;
    }
    /* Single counters may go back a little when the kernel corrects them. */
    uint64_t total = later->total - earlier->total;
    uint64_t busy = later->busy > earlier->busy ? later->busy - earlier->busy : 0;
    *out_percent = busy >= total ? 100.0 : (double)busy / (double)total * 100.0;
    return true;
}

bool vv_host_load_parse(varve_text text, double out_loads[3])
{
    varve_text line;
    double loads[3];
    if (!host_next_line(&text, &line)) {
        return false;
    }
    for (size_t i = 0; i < 3; i++) {
        if (!vv_text_parse_f64(host_next_word(&line), &loads[i])) {
            return false;
        }
    }
    memcpy(out_loads, loads, sizeof loads);
    return true;
}

/** "1234 kB" in bytes. */
static bool host_kibibytes(varve_text line, uint64_t *out_bytes)
{
    uint64_t count;
    if (!vv_text_parse_u64(host_next_word(&line), &count) || count > UINT64_MAX / 1024) {
        return false;
    }
    *out_bytes = count * 1024;
    return true;
}

bool vv_host_memory_parse(varve_text text, vv_host_memory *out_memory)
{
    enum { TOTAL, AVAILABLE, FREE, BUFFERS, CACHED, KEYS };
    static const char *const keys[KEYS] = {
        "MemTotal:", "MemAvailable:", "MemFree:", "Buffers:", "Cached:"};
    uint64_t bytes[KEYS] = {0};
    bool has[KEYS] = {false};
    varve_text line;
    while (host_next_line(&text, &line)) {
        varve_text word = host_next_word(&line);
        for (size_t i = 0; i < KEYS; i++) {
            if (!has[i] && host_is(word, keys[i])) {
                has[i] = host_kibibytes(line, &bytes[i]);
            }
        }
    }
    if (!has[TOTAL] || bytes[TOTAL] == 0 || !(has[AVAILABLE] || has[FREE])) {
        return false;
    }
    uint64_t left = bytes[AVAILABLE];
    for (size_t i = FREE; i < KEYS && !has[AVAILABLE]; i++) {
        left = bytes[i] > bytes[TOTAL] - left ? bytes[TOTAL] : left + bytes[i];
    }
    *out_memory = (vv_host_memory){bytes[TOTAL], left < bytes[TOTAL] ? left : bytes[TOTAL]};
    return true;
}

/* ---- disks ---------------------------------------------------------------------------------- */

/** Whether the rest of a name behind that of a disk makes it one of its partitions: sda1 of sda,
 * but nvme0n1p1 of nvme0n1. */
static bool host_is_partition_of(varve_text name, varve_text disk)
{
    if (disk.size == 0 || name.size <= disk.size || memcmp(name.data, disk.data, disk.size) != 0) {
        return false;
    }
    varve_text rest = {name.data + disk.size, name.size - disk.size};
    char last = disk.data[disk.size - 1];
    if (last >= '0' && last <= '9') {
        return rest.data[0] == 'p' && host_is_digits((varve_text){rest.data + 1, rest.size - 1});
    }
    return host_is_digits(rest);
}

static bool host_is_other_device(varve_text name)
{
    static const char *const prefixes[] = {"loop", "ram", "zram", "sr", "fd", "dm-", "md"};
    for (size_t i = 0; i < VV_ARRAY_COUNT(prefixes); i++) {
        size_t size = strlen(prefixes[i]);
        if (host_begins_with(name, prefixes[i]) &&
            host_is_digits((varve_text){name.data + size, name.size - size})) {
            return true;
        }
    }
    return false;
}

/** Major, minor, name, then reads, merged, sectors, ms and the same of writes. */
static bool host_disk_parse(varve_text line, vv_host_disk *out_disk)
{
    enum { SECTORS_READ = 2, SECTORS_WRITTEN = 6, NUMBERS_MIN = 7 };
    uint64_t major;
    uint64_t minor;
    uint64_t numbers[HOST_NUMBERS_MAX];
    if (!vv_text_parse_u64(host_next_word(&line), &major) ||
        !vv_text_parse_u64(host_next_word(&line), &minor)) {
        return false;
    }
    varve_text name = host_next_word(&line);
    if (name.size == 0 || host_numbers(line, numbers) < NUMBERS_MIN ||
        numbers[SECTORS_READ] > UINT64_MAX / HOST_SECTOR_BYTES ||
        numbers[SECTORS_WRITTEN] > UINT64_MAX / HOST_SECTOR_BYTES) {
        return false;
    }
    *out_disk = (vv_host_disk){.device = name,
                               .read_bytes = numbers[SECTORS_READ] * HOST_SECTOR_BYTES,
                               .written_bytes = numbers[SECTORS_WRITTEN] * HOST_SECTOR_BYTES};
    return true;
}

size_t vv_host_disks_parse(varve_text text, vv_host_disk out_disks[VV_HOST_DISKS_MAX])
{
    size_t count = 0;
    varve_text line;
    while (count < VV_HOST_DISKS_MAX && host_next_line(&text, &line)) {
        vv_host_disk disk;
        if (!host_disk_parse(line, &disk) || host_is_other_device(disk.device) ||
            !vv_utf8_is_valid(disk.device)) {
            continue;
        }
        bool is_partition = false; /* the kernel lists a disk before its partitions */
        for (size_t i = 0; i < count && !is_partition; i++) {
            is_partition = host_is_partition_of(disk.device, out_disks[i].device);
        }
        if (!is_partition && (disk.read_bytes > 0 || disk.written_bytes > 0)) {
            out_disks[count] = disk;
            count += 1;
        }
    }
    return count;
}

/* ---- interfaces ----------------------------------------------------------------------------- */

/** "  eth0: 16 numbers", where no space needs to follow the colon. */
static bool host_interface_parse(varve_text line, vv_host_interface *out_interface)
{
    enum { RECEIVED = 0, SENT = 8, NUMBERS_MIN = 9 };
    while (line.size > 0 && host_is_space(line.data[0])) {
        line.data += 1;
        line.size -= 1;
    }
    /* Names of aliases hold colons, so the last one ends the name. */
    size_t size = line.size;
    while (size > 0 && line.data[size - 1] != ':') {
        size -= 1;
    }
    if (size < 2) {
        return false;
    }
    uint64_t numbers[HOST_NUMBERS_MAX];
    varve_text name = {line.data, size - 1};
    if (!vv_utf8_is_valid(name) ||
        host_numbers((varve_text){line.data + size, line.size - size}, numbers) < NUMBERS_MIN) {
        return false;
    }
    *out_interface = (vv_host_interface){
        .name = name, .received_bytes = numbers[RECEIVED], .sent_bytes = numbers[SENT]};
    return true;
}

size_t vv_host_interfaces_parse(varve_text text,
                                vv_host_interface out_interfaces[VV_HOST_INTERFACES_MAX])
{
    size_t count = 0;
    varve_text line;
    while (count < VV_HOST_INTERFACES_MAX && host_next_line(&text, &line)) {
        if (host_interface_parse(line, &out_interfaces[count])) {
            count += 1;
        }
    }
    return count;
}

/* ---- mounts --------------------------------------------------------------------------------- */

/** Undo the escapes \040 \011 \012 \134 of spaces, tabs, line feeds and backslashes. */
static bool host_unescape(varve_text text, vv_host_mount *mount)
{
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++, size++) {
        if (size + 1 >= VV_HOST_PATH_BYTES_MAX) {
            return false;
        }
        mount->path[size] = text.data[i];
        if (text.data[i] != '\\' || text.size - i < 4) {
            continue;
        }
        unsigned value = 0;
        bool is_octal = true;
        for (size_t k = 1; k <= 3; k++) {
            char digit = text.data[i + k];
            is_octal = is_octal && digit >= '0' && digit <= '7';
            value = value * 8 + (unsigned)(digit - '0');
        }
        if (is_octal && value >= 1 && value <= 255) {
            mount->path[size] = (char)(unsigned char)value;
            i += 3;
        }
    }
    mount->path[size] = '\0';
    mount->path_size = size;
    return vv_utf8_is_valid((varve_text){mount->path, size});
}

/** Device, path, kind. */
static bool host_mount_parse(varve_text line, vv_host_mount *out_mount)
{
    static const char *const never_written[] = {"squashfs", "iso9660", "erofs", "cramfs", "rootfs"};
    varve_text device = host_next_word(&line);
    varve_text path = host_next_word(&line);
    varve_text kind = host_next_word(&line);
    for (size_t i = 0; i < VV_ARRAY_COUNT(never_written); i++) {
        if (host_is(kind, never_written[i])) {
            return false;
        }
    }
    /* Pools have names of their own in place of a device. */
    bool is_on_device =
        (host_begins_with(device, "/dev/") && !host_begins_with(device, "/dev/loop")) ||
        host_is(kind, "zfs");
    out_mount->device = device;
    return (is_on_device || host_is(path, "/")) && host_begins_with(path, "/") &&
           host_unescape(path, out_mount);
}

size_t vv_host_mounts_parse(varve_text text, vv_host_mount out_mounts[VV_HOST_MOUNTS_MAX])
{
    size_t count = 0;
    varve_text line;
    while (count < VV_HOST_MOUNTS_MAX && host_next_line(&text, &line)) {
        /* A path that holds NUL is no path; the kernel writes none. */
        if (!host_mount_parse(line, &out_mounts[count]) ||
            strlen(out_mounts[count].path) != out_mounts[count].path_size) {
            continue;
        }
        bool is_known = false;
        for (size_t i = 0; i < count && !is_known; i++) {
            is_known = vv_text_equal(out_mounts[i].device, out_mounts[count].device) ||
                       strcmp(out_mounts[i].path, out_mounts[count].path) == 0;
        }
        count += is_known ? 0 : 1;
    }
    return count;
}
