/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_SEGMENT_SEGMENT_H
#define VV_SEGMENT_SEGMENT_H

/*
 * A segment: an immutable, self-contained file of chunks. Format: docs/formats/segment.md.
 *
 * Written series by series in ascending order of (metric, labels); read through a cache of checked
 * blocks. The segment has its own tables: series index (0..) -> metric, labels, field dictionary,
 * chunk. Vectors inside keep the field ids they were encoded with; the dictionary maps those ids to
 * names.
 */

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "model/facts.h"
#include "sys/env.h"
#include "varve.h"

/* --- the file as the manifest knows it --- */

typedef struct vv_segment_info {
    uint64_t id; /* number of the file */
    uint32_t level;
    uint32_t flags;
    uint64_t bytes, rows, series, vectors;
    int64_t first_time, last_time;          /* of all rows; undefined without rows */
    uint64_t first_sequence, last_sequence; /* bounds of arrival: files are ordered by them */
    uint64_t digest[2];                     /* XXH3-128 of the file before the footer */
} vv_segment_info;

/** Name of the file of a segment: "<20 digits>.vsg"; and while it is written: "<20 digits>.part".
 */
#define VV_SEGMENT_NAME_BYTES 32
void vv_segment_name(uint64_t id, char out_name[VV_SEGMENT_NAME_BYTES]);
void vv_segment_part_name(uint64_t id, char out_name[VV_SEGMENT_NAME_BYTES]);

/* --- writing --- */

typedef struct vv_segment_writer vv_segment_writer;

/** Starts <tmp_directory>/<id>.part. After a failure of one of the functions below only finish
 * (which fails the same way) and abort remain. */
VV_MUST_CHECK varve_status vv_segment_writer_open(const vv_env *env, const char *tmp_directory,
                                                  uint64_t id, uint32_t level,
                                                  vv_segment_writer **out_writer,
                                                  varve_error *out_err);
/** Define a field id that vectors use; any time before finish; the same id twice is fine. What no
 * vector uses is left out. */
VV_MUST_CHECK varve_status vv_segment_writer_field(vv_segment_writer *writer, uint32_t field,
                                                   varve_text name, varve_error *out_err);
/** Begin the next series (ascending, distinct). Labels sorted. A series that gets no vector is left
 * out. */
VV_MUST_CHECK varve_status vv_segment_writer_series(vv_segment_writer *writer, varve_text metric,
                                                    const varve_label *labels, size_t label_count,
                                                    uint64_t first_sequence, uint64_t last_sequence,
                                                    varve_error *out_err);
/** Append one encoded vector of the current series; vectors ascend in time (equal times may meet at
 * a border). */
VV_MUST_CHECK varve_status vv_segment_writer_vector(vv_segment_writer *writer, vv_bytes vector,
                                                    varve_error *out_err);
/** Bytes of the engine's own, kept in an optional section; at most once. */
VV_MUST_CHECK varve_status vv_segment_writer_meta(vv_segment_writer *writer, vv_bytes meta,
                                                  varve_error *out_err);
/** Rows written so far. A segment without rows cannot be finished (E_INVALID): abort it. */
uint64_t vv_segment_writer_rows(const vv_segment_writer *writer);
/** Sections, footer, fsync, close; then the caller publishes (rename, directory sync). Frees the
 * writer, on failure too, and then removes the file. */
VV_MUST_CHECK varve_status vv_segment_writer_finish(vv_segment_writer *writer,
                                                    vv_segment_info *out_info,
                                                    varve_error *out_err);
void vv_segment_writer_abort(vv_segment_writer *writer);

/* --- the block cache: one per database, bounded, sharded --- */

typedef struct vv_block_cache vv_block_cache;
VV_MUST_CHECK varve_status vv_block_cache_create(vv_alloc *alloc, uint64_t bytes_max,
                                                 vv_block_cache **out_cache, varve_error *out_err);
void vv_block_cache_free(vv_block_cache *cache);
/* In a forked child: whether nobody was changing it when the process forked. */
bool vv_block_cache_is_quiet(vv_block_cache *cache);
/** Let go what nobody looks at: memory is wanted elsewhere. */
void vv_block_cache_trim(vv_block_cache *cache);
typedef struct vv_block_cache_stats {
    uint64_t hits, misses, evictions, bytes;
} vv_block_cache_stats;
void vv_block_cache_get_stats(const vv_block_cache *cache, vv_block_cache_stats *out_stats);

/** A pinned, checked block; bytes stay until unpin. */
typedef struct vv_block_pin {
    vv_bytes bytes;
    void *entry;
} vv_block_pin;
void vv_block_unpin(vv_block_cache *cache, vv_block_pin *pin);

/* --- reading --- */

typedef struct vv_segment vv_segment; /* immutable, shareable, counted */

/** Memory of an open segment: names, index, payloads of sections; its blocks are the cache's. */
size_t vv_segment_memory_bytes(const vv_segment *segment);
/** Opens, checks header, footer, every page of tables and index; blocks are checked when read. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_segment_open(const vv_env *env, vv_block_cache *cache,
                                                        const char *path, uint64_t id,
                                                        vv_segment **out_segment,
                                                        varve_error *out_err);
void vv_segment_ref(vv_segment *segment);
void vv_segment_unref(vv_segment *segment); /* the last one closes the file */
const vv_segment_info *vv_segment_get_info(const vv_segment *segment);

