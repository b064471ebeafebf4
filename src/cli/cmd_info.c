/* SPDX-License-Identifier: Apache-2.0 */

/*
 * varve info: how a database was created, and its figures.
 */

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json_writer.h"
#include "base/slice.h"
#include "base/text.h"
#include "cli/cli.h"
#include "model/time_range.h"

#define INFO_STATS_MAX 256u
#define INFO_BYTES_MAX (1024u * 1024u)

static const char *info_duplicates(uint32_t duplicates)
{
    return duplicates == VARVE_DUPLICATES_ALL ? "all" : "last";
}

static const char *info_health(uint32_t health)
{
    static const char *const names[] = {
        [VARVE_HEALTH_OK] = "ok",           [VARVE_HEALTH_DEGRADED] = "degraded",
        [VARVE_HEALTH_NOSPACE] = "nospace", [VARVE_HEALTH_WRITE_FAILED] = "write_failed",
        [VARVE_HEALTH_CORRUPT] = "corrupt",
    };
    return health < VV_ARRAY_COUNT(names) ? names[health] : "unknown";
}

/** What both forms show. */
typedef struct info_facts {
    const char *data;
    varve_info info;
    char id[33];
    char created[VV_TEXT_RFC3339_BYTES_MAX + 1];
    const char *health;
    varve_error reason;
    varve_stat stats[INFO_STATS_MAX];
    size_t stat_count;
} info_facts;

static varve_status info_gather(varve_db *db, info_facts *facts, varve_error *out_err)
{
    varve_info_init(&facts->info);
    VV_TRY(varve_db_info(db, &facts->info, out_err));
    VV_TRY(varve_stats(db, facts->stats, INFO_STATS_MAX, &facts->stat_count, out_err));
    facts->stat_count = facts->stat_count < INFO_STATS_MAX ? facts->stat_count : INFO_STATS_MAX;
    vv_text_print_hex(facts->id, facts->info.store_id, sizeof facts->info.store_id);
    facts->id[sizeof facts->id - 1] = '\0';
    facts->created[vv_text_print_rfc3339(facts->created, facts->info.created_ns)] = '\0';
    facts->health = info_health(varve_health(db, &facts->reason));
    return VARVE_OK;
}

static void info_append_figure(vv_buf *buf, double value)
{
    char text[VV_TEXT_F64_BYTES_MAX];
    vv_buf_append(buf, text, vv_text_print_f64_plain(text, value));
}

static void info_print_lines(const info_facts *facts, vv_buf *buf)
{
    vv_buf_append_format(buf, "directory    %s\nstore id     %s\ncreated      %s\n", facts->data,
                         facts->id, facts->created);
    vv_buf_append_format(
        buf, "precision    %s\nduplicates   %s\nrow ids      %s\nhealth       %s\n",
        vv_precision_name(facts->info.precision), info_duplicates(facts->info.duplicates),
        facts->info.row_ids == VARVE_ROW_IDS_ON ? "on" : "off", facts->health);
    if (strcmp(facts->health, "ok") != 0) {
        vv_buf_append_format(buf, "             %s\n", facts->reason.message);
    }
    if (facts->info.is_snapshot != 0) {
        vv_buf_append_format(buf, "snapshot     yes\n");
    }
    vv_buf_append_char(buf, '\n');
    for (size_t i = 0; i < facts->stat_count; i++) {
        if (facts->stats[i].kind == VARVE_STAT_HISTOGRAM) {
            continue; /* for programs: --json has them */
        }
        vv_buf_append_format(buf, "%-42s ", facts->stats[i].name);
        info_append_figure(buf, facts->stats[i].value);
        vv_buf_append_char(buf, '\n');
    }
}

static void info_print_json(const info_facts *facts, vv_buf *buf)
{
    vv_json json;
    char number[VV_TEXT_F64_BYTES_MAX];
    vv_json_init(&json, buf);
    vv_json_object_begin(&json);
    vv_json_key_text(&json, VV_TEXT("directory"), vv_text_from_string(facts->data));
    vv_json_key_text(&json, VV_TEXT("store_id"), vv_text_from_string(facts->id));
    vv_json_key_text(&json, VV_TEXT("created"), vv_text_from_string(facts->created));
    vv_json_key_text(&json, VV_TEXT("precision"),
                     vv_text_from_string(vv_precision_name(facts->info.precision)));
    vv_json_key_text(&json, VV_TEXT("duplicates"),
                     vv_text_from_string(info_duplicates(facts->info.duplicates)));
    vv_json_key_bool(&json, VV_TEXT("row_ids"), facts->info.row_ids == VARVE_ROW_IDS_ON);
    vv_json_key_bool(&json, VV_TEXT("snapshot"), facts->info.is_snapshot != 0);
    vv_json_key_text(&json, VV_TEXT("health"), vv_text_from_string(facts->health));
    vv_json_key(&json, VV_TEXT("stats"));
    vv_json_object_begin(&json);
    for (size_t i = 0; i < facts->stat_count; i++) {
        vv_json_key(&json, vv_text_from_string(facts->stats[i].name));
        size_t size = vv_text_print_f64_plain(number, facts->stats[i].value);
        vv_json_raw(&json, vv_text_make(number, size));
    }
    vv_json_object_end(&json);
    vv_json_object_end(&json);
    vv_buf_append_char(buf, '\n');
}

static int info_print(varve_db *db, const char *data, bool is_json)
{
    info_facts facts;
    varve_error error;
    vv_alloc alloc;
    vv_buf buf;
    memset(&facts, 0, sizeof facts);
    facts.data = data;
    varve_status status = info_gather(db, &facts, &error);
    if (status != VARVE_OK) {
        return vv_cli_report("info", status, &error);
    }
    vv_alloc_init(&alloc, NULL);
    vv_buf_init(&buf, &alloc, INFO_BYTES_MAX);
    if (is_json) {
        info_print_json(&facts, &buf);
    } else {
        info_print_lines(&facts, &buf);
    }
    status = vv_buf_check(&buf, &error);
    int exit_code = vv_cli_report("info", status, &error);
    if (status == VARVE_OK) {
        exit_code = vv_cli_print("info", vv_buf_text(&buf));
    }
    vv_buf_deinit(&buf);
    return exit_code;
}

int vv_cmd_info(int argc, char **argv)
{
    const char *data = VV_DATA_DEFAULT;
    bool is_json = false;
    const vv_option table[] = {
        {"data", VV_OPTION_TEXT, &data, "DIR", "the database (" VV_DATA_DEFAULT ")"},
        {"json", VV_OPTION_FLAG, &is_json, NULL, "as a JSON document"},
    };
    int operands;
    int exit_code;
    if (!vv_cli_begin("info", "varve info --data /var/lib/varve --json", table,
                      VV_ARRAY_COUNT(table), argc, argv, &operands, &exit_code)) {
        return exit_code;
    }
    if (!vv_cli_takes_none("info", operands, argv)) {
        return VV_EXIT_USAGE;
    }
    varve_db *db = vv_cli_open_reader("info", data, &exit_code);
    if (db == NULL) {
        return exit_code;
    }
    exit_code = info_print(db, data, is_json);
    return vv_cli_close("info", db, exit_code);
}
