/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Promises of engine/ring_file.c. tests/compat/ring_v1.vrg never changes; it was written by
 *
 *     VARVE_WRITE_GOLDEN=tests/compat/ring_v1.vrg build-debug/tests/test-engine-ring_file
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "engine/ring_file.h"
#include "support/check.h"
#include "support/failing_alloc.h"
#include "sys/vfs_fault.h"
#include "sys/vfs_memory.h"

#define GOLDEN VARVE_TESTS_DIR "/compat/ring_v1.vrg"

enum { ID = 5, GOLDEN_BYTES = 3 * VV_RING_PAGE_BYTES };

static const varve_ring_field fields[] = {{.name = {"value", 5}, .type = VARVE_TYPE_F64},
                                          {.name = {"up", 2}, .type = VARVE_TYPE_BOOL}};
static const varve_label labels[] = {{{"host", 4}, {"a", 1}}, {{"zone", 4}, {"", 0}}};

typedef struct fixture {
    vv_alloc alloc;
    vv_env env;
    vv_vfs *vfs;
    vv_ring_target target;
    vv_ring_header header;
    uint8_t pages[2][VV_RING_PAGE_BYTES];
    const uint8_t *page_list[2];
} fixture;

static void begin(fixture *f)
{
    varve_error err;
    memset(f, 0, sizeof *f);
    vv_alloc_init(&f->alloc, NULL);
    check_ok(vv_vfs_memory_create(&f->alloc, &f->vfs, &err), &err);
    vv_env_init_system(&f->env, &f->alloc);
    f->env.vfs = f->vfs;
    check_ok(vv_vfs_mkdir(f->vfs, "tmp", &err), &err);
    check_ok(vv_vfs_mkdir(f->vfs, "ring", &err), &err);
    f->target = (vv_ring_target){
        .env = &f->env,
        .tmp_directory = "tmp",
        .directory = "ring",
        .sites = {.file = VV_SITE_RING_FILE,
                  .rename = VV_SITE_RING_RENAME,
                  .dir = VV_SITE_RING_DIR},
    };
    f->header = (vv_ring_header){
        .id = ID,
        .step = INT64_C(10000000000),
        .slots = 350,
        .fields = fields,
        .field_count = 2,
        .metric = VARVE_STR("cpu"),
        .labels = labels,
        .label_count = 2,
    };
    memset(f->header.store_id, 0xab, sizeof f->header.store_id);
    const uint8_t types[] = {VARVE_TYPE_F64, VARVE_TYPE_BOOL};
    vv_ring_shape shape;
    check_ok(vv_ring_shape_make(f->header.step, f->header.slots, types, 2, &shape, &err), &err);
    assert_int_equal(shape.pages, 2);
    for (int64_t i = 0; i < 30; i++) {
        vv_ring_place place;
        vv_ring_row row = {.present = i % 3 == 0 ? 1 : 3, .values = {(uint64_t)i << 52, 1}};
        assert_true(vv_ring_place_of(&shape, i * 13 * f->header.step, &place));
        uint32_t page = place.slot / shape.slots_per_page;
        assert_true(vv_ring_slot_put(&shape, f->pages[page], place.slot % shape.slots_per_page,
                                     place.lap, &row));
        vv_ring_page_stamp(f->pages[page], 7, 100 + (uint64_t)i);
    }
    f->page_list[0] = f->pages[0];
    f->page_list[1] = f->pages[1];
}

static void end(fixture *f)
{
    vv_vfs_memory_free(f->vfs);
    assert_int_equal(vv_alloc_bytes(&f->alloc), 0);
}

static void path_of(char path[64])
{
    char name[VV_RING_NAME_BYTES];
    vv_ring_file_name(ID, "", name);
    snprintf(path, 64, "ring/%s", name);
}

/* The file's bytes; free() them. */
static uint8_t *bytes_of(fixture *f, size_t *out_size)
{
    varve_error err;
    char path[64];
    void *data;
    path_of(path);
    check_ok(vv_vfs_read_file(f->vfs, &f->alloc, path, 1 << 20, &data, out_size, &err), &err);
    uint8_t *copy = malloc(*out_size);
    assert_non_null(copy);
    memcpy(copy, data, *out_size);
    vv_alloc_free(&f->alloc, data, *out_size);
    return copy;
}

