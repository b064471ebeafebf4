/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small versions of the data sets of the benchmark suite, and the real columns where they are.
 */
#ifndef VV_TESTS_CODEC_VALUE_SETS_H
#define VV_TESTS_CODEC_VALUE_SETS_H

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

typedef void value_set_fill(vv_random *random, double *values, size_t count);

typedef struct value_set {
    const char *name;
    value_set_fill *fill;
    double bits_max; /* of a value, statistics and directory included, 1024 values */
} value_set;

static inline double value_clamp(double value, double min, double max)
{
    return value < min ? min : value > max ? max : value;
}

static inline void value_gauge_walk(vv_random *random, double *values, size_t count)
{
    double value = vv_random_f64(random) * 100;
    for (size_t i = 0; i < count; ++i) {
        value = value_clamp(value + vv_random_normal(random), 0, 100);
        values[i] = value;
    }
}

static inline void value_gauge_int(vv_random *random, double *values, size_t count)
{
    value_gauge_walk(random, values, count);
    for (size_t i = 0; i < count; ++i) {
        values[i] = floor(values[i]);
    }
}

static inline void value_counter(vv_random *random, double *values, size_t count)
{
    double value = 0;
    for (size_t i = 0; i < count; ++i) {
        value += fmax(0, floor(5 + 2 * vv_random_normal(random)));
        value = vv_random_below(random, 5000) == 0 ? 0 : value;
        values[i] = value;
    }
}

static inline void value_sensor(vv_random *random, double *values, size_t count)
{
    double value = 20;
    for (size_t i = 0; i < count; ++i) {
        value += 0.1 * vv_random_normal(random);
        values[i] = round(value * 100) / 100;
    }
}

static inline void value_daily(vv_random *random, double *values, size_t count)
{
    for (size_t i = 0; i < count; ++i) {
        double value = 20 + 5 * sin(6.283185307179586 * (double)i / 31416);
        values[i] = round((value + 0.3 * vv_random_normal(random)) * 10) / 10;
    }
}

static inline void value_random(vv_random *random, double *values, size_t count)
{
    for (size_t i = 0; i < count; ++i) {
        values[i] = vv_random_f64(random);
    }
}

static inline void value_status(vv_random *random, double *values, size_t count)
{
    double level = 1;
    for (size_t i = 0; i < count; ++i) {
        if (vv_random_below(random, 100) == 0) {
            level = (double)vv_random_below(random, 5);
        }
        values[i] = level;
    }
}

static inline void value_sparse_nan(vv_random *random, double *values, size_t count)
{
    static const uint64_t stale_bits = UINT64_C(0x7FF0000000000002);
    value_sensor(random, values, count);
    for (size_t i = 0; i < count; ++i) {
        uint64_t draw = vv_random_below(random, 1000);
        if (draw < 50) {
            values[i] = (double)NAN;
        } else if (draw < 52) {
            values[i] = draw == 50 ? HUGE_VAL : -HUGE_VAL;
        } else if (draw < 55) {
            memcpy(&values[i], &stale_bits, sizeof stale_bits);
        } else if (draw < 58) {
            values[i] = -0.0;
        }
    }
}

static inline void value_mixed_scale(vv_random *random, double *values, size_t count)
{
    value_sensor(random, values, count);
    double scale = 1;
    for (size_t i = 0; i < count; ++i) {
        scale = i % 500 == 0 ? pow(10, (double)vv_random_below(random, 6)) : scale;
        values[i] *= scale;
    }
}

static inline void value_float32(vv_random *random, double *values, size_t count)
{
    value_gauge_walk(random, values, count);
    for (size_t i = 0; i < count; ++i) {
        values[i] = (double)(float)values[i];
    }
}

/* Made by multiplication, not by a text reader: 3 * 0.1 is not 0.3. */
static inline void value_multiplied(vv_random *random, double *values, size_t count)
{
    value_gauge_int(random, values, count);
    for (size_t i = 0; i < count; ++i) {
        values[i] *= 0.1;
    }
}

static inline void value_any_bits(vv_random *random, double *values, size_t count)
{
    vv_random_fill(random, values, count * sizeof *values);
}

static inline void value_few_doubles(vv_random *random, double *values, size_t count)
{
    double levels[7];
    value_random(random, levels, 7);
    for (size_t i = 0; i < count; ++i) {
        values[i] = levels[vv_random_below(random, 7)];
    }
}

static const value_set value_sets[] = {
    {"gauge-int", value_gauge_int, 4.5},
    {"gauge-walk", value_gauge_walk, 53},
    {"counter", value_counter, 6},
    {"sensor-2dp", value_sensor, 7.5},
    {"daily-1dp", value_daily, 6},
    {"random-f64", value_random, 57},
    {"status", value_status, 1},
    {"sparse-nan", value_sparse_nan, 12},
    {"mixed-scale", value_mixed_scale, 30},
    {"float32", value_float32, 25},
    {"multiplied", value_multiplied, 5},
    {"any-bits", value_any_bits, 65.5},
    {"few-doubles", value_few_doubles, 4.5},
};

enum { VALUE_SET_COUNT = sizeof value_sets / sizeof value_sets[0] };

/* Sizes around what the code does in groups, and the least and greatest. */
static const size_t value_counts[] = {1,   2,   3,   4,   7,    8,    9,    15,   16,  31,
                                      63,  64,  65,  100, 127,  128,  129,  255,  500, 777,
                                      959, 960, 961, 999, 1016, 1017, 1022, 1023, 1024};

enum { VALUE_COUNT_COUNT = sizeof value_counts / sizeof value_counts[0] };

/* The directory of real columns: VARVE_ALP_SAMPLES, or beside the repository, which is somewhere
 * above the build directory; NULL: not there. */
static inline DIR *value_open_real(char *out_path, size_t capacity)
{
    const char *given = getenv("VARVE_ALP_SAMPLES");
    const char *up = "../../../../";
    for (size_t i = 0; i <= strlen(up); i += 3) {
        (void)snprintf(out_path, capacity, "%s%s", given != NULL ? "" : up + i,
                       given != NULL ? given : "shared/data/alp-samples");
        DIR *directory = opendir(out_path);
        if (directory != NULL) {
            return directory;
        }
    }
    return NULL;
}

/* A column of numbers, one a line; how many there are. */
static inline size_t value_read_real(const char *path, double *values, size_t capacity)
{
    FILE *file = fopen(path, "r");
    size_t count = 0;
    char line[128];
    while (file != NULL && count < capacity && fgets(line, sizeof line, file) != NULL) {
        values[count] = strtod(line, NULL);
        count += 1;
    }
    if (file != NULL) {
        fclose(file);
    }
    return count;
}

#endif
