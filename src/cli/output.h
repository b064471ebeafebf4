/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_OUTPUT_H
#define VV_CLI_OUTPUT_H

/*
 * Where a command writes its answer: standard output, or a file that is compressed when its name
 * ends in .gz or .zst.
 */

#include "base/compiler.h"
#include "base/slice.h"
#include "varve.h"

typedef struct vv_output vv_output;

/** path NULL or "-": standard output. E_IO and kin, E_NOMEM. */
VV_MUST_CHECK varve_status vv_output_open(const char *path, vv_output **out_output,
                                          varve_error *out_err);

/** A failure stays: every later write returns it. E_IO, E_NOSPACE, E_NOMEM. */
VV_MUST_CHECK varve_status vv_output_write(vv_output *output, vv_bytes bytes, varve_error *out_err);

/** A vv_json_sink whose context is a vv_output. */
VV_MUST_CHECK varve_status vv_output_sink(void *context, const uint8_t *bytes, size_t size,
                                          varve_error *out_err);

/** Write what is buffered and close; the first failure. Ends the output in any case. */
VV_MUST_CHECK varve_status vv_output_close(vv_output *output, varve_error *out_err);

#endif