static void put_bytes(fixture *f, const uint8_t *bytes, size_t size)
{
    varve_error err;
    char path[64];
    vv_file *file;
    path_of(path);
    check_ok(vv_file_open(f->vfs, &f->alloc, path, VV_OPEN_WRITE | VV_OPEN_CREATE, &file, &err),
             &err);
    check_ok(vv_file_truncate(file, 0, &err), &err);
    check_ok(vv_file_write_all(file, 0, bytes, size, &err), &err);
    check_ok(vv_file_close(file, &err), &err);
}

static varve_status open_reader(fixture *f, vv_ring_reader *reader, varve_error *err)
{
    char path[64];
    path_of(path);
    return vv_ring_reader_open(&f->env, path, reader, err);
}

static void check_content(fixture *f)
{
    varve_error err;
    vv_ring_reader reader;
    uint8_t page[VV_RING_PAGE_BYTES];
    check_ok(open_reader(f, &reader, &err), &err);
    assert_int_equal(reader.header.id, ID);
    assert_int_equal(reader.header.step, f->header.step);
    assert_int_equal(reader.header.slots, 350);
    assert_int_equal(reader.header.field_count, 2);
    assert_true(vv_text_equal(reader.header.fields[1].name, VARVE_STR("up")));
    assert_int_equal(reader.header.fields[1].type, VARVE_TYPE_BOOL);
    assert_true(vv_text_equal(reader.header.metric, VARVE_STR("cpu")));
    assert_int_equal(reader.header.label_count, 2);
    assert_true(vv_text_equal(reader.header.labels[0].value, VARVE_STR("a")));
    assert_int_equal(reader.header.header_bytes, vv_ring_header_bytes(&f->header));
    for (uint64_t i = 0; i < 2; i++) {
        check_ok(vv_ring_reader_page(&reader, i, page, &err), &err);
        assert_memory_equal(page + 8, f->pages[i] + 8, sizeof page - 8);
    }
    vv_ring_reader_close(&reader);
}

static void a_file_is_read_back_as_it_was_written(void **state)
{
    (void)state;
    fixture f;
    varve_error err;
    begin(&f);
    check_ok(vv_ring_file_write(&f.target, &f.header, f.page_list, &err), &err);
    check_content(&f);
    vv_dir_list left;
    check_ok(vv_vfs_list(f.vfs, &f.alloc, "tmp", &left, &err), &err);
    assert_int_equal(left.count, 0);
    vv_dir_list_deinit(&left);
    end(&f);
}

static void the_golden_file_is_read_and_written_the_same(void **state)
{
    (void)state;
    fixture f;
    varve_error err;
    size_t size;
    uint8_t golden[GOLDEN_BYTES];
    begin(&f);
    check_ok(vv_ring_file_write(&f.target, &f.header, f.page_list, &err), &err);
    uint8_t *bytes = bytes_of(&f, &size);
    assert_int_equal(size, GOLDEN_BYTES);
    const char *write = getenv("VARVE_WRITE_GOLDEN");
    if (write != NULL) {
        FILE *file = fopen(write, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(bytes, 1, size, file), size);
        assert_int_equal(fclose(file), 0);
    }
    FILE *file = fopen(GOLDEN, "rb");
    assert_non_null(file);
    assert_int_equal(fread(golden, 1, sizeof golden, file), sizeof golden);
    assert_int_equal(fgetc(file), EOF);
    fclose(file);
    assert_memory_equal(bytes, golden, size);
    free(bytes);
    end(&f);
}

static void copies_keep_no_position_of_the_log(void **state)
{
    (void)state;
    fixture f;
    varve_error err;
    vv_ring_reader reader;
    uint8_t page[VV_RING_PAGE_BYTES];
    begin(&f);
    f.target.is_copy = true;
    check_ok(vv_ring_file_write(&f.target, &f.header, f.page_list, &err), &err);
    check_ok(open_reader(&f, &reader, &err), &err);
    check_ok(vv_ring_reader_page(&reader, 0, page, &err), &err);
    assert_int_equal(vv_ring_page_lsn(page), 0);
    assert_int_equal(vv_ring_page_sequence(page), vv_ring_page_sequence(f.pages[0]));
    vv_ring_reader_close(&reader);
    end(&f);
}

