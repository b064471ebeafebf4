/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data sets. Every series is a stream of its own, seeded by the seed of the run and the number of
 * the series, so that any of them can be made again to compare with. Same seed, same values.
 */
#include "bench.h"

#include <math.h>

#include "base/hash.h"

enum { GENERATE_SEED = 123 };

const char *bench_set_name(bench_set set)
{
    static const char *const names[BENCH_SET_COUNT] = {
        [BENCH_TSBS_CPU] = "tsbs-cpu",     [BENCH_GAUGE_INT] = "gauge-int",
        [BENCH_GAUGE_WALK] = "gauge-walk", [BENCH_COUNTER] = "counter",
        [BENCH_SENSOR_2DP] = "sensor-2dp",
    };
    return names[set];
}

void bench_stream_init(bench_stream *stream, bench_set set, uint64_t series)
{
    vv_random_init(&stream->random,
                   GENERATE_SEED ^ vv_hash_mix(series + UINT64_C(0x9E3779B97F4A7C15)));
    stream->set = set;
    stream->state = set == BENCH_COUNTER ? 0 : 100 * vv_random_f64(&stream->random);
}

/** The next value of a walk that stays in 0..100. */
static double generate_gauge(bench_stream *stream)
{
    double value = stream->state;
    double next = value + vv_random_normal(&stream->random);
    stream->state = next < 0 ? 0 : next > 100 ? 100 : next;
    return value;
}

static double generate_counter(bench_stream *stream)
{
    double value = stream->state;
    double step = floor(5 + 2 * vv_random_normal(&stream->random));
    stream->state = vv_random_f64(&stream->random) < 1e-5 ? 0 : value + (step > 0 ? step : 0);
    return value;
}

static double generate_sensor(bench_stream *stream)
{
    double value = stream->state;
    stream->state += 0.1 * vv_random_normal(&stream->random);
    return round(value * 100) / 100;
}

double bench_stream_next(bench_stream *stream)
{
    switch (stream->set) {
    case BENCH_TSBS_CPU:
    case BENCH_GAUGE_INT:
        return trunc(generate_gauge(stream));
    case BENCH_GAUGE_WALK:
        return generate_gauge(stream);
    case BENCH_COUNTER:
        return generate_counter(stream);
    case BENCH_SENSOR_2DP:
        return generate_sensor(stream);
    case BENCH_SET_COUNT:
        break;
    }
    bench_die("there is no data set %d", (int)stream->set);
}

bench_matrix bench_matrix_make(size_t series, size_t scrapes)
{
    bench_matrix matrix = {.series = series, .scrapes = scrapes};
    matrix.values = bench_memory(series * scrapes, sizeof *matrix.values);
    for (size_t i = 0; i < series; i++) {
        bench_stream stream;
        bench_stream_init(&stream, BENCH_TSBS_CPU, i);
        for (size_t k = 0; k < scrapes; k++) {
            matrix.values[k * series + i] = bench_stream_next(&stream);
        }
    }
    return matrix;
}

double bench_matrix_at(const void *context, size_t series, size_t row)
{
    const bench_matrix *matrix = context;
    return matrix->values[row * matrix->series + series];
}
