/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The rows of a view as one segment: what flush and merge have in common.
 *
 *   series of all sources -> in order of names -> scan -> parts -> vectors -> segment writer
 *
 *   Q1  Series ascend by name; each is there once.
 *   Q2  A vector has up to VV_VECTOR_ROWS_MAX rows, fewer where the values of a blob column would
 *       exceed MERGE_BLOB_BYTES; a larger value has a vector of its own.
 *   Q3  A vector of an input is passed on as it is when it is at least half full, stands alone in
 *       its time span and names its fields with the ids of the catalogue; all else is decoded and
 *       encoded again.
 *   Q4  The segment's fields have the ids of the catalogue of this moment.
 *   Q5  first_sequence and last_sequence of a chunk are bounds over its sources, those of the
 *       segment over the view: files stay in the order of arrival also when rows at a bound are
 *       deleted.
 */

#include <string.h>

#include "base/assert.h"
#include "base/bitmap.h"
#include "base/status.h"
#include "base/vec.h"
#include "codec/vector.h"
#include "engine/live_segment_priv.h"
#include "engine/merge.h"
#include "engine/merge_crew.h"
#include "engine/publish.h"
#include "engine/ring.h"
#include "engine/scan.h"
#include "engine/task.h"
#include "engine/tier.h"
#include "index/catalogue.h"
#include "segment/segment.h"

enum {
    /* Raw bytes of one blob column in one vector: the bound of design.md on what is decoded at
     * once. Numbers are bounded by the rows: 8 KiB. */
    MERGE_BLOB_BYTES = 64 * 1024,
    /* A vector below half of this is worth being decoded and encoded again with its neighbours. */
    MERGE_PASS_ROWS_MIN = VV_VECTOR_ROWS_MAX / 2,
    /* Of two threads: series of one group, so that the sum of them is some hundred groups; what a
     * thread keeps of a group before its turn. Arbitrary. */
    MERGE_GROUPS = 256,
    MERGE_GROUP_SERIES_MAX = 64,
    MERGE_AHEAD_BYTES_MAX = 4 * 1024 * 1024
};

/** What two threads that write a segment share; one has the first series, the other the next. */
typedef struct merge_state {
    varve_db *db;
    vv_view *view;
    vv_segment_writer *writer; /* of whose turn it is */
    bool *has_own_ids; /* per segment of the view: its field ids are those of the catalogue (Q3) */
    vv_arena arena;    /* has_own_ids */
    uint32_t *series;
    size_t series_count;
    size_t series_bytes;     /* of the allocation */
    const vv_schema *schema; /* whose fields were defined last; of whose turn it is */
    size_t group_series;     /* of a group */
} merge_state;

/** What each thread has for itself. */
typedef struct merge_worker {
    merge_state *state;
    vv_merge_crew *crew; /* NULL: one thread does it all, and always has the turn */
    varve_task *task;    /* NULL: the helper's */
    vv_codec_scratch *scratch;
    /* One scan per set of options: [passes vectors][with row ids]; opened when first needed. */
    vv_scan *scans[2][2];
    vv_buf vector;
    vv_arena arena; /* a slice of rows */
    size_t group;   /* of series, that it works on */
    bool has_turn;  /* earlier groups are written: this one goes into the file as it comes */
    vv_vec items;   /* merge_item, of the group: what is to be written when its turn comes */
    vv_buf bytes;   /* their vectors */
} merge_worker;

/** A call of the segment writer that waits for its turn. */
typedef struct merge_item {
    uint32_t series; /* that begins; 0: a vector */
    uint64_t first_sequence, last_sequence;
    size_t size; /* of the vector, behind the one before it */
} merge_item;

/* ---- series in order of names ---- */

/** The lock under which a series of this head is read; false: the head is frozen, no lock is taken.
 */