uint32_t vv_segment_block_count(const vv_segment *segment);
uint32_t vv_segment_series_count(const vv_segment *segment);
/** Texts are borrowed for the life of the segment; labels are written to out_labels[capacity]. */
VV_MUST_CHECK varve_status vv_segment_series(const vv_segment *segment, uint32_t index,
                                             varve_text *out_metric, varve_label *out_labels,
                                             size_t capacity, size_t *out_count,
                                             varve_error *out_err);
/** The field dictionary: ascending ids of this segment and their names. */
uint32_t vv_segment_field_count(const vv_segment *segment);
void vv_segment_field(const vv_segment *segment, uint32_t index, uint32_t *out_id,
                      varve_text *out_name);
/** Fields of one series with their types (family), for the catalogue, ascending by (id, type);
 * out_ids are ids of the segment. A field whose type changed within the segment occurs once per
 * type. *out_count is how many there are; the first `capacity` of them are written. */
VV_MUST_CHECK varve_status vv_segment_series_fields(const vv_segment *segment, uint32_t index,
                                                    uint32_t *out_ids, uint32_t *out_types,
                                                    size_t capacity, size_t *out_count,
                                                    varve_error *out_err);

/** What vv_segment_writer_meta was given; empty: nothing. Borrowed for the life of the segment. */
vv_bytes vv_segment_meta(const vv_segment *segment);

/** Where a vector lies and what it covers: enough to prune without reading its block. */
typedef struct vv_vector_ref {
    int64_t first_time, last_time;
    uint32_t rows;
    uint32_t block;
    uint32_t offset, size;
} vv_vector_ref;

typedef struct vv_chunk {
    uint32_t vector_count;
    uint64_t rows;
    int64_t first_time, last_time;
    uint64_t first_sequence, last_sequence;
    uint32_t index_offset; /* private: where its refs begin */
} vv_chunk;

VV_MUST_CHECK varve_status vv_segment_chunk(const vv_segment *segment, uint32_t series_index,
                                            vv_chunk *out_chunk, varve_error *out_err);
/** Refs first..first+count of a chunk, in time order. */
VV_MUST_CHECK varve_status vv_segment_vector_refs(const vv_segment *segment, const vv_chunk *chunk,
                                                  uint32_t first, uint32_t count,
                                                  vv_vector_ref *out_refs, varve_error *out_err);
/** The bytes of one vector; *pin is held until vv_block_unpin. A ref into the block that *pin
 * already holds (same segment and block) costs no look-up. A zeroed pin holds nothing; on failure
 * *pin holds nothing. The bytes passed their checksum; whether they are the vector that ref tells
 * of is seen by comparing rows and times after vv_vector_parse. */
VV_MUST_CHECK varve_status vv_segment_vector(vv_segment *segment, const vv_vector_ref *ref,
                                             vv_block_pin *pin, vv_bytes *out_vector,
                                             varve_error *out_err);

/** Read every byte: block checksums, digest, every vector decoded and compared with its ref and its
 *  statistics, postings against the series table. Calls check (may be NULL) between blocks. */
typedef bool (*vv_segment_check)(void *context, uint64_t bytes_done);
VV_MUST_CHECK varve_status vv_segment_verify(vv_segment *segment, vv_segment_check check,
                                             void *context, varve_error *out_err);

/** Who is asked between two reads of a long walk over one file; check may be NULL. */
typedef struct vv_segment_progress {
    vv_segment_check check; /* false: the walk ends with E_CANCELLED */
    void *context;          /* also of what else the walk calls */
} vv_segment_progress;

/** Copy the file to `path`, which must not exist, and sync it; its directory is the caller's.
 *  Compares with the digest. E_CORRUPT names what is damaged; after a failure there is no file. */
VV_MUST_CHECK varve_status vv_segment_copy(vv_segment *segment, const vv_env *env, const char *path,
                                           const vv_segment_progress *progress,
                                           varve_error *out_err);

/** A part of the file whose bytes are not what was written; until the visitor returns. */
typedef struct vv_segment_damage {
    const char *part; /* "block", "header", "footer", or the name of a section */
    uint64_t number;  /* of the frame within the part */
    uint64_t offset;
    uint64_t size;
    vv_bytes bytes; /* as they were read; empty: they could not be */
    const varve_error *error;
} vv_segment_damage;

typedef void (*vv_segment_damage_visitor)(void *context, const vv_segment_damage *damage);

/** Read every frame of the file and check its checksum; tells `visit` what is damaged, and goes on.
 *  E_CANCELLED, E_NOMEM. */
VV_MUST_CHECK varve_status vv_segment_scrub(vv_segment *segment,
                                            const vv_segment_progress *progress,
                                            vv_segment_damage_visitor visit, varve_error *out_err);

/** Tell what a file that may be damaged holds, as varve_inspect does. E_NOT_FOUND, E_IO, E_NOMEM.
 */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_segment_inspect(const vv_env *env, const char *path,
                                                           vv_facts *facts, varve_error *out_err);

#endif
