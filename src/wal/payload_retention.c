/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POLICY payloads of retention: the rule of a scope, and recorded cuts (model/retention_entry.h).
 *
 *   u8 kind | entry | entry ...
 */
#include "base/assert.h"
#include "base/status.h"
#include "wal/payload.h"

enum { PAYLOAD_ENTRY_BYTES_MIN = 2 /* an empty name, flags */ };

static bool payload_entry_fits(vv_policy_kind kind, const vv_retention_entry *entry)
{
    return kind == VV_POLICY_RETENTION ||
           (!entry->has_rule && entry->recorded != VV_RETENTION_NONE);
}

varve_status vv_payload_retention(vv_buf *payload, vv_policy_kind kind,
                                  const vv_retention_entry *entries, size_t count,
                                  varve_error *out_err)
{
    VV_ASSERT(count > 0 && (kind == VV_POLICY_CUTS || count == 1));
    size_t size_before = payload->size;
    (void)vv_buf_append_u8(payload, (uint8_t)kind);
    for (size_t i = 0; i < count; i++) {
        VV_ASSERT(payload_entry_fits(kind, &entries[i]));
        vv_retention_entry_encode(&entries[i], payload);
    }
    varve_status status = vv_buf_check(payload, out_err);
    if (status != VARVE_OK) {
        payload->status = VARVE_OK; /* Y1 of payload.c */
        vv_buf_truncate(payload, size_before);
    }
    return status;
}

unsigned vv_payload_policy_kind(vv_bytes payload)
{
    vv_reader reader = vv_reader_of(payload.data, payload.size);
    return vv_reader_u8(&reader); /* 0 when there is none */
}

varve_status vv_payload_read_retention(vv_bytes payload, vv_arena *arena,
                                       vv_retention_entry **out_entries, size_t *out_count,
                                       varve_error *out_err)
{
    *out_entries = NULL;
    *out_count = 0;
    vv_reader reader = vv_reader_of(payload.data, payload.size);
    vv_policy_kind kind = (vv_policy_kind)vv_reader_u8(&reader);
    if (kind != VV_POLICY_RETENTION && kind != VV_POLICY_CUTS) {
        return vv_fail(out_err, VARVE_E_UNSUPPORTED,
                       "the log holds a policy of kind %u, which needs a newer varve",
                       (unsigned)kind);
    }
    size_t capacity =
        kind == VV_POLICY_CUTS ? vv_reader_left(&reader) / PAYLOAD_ENTRY_BYTES_MIN : 1;
    capacity = capacity < VV_RETENTION_SCOPES_MAX ? capacity : (size_t)VV_RETENTION_SCOPES_MAX;
    vv_retention_entry *entries = vv_arena_array(arena, capacity, sizeof *entries);
    if (entries == NULL) {
        return vv_arena_fail(arena, capacity * sizeof *entries, out_err);
    }
    size_t count = 0;
    while (vv_reader_left(&reader) > 0 && count < capacity) {
        vv_retention_entry_decode(&reader, &entries[count]);
        if (!payload_entry_fits(kind, &entries[count])) {
            vv_reader_spoil(&reader);
        }
        count++;
    }
    if (count == 0 || !vv_reader_is_done(&reader)) {
        return vv_fail(out_err, VARVE_E_CORRUPT,
                       "a retention of %zu bytes in the log makes no sense", payload.size);
    }
    *out_entries = entries;
    *out_count = count;
    return VARVE_OK;
}