static bool merge_lock_series(merge_state *state, const vv_head *head, uint32_t series)
{
    bool is_live = !vv_head_is_frozen(head);
    if (is_live) {
        vv_mutex_lock(&vv_db_shard(state->db, series)->lock);
    }
    return is_live;
}

static void merge_unlock_series(merge_state *state, bool is_locked, uint32_t series)
{
    if (is_locked) {
        vv_mutex_unlock(&vv_db_shard(state->db, series)->lock);
    }
}

/** The series of a head that is written while we look: those of the catalogue that it has. */
static varve_status merge_collect_live(merge_state *state, const vv_head *head, vv_vec *ids,
                                       varve_error *out_err)
{
    uint32_t count = vv_catalogue_series_count(state->db->catalogue);
    varve_status status = VARVE_OK;
    for (uint32_t series = 1; series <= count && status == VARVE_OK; series++) {
        bool is_locked = merge_lock_series(state, head, series);
        bool is_there = vv_head_has_series(head, series);
        merge_unlock_series(state, is_locked, series);
        if (is_there) {
            status = vv_vec_push(ids, &series);
        }
    }
    return status == VARVE_OK ? VARVE_OK : vv_vec_fail(ids, status, out_err);
}

static varve_status merge_collect_head(merge_state *state, const vv_head *head, vv_vec *ids,
                                       varve_error *out_err)
{
    if (!vv_head_is_frozen(head)) {
        return merge_collect_live(state, head, ids, out_err);
    }
    uint32_t *head_ids;
    size_t count;
    VV_TRY(vv_head_series_ids(head, &state->db->alloc, &head_ids, &count, out_err));
    varve_status status = vv_vec_push_many(ids, head_ids, count);
    vv_alloc_free(&state->db->alloc, head_ids, count * sizeof *head_ids);
    return status == VARVE_OK ? VARVE_OK : vv_vec_fail(ids, status, out_err);
}

/** Ids of all sources one behind the other; those of a segment are in the order of names. */
static varve_status merge_collect(merge_state *state, size_t *out_count, varve_error *out_err)
{
    const vv_version *version = state->view->version;
    vv_vec ids;
    vv_vec_init(&ids, &state->db->alloc, sizeof(uint32_t), SIZE_MAX);
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < version->segment_count && status == VARVE_OK; i++) {
        status = vv_vec_push_many(&ids, version->segments[i]->series_ids,
                                  version->segments[i]->series_count);
    }
    if (status != VARVE_OK) {
        status = vv_vec_fail(&ids, status, out_err);
    }
    for (size_t i = 0; i < state->view->head_count && status == VARVE_OK; i++) {
        status = merge_collect_head(state, state->view->heads[i], &ids, out_err);
    }
    /* The vector's memory becomes ours. */
    state->series = VV_VEC_ITEMS(&ids, uint32_t);
    state->series_bytes = ids.capacity * sizeof(uint32_t);
    *out_count = ids.count;
    return status;
}

/** End of the ascending run that begins at `begin`. */
static size_t merge_run_end(const merge_state *state, const uint32_t *ids, size_t begin,
                            size_t count)
{
    size_t end = begin + 1;
    while (end < count && vv_catalogue_compare(state->db->catalogue, ids[end - 1], ids[end]) < 0) {
        end++;
    }
    return end;
}

/** Two runs into one; an id of both is taken once. Returns the count. */
static size_t merge_two_runs(const merge_state *state, const uint32_t *a, size_t a_count,
                             const uint32_t *b, size_t b_count, uint32_t *target)
{
    size_t count = 0;
    size_t at = 0;
    size_t bt = 0;
    while (at < a_count && bt < b_count) {
        int order = a[at] == b[bt] ? 0 : vv_catalogue_compare(state->db->catalogue, a[at], b[bt]);
        VV_DEBUG_ASSERT(order != 0 || a[at] == b[bt]);
        target[count++] = order <= 0 ? a[at] : b[bt];
        at += order <= 0 ? 1 : 0;
        bt += order >= 0 ? 1 : 0;
    }
    for (; at < a_count; at++) {
        target[count++] = a[at];
    }
    for (; bt < b_count; bt++) {
        target[count++] = b[bt];
    }
    return count;
}

