/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WAL_FRAME_H
#define VV_WAL_FRAME_H

/*
 * The framing that the log and the manifest share: a file header, then records that check
 * themselves and point back at each other. Bytes: docs/formats/log.md.
 *
 *   0          4096
 *   | file     | header 32 | payload | 0..7 | header 32 | payload | ...  zeros to the end
 *
 *   W1  The length in a record header is used only after header_crc matched, the payload only after
 *       payload_crc did.
 *   W2  header_crc covers the salt of its file, so bytes that an earlier file left on the same
 *       blocks are no records.
 *   W3  chain names the record before: a record that is valid by itself and stands at a wrong place
 *       is noticed.
 */

#include "base/buf.h"
#include "base/slice.h"
#include "sys/vfs.h"
#include "varve.h"

enum {
    VV_FRAME_FILE_HEADER_BYTES = 4096,
    VV_FRAME_HEADER_BYTES = 32,
    VV_FRAME_PAYLOAD_BYTES_MAX = 64 * 1024 * 1024 + 64 * 1024,
    VV_FRAME_SYNC_WORD = 0x524C5656, /* "VVLR" */
    VV_FRAME_VERSION = 1,
    VV_FRAME_FLAG_LAST = 1,      /* nothing of its group follows */
    VV_FRAME_FLAG_COMPRESSED = 2 /* not written by this version */
};

/* ---- file header ---------------------------------------------------------------------------- */

typedef enum vv_frame_kind {
    VV_FRAME_LOG,      /* magic VARVEWAL */
    VV_FRAME_MANIFEST, /* magic VARVEMAN */
} vv_frame_kind;

typedef struct vv_frame_file {
    uint8_t store_id[16];
    uint64_t file_seq;
    uint64_t first_lsn; /* 0 in a log file made ahead of need */
    int64_t created_ns; /* wall clock; for people */
    uint64_t salt;      /* random */
    uint64_t prev_last; /* log: last LSN of the file before; 0 in a file made ahead of need */
    uint64_t durable;   /* log: LSN known to be synced; manifest: bytes of the file at creation */
} vv_frame_file;

/** The first VV_FRAME_FILE_HEADER_BYTES of a file. */
void vv_frame_file_encode(vv_frame_kind kind, const vv_frame_file *file,
                          uint8_t target[VV_FRAME_FILE_HEADER_BYTES]);
/** E_CORRUPT, E_UNSUPPORTED (a later version). */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_frame_file_decode(vv_frame_kind kind, vv_bytes bytes,
                                                             vv_frame_file *out_file,
                                                             varve_error *out_err);
/** The number in a name of 20 digits and a suffix; false for any other name. */
VV_UNTRUSTED bool vv_frame_parse_name(const char *name, varve_text suffix, uint64_t *out_seq);
/** The salt alone, of a header whose checksum does not match; records prove whether it is right. */
VV_UNTRUSTED uint64_t vv_frame_file_salt_guess(vv_bytes bytes);

/* ---- record header -------------------------------------------------------------------------- */

typedef struct vv_frame {
    uint32_t payload_size;
    uint64_t lsn;
    uint8_t type;
    uint8_t flags;
    uint32_t payload_crc;
    uint32_t chain;
    uint32_t header_crc;
} vv_frame;

/** Bytes of a record in its file: header, payload, padding to 8. */
static inline size_t vv_frame_bytes(size_t payload_size)
{
    return VV_FRAME_HEADER_BYTES + ((payload_size + 7) & ~(size_t)7);
}

/** The chain value of the first record of a file, and of the one behind a given record. */
uint32_t vv_frame_chain_first(uint64_t salt);
uint32_t vv_frame_chain_next(const vv_frame *frame);

/** Write the header without chain and header_crc. */
void vv_frame_put(uint8_t target[VV_FRAME_HEADER_BYTES], const vv_frame *frame);
/** Finish a header written by vv_frame_put; returns the chain value of the next record. */
uint32_t vv_frame_finish(uint8_t target[VV_FRAME_HEADER_BYTES], uint64_t salt, uint32_t chain);
/** Finish with a new payload_crc (the payload was filled in late). */
void vv_frame_set_payload_crc(uint8_t target[VV_FRAME_HEADER_BYTES], uint32_t payload_crc);
/** What a header of vv_frame_put says. */
vv_frame vv_frame_get(const uint8_t source[VV_FRAME_HEADER_BYTES]);

/** What is wrong with a record. */
typedef enum vv_frame_verdict {
    VV_FRAME_GOOD,
    VV_FRAME_ABSENT,      /* sync word 0, or the file ends */
    VV_FRAME_BAD_SYNC,    /* neither a record nor zeros */
    VV_FRAME_BAD_HEADER,  /* header_crc */
    VV_FRAME_BAD_LENGTH,  /* longer than allowed or than its file */
    VV_FRAME_BAD_CHAIN,   /* does not follow the record before */
    VV_FRAME_BAD_LSN,     /* not the expected number */
    VV_FRAME_BAD_PAYLOAD, /* payload_crc */
    VV_FRAME_BAD_GROUP,   /* a COMMIT, MARK or SEAL that contradicts what stands before it */
} vv_frame_verdict;

/** "header checksum does not match" */
const char *vv_frame_verdict_text(vv_frame_verdict verdict);

/** A header by itself: sync word, header_crc, length limit. */
VV_UNTRUSTED vv_frame_verdict vv_frame_parse(vv_bytes bytes, uint64_t salt, vv_frame *out_frame);

/* ---- reading a file ------------------------------------------------------------------------- */

/** A window over a file that is read forward; bytes from keep_offset on stay in memory. */
typedef struct vv_frame_reader {
    vv_file *file;         /* owned */
    int64_t file_bytes;    /* when it was opened */
    uint64_t salt;         /* set by the owner */
    vv_buf window;         /* bytes of the file from window_offset on */
    int64_t window_offset; /* multiple of nothing */
    int64_t keep_offset;   /* bytes before it may be forgotten */
} vv_frame_reader;

/** Opens for reading. from_disk: tell the system to forget cached pages, so that a recovery sees
 * what the disk holds; not beside a live writer. A failure leaves nothing. */
VV_MUST_CHECK varve_status vv_frame_reader_open(vv_frame_reader *reader, const vv_vfs *vfs,
                                                vv_alloc *alloc, const char *path, bool from_disk,
                                                varve_error *out_err);
void vv_frame_reader_close(vv_frame_reader *reader);
/** Bytes [offset, offset + size) as far as the file has them; offset is at least keep_offset.
 *  Borrowed until the next call. */
VV_MUST_CHECK varve_status vv_frame_reader_view(vv_frame_reader *reader, int64_t offset,
                                                size_t size, vv_bytes *out_bytes,
                                                varve_error *out_err);
/** The record at offset, all checks of W1 to W3; chain NULL and expected_lsn 0 are not compared.
 *  *out_payload is borrowed until the next call and set for VV_FRAME_GOOD only. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_frame_read(vv_frame_reader *reader, int64_t offset,
                                                      const uint32_t *chain, uint64_t expected_lsn,
                                                      vv_frame_verdict *out_verdict,
                                                      vv_frame *out_frame, vv_bytes *out_payload,
                                                      varve_error *out_err);
/** The first offset at or behind `offset` (steps of 8) where a header is valid by itself;
 *  *out_offset is -1 when there is none. *out_last_used, when not NULL, grows to the end of the
 *  last byte seen that is not zero. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_frame_scan(vv_frame_reader *reader, int64_t offset,
                                                      int64_t *out_offset, vv_frame *out_frame,
                                                      int64_t *out_last_used, varve_error *out_err);

#endif
