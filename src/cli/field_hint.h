/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_FIELD_HINT_H
#define VV_CLI_FIELD_HINT_H

/* A field that is asked for and that no selected series has, at any time: a typing mistake, most
 * likely, whose answer would be an empty column and no word about it. */

#include "base/arena.h"
#include "cli/ask.h"

/** Tell on standard error of each output whose field is not among the known ones; nothing when
 * there are no known ones, since then there is no series either. */
void vv_field_hint(const char *verb, const vv_ask *ask, const varve_text *known, size_t count);

/** The same for a database, which is asked for the fields. */
VV_MUST_CHECK varve_status vv_field_hint_database(const char *verb, const vv_ask *ask, varve_db *db,
                                                  vv_arena *arena, varve_error *out_err);

#endif
