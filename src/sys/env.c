/* SPDX-License-Identifier: Apache-2.0 */
/* The world as it is, and the way to the log function. */
#include "sys/env.h"

#include <stdarg.h>

#include "base/text.h"
#include "sys/thread.h"

void vv_env_init_system(vv_env *env, vv_alloc *alloc)
{
    *env = (vv_env){
        .vfs = vv_vfs_system(),
        .alloc = alloc,
        .clock = vv_clock_system(),
        .entropy = vv_entropy_system(),
        .zones = vv_zone_source_system(),
        .log_level = VV_LOG_INFO,
    };
}

bool vv_env_logs(const vv_env *env, vv_log_level level)
{
    return env->log != NULL && level <= env->log_level;
}

void vv_env_log(const vv_env *env, vv_log_level level, const char *event, const char *format, ...)
{
    if (!vv_env_logs(env, level)) {
        return;
    }
    vv_mutex_assert_none_held();
    char text[VV_LOG_TEXT_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vv_text_format_v(text, sizeof text, format, args);
    va_end(args);
    env->log(env->log_context, (int)level, event, text);
}
