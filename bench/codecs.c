/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codec alone: C1 decode, C2 encode, C3 size, C4 times. A column is cut into vectors of 1024
 * values; before anything is timed each is decoded at every ISA level of the processor and compared
 * bit by bit.
 *
 * Encoded and decoded values of a column stay in the second-level cache: 16 vectors, 128 KiB. Of a
 * real column, which has one vector, there are 16 copies. Decoding is vv_vector_decode of a column,
 * encoding is vv_vector_encode of a vector of one column: statistics and regular times included.
 * Repetitions go round all columns and levels, so that what else the machine does meets all alike.
 */
#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codec/isa.h"
#include "codec/vector.h"

enum { CODECS_VECTORS = BENCH_COLUMN_VALUES / VV_VECTOR_ROWS_MAX };

/* One column in its encoded form. */
typedef struct codecs_encoded {
    const bench_column *column;
    vv_buf bytes;
    size_t data_bytes; /* of the values alone, all vectors */
    vv_vector_column parts[CODECS_VECTORS];
} codecs_encoded;

typedef struct codecs {
    vv_alloc alloc;
    vv_codec_scratch *scratch;
    vv_arena arena;
    bench_columns columns;
    codecs_encoded encoded[BENCH_COLUMNS_MAX];
    double *decoded;                   /* BENCH_COLUMN_VALUES */
    int64_t times[VV_VECTOR_ROWS_MAX]; /* regular */
    bench_samples samples[BENCH_COLUMNS_MAX];
} codecs;

/* Values of vector `index` of a column; a short one is repeated. */
static const double *codecs_vector(const bench_column *column, size_t index, size_t *out_count)
{
    size_t vectors = (column->count + VV_VECTOR_ROWS_MAX - 1) / VV_VECTOR_ROWS_MAX;
    size_t first = index % vectors * VV_VECTOR_ROWS_MAX;
    size_t left = column->count - first;
    *out_count = left < VV_VECTOR_ROWS_MAX ? left : VV_VECTOR_ROWS_MAX;
    return column->values + first;
}

static void codecs_encode_vector(codecs *self, const double *values, size_t count, vv_buf *out)
{
    static const uint32_t field = 1;
    varve_column column = {.type = VARVE_TYPE_F64, .values = values};
    vv_rows rows = {.count = count,
                    .times = self->times,
                    .fields = &field,
                    .columns = &column,
                    .column_count = 1};
    varve_error err;
    bench_must(vv_vector_encode(&rows, self->scratch, out, &err), &err, "encode");
}

static void codecs_decode_vector(codecs *self, const vv_vector_column *part, double *out_values)
{
    varve_error err;
    bench_must(vv_vector_decode(part, self->scratch, &self->arena, out_values, NULL, NULL, &err),
               &err, "decode");
}

static void codecs_encode(codecs *self, codecs_encoded *encoded)
{
    size_t ends[CODECS_VECTORS];
    vv_buf_init(&encoded->bytes, &self->alloc, SIZE_MAX);
    for (size_t i = 0; i < CODECS_VECTORS; i++) {
        size_t count;
        const double *values = codecs_vector(encoded->column, i, &count);
        codecs_encode_vector(self, values, count, &encoded->bytes);
        ends[i] = encoded->bytes.size;
    }
    for (size_t i = 0; i < CODECS_VECTORS; i++) {
        varve_error err;
        vv_vector vector;
        size_t first = i == 0 ? 0 : ends[i - 1];
        vv_bytes bytes = {.data = encoded->bytes.data + first, .size = ends[i] - first};
        bench_must(vv_vector_parse(bytes, &vector, &err), &err, "parse");
        bench_must(vv_vector_column_at(&vector, 0, &encoded->parts[i], &err), &err, "column");
        encoded->data_bytes += encoded->parts[i].data.size;
    }
}

