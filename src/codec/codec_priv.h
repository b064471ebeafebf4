/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CODEC_CODEC_PRIV_H
#define VV_CODEC_CODEC_PRIV_H

/*
 * The parts of which a vector is put together, from the bottom up (docs/formats/vector.md):
 *
 *   bitpack   unsigned numbers of one width
 *   int_frame numbers as distance from a base, outliers apart
 *   ints      64-bit integers: constant, frame, delta, curve, runs, dictionary
 *   bitset    presence, kinds, bools
 *   times, floats (decimals, split), blobs
 *
 * A write appends to the buffer; a failure there is sticky, the caller asks once (vv_buf_check). A
 * read takes its bytes from the reader and spoils it when they make no sense; arrays it fills are
 * then undefined. Counts are 1..VV_VECTOR_ROWS_MAX and known to the reader of a part beforehand.
 */

#include "base/assert.h"
#include "base/bitmap.h"
#include "base/buf.h"
#include "base/reader.h"
#include "codec/stats.h"
#include "codec/vector.h"
#include "model/rows.h"

enum {
    VV_SCRATCH_COUNT = VV_VECTOR_ROWS_MAX + 8, /* room for a whole group of 8 behind */
    VV_INTS_DICTIONARY_MAX = VV_VECTOR_ROWS_MAX,
    VV_INTS_SAMPLE_WORDS = 256, /* bits of a set: 64 times the values looked at */
    VV_INTS_SLOTS = 2048        /* of a hash table: a power of two, twice the rows */
};

/** The index of sample i of those taken every `step` values: not quite evenly, since what
 * alternates with the step would be seen from one side only. */
static inline size_t vv_sample_index(size_t i, size_t step)
{
    return i * step + i * 5 % step;
}

/* Memory of the library that packs bytes; blobs.c knows what is behind. */
typedef struct vv_codec_zstd {
    void *compressor;   /* NULL until first used */
    void *decompressor; /* NULL until first used */
} vv_codec_zstd;

/* Every array has one use inside of each part, named here; a part that calls another one leaves
 * what the other uses alone. */
struct vv_codec_scratch {
    vv_alloc *alloc; /* borrowed, outlives the scratch */

    uint64_t dense[VV_SCRATCH_COUNT];          /* vector: the values of a column without gaps */
    uint64_t present[VV_VECTOR_ROWS_MAX / 64]; /* vector: which rows have a value */
    uint64_t marks[VV_VECTOR_ROWS_MAX / 64];   /* vector: kinds of the values without gaps */
    uint64_t words[VV_VECTOR_ROWS_MAX / 64];   /* bools: as bits */

    int64_t ints[VV_SCRATCH_COUNT];       /* floats: decimals; blobs: lengths; times: residuals */
    uint64_t positions[VV_SCRATCH_COUNT]; /* floats: where the exceptions are */
    int64_t outliers[VV_SCRATCH_COUNT];   /* floats: bits of the exceptions; blobs: codes */

    uint64_t deltas[VV_SCRATCH_COUNT];     /* ints: differences */
    uint64_t packed[VV_SCRATCH_COUNT];     /* frame: distances from the base */
    uint64_t table[VV_SCRATCH_COUNT];      /* ints: values of the dictionary */
    uint64_t codes[VV_SCRATCH_COUNT];      /* ints, split: codes */
    uint64_t runs[VV_SCRATCH_COUNT];       /* ints: values of runs */
    uint64_t lengths[VV_SCRATCH_COUNT];    /* ints: lengths of runs */
    uint64_t sample[VV_INTS_SAMPLE_WORDS]; /* ints: a set of hashes */
    uint16_t order[2][VV_SCRATCH_COUNT];   /* ints: of the table, before it was sorted */
    uint64_t patch_at[VV_SCRATCH_COUNT];   /* frame: where the outliers are */
    uint64_t patch[VV_SCRATCH_COUNT];      /* frame: the outliers */
    uint16_t slots[VV_INTS_SLOTS];         /* ints, blobs: hash table of a dictionary */

