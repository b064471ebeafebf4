/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts: tags, fields and values of the data sets, as rows. */
#include "hosts.h"

#include <stdlib.h>
#include <string.h>

static const char *const hosts_fields[BENCH_FIELDS_MAX] = {
    "usage_user", "usage_system",  "usage_idle",  "usage_nice",  "usage_iowait",
    "usage_irq",  "usage_softirq", "usage_steal", "usage_guest", "usage_guest_nice",
};

static const char *const hosts_tags[BENCH_TAGS] = {
    "hostname", "region",          "datacenter",          "rack", "os", "arch", "team",
    "service",  "service_version", "service_environment",
};

const char *bench_tag_name(size_t tag)
{
    return hosts_tags[tag];
}

void bench_tags_of(size_t host, bench_tags *out_tags)
{
    static const char *const regions[9] = {
        "us-east-1",      "us-west-1",      "us-west-2",      "eu-west-1", "eu-central-1",
        "ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "sa-east-1",
    };
    static const char *const systems[3] = {"Ubuntu16.10", "Ubuntu16.04LTS", "Ubuntu15.10"};
    static const char *const teams[4] = {"SF", "NYC", "LON", "CHI"};
    static const char *const environments[3] = {"production", "staging", "test"};
    enum { BYTES = BENCH_TAG_BYTES_MAX };
    char(*texts)[BYTES] = out_tags->values;
    vv_random random;
    vv_random_init(&random, host);
    const char *region = regions[vv_random_below(&random, 9)];
    snprintf(texts[0], BYTES, "host_%zu", host);
    snprintf(texts[1], BYTES, "%s", region);
    snprintf(texts[2], BYTES, "%s%c", region, (int)('a' + vv_random_below(&random, 3)));
    snprintf(texts[3], BYTES, "%u", (unsigned)vv_random_below(&random, 100));
    snprintf(texts[4], BYTES, "%s", systems[vv_random_below(&random, 3)]);
    snprintf(texts[5], BYTES, "%s", vv_random_below(&random, 2) == 0 ? "x64" : "x86");
    snprintf(texts[6], BYTES, "%s", teams[vv_random_below(&random, 4)]);
    snprintf(texts[7], BYTES, "%u", (unsigned)vv_random_below(&random, 20));
    snprintf(texts[8], BYTES, "%u", (unsigned)vv_random_below(&random, 2));
    snprintf(texts[9], BYTES, "%s", environments[vv_random_below(&random, 3)]);
}

bool bench_rows_has_tags(const bench_rows *rows)
{
    return rows->set == BENCH_TSBS_CPU;
}

bool bench_rows_are_integers(const bench_rows *rows)
{
    return rows->set == BENCH_TSBS_CPU || rows->set == BENCH_GAUGE_INT ||
           rows->set == BENCH_COUNTER;
}

bench_rows bench_rows_of(bench_set set, bench_preset preset)
{
    bool is_std = preset == BENCH_STD;
    if (set == BENCH_TSBS_CPU) {
        return (bench_rows){.set = set,
                            .hosts = is_std ? 1000 : 100,
                            .steps = is_std ? 360 : 60,
                            .fields = BENCH_FIELDS_MAX};
    }
    return (bench_rows){.set = set, .hosts = 1, .steps = is_std ? 1 << 20 : 1 << 16, .fields = 1};
}

size_t bench_rows_values(const bench_rows *rows)
{
    return rows->hosts * rows->steps * rows->fields;
}

int64_t bench_rows_time_ns(size_t step)
{
    return BENCH_START_NS + (int64_t)step * BENCH_STEP_NS;
}

const char *bench_rows_metric(const bench_rows *rows)
{
    return bench_rows_has_tags(rows) ? "cpu" : bench_set_name(rows->set);
}

const char *bench_rows_field(const bench_rows *rows, size_t field)
{
    return bench_rows_has_tags(rows) ? hosts_fields[field] : "value";
}

bench_walk bench_walk_start(const bench_rows *rows)
{
    size_t count = rows->hosts * rows->fields;
    bench_walk walk = {
        .rows = *rows,
        .streams = bench_memory(count, sizeof *walk.streams),
        .values = bench_memory(count, sizeof *walk.values),
    };
    for (size_t i = 0; i < count; i++) {
        bench_stream_init(&walk.streams[i], rows->set, i);
    }
    return walk;
}

void bench_walk_next(bench_walk *walk)
{
    for (size_t i = 0; i < walk->rows.hosts * walk->rows.fields; i++) {
        walk->values[i] = bench_stream_next(&walk->streams[i]);
    }
}

void bench_walk_end(bench_walk *walk)
{
    free(walk->streams);
    free(walk->values);
    *walk = (bench_walk){0};
}
