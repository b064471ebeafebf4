/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/input.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/status.h"
#include "cli/memory.h"
#include "net/encoding.h"
#include "sys/signals.h"
#include "sys/vfs.h"

/* What is read at once; compressed input less, as it may grow a thousandfold. */
#define INPUT_PIECE_BYTES  (256u * 1024u)
#define INPUT_PACKED_BYTES (8u * 1024u)

struct vv_input {
    vv_alloc alloc;
    FILE *file;          /* NULL: lines */
    const char *path;    /* for messages; borrowed */
    vv_inflate *inflate; /* NULL: as it is */
    vv_buf text;         /* inflated, or the lines */
    vv_buf peeked;       /* read ahead, to be given first */
    bool has_peeked;
    uint64_t read_bytes;
    uint64_t total_bytes;
    bool is_done;
    uint8_t piece[INPUT_PIECE_BYTES];
};

/** NULL when there is no memory. */
static vv_input *input_create(const char *path, varve_error *out_err)
{
    vv_input *input = vv_memory_new(sizeof *input);
    if (input == NULL) {
        VV_IGNORE(vv_fail_nomem(out_err, "an input", sizeof *input)); /* the caller returns it */
        return NULL;
    }
    vv_alloc_init(&input->alloc, NULL);
    vv_buf_init(&input->text, &input->alloc, SIZE_MAX);
    vv_buf_init(&input->peeked, &input->alloc, SIZE_MAX); /* the caller bounds it */
    input->path = path;
    return input;
}

static varve_status input_take_inflated(void *context, vv_bytes piece, varve_error *out_err)
{
    vv_input *input = context;
    VV_IGNORE(vv_buf_append(&input->text, piece.data, piece.size)); /* sticky */
    return vv_buf_check(&input->text, out_err);
}

static varve_status input_inflate(vv_input *input, vv_encoding encoding, varve_error *out_err)
{
    return encoding == VV_ENCODING_IDENTITY
               ? VARVE_OK
               : vv_inflate_create(&input->alloc, encoding, UINT64_MAX, input_take_inflated, input,
                                   &input->inflate, out_err);
}

/** What the first bytes of standard input say: no text begins like this. */
static vv_encoding input_sniff(vv_bytes piece)
{
    static const uint8_t gzip[] = {0x1f, 0x8b};
    static const uint8_t zstd[] = {0x28, 0xb5, 0x2f, 0xfd};
    if (piece.size >= sizeof gzip && memcmp(piece.data, gzip, sizeof gzip) == 0) {
        return VV_ENCODING_GZIP;
    }
    return piece.size >= sizeof zstd && memcmp(piece.data, zstd, sizeof zstd) == 0
               ? VV_ENCODING_ZSTD
               : VV_ENCODING_IDENTITY;
}

static varve_status input_open_file(vv_input *input, varve_error *out_err)
{
    vv_file_info info;
    varve_text name = vv_text_from_string(input->path);
    vv_encoding encoding = vv_text_ends_with(name, VV_TEXT(".gz"))    ? VV_ENCODING_GZIP
                           : vv_text_ends_with(name, VV_TEXT(".zst")) ? VV_ENCODING_ZSTD
                                                                      : VV_ENCODING_IDENTITY;
    input->file = fopen(input->path, "rb");
    if (input->file == NULL) {
        return vv_os_fail(out_err, errno, "open", input->path);
    }
    if (vv_vfs_stat(vv_vfs_system(), input->path, &info, NULL) == VARVE_OK &&
        info.kind == VV_KIND_FILE) {
        input->total_bytes = (uint64_t)info.size;
    }
    return input_inflate(input, encoding, out_err);
}

varve_status vv_input_open(const char *path, vv_input **out_input, varve_error *out_err)
{
    bool is_standard = strcmp(path, "-") == 0;
    vv_input *input = input_create(is_standard ? "standard input" : path, out_err);
    *out_input = input;
    if (input == NULL) {
        return VARVE_E_NOMEM;
    }
    if (is_standard) {
        input->file = stdin;
        if (vv_is_terminal(0)) {
            fprintf(stderr, "reading from the terminal; Ctrl-D ends it\n");
        }
        return VARVE_OK;
    }
    varve_status status = input_open_file(input, out_err);
    if (status != VARVE_OK) {
        vv_input_close(input);
        *out_input = NULL;
    }
    return status;
}