/** Natural merge sort: the lists of the inputs are runs already. Returns what is left. */
static size_t merge_sort_once(const merge_state *state, const uint32_t *source, size_t count,
                              uint32_t *target, size_t *out_runs)
{
    size_t done = 0;
    *out_runs = 0;
    for (size_t begin = 0; begin < count;) {
        size_t middle = merge_run_end(state, source, begin, count);
        size_t end = middle < count ? merge_run_end(state, source, middle, count) : middle;
        done += merge_two_runs(state, source + begin, middle - begin, source + middle, end - middle,
                               target + done);
        begin = end;
        (*out_runs)++;
    }
    return done;
}

static varve_status merge_sort(merge_state *state, size_t count, varve_error *out_err)
{
    size_t bytes = state->series_bytes;
    uint32_t *source = state->series;
    uint32_t *target = vv_alloc_new(&state->db->alloc, bytes);
    if (target == NULL) {
        return vv_fail_nomem(out_err, "series of a segment", bytes);
    }
    size_t runs = 2;
    while (runs > 1) {
        count = merge_sort_once(state, source, count, target, &runs);
        uint32_t *sorted = target;
        target = source;
        source = sorted;
    }
    state->series = source;
    state->series_count = count;
    vv_alloc_free(&state->db->alloc, target, bytes);
    return VARVE_OK;
}

static varve_status merge_list_series(merge_state *state, varve_error *out_err)
{
    size_t count;
    VV_TRY(merge_collect(state, &count, out_err));
    return count == 0 ? VARVE_OK : merge_sort(state, count, out_err);
}

/* ---- into the file, or kept until its turn ---- */

/** Q4: the fields that the series may have. */
static varve_status merge_define_fields(merge_state *state, uint32_t series, varve_error *out_err)
{
    const vv_schema *schema = vv_catalogue_schema(state->db->catalogue, series);
    if (schema == state->schema) {
        return VARVE_OK;
    }
    for (uint32_t i = 0; i < schema->count; i++) {
        uint32_t field = schema->fields[i].field;
        VV_TRY(vv_segment_writer_field(
            state->writer, field, vv_catalogue_field_name(state->db->catalogue, field), out_err));
    }
    state->schema = schema;
    return VARVE_OK;
}

static varve_status merge_write_series(merge_state *state, const merge_item *item,
                                       varve_error *out_err)
{
    const varve_label *labels;
    size_t label_count;
    vv_catalogue *catalogue = state->db->catalogue;
    VV_TRY(merge_define_fields(state, item->series, out_err));
    VV_TRY(vv_catalogue_labels(catalogue, item->series, &labels, &label_count, out_err));
    return vv_segment_writer_series(state->writer, vv_catalogue_metric(catalogue, item->series),
                                    labels, label_count, item->first_sequence, item->last_sequence,
                                    out_err);
}

/** What was kept of the group goes into the file, and the rest of it as it comes. */
static varve_status merge_take_turn(merge_worker *worker, varve_error *out_err)
{
    if (worker->has_turn) {
        return VARVE_OK;
    }
    VV_TRY(vv_merge_crew_take_turn(worker->crew, worker->group, out_err));
    worker->has_turn = true;
    const uint8_t *bytes = worker->bytes.data;
    for (size_t i = 0; i < worker->items.count; i++) {
        const merge_item *item = VV_VEC_AT(&worker->items, merge_item, i);
        if (item->series != 0) {
            VV_TRY(merge_write_series(worker->state, item, out_err));
        } else {
            VV_TRY(vv_segment_writer_vector(worker->state->writer, vv_bytes_make(bytes, item->size),
                                            out_err));
            bytes += item->size;
        }
    }
    return VARVE_OK;
}

