/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/progress.h"

#include <stdio.h>

#include "base/text.h"
#include "sys/clock.h"
#include "sys/signals.h"

/* How often the line is renewed: below the eye's patience, far above the cost of a write. */
#define PROGRESS_SHOW_NS (200 * VV_NS_PER_MS)

/* Work that is done sooner shows nothing. */
#define PROGRESS_FIRST_NS (500 * VV_NS_PER_MS)

#define PROGRESS_LINE_BYTES 160u

void vv_progress_init(vv_progress *progress)
{
    int64_t now_ns = vv_mono_now_ns();
    *progress = (vv_progress){
        .is_terminal = vv_is_terminal(2),
        .begin_ns = now_ns,
        .shown_ns = now_ns + PROGRESS_FIRST_NS - PROGRESS_SHOW_NS,
    };
}

/* ---- the text ------------------------------------------------------------------------------- */

void vv_progress_count(char target[VV_PROGRESS_COUNT_BYTES], double count)
{
    static const char *const units[] = {"", " k", " M", " G", " T", " P", " E"};
    size_t unit = 0;
    while (count >= 999.5 && unit + 1 < VV_ARRAY_COUNT(units)) {
        count /= 1000.0;
        unit += 1;
    }
    unsigned long long tenths = (unsigned long long)(count * 10.0 + 0.5);
    if (unit == 0 || tenths >= 100) {
        vv_text_format(target, VV_PROGRESS_COUNT_BYTES, "%llu%s", (unsigned long long)(count + 0.5),
                       units[unit]);
    } else {
        vv_text_format(target, VV_PROGRESS_COUNT_BYTES, "%llu.%llu%s", tenths / 10, tenths % 10,
                       units[unit]);
    }
}

/** " 12 s left", "3 min 20 s left", "2 h 5 min left". */
static size_t progress_left(char *target, size_t capacity, uint64_t seconds)
{
    unsigned long long s = seconds;
    if (s < 60) {
        return vv_text_format(target, capacity, "  %llu s left", s);
    }
    if (s < 3600) {
        return vv_text_format(target, capacity, "  %llu min %llu s left", s / 60, s % 60);
    }
    return vv_text_format(target, capacity, "  %llu h %llu min left", s / 3600, s / 60 % 60);
}

size_t vv_progress_line(char *target, size_t capacity, const vv_progress_state *state)
{
    char count[VV_PROGRESS_COUNT_BYTES];
    char rate[VV_PROGRESS_COUNT_BYTES];
    double seconds = (double)state->elapsed_ns / 1e9;
    double share = 0.0;
    size_t size = vv_text_format(target, capacity, "%s", state->what);
    if (state->total > 0) {
        share = state->done < state->total ? (double)state->done / (double)state->total : 1.0;
        size += vv_text_format(target + size, capacity - size, "  %u %%", (unsigned)(share * 100));
    }
    if (state->unit != NULL) {
        vv_progress_count(count, (double)state->items);
        vv_progress_count(rate, seconds > 0.0 ? (double)state->items / seconds : 0.0);
        size += vv_text_format(target + size, capacity - size, "  %s %s  %s %s/s", count,
                               state->unit, rate, state->unit);
    }
    double left = share > 0.0 ? seconds / share - seconds : 0.0;
    if (share > 0.0 && left < 1e9) {
        size += progress_left(target + size, capacity - size, (uint64_t)(left + 0.5));
    }
    return size;
}

/* ---- the terminal --------------------------------------------------------------------------- */

void vv_progress_show(vv_progress *progress, const vv_progress_state *state)
{
    char line[PROGRESS_LINE_BYTES];
    int64_t now_ns = vv_mono_now_ns();
    if (!progress->is_terminal || now_ns - progress->shown_ns < PROGRESS_SHOW_NS) {
        return;
    }
    vv_progress_state timed = *state;
    timed.elapsed_ns = now_ns - progress->begin_ns;
    vv_progress_line(line, sizeof line, &timed);
    fprintf(stderr, "\r%s\033[K", line);
    fflush(stderr);
    progress->shown_ns = now_ns;
    progress->is_shown = true;
}

void vv_progress_end(vv_progress *progress)
{
    if (progress->is_shown) {
        fprintf(stderr, "\r\033[K");
        fflush(stderr);
        progress->is_shown = false;
    }
}

/** Asked all the time by the working thread. */
static bool progress_goes_on(void *context)
{
    vv_progress *progress = context;
    vv_progress_state state = {.what = progress->what};
    varve_task_progress(progress->task, &state.done, &state.total);
    if (state.total > 0) {
        vv_progress_show(progress, &state);
    }
    return !vv_signals_is_stop_asked();
}

varve_task *vv_progress_task(vv_progress *progress, const char *what)
{
    progress->what = what;
    progress->task = varve_task_create();
    if (progress->task != NULL) {
        varve_task_set_check(progress->task, progress_goes_on, progress);
    }
    return progress->task;
}
