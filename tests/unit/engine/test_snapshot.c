/* SPDX-License-Identifier: Apache-2.0 */
/* Promises of engine/snapshot.c (X1 to X4) and snapshot_stage.c (A1 to A3). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/ident.h"
#include "support/check.h"
#include "support/engine_fixture.h"
#include "support/temp_dir.h"
#include "sys/vfs.h"

/* ---- helpers ---- */

typedef struct contents {
    uint64_t digest[2];
    uint64_t rows, series;
} contents;

static contents contents_of(varve_db *db)
{
    varve_error err;
    varve_verified verified;
    varve_verified_init(&verified);
    check_ok(varve_verify(db, NULL, &verified, &err), &err);
    return (contents){{verified.digest[0], verified.digest[1]}, verified.rows, verified.series};
}

static void check_equal(contents a, contents b)
{
    assert_int_equal(a.rows, b.rows);
    assert_int_equal(a.series, b.series);
    assert_int_equal(a.digest[0], b.digest[0]);
    assert_int_equal(a.digest[1], b.digest[1]);
}

static varve_status open_at(const engine_fixture *f, const char *path, uint32_t flags,
                            varve_db **out_db, varve_error *err)
{
    varve_options options = f->options;
    options.flags = flags | VARVE_OPEN_NO_BACKGROUND;
    return varve_open(path, &options, out_db, err);
}

static contents contents_at(const engine_fixture *f, const char *path)
{
    varve_error err;
    varve_db *db;
    check_ok(open_at(f, path, VARVE_OPEN_READONLY, &db, &err), &err);
    contents found = contents_of(db);
    check_ok(varve_close(db, &err), &err);
    return found;
}

static bool is_there(const engine_fixture *f, const char *path)
{
    bool exists;
    varve_error err;
    check_ok(vv_vfs_exists(f->env.vfs, path, &exists, &err), &err);
    return exists;
}

static void remove_at(engine_fixture *f, const char *path)
{
    varve_error err;
    check_ok(vv_vfs_remove_tree(f->files, &f->alloc, path, &err), &err);
}

static void put_file(engine_fixture *f, const char *path, const char *text)
{
    varve_error err;
    vv_file *file;
    check_ok(vv_file_open(f->files, &f->alloc, path, VV_OPEN_WRITE | VV_OPEN_CREATE, &file, &err),
             &err);
    check_ok(vv_file_write_all(file, 0, text, strlen(text), &err), &err);
    check_ok(vv_file_close(file, &err), &err);
}

/* Segments, a list of deletes in a file, one only in the log, rows in the head, late ones. */
static void fill(engine_fixture *f)
{
    varve_error err;
    for (uint32_t series = 0; series < 6; series++) {
        engine_fixture_write(f, series, 1000, 10, 200, series);
    }
    engine_fixture_delete(f, 1, 1100, 1500);
    check_ok(varve_flush(f->db, NULL, &err), &err);
    for (uint32_t series = 2; series < 8; series++) {
        engine_fixture_write(f, series, 2000, 10, 100, 0.5);
    }
    engine_fixture_delete(f, 2, 1000, 1200);
    check_ok(varve_flush(f->db, NULL, &err), &err);
    engine_fixture_write(f, 3, 500, 7, 60, 4.5);
    engine_fixture_write(f, 9, 9000, 1, 150, 9);
    engine_fixture_delete(f, 3, 500, 600);
    engine_fixture_delete(f, 0, 1000, 1030);
    engine_fixture_write(f, 0, 1010, 10, 1, 77);
}

static varve_copied snapshot(engine_fixture *f, const char *path)
{
    varve_error err;
    varve_copied copied;
    varve_copied_init(&copied);
    check_ok(varve_snapshot(f->db, path, NULL, &copied, &err), &err);
    return copied;
}

static void restore(const engine_fixture *f, const char *from, const char *to)
{
    varve_error err;
    check_ok(varve_restore(from, to, &f->options, NULL, NULL, &err), &err);
}

/* ---- what is in it ---- */

static void a_snapshot_holds_what_was_visible(void **state)
{
    engine_fixture *f = *state;
    fill(f);
    contents before = contents_of(f->db);
    varve_copied copied = snapshot(f, "copy");
    assert_int_equal(copied.files, 4); /* two segments, the rows of the head, the deletes */
    assert_true(copied.bytes > 0);
    assert_true(copied.sequence > 0);
    check_equal(contents_at(f, "copy"), before);
    check_equal(contents_of(f->db), before);
    assert_false(is_there(f, "copy.tmp"));
}

