/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headers of files and records, to bytes and back. Pure functions; the picture and W1 to W3 are in
 * frame.h, the bytes in docs/formats/log.md. Reading records out of a file is frame_read.c.
 */
#include "wal/frame.h"

#include <string.h>

#include "base/assert.h"
#include "base/crc.h"
#include "base/reader.h"
#include "base/text.h"
#include "base/writer.h"

enum {
    FRAME_NAME_DIGITS = 20,
    FRAME_FILE_CRC_AT = 80, /* everything before it is covered */
    FRAME_CHAIN_AT = 24,
    FRAME_PAYLOAD_CRC_AT = 20,
    FRAME_HEADER_CRC_AT = 28,
    FRAME_SALT_AT = 56,
};

_Static_assert(VV_FRAME_PAYLOAD_BYTES_MAX % 8 == 0, "the longest payload needs no padding");

/* ---- file header ---------------------------------------------------------------------------- */

bool vv_frame_parse_name(const char *name, varve_text suffix, uint64_t *out_seq)
{
    varve_text text = vv_text_from_string(name);
    if (text.size != FRAME_NAME_DIGITS + suffix.size || !vv_text_ends_with(text, suffix)) {
        return false;
    }
    for (size_t i = 0; i < FRAME_NAME_DIGITS; ++i) {
        if (name[i] < '0' || name[i] > '9') {
            return false;
        }
    }
    return vv_text_parse_u64(vv_text_sub(text, 0, FRAME_NAME_DIGITS), out_seq);
}

static const char *frame_magic(vv_frame_kind kind)
{
    return kind == VV_FRAME_LOG ? "VARVEWAL" : "VARVEMAN";
}

void vv_frame_file_encode(vv_frame_kind kind, const vv_frame_file *file,
                          uint8_t target[VV_FRAME_FILE_HEADER_BYTES])
{
    vv_writer writer = vv_writer_of(target, VV_FRAME_FILE_HEADER_BYTES);
    vv_writer_bytes(&writer, frame_magic(kind), 8);
    vv_writer_u16(&writer, VV_FRAME_VERSION);
    vv_writer_u16(&writer, VV_FRAME_FILE_HEADER_BYTES);
    vv_writer_u32(&writer, 0);
    vv_writer_bytes(&writer, file->store_id, sizeof file->store_id);
    vv_writer_u64(&writer, file->file_seq);
    vv_writer_u64(&writer, file->first_lsn);
    vv_writer_i64(&writer, file->created_ns);
    vv_writer_u64(&writer, file->salt);
    vv_writer_u64(&writer, file->prev_last);
    vv_writer_u64(&writer, file->durable);
    VV_ASSERT(vv_writer_position(&writer) == FRAME_FILE_CRC_AT);
    vv_writer_u32(&writer, vv_crc32c(0, target, FRAME_FILE_CRC_AT));
    vv_writer_fill(&writer, 0, vv_writer_left(&writer));
}

varve_status vv_frame_file_decode(vv_frame_kind kind, vv_bytes bytes, vv_frame_file *out_file,
                                  varve_error *out_err)
{
    if (bytes.size < VV_FRAME_FILE_HEADER_BYTES) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "file header is cut short at %zu bytes",
                       bytes.size);
    }
    vv_reader reader = vv_reader_of(bytes.data, bytes.size);
    const uint8_t *magic = vv_reader_bytes(&reader, 8);
    VV_ASSERT(magic != NULL);
    if (memcmp(magic, frame_magic(kind), 8) != 0) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "does not begin with %s", frame_magic(kind));
    }
    uint16_t version = vv_reader_u16(&reader);
    uint16_t length = vv_reader_u16(&reader);
    uint32_t flags = vv_reader_u32(&reader);
    vv_frame_file file = {0};
    const uint8_t *store_id = vv_reader_bytes(&reader, sizeof file.store_id);
    VV_ASSERT(store_id != NULL);
    memcpy(file.store_id, store_id, sizeof file.store_id);
    file.file_seq = vv_reader_u64(&reader);
    file.first_lsn = vv_reader_u64(&reader);
    file.created_ns = vv_reader_i64(&reader);
    file.salt = vv_reader_u64(&reader);
    file.prev_last = vv_reader_u64(&reader);
    file.durable = vv_reader_u64(&reader);
    uint32_t crc = vv_reader_u32(&reader);
    VV_ASSERT(!vv_reader_is_bad(&reader)); /* the header was there */
    if (crc != vv_crc32c(0, bytes.data, FRAME_FILE_CRC_AT)) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "checksum of the file header does not match");
    }
    /* Judged behind the checksum: a damaged version number is damage, not a newer varve. */
    if (version != VV_FRAME_VERSION || flags != 0) {
        return vv_fail(out_err, VARVE_E_UNSUPPORTED,
                       "format version %u with flags %u; this varve reads version %d",
                       (unsigned)version, (unsigned)flags, VV_FRAME_VERSION);
    }
    if (length != VV_FRAME_FILE_HEADER_BYTES) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "file header of %u bytes", (unsigned)length);
    }
    *out_file = file;
    return VARVE_OK;
}

uint64_t vv_frame_file_salt_guess(vv_bytes bytes)
{
    vv_reader reader = vv_reader_of(bytes.data, bytes.size);
    vv_reader_skip(&reader, FRAME_SALT_AT);
    return vv_reader_u64(&reader);
}

