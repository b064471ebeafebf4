/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest as it is written: one edit after the other, and now and then a new file.
 *
 *      loaded --first append--> new file --append--> ... --limits--> new file
 *
 * An append is encoded, read back and checked against the state before a byte is written, so an
 * edit that contradicts the state, or memory that is missing, has no effect. A write that finds the
 * disk full has no effect either: the file is left as it is, with the torn end of that edit, and
 * the next append begins a new one. After a failed sync nothing is written any more (M5).
 */
#include "engine/manifest.h"

#include <string.h>

#include "base/assert.h"
#include "base/crc.h"
#include "base/status.h"
#include "engine/manifest_priv.h"

enum {
    MANIFEST_ROTATE_BYTES = 4 * 1024 * 1024,
    MANIFEST_ROTATE_EDITS = 2000,
    MANIFEST_ARENA_BYTES_MAX = 1024 * 1024 * 1024, /* of one decoded edit */
};

struct vv_manifest {
    vv_env env;
    vv_manifest_options options; /* the paths are owned */
    vv_manifest_state state;
    vv_file *file; /* being appended to; NULL: the next append begins a new one */
    uint64_t file_seq;
    uint64_t last_file;   /* highest number used */
    uint64_t loaded_file; /* what the state was read from; 0: it was created */
    uint64_t salt;
    uint32_t chain;
    int64_t offset;
    uint64_t edits; /* in the file */
    bool is_failed;
    varve_error failure;
};

/* ---- making and freeing --------------------------------------------------------------------- */

static char *manifest_copy_path(vv_alloc *alloc, const char *path)
{
    size_t size = strlen(path) + 1;
    char *copy = vv_alloc_new(alloc, size);
    if (copy != NULL) {
        memcpy(copy, path, size);
    }
    return copy;
}

static void manifest_free_path(vv_alloc *alloc, const char *path)
{
    union { /* the copy is ours, the options call it const */
        const char *given;
        char *owned;
    } both = {.given = path};
    if (both.owned != NULL) {
        vv_alloc_free(alloc, both.owned, strlen(both.owned) + 1);
    }
}

void vv_manifest_close(vv_manifest *manifest)
{
    if (manifest == NULL) {
        return;
    }
    vv_alloc *alloc = manifest->env.alloc;
    VV_IGNORE(vv_file_close(manifest->file, NULL)); /* every edit in it is synced */
    vv_manifest_state_deinit(&manifest->state);
    manifest_free_path(alloc, manifest->options.directory);
    manifest_free_path(alloc, manifest->options.tmp_directory);
    vv_alloc_free(alloc, manifest, sizeof *manifest);
}

static varve_status manifest_new(const vv_env *env, const vv_manifest_options *options,
                                 vv_manifest **out_manifest, varve_error *out_err)
{
    vv_manifest *manifest = vv_alloc_zeroed(env->alloc, sizeof *manifest);
    if (manifest == NULL) {
        return vv_fail_nomem(out_err, "the manifest", sizeof *manifest);
    }
    manifest->env = *env;
    manifest->options = *options;
    vv_manifest_state_init(&manifest->state, env->alloc);
    manifest->options.directory = manifest_copy_path(env->alloc, options->directory);
    manifest->options.tmp_directory = manifest_copy_path(env->alloc, options->tmp_directory);
    if (manifest->options.directory == NULL || manifest->options.tmp_directory == NULL) {
        vv_manifest_close(manifest);
        return vv_fail_nomem(out_err, "paths of the manifest", VV_PATH_BYTES_MAX);
    }
    if (manifest->options.rotate_bytes == 0) {
        manifest->options.rotate_bytes = MANIFEST_ROTATE_BYTES;
    }
    if (manifest->options.rotate_edits == 0) {
        manifest->options.rotate_edits = MANIFEST_ROTATE_EDITS;
    }
    *out_manifest = manifest;
    return VARVE_OK;
}

const vv_manifest_state *vv_manifest_get_state(const vv_manifest *manifest)
{
    return &manifest->state;
}

/* ---- records -------------------------------------------------------------------------------- */

/* Append a finished record to `out`; *chain becomes that of the next one. */
static varve_status manifest_put_record(vv_buf *out, uint8_t type, uint64_t edit_seq,
                                        vv_bytes payload, uint64_t salt, uint32_t *chain,
                                        varve_error *out_err)
{
    VV_ASSERT(payload.size <= VV_FRAME_PAYLOAD_BYTES_MAX); /* the limit of its buffer */
    vv_frame frame = {.payload_size = (uint32_t)payload.size,
                      .lsn = edit_seq,
                      .type = type,
                      .flags = VV_FRAME_FLAG_LAST,
                      .payload_crc = vv_crc32c(0, payload.data, payload.size)};
    uint8_t header[VV_FRAME_HEADER_BYTES];
    vv_frame_put(header, &frame);
    *chain = vv_frame_finish(header, salt, *chain);
    (void)vv_buf_append(out, header, sizeof header);
    (void)vv_buf_append(out, payload.data, payload.size);
    (void)vv_buf_append_padding(out, 8);
    return vv_buf_check(out, out_err);
}

