/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The growing byte buffer: one allocation that doubles, never beyond the limit.
 *
 * B1: size <= capacity, size <= limit_bytes, capacity <= limit_bytes.
 * B2: once status is not OK, content and status change only by reset, truncate or deinit.
 */
#include "base/buf.h"

#include <stdarg.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/status.h"
#include "base/text.h"

/* Computed: below this malloc rounds up anyway and most messages fit. */
#define BUF_CAPACITY_MIN 64u

void vv_buf_init(vv_buf *buf, vv_alloc *alloc, size_t limit_bytes)
{
    *buf = (vv_buf){.alloc = alloc, .limit_bytes = limit_bytes};
}

void vv_buf_deinit(vv_buf *buf)
{
    vv_alloc_free(buf->alloc, buf->data, buf->capacity);
    vv_buf_init(buf, buf->alloc, buf->limit_bytes);
}

void vv_buf_reset(vv_buf *buf)
{
    buf->size = 0;
    buf->status = VARVE_OK;
}

varve_status vv_buf_check(const vv_buf *buf, varve_error *out_err)
{
    if (buf->status == VARVE_OK) {
        return VARVE_OK;
    }
    if (buf->status == VARVE_E_LIMIT) {
        return vv_fail(out_err, VARVE_E_LIMIT, "buffer limit of %zu bytes reached",
                       buf->limit_bytes);
    }
    return vv_fail(out_err, buf->status, "out of memory: a buffer of %zu bytes cannot grow",
                   buf->size);
}

static VV_COLD varve_status buf_spoil(vv_buf *buf, varve_status status)
{
    buf->status = status;
    return status;
}

varve_status vv_buf_reserve(vv_buf *buf, size_t extra)
{
    if (buf->status != VARVE_OK) {
        return buf->status;
    }
    if (extra <= buf->capacity - buf->size) {
        return VARVE_OK;
    }
    if (buf->size > buf->limit_bytes || extra > buf->limit_bytes - buf->size) {
        return buf_spoil(buf, VARVE_E_LIMIT);
    }
    size_t needed = buf->size + extra;
    size_t capacity = buf->capacity > buf->limit_bytes / 2 ? buf->limit_bytes : buf->capacity * 2;
    capacity = capacity < BUF_CAPACITY_MIN ? BUF_CAPACITY_MIN : capacity;
    capacity = capacity < needed ? needed : capacity;
    capacity = capacity > buf->limit_bytes ? buf->limit_bytes : capacity;
    uint8_t *data = (uint8_t *)vv_alloc_resize(buf->alloc, buf->data, buf->capacity, capacity);
    if (data == NULL) {
        return buf_spoil(buf, VARVE_E_NOMEM);
    }
    buf->data = data;
    buf->capacity = capacity;
    return VARVE_OK;
}

uint8_t *vv_buf_extend(vv_buf *buf, size_t size)
{
    /* At least one byte of room, so that size 0 has an address too. */
    if (vv_buf_reserve(buf, size == 0 && buf->data == NULL ? 1 : size) != VARVE_OK) {
        return NULL;
    }
    uint8_t *added = buf->data + buf->size;
    buf->size += size;
    return added;
}

void vv_buf_truncate(vv_buf *buf, size_t size)
{
    VV_ASSERT(size <= buf->size);
    buf->size = size;
}

void vv_buf_drop_front(vv_buf *buf, size_t count)
{
    VV_ASSERT(count <= buf->size);
    if (count > 0) {
        memmove(buf->data, buf->data + count, buf->size - count);
        buf->size -= count;
    }
}

varve_status vv_buf_append(vv_buf *buf, const void *bytes, size_t size)
{
    if (!vv_buf_has_room(buf, size)) {
        return buf->status;
    }
    if (size > 0) {
        memcpy(buf->data + buf->size, bytes, size);
        buf->size += size;
    }
    return VARVE_OK;
}

varve_status vv_buf_append_fill(vv_buf *buf, uint8_t byte, size_t count)
{
    if (!vv_buf_has_room(buf, count)) {
        return buf->status;
    }
    if (count > 0) {
        memset(buf->data + buf->size, byte, count);
        buf->size += count;
    }
    return VARVE_OK;
}

varve_status vv_buf_append_padding(vv_buf *buf, size_t align)
{
    VV_ASSERT(align != 0 && (align & (align - 1)) == 0);
    return vv_buf_append_fill(buf, 0, (0 - buf->size) & (align - 1));
}

varve_status vv_buf_append_format(vv_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list args_again;
    va_copy(args_again, args);
    size_t size = vv_text_format_size_v(format, args);
    va_end(args);
    /* The formatter writes a zero behind the text; it is not counted, but needs its byte. */
    if (size == SIZE_MAX) {
        (void)buf_spoil(buf, VARVE_E_LIMIT);
    } else if (vv_buf_has_room(buf, size + 1)) {
        buf->size += vv_text_format_v((char *)buf->data + buf->size, size + 1, format, args_again);
    }
    va_end(args_again);
    return buf->status;
}

uint8_t *vv_buf_take(vv_buf *buf, size_t *out_size, size_t *out_capacity)
{
    uint8_t *data = buf->data;
    *out_size = buf->size;
    *out_capacity = buf->capacity;
    vv_buf_init(buf, buf->alloc, buf->limit_bytes);
    return data;
}

void vv_buf_patch_u32(vv_buf *buf, size_t offset, uint32_t value)
{
    VV_ASSERT(buf->size >= sizeof value && offset <= buf->size - sizeof value);
    memcpy(buf->data + offset, &value, sizeof value);
}

void vv_buf_patch_u64(vv_buf *buf, size_t offset, uint64_t value)
{
    VV_ASSERT(buf->size >= sizeof value && offset <= buf->size - sizeof value);
    memcpy(buf->data + offset, &value, sizeof value);
}
