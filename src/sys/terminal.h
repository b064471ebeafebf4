/* SPDX-License-Identifier: Apache-2.0 */
/* The size of a terminal, and its keys. Whether a descriptor is one: vv_is_terminal of
 * sys/signals.h. */
#ifndef VV_SYS_TERMINAL_H
#define VV_SYS_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

/* False, and nothing written, where the descriptor is no terminal or does not tell its size. */
bool vv_terminal_size(int descriptor, uint32_t *out_columns, uint32_t *out_lines);

/* What vv_terminal_read_key returns when there is no byte. */
#define VV_TERMINAL_END         (-1) /* or a failure, which ends it as well */
#define VV_TERMINAL_INTERRUPTED (-2) /* vv_signals_is_stop_asked(), or another signal came */

/* The next byte, waited for. No SIGINT or SIGTERM is missed, whenever it came. */
int vv_terminal_read_key(int descriptor);

#endif
