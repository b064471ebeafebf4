/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/status.h"
#include "base/text.h"
#include "cli/memory.h"
#include "net/encoding.h"
#include "sys/process.h"
#include "sys/vfs.h"

/* Text between two places where a compressor gives out all it has: rare enough to cost no space. */
#define OUTPUT_FLUSH_BYTES ((uint64_t)256 * 1024)

/* The file is written past its stream, whose buffer loses bytes when a write is interrupted. */
struct vv_output {
    vv_alloc alloc;
    FILE *file;
    const char *path;    /* for messages; borrowed */
    vv_deflate *deflate; /* NULL: written as it comes */
    vv_buf packed;
    uint64_t bytes;          /* handed to the file */
    bool has_marks;          /* rows are counted */
    uint64_t rows;           /* whole ones that stand in the file for certain, */
    uint64_t marked_bytes;   /* in so many of its bytes */
    uint64_t unmarked_bytes; /* fed to the compressor since */
    varve_error failed;      /* the first failure; status OK: none */
};

static vv_encoding output_encoding(const char *path)
{
    varve_text text = vv_text_from_string(path);
    if (vv_text_ends_with(text, VV_TEXT(".gz"))) {
        return VV_ENCODING_GZIP;
    }
    return vv_text_ends_with(text, VV_TEXT(".zst")) ? VV_ENCODING_ZSTD : VV_ENCODING_IDENTITY;
}

static void output_free(vv_output *output)
{
    vv_deflate_free(output->deflate);
    vv_buf_deinit(&output->packed);
    if (output->file != NULL && output->file != stdout) {
        VV_IGNORE(fclose(output->file)); /* vv_output_close asked before; else it failed anyway */
    }
    vv_memory_free(output, sizeof *output);
}

varve_status vv_output_open(const char *path, vv_output **out_output, varve_error *out_err)
{
    bool is_standard = path == NULL || strcmp(path, "-") == 0;
    *out_output = NULL;
    vv_output *output = vv_memory_new(sizeof *output);
    if (output == NULL) {
        return vv_fail_nomem(out_err, "an output", sizeof *output);
    }
    vv_alloc_init(&output->alloc, NULL);
    vv_buf_init(&output->packed, &output->alloc, SIZE_MAX);
    output->path = is_standard ? "standard output" : path;
    output->file = is_standard ? stdout : fopen(path, "wb");
    varve_status status = VARVE_OK;
    vv_encoding encoding = is_standard ? VV_ENCODING_IDENTITY : output_encoding(path);
    if (output->file == NULL) {
        status = vv_os_fail(out_err, errno, "create", path);
    } else if (is_standard && fflush(stdout) != 0) { /* what was printed stands before it */
        status = vv_os_fail(out_err, errno, "write", output->path);
    }
    if (status == VARVE_OK && encoding != VV_ENCODING_IDENTITY) {
        status = vv_deflate_create(&output->alloc, encoding, &output->deflate, out_err);
    }
    if (status != VARVE_OK) {
        output_free(output);
        return status;
    }
    *out_output = output;
    return VARVE_OK;
}

static varve_status output_put(vv_output *output, vv_bytes bytes, varve_error *out_err)
{
    VV_TRY(vv_process_write(fileno(output->file), bytes.data, bytes.size, output->path, out_err));
    output->bytes += bytes.size;
    return VARVE_OK;
}

/** What the compressor gives goes on. */
static varve_status output_put_packed(vv_output *output, varve_status packed, varve_error *out_err)
{
    VV_TRY(packed);
    VV_TRY(vv_buf_check(&output->packed, out_err));
    return output_put(output, vv_buf_bytes(&output->packed), out_err);
}

static varve_status output_pack(vv_output *output, vv_bytes bytes, bool is_end,
                                varve_error *out_err)
{
    vv_buf_reset(&output->packed);
    varve_status status = vv_deflate_feed(output->deflate, bytes, is_end, &output->packed, out_err);
    output->unmarked_bytes += bytes.size;
    return output_put_packed(output, status, out_err);
}

