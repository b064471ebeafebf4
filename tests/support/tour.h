/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tour through the public interface that goes on whatever fails: batches of every type, deletes,
 * flushes, merges, queries, listings. It keeps a ledger of what was answered for each batch, so
 * that a driver that lets calls or allocations fail can compare what is there afterwards.
 *
 * The ledger. Batch b holds rows at the times b * TOUR_STEP + i. It is PRESENT after OK, ABSENT
 * after a failure that had no effect, UNKNOWN after VARVE_E_IO; the same for deletes. Every answer
 * that a query gives during the tour must agree with it: a wrong answer is noted, a failed one is
 * not.
 */
#ifndef VV_TESTS_SUPPORT_TOUR_H
#define VV_TESTS_SUPPORT_TOUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "varve.h"

enum { TOUR_BATCHES_MAX = 64, TOUR_SERIES = 4, TOUR_STEP = 10000, TOUR_FIELDS = 7 };

typedef enum tour_state { TOUR_ABSENT, TOUR_PRESENT, TOUR_UNKNOWN } tour_state;

typedef struct tour_batch {
    tour_state state;
    size_t rows;
    bool is_bulk; /* one field, one series */
} tour_batch;

typedef struct tour {
    const char *path;
    varve_options options;
    varve_db *db;
    varve_series series[TOUR_SERIES];
    varve_field fields[TOUR_FIELDS];
    tour_batch batches[TOUR_BATCHES_MAX];
    size_t count;
    bool must_close;       /* the second try of closing must succeed */
    bool was_in_doubt;     /* a commit answered E_IO: later ones must not be OK */
    bool was_write_failed; /* the state of health after the last write or flush */
    uint32_t failed_calls; /* that were not OK */
    varve_error failure;   /* the first of tour_open and tour_check since it was cleared */
    char wrong[300];       /* the first thing that must not be; empty: none */
} tour;

void tour_init(tour *t, const char *path, const varve_options *options);
/* The whole tour; the database is closed (or abandoned, when it could not be) at the end. */
void tour_run(tour *t);
/* Single steps, for drivers that put faults between them. Failures are counted, not fatal. */
bool tour_open(tour *t);
varve_status tour_write(tour *t, size_t rows, varve_error *err);
varve_status tour_write_bulk(tour *t, size_t rows, varve_error *err);
varve_status tour_delete(tour *t, size_t batch, varve_error *err);
void tour_flush(tour *t, bool compacts);
void tour_read(tour *t);
void tour_close(tour *t);
/* Read everything and compare with the ledger; false: noted in wrong. A failed read is noted too
 * where must_read. */
bool tour_check(tour *t, bool must_read);

#endif
