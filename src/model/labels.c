/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and label sets: checks, order, identity, print.
 *
 * L1  The checks stand at the doors (resolve, selections, stored identities); behind them every
 *     name is legal and every label set is sorted without duplicates.
 * L2  The identity is injective: two series with the same bytes are the same series. Each part
 *     carries its size, and sizes fit 16 bits because of L1.
 * L3  The hash of an identity is the hash of its bytes, whether or not they were ever laid out.
 */
#include "model/labels.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/utf8.h"
#include "model/selector.h"

_Static_assert(VV_METRIC_BYTES_MAX <= UINT16_MAX && VV_LABEL_NAME_BYTES_MAX <= UINT16_MAX &&
                   VV_LABEL_VALUE_BYTES_MAX <= UINT16_MAX,
               "sizes in an identity have 16 bits");

/* ---- checks ---- */

static varve_status labels_check_utf8(const char *what, varve_text text, varve_error *out_err)
{
    size_t valid = vv_utf8_valid_prefix(text);
    if (valid < text.size) {
        return vv_fail(out_err, VARVE_E_INVALID, "%s is not UTF-8 at byte %zu", what, valid + 1);
    }
    return VARVE_OK;
}

static varve_status labels_check_name(const char *what, varve_text name, size_t size_max,
                                      varve_error *out_err)
{
    if (name.size == 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "%s must be non-empty", what);
    }
    if (name.size > size_max) {
        return vv_fail(out_err, VARVE_E_INVALID, "%s too long: %zu bytes, max %zu", what, name.size,
                       size_max);
    }
    return labels_check_utf8(what, name, out_err);
}

varve_status vv_metric_check(varve_text metric, varve_error *out_err)
{
    if (metric.size == 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "metric name is required");
    }
    return labels_check_name("metric name", metric, VV_METRIC_BYTES_MAX, out_err);
}

varve_status vv_field_name_check(varve_text name, varve_error *out_err)
{
    return labels_check_name("field name", name, VV_FIELD_NAME_BYTES_MAX, out_err);
}

varve_status vv_label_name_check(varve_text name, varve_error *out_err)
{
    return labels_check_name("label name", name, VV_LABEL_NAME_BYTES_MAX, out_err);
}

static varve_status labels_check_value(const varve_label *label, varve_error *out_err)
{
    varve_status status = VARVE_OK;
    if (label->value.size > VV_LABEL_VALUE_BYTES_MAX) {
        status = vv_fail(out_err, VARVE_E_INVALID, "value too long: %zu bytes, max %d",
                         label->value.size, VV_LABEL_VALUE_BYTES_MAX);
    } else {
        status = labels_check_utf8("value", label->value, out_err);
    }
    if (status != VARVE_OK) {
        vv_error_prefix(out_err, "label '%.*s'", VV_TEXT_ARGS(label->name));
    }
    return status;
}

varve_status vv_labels_check(const varve_label *labels, size_t count, varve_error *out_err)
{
    if (count > VV_LABELS_MAX) {
        return vv_fail(out_err, VARVE_E_INVALID, "too many labels: %zu, max %d", count,
                       VV_LABELS_MAX);
    }
    for (size_t index = 1; index < count; index++) {
        int order = vv_text_compare(labels[index - 1].name, labels[index].name);
        VV_ASSERT(order <= 0);
        if (order == 0) {
            return vv_fail(out_err, VARVE_E_INVALID, "duplicate label '%.*s'",
                           VV_TEXT_ARGS(labels[index].name));
        }
    }
    for (size_t index = 0; index < count; index++) {
        VV_TRY(vv_label_name_check(labels[index].name, out_err));
        VV_TRY(labels_check_value(&labels[index], out_err));
    }
    return VARVE_OK;
}

bool vv_metric_is_internal(varve_text metric)
{
    return vv_text_starts_with(metric, VV_TEXT(VV_INTERNAL_PREFIX));
}

/* ---- order ---- */

bool vv_labels_are_sorted(const varve_label *labels, size_t count)
{
    for (size_t index = 1; index < count; index++) {
        if (vv_text_compare(labels[index - 1].name, labels[index].name) >= 0) {
            return false;
        }
    }
    return true;
}

static int labels_compare_one(const varve_label *a, const varve_label *b)
{
    int order = vv_text_compare(a->name, b->name);
    return order != 0 ? order : vv_text_compare(a->value, b->value);
}

/* Real sets have about ten labels, mostly in order already, where insertion is best; the bound on
 * their number keeps its worst case at some 30 000 steps. */
