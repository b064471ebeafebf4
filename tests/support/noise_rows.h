/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows whose bytes nothing makes smaller, for tests that fill a disk.
 *
 * Row n has the time n and lies in series n % NOISE_SERIES; its bytes follow from n. Rows come in
 * batches and go from the oldest on, so [first, next) tells which ones are there.
 */
#ifndef VV_TESTS_SUPPORT_NOISE_ROWS_H
#define VV_TESTS_SUPPORT_NOISE_ROWS_H

#include <stdint.h>

#include "varve.h"

enum { NOISE_SERIES = 4, NOISE_BATCH_ROWS_MAX = 64, NOISE_ROW_BYTES_MAX = 4096 };

typedef struct noise_rows {
    varve_db *db;        /* set by the caller, again after each open */
    size_t row_bytes;    /* at most NOISE_ROW_BYTES_MAX */
    size_t batch_rows;   /* at most NOISE_BATCH_ROWS_MAX */
    int64_t first, next; /* rows [first, next) were answered and not deleted */
} noise_rows;

/* Writes a batch; rows->next moves on when it succeeds, as durable. */
varve_status noise_rows_write(noise_rows *rows, varve_error *err);
/* Writes batches until one is refused, with its reason, for want of space. */
void noise_rows_fill(noise_rows *rows);
/* Deletes what is older than a row. */
void noise_rows_delete_before(noise_rows *rows, int64_t row);
/* Fails the test unless exactly [first, next) is there, with its bytes. */
void noise_rows_check(const noise_rows *rows);

#endif
