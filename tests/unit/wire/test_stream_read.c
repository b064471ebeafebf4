/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams that are not as they were written: cut, damaged, made by somebody who means no good.
 */
#include "stream_world.h"

#include <stddef.h>

#include "base/crc.h"
#include "support/failing_alloc.h"

enum { HEADER = 32, HEAD = 24 };

/** What was given to the sink is what stands before some row of what was written. */
static void assert_prefix(const stream_world *w)
{
    assert_true(w->got.size <= w->wrote.size);
    assert_memory_equal(w->got.data, w->wrote.data, w->got.size);
    assert_true(w->got.size == 0 || w->got.data[w->got.size - 1] == '\n');
}

/** Rows of the first `blocks` blocks of the small stream. */
static uint64_t rows_of_blocks(uint64_t blocks)
{
    static const uint64_t rows[] = {0, 20, 30, 36, 37, 37};
    return rows[blocks];
}

/* ---- cut, flipped, moved -------------------------------------------------------------------- */

static void stream_cut_anywhere_keeps_whole_blocks(void **state)
{
    (void)state;
    stream_world w;
    varve_error err;
    world_begin(&w);
    world_write_small(&w);
    for (size_t size = 0; size < w.stream.size; size++) {
        check_status(VARVE_E_INVALID,
                     world_read(&w, vv_bytes_make(w.stream.data, size), 97, &world_options, &err));
        assert_prefix(&w);
        assert_int_equal(w.got_rows, rows_of_blocks(w.got_blocks));
        assert_non_null(strstr(err.message, size < HEADER ? "no stream" : "cut at byte"));
    }
    check_ok(world_read(&w, vv_buf_bytes(&w.stream), 97, &world_options, &err), &err);
    assert_int_equal(w.got_rows, 37);
    world_end(&w);
}