void vv_labels_sort(varve_label *labels, size_t count)
{
    for (size_t index = 1; index < count; index++) {
        varve_label label = labels[index];
        size_t position = index;
        while (position > 0 && labels_compare_one(&label, &labels[position - 1]) < 0) {
            labels[position] = labels[position - 1];
            position--;
        }
        labels[position] = label;
    }
}

int vv_labels_compare(const varve_label *a, size_t a_count, const varve_label *b, size_t b_count)
{
    size_t common = a_count < b_count ? a_count : b_count;
    for (size_t index = 0; index < common; index++) {
        int order = labels_compare_one(&a[index], &b[index]);
        if (order != 0) {
            return order;
        }
    }
    return (a_count > b_count) - (a_count < b_count);
}

bool vv_labels_find(const varve_label *labels, size_t count, varve_text name, varve_text *out_value)
{
    size_t first = 0;
    size_t end = count;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        int order = vv_text_compare(labels[middle].name, name);
        if (order == 0) {
            *out_value = labels[middle].value;
            return true;
        }
        if (order < 0) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return false;
}

/* ---- identity ---- */

size_t vv_series_identity_size(varve_text metric, const varve_label *labels, size_t count)
{
    size_t size = 2 + metric.size;
    for (size_t index = 0; index < count; index++) {
        size += 2 + labels[index].name.size + 2 + labels[index].value.size;
    }
    return size;
}

static void labels_write_part(vv_buf *buf, varve_text text)
{
    vv_buf_append_u16(buf, (uint16_t)text.size); /* L1: it fits */
    vv_buf_append_text(buf, text);
}

varve_status vv_series_identity_write(vv_buf *buf, varve_text metric, const varve_label *labels,
                                      size_t count)
{
    labels_write_part(buf, metric);
    for (size_t index = 0; index < count; index++) {
        labels_write_part(buf, labels[index].name);
        labels_write_part(buf, labels[index].value);
    }
    return buf->status;
}

/* Pieces are gathered so that a usual identity (a few hundred bytes) is hashed in one call; what
 * does not fit goes through the stream. Both give the hash of the same bytes (L3). */
#define LABELS_GATHER_BYTES 1024u

typedef struct labels_hasher {
    uint64_t seed;
    size_t used; /* bytes gathered */
    bool is_streaming;
    uint8_t gathered[LABELS_GATHER_BYTES];
    vv_hash_stream stream;
} labels_hasher;

static void labels_hash_spill(labels_hasher *hasher, const void *bytes, size_t size)
{
    if (!hasher->is_streaming) {
        vv_hash_stream_init(&hasher->stream, hasher->seed);
        hasher->is_streaming = true;
    }
    vv_hash_stream_add(&hasher->stream, hasher->gathered, hasher->used);
    vv_hash_stream_add(&hasher->stream, bytes, size);
    hasher->used = 0;
}

static void labels_hash_part(labels_hasher *hasher, varve_text text)
{
    uint16_t size = (uint16_t)text.size;
    if (sizeof size > LABELS_GATHER_BYTES - hasher->used) {
        labels_hash_spill(hasher, NULL, 0);
    }
    memcpy(hasher->gathered + hasher->used, &size, sizeof size);
    hasher->used += sizeof size;
    if (text.size > LABELS_GATHER_BYTES - hasher->used) {
        labels_hash_spill(hasher, text.data, text.size);
    } else if (text.size > 0) {
        memcpy(hasher->gathered + hasher->used, text.data, text.size);
        hasher->used += text.size;
    }
}

uint64_t vv_series_identity_hash(varve_text metric, const varve_label *labels, size_t count,
                                 uint64_t seed)
{
    VV_NOT_CLEARED labels_hasher hasher; /* larger than what it hashes */
    hasher.seed = seed;
    hasher.used = 0;
    hasher.is_streaming = false;
    labels_hash_part(&hasher, metric);
    for (size_t index = 0; index < count; index++) {
        labels_hash_part(&hasher, labels[index].name);
        labels_hash_part(&hasher, labels[index].value);
    }
    if (!hasher.is_streaming) {
        return vv_hash64(hasher.gathered, hasher.used, seed);
    }
    labels_hash_spill(&hasher, NULL, 0);
    return vv_hash_stream_end64(&hasher.stream);
}

static varve_text labels_read_part(vv_reader *reader)
{
    uint16_t size = vv_reader_u16(reader);
    return vv_reader_text(reader, size);
}

