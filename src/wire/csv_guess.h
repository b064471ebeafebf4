/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WIRE_CSV_GUESS_H
#define VV_WIRE_CSV_GUESS_H

/*
 * The mapping of a CSV text from its beginning, and from what the user says by names of columns.
 *
 *     time      the column asked for; else one that holds times throughout, best one that is
 *               called so
 *     labels    the columns asked for, no others
 *     fields    the columns asked for; else all that are nothing else
 *     types     those asked for; else the narrowest of bool, i64, u64, f64, string that takes every
 *               value of the sample
 *
 * The guess is for people who look at it: what is uncertain is an error that says what to give.
 */

#include "base/slice.h"
#include "wire/csv.h"

/* How much of a text is looked at (arbitrary: some milliseconds). */
#define VV_CSV_GUESS_BYTES 1048576u
#define VV_CSV_GUESS_ROWS  10000u

/** What the user says; NULL: not said. Borrowed. */
typedef struct vv_csv_wish {
    const char *metric;        /* --metric: of every row */
    const char *metric_column; /* --metric-column */
    const char *time;          /* --time: COL[:LAYOUT] */
    const char *labels;        /* --labels: A,B */
    const char *fields;        /* --fields: A,B:i64 */
    const char *columns;       /* --columns: names in place of the header's */
    varve_text fallback;       /* metric where none is said */
    char separator;            /* '\0': guess */
    bool has_no_header;
    uint64_t skip_lines;
} vv_csv_wish;

typedef struct vv_csv_guess_column {
    varve_text name;
    varve_text example; /* first value; empty: none in the sample */
} vv_csv_guess_column;

/** Everything lies in the arena. */
typedef struct vv_csv_guess {
    vv_csv_options options;             /* points to mapping */
    vv_csv_mapping mapping;             /* of as many columns as the text has */
    const vv_csv_guess_column *columns; /* the same number */
    uint64_t rows;                      /* looked at; 0: there are none, and no mapping */
    bool is_typed;                      /* the header tells it; nothing is guessed */
    uint64_t same_lines[2]; /* two that have the same time and series; 0: none were seen */
    bool is_text_bad;       /* after a failure: the text is at fault, whatever the wish was */
} vv_csv_guess;

/**
 * Errors: E_INVALID, with a sentence that names the option to give; E_LIMIT; E_NOMEM.
 * @param is_whole  the sample is all there is; else a record that its end cuts is left out
 */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_csv_guess_make(const vv_csv_wish *wish, vv_bytes sample,
                                                          bool is_whole, vv_alloc *alloc,
                                                          vv_arena *arena, vv_csv_guess *out_guess,
                                                          varve_error *out_err);

#endif