/* Decode at every level and compare. */
static void codecs_verify(codecs *self, const codecs_encoded *encoded)
{
    vv_codec_isa before = vv_codec_get_isa();
    for (int isa = 0; isa < VV_CODEC_ISA_COUNT; isa++) {
        if ((int)vv_codec_set_isa((vv_codec_isa)isa) != isa) {
            continue;
        }
        for (size_t i = 0; i < CODECS_VECTORS; i++) {
            size_t count;
            const double *values = codecs_vector(encoded->column, i, &count);
            codecs_decode_vector(self, &encoded->parts[i], self->decoded);
            if (memcmp(self->decoded, values, count * sizeof *values) != 0) {
                bench_die("%s: vector %zu comes back changed (%s)", encoded->column->name, i,
                          vv_codec_isa_name((vv_codec_isa)isa));
            }
        }
    }
    vv_codec_set_isa(before);
}

static void codecs_open(codecs *self, const bench_options *options)
{
    varve_error err;
    memset(self, 0, sizeof *self);
    vv_alloc_init(&self->alloc, NULL);
    vv_arena_init(&self->arena, &self->alloc, SIZE_MAX);
    bench_must(vv_codec_scratch_create(&self->alloc, &self->scratch, &err), &err, "scratch");
    self->decoded = bench_memory(BENCH_COLUMN_VALUES, sizeof *self->decoded);
    bench_clock_fill(0, self->times, VV_VECTOR_ROWS_MAX);
    bench_columns_load(&self->columns, options);
    for (size_t i = 0; i < self->columns.count; i++) {
        self->encoded[i].column = &self->columns.columns[i];
        codecs_encode(self, &self->encoded[i]);
        codecs_verify(self, &self->encoded[i]);
    }
}

static void codecs_close(codecs *self)
{
    for (size_t i = 0; i < self->columns.count; i++) {
        vv_buf_deinit(&self->encoded[i].bytes);
    }
    bench_columns_free(&self->columns);
    free(self->decoded);
    vv_codec_scratch_free(self->scratch);
    vv_arena_deinit(&self->arena);
}

static size_t codecs_values(const codecs_encoded *encoded)
{
    size_t sum = 0;
    for (size_t i = 0; i < CODECS_VECTORS; i++) {
        sum += encoded->parts[i].present_count;
    }
    return sum;
}

static void codecs_report(const bench_options *options, const char *workload, const char *set,
                          const char *params, const char *metric, const char *unit,
                          const bench_samples *samples)
{
    bench_result result = {
        .workload = workload,
        .set = set,
        .params = params,
        .durability = "",
        .threads = 1,
        .metric = metric,
        .unit = unit,
        .samples = samples,
    };
    bench_report(options, &result);
}

static void codecs_report_one(const bench_options *options, const char *workload, const char *set,
                              const char *params, const char *metric, const char *unit,
                              double value)
{
    bench_samples samples = {.values = {value}, .count = 1};
    codecs_report(options, workload, set, params, metric, unit, &samples);
}

/* ---- C1, C2 ---- */

/* All vectors of a column once. */
typedef void codecs_pass(codecs *self, const codecs_encoded *encoded);

static void codecs_decode_pass(codecs *self, const codecs_encoded *encoded)
{
    for (size_t i = 0; i < CODECS_VECTORS; i++) {
        codecs_decode_vector(self, &encoded->parts[i], self->decoded + i * VV_VECTOR_ROWS_MAX);
    }
}

static void codecs_encode_pass(codecs *self, const codecs_encoded *encoded)
{
    static vv_buf out;
    if (out.alloc == NULL) {
        vv_buf_init(&out, &self->alloc, SIZE_MAX);
    }
    vv_buf_reset(&out);
    for (size_t i = 0; i < CODECS_VECTORS; i++) {
        size_t count;
        const double *values = codecs_vector(encoded->column, i, &count);
        codecs_encode_vector(self, values, count, &out);
    }
    if (out.size != encoded->bytes.size) {
        bench_die("%s: encoding again gives another size", encoded->column->name);
    }
    vv_buf_deinit(&out);
    out.alloc = NULL;
}

/* Values a second of CPU time, over at least `ns`. */
static double codecs_rate(codecs *self, const codecs_encoded *encoded, codecs_pass *pass,
                          int64_t ns)
{
    size_t passes = 0;
    int64_t start = bench_cpu_ns();
    int64_t now = start;
    while (now - start < ns) {
        for (size_t i = 0; i < 4; i++) {
            pass(self, encoded);
            passes++;
        }
        now = bench_cpu_ns();
    }
    return (double)(codecs_values(encoded) * passes) / ((double)(now - start) * 1e-9);
}

