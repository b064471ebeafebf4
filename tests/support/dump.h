/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers as text, to compare with what a test expects in one assertion.
 *
 *   SERIES, TABLE  cpu{host=a} 10 value=1.5 note="x"     one line a row; absent values are left out
 *   ROWS           cpu{host=a} 10 #7 value=1.5           #: the row id, where there is one
 *   failures       ! E_LIMIT
 *
 * f64 as %.17g (NaN: its bits), i64 5, u64 5u, bool true, bytes <616263>, string "abc", histogram
 * H(count,sum); saturated sums ~9223372036854775807(1e19). Columns of row ids print as #.
 */
#ifndef VV_TESTS_SUPPORT_DUMP_H
#define VV_TESTS_SUPPORT_DUMP_H

#include "varve.h"

enum { DUMP_BYTES_MAX = 1 << 18 };

/* Text of the whole answer; valid until the eighth next call. */
const char *dump_query(varve_db *db, const varve_query_options *options);
/* Everything there is, raw. */
const char *dump_all(varve_db *db);
/* Of a cursor, which is closed. */
const char *dump_cursor(varve_db *db, varve_cursor *cursor);
/* Of a text selector over [start, end). */
const char *dump_range(varve_db *db, const char *selector, int64_t start, int64_t end);

/* A value of a column of an answer that has one there. */
varve_value dump_value_of(const varve_column *column, size_t row);

/* ---- writing in a line ---- */

varve_text dump_text(const char *string);
/* Series from "metric{a=b,c=d}" or "metric"; fails the test when it cannot be. */
varve_series dump_series(varve_db *db, const char *name);
varve_field dump_field(varve_db *db, const char *name);
/* One row with one field, committed. */
varve_status dump_put(varve_db *db, const char *series, int64_t time, const char *field,
                      varve_value value);
void dump_must_put(varve_db *db, const char *series, int64_t time, const char *field,
                   varve_value value);
varve_value dump_f64(double value);
varve_value dump_i64(int64_t value);
varve_value dump_u64(uint64_t value);
varve_value dump_bool(bool value);
varve_value dump_string(const char *value);

#endif
