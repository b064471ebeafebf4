/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crc.h"

#include <string.h>

#include "base/random.h"
#include "support/check.h"

#define BYTES 20000u

static uint8_t bytes[BYTES + 16];

static int setup(void **state)
{
    (void)state;
    vv_random random;
    vv_random_init(&random, 8);
    vv_random_fill(&random, bytes, sizeof bytes);
    return 0;
}

/* Bit by bit, from the definition. */
static uint32_t crc_by_definition(const uint8_t *data, size_t size)
{
    uint32_t crc = UINT32_MAX;
    for (size_t index = 0; index < size; index++) {
        crc ^= data[index];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ ((crc & 1) != 0 ? UINT32_C(0x82F63B78) : 0);
        }
    }
    return ~crc;
}

static void known_checksums_come_out(void **state)
{
    (void)state;
    uint8_t block[32];
    assert_int_equal(vv_crc32c(0, "123456789", 9), 0xE3069283);
    assert_int_equal(vv_crc32c(0, "", 0), 0);
    /* RFC 3720, appendix B.4 */
    memset(block, 0, sizeof block);
    assert_int_equal(vv_crc32c(0, block, sizeof block), 0x8A9136AA);
    memset(block, 0xFF, sizeof block);
    assert_int_equal(vv_crc32c(0, block, sizeof block), 0x62A8AB43);
    for (uint8_t index = 0; index < 32; index++) {
        block[index] = index;
    }
    assert_int_equal(vv_crc32c(0, block, sizeof block), 0x46DD794E);
}

static void all_sizes_and_alignments_agree(void **state)
{
    (void)state;
    for (size_t size = 0; size < 900; size++) {
        size_t offset = size % 9;
        uint32_t expected = crc_by_definition(bytes + offset, size);
        assert_int_equal(vv_crc32c(0, bytes + offset, size), expected);
        assert_int_equal(vv_crc32c_portable(0, bytes + offset, size), expected);
    }
    for (size_t size = 3000; size < BYTES; size += 1021) {
        assert_int_equal(vv_crc32c(0, bytes + 1, size), vv_crc32c_portable(0, bytes + 1, size));
    }
}

static void pieces_chain_to_the_whole(void **state)
{
    (void)state;
    uint32_t whole = crc_by_definition(bytes, BYTES);
    for (size_t cut = 0; cut <= BYTES; cut += 777) {
        assert_int_equal(vv_crc32c(vv_crc32c(0, bytes, cut), bytes + cut, BYTES - cut), whole);
        assert_int_equal(
            vv_crc32c_portable(vv_crc32c_portable(0, bytes, cut), bytes + cut, BYTES - cut), whole);
    }
}

static void checksums_combine_without_the_bytes(void **state)
{
    (void)state;
    uint32_t whole = crc_by_definition(bytes, BYTES);
    for (size_t cut = 0; cut <= BYTES; cut += 777) {
        uint32_t a = vv_crc32c(0, bytes, cut);
        uint32_t b = vv_crc32c(0, bytes + cut, BYTES - cut);
        assert_int_equal(vv_crc32c_combine(a, b, BYTES - cut), whole);
    }
    assert_int_equal(vv_crc32c_combine(7, 0, 0), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_checksums_come_out),
        cmocka_unit_test(all_sizes_and_alignments_agree),
        cmocka_unit_test(pieces_chain_to_the_whole),
        cmocka_unit_test(checksums_combine_without_the_bytes),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
