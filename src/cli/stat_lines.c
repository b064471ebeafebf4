/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/stat_lines.h"

#include <math.h>

#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"

/* More than varve_stats has; what is beyond is left out. */
#define STAT_LINES_MAX 512u

varve_status vv_figures_of_database(varve_db *db, vv_arena *arena, vv_figures *out_figures,
                                    varve_error *out_err)
{
    size_t count = 0;
    varve_stat *stats = vv_arena_array(arena, STAT_LINES_MAX, sizeof *stats);
    vv_figure *items = vv_arena_array(arena, STAT_LINES_MAX, sizeof *items);
    if (stats == NULL || items == NULL) {
        return vv_fail_nomem(out_err, "figures", STAT_LINES_MAX * sizeof *stats);
    }
    VV_TRY(varve_stats(db, stats, STAT_LINES_MAX, &count, out_err));
    count = count < STAT_LINES_MAX ? count : STAT_LINES_MAX;
    for (size_t i = 0; i < count; i++) {
        items[i] = (vv_figure){vv_text_from_string(stats[i].name), stats[i].value};
    }
    *out_figures = (vv_figures){.items = items, .count = count};
    return VARVE_OK;
}

static bool stat_lines_value(varve_text word, double *out_value)
{
    if (vv_text_equal(word, VV_TEXT("NaN"))) {
        *out_value = (double)NAN;
        return true;
    }
    return vv_text_parse_f64(word, out_value);
}

/** "name{labels} number": labels may hold spaces, the number does not. */
static bool stat_lines_one(varve_text line, vv_figure *out_figure)
{
    size_t space = vv_text_find_last_char(line, ' ');
    if (line.size == 0 || line.data[0] == '#' || space == 0 || space >= line.size) {
        return false;
    }
    out_figure->name = vv_text_sub(line, 0, space);
    return stat_lines_value(vv_text_sub(line, space + 1, line.size), &out_figure->value);
}

varve_status vv_figures_parse(varve_text text, vv_arena *arena, vv_figures *out_figures,
                              varve_error *out_err)
{
    size_t lines = 1;
    for (size_t i = 0; i < text.size; i++) {
        lines += text.data[i] == '\n';
    }
    vv_figure *items = vv_arena_array(arena, lines, sizeof *items);
    if (items == NULL) {
        return vv_arena_fail(arena, lines * sizeof *items, out_err);
    }
    size_t count = 0;
    varve_text line;
    while (vv_text_split(&text, '\n', &line)) {
        count += stat_lines_one(line, &items[count]);
    }
    *out_figures = (vv_figures){.items = items, .count = count};
    return VARVE_OK;
}

bool vv_figures_find(const vv_figures *figures, const char *name, double *out_value)
{
    varve_text wanted = vv_text_from_string(name);
    bool is_found = false;
    double sum = 0.0;
    for (size_t i = 0; i < figures->count; i++) {
        varve_text own = figures->items[i].name;
        own = vv_text_sub(own, 0, vv_text_find_char(own, '{'));
        if (vv_text_equal(own, wanted)) {
            sum += figures->items[i].value;
            is_found = true;
        }
    }
    if (is_found) {
        *out_value = sum;
    }
    return is_found;
}

double vv_figures_get(const vv_figures *figures, const char *name)
{
    double value = 0.0;
    return vv_figures_find(figures, name, &value) ? value : 0.0;
}