static varve_status merge_emit_series(merge_worker *worker, const merge_item *item,
                                      varve_error *out_err)
{
    if (!worker->has_turn && vv_vec_push(&worker->items, item) == VARVE_OK) {
        return VARVE_OK;
    }
    VV_TRY(merge_take_turn(worker, out_err));
    return merge_write_series(worker->state, item, out_err);
}

/** Where there is no room to keep it, the turn is waited for: only time is lost. */
static varve_status merge_emit_vector(merge_worker *worker, vv_bytes vector, varve_error *out_err)
{
    if (!worker->has_turn && worker->bytes.size + vector.size <= MERGE_AHEAD_BYTES_MAX &&
        vv_vec_reserve(&worker->items, 1) == VARVE_OK &&
        vv_buf_append(&worker->bytes, vector.data, vector.size) == VARVE_OK) {
        merge_item item = {.size = vector.size};
        return vv_vec_push(&worker->items, &item); /* reserved */
    }
    VV_TRY(merge_take_turn(worker, out_err));
    return vv_segment_writer_vector(worker->state->writer, vector, out_err);
}

/* ---- rows into vectors ---- */

/** Q2: end of the rows from `begin` on that make one vector. */
static size_t merge_cut(const vv_rows *rows, size_t begin)
{
    size_t end = rows->count;
    for (size_t i = 0; i < rows->column_count; i++) {
        const varve_column *column = &rows->columns[i];
        if (!vv_type_is_blob(column->type)) {
            continue;
        }
        const varve_text *texts = column->values;
        size_t bytes = 0;
        for (size_t row = begin; row < end; row++) {
            bytes += texts[row].size; /* an absent one is empty (R5); at most 1024 * 32 MiB */
            if (bytes > MERGE_BLOB_BYTES && row > begin) {
                end = row;
            }
        }
    }
    return end;
}

/** Bits [begin, begin + count) moved to the front; NULL stays NULL. */
static bool merge_shift(vv_arena *arena, const uint64_t *bits, size_t begin, size_t count,
                        const uint64_t **out_bits)
{
    *out_bits = NULL;
    if (bits == NULL) {
        return true;
    }
    uint64_t *shifted = vv_arena_zeroed(arena, vv_bits_words(count) * sizeof *shifted);
    if (shifted == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (vv_bits_get(bits, begin + i)) {
            vv_bits_set(shifted, i);
        }
    }
    *out_bits = shifted;
    return true;
}

/** Rows [begin, end) as rows of their own; bitmaps and columns lie in the arena. */
static varve_status merge_slice(merge_worker *worker, const vv_rows *rows, size_t begin, size_t end,
                                vv_rows *out_slice, varve_error *out_err)
{
    varve_column *columns = vv_arena_array(&worker->arena, rows->column_count, sizeof *columns);
    if (columns == NULL) {
        return vv_arena_fail(&worker->arena, rows->column_count * sizeof *columns, out_err);
    }
    for (size_t i = 0; i < rows->column_count; i++) {
        columns[i] = rows->columns[i];
        columns[i].values =
            (const uint8_t *)columns[i].values + begin * vv_type_width(columns[i].type);
        if (!merge_shift(&worker->arena, rows->columns[i].present, begin, end - begin,
                         &columns[i].present) ||
            !merge_shift(&worker->arena, rows->columns[i].marks, begin, end - begin,
                         &columns[i].marks)) {
            return vv_arena_fail(&worker->arena, vv_bits_words(end - begin) * 8, out_err);
        }
    }
    *out_slice = *rows;
    out_slice->count = end - begin;
    out_slice->times = rows->times + begin;
    out_slice->row_ids = rows->row_ids == NULL ? NULL : rows->row_ids + begin;
    out_slice->columns = columns;
    return VARVE_OK;
}

static varve_status merge_encode(merge_worker *worker, const vv_rows *rows, varve_error *out_err)
{
    vv_buf_reset(&worker->vector);
    VV_TRY(vv_vector_encode(rows, worker->scratch, &worker->vector, out_err));
    return merge_emit_vector(worker, vv_buf_bytes(&worker->vector), out_err);
}

