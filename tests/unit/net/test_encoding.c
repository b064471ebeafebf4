/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/encoding.h"
#include "support/check.h"
#include "support/failing_alloc.h"

static varve_status take(void *context, vv_bytes piece, varve_error *out_err)
{
    (void)out_err;
    vv_buf *buf = context;
    assert_true(piece.size > 0 && piece.size <= VV_INFLATE_PIECE_BYTES);
    return vv_buf_append(buf, piece.data, piece.size);
}

static varve_status unpack(vv_alloc *alloc, vv_encoding encoding, vv_bytes bytes, size_t piece,
                           uint64_t bytes_max, vv_buf *out)
{
    vv_inflate *inflate;
    VV_TRY(vv_inflate_create(alloc, encoding, bytes_max, take, out, &inflate, NULL));
    varve_status status = VARVE_OK;
    for (size_t at = 0; at < bytes.size && status == VARVE_OK; at += piece) {
        size_t left = bytes.size - at;
        status = vv_inflate_feed(inflate,
                                 vv_bytes_make(bytes.data + at, left < piece ? left : piece), NULL);
    }
    if (status == VARVE_OK) {
        status = vv_inflate_end(inflate, NULL);
    }
    vv_inflate_free(inflate);
    return status;
}

static varve_status pack(vv_alloc *alloc, vv_encoding encoding, vv_bytes bytes, vv_buf *out)
{
    vv_deflate *deflate;
    VV_TRY(vv_deflate_create(alloc, encoding, &deflate, NULL));
    varve_status status = vv_deflate_feed(deflate, bytes, true, out, NULL);
    vv_deflate_free(deflate);
    return status;
}

/* What both encodings do with 200 KB of numbers. */
static vv_buf numbers(vv_alloc *alloc)
{
    vv_buf buf;
    vv_buf_init(&buf, alloc, SIZE_MAX);
    for (unsigned index = 0; buf.size < 200000; index++) {
        vv_buf_append_format(&buf, "%u,", index * 2654435761u);
    }
    return buf;
}

static void encodings_give_back_what_they_took(void **state)
{
    (void)state;
    static const vv_encoding encodings[] = {VV_ENCODING_GZIP, VV_ENCODING_ZSTD};
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_buf plain = numbers(&alloc);
    for (size_t index = 0; index < 2; index++) {
        vv_buf packed;
        vv_buf out;
        vv_buf_init(&packed, &alloc, SIZE_MAX);
        vv_buf_init(&out, &alloc, SIZE_MAX);
        /* Two frames one behind the other count together. */
        check_ok(pack(&alloc, encodings[index], vv_buf_bytes(&plain), &packed), NULL);
        check_ok(pack(&alloc, encodings[index], vv_buf_bytes(&plain), &packed), NULL);
        check_ok(unpack(&alloc, encodings[index], vv_buf_bytes(&packed), 7, UINT64_MAX, &out),
                 NULL);
        assert_int_equal(out.size, plain.size * 2);
        assert_memory_equal(out.data, plain.data, plain.size);
        assert_memory_equal(out.data + plain.size, plain.data, plain.size);
        /* Both sides of the limit, and an end too early. */
        vv_buf_reset(&out);
        check_ok(
            unpack(&alloc, encodings[index], vv_buf_bytes(&packed), 4096, plain.size * 2, &out),
            NULL);
        check_status(VARVE_E_LIMIT, unpack(&alloc, encodings[index], vv_buf_bytes(&packed), 4096,
                                           plain.size * 2 - 1, &out));
        check_status(VARVE_E_INVALID,
                     unpack(&alloc, encodings[index], vv_bytes_make(packed.data, packed.size - 1),
                            4096, UINT64_MAX, &out));
        vv_buf_append_text(&packed, VV_TEXT("rest"));
        check_status(VARVE_E_INVALID, unpack(&alloc, encodings[index], vv_buf_bytes(&packed), 4096,
                                             UINT64_MAX, &out));
        vv_buf_deinit(&packed);
        vv_buf_deinit(&out);
    }
    vv_buf_deinit(&plain);
    assert_int_equal(vv_alloc_bytes(&alloc), 0);
}

