/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a whole segment file once, front to back, and compares everything with everything.
 *
 *     header -> block -> its vectors: ref, times, columns, statistics, schema -> ... -> pages
 *     \__________________________ XXH3-128 of all bytes _____________________________/
 *
 *   V1  Every byte is read from the file, not from the cache, and goes through the digest.
 *   V2  Vectors lie in the file in the order of series (C1 of chunk_index.c), so one walk over the
 *       chunk index keeps step with the blocks.
 *   V3  Stored statistics are those of the values: exact but for float sums (1e-12 of the sum of
 *       absolute values) and moments (1e-9 of the mean square; they are sums of other orders).
 *   V4  Each id in the postings is a series that has the label, and there are as many as labels:
 *       so they are the same sets.
 */
#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/bitmap.h"
#include "base/hash.h"
#include "base/status.h"
#include "codec/vector.h"
#include "segment/segment_priv.h"

/* Refs taken from the index at once: it is decoded from the beginning of the chunk each time. */
enum { VERIFY_REFS = 256 };

/* What verifying needs; one per call. */
typedef struct verify_state {
    vv_segment *segment;
    vv_alloc *alloc;
    vv_segment_check check; /* may be NULL */
    void *context;
    uint64_t offset; /* read so far */
    vv_hash_stream *digest;
    vv_arena arena;  /* scratch, digest, arrays below */
    vv_arena values; /* blobs of one column */
    vv_codec_scratch *scratch;
    uint8_t *frame; /* the frame that was read last */
    size_t frame_capacity;
    int64_t *times;      /* VV_VECTOR_ROWS_MAX */
    void *column_values; /* VV_VECTOR_ROWS_MAX of the widest type */
    uint64_t *present, *marks;

    vv_vector_ref refs[VERIFY_REFS]; /* of the chunk, from refs_first on */
    uint32_t refs_first, refs_count;
    uint32_t series; /* V2: next vector is number `position` of its chunk */
    uint32_t position;
    vv_chunk chunk;
    vv_series_entry entry; /* of the series */
    bool *seen;            /* entries of its schema that occurred; as many as the largest has */
    size_t seen_count;
} verify_state;

/* --- reading --- */

/* The next size bytes of the file into state->frame. V1. */
static varve_status verify_read(verify_state *state, size_t size, varve_error *out_err)
{
    if (size > state->frame_capacity) {
        uint8_t *grown = vv_alloc_resize(state->alloc, state->frame, state->frame_capacity, size);
        if (grown == NULL) {
            return vv_fail_nomem(out_err, "frame of a segment", size);
        }
        state->frame = grown;
        state->frame_capacity = size;
    }
    if (state->check != NULL && !state->check(state->context, state->offset)) {
        return vv_fail(out_err, VARVE_E_CANCELLED, "verifying %s was cancelled",
                       state->segment->file->path);
    }
    VV_TRY(vv_file_read_exact(state->segment->file, (int64_t)state->offset, state->frame, size,
                              out_err));
    vv_hash_stream_add(state->digest, state->frame, size);
    state->offset += size;
    return VARVE_OK;
}

/* --- vectors --- */

static varve_status verify_fail(const verify_state *state, const vv_vector_ref *ref,
                                const char *what, varve_error *out_err)
{
    const vv_segment *segment = state->segment;
    uint64_t block_offset = segment->index.block_offsets[ref->block];
    return vv_fail(out_err, VARVE_E_CORRUPT,
                   "%s: block %u at offset %llu, vector at byte %u, series %u: %s",
                   segment->file->path, ref->block, (unsigned long long)block_offset, ref->offset,
                   state->series, what);
}

/* Put what the codec said behind the place. */
static varve_status verify_prefix(const verify_state *state, const vv_vector_ref *ref,
                                  varve_status status, varve_error *out_err)
{
    if (status == VARVE_E_CORRUPT) {
        vv_error_prefix(out_err, "%s: block %u, vector at byte %u, series %u",
                        state->segment->file->path, ref->block, ref->offset, state->series);
    }
    return status;
}

static bool verify_near(double a, double b, double tolerance)
{
    uint64_t a_bits;
    uint64_t b_bits;
    memcpy(&a_bits, &a, sizeof a_bits);
    memcpy(&b_bits, &b, sizeof b_bits);
    return a_bits == b_bits || fabs(a - b) <= tolerance || (isnan(a) && isnan(b)) ||
           !isfinite(tolerance);
}

