/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/shell_names.h"

#include "base/slice.h"
#include "base/status.h"
#include "cli/listing.h"
#include "cli/remote.h"
#include "cli/session.h"
#include "sys/clock.h"
#include "sys/signals.h"

/** A varve_task_check, and that of a request, whose context is a moment of vv_mono_now_ns. */
static bool shell_names_go_on(void *context)
{
    const int64_t *deadline_ns = context;
    return vv_mono_now_ns() < *deadline_ns && !vv_signals_is_stop_asked();
}

/** The selection of a metric; none when it is empty. */
static varve_list_options shell_names_options(varve_text metric, varve_selection *selection,
                                              varve_task *task)
{
    varve_list_options options;
    varve_list_options_init(&options);
    *selection = (varve_selection){.kind = VARVE_SELECT_MATCH, .text = metric};
    options.selections = selection;
    options.selection_count = metric.size > 0 ? 1 : 0;
    options.limit = VV_SHELL_NAMES_MAX;
    options.task = task;
    return options;
}

static varve_status shell_names_directory(vv_shell_names_kind kind, varve_text metric,
                                          varve_text label, vv_arena *arena, varve_text **out_names,
                                          size_t *out_count, varve_error *out_err)
{
    varve_db *db;
    varve_selection selection;
    varve_cursor *cursor = NULL;
    int64_t deadline_ns = vv_deadline_after_ns(VV_SHELL_NAMES_MS_MAX * VV_NS_PER_MS);
    VV_TRY(vv_session_lend(&db, out_err));
    varve_task *task = varve_task_create();
    if (task == NULL) {
        return vv_fail_nomem(out_err, "a task", 0);
    }
    varve_task_set_check(task, shell_names_go_on, &deadline_ns);
    varve_list_options options = shell_names_options(metric, &selection, task);
    varve_status status = VARVE_OK;
    switch (kind) {
    case VV_SHELL_METRICS:
        status = varve_metrics(db, &options, &cursor, out_err);
        break;
    case VV_SHELL_FIELDS:
        status = varve_field_names(db, &options, &cursor, out_err);
        break;
    case VV_SHELL_LABELS:
        status = varve_label_names(db, &options, &cursor, out_err);
        break;
    case VV_SHELL_VALUES:
        status = varve_label_values(db, label, &options, &cursor, out_err);
        break;
    }
    if (status == VARVE_OK) {
        size_t column = kind == VV_SHELL_FIELDS ? 1 : 0;
        status = vv_listing_take(cursor, column, NULL, arena, out_names, out_count, out_err);
    }
    varve_task_free(task);
    return status;
}

varve_status vv_shell_names_list(void *context, vv_shell_names_kind kind, varve_text metric,
                                 varve_text label, vv_arena *arena, varve_text **out_names,
                                 size_t *out_count, varve_error *out_err)
{
    const vv_shell *shell = context;
    *out_names = NULL;
    *out_count = 0;
    if (shell->target.url == NULL) {
        return shell_names_directory(kind, metric, label, arena, out_names, out_count, out_err);
    }
    if (kind == VV_SHELL_FIELDS) {
        return VARVE_OK; /* no route lists them */
    }
    int64_t deadline_ns = vv_deadline_after_ns(VV_SHELL_NAMES_MS_MAX * VV_NS_PER_MS);
    vv_remote_names_request request = {.url = shell->target.url,
                                       .label =
                                           kind == VV_SHELL_METRICS ? VV_TEXT("__name__") : label,
                                       .is_names = kind == VV_SHELL_LABELS,
                                       .metric = metric,
                                       .limit = VV_SHELL_NAMES_MAX,
                                       .goes_on = shell_names_go_on,
                                       .goes_on_context = &deadline_ns};
    return vv_remote_names(&request, arena, out_names, out_count, out_err);
}

bool vv_shell_has_metric(vv_shell *shell, varve_text metric)
{
    varve_error ignored;
    varve_text *names;
    size_t count;
    bool is_found = false;
    vv_arena_mark mark = vv_arena_save(&shell->arena);
    if (vv_shell_names_list(shell, VV_SHELL_METRICS, metric, VV_TEXT(""), &shell->arena, &names,
                            &count, &ignored) == VARVE_OK) {
        for (size_t i = 0; i < count; i++) {
            is_found = is_found || vv_text_equal(names[i], metric);
        }
    }
    vv_arena_restore(&shell->arena, mark);
    return is_found;
}
