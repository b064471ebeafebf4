/* SPDX-License-Identifier: Apache-2.0 */
/* IDENT: bytes that decode are the bytes that the result encodes to. */
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "engine/ident.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void fuzz_decode(vv_bytes bytes)
{
    vv_ident ident;
    varve_status status = vv_ident_decode(bytes, &ident, NULL);
    require(status == VARVE_OK || status == VARVE_E_CORRUPT || status == VARVE_E_UNSUPPORTED);
    if (status == VARVE_OK) {
        uint8_t again[VV_IDENT_BYTES];
        vv_ident_encode(&ident, again);
        require(memcmp(again, bytes.data, 56) == 0); /* the rest is zero and the checksum */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_decode(vv_bytes_make(data, size));
    if (size >= VV_IDENT_BYTES) { /* and with the right checksum */
        uint8_t bytes[VV_IDENT_BYTES];
        memcpy(bytes, data, sizeof bytes);
        uint32_t crc = vv_crc32c(0, bytes, 64);
        memcpy(bytes + 64, &crc, sizeof crc);
        fuzz_decode(vv_bytes_make(bytes, sizeof bytes));
    }
    return 0;
}
