/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WIRE_SECONDS_TEXT_H
#define VV_WIRE_SECONDS_TEXT_H

/* Times as OpenMetrics writes them: 1395066363.25, -1.5e9, .5 */

#include "base/compiler.h"
#include "varve.h"

typedef struct vv_seconds {
    int64_t s;     /* floored */
    uint32_t ns;   /* behind them; below 10^9, floored */
    bool has_more; /* digits behind the nanoseconds */
} vv_seconds;

/** A decimal number of seconds: [+-] digits [. digits] [e [+-] digits], exact. False when it is
 * none, or beyond 64 bits of seconds. */
VV_MUST_CHECK VV_UNTRUSTED bool vv_seconds_text_parse(varve_text text, vv_seconds *out_time);

#endif