/* How many labels follow the metric; the reader ends bad when the bytes are no list of parts. */
static size_t labels_count_parts(vv_reader reader)
{
    size_t count = 0;
    labels_read_part(&reader);
    while (vv_reader_left(&reader) > 0) {
        labels_read_part(&reader);
        labels_read_part(&reader);
        count++;
    }
    return count;
}

static varve_status labels_check_read(varve_text metric, const varve_label *labels, size_t count,
                                      varve_error *out_err)
{
    varve_error why;
    varve_status status = vv_metric_check(metric, &why);
    if (status == VARVE_OK && !vv_labels_are_sorted(labels, count)) {
        status = vv_fail(&why, VARVE_E_INVALID, "labels are not in order");
    }
    if (status == VARVE_OK) {
        status = vv_labels_check(labels, count, &why);
    }
    if (status != VARVE_OK) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "series identity: %s", why.message);
    }
    return VARVE_OK;
}

varve_status vv_series_identity_read(vv_bytes bytes, vv_arena *arena, varve_text *out_metric,
                                     const varve_label **out_labels, size_t *out_count,
                                     varve_error *out_err)
{
    *out_labels = NULL;
    vv_reader reader = vv_reader_of(bytes.data, bytes.size);
    size_t count = labels_count_parts(reader);
    if (count > VV_LABELS_MAX) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "series identity: %zu labels, max %d", count,
                       VV_LABELS_MAX);
    }
    varve_text metric = labels_read_part(&reader);
    varve_label *labels = vv_arena_array(arena, count, sizeof *labels);
    if (labels == NULL) {
        return vv_arena_fail(arena, count * sizeof *labels, out_err);
    }
    for (size_t index = 0; index < count; index++) {
        labels[index].name = labels_read_part(&reader);
        labels[index].value = labels_read_part(&reader);
    }
    if (!vv_reader_is_done(&reader)) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "series identity: %zu bytes end inside a part",
                       bytes.size);
    }
    VV_TRY(labels_check_read(metric, labels, count, out_err));
    *out_metric = metric;
    *out_labels = labels;
    *out_count = count;
    return VARVE_OK;
}

/* ---- print ---- */

static bool labels_is_bare(varve_text name)
{
    for (size_t index = 0; index < name.size; index++) {
        if (!vv_selector_is_bare((uint8_t)name.data[index])) {
            return false;
        }
    }
    return name.size > 0;
}

static void labels_print_byte(vv_buf *buf, uint8_t byte)
{
    switch (byte) {
    case '"':
        vv_buf_append_text(buf, VV_TEXT("\\\""));
        break;
    case '\\':
        vv_buf_append_text(buf, VV_TEXT("\\\\"));
        break;
    case '\n':
        vv_buf_append_text(buf, VV_TEXT("\\n"));
        break;
    case '\r':
        vv_buf_append_text(buf, VV_TEXT("\\r"));
        break;
    case '\t':
        vv_buf_append_text(buf, VV_TEXT("\\t"));
        break;
    default:
        if (byte < 0x20 || byte == 0x7F) {
            vv_buf_append_format(buf, "\\x%02x", byte);
        } else {
            vv_buf_append_u8(buf, byte);
        }
        break;
    }
}

varve_status vv_selector_quote(vv_buf *buf, varve_text text)
{
    vv_buf_append_char(buf, '"');
    for (size_t index = 0; index < text.size; index++) {
        labels_print_byte(buf, (uint8_t)text.data[index]);
    }
    return vv_buf_append_char(buf, '"');
}

static void labels_print_name(vv_buf *buf, varve_text name)
{
    if (labels_is_bare(name)) {
        vv_buf_append_text(buf, name);
    } else {
        vv_selector_quote(buf, name);
    }
}

varve_status vv_series_print(vv_buf *buf, varve_text metric, const varve_label *labels,
                             size_t count)
{
    bool is_bare = labels_is_bare(metric);
    bool has_braces = !is_bare || count > 0;
    if (is_bare) {
        vv_buf_append_text(buf, metric);
    }
    if (has_braces) {
        vv_buf_append_char(buf, '{');
    }
    if (!is_bare) {
        vv_selector_quote(buf, metric);
    }
    for (size_t index = 0; index < count; index++) {
        if (index > 0 || !is_bare) {
            vv_buf_append_char(buf, ',');
        }
        labels_print_name(buf, labels[index].name);
        vv_buf_append_char(buf, '=');
        vv_selector_quote(buf, labels[index].value);
    }
    return has_braces ? vv_buf_append_char(buf, '}') : buf->status;
}
