/* SPDX-License-Identifier: Apache-2.0 */

/*
 * varve serve: opens a directory, serves it over HTTP, and stops cleanly when asked to. Standard
 * output carries one line for each address and nothing else; events go to standard error.
 */

#include <stdio.h>
#include <string.h>

#include "base/slice.h"
#include "cli/cli.h"
#include "cli/log_lines.h"
#include "cli/settings_priv.h"
#include "server/collect_host.h"
#include "server/life.h"
#include "server/server.h"
#include "sys/process.h"
#include "sys/signals.h"

/* Connections and files of segments: far above the bound of the former. */
#define SERVE_FILES_WANTED 65536u

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
    return vv_settings_load(context, alloc, out_config, out_err);
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

static void serve_quit(void *context)
{
    (void)context;
    vv_signals_ask_stop();
}

/* ---- serving ---- */

/** Say where the server is, then do what it is asked until that is to stop. */
static void serve_until_asked(vv_life *life, vv_server *server)
{
    for (size_t index = 0; index < vv_server_address_count(server); index++) {
        varve_text address = vv_text_from_string(vv_server_address_at(server, index));
        bool is_unix = vv_text_starts_with(address, VV_TEXT("unix:"));
        printf("listening http %s%s\n", is_unix ? "" : "http://", address.data);
    }
    fflush(stdout); /* who waits for the line may be gone; that does not concern the server */
    while (vv_signals_wait() == VV_SIGNAL_RELOAD) {
        VV_IGNORE(vv_life_reload(life, server, NULL)); /* logged; the old settings stay */
    }
    vv_log_lines_event(NULL, VARVE_LOG_INFO, "serve.stopping", "requests under way may finish");
}

static varve_status serve_run(varve_db *db, vv_life *life, varve_error *out_err)
{
    const vv_config *config = vv_life_first(life);
    vv_server_options server_options;
    vv_collect_host_options collect_options;
    vv_server *server = NULL;
    vv_collect_host *collector = NULL;
    vv_server_options_init(&server_options);
    vv_config_apply(config, &server_options, NULL);
    server_options.life = life;
    server_options.log = vv_log_lines_request;
    vv_collect_host_options_init(&collect_options);
    collect_options.interval_s = (uint32_t)config->values[VV_SETTING_COLLECT_HOST].number;
    collect_options.report = serve_report_collector;
    varve_status status = vv_server_start(db, &server_options, &server, out_err);
    if (status != VARVE_OK) {
        return status;
    }
    if (collect_options.interval_s > 0) {
        status = vv_collect_host_start(db, &collect_options, &collector, out_err);
    }
    if (status == VARVE_OK) {
        serve_until_asked(life, server);
    }
    vv_collect_host_stop(collector);
    vv_server_stop(server);
    return status;
}

/** Open what the settings name and serve it. */
static int serve_settings(vv_life *life)
{
    const vv_config *config = vv_life_first(life);
    varve_options options;
    varve_options_init(&options);
    vv_config_apply(config, NULL, &options);
    options.log = vv_log_lines_event;
    vv_signals_catch();
    vv_signals_catch_reload();
    vv_process_raise_files_max(SERVE_FILES_WANTED); /* what is granted has to do */
    varve_error error;
    varve_db *db = NULL;
    varve_status status =
        varve_open(config->values[VV_SETTING_DATA].text.data, &options, &db, &error);
    if (status == VARVE_OK) {
        status = serve_run(db, life, &error);
    }
    int exit_code = vv_cli_report("serve", status, &error);
    return db == NULL ? exit_code : vv_cli_close("serve", db, exit_code);
}

int vv_cmd_serve(int argc, char **argv)
{
    vv_settings_flags flags;
    vv_option table[VV_SETTINGS_OPTIONS_MAX];
    vv_settings_options(&flags, table);
    int operands;
    int exit_code;
    if (!vv_cli_begin("serve", "varve serve --collect-host --data /var/lib/varve", table,
                      VV_ARRAY_COUNT(table), argc, argv, &operands, &exit_code)) {
        return exit_code;
    }
    if (!vv_cli_takes_none("serve", operands, argv)) {
        return VV_EXIT_USAGE;
    }
    vv_alloc alloc;
    vv_life *life;
    varve_error error;
    vv_alloc_init(&alloc, NULL);
    const vv_life_options options = {.alloc = &alloc,
                                     .context = &flags,
                                     .load = serve_load,
                                     .apply = serve_apply,
                                     .quit = serve_quit,
                                     .log = vv_log_lines_event};
    varve_status status = vv_life_open(&options, &life, &error);
    exit_code = status == VARVE_OK ? serve_settings(life) : vv_cli_report("serve", status, &error);
    vv_life_close(life);
    return exit_code;
}