    vv_buf entries;                          /* vector: what goes into the directory */
    varve_text texts[VV_VECTOR_ROWS_MAX];    /* vector: the blobs of a column without gaps */
    varve_text distinct[VV_VECTOR_ROWS_MAX]; /* blobs: the dictionary */
    vv_buf raw;                              /* blobs: their bytes side by side */
    vv_buf turned;                           /* blobs: the same transposed */
    vv_codec_zstd zstd;
};

/* ---- bitpack.c ---- */

/** Bits of the numbers 0..max. */
static inline uint32_t vv_bits_for(uint64_t max)
{
    return vv_bit_width64(max);
}

static inline size_t vv_bitpack_size(size_t count, uint32_t width)
{
    return (count * width + 7) / 8;
}

/** Values below 2^width. */
void vv_bitpack_write(const uint64_t *values, size_t count, uint32_t width, vv_buf *out);
void vv_bitpack_read(vv_reader *reader, size_t count, uint32_t width, uint64_t *out_values);
struct vv_unpack;
/** The same for count >= 1 values of width 1..64, which become what `how` says: uint64_t, or double
 * of a decimal. */
void vv_bitpack_read_as(vv_reader *reader, size_t count, struct vv_unpack *how, void *out_values);

/* ---- int_frame.c ---- */

/** How an array is to be written: distances from base, in `width` bits; those that do not fit are
 * exceptions. */
typedef struct vv_int_frame {
    uint64_t base;
    uint32_t width;
    uint32_t exception_width;
    size_t exception_count;
    size_t size; /* of the whole, in bytes */
} vv_int_frame;

/** The plan without exceptions, for values from min to max (as signed). */
vv_int_frame vv_int_frame_plain(size_t count, int64_t min, int64_t max);
/** The best plan; values are signed numbers. */
vv_int_frame vv_int_frame_plan(const uint64_t *values, size_t count, int64_t min, int64_t max);
void vv_int_frame_write(const vv_int_frame *frame, const uint64_t *values, size_t count,
                        vv_codec_scratch *scratch, vv_buf *out);
/** Plan and write. */
void vv_int_frame_write_best(const uint64_t *values, size_t count, vv_codec_scratch *scratch,
                             vv_buf *out);
void vv_int_frame_read(vv_reader *reader, size_t count, vv_codec_scratch *scratch,
                       uint64_t *out_values);
/** The running sums of `first` and the values. */
void vv_int_frame_read_sums(vv_reader *reader, size_t count, uint64_t first,
                            vv_codec_scratch *scratch, uint64_t *out_values);
struct vv_decimal;
/** The values as doubles of a decimal. */
void vv_int_frame_read_decimals(vv_reader *reader, size_t count, const struct vv_decimal *decimal,
                                vv_codec_scratch *scratch, double *out_values);

/* ---- ints.c ---- */

/** The form that takes the least bytes, and what it needs. */
typedef struct vv_ints_plan {
    uint8_t form;
    size_t size;            /* of the whole, in bytes */
    vv_int_frame frame;     /* FRAME, DELTA, CURVE; DICTIONARY: of differences of the values */
    size_t run_count;       /* RUNS */
    size_t dictionary_size; /* DICTIONARY: values, ascending in scratch->table; their codes in
                               codes; 0: nothing of the scratch is needed for writing */
} vv_ints_plan;

void vv_ints_plan_best(const int64_t *values, size_t count, vv_codec_scratch *scratch,
                       vv_ints_plan *out_plan);
/** With a dictionary the scratch is as the plan has left it. */
void vv_ints_write_planned(const vv_ints_plan *plan, const int64_t *values, size_t count,
                           vv_codec_scratch *scratch, vv_buf *out);
/** Plan and write. */
void vv_ints_write(const int64_t *values, size_t count, vv_codec_scratch *scratch, vv_buf *out);
void vv_ints_read(vv_reader *reader, size_t count, vv_codec_scratch *scratch, int64_t *out_values);
/** As doubles of a decimal. */
void vv_ints_read_decimals(vv_reader *reader, size_t count, const struct vv_decimal *decimal,
                           vv_codec_scratch *scratch, double *out_values);

/* ---- bools.c ---- */

/** count bits; those behind count are ignored. */
void vv_bitset_write(const uint64_t *words, size_t count, vv_codec_scratch *scratch, vv_buf *out);
/** Bits behind count come out as zero. */
void vv_bitset_read(vv_reader *reader, size_t count, vv_codec_scratch *scratch,
                    uint64_t *out_words);
