/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_SEGMENT_TABLES_PRIV_H
#define VV_SEGMENT_TABLES_PRIV_H

/*
 * The tables and the chunk index of an open segment: parsed and checked once, immutable, in one
 * arena.
 */

#include "base/arena.h"
#include "base/reader.h"
#include "model/rows.h"
#include "segment/layout_priv.h"
#include "segment/segment.h"

/* A section in memory. */
typedef struct vv_section {
    const char *path; /* for messages */
    uint32_t kind;
    uint64_t offset;  /* of its first frame in the file */
    vv_bytes payload; /* lives as long as the segment; size 0: the file has none */
} vv_section;

typedef struct vv_schema_entry {
    uint32_t field; /* index in the field table */
    uint32_t type;
} vv_schema_entry;

typedef struct vv_segment_tables {
    uint32_t field_count;
    uint32_t *field_ids; /* ascending */
    varve_text *field_names;

    uint32_t schema_count;
    uint32_t *schema_begins; /* schema_count + 1, into schema_entries */
    vv_schema_entry *schema_entries;

    uint32_t metric_count;
    varve_text *metrics;
    uint32_t *metric_begins; /* metric_count + 1: first series of each */

    uint32_t name_count;
    varve_text *names;
    uint32_t label_count;   /* label numbers are 0 .. label_count - 1 */
    uint32_t *label_names;  /* index in names, of each label number */
    const char *label_text; /* values, one behind the other */
    uint32_t *label_begins; /* label_count + 1, into label_text */

    uint32_t series_count;
    vv_section series;       /* its payload, decoded when asked */
    uint32_t *series_begins; /* series_count + 1, into the payload */
    uint64_t label_total;    /* labels of all series: ids of all postings */
} vv_segment_tables;

typedef struct vv_chunk_index {
    uint32_t series_count;
    uint32_t block_count;
    uint64_t *block_offsets; /* block_count + 1: of the frames; the last: end of the blocks */
    vv_section chunks;       /* its payload, decoded when asked */
    uint32_t *chunk_begins;  /* series_count + 1, into the payload */
    int64_t base_time;
    uint64_t base_sequence;
} vv_chunk_index;

/** E_CORRUPT naming file, section and place. */
VV_COLD varve_status vv_section_fail(const vv_section *section, size_t position, const char *what,
                                     varve_error *out_err);

/** Parse and check the tables; sections[kind]. info has the totals they must agree with. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_segment_tables_read(const vv_section *sections,
                                                               const vv_segment_info *info,
                                                               vv_arena *arena,
                                                               vv_segment_tables *out_tables,
                                                               varve_error *out_err);

/* One series of the tables. */
typedef struct vv_series_entry {
    uint32_t schema;
    uint32_t label_count;
    uint32_t labels[VV_LABELS_MAX]; /* label numbers, ascending */
} vv_series_entry;
/** index below series_count; cannot fail on checked tables. */
void vv_segment_tables_series(const vv_segment_tables *tables, uint32_t index,
                              vv_series_entry *out_entry);
varve_text vv_segment_tables_metric(const vv_segment_tables *tables, uint32_t index);
varve_text vv_segment_tables_value(const vv_segment_tables *tables, uint32_t label);

/** Parse and check the block directory and every chunk. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_chunk_index_read(const vv_section *sections,
                                                            const vv_segment_footer *footer,
                                                            vv_arena *arena,
                                                            vv_chunk_index *out_index,
                                                            varve_error *out_err);
/** Head of the chunk of a series below series_count. */
VV_MUST_CHECK varve_status vv_chunk_index_chunk(const vv_chunk_index *index, uint32_t series,
                                                vv_chunk *out_chunk, varve_error *out_err);
VV_MUST_CHECK varve_status vv_chunk_index_refs(const vv_chunk_index *index, const vv_chunk *chunk,
                                               uint32_t first, uint32_t count,
                                               vv_vector_ref *out_refs, varve_error *out_err);
static inline uint32_t vv_chunk_index_block_bytes(const vv_chunk_index *index, uint32_t block)
{
    return (uint32_t)(index->block_offsets[block + 1] - index->block_offsets[block]) -
           VV_SEGMENT_FRAME_BYTES;
}

#endif
