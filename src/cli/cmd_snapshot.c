/* SPDX-License-Identifier: Apache-2.0 */

/*
 * varve snapshot, varve restore, varve scrub: copies of a database, and a look for damage.
 *
 * A snapshot is made through a read-only handle, so it works beside a server, on what its directory
 * holds at the start. An interrupted command leaves nothing behind.
 */

#include <inttypes.h>
#include <stdio.h>

#include "base/slice.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "sys/signals.h"

/** How a command names its operands, and how many there are. */
static bool snapshot_takes(const char *verb, int operands, int wanted, const char *what)
{
    if (operands != wanted) {
        vv_cli_fail(verb, "takes %s; see varve %s --help", what, verb);
    }
    return operands == wanted;
}

static void snapshot_print(const varve_copied *copied, bool is_json)
{
    printf(is_json ? "{\"sequence\":%" PRIu64 ",\"files\":%" PRIu64 ",\"linked\":%" PRIu64
                     ",\"bytes\":%" PRIu64 "}\n"
                   : "sequence  %" PRIu64 "\nfiles     %" PRIu64 "\nlinked    %" PRIu64
                     "\nbytes     %" PRIu64 "\n",
           copied->sequence, copied->files, copied->files_linked, copied->bytes);
}

/* ---- snapshot ---- */

static int snapshot_make_copy(varve_db *db, const char *path, bool is_json)
{
    varve_error error;
    varve_copied copied;
    vv_progress progress;
    vv_progress_init(&progress);
    varve_copied_init(&copied);
    varve_task *task = vv_progress_task(&progress, "snapshot");
    varve_status status = varve_snapshot(db, path, task, &copied, &error);
    vv_progress_end(&progress);
    varve_task_free(task);
    if (status == VARVE_OK) {
        snapshot_print(&copied, is_json);
    }
    return vv_cli_report_world("snapshot", status, &error);
}

int vv_cmd_snapshot(int argc, char **argv)
{
    const char *data = NULL;
    bool is_json = false;
    const vv_option table[] = {
        VV_DIRECTORY_OPTION(&data),
        {"json", VV_OPTION_FLAG, &is_json, NULL, "as a JSON document"},
    };
    int operands;
    int exit_code;
    if (!vv_cli_begin("snapshot", "varve snapshot --data /var/lib/varve /backup/monday", table,
                      VV_ARRAY_COUNT(table), argc, argv, &operands, &exit_code)) {
        return exit_code;
    }
    if (!snapshot_takes("snapshot", operands, 1, "one directory, which it makes") ||
        !vv_cli_resolve_directory("snapshot", &data)) {
        return VV_EXIT_USAGE;
    }
    vv_signals_catch();
    varve_db *db = vv_cli_open_reader("snapshot", data, &exit_code);
    if (db == NULL) {
        return exit_code;
    }
    exit_code = snapshot_make_copy(db, argv[0], is_json);
    return vv_cli_close("snapshot", db, exit_code);
}

/* ---- restore ---- */

int vv_cmd_restore(int argc, char **argv)
{
    bool is_json = false;
    const vv_option table[] = {
        {"json", VV_OPTION_FLAG, &is_json, NULL, "as a JSON document"},
    };
    int operands;
    int exit_code;
    if (!vv_cli_begin("restore", "varve restore /backup/monday /var/lib/varve", table,
                      VV_ARRAY_COUNT(table), argc, argv, &operands, &exit_code)) {
        return exit_code;
    }
    if (!snapshot_takes("restore", operands, 2, "a snapshot and the directory to make")) {
        return VV_EXIT_USAGE;
    }
    vv_signals_catch();
    varve_error error;
    varve_copied copied;
    vv_progress progress;
    vv_progress_init(&progress);
    varve_copied_init(&copied);
    varve_task *task = vv_progress_task(&progress, "restore");
    varve_status status = varve_restore(argv[0], argv[1], NULL, task, &copied, &error);
    vv_progress_end(&progress);
    varve_task_free(task);
    if (status == VARVE_OK) {
        snapshot_print(&copied, is_json);
    }
    return vv_cli_report_world("restore", status, &error);
}

/* ---- scrub ---- */

/** Each damage on a line of standard error, as it is met. */
static void snapshot_tell_damage(void *context, const varve_damage *damage)
{
    vv_progress_end(context);
    vv_cli_fail("scrub", "%s", damage->error->message);
}

