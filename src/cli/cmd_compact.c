/* SPDX-License-Identifier: Apache-2.0 */

/*
 * varve compact: writes what is in memory into a segment and merges segments. A server does that by
 * itself; here it is done now, and with --all until one segment is left.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/slice.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "sys/signals.h"

#define COMPACT_STATS_MAX 256u

typedef struct compact_size {
    uint64_t segments, bytes;
} compact_size;

static varve_status compact_measure(varve_db *db, compact_size *out_size, varve_error *out_err)
{
    varve_stat stats[COMPACT_STATS_MAX];
    size_t count;
    varve_status status = varve_stats(db, stats, COMPACT_STATS_MAX, &count, out_err);
    *out_size = (compact_size){.segments = 0};
    for (size_t i = 0; status == VARVE_OK && i < count && i < COMPACT_STATS_MAX; i++) {
        if (strcmp(stats[i].name, "varve_segments") == 0) {
            out_size->segments = (uint64_t)stats[i].value;
        } else if (strcmp(stats[i].name, "varve_segment_bytes") == 0) {
            out_size->bytes = (uint64_t)stats[i].value;
        }
    }
    return status;
}

static void compact_print(const compact_size *before, const compact_size *after, bool is_json)
{
    printf(is_json ? "{\"segments_before\":%" PRIu64 ",\"segments_after\":%" PRIu64
                     ",\"bytes_before\":%" PRIu64 ",\"bytes_after\":%" PRIu64 "}\n"
                   : "segments before  %" PRIu64 "\nsegments after   %" PRIu64
                     "\nbytes before     %" PRIu64 "\nbytes after      %" PRIu64 "\n",
           before->segments, after->segments, before->bytes, after->bytes);
}

static int compact_run(varve_db *db, bool all, bool is_json)
{
    varve_error error;
    compact_size before;
    compact_size after;
    vv_progress progress;
    vv_progress_init(&progress);
    varve_task *task = vv_progress_task(&progress, "compact");
    varve_status status = compact_measure(db, &before, &error);
    if (status == VARVE_OK) {
        status = varve_compact(db, all ? VARVE_COMPACT_ALL : 0, task, &error);
    }
    if (status == VARVE_OK) {
        status = compact_measure(db, &after, &error);
    }
    vv_progress_end(&progress);
    varve_task_free(task);
    if (status == VARVE_OK) {
        compact_print(&before, &after, is_json);
    }
    return vv_cli_report_world("compact", status, &error);
}

int vv_cmd_compact(int argc, char **argv)
{
    const char *data = NULL;
    bool all = false;
    bool is_json = false;
    const vv_option table[] = {
        VV_DIRECTORY_OPTION(&data),
        {"all", VV_OPTION_FLAG, &all, NULL, "until one segment is left"},
        {"json", VV_OPTION_FLAG, &is_json, NULL, "as a JSON document"},
    };
    int operands;
    int exit_code;
    if (!vv_cli_begin("compact", "varve compact --data /var/lib/varve --all", table,
                      VV_ARRAY_COUNT(table), argc, argv, &operands, &exit_code)) {
        return exit_code;
    }
    if (!vv_cli_takes_none("compact", operands, argv) ||
        !vv_cli_resolve_directory("compact", &data)) {
        return VV_EXIT_USAGE;
    }
    vv_signals_catch();
    varve_error error;
    varve_options options;
    varve_db *db = NULL;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_NO_CREATE | VARVE_OPEN_NO_BACKGROUND;
    varve_status status = varve_open(data, &options, &db, &error);
    if (status == VARVE_E_LOCKED) {
        vv_cli_fail("compact", "%s is open in another process, which merges by itself", data);
        return VV_EXIT_FAILED;
    }
    if (status != VARVE_OK) {
        return vv_cli_report_world("compact", status, &error);
    }
    exit_code = compact_run(db, all, is_json);
    return vv_cli_close("compact", db, exit_code);
}
