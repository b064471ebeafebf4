/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An allocator that fails on request and knows what is not given back. A driver loops n = 1, 2, ...
 * until a run ends without the allocation of that number having been reached.
 */
#ifndef VV_TESTS_SUPPORT_FAILING_ALLOC_H
#define VV_TESTS_SUPPORT_FAILING_ALLOC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "varve.h"

typedef struct failing_alloc {
    atomic_uint_least64_t requests;  /* allocations and growths asked for */
    atomic_uint_least64_t fail_from; /* the first that fails, from 1; 0: none */
    atomic_bool fails_once;          /* only that one */
    atomic_uint_least64_t failures;
    atomic_uint_least64_t live; /* pieces handed out and not given back */
} failing_alloc;

/* No failure is planned, nothing counted. */
void failing_alloc_init(failing_alloc *alloc);
/* From now on, counted from 1 again. */
void failing_alloc_plan(failing_alloc *alloc, uint64_t fail_from, bool fails_once);
varve_allocator failing_alloc_source(failing_alloc *alloc);

#endif
