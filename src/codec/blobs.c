/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of any length: strings, bytes, histograms in their canonical bytes.
 *
 *     u8 0  plain        texts, count of them
 *     u8 1  dictionary   varint size - 1; ints of count codes; texts, size of them, distinct, in
 *                        order of appearance
 *
 *     texts     ints of the lengths; where they are not all 0:
 *               u8 0  as they are, side by side
 *               u8 1  varint size; a zstd frame of them side by side
 *               u8 2  varint size; a zstd frame of them transposed: all first bytes, all second
 *                     ones ... (lengths are equal)
 *
 * Identifiers of one length differ in few places, or take few characters in each; side by side zstd
 * does not see that. Both ways are tried where lengths are equal, and the shortest of all stays.
 *
 *   L1  The decoder allocates what the lengths say only after the bytes that are there could
 *       possibly hold it: zstd packs no more than 32768 bytes into one.
 */
#include "base/checked.h"
#include "base/hash.h"
#include "base/status.h"
#include "codec/codec_priv.h"

/* For a context with the database's allocator; part of every zstd library, shared ones included. */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

enum { BLOBS_PLAIN = 0, BLOBS_DICTIONARY = 1 };

enum { BLOBS_AS_IS = 0, BLOBS_ZSTD = 1, BLOBS_ZSTD_TURNED = 2 };

enum {
    BLOBS_ZSTD_LEVEL = 3,      /* the library's default */
    BLOBS_ZSTD_BYTES_MIN = 48, /* less gains nothing: frame and headers take about 20; arbitrary */
    BLOBS_ZSTD_RATIO_MAX = 32768,  /* L1: a block of 128 KiB of one byte takes 4 */
    BLOBS_KEPT_BYTES_MAX = 1 << 20 /* memory for larger columns is not kept; arbitrary */
};

/* zstd releases without a size, the allocator wants one: it stands before the memory. */
typedef union blobs_memory {
    size_t size; /* of the whole */
    max_align_t align;
} blobs_memory;

static void *blobs_zstd_new(void *context, size_t size)
{
    if (size > SIZE_MAX - sizeof(blobs_memory)) {
        return NULL;
    }
    blobs_memory *memory = (blobs_memory *)vv_alloc_new((vv_alloc *)context, size + sizeof *memory);
    if (memory == NULL) {
        return NULL;
    }
    memory->size = size + sizeof *memory;
    return memory + 1;
}

static void blobs_zstd_free(void *context, void *address)
{
    if (address != NULL) {
        blobs_memory *memory = (blobs_memory *)address - 1;
        vv_alloc_free((vv_alloc *)context, memory, memory->size);
    }
}

static ZSTD_customMem blobs_zstd_memory(vv_codec_scratch *scratch)
{
    return (ZSTD_customMem){blobs_zstd_new, blobs_zstd_free, scratch->alloc};
}

void vv_blobs_release(vv_codec_scratch *scratch)
{
    (void)ZSTD_freeCCtx((ZSTD_CCtx *)scratch->zstd.compressor);
    (void)ZSTD_freeDCtx((ZSTD_DCtx *)scratch->zstd.decompressor);
    scratch->zstd = (vv_codec_zstd){NULL, NULL};
    vv_buf_deinit(&scratch->raw);
    vv_buf_deinit(&scratch->turned);
}

/* After a large column the memory goes back. */
static void blobs_shrink(vv_codec_scratch *scratch)
{
    if (scratch->raw.capacity > BLOBS_KEPT_BYTES_MAX ||
        scratch->turned.capacity > BLOBS_KEPT_BYTES_MAX) {
        vv_blobs_release(scratch);
    }
}

static varve_status blobs_get_compressor(vv_codec_scratch *scratch, ZSTD_CCtx **out_context,
                                         varve_error *out_err)
{
    ZSTD_CCtx *context = (ZSTD_CCtx *)scratch->zstd.compressor;
    if (context == NULL) {
        context = ZSTD_createCCtx_advanced(blobs_zstd_memory(scratch));
        if (context == NULL) {
            return vv_fail(out_err, VARVE_E_NOMEM, "out of memory: a zstd compressor");
        }
        (void)ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, BLOBS_ZSTD_LEVEL);
        scratch->zstd.compressor = context;
    }
    *out_context = context;
    return VARVE_OK;
}

