/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one way to look at untrusted bytes: a cursor that cannot leave them. A read past the end does
 * not happen; the reader turns bad, stays bad, and every read from then on yields zero, so a whole
 * header may be read and tested once with vv_reader_is_bad. Integers are little endian.
 *
 *     data                position          size
 *      |---- consumed ----|------ left -----|
 */
#ifndef VV_BASE_READER_H
#define VV_BASE_READER_H

#include <string.h>

#include "base/compiler.h"
#include "base/slice.h"
#include "base/varint.h"

typedef struct vv_reader {
    const uint8_t *data; /* borrowed */
    size_t size;
    size_t position; /* at most size */
    bool is_bad;     /* something was read that is not there */
} vv_reader;

VV_UNTRUSTED static inline vv_reader vv_reader_of(const void *data, size_t size)
{
    /* Never NULL: even an offset of zero from NULL is undefined. */
    return (vv_reader){.data = (const uint8_t *)(data != NULL ? data : ""), .size = size};
}

VV_UNTRUSTED static inline void vv_reader_init(vv_reader *reader, const void *data, size_t size)
{
    *reader = vv_reader_of(data, size);
}

static inline bool vv_reader_is_bad(const vv_reader *reader)
{
    return reader->is_bad;
}

/** Turn the reader bad: what was read makes no sense. */
static inline void vv_reader_spoil(vv_reader *reader)
{
    reader->is_bad = true;
}

/** Bytes not yet consumed; 0 when bad. */
static inline size_t vv_reader_left(const vv_reader *reader)
{
    return reader->is_bad ? 0 : reader->size - reader->position;
}

static inline size_t vv_reader_position(const vv_reader *reader)
{
    return reader->position;
}

/** True when everything was consumed and nothing was missing. */
static inline bool vv_reader_is_done(const vv_reader *reader)
{
    return !reader->is_bad && reader->position == reader->size;
}

/** The next size bytes, borrowed as long as the bytes of the reader; NULL and bad when fewer are
 * left. For size 0 the result is not NULL unless the data itself is. */
static inline const uint8_t *vv_reader_bytes(vv_reader *reader, size_t size)
{
    if (VV_UNLIKELY(size > reader->size - reader->position || reader->is_bad)) {
        reader->is_bad = true;
        return NULL;
    }
    if (reader->data == NULL) {
        return NULL;
    }
    const uint8_t *bytes = reader->data + reader->position;
    reader->position += size;
    return bytes;
}

static inline void vv_reader_skip(vv_reader *reader, size_t size)
{
    (void)vv_reader_bytes(reader, size);
}

/** The next size bytes as text; empty when bad. */
static inline varve_text vv_reader_text(vv_reader *reader, size_t size)
{
    const uint8_t *bytes = vv_reader_bytes(reader, size);
    return (varve_text){.data = (const char *)bytes, .size = bytes == NULL ? 0 : size};
}

/** A reader over the next size bytes, which this one skips; bad from the start when fewer are left.
 */
static inline vv_reader vv_reader_sub(vv_reader *reader, size_t size)
{
    const uint8_t *bytes = vv_reader_bytes(reader, size);
    return (vv_reader){.data = bytes, .size = bytes == NULL ? 0 : size, .is_bad = reader->is_bad};
}

/* Fixed widths. */
#define VV_READER_FIXED(name, type)                                   \
    static inline type vv_reader_##name(vv_reader *reader)            \
    {                                                                 \
        type value = 0;                                               \
        const uint8_t *bytes = vv_reader_bytes(reader, sizeof value); \
        if (VV_LIKELY(bytes != NULL)) {                               \
            memcpy(&value, bytes, sizeof value);                      \
        }                                                             \
        return value;                                                 \
    }
VV_READER_FIXED(u8, uint8_t)
VV_READER_FIXED(u16, uint16_t)
VV_READER_FIXED(u32, uint32_t)
VV_READER_FIXED(u64, uint64_t)
VV_READER_FIXED(i64, int64_t)
VV_READER_FIXED(f64, double)
#undef VV_READER_FIXED

/** Big endian, for protocols of others. */
static inline uint32_t vv_reader_u32_be(vv_reader *reader)
{
    return vv_bswap32(vv_reader_u32(reader));
}

static inline uint64_t vv_reader_u64_be(vv_reader *reader)
{
    return vv_bswap64(vv_reader_u64(reader));
}

static inline uint64_t vv_reader_varint(vv_reader *reader)
{
    uint64_t value = 0;
    size_t used = 0;
    if (VV_LIKELY(vv_reader_left(reader) > 0)) {
        used = vv_varint_read(reader->data + reader->position, reader->size - reader->position,
                              &value);
    }
    if (VV_UNLIKELY(used == 0)) {
        reader->is_bad = true;
        return 0;
    }
    reader->position += used;
    return value;
}

static inline int64_t vv_reader_zigzag(vv_reader *reader)
{
    return vv_zigzag_decode(vv_reader_varint(reader));
}

/** A varint that must be at most max; else bad and 0. */
static inline uint64_t vv_reader_varint_max(vv_reader *reader, uint64_t max)
{
    uint64_t value = vv_reader_varint(reader);
    if (VV_UNLIKELY(value > max)) {
        reader->is_bad = true;
        return 0;
    }
    return value;
}

/**
 * A varint count of things that take at least item_size_min (not 0) bytes each in what follows:
 * more than fits the bytes left, or more than max, is bad and 0. So it may be allocated for.
 */
static inline size_t vv_reader_count(vv_reader *reader, size_t item_size_min, size_t max)
{
    uint64_t count = vv_reader_varint(reader);
    if (VV_UNLIKELY(count > max || count > vv_reader_left(reader) / item_size_min)) {
        reader->is_bad = true;
        return 0;
    }
    return (size_t)count;
}

#endif
