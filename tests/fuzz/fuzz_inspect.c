/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a file of a database: by what they say they are, and as each kind by name. It is
 * described or refused, in bounded memory, and nothing is left behind.
 *
 * Corpus: a file of each kind.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/inspect_priv.h"
#include "engine/tombstone.h"
#include "segment/segment.h"
#include "sys/vfs_memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Nothing that a small file says may ask for more. */
enum { MEMORY_BYTES_MAX = 64 * 1024 * 1024 };

static void need(bool claim)
{
    if (!claim) {
        abort();
    }
}

static void look_at_fact(void *context, const varve_fact *fact)
{
    uint64_t *sum = context;
    for (size_t i = 0; fact->value.type == VARVE_TYPE_STRING && i < fact->value.as.bytes.size;
         i++) {
        *sum += (uint8_t)fact->value.as.bytes.data[i];
    }
    need(fact->section.size > 0);
}

static void check(varve_status status)
{
    need(status == VARVE_OK || status == VARVE_E_UNSUPPORTED || status == VARVE_E_NOMEM ||
         status == VARVE_E_LIMIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    varve_error err;
    vv_alloc alloc;
    vv_vfs *vfs;
    vv_env env;
    vv_file *file;
    uint64_t sum = 0;
    vv_facts facts = {.visit = look_at_fact, .context = &sum, .has_details = size % 2 == 0};
    vv_alloc_init_limited(&alloc, NULL, MEMORY_BYTES_MAX);
    vv_env_init_system(&env, &alloc);
    need(vv_vfs_memory_create(&alloc, &vfs, &err) == VARVE_OK);
    env.vfs = vfs;
    need(vv_file_open(vfs, &alloc, "file", VV_OPEN_WRITE | VV_OPEN_CREATE, &file, &err) ==
         VARVE_OK);
    if (vv_file_write_all(file, 0, data, size, &err) == VARVE_OK) {
        check(vv_inspect(&env, "file", &facts, &err));
        check(vv_inspect_log(&env, "file", &facts, &err));
        check(vv_inspect_manifest(&env, "file", &facts, &err));
        check(vv_segment_inspect(&env, "file", &facts, &err));
        check(vv_tombstone_file_inspect(&alloc, vv_bytes_make(data, size), &facts, &err));
    }
    need(vv_file_close(file, &err) == VARVE_OK);
    vv_vfs_memory_free(vfs);
    need(vv_alloc_bytes(&alloc) == 0);
    return 0;
}
