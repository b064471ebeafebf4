/* SPDX-License-Identifier: Apache-2.0 */

/*
 * varve serve: opens a directory, serves it over HTTP, and stops cleanly when asked to. Standard
 * output carries one line for each address and nothing else; events go to standard error.
 */

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/slice.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/log_lines.h"
#include "cli/serve_retention.h"
#include "cli/settings_priv.h"
#include "net/notify.h"
#include "server/collect_host.h"
#include "server/life.h"
#include "server/server.h"
#include "server/watchdog.h"
#include "sys/clock.h"
#include "sys/harden.h"
#include "sys/process.h"
#include "sys/signals.h"

/* Connections and files of segments: far above the bound of the former. */
#define SERVE_FILES_WANTED 65536u
/* Files besides connections; with less there is a warning. */
#define SERVE_FILES_SPARE 256u

/** What lasts as long as the command. */
typedef struct serve_context {
    vv_settings_flags flags;
    vv_notify notify;
    vv_alloc alloc;
    vv_life *life;
    bool ends_on_failure;   /* --on-io-error=exit; fixed before the database is opened */
    atomic_bool has_failed; /* the database writes no more, and the server is to end */
} serve_context;

/** Events of the database. One that writes no more is of no use to who wants to write, and opening
 *  it again decides what was stored: a supervisor starts a new process. */
static void serve_database_event(void *context, uint32_t level, const char *event,
                                 const char *message)
{
    serve_context *serve = context;
    varve_text failed = VV_TEXT("write_failed");
    vv_log_lines_event(NULL, level, event, message);
    if (serve->ends_on_failure && strcmp(event, "health.changed") == 0 &&
        vv_text_starts_with(vv_text_from_string(message), failed) &&
        !atomic_exchange(&serve->has_failed, true)) {
        vv_log_lines_event(NULL, VARVE_LOG_ERROR, "serve.write_failed",
                           "the server ends, as --on-io-error asks");
        vv_signals_ask_stop();
    }
}

static void serve_report_collector(void *context, const varve_error *why)
{
    (void)context;
    if (why != NULL) {
        vv_log_lines_event(NULL, VARVE_LOG_WARN, "collect_host.failed", why->message);
    } else {
        vv_log_lines_event(NULL, VARVE_LOG_INFO, "collect_host.recovered",
                           "metrics of the host are written again");
    }
}

/* ---- settings ---- */

static varve_status serve_load(void *context, vv_alloc *alloc, vv_config *out_config,
                               varve_error *out_err)
{
    const serve_context *serve = context;
    return vv_settings_load(&serve->flags, alloc, out_config, out_err);
}

static void serve_apply(void *context, const vv_config *config)
{
    /* Of --access-log: off, as --log-format, and the forms, in the order of its words. */
    uint64_t requests = config->values[VV_SETTING_ACCESS_LOG].number;
    bool is_json = config->values[VV_SETTING_LOG_FORMAT].number != 0;
    vv_log_form form = is_json ? VV_LOG_FORM_JSON : VV_LOG_FORM_LOGFMT;
    const vv_log_form forms[] = {VV_LOG_FORM_OFF, form, VV_LOG_FORM_LOGFMT, VV_LOG_FORM_JSON};
    (void)context;
    vv_log_lines_set((uint32_t)config->values[VV_SETTING_LOG_LEVEL].number, form, forms[requests]);
}

static void serve_reloading(void *context, bool is_begin)
{
    const serve_context *serve = context;
    if (is_begin) {
        VV_IGNORE(vv_notify_send(&serve->notify, NULL, "RELOADING=1\nMONOTONIC_USEC=%lld",
                                 (long long)(vv_mono_now_ns() / 1000)));
    } else {
        VV_IGNORE(vv_notify_send(&serve->notify, NULL, "READY=1"));
    }
}

static void serve_quit(void *context)
{
    (void)context;
    vv_signals_ask_stop();
}

/* ---- before anything is opened ---- */

static void serve_warn(const char *event, const char *text)
{
    vv_log_lines_event(NULL, VARVE_LOG_WARN, event, text);
}