static void stream_with_any_bit_flipped_is_refused_there(void **state)
{
    (void)state;
    stream_world w;
    varve_error err;
    world_begin(&w);
    world_write_small(&w);
    for (size_t bit = 0; bit < w.stream.size * 8; bit += 3) {
        w.stream.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        check_status(VARVE_E_INVALID,
                     world_read(&w, vv_buf_bytes(&w.stream), 501, &world_options, &err));
        assert_prefix(&w);
        assert_int_equal(w.got_rows, rows_of_blocks(w.got_blocks));
        w.stream.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    world_end(&w);
}

static void stream_names_block_and_offset_of_damage(void **state)
{
    (void)state;
    stream_world w;
    varve_error err;
    world_begin(&w);
    world_write_small(&w);
    uint32_t first;
    memcpy(&first, w.stream.data + HEADER + 8, sizeof first);
    char expected[64];
    snprintf(expected, sizeof expected, "block 2 at byte %u: ", HEADER + HEAD + first);
    w.stream.data[HEADER + HEAD + first + HEAD] ^= 1;
    check_status(VARVE_E_INVALID,
                 world_read(&w, vv_buf_bytes(&w.stream), 501, &world_options, &err));
    assert_non_null(strstr(err.message, expected));
    assert_non_null(strstr(err.message, "checksum of its payload"));
    assert_int_equal(w.got_rows, 20);
    world_end(&w);
}

/** Offsets of the heads of a whole stream, the last behind it; how many. */
static size_t find_heads(const stream_world *w, size_t *offsets, size_t capacity)
{
    size_t count = 0;
    size_t at = HEADER;
    while (at < w->stream.size && count + 1 < capacity) {
        uint32_t bytes;
        memcpy(&bytes, w->stream.data + at + 8, sizeof bytes);
        offsets[count] = at;
        count += 1;
        at += HEAD + bytes;
    }
    offsets[count] = at;
    return count;
}

static void stream_with_a_block_missing_or_twice_is_refused(void **state)
{
    (void)state;
    stream_world w;
    varve_error err;
    world_begin(&w);
    world_write_small(&w);
    size_t heads[16];
    size_t count = find_heads(&w, heads, 16);
    assert_int_equal(count, 5);
    for (size_t block = 0; block < count; block++) {
        vv_buf other;
        vv_buf_init(&other, &w.alloc, SIZE_MAX);
        vv_buf_append(&other, w.stream.data, heads[block]);
        vv_buf_append(&other, w.stream.data + heads[block + 1], w.stream.size - heads[block + 1]);
        check_status(VARVE_E_INVALID,
                     world_read(&w, vv_buf_bytes(&other), 4096, &world_options, &err));
        assert_int_equal(w.got_rows, rows_of_blocks(block));
        vv_buf_reset(&other);
        vv_buf_append(&other, w.stream.data, heads[block + 1]);
        vv_buf_append(&other, w.stream.data + heads[block], w.stream.size - heads[block]);
        check_status(VARVE_E_INVALID,
                     world_read(&w, vv_buf_bytes(&other), 4096, &world_options, &err));
        assert_int_equal(w.got_rows, rows_of_blocks(block + 1));
        vv_buf_deinit(&other);
    }
    world_end(&w);
}

static void stream_with_bytes_behind_its_end_is_refused(void **state)
{
    (void)state;
    stream_world w;
    varve_error err;
    world_begin(&w);
    world_write_small(&w);
    vv_buf_append_u8(&w.stream, 0);
    check_status(VARVE_E_INVALID,
                 world_read(&w, vv_buf_bytes(&w.stream), 4096, &world_options, &err));
    assert_non_null(strstr(err.message, "follows the end"));
    world_end(&w);
}

/* ---- made by hand: right checksums, wrong content ------------------------------------------- */

typedef struct hand_made {
    vv_buf bytes;
    uint32_t chain;
    uint32_t number;
} hand_made;

static void hand_begin(hand_made *made, vv_alloc *alloc, uint16_t version, uint8_t precision)
{
    vv_buf_init(&made->bytes, alloc, SIZE_MAX);
    made->number = 0;
    vv_buf_append(&made->bytes, VV_STREAM_MAGIC, 8);
    vv_buf_append_u16(&made->bytes, version);
    vv_buf_append_u16(&made->bytes, HEADER);
    vv_buf_append_u32(&made->bytes, 0);
    vv_buf_append_u8(&made->bytes, precision);
    vv_buf_append_fill(&made->bytes, 0, 11);
    made->chain = vv_crc32c(0, made->bytes.data, HEADER - 4);
    vv_buf_append_u32(&made->bytes, made->chain);
}

static void hand_block(hand_made *made, uint8_t kind, uint8_t flags, uint32_t unpacked,
                       const void *payload, size_t size)
{
    size_t at = made->bytes.size;
    vv_buf_append_u8(&made->bytes, kind);
    vv_buf_append_u8(&made->bytes, flags);
    vv_buf_append_u16(&made->bytes, 0);
    vv_buf_append_u32(&made->bytes, made->number++);
    vv_buf_append_u32(&made->bytes, (uint32_t)size);
    vv_buf_append_u32(&made->bytes, unpacked);
    vv_buf_append_u32(&made->bytes, vv_crc32c(0, payload, size));
    made->chain = vv_crc32c(vv_crc32c(0, &made->chain, 4), made->bytes.data + at, HEAD - 4);
    vv_buf_append_u32(&made->bytes, made->chain);
    vv_buf_append(&made->bytes, payload, size);
}

static void hand_end(hand_made *made, uint64_t blocks, uint64_t runs, uint64_t rows)
{
    uint64_t counts[] = {blocks, runs, rows};
    hand_block(made, 2, 0, sizeof counts, counts, sizeof counts);
}

/** Read a stream of one block with this payload. */
static varve_status read_payload(stream_world *w, const void *payload, size_t size,
                                 varve_error *err)
{
    hand_made made;
    hand_begin(&made, &w->alloc, 1, VARVE_PRECISION_NS);
    hand_block(&made, 1, 0, (uint32_t)size, payload, size);
    hand_end(&made, 1, 1, 1);
    varve_status status = world_read(w, vv_buf_bytes(&made.bytes), 4096, &world_options, err);
    vv_buf_deinit(&made.bytes);
    return status;
}

#define SERIES       3, 1, 0, 'm'
#define PAYLOAD(...) .bytes = {__VA_ARGS__}, .size = sizeof((uint8_t[]){__VA_ARGS__})

static void stream_refuses_runs_that_make_no_sense(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        varve_status status;
        size_t size;
        uint8_t bytes[48];
    } cases[] = {
        {"a good one", VARVE_OK, PAYLOAD(SERIES, 1, 1, 0, 1, 'v', 2, 1, 0, 0, 0, 0, 0, 0, 0)},
        {"deltas of an integer", VARVE_OK, PAYLOAD(SERIES, 1, 1, 0, 1, 'v', 2 | 1 << 5, 1)},
        {"a plain float", VARVE_OK, PAYLOAD(SERIES, 1, 1, 0, 1, 'v', 1, 1, 0, 0, 0, 0, 0, 0, 0)},
        {"no series before it", VARVE_E_INVALID, PAYLOAD(0, 1, 1, 0, 1, 'v', 4, 1)},
        {"a series cut short", VARVE_E_INVALID, PAYLOAD(40, 1, 0, 'm')},
        {"a series with bytes left over", VARVE_E_INVALID,
         PAYLOAD(4, 1, 0, 'm', 'm', 1, 1, 0, 1, 'v', 4, 1)},
        {"a metric without bytes", VARVE_E_INVALID, PAYLOAD(2, 0, 0, 1, 1, 0, 1, 'v', 4, 1)},
        {"a label of another name", VARVE_OK,
         PAYLOAD(15, 1, 0, 'm', 8, 0, '_', '_', 'n', 'a', 'm', 'e', '_', 'x', 0, 0, 1, 1, 0, 1, 'v',
                 4, 1)},
        {"a label that is the metric's", VARVE_E_INVALID,
         PAYLOAD(15, 1, 0, 'm', 8, 0, '_', '_', 'n', 'a', 'm', 'e', '_', '_', 0, 0, 1, 1, 0, 1, 'v',
                 4, 1)},
        {"no rows", VARVE_E_INVALID, PAYLOAD(SERIES, 0, 1, 1, 'v', 4)},
        {"no fields", VARVE_E_INVALID, PAYLOAD(SERIES, 1, 0, 0)},
        {"too many rows", VARVE_E_INVALID, PAYLOAD(SERIES, 0x81, 0x20, 1, 0)},
        {"too many fields", VARVE_E_INVALID, PAYLOAD(SERIES, 1, 0x81, 0x08, 0)},
        {"too many values", VARVE_E_INVALID, PAYLOAD(SERIES, 0x80, 0x10, 9, 0)},
        {"times cut short", VARVE_E_INVALID, PAYLOAD(SERIES, 2, 1, 0)},
        {"a name without bytes", VARVE_E_INVALID, PAYLOAD(SERIES, 1, 1, 0, 0, 4, 1)},
        {"a name that is no UTF-8", VARVE_E_INVALID, PAYLOAD(SERIES, 1, 1, 0, 1, 0xff, 4, 1)},
        {"a name twice", VARVE_E_INVALID, PAYLOAD(SERIES, 1, 2, 0, 1, 'v', 4, 1, 1, 'v', 4, 1)},
        {"names that descend", VARVE_E_INVALID,
         PAYLOAD(SERIES, 1, 2, 0, 1, 'w', 4, 1, 1, 'v', 4, 1)},
        {"type 0", VARVE_E_INVALID, PAYLOAD(SERIES, 1, 1, 0, 1, 'v', 0, 1)},
        {"marks of a bool", VARVE_E_INVALID, PAYLOAD(SERIES, 1, 1, 0, 1, 'v', 4 | 16, 1, 1)},
        {"a coding of a bool", VARVE_E_INVALID, PAYLOAD(SERIES, 1, 1, 0, 1, 'v', 4 | 32, 1)},
        {"bits behind the last", VARVE_E_INVALID, PAYLOAD(SERIES, 1, 1, 0, 1, 'v', 4, 2)},
        {"presence of none", VARVE_E_INVALID, PAYLOAD(SERIES, 1, 1, 0, 1, 'v', 4 | 8, 0)},
        {"presence of all", VARVE_E_INVALID, PAYLOAD(SERIES, 1, 1, 0, 1, 'v', 4 | 8, 1, 1)},
        {"a row without values", VARVE_E_INVALID, PAYLOAD(SERIES, 2, 1, 0, 0, 1, 'v', 4 | 8, 1, 1)},
        {"deltas of a float", VARVE_E_INVALID, PAYLOAD(SERIES, 1, 1, 0, 1, 'v', 1 | 1 << 5, 1)},
        {"a decimal integer", VARVE_E_INVALID, PAYLOAD(SERIES, 1, 1, 0, 1, 'v', 2 | 2 << 5, 1, 1)},
        {"ten digits", VARVE_E_INVALID, PAYLOAD(SERIES, 1, 1, 0, 1, 'v', 1 | 2 << 5, 10, 1)},
        {"an unknown coding", VARVE_E_INVALID, PAYLOAD(SERIES, 1, 1, 0, 1, 'v', 1 | 4 << 5, 1)},
        {"plain values cut short", VARVE_E_INVALID, PAYLOAD(SERIES, 1, 1, 0, 1, 'v', 3, 1, 2, 3)},
        {"planes cut short", VARVE_E_INVALID, PAYLOAD(SERIES, 1, 1, 0, 1, 'v', 1 | 3 << 5, 1)},
        {"a text cut short", VARVE_E_INVALID, PAYLOAD(SERIES, 1, 1, 0, 1, 'v', 6, 5, 'a')},
        {"a text longer than any", VARVE_E_INVALID,
         PAYLOAD(SERIES, 1, 1, 0, 1, 'v', 6, 0x81, 0x80, 0x80, 0x10, 'a')},
        {"a string that is no UTF-8", VARVE_E_INVALID,
         PAYLOAD(SERIES, 1, 1, 0, 1, 'v', 6, 1, 0xff)},
        {"bytes that are no UTF-8", VARVE_OK, PAYLOAD(SERIES, 1, 1, 0, 1, 'v', 5, 1, 0xff)},
        {"a histogram that is none", VARVE_E_INVALID, PAYLOAD(SERIES, 1, 1, 0, 1, 'v', 7, 2, 1, 2)},
        {"bytes left over", VARVE_E_INVALID, PAYLOAD(SERIES, 1, 1, 0, 1, 'v', 4, 1, 7)},
    };
    stream_world w;
    varve_error err;
    world_begin(&w);
    for (size_t i = 0; i < VV_ARRAY_COUNT(cases); i++) {
        varve_status status = read_payload(&w, cases[i].bytes, cases[i].size, &err);
        if (status != cases[i].status) {
            print_error("%s: %s\n", cases[i].what, status == VARVE_OK ? "taken" : err.message);
        }
        check_status(cases[i].status, status);
        assert_int_equal(w.got_rows, status == VARVE_OK ? 1 : 0);
        if (status != VARVE_OK) {
            assert_non_null(strstr(err.message, "block 1 at byte 32: "));
        }
    }
    world_end(&w);
}