/* ---- a new file ----------------------------------------------------------------------------- */

/* A file on its way to its name. */
typedef struct manifest_part {
    vv_buf bytes;
    uint64_t seq;
    uint64_t salt;
    uint32_t chain;
    vv_file *file;
} manifest_part;

/* Header and snapshot of the state. */
static varve_status manifest_build(vv_manifest *manifest, manifest_part *part, varve_error *out_err)
{
    VV_TRY(vv_entropy_fill(&manifest->env.entropy, &part->salt, sizeof part->salt, out_err));
    vv_buf payload;
    vv_buf_init(&payload, manifest->env.alloc, VV_FRAME_PAYLOAD_BYTES_MAX);
    vv_manifest_edit edit = vv_manifest_as_edit(&manifest->state);
    varve_status status = vv_manifest_encode(&edit, &payload, out_err);
    part->chain = vv_frame_chain_first(part->salt);
    if (status == VARVE_OK) { /* the header, filled in below */
        const uint8_t *header = vv_buf_extend(&part->bytes, VV_FRAME_FILE_HEADER_BYTES);
        status = vv_buf_check(&part->bytes, out_err);
        VV_ASSERT((header != NULL) == (status == VARVE_OK));
    }
    if (status == VARVE_OK) {
        status = manifest_put_record(&part->bytes, VV_MANIFEST_SNAPSHOT, manifest->state.edit_seq,
                                     vv_buf_bytes(&payload), part->salt, &part->chain, out_err);
    }
    if (status == VARVE_OK) {
        vv_frame_file file = {.file_seq = part->seq,
                              .first_lsn = manifest->state.edit_seq,
                              .created_ns = vv_env_wall_ns(&manifest->env),
                              .salt = part->salt,
                              .prev_last = manifest->state.edit_seq,
                              .durable = part->bytes.size};
        memcpy(file.store_id, manifest->options.store_id, sizeof file.store_id);
        vv_frame_file_encode(VV_FRAME_MANIFEST, &file, part->bytes.data);
    }
    vv_buf_deinit(&payload);
    return status;
}

static varve_status manifest_open_part(vv_manifest *manifest, const char *path, vv_file **out_file,
                                       varve_error *out_err)
{
    const vv_env *env = &manifest->env;
    uint32_t flags = VV_OPEN_WRITE | VV_OPEN_CREATE | VV_OPEN_EXCLUSIVE;
    varve_status status = vv_file_open(env->vfs, env->alloc, path, flags, out_file, out_err);
    if (status == VARVE_E_EXISTS) { /* left by an earlier attempt */
        VV_TRY(vv_vfs_unlink(env->vfs, path, out_err));
        status = vv_file_open(env->vfs, env->alloc, path, flags, out_file, out_err);
    }
    return status;
}

/* Write it, sync it, give it its name. *out_is_fatal: a sync or rename failed. */
static varve_status manifest_publish(vv_manifest *manifest, manifest_part *part, bool *out_is_fatal,
                                     varve_error *out_err)
{
    const vv_vfs *vfs = manifest->env.vfs;
    char part_path[VV_PATH_BYTES_MAX];
    char path[VV_PATH_BYTES_MAX];
    VV_TRY(
        vv_manifest_path(manifest->options.tmp_directory, part->seq, ".part", part_path, out_err));
    VV_TRY(vv_manifest_path(manifest->options.directory, part->seq, "", path, out_err));
    VV_TRY(manifest_open_part(manifest, part_path, &part->file, out_err));
    varve_status status =
        vv_file_write_all(part->file, 0, part->bytes.data, part->bytes.size, out_err);
    if (status == VARVE_OK) {
        *out_is_fatal = true;
        status = vv_file_fsync(part->file, VV_SITE_MANIFEST_CREATE, out_err);
    }
    if (status == VARVE_OK) {
        status = vv_vfs_rename(vfs, part_path, path, VV_SITE_MANIFEST_RENAME, out_err);
    }
    if (status == VARVE_OK) {
        status = vv_vfs_sync_dir(vfs, manifest->options.directory, VV_SITE_MANIFEST_DIR, out_err);
    }
    if (status != VARVE_OK) {
        VV_IGNORE(vv_file_close(part->file, NULL));     /* already failing */
        VV_IGNORE(vv_vfs_unlink(vfs, part_path, NULL)); /* else the next open does it */
        part->file = NULL;
    }
    return status;
}

