/* SPDX-License-Identifier: Apache-2.0 */
/* The command compare: which comparisons there are, and with whom. */
#include <string.h>

#include "versus.h"

typedef struct compare_entry {
    const char *id, *peer, *help;
    void (*run)(const bench_options *options, const bench_peer *peer);
} compare_entry;

static const compare_entry compare_entries[] = {
    {"I1", "promtool", "scrapes of many series, no sync, beside promtool tsdb bench write",
     bench_versus_append},
    {"I4", "victoria-metrics", "line protocol over HTTP, four connections, beside VictoriaMetrics",
     bench_versus_lines},
    {"I8", "victoria-metrics", "a million new series: rate and memory, beside VictoriaMetrics",
     bench_versus_series},
    {"S1", "victoria-metrics", "size at rest, beside VictoriaMetrics", bench_versus_size},
    {"S1", "promtool", "size at rest, beside blocks of Prometheus", bench_versus_size},
    {"S2", "prometheus", "opening after a kill, everything in the log, beside Prometheus",
     bench_versus_replay},
    {"E1", "tstorage", "embedded: batches, single rows and selects, beside the Go library tstorage",
     bench_versus_embedded},
    {"E2", "tsink", "embedded: batches, selects and durable rows, beside the crate tsink",
     bench_versus_embedded},
};

void bench_compare_list(void)
{
    for (size_t i = 0; i < VV_ARRAY_COUNT(compare_entries); i++) {
        printf("%-8s %s\n", compare_entries[i].id, compare_entries[i].help);
    }
}

static bool compare_is_wanted(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return count == 0;
}

static void compare_check(const char *const *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool is_known = false;
        for (size_t k = 0; k < VV_ARRAY_COUNT(compare_entries); k++) {
            is_known = is_known || strcmp(ids[i], compare_entries[k].id) == 0;
        }
        if (!is_known) {
            bench_die("there is no comparison %s; `varve-bench list` shows them", ids[i]);
        }
    }
}

void bench_compare(const bench_options *options, const char *const *ids, size_t id_count,
                   const char *const *peers, size_t peer_count)
{
    compare_check(ids, id_count);
    bench_options inside = *options; /* everything in the one directory that the guard removes */
    inside.base = bench_scratch(options);
    for (size_t i = 0; i < VV_ARRAY_COUNT(compare_entries); i++) {
        const compare_entry *entry = &compare_entries[i];
        bench_peer peer;
        if (compare_is_wanted(entry->id, ids, id_count) &&
            compare_is_wanted(entry->peer, peers, peer_count) &&
            bench_peer_find(entry->peer, entry->id, &inside, &peer)) {
            entry->run(&inside, &peer);
        }
    }
}
