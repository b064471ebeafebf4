/* SPDX-License-Identifier: Apache-2.0 */

/*
 * varve write and varve import: text into a database or to a server. write takes line protocol from
 * its operands or standard input; import takes files of several formats, and shows how far it is.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "cli/bulk_load.h"
#include "cli/cli.h"
#include "cli/csv_import.h"
#include "cli/input.h"
#include "cli/progress.h"
#include "cli/remote.h"
#include "model/labels.h"
#include "sys/clock.h"
#include "sys/signals.h"
#include "sys/vfs.h"
#include "wire/decode.h"
#include "wire/prom_text.h"

/* What the database of an import may hold in memory; the process then stays below 256 MiB
 * (measured: 10 million rows of 200 series through every format). A server has more. */
#define IMPORT_MEMORY_BYTES ((uint64_t)192 * 1024 * 1024)

/** What both commands are given, and how far they are. */
typedef struct import_job {
    const char *verb;
    vv_target target;
    const char *sync;
    varve_label extra[VV_OPTION_ITEMS_MAX]; /* of every series */
    size_t extra_count;
    vv_prom_text_options prom;
    const char *format; /* NULL: by the name of the file */
    uint32_t precision; /* STORED: not given */
    vv_csv_words csv;
    varve_db *db; /* NULL: to the server */
    vv_progress progress;
    uint64_t rows;     /* of all files */
    uint64_t rejected; /* of all files */
    bool is_unknown;   /* how many rows: a server has not told it of some file */
    bool is_json;      /* what was stored is told as JSON */
} import_job;

/* ---- what the user sees --------------------------------------------------------------------- */

static double import_seconds(const import_job *job)
{
    double seconds = (double)(vv_mono_now_ns() - job->progress.begin_ns) / 1e9;
    return seconds > 1e-9 ? seconds : 1e-9;
}

static void import_show(import_job *job, const char *name, const vv_input *input,
                        const vv_load *load)
{
    vv_progress_state state = {
        .what = name,
        .done = vv_input_read_bytes(input),
        .total = vv_input_total_bytes(input),
        .unit = "rows",
        .items = job->rows + vv_load_counts_of(load).rows,
    };
    vv_progress_show(&job->progress, &state);
}

/** What became of one text; the exit code. `word` is what is counted. */
static int import_result(import_job *job, const char *name, const char *word,
                         const vv_load_counts *counts, varve_status status,
                         const varve_error *error)
{
    vv_progress_end(&job->progress);
    job->rows += counts->rows;
    job->rejected += counts->rejected;
    job->is_unknown = job->is_unknown || counts->is_unknown;
    if (counts->rejected > 0) {
        vv_cli_fail(job->verb, "%s: left out %llu; the first at %s %llu: %s", name,
                    (unsigned long long)counts->rejected, word,
                    (unsigned long long)counts->first_bad_line, counts->first_bad.message);
    }
    if (status == VARVE_E_CANCELLED && job->db == NULL) {
        vv_cli_fail(job->verb, "interrupted: the server has stored a first part of %s", name);
        return VV_EXIT_INTERRUPTED;
    }
    if (status == VARVE_E_CANCELLED) {
        vv_cli_fail(job->verb, "interrupted: the first %llu %ss of %s are stored, %llu rows",
                    (unsigned long long)counts->lines, word, name,
                    (unsigned long long)counts->rows);
        return VV_EXIT_INTERRUPTED;
    }
    if (status != VARVE_OK) {
        vv_cli_fail(job->verb, "%s: %s; the first %llu %ss are stored, %llu rows", name,
                    error->message, (unsigned long long)counts->lines, word,
                    (unsigned long long)counts->rows);
        return vv_cli_world_exit_code(status);
    }
    return counts->rejected > 0 ? VV_EXIT_PARTIAL : VV_EXIT_OK;
}

/* ---- into a database ------------------------------------------------------------------------ */

static varve_status import_feed(import_job *job, const char *name, vv_input *input, vv_load *load,
                                varve_error *out_err)
{
    for (;;) {
        vv_bytes piece;
        bool is_end;
        VV_TRY(vv_input_next(input, &piece, &is_end, out_err));
        if (is_end) {
            return vv_load_end(load, out_err);
        }
        VV_TRY(vv_load_feed(load, piece, out_err));
        import_show(job, name, input, load);
    }
}

/** Whether what came before such an end of the text is good, and kept. */
static bool import_keeps(varve_status status)
{
    return status == VARVE_E_CANCELLED || status == VARVE_E_INVALID || status == VARVE_E_LIMIT ||
           status == VARVE_E_UNSUPPORTED || status == VARVE_E_CORRUPT;
}

