/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log file of any bytes, read in every mode.
 *
 * Byte 0 says how the rest is taken. Bit 0: as the file itself; else as a script of records that
 * get right checksums, so that what stands behind the checksums is reached: type, flags, difference
 * of the LSN from the expected one, size, payload. Bits 1-2: the mode. Bit 3: a second file holds
 * the second half. Bit 4: the manifest knows more.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/crc.h"
#include "base/reader.h"
#include "sys/vfs_memory.h"
#include "wal/frame.h"
#include "wal/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SALT UINT64_C(0x1234567890)

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

typedef struct fuzz_seen {
    uint64_t last_lsn;
    size_t largest;
} fuzz_seen;

static varve_status fuzz_visit(void *context, const vv_replay_record *record, varve_error *out_err)
{
    fuzz_seen *seen = context;
    (void)out_err;
    uint8_t sum = 0;
    require(record->lsn > seen->last_lsn);
    seen->last_lsn = record->lsn;
    for (size_t i = 0; i < record->payload.size; ++i) {
        sum = (uint8_t)(sum + record->payload.data[i]);
    }
    seen->largest = record->payload.size > seen->largest ? record->payload.size : sum & 0u;
    return VARVE_OK;
}

/* Records of a script, behind a good file header. */
static void fuzz_build(vv_buf *file, uint64_t seq, vv_bytes script)
{
    vv_frame_file header = {.file_seq = seq, .first_lsn = seq == 1 ? 1 : 0, .salt = SALT + seq};
    uint8_t *target = vv_buf_extend(file, VV_FRAME_FILE_HEADER_BYTES);
    require(target != NULL);
    vv_frame_file_encode(VV_FRAME_LOG, &header, target);
    uint32_t chain = vv_frame_chain_first(header.salt);
    uint64_t lsn = seq == 1 ? 1 : 100;
    vv_reader reader = vv_reader_of(script.data, script.size);
    while (vv_reader_left(&reader) > 0) {
        vv_frame frame = {.type = vv_reader_u8(&reader), .flags = vv_reader_u8(&reader)};
        lsn += vv_reader_u8(&reader);
        frame.lsn = lsn;
        size_t size = vv_reader_u8(&reader);
        size = size < vv_reader_left(&reader) ? size : vv_reader_left(&reader);
        const uint8_t *payload = vv_reader_bytes(&reader, size);
        if (vv_reader_is_bad(&reader)) {
            break;
        }
        frame.payload_size = (uint32_t)size;
        frame.payload_crc = vv_crc32c(0, payload, size);
        uint8_t bytes[VV_FRAME_HEADER_BYTES];
        vv_frame_put(bytes, &frame);
        chain = vv_frame_finish(bytes, header.salt, chain);
        (void)vv_buf_append(file, bytes, sizeof bytes);
        (void)vv_buf_append(file, payload, size);
        (void)vv_buf_append_padding(file, 8);
        lsn += 1;
    }
}

static void fuzz_put_file(const vv_vfs *vfs, vv_alloc *alloc, const char *path, bool is_raw,
                          uint64_t seq, vv_bytes bytes)
{
    vv_buf content;
    vv_file *file;
    vv_buf_init(&content, alloc, SIZE_MAX);
    if (!is_raw) {
        fuzz_build(&content, seq, bytes);
        bytes = vv_buf_bytes(&content);
    }
    require(vv_file_open(vfs, alloc, path, VV_OPEN_WRITE | VV_OPEN_CREATE, &file, NULL) ==
            VARVE_OK);
    if (bytes.size > 0) {
        require(vv_file_write_all(file, 0, bytes.data, bytes.size, NULL) == VARVE_OK);
    }
    require(vv_file_close(file, NULL) == VARVE_OK);
    vv_buf_deinit(&content);
}

