/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_REMOTE_ROWS_H
#define VV_CLI_REMOTE_ROWS_H

/*
 * Rows that a server answers, to the printer of rows. Both of its forms, JSON lines of an export
 * and the document of /api/v1/rows, become parsed JSON lines and then blocks. Formats with columns
 * need to know all series before the first row, so their rows are kept; the others stream.
 */

#include "base/buf.h"
#include "base/compiler.h"
#include "cli/remote.h"

typedef struct vv_remote_printer vv_remote_printer;

/** precision: VARVE_PRECISION_... of the server's database. The words are checked: E_INVALID. */
VV_MUST_CHECK varve_status vv_remote_printer_create(const vv_remote_rows *rows, uint32_t precision,
                                                    vv_remote_printer **out_printer,
                                                    varve_error *out_err);

/** The unit of times to ask for: "ns" and kin. */
const char *vv_remote_printer_unit(const vv_remote_printer *printer);

/** What the words became. */
const vv_ask *vv_remote_printer_ask(const vv_remote_printer *printer);

/** Bytes of JSON lines. A vv_http_fetch_sink; context is a vv_remote_printer. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_remote_printer_feed(void *context, vv_bytes piece,
                                                               varve_error *out_err);

/** An answer of /api/v1/rows. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_remote_printer_document(vv_remote_printer *printer,
                                                                   varve_text text,
                                                                   varve_error *out_err);

/** Bytes of an answer of /api/v1/rows, so that the person who waits sees how much has come. */
VV_UNTRUSTED void vv_remote_printer_watch(vv_remote_printer *printer, vv_bytes piece);

/**
 * The answer is complete: print what was kept. Or it is not, as status says, with its error in
 * *out_err: what is whole of an export is written, and the error tells how much that is. Ends the
 * printer in any case; returns the status of the whole.
 */
VV_MUST_CHECK varve_status vv_remote_printer_end(vv_remote_printer *printer, varve_status status,
                                                 varve_error *out_err);

/** Append the document to ask with. E_NOMEM. */
VV_MUST_CHECK varve_status vv_remote_rows_request(const vv_remote_rows *rows,
                                                  vv_remote_printer *printer, vv_buf *out,
                                                  varve_error *out_err);

#endif