/* Codes into scratch->outliers, values into distinct; their count, or 0 when they are too many. */
static size_t blobs_collect_distinct(const varve_text *texts, size_t count,
                                     vv_codec_scratch *scratch)
{
    memset(scratch->slots, 0, sizeof scratch->slots);
    size_t distinct = 0;
    for (size_t i = 0; i < count; ++i) {
        size_t slot = vv_hash64(texts[i].data, texts[i].size, 0) % VV_INTS_SLOTS;
        while (scratch->slots[slot] != 0 &&
               !vv_text_equal(scratch->distinct[scratch->slots[slot] - 1], texts[i])) {
            slot = (slot + 1) % VV_INTS_SLOTS;
        }
        if (scratch->slots[slot] == 0) {
            if (distinct >= count / 2) {
                return 0;
            }
            scratch->distinct[distinct] = texts[i];
            distinct += 1;
            scratch->slots[slot] = (uint16_t)distinct;
        }
        scratch->outliers[i] = scratch->slots[slot] - 1;
    }
    return distinct;
}

/* Append a zstd frame, its form and size before it; only where that is shorter than `limit`. */
static varve_status blobs_append_zstd(uint8_t form, vv_bytes source, size_t limit,
                                      vv_codec_scratch *scratch, vv_buf *out, varve_error *out_err)
{
    ZSTD_CCtx *context;
    VV_TRY(blobs_get_compressor(scratch, &context, out_err));
    size_t before = out->size;
    size_t bound = ZSTD_compressBound(source.size);
    size_t head_size = 1 + vv_varint_size(bound);
    if (vv_buf_reserve(out, head_size + bound) != VARVE_OK) {
        return vv_buf_check(out, out_err);
    }
    size_t size =
        ZSTD_compress2(context, out->data + before + head_size, bound, source.data, source.size);
    if (ZSTD_isError(size)) {
        return vv_fail(out_err, VARVE_E_NOMEM, "zstd cannot pack %zu bytes: %s", source.size,
                       ZSTD_getErrorName(size));
    }
    size_t used = 1 + vv_varint_size(size);
    if (used + size < limit) {
        memmove(out->data + before + used, out->data + before + head_size, size);
        VV_IGNORE(vv_buf_append_u8(out, form));
        VV_IGNORE(vv_buf_append_varint(out, size));
        vv_buf_advance(out, size);
    }
    return VARVE_OK;
}

/* source[i * length + j] to target[j * count + i]. */
static void blobs_transpose(const uint8_t *source, size_t count, size_t length, uint8_t *target)
{
    for (size_t i = 0; i < count; ++i) {
        for (size_t j = 0; j < length; ++j) {
            target[j * count + i] = source[i * length + j];
        }
    }
}

/* Pack `raw` transposed too, and keep what is shorter. */
static varve_status blobs_try_turned(vv_bytes raw, size_t count, vv_codec_scratch *scratch,
                                     vv_buf *out, size_t before, varve_error *out_err)
{
    vv_buf_reset(&scratch->turned);
    uint8_t *turned = vv_buf_extend(&scratch->turned, raw.size);
    VV_TRY(vv_buf_check(&scratch->turned, out_err));
    blobs_transpose(raw.data, count, raw.size / count, turned);
    size_t middle = out->size;
    size_t size = middle == before ? 1 + raw.size : middle - before;
    VV_TRY(blobs_append_zstd(BLOBS_ZSTD_TURNED, vv_bytes_make(turned, raw.size), size, scratch, out,
                             out_err));
    size_t turned_size = out->size - middle;
    if (turned_size > 0) {
        memmove(out->data + before, out->data + middle, turned_size);
        vv_buf_truncate(out, before + turned_size);
    }
    return VARVE_OK;
}

static varve_status blobs_write_bytes(vv_bytes raw, size_t count, bool are_equal,
                                      vv_codec_scratch *scratch, vv_buf *out, varve_error *out_err)
{
    size_t before = out->size;
    if (raw.size >= BLOBS_ZSTD_BYTES_MIN) {
        VV_TRY(blobs_append_zstd(BLOBS_ZSTD, raw, 1 + raw.size, scratch, out, out_err));
        if (are_equal && count > 1 && raw.size > count) {
            VV_TRY(blobs_try_turned(raw, count, scratch, out, before, out_err));
        }
    }
    if (out->size == before) {
        VV_IGNORE(vv_buf_append_u8(out, BLOBS_AS_IS));
        VV_IGNORE(vv_buf_append(out, raw.data, raw.size));
    }
    return VARVE_OK;
}

