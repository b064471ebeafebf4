/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Loading rings (see ring_load.h).
 *
 *   file --page by page--> whole: as it is, also when it is ahead of the manifest (R1 of ring.h)
 *                          torn:  noted
 *   log  --RINGPAGE------> the image of a page that is torn, or that is older
 *   rows and deletes of the log above flush_lsn go to the head as ever, and on top when it is read
 *
 *   D1  A file of which any page was torn or ahead is written anew by the flush that ends the open:
 *       the page cache may hold bytes of it that a failed sync never stored.
 *   D2  A torn page without an image is damage. It is never taken for an empty one.
 *   D3  A reader beside a live writer reads a page that fails its check again; the image in the log
 *       helps it too.
 */

#include "engine/ring_load.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "base/text.h"
#include "engine/health.h"
#include "engine/version.h"
#include "index/catalogue.h"
#include "wal/payload.h"

enum { RING_LOAD_READS_MAX = 5 }; /* of one page beside a writer */

typedef struct ring_load_bad {
    vv_ring_state *state; /* borrowed from the set */
    uint32_t number;
    char reason[160];
} ring_load_bad;

void vv_ring_load_init(vv_ring_load *load, varve_db *db)
{
    *load = (vv_ring_load){.db = db};
    vv_vec_init(&load->bad, &db->alloc, sizeof(ring_load_bad), SIZE_MAX);
}

void vv_ring_load_deinit(vv_ring_load *load)
{
    vv_ring_set_unref(load->db, load->set);
    vv_vec_deinit(&load->bad);
}

/* ---- files ---- */

/** Whether a page holds nothing: then the state needs none. */
static bool ring_load_is_empty(const uint8_t *page)
{
    static const uint8_t zeros[VV_RING_PAGE_BYTES];
    return memcmp(page + VV_RING_PAGE_HEADER_BYTES, zeros,
                  VV_RING_PAGE_BYTES - VV_RING_PAGE_HEADER_BYTES) == 0;
}

/** Put a page that passed its check; `sequence`: what the manifest says is in pages. */
static varve_status ring_load_put(varve_db *db, vv_ring_state *state, uint32_t number,
                                  const uint8_t *bytes, uint64_t sequence, varve_error *out_err)
{
    bool is_ahead = vv_ring_page_sequence(bytes) > sequence;
    if (is_ahead) {
        atomic_store(&state->ring->must_rewrite, true); /* D1 */
    }
    if (!is_ahead && ring_load_is_empty(bytes)) {
        return VARVE_OK;
    }
    vv_ring_page *page = vv_ring_page_create(&db->alloc);
    if (page == NULL) {
        return vv_fail_nomem(out_err, "page of a ring", sizeof *page);
    }
    memcpy(page->bytes, bytes, sizeof page->bytes);
    vv_ring_page_unref(&db->alloc, state->pages[number]);
    state->pages[number] = page;
    return VARVE_OK;
}

static varve_status ring_load_note_bad(vv_ring_load *load, vv_ring_state *state, uint32_t number,
                                       const varve_error *error, varve_error *out_err)
{
    ring_load_bad bad = {.state = state, .number = number};
    vv_text_format(bad.reason, sizeof bad.reason, "%s", error->message);
    atomic_store(&state->ring->must_rewrite, true); /* D1 */
    varve_status status = vv_vec_push(&load->bad, &bad);
    return status == VARVE_OK ? VARVE_OK : vv_vec_fail(&load->bad, status, out_err);
}

static varve_status ring_load_pages(vv_ring_load *load, vv_ring_reader *reader,
                                    vv_ring_state *state, uint64_t sequence, varve_error *out_err)
{
    uint8_t page[VV_RING_PAGE_BYTES];
    varve_error error;
    int reads = load->db->is_readonly ? RING_LOAD_READS_MAX : 1;
    for (uint32_t i = 0; i < state->ring->shape.pages; i++) {
        varve_status status = VARVE_E_CORRUPT;
        for (int at = 0; at < reads && status == VARVE_E_CORRUPT; at++) {
            status = vv_ring_reader_page(reader, i, page, &error); /* D3 */
        }
        if (status == VARVE_OK) {
            VV_TRY(ring_load_put(load->db, state, i, page, sequence, out_err));
        } else if (status == VARVE_E_CORRUPT) {
            VV_TRY(ring_load_note_bad(load, state, i, &error, out_err));
        } else {
            return vv_fail(out_err, status, "%s", error.message);
        }
    }
    return VARVE_OK;
}

/** The types of its fields, as any rows of the series would have given them. */
static varve_status ring_load_types(varve_db *db, const vv_ring *ring, varve_error *out_err)
{
    vv_schema_field fields[VV_RING_FIELDS_MAX];
    for (uint32_t i = 0; i < ring->shape.field_count; i++) {
        fields[i] = (vv_schema_field){.field = ring->fields[i], .type = ring->shape.types[i]};
    }
    vv_catalogue_set_ring(db->catalogue, ring->series, true);
    return vv_catalogue_set_types(db->catalogue, ring->series, fields, ring->shape.field_count,
                                  out_err);
}