/** Keep the first failure, with how many rows there are in spite of it, and hand it out. */
static varve_status output_fail(vv_output *output, const varve_error *why, varve_error *out_err)
{
    output->failed = *why;
    bool is_cut = output->has_marks && output->file != stdout &&
                  vv_process_cut_file(fileno(output->file), output->marked_bytes);
    if (is_cut || output->rows > 0) {
        char part[96];
        size_t size = vv_text_format(part, sizeof part, "; %sthe first %llu rows %s",
                                     is_cut ? "" : "at least ", (unsigned long long)output->rows,
                                     output->file == stdout ? "are written" : "stand in it");
        varve_text said = vv_text_from_string(why->message);
        said = vv_text_sub(said, 0, sizeof why->message - 1 - size);
        VV_IGNORE(vv_fail(&output->failed, why->status, "%.*s%s", VV_TEXT_ARGS(said), part));
        output->failed.os_errno = why->os_errno;
    }
    *out_err = output->failed;
    return output->failed.status;
}

varve_status vv_output_write(vv_output *output, vv_bytes bytes, varve_error *out_err)
{
    varve_error why;
    if (output->failed.status != VARVE_OK) {
        *out_err = output->failed;
        return output->failed.status;
    }
    varve_status status = output->deflate == NULL ? output_put(output, bytes, &why)
                                                  : output_pack(output, bytes, false, &why);
    return status == VARVE_OK ? VARVE_OK : output_fail(output, &why, out_err);
}

varve_status vv_output_mark(vv_output *output, uint64_t rows, varve_error *out_err)
{
    varve_error why;
    varve_status status = VARVE_OK;
    output->has_marks = true;
    if (output->failed.status != VARVE_OK) {
        *out_err = output->failed;
        return output->failed.status;
    }
    if (output->deflate != NULL && output->unmarked_bytes < OUTPUT_FLUSH_BYTES) {
        return VARVE_OK; /* the compressor keeps some of it */
    }
    if (output->deflate != NULL) {
        vv_buf_reset(&output->packed);
        status = vv_deflate_flush(output->deflate, &output->packed, &why);
        status = output_put_packed(output, status, &why);
    }
    if (status != VARVE_OK) {
        return output_fail(output, &why, out_err);
    }
    output->rows = rows;
    output->marked_bytes = output->bytes;
    output->unmarked_bytes = 0;
    return VARVE_OK;
}

varve_status vv_output_stopped(const vv_output *output, uint64_t rows, varve_status status,
                               varve_error *out_err)
{
    if (output->failed.status != VARVE_OK) {
        *out_err = output->failed;
        return output->failed.status;
    }
    if (status == VARVE_E_CANCELLED) {
        return vv_fail(out_err, status, "interrupted: the first %llu rows are written",
                       (unsigned long long)rows);
    }
    if (rows > 0) {
        vv_error_prefix(out_err, "after %llu rows", (unsigned long long)rows);
    }
    return status;
}

varve_status vv_output_sink(void *context, const uint8_t *bytes, size_t size, varve_error *out_err)
{
    vv_output *output = context;
    return vv_output_write(output, vv_bytes_make(bytes, size), out_err);
}

varve_status vv_output_close(vv_output *output, varve_error *out_err)
{
    varve_error why;
    varve_status status = output->failed.status;
    if (status != VARVE_OK) {
        *out_err = output->failed;
    } else if (output->deflate != NULL) {
        status = output_pack(output, (vv_bytes){0}, true, &why);
        status = status == VARVE_OK ? status : output_fail(output, &why, out_err);
    }
    if (output->file != stdout) {
        if (fclose(output->file) != 0 && status == VARVE_OK) {
            status = vv_os_fail(out_err, errno, "close", output->path);
        }
        output->file = NULL;
    }
    output_free(output);
    return status;
}
