/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Damaged files: one bit flipped, a file cut short, pages of 4 KiB zeroed, swapped or written
 * twice, in a small database of every kind of file. The answer is right, or a clear error that
 * names the place; never wrong, never a crash or a hang. A closed database that was cut short says
 * so.
 *
 * Two databases: one closed (every row must be there, or an error), and one that was left as after
 * a crash, whose log holds rows: its last batch may be lost, as damage of the last group cannot be
 * told from a torn end, and what a cut took from the end of the log. VARVE_FLIP_STRIDE=1 tries
 * every byte, every length and every pair of pages (default: every 16th byte, lengths and
 * neighbours; long stretches of zero bytes are then sampled).
 */
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/setting.h"
#include "support/tour.h"
#include "sys/env.h"
#include "sys/vfs_memory.h"

enum { FILES_MAX = 32, ZERO_STRIDE = 4001, PAGE_BYTES = 4096, IMAGE_SECONDS = 60 };

typedef struct stored_file {
    char path[128];
    uint8_t *data;
    size_t size;
} stored_file;

typedef struct damaged {
    vv_alloc alloc;
    vv_vfs *files;
    vv_env env;
    tour tour; /* the ledger of the undamaged database */
    stored_file stored[FILES_MAX];
    size_t count;
    size_t first_logged; /* batch that is in the log only */
    bool is_closed;
    uint64_t images, errors;
} damaged;

/* ---- the database ---- */

static void damaged_make(damaged *d, bool closes)
{
    varve_error err;
    memset(d, 0, sizeof *d);
    d->is_closed = closes;
    vv_alloc_init(&d->alloc, NULL);
    check_ok(vv_vfs_memory_create(&d->alloc, &d->files, &err), &err);
    vv_env_init_system(&d->env, &d->alloc);
    d->env.vfs = d->files;
    varve_options options;
    varve_options_init(&options);
    options.environment = &d->env;
    options.flags = VARVE_OPEN_NO_BACKGROUND;
    options.memory_limit_bytes = UINT64_C(64) << 20;
    options.cache_bytes = 1 << 20;
    options.log_file_bytes = 64 * 1024;
    options.merge_fan_in = 100; /* segments stay as they are */
    tour *t = &d->tour;
    tour_init(t, "/db", &options);
    assert_true(tour_open(t));
    tour_write(t, 6, &err);
    tour_write_bulk(t, 400, &err);
    tour_flush(t, false);
    tour_write(t, 6, &err);
    tour_write(t, 5, &err);
    tour_delete(t, 0, &err); /* hides rows of a segment: a file of its own */
    tour_flush(t, false);
    d->first_logged = t->count;
    tour_write(t, 4, &err);
    tour_write(t, 3, &err);
    if (closes) {
        check_ok(varve_close(t->db, &err), &err);
    } else {
        tour_write(t, 2, &err);
        varve_abandon(t->db);
        t->batches[t->count - 1].state = TOUR_UNKNOWN;
    }
    t->db = NULL;
    assert_int_equal(t->failed_calls, 0);
}

static void damaged_load(damaged *d, const char *directory)
{
    varve_error err;
    vv_dir_list list;
    check_ok(vv_vfs_list(d->files, &d->alloc, directory, &list, &err), &err);
    for (size_t i = 0; i < list.count; i++) {
        char path[VV_PATH_BYTES_MAX];
        check_ok(vv_path_join(directory, list.entries[i].name, path, &err), &err);
        if (list.entries[i].kind == VV_KIND_DIRECTORY) {
            damaged_load(d, path);
            continue;
        }
        assert_true(d->count < FILES_MAX);
        stored_file *file = &d->stored[d->count++];
        snprintf(file->path, sizeof file->path, "%s", path);
        void *bytes;
        check_ok(vv_vfs_read_file(d->files, &d->alloc, path, 1 << 22, &bytes, &file->size, &err),
                 &err);
        file->data = bytes;
    }
    vv_dir_list_deinit(&list);
}

static void damaged_free(damaged *d)
{
    for (size_t i = 0; i < d->count; i++) {
        vv_alloc_free(&d->alloc, d->stored[i].data, d->stored[i].size);
    }
    vv_vfs_memory_free(d->files);
}

/* ---- one image ---- */

static void damaged_put(const vv_vfs *files, vv_alloc *alloc, const stored_file *stored,
                        size_t size)
{
    varve_error err;
    vv_file *file;
    check_ok(vv_file_open(files, alloc, stored->path, VV_OPEN_WRITE | VV_OPEN_CREATE, &file, &err),
             &err);
    check_ok(vv_file_truncate(file, 0, &err), &err);
    if (size > 0) {
        check_ok(vv_file_write_all(file, 0, stored->data, size, &err), &err);
    }
    check_ok(vv_file_close(file, &err), &err);
}

