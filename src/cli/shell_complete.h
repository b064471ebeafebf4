/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_SHELL_COMPLETE_H
#define VV_CLI_SHELL_COMPLETE_H

/*
 * What a line of the shell may go on with: verbs, options and their words, metrics, labels and
 * their values, fields, aggregations. Knows no terminal; names of the database come through a
 * function.
 */

#include "base/arena.h"
#include "base/compiler.h"
#include "varve.h"

typedef enum vv_shell_names_kind {
    VV_SHELL_METRICS,
    VV_SHELL_FIELDS, /* of a metric */
    VV_SHELL_LABELS, /* of a metric */
    VV_SHELL_VALUES, /* of a label of a metric */
} vv_shell_names_kind;

/** Names of the open database, into the arena. metric is empty: of all. A failure gives none. */
typedef struct vv_shell_names {
    varve_status (*list)(void *context, vv_shell_names_kind kind, varve_text metric,
                         varve_text label, vv_arena *arena, varve_text **out_names,
                         size_t *out_count, varve_error *out_err);
    void *context;
} vv_shell_names;

typedef struct vv_completions {
    size_t begin;      /* what stands in the line from here on is replaced */
    varve_text *texts; /* sorted; each begins with what stands there */
    size_t count;
    varve_text ending; /* follows the text when it is the only one */
} vv_completions;

/** line ends at the cursor. Errors: E_LIMIT, E_NOMEM. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_shell_complete(varve_text line,
                                                          const vv_shell_names *names,
                                                          vv_arena *arena,
                                                          vv_completions *out_completions,
                                                          varve_error *out_err);

/** What all texts begin with, whole characters of it; empty without texts. */
varve_text vv_completions_common(const vv_completions *completions);

#endif
