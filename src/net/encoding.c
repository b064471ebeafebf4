/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Inflating and deflating over zlib and zstd, piece by piece. See the header for E1 to E3.
 *
 * Both libraries allocate through the vv_alloc given, in chunks that carry their own size in front
 * (a vv_alloc wants it back on release, the libraries do not keep it).
 */

#include "net/encoding.h"

#define ZLIB_CONST
#define ZSTD_STATIC_LINKING_ONLY /* for custom memory */
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/checked.h"
#include "base/limit.h"
#include "base/status.h"

/* Sizes stand in front of what the libraries get; 16 keeps the alignment of malloc. */
#define ENCODING_PREFIX_BYTES 16u
/* Window of zstd frames from outside: 8 MiB (security.md, section 3). */
#define ENCODING_WINDOW_LOG_MAX 23
#define ENCODING_COUNT          ((size_t)VV_ENCODING_ZSTD + 1)
/* A weight of Accept-Encoding has three decimals. */
#define ENCODING_WEIGHT_MAX 1000u
/* What E2 allows whatever the input: small bodies compress without end. */
#define ENCODING_FREE_BYTES (1024u * 1024u)

static void *encoding_allocate(void *context, size_t size)
{
    size_t whole;
    if (!vv_add_size(size, ENCODING_PREFIX_BYTES, &whole)) {
        return NULL;
    }
    uint8_t *memory = vv_alloc_new(context, whole);
    if (memory == NULL) {
        return NULL;
    }
    memcpy(memory, &whole, sizeof whole);
    return memory + ENCODING_PREFIX_BYTES;
}

static void encoding_release(void *context, void *address)
{
    if (address == NULL) {
        return;
    }
    uint8_t *memory = (uint8_t *)address - ENCODING_PREFIX_BYTES;
    size_t whole;
    memcpy(&whole, memory, sizeof whole);
    vv_alloc_free(context, memory, whole);
}

static void *encoding_zlib_allocate(void *context, unsigned count, unsigned size)
{
    return encoding_allocate(context, (size_t)count * size);
}

static const ZSTD_customMem encoding_no_memory = {0};

static ZSTD_customMem encoding_zstd_memory(vv_alloc *alloc)
{
    ZSTD_customMem memory = encoding_no_memory;
    memory.customAlloc = encoding_allocate;
    memory.customFree = encoding_release;
    memory.opaque = alloc;
    return memory;
}

/* ---- words ---- */

bool vv_encoding_parse(varve_text text, vv_encoding *out_encoding)
{
    static const struct {
        varve_text word;
        vv_encoding encoding;
    } words[] = {
        {VV_TEXT_INIT(""), VV_ENCODING_IDENTITY},
        {VV_TEXT_INIT("identity"), VV_ENCODING_IDENTITY},
        {VV_TEXT_INIT("gzip"), VV_ENCODING_GZIP},
        {VV_TEXT_INIT("x-gzip"), VV_ENCODING_GZIP},
        {VV_TEXT_INIT("deflate"), VV_ENCODING_DEFLATE},
        {VV_TEXT_INIT("zstd"), VV_ENCODING_ZSTD},
    };
    varve_text word = vv_text_trim(text);
    for (size_t index = 0; index < VV_ARRAY_COUNT(words); index++) {
        if (vv_text_equal_nocase(word, words[index].word)) {
            *out_encoding = words[index].encoding;
            return true;
        }
    }
    return false;
}

/** The value of a weight, "0.5" and kin, in thousandths; 0 of what is none. */
static uint32_t encoding_parse_weight(varve_text text)
{
    uint32_t weight = 0;
    uint32_t unit = ENCODING_WEIGHT_MAX;
    for (size_t index = 0; index < text.size; index++) {
        char c = text.data[index];
        if (index == 1 && c == '.') {
            continue;
        }
        if (c < '0' || c > '9' || index == 1 || unit == 0) {
            return 0;
        }
        weight += (uint32_t)(c - '0') * unit;
        unit /= 10;
    }
    return weight <= ENCODING_WEIGHT_MAX ? weight : 0;
}

