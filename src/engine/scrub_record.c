/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/scrub_record.h"

#include <string.h>

#include "base/reader.h"
#include "base/status.h"

varve_status vv_scrub_record_write(const vv_scrub_record *record, vv_buf *out, varve_error *out_err)
{
    (void)vv_buf_append_zigzag(out, record->completed_ns);
    (void)vv_buf_append_varint(out, record->files);
    (void)vv_buf_append_varint(out, record->blocks);
    (void)vv_buf_append_varint(out, record->bytes);
    (void)vv_buf_append_varint(out, record->damaged_files);
    (void)vv_buf_append_varint(out, record->damaged_places);
    (void)vv_buf_append_varint(out, record->bad_count);
    for (size_t i = 0; i < record->bad_count; i++) {
        const vv_scrub_bad *bad = &record->bad[i];
        (void)vv_buf_append_varint(out, bad->file_id);
        (void)vv_buf_append_varint(out, bad->block + 1); /* 0: not a block */
        (void)vv_buf_append_varint(out, bad->offset);
        (void)vv_buf_append_varint(out, bad->bytes);
    }
    return vv_buf_check(out, out_err);
}

varve_status vv_scrub_record_read(vv_bytes bytes, vv_scrub_record *out_record, varve_error *out_err)
{
    memset(out_record, 0, sizeof *out_record);
    if (bytes.size == 0) {
        return VARVE_OK;
    }
    vv_reader reader = vv_reader_of(bytes.data, bytes.size);
    out_record->exists = true;
    out_record->completed_ns = vv_reader_zigzag(&reader);
    out_record->files = vv_reader_varint(&reader);
    out_record->blocks = vv_reader_varint(&reader);
    out_record->bytes = vv_reader_varint(&reader);
    out_record->damaged_files = vv_reader_varint(&reader);
    out_record->damaged_places = vv_reader_varint(&reader);
    size_t count = vv_reader_count(&reader, 4, VV_SCRUB_BAD_MAX);
    for (size_t i = 0; i < count; i++) {
        vv_scrub_bad *bad = &out_record->bad[i];
        bad->file_id = vv_reader_varint(&reader);
        bad->block = vv_reader_varint(&reader) - 1;
        bad->offset = vv_reader_varint(&reader);
        bad->bytes = vv_reader_varint(&reader);
    }
    out_record->bad_count = count;
    if (!vv_reader_is_done(&reader)) {
        memset(out_record, 0, sizeof *out_record);
        return vv_fail(out_err, VARVE_E_CORRUPT, "the record of a scrub makes no sense");
    }
    return VARVE_OK;
}
