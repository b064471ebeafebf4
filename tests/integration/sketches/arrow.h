/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sketch of an Arrow consumer: the ABI as the Arrow project publishes it, nothing else of varve
 * after the stream was made. C99 and C++11.
 */
#ifndef VV_TESTS_SKETCHES_ARROW_H
#define VV_TESTS_SKETCHES_ARROW_H

#include "varve.h"

struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};

/* Sum of the column (a double) of that name, and the rows; false: it is not there. */
static bool arrow_sum(struct ArrowArrayStream *stream, const char *name, double *out_sum,
                      int64_t *out_rows)
{
    struct ArrowSchema schema;
    struct ArrowArray batch;
    int64_t at = -1;
    *out_sum = 0;
    *out_rows = 0;
    if (stream->get_schema(stream, &schema) != 0) {
        return false;
    }
    for (int64_t i = 0; i < schema.n_children; i++) {
        const char *a = schema.children[i]->name;
        const char *b = name;
        while (*a != '\0' && *a == *b) {
            a++;
            b++;
        }
        if (*a == *b && schema.children[i]->format[0] == 'g') {
            at = i;
        }
    }
    schema.release(&schema);
    while (at >= 0 && stream->get_next(stream, &batch) == 0 && batch.release != NULL) {
        const struct ArrowArray *column = batch.children[at];
        const unsigned char *valid = (const unsigned char *)column->buffers[0];
        const double *values = (const double *)column->buffers[1];
        for (int64_t i = 0; i < batch.length; i++) {
            int64_t row = column->offset + i;
            if (valid == NULL || ((valid[row / 8] >> (row % 8)) & 1) != 0) {
                *out_sum += values[row];
            }
        }
        *out_rows += batch.length;
        batch.release(&batch);
    }
    return at >= 0;
}

#endif