static void encodings_are_named_by_one_word(void **state)
{
    (void)state;
    vv_encoding encoding;
    assert_true(vv_encoding_parse(VV_TEXT(""), &encoding) && encoding == VV_ENCODING_IDENTITY);
    assert_true(vv_encoding_parse(VV_TEXT(" GZip "), &encoding) && encoding == VV_ENCODING_GZIP);
    assert_true(vv_encoding_parse(VV_TEXT("x-gzip"), &encoding) && encoding == VV_ENCODING_GZIP);
    assert_true(vv_encoding_parse(VV_TEXT("zstd"), &encoding) && encoding == VV_ENCODING_ZSTD);
    assert_false(vv_encoding_parse(VV_TEXT("gzip, gzip"), &encoding));
    assert_false(vv_encoding_parse(VV_TEXT("snappy"), &encoding));
    assert_int_equal(vv_encoding_choose(VV_TEXT("gzip, deflate, br, zstd")), VV_ENCODING_ZSTD);
    assert_int_equal(vv_encoding_choose(VV_TEXT("gzip;q=0.5,zstd;q=0")), VV_ENCODING_GZIP);
    assert_int_equal(vv_encoding_choose(VV_TEXT("deflate, br")), VV_ENCODING_IDENTITY);
    assert_int_equal(vv_encoding_choose(VV_TEXT("gzip; q=0.000")), VV_ENCODING_IDENTITY);
    assert_int_equal(vv_encoding_choose(VV_TEXT("")), VV_ENCODING_IDENTITY);
}

static void encodings_are_chosen_by_weight(void **state)
{
    (void)state;
    static const struct {
        const char *accept;
        vv_encoding encoding;
    } cases[] = {
        {"gzip;q=1.0, zstd;q=0.9", VV_ENCODING_GZIP},
        {"zstd;q=0.9, gzip;q=1.0", VV_ENCODING_GZIP},
        {"gzip;q=0.899,zstd;q=0.9", VV_ENCODING_ZSTD},
        {"gzip;q=0.9,zstd;q=0.9", VV_ENCODING_ZSTD},
        {"identity;q=1, gzip;q=0.5", VV_ENCODING_IDENTITY},
        {"identity;q=0.5, gzip;q=0.6", VV_ENCODING_GZIP},
        {"identity, gzip", VV_ENCODING_GZIP},
        {"gzip;q=0.001", VV_ENCODING_GZIP},
        {"GZIP ; Q=1", VV_ENCODING_GZIP},
        {"x-gzip", VV_ENCODING_GZIP},
        {"*", VV_ENCODING_GZIP},
        {"*;q=0", VV_ENCODING_IDENTITY},
        {"*, gzip;q=0", VV_ENCODING_IDENTITY},
        {"gzip;q=0.5, *;q=0", VV_ENCODING_GZIP},
        {"zstd;q=0.2, *;q=0.1", VV_ENCODING_ZSTD},
        {"gzip;q=", VV_ENCODING_IDENTITY},
        {"gzip;q=2", VV_ENCODING_IDENTITY},
        {"gzip;q=1.001", VV_ENCODING_IDENTITY},
        {"gzip;q=0.0001", VV_ENCODING_IDENTITY},
        {"gzip;q=abc", VV_ENCODING_IDENTITY},
        {"gzip;q=0.5.5", VV_ENCODING_IDENTITY},
        {"gzip;level=9;q=0", VV_ENCODING_IDENTITY},
        {",,;q=1,", VV_ENCODING_IDENTITY},
    };
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        vv_encoding chosen = vv_encoding_choose(vv_text_from_string(cases[index].accept));
        if (chosen != cases[index].encoding) {
            print_error("%s\n", cases[index].accept);
        }
        assert_int_equal(chosen, cases[index].encoding);
    }
}

static void encodings_survive_every_failed_allocation(void **state)
{
    (void)state;
    static const vv_encoding encodings[] = {VV_ENCODING_GZIP, VV_ENCODING_ZSTD};
    for (size_t index = 0; index < 2; index++) {
        bool is_done = false;
        for (uint64_t fail_at = 1; !is_done; fail_at++) {
            failing_alloc source;
            failing_alloc_init(&source);
            failing_alloc_plan(&source, fail_at, false);
            varve_allocator allocator = failing_alloc_source(&source);
            vv_alloc alloc;
            vv_alloc_init(&alloc, &allocator);
            vv_buf packed;
            vv_buf out;
            vv_buf_init(&packed, &alloc, SIZE_MAX);
            vv_buf_init(&out, &alloc, SIZE_MAX);
            varve_status status =
                pack(&alloc, encodings[index], vv_bytes_make("some text", 9), &packed);
            if (status == VARVE_OK) {
                status = unpack(&alloc, encodings[index], vv_buf_bytes(&packed), 100, 100, &out);
            }
            is_done = status == VARVE_OK && out.size == 9;
            vv_buf_deinit(&packed);
            vv_buf_deinit(&out);
            assert_int_equal(vv_alloc_bytes(&alloc), 0);
            assert_true(fail_at < 100);
        }
    }
}

