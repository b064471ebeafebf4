/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a scrub found, of any bytes: vv_scrub_record_read. What is understood is written and read
 * again as the same.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/scrub_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static vv_scrub_record record;
    static vv_scrub_record again;
    varve_status status = vv_scrub_record_read(vv_bytes_make(data, size), &record, NULL);
    require(status == VARVE_OK || status == VARVE_E_CORRUPT);
    if (!record.exists) {
        return 0;
    }
    vv_alloc alloc;
    vv_buf stored;
    vv_alloc_init(&alloc, NULL);
    vv_buf_init(&stored, &alloc, SIZE_MAX);
    require(vv_scrub_record_write(&record, &stored, NULL) == VARVE_OK);
    require(vv_scrub_record_read(vv_buf_bytes(&stored), &again, NULL) == VARVE_OK);
    require(memcmp(&record, &again, sizeof record) == 0);
    vv_buf_deinit(&stored);
    return 0;
}
