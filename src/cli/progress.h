/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_PROGRESS_H
#define VV_CLI_PROGRESS_H

/*
 * One line of a terminal that tells how far long work is:
 *
 *     cpu.lp.gz  42 %  1.2 M rows  345 k rows/s  12 s left
 *
 * It stands on standard error, is renewed a few times a second, and is wiped when the work ends.
 * Where standard error is no terminal nothing is ever written.
 *
 *     vv_progress progress;
 *     vv_progress_init(&progress);
 *     vv_progress_show(&progress, &(vv_progress_state){.what = path, .done = ..., .total = ...});
 *     vv_progress_end(&progress);
 */

#include "base/compiler.h"
#include "varve.h"

/** Where the work is. */
typedef struct vv_progress_state {
    const char *what;   /* being done: a file, a verb */
    uint64_t done;      /* of total, in any unit */
    uint64_t total;     /* 0: unknown, so neither share nor time left are told */
    const char *unit;   /* of items: "rows"; NULL: no items */
    uint64_t items;     /* so far, for count and rate */
    int64_t elapsed_ns; /* set by vv_progress_show */
} vv_progress_state;

typedef struct vv_progress {
    bool is_terminal;
    bool is_shown; /* the terminal has an unfinished line */
    int64_t begin_ns;
    int64_t shown_ns;
    /* of vv_progress_watch */
    varve_task *task;
    const char *what;
} vv_progress;

void vv_progress_init(vv_progress *progress);

/** Renew the line if it is time to; cheap enough to be called often. */
void vv_progress_show(vv_progress *progress, const vv_progress_state *state);

/** Wipe the line, so that something else can be printed. */
void vv_progress_end(vv_progress *progress);

/** A task that shows how far it is and that SIGINT and SIGTERM cancel, after vv_signals_catch; NULL
 * when there is no memory. The progress stays at its place until the task is freed. */
varve_task *vv_progress_task(vv_progress *progress, const char *what);

/** The line without its line end, at most capacity - 1 bytes and a zero byte; the bytes before it.
 */
size_t vv_progress_line(char *target, size_t capacity, const vv_progress_state *state);

/** A count for people: "999", "1.2 k", "345 k", "1.5 M"; at most 16 bytes with the zero byte. */
#define VV_PROGRESS_COUNT_BYTES 16u
void vv_progress_count(char target[VV_PROGRESS_COUNT_BYTES], double count);

#endif