static void every_flipped_bit_of_the_header_is_noticed(void **state)
{
    (void)state;
    fixture f;
    varve_error err;
    vv_ring_reader reader;
    size_t size;
    begin(&f);
    check_ok(vv_ring_file_write(&f.target, &f.header, f.page_list, &err), &err);
    uint8_t *bytes = bytes_of(&f, &size);
    for (size_t i = 0; i < VV_RING_PAGE_BYTES; i += i < 200 ? 1 : 37) {
        bytes[i] ^= (uint8_t)(1u << (i % 8));
        put_bytes(&f, bytes, size);
        varve_status status = open_reader(&f, &reader, &err);
        assert_true(status == VARVE_E_CORRUPT || status == VARVE_E_UNSUPPORTED);
        assert_non_null(strstr(err.message, "ring/"));
        bytes[i] ^= (uint8_t)(1u << (i % 8));
    }
    for (size_t cut = 0; cut < size; cut += 997) { /* and every length but the right one */
        put_bytes(&f, bytes, cut);
        check_status(VARVE_E_CORRUPT, open_reader(&f, &reader, &err));
    }
    put_bytes(&f, bytes, size);
    check_content(&f);
    free(bytes);
    end(&f);
}

static void a_newer_version_is_refused(void **state)
{
    (void)state;
    fixture f;
    varve_error err;
    vv_ring_reader reader;
    size_t size;
    begin(&f);
    check_ok(vv_ring_file_write(&f.target, &f.header, f.page_list, &err), &err);
    uint8_t *bytes = bytes_of(&f, &size);
    bytes[8] = 2;
    uint32_t crc = vv_crc32c(0, bytes, VV_RING_PAGE_BYTES - 4);
    memcpy(bytes + VV_RING_PAGE_BYTES - 4, &crc, sizeof crc);
    put_bytes(&f, bytes, size);
    check_status(VARVE_E_UNSUPPORTED, open_reader(&f, &reader, &err));
    free(bytes);
    end(&f);
}

/* What a header says at an offset, with a checksum that is right. */
typedef struct lie {
    size_t offset, size;
    uint64_t value;
} lie;

static void headers_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    static const lie lies[] = {
        {8, 2, 0},  /* version */
        {12, 4, 0}, /* bytes of the header */
        {12, 4, 1000},
        {12, 4, VV_RING_HEADER_BYTES_MAX + VV_RING_PAGE_BYTES},
        {40, 8, 0}, /* step */
        {40, 8, UINT64_MAX},
        {48, 8, 0}, /* slots */
        {48, 8, UINT64_MAX},
        {56, 4, 0}, /* fields */
        {56, 4, VV_RING_FIELDS_MAX + 1},
        {56, 4, UINT32_MAX},
        {64, 1, VARVE_TYPE_STRING},     /* type of the first */
        {65, 1, 0},                     /* its name is empty */
        {66, 1, 0xff},                  /* or no UTF-8 */
        {75, 2, 0xffff},                /* bytes of the series */
        {76, 1, 0x7f},                  /* and of its metric */
        {VV_RING_PAGE_BYTES - 8, 1, 1}, /* behind all of it there are zeros */
    };
    fixture f;
    varve_error err;
    vv_ring_reader reader;
    size_t size;
    begin(&f);
    check_ok(vv_ring_file_write(&f.target, &f.header, f.page_list, &err), &err);
    uint8_t *bytes = bytes_of(&f, &size);
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        uint64_t before;
        memcpy(&before, bytes + lies[i].offset, sizeof before);
        memcpy(bytes + lies[i].offset, &lies[i].value, lies[i].size);
        uint32_t crc = vv_crc32c(0, bytes, VV_RING_PAGE_BYTES - 4);
        memcpy(bytes + VV_RING_PAGE_BYTES - 4, &crc, sizeof crc);
        put_bytes(&f, bytes, size);
        varve_status status = open_reader(&f, &reader, &err);
        bool is_in_sizes = lies[i].offset < 16;
        if (status != VARVE_E_CORRUPT ||
            (is_in_sizes && strstr(err.message, "makes no sense") == NULL)) {
            fail_msg("%llu at %zu: status %d, %s", (unsigned long long)lies[i].value,
                     lies[i].offset, (int)status, err.message);
        }
        memcpy(bytes + lies[i].offset, &before, sizeof before);
    }
    free(bytes);
    end(&f);
}

