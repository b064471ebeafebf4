/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sketch of a store of documents, as TinyFlux is one: update and remove what matches, in one step.
 * A query finds the rows with their ids, a batch changes them; rows that somebody else took in the
 * meantime are missing, and the step is tried again where that matters. C99 and C++11.
 */
#ifndef VV_TESTS_SKETCHES_DOCUMENTS_H
#define VV_TESTS_SKETCHES_DOCUMENTS_H

#include <string.h>

#include "varve.h"

/* Rows whose field is below a limit: removed, or multiplied and moved by an hour. */
typedef struct documents_change {
    varve_text field;
    double below;
    bool removes;
    double factor;
    varve_written written;
} documents_change;

static varve_status documents_find(varve_db *db, const documents_change *change,
                                   varve_cursor **out_cursor, varve_error *err)
{
    varve_query_options options;
    varve_predicate predicate;
    varve_output output;
    memset(&predicate, 0, sizeof predicate);
    memset(&output, 0, sizeof output);
    predicate.field = change->field;
    predicate.op = VARVE_OP_LESS;
    predicate.value.type = VARVE_TYPE_F64;
    predicate.value.as.f64 = change->below;
    output.name = change->field;
    varve_query_options_init(&options);
    options.flags = VARVE_QUERY_ROW_IDS;
    options.layout = VARVE_LAYOUT_TABLE;
    options.predicates = &predicate;
    options.predicate_count = 1;
    options.outputs = &output;
    options.output_count = 1;
    return varve_query(db, &options, out_cursor, err);
}

static varve_status documents_add(varve_batch *batch, const documents_change *change,
                                  varve_field field, const varve_block *block, size_t at,
                                  varve_error *err)
{
    varve_row_id id;
    varve_value value;
    varve_row row;
    id.series = block->row_series[at];
    id.timestamp = block->timestamps[at];
    id.row_id = block->row_ids[at];
    if (change->removes) {
        return varve_batch_delete_row(batch, &id, err);
    }
    memset(&value, 0, sizeof value);
    memset(&row, 0, sizeof row);
    value.type = VARVE_TYPE_F64;
    value.as.f64 = ((const double *)block->columns[0].values)[at] * change->factor;
    row.series = id.series;
    row.timestamp = id.timestamp + 3600;
    row.fields = &field;
    row.values = &value;
    row.count = 1;
    return varve_batch_replace(batch, &id, &row, err);
}

/* All that matches, atomically. */
static varve_status documents_run(varve_db *db, documents_change *change, varve_error *err)
{
    varve_field field;
    varve_batch *batch = NULL;
    varve_cursor *cursor = NULL;
    const varve_block *block = NULL;
    varve_status status = varve_field_resolve(db, change->field, &field, err);
    if (status == VARVE_OK) {
        status = varve_batch_create(db, &batch, err);
    }
    if (status == VARVE_OK) {
        status = documents_find(db, change, &cursor, err);
    }
    while (status == VARVE_OK) {
        status = varve_cursor_next(cursor, &block, err);
        if (status != VARVE_OK || block == NULL) {
            break;
        }
        for (size_t i = 0; i < block->rows && status == VARVE_OK; i++) {
            status = documents_add(batch, change, field, block, i, err);
        }
    }
    varve_written_init(&change->written);
    if (status == VARVE_OK) {
        status = varve_batch_commit(batch, NULL, &change->written, err);
    }
    varve_cursor_close(cursor);
    varve_batch_free(batch);
    return status;
}

#endif
