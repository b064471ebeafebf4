/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WAL_PAYLOAD_H
#define VV_WAL_PAYLOAD_H

/*
 * Payloads of SERIES, ROWS, TOMBSTONE, POLICY and RINGPAGE records: how a batch lies in the log.
 *
 * A log defines the ids it uses. An id is defined by a SERIES record (series: metric and labels;
 * fields: name) that precedes its first use in the log since log_start; the reader maps log ids to
 * its catalogue. Every record that is built here is a payload without the 8 bytes of first sequence
 * that the log adds.
 */

#include "base/arena.h"
#include "base/buf.h"
#include "model/retention_entry.h"
#include "model/rows.h"
#include "model/selection.h"

enum {
    VV_PAYLOAD_RUN_ROWS_MAX = 1 << 20 /* rows of one run (arbitrary: 16 MiB of times and values) */
};

/** A definition; kind 0: series with metric and labels, 1: field (metric is its name). */
typedef struct vv_wal_definition {
    uint32_t id;
    uint32_t kind;
    varve_text metric;
    const varve_label *labels;
    size_t label_count;
} vv_wal_definition;

VV_MUST_CHECK varve_status vv_payload_add_definition(vv_buf *payload,
                                                     const vv_wal_definition *definition,
                                                     varve_error *out_err);
/** Append a run; one ROWS payload holds any number of runs, rows numbered through in order.
 *  E_LIMIT above VV_PAYLOAD_RUN_ROWS_MAX rows. A failure leaves the payload as it was. */
VV_MUST_CHECK varve_status vv_payload_add_run(vv_buf *payload, const vv_run *run,
                                              varve_error *out_err);
VV_MUST_CHECK varve_status vv_payload_tombstone(vv_buf *payload, varve_range range,
                                                const vv_selection *selection,
                                                varve_error *out_err);
/** The other form of a TOMBSTONE: these rows, at least one, ascending and distinct. A failure
 * leaves the payload as it was. */
VV_MUST_CHECK varve_status vv_payload_row_tombstone(vv_buf *payload, const vv_row_address *rows,
                                                    size_t count, varve_error *out_err);
VV_MUST_CHECK varve_status vv_payload_policy(vv_buf *payload, varve_text metric,
                                             uint32_t duplicates, bool has_row_ids,
                                             varve_error *out_err);

/** What the first byte of a POLICY payload says it is. */
typedef enum vv_policy_kind {
    VV_POLICY_METRIC = 1,
    VV_POLICY_RETENTION = 2, /* the rule of one scope, and its recorded cut */
    VV_POLICY_ROLLUPS = 4,   /* a set of rollups follows: engine/rollup_set.h */
    VV_POLICY_CUTS = 5       /* recorded cuts of one scope or several; rules stay */
} vv_policy_kind;

/** RETENTION has one entry, CUTS any number above 0, all with a cut and without a rule. */
VV_MUST_CHECK varve_status vv_payload_retention(vv_buf *payload, vv_policy_kind kind,
                                                const vv_retention_entry *entries, size_t count,
                                                varve_error *out_err);

/** A page of a ring file as it is going to be. */
typedef struct vv_wal_ring_page {
    uint64_t file_id;
    uint64_t number; /* of the page in its file */
    vv_bytes image;
} vv_wal_ring_page;

VV_MUST_CHECK varve_status vv_payload_ring_page(vv_buf *payload, const vv_wal_ring_page *page,
                                                varve_error *out_err);

/* Reading back: bytes have passed their CRC and are still not trusted. Every reader walks a payload
 * item by item; texts point into the payload, arrays lie in the arena. *out_more false: the end. */
typedef struct vv_payload_reader {
    vv_bytes left;
} vv_payload_reader;
void vv_payload_reader_init(vv_payload_reader *reader, vv_bytes payload);
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_payload_next_definition(vv_payload_reader *reader,
                                                                   vv_arena *arena,
                                                                   vv_wal_definition *out,
                                                                   bool *out_more,
                                                                   varve_error *out_err);
/** Runs hold log ids in series and fields. A vector is given as it lies in the log: count is what
 *  the writer said (the head of the vector says it too), its columns name the log ids of fields. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_payload_next_run(vv_payload_reader *reader,
                                                            vv_arena *arena, vv_run *out_run,
                                                            bool *out_more, varve_error *out_err);
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_payload_read_tombstone(vv_bytes payload, vv_alloc *alloc,
                                                                  varve_range *out_range,
                                                                  vv_selection **out_selection,
                                                                  varve_error *out_err);
/** Whether a TOMBSTONE is about rows one by one; the other function reads it then. */
bool vv_payload_is_row_tombstone(vv_bytes payload);
/** A walk over its rows: log ids of series, ascending. Begins zeroed but for the bytes. */
typedef struct vv_payload_row_walk {
    vv_bytes left;
    bool has_begun;
    uint64_t series_rows; /* of the present series still to come */
    vv_row_address row;   /* the last one */
} vv_payload_row_walk;
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_payload_next_row(vv_payload_row_walk *walk,
                                                            vv_row_address *out_row, bool *out_more,
                                                            varve_error *out_err);
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_payload_read_policy(vv_bytes payload,
                                                               varve_text *out_metric,
                                                               uint32_t *out_duplicates,
                                                               bool *out_has_row_ids,
                                                               varve_error *out_err);
/** The image points into the payload; its size and content are its reader's business. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_payload_read_ring_page(vv_bytes payload,
                                                                  vv_wal_ring_page *out_page,
                                                                  varve_error *out_err);

/** The kind of a POLICY payload, as it stands there; 0: it is empty. */
VV_UNTRUSTED unsigned vv_payload_policy_kind(vv_bytes payload);
/** Entries of RETENTION or CUTS; names point into the payload, the array lies in the arena.
 *  E_UNSUPPORTED: it is of another kind. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_payload_read_retention(vv_bytes payload, vv_arena *arena,
                                                                  vv_retention_entry **out_entries,
                                                                  size_t *out_count,
                                                                  varve_error *out_err);

#endif
