/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_NET_PROBE_H
#define VV_NET_PROBE_H

/* Whether an HTTP server of this machine is alive: not what it answers, but that it does. */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "varve.h"

/**
 * Connect to an address as vv_http_address tells it, and ask for path. True when an answer begins,
 * or when the server closes the connection: it does that when there are too many. False: nothing
 * listens, or nothing has come by deadline_mono_ns.
 */
VV_MUST_CHECK bool vv_probe_answers(const char *address, varve_text path, int64_t deadline_mono_ns);

#endif
