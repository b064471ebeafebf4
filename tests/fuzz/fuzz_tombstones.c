/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a tombstone file: vv_tombstone_file_read, as they are and with the checksum made
 * right; and as a list of rows alone, which is looked at by vv_row_list_read as inspect does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "engine/row_list.h"
#include "engine/tombstone.h"
#include "index/catalogue.h"
#include "sys/vfs_memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MEMORY_BYTES_MAX = 64 * 1024 * 1024 };

static void need(bool claim)
{
    if (!claim) {
        abort();
    }
}

/* As much of a database as reading a tombstone needs: files and a catalogue. */
static void read_file(const uint8_t *data, size_t size)
{
    varve_error err;
    vv_vfs *vfs;
    vv_file *file;
    vv_vec found;
    static char path[] = "db";
    varve_db *db = calloc(1, sizeof *db);
    need(db != NULL);
    vv_alloc_init_limited(&db->alloc, NULL, MEMORY_BYTES_MAX);
    vv_env_init_system(&db->env, &db->alloc);
    db->path = path;
    need(vv_vfs_memory_create(&db->alloc, &vfs, &err) == VARVE_OK);
    db->env.vfs = vfs;
    need(vv_vfs_mkdir(vfs, "db", &err) == VARVE_OK &&
         vv_vfs_mkdir(vfs, "db/del", &err) == VARVE_OK);
    need(vv_catalogue_create(&db->alloc, 1, 0, &db->catalogue, &err) == VARVE_OK);
    need(vv_file_open(vfs, &db->alloc, "db/del/00000000000000000005.vtb",
                      VV_OPEN_WRITE | VV_OPEN_CREATE, &file, &err) == VARVE_OK);
    varve_status status = vv_file_write_all(file, 0, data, size, &err);
    need(vv_file_close(file, &err) == VARVE_OK);
    vv_vec_init(&found, &db->alloc, sizeof(vv_tombstone *), SIZE_MAX);
    if (status == VARVE_OK) {
        status = vv_tombstone_file_read(db, 5, &found, &err);
        need(status == VARVE_OK || strlen(err.message) > 0);
        need((status == VARVE_OK) == (found.count > 0));
    }
    for (size_t i = 0; i < found.count; i++) {
        vv_tombstone_unref(db, *VV_VEC_AT(&found, vv_tombstone *, i));
    }
    vv_vec_deinit(&found);
    vv_catalogue_free(db->catalogue);
    vv_vfs_memory_free(vfs);
    need(vv_alloc_bytes(&db->alloc) == 0);
    free(db);
}

static void look_at_list(const uint8_t *data, size_t size)
{
    vv_alloc alloc;
    vv_row_list_facts facts;
    vv_tombstone *none;
    varve_error err;
    vv_alloc_init_limited(&alloc, NULL, MEMORY_BYTES_MAX);
    vv_reader reader = vv_reader_of(data, size);
    varve_status status = vv_row_list_read(NULL, &alloc, &reader, &facts, &none, &err);
    need(none == NULL && vv_alloc_bytes(&alloc) == 0);
    need((status == VARVE_E_CORRUPT) == vv_reader_is_bad(&reader));
    need(status != VARVE_OK || facts.rows >= facts.series);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    look_at_list(data, size);
    read_file(data, size);
    if (size >= 44) {
        uint8_t *copy = malloc(size);
        need(copy != NULL);
        memcpy(copy, data, size);
        uint64_t whole = size;
        memcpy(copy + 24, &whole, sizeof whole);
        uint32_t crc = vv_crc32c(0, copy, size - 4);
        memcpy(copy + size - 4, &crc, sizeof crc);
        read_file(copy, size);
        free(copy);
    }
    return 0;
}