static void what_happens_afterwards_is_not_in_it(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    fill(f);
    contents before = contents_of(f->db);
    snapshot(f, "copy");
    engine_fixture_delete(f, 4, INT64_MIN, INT64_MAX);
    engine_fixture_write(f, 0, 1, 1, 300, -1);
    check_ok(varve_compact(f->db, VARVE_COMPACT_ALL, NULL, &err), &err);
    check_equal(contents_at(f, "copy"), before);
    engine_fixture_close(f);
    check_equal(contents_at(f, "copy"), before);
    engine_fixture_open(f);
    assert_true(contents_of(f->db).rows != before.rows);
}

/* X1: what was given a sequence, but is not visible yet. */
static void what_is_on_its_way_is_not_in_it(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    varve_db *live = f->db;
    fill(f);
    contents before = contents_of(f->db);
    varve_selection all = {.kind = VARVE_SELECT_ALL};
    varve_written written;
    varve_batch *batch;
    varve_written_init(&written);
    check_ok(varve_batch_create(f->db, &batch, &err), &err);
    check_ok(varve_batch_delete(batch, &all, 1, (varve_range){INT64_MIN, INT64_MAX}, &err), &err);
    varve_label label = {VARVE_STR("host"), VARVE_STR("h9")};
    varve_value value = {.type = VARVE_TYPE_F64, .as.f64 = 1};
    varve_row row = {.values = &value, .count = 1};
    varve_field field;
    check_ok(varve_field_resolve(f->db, VARVE_STR("value"), &field, &err), &err);
    check_ok(varve_series_resolve(f->db, VARVE_STR("cpu"), &label, 1, 0, &row.series, &err), &err);
    row.fields = &field;
    for (row.timestamp = 20000; row.timestamp < 20050; row.timestamp++) {
        check_ok(varve_batch_row(batch, &row, &err), &err);
    }
    check_ok(varve_batch_submit(batch, NULL, &written, &err), &err);
    varve_copied copied = snapshot(f, "copy");
    uint32_t ack;
    check_ok(varve_wait(f->db, written.ticket, UINT64_MAX, &ack, &err), &err);
    varve_batch_free(batch);
    assert_int_equal(contents_of(f->db).rows, 50);
    check_equal(contents_at(f, "copy"), before);
    /* Nor does it count when the restored database gives the same sequences: a delete hides what is
     * there (150 rows of this series), and the one that was on its way never comes into force. */
    restore(f, "copy", "again");
    check_ok(open_at(f, "again", 0, &f->db, &err), &err);
    engine_fixture_delete(f, 9, INT64_MIN, INT64_MAX);
    assert_int_equal(contents_of(f->db).rows, before.rows - 150);
    engine_fixture_write(f, 20, 1, 1, 100, 1);
    assert_int_equal(contents_of(f->db).rows, before.rows - 150 + 100);
    assert_true(copied.sequence > 0);
    varve_abandon(f->db);
    f->db = live;
}

static void the_source_is_only_read(void **state)
{
    engine_fixture *f = *state;
    fill(f);
    size_t segments = engine_fixture_files(f, "seg");
    size_t deletes = engine_fixture_files(f, "del");
    snapshot(f, "copy");
    assert_int_equal(engine_fixture_files(f, "seg"), segments);
    assert_int_equal(engine_fixture_files(f, "del"), deletes);
    contents before = contents_of(f->db);
    engine_fixture_abandon(f); /* rows of the head are still only in the log */
    engine_fixture_open(f);
    check_equal(contents_of(f->db), before);
}

static void an_empty_database_makes_an_empty_snapshot(void **state)
{
    engine_fixture *f = *state;
    varve_copied copied = snapshot(f, "copy");
    assert_int_equal(copied.files, 0);
    assert_int_equal(contents_at(f, "copy").rows, 0);
    restore(f, "copy", "again");
    assert_int_equal(contents_at(f, "again").rows, 0);
}

