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

/** Where a text stands that is to be decoded. */
typedef enum vv_percent {
    VV_PERCENT_QUERY,   /* every %XX is undone, and + is a space */
    VV_PERCENT_PATH,    /* %2F and %25 stay: a slash that was escaped ends no segment, so segments
                           are told apart first, and then decoded on their own */
    VV_PERCENT_SEGMENT, /* every %XX is undone, also of what PATH has left */
} vv_percent;

/** Undo %XX. Errors: E_INVALID (a bad escape, bytes that are not UTF-8), E_NOMEM. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_percent_decode(varve_text text, vv_percent place,
                                                          vv_arena *arena, varve_text *out_text,
                                                          varve_error *out_err);

/** The first value of a name; false when there is none. */
bool vv_params_find(const vv_params *params, varve_text name, varve_text *out_value);

/** The next value from *position (begins at 0) whose name is `name` or `name[]`. */
bool vv_params_next(const vv_params *params, varve_text name, size_t *position,
                    varve_text *out_value);

#endif
