/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli), the checksum of everything stored. */
#ifndef VV_BASE_CRC_H
#define VV_BASE_CRC_H

#include "base/compiler.h"

/**
 * Continue a checksum: start with 0, then pass the previous result. The checksum of "123456789" is
 * 0xE3069283. Uses the processor's instruction where there is one.
 */
uint32_t vv_crc32c(uint32_t crc, const void *bytes, size_t size);

/** The same by tables on any processor; vv_crc32c and this are held equal by a test. */
uint32_t vv_crc32c_portable(uint32_t crc, const void *bytes, size_t size);

/** The checksum of A followed by B, from crc(A), crc(B) and the size of B. */
uint32_t vv_crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t size_b);

#endif
