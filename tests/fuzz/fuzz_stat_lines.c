/* SPDX-License-Identifier: Apache-2.0 */
/* Figures of a server: every name lies in the text, and is found again. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/slice.h"
#include "cli/stat_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    varve_text text = {.data = (const char *)data, .size = size};
    vv_alloc alloc;
    vv_arena arena;
    vv_figures figures;
    varve_error err;
    vv_alloc_init(&alloc, NULL);
    vv_arena_init(&arena, &alloc, (size_t)64 * 1024 * 1024);
    if (vv_figures_parse(text, &arena, &figures, &err) == VARVE_OK) {
        for (size_t i = 0; i < figures.count; i++) {
            varve_text name = figures.items[i].name;
            VV_ASSERT(name.size > 0 && name.data >= text.data);
            VV_ASSERT(name.data + name.size <= text.data + text.size);
        }
        VV_ASSERT(vv_figures_get(&figures, "\n") == 0.0);
    }
    vv_arena_deinit(&arena);
    return 0;
}