/** How much a word is wanted by its parameters, such as ";q=0.5". */
static uint32_t encoding_weight(varve_text parameters)
{
    varve_text part;
    while (vv_text_split(&parameters, ';', &part)) {
        part = vv_text_trim(part);
        if (part.size >= 2 && (part.data[0] == 'q' || part.data[0] == 'Q') && part.data[1] == '=') {
            return encoding_parse_weight(vv_text_sub(part, 2, part.size));
        }
    }
    return ENCODING_WEIGHT_MAX;
}

vv_encoding vv_encoding_choose(varve_text accept)
{
    uint32_t weights[ENCODING_COUNT] = {0};
    bool is_named[ENCODING_COUNT] = {false};
    uint32_t others = 0; /* "*": what is not named */
    varve_text item;
    while (vv_text_split(&accept, ',', &item)) {
        varve_text parameters = item;
        varve_text word = {.data = ""};
        vv_encoding encoding;
        VV_IGNORE(vv_text_split(&parameters, ';', &word)); /* nothing: no word */
        word = vv_text_trim(word);
        if (vv_text_equal(word, VV_TEXT("*"))) {
            others = encoding_weight(parameters);
        } else if (word.size > 0 && vv_encoding_parse(word, &encoding)) {
            weights[encoding] = encoding_weight(parameters);
            is_named[encoding] = true;
        }
    }
    /* Of those wanted alike the smaller answer. Who names nothing may not know zstd. */
    static const vv_encoding order[] = {VV_ENCODING_ZSTD, VV_ENCODING_GZIP, VV_ENCODING_IDENTITY};
    weights[VV_ENCODING_GZIP] = is_named[VV_ENCODING_GZIP] ? weights[VV_ENCODING_GZIP] : others;
    vv_encoding best = VV_ENCODING_IDENTITY;
    uint32_t most = 0;
    for (size_t index = 0; index < VV_ARRAY_COUNT(order); index++) {
        if (weights[order[index]] > most) {
            best = order[index];
            most = weights[best];
        }
    }
    return best;
}

const char *vv_encoding_name(vv_encoding encoding)
{
    switch (encoding) {
    case VV_ENCODING_IDENTITY:
        return "identity";
    case VV_ENCODING_GZIP:
        return "gzip";
    case VV_ENCODING_DEFLATE:
        return "deflate";
    case VV_ENCODING_ZSTD:
        return "zstd";
    }
    return "";
}

/* ---- inflating ---- */

struct vv_inflate {
    vv_alloc *alloc;
    vv_encoding encoding;
    uint64_t decoded_bytes_max;
    uint64_t encoded_bytes;
    uint64_t decoded_bytes;
    vv_inflate_sink sink;
    void *context;
    z_stream zlib;
    bool has_zlib;
    bool is_in_frame;  /* bytes of a member or frame are missing */
    bool is_raw_tried; /* deflate: the form without a head is being read */
    uint64_t frames;   /* members or frames that have ended */
    ZSTD_DStream *zstd;
    uint8_t piece[VV_INFLATE_PIECE_BYTES];
};

static varve_status encoding_inflate_open_zlib(vv_inflate *stream, int window_bits,
                                               varve_error *out_err)
{
    stream->zlib = (z_stream){
        .zalloc = encoding_zlib_allocate, .zfree = encoding_release, .opaque = stream->alloc};
    if (inflateInit2(&stream->zlib, window_bits) != Z_OK) {
        return vv_fail_nomem(out_err, "inflating", 1u << 15);
    }
    stream->has_zlib = true;
    return VARVE_OK;
}

static varve_status encoding_inflate_open(vv_inflate *stream, varve_error *out_err)
{
    switch (stream->encoding) {
    case VV_ENCODING_IDENTITY:
        return VARVE_OK;
    case VV_ENCODING_GZIP:
        return encoding_inflate_open_zlib(stream, 15 + 16, out_err);
    case VV_ENCODING_DEFLATE:
        return encoding_inflate_open_zlib(stream, 15, out_err);
    case VV_ENCODING_ZSTD:
        stream->zstd = ZSTD_createDStream_advanced(encoding_zstd_memory(stream->alloc));
        if (stream->zstd == NULL ||
            ZSTD_isError(ZSTD_DCtx_setParameter(stream->zstd, ZSTD_d_windowLogMax,
                                                ENCODING_WINDOW_LOG_MAX))) {
            return vv_fail_nomem(out_err, "inflating", 1u << 17);
        }
        return VARVE_OK;
    }
    return VARVE_E_INTERNAL;
}

