/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only file that may use what is not C17: attributes, builtins, 128-bit integers.
 * Everything else names an extension through a macro or function from here, so a port to another
 * compiler is the rewrite of one file.
 */
#ifndef VV_BASE_COMPILER_H
#define VV_BASE_COMPILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Marks for declarations. */
#define VV_MUST_CHECK       __attribute__((warn_unused_result))
#define VV_PRINTF(at, args) __attribute__((format(printf, at, args)))
#define VV_NORETURN         _Noreturn
#define VV_ALIGNED(bytes)   __attribute__((aligned(bytes)))
#define VV_TARGET(isa)      __attribute__((target(isa)))
#define VV_NOINLINE         __attribute__((noinline))
#define VV_COLD             __attribute__((cold))
#define VV_UNUSED           __attribute__((unused))
#define VV_FALLTHROUGH      __attribute__((fallthrough))
/* Each inlined copy has branches of its own, half of them never taken: coverage counts one
 * function. */
#ifdef VV_COVERAGE
#define VV_ALWAYS_INLINE inline
#else
#define VV_ALWAYS_INLINE inline __attribute__((always_inline))
#endif
/* On a large local array that is written before it is read: builds clear locals otherwise. */
#define VV_NOT_CLEARED __attribute__((uninitialized))

/* Marks a prototype that accepts bytes nobody vouches for; a check demands a fuzz target for it. */
#define VV_UNTRUSTED

/* Marks for expressions. */
#define VV_LIKELY(x)         __builtin_expect(!!(x), 1)
#define VV_UNLIKELY(x)       __builtin_expect(!!(x), 0)
#define VV_PREFETCH(p)       __builtin_prefetch((p), 0, 3)
#define VV_PREFETCH_WRITE(p) __builtin_prefetch((p), 1, 3)
#define VV_UNREACHABLE()     __builtin_unreachable()
#define VV_ARRAY_COUNT(a)    (sizeof(a) / sizeof((a)[0]))

/* As doubles; those of <math.h> are floats, which -Wdouble-promotion objects to. */
#define VV_F64_INFINITY (__builtin_inf())
#define VV_F64_NAN      (__builtin_nan(""))

/* Drop a result on purpose; say why in a comment at the spot. */
#define VV_IGNORE(x)                     \
    do {                                 \
        __typeof__(x) vv_ignored_ = (x); \
        (void)vv_ignored_;               \
    } while (0)

/* Return a failed status to the caller; only for functions that hold nothing. */
#define VV_TRY(x)                               \
    do {                                        \
        varve_status vv_try_ = (x);             \
        if (VV_UNLIKELY(vv_try_ != VARVE_OK)) { \
            return vv_try_;                     \
        }                                       \
    } while (0)

/* 1 where x86-64 intrinsics exist (their headers, with VV_TARGET on the function). */
#if defined(__x86_64__)
#define VV_ARCH_X86_64 1
#else
#define VV_ARCH_X86_64 0
#endif

/* Whether the processor that runs this has an instruction set, named as for VV_TARGET. */
#if VV_ARCH_X86_64
#define VV_CPU_HAS(isa) (__builtin_cpu_supports(isa) != 0)
#else
#define VV_CPU_HAS(isa) false
#endif

/* typedef double f64v VV_VECTOR(32); arithmetic and comparisons go lane by lane. For local
 * variables only, of a size that the function's VV_TARGET has: how they are passed depends on the
 * target. */
#define VV_VECTOR(bytes)                __attribute__((vector_size(bytes)))
#define VV_VECTOR_CONVERT(vector, type) __builtin_convertvector((vector), type)

/* At the top of a file whose floats must have the same bits at every ISA level: no fused
 * multiply-add. gcc never fuses under -std=c17; clang has to be told. */
#if defined(__clang__)
#define VV_FLOATS_EXACT _Pragma("STDC FP_CONTRACT OFF")
#else
#define VV_FLOATS_EXACT
#endif

/* Formats on disk are little endian; loads and stores through memcpy rely on this. */
#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "varve is written for little-endian processors"
#endif

__extension__ typedef __int128 vv_i128;
__extension__ typedef unsigned __int128 vv_u128;

/* Each is true when the exact result does not fit *out; *out then holds the wrapped one. */
#define VV_ADD_OVERFLOWS(a, b, out) __builtin_add_overflow((a), (b), (out))
#define VV_SUB_OVERFLOWS(a, b, out) __builtin_sub_overflow((a), (b), (out))
#define VV_MUL_OVERFLOWS(a, b, out) __builtin_mul_overflow((a), (b), (out))

/** Zero bits below the lowest set bit; x is not 0. */
static inline uint32_t vv_ctz32(uint32_t x)
{
    return (uint32_t)__builtin_ctz(x);
}

/** Zero bits below the lowest set bit; x is not 0. */
static inline uint32_t vv_ctz64(uint64_t x)
{
    return (uint32_t)__builtin_ctzll(x);
}

/** Zero bits above the highest set bit; x is not 0. */
static inline uint32_t vv_clz32(uint32_t x)
{
    return (uint32_t)__builtin_clz(x);
}

/** Zero bits above the highest set bit; x is not 0. */
static inline uint32_t vv_clz64(uint64_t x)
{
    return (uint32_t)__builtin_clzll(x);
}

static inline uint32_t vv_popcount32(uint32_t x)
{
    return (uint32_t)__builtin_popcount(x);
}

static inline uint32_t vv_popcount64(uint64_t x)
{
    return (uint32_t)__builtin_popcountll(x);
}

/** Bits needed to write x down: 0 for 0, 64 for UINT64_MAX. */
static inline uint32_t vv_bit_width64(uint64_t x)
{
    return x == 0 ? 0 : 64 - vv_clz64(x);
}

static inline uint32_t vv_bswap32(uint32_t x)
{
    return __builtin_bswap32(x);
}

static inline uint64_t vv_bswap64(uint64_t x)
{
    return __builtin_bswap64(x);
}

#endif
