/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report: lines of JSON, as --json writes them, to Markdown: a list of the engines with their
 * versions and a table for each workload. A line that is not one of ours ends it with status 1.
 */
#include <stdlib.h>
#include <string.h>

#include "versus.h"

enum { SUMMARY_LINE_BYTES_MAX = 1 << 14, SUMMARY_CELL_BYTES = 256, SUMMARY_ENGINES_MAX = 64 };

typedef struct summary {
    char workload[SUMMARY_CELL_BYTES]; /* of the table that is being written */
    char engines[SUMMARY_ENGINES_MAX][SUMMARY_CELL_BYTES];
    size_t engine_count;
} summary;

/** The end of a JSON value that begins at `at`. */
static const char *summary_skip(const char *at)
{
    size_t depth = 0;
    for (; *at != '\0'; at++) {
        if (*at == '"') {
            for (at++; *at != '\0' && *at != '"'; at++) {
                at += *at == '\\' && at[1] != '\0';
            }
            if (*at == '\0') {
                return at;
            }
        } else if (*at == '{' || *at == '[') {
            depth++;
        } else if (*at == '}' || *at == ']' || *at == ',') {
            if (depth == 0) {
                return at;
            }
            depth -= *at != ',';
        }
    }
    return at;
}

/** A member of the object in a line, without the quotes of a text or the braces of an object; empty
 * where it has none. What would break a table is replaced. */
static void summary_member(const char *line, const char *name, char out_cell[SUMMARY_CELL_BYTES])
{
    size_t name_size = strlen(name);
    const char *at = line[0] == '{' ? line + 1 : "";
    out_cell[0] = '\0';
    while (*at == '"') {
        const char *key = at + 1;
        const char *end = strchr(key, '"');
        if (end == NULL || end[1] != ':') {
            return;
        }
        const char *value = end + 2;
        at = summary_skip(value);
        if ((size_t)(end - key) == name_size && memcmp(key, name, name_size) == 0) {
            bool is_wrapped = *value == '"' || *value == '{';
            int size = (int)(at - value) - (is_wrapped ? 2 : 0);
            snprintf(out_cell, SUMMARY_CELL_BYTES, "%.*s", size < 0 ? 0 : size, value + is_wrapped);
            for (char *c = out_cell; *c != '\0'; c++) {
                *c = *c == '|' || *c == '\n' ? '_' : *c;
            }
            return;
        }
        at += *at == ',';
    }
}

/** Parameters without their quotes. */
static void summary_unquote(char cell[SUMMARY_CELL_BYTES])
{
    char *to = cell;
    for (const char *from = cell; *from != '\0'; from++) {
        if (*from != '"') {
            *to = *from == ',' ? ' ' : *from;
            to++;
        }
    }
    *to = '\0';
}

static bool summary_is_result(const char *line)
{
    char suite[SUMMARY_CELL_BYTES];
    summary_member(line, "suite", suite);
    return strcmp(suite, "varve-bench") == 0;
}

static void summary_number(const char *line, const char *name, char out_cell[SUMMARY_CELL_BYTES])
{
    summary_member(line, name, out_cell);
    double value = strtod(out_cell, NULL);
    snprintf(out_cell, SUMMARY_CELL_BYTES, "%.4g", value);
}

/* ---- engines ---- */

static void summary_engine(summary *report, const char *line)
{
    char engine[SUMMARY_CELL_BYTES];
    char version[SUMMARY_CELL_BYTES];
    char both[SUMMARY_CELL_BYTES];
    summary_member(line, "engine", engine);
    summary_member(line, "engine_version", version);
    if (strchr(engine, '/') != NULL) {
        return; /* a ratio: both engines have lines of their own */
    }
    snprintf(both, sizeof both, "%.100s %.100s", engine, version);
    for (size_t i = 0; i < report->engine_count; i++) {
        if (strcmp(report->engines[i], both) == 0) {
            return;
        }
    }
    if (report->engine_count < SUMMARY_ENGINES_MAX) {
        memcpy(report->engines[report->engine_count], both, sizeof both);
        report->engine_count++;
    }
}

/* ---- tables ---- */

static void summary_row(summary *report, const char *line)
{
    static const char *const texts[] = {"set", "params", "durability", "threads", "engine"};
    char cell[SUMMARY_CELL_BYTES];
    summary_member(line, "workload", cell);
    if (strcmp(cell, report->workload) != 0) {
        printf("\n## %s\n\n| set | parameters | sync | threads | engine | metric | median | min | "
               "max | unit | n | |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n",
               cell);
        memcpy(report->workload, cell, sizeof cell);
    }
    for (size_t i = 0; i < VV_ARRAY_COUNT(texts); i++) {
        summary_member(line, texts[i], cell);
        summary_unquote(cell);
        printf("| %s ", cell);
    }
    char of[SUMMARY_CELL_BYTES];
    summary_member(line, "metric", cell);
    summary_member(line, "of", of);
    printf("| %s%s%s ", cell, of[0] != '\0' ? " of " : "", of);
    char least[SUMMARY_CELL_BYTES];
    char most[SUMMARY_CELL_BYTES];
    summary_number(line, "median", cell);
    summary_number(line, "min", least);
    summary_number(line, "max", most);
    bool is_noisy = strtod(least, NULL) > 0 && strtod(most, NULL) > 1.5 * strtod(least, NULL);
    printf("| %s | %s | %s ", cell, least, most);
    summary_member(line, "unit", cell);
    summary_member(line, "n", of);
    printf("| %s | %s | %s |\n", cell, of, is_noisy ? "noisy" : "");
}

/** Hands every line of a file on; false, with a sentence, at one that is no result. */
static bool summary_read(summary *report, const char *path,
                         void (*hand)(summary *report, const char *line))
{
    static char line[SUMMARY_LINE_BYTES_MAX];
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        fprintf(stderr, "varve-bench: %s cannot be opened\n", path);
        return false;
    }
    bool is_good = true;
    for (size_t number = 1; is_good && fgets(line, sizeof line, file) != NULL; number++) {
        is_good = summary_is_result(line);
        if (is_good) {
            hand(report, line);
        } else {
            fprintf(stderr, "varve-bench: %s, line %zu is no result of varve-bench\n", path,
                    number);
        }
    }
    fclose(file);
    return is_good;
}

int bench_summary(const char *const *paths, size_t count)
{
    static summary report;
    for (size_t i = 0; i < count; i++) {
        if (!summary_read(&report, paths[i], summary_engine)) {
            return 1;
        }
    }
    printf("# Results of varve-bench\n\n");
    for (size_t i = 0; i < report.engine_count; i++) {
        printf("* %s\n", report.engines[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (!summary_read(&report, paths[i], summary_row)) {
            return 1;
        }
    }
    return 0;
}
