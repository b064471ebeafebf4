/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sketch of a door that ingests lines: a cache from the raw bytes of a series to its handle, one
 * batch a request, rejected rows reported. C99 and C++11.
 */
#ifndef VV_TESTS_SKETCHES_SERIES_CACHE_H
#define VV_TESTS_SKETCHES_SERIES_CACHE_H

#include <string.h>

#include "varve.h"

enum { INGEST_CACHE = 64 };

typedef struct ingest_door {
    varve_db *db;
    varve_batch *batch;
    varve_field value;
    struct {
        char key[32]; /* "metric,host" as it came */
        varve_series series;
    } cache[INGEST_CACHE];
    unsigned hits, misses;
} ingest_door;

static varve_status ingest_open(ingest_door *door, varve_db *db, varve_error *err)
{
    memset(door, 0, sizeof *door);
    door->db = db;
    varve_status status = varve_field_resolve(db, VARVE_STR("value"), &door->value, err);
    return status != VARVE_OK ? status : varve_batch_create(db, &door->batch, err);
}

static void ingest_close(ingest_door *door)
{
    varve_batch_free(door->batch);
}

/* "metric,host" to a handle, from the cache where it can. */
static varve_status ingest_series(ingest_door *door, const char *key, varve_series *out,
                                  varve_error *err)
{
    size_t size = strlen(key);
    const char *comma = strchr(key, ',');
    unsigned slot = 0;
    for (size_t i = 0; i < size; i++) {
        slot = (slot * 31u + (unsigned char)key[i]) % INGEST_CACHE;
    }
    if (strcmp(door->cache[slot].key, key) == 0) {
        door->hits++;
        *out = door->cache[slot].series;
        return VARVE_OK;
    }
    door->misses++;
    varve_text metric;
    metric.data = key;
    metric.size = (size_t)(comma - key);
    varve_label label;
    label.name = VARVE_STR("host");
    label.value.data = comma + 1;
    label.value.size = size - metric.size - 1;
    varve_status status = varve_series_resolve(door->db, metric, &label, 1, 0, out, err);
    if (status == VARVE_OK && size < sizeof door->cache[slot].key) {
        memcpy(door->cache[slot].key, key, size + 1);
        door->cache[slot].series = *out;
    }
    return status;
}

static varve_status ingest_line(ingest_door *door, const char *key, int64_t time, double number,
                                varve_error *err)
{
    varve_value value;
    memset(&value, 0, sizeof value);
    value.type = VARVE_TYPE_F64;
    value.as.f64 = number;
    varve_row row;
    memset(&row, 0, sizeof row);
    row.timestamp = time;
    row.fields = &door->value;
    row.values = &value;
    row.count = 1;
    varve_status status = ingest_series(door, key, &row.series, err);
    return status != VARVE_OK ? status : varve_batch_row(door->batch, &row, err);
}

static varve_status ingest_request(ingest_door *door, uint64_t *out_rejected, varve_error *err)
{
    varve_write_options options;
    varve_written written;
    varve_write_options_init(&options);
    varve_written_init(&written);
    options.flags = VARVE_WRITE_SKIP_REJECTED;
    varve_status status = varve_batch_commit(door->batch, &options, &written, err);
    *out_rejected = written.rows_rejected;
    return status;
}

#endif
