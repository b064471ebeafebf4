/* SPDX-License-Identifier: Apache-2.0 */

/*
 * See the header. Strings of a row point into the chunk of the body that holds them, which is gone
 * before the batch is committed: they are copied into an arena that is emptied with the batch.
 *
 * G1  A batch is committed at batch_rows_max rows or batch_bytes bytes, and at the end of the body.
 * G2  The index of a rejected row is the number of rows added before it, hence `lines`.
 */

#include "server/ingest.h"

#include <string.h>

#include "base/status.h"

/* Rejected rows of one commit that are looked at; only the first is told. */
#define INGEST_REJECTED_MAX 16u

varve_status vv_ingest_init(vv_ingest *ingest, vv_server *server, varve_error *out_err)
{
    *ingest = (vv_ingest){.server = server};
    vv_alloc *alloc = &server->alloc;
    /* Copies of strings are part of what batch_bytes counts, so the arena needs little more. */
    vv_arena_init(&ingest->arena, alloc, SIZE_MAX);
    vv_buf_init(&ingest->lines, alloc, SIZE_MAX);
    vv_buf_init(&ingest->memo_names, alloc, SIZE_MAX);
    vv_vec_init(&ingest->fields, alloc, sizeof(varve_field), SIZE_MAX);
    vv_vec_init(&ingest->values, alloc, sizeof(varve_value), SIZE_MAX);
    return varve_batch_create(server->db, &ingest->batch, out_err);
}

void vv_ingest_deinit(vv_ingest *ingest)
{
    varve_batch_free(ingest->batch);
    ingest->batch = NULL;
    vv_arena_deinit(&ingest->arena);
    vv_buf_deinit(&ingest->lines);
    vv_buf_deinit(&ingest->memo_names);
    vv_vec_deinit(&ingest->fields);
    vv_vec_deinit(&ingest->values);
}

void vv_ingest_reject(vv_ingest *ingest, uint64_t line, uint64_t count, const varve_error *err)
{
    if (ingest->rejected == 0 || line < ingest->first_line) {
        ingest->first_line = line;
        ingest->first_err = *err;
    }
    ingest->rejected += count;
}

/* ---- series ---- */

static varve_status ingest_check_series(varve_text metric, const varve_label *labels,
                                        size_t label_count, varve_error *out_err)
{
    if (metric.size > VV_INGEST_METRIC_BYTES_MAX) {
        return vv_fail(out_err, VARVE_E_LIMIT, "a metric of %zu bytes; at most %u", metric.size,
                       VV_INGEST_METRIC_BYTES_MAX);
    }
    if (label_count > VV_INGEST_LABELS_MAX) {
        return vv_fail(out_err, VARVE_E_LIMIT, "%zu labels; at most %u", label_count,
                       VV_INGEST_LABELS_MAX);
    }
    size_t bytes = metric.size;
    for (size_t index = 0; index < label_count; index++) {
        if (labels[index].value.size > VV_INGEST_VALUE_BYTES_MAX) {
            return vv_fail(out_err, VARVE_E_LIMIT, "label \"%.*s\" has %zu bytes; at most %u",
                           VV_TEXT_ARGS(vv_text_sub(labels[index].name, 0, 64)),
                           labels[index].value.size, VV_INGEST_VALUE_BYTES_MAX);
        }
        bytes += labels[index].name.size + labels[index].value.size;
    }
    return bytes <= VV_INGEST_KEY_BYTES_MAX
               ? VARVE_OK
               : vv_fail(out_err, VARVE_E_LIMIT, "metric and labels have %zu bytes; at most %u",
                         bytes, VV_INGEST_KEY_BYTES_MAX);
}

varve_status vv_ingest_series(vv_server *server, varve_text metric, const varve_label *labels,
                              size_t label_count, varve_series *out_series, varve_error *out_err)
{
    VV_TRY(ingest_check_series(metric, labels, label_count, out_err));
    return varve_series_resolve(server->db, metric, labels, label_count, 0, out_series, out_err);
}

