/* SPDX-License-Identifier: Apache-2.0 */
#include "base/status.h"

#include <errno.h>
#include <string.h>

#include "base/slice.h"
#include "base/utf8.h"
#include "support/check.h"

static void fail_fills_status_and_message(void **state)
{
    (void)state;
    varve_error err;
    memset(&err, 0xAA, sizeof err);
    check_status(VARVE_E_LIMIT, vv_fail(&err, VARVE_E_LIMIT, "%d of %s", 7, "nine"));
    assert_int_equal(err.status, VARVE_E_LIMIT);
    assert_int_equal(err.os_errno, 0);
    assert_string_equal(err.message, "7 of nine");
}

static void fail_accepts_no_error_to_fill(void **state)
{
    (void)state;
    check_status(VARVE_E_IO, vv_fail(NULL, VARVE_E_IO, "nobody reads %d", 1));
    check_status(VARVE_E_IO, vv_fail_errno(NULL, VARVE_E_IO, EIO, "nobody"));
    check_status(VARVE_E_NOMEM, vv_fail_nomem(NULL, "x", 1));
    vv_error_prefix(NULL, "x");
    vv_error_clear(NULL);
}

static void a_kept_error_is_answered_as_it_was(void **state)
{
    (void)state;
    varve_error kept;
    varve_error err = {.status = VARVE_E_BUSY};
    assert_int_equal(VARVE_E_IO, vv_fail_errno(&kept, VARVE_E_IO, EIO, "reading %d", 7));
    assert_int_equal(VARVE_E_IO, vv_fail_again(&err, &kept));
    assert_int_equal(VARVE_E_IO, err.status);
    assert_int_equal(EIO, err.os_errno);
    assert_string_equal(kept.message, err.message);
    assert_int_equal(VARVE_E_IO, vv_fail_again(NULL, &kept));
}

static void errno_text_is_appended(void **state)
{
    (void)state;
    varve_error err;
    check_status(VARVE_E_IO, vv_fail_errno(&err, VARVE_E_IO, ENOSPC, "writing %s", "wal/1"));
    assert_string_equal(err.message, "writing wal/1: no space left on device");
    assert_int_equal(err.os_errno, ENOSPC);
    check_status(VARVE_E_IO, vv_fail_errno(&err, VARVE_E_IO, 4095, "odd"));
    assert_string_equal(err.message, "odd: errno 4095");
    assert_null(vv_errno_text(4095));
}

static void prefix_goes_in_front_and_keeps_the_status(void **state)
{
    (void)state;
    varve_error err;
    check_status(VARVE_E_IO, vv_fail_errno(&err, VARVE_E_IO, EIO, "reading"));
    vv_error_prefix(&err, "segment %d", 12);
    assert_string_equal(err.message, "segment 12: reading: input/output error");
    assert_int_equal(err.status, VARVE_E_IO);
    assert_int_equal(err.os_errno, EIO);
    vv_error_clear(&err);
    assert_int_equal(err.status, VARVE_OK);
    assert_string_equal(err.message, "");
}

/* A text of count characters of two bytes each, behind one ASCII character when is_odd. */
static void fail_with_long_text(varve_error *err, size_t count, bool is_odd)
{
    char text[600];
    size_t size = 0;
    if (is_odd) {
        text[size] = 'x';
        size += 1;
    }
    for (size_t index = 0; index < count; index++) {
        memcpy(text + size, "\xC3\xA4", 2);
        size += 2;
    }
    text[size] = '\0';
    VV_IGNORE(vv_fail(err, VARVE_E_INVALID, "%s", text));
}

static void long_messages_are_cut_between_characters(void **state)
{
    (void)state;
    varve_error err;
    for (int is_odd = 0; is_odd < 2; is_odd++) {
        fail_with_long_text(&err, 200, is_odd != 0);
        size_t size = strlen(err.message);
        assert_in_range(size, sizeof err.message - 3, sizeof err.message - 1);
        assert_true(vv_utf8_is_valid(vv_text_from_string(err.message)));
        assert_null(strchr(err.message, '?'));
        vv_error_prefix(&err, "%s", "p");
        assert_true(vv_utf8_is_valid(vv_text_from_string(err.message)));
        assert_null(strchr(err.message, '?'));
        assert_memory_equal(err.message, "p: ", 3);
    }
}

/* S1 */
static void foreign_bytes_in_messages_are_made_harmless(void **state)
{
    (void)state;
    varve_error err;
    VV_IGNORE(vv_fail(&err, VARVE_E_INVALID, "label \"%s\"", "a\x1B[31m\r\n\xFFz\xC3"));
    assert_string_equal(err.message, "label \"a?[31m???z?\"");
    VV_IGNORE(vv_fail(&err, VARVE_E_INVALID, "%s", "\xFF\xFE\n"));
    assert_string_equal(err.message, "???");
    VV_IGNORE(vv_fail(&err, VARVE_E_INVALID, "%s", "\x7F\xE2\x82"));
    assert_string_equal(err.message, "???");
}

static void every_status_has_a_text_and_a_name(void **state)
{
    (void)state;
#define CHECK_STATUS(name, number, text)                     \
    assert_string_equal(vv_status_text(VARVE_##name), text); \
    assert_string_equal(vv_status_name(VARVE_##name), #name);
    VARVE_STATUS_MAP(CHECK_STATUS)
#undef CHECK_STATUS
    assert_string_equal(vv_status_text((varve_status)19), "unknown status");
    assert_string_equal(vv_status_name((varve_status)19), "unknown");
}

static void nomem_names_what_and_how_much(void **state)
{
    (void)state;
    varve_error err;
    check_status(VARVE_E_NOMEM, vv_fail_nomem(&err, "block cache", 65536));
    assert_string_equal(err.message, "out of memory: block cache needs 65536 bytes");
}

static void a_copied_error_is_the_same_and_may_go_nowhere(void **state)
{
    (void)state;
    varve_error err;
    varve_error copy;
    VV_IGNORE(vv_fail_errno(&err, VARVE_E_IO, 5, "reading \"x\""));
    vv_error_copy(&copy, &err);
    assert_memory_equal(&copy, &err, sizeof err);
    vv_error_copy(NULL, &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fail_fills_status_and_message),
        cmocka_unit_test(fail_accepts_no_error_to_fill),
        cmocka_unit_test(a_kept_error_is_answered_as_it_was),
        cmocka_unit_test(errno_text_is_appended),
        cmocka_unit_test(prefix_goes_in_front_and_keeps_the_status),
        cmocka_unit_test(long_messages_are_cut_between_characters),
        cmocka_unit_test(foreign_bytes_in_messages_are_made_harmless),
        cmocka_unit_test(every_status_has_a_text_and_a_name),
        cmocka_unit_test(nomem_names_what_and_how_much),
        cmocka_unit_test(a_copied_error_is_the_same_and_may_go_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