static void policies_of_metrics_go_along(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    varve_metric_policy policy;
    varve_metric_policy_init(&policy);
    policy.duplicates = VARVE_DUPLICATES_ALL;
    policy.row_ids = VARVE_ROW_IDS_ON;
    check_ok(varve_policy_metric(f->db, VARVE_STR("cpu"), &policy, &err), &err);
    engine_fixture_write(f, 0, 1000, 0, 5, 1); /* five rows of one time */
    contents before = contents_of(f->db);
    assert_int_equal(before.rows, 5);
    snapshot(f, "copy");
    check_equal(contents_at(f, "copy"), before);
}

static void a_database_in_memory_can_be_kept(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    varve_db *memory;
    varve_db *disk = f->db;
    check_ok(open_at(f, NULL, 0, &memory, &err), &err);
    f->db = memory;
    fill(f);
    contents before = contents_of(memory);
    varve_copied copied = snapshot(f, "kept");
    assert_int_equal(copied.files_linked, 0);
    f->db = disk;
    check_ok(varve_close(memory, &err), &err);
    check_equal(contents_at(f, "kept"), before);
    restore(f, "kept", "again");
    check_equal(contents_at(f, "again"), before);
}

static void a_reader_beside_a_writer_makes_one(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    varve_db *reader;
    fill(f);
    contents before = contents_of(f->db);
    check_ok(open_at(f, "db", VARVE_OPEN_READONLY, &reader, &err), &err);
    engine_fixture_write(f, 5, 1, 1, 300, 3);
    check_ok(varve_compact(f->db, VARVE_COMPACT_ALL, NULL, &err), &err); /* its files lose names */
    check_ok(varve_snapshot(reader, "copy", NULL, NULL, &err), &err);
    check_ok(varve_close(reader, &err), &err);
    check_equal(contents_at(f, "copy"), before);
}

/* ---- what it is ---- */

static vv_ident ident_at(const engine_fixture *f, const char *path)
{
    varve_error err;
    vv_ident ident;
    check_ok(vv_ident_read(&f->env, path, &ident, &err), &err);
    return ident;
}

static void a_snapshot_is_never_written(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    varve_db *db;
    fill(f);
    snapshot(f, "copy");
    vv_ident own = ident_at(f, "db");
    vv_ident copy = ident_at(f, "copy");
    assert_memory_equal(own.store_id, copy.store_id, 16);
    assert_true(vv_ident_is_snapshot(&copy));
    assert_false(vv_ident_is_snapshot(&own));
    check_status(VARVE_E_READONLY, open_at(f, "copy", 0, &db, &err));
    assert_non_null(strstr(err.message, "restore it"));
    check_ok(open_at(f, "copy", VARVE_OPEN_READONLY, &db, &err), &err);
    varve_info info;
    varve_info_init(&info);
    check_ok(varve_db_info(db, &info, &err), &err);
    assert_int_equal(info.is_snapshot, 1);
    check_ok(varve_snapshot(db, "copy of copy", NULL, NULL, &err), &err);
    check_ok(varve_close(db, &err), &err);
    check_equal(contents_at(f, "copy of copy"), contents_at(f, "copy"));
}

static void what_is_restored_is_a_database_of_its_own(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    fill(f);
    contents before = contents_of(f->db);
    varve_copied copied = snapshot(f, "copy");
    restore(f, "copy", "again");
    vv_ident own = ident_at(f, "db");
    vv_ident again = ident_at(f, "again");
    assert_memory_not_equal(own.store_id, again.store_id, 16);
    assert_memory_equal(own.store_id, again.parent_id, 16);
    engine_fixture_close(f);
    check_ok(open_at(f, "again", 0, &f->db, &err), &err);
    check_equal(contents_of(f->db), before);
    varve_written written;
    varve_written_init(&written);
    varve_value value = {.type = VARVE_TYPE_F64, .as.f64 = 1};
    varve_text field = VARVE_STR("value");
    varve_named_row row = {
        .metric = VARVE_STR("cpu"), .fields = &field, .values = &value, .count = 1};
    check_ok(varve_write(f->db, &row, 1, NULL, &written, &err), &err);
    assert_true(written.first_row_id > copied.sequence);
    engine_fixture_delete(f, 5, INT64_MIN, INT64_MAX);
    contents changed = contents_of(f->db);
    check_ok(varve_compact(f->db, VARVE_COMPACT_ALL, NULL, &err), &err);
    check_equal(contents_of(f->db), changed); /* deletes from before hide what they hid */
    engine_fixture_close(f);
    check_ok(open_at(f, "again", 0, &f->db, &err), &err);
    check_equal(contents_of(f->db), changed);
    check_equal(contents_at(f, "copy"), before);
}

