/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Cursors: their making, their end, their blocks' frames (K1, K2 of cursor_priv.h).
 */

#include "query/query.h"

#include <string.h>

#include "base/limit.h"
#include "base/status.h"
#include "codec/vector.h"
#include "engine/task.h"
#include "query/cursor_priv.h"

/* ---- memory of a cursor comes from the database's allocator ---- */

static void *cursor_allocate(void *context, size_t size)
{
    return vv_alloc_new(context, size);
}

static void *cursor_reallocate(void *context, void *memory, size_t old_size, size_t new_size)
{
    return vv_alloc_resize(context, memory, old_size, new_size);
}

static void cursor_release(void *context, void *memory, size_t size)
{
    vv_alloc_free(context, memory, size);
}

static void cursor_frame_free(vv_frame *frame)
{
    if (frame != NULL && atomic_fetch_sub_explicit(&frame->refs, 1, memory_order_acq_rel) == 1) {
        varve_allocator source = frame->source;
        vv_arena_deinit(&frame->arena);
        source.release(source.context, frame, sizeof *frame);
    }
}

static void cursor_free(void *handle)
{
    varve_cursor *cursor = handle;
    varve_db *db = cursor->db;
    if (cursor->ops->deinit != NULL) {
        cursor->ops->deinit(cursor);
    }
    cursor_frame_free(cursor->frame);
    vv_codec_scratch_free(cursor->scratch);
    vv_view_unref(cursor->view);
    vv_arena_deinit(&cursor->arena);
    vv_db_remove_cursor(db, &cursor->user);
    vv_alloc_free(&db->alloc, cursor, sizeof *cursor);
}

static varve_status cursor_create(varve_db *db, const vv_cursor_ops *ops, uint64_t memory_max,
                                  bool is_internal, varve_cursor **out_cursor, varve_error *out_err)
{
    *out_cursor = NULL;
    varve_cursor *cursor = vv_alloc_zeroed(&db->alloc, sizeof *cursor);
    if (cursor == NULL) {
        return vv_fail(out_err, VARVE_E_NOMEM, "no memory for a cursor");
    }
    varve_allocator source = {.context = &db->alloc,
                              .allocate = cursor_allocate,
                              .reallocate = cursor_reallocate,
                              .release = cursor_release};
    cursor->ops = ops;
    cursor->db = db;
    cursor->memory_max = memory_max;
    vv_alloc_init_limited(&cursor->alloc, &source,
                          memory_max > SIZE_MAX ? SIZE_MAX : (size_t)memory_max);
    vv_arena_init(&cursor->arena, &cursor->alloc, SIZE_MAX);
    /* What is made for good goes by what is hidden for good. */
    varve_status status = is_internal ? vv_view_open_lasting(db, &cursor->view, out_err)
                                      : vv_view_open(db, &cursor->view, out_err);
    if (status == VARVE_OK) {
        status = vv_codec_scratch_create(&cursor->alloc, &cursor->scratch, out_err);
    }
    if (status == VARVE_E_NOMEM) {
        status = vv_cursor_memory(cursor, out_err);
    }
    if (status != VARVE_OK) {
        vv_view_unref(cursor->view);
        vv_arena_deinit(&cursor->arena);
        vv_alloc_free(&db->alloc, cursor, sizeof *cursor);
        return status;
    }
    cursor->is_internal = is_internal;
    cursor->user = (vv_db_user){.handle = cursor, .free = cursor_free, .is_internal = is_internal};
    vv_db_add_cursor(db, &cursor->user);
    atomic_fetch_add_explicit(&db->counters.queries, is_internal ? 0 : 1, memory_order_relaxed);
    *out_cursor = cursor;
    return VARVE_OK;
}

varve_status vv_cursor_create(varve_db *db, const vv_cursor_ops *ops, uint64_t memory_max,
                              varve_cursor **out_cursor, varve_error *out_err)
{
    return cursor_create(db, ops, memory_max, /* is_internal */ false, out_cursor, out_err);
}

varve_status vv_cursor_create_internal(varve_db *db, const vv_cursor_ops *ops, uint64_t memory_max,
                                       varve_cursor **out_cursor, varve_error *out_err)
{
    return cursor_create(db, ops, memory_max, /* is_internal */ true, out_cursor, out_err);
}

varve_status vv_cursor_memory(varve_cursor *cursor, varve_error *out_err)
{
    if (vv_alloc_was_limited(&cursor->alloc)) {
        return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_QUERY_MEMORY,
                             "the query needs more memory than memory_max (%llu bytes)",
                             (unsigned long long)cursor->memory_max);
    }
    return vv_fail(out_err, VARVE_E_NOMEM, "no memory for a query");
}

varve_status vv_cursor_poll(varve_cursor *cursor, varve_error *out_err)
{
    VV_TRY(vv_task_poll(cursor->task, out_err));
    if (cursor->deadline_ns != 0 && vv_env_mono_ns(&cursor->db->env) > cursor->deadline_ns) {
        return vv_fail(out_err, VARVE_E_TIMEOUT, "the query ran past its deadline");
    }
    return VARVE_OK;
}

varve_status vv_cursor_poll_context(void *cursor, varve_error *out_err)
{
    return vv_cursor_poll(cursor, out_err);
}

bool vv_cursor_may_skip(varve_cursor *cursor, const vv_plan *plan, varve_status status)
{
    if ((status == VARVE_E_CORRUPT || status == VARVE_E_IO) &&
        (plan->flags & VARVE_QUERY_PARTIAL) != 0) {
        cursor->is_partial = true;
        return true;
    }
    return false;
}

/* ---- frames ---- */