/* It says which file, or where in the database. */
static bool damaged_is_clear(const varve_error *error, const char *path)
{
    if (error->status == VARVE_E_NOT_FOUND) { /* to a reader it may be a database in the making */
        return strstr(error->message, "holds no manifest") != NULL;
    }
    return (error->status == VARVE_E_CORRUPT || error->status == VARVE_E_UNSUPPORTED) &&
           (strstr(error->message, "/db") != NULL || strstr(error->message, "manifest") != NULL ||
            strstr(error->message, "log") != NULL ||
            strstr(error->message, strrchr(path, '/') + 1) != NULL);
}

static void damaged_judge(damaged *d, tour *t, const char *how, const char *what, size_t place)
{
    d->images++;
    d->errors += t->failure.status != VARVE_OK;
    if (t->wrong[0] != '\0') {
        fail_msg("%s, %s at %zu: %s", how, what, place, t->wrong);
    }
    if (t->failure.status != VARVE_OK && !damaged_is_clear(&t->failure, what)) {
        fail_msg("%s, %s at %zu: an unclear error, %d: %s", how, what, place,
                 (int)t->failure.status, t->failure.message);
    }
}

/* Read-only changes no file, so the database itself serves. */
static void damaged_try_readonly(damaged *d, const char *what, size_t place)
{
    tour t = d->tour;
    t.options.flags = VARVE_OPEN_READONLY;
    if (tour_open(&t)) {
        tour_check(&t, /* must_read */ false);
        tour_close(&t);
    }
    damaged_judge(d, &t, "read-only", what, place);
}

/* A writer recovers, so it gets a copy. */
static void damaged_try_writing(damaged *d, const char *what, size_t place)
{
    varve_error err;
    vv_vfs *copy;
    check_ok(vv_vfs_memory_create(&d->alloc, &copy, &err), &err);
    static const char *const directories[] = {"/db",     "/db/wal", "/db/seg",       "/db/manifest",
                                              "/db/del", "/db/tmp", "/db/quarantine"};
    for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++) {
        check_ok(vv_vfs_mkdir(copy, directories[i], &err), &err);
    }
    for (size_t i = 0; i < d->count; i++) {
        stored_file now = d->stored[i];
        void *bytes;
        varve_status status =
            vv_vfs_read_file(d->files, &d->alloc, now.path, 1 << 22, &bytes, &now.size, &err);
        if (status == VARVE_E_NOT_FOUND) {
            continue; /* removed */
        }
        check_ok(status, &err);
        now.data = bytes;
        damaged_put(copy, &d->alloc, &now, now.size);
        vv_alloc_free(&d->alloc, bytes, now.size);
    }
    vv_env env = d->env;
    env.vfs = copy;
    tour t = d->tour;
    t.options.environment = &env;
    if (tour_open(&t)) {
        tour_check(&t, /* must_read */ false);
        tour_close(&t);
    }
    damaged_judge(d, &t, "writing", what, place);
    vv_vfs_memory_free(copy);
}

static void damaged_try(damaged *d, const stored_file *file, size_t place)
{
    (void)alarm(IMAGE_SECONDS); /* none may hang */
    damaged_try_readonly(d, file->path, place);
    if (d->images % 11 == 0) {
        damaged_try_writing(d, file->path, place);
    }
    (void)alarm(0);
}

/* ---- all images ---- */

static bool damaged_is_zero_around(const stored_file *file, size_t at)
{
    for (size_t i = at < 32 ? 0 : at - 32; i < at + 32 && i < file->size; i++) {
        if (file->data[i] != 0) {
            return false;
        }
    }
    return true;
}

static void damaged_flip_all(damaged *d, stored_file *file)
{
    for (size_t at = 0; at < file->size; at += setting_number("VARVE_FLIP_STRIDE", 16)) {
        if (setting_number("VARVE_FLIP_STRIDE", 16) > 1 && damaged_is_zero_around(file, at) &&
            at % ZERO_STRIDE >= setting_number("VARVE_FLIP_STRIDE", 16)) {
            continue;
        }
        uint8_t bit = (uint8_t)(1u << (at / setting_number("VARVE_FLIP_STRIDE", 16) % 8));
        file->data[at] ^= bit;
        damaged_put(d->files, &d->alloc, file, file->size);
        damaged_try(d, file, at);
        file->data[at] ^= bit;
    }
    damaged_put(d->files, &d->alloc, file, file->size);
}

/* Where the bytes end that say something: behind them a log file is allocated, and zero. */
static size_t damaged_used_bytes(const stored_file *file)
{
    size_t used = file->size;
    while (used > 0 && file->data[used - 1] == 0) {
        used--;
    }
    return used;
}

