/* SPDX-License-Identifier: Apache-2.0 */

/*
 * varve info: how a database was created, and its figures. A directory is opened read-only; a
 * server answers the same facts at /api/v1/status/info.
 */

#include <jansson.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/json_writer.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/remote.h"
#include "net/http_url.h"
#include "server/db_facts.h"
#include "sys/signals.h"

#define INFO_BYTES_MAX     (1024u * 1024u)
#define INFO_URL_BYTES_MAX 1024u

/** What info was asked for, and where it puts things together. */
typedef struct info_job {
    vv_target target;
    bool is_json;
    char place[INFO_URL_BYTES_MAX]; /* the server, without a password */
    vv_alloc alloc;
    vv_arena arena;
    vv_buf buf;
} info_job;

/* ---- of a server ---------------------------------------------------------------------------- */

static varve_text info_text(const json_t *data, const char *key)
{
    const json_t *value = json_object_get(data, key);
    return (varve_text){json_string_value(value), json_string_length(value)};
}

/** The facts of a document; texts are borrowed from it. */
static varve_status info_parse(info_job *job, json_t *data, vv_db_facts *facts,
                               varve_error *out_err)
{
    size_t count = 0;
    json_t *stats = json_object_get(data, "stats");
    vv_db_figure *figures =
        vv_arena_array(&job->arena, json_object_size(stats) + 1, sizeof *figures);
    *facts = (vv_db_facts){.store_id = info_text(data, "store_id"),
                           .created = info_text(data, "created"),
                           .precision = info_text(data, "precision"),
                           .duplicates = info_text(data, "duplicates"),
                           .has_row_ids = json_is_true(json_object_get(data, "row_ids")),
                           .is_snapshot = json_is_true(json_object_get(data, "snapshot")),
                           .health = info_text(data, "health"),
                           .figures = figures};
    if (figures == NULL) {
        return vv_fail_nomem(out_err, "figures", json_object_size(stats));
    }
    if (facts->store_id.data == NULL || facts->health.data == NULL) {
        return vv_fail(out_err, VARVE_E_UNSUPPORTED, "%s answers no facts: another version",
                       job->place);
    }
    for (void *at = json_object_iter(stats); at != NULL; at = json_object_iter_next(stats, at)) {
        const json_t *value = json_object_iter_value(at);
        varve_text name = vv_text_from_string(json_object_iter_key(at));
        figures[count] = (vv_db_figure){name, json_number_value(value)};
        count += 1;
    }
    facts->figure_count = count;
    return VARVE_OK;
}

/* ---- both forms ----------------------------------------------------------------------------- */

/** Parts of a histogram are for programs: NAME_bucket{le="..."} come first, then sum and count. */
static bool info_is_histogram(varve_text name, varve_text *family)
{
    size_t bucket = vv_text_find(name, VV_TEXT("_bucket{"));
    if (bucket != SIZE_MAX) {
        *family = vv_text_sub(name, 0, bucket);
        return true;
    }
    varve_text rest = vv_text_sub(name, family->size, SIZE_MAX);
    return family->size > 0 && vv_text_starts_with(name, *family) &&
           (vv_text_equal(rest, VV_TEXT("_sum")) || vv_text_equal(rest, VV_TEXT("_count")));
}

static void info_print_lines(info_job *job, const vv_db_facts *facts)
{
    vv_buf *buf = &job->buf;
    varve_text family = {0};
    const struct {
        const char *name;
        varve_text value;
    } lines[] = {
        {job->target.url != NULL ? "server" : "directory",
         vv_text_from_string(job->target.url != NULL ? job->place : job->target.data)},
        {"store id", facts->store_id},
        {"created", facts->created},
        {"precision", facts->precision},
        {"duplicates", facts->duplicates},
        {"row ids", facts->has_row_ids ? VV_TEXT("on") : VV_TEXT("off")},
        {"health", facts->health},
        {"", facts->reason},
        {"snapshot", facts->is_snapshot ? VV_TEXT("yes") : VV_TEXT("")},
    };
    for (size_t i = 0; i < VV_ARRAY_COUNT(lines); i++) {
        if (lines[i].value.size > 0) {
            vv_buf_append_format(buf, "%-12s %.*s\n", lines[i].name, VV_TEXT_ARGS(lines[i].value));
        }
    }
    vv_buf_append_char(buf, '\n');
    for (size_t i = 0; i < facts->figure_count; i++) {
        char number[VV_TEXT_F64_BYTES_MAX];
        varve_text name = facts->figures[i].name;
        if (info_is_histogram(name, &family)) {
            continue;
        }
        vv_buf_append_text(buf, name);
        vv_buf_append_fill(buf, ' ', name.size < 42 ? 43 - name.size : 1);
        vv_buf_append(buf, number, vv_text_print_f64_plain(number, facts->figures[i].value));
        vv_buf_append_char(buf, '\n');
    }
}

