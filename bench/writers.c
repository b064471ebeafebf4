/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data sets as files: what every engine of a comparison is fed.
 *
 *   bin   SET.f64: doubles in the machine's order, step after step, host after host, field after
 *         field; SET.i64: the time of each step in nanoseconds
 *   lp    Influx line protocol, in the order of time, nanoseconds; integers are written as such
 * (58i) om    OpenMetrics text: a series after the other, as the format demands, times in seconds
 *   csv   a title, then a row for each host and step
 *
 * Metric and field are joined by an underscore where a format has no fields. Line protocol has no
 * NaN, so sparse-nan has no such file.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "hosts.h"

enum { WRITERS_NUMBER_BYTES = 40, WRITERS_PATH_BYTES = 600, WRITERS_BUFFER_BYTES = 1 << 20 };

/* ---- numbers and series as text ---- */

static void writers_number(FILE *target, double value)
{
    char text[WRITERS_NUMBER_BYTES];
    if (!isfinite(value)) {
        fputs(isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf", target);
        return;
    }
    fwrite(text, 1, vv_text_print_f64_plain(text, value), target);
}

static void writers_integer(FILE *target, int64_t value)
{
    char text[WRITERS_NUMBER_BYTES];
    fwrite(text, 1, vv_text_print_i64(text, value), target);
}

struct bench_prefixes {
    size_t hosts;
    char *texts[]; /* "cpu,hostname=host_0,...": metric and tags of a line */
};

bench_prefixes *bench_prefixes_make(const bench_rows *rows)
{
    bench_prefixes *prefixes =
        bench_memory(1, sizeof *prefixes + rows->hosts * sizeof prefixes->texts[0]);
    prefixes->hosts = rows->hosts;
    for (size_t host = 0; host < rows->hosts; host++) {
        size_t size;
        FILE *text = open_memstream(&prefixes->texts[host], &size);
        if (text == NULL) {
            bench_die("no memory for the tags of a host");
        }
        fputs(bench_rows_metric(rows), text);
        bench_tags tags;
        bench_tags_of(host, &tags);
        for (size_t i = 0; i < BENCH_TAGS && bench_rows_has_tags(rows); i++) {
            fprintf(text, ",%s=%s", bench_tag_name(i), tags.values[i]);
        }
        fclose(text);
    }
    return prefixes;
}

void bench_prefixes_free(bench_prefixes *prefixes)
{
    for (size_t i = 0; i < prefixes->hosts; i++) {
        free(prefixes->texts[i]);
    }
    free(prefixes);
}

/* ---- line protocol ---- */

void bench_lines_write(FILE *target, const bench_walk *walk, const bench_prefixes *prefixes,
                       size_t step, size_t first_host, size_t host_count)
{
    const bench_rows *rows = &walk->rows;
    bool are_integers = bench_rows_are_integers(rows);
    for (size_t host = first_host; host < first_host + host_count; host++) {
        fputs(prefixes->texts[host], target);
        for (size_t field = 0; field < rows->fields; field++) {
            fputc(field == 0 ? ' ' : ',', target);
            fputs(bench_rows_field(rows, field), target);
            fputc('=', target);
            writers_number(target, walk->values[host * rows->fields + field]);
            if (are_integers) {
                fputc('i', target);
            }
        }
        fputc(' ', target);
        writers_integer(target, bench_rows_time_ns(step));
        fputc('\n', target);
    }
}

static void writers_lines(const bench_rows *rows, FILE *target)
{
    bench_walk walk = bench_walk_start(rows);
    bench_prefixes *prefixes = bench_prefixes_make(rows);
    for (size_t step = 0; step < rows->steps; step++) {
        bench_walk_next(&walk);
        bench_lines_write(target, &walk, prefixes, step, 0, rows->hosts);
    }
    bench_prefixes_free(prefixes);
    bench_walk_end(&walk);
}

/* ---- OpenMetrics ---- */

static void writers_metrics_name(FILE *target, const bench_rows *rows, size_t field)
{
    for (const char *at = bench_rows_metric(rows); *at != '\0'; at++) {
        fputc(*at == '-' ? '_' : *at, target);
    }
    fprintf(target, "_%s", bench_rows_field(rows, field));
}

static void writers_metrics_series(FILE *target, const bench_rows *rows, size_t host, size_t field)
{
    bench_tags tags;
    bench_tags_of(host, &tags);
    char *name;
    size_t size;
    FILE *text = open_memstream(&name, &size);
    if (text == NULL) {
        bench_die("no memory for the name of a series");
    }
    writers_metrics_name(text, rows, field);
    for (size_t i = 0; i < BENCH_TAGS && bench_rows_has_tags(rows); i++) {
        fprintf(text, "%c%s=\"%s\"", i == 0 ? '{' : ',', bench_tag_name(i), tags.values[i]);
    }
    fputs(bench_rows_has_tags(rows) ? "} " : " ", text);
    fclose(text);
    bench_stream stream;
    bench_stream_init(&stream, rows->set, host * rows->fields + field);
    for (size_t step = 0; step < rows->steps; step++) {
        fwrite(name, 1, size, target);
        writers_number(target, bench_stream_next(&stream));
        fputc(' ', target);
        writers_integer(target, bench_rows_time_ns(step) / INT64_C(1000000000));
        fputc('\n', target);
    }
    free(name);
}

static void writers_metrics(const bench_rows *rows, FILE *target)
{
    for (size_t field = 0; field < rows->fields; field++) {
        fputs("# TYPE ", target);
        writers_metrics_name(target, rows, field);
        fputs(" gauge\n", target);
        for (size_t host = 0; host < rows->hosts; host++) {
            writers_metrics_series(target, rows, host, field);
        }
    }
    fputs("# EOF\n", target);
}

/* ---- CSV ---- */

static void writers_table(const bench_rows *rows, FILE *target)
{
    fputs("time", target);
    for (size_t i = 0; i < BENCH_TAGS && bench_rows_has_tags(rows); i++) {
        fprintf(target, ",%s", bench_tag_name(i));
    }
    for (size_t field = 0; field < rows->fields; field++) {
        fprintf(target, ",%s", bench_rows_field(rows, field));
    }
    fputc('\n', target);
    bench_walk walk = bench_walk_start(rows);
    for (size_t step = 0; step < rows->steps; step++) {
        bench_walk_next(&walk);
        for (size_t host = 0; host < rows->hosts; host++) {
            bench_tags tags;
            bench_tags_of(host, &tags);
            writers_integer(target, bench_rows_time_ns(step));
            for (size_t i = 0; i < BENCH_TAGS && bench_rows_has_tags(rows); i++) {
                fprintf(target, ",%s", tags.values[i]);
            }
            for (size_t field = 0; field < rows->fields; field++) {
                fputc(',', target);
                writers_number(target, walk.values[host * rows->fields + field]);
            }
            fputc('\n', target);
        }
    }
    bench_walk_end(&walk);
}

/* ---- arrays ---- */

static void writers_values(const bench_rows *rows, FILE *target)
{
    bench_walk walk = bench_walk_start(rows);
    for (size_t step = 0; step < rows->steps; step++) {
        bench_walk_next(&walk);
        fwrite(walk.values, sizeof *walk.values, rows->hosts * rows->fields, target);
    }
    bench_walk_end(&walk);
}

static void writers_times(const bench_rows *rows, FILE *target)
{
    for (size_t step = 0; step < rows->steps; step++) {
        int64_t time = bench_rows_time_ns(step);
        fwrite(&time, sizeof time, 1, target);
    }
}

/* ---- files ---- */

typedef struct writers_format {
    const char *name, *suffix;
    void (*write)(const bench_rows *rows, FILE *target);
} writers_format;

static const writers_format writers_formats[] = {
    {"bin", "f64", writers_values}, {"bin", "i64", writers_times}, {"lp", "lp", writers_lines},
    {"om", "om", writers_metrics},  {"csv", "csv", writers_table},
};

bool bench_format_takes(const char *format, bench_set set)
{
    if (strcmp(format, "lp") == 0 && set == BENCH_SPARSE_NAN) {
        return false;
    }
    for (size_t i = 0; i < VV_ARRAY_COUNT(writers_formats); i++) {
        if (strcmp(writers_formats[i].name, format) == 0) {
            return true;
        }
    }
    return false;
}

static void writers_file(const bench_rows *rows, const writers_format *format, const char *path)
{
    FILE *target = fopen(path, "we");
    if (target == NULL) {
        bench_die("%s cannot be created: error %d", path, errno);
    }
    setvbuf(target, NULL, _IOFBF, WRITERS_BUFFER_BYTES);
    format->write(rows, target);
    bool has_failed = ferror(target) != 0;
    if (fclose(target) != 0 || has_failed) {
        bench_die("%s cannot be written: error %d", path, errno);
    }
}

const char *bench_rows_write(const bench_rows *rows, const char *directory, const char *format)
{
    static char first[WRITERS_PATH_BYTES];
    first[0] = '\0';
    for (size_t i = 0; i < VV_ARRAY_COUNT(writers_formats); i++) {
        if (strcmp(writers_formats[i].name, format) == 0) {
            char path[WRITERS_PATH_BYTES];
            snprintf(path, sizeof path, "%s/%s.%s", directory, bench_set_name(rows->set),
                     writers_formats[i].suffix);
            writers_file(rows, &writers_formats[i], path);
            if (first[0] == '\0') {
                memcpy(first, path, sizeof first);
            }
        }
    }
    return first;
}