static void segments_are_shared_by_links_and_restored_by_copies(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    temp_dir dir;
    varve_db *db;
    varve_db *disk = f->db;
    vv_file_info files[3];
    temp_dir_create(&dir);
    varve_options options = f->options;
    options.environment = NULL;
    check_ok(varve_open(temp_dir_path(&dir, "db"), &options, &db, &err), &err);
    f->db = db;
    engine_fixture_write(f, 1, 1000, 10, 500, 1);
    check_ok(varve_flush(db, NULL, &err), &err);
    varve_copied copied = snapshot(f, temp_dir_path(&dir, "copy/"));
    f->db = disk;
    assert_int_equal(copied.files, 1);
    assert_int_equal(copied.files_linked, 1);
    check_ok(varve_restore(temp_dir_path(&dir, "copy"), temp_dir_path(&dir, "again"), &options,
                           NULL, &copied, &err),
             &err);
    assert_int_equal(copied.files_linked, 0);
    static const char *const roots[] = {"db", "copy", "again"};
    for (size_t i = 0; i < 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s/seg/00000000000000000001.vsg", roots[i]);
        check_ok(vv_vfs_stat(vv_vfs_system(), temp_dir_path(&dir, name), &files[i], &err), &err);
    }
    f->db = db;
    assert_int_equal(symlink("nowhere", temp_dir_path(&dir, "dangling")), 0);
    assert_int_equal(symlink("db", temp_dir_path(&dir, "to-db")), 0);
    assert_int_equal(symlink(".", temp_dir_path(&dir, "here")), 0);
    check_status(VARVE_E_EXISTS,
                 varve_snapshot(db, temp_dir_path(&dir, "dangling"), NULL, NULL, &err));
    check_status(VARVE_E_INVALID,
                 varve_snapshot(db, temp_dir_path(&dir, "to-db/x"), NULL, NULL, &err));
    snapshot(f, temp_dir_path(&dir, "here/linked"));
    f->db = disk;
    /* A reader has files open whose names its writer has dropped: they are copied. */
    varve_db *reader;
    options.flags = VARVE_OPEN_READONLY;
    check_ok(varve_open(temp_dir_path(&dir, "db"), &options, &reader, &err), &err);
    f->db = db;
    engine_fixture_write(f, 1, 90000, 10, 50, 1);
    f->db = disk;
    check_ok(varve_compact(db, VARVE_COMPACT_ALL, NULL, &err), &err);
    check_ok(varve_snapshot(reader, temp_dir_path(&dir, "late"), NULL, &copied, &err), &err);
    assert_int_equal(copied.files, 1);
    assert_int_equal(copied.files_linked, 0);
    check_ok(varve_close(reader, &err), &err);
    options.flags = VARVE_OPEN_NO_BACKGROUND;
    assert_int_equal(files[0].inode, files[1].inode);
    assert_int_not_equal(files[0].inode, files[2].inode);
    check_ok(varve_close(db, &err), &err);
    temp_dir_remove(&dir);
}

/* ---- what is refused ---- */

static void a_path_that_is_taken_is_refused(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    fill(f);
    check_ok(vv_vfs_mkdir(f->files, "taken", &err), &err);
    put_file(f, "file", "mine");
    check_status(VARVE_E_EXISTS, varve_snapshot(f->db, "taken", NULL, NULL, &err));
    check_status(VARVE_E_EXISTS, varve_snapshot(f->db, "file", NULL, NULL, &err));
    check_status(VARVE_E_EXISTS, varve_snapshot(f->db, "db", NULL, NULL, &err));
    check_status(VARVE_E_NOT_FOUND, varve_snapshot(f->db, "missing/copy", NULL, NULL, &err));
    check_status(VARVE_E_INVALID, varve_snapshot(f->db, "file/copy", NULL, NULL, &err));
    check_status(VARVE_E_INVALID, varve_snapshot(f->db, "db/copy", NULL, NULL, &err));
    check_status(VARVE_E_INVALID, varve_snapshot(f->db, "db/seg/copy", NULL, NULL, &err));
    check_status(VARVE_E_INVALID, varve_snapshot(f->db, "", NULL, NULL, &err));
    check_status(VARVE_E_INVALID, varve_snapshot(f->db, NULL, NULL, NULL, &err));
    char path[VV_PATH_BYTES_MAX];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    check_status(VARVE_E_LIMIT, varve_snapshot(f->db, path, NULL, NULL, &err));
    assert_false(is_there(f, "taken.tmp"));
    assert_false(is_there(f, "file.tmp"));
    snapshot(f, "copy");
    check_status(VARVE_E_EXISTS, varve_restore("copy", "taken", &f->options, NULL, NULL, &err));
    check_status(VARVE_E_INVALID, varve_restore("copy", "copy/x", &f->options, NULL, NULL, &err));
}

