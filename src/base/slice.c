/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparing and searching borrowed bytes. Everything here works on (pointer, length) and treats a
 * NULL pointer with length 0 as the empty text, so memcmp and memchr are never called with NULL.
 */
#include "base/slice.h"

static int slice_compare(const void *a, size_t a_size, const void *b, size_t b_size)
{
    size_t common = a_size < b_size ? a_size : b_size;
    int order = common == 0 ? 0 : memcmp(a, b, common);
    if (order != 0) {
        return order;
    }
    return (a_size > b_size) - (a_size < b_size);
}

int vv_text_compare(varve_text a, varve_text b)
{
    return slice_compare(a.data, a.size, b.data, b.size);
}

int vv_bytes_compare(vv_bytes a, vv_bytes b)
{
    return slice_compare(a.data, a.size, b.data, b.size);
}

static void slice_sink(varve_text *texts, size_t index, size_t count)
{
    varve_text text = texts[index];
    for (size_t child = 2 * index + 1; child < count; child = 2 * index + 1) {
        child += child + 1 < count && vv_text_compare(texts[child + 1], texts[child]) > 0;
        if (vv_text_compare(texts[child], text) <= 0) {
            break;
        }
        texts[index] = texts[child];
        index = child;
    }
    texts[index] = text;
}

/* Heap sort; qsort of the C library may allocate behind the allocator's back. */
void vv_text_sort(varve_text *texts, size_t count)
{
    for (size_t index = count / 2; index > 0; index--) {
        slice_sink(texts, index - 1, count);
    }
    for (size_t end = count; end > 1; end--) {
        varve_text greatest = texts[0];
        texts[0] = texts[end - 1];
        texts[end - 1] = greatest;
        slice_sink(texts, 0, end - 1);
    }
}

bool vv_bytes_equal_constant_time(vv_bytes a, vv_bytes b)
{
    if (a.size != b.size) {
        return false;
    }
    /* volatile keeps the compiler from leaving the loop at the first difference. */
    volatile uint8_t difference = 0;
    for (size_t index = 0; index < a.size; index++) {
        difference = (uint8_t)(difference | (a.data[index] ^ b.data[index]));
    }
    return difference == 0;
}

bool vv_text_starts_with(varve_text text, varve_text prefix)
{
    return text.size >= prefix.size &&
           (prefix.size == 0 || memcmp(text.data, prefix.data, prefix.size) == 0);
}

bool vv_text_ends_with(varve_text text, varve_text suffix)
{
    return text.size >= suffix.size &&
           (suffix.size == 0 ||
            memcmp(text.data + (text.size - suffix.size), suffix.data, suffix.size) == 0);
}

bool vv_text_contains(varve_text text, varve_text part)
{
    return vv_text_find(text, part) != SIZE_MAX;
}

static char slice_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool vv_text_equal_nocase(varve_text a, varve_text b)
{
    if (a.size != b.size) {
        return false;
    }
    for (size_t index = 0; index < a.size; index++) {
        if (slice_lower(a.data[index]) != slice_lower(b.data[index])) {
            return false;
        }
    }
    return true;
}

size_t vv_text_find_char(varve_text text, char c)
{
    const char *found = text.size == 0 ? NULL : (const char *)memchr(text.data, c, text.size);
    return found == NULL ? text.size : (size_t)(found - text.data);
}

size_t vv_text_find_last_char(varve_text text, char c)
{
    for (size_t index = text.size; index > 0; index--) {
        if (text.data[index - 1] == c) {
            return index - 1;
        }
    }
    return text.size;
}

/* By the first byte through memchr, then the whole. Values are short (labels); a pathological pair
 * costs the product of the sizes, both of which the callers bound. */
size_t vv_text_find(varve_text text, varve_text part)
{
    if (part.size == 0) {
        return 0;
    }
    size_t begin = 0;
    while (part.size <= text.size - begin) {
        const char *first = (const char *)memchr(text.data + begin, part.data[0],
                                                 text.size - begin - part.size + 1);
        if (first == NULL) {
            return SIZE_MAX;
        }
        begin = (size_t)(first - text.data);
        if (memcmp(first, part.data, part.size) == 0) {
            return begin;
        }
        begin += 1;
    }
    return SIZE_MAX;
}

varve_text vv_text_sub(varve_text text, size_t begin, size_t size)
{
    if (begin >= text.size) {
        return vv_text_make(text.data == NULL ? NULL : text.data + text.size, 0);
    }
    size_t left = text.size - begin;
    return vv_text_make(text.data + begin, size < left ? size : left);
}

static bool slice_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

varve_text vv_text_trim(varve_text text)
{
    while (text.size > 0 && slice_is_space(text.data[0])) {
        text.data += 1;
        text.size -= 1;
    }
    while (text.size > 0 && slice_is_space(text.data[text.size - 1])) {
        text.size -= 1;
    }
    return text;
}

bool vv_text_split(varve_text *rest, char separator, varve_text *out_head)
{
    if (rest->data == NULL) {
        return false;
    }
    size_t at = vv_text_find_char(*rest, separator);
    *out_head = vv_text_make(rest->data, at);
    if (at == rest->size) {
        *rest = vv_text_make(NULL, 0);
    } else {
        *rest = vv_text_make(rest->data + at + 1, rest->size - at - 1);
    }
    return true;
}
