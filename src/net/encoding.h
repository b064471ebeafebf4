/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_NET_ENCODING_H
#define VV_NET_ENCODING_H

/*
 * Content encodings, streaming in both directions with bounded memory: identity, gzip (several
 * members), deflate (with the zlib head, or without, as some clients send), zstd (several frames,
 * window at most 8 MiB).
 *
 * E1  Output comes in pieces of at most VV_INFLATE_PIECE_BYTES, whatever a length field claims.
 * E2  Output never exceeds decoded_bytes_max, nor 1032 times the input plus 1 MiB (what deflate can
 *     reach at all; a zstd frame beyond it is a bomb): E_LIMIT.
 * E3  An input that ends inside a frame, or has bytes behind the last one that are none, is
 *     E_INVALID.
 */

#include "base/alloc.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/slice.h"
#include "varve.h"

#define VV_INFLATE_PIECE_BYTES (64u * 1024u)
#define VV_INFLATE_RATIO_MAX   1032u

typedef enum vv_encoding {
    VV_ENCODING_IDENTITY,
    VV_ENCODING_GZIP,
    VV_ENCODING_DEFLATE,
    VV_ENCODING_ZSTD,
} vv_encoding;

/** The value of Content-Encoding: one word, x-gzip included; empty is identity. False: unknown, or
 * a list. */
VV_MUST_CHECK VV_UNTRUSTED bool vv_encoding_parse(varve_text text, vv_encoding *out_encoding);

/** What to answer in by Accept-Encoding: of ZSTD, GZIP and IDENTITY the one of the highest weight
 * (q), of equal ones the first of these; IDENTITY when none of them is wanted. */
VV_UNTRUSTED vv_encoding vv_encoding_choose(varve_text accept);

/** "gzip" and kin, terminated. */
const char *vv_encoding_name(vv_encoding encoding);

/** Takes inflated bytes; another status than OK ends the feeding and is returned by it. */
typedef varve_status (*vv_inflate_sink)(void *context, vv_bytes piece, varve_error *out_err);

typedef struct vv_inflate vv_inflate;

/** decoded_bytes_max: UINT64_MAX for none. */
VV_MUST_CHECK varve_status vv_inflate_create(vv_alloc *alloc, vv_encoding encoding,
                                             uint64_t decoded_bytes_max, vv_inflate_sink sink,
                                             void *context, vv_inflate **out_inflate,
                                             varve_error *out_err);
void vv_inflate_free(vv_inflate *inflate);

/** The next bytes of the body. Errors: E_INVALID, E_LIMIT, E_NOMEM, and the sink's. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_inflate_feed(vv_inflate *inflate, vv_bytes bytes,
                                                        varve_error *out_err);

/** No more bytes come (E3). */
VV_MUST_CHECK varve_status vv_inflate_end(vv_inflate *inflate, varve_error *out_err);

typedef struct vv_deflate vv_deflate;

/** GZIP or ZSTD. */
VV_MUST_CHECK varve_status vv_deflate_create(vv_alloc *alloc, vv_encoding encoding,
                                             vv_deflate **out_deflate, varve_error *out_err);
void vv_deflate_free(vv_deflate *deflate);

/** Append what has been fed and not yet given out, so that a reader of all of it gets every byte.
 */
VV_MUST_CHECK varve_status vv_deflate_flush(vv_deflate *deflate, vv_buf *out, varve_error *out_err);

/** Append the compressed form to out; with is_end also what closes it. */
VV_MUST_CHECK varve_status vv_deflate_feed(vv_deflate *deflate, vv_bytes bytes, bool is_end,
                                           vv_buf *out, varve_error *out_err);

#endif
