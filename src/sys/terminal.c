/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/terminal.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

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

int vv_terminal_read_key(int descriptor)
{
    unsigned char byte;
    ssize_t count = read(descriptor, &byte, 1);
    if (count == 1) {
        return byte;
    }
    return count < 0 && errno == EINTR ? VV_TERMINAL_INTERRUPTED : VV_TERMINAL_END;
}
