/* SPDX-License-Identifier: Apache-2.0 */

#include "server/db_facts.h"

#include <math.h>

#include "base/json_writer.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "model/time_range.h"

/* More than varve_stats has; what is beyond is left out. */
#define DB_FACTS_STATS_MAX 512u

static varve_text db_facts_health(uint32_t health)
{
    static const varve_text names[] = {
        [VARVE_HEALTH_OK] = VV_TEXT_INIT("ok"),
        [VARVE_HEALTH_DEGRADED] = VV_TEXT_INIT("degraded"),
        [VARVE_HEALTH_NOSPACE] = VV_TEXT_INIT("nospace"),
        [VARVE_HEALTH_WRITE_FAILED] = VV_TEXT_INIT("write_failed"),
        [VARVE_HEALTH_CORRUPT] = VV_TEXT_INIT("corrupt"),
    };
    return health < VV_ARRAY_COUNT(names) ? names[health] : VV_TEXT("unknown");
}

static varve_status db_facts_figures(varve_db *db, vv_arena *arena, vv_db_facts *facts,
                                     varve_error *out_err)
{
    size_t count;
    varve_stat *stats = vv_arena_array(arena, DB_FACTS_STATS_MAX, sizeof *stats);
    vv_db_figure *figures = vv_arena_array(arena, DB_FACTS_STATS_MAX, sizeof *figures);
    if (stats == NULL || figures == NULL) {
        return vv_fail_nomem(out_err, "figures", DB_FACTS_STATS_MAX * sizeof *stats);
    }
    VV_TRY(varve_stats(db, stats, DB_FACTS_STATS_MAX, &count, out_err));
    count = count < DB_FACTS_STATS_MAX ? count : DB_FACTS_STATS_MAX;
    for (size_t i = 0; i < count; i++) {
        figures[i] = (vv_db_figure){vv_text_from_string(stats[i].name), stats[i].value};
    }
    facts->figures = figures;
    facts->figure_count = count;
    return VARVE_OK;
}

varve_status vv_db_facts_read(varve_db *db, vv_arena *arena, vv_db_facts *out_facts,
                              varve_error *out_err)
{
    varve_info info;
    varve_error reason = {.message = ""};
    char id[2 * sizeof info.store_id];
    char created[VV_TEXT_RFC3339_BYTES_MAX];
    varve_info_init(&info);
    VV_TRY(varve_db_info(db, &info, out_err));
    uint32_t health = varve_health(db, &reason);
    vv_text_print_hex(id, info.store_id, sizeof info.store_id);
    size_t created_size = vv_text_print_rfc3339(created, info.created_ns);
    vv_db_facts facts = {
        .precision = vv_text_from_string(vv_precision_name(info.precision)),
        .duplicates = info.duplicates == VARVE_DUPLICATES_ALL ? VV_TEXT("all") : VV_TEXT("last"),
        .has_row_ids = info.row_ids == VARVE_ROW_IDS_ON,
        .is_snapshot = info.is_snapshot != 0,
        .health = db_facts_health(health),
    };
    varve_text why = health == VARVE_HEALTH_OK ? VV_TEXT("") : vv_text_from_string(reason.message);
    if (vv_arena_copy(arena, vv_text_make(id, sizeof id), &facts.store_id) != VARVE_OK ||
        vv_arena_copy(arena, vv_text_make(created, created_size), &facts.created) != VARVE_OK ||
        vv_arena_copy(arena, why, &facts.reason) != VARVE_OK) {
        return vv_fail_nomem(out_err, "facts", sizeof facts);
    }
    VV_TRY(db_facts_figures(db, arena, &facts, out_err));
    *out_facts = facts;
    return VARVE_OK;
}

void vv_db_facts_print_json(const vv_db_facts *facts, vv_json *json)
{
    vv_json_key_text(json, VV_TEXT("store_id"), facts->store_id);
    vv_json_key_text(json, VV_TEXT("created"), facts->created);
    vv_json_key_text(json, VV_TEXT("precision"), facts->precision);
    vv_json_key_text(json, VV_TEXT("duplicates"), facts->duplicates);
    vv_json_key_bool(json, VV_TEXT("row_ids"), facts->has_row_ids);
    vv_json_key_bool(json, VV_TEXT("snapshot"), facts->is_snapshot);
    vv_json_key_text(json, VV_TEXT("health"), facts->health);
    if (facts->reason.size > 0) {
        vv_json_key_text(json, VV_TEXT("reason"), facts->reason);
    }
    vv_json_key(json, VV_TEXT("stats"));
    vv_json_object_begin(json);
    for (size_t i = 0; i < facts->figure_count; i++) {
        char number[VV_TEXT_F64_BYTES_MAX];
        double value = facts->figures[i].value;
        vv_json_key(json, facts->figures[i].name);
        if (isfinite(value)) {
            vv_json_raw(json, vv_text_make(number, vv_text_print_f64_plain(number, value)));
        } else {
            vv_json_null(json);
        }
    }
    vv_json_object_end(json);
}