static int import_into_database(import_job *job, const char *name, vv_input *input,
                                const vv_load_options *options)
{
    varve_error error;
    vv_load *load;
    varve_status status = vv_load_create(job->db, options, &load, &error);
    if (status != VARVE_OK) {
        return vv_cli_report_world(job->verb, status, &error);
    }
    status = import_feed(job, name, input, load, &error);
    varve_error stop_error;
    if (import_keeps(status) && vv_load_stop(load, &stop_error) != VARVE_OK) {
        error = stop_error;
        status = error.status;
    }
    vv_load_counts counts = vv_load_counts_of(load);
    int exit_code = import_result(job, name, options->format->unit_word, &counts, status, &error);
    vv_load_free(load);
    return exit_code;
}

static int import_to_server(import_job *job, const char *name, vv_input *input,
                            const vv_load_options *options)
{
    varve_error error;
    vv_load_counts counts = {.lines = 0};
    bool is_reached = true;
    varve_status status = vv_remote_load(job->target.url, options, vv_input_next, input, &counts,
                                         &is_reached, &error);
    if (status != VARVE_OK && status != VARVE_E_CANCELLED) {
        vv_progress_end(&job->progress);
        /* A server that is not reached is named by the message. */
        vv_cli_fail(job->verb, "%s%s%s", is_reached ? name : "", is_reached ? ": " : "",
                    error.message);
        return is_reached ? vv_cli_world_exit_code(status) : VV_EXIT_CONNECTION;
    }
    return import_result(job, name, options->format->unit_word, &counts, status, &error);
}

static int import_input(import_job *job, const char *name, vv_input *input,
                        const vv_load_options *options)
{
    return job->db != NULL ? import_into_database(job, name, input, options)
                           : import_to_server(job, name, input, options);
}

/** Open the database, unless a server is named. */
static bool import_begin(import_job *job, int *out_exit)
{
    varve_options options;
    varve_options_init(&options);
    options.memory_limit_bytes = IMPORT_MEMORY_BYTES;
    *out_exit = VV_EXIT_USAGE;
    if (!vv_cli_resolve_target(job->verb, &job->target) ||
        !vv_cli_parse_sync(job->verb, job->sync, &options.sync)) {
        return false;
    }
    vv_signals_catch();
    vv_progress_init(&job->progress);
    if (job->target.url == NULL) {
        job->db = vv_cli_open_writer(job->verb, job->target.data, &options, out_exit);
        return job->db != NULL;
    }
    return true;
}

/** What was stored, of a command that ended well or in part; as far as a server tells it. */
static void import_summary(const import_job *job, int exit_code)
{
    double seconds = import_seconds(job);
    if (exit_code != VV_EXIT_OK && exit_code != VV_EXIT_PARTIAL) {
        return;
    }
    if (job->is_json) {
        char rows[VV_TEXT_I64_BYTES_MAX + sizeof "\"rows\":,"] = "";
        if (!job->is_unknown) {
            vv_text_format(rows, sizeof rows, "\"rows\":%llu,", (unsigned long long)job->rows);
        }
        printf("{%s\"rejected\":%llu,\"seconds\":%.3f}\n", rows, (unsigned long long)job->rejected,
               seconds);
    } else if (!job->is_unknown && strcmp(job->verb, "import") == 0) {
        printf("%llu rows stored, %llu left out, %.1f s, %.0f rows/s\n",
               (unsigned long long)job->rows, (unsigned long long)job->rejected, seconds,
               (double)job->rows / seconds);
    }
}

/* ---- write ---------------------------------------------------------------------------------- */

int vv_cmd_write(int argc, char **argv)
{
    import_job job = {.verb = "write"};
    const char *precision = NULL;
    const vv_option table[] = {
        VV_TARGET_OPTIONS(&job.target),
        {"precision", VV_OPTION_TEXT, &precision, "UNIT", "of the times: ns, us, ms or s (ns)"},
        {"sync", VV_OPTION_TEXT, &job.sync, "MODE",
         "group, always, interval, none, buffered (group)"},
        {"json", VV_OPTION_FLAG, &job.is_json, NULL, "what was stored, as a JSON document"},
    };
    int operands;
    int exit_code;
    if (!vv_cli_begin("write", "varve write 'cpu,host=a value=0.5'", table, VV_ARRAY_COUNT(table),
                      argc, argv, &operands, &exit_code)) {
        return exit_code;
    }
    vv_load_options options = {.format = vv_formats_find("lp"), .precision = VARVE_PRECISION_NS};
    if (!vv_cli_parse_precision("write", precision, &options.precision)) {
        return VV_EXIT_USAGE;
    }
    if (!import_begin(&job, &exit_code)) {
        return exit_code;
    }
    varve_error error;
    vv_input *input;
    varve_status status = operands > 0 ? vv_input_open_lines(argv, (size_t)operands, &input, &error)
                                       : vv_input_open("-", &input, &error);
    exit_code = vv_cli_report_world("write", status, &error);
    if (status == VARVE_OK) {
        exit_code = import_input(&job, operands > 0 ? "the command line" : "standard input", input,
                                 &options);
    }
    vv_input_close(input);
    exit_code = vv_cli_close("write", job.db, exit_code);
    import_summary(&job, exit_code);
    return exit_code;
}

