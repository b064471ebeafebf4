/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The working memory of encoder and decoder: fixed arrays for one vector in one allocation, and
 * what blobs need, allocated when the first of them comes.
 */
#include "base/status.h"
#include "codec/codec_priv.h"

varve_status vv_codec_scratch_create(vv_alloc *alloc, vv_codec_scratch **out_scratch,
                                     varve_error *out_err)
{
    *out_scratch = NULL;
    vv_codec_scratch *scratch = (vv_codec_scratch *)vv_alloc_zeroed(alloc, sizeof *scratch);
    if (scratch == NULL) {
        return vv_fail_nomem(out_err, "working memory of the codec", sizeof *scratch);
    }
    scratch->alloc = alloc;
    vv_buf_init(&scratch->entries, alloc, VV_VECTOR_BYTES_MAX);
    vv_buf_init(&scratch->raw, alloc, VV_VECTOR_BYTES_MAX);
    vv_buf_init(&scratch->turned, alloc, VV_VECTOR_BYTES_MAX);
    *out_scratch = scratch;
    return VARVE_OK;
}

void vv_codec_scratch_free(vv_codec_scratch *scratch)
{
    if (scratch != NULL) {
        vv_blobs_release(scratch);
        vv_buf_deinit(&scratch->entries);
        vv_alloc_free(scratch->alloc, scratch, sizeof *scratch);
    }
}
