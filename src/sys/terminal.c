/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/terminal.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sys/signals.h"

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
    struct pollfd wanted = {.fd = descriptor, .events = POLLIN};
    sigset_t stops;
    sigset_t old;
    (void)sigemptyset(&stops);
    (void)sigaddset(&stops, SIGINT);
    (void)sigaddset(&stops, SIGTERM);
    /* Held back from here on, but for the wait: one that comes just before it would be overslept.
     */
    (void)pthread_sigmask(SIG_BLOCK, &stops, &old);
    int ready = vv_signals_is_stop_asked() ? 0 : ppoll(&wanted, 1, NULL, &old);
    bool is_failed = ready < 0 && errno != EINTR;
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (is_failed) {
        return VV_TERMINAL_END;
    }
    if (ready <= 0) {
        return VV_TERMINAL_INTERRUPTED;
    }
    ssize_t count = read(descriptor, &byte, 1);
    if (count == 1) {
        return byte;
    }
    return count < 0 && errno == EINTR ? VV_TERMINAL_INTERRUPTED : VV_TERMINAL_END;
}