varve_status vv_cursor_frame(varve_cursor *cursor, varve_error *out_err)
{
    if (cursor->frame != NULL) {
        vv_arena_reset(&cursor->frame->arena);
        memset(&cursor->frame->block, 0, sizeof cursor->frame->block);
        return VARVE_OK;
    }
    varve_allocator source = cursor->db->alloc.source;
    vv_frame *frame = source.allocate(source.context, sizeof *frame);
    if (frame == NULL) {
        return vv_fail(out_err, VARVE_E_NOMEM, "no memory for a block");
    }
    memset(frame, 0, sizeof *frame);
    frame->source = source;
    atomic_init(&frame->refs, 1);
    vv_alloc_init(&frame->alloc, &source);
    vv_arena_init(&frame->arena, &frame->alloc, SIZE_MAX);
    cursor->frame = frame;
    return VARVE_OK;
}

const varve_block *vv_cursor_keep(varve_cursor *cursor)
{
    if (!cursor->has_block) {
        return NULL;
    }
    const varve_block *block = &cursor->frame->block;
    cursor->frame = NULL;
    cursor->has_block = false;
    return block;
}

/** The block is the frame's first member, lent as const. */
static vv_frame *cursor_frame_of(const varve_block *block)
{
    vv_frame *frame = NULL;
    memcpy(&frame, &block, sizeof frame);
    return frame;
}

void vv_block_share(const varve_block *block)
{
    atomic_fetch_add_explicit(&cursor_frame_of(block)->refs, 1, memory_order_relaxed);
}

void vv_block_release(const varve_block *block)
{
    cursor_frame_free(cursor_frame_of(block));
}

/* ---- the handle ---- */

varve_status vv_cursor_make_empty(varve_cursor *cursor, varve_error *out_err)
{
    vv_block_builder builder;
    if (cursor->layout == VARVE_LAYOUT_TABLE && cursor->ops->begin != NULL) {
        VV_TRY(cursor->ops->begin(cursor, &builder, out_err));
    } else {
        VV_TRY(vv_block_begin(&builder, cursor, 0, 1, out_err));
    }
    return vv_block_finish(&builder, out_err);
}

/** The next block, or the end; K3. */
static varve_status cursor_advance(varve_cursor *cursor, varve_error *out_err)
{
    VV_TRY(vv_cursor_poll(cursor, out_err));
    VV_TRY(cursor->ops->next(cursor, out_err));
    if (!cursor->has_block && cursor->is_partial && !cursor->told_partial) {
        VV_TRY(vv_cursor_make_empty(cursor, out_err));
    }
    if (cursor->has_block && cursor->is_partial) {
        cursor->frame->block.flags |= VARVE_BLOCK_PARTIAL;
        if (!cursor->told_partial) {
            varve_error reason;
            varve_status status =
                vv_fail(&reason, VARVE_E_CORRUPT, "damaged parts were left out of an answer");
            VV_IGNORE(status); /* the answer goes on without them */
            vv_health_degrade(cursor->db, VV_REASON_DAMAGE, &reason);
        }
        cursor->told_partial = true;
    }
    return VARVE_OK;
}

/** Remember the failure (K2). Memory that the limit refused is E_LIMIT; damage shows in the state
 * of health. */
static varve_status cursor_fail(varve_cursor *cursor, varve_status status, varve_error *error)
{
    if (status == VARVE_E_NOMEM) {
        status = vv_cursor_memory(cursor, error);
    }
    error->status = status;
    vv_count(&cursor->db->counters.query_errors, 1);
    cursor->error = *error;
    cursor->has_block = false;
    if (status == VARVE_E_CORRUPT) {
        vv_health_degrade(cursor->db, VV_REASON_DAMAGE, error);
    }
    return status;
}

varve_status vv_cursor_next(varve_cursor *cursor, const varve_block **out_block,
                            varve_error *out_err)
{
    VV_TRY(vv_db_check(cursor->db, out_err));
    cursor->has_block = false;
    cursor->was_read = true;
    if (cursor->error.status == VARVE_OK && !cursor->is_end) {
        varve_error error = {0};
        int64_t begun_ns = vv_mono_now_ns();
        varve_status status = cursor_advance(cursor, &error);
        vv_count(&cursor->db->counters.query_ns, (uint64_t)(vv_mono_now_ns() - begun_ns));
        if (status != VARVE_OK) {
            VV_IGNORE(cursor_fail(cursor, status, &error)); /* given below */
        }
    }
    if (cursor->error.status != VARVE_OK) {
        if (out_err != NULL) {
            *out_err = cursor->error;
        }
        return cursor->error.status;
    }
    if (cursor->has_block) {
        *out_block = &cursor->frame->block;
        vv_count(&cursor->db->counters.query_rows, cursor->frame->block.rows);
    }
    return VARVE_OK;
}

varve_status vv_cursor_split(varve_cursor *cursor, varve_cursor **out_parts, size_t capacity,
                             size_t *out_count, varve_error *out_err)
{
    VV_TRY(vv_db_check(cursor->db, out_err));
    if (cursor->was_read) {
        return vv_fail(out_err, VARVE_E_INVALID, "a cursor is split before its first block");
    }
    if (cursor->ops->split == NULL) {
        return vv_fail(out_err, VARVE_E_UNSUPPORTED, "this kind of cursor cannot be split");
    }
    return cursor->ops->split(cursor, out_parts, capacity, out_count, out_err);
}

uint64_t vv_cursor_last_row_id(const varve_cursor *cursor)
{
    return cursor->view->visible;
}

void vv_cursor_close(varve_cursor *cursor)
{
    if (cursor != NULL && vv_db_check(cursor->db, NULL) == VARVE_OK) { /* else varve_abandon does */
        cursor_free(cursor);
    }
}