/* T5: the first run is good, the second is not: nothing of the block is given out. */
static void stream_gives_nothing_of_a_bad_block(void **state)
{
    (void)state;
    static const uint8_t payload[] = {SERIES, 1, 1, 0, 1, 'v', 4, 1, 0, 1, 1, 0, 1, 'v', 0, 1};
    stream_world w;
    varve_error err;
    world_begin(&w);
    check_status(VARVE_E_INVALID, read_payload(&w, payload, sizeof payload, &err));
    assert_non_null(strstr(err.message, "run 2"));
    assert_int_equal(w.got_rows, 0);
    world_end(&w);
}

static void stream_refuses_heads_that_make_no_sense(void **state)
{
    (void)state;
    static const uint8_t good[] = {SERIES, 1, 1, 0, 1, 'v', 4, 1};
    static const struct {
        uint8_t kind, flags;
        uint32_t unpacked;
        varve_status status;
    } cases[] = {
        {1, 0, sizeof good, VARVE_OK},
        {1, 0, sizeof good + 1, VARVE_E_INVALID},              /* another size */
        {1, 1, sizeof good, VARVE_E_INVALID},                  /* no zstd frame */
        {1, 2, sizeof good, VARVE_E_UNSUPPORTED},              /* a flag of later */
        {3, 0, sizeof good, VARVE_E_UNSUPPORTED},              /* a kind of later */
        {0, 0, sizeof good, VARVE_E_UNSUPPORTED},              /* no kind */
        {2, 0, sizeof good, VARVE_E_INVALID},                  /* an end of another size */
        {1, 1, 0xffffffff, VARVE_E_LIMIT},                     /* more than any block */
        {1, 1, 64 * 1024 * 1024 + 64 * 1024, VARVE_E_INVALID}, /* as much as any: no frame */
        {1, 1, 64 * 1024 * 1024 + 64 * 1024 + 1, VARVE_E_LIMIT},
    };
    stream_world w;
    varve_error err;
    world_begin(&w);
    for (size_t i = 0; i < VV_ARRAY_COUNT(cases); i++) {
        hand_made made;
        hand_begin(&made, &w.alloc, 1, VARVE_PRECISION_NS);
        hand_block(&made, cases[i].kind, cases[i].flags, cases[i].unpacked, good, sizeof good);
        hand_end(&made, 1, 1, 1);
        check_status(cases[i].status,
                     world_read(&w, vv_buf_bytes(&made.bytes), 4096, &world_options, &err));
        vv_buf_deinit(&made.bytes);
    }
    world_end(&w);
}

