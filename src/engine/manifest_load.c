/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the manifest: which file counts, where it ends, and when that is damage. The rules are in
 * docs/formats/manifest.md, "Reading it".
 *
 * Two facts make the decisions simple. A file has its name only after its snapshot was synced, so a
 * snapshot that cannot be read is always damage to synced bytes; the file before it says the same
 * as long as no edit was ever added, which the size in the header tells. And an edit is synced
 * before the next is written, so any record behind a bad one proves that the bad one was durable.
 *
 * Beside a live writer all of it is tried again from the list of files on: the file may have been
 * replaced, its last record may be in the making.
 */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "base/text.h"
#include "engine/manifest_priv.h"

enum {
    MANIFEST_LOAD_RETRIES = 5,
    MANIFEST_LOAD_ARENA_BYTES_MAX = 1024 * 1024 * 1024, /* of one decoded record */
};

varve_status vv_manifest_path(const char *directory, uint64_t seq, const char *suffix,
                              char out_path[VV_PATH_BYTES_MAX], varve_error *out_err)
{
    char name[VV_MANIFEST_NAME_BYTES];
    (void)vv_text_format(name, sizeof name, "%020llu.vmf%s", (unsigned long long)seq, suffix);
    return vv_path_join(directory, name, out_path, out_err);
}

varve_status vv_manifest_list(const vv_env *env, const char *directory, vv_vec *out_files,
                              varve_error *out_err)
{
    vv_dir_list list;
    VV_TRY(vv_vfs_list(env->vfs, env->alloc, directory, &list, out_err));
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < list.count && status == VARVE_OK; ++i) {
        uint64_t seq;
        if (list.entries[i].kind == VV_KIND_FILE &&
            vv_frame_parse_name(list.entries[i].name, VV_TEXT(".vmf"), &seq)) {
            status = vv_vec_push(out_files, &seq); /* names sorted by bytes are sorted by number */
        }
    }
    if (status != VARVE_OK) {
        status = vv_vec_fail(out_files, status, out_err);
    }
    vv_dir_list_deinit(&list);
    return status;
}

/* ---- one file ------------------------------------------------------------------------------- */

/* Reading one file. */
typedef struct manifest_load_file {
    const vv_env *env;
    const vv_manifest_options *options;
    uint64_t seq;
    vv_frame_reader reader;
    vv_frame_file header;
    vv_manifest_state *state;
    int64_t offset; /* of the next record */
    uint32_t chain;
    uint64_t expected; /* number of the next record */
    uint64_t torn_bytes;
    bool is_replaceable; /* the snapshot is bad, and nothing was ever added to it */
} manifest_load_file;

static varve_status manifest_load_header(manifest_load_file *file, varve_error *out_err)
{
    vv_bytes bytes;
    VV_TRY(vv_frame_reader_view(&file->reader, 0, VV_FRAME_FILE_HEADER_BYTES, &bytes, out_err));
    VV_TRY(vv_frame_file_decode(VV_FRAME_MANIFEST, bytes, &file->header, out_err));
    if (memcmp(file->header.store_id, file->options->store_id, sizeof file->header.store_id) != 0) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "it belongs to another database");
    }
    if (file->header.file_seq != file->seq || file->header.first_lsn == 0) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "it was made as number %llu",
                       (unsigned long long)file->header.file_seq);
    }
    file->reader.salt = file->header.salt;
    file->chain = vv_frame_chain_first(file->header.salt);
    file->offset = VV_FRAME_FILE_HEADER_BYTES;
    file->expected = file->header.first_lsn;
    return VARVE_OK;
}