static void bytes_that_are_no_whole_header_are_refused(void **state)
{
    (void)state;
    fixture f;
    varve_error err;
    size_t size;
    uint32_t header_size;
    vv_arena arena;
    vv_ring_header header;
    begin(&f);
    vv_arena_init(&arena, &f.alloc, SIZE_MAX);
    check_ok(vv_ring_file_write(&f.target, &f.header, f.page_list, &err), &err);
    uint8_t *bytes = bytes_of(&f, &size);
    for (size_t cut = 0; cut < 16; cut++) {
        check_status(VARVE_E_CORRUPT,
                     vv_ring_header_size(vv_bytes_make(bytes, cut), &header_size, &err));
    }
    check_ok(vv_ring_header_size(vv_bytes_make(bytes, 16), &header_size, &err), &err);
    static const size_t sizes[] = {16, VV_RING_PAGE_BYTES - 1, VV_RING_PAGE_BYTES + 1};
    for (size_t i = 0; i < 3; i++) {
        vv_bytes part = vv_bytes_make(bytes, sizes[i]);
        check_status(VARVE_E_CORRUPT, vv_ring_header_decode(part, &arena, &header, &err));
    }
    vv_bytes whole = vv_bytes_make(bytes, VV_RING_PAGE_BYTES);
    check_ok(vv_ring_header_decode(whole, &arena, &header, &err), &err);
    vv_arena_deinit(&arena);
    free(bytes);
    end(&f);
}

static void shapes_that_cannot_be_are_not_written(void **state)
{
    (void)state;
    static varve_ring_field many[VV_RING_FIELDS_MAX + 1];
    fixture f;
    varve_error err;
    bool exists;
    begin(&f);
    for (size_t i = 0; i < VV_RING_FIELDS_MAX + 1; i++) {
        many[i] = (varve_ring_field){.name = VARVE_STR("f"), .type = VARVE_TYPE_BOOL};
    }
    f.header.fields = many;
    f.header.field_count = VV_RING_FIELDS_MAX + 1;
    assert_int_not_equal(VARVE_OK, vv_ring_file_write(&f.target, &f.header, NULL, &err));
    vv_buf bytes;
    vv_buf_init(&bytes, &f.alloc, SIZE_MAX);
    assert_int_not_equal(VARVE_OK, vv_ring_header_encode(&f.header, &bytes, &err));
    assert_int_equal(bytes.size, 0);
    vv_buf_deinit(&bytes);
    char path[64];
    path_of(path);
    check_ok(vv_vfs_exists(f.vfs, path, &exists, &err), &err);
    assert_false(exists);
    end(&f);
}

static void count_fact(void *context, const varve_fact *fact)
{
    unsigned *counts = context;
    counts[fact->is_damage]++;
}