/* ---- import --------------------------------------------------------------------------------- */

/** Says why the format is unknown. */
static int import_unknown(const import_job *job, const char *path)
{
    char list[128];
    vv_formats_list(list, sizeof list);
    if (job->format != NULL) {
        vv_cli_fail("import", "--format is %s, not \"%s\"", list, job->format);
    } else {
        vv_cli_fail("import", "the name of %s does not tell its format: give --format %s",
                    strcmp(path, "-") == 0 ? "standard input" : path, list);
    }
    return VV_EXIT_USAGE;
}

/** What the decoder of a format is told besides, as its header in wire/ has it. */
static const void *import_format_options(const import_job *job, const vv_format_row *format)
{
    return format->format == VV_FORMAT_OPENMETRICS ? &job->prom : NULL;
}

/** CSV: find what its columns are, show it, and read by it. */
static int import_csv(import_job *job, const char *path, vv_input *input, vv_load_options *options)
{
    varve_error error;
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    vv_csv_plan *plan;
    bool is_text_bad = false;
    varve_status status = vv_csv_plan_create(&job->csv, path, input, &plan, &is_text_bad, &error);
    if (status != VARVE_OK) {
        vv_cli_fail("import", "%s: %s", name, error.message);
        return is_text_bad ? vv_cli_world_exit_code(status) : vv_cli_exit_code(status);
    }
    int exit_code = VV_EXIT_OK;
    vv_csv_plan_show(plan);
    vv_csv_plan_apply(plan, options);
    if (vv_csv_plan_has_rows(plan)) {
        exit_code =
            job->csv.is_dry_run
                ? vv_cli_report_world("import", vv_csv_plan_print(plan, input, &error), &error)
                : import_input(job, name, input, options);
    }
    vv_csv_plan_free(plan);
    return exit_code;
}

/** A file whose format is known, or told by its first bytes. */
static int import_opened(import_job *job, const char *path, vv_input *input,
                         const vv_format_row *format)
{
    if (format == NULL) {
        varve_error error;
        vv_bytes first;
        bool is_whole;
        varve_status status =
            vv_input_peek(input, VV_FORMAT_MAGIC_BYTES, &first, &is_whole, &error);
        if (status != VARVE_OK) {
            return vv_cli_report_world("import", status, &error);
        }
        format = vv_formats_of_bytes(first);
    }
    if (format == NULL) {
        return import_unknown(job, path);
    }
    if (job->precision != VARVE_PRECISION_STORED && !format->has_unit) {
        vv_cli_fail("import", "%s: the format %s says itself what its times are: no --precision",
                    path, format->name);
        return VV_EXIT_USAGE;
    }
    bool is_csv = strcmp(format->name, "csv") == 0;
    if (!is_csv && vv_csv_words_are_given(&job->csv)) {
        vv_cli_fail("import", "%s is %s, and an option is given that only csv has", path,
                    format->name);
        return VV_EXIT_USAGE;
    }
    vv_load_options options = {
        .format = format,
        .precision = job->precision != VARVE_PRECISION_STORED ? job->precision : format->unit,
        .extra = job->extra,
        .extra_count = job->extra_count,
        .format_options = import_format_options(job, format),
    };
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    return is_csv ? import_csv(job, path, input, &options)
                  : import_input(job, name, input, &options);
}

static int import_file(import_job *job, const char *path)
{
    varve_error error;
    vv_input *input;
    const vv_format_row *format =
        job->format != NULL ? vv_formats_find(job->format) : vv_formats_of_path(path);
    if (vv_input_open(path, &input, &error) != VARVE_OK) {
        vv_cli_fail("import", "%s", error.message);
        return VV_EXIT_FAILED;
    }
    int exit_code = import_opened(job, path, input, format);
    vv_input_close(input);
    return exit_code;
}

/** Whether all files are there, before a database is made for them; says which is not. */
static int import_look(int count, char **paths)
{
    for (int i = 0; i < count; i++) {
        varve_error error;
        vv_file_info info;
        if (paths[i][0] == '\0') {
            vv_cli_fail("import", "the name of a file is empty");
            return VV_EXIT_USAGE;
        }
        if (strcmp(paths[i], "-") == 0) {
            continue;
        }
        varve_status status = vv_vfs_stat(vv_vfs_system(), paths[i], &info, &error);
        if (status == VARVE_OK && info.kind == VV_KIND_DIRECTORY) {
            status = vv_os_fail(&error, EISDIR, "read", paths[i]);
        }
        if (status != VARVE_OK) {
            return vv_cli_report_world("import", status, &error);
        }
    }
    return VV_EXIT_OK;
}

