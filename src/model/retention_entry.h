/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_MODEL_RETENTION_ENTRY_H
#define VV_MODEL_RETENTION_ENTRY_H

/*
 * How long the rows of one scope are kept, as log and manifest have it. A scope is one metric, or
 * the database: every metric that was never a scope of its own.
 *
 *   varint bytes | metric | u8 flags | varint window, varint hot window | zigzag recorded cut
 *                                      with flag 1                        with flag 4
 *
 *   Z1  A recorded cut never falls: what lies before it may be gone.
 *   Z2  A scope without a rule follows that of the database; its recorded cut stays its own.
 */

#include "base/buf.h"
#include "base/reader.h"
#include "varve.h"

/* No row was cut. */
#define VV_RETENTION_NONE INT64_MIN

enum {
    /* The database and the metrics with retention of their own. Arbitrary: the table is copied
     * with each change, 4 MiB when it is full. */
    VV_RETENTION_SCOPES_MAX = 1 << 16
};

typedef struct vv_retention_entry {
    varve_text metric; /* empty: the database */
    bool has_rule;     /* the two windows and is_enforced count */
    bool is_enforced;
    int64_t window;     /* 0: for ever */
    int64_t hot_window; /* 0: never moved */
    int64_t recorded;   /* rows before it are gone, or may be; VV_RETENTION_NONE */
} vv_retention_entry;

/** Append an entry; a failure stays in the buffer. */
void vv_retention_entry_encode(const vv_retention_entry *entry, vv_buf *out);
/** Read one; what makes no sense spoils the reader. The name is borrowed from its bytes. */
VV_UNTRUSTED void vv_retention_entry_decode(vv_reader *reader, vv_retention_entry *out_entry);

/** What an entry of a later record makes of an earlier one (Z1). A record of cuts alone leaves the
 *  rule. */
void vv_retention_entry_apply(vv_retention_entry *entry, const vv_retention_entry *later,
                              bool sets_rule);

#endif
