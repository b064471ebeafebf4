/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Retention of one scope to bytes and back (see retention_entry.h).
 */

#include "model/retention_entry.h"

#include "model/labels.h"
#include "model/rows.h"

enum {
    RETENTION_RULE = 1, /* flags */
    RETENTION_ENFORCED = 2,
    RETENTION_CUT = 4
};

void vv_retention_entry_encode(const vv_retention_entry *entry, vv_buf *out)
{
    bool has_cut = entry->recorded != VV_RETENTION_NONE;
    unsigned flags = (entry->has_rule ? (unsigned)RETENTION_RULE : 0) |
                     (entry->has_rule && entry->is_enforced ? (unsigned)RETENTION_ENFORCED : 0) |
                     (has_cut ? (unsigned)RETENTION_CUT : 0);
    (void)vv_buf_append_varint(out, entry->metric.size);
    (void)vv_buf_append_text(out, entry->metric);
    (void)vv_buf_append_u8(out, (uint8_t)flags);
    if (entry->has_rule) {
        (void)vv_buf_append_varint(out, (uint64_t)entry->window);
        (void)vv_buf_append_varint(out, (uint64_t)entry->hot_window);
    }
    if (has_cut) {
        (void)vv_buf_append_zigzag(out, entry->recorded);
    }
}

void vv_retention_entry_decode(vv_reader *reader, vv_retention_entry *out_entry)
{
    vv_retention_entry entry = {.recorded = VV_RETENTION_NONE};
    size_t size = (size_t)vv_reader_varint_max(reader, VV_METRIC_BYTES_MAX);
    entry.metric = vv_reader_text(reader, size);
    unsigned flags = vv_reader_u8(reader);
    entry.has_rule = (flags & RETENTION_RULE) != 0;
    entry.is_enforced = (flags & RETENTION_ENFORCED) != 0;
    if (entry.has_rule) {
        entry.window = (int64_t)vv_reader_varint_max(reader, INT64_MAX);
        entry.hot_window = (int64_t)vv_reader_varint_max(reader, INT64_MAX);
    }
    if ((flags & RETENTION_CUT) != 0) {
        entry.recorded = vv_reader_zigzag(reader);
        if (entry.recorded == VV_RETENTION_NONE) {
            vv_reader_spoil(reader); /* one way to say each thing */
        }
    }
    bool is_internal = !vv_reader_is_bad(reader) && vv_metric_is_internal(entry.metric);
    if (flags > (RETENTION_RULE | RETENTION_ENFORCED | RETENTION_CUT) ||
        (entry.is_enforced && !entry.has_rule) || is_internal) {
        vv_reader_spoil(reader);
    }
    *out_entry = entry;
}

void vv_retention_entry_apply(vv_retention_entry *entry, const vv_retention_entry *later,
                              bool sets_rule)
{
    if (sets_rule) {
        entry->has_rule = later->has_rule;
        entry->is_enforced = later->is_enforced;
        entry->window = later->window;
        entry->hot_window = later->hot_window;
    }
    if (later->recorded > entry->recorded) {
        entry->recorded = later->recorded;
    }
}
