/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading framed files: a window that moves forward over the file, the checks of one record, and
 * the search for the next record behind bytes that are none.
 *
 *       keep_offset                 offset + size
 *   ........|#### group so far ####|#### asked ####|~~~~ read ahead ~~~~|
 *           window                                                      window end
 *
 * The window holds what lies from keep_offset on, so its size is that of the largest group plus one
 * chunk. What was checked is handed out from memory and never read a second time.
 */
#include <string.h>

#include "base/assert.h"
#include "base/crc.h"
#include "wal/frame.h"

enum {
    /* Bytes read at once: large enough that a call costs nothing beside the copy (measured: above
     * 256 KiB the speed no longer changes). */
    FRAME_READ_CHUNK_BYTES = 1024 * 1024,
    /* Bytes looked at together by a search. */
    FRAME_READ_SCAN_BYTES = 64 * 1024,
};

varve_status vv_frame_reader_open(vv_frame_reader *reader, const vv_vfs *vfs, vv_alloc *alloc,
                                  const char *path, bool from_disk, varve_error *out_err)
{
    *reader = (vv_frame_reader){0};
    vv_buf_init(&reader->window, alloc, SIZE_MAX);
    vv_file_info info;
    varve_status status = vv_file_open(vfs, alloc, path, VV_OPEN_READ, &reader->file, out_err);
    if (status != VARVE_OK) {
        goto done;
    }
    status = vv_file_stat(reader->file, &info, out_err);
    if (status != VARVE_OK) {
        goto done;
    }
    reader->file_bytes = info.size;
    /* A failed sync may have left pages in memory that the disk does not hold: ask the disk. */
    if (from_disk) {
        status = vv_file_advise(reader->file, 0, 0, VV_ADVICE_DONTNEED, out_err);
    }
done:
    if (status != VARVE_OK) {
        vv_frame_reader_close(reader);
    }
    return status;
}

void vv_frame_reader_close(vv_frame_reader *reader)
{
    vv_file *file = reader->file;
    reader->file = NULL;
    VV_IGNORE(vv_file_close(file, NULL)); /* opened for reading: nothing can be lost */
    vv_buf_deinit(&reader->window);
}

/* Forget what lies before keep_offset, when that is worth the move. */
static void frame_read_forget(vv_frame_reader *reader)
{
    int64_t window_end = reader->window_offset + (int64_t)reader->window.size;
    if (reader->keep_offset >= window_end) {
        vv_buf_truncate(&reader->window, 0);
        reader->window_offset = reader->keep_offset;
        return;
    }
    size_t passed = (size_t)(reader->keep_offset - reader->window_offset);
    if (passed >= reader->window.size / 2) {
        vv_buf_drop_front(&reader->window, passed);
        reader->window_offset = reader->keep_offset;
    }
}

/* Read on until the window reaches `end` (at most the end of the file) or the file is over. */
static varve_status frame_read_fill(vv_frame_reader *reader, int64_t end, varve_error *out_err)
{
    frame_read_forget(reader);
    int64_t window_end = reader->window_offset + (int64_t)reader->window.size;
    int64_t wanted_end = window_end + FRAME_READ_CHUNK_BYTES;
    wanted_end = wanted_end > end ? wanted_end : end;
    wanted_end = wanted_end < reader->file_bytes ? wanted_end : reader->file_bytes;
    if (wanted_end <= window_end) {
        return VARVE_OK;
    }
    size_t wanted = (size_t)(wanted_end - window_end);
    if (vv_buf_reserve(&reader->window, wanted) != VARVE_OK) {
        varve_status status = vv_buf_check(&reader->window, out_err);
        reader->window.status = VARVE_OK;
        return status;
    }
    size_t read = 0;
    VV_TRY(vv_file_read(reader->file, window_end, reader->window.data + reader->window.size, wanted,
                        &read, out_err));
    vv_buf_advance(&reader->window, read);
    if (read < wanted) {
        reader->file_bytes = window_end + (int64_t)read; /* it was cut meanwhile */
    }
    return VARVE_OK;
}

