/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which format a file has, and the small ones: IDENT and lists of deletes. Framed files are in
 * inspect_frames.c, segments in segment/segment_inspect.c, rings in ring_file.c.
 */

#include "engine/inspect.h"

#include <string.h>

#include "base/slice.h"
#include "base/status.h"
#include "engine/ident.h"
#include "engine/inspect_priv.h"
#include "engine/ring_file.h"
#include "engine/tombstone.h"
#include "segment/segment.h"

enum { INSPECT_MAGIC_BYTES = 8 };

/** What a format of whole files does with the bytes. */
typedef varve_status (*inspect_bytes)(vv_alloc *alloc, vv_bytes bytes, vv_facts *facts,
                                      varve_error *out_err);

static varve_status inspect_ident(vv_alloc *alloc, vv_bytes bytes, vv_facts *facts,
                                  varve_error *out_err)
{
    vv_ident ident;
    varve_error err;
    (void)alloc;
    (void)out_err;
    if (vv_ident_decode(bytes, &ident, &err) != VARVE_OK) {
        vv_facts_damage(facts, "header", 0, 0, err.message);
        return VARVE_OK;
    }
    vv_facts_begin(facts, "header", 0, 0);
    vv_facts_id(facts, "store_id", ident.store_id);
    vv_facts_id(facts, "parent_id", ident.parent_id);
    vv_facts_bool(facts, "is_snapshot", vv_ident_is_snapshot(&ident));
    vv_facts_i64(facts, "created_ns", ident.created_ns);
    return VARVE_OK;
}

static varve_status inspect_whole(const vv_env *env, const char *path, size_t bytes_max,
                                  inspect_bytes inspect, vv_facts *facts, varve_error *out_err)
{
    void *data;
    size_t size;
    VV_TRY(vv_vfs_read_file(env->vfs, env->alloc, path, bytes_max, &data, &size, out_err));
    varve_status status = inspect(env->alloc, vv_bytes_make(data, size), facts, out_err);
    vv_alloc_free(env->alloc, data, size);
    return status;
}

static varve_status inspect_tombstones(vv_alloc *alloc, vv_bytes bytes, vv_facts *facts,
                                       varve_error *out_err)
{
    return vv_tombstone_file_inspect(alloc, bytes, facts, out_err);
}

/** The first bytes of a file and its size; zeros where it has none. */
static varve_status inspect_begin(const vv_env *env, const char *path,
                                  char out_magic[INSPECT_MAGIC_BYTES], vv_facts *facts,
                                  varve_error *out_err)
{
    vv_file *file;
    vv_file_info info;
    size_t size = 0;
    memset(out_magic, 0, INSPECT_MAGIC_BYTES);
    VV_TRY(vv_file_open(env->vfs, env->alloc, path, VV_OPEN_READ, &file, out_err));
    varve_status status = vv_file_stat(file, &info, out_err);
    if (status == VARVE_OK) {
        status = vv_file_read(file, 0, out_magic, INSPECT_MAGIC_BYTES, &size, out_err);
    }
    VV_IGNORE(vv_file_close(file, NULL)); /* nothing was written */
    if (status == VARVE_OK) {
        vv_facts_begin(facts, "file", 0, 0);
        vv_facts_u64(facts, "bytes", (uint64_t)info.size);
    }
    return status;
}

typedef struct inspect_kind {
    char magic[INSPECT_MAGIC_BYTES + 1];
    const char *suffix; /* of a file whose magic is damaged; NULL: none */
    const char *name;
} inspect_kind;

enum {
    INSPECT_IDENT,
    INSPECT_LOG,
    INSPECT_MANIFEST,
    INSPECT_SEGMENT,
    INSPECT_TOMBSTONES,
    INSPECT_RING
};

static const inspect_kind inspect_kinds[] = {
    [INSPECT_IDENT] = {"VARVEIDT", "IDENT", "ident"},
    [INSPECT_LOG] = {"VARVEWAL", ".vwl", "log"},
    [INSPECT_MANIFEST] = {"VARVEMAN", ".vmf", "manifest"},
    [INSPECT_SEGMENT] = {"VARVESEG", ".vsg", "segment"},
    [INSPECT_TOMBSTONES] = {"VARVEDEL", ".vtb", "tombstones"},
    [INSPECT_RING] = {"VARVERNG", ".vrg", "ring"},
};

/** The kind that the first bytes name, else the name of the file; -1: neither. */
static int inspect_find_kind(const char *magic, const char *path)
{
    varve_text name = vv_text_from_string(path);
    for (int i = 0; i < (int)VV_ARRAY_COUNT(inspect_kinds); i++) {
        if (memcmp(magic, inspect_kinds[i].magic, INSPECT_MAGIC_BYTES) == 0) {
            return i;
        }
    }
    for (int i = 0; i < (int)VV_ARRAY_COUNT(inspect_kinds); i++) {
        if (vv_text_ends_with(name, vv_text_from_string(inspect_kinds[i].suffix))) {
            return i;
        }
    }
    return -1;
}

varve_status vv_inspect(const vv_env *env, const char *path, vv_facts *facts, varve_error *out_err)
{
    char magic[INSPECT_MAGIC_BYTES];
    VV_TRY(inspect_begin(env, path, magic, facts, out_err));
    int kind = inspect_find_kind(magic, path);
    if (kind < 0) {
        return vv_fail(out_err, VARVE_E_UNSUPPORTED, "%s is no file of a database", path);
    }
    vv_facts_text(facts, "format", vv_text_from_string(inspect_kinds[kind].name));
    switch (kind) {
    case INSPECT_IDENT:
        return inspect_whole(env, path, VV_TOMBSTONE_FILE_BYTES_MAX, inspect_ident, facts, out_err);
    case INSPECT_LOG:
        return vv_inspect_log(env, path, facts, out_err);
    case INSPECT_MANIFEST:
        return vv_inspect_manifest(env, path, facts, out_err);
    case INSPECT_SEGMENT:
        return vv_segment_inspect(env, path, facts, out_err);
    case INSPECT_RING:
        return vv_ring_inspect(env, path, facts, out_err);
    default:
        return inspect_whole(env, path, VV_TOMBSTONE_FILE_BYTES_MAX, inspect_tombstones, facts,
                             out_err);
    }
}
