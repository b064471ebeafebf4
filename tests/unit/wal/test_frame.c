/* SPDX-License-Identifier: Apache-2.0 */
/* Headers of files and records: W1 to W3 of wal/frame.h for single headers. */
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "support/check.h"
#include "wal/frame.h"

static vv_frame_file frame_file(void)
{
    vv_frame_file file = {.file_seq = 7,
                          .first_lsn = 100,
                          .created_ns = 1700000000000000000,
                          .salt = UINT64_C(0x1122334455667788),
                          .prev_last = 99,
                          .durable = 90};
    memset(file.store_id, 3, sizeof file.store_id);
    return file;
}

static void a_file_header_comes_back(void **state)
{
    (void)state;
    uint8_t bytes[VV_FRAME_FILE_HEADER_BYTES];
    memset(bytes, 0xee, sizeof bytes);
    vv_frame_file file = frame_file();
    vv_frame_file read;
    varve_error err;
    vv_frame_file_encode(VV_FRAME_LOG, &file, bytes);
    check_ok(vv_frame_file_decode(VV_FRAME_LOG, vv_bytes_make(bytes, sizeof bytes), &read, &err),
             &err);
    assert_memory_equal(file.store_id, read.store_id, 16);
    assert_int_equal(7, read.file_seq);
    assert_int_equal(100, read.first_lsn);
    assert_int_equal(1700000000000000000, read.created_ns);
    assert_true(file.salt == read.salt);
    assert_int_equal(99, read.prev_last);
    assert_int_equal(90, read.durable);
    assert_true(file.salt == vv_frame_file_salt_guess(vv_bytes_make(bytes, sizeof bytes)));
    for (size_t i = 84; i < sizeof bytes; ++i) {
        assert_int_equal(0, bytes[i]);
    }
}

static void names_of_files_are_twenty_digits_and_a_suffix(void **state)
{
    (void)state;
    static const char *const others[] = {"",
                                         "7.vwl",
                                         "00000000000000000007.vmf",
                                         "00000000000000000007.vwl.part",
                                         "0000000000000000000x.vwl",
                                         "0000000000000000000!.vwl",
                                         "+0000000000000000007.vwl",
                                         "99999999999999999999.vwl"};
    uint64_t seq = 0;
    assert_true(vv_frame_parse_name("00000000000000000007.vwl", VV_TEXT(".vwl"), &seq));
    assert_int_equal(7, seq);
    assert_true(vv_frame_parse_name("18446744073709551615.vmf", VV_TEXT(".vmf"), &seq));
    assert_true(seq == UINT64_MAX);
    for (size_t i = 0; i < VV_ARRAY_COUNT(others); ++i) {
        assert_false(vv_frame_parse_name(others[i], VV_TEXT(".vwl"), &seq));
    }
}

static void any_flipped_bit_of_a_file_header_is_noticed(void **state)
{
    (void)state;
    uint8_t bytes[VV_FRAME_FILE_HEADER_BYTES];
    vv_frame_file file = frame_file();
    vv_frame_file read;
    varve_error err;
    vv_frame_file_encode(VV_FRAME_MANIFEST, &file, bytes);
    for (size_t bit = 0; bit < 84 * 8; ++bit) {
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ 1u << (bit % 8));
        check_status(VARVE_E_CORRUPT,
                     vv_frame_file_decode(VV_FRAME_MANIFEST, vv_bytes_make(bytes, sizeof bytes),
                                          &read, &err));
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ 1u << (bit % 8));
    }
    check_status(
        VARVE_E_CORRUPT,
        vv_frame_file_decode(VV_FRAME_LOG, vv_bytes_make(bytes, sizeof bytes), &read, &err));
    check_status(VARVE_E_CORRUPT,
                 vv_frame_file_decode(VV_FRAME_MANIFEST, vv_bytes_make(bytes, sizeof bytes - 1),
                                      &read, &err));
}

static void a_file_header_cut_anywhere_is_damage(void **state)
{
    (void)state;
    uint8_t bytes[VV_FRAME_FILE_HEADER_BYTES];
    vv_frame_file file = frame_file();
    vv_frame_file read;
    varve_error err;
    vv_frame_file_encode(VV_FRAME_LOG, &file, bytes);
    for (size_t size = 0; size < sizeof bytes; ++size) {
        uint8_t *copy = malloc(size == 0 ? 1 : size);
        assert_non_null(copy);
        memcpy(copy, bytes, size);
        check_status(VARVE_E_CORRUPT,
                     vv_frame_file_decode(VV_FRAME_LOG, vv_bytes_make(copy, size), &read, &err));
        free(copy);
    }
}

/* A whole header that says something this version does not know. */
static void frame_reseal(uint8_t *bytes)
{
    uint32_t crc = vv_crc32c(0, bytes, 80);
    memcpy(bytes + 80, &crc, sizeof crc);
}

