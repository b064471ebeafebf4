/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/remote.h"

#include "base/status.h"

varve_status vv_remote_rows_print(const vv_remote_rows *rows, bool *out_is_reached,
                                  varve_error *out_err)
{
    *out_is_reached = true;
    return vv_fail(out_err, VARVE_E_UNSUPPORTED, "%s: this version works on directories only",
                   rows->url);
}

varve_status vv_remote_load(const char *url, const vv_load_options *options,
                            vv_remote_source source, void *context, vv_load_counts *out_counts,
                            bool *out_is_reached, varve_error *out_err)
{
    (void)options;
    (void)source;
    (void)context;
    (void)out_counts;
    *out_is_reached = true;
    return vv_fail(out_err, VARVE_E_UNSUPPORTED, "%s: this version works on directories only", url);
}

varve_status vv_remote_list(const char *url, bool is_metrics, char *const *selectors,
                            size_t selector_count, vv_arena *arena, varve_text **out_lines,
                            size_t *out_count, bool *out_is_reached, varve_error *out_err)
{
    (void)is_metrics;
    (void)selectors;
    (void)selector_count;
    (void)arena;
    (void)out_lines;
    (void)out_count;
    *out_is_reached = true;
    return vv_fail(out_err, VARVE_E_UNSUPPORTED, "%s: this version works on directories only", url);
}
