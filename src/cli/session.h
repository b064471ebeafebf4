/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_SESSION_H
#define VV_CLI_SESSION_H

/*
 * The database that a shell keeps open, and lends to the commands of its lines.
 */

#include <stdbool.h>

#include "base/compiler.h"
#include "varve.h"

/** From now on commands on this directory borrow one handle. Not nested. NULL: a server. E_LIMIT
 * for a path that is too long. */
VV_MUST_CHECK varve_status vv_session_begin(const char *data, varve_error *out_err);

/** Close the handle, if it was opened. The session is over in any case. */
VV_MUST_CHECK varve_status vv_session_end(varve_error *out_err);

/** Whether this directory is the one of the session. */
bool vv_session_is_of(const char *data);

/**
 * The handle, opened when it is not yet, and brought up to date with what others have written.
 * Borrowed until the session ends. Errors: those of varve_open.
 */
VV_MUST_CHECK varve_status vv_session_lend(varve_db **out_db, varve_error *out_err);

/** Whether this is the handle of the session; NULL is not. */
bool vv_session_has_lent(const varve_db *db);

#endif
