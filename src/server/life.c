/* SPDX-License-Identifier: Apache-2.0 */

#include "server/life.h"

#include "base/status.h"
#include "server/config.h"
#include "sys/thread.h"

/* The names of all settings fit. */
#define LIFE_NAMES_BYTES_MAX (16u * 1024u)

struct vv_life {
    /* Fixed after open. */
    vv_life_options options;
    vv_config first;
    /* Guarded by lock. */
    vv_mutex lock;
    vv_cond turned; /* is_reloading was taken back */
    bool is_reloading;
    bool has_latest; /* else `first` holds */
    vv_config latest;
};

varve_status vv_life_open(const vv_life_options *options, vv_life **out_life, varve_error *out_err)
{
    *out_life = NULL;
    vv_life *life = vv_alloc_zeroed(options->alloc, sizeof *life);
    if (life == NULL) {
        return vv_fail_nomem(out_err, "the settings", sizeof *life);
    }
    life->options = *options;
    varve_status status = vv_mutex_init(&life->lock, VV_RANK_PROGRAM, 0, out_err);
    if (status != VARVE_OK) {
        vv_alloc_free(options->alloc, life, sizeof *life);
        return status;
    }
    status = vv_cond_init(&life->turned, out_err);
    if (status != VARVE_OK) {
        vv_mutex_deinit(&life->lock);
        vv_alloc_free(options->alloc, life, sizeof *life);
        return status;
    }
    status = options->load(options->context, options->alloc, &life->first, out_err);
    if (status != VARVE_OK) {
        vv_life_close(life);
        return status;
    }
    options->apply(options->context, &life->first);
    *out_life = life;
    return VARVE_OK;
}

void vv_life_close(vv_life *life)
{
    if (life == NULL) {
        return;
    }
    if (life->has_latest) {
        vv_config_deinit(&life->latest);
    }
    vv_config_deinit(&life->first);
    vv_cond_deinit(&life->turned);
    vv_mutex_deinit(&life->lock);
    vv_alloc_free(life->options.alloc, life, sizeof *life);
}

const vv_config *vv_life_first(const vv_life *life)
{
    return &life->first;
}

/** The settings that hold; while reloading, by the thread that reloads, also without the lock. */
static const vv_config *life_current(const vv_life *life)
{
    return life->has_latest ? &life->latest : &life->first;
}

/* ---- reloading ---- */

static void life_add_name(vv_buf *names, vv_setting_id id)
{
    vv_buf_append_format(names, "%s%s", names->size == 0 ? "" : " ", vv_settings[id].name);
}

/** Keep what cannot change now; note what did, and what will not. */
static varve_status life_merge(const vv_life *life, vv_config *fresh, vv_buf *changed,
                               vv_buf *waiting, varve_error *out_err)
{
    const vv_config *current = life_current(life);
    for (size_t at = 0; at < VV_SETTING_COUNT; at++) {
        vv_setting_id id = (vv_setting_id)at;
        bool is_same = vv_text_equal(fresh->values[id].text, current->values[id].text);
        if (!is_same) {
            life_add_name(vv_settings[id].is_live ? changed : waiting, id);
        }
        if (!is_same && !vv_settings[id].is_live) {
            VV_TRY(vv_config_copy(fresh, current, id, out_err));
        }
    }
    VV_TRY(vv_buf_check(changed, out_err));
    return vv_buf_check(waiting, out_err);
}

static void life_log(const vv_life *life, uint32_t level, const char *event, const char *text)
{
    if (life->options.log != NULL) {
        life->options.log(NULL, level, event, text);
    }
}