static void what_a_crash_left_is_cleared_and_what_is_foreign_stays(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    fill(f);
    check_ok(vv_vfs_mkdir(f->files, "copy.tmp", &err), &err);
    check_ok(vv_vfs_mkdir(f->files, "copy.tmp/new", &err), &err);
    check_ok(vv_vfs_mkdir(f->files, "copy.tmp/new/seg", &err), &err);
    put_file(f, "copy.tmp/LOCK", "pid 1\n");
    put_file(f, "copy.tmp/new/seg/00000000000000000001.vsg", "half");
    contents before = contents_of(f->db);
    snapshot(f, "copy");
    check_equal(contents_at(f, "copy"), before);
    assert_false(is_there(f, "copy.tmp"));

    check_ok(vv_vfs_mkdir(f->files, "other.tmp", &err), &err);
    put_file(f, "other.tmp/letter", "dear");
    check_status(VARVE_E_CONFLICT, varve_snapshot(f->db, "other", NULL, NULL, &err));
    assert_non_null(strstr(err.message, "letter"));
    assert_true(is_there(f, "other.tmp/letter"));
    assert_false(is_there(f, "other"));
}

static void damage_and_foreign_input_are_not_restored(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    fill(f);
    snapshot(f, "copy");
    check_status(VARVE_E_NOT_FOUND, varve_restore("no", "again", &f->options, NULL, NULL, &err));
    check_ok(vv_vfs_mkdir(f->files, "empty", &err), &err);
    put_file(f, "empty/letter", "dear");
    check_status(VARVE_E_NOT_FOUND, varve_restore("empty", "again", &f->options, NULL, NULL, &err));
    assert_non_null(strstr(err.message, "no database"));

    static const char damaged[] = "copy/seg/00000000000000000001.vsg";
    engine_fixture_flip(f, damaged, 100, 4);
    check_status(VARVE_E_CORRUPT, varve_restore("copy", "again", &f->options, NULL, NULL, &err));
    assert_non_null(strstr(err.message, "00000000000000000001.vsg"));
    assert_false(is_there(f, "again"));
    assert_false(is_there(f, "again.tmp"));
    engine_fixture_flip(f, damaged, 100, 4);
    restore(f, "copy", "again");
}

static const char *const flipped_directories[] = {"copy", "copy/manifest", "copy/seg", "copy/del"};

/* P6, of a backup: whatever byte of it is wrong, it is restored right or not at all. */
static void a_flipped_byte_anywhere_is_refused_or_harmless(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    fill(f);
    contents expected = contents_of(f->db);
    snapshot(f, "copy");
    uint64_t refused = 0;
    for (size_t i = 0; i < 4; i++) {
        vv_dir_list list;
        check_ok(vv_vfs_list(f->files, &f->alloc, flipped_directories[i], &list, &err), &err);
        for (size_t at = 0; at < list.count; at++) {
            if (list.entries[at].kind != VV_KIND_FILE) {
                continue;
            }
            char path[VV_PATH_BYTES_MAX];
            vv_file *file;
            vv_file_info info;
            uint8_t byte;
            check_ok(vv_path_join(flipped_directories[i], list.entries[at].name, path, &err), &err);
            check_ok(
                vv_file_open(f->files, &f->alloc, path, VV_OPEN_READ | VV_OPEN_WRITE, &file, &err),
                &err);
            check_ok(vv_file_stat(file, &info, &err), &err);
            for (int64_t offset = 0; offset < info.size; offset += 1 + info.size / 20) {
                check_ok(vv_file_read_exact(file, offset, &byte, 1, &err), &err);
                byte ^= (uint8_t)(1u << (offset % 8));
                check_ok(vv_file_write_all(file, offset, &byte, 1, &err), &err);
                varve_status status = varve_restore("copy", "again", &f->options, NULL, NULL, &err);
                assert_int_equal(is_there(f, "again"), status == VARVE_OK);
                refused += status != VARVE_OK;
                if (status == VARVE_OK) {
                    check_equal(contents_at(f, "again"), expected);
                    remove_at(f, "again");
                }
                byte ^= (uint8_t)(1u << (offset % 8));
                check_ok(vv_file_write_all(file, offset, &byte, 1, &err), &err);
            }
            check_ok(vv_file_close(file, &err), &err);
        }
        vv_dir_list_deinit(&list);
    }
    assert_true(refused > 50); /* the header of the manifest is mostly zeros that nobody reads */
}

