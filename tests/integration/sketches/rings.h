/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sketch of a store of gauges with numbers for names, each a ring: made with its first sample, read
 * back in a range, given another resolution. C99 and C++11.
 */
#ifndef VV_TESTS_SKETCHES_RINGS_H
#define VV_TESTS_SKETCHES_RINGS_H

#include <string.h>

#include "varve.h"

typedef struct gauge_store {
    varve_db *db;
    uint64_t dropped; /* samples that came too late */
} gauge_store;

static void gauge_label(varve_label *label, const char *id)
{
    label->name = VARVE_STR("id");
    label->value.data = id;
    label->value.size = strlen(id);
}

/* The gauge of an id, with so many steps of so long. */
static varve_status gauge_shape(gauge_store *store, const char *id, int64_t step, uint64_t slots,
                                varve_error *err)
{
    varve_label label;
    varve_ring ring;
    gauge_label(&label, id);
    varve_ring_init(&ring);
    ring.step = step;
    ring.slots = slots;
    return varve_policy_ring(store->db, VARVE_STR("gauge"), &label, 1, &ring, NULL, err);
}

static varve_status gauge_put(gauge_store *store, const char *id, int64_t time, double number,
                              varve_error *err)
{
    varve_label label;
    varve_value value;
    varve_text field = VARVE_STR("value");
    varve_named_row row;
    varve_written written;
    gauge_label(&label, id);
    memset(&value, 0, sizeof value);
    value.type = VARVE_TYPE_F64;
    value.as.f64 = number;
    memset(&row, 0, sizeof row);
    row.metric = VARVE_STR("gauge");
    row.labels = &label;
    row.label_count = 1;
    row.timestamp = time;
    row.fields = &field;
    row.values = &value;
    row.count = 1;
    varve_written_init(&written);
    varve_status status = varve_write(store->db, &row, 1, NULL, &written, err);
    store->dropped += written.rows_late_dropped;
    return status;
}

/* The steps of all gauges. */
static varve_status gauge_steps(gauge_store *store, int64_t *out_steps, size_t capacity,
                                size_t *out_count, varve_error *err)
{
    varve_series series[16];
    varve_ring ring;
    varve_ring_field fields[1];
    varve_status status = varve_ring_list(store->db, series, 16, out_count, err);
    for (size_t i = 0; i < *out_count && i < capacity && status == VARVE_OK; i++) {
        varve_ring_init(&ring);
        status = varve_ring_info(store->db, series[i], &ring, fields, 1, err);
        out_steps[i] = ring.step;
    }
    return status;
}

#endif