varve_status vv_inflate_create(vv_alloc *alloc, vv_encoding encoding, uint64_t decoded_bytes_max,
                               vv_inflate_sink sink, void *context, vv_inflate **out_inflate,
                               varve_error *out_err)
{
    *out_inflate = NULL;
    vv_inflate *stream = vv_alloc_new(alloc, sizeof *stream);
    if (stream == NULL) {
        return vv_fail_nomem(out_err, "inflating", sizeof *stream);
    }
    memset(stream, 0, offsetof(vv_inflate, piece));
    stream->alloc = alloc;
    stream->encoding = encoding;
    stream->decoded_bytes_max = decoded_bytes_max;
    stream->sink = sink;
    stream->context = context;
    varve_status status = encoding_inflate_open(stream, out_err);
    if (status != VARVE_OK) {
        vv_inflate_free(stream);
        return status;
    }
    *out_inflate = stream;
    return VARVE_OK;
}

void vv_inflate_free(vv_inflate *stream)
{
    if (stream == NULL) {
        return;
    }
    if (stream->has_zlib) {
        VV_IGNORE(inflateEnd(&stream->zlib)); /* says only that the stream was not at its end */
    }
    if (stream->zstd != NULL) {
        VV_IGNORE(ZSTD_freeDStream(stream->zstd)); /* cannot fail */
    }
    vv_alloc_free(stream->alloc, stream, sizeof *stream);
}

/** Check E2 and hand the piece over. */
static varve_status encoding_inflate_give(vv_inflate *stream, vv_bytes piece, varve_error *out_err)
{
    if (piece.size == 0) {
        return VARVE_OK;
    }
    stream->decoded_bytes += piece.size;
    if (stream->decoded_bytes > stream->decoded_bytes_max) {
        return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_DOCUMENT,
                             "the body is larger than %llu bytes",
                             (unsigned long long)stream->decoded_bytes_max);
    }
    if (stream->encoding != VV_ENCODING_IDENTITY && stream->decoded_bytes > ENCODING_FREE_BYTES &&
        (stream->decoded_bytes - ENCODING_FREE_BYTES) / VV_INFLATE_RATIO_MAX >
            stream->encoded_bytes) {
        return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_INFLATE,
                             "the body inflates more than %u times", VV_INFLATE_RATIO_MAX);
    }
    return stream->sink(stream->context, piece, out_err);
}

/** What is wrong with compressed bytes. */
typedef enum encoding_fault {
    ENCODING_NO_HEAD,      /* a member or frame does not begin here */
    ENCODING_BAD_CHECKSUM, /* it has ended, and is not what was packed */
    ENCODING_BAD_BYTES,    /* it cannot go on like this */
} encoding_fault;

/** left: bytes of the piece that the library has not read. */
static varve_status encoding_inflate_bad(const vv_inflate *stream, encoding_fault fault,
                                         size_t left, varve_error *out_err)
{
    const char *name = vv_encoding_name(stream->encoding);
    const char *part = stream->encoding == VV_ENCODING_ZSTD ? "frame" : "member";
    unsigned long long offset = stream->encoded_bytes - left;
    unsigned long long frames = stream->frames;
    switch (fault) {
    case ENCODING_NO_HEAD:
        return frames == 0 ? vv_fail(out_err, VARVE_E_INVALID, "the body is no %s", name)
                           : vv_fail(out_err, VARVE_E_INVALID,
                                     "what follows %s %llu of the %s, before byte %llu, is no %s",
                                     part, frames, name, offset, name);
    case ENCODING_BAD_CHECKSUM:
        return vv_fail(
            out_err, VARVE_E_INVALID,
            "the bytes of the %s are damaged: the checksum of %s %llu, before byte %llu, "
            "does not match",
            name, part, frames + 1, offset);
    case ENCODING_BAD_BYTES:
        return vv_fail(
            out_err, VARVE_E_INVALID,
            "the bytes of the %s are damaged: %s %llu cannot be read further at byte %llu", name,
            part, frames + 1, offset);
    }
    return VARVE_E_INTERNAL;
}

