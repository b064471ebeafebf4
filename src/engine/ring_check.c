/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Reading ring files again (see ring_check.h). Pages in memory were checked when they came from the
 * disk; this is about what the disk holds by now.
 *
 *   V1  No lock is held while a file is read. A writer that finds a bad page looks again with
 *       flush_lock held, when no page is being written, and only if the file still is one of the
 *       database.
 *   V2  A file that is to be written anew anyway is known to be bad or ahead, and left out.
 *   V3  A reader beside a live writer cannot tell a page that is being written from a torn one:
 * only what stays bad counts, and only while the file is there. What an open took from the log is
 *       left out (V2).
 */

#include "engine/ring_check.h"

#include "base/status.h"
#include "engine/version.h"

enum { RING_CHECK_READS_MAX = 5 };

/** Whether the file of a state is still one of the database, and trusted (V2). */
static bool ring_check_is_current(varve_db *db, const vv_ring_state *state)
{
    vv_ring_set *set = vv_ring_set_current(db);
    const vv_ring_state *found = vv_ring_set_find(set, state->ring->series);
    bool is_current = found != NULL && found->file_id == state->file_id &&
                      !atomic_load(&found->ring->must_rewrite);
    vv_ring_set_unref(db, set);
    return is_current;
}

/** Read a page; *out_is_gone: the file is none of the database any more. */
static varve_status ring_check_page(varve_db *db, const vv_ring_state *state,
                                    vv_ring_reader *reader, uint32_t number, uint8_t *page,
                                    bool *out_is_gone, varve_error *out_err)
{
    *out_is_gone = false;
    varve_status status = vv_ring_reader_page(reader, number, page, out_err);
    for (int i = 1; db->is_readonly && i < RING_CHECK_READS_MAX && status != VARVE_OK; i++) {
        status = vv_ring_reader_page(reader, number, page, out_err); /* V3 */
    }
    if (status == VARVE_OK || db->is_readonly) {
        return status;
    }
    vv_mutex_lock(&db->flush_lock); /* V1 */
    *out_is_gone = !ring_check_is_current(db, state);
    status = vv_ring_reader_page(reader, number, page, out_err);
    vv_mutex_unlock(&db->flush_lock);
    return status;
}

/** What is bad on the disk is good in memory: a writer makes the file anew with its next flush. */
static void ring_check_tell(varve_db *db, const vv_ring_check *check, vv_ring_state *state,
                            uint64_t page, uint64_t offset, vv_bytes bytes,
                            const varve_error *error)
{
    check->damage(check->context, state->file_id, page, offset, bytes, error);
    if (!db->is_readonly) {
        atomic_store(&state->ring->must_rewrite, true);
    }
}

static varve_status ring_check_pages(varve_db *db, vv_ring_check *check, vv_ring_state *state,
                                     vv_ring_reader *reader, varve_error *out_err)
{
    uint8_t page[VV_RING_PAGE_BYTES];
    varve_error error;
    bool is_gone = false;
    for (uint32_t i = 0; i < reader->header.shape.pages && !is_gone; i++) {
        uint64_t offset = reader->header.header_bytes + (uint64_t)i * VV_RING_PAGE_BYTES;
        VV_TRY(check->poll(check->context, state->file_id, offset, out_err));
        varve_status status = ring_check_page(db, state, reader, i, page, &is_gone, &error);
        check->pages += 1;
        if (status != VARVE_OK && !is_gone) {
            size_t size = status == VARVE_E_CORRUPT ? sizeof page : 0;
            ring_check_tell(db, check, state, i, offset, vv_bytes_make(page, size), &error);
        }
    }
    check->bytes +=
        reader->header.header_bytes + (uint64_t)reader->header.shape.pages * VV_RING_PAGE_BYTES;
    return VARVE_OK;
}

static varve_status ring_check_file(varve_db *db, vv_ring_check *check, vv_ring_state *state,
                                    varve_error *out_err)
{
    char path[VV_PATH_BYTES_MAX];
    vv_ring_reader reader;
    varve_error error;
    VV_TRY(check->poll(check->context, state->file_id, 0, out_err));
    VV_TRY(vv_ring_path(db, state->file_id, path, out_err));
    varve_status status = vv_ring_reader_open(&db->env, path, &reader, &error);
    if (status == VARVE_E_NOMEM) {
        return vv_fail(out_err, status, "%s", error.message);
    }
    bool may_be_gone = db->is_readonly ? status == VARVE_E_NOT_FOUND && !db->is_snapshot
                                       : !ring_check_is_current(db, state);
    if (status != VARVE_OK && may_be_gone) {
        return VARVE_OK;
    }
    check->files += 1;
    if (status != VARVE_OK) {
        ring_check_tell(db, check, state, UINT64_MAX, 0, vv_bytes_make(NULL, 0), &error);
        return VARVE_OK;
    }
    status = ring_check_pages(db, check, state, &reader, out_err);
    vv_ring_reader_close(&reader);
    return status;
}

/** The ring behind `*series` in the set of now; referenced. NULL: none. */
static vv_ring_state *ring_check_next(varve_db *db, uint32_t *series)
{
    vv_ring_set *set = vv_ring_set_current(db);
    vv_ring_state *found = NULL;
    for (size_t i = 0; set != NULL && i < set->count && found == NULL; i++) {
        vv_ring_state *state = set->states[i];
        if (state->ring->series > *series) {
            *series = state->ring->series;
            found = state;
            vv_ring_state_ref(found);
        }
    }
    vv_ring_set_unref(db, set);
    return found;
}

varve_status vv_ring_check_files(varve_db *db, vv_ring_check *check, varve_error *out_err)
{
    uint32_t series = 0;
    varve_status status = VARVE_OK;
    vv_ring_state *state = db->is_memory ? NULL : ring_check_next(db, &series);
    while (state != NULL) {
        if (status == VARVE_OK && !atomic_load(&state->ring->must_rewrite)) { /* V2 */
            status = ring_check_file(db, check, state, out_err);
        }
        vv_ring_state_unref(db, state);
        state = status == VARVE_OK ? ring_check_next(db, &series) : NULL;
    }
    return status;
}