/* Writing, reading and telling, with the n-th call or allocation failing: all or nothing. */
static void a_failure_leaves_a_whole_file_or_none(void **state)
{
    (void)state;
    for (int is_call = 0; is_call < 2; is_call++) {
        bool was_reached = true;
        for (uint64_t number = 1; was_reached; number++) {
            fixture f;
            varve_error err;
            vv_fault *fault;
            failing_alloc failing;
            vv_alloc alloc;
            begin(&f);
            failing_alloc_init(&failing);
            varve_allocator source = failing_alloc_source(&failing);
            vv_alloc_init(&alloc, &source);
            check_ok(vv_fault_create(&f.alloc, f.vfs, &fault, &err), &err);
            f.env.vfs = vv_fault_vfs(fault);
            f.env.alloc = &alloc;
            size_t rule = 0;
            if (is_call) {
                rule = vv_fault_add(fault, &(vv_fault_rule){.ops = VV_VFS_OP_ALL,
                                                            .first_call = number,
                                                            .call_count = 1,
                                                            .kind = VV_FAULT_ERRNO,
                                                            .os_errno = EIO});
            } else {
                failing_alloc_plan(&failing, number, true);
            }
            unsigned counts[2] = {0};
            vv_facts facts = {.visit = count_fact, .context = counts, .has_details = number % 2};
            char path[64];
            path_of(path);
            varve_status wanted = is_call ? VARVE_E_IO : VARVE_E_NOMEM;
            varve_status status = vv_ring_file_write(&f.target, &f.header, f.page_list, &err);
            bool is_written = status == VARVE_OK;
            if (is_written) {
                status = vv_ring_inspect(&f.env, path, &facts, &err);
                assert_int_equal(counts[1], 0); /* what cannot be read is no damage */
            }
            was_reached =
                is_call ? vv_fault_fired(fault, rule) > 0 : atomic_load(&failing.failures) > 0;
            assert_true(status == VARVE_OK || status == wanted);
            assert_true(is_call || was_reached == (status != VARVE_OK));
            assert_int_equal(0, vv_fault_open_files(fault));
            assert_int_equal(0, atomic_load(&failing.live));
            vv_fault_free(fault);
            f.env.vfs = f.vfs;
            f.env.alloc = &f.alloc;
            bool exists;
            check_ok(vv_vfs_exists(f.vfs, path, &exists, &err), &err);
            assert_true(exists == is_written);
            vv_dir_list left;
            check_ok(vv_vfs_list(f.vfs, &f.alloc, "tmp", &left, &err), &err);
            assert_int_equal(left.count, 0);
            vv_dir_list_deinit(&left);
            if (exists) {
                check_content(&f);
            }
            end(&f);
        }
    }
}

static void the_longest_names_fit_a_header(void **state)
{
    (void)state;
    static char long_text[65535];
    static varve_label many[256];
    static char names[256][8];
    static varve_ring_field most[VV_RING_FIELDS_MAX];
    fixture f;
    varve_error err;
    vv_ring_reader reader;
    begin(&f);
    memset(long_text, 'x', sizeof long_text);
    for (size_t i = 0; i < 256; i++) {
        snprintf(names[i], sizeof names[i], "l%03zu", i);
        many[i] = (varve_label){{names[i], 4}, {long_text, 16384}};
    }
    for (size_t i = 0; i < VV_RING_FIELDS_MAX; i++) {
        most[i] = (varve_ring_field){.name = {names[i], 4}, .type = VARVE_TYPE_BOOL};
    }
    f.header.metric = (varve_text){long_text, sizeof long_text};
    f.header.labels = many;
    f.header.label_count = 256;
    f.header.fields = most;
    f.header.field_count = VV_RING_FIELDS_MAX;
    check_ok(vv_ring_file_write(&f.target, &f.header, NULL, &err), &err);
    check_ok(open_reader(&f, &reader, &err), &err);
    assert_int_equal(reader.header.label_count, 256);
    assert_int_equal(reader.header.metric.size, sizeof long_text);
    vv_ring_reader_close(&reader);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_back_as_it_was_written),
        cmocka_unit_test(the_golden_file_is_read_and_written_the_same),
        cmocka_unit_test(copies_keep_no_position_of_the_log),
        cmocka_unit_test(every_flipped_bit_of_the_header_is_noticed),
        cmocka_unit_test(a_newer_version_is_refused),
        cmocka_unit_test(headers_that_make_no_sense_are_refused),
        cmocka_unit_test(bytes_that_are_no_whole_header_are_refused),
        cmocka_unit_test(shapes_that_cannot_be_are_not_written),
        cmocka_unit_test(a_failure_leaves_a_whole_file_or_none),
        cmocka_unit_test(the_longest_names_fit_a_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