static varve_status merge_put_rows(merge_worker *worker, const vv_rows *rows, varve_error *out_err)
{
    for (size_t begin = 0; begin < rows->count;) {
        size_t end = merge_cut(rows, begin);
        if (begin == 0 && end == rows->count) {
            return merge_encode(worker, rows, out_err);
        }
        vv_arena_mark mark = vv_arena_save(&worker->arena);
        vv_rows slice;
        VV_TRY(merge_slice(worker, rows, begin, end, &slice, out_err));
        varve_status status = merge_encode(worker, &slice, out_err);
        vv_arena_restore(&worker->arena, mark);
        VV_TRY(status);
        begin = end;
    }
    return VARVE_OK;
}

/* ---- one series ---- */

/** Q3 */
static bool merge_can_pass(const merge_state *state, const vv_part *part)
{
    if (part->kind != VV_PART_VECTOR || part->count < MERGE_PASS_ROWS_MIN) {
        return false;
    }
    if (part->segment == NULL) {
        return true; /* the head uses the catalogue's ids */
    }
    const vv_version *version = state->view->version;
    for (size_t i = 0; i < version->segment_count; i++) {
        if (version->segments[i] == part->segment) {
            return state->has_own_ids[i];
        }
    }
    return false;
}

static varve_status merge_put_part(merge_worker *worker, vv_scan *scan, const vv_part *part,
                                   varve_error *out_err)
{
    if (merge_can_pass(worker->state, part)) {
        return merge_emit_vector(worker, part->vector->bytes, out_err);
    }
    vv_rows rows;
    VV_TRY(vv_scan_rows(scan, &rows, out_err));
    return merge_put_rows(worker, &rows, out_err);
}

/** Bounds of what the sources hold of a series (Q5), and whether their vectors are large. */
typedef struct merge_sources {
    uint64_t first_sequence, last_sequence;
    uint64_t rows, vectors; /* encoded ones */
} merge_sources;

static void merge_bound(merge_sources *sources, uint64_t first, uint64_t last)
{
    bool is_first = sources->last_sequence == 0;
    if (is_first || first < sources->first_sequence) {
        sources->first_sequence = first;
    }
    if (is_first || last > sources->last_sequence) {
        sources->last_sequence = last;
    }
}

/** What the view does not see is no part of the bounds: rows that come later have sequences above
 *  them. */
static void merge_look_head(merge_state *state, const vv_head *head, uint32_t series,
                            merge_sources *sources)
{
    bool is_locked = merge_lock_series(state, head, series);
    uint64_t visible = state->view->visible;
    uint64_t first = vv_head_first_sequence(head);
    uint64_t last = vv_head_series_sequence(head, series); /* its own: rollups go by it */
    if (vv_head_has_series(head, series) && first <= visible) {
        uint64_t blocks;
        uint64_t rows;
        merge_bound(sources, first, last < visible ? last : visible);
        vv_head_series_blocks(head, series, &blocks, &rows);
        sources->rows += rows;
        sources->vectors += blocks;
    }
    merge_unlock_series(state, is_locked, series);
}

static varve_status merge_look(merge_state *state, uint32_t series, merge_sources *out_sources,
                               varve_error *out_err)
{
    *out_sources = (merge_sources){.rows = 0};
    const vv_version *version = state->view->version;
    for (size_t i = 0; i < version->segment_count; i++) {
        uint32_t index = vv_live_segment_find(version->segments[i], series);
        if (index != UINT32_MAX) {
            vv_chunk chunk;
            VV_TRY(vv_segment_chunk(version->segments[i]->segment, index, &chunk, out_err));
            merge_bound(out_sources, chunk.first_sequence, chunk.last_sequence);
            out_sources->rows += chunk.rows;
            out_sources->vectors += chunk.vector_count;
        }
    }
    for (size_t i = 0; i < state->view->head_count; i++) {
        merge_look_head(state, state->view->heads[i], series, out_sources);
    }
    return VARVE_OK;
}