/* The parts that take bytes, one by one. */
static void fuzz_parts(const vv_vfs *vfs, vv_alloc *alloc, vv_bytes bytes)
{
    vv_frame_file file;
    vv_frame frame;
    vv_frame_reader reader;
    vv_frame_verdict verdict;
    vv_bytes payload;
    varve_status status = vv_frame_file_decode(VV_FRAME_LOG, bytes, &file, NULL);
    require(status == VARVE_OK || status == VARVE_E_CORRUPT || status == VARVE_E_UNSUPPORTED);
    uint64_t salt = vv_frame_file_salt_guess(bytes);
    require(status != VARVE_OK || salt == file.salt);
    (void)vv_frame_parse(bytes, salt, &frame);
    char name[25] = {0}; /* 20 digits and a suffix, now and then */
    uint64_t seq;
    size_t name_size = bytes.size < sizeof name - 1 ? bytes.size : sizeof name - 1;
    if (name_size > 0) {
        memcpy(name, bytes.data, name_size);
    }
    (void)vv_frame_parse_name(name, VV_TEXT(".vwl"), &seq);
    require(vv_frame_reader_open(&reader, vfs, alloc, "/wal/00000000000000000001.vwl", true,
                                 NULL) == VARVE_OK);
    reader.salt = SALT + 1;
    int64_t offset = 0;
    int64_t found = 0;
    int64_t used = 0;
    while (found >= 0) {
        require(vv_frame_scan(&reader, offset, &found, &frame, &used, NULL) == VARVE_OK);
        require(found < 0 || found >= offset);
        if (found >= 0) {
            require(vv_frame_read(&reader, found, NULL, 0, &verdict, &frame, &payload, NULL) ==
                    VARVE_OK);
            require(verdict == VV_FRAME_GOOD || verdict == VV_FRAME_BAD_LENGTH ||
                    verdict == VV_FRAME_BAD_PAYLOAD);
            offset = found + 8;
        }
    }
    vv_frame_reader_close(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    vv_alloc alloc;
    vv_vfs *vfs;
    vv_alloc_init(&alloc, NULL);
    require(vv_vfs_memory_create(&alloc, &vfs, NULL) == VARVE_OK);
    require(vv_vfs_mkdir(vfs, "/wal", NULL) == VARVE_OK);
    require(vv_vfs_mkdir(vfs, "/quarantine", NULL) == VARVE_OK);
    uint8_t how = data[0];
    bool is_raw = (how & 1) != 0;
    vv_bytes bytes = vv_bytes_make(data + 1, size - 1);
    size_t first = (how & 8) != 0 ? bytes.size / 2 : bytes.size;
    fuzz_put_file(vfs, &alloc, "/wal/00000000000000000001.vwl", is_raw, 1,
                  vv_bytes_make(bytes.data, first));
    if ((how & 8) != 0) {
        fuzz_put_file(vfs, &alloc, "/wal/00000000000000000002.vwl", is_raw, 2,
                      vv_bytes_make(bytes.data + first, bytes.size - first));
    }
    fuzz_parts(vfs, &alloc, bytes);
    vv_env env;
    vv_env_init_system(&env, &alloc);
    env.vfs = vfs;
    vv_replay_options options = {.directory = "/wal",
                                 .mode = (vv_replay_mode)(how >> 1 & 3),
                                 .log_start = 1,
                                 .durable_lsn = (how & 16) != 0 ? 20 : 0,
                                 .quarantine = "/quarantine"};
    fuzz_seen seen = {0};
    vv_replay_result result;
    varve_status status = vv_replay(&env, &options, fuzz_visit, &seen, &result, NULL);
    require(status == VARVE_OK || status == VARVE_E_CORRUPT || status == VARVE_E_UNSUPPORTED ||
            (status == VARVE_E_NOT_FOUND && options.mode == VV_REPLAY_FOLLOW));
    require(status != VARVE_OK || result.last_lsn >= seen.last_lsn);
    require(status != VARVE_OK || options.mode == VV_REPLAY_FOLLOW ||
            result.end == VV_END_DAMAGED || result.last_lsn >= options.durable_lsn);
    vv_vfs_memory_free(vfs);
    require(vv_alloc_bytes(&alloc) == 0);
    return 0;
}
