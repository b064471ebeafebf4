/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world in memory to open databases in: files that stay while databases come and go, the clocks
 * and randomness of the system. For varve_options.environment.
 */
#ifndef VV_TESTS_SUPPORT_MEMORY_WORLD_H
#define VV_TESTS_SUPPORT_MEMORY_WORLD_H

#include "base/random.h"

typedef struct memory_world memory_world;

memory_world *memory_world_create(void);
void memory_world_free(memory_world *world);
const void *memory_world_environment(const memory_world *world);

#endif
