/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data sets as rows. A host has tags and, at each step, a row of fields; tsbs-cpu has ten of each,
 * the other sets are one host without tags and with the one field `value`. Field f of host h is
 * stream number h * fields + f of the set (bench.h), so any of them can be made on its own.
 *
 *   hosts.c    tags, fields and values        writers.c  the same as files: gen
 */
#ifndef VV_BENCH_HOSTS_H
#define VV_BENCH_HOSTS_H

#include "bench.h"

enum { BENCH_TAGS = 10, BENCH_FIELDS_MAX = 10, BENCH_TAG_BYTES_MAX = 32 };

/** The values of the ten tags of a host. */
typedef struct bench_tags {
    char values[BENCH_TAGS][BENCH_TAG_BYTES_MAX];
} bench_tags;

const char *bench_tag_name(size_t tag);
void bench_tags_of(size_t host, bench_tags *out_tags);

typedef struct bench_rows {
    bench_set set;
    size_t hosts, steps, fields;
} bench_rows;

/** The hosts and steps of a preset. */
bench_rows bench_rows_of(bench_set set, bench_preset preset);
size_t bench_rows_values(const bench_rows *rows);
int64_t bench_rows_time_ns(size_t step);
/** The measurement: "cpu", or the name of the set. */
const char *bench_rows_metric(const bench_rows *rows);
const char *bench_rows_field(const bench_rows *rows, size_t field);
bool bench_rows_has_tags(const bench_rows *rows);
/** Whether all values are integers, and written as such. */
bool bench_rows_are_integers(const bench_rows *rows);

/** The rows in the order of time, one step of all hosts after the other. */
typedef struct bench_walk {
    bench_rows rows;
    bench_stream *streams; /* hosts * fields */
    double *values;        /* of the step that was walked last; [host * fields + field] */
} bench_walk;

bench_walk bench_walk_start(const bench_rows *rows);
void bench_walk_next(bench_walk *walk);
void bench_walk_end(bench_walk *walk);

/* ---- writers.c ---- */

/** The lines of one step in line protocol, of some hosts. prefixes: of every host, from
 * bench_prefixes_make. */
typedef struct bench_prefixes bench_prefixes;

bench_prefixes *bench_prefixes_make(const bench_rows *rows);
void bench_prefixes_free(bench_prefixes *prefixes);
void bench_lines_write(FILE *target, const bench_walk *walk, const bench_prefixes *prefixes,
                       size_t step, size_t first_host, size_t host_count);

/** Whether a format has a form for all values of a set. */
bool bench_format_takes(const char *format, bench_set set);
/** Files of the set in a directory; format: bin, lp, om or csv. Returns the path of the (first)
 * file, which lives until the next call. */
const char *bench_rows_write(const bench_rows *rows, const char *directory, const char *format);

#endif
