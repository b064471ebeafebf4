/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments for tests: the same numbers always give the same rows, so that what is read can be
 * compared with what was written by making it again.
 */
#ifndef VV_TESTS_SUPPORT_SEGMENT_SAMPLE_H
#define VV_TESTS_SUPPORT_SEGMENT_SAMPLE_H

#include "base/buf.h"
#include "codec/vector.h"
#include "segment/segment.h"
#include "sys/env.h"

/*
 * Series i has metric "metric_<i / 10>" and labels host (10 values per metric), and zone but for
 * each third. Its fields: value (f64) always; count (i64) for odd i; note (bytes family, not in all
 * rows) for i % 3 == 0; size (u64) and up (bool) for i % 4 == 1; latency (histogram) for i % 5
 * == 2.
 */
typedef struct segment_sample {
    uint64_t id;
    uint32_t level;
    uint32_t series;
    uint32_t vectors;   /* of each series */
    uint32_t rows;      /* of each vector */
    size_t large_bytes; /* not 0: the first note of series 0 is a value of this size */
    bool has_meta;
    bool has_noise; /* values are random bits: nothing to compress */
} segment_sample;

typedef struct segment_sample_name {
    char metric[32];
    char values[2][32];
    varve_label labels[2];
    size_t label_count;
} segment_sample_name;
void segment_sample_name_of(uint32_t series, segment_sample_name *out_name);

/* First time of a vector; rows are 10 apart, of vector v + 1 directly behind those of v. */
int64_t segment_sample_first_time(const segment_sample *sample, uint32_t series, uint32_t vector);

/* The encoded vector, appended to out. */
varve_status segment_sample_vector(const segment_sample *sample, uint32_t series, uint32_t vector,
                                   vv_codec_scratch *scratch, vv_alloc *alloc, vv_buf *out,
                                   varve_error *out_err);

/* Write the whole sample as <directory>/<id>.part. */
varve_status segment_sample_write(const vv_env *env, const char *directory,
                                  const segment_sample *sample, vv_segment_info *out_info,
                                  varve_error *out_err);

/* Fails the test unless a segment holds exactly the sample. */
void segment_sample_check(const segment_sample *sample, vv_segment *segment, vv_block_cache *cache,
                          vv_alloc *alloc);
/* Read everything; the first failure, or OK and a hash of all that was read. */
varve_status segment_sample_read_all(vv_segment *segment, vv_block_cache *cache, uint64_t *out_hash,
                                     varve_error *out_err);

/* Make checksums and digest of a segment file right again after its bytes were changed on purpose,
 * as far as its outer structure can be followed. */
void segment_sample_reseal(uint8_t *bytes, size_t size);

#endif
