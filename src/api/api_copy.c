/* SPDX-License-Identifier: Apache-2.0 */

/* Bodies of varve.h: snapshot, restore and scrub. Argument checks; the work is done in engine/. */

#include <string.h>

#include "api/api_figures_priv.h"
#include "base/status.h"
#include "engine/scrub.h"
#include "engine/scrub_status.h"
#include "engine/snapshot.h"

void varve_copied_init(varve_copied *copied)
{
    memset(copied, 0, sizeof *copied);
    copied->struct_size = sizeof *copied;
}

void varve_scrub_options_init(varve_scrub_options *options)
{
    memset(options, 0, sizeof *options);
    options->struct_size = sizeof *options;
}

void varve_scrub_state_init(varve_scrub_state *state)
{
    memset(state, 0, sizeof *state);
    state->struct_size = sizeof *state;
}

void varve_scrubbed_init(varve_scrubbed *scrubbed)
{
    memset(scrubbed, 0, sizeof *scrubbed);
    scrubbed->struct_size = sizeof *scrubbed;
}

/** The caller's struct, or one of ours where he wants none. */
static varve_status api_copy_result(const char *function, varve_copied *given, varve_copied *own,
                                    varve_copied **out_used, varve_error *out_err)
{
    varve_copied_init(own);
    *out_used = given == NULL ? own : given;
    if ((*out_used)->struct_size < sizeof *own) {
        return vv_fail(out_err, VARVE_E_INVALID, "%s: call varve_copied_init first", function);
    }
    return VARVE_OK;
}

varve_status varve_snapshot(varve_db *db, const char *path, varve_task *task,
                            varve_copied *out_copied, varve_error *out_err)
{
    varve_copied own;
    varve_copied *copied;
    VV_TRY(vv_db_check(db, out_err));
    if (path == NULL) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_snapshot: the path is NULL");
    }
    VV_TRY(api_copy_result("varve_snapshot", out_copied, &own, &copied, out_err));
    return vv_api_maintained(db, vv_snapshot(db, path, task, copied, out_err));
}

varve_status varve_restore(const char *snapshot, const char *path, const varve_options *options,
                           varve_task *task, varve_copied *out_copied, varve_error *out_err)
{
    varve_copied own;
    varve_copied *copied;
    if (snapshot == NULL || path == NULL || snapshot[0] == '\0') {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_restore: a path is missing");
    }
    VV_TRY(api_copy_result("varve_restore", out_copied, &own, &copied, out_err));
    return vv_restore(snapshot, path, options, task, copied, out_err);
}

varve_status varve_scrub(varve_db *db, const varve_scrub_options *options, varve_task *task,
                         varve_scrubbed *out_scrubbed, varve_error *out_err)
{
    varve_scrub_options defaults;
    VV_TRY(vv_db_check(db, out_err));
    varve_scrub_options_init(&defaults);
    if (out_scrubbed == NULL || out_scrubbed->struct_size < sizeof *out_scrubbed) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_scrub: call varve_scrubbed_init first");
    }
    if (options != NULL && options->struct_size < sizeof *options) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "varve_scrub: call varve_scrub_options_init first");
    }
    return vv_api_maintained(
        db, vv_scrub(db, options == NULL ? &defaults : options, task, out_scrubbed, out_err));
}

varve_status varve_scrub_status(varve_db *db, varve_scrub_state *out_state,
                                varve_damage_visitor visit, void *context, varve_error *out_err)
{
    VV_TRY(vv_db_check(db, out_err));
    if (out_state == NULL || out_state->struct_size < sizeof *out_state) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "varve_scrub_status: call varve_scrub_state_init first");
    }
    vv_scrub_status(db, out_state, visit, context);
    return VARVE_OK;
}