static void stream_skips_optional_blocks_of_later_versions(void **state)
{
    (void)state;
    static const uint8_t good[] = {SERIES, 1, 1, 0, 1, 'v', 4, 1};
    stream_world w;
    varve_error err;
    hand_made made;
    world_begin(&w);
    hand_begin(&made, &w.alloc, 1, VARVE_PRECISION_NS);
    hand_block(&made, 0x80, 0, 5, "later", 5);
    hand_block(&made, 1, 0, sizeof good, good, sizeof good);
    hand_block(&made, 0xff, 1, 500, "later", 5);
    hand_end(&made, 1, 1, 1);
    check_ok(world_read(&w, vv_buf_bytes(&made.bytes), 1, &world_options, &err), &err);
    assert_int_equal(w.got_rows, 1);
    vv_buf_deinit(&made.bytes);
    world_end(&w);
}

static void stream_refuses_an_end_that_counts_differently(void **state)
{
    (void)state;
    static const uint8_t good[] = {SERIES, 1, 1, 0, 1, 'v', 4, 1};
    static const uint64_t counts[][3] = {{1, 1, 1}, {0, 1, 1}, {1, 2, 1}, {1, 1, 2}};
    stream_world w;
    varve_error err;
    world_begin(&w);
    for (size_t i = 0; i < VV_ARRAY_COUNT(counts); i++) {
        hand_made made;
        hand_begin(&made, &w.alloc, 1, VARVE_PRECISION_NS);
        hand_block(&made, 1, 0, sizeof good, good, sizeof good);
        hand_end(&made, counts[i][0], counts[i][1], counts[i][2]);
        check_status(i == 0 ? VARVE_OK : VARVE_E_INVALID,
                     world_read(&w, vv_buf_bytes(&made.bytes), 4096, &world_options, &err));
        vv_buf_deinit(&made.bytes);
    }
    world_end(&w);
}

