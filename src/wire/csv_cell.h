/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WIRE_CSV_CELL_H
#define VV_WIRE_CSV_CELL_H

/*
 * Single cells of CSV: times and typed values, to text and back.
 */

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "varve.h"
#include "wire/csv_record.h"

#define VV_CSV_NUMBER_BYTES_MAX 64u
#define VV_CSV_LAYOUT_BYTES_MAX 256u

/* ---- times: csv_time.c ---- */

typedef enum vv_csv_time_kind {
    VV_CSV_UNIX_S, /* a number of seconds, decimals allowed; the others the same */
    VV_CSV_UNIX_MS,
    VV_CSV_UNIX_US,
    VV_CSV_UNIX_NS,
    VV_CSV_RFC3339, /* or a date, or a date and a time, in UTC */
    VV_CSV_CUSTOM   /* layout, in the letters of strftime */
} vv_csv_time_kind;

typedef struct vv_csv_time {
    vv_csv_time_kind kind;
    varve_text layout; /* of CUSTOM */
} vv_csv_time;

/** unix_s, unix_ms, unix_us, unix_ns, rfc3339, custom:LAYOUT. The layout is borrowed. E_INVALID. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_csv_time_parse(varve_text text, vv_csv_time *out_time,
                                                          varve_error *out_err);
/** The text that vv_csv_time_parse takes. Sticky as vv_buf. */
void vv_csv_time_print(vv_buf *buf, const vv_csv_time *time);

/**
 * A cell as a timestamp; finer digits are floored and set *out_lost, which is never cleared.
 * E_INVALID: is no such time, or outside of what the precision can hold.
 */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_csv_time_read(const vv_csv_time *time, varve_text cell,
                                                         uint32_t precision, int64_t *out_timestamp,
                                                         bool *out_lost, varve_error *out_err);
/** The other way; what a coarser form cannot hold sets *out_lost. Sticky as vv_buf. */
void vv_csv_time_write(vv_buf *buf, const vv_csv_time *time, int64_t timestamp, uint32_t precision,
                       bool *out_lost);

/** The number of units of a precision: unix_ns and kin. */
vv_csv_time vv_csv_time_of_precision(uint32_t precision);

/* ---- values: csv_value.c ---- */

/* Types of cells beyond VARVE_TYPE_... */
enum {
    VV_CSV_PLAIN = 0,   /* writing only: as people read it */
    VV_CSV_MIXED = 100, /* each cell says its type: i64:5 */
    VV_CSV_TEXT = 101,  /* a string, or \xHEX for bytes; one that begins with \ has it twice */
    VV_CSV_TYPE_MAX = 101
};

/** f64 i64 u64 bool string bytes histogram mixed text; false for another word. */
VV_MUST_CHECK VV_UNTRUSTED bool vv_csv_type_parse(varve_text word, uint32_t *out_type);
const char *vv_csv_type_name(uint32_t type);

/** A cell as a value of the type; NONE when it is absent. Bytes are borrowed from the cell or lie
 * in the arena. E_INVALID ("abc" is no number), E_LIMIT, E_NOMEM. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_csv_value_read(const vv_csv_cell *cell, uint32_t type,
                                                          vv_arena *arena, varve_value *out_value,
                                                          varve_error *out_err);
/** The text of a cell without quotes, and whether it needs them where it is empty. Sticky. */
void vv_csv_value_write(vv_buf *buf, const varve_value *value, uint32_t type, bool *out_is_text);

#endif
