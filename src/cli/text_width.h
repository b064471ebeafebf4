/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_TEXT_WIDTH_H
#define VV_CLI_TEXT_WIDTH_H

/*
 * How wide a text stands in a terminal: letters of East Asia and most emoji take two columns,
 * combining marks none. Control characters count as none: who prints them escapes them first.
 */

#include "base/compiler.h"
#include "varve.h"

VV_UNTRUSTED size_t vv_text_width(varve_text text);

/** The longest beginning that is at most so many columns wide and splits no character. */
VV_UNTRUSTED varve_text vv_text_width_cut(varve_text text, size_t columns);

#endif
