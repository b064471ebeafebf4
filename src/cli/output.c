/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/status.h"
#include "cli/memory.h"
#include "net/encoding.h"
#include "sys/vfs.h"

struct vv_output {
    vv_alloc alloc;
    FILE *file;
    const char *path;    /* for messages; borrowed */
    vv_deflate *deflate; /* NULL: written as it comes */
    vv_buf packed;
    varve_error failed; /* the first failure; status OK: none */
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
    } else if (encoding != VV_ENCODING_IDENTITY) {
        status = vv_deflate_create(&output->alloc, encoding, &output->deflate, out_err);
    }
    if (status != VARVE_OK) {
        output_free(output);
        return status;
    }
    *out_output = output;
    return VARVE_OK;
}

/** Keep the first failure, and hand it out. */
static varve_status output_result(vv_output *output, varve_status status, varve_error *out_err)
{
    if (status != VARVE_OK && output->failed.status == VARVE_OK && out_err != NULL) {
        output->failed = *out_err;
    }
    return status;
}

static varve_status output_put(vv_output *output, vv_bytes bytes, varve_error *out_err)
{
    if (bytes.size > 0 && fwrite(bytes.data, 1, bytes.size, output->file) != bytes.size) {
        return vv_os_fail(out_err, errno, "write", output->path);
    }
    return VARVE_OK;
}

static varve_status output_pack(vv_output *output, vv_bytes bytes, bool is_end,
                                varve_error *out_err)
{
    vv_buf_reset(&output->packed);
    VV_TRY(vv_deflate_feed(output->deflate, bytes, is_end, &output->packed, out_err));
    VV_TRY(vv_buf_check(&output->packed, out_err));
    return output_put(output, vv_buf_bytes(&output->packed), out_err);
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
    if (status != VARVE_OK) {
        *out_err = why;
    }
    return output_result(output, status, out_err);
}

varve_status vv_output_sink(void *context, const uint8_t *bytes, size_t size, varve_error *out_err)
{
    vv_output *output = context;
    return vv_output_write(output, vv_bytes_make(bytes, size), out_err);
}

varve_status vv_output_close(vv_output *output, varve_error *out_err)
{
    varve_status status = output->failed.status;
    if (status != VARVE_OK) {
        *out_err = output->failed;
    }
    if (status == VARVE_OK && output->deflate != NULL) {
        status = output_pack(output, (vv_bytes){0}, true, out_err);
    }
    if (status == VARVE_OK && fflush(output->file) != 0) {
        status = vv_os_fail(out_err, errno, "write", output->path);
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