/** What zlib means by its error. The head of a member is ten bytes. */
static encoding_fault encoding_zlib_fault(const z_stream *zlib)
{
    const char *text = zlib->msg != NULL ? zlib->msg : "";
    if (strcmp(text, "incorrect data check") == 0 || strcmp(text, "incorrect length check") == 0) {
        return ENCODING_BAD_CHECKSUM;
    }
    return zlib->total_out == 0 && zlib->total_in <= 10 ? ENCODING_NO_HEAD : ENCODING_BAD_BYTES;
}

/** One call of the library; *out_is_more: it wants to be called again with the same input. */
static varve_status encoding_inflate_step_zlib(vv_inflate *stream, bool *out_is_more,
                                               varve_error *out_err)
{
    z_stream *zlib = &stream->zlib;
    if (!stream->is_in_frame) {
        if (zlib->avail_in == 0) {
            *out_is_more = false;
            return VARVE_OK;
        }
        if (stream->frames > 0 && stream->encoding == VV_ENCODING_DEFLATE) {
            return encoding_inflate_bad(stream, ENCODING_NO_HEAD, zlib->avail_in, out_err);
        }
        stream->is_in_frame = true;
    }
    zlib->next_out = stream->piece;
    zlib->avail_out = sizeof stream->piece;
    int result = inflate(zlib, Z_NO_FLUSH);
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
        return result == Z_MEM_ERROR ? vv_fail_nomem(out_err, "inflating", 1u << 15)
                                     : encoding_inflate_bad(stream, encoding_zlib_fault(zlib),
                                                            zlib->avail_in, out_err);
    }
    VV_TRY(encoding_inflate_give(
        stream, vv_bytes_make(stream->piece, sizeof stream->piece - zlib->avail_out), out_err));
    if (result == Z_STREAM_END) {
        stream->frames += 1;
        stream->is_in_frame = false;
        VV_IGNORE(inflateReset(zlib)); /* fails for no stream only */
        *out_is_more = zlib->avail_in > 0;
        return VARVE_OK;
    }
    *out_is_more = zlib->avail_in > 0 || zlib->avail_out == 0;
    return VARVE_OK;
}

static varve_status encoding_inflate_feed_zlib(vv_inflate *stream, vv_bytes bytes,
                                               varve_error *out_err)
{
    /* "deflate" is meant with a zlib head, whose low four bits are 8; some send it without. */
    if (stream->encoding == VV_ENCODING_DEFLATE && !stream->is_raw_tried && !stream->is_in_frame &&
        stream->frames == 0 && bytes.size > 0) {
        stream->is_raw_tried = true;
        if ((bytes.data[0] & 0x0F) != 8 || (bytes.data[0] >> 4) > 7) {
            VV_IGNORE(inflateEnd(&stream->zlib)); /* nothing was read yet */
            stream->has_zlib = false;
            VV_TRY(encoding_inflate_open_zlib(stream, -15, out_err));
        }
    }
    stream->zlib.next_in = bytes.data;
    stream->zlib.avail_in = (unsigned)bytes.size;
    bool is_more = bytes.size > 0;
    while (is_more) {
        VV_TRY(encoding_inflate_step_zlib(stream, &is_more, out_err));
    }
    return VARVE_OK;
}

static encoding_fault encoding_zstd_fault(size_t result)
{
    ZSTD_ErrorCode code = ZSTD_getErrorCode(result);
    return code == ZSTD_error_prefix_unknown   ? ENCODING_NO_HEAD
           : code == ZSTD_error_checksum_wrong ? ENCODING_BAD_CHECKSUM
                                               : ENCODING_BAD_BYTES;
}

