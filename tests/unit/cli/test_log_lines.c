/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the log: what clients send cannot break them. */
#include "cli/log_lines.h"

#include <string.h>

#include "base/alloc.h"
#include "base/random.h"
#include "base/slice.h"
#include "base/utf8.h"
#include "server/server.h"
#include "support/check.h"

static const char *request_line(vv_buf *out, vv_log_form form, varve_text path)
{
    vv_server_access access = {.method = VV_TEXT("GET"),
                               .path = path,
                               .peer = VV_TEXT("::1"),
                               .id = VV_TEXT("a-1"),
                               .code = 200,
                               .received_bytes = 12,
                               .duration_us = 34};
    vv_buf_reset(out);
    vv_log_lines_print_request(out, form, INT64_C(1700000000123456789), &access);
    vv_buf_append_char(out, '\0');
    check_ok(vv_buf_check(out, NULL), NULL);
    return (const char *)out->data;
}

static int begin(void **state)
{
    static vv_alloc alloc;
    static vv_buf out;
    vv_alloc_init(&alloc, NULL);
    vv_buf_init(&out, &alloc, SIZE_MAX);
    *state = &out;
    return 0;
}

static int end(void **state)
{
    vv_buf_deinit(*state);
    return 0;
}

static void both_forms_say_the_same(void **state)
{
    vv_buf *out = *state;
    assert_string_equal(request_line(out, VV_LOG_FORM_LOGFMT, VV_TEXT("/write")),
                        "time=2023-11-14T22:13:20.123Z level=info event=http.request method=GET "
                        "path=/write code=200 bytes=12 us=34 peer=::1 id=a-1\n");
    assert_string_equal(request_line(out, VV_LOG_FORM_JSON, VV_TEXT("/write")),
                        "{\"time\":\"2023-11-14T22:13:20.123Z\",\"level\":\"info\","
                        "\"event\":\"http.request\",\"method\":\"GET\",\"path\":\"/write\","
                        "\"code\":200,\"bytes\":12,\"us\":34,\"peer\":\"::1\",\"id\":\"a-1\"}\n");
    vv_buf_reset(out);
    vv_log_lines_print_event(out, VV_LOG_FORM_LOGFMT, 0, VARVE_LOG_WARN, "a.b", VV_TEXT("c d"));
    vv_buf_append_char(out, '\0');
    assert_string_equal((const char *)out->data,
                        "time=1970-01-01T00:00:00.000Z level=warn event=a.b msg=\"c d\"\n");
}

/* L1 */
static void foreign_bytes_stay_inside_their_value(void **state)
{
    vv_buf *out = *state;
    static const struct {
        varve_text path;
        const char *shown;
    } cases[] = {
        {VV_TEXT_INIT("/a b"), "path=\"/a b\" "},
        {VV_TEXT_INIT(""), "path=\"\" "},
        {VV_TEXT_INIT("/a\nlevel=error"), "path=\"/a\\nlevel=error\" "},
        {VV_TEXT_INIT("/\"\\="), "path=\"/\\\"\\\\=\" "},
        {VV_TEXT_INIT("\x1b[2J\x7f\r"), "path=\"\\u001b[2J\\u007f\\u000d\" "},
        {VV_TEXT_INIT("\xc2\x9b"), "path=\"\\u009b\" "},
        {VV_TEXT_INIT("\xe2\x80\xae"), "path=\"\\u202e\" "},
        {VV_TEXT_INIT("\xff/\xc3"), "path=\"\xef\xbf\xbd/\xef\xbf\xbd\" "},
        {VV_TEXT_INIT("\xc3\xa4"), "path=\"\xc3\xa4\" "},
    };
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        assert_non_null(
            strstr(request_line(out, VV_LOG_FORM_LOGFMT, cases[index].path), cases[index].shown));
    }
}

/* L1 */
static void values_are_cut_between_characters(void **state)
{
    vv_buf *out = *state;
    char path[600];
    memset(path, 'x', sizeof path);
    const char *line = request_line(out, VV_LOG_FORM_LOGFMT, vv_text_make(path, 256));
    assert_int_equal(strcspn(strstr(line, "path=") + 5, " "), 256);
    line = request_line(out, VV_LOG_FORM_LOGFMT, vv_text_make(path, 257));
    assert_int_equal(strcspn(strstr(line, "path=") + 5, " "), 256);
    memcpy(path + 255, "\xc3\xa4", 2);
    line = request_line(out, VV_LOG_FORM_LOGFMT, vv_text_make(path, 300));
    assert_int_equal(strcspn(strstr(line, "path=") + 5, " "), 255);
}

/* L1 */
static void any_bytes_make_one_line_of_text(void **state)
{
    vv_buf *out = *state;
    vv_random random;
    vv_random_init(&random, 7);
    for (int round = 0; round < 2000; round++) {
        char path[400];
        size_t size = vv_random_below(&random, sizeof path);
        for (size_t index = 0; index < size; index++) {
            path[index] = (char)vv_random_below(&random, 256);
        }
        const char *line = request_line(out, round % 2 == 0 ? VV_LOG_FORM_LOGFMT : VV_LOG_FORM_JSON,
                                        vv_text_make(path, size));
        size_t length = strlen(line);
        assert_int_equal(length, out->size - 1);
        assert_true(vv_utf8_is_valid(vv_text_make(line, length)));
        for (size_t index = 0; index + 1 < length; index++) {
            assert_true((unsigned char)line[index] >= 0x20);
        }
        assert_int_equal(line[length - 1], '\n');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both_forms_say_the_same, begin, end),
        cmocka_unit_test_setup_teardown(foreign_bytes_stay_inside_their_value, begin, end),
        cmocka_unit_test_setup_teardown(values_are_cut_between_characters, begin, end),
        cmocka_unit_test_setup_teardown(any_bytes_make_one_line_of_text, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
