/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_MODEL_SELECTOR_H
#define VV_MODEL_SELECTOR_H

/*
 * Selector text: which series, in one line.
 *
 *     cpu                            the metric cpu
 *     cpu{host=~"web.*",dc!="x"}     with conditions on labels, all of which hold
 *     {__name__=~"cpu|disk"}         conditions only; __name__ is the metric
 *     {"odd name",'odd label'="x"}   any name in quotes
 *
 *     selector  = metric [ "{" [ items ] "}" ] | "{" [ items ] "}"
 *     items     = item { "," item } [ "," ]
 *     item      = string | name op string        (a lone string is the metric, at most one)
 *     metric    = bare | string ;  name = bare | string
 *     op        = "=" | "!=" | "=~" | "!~"
 *     bare      = bytes other than control characters, space, and any of {}()[],=!~<>"'`\ ; so
 * dots, dashes, slashes and letters of every script need no quotes string    = "..." or '...' with
 * the escapes \a \b \f \n \r \t \v \\ \" \' \ooo \xhh \uhhhh \Uhhhhhhhh, or `...` without escapes
 *
 * White space may stand between the parts. The text, and every string in it, is UTF-8.
 */

#include "base/arena.h"
#include "varve.h"

#define VV_SELECTOR_BYTES_MAX    (1024u * 1024u)
#define VV_SELECTOR_MATCHERS_MAX 256u

typedef struct vv_selector {
    bool has_metric;
    varve_text metric;
    const varve_matcher *matchers;
    const uint32_t *columns; /* of each matcher's value in the text, from 1, in characters */
    size_t matcher_count;
} vv_selector;

/**
 * Parse. Texts without escapes are borrowed from `text`, all else lies in the arena. Regular
 * expressions are not looked at. Errors: E_INVALID "at 7: expected ...", counted in characters from
 * 1; E_LIMIT; E_NOMEM.
 */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_selector_parse(varve_text text, vv_arena *arena,
                                                          vv_selector *out_selector,
                                                          varve_error *out_err);

/** Whether a byte may stand in a name without quotes. */
bool vv_selector_is_bare(uint8_t byte);

#endif