/* Sum of absolute values, for the tolerances. */
static double verify_magnitude(const verify_state *state, const vv_vector_column *column)
{
    double total = 0;
    const double *values = state->column_values;
    for (uint32_t row = 0; row < column->count; ++row) {
        if (vv_bits_get(state->present, row) && !isnan(values[row])) {
            total += fabs(values[row]);
        }
    }
    return total;
}

static bool verify_moments_agree(const vv_stats *stored, const vv_stats *computed)
{
    if ((stored->flags & computed->flags & VV_STATS_HAS_MOMENTS) == 0 || computed->count == 0) {
        return true;
    }
    double count = (double)computed->count;
    double mean_square = computed->mean * computed->mean + computed->m2 / count;
    return verify_near(stored->mean, computed->mean, 1e-9 * sqrt(mean_square)) &&
           verify_near(stored->m2, computed->m2, 1e-9 * mean_square * count);
}

/* V3 */
static bool verify_stats_agree(const verify_state *state, const vv_vector_column *column,
                               const vv_stats *stored, const vv_stats *computed)
{
    if (stored->count != computed->count || stored->nan_count != computed->nan_count) {
        return false;
    }
    if (vv_type_is_blob(column->type) || stored->count == 0) {
        return true;
    }
    if (stored->min.u64 != computed->min.u64 || stored->max.u64 != computed->max.u64) {
        return false;
    }
    if (column->type != VARVE_TYPE_F64) {
        return stored->sum == computed->sum;
    }
    double stored_sum = stored->sum_hi + stored->sum_lo;
    double computed_sum = computed->sum_hi + computed->sum_lo;
    return verify_near(stored_sum, computed_sum, 1e-12 * verify_magnitude(state, column)) &&
           verify_moments_agree(stored, computed);
}

static void verify_compute_stats(const verify_state *state, const vv_vector_column *column,
                                 vv_stats *out_stats)
{
    vv_stats_init(out_stats, column->type);
    switch (column->type) {
    case VARVE_TYPE_F64:
        vv_stats_add_f64(out_stats, state->column_values, state->present, column->count);
        break;
    case VARVE_TYPE_I64:
        vv_stats_add_i64(out_stats, state->column_values, state->present, column->count);
        break;
    case VARVE_TYPE_U64:
        vv_stats_add_u64(out_stats, state->column_values, state->present, column->count);
        break;
    case VARVE_TYPE_BOOL:
        vv_stats_add_bool(out_stats, state->column_values, state->present, column->count);
        break;
    default: /* blobs: only the count is kept */
        out_stats->count = vv_bits_count(state->present, 0, column->count);
        break;
    }
}

/* That the schema of the series lists the column. */
static bool verify_is_listed(verify_state *state, const vv_vector_column *column)
{
    const vv_segment_tables *tables = &state->segment->tables;
    uint32_t begin = tables->schema_begins[state->entry.schema];
    uint32_t end = tables->schema_begins[state->entry.schema + 1];
    for (uint32_t index = begin; index < end; ++index) {
        const vv_schema_entry *entry = &tables->schema_entries[index];
        if (tables->field_ids[entry->field] == column->field &&
            entry->type == vv_type_family(column->type)) {
            state->seen[index - begin] = true;
            return true;
        }
    }
    return false;
}

static varve_status verify_column(verify_state *state, const vv_vector_ref *ref,
                                  const vv_vector_column *column, varve_error *out_err)
{
    if (!verify_is_listed(state, column)) {
        return verify_fail(state, ref, "a column that the schema does not have", out_err);
    }
    vv_arena_reset(&state->values);
    VV_TRY(
        verify_prefix(state, ref,
                      vv_vector_decode(column, state->scratch, &state->values, state->column_values,
                                       state->present, state->marks, out_err),
                      out_err));
    if (vv_bits_count(state->present, 0, column->count) != column->present_count) {
        return verify_fail(state, ref, "a column with another count of values", out_err);
    }
    vv_stats stored;
    vv_stats computed;
    VV_TRY(verify_prefix(state, ref, vv_vector_stats(column, &stored, out_err), out_err));
    verify_compute_stats(state, column, &computed);
    if (!verify_stats_agree(state, column, &stored, &computed)) {
        return verify_fail(state, ref, "statistics that differ from the values", out_err);
    }
    return VARVE_OK;
}

