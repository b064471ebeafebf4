/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The counterpart of the reader: a cursor that writes into memory of fixed size. A write that does
 * not fit does not happen; the writer turns bad and stays bad. Integers are little endian.
 */
#ifndef VV_BASE_WRITER_H
#define VV_BASE_WRITER_H

#include <string.h>

#include "base/compiler.h"
#include "base/slice.h"
#include "base/varint.h"

typedef struct vv_writer {
    uint8_t *data; /* borrowed */
    size_t capacity;
    size_t position; /* bytes written, at most capacity */
    bool is_bad;     /* something did not fit */
} vv_writer;

static inline vv_writer vv_writer_of(void *data, size_t capacity)
{
    return (vv_writer){.data = (uint8_t *)data, .capacity = capacity};
}

static inline void vv_writer_init(vv_writer *writer, void *data, size_t capacity)
{
    *writer = vv_writer_of(data, capacity);
}

static inline bool vv_writer_is_bad(const vv_writer *writer)
{
    return writer->is_bad;
}

static inline size_t vv_writer_position(const vv_writer *writer)
{
    return writer->position;
}

static inline size_t vv_writer_left(const vv_writer *writer)
{
    return writer->is_bad ? 0 : writer->capacity - writer->position;
}

/** Room for size bytes, counted as written; NULL and bad when it does not fit. */
static inline uint8_t *vv_writer_extend(vv_writer *writer, size_t size)
{
    if (VV_UNLIKELY(size > writer->capacity - writer->position || writer->is_bad)) {
        writer->is_bad = true;
        return NULL;
    }
    if (writer->data == NULL) {
        return NULL;
    }
    uint8_t *target = writer->data + writer->position;
    writer->position += size;
    return target;
}

static inline void vv_writer_bytes(vv_writer *writer, const void *bytes, size_t size)
{
    uint8_t *target = vv_writer_extend(writer, size);
    if (target != NULL && size > 0) {
        memcpy(target, bytes, size);
    }
}

static inline void vv_writer_text(vv_writer *writer, varve_text text)
{
    vv_writer_bytes(writer, text.data, text.size);
}

static inline void vv_writer_fill(vv_writer *writer, uint8_t byte, size_t count)
{
    uint8_t *target = vv_writer_extend(writer, count);
    if (target != NULL && count > 0) {
        memset(target, byte, count);
    }
}

/* Fixed widths. */
#define VV_WRITER_FIXED(name, type)                                    \
    static inline void vv_writer_##name(vv_writer *writer, type value) \
    {                                                                  \
        uint8_t *target = vv_writer_extend(writer, sizeof value);      \
        if (VV_LIKELY(target != NULL)) {                               \
            memcpy(target, &value, sizeof value);                      \
        }                                                              \
    }
VV_WRITER_FIXED(u8, uint8_t)
VV_WRITER_FIXED(u16, uint16_t)
VV_WRITER_FIXED(u32, uint32_t)
VV_WRITER_FIXED(u64, uint64_t)
VV_WRITER_FIXED(i64, int64_t)
VV_WRITER_FIXED(f64, double)
#undef VV_WRITER_FIXED

static inline void vv_writer_varint(vv_writer *writer, uint64_t value)
{
    uint8_t *target = vv_writer_extend(writer, vv_varint_size(value));
    if (VV_LIKELY(target != NULL)) {
        (void)vv_varint_write(target, value);
    }
}

static inline void vv_writer_zigzag(vv_writer *writer, int64_t value)
{
    vv_writer_varint(writer, vv_zigzag_encode(value));
}

#endif