varve_status vv_frame_reader_view(vv_frame_reader *reader, int64_t offset, size_t size,
                                  vv_bytes *out_bytes, varve_error *out_err)
{
    VV_ASSERT(offset >= reader->keep_offset && offset >= reader->window_offset);
    int64_t end = offset <= reader->file_bytes && size < (uint64_t)(reader->file_bytes - offset)
                      ? offset + (int64_t)size
                      : reader->file_bytes;
    if (end > reader->window_offset + (int64_t)reader->window.size) {
        VV_TRY(frame_read_fill(reader, end, out_err));
    }
    int64_t window_end = reader->window_offset + (int64_t)reader->window.size;
    end = end < window_end ? end : window_end;
    if (end <= offset) {
        *out_bytes = (vv_bytes){0};
        return VARVE_OK;
    }
    *out_bytes = (vv_bytes){.data = reader->window.data + (offset - reader->window_offset),
                            .size = (size_t)(end - offset)};
    return VARVE_OK;
}

varve_status vv_frame_read(vv_frame_reader *reader, int64_t offset, const uint32_t *chain,
                           uint64_t expected_lsn, vv_frame_verdict *out_verdict,
                           vv_frame *out_frame, vv_bytes *out_payload, varve_error *out_err)
{
    vv_bytes bytes;
    vv_frame frame = {0};
    VV_TRY(vv_frame_reader_view(reader, offset, VV_FRAME_HEADER_BYTES, &bytes, out_err));
    vv_frame_verdict verdict = vv_frame_parse(bytes, reader->salt, &frame);
    if (verdict == VV_FRAME_GOOD && chain != NULL && frame.chain != *chain) {
        verdict = VV_FRAME_BAD_CHAIN;
    }
    if (verdict == VV_FRAME_GOOD && expected_lsn != 0 && frame.lsn != expected_lsn) {
        verdict = VV_FRAME_BAD_LSN;
    }
    vv_bytes payload = {0};
    if (verdict == VV_FRAME_GOOD) {
        size_t size = VV_FRAME_HEADER_BYTES + (size_t)frame.payload_size;
        VV_TRY(vv_frame_reader_view(reader, offset, size, &bytes, out_err));
        if (bytes.size < size) {
            verdict = VV_FRAME_BAD_LENGTH;
        } else {
            payload = vv_bytes_make(bytes.data + VV_FRAME_HEADER_BYTES, frame.payload_size);
        }
    }
    if (verdict == VV_FRAME_GOOD && vv_crc32c(0, payload.data, payload.size) != frame.payload_crc) {
        verdict = VV_FRAME_BAD_PAYLOAD;
    }
    *out_verdict = verdict;
    if (verdict == VV_FRAME_GOOD) {
        *out_frame = frame;
        *out_payload = payload;
    }
    return VARVE_OK;
}

/* The first position in `bytes` (steps of 8) where a header is valid, or bytes.size rounded down to
 * where the search has to go on. *used grows to behind the last byte that is not zero. */
static size_t frame_read_search(vv_bytes bytes, uint64_t salt, vv_frame *out_frame,
                                bool *out_is_found, size_t *used)
{
    size_t position = 0;
    for (; position + 8 <= bytes.size; position += 8) {
        uint64_t word;
        memcpy(&word, bytes.data + position, sizeof word);
        if (word == 0) {
            continue;
        }
        if ((uint32_t)word == VV_FRAME_SYNC_WORD) {
            if (bytes.size - position < VV_FRAME_HEADER_BYTES) {
                break;
            }
            vv_bytes rest = vv_bytes_make(bytes.data + position, bytes.size - position);
            if (vv_frame_parse(rest, salt, out_frame) == VV_FRAME_GOOD) {
                *out_is_found = true;
                return position;
            }
        }
        *used = position + 8 - vv_clz64(word) / 8;
    }
    return position;
}

varve_status vv_frame_scan(vv_frame_reader *reader, int64_t offset, int64_t *out_offset,
                           vv_frame *out_frame, int64_t *out_last_used, varve_error *out_err)
{
    bool is_found = false;
    while (!is_found && offset < reader->file_bytes) {
        reader->keep_offset = offset;
        vv_bytes bytes;
        VV_TRY(vv_frame_reader_view(reader, offset, FRAME_READ_SCAN_BYTES, &bytes, out_err));
        if (bytes.size == 0) {
            break;
        }
        size_t used = 0;
        size_t position = frame_read_search(bytes, reader->salt, out_frame, &is_found, &used);
        bool is_rest = !is_found && bytes.size < FRAME_READ_SCAN_BYTES;
        for (size_t tail = position; is_rest && tail < bytes.size; ++tail) {
            used = bytes.data[tail] != 0 ? tail + 1 : used;
        }
        if (out_last_used != NULL && used > 0) {
            *out_last_used = offset + (int64_t)used;
        }
        if (is_rest) {
            break;
        }
        offset += (int64_t)position;
    }
    *out_offset = is_found ? offset : -1;
    return VARVE_OK;
}