static varve_status verify_vector(verify_state *state, const vv_vector_ref *ref, vv_bytes bytes,
                                  varve_error *out_err)
{
    vv_vector vector;
    VV_TRY(verify_prefix(state, ref, vv_vector_parse(bytes, &vector, out_err), out_err));
    if (vector.count != ref->rows || vector.first_time != ref->first_time ||
        vector.last_time != ref->last_time) {
        return verify_fail(state, ref, "rows or times differ from the index", out_err);
    }
    VV_TRY(verify_prefix(state, ref,
                         vv_vector_times(&vector, state->scratch, state->times, out_err), out_err));
    for (uint32_t index = 0; index < vector.column_count; ++index) {
        vv_vector_column column;
        VV_TRY(verify_prefix(state, ref, vv_vector_column_at(&vector, index, &column, out_err),
                             out_err));
        VV_TRY(verify_column(state, ref, &column, out_err));
    }
    return VARVE_OK;
}

/* --- the walk over the chunk index --- */

static varve_status verify_begin_series(verify_state *state, varve_error *out_err)
{
    if (state->series == state->segment->tables.series_count) {
        return VARVE_OK;
    }
    state->position = 0;
    state->refs_first = 0;
    state->refs_count = 0;
    memset(state->seen, 0, state->seen_count);
    vv_segment_tables_series(&state->segment->tables, state->series, &state->entry);
    return vv_chunk_index_chunk(&state->segment->index, state->series, &state->chunk, out_err);
}

/* That each entry of the schema occurred. */
static varve_status verify_end_series(const verify_state *state, const vv_vector_ref *ref,
                                      varve_error *out_err)
{
    const vv_segment_tables *tables = &state->segment->tables;
    uint32_t count =
        tables->schema_begins[state->entry.schema + 1] - tables->schema_begins[state->entry.schema];
    for (uint32_t index = 0; index < count; ++index) {
        if (!state->seen[index]) {
            return verify_fail(state, ref, "the schema has a field that no vector has", out_err);
        }
    }
    return VARVE_OK;
}

/* The ref at state->position. */
static varve_status verify_next_ref(verify_state *state, const vv_vector_ref **out_ref,
                                    varve_error *out_err)
{
    uint32_t index = state->position - state->refs_first;
    if (index >= state->refs_count) {
        uint32_t left = state->chunk.vector_count - state->position;
        uint32_t count = left < VERIFY_REFS ? left : VERIFY_REFS;
        VV_TRY(vv_chunk_index_refs(&state->segment->index, &state->chunk, state->position, count,
                                   state->refs, out_err));
        state->refs_first = state->position;
        state->refs_count = count;
        index = 0;
    }
    *out_ref = &state->refs[index];
    return VARVE_OK;
}

/* The vectors of one block that was read and checked. V2. */
static varve_status verify_block_vectors(verify_state *state, uint32_t block, size_t size,
                                         varve_error *out_err)
{
    const vv_segment *segment = state->segment;
    while (state->series < segment->tables.series_count) {
        const vv_vector_ref *ref;
        VV_TRY(verify_next_ref(state, &ref, out_err));
        if (ref->block != block) {
            return VARVE_OK;
        }
        VV_ASSERT(ref->offset <= size && ref->size <= size - ref->offset);
        vv_bytes bytes =
            vv_bytes_make(state->frame + VV_SEGMENT_FRAME_BYTES + ref->offset, ref->size);
        VV_TRY(verify_vector(state, ref, bytes, out_err));
        state->position += 1;
        if (state->position == state->chunk.vector_count) {
            VV_TRY(verify_end_series(state, ref, out_err));
            state->series += 1;
            VV_TRY(verify_begin_series(state, out_err));
        }
    }
    return VARVE_OK;
}

static varve_status verify_blocks(verify_state *state, varve_error *out_err)
{
    const vv_segment *segment = state->segment;
    VV_TRY(verify_begin_series(state, out_err));
    for (uint32_t block = 0; block < segment->index.block_count; ++block) {
        uint64_t offset = state->offset;
        VV_ASSERT(offset == segment->index.block_offsets[block]);
        size_t size = vv_chunk_index_block_bytes(&segment->index, block);
        VV_TRY(verify_read(state, VV_SEGMENT_FRAME_BYTES + size, out_err));
        VV_TRY(vv_segment_frame_check(vv_bytes_make(state->frame, VV_SEGMENT_FRAME_BYTES + size),
                                      segment->file->path, offset, segment->footer.info.id,
                                      VV_SECTION_NONE, block, out_err));
        VV_TRY(verify_block_vectors(state, block, size, out_err));
    }
    return VARVE_OK;
}