/*
 * From which length on a cut may go unnoticed. The last edit of a clean close says that the log
 * ends with its SEAL, which the SEAL says as well; a crash just before that edit leaves the same
 * bytes.
 */
static size_t damaged_needed_bytes(const stored_file *file)
{
    size_t needed = damaged_used_bytes(file);
    if (strstr(file->path, ".vmf") == NULL) {
        return needed;
    }
    for (needed = needed / 8 * 8; memcmp(file->data + needed, "VVLR", 4) != 0; needed -= 8) {
        assert_true(needed > 4096);
    }
    return needed - 7; /* nor does the padding of the edit before it */
}

static size_t damaged_next_length(size_t size)
{
    if (setting_number("VARVE_FLIP_STRIDE", 16) == 1) {
        return size + 1;
    }
    return size + (size < 4200 ? 97 : 1999);
}

static void damaged_cut_all(damaged *d, const stored_file *file)
{
    bool is_log = strstr(file->path, ".vwl") != NULL;
    size_t needed = damaged_needed_bytes(file);
    tour ledger = d->tour;
    for (size_t i = d->first_logged; i < d->tour.count && is_log && !d->is_closed; i++) {
        d->tour.batches[i].state = TOUR_UNKNOWN;
    }
    for (size_t size = 0; size < file->size; size = damaged_next_length(size)) {
        uint64_t errors = d->errors;
        damaged_put(d->files, &d->alloc, file, size);
        damaged_try(d, file, size);
        if (d->is_closed && size < needed && d->errors == errors) {
            fail_msg("%s cut to %zu bytes goes unnoticed", file->path, size);
        }
    }
    d->tour = ledger;
    damaged_put(d->files, &d->alloc, file, file->size);
}

/* ---- pages ---- */

typedef enum damaged_page { PAGE_ZEROED, PAGE_SWAPPED, PAGE_DOUBLED } damaged_page;

static size_t damaged_page_bytes(const stored_file *file, size_t page)
{
    size_t left = file->size - page * PAGE_BYTES;
    return left < PAGE_BYTES ? left : PAGE_BYTES;
}

/* One page, and for all but zeroing another one; bytes beyond the shorter of them stay. */
static void damaged_try_pages(damaged *d, const stored_file *file, damaged_page kind, size_t page,
                              size_t other)
{
    stored_file now = *file;
    uint8_t *bytes = malloc(file->size);
    size_t size = damaged_page_bytes(file, page);
    size = damaged_page_bytes(file, other) < size ? damaged_page_bytes(file, other) : size;
    assert_non_null(bytes);
    memcpy(bytes, file->data, file->size);
    if (kind == PAGE_ZEROED) {
        memset(bytes + page * PAGE_BYTES, 0, damaged_page_bytes(file, page));
    } else {
        memcpy(bytes + other * PAGE_BYTES, file->data + page * PAGE_BYTES, size);
    }
    if (kind == PAGE_SWAPPED) {
        memcpy(bytes + page * PAGE_BYTES, file->data + other * PAGE_BYTES, size);
    }
    now.data = bytes;
    if (memcmp(bytes, file->data, file->size) != 0) {
        damaged_put(d->files, &d->alloc, &now, now.size);
        damaged_try(d, file, page * PAGE_BYTES);
    }
    free(bytes);
}

/* Pages of a log that are gone cannot be told from ones that were never written. */
static void damaged_pages_all(damaged *d, const stored_file *file)
{
    size_t pages = (file->size + PAGE_BYTES - 1) / PAGE_BYTES;
    bool is_log = strstr(file->path, ".vwl") != NULL;
    tour ledger = d->tour;
    for (size_t i = d->first_logged; i < d->tour.count && is_log && !d->is_closed; i++) {
        d->tour.batches[i].state = TOUR_UNKNOWN;
    }
    for (size_t page = 0; page < pages; page++) {
        damaged_try_pages(d, file, PAGE_ZEROED, page, page);
        for (size_t other = 0; other < pages; other++) {
            bool is_near = other == page + 1 || other + 1 == page;
            if (other != page && (is_near || setting_number("VARVE_FLIP_STRIDE", 16) == 1)) {
                damaged_try_pages(d, file, PAGE_SWAPPED, page, other);
                damaged_try_pages(d, file, PAGE_DOUBLED, page, other);
            }
        }
    }
    d->tour = ledger;
    damaged_put(d->files, &d->alloc, file, file->size);
}

