/* SPDX-License-Identifier: Apache-2.0 */

/*
 * varve serve: opens a directory, serves it over HTTP, and stops cleanly when asked to. Standard
 * output carries one line for each address and nothing else; events go to standard error.
 */

#include <stdio.h>
#include <string.h>

#include "base/slice.h"
#include "cli/cli.h"
#include "cli/logfmt.h"
#include "cli/settings_priv.h"
#include "server/collect_host.h"
#include "server/server.h"
#include "sys/process.h"
#include "sys/signals.h"

/* Connections and files of segments: far above the bound of the former. */
#define SERVE_FILES_WANTED 65536u

static void serve_report_collector(void *context, const varve_error *why)
{
    (void)context;
    if (why != NULL) {
        vv_logfmt_event(NULL, VARVE_LOG_WARN, "collect_host.failed", why->message);
    } else {
        vv_logfmt_event(NULL, VARVE_LOG_INFO, "collect_host.recovered",
                        "metrics of the host are written again");
    }
}

/** Say where the server is, then wait until it is asked to stop. */
static void serve_until_asked(const vv_server *server)
{
    for (size_t index = 0; index < vv_server_address_count(server); index++) {
        varve_text address = vv_text_from_string(vv_server_address_at(server, index));
        bool is_unix = vv_text_starts_with(address, VV_TEXT("unix:"));
        printf("listening http %s%s\n", is_unix ? "" : "http://", address.data);
    }
    fflush(stdout); /* who waits for the line may be gone; that does not concern the server */
    vv_signals_wait_stop();
    vv_logfmt_event(NULL, VARVE_LOG_INFO, "serve.stopping", "requests under way may finish");
}

static varve_status serve_run(varve_db *db, const vv_config *config, varve_error *out_err)
{
    vv_server_options server_options;
    vv_collect_host_options collect_options;
    vv_server *server = NULL;
    vv_collect_host *collector = NULL;
    vv_server_options_init(&server_options);
    vv_config_apply(config, &server_options, NULL);
    server_options.log =
        config->values[VV_SETTING_ACCESS_LOG].number == 0 ? NULL : vv_logfmt_access;
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
        serve_until_asked(server);
    }
    vv_collect_host_stop(collector);
    vv_server_stop(server);
    return status;
}

/** Open what the config names and serve it. */
static int serve_config(const vv_config *config)
{
    varve_options options;
    varve_options_init(&options);
    vv_config_apply(config, NULL, &options);
    options.log = vv_logfmt_event;
    vv_signals_catch();
    vv_process_raise_files_max(SERVE_FILES_WANTED); /* what is granted has to do */
    varve_error error;
    varve_db *db = NULL;
    varve_status status =
        varve_open(config->values[VV_SETTING_DATA].text.data, &options, &db, &error);
    if (status == VARVE_OK) {
        status = serve_run(db, config, &error);
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
    vv_config config;
    varve_error error;
    vv_alloc_init(&alloc, NULL);
    varve_status status = vv_settings_load(&flags, &alloc, &config, &error);
    exit_code = status == VARVE_OK ? serve_config(&config) : vv_cli_report("serve", status, &error);
    vv_config_deinit(&config);
    return exit_code;
}
