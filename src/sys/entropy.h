/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes of the operating system: identities, salts, hash seeds. */
#ifndef VV_SYS_ENTROPY_H
#define VV_SYS_ENTROPY_H

#include <stddef.h>

#include "base/compiler.h"
#include "varve.h"

typedef struct vv_entropy {
    void *context;
    varve_status (*fill)(void *context, void *buf, size_t size, varve_error *out_err);
} vv_entropy;

vv_entropy vv_entropy_system(void);
VV_MUST_CHECK varve_status vv_entropy_fill(const vv_entropy *entropy, void *buf, size_t size,
                                           varve_error *out_err);

#endif
