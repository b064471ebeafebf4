/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WIRE_PROM_PRIV_H
#define VV_WIRE_PROM_PRIV_H

/* What the readers of Prometheus text and of OpenMetrics share: the parts of a line. */

#include "base/arena.h"
#include "base/compiler.h"
#include "varve.h"

/** A line under the knife. */
typedef struct vv_prom_cursor {
    varve_text text;
    size_t at;
    bool is_strict; /* OpenMetrics: one space between parts, and none elsewhere */
    varve_error *err;
} vv_prom_cursor;

/** NAME{LABELS} VALUE TIME, what follows them included. */
typedef struct vv_prom_sample {
    varve_text key; /* the series as it stands */
    double value;
    varve_text time; /* empty: none */
} vv_prom_sample;

/** Metric and labels of a series as it stands; sorted by name, without empty values. Borrowed from
 * the text or the arena. E_INVALID, E_LIMIT, E_NOMEM. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_prom_series(varve_text key, vv_arena *arena,
                                                       varve_text *out_metric,
                                                       varve_label **out_labels, size_t *out_count,
                                                       varve_error *out_err);

/** The series, value and time at the cursor, which ends behind them. */
VV_MUST_CHECK varve_status vv_prom_sample_parse(vv_prom_cursor *cursor, vv_prom_sample *out_sample);

/** A set of labels in braces at the cursor. */
VV_MUST_CHECK varve_status vv_prom_labels(vv_prom_cursor *cursor, vv_arena *arena,
                                          varve_label **out_labels, size_t *out_count);

/** The name of a metric, plain or in quotes, at the cursor; unescaped. */
VV_MUST_CHECK varve_status vv_prom_name(vv_prom_cursor *cursor, vv_arena *arena,
                                        varve_text *out_name);

/** Up to the next blank. */
varve_text vv_prom_word(vv_prom_cursor *cursor);
/** Over one space (strict), or blanks; false when there is none. */
bool vv_prom_gap(vv_prom_cursor *cursor);

/** Also "NaN", "+Inf" and kin, in any case. */
VV_MUST_CHECK VV_UNTRUSTED bool vv_prom_number(varve_text text, double *out_value);

#endif
