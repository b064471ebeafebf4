/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Id sets as bytes; the format is in the essay of idset.c. Reading believes nothing: counts are
 * held against the bytes left before anything is allocated, and whatever vv_idset_write would not
 * have written is damage, so equal sets have equal bytes and the other way round.
 */
#include "base/idset_priv.h"

#include <string.h>

#include "base/assert.h"
#include "base/status.h"

/* Key, count and at least one item. */
#define IDSET_STORE_CONTAINER_BYTES_MIN 6u

/* ---- writing ---- */

static void idset_store_write_plain(const vv_idset *set, vv_buf *buf)
{
    uint32_t ids[VV_IDSET_PLAIN_MAX];
    vv_idset_cursor cursor;
    vv_idset_cursor_init(&cursor, set);
    size_t count = vv_idset_cursor_read(&cursor, ids, VV_ARRAY_COUNT(ids));
    uint64_t next = 0;
    for (size_t index = 0; index < count; index++) {
        (void)vv_buf_append_varint(buf, ids[index] - next);
        next = (uint64_t)ids[index] + 1;
    }
}

/* D4: the form follows from the count, not from the one in memory. */
static void idset_store_write_container(const vv_idset_container *container, vv_buf *buf)
{
    (void)vv_buf_append_u16(buf, container->key);
    (void)vv_buf_append_u16(buf, (uint16_t)(container->count - 1));
    if (!vv_idset_is_bitmap(container)) {
        (void)vv_buf_append(buf, container->u.array, container->count * sizeof *container->u.array);
    } else if (container->count > VV_IDSET_ARRAY_MAX) {
        (void)vv_buf_append(buf, container->u.words, VV_IDSET_BITMAP_BYTES);
    } else {
        uint16_t array[VV_IDSET_ARRAY_MAX];
        vv_idset_words_to_array(container->u.words, array);
        (void)vv_buf_append(buf, array, container->count * sizeof *array);
    }
}

varve_status vv_idset_write(const vv_idset *set, vv_buf *buf)
{
    (void)vv_buf_append_varint(buf, set->count);
    if (set->count <= VV_IDSET_PLAIN_MAX) {
        idset_store_write_plain(set, buf);
        return buf->status;
    }
    (void)vv_buf_append_varint(buf, set->u.tree->count);
    for (uint32_t index = 0; index < set->u.tree->count; index++) {
        idset_store_write_container(&set->u.tree->items[index], buf);
    }
    return buf->status;
}

/* ---- reading ---- */

/* A varint in its shortest form. */
static uint64_t idset_store_read_varint(vv_reader *reader)
{
    size_t begin = vv_reader_position(reader);
    uint64_t value = vv_reader_varint(reader);
    if (vv_reader_position(reader) - begin != vv_varint_size(value)) {
        vv_reader_spoil(reader);
    }
    return value;
}

static varve_status idset_store_corrupt(const vv_reader *reader, varve_error *out_err)
{
    return vv_fail(out_err, VARVE_E_CORRUPT, "id set is damaged near byte %zu",
                   vv_reader_position(reader));
}

static varve_status idset_store_read_plain(vv_reader *reader, uint32_t count, vv_alloc *alloc,
                                           vv_idset *out_set, varve_error *out_err)
{
    uint32_t ids[VV_IDSET_PLAIN_MAX];
    uint64_t next = 0;
    for (uint32_t index = 0; index < count; index++) {
        uint64_t difference = idset_store_read_varint(reader);
        if (vv_reader_is_bad(reader) || difference > VV_IDSET_ID_MAX ||
            next + difference > VV_IDSET_ID_MAX) {
            vv_reader_spoil(reader);
            return idset_store_corrupt(reader, out_err);
        }
        ids[index] = (uint32_t)(next + difference);
        next = (uint64_t)ids[index] + 1;
    }
    if (vv_idset_make_plain(ids, count, alloc, out_set) != VARVE_OK) {
        return vv_fail_nomem(out_err, "id set", count * sizeof *ids);
    }
    return VARVE_OK;
}

static bool idset_store_is_ascending(const uint16_t *array, uint32_t count)
{
    for (uint32_t index = 1; index < count; index++) {
        if (array[index - 1] >= array[index]) {
            return false;
        }
    }
    return true;
}

