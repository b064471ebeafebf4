/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of the log: making the next one ahead of need, growing it for a large batch, removing
 * those that are not needed any more.
 *
 * A file gets its name only when its header is stored, and appends go to it only when its name is:
 *
 *      tmp/<seq>.vwl.part   allocate, header, fsync  --rename-->  wal/<seq>.vwl, fsync of wal/,
 * open
 *
 * What cannot be begun for want of space (or descriptors, or memory) is a state that passes: the
 * write that needs the file is refused and the next one tries again, with a new file. A failed sync
 * or rename is not tried again: the log has failed.
 */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "base/text.h"
#include "wal/wal_priv.h"

enum {
    WAL_FILE_ZERO_BYTES = 256 * 1024, /* written at once where the system cannot allocate */
    WAL_FILE_ALIGN = 4096,            /* sizes are multiples of a page */
};

varve_status vv_wal_file_path(const char *directory, uint64_t seq, const char *suffix,
                              char out_path[VV_PATH_BYTES_MAX], varve_error *out_err)
{
    char name[VV_WAL_NAME_BYTES];
    (void)vv_text_format(name, sizeof name, "%020llu.vwl%s", (unsigned long long)seq, suffix);
    return vv_path_join(directory, name, out_path, out_err);
}

vv_wal_file *vv_wal_find_file_locked(const vv_wal *wal, uint64_t seq)
{
    for (size_t i = wal->files.count; i > 0; --i) {
        vv_wal_file *file = VV_VEC_AT(&wal->files, vv_wal_file, i - 1);
        if (file->seq == seq) {
            return file;
        }
    }
    return NULL;
}

vv_wal_file *vv_wal_next_file_locked(const vv_wal *wal)
{
    VV_ASSERT(wal->files.count > 0);
    vv_wal_file *last = VV_VEC_AT(&wal->files, vv_wal_file, wal->files.count - 1);
    return last->seq > wal->append_seq ? last : NULL;
}

/* ---- making --------------------------------------------------------------------------------- */

/* Zeros where the system cannot allocate; gives up silently when that takes too long. */
static varve_status wal_file_fill(vv_wal *wal, vv_file *file, int64_t size, bool *out_is_filled,
                                  varve_error *out_err)
{
    uint8_t *zeros = vv_alloc_zeroed(wal->env.alloc, WAL_FILE_ZERO_BYTES);
    if (zeros == NULL) {
        return vv_fail_nomem(out_err, "zeros for a log file", WAL_FILE_ZERO_BYTES);
    }
    int64_t start_ns = vv_wal_now(wal);
    varve_status status = VARVE_OK;
    int64_t offset = 0;
    while (status == VARVE_OK && offset < size &&
           vv_wal_now(wal) - start_ns <= VV_WAL_ZERO_FILL_NS_MAX) {
        int64_t left = size - offset;
        size_t piece = left < WAL_FILE_ZERO_BYTES ? (size_t)left : (size_t)WAL_FILE_ZERO_BYTES;
        status = vv_file_write_all(file, offset, zeros, piece, out_err);
        offset += (int64_t)piece;
    }
    vv_alloc_free(wal->env.alloc, zeros, WAL_FILE_ZERO_BYTES);
    *out_is_filled = status == VARVE_OK && offset >= size;
    return status;
}

static varve_status wal_file_allocate(vv_wal *wal, vv_wal_file *file, varve_error *out_err)
{
    file->is_preallocated = true;
    varve_status status = vv_file_allocate(file->file, 0, file->size, out_err);
    if (status == VARVE_E_UNSUPPORTED) {
        status = wal_file_fill(wal, file->file, file->size, &file->is_preallocated, out_err);
    }
    return status;
}

static varve_status wal_file_write_header(vv_wal *wal, const vv_wal_file *file, uint64_t first_lsn,
                                          uint64_t prev_last, varve_error *out_err)
{
    vv_frame_file header = {.file_seq = file->seq,
                            .first_lsn = first_lsn,
                            .created_ns = vv_env_wall_ns(&wal->env),
                            .salt = file->salt,
                            .prev_last = prev_last,
                            .durable = atomic_load(&wal->durable_lsn)};
    memcpy(header.store_id, wal->options.store_id, sizeof header.store_id);
    uint8_t bytes[VV_FRAME_FILE_HEADER_BYTES];
    vv_frame_file_encode(VV_FRAME_LOG, &header, bytes);
    return vv_file_write_all(file->file, 0, bytes, sizeof bytes, out_err);
}

/* Open tmp/...; one that an earlier attempt left there goes first. */
static varve_status wal_file_open_part(vv_wal *wal, const char *path, vv_file **out_file,
                                       varve_error *out_err)
{
    uint32_t flags = VV_OPEN_WRITE | VV_OPEN_CREATE | VV_OPEN_EXCLUSIVE;
    varve_status status =
        vv_file_open(wal->env.vfs, wal->env.alloc, path, flags, out_file, out_err);
    if (status == VARVE_E_EXISTS) {
        VV_TRY(vv_vfs_unlink(wal->env.vfs, path, out_err));
        status = vv_file_open(wal->env.vfs, wal->env.alloc, path, flags, out_file, out_err);
    }
    return status;
}

