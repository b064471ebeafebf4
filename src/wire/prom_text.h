/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WIRE_PROM_TEXT_H
#define VV_WIRE_PROM_TEXT_H

/*
 * Prometheus text (0.0.4, and 1.0.0 with quoted names) and OpenMetrics 1.0, two formats of
 * wire/decode.h. Every sample is a row with the field `value`. What is taken and refused is told by
 * docs/reference/prometheus-text.md.
 *
 * wire/prom_text.c   tokens, series and samples, as both have them; Prometheus text
 * wire/open_metrics.c   the rules by which OpenMetrics is good as a whole, or not at all
 */

#include "base/compiler.h"
#include "varve.h"

#define VV_PROM_LINE_BYTES_MAX      (64u * 1024u)
#define VV_PROM_LABELS_MAX          256u
#define VV_PROM_EXEMPLAR_LENGTH_MAX 128u /* code points of names and values of an exemplar */

/** The format_options of wire/decode.h; NULL: all 0. */
typedef struct vv_prom_text_options {
    bool keeps_created; /* OpenMetrics: samples NAME_created are rows; else they are left out */
    size_t names_max;   /* OpenMetrics: names that the samples of a text have; 0: any number */
    size_t groups_max; /* OpenMetrics: metrics of one family, told apart by labels; 0: any number */
} vv_prom_text_options;

#endif