/* The texts side by side: a single one where it is, more in scratch->raw. */
static varve_status blobs_gather(const varve_text *texts, size_t count, vv_codec_scratch *scratch,
                                 vv_bytes *out_raw, varve_error *out_err)
{
    if (count == 1) {
        *out_raw = vv_bytes_of_text(texts[0]);
        return VARVE_OK;
    }
    vv_buf_reset(&scratch->raw);
    for (size_t i = 0; i < count; ++i) {
        VV_IGNORE(vv_buf_append_text(&scratch->raw, texts[i]));
    }
    *out_raw = vv_buf_bytes(&scratch->raw);
    return vv_buf_check(&scratch->raw, out_err);
}

static varve_status blobs_write_texts(const varve_text *texts, size_t count,
                                      vv_codec_scratch *scratch, vv_buf *out, varve_error *out_err)
{
    bool are_equal = true;
    for (size_t i = 0; i < count; ++i) {
        if (texts[i].size > VV_VALUE_BYTES_MAX) {
            return vv_fail(out_err, VARVE_E_LIMIT, "a value of %zu bytes exceeds %d", texts[i].size,
                           VV_VALUE_BYTES_MAX);
        }
        scratch->ints[i] = (int64_t)texts[i].size;
        are_equal = are_equal && texts[i].size == texts[0].size;
    }
    vv_ints_write(scratch->ints, count, scratch, out);
    vv_bytes raw;
    VV_TRY(blobs_gather(texts, count, scratch, &raw, out_err));
    if (raw.size == 0) {
        return VARVE_OK;
    }
    return blobs_write_bytes(raw, count, are_equal, scratch, out, out_err);
}

varve_status vv_blobs_write(const varve_text *texts, size_t count, vv_codec_scratch *scratch,
                            vv_buf *out, varve_error *out_err)
{
    size_t distinct = blobs_collect_distinct(texts, count, scratch);
    varve_status status;
    if (distinct > 0) {
        VV_IGNORE(vv_buf_append_u8(out, BLOBS_DICTIONARY));
        VV_IGNORE(vv_buf_append_varint(out, distinct - 1));
        vv_ints_write(scratch->outliers, count, scratch, out);
        status = blobs_write_texts(scratch->distinct, distinct, scratch, out, out_err);
    } else {
        VV_IGNORE(vv_buf_append_u8(out, BLOBS_PLAIN));
        status = blobs_write_texts(texts, count, scratch, out, out_err);
    }
    blobs_shrink(scratch);
    return status == VARVE_OK ? vv_buf_check(out, out_err) : status;
}

/* Lengths into scratch->ints; their sum. */
static size_t blobs_read_lengths(vv_reader *reader, size_t count, vv_codec_scratch *scratch)
{
    vv_ints_read(reader, count, scratch, scratch->ints);
    size_t total = 0;
    for (size_t i = 0; i < count && !vv_reader_is_bad(reader); ++i) {
        if (scratch->ints[i] < 0 || scratch->ints[i] > VV_VALUE_BYTES_MAX) {
            vv_reader_spoil(reader);
            return 0;
        }
        total += (size_t)scratch->ints[i];
        if (total > VV_VECTOR_BYTES_MAX) {
            vv_reader_spoil(reader);
        }
    }
    return vv_reader_is_bad(reader) ? 0 : total;
}

static varve_status blobs_unpack(vv_bytes packed, size_t size, uint8_t *target, vv_reader *reader,
                                 vv_codec_scratch *scratch, varve_error *out_err)
{
    if (scratch->zstd.decompressor == NULL) {
        scratch->zstd.decompressor = ZSTD_createDCtx_advanced(blobs_zstd_memory(scratch));
        if (scratch->zstd.decompressor == NULL) {
            return vv_fail(out_err, VARVE_E_NOMEM, "out of memory: a zstd decompressor");
        }
    }
    size_t unpacked = ZSTD_decompressDCtx((ZSTD_DCtx *)scratch->zstd.decompressor, target, size,
                                          packed.data, packed.size);
    if (unpacked != size) { /* errors are sizes beyond any other */
        vv_reader_spoil(reader);
    }
    return VARVE_OK;
}

