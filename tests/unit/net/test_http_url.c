/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_url.h"

#include <string.h>

#include "support/check.h"

static void addresses_of_servers_are_taken(void **state)
{
    (void)state;
    static const char *const good[] = {"http://127.0.0.1:9428",
                                       "https://a.example/varve/",
                                       "127.0.0.1:9428",
                                       "localhost",
                                       "http:"
                                       "//me:secret@[::1]:80",
                                       "HTTP:"
                                       "//A.EXAMPLE"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        varve_error err;
        check_ok(vv_http_url_check(good[i], &err), &err);
    }
}

static void other_addresses_are_refused_without_their_password(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"", "no address"},
        {"http://", "no address"},
        {"http:"
         "//a b",
         "no address"},
        {"http:"
         "//a:99999",
         "no address"},
        {"ftp:"
         "//me:secret@a",
         "ftp:"
         "//a is neither http nor https"},
        {"file:///etc/passwd", "neither http nor https"},
        {"http:"
         "//me:secret@a/?x=1",
         "http:"
         "//a/?x=1 is more than"},
        {"http:"
         "//a/#x",
         "nothing follows its path"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        varve_error err;
        check_status(VARVE_E_INVALID, vv_http_url_check(bad[i][0], &err));
        if (strstr(err.message, bad[i][1]) == NULL) {
            print_error("%s\n", err.message);
        }
        assert_non_null(strstr(err.message, bad[i][1]));
        assert_null(strstr(err.message, "secret"));
    }
}

static void this_machine_is_known_by_name_and_number(void **state)
{
    (void)state;
    static const char *const here[] = {"http://127.0.0.1:9428",
                                       "127.9.8.7",
                                       "http:"
                                       "//localhost/x",
                                       "http:"
                                       "//LOCALHOST:1",
                                       "http:"
                                       "//a.localhost:1",
                                       "https:"
                                       "//[::1]:1",
                                       "http:"
                                       "//[::ffff:127.0.0.1]",
                                       "http:"
                                       "//u:p@127.0.0.1"};
    static const char *const there[] = {"http:"
                                        "//128.0.0.1",
                                        "http:"
                                        "//localhost.example",
                                        "http:"
                                        "//notlocalhost",
                                        "http:"
                                        "//[::2]",
                                        "http://127.0.0.1.example",
                                        "http://127.0.0.1@a.example",
                                        "http://"};
    for (size_t i = 0; i < sizeof here / sizeof here[0]; i++) {
        if (!vv_http_url_is_loopback(here[i])) {
            print_error("%s\n", here[i]);
        }
        assert_true(vv_http_url_is_loopback(here[i]));
    }
    for (size_t i = 0; i < sizeof there / sizeof there[0]; i++) {
        assert_false(vv_http_url_is_loopback(there[i]));
    }
}

static void names_and_passwords_are_not_printed(void **state)
{
    (void)state;
    char text[64];
    assert_int_equal(vv_http_url_print(text, sizeof text,
                                       "http:"
                                       "//me:se@cret@a:1/b"),
                     12);
    assert_string_equal(text, "http:"
                              "//a:1/b");
    vv_http_url_print(text, sizeof text, "a:1");
    assert_string_equal(text, "a:1");
    vv_http_url_print(text, 6,
                      "http:"
                      "//a");
    assert_string_equal(text, "http:");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_of_servers_are_taken),
        cmocka_unit_test(other_addresses_are_refused_without_their_password),
        cmocka_unit_test(this_machine_is_known_by_name_and_number),
        cmocka_unit_test(names_and_passwords_are_not_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