/** Give up what is not needed; before the first thread. */
static void serve_harden(const vv_config *config)
{
    varve_error error;
    bool may_be_root = config->values[VV_SETTING_ALLOW_ROOT].number != 0;
    const vv_harden_options options = {
        .keeps_core = config->values[VV_SETTING_ALLOW_CORE].number != 0,
        .keeps_capabilities = may_be_root,
    };
    if (vv_process_is_root() && !may_be_root) {
        serve_warn("serve.root", "this process is root; better is a user of its own. Capabilities "
                                 "are dropped, so only files of root can be used");
    }
    if (vv_harden_process(&options, &error) != VARVE_OK) {
        serve_warn("serve.harden_failed", error.message);
    }
}

/** Room for connections and files. */
static void serve_raise_files(const vv_config *config)
{
    uint64_t wanted = config->values[VV_SETTING_CONNECTIONS_MAX].number + SERVE_FILES_SPARE;
    uint64_t granted = vv_process_raise_files_max(SERVE_FILES_WANTED);
    if (granted < wanted) {
        char text[160];
        vv_text_format(text, sizeof text,
                       "at most %llu files can be open; connections-max asks for %llu",
                       (unsigned long long)granted, (unsigned long long)wanted);
        serve_warn("serve.files", text);
    }
}

/* ---- serving ---- */

/** Say where the server is, then do what it is asked until that is to stop. */
static void serve_until_asked(const serve_context *serve, vv_server *server)
{
    for (size_t index = 0; index < vv_server_address_count(server); index++) {
        varve_text address = vv_text_from_string(vv_server_address_at(server, index));
        bool is_unix = vv_text_starts_with(address, VV_TEXT("unix:"));
        printf("listening http %s%s\n", is_unix ? "" : "http://", address.data);
    }
    fflush(stdout);
    clearerr(stdout); /* who waits for the line may be gone; that does not concern the server */
    varve_error error;
    if (vv_notify_send(&serve->notify, &error, "READY=1\nSTATUS=serving on %s",
                       vv_server_address(server)) != VARVE_OK) {
        serve_warn("serve.notify_failed", error.message);
    }
    while (vv_signals_wait() == VV_SIGNAL_RELOAD) {
        VV_IGNORE(vv_life_reload(serve->life, server, NULL)); /* logged; the old ones stay */
    }
    VV_IGNORE(vv_notify_send(&serve->notify, NULL, "STOPPING=1\nSTATUS=stopping"));
    vv_log_lines_event(NULL, VARVE_LOG_INFO, "serve.stopping", "requests under way may finish");
}

/** The options of the server; texts are borrowed from the settings. */
static void serve_server_options(const serve_context *serve, vv_server_options *out_options)
{
    const vv_config *config = vv_life_first(serve->life);
    vv_server_options_init(out_options);
    vv_config_apply(config, out_options, NULL);
    out_options->refuses_public_root =
        vv_process_is_root() && config->values[VV_SETTING_ALLOW_ROOT].number == 0;
    out_options->life = serve->life;
    out_options->log = vv_log_lines_request;
}