static void codecs_sample_all(codecs *self, const bench_options *options, codecs_pass *pass)
{
    int64_t ns = (int64_t)bench_pick(options, 1000000, 10000000);
    for (size_t i = 0; i < self->columns.count; i++) {
        const codecs_encoded *encoded = &self->encoded[i];
        bench_sample(&self->samples[i], codecs_rate(self, encoded, pass, ns));
    }
}

/* Each column, the geometric means, and the slowest column. */
static void codecs_report_rates(codecs *self, const bench_options *options, const char *workload,
                                const char *params)
{
    double logs[2] = {0};
    size_t counts[2] = {0};
    size_t slowest = 0;
    for (size_t i = 0; i < self->columns.count; i++) {
        const bench_column *column = &self->columns.columns[i];
        double median = bench_median(&self->samples[i]);
        logs[column->is_real] += log(median);
        counts[column->is_real]++;
        slowest = median < bench_median(&self->samples[slowest]) ? i : slowest;
        codecs_report(options, workload, column->name, params, "values_per_cpu_s", "1/s",
                      &self->samples[i]);
    }
    double all = exp((logs[0] + logs[1]) / (double)(counts[0] + counts[1]));
    codecs_report_one(options, workload, "(all)", params, "geometric_mean", "1/s", all);
    if (counts[1] > 0) {
        codecs_report_one(options, workload, "(real)", params, "geometric_mean", "1/s",
                          exp(logs[1] / (double)counts[1]));
    }
    codecs_report_one(options, workload, self->columns.columns[slowest].name, params,
                      "slowest to the mean", "", bench_median(&self->samples[slowest]) / all);
}

static void codecs_measure(const bench_options *options, const char *workload, codecs_pass *pass)
{
    static codecs self;
    static bench_samples samples[VV_CODEC_ISA_COUNT][BENCH_COLUMNS_MAX];
    size_t reps = bench_reps(options, 3, 9);
    bool is_each = pass == codecs_decode_pass && options->isa == BENCH_ISA_ANY;
    vv_codec_isa before = vv_codec_get_isa();
    codecs_open(&self, options);
    memset(samples, 0, sizeof samples);
    for (size_t rep = 0; rep < reps; rep++) {
        for (int isa = is_each ? 0 : (int)before; isa <= (int)before; isa++) {
            if ((int)vv_codec_set_isa((vv_codec_isa)isa) == isa) {
                memcpy(self.samples, samples[isa], sizeof self.samples);
                codecs_sample_all(&self, options, pass);
                memcpy(samples[isa], self.samples, sizeof self.samples);
            }
        }
    }
    for (int isa = 0; isa < VV_CODEC_ISA_COUNT; isa++) {
        if (samples[isa][0].count > 0) {
            char params[48];
            snprintf(params, sizeof params, "\"isa\":\"%s\"", vv_codec_isa_name((vv_codec_isa)isa));
            memcpy(self.samples, samples[isa], sizeof self.samples);
            codecs_report_rates(&self, options, workload, params);
        }
    }
    vv_codec_set_isa(before);
    codecs_close(&self);
}

void bench_run_codec_decode(const bench_options *options)
{
    codecs_measure(options, "C1", codecs_decode_pass);
}

void bench_run_codec_encode(const bench_options *options)
{
    codecs_measure(options, "C2", codecs_encode_pass);
}

/* ---- C3 ---- */

enum { CODECS_FAST, CODECS_ALP, CODECS_ZSTD_3, CODECS_ZSTD_19, CODECS_ENTROPY, CODECS_SIZES };

static const char *const codecs_size_names[CODECS_SIZES] = {"bits_per_value", "plain ALP", "zstd-3",
                                                            "zstd-19", "entropy of differences"};

/* Bits a value of each kind. ALP by vectors, as the codec; zstd and the entropy see it whole. */
static void codecs_sizes_of(const codecs_encoded *encoded, double *out_bits)
{
    const bench_column *column = encoded->column;
    double alp = 0;
    for (size_t i = 0; i < CODECS_VECTORS; i++) {
        size_t count;
        const double *values = codecs_vector(column, i, &count);
        alp += bench_plain_alp_bits(values, count);
    }
    double count = (double)column->count;
    out_bits[CODECS_FAST] = 8 * (double)encoded->data_bytes / (double)codecs_values(encoded);
    out_bits[CODECS_ALP] = alp / (double)codecs_values(encoded);
    out_bits[CODECS_ZSTD_3] = bench_zstd_bits(column->values, column->count, 3) / count;
    out_bits[CODECS_ZSTD_19] = bench_zstd_bits(column->values, column->count, 19) / count;
    out_bits[CODECS_ENTROPY] = bench_delta_entropy(column->values, column->count);
}