static varve_status ring_load_state(vv_ring_load *load, vv_ring_reader *reader, uint64_t sequence,
                                    vv_ring_state **out_state, varve_error *out_err)
{
    varve_db *db = load->db;
    vv_ring *ring;
    VV_TRY(vv_ring_create(db, &reader->header, &ring, out_err));
    varve_status status = vv_ring_state_create(db, ring, reader->header.id, out_state, out_err);
    vv_ring_unref(db, ring); /* the state has one */
    VV_TRY(status);
    status = ring_load_types(db, (*out_state)->ring, out_err);
    if (status == VARVE_OK) {
        status = ring_load_pages(load, reader, *out_state, sequence, out_err);
    }
    if (status != VARVE_OK) {
        vv_ring_state_unref(db, *out_state);
        *out_state = NULL;
    }
    return status;
}

static varve_status ring_load_file(vv_ring_load *load, uint64_t id, uint64_t sequence,
                                   vv_ring_state **out_state, varve_error *out_err)
{
    varve_db *db = load->db;
    char path[VV_PATH_BYTES_MAX];
    vv_ring_reader reader;
    VV_TRY(vv_ring_path(db, id, path, out_err));
    VV_TRY(vv_ring_reader_open(&db->env, path, &reader, out_err));
    varve_status status;
    if (reader.header.id != id ||
        memcmp(reader.header.store_id, db->store_id, sizeof db->store_id) != 0) {
        status = vv_fail(out_err, VARVE_E_CORRUPT, "%s is a ring of another place", path);
    } else {
        status = ring_load_state(load, &reader, sequence, out_state, out_err);
    }
    vv_ring_reader_close(&reader);
    return status;
}

static int ring_load_compare(const void *a, const void *b)
{
    uint32_t left = (*(vv_ring_state *const *)a)->ring->series;
    uint32_t right = (*(vv_ring_state *const *)b)->ring->series;
    return left < right ? -1 : left > right ? 1 : 0;
}

/** Sort the states of the set, which came in the order of their files. */
static varve_status ring_load_sort(vv_ring_set *set, varve_error *out_err)
{
    qsort(set->states, set->count, sizeof *set->states, ring_load_compare);
    for (size_t i = 1; i < set->count; i++) {
        if (set->states[i - 1]->ring->series == set->states[i]->ring->series) {
            return vv_fail(out_err, VARVE_E_CORRUPT, "ring files %llu and %llu hold one series",
                           (unsigned long long)set->states[i - 1]->file_id,
                           (unsigned long long)set->states[i]->file_id);
        }
    }
    return VARVE_OK;
}

varve_status vv_ring_load_files(vv_ring_load *load, const vv_manifest_state *manifest,
                                varve_error *out_err)
{
    varve_db *db = load->db;
    size_t count = manifest->rings.count;
    if (count == 0) {
        return VARVE_OK;
    }
    if (!db->is_readonly && db->options.sync == VARVE_SYNC_NO_LOG) {
        return vv_fail(out_err, VARVE_E_UNSUPPORTED,
                       "%s has rings, which need the log: it cannot be opened without", db->path);
    }
    if (db->is_readonly && db->version->rings != NULL && manifest->edit_seq == db->ring_edit_seq) {
        load->set = db->version->rings; /* no flush was published since */
        vv_ring_set_ref(load->set);
        load->is_reused = true;
        return VARVE_OK;
    }
    uint64_t sequence = manifest->next_sequence > 0 ? manifest->next_sequence - 1 : 0;
    VV_TRY(vv_ring_set_create(db, count, sequence, &load->set, out_err));
    for (size_t i = 0; i < count; i++) {
        uint64_t id = *VV_VEC_AT(&manifest->rings, uint64_t, i);
        VV_TRY(ring_load_file(load, id, sequence, &load->set->states[i], out_err));
        load->set->count = i + 1;
    }
    return ring_load_sort(load->set, out_err);
}

/* ---- the log ---- */

static vv_ring_state *ring_load_find(const vv_ring_set *set, uint64_t file_id)
{
    for (size_t i = 0; set != NULL && i < set->count; i++) {
        if (set->states[i]->file_id == file_id) {
            return set->states[i];
        }
    }
    return NULL;
}

/** The note on a page; bad.count: it is not bad. */
static size_t ring_load_find_bad(const vv_ring_load *load, const vv_ring_state *state,
                                 uint64_t number)
{
    size_t at = 0;
    for (; at < load->bad.count; at++) {
        const ring_load_bad *bad = VV_VEC_AT(&load->bad, ring_load_bad, at);
        if (bad->state == state && bad->number == number) {
            break;
        }
    }
    return at;
}

