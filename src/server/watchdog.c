/* SPDX-License-Identifier: Apache-2.0 */

#include "server/watchdog.h"

#include "base/status.h"
#include "base/text.h"
#include "net/notify.h"
#include "net/probe.h"
#include "sys/clock.h"
#include "sys/process.h"
#include "sys/thread.h"

/* Periods beyond a day are as good as a day. */
#define WATCHDOG_PERIOD_US_MAX (UINT64_C(86400) * 1000 * 1000)

struct vv_watchdog {
    vv_watchdog_options options; /* fixed after start */
    vv_thread thread;
    vv_mutex lock;
    vv_cond changed;
    bool is_over; /* guarded by lock */
};

uint64_t vv_watchdog_period_us(const char *usec, const char *pid)
{
    uint64_t period;
    uint64_t number;
    if (usec == NULL || !vv_text_parse_u64(vv_text_from_string(usec), &period)) {
        return 0;
    }
    if (pid != NULL &&
        (!vv_text_parse_u64(vv_text_from_string(pid), &number) || number != vv_process_id())) {
        return 0;
    }
    return period < WATCHDOG_PERIOD_US_MAX ? period : WATCHDOG_PERIOD_US_MAX;
}

/** Ask, and tell when there was an answer; logs the change from one to the other. */
static bool watchdog_look(const vv_watchdog_options *options, bool was_alive)
{
    /* Half of the period is for waiting, a quarter for this: there is time for one more try. */
    int64_t deadline = vv_deadline_after_ns((int64_t)options->period_us / 4 * 1000);
    bool is_alive = vv_probe_answers(options->address, options->path, deadline);
    if (is_alive) {
        VV_IGNORE(vv_notify_send(options->notify, NULL, "WATCHDOG=1")); /* the next one may work */
    }
    if (is_alive != was_alive && options->log != NULL) {
        options->log(NULL, is_alive ? VARVE_LOG_INFO : VARVE_LOG_WARN,
                     is_alive ? "watchdog.alive" : "watchdog.silent",
                     is_alive ? "the server answers again"
                              : "the server does not answer itself: no sign of life is given");
    }
    return is_alive;
}

static void watchdog_main(void *context)
{
    vv_watchdog *watchdog = context;
    int64_t wait_ns = (int64_t)watchdog->options.period_us / 2 * 1000;
    bool is_alive = true;
    vv_mutex_lock(&watchdog->lock);
    while (!watchdog->is_over) {
        vv_mutex_unlock(&watchdog->lock);
        is_alive = watchdog_look(&watchdog->options, is_alive);
        vv_mutex_lock(&watchdog->lock);
        int64_t next = vv_deadline_after_ns(wait_ns);
        bool has_time = true;
        while (!watchdog->is_over && has_time) {
            has_time = vv_cond_wait_until(&watchdog->changed, &watchdog->lock, next);
        }
    }
    vv_mutex_unlock(&watchdog->lock);
}

static varve_status watchdog_open(vv_watchdog *watchdog, varve_error *out_err)
{
    VV_TRY(vv_mutex_init(&watchdog->lock, VV_RANK_SESSION, 0, out_err));
    varve_status status = vv_cond_init(&watchdog->changed, out_err);
    if (status == VARVE_OK) {
        status =
            vv_thread_start(&watchdog->thread, "vv-watchdog", watchdog_main, watchdog, out_err);
        if (status != VARVE_OK) {
            vv_cond_deinit(&watchdog->changed);
        }
    }
    if (status != VARVE_OK) {
        vv_mutex_deinit(&watchdog->lock);
    }
    return status;
}

varve_status vv_watchdog_start(const vv_watchdog_options *options, vv_watchdog **out_watchdog,
                               varve_error *out_err)
{
    *out_watchdog = NULL;
    vv_watchdog *watchdog = vv_alloc_zeroed(options->alloc, sizeof *watchdog);
    if (watchdog == NULL) {
        return vv_fail_nomem(out_err, "the watchdog", sizeof *watchdog);
    }
    watchdog->options = *options;
    varve_status status = watchdog_open(watchdog, out_err);
    if (status != VARVE_OK) {
        vv_alloc_free(options->alloc, watchdog, sizeof *watchdog);
        return status;
    }
    *out_watchdog = watchdog;
    return VARVE_OK;
}

void vv_watchdog_stop(vv_watchdog *watchdog)
{
    if (watchdog == NULL) {
        return;
    }
    vv_mutex_lock(&watchdog->lock);
    watchdog->is_over = true;
    vv_cond_broadcast(&watchdog->changed);
    vv_mutex_unlock(&watchdog->lock);
    vv_thread_join(&watchdog->thread);
    vv_cond_deinit(&watchdog->changed);
    vv_mutex_deinit(&watchdog->lock);
    vv_alloc_free(watchdog->options.alloc, watchdog, sizeof *watchdog);
}
