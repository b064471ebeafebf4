/* SPDX-License-Identifier: Apache-2.0 */
/* What is printed: a table row on standard output, and the same as a JSON line. */
#include "bench.h"

static void results_print_number(double value)
{
    double size = value < 0 ? -value : value;
    if (size >= 1e5 || (size > 0 && size < 1e-3)) {
        printf("%11.3e", value);
    } else if (size >= 1000) {
        printf("%11.0f", value);
    } else {
        printf("%11.4g", value);
    }
}

static void results_print_row(const bench_result *result)
{
    static bool has_title;
    if (!has_title) {
        printf("%-4s %-11s %-30s %-9s %3s %-26s %11s %11s %11s  %s\n", "", "set", "parameters",
               "sync", "thr", "metric", "median", "min", "max", "unit");
        has_title = true;
    }
    char metric[64];
    snprintf(metric, sizeof metric, "%s%s%s", result->metric,
             result->of != NULL ? (result->engine != NULL ? " of " : " to ") : "",
             result->of != NULL ? result->of : "");
    printf("%-4s %-11s %-30s %-9s %3zu %-26s ", result->workload, result->set, result->params,
           result->durability, result->threads, metric);
    if (result->engine != NULL) {
        printf("%-22s ", result->engine);
    }
    results_print_number(bench_median(result->samples));
    printf(" ");
    results_print_number(bench_least(result->samples));
    printf(" ");
    results_print_number(bench_greatest(result->samples));
    bool is_noisy = bench_least(result->samples) > 0 &&
                    bench_greatest(result->samples) > 1.5 * bench_least(result->samples);
    printf("  %s%s\n", result->unit, is_noisy ? "  noisy" : "");
    fflush(stdout);
}

static void results_print_json(FILE *file, const bench_result *result)
{
    fprintf(file, "{\"suite\":\"varve-bench\",\"v\":1,\"workload\":\"%s\",\"set\":\"%s\",",
            result->workload, result->set);
    fprintf(file, "\"params\":{%s},", result->params);
    if (result->engine != NULL) {
        fprintf(file, "\"engine\":\"%s\",\"engine_version\":\"%s\",", result->engine,
                result->engine_version);
        if (result->of != NULL) {
            fprintf(file, "\"of\":\"%s\",", result->of);
        }
    } else {
        fprintf(file, "\"engine\":\"varve%s%s\",\"engine_version\":\"%s\",",
                result->of != NULL ? "/" : "", result->of != NULL ? result->of : "",
                varve_version());
    }
    fprintf(file, "\"threads\":%zu,\"durability\":\"%s\",\"metric\":\"%s\",\"unit\":\"%s\",",
            result->threads, result->durability, result->metric, result->unit);
    fprintf(file, "\"n\":%zu,\"median\":%.6g,\"min\":%.6g,\"max\":%.6g,\"verified\":true}\n",
            result->samples->count, bench_median(result->samples), bench_least(result->samples),
            bench_greatest(result->samples));
    fflush(file);
}

void bench_report(const bench_options *options, const bench_result *result)
{
    results_print_row(result);
    if (options->json != NULL) {
        results_print_json(options->json, result);
    }
}
