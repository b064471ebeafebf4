/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an Accept header: one of two forms. */
#include "base/assert.h"
#include "base/slice.h"
#include "server/server_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    varve_text text = vv_text_make((const char *)data, size);
    vv_figures_form form = vv_figures_choose(text);
    VV_ASSERT(form == VV_FIGURES_PROMETHEUS || form == VV_FIGURES_OPENMETRICS);
    VV_ASSERT(form == VV_FIGURES_PROMETHEUS || size >= sizeof "application/openmetrics-text" - 1);
    return 0;
}