/* The steps that may be tried again with another file, and then the fsync, which may not. */
static varve_status wal_file_write_part(vv_wal *wal, vv_wal_file *file, uint64_t first_lsn,
                                        uint64_t prev_last, bool *out_is_fatal,
                                        varve_error *out_err)
{
    VV_TRY(vv_entropy_fill(&wal->env.entropy, &file->salt, sizeof file->salt, out_err));
    VV_TRY(wal_file_allocate(wal, file, out_err));
    VV_TRY(wal_file_write_header(wal, file, first_lsn, prev_last, out_err));
    *out_is_fatal = true;
    return vv_file_fsync(file->file, VV_SITE_WAL_FILE_CREATE, out_err);
}

/* Open it by its name, so that errors from now on tell that one. Where there is no descriptor left
 * the file stays, empty, and the next attempt replaces it. */
static varve_status wal_file_reopen(vv_wal *wal, vv_wal_file *file, const char *path,
                                    bool *out_is_fatal, varve_error *out_err)
{
    vv_file *part = file->file;
    file->file = NULL;
    VV_TRY(vv_file_close(part, out_err));
    *out_is_fatal = false;
    return vv_file_open(wal->env.vfs, wal->env.alloc, path, VV_OPEN_WRITE, &file->file, out_err);
}

/* No space, no descriptor, no memory: may be different next time. Everything else is the disk. */
static bool wal_file_may_pass(varve_status status)
{
    return status == VARVE_E_NOSPACE || status == VARVE_E_NOMEM || status == VARVE_E_LIMIT;
}

varve_status vv_wal_file_create(vv_wal *wal, uint64_t seq, uint64_t first_lsn, uint64_t prev_last,
                                int64_t size, vv_wal_file *out_file, bool *out_is_fatal,
                                varve_error *out_err)
{
    char part[VV_PATH_BYTES_MAX];
    char path[VV_PATH_BYTES_MAX];
    *out_is_fatal = false;
    VV_TRY(vv_wal_file_path(wal->options.tmp_directory, seq, ".part", part, out_err));
    VV_TRY(vv_wal_file_path(wal->options.directory, seq, "", path, out_err));
    vv_wal_file file = {.seq = seq};
    file.size = (size + WAL_FILE_ALIGN - 1) / WAL_FILE_ALIGN * WAL_FILE_ALIGN;
    varve_status status = wal_file_open_part(wal, part, &file.file, out_err);
    if (status == VARVE_OK) {
        status = wal_file_write_part(wal, &file, first_lsn, prev_last, out_is_fatal, out_err);
    }
    if (status == VARVE_OK) {
        status = vv_vfs_rename(wal->env.vfs, part, path, VV_SITE_WAL_FILE_RENAME, out_err);
    }
    if (status == VARVE_OK) {
        status = vv_vfs_sync_dir(wal->env.vfs, wal->options.directory, VV_SITE_WAL_DIR, out_err);
    }
    if (status == VARVE_OK) {
        status = wal_file_reopen(wal, &file, path, out_is_fatal, out_err);
    }
    if (status != VARVE_OK) {
        vv_error_prefix(out_err, "log file %llu", (unsigned long long)seq);
        *out_is_fatal = *out_is_fatal || !wal_file_may_pass(status);
        VV_IGNORE(vv_file_close(file.file, NULL));          /* already failing */
        VV_IGNORE(vv_vfs_unlink(wal->env.vfs, part, NULL)); /* else the next open does it */
        return status;
    }
    *out_file = file;
    return VARVE_OK;
}

/* ---- the next file -------------------------------------------------------------------------- */

/* The file made ahead of need is too small for what is coming. */
static varve_status wal_file_grow(vv_wal_file *file, int64_t size, bool *out_is_fatal,
                                  varve_error *out_err)
{
    file->size = (size + WAL_FILE_ALIGN - 1) / WAL_FILE_ALIGN * WAL_FILE_ALIGN;
    *out_is_fatal = false;
    if (!file->is_preallocated) {
        return VARVE_OK;
    }
    varve_status status = vv_file_allocate(file->file, 0, file->size, out_err);
    if (status == VARVE_E_UNSUPPORTED) {
        file->is_preallocated = false; /* it grows as it is written */
        return VARVE_OK;
    }
    *out_is_fatal = status != VARVE_OK && !wal_file_may_pass(status);
    VV_TRY(status);
    *out_is_fatal = true;
    return vv_file_fsync(file->file, VV_SITE_WAL_FILE_CREATE, out_err);
}

/* Enter or leave NOSPACE, or fail, by the outcome of making room. */
static void wal_file_note_outcome(vv_wal *wal, varve_status status, bool is_fatal,
                                  const varve_error *error)
{
    wal->is_short = status != VARVE_OK && !is_fatal;
    atomic_store(&wal->is_nospace, wal->is_short && status == VARVE_E_NOSPACE);
    wal->space_tried_ns = vv_wal_now(wal);
    if (wal->is_short) {
        wal->space_error = *error;
    }
    if (status != VARVE_OK && is_fatal) {
        vv_wal_fail_locked(wal, error);
    }
    vv_cond_broadcast(&wal->progress);
}