/* --- sections --- */

/* Bytes of a section, checked; into payload, if it is given. */
static varve_status verify_pages(verify_state *state, const vv_segment_section *section,
                                 vv_buf *payload, varve_error *out_err)
{
    const vv_segment *segment = state->segment;
    uint32_t number = 0;
    for (uint64_t begin = 0; begin < section->size; begin += VV_SEGMENT_PAGE_BYTES) {
        uint64_t left = section->size - begin;
        size_t size = left < VV_SEGMENT_PAGE_BYTES ? (size_t)left : VV_SEGMENT_PAGE_BYTES;
        uint64_t offset = state->offset;
        VV_TRY(verify_read(state, VV_SEGMENT_FRAME_BYTES + size, out_err));
        VV_TRY(vv_segment_frame_check(vv_bytes_make(state->frame, VV_SEGMENT_FRAME_BYTES + size),
                                      segment->file->path, offset, segment->footer.info.id,
                                      section->kind, number, out_err));
        if (payload != NULL) {
            vv_buf_append(payload, state->frame + VV_SEGMENT_FRAME_BYTES, size);
            VV_TRY(vv_buf_check(payload, out_err));
        }
        number += 1;
    }
    return VARVE_OK;
}

static bool verify_has_label(const verify_state *state, uint32_t series, uint32_t label)
{
    vv_series_entry entry;
    vv_segment_tables_series(&state->segment->tables, series, &entry);
    for (uint32_t index = 0; index < entry.label_count; ++index) {
        if (entry.labels[index] == label) {
            return true;
        }
    }
    return false;
}

/* One list of the postings; *total counts its ids. V4. */
static bool verify_list(const verify_state *state, const vv_idset *set, uint32_t label,
                        uint64_t *total)
{
    vv_idset_cursor cursor;
    vv_idset_cursor_init(&cursor, set);
    uint32_t series;
    while (vv_idset_cursor_next(&cursor, &series)) {
        if (series >= state->segment->tables.series_count ||
            !verify_has_label(state, series, label)) {
            return false;
        }
        *total += 1;
    }
    return true;
}

static varve_status verify_postings(const verify_state *state, vv_bytes payload,
                                    varve_error *out_err)
{
    const vv_segment_tables *tables = &state->segment->tables;
    const vv_section *section = &state->segment->sections[VV_SECTION_POSTINGS];
    vv_reader reader = vv_reader_of(payload.data, payload.size);
    uint64_t total = 0;
    for (uint32_t label = 0; label < tables->label_count; ++label) {
        vv_idset set;
        varve_status status =
            vv_idset_read(&reader, tables->series_count, state->alloc, &set, out_err);
        if (status == VARVE_E_CORRUPT || status == VARVE_E_LIMIT) {
            return vv_section_fail(section, vv_reader_position(&reader), "no set of series",
                                   out_err);
        }
        VV_TRY(status);
        bool is_right = verify_list(state, &set, label, &total);
        vv_idset_deinit(&set, state->alloc);
        if (!is_right) {
            return vv_section_fail(section, vv_reader_position(&reader),
                                   "postings differ from the series", out_err);
        }
    }
    if (!vv_reader_is_done(&reader) || total != tables->label_total) {
        return vv_section_fail(section, vv_reader_position(&reader), "postings are missing",
                               out_err);
    }
    return VARVE_OK;
}

static varve_status verify_sections(verify_state *state, varve_error *out_err)
{
    const vv_segment_footer *footer = &state->segment->footer;
    for (uint32_t index = 0; index < footer->section_count; ++index) {
        const vv_segment_section *section = &footer->sections[index];
        VV_ASSERT(section->offset == state->offset);
        if (section->kind != VV_SECTION_POSTINGS) {
            VV_TRY(verify_pages(state, section, NULL, out_err));
            continue;
        }
        vv_buf payload;
        vv_buf_init(&payload, state->alloc, VV_SEGMENT_SECTION_BYTES_MAX);
        varve_status status = verify_pages(state, section, &payload, out_err);
        if (status == VARVE_OK) {
            status = verify_postings(state, vv_buf_bytes(&payload), out_err);
        }
        vv_buf_deinit(&payload);
        VV_TRY(status);
    }
    return VARVE_OK;
}

/* --- all of it --- */

