/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams from any bytes: as they are; and as the payload of a block whose checksums are right, so
 * that what lies behind them is reached. However a stream is cut into pieces, the sink gets the
 * same rows; of a block that is refused it gets none.
 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/crc.h"
#include "base/hash.h"
#include "cli/formats.h"
#include "model/value.h"
#include "wire/decode.h"
#include "wire/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FUZZ_HEADER = 32, FUZZ_HEAD = 24 };

/** What came out of a decoder. */
typedef struct fuzz_seen {
    varve_status status;
    uint64_t rows;
    uint64_t rows_of_blocks; /* when the last good block ended */
    uint64_t hash;
    vv_arena arena;
} fuzz_seen;

static void fuzz_mix(fuzz_seen *seen, const void *bytes, size_t size)
{
    seen->hash = vv_hash64(bytes, size, seen->hash);
}

static varve_status fuzz_rows(void *context, vv_decoder *decoder, const vv_wire_rows *rows,
                              varve_error *out_err)
{
    fuzz_seen *seen = context;
    varve_text metric;
    varve_label *labels;
    size_t label_count;
    vv_arena_reset(&seen->arena);
    VV_ASSERT(rows->row_count > 0 && rows->field_count > 0 && rows->key.size > 0);
    VV_TRY(vv_decoder_series(decoder, rows, &seen->arena, &metric, &labels, &label_count, out_err));
    fuzz_mix(seen, rows->key.data, rows->key.size);
    fuzz_mix(seen, rows->timestamps, rows->row_count * sizeof *rows->timestamps);
    for (size_t row = 0; row < rows->row_count; row++) {
        bool has_value = false;
        for (size_t field = 0; field < rows->field_count; field++) {
            const varve_value *value = &rows->values[field * rows->row_count + row];
            if (value->type != VARVE_TYPE_NONE) {
                has_value = true;
                VV_ASSERT(vv_value_check(value, out_err) == VARVE_OK);
                fuzz_mix(seen, &value->type, sizeof value->type);
            }
        }
        VV_ASSERT(has_value);
    }
    seen->rows += rows->row_count;
    return VARVE_OK;
}

static void fuzz_reject(void *context, const vv_wire_bad *bad)
{
    (void)context;
    (void)bad;
    abort(); /* a stream has no lines to leave out */
}

static void fuzz_lines(void *context, uint64_t line)
{
    fuzz_seen *seen = context;
    (void)line;
    seen->rows_of_blocks = seen->rows;
}

static fuzz_seen fuzz_read(vv_alloc *alloc, vv_bytes bytes, size_t piece)
{
    fuzz_seen seen = {.hash = 0};
    vv_decoder *decoder;
    varve_error err;
    /* The bound keeps a run of a fuzzer from spending its time on memory. */
    vv_decoder_options options = {.precision = VARVE_PRECISION_NS, .line_bytes_max = 1 << 20};
    vv_wire_sink sink = {
        .context = &seen, .rows = fuzz_rows, .reject = fuzz_reject, .lines = fuzz_lines};
    vv_arena_init(&seen.arena, alloc, SIZE_MAX);
    VV_ASSERT(vv_decoder_create(VV_FORMAT_NATIVE, alloc, &options, &sink, &decoder, &err) ==
              VARVE_OK);
    for (size_t at = 0; at < bytes.size && seen.status == VARVE_OK; at += piece) {
        size_t left = bytes.size - at;
        vv_bytes part = vv_bytes_make(bytes.data + at, left < piece ? left : piece);
        seen.status = vv_decoder_feed(decoder, part, &err);
    }
    if (seen.status == VARVE_OK) {
        seen.status = vv_decoder_end(decoder, &err);
    }
    vv_decoder_free(decoder);
    vv_arena_deinit(&seen.arena);
    VV_ASSERT(seen.status == VARVE_OK || seen.status == VARVE_E_INVALID ||
              seen.status == VARVE_E_UNSUPPORTED || seen.status == VARVE_E_LIMIT);
    VV_ASSERT(seen.rows == seen.rows_of_blocks);
    return seen;
}

static void fuzz_both(vv_alloc *alloc, vv_bytes bytes)
{
    fuzz_seen whole = fuzz_read(alloc, bytes, SIZE_MAX / 2);
    fuzz_seen cut = fuzz_read(alloc, bytes, 1 + bytes.size / 7);
    VV_ASSERT(whole.status == cut.status && whole.rows == cut.rows && whole.hash == cut.hash);
}

/** A header, a block with this payload, no end. */
static void fuzz_wrap(vv_buf *stream, const uint8_t *payload, uint32_t size)
{
    vv_buf_append(stream, VV_STREAM_MAGIC, VV_STREAM_MAGIC_BYTES);
    vv_buf_append_u16(stream, 1);
    vv_buf_append_u16(stream, FUZZ_HEADER);
    vv_buf_append_u32(stream, 0);
    vv_buf_append_u8(stream, VARVE_PRECISION_US);
    vv_buf_append_fill(stream, 0, 11);
    uint32_t chain = vv_crc32c(0, stream->data, FUZZ_HEADER - 4);
    vv_buf_append_u32(stream, chain);
    vv_buf_append_u32(stream, 1); /* rows, as they are */
    vv_buf_append_u32(stream, 0);
    vv_buf_append_u32(stream, size);
    vv_buf_append_u32(stream, size);
    vv_buf_append_u32(stream, vv_crc32c(0, payload, size));
    chain = vv_crc32c(0, &chain, sizeof chain);
    vv_buf_append_u32(stream, vv_crc32c(chain, stream->data + FUZZ_HEADER, FUZZ_HEAD - 4));
    vv_buf_append(stream, payload, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vv_alloc alloc;
    vv_buf stream;
    vv_alloc_init(&alloc, NULL);
    vv_buf_init(&stream, &alloc, SIZE_MAX);
    fuzz_both(&alloc, vv_bytes_make(data, size));
    const vv_format_row *format = vv_formats_of_bytes(vv_bytes_make(data, size));
    VV_ASSERT(format == NULL || format->format == VV_FORMAT_NATIVE);
    if (size > 0 && size < (1 << 20)) {
        fuzz_wrap(&stream, data, (uint32_t)size);
        fuzz_both(&alloc, vv_buf_bytes(&stream));
    }
    vv_buf_deinit(&stream);
    VV_ASSERT(vv_alloc_bytes(&alloc) == 0);
    return 0;
}
