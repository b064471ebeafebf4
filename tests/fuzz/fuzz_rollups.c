/* SPDX-License-Identifier: Apache-2.0 */
/* A set of rollups of any bytes: what is understood is stored in the same bytes again. */
#include <stdlib.h>

#include "base/slice.h"
#include "engine/rollup_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vv_alloc alloc;
    vv_rollup_set *set;
    vv_rollup_set *again;
    vv_alloc_init(&alloc, NULL);
    varve_status status = vv_rollup_set_read(vv_bytes_make(data, size), &alloc, &set, NULL);
    require(status == VARVE_OK || status == VARVE_E_CORRUPT);
    if (status == VARVE_OK) {
        require(vv_bytes_equal(set->stored, vv_bytes_make(data, size)));
        if (set->next_generation < UINT64_MAX - VV_ROLLUPS_MAX) {
            require(vv_rollup_set_renew(set, &again, NULL) == VARVE_OK);
            require(again->count == set->count);
            vv_rollup_set_unref(again);
        }
        vv_rollup_set_unref(set);
    }
    require(vv_alloc_bytes(&alloc) == 0);
    return 0;
}
