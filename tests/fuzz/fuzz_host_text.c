/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes in place of the texts of /proc. */
#include <stdlib.h>
#include <string.h>

#include "server/host_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

static bool is_inside(varve_text part, const uint8_t *data, size_t size)
{
    const char *begin = (const char *)data;
    return part.size > 0 && part.data >= begin && part.data + part.size <= begin + size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static vv_host_disk disks[VV_HOST_DISKS_MAX];
    static vv_host_interface interfaces[VV_HOST_INTERFACES_MAX];
    static vv_host_mount mounts[VV_HOST_MOUNTS_MAX];
    varve_text text = {(const char *)data, size};
    vv_host_cpu cpu;
    vv_host_memory memory;
    double loads[3];
    double percent;
    if (vv_host_cpu_parse(text, &cpu)) {
        vv_host_cpu none = {0, 0};
        check(!vv_host_cpu_percent(&none, &cpu, &percent) || (percent >= 0.0 && percent <= 100.0));
    }
    if (vv_host_load_parse(text, loads)) {
        check(loads[0] == loads[0]);
    }
    check(!vv_host_memory_parse(text, &memory) || memory.available_bytes <= memory.total_bytes);
    size_t count = vv_host_disks_parse(text, disks);
    for (size_t i = 0; i < count; i++) {
        check(is_inside(disks[i].device, data, size));
    }
    count = vv_host_interfaces_parse(text, interfaces);
    for (size_t i = 0; i < count; i++) {
        check(is_inside(interfaces[i].name, data, size));
    }
    count = vv_host_mounts_parse(text, mounts);
    for (size_t i = 0; i < count; i++) {
        check(mounts[i].path[0] == '/' && strlen(mounts[i].path) == mounts[i].path_size);
    }
    return 0;
}
