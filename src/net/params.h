/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_NET_PARAMS_H
#define VV_NET_PARAMS_H

/*
 * Parameters of a request: the query string and a form body, decoded and merged, names repeatable.
 * Pure functions over bytes.
 */

#include "base/arena.h"
#include "base/compiler.h"
#include "base/slice.h"
#include "varve.h"

#define VV_PARAMS_MAX 1024u

typedef struct vv_param {
    varve_text name;
    varve_text value;
} vv_param;

typedef struct vv_params {
    vv_param *items; /* in the arena */
    size_t count;
    size_t capacity;
} vv_params;

/**
 * Add "a=1&b=x%20y+z" in order of appearance. Errors: E_INVALID (a bad escape, bytes that are not
 * UTF-8), E_LIMIT (VV_PARAMS_MAX), E_NOMEM.
 */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_params_parse(vv_params *params, varve_text text,
                                                        vv_arena *arena, varve_error *out_err);

/** Undo %XX (and + for a space when is_query). Errors: E_INVALID, E_NOMEM. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_percent_decode(varve_text text, bool is_query,
                                                          vv_arena *arena, varve_text *out_text,
                                                          varve_error *out_err);

/** The first value of a name; false when there is none. */
bool vv_params_find(const vv_params *params, varve_text name, varve_text *out_value);

/** The next value from *position (begins at 0) whose name is `name` or `name[]`. */
bool vv_params_next(const vv_params *params, varve_text name, size_t *position,
                    varve_text *out_value);

#endif
