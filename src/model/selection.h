/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_MODEL_SELECTION_H
#define VV_MODEL_SELECTION_H

/*
 * A selection compiled: the union of items, each a metric (or any) with matchers, an exact label
 * set, or a list of series handles. It can be stored (tombstones in the log and in del/ files carry
 * selections, not ids: a delete hides only what was written before it, so that resolving it again
 * over a larger catalogue gives the same answer).
 */

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/regex.h"
#include "base/slice.h"
#include "varve.h"

typedef struct vv_match { /* one matcher, compiled */
    uint32_t kind;        /* VARVE_MATCH_... */
    bool is_metric;       /* name is "__name__" */
    bool matches_empty;   /* an absent label satisfies it */
    varve_text name, value;
    vv_regex *regex; /* REGEX, NOT_REGEX; one thread at a time, so the selection is too */
} vv_match;

/* Bounds of one selection; what the caller gives, and what stored bytes may hold. */
#define VV_SELECTION_ITEMS_MAX    (1024u * 1024u)
#define VV_SELECTION_MATCHES_MAX  256u  /* matchers of one item */
#define VV_SELECTION_PATTERNS_MAX 1024u /* regular expressions in all items */

typedef struct vv_selection_item {
    uint32_t kind; /* VARVE_SELECT_ALL, MATCH, EXACT, LIST */
    bool has_metric;
    varve_text metric;
    vv_match *matches;
    size_t match_count;
    const varve_label *labels; /* EXACT: sorted by name */
    size_t label_count;
    const uint32_t *series; /* LIST */
    size_t series_count;
} vv_selection_item;

typedef struct vv_selection {
    vv_arena arena;           /* owns everything below but the insides of regexes */
    vv_selection_item *items; /* no item: nothing is selected */
    size_t item_count;
    bool with_internal; /* metrics that begin with "varve." too */
} vv_selection;

/** Name and value of a matcher; not its regular expression. E_INVALID, E_LIMIT. */
VV_MUST_CHECK varve_status vv_matcher_check(const varve_matcher *matcher, varve_error *out_err);
/** Compile; count 0 means one item ALL. Errors name the place in a selector text ("at 7: ..."). */
VV_MUST_CHECK varve_status vv_selection_compile(const varve_selection *selections, size_t count,
                                                bool with_internal, vv_alloc *alloc,
                                                vv_selection **out_selection, varve_error *out_err);
void vv_selection_free(vv_selection *selection);
/** Whether metric and sorted labels satisfy an item that is not LIST. E_LIMIT when a regex gives
 * up. */
VV_MUST_CHECK varve_status vv_selection_item_matches(const vv_selection_item *item,
                                                     varve_text metric, const varve_label *labels,
                                                     size_t label_count, bool *out_matches,
                                                     varve_error *out_err);
/** Whether an item that is MATCH or ALL holds for a series without any of its labels, whatever its
 * metric is: `{}`, `{host!="x"}`. Clients of Prometheus may not ask for that without saying more.
 */
bool vv_selection_item_is_of_all(const vv_selection_item *item);
/** Whether an item may select internal metrics: the selection says so, or the item names its metric
 * exactly. */
bool vv_selection_item_sees_internal(const vv_selection *selection, const vv_selection_item *item);
/** Whether a series satisfies any item that is not LIST, internal metrics only as above. */
VV_MUST_CHECK varve_status vv_selection_matches(const vv_selection *selection, varve_text metric,
                                                const varve_label *labels, size_t label_count,
                                                bool *out_matches, varve_error *out_err);
/** Whether a value (the empty one for an absent label) satisfies one matcher. */
VV_MUST_CHECK varve_status vv_match_value(const vv_match *match, varve_text value,
                                          bool *out_matches, varve_error *out_err);
/** Canonical bytes, without LIST items (the caller turns them into EXACT first), and back. */
VV_MUST_CHECK varve_status vv_selection_encode(const vv_selection *selection, vv_buf *out,
                                               varve_error *out_err);
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_selection_decode(vv_bytes bytes, vv_alloc *alloc,
                                                            vv_selection **out_selection,
                                                            varve_error *out_err);

#endif
