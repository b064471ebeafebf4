/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte buffer with a byte limit. One thread at a time.
 *
 * Failure is sticky: the first append that cannot be done sets status (E_NOMEM, E_LIMIT), leaves
 * the content as it was, and every later append does nothing and returns the same status. A caller
 * may thus append many times and ask once with vv_buf_check, which also writes the sentence; or use
 * VV_TRY on each call. vv_buf_reset clears it.
 */
#ifndef VV_BASE_BUF_H
#define VV_BASE_BUF_H

#include <string.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "base/slice.h"
#include "base/varint.h"
#include "varve.h"

typedef struct vv_buf {
    uint8_t *data;       /* owned; NULL while capacity is 0 */
    size_t size;         /* bytes that count */
    size_t capacity;     /* bytes allocated */
    size_t limit_bytes;  /* size never exceeds it */
    vv_alloc *alloc;     /* borrowed, outlives the buffer */
    varve_status status; /* OK, or why an append failed */
} vv_buf;

/** Allocates nothing yet. */
void vv_buf_init(vv_buf *buf, vv_alloc *alloc, size_t limit_bytes);

/** Release the memory; the buffer is as after init. */
void vv_buf_deinit(vv_buf *buf);

/** Empty it, keep the memory, clear a failure. */
void vv_buf_reset(vv_buf *buf);

/** The sticky status, with its sentence in out_err. */
VV_MUST_CHECK varve_status vv_buf_check(const vv_buf *buf, varve_error *out_err);

/** Make room for extra more bytes; on OK the next extra bytes of appends cannot fail. */
varve_status vv_buf_reserve(vv_buf *buf, size_t extra);

/** Room behind the content is at data + size; after writing there, count it with vv_buf_advance. */
static inline void vv_buf_advance(vv_buf *buf, size_t written)
{
    buf->size += written;
}

/** Add size bytes of undefined content and return their address; NULL on failure. */
VV_MUST_CHECK uint8_t *vv_buf_extend(vv_buf *buf, size_t size);

/** Drop everything behind size, which is at most the present one. */
void vv_buf_truncate(vv_buf *buf, size_t size);

/** Drop the first count bytes by moving the rest. */
void vv_buf_drop_front(vv_buf *buf, size_t count);

varve_status vv_buf_append(vv_buf *buf, const void *bytes, size_t size);
varve_status vv_buf_append_fill(vv_buf *buf, uint8_t byte, size_t count);
/** printf into the buffer, as vv_text_format; needs one byte of the limit beyond the text. */
varve_status vv_buf_append_format(vv_buf *buf, const char *format, ...) VV_PRINTF(2, 3);

/** Zero bytes until size is a multiple of align (a power of two). */
varve_status vv_buf_append_padding(vv_buf *buf, size_t align);

/** The memory goes to the caller (released with vv_alloc_free(alloc, p, *out_capacity)); NULL when
 * nothing was allocated. The buffer is as after init. */
uint8_t *vv_buf_take(vv_buf *buf, size_t *out_size, size_t *out_capacity);

/** Overwrite bytes written earlier; offset + 4 (8) is at most size. */
void vv_buf_patch_u32(vv_buf *buf, size_t offset, uint32_t value);
void vv_buf_patch_u64(vv_buf *buf, size_t offset, uint64_t value);

/** The content, borrowed until the next call that appends. */
static inline vv_bytes vv_buf_bytes(const vv_buf *buf)
{
    return (vv_bytes){.data = buf->data, .size = buf->size};
}

static inline varve_text vv_buf_text(const vv_buf *buf)
{
    return (varve_text){.data = (const char *)buf->data, .size = buf->size};
}

static inline varve_status vv_buf_append_text(vv_buf *buf, varve_text text)
{
    return vv_buf_append(buf, text.data, text.size);
}

/** True when size more bytes can be written at data + size; the inline appends go through here. */
static inline bool vv_buf_has_room(vv_buf *buf, size_t size)
{
    if (VV_LIKELY(buf->capacity - buf->size >= size && buf->status == VARVE_OK)) {
        return true;
    }
    return vv_buf_reserve(buf, size) == VARVE_OK;
}

/* Fixed widths, little endian. */
#define VV_BUF_APPEND_FIXED(name, type)                                      \
    static inline varve_status vv_buf_append_##name(vv_buf *buf, type value) \
    {                                                                        \
        if (!vv_buf_has_room(buf, sizeof value)) {                           \
            return buf->status;                                              \
        }                                                                    \
        memcpy(buf->data + buf->size, &value, sizeof value);                 \
        buf->size += sizeof value;                                           \
        return VARVE_OK;                                                     \
    }
VV_BUF_APPEND_FIXED(u8, uint8_t)
VV_BUF_APPEND_FIXED(u16, uint16_t)
VV_BUF_APPEND_FIXED(u32, uint32_t)
VV_BUF_APPEND_FIXED(u64, uint64_t)
VV_BUF_APPEND_FIXED(i64, int64_t)
VV_BUF_APPEND_FIXED(f64, double)
#undef VV_BUF_APPEND_FIXED

static inline varve_status vv_buf_append_char(vv_buf *buf, char c)
{
    return vv_buf_append_u8(buf, (uint8_t)c);
}

static inline varve_status vv_buf_append_varint(vv_buf *buf, uint64_t value)
{
    if (!vv_buf_has_room(buf, vv_varint_size(value))) {
        return buf->status;
    }
    buf->size += vv_varint_write(buf->data + buf->size, value);
    return VARVE_OK;
}

static inline varve_status vv_buf_append_zigzag(vv_buf *buf, int64_t value)
{
    return vv_buf_append_varint(buf, vv_zigzag_encode(value));
}

#endif