static varve_status serve_start_watchdog(serve_context *serve, const vv_server *server, char path[],
                                         size_t capacity, vv_watchdog **out_watchdog,
                                         varve_error *out_err)
{
    const vv_config *config = vv_life_first(serve->life);
    varve_text prefix = config->values[VV_SETTING_HTTP_PREFIX].text;
    size_t size = vv_text_format(path, capacity, "%.*s/healthz", VV_TEXT_ARGS(prefix));
    const vv_watchdog_options options = {
        .alloc = &serve->alloc,
        .notify = &serve->notify,
        .address = vv_server_address(server),
        .path = vv_text_make(path, size),
        .period_us = vv_watchdog_period_us(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID")),
        .log = vv_log_lines_event,
    };
    *out_watchdog = NULL;
    return options.period_us == 0 ? VARVE_OK : vv_watchdog_start(&options, out_watchdog, out_err);
}

static varve_status serve_run(serve_context *serve, varve_db *db, varve_error *out_err)
{
    const vv_config *config = vv_life_first(serve->life);
    vv_server_options server_options;
    vv_collect_host_options collect_options;
    vv_server *server = NULL;
    vv_collect_host *collector = NULL;
    vv_watchdog *watchdog = NULL;
    char watched_path[512];
    serve_server_options(serve, &server_options);
    vv_collect_host_options_init(&collect_options);
    collect_options.interval_s = (uint32_t)config->values[VV_SETTING_COLLECT_HOST].number;
    collect_options.report = serve_report_collector;
    varve_status status = vv_server_start(db, &server_options, &server, out_err);
    if (status == VARVE_OK && collect_options.interval_s > 0) {
        status = vv_collect_host_start(db, &collect_options, &collector, out_err);
    }
    if (status == VARVE_OK) {
        status = serve_start_watchdog(serve, server, watched_path, sizeof watched_path, &watchdog,
                                      out_err);
    }
    if (status == VARVE_OK) {
        serve_until_asked(serve, server);
    }
    vv_watchdog_stop(watchdog);
    vv_collect_host_stop(collector);
    vv_server_stop(server);
    return status;
}

/** Open what the settings name and serve it. */
static int serve_settings(serve_context *serve)
{
    const vv_config *config = vv_life_first(serve->life);
    const char *data = config->values[VV_SETTING_DATA].text.data;
    varve_options options;
    varve_error error;
    if (vv_serve_check_retention(config, &error) != VARVE_OK) {
        return vv_cli_report("serve", error.status, &error);
    }
    varve_options_init(&options);
    vv_config_apply(config, NULL, &options);
    options.log = serve_database_event;
    options.log_context = serve;
    serve->ends_on_failure = config->values[VV_SETTING_ON_IO_ERROR].number == 0;
    vv_signals_catch();
    vv_signals_catch_reload();
    serve_raise_files(config); /* before the capability to raise them goes */
    serve_harden(config);
    if (vv_notify_init(&serve->notify, getenv("NOTIFY_SOCKET"), &error) != VARVE_OK) {
        serve_warn("serve.notify_failed", error.message);
    }
    vv_server_options server_options;
    serve_server_options(serve, &server_options);
    if (vv_server_check(&server_options, &error) != VARVE_OK) {
        return vv_cli_report("serve", error.status, &error); /* nothing is made yet */
    }
    VV_IGNORE(vv_notify_send(&serve->notify, NULL, "STATUS=opening %.256s", data));
    varve_db *db = NULL;
    varve_status status = varve_open(data, &options, &db, &error);
    if (status != VARVE_OK) {
        return vv_cli_report_world("serve", status, &error);
    }
    status = vv_serve_apply_retention(config, db, &error);
    if (status == VARVE_OK) {
        status = serve_run(serve, db, &error);
    }
    int exit_code = vv_cli_report("serve", status, &error);
    if (exit_code == VV_EXIT_OK && atomic_load(&serve->has_failed)) {
        exit_code = VV_EXIT_FAILED;
    }
    return vv_cli_close("serve", db, exit_code);
}

int vv_cmd_serve(int argc, char **argv)
{
    serve_context serve = {.life = NULL};
    vv_option table[VV_SETTINGS_OPTIONS_MAX];
    vv_settings_options(&serve.flags, table);
    int operands;
    int exit_code;
    if (!vv_cli_begin("serve", "varve serve --collect-host --data /var/lib/varve", table,
                      VV_ARRAY_COUNT(table), argc, argv, &operands, &exit_code)) {
        return exit_code;
    }
    if (!vv_cli_takes_none("serve", operands, argv)) {
        return VV_EXIT_USAGE;
    }
    varve_error error;
    vv_alloc_init(&serve.alloc, NULL);
    const vv_life_options options = {.alloc = &serve.alloc,
                                     .context = &serve,
                                     .load = serve_load,
                                     .apply = serve_apply,
                                     .reloading = serve_reloading,
                                     .quit = serve_quit,
                                     .log = vv_log_lines_event};
    varve_status status = vv_settings_check(&serve.flags, &serve.alloc, &error);
    if (status != VARVE_OK) {
        return vv_cli_report("serve", status, &error);
    }
    status = vv_life_open(&options, &serve.life, &error);
    exit_code = status == VARVE_OK ? serve_settings(&serve)
                                   : vv_cli_report_world("serve", status, &error); /* the file */
    vv_life_close(serve.life);
    return exit_code;
}
