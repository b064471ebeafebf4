/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Flushing rings (see ring_flush.h; R4, R5 of ring.h).
 *
 *   state + rows of the head --> state with new pages (memory)
 *                                  |  in place: images to the log, log synced, pages written,
 * synced |  anew:     whole file under another number, published
 *                                  v
 *                                manifest edit (publish.c): flush point, files exchanged
 *
 *   W1  Nothing of a file changes before the image of what changes is synced in the log; the log
 *       holds the rows too. A crash up to the edit leaves pages that are old, new, or torn with an
 *       image in the log: with the rows of the log on top each gives the same.
 *   W2  After a failed write or sync of a file nobody writes to it any more: the next attempt makes
 *       a new one of the pages in memory.
 *   W3  A page that no row or delete changed is neither logged nor written.
 */

#include "engine/ring_flush.h"

#include <string.h>

#include "base/crc.h"
#include "base/status.h"
#include "codec/vector.h"
#include "engine/ring_apply.h"
#include "sys/env.h"
#include "wal/payload.h"
#include "wal/wal.h"

enum {
    RING_FLUSH_LOG_PAGES_MAX = 256, /* images in one batch of the log: 1 MiB; arbitrary */
    RING_FLUSH_LOG_SHARE = 4        /* and at most this part of a log file */
};

/** A ring whose pages change. */
typedef struct ring_flush_item {
    vv_ring_state *old_state; /* of the base; borrowed from the view */
    vv_ring_state *state;     /* borrowed from the set */
    uint32_t changed;         /* pages */
    bool is_anew;
} ring_flush_item;

void vv_ring_flush_init(vv_ring_flush *flush, varve_db *db)
{
    flush->set = NULL;
    vv_vec_init(&flush->items, &db->alloc, sizeof(ring_flush_item), SIZE_MAX);
    vv_vec_init(&flush->add, &db->alloc, sizeof(uint64_t), SIZE_MAX);
    vv_vec_init(&flush->drop, &db->alloc, sizeof(uint64_t), SIZE_MAX);
}

void vv_ring_flush_deinit(vv_ring_flush *flush, varve_db *db)
{
    vv_ring_set_unref(db, flush->set);
    vv_vec_deinit(&flush->items);
    vv_vec_deinit(&flush->add);
    vv_vec_deinit(&flush->drop);
}

/* ---- the pages ---- */

/** Whether rows of the head or a delete may change a ring. */
static bool ring_flush_concerns(const vv_view *view, const vv_head *head, uint32_t series)
{
    const vv_version *version = view->version;
    bool concerns = vv_head_has_series(head, series);
    for (size_t i = 0; i < version->tombstone_count && !concerns; i++) {
        const vv_tombstone *tombstone = version->tombstones[i];
        concerns = tombstone->sequence > version->rings->sequence &&
                   tombstone->sequence <= view->visible && tombstone->row_count == 0 &&
                   vv_idset_contains(&tombstone->series, series);
    }
    return concerns;
}

/** The state with the pages of the overlay, which it takes, stamped with the flush point. */
static varve_status ring_flush_make_state(vv_ring_flush *flush, varve_db *db,
                                          vv_ring_overlay *overlay, vv_ring_state *old_state,
                                          const vv_head *head, varve_error *out_err)
{
    ring_flush_item item = {.old_state = old_state, .changed = overlay->changed};
    VV_TRY(vv_ring_state_copy(db, old_state, &item.state, out_err));
    item.is_anew = atomic_load(&old_state->ring->must_rewrite) || db->rings_recover;
    varve_status status = vv_vec_push(&flush->items, &item);
    if (status != VARVE_OK) {
        vv_ring_state_unref(db, item.state);
        return vv_vec_fail(&flush->items, status, out_err);
    }
    for (uint32_t i = 0; i < old_state->ring->shape.pages; i++) {
        vv_ring_page *page = overlay->pages[i];
        if (page != NULL) {
            vv_ring_page_stamp(page->bytes, vv_head_last_lsn(head), vv_head_last_sequence(head));
            vv_ring_page_unref(&db->alloc, item.state->pages[i]);
            item.state->pages[i] = page;
            overlay->pages[i] = NULL;
        }
    }
    vv_ring_set_push(flush->set, item.state);
    vv_ring_state_unref(db, item.state); /* the set has one */
    return VARVE_OK;
}

static varve_status ring_flush_state(vv_ring_flush *flush, vv_view *view, vv_head *head,
                                     vv_ring_state *state, vv_codec_scratch *scratch,
                                     varve_error *out_err)
{
    varve_db *db = view->db;
    bool must_rewrite = atomic_load(&state->ring->must_rewrite);
    if (!must_rewrite && !ring_flush_concerns(view, head, state->ring->series)) {
        vv_ring_set_push(flush->set, state);
        return VARVE_OK;
    }
    vv_ring_apply_options options = {.start = INT64_MIN, .alloc = &db->alloc, .scratch = scratch};
    vv_ring_overlay overlay;
    VV_TRY(vv_ring_apply(view, state, &options, &overlay, out_err));
    varve_status status = VARVE_OK;
    if (overlay.changed > 0 || must_rewrite) {
        status = ring_flush_make_state(flush, db, &overlay, state, head, out_err);
    } else {
        vv_ring_set_push(flush->set, state); /* W3 */
    }
    vv_ring_overlay_deinit(&overlay);
    return status;
}

