/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A directory as a tier:
 *
 *   <path>/TIER                 whose it is: an identity (docs/formats/ident.md) with the id of the
 *                               database, written once
 *   <path>/seg/<20 digits>.vsg  segments
 *   <path>/tmp/                 what is being copied; cleared when the database is opened
 *
 * The file is not called IDENT: nobody is to take it for a database.
 */

#include <string.h>

#include "base/status.h"
#include "base/text.h"
#include "engine/db.h"
#include "engine/ident.h"
#include "engine/tier.h"
#include "segment/segment.h"

typedef struct tier_directory {
    vv_tier tier; /* first */
    varve_db *db;
    char path[VV_PATH_BYTES_MAX];
    char seg[VV_PATH_BYTES_MAX];
    char tmp[VV_PATH_BYTES_MAX];
} tier_directory;

static tier_directory *tier_directory_of(vv_tier *tier)
{
    return (tier_directory *)(void *)tier;
}

static varve_status tier_directory_path(const tier_directory *directory, uint64_t id,
                                        char out_path[VV_PATH_BYTES_MAX], varve_error *out_err)
{
    char name[VV_SEGMENT_NAME_BYTES];
    vv_segment_name(id, name);
    return vv_path_join(directory->seg, name, out_path, out_err);
}

static bool tier_directory_link_path(vv_tier *tier, uint64_t id, char out_path[VV_PATH_BYTES_MAX])
{
    return tier_directory_path(tier_directory_of(tier), id, out_path, NULL) == VARVE_OK;
}

/* ---- segments ---- */

static bool tier_directory_go_on(void *context, uint64_t bytes_done)
{
    (void)context;
    (void)bytes_done;
    return true;
}

static varve_status tier_directory_put(vv_tier *tier, vv_segment *segment, uint64_t id,
                                       varve_error *out_err)
{
    tier_directory *directory = tier_directory_of(tier);
    const vv_env *env = &directory->db->env;
    char part[VV_SEGMENT_NAME_BYTES];
    char source[VV_PATH_BYTES_MAX];
    char target[VV_PATH_BYTES_MAX];
    vv_segment_progress progress = {.check = tier_directory_go_on};
    vv_segment_part_name(id, part);
    VV_TRY(vv_path_join(directory->tmp, part, source, out_err));
    VV_TRY(tier_directory_path(directory, id, target, out_err));
    VV_IGNORE(vv_vfs_unlink(env->vfs, source, NULL)); /* of an attempt that was cut off */
    VV_TRY(vv_segment_copy(segment, env, source, &progress, out_err));
    varve_status status = vv_vfs_rename(env->vfs, source, target, VV_SITE_TIER_RENAME, out_err);
    if (status == VARVE_OK) {
        status = vv_vfs_sync_dir(env->vfs, directory->seg, VV_SITE_TIER_DIR, out_err);
    }
    if (status != VARVE_OK) { /* either name may be there; the next open removes what is left */
        VV_IGNORE(vv_vfs_unlink(env->vfs, source, NULL));
        VV_IGNORE(vv_vfs_unlink(env->vfs, target, NULL));
    }
    return status;
}

static varve_status tier_directory_open_segment(vv_tier *tier, uint64_t id,
                                                vv_segment **out_segment, varve_error *out_err)
{
    tier_directory *directory = tier_directory_of(tier);
    char path[VV_PATH_BYTES_MAX];
    VV_TRY(tier_directory_path(directory, id, path, out_err));
    return vv_segment_open(&directory->db->env, directory->db->cache, path, id, out_segment,
                           out_err);
}

static varve_status tier_directory_remove(vv_tier *tier, uint64_t id, varve_error *out_err)
{
    tier_directory *directory = tier_directory_of(tier);
    char path[VV_PATH_BYTES_MAX];
    VV_TRY(tier_directory_path(directory, id, path, out_err));
    return vv_vfs_unlink(directory->db->env.vfs, path, out_err);
}

