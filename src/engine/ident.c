/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IDENT: 68 bytes that say which database a directory is. Format: docs/formats/ident.md.
 *
 *   I1  It is written once, whole, and durable with its name before anything refers to it.
 *   I2  A directory that holds files of others, or of a database whose IDENT is lost, is never made
 *       into a new database.
 */
#include "engine/ident.h"

#include <string.h>

#include "base/assert.h"
#include "base/crc.h"
#include "base/reader.h"
#include "base/status.h"
#include "base/writer.h"

enum {
    IDENT_VERSION = 1,
    IDENT_CRC_AT = 64,
};

static const char ident_magic[8] = {'V', 'A', 'R', 'V', 'E', 'I', 'D', 'T'};

void vv_ident_encode(const vv_ident *ident, uint8_t target[VV_IDENT_BYTES])
{
    vv_writer writer = vv_writer_of(target, VV_IDENT_BYTES);
    vv_writer_bytes(&writer, ident_magic, sizeof ident_magic);
    vv_writer_u16(&writer, IDENT_VERSION);
    vv_writer_u16(&writer, VV_IDENT_BYTES);
    vv_writer_u32(&writer, 0);
    vv_writer_bytes(&writer, ident->store_id, sizeof ident->store_id);
    vv_writer_bytes(&writer, ident->parent_id, sizeof ident->parent_id);
    vv_writer_i64(&writer, ident->created_ns);
    vv_writer_u64(&writer, 0);
    VV_ASSERT(vv_writer_position(&writer) == IDENT_CRC_AT);
    vv_writer_u32(&writer, vv_crc32c(0, target, IDENT_CRC_AT));
    VV_ASSERT(!vv_writer_is_bad(&writer));
}

bool vv_ident_is_snapshot(const vv_ident *ident)
{
    static const uint8_t none[sizeof ident->parent_id] = {0};
    return memcmp(ident->parent_id, none, sizeof none) != 0 &&
           memcmp(ident->store_id, ident->parent_id, sizeof none) == 0;
}

static void ident_read_id(vv_reader *reader, uint8_t target[16])
{
    const uint8_t *bytes = vv_reader_bytes(reader, 16);
    if (bytes != NULL) {
        memcpy(target, bytes, 16);
    }
}

varve_status vv_ident_decode(vv_bytes bytes, vv_ident *out_ident, varve_error *out_err)
{
    vv_reader reader = vv_reader_of(bytes.data, bytes.size);
    const uint8_t *magic = vv_reader_bytes(&reader, sizeof ident_magic);
    if (magic == NULL || memcmp(magic, ident_magic, sizeof ident_magic) != 0) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "IDENT does not begin with VARVEIDT");
    }
    uint16_t version = vv_reader_u16(&reader);
    uint16_t length = vv_reader_u16(&reader);
    uint32_t flags = vv_reader_u32(&reader);
    vv_ident ident = {0};
    ident_read_id(&reader, ident.store_id);
    ident_read_id(&reader, ident.parent_id);
    ident.created_ns = vv_reader_i64(&reader);
    vv_reader_skip(&reader, 8);
    uint32_t crc = vv_reader_u32(&reader);
    if (vv_reader_is_bad(&reader) || crc != vv_crc32c(0, bytes.data, IDENT_CRC_AT)) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "checksum of IDENT does not match");
    }
    if (version != IDENT_VERSION || flags != 0) {
        return vv_fail(out_err, VARVE_E_UNSUPPORTED,
                       "IDENT of format version %u with flags %u; this varve reads version %d",
                       (unsigned)version, (unsigned)flags, IDENT_VERSION);
    }
    if (length != VV_IDENT_BYTES || bytes.size != VV_IDENT_BYTES) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "IDENT of %zu bytes", bytes.size);
    }
    *out_ident = ident;
    return VARVE_OK;
}

varve_status vv_ident_read(const vv_env *env, const char *directory, vv_ident *out_ident,
                           varve_error *out_err)
{
    char path[VV_PATH_BYTES_MAX];
    VV_TRY(vv_path_join(directory, "IDENT", path, out_err));
    return vv_ident_read_file(env, path, out_ident, out_err);
}

varve_status vv_ident_read_file(const vv_env *env, const char *path, vv_ident *out_ident,
                                varve_error *out_err)
{
    void *data = NULL;
    size_t size = 0;
    varve_status status =
        vv_vfs_read_file(env->vfs, env->alloc, path, VV_IDENT_BYTES, &data, &size, out_err);
    if (status == VARVE_E_LIMIT) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "%s has more than %d bytes", path, VV_IDENT_BYTES);
    }
    VV_TRY(status);
    status = vv_ident_decode(vv_bytes_make(data, size), out_ident, out_err);
    vv_alloc_free(env->alloc, data, size);
    return status;
}

/* ---- creating ------------------------------------------------------------------------------- */

