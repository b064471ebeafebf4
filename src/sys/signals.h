/* SPDX-License-Identifier: Apache-2.0 */
/* What the program hears from its terminal and its supervisor. The library uses none of it. */
#ifndef VV_SYS_SIGNALS_H
#define VV_SYS_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * From now on SIGINT and SIGTERM ask the process to stop instead of ending it, and a reader that
 * left is an error of the write. A second SIGINT ends the process at once.
 */
void vv_signals_catch(void);
/* Only the latter: a reader that left is an error of the write, not the end of the process. */
void vv_signals_ignore_pipe(void);
/*
 * As vv_signals_catch, now and whenever that is called later, but for a process that outlives what
 * a SIGINT stops: none ends the process.
 */
void vv_signals_catch_often(void);
/* A SIGINT that came is forgotten. A SIGTERM is not. */
void vv_signals_forget_interrupt(void);
/* Whether one of them came. */
bool vv_signals_is_stop_asked(void);
/* Whether a SIGTERM came. */
bool vv_signals_is_end_asked(void);
/* From now on SIGHUP asks for a reload instead of ending the process. */
void vv_signals_catch_reload(void);

typedef enum vv_signal {
    VV_SIGNAL_STOP,   /* and from then on always */
    VV_SIGNAL_RELOAD, /* once for any number that came together */
} vv_signal;
/* Waits for one of them; called by one thread. */
vv_signal vv_signals_wait(void);
/* As if SIGTERM came; from any thread. */
void vv_signals_ask_stop(void);
/* The same, at most until the moment of vv_mono_now_ns; whether one of them came. */
bool vv_signals_wait_stop_until(int64_t deadline_mono_ns);

/* Whether a descriptor (0, 1, 2) is a terminal. */
bool vv_is_terminal(int descriptor);

#endif