varve_status vv_input_open_lines(char *const *lines, size_t count, vv_input **out_input,
                                 varve_error *out_err)
{
    vv_input *input = input_create("the command line", out_err);
    *out_input = input;
    if (input == NULL) {
        return VARVE_E_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        vv_buf_append_text(&input->text, vv_text_from_string(lines[i]));
        vv_buf_append_char(&input->text, '\n');
    }
    varve_status status = vv_buf_check(&input->text, out_err);
    if (status != VARVE_OK) {
        vv_input_close(input);
        *out_input = NULL;
    }
    return status;
}

/** Read from the file; 0 bytes at its end. */
static varve_status input_read(vv_input *input, vv_bytes *out_piece, varve_error *out_err)
{
    size_t wanted = input->inflate == NULL ? sizeof input->piece : INPUT_PACKED_BYTES;
    /* Asked before too: a pipe that gives nothing more would be waited for in vain. And an end that
     * was seen is one: fread would ask a terminal again, and its user for a second Ctrl-D. */
    bool is_over = vv_signals_is_stop_asked() || feof(input->file) != 0;
    size_t size = is_over ? 0 : fread(input->piece, 1, wanted, input->file);
    if (vv_signals_is_stop_asked()) {
        return vv_fail(out_err, VARVE_E_CANCELLED, "interrupted");
    }
    if (size < wanted && ferror(input->file) != 0) {
        return vv_os_fail(out_err, errno, "read", input->path);
    }
    input->read_bytes += size;
    *out_piece = vv_bytes_make(input->piece, size);
    return VARVE_OK;
}

/** As vv_input_next, past what was read ahead. */
static varve_status input_next(vv_input *input, vv_bytes *out_piece, bool *out_is_end,
                               varve_error *out_err)
{
    vv_bytes piece = {0};
    *out_piece = piece;
    *out_is_end = input->is_done;
    if (input->is_done) {
        return VARVE_OK;
    }
    if (input->file == NULL) {
        input->is_done = true;
        *out_piece = vv_buf_bytes(&input->text);
        return VARVE_OK;
    }
    VV_TRY(input_read(input, &piece, out_err));
    input->is_done = piece.size == 0;
    if (input->file == stdin && input->read_bytes == piece.size) {
        VV_TRY(input_inflate(input, input_sniff(piece), out_err));
    }
    if (input->inflate == NULL) {
        *out_is_end = input->is_done;
        *out_piece = piece;
        return VARVE_OK;
    }
    vv_buf_reset(&input->text);
    varve_status status = input->is_done ? vv_inflate_end(input->inflate, out_err)
                                         : vv_inflate_feed(input->inflate, piece, out_err);
    VV_TRY(status);
    *out_piece = vv_buf_bytes(&input->text);
    *out_is_end = input->is_done && input->text.size == 0;
    return VARVE_OK;
}

varve_status vv_input_next(void *context, vv_bytes *out_piece, bool *out_is_end,
                           varve_error *out_err)
{
    vv_input *input = context;
    if (!input->has_peeked) {
        return input_next(input, out_piece, out_is_end, out_err);
    }
    input->has_peeked = false;
    *out_piece = vv_buf_bytes(&input->peeked);
    *out_is_end = false; /* of an empty input it is the next call that tells */
    return VARVE_OK;
}

varve_status vv_input_peek(vv_input *input, size_t size, vv_bytes *out_bytes, bool *out_is_whole,
                           varve_error *out_err)
{
    *out_is_whole = false;
    while (input->peeked.size < size && !*out_is_whole) {
        vv_bytes piece;
        VV_TRY(input_next(input, &piece, out_is_whole, out_err));
        vv_buf_append(&input->peeked, piece.data, piece.size);
        VV_TRY(vv_buf_check(&input->peeked, out_err));
    }
    input->has_peeked = true;
    *out_bytes = vv_buf_bytes(&input->peeked);
    return VARVE_OK;
}

uint64_t vv_input_read_bytes(const vv_input *input)
{
    return input->read_bytes;
}

uint64_t vv_input_total_bytes(const vv_input *input)
{
    return input->total_bytes;
}

void vv_input_close(vv_input *input)
{
    if (input == NULL) {
        return;
    }
    vv_inflate_free(input->inflate);
    vv_buf_deinit(&input->peeked);
    vv_buf_deinit(&input->text);
    if (input->file != NULL && input->file != stdin) {
        VV_IGNORE(fclose(input->file)); /* nothing was written */
    }
    vv_memory_free(input, sizeof *input);
}