static void stream_with_something_in_its_zero_bytes_is_refused(void **state)
{
    (void)state;
    stream_world w;
    varve_error err;
    world_begin(&w);
    for (size_t at = 17; at < HEADER - 4; at++) {
        hand_made made;
        hand_begin(&made, &w.alloc, 1, VARVE_PRECISION_NS);
        made.bytes.data[at] = 1;
        made.chain = vv_crc32c(0, made.bytes.data, HEADER - 4);
        memcpy(made.bytes.data + HEADER - 4, &made.chain, sizeof made.chain);
        hand_end(&made, 0, 0, 0);
        check_status(VARVE_E_UNSUPPORTED,
                     world_read(&w, vv_buf_bytes(&made.bytes), 4096, &world_options, &err));
        assert_non_null(strstr(err.message, "a later version"));
        vv_buf_deinit(&made.bytes);
    }
    world_end(&w);
}

static void stream_of_a_later_version_is_refused_as_such(void **state)
{
    (void)state;
    stream_world w;
    varve_error err;
    hand_made made;
    world_begin(&w);
    hand_begin(&made, &w.alloc, 2, VARVE_PRECISION_NS);
    check_status(VARVE_E_UNSUPPORTED,
                 world_read(&w, vv_buf_bytes(&made.bytes), 4096, &world_options, &err));
    assert_non_null(strstr(err.message, "version 2"));
    vv_buf_deinit(&made.bytes);
    hand_begin(&made, &w.alloc, 1, 5);
    check_status(VARVE_E_INVALID,
                 world_read(&w, vv_buf_bytes(&made.bytes), 4096, &world_options, &err));
    vv_buf_deinit(&made.bytes);
    world_end(&w);
}