/** The scan for a series: passing vectors on pays where they are large; else rows are gathered. */
static varve_status merge_scan_of(merge_worker *worker, uint32_t series,
                                  const merge_sources *sources, vv_scan **out_scan,
                                  varve_error *out_err)
{
    const merge_state *state = worker->state;
    const vv_catalogue *catalogue = state->db->catalogue;
    vv_metric_policy policy =
        vv_catalogue_policy(catalogue, vv_catalogue_metric_id(catalogue, series));
    bool passes = sources->rows >= sources->vectors * MERGE_PASS_ROWS_MIN;
    vv_scan **scan = &worker->scans[passes ? 1 : 0][policy.has_row_ids ? 1 : 0];
    *out_scan = NULL;
    if (*scan != NULL) {
        VV_TRY(vv_scan_restart(*scan, series, out_err));
    } else {
        vv_scan_options options = {
            .range = {.start = VARVE_RANGE_ALL_START, .end = VARVE_RANGE_ALL_END},
            .with_row_ids = policy.has_row_ids,
            .no_vectors = !passes,
            .alloc = &state->db->alloc,
            .scratch = worker->scratch,
        };
        VV_TRY(vv_scan_open(state->view, series, &options, scan, out_err));
    }
    *out_scan = *scan;
    return VARVE_OK;
}

static varve_status merge_put_series(merge_worker *worker, uint32_t series, varve_error *out_err)
{
    merge_state *state = worker->state;
    merge_sources sources;
    vv_scan *scan;
    if (vv_ring_set_find(state->view->version->rings, series) != NULL) {
        return VARVE_OK; /* its rows go to its pages; older ones in segments are all deleted */
    }
    VV_TRY(merge_look(state, series, &sources, out_err));
    VV_TRY(merge_scan_of(worker, series, &sources, &scan, out_err));
    const merge_item begin = {.series = series,
                              .first_sequence = sources.first_sequence,
                              .last_sequence = sources.last_sequence};
    VV_TRY(merge_emit_series(worker, &begin, out_err));
    for (;;) {
        const vv_part *part;
        VV_TRY(vv_scan_next(scan, &part, out_err));
        if (part == NULL) {
            return VARVE_OK;
        }
        VV_TRY(merge_put_part(worker, scan, part, out_err));
        vv_task_add(worker->task, part->count);
        VV_TRY(vv_task_poll(worker->task, out_err));
    }
}

/* ---- the threads ---- */

static varve_status merge_worker_init(merge_worker *worker, merge_state *state, varve_task *task,
                                      vv_merge_crew *crew, varve_error *out_err)
{
    vv_alloc *alloc = &state->db->alloc;
    *worker = (merge_worker){.state = state, .task = task, .crew = crew, .has_turn = crew == NULL};
    vv_buf_init(&worker->vector, alloc, VV_VECTOR_BYTES_MAX);
    vv_buf_init(&worker->bytes, alloc, MERGE_AHEAD_BYTES_MAX);
    vv_vec_init(&worker->items, alloc, sizeof(merge_item), SIZE_MAX);
    vv_arena_init(&worker->arena, alloc, SIZE_MAX);
    return vv_codec_scratch_create(alloc, &worker->scratch, out_err);
}

static void merge_worker_deinit(merge_worker *worker)
{
    for (size_t i = 0; i < 4; i++) {
        vv_scan_close(worker->scans[i / 2][i % 2]);
    }
    vv_codec_scratch_free(worker->scratch);
    vv_arena_deinit(&worker->arena);
    vv_vec_deinit(&worker->items);
    vv_buf_deinit(&worker->bytes);
    vv_buf_deinit(&worker->vector);
}

