/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WIRE_CSV_H
#define VV_WIRE_CSV_H

/*
 * CSV in, described in docs/reference/csv.md: what each column of a text is, for vv_decoder_csv of
 * wire/decode.h. The mapping comes from a parameter (2:label:host,3:f64:usage), from a header that
 * tells (host:label,usage:f64), or is guessed from a sample (wire/csv_guess.h).
 *
 * What wire/csv_write.h makes under a typed header reads back with the same types and bits.
 */

#include "wire/csv_cell.h"

typedef enum vv_csv_role {
    VV_CSV_SKIP,   /* not read */
    VV_CSV_TIME,   /* of the row */
    VV_CSV_NAME,   /* the metric of the row */
    VV_CSV_LABEL,  /* a label of the series */
    VV_CSV_FIELD,  /* a field of the row */
    VV_CSV_METRIC, /* the value of a series of its own, whose metric is the name of the column */
} vv_csv_role;

typedef struct vv_csv_column {
    size_t index; /* in the text, from 0 */
    vv_csv_role role;
    varve_text name;  /* of label, field, metric */
    uint32_t type;    /* of fields: VARVE_TYPE_... or VV_CSV_... */
    vv_csv_time time; /* of times */
    bool is_guessed;  /* type or time; for messages */
} vv_csv_column;

typedef struct vv_csv_mapping {
    varve_text
        metric; /* of every row; empty: a column names it, or only METRIC columns are there */
    const vv_csv_column *columns; /* by index, at most one each */
    size_t count;
} vv_csv_mapping;

/**
 * "COL:TYPE:CONTEXT,..." with COL from 1; \, \: \\ stand for themselves. Texts lie in the arena.
 * E_INVALID, which names the entry; E_LIMIT; E_NOMEM.
 */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_csv_mapping_parse(varve_text format, varve_text metric,
                                                             vv_arena *arena,
                                                             vv_csv_mapping *out_mapping,
                                                             varve_error *out_err);
/** The format that vv_csv_mapping_parse takes. Sticky as vv_buf. */
void vv_csv_mapping_print(vv_buf *buf, const vv_csv_mapping *mapping);

/** Whether every cell of a header tells what it is: host:label, usage:f64, metric:name,
 * time:unix_ns. */
VV_MUST_CHECK VV_UNTRUSTED bool vv_csv_header_is_typed(const vv_csv_record *record);
/** The mapping that a typed header tells. metric: where no column names it. As
 * vv_csv_mapping_parse. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_csv_header_parse(const vv_csv_record *record,
                                                            varve_text metric, vv_arena *arena,
                                                            vv_csv_mapping *out_mapping,
                                                            varve_error *out_err);
/** E_INVALID: two times, two columns of a label, fields without a metric. */
VV_MUST_CHECK varve_status vv_csv_mapping_check(const vv_csv_mapping *mapping,
                                                varve_error *out_err);

/** The parameter of an export: __name__, LABEL, __value__[:FIELD], __timestamp__[:CONTEXT],
 * comma-separated, escapes as above. E_INVALID, E_LIMIT, E_NOMEM. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_csv_export_parse(varve_text format, vv_arena *arena,
                                                            const vv_csv_column **out_columns,
                                                            size_t *out_count,
                                                            varve_error *out_err);

/** format_options of VV_FORMAT_CSV. */
typedef struct vv_csv_options {
    const vv_csv_mapping *mapping; /* NULL: a typed header tells */
    varve_text metric;             /* without a mapping: where no column names it */
    char separator;                /* 0: ',' */
    bool has_header;               /* with a mapping: the first record is none of rows */
    uint64_t skip_lines;           /* before the header */
    /* Cells with histograms that are longer than its free_bytes take turns; NULL: they need not. */
    const struct vv_json_lines_turns *turns;
} vv_csv_options;

#endif
