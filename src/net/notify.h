/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_NET_NOTIFY_H
#define VV_NET_NOTIFY_H

/*
 * Telling the service manager how it goes, as sd_notify(3) does: a datagram of lines such as
 * "READY=1" to the socket that NOTIFY_SOCKET names, a path or, after '@', an abstract name.
 *
 * Threads: a vv_notify is fixed once it is made; send from any thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "varve.h"

/* Of a socket's name, as the system has it. */
#define VV_NOTIFY_NAME_BYTES_MAX 107u
/* Of one message; what is longer is cut. */
#define VV_NOTIFY_MESSAGE_BYTES_MAX 512u

typedef struct vv_notify {
    uint32_t name_size; /* 0: nobody listens, and sending does nothing */
    char name[VV_NOTIFY_NAME_BYTES_MAX + 1];
} vv_notify;

/**
 * The value of NOTIFY_SOCKET; NULL or empty: nobody listens. E_INVALID: a name that is none, or of
 * another kind; then nobody listens either.
 */
VV_MUST_CHECK varve_status vv_notify_init(vv_notify *notify, const char *name,
                                          varve_error *out_err);

/** Lines with a line feed between them. E_IO. */
varve_status vv_notify_send(const vv_notify *notify, varve_error *out_err, const char *format, ...)
    VV_PRINTF(3, 4);

#endif