static varve_status verify_header_and_footer(verify_state *state, varve_error *out_err)
{
    const vv_segment_info *info = &state->segment->footer.info;
    const char *path = state->segment->file->path;
    vv_segment_header header;
    VV_TRY(verify_read(state, VV_SEGMENT_HEADER_BYTES, out_err));
    VV_TRY(vv_segment_header_read(vv_bytes_make(state->frame, VV_SEGMENT_HEADER_BYTES), path,
                                  info->id, &header, out_err));
    VV_TRY(verify_blocks(state, out_err));
    VV_TRY(verify_sections(state, out_err));
    vv_hash128 digest = vv_hash_stream_end128(state->digest);
    if (digest.low != info->digest[0] || digest.high != info->digest[1]) {
        return vv_fail(out_err, VARVE_E_CORRUPT,
                       "%s: digest of the bytes before offset %llu differs from the footer's", path,
                       (unsigned long long)state->offset);
    }
    /* The footer as it is now; what was believed is what was read when the file was opened. */
    size_t size = (size_t)(info->bytes - state->offset);
    VV_TRY(verify_read(state, size, out_err));
    return vv_segment_footer_check(state->segment, vv_bytes_make(state->frame, size), out_err);
}

varve_status vv_segment_footer_check(const vv_segment *segment, vv_bytes bytes,
                                     varve_error *out_err)
{
    const vv_segment_info *info = &segment->footer.info;
    const char *path = segment->file->path;
    VV_ASSERT(bytes.size > VV_SEGMENT_TRAILER_BYTES);
    uint32_t size_again;
    VV_TRY(vv_segment_trailer_read(
        vv_bytes_make(bytes.data + bytes.size - VV_SEGMENT_TRAILER_BYTES, VV_SEGMENT_TRAILER_BYTES),
        path, info->bytes, &size_again, out_err));
    vv_segment_footer *again = vv_alloc_new(segment->alloc, sizeof *again);
    if (again == NULL) {
        return vv_fail_nomem(out_err, "footer of a segment", sizeof *again);
    }
    varve_status status =
        vv_segment_footer_read(bytes, path, info->bytes, info->id, again, out_err);
    vv_alloc_free(segment->alloc, again, sizeof *again);
    return status;
}

static varve_status verify_prepare(verify_state *state, varve_error *out_err)
{
    const vv_segment_tables *tables = &state->segment->tables;
    for (uint32_t schema = 0; schema < tables->schema_count; ++schema) {
        size_t count = tables->schema_begins[schema + 1] - tables->schema_begins[schema];
        state->seen_count = count > state->seen_count ? count : state->seen_count;
    }
    size_t rows = VV_VECTOR_ROWS_MAX;
    size_t words = vv_bits_words(rows) * sizeof(uint64_t);
    state->digest =
        vv_arena_aligned(&state->arena, sizeof *state->digest, _Alignof(vv_hash_stream));
    state->times = vv_arena_array(&state->arena, rows, sizeof *state->times);
    state->column_values = vv_arena_array(&state->arena, rows, sizeof(varve_text));
    state->present = vv_arena_new(&state->arena, words);
    state->marks = vv_arena_new(&state->arena, words);
    state->seen = vv_arena_new(&state->arena, state->seen_count);
    if (state->digest == NULL || state->times == NULL || state->column_values == NULL ||
        state->present == NULL || state->marks == NULL || state->seen == NULL) {
        return vv_arena_fail(&state->arena, rows * sizeof(varve_text), out_err);
    }
    vv_hash_stream_init(state->digest, 0);
    return vv_codec_scratch_create(state->alloc, &state->scratch, out_err);
}

varve_status vv_segment_verify(vv_segment *segment, vv_segment_check check, void *context,
                               varve_error *out_err)
{
    verify_state state = {
        .segment = segment,
        .alloc = segment->alloc,
        .check = check,
        .context = context,
    };
    vv_arena_init(&state.arena, segment->alloc, SIZE_MAX);
    vv_arena_init(&state.values, segment->alloc, SIZE_MAX);
    varve_status status = verify_prepare(&state, out_err);
    if (status == VARVE_OK) {
        status = verify_header_and_footer(&state, out_err);
    }
    vv_codec_scratch_free(state.scratch);
    vv_alloc_free(segment->alloc, state.frame, state.frame_capacity);
    vv_arena_deinit(&state.values);
    vv_arena_deinit(&state.arena);
    return status;
}