static varve_status ring_flush_states(vv_ring_flush *flush, vv_view *view, vv_head *head,
                                      varve_error *out_err)
{
    const vv_ring_set *base = view->version->rings;
    vv_codec_scratch *scratch;
    VV_TRY(vv_ring_set_create(view->db, base->count, vv_head_last_sequence(head), &flush->set,
                              out_err));
    VV_TRY(vv_codec_scratch_create(&view->db->alloc, &scratch, out_err));
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < base->count && status == VARVE_OK; i++) {
        status = ring_flush_state(flush, view, head, base->states[i], scratch, out_err);
    }
    vv_codec_scratch_free(scratch);
    return status;
}

/* ---- files anew (W2) ---- */

static varve_status ring_flush_push_id(vv_vec *ids, uint64_t id, varve_error *out_err)
{
    varve_status status = vv_vec_push(ids, &id);
    return status == VARVE_OK ? VARVE_OK : vv_vec_fail(ids, status, out_err);
}

static varve_status ring_flush_anew(vv_ring_flush *flush, varve_db *db, const ring_flush_item *item,
                                    varve_error *out_err)
{
    VV_TRY(ring_flush_push_id(&flush->drop, item->old_state->file_id, out_err));
    VV_TRY(vv_ring_write_new_file(db, item->state, out_err));
    varve_status status = ring_flush_push_id(&flush->add, item->state->file_id, out_err);
    if (status != VARVE_OK) {
        vv_ring_unlink(db, item->state->file_id);
    }
    atomic_fetch_add_explicit(&db->counters.ring_rewrites, 1, memory_order_relaxed);
    return status;
}

/* ---- pages in place ---- */

/** Where the walk over changed pages stands. */
typedef struct ring_flush_walk {
    const vv_ring_flush *flush;
    size_t item;
    uint32_t page;
} ring_flush_walk;

/** The next changed page that is written in place; false: none is left. */
static bool ring_flush_next(ring_flush_walk *walk, const ring_flush_item **out_item,
                            uint32_t *out_page)
{
    for (; walk->item < walk->flush->items.count; walk->item++, walk->page = 0) {
        const ring_flush_item *item = VV_VEC_AT(&walk->flush->items, ring_flush_item, walk->item);
        uint32_t count = item->is_anew ? 0 : item->state->ring->shape.pages;
        for (; walk->page < count; walk->page++) {
            if (item->state->pages[walk->page] != item->old_state->pages[walk->page]) {
                *out_item = item;
                *out_page = walk->page;
                walk->page++;
                return true;
            }
        }
    }
    return false;
}

/** A page as it goes to the file and to the log. */
static void ring_flush_image(const ring_flush_item *item, uint32_t number,
                             uint8_t out_image[VV_RING_PAGE_BYTES])
{
    memcpy(out_image, item->state->pages[number]->bytes, VV_RING_PAGE_BYTES);
    vv_ring_page_seal(out_image, item->state->file_id, number);
}

/** One batch of images into the log, synced. ends: where each payload ends. */
static varve_status ring_flush_log_batch(varve_db *db, const vv_buf *payloads, const size_t *ends,
                                         size_t count, varve_error *out_err)
{
    vv_wal_record records[RING_FLUSH_LOG_PAGES_MAX];
    for (size_t i = 0; i < count; i++) {
        size_t begin = i == 0 ? 0 : ends[i - 1];
        const uint8_t *payload = payloads->data + begin;
        records[i] = (vv_wal_record){
            .type = VV_WAL_RINGPAGE,
            .payload = vv_bytes_make(payload, ends[i] - begin),
            .payload_crc = vv_crc32c(0, payload, ends[i] - begin),
        };
    }
    int64_t wait_ns = (int64_t)db->options.write_timeout_ms * VV_NS_PER_MS;
    VV_TRY(vv_wal_reserve(db->wal, payloads->size, count, vv_deadline_after_ns(wait_ns), out_err));
    vv_wal_ticket ticket = vv_wal_append(db->wal, records, count, VARVE_SYNC_NONE);
    vv_wal_applied(db->wal, ticket);
    return vv_wal_sync(db->wal, ticket.last_lsn, out_err);
}

