/* SPDX-License-Identifier: Apache-2.0 */

/*
 * varve inspect: what one file holds, whatever state it is in. Files of a database are described by
 * varve_inspect, streams by the reader of wire/stream.h; both tell facts, which are printed as they
 * come.
 */

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json_writer.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/formats.h"
#include "cli/input.h"
#include "cli/output.h"
#include "model/facts.h"
#include "model/time_range.h"
#include "wire/decode.h"
#include "wire/json_lines.h"
#include "wire/stream.h"

#define INSPECT_PIECE_BYTES (64u * 1024u)
/* How far names of facts are padded, so that values stand in line. */
#define INSPECT_NAME_WIDTH 18

/** Where facts go. */
typedef struct inspect_print {
    const char *path;
    bool is_json;
    bool has_details;
    vv_alloc alloc;
    vv_buf buf;
    vv_json json;
    vv_output *output;
    varve_status status; /* the first failure of the output */
    varve_error error;
    bool is_open; /* a thing is under way: its section, number and offset */
    varve_text section;
    uint64_t number;
    uint64_t offset;
    uint64_t damaged;
} inspect_print;

/* ---- facts as JSON -------------------------------------------------------------------------- */

static void inspect_json_thing(inspect_print *print, const varve_fact *fact)
{
    vv_json_object_begin(&print->json);
    vv_json_key_text(&print->json, VV_TEXT("section"), fact->section);
    vv_json_key_u64(&print->json, VV_TEXT("number"), fact->number);
    vv_json_key_u64(&print->json, VV_TEXT("offset"), fact->offset);
}

static void inspect_json_close(inspect_print *print)
{
    if (print->is_open) {
        vv_json_object_end(&print->json);
        vv_json_object_end(&print->json);
        print->is_open = false;
    }
}

static void inspect_json_fact(inspect_print *print, const varve_fact *fact, bool is_new)
{
    if (is_new || fact->is_damage != 0) {
        inspect_json_close(print);
        inspect_json_thing(print, fact);
    }
    if (fact->is_damage != 0) {
        vv_json_key_text(&print->json, VV_TEXT("damage"), fact->value.as.bytes);
        vv_json_object_end(&print->json);
        return;
    }
    if (is_new) {
        vv_json_key(&print->json, VV_TEXT("facts"));
        vv_json_object_begin(&print->json);
        print->is_open = true;
    }
    vv_json_key(&print->json, fact->name);
    vv_json_value(&print->json, &fact->value);
}

/* ---- facts as lines ------------------------------------------------------------------------- */

/** Text of a damaged file may hold anything: what does not print is escaped. */
static void inspect_line_text(vv_buf *buf, varve_text text)
{
    vv_json_escape(buf, text);
}

static void inspect_line_fact(inspect_print *print, const varve_fact *fact, bool is_new)
{
    vv_buf *buf = &print->buf;
    if (fact->is_damage != 0) {
        vv_buf_append_format(buf, "DAMAGE %.*s %llu at %llu: ", VV_TEXT_ARGS(fact->section),
                             (unsigned long long)fact->number, (unsigned long long)fact->offset);
        inspect_line_text(buf, fact->value.as.bytes);
        vv_buf_append_char(buf, '\n');
        return;
    }
    if (is_new) {
        vv_buf_append_format(buf, "%.*s %llu at %llu\n", VV_TEXT_ARGS(fact->section),
                             (unsigned long long)fact->number, (unsigned long long)fact->offset);
        print->is_open = true;
    }
    vv_buf_append_format(buf, "  %-*.*s ", INSPECT_NAME_WIDTH, (int)fact->name.size,
                         fact->name.data);
    switch (fact->value.type) {
    case VARVE_TYPE_I64:
        vv_buf_append_format(buf, "%lld", (long long)fact->value.as.i64);
        break;
    case VARVE_TYPE_U64:
        vv_buf_append_format(buf, "%llu", (unsigned long long)fact->value.as.u64);
        break;
    case VARVE_TYPE_BOOL:
        vv_buf_append_text(buf, fact->value.as.boolean ? VV_TEXT("yes") : VV_TEXT("no"));
        break;
    default: /* a type is a number of the interface, not an enum */
        inspect_line_text(buf, fact->value.as.bytes);
        break;
    }
    vv_buf_append_char(buf, '\n');
}

