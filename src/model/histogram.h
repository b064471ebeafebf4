/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_MODEL_HISTOGRAM_H
#define VV_MODEL_HISTOGRAM_H

/*
 * Native histograms as bytes: one canonical form for the log, the head and the codec. Equal
 * histograms (bit for bit, NaN payloads and signs of zero included) have equal bytes and the other
 * way round. Whether spans, buckets and counts fit together is not looked at.
 */

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "varve.h"

/* Spans of one side, buckets of one side, custom values: each. The bound tsink and remote write
 * have on bucket entries. */
#define VV_HISTOGRAM_ITEMS_MAX 16384u
/* No canonical form is longer: 32 B of head and counts, two sides of spans (15 B) and buckets
 * (10 B), custom values (8 B), rounded up. */
#define VV_HISTOGRAM_BYTES_MAX (1024u * 1024u)

/** E_INVALID: unknown flags, schema or hint, an array missing or of the other kind; E_LIMIT: too
 * many items. */
VV_MUST_CHECK varve_status vv_histogram_check(const varve_histogram *histogram,
                                              varve_error *out_err);

/** Bytes of the canonical form of a checked histogram; one pass over its integers. */
size_t vv_histogram_size(const varve_histogram *histogram);

/** Append the canonical form of a checked histogram. Sticky as vv_buf. */
varve_status vv_histogram_encode(const varve_histogram *histogram, vv_buf *buf);
/** The same at `target`, which has room for vv_histogram_size; returns that size. */
size_t vv_histogram_write(const varve_histogram *histogram, uint8_t *target);

/**
 * Read the canonical form. Its arrays lie in the arena. Errors: E_CORRUPT unless `bytes` is exactly
 * what vv_histogram_encode makes of a legal histogram; E_NOMEM, E_LIMIT of the arena.
 */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_histogram_decode(vv_bytes bytes, vv_arena *arena,
                                                            varve_histogram *out_histogram,
                                                            varve_error *out_err);

/** Field for field, floats by their bits. */
bool vv_histogram_equal(const varve_histogram *a, const varve_histogram *b);

#endif
