/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_CSV_IMPORT_H
#define VV_CLI_CSV_IMPORT_H

/*
 * varve import of CSV: from the options and the beginning of a file to a mapping of its columns,
 * which is shown before anything is stored.
 */

#include "base/compiler.h"
#include "cli/bulk_load.h"
#include "cli/input.h"

/** The options; NULL: not given. Borrowed. */
typedef struct vv_csv_words {
    const char *metric;
    const char *metric_column;
    const char *time;
    const char *labels;
    const char *fields;
    const char *columns;
    const char *separator;
    uint64_t skip_lines;
    bool has_no_header;
    bool is_dry_run;
} vv_csv_words;

/* Rows of the table of options, for `words` of type vv_csv_words. */
#define VV_CSV_WORDS_OPTIONS(words)                                                               \
    {"metric", VV_OPTION_TEXT, &(words)->metric, "NAME", "csv: of all rows (the file's name)"},   \
        {"metric-column", VV_OPTION_TEXT, &(words)->metric_column, "COL", "csv: or the column"},  \
        {"time", VV_OPTION_TEXT, &(words)->time, "COL[:LAYOUT]",                                  \
         "csv: %Y-%m-%d..., unix_s, unix_ms, rfc3339 (guessed)"},                                 \
        {"labels", VV_OPTION_TEXT, &(words)->labels, "A,B",                                       \
         "csv: columns that are labels (none)"},                                                  \
        {"fields", VV_OPTION_TEXT, &(words)->fields, "A,B:i64",                                   \
         "csv: columns that are fields (the rest)"},                                              \
        {"columns", VV_OPTION_TEXT, &(words)->columns, "A,B",                                     \
         "csv: names instead of the header's"},                                                   \
        {"no-header", VV_OPTION_FLAG, &(words)->has_no_header, NULL,                              \
         "csv: the first line is a row"},                                                         \
        {"separator", VV_OPTION_TEXT, &(words)->separator, "CHAR",                                \
         "csv: comma, semicolon, tab or pipe (guessed)"},                                         \
        {"skip-lines", VV_OPTION_UNSIGNED, &(words)->skip_lines, "N",                             \
         "csv: before the header (0)"},                                                           \
    {                                                                                             \
        "dry-run", VV_OPTION_FLAG, &(words)->is_dry_run, NULL, "csv: show columns, store nothing" \
    }

/** Whether an option that only CSV knows is given. */
bool vv_csv_words_are_given(const vv_csv_words *words);

typedef struct vv_csv_plan vv_csv_plan;

/**
 * Look at the beginning of the input, which stays to be read. Errors: E_INVALID, with a sentence
 * that names the option to give; E_LIMIT; E_NOMEM; those of the input.
 */
VV_MUST_CHECK varve_status vv_csv_plan_create(const vv_csv_words *words, const char *path,
                                              vv_input *input, vv_csv_plan **out_plan,
                                              bool *out_is_text_bad, varve_error *out_err);
/** Whether there are rows; without them there is no mapping either. */
bool vv_csv_plan_has_rows(const vv_csv_plan *plan);
/** What was guessed, on standard error; nothing where the header tells. */
void vv_csv_plan_show(const vv_csv_plan *plan);
/** The members of options that are about CSV; borrowed from the plan. */
void vv_csv_plan_apply(const vv_csv_plan *plan, vv_load_options *options);
/** The first rows of the input as they would be stored, on standard output. */
VV_MUST_CHECK varve_status vv_csv_plan_print(const vv_csv_plan *plan, vv_input *input,
                                             varve_error *out_err);
/** NULL is fine. */
void vv_csv_plan_free(vv_csv_plan *plan);

#endif
