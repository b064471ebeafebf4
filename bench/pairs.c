/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pairs: varve and the other engine in turn, so that whatever else the machine does falls on both.
 * The ratio of each pair is taken by itself; quoted is the median of these ratios.
 */
#include <math.h>

#include "versus.h"

static const double pairs_noise_max = 1.5;

typedef struct pairs_samples {
    bench_samples varve[BENCH_FIGURES_MAX], other[BENCH_FIGURES_MAX], ratios[BENCH_FIGURES_MAX];
} pairs_samples;

static void pairs_keep(bench_samples *samples, double figure)
{
    if (!isnan(figure)) {
        bench_sample(samples, figure);
    }
}

static void pairs_once(const bench_pairing *pairing, pairs_samples *samples)
{
    double varve[BENCH_FIGURES_MAX];
    double other[BENCH_FIGURES_MAX];
    for (size_t i = 0; i < BENCH_FIGURES_MAX; i++) {
        varve[i] = VV_F64_NAN;
        other[i] = VV_F64_NAN;
    }
    pairing->varve(pairing->context, varve);
    pairing->other(pairing->context, other);
    for (size_t i = 0; i < pairing->count && samples != NULL; i++) {
        pairs_keep(&samples->varve[i], varve[i]);
        pairs_keep(&samples->other[i], other[i]);
        pairs_keep(&samples->ratios[i], other[i] > 0 ? varve[i] / other[i] : VV_F64_NAN);
    }
}

static bool pairs_are_noisy(const bench_samples *samples)
{
    return bench_greatest(samples) > pairs_noise_max * bench_least(samples);
}

static void pairs_report(const bench_options *options, const bench_pairing *pairing,
                         const pairs_samples *samples)
{
    char both[96];
    char versions[160];
    snprintf(both, sizeof both, "varve/%s", pairing->peer->name);
    snprintf(versions, sizeof versions, "%s/%s", varve_version(), pairing->peer->version);
    for (size_t i = 0; i < pairing->count; i++) {
        bench_result result = pairing->result;
        result.metric = pairing->metrics[i];
        result.unit = pairing->units[i];
        result.engine = "varve";
        result.engine_version = varve_version();
        result.samples = &samples->varve[i];
        if (result.samples->count > 0) {
            bench_report(options, &result);
        }
        result.engine = pairing->peer->name;
        result.engine_version = pairing->peer->version;
        result.samples = &samples->other[i];
        if (result.samples->count > 0) {
            bench_report(options, &result);
        }
        result.engine = both;
        result.engine_version = versions;
        result.of = pairing->metrics[i];
        result.metric = "ratio";
        result.unit = "";
        result.samples = &samples->ratios[i];
        if (result.samples->count > 0) {
            bench_report(options, &result);
        }
    }
}

void bench_pairs(const bench_options *options, const bench_pairing *pairing)
{
    size_t reps = bench_reps(options, 1, 5);
    pairs_once(pairing, NULL); /* warm */
    for (int round = 0; round < 2; round++) {
        pairs_samples samples = {0};
        for (size_t rep = 0; rep < reps; rep++) {
            pairs_once(pairing, &samples);
        }
        bool is_noisy = pairs_are_noisy(&samples.varve[0]) || pairs_are_noisy(&samples.other[0]);
        if (!is_noisy || round == 1) {
            pairs_report(options, pairing, &samples);
            return;
        }
        printf("noisy: %s with %s is measured once more\n", pairing->result.workload,
               pairing->peer->name);
    }
}
