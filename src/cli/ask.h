/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_ASK_H
#define VV_CLI_ASK_H

/*
 * From the words of a command line to a query: what `query` and `export` share.
 */

#include "base/arena.h"
#include "base/compiler.h"
#include "cli/args.h"
#include "cli/rows_print.h"
#include "varve.h"

/** The word that an error is about, for vv_caret_point; NULL: none. Borrowed. */
typedef struct vv_ask_fault {
    const char *text;
} vv_ask_fault;

/** The words; NULL or 0: not given. Borrowed. */
typedef struct vv_ask_words {
    const char *const *selectors;
    size_t selector_count;
    const char *fields;
    const char *last;
    const char *start;
    const char *end;
    const char *every;
    const char *zone;
    const char *aggregations;
    const char *by;
    uint64_t limit;
    bool is_descending;
    uint64_t limit_per_series;
    const varve_text *all; /* fields to aggregate when none are named and no db is given */
    size_t all_count;      /* of them */
    vv_ask_fault *fault;   /* written by vv_ask_parse; may be NULL */
} vv_ask_words;

/** A query, in the arena. */
typedef struct vv_ask {
    varve_query_options query;
    const varve_text *names; /* of the outputs, as columns are to be called; NULL: as stored */
    size_t name_count;
} vv_ask;

/**
 * Errors: E_INVALID, with a sentence that names the option and the place.
 * @param db         where fields are looked up when aggregations are given without; NULL:
 * words->all
 * @param precision  VARVE_PRECISION_... of the database
 */
VV_MUST_CHECK varve_status vv_ask_parse(const vv_ask_words *words, varve_db *db, uint32_t precision,
                                        int64_t now_ns, vv_arena *arena, vv_ask *out_ask,
                                        varve_error *out_err);

/** Label and field columns of the answer, looked up in the catalogue, into the style. */
VV_MUST_CHECK varve_status vv_ask_columns(const vv_ask *ask, varve_db *db, vv_arena *arena,
                                          vv_rows_style *style, varve_error *out_err);

/** The field columns of a query that names its outputs. E_NOMEM. */
VV_MUST_CHECK varve_status vv_ask_output_columns(const vv_ask *ask, vv_arena *arena,
                                                 vv_rows_style *style, varve_error *out_err);

/** Whether aggregations are asked for, but no fields; and whether those need numbers. */
bool vv_ask_needs_fields(const vv_ask_words *words, bool *out_needs_numbers);

/** Whether a type of varve_field_names, such as "f64", is one of numbers. */
bool vv_ask_is_number(varve_text type);

/** The start of the range for a server: relative to its clock where the words are relative, else a
 * time; empty: none was given. In the arena. E_NOMEM. */
VV_MUST_CHECK varve_status vv_ask_start_text(const vv_ask_words *words, const vv_ask *ask,
                                             uint32_t precision, vv_arena *arena,
                                             varve_text *out_text, varve_error *out_err);

/** "hour" and kin, of a VARVE_UNIT_...; NULL for another number. */
const char *vv_ask_unit_name(uint32_t unit);

/** A time as RFC 3339, for a server; empty when its year has no four digits. In the arena. E_NOMEM.
 */
VV_MUST_CHECK varve_status vv_ask_print_time(int64_t timestamp, uint32_t precision, vv_arena *arena,
                                             varve_text *out_text, varve_error *out_err);

/** "avg", "p99.9" and kin; false for another word. */
bool vv_ask_aggregation(varve_text word, uint32_t *out_aggregation, double *out_parameter);

/** The names of the aggregations in turn, but for percentiles; NULL behind the last. */
const char *vv_ask_aggregation_name(size_t index);

#endif
