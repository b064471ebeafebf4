/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two kinds of sets.
 *
 * vv_bits_*  a dense array of bits in uint64_t words that the caller owns: bit i is bit i % 64 of
 * word i / 64. For validity of values and selections of rows. vv_idset   a compressed set of 32-bit
 * ids: postings. See base/idset.c for its forms.
 */
#ifndef VV_BASE_BITMAP_H
#define VV_BASE_BITMAP_H

#include "base/alloc.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/reader.h"
#include "varve.h"

/** Words that hold bit_count bits. */
static inline size_t vv_bits_words(size_t bit_count)
{
    return bit_count / 64 + (bit_count % 64 != 0);
}

static inline bool vv_bits_get(const uint64_t *words, size_t index)
{
    return ((words[index / 64] >> (index % 64)) & 1) != 0;
}

static inline void vv_bits_set(uint64_t *words, size_t index)
{
    words[index / 64] |= UINT64_C(1) << (index % 64);
}

static inline void vv_bits_clear(uint64_t *words, size_t index)
{
    words[index / 64] &= ~(UINT64_C(1) << (index % 64));
}

static inline void vv_bits_put(uint64_t *words, size_t index, bool value)
{
    uint64_t bit = UINT64_C(1) << (index % 64);
    words[index / 64] = (words[index / 64] & ~bit) | (value ? bit : 0);
}

/** Set or clear the bits [begin, end). */
void vv_bits_set_range(uint64_t *words, size_t begin, size_t end);
void vv_bits_clear_range(uint64_t *words, size_t begin, size_t end);

/** Set bits among [begin, end). */
size_t vv_bits_count(const uint64_t *words, size_t begin, size_t end);

/** First set (clear) bit of [begin, end), or end. */
size_t vv_bits_find_set(const uint64_t *words, size_t begin, size_t end);
size_t vv_bits_find_clear(const uint64_t *words, size_t begin, size_t end);

/** Last set bit of [begin, end), or end when there is none. */
size_t vv_bits_find_last_set(const uint64_t *words, size_t begin, size_t end);

/** target = target op source over word_count words. */
void vv_bits_and(uint64_t *target, const uint64_t *source, size_t word_count);
void vv_bits_or(uint64_t *target, const uint64_t *source, size_t word_count);
void vv_bits_andnot(uint64_t *target, const uint64_t *source, size_t word_count);

/* ---- vv_idset ---- */

/* UINT32_MAX is no id, so that a count always fits 32 bits and an end of range is always an id + 1.
 */
#define VV_IDSET_ID_MAX 0xFFFFFFFEu

/* Up to here ids are kept in the struct; up to here in one sorted array; then in containers. */
#define VV_IDSET_INLINE_MAX 2u
#define VV_IDSET_PLAIN_MAX  64u

struct vv_idset_tree;

/** 16 bytes; all zero is the empty set. Every call on one set takes the same allocator. */
typedef struct vv_idset {
    union {
        uint32_t few[VV_IDSET_INLINE_MAX]; /* form inline */
        uint32_t *plain;                   /* form plain: owned, sorted */
        struct vv_idset_tree *tree;        /* form tree: owned */
    } u;
    uint32_t count;    /* ids in the set */
    uint32_t capacity; /* 0: inline; UINT32_MAX: tree; else room in plain */
} vv_idset;

void vv_idset_init(vv_idset *set);

/** Release the memory; the set is empty. */
void vv_idset_deinit(vv_idset *set, vv_alloc *alloc);

static inline uint32_t vv_idset_count(const vv_idset *set)
{
    return set->count;
}

/** Bytes allocated by the set, the struct itself not counted. */
size_t vv_idset_bytes(const vv_idset *set);

bool vv_idset_contains(const vv_idset *set, uint32_t id);

/** Least and greatest id; false when empty. */
bool vv_idset_first(const vv_idset *set, uint32_t *out_id);
bool vv_idset_last(const vv_idset *set, uint32_t *out_id);

bool vv_idset_equal(const vv_idset *a, const vv_idset *b);

/** Add an id (at most VV_IDSET_ID_MAX); one that is there already is fine. E_NOMEM: unchanged. */
VV_MUST_CHECK varve_status vv_idset_add(vv_idset *set, vv_alloc *alloc, uint32_t id);

/** Remove; false when it was not there. Cannot fail: where there is no memory for a smaller form
 *  the larger one stays. */
bool vv_idset_remove(vv_idset *set, vv_alloc *alloc, uint32_t id);

/* The following build a new set. *out_set is not initialised before and holds nothing after a
 * failure, which is E_NOMEM. It is not one of the sources. */

/** From strictly ascending ids, each at most VV_IDSET_ID_MAX. */
VV_MUST_CHECK varve_status vv_idset_from_sorted(const uint32_t *ids, size_t count, vv_alloc *alloc,
                                                vv_idset *out_set);
/** All ids of [begin, end). */
VV_MUST_CHECK varve_status vv_idset_from_range(uint32_t begin, uint32_t end, vv_alloc *alloc,
                                               vv_idset *out_set);
VV_MUST_CHECK varve_status vv_idset_copy(const vv_idset *source, vv_alloc *alloc,
                                         vv_idset *out_set);
VV_MUST_CHECK varve_status vv_idset_and(const vv_idset *a, const vv_idset *b, vv_alloc *alloc,
                                        vv_idset *out_set);
VV_MUST_CHECK varve_status vv_idset_or(const vv_idset *a, const vv_idset *b, vv_alloc *alloc,
                                       vv_idset *out_set);
VV_MUST_CHECK varve_status vv_idset_andnot(const vv_idset *a, const vv_idset *b, vv_alloc *alloc,
                                           vv_idset *out_set);
/** Union of many; one pass over all of them, for label values that match a pattern. */
VV_MUST_CHECK varve_status vv_idset_or_many(const vv_idset *const *sets, size_t count,
                                            vv_alloc *alloc, vv_idset *out_set);

/** Count of ids in both; builds nothing. */
uint32_t vv_idset_and_count(const vv_idset *a, const vv_idset *b);

/** Ascending iteration; the set must not change meanwhile. */
typedef struct vv_idset_cursor {
    const vv_idset *set;
    uint32_t container; /* form tree: index of the container to read on in */
    uint32_t position;  /* index of the next plain id or array item, or bit of a bitmap */
} vv_idset_cursor;

void vv_idset_cursor_init(vv_idset_cursor *cursor, const vv_idset *set);

/** The next id; false at the end. */
bool vv_idset_cursor_next(vv_idset_cursor *cursor, uint32_t *out_id);

/** Up to capacity next ids; returns how many, 0 at the end. The fast way to walk a set. */
size_t vv_idset_cursor_read(vv_idset_cursor *cursor, uint32_t *ids, size_t capacity);

/** Skip what is below id; never goes back. */
void vv_idset_cursor_seek(vv_idset_cursor *cursor, uint32_t id);

/** Append the stored form; equal sets give equal bytes, whatever their history. Sticky as vv_buf.
 */
varve_status vv_idset_write(const vv_idset *set, vv_buf *buf);

/** Read the stored form. E_CORRUPT unless it is exactly what vv_idset_write makes; more than
 *  count_max ids: E_LIMIT. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_idset_read(vv_reader *reader, uint32_t count_max,
                                                      vv_alloc *alloc, vv_idset *out_set,
                                                      varve_error *out_err);

#endif