varve_status vv_wal_prepare_locked(vv_wal *wal, int64_t size, varve_error *out_err)
{
    vv_mutex_assert_held(&wal->lock);
    VV_ASSERT(!wal->is_preparing);
    if (vv_vec_reserve(&wal->files, 1) != VARVE_OK) {
        return vv_fail_nomem(out_err, "the list of log files", sizeof(vv_wal_file));
    }
    vv_wal_file *next = vv_wal_next_file_locked(wal);
    bool is_growing = next != NULL;
    vv_wal_file file = is_growing ? *next : (vv_wal_file){.seq = wal->next_file_seq};
    int64_t usual = (int64_t)wal->options.file_bytes;
    varve_error error;
    bool is_fatal;
    wal->is_preparing = true;
    vv_mutex_unlock(&wal->lock);
    varve_status status = is_growing
                              ? wal_file_grow(&file, size, &is_fatal, &error)
                              : vv_wal_file_create(wal, file.seq, 0, 0, size > usual ? size : usual,
                                                   &file, &is_fatal, &error);
    vv_mutex_lock(&wal->lock);
    wal->is_preparing = false;
    wal_file_note_outcome(wal, status, is_fatal, &error);
    if (status != VARVE_OK) {
        return vv_fail_again(out_err, is_fatal ? &wal->failure : &error);
    }
    if (is_growing) {
        /* Appends may have moved on to it meanwhile, into the room it had. */
        vv_wal_file *grown = vv_wal_find_file_locked(wal, file.seq);
        VV_ASSERT(grown != NULL);
        grown->size = file.size;
        grown->is_preallocated = file.is_preallocated;
        wal->append_size = wal->append_seq == file.seq ? file.size : wal->append_size;
    } else {
        status = vv_vec_push(&wal->files, &file);
        VV_ASSERT(status == VARVE_OK);
        wal->next_file_seq += 1;
    }
    return VARVE_OK;
}

static varve_status wal_file_unlink(const vv_wal *wal, uint64_t seq)
{
    char path[VV_PATH_BYTES_MAX];
    VV_TRY(vv_wal_file_path(wal->options.directory, seq, "", path, NULL));
    return vv_vfs_unlink(wal->env.vfs, path, NULL);
}

void vv_wal_drop_next_locked(vv_wal *wal)
{
    vv_mutex_assert_held(&wal->lock);
    vv_wal_file *next = vv_wal_next_file_locked(wal);
    VV_ASSERT(!wal->is_preparing);
    if (next == NULL) {
        return;
    }
    VV_IGNORE(vv_file_close(next->file, NULL)); /* it holds nothing */
    VV_IGNORE(wal_file_unlink(wal, next->seq)); /* else the next open does it */
    vv_vec_pop(&wal->files);
}

/* ---- files that are not needed any more ----------------------------------------------------- */

/* Takes the oldest file out of the list when all of it is at or below lsn; 0: there is none. */
static uint64_t wal_file_take_released(vv_wal *wal, uint64_t lsn)
{
    vv_mutex_lock(&wal->lock);
    uint64_t seq = 0;
    const vv_wal_file *oldest = VV_VEC_AT(&wal->files, vv_wal_file, 0);
    if (wal->files.count > 1 && oldest->is_sealed && oldest->last_lsn <= lsn) {
        seq = oldest->seq;
        atomic_fetch_sub_explicit(&wal->file_bytes, (uint64_t)oldest->used, memory_order_relaxed);
        atomic_fetch_sub_explicit(&wal->left_bytes, (uint64_t)oldest->used, memory_order_relaxed);
        vv_vec_remove(&wal->files, 0);
        atomic_store(&wal->first_file_seq, VV_VEC_AT(&wal->files, vv_wal_file, 0)->seq);
    }
    vv_mutex_unlock(&wal->lock);
    return seq;
}

void vv_wal_release(vv_wal *wal, uint64_t lsn)
{
    if (!wal->has_files) {
        return;
    }
    uint64_t seq = wal_file_take_released(wal, lsn);
    while (seq != 0) {
        /* A file that stays is below log_start: never read, removed at the next open. */
        bool is_gone = wal_file_unlink(wal, seq) == VARVE_OK;
        atomic_fetch_add_explicit(is_gone ? &wal->stat_released : &wal->stat_release_failures, 1,
                                  memory_order_relaxed);
        seq = wal_file_take_released(wal, lsn);
    }
}

uint64_t vv_wal_first_file_above(vv_wal *wal, uint64_t lsn)
{
    vv_mutex_lock(&wal->lock);
    uint64_t seq = atomic_load(&wal->first_file_seq);
    for (size_t i = 0; i < wal->files.count; ++i) {
        const vv_wal_file *file = VV_VEC_AT(&wal->files, vv_wal_file, i);
        seq = file->seq;
        if (file->seq == wal->append_seq || file->last_lsn > lsn) {
            break;
        }
    }
    vv_mutex_unlock(&wal->lock);
    return seq;
}
