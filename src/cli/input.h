/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_INPUT_H
#define VV_CLI_INPUT_H

/*
 * What a command reads: a file, decompressed when its name ends in .gz or .zst; standard input,
 * decompressed when it begins as gzip or zstd do; or the lines of its operands.
 */

#include "base/compiler.h"
#include "base/slice.h"
#include "varve.h"

typedef struct vv_input vv_input;

/** path "-": standard input. E_NOT_FOUND, E_IO and kin, E_NOMEM. */
VV_MUST_CHECK varve_status vv_input_open(const char *path, vv_input **out_input,
                                         varve_error *out_err);

/** The operands, a line each. E_NOMEM. */
VV_MUST_CHECK varve_status vv_input_open_lines(char *const *lines, size_t count,
                                               vv_input **out_input, varve_error *out_err);

/**
 * The next bytes, borrowed until the next call; *out_is_end when there are none any more.
 * E_CANCELLED after SIGINT or SIGTERM. Its type is that of vv_remote_source; context is a vv_input.
 */
VV_MUST_CHECK varve_status vv_input_next(void *context, vv_bytes *out_piece, bool *out_is_end,
                                         varve_error *out_err);

/**
 * The beginning, which vv_input_next gives afterwards: at least size bytes, or all there are
 * (*out_is_whole). Borrowed until the next call. Before the first vv_input_next, once.
 */
VV_MUST_CHECK varve_status vv_input_peek(vv_input *input, size_t size, vv_bytes *out_bytes,
                                         bool *out_is_whole, varve_error *out_err);

/** Bytes read so far, as they lie in the file, and all of them; 0: unknown. */
uint64_t vv_input_read_bytes(const vv_input *input);
uint64_t vv_input_total_bytes(const vv_input *input);

/** NULL is fine. */
void vv_input_close(vv_input *input);

#endif
