/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_STAT_LINES_H
#define VV_CLI_STAT_LINES_H

/*
 * What a database or a server counts about itself: names with numbers. Those of a server are its
 * /metrics, whose names carry their labels.
 */

#include "base/arena.h"
#include "base/compiler.h"
#include "varve.h"

typedef struct vv_figure {
    varve_text name; /* with labels, if any: varve_x_total{code="200"} */
    double value;
} vv_figure;

typedef struct vv_figures {
    const vv_figure *items; /* in the arena */
    size_t count;
} vv_figures;

VV_MUST_CHECK varve_status vv_figures_of_database(varve_db *db, vv_arena *arena,
                                                  vv_figures *out_figures, varve_error *out_err);

/** Those of a text of Prometheus: comments and lines that are no figures are left out; names are
 * borrowed from the text. E_NOMEM. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_figures_parse(varve_text text, vv_arena *arena,
                                                         vv_figures *out_figures,
                                                         varve_error *out_err);

/** The sum of all figures of this name, whatever their labels; false when there is none. */
bool vv_figures_find(const vv_figures *figures, const char *name, double *out_value);

/** The same, 0 when there is none. */
double vv_figures_get(const vv_figures *figures, const char *name);

#endif