/* Decode a record and add it to the state. */
static varve_status manifest_load_apply(manifest_load_file *file, const vv_frame *frame,
                                        vv_bytes payload, varve_error *out_err)
{
    vv_arena arena;
    vv_manifest_edit edit;
    vv_arena_init(&arena, file->env->alloc, MANIFEST_LOAD_ARENA_BYTES_MAX);
    varve_status status = vv_manifest_decode(payload, &arena, &file->state->texts, &edit, out_err);
    if (status == VARVE_OK) {
        status = vv_manifest_check(file->state, &edit, out_err);
        status = status == VARVE_E_INVALID ? VARVE_E_CORRUPT : status;
    }
    if (status == VARVE_OK) {
        status = vv_manifest_reserve(file->state, &edit, out_err);
    }
    if (status == VARVE_OK) {
        vv_manifest_fold(file->state, &edit, frame->lsn);
    }
    vv_arena_deinit(&arena);
    if (status == VARVE_E_CORRUPT && out_err != NULL) {
        out_err->status = VARVE_E_CORRUPT;
        vv_error_prefix(out_err, "edit %llu", (unsigned long long)frame->lsn);
    }
    return status;
}

/* Is there a record behind the bad one at file->offset? */
static varve_status manifest_load_is_followed(manifest_load_file *file, bool *out_is_followed,
                                              int64_t *out_used_end, varve_error *out_err)
{
    int64_t offset = file->offset;
    int64_t found = offset;
    *out_is_followed = false;
    *out_used_end = offset;
    while (found >= 0 && !*out_is_followed) {
        vv_frame frame;
        VV_TRY(vv_frame_scan(&file->reader, offset, &found, &frame, out_used_end, out_err));
        if (found == file->offset && frame.lsn == file->expected) {
            /* Its own header: whole, but the rest of it is not. */
            *out_used_end = found + VV_FRAME_HEADER_BYTES;
            offset = found + 8;
        } else {
            *out_is_followed = found >= 0;
        }
    }
    return VARVE_OK;
}

static varve_status manifest_load_bad_record(manifest_load_file *file, vv_frame_verdict verdict,
                                             varve_error *out_err)
{
    bool is_followed;
    int64_t used_end;
    bool is_snapshot = file->offset == VV_FRAME_FILE_HEADER_BYTES;
    int64_t offset = file->offset;
    VV_TRY(manifest_load_is_followed(file, &is_followed, &used_end, out_err));
    if (is_snapshot || is_followed) {
        file->is_replaceable = is_snapshot && !is_followed &&
                               (uint64_t)file->reader.file_bytes == file->header.durable;
        return vv_fail(out_err, VARVE_E_CORRUPT, "at %lld: record %llu %s", (long long)offset,
                       (unsigned long long)file->expected, vv_frame_verdict_text(verdict));
    }
    file->torn_bytes = used_end > offset ? (uint64_t)(used_end - offset) : 0;
    return VARVE_OK;
}

static varve_status manifest_load_records(manifest_load_file *file, varve_error *out_err)
{
    bool is_snapshot = true;
    while (true) {
        vv_frame_verdict verdict;
        vv_frame frame = {0};
        vv_bytes payload = {0};
        file->reader.keep_offset = file->offset;
        VV_TRY(vv_frame_read(&file->reader, file->offset, &file->chain, file->expected, &verdict,
                             &frame, &payload, out_err));
        if (verdict != VV_FRAME_GOOD) {
            return manifest_load_bad_record(file, verdict, out_err);
        }
        if (frame.type != (is_snapshot ? VV_MANIFEST_SNAPSHOT : VV_MANIFEST_EDIT) ||
            frame.flags != VV_FRAME_FLAG_LAST) {
            return vv_fail(out_err, VARVE_E_UNSUPPORTED,
                           "at %lld: a record of type %u with flags %u needs a newer varve",
                           (long long)file->offset, (unsigned)frame.type, (unsigned)frame.flags);
        }
        VV_TRY(manifest_load_apply(file, &frame, payload, out_err));
        is_snapshot = false;
        file->chain = vv_frame_chain_next(&frame);
        file->expected = frame.lsn + 1;
        file->offset += (int64_t)vv_frame_bytes(frame.payload_size);
    }
}