static void codecs_report_sizes(const bench_options *options, const char *set, const double *bits)
{
    for (size_t kind = 0; kind < CODECS_SIZES; kind++) {
        codecs_report_one(options, "C3", set, "", codecs_size_names[kind], "bits", bits[kind]);
    }
    codecs_report_one(options, "C3", set, "", "ratio to plain ALP", "",
                      bits[CODECS_FAST] / bits[CODECS_ALP]);
}

void bench_run_codec_size(const bench_options *options)
{
    static codecs self;
    double sums[CODECS_SIZES] = {0};
    size_t real_count = 0;
    codecs_open(&self, options);
    for (size_t i = 0; i < self.columns.count; i++) {
        double bits[CODECS_SIZES];
        codecs_sizes_of(&self.encoded[i], bits);
        codecs_report_sizes(options, self.columns.columns[i].name, bits);
        if (self.columns.columns[i].is_real) {
            real_count++;
            for (size_t kind = 0; kind < CODECS_SIZES; kind++) {
                sums[kind] += bits[kind];
            }
        }
    }
    for (size_t kind = 0; kind < CODECS_SIZES && real_count > 0; kind++) {
        sums[kind] /= (double)real_count;
    }
    if (real_count > 0) {
        codecs_report_sizes(options, "(real)", sums);
    }
    codecs_close(&self);
}

/* ---- C4 ---- */

static void codecs_time_rates(codecs *self, const bench_options *options, const char *set,
                              const int64_t *times, size_t count)
{
    enum { PASSES = 64 };
    int64_t *decoded = bench_memory(count, sizeof *decoded);
    bench_samples encode = {0};
    bench_samples decode = {0};
    varve_error err;
    vv_buf out;
    vv_buf_init(&out, &self->alloc, SIZE_MAX);
    for (size_t rep = 0; rep < bench_reps(options, 3, 9); rep++) {
        int64_t start = bench_cpu_ns();
        for (size_t i = 0; i < PASSES; i++) {
            vv_buf_reset(&out);
            bench_must(vv_times_encode(times, count, self->scratch, &out, &err), &err, "encode");
        }
        int64_t middle = bench_cpu_ns();
        for (size_t i = 0; i < PASSES; i++) {
            bench_must(vv_times_decode(vv_buf_bytes(&out), count, self->scratch, decoded, &err),
                       &err, "decode");
        }
        int64_t end = bench_cpu_ns();
        if (memcmp(decoded, times, count * sizeof *times) != 0) {
            bench_die("%s: times come back changed", set);
        }
        bench_sample(&encode, (double)(count * PASSES) / ((double)(middle - start) * 1e-9));
        bench_sample(&decode, (double)(count * PASSES) / ((double)(end - middle) * 1e-9));
    }
    codecs_report_one(options, "C4", set, "", "bits_per_time", "bits",
                      8 * (double)out.size / (double)count);
    codecs_report(options, "C4", set, "", "encoded_per_cpu_s", "1/s", &encode);
    codecs_report(options, "C4", set, "", "decoded_per_cpu_s", "1/s", &decode);
    vv_buf_deinit(&out);
    free(decoded);
}

void bench_run_codec_times(const bench_options *options)
{
    static codecs self;
    bench_options none = *options;
    none.data = NULL;
    none.set = BENCH_STATUS; /* any: the columns are not used */
    codecs_open(&self, &none);
    int64_t *times = bench_memory(BENCH_COLUMN_VALUES, sizeof *times);
    for (size_t clock = 0; clock < BENCH_CLOCKS; clock++) {
        bench_clock_fill(clock, times, BENCH_COLUMN_VALUES);
        codecs_time_rates(&self, options, bench_clock_name(clock), times, BENCH_COLUMN_VALUES);
    }
    free(times);
    codecs_close(&self);
}