static varve_status encoding_inflate_feed_zstd(vv_inflate *stream, vv_bytes bytes,
                                               varve_error *out_err)
{
    ZSTD_inBuffer input = {.src = bytes.data, .size = bytes.size};
    bool is_more = bytes.size > 0;
    while (is_more) {
        ZSTD_outBuffer output = {.dst = stream->piece, .size = sizeof stream->piece};
        size_t result = ZSTD_decompressStream(stream->zstd, &output, &input);
        if (ZSTD_isError(result)) {
            return encoding_inflate_bad(stream, encoding_zstd_fault(result), input.size - input.pos,
                                        out_err);
        }
        stream->is_in_frame = result != 0;
        stream->frames += result == 0;
        VV_TRY(encoding_inflate_give(stream, vv_bytes_make(stream->piece, output.pos), out_err));
        is_more = input.pos < input.size || output.pos == output.size;
        if (result == 0 && input.pos == input.size) {
            is_more = false;
        }
    }
    return VARVE_OK;
}

varve_status vv_inflate_feed(vv_inflate *stream, vv_bytes bytes, varve_error *out_err)
{
    /* zlib counts in unsigned; pieces of a body are far smaller, others are cut. */
    while (bytes.size > 0) {
        vv_bytes part = {.data = bytes.data,
                         .size = bytes.size < (1u << 30) ? bytes.size : (1u << 30)};
        stream->encoded_bytes += part.size;
        switch (stream->encoding) {
        case VV_ENCODING_IDENTITY:
            VV_TRY(encoding_inflate_give(stream, part, out_err));
            break;
        case VV_ENCODING_GZIP:
        case VV_ENCODING_DEFLATE:
            VV_TRY(encoding_inflate_feed_zlib(stream, part, out_err));
            break;
        case VV_ENCODING_ZSTD:
            VV_TRY(encoding_inflate_feed_zstd(stream, part, out_err));
            break;
        }
        bytes = vv_bytes_make(bytes.data + part.size, bytes.size - part.size);
    }
    return VARVE_OK;
}

varve_status vv_inflate_end(vv_inflate *stream, varve_error *out_err)
{
    if (stream->is_in_frame) {
        return vv_fail(out_err, VARVE_E_INVALID, "the body ends inside its %s",
                       vv_encoding_name(stream->encoding));
    }
    return VARVE_OK;
}

/* ---- deflating ---- */

struct vv_deflate {
    vv_alloc *alloc;
    vv_encoding encoding;
    z_stream zlib;
    bool has_zlib;
    ZSTD_CStream *zstd;
};