void vv_bools_write(const uint8_t *values, size_t count, vv_codec_scratch *scratch, vv_buf *out);
void vv_bools_read(vv_reader *reader, size_t count, vv_codec_scratch *scratch, uint8_t *out_values);

/* ---- times.c ---- */

typedef struct vv_times_head {
    uint32_t form;
    int64_t first, last;
    uint64_t slope; /* form stride: the stride */
} vv_times_head;

/** count times, never descending; returns whether they strictly ascend. */
bool vv_times_write(const int64_t *times, size_t count, vv_codec_scratch *scratch, vv_buf *out);
/** Takes the head only; what follows of the reader is the body. */
void vv_times_read_head(vv_reader *reader, size_t count, vv_times_head *out_head);
void vv_times_read(vv_reader *reader, size_t count, vv_codec_scratch *scratch, int64_t *out_times);
/** The stride of times in constant steps, 0 for others. */
uint64_t vv_times_stride(const vv_times_head *head);

/* ---- decimal.c ---- */

/** How doubles became integers, for the statistics: all of them, NaNs excepted, are exact decimals
 * of this code. */
typedef struct vv_decimal_fit {
    bool is_exact;
    uint8_t code;
    size_t nan_count; /* where exact */
} vv_decimal_fit;

/** What a decimal code stands for; false when it stands for nothing. */
bool vv_decimal_of_code(uint8_t code, struct vv_decimal *out_decimal);
/** The code that suits the values best by a sample; false when they are no decimals. */
bool vv_decimal_search(const double *values, size_t count, uint8_t *out_code);

/* ---- split.c ---- */

/** No split of count values takes fewer bytes: the least right part has 48 bits. */
static inline size_t vv_split_size_min(size_t count)
{
    return count * 48 / 8;
}

/** False (nothing written) where it takes more than size_max bytes. */
bool vv_split_write(const double *values, size_t count, size_t size_max, vv_codec_scratch *scratch,
                    vv_buf *out);
void vv_split_read(vv_reader *reader, size_t count, vv_codec_scratch *scratch, double *out_values);

/* ---- floats.c ---- */

/** After it, where the fit is exact, scratch->ints holds the integers of the values that are no
 * NaNs, in order. */
void vv_floats_write(const double *values, size_t count, vv_codec_scratch *scratch, vv_buf *out,
                     vv_decimal_fit *out_fit);
void vv_floats_read(vv_reader *reader, size_t count, vv_codec_scratch *scratch, double *out_values);

/* ---- blobs.c ---- */

VV_MUST_CHECK varve_status vv_blobs_write(const varve_text *texts, size_t count,
                                          vv_codec_scratch *scratch, vv_buf *out,
                                          varve_error *out_err);
/** E_NOMEM and E_LIMIT are of the arena; bytes that make no sense spoil the reader, status OK. */
VV_MUST_CHECK varve_status vv_blobs_read(vv_reader *reader, size_t count, vv_codec_scratch *scratch,
                                         vv_arena *arena, varve_text *out_texts,
                                         varve_error *out_err);
/** Release the memory of the library. */
void vv_blobs_release(vv_codec_scratch *scratch);

/* ---- stats_store.c ---- */

enum { VV_STATS_BYTES_MAX = 80 };

/** Statistics of a dense column; fit and the integers as vv_floats_write left them. */
void vv_stats_write_f64(const double *values, size_t count, const vv_decimal_fit *fit,
                        const int64_t *ints, vv_buf *out);
void vv_stats_write_ints(const int64_t *values, size_t count, uint32_t type, vv_buf *out);
void vv_stats_write_bools(const uint8_t *values, size_t count, vv_buf *out);
void vv_stats_read(vv_reader *reader, uint32_t type, size_t count, vv_stats *out_stats);

/* ---- stats.c ---- */

/** The two halves of a sum of doubles: a + b exactly, b the rounding error; finite inputs. */
void vv_two_sum(double a, double b, double *out_sum, double *out_error);
/** a * b exactly, for |a| and |b| below 2^480. */
void vv_two_product(double a, double b, double *out_product, double *out_error);
/** Set mean from sum and count. */
void vv_stats_set_mean(vv_stats *stats);

#endif
