/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_MEMORY_H
#define VV_CLI_MEMORY_H

/*
 * Objects of the command line, which live as long as a command: from the system's allocator, not
 * counted.
 */

#include "base/compiler.h"

/** Zeroed; NULL when there is none. */
VV_MUST_CHECK void *vv_memory_new(size_t size);
/** NULL is fine. */
void vv_memory_free(void *memory, size_t size);

#endif
