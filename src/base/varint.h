/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LEB128: seven bits a byte, lowest first, the high bit says that more follow. A uint64_t takes 1
 * to 10 bytes. Zigzag maps small signed numbers to small unsigned ones: 0 -1 1 -2 -> 0 1 2 3.
 */
#ifndef VV_BASE_VARINT_H
#define VV_BASE_VARINT_H

#include "base/compiler.h"

#define VV_VARINT_BYTES_MAX 10u

/** Bytes that vv_varint_write takes for value. */
static inline size_t vv_varint_size(uint64_t value)
{
    return (vv_bit_width64(value | 1) + 6) / 7;
}

/** Write value; the target has room for vv_varint_size(value). Returns the bytes written. */
static inline size_t vv_varint_write(uint8_t *target, uint64_t value)
{
    size_t size = 0;
    while (value >= 0x80) {
        target[size] = (uint8_t)(value | 0x80);
        size += 1;
        value >>= 7;
    }
    target[size] = (uint8_t)value;
    return size + 1;
}

/** The general case of vv_varint_read. */
VV_UNTRUSTED size_t vv_varint_read_long(const uint8_t *source, size_t size, uint64_t *out_value);

/**
 * Read one value from at most size bytes. Returns the bytes used; 0 when the bytes end inside it or
 * it exceeds 64 bits. A longer form than needed (80 00) is accepted, as protobuf does.
 */
VV_UNTRUSTED static inline size_t vv_varint_read(const uint8_t *source, size_t size,
                                                 uint64_t *out_value)
{
    if (VV_LIKELY(size > 0 && source[0] < 0x80)) {
        *out_value = source[0];
        return 1;
    }
    return vv_varint_read_long(source, size, out_value);
}

static inline uint64_t vv_zigzag_encode(int64_t value)
{
    uint64_t bits = (uint64_t)value;
    return (bits << 1) ^ (value < 0 ? UINT64_MAX : 0);
}

static inline int64_t vv_zigzag_decode(uint64_t value)
{
    return (int64_t)((value >> 1) ^ (0 - (value & 1)));
}

#endif
