/* SPDX-License-Identifier: Apache-2.0 */
/* A block counts at its own place in its own segment only, although it is whole. */
#include <string.h>

#include "segment/layout_priv.h"
#include "support/check.h"

enum { LAYOUT_PAYLOAD = 40, LAYOUT_ID = 7, LAYOUT_NUMBER = 3 };

typedef struct layout_block {
    uint8_t bytes[VV_SEGMENT_FRAME_BYTES + LAYOUT_PAYLOAD];
} layout_block;

static void layout_make(layout_block *block)
{
    vv_segment_frame frame = {
        .size = LAYOUT_PAYLOAD, .number = LAYOUT_NUMBER, .kind = VV_SECTION_NONE};
    uint8_t *payload = block->bytes + VV_SEGMENT_FRAME_BYTES;
    memset(payload, 0x5a, LAYOUT_PAYLOAD);
    vv_segment_frame_write(&frame, LAYOUT_ID, payload, block->bytes);
}

static varve_status layout_check(const layout_block *block, uint64_t id, uint32_t kind,
                                 uint32_t number, varve_error *err)
{
    return vv_segment_frame_check((vv_bytes){block->bytes, sizeof block->bytes}, "x.vsg", 0, id,
                                  kind, number, err);
}

static void a_whole_block_at_the_place_of_another_is_damage(void **state)
{
    (void)state;
    layout_block block;
    varve_error err;
    layout_make(&block);
    check_ok(layout_check(&block, LAYOUT_ID, VV_SECTION_NONE, LAYOUT_NUMBER, &err), &err);
    check_status(VARVE_E_CORRUPT,
                 layout_check(&block, LAYOUT_ID, VV_SECTION_NONE, LAYOUT_NUMBER + 1, &err));
    assert_non_null(strstr(err.message, "found"));
    check_status(VARVE_E_CORRUPT,
                 layout_check(&block, LAYOUT_ID, VV_SECTION_NONE + 1, LAYOUT_NUMBER, &err));
}

static void a_block_of_another_segment_is_damage(void **state)
{
    (void)state;
    layout_block block;
    varve_error err;
    layout_make(&block);
    check_status(VARVE_E_CORRUPT,
                 layout_check(&block, LAYOUT_ID + 1, VV_SECTION_NONE, LAYOUT_NUMBER, &err));
    assert_non_null(strstr(err.message, "checksum"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_block_at_the_place_of_another_is_damage),
        cmocka_unit_test(a_block_of_another_segment_is_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