static varve_status manifest_load_one(manifest_load_file *file, varve_error *out_err)
{
    char path[VV_PATH_BYTES_MAX];
    VV_TRY(vv_manifest_path(file->options->directory, file->seq, "", path, out_err));
    VV_TRY(vv_frame_reader_open(&file->reader, file->env->vfs, file->env->alloc, path,
                                !file->options->is_follower, out_err));
    varve_status status = manifest_load_header(file, out_err);
    if (status == VARVE_OK) {
        status = manifest_load_records(file, out_err);
    }
    if (status == VARVE_OK && file->state->next_file_id == 0) { /* the first edit names one */
        status = vv_fail(out_err, VARVE_E_CORRUPT, "no edit names the next id of a file");
    }
    vv_frame_reader_close(&file->reader);
    if (status != VARVE_OK) {
        vv_error_prefix(out_err, "manifest %llu", (unsigned long long)file->seq);
    }
    return status;
}

/* ---- which file ----------------------------------------------------------------------------- */

static void manifest_load_clear(vv_manifest_state *state)
{
    vv_alloc *alloc = state->segments.alloc;
    vv_manifest_state_deinit(state);
    vv_manifest_state_init(state, alloc);
}

/* The newest file holds nothing but a bad snapshot: the one before it has to end where it begins.
 */
static varve_status manifest_load_fallback(const vv_env *env, const vv_manifest_options *options,
                                           const vv_vec *files, const manifest_load_file *newest,
                                           vv_manifest_state *state, vv_manifest_found *found,
                                           varve_error *out_err)
{
    manifest_load_clear(state);
    manifest_load_file before = {.env = env,
                                 .options = options,
                                 .seq = *VV_VEC_AT(files, uint64_t, files->count - 2),
                                 .state = state};
    VV_TRY(manifest_load_one(&before, out_err));
    if (state->edit_seq != newest->header.first_lsn) {
        return vv_fail(out_err, VARVE_E_CORRUPT,
                       "manifest %llu has a damaged snapshot of edit %llu, the one before it ends "
                       "at %llu",
                       (unsigned long long)newest->seq,
                       (unsigned long long)newest->header.first_lsn,
                       (unsigned long long)state->edit_seq);
    }
    found->file_seq = before.seq;
    found->is_fallback = true;
    return VARVE_OK;
}

static varve_status manifest_load_newest(const vv_env *env, const vv_manifest_options *options,
                                         const vv_vec *files, vv_manifest_state *state,
                                         vv_manifest_found *found, varve_error *out_err)
{
    if (files->count == 0) {
        return vv_fail(out_err, VARVE_E_NOT_FOUND, "%s holds no manifest", options->directory);
    }
    manifest_load_file newest = {.env = env,
                                 .options = options,
                                 .seq = *VV_VEC_AT(files, uint64_t, files->count - 1),
                                 .state = state};
    *found = (vv_manifest_found){.file_seq = newest.seq, .last_file = newest.seq};
    varve_status status = manifest_load_one(&newest, out_err);
    if (status == VARVE_E_CORRUPT && newest.is_replaceable && files->count > 1) {
        return manifest_load_fallback(env, options, files, &newest, state, found, out_err);
    }
    found->torn_bytes = newest.torn_bytes;
    return status;
}

varve_status vv_manifest_load(const vv_env *env, const vv_manifest_options *options,
                              vv_manifest_state *state, vv_manifest_found *out_found,
                              varve_error *out_err)
{
    VV_ASSERT(state->edit_seq == 0 && state->segments.count == 0);
    varve_status status = VARVE_OK;
    vv_manifest_found found = {0};
    bool is_over = false;
    for (int tries = 0; !is_over; ++tries) {
        vv_vec files;
        vv_vec_init(&files, env->alloc, sizeof(uint64_t), VV_MANIFEST_FILES_MAX);
        status = vv_manifest_list(env, options->directory, &files, out_err);
        bool has_files = files.count > 0;
        if (status == VARVE_OK) {
            status = manifest_load_newest(env, options, &files, state, &found, out_err);
        }
        vv_vec_deinit(&files);
        bool may_pass = status == VARVE_E_CORRUPT || (status == VARVE_E_NOT_FOUND && has_files);
        is_over = !may_pass || !options->is_follower || tries == MANIFEST_LOAD_RETRIES;
        if (status != VARVE_OK) {
            manifest_load_clear(state);
        }
    }
    if (status == VARVE_OK && out_found != NULL) {
        *out_found = found;
    }
    return status;
}
