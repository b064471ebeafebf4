/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Noticing a fork without a system call. A handle remembers the generation of its process; in a
 * forked child the number differs and the handle answers E_FENCED.
 */
#ifndef VV_SYS_FORK_GUARD_H
#define VV_SYS_FORK_GUARD_H

#include <stdint.h>

/* 1 in the first process, one more in each forked child. The first call installs the handlers. */
uint32_t vv_process_generation(void);

#endif
