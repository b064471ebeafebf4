/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data sets. Every series is a stream of its own, seeded by the seed of the run and the number of
 * the series, so that any of them can be made again to compare with. Same seed, same values.
 */
#include "bench.h"

#include <math.h>
#include <string.h>

#include "base/hash.h"

enum { GENERATE_SEED = 123 };

const char *bench_set_name(bench_set set)
{
    static const char *const names[BENCH_SET_COUNT] = {
        [BENCH_TSBS_CPU] = "tsbs-cpu",     [BENCH_GAUGE_INT] = "gauge-int",
        [BENCH_GAUGE_WALK] = "gauge-walk", [BENCH_COUNTER] = "counter",
        [BENCH_SENSOR_2DP] = "sensor-2dp", [BENCH_DAILY_1DP] = "daily-1dp",
        [BENCH_RANDOM_F64] = "random-f64", [BENCH_STATUS] = "status",
        [BENCH_SPARSE_NAN] = "sparse-nan", [BENCH_MIXED_SCALE] = "mixed-scale",
    };
    return names[set];
}

void bench_stream_init(bench_stream *stream, bench_set set, uint64_t series)
{
    vv_random_init(&stream->random,
                   GENERATE_SEED ^ vv_hash_mix(series + UINT64_C(0x9E3779B97F4A7C15)));
    stream->set = set;
    stream->scale = 1;
    stream->index = 0;
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

static double generate_daily(bench_stream *stream)
{
    double wave = 5 * sin(6.283185307179586 * (double)stream->index / 31416);
    return round((20 + wave + 0.3 * vv_random_normal(&stream->random)) * 10) / 10;
}

static double generate_status(bench_stream *stream)
{
    if (stream->index == 0 || vv_random_below(&stream->random, 100) == 0) {
        stream->state = (double)vv_random_below(&stream->random, 5);
    }
    return stream->state;
}

static double generate_sparse(bench_stream *stream)
{
    static const uint64_t stale_bits = UINT64_C(0x7FF0000000000002); /* of Prometheus */
    double value = generate_sensor(stream);
    uint64_t draw = vv_random_below(&stream->random, 1000);
    if (draw < 50) {
        return VV_F64_NAN;
    }
    if (draw == 50) {
        return vv_random_below(&stream->random, 2) == 0 ? VV_F64_INFINITY : -VV_F64_INFINITY;
    }
    if (draw < 54) {
        memcpy(&value, &stale_bits, sizeof value);
        return value;
    }
    return draw < 57 ? -0.0 : value;
}

static double generate_mixed(bench_stream *stream)
{
    static const double scales[] = {1, 10, 100, 1000, 10000, 100000};
    if (stream->index % 500 == 0) {
        stream->scale = scales[vv_random_below(&stream->random, VV_ARRAY_COUNT(scales))];
    }
    return generate_sensor(stream) * stream->scale;
}

static double generate_value(bench_stream *stream)
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
    case BENCH_DAILY_1DP:
        return generate_daily(stream);
    case BENCH_RANDOM_F64:
        return vv_random_f64(&stream->random);
    case BENCH_STATUS:
        return generate_status(stream);
    case BENCH_SPARSE_NAN:
        return generate_sparse(stream);
    case BENCH_MIXED_SCALE:
        return generate_mixed(stream);
    case BENCH_SET_COUNT:
        break;
    }
    bench_die("there is no data set %d", (int)stream->set);
}

double bench_stream_next(bench_stream *stream)
{
    double value = generate_value(stream);
    stream->index++;
    return value;
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
