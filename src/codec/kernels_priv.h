/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CODEC_KERNELS_PRIV_H
#define VV_CODEC_KERNELS_PRIV_H

/*
 * The hot loops of codec, behind one table per ISA level. They compute and nothing else: no bounds
 * are checked here, callers have done so.
 *
 *   N1  All levels give the same bits. Integer results do not depend on order; float sums are kept
 *       in 8 lanes, value i in lane i % 8, and the lanes are added as ((0+4)+(2+6)) +
 *       ((1+5)+(3+7)).
 *
 *   N2  No kernel reads or writes beyond what its comment says.
 *
 *   N3  Arithmetic on integers is modulo 2^64 and cannot trap.
 */

#include "base/compiler.h"
#include "codec/isa.h"

/** What choosing an integer encoding needs to know of count >= 1 values. Deltas are differences of
 * neighbours modulo 2^64, taken as signed; curves are differences of neighbouring deltas. */
typedef struct vv_int_range {
    int64_t min, max;
    int64_t delta_min, delta_max; /* 0 when count < 2 */
    int64_t curve_min, curve_max; /* 0 when count < 3 */
    size_t changes;               /* deltas that are not 0 */
} vv_int_range;

/** How far values are from one of them. */
typedef struct vv_int_look {
    uint32_t histogram[65]; /* of the bits of the distances from the centre, the sign included */
    int64_t min, max;       /* the centre among them */
} vv_int_look;

/** A way to see doubles as integers: value = number(n) / scale, or number(n) * scale, where
 * number(n) is the double whose bits are n + 0x4338000000000000, less 0x1.8p52: exactly n for |n|
 * up to 2^51. */
typedef struct vv_decimal {
    double scale;     /* 10^digits where the decoder divides, 10^-digits where it multiplies */
    double forth;     /* what the encoder multiplies by before it rounds */
    bool is_multiply; /* the decoder multiplies */
} vv_decimal;

/** Numbers of one width, and what they stand for: number + base, or the sums of all those so far
 * and `first`, or doubles. */
typedef struct vv_unpack {
    uint32_t width; /* 1..64 */
    bool is_sum;
    uint64_t base;
    uint64_t first;            /* of sums; becomes the last one */
    const vv_decimal *decimal; /* not NULL: as decimal_decode; no sums, width at most
                                  VV_UNPACK_DECIMAL_BITS */
} vv_unpack;

enum { VV_UNPACK_DECIMAL_BITS = 57 };

/** Left parts that a split has codes for. */
enum { VV_SPLIT_PARTS = 8 };

typedef struct vv_f64_scan {
    double sum;      /* NaNs left out */
    double min, max; /* NaNs left out; of zeros the sign is not defined */
    size_t nan_count;
} vv_f64_scan;

typedef struct vv_i64_scan {
    int64_t min, max;
    uint64_t sum_high; /* sum of the upper 32 bits of value + 2^63 */
    uint64_t sum_low;  /* sum of the lower 32 bits */
} vv_i64_scan;

typedef struct vv_kernels {
    vv_codec_isa isa;

    /** Unpack group_count groups of 8 numbers, each group in width bytes, lowest bit first, to
     * uint64_t or double. 64 bytes can be read from the beginning of each group. */
    void (*unpack)(const uint8_t *source, size_t group_count, vv_unpack *how, void *target);
    /** Running sums in place: values[0] += first, values[i] += values[i - 1]. */
    void (*add_up)(uint64_t *values, size_t count, uint64_t first);
    /** What split has cut; parts are shifted to their place, codes below VV_SPLIT_PARTS. */
    void (*join)(const uint64_t *rights, const uint64_t *codes, size_t count, const uint64_t *parts,
                 double *out_values);

    /** target[i] = values[i] - base; may be in place. */
    void (*bias)(const uint64_t *values, size_t count, uint64_t base, uint64_t *target);
    /** target[i] = values[i + 1] - values[i] - base, for count - 1 values; not in place. */
    void (*bias_delta)(const uint64_t *values, size_t count, uint64_t base, uint64_t *target);
    /** target[i] = values[i] - first - i * slope. */
    void (*bias_line)(const uint64_t *values, size_t count, uint64_t first, uint64_t slope,
                      uint64_t *target);
    /** Zero where values[i + 1] - values[i] is stride for all i. */
    uint64_t (*stride_breaks)(const uint64_t *values, size_t count, uint64_t stride);
    void (*range)(const int64_t *values, size_t count, vv_int_range *out_range);
    void (*look)(const uint64_t *values, size_t count, uint64_t centre, vv_int_look *out_look);
    /** Least and greatest, the centre among them, of those whose distance from it, the sign
     * included (zigzag), is at most reach. */
    void (*inside)(const uint64_t *values, size_t count, uint64_t centre, uint64_t reach,
                   int64_t *out_min, int64_t *out_max);
    /** How many values are more than reach above the base, modulo 2^64; the bits of their distances
     * from it, as zigzag, that are set in any of them. */
    size_t (*outside)(const uint64_t *values, size_t count, uint64_t base, uint64_t reach,
                      uint64_t *out_bits);

    /** Integers of doubles; returns how many do not come back bit for bit (or exceed 2^51), whose
     * integers mean nothing. */
    size_t (*decimal_encode)(const double *values, size_t count, const vv_decimal *decimal,
                             int64_t *out_ints);
    void (*decimal_decode)(const int64_t *ints, size_t count, const vv_decimal *decimal,
                           double *out_values);

    /** Cut doubles: the right_bits lower bits of each, and which of the parts the upper ones are,
     * VV_SPLIT_PARTS where they are none; returns how many are none. */
    size_t (*split)(const double *values, size_t count, uint32_t right_bits, const uint64_t *parts,
                    uint64_t *out_rights, uint64_t *out_codes);

    /** NaNs are left out; count may be 0. */
    void (*sum_f64)(const double *values, size_t count, vv_f64_scan *out_scan);
    void (*scan_f64)(const double *values, size_t count, vv_f64_scan *out_scan);
    /** The sum of (value - centre)^2. */
    double (*squares_f64)(const double *values, size_t count, double centre);
    /** To the nearest double. */
    void (*convert_i64)(const int64_t *values, size_t count, double *out_values);
    void (*convert_u64)(const uint64_t *values, size_t count, double *out_values);
    /** count is not 0. */
    void (*scan_i64)(const int64_t *values, size_t count, vv_i64_scan *out_scan);
} vv_kernels;

extern const vv_kernels vv_kernels_scalar;
#if VV_ARCH_X86_64
extern const vv_kernels vv_kernels_sse42;
extern const vv_kernels vv_kernels_avx2;
extern const vv_kernels vv_kernels_avx512;
#endif

/** The table in use. */
const vv_kernels *vv_kernels_get(void);

#endif