static varve_status tier_directory_list(vv_tier *tier, vv_vec *out_ids, varve_error *out_err)
{
    tier_directory *directory = tier_directory_of(tier);
    varve_db *db = directory->db;
    vv_dir_list list;
    VV_TRY(vv_vfs_list(db->env.vfs, &db->alloc, directory->seg, &list, out_err));
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < list.count && status == VARVE_OK; i++) {
        varve_text name = vv_text_from_string(list.entries[i].name);
        uint64_t id;
        if (name.size == 24 && vv_text_ends_with(name, VV_TEXT(".vsg")) &&
            vv_text_parse_u64(vv_text_make(name.data, 20), &id)) {
            status = vv_vec_push(out_ids, &id); /* other names are not ours */
        }
    }
    vv_dir_list_deinit(&list);
    return status == VARVE_OK ? VARVE_OK : vv_vec_fail(out_ids, status, out_err);
}

static varve_status tier_directory_clear(vv_tier *tier, varve_error *out_err)
{
    tier_directory *directory = tier_directory_of(tier);
    varve_db *db = directory->db;
    vv_dir_list list;
    VV_TRY(vv_vfs_list(db->env.vfs, &db->alloc, directory->tmp, &list, out_err));
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < list.count && status == VARVE_OK; i++) {
        char path[VV_PATH_BYTES_MAX];
        varve_text name = vv_text_from_string(list.entries[i].name);
        if (vv_text_ends_with(name, VV_TEXT(".part"))) { /* other names are not ours */
            status = vv_path_join(directory->tmp, list.entries[i].name, path, out_err);
            if (status == VARVE_OK) {
                status = vv_vfs_unlink(db->env.vfs, path, out_err);
            }
        }
    }
    vv_dir_list_deinit(&list);
    return status;
}

static void tier_directory_free(vv_tier *tier)
{
    tier_directory *directory = tier_directory_of(tier);
    vv_alloc_free(&directory->db->alloc, directory, sizeof *directory);
}

static const vv_tier_class tier_directory_class = {
    .put = tier_directory_put,
    .open = tier_directory_open_segment,
    .list = tier_directory_list,
    .remove = tier_directory_remove,
    .clear = tier_directory_clear,
    .path = tier_directory_link_path,
    .free = tier_directory_free,
};

/* ---- whose it is ---- */

static varve_status tier_directory_check(const tier_directory *directory, const vv_ident *ident,
                                         varve_error *out_err)
{
    if (memcmp(ident->store_id, directory->db->store_id, sizeof ident->store_id) != 0) {
        return vv_fail(out_err, VARVE_E_CONFLICT, "%s is the warm directory of another database",
                       directory->path);
    }
    return VARVE_OK;
}

/** Give an empty place to this database. */
static varve_status tier_directory_create(const tier_directory *directory, varve_error *out_err)
{
    static const vv_publish_sites sites = {
        .file = VV_SITE_TIER_FILE, .rename = VV_SITE_TIER_RENAME, .dir = VV_SITE_TIER_DIR};
    const varve_db *db = directory->db;
    const vv_vfs *vfs = db->env.vfs;
    char part[VV_PATH_BYTES_MAX];
    char path[VV_PATH_BYTES_MAX];
    uint8_t bytes[VV_IDENT_BYTES];
    vv_ident ident = {.created_ns = vv_env_wall_ns(&db->env)};
    memcpy(ident.store_id, db->store_id, sizeof ident.store_id);
    VV_TRY(vv_vfs_ensure_dir(vfs, directory->path, VV_SITE_DIR_CREATE, out_err));
    VV_TRY(vv_vfs_ensure_dir(vfs, directory->tmp, VV_SITE_DIR_CREATE, out_err));
    VV_TRY(vv_vfs_ensure_dir(vfs, directory->seg, VV_SITE_DIR_CREATE, out_err));
    VV_TRY(vv_path_join(directory->tmp, "TIER.part", part, out_err));
    VV_TRY(vv_path_join(directory->path, "TIER", path, out_err));
    vv_ident_encode(&ident, bytes);
    return vv_vfs_write_file_atomically(vfs, &directory->db->alloc, part, path, bytes, sizeof bytes,
                                        &sites, out_err);
}

static varve_status tier_directory_identify(const tier_directory *directory, bool creates,
                                            varve_error *out_err)
{
    char path[VV_PATH_BYTES_MAX];
    vv_ident ident;
    VV_TRY(vv_path_join(directory->path, "TIER", path, out_err));
    varve_status status = vv_ident_read_file(&directory->db->env, path, &ident, out_err);
    if (status == VARVE_E_NOT_FOUND && creates) {
        return tier_directory_create(directory, out_err);
    }
    if (status == VARVE_E_NOT_FOUND) {
        return vv_fail(out_err, status, "%s: there is no file TIER: is its disk mounted?",
                       directory->path);
    }
    VV_TRY(status);
    return tier_directory_check(directory, &ident, out_err);
}