/* ---- fields ---- */

static void ingest_remember(vv_ingest *ingest, size_t place, varve_text name, varve_field field)
{
    if (place != ingest->memo_count || place == VV_INGEST_MEMO_FIELDS) {
        return;
    }
    size_t offset = ingest->memo_names.size;
    if (vv_buf_append_text(&ingest->memo_names, name) != VARVE_OK) {
        ingest->memo_names.status = VARVE_OK; /* works without */
        return;
    }
    ingest->memo[place].offset = offset;
    ingest->memo[place].size = name.size;
    ingest->memo[place].field = field;
    ingest->memo_count += 1;
}

static varve_status ingest_field(vv_ingest *ingest, size_t place, varve_text name,
                                 varve_field *out_field, varve_error *out_err)
{
    if (place < ingest->memo_count) {
        varve_text known =
            vv_text_make((const char *)ingest->memo_names.data + ingest->memo[place].offset,
                         ingest->memo[place].size);
        if (vv_text_equal(known, name)) {
            *out_field = ingest->memo[place].field;
            return VARVE_OK;
        }
    }
    if (!vv_name_cache_find(&ingest->server->fields, name, &out_field->id)) {
        VV_TRY(varve_field_resolve(ingest->server->db, name, out_field, out_err));
        vv_name_cache_put(&ingest->server->fields, name, out_field->id);
    }
    ingest_remember(ingest, place, name, *out_field);
    return VARVE_OK;
}

/* ---- rows ---- */

static varve_status ingest_copy_bytes(vv_ingest *ingest, varve_value *value, varve_error *out_err)
{
    if (value->type != VARVE_TYPE_STRING && value->type != VARVE_TYPE_BYTES) {
        return VARVE_OK;
    }
    varve_text copy;
    if (vv_arena_copy(&ingest->arena, value->as.bytes, &copy) != VARVE_OK) {
        return vv_arena_fail(&ingest->arena, value->as.bytes.size, out_err);
    }
    value->as.bytes = copy;
    ingest->batch_bytes += copy.size;
    return VARVE_OK;
}

/** Whether a failure is about the row alone. */
static bool ingest_is_of_row(varve_status status)
{
    return status == VARVE_E_INVALID || status == VARVE_E_LIMIT || status == VARVE_E_CONFLICT ||
           status == VARVE_E_UNSUPPORTED;
}

static varve_status ingest_gather(vv_ingest *ingest, const varve_text *names,
                                  const varve_value *values, size_t count, size_t stride,
                                  varve_error *out_err)
{
    vv_vec_clear(&ingest->fields);
    vv_vec_clear(&ingest->values);
    for (size_t index = 0; index < count; index++) {
        varve_value value = values[index * stride];
        if (value.type == VARVE_TYPE_NONE) {
            continue;
        }
        varve_field field;
        VV_TRY(ingest_field(ingest, index, names[index], &field, out_err));
        VV_TRY(ingest_copy_bytes(ingest, &value, out_err));
        if (vv_vec_push(&ingest->fields, &field) != VARVE_OK ||
            vv_vec_push(&ingest->values, &value) != VARVE_OK) {
            return vv_fail_nomem(out_err, "a row", count * sizeof value);
        }
    }
    return VARVE_OK;
}

static varve_status ingest_add(vv_ingest *ingest, varve_series series, int64_t timestamp,
                               uint64_t line, varve_error *out_err)
{
    if (vv_buf_reserve(&ingest->lines, sizeof line) != VARVE_OK) {
        return vv_buf_check(&ingest->lines, out_err);
    }
    varve_row row = {.series = series,
                     .timestamp = timestamp,
                     .fields = VV_VEC_ITEMS(&ingest->fields, const varve_field),
                     .values = VV_VEC_ITEMS(&ingest->values, const varve_value),
                     .count = ingest->fields.count};
    VV_TRY(varve_batch_row(ingest->batch, &row, out_err));
    VV_IGNORE(vv_buf_append_u64(&ingest->lines, line)); /* reserved above */
    ingest->batch_rows += 1;
    ingest->batch_bytes += 16 + 16 * ingest->fields.count;
    return VARVE_OK;
}

