/* SPDX-License-Identifier: Apache-2.0 */
#include "support/memory_world.h"

#include <stdlib.h>

#include "sys/env.h"
#include "sys/vfs_memory.h"

struct memory_world {
    vv_alloc alloc;
    vv_vfs *vfs;
    vv_env env;
};

memory_world *memory_world_create(void)
{
    memory_world *world = calloc(1, sizeof *world);
    if (world == NULL) {
        abort();
    }
    vv_alloc_init(&world->alloc, NULL);
    if (vv_vfs_memory_create(&world->alloc, &world->vfs, NULL) != VARVE_OK) {
        abort();
    }
    vv_env_init_system(&world->env, &world->alloc);
    world->env.vfs = world->vfs;
    return world;
}

void memory_world_free(memory_world *world)
{
    vv_vfs_memory_free(world->vfs);
    free(world);
}

const void *memory_world_environment(const memory_world *world)
{
    return &world->env;
}
