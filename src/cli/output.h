/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_OUTPUT_H
#define VV_CLI_OUTPUT_H

/*
 * Where a command writes its answer: standard output, or a file that is compressed when its name
 * ends in .gz or .zst.
 *
 * Who writes rows marks where whole ones end. When a write fails (the disk is full), a file is cut
 * back to the last mark, and the error says how many rows stand in it: what was written is of use,
 * and half a row is none.
 */

#include "base/compiler.h"
#include "base/slice.h"
#include "varve.h"

typedef struct vv_output vv_output;

/** path NULL or "-": standard output. E_IO and kin, E_NOMEM. */
VV_MUST_CHECK varve_status vv_output_open(const char *path, vv_output **out_output,
                                          varve_error *out_err);

/** A failure stays: every later write, mark and close returns it. E_IO, E_NOSPACE, E_NOMEM. */
VV_MUST_CHECK varve_status vv_output_write(vv_output *output, vv_bytes bytes, varve_error *out_err);

/** Everything written so far is whole: so many rows. Cheap enough for every 64 KiB. */
VV_MUST_CHECK varve_status vv_output_mark(vv_output *output, uint64_t rows, varve_error *out_err);

/** For rows that end here though there are more: the status that ended them, or the failure of the
 * output, with how many are written. Returns the status of the error. */
VV_MUST_CHECK varve_status vv_output_stopped(const vv_output *output, uint64_t rows,
                                             varve_status status, varve_error *out_err);

/** A vv_json_sink whose context is a vv_output. */
VV_MUST_CHECK varve_status vv_output_sink(void *context, const uint8_t *bytes, size_t size,
                                          varve_error *out_err);

/** Write what is buffered and close; the first failure. Ends the output in any case. */
VV_MUST_CHECK varve_status vv_output_close(vv_output *output, varve_error *out_err);

#endif