static void info_print_json(info_job *job, const vv_db_facts *facts)
{
    vv_json json;
    bool is_server = job->target.url != NULL;
    vv_json_init(&json, &job->buf);
    vv_json_object_begin(&json);
    vv_json_key_text(&json, is_server ? VV_TEXT("url") : VV_TEXT("directory"),
                     vv_text_from_string(is_server ? job->place : job->target.data));
    vv_db_facts_print_json(facts, &json);
    vv_json_object_end(&json);
    vv_buf_append_char(&job->buf, '\n');
}

static int info_print(info_job *job, const vv_db_facts *facts)
{
    varve_error error;
    vv_buf_reset(&job->buf);
    if (job->is_json) {
        info_print_json(job, facts);
    } else {
        info_print_lines(job, facts);
    }
    varve_status status = vv_buf_check(&job->buf, &error);
    return status != VARVE_OK ? vv_cli_report("info", status, &error)
                              : vv_cli_print("info", vv_buf_text(&job->buf));
}

/* ---- the command ---------------------------------------------------------------------------- */

static int info_of_directory(info_job *job)
{
    int exit_code;
    varve_error error;
    vv_db_facts facts;
    varve_db *db = vv_cli_open_reader("info", job->target.data, &exit_code);
    if (db == NULL) {
        return exit_code;
    }
    varve_status status = vv_db_facts_read(db, &job->arena, &facts, &error);
    exit_code =
        status == VARVE_OK ? info_print(job, &facts) : vv_cli_report_world("info", status, &error);
    return vv_cli_close("info", db, exit_code);
}

static int info_of_server(info_job *job)
{
    varve_error error;
    vv_db_facts facts;
    json_t *root = NULL;
    bool is_reached = true;
    vv_http_url_print(job->place, sizeof job->place, job->target.url);
    varve_status status =
        vv_remote_text(job->target.url, "/api/v1/status/info", &job->buf, &is_reached, &error);
    if (status == VARVE_OK) {
        root = json_loadb((const char *)job->buf.data, job->buf.size, 0, NULL);
        status = info_parse(job, json_object_get(root, "data"), &facts, &error);
    }
    int exit_code =
        status == VARVE_OK ? info_print(job, &facts) : vv_cli_report("info", status, &error);
    json_decref(root);
    return is_reached ? exit_code : VV_EXIT_CONNECTION;
}

int vv_cmd_info(int argc, char **argv)
{
    info_job job = {.is_json = false};
    const vv_option table[] = {
        VV_TARGET_OPTIONS(&job.target),
        {"json", VV_OPTION_FLAG, &job.is_json, NULL, "as a JSON document"},
    };
    int operands;
    int exit_code;
    if (!vv_cli_begin("info", "varve info --data /var/lib/varve --json", table,
                      VV_ARRAY_COUNT(table), argc, argv, &operands, &exit_code)) {
        return exit_code;
    }
    if (!vv_cli_takes_none("info", operands, argv) || !vv_cli_resolve_target("info", &job.target)) {
        return VV_EXIT_USAGE;
    }
    vv_signals_catch();
    vv_alloc_init(&job.alloc, NULL);
    vv_arena_init(&job.arena, &job.alloc, INFO_BYTES_MAX);
    vv_buf_init(&job.buf, &job.alloc, INFO_BYTES_MAX);
    exit_code = job.target.url != NULL ? info_of_server(&job) : info_of_directory(&job);
    vv_buf_deinit(&job.buf);
    vv_arena_deinit(&job.arena);
    return exit_code;
}
