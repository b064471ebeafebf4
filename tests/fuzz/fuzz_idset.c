/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stored id sets. What is taken must be written back to the very bytes it was read from, hold its
 * ids in order, and obey the limit; what is refused leaves nothing.
 */
#include "base/assert.h"
#include "base/bitmap.h"

/* Above, a set is not walked: bitmaps of 8 KiB make 65536 ids of one input easily. */
#define FUZZ_IDS_MAX 1000000u

static void fuzz_walk(const vv_idset *set)
{
    vv_idset_cursor cursor;
    vv_idset_cursor_init(&cursor, set);
    uint32_t ids[100];
    uint32_t last = 0;
    size_t seen = 0;
    size_t count = 0;
    do {
        count = vv_idset_cursor_read(&cursor, ids, VV_ARRAY_COUNT(ids));
        for (size_t index = 0; index < count; index++) {
            VV_ASSERT(seen + index == 0 || ids[index] > last);
            VV_ASSERT(index > 0 || vv_idset_contains(set, ids[index]));
            last = ids[index];
        }
        seen += count;
    } while (count > 0);
    VV_ASSERT(seen == vv_idset_count(set));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_reader reader = vv_reader_of(data, size);
    vv_idset set;
    varve_error err;
    varve_status status = vv_idset_read(&reader, FUZZ_IDS_MAX, &alloc, &set, &err);
    VV_ASSERT(status == VARVE_OK || status == VARVE_E_CORRUPT || status == VARVE_E_LIMIT);
    if (status == VARVE_OK) {
        vv_buf again;
        vv_buf_init(&again, &alloc, SIZE_MAX);
        VV_ASSERT(vv_idset_write(&set, &again) == VARVE_OK);
        vv_bytes used = vv_bytes_make(data, vv_reader_position(&reader));
        VV_ASSERT(vv_bytes_equal(vv_buf_bytes(&again), used));
        fuzz_walk(&set);
        vv_buf_deinit(&again);
    }
    vv_idset_deinit(&set, &alloc);
    VV_ASSERT(vv_alloc_bytes(&alloc) == 0);
    return 0;
}
