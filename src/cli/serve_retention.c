/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Retention from settings. Each start sets the same rules again, which changes nothing where they
 * are stored already.
 */

#include "cli/serve_retention.h"

#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "model/time_range.h"
#include "server/config.h"
#include "sys/clock.h"

/* Of a window: a second, so that it is at least one unit of any precision, to a century, which is
 * far below what nanoseconds can hold. */
#define SERVE_WINDOW_MS_MIN INT64_C(1000)
#define SERVE_WINDOW_MS_MAX (INT64_C(36500) * 24 * 3600 * 1000)

/** One --retention-metric. */
typedef struct serve_metric {
    varve_text name;
    bool follows_database;
    int64_t window_ms;
} serve_metric;

/** "cpu=30d", "a=b=1y" (of the metric "a=b"), "cpu=database". */
static bool serve_parse_metric(varve_text text, serve_metric *out_metric)
{
    size_t at = text.size;
    while (at > 0 && text.data[at - 1] != '=') {
        at--;
    }
    if (at < 2) {
        return false; /* no '=', or no name before it */
    }
    varve_text time = vv_text_make(text.data + at, text.size - at);
    int64_t ns = 0;
    out_metric->name = vv_text_make(text.data, at - 1);
    out_metric->follows_database = vv_text_equal(time, VV_TEXT("database"));
    if (!out_metric->follows_database && !vv_text_parse_duration(time, &ns)) {
        return false;
    }
    out_metric->window_ms = ns / VV_NS_PER_MS;
    return out_metric->follows_database || (out_metric->window_ms >= SERVE_WINDOW_MS_MIN &&
                                            out_metric->window_ms <= SERVE_WINDOW_MS_MAX);
}

varve_status vv_serve_check_retention(const vv_config *config, varve_error *out_err)
{
    const vv_config_value *list = &config->values[VV_SETTING_RETENTION_METRIC];
    for (size_t i = 0; i < list->item_count; i++) {
        serve_metric metric;
        if (!serve_parse_metric(list->items[i], &metric)) {
            return vv_fail(out_err, VARVE_E_INVALID,
                           "retention-metric takes METRIC=TIME with 1s to 100y, or "
                           "METRIC=database, not \"%.*s\"",
                           VV_TEXT_ARGS(list->items[i]));
        }
    }
    return VARVE_OK;
}

static int64_t serve_window(uint64_t ms, uint32_t precision)
{
    return vv_time_convert_saturating((int64_t)ms, VARVE_PRECISION_MS, precision);
}

/** The database's own: what is not given stays. */
static varve_status serve_set_database(const vv_config *config, varve_db *db, uint32_t precision,
                                       varve_error *out_err)
{
    const vv_config_value *window = &config->values[VV_SETTING_RETENTION];
    const vv_config_value *enforced = &config->values[VV_SETTING_RETENTION_ENFORCED];
    const vv_config_value *hot = &config->values[VV_SETTING_HOT_WINDOW];
    varve_retention_info info;
    if (window->number == 0 && hot->number == 0) {
        return VARVE_OK;
    }
    varve_retention_info_init(&info);
    VV_TRY(varve_retention_get(db, VV_TEXT(""), &info, out_err));
    if (window->number != 0) {
        info.retention.window = serve_window(window->number, precision);
        info.retention.is_enforced = enforced->number != 0;
    }
    if (hot->number != 0) {
        info.retention.hot_window = serve_window(hot->number, precision);
    }
    return varve_policy_retention(db, VV_TEXT(""), &info.retention, out_err);
}

static varve_status serve_set_metric(varve_db *db, const serve_metric *metric, bool is_enforced,
                                     uint32_t precision, varve_error *out_err)
{
    if (metric->follows_database) {
        return varve_policy_retention(db, metric->name, NULL, out_err);
    }
    varve_retention_info info;
    varve_retention_info_init(&info);
    VV_TRY(varve_retention_get(db, metric->name, &info, out_err));
    info.retention.window = serve_window((uint64_t)metric->window_ms, precision);
    info.retention.is_enforced = is_enforced;
    return varve_policy_retention(db, metric->name, &info.retention, out_err);
}

varve_status vv_serve_apply_retention(const vv_config *config, varve_db *db, varve_error *out_err)
{
    varve_info info;
    varve_info_init(&info);
    VV_TRY(varve_db_info(db, &info, out_err));
    VV_TRY(serve_set_database(config, db, info.precision, out_err));
    const vv_config_value *list = &config->values[VV_SETTING_RETENTION_METRIC];
    bool is_enforced = config->values[VV_SETTING_RETENTION_ENFORCED].number != 0;
    for (size_t i = 0; i < list->item_count; i++) {
        serve_metric metric;
        if (serve_parse_metric(list->items[i], &metric)) { /* checked: always */
            VV_TRY(serve_set_metric(db, &metric, is_enforced, info.precision, out_err));
        }
    }
    return VARVE_OK;
}
