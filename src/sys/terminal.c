/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/terminal.h"

#include <sys/ioctl.h>

bool vv_terminal_size(int descriptor, uint32_t *out_columns, uint32_t *out_lines)
{
    struct winsize size = {0};
    if (ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) {
        return false;
    }
    *out_columns = size.ws_col;
    *out_lines = size.ws_row;
    return true;
}