varve_status vv_ingest_row(vv_ingest *ingest, varve_series series, int64_t timestamp,
                           const varve_text *names, const varve_value *values, size_t count,
                           size_t stride, uint64_t line, varve_error *out_err)
{
    varve_error err;
    varve_status status = ingest_gather(ingest, names, values, count, stride, &err);
    if (status == VARVE_OK && ingest->fields.count == 0) {
        return VARVE_OK; /* all null: no row */
    }
    if (status == VARVE_OK) {
        status = ingest_add(ingest, series, timestamp, line, &err);
    }
    if (ingest_is_of_row(status)) {
        vv_ingest_reject(ingest, line, 1, &err);
        return VARVE_OK;
    }
    if (status != VARVE_OK) {
        if (out_err != NULL) {
            *out_err = err;
        }
        return status;
    }
    bool is_full = ingest->batch_rows >= ingest->server->options.batch_rows_max ||
                   ingest->batch_bytes >= ingest->server->options.batch_bytes;
    return is_full ? vv_ingest_flush(ingest, out_err) : VARVE_OK;
}

/* ---- commit ---- */

static void ingest_note_rejected(vv_ingest *ingest, const varve_rejected *rejected, uint64_t count)
{
    varve_error err;
    uint64_t line = 0;
    if (rejected->row < ingest->lines.size / sizeof line) {
        memcpy(&line, ingest->lines.data + rejected->row * sizeof line, sizeof line);
    }
    varve_text name;
    if (rejected->field.id != 0 &&
        varve_field_name(ingest->server->db, rejected->field, &name, NULL) == VARVE_OK) {
        vv_fail(&err, rejected->status, "field \"%.*s\": %s", VV_TEXT_ARGS(name),
                rejected->status == VARVE_E_INVALID ? "its type differs from what is stored"
                                                    : varve_status_text(rejected->status));
    } else {
        vv_fail(&err, rejected->status, "the row cannot be stored: %s",
                varve_status_text(rejected->status));
    }
    vv_ingest_reject(ingest, line, count, &err);
}

static void ingest_empty(vv_ingest *ingest)
{
    varve_batch_clear(ingest->batch);
    vv_arena_reset(&ingest->arena);
    vv_buf_reset(&ingest->lines);
    ingest->batch_rows = 0;
    ingest->batch_bytes = 0;
}

varve_status vv_ingest_flush(vv_ingest *ingest, varve_error *out_err)
{
    if (ingest->batch_rows == 0) {
        return VARVE_OK;
    }
    varve_rejected rejected[INGEST_REJECTED_MAX];
    varve_write_options options;
    varve_write_options_init(&options);
    options.flags = VARVE_WRITE_SKIP_REJECTED;
    options.rejected = rejected;
    options.rejected_capacity = INGEST_REJECTED_MAX;
    varve_written written;
    varve_written_init(&written);
    VV_TRY(varve_batch_commit(ingest->batch, &options, &written, out_err));
    ingest->rows += written.rows;
    if (written.rows_rejected > 0) {
        ingest_note_rejected(ingest, &rejected[0], written.rows_rejected);
    }
    if (ingest->ack == VARVE_ACK_NONE || written.ack < ingest->ack) {
        ingest->ack = written.ack;
    }
    ingest_empty(ingest);
    return VARVE_OK;
}

const char *vv_ingest_ack_text(const vv_ingest *ingest)
{
    switch (ingest->ack) {
    case VARVE_ACK_APPENDED:
        return "APPENDED";
    case VARVE_ACK_VOLATILE:
        return "VOLATILE";
    default: /* nothing that was stored can be lost */
        return "DURABLE";
    }
}
