/* SPDX-License-Identifier: Apache-2.0 */
/* Stored selections: what reads back is stored as it was read, and can be asked. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "model/selection.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void fuzz_selection_store(const vv_selection *selection, vv_alloc *alloc)
{
    vv_buf first, second;
    vv_buf_init(&first, alloc, SIZE_MAX);
    vv_buf_init(&second, alloc, SIZE_MAX);
    require(vv_selection_encode(selection, &first, NULL) == VARVE_OK);
    vv_selection *again;
    require(vv_selection_decode(vv_buf_bytes(&first), alloc, &again, NULL) == VARVE_OK);
    require(vv_selection_encode(again, &second, NULL) == VARVE_OK);
    require(vv_bytes_equal(vv_buf_bytes(&first), vv_buf_bytes(&second)));
    vv_selection_free(again);
    vv_buf_deinit(&first);
    vv_buf_deinit(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_selection *selection;
    varve_error err;
    varve_status status = vv_selection_decode(vv_bytes_make(data, size), &alloc, &selection, &err);
    require((status == VARVE_OK) == (selection != NULL));
    require(status == VARVE_OK || status == VARVE_E_CORRUPT || status == VARVE_E_LIMIT);
    if (selection != NULL) {
        fuzz_selection_store(selection, &alloc);
        const varve_label label = {.name = VV_TEXT("host"), .value = VV_TEXT("web-1")};
        bool matches = false;
        status = vv_selection_matches(selection, VV_TEXT("cpu"), &label, 1, &matches, &err);
        require(status == VARVE_OK || status == VARVE_E_LIMIT);
    }
    vv_selection_free(selection);
    require(vv_alloc_bytes(&alloc) == 0);
    return 0;
}