/* X4: here files cannot be linked, so they are copied. */
static void a_copy_of_a_damaged_file_is_refused(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    static const char damaged[] = "db/seg/00000000000000000001.vsg";
    fill(f);
    const int64_t offsets[] = {100, engine_fixture_size(f, damaged) - 20};
    for (size_t i = 0; i < 2; i++) {
        engine_fixture_flip(f, damaged, offsets[i], 4);
        check_status(VARVE_E_CORRUPT, varve_snapshot(f->db, "copy", NULL, NULL, &err));
        assert_non_null(strstr(err.message, i == 0 ? "block 0" : "footer"));
        assert_false(is_there(f, "copy"));
        assert_false(is_there(f, "copy.tmp"));
        engine_fixture_flip(f, damaged, offsets[i], 4);
    }
    snapshot(f, "copy");
}

static void a_disk_that_is_too_small_is_told_before(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    fill(f);
    snapshot(f, "copy");
    engine_fixture_set_free(f, 1000);
    check_status(VARVE_E_NOSPACE, varve_restore("copy", "again", &f->options, NULL, NULL, &err));
    assert_non_null(strstr(err.message, "and 1000 are free"));
    assert_false(is_there(f, "again"));
    assert_false(is_there(f, "again.tmp"));
    engine_fixture_set_free(f, UINT64_MAX);
    restore(f, "copy", "again");
}

/* ---- failures and cancelling leave nothing ---- */

typedef varve_status (*attempt)(engine_fixture *f, varve_task *task, varve_error *err);

static varve_status attempt_snapshot(engine_fixture *f, varve_task *task, varve_error *err)
{
    return varve_snapshot(f->db, "copy", task, NULL, err);
}

static varve_status attempt_restore(engine_fixture *f, varve_task *task, varve_error *err)
{
    return varve_restore("from", "copy", &f->options, task, NULL, err);
}

/* Afterwards: all of it after OK, nothing after a failure; and a second try succeeds. */
static void check_attempt(engine_fixture *f, attempt try, varve_status status, contents expected)
{
    varve_error err;
    if (status != VARVE_OK) {
        assert_false(is_there(f, "copy"));
        check_equal(contents_of(f->db), expected);
        check_ok(try(f, NULL, &err), &err);
    }
    check_equal(contents_at(f, "copy"), expected);
    remove_at(f, "copy");
    remove_at(f, "copy.tmp");
}

static void each_call_fails(engine_fixture *f, attempt try, uint64_t count, int os_errno)
{
    contents expected = contents_of(f->db);
    uint64_t files = vv_fault_open_files(f->fault);
    uint64_t live = atomic_load(&f->source.live);
    bool is_end = false;
    uint64_t number = 1;
    for (; !is_end; number++) {
        varve_error err;
        vv_fault_rule rule = {
            .ops = VV_VFS_OP_ALL & ~VV_VFS_OP_BIT(VV_VFS_OP_CLOSE),
            .first_call = number,
            .call_count = count,
            .kind = VV_FAULT_ERRNO,
            .os_errno = os_errno,
        };
        size_t id = vv_fault_add(f->fault, &rule);
        varve_status status = try(f, NULL, &err);
        is_end = vv_fault_fired(f->fault, id) == 0;
        vv_fault_clear(f->fault);
        assert_int_equal(vv_fault_open_files(f->fault), files);
        assert_true(status == VARVE_OK || err.message[0] != '\0');
        if (count == 1 && status != VARVE_OK && os_errno == EIO) {
            /* One failed call: what could be removed is. */
            assert_false(is_there(f, "copy.tmp/new/IDENT"));
        }
        check_attempt(f, try, status, expected);
        assert_int_equal(atomic_load(&f->source.live), live);
    }
    print_message("%llu calls\n", (unsigned long long)number - 2);
}

