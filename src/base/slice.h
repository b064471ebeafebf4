/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Borrowed bytes with a length: varve_text for characters, vv_bytes for anything.
 * data may be NULL where size is 0. Nothing here allocates or keeps a pointer.
 */
#ifndef VV_BASE_SLICE_H
#define VV_BASE_SLICE_H

#include <string.h>

#include "base/compiler.h"
#include "varve.h"

typedef struct vv_bytes {
    const uint8_t *data;
    size_t size;
} vv_bytes;

/* The text of a string literal, without its zero byte; _INIT for static initialisers. */
#define VV_TEXT(literal) ((varve_text){.data = (literal), .size = sizeof("" literal) - 1})
#define VV_TEXT_INIT(literal)                             \
    {                                                     \
        .data = (literal), .size = sizeof("" literal) - 1 \
    }

/* How many of its bytes printf takes: those of sizes above INT_MAX are cut. */
static inline int vv_text_precision(varve_text text)
{
    return text.size < 0x7FFFFFFF ? (int)text.size : 0x7FFFFFFF;
}

/* For printf: "%.*s", VV_TEXT_ARGS(text). */
#define VV_TEXT_ARGS(text) vv_text_precision(text), (text).data

static inline varve_text vv_text_make(const char *data, size_t size)
{
    return (varve_text){.data = data, .size = size};
}

/** A terminated string as text; NULL gives the empty text. */
static inline varve_text vv_text_from_string(const char *string)
{
    return (varve_text){.data = string, .size = string == NULL ? 0 : strlen(string)};
}

static inline vv_bytes vv_bytes_make(const void *data, size_t size)
{
    return (vv_bytes){.data = (const uint8_t *)data, .size = size};
}

static inline vv_bytes vv_bytes_of_text(varve_text text)
{
    return (vv_bytes){.data = (const uint8_t *)text.data, .size = text.size};
}

static inline varve_text vv_text_of_bytes(vv_bytes bytes)
{
    return (varve_text){.data = (const char *)bytes.data, .size = bytes.size};
}

static inline bool vv_bytes_equal(vv_bytes a, vv_bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool vv_text_equal(varve_text a, varve_text b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool vv_text_is_empty(varve_text text)
{
    return text.size == 0;
}

/** Below, at or above 0 as a stands before, at or after b; by bytes, a prefix before the longer. */
int vv_text_compare(varve_text a, varve_text b);
int vv_bytes_compare(vv_bytes a, vv_bytes b);

/** Compares all bytes whatever they are; for secrets. Sizes are not secret. */
bool vv_bytes_equal_constant_time(vv_bytes a, vv_bytes b);

/** Sort by bytes, in place and without memory; equal texts end up next to each other in any order.
 */
void vv_text_sort(varve_text *texts, size_t count);

bool vv_text_starts_with(varve_text text, varve_text prefix);
bool vv_text_ends_with(varve_text text, varve_text suffix);
bool vv_text_contains(varve_text text, varve_text part);

/** Equal when ASCII letters are compared without case. */
bool vv_text_equal_nocase(varve_text a, varve_text b);

/** Index of the first such byte, or text.size. */
size_t vv_text_find_char(varve_text text, char c);
size_t vv_text_find_last_char(varve_text text, char c);

/** Index of the first occurrence of part, or SIZE_MAX; an empty part is found at 0. */
size_t vv_text_find(varve_text text, varve_text part);

/** The part from begin (cut to the size) with at most size bytes. */
varve_text vv_text_sub(varve_text text, size_t begin, size_t size);

/** Without leading and trailing spaces, tabs, CR and LF. */
varve_text vv_text_trim(varve_text text);

/** Cut at the first separator: *out_head is what precedes it, *rest what follows (empty and NULL
 * data when there is none). False when *rest was already used up (NULL data). */
bool vv_text_split(varve_text *rest, char separator, varve_text *out_head);

#endif
