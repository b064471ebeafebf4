/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_NEAREST_H
#define VV_CLI_NEAREST_H

/*
 * What a mistyped word may have meant. Offer the words there are; best is the nearest of them, or
 * NULL when all are too far to be a typing mistake.
 *
 *     vv_nearest nearest = {.word = VV_TEXT("qurey")};
 *     vv_nearest_offer(&nearest, "query");
 *     ... nearest.best ...
 */

#include <stddef.h>

#include "varve.h"

typedef struct vv_nearest {
    varve_text word;
    const char *best;
    size_t distance; /* of best */
} vv_nearest;

void vv_nearest_offer(vv_nearest *nearest, const char *candidate);

#endif