varve_status vv_deflate_create(vv_alloc *alloc, vv_encoding encoding, vv_deflate **out_deflate,
                               varve_error *out_err)
{
    *out_deflate = NULL;
    vv_deflate *stream = vv_alloc_zeroed(alloc, sizeof *stream);
    if (stream == NULL) {
        return vv_fail_nomem(out_err, "compressing an answer", sizeof *stream);
    }
    stream->alloc = alloc;
    stream->encoding = encoding;
    bool is_open = false;
    if (encoding == VV_ENCODING_ZSTD) {
        stream->zstd = ZSTD_createCStream_advanced(encoding_zstd_memory(alloc));
        /* Level 1 and a window of 512 KiB: answers are made while somebody waits. */
        is_open = stream->zstd != NULL &&
                  !ZSTD_isError(ZSTD_CCtx_setParameter(stream->zstd, ZSTD_c_compressionLevel, 1)) &&
                  !ZSTD_isError(ZSTD_CCtx_setParameter(stream->zstd, ZSTD_c_windowLog, 19));
    } else {
        stream->zlib = (z_stream){
            .zalloc = encoding_zlib_allocate, .zfree = encoding_release, .opaque = alloc};
        is_open =
            deflateInit2(&stream->zlib, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK;
        stream->has_zlib = is_open;
    }
    if (!is_open) {
        vv_deflate_free(stream);
        return vv_fail_nomem(out_err, "compressing an answer", 1u << 18);
    }
    *out_deflate = stream;
    return VARVE_OK;
}

void vv_deflate_free(vv_deflate *stream)
{
    if (stream == NULL) {
        return;
    }
    if (stream->has_zlib) {
        VV_IGNORE(deflateEnd(&stream->zlib)); /* an answer cut short is no failure here */
    }
    if (stream->zstd != NULL) {
        VV_IGNORE(ZSTD_freeCStream(stream->zstd)); /* cannot fail */
    }
    vv_alloc_free(stream->alloc, stream, sizeof *stream);
}

/* Room asked for before each call of a library. */
#define DEFLATE_ROOM_BYTES 16384u

/** What a call of a library is to leave inside it: as it likes, nothing, or nothing for ever. */
typedef enum encoding_flush { ENCODING_KEEP, ENCODING_FLUSH, ENCODING_END } encoding_flush;

static varve_status encoding_deflate_feed_zlib(vv_deflate *stream, vv_bytes bytes,
                                               encoding_flush flush, vv_buf *out,
                                               varve_error *out_err)
{
    static const int flushes[] = {
        [ENCODING_KEEP] = Z_NO_FLUSH, [ENCODING_FLUSH] = Z_SYNC_FLUSH, [ENCODING_END] = Z_FINISH};
    stream->zlib.next_in = bytes.data;
    stream->zlib.avail_in = (unsigned)bytes.size;
    for (;;) {
        if (vv_buf_reserve(out, DEFLATE_ROOM_BYTES) != VARVE_OK) {
            return vv_buf_check(out, out_err);
        }
        stream->zlib.next_out = out->data + out->size;
        stream->zlib.avail_out = DEFLATE_ROOM_BYTES;
        int result = deflate(&stream->zlib, flushes[flush]);
        vv_buf_advance(out, DEFLATE_ROOM_BYTES - stream->zlib.avail_out);
        if (result == Z_STREAM_ERROR) {
            return vv_fail(out_err, VARVE_E_INTERNAL, "zlib refused to compress");
        }
        if (result == Z_STREAM_END || (flush != ENCODING_END && stream->zlib.avail_out > 0)) {
            return VARVE_OK;
        }
    }
}

static varve_status encoding_deflate_feed_zstd(vv_deflate *stream, vv_bytes bytes,
                                               encoding_flush flush, vv_buf *out,
                                               varve_error *out_err)
{
    static const ZSTD_EndDirective directives[] = {[ENCODING_KEEP] = ZSTD_e_continue,
                                                   [ENCODING_FLUSH] = ZSTD_e_flush,
                                                   [ENCODING_END] = ZSTD_e_end};
    ZSTD_inBuffer input = {.src = bytes.data, .size = bytes.size};
    for (;;) {
        if (vv_buf_reserve(out, DEFLATE_ROOM_BYTES) != VARVE_OK) {
            return vv_buf_check(out, out_err);
        }
        ZSTD_outBuffer output = {.dst = out->data + out->size, .size = DEFLATE_ROOM_BYTES};
        size_t left = ZSTD_compressStream2(stream->zstd, &output, &input, directives[flush]);
        if (ZSTD_isError(left)) {
            return vv_fail(out_err, VARVE_E_INTERNAL, "zstd refused to compress");
        }
        vv_buf_advance(out, output.pos);
        if (flush != ENCODING_KEEP ? left == 0 : input.pos == input.size) {
            return VARVE_OK;
        }
    }
}

static varve_status encoding_deflate_run(vv_deflate *stream, vv_bytes bytes, encoding_flush flush,
                                         vv_buf *out, varve_error *out_err)
{
    return stream->encoding == VV_ENCODING_ZSTD
               ? encoding_deflate_feed_zstd(stream, bytes, flush, out, out_err)
               : encoding_deflate_feed_zlib(stream, bytes, flush, out, out_err);
}

varve_status vv_deflate_feed(vv_deflate *stream, vv_bytes bytes, bool is_end, vv_buf *out,
                             varve_error *out_err)
{
    return encoding_deflate_run(stream, bytes, is_end ? ENCODING_END : ENCODING_KEEP, out, out_err);
}

varve_status vv_deflate_flush(vv_deflate *stream, vv_buf *out, varve_error *out_err)
{
    return encoding_deflate_run(stream, (vv_bytes){0}, ENCODING_FLUSH, out, out_err);
}
