/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A manifest of any bytes. Byte 0, bit 0: the rest is the file; else a script of records that get
 * right checksums: type, size (u16), payload. The payload of the first is also decoded by itself,
 * and what was understood is encoded and understood again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/crc.h"
#include "base/reader.h"
#include "engine/manifest_priv.h"
#include "sys/vfs_memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SALT UINT64_C(0x77777777)
#define PATH "/m/00000000000000000001.vmf"

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void require_answer(varve_status status)
{
    require(status == VARVE_OK || status == VARVE_E_CORRUPT || status == VARVE_E_UNSUPPORTED ||
            status == VARVE_E_LIMIT || status == VARVE_E_NOMEM);
}

static void fuzz_edit(vv_alloc *alloc, vv_bytes bytes)
{
    vv_arena arena;
    vv_arena texts;
    vv_manifest_edit edit;
    vv_arena_init(&arena, alloc, 64 * 1024 * 1024);
    vv_arena_init(&texts, alloc, 64 * 1024 * 1024);
    varve_status status = vv_manifest_decode(bytes, &arena, &texts, &edit, NULL);
    require_answer(status);
    if (status == VARVE_OK) {
        vv_buf first;
        vv_buf second;
        vv_manifest_edit again;
        vv_buf_init(&first, alloc, SIZE_MAX);
        vv_buf_init(&second, alloc, SIZE_MAX);
        require(vv_manifest_encode(&edit, &first, NULL) == VARVE_OK);
        require(vv_manifest_decode(vv_buf_bytes(&first), &arena, &texts, &again, NULL) == VARVE_OK);
        require(vv_manifest_encode(&again, &second, NULL) == VARVE_OK);
        require(vv_bytes_equal(vv_buf_bytes(&first), vv_buf_bytes(&second)));
        vv_buf_deinit(&first);
        vv_buf_deinit(&second);
    }
    vv_arena_deinit(&arena);
    vv_arena_deinit(&texts);
}

static void fuzz_build(vv_buf *file, vv_alloc *alloc, vv_bytes script)
{
    vv_frame_file header = {.file_seq = 1, .first_lsn = 1, .prev_last = 1, .salt = SALT};
    uint8_t *target = vv_buf_extend(file, VV_FRAME_FILE_HEADER_BYTES);
    require(target != NULL);
    uint32_t chain = vv_frame_chain_first(SALT);
    vv_reader reader = vv_reader_of(script.data, script.size);
    uint64_t lsn = 1;
    while (vv_reader_left(&reader) > 0) {
        vv_frame frame = {.type = vv_reader_u8(&reader), .flags = VV_FRAME_FLAG_LAST, .lsn = lsn};
        size_t size = vv_reader_u16(&reader);
        size = size < vv_reader_left(&reader) ? size : vv_reader_left(&reader);
        const uint8_t *payload = vv_reader_bytes(&reader, size);
        if (vv_reader_is_bad(&reader)) {
            break;
        }
        if (lsn == 1) {
            fuzz_edit(alloc, vv_bytes_make(payload, size));
        }
        frame.payload_size = (uint32_t)size;
        frame.payload_crc = vv_crc32c(0, payload, size);
        uint8_t bytes[VV_FRAME_HEADER_BYTES];
        vv_frame_put(bytes, &frame);
        chain = vv_frame_finish(bytes, SALT, chain);
        (void)vv_buf_append(file, bytes, sizeof bytes);
        (void)vv_buf_append(file, payload, size);
        (void)vv_buf_append_padding(file, 8);
        lsn += 1;
    }
    header.durable = file->size;
    vv_frame_file_encode(VV_FRAME_MANIFEST, &header, file->data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    vv_alloc alloc;
    vv_vfs *vfs;
    vv_buf content;
    vv_file *file;
    vv_alloc_init(&alloc, NULL);
    require(vv_vfs_memory_create(&alloc, &vfs, NULL) == VARVE_OK);
    require(vv_vfs_mkdir(vfs, "/m", NULL) == VARVE_OK);
    vv_buf_init(&content, &alloc, SIZE_MAX);
    vv_bytes bytes = vv_bytes_make(data + 1, size - 1);
    if ((data[0] & 1) == 0) {
        fuzz_build(&content, &alloc, bytes);
        bytes = vv_buf_bytes(&content);
    }
    require(vv_file_open(vfs, &alloc, PATH, VV_OPEN_WRITE | VV_OPEN_CREATE, &file, NULL) ==
            VARVE_OK);
    if (bytes.size > 0) {
        require(vv_file_write_all(file, 0, bytes.data, bytes.size, NULL) == VARVE_OK);
    }
    require(vv_file_close(file, NULL) == VARVE_OK);
    vv_buf_deinit(&content);
    vv_env env;
    vv_env_init_system(&env, &alloc);
    env.vfs = vfs;
    vv_manifest_options options = {
        .directory = "/m", .tmp_directory = "/m", .is_follower = (data[0] & 2) != 0};
    vv_manifest_state state;
    vv_manifest_state_init(&state, &alloc);
    varve_status status = vv_manifest_load(&env, &options, &state, NULL, NULL);
    require_answer(status);
    require((status == VARVE_OK) == (state.edit_seq > 0));
    require(state.flush_lsn <= state.durable_lsn);
    vv_manifest_state_deinit(&state);
    vv_vfs_memory_free(vfs);
    require(vv_alloc_bytes(&alloc) == 0);
    return 0;
}