/** The sentence about bytes that cannot be unpacked, fed one by one and all at once. */
static void expect_sentence(vv_encoding encoding, vv_bytes bytes, const char *sentence)
{
    for (size_t piece = 1; piece <= bytes.size; piece += bytes.size - 1) {
        vv_alloc alloc;
        vv_buf out;
        vv_inflate *inflate;
        varve_error err;
        vv_alloc_init(&alloc, NULL);
        vv_buf_init(&out, &alloc, SIZE_MAX);
        check_ok(vv_inflate_create(&alloc, encoding, UINT64_MAX, take, &out, &inflate, &err), &err);
        varve_status status = VARVE_OK;
        for (size_t at = 0; at < bytes.size && status == VARVE_OK; at += piece) {
            size_t left = bytes.size - at;
            status = vv_inflate_feed(
                inflate, vv_bytes_make(bytes.data + at, left < piece ? left : piece), &err);
        }
        check_status(VARVE_E_INVALID, status);
        assert_string_equal(err.message, sentence);
        vv_inflate_free(inflate);
        vv_buf_deinit(&out);
    }
}

static void damage_is_told_with_its_place(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_buf out;
    char sentence[200];
    vv_alloc_init(&alloc, NULL);
    vv_buf_init(&out, &alloc, SIZE_MAX);
    for (size_t member = 0; member < 2; member++) {
        check_ok(pack(&alloc, VV_ENCODING_GZIP, vv_bytes_make("0123456789", 10), &out), NULL);
    }
    size_t one = out.size / 2;
    uint8_t *data = out.data;
    data[out.size - 8] ^= 1; /* the checksum, behind it the length */
    snprintf(sentence, sizeof sentence,
             "the bytes of the gzip are damaged: the checksum of member 2, before byte %zu, does "
             "not match",
             out.size - 4);
    expect_sentence(VV_ENCODING_GZIP, vv_buf_bytes(&out), sentence);
    data[one - 8] ^= 1;
    snprintf(sentence, sizeof sentence,
             "the bytes of the gzip are damaged: the checksum of member 1, before byte %zu, does "
             "not match",
             one - 4);
    expect_sentence(VV_ENCODING_GZIP, vv_buf_bytes(&out), sentence);
    data[one - 8] ^= 1;
    memset(data + one, 'x', out.size - one);
    snprintf(sentence, sizeof sentence,
             "what follows member 1 of the gzip, before byte %zu, is no gzip", one + 2);
    expect_sentence(VV_ENCODING_GZIP, vv_buf_bytes(&out), sentence);
    memset(data + 10, 0xff, 4); /* no kind of block */
    expect_sentence(VV_ENCODING_GZIP, vv_buf_bytes(&out),
                    "the bytes of the gzip are damaged: member 1 cannot be read further at byte "
                    "11");
    expect_sentence(VV_ENCODING_GZIP, vv_bytes_make("plain text", 10), "the body is no gzip");
    expect_sentence(VV_ENCODING_ZSTD, vv_bytes_make("plain text", 10), "the body is no zstd");
    vv_buf_deinit(&out);
}

static void what_was_flushed_can_be_read(void **state)
{
    (void)state;
    static const vv_encoding encodings[] = {VV_ENCODING_GZIP, VV_ENCODING_ZSTD};
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_buf text = numbers(&alloc);
    for (size_t i = 0; i < sizeof encodings / sizeof encodings[0]; i++) {
        vv_deflate *deflate;
        vv_inflate *inflate;
        vv_buf packed;
        vv_buf back;
        vv_buf_init(&packed, &alloc, SIZE_MAX);
        vv_buf_init(&back, &alloc, SIZE_MAX);
        check_ok(vv_deflate_create(&alloc, encodings[i], &deflate, NULL), NULL);
        check_ok(vv_inflate_create(&alloc, encodings[i], UINT64_MAX, take, &back, &inflate, NULL),
                 NULL);
        for (size_t at = 0; at < text.size; at += 777) {
            size_t size = text.size - at < 777 ? text.size - at : 777;
            vv_buf_reset(&packed);
            check_ok(
                vv_deflate_feed(deflate, vv_bytes_make(text.data + at, size), false, &packed, NULL),
                NULL);
            check_ok(vv_deflate_flush(deflate, &packed, NULL), NULL);
            check_ok(vv_inflate_feed(inflate, vv_buf_bytes(&packed), NULL), NULL);
            assert_int_equal(back.size, at + size);
        }
        assert_memory_equal(back.data, text.data, text.size);
        vv_inflate_free(inflate);
        vv_deflate_free(deflate);
        vv_buf_deinit(&back);
        vv_buf_deinit(&packed);
    }
    vv_buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodings_give_back_what_they_took),
        cmocka_unit_test(encodings_are_named_by_one_word),
        cmocka_unit_test(encodings_are_chosen_by_weight),
        cmocka_unit_test(encodings_survive_every_failed_allocation),
        cmocka_unit_test(damage_is_told_with_its_place),
        cmocka_unit_test(what_was_flushed_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
