/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment file, byte for byte, to another place.
 *
 *     header | blocks | sections |  footer, trailer
 *     \_ XXH3-128 as the footer _/  \_ parsed again _/
 *
 *   Y1  The source is read through the descriptor of the open segment: it may have lost its name.
 *   Y2  What is written is what was read, and its digest is the one that the footer had when the
 *       segment was opened. A source that is damaged since makes no copy: its block is named.
 *   Y3  The copy is synced; its name becomes durable with its directory, which is the caller's.
 */
#include "base/hash.h"
#include "base/status.h"
#include "segment/segment_priv.h"

/* Read and written at once: large enough for the disk to run at speed; arbitrary. */
enum { COPY_BYTES = 256 * 1024 };

typedef struct copy_state {
    vv_segment *segment;
    const vv_segment_progress *progress;
    vv_file *target;
    vv_hash_stream digest;
    uint8_t *buffer;
    size_t buffer_bytes;
    uint64_t offset;
} copy_state;

/** The next piece from source to target; it stays in the buffer. */
static varve_status copy_piece(copy_state *state, size_t size, varve_error *out_err)
{
    const vv_segment_progress *progress = state->progress;
    if (progress->check != NULL && !progress->check(progress->context, state->offset)) {
        return vv_fail(out_err, VARVE_E_CANCELLED, "copying %s was cancelled",
                       state->segment->file->path);
    }
    int64_t offset = (int64_t)state->offset;
    VV_TRY(vv_file_read_exact(state->segment->file, offset, state->buffer, size, out_err));
    state->offset += size;
    return vv_file_write_all(state->target, offset, state->buffer, size, out_err);
}

/** Y2: names the block that is damaged. */
static varve_status copy_say_damage(copy_state *state, varve_error *out_err)
{
    VV_TRY(vv_segment_verify(state->segment, state->progress->check, state->progress->context,
                             out_err));
    return vv_fail(out_err, VARVE_E_CORRUPT, "%s: its digest differs from the footer's",
                   state->segment->file->path);
}

static varve_status copy_all(copy_state *state, varve_error *out_err)
{
    const vv_segment_info *info = &state->segment->footer.info;
    uint64_t footer_offset = vv_segment_footer_offset(&state->segment->footer);
    while (state->offset < footer_offset) {
        uint64_t left = footer_offset - state->offset;
        size_t size = left < COPY_BYTES ? (size_t)left : COPY_BYTES;
        VV_TRY(copy_piece(state, size, out_err));
        vv_hash_stream_add(&state->digest, state->buffer, size);
    }
    vv_hash128 digest = vv_hash_stream_end128(&state->digest);
    if (digest.low != info->digest[0] || digest.high != info->digest[1]) {
        return copy_say_damage(state, out_err);
    }
    size_t size = (size_t)(info->bytes - footer_offset);
    VV_TRY(copy_piece(state, size, out_err));
    VV_TRY(vv_segment_footer_check(state->segment, vv_bytes_make(state->buffer, size), out_err));
    return vv_file_fsync(state->target, VV_SITE_SNAPSHOT_FILE, out_err);
}

varve_status vv_segment_copy(vv_segment *segment, const vv_env *env, const char *path,
                             const vv_segment_progress *progress, varve_error *out_err)
{
    copy_state *state = vv_alloc_zeroed(env->alloc, sizeof *state);
    if (state == NULL) {
        return vv_fail_nomem(out_err, "copying a segment", sizeof *state);
    }
    uint64_t footer_bytes = segment->footer.info.bytes - vv_segment_footer_offset(&segment->footer);
    state->segment = segment;
    state->progress = progress;
    state->buffer_bytes = footer_bytes > COPY_BYTES ? (size_t)footer_bytes : COPY_BYTES;
    state->buffer = vv_alloc_new(env->alloc, state->buffer_bytes);
    vv_hash_stream_init(&state->digest, 0);
    varve_status status = VARVE_OK;
    if (state->buffer == NULL) {
        status = vv_fail_nomem(out_err, "copying a segment", state->buffer_bytes);
    } else {
        status = vv_file_open(env->vfs, env->alloc, path,
                              VV_OPEN_WRITE | VV_OPEN_CREATE | VV_OPEN_EXCLUSIVE, &state->target,
                              out_err);
    }
    if (status == VARVE_OK) {
        status = copy_all(state, out_err);
        varve_status closed = vv_file_close(state->target, status == VARVE_OK ? out_err : NULL);
        status = status == VARVE_OK ? closed : status;
        if (status != VARVE_OK) {
            VV_IGNORE(vv_vfs_unlink(env->vfs, path, NULL)); /* already failing */
        }
    }
    vv_alloc_free(env->alloc, state->buffer, state->buffer_bytes);
    vv_alloc_free(env->alloc, state, sizeof *state);
    return status;
}
