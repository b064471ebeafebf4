/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything of the outside world that one database uses: files, clock, randomness, memory, zone
 * files, the log function. Nothing in the engine reaches the system in another way, so that a test
 * that replaces the members replays a run exactly.
 *
 * A vv_env is plain data: it may be copied, owns nothing, and what it points to outlives the
 * database.
 */
#ifndef VV_SYS_ENV_H
#define VV_SYS_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "sys/clock.h"
#include "sys/entropy.h"
#include "sys/vfs.h"
#include "sys/zoneinfo.h"
#include "varve.h"

typedef enum vv_log_level {
    VV_LOG_ERROR,
    VV_LOG_WARN,
    VV_LOG_INFO,
    VV_LOG_DEBUG,
} vv_log_level;

/* event: a fixed name such as "wal.torn_tail"; text: key=value pairs. Called from any thread. */
typedef void (*vv_log_function)(void *context, int level, const char *event, const char *text);

typedef struct vv_env {
    const vv_vfs *vfs;
    vv_alloc *alloc;
    vv_clock clock;
    vv_entropy entropy;
    vv_zone_source zones;
    vv_log_function log; /* NULL: nobody listens */
    void *log_context;
    vv_log_level log_level; /* less important events are not reported */
    bool verify_always;     /* check block checksums on cache hits too */
} vv_env;

/* Files, clock, randomness and zones of the operating system; no log function. */
void vv_env_init_system(vv_env *env, vv_alloc *alloc);

static inline int64_t vv_env_mono_ns(const vv_env *env)
{
    return env->clock.mono_ns(env->clock.context);
}

static inline int64_t vv_env_wall_ns(const vv_env *env)
{
    return env->clock.wall_ns(env->clock.context);
}

/* Is anybody listening at this level? Ask before building an expensive text. */
bool vv_env_logs(const vv_env *env, vv_log_level level);
/* The text is cut at VV_LOG_TEXT_BYTES_MAX. Not to be called with locks held. */
void vv_env_log(const vv_env *env, vv_log_level level, const char *event, const char *format, ...)
    VV_PRINTF(4, 5);
#define VV_LOG_TEXT_BYTES_MAX 512

#endif