static varve_status blobs_read_zstd(vv_reader *reader, size_t count, size_t total, bool is_turned,
                                    vv_codec_scratch *scratch, vv_arena *arena,
                                    const uint8_t **out_bytes, varve_error *out_err)
{
    size_t packed_size = (size_t)vv_reader_varint_max(reader, VV_VECTOR_BYTES_MAX);
    vv_bytes packed = {.data = vv_reader_bytes(reader, packed_size), .size = packed_size};
    if (vv_reader_is_bad(reader) || total / BLOBS_ZSTD_RATIO_MAX > packed_size) { /* L1 */
        vv_reader_spoil(reader);
        return VARVE_OK;
    }
    uint8_t *target = (uint8_t *)vv_arena_aligned(arena, total, 1);
    if (target == NULL) {
        return vv_arena_fail(arena, total, out_err);
    }
    *out_bytes = target;
    if (!is_turned) {
        return blobs_unpack(packed, total, target, reader, scratch, out_err);
    }
    vv_buf_reset(&scratch->turned);
    uint8_t *turned = vv_buf_extend(&scratch->turned, total);
    VV_TRY(vv_buf_check(&scratch->turned, out_err));
    VV_TRY(blobs_unpack(packed, total, turned, reader, scratch, out_err));
    if (!vv_reader_is_bad(reader)) {
        blobs_transpose(turned, total / count, count, target);
    }
    return VARVE_OK;
}

static bool blobs_have_equal_lengths(const int64_t *lengths, size_t count)
{
    for (size_t i = 1; i < count; ++i) {
        if (lengths[i] != lengths[0]) {
            return false;
        }
    }
    return true;
}

/* The bytes of all texts, side by side. */
static varve_status blobs_read_bytes(vv_reader *reader, size_t count, size_t total,
                                     vv_codec_scratch *scratch, vv_arena *arena,
                                     const uint8_t **out_bytes, varve_error *out_err)
{
    switch (vv_reader_u8(reader)) {
    case BLOBS_AS_IS:
        *out_bytes = vv_reader_bytes(reader, total);
        return VARVE_OK;
    case BLOBS_ZSTD:
        return blobs_read_zstd(reader, count, total, false, scratch, arena, out_bytes, out_err);
    case BLOBS_ZSTD_TURNED:
        if (blobs_have_equal_lengths(scratch->ints, count)) {
            return blobs_read_zstd(reader, count, total, true, scratch, arena, out_bytes, out_err);
        }
        vv_reader_spoil(reader);
        return VARVE_OK;
    default:
        vv_reader_spoil(reader);
        return VARVE_OK;
    }
}

static varve_status blobs_read_texts(vv_reader *reader, size_t count, vv_codec_scratch *scratch,
                                     vv_arena *arena, varve_text *out_texts, varve_error *out_err)
{
    size_t total = blobs_read_lengths(reader, count, scratch);
    const uint8_t *bytes = (const uint8_t *)"";
    if (total > 0) {
        VV_TRY(blobs_read_bytes(reader, count, total, scratch, arena, &bytes, out_err));
    }
    if (vv_reader_is_bad(reader)) {
        return VARVE_OK;
    }
    for (size_t i = 0; i < count; ++i) {
        out_texts[i] = vv_text_make((const char *)bytes, (size_t)scratch->ints[i]);
        bytes += out_texts[i].size;
    }
    return VARVE_OK;
}

static varve_status blobs_read_dictionary(vv_reader *reader, size_t count,
                                          vv_codec_scratch *scratch, vv_arena *arena,
                                          varve_text *out_texts, varve_error *out_err)
{
    size_t size = (size_t)vv_reader_varint_max(reader, count - 1) + 1;
    vv_ints_read(reader, count, scratch, scratch->outliers);
    VV_TRY(blobs_read_texts(reader, size, scratch, arena, scratch->distinct, out_err));
    for (size_t i = 0; i < count && !vv_reader_is_bad(reader); ++i) {
        uint64_t code = (uint64_t)scratch->outliers[i];
        if (code >= size) {
            vv_reader_spoil(reader);
        } else {
            out_texts[i] = scratch->distinct[code];
        }
    }
    return VARVE_OK;
}

varve_status vv_blobs_read(vv_reader *reader, size_t count, vv_codec_scratch *scratch,
                           vv_arena *arena, varve_text *out_texts, varve_error *out_err)
{
    varve_status status = VARVE_OK;
    uint8_t form = vv_reader_u8(reader);
    if (form == BLOBS_PLAIN) {
        status = blobs_read_texts(reader, count, scratch, arena, out_texts, out_err);
    } else if (form == BLOBS_DICTIONARY) {
        status = blobs_read_dictionary(reader, count, scratch, arena, out_texts, out_err);
    } else {
        vv_reader_spoil(reader);
    }
    blobs_shrink(scratch);
    return status;
}
