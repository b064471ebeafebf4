/* SPDX-License-Identifier: Apache-2.0 */

/*
 * varve verify: reads every block, checks every checksum, compares index and rows. The digest is
 * that of the visible rows: two databases with equal contents have the same, however they are
 * stored. Works beside a server, on what its directory held at the start.
 */

#include <stdio.h>
#include <string.h>

#include "base/slice.h"
#include "cli/cli.h"
#include "sys/clock.h"
#include "sys/signals.h"

#define VERIFY_SHOW_NS (200 * VV_NS_PER_MS)

/** How far it is, for the terminal. */
typedef struct verify_progress {
    varve_task *task;
    bool is_shown;
    bool is_terminal;
    int64_t shown_ns;
} verify_progress;

/** Asked all the time by the working thread. */
static bool verify_goes_on(void *context)
{
    verify_progress *progress = context;
    int64_t now_ns = vv_mono_now_ns();
    if (progress->is_terminal && now_ns - progress->shown_ns >= VERIFY_SHOW_NS) {
        uint64_t done;
        uint64_t total;
        varve_task_progress(progress->task, &done, &total);
        if (total > 0) {
            fprintf(stderr, "\rverified %3.0f%%\033[K", (double)done / (double)total * 100.0);
            fflush(stderr);
            progress->is_shown = true;
        }
        progress->shown_ns = now_ns;
    }
    return !vv_signals_is_stop_asked();
}

static void verify_print(const varve_verified *found, bool is_json)
{
    unsigned long long files = found->files;
    unsigned long long blocks = found->blocks;
    unsigned long long series = found->series;
    unsigned long long rows = found->rows;
    unsigned long long high = found->digest[0];
    unsigned long long low = found->digest[1];
    if (is_json) {
        printf("{\"files\":%llu,\"blocks\":%llu,\"series\":%llu,\"rows\":%llu,"
               "\"digest\":\"%016llx%016llx\"}\n",
               files, blocks, series, rows, high, low);
    } else {
        printf("files   %llu\nblocks  %llu\nseries  %llu\nrows    %llu\ndigest  %016llx%016llx\n",
               files, blocks, series, rows, high, low);
    }
}

static int verify_run(varve_db *db, bool is_json)
{
    varve_error error;
    varve_verified found;
    verify_progress progress = {.task = varve_task_create(), .is_terminal = vv_is_terminal(2)};
    varve_verified_init(&found);
    if (progress.task != NULL) {
        varve_task_set_check(progress.task, verify_goes_on, &progress);
    }
    varve_status status = varve_verify(db, progress.task, &found, &error);
    if (progress.is_shown) {
        fprintf(stderr, "\r\033[K");
    }
    varve_task_free(progress.task);
    if (status == VARVE_OK) {
        verify_print(&found, is_json);
    }
    return vv_cli_report("verify", status, &error);
}

int vv_cmd_verify(int argc, char **argv)
{
    const char *data = VV_DATA_DEFAULT;
    bool is_json = false;
    const vv_option table[] = {
        {"data", VV_OPTION_TEXT, &data, "DIR", "the database (" VV_DATA_DEFAULT ")"},
        {"json", VV_OPTION_FLAG, &is_json, NULL, "as a JSON document"},
    };
    int operands;
    int exit_code;
    if (!vv_cli_begin("verify", "varve verify --data /var/lib/varve", table, VV_ARRAY_COUNT(table),
                      argc, argv, &operands, &exit_code)) {
        return exit_code;
    }
    if (!vv_cli_takes_none("verify", operands, argv)) {
        return VV_EXIT_USAGE;
    }
    vv_signals_catch();
    varve_db *db = vv_cli_open_reader("verify", data, &exit_code);
    if (db == NULL) {
        return exit_code;
    }
    exit_code = verify_run(db, is_json);
    return vv_cli_close("verify", db, exit_code);
}
