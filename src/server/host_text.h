/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_SERVER_HOST_TEXT_H
#define VV_SERVER_HOST_TEXT_H

/*
 * What Linux says about the machine in the texts of /proc, as numbers. Pure functions over bytes:
 * no file is opened, nothing is allocated. A line that does not have the expected form is left out;
 * a text without any gives nothing.
 *
 * Texts given out are views of the input, but for mount points, which are unescaped.
 */

#include "base/compiler.h"
#include "varve.h"

/* Arbitrary, above what machines have; what is beyond is left out. */
#define VV_HOST_DISKS_MAX      128u
#define VV_HOST_INTERFACES_MAX 256u
#define VV_HOST_MOUNTS_MAX     64u
#define VV_HOST_PATH_BYTES_MAX 256u

/** Clock ticks of all processors since the machine started. */
typedef struct vv_host_cpu {
    uint64_t busy;
    uint64_t total;
} vv_host_cpu;

typedef struct vv_host_memory {
    uint64_t total_bytes;
    uint64_t available_bytes; /* at most total_bytes */
} vv_host_memory;

/** Bytes since the machine started. */
typedef struct vv_host_disk {
    varve_text device;
    uint64_t read_bytes;
    uint64_t written_bytes;
} vv_host_disk;

typedef struct vv_host_interface {
    varve_text name;
    uint64_t received_bytes;
    uint64_t sent_bytes;
} vv_host_interface;

typedef struct vv_host_mount {
    varve_text device; /* as it stands in the text */
    char path[VV_HOST_PATH_BYTES_MAX];
    size_t path_size; /* a zero byte follows */
} vv_host_mount;

/** /proc/stat: its line "cpu". Waiting for a disk counts as idle. */
VV_MUST_CHECK VV_UNTRUSTED bool vv_host_cpu_parse(varve_text text, vv_host_cpu *out_cpu);

/** Share of busy time between two readings, 0 to 100; false when no time has passed. */
VV_MUST_CHECK bool vv_host_cpu_percent(const vv_host_cpu *earlier, const vv_host_cpu *later,
                                       double *out_percent);

/** /proc/loadavg: over 1, 5 and 15 minutes. */
VV_MUST_CHECK VV_UNTRUSTED bool vv_host_load_parse(varve_text text, double out_loads[3]);

/** /proc/meminfo. Kernels before 3.14 do not say what is available: free and cached then. */
VV_MUST_CHECK VV_UNTRUSTED bool vv_host_memory_parse(varve_text text, vv_host_memory *out_memory);

/**
 * /proc/diskstats: whole disks that were used. Partitions, memory and loop devices, drives with
 * removable media, and what is stacked on other disks are left out. Returns how many.
 */
VV_UNTRUSTED size_t vv_host_disks_parse(varve_text text, vv_host_disk out_disks[VV_HOST_DISKS_MAX]);

/** /proc/net/dev. Returns how many. */
VV_UNTRUSTED size_t
vv_host_interfaces_parse(varve_text text, vv_host_interface out_interfaces[VV_HOST_INTERFACES_MAX]);

/**
 * /proc/self/mounts: writable kinds of file systems on devices, the first mount of each, and the
 * root whatever it is on. Returns how many.
 */
VV_UNTRUSTED size_t vv_host_mounts_parse(varve_text text,
                                         vv_host_mount out_mounts[VV_HOST_MOUNTS_MAX]);

#endif
