/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where failed claims go. The hooks are process-wide because a claim can fail where no database is
 * in reach; they are atomic so that installing one races with nothing.
 */
#include "base/assert.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/text.h"

/* Arbitrary: a file name, a number and a claim of some lines. */
#define ASSERT_LINE_BYTES 512

static _Atomic(vv_assert_handler) assert_handler;
static _Atomic(vv_cover_handler) assert_cover_handler;

void vv_assert_set_handler(vv_assert_handler handler)
{
    atomic_store(&assert_handler, handler);
}

void vv_cover_set_handler(vv_cover_handler handler)
{
    atomic_store(&assert_cover_handler, handler);
}

void vv_assert_failed(const char *file, int line, const char *claim)
{
    vv_assert_handler handler = atomic_load(&assert_handler);
    if (handler != NULL) {
        handler(file, line, claim);
        abort();
    }
    char text[ASSERT_LINE_BYTES];
    (void)vv_text_format(text, sizeof text, "%s:%d: varve: assertion failed: %s", file, line,
                         claim);
    vv_text_to_stderr(text);
    abort();
}

void vv_cover_reached(const char *file, int line)
{
    vv_cover_handler handler = atomic_load(&assert_cover_handler);
    if (handler != NULL) {
        handler(file, line);
    }
}