static varve_status merge_put_group(merge_worker *worker, size_t begin, size_t end,
                                    varve_error *out_err)
{
    for (size_t i = begin; i < end; i++) {
        VV_TRY(merge_put_series(worker, worker->state->series[i], out_err));
    }
    return merge_take_turn(worker, out_err);
}

/** Group after group; what fails ends the work of both threads. */
static void merge_work(merge_worker *worker)
{
    varve_error error;
    const merge_state *state = worker->state;
    while (vv_merge_crew_claim(worker->crew, &worker->group)) {
        size_t begin = worker->group * state->group_series;
        size_t end = begin + state->group_series;
        worker->has_turn = false;
        vv_vec_clear(&worker->items);
        vv_buf_reset(&worker->bytes);
        end = end < state->series_count ? end : state->series_count;
        varve_status status = merge_put_group(worker, begin, end, &error);
        if (status != VARVE_OK) {
            vv_merge_crew_fail(worker->crew, status, &error);
            return;
        }
        vv_merge_crew_pass_turn(worker->crew);
    }
}

/** Without memory to begin with it leaves everything to the caller. */
static void merge_help(vv_merge_crew *crew, void *context)
{
    merge_worker worker;
    if (merge_worker_init(&worker, context, NULL, crew, NULL) == VARVE_OK) {
        merge_work(&worker);
    }
    merge_worker_deinit(&worker);
}

/** Whether two threads are worth it; what they share is cut into groups. */
static bool merge_is_shared(merge_state *state)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < state->view->head_count; i++) {
        rows += vv_head_rows(state->view->heads[i]);
    }
    size_t series = state->series_count / MERGE_GROUPS + 1;
    state->group_series = series < MERGE_GROUP_SERIES_MAX ? series : MERGE_GROUP_SERIES_MAX;
    return rows >= VV_MERGE_CREW_ROWS_MIN && state->series_count > state->group_series;
}

/** All series into the file, by two threads if there can be two. */
static varve_status merge_put_all(merge_state *state, bool has_helper, varve_task *task,
                                  varve_error *out_err)
{
    vv_merge_crew *crew = NULL;
    if (has_helper && merge_is_shared(state)) {
        size_t groups = (state->series_count + state->group_series - 1) / state->group_series;
        VV_IGNORE(vv_merge_crew_create(state->db, groups, merge_help, state, &crew, NULL));
    }
    merge_worker worker;
    varve_error error;
    varve_status status = merge_worker_init(&worker, state, task, crew, &error);
    if (crew == NULL && status == VARVE_OK) {
        status = merge_put_group(&worker, 0, state->series_count, &error);
    } else if (status == VARVE_OK) {
        merge_work(&worker);
    }
    if (crew != NULL) {
        if (status != VARVE_OK) {
            vv_merge_crew_fail(crew, status, &error);
        }
        status = vv_merge_crew_end(crew, &error);
    }
    merge_worker_deinit(&worker);
    if (status != VARVE_OK && out_err != NULL) {
        *out_err = error;
    }
    return status;
}

/* ---- the segment ---- */

static varve_status merge_prepare(merge_state *state, varve_error *out_err)
{
    const vv_version *version = state->view->version;
    VV_TRY(merge_list_series(state, out_err));
    state->has_own_ids =
        vv_arena_array(&state->arena, version->segment_count, sizeof *state->has_own_ids);
    if (state->has_own_ids == NULL) {
        return vv_arena_fail(&state->arena, version->segment_count, out_err);
    }
    for (size_t i = 0; i < version->segment_count; i++) {
        const vv_live_segment *segment = version->segments[i];
        state->has_own_ids[i] = true;
        for (uint32_t field = 0; field < segment->field_count; field++) {
            if (segment->field_ids[field] != segment->field_names[field]) {
                state->has_own_ids[i] = false;
            }
        }
    }
    return VARVE_OK;
}