/* What is written before IDENT. */
#define IDENT_PART "IDENT.part"

/* The directories of a database. They must be empty, but tmp/ may hold what an interrupted creation
 * left: anything else there is not ours, and would be cleared away once this is a database. */
static const char *const ident_directories[] = {"manifest", "wal", "seg",       "del",
                                                "ring",     "tmp", "quarantine"};

static bool ident_is_own_directory(const char *name)
{
    for (size_t i = 0; i < VV_ARRAY_COUNT(ident_directories); ++i) {
        if (strcmp(name, ident_directories[i]) == 0) {
            return true;
        }
    }
    return false;
}

static varve_status ident_check_entry(const vv_env *env, const char *directory,
                                      const vv_dir_entry *entry, varve_error *out_err)
{
    if (entry->kind == VV_KIND_FILE && strcmp(entry->name, "LOCK") == 0) {
        return VARVE_OK;
    }
    if (entry->kind != VV_KIND_DIRECTORY || !ident_is_own_directory(entry->name)) {
        return vv_fail(out_err, VARVE_E_CONFLICT, "%s is no database and not empty: it holds %s",
                       directory, entry->name);
    }
    char path[VV_PATH_BYTES_MAX];
    vv_dir_list list;
    VV_TRY(vv_path_join(directory, entry->name, path, out_err));
    VV_TRY(vv_vfs_list(env->vfs, env->alloc, path, &list, out_err));
    bool is_tmp = strcmp(entry->name, "tmp") == 0;
    bool is_part = is_tmp && list.count == 1 && list.entries[0].kind == VV_KIND_FILE &&
                   strcmp(list.entries[0].name, IDENT_PART) == 0;
    bool is_empty = list.count == 0 || is_part;
    vv_dir_list_deinit(&list);
    if (!is_empty && is_tmp) {
        return vv_fail(out_err, VARVE_E_CONFLICT,
                       "%s is no database and not empty: its tmp is not empty", directory);
    }
    if (!is_empty) {
        return vv_fail(out_err, VARVE_E_CORRUPT,
                       "%s holds data but no IDENT: the file is lost, or this is no database",
                       directory);
    }
    return VARVE_OK;
}

static varve_status ident_check_empty(const vv_env *env, const char *directory,
                                      varve_error *out_err)
{
    vv_dir_list list;
    VV_TRY(vv_vfs_list(env->vfs, env->alloc, directory, &list, out_err));
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < list.count && status == VARVE_OK; ++i) {
        status = ident_check_entry(env, directory, &list.entries[i], out_err);
    }
    vv_dir_list_deinit(&list);
    return status;
}

varve_status vv_ident_check_place(const vv_env *env, const char *directory, bool creates,
                                  varve_error *out_err)
{
    char path[VV_PATH_BYTES_MAX];
    bool exists;
    varve_error why;
    VV_TRY(vv_path_join(directory, "IDENT", path, out_err));
    VV_TRY(vv_vfs_exists(env->vfs, path, &exists, out_err));
    if (exists) {
        return VARVE_OK;
    }
    if (!creates) {
        return vv_fail(out_err, VARVE_E_NOT_FOUND, "%s: there is no database here", directory);
    }
    varve_status status = ident_check_empty(env, directory, &why);
    if (status != VARVE_OK) {
        /* Another process may have made it between the two looks. */
        VV_TRY(vv_vfs_exists(env->vfs, path, &exists, out_err));
        status = exists ? VARVE_OK : vv_fail(out_err, status, "%s", why.message);
    }
    return status;
}

varve_status vv_ident_create(const vv_env *env, const char *directory, const char *tmp_directory,
                             const vv_ident *ident, varve_error *out_err)
{
    static const vv_publish_sites sites = {
        .file = VV_SITE_IDENT_FILE, .rename = VV_SITE_IDENT_RENAME, .dir = VV_SITE_IDENT_DIR};
    char part[VV_PATH_BYTES_MAX];
    char path[VV_PATH_BYTES_MAX];
    VV_TRY(vv_path_join(tmp_directory, IDENT_PART, part, out_err));
    VV_TRY(vv_path_join(directory, "IDENT", path, out_err));
    VV_TRY(ident_check_empty(env, directory, out_err));
    uint8_t bytes[VV_IDENT_BYTES];
    vv_ident_encode(ident, bytes);
    return vv_vfs_write_file_atomically(env->vfs, env->alloc, part, path, bytes, sizeof bytes,
                                        &sites, out_err);
}

varve_status vv_ident_make(const vv_env *env, vv_ident *out_ident, varve_error *out_err)
{
    vv_ident ident = {.created_ns = vv_env_wall_ns(env)};
    VV_TRY(vv_entropy_fill(&env->entropy, ident.store_id, sizeof ident.store_id, out_err));
    *out_ident = ident;
    return VARVE_OK;
}