static varve_status tier_directory_copy_path(varve_text path, char out_path[VV_PATH_BYTES_MAX],
                                             varve_error *out_err)
{
    if (path.size > VV_IDENT_PATH_BYTES_MAX) {
        return vv_fail(out_err, VARVE_E_LIMIT,
                       "the path of the warm directory has %zu bytes; it may have %d", path.size,
                       VV_IDENT_PATH_BYTES_MAX);
    }
    if (path.size == 0 || path.data[0] != '/' || memchr(path.data, 0, path.size) != NULL) {
        return vv_fail(out_err, VARVE_E_INVALID, "the warm directory \"%.*s\" is no absolute path",
                       VV_TEXT_ARGS(path));
    }
    memcpy(out_path, path.data, path.size);
    out_path[path.size] = '\0';
    return VARVE_OK;
}

/** The directory, or, where there is none, the one it would be made in. A link may lead to one. */
static varve_status tier_directory_check_room(const varve_db *db, const char *path,
                                              varve_error *out_err)
{
    vv_file_info info;
    char parent[VV_PATH_BYTES_MAX];
    varve_status status = vv_vfs_stat(db->env.vfs, path, &info, out_err);
    if (status == VARVE_E_NOT_FOUND) {
        VV_TRY(vv_path_parent(path, parent, out_err));
        status = vv_vfs_stat(db->env.vfs, parent, &info, out_err);
    }
    if (status == VARVE_OK && info.kind == VV_KIND_FILE) {
        return vv_fail(out_err, VARVE_E_INVALID, "the warm directory %s is no directory", path);
    }
    if (status != VARVE_OK) {
        vv_error_prefix(out_err, "the warm directory %s", path);
    }
    return status;
}

varve_status vv_tier_directory_check(const varve_db *db, varve_error *out_err)
{
    char ident[VV_PATH_BYTES_MAX];
    char path[VV_PATH_BYTES_MAX];
    char tier[VV_PATH_BYTES_MAX];
    bool is_made;
    bool is_owned;
    VV_TRY(vv_path_join(db->path, "IDENT", ident, out_err));
    VV_TRY(vv_vfs_exists(db->env.vfs, ident, &is_made, out_err));
    if (is_made) {
        return VARVE_OK; /* vv_tier_attach looks */
    }
    VV_TRY(tier_directory_copy_path(db->options.warm_path, path, out_err));
    VV_TRY(vv_path_join(path, "TIER", tier, out_err));
    VV_TRY(tier_directory_check_room(db, path, out_err));
    VV_TRY(vv_vfs_exists(db->env.vfs, tier, &is_owned, out_err));
    /* Another process may have made the database between the two looks. */
    VV_TRY(vv_vfs_exists(db->env.vfs, ident, &is_made, out_err));
    if (is_owned && !is_made) {
        return vv_fail(out_err, VARVE_E_CONFLICT, "%s is the warm directory of another database",
                       path);
    }
    return VARVE_OK;
}

static varve_status tier_directory_fill(tier_directory *directory, varve_text path, bool creates,
                                        varve_error *out_err)
{
    VV_TRY(tier_directory_copy_path(path, directory->path, out_err));
    directory->tier.place = vv_text_make(directory->path, path.size);
    VV_TRY(vv_path_join(directory->path, "seg", directory->seg, out_err));
    VV_TRY(vv_path_join(directory->path, "tmp", directory->tmp, out_err));
    return tier_directory_identify(directory, creates, out_err);
}

varve_status vv_tier_directory_open(varve_db *db, varve_text path, bool creates, vv_tier **out_tier,
                                    varve_error *out_err)
{
    *out_tier = NULL;
    tier_directory *directory = vv_alloc_zeroed(&db->alloc, sizeof *directory);
    if (directory == NULL) {
        return vv_fail_nomem(out_err, "a tier", sizeof *directory);
    }
    directory->tier.class = &tier_directory_class;
    directory->db = db;
    varve_status status = tier_directory_fill(directory, path, creates, out_err);
    if (status != VARVE_OK) {
        vv_tier_free(&directory->tier);
        return status;
    }
    *out_tier = &directory->tier;
    return VARVE_OK;
}