/* Not there at all. */
static void damaged_remove(damaged *d, const stored_file *file)
{
    varve_error err;
    bool is_log = strstr(file->path, ".vwl") != NULL;
    tour ledger = d->tour;
    for (size_t i = d->first_logged; i < d->tour.count && is_log; i++) {
        d->tour.batches[i].state = TOUR_UNKNOWN;
    }
    if (strstr(file->path, "IDENT") != NULL) {
        return; /* then it is no database */
    }
    check_ok(vv_vfs_unlink(d->files, file->path, &err), &err);
    damaged_try_readonly(d, file->path, 0);
    damaged_try_writing(d, file->path, 0);
    d->tour = ledger;
    damaged_put(d->files, &d->alloc, file, file->size);
}

static void damaged_run(bool closes)
{
    damaged d;
    damaged_make(&d, closes);
    damaged_load(&d, "/db");
    for (size_t i = 0; i < d.count; i++) {
        stored_file *file = &d.stored[i];
        uint64_t images = d.images;
        uint64_t errors = d.errors;
        if (strstr(file->path, "LOCK") == NULL) {
            damaged_flip_all(&d, file);
            damaged_cut_all(&d, file);
            damaged_pages_all(&d, file);
            damaged_remove(&d, file);
        }
        print_message("%-36s %6zu bytes, %5llu images, %5llu errors\n", file->path, file->size,
                      (unsigned long long)(d.images - images),
                      (unsigned long long)(d.errors - errors));
    }
    damaged_free(&d);
}

static void damage_of_a_closed_database_is_never_a_wrong_answer(void **state)
{
    (void)state;
    damaged_run(/* closes */ true);
}

static void damage_of_a_log_with_rows_is_never_a_wrong_answer(void **state)
{
    (void)state;
    damaged_run(/* closes */ false);
}

/* A log without a group says nothing about how far deletes in files reach. */
static void deletes_in_files_hold_for_a_reader_of_an_empty_log(void **state)
{
    (void)state;
    damaged d;
    damaged_make(&d, /* closes */ true);
    varve_error err;
    tour *t = &d.tour;
    assert_true(tour_open(t)); /* a fresh log, the old one goes */
    tour reader = *t;
    reader.options.flags = VARVE_OPEN_READONLY;
    assert_true(tour_open(&reader));
    tour_check(&reader, /* must_read */ true);
    check_ok(varve_refresh(reader.db, &err), &err);
    tour_check(&reader, /* must_read */ true);
    assert_string_equal(reader.wrong, "");
    tour_close(&reader);
    tour_close(t);
    damaged_free(&d);
}

/* A database that begins as the others do, with one row less in its first segment. */
static void damaged_make_other(damaged *d)
{
    varve_error err;
    memset(d, 0, sizeof *d);
    vv_alloc_init(&d->alloc, NULL);
    check_ok(vv_vfs_memory_create(&d->alloc, &d->files, &err), &err);
    vv_env_init_system(&d->env, &d->alloc);
    d->env.vfs = d->files;
    varve_options options;
    varve_options_init(&options);
    options.environment = &d->env;
    options.flags = VARVE_OPEN_NO_BACKGROUND;
    options.memory_limit_bytes = UINT64_C(64) << 20;
    options.log_file_bytes = 64 * 1024;
    tour *t = &d->tour;
    tour_init(t, "/db", &options);
    assert_true(tour_open(t));
    tour_write(t, 6, &err);
    tour_write_bulk(t, 399, &err);
    tour_flush(t, false);
    varve_abandon(t->db);
    t->db = NULL;
    damaged_load(d, "/db");
}

static stored_file *damaged_first_segment(damaged *d)
{
    for (size_t i = 0; i < d->count; i++) {
        if (strstr(d->stored[i].path, ".vsg") != NULL) {
            return &d->stored[i];
        }
    }
    fail_msg("no segment");
    return NULL;
}

/* Whole, of the right number, and of another database: the manifest names another file. */
static void a_segment_of_another_database_is_refused(void **state)
{
    (void)state;
    static damaged ours;
    static damaged theirs;
    varve_error err;
    varve_db *db = NULL;
    damaged_make(&ours, /* closes */ true);
    damaged_load(&ours, "/db");
    damaged_make_other(&theirs);
    stored_file other = *damaged_first_segment(&theirs);
    assert_string_equal(other.path, damaged_first_segment(&ours)->path);
    damaged_put(ours.files, &ours.alloc, &other, other.size);
    ours.tour.options.flags = VARVE_OPEN_READONLY;
    check_status(VARVE_E_CORRUPT, varve_open("/db", &ours.tour.options, &db, &err));
    assert_non_null(strstr(err.message, "not the file that the manifest names"));
    damaged_free(&ours);
    damaged_free(&theirs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deletes_in_files_hold_for_a_reader_of_an_empty_log),
        cmocka_unit_test(a_segment_of_another_database_is_refused),
        cmocka_unit_test(damage_of_a_closed_database_is_never_a_wrong_answer),
        cmocka_unit_test(damage_of_a_log_with_rows_is_never_a_wrong_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
