/* SPDX-License-Identifier: Apache-2.0 */
/* Facts about this process and its machine. */
#ifndef VV_SYS_PROCESS_H
#define VV_SYS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "varve.h"

uint64_t vv_process_id(void);
/* Terminated, cut to fit, "unknown" when the system does not say. */
void vv_process_host_name(char *out_name, size_t capacity);
/* Changes with each start of the machine; "unknown" likewise. */
void vv_process_boot_id(char *out_id, size_t capacity);
/* Memory in RAM; 0 when unknown. */
uint64_t vv_process_rss_bytes(void);
/* Time of all its threads on processors; 0 when unknown. */
uint64_t vv_process_cpu_ns(void);
/* Files open now; 0 when unknown. */
uint64_t vv_process_files_open(void);
/* CPUs this process may run on, at least 1. */
uint32_t vv_process_cpu_count(void);
/* RAM of the machine or its control group, the smaller; 0 when unknown. */
uint64_t vv_process_memory_bytes(void);

/* Most open files. The second raises the soft limit to at most `wanted` and returns what holds now.
 */
uint64_t vv_process_files_max(void);
uint64_t vv_process_raise_files_max(uint64_t wanted);

/*
 * Standard streams that are closed get something that can be neither read nor written, so that no
 * file or socket opened later takes their numbers. For the start of the program; false when that
 * cannot be had.
 */
bool vv_process_hold_standard(void);

/* Close a descriptor that nothing was written through, such as a listening socket. */
void vv_process_close(int fd);

/* Cut an open file behind so many bytes; false where it is no regular file, or cannot be cut. */
bool vv_process_cut_file(int fd, uint64_t bytes);

/* Write all of it, also where a signal comes in between, or the other side is slow and does not
 * block. name is for the error. E_IO, E_NOSPACE. */
VV_MUST_CHECK varve_status vv_process_write(int fd, const void *bytes, size_t size,
                                            const char *name, varve_error *out_err);

/* Wait until a descriptor can be read, or written; false when the deadline came first. */
bool vv_process_wait_fd(int fd, bool for_writing, int64_t deadline_mono_ns);

/* For the program, tests, and the lock of another process, which tells no condition; all else in
 * the engine waits on conditions. */
void vv_sleep_until(int64_t deadline_mono_ns);

/*
 * The start of a file of the system (/proc, /sys, zone files): links are followed, only regular
 * files. Reads up to capacity bytes; a longer file is E_LIMIT.
 */
VV_MUST_CHECK varve_status vv_system_file_read(const char *path, void *buf, size_t capacity,
                                               size_t *out_size, varve_error *out_err);

#endif