/** A varve_fact_visitor. */
static void inspect_fact(void *context, const varve_fact *fact)
{
    inspect_print *print = context;
    if (print->status != VARVE_OK) {
        return;
    }
    bool is_new = !print->is_open || fact->number != print->number ||
                  fact->offset != print->offset || !vv_text_equal(fact->section, print->section);
    print->damaged += fact->is_damage;
    if (print->is_json) {
        inspect_json_fact(print, fact, is_new);
    } else {
        inspect_line_fact(print, fact, is_new);
    }
    if (fact->is_damage != 0) {
        print->is_open = false;
    }
    print->section = fact->section; /* a literal of the library */
    print->number = fact->number;
    print->offset = fact->offset;
    print->status = vv_buf_check(&print->buf, &print->error);
    if (print->status == VARVE_OK && !print->is_json && print->buf.size > INSPECT_PIECE_BYTES) {
        print->status = vv_output_write(print->output, vv_buf_bytes(&print->buf), &print->error);
        vv_buf_reset(&print->buf);
    }
}

/* ---- streams -------------------------------------------------------------------------------- */

typedef struct inspect_stream {
    vv_facts facts;
    uint64_t blocks; /* good ones */
    uint64_t next;   /* offset behind the last good one */
    uint64_t runs;
    uint64_t rows;
    bool has_end;
} inspect_stream;

static varve_status inspect_stream_rows(void *context, vv_decoder *decoder,
                                        const vv_wire_rows *rows, varve_error *out_err)
{
    (void)context;
    (void)decoder;
    (void)rows;
    (void)out_err;
    return VARVE_OK;
}

static void inspect_stream_reject(void *context, const vv_wire_bad *bad)
{
    (void)context;
    (void)bad; /* a stream has no lines to leave out */
}

static void inspect_stream_header(void *context, uint32_t version, uint32_t precision)
{
    inspect_stream *stream = context;
    vv_facts_begin(&stream->facts, "header", 0, 0);
    vv_facts_u64(&stream->facts, "version", version);
    vv_facts_text(&stream->facts, "precision", vv_text_from_string(vv_precision_name(precision)));
    stream->next = VV_STREAM_HEADER_BYTES;
}

static void inspect_stream_block(void *context, const vv_stream_block *block)
{
    inspect_stream *stream = context;
    stream->next = block->offset + VV_STREAM_HEAD_BYTES + block->bytes;
    stream->has_end = block->is_end;
    stream->blocks += block->is_end ? 0 : 1;
    stream->runs += block->runs;
    stream->rows += block->rows;
    if (stream->facts.has_details) {
        vv_facts_begin(&stream->facts, block->is_end ? "end" : "block", block->number - 1,
                       block->offset);
        vv_facts_u64(&stream->facts, "bytes", block->bytes);
        vv_facts_u64(&stream->facts, "unpacked_bytes", block->unpacked_bytes);
        vv_facts_u64(&stream->facts, "runs", block->runs);
        vv_facts_u64(&stream->facts, "rows", block->rows);
    }
}

/** Feed the decoder; what it refuses is damage, what cannot be read a failure. */
static varve_status inspect_stream_feed(inspect_stream *stream, vv_input *input,
                                        vv_decoder *decoder, varve_error *out_err)
{
    varve_error err;
    varve_status status = VARVE_OK;
    bool is_end = false;
    while (status == VARVE_OK && !is_end) {
        vv_bytes piece;
        VV_TRY(vv_input_next(input, &piece, &is_end, out_err));
        status = is_end ? vv_decoder_end(decoder, &err) : vv_decoder_feed(decoder, piece, &err);
    }
    if (status == VARVE_E_NOMEM) {
        *out_err = err;
        return status;
    }
    if (status != VARVE_OK) {
        vv_facts_damage(&stream->facts, "block", stream->blocks, stream->next, err.message);
    }
    vv_facts_begin(&stream->facts, "stream", 0, 0);
    vv_facts_u64(&stream->facts, "blocks", stream->blocks);
    vv_facts_u64(&stream->facts, "runs", stream->runs);
    vv_facts_u64(&stream->facts, "rows", stream->rows);
    vv_facts_bool(&stream->facts, "has_end", stream->has_end);
    return VARVE_OK;
}

static varve_status inspect_stream_run(inspect_print *print, vv_input *input, varve_error *out_err)
{
    inspect_stream stream = {
        .facts = {.visit = inspect_fact, .context = print, .has_details = print->has_details}};
    vv_stream_watch watch = {
        .context = &stream, .header = inspect_stream_header, .block = inspect_stream_block};
    vv_decoder_options options = {.precision = VARVE_PRECISION_S, .format_options = &watch};
    vv_wire_sink sink = {.rows = inspect_stream_rows, .reject = inspect_stream_reject};
    vv_decoder *decoder;
    VV_TRY(vv_decoder_create(VV_FORMAT_NATIVE, &print->alloc, &options, &sink, &decoder, out_err));
    vv_facts_begin(&stream.facts, "file", 0, 0);
    vv_facts_u64(&stream.facts, "bytes", vv_input_total_bytes(input));
    vv_facts_text(&stream.facts, "format", VV_TEXT("stream"));
    varve_status status = inspect_stream_feed(&stream, input, decoder, out_err);
    vv_decoder_free(decoder);
    return status;
}

