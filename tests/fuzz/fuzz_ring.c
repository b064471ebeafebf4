/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a ring file, to its readers, to varve_inspect and to the opening of a database, as
 * they are and with the checksums made right; and as an image of the log.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "engine/ring_load.h"
#include "engine/version.h"
#include "index/catalogue.h"
#include "sys/vfs_memory.h"
#include "wal/payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MEMORY_BYTES_MAX = 64 * 1024 * 1024, ID = 5 };

static void need(bool claim)
{
    if (!claim) {
        abort();
    }
}

static void ignore_fact(void *context, const varve_fact *fact)
{
    (void)context;
    need(fact->section.size > 0);
}

/* What the readers of files say. */
static void read_file(varve_db *db, const char *path)
{
    varve_error err;
    vv_ring_reader reader;
    uint8_t page[VV_RING_PAGE_BYTES];
    vv_facts facts = {.visit = ignore_fact, .has_details = true};
    varve_status status = vv_ring_reader_open(&db->env, path, &reader, &err);
    need(status == VARVE_OK || strlen(err.message) > 0);
    for (uint32_t i = 0; status == VARVE_OK && i < reader.header.shape.pages && i < 4; i++) {
        need(vv_ring_reader_page(&reader, i, page, &err) == VARVE_OK || strlen(err.message) > 0);
    }
    if (status == VARVE_OK) {
        vv_ring_reader_close(&reader);
    }
    status = vv_ring_inspect(&db->env, path, &facts, &err);
    need(status == VARVE_OK || strlen(err.message) > 0);
}

/* The parts, over memory that is exactly as long. */
static void read_parts(vv_alloc *alloc, const uint8_t *data, size_t size)
{
    varve_error err;
    uint32_t header_bytes;
    vv_ring_header header;
    vv_wal_ring_page page;
    vv_arena arena;
    vv_arena_init(&arena, alloc, MEMORY_BYTES_MAX);
    varve_status status = vv_ring_header_size(vv_bytes_make(data, size), &header_bytes, &err);
    need(status == VARVE_OK || strlen(err.message) > 0);
    if (status == VARVE_OK && header_bytes <= size) {
        status = vv_ring_header_decode(vv_bytes_make(data, header_bytes), &arena, &header, &err);
        need(status == VARVE_OK || strlen(err.message) > 0);
        if (status == VARVE_OK && size - header_bytes >= VV_RING_PAGE_BYTES) {
            status = vv_ring_page_check(&header.shape, ID, 0, data + header_bytes, &err);
            need(status == VARVE_OK || strlen(err.message) > 0);
        }
    }
    status = vv_payload_read_ring_page(vv_bytes_make(data, size), &page, &err);
    need(status != VARVE_OK || page.image.size == size - 16);
    vv_arena_deinit(&arena);
}

/* What opening a database does with it, and with an image of the log. */
static void load_file(varve_db *db, const uint8_t *image, size_t image_size)
{
    varve_error err;
    uint64_t lost;
    vv_manifest_state manifest;
    vv_ring_load load;
    uint64_t id = ID;
    vv_manifest_state_init(&manifest, &db->alloc);
    need(vv_vec_push(&manifest.rings, &id) == VARVE_OK);
    vv_ring_load_init(&load, db);
    varve_status status = vv_ring_load_files(&load, &manifest, &err);
    need(status == VARVE_OK || strlen(err.message) > 0);
    if (status == VARVE_OK) {
        status = vv_ring_load_image(&load, vv_bytes_make(image, image_size), &err);
        need(status == VARVE_OK || strlen(err.message) > 0);
        status = vv_ring_load_finish(&load, &lost, &err);
        need(status == VARVE_OK || strlen(err.message) > 0);
    }
    vv_ring_load_deinit(&load);
    vv_manifest_state_deinit(&manifest);
}

static void run(const uint8_t *data, size_t size)
{
    varve_error err;
    vv_vfs *vfs;
    vv_file *file;
    static char path[] = "db";
    static const char name[] = "db/ring/00000000000000000005.vrg";
    varve_db *db = calloc(1, sizeof *db);
    need(db != NULL);
    vv_alloc_init_limited(&db->alloc, NULL, MEMORY_BYTES_MAX);
    vv_env_init_system(&db->env, &db->alloc);
    db->path = path;
    need(vv_vfs_memory_create(&db->alloc, &vfs, &err) == VARVE_OK);
    db->env.vfs = vfs;
    need(vv_vfs_mkdir(vfs, "db", &err) == VARVE_OK &&
         vv_vfs_mkdir(vfs, "db/ring", &err) == VARVE_OK);
    need(vv_catalogue_create(&db->alloc, 1, 0, &db->catalogue, &err) == VARVE_OK);
    need(vv_version_create(db, &db->version, &err) == VARVE_OK);
    need(vv_file_open(vfs, &db->alloc, name, VV_OPEN_WRITE | VV_OPEN_CREATE, &file, &err) ==
         VARVE_OK);
    varve_status status = vv_file_write_all(file, 0, data, size, &err);
    need(vv_file_close(file, &err) == VARVE_OK);
    if (size > 48) {
        memcpy(db->store_id, data + 16, sizeof db->store_id);
    }
    read_parts(&db->alloc, data, size);
    if (status == VARVE_OK) {
        read_file(db, name);
        size_t image = VV_RING_PAGE_BYTES + 16;
        load_file(db, size > image ? data + size - image : data, size > image ? image : size);
    }
    vv_version_unref(db, db->version);
    vv_catalogue_free(db->catalogue);
    vv_vfs_memory_free(vfs);
    need(vv_alloc_bytes(&db->alloc) == 0);
    free(db);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    run(data, size);
    if (size < VV_RING_PAGE_BYTES || size > 64 * VV_RING_PAGE_BYTES) {
        return 0;
    }
    uint8_t *copy = malloc(size);
    need(copy != NULL);
    memcpy(copy, data, size);
    uint32_t header_bytes = VV_RING_PAGE_BYTES; /* one page, every checksum right */
    memcpy(copy + 12, &header_bytes, sizeof header_bytes);
    uint32_t crc = vv_crc32c(0, copy, VV_RING_PAGE_BYTES - 4);
    memcpy(copy + VV_RING_PAGE_BYTES - 4, &crc, sizeof crc);
    for (size_t i = 1; (i + 1) * VV_RING_PAGE_BYTES <= size; i++) {
        vv_ring_page_seal(copy + i * VV_RING_PAGE_BYTES, ID, i - 1);
    }
    run(copy, size);
    free(copy);
    return 0;
}
