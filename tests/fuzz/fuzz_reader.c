/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader under a random programme: each byte of the input chooses the next read, and the reads
 * take their bytes from the same input. Whatever comes, the reader stays inside, and once bad it
 * yields nothing.
 */
#include "base/assert.h"
#include "base/reader.h"

static uint64_t fuzz_read(vv_reader *reader, uint8_t choice)
{
    switch (choice % 12) {
    case 0:
        return vv_reader_u8(reader);
    case 1:
        return vv_reader_u16(reader);
    case 2:
        return vv_reader_u32(reader);
    case 3:
        return vv_reader_u64(reader);
    case 4:
        return vv_reader_varint(reader);
    case 5:
        return (uint64_t)vv_reader_zigzag(reader);
    case 6:
        return vv_reader_varint_max(reader, choice);
    case 7:
        return vv_reader_count(reader, 1 + choice / 16, 1000);
    case 8: {
        vv_reader sub = vv_reader_sub(reader, choice / 12);
        VV_ASSERT(!vv_reader_is_bad(&sub) || vv_reader_is_bad(reader));
        return vv_reader_u32(&sub) == 0 ? 0 : vv_reader_position(&sub) - 4;
    }
    case 9: {
        varve_text text = vv_reader_text(reader, choice);
        return text.size == 0 ? 0 : (uint8_t)text.data[text.size - 1];
    }
    case 10:
        vv_reader_skip(reader, choice / 12);
        return 0;
    default:
        return vv_reader_u32_be(reader) ^ vv_reader_u64_be(reader);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vv_reader reader;
    vv_reader_init(&reader, data, size);
    for (size_t index = 0; index < size && !vv_reader_is_bad(&reader); index++) {
        size_t before = vv_reader_position(&reader);
        uint64_t value = fuzz_read(&reader, data[index]);
        VV_ASSERT(vv_reader_position(&reader) >= before && vv_reader_position(&reader) <= size);
        VV_ASSERT(!vv_reader_is_bad(&reader) || vv_reader_left(&reader) == 0);
        VV_ASSERT(!vv_reader_is_bad(&reader) || fuzz_read(&reader, 3) == 0);
        (void)value;
    }
    uint64_t value = 0;
    size_t used = vv_varint_read(data, size, &value);
    size_t used_long = vv_varint_read_long(data, size, &value);
    VV_ASSERT(used == used_long && used <= VV_VARINT_BYTES_MAX && used <= size);
    VV_ASSERT(used == 0 || vv_varint_size(value) <= used);
    vv_reader whole = vv_reader_of(data, size);
    VV_ASSERT(vv_reader_left(&whole) == size);
    return 0;
}