/** All files; those after one that was left out in part are read as well. */
static int import_files(import_job *job, int count, char **paths)
{
    char standard_input[] = "-";
    int exit_code = VV_EXIT_OK;
    for (int i = 0; i < (count == 0 ? 1 : count); i++) {
        int one = import_file(job, count == 0 ? standard_input : paths[i]);
        exit_code = one == VV_EXIT_OK ? exit_code : one;
        if (one != VV_EXIT_OK && one != VV_EXIT_PARTIAL) {
            break;
        }
    }
    return exit_code;
}

/** The labels of --extra-label; false after saying which is none. */
static bool import_take_labels(import_job *job, const vv_option_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        varve_text text = vv_text_from_string(list->values[i]);
        size_t equal = vv_text_find_char(text, '=');
        if (equal == 0 || equal + 1 >= text.size) {
            vv_cli_fail("import", "--extra-label takes NAME=VALUE, not \"%s\"", list->values[i]);
            return false;
        }
        if (vv_text_equal(vv_text_sub(text, 0, equal), VV_TEXT("__name__"))) {
            vv_cli_fail("import", "--extra-label: \"__name__\" is the metric, not a label");
            return false;
        }
        job->extra[i] = (varve_label){.name = vv_text_sub(text, 0, equal),
                                      .value = vv_text_sub(text, equal + 1, text.size)};
    }
    job->extra_count = list->count;
    return true;
}

/** Names that every row gets: one that cannot be is told once, before any row. */
static bool import_check_names(const import_job *job)
{
    varve_error error;
    varve_status status = VARVE_OK;
    const char *option = "--metric";
    if (job->csv.metric != NULL) {
        status = vv_metric_check(vv_text_from_string(job->csv.metric), &error);
    }
    for (size_t i = 0; i < job->extra_count && status == VARVE_OK; i++) {
        option = "--extra-label";
        status = vv_labels_check(&job->extra[i], 1, &error);
    }
    if (status != VARVE_OK) {
        vv_cli_fail("import", "%s: %s", option, error.message);
    }
    return status == VARVE_OK;
}

int vv_cmd_import(int argc, char **argv)
{
    import_job job = {.verb = "import"};
    const char *precision = NULL;
    char formats[128];
    vv_option_list labels = {.count = 0};
    vv_formats_list(formats, sizeof formats);
    const vv_option table[] = {
        VV_TARGET_OPTIONS(&job.target),
        {"format", VV_OPTION_TEXT, &job.format, "FORMAT", formats},
        {"precision", VV_OPTION_TEXT, &precision, "UNIT",
         "of the times: ns, us, ms, s (lp: ns, jsonl: the database's)"},
        {"extra-label", VV_OPTION_LIST, &labels, "NAME=VALUE", "a label of every series"},
        {"ingest-created-as-series", VV_OPTION_FLAG, &job.prom.keeps_created, NULL,
         "openmetrics: keep samples NAME_created"},
        {"sync", VV_OPTION_TEXT, &job.sync, "MODE",
         "group, always, interval, none, buffered (group)"},
        {"json", VV_OPTION_FLAG, &job.is_json, NULL, "what was stored, as a JSON document"},
        VV_CSV_WORDS_OPTIONS(&job.csv),
    };
    int operands;
    int exit_code;
    if (!vv_cli_begin("import", "varve import metrics.lp.gz more.jsonl.zst", table,
                      VV_ARRAY_COUNT(table), argc, argv, &operands, &exit_code)) {
        return exit_code;
    }
    if (!vv_cli_parse_precision("import", precision, &job.precision) ||
        !import_take_labels(&job, &labels) || !import_check_names(&job)) {
        return VV_EXIT_USAGE;
    }
    if (job.format != NULL && vv_formats_find(job.format) == NULL) {
        return import_unknown(&job, ""); /* what was typed comes before what is there */
    }
    exit_code = import_look(operands, argv);
    if (exit_code != VV_EXIT_OK) {
        return exit_code;
    }
    if (job.csv.is_dry_run) {
        return import_files(&job, operands, argv);
    }
    if (!import_begin(&job, &exit_code)) {
        return exit_code;
    }
    exit_code = import_files(&job, operands, argv);
    exit_code = vv_cli_close("import", job.db, exit_code);
    import_summary(&job, exit_code);
    return exit_code;
}