/* ---- bounds, precision, labels, sinks ------------------------------------------------------- */

static void stream_keeps_to_the_bound_of_a_block(void **state)
{
    (void)state;
    static const uint8_t good[] = {SERIES, 1, 1, 0, 1, 'v', 4, 1};
    stream_world w;
    varve_error err;
    hand_made made;
    world_begin(&w);
    hand_begin(&made, &w.alloc, 1, VARVE_PRECISION_NS);
    hand_block(&made, 1, 0, sizeof good, good, sizeof good);
    vv_decoder_options options = world_options;
    options.line_bytes_max = sizeof good;
    check_status(VARVE_E_INVALID, /* it has no end, that is all */
                 world_read(&w, vv_buf_bytes(&made.bytes), 4096, &options, &err));
    assert_int_equal(w.got_rows, 1);
    options.line_bytes_max = sizeof good - 1;
    check_status(VARVE_E_LIMIT, world_read(&w, vv_buf_bytes(&made.bytes), 4096, &options, &err));
    assert_int_equal(w.got_rows, 0);
    vv_buf_deinit(&made.bytes);
    world_end(&w);
}

static void stream_converts_times_to_the_precision_asked(void **state)
{
    (void)state;
    stream_world w;
    varve_error err;
    vv_stream_writer *writer;
    static const varve_text names[] = {VV_TEXT_INIT("v")};
    static const int64_t times[] = {-1, 1999, INT64_MAX};
    varve_value values[3] = {
        {.type = VARVE_TYPE_BOOL}, {.type = VARVE_TYPE_BOOL}, {.type = VARVE_TYPE_BOOL}};
    vv_decoder_options options = world_options;
    world_begin(&w);
    check_ok(vv_stream_writer_create(&w.alloc, VARVE_PRECISION_MS, &writer, &err), &err);
    world_write(&w, writer, VV_TEXT("m"), NULL, 0, times, 3, names, values, 1);
    check_ok(vv_stream_write_end(writer, &w.stream, &err), &err);
    vv_stream_writer_free(writer);
    options.precision = VARVE_PRECISION_S;
    check_ok(world_read(&w, vv_buf_bytes(&w.stream), 4096, &options, &err), &err);
    vv_buf_append_char(&w.got, '\0');
    assert_string_equal((const char *)w.got.data,
                        "m -1 v=4:0\nm 1 v=4:0\nm 9223372036854775 v=4:0\n");
    options.precision = VARVE_PRECISION_US; /* the last does not fit: the block is refused */
    check_status(VARVE_E_INVALID, world_read(&w, vv_buf_bytes(&w.stream), 4096, &options, &err));
    assert_int_equal(w.got_rows, 0);
    world_end(&w);
}

static void stream_passes_on_what_the_sink_fails_with(void **state)
{
    (void)state;
    stream_world w;
    varve_error err;
    world_begin(&w);
    world_write_small(&w);
    w.sink_fails = VARVE_E_NOSPACE;
    check_status(VARVE_E_NOSPACE,
                 world_read(&w, vv_buf_bytes(&w.stream), 4096, &world_options, &err));
    assert_string_equal(err.message, "the sink is full");
    assert_int_equal(w.got_blocks, 0);
    world_end(&w);
}

