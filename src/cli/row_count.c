/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/row_count.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "cli/memory.h"
#include "wire/decode.h"
#include "wire/stream.h"

/* Where the array of a row stands in the document of /api/v1/rows: root, data, series, rows. */
#define ROW_COUNT_ROW_DEPTH 5u

/* ---- JSON ----------------------------------------------------------------------------------- */

static void row_count_open(vv_row_count *count, char c)
{
    count->depth += count->depth < UINT32_MAX;
    bool is_times = count->word_size == 10 && memcmp(count->word, "timestamps", 10) == 0;
    if (c == '[' && count->depth == 2 && is_times && count->form == VV_ROW_FORM_JSON_LINES) {
        count->is_counting = true;
        count->has_item = false;
    }
}

static void row_count_close(vv_row_count *count, char c)
{
    if (count->form == VV_ROW_FORM_DOCUMENT) {
        count->rows += c == ']' && count->depth == ROW_COUNT_ROW_DEPTH;
    } else if (count->is_counting && count->depth == 2) {
        count->line_rows += count->has_item;
        count->is_counting = false;
    }
    count->depth -= count->depth > 0;
}

/** A byte inside of a text. */
static void row_count_quoted(vv_row_count *count, char c)
{
    if (count->is_escaped) {
        count->is_escaped = false;
    } else if (c == '\\') {
        count->is_escaped = true;
    } else if (c == '"') {
        count->is_quoted = false;
        return;
    }
    if (count->depth == 1) {
        if (count->word_size < sizeof count->word) {
            count->word[count->word_size] = c;
        }
        count->word_size += count->word_size <= sizeof count->word;
    }
}

/** A byte of JSON; whether a line ends with it. */
static bool row_count_json(vv_row_count *count, char c)
{
    if (c == '\n') { /* in a text there is none as it is */
        count->rows += count->line_rows;
        count->line_rows = 0;
        if (count->form == VV_ROW_FORM_JSON_LINES) {
            count->depth = 0;
            count->is_quoted = count->is_escaped = count->is_counting = false;
        }
        return true;
    }
    if (count->is_quoted) {
        row_count_quoted(count, c);
        return false;
    }
    switch (c) {
    case '"':
        count->is_quoted = true;
        count->word_size = count->depth == 1 ? 0 : count->word_size;
        break;
    case '[':
    case '{':
        row_count_open(count, c);
        break;
    case ']':
    case '}':
        row_count_close(count, c);
        break;
    case ',':
        count->line_rows += count->is_counting;
        break;
    default:
        count->has_item = true;
        break;
    }
    return false;
}

/* ---- CSV ------------------------------------------------------------------------------------ */

/** A byte of CSV; whether a record ends with it. A doubled quote closes and opens. */
static bool row_count_csv(vv_row_count *count, char c)
{
    count->is_quoted = c == '"' ? !count->is_quoted : count->is_quoted;
    if (c != '\n' || count->is_quoted) {
        return false;
    }
    count->rows += count->has_header;
    count->has_header = true;
    return true;
}

/* ---- streams -------------------------------------------------------------------------------- */

/** A reader of a stream, for the sake of its blocks. */
struct vv_row_count_stream {
    vv_alloc alloc;
    vv_decoder_options options;
    vv_wire_sink sink;
    vv_stream_watch watch;
    vv_decoder *decoder; /* NULL: damage was met */
    uint64_t fed_bytes;
    uint64_t end_bytes; /* where the last whole block ends */
    uint64_t rows;
};

static varve_status row_count_take(void *context, vv_decoder *decoder, const vv_wire_rows *rows,
                                   varve_error *out_err)
{
    (void)context;
    (void)decoder;
    (void)rows;
    (void)out_err;
    return VARVE_OK; /* counted with their block */
}

static void row_count_reject(void *context, const vv_wire_bad *bad)
{
    (void)context;
    (void)bad;
}

static void row_count_block(void *context, const vv_stream_block *block)
{
    struct vv_row_count_stream *stream = context;
    stream->rows += block->is_end ? 0 : block->rows;
    stream->end_bytes = block->offset + VV_STREAM_HEAD_BYTES + block->bytes;
}

static varve_status row_count_stream_create(vv_row_count *count, varve_error *out_err)
{
    struct vv_row_count_stream *stream = vv_memory_new(sizeof *stream);
    if (stream == NULL) {
        return vv_fail_nomem(out_err, "counting rows", sizeof *stream);
    }
    vv_alloc_init(&stream->alloc, NULL);
    stream->watch = (vv_stream_watch){.context = stream, .block = row_count_block};
    stream->options = (vv_decoder_options){.precision = VARVE_PRECISION_S, /* never too fine */
                                           .format_options = &stream->watch};
    stream->sink = (vv_wire_sink){.rows = row_count_take, .reject = row_count_reject};
    count->stream = stream;
    return vv_decoder_create(VV_FORMAT_NATIVE, &stream->alloc, &stream->options, &stream->sink,
                             &stream->decoder, out_err);
}

static size_t row_count_stream_feed(vv_row_count *count, vv_bytes piece)
{
    varve_error ignored;
    struct vv_row_count_stream *stream = count->stream;
    uint64_t begin = stream->fed_bytes;
    stream->fed_bytes += piece.size;
    if (stream->decoder == NULL) {
        return piece.size; /* whatever it is, it passes */
    }
    if (vv_decoder_feed(stream->decoder, piece, &ignored) != VARVE_OK) {
        vv_decoder_free(stream->decoder);
        stream->decoder = NULL; /* to judge is not asked here; nothing behind it is counted */
    }
    count->rows = stream->rows;
    return stream->decoder == NULL     ? piece.size
           : stream->end_bytes > begin ? (size_t)(stream->end_bytes - begin)
                                       : 0;
}

/* ---- the whole ------------------------------------------------------------------------------ */

varve_status vv_row_count_init(vv_row_count *count, vv_row_form form, varve_error *out_err)
{
    *count = (vv_row_count){.form = form};
    return form == VV_ROW_FORM_NATIVE ? row_count_stream_create(count, out_err) : VARVE_OK;
}

void vv_row_count_deinit(vv_row_count *count)
{
    if (count->stream != NULL) {
        vv_decoder_free(count->stream->decoder);
        vv_memory_free(count->stream, sizeof *count->stream);
        count->stream = NULL;
    }
}

size_t vv_row_count_feed(vv_row_count *count, vv_bytes piece)
{
    size_t end = 0;
    if (count->form == VV_ROW_FORM_NATIVE) {
        return row_count_stream_feed(count, piece);
    }
    for (size_t i = 0; i < piece.size; i++) {
        char c = (char)piece.data[i];
        bool is_end =
            count->form == VV_ROW_FORM_CSV ? row_count_csv(count, c) : row_count_json(count, c);
        end = is_end ? i + 1 : end;
    }
    return count->form == VV_ROW_FORM_DOCUMENT ? 0 : end;
}
