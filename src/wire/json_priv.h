/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WIRE_JSON_PRIV_H
#define VV_WIRE_JSON_PRIV_H

/* What the readers of JSON share. */

#include <jansson.h>

#include "base/compiler.h"
#include "varve.h"

/** Scan, then parse an object. The caller ends it with json_decref. E_INVALID, E_LIMIT. */
VV_MUST_CHECK varve_status vv_json_load(varve_text text, json_t **out_root, varve_error *out_err);
/** The text of a string; borrowed from the tree. */
varve_text vv_json_string(const json_t *value);
/** "NaN", "+Inf", "NaN:7ff8000000000001" and kin; false for another text. */
bool vv_json_word_f64(varve_text text, double *out_value);

#endif