/* ---- the command ---------------------------------------------------------------------------- */

/** A stream by its name or first bytes; anything else is asked of the library. */
static varve_status inspect_path(inspect_print *print, varve_error *out_err)
{
    vv_input *input;
    vv_bytes first;
    bool is_whole;
    VV_TRY(vv_input_open(print->path, &input, out_err));
    varve_status status = vv_input_peek(input, VV_FORMAT_MAGIC_BYTES, &first, &is_whole, out_err);
    const vv_format_row *row = vv_formats_of_path(print->path);
    bool is_stream = row != NULL && row->format == VV_FORMAT_NATIVE;
    is_stream = is_stream || (status == VARVE_OK && vv_formats_of_bytes(first) != NULL);
    if (status == VARVE_OK && is_stream) {
        status = inspect_stream_run(print, input, out_err);
    }
    vv_input_close(input);
    if (status != VARVE_OK || is_stream) {
        return status;
    }
    varve_inspect_options options;
    varve_inspect_options_init(&options);
    options.flags = print->has_details ? VARVE_INSPECT_DETAILS : 0;
    options.visit = inspect_fact;
    options.context = print;
    return varve_inspect(print->path, &options, NULL, out_err);
}

static varve_status inspect_end(inspect_print *print, varve_error *out_err)
{
    if (print->status != VARVE_OK) {
        *out_err = print->error;
        return print->status;
    }
    if (!print->is_json) {
        VV_TRY(vv_buf_check(&print->buf, out_err));
        return vv_output_write(print->output, vv_buf_bytes(&print->buf), out_err);
    }
    inspect_json_close(print);
    vv_json_array_end(&print->json);
    vv_json_key_u64(&print->json, VV_TEXT("damaged"), print->damaged);
    vv_json_object_end(&print->json);
    VV_TRY(vv_json_end(&print->json, out_err));
    return vv_output_write(print->output, vv_bytes_make("\n", 1), out_err);
}

static varve_status inspect_run(inspect_print *print, varve_error *out_err)
{
    VV_TRY(vv_output_open(NULL, &print->output, out_err));
    if (print->is_json) {
        vv_json_init_sink(&print->json, &print->buf, INSPECT_PIECE_BYTES, vv_output_sink,
                          print->output);
        vv_json_object_begin(&print->json);
        vv_json_key_text(&print->json, VV_TEXT("file"), vv_text_from_string(print->path));
        vv_json_key(&print->json, VV_TEXT("things"));
        vv_json_array_begin(&print->json);
    }
    varve_status status = inspect_path(print, out_err);
    if (status == VARVE_OK) {
        status = inspect_end(print, out_err);
    }
    varve_error close_error;
    varve_status closed = vv_output_close(print->output, &close_error);
    if (status == VARVE_OK && closed != VARVE_OK) {
        *out_err = close_error;
        status = closed;
    }
    return status;
}

int vv_cmd_inspect(int argc, char **argv)
{
    inspect_print print = {.is_json = false};
    const vv_option table[] = {
        {"details", VV_OPTION_FLAG, &print.has_details, NULL, "each record, block and series"},
        {"json", VV_OPTION_FLAG, &print.is_json, NULL, "as a JSON document"},
    };
    int operands;
    int exit_code;
    if (!vv_cli_begin("inspect", "varve inspect --json varve-data/IDENT", table,
                      VV_ARRAY_COUNT(table), argc, argv, &operands, &exit_code)) {
        return exit_code;
    }
    if (operands != 1) {
        vv_cli_fail("inspect", "takes one file, but was given %d", operands);
        return VV_EXIT_USAGE;
    }
    varve_error error;
    print.path = argv[0];
    vv_alloc_init(&print.alloc, NULL);
    vv_buf_init(&print.buf, &print.alloc, SIZE_MAX);
    varve_status status = inspect_run(&print, &error);
    vv_buf_deinit(&print.buf);
    exit_code = vv_cli_report_world("inspect", status, &error);
    return exit_code == VV_EXIT_OK && print.damaged > 0 ? VV_EXIT_FAILED : exit_code;
}