varve_status vv_ring_load_image(vv_ring_load *load, vv_bytes payload, varve_error *out_err)
{
    vv_wal_ring_page page;
    VV_TRY(vv_payload_read_ring_page(payload, &page, out_err));
    vv_ring_state *state = load->is_reused ? NULL : ring_load_find(load->set, page.file_id);
    if (state == NULL) {
        return VARVE_OK; /* of a ring that was dropped or written anew since */
    }
    const vv_ring_shape *shape = &state->ring->shape;
    if (page.image.size != VV_RING_PAGE_BYTES || page.number >= shape->pages) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "log: an image of page %llu of ring file %llu",
                       (unsigned long long)page.number, (unsigned long long)page.file_id);
    }
    VV_TRY(vv_ring_page_check(shape, page.file_id, page.number, page.image.data, out_err));
    uint32_t number = (uint32_t)page.number;
    size_t bad = ring_load_find_bad(load, state, number);
    const vv_ring_page *held = state->pages[number];
    uint64_t sequence = vv_ring_page_sequence(page.image.data);
    bool is_newer = held != NULL && vv_ring_page_sequence(held->bytes) < sequence;
    if (bad == load->bad.count && !is_newer) {
        return VARVE_OK;
    }
    if (bad < load->bad.count) {
        vv_vec_remove(&load->bad, bad);
    }
    return ring_load_put(load->db, state, number, page.image.data, load->set->sequence, out_err);
}

/* ---- what is left ---- */

/** The bytes of a lost page, for people. */
static void ring_load_keep_evidence(varve_db *db, const ring_load_bad *bad)
{
    static const vv_publish_sites sites = {.file = VV_SITE_QUARANTINE_FILE,
                                           .rename = VV_SITE_QUARANTINE_RENAME,
                                           .dir = VV_SITE_QUARANTINE_DIR};
    char name[VV_NAME_BYTES_MAX];
    char part[VV_PATH_BYTES_MAX];
    char path[VV_PATH_BYTES_MAX];
    uint8_t page[VV_RING_PAGE_BYTES];
    vv_ring_reader reader;
    varve_error error;
    varve_status status = vv_ring_path(db, bad->state->file_id, path, &error);
    if (status == VARVE_OK) {
        status = vv_ring_reader_open(&db->env, path, &reader, &error);
    }
    if (status == VARVE_OK) {
        status = vv_ring_reader_page(&reader, bad->number, page, &error);
        vv_ring_reader_close(&reader);
        status = status == VARVE_E_CORRUPT ? VARVE_OK : status; /* the bytes are there */
    }
    vv_text_format(name, sizeof name, "quarantine/%020llu.vrg.page%u",
                   (unsigned long long)bad->state->file_id, bad->number);
    if (status == VARVE_OK) {
        status = vv_db_path(db, name, path, &error);
    }
    if (status == VARVE_OK) {
        status = vv_db_path(db, "tmp/ring.page", part, &error);
    }
    if (status == VARVE_OK) {
        status = vv_vfs_write_file_atomically(db->env.vfs, &db->alloc, part, path, page,
                                              sizeof page, &sites, &error);
    }
    if (status != VARVE_OK) {
        vv_db_log(db, VARVE_LOG_WARN, "ring.evidence_failed", "%s", error.message);
    }
}

varve_status vv_ring_load_finish(vv_ring_load *load, uint64_t *out_lost, varve_error *out_err)
{
    varve_db *db = load->db;
    uint32_t flags = db->options.flags;
    bool goes_on = (flags & (VARVE_OPEN_SALVAGE | VARVE_OPEN_ALLOW_DAMAGE)) != 0;
    *out_lost = load->bad.count;
    for (size_t i = 0; i < load->bad.count; i++) {
        const ring_load_bad *bad = VV_VEC_AT(&load->bad, ring_load_bad, i);
        if (!goes_on) {
            return vv_fail(out_err, VARVE_E_CORRUPT, "%s; the log has no image of it", bad->reason);
        }
        if (!db->is_readonly) {
            ring_load_keep_evidence(db, bad);
        }
        vv_db_log(db, VARVE_LOG_ERROR, "ring.page_lost", "%s; taken as empty", bad->reason);
        varve_error reason;
        VV_IGNORE(vv_fail(&reason, VARVE_E_CORRUPT, "%s; taken as empty", bad->reason));
        if (db->is_readonly) {
            vv_health_set_corrupt(db, &reason);
        } else {
            vv_health_degrade(db, VV_REASON_DAMAGE, &reason);
        }
        db->is_damaged = true;
    }
    return VARVE_OK;
}

void vv_ring_load_installed(const vv_ring_load *load, const vv_ring_set *old_set)
{
    for (size_t i = 0; old_set != NULL && i < old_set->count; i++) {
        uint32_t series = old_set->states[i]->ring->series;
        if (vv_ring_set_find(load->set, series) == NULL) {
            vv_catalogue_set_ring(load->db->catalogue, series, false);
        }
    }
}
