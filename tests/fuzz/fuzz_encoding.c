/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content encodings: any bytes inflate within their bounds or are refused, and what is deflated
 * inflates to the same. The first byte chooses.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "net/encoding.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

#define DECODED_MAX (4u * 1024u * 1024u)

static varve_status fuzz_encoding_take(void *context, vv_bytes piece, varve_error *out_err)
{
    (void)out_err;
    vv_buf *buf = context;
    require(piece.size > 0 && buf->size + piece.size <= DECODED_MAX);
    return vv_buf_append(buf, piece.data, piece.size);
}

static varve_status fuzz_encoding_inflate(vv_alloc *alloc, vv_encoding encoding, vv_bytes bytes,
                                          size_t piece, vv_buf *out)
{
    vv_inflate *inflate;
    require(vv_inflate_create(alloc, encoding, DECODED_MAX, fuzz_encoding_take, out, &inflate,
                              NULL) == VARVE_OK);
    varve_status status = VARVE_OK;
    for (size_t at = 0; at < bytes.size && status == VARVE_OK; at += piece) {
        size_t left = bytes.size - at;
        status = vv_inflate_feed(inflate,
                                 vv_bytes_make(bytes.data + at, left < piece ? left : piece), NULL);
    }
    if (status == VARVE_OK) {
        status = vv_inflate_end(inflate, NULL);
    }
    vv_inflate_free(inflate);
    return status;
}

static void fuzz_encoding_round(vv_alloc *alloc, vv_encoding encoding, vv_bytes bytes)
{
    vv_buf packed;
    vv_buf plain;
    vv_buf_init(&packed, alloc, SIZE_MAX);
    vv_buf_init(&plain, alloc, SIZE_MAX);
    vv_deflate *deflate;
    require(vv_deflate_create(alloc, encoding, &deflate, NULL) == VARVE_OK);
    size_t half = bytes.size / 2;
    require(vv_deflate_feed(deflate, vv_bytes_make(bytes.data, half), false, &packed, NULL) ==
            VARVE_OK);
    require(vv_deflate_feed(deflate, vv_bytes_make(bytes.data + half, bytes.size - half), true,
                            &packed, NULL) == VARVE_OK);
    vv_deflate_free(deflate);
    varve_status status =
        fuzz_encoding_inflate(alloc, encoding, vv_buf_bytes(&packed), 100, &plain);
    require(status == VARVE_OK && vv_bytes_equal(vv_buf_bytes(&plain), bytes));
    vv_buf_deinit(&packed);
    vv_buf_deinit(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    static const vv_encoding encodings[] = {VV_ENCODING_IDENTITY, VV_ENCODING_GZIP,
                                            VV_ENCODING_DEFLATE, VV_ENCODING_ZSTD};
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_bytes bytes = vv_bytes_make(data + 1, size - 1);
    varve_text text = vv_text_of_bytes(bytes);
    vv_encoding parsed;
    VV_IGNORE(vv_encoding_parse(text, &parsed));
    VV_IGNORE(vv_encoding_choose(text));
    vv_buf out;
    vv_buf_init(&out, &alloc, SIZE_MAX);
    VV_IGNORE(fuzz_encoding_inflate(&alloc, encodings[data[0] % 4], bytes, 1 + data[0], &out));
    vv_buf_deinit(&out);
    fuzz_encoding_round(&alloc, (data[0] & 4) != 0 ? VV_ENCODING_GZIP : VV_ENCODING_ZSTD, bytes);
    require(vv_alloc_bytes(&alloc) == 0);
    return 0;
}