/* A container behind those in the builder; E_CORRUPT when it is none. */
static varve_status idset_store_read_container(vv_reader *reader, vv_idset_scratch *scratch,
                                               vv_idset_builder *builder)
{
    uint16_t key = vv_reader_u16(reader);
    uint32_t count = (uint32_t)vv_reader_u16(reader) + 1;
    bool is_bitmap = count > VV_IDSET_ARRAY_MAX;
    size_t size = is_bitmap ? VV_IDSET_BITMAP_BYTES : count * sizeof *scratch->u.array;
    const uint8_t *bytes = vv_reader_bytes(reader, size);
    const vv_idset_tree *tree = builder->tree;
    if (bytes == NULL || (tree->count > 0 && tree->items[tree->count - 1].key >= key)) {
        return VARVE_E_CORRUPT;
    }
    if (is_bitmap) {
        memcpy(scratch->u.words, bytes, size);
        if (vv_idset_words_count(scratch->u.words) != count) {
            return VARVE_E_CORRUPT;
        }
        return vv_idset_builder_add_words(builder, scratch->u.words, count, key);
    }
    memcpy(scratch->u.array, bytes, size);
    if (!idset_store_is_ascending(scratch->u.array, count)) {
        return VARVE_E_CORRUPT;
    }
    return vv_idset_builder_add_array(builder, scratch->u.array, count, key);
}

static varve_status idset_store_read_tree(vv_reader *reader, uint32_t count, vv_alloc *alloc,
                                          vv_idset *out_set, varve_error *out_err)
{
    vv_idset_builder builder = {.alloc = alloc};
    vv_idset_scratch scratch;
    uint64_t container_count = idset_store_read_varint(reader);
    if (vv_reader_is_bad(reader) || container_count == 0 || container_count > VV_IDSET_SPAN ||
        container_count > vv_reader_left(reader) / IDSET_STORE_CONTAINER_BYTES_MIN) {
        vv_reader_spoil(reader);
        return idset_store_corrupt(reader, out_err);
    }
    varve_status status = vv_idset_builder_reserve(&builder, (uint32_t)container_count);
    for (uint64_t index = 0; index < container_count && status == VARVE_OK; index++) {
        status = idset_store_read_container(reader, &scratch, &builder);
        if (status == VARVE_OK && builder.id_count > count) {
            status = VARVE_E_CORRUPT; /* before the sum could pass 32 bits */
        }
    }
    uint32_t last = 0;
    if (status == VARVE_OK) {
        vv_idset built = {
            .u.tree = builder.tree, .count = builder.id_count, .capacity = VV_IDSET_IS_TREE};
        bool is_right =
            builder.id_count == count && vv_idset_last(&built, &last) && last <= VV_IDSET_ID_MAX;
        status = is_right ? VARVE_OK : VARVE_E_CORRUPT;
    }
    status = vv_idset_builder_end(&builder, status, out_set);
    if (status == VARVE_E_NOMEM) {
        return vv_fail_nomem(out_err, "id set", vv_reader_position(reader));
    }
    if (status == VARVE_E_CORRUPT) {
        vv_reader_spoil(reader);
        return idset_store_corrupt(reader, out_err);
    }
    return VARVE_OK;
}

varve_status vv_idset_read(vv_reader *reader, uint32_t count_max, vv_alloc *alloc,
                           vv_idset *out_set, varve_error *out_err)
{
    vv_idset_init(out_set);
    uint64_t count = idset_store_read_varint(reader);
    if (vv_reader_is_bad(reader) || count > UINT32_MAX) {
        vv_reader_spoil(reader);
        return idset_store_corrupt(reader, out_err);
    }
    if (count > count_max) {
        return vv_fail(out_err, VARVE_E_LIMIT, "id set has %llu ids, the limit is %lu",
                       (unsigned long long)count, (unsigned long)count_max);
    }
    if (count <= VV_IDSET_PLAIN_MAX) {
        return idset_store_read_plain(reader, (uint32_t)count, alloc, out_set, out_err);
    }
    return idset_store_read_tree(reader, (uint32_t)count, alloc, out_set, out_err);
}
