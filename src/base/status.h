/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filling varve_error. Whoever detects a failure writes the sentence, once; whoever passes it up
 * may put words before it. Nothing here allocates; a sentence that does not fit is cut between
 * characters, and bytes that are not printable UTF-8 become '?', so the message is always safe
 * text.
 *
 * An out_err may be NULL everywhere: the caller wants the status only.
 */
#ifndef VV_BASE_STATUS_H
#define VV_BASE_STATUS_H

#include "base/compiler.h"
#include "varve.h"

/** Write status and message, return the status: return vv_fail(out_err, VARVE_E_IO, "..."); */
VV_COLD varve_status vv_fail(varve_error *out_err, varve_status status, const char *format, ...)
    VV_PRINTF(3, 4);

/** As vv_fail; also keeps the errno and appends ": " and its text. */
VV_COLD varve_status vv_fail_errno(varve_error *out_err, varve_status status, int os_errno,
                                   const char *format, ...) VV_PRINTF(4, 5);

/** E_NOMEM with the sentence "out of memory: <what> needs <bytes> bytes". */
VV_COLD varve_status vv_fail_nomem(varve_error *out_err, const char *what, size_t bytes);

/** vv_error_copy; the status of the error. */
VV_COLD varve_status vv_fail_again(varve_error *out_err, const varve_error *error);

/** Put "<formatted>: " before the message that is there; status and errno stay. */
VV_COLD void vv_error_prefix(varve_error *out_err, const char *format, ...) VV_PRINTF(2, 3);

/** Status OK, errno 0, empty message. */
void vv_error_clear(varve_error *out_err);

/** Hand on an error that was kept apart until now; out_err may be NULL, as everywhere. */
VV_COLD void vv_error_copy(varve_error *out_err, const varve_error *error);

/** The text of the status table; "unknown status" for a number that is not in it. */
const char *vv_status_text(varve_status status);

/** The name of the status without prefix, "E_IO"; "unknown" for a number that is not in the table.
 */
const char *vv_status_name(varve_status status);

/** The text of an errno, the same on every system and in every locale; "errno N" is not built here:
 * NULL when the number is not in the table. */
const char *vv_errno_text(int os_errno);

#endif