static varve_status manifest_remove(const vv_manifest *manifest, uint64_t seq)
{
    char path[VV_PATH_BYTES_MAX];
    VV_TRY(vv_manifest_path(manifest->options.directory, seq, "", path, NULL));
    return vv_vfs_unlink(manifest->env.vfs, path, NULL);
}

/* Files before `kept` are not needed: the newest is durable, and `kept` is its predecessor. */
static void manifest_remove_old(const vv_manifest *manifest, uint64_t kept)
{
    const vv_env *env = &manifest->env;
    vv_vec files;
    vv_vec_init(&files, env->alloc, sizeof(uint64_t), VV_MANIFEST_FILES_MAX);
    /* A file that stays is removed at the next rotation. */
    if (vv_manifest_list(env, manifest->options.directory, &files, NULL) == VARVE_OK) {
        for (size_t i = 0; i < files.count; ++i) {
            uint64_t seq = *VV_VEC_AT(&files, uint64_t, i);
            if (seq < kept) {
                VV_IGNORE(manifest_remove(manifest, seq));
            }
        }
    }
    vv_vec_deinit(&files);
}

bool vv_manifest_has_failed(const vv_manifest *manifest)
{
    return manifest->is_failed;
}

/* Open the new file by its name, so that errors from now on tell that one. A failure leaves a good
 * file that nothing is added to; the next append begins another. */
static varve_status manifest_reopen(vv_manifest *manifest, manifest_part *part,
                                    varve_error *out_err)
{
    char path[VV_PATH_BYTES_MAX];
    VV_IGNORE(vv_file_close(part->file, NULL)); /* synced: nothing can be lost */
    VV_TRY(vv_manifest_path(manifest->options.directory, part->seq, "", path, out_err));
    return vv_file_open(manifest->env.vfs, manifest->env.alloc, path, VV_OPEN_WRITE,
                        &manifest->file, out_err);
}

/* M5. Whatever the reason was, the answer is E_IO: the outcome is unknown, and waiting does not
 * help. */
static varve_status manifest_fail(vv_manifest *manifest, const varve_error *error,
                                  varve_error *out_err)
{
    manifest->is_failed = true;
    manifest->failure = *error;
    manifest->failure.status = VARVE_E_IO;
    return vv_fail_again(out_err, &manifest->failure);
}

static varve_status manifest_refuse(const vv_manifest *manifest, varve_error *out_err)
{
    return vv_fail(out_err, VARVE_E_FENCED, "the manifest failed and takes no more edits: %s",
                   manifest->failure.message);
}

varve_status vv_manifest_rotate(vv_manifest *manifest, varve_error *out_err)
{
    VV_ASSERT(!manifest->options.is_follower);
    if (manifest->is_failed) {
        return manifest_refuse(manifest, out_err);
    }
    uint64_t before = manifest->file_seq != 0 ? manifest->file_seq : manifest->loaded_file;
    manifest_part part = {.seq = manifest->last_file + 1};
    vv_buf_init(&part.bytes, manifest->env.alloc, SIZE_MAX);
    varve_error error;
    bool is_fatal = false;
    varve_status status = manifest_build(manifest, &part, &error);
    if (status == VARVE_OK) {
        status = manifest_publish(manifest, &part, &is_fatal, &error);
    }
    int64_t size = (int64_t)part.bytes.size;
    vv_buf_deinit(&part.bytes);
    if (status != VARVE_OK) {
        return is_fatal ? manifest_fail(manifest, &error, out_err) : vv_fail_again(out_err, &error);
    }
    VV_IGNORE(vv_file_close(manifest->file, NULL)); /* what counts is in the new one */
    manifest->file = NULL;
    manifest->file_seq = part.seq;
    manifest->last_file = part.seq;
    VV_TRY(manifest_reopen(manifest, &part, out_err));
    manifest->salt = part.salt;
    manifest->chain = part.chain;
    manifest->offset = size;
    manifest->edits = 0;
    manifest_remove_old(manifest, before);
    return VARVE_OK;
}

/* ---- edits ---------------------------------------------------------------------------------- */

/* An edit ready to be written: its bytes, and what was read back from them. */
typedef struct manifest_prepared {
    vv_buf payload;
    vv_arena arena;
    vv_manifest_edit edit;
} manifest_prepared;

static void manifest_prepared_deinit(manifest_prepared *prepared)
{
    vv_buf_deinit(&prepared->payload);
    vv_arena_deinit(&prepared->arena);
}

