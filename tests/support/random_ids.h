/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of ids of every shape that postings have: few, sparse, dense, whole stretches, spread over
 * several blocks of 2^16. Kept beside as a plain bit array, the twin of what is tested.
 */
#ifndef VV_TESTS_SUPPORT_RANDOM_IDS_H
#define VV_TESTS_SUPPORT_RANDOM_IDS_H

#include <stddef.h>
#include <stdint.h>

#include "base/random.h"

#define RANDOM_IDS_MAX   (4u * 65536u)
#define RANDOM_IDS_WORDS (RANDOM_IDS_MAX / 64)

typedef struct random_ids {
    uint64_t words[RANDOM_IDS_WORDS];
} random_ids;

/* Ids all below RANDOM_IDS_MAX. */
void random_ids_fill(random_ids *ids, vv_random *random);

/* The ids in ascending order; target has room for RANDOM_IDS_MAX. */
size_t random_ids_list(const random_ids *ids, uint32_t *target);

#endif