static void a_later_version_of_a_file_is_unsupported(void **state)
{
    (void)state;
    uint8_t bytes[VV_FRAME_FILE_HEADER_BYTES];
    vv_frame_file file = frame_file();
    vv_frame_file read;
    varve_error err;
    vv_frame_file_encode(VV_FRAME_LOG, &file, bytes);
    bytes[8] = 2;
    frame_reseal(bytes);
    vv_bytes all = vv_bytes_make(bytes, sizeof bytes);
    check_status(VARVE_E_UNSUPPORTED, vv_frame_file_decode(VV_FRAME_LOG, all, &read, &err));
    bytes[8] = 1;
    bytes[12] = 1;
    frame_reseal(bytes);
    check_status(VARVE_E_UNSUPPORTED, vv_frame_file_decode(VV_FRAME_LOG, all, &read, &err));
    bytes[12] = 0;
    bytes[10] = 1;
    frame_reseal(bytes);
    check_status(VARVE_E_CORRUPT, vv_frame_file_decode(VV_FRAME_LOG, all, &read, &err));
}

static void frame_build(uint8_t header[VV_FRAME_HEADER_BYTES], uint64_t salt, uint32_t chain)
{
    vv_frame frame = {
        .payload_size = 77, .lsn = 5, .type = 2, .flags = 1, .payload_crc = 0x12345678};
    vv_frame_put(header, &frame);
    (void)vv_frame_finish(header, salt, chain);
}

static void a_record_header_comes_back(void **state)
{
    (void)state;
    uint8_t header[VV_FRAME_HEADER_BYTES];
    vv_frame read;
    frame_build(header, 42, 0xabcd);
    assert_int_equal(VV_FRAME_GOOD,
                     vv_frame_parse(vv_bytes_make(header, sizeof header), 42, &read));
    assert_int_equal(77, read.payload_size);
    assert_int_equal(5, read.lsn);
    assert_int_equal(2, read.type);
    assert_int_equal(1, read.flags);
    assert_int_equal(0x12345678, read.payload_crc);
    assert_int_equal(0xabcd, read.chain);
    vv_frame_set_payload_crc(header, 0x777);
    uint32_t next = vv_frame_finish(header, 42, 0xabcd);
    assert_int_equal(VV_FRAME_GOOD,
                     vv_frame_parse(vv_bytes_make(header, sizeof header), 42, &read));
    assert_int_equal(0x777, read.payload_crc);
    assert_true(next == vv_frame_chain_next(&read));
}

static void any_flipped_bit_of_a_record_header_is_noticed(void **state)
{
    (void)state;
    uint8_t header[VV_FRAME_HEADER_BYTES];
    vv_frame read;
    frame_build(header, 42, 0xabcd);
    for (size_t bit = 0; bit < sizeof header * 8; ++bit) {
        header[bit / 8] = (uint8_t)(header[bit / 8] ^ 1u << (bit % 8));
        assert_int_not_equal(VV_FRAME_GOOD,
                             vv_frame_parse(vv_bytes_make(header, sizeof header), 42, &read));
        header[bit / 8] = (uint8_t)(header[bit / 8] ^ 1u << (bit % 8));
    }
}

static void a_record_of_another_file_is_none(void **state)
{
    (void)state;
    uint8_t header[VV_FRAME_HEADER_BYTES];
    vv_frame read;
    frame_build(header, 42, 0xabcd);
    assert_int_equal(VV_FRAME_BAD_HEADER,
                     vv_frame_parse(vv_bytes_make(header, sizeof header), 43, &read));
    assert_int_equal(VV_FRAME_ABSENT,
                     vv_frame_parse(vv_bytes_make(header, sizeof header - 1), 42, &read));
    memset(header, 0, 4);
    assert_int_equal(VV_FRAME_ABSENT,
                     vv_frame_parse(vv_bytes_make(header, sizeof header), 42, &read));
}

static void a_length_above_the_limit_is_refused(void **state)
{
    (void)state;
    uint8_t header[VV_FRAME_HEADER_BYTES];
    vv_frame read;
    frame_build(header, 42, 0);
    uint32_t length = VV_FRAME_PAYLOAD_BYTES_MAX;
    memcpy(header + 4, &length, sizeof length);
    (void)vv_frame_finish(header, 42, 0);
    assert_int_equal(VV_FRAME_GOOD,
                     vv_frame_parse(vv_bytes_make(header, sizeof header), 42, &read));
    length += 1;
    memcpy(header + 4, &length, sizeof length);
    (void)vv_frame_finish(header, 42, 0);
    assert_int_equal(VV_FRAME_BAD_LENGTH,
                     vv_frame_parse(vv_bytes_make(header, sizeof header), 42, &read));
}

static void every_verdict_has_a_sentence(void **state)
{
    (void)state;
    for (int verdict = VV_FRAME_GOOD; verdict <= VV_FRAME_BAD_GROUP; ++verdict) {
        assert_true(strlen(vv_frame_verdict_text((vv_frame_verdict)verdict)) > 5);
    }
    assert_int_equal(32, vv_frame_bytes(0));
    assert_int_equal(40, vv_frame_bytes(1));
    assert_int_equal(40, vv_frame_bytes(8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_header_comes_back),
        cmocka_unit_test(names_of_files_are_twenty_digits_and_a_suffix),
        cmocka_unit_test(any_flipped_bit_of_a_file_header_is_noticed),
        cmocka_unit_test(a_file_header_cut_anywhere_is_damage),
        cmocka_unit_test(a_later_version_of_a_file_is_unsupported),
        cmocka_unit_test(a_record_header_comes_back),
        cmocka_unit_test(any_flipped_bit_of_a_record_header_is_noticed),
        cmocka_unit_test(a_record_of_another_file_is_none),
        cmocka_unit_test(a_length_above_the_limit_is_refused),
        cmocka_unit_test(every_verdict_has_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
