/* SPDX-License-Identifier: Apache-2.0 */

/*
 * varve verify: reads every block, checks every checksum, compares index and rows. The digest is
 * that of the visible rows: two databases with equal contents have the same, however they are
 * stored. Works beside a server, on what its directory held at the start.
 */

#include <stdio.h>

#include "base/slice.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "sys/signals.h"

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
    vv_progress progress;
    vv_progress_init(&progress);
    varve_verified_init(&found);
    varve_task *task = vv_progress_task(&progress, "verify");
    varve_status status = varve_verify(db, task, &found, &error);
    vv_progress_end(&progress);
    varve_task_free(task);
    if (status == VARVE_OK) {
        verify_print(&found, is_json);
    }
    return vv_cli_report_world("verify", status, &error);
}

int vv_cmd_verify(int argc, char **argv)
{
    const char *data = NULL;
    bool is_json = false;
    const vv_option table[] = {
        VV_DIRECTORY_OPTION(&data),
        {"json", VV_OPTION_FLAG, &is_json, NULL, "as a JSON document"},
    };
    int operands;
    int exit_code;
    if (!vv_cli_begin("verify", "varve verify --data /var/lib/varve", table, VV_ARRAY_COUNT(table),
                      argc, argv, &operands, &exit_code)) {
        return exit_code;
    }
    if (!vv_cli_takes_none("verify", operands, argv) ||
        !vv_cli_resolve_directory("verify", &data)) {
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
