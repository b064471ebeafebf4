/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file system that fails on request, around any other one. Tests only.
 *
 * Rules say which calls are disturbed and how; without a rule every call passes through. A driver
 * loops n = 1, 2, ... with a rule for the n-th call until a run ends without the rule having fired:
 * then every call has failed once.
 *
 *   F1  A call that a rule of kind ERRNO hits does not reach the inner file system, unless
 *       is_done_first.
 *
 *   F2  Closing always closes the inner file, whatever it reports.
 *
 *   F3  Rules are tried in the order of adding; the first that fires decides. Each counts its own
 *       calls.
 */
#ifndef VV_SYS_VFS_FAULT_H
#define VV_SYS_VFS_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "sys/vfs.h"
#include "sys/vfs_op.h"

#define VV_FAULT_RULES_MAX 16
#define VV_FAULT_FOREVER   UINT64_MAX

typedef enum vv_fault_kind {
    VV_FAULT_ERRNO, /* the call fails with os_errno */
    VV_FAULT_SHORT, /* READ, WRITE: at most short_bytes are done; others pass */
    VV_FAULT_FLIP,  /* READ: bit flip_bit (modulo the length) of what was read is inverted */
} vv_fault_kind;

typedef struct vv_fault_rule {
    uint32_t ops;          /* VV_VFS_OP_BIT of the matching ones; 0: all */
    const char *path_part; /* matches paths that contain it; NULL: all; borrowed until cleared */
    uint64_t first_call;   /* the matching call that is hit first, from 1; 0: never, only count */
    uint64_t call_count;   /* how many from then on: 1, VV_FAULT_FOREVER */
    vv_fault_kind kind;
    int os_errno;
    bool is_done_first; /* ERRNO: the call is made, its success hidden */
    size_t short_bytes;
    uint64_t flip_bit;
} vv_fault_rule;

/* Called before each operation, outside of all locks: a place for latency and for counting. */
typedef void (*vv_fault_hook)(void *context, vv_vfs_op op, const char *path);

typedef struct vv_fault vv_fault;

/* inner: outlives it. Ended with vv_fault_free, after all its files. */
VV_MUST_CHECK varve_status vv_fault_create(vv_alloc *alloc, const vv_vfs *inner,
                                           vv_fault **out_fault, varve_error *out_err);
void vv_fault_free(vv_fault *fault);
const vv_vfs *vv_fault_vfs(const vv_fault *fault);

/* Its number; the rules beyond VV_FAULT_RULES_MAX are an assertion. */
size_t vv_fault_add(vv_fault *fault, const vv_fault_rule *rule);
/* Forgets rules and counts. */
void vv_fault_clear(vv_fault *fault);
/* How many calls matched the rule, and how many it disturbed. */
uint64_t vv_fault_matched(vv_fault *fault, size_t rule);
uint64_t vv_fault_fired(vv_fault *fault, size_t rule);
/* Calls of one operation since the last clear. */
uint64_t vv_fault_calls(vv_fault *fault, vv_vfs_op op);
/* Not while other threads use the file system. NULL: none. */
void vv_fault_set_hook(vv_fault *fault, vv_fault_hook hook, void *context);
/* Files open through it now: 0 at the end of a test shows that all were closed. */
uint64_t vv_fault_open_files(vv_fault *fault);

#endif
