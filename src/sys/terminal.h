/* SPDX-License-Identifier: Apache-2.0 */
/* The size of a terminal. Whether a descriptor is one: vv_is_terminal of sys/signals.h. */
#ifndef VV_SYS_TERMINAL_H
#define VV_SYS_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

/* False, and nothing written, where the descriptor is no terminal or does not tell its size. */
bool vv_terminal_size(int descriptor, uint32_t *out_columns, uint32_t *out_lines);

#endif
