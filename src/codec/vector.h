/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CODEC_VECTOR_H
#define VV_CODEC_VECTOR_H

/*
 * A vector: up to VV_VECTOR_ROWS_MAX rows of one series as bytes; the unit of encoding and
 * statistics. The same bytes live in head blocks, in the log (bulk calls) and in segment chunks.
 * Field ids in a vector belong to its container (head: the catalogue; log and segment: their own
 * dictionary).
 *
 * Bytes from a file pass a checksum before they come here and are still not trusted: every function
 * that reads them takes what it needs through bounds and answers E_CORRUPT. Where a function that
 * fills an array of the caller fails, the content of the array is undefined. The format is
 * docs/formats/vector.md.
 */

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "codec/stats.h"
#include "model/rows.h"

enum {
    /* One vector, and the raw bytes of one column of it. Arbitrary, far above the 64 KiB at which
     * callers cut; keeps offsets in 32 bits and a damaged size from asking for more. */
    VV_VECTOR_BYTES_MAX = 1 << 30
};

/** Buffers of the encoder and decoder, reused from call to call; one thread at a time. */
typedef struct vv_codec_scratch vv_codec_scratch;
VV_MUST_CHECK varve_status vv_codec_scratch_create(vv_alloc *alloc, vv_codec_scratch **out_scratch,
                                                   varve_error *out_err);
void vv_codec_scratch_free(vv_codec_scratch *scratch);

/**
 * Append the encoded form of 1..VV_VECTOR_ROWS_MAX rows (rules R1 to R6) to out. On failure
 * (E_NOMEM, E_LIMIT above VV_VECTOR_BYTES_MAX or the limit of out) out is as before, its sticky
 * status apart.
 */
VV_MUST_CHECK varve_status vv_vector_encode(const vv_rows *rows, vv_codec_scratch *scratch,
                                            vv_buf *out, varve_error *out_err);

/** A parsed vector: a view on bytes that the caller keeps alive. */
typedef struct vv_vector {
    vv_bytes bytes;
    uint32_t count;
    uint32_t column_count;
    int64_t first_time, last_time;
    int64_t stride; /* > 0: times are first_time + i * stride, none of which overflows; 0: not
                       constant, or one row, or too wide */
    bool has_row_ids;
    bool is_strict; /* times strictly ascend */
    /* Where the parts lie; for codec only. */
    uint8_t field_width, offset_width; /* bytes of these in an entry of the directory */
    uint32_t directory_offset, times_offset, times_size, row_ids_offset, row_ids_size;
    uint32_t columns_offset;
} vv_vector;

/** Check head and directory, O(columns). */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_vector_parse(vv_bytes bytes, vv_vector *out_vector,
                                                        varve_error *out_err);

/** One column of a parsed vector. */
typedef struct vv_vector_column {
    uint32_t field;
    uint32_t type;          /* bytes family: STRING, with marks where BYTES occur, or BYTES alone */
    uint32_t count;         /* rows of the vector */
    uint32_t present_count; /* rows with a value, NaNs included */
    bool has_presence;      /* data begins with the bitmap of rows that have a value */
    bool has_marks;         /* then with the bitmap of BYTES among them */
    vv_bytes data, stats;
} vv_vector_column;

/** Column `index` of the directory (fields ascend). */
VV_MUST_CHECK varve_status vv_vector_column_at(const vv_vector *vector, uint32_t index,
                                               vv_vector_column *out_column, varve_error *out_err);
/** Column of a field, by binary search; false when the vector has none. */
bool vv_vector_find(const vv_vector *vector, uint32_t field, vv_vector_column *out_column);

/** Times into out[vector->count]; checks that they never descend and match first and last. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_vector_times(const vv_vector *vector,
                                                        vv_codec_scratch *scratch,
                                                        int64_t *out_times, varve_error *out_err);
/** Row ids into out[vector->count]; the vector has them. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_vector_row_ids(const vv_vector *vector,
                                                          vv_codec_scratch *scratch,
                                                          uint64_t *out_row_ids,
                                                          varve_error *out_err);

/**
 * Values into out_values[count] (packed by type, zero where a row has none; blobs: varve_text[]
 * whose bytes lie in the arena or in the vector's own bytes), presence into
 * out_present[(count + 63) / 64] (bits behind count are zero; may be NULL where every row has a
 * value) and, bytes family, kinds into out_marks (as many words, set: BYTES; may be NULL
 * otherwise). Strings are as they were given; that they are UTF-8 is not checked.
 */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_vector_decode(const vv_vector_column *column,
                                                         vv_codec_scratch *scratch, vv_arena *arena,
                                                         void *out_values, uint64_t *out_present,
                                                         uint64_t *out_marks, varve_error *out_err);

/** The stored statistics. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_vector_stats(const vv_vector_column *column,
                                                        vv_stats *out_stats, varve_error *out_err);

/** Decode and add to a sum in one call (F64 where every row has a value); equal to decode and
 * vv_stats_sum_f64. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_vector_sum_f64(const vv_vector_column *column,
                                                          vv_codec_scratch *scratch,
                                                          vv_stats *stats, varve_error *out_err);

/** Times alone, for sequences beside a head block: never descending int64 of any count. */
VV_MUST_CHECK varve_status vv_times_encode(const int64_t *times, size_t count,
                                           vv_codec_scratch *scratch, vv_buf *out,
                                           varve_error *out_err);
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_times_decode(vv_bytes bytes, size_t count,
                                                        vv_codec_scratch *scratch,
                                                        int64_t *out_times, varve_error *out_err);

#endif