/** "changed: a b; at the next start: c" */
static void life_log_reloaded(const vv_life *life, const vv_buf *changed, const vv_buf *waiting)
{
    vv_buf text;
    vv_buf_init(&text, life->options.alloc, 2 * LIFE_NAMES_BYTES_MAX);
    vv_buf_append_format(&text, "changed: %.*s", VV_TEXT_ARGS(vv_buf_text(changed)));
    if (changed->size == 0) {
        vv_buf_append_text(&text, VV_TEXT("nothing"));
    }
    if (waiting->size > 0) {
        vv_buf_append_format(&text, "; at the next start: %.*s",
                             VV_TEXT_ARGS(vv_buf_text(waiting)));
    }
    vv_buf_append_char(&text, '\0');
    bool is_whole = vv_buf_check(&text, NULL) == VARVE_OK;
    life_log(life, waiting->size > 0 ? VARVE_LOG_WARN : VARVE_LOG_INFO, "config.reloaded",
             is_whole ? (const char *)text.data : "");
    vv_buf_deinit(&text);
}

/** New settings hold from here on. */
static void life_apply(vv_life *life, struct vv_server *server, vv_config *fresh)
{
    vv_server_options options;
    vv_server_options_init(&options);
    vv_config_apply(fresh, &options, NULL);
    if (server != NULL) {
        vv_server_reconfigure(server, &options);
    }
    life->options.apply(life->options.context, fresh);
    vv_mutex_lock(&life->lock);
    vv_config old = life->latest;
    bool has_old = life->has_latest;
    life->latest = *fresh;
    life->has_latest = true;
    vv_mutex_unlock(&life->lock);
    if (has_old) {
        vv_config_deinit(&old);
    }
}

static varve_status life_read(vv_life *life, struct vv_server *server, varve_error *out_err)
{
    vv_config fresh;
    vv_buf changed;
    vv_buf waiting;
    vv_buf_init(&changed, life->options.alloc, LIFE_NAMES_BYTES_MAX);
    vv_buf_init(&waiting, life->options.alloc, LIFE_NAMES_BYTES_MAX);
    varve_status status =
        life->options.load(life->options.context, life->options.alloc, &fresh, out_err);
    if (status == VARVE_OK) {
        status = life_merge(life, &fresh, &changed, &waiting, out_err);
    }
    if (status == VARVE_OK) {
        life_apply(life, server, &fresh);
        life_log_reloaded(life, &changed, &waiting);
    } else {
        vv_config_deinit(&fresh);
    }
    vv_buf_deinit(&waiting);
    vv_buf_deinit(&changed);
    return status;
}

static void life_tell(const vv_life *life, bool is_begin)
{
    if (life->options.reloading != NULL) {
        life->options.reloading(life->options.context, is_begin);
    }
}

varve_status vv_life_reload(vv_life *life, struct vv_server *server, varve_error *out_err)
{
    varve_error own;
    varve_error *err = out_err == NULL ? &own : out_err;
    vv_mutex_lock(&life->lock);
    while (life->is_reloading) {
        VV_IGNORE(vv_cond_wait_until(&life->turned, &life->lock, VV_NO_DEADLINE));
    }
    life->is_reloading = true;
    vv_mutex_unlock(&life->lock);
    life_tell(life, true);
    varve_status status = life_read(life, server, err);
    if (status != VARVE_OK) {
        life_log(life, VARVE_LOG_ERROR, "config.reload_failed", err->message);
    }
    life_tell(life, false);
    vv_mutex_lock(&life->lock);
    life->is_reloading = false;
    vv_cond_broadcast(&life->turned);
    vv_mutex_unlock(&life->lock);
    return status;
}

void vv_life_quit(vv_life *life)
{
    life->options.quit(life->options.context);
}

/* ---- printing ---- */

void vv_life_print_yaml(vv_life *life, vv_buf *out)
{
    vv_mutex_lock(&life->lock);
    vv_config_print_yaml(life_current(life), false, out);
    vv_mutex_unlock(&life->lock);
}

void vv_life_print_json(vv_life *life, struct vv_json *json)
{
    vv_mutex_lock(&life->lock);
    vv_config_print_json(life_current(life), json);
    vv_mutex_unlock(&life->lock);
}
