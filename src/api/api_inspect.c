/* SPDX-License-Identifier: Apache-2.0 */

#include "base/status.h"
#include "engine/inspect.h"

void varve_inspect_options_init(varve_inspect_options *options)
{
    *options = (varve_inspect_options){.struct_size = sizeof *options};
}

void varve_inspected_init(varve_inspected *inspected)
{
    *inspected = (varve_inspected){.struct_size = sizeof *inspected};
}

varve_status varve_inspect(const char *path, const varve_inspect_options *options,
                           varve_inspected *out_inspected, varve_error *out_err)
{
    if (path == NULL || options == NULL || options->struct_size < sizeof *options ||
        options->visit == NULL || (options->flags & ~(uint32_t)VARVE_INSPECT_DETAILS) != 0) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "varve_inspect: no path, no visitor, or unknown flags");
    }
    vv_alloc alloc;
    vv_env env;
    vv_alloc_init(&alloc, options->allocator);
    vv_env_init_system(&env, &alloc);
    vv_facts facts = {.visit = options->visit,
                      .context = options->context,
                      .has_details = (options->flags & VARVE_INSPECT_DETAILS) != 0};
    VV_TRY(vv_inspect(&env, path, &facts, out_err));
    if (out_inspected != NULL) {
        out_inspected->facts = facts.told;
        out_inspected->damaged = facts.damaged;
    }
    return VARVE_OK;
}