static varve_status manifest_prepare(vv_manifest *manifest, const vv_manifest_edit *edit,
                                     manifest_prepared *prepared, varve_error *out_err)
{
    vv_manifest_state *state = &manifest->state;
    vv_buf_init(&prepared->payload, manifest->env.alloc, VV_FRAME_PAYLOAD_BYTES_MAX);
    vv_arena_init(&prepared->arena, manifest->env.alloc, MANIFEST_ARENA_BYTES_MAX);
    VV_TRY(vv_manifest_encode(edit, &prepared->payload, out_err));
    varve_status status = vv_manifest_decode(vv_buf_bytes(&prepared->payload), &prepared->arena,
                                             &state->texts, &prepared->edit, out_err);
    if (status == VARVE_E_CORRUPT) { /* something in it is there twice, or beyond its limits */
        return vv_fail(out_err, VARVE_E_INVALID, "an edit repeats an id or exceeds a limit");
    }
    VV_TRY(status);
    VV_TRY(vv_manifest_check(state, &prepared->edit, out_err));
    return vv_manifest_reserve(state, &prepared->edit, out_err);
}

static varve_status manifest_write(vv_manifest *manifest, vv_bytes payload, varve_error *out_err)
{
    vv_buf record;
    vv_buf_init(&record, manifest->env.alloc, SIZE_MAX);
    uint32_t chain = manifest->chain;
    varve_status status =
        manifest_put_record(&record, VV_MANIFEST_EDIT, manifest->state.edit_seq + 1, payload,
                            manifest->salt, &chain, out_err);
    if (status != VARVE_OK) {
        vv_buf_deinit(&record);
        return status;
    }
    varve_error error;
    bool is_written = false;
    status = vv_file_write_all(manifest->file, manifest->offset, record.data, record.size, &error);
    if (status == VARVE_OK) {
        is_written = true;
        status = vv_file_fdatasync(manifest->file, VV_SITE_MANIFEST_EDIT, &error);
    }
    size_t size = record.size;
    vv_buf_deinit(&record);
    if (status == VARVE_E_NOSPACE && !is_written) {
        /* A torn end that was never synced; the next edit goes to a new file. */
        VV_IGNORE(vv_file_close(manifest->file, NULL));
        manifest->file = NULL;
        return vv_fail_again(out_err, &error);
    }
    if (status != VARVE_OK) {
        return manifest_fail(manifest, &error, out_err);
    }
    manifest->chain = chain;
    manifest->offset += (int64_t)size;
    manifest->edits += 1;
    return VARVE_OK;
}

varve_status vv_manifest_append(vv_manifest *manifest, const vv_manifest_edit *edit,
                                varve_error *out_err)
{
    VV_ASSERT(!manifest->options.is_follower);
    if (manifest->is_failed) {
        return manifest_refuse(manifest, out_err);
    }
    manifest_prepared prepared;
    varve_status status = manifest_prepare(manifest, edit, &prepared, out_err);
    bool is_full = manifest->file == NULL ||
                   (uint64_t)manifest->offset >= manifest->options.rotate_bytes ||
                   manifest->edits >= manifest->options.rotate_edits;
    if (status == VARVE_OK && is_full) {
        status = vv_manifest_rotate(manifest, out_err);
    }
    if (status == VARVE_OK) {
        status = manifest_write(manifest, vv_buf_bytes(&prepared.payload), out_err);
    }
    if (status == VARVE_OK) {
        vv_manifest_fold(&manifest->state, &prepared.edit, manifest->state.edit_seq + 1);
    }
    manifest_prepared_deinit(&prepared);
    return status;
}

/* ---- opening -------------------------------------------------------------------------------- */

varve_status vv_manifest_create(const vv_env *env, const vv_manifest_options *options,
                                const vv_manifest_edit *first, vv_manifest **out_manifest,
                                varve_error *out_err)
{
    *out_manifest = NULL;
    vv_manifest *manifest;
    VV_TRY(manifest_new(env, options, &manifest, out_err));
    manifest_prepared prepared;
    varve_status status = manifest_prepare(manifest, first, &prepared, out_err);
    if (status == VARVE_OK) {
        vv_manifest_fold(&manifest->state, &prepared.edit, 1);
        status = vv_manifest_rotate(manifest, out_err);
    }
    manifest_prepared_deinit(&prepared);
    if (status != VARVE_OK) {
        vv_manifest_close(manifest);
        return status;
    }
    *out_manifest = manifest;
    return VARVE_OK;
}

varve_status vv_manifest_open(const vv_env *env, const vv_manifest_options *options,
                              vv_manifest **out_manifest, vv_manifest_found *out_found,
                              varve_error *out_err)
{
    *out_manifest = NULL;
    vv_manifest *manifest;
    vv_manifest_found found;
    VV_TRY(manifest_new(env, options, &manifest, out_err));
    varve_status status = vv_manifest_load(env, options, &manifest->state, &found, out_err);
    if (status != VARVE_OK) {
        vv_manifest_close(manifest);
        return status;
    }
    manifest->last_file = found.last_file;
    manifest->loaded_file = found.file_seq;
    if (out_found != NULL) {
        *out_found = found;
    }
    *out_manifest = manifest;
    return VARVE_OK;
}