static varve_status ring_flush_fill_batch(ring_flush_walk *walk, size_t pages_max, vv_buf *payloads,
                                          size_t *ends, size_t *out_count, varve_error *out_err)
{
    uint8_t image[VV_RING_PAGE_BYTES];
    const ring_flush_item *item;
    uint32_t number;
    *out_count = 0;
    vv_buf_reset(payloads);
    while (*out_count < pages_max && ring_flush_next(walk, &item, &number)) {
        ring_flush_image(item, number, image);
        vv_wal_ring_page page = {.file_id = item->state->file_id,
                                 .number = number,
                                 .image = vv_bytes_make(image, sizeof image)};
        VV_TRY(vv_payload_ring_page(payloads, &page, out_err));
        ends[*out_count] = payloads->size;
        *out_count += 1;
    }
    return VARVE_OK;
}

/** W1: images of everything that is about to be written. */
static varve_status ring_flush_log(const vv_ring_flush *flush, varve_db *db, varve_error *out_err)
{
    size_t ends[RING_FLUSH_LOG_PAGES_MAX];
    uint64_t share = db->options.log_file_bytes / RING_FLUSH_LOG_SHARE / VV_RING_PAGE_BYTES;
    size_t pages_max = share < 1                          ? 1
                       : share > RING_FLUSH_LOG_PAGES_MAX ? RING_FLUSH_LOG_PAGES_MAX
                                                          : (size_t)share;
    ring_flush_walk walk = {.flush = flush};
    vv_buf payloads;
    vv_buf_init(&payloads, &db->alloc, SIZE_MAX);
    varve_status status = VARVE_OK;
    size_t count = pages_max;
    while (status == VARVE_OK && count == pages_max) {
        status = ring_flush_fill_batch(&walk, pages_max, &payloads, ends, &count, out_err);
        if (status == VARVE_OK && count > 0) {
            status = ring_flush_log_batch(db, &payloads, ends, count, out_err);
        }
    }
    vv_buf_deinit(&payloads);
    return status;
}

static varve_status ring_flush_write_pages(varve_db *db, const ring_flush_item *item, vv_file *file,
                                           varve_error *out_err)
{
    uint8_t image[VV_RING_PAGE_BYTES];
    for (uint32_t i = 0; i < item->state->ring->shape.pages; i++) {
        if (item->state->pages[i] != item->old_state->pages[i]) {
            int64_t offset =
                (int64_t)item->state->ring->header_bytes + (int64_t)i * VV_RING_PAGE_BYTES;
            ring_flush_image(item, i, image);
            VV_TRY(vv_file_write_all(file, offset, image, sizeof image, out_err));
        }
    }
    atomic_fetch_add_explicit(&db->counters.ring_pages, item->changed, memory_order_relaxed);
    return vv_file_fdatasync(file, VV_SITE_RING_PAGES, out_err);
}

static varve_status ring_flush_in_place(varve_db *db, const ring_flush_item *item,
                                        varve_error *out_err)
{
    char path[VV_PATH_BYTES_MAX];
    vv_file *file;
    VV_TRY(vv_ring_path(db, item->state->file_id, path, out_err));
    VV_TRY(
        vv_file_open(db->env.vfs, &db->alloc, path, VV_OPEN_READ | VV_OPEN_WRITE, &file, out_err));
    varve_status status = ring_flush_write_pages(db, item, file, out_err);
    varve_error close_error;
    varve_status closed = vv_file_close(file, &close_error);
    if (status == VARVE_OK && closed != VARVE_OK) {
        status = closed;
        vv_error_copy(out_err, &close_error);
    }
    if (status != VARVE_OK) {
        atomic_store(&item->state->ring->must_rewrite, true); /* W2 */
    }
    return status;
}

/* ---- all of it ---- */

varve_status vv_ring_flush_write(vv_ring_flush *flush, vv_view *view, vv_head *head,
                                 varve_error *out_err)
{
    varve_db *db = view->db;
    if (view->version->rings == NULL) {
        return VARVE_OK;
    }
    VV_TRY(ring_flush_states(flush, view, head, out_err));
    if (db->is_memory) {
        return VARVE_OK;
    }
    const ring_flush_item *items = VV_VEC_ITEMS(&flush->items, ring_flush_item);
    for (size_t i = 0; i < flush->items.count; i++) {
        if (items[i].is_anew) {
            VV_TRY(ring_flush_anew(flush, db, &items[i], out_err));
        }
    }
    VV_TRY(ring_flush_log(flush, db, out_err));
    for (size_t i = 0; i < flush->items.count; i++) {
        if (!items[i].is_anew) {
            VV_TRY(ring_flush_in_place(db, &items[i], out_err));
        }
    }
    return VARVE_OK;
}

void vv_ring_flush_end(vv_ring_flush *flush, varve_db *db, bool is_published, bool is_in_doubt)
{
    const vv_vec *files = is_published ? &flush->drop : &flush->add;
    for (size_t i = 0; i < files->count && !is_in_doubt; i++) {
        vv_ring_unlink(db, *VV_VEC_AT(files, uint64_t, i));
    }
    const ring_flush_item *items = VV_VEC_ITEMS(&flush->items, ring_flush_item);
    for (size_t i = 0; i < flush->items.count && is_published; i++) {
        if (items[i].is_anew) {
            atomic_store(&items[i].state->ring->must_rewrite, false);
        }
    }
}