static void each_failing_call_leaves_all_or_nothing(void **state)
{
    engine_fixture *f = *state;
    fill(f);
    each_call_fails(f, attempt_snapshot, 1, EIO);
    each_call_fails(f, attempt_snapshot, 1, ENOSPC);
    snapshot(f, "from");
    each_call_fails(f, attempt_restore, 1, EIO);
    each_call_fails(f, attempt_restore, 1, ENOSPC);
}

static void each_failing_allocation_leaves_all_or_nothing(void **state)
{
    engine_fixture *f = *state;
    fill(f);
    snapshot(f, "from");
    contents expected = contents_of(f->db);
    static const attempt attempts[] = {attempt_snapshot, attempt_restore};
    for (size_t i = 0; i < 2; i++) {
        uint64_t live = atomic_load(&f->source.live);
        bool is_end = false;
        uint64_t number = 1;
        for (; !is_end; number++) {
            varve_error err;
            failing_alloc_plan(&f->source, number, /* fails_once */ true);
            varve_status status = attempts[i](f, NULL, &err);
            is_end = atomic_load(&f->source.failures) == 0;
            failing_alloc_plan(&f->source, 0, true);
            assert_true(status == VARVE_OK || status == VARVE_E_NOMEM);
            check_attempt(f, attempts[i], status, expected);
            assert_int_equal(atomic_load(&f->source.live), live);
        }
        print_message("%llu allocations\n", (unsigned long long)number - 2);
    }
}

typedef struct countdown {
    uint64_t left;
} countdown;

static bool goes_on(void *context)
{
    countdown *count = context;
    if (count->left == 0) {
        return false;
    }
    count->left--;
    return true;
}

static void a_cancelled_one_leaves_nothing(void **state)
{
    engine_fixture *f = *state;
    fill(f);
    snapshot(f, "from");
    contents expected = contents_of(f->db);
    static const attempt attempts[] = {attempt_snapshot, attempt_restore};
    for (size_t i = 0; i < 2; i++) {
        varve_status status = VARVE_E_CANCELLED;
        for (uint64_t left = 0; status != VARVE_OK; left++) {
            varve_error err;
            countdown count = {.left = left};
            varve_task *task = varve_task_create();
            varve_task_set_check(task, goes_on, &count);
            status = attempts[i](f, task, &err);
            varve_task_free(task);
            assert_true(status == VARVE_OK || status == VARVE_E_CANCELLED);
            assert_false(is_there(f, "copy.tmp"));
            assert_true(left > 0 || status == VARVE_E_CANCELLED);
            check_attempt(f, attempts[i], status, expected);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_fixture_test(a_snapshot_holds_what_was_visible),
        engine_fixture_test(what_happens_afterwards_is_not_in_it),
        engine_fixture_test(what_is_on_its_way_is_not_in_it),
        engine_fixture_test(the_source_is_only_read),
        engine_fixture_test(an_empty_database_makes_an_empty_snapshot),
        engine_fixture_test(policies_of_metrics_go_along),
        engine_fixture_test(a_database_in_memory_can_be_kept),
        engine_fixture_test(a_reader_beside_a_writer_makes_one),
        engine_fixture_test(a_snapshot_is_never_written),
        engine_fixture_test(what_is_restored_is_a_database_of_its_own),
        engine_fixture_test(segments_are_shared_by_links_and_restored_by_copies),
        engine_fixture_test(a_path_that_is_taken_is_refused),
        engine_fixture_test(what_a_crash_left_is_cleared_and_what_is_foreign_stays),
        engine_fixture_test(damage_and_foreign_input_are_not_restored),
        engine_fixture_test(a_disk_that_is_too_small_is_told_before),
        engine_fixture_test(a_copy_of_a_damaged_file_is_refused),
        engine_fixture_test(a_flipped_byte_anywhere_is_refused_or_harmless),
        engine_fixture_test(each_failing_call_leaves_all_or_nothing),
        engine_fixture_test(each_failing_allocation_leaves_all_or_nothing),
        engine_fixture_test(a_cancelled_one_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