typedef struct watched {
    uint32_t version, precision;
    uint64_t blocks, rows, runs, next_offset;
    bool has_end;
} watched;

static void watch_header(void *context, uint32_t version, uint32_t precision)
{
    watched *seen = context;
    seen->version = version;
    seen->precision = precision;
    seen->next_offset = HEADER;
}

static void watch_block(void *context, const vv_stream_block *block)
{
    watched *seen = context;
    seen->blocks += 1;
    assert_int_equal(block->number, seen->blocks);
    assert_int_equal(block->offset, seen->next_offset);
    seen->next_offset += HEAD + block->bytes;
    seen->rows += block->rows;
    seen->runs += block->runs;
    seen->has_end = block->is_end;
}

static void stream_can_be_watched(void **state)
{
    (void)state;
    stream_world w;
    varve_error err;
    watched seen = {0};
    vv_stream_watch watch = {.context = &seen, .header = watch_header, .block = watch_block};
    vv_decoder_options options = world_options;
    options.format_options = &watch;
    world_begin(&w);
    world_write_small(&w);
    check_ok(world_read(&w, vv_buf_bytes(&w.stream), 33, &options, &err), &err);
    assert_int_equal(seen.version, 1);
    assert_int_equal(seen.precision, VARVE_PRECISION_NS);
    assert_int_equal(seen.blocks, 5);
    assert_int_equal(seen.rows, 37);
    assert_int_equal(seen.runs, w.got_runs);
    assert_int_equal(seen.next_offset, w.stream.size);
    assert_true(seen.has_end);
    world_end(&w);
}

/* Each allocation of the reader fails once: E_NOMEM, and everything is given back. */
static void stream_reader_survives_failing_allocations(void **state)
{
    (void)state;
    stream_world w;
    varve_error err;
    failing_alloc failing;
    failing_alloc_init(&failing);
    varve_allocator source = failing_alloc_source(&failing);
    world_begin(&w);
    world_write_small(&w);
    bool is_over = false;
    for (uint64_t n = 1; !is_over; n++) {
        vv_alloc alloc;
        vv_alloc_init(&alloc, &source);
        w.decoder_alloc = &alloc;
        failing_alloc_plan(&failing, n, true);
        varve_status status = world_read(&w, vv_buf_bytes(&w.stream), 4096, &world_options, &err);
        is_over = status == VARVE_OK;
        if (!is_over) {
            check_status(VARVE_E_NOMEM, status);
        }
        assert_int_equal(vv_alloc_bytes(&alloc), 0);
    }
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stream_cut_anywhere_keeps_whole_blocks),
        cmocka_unit_test(stream_with_any_bit_flipped_is_refused_there),
        cmocka_unit_test(stream_names_block_and_offset_of_damage),
        cmocka_unit_test(stream_with_a_block_missing_or_twice_is_refused),
        cmocka_unit_test(stream_with_bytes_behind_its_end_is_refused),
        cmocka_unit_test(stream_refuses_runs_that_make_no_sense),
        cmocka_unit_test(stream_gives_nothing_of_a_bad_block),
        cmocka_unit_test(stream_refuses_heads_that_make_no_sense),
        cmocka_unit_test(stream_skips_optional_blocks_of_later_versions),
        cmocka_unit_test(stream_refuses_an_end_that_counts_differently),
        cmocka_unit_test(stream_with_something_in_its_zero_bytes_is_refused),
        cmocka_unit_test(stream_of_a_later_version_is_refused_as_such),
        cmocka_unit_test(stream_keeps_to_the_bound_of_a_block),
        cmocka_unit_test(stream_converts_times_to_the_precision_asked),
        cmocka_unit_test(stream_passes_on_what_the_sink_fails_with),
        cmocka_unit_test(stream_can_be_watched),
        cmocka_unit_test(stream_reader_survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
