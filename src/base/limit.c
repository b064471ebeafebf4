/* SPDX-License-Identifier: Apache-2.0 */
#include "base/limit.h"

#include <stdarg.h>

#include "base/status.h"
#include "base/text.h"

varve_status vv_fail_limit(varve_error *out_err, varve_status status, vv_limit limit,
                           const char *format, ...)
{
    char text[sizeof out_err->message];
    va_list args;
    if (out_err == NULL) {
        return status;
    }
    va_start(args, format);
    (void)vv_text_format_v(text, sizeof text, format, args);
    va_end(args);
    (void)vv_fail(out_err, status, "%s", text);
    out_err->os_errno = -(int32_t)limit; /* no system call gives a number below 0 */
    return status;
}

vv_limit vv_error_limit(const varve_error *err)
{
    bool is_limit = err->os_errno < 0 && err->os_errno > -(int32_t)VV_LIMIT_COUNT;
    return is_limit ? (vv_limit)-err->os_errno : VV_LIMIT_NONE;
}

const char *vv_limit_name(vv_limit limit)
{
    static const char *const names[VV_LIMIT_COUNT] = {[VV_LIMIT_NONE] = "",
#define VV_LIMIT_NAME(id, number, name) [(number)] = (name),
                                                      VV_LIMIT_MAP(VV_LIMIT_NAME)
#undef VV_LIMIT_NAME
    };
    return names[limit];
}