static void snapshot_print_scrubbed(const varve_scrubbed *found, bool is_json)
{
    printf(is_json ? "{\"files\":%" PRIu64 ",\"blocks\":%" PRIu64 ",\"bytes\":%" PRIu64
                     ",\"damaged_files\":%" PRIu64 ",\"damaged_places\":%" PRIu64 "}\n"
                   : "files           %" PRIu64 "\nblocks          %" PRIu64
                     "\nbytes           %" PRIu64 "\ndamaged files   %" PRIu64
                     "\ndamaged places  %" PRIu64 "\n",
           found->files, found->blocks, found->bytes, found->damaged_files, found->damaged_places);
}

static int snapshot_run_scrub(varve_db *db, uint64_t rate, bool is_json)
{
    varve_error error;
    varve_scrubbed found;
    varve_scrub_options options;
    vv_progress progress;
    vv_progress_init(&progress);
    varve_scrubbed_init(&found);
    varve_scrub_options_init(&options);
    options.bytes_per_second = rate == 0 ? UINT64_MAX : rate;
    options.visit = snapshot_tell_damage;
    options.context = &progress;
    varve_task *task = vv_progress_task(&progress, "scrub");
    varve_status status = varve_scrub(db, &options, task, &found, &error);
    vv_progress_end(&progress);
    varve_task_free(task);
    if (status != VARVE_OK) {
        return vv_cli_report_world("scrub", status, &error);
    }
    snapshot_print_scrubbed(&found, is_json);
    return found.damaged_places > 0 ? VV_EXIT_FAILED : VV_EXIT_OK;
}

static void snapshot_tell_bad(void *context, const varve_damage *damage)
{
    (void)context;
    vv_cli_fail("scrub", "%s", damage->error->message);
}

/** What the last complete scrub by a server, or by a program that embeds the library, has found. */
static int snapshot_print_status(varve_db *db, bool is_json)
{
    varve_error error;
    varve_scrub_state found;
    char when[VV_TEXT_RFC3339_BYTES_MAX + 1] = "never";
    varve_scrub_state_init(&found);
    varve_status status = varve_scrub_status(db, &found, snapshot_tell_bad, NULL, &error);
    if (status != VARVE_OK) {
        return vv_cli_report_world("scrub", status, &error);
    }
    if (found.has_run != 0) {
        when[vv_text_print_rfc3339(when, found.completed_ns)] = '\0';
    }
    const char *quote = is_json && found.has_run != 0 ? "\"" : "";
    printf(is_json ? "{\"completed\":%s%s%s,\"files\":%" PRIu64 ",\"blocks\":%" PRIu64
                     ",\"bytes\":%" PRIu64 ",\"damaged_files\":%" PRIu64
                     ",\"damaged_places\":%" PRIu64 ",\"bad_places\":%" PRIu64 "}\n"
                   : "completed       %s%s%s\nfiles           %" PRIu64 "\nblocks          %" PRIu64
                     "\nbytes           %" PRIu64 "\ndamaged files   %" PRIu64
                     "\ndamaged places  %" PRIu64 "\nstill in use    %" PRIu64 "\n",
           quote, is_json && found.has_run == 0 ? "null" : when, quote, found.files, found.blocks,
           found.bytes, found.damaged_files, found.damaged_places, found.bad_places);
    return found.bad_places > 0 ? VV_EXIT_FAILED : VV_EXIT_OK;
}

int vv_cmd_scrub(int argc, char **argv)
{
    const char *data = NULL;
    bool wants_status = false;
    uint64_t rate = 10 * 1000 * 1000; /* as varve_scrub */
    bool is_json = false;
    const vv_option table[] = {
        VV_DIRECTORY_OPTION(&data),
        {"rate", VV_OPTION_BYTES, &rate, "BYTES", "to read in a second (10 MB); 0: no bound"},
        {"status", VV_OPTION_FLAG, &wants_status, NULL, "what the server's last scrub found"},
        {"json", VV_OPTION_FLAG, &is_json, NULL, "as a JSON document"},
    };
    int operands;
    int exit_code;
    if (!vv_cli_begin("scrub", "varve scrub --data /var/lib/varve --rate 50MiB", table,
                      VV_ARRAY_COUNT(table), argc, argv, &operands, &exit_code)) {
        return exit_code;
    }
    if (!vv_cli_takes_none("scrub", operands, argv) || !vv_cli_resolve_directory("scrub", &data)) {
        return VV_EXIT_USAGE;
    }
    vv_signals_catch();
    varve_db *db = vv_cli_open_reader("scrub", data, &exit_code);
    if (db == NULL) {
        return exit_code;
    }
    exit_code =
        wants_status ? snapshot_print_status(db, is_json) : snapshot_run_scrub(db, rate, is_json);
    return vv_cli_close("scrub", db, exit_code);
}
