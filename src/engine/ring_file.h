/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_RING_FILE_H
#define VV_ENGINE_RING_FILE_H

/*
 * ring/<id>.vrg: what a ring is and its pages. Format: docs/formats/ring.md.
 *
 *     | header: definition, checksum | page 0 | page 1 | ... |
 *
 * The header never changes; pages are written in place (engine/ring_flush.c), or the file is
 * written anew under another number.
 */

#include "base/arena.h"
#include "base/buf.h"
#include "engine/ring_shape.h"
#include "model/facts.h"
#include "sys/env.h"

enum {
    /* The longest names that a series may have take 4.2 MiB. */
    VV_RING_HEADER_BYTES_MAX = 8 * 1024 * 1024,
    VV_RING_NAME_BYTES = 32 /* "<20 digits>.vrg.part" and its NUL */
};

/** What the header says. Texts and arrays of one that was read lie in the arena. */
typedef struct vv_ring_header {
    uint8_t store_id[16];
    uint64_t id; /* number of the file */
    int64_t step;
    uint64_t slots;
    const varve_ring_field *fields;
    size_t field_count;
    varve_text metric;
    const varve_label *labels;
    size_t label_count;
    uint32_t header_bytes; /* out: pages begin here */
    vv_ring_shape shape;   /* out: of step, slots and fields */
} vv_ring_header;

/** "<20 digits>.vrg" and "<20 digits>.vrg.part". */
void vv_ring_file_name(uint64_t id, const char *suffix, char out_name[VV_RING_NAME_BYTES]);

/** Bytes that the header takes in its file. */
uint32_t vv_ring_header_bytes(const vv_ring_header *header);
/** Append the header. E_INVALID (as vv_ring_shape_make), E_NOMEM. */
VV_MUST_CHECK varve_status vv_ring_header_encode(const vv_ring_header *header, vv_buf *out,
                                                 varve_error *out_err);
/** Bytes of the header by its first page; E_CORRUPT, E_UNSUPPORTED. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_ring_header_size(vv_bytes first_page, uint32_t *out_size,
                                                            varve_error *out_err);
/** All of it. E_CORRUPT, E_UNSUPPORTED, E_NOMEM. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_ring_header_decode(vv_bytes bytes, vv_arena *arena,
                                                              vv_ring_header *out_header,
                                                              varve_error *out_err);

/** Where a file is made. */
typedef struct vv_ring_target {
    const vv_env *env;
    const char *tmp_directory; /* written here first */
    const char *directory;     /* as <id>.vrg */
    vv_publish_sites sites;
    bool is_copy; /* to another log: pages keep no LSN */
} vv_ring_target;

/** Write a whole file and publish it (tmp, fsync, rename, directory fsync). pages: NULL for empty
 *  ones. On failure nothing is left of it, as far as that can be. */
VV_MUST_CHECK varve_status vv_ring_file_write(const vv_ring_target *target,
                                              const vv_ring_header *header,
                                              const uint8_t *const *pages, varve_error *out_err);

/** A file that is read. */
typedef struct vv_ring_reader {
    vv_file *file;
    vv_arena arena; /* of the header */
    vv_ring_header header;
} vv_ring_reader;

/** Open and read the header; the file must have the size that it tells. On failure closed. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_ring_reader_open(const vv_env *env, const char *path,
                                                            vv_ring_reader *out_reader,
                                                            varve_error *out_err);
/** Read a page and check it; after E_CORRUPT the bytes are those of the file. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_ring_reader_page(vv_ring_reader *reader, uint64_t number,
                                                            uint8_t *out_page,
                                                            varve_error *out_err);
void vv_ring_reader_close(vv_ring_reader *reader);

/** Tell what such a file holds, its damage included. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_ring_inspect(const vv_env *env, const char *path,
                                                        vv_facts *facts, varve_error *out_err);

#endif
