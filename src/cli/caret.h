/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_CARET_H
#define VV_CLI_CARET_H

/*
 * Pointing at the place of a mistake:
 *
 *     varve query: at 18: expected ',' or '}', found the end
 *       cpu{host=~"web.*"
 *                        ^
 *
 * Messages tell places as "at N: ", characters from 1, at their beginning or behind a prefix that
 * ends in ": ".
 */

#include "base/buf.h"
#include "base/compiler.h"
#include "varve.h"

/** The place that a message tells; false when it tells none. */
bool vv_caret_place(const char *message, size_t *out_place);

/**
 * Append the text and the caret line. What lies far from the place is cut; control characters stand
 * as blanks. A place behind the end is the end. Sticky as vv_buf.
 */
void vv_caret_lines(vv_buf *buf, varve_text text, size_t place);

/** Both lines on standard error, if the message tells a place of the text. text may be NULL. */
void vv_caret_point(const char *message, const char *text);

#endif