/* ---- record header -------------------------------------------------------------------------- */

uint32_t vv_frame_chain_first(uint64_t salt)
{
    return vv_crc32c(0, &salt, sizeof salt);
}

static uint32_t frame_chain_of(uint32_t header_crc, uint32_t payload_crc)
{
    uint32_t both[2] = {header_crc, payload_crc};
    return vv_crc32c(0, both, sizeof both);
}

uint32_t vv_frame_chain_next(const vv_frame *frame)
{
    return frame_chain_of(frame->header_crc, frame->payload_crc);
}

static uint32_t frame_header_crc(const uint8_t *header, uint64_t salt)
{
    uint8_t covered[sizeof salt + FRAME_HEADER_CRC_AT];
    memcpy(covered, &salt, sizeof salt);
    memcpy(covered + sizeof salt, header, FRAME_HEADER_CRC_AT);
    return vv_crc32c(0, covered, sizeof covered);
}

void vv_frame_put(uint8_t target[VV_FRAME_HEADER_BYTES], const vv_frame *frame)
{
    VV_ASSERT(frame->payload_size <= VV_FRAME_PAYLOAD_BYTES_MAX);
    vv_writer writer = vv_writer_of(target, VV_FRAME_HEADER_BYTES);
    vv_writer_u32(&writer, VV_FRAME_SYNC_WORD);
    vv_writer_u32(&writer, frame->payload_size);
    vv_writer_u64(&writer, frame->lsn);
    vv_writer_u8(&writer, frame->type);
    vv_writer_u8(&writer, frame->flags);
    vv_writer_u16(&writer, 0);
    vv_writer_u32(&writer, frame->payload_crc);
    vv_writer_u64(&writer, 0);
}

void vv_frame_set_payload_crc(uint8_t target[VV_FRAME_HEADER_BYTES], uint32_t payload_crc)
{
    memcpy(target + FRAME_PAYLOAD_CRC_AT, &payload_crc, sizeof payload_crc);
}

uint32_t vv_frame_finish(uint8_t target[VV_FRAME_HEADER_BYTES], uint64_t salt, uint32_t chain)
{
    uint32_t payload_crc;
    memcpy(&payload_crc, target + FRAME_PAYLOAD_CRC_AT, sizeof payload_crc);
    memcpy(target + FRAME_CHAIN_AT, &chain, sizeof chain);
    uint32_t header_crc = frame_header_crc(target, salt);
    memcpy(target + FRAME_HEADER_CRC_AT, &header_crc, sizeof header_crc);
    return frame_chain_of(header_crc, payload_crc);
}

vv_frame vv_frame_get(const uint8_t source[VV_FRAME_HEADER_BYTES])
{
    vv_reader reader = vv_reader_of(source, VV_FRAME_HEADER_BYTES);
    vv_frame frame = {0};
    vv_reader_skip(&reader, 4);
    frame.payload_size = vv_reader_u32(&reader);
    frame.lsn = vv_reader_u64(&reader);
    frame.type = vv_reader_u8(&reader);
    frame.flags = vv_reader_u8(&reader);
    vv_reader_skip(&reader, 2);
    frame.payload_crc = vv_reader_u32(&reader);
    frame.chain = vv_reader_u32(&reader);
    frame.header_crc = vv_reader_u32(&reader);
    return frame;
}

vv_frame_verdict vv_frame_parse(vv_bytes bytes, uint64_t salt, vv_frame *out_frame)
{
    vv_reader reader = vv_reader_of(bytes.data, bytes.size);
    const uint8_t *header = vv_reader_bytes(&reader, VV_FRAME_HEADER_BYTES);
    if (header == NULL) {
        return VV_FRAME_ABSENT;
    }
    uint32_t sync_word;
    memcpy(&sync_word, header, sizeof sync_word);
    if (sync_word != VV_FRAME_SYNC_WORD) {
        return sync_word == 0 ? VV_FRAME_ABSENT : VV_FRAME_BAD_SYNC;
    }
    vv_frame frame = vv_frame_get(header);
    if (frame.header_crc != frame_header_crc(header, salt)) {
        return VV_FRAME_BAD_HEADER;
    }
    if (frame.payload_size > VV_FRAME_PAYLOAD_BYTES_MAX) {
        return VV_FRAME_BAD_LENGTH;
    }
    *out_frame = frame;
    return VV_FRAME_GOOD;
}

const char *vv_frame_verdict_text(vv_frame_verdict verdict)
{
    static const char *const texts[] = {
        [VV_FRAME_GOOD] = "is whole",
        [VV_FRAME_ABSENT] = "is missing",
        [VV_FRAME_BAD_SYNC] = "does not begin as a record",
        [VV_FRAME_BAD_HEADER] = "has a header whose checksum does not match",
        [VV_FRAME_BAD_LENGTH] = "is longer than its file",
        [VV_FRAME_BAD_CHAIN] = "does not follow the record before it",
        [VV_FRAME_BAD_LSN] = "has another number than expected",
        [VV_FRAME_BAD_PAYLOAD] = "has a payload whose checksum does not match",
        [VV_FRAME_BAD_GROUP] = "contradicts the records before it",
    };
    VV_ASSERT((size_t)verdict < VV_ARRAY_COUNT(texts));
    return texts[verdict];
}
