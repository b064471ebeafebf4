/* SPDX-License-Identifier: Apache-2.0 */
/* What a server gives up before it listens, so that whoever takes it over has less. */
#ifndef VV_SYS_HARDEN_H
#define VV_SYS_HARDEN_H

#include <stdbool.h>

#include "base/compiler.h"
#include "varve.h"

typedef struct vv_harden_options {
    bool keeps_core;         /* memory may be written to a file when the process crashes */
    bool keeps_capabilities; /* of root */
} vv_harden_options;

/*
 * No new privileges through programs it runs; no capability but that to listen on a port below
 * 1024, if it is there; no core dumps. Before the first thread: capabilities are a thread's own.
 * E_IO names what the system refused; the rest was done all the same.
 */
VV_MUST_CHECK varve_status vv_harden_process(const vv_harden_options *options,
                                             varve_error *out_err);

/* The user that may do anything. */
bool vv_process_is_root(void);

#endif