/** Q5, for the segment. */
static void merge_set_bounds(const vv_view *view, vv_segment_info *info)
{
    for (size_t i = 0; i < view->version->segment_count; i++) {
        const vv_segment_info *input = &view->version->segments[i]->info;
        if (input->first_sequence < info->first_sequence) {
            info->first_sequence = input->first_sequence;
        }
        if (input->last_sequence > info->last_sequence) {
            info->last_sequence = input->last_sequence;
        }
    }
}

static varve_status merge_finish(merge_state *state, vv_segment_info *out_info,
                                 varve_error *out_err)
{
    vv_segment_info info;
    vv_segment_writer *writer = state->writer;
    state->writer = NULL;
    if (vv_segment_writer_rows(writer) == 0) {
        vv_segment_writer_abort(writer);
        return VARVE_OK;
    }
    VV_TRY(vv_segment_writer_finish(writer, &info, out_err));
    merge_set_bounds(state->view, &info);
    *out_info = info;
    return VARVE_OK;
}

static void merge_deinit(merge_state *state)
{
    vv_segment_writer_abort(state->writer);
    vv_alloc_free(&state->db->alloc, state->series, state->series_bytes);
    vv_arena_deinit(&state->arena);
}

varve_status vv_merge_write_file(vv_view *view, const vv_merge_target *target, varve_task *task,
                                 vv_segment_info *out_info, varve_error *out_err)
{
    varve_db *db = view->db;
    *out_info = (vv_segment_info){.rows = 0};
    merge_state state = {.db = db, .view = view};
    vv_arena_init(&state.arena, &db->alloc, SIZE_MAX);
    varve_status status = merge_prepare(&state, out_err);
    if (status == VARVE_OK && state.series_count > 0) {
        status = vv_segment_writer_open(target->env, target->directory, target->id, target->level,
                                        &state.writer, out_err);
    }
    if (status == VARVE_OK && state.series_count > 0) {
        status = merge_put_all(&state, target->has_helper, task, out_err);
    }
    if (status == VARVE_OK && state.writer != NULL) {
        status = merge_finish(&state, out_info, out_err);
    }
    merge_deinit(&state);
    return status;
}

/** Deletes up to this sequence are applied: those of the version that the view sees. They are in it
 *  in the order of their sequences, so none below is missing. */
static uint64_t merge_applied_sequence(const vv_view *view)
{
    uint64_t sequence = 0;
    for (size_t i = 0; i < view->version->tombstone_count; i++) {
        const vv_tombstone *tombstone = view->version->tombstones[i];
        sequence = tombstone->sequence <= view->visible ? tombstone->sequence : sequence;
    }
    return sequence;
}

varve_status vv_merge_write(vv_view *view, uint64_t id, uint32_t level, varve_task *task,
                            vv_live_segment **out_segment, varve_error *out_err)
{
    *out_segment = NULL;
    varve_db *db = view->db;
    char tmp[VV_PATH_BYTES_MAX];
    VV_TRY(vv_db_path(db, "tmp", tmp, out_err));
    /* Nobody else works while a database is opened. */
    bool has_helper = db->rings_recover && (db->options.flags & VARVE_OPEN_NO_BACKGROUND) == 0;
    vv_merge_target target = {
        .env = &db->env, .directory = tmp, .id = id, .level = level, .has_helper = has_helper};
    vv_segment_info info;
    VV_TRY(vv_merge_write_file(view, &target, task, &info, out_err));
    if (info.rows == 0) {
        return VARVE_OK;
    }
    VV_TRY(vv_publish_segment_file(db, id, out_err));
    varve_status status = vv_live_segment_open_written(db, id, level, out_segment, out_err);
    if (status != VARVE_OK) {
        vv_live_segment_unlink(db, id, VV_TIER_HOT);
        return status;
    }
    (*out_segment)->info.first_sequence = info.first_sequence;
    (*out_segment)->info.last_sequence = info.last_sequence;
    (*out_segment)->applied_sequence = merge_applied_sequence(view);
    return VARVE_OK;
}
