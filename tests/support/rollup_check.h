/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rollups change no answer: random sets of rollups, and random aggregates that are asked twice,
 * with rollups and without, and compared. "The same" is bit exact but for sums, means and variances
 * of floats, which have the bounds of the data model.
 */
#ifndef VV_TESTS_SUPPORT_ROLLUP_CHECK_H
#define VV_TESTS_SUPPORT_ROLLUP_CHECK_H

#include <stdbool.h>

#include "base/random.h"
#include "varve.h"

/* What the random choices are made of. */
typedef struct rollup_world {
    const char *const *metrics;
    size_t metric_count;
    const char *const *fields;
    size_t field_count;
    const char *label; /* a label of the series, with ... */
    const char *value; /* ... a value that some of them have */
    int64_t interval_max;
} rollup_world;

/* Replace the set by a random one. */
varve_status rollup_check_set(varve_db *db, vv_random *random, const rollup_world *world,
                              varve_error *out_err);

/* An aggregate, asked twice at one moment; read later. */
typedef struct rollup_pair {
    varve_cursor *with, *without;
    varve_cursor *bounds; /* count, min, max: for the bounds of floats; NULL: exact */
    uint32_t aggregation;
    char text[160]; /* what was asked */
} rollup_pair;

/* A random one over about [0, last]. False: nothing was asked (types that do not meet). */
bool rollup_check_ask(varve_db *db, vv_random *random, const rollup_world *world, int64_t last,
                      rollup_pair *out_pair);
/* A certain aggregate of one output. False: it cannot be asked. */
bool rollup_check_open(varve_db *db, varve_query_options *options, rollup_pair *out_pair);
/* Read both and compare; closes them. False: *out_failure says how they differ. */
bool rollup_check_compare(rollup_pair *pair, char out_failure[400]);

#endif
