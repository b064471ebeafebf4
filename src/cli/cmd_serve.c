/* SPDX-License-Identifier: Apache-2.0 */

/*
 * varve serve: opens a directory, serves it over HTTP, and stops cleanly when asked to. Standard
 * output carries one line for each address and nothing else; events go to standard error.
 */

#include <stdio.h>
#include <string.h>

#include "base/slice.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/logfmt.h"
#include "server/collect_host.h"
#include "server/server.h"
#include "sys/process.h"
#include "sys/signals.h"

#define SERVE_LISTEN_DEFAULT "127.0.0.1:9428"

/* Connections and files of segments: far above the bound of the former. */
#define SERVE_FILES_WANTED 65536u

/** What the command line asks for. */
typedef struct serve_options {
    const char *data;
    const char *listen;
    const char *sync;
    const char *precision;
    vv_option_optional collect_host;
    uint64_t memory_limit_bytes;
    bool logs_access;
    bool allows_public;
    uint32_t collect_seconds; /* 0: off */
} serve_options;

/** collect_seconds from --collect-host. */
static bool serve_collect_seconds(serve_options *options)
{
    if (!options->collect_host.is_set) {
        return true;
    }
    uint64_t seconds = VV_COLLECT_HOST_SECONDS_DEFAULT;
    const char *value = options->collect_host.value;
    if (value != NULL && (!vv_text_parse_u64(vv_text_from_string(value), &seconds) ||
                          seconds == 0 || seconds > VV_COLLECT_HOST_SECONDS_MAX)) {
        vv_cli_fail("serve", "--collect-host takes 1 to %u seconds, not \"%s\"",
                    VV_COLLECT_HOST_SECONDS_MAX, value);
        return false;
    }
    options->collect_seconds = (uint32_t)seconds;
    return true;
}

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
    printf("listening http http://%s\n", vv_server_address(server));
    fflush(stdout); /* who waits for the line may be gone; that does not concern the server */
    vv_signals_wait_stop();
    vv_logfmt_event(NULL, VARVE_LOG_INFO, "serve.stopping", "requests under way may finish");
}

static varve_status serve_run(varve_db *db, const serve_options *options, varve_error *out_err)
{
    vv_server_options server_options;
    vv_collect_host_options collect_options;
    vv_server *server = NULL;
    vv_collect_host *collector = NULL;
    vv_server_options_init(&server_options);
    server_options.listen = vv_text_from_string(options->listen);
    server_options.allows_public = options->allows_public;
    server_options.log = options->logs_access ? vv_logfmt_access : NULL;
    vv_collect_host_options_init(&collect_options);
    collect_options.interval_s = options->collect_seconds;
    collect_options.report = serve_report_collector;
    varve_status status = vv_server_start(db, &server_options, &server, out_err);
    if (status != VARVE_OK) {
        return status;
    }
    if (options->collect_seconds > 0) {
        status = vv_collect_host_start(db, &collect_options, &collector, out_err);
    }
    if (status == VARVE_OK) {
        serve_until_asked(server);
    }
    vv_collect_host_stop(collector);
    vv_server_stop(server);
    return status;
}

/** The options of the database. */
static bool serve_database_options(const serve_options *options, varve_options *out_options)
{
    varve_options_init(out_options);
    out_options->log = vv_logfmt_event;
    out_options->memory_limit_bytes = options->memory_limit_bytes;
    return vv_cli_parse_sync("serve", options->sync, &out_options->sync) &&
           vv_cli_parse_precision("serve", options->precision, &out_options->precision);
}

int vv_cmd_serve(int argc, char **argv)
{
    serve_options options = {.data = VV_DATA_DEFAULT, .listen = SERVE_LISTEN_DEFAULT};
    const vv_option table[] = {
        {"data", VV_OPTION_TEXT, &options.data, "DIR", "the database (" VV_DATA_DEFAULT ")"},
        {"listen", VV_OPTION_TEXT, &options.listen, "ADDR:PORT",
         "address of HTTP (" SERVE_LISTEN_DEFAULT "); port 0 takes a free one"},
        {"collect-host", VV_OPTION_OPTIONAL, &options.collect_host, "[=SECONDS]",
         "write metrics of this host (every 10 s)"},
        {"sync", VV_OPTION_TEXT, &options.sync, "MODE",
         "group, always, interval, none, buffered (group)"},
        {"precision", VV_OPTION_TEXT, &options.precision, "UNIT",
         "ns, us, ms or s, of a new database (ns)"},
        {"memory-limit", VV_OPTION_BYTES, &options.memory_limit_bytes, "BYTES",
         "such as 512MiB (half of the machine's)"},
        {"access-log", VV_OPTION_FLAG, &options.logs_access, NULL, "one line for each request"},
        {"insecure-no-auth", VV_OPTION_FLAG, &options.allows_public, NULL,
         "allow addresses that others can reach"},
    };
    int operands;
    int exit_code;
    varve_options database_options;
    if (!vv_cli_begin("serve", "varve serve --collect-host --data /var/lib/varve", table,
                      VV_ARRAY_COUNT(table), argc, argv, &operands, &exit_code)) {
        return exit_code;
    }
    if (!vv_cli_takes_none("serve", operands, argv) || !serve_collect_seconds(&options) ||
        !serve_database_options(&options, &database_options)) {
        return VV_EXIT_USAGE;
    }
    vv_signals_catch();
    vv_process_raise_files_max(SERVE_FILES_WANTED); /* what is granted has to do */
    varve_error error;
    varve_db *db = NULL;
    varve_status status = varve_open(options.data, &database_options, &db, &error);
    if (status == VARVE_OK) {
        status = serve_run(db, &options, &error);
    }
    exit_code = vv_cli_report("serve", status, &error);
    return db == NULL ? exit_code : vv_cli_close("serve", db, exit_code);
}
