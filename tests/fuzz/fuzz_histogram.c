/* SPDX-License-Identifier: Apache-2.0 */
/* Stored histograms: bytes that decode are exactly the bytes that the result encodes to. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "model/histogram.h"

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
    vv_alloc_init(&alloc, NULL);
    vv_arena arena;
    vv_arena_init(&arena, &alloc, SIZE_MAX);
    varve_histogram histogram;
    varve_error err;
    varve_status status = vv_histogram_decode(vv_bytes_make(data, size), &arena, &histogram, &err);
    require(status == VARVE_OK || status == VARVE_E_CORRUPT);
    if (status == VARVE_OK) {
        vv_buf buf;
        vv_buf_init(&buf, &alloc, SIZE_MAX);
        require(vv_histogram_check(&histogram, &err) == VARVE_OK);
        require(vv_histogram_encode(&histogram, &buf) == VARVE_OK);
        require(vv_bytes_equal(vv_buf_bytes(&buf), vv_bytes_make(data, size)));
        require(vv_histogram_equal(&histogram, &histogram));
        vv_buf_deinit(&buf);
    }
    vv_arena_deinit(&arena);
    require(vv_alloc_bytes(&alloc) == 0);
    return 0;
}
