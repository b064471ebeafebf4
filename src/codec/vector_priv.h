/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CODEC_VECTOR_PRIV_H
#define VV_CODEC_VECTOR_PRIV_H

/* Numbers of the vector format that its writer and its reader share. */

enum {
    VV_VECTOR_VERSION = 1,
    /* Second byte of the vector. */
    VV_VECTOR_HAS_ROW_IDS = 1,
    VV_VECTOR_IS_STRICT = 2,
    VV_VECTOR_FIELD_SHIFT = 2,
    VV_VECTOR_OFFSET_SHIFT = 4,
    VV_VECTOR_FLAGS_UNKNOWN = 0xC0,
    /* Type byte of an entry of the directory. */
    VV_ENTRY_TYPE_MASK = 0x0F,
    VV_ENTRY_HAS_PRESENCE = 0x40,
    VV_ENTRY_HAS_MARKS = 0x80,
    VV_ENTRY_FLAGS_UNKNOWN = 0x30
};

#endif
